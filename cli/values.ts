/**
 * Attribute values as text, both ways.
 *
 * Enumerations go by the names of the standard, dates by ISO 8601, masks by their bits, structures
 * by their fields. What is printed for a machine has the same values, in JSON.
 *
 * @module
 */
import {
  type AttributeId,
  attributeIdOf,
  attributeLabel,
  isVendorKey,
  type ListedAttribute,
} from '#spec/kmip/attribute-list.ts'
import { ATTRIBUTES, type AttributeKey, attributeRow } from '#spec/kmip/attributes.ts'
import { dictionaryOf } from '#spec/kmip/dictionary.ts'
import { nameOf } from '#spec/kmip/table.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { boolean, dateTime, int32, interval, text } from '#wire/ttlv/coder.ts'
import { type Item, ItemType } from '#wire/ttlv/item.ts'
import { VERSION_MAX } from '#wire/ttlv/version.ts'
import { chosen, named } from './algorithms.ts'
import { UsageError, visible } from './output.ts'
import { nameAttribute } from './references.ts'

/** A value for JSON: text, number, truth, or an object of such. */
export type Shown = string | number | boolean | { readonly [field: string]: Shown }

/** The value of an attribute for people and machines. */
function shownValue({ id, value }: ListedAttribute): Shown {
  if (isVendorKey(id)) return shownItem(value as Item)
  const { tag, coder } = attributeRow(id)
  return shownItem(coder.encode(tag, value, { version: VERSION_MAX, beyondVersion: 'drop' }))
}

function shownItem(item: Item): Shown {
  if (item.type === ItemType.Structure) {
    const { tagName } = dictionaryOf()
    return Object.fromEntries(
      item.value.map((inner) => [tagName(inner.tag) ?? `${inner.tag}`, shownItem(inner)]),
    )
  }
  if (item.type === ItemType.DateTime) return isoDate(item.value * 1_000n)
  if (item.type === ItemType.DateTimeExtended) return isoDate(item.value / 1_000n)
  if (item.value instanceof Uint8Array) return Buffer.from(item.value).toString('hex')
  if (typeof item.value === 'bigint') return item.value.toString()
  return typeof item.value === 'number' ? shownNumber(item.tag, item.value) : item.value
}

/** Farthest date that JavaScript can say, in milliseconds. */
const DATE_MAX = 8_640_000_000_000_000n

function isoDate(milliseconds: bigint): string {
  if (milliseconds > DATE_MAX || milliseconds < -DATE_MAX) return 'unlimited'
  return new Date(Number(milliseconds)).toISOString().replace('.000Z', 'Z')
}

function shownNumber(tag: number, value: number): Shown {
  const names = dictionaryOf().valuesOf(tag)
  if (names === undefined) return value
  if (!names.mask) return names.nameOf(value) ?? value
  const bits = Array.from({ length: 32 }, (_, bit) => (1 << bit) >>> 0)
  const set = bits.filter((bit) => (value & bit) !== 0)
  return set.map((bit) => names.nameOf(bit) ?? `0x${bit.toString(16)}`).join(' ')
}

/** A value in one line. */
export function lineOf(shown: Shown): string {
  if (typeof shown !== 'object') return String(shown)
  const fields = Object.entries(shown)
  const [first] = fields
  // A name and its type: the type says nothing where it is the usual one.
  if (first?.[0] === 'NameValue') return lineOf(first[1])
  return fields.map(([field, value]) => `${field} ${lineOf(value)}`).join(', ')
}

/**
 * The attribute that a name means: of KMIP 1.x (`Contact Information`), of 2.x, or `x-anything`.
 */
export function attributeCalled(name: string): AttributeId {
  const id = attributeIdOf(name)
  if (!id.startsWith(':')) return id
  const key = named(Object.keys(ATTRIBUTES) as AttributeKey[], name)
  if (key !== undefined) return key
  const hint = 'names are those of KMIP, such as Description; your own begin with x-'
  throw new UsageError(`${name}: there is no such attribute; ${hint}`)
}

/** NAME=VALUE as an attribute. @throws `UsageError` with what is allowed. */
export function attributeGiven(given: string): ListedAttribute {
  const at = given.indexOf('=')
  if (at < 1) throw new UsageError(`${given}: must be NAME=VALUE, such as Description="my key"`)
  const id = attributeCalled(given.slice(0, at))
  const words = given.slice(at + 1)
  if (id === 'name') return nameAttribute(words)
  if (isVendorKey(id)) {
    return { id, value: { tag: Tag.AttributeValue, type: ItemType.TextString, value: words } }
  }
  return { id, value: typed(id, words) }
}

function typed(id: AttributeKey, words: string): unknown {
  const { coder, members } = attributeRow(id)
  if (coder === text) return words
  if (members !== undefined) {
    return members[chosen(Object.keys(members), words, attributeLabel(id))]
  }
  if (coder === int32 || coder === interval) return number(id, words)
  if (coder === boolean) return truth(id, words)
  if (coder === dateTime) return secondsOf(id, words)
  const what = 'a value of this attribute has several parts and cannot be given in one line'
  throw new UsageError(`${attributeLabel(id)}: ${what}`)
}

function number(id: AttributeKey, words: string): number {
  if (/^-?\d+$/.test(words)) return Number(words)
  throw new UsageError(`${attributeLabel(id)}=${words}: must be a whole number`)
}

function truth(id: AttributeKey, words: string): boolean {
  if (words === 'true' || words === 'false') return words === 'true'
  throw new UsageError(`${attributeLabel(id)}=${words}: must be true or false`)
}

function secondsOf(id: AttributeKey, words: string): number {
  const milliseconds = Date.parse(words)
  if (!Number.isNaN(milliseconds)) return Math.floor(milliseconds / 1000)
  throw new UsageError(`${attributeLabel(id)}=${words}: must be a date, such as 2027-01-31T12:00Z`)
}

/** Attributes as an object for JSON; of several instances, a list. */
export function attributesObject(
  attributes: readonly ListedAttribute[],
): Readonly<Record<string, Shown | readonly Shown[]>> {
  const found: Record<string, Shown | Shown[]> = {}
  for (const attribute of attributes) {
    const label = attributeLabel(attribute.id)
    const shown = shownValue(attribute)
    const present = found[label]
    if (present === undefined) found[label] = shown
    else if (Array.isArray(present)) present.push(shown)
    else found[label] = [present, shown]
  }
  return found
}

/** Attributes, one a line. */
export function attributeLines(attributes: readonly ListedAttribute[]): string {
  const rows = attributes.map((one) => {
    return [visible(attributeLabel(one.id)), visible(lineOf(shownValue(one)))] as const
  })
  const width = Math.max(0, ...rows.map(([label]) => label.length))
  return rows.map(([label, line]) => `${label.padEnd(width)}  ${line}`).join('\n')
}

/** Name of an enumerated attribute's value, or nothing. */
export function memberName(key: AttributeKey, value: number | undefined): string {
  const { members } = attributeRow(key)
  return value === undefined || members === undefined ? '' : nameOf(members, value)
}
