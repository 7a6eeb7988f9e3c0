/**
 * Operations that run: what holds for all kinds of them, whatever they compute.
 *
 * PKCS#11 3.2 §5.2 (lengths of results) and §5.8 to §5.17: an operation begins with Init; a
 * question for the length and a buffer that is too small leave it as it is; success of the last
 * function ends it, and so does every other error.
 *
 * Nothing here waits where nothing is pending.
 *
 * @module
 */
import { type Awaitable, after } from '#core/awaitable.ts'
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { InitResults, Mechanism } from '#spec/pkcs11/types.ts'
import type { HeldKey } from './objects/use.ts'
import type { Operation, OperationKind, Session } from './session.ts'

/** An operation with what is common to all. */
export interface Running extends Operation {
  /** Whether it has been given a part. */
  inParts: boolean
  /** Whether a function of it is at work. */
  isBusy?: boolean
}

/** Answer of an Init that spares our module no question. */
export const ASK: InitResults = { rule: 'ask', length: 0, isRepeatable: false }

/**
 * The mechanism of an Init. NULL cancels what is going on: PKCS#11 3.2 §5.8.1.
 *
 * @returns Undefined where it cancelled.
 * @throws `CryptokiError` `CKR_OPERATION_ACTIVE`.
 */
export function beginning(
  session: Session,
  kind: OperationKind,
  mechanism: Mechanism | undefined,
): Mechanism | undefined {
  if (mechanism === undefined) {
    session.end(kind)
    return undefined
  }
  if (session.operation(kind) === undefined) return mechanism
  const what = `an operation to ${kind} has begun in this session; finish or cancel it`
  throw new CryptokiError(CKR.OPERATION_ACTIVE, what)
}

/**
 * Begins what a mechanism asks for, or cancels what is going on.
 *
 * @param results What our module is told of the operation.
 * @throws `CryptokiError` as {@link beginning} and `make` do.
 */
export function begun<O extends Operation>(
  session: Session,
  kind: OperationKind,
  mechanism: Mechanism | undefined,
  make: (mechanism: Mechanism) => Awaitable<O>,
  results: (operation: O) => InitResults,
): Awaitable<InitResults> {
  const wanted = beginning(session, kind, mechanism)
  if (wanted === undefined) return ASK
  return after(make(wanted), (operation) => {
    session.begin(kind, operation)
    return results(operation)
  })
}

/** @throws `CryptokiError` `CKR_OPERATION_NOT_INITIALIZED`, `CKR_OPERATION_ACTIVE`. */
export function running<O extends Running>(session: Session, kind: OperationKind): O {
  const operation = session.operation(kind) as O | undefined
  if (operation === undefined) {
    const what = `no operation to ${kind} has begun in this session`
    throw new CryptokiError(CKR.OPERATION_NOT_INITIALIZED, what)
  }
  if (operation.isBusy !== true) return operation
  throw new CryptokiError(CKR.OPERATION_ACTIVE, `a function that is to ${kind} is still at work`)
}

/**
 * Refuses data in one part after data in parts. The operation goes on: nothing is lost.
 *
 * @throws `CryptokiError` `CKR_OPERATION_ACTIVE`.
 */
export function assertWhole(operation: Running, kind: OperationKind): void {
  if (!operation.inParts) return
  const what = `the operation to ${kind} has been given parts; finish it with Final`
  throw new CryptokiError(CKR.OPERATION_ACTIVE, what)
}

/** Does a step of an operation; whatever fails ends it. */
export function step<T>(
  session: Session,
  kind: OperationKind,
  work: () => Awaitable<T>,
): Awaitable<T> {
  const operation = session.operation(kind) as Running
  const failed = (error: unknown): never => {
    if (session.operation(kind) === operation) session.end(kind)
    throw error
  }
  try {
    const result = work()
    if (!(result instanceof Promise)) return result
    operation.isBusy = true
    return result.then((value) => {
      operation.isBusy = false
      return value
    }, failed)
  } catch (error) {
    return failed(error)
  }
}

/** A step that is the last one, unless it only gives a length. */
export function lastStep(
  session: Session,
  kind: OperationKind,
  work: () => Awaitable<Uint8Array | number>,
): Awaitable<Uint8Array | number> {
  return step(session, kind, () =>
    after(work(), (result) => {
      if (typeof result !== 'number') session.end(kind)
      return result
    }),
  )
}

/** Whether a result of so many bytes has a place to go. */
export function fits(length: number, capacity: number | undefined): boolean {
  return capacity !== undefined && length <= capacity
}

/** A result, or its length where there is no room for it. */
export function fitting(result: Uint8Array, capacity: number | undefined): Uint8Array | number {
  return fits(result.length, capacity) ? result : result.length
}

/** @throws `CryptokiError` `CKR_USER_NOT_LOGGED_IN` for a key that wants a login of its own. */
export function assertAuthenticated(operation: Operation): void {
  if (operation.authenticated !== false) return
  const what = 'the key wants C_Login(CKU_CONTEXT_SPECIFIC) after Init: CKA_ALWAYS_AUTHENTICATE'
  throw new CryptokiError(CKR.USER_NOT_LOGGED_IN, what)
}

/** The part of an operation that is about consent; absent where none is asked for. */
export function consent({ alwaysAuthenticates }: HeldKey): { authenticated?: boolean } {
  return alwaysAuthenticates ? { authenticated: false } : {}
}

/** No data and data of no bytes are the same. */
export function dataOf(bytes: Uint8Array | undefined): Uint8Array {
  return bytes ?? NOTHING
}
export const NOTHING = new Uint8Array(0)

/** Data in parts that has to be there in whole before anything can be done with it. */
export class Gathered {
  readonly #max: number
  #parts: Uint8Array[] = []
  #length = 0

  /** @param max Bytes, `bufferedBytesMax`. */
  constructor(max: number) {
    this.#max = max
  }

  get length(): number {
    return this.#length
  }

  /** @throws `CryptokiError` `CKR_DEVICE_MEMORY` when it becomes too long. */
  add(part: Uint8Array): void {
    this.#length += part.length
    if (this.#length > this.#max) {
      const what = `data that has to be gathered may have ${this.#max} bytes (bufferedBytesMax)`
      throw new CryptokiError(CKR.DEVICE_MEMORY, what)
    }
    // A copy: the part may be a view of a message that is gone tomorrow.
    if (part.length > 0) this.#parts.push(Uint8Array.from(part))
  }

  whole(): Uint8Array {
    const whole =
      this.#parts.length === 1 ? (this.#parts[0] as Uint8Array) : Buffer.concat(this.#parts)
    this.#parts = [whole]
    return whole
  }

  clear(): void {
    for (const part of this.#parts) part.fill(0)
    this.#parts = []
    this.#length = 0
  }
}
