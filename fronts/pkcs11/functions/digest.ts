/**
 * C_DigestInit, C_Digest, C_DigestUpdate, C_DigestKey and C_DigestFinal.
 *
 * PKCS#11 3.2 §5.12. A key that is sensitive or does not leave is not digested: what is known of
 * its digest is known of the key.
 *
 * @module
 */

import { after } from '#core/awaitable.ts'
import { keyInUse } from '#core/keys.ts'
import type { Awaitable } from '#core/keystore.ts'
import { labelOf } from '#core/objects.ts'
import { hashRow } from '#spec/algorithms.ts'
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { Handlers } from '#spec/pkcs11/types.ts'
import type { Application, Seen } from '../application.ts'
import { type Digesting, newDigesting, runOf } from '../digesting.ts'
import { keystoreOf, offeredFor } from '../mechanisms.ts'
import { record } from '../objects/use.ts'
import { assertNoParameter } from '../parameters.ts'
import { ASK, assertWhole, beginning, dataOf, fits, lastStep, running, step } from '../running.ts'
import type { Session } from '../session.ts'

function recorded(session: Session, object?: string): Awaitable<undefined> {
  const room = record(session.context('Hash'), object, 'success')
  return room instanceof Promise ? room.then(() => undefined) : undefined
}

/** A part of the data. Exported for the functions that do two things at once. */
export function updateDigest(session: Session, part: Uint8Array): Awaitable<undefined> {
  const digesting = running<Digesting>(session, 'digest')
  return step(session, 'digest', () =>
    after(runOf(digesting), (run) => after(run.update(part), () => undefined)),
  )
}

/** The bytes of a key into the digest. */
function updateKey(
  session: Session,
  digesting: Digesting,
  { object, lasting }: Seen,
): Awaitable<undefined> {
  const key = keyInUse(object)
  const { attributes } = object
  const stays = attributes.get('sensitive') === true || attributes.get('extractable') === false
  if (key.kind !== 'secret' || stays) {
    const what = `${labelOf(object)} is not a secret key that may leave`
    throw new CryptokiError(CKR.KEY_INDIGESTIBLE, what)
  }
  const { services } = session.context('Hash', lasting)
  const keystore = services.keystores.named((object.material as { keystore: string }).keystore)
  return after(keystore.export(key), (secret) => {
    const fed = after(runOf(digesting), (run) =>
      after(run.update(secret.expose()), () => recorded(session, object.id)),
    )
    if (!(fed instanceof Promise)) {
      secret[Symbol.dispose]()
      return fed
    }
    return fed.finally(() => secret[Symbol.dispose]())
  })
}

export const digest = {
  C_DigestInit: (application, { hSession, pMechanism }) => {
    const session = application.session(hSession)
    const mechanism = beginning(session, 'digest', pMechanism)
    if (mechanism === undefined) return ASK
    const offered = offeredFor(session, mechanism, 'digest')
    assertNoParameter(offered, mechanism.parameter)
    const does = offered.does.digest
    if (does?.kind !== 'digest') {
      throw new CryptokiError(CKR.MECHANISM_INVALID, `CKM_${offered.name} does not digest`)
    }
    const { limits } = session.token.services
    session.begin('digest', newDigesting(keystoreOf(session), does.hash, limits))
    return { rule: 'fixed', length: hashRow(does.hash).bytes, isRepeatable: true }
  },

  C_Digest: (application, { hSession, pData, pDigest: capacity }) => {
    const session = application.session(hSession)
    const digesting = running<Digesting>(session, 'digest')
    assertWhole(digesting, 'digest')
    if (!fits(digesting.length, capacity)) return { pDigest: digesting.length }
    const result = lastStep(session, 'digest', () =>
      after(digesting.keystore.digest(digesting.hash, dataOf(pData)), (value) =>
        after(recorded(session), () => value),
      ),
    )
    return after(result, (pDigest) => ({ pDigest }))
  },

  C_DigestUpdate: (application, { hSession, pPart }) =>
    updateDigest(application.session(hSession), dataOf(pPart)),

  C_DigestKey: (application, { hSession, hKey }) => {
    const session = application.session(hSession)
    const digesting = running<Digesting>(session, 'digest')
    return step(session, 'digest', () =>
      after(application.object(session, hKey, CKR.KEY_HANDLE_INVALID), (seen) =>
        updateKey(session, digesting, seen),
      ),
    )
  },

  C_DigestFinal: (application, { hSession, pDigest: capacity }) => {
    const session = application.session(hSession)
    const digesting = running<Digesting>(session, 'digest')
    if (!fits(digesting.length, capacity)) return { pDigest: digesting.length }
    const result = lastStep(session, 'digest', () =>
      after(runOf(digesting), (run) =>
        after(run.final(), (value) => after(recorded(session), () => value)),
      ),
    )
    return after(result, (pDigest) => ({ pDigest }))
  },
} satisfies Partial<Handlers<Application>>
