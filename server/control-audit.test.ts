/**
 * What the operator does through the control commands is in the audit trail, also where no record
 * changes.
 *
 * @module
 */
import { deepStrictEqual, rejects, strictEqual } from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { AuditEntry } from '#core/audit.ts'
import { WireLog } from '#fronts/kmip/wire-log.ts'
import { readConfig } from './config.ts'
import { runCommand } from './control.ts'
import { House } from './house.ts'
import { createLog } from './log.ts'

describe('control commands', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'claviger-control-'))
  let house: House

  before(async () => {
    const config = readConfig(undefined, {})
    house = await House.open({
      dataDir,
      config,
      log: createLog({ ...config.log, level: 'silent' }),
    })
  })
  after(async () => {
    await house.close()
    rmSync(dataDir, { recursive: true, force: true })
  })

  async function audited(operation: string): Promise<readonly AuditEntry[]> {
    const found = await runCommand({ house }, 'audit.list', { operation })
    return found as readonly AuditEntry[]
  }

  it('leave an entry when the root key is rotated', async () => {
    deepStrictEqual(await audited('RotateRootKey'), [])
    await runCommand({ house }, 'rootkey.rotate', {})
    const [entry] = await audited('RotateRootKey')
    strictEqual(entry?.principal, 'operator')
    strictEqual(entry.outcome, 'success')
  })

  it('leave no entry of a rotation that was refused', async () => {
    const before = await audited('RotateRootKey')
    const refused = runCommand({ house }, 'rootkey.rotate', { to: 'passphrase' })
    strictEqual(await refused.catch((error: { code: string }) => error.code), 'invalidField')
    deepStrictEqual(await audited('RotateRootKey'), before)
  })

  it('switch on the wire log of nobody whom there is not, and leave no entry of it', async () => {
    const wireLog = new WireLog(() => {})
    const mistyped = runCommand({ house, wireLog }, 'wirelog.on', { name: 'admni' })
    await rejects(mistyped, /there is no credential of this name; see: claviger credential list/)
    deepStrictEqual([...wireLog.list()], [])
    deepStrictEqual(await audited('WireLogOn'), [])
  })

  it('leave an entry when the wire log is switched, with the name of the credential', async () => {
    const wireLog = new WireLog(() => {})
    await runCommand({ house, wireLog }, 'wirelog.on', { name: 'admin' })
    await runCommand({ house, wireLog }, 'wirelog.off', { name: 'admin' })
    for (const operation of ['WireLogOn', 'WireLogOff']) {
      const entries = await audited(operation)
      deepStrictEqual(
        entries.map(({ object }) => object),
        ['admin'],
      )
    }
  })
})
