/**
 * Payloads of the operations that concern the server, the client's session, or both ends at once.
 *
 * KMIP 1.4 §4.25, §4.26 and §5; KMIP 2.1 §6.1 and §6.2 by name.
 *
 * @module
 */
import {
  anyItem,
  bytes,
  type Coder,
  choice,
  dateTimeExtended,
  enumeration,
  type Infer,
  int32,
  many,
  one,
  optional,
  struct,
  text,
  versioned,
} from '#wire/ttlv/coder.ts'
import { Attributes } from '../attribute-list.ts'
import * as E from '../enumerations.ts'
import {
  CapabilityInformation,
  ExtensionInformation,
  identifier,
  lease,
  ProfileInformation,
  ProtectionStorageMasks,
  RNGParameters,
  ServerInformation,
  Ticket,
  UsageLimits,
  ValidationInformation,
} from '../structures.ts'
import { Tag } from '../tags.ts'
import { correlationValue } from './fields.ts'

const SINCE_2 = { since: '2.0' } as const

export const ProtocolVersion = struct('Protocol Version', {
  major: one(Tag.ProtocolVersionMajor, int32),
  minor: one(Tag.ProtocolVersionMinor, int32),
})

export const DiscoverVersionsRequest = struct('Discover Versions request', {
  protocolVersion: many(Tag.ProtocolVersion, ProtocolVersion),
})
export const DiscoverVersionsResponse = struct('Discover Versions response', {
  protocolVersion: many(Tag.ProtocolVersion, ProtocolVersion),
})

const ObjectTypes = struct('Object Types', {
  objectType: many(Tag.ObjectType, enumeration(E.ObjectType)),
})

/** Object Defaults name one object type or several; KMIP 2.1 §7.23. */
const ObjectDefaults = struct('Object Defaults', {
  objectType: optional(Tag.ObjectType, enumeration(E.ObjectType)),
  objectTypes: optional(Tag.ObjectTypes, ObjectTypes, { since: '2.1' }),
  objectGroups: optional(Tag.ObjectGroups, anyItem, { since: '2.1' }),
  attributes: one(Tag.Attributes, Attributes),
})
const DefaultsInformation = struct('Defaults Information', {
  objectDefaults: many(Tag.ObjectDefaults, ObjectDefaults),
})

export const QueryRequest = struct('Query request', {
  queryFunction: many(Tag.QueryFunction, enumeration(E.QueryFunction)),
  objectGroups: optional(Tag.ObjectGroups, anyItem, { since: '2.1' }),
})

/**
 * In 1.x the content of Server Information is not defined: it is written empty and read as it is.
 */
const serverInformation = versioned(
  optional(Tag.ServerInformation, anyServerInformation(), { until: '1.4' }),
  optional(Tag.ServerInformation, ServerInformation, SINCE_2),
)

function anyServerInformation(): Coder<Infer<typeof ServerInformation>> {
  return {
    encode: (tag) => ({ tag, type: 1, value: [] }),
    decode: (item, context) => ServerInformation.decode(item, { ...context, misplaced: 'ignore' }),
  }
}

export const QueryResponse = struct('Query response', {
  operation: many(Tag.Operation, enumeration(E.Operation)),
  objectType: many(Tag.ObjectType, enumeration(E.ObjectType)),
  vendorIdentification: optional(Tag.VendorIdentification, text),
  serverInformation,
  applicationNamespace: many(Tag.ApplicationNamespace, text),
  extensionInformation: many(Tag.ExtensionInformation, ExtensionInformation, { since: '1.1' }),
  attestationType: many(Tag.AttestationType, enumeration(E.AttestationType), { since: '1.2' }),
  rngParameters: many(Tag.RNGParameters, RNGParameters, { since: '1.3' }),
  profileInformation: many(Tag.ProfileInformation, ProfileInformation, { since: '1.3' }),
  validationInformation: many(Tag.ValidationInformation, ValidationInformation, { since: '1.3' }),
  capabilityInformation: many(Tag.CapabilityInformation, CapabilityInformation, { since: '1.3' }),
  clientRegistrationMethod: many(
    Tag.ClientRegistrationMethod,
    enumeration(E.ClientRegistrationMethod),
    { since: '1.3' },
  ),
  defaultsInformation: optional(Tag.DefaultsInformation, DefaultsInformation, SINCE_2),
  protectionStorageMasks: many(Tag.ProtectionStorageMasks, ProtectionStorageMasks, SINCE_2),
})

const Empty = (name: string) => struct(name, {})

export const EmptyResponse = Empty('empty response')

export const LogRequest = struct('Log request', { logMessage: one(Tag.LogMessage, text) })

const ticketTerms = {
  leaseTime: optional(Tag.LeaseTime, lease),
  requestCount: optional(Tag.RequestCount, int32),
  usageLimits: optional(Tag.UsageLimits, UsageLimits),
}
export const LoginRequest = struct('Login request', ticketTerms)
export const LoginResponse = struct('Login response', { ticket: one(Tag.Ticket, Ticket) })
export const LogoutRequest = struct('Logout request', { ticket: one(Tag.Ticket, Ticket) })

const Operations = struct('Operations', {
  operation: many(Tag.Operation, enumeration(E.Operation)),
})
const Objects = struct('Objects', { uniqueIdentifier: many(Tag.UniqueIdentifier, identifier) })
const ObjectGroups = struct('Object Groups', { objectGroup: many(Tag.ObjectGroup, text) })
const Right = struct('Right', {
  usageLimits: optional(Tag.UsageLimits, UsageLimits),
  operations: optional(Tag.Operations, Operations),
  objects: optional(Tag.Objects, Objects),
  objectGroups: optional(Tag.ObjectGroups, ObjectGroups),
})
const Rights = struct('Rights', { right: many(Tag.Right, Right) })
export const DelegatedLoginRequest = struct('Delegated Login request', {
  ...ticketTerms,
  rights: one(Tag.Rights, Rights),
})

export const SetEndpointRoleRequest = struct('Set Endpoint Role request', {
  endpointRole: one(Tag.EndpointRole, enumeration(E.EndpointRole)),
})
export const SetEndpointRoleResponse = struct('Set Endpoint Role response', {
  endpointRole: one(Tag.EndpointRole, enumeration(E.EndpointRole)),
})

/** A number of the function list as an enumeration, or a vendor's function as an integer. */
const pkcs11Function = choice('one', { [Tag.PKCS_11Function]: anyItem })

export const PKCS11Request = struct('PKCS#11 request', {
  pkcs11Interface: optional(Tag.PKCS_11Interface, text),
  pkcs11Function,
  correlationValue,
  pkcs11InputParameters: optional(Tag.PKCS_11InputParameters, bytes),
})
export const PKCS11Response = struct('PKCS#11 response', {
  pkcs11Interface: optional(Tag.PKCS_11Interface, text),
  pkcs11Function,
  correlationValue,
  pkcs11OutputParameters: optional(Tag.PKCS_11OutputParameters, bytes),
  pkcs11ReturnCode: choice('one', { [Tag.PKCS_11ReturnCode]: anyItem }),
})

export const InteropRequest = struct('Interop request', {
  interopFunction: one(Tag.InteropFunction, enumeration(E.InteropFunction)),
  interopIdentifier: optional(Tag.InteropIdentifier, text),
})

export const SetDefaultsRequest = struct('Set Defaults request', {
  defaultsInformation: optional(Tag.DefaultsInformation, DefaultsInformation),
})

const Constraint = struct('Constraint', {
  objectTypes: optional(Tag.ObjectTypes, ObjectTypes),
  objectGroups: optional(Tag.ObjectGroups, ObjectGroups),
  attributes: optional(Tag.Attributes, Attributes),
})
const Constraints = struct('Constraints', { constraint: many(Tag.Constraint, Constraint) })
export const SetConstraintsRequest = struct('Set Constraints request', {
  constraints: one(Tag.Constraints, Constraints),
})
export const GetConstraintsRequest = Empty('Get Constraints request')
export const GetConstraintsResponse = struct('Get Constraints response', {
  constraints: one(Tag.Constraints, Constraints),
})

const AsynchronousCorrelationValues = struct('Asynchronous Correlation Values', {
  asynchronousCorrelationValue: many(Tag.AsynchronousCorrelationValue, bytes),
})
const AsynchronousRequest = struct('Asynchronous Request', {
  asynchronousCorrelationValue: one(Tag.AsynchronousCorrelationValue, bytes),
  operation: one(Tag.Operation, enumeration(E.Operation)),
  submissionDate: one(Tag.SubmissionDate, dateTimeExtended),
  processingStage: one(Tag.ProcessingStage, enumeration(E.ProcessingStage)),
})
export const QueryAsynchronousRequestsRequest = struct('Query Asynchronous Requests request', {
  asynchronousCorrelationValues: optional(
    Tag.AsynchronousCorrelationValues,
    AsynchronousCorrelationValues,
  ),
  operations: optional(Tag.Operations, Operations),
})
export const QueryAsynchronousRequestsResponse = struct('Query Asynchronous Requests response', {
  asynchronousRequest: many(Tag.AsynchronousRequest, AsynchronousRequest),
})

export const PingRequest = Empty('Ping request')
