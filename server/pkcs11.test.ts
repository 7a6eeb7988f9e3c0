/**
 * Slots, tokens, PINs, sessions and logins of the PKCS#11 engine, on a house of its own.
 *
 * PKCS#11 3.2 §5.5 and §5.6: which return value when.
 *
 * @module
 */
import { deepEqual, equal, match, notEqual, ok } from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { refuses } from '#conformance/pkcs11-workbench.ts'
import type { Application } from '#fronts/pkcs11/application.ts'
import type { Pkcs11Engine } from '#fronts/pkcs11/engine.ts'
import { CKF, CKR, CKS, CKU } from '#spec/pkcs11/constants.ts'
import { paddedText } from '#spec/pkcs11/memory.ts'
import { readConfig } from './config.ts'
import { House } from './house.ts'
import { createLog } from './log.ts'
import { openEngine } from './pkcs11.ts'

const RW = CKF.SERIAL_SESSION | CKF.RW_SESSION
const RO = CKF.SERIAL_SESSION
const SO_PIN = Buffer.from('87654321')
const PIN = Buffer.from('1234')
const INFO = {
  peer: { uid: undefined, gid: undefined, pid: undefined },
  processId: undefined,
  isStock: false,
  reserved: undefined,
}

/** As YAML: the second belongs to a credential of its own, and asks for no PIN. */
const TOKENS_OF_TWO = '[{ name: one }, { name: two, principal: app, login: none }]'

describe('the tokens of a house', { timeout: 60_000 }, () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'claviger-tokens-'))
  let house: House
  let engine: Pkcs11Engine
  let app: Application
  const open = async (): Promise<void> => {
    const config = readConfig(undefined, {
      CLAVIGER_LOG_LEVEL: 'silent',
      CLAVIGER_LIMITS_PIN_ATTEMPTS_MAX: '3',
      CLAVIGER_LIMITS_SESSIONS_MAX: '5',
    })
    house = await House.open({ dataDir, config, log: createLog(config.log) })
    engine = await openEngine(house)
    app = engine.open(INFO)
  }
  before(open)
  after(async () => {
    engine.close()
    await house.close()
    rmSync(dataDir, { recursive: true, force: true })
  })
  const call = () => engine.handlers
  const session = (given: number): number => {
    const answer = call().C_OpenSession(app, { slotID: 0, flags: given })
    return (answer as { phSession: number }).phSession
  }
  const login = (hSession: number, userType: number, pPin: Uint8Array | undefined) => {
    return call().C_Login(app, { hSession, userType, pPin })
  }
  const state = (hSession: number): number => {
    const answer = call().C_GetSessionInfo(app, { hSession })
    return (answer as { pInfo: { state: number } }).pInfo.state
  }
  const flags = async (): Promise<number> => {
    return (await call().C_GetTokenInfo(app, { slotID: 0 })).pInfo.flags
  }
  const closeAll = () => call().C_CloseAllSessions(app, { slotID: 0 })

  it('are there before anybody has initialised them, and say so', async () => {
    equal((await flags()) & (CKF.TOKEN_INITIALIZED | CKF.USER_PIN_INITIALIZED), 0)
    deepEqual(await call().C_GetSlotList(app, { tokenPresent: true, pSlotList: undefined }), {
      pSlotList: 1,
    })
    const hSession = session(RW)
    await refuses(CKR.USER_PIN_NOT_INITIALIZED, () => login(hSession, CKU.USER, PIN))
    await refuses(CKR.SESSION_EXISTS, () => {
      return call().C_InitToken(app, { slotID: 0, pPin: SO_PIN, pLabel: paddedText('x', 32) })
    })
    closeAll()
  })

  it('are initialised with a label and PINs, and keep them', async () => {
    const pLabel = paddedText('first token', 32)
    await refuses(CKR.PIN_LEN_RANGE, () => {
      return call().C_InitToken(app, { slotID: 0, pPin: Buffer.from('1'), pLabel })
    })
    await call().C_InitToken(app, { slotID: 0, pPin: SO_PIN, pLabel })
    const hSession = session(RW)
    await refuses(CKR.USER_NOT_LOGGED_IN, () => call().C_InitPIN(app, { hSession, pPin: PIN }))
    await login(hSession, CKU.SO, SO_PIN)
    await call().C_InitPIN(app, { hSession, pPin: PIN })
    closeAll()
    const serial = (await house.tokens())[0]?.serial as string
    match(serial, /^[0-9a-f]{16}$/)
    await house.close()
    await open()
    const [token] = await house.tokens()
    equal(token?.serial, serial)
    equal(token?.label, 'first token')
    ok(((await flags()) & CKF.USER_PIN_INITIALIZED) !== 0)
  })

  it('are initialised again with the PIN of before only, and never over objects', async () => {
    const again = (pPin: Uint8Array) =>
      call().C_InitToken(app, { slotID: 0, pPin, pLabel: paddedText('second', 32) })
    await refuses(CKR.PIN_INCORRECT, () => again(Buffer.from('11111111')))
    await again(SO_PIN)
    equal(((await flags()) & CKF.USER_PIN_INITIALIZED) === 0, true)
    const [token] = await house.tokens()
    await token!.setPin({ name: '' }, PIN)
  })

  it('show the state of a session by who has logged in, to all sessions alike', async () => {
    const [rw, ro] = [session(RW), session(RO)]
    deepEqual([state(rw), state(ro)], [CKS.RW_PUBLIC_SESSION, CKS.RO_PUBLIC_SESSION])
    await refuses(CKR.SESSION_READ_ONLY_EXISTS, () => login(rw, CKU.SO, SO_PIN))
    await login(ro, CKU.USER, PIN)
    deepEqual([state(rw), state(ro)], [CKS.RW_USER_FUNCTIONS, CKS.RO_USER_FUNCTIONS])
    await refuses(CKR.USER_ALREADY_LOGGED_IN, () => login(rw, CKU.USER, PIN))
    await refuses(CKR.USER_ANOTHER_ALREADY_LOGGED_IN, () => login(rw, CKU.SO, SO_PIN))
    await refuses(CKR.OPERATION_NOT_INITIALIZED, () => login(rw, CKU.CONTEXT_SPECIFIC, PIN))
    await refuses(CKR.USER_TYPE_INVALID, () => login(rw, 7, PIN))
    await call().C_Logout(app, { hSession: rw })
    equal(state(ro), CKS.RO_PUBLIC_SESSION)
    await refuses(CKR.USER_NOT_LOGGED_IN, () => call().C_Logout(app, { hSession: rw }))
    call().C_CloseSession(app, { hSession: ro })
    await login(rw, CKU.SO, SO_PIN)
    equal(state(rw), CKS.RW_SO_FUNCTIONS)
    await refuses(CKR.SESSION_READ_WRITE_SO_EXISTS, () => {
      return call().C_OpenSession(app, { slotID: 0, flags: RO })
    })
    call().C_CloseSession(app, { hSession: rw })
    const next = session(RW)
    equal(state(next), CKS.RW_PUBLIC_SESSION, 'the last session logs out')
    closeAll()
    await refuses(CKR.SESSION_HANDLE_INVALID, () => state(next))
  })

  it('keep logins of applications apart', async () => {
    const other = engine.open(INFO)
    const mine = session(RW)
    await login(mine, CKU.USER, PIN)
    const theirs = await call().C_OpenSession(other, { slotID: 0, flags: RW })
    const { pInfo } = await call().C_GetSessionInfo(other, { hSession: theirs.phSession })
    equal(pInfo.state, CKS.RW_PUBLIC_SESSION)
    other.close()
    equal(state(mine), CKS.RW_USER_FUNCTIONS)
    closeAll()
  })

  it('refuse sessions that they do not offer', async () => {
    const openWith =
      (given: number, slotID = 0) =>
      () => {
        return call().C_OpenSession(app, { slotID, flags: given })
      }
    await refuses(CKR.SESSION_PARALLEL_NOT_SUPPORTED, openWith(CKF.RW_SESSION))
    await refuses(CKR.SESSION_ASYNC_NOT_SUPPORTED, openWith(RW | CKF.ASYNC_SESSION))
    await refuses(CKR.SLOT_ID_INVALID, openWith(RW, 1))
    for (let count = 0; count < 5; count++) openWith(RO)()
    await refuses(CKR.SESSION_COUNT, openWith(RO))
    closeAll()
  })

  it('change a PIN for who knows the old one', async () => {
    const hSession = session(RW)
    const change = (pOldPin: Uint8Array, pNewPin: Uint8Array) =>
      call().C_SetPIN(app, { hSession, pOldPin, pNewPin })
    await refuses(CKR.PIN_INCORRECT, () => change(Buffer.from('9999'), PIN))
    await change(PIN, Buffer.from('4321'))
    await refuses(CKR.PIN_INCORRECT, () => login(hSession, CKU.USER, PIN))
    await login(hSession, CKU.USER, Buffer.from('4321'))
    await change(Buffer.from('4321'), PIN)
    const readOnly = session(RO)
    await refuses(CKR.SESSION_READ_ONLY, () => {
      return call().C_SetPIN(app, { hSession: readOnly, pOldPin: PIN, pNewPin: PIN })
    })
    closeAll()
  })

  it('lock a PIN after so many wrong ones, over a restart too, until it is set anew', async () => {
    let hSession = session(RW)
    await refuses(CKR.PIN_INCORRECT, () => login(hSession, CKU.USER, Buffer.from('0000')))
    notEqual((await flags()) & CKF.USER_PIN_COUNT_LOW, 0)
    await refuses(CKR.PIN_INCORRECT, () => login(hSession, CKU.USER, Buffer.from('0001')))
    notEqual((await flags()) & CKF.USER_PIN_FINAL_TRY, 0)
    await house.close()
    await open()
    hSession = session(RW)
    await refuses(CKR.PIN_LOCKED, () => login(hSession, CKU.USER, Buffer.from('0002')))
    notEqual((await flags()) & CKF.USER_PIN_LOCKED, 0)
    await refuses(CKR.PIN_LOCKED, () => login(hSession, CKU.USER, PIN))
    await login(hSession, CKU.SO, SO_PIN)
    await call().C_InitPIN(app, { hSession, pPin: PIN })
    await call().C_Logout(app, { hSession })
    await login(hSession, CKU.USER, PIN)
    closeAll()
    const entries = await journalOf(house, 'Login')
    ok(entries.includes('notAuthenticated') && entries.includes('success'))
  })

  it('answer no event without waiting, and end a wait with the application', async () => {
    await refuses(CKR.NO_EVENT, () => call().C_WaitForSlotEvent(app, { flags: CKF.DONT_BLOCK }))
    const other = engine.open(INFO)
    const waiting = refuses(CKR.CRYPTOKI_NOT_INITIALIZED, () => {
      return call().C_WaitForSlotEvent(other, { flags: 0 })
    })
    other.close()
    await waiting
  })
})

describe('a token whose credential is revoked', { timeout: 60_000 }, () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'claviger-revoked-'))
  const environment = { CLAVIGER_LOG_LEVEL: 'silent', CLAVIGER_PKCS11_TOKENS: TOKENS_OF_TWO }
  const config = readConfig(undefined, environment)
  const open = () => House.open({ dataDir, config, log: createLog(config.log) })
  after(() => rmSync(dataDir, { recursive: true, force: true }))

  it('is gone at once, with its sessions, and after a restart; others stay', async () => {
    const plain = readConfig(undefined, { CLAVIGER_LOG_LEVEL: 'silent' })
    const first = await House.open({ dataDir, config: plain, log: createLog(plain.log) })
    await first.createCredential({ name: 'app', days: 1 }, 'test')
    await first.close()
    for (const isRestarted of [false, true]) {
      const house = await open()
      const engine = await openEngine(house)
      const app = engine.open(INFO)
      const call = engine.handlers
      const openSession = (slotID: number) => call.C_OpenSession(app, { slotID, flags: RW })
      const other = (await openSession(0)).phSession
      if (!isRestarted) {
        const { phSession: hSession } = await openSession(1)
        await call.C_GenerateRandom(app, { hSession, pRandomData: 8 })
        await house.credentials.revoke('app', 'test')
        await refuses(CKR.SESSION_HANDLE_INVALID, () => {
          return call.C_GenerateRandom(app, { hSession, pRandomData: 8 })
        })
      }
      await refuses(CKR.TOKEN_NOT_PRESENT, () => openSession(1))
      await refuses(CKR.TOKEN_NOT_PRESENT, () => call.C_GetTokenInfo(app, { slotID: 1 }))
      const present = await call.C_GetSlotList(app, { tokenPresent: true, pSlotList: 5 })
      deepEqual(present.pSlotList, [0])
      const all = await call.C_GetSlotList(app, { tokenPresent: false, pSlotList: 5 })
      deepEqual(all.pSlotList, [0, 1])
      await call.C_GenerateRandom(app, { hSession: other, pRandomData: 8 })
      engine.close()
      await house.close()
    }
  })
})

async function journalOf(house: House, operation: string): Promise<readonly string[]> {
  await house.services.journal.flush()
  const entries = await house.database.audit({ operation, limit: 100 })
  return entries.map(({ outcome }) => outcome)
}
