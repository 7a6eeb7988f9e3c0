/**
 * Messages: nonces that are made, tags beside the data, and what ends a message.
 *
 * @module
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { newOwnToken, type OwnToken, rvOf } from '#conformance/own-token.ts'
import { CKF, CKG, CKM } from '#spec/pkcs11/constants.ts'
import type { Fields, MessageParameter } from '#spec/pkcs11/types.ts'

const TEXT = Buffer.from('The quick brown fox jumps over the lazy dog')
const AAD = Buffer.from('associated')
const ROOM = 1_000
const GIVEN: Fields = {
  pIv: Buffer.alloc(12, 0xab),
  ulIvFixedBits: 32,
  ivGenerator: CKG.NO_GENERATE,
  pTag: Buffer.alloc(16),
  ulTagBits: 128,
}
const parameterOf = (fields: Fields): MessageParameter => ({ mechanism: CKM.AES_GCM, fields })

function fieldsOf(parameter: MessageParameter): { pIv: Buffer; pTag: Buffer } {
  ok(parameter !== undefined && !(parameter instanceof Uint8Array))
  const { pIv, pTag } = parameter.fields as { pIv: Uint8Array; pTag: Uint8Array }
  return { pIv: Buffer.from(pIv), pTag: Buffer.from(pTag) }
}

describe('messages', { timeout: 60_000 }, () => {
  let own: OwnToken
  let hKey: number
  const pMechanism = { type: CKM.AES_GCM, parameter: undefined }
  before(async () => {
    own = await newOwnToken()
    hKey = await own.secret({ algorithm: 'AES', bits: 256 })
  })
  after(() => own.close())

  const beginEncrypting = () => {
    const args = { hSession: own.hSession, pMechanism, hKey }
    return own.handlers.C_MessageEncryptInit(own.application, args)
  }
  const endEncrypting = () =>
    own.handlers.C_MessageEncryptFinal(own.application, { hSession: own.hSession })
  const encrypt = (fields: Fields, pCiphertext = ROOM) =>
    own.handlers.C_EncryptMessage(own.application, {
      hSession: own.hSession,
      pParameter: parameterOf(fields),
      pAssociatedData: AAD,
      pPlaintext: TEXT,
      pCiphertext,
    })
  const decrypt = (pParameter: MessageParameter, pCiphertext: Uint8Array, aad = AAD) =>
    own.handlers.C_DecryptMessage(own.application, {
      hSession: own.hSession,
      pParameter,
      pAssociatedData: aad,
      pCiphertext,
      pPlaintext: ROOM,
    })

  it('writes back the nonces that it makes, by each generator', async () => {
    await beginEncrypting()
    equal(await rvOf(beginEncrypting), 'CKR_OPERATION_ACTIVE')
    const nonces = async (ivGenerator: number): Promise<Buffer[]> => {
      const made: Buffer[] = []
      for (let count = 0; count < 3; count++) {
        made.push(fieldsOf((await encrypt({ ...GIVEN, ivGenerator })).pParameter).pIv)
      }
      return made
    }
    deepEqual(await nonces(CKG.NO_GENERATE), Array(3).fill(GIVEN['pIv']))
    for (const generator of [CKG.GENERATE, CKG.GENERATE_RANDOM, CKG.GENERATE_COUNTER]) {
      const made = await nonces(generator)
      equal(new Set(made.map((nonce) => nonce.toString('hex'))).size, 3)
      for (const nonce of made) equal(nonce.subarray(0, 4).toString('hex'), 'abababab')
    }
    await endEncrypting()
    await beginEncrypting()
    const counted = await nonces(CKG.GENERATE_COUNTER_XOR)
    deepEqual(
      counted.map((nonce) => nonce.readUInt8(11)),
      [0xab, 0xab ^ 1, 0xab ^ 2],
    )
    await endEncrypting()
  })

  it('makes no nonce twice', async () => {
    await beginEncrypting()
    const fields = { ...GIVEN, ulIvFixedBits: 95, ivGenerator: CKG.GENERATE_COUNTER }
    const [one, two] = [await encrypt(fields), await encrypt(fields)]
    ok(!fieldsOf(one.pParameter).pIv.equals(fieldsOf(two.pParameter).pIv))
    equal(await rvOf(() => encrypt(fields)), 'CKR_KEY_EXHAUSTED')
    equal(
      await rvOf(() => encrypt({ ...fields, ulIvFixedBits: 96 })),
      'CKR_MECHANISM_PARAM_INVALID',
    )
    await endEncrypting()
  })

  it('goes on after a message that is wrong', async () => {
    const { handlers, application, hSession } = own
    await beginEncrypting()
    equal((await encrypt(GIVEN, 5)).pCiphertext, TEXT.length)
    const { pParameter, pCiphertext } = await encrypt(GIVEN)
    await endEncrypting()
    equal(await rvOf(endEncrypting), 'CKR_OPERATION_NOT_INITIALIZED')
    const encrypted = Buffer.from(pCiphertext as Uint8Array)
    await handlers.C_MessageDecryptInit(application, { hSession, pMechanism, hKey })
    const wrong = () => decrypt(pParameter, encrypted, Buffer.from('other'))
    equal(await rvOf(wrong), 'CKR_AEAD_DECRYPT_FAILED')
    const { pPlaintext } = await decrypt(pParameter, encrypted)
    deepEqual(Buffer.from(pPlaintext as Uint8Array), TEXT)
    await handlers.C_MessageDecryptFinal(application, { hSession })
  })

  it('refuses parameters that do not fit', async () => {
    await beginEncrypting()
    for (const wrong of [
      { pIv: undefined },
      { ulTagBits: 24 },
      { ulTagBits: 96 },
      { ivGenerator: 9 },
    ]) {
      equal(await rvOf(() => encrypt({ ...GIVEN, ...wrong })), 'CKR_MECHANISM_PARAM_INVALID')
    }
    await endEncrypting()
    const { handlers, application, hSession } = own
    const cbc = { type: CKM.AES_CBC, parameter: undefined }
    const args = { hSession, pMechanism: cbc, hKey }
    equal(
      await rvOf(() => handlers.C_MessageEncryptInit(application, args)),
      'CKR_MECHANISM_INVALID',
    )
  })

  it('releases a message in parts with its last part only, when the tag is right', async () => {
    const { handlers, application, hSession } = own
    await beginEncrypting()
    const { pParameter, pCiphertext } = await encrypt(GIVEN)
    await endEncrypting()
    const encrypted = Buffer.from(pCiphertext as Uint8Array)
    await handlers.C_MessageDecryptInit(application, { hSession, pMechanism, hKey })
    const begin = { hSession, pParameter, pAssociatedData: AAD }
    const next = async (
      pCiphertextPart: Buffer,
      flags: number,
      room: number | undefined = ROOM,
    ) => {
      const args = { hSession, pParameter, pCiphertextPart, pPlaintextPart: room, flags }
      return (await handlers.C_DecryptMessageNext(application, args)).pPlaintextPart
    }
    equal(await rvOf(() => next(encrypted, 0)), 'CKR_OPERATION_NOT_INITIALIZED')
    await handlers.C_DecryptMessageBegin(application, begin)
    const again = () => handlers.C_DecryptMessageBegin(application, begin)
    equal(await rvOf(again), 'CKR_OPERATION_ACTIVE')
    equal(((await next(encrypted.subarray(0, 10), 0)) as Uint8Array).length, 0)
    equal(await next(encrypted.subarray(10), CKF.END_OF_MESSAGE, 5), TEXT.length)
    const last = await next(encrypted.subarray(10), CKF.END_OF_MESSAGE)
    deepEqual(Buffer.from(last as Uint8Array), TEXT)
    await handlers.C_DecryptMessageBegin(application, begin)
    const cut = () => next(encrypted.subarray(1), CKF.END_OF_MESSAGE)
    equal(await rvOf(cut), 'CKR_AEAD_DECRYPT_FAILED')
    await handlers.C_DecryptMessageBegin(application, begin)
    await handlers.C_MessageDecryptFinal(application, { hSession })
  })
})
