/**
 * Request and response messages: headers and batch items.
 *
 * KMIP 1.4 §6 and §7, KMIP 2.1 §8 and §9. Payloads stay items here: the table of operations
 * (`operations.ts`) says how each is read, so that a payload that cannot be read fails its own item
 * only.
 *
 * @module
 */

import { WireError } from '#wire/errors.ts'
import {
  anyItem,
  boolean,
  bytes,
  type Coder,
  dateTime,
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
import { type Item, ItemType } from '#wire/ttlv/item.ts'
import type { ProtocolVersion as Protocol } from '#wire/ttlv/version.ts'
import * as E from './enumerations.ts'
import { ProtocolVersion } from './payloads/server.ts'
import { Tag } from './tags.ts'

const SINCE_12 = { since: '1.2' } as const
const SINCE_14 = { since: '1.4' } as const
const SINCE_20 = { since: '2.0' } as const

export const Nonce = struct('Nonce', {
  nonceID: one(Tag.NonceID, bytes),
  nonceValue: one(Tag.NonceValue, bytes),
})

const plainType = enumeration(E.CredentialType)

/** An Enumeration; one client (FortiOS) writes it as an Integer. */
const credentialType: Coder<E.CredentialType> = {
  ...plainType,
  decode(item, context) {
    const { tag, type, value } = item
    if (type !== ItemType.Integer) return plainType.decode(item, context)
    return plainType.decode({ tag, type: ItemType.Enumeration, value }, context)
  },
}

/** KMIP 1.4 §2.1.2, KMIP 2.1 §8.5. Nobody reads the values: the TLS certificate says who asks. */
export const Credential = struct('Credential', {
  credentialType: one(Tag.CredentialType, credentialType),
  credentialValue: one(Tag.CredentialValue, anyItem),
})
export type Credential = Infer<typeof Credential>

export const Authentication = struct('Authentication', {
  credential: many(Tag.Credential, Credential),
})

/** A Boolean in 1.x, an enumeration from 2.0 on. */
const asynchronousIndicator = versioned(
  optional(Tag.AsynchronousIndicator, anyItem, { until: '1.4' }),
  optional(Tag.AsynchronousIndicator, anyItem, SINCE_20),
)

export const RequestHeader = struct('Request Header', {
  protocolVersion: one(Tag.ProtocolVersion, ProtocolVersion),
  maximumResponseSize: optional(Tag.MaximumResponseSize, int32),
  clientCorrelationValue: optional(Tag.ClientCorrelationValue, text, SINCE_14),
  serverCorrelationValue: optional(Tag.ServerCorrelationValue, text, SINCE_14),
  asynchronousIndicator,
  attestationCapableIndicator: optional(Tag.AttestationCapableIndicator, boolean, SINCE_12),
  attestationType: many(Tag.AttestationType, enumeration(E.AttestationType), SINCE_12),
  authentication: optional(Tag.Authentication, Authentication),
  batchErrorContinuationOption: optional(
    Tag.BatchErrorContinuationOption,
    enumeration(E.BatchErrorContinuationOption),
  ),
  batchOrderOption: optional(Tag.BatchOrderOption, boolean),
  timeStamp: optional(Tag.TimeStamp, dateTime),
  batchCount: one(Tag.BatchCount, int32),
})
export type RequestHeader = Infer<typeof RequestHeader>

export const ResponseHeader = struct('Response Header', {
  protocolVersion: one(Tag.ProtocolVersion, ProtocolVersion),
  timeStamp: one(Tag.TimeStamp, dateTime),
  nonce: optional(Tag.Nonce, Nonce, SINCE_12),
  serverHashedPassword: optional(Tag.ServerHashedPassword, bytes, SINCE_20),
  attestationType: many(Tag.AttestationType, enumeration(E.AttestationType), SINCE_12),
  clientCorrelationValue: optional(Tag.ClientCorrelationValue, text, SINCE_14),
  serverCorrelationValue: optional(Tag.ServerCorrelationValue, text, SINCE_14),
  batchCount: one(Tag.BatchCount, int32),
})
export type ResponseHeader = Infer<typeof ResponseHeader>

export const MessageExtension = struct('Message Extension', {
  vendorIdentification: one(Tag.VendorIdentification, text),
  criticalityIndicator: one(Tag.CriticalityIndicator, boolean),
  vendorExtension: one(Tag.VendorExtension, anyItem),
})

export const RequestBatchItem = struct('request Batch Item', {
  operation: one(Tag.Operation, enumeration(E.Operation)),
  ephemeral: optional(Tag.Ephemeral, boolean, SINCE_20),
  uniqueBatchItemID: optional(Tag.UniqueBatchItemID, bytes),
  requestPayload: optional(Tag.RequestPayload, anyItem),
  messageExtension: many(Tag.MessageExtension, MessageExtension),
})
export type RequestBatchItem = Infer<typeof RequestBatchItem>

export const ResponseBatchItem = struct('response Batch Item', {
  operation: optional(Tag.Operation, enumeration(E.Operation)),
  uniqueBatchItemID: optional(Tag.UniqueBatchItemID, bytes),
  resultStatus: one(Tag.ResultStatus, enumeration(E.ResultStatus)),
  resultReason: optional(Tag.ResultReason, enumeration(E.ResultReason)),
  resultMessage: optional(Tag.ResultMessage, text),
  asynchronousCorrelationValue: optional(Tag.AsynchronousCorrelationValue, bytes),
  responsePayload: optional(Tag.ResponsePayload, anyItem),
  messageExtension: many(Tag.MessageExtension, MessageExtension),
})
export type ResponseBatchItem = Infer<typeof ResponseBatchItem>

/**
 * Items of a batch are read one by one, so that one that cannot be read leaves the others alone.
 */
export const RequestMessage = struct('Request Message', {
  requestHeader: one(Tag.RequestHeader, RequestHeader),
  batchItem: many(Tag.BatchItem, anyItem),
})

export const ResponseMessage = struct('Response Message', {
  responseHeader: one(Tag.ResponseHeader, ResponseHeader),
  batchItem: many(Tag.BatchItem, ResponseBatchItem),
})
export type ResponseMessage = Infer<typeof ResponseMessage>

/**
 * The protocol version a message claims, before anything else of it is read.
 *
 * @throws `WireError` `invalidMessage` when the message has none.
 */
export function protocolVersionOfMessage(message: Item): Protocol {
  const header = members(message)[0]
  const version = header && members(header).find((item) => item.tag === Tag.ProtocolVersion)
  if (version === undefined) {
    throw new WireError('invalidMessage', 'Cannot read message: it has no Protocol Version')
  }
  return ProtocolVersion.decode(version, { version: 21, misplaced: 'ignore' })
}

function members(item: Item): readonly Item[] {
  return item.type === ItemType.Structure ? item.value : []
}
