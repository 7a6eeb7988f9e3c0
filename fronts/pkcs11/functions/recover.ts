/**
 * C_SignRecover and C_VerifyRecover, each with its Init: signatures that carry their data.
 *
 * PKCS#11 3.2 §5.13.5 and following, §5.15.5 and following; §6.1.6 and §6.1.9 (RSA).
 *
 * @module
 */
import { after } from '#core/awaitable.ts'
import { KmsError } from '#core/errors.ts'
import type { Awaitable, SignatureMechanism } from '#core/keystore.ts'
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { Handlers, InitResults, Mechanism } from '#spec/pkcs11/types.ts'
import type { Application } from '../application.ts'
import { use } from '../objects/use.ts'
import { assertAuthenticated, begun, dataOf, fits, fitting, lastStep, running } from '../running.ts'
import type { Session } from '../session.ts'
import {
  assertSignatureLength,
  newSigning,
  type Signing,
  signResults,
  signWhole,
  verifyResults,
} from '../signing.ts'

function begin(
  session: Session,
  kind: 'signRecover' | 'verifyRecover',
  mechanism: Mechanism | undefined,
  handle: number,
): Awaitable<InitResults> {
  const make = (wanted: Mechanism) => newSigning(session, wanted, handle, kind)
  return begun(session, kind, mechanism, make, kind === 'signRecover' ? signResults : verifyResults)
}

/** The data of a signature; a wrong one has none. */
function recovered({ held, work }: Signing, signature: Uint8Array): Awaitable<Uint8Array> {
  const mechanism = work.mechanism as SignatureMechanism
  const failed = (error: unknown): never => {
    if (!(error instanceof KmsError && error.code === 'cryptographicFailure')) throw error
    throw new CryptokiError(CKR.SIGNATURE_INVALID, error.message, { cause: error })
  }
  return use(held, ({ key, keystore }) => {
    try {
      const data = keystore.recover(key, mechanism, signature)
      return data instanceof Promise ? data.catch(failed) : data
    } catch (error) {
      return failed(error)
    }
  })
}

export const recover = {
  C_SignRecoverInit: (application, { hSession, pMechanism, hKey }) =>
    begin(application.session(hSession), 'signRecover', pMechanism, hKey),

  C_SignRecover: (application, { hSession, pData, pSignature: capacity }) => {
    const session = application.session(hSession)
    const signing = running<Signing>(session, 'signRecover')
    if (!fits(signing.length, capacity)) return { pSignature: signing.length }
    const signature = lastStep(session, 'signRecover', () => {
      assertAuthenticated(signing)
      return signWhole(signing, dataOf(pData))
    })
    return after(signature, (pSignature) => ({ pSignature }))
  },

  C_VerifyRecoverInit: (application, { hSession, pMechanism, hKey }) =>
    begin(application.session(hSession), 'verifyRecover', pMechanism, hKey),

  C_VerifyRecover: (application, { hSession, pSignature, pData: capacity }) => {
    const session = application.session(hSession)
    const signing = running<Signing>(session, 'verifyRecover')
    if (capacity === undefined) return { pData: signing.length }
    const data = lastStep(session, 'verifyRecover', () => {
      assertAuthenticated(signing)
      const signature = dataOf(pSignature)
      assertSignatureLength(signing, signature)
      return after(recovered(signing, signature), (bytes) => fitting(bytes, capacity))
    })
    return after(data, (pData) => ({ pData }))
  },
} satisfies Partial<Handlers<Application>>
