/**
 * The layout of what encrypt writes, and names of algorithms.
 *
 * @module
 */
import { deepStrictEqual, strictEqual, throws } from 'node:assert/strict'
import { describe, it } from 'node:test'
import { keyWish } from './algorithms.ts'
import { RefusedError, UsageError } from './output.ts'
import { packSealed, unpackSealed } from './sealed.ts'

const PARTS = {
  iv: Buffer.from('0102', 'hex'),
  tag: Buffer.from('0a', 'hex'),
  data: Buffer.from('x'),
}

describe('what encrypt writes', () => {
  it('is CLV1, two lengths, IV, tag and ciphertext', () => {
    strictEqual(packSealed(PARTS).toString('hex'), '434c5631020101020a78')
  })

  it('is read back', () => {
    deepStrictEqual(unpackSealed(packSealed(PARTS)), PARTS)
  })

  it('is refused when it is cut off before the ciphertext or is something else', () => {
    const whole = packSealed(PARTS)
    for (let length = 0; length < whole.length - 1; length++) {
      throws(() => unpackSealed(whole.subarray(0, length)), RefusedError, `${length} bytes`)
    }
    throws(() => unpackSealed(Buffer.from('-----BEGIN PGP MESSAGE-----')), RefusedError)
  })
})

describe('names of algorithms', () => {
  it('do not depend on capitals, hyphens and underscores', () => {
    for (const name of ['ml-dsa-65', 'ML_DSA_65', 'MlDsa65']) {
      strictEqual(keyWish(name).algorithm, 'ML_DSA_65')
    }
  })

  it('may be followed by a length, and may be a curve', () => {
    deepStrictEqual(keyWish('AES-128'), { algorithm: 'AES', bits: 128 })
    deepStrictEqual(keyWish('RSA', 3072), { algorithm: 'RSA', bits: 3072 })
    strictEqual(keyWish('P-384').curve, 'P_384')
  })

  it('are refused with those that are allowed', () => {
    throws(
      () => keyWish('DES'),
      (error: Error) => error instanceof UsageError && /AES/.test(error.message),
    )
    throws(() => keyWish('AES', undefined, 'P-256'), UsageError)
  })
})
