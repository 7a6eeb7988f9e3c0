/**
 * How much AES key wrap takes: it is for keys, and nothing else runs while the software keystore
 * goes through the data six times.
 *
 * PKCS#11 3.2 §6.13.9 and following; RFC 3394, RFC 5649. `limits.wrapBytesMax`.
 *
 * @module
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { newOwnToken, type OwnToken, rvOf } from '#conformance/own-token.ts'
import { CryptographicUsageMask as Mask } from '#spec/kmip/enumerations.ts'
import { CKM } from '#spec/pkcs11/constants.ts'
import type { Mechanism } from '#spec/pkcs11/types.ts'

const MOST = 1_024
const ROOM = 100_000
const mechanisms = ['AES_KEY_WRAP', 'AES_KEY_WRAP_KWP'] as const

describe('the data of AES key wrap', { timeout: 60_000 }, () => {
  let own: OwnToken
  let key: number
  before(async () => {
    own = await newOwnToken({ limits: { wrapBytesMax: MOST } })
    const mask = Mask.Encrypt | Mask.Decrypt
    key = await own.secret({ algorithm: 'AES', bits: 256 }, { mask })
  })
  after(() => own.close())

  const begin = async (direction: 'Encrypt' | 'Decrypt', pMechanism: Mechanism) => {
    const { handlers, application, hSession } = own
    await handlers[`C_${direction}Init`](application, { hSession, pMechanism, hKey: key })
  }
  const encrypt = async (pData: Uint8Array, pEncryptedData: number | undefined) => {
    const args = { hSession: own.hSession, pData, pEncryptedData }
    return (await own.handlers.C_Encrypt(own.application, args)).pEncryptedData
  }
  const decrypt = async (pEncryptedData: Uint8Array, pData: number | undefined) => {
    const args = { hSession: own.hSession, pEncryptedData, pData }
    return (await own.handlers.C_Decrypt(own.application, args)).pData
  }

  for (const name of mechanisms) {
    const mechanism: Mechanism = { type: CKM[name], parameter: undefined }

    it(`comes back from CKM_${name} where it is as long as a key may be`, async () => {
      const data = randomBytes(MOST)
      await begin('Encrypt', mechanism)
      const wrapped = await encrypt(data, ROOM)
      ok(wrapped instanceof Uint8Array)
      await begin('Decrypt', mechanism)
      const plain = await decrypt(wrapped, ROOM)
      ok(plain instanceof Uint8Array)
      deepEqual(Buffer.from(plain), data)
    })

    it(`is refused by CKM_${name} where it is longer`, async () => {
      for (const room of [undefined, ROOM]) {
        await begin('Encrypt', mechanism)
        const rv = await rvOf(() => encrypt(randomBytes(MOST + 8), room))
        equal(rv, 'CKR_DATA_LEN_RANGE')
        await begin('Decrypt', mechanism)
        const back = await rvOf(() => decrypt(randomBytes(MOST + 24), room))
        equal(back, 'CKR_ENCRYPTED_DATA_LEN_RANGE')
      }
    })

    it(`is not gathered any further by CKM_${name}`, async () => {
      const { handlers, application, hSession } = own
      await begin('Encrypt', mechanism)
      const pPart = randomBytes(MOST)
      const args = { hSession, pPart, pEncryptedPart: ROOM }
      equal(await rvOf(async () => handlers.C_EncryptUpdate(application, args)), 'CKR_OK')
      const rv = await rvOf(async () => handlers.C_EncryptUpdate(application, args))
      equal(rv, 'CKR_DATA_LEN_RANGE')
      await begin('Decrypt', mechanism)
      const rest = { hSession, pEncryptedPart: randomBytes(MOST + 24), pPart: ROOM }
      const back = await rvOf(async () => handlers.C_DecryptUpdate(application, rest))
      equal(back, 'CKR_ENCRYPTED_DATA_LEN_RANGE')
    })
  }
})
