/**
 * C2SP Wycheproof through the keystore contract: one row for each type of test group.
 *
 * Files: https://github.com/C2SP/wycheproof, schema version 1. A row takes a group and gives back
 * how one of its cases is tried: the key is imported and worked with, as a client's would be. What
 * the contract cannot say (the randomness of an encapsulation, a deterministic signature) is
 * checked the other way round: what the vector made must be opened or verified.
 *
 * A case is `accepted` when the outcome is the vector's, `refused` when the keystore said no or
 * gave another outcome; anything else thrown is a failure of the keystore. `wycheproof.test.ts`
 * judges.
 *
 * @module
 */
import * as crypto from 'node:crypto'
import { KmsError } from '#core/errors.ts'
import type { CipherMechanism, KeyInUse, SignatureMechanism } from '#core/keystore.ts'
import {
  type Cipher,
  curveOfNode,
  curveRow,
  HASHES,
  type Hash,
  type KeyAlgorithm,
  type KeySpec,
  MACS,
  type Mac,
} from '#spec/algorithms.ts'
import { KeyFormatType } from '#spec/kmip/enumerations.ts'
import { type Bench, hex } from './contract-bench.ts'

/** A value of the files that is read here; texts are hexadecimal but for names. */
type Fields = Readonly<Record<string, string>>

export interface Case {
  readonly tcId: number
  readonly comment?: string
  readonly flags?: readonly string[]
  readonly result: 'valid' | 'invalid' | 'acceptable'
}

export interface Group {
  readonly type: string
  readonly tests: readonly Case[]
}

export interface VectorFile {
  readonly algorithm: string
  readonly testGroups: readonly Group[]
}

export type Outcome = 'accepted' | 'refused' | { readonly skipped: string }

/** Tries one case. */
export type Try = (test: Case) => Promise<Outcome>

type Prepare = (bench: Bench, group: Fields, algorithm: string) => Promise<Try> | Try

const same = (a: Uint8Array, text: string | undefined): Outcome =>
  Buffer.from(a).equals(hex(text ?? '')) ? 'accepted' : 'refused'

const skipped = (why: string): Try => {
  return async () => ({ skipped: why })
}

const fieldsOf = (test: Case): Fields => test as unknown as Fields

/** The row of the group's type; undefined when the type is not tried. */
export function prepareOf(type: string): Prepare | undefined {
  return ROWS[type]
}

/** Tries a case; a refusal of the keystore is an outcome, anything else thrown is not. */
export async function tried(attempt: Try, test: Case): Promise<Outcome> {
  try {
    return await attempt(test)
  } catch (error) {
    if (error instanceof KmsError && error.code !== 'internal') return 'refused'
    throw error
  }
}

const AEADS: Readonly<Record<string, readonly [Cipher, KeyAlgorithm]>> = {
  'AES-GCM': ['AES_GCM', 'AES'],
  'AES-CCM': ['AES_CCM', 'AES'],
  'CHACHA20-POLY1305': ['CHACHA20_POLY1305', 'ChaCha20Poly1305'],
}

function aead(bench: Bench, group: Fields, algorithm: string): Try {
  const row = AEADS[algorithm]
  if (row === undefined) return skipped(`${algorithm} is not offered`)
  const [cipher, keyAlgorithm] = row
  const tagBytes = Number(group['tagSize']) / 8
  return async (test) => {
    const { key, iv, aad, msg, ct, tag } = fieldsOf(test)
    if (iv!.length > 256) return { skipped: 'a GCM nonce of more than 128 bytes is not offered' }
    const mechanism = { cipher, iv: hex(iv!), aad: hex(aad!), tagBytes }
    const known = await bench.known(keyAlgorithm, hex(key!))
    const plain = await bench.keystore.decrypt(known, mechanism, hex(ct!), hex(tag!))
    if (same(plain, msg) !== 'accepted') return 'refused'
    const made = await bench.keystore.encrypt(known, mechanism, hex(msg!))
    return same(Buffer.concat([made.data, made.tag!]), `${ct}${tag}`)
  }
}

const BARE: Readonly<Record<string, Cipher>> = {
  'AES-CBC-PKCS5': 'AES_CBC_PAD',
  'AES-XTS': 'AES_XTS',
}

function indCpa(bench: Bench, _: Fields, algorithm: string): Try {
  const cipher = BARE[algorithm]
  if (cipher === undefined) return skipped(`${algorithm} is not offered`)
  return async (test) => {
    const { key, iv, msg, ct } = fieldsOf(test)
    if (cipher === 'AES_XTS' && key!.length === 96) {
      return { skipped: 'XTS of IEEE 1619 has no keys of 384 bits' }
    }
    // XTS: the number of the data unit is given as its low bytes.
    const whole = Buffer.concat([hex(iv!), Buffer.alloc(16)]).subarray(0, 16)
    return bothWays(bench, await bench.known('AES', hex(key!)), { cipher, iv: whole }, msg!, ct!)
  }
}

function keyWrap(bench: Bench, _: Fields, algorithm: string): Try {
  const cipher = algorithm === 'AES-WRAP' ? 'AES_KEY_WRAP' : 'AES_KEY_WRAP_KWP'
  return async (test) => {
    const { key, msg, ct } = fieldsOf(test)
    return bothWays(bench, await bench.known('AES', hex(key!)), { cipher }, msg!, ct!)
  }
}

async function bothWays(
  { keystore }: Bench,
  key: KeyInUse,
  mechanism: CipherMechanism,
  message: string,
  ciphertext: string,
): Promise<Outcome> {
  const plain = await keystore.decrypt(key, mechanism, hex(ciphertext))
  if (same(plain, message) !== 'accepted') return 'refused'
  return same((await keystore.encrypt(key, mechanism, hex(message))).data, ciphertext)
}

/** `HMACSHA3-256` and such, as the rows are named. */
function macNamed(algorithm: string): Mac | undefined {
  const name = algorithm.startsWith('HMAC')
    ? `HMAC_${algorithm.slice(4).replaceAll(/[-/]/g, '_')}`
    : algorithm.replaceAll('-', '_')
  return name in MACS ? (name as Mac) : undefined
}

function mac(bench: Bench, group: Fields, algorithm: string): Try {
  const name = macNamed(algorithm)
  if (name === undefined) return skipped(`${algorithm} is not offered`)
  const keyAlgorithm = name.startsWith('HMAC') ? 'HMAC_SHA512' : 'AES'
  return async (test) => {
    const { key, msg, tag, iv } = fieldsOf(test)
    const known = await bench.known(keyAlgorithm, hex(key!))
    const bytes = Number(group['tagSize']) / 8
    const mechanism = { mac: name, bytes, ...(iv !== undefined && { nonce: hex(iv) }) }
    return same(await bench.keystore.mac(known, mechanism, hex(msg!)), tag)
  }
}

function hashNamed(name: string | undefined): Hash | undefined {
  const row = (name ?? '').replaceAll(/[-/]/g, '_')
  return row in HASHES ? (row as Hash) : undefined
}

function rsaSpec(key: crypto.KeyObject): KeySpec {
  return { algorithm: 'RSA', bits: key.asymmetricKeyDetails?.modulusLength ?? 0 }
}

function rsaPrivate(bench: Bench, group: Fields): Promise<KeyInUse> {
  const der = hex(group['privateKeyPkcs8']!)
  const spec = rsaSpec(crypto.createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }))
  return bench.imported('private', spec, KeyFormatType.PKCS_8, der)
}

function rsaPublic(bench: Bench, group: Fields): Promise<KeyInUse> {
  const der = hex(group['publicKeyAsn']!)
  const spec = rsaSpec(crypto.createPublicKey({ key: der, format: 'der', type: 'pkcs1' }))
  return bench.imported('public', spec, KeyFormatType.PKCS_1, der)
}

async function rsaDecryption(bench: Bench, group: Fields): Promise<Try> {
  const key = await rsaPrivate(bench, group)
  if (group['type'] === 'RsaesPkcs1Decrypt') {
    return async (test) => {
      const { ct, msg } = fieldsOf(test)
      return same(await bench.keystore.decrypt(key, { cipher: 'RSA_PKCS' }, hex(ct!)), msg)
    }
  }
  const [hash, mgfHash] = [hashNamed(group['sha']), hashNamed(group['mgfSha'])]
  return async (test) => {
    const { ct, msg, label } = fieldsOf(test)
    const mechanism = { cipher: 'RSA_PKCS_OAEP', hash, mgfHash, label: hex(label!) } as const
    return same(await bench.keystore.decrypt(key, mechanism, hex(ct!)), msg)
  }
}

function verifying(bench: Bench, key: KeyInUse, mechanism: SignatureMechanism): Try {
  return async (test) => {
    const { msg, sig, ctx } = fieldsOf(test)
    const context = ctx === undefined ? undefined : hex(ctx)
    const with_ = { ...mechanism, context }
    return (await bench.keystore.verify(key, with_, hex(msg!), hex(sig!))) ? 'accepted' : 'refused'
  }
}

async function rsaVerification(bench: Bench, group: Fields): Promise<Try> {
  const hash = hashNamed(group['sha'])
  if (hash === undefined) return skipped(`the hash ${group['sha']} is not offered`)
  const key = await rsaPublic(bench, group)
  if (group['type'] === 'RsassaPkcs1Verify') {
    return verifying(bench, key, { scheme: 'RSA_PKCS', hash })
  }
  const saltBytes = Number(group['sLen'])
  const mgfHash = hashNamed(group['mgfSha'])
  return verifying(bench, key, { scheme: 'RSA_PKCS_PSS', hash, mgfHash, saltBytes })
}

/** PKCS#1 v1.5 has no randomness: the signature is the vector's. */
async function rsaSigning(bench: Bench, group: Fields): Promise<Try> {
  const key = await rsaPrivate(bench, group)
  const mechanism = { scheme: 'RSA_PKCS', hash: hashNamed(group['sha']) } as const
  return async (test) => {
    const { msg, sig } = fieldsOf(test)
    return same(await bench.keystore.sign(key, mechanism, hex(msg!)), sig)
  }
}

/** Keys on curves, as SubjectPublicKeyInfo. */
async function publicOfDer(bench: Bench, der: Buffer): Promise<KeyInUse> {
  const key = crypto.createPublicKey({ key: der, format: 'der', type: 'spki' })
  const curve = curveOfNode(key.asymmetricKeyDetails?.namedCurve ?? '')
  const spec: KeySpec =
    curve !== undefined
      ? { algorithm: 'EC', bits: curveRow(curve).bits, curve }
      : key.asymmetricKeyType === 'ed25519'
        ? { algorithm: 'Ed25519', bits: 256 }
        : { algorithm: 'Ed448', bits: 456 }
  return bench.imported('public', spec, KeyFormatType.X_509, der)
}

async function curveVerification(bench: Bench, group: Fields): Promise<Try> {
  const key = await publicOfDer(bench, hex(group['publicKeyDer']!))
  if (group['type'] === 'EddsaVerify') return verifying(bench, key, { scheme: 'EDDSA' })
  const encoding = group['type'] === 'EcdsaP1363Verify' ? 'raw' : 'der'
  return verifying(bench, key, { scheme: 'ECDSA', hash: hashNamed(group['sha']), encoding })
}

const NODE_CURVES: Readonly<Record<string, string>> = { secp256r1: 'prime256v1' }

function agreement(bench: Bench, group: Fields): Try {
  const name = group['curve']!
  const curve = curveOfNode(NODE_CURVES[name] ?? name)
  const spec: KeySpec =
    curve !== undefined
      ? { algorithm: 'EC', bits: curveRow(curve).bits, curve }
      : name === 'curve25519'
        ? { algorithm: 'X25519', bits: 256 }
        : { algorithm: 'X448', bits: 448 }
  const bytes = Math.ceil(spec.bits / 8)
  // Many cases share a private key, and taking one in is most of the work.
  const taken = new Map<string, Promise<KeyInUse>>()
  const take = (raw: Buffer): Promise<KeyInUse> => {
    const text = raw.toString('hex')
    const key = taken.get(text) ?? bench.imported('private', spec, KeyFormatType.Raw, raw)
    taken.set(text, key)
    return key
  }
  return async (test) => {
    const { private: scalar, public: peer, shared } = fieldsOf(test)
    // Scalars are written as signed numbers: of any length.
    const digits = curve === undefined ? scalar! : scalar!.replace(/^(00)+/, '')
    const raw = hex(digits.padStart(bytes * 2, '0'))
    const key = await take(raw)
    const secret = await bench.keystore.derive(key, { kdf: 'DH', peer: hex(peer!) }, bytes)
    return same(secret.expose(), shared)
  }
}

/** `ML-DSA-44` and such, as the rows are named, with Cryptographic Length. */
const LATTICES: Readonly<Record<string, KeySpec>> = {
  'ML-DSA-44': { algorithm: 'ML_DSA_44', bits: 10_496 },
  'ML-DSA-65': { algorithm: 'ML_DSA_65', bits: 15_616 },
  'ML-DSA-87': { algorithm: 'ML_DSA_87', bits: 20_736 },
  'ML-KEM-512': { algorithm: 'ML_KEM_512', bits: 6_400 },
  'ML-KEM-768': { algorithm: 'ML_KEM_768', bits: 9_472 },
  'ML-KEM-1024': { algorithm: 'ML_KEM_1024', bits: 12_544 },
}

function mlDsaVerification(bench: Bench, group: Fields, algorithm: string): Try {
  const spec = LATTICES[algorithm]!
  const raw = hex(group['publicKey']!)
  return async (test) => {
    const key = await bench.imported('public', spec, KeyFormatType.Raw, raw)
    return verifying(bench, key, { scheme: 'ML_DSA' })(test)
  }
}

/** Object identifiers below 2.16.840.1.101.3.4, by the last two numbers. */
const LATTICE_OIDS: Partial<Readonly<Record<KeyAlgorithm, string>>> = {
  ML_DSA_44: '0311',
  ML_DSA_65: '0312',
  ML_DSA_87: '0313',
  ML_KEM_512: '0401',
  ML_KEM_768: '0402',
  ML_KEM_1024: '0403',
}

/** A seed as it is, an expanded key as PKCS#8 (RFC 9881 §6 and RFC 9935 §6). */
function latticePrivate(
  bench: Bench,
  spec: KeySpec,
  seed: string | undefined,
  expanded: string | undefined,
): Promise<KeyInUse> {
  if (seed !== undefined) return bench.imported('private', spec, KeyFormatType.Raw, hex(seed))
  const algorithm = der(0x30, hex(`060960864801650304${LATTICE_OIDS[spec.algorithm]}`))
  const material = der(0x04, der(0x04, hex(expanded!)))
  const pkcs8 = der(0x30, Buffer.concat([hex('020100'), algorithm, material]))
  return bench.imported('private', spec, KeyFormatType.PKCS_8, pkcs8)
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content
  const head = length < 0x80 ? [tag, length] : [tag, 0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(head), content])
}

/**
 * Signatures differ each time: ours is verified, and the vector's with the public key beside it.
 */
function mlDsaSigning(bench: Bench, group: Fields, algorithm: string): Try {
  const spec = LATTICES[algorithm]!
  return async (test) => {
    const { msg, ctx, sig } = fieldsOf(test)
    if (msg === undefined) return { skipped: 'the contract takes messages, not the hash mu of one' }
    const key = await latticePrivate(bench, spec, group['privateSeed'], group['privateKey'])
    const mechanism = { scheme: 'ML_DSA', context: hex(ctx ?? '') } as const
    const ours = await bench.keystore.sign(key, mechanism, hex(msg))
    const verifier = hex(group['publicKey']!)
    const known = await bench.imported('public', spec, KeyFormatType.Raw, verifier)
    const check = (signature: Uint8Array) =>
      bench.keystore.verify(known, mechanism, hex(msg), signature)
    return (await check(ours)) && (await check(hex(sig!))) ? 'accepted' : 'refused'
  }
}

function mlKem(bench: Bench, group: Fields): Try {
  const spec = LATTICES[group['parameterSet']!]!
  return async (test) => {
    const { seed, dk, c, K } = fieldsOf(test)
    const key = await latticePrivate(bench, spec, seed, dk)
    return same((await bench.keystore.decapsulate(key, hex(c!))).expose(), K)
  }
}

function mlKemKeys(bench: Bench, group: Fields): Try {
  const spec = LATTICES[group['parameterSet']!]!
  return async (test) => {
    const { seed, ek } = fieldsOf(test)
    const key = await bench.imported('private', spec, KeyFormatType.Raw, hex(seed!))
    const pkcs8 = Buffer.from((await bench.keystore.export(key, KeyFormatType.PKCS_8)).expose())
    const ours = crypto.createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
    const made = crypto.createPublicKey(ours as never)
    return same(made.export({ format: 'raw-public' }), ek)
  }
}

/**
 * The randomness is not the caller's: only whether the key is taken, and the lengths, can be told.
 */
function mlKemEncapsulation(bench: Bench, group: Fields): Try {
  const spec = LATTICES[group['parameterSet']!]!
  return async (test) => {
    const { ek, c, K } = fieldsOf(test)
    const key = await bench.imported('public', spec, KeyFormatType.Raw, hex(ek!))
    const { ciphertext, sharedSecret } = await bench.keystore.encapsulate(key)
    if (test.result !== 'valid') return 'accepted'
    const fits = ciphertext.length === c!.length / 2 && sharedSecret.length === K!.length / 2
    return fits ? 'accepted' : 'refused'
  }
}

function hkdf(bench: Bench, _: Fields, algorithm: string): Try {
  const hash = hashNamed(algorithm.replace('HKDF-', ''))
  if (hash === undefined) return skipped(`${algorithm} is not offered`)
  return async (test) => {
    const { ikm, salt, info, size, okm } = fieldsOf(test)
    const key = await bench.known('HMAC_SHA512', hex(ikm!))
    const mechanism = { kdf: 'HKDF', hash, salt: hex(salt!), info: hex(info!) } as const
    return same((await bench.keystore.derive(key, mechanism, Number(size))).expose(), okm)
  }
}

/** Iterations beyond take long and tell nothing more. */
const ITERATIONS_MAX = 100_000

function pbkdf2(bench: Bench, _: Fields, algorithm: string): Try {
  const hash = hashNamed(algorithm.replace('PBKDF2-HMACSHA', 'SHA-'))
  if (hash === undefined) return skipped(`${algorithm} is not offered`)
  return async (test) => {
    const { password, salt, iterationCount, dkLen, dk } = fieldsOf(test)
    const iterations = Number(iterationCount)
    if (password === '') return { skipped: 'a key of no bytes is not taken in' }
    if (iterations > ITERATIONS_MAX) return { skipped: `more than ${ITERATIONS_MAX} iterations` }
    const key = await bench.known('HMAC_SHA512', hex(password!))
    const mechanism = { kdf: 'PBKDF2', hash, salt: hex(salt!), iterations } as const
    return same((await bench.keystore.derive(key, mechanism, Number(dkLen))).expose(), dk)
  }
}

const ROWS: Readonly<Record<string, Prepare>> = {
  AeadTest: aead,
  IndCpaTest: indCpa,
  KeywrapTest: keyWrap,
  MacTest: mac,
  MacWithIvTest: mac,
  RsaesPkcs1Decrypt: rsaDecryption,
  RsaesOaepDecrypt: rsaDecryption,
  RsassaPkcs1Verify: rsaVerification,
  RsassaPssVerify: rsaVerification,
  RsassaPssWithParametersVerify: rsaVerification,
  RsassaPkcs1Generate: rsaSigning,
  EcdsaVerify: curveVerification,
  EcdsaP1363Verify: curveVerification,
  EddsaVerify: curveVerification,
  EcdhTest: agreement,
  EcdhEcpointTest: agreement,
  XdhComp: agreement,
  MlDsaVerify: mlDsaVerification,
  MlDsaSign: mlDsaSigning,
  MLKEMTest: mlKem,
  MLKEMDecapsValidationTest: mlKem,
  MLKEMKeyGen: mlKemKeys,
  MLKEMEncapsTest: mlKemEncapsulation,
  HkdfTest: hkdf,
  PbkdfTest: pbkdf2,
}
