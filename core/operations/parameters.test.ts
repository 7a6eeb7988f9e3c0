/**
 * IVs that are made here: none is handed out twice.
 *
 * KMIP 1.4 §3.6 (Random IV, IV Length); NIST SP 800-38D §8 (a nonce is used once).
 *
 * @module
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BlockCipherMode, KeyFormatType } from '#spec/kmip/enumerations.ts'
import type { CryptographicParameters } from '#spec/kmip/structures.ts'
import { KmsError } from '../errors.ts'
import type { UsableKey } from '../keys.ts'
import { cipherMechanism } from './parameters.ts'

const KEY = {
  key: {
    id: 'key',
    kind: 'secret',
    spec: { algorithm: 'AES', bits: 256 },
    format: KeyFormatType.Raw,
    handle: new Uint8Array(0),
  },
} as unknown as UsableKey

function ivOf(parameters: CryptographicParameters): string {
  const given = { blockCipherMode: BlockCipherMode.GCM, randomIV: true, ...parameters }
  const { iv, ivGenerated } = cipherMechanism(KEY, given, undefined, undefined, true)
  assert.ok(iv !== undefined && ivGenerated)
  return Buffer.from(iv).toString('hex')
}

function attempt(ivLength: number): void {
  try {
    ivOf({ ivLength })
  } catch (error) {
    assert.ok(error instanceof KmsError && error.code === 'parametersUnsupported')
  }
}

describe('a random IV', () => {
  it('has the length of the cipher, or the one that is asked for', () => {
    assert.equal(ivOf({}).length, 24)
    assert.equal(ivOf({ ivLength: 0 }).length, 24)
    assert.equal(ivOf({ ivLength: 128 }).length, 32)
  })

  it('is never handed out twice, whatever lengths others ask for', () => {
    const seen = new Set<string>()
    for (const ivLength of [-96, -8, -800, 4, 12, 100, 8 * 5_000, 2 ** 31 - 8]) {
      for (let round = 0; round < 500; round++) {
        const iv = ivOf({})
        assert.ok(!seen.has(iv))
        seen.add(iv)
        attempt(ivLength)
      }
    }
  })

  it('is refused where its length is no number of bytes', () => {
    for (const ivLength of [-96, -8, 1, 97]) {
      assert.throws(() => ivOf({ ivLength }), { code: 'parametersUnsupported' })
    }
  })
})
