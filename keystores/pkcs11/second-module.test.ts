/**
 * The keystore contract on openCryptoki's soft token, a module of other makers than SoftHSM2, with
 * other mechanisms and other habits; once more with keys that leave through a key-encrypting key.
 *
 * The contract runs in a process of its own, in which the token's fixed places are private mounts;
 * see opencryptoki.sh. That takes root.
 *
 * @module
 */
import { deepStrictEqual, ok } from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const MODULES = ['x86_64', 'aarch64'].map((machine) => {
  return `/usr/lib/${machine}-linux-gnu/opencryptoki/libopencryptoki.so.0`
})
const MODULE = MODULES.find((path) => existsSync(path))
const APART = ['--mount', '--ipc', '--pid', '--fork', '--kill-child', '--mount-proc']
const TOKEN = { label: 'second', pin: '12341234' }
const LIMIT_MILLISECONDS = 180_000

function file(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url))
}

function reasonToSkip(): string | false {
  if (MODULE === undefined) return 'opencryptoki is not here'
  const { status } = spawnSync('unshare', [...APART, 'mount', '-t', 'tmpfs', 'none', '/run/lock'])
  return status === 0 ? false : 'mounts of its own take root'
}

/** How many tests of the contract passed and failed. */
function contract(kek: boolean): { readonly passed: number; readonly failed: number } {
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env
  const named = { module: MODULE, ...TOKEN, model: 'opencryptoki', kek }
  const script = [file('opencryptoki.sh'), TOKEN.label, TOKEN.pin]
  const command = [process.execPath, '--disable-warning=ExperimentalWarning', '--test']
  const reporter = '--test-reporter=tap'
  const { stdout, stderr } = spawnSync(
    'unshare',
    [...APART, 'sh', ...script, ...command, reporter, file('any-module.test.ts')],
    {
      encoding: 'utf8',
      env: { ...environment, CLAVIGER_TEST_HSM: JSON.stringify(named) },
      timeout: LIMIT_MILLISECONDS,
      maxBuffer: 64 * 1_048_576,
    },
  )
  const count = (what: string): number => {
    const found = new RegExp(`^# ${what} (\\d+)$`, 'm').exec(stdout)?.[1]
    ok(found !== undefined, `the contract did not run to its end:\n${stderr}\n${stdout}`)
    return Number(found)
  }
  const failures = stdout.split('\n').filter((line) => /^\s*not ok/.test(line))
  ok(failures.length === 0, failures.join('\n'))
  return { passed: count('pass'), failed: count('fail') + count('cancelled') }
}

describe('the keystore contract on openCryptoki', { skip: reasonToSkip() }, () => {
  for (const kek of [false, true]) {
    it(kek ? 'with keys that leave through a KEK' : 'with keys that leave in clear', (test) => {
      const { passed, failed } = contract(kek)
      deepStrictEqual(failed, 0)
      // What the token does not offer is skipped; that must not be everything.
      ok(passed > 100, `only ${passed} passed`)
      test.diagnostic(`${passed} passed`)
    })
  }
})
