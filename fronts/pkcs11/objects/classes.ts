/**
 * What class of PKCS#11 a managed object is, and of what key type.
 *
 * PKCS#11 3.2 §4.2 (`CKA_CLASS`) and §4.6 (`CKA_KEY_TYPE`); KMIP 2.1 §3 and §4.13. A Symmetric Key
 * and a Secret Data are both a secret key, the latter a generic one.
 *
 * @module
 */
import type { AttributeBag } from '#core/attribute-bag.ts'
import { specOf } from '#core/keys.ts'
import { type ManagedObject, objectTypeOf } from '#core/objects.ts'
import {
  CURVES,
  type CurveRow,
  type EcCurve,
  isPair,
  type KeyAlgorithm,
  type KeySpec,
  PAIRS,
  type PairAlgorithm,
  type PairRow,
  pairRow,
  SECRET_KEYS,
  type SecretKeyAlgorithm,
  type SecretKeyRow,
  secretKeyRow,
} from '#spec/algorithms.ts'
import type { VendorKey } from '#spec/kmip/attribute-list.ts'
import { ObjectType } from '#spec/kmip/enumerations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { CKC, CKK, CKM, CKO } from '#spec/pkcs11/constants.ts'
import { ulongBytes, ulongOf } from '#spec/pkcs11/memory.ts'
import { type Item, ItemType } from '#wire/ttlv/item.ts'
import { NSS_TRUST } from './nss.ts'
import type { Family, Kind } from './table.ts'

/** CKA_UNAVAILABLE_INFORMATION: all ones. */
export const UNAVAILABLE = -1

/** Class of what is no object of KMIP but lies in one: domain parameters, profiles. */
export const CLASS = 'y:CKA_CLASS'
/** Key type that KMIP has no algorithm for. */
export const KEY_TYPE = 'y:CKA_KEY_TYPE'

const KINDS: Partial<Readonly<Record<ObjectType, Kind>>> = {
  [ObjectType.Certificate]: 'certificate',
  [ObjectType.SymmetricKey]: 'secret',
  [ObjectType.SecretData]: 'secret',
  [ObjectType.PublicKey]: 'public',
  [ObjectType.PrivateKey]: 'private',
  [ObjectType.OpaqueObject]: 'data',
}

const NUMBERS: Readonly<Record<Kind, number>> = {
  data: CKO.DATA,
  certificate: CKO.CERTIFICATE,
  public: CKO.PUBLIC_KEY,
  private: CKO.PRIVATE_KEY,
  secret: CKO.SECRET_KEY,
  domain: CKO.DOMAIN_PARAMETERS,
  trust: CKO.TRUST,
  nssTrust: NSS_TRUST,
  mechanism: CKO.MECHANISM,
  profile: CKO.PROFILE,
  validation: CKO.VALIDATION,
}

export function classNumber(kind: Kind): number {
  return NUMBERS[kind]
}

export function kindOfClass(number: number): Kind | undefined {
  return (Object.keys(NUMBERS) as Kind[]).find((kind) => NUMBERS[kind] === number)
}

/** Types of objects of KMIP that may be of this class; several for secret keys. */
export function objectTypesOf(kind: Kind): readonly ObjectType[] {
  const fitting = Object.entries(KINDS).filter(([, one]) => one === kind)
  const types = fitting.map(([type]) => Number(type) as ObjectType)
  // What has no type of its own lies in an Opaque Object, and so do certificates that are not read.
  const isOpaque = types.length === 0 || kind === 'certificate'
  return isOpaque ? [...types, ObjectType.OpaqueObject] : types
}

/** What PKCS#11 sees in an object; undefined where it sees nothing, as in a Template. */
export function kindOfObject(object: ManagedObject): Kind | undefined {
  const type = objectTypeOf(object)
  if (type !== ObjectType.OpaqueObject) return KINDS[type]
  const said = numberIn(object.attributes, CLASS)
  return said === undefined ? 'data' : kindOfClass(said)
}

export function familyOf(object: ManagedObject): Family {
  const kind = kindOfObject(object)
  if (kind === 'secret') return familyOfSecret(keyTypeOf(object))
  if (objectTypeOf(object) === ObjectType.OpaqueObject) return familyOfStored(object, kind)
  const spec = specOf(objectTypeOf(object), object.attributes)
  return spec === undefined ? 'other' : familyOfAlgorithm(spec.algorithm)
}

/** Key types that domain parameters are for. */
const DOMAINS: Readonly<Record<number, Family>> = {
  [CKK.DSA]: 'dsa',
  [CKK.DH]: 'dh',
  [CKK.X9_42_DH]: 'x942',
  [CKK.EC]: 'ec',
}

/** Undefined where there are no domain parameters of this key type. */
export function familyOfDomain(keyType: number | undefined): Family | undefined {
  return keyType === undefined ? undefined : DOMAINS[keyType]
}

/** Type of a certificate that is kept unread. */
const CERTIFICATE_TYPE = 'y:CKA_CERTIFICATE_TYPE'

/** What an Opaque Object is, whose class is not data. */
function familyOfStored({ attributes }: ManagedObject, kind: Kind | undefined): Family {
  if (kind === 'domain') return familyOfDomain(numberIn(attributes, KEY_TYPE)) ?? 'other'
  return kind === 'certificate' ? unreadFamily(numberIn(attributes, CERTIFICATE_TYPE)) : 'other'
}

/** Certificates that are kept unread, by their type; an X.509 one is so where it lies elsewhere. */
export function unreadFamily(type: number | undefined): Family {
  switch (type) {
    case CKC.X_509:
      return 'url'
    case CKC.WTLS:
      return 'wtls'
    case CKC.X_509_ATTR_CERT:
      return 'attribute'
    default:
      return 'other'
  }
}

const FIXED: ReadonlySet<number> = new Set<number>([CKK.DES2, CKK.DES3, CKK.CHACHA20, CKK.POLY1305])

/** Whether keys of this type have one length, which is not given. */
export function familyOfSecret(keyType: number | undefined): Family {
  return keyType !== undefined && FIXED.has(keyType) ? 'fixed' : 'secret'
}

export function familyOfAlgorithm(algorithm: KeyAlgorithm): Family {
  if (!isPair(algorithm)) return 'secret'
  const { ckk, ckp } = pairRow(algorithm)
  if (ckp !== undefined) return 'pq'
  if (ckk === CKK.RSA) return 'rsa'
  return ckk === CKK.DSA ? 'dsa' : 'ec'
}

/** CKK_ of a key; undefined where it has none. */
export function keyTypeOf(object: ManagedObject): number | undefined {
  const { attributes } = object
  const said = numberIn(attributes, KEY_TYPE)
  if (said !== undefined) return said
  const type = objectTypeOf(object)
  if (type === ObjectType.SecretData) return CKK.GENERIC_SECRET
  const spec = specOf(type, attributes)
  if (spec === undefined) return UNAVAILABLE
  return keyTypeOfSpec(spec)
}

function keyTypeOfSpec({ algorithm, bits }: KeySpec): number {
  if (isPair(algorithm)) return pairRow(algorithm).ckk
  if (algorithm === 'DES3' && (bits === 112 || bits === 128)) return CKK.DES2
  if (algorithm === 'AES' && bits === 512) return CKK.AES_XTS
  return secretKeyRow(algorithm).ckk
}

/** What a secret key of a key type is to the core. */
export interface SecretKind {
  /** Absent: Secret Data. */
  readonly algorithm?: SecretKeyAlgorithm | undefined
  /** Where it is not {@link keyTypeOfSpec} of the algorithm. */
  readonly keyType?: number | undefined
}

/** Key types of secrets that KMIP has no algorithm for, and which no cipher uses. */
const SECRETS_ONLY: ReadonlySet<number> = new Set<number>([
  CKK.HKDF,
  CKK.SHA512_224_HMAC,
  CKK.SHA512_256_HMAC,
  CKK.SHA512_T_HMAC,
])

/** Undefined where keys of this type are not offered. */
export function secretKindOf(keyType: number): SecretKind | undefined {
  if (keyType === CKK.GENERIC_SECRET) return {}
  if (SECRETS_ONLY.has(keyType)) return { keyType }
  if (keyType === CKK.DES2) return { algorithm: 'DES3' }
  if (keyType === CKK.AES_XTS) return { algorithm: 'AES' }
  const found = Object.entries<SecretKeyRow>(SECRET_KEYS).find(([, { ckk }]) => ckk === keyType)
  return found && { algorithm: found[0] as SecretKeyAlgorithm }
}

/** The key type that has to be said of a key, because its algorithm and length do not say it. */
export function saidKeyType(keyType: number, bits: number): number | undefined {
  // Two AES-128 keys are as long as one of AES-256.
  if (keyType === CKK.AES_XTS && bits === 256) return keyType
  return secretKindOf(keyType)?.keyType
}

/** Cryptographic Length of a secret key of so many bytes; undefined where it cannot be so long. */
export function secretBits(keyType: number, bytes: number): number | undefined {
  const algorithm = secretKindOf(keyType)?.algorithm
  if (algorithm === undefined) return bytes > 0 ? bytes * 8 : undefined
  if (keyType === CKK.DES2) return bytes === 16 ? 112 : undefined
  if (keyType === CKK.DES3) return bytes === 24 ? 168 : undefined
  if (keyType === CKK.AES_XTS) return bytes === 64 || bytes === 32 ? bytes * 8 : undefined
  if (keyType === CKK.AES && bytes === 64) return undefined
  const { bits, anyBits } = secretKeyRow(algorithm)
  return (anyBits && bytes > 0) || bits.includes(bytes * 8) ? bytes * 8 : undefined
}

/** How many bytes keys of one length have. */
export function fixedBytes(keyType: number): number | undefined {
  if (keyType === CKK.DES2) return 16
  if (keyType === CKK.DES3) return 24
  return FIXED.has(keyType) ? 32 : undefined
}

/** DER of `CKA_EC_PARAMS` of each curve, and the names that stand for it. */
export interface Curve {
  readonly algorithm: PairAlgorithm
  readonly curve?: EcCurve
  readonly bits: number
  readonly oid: string
  readonly kmip: number
}

/** Names of PKCS#11 3.2 §6.3 for curves that have no others. */
const CURVE_NAMES: Readonly<Record<string, readonly string[]>> = {
  Ed25519: ['edwards25519', 'Ed25519'],
  Ed448: ['edwards448', 'Ed448'],
  X25519: ['curve25519', 'X25519'],
  X448: ['curve448', 'X448'],
}

const CURVE_LIST: readonly (Curve & { readonly names: readonly string[] })[] = [
  ...Object.entries<CurveRow>(CURVES).map(([name, { node, bits, kmip, oid }]) => ({
    algorithm: 'EC' as const,
    curve: name as EcCurve,
    bits,
    oid,
    kmip,
    names: [node, name.replace('_', '-'), name.replace(/^P_(\d+)$/, 'secp$1r1')],
  })),
  ...Object.entries<PairRow>(PAIRS).flatMap(([name, { oid, bits, curve }]) => {
    if (oid === undefined || curve === undefined) return []
    const names = CURVE_NAMES[name] ?? [name]
    const of = { algorithm: name as PairAlgorithm, bits: bits[0] as number }
    return [{ ...of, oid, kmip: curve, names }]
  }),
]

const PRINTABLE_STRING = 0x13

/**
 * The curve that `CKA_EC_PARAMS` names: by its object identifier, or as a PrintableString.
 *
 * @returns Undefined where it is not offered, or given by its numbers.
 */
export function curveOfParams(params: Uint8Array): Curve | undefined {
  const bytes = Buffer.from(params)
  if (bytes[0] === PRINTABLE_STRING && bytes[1] === bytes.length - 2) {
    const name = bytes.toString('latin1', 2).toLowerCase()
    return CURVE_LIST.find(({ names }) => names.some((one) => one.toLowerCase() === name))
  }
  const oid = bytes.toString('hex')
  return CURVE_LIST.find((one) => one.oid === oid)
}

/** The curve that a key is on; undefined where it is on none. */
export function curveOfSpec({ algorithm, curve }: KeySpec): Curve | undefined {
  return CURVE_LIST.find((one) => one.algorithm === algorithm && one.curve === curve)
}

/** Algorithm with this key type and parameter set. */
export function pairOfParameterSet(keyType: number, ckp: number): PairAlgorithm | undefined {
  const found = Object.entries<PairRow>(PAIRS).find(([, row]) => {
    return row.ckk === keyType && row.ckp === ckp
  })
  return found?.[0] as PairAlgorithm | undefined
}

/** Mechanism that keys of this sort are generated with, where no other is said. */
export function generatorOf(object: ManagedObject): number {
  const spec = specOf(objectTypeOf(object), object.attributes)
  if (spec === undefined) return CKM.GENERIC_SECRET_KEY_GEN
  if (isPair(spec.algorithm)) return pairRow(spec.algorithm).ckm
  const type = keyTypeOf(object)
  if (type === CKK.DES2) return CKM.DES2_KEY_GEN
  return type === CKK.AES_XTS ? CKM.AES_XTS_KEY_GEN : secretKeyRow(spec.algorithm).ckm
}

/** Value of a vendor attribute as the bytes of a C program. */
export function bytesIn(attributes: AttributeBag, id: VendorKey): Uint8Array | undefined {
  const item = attributes.get(id) as Item | undefined
  switch (item?.type) {
    case ItemType.ByteString:
      return item.value
    case ItemType.TextString:
      return Buffer.from(item.value)
    case ItemType.Boolean:
      return Buffer.of(item.value ? 1 : 0)
    case ItemType.Integer:
      return ulongBytes(item.value)
    default:
      return undefined
  }
}

export function numberIn(attributes: AttributeBag, id: VendorKey): number | undefined {
  const bytes = bytesIn(attributes, id)
  return bytes && ulongOf(bytes)
}

export function booleanIn(attributes: AttributeBag, id: VendorKey): boolean | undefined {
  const bytes = bytesIn(attributes, id)
  return bytes && bytes[0] === 1
}

/** A vendor attribute that holds the bytes of a C program. */
export function bytesItem(value: Uint8Array): Item {
  return { tag: Tag.AttributeValue, type: ItemType.ByteString, value }
}

export function booleanItem(value: boolean): Item {
  return { tag: Tag.AttributeValue, type: ItemType.Boolean, value }
}
