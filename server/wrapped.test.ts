/**
 * Keys that are kept under a key in an HSM: how they are made, what is written of them, and what
 * using them needs.
 *
 * Skipped where Debian's softhsm2 is not installed.
 *
 * @module
 */
import { deepEqual, equal, notEqual } from 'node:assert/strict'
import { hash, randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { bitOf } from '#core/deeds.ts'
import { keyInUse } from '#core/keys.ts'
import type { ManagedObject } from '#core/objects.ts'
import { grantAccess, revokeAccess } from '#core/operations/access.ts'
import { duplicate } from '#core/operations/amend.ts'
import { create, createKeyPair } from '#core/operations/create.ts'
import { encrypt, mac, sign, signatureVerify } from '#core/operations/cryptography.ts'
import { deriveKey } from '#core/operations/derive.ts'
import { activate } from '#core/operations/lifecycle.ts'
import { reKey } from '#core/operations/rekey.ts'
import { parsed } from '#keystores/wrapped/reference.ts'
import {
  BlockCipherMode,
  CryptographicAlgorithm,
  DerivationMethod,
  HashingAlgorithm,
  CryptographicUsageMask as Mask,
  ObjectType,
} from '#spec/kmip/enumerations.ts'
import {
  attributes,
  Bench,
  GCM,
  HARDWARE,
  IV,
  KEEP,
  refused,
  skip,
  TEXT,
  USE,
  under,
} from './wrapped-bench.ts'

describe('keys kept under a key in an HSM', { skip, timeout: 120_000 }, () => {
  const bench = new Bench()
  let keeper: string
  before(async () => {
    await bench.open()
    keeper = await bench.aesKeeper()
  })
  after(() => bench.close())

  const { GCM: Gcm, AESKeyWrapPadding, NISTKeyWrap } = BlockCipherMode
  for (const [name, mode, cipher, place] of [
    // SoftHSM2 has no mechanism of RFC 5649; the first that it has is taken.
    ['AES-GCM, unasked', undefined, 'AES_GCM', 'vault'],
    ['AES-GCM', Gcm, 'AES_GCM', 'vault'],
    ['AES-KW', NISTKeyWrap, 'AES_KEY_WRAP', 'vault'],
    ['AES-KWP, of a key in software', AESKeyWrapPadding, 'AES_KEY_WRAP_KWP', 'software'],
    ['AES-KWP, unasked', undefined, 'AES_KEY_WRAP_KWP', 'software'],
  ] as const) {
    it(`are made and taken in under ${name}, and used`, async () => {
      const id = await bench.aesKeeper(mode, place)
      const bytes = randomBytes(32)
      const given = Buffer.from(bytes)
      const [made, taken] = [await bench.key(id), await bench.key(id, given)]
      for (const object of [made, taken]) {
        const handle = object.material?.handle as Uint8Array
        equal(parsed(handle).mechanism.cipher, cipher)
        equal(parsed(handle).keeper, id)
        equal(object.attributes.has('digest'), false)
        await bench.roundTrip(object.id)
      }
      deepEqual(await bench.valueOf(taken.id), bytes)
      equal(bench.holds(bytes), false)
      equal(bench.holds(await bench.valueOf(made.id)), false)
    })
  }

  it('are made and taken in under an RSA pair, whichever half is named', async () => {
    const { publicId, privateId } = await bench.rsaKeeper()
    for (const id of [publicId, privateId]) {
      const bytes = randomBytes(32)
      const object = await bench.key(id, Buffer.from(bytes))
      const { mechanism, keeper: by } = parsed(object.material?.handle as Uint8Array)
      deepEqual([mechanism.cipher, mechanism.ephemeralBits], ['RSA_PKCS_OAEP', undefined])
      equal(by, privateId)
      await bench.roundTrip(object.id)
      deepEqual(await bench.valueOf(object.id), bytes)
      equal(bench.holds(bytes), false)
    }
  })

  it('may be private keys, longer than RSA alone would take', async () => {
    const { publicId } = await bench.rsaKeeper()
    for (const id of [publicId, keeper, await bench.aesKeeper(Gcm)]) {
      const list = [...attributes(CryptographicAlgorithm.RSA, 2_048, Mask.Sign | Mask.Verify)]
      const { privateKey, publicKey } = await createKeyPair(bench.context(), {
        common: { attributes: [...list, under(id)] },
      })
      const { mechanism } = parsed(privateKey.material?.handle as Uint8Array)
      equal(mechanism.ephemeralBits, id === publicId ? 256 : undefined)
      notEqual(publicKey.material?.handle[0], privateKey.material?.handle[0])
      const wish = { data: TEXT, digested: false }
      const { signature } = await sign(bench.context(), { ...wish, id: privateKey.id })
      const check = { ...wish, id: publicKey.id, signature }
      equal((await signatureVerify(bench.context(), check)).valid, true)
      const bytes = await bench.valueOf(privateKey.id)
      equal(bench.holds(bytes.subarray(-64)), false)
    }
  })

  it('leave nothing in the files but what the keeper has wrapped; the search would find more', async () => {
    const bytes = randomBytes(32)
    // This mechanism binds nothing to what it wraps, so that it can be undone here.
    const id = await bench.aesKeeper(NISTKeyWrap)
    const object = await bench.key(id, Buffer.from(bytes))
    const reference = parsed(object.material?.handle as Uint8Array)
    equal(bench.holds(Buffer.from(reference.wrapped)), true)
    equal(bench.holds(bytes), false)
    const digest = hash('sha256', bytes, 'buffer')
    equal(bench.holds(digest), false)
    // Of a key that is sealed without a keeper the digest is written, and needs no device.
    const plain = await bench.key(undefined, Buffer.from(bytes))
    equal(bench.holds(digest), true)
    equal(
      bench.house.services.keystores
        .named('software')
        .keeperOf?.(plain.material?.handle as Uint8Array),
      undefined,
    )
    // The device alone makes the key of it again.
    const key = keyInUse((await bench.house.services.store.object(id)) as ManagedObject)
    const { mechanism, wrapped } = reference
    using material = await bench.hsm.unwrap(key, mechanism, wrapped)
    deepEqual(Buffer.from(material.expose()), bytes)
  })

  it('are wrapped over blocks where the parameters ask for what the device does not do', async () => {
    const { id } = await bench.key(await bench.aesKeeper(AESKeyWrapPadding))
    await bench.roundTrip(id)
  })

  it('are unwrapped once, for all who want them', async () => {
    const { id } = await bench.key(keeper)
    const start = bench.unwrappings
    await Promise.all(Array.from({ length: 20 }, () => bench.roundTrip(id)))
    for (let count = 0; count < 20; count++) await bench.roundTrip(id)
    equal(bench.unwrappings - start, 1)
    // From then on without waiting for anything.
    const wish = { id, parameters: GCM, iv: IV, data: TEXT }
    equal(encrypt(bench.context(), wish) instanceof Promise, false)
  })

  it('derive, MAC, wrap, and pass their keeper on to what replaces or copies them', async () => {
    const bytes = randomBytes(32)
    const object = await bench.key(keeper, Buffer.from(bytes))
    const parameters = { cryptographicAlgorithm: CryptographicAlgorithm.HMAC_SHA256 }
    const code = await mac(bench.context(), { id: object.id, parameters, data: TEXT })
    equal(code.mac.length, 32)
    const derived = await deriveKey(bench.context(), {
      objectType: ObjectType.SymmetricKey,
      ids: [object.id],
      method: DerivationMethod.HMAC,
      parameters: {
        cryptographicParameters: { hashingAlgorithm: HashingAlgorithm.SHA_256 },
        derivationData: TEXT,
      },
      given: {
        attributes: [...attributes(CryptographicAlgorithm.AES, 256, USE), under(keeper, 'x')],
      },
    })
    const next = await reKey(bench.context(), { id: object.id })
    const copy = await duplicate(bench.context(), object, object.attributes)
    for (const one of [derived, next, copy]) {
      equal(parsed(one.material?.handle as Uint8Array).keeper, keeper)
      await bench.roundTrip(one.id)
    }
    deepEqual(await bench.valueOf(copy.id), bytes)
    equal(bench.holds(bytes), false)
    const names = [...next.attributes.ids()].filter((one) => one.includes('wrapping_key_id'))
    deepEqual(names, [])
  })

  it('need a keeper that is there, Active, of the right kind, and allowed to keep', async () => {
    const { AES, HMAC_SHA256 } = CryptographicAlgorithm
    const kept = await bench.key(keeper)
    const make = async (algorithm: number, mask: number): Promise<string> => {
      const given = { attributes: attributes(algorithm, 256, mask) }
      return (await create(bench.context(), { objectType: ObjectType.SymmetricKey, given })).id
    }
    const count = await objects(bench)
    await refused(() => bench.key('nobody'), 'wrappingKeyNotFound', /"nobody"/)
    const noWrap = await make(AES, Mask.UnwrapKey)
    await refused(() => bench.key(noWrap), 'usageMask', /have WrapKey/)
    const noUnwrap = await make(AES, Mask.WrapKey)
    await refused(() => bench.key(noUnwrap), 'usageMask', /have UnwrapKey/)
    const hmac = await make(HMAC_SHA256, KEEP)
    await refused(() => bench.key(hmac), 'wrappingKeyKind', /under AES and RSA keys/)
    await refused(() => bench.key(kept.id), 'usageMask', /have WrapKey/)
    const preActive = attributes(AES, 256, KEEP).filter(({ id }) => id !== 'activationDate')
    const early = await create(bench.context(), {
      objectType: ObjectType.SymmetricKey,
      given: { attributes: preActive },
    })
    await refused(() => bench.key(early.id), 'wrongState', /activate it first/)
    const other = bench.context('Test', 'somebody else')
    const wish = { attributes: [...attributes(AES, 256, USE), under(keeper)] }
    const objectType = ObjectType.SymmetricKey
    await refused(() => create(other, { objectType, given: wish }), 'wrappingKeyNotFound', /none/)
    const inside = { objectType, given: wish, storageMasks: HARDWARE }
    await refused(() => create(bench.context(), inside), 'protectionStorage', /software keystore/)
    equal((await objects(bench)) - count, 4, 'nothing was made but the four keys of this test')
    await activate(bench.context(), early.id)
    await bench.key(early.id)
    const second = await create(bench.context(), {
      objectType,
      given: { attributes: [...attributes(AES, 256, KEEP), under(keeper)] },
    })
    await refused(() => bench.key(second.id), 'wrappingKeyKind', /itself kept under another/)
  })
})

describe('keys kept under a key of somebody else', { skip, timeout: 60_000 }, () => {
  const bench = new Bench()
  before(() => bench.open())
  after(() => bench.close())

  it('need the grant to encrypt with it when they are made, and none when they are used', async () => {
    const id = await bench.aesKeeper()
    await bench.house.createCredential({ name: 'app', days: 1 }, 'test')
    const list = [...attributes(CryptographicAlgorithm.AES, 256, USE), under(id)]
    const wish = { objectType: ObjectType.SymmetricKey, given: { attributes: list } }
    const app = bench.context('Create', 'app')
    await refused(() => create(app, wish), 'wrappingKeyNotFound', /none that you may see/)
    const deeds = bitOf('decrypt')
    await grantAccess(bench.context('Grant'), { id, principal: 'app', deeds })
    await refused(() => create(app, wish), 'permissionDenied', /not encrypt/)
    await revokeAccess(bench.context('Grant'), { id, principal: 'app', deeds })
    await grantAccess(bench.context('Grant'), { id, principal: 'app', deeds: bitOf('encrypt') })
    const key = await create(app, wish)
    await revokeAccess(bench.context('Grant'), { id, principal: 'app', deeds: bitOf('encrypt') })
    const use = { id: key.id, parameters: GCM, iv: IV, data: TEXT }
    await encrypt(bench.context('Encrypt', 'app'), use)
    await refused(() => create(app, wish), 'wrappingKeyNotFound', /none that you may see/)
  })
})

async function objects({ house }: Bench): Promise<number> {
  return (await house.services.store.find({ conditions: [], limit: 10_000 })).ids.length
}
