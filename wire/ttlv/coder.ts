/**
 * Combinators: a message is a table of fields, and encoder, decoder and type come from it.
 *
 * KMIP 2.1 §9.1; the "since" and "until" of a field are those of the version tables.
 *
 * Reading is tolerant where that is safe: fields in another order, fields of a later version of the
 * protocol, and extension tags (54xxxx) are accepted. Two of a field that may stand once, and a
 * standard tag that has no place in the structure, are refused. Writing is strict: fields stand in
 * the order of the table, and a field that the version does not know is dropped or refused as
 * `EncodeContext.beyondVersion` says.
 *
 * @module
 */
import { WireError } from '#wire/errors.ts'
import { ITEM_TYPE_NAMES, type Item, ItemType, type StructureItem, tagHex } from './item.ts'
import { rankOf, type Version, type VersionText, versionText } from './version.ts'

export interface EncodeContext {
  readonly version: Version
  /**
   * What becomes of a field that `version` does not have: a server drops it from its answer, a
   * client is told that it cannot ask for it.
   */
  readonly beyondVersion: 'drop' | 'refuse'
}

export interface DecodeContext {
  readonly version: Version
  /**
   * What becomes of a standard tag without a place here: a server refuses it, a client ignores it.
   */
  readonly misplaced: 'ignore' | 'refuse'
  /** Whether structures may lack what they must have: Locate takes a part of an attribute. */
  readonly inPart?: boolean
}

/** Reads and writes one kind of value. */
export interface Coder<T> {
  /** @throws `WireError` `invalidField` when the version cannot hold the value. */
  encode(tag: number, value: T, context: EncodeContext): Item
  /** @throws `WireError` when the item does not hold such a value. */
  decode(item: Item, context: DecodeContext): T
}

/** The type of the values of a coder. */
export type Infer<C> = C extends Coder<infer T> ? T : never

/** A coder of one item type whose value is the item's own. */
function plain<T>(type: ItemType): Coder<T> {
  return {
    encode: (tag, value) => ({ tag, type, value }) as Item,
    decode(item) {
      if (item.type !== type) throw wrongType(item, type)
      return item.value as T
    },
  }
}

export const int32: Coder<number> = plain(ItemType.Integer)
export const int64: Coder<bigint> = plain(ItemType.LongInteger)
export const bigInteger: Coder<Uint8Array> = plain(ItemType.BigInteger)
export const boolean: Coder<boolean> = plain(ItemType.Boolean)
export const bytes: Coder<Uint8Array> = plain(ItemType.ByteString)
/** Seconds. */
export const interval: Coder<number> = plain(ItemType.Interval)
/** Microseconds since the epoch. */
export const dateTimeExtended: Coder<bigint> = plain(ItemType.DateTimeExtended)
/** Any item, untouched; encoding gives it the tag of its field. */
export const anyItem: Coder<Item> = {
  encode: (tag, item) => (item.tag === tag ? item : { ...item, tag }),
  decode: (item) => item,
}

/** Text; trailing NULs are cut off, because one client (IBM DB2) counts them in the length. */
export const text: Coder<string> = {
  encode: (tag, value) => ({ tag, type: ItemType.TextString, value }),
  decode(item) {
    if (item.type !== ItemType.TextString) throw wrongType(item, ItemType.TextString)
    return item.value.endsWith('\0') ? item.value.replace(/\0+$/, '') : item.value
  },
}

const INT64_MAX = 2n ** 63n - 1n
const INT64_MIN = -(2n ** 63n)

/**
 * Seconds since the epoch. The largest and smallest 64-bit values are positive and negative
 * infinity (Locate gives the largest a meaning of its own); other values beyond 2^53 are refused.
 */
export const dateTime: Coder<number> = {
  encode(tag, value) {
    const seconds =
      value === Infinity ? INT64_MAX : value === -Infinity ? INT64_MIN : BigInt(Math.trunc(value))
    return { tag, type: ItemType.DateTime, value: seconds }
  },
  decode(item) {
    if (item.type !== ItemType.DateTime) throw wrongType(item, ItemType.DateTime)
    if (item.value === INT64_MAX) return Infinity
    if (item.value === INT64_MIN) return -Infinity
    const seconds = Number(item.value)
    if (Number.isSafeInteger(seconds)) return seconds
    throw new WireError('invalidField', `Cannot read ${tagHex(item.tag)}: date out of range`)
  },
}

/** Coder of an enumeration; `members` lets others ask which values it has. */
export interface EnumerationCoder<V extends number> extends Coder<V> {
  readonly members: Readonly<Record<string, V>>
}

/** An enumeration; numbers without a name pass, whoever uses the value says what it cannot do. */
export function enumeration<V extends number>(
  members: Readonly<Record<string, V>>,
): EnumerationCoder<V> {
  return { ...plain<V>(ItemType.Enumeration), members }
}

type Count = 'one' | 'optional' | 'many'

interface Variant<T> {
  readonly tag: number
  readonly coder: Coder<T>
  /** Ranks of the first and last version. */
  readonly since: number
  readonly until: number
}

/** A row of a structure. */
export interface Field<T, C extends Count = Count> {
  readonly count: C
  readonly variants: readonly Variant<T>[]
  /** Present where the value itself says which variant it is. */
  pick?(value: T): number
}

export interface FieldVersions {
  readonly since?: VersionText
  readonly until?: VersionText
}

function field<T, C extends Count>(
  count: C,
  tag: number,
  coder: Coder<T>,
  { since = '1.0', until = '3.0' }: FieldVersions,
): Field<T, C> {
  return { count, variants: [{ tag, coder, since: rankOf(since), until: rankOf(until) }] }
}

/** Stands exactly once. */
export function one<T>(
  tag: number,
  coder: Coder<T>,
  versions: FieldVersions = {},
): Field<T, 'one'> {
  return field('one', tag, coder, versions)
}

/** Stands once or not at all. */
export function optional<T>(
  tag: number,
  coder: Coder<T>,
  versions: FieldVersions = {},
): Field<T, 'optional'> {
  return field('optional', tag, coder, versions)
}

/** Stands any number of times. */
export function many<T>(
  tag: number,
  coder: Coder<T>,
  versions: FieldVersions = {},
): Field<T, 'many'> {
  return field('many', tag, coder, versions)
}

/** One field that another version writes under another tag or in another form. */
export function versioned<T, C extends Count>(...fields: readonly Field<T, C>[]): Field<T, C> {
  const [first] = fields
  if (first === undefined) throw new TypeError('versioned() needs a field')
  return { count: first.count, variants: fields.flatMap((row) => row.variants) }
}

/** A value that says by its own tag which of several coders it has. */
export interface Tagged<T = unknown> {
  readonly tag: number
  readonly value: T
}

/** One of several fields; the value carries the tag that was chosen. */
export function choice<T, C extends 'one' | 'optional'>(
  count: C,
  coders: Readonly<Record<number, Coder<T>>>,
): Field<Tagged<T>, C> {
  const variants = Object.entries(coders).map(([tag, coder]) => ({
    tag: Number(tag),
    coder: tagged(coder),
    since: rankOf('1.0'),
    until: rankOf('3.0'),
  }))
  return { count, variants, pick: (value) => value.tag }
}

function tagged<T>(coder: Coder<T>): Coder<Tagged<T>> {
  return {
    encode: (tag, value, context) => coder.encode(tag, value.value, context),
    decode: (item, context) => ({ tag: item.tag, value: coder.decode(item, context) }),
  }
}

type Fields = Readonly<Record<string, Field<unknown>>>
type ValueOf<F> = F extends Field<infer T, Count> ? T : never
type KeysOf<F extends Fields, C extends Count> = {
  [K in keyof F]: F[K]['count'] extends C ? K : never
}[keyof F]
type Flat<T> = { [K in keyof T]: T[K] }

/** The value of a structure with these fields. */
export type StructValue<F extends Fields> = Flat<
  { readonly [K in KeysOf<F, 'one'>]: ValueOf<F[K]> } & {
    readonly [K in KeysOf<F, 'optional'>]?: ValueOf<F[K]> | undefined
  } & { readonly [K in KeysOf<F, 'many'>]: readonly ValueOf<F[K]>[] }
>

interface Row {
  readonly key: string
  readonly field: Field<unknown>
}

/** Coder of a structure; `rows` lets documentation and tests walk the table. */
export interface StructCoder<T> extends Coder<T> {
  readonly name: string
  readonly rows: readonly Row[]
}

/** A structure whose items are written in the order of `fields`. */
export function struct<const F extends Fields>(
  name: string,
  fields: F,
): StructCoder<StructValue<F>> {
  const rows: readonly Row[] = Object.entries(fields).map(([key, field]) => ({ key, field }))
  if (rows.length > ROWS_MAX) throw new TypeError(`${name} has more than ${ROWS_MAX} fields`)
  const slots = slotsOf(rows)
  const lists = rows.filter(({ field }) => field.count === 'many').map(({ key }) => key)
  /** By version. */
  const forms: (Form | undefined)[] = []
  const formIn = (version: Version): Form => {
    forms[version] ??= formOf(rows, version)
    return forms[version]
  }
  return {
    name,
    rows,

    encode(tag, value, context): StructureItem {
      const items: Item[] = []
      for (const row of formIn(context.version).written) {
        const found = (value as Record<string, unknown>)[row.key]
        if (found !== undefined) encodeField(name, row, found, context, items)
      }
      return { tag, type: ItemType.Structure, value: items }
    },

    decode(item, context) {
      if (item.type !== ItemType.Structure) throw wrongType(item, ItemType.Structure)
      const out: Record<string, unknown> = {}
      for (const key of lists) out[key] = []
      let seen = 0
      for (const member of item.value) {
        const slot = slots.get(member.tag)
        if (slot === undefined) {
          assertMayIgnore(name, member, context)
          continue
        }
        const { key, bit, coder } = slot
        if (slot.isMany) (out[key] as unknown[]).push(coder.decode(member, context))
        else if ((seen & bit) === 0) out[key] = coder.decode(member, context)
        else {
          const label = labelOfKey(key)
          throw new WireError('invalidMessage', `Cannot read ${name}: ${label} stands twice`)
        }
        seen |= bit
      }
      const missing = formIn(context.version).needed & ~seen
      if (missing !== 0 && context.inPart !== true) throw lacking(name, rows, missing)
      return out as StructValue<F>
    },
  }
}

/** `uniqueBatchItemID` as people read it: Unique Batch Item ID. */
function labelOfKey(key: string): string {
  const words = key.replace(/([a-z\d])([A-Z])/g, '$1 $2')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** A set of rows is the bits of a number. */
const ROWS_MAX = 31

/** Where a member goes. */
interface Slot {
  readonly key: string
  /** The bit of its row. */
  readonly bit: number
  readonly isMany: boolean
  readonly coder: Coder<unknown>
}

/** How one version writes a field; without a variant where it does not have it. */
interface WrittenRow {
  readonly key: string
  readonly isMany: boolean
  readonly variant: Variant<unknown> | undefined
  /** Present where the value says which variant it is. */
  readonly pick: ((value: unknown) => Variant<unknown> | undefined) | undefined
}

/** A structure in one version, worked out once. */
interface Form {
  readonly written: readonly WrittenRow[]
  /** The bits of what a message must have. */
  readonly needed: number
}

function slotsOf(rows: readonly Row[]): ReadonlyMap<number, Slot> {
  const slots = new Map<number, Slot>()
  for (const [index, { key, field }] of rows.entries()) {
    const isMany = field.count === 'many'
    for (const { tag, coder } of field.variants)
      slots.set(tag, { key, bit: 1 << index, isMany, coder })
  }
  return slots
}

function formOf(rows: readonly Row[], version: Version): Form {
  const written = rows.map(({ key, field }) => ({
    key,
    isMany: field.count === 'many',
    variant: field.variants.find((row) => isIn(row, version)),
    pick: pickerOf(field),
  }))
  const needed = rows.reduce((bits, { field }, index) => {
    const isNeeded = field.count === 'one' && field.variants.some((row) => isIn(row, version))
    return isNeeded ? bits | (1 << index) : bits
  }, 0)
  return { written, needed }
}

function pickerOf({ variants, pick }: Field<unknown>): WrittenRow['pick'] {
  if (pick === undefined) return undefined
  const byTag = new Map(variants.map((variant) => [variant.tag, variant]))
  return (value) => byTag.get(pick(value))
}

function lacking(name: string, rows: readonly Row[], missing: number): WireError {
  const first = rows.find((_, index) => (missing & (1 << index)) !== 0)
  const label = labelOfKey(first?.key ?? '')
  return new WireError('missingField', `Cannot read ${name}: ${label} is missing`)
}

function isIn({ since, until }: Variant<unknown>, version: Version): boolean {
  return since <= version && version <= until
}

function encodeField(
  name: string,
  row: WrittenRow,
  value: unknown,
  context: EncodeContext,
  items: Item[],
): void {
  const variant = row.pick === undefined ? row.variant : row.pick(value)
  if (variant === undefined) {
    if (context.beyondVersion === 'drop' || (Array.isArray(value) && value.length === 0)) return
    const version = versionText(context.version)
    const what = `Cannot write ${name}.${row.key}: KMIP ${version} does not have it`
    throw new WireError('invalidField', what)
  }
  const { tag, coder } = variant
  if (!row.isMany) items.push(coder.encode(tag, value, context))
  else for (const one of value as unknown[]) items.push(coder.encode(tag, one, context))
}

function assertMayIgnore(name: string, member: Item, context: DecodeContext): void {
  if (context.misplaced === 'ignore' || member.tag >>> 16 === 0x54) return
  throw new WireError(
    'invalidField',
    `Cannot read ${name}: ${tagHex(member.tag)} has no place there`,
  )
}

function wrongType(item: Item, want: ItemType): WireError {
  const found = ITEM_TYPE_NAMES.get(item.type) ?? item.type
  const wanted = ITEM_TYPE_NAMES.get(want) ?? want
  return new WireError(
    'invalidMessage',
    `Cannot read ${tagHex(item.tag)}: its type is ${found}, it must be ${wanted}`,
  )
}
