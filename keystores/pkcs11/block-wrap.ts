/**
 * AES key wrap over single blocks, for devices that have AES and not the wrapping asked for: the
 * device does the blocks, what stands between them is done here.
 *
 * RFC 3394 §2.2 (AES key wrap), RFC 5649 §4 (with padding). Six blocks for every 8 bytes, one after
 * the other: a key of 32 bytes takes 24, so whoever can choose takes a mechanism of the device.
 * Whatever is wrong with wrapped bytes is one failure.
 *
 * @module
 */
import { timingSafeEqual } from 'node:crypto'
import { KmsError } from '#core/errors.ts'
import type { CipherMechanism } from '#core/keystore.ts'
import type { Cipher } from '#spec/algorithms.ts'

/** Enciphers or deciphers one block. */
export type Block = (block: Uint8Array) => Promise<Uint8Array>

const HALF_BYTES = 8
const BLOCK_BYTES = 16
const STEPS = 6
/** Longer are no keys; each would take the device thousands of blocks. */
const BYTES_MAX = 16_384
const KEY_WRAP_IV = Buffer.alloc(HALF_BYTES, 0xa6)
const PADDED_IV = Buffer.from('a65959a6', 'hex')

/** Whether a cipher is one of these. */
export function isBlockWrap(cipher: Cipher): boolean {
  return cipher === 'AES_KEY_WRAP' || cipher === 'AES_KEY_WRAP_KWP'
}

/** @throws `KmsError` `dataLength`. */
export async function wrapOver(
  encipher: Block,
  { cipher, iv }: CipherMechanism,
  data: Uint8Array,
): Promise<Uint8Array> {
  assertLength(cipher, data.length, cipher === 'AES_KEY_WRAP' ? BLOCK_BYTES : 1)
  if (cipher === 'AES_KEY_WRAP') return chained(encipher, iv ?? KEY_WRAP_IV, data)
  const head = Buffer.alloc(HALF_BYTES)
  head.set(iv ?? PADDED_IV)
  head.writeUInt32BE(data.length, PADDED_IV.length)
  const padded = Buffer.alloc(Math.ceil(data.length / HALF_BYTES) * HALF_BYTES)
  padded.set(data)
  try {
    if (padded.length === HALF_BYTES) return await encipher(Buffer.concat([head, padded]))
    return await chained(encipher, head, padded)
  } finally {
    padded.fill(0)
  }
}

/** @throws `KmsError` `cryptographicFailure`, `dataLength`. */
export async function unwrapOver(
  decipher: Block,
  { cipher, iv }: CipherMechanism,
  wrapped: Uint8Array,
): Promise<Uint8Array> {
  const isPadded = cipher === 'AES_KEY_WRAP_KWP'
  assertLength(cipher, wrapped.length - HALF_BYTES, isPadded ? HALF_BYTES : BLOCK_BYTES)
  if (wrapped.length % HALF_BYTES !== 0) throw wrong()
  const opened =
    wrapped.length === BLOCK_BYTES ? await decipher(wrapped) : await unchained(decipher, wrapped)
  const [head, value] = [opened.subarray(0, HALF_BYTES), opened.subarray(HALF_BYTES)]
  if (!isPadded) {
    if (timingSafeEqual(head, iv ?? KEY_WRAP_IV)) return value
    throw wrong()
  }
  const length = Buffer.from(head).readUInt32BE(PADDED_IV.length)
  const isWhole = timingSafeEqual(head.subarray(0, PADDED_IV.length), iv ?? PADDED_IV)
  const fits = length > value.length - HALF_BYTES && length <= value.length
  const rest = value.subarray(Math.min(length, value.length))
  if (isWhole && fits && rest.every((byte) => byte === 0)) return value.subarray(0, length)
  throw wrong()
}

/** RFC 3394 §2.2.1. */
async function chained(encipher: Block, iv: Uint8Array, data: Uint8Array): Promise<Uint8Array> {
  const out = Buffer.concat([iv, data])
  const block = Buffer.alloc(BLOCK_BYTES)
  const count = data.length / HALF_BYTES
  for (let step = 1; step <= STEPS * count; step++) {
    const at = (((step - 1) % count) + 1) * HALF_BYTES
    block.set(out.subarray(0, HALF_BYTES))
    block.set(out.subarray(at, at + HALF_BYTES), HALF_BYTES)
    const made = await encipher(block)
    out.set(counted(made.subarray(0, HALF_BYTES), step))
    out.set(made.subarray(HALF_BYTES, BLOCK_BYTES), at)
  }
  block.fill(0)
  return out
}

/** RFC 3394 §2.2.2. */
async function unchained(decipher: Block, wrapped: Uint8Array): Promise<Uint8Array> {
  const out = Buffer.from(wrapped)
  const block = Buffer.alloc(BLOCK_BYTES)
  const count = wrapped.length / HALF_BYTES - 1
  for (let step = STEPS * count; step >= 1; step--) {
    const at = (((step - 1) % count) + 1) * HALF_BYTES
    block.set(counted(out.subarray(0, HALF_BYTES), step))
    block.set(out.subarray(at, at + HALF_BYTES), HALF_BYTES)
    const made = await decipher(block)
    out.set(made.subarray(0, HALF_BYTES))
    out.set(made.subarray(HALF_BYTES, BLOCK_BYTES), at)
  }
  block.fill(0)
  return out
}

function counted(half: Uint8Array, step: number): Buffer {
  const result = Buffer.from(half)
  result.writeUInt32BE((result.readUInt32BE(4) ^ step) >>> 0, 4)
  return result
}

function assertLength(cipher: Cipher, bytes: number, least: number): void {
  if (bytes > BYTES_MAX) {
    const what = `over blocks of the device it takes ${BYTES_MAX} bytes, these are ${bytes}`
    throw new KmsError('dataLength', `Cannot use ${cipher}: ${what}`)
  }
  if (bytes < least) throw wrong()
}

function wrong(): KmsError {
  const what = 'Cannot decrypt: the data, its tag or its padding is wrong'
  return new KmsError('cryptographicFailure', what)
}
