/**
 * Structures that several messages and attributes share.
 *
 * KMIP 1.4 §2.1 (base objects) and §3 (attributes), KMIP 2.1 §4 (attributes) and §7 (structures).
 * Fields stand in the order of the standard, with the version in which they appear or end.
 *
 * @module
 */

import { WireError } from '#wire/errors.ts'
import {
  anyItem,
  bigInteger,
  boolean,
  bytes,
  type Coder,
  dateTime,
  enumeration,
  type Infer,
  int32,
  int64,
  interval,
  many,
  one,
  optional,
  struct,
  text,
} from '#wire/ttlv/coder.ts'
import { type Item, ItemType } from '#wire/ttlv/item.ts'
import * as E from './enumerations.ts'
import { Tag } from './tags.ts'

/**
 * An identifier: text, or (KMIP 2.0 on) a reference to what an operation of the same batch made.
 *
 * KMIP 2.1 §4.74 and §11.60: an enumeration names the operation, an integer the n-th identifier.
 */
export type Identifier = string | { readonly from: number } | { readonly index: number }

export const identifier: Coder<Identifier> = {
  encode(tag, value) {
    if (typeof value === 'string') return { tag, type: ItemType.TextString, value }
    if ('from' in value) return { tag, type: ItemType.Enumeration, value: value.from }
    return { tag, type: ItemType.Integer, value: value.index }
  },
  decode(item, context) {
    if (item.type === ItemType.Enumeration) return { from: item.value }
    if (item.type === ItemType.Integer) return { index: item.value }
    return text.decode(item, context)
  },
}

/** Data that (KMIP 2.0 on) may also be the output of an earlier operation of the batch, §11.14. */
export type DataOrReference = Uint8Array | { readonly from: number } | { readonly index: number }

export const data: Coder<DataOrReference> = {
  encode(tag, value) {
    if (value instanceof Uint8Array) return { tag, type: ItemType.ByteString, value }
    if ('from' in value) return { tag, type: ItemType.Enumeration, value: value.from }
    return { tag, type: ItemType.Integer, value: value.index }
  },
  decode(item, context) {
    if (item.type === ItemType.Enumeration) return { from: item.value }
    if (item.type === ItemType.Integer) return { index: item.value }
    return bytes.decode(item, context)
  },
}

export const Name = struct('Name', {
  nameValue: one(Tag.NameValue, text),
  nameType: one(Tag.NameType, enumeration(E.NameType)),
})
export type Name = Infer<typeof Name>

export const AlternativeName = struct('Alternative Name', {
  alternativeNameValue: one(Tag.AlternativeNameValue, text),
  alternativeNameType: one(Tag.AlternativeNameType, enumeration(E.AlternativeNameType)),
})
export type AlternativeName = Infer<typeof AlternativeName>

export const RotateName = struct('Rotate Name', {
  rotateNameValue: one(Tag.RotateNameValue, text),
  rotateNameType: one(Tag.RotateNameType, enumeration(E.RotateNameType)),
})
export type RotateName = Infer<typeof RotateName>

export const ApplicationSpecificInformation = struct('Application Specific Information', {
  applicationNamespace: one(Tag.ApplicationNamespace, text),
  applicationData: optional(Tag.ApplicationData, text),
})
export type ApplicationSpecificInformation = Infer<typeof ApplicationSpecificInformation>

/** Deprecated by the X.509 form; KMIP 1.4 §3.9. */
export const CertificateIdentifier = struct('Certificate Identifier', {
  issuer: one(Tag.Issuer, text),
  serialNumber: optional(Tag.SerialNumber, text),
})
export type CertificateIdentifier = Infer<typeof CertificateIdentifier>

export const CertificateSubject = struct('Certificate Subject', {
  certificateSubjectDistinguishedName: one(Tag.CertificateSubjectDistinguishedName, text),
  certificateSubjectAlternativeName: many(Tag.CertificateSubjectAlternativeName, text),
})
export type CertificateSubject = Infer<typeof CertificateSubject>

export const CertificateIssuer = struct('Certificate Issuer', {
  certificateIssuerDistinguishedName: one(Tag.CertificateIssuerDistinguishedName, text),
  certificateIssuerAlternativeName: many(Tag.CertificateIssuerAlternativeName, text),
})
export type CertificateIssuer = Infer<typeof CertificateIssuer>

/** Names and serial number as DER. */
export const X509CertificateIdentifier = struct('X.509 Certificate Identifier', {
  issuerDistinguishedName: one(Tag.IssuerDistinguishedName, bytes),
  certificateSerialNumber: one(Tag.CertificateSerialNumber, bytes),
})
export type X509CertificateIdentifier = Infer<typeof X509CertificateIdentifier>

export const X509CertificateSubject = struct('X.509 Certificate Subject', {
  subjectDistinguishedName: one(Tag.SubjectDistinguishedName, bytes),
  subjectAlternativeName: many(Tag.SubjectAlternativeName, bytes),
})
export type X509CertificateSubject = Infer<typeof X509CertificateSubject>

export const X509CertificateIssuer = struct('X.509 Certificate Issuer', {
  issuerDistinguishedName: one(Tag.IssuerDistinguishedName, bytes),
  issuerAlternativeName: many(Tag.IssuerAlternativeName, bytes),
})
export type X509CertificateIssuer = Infer<typeof X509CertificateIssuer>

export const CryptographicDomainParameters = struct('Cryptographic Domain Parameters', {
  qlength: optional(Tag.Qlength, int32),
  recommendedCurve: optional(Tag.RecommendedCurve, enumeration(E.RecommendedCurve)),
})
export type CryptographicDomainParameters = Infer<typeof CryptographicDomainParameters>

/**
 * IV Length, Fixed Field, Invocation Field and Counter Length in bits; Tag and Salt Length in
 * bytes.
 */
export const CryptographicParameters = struct('Cryptographic Parameters', {
  blockCipherMode: optional(Tag.BlockCipherMode, enumeration(E.BlockCipherMode)),
  paddingMethod: optional(Tag.PaddingMethod, enumeration(E.PaddingMethod)),
  hashingAlgorithm: optional(Tag.HashingAlgorithm, enumeration(E.HashingAlgorithm)),
  keyRoleType: optional(Tag.KeyRoleType, enumeration(E.KeyRoleType)),
  digitalSignatureAlgorithm: optional(
    Tag.DigitalSignatureAlgorithm,
    enumeration(E.DigitalSignatureAlgorithm),
    { since: '1.2' },
  ),
  cryptographicAlgorithm: optional(
    Tag.CryptographicAlgorithm,
    enumeration(E.CryptographicAlgorithm),
    { since: '1.2' },
  ),
  randomIV: optional(Tag.RandomIV, boolean, { since: '1.2' }),
  ivLength: optional(Tag.IVLength, int32, { since: '1.2' }),
  tagLength: optional(Tag.TagLength, int32, { since: '1.2' }),
  fixedFieldLength: optional(Tag.FixedFieldLength, int32, { since: '1.2' }),
  invocationFieldLength: optional(Tag.InvocationFieldLength, int32, { since: '1.2' }),
  counterLength: optional(Tag.CounterLength, int32, { since: '1.2' }),
  initialCounterValue: optional(Tag.InitialCounterValue, int32, { since: '1.2' }),
  saltLength: optional(Tag.SaltLength, int32, { since: '1.4' }),
  maskGenerator: optional(Tag.MaskGenerator, enumeration(E.MaskGenerator), { since: '1.4' }),
  maskGeneratorHashingAlgorithm: optional(
    Tag.MaskGeneratorHashingAlgorithm,
    enumeration(E.HashingAlgorithm),
    { since: '1.4' },
  ),
  pSource: optional(Tag.PSource, bytes, { since: '1.4' }),
  trailerField: optional(Tag.TrailerField, int32, { since: '1.4' }),
})
export type CryptographicParameters = Infer<typeof CryptographicParameters>

export const Digest = struct('Digest', {
  hashingAlgorithm: one(Tag.HashingAlgorithm, enumeration(E.HashingAlgorithm)),
  digestValue: optional(Tag.DigestValue, bytes),
  keyFormatType: optional(Tag.KeyFormatType, enumeration(E.KeyFormatType), { since: '1.1' }),
})
export type Digest = Infer<typeof Digest>

export const KeyValueLocation = struct('Key Value Location', {
  keyValueLocationValue: one(Tag.KeyValueLocationValue, text),
  keyValueLocationType: one(Tag.KeyValueLocationType, enumeration(E.KeyValueLocationType)),
})
export type KeyValueLocation = Infer<typeof KeyValueLocation>

export const Link = struct('Link', {
  linkType: optional(Tag.LinkType, enumeration(E.LinkType)),
  linkedObjectIdentifier: optional(Tag.LinkedObjectIdentifier, identifier),
})
export type Link = Infer<typeof Link>

const RNG_FIELDS = {
  rngAlgorithm: one(Tag.RNGAlgorithm, enumeration(E.RNGAlgorithm)),
  cryptographicAlgorithm: optional(
    Tag.CryptographicAlgorithm,
    enumeration(E.CryptographicAlgorithm),
  ),
  cryptographicLength: optional(Tag.CryptographicLength, int32),
  hashingAlgorithm: optional(Tag.HashingAlgorithm, enumeration(E.HashingAlgorithm)),
  drbgAlgorithm: optional(Tag.DRBGAlgorithm, enumeration(E.DRBGAlgorithm)),
  recommendedCurve: optional(Tag.RecommendedCurve, enumeration(E.RecommendedCurve)),
  fips186Variation: optional(Tag.FIPS186Variation, enumeration(E.FIPS186Variation)),
  predictionResistance: optional(Tag.PredictionResistance, boolean),
}

export const RNGParameters = struct('RNG Parameters', RNG_FIELDS)
export type RNGParameters = Infer<typeof RNGParameters>

/** The attribute holds the fields of RNG Parameters directly, KMIP 1.4 §3.44. */
export const RandomNumberGenerator = struct('Random Number Generator', RNG_FIELDS)

export const RevocationReason = struct('Revocation Reason', {
  revocationReasonCode: one(Tag.RevocationReasonCode, enumeration(E.RevocationReasonCode)),
  revocationMessage: optional(Tag.RevocationMessage, text),
})
export type RevocationReason = Infer<typeof RevocationReason>

export const UsageLimits = struct('Usage Limits', {
  usageLimitsTotal: optional(Tag.UsageLimitsTotal, int64),
  usageLimitsCount: optional(Tag.UsageLimitsCount, int64),
  usageLimitsUnit: optional(Tag.UsageLimitsUnit, enumeration(E.UsageLimitsUnit)),
})
export type UsageLimits = Infer<typeof UsageLimits>

/** Attributes of a vendor or of a client, KMIP 2.1 §7.2; tag Attribute. */
export const VendorAttribute = struct('Vendor Attribute', {
  vendorIdentification: one(Tag.VendorIdentification, text),
  attributeName: one(Tag.AttributeName, text),
  attributeValue: one(Tag.AttributeValue, anyItem),
})

export const EncryptionKeyInformation = struct('Encryption Key Information', {
  uniqueIdentifier: one(Tag.UniqueIdentifier, identifier),
  cryptographicParameters: optional(Tag.CryptographicParameters, CryptographicParameters),
})
export type EncryptionKeyInformation = Infer<typeof EncryptionKeyInformation>

export const MACSignatureKeyInformation = struct('MAC/Signature Key Information', {
  uniqueIdentifier: one(Tag.UniqueIdentifier, identifier),
  cryptographicParameters: optional(Tag.CryptographicParameters, CryptographicParameters),
})

export const KeyWrappingData = struct('Key Wrapping Data', {
  wrappingMethod: one(Tag.WrappingMethod, enumeration(E.WrappingMethod)),
  encryptionKeyInformation: optional(Tag.EncryptionKeyInformation, EncryptionKeyInformation),
  macSignatureKeyInformation: optional(Tag.MACSignatureKeyInformation, MACSignatureKeyInformation),
  macSignature: optional(Tag.MACSignature, bytes),
  ivCounterNonce: optional(Tag.IVCounterNonce, bytes),
  encodingOption: optional(Tag.EncodingOption, enumeration(E.EncodingOption), { since: '1.1' }),
})
export type KeyWrappingData = Infer<typeof KeyWrappingData>

/** Names of attributes to wrap with the key are text in 1.x, references from 2.0 on. */
export const KeyWrappingSpecification = struct('Key Wrapping Specification', {
  wrappingMethod: one(Tag.WrappingMethod, enumeration(E.WrappingMethod)),
  encryptionKeyInformation: optional(Tag.EncryptionKeyInformation, EncryptionKeyInformation),
  macSignatureKeyInformation: optional(Tag.MACSignatureKeyInformation, MACSignatureKeyInformation),
  attributeName: many(Tag.AttributeName, text),
  encodingOption: optional(Tag.EncodingOption, enumeration(E.EncodingOption), { since: '1.1' }),
})
export type KeyWrappingSpecification = Infer<typeof KeyWrappingSpecification>

// Transparent key structures: KMIP 1.4 §2.1.7, KMIP 2.1 §7.6.

export const TransparentSymmetricKey = struct('Transparent Symmetric Key', {
  key: one(Tag.Key, bytes),
})

export const TransparentRSAPrivateKey = struct('Transparent RSA Private Key', {
  modulus: one(Tag.Modulus, bigInteger),
  privateExponent: optional(Tag.PrivateExponent, bigInteger),
  publicExponent: optional(Tag.PublicExponent, bigInteger),
  p: optional(Tag.P, bigInteger),
  q: optional(Tag.Q, bigInteger),
  primeExponentP: optional(Tag.PrimeExponentP, bigInteger),
  primeExponentQ: optional(Tag.PrimeExponentQ, bigInteger),
  crtCoefficient: optional(Tag.CRTCoefficient, bigInteger),
})

export const TransparentRSAPublicKey = struct('Transparent RSA Public Key', {
  modulus: one(Tag.Modulus, bigInteger),
  publicExponent: one(Tag.PublicExponent, bigInteger),
})

export const TransparentDSAPrivateKey = struct('Transparent DSA Private Key', {
  p: one(Tag.P, bigInteger),
  q: one(Tag.Q, bigInteger),
  g: one(Tag.G, bigInteger),
  x: one(Tag.X, bigInteger),
})

export const TransparentDSAPublicKey = struct('Transparent DSA Public Key', {
  p: one(Tag.P, bigInteger),
  q: one(Tag.Q, bigInteger),
  g: one(Tag.G, bigInteger),
  y: one(Tag.Y, bigInteger),
})

export const TransparentDHPrivateKey = struct('Transparent DH Private Key', {
  p: one(Tag.P, bigInteger),
  q: optional(Tag.Q, bigInteger),
  g: one(Tag.G, bigInteger),
  j: optional(Tag.J, bigInteger),
  x: one(Tag.X, bigInteger),
})

export const TransparentDHPublicKey = struct('Transparent DH Public Key', {
  p: one(Tag.P, bigInteger),
  q: optional(Tag.Q, bigInteger),
  g: one(Tag.G, bigInteger),
  j: optional(Tag.J, bigInteger),
  y: one(Tag.Y, bigInteger),
})

/** Also the content of the ECDSA, ECDH and ECMQV forms that 1.3 deprecates. */
export const TransparentECPrivateKey = struct('Transparent EC Private Key', {
  recommendedCurve: one(Tag.RecommendedCurve, enumeration(E.RecommendedCurve)),
  d: one(Tag.D, bigInteger),
})

export const TransparentECPublicKey = struct('Transparent EC Public Key', {
  recommendedCurve: one(Tag.RecommendedCurve, enumeration(E.RecommendedCurve)),
  qString: one(Tag.QString, bytes),
})

export const ExtensionInformation = struct('Extension Information', {
  extensionName: one(Tag.ExtensionName, text),
  extensionTag: optional(Tag.ExtensionTag, int32),
  extensionType: optional(Tag.ExtensionType, anyItem),
  extensionEnumeration: optional(Tag.ExtensionEnumeration, int32, { since: '2.0' }),
  extensionAttribute: optional(Tag.ExtensionAttribute, boolean, { since: '2.0' }),
  extensionParentStructureTag: optional(Tag.ExtensionParentStructureTag, int32, { since: '2.0' }),
  extensionDescription: optional(Tag.ExtensionDescription, text, { since: '2.0' }),
})

export const ProfileVersion = struct('Profile Version', {
  profileVersionMajor: one(Tag.ProfileVersionMajor, int32),
  profileVersionMinor: one(Tag.ProfileVersionMinor, int32),
})

export const ProfileInformation = struct('Profile Information', {
  profileName: one(Tag.ProfileName, enumeration(E.ProfileName)),
  profileVersion: optional(Tag.ProfileVersion, ProfileVersion, { since: '2.0' }),
  serverURI: optional(Tag.ServerURI, text),
  serverPort: optional(Tag.ServerPort, int32),
})

export const ValidationInformation = struct('Validation Information', {
  validationAuthorityType: one(Tag.ValidationAuthorityType, enumeration(E.ValidationAuthorityType)),
  validationAuthorityCountry: optional(Tag.ValidationAuthorityCountry, text),
  validationAuthorityURI: optional(Tag.ValidationAuthorityURI, text),
  validationVersionMajor: one(Tag.ValidationVersionMajor, int32),
  validationVersionMinor: optional(Tag.ValidationVersionMinor, int32),
  validationType: one(Tag.ValidationType, enumeration(E.ValidationType)),
  validationLevel: one(Tag.ValidationLevel, int32),
  validationCertificateIdentifier: optional(Tag.ValidationCertificateIdentifier, text),
  validationCertificateURI: optional(Tag.ValidationCertificateURI, text),
  validationVendorURI: optional(Tag.ValidationVendorURI, text),
  validationProfile: many(Tag.ValidationProfile, text),
})

export const CapabilityInformation = struct('Capability Information', {
  streamingCapability: optional(Tag.StreamingCapability, boolean),
  asynchronousCapability: optional(Tag.AsynchronousCapability, boolean),
  attestationCapability: optional(Tag.AttestationCapability, boolean),
  batchUndoCapability: optional(Tag.BatchUndoCapability, boolean, { since: '1.4' }),
  batchContinueCapability: optional(Tag.BatchContinueCapability, boolean, { since: '1.4' }),
  unwrapMode: optional(Tag.UnwrapMode, enumeration(E.UnwrapMode)),
  destroyAction: optional(Tag.DestroyAction, enumeration(E.DestroyAction)),
  shreddingAlgorithm: optional(Tag.ShreddingAlgorithm, enumeration(E.ShreddingAlgorithm)),
  rngMode: optional(Tag.RNGMode, enumeration(E.RNGMode)),
  quantumSafeCapability: optional(Tag.QuantumSafeCapability, boolean, { since: '2.0' }),
})

/** KMIP 2.1 §7.32; in 1.x the content is the vendor's own. */
export const ServerInformation = struct('Server Information', {
  serverName: optional(Tag.ServerName, text),
  serverSerialNumber: optional(Tag.ServerSerialNumber, text),
  serverVersion: optional(Tag.ServerVersion, text),
  serverLoad: optional(Tag.ServerLoad, text),
  productName: optional(Tag.ProductName, text),
  buildLevel: optional(Tag.BuildLevel, text),
  buildDate: optional(Tag.BuildDate, text),
  clusterInfo: optional(Tag.ClusterInfo, text),
  alternateFailoverEndpoints: many(Tag.AlternateFailoverEndpoints, text),
})

/** Values of the tag Protection Storage Masks: alternatives, each a mask; KMIP 2.1 §7.26. */
export const ProtectionStorageMasks = struct('Protection Storage Masks', {
  protectionStorageMask: many(Tag.ProtectionStorageMask, int32),
})

export const DerivationParameters = struct('Derivation Parameters', {
  cryptographicParameters: optional(Tag.CryptographicParameters, CryptographicParameters),
  initializationVector: optional(Tag.InitializationVector, bytes),
  derivationData: optional(Tag.DerivationData, bytes),
  salt: optional(Tag.Salt, bytes),
  iterationCount: optional(Tag.IterationCount, int32),
})
export type DerivationParameters = Infer<typeof DerivationParameters>

export const Ticket = struct('Ticket', {
  ticketType: one(Tag.TicketType, enumeration(E.TicketType)),
  ticketValue: one(Tag.TicketValue, bytes),
})

/** A lease is a duration or, in Login, also a point in time; KMIP 2.1 §6.1.27. */
export type Lease = { readonly seconds: number } | { readonly until: number }

export const lease: Coder<Lease> = {
  encode(tag, value, context): Item {
    if ('seconds' in value) return interval.encode(tag, value.seconds, context)
    return dateTime.encode(tag, value.until, context)
  },
  decode(item, context) {
    if (item.type === ItemType.Interval) return { seconds: item.value }
    if (item.type === ItemType.DateTime) return { until: dateTime.decode(item, context) }
    throw new WireError('invalidMessage', 'Cannot read lease: neither an interval nor a date')
  },
}
