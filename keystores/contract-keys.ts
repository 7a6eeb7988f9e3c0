/**
 * Keys that are made, taken in and given out, and the references to them: part of `contract.ts`.
 *
 * Every row and length of `spec/algorithms/keys.ts` is tried. Nothing works with a key
 * here but to show that a reference opens, or does not.
 *
 * @module
 */
import { deepEqual, equal, notDeepEqual, ok } from 'node:assert/strict'
import * as crypto from 'node:crypto'
import { it } from 'node:test'
import type { KeyInUse, Keystore } from '#core/keystore.ts'
import { type KeySpec, type SecretKeyAlgorithm, secretKeyRow } from '#spec/algorithms.ts'
import { KeyFormatType } from '#spec/kmip/enumerations.ts'
import {
  AES,
  altered,
  type Bench,
  nameOfSpec,
  P256,
  pairSpecs,
  RSA,
  refuses,
  secretSpecs,
  TEXT,
  type The,
} from './contract-bench.ts'

export function keys(the: The): void {
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

export function references(the: The, other: () => Keystore): void {
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
