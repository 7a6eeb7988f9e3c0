/**
 * The login of a device's sessions, and what follows where the device refuses it.
 *
 * PKCS#11 3.2 §5.6.8. Devices count wrong PINs, and lock or erase themselves after a few: a PIN
 * that was refused is not tried a second time, however often the device is asked for, until another
 * one is given or the server is started again.
 *
 * @module
 */
import type { Pkcs11Client } from '#clients/pkcs11-rpc/client.ts'
import { CKR, CKU } from '#spec/pkcs11/constants.ts'
import { CryptokiError, rvName } from '#spec/pkcs11/errors.ts'
import { Hopeless } from './token.ts'

/** What a device says of the PIN itself, and what is to be done then. */
const REFUSALS: ReadonlyMap<number, string> = new Map([
  [CKR.PIN_INCORRECT, 'give the right one'],
  [CKR.PIN_INVALID, 'give the right one'],
  [CKR.PIN_LEN_RANGE, 'give the right one'],
  [CKR.PIN_LOCKED, 'have the security officer of the token set a new one'],
  [CKR.PIN_EXPIRED, "give it a new one by its maker's means"],
  [CKR.USER_PIN_NOT_INITIALIZED, 'have the security officer of the token set one'],
])

export class Login {
  readonly #from: string | undefined
  #refused: { readonly pin: string | undefined; readonly why: string } | undefined

  /** @param from Where the PIN is from: `pinFile /etc/pin`. */
  constructor(from: string | undefined) {
    this.#from = from
  }

  /** Whether the device has refused the last PIN that it was given. */
  get isRefused(): boolean {
    return this.#refused !== undefined
  }

  /** @throws {@link Hopeless} where the device has refused this PIN before. */
  assertNotRefused(pin: string | undefined): void {
    if (this.#refused === undefined || this.#refused.pin !== pin) return
    throw new Hopeless(this.#refused.why)
  }

  /** @throws {@link Hopeless} where the device refuses the PIN. */
  async logIn(client: Pkcs11Client, hSession: number, pin: string): Promise<void> {
    try {
      await client.call('C_Login', { hSession, userType: CKU.USER, pPin: Buffer.from(pin) })
      this.#refused = undefined
    } catch (error) {
      if (!(error instanceof CryptokiError)) throw error
      if (error.rv === CKR.USER_ALREADY_LOGGED_IN) return
      const deed = REFUSALS.get(error.rv)
      if (deed === undefined) throw error
      const from = this.#from === undefined ? '' : ` of ${this.#from}`
      const once = 'it is not tried again before it is another one or the server starts again'
      const why = `the token refuses the PIN${from} (${rvName(error.rv)}); ${deed}: ${once}`
      this.#refused = { pin, why }
      throw new Hopeless(why, { cause: error })
    }
  }
}
