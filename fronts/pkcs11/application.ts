/**
 * An application: one process that has called `C_Initialize`, with its sessions, its logins and the
 * handles that it knows objects by.
 *
 * PKCS#11 3.2 §2.4 and §3.3: login state belongs to an application and a token, not to a session; a
 * handle of a token object stays valid as long as the application lives; what a session made as a
 * session object dies with it.
 *
 * @module
 */
import { randomInt } from 'node:crypto'
import { commit } from '#core/change.ts'
import type { Context, Principal, Services } from '#core/context.ts'
import { isDestroyed } from '#core/lifecycle.ts'
import type { ManagedObject } from '#core/objects.ts'
import { asGranted, isVisible } from '#core/policy.ts'
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { Application as Contract } from './contract.ts'
import { builtInObject } from './objects/built-in.ts'
import { isPrivate } from './objects/private.ts'
import { Session } from './session.ts'
import type { Place, Token } from './token.ts'

/** Who has logged in. */
export type User = 'none' | 'user' | 'so'

/** What a handle stands for. */
export interface Reference {
  readonly handle: number
  /** Unique Identifier of the object. */
  readonly id: string
  readonly token: Token
  /** The session that made it, where it is a session object. */
  readonly session: Session | undefined
}

/** What an application needs of the whole. */
export interface Surroundings {
  readonly tokens: readonly Token[]
  /** A place for objects that end with the application. */
  readonly newVolatile: (token: Token) => Services
}

/** What a login has made known. */
export interface Login {
  readonly user: User
  readonly principal: Principal
  /** The keystore that was chosen with the PIN. */
  readonly place: Place | undefined
  /** Of the user whose PIN it was. */
  readonly name: string
  /** As it was given to `C_LoginUser`; empty for `C_Login`. */
  readonly given: string
}

export class Application implements Contract {
  readonly #surroundings: Surroundings
  readonly #sessions = new Map<number, Session>()
  readonly #references = new Map<number, Reference>()
  readonly #handles = new Map<string, number>()
  readonly #logins = new Map<Token, Login>()
  readonly #volatile = new Map<Token, Services>()
  readonly #ended = Promise.withResolvers<void>()
  #lastSession = firstHandle()
  #lastHandle = firstHandle()
  #sessionObjects = 0

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings
  }

  /** Resolves when the application has ended. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  get tokens(): readonly Token[] {
    return this.#surroundings.tokens
  }

  /** @throws `CryptokiError` `CKR_SLOT_ID_INVALID`. */
  token(slotID: number): Token {
    const token = this.tokens.find(({ slot }) => slot === slotID)
    if (token !== undefined) return token
    throw new CryptokiError(CKR.SLOT_ID_INVALID, `there is no slot ${slotID}`)
  }

  /** The token in a slot. @throws `CryptokiError` also `CKR_TOKEN_NOT_PRESENT`. */
  presentToken(slotID: number): Token {
    const token = this.token(slotID)
    if (token.absence === undefined) return token
    const what = `token "${token.label}" is not in its slot: ${token.absence}`
    throw new CryptokiError(CKR.TOKEN_NOT_PRESENT, what)
  }

  /** @throws `CryptokiError` `CKR_SESSION_HANDLE_INVALID`. */
  session(handle: number): Session {
    const session = this.#sessions.get(handle)
    if (session !== undefined) return session
    throw new CryptokiError(CKR.SESSION_HANDLE_INVALID, `there is no session ${handle}`)
  }

  /** Whether a session is open still. */
  has(session: Session): boolean {
    return this.#sessions.get(session.handle) === session
  }

  sessionsOf(token: Token): readonly Session[] {
    return [...this.#sessions.values()].filter((session) => session.token === token)
  }

  get sessionCount(): number {
    return this.#sessions.size
  }

  openSession(token: Token, readWrite: boolean): Session {
    const session = new Session(++this.#lastSession, this, token, readWrite)
    this.#sessions.set(session.handle, session)
    return session
  }

  /** Ends a session with its objects; the last one of a token logs out. */
  closeSession(session: Session): void {
    session.endAll()
    this.#sessions.delete(session.handle)
    this.#dropObjectsOf(session)
    if (this.sessionsOf(session.token).length > 0) return
    this.#logins.delete(session.token)
    this.#volatile.delete(session.token)
  }

  /** Sessions come and go by the dozen, and handles of token objects stay by the thousand. */
  #dropObjectsOf(session: Session): void {
    if (this.#sessionObjects === 0) return
    for (const reference of this.#references.values()) {
      if (reference.session === session) this.drop(reference)
    }
  }

  /** The token is gone: so is all that an application has with it. */
  lose(token: Token): void {
    for (const session of this.sessionsOf(token)) this.closeSession(session)
  }

  userOf(token: Token): User {
    return this.#logins.get(token)?.user ?? token.usualUser
  }

  /** In whose name the application works with a token. */
  principalOf(token: Token): Principal {
    return this.#logins.get(token)?.principal ?? token.principal
  }

  /** What an application works with; the login may have chosen a keystore. */
  servicesOf(token: Token): Services {
    return this.#logins.get(token)?.place?.services ?? token.services
  }

  /** Name of the keystore whose objects alone are seen; undefined where all are. */
  chosenKeystore(token: Token): string | undefined {
    return this.#logins.get(token)?.place?.keystore
  }

  loginOf(token: Token): Login | undefined {
    return this.#logins.get(token)
  }

  login(token: Token, login: Login): void {
    this.#logins.set(token, login)
  }

  /** Logs out whoever works in the name of a credential that is revoked. */
  async expel(principal: string): Promise<void> {
    for (const [token, login] of [...this.#logins]) {
      if (token.manner.users !== 'own' || login.principal.name !== principal) continue
      await this.logout(token)
    }
  }

  /** Private objects vanish: session objects for good, the others until the next login. */
  async logout(token: Token): Promise<void> {
    this.#logins.delete(token)
    for (const session of this.sessionsOf(token)) session.endAll()
    for (const reference of [...this.#references.values()]) {
      if (reference.token !== token) continue
      const object = await this.#load(reference)
      const isHidden = token.manner.beforeLogin === 'nothing'
      if (isHidden || object === undefined || isPrivate(object)) this.drop(reference)
    }
  }

  /** Services for the session objects of a token; made when first needed. */
  volatile(token: Token): Services {
    let services = this.#volatile.get(token)
    if (services === undefined) {
      services = this.#surroundings.newVolatile(token)
      this.#volatile.set(token, services)
    }
    const { keystores } = this.servicesOf(token)
    return services.keystores === keystores ? services : { ...services, keystores }
  }

  /** Whether there may be any session objects of this token. */
  hasVolatile(token: Token): boolean {
    return this.#volatile.has(token)
  }

  /** The handle of an object: the one that it has, or a new one. */
  handleOf(token: Token, id: string, session?: Session): number {
    const name = nameIn(token, id)
    const known = this.#handles.get(name)
    if (known !== undefined) return known
    const handle = ++this.#lastHandle
    this.#references.set(handle, { handle, id, token, session })
    this.#handles.set(name, handle)
    if (session !== undefined) this.#sessionObjects++
    return handle
  }

  /** The handle of an object that has one already. */
  knownHandle(token: Token, id: string): number | undefined {
    return this.#handles.get(nameIn(token, id))
  }

  get sessionObjectCount(): number {
    return this.#sessionObjects
  }

  forget(handle: number): void {
    const reference = this.#references.get(handle)
    if (reference !== undefined) this.drop(reference)
  }

  /** Forgets a handle; a session object ends with it. */
  drop(reference: Reference): void {
    if (!this.#references.delete(reference.handle)) return
    this.#handles.delete(nameIn(reference.token, reference.id))
    if (reference.session === undefined) return
    this.#sessionObjects--
    const context = reference.session.context('Destroy', false)
    // What fails here is out of sight already, and ends with the application.
    void discard(context, reference.id).catch(() => undefined)
  }

  /**
   * What a handle stands for, and the object as it is now. At once where the object is in memory.
   *
   * @param code What to say of a handle that stands for nothing here.
   * @throws `CryptokiError` with `code`.
   */
  object(
    session: Session,
    handle: number,
    code: number = CKR.OBJECT_HANDLE_INVALID,
  ): Seen | Promise<Seen> {
    const reference = this.#references.get(handle)
    if (reference === undefined || reference.token !== session.token) throw noObject(handle, code)
    const object =
      this.#services(reference).store.cached(reference.id) ??
      builtInObject(session.token, reference.id)
    if (object !== undefined) return this.#seen(session, reference, object, code)
    return this.#load(reference).then((read) => this.#seen(session, reference, read, code))
  }

  #seen(
    session: Session,
    reference: Reference,
    object: ManagedObject | undefined,
    code: number,
  ): Seen {
    const { handle } = reference
    const gone =
      object === undefined ||
      isDestroyed(object.attributes.get('state')) ||
      !isVisible(this.#services(reference), this.principalOf(session.token), object) ||
      !this.isHere(session.token, object)
    if (gone) throw noObject(handle, code)
    if (isPrivate(object) && !session.seesPrivate) throw noObject(handle, code)
    const lasting = reference.session === undefined
    return { reference, object: this.shown(session.token, object), lasting }
  }

  /** An object of another scope whose value has not been granted is shown as one that stays. */
  shown(token: Token, object: ManagedObject): ManagedObject {
    return asGranted(token.services, this.principalOf(token), object)
  }

  /** Whether an object is in the keystore that was chosen. */
  isHere(token: Token, { material }: ManagedObject): boolean {
    const keystore = this.chosenKeystore(token)
    return keystore === undefined || material === undefined || material.keystore === keystore
  }

  async #load(reference: Reference): Promise<ManagedObject | undefined> {
    const builtIn = builtInObject(reference.token, reference.id)
    return builtIn ?? this.#services(reference).store.object(reference.id)
  }

  #services({ token, session }: Reference): Services {
    return session === undefined ? token.services : this.volatile(token)
  }

  /** The end: nothing of it is left. */
  close(): void {
    for (const session of [...this.#sessions.values()]) this.closeSession(session)
    this.#ended.resolve()
  }
}

/** Applications that keep handles in 32 bits have room for as many again. */
const FIRST_HANDLE_MAX = 2 ** 30

/**
 * Where handles begin. A process that has outlived a server, or its connections, still has those of
 * before: they must not be somebody else's session now, or another key.
 */
function firstHandle(): number {
  return randomInt(1, FIRST_HANDLE_MAX)
}

/** Two tokens may show the same object: it has a handle in each. */
function nameIn({ slot }: Token, id: string): string {
  return `${slot} ${id}`
}

/** An object as an application sees it. */
export interface Seen {
  readonly reference: Reference
  readonly object: ManagedObject
  /** True for a token object, false for a session object. */
  readonly lasting: boolean
}

function noObject(handle: number, code: number): CryptokiError {
  return new CryptokiError(code, `handle ${handle} stands for no object that this session may see`)
}

/** Removes a session object, if it is still there. */
async function discard(context: Context, id: string): Promise<void> {
  const object = await context.services.store.object(id)
  if (object !== undefined) await commit(context, [{ before: object }])
}
