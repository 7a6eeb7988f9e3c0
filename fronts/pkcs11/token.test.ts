/**
 * Tokens and their PINs: nobody gets round one that has been set.
 *
 * @module
 */
import { equal } from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { RW, refuses, Workbench } from '#conformance/pkcs11-workbench.ts'
import { CKR, CKU } from '#spec/pkcs11/constants.ts'
import { paddedText } from '#spec/pkcs11/memory.ts'
import { USER } from './token.ts'

const PIN = Buffer.from('12345678')
const OWN = Buffer.from('of the attacker')

describe('a token whose PIN the operator has set', { timeout: 60_000 }, () => {
  let bench: Workbench
  beforeEach(async () => {
    bench = await Workbench.open('pin')
  })
  afterEach(() => bench.close())

  const initialise = (pPin: Uint8Array) =>
    bench.call.C_InitToken(bench.app, { slotID: 0, pPin, pLabel: paddedText('taken', 32) })

  it('is not taken over by an application that makes itself its security officer', async () => {
    const token = bench.app.token(0)
    await token.setPin({ name: USER }, PIN)
    await refuses(CKR.TOKEN_WRITE_PROTECTED, () => initialise(OWN))
    const hSession = await bench.session(RW)
    await refuses(CKR.PIN_INCORRECT, () => {
      return bench.call.C_Login(bench.app, { hSession, userType: CKU.SO, pPin: OWN })
    })
    await bench.call.C_Login(bench.app, { hSession, userType: CKU.USER, pPin: PIN })
    // The operator gives it one, who may then.
    await bench.call.C_CloseSession(bench.app, { hSession })
    await token.setPin('so', OWN)
    await initialise(OWN)
    equal(token.label, 'taken')
  })

  it('is not asked for a property by a user of that name', async () => {
    await bench.app.token(0).setPin({ name: USER }, PIN)
    const hSession = await bench.session(RW)
    for (const name of ['constructor', '__proto__', 'toString']) {
      const args = { hSession, userType: CKU.USER, pPin: PIN, pUsername: Buffer.from(name) }
      await refuses(CKR.USER_PIN_NOT_INITIALIZED, () => bench.call.C_LoginUser(bench.app, args))
    }
  })
})
