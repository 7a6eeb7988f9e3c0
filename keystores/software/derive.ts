/**
 * Deriving bytes from a key.
 *
 * KMIP 2.1 §6.1.16 and §11.15; RFC 8018 §5.2 (PBKDF2), RFC 5869 (HKDF), NIST SP 800-108r1 §4
 * (counter, feedback and double-pipeline mode with HMAC), NIST SP 800-56A r3 §5.7 (Diffie-Hellman).
 * The modes of SP 800-108 use a 32-bit counter before the fixed input, as its §5 describes, and
 * take that input as it is given.
 *
 * @module
 */
import * as crypto from 'node:crypto'
import { promisify } from 'node:util'
import { KmsError } from '#core/errors.ts'
import type { DerivationMechanism } from '#core/keystore.ts'
import { type Hash, hashRow } from '#spec/algorithms.ts'
import { encrypt } from './ciphers.ts'

const pbkdf2 = promisify(crypto.pbkdf2)
const hkdf = promisify(crypto.hkdf)

/** RFC 8018 asks for 1,000 at least; the bound keeps one request from taking a core for ever. */
const ITERATIONS_MAX = 10_000_000

/** @param length Bytes to derive. */
export async function derive(
  key: crypto.KeyObject,
  mechanism: DerivationMechanism,
  length: number,
): Promise<Uint8Array> {
  switch (mechanism.kdf) {
    case 'PBKDF2':
      return pbkdf2Bytes(key, mechanism, length)
    case 'HKDF': {
      const { hash, salt, info } = mechanism
      assertHkdf(hash, info, length)
      return new Uint8Array(await hkdf(hashRow(hash).node, key, salt, info, length))
    }
    case 'HASH':
      return enough(hashBytes(key, mechanism.hash, mechanism.data), length, 'HASH')
    case 'HMAC':
      return enough(hmac(key, mechanism.hash, mechanism.data), length, 'HMAC')
    case 'ENCRYPT': {
      const bits = (key.symmetricKeySize ?? 0) * 8
      return enough(encrypt(key, bits, mechanism.mechanism, mechanism.data).data, length, 'ENCRYPT')
    }
    case 'SP800_108_COUNTER':
      return counterMode(key, mechanism.hash, mechanism.data, length)
    case 'SP800_108_FEEDBACK':
      return feedbackMode(key, mechanism.hash, mechanism.data, mechanism.iv, length)
    case 'SP800_108_DOUBLE_PIPELINE':
      return doublePipelineMode(key, mechanism.hash, mechanism.data, length)
    case 'DH':
      return enough(agree(key, mechanism.peer), length, 'DH')
  }
}

async function pbkdf2Bytes(
  key: crypto.KeyObject,
  { hash, salt, iterations }: Extract<DerivationMechanism, { kdf: 'PBKDF2' }>,
  length: number,
): Promise<Uint8Array> {
  if (iterations < 1 || iterations > ITERATIONS_MAX) {
    const what = `Cannot derive with PBKDF2: ${iterations} iterations, allowed are 1 to ${ITERATIONS_MAX}`
    throw new KmsError('invalidField', what)
  }
  return pbkdf2(key.export(), salt, iterations, length, hashRow(hash).node)
}

/** What node:crypto takes. */
const HKDF_INFO_BYTES_MAX = 1_024

/** RFC 5869 §2.3. */
function assertHkdf(hash: Hash, info: Uint8Array, length: number): void {
  const most = 255 * hashRow(hash).bytes
  if (length < 1 || length > most) {
    const what = `Cannot derive with HKDF: ${hash} gives 1 to ${most} bytes, ${length} are asked for`
    throw new KmsError('cryptographicFailure', what)
  }
  if (info.length > HKDF_INFO_BYTES_MAX) {
    const what = `Cannot derive with HKDF: ${info.length} bytes of info, ${HKDF_INFO_BYTES_MAX} at most`
    throw new KmsError('invalidField', what)
  }
}

function hashBytes(key: crypto.KeyObject, hash: Hash, data: Uint8Array): Buffer {
  const digest = crypto.createHash(hashRow(hash).node)
  // KMIP 1.4 §4.6: the hash of the key, or of the derivation data where that is given.
  return digest.update(data.length > 0 ? data : key.export()).digest()
}

function hmac(key: crypto.KeyObject, hash: Hash, ...parts: readonly Uint8Array[]): Buffer {
  const code = crypto.createHmac(hashRow(hash).node, key)
  for (const part of parts) code.update(part)
  return code.digest()
}

function enough(bytes: Uint8Array, length: number, kdf: string): Uint8Array {
  if (bytes.length >= length) return bytes.subarray(0, length)
  const what = `Cannot derive with ${kdf}: it gives ${bytes.length} bytes, ${length} are asked for`
  throw new KmsError('cryptographicFailure', what)
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** SP 800-108r1 §4.1. */
function counterMode(
  key: crypto.KeyObject,
  hash: Hash,
  data: Uint8Array,
  length: number,
): Uint8Array {
  return blocks(hash, length, (counter) => hmac(key, hash, uint32(counter), data))
}

/** SP 800-108r1 §4.2. */
function feedbackMode(
  key: crypto.KeyObject,
  hash: Hash,
  data: Uint8Array,
  iv: Uint8Array,
  length: number,
): Uint8Array {
  let previous: Uint8Array = iv
  return blocks(hash, length, (counter) => {
    previous = hmac(key, hash, previous, uint32(counter), data)
    return previous
  })
}

/** SP 800-108r1 §4.3. */
function doublePipelineMode(
  key: crypto.KeyObject,
  hash: Hash,
  data: Uint8Array,
  length: number,
): Uint8Array {
  let pipeline: Uint8Array = data
  return blocks(hash, length, (counter) => {
    pipeline = hmac(key, hash, pipeline)
    return hmac(key, hash, pipeline, uint32(counter), data)
  })
}

function blocks(hash: Hash, length: number, block: (counter: number) => Uint8Array): Uint8Array {
  const count = Math.ceil(length / hashRow(hash).bytes)
  const out = Array.from({ length: count }, (_, index) => block(index + 1))
  return Buffer.concat(out).subarray(0, length)
}

/** Shared secret of ECDH, X25519 or X448. @param peer SubjectPublicKeyInfo, or the point alone. */
function agree(privateKey: crypto.KeyObject, peer: Uint8Array): Uint8Array {
  try {
    return crypto.diffieHellman({ privateKey, publicKey: peerKey(privateKey, peer) })
  } catch (cause) {
    if (cause instanceof KmsError) throw cause
    const what = 'Cannot agree on a secret: the other public key does not fit this private key'
    throw new KmsError('cryptographicFailure', what, { cause })
  }
}

function peerKey(privateKey: crypto.KeyObject, peer: Uint8Array): crypto.KeyObject {
  if (peer[0] === 0x30 && peer.length > 40) {
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
