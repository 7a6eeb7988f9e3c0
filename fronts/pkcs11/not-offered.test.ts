/**
 * What is not offered is refused, with the code that its row says.
 *
 * @module
 */
import { deepEqual } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { RO, RW, refuses, template, Workbench } from '#conformance/pkcs11-workbench.ts'
import { CKA, CKF, CKK, CKM, CKO, CKR, CKU } from '#spec/pkcs11/constants.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import { NOT_OFFERED } from './not-offered.ts'

/** Classes that applications do not make. */
const CLASSES = [
  CKO.HW_FEATURE,
  CKO.MECHANISM,
  CKO.OTP_KEY,
  CKO.PROFILE,
  CKO.VALIDATION,
  CKO.VENDOR_DEFINED + 1,
]

describe('what is not offered', { timeout: 60_000 }, () => {
  let bench: Workbench
  let session: number
  before(async () => {
    bench = await Workbench.open('pin')
    const token = bench.app.token(0)
    await token.initialise(Buffer.from('so-pin'), 'token')
    await token.setPin({ name: '' }, Buffer.from('1234'))
    session = await bench.session()
    const args = { hSession: session, userType: CKU.USER, pPin: Buffer.from('1234') }
    await bench.call.C_Login(bench.app, args)
  })
  after(() => bench.close())

  const hmacKey = () => bench.generate(session, CKM.SHA256_KEY_GEN, { VALUE_LEN: 32 })
  const refusals: Readonly<Record<string, (code: number) => Promise<void>>> = {
    'C_OpenSession SESSION_ASYNC_NOT_SUPPORTED': (code) => {
      return refuses(code, () => bench.session(RW | CKF.ASYNC_SESSION))
    },
    'C_OpenSession SESSION_PARALLEL_NOT_SUPPORTED': (code) => {
      return refuses(code, () => bench.session(CKF.RW_SESSION))
    },
    'C_Login ARGUMENTS_BAD': async (code) => {
      const app = bench.newApplication()
      const hSession = await bench.session(RO, app)
      const args = { hSession, userType: CKU.USER, pPin: undefined }
      await refuses(code, () => bench.call.C_Login(app, args))
    },
    'C_InitToken TOKEN_WRITE_PROTECTED': async (code) => {
      await bench.create(session, { CLASS: CKO.DATA, TOKEN: true })
      const args = { slotID: 0, pPin: Buffer.from('so-pin'), pLabel: Buffer.alloc(32, ' ') }
      await refuses(code, () => bench.call.C_InitToken(bench.newApplication(), args))
    },
    'C_GetOperationState STATE_UNSAVEABLE': async (code) => {
      const hSession = await bench.session()
      const pMechanism = { type: CKM.SHA256_HMAC, parameter: undefined }
      await bench.call.C_SignInit(bench.app, { hSession, pMechanism, hKey: await hmacKey() })
      const args = { hSession, pOperationState: 1_000 }
      await refuses(code, () => bench.call.C_GetOperationState(bench.app, args))
    },
    'C_SetOperationState SAVED_STATE_INVALID': async (code) => {
      const hSession = await bench.session()
      const pMechanism = { type: CKM.SHA256, parameter: undefined }
      await bench.call.C_DigestInit(bench.app, { hSession, pMechanism })
      const saved = await bench.call.C_GetOperationState(bench.app, {
        hSession,
        pOperationState: 1_000,
      })
      const other = bench.newApplication()
      const args = {
        hSession: await bench.session(RO, other),
        pOperationState: saved.pOperationState as Uint8Array,
        hEncryptionKey: 0,
        hAuthenticationKey: 0,
      }
      await refuses(code, () => bench.call.C_SetOperationState(other, args))
    },
    'C_DigestKey KEY_INDIGESTIBLE': async (code) => {
      const hSession = await bench.session()
      const pMechanism = { type: CKM.SHA256, parameter: undefined }
      await bench.call.C_DigestInit(bench.app, { hSession, pMechanism })
      const hKey = await bench.generate(session, CKM.AES_KEY_GEN, { VALUE_LEN: 16 })
      await refuses(code, () => bench.call.C_DigestKey(bench.app, { hSession, hKey }))
    },
    'C_CreateObject ATTRIBUTE_VALUE_INVALID': async (code) => {
      for (const CLASS of CLASSES) await refuses(code, () => bench.create(session, { CLASS }))
    },
    'C_GenerateKey MECHANISM_INVALID': async (code) => {
      const names = ['DSA', 'DH_PKCS', 'X9_42_DH'] as const
      for (const name of names) {
        const wishes = { CLASS: CKO.DOMAIN_PARAMETERS, KEY_TYPE: CKK.DSA, PRIME_BITS: 2048 }
        const type = CKM[`${name}_PARAMETER_GEN`]
        await refuses(code, () => bench.generate(session, type, wishes))
      }
    },
    'C_WaitForSlotEvent NO_EVENT': async (code) => {
      const args = { flags: CKF.DONT_BLOCK }
      await refuses(code, () => bench.call.C_WaitForSlotEvent(bench.app, args))
    },
  }

  for (const { function: name, wish, rv, isModules } of NOT_OFFERED) {
    if (isModules) continue
    it(`${name}: ${wish}`, async () => {
      const play = refusals[`${name} ${rv}`]
      if (play === undefined) throw new Error(`nothing plays ${name} with CKR_${rv}`)
      await play(CKR[rv])
    })
  }

  it('is what the rows say, and nothing is played that has no row', () => {
    const rows = NOT_OFFERED.filter(({ isModules }) => !isModules)
    deepEqual(
      Object.keys(refusals).sort(),
      rows.map(({ function: name, rv }) => `${name} ${rv}`).sort(),
    )
  })

  it('no validation is claimed: the search for one finds nothing', async () => {
    deepEqual(await bench.find(session, { CLASS: CKO.VALIDATION }), [])
    const { pFlags } = await bench.call.C_GetSessionValidationFlags(bench.app, {
      hSession: session,
      type: 0,
    })
    deepEqual(pFlags, 0)
    const pTemplate = template({ CLASS: CKO.VALIDATION })
    const given = { type: CKA.VALIDATION_LEVEL, value: ulongBytes(1) }
    const args = { hSession: session, pTemplate: [...pTemplate, given] }
    await refuses(CKR.ATTRIBUTE_VALUE_INVALID, () => {
      return bench.call.C_CreateObject(bench.app, args)
    })
  })
})
