/**
 * The mechanisms that a token offers: the rows of the algorithms under their numbers in PKCS#11.
 *
 * PKCS#11 3.2 §6: which keys and functions go with a mechanism. What is offered follows from the
 * rows of `spec/algorithms.ts` and from what the token's keystore says that it cannot do; the flags
 * are what the functions of this front serve. Parameters are read in `parameters.ts`.
 *
 * @module
 */
import type { Services } from '#core/context.ts'
import type { Ability, Keystore } from '#core/keystore.ts'
import {
  CIPHERS,
  type Cipher,
  type CipherRow,
  CURVES,
  cipherRow,
  HASHES,
  type Hash,
  type HashRow,
  isPair,
  type KeyAlgorithm,
  type KeySpec,
  MACS,
  type Mac,
  type MacRow,
  macRow,
  PAIRS,
  type PairAlgorithm,
  type PairRow,
  pairRow,
  SECRET_KEYS,
  type SecretKeyAlgorithm,
  type SecretKeyRow,
  SIGNATURES,
  type SignatureRow,
  type SignatureScheme,
  secretKeyRow,
  signatureRow,
} from '#spec/algorithms.ts'
import { CKF, CKM, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { type MechanismRow, mechanismRow, type Service } from '#spec/pkcs11/mechanisms.ts'
import type { Mechanism } from '#spec/pkcs11/types.ts'
import { DERIVATIONS } from './derivations.ts'
import { ENCAPSULATIONS } from './encapsulations.ts'
import type { Session } from './session.ts'
import { WRAPPINGS } from './wrappings.ts'

/** What a mechanism is made of. */
export type Does = (
  | { readonly kind: 'cipher'; readonly cipher: Cipher }
  | {
      readonly kind: 'signature'
      readonly scheme: SignatureScheme
      readonly hash?: Hash | undefined
      /** The data is the digest, and the parameter names the hash. */
      readonly hashGiven?: true
    }
  | {
      readonly kind: 'mac'
      readonly mac: Mac
      readonly general: boolean
      /** The MAC that ends a handshake of TLS. */
      readonly ofHandshake?: true
    }
  | { readonly kind: 'digest'; readonly hash: Hash }
  /** Makes keys, or works with keys only: see the functions that serve it. */
  | { readonly kind: 'keys' }
) & {
  /** What its keys are for; none: it has no key, or any. */
  readonly algorithms: readonly KeyAlgorithm[]
  /** Lengths of keys in bits, where not all of the algorithm's. */
  readonly keyBits?: readonly number[] | undefined
}

/** Lengths of keys in the unit of the mechanism; 0 where there is no key. */
export interface KeySizes {
  readonly min: number
  readonly max: number
}

/** A mechanism that a token offers. */
export interface Offered {
  readonly type: number
  /** The header's name, without its prefix. */
  readonly name: string
  /** What it is for each service; RSA's are ciphers and signatures under one number. */
  readonly does: Readonly<Partial<Record<Service, Does>>>
  readonly sizes: KeySizes
  readonly row: MechanismRow
}

interface Candidate {
  readonly ckm: number
  readonly does: Does
  readonly serves: readonly Service[]
  /** What the keystore must be able to do. */
  readonly needs?: Ability
}

/** A mechanism that works with keys and not with data. */
interface KeyMechanism {
  readonly ckm: number
  readonly serves: readonly Service[]
  readonly algorithms: readonly KeyAlgorithm[]
  readonly keyBits?: readonly number[] | undefined
  readonly needs?: Ability
}

/** What is made where other lengths of the algorithm have mechanisms of their own. */
const MADE_BITS: ReadonlyMap<number, readonly number[]> = new Map([
  [CKM.AES_KEY_GEN, cipherRow('AES_ECB').keyBits ?? []],
  [CKM.DES3_KEY_GEN, [192]],
])

/** Mechanisms that make keys of an algorithm which has another one in its row. */
const GENERATORS: readonly KeyMechanism[] = [
  {
    ckm: CKM.DES2_KEY_GEN,
    serves: ['generate'],
    algorithms: ['DES3'],
    keyBits: [128],
    needs: { generate: { algorithm: 'DES3', bits: 112 } },
  },
  {
    ckm: CKM.AES_XTS_KEY_GEN,
    serves: ['generate'],
    algorithms: ['AES'],
    keyBits: cipherRow('AES_XTS').keyBits,
    needs: { generate: { algorithm: 'AES', bits: 512 } },
  },
  ...[CKM.HKDF_KEY_GEN, CKM.SHA512_224_KEY_GEN, CKM.SHA512_256_KEY_GEN].map((ckm) => {
    return { ckm, serves: ['generate'], algorithms: ['HMAC_SHA256'] } as const
  }),
  {
    ckm: CKM.EC_KEY_PAIR_GEN_W_EXTRA_BITS,
    serves: ['generatePair'],
    algorithms: ['EC'],
    needs: { generate: { algorithm: 'EC', bits: 256, curve: 'P_256' } },
  },
]

/**
 * Mechanisms of wrapping, derivation and encapsulation. Those that are a row already are served
 * beside what the row serves.
 */
const KEY_MECHANISMS: readonly KeyMechanism[] = [
  ...WRAPPINGS.map(({ ckm, cipher, algorithms, agrees }) => ({
    ckm,
    serves: ['wrap', 'unwrap'] as const,
    algorithms,
    // What is agreed upon fits the cipher, whatever the length of the pair.
    keyBits: agrees ? undefined : cipherRow(cipher).keyBits,
    needs: { cipher },
  })),
  ...DERIVATIONS.map(({ ckm, algorithms, keyBits }) => ({
    ckm,
    serves: ['derive'] as const,
    algorithms,
    keyBits,
  })),
  // Several keys at once: functions/key-block.ts.
  { ckm: CKM.TLS12_KEY_AND_MAC_DERIVE, serves: ['derive'], algorithms: [] },
  { ckm: CKM.TLS12_KEY_SAFE_DERIVE, serves: ['derive'], algorithms: [] },
  { ckm: CKM.PKCS5_PBKD2, serves: ['generate'], algorithms: [] },
  {
    ckm: CKM.PUB_KEY_FROM_PRIV_KEY,
    serves: ['derive'],
    algorithms: Object.keys(PAIRS) as PairAlgorithm[],
  },
  ...GENERATORS,
  ...ENCAPSULATIONS.map(({ ckm, algorithms }) => ({
    ckm,
    serves: ['encapsulate', 'decapsulate'] as const,
    algorithms,
  })),
]

const ENCRYPTION = ['encrypt', 'decrypt'] as const
const MESSAGES = ['messageEncrypt', 'messageDecrypt'] as const
const SIGNING = ['sign', 'verify', 'messageSign', 'messageVerify'] as const
const RECOVERY = ['signRecover', 'verifyRecover'] as const

function* candidates(): Iterable<Candidate> {
  yield* cipherCandidates()
  yield* signatureCandidates()
  yield* macCandidates()
  for (const [name, { ckm }] of Object.entries<HashRow>(HASHES)) {
    const hash = name as Hash
    const does = { kind: 'digest', hash, algorithms: [] } as const
    yield { ckm, does, serves: ['digest'], needs: { digest: hash } }
  }
  yield* generationCandidates()
  for (const { ckm, serves, algorithms, keyBits, needs } of KEY_MECHANISMS) {
    const does = { kind: 'keys', algorithms, keyBits } as const
    yield { ckm, serves, does, ...(needs && { needs }) }
  }
}

function* cipherCandidates(): Iterable<Candidate> {
  for (const [name, { ckm, key, keyBits }] of Object.entries<CipherRow>(CIPHERS)) {
    if (ckm === undefined) continue
    const cipher = name as Cipher
    const messages = mechanismRow(ckm)?.message === undefined ? [] : MESSAGES
    const does = { kind: 'cipher', cipher, algorithms: algorithmsOfCipher(key), keyBits } as const
    yield { ckm, does, serves: [...ENCRYPTION, ...messages], needs: { cipher } }
  }
}

/** ChaCha20 keys are the same for both constructions. */
function algorithmsOfCipher(key: KeyAlgorithm): readonly KeyAlgorithm[] {
  return key.startsWith('ChaCha20') ? ['ChaCha20', 'ChaCha20Poly1305'] : [key]
}

function* signatureCandidates(): Iterable<Candidate> {
  for (const [name, row] of Object.entries<SignatureRow>(SIGNATURES)) {
    const scheme = name as SignatureScheme
    const algorithms = algorithmsOfScheme(scheme)
    const recovers = row.ckm === CKM.RSA_PKCS || row.ckm === CKM.RSA_X_509
    const serves = recovers ? [...SIGNING, ...RECOVERY] : SIGNING
    const does = { kind: 'signature', scheme, algorithms } as const
    // The bare mechanisms of schemes over a digest have the digest signed as it is.
    yield { ckm: row.ckm, does, serves, needs: { signature: scheme } }
    for (const [hashName, ckm] of Object.entries(row.ckmWith ?? {})) {
      const hash = hashName as Hash
      const needs = { signature: scheme, hash } as const
      yield { ckm, does: { ...does, hash }, serves: SIGNING, needs }
    }
    if (row.ckmHash === undefined) continue
    const needs = { signature: scheme, hash: 'SHA_256' } as const
    const given = { ...does, hashGiven: true } as const
    yield { ckm: row.ckmHash, does: given, serves: SIGNING, needs }
  }
}

function algorithmsOfScheme(scheme: SignatureScheme): readonly KeyAlgorithm[] {
  const { node } = signatureRow(scheme)
  const pairs = Object.entries<PairRow>(PAIRS).filter(([, pair]) => {
    return node.some((type) =>
      type.endsWith('-') ? pair.node.startsWith(type) : type === pair.node,
    )
  })
  return pairs.map(([algorithm]) => algorithm as KeyAlgorithm)
}

function* macCandidates(): Iterable<Candidate> {
  for (const [name, { ckm, general }] of Object.entries<MacRow>(MACS)) {
    const mac = name as Mac
    const algorithms = algorithmsOfMac(mac)
    const keyBits = algorithms[0] === 'AES' ? CIPHERS.AES_ECB.keyBits : undefined
    const of = (number: number, general: boolean): Candidate => ({
      ckm: number,
      does: { kind: 'mac', mac, general, algorithms, keyBits },
      serves: SIGNING,
      needs: { mac },
    })
    if (ckm !== undefined) yield of(ckm, false)
    if (general !== undefined) yield of(general, true)
  }
  yield* HANDSHAKES
}

/** With the master secret, by whatever hash the parameter names. */
const HANDSHAKES: readonly Candidate[] = [CKM.TLS_MAC, CKM.TLS12_MAC].map((ckm) => {
  const mac = 'HMAC_SHA256'
  const algorithms = algorithmsOfMac(mac)
  const does = { kind: 'mac', mac, general: false, ofHandshake: true, algorithms } as const
  return { ckm, does, serves: ['sign', 'verify'], needs: { mac } }
})

/** Algorithms of the keys of a MAC; an HMAC takes generic secrets as well. */
function algorithmsOfMac(mac: Mac): readonly SecretKeyAlgorithm[] {
  const { hash, cipher, node } = macRow(mac)
  if (cipher !== undefined) return [cipher.startsWith('aes') ? 'AES' : 'DES3']
  if (node === 'poly1305') return ['Poly1305']
  const rows = Object.entries<SecretKeyRow>(SECRET_KEYS)
  return rows.filter(([, row]) => row.hash === hash).map(([name]) => name as SecretKeyAlgorithm)
}

function* generationCandidates(): Iterable<Candidate> {
  for (const [name, { ckm, bits }] of Object.entries<SecretKeyRow>(SECRET_KEYS)) {
    const algorithm = name as SecretKeyAlgorithm
    const needs = { generate: { algorithm, bits: bits[0] as number } } as const
    const does = { kind: 'keys', algorithms: [algorithm], keyBits: MADE_BITS.get(ckm) } as const
    yield { ckm, does, serves: ['generate'], needs }
  }
  for (const [name, { ckm, bits }] of Object.entries<PairRow>(PAIRS)) {
    const algorithm = name as KeyAlgorithm
    const spec: KeySpec =
      bits.length === 0
        ? { algorithm, bits: 256, curve: 'P_256' }
        : { algorithm, bits: bits[0] as number }
    const does = { kind: 'keys', algorithms: [algorithm] } as const
    yield { ckm, does, serves: ['generatePair'], needs: { generate: spec } }
  }
}

/** Lengths of keys of a mechanism, in the unit of PKCS#11. */
function sizesOf({ algorithms, keyBits }: Does, ckm: number): KeySizes {
  if (keyBits !== undefined) return rangeOf(keyBits.map((bits) => bits / 8))
  return rangeOf(algorithms.flatMap((algorithm) => sizesOfOne(algorithm, ckm)))
}

/** What `CK_MECHANISM_INFO` counts in. */
export type KeyUnit = 'bits' | 'bytes' | 'publicBytes'

/** The unit of the lengths of a mechanism's keys. */
export function unitOf({ type, does }: Offered): KeyUnit {
  const [some] = Object.values(does).filter(({ algorithms }) => algorithms.length > 0)
  const algorithm = some?.algorithms[0]
  if (some?.keyBits !== undefined || algorithm === undefined) return 'bytes'
  if (!isPair(algorithm)) return type === CKM.GENERIC_SECRET_KEY_GEN ? 'bits' : 'bytes'
  return pairRow(algorithm).ckp === undefined ? 'bits' : 'publicBytes'
}

/** Of HMAC keys any length of whole bytes will do. */
const ANY_KEY_BYTES = [1, 8_192] as const

function sizesOfOne(algorithm: KeyAlgorithm, ckm: number): readonly number[] {
  if (!isPair(algorithm)) {
    const { bits, anyBits, materialBits } = secretKeyRow(algorithm)
    const unit = ckm === CKM.GENERIC_SECRET_KEY_GEN ? 1 : 8
    if (anyBits) return ANY_KEY_BYTES.map((bytes) => (bytes * 8) / unit)
    return bits.map((one) => (materialBits?.[one] ?? one) / unit)
  }
  const { bits, importBitsMin, ckp } = pairRow(algorithm)
  if (algorithm === 'EC') return Object.values(CURVES).map((curve) => curve.bits)
  // Of post-quantum algorithms: the public key in bytes.
  if (ckp !== undefined) return bits.map((one) => one / 8)
  const makes = mechanismRow(ckm)?.serves.includes('generatePair') === true
  return importBitsMin === undefined || makes ? bits : [importBitsMin, 16_384, ...bits]
}

function rangeOf(numbers: readonly number[]): KeySizes {
  if (numbers.length === 0) return { min: 0, max: 0 }
  return { min: Math.min(...numbers), max: Math.max(...numbers) }
}

const TABLES = new WeakMap<Keystore, ReadonlyMap<number, Offered>>()

/** The mechanisms that a keystore can do, by number. */
export function mechanismsOf(keystore: Keystore): ReadonlyMap<number, Offered> {
  let table = TABLES.get(keystore)
  if (table === undefined) {
    table = newTable(keystore)
    TABLES.set(keystore, table)
  }
  return table
}

function newTable(keystore: Keystore): ReadonlyMap<number, Offered> {
  const table = new Map<number, Offered>()
  for (const { ckm, needs, does, serves } of candidates()) {
    const row = mechanismRow(ckm)
    if (row === undefined) continue
    if (needs !== undefined && keystore.cannot(needs) !== undefined) continue
    const one: Offered = {
      type: ckm,
      name: row.name,
      does: Object.fromEntries(serves.map((service) => [service, does])),
      sizes: sizesOf(does, ckm),
      row,
    }
    const present = table.get(ckm)
    table.set(ckm, present === undefined ? one : joined(present, one))
  }
  return table
}

/** One number may be several rows: cipher and signature of RSA, parameter sets of ML-DSA. */
function joined(one: Offered, two: Offered): Offered {
  const does: Partial<Record<Service, Does>> = { ...one.does }
  for (const [name, more] of Object.entries(two.does)) {
    const service = name as Service
    const present = does[service]
    if (present === undefined) does[service] = more
    else does[service] = { ...present, algorithms: [...present.algorithms, ...more.algorithms] }
  }
  const sizes = rangeOf([one.sizes.min, one.sizes.max, two.sizes.min, two.sizes.max])
  return { ...one, does, sizes }
}

/** The keystore of a token's new keys; its mechanisms are the token's. */
/** @param of A token; or a session, whose login may have chosen another keystore. */
export function keystoreOf(of: { readonly services: Services }): Keystore {
  return of.services.keystores.forNew(undefined)
}

/**
 * The mechanism of a call.
 *
 * @throws `CryptokiError` `CKR_MECHANISM_INVALID` when the token does not offer it for this.
 */
export function offeredFor(session: Session, mechanism: Mechanism, service: Service): Offered {
  const offered = mechanismsOf(keystoreOf(session)).get(mechanism.type)
  if (offered?.does[service] !== undefined) return offered
  const name = offered?.name ?? mechanismRow(mechanism.type)?.name
  const label = name === undefined ? `mechanism 0x${mechanism.type.toString(16)}` : `CKM_${name}`
  throw new CryptokiError(CKR.MECHANISM_INVALID, `${label} is not offered for ${service}`)
}

/** `CKF_` of each service. */
const FLAGS: Readonly<Record<Service, number>> = {
  encrypt: CKF.ENCRYPT,
  decrypt: CKF.DECRYPT,
  digest: CKF.DIGEST,
  sign: CKF.SIGN,
  signRecover: CKF.SIGN_RECOVER,
  verify: CKF.VERIFY,
  verifyRecover: CKF.VERIFY_RECOVER,
  generate: CKF.GENERATE,
  generatePair: CKF.GENERATE_KEY_PAIR,
  wrap: CKF.WRAP,
  unwrap: CKF.UNWRAP,
  derive: CKF.DERIVE,
  encapsulate: CKF.ENCAPSULATE,
  decapsulate: CKF.DECAPSULATE,
  messageEncrypt: CKF.MESSAGE_ENCRYPT | CKF.MULTI_MESSAGE,
  messageDecrypt: CKF.MESSAGE_DECRYPT | CKF.MULTI_MESSAGE,
  messageSign: CKF.MESSAGE_SIGN | CKF.MULTI_MESSAGE,
  messageVerify: CKF.MESSAGE_VERIFY | CKF.MULTI_MESSAGE,
}

/** What else is said of mechanisms on elliptic curves. */
const EC_FLAGS = CKF.EC_F_P | CKF.EC_OID | CKF.EC_UNCOMPRESS
const EC_MECHANISMS: ReadonlySet<number> = new Set([
  CKM.EC_KEY_PAIR_GEN,
  CKM.EC_KEY_PAIR_GEN_W_EXTRA_BITS,
  CKM.ECDH_AES_KEY_WRAP,
  CKM.ECDH1_DERIVE,
  CKM.ECDH1_COFACTOR_DERIVE,
  SIGNATURES.ECDSA.ckm,
  ...Object.values(SIGNATURES.ECDSA.ckmWith),
])

export function flagsOf({ type, does }: Offered): number {
  const services = Object.keys(does) as Service[]
  const flags = services.reduce((sum, service) => sum | FLAGS[service], 0)
  return (EC_MECHANISMS.has(type) ? flags | EC_FLAGS : flags) >>> 0
}
