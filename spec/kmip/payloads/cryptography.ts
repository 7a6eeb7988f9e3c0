/**
 * Payloads of the cryptographic operations.
 *
 * KMIP 1.4 §4.29 to §4.37, KMIP 2.1 §6.1 by name. Data that a later part of a multi-part operation
 * leaves out is optional here; the operation says when it must be there.
 *
 * @module
 */
import { bytes, enumeration, int32, one, optional, struct } from '#wire/ttlv/coder.ts'
import { ValidityIndicator } from '../enumerations.ts'
import { CryptographicParameters, data as dataCoder } from '../structures.ts'
import { Tag } from '../tags.ts'
import {
  correlationValue,
  cryptographicParameters,
  streaming,
  theUniqueIdentifier,
  uniqueIdentifier,
} from './fields.ts'

const data = optional(Tag.Data, dataCoder)
const ivCounterNonce = optional(Tag.IVCounterNonce, bytes)
const additionalData = optional(Tag.AuthenticatedEncryptionAdditionalData, bytes, { since: '1.4' })
const tag = optional(Tag.AuthenticatedEncryptionTag, bytes, { since: '1.4' })
const digestedData = optional(Tag.DigestedData, bytes, { since: '1.4' })
const outputBytes = optional(Tag.Data, bytes)

export const EncryptRequest = struct('Encrypt request', {
  uniqueIdentifier,
  cryptographicParameters,
  data,
  ivCounterNonce,
  ...streaming,
  authenticatedEncryptionAdditionalData: additionalData,
})
export const EncryptResponse = struct('Encrypt response', {
  uniqueIdentifier: theUniqueIdentifier,
  data: outputBytes,
  ivCounterNonce,
  correlationValue,
  authenticatedEncryptionTag: tag,
})

export const DecryptRequest = struct('Decrypt request', {
  uniqueIdentifier,
  cryptographicParameters,
  data,
  ivCounterNonce,
  ...streaming,
  authenticatedEncryptionAdditionalData: additionalData,
  authenticatedEncryptionTag: tag,
})
export const DecryptResponse = struct('Decrypt response', {
  uniqueIdentifier: theUniqueIdentifier,
  data: outputBytes,
  correlationValue,
})

export const SignRequest = struct('Sign request', {
  uniqueIdentifier,
  cryptographicParameters,
  data,
  digestedData,
  ...streaming,
})
export const SignResponse = struct('Sign response', {
  uniqueIdentifier: theUniqueIdentifier,
  signatureData: optional(Tag.SignatureData, bytes),
  correlationValue,
})

export const SignatureVerifyRequest = struct('Signature Verify request', {
  uniqueIdentifier,
  cryptographicParameters,
  data,
  digestedData,
  signatureData: optional(Tag.SignatureData, dataCoder),
  ...streaming,
})
export const SignatureVerifyResponse = struct('Signature Verify response', {
  uniqueIdentifier: theUniqueIdentifier,
  validityIndicator: optional(Tag.ValidityIndicator, enumeration(ValidityIndicator)),
  data: outputBytes,
  correlationValue,
})

export const MACRequest = struct('MAC request', {
  uniqueIdentifier,
  cryptographicParameters,
  data,
  ...streaming,
})
export const MACResponse = struct('MAC response', {
  uniqueIdentifier: theUniqueIdentifier,
  macData: optional(Tag.MACData, bytes),
  correlationValue,
})

export const MACVerifyRequest = struct('MAC Verify request', {
  uniqueIdentifier,
  cryptographicParameters,
  data,
  macData: optional(Tag.MACData, dataCoder),
  ...streaming,
})
export const MACVerifyResponse = struct('MAC Verify response', {
  uniqueIdentifier: theUniqueIdentifier,
  validityIndicator: optional(Tag.ValidityIndicator, enumeration(ValidityIndicator)),
  correlationValue,
})

export const HashRequest = struct('Hash request', {
  cryptographicParameters: one(Tag.CryptographicParameters, CryptographicParameters),
  data,
  ...streaming,
})
export const HashResponse = struct('Hash response', { data: outputBytes, correlationValue })

export const RNGRetrieveRequest = struct('RNG Retrieve request', {
  dataLength: one(Tag.DataLength, int32),
})
export const RNGRetrieveResponse = struct('RNG Retrieve response', { data: one(Tag.Data, bytes) })

export const RNGSeedRequest = struct('RNG Seed request', { data: one(Tag.Data, dataCoder) })
export const RNGSeedResponse = struct('RNG Seed response', {
  dataLength: one(Tag.DataLength, int32),
})
