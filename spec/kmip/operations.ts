/**
 * The operations of KMIP: one row each with its payloads.
 *
 * KMIP 1.4 §4 and §5, KMIP 2.1 §6. The order and the numbers are those of the enumeration
 * Operation; the version in which an operation appears is its row there.
 *
 * @module
 */
import type { Coder, Infer, StructCoder } from '#wire/ttlv/coder.ts'
import type { Version } from '#wire/ttlv/version.ts'
import { Operation } from './enumerations.ts'
import { EXTENSIONS, ExtensionOperation } from './extensions.ts'
import * as create from './payloads/create.ts'
import * as cryptography from './payloads/cryptography.ts'
import * as lifecycle from './payloads/lifecycle.ts'
import * as retrieve from './payloads/retrieve.ts'
import * as server from './payloads/server.ts'
import { knows, nameOf } from './table.ts'

interface OperationRow {
  readonly request: StructCoder<unknown>
  readonly response: StructCoder<unknown>
}

const { EmptyResponse } = server

// biome-ignore format: a table
export const OPERATIONS = {
  Create:                   { request: create.CreateRequest,             response: create.CreateResponse },
  CreateKeyPair:            { request: create.CreateKeyPairRequest,      response: create.CreateKeyPairResponse },
  Register:                 { request: create.RegisterRequest,           response: create.RegisterResponse },
  ReKey:                    { request: create.ReKeyRequest,              response: create.ReKeyResponse },
  DeriveKey:                { request: create.DeriveKeyRequest,          response: create.DeriveKeyResponse },
  Certify:                  { request: create.CertifyRequest,            response: create.CertifyResponse },
  ReCertify:                { request: create.ReCertifyRequest,          response: create.ReCertifyResponse },
  Locate:                   { request: retrieve.LocateRequest,           response: retrieve.LocateResponse },
  Check:                    { request: lifecycle.CheckRequest,           response: lifecycle.CheckResponse },
  Get:                      { request: retrieve.GetRequest,              response: retrieve.GetResponse },
  GetAttributes:            { request: retrieve.GetAttributesRequest,    response: retrieve.GetAttributesResponse },
  GetAttributeList:         { request: retrieve.GetAttributeListRequest, response: retrieve.GetAttributeListResponse },
  AddAttribute:             { request: retrieve.AddAttributeRequest,     response: retrieve.AddAttributeResponse },
  ModifyAttribute:          { request: retrieve.ModifyAttributeRequest,  response: retrieve.ModifyAttributeResponse },
  DeleteAttribute:          { request: retrieve.DeleteAttributeRequest,  response: retrieve.DeleteAttributeResponse },
  ObtainLease:              { request: lifecycle.ObtainLeaseRequest,     response: lifecycle.ObtainLeaseResponse },
  GetUsageAllocation:       { request: lifecycle.GetUsageAllocationRequest, response: lifecycle.GetUsageAllocationResponse },
  Activate:                 { request: lifecycle.ActivateRequest,        response: lifecycle.ActivateResponse },
  Revoke:                   { request: lifecycle.RevokeRequest,          response: lifecycle.RevokeResponse },
  Destroy:                  { request: lifecycle.DestroyRequest,         response: lifecycle.DestroyResponse },
  Archive:                  { request: lifecycle.ArchiveRequest,         response: lifecycle.ArchiveResponse },
  Recover:                  { request: lifecycle.RecoverRequest,         response: lifecycle.RecoverResponse },
  Validate:                 { request: lifecycle.ValidateRequest,        response: lifecycle.ValidateResponse },
  Query:                    { request: server.QueryRequest,              response: server.QueryResponse },
  Cancel:                   { request: lifecycle.CancelRequest,          response: lifecycle.CancelResponse },
  // Poll answers with the payload of the operation that it polls for.
  Poll:                     { request: lifecycle.PollRequest,            response: EmptyResponse },
  Notify:                   { request: retrieve.NotifyRequest,           response: EmptyResponse },
  Put:                      { request: retrieve.PutRequest,              response: EmptyResponse },
  ReKeyKeyPair:             { request: create.ReKeyKeyPairRequest,       response: create.ReKeyKeyPairResponse },
  DiscoverVersions:         { request: server.DiscoverVersionsRequest,   response: server.DiscoverVersionsResponse },
  Encrypt:                  { request: cryptography.EncryptRequest,      response: cryptography.EncryptResponse },
  Decrypt:                  { request: cryptography.DecryptRequest,      response: cryptography.DecryptResponse },
  Sign:                     { request: cryptography.SignRequest,         response: cryptography.SignResponse },
  SignatureVerify:          { request: cryptography.SignatureVerifyRequest, response: cryptography.SignatureVerifyResponse },
  MAC:                      { request: cryptography.MACRequest,          response: cryptography.MACResponse },
  MACVerify:                { request: cryptography.MACVerifyRequest,    response: cryptography.MACVerifyResponse },
  RNGRetrieve:              { request: cryptography.RNGRetrieveRequest,  response: cryptography.RNGRetrieveResponse },
  RNGSeed:                  { request: cryptography.RNGSeedRequest,      response: cryptography.RNGSeedResponse },
  Hash:                     { request: cryptography.HashRequest,         response: cryptography.HashResponse },
  CreateSplitKey:           { request: create.CreateSplitKeyRequest,     response: create.CreateSplitKeyResponse },
  JoinSplitKey:             { request: create.JoinSplitKeyRequest,       response: create.JoinSplitKeyResponse },
  Import:                   { request: create.ImportRequest,             response: create.ImportResponse },
  Export:                   { request: retrieve.ExportRequest,           response: retrieve.ExportResponse },
  Log:                      { request: server.LogRequest,                response: EmptyResponse },
  Login:                    { request: server.LoginRequest,              response: server.LoginResponse },
  Logout:                   { request: server.LogoutRequest,             response: EmptyResponse },
  DelegatedLogin:           { request: server.DelegatedLoginRequest,     response: server.LoginResponse },
  AdjustAttribute:          { request: retrieve.AdjustAttributeRequest,  response: retrieve.AdjustAttributeResponse },
  SetAttribute:             { request: retrieve.SetAttributeRequest,     response: retrieve.SetAttributeResponse },
  SetEndpointRole:          { request: server.SetEndpointRoleRequest,    response: server.SetEndpointRoleResponse },
  PKCS_11:                  { request: server.PKCS11Request,             response: server.PKCS11Response },
  Interop:                  { request: server.InteropRequest,            response: EmptyResponse },
  ReProvision:              { request: create.ReProvisionRequest,        response: create.ReProvisionResponse },
  SetDefaults:              { request: server.SetDefaultsRequest,        response: EmptyResponse },
  SetConstraints:           { request: server.SetConstraintsRequest,     response: EmptyResponse },
  GetConstraints:           { request: server.GetConstraintsRequest,     response: server.GetConstraintsResponse },
  QueryAsynchronousRequests: { request: server.QueryAsynchronousRequestsRequest, response: server.QueryAsynchronousRequestsResponse },
  Process:                  { request: lifecycle.ProcessRequest,         response: EmptyResponse },
  Ping:                     { request: server.PingRequest,               response: EmptyResponse },
} as const satisfies Record<keyof typeof Operation, OperationRow>
const ALL = { ...OPERATIONS, ...EXTENSIONS }
/** Also those that are ours. */
export type OperationName = keyof typeof ALL

/** Payload types of an operation. */
export type RequestOf<N extends OperationName> = Infer<(typeof ALL)[N]['request']>
export type ResponseOf<N extends OperationName> = Infer<(typeof ALL)[N]['response']>

const NUMBERS = { ...Operation, ...ExtensionOperation }
const NAMES = new Map<number, OperationName>(
  Object.entries(NUMBERS).map(([name, value]) => [value, name as OperationName]),
)

export function operationNumber(name: OperationName): Operation {
  return NUMBERS[name] as Operation
}

/** Whether a version has the operation with this number; ours are in all. */
export function hasOperation(operation: number, version: Version): boolean {
  return operation >= EXTENSION_MIN || knows(Operation, operation, version)
}

const EXTENSION_MIN = 0x80_00_00_00

/** Name of the operation with this number; undefined where nobody knows it. */
export function operationName(operation: number): OperationName | undefined {
  return NAMES.get(operation)
}

/** How messages to people call an operation. */
export function operationLabel(operation: number): string {
  const name = operationName(operation) ?? nameOf(Operation, operation)
  return name.replace(/(?<=[a-z])(?=[A-Z])/g, ' ')
}

/** The payload coders of an operation, their types set aside. */
export function payloadCoders(name: OperationName): {
  readonly request: Coder<unknown>
  readonly response: Coder<unknown>
} {
  return ALL[name] as OperationRow
}
