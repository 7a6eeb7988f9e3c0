/**
 * RSA private keys that come with only some of their numbers.
 *
 * KMIP 1.4 §2.1.7.4: a transparent RSA private key has the private exponent, or P and Q, or the CRT
 * exponents. OpenSSL wants all. Completing them is arithmetic on the key (RFC 8017 §3.2; factoring
 * from the exponents after NIST SP 800-56B r2 appendix C), done once when a key is registered.
 *
 * @module
 */
import type { webcrypto } from 'node:crypto'
import { KmsError } from './errors.ts'

export interface RsaNumbers {
  readonly modulus: Uint8Array
  readonly privateExponent?: Uint8Array | undefined
  readonly publicExponent?: Uint8Array | undefined
  readonly p?: Uint8Array | undefined
  readonly q?: Uint8Array | undefined
  readonly primeExponentP?: Uint8Array | undefined
  readonly primeExponentQ?: Uint8Array | undefined
  readonly crtCoefficient?: Uint8Array | undefined
}

/** Tries at factoring; each succeeds with a chance of one half or more. */
const ATTEMPTS_MAX = 100

/** @throws {@link KmsError} `invalidField` when the numbers are too few or do not fit together. */
export function completeRsa(numbers: RsaNumbers): webcrypto.JsonWebKey {
  const n = toBig(numbers.modulus)
  const given = {
    d: optionalBig(numbers.privateExponent),
    e: optionalBig(numbers.publicExponent),
    p: optionalBig(numbers.p),
    q: optionalBig(numbers.q),
  }
  const [p, q] = given.p && given.q ? [given.p, given.q] : factored(n, given.d, given.e)
  if (p * q !== n) throw unfit('its primes do not make its modulus')
  const phi = (p - 1n) * (q - 1n)
  const e = given.e ?? (given.d === undefined ? undefined : inverse(given.d, phi))
  const d = given.d ?? (e === undefined ? undefined : inverse(e, phi))
  if (e === undefined || d === undefined) throw unfit('it has neither exponent')
  const text = (value: bigint): string => base64url(value)
  return {
    kty: 'RSA',
    n: text(n),
    e: text(e),
    d: text(d),
    p: text(p),
    q: text(q),
    dp: text(d % (p - 1n)),
    dq: text(d % (q - 1n)),
    qi: text(inverse(q, p)),
  }
}

function factored(n: bigint, d: bigint | undefined, e = 65537n): readonly [bigint, bigint] {
  if (d === undefined) throw unfit('it has neither its primes nor its private exponent')
  let odd = d * e - 1n
  let twos = 0
  while (odd % 2n === 0n && odd > 0n) {
    odd /= 2n
    twos++
  }
  for (let base = 2n; base < ATTEMPTS_MAX; base++) {
    const root = rootOfOne(power(base, odd, n), twos, n)
    if (root === undefined) continue
    const p = divisor(root - 1n, n)
    return [p, n / p]
  }
  throw unfit('its exponents do not fit its modulus')
}

/** A square root of 1 that is neither 1 nor -1. */
function rootOfOne(start: bigint, squarings: number, n: bigint): bigint | undefined {
  let x = start
  for (let i = 0; i < squarings; i++) {
    const square = (x * x) % n
    if (square === 1n && x !== 1n && x !== n - 1n) return x
    x = square
  }
  return undefined
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  let square = base % modulus
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = (result * square) % modulus
    square = (square * square) % modulus
  }
  return result
}

function divisor(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b]
  while (y !== 0n) [x, y] = [y, x % y]
  return x
}

function inverse(value: bigint, modulus: bigint): bigint {
  let [r0, r1, s0, s1] = [modulus, value % modulus, 0n, 1n]
  while (r1 !== 0n) {
    const quotient = r0 / r1
    ;[r0, r1] = [r1, r0 - quotient * r1]
    ;[s0, s1] = [s1, s0 - quotient * s1]
  }
  if (r0 !== 1n) throw unfit('its numbers have a common divisor')
  return ((s0 % modulus) + modulus) % modulus
}

function unfit(why: string): KmsError {
  return new KmsError('invalidField', `Cannot read RSA private key: ${why}`)
}

function toBig(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
}

function optionalBig(bytes: Uint8Array | undefined): bigint | undefined {
  return bytes === undefined ? undefined : toBig(bytes)
}

function base64url(value: bigint): string {
  const hex = value.toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').toString('base64url')
}
