/**
 * Terms: what of an object can be found by an index.
 *
 * KMIP 2.1 §6.1.29 "Locate". A term is an ordered byte string made of an attribute and a value; a
 * database keeps, for every object, its terms, and finds objects by equal terms or by a range of
 * them. So every attribute that Locate or C_FindObjects can name is an indexed query, and a
 * database needs to know nothing of attributes.
 *
 * An attribute that is a structure has a term for each part, because Locate may give a part only. A
 * mask has a term for each bit. Long values are hashed. Terms narrow down; `matches()` decides, on
 * the object itself.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { type AttributeId, isVendorKey } from '#spec/kmip/attribute-list.ts'
import { ATTRIBUTES, attributeRow } from '#spec/kmip/attributes.ts'
import { StorageStatusMask } from '#spec/kmip/enumerations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { encodeItem } from '#wire/ttlv/binary.ts'
import { type Item, ItemType, sameItem } from '#wire/ttlv/item.ts'
import type { AttributeBag } from './attribute-bag.ts'
import type { Condition, Term, TermChange } from './database.ts'
import { isDestroyed } from './lifecycle.ts'

/** Longer values are indexed by their hash; they can be found by equality only. */
const VALUE_BYTES_MAX = 64

const ENCODE = { version: 21, beyondVersion: 'refuse' } as const

/** Attributes that change with time or with every use: worked out, not looked up. */
const NOT_INDEXED: ReadonlySet<AttributeId> = new Set<AttributeId>([
  'lastChangeDate',
  'usageLimits',
])

/** Masks: each bit is found on its own. */
const MASKS: ReadonlySet<AttributeId> = new Set<AttributeId>([
  'cryptographicUsageMask',
  'protectionStorageMask',
])

/** All terms of an object. */
export function termsOf(attributes: AttributeBag): readonly Term[] {
  const terms = new Map<string, Term>()
  const add = (term: Term): void => {
    terms.set(Buffer.from(term).toString('latin1'), term)
  }
  for (const { id, value } of attributes.list()) {
    if (NOT_INDEXED.has(id)) continue
    if (MASKS.has(id)) for (const bit of bitsOf(value as number)) add(bitTerm(id, bit))
    else for (const term of termsOfItem(id, itemOf(id, value))) add(term)
  }
  add(statusTerm(storageStatus(attributes)))
  return [...terms.values()]
}

/** Where an object counts as stored: the bits of Storage Status Mask, KMIP 2.1 §12.3. */
export function storageStatus(attributes: AttributeBag): number {
  if (isDestroyed(attributes.get('state'))) return StorageStatusMask.DestroyedStorage
  if (attributes.has('archiveDate')) return StorageStatusMask.ArchivalStorage
  return StorageStatusMask.OnLineStorage
}

/** Objects stored in one of the ways of the mask. */
export function storedAs(mask: number): Condition {
  return { any: [...bitsOf(mask)].map((bit) => ({ is: statusTerm(1 << bit) })) }
}

function statusTerm(status: number): Term {
  return term('state', Tag.StorageStatusMask, Uint8Array.of(status))
}

/** Terms that exist once at most in a scope: names, as long as the object is not destroyed. */
export function claimsOf(attributes: AttributeBag): readonly Term[] {
  return attributes.all('name').map((name) => nameTerm(name.nameValue))
}

function nameTerm(value: string): Term {
  return term('name', Tag.NameValue, short(Buffer.from(value)))
}

/** A structure of the standard by its parts, anything else as a whole. */
function termsOfItem(id: AttributeId, item: Item): readonly Term[] {
  if (item.type !== ItemType.Structure || isVendorKey(id)) return [wholeTerm(id, item)]
  const parts = item.value.filter((part) => part.type !== ItemType.Structure)
  return parts.map((part) => term(id, part.tag, orderedValue(part)))
}

function wholeTerm(id: AttributeId, item: Item): Term {
  return term(id, 0, orderedValue(item))
}

function bitTerm(id: AttributeId, bit: number): Term {
  return term(id, 1, Uint8Array.of(bit))
}

function* bitsOf(mask: number): Iterable<number> {
  for (let bit = 0; bit < 32; bit++) if ((mask & (1 << bit)) !== 0) yield bit
}

/** Attribute (tag, or hash of its vendor name), part, value. */
function term(id: AttributeId, part: number, value: Uint8Array): Term {
  const head = Buffer.alloc(7)
  if (isVendorKey(id)) createHash('sha256').update(id).digest().copy(head, 1, 0, 3)
  else head.writeUIntBE(ATTRIBUTES[id].tag, 1, 3)
  head[0] = isVendorKey(id) ? 2 : 1
  head.writeUIntBE(part & 0xffffff, 4, 3)
  return Buffer.concat([head, value])
}

/** Bytes that compare as the values do, or a hash of what is long. */
function orderedValue(item: Item): Uint8Array {
  switch (item.type) {
    case ItemType.Integer:
      return big(BigInt(item.value))
    case ItemType.Enumeration:
    case ItemType.Interval:
      return big(BigInt(item.value))
    case ItemType.LongInteger:
    case ItemType.DateTime:
    case ItemType.DateTimeExtended:
      return big(item.value)
    case ItemType.Boolean:
      return Uint8Array.of(item.value ? 1 : 0)
    case ItemType.TextString:
      return short(Buffer.from(item.value))
    case ItemType.ByteString:
    case ItemType.BigInteger:
      return short(item.value)
    default:
      return short(encodeItem(item))
  }
}

function big(value: bigint): Uint8Array {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt.asUintN(64, value + 2n ** 63n))
  return bytes
}

function short(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= VALUE_BYTES_MAX) return bytes
  return Buffer.concat([bytes.subarray(0, 32), createHash('sha256').update(bytes).digest()])
}

function itemOf(id: AttributeId, value: unknown): Item {
  if (isVendorKey(id)) return value as Item
  const { tag, coder } = attributeRow(id)
  return coder.encode(tag, value, ENCODE)
}

/** Whether two values of an attribute are the same. */
export function sameValue(id: AttributeId, a: unknown, b: unknown): boolean {
  return sameItem(itemOf(id, a), itemOf(id, b))
}

/** One attribute that Locate asks for; two values of a date are a range. */
export interface Wanted {
  readonly id: AttributeId
  readonly values: readonly unknown[]
}

/** Whether the attribute is a date, and a number given twice a range. */
export function isDate(id: AttributeId): boolean {
  return !isVendorKey(id) && attributeRow(id).coder === ATTRIBUTES.initialDate.coder
}

/**
 * Conditions for the database that every match fulfils; objects that fulfil them need not match.
 */
export function conditionsOf(wanted: readonly Wanted[]): readonly Condition[] {
  return wanted.flatMap(({ id, values }) => {
    if (NOT_INDEXED.has(id)) return []
    if (isDate(id)) return dateConditions(id, values as readonly number[])
    return values.flatMap((value) => valueConditions(id, value))
  })
}

/**
 * What {@link conditionsOf} does not say all of, so that what does not match may be found as well.
 *
 * It does not where an attribute is not indexed or has to be missing, where nothing of the value is
 * a term, and where several parts of a structure are asked for, which an object may have in
 * different instances.
 */
export function undecided(wanted: readonly Wanted[]): readonly Wanted[] {
  return wanted.filter((one) => !isDecided(one))
}

function isDecided({ id, values }: Wanted): boolean {
  if (NOT_INDEXED.has(id)) return false
  if (isDate(id)) return values[0] !== Infinity
  return values.every((value) => {
    if (MASKS.has(id)) return value !== 0
    const item = itemOf(id, value)
    return isVendorKey(id) || item.type !== ItemType.Structure || item.value.length === 1
  })
}

function dateConditions(id: AttributeId, values: readonly number[]): readonly Condition[] {
  const [first, second] = values
  if (first === undefined || first === Infinity) return []
  const item = (seconds: number): Term => wholeTerm(id, itemOf(id, seconds))
  if (second === undefined) return [{ is: item(first) }]
  const [low, high] = first <= second ? [first, second] : [second, first]
  return [{ from: item(low), to: item(high) }]
}

function valueConditions(id: AttributeId, value: unknown): readonly Condition[] {
  if (MASKS.has(id)) return [...bitsOf(value as number)].map((bit) => ({ is: bitTerm(id, bit) }))
  return termsOfItem(id, itemOf(id, value)).map((is) => ({ is }))
}

/** Whether an object has what is asked for. */
export function matches(attributes: AttributeBag, wanted: readonly Wanted[]): boolean {
  return wanted.every((one) => has(attributes, one))
}

function has(attributes: AttributeBag, { id, values }: Wanted): boolean {
  if (isDate(id)) return hasDate(attributes.get(id) as number | undefined, values as number[])
  const present = attributes.all(id)
  return values.every((value) => present.some((candidate) => fits(id, candidate, value)))
}

function hasDate(date: number | undefined, [first, second]: readonly number[]): boolean {
  if (first === undefined) return true
  // KMIP 1.4 §4.9: the largest value asks for objects that do not have the date.
  if (first === Infinity) return date === undefined
  if (date === undefined) return false
  if (second === undefined) return date === first
  return Math.min(first, second) <= date && date <= Math.max(first, second)
}

function fits(id: AttributeId, candidate: unknown, wanted: unknown): boolean {
  if (MASKS.has(id)) return ((candidate as number) & (wanted as number)) === (wanted as number)
  if (id === 'usageLimits') return enough(candidate as Limits, wanted as Limits)
  return within(itemOf(id, candidate), itemOf(id, wanted))
}

/** Every part that is asked for is there: structures may be given in part. */
function within(candidate: Item, wanted: Item): boolean {
  if (wanted.type !== ItemType.Structure || candidate.type !== ItemType.Structure) {
    return sameItem(candidate, wanted)
  }
  return wanted.value.every((part) => candidate.value.some((other) => within(other, part)))
}

interface Limits {
  readonly usageLimitsTotal?: bigint | undefined
  readonly usageLimitsCount?: bigint | undefined
  readonly usageLimitsUnit?: number | undefined
}

/** KMIP 1.4 §4.9: the candidate's Total and Count are at least those asked for. */
function enough(candidate: Limits, wanted: Limits): boolean {
  const atLeast = (have?: bigint, want?: bigint): boolean => {
    return want === undefined || (have !== undefined && have >= want)
  }
  return (
    atLeast(candidate.usageLimitsTotal, wanted.usageLimitsTotal) &&
    atLeast(candidate.usageLimitsCount, wanted.usageLimitsCount) &&
    (wanted.usageLimitsUnit === undefined || wanted.usageLimitsUnit === candidate.usageLimitsUnit)
  )
}

/** What changes in the index when one list of terms takes the place of another. */
export function termChange(before: readonly Term[], after: readonly Term[]): TermChange {
  const text = (one: Term): string => Buffer.from(one).toString('latin1')
  const [old, now] = [new Set(before.map(text)), new Set(after.map(text))]
  return {
    add: after.filter((one) => !old.has(text(one))),
    remove: before.filter((one) => !now.has(text(one))),
  }
}
