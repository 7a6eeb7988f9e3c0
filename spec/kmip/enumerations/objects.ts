/**
 * Enumerations of managed objects, key blocks and attributes.
 *
 * KMIP 2.1 §11; 1.x values from the tables of §9.1.3.2 of each version.
 *
 * @module
 */
import { enumTable } from '../table.ts'

// biome-ignore format: a table
export const ObjectType = enumTable('Object Type', {
  Certificate:        [0x01, '1.0'],
  SymmetricKey:       [0x02, '1.0'],
  PublicKey:          [0x03, '1.0'],
  PrivateKey:         [0x04, '1.0'],
  SplitKey:           [0x05, '1.0'],
  Template:           [0x06, '1.0', { until: '1.4' }],
  SecretData:         [0x07, '1.0'],
  OpaqueObject:       [0x08, '1.0'],
  PGPKey:             [0x09, '1.2'],
  CertificateRequest: [0x0a, '2.0'],
})
export type ObjectType = (typeof ObjectType)[keyof typeof ObjectType]

// biome-ignore format: a table
export const KeyFormatType = enumTable('Key Format Type', {
  Raw:                        [0x01, '1.0'],
  Opaque:                     [0x02, '1.0'],
  PKCS_1:                     [0x03, '1.0'],
  PKCS_8:                     [0x04, '1.0'],
  X_509:                      [0x05, '1.0'],
  ECPrivateKey:               [0x06, '1.0'],
  TransparentSymmetricKey:    [0x07, '1.0'],
  TransparentDSAPrivateKey:   [0x08, '1.0'],
  TransparentDSAPublicKey:    [0x09, '1.0'],
  TransparentRSAPrivateKey:   [0x0a, '1.0'],
  TransparentRSAPublicKey:    [0x0b, '1.0'],
  TransparentDHPrivateKey:    [0x0c, '1.0'],
  TransparentDHPublicKey:     [0x0d, '1.0'],
  TransparentECDSAPrivateKey: [0x0e, '1.0', { until: '1.4', elsewhere: 0x14 }],
  TransparentECDSAPublicKey:  [0x0f, '1.0', { until: '1.4', elsewhere: 0x15 }],
  TransparentECDHPrivateKey:  [0x10, '1.0', { until: '1.4', elsewhere: 0x14 }],
  TransparentECDHPublicKey:   [0x11, '1.0', { until: '1.4', elsewhere: 0x15 }],
  TransparentECMQVPrivateKey: [0x12, '1.0', { until: '1.4', elsewhere: 0x14 }],
  TransparentECMQVPublicKey:  [0x13, '1.0', { until: '1.4', elsewhere: 0x15 }],
  TransparentECPrivateKey:    [0x14, '1.3', { elsewhere: 0x0e }],
  TransparentECPublicKey:     [0x15, '1.3', { elsewhere: 0x0f }],
  PKCS_12:                    [0x16, '1.4'],
  PKCS_10:                    [0x17, '2.0'],
})
export type KeyFormatType = (typeof KeyFormatType)[keyof typeof KeyFormatType]

// biome-ignore format: a table
export const KeyCompressionType = enumTable('Key Compression Type', {
  ECPublicKeyTypeUncompressed:         [0x01, '1.0'],
  ECPublicKeyTypeX9_62CompressedPrime: [0x02, '1.0'],
  ECPublicKeyTypeX9_62CompressedChar2: [0x03, '1.0'],
  ECPublicKeyTypeX9_62Hybrid:          [0x04, '1.0'],
})
export type KeyCompressionType = (typeof KeyCompressionType)[keyof typeof KeyCompressionType]

// biome-ignore format: a table
export const KeyWrapType = enumTable('Key Wrap Type', {
  NotWrapped:   [0x01, '1.4'],
  AsRegistered: [0x02, '1.4'],
})
export type KeyWrapType = (typeof KeyWrapType)[keyof typeof KeyWrapType]

// biome-ignore format: a table
export const WrappingMethod = enumTable('Wrapping Method', {
  Encrypt:            [0x01, '1.0'],
  MACSign:            [0x02, '1.0'],
  EncryptThenMACSign: [0x03, '1.0'],
  MACSignThenEncrypt: [0x04, '1.0'],
  TR_31:              [0x05, '1.0'],
})
export type WrappingMethod = (typeof WrappingMethod)[keyof typeof WrappingMethod]

// biome-ignore format: a table
export const EncodingOption = enumTable('Encoding Option', {
  NoEncoding:   [0x01, '1.1'],
  TTLVEncoding: [0x02, '1.1'],
})
export type EncodingOption = (typeof EncodingOption)[keyof typeof EncodingOption]

// biome-ignore format: a table
export const CertificateType = enumTable('Certificate Type', {
  X_509: [0x01, '1.0'],
  PGP:   [0x02, '1.0'],
})
export type CertificateType = (typeof CertificateType)[keyof typeof CertificateType]

// biome-ignore format: a table
export const CertificateRequestType = enumTable('Certificate Request Type', {
  CRMF:    [0x01, '1.0'],
  PKCS_10: [0x02, '1.0'],
  PEM:     [0x03, '1.0'],
  PGP:     [0x04, '1.0', { until: '1.4' }],
})
export type CertificateRequestType =
  (typeof CertificateRequestType)[keyof typeof CertificateRequestType]

// biome-ignore format: a table
export const SecretDataType = enumTable('Secret Data Type', {
  Password: [0x01, '1.0'],
  Seed:     [0x02, '1.0'],
})
export type SecretDataType = (typeof SecretDataType)[keyof typeof SecretDataType]

// biome-ignore format: a table
export const OpaqueDataType = enumTable('Opaque Data Type', {
  // Extensions (8xxxxxxx) only.
})
export type OpaqueDataType = number

// biome-ignore format: a table
export const SplitKeyMethod = enumTable('Split Key Method', {
  XOR:                         [0x01, '1.0'],
  PolynomialSharingGF2_16:     [0x02, '1.0'],
  PolynomialSharingPrimeField: [0x03, '1.0'],
  PolynomialSharingGF2_8:      [0x04, '1.2'],
})
export type SplitKeyMethod = (typeof SplitKeyMethod)[keyof typeof SplitKeyMethod]

// biome-ignore format: a table
export const State = enumTable('State', {
  PreActive:            [0x01, '1.0'],
  Active:               [0x02, '1.0'],
  Deactivated:          [0x03, '1.0'],
  Compromised:          [0x04, '1.0'],
  Destroyed:            [0x05, '1.0'],
  DestroyedCompromised: [0x06, '1.0'],
})
export type State = (typeof State)[keyof typeof State]

// biome-ignore format: a table
export const RevocationReasonCode = enumTable('Revocation Reason Code', {
  Unspecified:          [0x01, '1.0'],
  KeyCompromise:        [0x02, '1.0'],
  CACompromise:         [0x03, '1.0'],
  AffiliationChanged:   [0x04, '1.0'],
  Superseded:           [0x05, '1.0'],
  CessationOfOperation: [0x06, '1.0'],
  PrivilegeWithdrawn:   [0x07, '1.0'],
})
export type RevocationReasonCode = (typeof RevocationReasonCode)[keyof typeof RevocationReasonCode]

// biome-ignore format: a table
export const LinkType = enumTable('Link Type', {
  CertificateLink:          [0x101, '1.0'],
  PublicKeyLink:            [0x102, '1.0'],
  PrivateKeyLink:           [0x103, '1.0'],
  DerivationBaseObjectLink: [0x104, '1.0'],
  DerivedKeyLink:           [0x105, '1.0'],
  ReplacementObjectLink:    [0x106, '1.0'],
  ReplacedObjectLink:       [0x107, '1.0'],
  ParentLink:               [0x108, '1.2'],
  ChildLink:                [0x109, '1.2'],
  PreviousLink:             [0x10a, '1.2'],
  NextLink:                 [0x10b, '1.2'],
  PKCS_12CertificateLink:   [0x10c, '1.4'],
  PKCS_12PasswordLink:      [0x10d, '1.4'],
  WrappingKeyLink:          [0x10e, '2.0'],
})
export type LinkType = (typeof LinkType)[keyof typeof LinkType]

// biome-ignore format: a table
export const NameType = enumTable('Name Type', {
  UninterpretedTextString: [0x01, '1.0'],
  URI:                     [0x02, '1.0'],
})
export type NameType = (typeof NameType)[keyof typeof NameType]

// biome-ignore format: a table
export const AlternativeNameType = enumTable('Alternative Name Type', {
  UninterpretedTextString: [0x01, '1.2'],
  URI:                     [0x02, '1.2'],
  ObjectSerialNumber:      [0x03, '1.2'],
  EmailAddress:            [0x04, '1.2'],
  DNSName:                 [0x05, '1.2'],
  X_500DistinguishedName:  [0x06, '1.2'],
  IPAddress:               [0x07, '1.2'],
})
export type AlternativeNameType = (typeof AlternativeNameType)[keyof typeof AlternativeNameType]

// biome-ignore format: a table
export const RotateNameType = enumTable('Rotate Name Type', {
  UninterpretedTextString: [0x01, '2.1'],
  URI:                     [0x02, '2.1'],
})
export type RotateNameType = (typeof RotateNameType)[keyof typeof RotateNameType]

// biome-ignore format: a table
export const KeyValueLocationType = enumTable('Key Value Location Type', {
  UninterpretedTextString: [0x01, '1.2'],
  URI:                     [0x02, '1.2'],
})
export type KeyValueLocationType = (typeof KeyValueLocationType)[keyof typeof KeyValueLocationType]

// biome-ignore format: a table
export const ObjectGroupMember = enumTable('Object Group Member', {
  GroupMemberFresh:   [0x01, '1.1'],
  GroupMemberDefault: [0x02, '1.1'],
})
export type ObjectGroupMember = (typeof ObjectGroupMember)[keyof typeof ObjectGroupMember]

// biome-ignore format: a table
export const UsageLimitsUnit = enumTable('Usage Limits Unit', {
  Byte:   [0x01, '1.0'],
  Object: [0x02, '1.0'],
})
export type UsageLimitsUnit = (typeof UsageLimitsUnit)[keyof typeof UsageLimitsUnit]

// biome-ignore format: a table
export const ProtectionLevel = enumTable('Protection Level', {
  High: [0x01, '2.0'],
  Low:  [0x02, '2.0'],
})
export type ProtectionLevel = (typeof ProtectionLevel)[keyof typeof ProtectionLevel]

// biome-ignore format: a table
export const NISTKeyType = enumTable('NIST Key Type', {
  PrivateSignatureKey:                [0x01, '2.0'],
  PublicSignatureVerificationKey:     [0x02, '2.0'],
  SymmetricAuthenticationKey:         [0x03, '2.0'],
  PrivateAuthenticationKey:           [0x04, '2.0'],
  PublicAuthenticationKey:            [0x05, '2.0'],
  SymmetricDataEncryptionKey:         [0x06, '2.0'],
  SymmetricKeyWrappingKey:            [0x07, '2.0'],
  SymmetricRandomNumberGenerationKey: [0x08, '2.0'],
  SymmetricMasterKey:                 [0x09, '2.0'],
  PrivateKeyTransportKey:             [0x0a, '2.0'],
  PublicKeyTransportKey:              [0x0b, '2.0'],
  SymmetricKeyAgreementKey:           [0x0c, '2.0'],
  PrivateStaticKeyAgreementKey:       [0x0d, '2.0'],
  PublicStaticKeyAgreementKey:        [0x0e, '2.0'],
  PrivateEphemeralKeyAgreementKey:    [0x0f, '2.0'],
  PublicEphemeralKeyAgreementKey:     [0x10, '2.0'],
  SymmetricAuthorizationKey:          [0x11, '2.0'],
  PrivateAuthorizationKey:            [0x12, '2.0'],
  PublicAuthorizationKey:             [0x13, '2.0'],
})
export type NISTKeyType = (typeof NISTKeyType)[keyof typeof NISTKeyType]

// biome-ignore format: a table
export const ValidityIndicator = enumTable('Validity Indicator', {
  Valid:   [0x01, '1.0'],
  Invalid: [0x02, '1.0'],
  Unknown: [0x03, '1.0'],
})
export type ValidityIndicator = (typeof ValidityIndicator)[keyof typeof ValidityIndicator]
