/**
 * Signing and verifying, rule by rule.
 *
 * @module
 */
import { equal, ok } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { newOwnToken, type OwnToken } from '#conformance/own-token.ts'
import { CKM } from '#spec/pkcs11/constants.ts'

const TEXT = Buffer.from('The quick brown fox jumps over the lazy dog')

describe('signing', { timeout: 60_000 }, () => {
  let own: OwnToken
  let pair: { privateKey: number; publicKey: number }
  const mechanism = { type: CKM.ECDSA_SHA256, parameter: undefined }
  before(async () => {
    own = await newOwnToken()
    pair = await own.pair({ algorithm: 'EC', bits: 256, curve: 'P_256' })
  })
  after(() => own.close())

  it('signs at once, and verifies', async () => {
    const { handlers, application, hSession } = own
    const init = { hSession, pMechanism: mechanism }
    await handlers.C_SignInit(application, { ...init, hKey: pair.privateKey })
    const answer = handlers.C_Sign(application, { hSession, pData: TEXT, pSignature: 100 })
    ok(!(answer instanceof Promise))
    const { pSignature } = answer
    ok(typeof pSignature !== 'number')
    equal(pSignature.length, 64)
    await handlers.C_VerifyInit(application, { ...init, hKey: pair.publicKey })
    await handlers.C_Verify(application, { hSession, pData: TEXT, pSignature })
  })
})
