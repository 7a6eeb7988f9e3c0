/**
 * Values as they lie in the memory of a 64-bit little-endian C program.
 *
 * PKCS#11 3.2 §3 and the LP64 ABI: CK_ULONG is 8 bytes little-endian, CK_BBOOL one byte. So are
 * the values of attributes and the raw parameters of mechanisms everywhere in Claviger, whatever
 * the machine and the wire. CK_UNAVAILABLE_INFORMATION (all ones) is -1.
 *
 * @module
 */
import { highHalf, joinHalves, lowHalf } from '#wire/pkcs11-rpc/integers.ts'

export const ULONG_BYTES = 8
/** Bytes of a CK_ATTRIBUTE: what a template attribute's length is counted in. */
export const ATTRIBUTE_BYTES = 24

/** CK_ULONG. */
export function ulongBytes(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(ULONG_BYTES)
  bytes.writeUInt32LE(lowHalf(value), 0)
  bytes.writeUInt32LE(highHalf(value), 4)
  return bytes
}

/** CK_BBOOL. */
export function boolBytes(value: boolean): Buffer {
  return Buffer.of(value ? 1 : 0)
}

/**
 * The number in a CK_ULONG at `offset`; undefined where there are not 8 bytes. What a number of
 * JavaScript cannot hold is the largest that it can.
 */
export function ulongOf(bytes: Uint8Array, offset = 0): number | undefined {
  if (bytes.length < offset + ULONG_BYTES) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return joinHalves(view.getUint32(offset + 4, true), view.getUint32(offset, true))
}

/** The numbers of an array of CK_ULONG; undefined where its length is no multiple of theirs. */
export function ulongsOf(bytes: Uint8Array): readonly number[] | undefined {
  if (bytes.length % ULONG_BYTES !== 0) return undefined
  return Array.from({ length: bytes.length / ULONG_BYTES }, (_, index) => {
    return ulongOf(bytes, index * ULONG_BYTES) as number
  })
}

/** An array of CK_ULONG. */
export function ulongsBytes(values: readonly number[]): Buffer {
  return Buffer.concat(values.map(ulongBytes))
}

/** Text padded with spaces, or cut, to a size, as the token's structures have it. */
export function paddedText(text: string, bytes: number): Buffer {
  const padded = Buffer.alloc(bytes, ' ')
  let used = 0
  for (const character of text) {
    const length = Buffer.byteLength(character)
    if (used + length > bytes) break
    used += padded.write(character, used)
  }
  return padded
}
