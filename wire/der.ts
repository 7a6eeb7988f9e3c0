/**
 * As much of DER as keys and signatures need: definite lengths below 65,536, tags of one byte.
 *
 * ITU-T X.690 §8.1 and §10.1; RFC 3279 §2.2.3 (ECDSA and DSA signatures). What is no such encoding
 * is read as undefined, never as something else. Certificates are not read here: they have a
 * library.
 *
 * @module
 */
export const INTEGER = 0x02
export const BITS = 0x03
export const OCTETS = 0x04
export const SEQUENCE = 0x30

export function tagged(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const value = Buffer.concat(parts)
  const { length } = value
  const head =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Uint8Array.of(tag, ...head), value])
}

/** An INTEGER of a number that is not negative, whatever zeros stand before it. */
export function integer(value: Uint8Array): Buffer {
  const start = value.findIndex((byte) => byte !== 0)
  const short = start < 0 ? Uint8Array.of(0) : value.subarray(start)
  const isNegative = (short[0] as number) >= 0x80
  return tagged(INTEGER, isNegative ? Buffer.concat([Uint8Array.of(0), short]) : short)
}

export interface Read {
  readonly value: Uint8Array
  readonly rest: Uint8Array
}

/** The contents of the first element, if it has this tag, and what stands behind it. */
export function contents(der: Uint8Array, tag: number): Read | undefined {
  const [found, first = 0] = der
  if (found !== tag || der.length < 2 || first > 0x82 || first === 0x80) return undefined
  const long = first < 0x80 ? 0 : first - 0x80
  const head = 2 + long
  let length = first
  if (long > 0) length = der.subarray(2, head).reduce((sum, byte) => (sum << 8) | byte, 0)
  if (der.length < head + length) return undefined
  return { value: der.subarray(head, head + length), rest: der.subarray(head + length) }
}

/** Elements of these tags, one behind the other. */
export function elements(
  der: Uint8Array,
  tags: readonly number[],
): readonly Uint8Array[] | undefined {
  const found: Uint8Array[] = []
  let rest = der
  for (const tag of tags) {
    const read = contents(rest, tag)
    if (read === undefined) return undefined
    found.push(read.value)
    rest = read.rest
  }
  return found
}

/** Without the zeros before it, as PKCS#11 has big numbers. */
export function unsigned(value: Uint8Array): Uint8Array {
  const start = value.findIndex((byte) => byte !== 0)
  return start < 0 ? value.subarray(0, 0) : value.subarray(start)
}

/** r and s side by side, each as long as the order of the curve, as SEQUENCE of two INTEGERs. */
export function signatureOfRaw(raw: Uint8Array): Buffer {
  const half = raw.length / 2
  return tagged(SEQUENCE, integer(raw.subarray(0, half)), integer(raw.subarray(half)))
}

/**
 * The other way round. OpenSSL has written it, so it is well-formed, and nothing is copied twice.
 *
 * @param bytes Of r and of s.
 */
export function rawOfSignature(der: Uint8Array, bytes: number): Buffer {
  const out = Buffer.alloc(bytes * 2)
  let at = (der[1] as number) >= 0x80 ? 3 : 2
  for (const end of [bytes, bytes * 2]) {
    const length = der[at + 1] as number
    let value = der.subarray(at + 2, at + 2 + length)
    while (value.length > bytes) value = value.subarray(1)
    out.set(value, end - value.length)
    at += 2 + length
  }
  return out
}
