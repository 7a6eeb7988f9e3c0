/**
 * Everything that can go wrong, one row each, and what every front says about it.
 *
 * KMIP 1.4 §11 and KMIP 2.1 §11.48 (Result Reason; which reason an operation gives is in the tables
 * of each operation), PKCS#11 3.2 §5.1 (return values). A front never invents a code: it reads its
 * column. One cause may have three names in KMIP: 1.x, 2.0 and 2.1 differ.
 *
 * @module
 */
import { ResultReason as R } from '#spec/kmip/enumerations.ts'
import { knows } from '#spec/kmip/table.ts'
import { CKR } from '#spec/pkcs11/constants.ts'
import { WireError, type WireFailure } from '#wire/errors.ts'

interface FailureRow {
  /** Result Reason in KMIP 1.x; where an older version has no such reason, the second. */
  readonly kmip: R | readonly [R, R]
  /** In 2.0 and 2.1 where it differs from 1.x; two values where they differ from each other. */
  readonly kmip2?: R | readonly [v20: R, v21: R]
  readonly ckr: CKR
  readonly http: number
}

// biome-ignore format: a table
export const FAILURES = {
  invalidMessage:        { kmip: R.InvalidMessage,        ckr: CKR.DEVICE_ERROR,               http: 400 },
  missingField:          { kmip: R.InvalidMessage,        ckr: CKR.TEMPLATE_INCOMPLETE,        http: 400 },
  invalidField:          { kmip: R.InvalidField,          ckr: CKR.ARGUMENTS_BAD,              http: 400 },
  operationNotSupported: { kmip: R.OperationNotSupported, ckr: CKR.FUNCTION_NOT_SUPPORTED,     http: 501 },
  featureNotSupported:   { kmip: R.FeatureNotSupported,   ckr: CKR.FUNCTION_NOT_SUPPORTED,     http: 501 },
  responseTooLarge:      { kmip: R.ResponseTooLarge,      ckr: CKR.BUFFER_TOO_SMALL,           http: 413 },
  limitExceeded:         { kmip: R.GeneralFailure,        kmip2: R.ServerLimitExceeded,        ckr: CKR.HOST_MEMORY, http: 429 },

  notAuthenticated:      { kmip: R.AuthenticationNotSuccessful, ckr: CKR.USER_NOT_LOGGED_IN,   http: 401 },
  permissionDenied:      { kmip: R.PermissionDenied,      ckr: CKR.ACTION_PROHIBITED,          http: 403 },

  notFound:              { kmip: R.ItemNotFound,          kmip2: R.ObjectNotFound,             ckr: CKR.OBJECT_HANDLE_INVALID, http: 404 },
  destroyed:             { kmip: R.ItemNotFound,          kmip2: R.ObjectDestroyed,            ckr: CKR.OBJECT_HANDLE_INVALID, http: 410 },
  alreadyDestroyed:      { kmip: R.PermissionDenied,      kmip2: R.ObjectDestroyed,            ckr: CKR.OBJECT_HANDLE_INVALID, http: 410 },
  archived:              { kmip: R.ObjectArchived,        ckr: CKR.OBJECT_HANDLE_INVALID,      http: 409 },
  exists:                { kmip: [R.ObjectAlreadyExists, R.IllegalOperation], kmip2: R.ObjectAlreadyExists, ckr: CKR.ATTRIBUTE_VALUE_INVALID, http: 409 },
  conflict:              { kmip: R.GeneralFailure,        ckr: CKR.FUNCTION_FAILED,            http: 409 },

  wrongState:            { kmip: R.PermissionDenied,      kmip2: [R.PermissionDenied, R.WrongKeyLifecycleState], ckr: CKR.KEY_FUNCTION_NOT_PERMITTED, http: 409 },
  usageMask:             { kmip: R.PermissionDenied,      kmip2: R.IncompatibleCryptographicUsageMask, ckr: CKR.KEY_FUNCTION_NOT_PERMITTED, http: 403 },
  usageLimit:            { kmip: R.PermissionDenied,      ckr: CKR.KEY_FUNCTION_NOT_PERMITTED, http: 403 },
  allocation:            { kmip: R.PermissionDenied,      kmip2: R.UsageLimitExceeded,         ckr: CKR.KEY_FUNCTION_NOT_PERMITTED, http: 403 },
  noUsageLimits:         { kmip: R.IllegalOperation,      kmip2: R.AttributeNotFound,          ckr: CKR.KEY_FUNCTION_NOT_PERMITTED, http: 409 },
  offsetWithoutDate:     { kmip: R.IllegalOperation,      kmip2: R.InvalidField,               ckr: CKR.ATTRIBUTE_VALUE_INVALID, http: 409 },
  illegalOperation:      { kmip: R.IllegalOperation,      kmip2: R.InvalidObjectType,          ckr: CKR.KEY_FUNCTION_NOT_PERMITTED, http: 409 },
  objectType:            { kmip: R.InvalidField,          kmip2: R.InvalidObjectType,          ckr: CKR.KEY_TYPE_INCONSISTENT, http: 400 },

  unknownAttribute:      { kmip: R.InvalidField,          kmip2: R.InvalidAttribute,           ckr: CKR.ATTRIBUTE_TYPE_INVALID, http: 400 },
  unknownEnumeration:    { kmip: R.InvalidField,          kmip2: R.UnknownEnumeration,         ckr: CKR.ATTRIBUTE_VALUE_INVALID, http: 400 },
  applicationNamespace:  { kmip: R.ApplicationNamespaceNotSupported, ckr: CKR.ATTRIBUTE_VALUE_INVALID, http: 400 },
  unknownToDelete:       { kmip: R.ItemNotFound,          kmip2: R.InvalidAttribute,           ckr: CKR.ATTRIBUTE_TYPE_INVALID, http: 404 },
  attributeMissing:      { kmip: R.InvalidField,          kmip2: R.InvalidAttributeValue,      ckr: CKR.TEMPLATE_INCOMPLETE, http: 400 },
  attributeValue:        { kmip: R.InvalidField,          kmip2: R.InvalidAttributeValue,      ckr: CKR.ATTRIBUTE_VALUE_INVALID, http: 400 },
  attributeReadOnly:     { kmip: R.PermissionDenied,      kmip2: R.AttributeReadOnly,          ckr: CKR.ATTRIBUTE_READ_ONLY, http: 403 },
  readOnlyAttribute:     { kmip: R.PermissionDenied,      kmip2: R.ReadOnlyAttribute,          ckr: CKR.ATTRIBUTE_READ_ONLY, http: 403 },
  attributeExists:       { kmip: R.IllegalOperation,      kmip2: R.AttributeSingleValued,      ckr: CKR.TEMPLATE_INCONSISTENT, http: 409 },
  attributeTwice:        { kmip: R.InvalidField,          kmip2: R.AttributeSingleValued,      ckr: CKR.TEMPLATE_INCONSISTENT, http: 400 },
  multiValued:           { kmip: R.IllegalOperation,      kmip2: R.MultiValuedAttribute,       ckr: CKR.TEMPLATE_INCONSISTENT, http: 409 },
  noAttribute:           { kmip: R.InvalidField,          kmip2: R.AttributeNotFound,          ckr: CKR.ATTRIBUTE_TYPE_INVALID, http: 404 },
  noAttributeToDelete:   { kmip: R.ItemNotFound,          kmip2: R.AttributeNotFound,          ckr: CKR.ATTRIBUTE_TYPE_INVALID, http: 404 },
  noAttributeInstance:   { kmip: R.ItemNotFound,          kmip2: R.AttributeInstanceNotFound,  ckr: CKR.ATTRIBUTE_TYPE_INVALID, http: 404 },
  tooManyInstances:      { kmip: R.IndexOutOfBounds,      kmip2: R.ServerLimitExceeded,        ckr: CKR.TEMPLATE_INCONSISTENT, http: 409 },
  nameInUse:             { kmip: R.InvalidField,          kmip2: R.NonUniqueNameAttribute,     ckr: CKR.ATTRIBUTE_VALUE_INVALID, http: 409 },
  nameInUseByAttribute:  { kmip: R.IllegalOperation,      kmip2: R.NonUniqueNameAttribute,     ckr: CKR.ATTRIBUTE_VALUE_INVALID, http: 409 },
  attributeOfOther:      { kmip: R.InvalidField,          kmip2: R.UnsupportedAttribute,       ckr: CKR.ATTRIBUTE_TYPE_INVALID, http: 400 },

  sensitive:             { kmip: [R.Sensitive, R.PermissionDenied],      kmip2: R.Sensitive,      ckr: CKR.ATTRIBUTE_SENSITIVE, http: 403 },
  notExtractable:        { kmip: [R.NotExtractable, R.PermissionDenied], kmip2: R.NotExtractable, ckr: CKR.KEY_UNEXTRACTABLE, http: 403 },
  keyFormat:             { kmip: R.KeyFormatTypeNotSupported,      ckr: CKR.KEY_TYPE_INCONSISTENT,     http: 400 },
  keyCompression:        { kmip: R.KeyCompressionTypeNotSupported, ckr: CKR.KEY_TYPE_INCONSISTENT,     http: 400 },
  keyWrapType:           { kmip: R.FeatureNotSupported,   kmip2: R.KeyWrapTypeNotSupported,    ckr: CKR.MECHANISM_PARAM_INVALID, http: 400 },
  encodingOption:        { kmip: [R.EncodingOptionError, R.InvalidField], kmip2: R.EncodingOptionError, ckr: CKR.ARGUMENTS_BAD, http: 400 },
  keyValueNotPresent:    { kmip: [R.KeyValueNotPresent, R.IllegalOperation], kmip2: R.KeyValueNotPresent, ckr: CKR.KEY_NEEDED, http: 409 },
  wrappingKeyNotFound:   { kmip: R.ItemNotFound,          kmip2: R.WrappingObjectNotFound,     ckr: CKR.WRAPPING_KEY_HANDLE_INVALID, http: 404 },
  wrappingKeyDestroyed:  { kmip: R.ItemNotFound,          kmip2: R.WrappingObjectDestroyed,    ckr: CKR.WRAPPING_KEY_HANDLE_INVALID, http: 410 },
  wrappingKeyKind:       { kmip: R.IllegalOperation,      kmip2: R.InvalidObjectType,          ckr: CKR.WRAPPING_KEY_TYPE_INCONSISTENT, http: 409 },
  wrappingParameters:    { kmip: R.ItemNotFound,          kmip2: R.BadCryptographicParameters, ckr: CKR.MECHANISM_PARAM_INVALID, http: 400 },

  cryptographicFailure:  { kmip: R.CryptographicFailure,  ckr: CKR.FUNCTION_FAILED,            http: 422 },
  parametersMissing:     { kmip: R.InvalidField,          kmip2: R.BadCryptographicParameters, ckr: CKR.MECHANISM_PARAM_INVALID, http: 400 },
  parametersUnsupported: { kmip: R.InvalidField,          kmip2: R.UnsupportedCryptographicParameters, ckr: CKR.MECHANISM_INVALID, http: 400 },
  parametersContradict:  { kmip: R.InvalidField,          kmip2: R.BadCryptographicParameters, ckr: CKR.MECHANISM_PARAM_INVALID, http: 400 },
  missingIv:             { kmip: R.InvalidMessage,        ckr: CKR.MECHANISM_PARAM_INVALID,    http: 400 },
  tagLength:             { kmip: R.GeneralFailure,        ckr: CKR.MECHANISM_PARAM_INVALID,    http: 400 },
  dataLength:            { kmip: R.CryptographicFailure,  ckr: CKR.DATA_LEN_RANGE,             http: 400 },
  correlationValue:      { kmip: R.InvalidField,          kmip2: R.InvalidCorrelationValue,    ckr: CKR.OPERATION_NOT_INITIALIZED, http: 404 },
  notQuantumSafe:        { kmip: R.GeneralFailure,        ckr: CKR.ATTRIBUTE_VALUE_INVALID,    http: 409 },
  noSuchKeystore:        { kmip: R.InvalidField,          kmip2: R.ProtectionStorageUnavailable, ckr: CKR.SLOT_ID_INVALID, http: 400 },
  protectionStorage:     { kmip: R.InvalidField,          kmip2: R.ProtectionStorageUnavailable, ckr: CKR.ATTRIBUTE_VALUE_INVALID, http: 409 },

  tampered:              { kmip: R.GeneralFailure,        kmip2: R.InternalServerError,        ckr: CKR.DEVICE_ERROR, http: 500 },
  storageUnavailable:    { kmip: R.GeneralFailure,        kmip2: R.InternalServerError,        ckr: CKR.DEVICE_MEMORY, http: 507 },
  keystoreUnavailable:   { kmip: R.GeneralFailure,        kmip2: R.InternalServerError,        ckr: CKR.DEVICE_ERROR, http: 503 },
  internal:              { kmip: R.GeneralFailure,        ckr: CKR.GENERAL_ERROR,              http: 500 },
} as const satisfies Record<string, FailureRow> & Record<WireFailure, FailureRow>
export type FailureCode = keyof typeof FAILURES

/**
 * A failure of the caller's request, of a keystore or of the database.
 *
 * `message` goes to the peer: what could not be done, a colon, what is so and which rule says it;
 * never key material, PINs or paths. `cause` stays in our log.
 */
export class KmsError extends Error {
  override readonly name = 'KmsError'
  readonly code: FailureCode

  constructor(code: FailureCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Whether a record was not what was last written. */
export function isTampered(error: unknown): error is KmsError {
  return error instanceof KmsError && error.code === 'tampered'
}

/** The code of any thrown value; everything that is not ours is `internal`. */
export function failureCode(error: unknown): FailureCode {
  return error instanceof KmsError || error instanceof WireError ? error.code : 'internal'
}

/** Whether it concerns whoever looks after the server, whatever was asked for. */
export function isServersOwn(code: FailureCode): boolean {
  return code === 'internal' || code === 'tampered' || code === 'storageUnavailable'
}

/** What the peer may read of any thrown value. */
export function failureMessage(error: unknown): string {
  const ours = error instanceof KmsError || error instanceof WireError
  return ours ? error.message : 'Cannot do it: an internal error, see the log of the server'
}

/** Result Reason of a failure as a version of KMIP knows it. */
export function resultReason(code: FailureCode, version: number): R {
  const { kmip, kmip2 } = FAILURES[code] as FailureRow
  if (version >= 20 && kmip2 !== undefined) {
    return typeof kmip2 === 'number' ? kmip2 : (kmip2[version >= 21 ? 1 : 0] as R)
  }
  if (typeof kmip === 'number') return kmip
  return knows(R, kmip[0], version) ? kmip[0] : kmip[1]
}
