/**
 * C_GetOperationState and C_SetOperationState: a digest put aside and taken up again.
 *
 * PKCS#11 3.2 §5.6.4 and §5.6.5. The state itself stays here; the application gets a random name
 * for it, which is good for the same application as long as not too many newer ones have been saved
 * (`savedStatesMax`). Operations with keys are not saved: their state would say something of the
 * key.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { Handlers } from '#spec/pkcs11/types.ts'
import type { Application } from '../application.ts'
import { copyOf, type Digesting } from '../digesting.ts'
import { dataOf, fits, running } from '../running.ts'
import type { Session } from '../session.ts'

const NAME_BYTES = 32

/** Oldest first. */
const STATES = new WeakMap<Application, Map<string, Digesting>>()

function statesOf(application: Application): Map<string, Digesting> {
  let states = STATES.get(application)
  if (states === undefined) {
    states = new Map()
    STATES.set(application, states)
  }
  return states
}

/** @throws `CryptokiError` `CKR_STATE_UNSAVEABLE` beside an operation that cannot be saved. */
function assertSaveable(session: Session): void {
  for (const [kind] of session.operations()) {
    if (kind === 'digest' || kind === 'find') continue
    const what = `an operation to ${kind} goes on in this session, and only digests are saved`
    throw new CryptokiError(CKR.STATE_UNSAVEABLE, what)
  }
}

export const state = {
  C_GetOperationState: (application, { hSession, pOperationState: capacity }) => {
    const session = application.session(hSession)
    assertSaveable(session)
    const digesting = running<Digesting>(session, 'digest')
    if (!fits(NAME_BYTES, capacity)) return { pOperationState: NAME_BYTES }
    const states = statesOf(application)
    const name = randomBytes(NAME_BYTES)
    states.set(name.toString('hex'), copyOf(digesting))
    const oldest = states.keys().next().value
    const { savedStatesMax } = session.token.services.limits
    if (oldest !== undefined && states.size > savedStatesMax) states.delete(oldest)
    return { pOperationState: name }
  },

  C_SetOperationState: (application, args) => {
    const { hSession, pOperationState, hEncryptionKey, hAuthenticationKey } = args
    const session = application.session(hSession)
    const name = Buffer.from(dataOf(pOperationState)).toString('hex')
    const saved = statesOf(application).get(name)
    if (saved === undefined) {
      throw new CryptokiError(CKR.SAVED_STATE_INVALID, 'no state of this application has that name')
    }
    if (hEncryptionKey !== 0 || hAuthenticationKey !== 0) {
      throw new CryptokiError(CKR.KEY_NOT_NEEDED, 'the state is that of a digest, which has no key')
    }
    session.end('digest')
    session.begin('digest', copyOf(saved))
    return undefined
  },
} satisfies Partial<Handlers<Application>>
