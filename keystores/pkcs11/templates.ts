/**
 * Keys as templates of PKCS#11, and public keys out of attributes.
 *
 * PKCS#11 3.2 §4.8 to §4.10 and §6.1 (RSA), §6.2 (DSA), §6.3 (elliptic curves). The form in between
 * is a JSON Web Key (RFC 7517, RFC 8037), which has the same numbers by name, or DER where there is
 * none: RFC 5915 (EC), RFC 5958 with RFC 3279 §2.3.2 (DSA).
 *
 * @module
 */
import { createPrivateKey, createPublicKey, type KeyObject, type webcrypto } from 'node:crypto'
import { KmsError } from '#core/errors.ts'
import { completeRsa } from '#core/rsa-numbers.ts'
import {
  type CurveRow,
  curveRow,
  isPair,
  type KeyAlgorithm,
  type KeySpec,
  pairRow,
  secretKeyRow,
} from '#spec/algorithms.ts'
import { CKA, CKK, CKO } from '#spec/pkcs11/constants.ts'
import { boolBytes, ulongBytes } from '#spec/pkcs11/memory.ts'
import type { Attribute } from '#spec/pkcs11/types.ts'
import {
  BITS,
  contents,
  elements,
  INTEGER,
  integer,
  OCTETS,
  SEQUENCE,
  tagged,
  unsigned,
} from '#wire/der.ts'

export const isTrue = boolBytes(true)
export const isFalse = boolBytes(false)

/** What the device shall let a key do: everything that its algorithm can. */
const FLAGS = {
  secret: [CKA.ENCRYPT, CKA.DECRYPT, CKA.SIGN, CKA.VERIFY, CKA.WRAP, CKA.UNWRAP, CKA.DERIVE],
  sign: { private: [CKA.SIGN], public: [CKA.VERIFY] },
  encrypt: { private: [CKA.DECRYPT, CKA.UNWRAP], public: [CKA.ENCRYPT, CKA.WRAP] },
  agree: { private: [CKA.DERIVE], public: [] },
  encapsulate: { private: [CKA.DECAPSULATE], public: [CKA.ENCAPSULATE] },
} as const

/** Usage flags of a key: what may be done with it is the core's to decide. */
export function usageFlags(algorithm: KeyAlgorithm, half?: 'private' | 'public'): Attribute[] {
  const types: readonly number[] = isPair(algorithm)
    ? pairRow(algorithm).does.flatMap((deed) => [...FLAGS[deed][half ?? 'private']])
    : FLAGS.secret
  return types.map((type) => ({ type, value: isTrue }))
}

/** Triple DES up to this length has two keys, which PKCS#11 gives a type of their own. */
export const DES2_BITS = 128

export function ckkOf({ algorithm, bits }: KeySpec): number {
  if (algorithm === 'DES3' && bits <= DES2_BITS) return CKK.DES2
  if (isPair(algorithm)) return pairRow(algorithm).ckk
  const { ckk, hash } = secretKeyRow(algorithm)
  // HMAC keys of a type of their own are rare in devices.
  return hash === undefined ? ckk : CKK.GENERIC_SECRET
}

/** Domain parameters or length, for generating. */
export function parametersOf({ algorithm, bits, curve }: KeySpec): readonly Attribute[] {
  if (algorithm === 'RSA') {
    return [
      { type: CKA.MODULUS_BITS, value: ulongBytes(bits) },
      { type: CKA.PUBLIC_EXPONENT, value: Uint8Array.of(1, 0, 1) },
    ]
  }
  const params = ecParams({ algorithm, bits, ...(curve && { curve }) })
  if (params !== undefined) return [{ type: CKA.EC_PARAMS, value: params }]
  if (!isPair(algorithm)) return []
  const { ckp } = pairRow(algorithm)
  return ckp === undefined ? [] : [{ type: CKA.PARAMETER_SET, value: ulongBytes(ckp) }]
}

function ecParams({ algorithm, curve }: KeySpec): Buffer | undefined {
  const oid = curve === undefined ? undefined : curveRow(curve).oid
  const own = isPair(algorithm) ? pairRow(algorithm).oid : undefined
  const hex = oid ?? own
  return hex === undefined ? undefined : Buffer.from(hex, 'hex')
}

/** The parts of a private key, for importing. @throws `KmsError` `parametersUnsupported`. */
export function privateTemplate(key: KeyObject, spec: KeySpec): readonly Attribute[] {
  if (spec.algorithm === 'RSA') return rsaParts(key)
  if (spec.algorithm === 'DSA') return dsaParts(key)
  const params = ecParams(spec)
  if (params === undefined) {
    const what = `Cannot import key: ${spec.algorithm} is not taken in by HSMs here`
    throw new KmsError('parametersUnsupported', what)
  }
  return [
    { type: CKA.EC_PARAMS, value: params },
    { type: CKA.VALUE, value: spec.algorithm === 'EC' ? scalarOf(key) : seedOf(key) },
  ]
}

function rsaParts(key: KeyObject): readonly Attribute[] {
  const jwk = key.export({ format: 'jwk' }) as webcrypto.JsonWebKey
  return [
    part(CKA.MODULUS, jwk.n),
    part(CKA.PUBLIC_EXPONENT, jwk.e),
    part(CKA.PRIVATE_EXPONENT, jwk.d),
    part(CKA.PRIME_1, jwk.p),
    part(CKA.PRIME_2, jwk.q),
    part(CKA.EXPONENT_1, jwk.dp),
    part(CKA.EXPONENT_2, jwk.dq),
    part(CKA.COEFFICIENT, jwk.qi),
  ]
}

/** ECPrivateKey: node:crypto has JSON Web Keys of some curves only. */
function scalarOf(key: KeyObject): Uint8Array {
  const der = key.export({ format: 'der', type: 'sec1' }) as Buffer
  const outer = contents(der, SEQUENCE)
  const [, scalar] = (outer && elements(outer.value, [INTEGER, OCTETS])) ?? []
  if (scalar !== undefined) return scalar
  throw new KmsError('invalidField', 'Cannot import key: it is no private key of a named curve')
}

function seedOf(key: KeyObject): Uint8Array {
  const { d } = key.export({ format: 'jwk' }) as webcrypto.JsonWebKey
  return Buffer.from(d ?? '', 'base64url')
}

const DSA_PARTS = [CKA.PRIME, CKA.SUBPRIME, CKA.BASE, CKA.VALUE] as const
const DSA_OID = Buffer.from('06072a8648ce380401', 'hex')

/** PKCS#8: the domain parameters with the algorithm, then the private number. */
function dsaParts(key: KeyObject): readonly Attribute[] {
  const der = key.export({ format: 'der', type: 'pkcs8' }) as Buffer
  const outer = contents(der, SEQUENCE)
  const [, algorithm, octets] = (outer && elements(outer.value, [INTEGER, SEQUENCE, OCTETS])) ?? []
  const [, domain] = (algorithm && elements(algorithm, [OID, SEQUENCE])) ?? []
  const numbers = domain && elements(domain, [INTEGER, INTEGER, INTEGER])
  const secret = octets && contents(octets, INTEGER)
  if (numbers === undefined || secret === undefined) {
    throw new KmsError('invalidField', 'Cannot import key: it is no DSA key with its parameters')
  }
  const values = [...numbers, secret.value]
  return DSA_PARTS.map((type, at) => ({ type, value: unsigned(values[at] as Uint8Array) }))
}

function dsaKey(values: readonly Uint8Array[]): KeyObject {
  const [p, q, g, x] = values.map(integer) as [Buffer, Buffer, Buffer, Buffer]
  const algorithm = tagged(SEQUENCE, DSA_OID, tagged(SEQUENCE, p, q, g))
  const key = tagged(SEQUENCE, ZERO, algorithm, tagged(OCTETS, x))
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' })
}

/** What has to be read to know a private key that may leave the device. */
export function privateParts({ algorithm }: KeySpec): readonly number[] {
  if (algorithm === 'DSA') return DSA_PARTS
  if (algorithm !== 'RSA') return [CKA.VALUE]
  return [CKA.MODULUS, CKA.PUBLIC_EXPONENT, CKA.PRIVATE_EXPONENT, CKA.PRIME_1, CKA.PRIME_2]
}

/** A private key from its attributes. @throws `KmsError` `keyFormat`. */
export function privateKeyOf(spec: KeySpec, values: readonly Uint8Array[]): KeyObject {
  const [first, publicExponent, privateExponent, p, q] = values
  if (first !== undefined && spec.algorithm === 'RSA') {
    const numbers = { modulus: first, publicExponent, privateExponent, p, q }
    return createPrivateKey({ key: completeRsa(numbers), format: 'jwk' })
  }
  if (spec.algorithm === 'DSA') return dsaKey(values)
  if (first === undefined) throw unreadable(spec)
  if (spec.curve !== undefined) return scalarKey(curveRow(spec.curve), first)
  const params = ecParams(spec)
  if (params === undefined) throw unreadable(spec)
  // RFC 8410 §7: the seed in an OCTET STRING within the OCTET STRING of PKCS#8.
  const seed = tagged(OCTETS, tagged(OCTETS, first))
  const key = tagged(SEQUENCE, ZERO, tagged(SEQUENCE, params), seed)
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' })
}

const OID = 0x06
const ZERO = Buffer.from('020100', 'hex')
const ONE = Buffer.from('020101', 'hex')

/** ECPrivateKey of RFC 5915 §3, without the public key, which OpenSSL works out. */
function scalarKey({ oid, bits }: CurveRow, value: Uint8Array): KeyObject {
  const padded = Buffer.alloc(Math.ceil(bits / 8))
  padded.set(value, padded.length - value.length)
  const curve = tagged(0xa0, Buffer.from(oid, 'hex'))
  const key = tagged(SEQUENCE, ONE, tagged(OCTETS, padded), curve)
  return createPrivateKey({ key, format: 'der', type: 'sec1' })
}

function part(type: number, base64url: string | undefined): Attribute {
  return { type, value: Buffer.from(base64url ?? '', 'base64url') }
}

/** What has to be read to know a public key. */
export const PUBLIC_PARTS = {
  RSA: [CKA.MODULUS, CKA.PUBLIC_EXPONENT],
  EC: [CKA.EC_POINT, CKA.EC_PARAMS],
} as const

/** A public key from its attributes. @throws `KmsError` `invalidField` when they are none. */
export function publicKeyOf(spec: KeySpec, [first, second]: readonly Uint8Array[]): KeyObject {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')
  if (first !== undefined && second !== undefined && spec.algorithm === 'RSA') {
    const key = { kty: 'RSA', n: text(unsigned(first)), e: text(unsigned(second)) }
    return createPublicKey({ key, format: 'jwk' })
  }
  if (first === undefined) throw unreadable(spec)
  const point = withoutOctets(first)
  if (spec.curve !== undefined) return pointKey(curveRow(spec.curve), point)
  const names: Partial<Record<KeyAlgorithm, string>> = { Ed25519: 'Ed25519', Ed448: 'Ed448' }
  const crv = names[spec.algorithm]
  if (crv === undefined) throw unreadable(spec)
  return createPublicKey({ key: { kty: 'OKP', crv, x: text(point) }, format: 'jwk' })
}

function unreadable({ algorithm }: KeySpec): KmsError {
  return new KmsError(
    'invalidField',
    `Cannot read public key: the device's ${algorithm} has no form`,
  )
}

const EC_PUBLIC_KEY = Buffer.from('06072a8648ce3d0201', 'hex')

/** SubjectPublicKeyInfo around an uncompressed point: RFC 5480 §2. */
function pointKey({ oid }: CurveRow, point: Uint8Array): KeyObject {
  const algorithm = tagged(SEQUENCE, EC_PUBLIC_KEY, Buffer.from(oid, 'hex'))
  const key = tagged(SEQUENCE, algorithm, tagged(BITS, Uint8Array.of(0), point))
  return createPublicKey({ key, format: 'der', type: 'spki' })
}

/** CKA_EC_POINT is an OCTET STRING around the point; some devices leave it away. */
function withoutOctets(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== 0x04) return bytes
  if (bytes[1] === bytes.length - 2) return bytes.subarray(2)
  return bytes[1] === 0x81 && bytes[2] === bytes.length - 3 ? bytes.subarray(3) : bytes
}

export const CLASSES = {
  secret: CKO.SECRET_KEY,
  private: CKO.PRIVATE_KEY,
  public: CKO.PUBLIC_KEY,
  data: CKO.DATA,
} as const
