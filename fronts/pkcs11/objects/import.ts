/**
 * C_CreateObject: keys of their parts, certificates, data.
 *
 * PKCS#11 3.2 §5.7.1 and §6. RSA private keys come with all their numbers (as Java's keytool gives
 * them) or with some; EC private keys with nothing but their value and curve.
 *
 * @module
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { type DsaNumbers, dsaPrivateDer, dsaPublicDer } from '#core/dsa-numbers.ts'
import { completeRsa } from '#core/rsa-numbers.ts'
import { Secret } from '#core/secret.ts'
import { curveRow, isPair, pairRow } from '#spec/algorithms.ts'
import { CertificateType, ObjectType } from '#spec/kmip/enumerations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { CKA, CKC, CKK, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import type { Attribute } from '#spec/pkcs11/types.ts'
import { BITS, contents, OCTETS } from '#wire/der.ts'
import type { Session } from '../session.ts'
import {
  bytesItem,
  CLASS,
  type Curve,
  classNumber,
  curveOfParams,
  familyOfDomain,
  kindOfClass,
  pairOfParameterSet,
  unreadFamily,
} from './classes.ts'
import { entered, internalOf, makePrivate, makePublic, makeSecret, parsed } from './make.ts'
import { planOf, type Subject } from './plan.ts'
import { pqPrivateKey } from './pq-private.ts'
import { ckaName, type Family, type Kind } from './table.ts'
import { assertFits, Template } from './template.ts'
import { certificateParts, SERIAL } from './values.ts'

/** @returns The handle. @throws `CryptokiError` for whatever the template does not allow. */
export async function importObject(session: Session, list: readonly Attribute[]): Promise<number> {
  const template = new Template(list)
  const number = template.number(CKA.CLASS)
  if (number === undefined) throw missing(CKA.CLASS)
  const kind = kindOfClass(number)
  switch (kind) {
    case 'secret': {
      const value = template.bytes(CKA.VALUE)
      if (value === undefined) throw missing(CKA.VALUE)
      return makeSecret(session, list, new Secret(Uint8Array.from(value)), { origin: 'imported' })
    }
    case 'private':
      return importPrivate(session, template)
    case 'public':
      return makePublic(session, template, publicKeyOf(template))
    case 'certificate':
      return importCertificate(session, template)
    case 'data':
      return importData(session, template)
    case 'domain':
      return importParameters(session, template)
    case 'trust':
    case 'nssTrust':
      return importStored(session, template, { kind, family: 'other' })
    default: {
      const what = `objects of CKA_CLASS 0x${number.toString(16)} are not created by applications`
      throw new CryptokiError(CKR.ATTRIBUTE_VALUE_INVALID, what)
    }
  }
}

function missing(type: number): CryptokiError {
  return new CryptokiError(CKR.TEMPLATE_INCOMPLETE, `${ckaName(type)} is missing`)
}

function required(template: Template, type: number): Uint8Array {
  const value = template.bytes(type)
  if (value === undefined) throw missing(type)
  return value
}

const FAMILIES: Readonly<Record<number, Family>> = {
  [CKK.RSA]: 'rsa',
  [CKK.DSA]: 'dsa',
  [CKK.EC]: 'ec',
  [CKK.EC_EDWARDS]: 'ec',
  [CKK.EC_MONTGOMERY]: 'ec',
  [CKK.ML_DSA]: 'pq',
  [CKK.SLH_DSA]: 'pq',
  [CKK.ML_KEM]: 'pq',
}

/** Key type and family of half a pair, with its template checked. */
function pairType(template: Template, kind: Kind): { keyType: number; family: Family } {
  const keyType = template.number(CKA.KEY_TYPE)
  if (keyType === undefined) throw missing(CKA.KEY_TYPE)
  const family = FAMILIES[keyType]
  if (family === undefined) {
    const what = `key pairs of CKA_KEY_TYPE 0x${keyType.toString(16)} are not offered`
    throw new CryptokiError(CKR.ATTRIBUTE_VALUE_INVALID, what)
  }
  assertFits(template, kind, family, 'create')
  return { keyType, family }
}

async function importPrivate(session: Session, template: Template): Promise<number> {
  const { keyType, family } = pairType(template, 'private')
  const read = PRIVATE_READERS[family] as PrivateReader
  const key = read(template, keyType)
  const pkcs8 = new Secret(key.export({ format: 'der', type: 'pkcs8' }))
  return makePrivate(session, template.list(), pkcs8, { origin: 'imported' })
}

type PrivateReader = (template: Template, keyType: number) => KeyObject

const PRIVATE_READERS: Partial<Readonly<Record<Family, PrivateReader>>> = {
  rsa: rsaPrivate,
  dsa: dsaPrivate,
  ec: ecPrivate,
  pq: pqPrivate,
}

function dsaNumbers(template: Template): DsaNumbers {
  return {
    prime: required(template, CKA.PRIME),
    subprime: required(template, CKA.SUBPRIME),
    base: required(template, CKA.BASE),
    value: required(template, CKA.VALUE),
  }
}

function dsaPrivate(template: Template): KeyObject {
  const key = dsaPrivateDer(dsaNumbers(template))
  try {
    return parsed(() => createPrivateKey({ key, format: 'der', type: 'pkcs8' }))
  } finally {
    key.fill(0)
  }
}

function rsaPrivate(template: Template): KeyObject {
  const numbers = {
    modulus: required(template, CKA.MODULUS),
    publicExponent: template.bytes(CKA.PUBLIC_EXPONENT),
    privateExponent: template.bytes(CKA.PRIVATE_EXPONENT),
    p: template.bytes(CKA.PRIME_1),
    q: template.bytes(CKA.PRIME_2),
  }
  return parsed(() => createPrivateKey({ key: completeRsa(numbers), format: 'jwk' }))
}

/** The curve of CKA_EC_PARAMS, which must be of the key type. */
function curveOf(template: Template, keyType: number): Curve {
  const params = required(template, CKA.EC_PARAMS)
  const curve = curveOfParams(params)
  if (curve === undefined) {
    const what = `CKA_EC_PARAMS names no curve that is offered: ${Buffer.from(params).toString('hex')}`
    throw new CryptokiError(CKR.CURVE_NOT_SUPPORTED, what)
  }
  if (pairRow(curve.algorithm).ckk === keyType) return curve
  const what = `CKA_EC_PARAMS names a curve of another CKA_KEY_TYPE: ${curve.algorithm}`
  throw new CryptokiError(CKR.TEMPLATE_INCONSISTENT, what)
}

function rawType({ algorithm, curve }: Pick<Curve, 'algorithm' | 'curve'>) {
  const asymmetricKeyType = pairRow(algorithm).node as 'ec'
  return { asymmetricKeyType, ...(curve && { namedCurve: curveRow(curve).node }) }
}

function ecPrivate(template: Template, keyType: number): KeyObject {
  const curve = curveOf(template, keyType)
  const value = required(template, CKA.VALUE)
  const size = Math.ceil(curve.bits / 8)
  // A number comes without its leading zeros, or with one for the sign.
  const digits = curve.algorithm === 'EC' ? withoutZeros(value) : value
  const padding = curve.algorithm === 'EC' ? Math.max(0, size - digits.length) : 0
  using key = new Secret(Buffer.concat([Buffer.alloc(padding), digits]))
  return parsed(() => {
    return createPrivateKey({
      key: Buffer.from(key.expose()),
      format: 'raw-private',
      ...rawType(curve),
    })
  })
}

function withoutZeros(bytes: Uint8Array): Uint8Array {
  const start = bytes.findIndex((byte) => byte !== 0)
  return start < 0 ? bytes : bytes.subarray(start)
}

/** Algorithm of CKA_PARAMETER_SET. */
function parameterSet(template: Template, keyType: number) {
  const set = template.number(CKA.PARAMETER_SET)
  if (set === undefined) throw missing(CKA.PARAMETER_SET)
  const algorithm = pairOfParameterSet(keyType, set)
  if (algorithm !== undefined && isPair(algorithm)) return algorithm
  const what = `there is no CKA_PARAMETER_SET ${set} of this key type`
  throw new CryptokiError(CKR.PARAMETER_SET_NOT_SUPPORTED, what)
}

function pqPrivate(template: Template, keyType: number): KeyObject {
  const algorithm = parameterSet(template, keyType)
  const given = (type: number): Uint8Array | undefined => {
    const bytes = template.bytes(type)
    return bytes?.length ? bytes : undefined
  }
  const [seed, value] = [given(CKA.SEED), given(CKA.VALUE)]
  if (seed === undefined && value === undefined) throw missing(CKA.VALUE)
  return parsed(() => pqPrivateKey({ type: pairRow(algorithm).node, value, seed }))
}

function publicKeyOf(template: Template): KeyObject {
  const { keyType, family } = pairType(template, 'public')
  if (family === 'rsa') {
    const part = (type: number): string => {
      return Buffer.from(withoutZeros(required(template, type))).toString('base64url')
    }
    const key = { kty: 'RSA', n: part(CKA.MODULUS), e: part(CKA.PUBLIC_EXPONENT) }
    return parsed(() => createPublicKey({ key, format: 'jwk' }))
  }
  if (family === 'dsa') {
    const key = dsaPublicDer(dsaNumbers(template))
    return parsed(() => createPublicKey({ key, format: 'der', type: 'spki' }))
  }
  if (family === 'pq') {
    const algorithm = parameterSet(template, keyType)
    return rawPublic(required(template, CKA.VALUE), { algorithm })
  }
  const curve = curveOf(template, keyType)
  return rawPublic(pointOf(required(template, CKA.EC_POINT), curve), curve)
}

function rawPublic(bytes: Uint8Array, type: Pick<Curve, 'algorithm' | 'curve'>): KeyObject {
  return parsed(() => {
    return createPublicKey({ key: Buffer.from(bytes), format: 'raw-public', ...rawType(type) })
  })
}

/**
 * The point in `CKA_EC_POINT`: DER of an OCTET STRING; a BIT STRING and the bare point, which
 * programs give as well, are read. An uncompressed point begins as an OCTET STRING does: only its
 * length tells them apart.
 */
export function pointOf(bytes: Uint8Array, { algorithm, bits }: Curve): Uint8Array {
  const size = Math.ceil(bits / 8)
  const sizes = algorithm === 'EC' ? [1 + 2 * size, 1 + size] : [size]
  const within = contentOf(bytes)
  return within !== undefined && sizes.includes(within.length) ? within : bytes
}

/** What is in an OCTET STRING or a BIT STRING of whole bytes; undefined where it is neither. */
function contentOf(bytes: Uint8Array): Uint8Array | undefined {
  const [octets, bits] = [contents(bytes, OCTETS), contents(bytes, BITS)]
  if (octets?.rest.length === 0) return octets.value
  return bits?.rest.length === 0 && bits.value[0] === 0 ? bits.value.subarray(1) : undefined
}

async function importCertificate(session: Session, template: Template): Promise<number> {
  const type = template.number(CKA.CERTIFICATE_TYPE)
  if (type === undefined) throw missing(CKA.CERTIFICATE_TYPE)
  if (type !== CKC.X_509 || isElsewhere(template)) return importUnread(session, template, type)
  assertFits(template, 'certificate', 'other', 'create')
  const certificateValue = Uint8Array.from(required(template, CKA.VALUE))
  const parts = certificateParts(certificateValue)
  if (parts.size === 0) {
    throw new CryptokiError(CKR.ATTRIBUTE_VALUE_INVALID, 'CKA_VALUE is no X.509 certificate')
  }
  const serial = assertParts(template, parts)
  const plan = planOf(session, { kind: 'certificate', family: 'other' }, template)
  return entered(session, plan, template, {
    objectType: ObjectType.Certificate,
    object: {
      tag: Tag.Certificate,
      value: { certificateType: CertificateType.X_509, certificateValue },
    },
    given: [...plan.given, ...serial],
    internal: internalOf(plan, { origin: 'imported' }),
  })
}

/** Whether a certificate is told by where it lies and not by what it is. */
function isElsewhere(template: Template): boolean {
  const [value, url] = [template.bytes(CKA.VALUE), template.bytes(CKA.URL)]
  return (value?.length ?? 0) === 0 && (url?.length ?? 0) > 0
}

/** What a certificate needs of which there is only an address. */
const NEEDED_ELSEWHERE = [CKA.HASH_OF_SUBJECT_PUBLIC_KEY, CKA.HASH_OF_ISSUER_PUBLIC_KEY]

/** A certificate of another type, or one that lies elsewhere: kept as it is given. */
function importUnread(session: Session, template: Template, type: number): Promise<number> {
  const family = unreadFamily(type)
  if (family === 'other') {
    const what = `certificates of CKA_CERTIFICATE_TYPE ${type} are not offered`
    throw new CryptokiError(CKR.ATTRIBUTE_VALUE_INVALID, what)
  }
  const value = template.bytes(CKA.VALUE) ?? new Uint8Array(0)
  const needed = isElsewhere(template) ? NEEDED_ELSEWHERE : [CKA.VALUE]
  const subject = { kind: 'certificate', family } as const
  assertFits(template, subject.kind, family, 'create')
  for (const one of needed) if ((template.bytes(one)?.length ?? 0) === 0) throw missing(one)
  return importStored(session, template, subject, value)
}

/**
 * What is given beside a certificate must be what the certificate says; a serial number may be the
 * bare number, as Java gives it, and is kept in the form in which it came.
 */
function assertParts(template: Template, parts: ReadonlyMap<number, Uint8Array>) {
  for (const [type, expected] of parts) {
    const given = template.bytes(type)
    if (given === undefined || given.length === 0 || Buffer.compare(given, expected) === 0) continue
    const isNumber = type === CKA.SERIAL_NUMBER
    if (isNumber && Buffer.compare(withoutZeros(given), withoutZeros(expected.subarray(2))) === 0) {
      return [{ id: SERIAL, value: bytesItem(given) } as const]
    }
    const what = `${ckaName(type)} is not what the certificate says`
    throw new CryptokiError(CKR.ATTRIBUTE_VALUE_INVALID, what)
  }
  return []
}

async function importData(session: Session, template: Template): Promise<number> {
  const value = template.bytes(CKA.VALUE) ?? new Uint8Array(0)
  return importStored(session, template, { kind: 'data', family: 'other' }, value)
}

/** Domain parameters are kept as they are given: keys bring their own. */
function importParameters(session: Session, template: Template): Promise<number> {
  const keyType = template.number(CKA.KEY_TYPE)
  if (keyType === undefined) throw missing(CKA.KEY_TYPE)
  const family = familyOfDomain(keyType)
  if (family !== undefined) return importStored(session, template, { kind: 'domain', family })
  const what = `keys of CKA_KEY_TYPE 0x${keyType.toString(16)} have no domain parameters`
  throw new CryptokiError(CKR.ATTRIBUTE_VALUE_INVALID, what)
}

const VENDORS = 0x8000_0000

/** Opaque Data Type of a class: the standard leaves all types to vendors. */
function dataType(number: number): number {
  return number < VENDORS ? VENDORS + number : number
}

/** An object that is data to the token: an Opaque Object of KMIP. */
async function importStored(
  session: Session,
  template: Template,
  subject: Pick<Subject, 'kind' | 'family'>,
  value: Uint8Array = new Uint8Array(0),
): Promise<number> {
  const { kind, family } = subject
  assertFits(template, kind, family, 'create')
  const plan = planOf(session, subject, template)
  const number = classNumber(kind)
  const said = { id: CLASS, value: bytesItem(ulongBytes(number)) } as const
  const opaqueDataValue = Uint8Array.from(value)
  return entered(session, plan, template, {
    objectType: ObjectType.OpaqueObject,
    object: {
      tag: Tag.OpaqueObject,
      value: { opaqueDataType: dataType(number), opaqueDataValue },
    },
    given: plan.given,
    internal: internalOf(plan, { origin: 'imported' }, kind === 'data' ? [] : [said]),
  })
}
