/**
 * Making, reading, changing, searching and destroying objects.
 *
 * PKCS#11 3.2 §5.7. Token objects are the core's: what is changed here is seen by KMIP, and the
 * reverse.
 *
 * @module
 */
import { commit } from '#core/change.ts'
import { destroy } from '#core/operations/lifecycle.ts'
import { encodeObject } from '#core/record.ts'
import { RevocationReasonCode } from '#spec/kmip/enumerations.ts'
import { CKA, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { Handlers } from '#spec/pkcs11/types.ts'
import type { Application, Seen } from '../application.ts'
import { changeObject, copyObject } from '../objects/change.ts'
import { Search } from '../objects/find.ts'
import { answersOf } from '../objects/get.ts'
import { importObject } from '../objects/import.ts'
import { isPrivate } from '../objects/private.ts'
import { assertAllowed, assertMayWrite } from '../objects/rules.ts'
import type { Session } from '../session.ts'

export const objects = {
  C_CreateObject: async (application, { hSession, pTemplate }) => {
    return { phObject: await importObject(application.session(hSession), pTemplate) }
  },

  C_CopyObject: async (application, { hSession, hObject, pTemplate }) => {
    const session = application.session(hSession)
    const seen = await application.object(session, hObject)
    return { phNewObject: await copyObject(session, seen, pTemplate) }
  },

  C_SetAttributeValue: async (application, { hSession, hObject, pTemplate }) => {
    const session = application.session(hSession)
    await changeObject(session, await application.object(session, hObject), pTemplate)
    return {}
  },

  C_DestroyObject: async (application, { hSession, hObject }) => {
    const session = application.session(hSession)
    const seen = await application.object(session, hObject)
    assertMayWrite(session, seen.lasting, isPrivate(seen.object))
    assertAllowed(seen.object, CKA.DESTROYABLE)
    await end(session, seen)
    application.drop(seen.reference)
    return {}
  },

  C_GetObjectSize: async (application, { hSession, hObject }) => {
    const { object } = await application.object(application.session(hSession), hObject)
    // What the record takes, with the sealed material.
    return { pulSize: encodeObject(object).length }
  },

  C_GetAttributeValue: (application, { hSession, hObject, pTemplate }) => {
    const seen = application.object(application.session(hSession), hObject)
    return seen instanceof Promise
      ? seen.then((one) => answersOf(one, pTemplate))
      : answersOf(seen, pTemplate)
  },

  C_FindObjectsInit: async (application, { hSession, pTemplate }) => {
    const session = application.session(hSession)
    if (session.operation('find') !== undefined) {
      throw new CryptokiError(CKR.OPERATION_ACTIVE, 'a search is going on in this session')
    }
    session.begin('find', await Search.begin(session, pTemplate))
    return {}
  },

  C_FindObjects: async (application, { hSession, phObject }) => {
    return { phObject: await searchOf(application.session(hSession)).next(phObject) }
  },

  C_FindObjectsFinal: (application, { hSession }) => {
    const session = application.session(hSession)
    searchOf(session)
    session.end('find')
    return {}
  },
} satisfies Partial<Handlers<Application>>

/** @throws `CryptokiError` `OPERATION_NOT_INITIALIZED`. */
function searchOf(session: Session): Search {
  const search = session.operation('find')
  if (search instanceof Search) return search
  throw new CryptokiError(CKR.OPERATION_NOT_INITIALIZED, 'no search is going on in this session')
}

const CESSATION = { revocationReasonCode: RevocationReasonCode.CessationOfOperation } as const

/**
 * A session object vanishes; a token object is revoked, where it is active, and destroyed: both or
 * neither, and nobody sees what is between.
 */
async function end(session: Session, { object, lasting }: Seen): Promise<void> {
  const context = session.context('Destroy', lasting)
  if (!lasting) {
    await commit(context, [{ before: object }])
    return
  }
  await destroy(context, object.id, false, CESSATION)
}
