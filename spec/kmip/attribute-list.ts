/**
 * Attributes in messages: one list in two spellings.
 *
 * KMIP 1.4 §2.1.1 (Attribute: name, index, value) and §2.1.8 (Template-Attribute); KMIP 2.1 §7.1
 * (Attributes: values under their own tags), §7.2 (Vendor Attribute) and §7.4 (Attribute
 * Reference). Both read into the same list, so that nobody behind this module asks which version is
 * spoken.
 *
 * Client and vendor attributes: the 1.x name `x-Foo` and the 2.x pair {`x`, `Foo`} are one
 * attribute, here `x:Foo`. Attributes of other vendors have no 1.x spelling.
 *
 * @module
 */

import { WireError } from '#wire/errors.ts'
import {
  anyItem,
  type Coder,
  int32,
  many,
  one,
  optional,
  type StructCoder,
  struct,
  text,
} from '#wire/ttlv/coder.ts'
import { type Item, ItemType, structure, tagHex } from '#wire/ttlv/item.ts'
import { rankOf, VERSION_2 } from '#wire/ttlv/version.ts'
import {
  ATTRIBUTES,
  type AttributeKey,
  attributeOfTag,
  attributeOfText,
  attributeRow,
  valueSaidIn,
} from './attributes.ts'
import { Name, VendorAttribute } from './structures.ts'
import { Tag } from './tags.ts'

/** An attribute of the vendor (or `x`, the client; `y`, the server) before the colon. */
export type VendorKey = `${string}:${string}`

/** A row of the registry, or a client or vendor attribute. */
export type AttributeId = AttributeKey | VendorKey

/** One attribute as it stands in a message. */
export interface ListedAttribute {
  readonly id: AttributeId
  /** KMIP 1.x: which of several instances. */
  readonly index?: number | undefined
  /** As the row's coder reads it; the item itself for client and vendor attributes. */
  readonly value: unknown
}

/** Names one attribute; the value does not matter. */
export type AttributeRef = AttributeId

export function isVendorKey(id: AttributeId): id is VendorKey {
  return id.includes(':')
}

/** Vendor and name of a client or vendor attribute. */
export function splitVendorKey(id: VendorKey): { vendor: string; name: string } {
  const colon = id.indexOf(':')
  return { vendor: id.slice(0, colon), name: id.slice(colon + 1) }
}

/**
 * The attribute with this KMIP 1.x name. A name that is neither in the registry nor begins with
 * `x-` or `y-` comes back with an empty vendor, for the operation to refuse.
 */
export function attributeIdOf(name: string): AttributeId {
  const key = attributeOfText(name)
  if (key !== undefined) return key
  if (name.startsWith('x-') || name.startsWith('y-')) return `${name[0]}:${name.slice(2)}`
  return `:${name}`
}

/** The KMIP 1.x name, or undefined when 1.x cannot name it. */
function attributeText(id: AttributeId): string | undefined {
  if (!isVendorKey(id)) return ATTRIBUTES[id].text
  const { vendor, name } = splitVendorKey(id)
  return vendor === 'x' || vendor === 'y' ? `${vendor}-${name}` : undefined
}

/** How an attribute is called in an error message or a table: its 1.x name or `vendor:name`. */
export function attributeLabel(id: AttributeId): string {
  return attributeText(id) ?? id.replace(/^:/, '')
}

/** The attribute as a message of this version says it; undefined where it cannot. */
export function expressed(
  attribute: ListedAttribute,
  version: number,
): ListedAttribute | undefined {
  const { id, value } = attribute
  if (isVendorKey(id)) {
    return version >= VERSION_2 || attributeText(id) !== undefined ? attribute : undefined
  }
  const said = valueSaidIn(id, value, version)
  if (said === undefined) return undefined
  return said === value ? attribute : { ...attribute, value: said }
}

const NamedAttribute = struct('Attribute', {
  attributeName: optional(Tag.AttributeName, text),
  attributeIndex: optional(Tag.AttributeIndex, int32),
  attributeValue: optional(Tag.AttributeValue, anyItem),
})

/** Attribute of KMIP 1.x. */
export const Attribute: Coder<ListedAttribute> = {
  encode(tag, { id, index, value }, context) {
    const attributeName = attributeText(id)
    if (attributeName === undefined) {
      throw new WireError('invalidField', `Cannot write ${id}: KMIP 1.x cannot name it`)
    }
    const attributeIndex = index === 0 && context.version > rankOf('1.0') ? undefined : index
    const attributeValue = value === undefined ? undefined : valueItem(id, value, context)
    return NamedAttribute.encode(tag, { attributeName, attributeIndex, attributeValue }, context)
  },
  decode(item, context) {
    const { attributeName, attributeIndex, attributeValue } = NamedAttribute.decode(item, context)
    const id = attributeName === undefined ? inferred(attributeValue) : attributeIdOf(attributeName)
    const value = attributeValue && readValue(id, attributeValue, context)
    return { id, index: attributeIndex, value }
  },
}

const STRUCTURED = Object.entries(ATTRIBUTES).flatMap(([key, { coder }]) => {
  const { rows = [] } = coder as Partial<StructCoder<unknown>>
  const tags = new Set(rows.flatMap(({ field }) => field.variants.map(({ tag }) => tag)))
  return tags.size === 0 ? [] : [{ id: key as AttributeKey, tags }]
})

/**
 * The attribute that has no name but a structure that only one attribute can have. Two published
 * cases of KMIP 1.2 (CS-AC-M-3-12, CS-AC-M-8-12) leave out the name of Cryptographic Parameters.
 */
function inferred(value: Item | undefined): AttributeId {
  const parts = value?.type === ItemType.Structure ? value.value.map(({ tag }) => tag) : []
  const fitting = STRUCTURED.filter(({ tags }) => parts.every((tag) => tags.has(tag)))
  const [only] = fitting
  if (parts.length > 0 && only !== undefined && fitting.length === 1) return only.id
  throw new WireError('missingField', 'Cannot read Attribute: its Attribute Name is missing')
}

function valueItem(
  id: AttributeId,
  value: unknown,
  context: Parameters<Coder<unknown>['encode']>[2],
): Item {
  if (isVendorKey(id)) return anyItem.encode(Tag.AttributeValue, value as Item, context)
  return attributeRow(id).coder.encode(Tag.AttributeValue, value, context)
}

function readValue(
  id: AttributeId,
  item: Item,
  context: Parameters<Coder<unknown>['decode']>[1],
): unknown {
  return isVendorKey(id) ? item : attributeRow(id).coder.decode(item, context)
}

/** A Template-Attribute: attributes, and names of templates whose attributes come first. */
export interface AttributeList {
  readonly attributes: readonly ListedAttribute[]
  /** Names of Template objects; KMIP 1.x only. */
  readonly templates?: readonly Name[]
}

const NamedList = struct('Template-Attribute', {
  name: many(Tag.Name, Name),
  attribute: many(Tag.Attribute, Attribute),
})

/** Template-Attribute of KMIP 1.x, under its four tags. */
export const TemplateAttribute: Coder<AttributeList> = {
  encode: (tag, { attributes, templates }, context) =>
    NamedList.encode(tag, { name: templates ?? [], attribute: attributes }, context),
  decode(item, context) {
    const { name, attribute } = NamedList.decode(item, context)
    return { attributes: attribute, templates: name }
  },
}

/** Attributes of KMIP 2.x, under its five tags. */
export const Attributes: Coder<AttributeList> = {
  encode(tag, { attributes }, context) {
    return structure(
      tag,
      attributes.map((attribute) => TaggedAttribute.encode(0, attribute, context)),
    )
  },
  decode(item, context) {
    if (item.type !== ItemType.Structure) {
      throw new WireError('invalidMessage', 'Cannot read Attributes: not a structure')
    }
    return { attributes: item.value.map((member) => TaggedAttribute.decode(member, context)) }
  },
}

/** One value under its own tag, as in Attributes; the tag given to `encode` does not matter. */
const TaggedAttribute: Coder<ListedAttribute> = {
  encode(_tag, { id, value }, context) {
    if (!isVendorKey(id)) {
      const { tag, coder } = attributeRow(id)
      return coder.encode(tag, value, context)
    }
    const { vendor, name } = splitVendorKey(id)
    const vendorAttribute = {
      vendorIdentification: vendor,
      attributeName: name,
      attributeValue: value as Item,
    }
    return VendorAttribute.encode(Tag.Attribute, vendorAttribute, context)
  },
  decode(item, context) {
    if (item.tag === Tag.Attribute) {
      const read = VendorAttribute.decode(item, { ...context, inPart: false })
      const { vendorIdentification: vendor, attributeName: name, attributeValue: value } = read
      assertVendor(vendor)
      const standard = standardOf(vendor, name)
      if (standard === undefined) return { id: `${vendor}:${name}`, value }
      return { id: standard, value: attributeRow(standard).coder.decode(value, context) }
    }
    const id = attributeOfTag(item.tag)
    // As with names: the operation says that there is no such attribute.
    if (id === undefined) return { id: `:${tagHex(item.tag)}`, value: item }
    return { id, value: attributeRow(id).coder.decode(item, context) }
  },
}

/** A colon would part vendor and name at another place: KMIP 2.1 §7.2 has letters and digits. */
function assertVendor(vendor: string): void {
  if (!vendor.includes(':')) return
  const what = `Cannot read Vendor Attribute: the Vendor Identification "${vendor}" has a colon`
  throw new WireError('invalidField', `${what}; letters, digits, "_" and "." are allowed`)
}

/** A standard attribute written in vendor form; no vendor and `KMIP` have been seen for it. */
function standardOf(vendor: string, name: string): AttributeKey | undefined {
  return vendor === '' || vendor === 'KMIP' ? attributeOfText(name) : undefined
}

/**
 * A structure that holds exactly one attribute: New Attribute and Current Attribute of KMIP 2.x.
 */
export const SingleAttribute: Coder<ListedAttribute> = {
  encode: (tag, attribute, context) =>
    structure(tag, [TaggedAttribute.encode(0, attribute, context)]),
  decode(item, context) {
    const members = item.type === ItemType.Structure ? item.value : []
    const [member] = members
    if (member === undefined || members.length !== 1) {
      throw new WireError('invalidMessage', 'Cannot read attribute: exactly one must be given')
    }
    return TaggedAttribute.decode(member, context)
  },
}

const VendorReference = struct('Attribute Reference', {
  vendorIdentification: one(Tag.VendorIdentification, text),
  attributeName: one(Tag.AttributeName, text),
})

/** Attribute Name in 1.x: text. */
export const AttributeNameText: Coder<AttributeRef> = {
  encode(tag, id, context) {
    const value = attributeText(id)
    if (value === undefined) {
      throw new WireError('invalidField', `Cannot write ${id}: KMIP 1.x cannot name it`)
    }
    return text.encode(tag, value, context)
  },
  decode: (item, context) => attributeIdOf(text.decode(item, context)),
}

/** Attribute Reference in 2.x: the number of a tag, or vendor and name. */
export const AttributeReference: Coder<AttributeRef> = {
  encode(tag, id, context) {
    if (!isVendorKey(id)) {
      return { tag, type: ItemType.Enumeration, value: ATTRIBUTES[id].tag }
    }
    const { vendor, name } = splitVendorKey(id)
    const reference = { vendorIdentification: vendor, attributeName: name }
    return VendorReference.encode(tag, reference, context)
  },
  decode(item, context) {
    if (item.type === ItemType.Enumeration) {
      return attributeOfTag(item.value) ?? `:${tagHex(item.value)}`
    }
    const reference = VendorReference.decode(item, context)
    const { vendorIdentification: vendor, attributeName: name } = reference
    return standardOf(vendor, name) ?? `${vendor}:${name}`
  },
}
