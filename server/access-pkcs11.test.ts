/**
 * Rights to single objects, and identifiers of keys in an HSM, as PKCS#11 applications see them.
 *
 * @module
 */
import { deepEqual, equal } from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { refuses } from '#conformance/pkcs11-workbench.ts'
import type { Context } from '#core/context.ts'
import { deedsOf } from '#core/deeds.ts'
import { grantAccess, revokeAccess } from '#core/operations/access.ts'
import { getAttributes } from '#core/operations/attributes.ts'
import { create } from '#core/operations/create.ts'
import type { Application } from '#fronts/pkcs11/application.ts'
import type { Pkcs11Engine } from '#fronts/pkcs11/engine.ts'
import { newSoftHsmToken, SOFTHSM, SOFTHSM_PIN } from '#keystores/pkcs11/softhsm.ts'
import { CryptographicUsageMask as Mask, ObjectType } from '#spec/kmip/enumerations.ts'
import { CKA, CKF, CKM, CKR } from '#spec/pkcs11/constants.ts'
import { rvName } from '#spec/pkcs11/errors.ts'
import { boolBytes, ulongBytes } from '#spec/pkcs11/memory.ts'
import { readConfig } from './config.ts'
import { House } from './house.ts'
import { createLog } from './log.ts'
import { openEngine } from './pkcs11.ts'

const INFO = {
  peer: { uid: undefined, gid: undefined, pid: undefined },
  processId: undefined,
  isStock: false,
  reserved: undefined,
}
const RW = CKF.SERIAL_SESSION | CKF.RW_SESSION
const LETTER = Buffer.from('sixteen bytes ok')
const CBC = { type: CKM.AES_CBC, parameter: new Uint8Array(16) }

const text = (type: number, value: string) => ({ type, value: Buffer.from(value) })
const yes = (type: number) => ({ type, value: boolBytes(true) })

/** A house with a token for each of two credentials. */
function newHouse(folder: string, keystores: readonly object[]) {
  const tokens = ['admin', 'bob'].map((name) => ({ name, principal: name, login: 'none' }))
  const path = join(folder, 'claviger.yaml')
  const config = { log: { level: 'silent' }, keystores }
  const open = async (own: object): Promise<House> => {
    writeFileSync(path, JSON.stringify({ ...config, ...own }))
    const read = readConfig(path, {})
    return House.open({ dataDir: join(folder, 'data'), config: read, log: createLog(read.log) })
  }
  return { open, tokens }
}

describe('by PKCS#11', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-access-pkcs11-'))
  let house: House
  let engine: Pkcs11Engine
  let app: Application
  let admin: number
  let bob: number
  const call = () => engine.handlers
  const contextOf = (name: string, operation: string): Context => {
    const now = Math.floor(Date.now() / 1_000)
    const principal = { name, scope: name }
    return { services: house.services, principal, front: 'test', operation, now }
  }
  const found = async (hSession: number, ...pTemplate: { type: number; value: Uint8Array }[]) => {
    await call().C_FindObjectsInit(app, { hSession, pTemplate })
    const answer = await call().C_FindObjects(app, { hSession, phObject: 10 })
    await call().C_FindObjectsFinal(app, { hSession })
    return (answer as { phObject: readonly number[] }).phObject
  }
  const encrypted = async (hSession: number, hKey: number): Promise<Uint8Array> => {
    await call().C_EncryptInit(app, { hSession, pMechanism: CBC, hKey })
    const answer = await call().C_Encrypt(app, { hSession, pData: LETTER, pEncryptedData: 64 })
    return (answer as { pEncryptedData: Uint8Array }).pEncryptedData
  }
  /** What a key says of how it leaves. */
  const flags = async (hSession: number, hObject: number) => {
    const types = [CKA.SENSITIVE, CKA.EXTRACTABLE]
    const pTemplate = types.map((type) => ({ type, capacity: 1 }))
    const answer = await call().C_GetAttributeValue(app, { hSession, hObject, pTemplate })
    const read = (answer as { pTemplate: readonly { value: Uint8Array }[] }).pTemplate
    const [sensitive, extractable] = read.map(({ value }) => value[0])
    return { sensitive, extractable }
  }
  const grant = (id: string, ...words: readonly string[]) =>
    grantAccess(contextOf('admin', 'GrantAccess'), { id, principal: 'bob', deeds: deedsOf(words) })

  before(async () => {
    const keystores: object[] = [{ name: 'software', type: 'software' }]
    if (SOFTHSM !== undefined) {
      writeFileSync(join(folder, 'pin'), SOFTHSM_PIN)
      const environment = newSoftHsmToken(folder, 'access')
      const hsm = { name: 'hsm', type: 'pkcs11', module: SOFTHSM, label: 'access', environment }
      keystores.push({ ...hsm, pinFile: join(folder, 'pin'), identifierSlot: 4 })
    }
    const { open, tokens } = newHouse(folder, keystores)
    house = await open({})
    await house.createCredential({ name: 'bob', days: 1 }, 'test')
    await house.close()
    house = await open({ pkcs11: { tokens } })
    engine = await openEngine(house)
    app = engine.open(INFO)
    const session = async (slotID: number): Promise<number> =>
      (await call().C_OpenSession(app, { slotID, flags: RW })).phSession
    ;[admin, bob] = [await session(0), await session(1)]
  })
  after(async () => {
    engine?.close()
    await house?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('a granted key is found and used; its value, a copy and its end are not granted', async () => {
    const attributes = [
      { id: 'name', value: { nameValue: 'shared', nameType: 1 } },
      { id: 'cryptographicAlgorithm', value: 3 },
      { id: 'cryptographicLength', value: 256 },
      { id: 'cryptographicUsageMask', value: Mask.Encrypt | Mask.Decrypt },
      { id: 'activationDate', value: 1 },
    ] as const
    const wish = { objectType: ObjectType.SymmetricKey, given: { attributes } }
    const { id } = await create(contextOf('admin', 'Create'), wish)
    deepEqual(await found(bob, text(CKA.LABEL, 'shared')), [])
    await grant(id, 'encrypt')
    const [key = 0] = await found(bob, text(CKA.LABEL, 'shared'))
    equal((await found(bob)).includes(key), true)
    equal((await encrypted(bob, key)).length, 16)
    await refuses(CKR.ACTION_PROHIBITED, () =>
      call().C_DecryptInit(app, { hSession: bob, pMechanism: CBC, hKey: key }),
    )
    const value = { hSession: bob, hObject: key, pTemplate: [{ type: CKA.VALUE, capacity: 64 }] }
    const hidden = await call().C_GetAttributeValue(app, value)
    equal(rvName((hidden as { rv: number }).rv), rvName(CKR.ATTRIBUTE_SENSITIVE))
    deepEqual(await flags(bob, key), { sensitive: 1, extractable: 0 })
    const [own = 0] = await found(admin, text(CKA.LABEL, 'shared'))
    deepEqual(await flags(admin, own), { sensitive: 0, extractable: 1 })
    const mine = await call().C_GetAttributeValue(app, { ...value, hSession: admin, hObject: own })
    equal((mine as { rv: number }).rv, CKR.OK)
    await refuses(CKR.ACTION_PROHIBITED, () =>
      call().C_CopyObject(app, { hSession: bob, hObject: key, pTemplate: [yes(CKA.TOKEN)] }),
    )
    const label = [text(CKA.LABEL, 'mine')]
    await refuses(CKR.ACTION_PROHIBITED, () =>
      call().C_SetAttributeValue(app, { hSession: bob, hObject: key, pTemplate: label }),
    )
    await refuses(CKR.ACTION_PROHIBITED, () =>
      call().C_DestroyObject(app, { hSession: bob, hObject: key }),
    )
    // It is active: its end is a revocation as well.
    await grant(id, 'get', 'destroy')
    await refuses(CKR.ACTION_PROHIBITED, () =>
      call().C_DestroyObject(app, { hSession: bob, hObject: key }),
    )
    const shown = await call().C_GetAttributeValue(app, value)
    equal((shown as { rv: number }).rv, CKR.OK)
    deepEqual(await flags(bob, key), { sensitive: 0, extractable: 1 })
    // What has begun ends as well when the grant does.
    await call().C_EncryptInit(app, { hSession: bob, pMechanism: CBC, hKey: key })
    const deeds = deedsOf(['encrypt', 'get', 'destroy'])
    await revokeAccess(contextOf('admin', 'RevokeAccess'), { id, principal: 'bob', deeds })
    await refuses(CKR.KEY_HANDLE_INVALID, () =>
      call().C_Encrypt(app, { hSession: bob, pData: LETTER, pEncryptedData: 64 }),
    )
    deepEqual(await found(bob, text(CKA.LABEL, 'shared')), [])
  })

  const skip = SOFTHSM === undefined && 'SoftHSM2 is not installed'
  it('a label hsm::<slot>::<name> makes the key there, under that identifier', {
    skip,
  }, async () => {
    const pMechanism = { type: CKM.AES_KEY_GEN, parameter: undefined }
    const template = (label: string) => [
      text(CKA.LABEL, label),
      yes(CKA.TOKEN),
      yes(CKA.ENCRYPT),
      { type: CKA.VALUE_LEN, value: ulongBytes(32) },
    ]
    const pTemplate = template('hsm::4::tape')
    const { phKey } = await call().C_GenerateKey(app, { hSession: admin, pMechanism, pTemplate })
    const made = await getAttributes(contextOf('admin', 'GetAttributes'), 'hsm::4::tape')
    equal(made.material?.keystore, 'hsm')
    deepEqual(await found(admin, text(CKA.UNIQUE_ID, 'hsm::4::tape')), [phKey])
    deepEqual(await found(bob, text(CKA.UNIQUE_ID, 'hsm::4::tape')), [])
    await grant('hsm::4::tape', 'encrypt')
    const [key = 0] = await found(bob, text(CKA.LABEL, 'hsm::4::tape'))
    deepEqual(await encrypted(bob, key), await encrypted(admin, phKey))
    const own = template('hsm::4::own')
    await refuses(CKR.ACTION_PROHIBITED, () =>
      call().C_GenerateKey(app, { hSession: bob, pMechanism, pTemplate: own }),
    )
    await refuses(CKR.ATTRIBUTE_VALUE_INVALID, () =>
      call().C_GenerateKey(app, { hSession: admin, pMechanism, pTemplate }),
    )
    const pair = {
      hSession: admin,
      pMechanism: { type: CKM.RSA_PKCS_KEY_PAIR_GEN, parameter: undefined },
      pPublicKeyTemplate: [
        text(CKA.LABEL, 'hsm::4::web'),
        yes(CKA.TOKEN),
        yes(CKA.VERIFY),
        { type: CKA.MODULUS_BITS, value: ulongBytes(2_048) },
      ],
      pPrivateKeyTemplate: [text(CKA.LABEL, 'hsm::4::web'), yes(CKA.TOKEN), yes(CKA.SIGN)],
    }
    const { phPublicKey } = await call().C_GenerateKeyPair(app, pair)
    deepEqual(await found(admin, text(CKA.UNIQUE_ID, 'hsm::4::web_pk')), [phPublicKey])
    await call().C_DestroyObject(app, { hSession: admin, hObject: phKey })
    deepEqual(await found(admin, text(CKA.LABEL, 'hsm::4::tape')), [])
  })
})
