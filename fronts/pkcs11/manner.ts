/**
 * How a token behaves where the standard leaves it open, or where other systems go another way.
 *
 * PKCS#11 3.2 §3.3 (sessions, users), §4.4 (CKA_PRIVATE), §5.5 and §5.6.8. The usual manner is the
 * standard's. The others together are that of a library for an HSM on the network: one slot, users
 * and addresses in the PIN, nothing without a login, and the set-up done at the HSM. The
 * configuration names them one by one; `docs/pkcs11.md` has a section on them.
 *
 * @module
 */
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'

export interface Manner {
  /** What `C_Login` is given: a PIN, or who logs in, with what, and where. */
  readonly pinFormat: 'pin' | 'user:password@address'
  /** Whose objects a user sees: those of the token, or those of the credential of his name. */
  readonly users: 'token' | 'own'
  /** What is there without a login: public objects, or nothing at all. */
  readonly beforeLogin: 'public' | 'nothing'
  /** Whether a session without `CKF_RW_SESSION` changes token objects. */
  readonly readOnlySessions: 'read' | 'write'
  /** Operations that a session has at a time: one of each kind, or one. */
  readonly operations: 'each' | 'one'
  /** `CKU_SO`: somebody with a PIN of his own, or just another word for the user. */
  readonly officer: 'apart' | 'user'
  /** Who initialises the token and sets PINs: applications as well, or the operator alone. */
  readonly setUp: 'applications' | 'operator'
  /** Whether a sensitive key may leave wrapped, or none that is sensitive or unextractable. */
  readonly export: 'wrapped' | 'never-sensitive'
}

export const USUAL: Manner = {
  pinFormat: 'pin',
  users: 'token',
  beforeLogin: 'public',
  readOnlySessions: 'read',
  operations: 'each',
  officer: 'apart',
  setUp: 'applications',
  export: 'wrapped',
}

/** A PIN in its parts. */
export interface NamedPin {
  readonly user: string
  /** A view of the PIN, which is wiped with it. */
  readonly password: Uint8Array
  /** Undefined where it is left to the configuration. */
  readonly address: string | undefined
}

const [COLON, AT] = [0x3a, 0x40]
/** Room for a name, a password and an address. */
export const NAMED_PIN_BYTES_MAX = 255

/**
 * `user:password@address`: the user ends at the first colon, the address begins behind the last
 * `@`, and what lies between is the password, with any of both. Without an `@` there is no address.
 *
 * @throws `CryptokiError` `CKR_PIN_INCORRECT`; nothing of the PIN is in the message.
 */
export function namedPin(pin: Uint8Array): NamedPin {
  const colon = pin.indexOf(COLON)
  const last = pin.lastIndexOf(AT)
  const isWhole = colon > 0 && (last < 0 || last > colon) && !pin.includes(0)
  if (!isWhole || pin.length > NAMED_PIN_BYTES_MAX) {
    const form = `user:password@address or user:password, up to ${NAMED_PIN_BYTES_MAX} bytes`
    const what = `the PIN is not of the form that the configuration asks for (pinFormat): ${form}`
    throw new CryptokiError(CKR.PIN_INCORRECT, what)
  }
  return {
    user: Buffer.from(pin.subarray(0, colon)).toString('utf8'),
    password: pin.subarray(colon + 1, last < 0 ? pin.length : last),
    address: last < 0 ? undefined : Buffer.from(pin.subarray(last + 1)).toString('utf8'),
  }
}
