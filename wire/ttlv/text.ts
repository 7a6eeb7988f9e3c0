/**
 * What the JSON and XML encodings share: hexadecimal, dates, and which table of names a value has.
 *
 * KMIP Profiles 2.1 §5.4 and §5.5. Dates without a zone are taken as UTC; years of more than four
 * digits, which ISO 8601 cannot write, are written in hexadecimal.
 *
 * @module
 */
import { Buffer } from 'node:buffer'
import { WireError } from '#wire/errors.ts'
import { type Item, ItemType, type StructureItem } from './item.ts'
import type { Dictionary, ValueNames } from './names.ts'

/** Tags whose children decide the meaning of a sibling; KMIP 1.4 §2.1.1 and KMIP 2.1 §7.2. */
const ATTRIBUTE = 0x420008
const ATTRIBUTE_NAME = 0x42000a
const ATTRIBUTE_VALUE = 0x42000b

/** Where a value stands: `attribute` is the tag of the attribute whose value this is. */
export interface Place {
  readonly attribute?: number | undefined
}

export const ROOT: Place = {}

/**
 * The place of the next child of a structure: in an Attribute of KMIP 1.x, the name read before
 * decides what the value means.
 */
export function attributeContext(
  tag: number,
  before: readonly Item[],
  outer: Place,
  dictionary: Dictionary,
): Place {
  if (tag === ATTRIBUTE_VALUE) return outer
  if (tag !== ATTRIBUTE) return ROOT
  const name = before.find((item) => item.tag === ATTRIBUTE_NAME)
  if (name?.type !== ItemType.TextString) return ROOT
  return { attribute: dictionary.attributeTag(collapsed(name.value)) }
}

/**
 * The place of one member when it is written: what a reader, who comes from the front, will take it
 * for.
 */
export function placeWithin(
  { tag, value }: StructureItem,
  index: number,
  outer: Place,
  dictionary: Dictionary,
): Place {
  const before = tag === ATTRIBUTE ? value.slice(0, index) : []
  return attributeContext(tag, before, outer, dictionary)
}

/** The names that an enumeration or a mask at this place may use. */
export function namesFor(
  tag: number,
  place: Place,
  dictionary: Dictionary,
): ValueNames | undefined {
  if (tag !== ATTRIBUTE_VALUE) return dictionary.valuesOf(tag)
  return place.attribute === undefined ? undefined : dictionary.valuesOf(place.attribute)
}

/** @throws `WireError` `invalidMessage` when the name is neither known nor hexadecimal. */
export function tagOfName(name: string, dictionary: Dictionary): number {
  const known = dictionary.tagOf(name)
  if (known !== undefined) return known
  if (/^(0x|x)[0-9a-f]{6}$/i.test(name)) return Number.parseInt(name.replace(/^0?x/i, ''), 16)
  throw new WireError('invalidMessage', `Cannot decode item: ${JSON.stringify(name)} is no tag`)
}

/** Runs of white space as one space: some published files have several within names. */
export function collapsed(text: string): string {
  return text.trim().replace(/\s+/g, ' ')
}

export function fromHex(text: string, wanted: () => WireError): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) throw wanted()
  return Buffer.from(text, 'hex')
}

/** Two's complement in whole groups of 8 bytes. */
export function bigIntegerHex(value: bigint): string {
  let bits = 64
  while (BigInt.asIntN(bits, value) !== value) bits += 64
  return BigInt.asUintN(bits, value)
    .toString(16)
    .padStart(bits / 4, '0')
}

export function toInt32(value: number, wanted: () => WireError): number {
  if (!Number.isInteger(value) || value < -(2 ** 31) || value >= 2 ** 31) throw wanted()
  return value
}

export function toUint32(value: number, wanted: () => WireError): number {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32) throw wanted()
  return value
}

export function toInt64(value: bigint, wanted: () => WireError): bigint {
  if (BigInt.asIntN(64, value) !== value) throw wanted()
  return value
}

const ISO_DATE = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?\s*(Z|[+-]\d{2}:?\d{2})?$/i

/** Seconds, or microseconds when `extended`, since the epoch; a fraction of a second is cut off. */
export function dateTimeOf(text: string, extended: boolean, wanted: () => WireError): bigint {
  const match = ISO_DATE.exec(text.trim())
  if (match === null) throw wanted()
  const zone = (match[3] ?? 'Z').replace(/^([+-]\d{2})(\d{2})$/, '$1:$2').toUpperCase()
  const milliseconds = Date.parse(`${match[1]}${zone}`)
  if (Number.isNaN(milliseconds)) throw wanted()
  const seconds = BigInt(milliseconds / 1000)
  if (!extended) return seconds
  return seconds * 1_000_000n + BigInt((match[2] ?? '').slice(0, 6).padEnd(6, '0'))
}

const YEAR_0 = -62167219200n
const YEAR_10000 = 253402300800n

/** ISO 8601 in UTC, or undefined when the year has not four digits. */
export function dateTimeText(value: bigint, extended: boolean): string | undefined {
  const micros = extended ? ((value % 1_000_000n) + 1_000_000n) % 1_000_000n : 0n
  const seconds = extended ? (value - micros) / 1_000_000n : value
  if (seconds < YEAR_0 || seconds >= YEAR_10000) return undefined
  const iso = new Date(Number(seconds) * 1000).toISOString().slice(0, 19)
  return extended ? `${iso}.${micros.toString().padStart(6, '0')}+00:00` : `${iso}+00:00`
}

/** Names of the bits that are set, lowest first; hexadecimal where a bit has no name. */
export function maskNames(value: number, names: ValueNames): readonly string[] {
  const parts: string[] = []
  for (let bit = 0; bit < 32; bit++) {
    const flag = (1 << bit) >>> 0
    if ((value & flag) !== 0) parts.push(names.nameOf(flag) ?? hex32(flag))
  }
  return parts
}

/** `0x` and eight digits. */
export function hex32(value: number): string {
  return `0x${(value >>> 0).toString(16).padStart(8, '0')}`
}

/** `0x` and sixteen digits, two's complement. */
export function hex64(value: bigint): string {
  return `0x${BigInt.asUintN(64, value).toString(16).padStart(16, '0')}`
}
