/**
 * What a device's return value means to the core.
 *
 * PKCS#11 3.2 §5.1. One row for each value that says more than that something failed.
 *
 * @module
 */
import { Pkcs11ConnectionError } from '#clients/pkcs11-rpc/client.ts'
import { type FailureCode, KmsError } from '#core/errors.ts'
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError, rvName } from '#spec/pkcs11/errors.ts'

const CODES = new Map<number, FailureCode>([
  [CKR.MECHANISM_INVALID, 'parametersUnsupported'],
  [CKR.MECHANISM_PARAM_INVALID, 'parametersUnsupported'],
  [CKR.FUNCTION_NOT_SUPPORTED, 'parametersUnsupported'],
  [CKR.KEY_TYPE_INCONSISTENT, 'parametersUnsupported'],
  [CKR.ARGUMENTS_BAD, 'parametersUnsupported'],
  [CKR.KEY_SIZE_RANGE, 'invalidField'],
  [CKR.KEY_FUNCTION_NOT_PERMITTED, 'usageMask'],
  [CKR.KEY_UNEXTRACTABLE, 'notExtractable'],
  [CKR.KEY_NOT_WRAPPABLE, 'notExtractable'],
  [CKR.ATTRIBUTE_SENSITIVE, 'sensitive'],
  [CKR.DATA_LEN_RANGE, 'dataLength'],
  [CKR.DATA_INVALID, 'dataLength'],
  [CKR.ENCRYPTED_DATA_INVALID, 'cryptographicFailure'],
  [CKR.ENCRYPTED_DATA_LEN_RANGE, 'cryptographicFailure'],
  [CKR.WRAPPED_KEY_INVALID, 'cryptographicFailure'],
  [CKR.WRAPPED_KEY_LEN_RANGE, 'cryptographicFailure'],
  [CKR.AEAD_DECRYPT_FAILED, 'cryptographicFailure'],
  [CKR.KEY_HANDLE_INVALID, 'keyValueNotPresent'],
  [CKR.OBJECT_HANDLE_INVALID, 'keyValueNotPresent'],
  [CKR.TEMPLATE_INCONSISTENT, 'invalidField'],
  [CKR.TEMPLATE_INCOMPLETE, 'invalidField'],
  [CKR.ATTRIBUTE_VALUE_INVALID, 'invalidField'],
  [CKR.ATTRIBUTE_TYPE_INVALID, 'invalidField'],
  [CKR.DOMAIN_PARAMS_INVALID, 'invalidField'],
  [CKR.CURVE_NOT_SUPPORTED, 'invalidField'],
  [CKR.TOKEN_WRITE_PROTECTED, 'permissionDenied'],
  [CKR.SESSION_READ_ONLY, 'permissionDenied'],
  [CKR.DEVICE_MEMORY, 'storageUnavailable'],
])

/** After these the session, the login or the device is gone; the next attempt makes them anew. */
const LOST: ReadonlySet<number> = new Set([
  CKR.SESSION_HANDLE_INVALID,
  CKR.SESSION_CLOSED,
  CKR.USER_NOT_LOGGED_IN,
  CKR.DEVICE_REMOVED,
  CKR.DEVICE_ERROR,
  CKR.TOKEN_NOT_PRESENT,
  CKR.CRYPTOKI_NOT_INITIALIZED,
  // None is under way here: the session has kept one, and would not do any other.
  CKR.OPERATION_ACTIVE,
])

/** Whether session, login or device have to be made anew. */
export function isLost(error: unknown): boolean {
  return error instanceof CryptokiError && LOST.has(error.rv)
}

/** Whether another HSM with the same keys may well do what this one did not. */
export function isOfOneDevice(error: unknown): boolean {
  return error instanceof CryptokiError && OF_ONE_DEVICE.has(error.rv)
}

const OF_ONE_DEVICE: ReadonlySet<number> = new Set([
  CKR.MECHANISM_INVALID,
  CKR.FUNCTION_NOT_SUPPORTED,
  CKR.FUNCTION_FAILED,
  CKR.GENERAL_ERROR,
  CKR.DEVICE_ERROR,
  CKR.DEVICE_MEMORY,
  CKR.HOST_MEMORY,
])

/** It says that it has failed, and nothing more. */
export function isDeviceError(error: unknown): boolean {
  return error instanceof CryptokiError && error.rv === CKR.DEVICE_ERROR
}

/** After these nobody knows whether the token is there. */
export function isDoubtful(error: unknown): boolean {
  if (!(error instanceof CryptokiError)) return false
  return error.rv === CKR.GENERAL_ERROR || error.rv === CKR.FUNCTION_FAILED
}

/** Whether an object is not there any more, or not under this handle. */
export function isStale(error: unknown): boolean {
  if (!(error instanceof CryptokiError)) return false
  return error.rv === CKR.KEY_HANDLE_INVALID || error.rv === CKR.OBJECT_HANDLE_INVALID
}

/** Whether a device takes no seed, or none from here. */
export function isNoSeed(error: unknown): boolean {
  if (!(error instanceof CryptokiError)) return false
  return error.rv === CKR.RANDOM_SEED_NOT_SUPPORTED || error.rv === CKR.FUNCTION_NOT_SUPPORTED
}

/** Devices have many words for a wrong tag or padding. */
const WRONG_DATA: ReadonlySet<number> = new Set([
  CKR.GENERAL_ERROR,
  CKR.FUNCTION_FAILED,
  CKR.DATA_INVALID,
  CKR.DATA_LEN_RANGE,
])

/** A failure of C_Decrypt, which had accepted key and mechanism before. */
export function asWrongData(error: unknown): unknown {
  if (!(error instanceof CryptokiError) || !WRONG_DATA.has(error.rv)) return error
  const what = 'Cannot decrypt: the data, its tag or its padding is wrong'
  return new KmsError('cryptographicFailure', what, { cause: error })
}

/** What a return value says of the device, and what can be done. */
const HINTS = new Map<number, string>([
  [CKR.TOKEN_WRITE_PROTECTED, "its token takes no changes until its maker's means say otherwise"],
  [CKR.SESSION_READ_ONLY, "its token takes no changes until its maker's means say otherwise"],
  [CKR.DEVICE_MEMORY, 'it is full; destroy keys there that nobody needs'],
  [CKR.SESSION_COUNT, 'it has no session left; give the keystore fewer sessions'],
  [CKR.KEY_FUNCTION_NOT_PERMITTED, 'the flags of the key there do not allow it'],
  [CKR.KEY_UNEXTRACTABLE, 'the key there is not CKA_EXTRACTABLE'],
  [CKR.KEY_NOT_WRAPPABLE, 'the key there must not be wrapped'],
  [CKR.MECHANISM_INVALID, 'it lists the mechanism and does not do it; "broken" of quirks says so'],
  [CKR.KEY_SIZE_RANGE, 'it does not take keys of this length'],
  [CKR.DEVICE_REMOVED, 'it is gone; claviger hsm list tells when it is back'],
  [CKR.TOKEN_NOT_PRESENT, 'it is gone; claviger hsm list tells when it is back'],
])

/** @param what Completes "Cannot ...": `encrypt`. */
export function failureOf(device: string, what: string, error: unknown): KmsError {
  if (error instanceof KmsError) return error
  if (!(error instanceof CryptokiError)) {
    const why = (error as Error).message
    return new KmsError('keystoreUnavailable', `Cannot ${what}: HSM "${device}": ${why}`, {
      cause: error,
    })
  }
  const code = isLost(error)
    ? 'keystoreUnavailable'
    : (CODES.get(error.rv) ?? 'keystoreUnavailable')
  const hint = HINTS.get(error.rv)
  const why = hint === undefined ? '' : `: ${hint}`
  const message = `Cannot ${what}: HSM "${device}" answers ${rvName(error.rv)}${why}`
  return new KmsError(code, message, { cause: error })
}

/** Whether host, session or login have to be made anew. */
export function isGone(error: unknown): boolean {
  return error instanceof Pkcs11ConnectionError || isLost(error)
}

export function unavailable(name: string, why: string): KmsError {
  return new KmsError('keystoreUnavailable', `Cannot use HSM "${name}": ${why}`)
}
