/**
 * Finding records where every condition has many entries, or one is a range: in parts.
 *
 * One statement would hold up everybody until it is through. Here a part of the index is looked at
 * in one go, in a snapshot of its own, and others have their turn. What others write meanwhile may
 * be found or not.
 *
 * Without ranges the entries of one condition are gone through in the order of the records, until
 * the page is full. A range has its entries in the order of its values: all that match are found
 * first. That a given record is in a range no index tells, so that ranges are never asked for
 * single records: their entries are gone through once, whatever the other conditions are.
 *
 * @module
 */
import { setImmediate as pause } from 'node:timers/promises'
import type { Condition, Found, Query, Term } from '#core/database.ts'
import {
  entries,
  holds,
  isRange,
  type Looking,
  MERGED_MAX,
  matchingSeqs,
  type Piece,
  rarest,
  scopeFilter,
  scopeNumbers,
  singleTerms,
} from './find.ts'

/** Entries of which each is asked for the other conditions, in one go. */
const PART = 2_000

/** The first parts are smaller. */
const PART_LEAST = 50
const PART_GROWTH = 4

/** Entries that are only compared with records that are known already, in one go. */
const RANGE_PART = 20_000

/** So many known records are compared within the statement. */
const KNOWN_MAX = 1_000

/** Does some work in a snapshot of its own. */
export type InSnapshot = <T>(work: () => T) => T

interface Walk {
  readonly query: Query
  readonly looking: Looking
  readonly inSnapshot: InSnapshot
  readonly scopes: readonly number[]
  /** Conditions that single terms decide, and a few of them. */
  readonly exact: readonly Condition[]
  readonly ranges: readonly Condition[]
}

export async function walkRecords(
  query: Query,
  looking: Looking,
  inSnapshot: InSnapshot,
): Promise<Found> {
  const { prepare } = looking
  const scopes = inSnapshot(() => {
    return scopeFilter(scopeNumbers(query.scopes, prepare, looking.scopes), prepare)
  })
  const isExact = (condition: Condition): boolean => {
    const terms = isRange(condition) ? undefined : singleTerms(condition)
    return terms !== undefined && terms.length * scopes.length <= MERGED_MAX
  }
  const walk: Walk = {
    query,
    looking,
    inSnapshot,
    scopes,
    exact: query.conditions.filter(isExact),
    ranges: query.conditions.filter((condition) => !isExact(condition)),
  }
  const { seqs, total } = await (walk.ranges.length > 0 ? pageOfAll(walk) : pageInOrder(walk))
  const place = seqs.length < query.limit ? undefined : seqs.at(-1)
  return { ids: await idsOf(walk, seqs), place, ...(query.count && { total }) }
}

interface Page {
  readonly seqs: readonly number[]
  readonly total: number
}

/** Whether a record comes behind the page before. */
function isBehind(seq: number, { behind, oldestFirst }: Query): boolean {
  return behind === undefined || (oldestFirst ? seq > behind : seq < behind)
}

async function pageInOrder(walk: Walk): Promise<Page> {
  const { limit, offset = 0, count } = walk.query
  const seqs: number[] = []
  let [total, skipped] = [0, 0]
  for await (const part of partsInOrder(walk)) {
    total += part.length
    for (const seq of part) {
      if (!isBehind(seq, walk.query)) continue
      if (skipped < offset) skipped++
      else if (seqs.length < limit) seqs.push(seq)
    }
    if (!count && seqs.length >= limit) break
  }
  return { seqs, total }
}

async function* partsInOrder(walk: Walk) {
  const { query, inSnapshot } = walk
  let place = query.count ? undefined : query.behind
  // Mostly the first entries have the others as well: a short page needs few.
  let size = (query.offset ?? 0) + query.limit
  for (;;) {
    size = Math.min(PART, Math.max(size, PART_LEAST))
    const { seqs, end } = inSnapshot(() => partInOrder(walk, place, size))
    size *= PART_GROWTH
    yield seqs
    if (end === undefined) return
    place = end
    await pause()
  }
}

function partInOrder(walk: Walk, place: number | undefined, size: number) {
  const { query, looking, scopes, exact } = walk
  const { kind, oldestFirst } = query
  const [first, ...others] = exact as readonly [Condition, ...Condition[]]
  const [order, beyond, upTo] = oldestFirst ? ['ASC', '>', '<='] : ['DESC', '<', '>=']
  const bound = (sign: string, seq: number | undefined): readonly Piece[] => {
    return seq === undefined ? [] : [{ sql: `t.seq ${sign} ?`, values: [seq] }]
  }
  const behind = bound(beyond, place)
  const all = entriesOf(walk, first, behind)
  const last = `SELECT seq FROM (${all.sql}) ORDER BY seq ${order} LIMIT 1 OFFSET ?`
  const end = looking.prepare(last).get(...all.values, size - 1)?.['seq'] as number | undefined
  const rest = others.map((condition) => holds(condition, kind, scopes))
  const fitting = entriesOf(walk, first, [...behind, ...bound(upTo, end), ...rest])
  const rows = looking.prepare(`${fitting.sql} ORDER BY seq ${order}`).all(...fitting.values)
  return { seqs: rows.map((row) => row['seq'] as number), end }
}

/** Entries of a condition that single terms decide: each a run in order, and all of them merged. */
function entriesOf({ query, scopes }: Walk, condition: Condition, more: readonly Piece[]): Piece {
  const runs = (singleTerms(condition) as readonly Term[]).flatMap((is) => {
    return scopes.map((scope) => [entries('t', { is }, query.kind, [scope]), ...more])
  })
  return {
    sql: runs.map((run) => `SELECT t.seq AS seq FROM terms t WHERE ${joined(run)}`).join(' UNION '),
    values: runs.flat().flatMap(({ values }) => values),
  }
}

function joined(pieces: readonly Piece[]): string {
  return pieces.map(({ sql }) => sql).join(' AND ')
}

async function pageOfAll(walk: Walk): Promise<Page> {
  const { query } = walk
  const all = [...(await allMatching(walk))].toSorted((a, b) => a - b)
  const left = all.filter((seq) => isBehind(seq, query))
  const ordered = query.oldestFirst ? left : left.toReversed()
  const { offset = 0, limit } = query
  return { seqs: ordered.slice(offset, offset + limit), total: all.length }
}

async function allMatching(walk: Walk): Promise<ReadonlySet<number>> {
  let found = fewExact(walk)
  for (const range of walk.ranges) {
    if (found?.size === 0) break
    found = await inRange(walk, range, found)
  }
  return found as ReadonlySet<number>
}

/** All that the conditions without ranges find, where one of them alone has not many entries. */
function fewExact({ query, looking, inSnapshot, scopes, exact }: Walk) {
  return inSnapshot(() => {
    const { prepare } = looking
    const [first, isMany] = rarest(exact, query.kind, scopes, prepare)
    if (first === undefined || isMany) return undefined
    const wanted = { ...query, conditions: exact, behind: undefined }
    const { sql, values } = matchingSeqs(wanted, scopes, prepare, first)
    return new Set(
      prepare(sql)
        .all(...values)
        .map((row) => row['seq'] as number),
    )
  })
}

/** Records of a range: those of the known ones, or else those that the exact conditions fit. */
async function inRange(walk: Walk, range: Condition, known: ReadonlySet<number> | undefined) {
  const { query, scopes, exact } = walk
  const isWithin = known !== undefined && known.size <= KNOWN_MAX
  const within = { sql: 't.seq IN (SELECT value FROM json_each(?))' }
  const filters = isWithin
    ? [{ ...within, values: [JSON.stringify([...known])] }]
    : known === undefined
      ? exact.map((condition) => holds(condition, query.kind, scopes))
      : []
  const found = new Set<number>()
  for (const scope of scopes) {
    for (const span of spansOf(range)) {
      for await (const seqs of partsOfSpan(walk, { ...span, scope }, filters, isWithin)) {
        for (const seq of seqs) if (known === undefined || known.has(seq)) found.add(seq)
        if (found.size === known?.size) return found
      }
    }
  }
  return found
}

interface Span {
  readonly from: Term
  readonly to: Term
}

function spansOf(condition: Condition): readonly Span[] {
  if ('any' in condition) return condition.any.flatMap(spansOf)
  return ['is' in condition ? { from: condition.is, to: condition.is } : condition]
}

async function* partsOfSpan(
  { query, looking, inSnapshot }: Walk,
  { from, to, scope }: Span & { readonly scope: number },
  filters: readonly Piece[],
  isWithin: boolean,
) {
  const { prepare } = looking
  const entry = 't.kind = ? AND t.scope = ? AND (t.term, t.seq) > (?, ?)'
  const last = `SELECT term, seq FROM terms t WHERE ${entry} AND t.term <= ?
    ORDER BY t.term, t.seq LIMIT 1 OFFSET ${(isWithin ? RANGE_PART : PART) - 1}`
  const part = { sql: `${entry} AND (t.term, t.seq) <= (?, ?)` }
  const fitting = `SELECT t.seq AS seq FROM terms t WHERE ${joined([{ ...part, values: [] }, ...filters])}`
  const rest = filters.flatMap(({ values }) => values)
  let [term, seq] = [from, -1]
  for (;;) {
    const behind = [query.kind, scope, term, seq] as const
    const { end, rows } = inSnapshot(() => {
      const row = prepare(last).get(...behind, to)
      const until = row === undefined ? [to, Number.MAX_SAFE_INTEGER] : [row['term'], row['seq']]
      const [endTerm, endSeq] = until as [Term, number]
      return { end: row, rows: prepare(fitting).all(...behind, endTerm, endSeq, ...rest) }
    })
    yield rows.map((row) => row['seq'] as number)
    if (end === undefined) return
    ;[term, seq] = [end['term'] as Term, end['seq'] as number]
    await pause()
  }
}

async function idsOf({ looking, inSnapshot }: Walk, seqs: readonly number[]) {
  const ids: string[] = []
  const at = 'SELECT id FROM records WHERE seq = ?'
  for (let from = 0; from < seqs.length; from += PART) {
    if (from > 0) await pause()
    const rows = inSnapshot(() => {
      return seqs.slice(from, from + PART).map((seq) => looking.prepare(at).get(seq))
    })
    // It may have gone since, or an index that was altered names what is not there.
    ids.push(...rows.flatMap((row) => (row?.['id'] as string | undefined) ?? []))
  }
  return ids
}
