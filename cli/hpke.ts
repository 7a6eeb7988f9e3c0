/**
 * Hybrid Public Key Encryption of one message, in Base mode, to a key of an elliptic curve.
 *
 * RFC 9180 §4 (primitives), §4.1 (DHKEM), §5.1 (key schedule), §6.1 (one message), §7 (numbers).
 * The key derivation is HKDF-SHA256 and nothing is exported. The Diffie-Hellman of the recipient is
 * the caller's: the private key stays where it is.
 *
 * @module
 */
import {
  type CipherGCM,
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPublicKey,
  type DecipherGCM,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'

interface Kem {
  readonly id: number
  readonly hash: string
  /** Bytes of the shared secret, and of a public key as it travels. */
  readonly secretBytes: number
  readonly publicBytes: number
}

/** RFC 9180 §7.1, by the name that JSON Web Keys have for the curve. */
// biome-ignore format: a table
const KEMS: Readonly<Record<string, Kem>> = {
  'P-256': { id: 0x10, hash: 'sha256', secretBytes: 32, publicBytes: 65 },
  'P-384': { id: 0x11, hash: 'sha384', secretBytes: 48, publicBytes: 97 },
  'P-521': { id: 0x12, hash: 'sha512', secretBytes: 64, publicBytes: 133 },
  X25519:  { id: 0x20, hash: 'sha256', secretBytes: 32, publicBytes: 32 },
  X448:    { id: 0x21, hash: 'sha512', secretBytes: 64, publicBytes: 56 },
}
/** Curves that there are numbers for. */
export const HPKE_CURVES = Object.keys(KEMS)

/** RFC 9180 §7.3. */
const AEADS = {
  'aes-128-gcm': { id: 1, keyBytes: 16 },
  'aes-256-gcm': { id: 2, keyBytes: 32 },
} as const
export type HpkeAead = keyof typeof AEADS

const HKDF_SHA256 = { id: 1, hash: 'sha256' } as const
const NONCE_BYTES = 12
const TAG_BYTES = 16
const NOTHING = new Uint8Array(0)
const MODE_BASE = Uint8Array.of(0)

export interface HpkeOptions {
  readonly aead?: HpkeAead
  readonly info?: Uint8Array
  readonly aad?: Uint8Array
}

/** The curve of a public key, by its name in a JSON Web Key; undefined where it has none. */
export function curveOf(publicKey: KeyObject): string | undefined {
  return jwkOf(publicKey)?.crv
}

/**
 * Encrypts one message: the encapsulated key, the ciphertext and the tag, one behind the other.
 *
 * @param ephemeral For tests alone: the key that else is made for this message.
 * @throws RangeError for a curve that HPKE has not.
 */
export function hpkeSeal(
  recipient: KeyObject,
  data: Uint8Array,
  options: HpkeOptions = {},
  ephemeral?: { readonly privateKey: KeyObject; readonly publicKey: KeyObject },
): Uint8Array {
  const kem = kemOf(recipient)
  const { privateKey, publicKey } = ephemeral ?? newPair(curveOf(recipient) as string)
  const enc = serialized(publicKey)
  const dh = diffieHellman({ privateKey, publicKey: recipient })
  const { key, nonce, aead } = schedule(kem, dh, enc, serialized(recipient), options)
  const cipher = createCipheriv(aead, key, nonce) as CipherGCM
  cipher.setAAD(options.aad ?? NOTHING)
  const sealed = Buffer.concat([enc, cipher.update(data), cipher.final(), cipher.getAuthTag()])
  key.fill(0)
  return sealed
}

/**
 * Opens what {@link hpkeSeal} has made.
 *
 * @param agree The shared secret of the recipient's private key and a public one.
 * @throws Error when the message, the key or the options are others than it was made with.
 */
export async function hpkeOpen(
  recipient: KeyObject,
  message: Uint8Array,
  agree: (enc: Uint8Array) => Promise<Uint8Array>,
  options: HpkeOptions = {},
): Promise<Uint8Array> {
  const kem = kemOf(recipient)
  const end = message.length - TAG_BYTES
  if (end < kem.publicBytes) throw new RangeError('it is too short')
  const enc = message.subarray(0, kem.publicBytes)
  const dh = await agree(enc)
  const { key, nonce, aead } = schedule(kem, dh, enc, serialized(recipient), options)
  const decipher = createDecipheriv(aead, key, nonce) as DecipherGCM
  decipher.setAAD(options.aad ?? NOTHING)
  decipher.setAuthTag(message.subarray(end))
  try {
    return Buffer.concat([
      decipher.update(message.subarray(kem.publicBytes, end)),
      decipher.final(),
    ])
  } finally {
    key.fill(0)
  }
}

function kemOf(publicKey: KeyObject): Kem {
  const kem = KEMS[curveOf(publicKey) ?? '']
  if (kem !== undefined) return kem
  throw new RangeError(`HPKE is for ${HPKE_CURVES.join(', ')}`)
}

function exported(publicKey: KeyObject) {
  return publicKey.export({ format: 'jwk' })
}

/** Node has no names for the curves that JSON Web Keys do not know. */
function jwkOf(publicKey: KeyObject): ReturnType<typeof exported> | undefined {
  try {
    return exported(publicKey)
  } catch {
    return undefined
  }
}

/** RFC 9180 §7.1.1: the uncompressed point (SEC 1 §2.3.3), or the bytes of the key. */
function serialized(publicKey: KeyObject): Uint8Array {
  const { x = '', y } = jwkOf(publicKey) ?? {}
  const [first, second] = [Buffer.from(x, 'base64url'), y && Buffer.from(y, 'base64url')]
  return second ? Buffer.concat([Uint8Array.of(4), first, second]) : first
}

function newPair(curve: string) {
  if (curve === 'X25519') return generateKeyPairSync('x25519')
  if (curve === 'X448') return generateKeyPairSync('x448')
  return generateKeyPairSync('ec', { namedCurve: curve })
}

/** What is worked out under a name and a number of the suite. RFC 9180 §4. */
class Labeled {
  readonly #hash: string
  readonly #suite: Uint8Array

  constructor(hash: string, suite: Uint8Array) {
    this.#hash = hash
    this.#suite = suite
  }

  extract(salt: Uint8Array, label: string, material: Uint8Array): Buffer {
    const hmac = createHmac(this.#hash, salt)
    return hmac.update('HPKE-v1').update(this.#suite).update(label).update(material).digest()
  }

  /** RFC 5869 §2.3. */
  expand(secret: Uint8Array, label: string, info: Uint8Array, length: number): Buffer {
    const labeled = [uint16(length), Buffer.from('HPKE-v1'), this.#suite, Buffer.from(label), info]
    const blocks: Buffer[] = []
    for (let bytes = 0, block: Uint8Array = NOTHING; bytes < length; bytes += block.length) {
      const hmac = createHmac(this.#hash, secret).update(block)
      block = hmac.update(Buffer.concat([...labeled, Uint8Array.of(blocks.length + 1)])).digest()
      blocks.push(block as Buffer)
    }
    return Buffer.concat(blocks).subarray(0, length)
  }
}

/** RFC 9180 §4.1 (ExtractAndExpand) and §5.1 (KeySchedule). */
function schedule(
  kem: Kem,
  dh: Uint8Array,
  enc: Uint8Array,
  recipient: Uint8Array,
  { aead = 'aes-256-gcm', info = NOTHING }: HpkeOptions,
) {
  const { id, keyBytes } = AEADS[aead]
  const ofKem = new Labeled(kem.hash, Buffer.concat([Buffer.from('KEM'), uint16(kem.id)]))
  const agreed = ofKem.extract(NOTHING, 'eae_prk', dh)
  const context = Buffer.concat([enc, recipient])
  const shared = ofKem.expand(agreed, 'shared_secret', context, kem.secretBytes)
  const numbers = [kem.id, HKDF_SHA256.id, id].map(uint16)
  const suite = new Labeled(HKDF_SHA256.hash, Buffer.concat([Buffer.from('HPKE'), ...numbers]))
  const names = [
    suite.extract(NOTHING, 'psk_id_hash', NOTHING),
    suite.extract(NOTHING, 'info_hash', info),
  ]
  const scheduled = Buffer.concat([MODE_BASE, ...names])
  const secret = suite.extract(shared, 'secret', NOTHING)
  return {
    aead,
    key: suite.expand(secret, 'key', scheduled, keyBytes),
    nonce: suite.expand(secret, 'base_nonce', scheduled, NONCE_BYTES),
  }
}

function uint16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 0xff)
}

/** A public key in SubjectPublicKeyInfo. */
export function publicKeyOf(der: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' })
}
