/**
 * Reading the attributes of an object.
 *
 * PKCS#11 3.2 §4 and §6; §5.7.5 (`C_GetAttributeValue`) for what is not revealed. Values are C
 * memory of a 64-bit little-endian machine, as `spec/pkcs11/memory.ts` has it.
 *
 * @module
 */
import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { createRequire } from 'node:module'
import type { AttributeBag } from '#core/attribute-bag.ts'
import { type Awaitable, after } from '#core/awaitable.ts'
import type { Services } from '#core/context.ts'
import { type DsaNumbers, dsaPrivateNumbers, dsaPublicNumbers } from '#core/dsa-numbers.ts'
import { KmsError } from '#core/errors.ts'
import { keyInUse, specOf } from '#core/keys.ts'
import { type ManagedObject, objectTypeOf } from '#core/objects.ts'
import { publicHalf } from '#core/public-half.ts'
import type { Secret } from '#core/secret.ts'
import { isPair, pairRow, secretKeyRow } from '#spec/algorithms.ts'
import type { VendorKey } from '#spec/kmip/attribute-list.ts'
import {
  AlternativeNameType,
  CertificateType,
  KeyFormatType,
  LinkType,
  ObjectType,
} from '#spec/kmip/enumerations.ts'
import { CKA, CKC, CKK, CKR } from '#spec/pkcs11/constants.ts'
import { boolBytes, ulongBytes } from '#spec/pkcs11/memory.ts'
import type { Attribute } from '#spec/pkcs11/types.ts'
import { OCTETS, tagged } from '#wire/der.ts'
import type { Seen } from '../application.ts'
import {
  bytesIn,
  classNumber,
  curveOfSpec,
  generatorOf,
  keyTypeOf,
  kindOfObject,
  numberIn,
  UNAVAILABLE,
} from './classes.ts'
import { flagOf, rowOf } from './flags.ts'
import { rawPrivate } from './pq-private.ts'
import type { AttributeRow } from './table.ts'
import { readTemplate } from './template-bytes.ts'

export type Value = Uint8Array | readonly Attribute[]

/** A value, or the code for which there is none. */
export type Read = { readonly value: Value } | { readonly refused: number }

const UNKNOWN: Read = { refused: CKR.ATTRIBUTE_TYPE_INVALID }
const SENSITIVE: Read = { refused: CKR.ATTRIBUTE_SENSITIVE }
const EMPTY = new Uint8Array(0)

/**
 * The value of an attribute; at once where nothing has to be fetched.
 *
 * @returns `CKR_ATTRIBUTE_TYPE_INVALID` where the object does not have it,
 * `CKR_ATTRIBUTE_SENSITIVE` where it is not revealed.
 */
export function attributeValue(seen: Seen, type: number): Awaitable<Read> {
  const { object } = seen
  const row = rowOf(object, type)
  if (row === undefined) return UNKNOWN
  if (row.notes.has(7) && isHidden(object)) return SENSITIVE
  if (type === CKA.TOKEN) return { value: boolBytes(seen.lasting) }
  if ('material' in row.home) return fromMaterial(seen, row)
  return { value: fromAttributes(object, row) }
}

/** Whether the material may not be shown: sensitive, or not to be taken out. */
export function isHidden(object: ManagedObject): boolean {
  const { attributes } = object
  return attributes.get('sensitive') === true || attributes.get('extractable') === false
}

function fromAttributes(object: ManagedObject, row: AttributeRow): Value {
  const { attributes } = object
  if (row.form === 'bool') return boolBytes(flagOf(object, row.type))
  const { home } = row
  if ('kmip' in home) {
    const value = attributes.get(home.kmip)
    return typeof value === 'number' ? ulongBytes(value) : Buffer.from(String(value ?? ''))
  }
  if ('vendor' in home) {
    const bytes = bytesIn(attributes, home.vendor)
    if (row.form === 'template') return bytes === undefined ? [] : readTemplate(bytes)
    if (bytes !== undefined) return bytes
    return home.usual === undefined ? EMPTY : ulongBytes(Number(home.usual))
  }
  return COMPUTED[row.type]?.(object) ?? EMPTY
}

const COMPUTED: Readonly<Record<number, (object: ManagedObject) => Uint8Array>> = {
  [CKA.CLASS]: (object) => ulongBytes(classNumber(kindOfObject(object) ?? 'data')),
  [CKA.KEY_TYPE]: (object) => ulongBytes(keyTypeOf(object) ?? UNAVAILABLE),
  [CKA.LABEL]: labelBytes,
  [CKA.ID]: idBytes,
  [CKA.START_DATE]: ({ attributes }) => dayBytes(attributes.get('activationDate'), 0),
  [CKA.END_DATE]: ({ attributes }) => dayBytes(attributes.get('deactivationDate'), DAY),
  [CKA.KEY_GEN_MECHANISM]: (object) => {
    if (!flagOf(object, CKA.LOCAL)) return ulongBytes(UNAVAILABLE)
    return ulongBytes(numberIn(object.attributes, GENERATED_BY) ?? generatorOf(object))
  },
  [CKA.CERTIFICATE_TYPE]: ({ attributes }) => {
    const isX509 = attributes.get('certificateType') === CertificateType.X_509
    return ulongBytes(isX509 ? CKC.X_509 : CKC.VENDOR_DEFINED)
  },
  [CKA.PRIME_BITS]: ({ attributes }) => bitsIn(attributes, 'x:CKA_PRIME'),
  [CKA.SUBPRIME_BITS]: ({ attributes }) => bitsIn(attributes, 'x:CKA_SUBPRIME'),
  [CKA.EC_PARAMS]: (object) => {
    const spec = specOf(objectTypeOf(object), object.attributes)
    return Buffer.from((spec && curveOfSpec(spec)?.oid) ?? '', 'hex')
  },
  [CKA.PARAMETER_SET]: (object) => {
    const algorithm = specOf(objectTypeOf(object), object.attributes)?.algorithm
    const isKnown = algorithm !== undefined && isPair(algorithm)
    return ulongBytes((isKnown ? pairRow(algorithm).ckp : undefined) ?? UNAVAILABLE)
  },
}

/** How many bits a number has. */
function bitsIn(attributes: AttributeBag, id: VendorKey): Uint8Array {
  const bytes = bytesIn(attributes, id) ?? EMPTY
  const digits = Buffer.from(bytes).toString('hex')
  return ulongBytes(digits === '' ? 0 : BigInt(`0x${digits}`).toString(2).length)
}

/** How a key was generated, where its algorithm does not say it. */
export const GENERATED_BY = 'y:CKA_KEY_GEN_MECHANISM'
/** A label that is no text. */
export const RAW_LABEL = 'x:CKA_LABEL'
export const RAW_ID = 'x:CKA_ID'

/** The label as text; undefined where it is none. */
export function labelText(label: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(label)
  } catch {
    return undefined
  }
}

function labelBytes({ attributes }: ManagedObject): Uint8Array {
  const name = attributes.get('name')?.nameValue
  if (name !== undefined) return Buffer.from(name)
  const alternative = attributes
    .all('alternativeName')
    .find(
      ({ alternativeNameType }) =>
        alternativeNameType === AlternativeNameType.UninterpretedTextString,
    )
  if (alternative !== undefined) return Buffer.from(alternative.alternativeNameValue)
  const raw = bytesIn(attributes, RAW_LABEL)
  return raw === undefined || labelText(raw) !== undefined ? EMPTY : raw
}

/** The same for both halves of a pair and its certificate, where nobody has given another. */
export function idBytes(object: ManagedObject): Uint8Array {
  return bytesIn(object.attributes, RAW_ID) ?? Buffer.from(familyName(object))
}

/** Unique Identifier of the private key of the pair; else the object's own. */
function familyName({ id, attributes }: ManagedObject): string {
  const type = attributes.get('objectType')
  if (type !== ObjectType.PublicKey && type !== ObjectType.Certificate) return id
  const link = attributes.all('link').find(({ linkType }) => linkType === LinkType.PrivateKeyLink)
  return link === undefined ? id : String(link.linkedObjectIdentifier)
}

/** Seconds of a day: CK_DATE has no finer measure. */
export const DAY = 86_400

/** CK_DATE of a date that was given as a day; empty for any other. @param back Seconds before. */
function dayBytes(seconds: number | undefined, back: number): Uint8Array {
  if (seconds === undefined || seconds % DAY !== 0) return EMPTY
  const date = new Date((seconds - back) * 1000)
  return Buffer.from(date.toISOString().slice(0, 10).replaceAll('-', ''))
}

function fromMaterial(seen: Seen, row: AttributeRow): Awaitable<Read> {
  const { object } = seen
  const { services } = seen.reference.token
  // What is destroyed or only known by name has no material; its other attributes stay.
  if (object.material === undefined) return UNKNOWN
  const kind = kindOfObject(object)
  if (kind === 'certificate')
    return after(certificateOf(services, object), (certificate) => ({
      value: certificateValue(object, certificate, row.type),
    }))
  if (kind === 'secret') return secretValue(services, object, row.type)
  if (kind === 'data')
    return after(exported(services, object), (secret) => ({ value: secret.expose() }))
  try {
    return row.notes.has(7)
      ? privateValue(services, object, row.type)
      : after(publicHalf(services, object), (key) => answered(publicPart(key, row.type)))
  } catch (error) {
    if (error instanceof KmsError && error.code === 'keyFormat') return UNKNOWN
    throw error
  }
}

function answered(value: Uint8Array | undefined): Read {
  return value === undefined ? UNKNOWN : { value }
}

function exported(
  services: Services,
  object: ManagedObject,
  format?: KeyFormatType,
): Awaitable<Secret> {
  const keystore = services.keystores.named(object.material?.keystore as string)
  return keystore.export(keyInUse(object), format)
}

/** Number without leading zeros, as the standard's Big integer. */
function bigInteger(base64url: string | undefined): Uint8Array | undefined {
  return base64url === undefined ? undefined : Buffer.from(base64url, 'base64url')
}

/** A value of the public half; undefined where keys of this type have none. */
function publicPart(key: KeyObject, type: number): Uint8Array | undefined {
  if (key.asymmetricKeyType === 'dsa' && type !== CKA.PUBLIC_KEY_INFO) {
    return dsaPart(dsaPublicNumbers(key.export({ format: 'der', type: 'spki' })), type)
  }
  switch (type) {
    case CKA.PUBLIC_KEY_INFO:
      return key.export({ format: 'der', type: 'spki' })
    case CKA.MODULUS:
      return bigInteger(key.export({ format: 'jwk' }).n)
    case CKA.PUBLIC_EXPONENT:
      return bigInteger(key.export({ format: 'jwk' }).e)
    case CKA.EC_POINT:
      return tagged(OCTETS, key.export({ format: 'raw-public' }))
    case CKA.VALUE:
      return key.export({ format: 'raw-public' })
    default:
      return undefined
  }
}

function dsaPart(numbers: DsaNumbers, type: number): Uint8Array | undefined {
  switch (type) {
    case CKA.PRIME:
      return numbers.prime
    case CKA.SUBPRIME:
      return numbers.subprime
    case CKA.BASE:
      return numbers.base
    case CKA.VALUE:
      return numbers.value
    default:
      return undefined
  }
}

const RSA_PARTS: Readonly<Record<number, 'd' | 'p' | 'q' | 'dp' | 'dq' | 'qi'>> = {
  [CKA.PRIVATE_EXPONENT]: 'd',
  [CKA.PRIME_1]: 'p',
  [CKA.PRIME_2]: 'q',
  [CKA.EXPONENT_1]: 'dp',
  [CKA.EXPONENT_2]: 'dq',
  [CKA.COEFFICIENT]: 'qi',
}

function privateValue(services: Services, object: ManagedObject, type: number): Awaitable<Read> {
  return after(exported(services, object, KeyFormatType.PKCS_8), (material) => {
    using bytes = material
    const key = createPrivateKey({
      key: Buffer.from(bytes.expose()),
      format: 'der',
      type: 'pkcs8',
    })
    const part = privatePart(key, type)
    return part === undefined && type === CKA.VALUE ? expanded(services, object) : answered(part)
  })
}

/** CKA_VALUE of a key that is kept as its seed. */
function expanded(services: Services, object: ManagedObject): Awaitable<Read> {
  const key = keyInUse(object)
  const { keystore } = object.material as { readonly keystore: string }
  return after(services.keystores.named(keystore).expand?.(key), (made) => {
    using bytes = made
    return answered(bytes && Buffer.from(bytes.expose()))
  })
}

function privatePart(key: KeyObject, type: number): Uint8Array | undefined {
  const part = RSA_PARTS[type]
  if (part !== undefined) return bigInteger(key.export({ format: 'jwk' })[part])
  if (key.asymmetricKeyType === 'dsa') {
    return dsaPart(dsaPrivateNumbers(key.export({ format: 'der', type: 'pkcs8' })), type)
  }
  if (type !== CKA.SEED) return rawPrivate(key)
  try {
    return key.export({ format: 'raw-seed' })
  } catch {
    // A key that came without its seed has none.
    return EMPTY
  }
}

function secretValue(services: Services, object: ManagedObject, type: number): Awaitable<Read> {
  if (type === CKA.CHECK_VALUE) return checkValue(services, object)
  const length = type === CKA.VALUE_LEN ? knownBytes(services, object) : undefined
  if (length !== undefined) return { value: ulongBytes(length) }
  return after(exported(services, object, KeyFormatType.Raw), (secret) => {
    if (type === CKA.VALUE) return { value: secret.expose() }
    using bytes = secret
    return { value: ulongBytes(bytes.length) }
  })
}

/** The length that the attributes tell: a key that cannot leave its HSM has one as well. */
function knownBytes(services: Services, object: ManagedObject): number | undefined {
  const { attributes, material } = object
  const bits = attributes.get('cryptographicLength')
  if (bits === undefined || material === undefined) return undefined
  const algorithm = specOf(objectTypeOf(object), attributes)?.algorithm
  if (algorithm !== undefined && !isPair(algorithm)) {
    return (secretKeyRow(algorithm).materialBits?.[bits] ?? bits) / 8
  }
  const isInside = services.keystores.named(material.keystore).can.exports === false
  return isInside ? Math.ceil(bits / 8) : undefined
}

const CHECK_BYTES = 3
const CHECK_CIPHERS: Readonly<Record<number, readonly ['AES_ECB' | 'DES3_ECB', number]>> = {
  [CKK.AES]: ['AES_ECB', 16],
  [CKK.DES2]: ['DES3_ECB', 8],
  [CKK.DES3]: ['DES3_ECB', 8],
}

/** PKCS#11 3.2 §4.10.2: of a block cipher by encrypting zeros, of other keys by SHA-1. */
function checkValue(services: Services, object: ManagedObject): Awaitable<Read> {
  const block = CHECK_CIPHERS[keyTypeOf(object) ?? UNAVAILABLE]
  if (block === undefined) {
    return after(exported(services, object, KeyFormatType.Raw), (secret) => {
      using bytes = secret
      return { value: firstOfSha1(bytes.expose()) }
    })
  }
  const [cipher, size] = block
  const keystore = services.keystores.named(object.material?.keystore as string)
  const encrypted = keystore.encrypt(keyInUse(object), { cipher }, new Uint8Array(size))
  return after(encrypted, ({ data }) => ({ value: data.subarray(0, CHECK_BYTES) }))
}

function firstOfSha1(bytes: Uint8Array): Uint8Array {
  return createHash('sha1').update(bytes).digest().subarray(0, CHECK_BYTES)
}

/** A certificate as far as it can be read: one that cannot has only its value. */
interface ReadCertificate {
  readonly der: Uint8Array
  readonly parts: ReadonlyMap<number, Uint8Array>
}

const CERTIFICATES = new WeakMap<ManagedObject, ReadCertificate>()

function certificateOf(services: Services, object: ManagedObject): Awaitable<ReadCertificate> {
  const known = CERTIFICATES.get(object)
  if (known !== undefined) return known
  return after(exported(services, object), (secret) => {
    const der = secret.expose()
    const read = { der, parts: certificateParts(der) }
    CERTIFICATES.set(object, read)
    return read
  })
}

/** Loaded for the first certificate, which most applications do not have. */
function asn1() {
  const require = createRequire(import.meta.url)
  const schema = require('@peculiar/asn1-schema') as typeof import('@peculiar/asn1-schema')
  const x509 = require('@peculiar/asn1-x509') as typeof import('@peculiar/asn1-x509')
  return { AsnConvert: schema.AsnConvert, Certificate: x509.Certificate }
}

/** Fields of a certificate by attribute; none where it cannot be read. */
export function certificateParts(der: Uint8Array): ReadonlyMap<number, Uint8Array> {
  const { AsnConvert, Certificate } = asn1()
  try {
    const { tbsCertificate: tbs } = AsnConvert.parse(der, Certificate)
    const { publicKey } = new X509Certificate(der)
    const serial = new Uint8Array(tbs.serialNumber)
    return new Map<number, Uint8Array>([
      [CKA.SUBJECT, Buffer.from(AsnConvert.serialize(tbs.subject))],
      [CKA.ISSUER, Buffer.from(AsnConvert.serialize(tbs.issuer))],
      [CKA.SERIAL_NUMBER, Buffer.concat([Buffer.of(0x02, serial.length), serial])],
      [CKA.PUBLIC_KEY_INFO, publicKey.export({ format: 'der', type: 'spki' })],
    ])
  } catch {
    return new Map()
  }
}

/** Where a form of the serial number is kept that is not the certificate's own DER. */
export const SERIAL = 'x:CKA_SERIAL_NUMBER'

function certificateValue(
  { attributes }: ManagedObject,
  { der, parts }: ReadCertificate,
  type: number,
): Uint8Array {
  if (type === CKA.VALUE) return der
  if (type === CKA.CHECK_VALUE) return firstOfSha1(der)
  if (type === CKA.SERIAL_NUMBER) return bytesIn(attributes, SERIAL) ?? parts.get(type) ?? EMPTY
  return parts.get(type) ?? EMPTY
}
