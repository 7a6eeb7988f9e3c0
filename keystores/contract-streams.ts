/**
 * What every keystore must do with data in parts, where it takes any: part of `contract.ts`.
 *
 * Whatever the parts are, they give what one part gives; `lengthFor` says beforehand how much.
 *
 * @module
 */
import { deepEqual, equal } from 'node:assert/strict'
import { randomBytes, randomInt } from 'node:crypto'
import { it, type TestContext } from 'node:test'
import type {
  CipherMechanism,
  CipherOperation,
  DigestOperation,
  Encrypted,
  Streams,
} from '#core/keystore.ts'
import {
  CIPHERS,
  type Cipher,
  type CipherRow,
  HASHES,
  type Hash,
  isPair,
  MACS,
  type Mac,
  macRow,
  SECRET_KEYS,
  type SecretKeyAlgorithm,
  secretKeyRow,
} from '#spec/algorithms.ts'
import { type Bench, refuses, type The } from './contract-bench.ts'

const ROUNDS = 5
const BYTES_MAX = 150

/** Declares the tests; within a `describe`. */
export function streams(the: The): void {
  for (const [name, row] of Object.entries<CipherRow>(CIPHERS)) {
    const cipher = name as Cipher
    it(`${row.oneShot ? 'refuses parts with' : 'takes parts with'} ${cipher}`, async (context) => {
      const own = streamsOf(the(), context, cipher)
      if (own === undefined) return
      if (row.oneShot) await refusesParts(the(), own, cipher, row)
      else await ciphersInParts(the(), own, cipher, row)
    })
  }
  it('says that a block is not whole, and that a padding is wrong', async (context) => {
    const bench = the()
    const own = streamsOf(bench, context, 'AES_CBC')
    if (own === undefined) return
    const key = await bench.secret({ algorithm: 'AES', bits: 256 })
    const iv = Buffer.alloc(16)
    const short = await own.encrypt(key, { cipher: 'AES_CBC', iv })
    await short.update(Buffer.alloc(17))
    await refuses(async () => short.final(), ['dataLength'])
    const { data } = await bench.keystore.encrypt(key, { cipher: 'AES_CBC', iv }, Buffer.alloc(16))
    for (const cipher of ['AES_CBC_PAD', 'AES_CBC_X9_23'] as const) {
      const wrong = await own.decrypt(key, { cipher, iv })
      await wrong.update(data)
      await refuses(async () => wrong.final(), ['cryptographicFailure'])
    }
  })
  for (const name of Object.keys(MACS)) {
    const mac = name as Mac
    it(`takes parts with ${mac}`, async (context) => {
      const bench = the()
      const own = bench.keystore.streams
      if (own === undefined) return context.skip('the keystore takes data in one part only')
      if (bench.lacks(context, { mac })) return
      const { nonce } = macRow(mac)
      const mechanism = { mac, bytes: 5, ...(nonce && { nonce: randomBytes(12) }) }
      const algorithm = algorithmOf(mac)
      const bits = secretKeyRow(algorithm).bits[0] as number
      const key = await bench.secret({ algorithm, bits })
      for (let round = 0; round < ROUNDS; round++) {
        const data = randomBytes(randomInt(BYTES_MAX))
        const code = await fed(await own.mac(key, mechanism), data)
        deepEqual(code, Buffer.from(await bench.keystore.mac(key, mechanism, data)))
      }
    })
  }
  for (const name of Object.keys(HASHES)) {
    const hash = name as Hash
    it(`takes parts with ${hash}, and goes on in two ways`, async (context) => {
      const bench = the()
      const own = bench.keystore.streams
      if (own === undefined) return context.skip('the keystore takes data in one part only')
      if (bench.lacks(context, { digest: hash })) return
      const [head, one, two] = [randomBytes(100), randomBytes(70), randomBytes(3)]
      const digest = await own.digest(hash)
      await digest.update(head)
      const other = digest.copy()
      for (const [operation, rest] of [
        [digest, one],
        [other, two],
      ] as const) {
        const whole = await bench.keystore.digest(hash, Buffer.concat([head, rest]))
        deepEqual(await fed(operation, rest), Buffer.from(whole))
      }
    })
  }
}

function streamsOf(bench: Bench, context: TestContext, cipher: Cipher): Streams | undefined {
  const own = bench.keystore.streams
  if (own === undefined) context.skip('the keystore takes data in one part only')
  return bench.lacks(context, { cipher }) ? undefined : own
}

function algorithmOf(mac: Mac): SecretKeyAlgorithm {
  if (mac in SECRET_KEYS) return mac as SecretKeyAlgorithm
  const { cipher, node } = macRow(mac)
  if (node === 'poly1305') return 'Poly1305'
  if (cipher === undefined) return 'HMAC_SHA512'
  return cipher.startsWith('aes') ? 'AES' : 'DES3'
}

async function refusesParts(
  bench: Bench,
  own: Streams,
  cipher: Cipher,
  row: CipherRow,
): Promise<void> {
  const mechanism = { cipher, iv: ivOf(row) }
  for (const begin of ['encrypt', 'decrypt'] as const) {
    const key = isPair(row.key)
      ? (await bench.pair({ algorithm: row.key, bits: 2048 })).publicKey
      : await bench.secret({ algorithm: row.key, bits: row.keyBits?.[0] ?? 256 })
    await refuses(async () => own[begin](key, mechanism), ['featureNotSupported'])
  }
}

function ivOf({ ivBytes }: CipherRow): Uint8Array | undefined {
  return ivBytes[0] === undefined ? undefined : randomBytes(ivBytes[0])
}

async function ciphersInParts(
  bench: Bench,
  own: Streams,
  cipher: Cipher,
  row: CipherRow,
): Promise<void> {
  const { keystore } = bench
  const algorithm = row.key as SecretKeyAlgorithm
  const key = await bench.secret({ algorithm, bits: row.keyBits?.[0] ?? bitsOf(algorithm) })
  const aad = row.tagBytes && Buffer.from('associated')
  for (let round = 0; round < ROUNDS; round++) {
    const mechanism: CipherMechanism = { cipher, iv: ivOf(row), aad }
    const plain = randomBytes(randomInt(BYTES_MAX / 10) * 10 * (row.blockBytes ?? 1))
    const made = await ciphered(await own.encrypt(key, mechanism), plain)
    const opened = await keystore.decrypt(key, mechanism, made.data, made.tag)
    deepEqual(Buffer.from(opened), plain)
    if (row.tagBytes !== undefined) {
      await refuses(async () => own.decrypt(key, mechanism), ['featureNotSupported'])
      continue
    }
    const { data } = await keystore.encrypt(key, mechanism, plain)
    const back = await ciphered(await own.decrypt(key, mechanism), data)
    deepEqual(Buffer.from(back.data), plain)
  }
}

function bitsOf(algorithm: SecretKeyAlgorithm): number {
  return secretKeyRow(algorithm).bits[0] as number
}

/** Feeds parts of random lengths; each gives as much as was foretold. */
async function ciphered(operation: CipherOperation, data: Uint8Array): Promise<Encrypted> {
  const out: Uint8Array[] = []
  for (const part of cut(data)) {
    const length = operation.lengthFor(part.length)
    const result = await operation.update(part)
    equal(result.length, length)
    out.push(result)
  }
  const last = await operation.final()
  return { ...last, data: Buffer.concat([...out, last.data]) }
}

async function fed(operation: DigestOperation, data: Uint8Array): Promise<Buffer> {
  for (const part of cut(data)) await operation.update(part)
  return Buffer.from(await operation.final())
}

/** Cuts at random places; some parts are empty. */
function* cut(data: Uint8Array): Iterable<Uint8Array> {
  for (let at = 0; at < data.length; ) {
    const length = randomInt(40)
    yield data.subarray(at, at + length)
    at += length
  }
}
