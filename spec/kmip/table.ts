/**
 * How an enumeration or a mask of KMIP is written down: one row per value, with its versions.
 *
 * KMIP 1.0 to 1.4 §9.1.3, KMIP 2.0 and 2.1 §11 and §12. A member's name is the normalised name of
 * the text in the standard (`wire/ttlv/names.ts`), so that XML, JSON and TypeScript say the same.
 *
 * @module
 */
import type { ValueNames } from '#wire/ttlv/names.ts'
import { rankOf, VERSION_MAX, type VersionText } from '#wire/ttlv/version.ts'

export interface RowOptions {
  /** Last version that has the value; later ones reserve it. */
  readonly until?: VersionText
  /** The name that versions up to and including this one print. */
  readonly formerly?: readonly [name: string, until: VersionText]
  /** What says the same in the versions that do not have the value: another value of the table. */
  readonly elsewhere?: number
  /** Other spellings that published messages use; read, never written. */
  readonly also?: readonly string[]
}

/** Value on the wire, first version that has it, and what is special. */
export type EnumRow = readonly [value: number, since: VersionText, options?: RowOptions]

/** One value of a table, with ranks of versions. */
export interface EnumValue {
  readonly name: string
  readonly value: number
  readonly since: number
  readonly until: number
  readonly formerly?: { readonly name: string; readonly until: number } | undefined
  readonly elsewhere?: number | undefined
  readonly also: readonly string[]
}

/** What a table says beyond its values. */
export interface EnumTable {
  readonly title: string
  readonly mask: boolean
  readonly values: readonly EnumValue[]
  /** The first row of each value. */
  readonly byValue: ReadonlyMap<number, EnumValue>
}

/** The members of a table as `{ Name: value }`. */
export type Members<R> = { readonly [K in keyof R]: R[K] extends EnumRow ? R[K][0] : never }

const TABLES = new WeakMap<object, EnumTable>()

/**
 * An enumeration: `ObjectType.SymmetricKey` is 2.
 *
 * @param title The standard's name, without the word "Enumeration".
 */
export function enumTable<const R extends Readonly<Record<string, EnumRow>>>(
  title: string,
  rows: R,
): Members<R> {
  return register(title, rows, false)
}

/** A bit mask: like an enumeration, its values can be joined. */
export function maskTable<const R extends Readonly<Record<string, EnumRow>>>(
  title: string,
  rows: R,
): Members<R> {
  return register(title, rows, true)
}

function register<R extends Readonly<Record<string, EnumRow>>>(
  title: string,
  rows: R,
  mask: boolean,
): Members<R> {
  const members: Record<string, number> = {}
  const values: EnumValue[] = []
  for (const [name, [value, since, options]] of Object.entries(rows)) {
    members[name] = value
    const until = rankOf(options?.until ?? '3.0')
    const former = options?.formerly
    const formerly = former && { name: former[0], until: rankOf(former[1]) }
    const also = options?.also ?? []
    const elsewhere = options?.elsewhere
    values.push({ name, value, since: rankOf(since), until, formerly, elsewhere, also })
  }
  const byValue = new Map(values.toReversed().map((row) => [row.value, row]))
  TABLES.set(members, { title, mask, values, byValue })
  return members as Members<R>
}

/** The rows behind the members that {@link enumTable} or {@link maskTable} made. */
export function tableOf(members: Readonly<Record<string, number>>): EnumTable {
  const table = TABLES.get(members)
  if (table === undefined) throw new TypeError('not an enumeration of spec/kmip')
  return table
}

/** Name of a value, or its hexadecimal form when it has none. */
export function nameOf(members: Readonly<Record<string, number>>, value: number): string {
  const row = tableOf(members).byValue.get(value)
  return row?.name ?? `0x${(value >>> 0).toString(16).padStart(8, '0')}`
}

/** Names of the bits of a mask, and the rest in hexadecimal where some have no name. */
export function namesOfMask(
  members: Readonly<Record<string, number>>,
  mask: number,
): readonly string[] {
  const bits = Array.from({ length: 32 }, (_, bit) => (1 << bit) >>> 0)
  return bits.filter((bit) => (mask & bit) !== 0).map((bit) => nameOf(members, bit))
}

/** Whether the version has the value; a value that no table knows is an extension and passes. */
export function knows(
  members: Readonly<Record<string, number>>,
  value: number,
  version: number,
): boolean {
  const row = tableOf(members).byValue.get(value)
  return row === undefined || (row.since <= version && version <= row.until)
}

/** Numbers of the drafts of KMIP 3.0 may be seen by who speaks the newest published version. */
export function rankSeen(version: number): number {
  return version === VERSION_MAX ? rankOf('3.0') : version
}

/**
 * The value as a version says it: itself, or another one that means the same there. Undefined where
 * the version has neither.
 */
export function saidIn(
  members: Readonly<Record<string, number>>,
  value: number,
  version: number,
): number | undefined {
  if (knows(members, value, version)) return value
  const other = tableOf(members).byValue.get(value)?.elsewhere
  return other !== undefined && knows(members, other, version) ? other : undefined
}

/** Names as one version prints them; reading accepts the names of every version. */
export function valueNames(members: Readonly<Record<string, number>>, version: number): ValueNames {
  const { mask, values } = tableOf(members)
  const names = new Map<number, string>()
  const numbers = new Map<string, number>()
  for (const { name, value, formerly, also } of values) {
    const old = formerly !== undefined && version <= formerly.until
    names.set(value, old ? formerly.name : name)
    numbers.set(name, value)
    if (formerly !== undefined) numbers.set(formerly.name, value)
    for (const other of also) numbers.set(other, value)
  }
  return { mask, nameOf: (value) => names.get(value), valueOf: (name) => numbers.get(name) }
}
