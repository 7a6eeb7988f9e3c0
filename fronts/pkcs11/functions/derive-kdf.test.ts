/**
 * Deriving keys by PKCS#11 with HKDF and SP 800-108: published answers, and node:crypto.
 *
 * PKCS#11 3.2 §5.18.5; RFC 5869, appendix A.
 *
 * @module
 */
import { deepEqual, equal } from 'node:assert/strict'
import * as crypto from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { deriving, fieldsOf, hex, OPEN } from '#conformance/pkcs11-deriving.ts'
import { refuses, template, Workbench } from '#conformance/pkcs11-workbench.ts'
import { CK, CKF, CKK, CKM, CKO, CKR } from '#spec/pkcs11/constants.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import type { Fields } from '#spec/pkcs11/types.ts'

describe('keys that are derived', { timeout: 60_000 }, () => {
  let bench: Workbench
  let session: number
  before(async () => {
    bench = await Workbench.open()
    session = await bench.session()
  })
  after(() => bench.close())

  const { answer, derive, bytesIn, derived, secret } = deriving(() => ({ bench, session }))

  describe('by HKDF', () => {
    const ikm = hex('0b'.repeat(22))
    const salt = hex('000102030405060708090a0b0c')
    const info = hex('f0f1f2f3f4f5f6f7f8f9')
    const prk = hex('077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5')
    const okm = hex(
      '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
    )
    const hkdf = (fields: Fields): Fields => ({
      bExtract: true,
      bExpand: true,
      prfHashMechanism: CKM.SHA256,
      ulSaltType: CKF.HKDF_SALT_DATA,
      pSalt: salt,
      hSaltKey: 0,
      pInfo: info,
      ...fields,
    })

    it('give the answers of RFC 5869, in one step or two', async () => {
      const base = await secret(ikm)
      deepEqual(await derived(CKM.HKDF_DERIVE, hkdf({}), base, { VALUE_LEN: 42 }), okm)
      const extract = hkdf({ bExpand: false, pInfo: undefined })
      deepEqual(await derived(CKM.HKDF_DERIVE, extract, base), prk)
      const expand = hkdf({ bExtract: false })
      deepEqual(await derived(CKM.HKDF_DERIVE, expand, await secret(prk), { VALUE_LEN: 42 }), okm)
      const byKey = hkdf({ ulSaltType: CKF.HKDF_SALT_KEY, hSaltKey: await secret(salt) })
      deepEqual(await derived(CKM.HKDF_DERIVE, byKey, base, { VALUE_LEN: 42 }), okm)
      const none = hkdf({ ulSaltType: CKF.HKDF_SALT_NULL, pSalt: undefined })
      const plain = Buffer.from(crypto.hkdfSync('sha256', ikm, Buffer.alloc(0), info, 20))
      deepEqual(await derived(CKM.HKDF_DERIVE, none, base, { VALUE_LEN: 20 }), plain)
    })
    it('are data where that is asked for', async () => {
      const base = await secret(ikm)
      const object = await bench.call.C_DeriveKey(bench.app, {
        hSession: session,
        pMechanism: { type: CKM.HKDF_DATA, parameter: hkdf({}) },
        hBaseKey: base,
        pTemplate: template({ CLASS: CKO.DATA, VALUE_LEN: 42 }),
      })
      equal(await bench.number(session, object.phKey, 'CLASS'), CKO.DATA)
      deepEqual(await bytesIn(object.phKey), okm)
    })
    it('are refused for parameters that say nothing', async () => {
      const base = await secret(ikm)
      const call = (fields: Fields) => () =>
        derive(CKM.HKDF_DERIVE, hkdf(fields), base, { VALUE_LEN: 16 })
      await refuses(CKR.MECHANISM_PARAM_INVALID, call({ bExtract: false, bExpand: false }))
      await refuses(CKR.MECHANISM_PARAM_INVALID, call({ ulSaltType: 7 }))
      await refuses(CKR.MECHANISM_PARAM_INVALID, call({ prfHashMechanism: CKM.AES_CBC }))
      await refuses(
        CKR.KEY_HANDLE_INVALID,
        call({ ulSaltType: CKF.HKDF_SALT_KEY, hSaltKey: 9_999 }),
      )
      await refuses(CKR.TEMPLATE_INCOMPLETE, () => derive(CKM.HKDF_DERIVE, hkdf({}), base))
      const idle = await secret(ikm, { DERIVE: false })
      await refuses(CKR.KEY_FUNCTION_NOT_PERMITTED, () => {
        return derive(CKM.HKDF_DERIVE, hkdf({}), idle, { VALUE_LEN: 16 })
      })
    })
  })

  describe('by SP 800-108', () => {
    const counter = (bits: number, littleEndian = false): Fields => ({
      type: CK.SP800_108_ITERATION_VARIABLE,
      pValue: Buffer.concat([ulongBytes(littleEndian ? 1 : 0), ulongBytes(bits)]),
    })
    const bytes = (pValue: Uint8Array): Fields => ({ type: CK.SP800_108_BYTE_ARRAY, pValue })
    const length = (method: number, bits: number): Fields => ({
      type: CK.SP800_108_DKM_LENGTH,
      pValue: Buffer.concat([ulongBytes(method), ulongBytes(0), ulongBytes(bits)]),
    })
    const kdf = (data: readonly Fields[], more: Fields = {}): Fields => ({
      prfType: CKM.SHA256_HMAC,
      pDataParams: data,
      pAdditionalDerivedKeys: undefined,
      ...more,
    })
    const base = crypto.randomBytes(32)
    const hmac = (...parts: readonly Uint8Array[]) =>
      crypto.createHmac('sha256', base).update(Buffer.concat(parts)).digest()
    const [label, context] = [Buffer.from('label'), Buffer.from('context')]

    it('have counter, label, context and length where the parameter puts them', async () => {
      const data = [
        counter(16),
        bytes(label),
        bytes(Buffer.of(0)),
        bytes(context),
        length(CK.SP800_108_DKM_LENGTH_SUM_OF_KEYS, 32),
      ]
      const key = await secret(base)
      const fixed = Buffer.concat([label, Buffer.of(0), context, hex('00000140')])
      const blocks = [hmac(hex('0001'), fixed), hmac(hex('0002'), fixed)]
      const made = await derived(CKM.SP800_108_COUNTER_KDF, kdf(data), key, { VALUE_LEN: 40 })
      deepEqual(made, Buffer.concat(blocks).subarray(0, 40))
      const whole = [...data.slice(0, 4), length(CK.SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS, 32)]
      const rounded = Buffer.concat([label, Buffer.of(0), context, hex('00000200')])
      const [first] = [hmac(hex('0001'), rounded)]
      const other = await derived(CKM.SP800_108_COUNTER_KDF, kdf(whole), key, { VALUE_LEN: 40 })
      deepEqual(other.subarray(0, 32), first)
    })
    it('chain in feedback and in the double pipeline', async () => {
      const key = await secret(base)
      const chain = { type: CK.SP800_108_ITERATION_VARIABLE, pValue: undefined }
      const data = [chain, bytes(label)]
      const iv = crypto.randomBytes(32)
      const one = hmac(iv, label)
      const fed = await derived(CKM.SP800_108_FEEDBACK_KDF, kdf(data, { pIV: iv }), key, {
        VALUE_LEN: 64,
      })
      deepEqual(fed, Buffer.concat([one, hmac(one, label)]))
      const first = hmac(label)
      const piped = await derived(CKM.SP800_108_DOUBLE_PIPELINE_KDF, kdf(data), key, {
        VALUE_LEN: 32,
      })
      deepEqual(piped, hmac(first, label))
    })
    it('come several at once, each from a block of its own', async () => {
      const key = await secret(base)
      const further = [
        { pTemplate: template({ KEY_TYPE: CKK.AES, VALUE_LEN: 16, ...OPEN }), phKey: 0 },
        { pTemplate: template({ KEY_TYPE: CKK.GENERIC_SECRET, VALUE_LEN: 40, ...OPEN }), phKey: 0 },
      ]
      const sum = length(CK.SP800_108_DKM_LENGTH_SUM_OF_KEYS, 32)
      const parameter = kdf([counter(8), bytes(label), sum], { pAdditionalDerivedKeys: further })
      const { phKey, pMechanism } = await answer(CKM.SP800_108_COUNTER_KDF, parameter, key, {
        ...OPEN,
        VALUE_LEN: 20,
      })
      const fixed = Buffer.concat([label, hex('00000260')])
      const block = (round: number) => hmac(Buffer.of(round), fixed)
      deepEqual(await bytesIn(phKey), block(1).subarray(0, 20))
      const keys = fieldsOf(pMechanism)['pAdditionalDerivedKeys'] as readonly Fields[]
      const [aes, generic] = keys.map((one) => one['phKey'] as number)
      deepEqual(await bytesIn(aes as number), block(2).subarray(0, 16))
      const long = Buffer.concat([block(3), block(4)]).subarray(0, 40)
      deepEqual(await bytesIn(generic as number), long)
    })
    it('come all or none', async () => {
      const key = await secret(base)
      const wishes = { LABEL: 'all or none', VALUE_LEN: 16 }
      const further = [
        { pTemplate: template(wishes), phKey: 0 },
        { pTemplate: template({ ...wishes, CLASS: CKO.PRIVATE_KEY }), phKey: 0 },
      ]
      const parameter = kdf([counter(8)], { pAdditionalDerivedKeys: further })
      await refuses(CKR.TEMPLATE_INCONSISTENT, () => {
        return answer(CKM.SP800_108_COUNTER_KDF, parameter, key, wishes)
      })
      deepEqual(await bench.find(session, { LABEL: 'all or none' }), [])
    })
    it('are refused without the iteration variable, and for odd widths', async () => {
      const key = await secret(base)
      const call =
        (data: readonly Fields[], more: Fields = {}) =>
        () =>
          derive(CKM.SP800_108_COUNTER_KDF, kdf(data, more), key, { VALUE_LEN: 32 })
      await refuses(CKR.MECHANISM_PARAM_INVALID, call([bytes(label)]))
      await refuses(CKR.MECHANISM_PARAM_INVALID, call([counter(12)]))
      await refuses(CKR.MECHANISM_PARAM_INVALID, call([counter(8), length(1, 8)]))
      await refuses(CKR.MECHANISM_PARAM_INVALID, call([counter(8)], { prfType: CKM.AES_CBC }))
      await refuses(CKR.KEY_TYPE_INCONSISTENT, call([counter(8)], { prfType: CKM.AES_CMAC }))
    })
  })
})
