/**
 * The applications that are connected: which connections belong to which.
 *
 * PKCS#11 3.2 §2 (application). Our module opens a connection for each thread; they name their
 * application in C_Initialize, and share its login, sessions and objects. A client of p11-kit has
 * one connection, and every connection of it is an application.
 *
 * @module
 */
import process from 'node:process'
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { Application, ApplicationInfo, Engine } from './contract.ts'

/** One application, as long as it has connections. */
export class Membership<A extends Application> {
  readonly #forget: () => void
  #application: A | undefined
  #connections = 0

  constructor(application: A, forget: () => void) {
    this.#application = application
    this.#forget = forget
  }

  /** @throws CryptokiError after C_Finalize, which may come on another connection */
  get application(): A {
    if (this.#application !== undefined) return this.#application
    throw new CryptokiError(CKR.CRYPTOKI_NOT_INITIALIZED, 'the application has called C_Finalize')
  }

  get isOpen(): boolean {
    return this.#application !== undefined
  }

  join(): this {
    this.#connections++
    return this
  }

  leave(): void {
    if (--this.#connections === 0) this.end()
  }

  /** C_Finalize: for all connections. */
  end(): void {
    const application = this.#application
    if (application === undefined) return
    this.#application = undefined
    this.#forget()
    application.close()
  }
}

export class Applications<A extends Application> {
  readonly #engine: Engine<A>
  readonly #named = new Map<string, Membership<A>>()
  #open = 0

  constructor(engine: Engine<A>) {
    this.#engine = engine
  }

  /** Applications at this moment. */
  get size(): number {
    return this.#open
  }

  /**
   * The application of a connection; a new one where the name is new, or there is none. A name is
   * only good for connections of the same user.
   */
  enter(name: Uint8Array | undefined, info: ApplicationInfo): Membership<A> {
    if (name === undefined) return this.#opened(info, () => {}).join()
    // A stream that somebody has handed to this process is as good as one of its own user's.
    const uid = info.peer.uid ?? process.getuid?.()
    const key = `${uid} ${Buffer.from(name).toString('hex')}`
    const known = this.#named.get(key)
    if (known !== undefined) return known.join()
    const membership = this.#opened(info, () => this.#named.delete(key))
    this.#named.set(key, membership)
    return membership.join()
  }

  #opened(info: ApplicationInfo, forget: () => void): Membership<A> {
    const membership = new Membership(this.#engine.open(info), () => {
      this.#open--
      forget()
    })
    this.#open++
    return membership
  }
}
