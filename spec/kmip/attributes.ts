/**
 * The attribute registry: one row per attribute of KMIP.
 *
 * KMIP 1.4 §3, KMIP 2.1 §4; the columns are those of the table "... Attribute Rules" that stands
 * with each attribute. What a column cannot say (that Fresh turns false with the first Get, for
 * one) is written with the operation that does it.
 *
 * Client-owned and vendor attributes have no row: they may be of any type and pass untouched.
 *
 * @module
 */
import {
  boolean,
  bytes,
  type Coder,
  dateTime,
  type EnumerationCoder,
  enumeration,
  type Infer,
  int32,
  interval,
  text,
} from '#wire/ttlv/coder.ts'
import { rankOf, type VersionText } from '#wire/ttlv/version.ts'
import * as E from './enumerations.ts'
import * as S from './structures.ts'
import { rankSeen, saidIn, tableOf } from './table.ts'
import { Tag } from './tags.ts'
import { hasValues } from './values.ts'

/**
 * Who gives an attribute its first value: the client, the server, or either.
 *
 * `request`: the server, from what the request that makes the object says; a client cannot add it
 * later.
 */
export type Setter = 'client' | 'server' | 'either' | 'request'

/**
 * When a client may change an existing value.
 *
 * `untilReached`: while the object is Pre-Active or Active and the date lies ahead;
 * `untilAllocated`: until Get Usage Allocation or a cryptographic operation has used some of it.
 */
export type ClientChange =
  | 'never'
  | 'always'
  | 'preActive'
  | 'untilDeactivated'
  | 'untilReached'
  | 'untilAllocated'

export interface AttributeRow<T> {
  readonly tag: number
  /** Name in KMIP 1.x messages, letter for letter. */
  readonly text: string
  readonly coder: Coder<T>
  /** Ranks of the first and last version. */
  readonly since: number
  readonly until: number
  readonly setter: Setter
  readonly change: ClientChange
  /** Whether a client may delete it. */
  readonly deletable: boolean
  readonly multiple: boolean
  /** Enumeration of the values, where they are one. */
  readonly members: Readonly<Record<string, number>> | undefined
}

interface Options {
  readonly until?: VersionText
  readonly deletable?: true
  readonly multiple?: true
}

function row<T>(
  tag: number,
  name: string,
  coder: Coder<T>,
  since: VersionText,
  setter: Setter,
  change: ClientChange,
  { until = '3.0', deletable, multiple }: Options = {},
): AttributeRow<T> {
  const ranks = { since: rankOf(since), until: rankOf(until) }
  const { members } = coder as Partial<EnumerationCoder<number>>
  const flags = { deletable: deletable === true, multiple: multiple === true }
  return { tag, text: name, coder, ...ranks, setter, change, ...flags, members }
}

const objectType = enumeration(E.ObjectType)
const algorithm = enumeration(E.CryptographicAlgorithm)
const signature = enumeration(E.DigitalSignatureAlgorithm)
const certificateType = enumeration(E.CertificateType)
const keyFormat = enumeration(E.KeyFormatType)
const state = enumeration(E.State)
const level = enumeration(E.ProtectionLevel)
const nistKey = enumeration(E.NISTKeyType)
const opaqueType: Coder<number> = enumeration(E.OpaqueDataType)

const MANY = { multiple: true } as const
const DELETABLE = { deletable: true } as const
const FREE = { multiple: true, deletable: true } as const
const OLD = { until: '1.4' } as const

// biome-ignore format: a table
export const ATTRIBUTES = {
  uniqueIdentifier:               row(Tag.UniqueIdentifier,               'Unique Identifier',                text,      '1.0', 'server',  'never'),
  shortUniqueIdentifier:          row(Tag.ShortUniqueIdentifier,          'Short Unique Identifier',          bytes,     '2.0', 'server',  'never'),
  name:                           row(Tag.Name,                           'Name',                             S.Name,    '1.0', 'client',  'always', FREE),
  alternativeName:                row(Tag.AlternativeName,                'Alternative Name',                 S.AlternativeName, '1.2', 'client', 'always', FREE),
  objectType:                     row(Tag.ObjectType,                     'Object Type',                      objectType, '1.0', 'request', 'never'),
  cryptographicAlgorithm:         row(Tag.CryptographicAlgorithm,         'Cryptographic Algorithm',          algorithm, '1.0', 'request', 'never'),
  cryptographicLength:            row(Tag.CryptographicLength,            'Cryptographic Length',             int32,     '1.0', 'request', 'never'),
  cryptographicParameters:        row(Tag.CryptographicParameters,        'Cryptographic Parameters',         S.CryptographicParameters, '1.0', 'client', 'always', FREE),
  cryptographicDomainParameters:  row(Tag.CryptographicDomainParameters,  'Cryptographic Domain Parameters',  S.CryptographicDomainParameters, '1.0', 'request', 'never'),
  certificateType:                row(Tag.CertificateType,                'Certificate Type',                 certificateType, '1.0', 'request', 'never'),
  certificateLength:              row(Tag.CertificateLength,              'Certificate Length',               int32,     '1.1', 'server',  'never'),
  certificateIdentifier:          row(Tag.CertificateIdentifier,          'Certificate Identifier',           S.CertificateIdentifier, '1.0', 'server', 'never', OLD),
  certificateSubject:             row(Tag.CertificateSubject,             'Certificate Subject',              S.CertificateSubject, '1.0', 'server', 'never', OLD),
  certificateIssuer:              row(Tag.CertificateIssuer,              'Certificate Issuer',               S.CertificateIssuer, '1.0', 'server', 'never', OLD),
  x509CertificateIdentifier:      row(Tag.X_509CertificateIdentifier,     'X.509 Certificate Identifier',     S.X509CertificateIdentifier, '1.1', 'server', 'never'),
  x509CertificateSubject:         row(Tag.X_509CertificateSubject,        'X.509 Certificate Subject',        S.X509CertificateSubject, '1.1', 'server', 'never'),
  x509CertificateIssuer:          row(Tag.X_509CertificateIssuer,         'X.509 Certificate Issuer',         S.X509CertificateIssuer, '1.1', 'server', 'never'),
  certificateSubjectCN:           row(Tag.CertificateSubjectCN,           'Certificate Subject CN',           text, '1.4', 'server', 'never', MANY),
  certificateSubjectO:            row(Tag.CertificateSubjectO,            'Certificate Subject O',            text, '1.4', 'server', 'never', MANY),
  certificateSubjectOU:           row(Tag.CertificateSubjectOU,           'Certificate Subject OU',           text, '1.4', 'server', 'never', MANY),
  certificateSubjectEmail:        row(Tag.CertificateSubjectEmail,        'Certificate Subject Email',        text, '1.4', 'server', 'never', MANY),
  certificateSubjectC:            row(Tag.CertificateSubjectC,            'Certificate Subject C',            text, '1.4', 'server', 'never', MANY),
  certificateSubjectST:           row(Tag.CertificateSubjectST,           'Certificate Subject ST',           text, '1.4', 'server', 'never', MANY),
  certificateSubjectL:            row(Tag.CertificateSubjectL,            'Certificate Subject L',            text, '1.4', 'server', 'never', MANY),
  certificateSubjectUID:          row(Tag.CertificateSubjectUID,          'Certificate Subject UID',          text, '1.4', 'server', 'never', MANY),
  certificateSubjectSerialNumber: row(Tag.CertificateSubjectSerialNumber, 'Certificate Subject Serial Number', text, '1.4', 'server', 'never', MANY),
  certificateSubjectTitle:        row(Tag.CertificateSubjectTitle,        'Certificate Subject Title',        text, '1.4', 'server', 'never', MANY),
  certificateSubjectDC:           row(Tag.CertificateSubjectDC,           'Certificate Subject DC',           text, '1.4', 'server', 'never', MANY),
  certificateSubjectDNQualifier:  row(Tag.CertificateSubjectDNQualifier,  'Certificate Subject DN Qualifier', text, '1.4', 'server', 'never', MANY),
  certificateIssuerCN:            row(Tag.CertificateIssuerCN,            'Certificate Issuer CN',            text, '1.4', 'server', 'never', MANY),
  certificateIssuerO:             row(Tag.CertificateIssuerO,             'Certificate Issuer O',             text, '1.4', 'server', 'never', MANY),
  certificateIssuerOU:            row(Tag.CertificateIssuerOU,            'Certificate Issuer OU',            text, '1.4', 'server', 'never', MANY),
  certificateIssuerEmail:         row(Tag.CertificateIssuerEmail,         'Certificate Issuer Email',         text, '1.4', 'server', 'never', MANY),
  certificateIssuerC:             row(Tag.CertificateIssuerC,             'Certificate Issuer C',             text, '1.4', 'server', 'never', MANY),
  certificateIssuerST:            row(Tag.CertificateIssuerST,            'Certificate Issuer ST',            text, '1.4', 'server', 'never', MANY),
  certificateIssuerL:             row(Tag.CertificateIssuerL,             'Certificate Issuer L',             text, '1.4', 'server', 'never', MANY),
  certificateIssuerUID:           row(Tag.CertificateIssuerUID,           'Certificate Issuer UID',           text, '1.4', 'server', 'never', MANY),
  certificateIssuerSerialNumber:  row(Tag.CertificateIssuerSerialNumber,  'Certificate Issuer Serial Number', text, '1.4', 'server', 'never', MANY),
  certificateIssuerTitle:         row(Tag.CertificateIssuerTitle,         'Certificate Issuer Title',         text, '1.4', 'server', 'never', MANY),
  certificateIssuerDC:            row(Tag.CertificateIssuerDC,            'Certificate Issuer DC',            text, '1.4', 'server', 'never', MANY),
  certificateIssuerDNQualifier:   row(Tag.CertificateIssuerDNQualifier,   'Certificate Issuer DN Qualifier',  text, '1.4', 'server', 'never', MANY),
  digitalSignatureAlgorithm:      row(Tag.DigitalSignatureAlgorithm,      'Digital Signature Algorithm',      signature, '1.1', 'server', 'never', MANY),
  digest:                         row(Tag.Digest,                         'Digest',                           S.Digest,  '1.0', 'server',  'never', MANY),
  operationPolicyName:            row(Tag.OperationPolicyName,            'Operation Policy Name',            text,      '1.0', 'either',  'never', OLD),
  cryptographicUsageMask:         row(Tag.CryptographicUsageMask,         'Cryptographic Usage Mask',         int32,     '1.0', 'either',  'never'),
  leaseTime:                      row(Tag.LeaseTime,                      'Lease Time',                       interval,  '1.0', 'server',  'never'),
  usageLimits:                    row(Tag.UsageLimits,                    'Usage Limits',                     S.UsageLimits, '1.0', 'either', 'untilAllocated', DELETABLE),
  state:                          row(Tag.State,                          'State',                            state,     '1.0', 'server',  'never'),
  initialDate:                    row(Tag.InitialDate,                    'Initial Date',                     dateTime,  '1.0', 'server',  'never'),
  activationDate:                 row(Tag.ActivationDate,                 'Activation Date',                  dateTime,  '1.0', 'either',  'preActive'),
  processStartDate:               row(Tag.ProcessStartDate,               'Process Start Date',               dateTime,  '1.0', 'either',  'untilReached'),
  protectStopDate:                row(Tag.ProtectStopDate,                'Protect Stop Date',                dateTime,  '1.0', 'either',  'untilReached'),
  deactivationDate:               row(Tag.DeactivationDate,               'Deactivation Date',                dateTime,  '1.0', 'either',  'untilDeactivated'),
  destroyDate:                    row(Tag.DestroyDate,                    'Destroy Date',                     dateTime,  '1.0', 'server',  'never'),
  compromiseOccurrenceDate:       row(Tag.CompromiseOccurrenceDate,       'Compromise Occurrence Date',       dateTime,  '1.0', 'server',  'never'),
  compromiseDate:                 row(Tag.CompromiseDate,                 'Compromise Date',                  dateTime,  '1.0', 'server',  'never'),
  revocationReason:               row(Tag.RevocationReason,               'Revocation Reason',                S.RevocationReason, '1.0', 'server', 'never'),
  archiveDate:                    row(Tag.ArchiveDate,                    'Archive Date',                     dateTime,  '1.0', 'server',  'never'),
  objectGroup:                    row(Tag.ObjectGroup,                    'Object Group',                     text,      '1.0', 'either',  'always', FREE),
  fresh:                          row(Tag.Fresh,                          'Fresh',                            boolean,   '1.1', 'either',  'never'),
  link:                           row(Tag.Link,                           'Link',                             S.Link,    '1.0', 'either',  'always', FREE),
  applicationSpecificInformation: row(Tag.ApplicationSpecificInformation, 'Application Specific Information', S.ApplicationSpecificInformation, '1.0', 'either', 'always', FREE),
  contactInformation:             row(Tag.ContactInformation,             'Contact Information',              text,      '1.0', 'either',  'always', DELETABLE),
  lastChangeDate:                 row(Tag.LastChangeDate,                 'Last Change Date',                 dateTime,  '1.0', 'server',  'never'),
  keyValuePresent:                row(Tag.KeyValuePresent,                'Key Value Present',                boolean,   '1.2', 'server',  'never'),
  keyValueLocation:               row(Tag.KeyValueLocation,               'Key Value Location',               S.KeyValueLocation, '1.2', 'client', 'always', FREE),
  originalCreationDate:           row(Tag.OriginalCreationDate,           'Original Creation Date',           dateTime,  '1.2', 'either',  'never'),
  randomNumberGenerator:          row(Tag.RandomNumberGenerator,          'Random Number Generator',          S.RandomNumberGenerator, '1.3', 'either', 'never'),
  pkcs12FriendlyName:             row(Tag.PKCS_12FriendlyName,            'PKCS#12 Friendly Name',            text,      '1.4', 'client',  'always', DELETABLE),
  description:                    row(Tag.Description,                    'Description',                      text,      '1.4', 'either',  'always', DELETABLE),
  comment:                        row(Tag.Comment,                        'Comment',                          text,      '1.4', 'either',  'always', DELETABLE),
  sensitive:                      row(Tag.Sensitive,                      'Sensitive',                        boolean,   '1.4', 'either',  'always'),
  alwaysSensitive:                row(Tag.AlwaysSensitive,                'Always Sensitive',                 boolean,   '1.4', 'server',  'never'),
  extractable:                    row(Tag.Extractable,                    'Extractable',                      boolean,   '1.4', 'either',  'always'),
  neverExtractable:               row(Tag.NeverExtractable,               'Never Extractable',                boolean,   '1.4', 'server',  'never'),
  keyFormatType:                  row(Tag.KeyFormatType,                  'Key Format Type',                  keyFormat, '2.0', 'request', 'never'),
  opaqueDataType:                 row(Tag.OpaqueDataType,                 'Opaque Data Type',                 opaqueType, '2.0', 'request', 'never'),
  nistKeyType:                    row(Tag.NISTKeyType,                    'NIST Key Type',                    nistKey,   '2.0', 'client',  'never', MANY),
  protectionLevel:                row(Tag.ProtectionLevel,                'Protection Level',                 level,     '2.0', 'client',  'always', DELETABLE),
  protectionPeriod:               row(Tag.ProtectionPeriod,               'Protection Period',                interval,  '2.0', 'client',  'always', DELETABLE),
  protectionStorageMask:          row(Tag.ProtectionStorageMask,          'Protection Storage Mask',          int32,     '2.0', 'server',  'never'),
  quantumSafe:                    row(Tag.QuantumSafe,                    'Quantum Safe',                     boolean,   '2.0', 'client',  'always', DELETABLE),
  rotateAutomatic:                row(Tag.RotateAutomatic,                'Rotate Automatic',                 boolean,   '2.1', 'either',  'never'),
  rotateDate:                     row(Tag.RotateDate,                     'Rotate Date',                      dateTime,  '2.1', 'server',  'never'),
  rotateGeneration:               row(Tag.RotateGeneration,               'Rotate Generation',                int32,     '2.1', 'server',  'never'),
  rotateInterval:                 row(Tag.RotateInterval,                 'Rotate Interval',                  interval,  '2.1', 'either',  'never'),
  rotateLatest:                   row(Tag.RotateLatest,                   'Rotate Latest',                    boolean,   '2.1', 'server',  'never'),
  rotateName:                     row(Tag.RotateName,                     'Rotate Name',                      S.RotateName, '2.1', 'client', 'always', DELETABLE),
  rotateOffset:                   row(Tag.RotateOffset,                   'Rotate Offset',                    interval,  '2.1', 'either',  'never'),
} as const
export type AttributeKey = keyof typeof ATTRIBUTES

/** JavaScript value of each attribute. */
export type AttributeValues = {
  readonly [K in AttributeKey]: Infer<(typeof ATTRIBUTES)[K]['coder']>
}

const BY_TAG = new Map<number, AttributeKey>()
const BY_TEXT = new Map<string, AttributeKey>()
for (const [key, { tag, text: name }] of Object.entries(ATTRIBUTES)) {
  BY_TAG.set(tag, key as AttributeKey)
  BY_TEXT.set(name, key as AttributeKey)
}

/** The row of an attribute, its value type set aside. */
export function attributeRow(key: AttributeKey): AttributeRow<unknown> {
  return ATTRIBUTES[key] as AttributeRow<unknown>
}

export function attributeOfTag(tag: number): AttributeKey | undefined {
  return BY_TAG.get(tag)
}

/** By the name of KMIP 1.x; runs of white space count as one space. */
export function attributeOfText(name: string): AttributeKey | undefined {
  return BY_TEXT.get(name) ?? BY_TEXT.get(name.trim().replace(/\s+/g, ' '))
}

/** Tag of the attribute with this KMIP 1.x name. */
export function attributeTagOf(name: string): number | undefined {
  const key = attributeOfText(name)
  return key && ATTRIBUTES[key].tag
}

/**
 * A value as a version says it; undefined where it does not have the attribute, or an enumeration
 * in the value. Bits that it reserves are left out of a usage mask.
 */
export function valueSaidIn(key: AttributeKey, value: unknown, version: number): unknown {
  const { since, until, coder, members } = attributeRow(key)
  if (version < since || version > until) return undefined
  const rank = rankSeen(version)
  if (members !== undefined) return saidIn(members, value as number, rank)
  if (key === 'cryptographicUsageMask') return (value as number) & ~reservedBits(rank)
  return hasValues(coder, value, rank) ? value : undefined
}

/** Bits that had a meaning before the version; those of later ones are free for extensions. */
function reservedBits(version: number): number {
  const { values } = tableOf(E.CryptographicUsageMask)
  return values.reduce((mask, { value, until }) => (until < version ? mask | value : mask), 0)
}
