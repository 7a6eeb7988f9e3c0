/**
 * General purpose functions, slots and tokens.
 *
 * PKCS#11 3.2 §5.4 and §5.5; structures §3.1 and §3.2. Every slot has its token for as long as the
 * server runs: nothing is plugged in or pulled out, so `C_WaitForSlotEvent` waits until the
 * application ends.
 *
 * @module
 */
import { CKF, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { paddedText } from '#spec/pkcs11/memory.ts'
import { LABEL_BYTES } from '#spec/pkcs11/structures.ts'
import type { Handlers, Results } from '#spec/pkcs11/types.ts'
import type { Application } from '../application.ts'
import { NAMED_PIN_BYTES_MAX } from '../manner.ts'
import { type Token, USER } from '../token.ts'

const MANUFACTURER = 'Claviger'
const MODEL = 'Claviger'
const UNAVAILABLE = -1
const CRYPTOKI_VERSION = { major: 3, minor: 2 } as const
/** Ours. `C_GetInfo` must not change over forks and restarts: it is the same in all releases. */
const LIBRARY_VERSION = { major: 1, minor: 0 } as const
const ZEROS = Buffer.from('0'.repeat(16))

export const general = {
  C_GetInfo: () => ({
    pInfo: {
      cryptokiVersion: CRYPTOKI_VERSION,
      manufacturerID: paddedText(MANUFACTURER, 32),
      flags: 0,
      libraryDescription: paddedText('Claviger PKCS#11', 32),
      libraryVersion: LIBRARY_VERSION,
    },
  }),

  C_GetSlotList: (application, { tokenPresent, pSlotList }) => {
    const tokens = application.tokens.filter(
      ({ absence }) => !tokenPresent || absence === undefined,
    )
    const slots = tokens.map(({ slot }) => slot)
    return { pSlotList: pSlotList === undefined || pSlotList < slots.length ? slots.length : slots }
  },

  C_GetSlotInfo: (application, { slotID }) => {
    const token = application.token(slotID)
    return {
      pInfo: {
        slotDescription: paddedText(`Claviger ${token.options.name}`, 64),
        manufacturerID: paddedText(MANUFACTURER, 32),
        flags: token.absence === undefined ? CKF.TOKEN_PRESENT : 0,
        hardwareVersion: LIBRARY_VERSION,
        firmwareVersion: LIBRARY_VERSION,
      },
    }
  },

  C_GetTokenInfo: (application, { slotID }) => {
    return { pInfo: tokenInfo(application, application.presentToken(slotID)) }
  },

  C_InitToken: async (application, { slotID, pPin, pLabel }) => {
    const token = application.presentToken(slotID)
    assertSetUpHere(token, 'claviger token init')
    assertMayInitialise(application, token)
    if (token.hasUsersAlone) {
      const what = `the PIN of token "${token.label}" is the operator's, and it has no officer yet`
      throw new CryptokiError(CKR.TOKEN_WRITE_PROTECTED, `${what}: claviger token pin --so`)
    }
    if (pPin === undefined) throw noPin()
    const label = Buffer.from(pLabel).toString('utf8').trimEnd()
    await token.initialise(pPin, label)
    return {}
  },

  C_InitPIN: async (application, { hSession, pPin }) => {
    const session = application.session(hSession)
    assertPinsHere(session.token)
    if (application.userOf(session.token) !== 'so') {
      const what = 'the PIN of the user is set by the security officer; log in as CKU_SO'
      throw new CryptokiError(CKR.USER_NOT_LOGGED_IN, what)
    }
    if (pPin === undefined) throw noPin()
    await session.token.setPin({ name: USER }, pPin)
    return {}
  },

  C_SetPIN: async (application, { hSession, pOldPin, pNewPin }) => {
    const session = application.session(hSession)
    assertPinsHere(session.token)
    if (!session.readWrite) {
      throw new CryptokiError(CKR.SESSION_READ_ONLY, 'a PIN is changed in a read-write session')
    }
    if (pOldPin === undefined || pNewPin === undefined) throw noPin()
    const { token } = session
    const { name = USER } = application.loginOf(token) ?? {}
    const user = application.userOf(token) === 'so' ? 'so' : { name }
    await token.check(user, pOldPin)
    await token.setPin(user, pNewPin)
    return {}
  },

  C_WaitForSlotEvent: async (application, { flags }) => {
    if ((flags & CKF.DONT_BLOCK) !== 0) {
      throw new CryptokiError(CKR.NO_EVENT, 'nothing has happened in any slot')
    }
    await application.ended
    throw new CryptokiError(CKR.CRYPTOKI_NOT_INITIALIZED, 'the application has ended')
  },
} satisfies Partial<Handlers<Application>>

function noPin(): CryptokiError {
  const what = 'no PIN is given, and there is no way to ask for one but the application'
  return new CryptokiError(CKR.ARGUMENTS_BAD, what)
}

/** @param where The command that does it instead. */
function assertSetUpHere(token: Token, where: string): void {
  if (token.manner.setUp === 'applications') return
  const what = `token "${token.label}" is set up by its operator alone (setUp)`
  throw new CryptokiError(CKR.FUNCTION_NOT_SUPPORTED, `${what}; that is done with: ${where}`)
}

/** PINs that name their users are not for functions that name none. */
function assertPinsHere(token: Token): void {
  assertSetUpHere(token, 'claviger token pin')
  if (token.manner.pinFormat === 'pin') return
  const what = 'a PIN that names its user (pinFormat) is set by the operator'
  throw new CryptokiError(
    CKR.FUNCTION_NOT_SUPPORTED,
    `${what}; that is done with: claviger token pin`,
  )
}

function assertMayInitialise(application: Application, token: Token): void {
  if (token.options.readOnly || token.options.login === 'none') {
    const what = `token "${token.label}" is not to be initialised: its configuration says so`
    throw new CryptokiError(CKR.TOKEN_WRITE_PROTECTED, what)
  }
  if (application.sessionsOf(token).length === 0) return
  const what = `token "${token.label}" has open sessions; close them first`
  throw new CryptokiError(CKR.SESSION_EXISTS, what)
}

function tokenInfo(application: Application, token: Token): Results<'C_GetTokenInfo'>['pInfo'] {
  const sessions = application.sessionsOf(token)
  const { limits } = token.services
  return {
    label: paddedText(token.label, LABEL_BYTES),
    manufacturerID: paddedText(MANUFACTURER, 32),
    model: paddedText(MODEL, 16),
    serialNumber: paddedText(token.serial, 16),
    flags: tokenFlags(token),
    ulMaxSessionCount: limits.sessionsMax,
    ulSessionCount: sessions.length,
    ulMaxRwSessionCount: limits.sessionsMax,
    ulRwSessionCount: sessions.filter(({ readWrite }) => readWrite).length,
    ulMaxPinLen: token.manner.pinFormat === 'pin' ? limits.pinBytesMax : NAMED_PIN_BYTES_MAX,
    ulMinPinLen: limits.pinBytesMin,
    ulTotalPublicMemory: UNAVAILABLE,
    ulFreePublicMemory: UNAVAILABLE,
    ulTotalPrivateMemory: UNAVAILABLE,
    ulFreePrivateMemory: UNAVAILABLE,
    hardwareVersion: LIBRARY_VERSION,
    firmwareVersion: LIBRARY_VERSION,
    utcTime: ZEROS,
  }
}

function tokenFlags(token: Token): number {
  const { login, readOnly } = token.options
  let flags = CKF.RNG | CKF.RESTORE_KEY_NOT_NEEDED
  if (token.manner.operations === 'each') flags |= CKF.DUAL_CRYPTO_OPERATIONS
  if (token.initialised) flags |= CKF.TOKEN_INITIALIZED
  if (readOnly) flags |= CKF.WRITE_PROTECTED
  if (login === 'pin') flags |= CKF.LOGIN_REQUIRED
  return flags | pinFlags(token)
}

/** How many attempts are left, as §3.2 has it: one was wrong, one is left, none is left. */
function pinFlags(token: Token): number {
  const { pinAttemptsMax } = token.services.limits
  let flags = 0
  const user = token.pinOf({ name: USER })
  if (user !== undefined) {
    flags |= CKF.USER_PIN_INITIALIZED
    if (user.attemptsLeft < pinAttemptsMax) flags |= CKF.USER_PIN_COUNT_LOW
    if (user.attemptsLeft === 1) flags |= CKF.USER_PIN_FINAL_TRY
    if (user.attemptsLeft <= 0) flags |= CKF.USER_PIN_LOCKED
  }
  const so = token.pinOf('so')
  if (so === undefined) return flags
  if (so.attemptsLeft < pinAttemptsMax) flags |= CKF.SO_PIN_COUNT_LOW
  if (so.attemptsLeft === 1) flags |= CKF.SO_PIN_FINAL_TRY
  if (so.attemptsLeft <= 0) flags |= CKF.SO_PIN_LOCKED
  return flags
}
