/**
 * Rules that the configuration switches off: each one alone lets through what it refused, and the
 * audit trail says that it is off.
 *
 * @module
 */
import { deepEqual, equal, match, throws } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { template, type Wishes, Workbench } from '#conformance/pkcs11-workbench.ts'
import { readConfig, variableName } from '#server/config.ts'
import { CKK, CKM, CKO, CKU } from '#spec/pkcs11/constants.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import type { Mechanism } from '#spec/pkcs11/types.ts'
import { isUsual, RULE_NAMES, type RuleName, SWITCHES } from './rule-table.ts'

const KWP = { type: CKM.AES_KEY_WRAP_KWP, parameter: undefined }
const CBC = { type: CKM.AES_CBC, parameter: Buffer.alloc(16) }
const PIN = Buffer.from('12345678')
const AES = { CLASS: CKO.SECRET_KEY, KEY_TYPE: CKK.AES }
const SECRET = { SENSITIVE: true, EXTRACTABLE: true }

/** What is told of: these are on unless somebody switches them off. */
const USUAL = SWITCHES.filter(isUsual)

const OFF = Object.fromEntries(
  SWITCHES.map((name) => [variableName(['pkcs11', 'rules', name]), 'false']),
)

describe('rules against attacks that are switched off', { timeout: 60_000 }, () => {
  let bench: Workbench
  let session: number
  before(async () => {
    bench = await Workbench.open('pin', OFF)
    const token = bench.app.token(0)
    await token.initialise(PIN, 'off')
    await token.setPin({ name: '' }, PIN)
    session = await bench.session()
    const login = (userType: number) => {
      return bench.call.C_Login(bench.app, { hSession: session, userType, pPin: PIN })
    }
    await login(CKU.SO)
    const wishes = { ...AES, VALUE: Buffer.alloc(32, 3), LABEL: 'trusted', PRIVATE: false }
    const use = { TRUSTED: true, TOKEN: true, WRAP: true, UNWRAP: true }
    await bench.create(session, { ...wishes, ...use })
    await bench.call.C_Logout(bench.app, { hSession: session })
    await login(CKU.USER)
  })
  after(() => bench.close())

  const make = (wishes: Wishes) =>
    bench.generate(session, CKM.AES_KEY_GEN, { VALUE_LEN: 32, ...wishes })
  const wrap = async (
    hWrappingKey: number,
    wishes: Wishes = SECRET,
    pMechanism: Mechanism = KWP,
  ) => {
    const hKey = await make(wishes)
    const args = { hSession: session, pMechanism, hWrappingKey, hKey, pWrappedKey: 9_000 }
    return (await bench.call.C_WrapKey(bench.app, args)).pWrappedKey as Uint8Array
  }
  const unwrap = async (hUnwrappingKey: number, pWrappedKey: Uint8Array, wishes: Wishes = {}) => {
    const pTemplate = template({ ...AES, ...wishes })
    const args = { hSession: session, pMechanism: KWP, hUnwrappingKey, pWrappedKey, pTemplate }
    return (await bench.call.C_UnwrapKey(bench.app, args)).phKey
  }
  const derive = async (type: number, parameter: Mechanism['parameter'], wishes: Wishes) => {
    const hBaseKey = await make({ SENSITIVE: true, DERIVE: true, ENCRYPT: true })
    const pTemplate = template({ KEY_TYPE: CKK.GENERIC_SECRET, ...wishes })
    const pMechanism = { type, parameter }
    const args = { hSession: session, pMechanism, hBaseKey, pTemplate }
    return (await bench.call.C_DeriveKey(bench.app, args)).phKey
  }
  const wrapping = () => make({ WRAP: true, UNWRAP: true, ENCRYPT: false, DECRYPT: false })

  const deeds: Partial<Readonly<Record<RuleName, () => Promise<unknown>>>> = {
    'roles-apart': () => make({ WRAP: true, DECRYPT: true }),
    'wrap-and-decrypt': async () => wrap(await make({ WRAP: true, DECRYPT: true })),
    'no-known-wrapping-key': async () => {
      return wrap(await make({ WRAP: true, DECRYPT: false, SENSITIVE: false, EXTRACTABLE: true }))
    },
    'unwrap-and-encrypt': async () => {
      const key = await make({ WRAP: true, UNWRAP: true, ENCRYPT: true, DECRYPT: false })
      return unwrap(key, await wrap(key))
    },
    'unwrapped-stays-hidden': async () => {
      const key = await wrapping()
      const open = { SENSITIVE: false, EXTRACTABLE: true }
      const handle = await unwrap(key, await wrap(key), open)
      equal((await bench.read(session, handle, 'VALUE')).VALUE?.length, 32)
    },
    'unwrapped-does-not-wrap': async () => {
      const key = await wrapping()
      const handle = await unwrap(key, await wrap(key), { WRAP: true })
      equal(await bench.flag(session, handle, 'WRAP'), true)
    },
    'trusted-stays-trusted': async () => {
      const [key] = await bench.find(session, { LABEL: 'trusted' })
      const wrapped = await wrap(key as number)
      const handle = await unwrap(key as number, wrapped, { WRAP_WITH_TRUSTED: false })
      equal(await bench.flag(session, handle, 'WRAP_WITH_TRUSTED'), false)
    },
    'no-block-wrapping': async () => wrap(await wrapping(), SECRET, CBC),
    'no-block-unwrapping': async () => {
      const args = { hSession: session, pMechanism: CBC, hUnwrappingKey: await wrapping() }
      const pTemplate = template({ ...AES, KEY_TYPE: CKK.GENERIC_SECRET, VALUE_LEN: 16 })
      const wish = { ...args, pWrappedKey: Buffer.alloc(16), pTemplate }
      return bench.call.C_UnwrapKey(bench.app, wish)
    },
    'no-iv-twice': async () => {
      const parameter = { pIv: Buffer.alloc(12), ulIvBits: 96, pAAD: undefined, ulTagBits: 128 }
      return wrap(await wrapping(), SECRET, { type: CKM.AES_GCM, parameter })
    },
    'derived-stays-sensitive': () => {
      const open = { SENSITIVE: false, EXTRACTABLE: true }
      return derive(CKM.CONCATENATE_BASE_AND_DATA, { pData: Buffer.of(0) }, open)
    },
    'no-short-pieces': () => derive(CKM.EXTRACT_KEY_FROM_KEY, ulongBytes(0), { VALUE_LEN: 1 }),
    'encrypt-and-derive': () => {
      return derive(CKM.AES_ECB_ENCRYPT_DATA, { pData: Buffer.alloc(16) }, {})
    },
  }

  for (const name of SWITCHES) {
    it(`${name}: what it refused is done`, async () => {
      const deed = deeds[name]
      if (deed === undefined) throw new Error(`nothing plays ${name}`)
      await deed()
    })
  }

  it('are in the audit trail, one entry each', async () => {
    await bench.house.services.journal.flush()
    const entries = await bench.house.database.audit({ limit: 1_000 })
    const told = entries.filter(({ operation }) => operation === 'SwitchRuleOff')
    deepEqual(told.map(({ detail }) => detail as RuleName).toSorted(), USUAL.toSorted())
  })
})

describe('switches of rules', () => {
  it('are on but for one that programs need, and there is none for a rule that costs nothing', () => {
    const { rules } = readConfig(undefined, {}).pkcs11
    deepEqual(Object.keys(rules).toSorted(), SWITCHES.toSorted())
    const off = Object.entries(rules).flatMap(([name, isOn]) => (isOn ? [] : name))
    deepEqual(
      off,
      RULE_NAMES.filter((name) => !isUsual(name)),
    )
    equal('one-answer' in rules, false)
  })

  it('are true or false and nothing else', () => {
    throws(
      () => readConfig(undefined, { CLAVIGER_PKCS11_RULES_ROLES_APART: 'perhaps' }),
      (error: Error) => {
        match(error.message, /CLAVIGER_PKCS11_RULES_ROLES_APART/)
        return true
      },
    )
  })
})
