/**
 * Signatures of ECDSA in their two forms.
 *
 * PKCS#11 3.2 §6.3.1: r and s side by side, each as long as the order of the curve. RFC 3279 §2.2.3:
 * a DER SEQUENCE of two INTEGERs.
 *
 * @module
 */

const SEQUENCE = 0x30
const INTEGER = 0x02

/** @param raw r and s side by side. */
export function derOfRaw(raw: Uint8Array): Buffer {
  const half = raw.length / 2
  return tagged(
    SEQUENCE,
    Buffer.concat([integer(raw.subarray(0, half)), integer(raw.subarray(half))]),
  )
}

/**
 * @param bytes Length of the order of the curve.
 * @returns Undefined where it is no such signature.
 */
export function rawOfDer(der: Uint8Array, bytes: number): Buffer | undefined {
  const sequence = contents(der, SEQUENCE)
  if (sequence === undefined || sequence.rest.length > 0) return undefined
  const r = contents(sequence.value, INTEGER)
  const s = r && contents(r.rest, INTEGER)
  if (r === undefined || s === undefined || s.rest.length > 0) return undefined
  const [first, second] = [unsigned(r.value, bytes), unsigned(s.value, bytes)]
  return first && second && Buffer.concat([first, second])
}

function integer(value: Uint8Array): Buffer {
  const start = value.findIndex((byte) => byte !== 0)
  const short = start < 0 ? Uint8Array.of(0) : value.subarray(start)
  const negative = (short[0] as number) >= 0x80
  return tagged(INTEGER, negative ? Buffer.concat([Uint8Array.of(0), short]) : short)
}

function tagged(tag: number, value: Uint8Array): Buffer {
  const long = value.length >= 0x80 ? [0x81, value.length] : [value.length]
  return Buffer.concat([Uint8Array.of(tag, ...long), value])
}

function contents(
  der: Uint8Array,
  tag: number,
): { readonly value: Uint8Array; readonly rest: Uint8Array } | undefined {
  const [found, first = 0] = der
  if (found !== tag || der.length < 2) return undefined
  if (first > 0x81) return undefined
  const head = first === 0x81 ? 3 : 2
  const length = first === 0x81 ? (der[2] ?? 0) : first
  if (der.length < head + length) return undefined
  return { value: der.subarray(head, head + length), rest: der.subarray(head + length) }
}

function unsigned(value: Uint8Array, bytes: number): Buffer | undefined {
  const start = value.findIndex((byte) => byte !== 0)
  const short = start < 0 ? new Uint8Array(0) : value.subarray(start)
  if (short.length > bytes || (value[0] ?? 0) >= 0x80) return undefined
  return Buffer.concat([Buffer.alloc(bytes - short.length), short])
}
