/**
 * Wrapping with RSA and elliptic curves by way of an AES key that is made for it.
 *
 * PKCS#11 3.2 §6.1, `CKM_RSA_AES_KEY_WRAP`: the AES key is encrypted with RSA (OAEP), the material
 * wrapped with the AES key (RFC 5649); both stand one behind the other. §6.3,
 * `CKM_ECDH_AES_KEY_WRAP`: the AES key is agreed upon with a pair that is made for it, whose public
 * key stands first, a point that is not compressed.
 *
 * @module
 */
import * as crypto from 'node:crypto'
import { KmsError } from '#core/errors.ts'
import type { WrapMechanism } from '#core/keystore.ts'
import { Secret } from '#core/secret.ts'
import { decrypt, encrypt, rsaDecrypt, rsaEncrypt } from './ciphers.ts'
import { agreedKey } from './derive.ts'

const KEY_WRAP = { cipher: 'AES_KEY_WRAP_KWP' } as const
const AES_BITS: readonly number[] = [128, 192, 256]

export function wrapHybrid(
  key: crypto.KeyObject,
  mechanism: WrapMechanism,
  material: Secret,
): Uint8Array {
  const bits = aesBits(mechanism)
  using fresh = new Secret(crypto.randomBytes(bits / 8))
  const head = rsaEncrypt(key, mechanism, fresh.expose())
  const aes = crypto.createSecretKey(fresh.expose())
  return Buffer.concat([head, encrypt(aes, bits, KEY_WRAP, material.expose()).data])
}

/** @throws {@link KmsError} `cryptographicFailure` whatever is wrong with what was wrapped. */
export function unwrapHybrid(
  key: crypto.KeyObject,
  mechanism: WrapMechanism,
  wrapped: Uint8Array,
): Secret {
  const at = Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8)
  using fresh = new Secret(rsaDecrypt(key, mechanism, wrapped.subarray(0, at)))
  return unwrapRest(fresh, mechanism, wrapped.subarray(at))
}

/** With a private key that is elsewhere. @param open Opens what was wrapped with it. */
export async function unwrapHybridWith(
  open: (head: Uint8Array) => Promise<Secret>,
  modulusBytes: number,
  mechanism: WrapMechanism,
  wrapped: Uint8Array,
): Promise<Secret> {
  using fresh = await open(wrapped.subarray(0, modulusBytes))
  return unwrapRest(fresh, mechanism, wrapped.subarray(modulusBytes))
}

function unwrapRest(fresh: Secret, mechanism: WrapMechanism, rest: Uint8Array): Secret {
  const bits = aesBits(mechanism)
  if (fresh.length * 8 !== bits) {
    const what = `Cannot unwrap: the AES key has ${fresh.length * 8} bits, not ${bits}`
    throw new KmsError('cryptographicFailure', what)
  }
  const aes = crypto.createSecretKey(fresh.expose())
  return new Secret(decrypt(aes, bits, KEY_WRAP, rest))
}

/** @param key Public key of who unwraps. */
export function wrapAgreed(
  key: crypto.KeyObject,
  mechanism: WrapMechanism,
  material: Secret,
): Uint8Array {
  const bits = aesBits(mechanism)
  const fresh = freshPair(key)
  const peer = key.export({ format: 'raw-public' })
  using agreed = new Secret(
    agreedKey(fresh.privateKey, peer, mechanism.agreement?.expand, bits / 8),
  )
  const aes = crypto.createSecretKey(agreed.expose())
  const { data } = encrypt(aes, bits, KEY_WRAP, material.expose())
  return Buffer.concat([fresh.publicKey.export({ format: 'raw-public' }), data])
}

/** @throws {@link KmsError} `cryptographicFailure` whatever is wrong with what was wrapped. */
export function unwrapAgreed(
  key: crypto.KeyObject,
  mechanism: WrapMechanism,
  wrapped: Uint8Array,
): Secret {
  const bits = aesBits(mechanism)
  assertAgrees(key)
  const at = crypto.createPublicKey(key).export({ format: 'raw-public' }).length
  const [peer, rest] = [wrapped.subarray(0, at), wrapped.subarray(at)]
  using agreed = new Secret(agreedKey(key, peer, mechanism.agreement?.expand, bits / 8))
  return new Secret(decrypt(crypto.createSecretKey(agreed.expose()), bits, KEY_WRAP, rest))
}

const AGREEING: readonly string[] = ['ec', 'x25519', 'x448']

/** @throws {@link KmsError} `parametersUnsupported` */
function assertAgrees({ asymmetricKeyType }: crypto.KeyObject): void {
  const type = asymmetricKeyType ?? 'secret'
  if (AGREEING.includes(type)) return
  const what = `Cannot wrap: nothing is agreed upon with a key of type ${type}`
  throw new KmsError('parametersUnsupported', what)
}

/** A pair on the same curve. */
function freshPair(
  key: crypto.KeyObject,
): Readonly<Record<'privateKey' | 'publicKey', crypto.KeyObject>> {
  assertAgrees(key)
  const { asymmetricKeyType, asymmetricKeyDetails } = key
  if (asymmetricKeyType === 'ec') {
    const namedCurve = asymmetricKeyDetails?.namedCurve as string
    return crypto.generateKeyPairSync('ec', { namedCurve })
  }
  return asymmetricKeyType === 'x448'
    ? crypto.generateKeyPairSync('x448')
    : crypto.generateKeyPairSync('x25519')
}

function aesBits({ ephemeralBits = 0 }: WrapMechanism): number {
  if (AES_BITS.includes(ephemeralBits)) return ephemeralBits
  const what = `Cannot wrap with an AES key of ${ephemeralBits} bits`
  throw new KmsError('parametersUnsupported', `${what}, allowed are ${AES_BITS.join(', ')}`)
}
