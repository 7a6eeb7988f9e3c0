/**
 * The JSON encoding of KMIP messages.
 *
 * KMIP Profiles 2.1 §5.5 "JSON Profiles". An item is an object with `tag`, optional `type` (only a
 * structure may omit it) and `value`. Integers beyond 2^52 are written as hexadecimal text; numbers
 * are read from the source text, so that 64-bit values keep every digit.
 *
 * Accepts what the published examples show and the text does not (hexadecimal with fewer digits, an
 * empty array or `null` for an empty structure). Writes every digit.
 *
 * @module
 */
import { Buffer } from 'node:buffer'
import { WireError } from '#wire/errors.ts'
import type { DecodeLimits } from './binary.ts'
import { ITEM_TYPE_NAMES, type Item, ItemType, itemTypeNamed, structure, tagHex } from './item.ts'
import type { Dictionary, ValueNames } from './names.ts'
import {
  attributeContext,
  bigIntegerHex,
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

/** Every number is an object of this class while parsing, so that no digit is lost. */
class NumberText {
  readonly source: string
  constructor(source: string) {
    this.source = source
  }
}

/**
 * Reads one item.
 *
 * @throws `WireError` `invalidMessage` when the text is not one item within `limits`.
 */
export function parseJson(text: string, dictionary: Dictionary, limits: DecodeLimits): Item {
  let parsed: unknown
  try {
    parsed = JSON.parse(text, keepNumbers)
  } catch (error) {
    throw malformed(`not JSON: ${(error as Error).message}`)
  }
  return new JsonReader(dictionary, limits).item(parsed, ROOT, 0)
}

function keepNumbers(_key: string, value: unknown, context?: { source?: string }): unknown {
  return typeof value === 'number' ? new NumberText(context?.source ?? String(value)) : value
}

class JsonReader {
  readonly #dictionary: Dictionary
  readonly #limits: DecodeLimits
  #items = 0

  constructor(dictionary: Dictionary, limits: DecodeLimits) {
    this.#dictionary = dictionary
    this.#limits = limits
  }

  item(json: unknown, place: Place, depth: number): Item {
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      throw malformed('an item is not an object')
    }
    if (++this.#items > this.#limits.itemsMax) {
      throw malformed(`more than ${this.#limits.itemsMax} items`)
    }
    const { tag: name, type: typeName, value } = json as Record<string, unknown>
    if (typeof name !== 'string') throw malformed('an item has no tag')
    const tag = tagOfName(name, this.#dictionary)
    const type = typeName === undefined ? ItemType.Structure : itemTypeOf(typeName, name)
    if (type === ItemType.Structure) return this.#structure(tag, value, place, depth)
    return { tag, type, value: this.#value(tag, type, value, place) } as Item
  }

  #structure(tag: number, value: unknown, place: Place, depth: number): Item {
    if (depth >= this.#limits.depthMax) {
      throw malformed(`structures nest deeper than ${this.#limits.depthMax}`)
    }
    const members = value ?? []
    if (!Array.isArray(members)) throw malformed(`${tagHex(tag)} is not an array of items`)
    const children: Item[] = []
    for (const member of members) {
      const inner = attributeContext(tag, children, place, this.#dictionary)
      children.push(this.item(member, inner, depth + 1))
    }
    return structure(tag, children)
  }

  #value(tag: number, type: ItemType, value: unknown, place: Place): unknown {
    const wanted = (): WireError =>
      malformed(`${tagHex(tag)} is not a ${ITEM_TYPE_NAMES.get(type) ?? type}`)
    switch (type) {
      case ItemType.Integer:
      case ItemType.Enumeration:
      case ItemType.Interval:
        return this.#number(tag, type, value, place, wanted)
      case ItemType.LongInteger:
        return int64Of(value, wanted)
      case ItemType.BigInteger:
        return bigIntegerOf(value, wanted)
      case ItemType.Boolean:
        return booleanOf(value, wanted)
      case ItemType.TextString:
        if (typeof value !== 'string') throw wanted()
        return value
      case ItemType.ByteString:
        if (typeof value !== 'string') throw wanted()
        return fromHex(value, wanted)
      default:
        return dateOf(value, type === ItemType.DateTimeExtended, wanted)
    }
  }

  #number(
    tag: number,
    type: ItemType,
    value: unknown,
    place: Place,
    wanted: () => WireError,
  ): number {
    if (value instanceof NumberText) return narrow(type, Number(value.source), wanted)
    if (typeof value !== 'string') throw wanted()
    const names = type === ItemType.Interval ? undefined : namesFor(tag, place, this.#dictionary)
    const parts = names?.mask ? value.split('|') : [value]
    let result = 0
    for (const part of parts) result |= numberOf(part.trim(), names, wanted)
    return type === ItemType.Integer ? result | 0 : result >>> 0
  }
}

function numberOf(text: string, names: ValueNames | undefined, wanted: () => WireError): number {
  if (text === '') return 0
  if (/^0x[0-9a-f]{1,8}$/i.test(text)) return Number(text)
  const value = names?.valueOf(text)
  if (value === undefined) throw wanted()
  return value
}

function narrow(type: ItemType, value: number, wanted: () => WireError): number {
  return type === ItemType.Integer ? toInt32(value, wanted) : toUint32(value, wanted)
}

function bigOf(value: unknown, wanted: () => WireError): bigint {
  const text = value instanceof NumberText ? value.source : value
  if (typeof text !== 'string' || !/^(-?\d+|0x[0-9a-f]{1,16})$/i.test(text)) throw wanted()
  return BigInt(text)
}

/** Hexadecimal is two's complement; a decimal number has to fit. */
function int64Of(value: unknown, wanted: () => WireError): bigint {
  const number = bigOf(value, wanted)
  return typeof value === 'string' && /^0x/i.test(value)
    ? BigInt.asIntN(64, number)
    : toInt64(number, wanted)
}

function bigIntegerOf(value: unknown, wanted: () => WireError): Uint8Array {
  if (value instanceof NumberText) return fromHex(bigIntegerHex(bigOf(value, wanted)), wanted)
  if (typeof value !== 'string' || !/^0x([0-9a-f]{16})+$/i.test(value)) throw wanted()
  return fromHex(value.slice(2), wanted)
}

function booleanOf(value: unknown, wanted: () => WireError): boolean {
  if (typeof value === 'boolean') return value
  if (typeof value !== 'string' || !/^0x0{0,15}[01]$/i.test(value)) throw wanted()
  return value.endsWith('1')
}

function dateOf(value: unknown, extended: boolean, wanted: () => WireError): bigint {
  if (typeof value !== 'string') throw wanted()
  if (/^0x[0-9a-f]{1,16}$/i.test(value)) return BigInt.asIntN(64, BigInt(value))
  return dateTimeOf(value, extended, wanted)
}

function itemTypeOf(name: unknown, tag: string): ItemType {
  const type = itemTypeNamed(name)
  if (type === undefined) throw malformed(`${tag} has the unknown type ${JSON.stringify(name)}`)
  return type
}

function malformed(what: string): WireError {
  return new WireError('invalidMessage', `Cannot decode JSON: ${what}`)
}

/** A value of `JSON.stringify`, with the names of `dictionary`; bytes in hexadecimal. */
export interface JsonItem {
  readonly tag: string
  readonly type?: string
  readonly value: unknown
}

/** The item as the object that `JSON.stringify` prints. */
export function toJson(item: Item, dictionary: Dictionary, place: Place = ROOT): JsonItem {
  const tag = dictionary.tagName(item.tag) ?? tagHex(item.tag)
  if (item.type === ItemType.Structure) {
    const value = item.value.map((member, index) => {
      return toJson(member, dictionary, placeWithin(item, index, place, dictionary))
    })
    return { tag, value }
  }
  const type = ITEM_TYPE_NAMES.get(item.type) as string
  return { tag, type, value: jsonValue(item, namesFor(item.tag, place, dictionary)) }
}

function jsonValue(item: Item, names: ValueNames | undefined): unknown {
  switch (item.type) {
    case ItemType.Integer:
      return names?.mask ? maskNames(item.value, names).join('|') || 0 : item.value
    case ItemType.Enumeration:
      return names?.nameOf(item.value) ?? hex32(item.value)
    case ItemType.LongInteger:
      return Math.abs(Number(item.value)) < 2 ** 52 ? Number(item.value) : hex64(item.value)
    case ItemType.BigInteger:
      return `0x${Buffer.from(item.value).toString('hex')}`
    case ItemType.ByteString:
      return Buffer.from(item.value).toString('hex')
    case ItemType.DateTime:
    case ItemType.DateTimeExtended:
      return dateTimeText(item.value, item.type === ItemType.DateTimeExtended) ?? hex64(item.value)
    default:
      return item.value
  }
}
