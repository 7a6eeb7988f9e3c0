/**
 * Enumerations of messages, headers and operations.
 *
 * KMIP 2.1 §11; 1.x values from the tables of §9.1.3.2 of each version.
 *
 * @module
 */
import { enumTable } from '../table.ts'

// biome-ignore format: a table
export const Operation = enumTable('Operation', {
  Create:                    [0x01, '1.0'],
  CreateKeyPair:             [0x02, '1.0'],
  Register:                  [0x03, '1.0'],
  ReKey:                     [0x04, '1.0'],
  DeriveKey:                 [0x05, '1.0'],
  Certify:                   [0x06, '1.0'],
  ReCertify:                 [0x07, '1.0'],
  Locate:                    [0x08, '1.0'],
  Check:                     [0x09, '1.0'],
  Get:                       [0x0a, '1.0'],
  GetAttributes:             [0x0b, '1.0'],
  GetAttributeList:          [0x0c, '1.0'],
  AddAttribute:              [0x0d, '1.0'],
  ModifyAttribute:           [0x0e, '1.0'],
  DeleteAttribute:           [0x0f, '1.0'],
  ObtainLease:               [0x10, '1.0'],
  GetUsageAllocation:        [0x11, '1.0'],
  Activate:                  [0x12, '1.0'],
  Revoke:                    [0x13, '1.0'],
  Destroy:                   [0x14, '1.0'],
  Archive:                   [0x15, '1.0'],
  Recover:                   [0x16, '1.0'],
  Validate:                  [0x17, '1.0'],
  Query:                     [0x18, '1.0'],
  Cancel:                    [0x19, '1.0'],
  Poll:                      [0x1a, '1.0'],
  Notify:                    [0x1b, '1.0'],
  Put:                       [0x1c, '1.0'],
  ReKeyKeyPair:              [0x1d, '1.1'],
  DiscoverVersions:          [0x1e, '1.1'],
  Encrypt:                   [0x1f, '1.2'],
  Decrypt:                   [0x20, '1.2'],
  Sign:                      [0x21, '1.2'],
  SignatureVerify:           [0x22, '1.2'],
  MAC:                       [0x23, '1.2'],
  MACVerify:                 [0x24, '1.2'],
  RNGRetrieve:               [0x25, '1.2'],
  RNGSeed:                   [0x26, '1.2'],
  Hash:                      [0x27, '1.2'],
  CreateSplitKey:            [0x28, '1.2'],
  JoinSplitKey:              [0x29, '1.2'],
  Import:                    [0x2a, '1.4'],
  Export:                    [0x2b, '1.4'],
  Log:                       [0x2c, '2.0'],
  Login:                     [0x2d, '2.0'],
  Logout:                    [0x2e, '2.0'],
  DelegatedLogin:            [0x2f, '2.0'],
  AdjustAttribute:           [0x30, '2.0'],
  SetAttribute:              [0x31, '2.0'],
  SetEndpointRole:           [0x32, '2.0'],
  PKCS_11:                   [0x33, '2.0'],
  Interop:                   [0x34, '2.0'],
  ReProvision:               [0x35, '2.0'],
  SetDefaults:               [0x36, '2.1'],
  SetConstraints:            [0x37, '2.1'],
  GetConstraints:            [0x38, '2.1'],
  QueryAsynchronousRequests: [0x39, '2.1'],
  Process:                   [0x3a, '2.1'],
  Ping:                      [0x3b, '2.1'],
})
export type Operation = (typeof Operation)[keyof typeof Operation]

// biome-ignore format: a table
export const ResultStatus = enumTable('Result Status', {
  Success:          [0x00, '1.0'],
  OperationFailed:  [0x01, '1.0'],
  OperationPending: [0x02, '1.0'],
  OperationUndone:  [0x03, '1.0'],
})
export type ResultStatus = (typeof ResultStatus)[keyof typeof ResultStatus]

// biome-ignore format: a table
export const BatchErrorContinuationOption = enumTable('Batch Error Continuation Option', {
  Continue: [0x01, '1.0'],
  Stop:     [0x02, '1.0'],
  Undo:     [0x03, '1.0'],
})
export type BatchErrorContinuationOption =
  (typeof BatchErrorContinuationOption)[keyof typeof BatchErrorContinuationOption]

// biome-ignore format: a table
export const AsynchronousIndicator = enumTable('Asynchronous Indicator', {
  Mandatory:  [0x01, '2.0'],
  Optional:   [0x02, '2.0'],
  Prohibited: [0x03, '2.0'],
})
export type AsynchronousIndicator =
  (typeof AsynchronousIndicator)[keyof typeof AsynchronousIndicator]

// biome-ignore format: a table
export const CancellationResult = enumTable('Cancellation Result', {
  Canceled:       [0x01, '1.0'],
  UnableToCancel: [0x02, '1.0'],
  Completed:      [0x03, '1.0'],
  Failed:         [0x04, '1.0'],
  Unavailable:    [0x05, '1.0'],
})
export type CancellationResult = (typeof CancellationResult)[keyof typeof CancellationResult]

// biome-ignore format: a table
export const ProcessingStage = enumTable('Processing Stage', {
  Submitted: [0x01, '2.1'],
  InProcess: [0x02, '2.1'],
  Completed: [0x03, '2.1'],
})
export type ProcessingStage = (typeof ProcessingStage)[keyof typeof ProcessingStage]

// biome-ignore format: a table
export const PutFunction = enumTable('Put Function', {
  New:     [0x01, '1.0'],
  Replace: [0x02, '1.0'],
})
export type PutFunction = (typeof PutFunction)[keyof typeof PutFunction]

// biome-ignore format: a table
export const CredentialType = enumTable('Credential Type', {
  UsernameAndPassword: [0x01, '1.0'],
  Device:              [0x02, '1.1'],
  Attestation:         [0x03, '1.2'],
  OneTimePassword:     [0x04, '2.0'],
  HashedPassword:      [0x05, '2.0'],
  Ticket:              [0x06, '2.0'],
})
export type CredentialType = (typeof CredentialType)[keyof typeof CredentialType]

// biome-ignore format: a table
export const AttestationType = enumTable('Attestation Type', {
  TPMQuote:           [0x01, '1.2'],
  TCGIntegrityReport: [0x02, '1.2'],
  SAMLAssertion:      [0x03, '1.2'],
})
export type AttestationType = (typeof AttestationType)[keyof typeof AttestationType]

// biome-ignore format: a table
export const TicketType = enumTable('Ticket Type', {
  Login: [0x01, '2.0'],
})
export type TicketType = (typeof TicketType)[keyof typeof TicketType]

// biome-ignore format: a table
export const EndpointRole = enumTable('Endpoint Role', {
  Client: [0x01, '2.0'],
  Server: [0x02, '2.0'],
})
export type EndpointRole = (typeof EndpointRole)[keyof typeof EndpointRole]

// biome-ignore format: a table
export const InteropFunction = enumTable('Interop Function', {
  Begin: [0x01, '2.0'],
  End:   [0x02, '2.0'],
  Reset: [0x03, '2.0'],
})
export type InteropFunction = (typeof InteropFunction)[keyof typeof InteropFunction]

// biome-ignore format: a table
export const ItemType = enumTable('Item Type', {
  Structure:        [0x01, '2.0'],
  Integer:          [0x02, '2.0'],
  LongInteger:      [0x03, '2.0'],
  BigInteger:       [0x04, '2.0'],
  Enumeration:      [0x05, '2.0'],
  Boolean:          [0x06, '2.0'],
  TextString:       [0x07, '2.0'],
  ByteString:       [0x08, '2.0'],
  DateTime:         [0x09, '2.0'],
  Interval:         [0x0a, '2.0'],
  DateTimeExtended: [0x0b, '2.0'],
})
export type ItemType = (typeof ItemType)[keyof typeof ItemType]

// biome-ignore format: a table
export const UniqueIdentifierEnumeration = enumTable('Unique Identifier', {
  IDPlaceholder:           [0x01, '2.0'],
  Certify:                 [0x02, '2.0'],
  Create:                  [0x03, '2.0'],
  CreateKeyPair:           [0x04, '2.0'],
  CreateKeyPairPrivateKey: [0x05, '2.0'],
  CreateKeyPairPublicKey:  [0x06, '2.0'],
  CreateSplitKey:          [0x07, '2.0'],
  DeriveKey:               [0x08, '2.0'],
  Import:                  [0x09, '2.0'],
  JoinSplitKey:            [0x0a, '2.0'],
  Locate:                  [0x0b, '2.0'],
  Register:                [0x0c, '2.0'],
  ReKey:                   [0x0d, '2.0'],
  ReCertify:               [0x0e, '2.0'],
  ReKeyKeyPair:            [0x0f, '2.0'],
  ReKeyKeyPairPrivateKey:  [0x10, '2.0'],
  ReKeyKeyPairPublicKey:   [0x11, '2.0'],
})
export type UniqueIdentifierEnumeration =
  (typeof UniqueIdentifierEnumeration)[keyof typeof UniqueIdentifierEnumeration]

// biome-ignore format: a table
export const DataEnumeration = enumTable('Data', {
  Decrypt:           [0x01, '2.0'],
  Encrypt:           [0x02, '2.0'],
  Hash:              [0x03, '2.0'],
  MACMACData:        [0x04, '2.0'],
  RNGRetrieve:       [0x05, '2.0'],
  SignSignatureData: [0x06, '2.0'],
  SignatureVerify:   [0x07, '2.0'],
})
export type DataEnumeration = (typeof DataEnumeration)[keyof typeof DataEnumeration]

// biome-ignore format: a table
export const AdjustmentType = enumTable('Adjustment Type', {
  Increment: [0x01, '2.0'],
  Decrement: [0x02, '2.0'],
  Negate:    [0x03, '2.0'],
})
export type AdjustmentType = (typeof AdjustmentType)[keyof typeof AdjustmentType]
