/**
 * Wrapping with RSA by way of an AES key that is made for it.
 *
 * PKCS#11 3.2 §6.1, `CKM_RSA_AES_KEY_WRAP`: the AES key is encrypted with RSA (OAEP), the material
 * wrapped with the AES key (RFC 5649); both stand one behind the other.
 *
 * @module
 */
import * as crypto from 'node:crypto'
import { KmsError } from '#core/errors.ts'
import type { WrapMechanism } from '#core/keystore.ts'
import { Secret } from '#core/secret.ts'
import { decrypt, encrypt, rsaDecrypt, rsaEncrypt } from './ciphers.ts'

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

function aesBits({ ephemeralBits = 0 }: WrapMechanism): number {
  if (AES_BITS.includes(ephemeralBits)) return ephemeralBits
  const what = `Cannot wrap with an AES key of ${ephemeralBits} bits`
  throw new KmsError('parametersUnsupported', `${what}, allowed are ${AES_BITS.join(', ')}`)
}
