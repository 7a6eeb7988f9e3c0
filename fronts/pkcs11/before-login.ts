/**
 * Tokens that show and do nothing without a login.
 *
 * PKCS#11 3.2 §3.3 lets sessions without a user see public objects, make session objects and work
 * with keys that are not private. Where the configuration says `beforeLogin: nothing`, a session
 * finds nothing, and whatever is more than opening, searching and logging in is refused: here, in
 * one place, so that no function is forgotten.
 *
 * @module
 */
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { FunctionName } from '#spec/pkcs11/functions.ts'
import type { Application } from './application.ts'

/** Functions of a session that work without a login: a search works, and finds nothing. */
const OPEN: ReadonlySet<FunctionName> = new Set([
  'C_CloseSession',
  'C_GetSessionInfo',
  'C_GetSessionValidationFlags',
  'C_SessionCancel',
  'C_Login',
  'C_LoginUser',
  'C_Logout',
  'C_InitPIN',
  'C_SetPIN',
  'C_FindObjectsInit',
  'C_FindObjects',
  'C_FindObjectsFinal',
  'C_AsyncComplete',
  'C_AsyncGetID',
  'C_AsyncJoin',
])

/** @throws `CryptokiError` `USER_NOT_LOGGED_IN`, `SESSION_HANDLE_INVALID`. */
export function assertLoggedIn(name: FunctionName, application: Application, args: object): void {
  if (!('hSession' in args) || OPEN.has(name)) return
  const session = application.session(args.hSession as number)
  if (session.isOpen) return
  const what = `token "${session.token.label}" does nothing before a login (beforeLogin: nothing)`
  throw new CryptokiError(CKR.USER_NOT_LOGGED_IN, `${what}; call C_Login first`)
}
