/**
 * Limits of `core/limits.ts` that applications of PKCS#11 run into, set small.
 *
 * Those of connections and calls are in `fronts/pkcs11/server.test.ts`, those of gathered data and
 * of saved states beside the functions, that of the agent in `agent.test.ts`.
 *
 * @module
 */
import { deepEqual, equal } from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RO, refuses, template, type Wishes, Workbench } from '#conformance/pkcs11-workbench.ts'
import { CKD, CKK, CKM, CKO, CKR, CKU } from '#spec/pkcs11/constants.ts'
import { paddedText } from '#spec/pkcs11/memory.ts'
import { variableName } from './config.ts'

/** A workbench with a few limits, for as long as the work takes. */
async function limited(
  limits: Readonly<Record<string, number>>,
  work: (bench: Workbench) => Promise<void>,
  login: 'pin' | 'none' = 'none',
): Promise<void> {
  const variables = Object.entries(limits).map(([name, value]) => {
    return [variableName(['limits', name]), String(value)]
  })
  const bench = await Workbench.open(login, Object.fromEntries(variables))
  try {
    await work(bench)
  } finally {
    await bench.close()
  }
}

const P256 = Buffer.from('06082a8648ce3d030107', 'hex')

describe('limits of PKCS#11', { timeout: 60_000 }, () => {
  it('sessionObjectsMax: in whatever way a session object is made', () =>
    limited({ sessionObjectsMax: 3 }, async (bench) => {
      const session = await bench.session()
      const aes = (wishes: Wishes = {}) => {
        return bench.generate(session, CKM.AES_KEY_GEN, { VALUE_LEN: 16, ...wishes })
      }
      const [, base] = await bench.generatePair(
        session,
        CKM.EC_KEY_PAIR_GEN,
        { EC_PARAMS: P256, TOKEN: true },
        { DERIVE: true, TOKEN: true },
      )
      const wrapping = await aes({
        TOKEN: true,
        WRAP: true,
        UNWRAP: true,
        DECRYPT: false,
        ENCRYPT: false,
      })
      const target = await aes({ TOKEN: true, EXTRACTABLE: true })
      const kwp = { type: CKM.AES_KEY_WRAP_KWP, parameter: undefined }
      const wrapped = await bench.call.C_WrapKey(bench.app, {
        hSession: session,
        pMechanism: kwp,
        hWrappingKey: wrapping,
        hKey: target,
        pWrappedKey: 100,
      })
      const point = await bench.read(session, base, 'PUBLIC_KEY_INFO')
      const pPublicData = point.PUBLIC_KEY_INFO?.subarray(-65)
      const parameter = { kdf: CKD.NULL, pSharedData: undefined, pPublicData }
      const secret = { CLASS: CKO.SECRET_KEY, KEY_TYPE: CKK.AES, VALUE_LEN: 16 }
      const ways: Readonly<Record<string, () => Promise<unknown>>> = {
        generated: () => aes(),
        created: () => bench.create(session, { CLASS: CKO.DATA }),
        copied: async () => {
          const args = { hSession: session, hObject: target, pTemplate: template({ TOKEN: false }) }
          return bench.call.C_CopyObject(bench.app, args)
        },
        unwrapped: async () => {
          const { CLASS, KEY_TYPE } = secret
          return bench.call.C_UnwrapKey(bench.app, {
            hSession: session,
            pMechanism: kwp,
            hUnwrappingKey: wrapping,
            pWrappedKey: wrapped.pWrappedKey as Uint8Array,
            pTemplate: template({ CLASS, KEY_TYPE }),
          })
        },
        derived: async () => {
          return bench.call.C_DeriveKey(bench.app, {
            hSession: session,
            pMechanism: { type: CKM.ECDH1_DERIVE, parameter },
            hBaseKey: base,
            pTemplate: template(secret),
          })
        },
      }
      for (const way of Object.values(ways)) {
        const other = await bench.session(RO)
        while ((await bench.find(session, { TOKEN: false })).length < 2) await aes()
        await way()
        await refuses(CKR.DEVICE_MEMORY, way)
        equal((await bench.find(session, { TOKEN: false })).length, 3)
        for (const hObject of await bench.find(session, { TOKEN: false })) {
          await bench.call.C_DestroyObject(bench.app, { hSession: session, hObject })
        }
        bench.call.C_CloseSession(bench.app, { hSession: other })
      }
      const pair = () => {
        return bench.generatePair(session, CKM.EC_KEY_PAIR_GEN, { EC_PARAMS: P256 }, {})
      }
      await pair()
      // A pair has two halves, and there is room for one.
      await refuses(CKR.DEVICE_MEMORY, pair)
      await aes({ TOKEN: true })
      await aes()
    }))

  it('sessionObjectsMax: there is room again when a session with its objects has ended', () =>
    limited({ sessionObjectsMax: 1 }, async (bench) => {
      const [first, second] = [await bench.session(), await bench.session()]
      await bench.create(first, { CLASS: CKO.DATA })
      await refuses(CKR.DEVICE_MEMORY, () => bench.create(second, { CLASS: CKO.DATA }))
      bench.call.C_CloseSession(bench.app, { hSession: first })
      await bench.create(second, { CLASS: CKO.DATA })
      const other = bench.newApplication()
      const hSession = await bench.session(RO, other)
      const args = { hSession, pTemplate: template({ CLASS: CKO.DATA }) }
      await bench.call.C_CreateObject(other, args)
    }))

  it('sessionsMax: of each application, over all tokens', () =>
    limited({ sessionsMax: 2 }, async (bench) => {
      const [first] = [await bench.session(), await bench.session(RO)]
      await refuses(CKR.SESSION_COUNT, () => bench.session())
      await bench.session(RO, bench.newApplication())
      bench.call.C_CloseSession(bench.app, { hSession: first as number })
      await bench.session()
    }))

  it('pinBytesMin and pinBytesMax: for every PIN that is set', () =>
    limited(
      { pinBytesMin: 6, pinBytesMax: 8 },
      async (bench) => {
        const { call, app } = bench
        const { pInfo } = await call.C_GetTokenInfo(app, { slotID: 0 })
        deepEqual([pInfo.ulMinPinLen, pInfo.ulMaxPinLen], [6, 8])
        const wrong = ['12345', '123456789'].map((pin) => Buffer.from(pin))
        const [so, user] = [Buffer.from('12345678'), Buffer.from('123456')]
        const pLabel = paddedText('limits', 32)
        for (const pPin of wrong) {
          await refuses(CKR.PIN_LEN_RANGE, () => call.C_InitToken(app, { slotID: 0, pPin, pLabel }))
        }
        await call.C_InitToken(app, { slotID: 0, pPin: so, pLabel })
        const hSession = await bench.session()
        await call.C_Login(app, { hSession, userType: CKU.SO, pPin: so })
        for (const pPin of wrong) {
          await refuses(CKR.PIN_LEN_RANGE, () => call.C_InitPIN(app, { hSession, pPin }))
        }
        await call.C_InitPIN(app, { hSession, pPin: user })
        for (const pNewPin of wrong) {
          const args = { hSession, pOldPin: so, pNewPin }
          await refuses(CKR.PIN_LEN_RANGE, () => call.C_SetPIN(app, args))
        }
      },
      'pin',
    ))

  it('pinAttemptsMax: one wrong PIN locks where one is allowed', () =>
    limited(
      { pinAttemptsMax: 1 },
      async (bench) => {
        await bench.app.token(0).setPin({ name: '' }, Buffer.from('1234'))
        const hSession = await bench.session()
        const login = (pin: string) => {
          const args = { hSession, userType: CKU.USER, pPin: Buffer.from(pin) }
          return bench.call.C_Login(bench.app, args)
        }
        await refuses(CKR.PIN_LOCKED, () => login('4321'))
        await refuses(CKR.PIN_LOCKED, () => login('1234'))
      },
      'pin',
    ))
})
