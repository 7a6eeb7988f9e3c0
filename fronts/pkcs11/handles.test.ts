/**
 * Handles: what they stand for, in the application that was given them and in no other.
 *
 * PKCS#11 3.2 §3.3. A process that outlives a server, or its connections, is a new application
 * there, and may not have noticed: what it knows from before must not work on something else.
 *
 * @module
 */
import { equal, ok } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { newOwnToken, type OwnToken, rvOf } from '#conformance/own-token.ts'
import { CKF, CKM } from '#spec/pkcs11/constants.ts'
import type { Application } from './application.ts'

const SESSIONS = 100

describe('the handles of an application', { timeout: 30_000 }, () => {
  let own: OwnToken
  before(async () => {
    own = await newOwnToken()
  })
  after(() => own.close())

  const begin = (): Application => {
    const peer = { uid: undefined, gid: undefined, pid: undefined }
    return own.engine.open({ peer, processId: undefined, isStock: false, reserved: undefined })
  }
  const openSession = async (application: Application): Promise<number> => {
    const args = { slotID: 0, flags: CKF.SERIAL_SESSION | CKF.RW_SESSION }
    return (await own.handlers.C_OpenSession(application, args)).phSession
  }
  const findAll = async (application: Application, hSession: number) => {
    await own.handlers.C_FindObjectsInit(application, { hSession, pTemplate: [] })
    const { phObject } = await own.handlers.C_FindObjects(application, { hSession, phObject: 100 })
    await own.handlers.C_FindObjectsFinal(application, { hSession })
    return phObject
  }

  it('are no sessions of the application that comes after it', async () => {
    const before = begin()
    const sessions: number[] = []
    for (let count = 0; count < SESSIONS; count++) sessions.push(await openSession(before))
    before.close()
    const next = begin()
    for (let count = 0; count < SESSIONS; count++) await openSession(next)
    for (const hSession of sessions) {
      const rv = await rvOf(async () => own.handlers.C_GetSessionInfo(next, { hSession }))
      equal(rv, 'CKR_SESSION_HANDLE_INVALID')
    }
    next.close()
  })

  it('are no other keys in the application that comes after it', async () => {
    for (let count = 0; count < 5; count++) await own.secret({ algorithm: 'AES', bits: 128 })
    const before = begin()
    const known = await findAll(before, await openSession(before))
    ok(known.length >= 5)
    before.close()
    const next = begin()
    const hSession = await openSession(next)
    equal((await findAll(next, hSession)).length, known.length)
    const pMechanism = { type: CKM.AES_CMAC, parameter: undefined }
    for (const hKey of known) {
      const rv = await rvOf(async () =>
        own.handlers.C_SignInit(next, { hSession, pMechanism, hKey }),
      )
      equal(rv, 'CKR_KEY_HANDLE_INVALID')
    }
    next.close()
  })
})
