/**
 * Keys of a pair that can be parsed and are none: OpenSSL reads an RSA key with whatever numbers it
 * has, and an elliptic curve key whose public half is no point.
 *
 * FIPS 186-5 §5.1 (an RSA exponent is odd and more than 1), SP 800-186 appendix D.1 (a public key
 * is not the point at infinity, which a private value of zero has). What is looked for costs no
 * more than the parsing; that an RSA modulus has two large primes is not.
 *
 * @module
 */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { pairRow } from '#spec/algorithms.ts'

/** OpenSSL works with no larger modulus. */
const RSA_BITS_MAX = 16_384

/** What is wrong with a key; undefined where nothing is. */
export function unsoundness(key: KeyObject): string | undefined {
  switch (key.asymmetricKeyType) {
    case 'rsa':
    case 'rsa-pss':
      return rsaUnsoundness(key)
    case 'ec':
      return hasPoint(key) ? undefined : 'its public half is the point at infinity'
    default:
      return undefined
  }
}

function rsaUnsoundness({ asymmetricKeyDetails }: KeyObject): string | undefined {
  const { modulusLength = 0, publicExponent = 0n } = asymmetricKeyDetails ?? {}
  const least = pairRow('RSA').importBitsMin as number
  if (modulusLength < least || modulusLength > RSA_BITS_MAX) {
    return `an RSA modulus has ${least} to ${RSA_BITS_MAX} bits, this one has ${modulusLength}`
  }
  if (publicExponent > 1n && publicExponent % 2n === 1n) return undefined
  return 'an RSA public exponent is odd and more than 1'
}

/** SubjectPublicKeyInfo with the point at infinity, one byte, is shorter than any other. */
const POINTLESS_BYTES_MAX = 40

/**
 * The point at infinity is written as one byte, or not at all. Not as `raw-public`: Node leaves the
 * error of that in OpenSSL's queue, where the next key to be read finds it and fails.
 */
function hasPoint(key: KeyObject): boolean {
  try {
    const half = key.type === 'private' ? createPublicKey(key) : key
    return half.export({ format: 'der', type: 'spki' }).length > POINTLESS_BYTES_MAX
  } catch {
    return false
  }
}
