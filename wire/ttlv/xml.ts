/**
 * The XML encoding of KMIP messages.
 *
 * KMIP Profiles 2.1 §5.4 "XML Profiles". An item is an element named after its tag, with the
 * attributes `type` (absent on structures) and `value`; an unknown tag is an element `TTLV` with
 * the attribute `tag`. Namespace prefixes are ignored. Document type declarations, processing
 * instructions other than the XML declaration, and unknown entities are refused.
 *
 * Text between elements is white space or, in published cases, remarks of the author: it is
 * ignored.
 *
 * @module
 */
import { Buffer } from 'node:buffer'
import { SaxesParser, type SaxesTagPlain } from 'saxes'
import { WireError } from '#wire/errors.ts'
import type { DecodeLimits } from './binary.ts'
import { ITEM_TYPE_NAMES, type Item, ItemType, itemTypeNamed, structure, tagHex } from './item.ts'
import type { Dictionary, ValueNames } from './names.ts'
import {
  attributeContext,
  collapsed,
  dateTimeOf,
  dateTimeText,
  fromHex,
  hex32,
  hex64,
  maskNames,
  namesFor,
  type Place,
  placeWithin,
  ROOT,
  tagOfName,
  toInt32,
  toInt64,
  toUint32,
} from './text.ts'

/** An element, before its names and values are looked up. */
export interface XmlElement {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: readonly XmlElement[]
}

/**
 * Reads a document into elements.
 *
 * @throws `WireError` `invalidMessage` when it is not well-formed or beyond `limits`.
 */
export function parseXmlElements(text: string, limits: DecodeLimits): XmlElement {
  const parser = new SaxesParser()
  const open: { element: XmlElement; children: XmlElement[] }[] = []
  let root: XmlElement | undefined
  let elements = 0
  parser.on('error', (error) => {
    throw malformed(error.message)
  })
  parser.on('doctype', () => {
    throw malformed('a document type declaration is not allowed')
  })
  parser.on('opentag', (tag: SaxesTagPlain) => {
    if (++elements > limits.itemsMax) throw malformed(`more than ${limits.itemsMax} items`)
    if (open.length > limits.depthMax) throw malformed(`nested deeper than ${limits.depthMax}`)
    const children: XmlElement[] = []
    const element = { name: localName(tag.name), attributes: tag.attributes, children }
    open.at(-1)?.children.push(element)
    root ??= element
    open.push({ element, children })
  })
  parser.on('closetag', () => {
    open.pop()
  })
  parser.write(text).close()
  if (root === undefined) throw malformed('no element')
  return root
}

function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1)
}

/**
 * Reads one item.
 *
 * @throws `WireError` `invalidMessage` when the text is not one item within `limits`.
 */
export function parseXml(text: string, dictionary: Dictionary, limits: DecodeLimits): Item {
  return itemOfElement(parseXmlElements(text, limits), dictionary)
}

/** Looks up the names and reads the values of an element and all within it. */
export function itemOfElement(
  element: XmlElement,
  dictionary: Dictionary,
  place: Place = ROOT,
): Item {
  const { name, attributes } = element
  const tag = tagOfName(name === 'TTLV' ? (attributes['tag'] ?? '') : name, dictionary)
  const typeName = attributes['type']
  if (typeName === undefined || typeName === 'Structure') {
    const children: Item[] = []
    for (const inner of element.children) {
      const context = attributeContext(tag, children, place, dictionary)
      children.push(itemOfElement(inner, dictionary, context))
    }
    return structure(tag, children)
  }
  const type = itemTypeNamed(typeName)
  if (type === undefined) throw malformed(`${name} has the unknown type ${typeName}`)
  const value = readValue(type, attributes['value'] ?? '', namesFor(tag, place, dictionary), name)
  return { tag, type, value } as Item
}

function readValue(
  type: ItemType,
  text: string,
  names: ValueNames | undefined,
  element: string,
): unknown {
  const wanted = (): WireError =>
    malformed(`${element} ${JSON.stringify(text)} is not a ${ITEM_TYPE_NAMES.get(type)}`)
  switch (type) {
    case ItemType.Integer:
      return names?.mask ? maskOf(text, names, wanted) : toInt32(decimalOf(text, wanted), wanted)
    case ItemType.Enumeration:
      return enumerationOf(collapsed(text), names, wanted)
    case ItemType.Interval:
      return toUint32(decimalOf(text, wanted), wanted)
    case ItemType.LongInteger:
      if (!/^\s*-?\d+\s*$/.test(text)) throw wanted()
      return toInt64(BigInt(text.trim()), wanted)
    case ItemType.BigInteger:
      if (!/^([0-9a-f]{16})+$/i.test(text.trim())) throw wanted()
      return fromHex(text.trim(), wanted)
    case ItemType.Boolean:
      return booleanOf(text.trim(), wanted)
    case ItemType.ByteString:
      return fromHex(text.replace(/\s+/g, ''), wanted)
    case ItemType.DateTime:
    case ItemType.DateTimeExtended:
      return dateOf(text.trim(), type === ItemType.DateTimeExtended, wanted)
    default:
      return text
  }
}

function decimalOf(text: string, wanted: () => WireError): number {
  const trimmed = text.trim()
  if (!/^-?\d+$/.test(trimmed)) {
    if (/^0x[0-9a-f]{1,8}$/i.test(trimmed)) return Number(trimmed) | 0
    throw wanted()
  }
  return Number(trimmed)
}

function maskOf(text: string, names: ValueNames, wanted: () => WireError): number {
  let mask = 0
  for (const part of text.trim().split(/[\s|]+/)) {
    if (part === '') continue
    if (/^-?\d+$/.test(part)) mask |= Number(part)
    else mask |= enumerationOf(part, names, wanted)
  }
  return mask | 0
}

function enumerationOf(
  text: string,
  names: ValueNames | undefined,
  wanted: () => WireError,
): number {
  if (/^0x[0-9a-f]{1,8}$/i.test(text)) return Number(text)
  const value = names?.valueOf(text)
  if (value !== undefined) return value
  if (/^\d+$/.test(text)) return toUint32(Number(text), wanted)
  throw wanted()
}

function booleanOf(text: string, wanted: () => WireError): boolean {
  if (text === 'true' || text === '1') return true
  if (text === 'false' || text === '0') return false
  throw wanted()
}

function dateOf(text: string, extended: boolean, wanted: () => WireError): bigint {
  if (/^0x[0-9a-f]{1,16}$/i.test(text)) return BigInt.asIntN(64, BigInt(text))
  return dateTimeOf(text, extended, wanted)
}

function malformed(what: string): WireError {
  return new WireError('invalidMessage', `Cannot decode XML: ${what}`)
}

/** The item as indented XML. */
export function toXml(item: Item, dictionary: Dictionary): string {
  const lines: string[] = []
  writeElement(item, dictionary, ROOT, '', lines)
  return `${lines.join('\n')}\n`
}

function writeElement(
  item: Item,
  dictionary: Dictionary,
  place: Place,
  indent: string,
  lines: string[],
): void {
  const known = dictionary.tagName(item.tag)
  const name = known ?? 'TTLV'
  const open = known ?? `TTLV tag="${tagHex(item.tag)}"`
  if (item.type !== ItemType.Structure) {
    const value = escaped(writeValue(item, namesFor(item.tag, place, dictionary)))
    lines.push(`${indent}<${open} type="${ITEM_TYPE_NAMES.get(item.type)}" value="${value}"/>`)
    return
  }
  if (item.value.length === 0) {
    lines.push(`${indent}<${open}/>`)
    return
  }
  lines.push(`${indent}<${open}>`)
  item.value.forEach((member, index) => {
    const inner = placeWithin(item, index, place, dictionary)
    writeElement(member, dictionary, inner, `${indent}  `, lines)
  })
  lines.push(`${indent}</${name}>`)
}

function writeValue(item: Item, names: ValueNames | undefined): string {
  switch (item.type) {
    case ItemType.Integer:
      return names?.mask ? maskNames(item.value, names).join(' ') : String(item.value)
    case ItemType.Enumeration:
      return names?.nameOf(item.value) ?? hex32(item.value)
    case ItemType.BigInteger:
    case ItemType.ByteString:
      return Buffer.from(item.value).toString('hex')
    case ItemType.DateTime:
    case ItemType.DateTimeExtended: {
      const text = dateTimeText(item.value, item.type === ItemType.DateTimeExtended)
      return text ?? hex64(item.value)
    }
    default:
      return String(item.value)
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
}

/** What XML 1.0 §2.2 cannot hold, not even as a character reference. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters meant
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/

/** @throws `WireError` `invalidField` when the text has a character that XML cannot hold. */
function escaped(text: string): string {
  if (FORBIDDEN.test(text)) {
    throw new WireError('invalidField', 'Cannot encode XML: a text has a control character')
  }
  return text.replace(/[&<>"\t\n\r]/g, (character) => ESCAPES[character] as string)
}
