/**
 * Numbers of DSA keys in and out of the forms that node:crypto reads and writes.
 *
 * RFC 3279 §2.3.2 (Dss-Parms, DSAPublicKey), RFC 5280 §4.1 (SubjectPublicKeyInfo), RFC 5208
 * (PrivateKeyInfo). There is no JWK of a DSA key; the forms are a few INTEGERs of DER.
 *
 * @module
 */
import { BITS, elements, INTEGER, integer, OCTETS, SEQUENCE, tagged, unsigned } from '#wire/der.ts'
import { KmsError } from './errors.ts'

const OBJECT_IDENTIFIER = 0x06

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

function algorithm({ prime, subprime, base }: DsaParameters): Buffer {
  return tagged(SEQUENCE, DSA, tagged(SEQUENCE, integer(prime), integer(subprime), integer(base)))
}

/** DER of SubjectPublicKeyInfo. */
export function dsaPublicDer(numbers: DsaNumbers): Buffer {
  const key = Buffer.concat([Buffer.of(0), integer(numbers.value)])
  return tagged(SEQUENCE, algorithm(numbers), tagged(BITS, key))
}

/** DER of PrivateKeyInfo. */
export function dsaPrivateDer(numbers: DsaNumbers): Buffer {
  return tagged(SEQUENCE, VERSION, algorithm(numbers), tagged(OCTETS, integer(numbers.value)))
}

/** Contents of elements that begin a list. @throws `KmsError` `keyFormat` */
function within(der: Uint8Array | undefined, ...tags: readonly number[]): readonly Uint8Array[] {
  const found = der && elements(der, tags)
  if (found !== undefined) return found
  throw new KmsError('keyFormat', 'Cannot read DSA key: its encoding is another')
}

function parameters(identifier: Uint8Array | undefined): DsaParameters {
  const [, list] = within(identifier, OBJECT_IDENTIFIER, SEQUENCE)
  const [prime, subprime, base] = within(list, INTEGER, INTEGER, INTEGER).map(unsigned)
  return { prime, subprime, base } as DsaParameters
}

/** Numbers of SubjectPublicKeyInfo. @throws `KmsError` `keyFormat` */
export function dsaPublicNumbers(spki: Uint8Array): DsaNumbers {
  const [whole] = within(spki, SEQUENCE)
  const [identifier, key] = within(whole, SEQUENCE, BITS)
  const [value] = within(key?.subarray(1), INTEGER).map(unsigned)
  return { ...parameters(identifier), value: value as Uint8Array }
}

/** Numbers of PrivateKeyInfo. @throws `KmsError` `keyFormat` */
export function dsaPrivateNumbers(pkcs8: Uint8Array): DsaNumbers {
  const [whole] = within(pkcs8, SEQUENCE)
  const [, identifier, key] = within(whole, INTEGER, SEQUENCE, OCTETS)
  const [value] = within(key, INTEGER).map(unsigned)
  return { ...parameters(identifier), value: value as Uint8Array }
}
