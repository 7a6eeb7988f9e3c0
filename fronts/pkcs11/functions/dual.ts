/**
 * The four functions that do two things at once with every part.
 *
 * PKCS#11 3.2 §5.17. Both operations are begun and ended by their own functions. Where the part of
 * the cipher has no place to go, neither operation has moved.
 *
 * @module
 */
import { after } from '#core/awaitable.ts'
import type { Awaitable } from '#core/keystore.ts'
import type { Handlers } from '#spec/pkcs11/types.ts'
import type { Application } from '../application.ts'
import { dataOf, type Running, running } from '../running.ts'
import type { OperationKind, Session } from '../session.ts'
import { updateCipher } from './cipher.ts'
import { updateDigest } from './digest.ts'
import { updateSignature } from './sign.ts'

type Result = Awaitable<Uint8Array | number>

function assertBoth(session: Session, one: OperationKind, two: OperationKind): void {
  running<Running>(session, one)
  running<Running>(session, two)
}

/** Encrypts a part; what is encrypted goes to the other operation as well. */
function withEncryption(
  session: Session,
  other: 'digest' | 'sign',
  part: Uint8Array,
  capacity: number | undefined,
): Result {
  assertBoth(session, other, 'encrypt')
  return after(updateCipher(session, 'encrypt', part, capacity), (result) => {
    if (typeof result === 'number') return result
    const fed =
      other === 'digest' ? updateDigest(session, part) : updateSignature(session, other, part)
    return after(fed, () => result)
  })
}

/** Decrypts a part; what comes out goes to the other operation as well. */
function withDecryption(
  session: Session,
  other: 'digest' | 'verify',
  part: Uint8Array,
  capacity: number | undefined,
): Result {
  assertBoth(session, other, 'decrypt')
  return after(updateCipher(session, 'decrypt', part, capacity), (result) => {
    if (typeof result === 'number') return result
    const fed =
      other === 'digest' ? updateDigest(session, result) : updateSignature(session, other, result)
    return after(fed, () => result)
  })
}

export const dual = {
  C_DigestEncryptUpdate: (application, { hSession, pPart, pEncryptedPart: capacity }) => {
    const session = application.session(hSession)
    const result = withEncryption(session, 'digest', dataOf(pPart), capacity)
    return after(result, (pEncryptedPart) => ({ pEncryptedPart }))
  },

  C_DecryptDigestUpdate: (application, { hSession, pEncryptedPart, pPart: capacity }) => {
    const session = application.session(hSession)
    const result = withDecryption(session, 'digest', dataOf(pEncryptedPart), capacity)
    return after(result, (pPart) => ({ pPart }))
  },

  C_SignEncryptUpdate: (application, { hSession, pPart, pEncryptedPart: capacity }) => {
    const session = application.session(hSession)
    const result = withEncryption(session, 'sign', dataOf(pPart), capacity)
    return after(result, (pEncryptedPart) => ({ pEncryptedPart }))
  },

  C_DecryptVerifyUpdate: (application, { hSession, pEncryptedPart, pPart: capacity }) => {
    const session = application.session(hSession)
    const result = withDecryption(session, 'verify', dataOf(pEncryptedPart), capacity)
    return after(result, (pPart) => ({ pPart }))
  },
} satisfies Partial<Handlers<Application>>
