/**
 * What the scenarios of other programs begin with: key pairs in the token, and OpenSSL's engine.
 *
 * @module
 */
import { LABEL, library, PIN, type TokenUnderTest } from './token-under-test.ts'

export const ENGINE = library('engines-3/pkcs11.so')

export interface Pair {
  /** Hexadecimal. */
  readonly id: string
  readonly label: string
  /** As `pkcs11-tool` has it: `rsa:2048`, `EC:prime256v1`. */
  readonly type: string
}

/** What most programs can do. */
export const PAIRS = [
  { id: '01', label: 'rsa', type: 'rsa:2048' },
  { id: '02', label: 'ec', type: 'EC:prime256v1' },
] as const

/** Makes a key pair for signatures, and for decryption with RSA. */
export async function makePair(token: TokenUnderTest, { id, label, type }: Pair): Promise<void> {
  const options = ['--module', token.module, '--token-label', LABEL, '--login', '--pin', PIN]
  const usage = type.startsWith('rsa') ? ['--usage-sign', '--usage-decrypt'] : ['--usage-sign']
  const pair = ['--key-type', type, '--id', id, '--label', label, ...usage]
  await token.done('pkcs11-tool', [...options, '--keypairgen', ...pair])
}

/** An `openssl.cnf` that brings the engine. @returns What a program needs to find it. */
export function engineConfig(token: TokenUnderTest): { readonly OPENSSL_CONF: string } {
  const path = token.file(
    'openssl.cnf',
    `openssl_conf = init
[init]
engines = engines
[engines]
pkcs11 = pkcs11
[pkcs11]
engine_id = pkcs11
dynamic_path = ${ENGINE}
MODULE_PATH = ${token.module}
PIN = ${PIN}
init = 0
[req]
distinguished_name = name
[name]
`,
  )
  return { OPENSSL_CONF: path }
}

/** A certificate that the key has signed for itself, for `localhost`. @returns Its path. */
export async function selfSigned(token: TokenUnderTest, label: string): Promise<string> {
  const path = token.file(`${label}.pem`)
  const key = ['-engine', 'pkcs11', '-keyform', 'engine', '-key', token.uri(label)]
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const args = ['req', '-new', '-x509', '-sha256', '-days', '2', ...key, ...names, '-out', path]
  await token.done('openssl', args, { env: engineConfig(token) })
  return path
}
