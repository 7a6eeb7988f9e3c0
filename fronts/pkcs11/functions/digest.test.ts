/**
 * Digests, their state put aside, two operations at once, and random numbers.
 *
 * @module
 */
import { deepEqual, equal, notDeepEqual, ok } from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { newOwnToken, type OwnToken, rvOf } from '#conformance/own-token.ts'
import { KeyFormatType } from '#spec/kmip/enumerations.ts'
import { CKM } from '#spec/pkcs11/constants.ts'

const TEXT = Buffer.from('The quick brown fox jumps over the lazy dog')
const SHA256 = { type: CKM.SHA256, parameter: undefined }
const CTR = { type: CKM.AES_CTR, parameter: { ulCounterBits: 128, cb: Buffer.alloc(16) } }
const AES = { algorithm: 'AES', bits: 256 } as const
const ROOM = 1_000

const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
const bytes = (value: Uint8Array | number): Buffer => {
  ok(typeof value !== 'number', 'only a length')
  return Buffer.from(value)
}

describe('digests', { timeout: 60_000 }, () => {
  let own: OwnToken
  before(async () => {
    own = await newOwnToken({
      limits: { randomBytesMax: 100, bufferedBytesMax: 1_024, savedStatesMax: 2 },
    })
  })
  after(() => own.close())

  const init = (hSession = own.hSession, pMechanism = SHA256) =>
    own.handlers.C_DigestInit(own.application, { hSession, pMechanism })
  const digest = async (pDigest: number | undefined, pData: Uint8Array = TEXT) => {
    const args = { hSession: own.hSession, pData, pDigest }
    return (await own.handlers.C_Digest(own.application, args)).pDigest
  }
  const update = (pPart: Uint8Array | undefined, hSession = own.hSession) =>
    own.handlers.C_DigestUpdate(own.application, { hSession, pPart })
  const final = async (pDigest: number | undefined, hSession = own.hSession) =>
    (await own.handlers.C_DigestFinal(own.application, { hSession, pDigest })).pDigest

  it('gives lengths without consuming anything, and then the digest', async () => {
    deepEqual(await init(), { rule: 'fixed', length: 32, isRepeatable: true })
    equal(await rvOf(() => init()), 'CKR_OPERATION_ACTIVE')
    equal(await digest(undefined), 32)
    equal(await digest(31), 32)
    deepEqual(bytes(await digest(32)), sha256(TEXT))
    equal(await rvOf(() => digest(32)), 'CKR_OPERATION_NOT_INITIALIZED')
    await init()
    await update(TEXT)
    await update(undefined)
    equal(await rvOf(() => digest(32)), 'CKR_OPERATION_ACTIVE')
    equal(await final(undefined), 32)
    equal(await final(1), 32)
    deepEqual(bytes(await final(32)), sha256(TEXT))
    equal(await rvOf(() => final(32)), 'CKR_OPERATION_NOT_INITIALIZED')
  })

  it('refuses a mechanism with a parameter, and one that does not digest', async () => {
    const { handlers, application, hSession } = own
    const begin = (type: number, parameter?: Uint8Array) => () =>
      handlers.C_DigestInit(application, { hSession, pMechanism: { type, parameter } })
    equal(await rvOf(begin(CKM.SHA256, TEXT)), 'CKR_MECHANISM_PARAM_INVALID')
    equal(await rvOf(begin(CKM.AES_CBC, TEXT)), 'CKR_MECHANISM_INVALID')
  })

  it('takes in a secret key that may leave, and no other', async () => {
    const { handlers, application, hSession } = own
    const material = Buffer.alloc(32, 3)
    const open = await own.imported('secret', AES, KeyFormatType.Raw, material)
    const more = [{ id: 'extractable', value: false }] as const
    const kept = await own.secret(AES, { more })
    const { publicKey } = await own.pair({ algorithm: 'Ed25519', bits: 256 })
    const digestKey = (hKey: number) => () => handlers.C_DigestKey(application, { hSession, hKey })
    await init()
    await update(TEXT)
    await digestKey(open)()
    deepEqual(bytes(await final(ROOM)), sha256(TEXT, material))
    for (const [hKey, rv] of [
      [kept, 'CKR_KEY_INDIGESTIBLE'],
      [publicKey, 'CKR_KEY_INDIGESTIBLE'],
      [4_711, 'CKR_KEY_HANDLE_INVALID'],
    ] as const) {
      await init()
      equal(await rvOf(digestKey(hKey)), rv)
      equal(await rvOf(() => final(ROOM)), 'CKR_OPERATION_NOT_INITIALIZED')
    }
  })

  it('puts its state aside and takes it up again, also in another session', async () => {
    const { handlers, application, hSession } = own
    const save = async (room: number | undefined) =>
      (await handlers.C_GetOperationState(application, { hSession, pOperationState: room }))
        .pOperationState
    const restore = (pOperationState: Uint8Array, to = hSession, hEncryptionKey = 0) =>
      handlers.C_SetOperationState(application, {
        hSession: to,
        pOperationState,
        hEncryptionKey,
        hAuthenticationKey: 0,
      })
    equal(await rvOf(() => save(ROOM)), 'CKR_OPERATION_NOT_INITIALIZED')
    await init()
    await update(TEXT.subarray(0, 20))
    const length = await save(undefined)
    const state = bytes(await save(length as number))
    equal(state.length, length)
    await update(Buffer.from('something else'))
    notDeepEqual(bytes(await final(ROOM)), sha256(TEXT))
    const other = await own.newSession()
    for (const session of [hSession, other]) {
      await restore(state, session)
      await update(TEXT.subarray(20), session)
      deepEqual(bytes(await final(ROOM, session)), sha256(TEXT))
    }
    equal(await rvOf(() => restore(state.subarray(1))), 'CKR_SAVED_STATE_INVALID')
    equal(await rvOf(() => restore(state, hSession, 1)), 'CKR_KEY_NOT_NEEDED')
    const hKey = await own.secret(AES)
    await init()
    await handlers.C_EncryptInit(application, { hSession, pMechanism: CTR, hKey })
    equal(await rvOf(() => save(ROOM)), 'CKR_STATE_UNSAVEABLE')
    await handlers.C_EncryptInit(application, { hSession, pMechanism: undefined, hKey })
    await save(ROOM)
    await save(ROOM)
    equal(await rvOf(() => restore(state)), 'CKR_SAVED_STATE_INVALID')
    await final(ROOM)
  })

  it('does two things at once with every part', async () => {
    const { handlers, application, hSession } = own
    const hKey = await own.secret(AES)
    const hMac = await own.imported(
      'secret',
      { algorithm: 'HMAC_SHA256', bits: 256 },
      KeyFormatType.Raw,
      Buffer.alloc(32, 9),
    )
    const mac = {
      hSession,
      pMechanism: { type: CKM.SHA256_HMAC, parameter: undefined },
      hKey: hMac,
    }
    const cipher = { hSession, pMechanism: CTR, hKey }
    const part = { hSession, pPart: TEXT, pEncryptedPart: ROOM }
    equal(
      await rvOf(() => handlers.C_DigestEncryptUpdate(application, part)),
      'CKR_OPERATION_NOT_INITIALIZED',
    )
    await init()
    await handlers.C_EncryptInit(application, cipher)
    const small = { ...part, pEncryptedPart: 5 }
    equal((await handlers.C_DigestEncryptUpdate(application, small)).pEncryptedPart, TEXT.length)
    const made = await handlers.C_DigestEncryptUpdate(application, part)
    const encrypted = bytes(made.pEncryptedPart)
    await handlers.C_EncryptFinal(application, { hSession, pLastEncryptedPart: ROOM })
    deepEqual(bytes(await final(ROOM)), sha256(TEXT))

    await init()
    await handlers.C_DecryptInit(application, cipher)
    const back = { hSession, pEncryptedPart: encrypted, pPart: ROOM }
    deepEqual(bytes((await handlers.C_DecryptDigestUpdate(application, back)).pPart), TEXT)
    await handlers.C_DecryptFinal(application, { hSession, pLastPart: ROOM })
    deepEqual(bytes(await final(ROOM)), sha256(TEXT))

    await handlers.C_SignInit(application, mac)
    await handlers.C_EncryptInit(application, cipher)
    const signed = await handlers.C_SignEncryptUpdate(application, part)
    deepEqual(bytes(signed.pEncryptedPart), encrypted)
    await handlers.C_EncryptFinal(application, { hSession, pLastEncryptedPart: ROOM })
    const code = await handlers.C_SignFinal(application, { hSession, pSignature: ROOM })
    const pSignature = bytes(code.pSignature)
    deepEqual(pSignature, createHmac('sha256', Buffer.alloc(32, 9)).update(TEXT).digest())

    await handlers.C_VerifyInit(application, mac)
    await handlers.C_DecryptInit(application, cipher)
    deepEqual(bytes((await handlers.C_DecryptVerifyUpdate(application, back)).pPart), TEXT)
    await handlers.C_DecryptFinal(application, { hSession, pLastPart: ROOM })
    await handlers.C_VerifyFinal(application, { hSession, pSignature })
  })

  it('gives random bytes in pieces, none, and not too many; takes a seed', async () => {
    const { handlers, application, hSession } = own
    const random = async (pRandomData: number) =>
      (await handlers.C_GenerateRandom(application, { hSession, pRandomData })).pRandomData
    for (const length of [0, 1, 100, 101, 1_024]) equal((await random(length)).length, length)
    notDeepEqual(await random(32), await random(32))
    equal(await rvOf(() => random(1_025)), 'CKR_DEVICE_MEMORY')
    equal(await rvOf(() => handlers.C_SeedRandom(application, { hSession, pSeed: TEXT })), 'CKR_OK')
  })
})
