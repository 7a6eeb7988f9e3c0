/**
 * Encryption, decryption, and keys that are wrapped: part of `contract.ts`.
 *
 * Every row of `spec/algorithms/ciphers.ts` is tried with every length of key; data in parts are in
 * `contract-streams.ts`.
 *
 * @module
 */
import { deepEqual, equal, notDeepEqual, ok } from 'node:assert/strict'
import * as crypto from 'node:crypto'
import { it } from 'node:test'
import type { CipherMechanism, KeyInUse, WrapMechanism } from '#core/keystore.ts'
import { Secret } from '#core/secret.ts'
import {
  CIPHERS,
  type Cipher,
  type CipherRow,
  cipherRow,
  isPair,
  type KeySpec,
  pairRow,
  secretKeyRow,
} from '#spec/algorithms.ts'
import { KeyFormatType } from '#spec/kmip/enumerations.ts'
import { CIPHER_ANSWERS } from './contract-answers.ts'
import {
  AES,
  altered,
  type Bench,
  cannotTryKnown,
  hex,
  RSA,
  refuses,
  type The,
  UNFIT,
} from './contract-bench.ts'

export function ciphers(the: The): void {
  for (const [name, row] of Object.entries<CipherRow>(CIPHERS)) {
    const cipher = name as Cipher
    for (const bits of bitsOf(row)) {
      it(`decrypts what it encrypted with ${cipher} and ${bits} bits`, async (context) => {
        const bench = the()
        const spec = { algorithm: row.key, bits }
        if (bench.lacks(context, { cipher }, { generate: spec })) return
        await roundTrips(bench, cipher, spec)
      })
    }
    it(`refuses with ${cipher} what does not belong to it`, async (context) => {
      const bench = the()
      const spec = { algorithm: row.key, bits: bitsOf(row)[0] as number }
      if (bench.lacks(context, { cipher }, { generate: spec })) return
      await refusesMisuse(bench, cipher, spec)
    })
  }
  it('refuses data that is too short for XTS, CTS and key wrap, or too long for CCM', async () => {
    const key = await the().secret(AES)
    const [xts, ccm] = [{ iv: Buffer.alloc(16) }, { iv: Buffer.alloc(13) }]
    const cases: readonly [CipherMechanism, number][] = [
      [{ cipher: 'AES_XTS', ...xts }, 0],
      [{ cipher: 'AES_XTS', ...xts }, 15],
      [{ cipher: 'AES_CTS', ...xts }, 0],
      [{ cipher: 'AES_CTS', ...xts }, 15],
      [{ cipher: 'AES_KEY_WRAP' }, 8],
      [{ cipher: 'AES_KEY_WRAP_KWP' }, 0],
      [{ cipher: 'AES_CCM', ...ccm }, 65_536],
    ]
    for (const [mechanism, length] of cases) {
      if (the().keystore.cannot({ cipher: mechanism.cipher }) !== undefined) continue
      const call = () => the().keystore.encrypt(key, mechanism, new Uint8Array(length))
      await refuses(call, ['dataLength'])
    }
  })
  for (const answer of CIPHER_ANSWERS) {
    it(`gives the answer of ${answer.source} for ${answer.cipher}`, async (context) => {
      const bench = the()
      if (cannotTryKnown(bench, context)) return
      if (bench.lacks(context, { cipher: answer.cipher })) return
      const { keystore } = bench
      const bytes = hex(answer.key)
      const bits = answer.algorithm === 'DES3' ? 168 : bytes.length * 8
      const spec = { algorithm: answer.algorithm, bits }
      const key = await bench.imported('secret', spec, KeyFormatType.Raw, bytes)
      const tag = answer.tag === undefined ? undefined : hex(answer.tag)
      const mechanism: CipherMechanism = {
        cipher: answer.cipher,
        ...(answer.iv && { iv: hex(answer.iv) }),
        ...(answer.aad && { aad: hex(answer.aad) }),
        ...(tag && { tagBytes: tag.length }),
      }
      const made = await keystore.encrypt(key, mechanism, hex(answer.plain))
      equal(Buffer.from(made.data).toString('hex'), answer.data)
      equal(made.tag && Buffer.from(made.tag).toString('hex'), answer.tag)
      const plain = await keystore.decrypt(key, mechanism, hex(answer.data), tag)
      equal(Buffer.from(plain).toString('hex'), answer.plain)
    })
  }
}

export function wrapping(the: The): void {
  const cases: readonly [Cipher, KeySpec, Partial<WrapMechanism>][] = [
    ['AES_KEY_WRAP', AES, {}],
    ['AES_KEY_WRAP_KWP', AES, {}],
    ['AES_GCM', AES, { iv: Buffer.alloc(12, 1), aad: Buffer.from('associated') }],
    ['AES_CBC_PAD', AES, { iv: Buffer.alloc(16, 1) }],
    ['RSA_PKCS_OAEP', RSA, { hash: 'SHA_256' }],
    ['RSA_PKCS_OAEP', RSA, { hash: 'SHA_256', mgfHash: 'SHA_1', label: Buffer.from('label') }],
    ['RSA_PKCS', RSA, {}],
    ['RSA_PKCS_OAEP', RSA, { ephemeralBits: 256 }],
    ['RSA_PKCS_OAEP', RSA, { ephemeralBits: 128, hash: 'SHA_256' }],
  ]
  for (const [cipher, spec, parameters] of cases) {
    const { hash, mgfHash, ephemeralBits } = parameters
    const details = [hash, mgfHash, ephemeralBits && `AES of ${ephemeralBits} bits`]
    const label = [cipher, ...details.filter(Boolean)].join(', ')
    it(`unwraps what it wrapped with ${label}`, async (context) => {
      const bench = the()
      const wish = { cipher, hash, mgfHash, label: parameters.label !== undefined }
      if (bench.lacks(context, wish, { generate: spec })) return
      const { keystore } = bench
      const [sealing, opening] = await keysFor(bench, spec)
      // What an AES key is made for is longer than any block of RSA.
      const bytes = ephemeralBits === undefined ? 32 : 1_190
      using material = new Secret(crypto.randomBytes(bytes))
      const mechanism = { cipher, ...parameters }
      const wrapped = await keystore.wrap(sealing, mechanism, material)
      using unwrapped = await keystore.unwrap(opening, mechanism, wrapped)
      deepEqual(Buffer.from(unwrapped.expose()), Buffer.from(material.expose()))
      const unsure = cipher === 'AES_CBC_PAD' || cipher === 'RSA_PKCS'
      if (!unsure) {
        const broken = altered(wrapped, -1)
        await refuses(() => keystore.unwrap(opening, mechanism, broken), ['cryptographicFailure'])
      }
      const codes = ['cryptographicFailure', 'dataLength'] as const
      const short = wrapped.subarray(0, 5)
      await refuses(() => keystore.unwrap(opening, mechanism, short), codes)
    })
  }
}

function bitsOf(row: CipherRow): readonly number[] {
  if (isPair(row.key)) return [pairRow(row.key).bits[0] as number]
  return row.keyBits ?? secretKeyRow(row.key).bits
}

/** Both keys are the same where the algorithm is symmetric. */
async function keysFor(bench: Bench, spec: KeySpec): Promise<readonly [KeyInUse, KeyInUse]> {
  if (isPair(spec.algorithm)) {
    const { privateKey, publicKey } = await bench.pair(spec)
    return [publicKey, privateKey]
  }
  const key = await bench.secret(spec)
  return [key, key]
}

/** Lengths of data that the row allows, the shortest first. */
function lengthsOf(cipher: Cipher, row: CipherRow): readonly number[] {
  if (cipher === 'RSA_X_509') return [256]
  if (row.key === 'RSA') return [1, 32, 60]
  if (cipher === 'AES_KEY_WRAP') return [16, 24, 64]
  if (row.wraps) return [1, 7, 8, 20, 64]
  if (cipher === 'AES_XTS' || cipher === 'AES_CTS') return [16, 17, 64]
  return row.blockBytes === undefined ? [0, 1, 15, 16, 17, 64] : [16, 64]
}

/** A block that is smaller than any modulus, or just bytes. */
function sample(cipher: Cipher, length: number): Buffer {
  const bytes = crypto.randomBytes(length)
  if (cipher === 'RSA_X_509') bytes[0] = 0
  return bytes
}

function ivsOf({ ivBytes, wraps }: CipherRow): readonly (Buffer | undefined)[] {
  if (ivBytes.length === 0 || wraps) return [undefined]
  return ivBytes.map((length) => crypto.randomBytes(length))
}

async function roundTrips(bench: Bench, cipher: Cipher, spec: KeySpec): Promise<void> {
  const { keystore } = bench
  const row = cipherRow(cipher)
  const [sealing, opening] = await keysFor(bench, spec)
  const aads = row.tagBytes === undefined ? [undefined] : [undefined, Buffer.from('associated')]
  for (const length of lengthsOf(cipher, row)) {
    for (const iv of ivsOf(row)) {
      for (const tagBytes of row.tagBytes ?? [undefined]) {
        for (const aad of aads) {
          const plain = sample(cipher, length)
          const mechanism = { cipher, iv, aad, tagBytes }
          const { data, tag } = await keystore.encrypt(sealing, mechanism, plain)
          equal(tag?.length, tagBytes)
          if (length > 8) notDeepEqual(Buffer.from(data), plain)
          const opened = await keystore.decrypt(opening, mechanism, data, tag)
          deepEqual(Buffer.from(opened), plain)
        }
      }
    }
  }
}

async function refusesMisuse(bench: Bench, cipher: Cipher, spec: KeySpec): Promise<void> {
  const { keystore } = bench
  const row = cipherRow(cipher)
  const [sealing, opening] = await keysFor(bench, spec)
  const iv = ivsOf(row)[0]
  const plain = sample(cipher, lengthsOf(cipher, row).at(-1) as number)
  const wrongKey =
    spec.algorithm === 'AES' ? (await bench.somePair())?.privateKey : await bench.secret(AES)
  if (wrongKey !== undefined) {
    await refuses(() => keystore.encrypt(wrongKey, { cipher, iv }, plain), UNFIT)
    await refuses(() => keystore.decrypt(wrongKey, { cipher, iv }, plain), UNFIT)
  }
  if (row.ivBytes.length > 0 && !row.wraps) {
    await refuses(() => keystore.encrypt(sealing, { cipher }, plain), ['missingIv'])
    const long = new Uint8Array(17)
    if (!row.anyIv)
      await refuses(() => keystore.encrypt(sealing, { cipher, iv: long }, plain), UNFIT)
    const none = new Uint8Array(0)
    await refuses(() => keystore.encrypt(sealing, { cipher, iv: none }, plain), UNFIT)
  }
  if (row.blockBytes !== undefined) {
    const ragged = plain.subarray(1)
    await refuses(() => keystore.encrypt(sealing, { cipher, iv }, ragged), ['dataLength'])
    const codes = ['dataLength', 'cryptographicFailure'] as const
    await refuses(() => keystore.decrypt(opening, { cipher, iv }, ragged), codes)
  }
  if (row.tagBytes !== undefined) await refusesWrongTags(bench, { cipher, iv }, sealing, plain)
  if (row.wraps || cipher === 'RSA_PKCS_OAEP') {
    const { data } = await keystore.encrypt(sealing, { cipher, iv }, plain)
    const broken = altered(data, -1)
    const call = () => keystore.decrypt(opening, { cipher, iv }, broken)
    await refuses(call, ['cryptographicFailure'])
  }
  if (cipher === 'RSA_PKCS_OAEP') {
    // Encrypting is done with the public key, by whoever has it.
    const label = Buffer.from('label')
    const { data } = await keystore.encrypt(sealing, { cipher, label }, plain)
    await refuses(() => keystore.decrypt(opening, { cipher }, data), ['cryptographicFailure'])
  }
  if (spec.algorithm === 'RSA') {
    await refuses(() => keystore.encrypt(sealing, { cipher }, Buffer.alloc(257)), ['dataLength'])
    await refuses(() => keystore.decrypt(sealing, { cipher }, Buffer.alloc(256)), UNFIT)
  }
}

async function refusesWrongTags(
  bench: Bench,
  base: CipherMechanism,
  key: KeyInUse,
  plain: Uint8Array,
): Promise<void> {
  const { keystore } = bench
  const mechanism = { ...base, aad: Buffer.from('associated') }
  const { data, tag } = await keystore.encrypt(key, mechanism, plain)
  ok(tag !== undefined)
  const failure = ['cryptographicFailure'] as const
  await refuses(() => keystore.decrypt(key, mechanism, altered(data), tag), failure)
  await refuses(() => keystore.decrypt(key, mechanism, data.subarray(1), tag), failure)
  await refuses(() => keystore.decrypt(key, mechanism, data, altered(tag, -1)), failure)
  await refuses(() => keystore.decrypt(key, base, data, tag), failure)
  const iv = altered(base.iv as Uint8Array)
  await refuses(() => keystore.decrypt(key, { ...mechanism, iv }, data, tag), failure)
  const missing = ['missingField', 'tagLength', 'cryptographicFailure'] as const
  await refuses(() => keystore.decrypt(key, mechanism, data), missing)
  const bad = ['tagLength'] as const
  for (const tagBytes of [0, 3, 17]) {
    await refuses(() => keystore.encrypt(key, { ...mechanism, tagBytes }, plain), bad)
    await refuses(() => keystore.decrypt(key, mechanism, data, new Uint8Array(tagBytes)), bad)
  }
}
