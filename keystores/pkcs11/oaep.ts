/**
 * RSA OAEP over the bare RSA of a device that does not take the hash, mask or label: the device
 * does the numbers, OpenSSL takes off the padding.
 *
 * RFC 8017 §7.1.2 (RSAES-OAEP-DECRYPT). Whatever is wrong is one failure, and how long it takes
 * does not depend on what it is (Manger's attack, §7.1.2 note): OpenSSL sees to that.
 *
 * @module
 */
import { KmsError } from '#core/errors.ts'
import type { CipherMechanism } from '#core/keystore.ts'
import { hashRow } from '#spec/algorithms.ts'
import { openssl } from '../software/openssl.ts'

/** Whether this runtime has the function. */
export const OPENS_OAEP = openssl !== undefined

/**
 * The message in a block.
 *
 * @param block What the private key has made of the ciphertext; zeroed.
 * @param bytes Length of the modulus: devices drop zeros at the front.
 * @throws `KmsError` `cryptographicFailure`.
 */
export function openOaep(
  block: Uint8Array,
  bytes: number,
  { hash = 'SHA_1', mgfHash = hash, label = new Uint8Array(0) }: CipherMechanism,
): Uint8Array {
  const names = { hash: hashRow(hash).node, mgfHash: hashRow(mgfHash).node, label }
  const message = openssl?.openOaep(block, bytes, names)
  block.fill(0)
  if (message !== undefined) return message
  const what = 'Cannot decrypt: the data, its tag or its padding is wrong'
  throw new KmsError('cryptographicFailure', what)
}

/** One of no bytes is none. */
export function hasLabel({ label }: CipherMechanism): boolean {
  return label !== undefined && label.length > 0
}
