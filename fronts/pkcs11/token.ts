/**
 * A token: a keystore and a scope, with a label, a serial number and PINs.
 *
 * PKCS#11 3.2 §3.2 (`CK_TOKEN_INFO`), §5.5 (`C_InitToken`, `C_InitPIN`, `C_SetPIN`), §5.6.8
 * (`C_Login`). The configuration says which tokens there are and in what order, which is that of
 * the slots; what applications set (label, PINs) is kept sealed in the database.
 *
 * Initialising a token never destroys keys: they are other people's as well, who know them by KMIP.
 * A token whose scope holds objects is not initialised a second time.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import type { Principal, Services } from '#core/context.ts'
import { storedAs } from '#core/search.ts'
import { Secret } from '#core/secret.ts'
import type { Settings } from '#core/settings.ts'
import { StorageStatusMask } from '#spec/kmip/enumerations.ts'
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { User } from './application.ts'
import { type Manner, USUAL } from './manner.ts'
import { isPin, newPin, type PinRecord, wasteTime } from './pin.ts'
import type { RuleSet } from './rule-table.ts'

export interface TokenOptions {
  /** Name in the configuration; what is kept of the token is kept under it. */
  readonly name: string
  readonly slot: number
  /** Until `C_InitToken` gives another. */
  readonly label: string
  readonly principal: Principal
  /** `none`: whoever may connect works as the user; there is no PIN. */
  readonly login: 'pin' | 'none'
  readonly readOnly: boolean
  /** Rules against attacks that hold. */
  readonly rules: RuleSet
  /** Default: the usual one. */
  readonly manner?: Manner
  /** The keystore of an address in a PIN; undefined where users have none to choose from. */
  readonly placeOf?: (address: string | undefined) => Place | undefined
  /** In whose name a user works; default: his own, in the scope of the token. */
  readonly principalOf?: (user: string) => Promise<Principal>
}

/** A keystore that a login has chosen. */
export interface Place {
  /** Its name. Objects of others are not seen. */
  readonly keystore: string
  /** Those of the token, with this keystore as the one that takes new keys. */
  readonly services: Services
}

/** What is kept. */
interface TokenState {
  readonly label: string
  readonly serial: string
  readonly initialised: boolean
  readonly so?: PinRecord | undefined
  /** By user name; the empty name is `C_Login`'s. */
  readonly users: Readonly<Record<string, PinRecord>>
}

/** The user of `C_Login`, who has no name. */
export const USER = ''

export class Token {
  readonly slot: number
  readonly options: TokenOptions
  readonly services: Services
  readonly #settings: Settings
  #state: TokenState
  #absence: string | undefined
  #writing: Promise<unknown> = Promise.resolve()

  private constructor(
    options: TokenOptions,
    services: Services,
    settings: Settings,
    state: TokenState,
  ) {
    this.slot = options.slot
    this.options = options
    this.services = services
    this.#settings = settings
    this.#state = state
  }

  /** The token as it was left; a new one gets its serial number. */
  static async open(options: TokenOptions, services: Services, settings: Settings): Promise<Token> {
    const kept = await settings.get(settingOf(options))
    const state: TokenState =
      kept === undefined
        ? {
            label: options.label,
            serial: randomBytes(8).toString('hex'),
            initialised: options.login === 'none',
            users: {},
          }
        : (JSON.parse(Buffer.from(kept.expose()).toString()) as TokenState)
    const token = new Token(options, services, settings, state)
    if (kept === undefined) await token.#write(state)
    return token
  }

  /** Why nobody can work with it any more; undefined while one can. */
  get absence(): string | undefined {
    return this.#absence
  }

  /** Takes the token out of its slot, until the server starts anew. */
  withdraw(why: string): void {
    this.#absence = why
  }

  get label(): string {
    return this.manner.setUp === 'operator' ? this.options.label : this.#state.label
  }

  get manner(): Manner {
    return this.options.manner ?? USUAL
  }

  /** 16 characters, the same for ever. */
  get serial(): string {
    return this.#state.serial
  }

  get initialised(): boolean {
    return this.#state.initialised
  }

  /** Users have PINs, and nobody is there who could have set them: the operator has. */
  get hasUsersAlone(): boolean {
    return this.#state.so === undefined && Object.keys(this.#state.users).length > 0
  }

  get rules(): RuleSet {
    return this.options.rules
  }

  get principal(): Principal {
    return this.options.principal
  }

  /** Who one is without a login. */
  get usualUser(): User {
    return this.options.login === 'none' ? 'user' : 'none'
  }

  pinOf(user: 'so' | { readonly name: string }): PinRecord | undefined {
    const { so, users } = this.#state
    if (user === 'so') return so
    // Names are an application's: `constructor` is one as well.
    return Object.hasOwn(users, user.name) ? users[user.name] : undefined
  }

  /**
   * Checks a PIN. A wrong one costs an attempt, and that is written before the answer is given;
   * after the last one the PIN is locked until `C_InitPIN` sets a new one.
   *
   * @param wrong What is wrong with the login beside the PIN, if anything: it costs the same.
   * @throws `CryptokiError` `CKR_PIN_INCORRECT`, `CKR_PIN_LOCKED`, `CKR_USER_PIN_NOT_INITIALIZED`.
   */
  async check(
    user: 'so' | { readonly name: string },
    pin: Uint8Array,
    wrong?: string,
  ): Promise<void> {
    await this.#alone(() => this.#check(user, pin, wrong))
  }

  async #check(
    user: 'so' | { readonly name: string },
    pin: Uint8Array,
    wrong: string | undefined,
  ): Promise<void> {
    const record = this.pinOf(user)
    if (record === undefined && this.manner.pinFormat !== 'pin') return this.#refuseUnknown(pin)
    if (record === undefined) {
      const code = user === 'so' ? CKR.PIN_INCORRECT : CKR.USER_PIN_NOT_INITIALIZED
      throw new CryptokiError(code, `token "${this.label}" has no PIN for ${nameOf(user)} yet`)
    }
    if (record.attemptsLeft <= 0) throw this.#locked(user)
    const attemptsMax = this.services.limits.pinAttemptsMax
    if ((await isPin(record, pin)) && wrong === undefined) {
      if (record.attemptsLeft < attemptsMax) {
        await this.#setRecord(user, { ...record, attemptsLeft: attemptsMax })
      }
      return
    }
    const attemptsLeft = record.attemptsLeft - 1
    await this.#setRecord(user, { ...record, attemptsLeft })
    if (attemptsLeft <= 0) throw this.#locked(user)
    const left = attemptsLeft === 1 ? '1 attempt is' : `${attemptsLeft} attempts are`
    const what = wrong ?? `the PIN of ${nameOf(user)} is wrong`
    throw new CryptokiError(CKR.PIN_INCORRECT, `${what}; ${left} left`)
  }

  /**
   * Nobody learns by a PIN which names there are: answer and time are those of a wrong PIN. The
   * name that was given may be the beginning of a password, and is told to nobody.
   */
  async #refuseUnknown(pin: Uint8Array): Promise<never> {
    await wasteTime(pin)
    const way = 'make one with: claviger token pin --user NAME'
    const what = `token "${this.label}" has no user of the name that was given; ${way}`
    throw new CryptokiError(CKR.PIN_INCORRECT, what)
  }

  #locked(user: 'so' | { readonly name: string }): CryptokiError {
    const isOperators = user === 'so' || this.manner.setUp === 'operator'
    const way = isOperators ? 'claviger token pin' : 'C_InitPIN by the security officer'
    const what = `the PIN of ${nameOf(user)} of token "${this.label}" is locked; way out: ${way}`
    return new CryptokiError(CKR.PIN_LOCKED, what)
  }

  /** @throws `CryptokiError` `CKR_PIN_LEN_RANGE`. */
  async setPin(user: 'so' | { readonly name: string }, pin: Uint8Array): Promise<void> {
    this.#assertLength(pin)
    const record = await newPin(pin, this.services.limits.pinAttemptsMax)
    await this.#alone(() => this.#setRecord(user, record))
  }

  #assertLength(pin: Uint8Array): void {
    const { pinBytesMin, pinBytesMax } = this.services.limits
    if (pin.length >= pinBytesMin && pin.length <= pinBytesMax) return
    const allowed = `${pinBytesMin} to ${pinBytesMax}`
    const what = `a PIN has ${allowed} bytes, this one has ${pin.length}`
    throw new CryptokiError(CKR.PIN_LEN_RANGE, what)
  }

  /**
   * `C_InitToken`: label and security officer's PIN; the users' PINs are gone.
   *
   * @param user Who has a PIN from the start, with it.
   */
  async initialise(
    soPin: Uint8Array,
    label: string,
    user?: { readonly name: string; readonly pin: Uint8Array },
  ): Promise<void> {
    if (this.manner.setUp === 'operator' && label !== this.label) {
      const what = `the label of token "${this.label}" is that of the configuration (setUp: operator)`
      throw new CryptokiError(CKR.ARGUMENTS_BAD, `${what}; change it there`)
    }
    if (this.#state.so !== undefined) {
      await this.check('so', soPin)
      await this.#assertEmpty()
    }
    this.#assertLength(soPin)
    if (user !== undefined) this.#assertLength(user.pin)
    const { pinAttemptsMax } = this.services.limits
    const so = await newPin(soPin, pinAttemptsMax)
    const users = user === undefined ? {} : { [user.name]: await newPin(user.pin, pinAttemptsMax) }
    await this.#alone(() => this.#write({ ...this.#state, label, initialised: true, so, users }))
  }

  async #assertEmpty(): Promise<void> {
    const { store } = this.services
    const stored = storedAs(StorageStatusMask.OnLineStorage | StorageStatusMask.ArchivalStorage)
    const query = { scopes: [this.principal.scope], conditions: [stored], limit: 1 }
    if ((await store.find(query)).ids.length === 0) return
    const what = `token "${this.label}" holds objects, which initialising it again would destroy`
    throw new CryptokiError(CKR.TOKEN_WRITE_PROTECTED, `${what}; destroy them one by one first`)
  }

  #setRecord(user: 'so' | { readonly name: string }, record: PinRecord): Promise<void> {
    if (user === 'so') return this.#write({ ...this.#state, so: record })
    const users = { ...this.#state.users, [user.name]: record }
    return this.#write({ ...this.#state, initialised: true, users })
  }

  async #write(state: TokenState): Promise<void> {
    await this.#settings.put(
      settingOf(this.options),
      new Secret(Buffer.from(JSON.stringify(state))),
    )
    this.#state = state
  }

  /** One after the other: an attempt that is counted must not be lost to another one. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#writing.then(work, work)
    this.#writing = turn.catch(() => undefined)
    return turn
  }
}

function settingOf({ name }: TokenOptions): string {
  return `token ${name}`
}

function nameOf(user: 'so' | { readonly name: string }): string {
  if (user === 'so') return 'the security officer'
  return user.name === USER ? 'the user' : `user "${user.name}"`
}
