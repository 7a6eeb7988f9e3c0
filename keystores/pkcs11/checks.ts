/**
 * What is refused before a device is asked: devices differ in what they say of it.
 *
 * RFC 3394 §2.2.1, RFC 5649 §4.1, NIST SP 800-38A, IEEE 1619.
 *
 * @module
 */
import { KmsError } from '#core/errors.ts'
import type { CipherMechanism, KeyInUse, SignatureMechanism } from '#core/keystore.ts'
import {
  type Cipher,
  cipherRow,
  isPair,
  type KeySpec,
  pairRow,
  schemesOfNode,
  secretKeyRow,
} from '#spec/algorithms.ts'

/** Length of a secret key, with its parity. */
export function bytesOf({ algorithm, bits }: KeySpec): number | undefined {
  if (isPair(algorithm)) return undefined
  return (secretKeyRow(algorithm).materialBits?.[bits] ?? bits) / 8
}

export function assertIs(
  spec: KeySpec,
  found: KeySpec | undefined,
  bytes: number | undefined,
): void {
  if (bytes !== undefined && !isPair(spec.algorithm)) {
    if (bytes === bytesOf(spec)) return
  } else if (
    found?.algorithm === spec.algorithm &&
    found.curve === spec.curve &&
    found.bits === spec.bits
  ) {
    return
  }
  const what = `it is not ${spec.algorithm} ${spec.curve ?? `of ${spec.bits} bits`}`
  throw new KmsError('invalidField', `Cannot import key: ${what}`)
}

export function assertAlgorithm(key: KeyInUse, { cipher }: CipherMechanism): void {
  const wanted = cipherRow(cipher).key
  if (key.spec?.algorithm === wanted) return
  const have = key.spec?.algorithm ?? 'this'
  const what = `Cannot use ${cipher} with "${key.id}": it is for ${wanted} keys, not ${have}`
  throw new KmsError('parametersUnsupported', what)
}

export function assertScheme(key: KeyInUse, { scheme }: SignatureMechanism): void {
  const algorithm = key.spec?.algorithm
  const type = algorithm !== undefined && isPair(algorithm) ? pairRow(algorithm).node : ''
  if (schemesOfNode(type).includes(scheme)) return
  const what = `Cannot use ${scheme} with "${key.id}": its algorithm is ${algorithm ?? 'unknown'}`
  throw new KmsError('parametersUnsupported', what)
}

/** RFC 3394 §2.2.1, RFC 5649 §4.1, IEEE 1619, SP 800-38A: the least that there can be. */
const LEAST: Partial<Readonly<Record<Cipher, number>>> = {
  AES_KEY_WRAP: 16,
  AES_KEY_WRAP_KWP: 1,
  AES_XTS: 16,
  AES_CTS: 16,
}
const CCM_FIELD_BYTES = 15

/** Devices differ in what they say of half blocks and such; the core says it first. */
export function assertLength({ cipher, iv }: CipherMechanism, data: Uint8Array): void {
  const { blockBytes } = cipherRow(cipher)
  const { length } = data
  const fail = (what: string): never => {
    throw new KmsError('dataLength', `Cannot use ${cipher}: the data has ${length} bytes, ${what}`)
  }
  if (blockBytes !== undefined && length % blockBytes !== 0) fail(`no multiple of ${blockBytes}`)
  const least = LEAST[cipher] ?? 0
  if (length < least) fail(`${least} are the least`)
  const most = cipher === 'AES_CCM' && iv ? 2 ** (8 * (CCM_FIELD_BYTES - iv.length)) - 1 : Infinity
  if (length > most) fail(`${most} are the most with this nonce`)
}
