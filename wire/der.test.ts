/**
 * DER: what is written is read again, OpenSSL agrees, and nothing but DER is read.
 *
 * @module
 */
import { deepEqual, equal } from 'node:assert/strict'
import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  contents,
  elements,
  INTEGER,
  integer,
  OCTETS,
  rawOfSignature,
  SEQUENCE,
  signatureOfRaw,
  tagged,
  unsigned,
} from './der.ts'

const bytes = fc.uint8Array({ maxLength: 700 })

describe('DER', () => {
  it('is read as it was written, with what stands behind it', () => {
    fc.assert(
      fc.property(bytes, bytes, bytes, (one, other, rest) => {
        const list = tagged(SEQUENCE, tagged(OCTETS, one), integer(other))
        const read = contents(Buffer.concat([list, rest]), SEQUENCE)
        deepEqual(Buffer.from(read?.rest ?? []), Buffer.from(rest))
        const [first, second] = elements(read?.value ?? rest, [OCTETS, INTEGER]) ?? []
        deepEqual(Buffer.from(first ?? []), Buffer.from(one))
        deepEqual(Buffer.from(unsigned(second ?? one)), Buffer.from(unsigned(other)))
      }),
    )
  })

  it('is not read out of anything that is cut off, or has another tag', () => {
    fc.assert(
      fc.property(bytes, fc.nat(), (value, at) => {
        const whole = tagged(OCTETS, value)
        equal(contents(whole.subarray(0, at % whole.length), OCTETS), undefined)
        equal(contents(whole, SEQUENCE), undefined)
        equal(elements(whole, [OCTETS, OCTETS]), undefined)
      }),
    )
  })

  it('is read out of any bytes within them, or not at all', () => {
    fc.assert(
      fc.property(fc.constantFrom(INTEGER, OCTETS, SEQUENCE), bytes, (tag, noise) => {
        const read = contents(Uint8Array.of(tag, ...noise), tag)
        if (read !== undefined) equal(read.value.length + read.rest.length <= noise.length, true)
      }),
    )
  })

  it('turns signatures around as OpenSSL takes and gives them', () => {
    const data = Buffer.from('signed')
    for (const [namedCurve, size] of [
      ['P-256', 32],
      ['P-521', 66],
    ] as const) {
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })
      for (let count = 0; count < 40; count++) {
        const der = sign('sha256', data, privateKey)
        const raw = rawOfSignature(der, size)
        const given = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const
        equal(verify('sha256', data, given, raw), true)
        deepEqual(signatureOfRaw(raw), der)
      }
    }
  })
})
