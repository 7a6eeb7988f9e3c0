/**
 * A device as the keystore sees it: logged-in sessions, each for one piece of work at a time.
 *
 * @module
 */
import type {
  Arguments,
  Attribute,
  Mechanism,
  RemoteFunction,
  Results,
} from '#spec/pkcs11/types.ts'
import type { Verb } from './quick.ts'
import type { Quirks } from './quirks.ts'

/** Arguments without the session, which is the session's own. */
export type InSession<F extends RemoteFunction> = Omit<Arguments<F>, 'hSession'>

export interface KeyAndMechanism {
  readonly pMechanism: Mechanism
  readonly hKey: number
}

/** A session that nobody else uses meanwhile. */
export interface DeviceSession {
  /** Handles of objects of the token by reference; all sessions of a login share them. */
  readonly handles: Map<string, number>
  /** @throws `CryptokiError` as the device answers. */
  call<F extends RemoteFunction>(name: F, args: InSession<F>): Promise<Results<F>>
  /**
   * That nothing is found, or all fails, says something only where the token is there, and is the
   * one that was logged in to.
   *
   * @throws `CryptokiError` `CKR_TOKEN_NOT_PRESENT`.
   */
  assertToken(): Promise<void>
  /** Objects with these attributes; the first few. */
  find(template: readonly Attribute[]): Promise<readonly number[]>
  /** All of them, page by page. */
  findAll(template: readonly Attribute[]): Promise<readonly number[]>
  /** C_EncryptInit and C_Encrypt. */
  encrypt(init: KeyAndMechanism, data: Uint8Array): Promise<Uint8Array>
  decrypt(init: KeyAndMechanism, data: Uint8Array): Promise<Uint8Array>
  sign(init: KeyAndMechanism, data: Uint8Array): Promise<Uint8Array>
}

/** A mechanism, what for (CKF_), and how long the key is, in the mechanism's own unit. */
export interface Need {
  readonly type: number
  readonly flag: number
  readonly bits?: number
  readonly bytes?: number
}

export interface Device {
  /** How its model differs from the standard; the generic model while it has not been seen. */
  readonly quirks: Quirks
  /** Whether it has been seen, and has said what it can do. */
  readonly isKnown: boolean
  /** Whether there are others with the same keys behind it. */
  readonly hasOthers: boolean
  /**
   * Resolves when the device can be asked what it offers.
   *
   * @throws `KmsError` `keystoreUnavailable`.
   */
  ready(): Promise<void>
  /** Why the device does not offer what is needed; undefined where it says that it does. */
  lacks(need: Need): string | undefined
  /**
   * Does a piece of work in a session of its own.
   *
   * @param repeatable Whether it may be done a second time where nobody knows if it was done.
   */
  use<T>(work: (session: DeviceSession) => Promise<T>, repeatable?: boolean): Promise<T>
  /**
   * Does work that may be done twice, in every HSM of a group that can be reached.
   *
   * @param places Only in these, where there are such; default: in all.
   * @returns Where it is still to be done.
   */
  each(
    work: (session: DeviceSession) => Promise<void>,
    places?: readonly string[],
  ): Promise<readonly string[]>
  /**
   * Does a short operation, together with others that come at the same time; it is rejected with
   * `NotBegun` where it has not come to it.
   *
   * @param reference Under which the handle is known.
   * @returns Undefined where it has to be done in a session.
   */
  quick(
    reference: string,
    verb: Verb,
    mechanism: Mechanism,
    data: Uint8Array,
  ): Promise<Uint8Array> | undefined
  status(): DeviceStatus
  close(): Promise<void>
}

/** How a device does, for people and for programs that watch it. */
export interface DeviceStatus {
  /** `broken`: it has failed several times in a row, and is left alone for a while. */
  readonly state: 'running' | 'starting' | 'stopped' | 'broken' | 'closed'
  readonly model: string
  readonly token?: string | undefined
  readonly serial?: string | undefined
  readonly slot?: number | undefined
  readonly process?: number | undefined
  readonly sessions: number
  readonly sessionsIdle: number
  /** Work that waits for a session. */
  readonly waiting: number
  readonly starts: number
  /** Functions of the module that have been called in sessions, and how often. */
  readonly calls: Readonly<Record<string, number>>
  readonly lastFailure?: string | undefined
  /** Of a group: each by itself. */
  readonly members?: readonly DeviceStatus[] | undefined
  /** Until it is tried again. */
  readonly pauseSeconds?: number | undefined
}
