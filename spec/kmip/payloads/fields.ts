/**
 * Fields that many payloads have, and the two spellings of attribute lists.
 *
 * KMIP 1.4 §4, KMIP 2.1 §6.1.
 *
 * @module
 */
import {
  boolean,
  bytes,
  choice,
  enumeration,
  type Field,
  many,
  one,
  optional,
  type Tagged,
  versioned,
} from '#wire/ttlv/coder.ts'
import {
  type AttributeList,
  AttributeNameText,
  type AttributeRef,
  AttributeReference,
  Attributes,
  TemplateAttribute,
} from '../attribute-list.ts'
import { ObjectType } from '../enumerations.ts'
import { OBJECT_CODERS, type ObjectInMessage } from '../objects.ts'
import { CryptographicParameters, identifier, ProtectionStorageMasks } from '../structures.ts'
import { Tag } from '../tags.ts'

const UNTIL_1 = { until: '1.4' } as const
const SINCE_2 = { since: '2.0' } as const

/** Template-Attribute in 1.x, Attributes in 2.x. */
export const attributes: Field<AttributeList, 'one'> = versioned(
  one(Tag.TemplateAttribute, TemplateAttribute, UNTIL_1),
  one(Tag.Attributes, Attributes, SINCE_2),
)

function optionalList(tag1: number, tag2: number): Field<AttributeList, 'optional'> {
  return versioned(optional(tag1, TemplateAttribute, UNTIL_1), optional(tag2, Attributes, SINCE_2))
}

export const optionalAttributes = optionalList(Tag.TemplateAttribute, Tag.Attributes)
export const commonAttributes = optionalList(Tag.CommonTemplateAttribute, Tag.CommonAttributes)
export const privateKeyAttributes = optionalList(
  Tag.PrivateKeyTemplateAttribute,
  Tag.PrivateKeyAttributes,
)
export const publicKeyAttributes = optionalList(
  Tag.PublicKeyTemplateAttribute,
  Tag.PublicKeyAttributes,
)

/** What the server added by itself; 1.x answers only. */
export const implicitAttributes = optional(Tag.TemplateAttribute, TemplateAttribute, UNTIL_1)

/** Attribute Name in 1.x, Attribute Reference in 2.x. */
export const attributeRefs: Field<AttributeRef, 'many'> = versioned(
  many(Tag.AttributeName, AttributeNameText, UNTIL_1),
  many(Tag.AttributeReference, AttributeReference, SINCE_2),
)

export const protectionStorageMasks = optional(
  Tag.ProtectionStorageMasks,
  ProtectionStorageMasks,
  SINCE_2,
)

/** The identifier may be left out: then the ID Placeholder of the batch counts. */
export const uniqueIdentifier = optional(Tag.UniqueIdentifier, identifier)
export const theUniqueIdentifier = one(Tag.UniqueIdentifier, identifier)
export const objectType = one(Tag.ObjectType, enumeration(ObjectType))
export const cryptographicParameters = optional(
  Tag.CryptographicParameters,
  CryptographicParameters,
)

/** One of the managed objects. */
export const anObject = choice('one', OBJECT_CODERS) as Field<Tagged, 'one'> as Field<
  ObjectInMessage,
  'one'
>
export const optionalObject = choice('optional', OBJECT_CODERS) as Field<
  Tagged,
  'optional'
> as Field<ObjectInMessage, 'optional'>

/** Fields of the multi-part form, KMIP 1.3 on. */
export const streaming = {
  correlationValue: optional(Tag.CorrelationValue, bytes, { since: '1.3' }),
  initIndicator: optional(Tag.InitIndicator, boolean, { since: '1.3' }),
  finalIndicator: optional(Tag.FinalIndicator, boolean, { since: '1.3' }),
}
export const correlationValue = streaming.correlationValue
