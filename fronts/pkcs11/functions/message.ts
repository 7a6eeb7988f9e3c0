/**
 * The message functions: many messages under one Init.
 *
 * PKCS#11 3.2 §5.9 (encryption), §5.11 (decryption), §5.14 (signing), §5.16 (verifying). A message
 * that fails ends itself, and not the operation: the next message may come. A message that is
 * decrypted in parts comes out with its last part, when the tag is right.
 *
 * @module
 */
import { after } from '#core/awaitable.ts'
import type { Awaitable } from '#core/keystore.ts'
import { CKF, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { Handlers, InitResults, Mechanism, MessageParameter } from '#spec/pkcs11/types.ts'
import type { Application } from '../application.ts'
import { type Ciphering, newMessage, transformed } from '../ciphering.ts'
import { type Does, type Offered, offeredFor } from '../mechanisms.ts'
import { type Message, meaningOfMessage, messageOf, Nonces } from '../messages.ts'
import { type HeldKey, keyFor } from '../objects/use.ts'
import {
  ASK,
  assertAuthenticated,
  begun,
  consent,
  dataOf,
  fits,
  Gathered,
  NOTHING,
  type Running,
  running,
} from '../running.ts'
import type { Session } from '../session.ts'
import {
  assertSignatureLength,
  assertValid,
  finished,
  newSigning,
  partsOf,
  type Signing,
  signWhole,
  verifyWhole,
} from '../signing.ts'

interface Begun {
  readonly message: Message
  readonly nonce: Uint8Array
  readonly ciphering: Ciphering
  readonly gathered: Gathered
}

/** An operation that encrypts or decrypts messages. */
interface Messages extends Running {
  readonly held: HeldKey
  readonly offered: Offered
  readonly does: Extract<Does, { kind: 'cipher' }>
  readonly nonces: Nonces
  begun?: Begun | undefined
}

type CipherKind = 'messageEncrypt' | 'messageDecrypt'
type SignKind = 'messageSign' | 'messageVerify'

function beginCipher(
  session: Session,
  kind: CipherKind,
  mechanism: Mechanism | undefined,
  handle: number,
): Awaitable<InitResults> {
  const make = (wanted: Mechanism): Awaitable<Messages> => {
    const offered = offeredFor(session, wanted, kind)
    const does = offered.does[kind]
    if (does?.kind !== 'cipher') {
      throw new CryptokiError(CKR.MECHANISM_INVALID, `CKM_${offered.name} has no messages`)
    }
    return after(keyFor(session, handle, kind, offered), (held) => {
      return { held, offered, does, nonces: new Nonces(), inParts: false, ...consent(held) }
    })
  }
  return begun(session, kind, mechanism, make, () => ASK)
}

/** Does a part of the work; another thread must wait for it. */
function atWork<T>(operation: Running, work: () => Awaitable<T>): Awaitable<T> {
  const result = work()
  if (!(result instanceof Promise)) return result
  operation.isBusy = true
  return result.finally(() => {
    operation.isBusy = false
  })
}

/** @throws `CryptokiError` `CKR_OPERATION_ACTIVE` within a message in parts. */
function assertBetween({ begun }: Messages): void {
  if (begun === undefined) return
  throw new CryptokiError(CKR.OPERATION_ACTIVE, 'a message in parts has begun; finish it first')
}

interface Given {
  readonly pParameter: MessageParameter
  readonly aad: Uint8Array
}

function newBegun(operation: Messages, kind: CipherKind, { pParameter, aad }: Given): Begun {
  const { offered, does, held, nonces } = operation
  const message = messageOf(offered, does, pParameter)
  const encrypts = kind === 'messageEncrypt'
  const nonce = encrypts ? nonces.next(offered, message) : message.nonce
  const meaning = meaningOfMessage(does, message, nonce, aad)
  const ciphering = newMessage(held, encrypts ? 'encrypt' : 'decrypt', meaning)
  const gathered = new Gathered(held.context.services.limits.bufferedBytesMax)
  return { message, nonce, ciphering, gathered }
}

interface Sealed {
  readonly data: Uint8Array
  readonly pParameter: MessageParameter
}

function sealed({ message, nonce, ciphering }: Begun, data: Uint8Array): Awaitable<Sealed> {
  return after(transformed(ciphering, data), (result) => {
    const at = result.length - message.tagBytes
    const pParameter = message.written(nonce, result.subarray(at))
    return { data: result.subarray(0, at), pParameter }
  })
}

/** As {@link transformed}, with the tag where the parameter has it. */
function opened({ message, ciphering }: Begun, offered: Offered, data: Uint8Array) {
  if (message.tag === undefined) {
    const what = `parameter of CKM_${offered.name}: the tag is missing`
    throw new CryptokiError(CKR.MECHANISM_PARAM_INVALID, what)
  }
  const failed = (error: unknown): never => {
    if (!(error instanceof CryptokiError && error.rv === CKR.ENCRYPTED_DATA_INVALID)) throw error
    throw new CryptokiError(CKR.AEAD_DECRYPT_FAILED, error.message, { cause: error })
  }
  try {
    const plain = transformed(ciphering, Buffer.concat([data, message.tag]))
    return plain instanceof Promise ? plain.catch(failed) : plain
  } catch (error) {
    return failed(error)
  }
}

function isLast(flags: number): boolean {
  return (flags & CKF.END_OF_MESSAGE) !== 0
}

/** Data of a message in parts; the last part is not taken before there is room for the result. */
function gather(operation: Messages, part: Uint8Array): Begun {
  const { begun } = operation
  if (begun === undefined) {
    throw new CryptokiError(CKR.OPERATION_NOT_INITIALIZED, 'no message in parts has begun')
  }
  begun.gathered.add(part)
  return begun
}

function lengthWith({ begun }: Messages, part: Uint8Array): number {
  return (begun?.gathered.length ?? 0) + part.length
}

function beginSigning(
  session: Session,
  kind: SignKind,
  mechanism: Mechanism | undefined,
  handle: number,
): Awaitable<InitResults> {
  const make = (wanted: Mechanism) => newSigning(session, wanted, handle, kind)
  return begun(session, kind, mechanism, make, () => ASK)
}

/** Messages that are signed have no parameter. */
function assertNone(parameter: MessageParameter): void {
  if (parameter === undefined || (parameter instanceof Uint8Array && parameter.length === 0)) return
  const what = 'parameter of a message: signatures have none; it is given with Init'
  throw new CryptokiError(CKR.MECHANISM_PARAM_INVALID, what)
}

function assertNoParts(signing: Signing): void {
  if (!signing.inParts) return
  throw new CryptokiError(CKR.OPERATION_ACTIVE, 'a message in parts has begun; finish it first')
}

/** A message in parts is over: the next one may begin. */
function reset(signing: Signing): void {
  signing.parts?.end()
  signing.parts = undefined
  signing.inParts = false
}

function beginMessage(session: Session, kind: SignKind, parameter: MessageParameter): undefined {
  const signing = running<Signing>(session, kind)
  assertNone(parameter)
  assertNoParts(signing)
  signing.inParts = true
  return undefined
}

/** @throws `CryptokiError` `CKR_OPERATION_NOT_INITIALIZED`. */
function assertBegun(signing: Signing): void {
  if (signing.inParts) return
  throw new CryptokiError(CKR.OPERATION_NOT_INITIALIZED, 'no message in parts has begun')
}

/** The end of a message in parts, whatever comes of it. */
function ending<T>(signing: Signing, work: () => Awaitable<T>): Awaitable<T> {
  try {
    const result = work()
    if (result instanceof Promise) return result.finally(() => reset(signing))
    reset(signing)
    return result
  } catch (error) {
    reset(signing)
    throw error
  }
}

function finish(session: Session, kind: CipherKind | SignKind): undefined {
  running<Running>(session, kind)
  session.end(kind)
  return undefined
}

export const message = {
  C_MessageEncryptInit: (application, { hSession, pMechanism, hKey }) =>
    beginCipher(application.session(hSession), 'messageEncrypt', pMechanism, hKey),

  C_EncryptMessage: (application, args) => {
    const { hSession, pParameter, pAssociatedData, pPlaintext, pCiphertext: capacity } = args
    const operation = running<Messages>(application.session(hSession), 'messageEncrypt')
    assertBetween(operation)
    const data = dataOf(pPlaintext)
    if (!fits(data.length, capacity)) return { pParameter, pCiphertext: data.length }
    assertAuthenticated(operation)
    const given = { pParameter, aad: dataOf(pAssociatedData) }
    const begun = newBegun(operation, 'messageEncrypt', given)
    const result = atWork(operation, () => sealed(begun, data))
    return after(result, (done) => ({ pParameter: done.pParameter, pCiphertext: done.data }))
  },

  C_EncryptMessageBegin: (application, { hSession, pParameter, pAssociatedData }) => {
    const operation = running<Messages>(application.session(hSession), 'messageEncrypt')
    assertBetween(operation)
    assertAuthenticated(operation)
    const given = { pParameter, aad: Uint8Array.from(dataOf(pAssociatedData)) }
    const begun = newBegun(operation, 'messageEncrypt', given)
    operation.begun = begun
    return { pParameter: begun.message.written(begun.nonce, begun.message.tag) }
  },

  C_EncryptMessageNext: (application, args) => {
    const { hSession, pParameter, pPlaintextPart, pCiphertextPart: capacity, flags } = args
    const operation = running<Messages>(application.session(hSession), 'messageEncrypt')
    const part = dataOf(pPlaintextPart)
    const length = isLast(flags) ? lengthWith(operation, part) : 0
    if (!fits(length, capacity)) return { pParameter, pCiphertextPart: length }
    const begun = gather(operation, part)
    if (!isLast(flags)) return { pParameter, pCiphertextPart: NOTHING }
    operation.begun = undefined
    const result = atWork(operation, () => sealed(begun, begun.gathered.whole()))
    return after(result, (done) => ({ pParameter: done.pParameter, pCiphertextPart: done.data }))
  },

  C_MessageEncryptFinal: (application, { hSession }) =>
    finish(application.session(hSession), 'messageEncrypt'),

  C_MessageDecryptInit: (application, { hSession, pMechanism, hKey }) =>
    beginCipher(application.session(hSession), 'messageDecrypt', pMechanism, hKey),

  C_DecryptMessage: (application, args) => {
    const { hSession, pParameter, pAssociatedData, pCiphertext, pPlaintext: capacity } = args
    const operation = running<Messages>(application.session(hSession), 'messageDecrypt')
    assertBetween(operation)
    const data = dataOf(pCiphertext)
    if (!fits(data.length, capacity)) return { pParameter, pPlaintext: data.length }
    assertAuthenticated(operation)
    const given = { pParameter, aad: dataOf(pAssociatedData) }
    const begun = newBegun(operation, 'messageDecrypt', given)
    const result = atWork(operation, () => opened(begun, operation.offered, data))
    return after(result, (pPlaintext) => ({ pParameter, pPlaintext }))
  },

  C_DecryptMessageBegin: (application, { hSession, pParameter, pAssociatedData }) => {
    const operation = running<Messages>(application.session(hSession), 'messageDecrypt')
    assertBetween(operation)
    assertAuthenticated(operation)
    const given = { pParameter, aad: Uint8Array.from(dataOf(pAssociatedData)) }
    operation.begun = newBegun(operation, 'messageDecrypt', given)
    return { pParameter }
  },

  C_DecryptMessageNext: (application, args) => {
    const { hSession, pParameter, pCiphertextPart, pPlaintextPart: capacity, flags } = args
    const operation = running<Messages>(application.session(hSession), 'messageDecrypt')
    const part = dataOf(pCiphertextPart)
    const length = isLast(flags) ? lengthWith(operation, part) : 0
    if (!fits(length, capacity)) return { pParameter, pPlaintextPart: length }
    const begun = gather(operation, part)
    if (!isLast(flags)) return { pParameter, pPlaintextPart: NOTHING }
    operation.begun = undefined
    // The tag may be known by now only.
    const { tag } = messageOf(operation.offered, operation.does, pParameter)
    const last = { ...begun, message: { ...begun.message, tag: tag ?? begun.message.tag } }
    const result = atWork(operation, () => opened(last, operation.offered, begun.gathered.whole()))
    return after(result, (pPlaintextPart) => ({ pParameter, pPlaintextPart }))
  },

  C_MessageDecryptFinal: (application, { hSession }) =>
    finish(application.session(hSession), 'messageDecrypt'),

  C_MessageSignInit: (application, { hSession, pMechanism, hKey }) =>
    beginSigning(application.session(hSession), 'messageSign', pMechanism, hKey),

  C_SignMessage: (application, { hSession, pParameter, pData, pSignature: capacity }) => {
    const signing = running<Signing>(application.session(hSession), 'messageSign')
    assertNoParts(signing)
    assertNone(pParameter)
    if (!fits(signing.length, capacity)) return { pParameter, pSignature: signing.length }
    assertAuthenticated(signing)
    const signature = atWork(signing, () => signWhole(signing, dataOf(pData)))
    return after(signature, (pSignature) => ({ pParameter, pSignature }))
  },

  C_SignMessageBegin: (application, { hSession, pParameter }) => {
    beginMessage(application.session(hSession), 'messageSign', pParameter)
    return { pParameter }
  },

  C_SignMessageNext: (application, args) => {
    const { hSession, pParameter, pData, pSignature: capacity, isLast: ends } = args
    const signing = running<Signing>(application.session(hSession), 'messageSign')
    assertNone(pParameter)
    assertBegun(signing)
    if (ends && !fits(signing.length, capacity)) return { pParameter, pSignature: signing.length }
    assertAuthenticated(signing)
    const fed = after(partsOf(signing), (parts) => parts.update(dataOf(pData)))
    if (!ends) return after(fed, () => ({ pParameter, pSignature: NOTHING }))
    const signature = ending(signing, () =>
      after(fed, () => after(finished(signing), (parts) => parts.sign())),
    )
    return after(signature, (pSignature) => ({ pParameter, pSignature }))
  },

  C_MessageSignFinal: (application, { hSession }) =>
    finish(application.session(hSession), 'messageSign'),

  C_MessageVerifyInit: (application, { hSession, pMechanism, hKey }) =>
    beginSigning(application.session(hSession), 'messageVerify', pMechanism, hKey),

  C_VerifyMessage: (application, { hSession, pParameter, pData, pSignature }) => {
    const signing = running<Signing>(application.session(hSession), 'messageVerify')
    assertNoParts(signing)
    assertNone(pParameter)
    assertAuthenticated(signing)
    const signature = dataOf(pSignature)
    assertSignatureLength(signing, signature)
    const valid = atWork(signing, () => verifyWhole(signing, dataOf(pData), signature))
    return after(valid, (right) => {
      assertValid(right)
      return { pParameter }
    })
  },

  C_VerifyMessageBegin: (application, { hSession, pParameter }) => {
    beginMessage(application.session(hSession), 'messageVerify', pParameter)
    return { pParameter }
  },

  C_VerifyMessageNext: (application, { hSession, pParameter, pData, pSignature }) => {
    const signing = running<Signing>(application.session(hSession), 'messageVerify')
    assertNone(pParameter)
    assertBegun(signing)
    assertAuthenticated(signing)
    const fed = after(partsOf(signing), (parts) => parts.update(dataOf(pData)))
    if (pSignature === undefined) return after(fed, () => ({ pParameter }))
    const valid = ending(signing, () => {
      assertSignatureLength(signing, pSignature)
      return after(fed, () => after(finished(signing), (parts) => parts.verify(pSignature)))
    })
    return after(valid, (right) => {
      assertValid(right)
      return { pParameter }
    })
  },

  C_MessageVerifyFinal: (application, { hSession }) =>
    finish(application.session(hSession), 'messageVerify'),
} satisfies Partial<Handlers<Application>>
