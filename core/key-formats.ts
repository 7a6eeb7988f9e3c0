/**
 * Key material from one format into another.
 *
 * KMIP 2.1 §7.8 (Key Format Type) and §7.6 (transparent structures); RFC 8017 appendix A (PKCS#1),
 * RFC 5208 and 5958 (PKCS#8), RFC 5480 and 5280 (SubjectPublicKeyInfo, which KMIP calls X.509), RFC
 * 5915 (ECPrivateKey). Transparent material is the TTLV encoding of its Key Material structure, as
 * the digest of KMIP 2.1 §4.18 takes it.
 *
 * Parsing and encoding are node:crypto's; this module only names the forms. Keys of DSA and DH are
 * stored and returned as they came.
 *
 * @module
 */
import {
  type AsymmetricKeyType,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  type KeyObject,
  type webcrypto,
} from 'node:crypto'
import {
  curveOfKmip,
  curveOfNode,
  curveRow,
  type EcCurve,
  isPair,
  type KeySpec,
  pairOfNode,
  pairRow,
} from '#spec/algorithms.ts'
import { KeyFormatType as Format, RecommendedCurve } from '#spec/kmip/enumerations.ts'
import {
  TransparentECPrivateKey,
  TransparentECPublicKey,
  TransparentRSAPrivateKey,
  TransparentRSAPublicKey,
  TransparentSymmetricKey,
} from '#spec/kmip/structures.ts'
import { nameOf } from '#spec/kmip/table.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { contents, OCTETS, SEQUENCE } from '#wire/der.ts'
import { decodeItem, encodeItem } from '#wire/ttlv/binary.ts'
import type { Coder } from '#wire/ttlv/coder.ts'
import { KmsError } from './errors.ts'
import type { MaterialKind } from './keystore.ts'
import { completeRsa } from './rsa-numbers.ts'

const ENCODE = { version: 21, beyondVersion: 'refuse' } as const
const DECODE = { version: 21, misplaced: 'refuse' } as const
const LIMITS = { depthMax: 4, itemsMax: 32 }

interface FormatRow {
  read(bytes: Uint8Array, spec: KeySpec | undefined): KeyObject
  /** Undefined when the key has no such form. */
  write(key: KeyObject): Uint8Array | undefined
}

type Formats = Partial<Readonly<Record<Format, FormatRow>>>

function der(kind: 'private' | 'public', type: 'pkcs1' | 'pkcs8' | 'sec1' | 'spki'): FormatRow {
  return {
    read(bytes) {
      const input = { key: Buffer.from(bytes), format: 'der', type } as const
      return kind === 'private'
        ? createPrivateKey({ ...input, type: type as 'pkcs8' })
        : createPublicKey({ ...input, type: type as 'spki' })
    },
    write: (key) => key.export({ format: 'der', type: type as 'pkcs8' }) as Buffer,
  }
}

/** RSA keys of PKCS#1 whose client calls them something else, as PyKMIP's examples do. */
function orPkcs1(kind: 'private' | 'public', named: FormatRow): FormatRow {
  const pkcs1 = der(kind, 'pkcs1')
  return {
    read(bytes, spec) {
      try {
        return named.read(bytes, spec)
      } catch (error) {
        if (spec !== undefined && spec.algorithm !== 'RSA') throw error
        return pkcs1.read(bytes, spec)
      }
    },
    write: named.write,
  }
}

function transparent<T>(
  coder: Coder<T>,
  read: (value: T) => KeyObject,
  write: (key: KeyObject) => T | undefined,
): FormatRow {
  return {
    read: (bytes) => read(coder.decode(decodeItem(bytes, LIMITS), DECODE)),
    write(key) {
      const value = write(key)
      return value && encodeItem(coder.encode(Tag.KeyMaterial, value, ENCODE))
    },
  }
}

const RAW_SECRET: FormatRow = {
  read: (bytes) => createSecretKey(bytes),
  write: (key) => key.export(),
}

const SECRET: Formats = {
  [Format.Raw]: RAW_SECRET,
  [Format.Opaque]: RAW_SECRET,
  [Format.TransparentSymmetricKey]: transparent(
    TransparentSymmetricKey,
    ({ key }) => createSecretKey(key),
    (key) => ({ key: key.export() }),
  ),
}

const EC_PRIVATE = transparent(TransparentECPrivateKey, readEcPrivate, writeEcPrivate)
const EC_PUBLIC = transparent(TransparentECPublicKey, readEcPublic, writeEcPublic)

const PRIVATE: Formats = {
  [Format.PKCS_1]: der('private', 'pkcs1'),
  [Format.PKCS_8]: orPkcs1('private', der('private', 'pkcs8')),
  [Format.ECPrivateKey]: der('private', 'sec1'),
  [Format.Raw]: { read: readRawPrivate, write: writeRawPrivate },
  [Format.TransparentRSAPrivateKey]: transparent(
    TransparentRSAPrivateKey,
    (value) => createPrivateKey({ key: completeRsa(value), format: 'jwk' }),
    writeRsaPrivate,
  ),
  [Format.TransparentECPrivateKey]: EC_PRIVATE,
  [Format.TransparentECDSAPrivateKey]: EC_PRIVATE,
  [Format.TransparentECDHPrivateKey]: EC_PRIVATE,
  [Format.TransparentECMQVPrivateKey]: EC_PRIVATE,
}

const PUBLIC: Formats = {
  [Format.PKCS_1]: der('public', 'pkcs1'),
  [Format.X_509]: orPkcs1('public', der('public', 'spki')),
  // A public key has no PKCS#8 form; the label has been seen on SubjectPublicKeyInfo.
  [Format.PKCS_8]: der('public', 'spki'),
  [Format.Raw]: { read: readRawPublic, write: writeRawPublic },
  [Format.TransparentRSAPublicKey]: transparent(
    TransparentRSAPublicKey,
    ({ modulus, publicExponent }) =>
      createPublicKey({
        key: { kty: 'RSA', n: number(modulus), e: number(publicExponent) },
        format: 'jwk',
      }),
    (key) => {
      const { n, e } = jwkOf(key, 'rsa') ?? {}
      return n && e ? { modulus: bigInteger(n), publicExponent: bigInteger(e) } : undefined
    },
  ),
  [Format.TransparentECPublicKey]: EC_PUBLIC,
  [Format.TransparentECDSAPublicKey]: EC_PUBLIC,
  [Format.TransparentECDHPublicKey]: EC_PUBLIC,
  [Format.TransparentECMQVPublicKey]: EC_PUBLIC,
}

const FORMATS: Readonly<Record<MaterialKind, Formats>> = {
  secret: SECRET,
  private: PRIVATE,
  public: PUBLIC,
  data: {},
}

/**
 * Parses key material.
 *
 * @throws {@link KmsError} `keyFormat` when the format is not read here, `invalidField` when the
 * bytes are not such a key.
 */
export function readKey(
  kind: MaterialKind,
  format: Format,
  bytes: Uint8Array,
  spec?: KeySpec,
): KeyObject {
  const row = FORMATS[kind][format]
  if (row === undefined) {
    throw new KmsError(
      'keyFormat',
      `Cannot read ${kind} key: ${formatName(format)} is no form of it`,
    )
  }
  try {
    return row.read(bytes, spec)
  } catch (cause) {
    if (cause instanceof KmsError) throw cause
    const what = `Cannot read ${kind} key: the bytes are no ${formatName(format)} key`
    throw new KmsError('invalidField', what, { cause })
  }
}

/** @throws {@link KmsError} `keyFormat` when the key has no such form. */
export function writeKey(kind: MaterialKind, format: Format, key: KeyObject): Uint8Array {
  try {
    const bytes = FORMATS[kind][format]?.write(key)
    if (bytes !== undefined) return bytes
  } catch {
    // node:crypto refuses forms that the type of key does not have: the same answer.
  }
  const type = key.asymmetricKeyType ?? 'symmetric'
  const what = `Cannot give ${kind} key: ${type} has no form ${formatName(format)}`
  throw new KmsError('keyFormat', `${what}; ask without a Key Format Type for the usual one`)
}

/** Whether material of this format can be parsed; not if it is encrypted under a password. */
export function canRead(kind: MaterialKind, format: Format, bytes: Uint8Array): boolean {
  if (FORMATS[kind][format] === undefined) return false
  return format !== Format.PKCS_8 || kind !== 'private' || !isEncrypted(bytes)
}

/**
 * EncryptedPrivateKeyInfo is an algorithm and an octet string; PrivateKeyInfo begins with a
 * version, and SubjectPublicKeyInfo ends with a bit string: RFC 5958 §2 and §3, RFC 5280 §4.1.
 */
function isEncrypted(bytes: Uint8Array): boolean {
  const outer = contents(bytes, SEQUENCE)
  const algorithm = outer && contents(outer.value, SEQUENCE)
  return algorithm !== undefined && algorithm.rest[0] === OCTETS
}

export function formatName(format: number): string {
  return nameOf(Format, format)
}

/** What a parsed key is; undefined when its algorithm has no row. */
export function specOfKey(key: KeyObject): KeySpec | undefined {
  const type = key.asymmetricKeyType
  const algorithm = type && pairOfNode(type)
  if (algorithm === undefined) return undefined
  const details = key.asymmetricKeyDetails
  if (details?.modulusLength !== undefined) return { algorithm, bits: details.modulusLength }
  const curve = details?.namedCurve === undefined ? undefined : curveOfNode(details.namedCurve)
  if (algorithm === 'EC') {
    return curve === undefined ? undefined : { algorithm, bits: curveRow(curve).bits, curve }
  }
  return { algorithm, bits: pairRow(algorithm).bits[0] as number }
}

/** The form in which a new key is kept and answered when nobody asks for another. */
export function defaultFormat(kind: MaterialKind, spec: KeySpec): Format {
  if (kind === 'secret' || kind === 'data') return Format.Raw
  if (spec.algorithm === 'RSA') return Format.PKCS_1
  return kind === 'private' ? Format.PKCS_8 : Format.X_509
}

function jwkOf(key: KeyObject, type: string): webcrypto.JsonWebKey | undefined {
  return key.asymmetricKeyType === type ? key.export({ format: 'jwk' }) : undefined
}

/** Base64url of a Big Integer without its sign bytes. */
function number(bytes: Uint8Array): string {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start++
  return Buffer.from(bytes.subarray(start)).toString('base64url')
}

/** A positive number as Big Integer: a multiple of 8 bytes, with a leading zero bit. */
function bigInteger(base64url: string | Uint8Array): Uint8Array {
  const bytes = typeof base64url === 'string' ? Buffer.from(base64url, 'base64url') : base64url
  const sign = (bytes[0] ?? 0) >= 0x80 ? 1 : 0
  const out = new Uint8Array(Math.ceil((bytes.length + sign) / 8) * 8)
  out.set(bytes, out.length - bytes.length)
  return out
}

function writeRsaPrivate(key: KeyObject) {
  const jwk = jwkOf(key, 'rsa')
  if (jwk === undefined) return undefined
  const part = (value: string | undefined): Uint8Array => bigInteger(value ?? '')
  return {
    modulus: part(jwk.n),
    privateExponent: part(jwk.d),
    publicExponent: part(jwk.e),
    p: part(jwk.p),
    q: part(jwk.q),
    primeExponentP: part(jwk.dp),
    primeExponentQ: part(jwk.dq),
    crtCoefficient: part(jwk.qi),
  }
}

function curveNamed(kmip: number): { readonly node: string; readonly bytes: number } {
  const curve = curveOfKmip(kmip)
  if (curve === undefined) {
    const name = nameOf(RecommendedCurve, kmip)
    throw new KmsError('invalidField', `Cannot read key: the curve ${name} is not offered`)
  }
  const { node, bits } = curveRow(curve)
  return { node, bytes: Math.ceil(bits / 8) }
}

function curveOf(key: KeyObject): EcCurve | undefined {
  const name = key.asymmetricKeyDetails?.namedCurve
  return name === undefined ? undefined : curveOfNode(name)
}

function readEcPrivate({ recommendedCurve, d }: { recommendedCurve: number; d: Uint8Array }) {
  const { node, bytes } = curveNamed(recommendedCurve)
  const scalar = Buffer.from(number(d), 'base64url')
  const key = Buffer.concat([Buffer.alloc(Math.max(0, bytes - scalar.length)), scalar])
  return createPrivateKey({
    key,
    format: 'raw-private',
    asymmetricKeyType: 'ec',
    namedCurve: node,
  })
}

function writeEcPrivate(key: KeyObject) {
  const curve = curveOf(key)
  if (curve === undefined) return undefined
  return {
    recommendedCurve: curveRow(curve).kmip,
    d: bigInteger(key.export({ format: 'raw-private' })),
  }
}

function readEcPublic({
  recommendedCurve,
  qString,
}: {
  recommendedCurve: number
  qString: Uint8Array
}) {
  const { node } = curveNamed(recommendedCurve)
  return createPublicKey({
    key: qString,
    format: 'raw-public',
    asymmetricKeyType: 'ec',
    namedCurve: node,
  })
}

function writeEcPublic(key: KeyObject) {
  const curve = curveOf(key)
  if (curve === undefined) return undefined
  return { recommendedCurve: curveRow(curve).kmip, qString: key.export({ format: 'raw-public' }) }
}

/** Type of key that raw bytes are, which only the object's algorithm says. */
function rawType(spec: KeySpec | undefined): {
  asymmetricKeyType: AsymmetricKeyType
  namedCurve?: string
} {
  if (spec === undefined || !isPair(spec.algorithm)) {
    throw new KmsError('invalidField', 'Cannot read raw key: its algorithm is not known')
  }
  const node = pairRow(spec.algorithm).node as AsymmetricKeyType
  if (spec.curve === undefined) return { asymmetricKeyType: node }
  return { asymmetricKeyType: node, namedCurve: curveRow(spec.curve).node }
}

/** Length of a seed of ML-KEM and ML-DSA, FIPS 203 §6.1 and FIPS 204 §6.1. */
const SEED_BYTES: Readonly<Record<string, number>> = { 'ml-kem': 64, 'ml-dsa': 32 }

function readRawPrivate(bytes: Uint8Array, spec: KeySpec | undefined): KeyObject {
  const type = rawType(spec)
  const seed = SEED_BYTES[type.asymmetricKeyType.slice(0, 6)] === bytes.length
  return createPrivateKey({ key: bytes, format: seed ? 'raw-seed' : 'raw-private', ...type })
}

function writeRawPrivate(key: KeyObject): Uint8Array {
  const seeded = SEED_BYTES[(key.asymmetricKeyType ?? '').slice(0, 6)] !== undefined
  if (!seeded) return key.export({ format: 'raw-private' })
  try {
    return key.export({ format: 'raw-seed' })
  } catch (cause) {
    throw new KmsError('keyFormat', 'Cannot write raw key: it came without its seed', { cause })
  }
}

function readRawPublic(bytes: Uint8Array, spec: KeySpec | undefined): KeyObject {
  return createPublicKey({ key: bytes, format: 'raw-public', ...rawType(spec) })
}

function writeRawPublic(key: KeyObject): Uint8Array {
  return key.export({ format: 'raw-public' })
}
