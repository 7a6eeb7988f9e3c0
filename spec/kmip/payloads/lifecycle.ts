/**
 * Payloads of the operations on the life of an object.
 *
 * KMIP 1.4 §4.10, §4.17 to §4.24; KMIP 2.1 §6.1 by name.
 *
 * @module
 */
import {
  bytes,
  dateTime,
  enumeration,
  int32,
  int64,
  interval,
  many,
  one,
  optional,
  struct,
} from '#wire/ttlv/coder.ts'
import * as E from '../enumerations.ts'
import { remove } from '../extensions.ts'
import { Certificate } from '../objects.ts'
import { identifier, RevocationReason } from '../structures.ts'
import { Tag } from '../tags.ts'
import { theUniqueIdentifier, uniqueIdentifier } from './fields.ts'

/** Answers that only say which object it was. */
const named = (name: string) => struct(name, { uniqueIdentifier: theUniqueIdentifier })
const naming = (name: string) => struct(name, { uniqueIdentifier })

export const ActivateRequest = naming('Activate request')
export const ActivateResponse = named('Activate response')

export const RevokeRequest = struct('Revoke request', {
  uniqueIdentifier,
  revocationReason: one(Tag.RevocationReason, RevocationReason),
  compromiseOccurrenceDate: optional(Tag.CompromiseOccurrenceDate, dateTime),
})
export const RevokeResponse = named('Revoke response')

export const DestroyRequest = struct('Destroy request', { uniqueIdentifier, remove })
export const DestroyResponse = named('Destroy response')

export const ArchiveRequest = naming('Archive request')
export const ArchiveResponse = named('Archive response')

export const RecoverRequest = naming('Recover request')
export const RecoverResponse = named('Recover response')

const checked = {
  usageLimitsCount: optional(Tag.UsageLimitsCount, int64),
  cryptographicUsageMask: optional(Tag.CryptographicUsageMask, int32),
  leaseTime: optional(Tag.LeaseTime, interval),
}
export const CheckRequest = struct('Check request', { uniqueIdentifier, ...checked })
/** Names the object, or else holds those of the three that the server refuses. */
export const CheckResponse = struct('Check response', { uniqueIdentifier, ...checked })

export const ObtainLeaseRequest = naming('Obtain Lease request')
export const ObtainLeaseResponse = struct('Obtain Lease response', {
  uniqueIdentifier: theUniqueIdentifier,
  leaseTime: one(Tag.LeaseTime, interval),
  lastChangeDate: one(Tag.LastChangeDate, dateTime),
})

export const GetUsageAllocationRequest = struct('Get Usage Allocation request', {
  uniqueIdentifier,
  usageLimitsCount: one(Tag.UsageLimitsCount, int64),
})
export const GetUsageAllocationResponse = named('Get Usage Allocation response')

export const ValidateRequest = struct('Validate request', {
  certificate: many(Tag.Certificate, Certificate),
  uniqueIdentifier: many(Tag.UniqueIdentifier, identifier),
  validityDate: optional(Tag.ValidityDate, dateTime),
})
export const ValidateResponse = struct('Validate response', {
  validityIndicator: one(Tag.ValidityIndicator, enumeration(E.ValidityIndicator)),
})

export const PollRequest = struct('Poll request', {
  asynchronousCorrelationValue: one(Tag.AsynchronousCorrelationValue, bytes),
})
export const CancelRequest = struct('Cancel request', {
  asynchronousCorrelationValue: one(Tag.AsynchronousCorrelationValue, bytes),
})
export const CancelResponse = struct('Cancel response', {
  asynchronousCorrelationValue: one(Tag.AsynchronousCorrelationValue, bytes),
  cancellationResult: one(Tag.CancellationResult, enumeration(E.CancellationResult)),
})
export const ProcessRequest = struct('Process request', {
  asynchronousCorrelationValue: one(Tag.AsynchronousCorrelationValue, bytes),
})
