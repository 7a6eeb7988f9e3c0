/**
 * What `claviger encrypt` writes: everything that `claviger decrypt` needs beside the key.
 *
 * | bytes | content                                |
 * |-------|----------------------------------------|
 * | 4     | `CLV1`                                 |
 * | 1     | length of the initialisation vector, n |
 * | 1     | length of the tag, m                   |
 * | n     | initialisation vector                  |
 * | m     | tag                                    |
 * | rest  | ciphertext                             |
 *
 * The mode is not in it, on purpose: who could change it there could turn an authenticated mode
 * into one that is not. It follows from the key's algorithm, or from `--mode`, on both sides.
 *
 * @module
 */
import { RefusedError } from './output.ts'

const MAGIC = Buffer.from('CLV1')
const HEADER_BYTES = MAGIC.length + 2

export interface Sealed {
  readonly iv: Uint8Array
  readonly tag: Uint8Array
  readonly data: Uint8Array
}

export function packSealed({ iv, tag, data }: Sealed): Buffer {
  return Buffer.concat([MAGIC, Uint8Array.of(iv.length, tag.length), iv, tag, data])
}

/** @throws `RefusedError` when it was not written by {@link packSealed}. */
export function unpackSealed(bytes: Buffer): Sealed {
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    const what = 'Cannot decrypt: the data was not written by claviger encrypt'
    throw new RefusedError(`${what}; for bare ciphertext give --iv and --tag`)
  }
  const ivEnd = HEADER_BYTES + bytes.readUInt8(MAGIC.length)
  const tagEnd = ivEnd + bytes.readUInt8(MAGIC.length + 1)
  if (tagEnd > bytes.length) throw new RefusedError('Cannot decrypt: the data is cut off')
  return {
    iv: bytes.subarray(HEADER_BYTES, ivEnd),
    tag: bytes.subarray(ivEnd, tagEnd),
    data: bytes.subarray(tagEnd),
  }
}
