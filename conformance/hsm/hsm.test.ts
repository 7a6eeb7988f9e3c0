/**
 * The suites of other programs once more, with the keys in an HSM: SoftHSM2 behind Claviger.
 *
 * A short part runs always: PyKMIP's operations in one version of KMIP 1 and in KMIP 2, the
 * mandatory OASIS cases of KMIP 1.3, `pkcs11-tool --test`, OpenSSL (request, certificate, TLS
 * server) and Java (`keytool`, `jarsigner`). All of them, and GnuTLS, p11-kit, OpenSSH, NSS, nginx
 * and many processes at once, take minutes, and run where `CLAVIGER_CONFORMANCE_HSM` is set. A
 * suite under another configuration: `CLAVIGER_TEST_CONFIG=claviger.yaml node --test …`.
 *
 * @module
 */
import { doesNotMatch, match, ok } from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { library } from '#conformance/pkcs11/token-under-test.ts'
import { newSoftHsmToken, SOFTHSM, SOFTHSM_PIN } from '#keystores/pkcs11/softhsm.ts'

interface Suite {
  readonly path: string
  /** Names of the tests of the short part, or all; without them the suite is not in it. */
  readonly short?: string | 'all'
  /** Names of the tests of the whole, where some are not for HSMs; default: all. */
  readonly whole?: string
  /** What has to be there for it to run at all. */
  readonly needs: readonly string[]
}

const JAVA = ['/usr/bin/keytool', '/usr/bin/jarsigner']
const TOOL = '/usr/bin/pkcs11-tool'
const ENGINE = library('engines-3/pkcs11.so')

const SUITES: readonly Suite[] = [
  {
    path: 'pykmip/pykmip.test.ts',
    short: '/does every operation in KMIP (1\\.4|2\\.0)/',
    needs: ['/usr/lib/python3/dist-packages/kmip'],
  },
  {
    path: 'pkcs11/pkcs11-tool.test.ts',
    short: '/makes key pairs|decrypts what openssl|passes its --test$/',
    needs: [TOOL],
  },
  { path: 'pkcs11/openssl.test.ts', short: 'all', needs: [TOOL, ENGINE] },
  { path: 'pkcs11/java.test.ts', short: 'all', needs: JAVA },
  // What it has beyond these: ChaCha20, which SoftHSM2 lacks, and answers that name the software.
  {
    path: 'oasis/oasis.test.ts',
    short: '/mandatory ones of v1.3/',
    whole: '/mandatory ones of/',
    needs: [fileURLToPath(new URL('../../../shared/vectors/kmip', import.meta.url))],
  },
  { path: 'pkcs11/pkcs11-tool-pins.test.ts', needs: [TOOL] },
  { path: 'pkcs11/p11tool.test.ts', needs: ['/usr/bin/p11tool'] },
  { path: 'pkcs11/p11-kit-client.test.ts', needs: [TOOL, '/usr/bin/p11tool'] },
  { path: 'pkcs11/openssh.test.ts', needs: ['/usr/bin/ssh-agent', '/usr/sbin/sshd'] },
  { path: 'pkcs11/nss.test.ts', needs: ['/usr/bin/certutil'] },
  { path: 'pkcs11/nginx.test.ts', needs: ['/usr/sbin/nginx', ENGINE] },
  { path: 'pkcs11/processes.test.ts', needs: [TOOL] },
]
const SHORT_MILLISECONDS = 6 * 60_000
const WHOLE_MILLISECONDS = 15 * 60_000

const isWhole = process.env['CLAVIGER_CONFORMANCE_HSM'] !== undefined
const skip = SOFTHSM === undefined ? 'softhsm2 is not installed' : false
const each = isWhole ? WHOLE_MILLISECONDS : SHORT_MILLISECONDS
const timeout = SUITES.length * each

describe('programs with their keys in SoftHSM2', { skip, timeout }, () => {
  for (const { path, short, whole, needs } of SUITES) {
    if (!isWhole && short === undefined) continue
    const missing = needs.filter((one) => !existsSync(one))
    const without = missing.length > 0 && `missing: ${missing.join(', ')}`
    const names = isWhole ? whole : short === 'all' ? undefined : short
    const part = names === undefined ? '' : ', in part'
    it(`pass ${path}${part}`, { skip: without, timeout: each }, async (test) => {
      const folder = mkdtempSync(join(tmpdir(), 'claviger-conformance-hsm-'))
      try {
        const environment = newSoftHsmToken(folder, 'conformance')
        const before = changesOf(environment)
        const config = configuration(folder, environment)
        const pattern = names === undefined ? [] : [`--test-name-pattern=${names}`]
        const file = fileURLToPath(new URL(`../${path}`, import.meta.url))
        const args = ['--test', '--test-reporter=tap', ...pattern, file]
        const said = await run(args, config, test.signal)
        match(said, /^# fail 0$/m, said)
        match(said, /^# pass [1-9]/m, said)
        doesNotMatch(said, /^# cancelled [1-9]/m, said)
        const changes = changesOf(environment) - before
        ok(changes > 0, `no key was made in the HSM:\n${said}`)
        test.diagnostic(`${/^# pass \d+$/m.exec(said)?.[0]}; ${changes} changes in the HSM`)
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    })
  }
})

type Environment = ReturnType<typeof newSoftHsmToken>

/** A server that has no other keystore than the HSM. */
function configuration(folder: string, environment: Environment): string {
  const [pinFile, config] = [join(folder, 'pin'), join(folder, 'claviger.yaml')]
  writeFileSync(pinFile, SOFTHSM_PIN)
  const hsm = { name: 'hsm', type: 'pkcs11', module: SOFTHSM, environment, label: 'conformance' }
  const keystores = [{ ...hsm, pinFile, extractable: true }]
  writeFileSync(config, JSON.stringify({ keystores, log: { level: 'error' } }))
  return config
}

/** SoftHSM2 counts, in a file, how often objects of a token have come, changed and gone. */
function changesOf({ SOFTHSM2_CONF }: Environment): number {
  const tokens = join(SOFTHSM2_CONF, '..', 'tokens')
  const [token = ''] = readdirSync(tokens)
  return Number(readFileSync(join(tokens, token, 'generation')).readBigUInt64BE())
}

/** What a run of tests has printed. Given up, it goes with all that it has started. */
function run(args: readonly string[], config: string, signal: AbortSignal): Promise<string> {
  // A run within a run would report to this one instead of printing.
  const { NODE_TEST_CONTEXT: _, ...rest } = process.env
  const env = { ...rest, CLAVIGER_TEST_CONFIG: config }
  const child = spawn(process.execPath, args, {
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  signal.addEventListener('abort', () => {
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  return new Promise((resolve) => child.once('exit', () => resolve(output)))
}
