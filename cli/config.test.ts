/**
 * The schema for editors, the variables and the check of a configuration.
 *
 * @module
 */
import { strictEqual, throws } from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { ConfigError, readConfig, variables } from '#server/config.ts'
import { schemaText } from './config.ts'

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
})
