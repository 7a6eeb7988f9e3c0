/**
 * Session objects that are still being made when their session is closed, or the user logs out.
 *
 * PKCS#11 3.2 §5.1.2 (CKR_SESSION_CLOSED), §5.6.2 and §5.6.9 (what ends with a session, and with a
 * login).
 *
 * @module
 */
import { deepEqual, equal } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { refuses, Workbench } from '#conformance/pkcs11-workbench.ts'
import { CKM, CKR, CKU } from '#spec/pkcs11/constants.ts'

const PIN = Buffer.from('1234')

describe('a session object that is overtaken', { timeout: 120_000 }, () => {
  let bench: Workbench
  let other: number
  const login = () => {
    const args = { hSession: other, userType: CKU.USER, pPin: Buffer.from(PIN) }
    return bench.call.C_Login(bench.app, args)
  }
  before(async () => {
    bench = await Workbench.open('pin')
    const token = bench.app.token(0)
    await token.initialise(Buffer.from('so-pin'), 'token')
    await token.setPin({ name: '' }, PIN)
    other = await bench.session()
    await login()
  })
  after(() => bench.close())

  /** Begins what takes a while: a pair of session objects, the private one private. */
  const begin = async (hSession: number, TOKEN: boolean): Promise<() => Promise<unknown>> => {
    const publicKey = { MODULUS_BITS: 2048, TOKEN }
    const made = bench.generatePair(hSession, CKM.RSA_PKCS_KEY_PAIR_GEN, publicKey, { TOKEN })
    made.catch(() => undefined)
    await new Promise((resolve) => setImmediate(resolve))
    return () => made
  }

  it('by the end of its session is told so, and gone', async () => {
    const hSession = await bench.session()
    const made = await begin(hSession, false)
    await bench.call.C_CloseSession(bench.app, { hSession })
    await refuses(CKR.SESSION_CLOSED, made)
    equal(bench.app.sessionObjectCount, 0)
    deepEqual(await bench.find(other, { MODULUS_BITS: 2048 }), [])
  })

  it('by the end of the login is told so, and not there at the next', async () => {
    const hSession = await bench.session()
    const made = await begin(hSession, false)
    await bench.call.C_Logout(bench.app, { hSession })
    await refuses(CKR.USER_NOT_LOGGED_IN, made)
    await login()
    deepEqual(await bench.find(other, { SIGN: true }), [])
    await bench.call.C_CloseSession(bench.app, { hSession })
    equal(bench.app.sessionObjectCount, 0)
  })

  it('would have stayed as an object of the token', async () => {
    const hSession = await bench.session()
    const made = await begin(hSession, true)
    await bench.call.C_CloseSession(bench.app, { hSession })
    await made()
    equal((await bench.find(other, { MODULUS_BITS: 2048 })).length, 1)
  })
})
