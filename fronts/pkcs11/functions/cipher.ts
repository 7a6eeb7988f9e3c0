/**
 * C_Encrypt and C_Decrypt, each with its Init, Update and Final.
 *
 * PKCS#11 3.2 §5.8 (encryption) and §5.10 (decryption).
 *
 * @module
 */
import { after } from '#core/awaitable.ts'
import type { Awaitable } from '#core/keystore.ts'
import type { Handlers, InitResults, Mechanism } from '#spec/pkcs11/types.ts'
import type { Application } from '../application.ts'
import { type Ciphering, cipherResults, final, newCiphering, update, whole } from '../ciphering.ts'
import {
  assertAuthenticated,
  assertWhole,
  begun,
  dataOf,
  lastStep,
  running,
  step,
} from '../running.ts'
import type { Session } from '../session.ts'

type Direction = 'encrypt' | 'decrypt'
type Result = Awaitable<Uint8Array | number>

function begin(
  session: Session,
  direction: Direction,
  mechanism: Mechanism | undefined,
  handle: number,
): Awaitable<InitResults> {
  const make = (wanted: Mechanism) => newCiphering(session, wanted, handle, direction)
  return begun(session, direction, mechanism, make, cipherResults)
}

/** Data in one part. */
function inOnePart(
  session: Session,
  direction: Direction,
  data: Uint8Array,
  capacity: number | undefined,
): Result {
  const ciphering = running<Ciphering>(session, direction)
  assertWhole(ciphering, direction)
  return lastStep(session, direction, () => {
    if (capacity !== undefined) assertAuthenticated(ciphering)
    return whole(ciphering, data, capacity)
  })
}

/** A part of the data. Exported for the functions that do two things at once. */
export function updateCipher(
  session: Session,
  direction: Direction,
  part: Uint8Array,
  capacity: number | undefined,
): Result {
  const ciphering = running<Ciphering>(session, direction)
  return step(session, direction, () => {
    if (capacity !== undefined) assertAuthenticated(ciphering)
    return update(ciphering, part, capacity)
  })
}

function finish(session: Session, direction: Direction, capacity: number | undefined): Result {
  const ciphering = running<Ciphering>(session, direction)
  return lastStep(session, direction, () => {
    if (capacity !== undefined) assertAuthenticated(ciphering)
    return final(ciphering, capacity)
  })
}

export const ciphers = {
  C_EncryptInit: (application, { hSession, pMechanism, hKey }) =>
    begin(application.session(hSession), 'encrypt', pMechanism, hKey),

  C_Encrypt: (application, { hSession, pData, pEncryptedData: capacity }) => {
    const session = application.session(hSession)
    const result = inOnePart(session, 'encrypt', dataOf(pData), capacity)
    return after(result, (pEncryptedData) => ({ pEncryptedData }))
  },

  C_EncryptUpdate: (application, { hSession, pPart, pEncryptedPart: capacity }) => {
    const session = application.session(hSession)
    const result = updateCipher(session, 'encrypt', dataOf(pPart), capacity)
    return after(result, (pEncryptedPart) => ({ pEncryptedPart }))
  },

  C_EncryptFinal: (application, { hSession, pLastEncryptedPart: capacity }) => {
    const result = finish(application.session(hSession), 'encrypt', capacity)
    return after(result, (pLastEncryptedPart) => ({ pLastEncryptedPart }))
  },

  C_DecryptInit: (application, { hSession, pMechanism, hKey }) =>
    begin(application.session(hSession), 'decrypt', pMechanism, hKey),

  C_Decrypt: (application, { hSession, pEncryptedData, pData: capacity }) => {
    const session = application.session(hSession)
    const result = inOnePart(session, 'decrypt', dataOf(pEncryptedData), capacity)
    return after(result, (pData) => ({ pData }))
  },

  C_DecryptUpdate: (application, { hSession, pEncryptedPart, pPart: capacity }) => {
    const session = application.session(hSession)
    const result = updateCipher(session, 'decrypt', dataOf(pEncryptedPart), capacity)
    return after(result, (pPart) => ({ pPart }))
  },

  C_DecryptFinal: (application, { hSession, pLastPart: capacity }) => {
    const result = finish(application.session(hSession), 'decrypt', capacity)
    return after(result, (pLastPart) => ({ pLastPart }))
  },
} satisfies Partial<Handlers<Application>>
