/**
 * Wrapping and unwrapping keys: every mechanism there and back, what openssl makes of it, refusals.
 *
 * PKCS#11 3.2 §5.18.3 and §5.18.4. The attacks that are refused are played in
 * `attack-rules.test.ts`.
 *
 * @module
 */
import { deepEqual, equal, notDeepEqual, ok } from 'node:assert/strict'
import * as crypto from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { refuses, template, type Wishes, Workbench } from '#conformance/pkcs11-workbench.ts'
import { CKD, CKG, CKK, CKM, CKO, CKR, CKZ } from '#spec/pkcs11/constants.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import type { Mechanism } from '#spec/pkcs11/types.ts'

const IV16 = Buffer.alloc(16, 7)
const IV8 = Buffer.alloc(8, 7)
const P256 = Buffer.from('06082a8648ce3d030107', 'hex')
const OAEP = {
  hashAlg: CKM.SHA256,
  mgf: CKG.MGF1_SHA256,
  source: CKZ.DATA_SPECIFIED,
  pSourceData: undefined,
}
const GCM = { pIv: Buffer.alloc(12, 7), ulIvBits: 96, pAAD: Buffer.from('with it'), ulTagBits: 128 }
const CCM = { ulDataLen: 32, pNonce: Buffer.alloc(12, 7), pAAD: undefined, ulMACLen: 16 }
const CHACHA = { pNonce: Buffer.alloc(12, 7), pAAD: undefined }

const agreed = (type: number, ulAESKeyBits: number, kdf: number = CKD.SHA256_KDF): Mechanism => {
  return { type, parameter: { ulAESKeyBits, kdf, pSharedData: undefined } }
}
const plain = (type: number): Mechanism => ({ type, parameter: undefined })
/** Whether it wraps private keys too. */
type Row = readonly [name: string, mechanism: Mechanism, keyType: number, both: boolean]

// biome-ignore format: a table
const ROWS: readonly Row[] = [
  ['AES_KEY_WRAP',       plain(CKM.AES_KEY_WRAP),                          CKK.AES,      false],
  ['AES_KEY_WRAP_PAD',   plain(CKM.AES_KEY_WRAP_PAD),                      CKK.AES,      true],
  ['AES_KEY_WRAP_KWP',   plain(CKM.AES_KEY_WRAP_KWP),                      CKK.AES,      true],
  ['AES_KEY_WRAP_PKCS7', plain(CKM.AES_KEY_WRAP_PKCS7),                    CKK.AES,      true],
  ['AES_CBC',            { type: CKM.AES_CBC, parameter: IV16 },           CKK.AES,      false],
  ['AES_CBC_PAD',        { type: CKM.AES_CBC_PAD, parameter: IV16 },       CKK.AES,      true],
  ['AES_GCM',            { type: CKM.AES_GCM, parameter: GCM },            CKK.AES,      true],
  ['AES_CCM',            { type: CKM.AES_CCM, parameter: CCM },            CKK.AES,      false],
  ['DES3_CBC',           { type: CKM.DES3_CBC, parameter: IV8 },           CKK.DES3,     false],
  ['DES3_CBC_PAD',       { type: CKM.DES3_CBC_PAD, parameter: IV8 },       CKK.DES3,     true],
  ['CHACHA20_POLY1305',  { type: CKM.CHACHA20_POLY1305, parameter: CHACHA }, CKK.CHACHA20, true],
  ['RSA_PKCS',           plain(CKM.RSA_PKCS),                              CKK.RSA,      false],
  ['RSA_PKCS_OAEP',      { type: CKM.RSA_PKCS_OAEP, parameter: OAEP },     CKK.RSA,      false],
  ['RSA_AES_KEY_WRAP',   { type: CKM.RSA_AES_KEY_WRAP, parameter: { ulAESKeyBits: 256, pOAEPParams: OAEP } }, CKK.RSA, true],
  ['ECDH_AES_KEY_WRAP',     agreed(CKM.ECDH_AES_KEY_WRAP, 256),             CKK.EC,       true],
  ['ECDH_COF_AES_KEY_WRAP', agreed(CKM.ECDH_COF_AES_KEY_WRAP, 128),         CKK.EC,       true],
  ['ECDH_X_AES_KEY_WRAP',   agreed(CKM.ECDH_X_AES_KEY_WRAP, 192, CKD.NULL), CKK.EC_MONTGOMERY, true],
]

const GENERATORS: Readonly<Record<number, readonly [number, Wishes]>> = {
  [CKK.AES]: [CKM.AES_KEY_GEN, { VALUE_LEN: 32 }],
  [CKK.DES3]: [CKM.DES3_KEY_GEN, {}],
  [CKK.CHACHA20]: [CKM.CHACHA20_KEY_GEN, {}],
}

describe('keys that are wrapped', { timeout: 120_000 }, () => {
  let bench: Workbench
  let session: number
  /** The key that wraps and the one that unwraps, by type. */
  const wrappers = new Map<number, readonly [number, number]>()

  before(async () => {
    bench = await Workbench.open()
    session = await bench.session()
    const rsa = { MODULUS_BITS: 2048, ENCRYPT: false, WRAP: true }
    const back = { DECRYPT: false, UNWRAP: true, EXTRACTABLE: true, SENSITIVE: false }
    const pair = await bench.generatePair(session, CKM.RSA_PKCS_KEY_PAIR_GEN, rsa, back)
    wrappers.set(CKK.RSA, pair)
    for (const [type, generator, EC_PARAMS] of [
      [CKK.EC, CKM.EC_KEY_PAIR_GEN, P256],
      [CKK.EC_MONTGOMERY, CKM.EC_MONTGOMERY_KEY_PAIR_GEN, Buffer.from('06032b656f', 'hex')],
    ] as const) {
      const wraps = { EC_PARAMS, WRAP: true }
      const unwraps = { UNWRAP: true, EXTRACTABLE: true, SENSITIVE: false }
      wrappers.set(type, await bench.generatePair(session, generator, wraps, unwraps))
    }
    for (const [type, [mechanism, wishes]] of Object.entries(GENERATORS)) {
      const both = { WRAP: true, UNWRAP: true, ENCRYPT: false, DECRYPT: false }
      const readable = { EXTRACTABLE: true, SENSITIVE: false }
      const key = await bench.generate(session, mechanism, { ...wishes, ...both, ...readable })
      wrappers.set(Number(type), [key, key])
    }
  })
  after(() => bench.close())

  const wrap = async (pMechanism: Mechanism, hWrappingKey: number, hKey: number) => {
    const args = { hSession: session, pMechanism, hWrappingKey, hKey }
    const asked = await bench.call.C_WrapKey(bench.app, { ...args, pWrappedKey: undefined })
    const { pWrappedKey } = await bench.call.C_WrapKey(bench.app, { ...args, pWrappedKey: 9_000 })
    ok(pWrappedKey instanceof Uint8Array)
    equal(asked.pWrappedKey, pWrappedKey.length)
    const short = { ...args, pWrappedKey: pWrappedKey.length - 1 }
    equal((await bench.call.C_WrapKey(bench.app, short)).pWrappedKey, pWrappedKey.length)
    return pWrappedKey
  }
  const unwrap = async (
    pMechanism: Mechanism,
    hUnwrappingKey: number,
    pWrappedKey: Uint8Array,
    wishes: Wishes,
  ) => {
    const args = { hSession: session, pMechanism, hUnwrappingKey, pWrappedKey }
    const pTemplate = template(wishes)
    return (await bench.call.C_UnwrapKey(bench.app, { ...args, pTemplate })).phKey
  }
  const OPEN = { EXTRACTABLE: true, SENSITIVE: false }
  const AES = { CLASS: CKO.SECRET_KEY, KEY_TYPE: CKK.AES, ...OPEN }
  const valueIn = async (key: number) => {
    return Buffer.from((await bench.read(session, key, 'VALUE')).VALUE as Uint8Array)
  }

  for (const [name, mechanism, keyType, both] of ROWS) {
    it(`come back from ${name}`, async () => {
      const [sealing, opening] = wrappers.get(keyType) as readonly [number, number]
      const key = await bench.generate(session, CKM.AES_KEY_GEN, { VALUE_LEN: 32, ...OPEN })
      const wrapped = await wrap(mechanism, sealing, key)
      const value = await valueIn(key)
      equal(Buffer.from(wrapped).includes(value), false)
      const again = await unwrap(mechanism, opening, wrapped, AES)
      notDeepEqual(again, key)
      deepEqual(await valueIn(again), value)
      for (const flag of ['LOCAL', 'ALWAYS_SENSITIVE', 'NEVER_EXTRACTABLE', 'WRAP'] as const) {
        ok(!(await bench.flag(session, again, flag)), flag)
      }
      if (name === 'AES_CCM') return
      const [, hidden] = await bench.generatePair(
        session,
        CKM.EC_KEY_PAIR_GEN,
        { EC_PARAMS: P256 },
        OPEN,
      )
      if (!both) {
        if (name !== 'AES_KEY_WRAP') {
          await refuses(CKR.KEY_NOT_WRAPPABLE, () => wrap(mechanism, sealing, hidden))
        }
        return
      }
      const pkcs8 = await wrap(mechanism, sealing, hidden)
      const wishes = { CLASS: CKO.PRIVATE_KEY, KEY_TYPE: CKK.EC, ...OPEN }
      deepEqual(
        await valueIn(await unwrap(mechanism, opening, pkcs8, wishes)),
        await valueIn(hidden),
      )
    })

    it(`are not taken from ${name} when they are altered, or are no such keys`, async () => {
      const [sealing, opening] = wrappers.get(keyType) as readonly [number, number]
      const key = await bench.generate(session, CKM.AES_KEY_GEN, { VALUE_LEN: 32, ...OPEN })
      const wrapped = Buffer.from(await wrap(mechanism, sealing, key))
      const bare = name === 'AES_CBC' || name === 'DES3_CBC'
      if (!bare) {
        const broken = Buffer.from(wrapped)
        broken[broken.length - 1]! ^= 1
        await refuses(CKR.WRAPPED_KEY_INVALID, () => unwrap(mechanism, opening, broken, AES))
      }
      const des = { ...AES, KEY_TYPE: CKK.DES3 }
      if (!bare)
        await refuses(CKR.WRAPPED_KEY_INVALID, () => unwrap(mechanism, opening, wrapped, des))
      await refuses(CKR.UNWRAPPING_KEY_HANDLE_INVALID, () =>
        unwrap(mechanism, 99_999, wrapped, AES),
      )
      await refuses(CKR.WRAPPING_KEY_HANDLE_INVALID, () => wrap(mechanism, 99_999, key))
      await refuses(CKR.KEY_HANDLE_INVALID, () => wrap(mechanism, sealing, 99_999))
      const { KEY_TYPE: _, ...untyped } = AES
      await refuses(CKR.TEMPLATE_INCOMPLETE, () => unwrap(mechanism, opening, wrapped, untyped))
      const other = keyType === CKK.AES ? CKK.DES3 : CKK.AES
      const [wrong] = wrappers.get(other) as readonly [number, number]
      await refuses(CKR.WRAPPING_KEY_TYPE_INCONSISTENT, () => wrap(mechanism, wrong, key))
      await refuses(CKR.UNWRAPPING_KEY_TYPE_INCONSISTENT, () => {
        return unwrap(mechanism, wrong, wrapped, AES)
      })
    })
  }

  it('are wrapped with CBC in whole blocks, and cut to their length again', async () => {
    const [key] = wrappers.get(CKK.AES) as readonly [number, number]
    const mechanism = { type: CKM.AES_CBC, parameter: IV16 }
    const wishes = { VALUE_LEN: 20, ...OPEN }
    const secret = await bench.generate(session, CKM.GENERIC_SECRET_KEY_GEN, wishes)
    const wrapped = await wrap(mechanism, key, secret)
    equal(wrapped.length, 32)
    const typed = { ...AES, KEY_TYPE: CKK.GENERIC_SECRET }
    const again = await unwrap(mechanism, key, wrapped, { ...typed, VALUE_LEN: 20 })
    deepEqual(await valueIn(again), await valueIn(secret))
    const whole = await unwrap(mechanism, key, wrapped, typed)
    equal((await valueIn(whole)).length, 32)
    await refuses(CKR.WRAPPED_KEY_LEN_RANGE, () =>
      unwrap(mechanism, key, wrapped.subarray(1), typed),
    )
  })

  it('are what openssl makes of them, and the other way round', async () => {
    const [aes] = wrappers.get(CKK.AES) as readonly [number, number]
    const kek = await valueIn(aes)
    const pem = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const der = pem.export({ format: 'der', type: 'pkcs8' })
    const cipher = crypto.createCipheriv('id-aes256-wrap-pad', kek, Buffer.from('a65959a6', 'hex'))
    const theirs = Buffer.concat([cipher.update(der), cipher.final()])
    const wishes = { CLASS: CKO.PRIVATE_KEY, KEY_TYPE: CKK.EC, ...OPEN }
    const mechanism = plain(CKM.AES_KEY_WRAP_KWP)
    const key = await unwrap(mechanism, aes, theirs, wishes)
    deepEqual(
      await valueIn(key),
      Buffer.from(pem.export({ format: 'jwk' }).d as string, 'base64url'),
    )
    const ours = await wrap(mechanism, aes, key)
    const decipher = crypto.createDecipheriv(
      'id-aes256-wrap-pad',
      kek,
      Buffer.from('a65959a6', 'hex'),
    )
    const opened = Buffer.concat([decipher.update(ours), decipher.final()])
    ok(crypto.createPrivateKey({ key: opened, format: 'der', type: 'pkcs8' }).equals(pem))
  })

  it('are wrapped with RSA and AES as the standard lays it out', async () => {
    const [open, hidden] = wrappers.get(CKK.RSA) as readonly [number, number]
    const { PUBLIC_KEY_INFO } = await bench.read(session, open, 'PUBLIC_KEY_INFO')
    const spki = Buffer.from(PUBLIC_KEY_INFO as Uint8Array)
    const key = crypto.createPublicKey({ key: spki, format: 'der', type: 'spki' })
    const temporary = crypto.randomBytes(32)
    const oaep = { key, padding: crypto.constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }
    const head = crypto.publicEncrypt(oaep, temporary)
    const iv = Buffer.from('a65959a6', 'hex')
    const cipher = crypto.createCipheriv('id-aes256-wrap-pad', temporary, iv)
    const value = crypto.randomBytes(32)
    const theirs = Buffer.concat([head, cipher.update(value), cipher.final()])
    const parameter = { ulAESKeyBits: 256, pOAEPParams: OAEP }
    const mechanism = { type: CKM.RSA_AES_KEY_WRAP, parameter }
    deepEqual(await valueIn(await unwrap(mechanism, hidden, theirs, AES)), value)
    const other = { type: CKM.RSA_AES_KEY_WRAP, parameter: { ...parameter, ulAESKeyBits: 128 } }
    await refuses(CKR.WRAPPED_KEY_INVALID, () => unwrap(other, hidden, theirs, AES))
    const none = { type: CKM.RSA_AES_KEY_WRAP, parameter: { ...parameter, ulAESKeyBits: 64 } }
    await refuses(CKR.MECHANISM_PARAM_INVALID, () => unwrap(none, hidden, theirs, AES))
    await refuses(CKR.MECHANISM_PARAM_INVALID, () => {
      return unwrap(plain(CKM.RSA_AES_KEY_WRAP), hidden, theirs, AES)
    })
  })

  it('are wrapped with ECDH and AES as the standard lays it out', async () => {
    const [open, hidden] = wrappers.get(CKK.EC) as readonly [number, number]
    const { EC_POINT } = await bench.read(session, open, 'EC_POINT')
    const fresh = crypto.createECDH('prime256v1')
    const point = fresh.generateKeys()
    const shared = fresh.computeSecret(Buffer.from(EC_POINT as Uint8Array).subarray(2))
    const info = Buffer.from('shared data')
    const hashed = Buffer.concat([shared, Buffer.from('00000001', 'hex'), info])
    const temporary = crypto.createHash('sha256').update(hashed).digest()
    const iv = Buffer.from('a65959a6', 'hex')
    const cipher = crypto.createCipheriv('id-aes256-wrap-pad', temporary, iv)
    const value = crypto.randomBytes(32)
    const theirs = Buffer.concat([point, cipher.update(value), cipher.final()])
    const parameter = { ulAESKeyBits: 256, kdf: CKD.SHA256_KDF, pSharedData: info }
    const mechanism = { type: CKM.ECDH_AES_KEY_WRAP, parameter }
    deepEqual(await valueIn(await unwrap(mechanism, hidden, theirs, AES)), value)
    const other = { ...mechanism, parameter: { ...parameter, ulAESKeyBits: 128 } }
    const none = { ...mechanism, parameter: { ...parameter, ulAESKeyBits: 64 } }
    await refuses(CKR.WRAPPED_KEY_INVALID, () => unwrap(other, hidden, theirs, AES))
    await refuses(CKR.MECHANISM_PARAM_INVALID, () => unwrap(none, hidden, theirs, AES))
    for (const broken of [theirs.subarray(0, 40), Buffer.alloc(105, 4)]) {
      await refuses(CKR.WRAPPED_KEY_INVALID, () => unwrap(mechanism, hidden, broken, AES))
    }
  })

  it('are authenticated with data beside them, under an IV of ours', async () => {
    const [aes] = wrappers.get(CKK.AES) as readonly [number, number]
    const key = await bench.generate(session, CKM.AES_KEY_GEN, { VALUE_LEN: 16, ...OPEN })
    const pAssociatedData = Buffer.from('version 1')
    const parameter = {
      pIv: Buffer.alloc(12, 1),
      ulIvFixedBits: 32,
      ivGenerator: CKG.GENERATE_RANDOM,
      pAAD: undefined,
      ulTagBits: 128,
    }
    const mechanism = { type: CKM.AES_GCM, parameter }
    const args = { hSession: session, hWrappingKey: aes, hKey: key, pAssociatedData }
    const wrapKey = (pMechanism: Mechanism) =>
      bench.call.C_WrapKeyAuthenticated(bench.app, { ...args, pMechanism, pWrappedKey: 1_000 })
    const { pWrappedKey, pMechanism: back } = await wrapKey(mechanism)
    ok(pWrappedKey instanceof Uint8Array)
    ok(back !== undefined)
    const { pIv } = back.parameter as { pIv: Uint8Array }
    deepEqual(Buffer.from(pIv.subarray(0, 4)), Buffer.alloc(4, 1))
    notDeepEqual(Buffer.from(pIv), Buffer.alloc(12, 1))
    const given = { ...parameter, pIv, ulIvFixedBits: 0, ivGenerator: CKG.NO_GENERATE }
    const opening = {
      hSession: session,
      pMechanism: { type: CKM.AES_GCM, parameter: given },
      hUnwrappingKey: aes,
      pWrappedKey,
      pTemplate: template(AES),
    }
    const open = (data: Uint8Array | undefined) =>
      bench.call.C_UnwrapKeyAuthenticated(bench.app, { ...opening, pAssociatedData: data })
    deepEqual(await valueIn((await open(pAssociatedData)).phKey), await valueIn(key))
    await refuses(CKR.WRAPPED_KEY_INVALID, () => open(Buffer.from('version 2')))
    await refuses(CKR.WRAPPED_KEY_INVALID, () => open(undefined))
    await refuses(CKR.MECHANISM_INVALID, () => wrapKey(plain(CKM.AES_KEY_WRAP_KWP)))
    equal((await wrapKey(opening.pMechanism)).pMechanism, undefined)
  })

  it('stay where their attributes, or those of the wrapping key, say so', async () => {
    const [aes] = wrappers.get(CKK.AES) as readonly [number, number]
    const mechanism = plain(CKM.AES_KEY_WRAP_KWP)
    const make = (wishes: Wishes) =>
      bench.generate(session, CKM.AES_KEY_GEN, { VALUE_LEN: 16, ...wishes })
    const fixed = await make({ EXTRACTABLE: false })
    await refuses(CKR.KEY_UNEXTRACTABLE, () => wrap(mechanism, aes, fixed))
    const trusting = await make({ EXTRACTABLE: true, WRAP_WITH_TRUSTED: true })
    await refuses(CKR.KEY_NOT_WRAPPABLE, () => wrap(mechanism, aes, trusting))
    const idle = await make({ EXTRACTABLE: true })
    await refuses(CKR.KEY_FUNCTION_NOT_PERMITTED, () => wrap(mechanism, idle, trusting))
    const [open] = wrappers.get(CKK.RSA) as readonly [number, number]
    await refuses(CKR.KEY_NOT_WRAPPABLE, () => wrap(mechanism, aes, open))
    const choosy = await make({
      WRAP: true,
      DECRYPT: false,
      WRAP_TEMPLATE: template({ KEY_TYPE: CKK.GENERIC_SECRET }),
    })
    await refuses(CKR.KEY_HANDLE_INVALID, () => wrap(mechanism, choosy, idle))
    const other = await make({
      WRAP: true,
      DECRYPT: false,
      ALLOWED_MECHANISMS: ulongBytes(CKM.AES_GCM),
    })
    await refuses(CKR.MECHANISM_INVALID, () => wrap(mechanism, other, idle))
    await refuses(CKR.KEY_SIZE_RANGE, async () => {
      const odd = { VALUE_LEN: 9, EXTRACTABLE: true }
      const secret = await bench.generate(session, CKM.GENERIC_SECRET_KEY_GEN, odd)
      return wrap(plain(CKM.AES_KEY_WRAP), aes, secret)
    })
  })

  it('become what the template of the unwrapping key says', async () => {
    const value = crypto.randomBytes(32)
    const [plainKey] = wrappers.get(CKK.AES) as readonly [number, number]
    const strict = await bench.create(session, {
      CLASS: CKO.SECRET_KEY,
      KEY_TYPE: CKK.AES,
      VALUE: await valueIn(plainKey),
      UNWRAP: true,
      ENCRYPT: false,
      ...OPEN,
      UNWRAP_TEMPLATE: template({ SIGN: false, LABEL: 'unwrapped' }),
    })
    const secret = await bench.create(session, { ...AES, VALUE: value })
    const mechanism = plain(CKM.AES_KEY_WRAP_KWP)
    const wrapped = await wrap(mechanism, plainKey, secret)
    const again = await unwrap(mechanism, strict, wrapped, AES)
    const { LABEL } = await bench.read(session, again, 'LABEL')
    equal(Buffer.from(LABEL as Uint8Array).toString(), 'unwrapped')
    ok(!(await bench.flag(session, again, 'SIGN')))
    const against = { ...AES, SIGN: true }
    await refuses(CKR.TEMPLATE_INCONSISTENT, () => unwrap(mechanism, strict, wrapped, against))
  })

  it('are offered under the flags of their mechanisms', async () => {
    for (const [, { type }] of ROWS) {
      const { pInfo } = await bench.call.C_GetMechanismInfo(bench.app, { slotID: 0, type })
      equal((pInfo.flags & 0x60000) >>> 0, 0x60000, `${type}`)
    }
    for (const type of [CKM.AES_ECB, CKM.AES_CTR, CKM.RSA_X_509]) {
      const { pInfo } = await bench.call.C_GetMechanismInfo(bench.app, { slotID: 0, type })
      equal(pInfo.flags & 0x60000, 0, `${type}`)
    }
  })
})
