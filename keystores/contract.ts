/**
 * What every keystore must do: the common test suite of `core/keystore.ts`.
 *
 * A keystore's own test calls {@link keystoreContract}. Each row of `spec/algorithms.ts` that the
 * keystore does not refuse with `cannot` is tried out: a round trip, the refusals, and published
 * known answers where there are any (`contract-answers.ts`; they need `imports`). A row that it
 * refuses is skipped with the keystore's own reason.
 *
 * It does not test what only one kind of keystore has, such as the life of a connection.
 *
 * @module
 */
import { deepEqual, equal, notDeepEqual, ok } from 'node:assert/strict'
import * as crypto from 'node:crypto'
import { after, before, describe, it, type TestContext } from 'node:test'
import type {
  CipherMechanism,
  KeyInUse,
  Keystore,
  SignatureMechanism,
  WrapMechanism,
} from '#core/keystore.ts'
import { Secret } from '#core/secret.ts'
import {
  CIPHERS,
  type Cipher,
  type CipherRow,
  cipherRow,
  HASHES,
  type Hash,
  hashRow,
  isPair,
  type KeyAlgorithm,
  type KeySpec,
  MACS,
  type Mac,
  macRow,
  type PairAlgorithm,
  pairRow,
  type SecretKeyAlgorithm,
  type SignatureScheme,
  schemesOfNode,
  secretKeyRow,
  signatureRow,
} from '#spec/algorithms.ts'
import { KeyFormatType } from '#spec/kmip/enumerations.ts'
import { CIPHER_ANSWERS, ED25519_ANSWERS, HASHES_OF_ABC, MAC_ANSWERS } from './contract-answers.ts'
import {
  altered,
  Bench,
  cannotTryKnown,
  hex,
  nameOfSpec,
  pairSpecs,
  refuses,
  secretSpecs,
  UNFIT,
} from './contract-bench.ts'
import { derivation } from './contract-derivation.ts'
import { streams } from './contract-streams.ts'

const TEXT = Buffer.from('The quick brown fox jumps over the lazy dog, all 64 bytes of it.')
const RSA: KeySpec = { algorithm: 'RSA', bits: 2048 }
const AES: KeySpec = { algorithm: 'AES', bits: 256 }
const P256: KeySpec = { algorithm: 'EC', bits: 256, curve: 'P_256' }

export interface KeystoreUnderTest {
  readonly name: string
  /** Opens a keystore that shares nothing with another that was opened so. */
  open(): Promise<Keystore>
}

/** Declares the suite; call it at the top of a test file. */
export function keystoreContract({ name, open }: KeystoreUnderTest): void {
  describe(`keystore contract: ${name}`, { timeout: 120_000 }, () => {
    let bench: Bench
    let other: Keystore
    before(async () => {
      bench = new Bench(await open())
      other = await open()
    })
    after(async () => {
      await bench.keystore.close()
      await other.close()
    })
    const the = () => bench
    describe('keys', () => keys(the))
    describe('references', () => references(the, () => other))
    describe('ciphers', () => ciphers(the))
    describe('wrapping', () => wrapping(the))
    describe('signatures', () => signatures(the))
    describe('message authentication codes and digests', () => macsAndDigests(the))
    describe('data in parts', () => streams(the))
    describe('derivation and agreement', () => derivation(the))
    describe('encapsulation', () => encapsulation(the))
    describe('the rest', () => rest(the))
  })
}

type The = () => Bench

function keys(the: The): void {
  for (const spec of secretSpecs()) {
    it(`generates and exports ${nameOfSpec(spec)}`, async (context) => {
      const bench = the()
      if (bench.lacks(context, { generate: spec })) return
      const [one, two] = [await bench.secret(spec), await bench.secret(spec)]
      if (bench.keystore.can.exports === false) return
      using material = await bench.keystore.export(one)
      using another = await bench.keystore.export(two)
      const row = secretKeyRow(spec.algorithm as SecretKeyAlgorithm)
      equal(material.length * 8, row.materialBits?.[spec.bits] ?? spec.bits)
      notDeepEqual(Buffer.from(material.expose()), Buffer.from(another.expose()))
    })
  }
  for (const spec of pairSpecs()) {
    it(`generates a pair of ${nameOfSpec(spec)} and takes it in again`, async (context) => {
      const bench = the()
      if (bench.lacks(context, { generate: spec })) return
      const { privateKey, publicKey } = await bench.pair(spec)
      if (bench.keystore.can.exports === false || bench.keystore.can.imports === false) return
      for (const key of [privateKey, publicKey]) {
        using material = await bench.keystore.export(key)
        const again = await bench.imported(key.kind, spec, key.format, material.expose())
        using exported = await bench.keystore.export(again)
        deepEqual(Buffer.from(exported.expose()), Buffer.from(material.expose()))
      }
    })
  }
  it('exports a pair in other formats that mean the same key', async (context) => {
    const bench = the()
    if (bench.lacks(context, { generate: RSA })) return
    if (bench.keystore.can.exports === false) return context.skip('nothing is exported')
    const { privateKey } = await bench.pair(RSA)
    using pkcs1 = await bench.keystore.export(privateKey, KeyFormatType.PKCS_1)
    using pkcs8 = await bench.keystore.export(privateKey, KeyFormatType.PKCS_8)
    const parse = (bytes: Uint8Array, type: 'pkcs1' | 'pkcs8'): crypto.KeyObject => {
      return crypto.createPrivateKey({ key: Buffer.from(bytes), format: 'der', type })
    }
    ok(parse(pkcs1.expose(), 'pkcs1').equals(parse(pkcs8.expose(), 'pkcs8')))
    await refuses(() => bench.keystore.export(privateKey, KeyFormatType.X_509), ['keyFormat'])
  })
  it('says the SHA-256 of what it took in, and refuses what is no such key', async (context) => {
    const bench = the()
    const { keystore } = bench
    if (keystore.can.imports === false) return context.skip('nothing is imported')
    const bytes = crypto.randomBytes(32)
    const request = { id: bench.id(), kind: 'secret', format: KeyFormatType.Raw, bytes } as const
    const { sha256 } = await keystore.import({ ...request, spec: AES })
    if (sha256 !== undefined) deepEqual(Buffer.from(sha256), crypto.hash('sha256', bytes, 'buffer'))
    const wrong: readonly KeySpec[] = [
      { ...AES, bits: 128 },
      { algorithm: 'DES3', bits: 168 },
    ]
    for (const spec of wrong) {
      await refuses(() => keystore.import({ ...request, spec }), ['invalidField'])
    }
    const asPrivate = { ...request, kind: 'private', format: KeyFormatType.PKCS_8 } as const
    await refuses(() => keystore.import({ ...asPrivate, spec: P256 }), ['invalidField'])
  })
  it('refuses a private key of another algorithm, length or curve', async (context) => {
    const bench = the()
    const { keystore } = bench
    if (keystore.can.imports === false) return context.skip('nothing is imported')
    const { privateKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
    const bytes = privateKey.export({ format: 'der', type: 'pkcs8' })
    for (const spec of [RSA, P256, { ...P256, bits: 384, curve: 'P_384' as const }]) {
      const request = { id: bench.id(), kind: 'private', format: KeyFormatType.PKCS_8 } as const
      await refuses(() => keystore.import({ ...request, spec, bytes }), ['invalidField'])
    }
  })
  it('refuses to generate what no row has', async () => {
    const { keystore } = the()
    const make = (spec: KeySpec) => () => keystore.generate({ id: 'x', spec })
    await refuses(make({ algorithm: 'AES', bits: 100 }), ['invalidField'])
    await refuses(make(RSA), ['invalidField'])
    const pair = (spec: KeySpec) => () =>
      keystore.generatePair({ privateId: 'x', publicId: 'y', spec })
    await refuses(pair(AES), ['invalidField'])
    await refuses(pair({ algorithm: 'RSA', bits: 1000 }), ['invalidField'])
    await refuses(pair({ algorithm: 'EC', bits: 256 }), ['invalidField'])
  })
  it('stores data of no algorithm and returns it unchanged', async (context) => {
    const bench = the()
    const ability = { import: 'data' } as const
    if (bench.keystore.can.imports === false || bench.lacks(context, ability)) return
    const bytes = crypto.randomBytes(100)
    const key = await bench.imported('data', undefined, KeyFormatType.Opaque, bytes)
    deepEqual(Buffer.from((await bench.keystore.export(key)).expose()), bytes)
  })
}

function references(the: The, other: () => Keystore): void {
  const use = (bench: Bench, key: KeyInUse) => () =>
    bench.keystore.encrypt(key, { cipher: 'AES_GCM', iv: new Uint8Array(12) }, TEXT)

  it('does not open an altered reference', async () => {
    const bench = the()
    const key = await bench.secret(AES)
    if (!bench.keystore.can.sealsInReference) return
    for (let at = 0; at < key.handle.length; at++) {
      await refuses(use(bench, { ...key, handle: altered(key.handle, at) }), ['tampered'])
    }
    await refuses(use(bench, { ...key, handle: key.handle.subarray(1) }), ['tampered'])
    await refuses(use(bench, { ...key, handle: new Uint8Array(0) }), ['tampered'])
  })
  it('does not open a reference under another identifier, kind or format', async (context) => {
    const bench = the()
    if (!bench.keystore.can.sealsInReference) return context.skip('references are names only')
    const [one, two] = [await bench.secret(AES), await bench.secret(AES)]
    const copy = Uint8Array.from(one.handle)
    await refuses(use(bench, { ...two, handle: copy }), ['tampered'])
    await refuses(use(bench, { ...one, handle: copy, kind: 'private' }), ['tampered'])
    await refuses(use(bench, { ...one, handle: copy, format: KeyFormatType.Opaque }), ['tampered'])
  })
  it('does not open it either when it has been used already', async (context) => {
    const bench = the()
    if (!bench.keystore.can.sealsInReference) return context.skip('references are names only')
    const [one, two] = [await bench.secret(AES), await bench.secret(AES)]
    await use(bench, one)()
    await refuses(use(bench, { ...two, handle: one.handle }), ['tampered'])
  })
  it('does not open a reference of another keystore', async () => {
    const bench = the()
    const { handle, format } = await other().generate({ id: 'foreign', spec: AES })
    const foreign: KeyInUse = { id: 'foreign', kind: 'secret', spec: AES, format, handle }
    await refuses(use(bench, foreign))
  })
  it('destroys, also what is gone already', async () => {
    const bench = the()
    const key = await bench.secret(AES)
    await bench.keystore.destroy(key.handle)
    await bench.keystore.destroy(key.handle)
    if (!bench.keystore.can.sealsInReference) await refuses(use(bench, key))
  })
}

function ciphers(the: The): void {
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
    spec.algorithm === 'AES' ? (await bench.somePair()).privateKey : await bench.secret(AES)
  await refuses(() => keystore.encrypt(wrongKey, { cipher, iv }, plain), UNFIT)
  await refuses(() => keystore.decrypt(wrongKey, { cipher, iv }, plain), UNFIT)
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

function wrapping(the: The): void {
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

function signatures(the: The): void {
  for (const spec of pairSpecs()) {
    const row = pairRow(spec.algorithm as PairAlgorithm)
    if (!row.does.includes('sign')) continue
    for (const scheme of schemesOfNode(row.node)) {
      for (const mechanism of mechanismsOf(scheme, spec)) {
        const form = [mechanism.hash, mechanism.digested && 'digest', mechanism.encoding]
        const name = [nameOfSpec(spec), scheme, ...form.filter(Boolean)].join(' ')
        it(`signs and verifies: ${name}`, async (context) => {
          const bench = the()
          if (bench.lacks(context, abilityOf(mechanism))) return
          const pair = await signingPair(bench, context, spec)
          if (pair !== undefined) await signsAndVerifies(bench, spec, mechanism, pair)
        })
      }
    }
  }
  it('signs with the private key only, and with the schemes of its algorithm only', async (context) => {
    const bench = the()
    if (bench.lacks(context, { generate: P256 }, { signature: 'ECDSA' })) return
    const { keystore } = bench
    const { privateKey, publicKey } = await bench.pair(P256)
    const secret = await bench.secret(AES)
    const ecdsa: SignatureMechanism = { scheme: 'ECDSA', hash: 'SHA_256' }
    const rsa: SignatureMechanism = { scheme: 'RSA_PKCS', hash: 'SHA_256' }
    await refuses(() => keystore.sign(publicKey, ecdsa, TEXT), UNFIT)
    await refuses(() => keystore.sign(secret, ecdsa, TEXT), UNFIT)
    await refuses(() => keystore.verify(secret, ecdsa, TEXT, TEXT), UNFIT)
    await refuses(() => keystore.sign(privateKey, rsa, TEXT), UNFIT)
    await refuses(() => keystore.verify(publicKey, rsa, TEXT, TEXT), UNFIT)
    await refuses(() => keystore.sign(privateKey, { scheme: 'ECDSA' }, TEXT), UNFIT)
  })
  it('refuses a digest of the wrong length', async (context) => {
    const bench = the()
    const mechanism = { scheme: 'ECDSA', hash: 'SHA_256', digested: true } as const
    if (bench.lacks(context, { signature: 'ECDSA' })) return
    const { privateKey } = await bench.pair(P256)
    const call = () => bench.keystore.sign(privateKey, mechanism, new Uint8Array(31))
    await refuses(call, ['dataLength'])
  })
  it('verifies a context string as part of the signature', async (context) => {
    const bench = the()
    const spec: KeySpec = { algorithm: 'ML_DSA_44', bits: 10_496 }
    if (bench.lacks(context, { generate: spec }, { signature: 'ML_DSA' })) return
    const { privateKey, publicKey } = await bench.pair(spec)
    const mechanism = { scheme: 'ML_DSA', context: Buffer.from('context') } as const
    const signature = await bench.keystore.sign(privateKey, mechanism, TEXT)
    equal(await bench.keystore.verify(publicKey, mechanism, TEXT, signature), true)
    const bare = { scheme: 'ML_DSA' } as const
    equal(await bench.keystore.verify(publicKey, bare, TEXT, signature), false)
  })
  it('recovers the data of RSA signatures that carry it', async (context) => {
    const bench = the()
    if (bench.lacks(context, { signature: 'RSA_PKCS' }, { generate: RSA })) return
    const { keystore } = bench
    const { privateKey, publicKey } = await bench.pair(RSA)
    const raw = Buffer.concat([Buffer.alloc(192), TEXT])
    for (const [mechanism, data] of [
      [{ scheme: 'RSA_PKCS', digested: true }, TEXT],
      [{ scheme: 'RSA_X_509' }, raw],
    ] as const) {
      const signature = await keystore.sign(privateKey, mechanism, data)
      const back = await keystore.recover(publicKey, mechanism, signature)
      deepEqual(Buffer.from(back), data)
      equal(await keystore.verify(publicKey, mechanism, data, signature), true)
    }
    const pss = { scheme: 'RSA_PKCS_PSS', hash: 'SHA_256' } as const
    await refuses(() => keystore.recover(publicKey, pss, Buffer.alloc(256)), UNFIT)
    const wrong = () => keystore.recover(publicKey, { scheme: 'RSA_PKCS' }, Buffer.alloc(256, 1))
    await refuses(wrong, ['cryptographicFailure'])
  })
  for (const [spec, mechanism] of WITHOUT_CONTEXT) {
    it(`refuses a context string for ${nameOfSpec(spec)} ${mechanism.scheme}`, async (test) => {
      const bench = the()
      if (bench.lacks(test, { generate: spec }, abilityOf(mechanism))) return
      const { privateKey, publicKey } = await bench.pair(spec)
      const context = { ...mechanism, context: Buffer.from('context') }
      const signature = await bench.keystore.sign(privateKey, mechanism, TEXT)
      await refuses(() => bench.keystore.sign(privateKey, context, TEXT), UNFIT)
      await refuses(() => bench.keystore.verify(publicKey, context, TEXT, signature), UNFIT)
    })
  }
  for (const answer of ED25519_ANSWERS) {
    const length = answer.message.length / 2
    it(`gives the answer of RFC 8032 §7.1 for a message of ${length} bytes`, async (context) => {
      const bench = the()
      if (cannotTryKnown(bench, context) || bench.lacks(context, { signature: 'EDDSA' })) return
      const spec: KeySpec = { algorithm: 'Ed25519', bits: 256 }
      const take = (kind: 'private' | 'public', text: string) =>
        bench.imported(kind, spec, KeyFormatType.Raw, hex(text))
      const key = await take('private', answer.privateKey)
      const data = hex(answer.message)
      const signature = await bench.keystore.sign(key, { scheme: 'EDDSA' }, data)
      equal(Buffer.from(signature).toString('hex'), answer.signature)
      const verifier = await take('public', answer.publicKey)
      const scheme = { scheme: 'EDDSA' } as const
      equal(await bench.keystore.verify(verifier, scheme, data, signature), true)
    })
  }
}

/** Nothing in these signatures could hold one: it must not be dropped. RFC 8032 §5.1, RFC 8017. */
const WITHOUT_CONTEXT: readonly (readonly [KeySpec, SignatureMechanism])[] = [
  [P256, { scheme: 'ECDSA', hash: 'SHA_256' }],
  [RSA, { scheme: 'RSA_PKCS', hash: 'SHA_256' }],
  [RSA, { scheme: 'RSA_PKCS_PSS', hash: 'SHA_256' }],
]

function mechanismsOf(scheme: SignatureScheme, spec: KeySpec): readonly SignatureMechanism[] {
  const row = signatureRow(scheme)
  if (row.input !== 'digest') {
    // The slow ones are tried in one form.
    const slow = scheme === 'SLH_DSA' && !spec.algorithm.endsWith('_128f')
    if (row.ckmHash === undefined || slow) return [{ scheme }]
    const context = Buffer.from('context')
    return [
      { scheme },
      { scheme, context },
      { scheme, hash: 'SHA_256' },
      { scheme, hash: 'SHA3_512', context },
      { scheme, hash: 'SHA_512', digested: true },
    ]
  }
  const hashes = Object.keys(row.ckmWith ?? {}) as Hash[]
  const bare = scheme === 'ECDSA' || scheme === 'DSA'
  return [
    ...hashes.map((hash) => ({ scheme, hash })),
    { scheme, hash: 'SHA_256', digested: true },
    ...(bare ? [{ scheme, hash: 'SHA_256', encoding: 'raw' } as const] : []),
    ...(bare ? [{ scheme, hash: 'SHA_256', digested: true, encoding: 'raw' } as const] : []),
    ...(scheme === 'RSA_PKCS_PSS' ? [{ scheme, hash: 'SHA_256', mgfHash: 'SHA_1' } as const] : []),
  ]
}

function abilityOf({ scheme, hash, digested, mgfHash }: SignatureMechanism) {
  if (mgfHash !== undefined) return { signature: scheme, hash, mgfHash }
  const bare = hash === undefined || digested
  return { signature: scheme, ...(bare ? {} : { hash }) }
}

/** Made inside, or, where only taking in is offered, made here. */
async function signingPair(bench: Bench, context: TestContext, spec: KeySpec) {
  if (bench.keystore.cannot({ generate: spec }) === undefined) return bench.pair(spec)
  if (spec.algorithm !== 'DSA' || cannotTryKnown(bench, context)) return undefined
  if (bench.lacks(context, { import: 'private', spec })) return undefined
  return bench.shared('DSA', async () => {
    const made = crypto.generateKeyPairSync('dsa', { modulusLength: 1024, divisorLength: 160 })
    const { privateKey, publicKey } = made
    const short = { ...spec, bits: 1024 }
    const [pkcs8, spki] = [
      privateKey.export({ format: 'der', type: 'pkcs8' }),
      publicKey.export({ format: 'der', type: 'spki' }),
    ]
    return {
      privateKey: await bench.imported('private', short, KeyFormatType.PKCS_8, pkcs8),
      publicKey: await bench.imported('public', short, KeyFormatType.X_509, spki),
    }
  })
}

async function signsAndVerifies(
  { keystore }: Bench,
  spec: KeySpec,
  mechanism: SignatureMechanism,
  { privateKey, publicKey }: { readonly privateKey: KeyInUse; readonly publicKey: KeyInUse },
): Promise<void> {
  const { scheme, hash, digested } = mechanism
  const whole = scheme === 'RSA_X_509' ? Buffer.concat([Buffer.alloc(192), TEXT]) : TEXT
  const data = digested ? await keystore.digest(hash as Hash, TEXT) : whole
  const signature = await keystore.sign(privateKey, mechanism, data)
  const verify = (bytes: Uint8Array, sig: Uint8Array) =>
    keystore.verify(publicKey, mechanism, bytes, sig)
  equal(await verify(data, signature), true)
  equal(await keystore.verify(privateKey, mechanism, data, signature), true)
  // The first byte: of a digest that is longer than the order, only the leftmost bits count.
  equal(await verify(altered(data), signature), false)
  equal(await verify(data, altered(signature, -1)), false)
  equal(await verify(data, signature.subarray(1)), false)
  equal(await verify(data, Buffer.concat([signature, Buffer.alloc(1)])), false)
  equal(await verify(data, new Uint8Array(0)), false)
  if (digested) {
    const { digested: _, ...overMessage } = mechanism
    equal(await keystore.verify(publicKey, overMessage, TEXT, signature), true)
  }
  if (mechanism.encoding === 'raw') {
    const bytes = spec.algorithm === 'DSA' ? 20 : Math.ceil(spec.bits / 8)
    equal(signature.length, bytes * 2)
  }
}

function macsAndDigests(the: The): void {
  for (const name of Object.keys(MACS)) {
    const mac = name as Mac
    it(`authenticates with ${mac}`, async (context) => {
      const bench = the()
      const spec = specForMac(mac)
      if (bench.lacks(context, { mac }, { generate: spec })) return
      await authenticates(bench, mac, spec)
    })
  }
  for (const { source, mac, algorithm, key, nonce, data, code } of MAC_ANSWERS) {
    it(`gives the answer of ${source} for ${mac} of ${data.length / 2} bytes`, async (context) => {
      const bench = the()
      if (cannotTryKnown(bench, context)) return
      if (bench.lacks(context, { mac, bits: key.length * 4 })) return
      const bits = algorithm === 'DES3' ? 168 : key.length * 4
      const known = await bench.imported('secret', { algorithm, bits }, KeyFormatType.Raw, hex(key))
      const mechanism = { mac, ...(nonce && { nonce: hex(nonce) }) }
      const made = await bench.keystore.mac(known, mechanism, hex(data))
      equal(Buffer.from(made).toString('hex'), code)
      const short = await bench.keystore.mac(known, { ...mechanism, bytes: 4 }, hex(data))
      equal(Buffer.from(short).toString('hex'), code.slice(0, 8))
    })
  }
  for (const [name, digest] of Object.entries(HASHES_OF_ABC)) {
    it(`gives the published digest of "abc" for ${name}`, async (context) => {
      const bench = the()
      const hash = name as Hash
      if (bench.lacks(context, { digest: hash })) return
      const made = await bench.keystore.digest(hash, Buffer.from('abc'))
      equal(Buffer.from(made).toString('hex'), digest)
      equal(made.length, HASHES[hash].bytes)
    })
  }
}

function specForMac(mac: Mac): KeySpec {
  const row = macRow(mac)
  if (row.hash !== undefined) {
    const algorithm = (mac in MAC_KEYS ? mac : 'HMAC_SHA512') as KeyAlgorithm
    return { algorithm, bits: hashRow(row.hash).bytes * 8 }
  }
  if (mac === 'POLY1305') return { algorithm: 'Poly1305', bits: 256 }
  return mac.startsWith('DES3') ? { algorithm: 'DES3', bits: 168 } : AES
}

/** Secret keys whose algorithm is a MAC of the same name. */
const MAC_KEYS = Object.fromEntries(secretSpecs().map(({ algorithm }) => [algorithm, true]))

async function authenticates(bench: Bench, mac: Mac, spec: KeySpec): Promise<void> {
  const { keystore } = bench
  const row = macRow(mac)
  const key = await bench.secret(spec)
  const nonce = row.nonce && crypto.randomBytes(12)
  const mechanism = { mac, ...(nonce && { nonce }) }
  const code = Buffer.from(await keystore.mac(key, mechanism, TEXT))
  equal(code.length, row.bytes)
  deepEqual(Buffer.from(await keystore.mac(key, mechanism, TEXT)), code)
  notDeepEqual(Buffer.from(await keystore.mac(key, mechanism, altered(TEXT))), code)
  notDeepEqual(Buffer.from(await keystore.mac(await bench.secret(spec), mechanism, TEXT)), code)
  for (const bytes of [0, row.bytes + 1]) {
    await refuses(() => keystore.mac(key, { ...mechanism, bytes }, TEXT), UNFIT)
  }
  if (row.nonce) await refuses(() => keystore.mac(key, { mac }, TEXT), ['missingIv'])
  const { privateKey } = await bench.somePair()
  await refuses(() => keystore.mac(privateKey, mechanism, TEXT), UNFIT)
}

function encapsulation(the: The): void {
  for (const spec of pairSpecs()) {
    if (!pairRow(spec.algorithm as PairAlgorithm).does.includes('encapsulate')) continue
    it(`decapsulates what it encapsulated with ${nameOfSpec(spec)}`, async (context) => {
      const bench = the()
      if (bench.lacks(context, { generate: spec })) return
      const { keystore } = bench
      const { privateKey, publicKey } = await bench.pair(spec)
      const { ciphertext, sharedSecret } = await keystore.encapsulate(publicKey)
      using opened = await keystore.decapsulate(privateKey, ciphertext)
      deepEqual(Buffer.from(opened.expose()), Buffer.from(sharedSecret.expose()))
      using other = await keystore.decapsulate(privateKey, altered(ciphertext))
      notDeepEqual(Buffer.from(other.expose()), Buffer.from(sharedSecret.expose()))
      const failure = ['cryptographicFailure', ...UNFIT] as const
      await refuses(() => keystore.decapsulate(privateKey, ciphertext.subarray(1)), failure)
      await refuses(() => keystore.decapsulate(publicKey, ciphertext), failure)
    })
  }
  it('refuses keys that do not encapsulate', async (context) => {
    const bench = the()
    const spec: KeySpec = { algorithm: 'Ed25519', bits: 256 }
    if (bench.lacks(context, { generate: spec })) return
    const secret = await bench.secret(AES)
    const other = await bench.pair(spec)
    const failure = ['cryptographicFailure', ...UNFIT] as const
    await refuses(() => bench.keystore.encapsulate(secret), failure)
    await refuses(() => bench.keystore.encapsulate(other.publicKey), failure)
    await refuses(() => bench.keystore.decapsulate(other.privateKey, TEXT), failure)
  })
}

function rest(the: The): void {
  it('gives random bytes, as many as are asked for', async () => {
    const { keystore } = the()
    for (const length of [0, 1, 32, 5_000]) equal((await keystore.random(length)).length, length)
    const [one, two] = [await keystore.random(32), await keystore.random(32)]
    notDeepEqual(Buffer.from(one), Buffer.from(two))
  })
  it('says how many bytes of a seed it used, and no more than were given', async () => {
    const used = await the().keystore.seed(crypto.randomBytes(20))
    ok(used >= 0 && used <= 20, `${used}`)
  })
  it('is healthy', async () => {
    equal(await the().keystore.health(), undefined)
  })
  it('names itself and says where the keys are', () => {
    const { name, can } = the().keystore
    ok(name.length > 0)
    ok(can.protectionStorageMask > 0)
  })
}
