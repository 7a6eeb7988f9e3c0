/**
 * The suites of other programs once more, with the keys in an HSM: SoftHSM2 behind Claviger.
 *
 * They take minutes, and run where `CLAVIGER_CONFORMANCE_HSM` is set. A suite of one's own under
 * another configuration: `CLAVIGER_TEST_CONFIG=claviger.yaml node --test …`.
 *
 * Left out is `pkcs11-tool --test`, which decrypts OAEP with SHA-256 and a label: SoftHSM2 does
 * not.
 *
 * @module
 */
import { match } from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { newSoftHsmToken, SOFTHSM, SOFTHSM_PIN } from '#keystores/pkcs11/softhsm.ts'

const SUITES = [
  'pykmip/pykmip.test.ts',
  'pkcs11/pkcs11-tool.test.ts',
  'pkcs11/openssl.test.ts',
  'pkcs11/java.test.ts',
] as const
const MINUTES = 6 * 60_000

const isWanted = process.env['CLAVIGER_CONFORMANCE_HSM'] !== undefined
const reason = SOFTHSM === undefined ? 'softhsm2 is not installed' : false
const skip = isWanted ? reason : 'CLAVIGER_CONFORMANCE_HSM is not set'

describe('programs with their keys in SoftHSM2', { skip, timeout: SUITES.length * MINUTES }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-conformance-hsm-'))
  const config = join(folder, 'claviger.yaml')
  before(() => {
    const pinFile = join(folder, 'pin')
    writeFileSync(pinFile, SOFTHSM_PIN)
    const hsm = {
      name: 'hsm',
      type: 'pkcs11',
      module: SOFTHSM,
      environment: newSoftHsmToken(folder, 'conformance'),
      label: 'conformance',
      pinFile,
      extractable: true,
    }
    writeFileSync(config, JSON.stringify({ keystores: [hsm], log: { level: 'error' } }))
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  for (const suite of SUITES) {
    it(`pass ${suite}`, { timeout: MINUTES }, async () => {
      const path = fileURLToPath(new URL(`../${suite}`, import.meta.url))
      const args = ['--test', '--test-reporter=tap', '--test-skip-pattern=/passes its --test$/']
      match(await run([...args, path], config), /^# fail 0$/m)
    })
  }
})

/** What a run of tests has printed. */
function run(args: readonly string[], config: string): Promise<string> {
  // A run within a run would report to this one instead of printing.
  const { NODE_TEST_CONTEXT: _, ...rest } = process.env
  const env = { ...rest, CLAVIGER_TEST_CONFIG: config }
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  return new Promise((resolve) => child.once('exit', () => resolve(output)))
}
