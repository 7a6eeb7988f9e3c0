/**
 * Signing, verifying and recovering, rule by rule.
 *
 * @module
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { newOwnToken, type OwnToken, rvOf } from '#conformance/own-token.ts'
import { revoke } from '#core/operations/lifecycle.ts'
import { CryptographicUsageMask as Mask, UsageLimitsUnit } from '#spec/kmip/enumerations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { CKH, CKM } from '#spec/pkcs11/constants.ts'
import { ulongBytes, ulongsBytes } from '#spec/pkcs11/memory.ts'
import type { Mechanism } from '#spec/pkcs11/types.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import { ALLOWED_MECHANISMS, ALWAYS_AUTHENTICATE } from '../objects/use.ts'

const TEXT = Buffer.from('The quick brown fox jumps over the lazy dog')
const P256 = { algorithm: 'EC', bits: 256, curve: 'P_256' } as const
const ECDSA: Mechanism = { type: CKM.ECDSA_SHA256, parameter: undefined }
const HMAC: Mechanism = { type: CKM.SHA256_HMAC, parameter: undefined }

function attribute(id: `y:${string}`, type: ItemType, value: unknown) {
  return { id, value: { tag: Tag.AttributeValue, type, value } } as const
}

describe('signing', { timeout: 60_000 }, () => {
  let own: OwnToken
  let pair: { privateKey: number; publicKey: number }
  let rsa: { privateKey: number; publicKey: number }
  let hmac: number
  before(async () => {
    own = await newOwnToken()
    pair = await own.pair(P256)
    rsa = await own.pair({ algorithm: 'RSA', bits: 2048 })
    hmac = await own.secret({ algorithm: 'HMAC_SHA256', bits: 256 })
  })
  after(() => own.close())

  const init = (pMechanism: Mechanism | undefined, hKey: number, hSession = own.hSession) =>
    rvOf(() => own.handlers.C_SignInit(own.application, { hSession, pMechanism, hKey }))
  const verifyInit = (pMechanism: Mechanism, hKey: number) =>
    rvOf(() => own.handlers.C_VerifyInit(own.application, { ...sessionArg(), pMechanism, hKey }))
  const sessionArg = () => ({ hSession: own.hSession })
  const room = (bytes: number | 'NULL') => (bytes === 'NULL' ? undefined : bytes)
  const sign = async (bytes: number | 'NULL' = 1_000, pData: Uint8Array = TEXT) => {
    const args = { ...sessionArg(), pData, pSignature: room(bytes) }
    return (await own.handlers.C_Sign(own.application, args)).pSignature
  }
  const update = (part: Uint8Array | 'NULL' = TEXT) => {
    const pPart = part === 'NULL' ? undefined : part
    return own.handlers.C_SignUpdate(own.application, { ...sessionArg(), pPart })
  }
  const final = async (bytes: number | 'NULL' = 1_000) => {
    const args = { ...sessionArg(), pSignature: room(bytes) }
    return (await own.handlers.C_SignFinal(own.application, args)).pSignature
  }
  const verify = (pSignature: Uint8Array, pData: Uint8Array = TEXT) =>
    rvOf(() => own.handlers.C_Verify(own.application, { ...sessionArg(), pData, pSignature }))
  const signature = async (): Promise<Buffer> => {
    await init(ECDSA, pair.privateKey)
    return Buffer.from((await sign()) as Uint8Array)
  }

  it('answers at once where the key is in memory', async () => {
    const { handlers, application, hSession } = own
    const begun = handlers.C_SignInit(application, {
      hSession,
      pMechanism: ECDSA,
      hKey: pair.privateKey,
    })
    deepEqual(begun, { rule: 'fixed', length: 64, isRepeatable: true })
    const answer = handlers.C_Sign(application, { hSession, pData: TEXT, pSignature: 64 })
    ok(!(answer instanceof Promise) && typeof answer.pSignature !== 'number')
  })

  it('gives lengths without computing, and goes on after a buffer that is too small', async () => {
    await init(ECDSA, pair.privateKey)
    equal(await sign('NULL'), 64)
    equal(await sign(63), 64)
    equal(((await sign(64)) as Uint8Array).length, 64)
    equal(await rvOf(() => sign()), 'CKR_OPERATION_NOT_INITIALIZED')
    await init(HMAC, hmac)
    await update()
    equal(await final('NULL'), 32)
    equal(await final(31), 32)
    equal(((await final(32)) as Uint8Array).length, 32)
    equal(await rvOf(() => final()), 'CKR_OPERATION_NOT_INITIALIZED')
  })

  it('ends with every other error', async () => {
    await init({ type: CKM.RSA_PKCS, parameter: undefined }, rsa.privateKey)
    equal(await rvOf(() => sign(1_000, Buffer.alloc(246))), 'CKR_DATA_LEN_RANGE')
    equal(await rvOf(() => sign()), 'CKR_OPERATION_NOT_INITIALIZED')
  })

  it('has one operation of a kind, and cancels it with no mechanism', async () => {
    equal(await init(ECDSA, pair.privateKey), 'CKR_OK')
    equal(await init(ECDSA, pair.privateKey), 'CKR_OPERATION_ACTIVE')
    equal(await verifyInit(ECDSA, pair.publicKey), 'CKR_OK')
    equal(await init(undefined, 0), 'CKR_OK')
    equal(await rvOf(() => sign()), 'CKR_OPERATION_NOT_INITIALIZED')
    equal(await init(undefined, 0), 'CKR_OK')
    equal(await verify(Buffer.alloc(64)), 'CKR_SIGNATURE_INVALID')
  })

  it('does not mix one part with parts, and loses nothing of them', async () => {
    await init(HMAC, hmac)
    await update(TEXT.subarray(0, 10))
    equal(await rvOf(() => sign()), 'CKR_OPERATION_ACTIVE')
    await update(TEXT.subarray(10))
    await update('NULL')
    const parts = await final()
    await init(HMAC, hmac)
    deepEqual(await sign(), parts)
  })

  it('signs nothing at all in no parts', async () => {
    await init(HMAC, hmac)
    const none = await final()
    await init(HMAC, hmac)
    deepEqual(await sign(1_000, new Uint8Array(0)), none)
  })

  it('tells a wrong length from a wrong signature, and ends either way', async () => {
    const right = await signature()
    const wrong = Buffer.from(right)
    wrong.writeUInt8(right.readUInt8(40) ^ 1, 40)
    for (const [bytes, rv] of [
      [right, 'CKR_OK'],
      [wrong, 'CKR_SIGNATURE_INVALID'],
      [right.subarray(1), 'CKR_SIGNATURE_LEN_RANGE'],
      [Buffer.concat([right, right]), 'CKR_SIGNATURE_LEN_RANGE'],
    ] as const) {
      await verifyInit(ECDSA, pair.publicKey)
      equal(await verify(bytes), rv)
      equal(await verify(bytes), 'CKR_OPERATION_NOT_INITIALIZED')
    }
  })

  it('verifies with the signature known first, once', async () => {
    const { handlers, application, hSession } = own
    const pSignature = await signature()
    const args = { hSession, pMechanism: ECDSA, hKey: pair.publicKey, pSignature }
    await handlers.C_VerifySignatureInit(application, args)
    const again = () => handlers.C_VerifySignatureInit(application, args)
    equal(await rvOf(again), 'CKR_OPERATION_ACTIVE')
    await handlers.C_VerifySignatureUpdate(application, { hSession, pPart: TEXT.subarray(0, 9) })
    const whole = () => handlers.C_VerifySignature(application, { hSession, pData: TEXT })
    equal(await rvOf(whole), 'CKR_OPERATION_ACTIVE')
    await handlers.C_VerifySignatureUpdate(application, { hSession, pPart: TEXT.subarray(9) })
    await handlers.C_VerifySignatureFinal(application, { hSession })
    await handlers.C_VerifySignatureInit(application, args)
    const other = () => handlers.C_VerifySignature(application, { hSession, pData: Buffer.of(1) })
    equal(await rvOf(other), 'CKR_SIGNATURE_INVALID')
    equal(await rvOf(whole), 'CKR_OPERATION_NOT_INITIALIZED')
    const short = { ...args, pSignature: Buffer.alloc(3) }
    const refused = () => handlers.C_VerifySignatureInit(application, short)
    equal(await rvOf(refused), 'CKR_SIGNATURE_LEN_RANGE')
  })

  it('refuses mechanisms: unknown, for something else, with the wrong parameter', async () => {
    const raw = Buffer.alloc(5)
    const pss = { hashAlg: CKM.SHA256, mgf: 2, sLen: 32 }
    for (const [type, parameter, hKey, rv] of [
      [0x7fff_0000, undefined, hmac, 'CKR_MECHANISM_INVALID'],
      [CKM.SHA256, undefined, hmac, 'CKR_MECHANISM_INVALID'],
      [CKM.AES_CBC, raw, hmac, 'CKR_MECHANISM_INVALID'],
      [CKM.SHA256_HMAC, raw, hmac, 'CKR_MECHANISM_PARAM_INVALID'],
      [CKM.SHA256_HMAC_GENERAL, undefined, hmac, 'CKR_MECHANISM_PARAM_INVALID'],
      [CKM.SHA256_HMAC_GENERAL, raw, hmac, 'CKR_MECHANISM_PARAM_INVALID'],
      [CKM.SHA256_HMAC_GENERAL, ulongBytes(33), hmac, 'CKR_MECHANISM_PARAM_INVALID'],
      [CKM.SHA256_HMAC_GENERAL, ulongBytes(0), hmac, 'CKR_MECHANISM_PARAM_INVALID'],
      [CKM.RSA_PKCS_PSS, undefined, rsa.privateKey, 'CKR_MECHANISM_PARAM_INVALID'],
      [CKM.RSA_PKCS_PSS, raw, rsa.privateKey, 'CKR_MECHANISM_PARAM_INVALID'],
      [CKM.RSA_PKCS_PSS, { ...pss, hashAlg: 1 }, rsa.privateKey, 'CKR_MECHANISM_PARAM_INVALID'],
      [CKM.RSA_PKCS_PSS, { ...pss, mgf: 99 }, rsa.privateKey, 'CKR_MECHANISM_PARAM_INVALID'],
      [CKM.RSA_PKCS_PSS, { ...pss, sLen: 223 }, rsa.privateKey, 'CKR_MECHANISM_PARAM_INVALID'],
      [CKM.SHA384_RSA_PKCS_PSS, pss, rsa.privateKey, 'CKR_MECHANISM_PARAM_INVALID'],
      [CKM.ECDSA_SHA256, raw, pair.privateKey, 'CKR_MECHANISM_PARAM_INVALID'],
    ] as const) {
      equal(await init({ type, parameter }, hKey), rv, `0x${type.toString(16)}`)
    }
    equal(
      await init({ type: CKM.RSA_PKCS_PSS, parameter: { ...pss, sLen: 222 } }, rsa.privateKey),
      'CKR_OK',
    )
    await init(undefined, 0)
  })

  it('takes a context string where the algorithm has one', async () => {
    const parameter = { phFlag: false, pContextData: Buffer.from('context') }
    const mechanism = { type: CKM.EDDSA, parameter }
    for (const [algorithm, bits] of [
      ['Ed25519', 256],
      ['Ed448', 456],
    ] as const) {
      const keys = await own.pair({ algorithm, bits })
      equal(await init(mechanism, keys.privateKey), 'CKR_OK')
      const made = Buffer.from((await sign()) as Uint8Array)
      await verifyInit({ type: CKM.EDDSA, parameter: undefined }, keys.publicKey)
      equal(await verify(made), 'CKR_SIGNATURE_INVALID')
      await verifyInit(mechanism, keys.publicKey)
      equal(await verify(made), 'CKR_OK')
    }
  })

  it('hashes the message first where phFlag says so', async () => {
    const empty = { phFlag: true, pContextData: undefined }
    const ph = { type: CKM.EDDSA, parameter: empty }
    const context = { ...ph, parameter: { ...empty, pContextData: Buffer.from('context') } }
    const plain = { type: CKM.EDDSA, parameter: undefined }
    for (const [algorithm, bits] of [
      ['Ed25519', 256],
      ['Ed448', 456],
    ] as const) {
      const keys = await own.pair({ algorithm, bits })
      for (const mechanism of [ph, context]) {
        equal(await init(mechanism, keys.privateKey), 'CKR_OK')
        const made = Buffer.from((await sign()) as Uint8Array)
        for (const other of [ph, context, plain]) {
          await verifyInit(other, keys.publicKey)
          equal(await verify(made), other === mechanism ? 'CKR_OK' : 'CKR_SIGNATURE_INVALID')
        }
      }
    }
  })

  it('is hedged, or deterministic where that is required', async () => {
    for (const [type, algorithm, bits] of [
      [CKM.ML_DSA, 'ML_DSA_44', 10_496],
      [CKM.HASH_ML_DSA_SHA256, 'ML_DSA_44', 10_496],
      [CKM.SLH_DSA, 'SLH_DSA_SHA2_128f', 256],
    ] as const) {
      const keys = await own.pair({ algorithm, bits })
      const signed = async (hedgeVariant: number): Promise<string> => {
        const pContext = Buffer.from('context')
        const mechanism = { type, parameter: { hedgeVariant, pContext } }
        equal(await init(mechanism, keys.privateKey), 'CKR_OK')
        const made = Buffer.from((await sign(20_000)) as Uint8Array)
        await verifyInit({ type, parameter: { hedgeVariant: 0, pContext } }, keys.publicKey)
        equal(await verify(made), 'CKR_OK')
        return made.toString('hex')
      }
      const same = [
        await signed(CKH.DETERMINISTIC_REQUIRED),
        await signed(CKH.DETERMINISTIC_REQUIRED),
      ]
      equal(same[0], same[1])
      const others = new Set([...same, await signed(CKH.HEDGE_REQUIRED), await signed(0)])
      equal(others.size, 3)
      const unknown = { type, parameter: { hedgeVariant: 3, pContext: undefined } }
      equal(await init(unknown, keys.privateKey), 'CKR_MECHANISM_PARAM_INVALID')
    }
  })

  it('refuses keys: none, of another type, without the flag', async () => {
    const verifies = await own.pair(P256, { mask: Mask.Verify })
    const macVerifies = await own.secret(
      { algorithm: 'HMAC_SHA256', bits: 256 },
      { mask: Mask.MACVerify },
    )
    const aes512 = await own.secret({ algorithm: 'AES', bits: 512 })
    const cmac = { type: CKM.AES_CMAC, parameter: undefined }
    equal(await init(ECDSA, 4_711), 'CKR_KEY_HANDLE_INVALID')
    equal(await init(ECDSA, rsa.privateKey), 'CKR_KEY_TYPE_INCONSISTENT')
    equal(await init(HMAC, pair.privateKey), 'CKR_KEY_TYPE_INCONSISTENT')
    equal(await init({ ...HMAC, type: CKM.SHA384_HMAC }, hmac), 'CKR_KEY_TYPE_INCONSISTENT')
    equal(await init(cmac, aes512), 'CKR_KEY_SIZE_RANGE')
    equal(await init(ECDSA, pair.publicKey), 'CKR_KEY_FUNCTION_NOT_PERMITTED')
    equal(await init(ECDSA, verifies.privateKey), 'CKR_KEY_FUNCTION_NOT_PERMITTED')
    equal(await init(HMAC, macVerifies), 'CKR_KEY_FUNCTION_NOT_PERMITTED')
    equal(await verifyInit(HMAC, macVerifies), 'CKR_OK')
    equal(await verify(Buffer.alloc(32)), 'CKR_SIGNATURE_INVALID')
  })

  it('asks for the state of the key when it begins, and when it signs', async () => {
    const now = Math.floor(Date.now() / 1000)
    const later = await own.pair(P256, { activationDate: now + 1_000 })
    equal(await init(ECDSA, later.privateKey), 'CKR_KEY_FUNCTION_NOT_PERMITTED')
    const gone = await own.pair(P256)
    equal(await init(ECDSA, gone.privateKey), 'CKR_OK')
    const { id } = (
      await own.application.object(own.application.session(own.hSession), gone.privateKey)
    ).object
    await revoke(own.context('Revoke'), { id, reason: { revocationReasonCode: 5 } })
    equal(await rvOf(() => sign()), 'CKR_KEY_FUNCTION_NOT_PERMITTED')
    equal(await rvOf(() => sign()), 'CKR_OPERATION_NOT_INITIALIZED')
    equal(await verifyInit(ECDSA, gone.publicKey), 'CKR_OK')
    await verify(Buffer.alloc(64))
  })

  it('keeps to CKA_ALLOWED_MECHANISMS', async () => {
    const value = ulongsBytes([CKM.ECDSA_SHA384])
    const more = [attribute(ALLOWED_MECHANISMS, ItemType.ByteString, value)]
    const { privateKey } = await own.pair(P256, { more })
    equal(await init(ECDSA, privateKey), 'CKR_MECHANISM_INVALID')
    equal(await init({ ...ECDSA, type: CKM.ECDSA_SHA384 }, privateKey), 'CKR_OK')
    await init(undefined, 0)
  })

  it('wants a login of its own for a key with CKA_ALWAYS_AUTHENTICATE', async () => {
    const more = [attribute(ALWAYS_AUTHENTICATE, ItemType.Boolean, true)]
    const { privateKey } = await own.pair(P256, { more })
    equal(await init(ECDSA, privateKey), 'CKR_OK')
    equal(await sign('NULL'), 64)
    equal(await rvOf(() => sign()), 'CKR_USER_NOT_LOGGED_IN')
    equal(await init(ECDSA, privateKey), 'CKR_OK')
    const operation = own.application.session(own.hSession).operation('sign')
    equal(operation?.authenticated, false)
    if (operation !== undefined) operation.authenticated = true
    equal(((await sign()) as Uint8Array).length, 64)
    equal(await init(ECDSA, privateKey), 'CKR_OK')
    equal(await rvOf(() => update()), 'CKR_USER_NOT_LOGGED_IN')
  })

  it('takes what is signed from the Usage Limits', async () => {
    const usageLimits = {
      usageLimitsTotal: 2n,
      usageLimitsCount: 2n,
      usageLimitsUnit: UsageLimitsUnit.Object,
    }
    const hKey = await own.secret(
      { algorithm: 'HMAC_SHA256', bits: 256 },
      {
        more: [{ id: 'usageLimits', value: usageLimits }],
      },
    )
    await init(HMAC, hKey)
    await sign()
    await init(HMAC, hKey)
    await update()
    await final()
    await init(HMAC, hKey)
    equal(await rvOf(() => sign()), 'CKR_KEY_FUNCTION_NOT_PERMITTED')
  })

  it('leaves a trail of uses and refusals', async () => {
    await own.services.journal.flush()
    own.entries.length = 0
    await signature()
    await init({ ...ECDSA }, pair.publicKey)
    await own.services.journal.flush()
    const seen = own.entries.map(({ front, operation, outcome }) => [front, operation, outcome])
    deepEqual(seen, [
      ['pkcs11', 'Sign', 'success'],
      ['pkcs11', 'Sign', 'usageMask'],
    ])
  })

  it('gathers what a scheme needs whole, up to the limit', async () => {
    const small = await newOwnToken({ limits: { bufferedBytesMax: 1_024 } })
    const { handlers, application, hSession } = small
    const { privateKey: hKey } = await small.pair({ algorithm: 'Ed25519', bits: 256 })
    const pMechanism = { type: CKM.EDDSA, parameter: undefined }
    await handlers.C_SignInit(application, { hSession, pMechanism, hKey })
    const more = () => handlers.C_SignUpdate(application, { hSession, pPart: Buffer.alloc(600) })
    equal(await rvOf(more), 'CKR_OK')
    equal(await rvOf(more), 'CKR_DEVICE_MEMORY')
    equal(await rvOf(more), 'CKR_OPERATION_NOT_INITIALIZED')
    await small.close()
  })

  it('recovers what was signed, and nothing of a wrong signature', async () => {
    const { handlers, application, hSession } = own
    const pMechanism = { type: CKM.RSA_PKCS, parameter: undefined }
    await handlers.C_SignRecoverInit(application, { hSession, pMechanism, hKey: rsa.privateKey })
    const asked = { hSession, pData: TEXT, pSignature: undefined }
    equal((await handlers.C_SignRecover(application, asked)).pSignature, 256)
    const made = await handlers.C_SignRecover(application, { ...asked, pSignature: 256 })
    const pSignature = Buffer.from(made.pSignature as Uint8Array)
    const begin = () =>
      handlers.C_VerifyRecoverInit(application, { hSession, pMechanism, hKey: rsa.publicKey })
    const recover = async (pData: number | undefined, bytes = pSignature) =>
      (await handlers.C_VerifyRecover(application, { hSession, pSignature: bytes, pData })).pData
    await begin()
    equal(await recover(undefined), 256)
    equal(await recover(5), TEXT.length)
    deepEqual(Buffer.from((await recover(100)) as Uint8Array), TEXT)
    await begin()
    pSignature.writeUInt8(pSignature.readUInt8(9) ^ 1, 9)
    equal(await rvOf(() => recover(100)), 'CKR_SIGNATURE_INVALID')
    equal(await rvOf(() => recover(100)), 'CKR_OPERATION_NOT_INITIALIZED')
    await begin()
    equal(await rvOf(() => recover(100, pSignature.subarray(1))), 'CKR_SIGNATURE_LEN_RANGE')
    const wrong = { hSession, pMechanism: ECDSA, hKey: pair.privateKey }
    equal(await rvOf(() => handlers.C_SignRecoverInit(application, wrong)), 'CKR_MECHANISM_INVALID')
  })
})
