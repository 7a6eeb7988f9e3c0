/**
 * Deriving bytes from a key.
 *
 * KMIP 2.1 §6.1.16 and §11.15; PKCS#11 3.2 §6 (mechanisms of `C_DeriveKey`); RFC 8018 §5.2
 * (PBKDF2), RFC 5869 (HKDF), NIST SP 800-108r1 §4 (counter, feedback and double-pipeline mode),
 * RFC 5246 §5 (the function of TLS 1.2), NIST SP 800-56A r3 §5.7 (Diffie-Hellman) with ANSI X9.63
 * §5.6.3 or SP 800-56C r2 §4 behind it.
 *
 * @module
 */
import * as crypto from 'node:crypto'
import { promisify } from 'node:util'
import { KmsError } from '#core/errors.ts'
import type {
  Awaitable,
  DerivationMechanism,
  Expansion,
  Ingredient,
  RoundInput,
} from '#core/keystore.ts'
import { type Hash, hashRow, macRow } from '#spec/algorithms.ts'
import { encrypt } from './ciphers.ts'
import { mac } from './macs.ts'

const pbkdf2 = promisify(crypto.pbkdf2)

/** RFC 8018 asks for 1,000 at least; the bound keeps one request from taking a core for ever. */
const ITERATIONS_MAX = 10_000_000

/** What a derivation works on. */
export interface Base {
  readonly key: crypto.KeyObject
  /** Length of the material in bits; of secret keys only. */
  readonly bits: number
  /** The bytes of an ingredient. */
  bytesOf(ingredient: Ingredient): Uint8Array
}

type Of<K extends DerivationMechanism['kdf']> = Extract<DerivationMechanism, { kdf: K }>

/** One entry for each function; each gives as many bytes as are asked for, or refuses. */
const FUNCTIONS: {
  readonly [K in DerivationMechanism['kdf']]: (
    base: Base,
    mechanism: Of<K>,
    length: number,
  ) => Awaitable<Uint8Array>
} = {
  PBKDF2: pbkdf2Bytes,
  HKDF: (base, { hash, salt, info }, length) => {
    const extracted = extract(base, hash, salt)
    const bytes = expand(extracted, hash, info, length)
    extracted.fill(0)
    return bytes
  },
  HKDF_EXTRACT: (base, { hash, salt }, length) => {
    return enough(extract(base, hash, salt), length, 'HKDF_EXTRACT')
  },
  HKDF_EXPAND: ({ key }, { hash, info }, length) => expand(key, hash, info, length),
  HASH: ({ key }, { hash, data }, length) => enough(hashBytes(key, hash, data), length, 'HASH'),
  HMAC: ({ key }, { hash, data }, length) => enough(hmac(key, hash, data), length, 'HMAC'),
  ENCRYPT: ({ key, bits }, { mechanism, data }, length) => {
    return enough(encrypt(key, bits, mechanism, data).data, length, 'ENCRYPT')
  },
  SP800_108: keyBased,
  TLS12_PRF: ({ key }, { hash, seed }, length) => tlsBytes(key, hash, seed, length),
  CONCATENATE: (base, { parts }, length) => {
    const bytes = parts.map((part) => (part === 'base' ? base.key.export() : base.bytesOf(part)))
    return enough(Buffer.concat(bytes), length, 'CONCATENATE')
  },
  XOR: ({ key }, { data }, length) => enough(xor(key.export(), data), length, 'XOR'),
  EXTRACT: ({ key }, { bit }, length) => extractBits(key.export(), bit, length),
  DH: ({ key }, { peer, expand: expansion }, length) => {
    const shared = agree(key, peer)
    if (expansion === undefined) return enough(shared, length, 'DH')
    return expanded(shared, expansion, length)
  },
}

/** @param length Bytes to derive. */
export function derive(
  base: Base,
  mechanism: DerivationMechanism,
  length: number,
): Awaitable<Uint8Array> {
  const work = FUNCTIONS[mechanism.kdf] as (
    base: Base,
    mechanism: DerivationMechanism,
    length: number,
  ) => Awaitable<Uint8Array>
  return work(base, mechanism, length)
}

function pbkdf2Bytes(
  { key }: Base,
  { hash, salt, iterations }: Of<'PBKDF2'>,
  length: number,
): Promise<Uint8Array> {
  // Each block of the output takes all of them.
  const most = Math.floor(ITERATIONS_MAX / Math.max(1, Math.ceil(length / hashRow(hash).bytes)))
  if (iterations < 1 || iterations > most) {
    const what = `Cannot derive with PBKDF2: ${iterations} iterations for ${length} bytes`
    throw new KmsError('invalidField', `${what}, allowed are 1 to ${most}`)
  }
  return pbkdf2(key.export(), salt, iterations, length, hashRow(hash).node)
}

/** RFC 5869 §2.2. */
function extract({ key, bytesOf }: Base, hash: Hash, salt: Ingredient): Buffer {
  const code = crypto.createHmac(hashRow(hash).node, bytesOf(salt))
  return code.update(key.export()).digest()
}

/** RFC 5869 §2.3. */
function expand(
  extracted: crypto.KeyObject | Buffer,
  hash: Hash,
  info: Uint8Array,
  length: number,
): Uint8Array {
  const most = 255 * hashRow(hash).bytes
  if (length < 1 || length > most) {
    const what = `Cannot derive with HKDF: ${hash} gives 1 to ${most} bytes, ${length} are asked for`
    throw new KmsError('cryptographicFailure', what)
  }
  let previous: Uint8Array = new Uint8Array(0)
  return blocks(hashRow(hash).bytes, length, (round) => {
    previous = hmac(extracted, hash, previous, info, Buffer.of(round))
    return previous
  })
}

function hashBytes(key: crypto.KeyObject, hash: Hash, data: Uint8Array): Buffer {
  const digest = crypto.createHash(hashRow(hash).node)
  // KMIP 1.4 §4.6: the hash of the key, or of the derivation data where that is given.
  return digest.update(data.length > 0 ? data : key.export()).digest()
}

function hmac(key: crypto.KeyObject | Buffer, hash: Hash, ...parts: readonly Uint8Array[]): Buffer {
  const code = crypto.createHmac(hashRow(hash).node, key)
  for (const part of parts) code.update(part)
  return code.digest()
}

function enough(bytes: Uint8Array, length: number, kdf: string): Uint8Array {
  if (length >= 1 && bytes.length >= length) return bytes.subarray(0, length)
  const what = `Cannot derive with ${kdf}: it gives 1 to ${bytes.length} bytes, ${length} are asked for`
  throw new KmsError('cryptographicFailure', what)
}

/** As many blocks as it takes, numbered from 1. */
function blocks(
  blockBytes: number,
  length: number,
  block: (round: number) => Uint8Array,
): Uint8Array {
  const count = Math.ceil(length / blockBytes)
  const out = Array.from({ length: count }, (_, index) => block(index + 1))
  return Buffer.concat(out).subarray(0, length)
}

/** SP 800-108r1 §4.1 to §4.3. */
function keyBased(
  { key, bits, bytesOf }: Base,
  { mode, prf, input, iv }: Of<'SP800_108'>,
  length: number,
): Uint8Array {
  const { bytes } = macRow(prf)
  assertRounds(input, Math.ceil(length / bytes))
  const run = (data: Uint8Array): Uint8Array => mac(key, bits, { mac: prf }, data)
  const round = (number: number, chain: Uint8Array): Uint8Array => {
    return run(Buffer.concat(input.map((part) => partBytes(part, number, chain, bytesOf))))
  }
  if (mode === 'COUNTER') return blocks(bytes, length, (number) => round(number, NOTHING))
  const fixed = input.filter((part): part is Ingredient => !isVariable(part)).map(bytesOf)
  let chain: Uint8Array = mode === 'FEEDBACK' ? (iv ?? NOTHING) : Buffer.concat(fixed)
  return blocks(bytes, length, (number) => {
    if (mode === 'FEEDBACK') {
      chain = round(number, chain)
      return chain
    }
    chain = run(chain)
    return round(number, chain)
  })
}

const NOTHING = new Uint8Array(0)

function isVariable(part: RoundInput): part is Exclude<RoundInput, Ingredient> {
  return part === 'chain' || 'counterBits' in part
}

function partBytes(
  part: RoundInput,
  round: number,
  chain: Uint8Array,
  bytesOf: Base['bytesOf'],
): Uint8Array {
  if (!isVariable(part)) return bytesOf(part)
  if (part === 'chain') return chain
  const bytes = Buffer.alloc(part.counterBits / 8)
  if (part.littleEndian) bytes.writeUIntLE(round, 0, bytes.length)
  else bytes.writeUIntBE(round, 0, bytes.length)
  return bytes
}

/** SP 800-108r1 §4: the number of rounds fits the counter. */
function assertRounds(input: readonly RoundInput[], rounds: number): void {
  for (const part of input) {
    if (!isVariable(part) || part === 'chain') continue
    const { counterBits } = part
    if (![8, 16, 24, 32].includes(counterBits)) {
      const what = `Cannot derive with SP800_108: a counter of ${counterBits} bits`
      throw new KmsError('invalidField', `${what}, allowed are 8, 16, 24, 32`)
    }
    if (rounds < 2 ** counterBits) continue
    const what = `Cannot derive with SP800_108: ${rounds} rounds do not fit ${counterBits} bits`
    throw new KmsError('invalidField', what)
  }
}

/** RFC 5246 §5: P_hash. */
function tlsBytes(key: crypto.KeyObject, hash: Hash, seed: Uint8Array, length: number): Uint8Array {
  let chain: Uint8Array = seed
  return blocks(hashRow(hash).bytes, length, () => {
    chain = hmac(key, hash, chain)
    return hmac(key, hash, chain, seed)
  })
}

/** As long as the shorter of the two. */
function xor(one: Uint8Array, two: Uint8Array): Uint8Array {
  const length = Math.min(one.length, two.length)
  return one.subarray(0, length).map((byte, at) => byte ^ (two[at] as number))
}

function extractBits(bytes: Uint8Array, bit: number, length: number): Uint8Array {
  if (bit < 0 || bit >= bytes.length * 8) {
    const what = `Cannot derive with EXTRACT: bit ${bit} of a key of ${bytes.length * 8} bits`
    throw new KmsError('invalidField', what)
  }
  enough(bytes, length, 'EXTRACT')
  const [first, shift] = [bit >> 3, bit & 7]
  return Uint8Array.from({ length }, (_, index) => {
    const high = bytes[(first + index) % bytes.length] as number
    const low = bytes[(first + index + 1) % bytes.length] as number
    return (((high << 8) | low) >> (8 - shift)) & 0xff
  })
}

/** @param length Bytes to make of the shared secret. */
export function expandShared(shared: Uint8Array, { form, hash, info }: Expansion, length: number) {
  const { node, bytes } = hashRow(hash)
  return blocks(bytes, length, (round) => {
    const counter = Buffer.alloc(4)
    counter.writeUInt32BE(round)
    const digest = crypto.createHash(node)
    const order = form === 'X9_63' ? [shared, counter, info] : [counter, shared, info]
    for (const part of order) digest.update(part)
    return digest.digest()
  })
}

function expanded(shared: Uint8Array, expansion: Expansion, length: number): Uint8Array {
  const bytes = expandShared(shared, expansion, length)
  shared.fill(0)
  return bytes
}

/** A key agreed upon; without a function it is the end of the shared secret. */
export function agreedKey(
  privateKey: crypto.KeyObject,
  peer: Uint8Array,
  expansion: Expansion | undefined,
  length: number,
): Uint8Array {
  const shared = agree(privateKey, peer)
  if (expansion !== undefined) return expanded(shared, expansion, length)
  if (shared.length >= length) return shared.subarray(-length)
  const what = `Cannot wrap: a shared secret of ${shared.length} bytes has no AES key of ${length}`
  throw new KmsError('parametersUnsupported', what)
}

/** Shared secret of ECDH, X25519 or X448. */
function agree(privateKey: crypto.KeyObject, peer: Uint8Array): Uint8Array {
  try {
    return crypto.diffieHellman({ privateKey, publicKey: peerKey(privateKey, peer) })
  } catch (cause) {
    if (cause instanceof KmsError) throw cause
    const what = 'Cannot agree on a secret: the other public key does not fit this private key'
    throw new KmsError('cryptographicFailure', what, { cause })
  }
}

const X448_BYTES = 56

/** The other public key: SubjectPublicKeyInfo, or as its curve has it raw. */
export function peerKey(privateKey: crypto.KeyObject, peer: Uint8Array): crypto.KeyObject {
  // A raw key of X448 may begin with any byte.
  const isRaw = privateKey.asymmetricKeyType === 'x448' && peer.length === X448_BYTES
  if (peer[0] === 0x30 && peer.length > 40 && !isRaw) {
    assertCurveNamed(privateKey, peer)
    return crypto.createPublicKey({ key: Buffer.from(peer), format: 'der', type: 'spki' })
  }
  const asymmetricKeyType = privateKey.asymmetricKeyType as crypto.AsymmetricKeyType
  const namedCurve = privateKey.asymmetricKeyDetails?.namedCurve
  return crypto.createPublicKey({ key: peer, format: 'raw-public', asymmetricKeyType, namedCurve })
}

/**
 * RFC 5480 §2.1.1: a curve is named, never described. OpenSSL takes a description with a cofactor
 * that is absent or wrong for the curve itself.
 */
function assertCurveNamed(privateKey: crypto.KeyObject, spki: Uint8Array): void {
  if (privateKey.asymmetricKeyType !== 'ec') return
  const first = spki[1] as number
  const at = first < 0x80 ? 2 : 2 + (first & 0x7f)
  // SEQUENCE with a short length, the 9 bytes of id-ecPublicKey, OBJECT IDENTIFIER of the curve.
  const named = spki[at] === 0x30 && (spki[at + 1] as number) < 0x80 && spki[at + 11] === 0x06
  if (!named) {
    throw new KmsError('cryptographicFailure', 'Cannot agree on a secret: the curve is not named')
  }
}
