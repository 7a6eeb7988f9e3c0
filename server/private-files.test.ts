/**
 * What is said, or refused, where others can get at what is the server's alone.
 *
 * @module
 */
import { deepEqual, equal, rejects, throws } from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { readConfig } from './config.ts'
import { House } from './house.ts'
import { createLog } from './log.ts'
import { assertOwnFolder, secretText } from './private-files.ts'

describe("what is the server's alone", { timeout: 30_000 }, () => {
  let folder: string
  let said: string[]
  const log = { warn: (_: object, message: string) => void said.push(message) }
  beforeEach(() => {
    said = []
    folder = mkdtempSync(join(tmpdir(), 'claviger-private-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('is not kept in a folder that everybody writes into', async () => {
    chmodSync(folder, 0o777)
    throws(() => assertOwnFolder(folder, log), /everybody may write into it; do: chmod o-w/)
    const config = readConfig(undefined, {})
    const silent = createLog({ level: 'silent', format: 'json' })
    const opened = House.open({ dataDir: folder, config, log: silent })
    await rejects(opened, /everybody may write/)
  })

  it('is kept with a warning in one that the group writes into, without one in others', () => {
    chmodSync(folder, 0o775)
    assertOwnFolder(folder, log)
    equal(said.length, 1)
    chmodSync(folder, 0o755)
    assertOwnFolder(folder, log)
    equal(said.length, 1)
  })

  it('is read with a warning from a file that others can read', () => {
    const file = join(folder, 'pin')
    writeFileSync(file, '12345678\n', { mode: 0o600 })
    equal(secretText(file, log), '12345678')
    deepEqual(said, [])
    chmodSync(file, 0o644)
    equal(secretText(file, log), '12345678')
    equal(said.length, 1)
  })
})
