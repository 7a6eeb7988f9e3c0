/**
 * The schema for editors, the variables and the check of a configuration.
 *
 * @module
 */
import { deepStrictEqual, strictEqual, throws } from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ConfigError, readConfig, variables } from '#server/config.ts'
import { OTHER_VARIABLES, schemaText } from './config.ts'

const LAUNCHER = fileURLToPath(new URL('../bin/claviger', import.meta.url))
/** Of `bin/claviger` and the agent alone. */
const OWN = 'CLAVIGER_FLAT'
const SCHEMA = new URL('../docs/claviger.schema.json', import.meta.url)

describe('the configuration on the command line', () => {
  it('has the JSON Schema that docs/claviger.schema.json holds', () => {
    const hint = 'write it anew: bin/claviger config schema > docs/claviger.schema.json'
    strictEqual(readFileSync(SCHEMA, 'utf8'), schemaText(), hint)
  })

  it('has a variable of its own for every value, with a description', () => {
    const names = variables().map(({ name }) => name)
    strictEqual(new Set(names).size, names.length)
    strictEqual(names.includes('CLAVIGER_LIMITS_IDLE_SECONDS'), true)
    for (const { name, description } of variables()) strictEqual(description !== '', true, name)
  })

  it('says file, line and key of what is wrong', () => {
    const folder = mkdtempSync(join(tmpdir(), 'claviger-test-'))
    try {
      const path = join(folder, 'claviger.yaml')
      writeFileSync(path, 'kmip:\n  lissen: 127.0.0.1:1\n')
      throws(
        () => readConfig(path, {}),
        (error: Error) =>
          error instanceof ConfigError &&
          /claviger\.yaml:2:.*kmip\.lissen.*listen/.test(error.message),
      )
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('lists every variable that a command reads', () => {
    const folder = fileURLToPath(new URL('.', import.meta.url))
    const files = readdirSync(folder).filter((name) => /(?<!\.test)\.ts$/.test(name))
    // The gateway's PIN has a name of its own, in a configuration that import writes.
    const read = files
      .filter((name) => name !== 'ksg.ts')
      .flatMap((name) => {
        const text = readFileSync(join(folder, name), 'utf8')
        return [...text.matchAll(/'(CLAVIGER_[A-Z0-9_]+)'/g)].map(([, variable]) => variable)
      })
    const known = new Set([...variables(), ...OTHER_VARIABLES].map(({ name }) => name))
    strictEqual(read.includes('CLAVIGER_SO_PIN'), true)
    const unlisted = read.filter((name) => name !== OWN && !known.has(name as string))
    deepStrictEqual(unlisted, [])
  })

  it('is no name that is empty, as of a variable that is not set', () => {
    for (const words of [['create'], ['register', '--in', LAUNCHER]]) {
      const line = ['keys', ...words, '--name', '', '--server', '127.0.0.1:1']
      const { status, stderr } = spawnSync(LAUNCHER, line, { encoding: 'utf8', timeout: 30_000 })
      strictEqual(stderr, 'error: --name: is empty\n')
      strictEqual(status, 2)
    }
  })

  it('is no server that cannot be, and no data directory without a name', () => {
    const words = ['keys', 'list', '--server', '127.0.0.1:99999']
    const far = spawnSync(LAUNCHER, words, { encoding: 'utf8', timeout: 30_000 })
    strictEqual(
      far.stderr,
      'error: --server 127.0.0.1:99999: must be HOST:PORT, with a port up to 65535\n',
    )
    strictEqual(far.status, 2)
    const folder = mkdtempSync(join(tmpdir(), 'claviger-test-'))
    try {
      const env = { ...process.env, CLAVIGER_DATA: '' }
      const none = spawnSync(LAUNCHER, ['status'], {
        cwd: folder,
        env,
        encoding: 'utf8',
        timeout: 30_000,
      })
      const hint = 'No server runs on ./data; start one with: claviger serve --data ./data\n'
      strictEqual(none.stdout, hint)
      strictEqual(none.status, 1)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
