/**
 * Payloads of the operations that make objects.
 *
 * KMIP 1.4 §4.1 to §4.8, §4.38 to §4.40; KMIP 2.1 §6.1.6 to §6.1.15 and others by name.
 *
 * @module
 */
import {
  boolean,
  bytes,
  enumeration,
  int32,
  interval,
  many,
  one,
  optional,
  struct,
  versioned,
} from '#wire/ttlv/coder.ts'
import { Attribute, type AttributeList, Attributes } from '../attribute-list.ts'
import * as E from '../enumerations.ts'
import { CertificateRequest } from '../objects.ts'
import { DerivationParameters, identifier, ProtectionStorageMasks } from '../structures.ts'
import { Tag } from '../tags.ts'
import {
  anObject,
  attributes,
  commonAttributes,
  implicitAttributes,
  objectType,
  optionalAttributes,
  privateKeyAttributes,
  protectionStorageMasks,
  publicKeyAttributes,
  theUniqueIdentifier,
  uniqueIdentifier,
} from './fields.ts'

const made = { uniqueIdentifier: theUniqueIdentifier, attributes: implicitAttributes }

export const CreateRequest = struct('Create request', {
  objectType,
  attributes,
  protectionStorageMasks,
})
export const CreateResponse = struct('Create response', { objectType, ...made })

const pairStorage = {
  commonProtectionStorageMasks: optional(Tag.CommonProtectionStorageMasks, ProtectionStorageMasks, {
    since: '2.0',
  }),
  privateProtectionStorageMasks: optional(
    Tag.PrivateProtectionStorageMasks,
    ProtectionStorageMasks,
    { since: '2.0' },
  ),
  publicProtectionStorageMasks: optional(Tag.PublicProtectionStorageMasks, ProtectionStorageMasks, {
    since: '2.0',
  }),
}

const madePair = {
  privateKeyUniqueIdentifier: one(Tag.PrivateKeyUniqueIdentifier, identifier),
  publicKeyUniqueIdentifier: one(Tag.PublicKeyUniqueIdentifier, identifier),
  privateKeyAttributes,
  publicKeyAttributes,
}

export const CreateKeyPairRequest = struct('Create Key Pair request', {
  commonAttributes,
  privateKeyAttributes,
  publicKeyAttributes,
  ...pairStorage,
})
export const CreateKeyPairResponse = struct('Create Key Pair response', madePair)

export const RegisterRequest = struct('Register request', {
  objectType,
  attributes,
  object: anObject,
  protectionStorageMasks,
})
export const RegisterResponse = struct('Register response', made)

const offset = optional(Tag.Offset, interval)

export const ReKeyRequest = struct('Re-key request', {
  uniqueIdentifier,
  offset,
  attributes: optionalAttributes,
  protectionStorageMasks,
})
export const ReKeyResponse = struct('Re-key response', made)

export const ReKeyKeyPairRequest = struct('Re-key Key Pair request', {
  privateKeyUniqueIdentifier: optional(Tag.PrivateKeyUniqueIdentifier, identifier),
  offset,
  commonAttributes,
  privateKeyAttributes,
  publicKeyAttributes,
  ...pairStorage,
})
export const ReKeyKeyPairResponse = struct('Re-key Key Pair response', madePair)

export const DeriveKeyRequest = struct('Derive Key request', {
  objectType,
  uniqueIdentifier: many(Tag.UniqueIdentifier, identifier),
  derivationMethod: one(Tag.DerivationMethod, enumeration(E.DerivationMethod)),
  derivationParameters: one(Tag.DerivationParameters, DerivationParameters),
  attributes,
})
export const DeriveKeyResponse = struct('Derive Key response', made)

const requestType = optional(Tag.CertificateRequestType, enumeration(E.CertificateRequestType))
/** The bytes of the request moved to a tag of their own in 2.0. */
const requestValue = versioned(
  optional(Tag.CertificateRequest, bytes, { until: '1.4' }),
  optional(Tag.CertificateRequestValue, bytes, { since: '2.0' }),
)

export const CertifyRequest = struct('Certify request', {
  uniqueIdentifier,
  certificateRequestType: requestType,
  certificateRequestValue: requestValue,
  attributes: optionalAttributes,
  protectionStorageMasks,
})
export const CertifyResponse = struct('Certify response', made)

export const ReCertifyRequest = struct('Re-certify request', {
  uniqueIdentifier,
  certificateRequestUniqueIdentifier: optional(Tag.CertificateRequestUniqueIdentifier, identifier, {
    since: '2.0',
  }),
  certificateRequestType: requestType,
  certificateRequestValue: requestValue,
  offset,
  attributes: optionalAttributes,
  protectionStorageMasks,
})
export const ReCertifyResponse = struct('Re-certify response', made)

export const CreateSplitKeyRequest = struct('Create Split Key request', {
  objectType,
  uniqueIdentifier,
  splitKeyParts: one(Tag.SplitKeyParts, int32),
  splitKeyThreshold: one(Tag.SplitKeyThreshold, int32),
  splitKeyMethod: one(Tag.SplitKeyMethod, enumeration(E.SplitKeyMethod)),
  primeFieldSize: optional(Tag.PrimeFieldSize, bytes),
  attributes,
  protectionStorageMasks,
})
export const CreateSplitKeyResponse = struct('Create Split Key response', {
  objectType: optional(Tag.ObjectType, enumeration(E.ObjectType), { until: '1.2' }),
  uniqueIdentifier: many(Tag.UniqueIdentifier, identifier),
  attributes: implicitAttributes,
})

export const JoinSplitKeyRequest = struct('Join Split Key request', {
  objectType,
  uniqueIdentifier: many(Tag.UniqueIdentifier, identifier),
  secretDataType: optional(Tag.SecretDataType, enumeration(E.SecretDataType)),
  attributes: optionalAttributes,
  protectionStorageMasks,
})
export const JoinSplitKeyResponse = struct('Join Split Key response', {
  objectType: optional(Tag.ObjectType, enumeration(E.ObjectType), { until: '1.2' }),
  ...made,
})

/** Import of 1.4 lists Attribute structures without a Template-Attribute around them. */
export const ImportRequest = struct('Import request', {
  uniqueIdentifier: theUniqueIdentifier,
  objectType: optional(Tag.ObjectType, enumeration(E.ObjectType)),
  replaceExisting: optional(Tag.ReplaceExisting, boolean),
  keyWrapType: optional(Tag.KeyWrapType, enumeration(E.KeyWrapType)),
  attribute: many(Tag.Attribute, Attribute, { until: '1.4' }),
  attributes: optional<AttributeList>(Tag.Attributes, Attributes, { since: '2.0' }),
  object: anObject,
})
export const ImportResponse = struct('Import response', { uniqueIdentifier: theUniqueIdentifier })

export const ReProvisionRequest = struct('Re-Provision request', {
  certificateRequest: optional(Tag.CertificateRequest, CertificateRequest),
  certificateValue: optional(Tag.CertificateValue, bytes),
})
export const ReProvisionResponse = struct('Re-Provision response', { uniqueIdentifier })
