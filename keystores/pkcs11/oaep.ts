/**
 * RSA OAEP over the bare RSA of a device that does not take the hash, mask or label: the device
 * does the numbers, the padding is taken off here.
 *
 * RFC 8017 §7.1.2 (RSAES-OAEP-DECRYPT) and appendix B.2.1 (MGF1). Whatever is wrong is one failure,
 * and how long it takes does not depend on what it is (Manger's attack, §7.1.2 note).
 *
 * @module
 */
import { createHash, hash as digestOf } from 'node:crypto'
import { KmsError } from '#core/errors.ts'
import type { CipherMechanism } from '#core/keystore.ts'
import { type Hash, hashRow } from '#spec/algorithms.ts'

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
  { hash = 'SHA_1', mgfHash = hash, label }: CipherMechanism,
): Uint8Array {
  const { node, bytes: hashBytes } = hashRow(hash)
  const whole = Buffer.alloc(bytes)
  whole.set(block.subarray(0, bytes), Math.max(0, bytes - block.length))
  block.fill(0)
  if (bytes < 2 * hashBytes + 2) throw wrong()
  const masked = whole.subarray(1 + hashBytes)
  const seed = xored(whole.subarray(1, 1 + hashBytes), mask(masked, hashBytes, mgfHash))
  const data = xored(masked, mask(seed, masked.length, mgfHash))
  const expected = digestOf(node, label ?? new Uint8Array(0), 'buffer')
  const { bad, at } = messageStart(whole[0] as number, data, expected)
  const message = Uint8Array.from(data.subarray(at))
  for (const one of [whole, seed, data]) one.fill(0)
  if (bad === 0) return message
  message.fill(0)
  throw wrong()
}

/** One of no bytes is none. */
export function hasLabel({ label }: CipherMechanism): boolean {
  return label !== undefined && label.length > 0
}

/** Goes through every byte whatever it finds. @returns Where the message begins. */
function messageStart(
  first: number,
  data: Uint8Array,
  expected: Uint8Array,
): { readonly bad: number; readonly at: number } {
  let bad = first
  for (let i = 0; i < expected.length; i++) bad |= (data[i] as number) ^ (expected[i] as number)
  let found = 0
  let at = 0
  for (let i = expected.length; i < data.length; i++) {
    const byte = data[i] as number
    const isOne = (((byte ^ 1) - 1) >>> 8) & 1
    const isZero = ((byte - 1) >>> 8) & 1
    at |= -(isOne & ~found & 1) & (i + 1)
    bad |= ~found & ~isOne & ~isZero & 1
    found |= isOne
  }
  return { bad: bad | (found ^ 1), at }
}

function wrong(): KmsError {
  const what = 'Cannot decrypt: the data, its tag or its padding is wrong'
  return new KmsError('cryptographicFailure', what)
}

/** MGF1. */
export function mask(seed: Uint8Array, length: number, hash: Hash): Buffer {
  const { node, bytes } = hashRow(hash)
  const rounds = Array.from({ length: Math.ceil(length / bytes) }, (_, round) => {
    const counter = Buffer.alloc(4)
    counter.writeUInt32BE(round)
    return createHash(node).update(seed).update(counter).digest()
  })
  return Buffer.concat(rounds).subarray(0, length)
}

export function xored(one: Uint8Array, two: Uint8Array): Buffer {
  return Buffer.from(one.map((byte, at) => byte ^ (two[at] as number)))
}
