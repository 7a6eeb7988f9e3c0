/**
 * OAEP over bare RSA: against what node:crypto has encrypted, and against blocks that are wrong in
 * each way that a block can be wrong.
 *
 * @module
 */
import { deepEqual, equal, throws } from 'node:assert/strict'
import {
  constants,
  createHash,
  generateKeyPairSync,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto'
import { describe, it } from 'node:test'
import type { CipherMechanism } from '#core/keystore.ts'
import { type Hash, hashRow } from '#spec/algorithms.ts'
import { openOaep } from './oaep.ts'

const BYTES = 128
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: BYTES * 8 })
const LABEL = Buffer.from('a label')
const WRONG = { code: 'cryptographicFailure' }

function bare(ciphertext: Uint8Array): Buffer {
  return privateDecrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, ciphertext)
}

/** A block as the standard has it, but for the bytes behind the mask being as given. */
function block(data: Uint8Array, hash: Hash, mgfHash: Hash, first = 0): Buffer {
  const seed = randomBytes(hashRow(hash).bytes)
  const masked = xored(data, mask(seed, data.length, mgfHash))
  const maskedSeed = xored(seed, mask(masked, seed.length, mgfHash))
  return Buffer.concat([Buffer.of(first), maskedSeed, masked])
}

describe('OAEP over bare RSA', () => {
  for (const hash of ['SHA_1', 'SHA_256', 'SHA_384', 'SHA3_256'] as const) {
    for (const label of [undefined, LABEL]) {
      it(`opens what node:crypto has sealed with ${hash}, ${label ? 'a' : 'no'} label`, () => {
        const room = BYTES - 2 * hashRow(hash).bytes - 2
        for (const length of [0, 1, room]) {
          const text = randomBytes(length)
          const oaepHash = hashRow(hash).node
          const key = { key: publicKey, oaepHash, ...(label && { oaepLabel: label }) }
          const opened = openOaep(bare(publicEncrypt(key, text)), BYTES, mechanism(hash, label))
          deepEqual(Buffer.from(opened), text)
        }
      })
    }
  }

  it('opens a block whose mask has another hash, and whose zeros in front are gone', () => {
    const digest = createHash('sha256').digest()
    const padding = Buffer.alloc(BYTES - 65 - 33 - 4)
    const data = Buffer.concat([digest, padding, Buffer.of(1), Buffer.from('text')])
    const whole = block(Buffer.concat([data, Buffer.alloc(0)]), 'SHA_256', 'SHA_1')
    const opened = openOaep(whole.subarray(1), whole.length, {
      cipher: 'RSA_PKCS_OAEP',
      hash: 'SHA_256',
      mgfHash: 'SHA_1',
    })
    equal(Buffer.from(opened).toString(), 'text')
  })

  it('refuses each wrong block in the same words, and leaves nothing of it', () => {
    const digest = createHash('sha1').digest()
    const rest = BYTES - 1 - 20
    const data = (middle: Buffer): Buffer => {
      return Buffer.concat([digest, middle], rest)
    }
    const good = data(Buffer.concat([Buffer.alloc(10), Buffer.of(1), Buffer.alloc(76, 7)]))
    const other = Buffer.from(good)
    other[3] = (other[3] as number) ^ 1
    const wrong: Readonly<Record<string, Buffer>> = {
      'a first byte that is not 0': block(good, 'SHA_1', 'SHA_1', 1),
      'the digest of another label': block(other, 'SHA_1', 'SHA_1'),
      'no byte 1 at all': block(data(Buffer.alloc(87)), 'SHA_1', 'SHA_1'),
      'another byte in front of the 1': block(
        data(Buffer.concat([Buffer.alloc(10), Buffer.of(2), Buffer.of(1)])),
        'SHA_1',
        'SHA_1',
      ),
      'another mask': block(good, 'SHA_1', 'SHA_256'),
    }
    deepEqual(
      Buffer.from(openOaep(block(good, 'SHA_1', 'SHA_1'), BYTES, mechanism('SHA_1'))),
      Buffer.alloc(76, 7),
    )
    const messages = new Set<string>()
    for (const [what, bytes] of Object.entries(wrong)) {
      throws(
        () => openOaep(bytes, BYTES, mechanism('SHA_1')),
        (error: Error & { code?: string }) => {
          messages.add(error.message)
          return error.code === WRONG.code
        },
        what,
      )
      deepEqual(bytes, Buffer.alloc(bytes.length), what)
    }
    equal(messages.size, 1)
  })

  it('refuses a modulus that is too short for the hash', () => {
    throws(() => openOaep(Buffer.alloc(100), 100, mechanism('SHA_512')), WRONG)
  })
})

function mechanism(hash: Hash, label?: Uint8Array): CipherMechanism {
  return { cipher: 'RSA_PKCS_OAEP', hash, mgfHash: hash, label }
}

/** MGF1 of RFC 8017, appendix B.2.1. */
function mask(seed: Uint8Array, length: number, hash: Hash): Buffer {
  const { node, bytes } = hashRow(hash)
  const rounds = Array.from({ length: Math.ceil(length / bytes) }, (_, round) => {
    return createHash(node)
      .update(seed)
      .update(Buffer.of(0, 0, 0, round))
      .digest()
  })
  return Buffer.concat(rounds).subarray(0, length)
}

function xored(one: Uint8Array, two: Uint8Array): Buffer {
  return Buffer.from(one.map((byte, at) => byte ^ (two[at] as number)))
}
