/**
 * What functions do not do, and the code that says so.
 *
 * PKCS#11 3.2 §5. Every function answers; these are wishes that the standard allows and no token
 * here fulfils. `docs/pkcs11-functions.md` is printed from the rows, and each is played in
 * `not-offered.test.ts`, those of the module in its own tests. Mechanisms have a page of their own.
 *
 * @module
 */
import type { CKR } from '#spec/pkcs11/constants.ts'
import type { FunctionName } from '#spec/pkcs11/functions.ts'

export interface NotOffered {
  readonly function: FunctionName
  readonly wish: string
  readonly rv: keyof typeof CKR
  /** Answered without a call to the server. */
  readonly isModules?: true
}

const ASYNC = {
  wish: 'anything: no session is asynchronous',
  rv: 'FUNCTION_NOT_SUPPORTED',
} as const
const PARALLEL = {
  wish: 'anything: no function runs in parallel',
  rv: 'FUNCTION_NOT_PARALLEL',
} as const

// biome-ignore format: a table
export const NOT_OFFERED: readonly NotOffered[] = [
  { function: 'C_OpenSession',       wish: 'an asynchronous session',                                  rv: 'SESSION_ASYNC_NOT_SUPPORTED' },
  { function: 'C_OpenSession',       wish: 'a session without CKF_SERIAL_SESSION',                     rv: 'SESSION_PARALLEL_NOT_SUPPORTED' },
  { function: 'C_Login',             wish: 'a login without a PIN: there is no PIN pad',               rv: 'ARGUMENTS_BAD' },
  { function: 'C_InitToken',         wish: 'a second time, while the token holds objects',             rv: 'TOKEN_WRITE_PROTECTED' },
  { function: 'C_GetOperationState', wish: 'the state of an operation with a key',                     rv: 'STATE_UNSAVEABLE' },
  { function: 'C_SetOperationState', wish: 'a state of another application',                           rv: 'SAVED_STATE_INVALID' },
  { function: 'C_DigestKey',         wish: 'the digest of a key that cannot be read',                  rv: 'KEY_INDIGESTIBLE' },
  { function: 'C_CreateObject',      wish: 'hardware features, one-time passwords, vendor classes, and what only the token has: mechanisms, profiles, validations', rv: 'ATTRIBUTE_VALUE_INVALID' },
  { function: 'C_GenerateKey',       wish: 'domain parameters',                                        rv: 'MECHANISM_INVALID' },
  { function: 'C_WaitForSlotEvent',  wish: 'an event at once: tokens neither come nor go',             rv: 'NO_EVENT' },
  { function: 'C_GetFunctionStatus', ...PARALLEL, isModules: true },
  { function: 'C_CancelFunction',    ...PARALLEL, isModules: true },
  { function: 'C_AsyncComplete',     ...ASYNC, isModules: true },
  { function: 'C_AsyncGetID',        ...ASYNC, isModules: true },
  { function: 'C_AsyncJoin',         ...ASYNC, isModules: true },
]
