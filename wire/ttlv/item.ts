/**
 * TTLV items as values: what the three encodings (binary, JSON, XML) have in common.
 *
 * KMIP 2.1 §9.1 "TTLV Encoding", table "Allowed Item Type Values"; the eleventh type (Date Time
 * Extended) exists from KMIP 2.0. Item types of KMIP 3.0 (Identifier, Reference, Name Reference)
 * are not read.
 *
 * A tree of items is lossless: tags, types and values that no table knows pass through unchanged.
 *
 * @module
 */

/** The type byte of an item; names as in the standard, values as on the wire. */
export const ItemType = {
  Structure: 0x01,
  Integer: 0x02,
  LongInteger: 0x03,
  BigInteger: 0x04,
  Enumeration: 0x05,
  Boolean: 0x06,
  TextString: 0x07,
  ByteString: 0x08,
  DateTime: 0x09,
  Interval: 0x0a,
  DateTimeExtended: 0x0b,
} as const
export type ItemType = (typeof ItemType)[keyof typeof ItemType]

/** JavaScript value of each item type. */
export interface ItemValues {
  readonly [ItemType.Structure]: readonly Item[]
  /** Signed, 32 bits. */
  readonly [ItemType.Integer]: number
  /** Signed, 64 bits. */
  readonly [ItemType.LongInteger]: bigint
  /**
   * Two's complement, big-endian, a multiple of 8 bytes: kept as bytes so that padding survives.
   */
  readonly [ItemType.BigInteger]: Uint8Array
  /** Unsigned, 32 bits. */
  readonly [ItemType.Enumeration]: number
  readonly [ItemType.Boolean]: boolean
  readonly [ItemType.TextString]: string
  readonly [ItemType.ByteString]: Uint8Array
  /** Seconds since 1970-01-01 UTC, signed, 64 bits. */
  readonly [ItemType.DateTime]: bigint
  /** Seconds, unsigned, 32 bits. */
  readonly [ItemType.Interval]: number
  /** Microseconds since 1970-01-01 UTC, signed, 64 bits. */
  readonly [ItemType.DateTimeExtended]: bigint
}

/** One tag-type-value triple; the length is the encoder's business. */
export type Item = {
  readonly [T in ItemType]: {
    readonly tag: number
    readonly type: T
    readonly value: ItemValues[T]
  }
}[ItemType]

/** A structure item. */
export type StructureItem = Extract<Item, { type: typeof ItemType.Structure }>

export function structure(tag: number, value: readonly Item[]): StructureItem {
  return { tag, type: ItemType.Structure, value }
}

/** Names of the item types, by value. */
export const ITEM_TYPE_NAMES: ReadonlyMap<number, keyof typeof ItemType> = new Map(
  Object.entries(ItemType).map(([name, value]) => [value, name as keyof typeof ItemType]),
)

/** The item type with this name; undefined for anything else, whatever JSON or XML put there. */
export function itemTypeNamed(name: unknown): ItemType | undefined {
  if (typeof name !== 'string' || !Object.hasOwn(ItemType, name)) return undefined
  return ItemType[name as keyof typeof ItemType]
}

/** `0x` and six digits, as the standard writes tags. */
export function tagHex(tag: number): string {
  return `0x${tag.toString(16).toUpperCase().padStart(6, '0')}`
}

/** The first child of `item` with this tag. */
export function child(item: Item, tag: number): Item | undefined {
  if (item.type !== ItemType.Structure) return undefined
  return item.value.find((candidate) => candidate.tag === tag)
}

/** Whether two trees are the same, byte for byte once encoded. */
export function sameItem(a: Item, b: Item): boolean {
  if (a.tag !== b.tag || a.type !== b.type) return false
  if (a.type === ItemType.Structure) {
    const other = (b as StructureItem).value
    return a.value.length === other.length && a.value.every((x, i) => sameItem(x, other[i] as Item))
  }
  if (a.value instanceof Uint8Array) return sameBytes(a.value, b.value as Uint8Array)
  return a.value === b.value
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}
