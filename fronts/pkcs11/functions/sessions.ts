/**
 * Sessions, login and logout.
 *
 * PKCS#11 3.2 §5.6. Who has logged in counts for all sessions that an application has with a token;
 * a second login, a user beside the security officer, and the security officer beside read-only
 * sessions are refused (§5.6.8).
 *
 * @module
 */
import type { Principal } from '#core/context.ts'
import { CKF, CKR, CKU } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { Handlers } from '#spec/pkcs11/types.ts'
import type { Application, User } from '../application.ts'
import { namedPin } from '../manner.ts'
import type { OperationKind, Session } from '../session.ts'
import { type Place, type Token, USER } from '../token.ts'

const UNKNOWN_USER = 'unknown user'

export const sessions = {
  C_OpenSession: (application, { slotID, flags }) => {
    const token = application.presentToken(slotID)
    const readWrite = (flags & CKF.RW_SESSION) !== 0
    assertMayOpen(application, token, flags)
    return { phSession: application.openSession(token, readWrite).handle }
  },

  C_CloseSession: (application, { hSession }) => {
    application.closeSession(application.session(hSession))
    return {}
  },

  C_CloseAllSessions: (application, { slotID }) => {
    for (const session of application.sessionsOf(application.token(slotID))) {
      application.closeSession(session)
    }
    return {}
  },

  C_GetSessionInfo: (application, { hSession }) => {
    const { token, state, readWrite } = application.session(hSession)
    const flags = CKF.SERIAL_SESSION | (readWrite ? CKF.RW_SESSION : 0)
    return { pInfo: { slotID: token.slot, state, flags, ulDeviceError: 0 } }
  },

  C_GetSessionValidationFlags: (application, { hSession }) => {
    application.session(hSession)
    // There are no validation objects that say what this software has been validated for.
    return { pFlags: 0 }
  },

  C_SessionCancel: (application, { hSession, flags }) => {
    const session = application.session(hSession)
    for (const [flag, kinds] of CANCELLED) {
      if ((flags & flag) !== 0) for (const kind of kinds) session.end(kind)
    }
    return {}
  },

  C_Login: (application, { hSession, userType, pPin }) => {
    return login(application.session(hSession), userType, USER, pPin)
  },

  C_LoginUser: (application, { hSession, userType, pPin, pUsername }) => {
    const name = pUsername === undefined ? USER : Buffer.from(pUsername).toString('utf8')
    return login(application.session(hSession), userType, name, pPin)
  },

  C_Logout: async (application, { hSession }) => {
    const { token } = application.session(hSession)
    if (application.userOf(token) === 'none') {
      throw new CryptokiError(CKR.USER_NOT_LOGGED_IN, 'nobody is logged in')
    }
    await application.logout(token)
    return {}
  },

  C_AsyncComplete: (application, { hSession }) => notAsynchronous(application, hSession),
  C_AsyncGetID: (application, { hSession }) => notAsynchronous(application, hSession),
  C_AsyncJoin: (application, { hSession }) => notAsynchronous(application, hSession),
} satisfies Partial<Handlers<Application>>

/** Which flag of `C_SessionCancel` ends what. */
const CANCELLED: readonly (readonly [number, readonly OperationKind[]])[] = [
  [CKF.FIND_OBJECTS, ['find']],
  [CKF.DIGEST, ['digest']],
  [CKF.ENCRYPT, ['encrypt']],
  [CKF.DECRYPT, ['decrypt']],
  [CKF.SIGN, ['sign']],
  [CKF.SIGN_RECOVER, ['signRecover']],
  [CKF.VERIFY, ['verify', 'verifySignature']],
  [CKF.VERIFY_RECOVER, ['verifyRecover']],
  [CKF.MESSAGE_ENCRYPT, ['messageEncrypt']],
  [CKF.MESSAGE_DECRYPT, ['messageDecrypt']],
  [CKF.MESSAGE_SIGN, ['messageSign']],
  [CKF.MESSAGE_VERIFY, ['messageVerify']],
]

function assertMayOpen(application: Application, token: Token, flags: number): void {
  const refuse = (code: number, why: string): never => {
    throw new CryptokiError(code, `cannot open a session with "${token.label}": ${why}`)
  }
  if ((flags & CKF.SERIAL_SESSION) === 0) {
    refuse(CKR.SESSION_PARALLEL_NOT_SUPPORTED, 'CKF_SERIAL_SESSION must be set')
  }
  if ((flags & CKF.ASYNC_SESSION) !== 0) {
    refuse(CKR.SESSION_ASYNC_NOT_SUPPORTED, 'asynchronous sessions are not offered')
  }
  const readWrite = (flags & CKF.RW_SESSION) !== 0
  if (readWrite && token.options.readOnly) {
    refuse(CKR.TOKEN_WRITE_PROTECTED, 'its configuration makes it read-only')
  }
  if (!readWrite && application.userOf(token) === 'so') {
    refuse(CKR.SESSION_READ_WRITE_SO_EXISTS, 'the security officer works in read-write sessions')
  }
  const { sessionsMax } = token.services.limits
  if (application.sessionCount >= sessionsMax) {
    refuse(CKR.SESSION_COUNT, `limits.sessionsMax allows ${sessionsMax}`)
  }
}

async function login(
  session: Session,
  userType: number,
  name: string,
  pin: Uint8Array | undefined,
): Promise<Record<never, never>> {
  if (userType === CKU.CONTEXT_SPECIFIC) return consent(session, pin)
  const { token, application } = session
  const user = userOfType(token, userType)
  assertMayLogIn(session, user)
  const claim = user === 'so' ? { name, password: given(pin) } : claimOf(token, name, pin)
  const { place } = claim
  const whom = nameFor(token, name, claim.name)
  const principal = await audited(session, whom, place, async () => {
    await token.check(user === 'so' ? 'so' : { name: claim.name }, claim.password, claim.wrong)
    return principalFor(token, claim.name)
  })
  // Another thread may have been faster while the PIN was checked.
  assertMayLogIn(session, user)
  application.login(token, { user, principal, place, name: claim.name, given: name })
  await assertStillThere(session, claim.name)
  return {}
}

/** A credential that was revoked while its user logged in: whoever it was is out again. */
async function assertStillThere({ token, application }: Session, name: string): Promise<void> {
  try {
    await principalFor(token, name)
  } catch (error) {
    await application.logout(token)
    throw error
  }
}

/** Whom the audit trail names: of a PIN nothing but a name that is known. */
function nameFor(token: Token, given: string, name: string): string {
  if (name === USER) return token.principal.name
  return given === USER && token.pinOf({ name }) === undefined ? UNKNOWN_USER : name
}

/** Who somebody says he is, and what he wants to work with. */
interface Claim {
  readonly name: string
  readonly password: Uint8Array
  readonly place?: Place | undefined
  /** What is wrong with it whatever the PIN is. */
  readonly wrong?: string
}

/** A name that `C_LoginUser` has been given is not looked for in the PIN. */
function claimOf(token: Token, name: string, pin: Uint8Array | undefined): Claim {
  const { placeOf } = token.options
  if (token.manner.pinFormat === 'pin' || name !== USER) return { name, password: given(pin) }
  const { user, password, address } = namedPin(given(pin))
  const place = placeOf?.(address)
  if (place !== undefined || address === undefined) return { name: user, password, place }
  // What stands behind the last @ may be the end of a password: it is told to nobody.
  const rule = 'a password with @ in it needs an address behind it'
  const wrong = `the address is that of no keystore that token "${token.label}" may use; ${rule}`
  return { name: user, password, wrong }
}

async function principalFor({ principal, options }: Token, name: string): Promise<Principal> {
  if (name === USER) return principal
  return options.principalOf?.(name) ?? { ...principal, name, credential: principal.name }
}

function userOfType({ manner }: Token, userType: number): Exclude<User, 'none'> {
  if (userType === CKU.SO) return manner.officer === 'user' ? 'user' : 'so'
  if (userType === CKU.USER) return 'user'
  throw new CryptokiError(CKR.USER_TYPE_INVALID, `there is no user type ${userType}`)
}

function given(pin: Uint8Array | undefined): Uint8Array {
  if (pin !== undefined) return pin
  const what = 'no PIN is given, and the token has no PIN pad'
  throw new CryptokiError(CKR.ARGUMENTS_BAD, what)
}

function assertMayLogIn({ application, token }: Session, user: User): void {
  const present = application.userOf(token)
  if (present === user) {
    throw new CryptokiError(CKR.USER_ALREADY_LOGGED_IN, 'this user is logged in already')
  }
  if (present !== 'none') {
    const what = 'somebody else is logged in; log out first'
    throw new CryptokiError(CKR.USER_ANOTHER_ALREADY_LOGGED_IN, what)
  }
  const readOnly = application.sessionsOf(token).some(({ readWrite }) => !readWrite)
  if (user === 'so' && readOnly) {
    const what = 'the security officer cannot work beside read-only sessions; close them'
    throw new CryptokiError(CKR.SESSION_READ_ONLY_EXISTS, what)
  }
}

/** CKU_CONTEXT_SPECIFIC: the user consents to the one operation that waits for it. */
async function consent(
  session: Session,
  pin: Uint8Array | undefined,
): Promise<Record<never, never>> {
  const waiting = [...session.operations()].filter(([, { authenticated }]) => {
    return authenticated === false
  })
  if (waiting.length === 0) {
    const what = 'no operation waits for a login of its own (CKA_ALWAYS_AUTHENTICATE)'
    throw new CryptokiError(CKR.OPERATION_NOT_INITIALIZED, what)
  }
  const { token, application } = session
  const { name = USER, given: naming = USER, place } = application.loginOf(token) ?? {}
  const claim = claimOf(token, naming, pin)
  const isSame = claim.name === name && claim.place?.keystore === place?.keystore
  const wrong = claim.wrong ?? (isSame ? undefined : 'the PIN is of another user or address')
  await audited(session, application.principalOf(token).name, place, () => {
    return token.check({ name }, claim.password, wrong)
  })
  for (const [, operation] of waiting) operation.authenticated = true
  return {}
}

/** Who logged in, and who was refused, is in the audit trail. */
async function audited<T>(
  { token }: Session,
  principal: string,
  place: Place | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const { journal } = token.services
  const where = place === undefined ? '' : ` in keystore ${place.keystore}`
  const detail = `token ${token.options.name}${where}`
  const event = { principal, front: 'pkcs11', operation: 'Login', detail }
  try {
    const result = await work()
    await journal.record({ ...event, outcome: 'success' })
    return result
  } catch (error) {
    await journal.record({ ...event, outcome: 'notAuthenticated' })
    throw error
  }
}

function notAsynchronous(application: Application, hSession: number): never {
  application.session(hSession)
  const what = 'no session is asynchronous: CKF_ASYNC_SESSION_SUPPORTED is not set'
  throw new CryptokiError(CKR.SESSION_ASYNC_NOT_SUPPORTED, what)
}
