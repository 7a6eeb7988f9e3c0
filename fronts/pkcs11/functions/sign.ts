/**
 * C_Sign, C_Verify and C_VerifySignature, each with its Init, Update and Final.
 *
 * PKCS#11 3.2 §5.13 (signing and MACing), §5.15 (verifying), §5.16 (verifying with the signature
 * known first). The lengths of signatures follow from the key: a question for the length computes
 * nothing.
 *
 * @module
 */
import { after } from '#core/awaitable.ts'
import type { Awaitable } from '#core/keystore.ts'
import type { Handlers, InitResults, Mechanism } from '#spec/pkcs11/types.ts'
import type { Application } from '../application.ts'
import {
  assertAuthenticated,
  assertWhole,
  beginning,
  begun,
  dataOf,
  fits,
  lastStep,
  running,
  step,
} from '../running.ts'
import type { OperationKind, Session } from '../session.ts'
import {
  assertSignatureLength,
  assertValid,
  finished,
  newSigning,
  partsOf,
  type Signing,
  signResults,
  signWhole,
  verifyResults,
  verifyWhole,
} from '../signing.ts'

interface VerifyingSignature extends Signing {
  readonly signature: Uint8Array
}

type VerifyKind = Extract<OperationKind, 'verify' | 'verifySignature'>

function begin(
  session: Session,
  kind: 'sign' | 'verify',
  mechanism: Mechanism | undefined,
  handle: number,
): Awaitable<InitResults> {
  const make = (wanted: Mechanism) => newSigning(session, wanted, handle, kind)
  return begun(session, kind, mechanism, make, kind === 'sign' ? signResults : verifyResults)
}

/** A part of the data. Exported for the functions that do two things at once. */
export function updateSignature(
  session: Session,
  kind: 'sign' | VerifyKind,
  part: Uint8Array,
): Awaitable<undefined> {
  const signing = running<Signing>(session, kind)
  return step(session, kind, () => {
    assertAuthenticated(signing)
    return after(partsOf(signing), (parts) => after(parts.update(part), () => undefined))
  })
}

/** A verification ends whatever comes of it. */
function verdict(
  session: Session,
  kind: VerifyKind,
  signing: Signing,
  signature: Uint8Array,
  verify: () => Awaitable<boolean>,
): Awaitable<undefined> {
  return step(session, kind, () => {
    assertAuthenticated(signing)
    assertSignatureLength(signing, signature)
    return after(verify(), (valid) => {
      assertValid(valid)
      session.end(kind)
      return undefined
    })
  })
}

export const sign = {
  C_SignInit: (application, { hSession, pMechanism, hKey }) =>
    begin(application.session(hSession), 'sign', pMechanism, hKey),

  C_Sign: (application, { hSession, pData, pSignature: capacity }) => {
    const session = application.session(hSession)
    const signing = running<Signing>(session, 'sign')
    assertWhole(signing, 'sign')
    if (!fits(signing.length, capacity)) return { pSignature: signing.length }
    const signature = lastStep(session, 'sign', () => {
      assertAuthenticated(signing)
      return signWhole(signing, dataOf(pData))
    })
    return after(signature, (pSignature) => ({ pSignature }))
  },

  C_SignUpdate: (application, { hSession, pPart }) =>
    updateSignature(application.session(hSession), 'sign', dataOf(pPart)),

  C_SignFinal: (application, { hSession, pSignature: capacity }) => {
    const session = application.session(hSession)
    const signing = running<Signing>(session, 'sign')
    if (!fits(signing.length, capacity)) return { pSignature: signing.length }
    const signature = lastStep(session, 'sign', () => {
      assertAuthenticated(signing)
      return after(finished(signing), (parts) => parts.sign())
    })
    return after(signature, (pSignature) => ({ pSignature }))
  },

  C_VerifyInit: (application, { hSession, pMechanism, hKey }) =>
    begin(application.session(hSession), 'verify', pMechanism, hKey),

  C_Verify: (application, { hSession, pData, pSignature }) => {
    const session = application.session(hSession)
    const signing = running<Signing>(session, 'verify')
    assertWhole(signing, 'verify')
    const signature = dataOf(pSignature)
    return verdict(session, 'verify', signing, signature, () =>
      verifyWhole(signing, dataOf(pData), signature),
    )
  },

  C_VerifyUpdate: (application, { hSession, pPart }) =>
    updateSignature(application.session(hSession), 'verify', dataOf(pPart)),

  C_VerifyFinal: (application, { hSession, pSignature }) => {
    const session = application.session(hSession)
    const signing = running<Signing>(session, 'verify')
    const signature = dataOf(pSignature)
    return verdict(session, 'verify', signing, signature, () =>
      after(finished(signing), (parts) => parts.verify(signature)),
    )
  },

  C_VerifySignatureInit: (application, { hSession, pMechanism, hKey, pSignature }) => {
    const session = application.session(hSession)
    const wanted = beginning(session, 'verifySignature', pMechanism)
    if (wanted === undefined) return undefined
    return after(newSigning(session, wanted, hKey, 'verify'), (signing) => {
      const signature = Uint8Array.from(dataOf(pSignature))
      assertSignatureLength(signing, signature)
      const operation: VerifyingSignature = Object.assign(signing, { signature })
      session.begin('verifySignature', operation)
      return undefined
    })
  },

  C_VerifySignature: (application, { hSession, pData }) => {
    const session = application.session(hSession)
    const signing = running<VerifyingSignature>(session, 'verifySignature')
    assertWhole(signing, 'verifySignature')
    const { signature } = signing
    return verdict(session, 'verifySignature', signing, signature, () =>
      verifyWhole(signing, dataOf(pData), signature),
    )
  },

  C_VerifySignatureUpdate: (application, { hSession, pPart }) =>
    updateSignature(application.session(hSession), 'verifySignature', dataOf(pPart)),

  C_VerifySignatureFinal: (application, { hSession }) => {
    const session = application.session(hSession)
    const signing = running<VerifyingSignature>(session, 'verifySignature')
    const { signature } = signing
    return verdict(session, 'verifySignature', signing, signature, () =>
      after(finished(signing), (parts) => parts.verify(signature)),
    )
  },
} satisfies Partial<Handlers<Application>>
