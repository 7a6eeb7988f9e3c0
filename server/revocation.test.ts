/**
 * A credential that is revoked is revoked everywhere, whatever fails on the way.
 *
 * @module
 */
import { deepEqual, rejects } from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { after, describe, it } from 'node:test'
import { readConfig } from './config.ts'
import { House } from './house.ts'
import { createLog } from './log.ts'

describe('a credential that is revoked', { timeout: 60_000 }, () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'claviger-revocation-'))
  const unheard: unknown[] = []
  const hear = (error: unknown): void => void unheard.push(error)
  process.on('unhandledRejection', hear)
  after(() => {
    process.off('unhandledRejection', hear)
    rmSync(dataDir, { recursive: true, force: true })
  })

  it('is told to everyone, also where one of them fails', async () => {
    const config = readConfig(undefined, { CLAVIGER_LOG_LEVEL: 'silent' })
    const house = await House.open({ dataDir, config, log: createLog(config.log) })
    const { credentials } = house
    const told: string[] = []
    credentials.onRevoked(async () => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      throw new Error('the first fails late')
    })
    credentials.onRevoked(() => {
      throw new Error('the second fails at once')
    })
    credentials.onRevoked(({ name }) => void told.push(name))
    await house.createCredential({ name: 'app', days: 1 }, 'test')
    await rejects(credentials.revoke('app', 'test'), /fails/)
    await new Promise((resolve) => setTimeout(resolve, 50))
    deepEqual([told, unheard], [['app'], []])
    await house.close()
  })
})
