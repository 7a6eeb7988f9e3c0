/**
 * Why a key cannot be made in any HSM: the refusal says what could be.
 *
 * @module
 */
import { equal, match } from 'node:assert/strict'
import { describe, it } from 'node:test'
import { cannotMake } from './abilities.ts'

describe('a key that no HSM makes here', () => {
  it('is refused with the lengths that are allowed', () => {
    match(cannotMake({ algorithm: 'RSA', bits: 512 }) ?? '', /^RSA has .*2048.* bits, not 512$/)
    match(cannotMake({ algorithm: 'Ed25519', bits: 255 }) ?? '', /^Ed25519 has 256 bits, not 255$/)
    match(cannotMake({ algorithm: 'AES', bits: 100 }) ?? '', /^AES has 128, .* bits, not 100$/)
    equal(cannotMake({ algorithm: 'RSA', bits: 2048 }), undefined)
  })
})
