/**
 * Numbers of DSA keys in and out of the forms that node:crypto reads and writes.
 *
 * RFC 3279 §2.3.2 (Dss-Parms, DSAPublicKey), RFC 5280 §4.1 (SubjectPublicKeyInfo), RFC 5208
 * (PrivateKeyInfo). There is no JWK of a DSA key; the forms are a few INTEGERs of DER.
 *
 * @module
 */
import { KmsError } from './errors.ts'

const [INTEGER, BIT_STRING, OCTET_STRING, SEQUENCE] = [0x02, 0x03, 0x04, 0x30]

/** 1.2.840.10040.4.1, with its tag and length. */
const DSA = Buffer.from('06072a8648ce380401', 'hex')
const VERSION = Buffer.of(INTEGER, 1, 0)

export interface DsaParameters {
  readonly prime: Uint8Array
  readonly subprime: Uint8Array
  readonly base: Uint8Array
}

/** Parameters, and x or y. */
export interface DsaNumbers extends DsaParameters {
  readonly value: Uint8Array
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content])
  if (length < 0x100) return Buffer.concat([Buffer.of(tag, 0x81, length), content])
  return Buffer.concat([Buffer.of(tag, 0x82, length >> 8, length & 0xff), content])
}

/** A positive number: without leading zeros, but with one where it would look negative. */
function integer(number: Uint8Array): Buffer {
  const first = number.findIndex((byte) => byte !== 0)
  const digits = first < 0 ? Buffer.of(0) : Buffer.from(number.subarray(first))
  const sign = (digits[0] as number) >= 0x80 ? [Buffer.of(0)] : []
  return der(INTEGER, ...sign, digits)
}

function algorithm({ prime, subprime, base }: DsaParameters): Buffer {
  return der(SEQUENCE, DSA, der(SEQUENCE, integer(prime), integer(subprime), integer(base)))
}

/** DER of SubjectPublicKeyInfo. */
export function dsaPublicDer(numbers: DsaNumbers): Buffer {
  const key = Buffer.concat([Buffer.of(0), integer(numbers.value)])
  return der(SEQUENCE, algorithm(numbers), der(BIT_STRING, key))
}

/** DER of PrivateKeyInfo. */
export function dsaPrivateDer(numbers: DsaNumbers): Buffer {
  return der(SEQUENCE, VERSION, algorithm(numbers), der(OCTET_STRING, integer(numbers.value)))
}

interface Element {
  readonly tag: number
  readonly content: Uint8Array
}

/** Elements that stand one after the other; OpenSSL has written them, so they are well-formed. */
function elements(bytes: Uint8Array): readonly Element[] {
  const list: Element[] = []
  for (let at = 0; at < bytes.length; ) {
    const [tag = 0, first = 0] = bytes.subarray(at)
    const more = first < 0x80 ? 0 : first & 0x7f
    const long = bytes.subarray(at + 2, at + 2 + more)
    const length = more === 0 ? first : long.reduce((sum, byte) => sum * 256 + byte, 0)
    const start = at + 2 + more
    list.push({ tag, content: bytes.subarray(start, start + length) })
    at = start + length
  }
  return list
}

function child(list: readonly Element[], index: number, tag: number): Uint8Array {
  const found = list[index]
  if (found?.tag === tag) return found.content
  throw new KmsError('keyFormat', 'Cannot read DSA key: its encoding is another')
}

/** A number without leading zeros. */
function number(list: readonly Element[], index: number): Uint8Array {
  const content = child(list, index, INTEGER)
  return content[0] === 0 && content.length > 1 ? content.subarray(1) : content
}

function parameters(identifier: Uint8Array): DsaParameters {
  const list = elements(child(elements(identifier), 1, SEQUENCE))
  return { prime: number(list, 0), subprime: number(list, 1), base: number(list, 2) }
}

/** Numbers of SubjectPublicKeyInfo. @throws `KmsError` `keyFormat` */
export function dsaPublicNumbers(spki: Uint8Array): DsaNumbers {
  const list = elements(child(elements(spki), 0, SEQUENCE))
  const value = number(elements(child(list, 1, BIT_STRING).subarray(1)), 0)
  return { ...parameters(child(list, 0, SEQUENCE)), value }
}

/** Numbers of PrivateKeyInfo. @throws `KmsError` `keyFormat` */
export function dsaPrivateNumbers(pkcs8: Uint8Array): DsaNumbers {
  const list = elements(child(elements(pkcs8), 0, SEQUENCE))
  const value = number(elements(child(list, 2, OCTET_STRING)), 0)
  return { ...parameters(child(list, 1, SEQUENCE)), value }
}
