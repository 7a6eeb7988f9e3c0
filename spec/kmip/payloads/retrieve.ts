/**
 * Payloads of the operations that find and read objects and their attributes.
 *
 * KMIP 1.4 §4.9, §4.11 to §4.16, §4.41; KMIP 2.1 §6.1 by name.
 *
 * @module
 */
import {
  anyItem,
  type Coder,
  enumeration,
  type Field,
  int32,
  many,
  one,
  optional,
  struct,
  versioned,
} from '#wire/ttlv/coder.ts'
import {
  Attribute,
  AttributeNameText,
  AttributeReference,
  Attributes,
  type ListedAttribute,
  SingleAttribute,
  TemplateAttribute,
} from '../attribute-list.ts'
import * as E from '../enumerations.ts'
import { identifier, KeyWrappingSpecification } from '../structures.ts'
import { Tag } from '../tags.ts'
import {
  anObject,
  attributeRefs,
  objectType,
  optionalObject,
  theUniqueIdentifier,
  uniqueIdentifier,
} from './fields.ts'

/** Attributes to look for: a structure may be given in part. */
function inPart<T>(coder: Coder<T>): Coder<T> {
  return { ...coder, decode: (item, context) => coder.decode(item, { ...context, inPart: true }) }
}

/**
 * Filters: repeated in 1.x, one structure in 2.x. Two clients (FortiOS, VAST) wrap them in a
 * Template-Attribute. Offset Items and Located Items are read and written in every version, because
 * clients of 1.0 (Percona) page with them.
 */
export const LocateRequest = struct('Locate request', {
  maximumItems: optional(Tag.MaximumItems, int32),
  offsetItems: optional(Tag.OffsetItems, int32),
  storageStatusMask: optional(Tag.StorageStatusMask, int32),
  objectGroupMember: optional(Tag.ObjectGroupMember, enumeration(E.ObjectGroupMember), {
    since: '1.1',
  }),
  attribute: many(Tag.Attribute, inPart(Attribute), { until: '1.4' }),
  templateAttribute: optional(Tag.TemplateAttribute, inPart(TemplateAttribute), { until: '1.4' }),
  attributes: optional(Tag.Attributes, inPart(Attributes), { since: '2.0' }),
})
export const LocateResponse = struct('Locate response', {
  locatedItems: optional(Tag.LocatedItems, int32),
  uniqueIdentifier: many(Tag.UniqueIdentifier, identifier),
})

const retrieval = {
  uniqueIdentifier,
  keyFormatType: optional(Tag.KeyFormatType, enumeration(E.KeyFormatType)),
  keyWrapType: optional(Tag.KeyWrapType, enumeration(E.KeyWrapType), { since: '1.4' }),
  keyCompressionType: optional(Tag.KeyCompressionType, enumeration(E.KeyCompressionType)),
  keyWrappingSpecification: optional(Tag.KeyWrappingSpecification, KeyWrappingSpecification),
}
export const GetRequest = struct('Get request', retrieval)
export const GetResponse = struct('Get response', {
  objectType,
  uniqueIdentifier: theUniqueIdentifier,
  object: anObject,
})

export const ExportRequest = struct('Export request', retrieval)
export const ExportResponse = struct('Export response', {
  objectType,
  uniqueIdentifier: theUniqueIdentifier,
  attribute: many(Tag.Attribute, Attribute, { until: '1.4' }),
  attributes: optional(Tag.Attributes, Attributes, { since: '2.0' }),
  object: optionalObject,
})

export const GetAttributesRequest = struct('Get Attributes request', {
  uniqueIdentifier,
  attributeRefs,
})
export const GetAttributesResponse = struct('Get Attributes response', {
  uniqueIdentifier: theUniqueIdentifier,
  attribute: many(Tag.Attribute, Attribute, { until: '1.4' }),
  attributes: optional(Tag.Attributes, Attributes, { since: '2.0' }),
})

export const GetAttributeListRequest = struct('Get Attribute List request', { uniqueIdentifier })
export const GetAttributeListResponse = struct('Get Attribute List response', {
  uniqueIdentifier: theUniqueIdentifier,
  attributeRefs,
})

const UNTIL_1 = { until: '1.4' } as const
const SINCE_2 = { since: '2.0' } as const

/** Attribute in 1.x, New Attribute in 2.x. */
const newAttribute: Field<ListedAttribute, 'one'> = versioned(
  one(Tag.Attribute, Attribute, UNTIL_1),
  one(Tag.NewAttribute, SingleAttribute, SINCE_2),
)
const currentAttribute = optional(Tag.CurrentAttribute, SingleAttribute, SINCE_2)

/** The attribute as it is now, 1.x only. */
const answered = {
  uniqueIdentifier: theUniqueIdentifier,
  attribute: optional(Tag.Attribute, Attribute, UNTIL_1),
}

export const AddAttributeRequest = struct('Add Attribute request', {
  uniqueIdentifier,
  newAttribute,
})
export const AddAttributeResponse = struct('Add Attribute response', answered)

export const ModifyAttributeRequest = struct('Modify Attribute request', {
  uniqueIdentifier,
  currentAttribute,
  newAttribute,
})
export const ModifyAttributeResponse = struct('Modify Attribute response', answered)

export const DeleteAttributeRequest = struct('Delete Attribute request', {
  uniqueIdentifier,
  attributeName: optional(Tag.AttributeName, AttributeNameText, UNTIL_1),
  attributeIndex: optional(Tag.AttributeIndex, int32, UNTIL_1),
  currentAttribute,
  attributeReference: optional(Tag.AttributeReference, AttributeReference, SINCE_2),
})
export const DeleteAttributeResponse = struct('Delete Attribute response', answered)

export const SetAttributeRequest = struct('Set Attribute request', {
  uniqueIdentifier,
  newAttribute: one(Tag.NewAttribute, SingleAttribute),
})
export const SetAttributeResponse = struct('Set Attribute response', {
  uniqueIdentifier: theUniqueIdentifier,
})

export const AdjustAttributeRequest = struct('Adjust Attribute request', {
  uniqueIdentifier,
  attributeReference: one(Tag.AttributeReference, AttributeReference),
  adjustmentType: one(Tag.AdjustmentType, enumeration(E.AdjustmentType)),
  adjustmentValue: optional(Tag.AdjustmentValue, anyItem),
})
export const AdjustAttributeResponse = struct('Adjust Attribute response', {
  uniqueIdentifier: theUniqueIdentifier,
})

/** Notify, server to client: a 1.x attribute without a value, a 2.x reference, was deleted. */
export const NotifyRequest = struct('Notify request', {
  uniqueIdentifier: theUniqueIdentifier,
  attribute: many(Tag.Attribute, Attribute, UNTIL_1),
  attributes: optional(Tag.Attributes, Attributes, SINCE_2),
  attributeReference: many(Tag.AttributeReference, AttributeReference, SINCE_2),
})

/** Put, server to client. */
export const PutRequest = struct('Put request', {
  uniqueIdentifier: theUniqueIdentifier,
  putFunction: one(Tag.PutFunction, enumeration(E.PutFunction)),
  replacedUniqueIdentifier: optional(Tag.ReplacedUniqueIdentifier, identifier),
  object: anObject,
  attribute: many(Tag.Attribute, Attribute, UNTIL_1),
  attributes: optional(Tag.Attributes, Attributes, SINCE_2),
})
