/**
 * `token.init` does all of what it says or nothing: a PIN that the token refuses leaves it with the
 * PINs that it had.
 *
 * @module
 */
import { deepEqual, equal, rejects } from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { AuditEntry } from '#core/audit.ts'
import { readConfig } from './config.ts'
import { runCommand } from './control.ts'
import { House } from './house.ts'
import { createLog } from './log.ts'

interface TokenShown {
  readonly label: string
  readonly userPin: string
  readonly soPin: string
}

describe('token.init', { timeout: 60_000 }, () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'claviger-token-'))
  let house: House
  before(async () => {
    const config = readConfig(undefined, {
      CLAVIGER_PKCS11_TOKENS: '[{name: main, principal: admin}]',
    })
    house = await House.open({
      dataDir,
      config,
      log: createLog({ ...config.log, level: 'silent' }),
    })
  })
  after(async () => {
    await house?.close()
    rmSync(dataDir, { recursive: true, force: true })
  })

  const run = (command: string, input: object): Promise<unknown> => {
    return runCommand({ house }, command, input)
  }
  const shown = async (): Promise<TokenShown> => {
    const [token] = (await run('token.list', {})) as readonly TokenShown[]
    return token as TokenShown
  }
  const initialisations = async (): Promise<number> => {
    return ((await run('audit.list', { operation: 'InitToken' })) as readonly AuditEntry[]).length
  }

  it('changes nothing where the PIN is one that the token does not take', async () => {
    const fresh = await shown()
    equal(fresh.soPin, 'not set')
    const wish = { token: 'main', label: 'other', soPin: '12345678' }
    await rejects(run('token.init', { ...wish, pin: '1' }), /a PIN has 4 to 255 bytes/)
    deepEqual(await shown(), fresh)
    await run('token.init', { ...wish, label: 'first', pin: '1234' })
    const first = await shown()
    equal(first.label, 'first')
    await rejects(run('token.init', { ...wish, pin: '1' }), /a PIN has 4 to 255 bytes/)
    await rejects(run('token.init', { ...wish, pin: 'x'.repeat(256) }), /a PIN has 4 to 255/)
    deepEqual(await shown(), first)
    equal(await initialisations(), 1)
    await run('token.init', { ...wish, pin: '4321' })
    equal((await shown()).label, 'other')
    equal(await initialisations(), 2)
  })
})
