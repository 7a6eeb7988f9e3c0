/**
 * A session, and what is going on in it.
 *
 * PKCS#11 3.2 §3.3 (sessions), §5.6 (session management functions), §5.7 to §5.17: of each kind one
 * operation at a time; different kinds stand beside each other.
 *
 * @module
 */
import type { Context, Services } from '#core/context.ts'
import { CKR, CKS } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { Application } from './application.ts'
import type { Token } from './token.ts'

/** Kinds of operations, of which a session has one each. */
export type OperationKind =
  | 'find'
  | 'digest'
  | 'encrypt'
  | 'decrypt'
  | 'sign'
  | 'signRecover'
  | 'verify'
  | 'verifyRecover'
  | 'verifySignature'
  | 'messageEncrypt'
  | 'messageDecrypt'
  | 'messageSign'
  | 'messageVerify'

/** An operation that has begun. The functions that run it know more of it. */
export interface Operation {
  /** Lets go of keys and half results. */
  end?(): void
  /**
   * CKA_ALWAYS_AUTHENTICATE: false until `C_Login(CKU_CONTEXT_SPECIFIC)`; absent where the key does
   * not ask for it.
   */
  authenticated?: boolean
  /** Whether all of it has been told, and only its end has not: it holds nothing up. */
  readonly isOver?: boolean
}

export class Session {
  readonly handle: number
  readonly application: Application
  readonly token: Token
  readonly readWrite: boolean
  readonly #operations = new Map<OperationKind, Operation>()

  constructor(handle: number, application: Application, token: Token, readWrite: boolean) {
    this.handle = handle
    this.application = application
    this.token = token
    this.readWrite = readWrite
  }

  /** CKS_ of PKCS#11 3.2 §3.3.2 and following: who has logged in counts for all sessions. */
  get state(): number {
    switch (this.application.userOf(this.token)) {
      case 'so':
        return CKS.RW_SO_FUNCTIONS
      case 'none':
        return this.readWrite ? CKS.RW_PUBLIC_SESSION : CKS.RO_PUBLIC_SESSION
      default:
        return this.readWrite ? CKS.RW_USER_FUNCTIONS : CKS.RO_USER_FUNCTIONS
    }
  }

  /** Whether private objects are to be seen. */
  get seesPrivate(): boolean {
    return this.application.userOf(this.token) === 'user'
  }

  /** Those of the token, with the keystore that the login has chosen. */
  get services(): Services {
    return this.application.servicesOf(this.token)
  }

  /** Whether there is anything at all to be seen and done. */
  get isOpen(): boolean {
    const { token, application } = this
    return token.manner.beforeLogin === 'public' || application.userOf(token) !== 'none'
  }

  operation(kind: OperationKind): Operation | undefined {
    return this.#operations.get(kind)
  }

  /** @throws `CryptokiError` `OPERATION_ACTIVE` where a session has one operation at a time. */
  begin(kind: OperationKind, operation: Operation): void {
    if (this.token.manner.operations === 'one') this.#assertIdle(operation)
    this.#operations.set(kind, operation)
  }

  #assertIdle(next: Operation): void {
    const [active] = [...this.#operations].find(([, { isOver }]) => isOver !== true) ?? []
    if (active === undefined) return
    next.end?.()
    const what = `an operation to ${active} is going on; the token has one at a time in a session`
    throw new CryptokiError(CKR.OPERATION_ACTIVE, what)
  }

  /** Ends the operation of this kind; without one nothing happens. */
  end(kind: OperationKind): void {
    const operation = this.#operations.get(kind)
    if (operation === undefined) return
    this.#operations.delete(kind)
    operation.end?.()
  }

  endAll(): void {
    for (const kind of [...this.#operations.keys()]) this.end(kind)
  }

  operations(): Iterable<[OperationKind, Operation]> {
    return this.#operations
  }

  /**
   * What an operation of the core is given.
   *
   * @param operation Name for the audit trail: that of the KMIP operation that means the same.
   * @param lasting Whether it is about objects of the token; objects of the session are elsewhere.
   */
  context(operation: string, lasting = true): Context {
    const { token, application } = this
    const services = lasting ? this.services : application.volatile(token)
    const principal = application.principalOf(token)
    const now = Math.floor(services.clock() / 1000)
    return { services, principal, front: 'pkcs11', operation, now }
  }
}
