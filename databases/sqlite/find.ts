/**
 * Finding records by their terms.
 *
 * The conditions are an intersection of index entries. Most questions are for what has a name, so
 * for something that few records have: those few are looked up, and each is asked for the rest.
 * Otherwise SQLite is told the order: first the condition with the fewest entries (counted up to a
 * bound), then for each of its records whether the others hold. The entries of a term stand in the
 * order in which the records were made, so that the newest come first without sorting. Where even
 * that condition has many entries, or one is a range, it is done in parts (`walk.ts`).
 *
 * @module
 */
import type { StatementSync } from 'node:sqlite'
import type { Condition, Found, Query, RecordKind, StoredRecord, Term } from '#core/database.ts'

/** Entries counted to choose the first condition; more of them are all the same. */
const COUNT_MAX = 1_000

/** So many records are few: they are looked at one by one. */
const FEW = 16

/** Terms whose records are merged in order; those of more are sorted. SQLite's own bound is 500. */
export const MERGED_MAX = 50

type Prepare = (sql: string) => StatementSync
type Value = number | string | Uint8Array

/** A piece of SQL with its values. */
export interface Piece {
  readonly sql: string
  readonly values: readonly Value[]
}

/** As the table has it. */
export interface RecordRow {
  readonly kind: RecordKind
  readonly id: string
  /** Its number. */
  readonly scope: number
  readonly revision: number
  readonly bytes: Uint8Array
}

/** What looking needs. */
export interface Looking {
  readonly prepare: Prepare
  /** The record of a row; undefined where it is not the last that was written. */
  readonly checked: (row: RecordRow) => StoredRecord | undefined
  /** Numbers of scopes that were looked up before; no scope ever loses its number. */
  readonly scopes: Map<string, number>
}

/** What is found in one go. */
export interface FoundPage extends Found {
  /** Its total is still to be counted: {@link countPart}. */
  readonly isUncounted?: boolean
  /** It is too much for one go: `walkRecords` (`walk.ts`). */
  readonly isLong?: boolean
}

/** Within one transaction of the caller's. */
export function findRecords(query: Query, looking: Looking): FoundPage {
  const { prepare } = looking
  const scopes = scopeNumbers(query.scopes, prepare, looking.scopes)
  if (scopes !== undefined && scopes.length === 0)
    return { ids: [], ...(query.count && { total: 0 }) }
  const few = fewRecords(query, scopes, prepare)
  if (few !== undefined) return pageOfFew(few, query, looking)
  if (query.conditions.some(isRange)) return LONG
  const kinds = [query.kind, scopeFilter(scopes, prepare)] as const
  const [first, isMany] = rarest(query.conditions, ...kinds, prepare)
  if (isMany && query.conditions.length > 1) return LONG
  const { sql, values } = page(query, scopes, prepare, first)
  const offset = query.offset ?? 0
  const rows = prepare(sql).all(...values, query.limit, offset)
  const ids = rows.map((row) => row['id'] as string)
  const place = endOf(rows, query)?.['seq'] as number | undefined
  const found = { ids, place }
  if (!query.count) return found
  // A page that is not full tells the total by itself.
  const isLast = ids.length < query.limit && (ids.length > 0 || offset === 0)
  if (isLast && query.behind === undefined) return { ...found, total: offset + ids.length }
  return { ...found, isUncounted: true }
}

const LONG: FoundPage = { ids: [], isLong: true }

/** The last of a page behind which there may be others. */
function endOf<T>(page: readonly T[], { limit }: Query): T | undefined {
  return page.length < limit ? undefined : page.at(-1)
}

/** Records that are counted in one go: others have their turn in between. */
const COUNT_STRIDE = 5_000

/** A part of a count. */
export interface Counted {
  readonly count: number
  /** Where the next part begins; undefined behind the last. */
  readonly place: number | undefined
}

/** Counts some of what matches, from the oldest on. */
export function countPart(
  query: Query,
  place: number | undefined,
  { prepare, scopes: known }: Looking,
): Counted {
  const scopes = scopeNumbers(query.scopes, prepare, known)
  const oldest = { ...query, oldestFirst: true, behind: place }
  const [first] = rarest(query.conditions, query.kind, scopeFilter(scopes, prepare), prepare)
  const { sql, values, isOrdered } = matchingSeqs(oldest, scopes, prepare, first)
  // What has to be sorted is walked over as a whole for every part of it.
  const stride = isOrdered ? COUNT_STRIDE : Number.MAX_SAFE_INTEGER
  const part = `SELECT count(*) AS n, max(seq) AS last FROM (${sql} ORDER BY seq LIMIT ?)`
  const row = prepare(part).get(...values, stride)
  const count = Number(row?.['n'])
  return { count, place: count < stride ? undefined : (row?.['last'] as number) }
}

const FEW_ENTRIES = `SELECT seq FROM terms WHERE kind = ? AND scope = ? AND term = ?
  ORDER BY seq LIMIT ${FEW + 1}`
const HAS_ENTRY = 'SELECT 1 AS one FROM terms WHERE kind = ? AND scope = ? AND term = ? AND seq = ?'

/**
 * All records that match, oldest first, where one of the conditions alone has few; undefined where
 * none has. Small look-ups take a third of the time of the statement that does it at once.
 */
function fewRecords(
  { kind, conditions }: Query,
  scopes: readonly number[] | undefined,
  prepare: Prepare,
): readonly number[] | undefined {
  const [scope] = scopes ?? []
  if (scope === undefined || scopes?.length !== 1 || conditions.some(isRange)) return undefined
  const has = (seq: number, term: Term): boolean =>
    prepare(HAS_ENTRY).get(kind, scope, term, seq) !== undefined
  for (const condition of conditions) {
    const seqs = fewEntries(condition, (term) => prepare(FEW_ENTRIES).all(kind, scope, term))
    if (seqs === undefined) continue
    const others = conditions.filter((other) => other !== condition)
    return seqs.filter((seq) => others.every((other) => meets(other, (term) => has(seq, term))))
  }
  return undefined
}

/** Records that fulfil one condition without ranges, oldest first; undefined where many do. */
function fewEntries(
  condition: Condition,
  entriesOf: (term: Term) => readonly Record<string, unknown>[],
): readonly number[] | undefined {
  const terms = singleTerms(condition)
  if (terms === undefined) return undefined
  const seqs = new Set<number>()
  for (const term of terms) {
    for (const entry of entriesOf(term)) seqs.add(entry['seq'] as number)
    if (seqs.size > FEW) return undefined
  }
  return [...seqs].toSorted((a, b) => a - b)
}

/** The terms of which one has to be there; undefined where a range would do as well. */
export function singleTerms(condition: Condition): readonly Term[] | undefined {
  if ('is' in condition) return [condition.is]
  if ('from' in condition) return undefined
  const terms = condition.any.map(singleTerms)
  return terms.every((one) => one !== undefined) ? terms.flat() : undefined
}

/** Whether it asks for more than single terms. */
export function isRange(condition: Condition): boolean {
  if ('any' in condition) return condition.any.some(isRange)
  return 'from' in condition
}

/** Whether a record whose terms `has` knows fulfils a condition without ranges. */
function meets(condition: Condition, has: (term: Term) => boolean): boolean {
  if ('any' in condition) return condition.any.some((one) => meets(one, has))
  return 'is' in condition && has(condition.is)
}

const RECORD_AT = 'SELECT kind, id, scope, revision, bytes FROM records WHERE seq = ?'

function pageOfFew(seqs: readonly number[], query: Query, { prepare, checked }: Looking): Found {
  const { behind, oldestFirst, offset = 0, limit } = query
  const left = seqs.filter((seq) => {
    return behind === undefined || (oldestFirst ? seq > behind : seq < behind)
  })
  const page = (oldestFirst ? left : left.toReversed()).slice(offset, offset + limit)
  const rows = page.flatMap((seq) => {
    // An index that was altered may name what is not there.
    return (prepare(RECORD_AT).get(seq) as RecordRow | undefined) ?? []
  })
  const ids = rows.map(({ id }) => id)
  const records = rows.filter(({ id }) => query.wants?.(id)).flatMap((row) => checked(row) ?? [])
  return { ids, records, place: endOf(page, query), ...(query.count && { total: seqs.length }) }
}

/**
 * The page of entries comes first, one look-up of a record for each: a set of them would be sorted.
 */
function page(
  query: Query,
  scopes: readonly number[] | undefined,
  prepare: Prepare,
  first: Condition | undefined,
): Piece {
  const { sql, values } = matchingSeqs(query, scopes, prepare, first)
  const order = query.oldestFirst ? 'ASC' : 'DESC'
  const entriesOfPage = `${sql} ORDER BY seq ${order} LIMIT ? OFFSET ?`
  const records = `SELECT r.id AS id, m.seq AS seq FROM (${entriesOfPage}) m CROSS JOIN records r
    ON r.seq = m.seq ORDER BY m.seq ${order}`
  return { sql: records, values }
}

/** Numbers of the scopes that exist; undefined for all. */
export function scopeNumbers(
  scopes: readonly string[] | undefined,
  prepare: Prepare,
  known: Map<string, number>,
): readonly number[] | undefined {
  return scopes?.flatMap((name) => {
    let number = known.get(name)
    if (number !== undefined) return [number]
    number = prepare('SELECT number FROM scopes WHERE name = ?').get(name)?.['number'] as
      | number
      | undefined
    if (number === undefined) return []
    known.set(name, number)
    return [number]
  })
}

/** Places of records; they come in order by themselves, or have to be sorted. */
interface Matching extends Piece {
  readonly isOrdered: boolean
}

/** @param first The condition whose entries are gone through; each is asked for the others. */
export function matchingSeqs(
  query: Query,
  scopes: readonly number[] | undefined,
  prepare: Prepare,
  first: Condition | undefined,
): Matching {
  const [kind, inScopes] = [query.kind, scopeFilter(scopes, prepare)]
  if (first === undefined) {
    const place = behind(query, 'seq')
    const sql = `SELECT seq FROM records WHERE kind = ? AND scope IN (${marks(inScopes)})`
    const where = place.map((one) => ` AND ${one.sql}`).join('')
    const values = [kind, ...inScopes, ...place.flatMap((one) => one.values)]
    return { sql: sql + where, values, isOrdered: true }
  }
  const others = query.conditions.filter((condition) => condition !== first)
  const rest = others.map((condition) => holds(condition, kind, inScopes))
  // One term has a record once, in order: nothing to sort, nothing to weed out. Several are merged.
  const terms = singleTerms(first) ?? []
  const isMerged = terms.length > 0 && terms.length <= MERGED_MAX
  const starts = isMerged ? terms.map((term) => ({ is: term })) : [first]
  const distinct = isMerged ? '' : 'DISTINCT'
  const selects = starts.map((start) => {
    const filters = [entries('t', start, kind, inScopes), ...behind(query, 't.seq'), ...rest]
    const where = filters.map(({ sql }) => sql).join(' AND ')
    return {
      sql: `SELECT ${distinct} t.seq AS seq FROM terms t WHERE ${where}`,
      values: filters.flatMap(({ values }) => values),
    }
  })
  return {
    sql: selects.map(({ sql }) => sql).join(' UNION '),
    values: selects.flatMap(({ values }) => values),
    isOrdered: isMerged && inScopes.length === 1,
  }
}

/** That a record comes behind the page before. */
function behind({ behind: place, oldestFirst }: Query, seq: string): readonly Piece[] {
  if (place === undefined) return []
  return [{ sql: `${seq} ${oldestFirst ? '>' : '<'} ?`, values: [place] }]
}

export function scopeFilter(
  scopes: readonly number[] | undefined,
  prepare: Prepare,
): readonly number[] {
  if (scopes !== undefined) return scopes
  return prepare('SELECT number FROM scopes')
    .all()
    .map((row) => row['number'] as number)
}

function marks(values: readonly unknown[]): string {
  return values.map(() => '?').join(', ')
}

/** Index entries of a condition, as a filter on the table with this alias. */
export function entries(
  alias: string,
  condition: Condition,
  kind: string,
  scopes: readonly number[],
): Piece {
  const where = `${alias}.kind = ? AND ${alias}.scope IN (${marks(scopes)}) AND `
  const head = [kind, ...scopes]
  if ('is' in condition)
    return { sql: `${where}${alias}.term = ?`, values: [...head, condition.is] }
  if ('from' in condition) {
    const sql = `${where}${alias}.term BETWEEN ? AND ?`
    return { sql, values: [...head, condition.from, condition.to] }
  }
  const pieces = condition.any.map((one) => entries(alias, one, kind, scopes))
  return {
    sql: `(${pieces.map(({ sql }) => `(${sql})`).join(' OR ')})`,
    values: pieces.flatMap(({ values }) => values),
  }
}

/** That a record found by another condition has this one too. */
export function holds(condition: Condition, kind: string, scopes: readonly number[]): Piece {
  const { sql, values } = entries('o', condition, kind, scopes)
  return { sql: `EXISTS (SELECT 1 FROM terms o WHERE ${sql} AND o.seq = t.seq)`, values }
}

/**
 * The condition with the fewest entries, and whether even it has many. Each is counted up to the
 * fewest found so far only, so that a name that one object has ends the counting.
 */
export function rarest(
  conditions: readonly Condition[],
  kind: string,
  scopes: readonly number[],
  prepare: Prepare,
): readonly [first: Condition | undefined, isMany: boolean] {
  // There is nothing to choose: it is not counted.
  if (conditions.length < 2) return [conditions[0], true]
  let [best, fewest] = [conditions[0], COUNT_MAX]
  for (const condition of conditions) {
    const { sql, values } = entries('t', condition, kind, scopes)
    const counted = `SELECT count(*) AS n FROM (SELECT 1 FROM terms t WHERE ${sql} LIMIT ?)`
    const count = Number(prepare(counted).get(...values, fewest)?.['n'])
    if (count < fewest) [best, fewest] = [condition, count]
    if (fewest <= 1) break
  }
  return [best, fewest === COUNT_MAX]
}
