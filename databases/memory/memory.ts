/**
 * A database that forgets: session objects of PKCS#11 applications live in one.
 *
 * It keeps the contract of `core/database.ts` but for what outlives the process. Records are found
 * by an index of terms; a range of terms is a look at every term of the index, which is the few
 * objects of one application.
 *
 * Nothing here is a defence against whoever can write in the memory of the process.
 *
 * @module
 */
import type { AuditEntry } from '#core/audit.ts'
import type {
  AuditQuery,
  AuditTrim,
  Condition,
  Database,
  Found,
  Query,
  RecordChange,
  RecordKind,
  SealedDataKey,
  StoredRecord,
  Term,
} from '#core/database.ts'
import { KmsError } from '#core/errors.ts'

interface Row extends StoredRecord {
  /** Grows with every new record: the order of age. */
  readonly seq: number
  readonly terms: ReadonlySet<string>
  readonly claims: ReadonlySet<string>
  readonly due: number | undefined
}

/** What is remembered; more than one {@link MemoryDatabase} may look at it. */
export class MemoryContents {
  /** By kind and identifier. */
  readonly rows = new Map<string, Row>()
  /** By kind and term: keys of rows. */
  readonly index = new Map<string, Set<string>>()
  /** By kind, scope and term: the key of the row that has it. */
  readonly claims = new Map<string, string>()
  entries: AuditEntry[] = []
  seq = 0
}

const NONE: ReadonlySet<string> = new Set()

export class MemoryDatabase implements Database {
  readonly #contents: MemoryContents
  readonly #forward: ((entries: readonly AuditEntry[]) => Promise<void>) | undefined
  #closed = false

  /** @param forward Takes the audit entries, which shall not be forgotten; default: kept here. */
  constructor(
    contents: MemoryContents = new MemoryContents(),
    forward?: (entries: readonly AuditEntry[]) => Promise<void>,
  ) {
    this.#contents = contents
    this.#forward = forward
  }

  async read(kind: RecordKind, id: string): Promise<StoredRecord | undefined> {
    this.#assertOpen()
    return stored(this.#contents.rows.get(rowKey(kind, id)))
  }

  async readAll(
    kind: RecordKind,
    ids: readonly string[],
  ): Promise<readonly (StoredRecord | undefined)[]> {
    this.#assertOpen()
    return ids.map((id) => stored(this.#contents.rows.get(rowKey(kind, id))))
  }

  async find(query: Query): Promise<Found> {
    this.#assertOpen()
    const { kind, scopes, limit, offset = 0, behind, oldestFirst } = query
    const inScope = (row: Row): boolean => scopes?.includes(row.scope) ?? true
    const rows = this.#matching(query).filter((row) => row.kind === kind && inScope(row))
    const sign = oldestFirst ? 1 : -1
    rows.sort((a, b) => sign * (a.seq - b.seq))
    const left = rows.filter(({ seq }) => behind === undefined || sign * (seq - behind) > 0)
    const page = left.slice(offset, offset + limit)
    const ids = page.map(({ id }) => id)
    const place = page.length < limit ? undefined : page.at(-1)?.seq
    return { ids, place, ...(query.count && { total: rows.length }) }
  }

  #matching({ kind, conditions }: Query): Row[] {
    const { rows } = this.#contents
    const [first, ...rest] = conditions.map((one) => this.#keysOf(kind, one))
    if (first === undefined) return [...rows.values()]
    const keys = [...first].filter((key) => rest.every((others) => others.has(key)))
    return keys.flatMap((key) => rows.get(key) ?? [])
  }

  #keysOf(kind: RecordKind, condition: Condition): ReadonlySet<string> {
    const { index } = this.#contents
    if ('is' in condition) return index.get(`${kind} ${text(condition.is)}`) ?? NONE
    if ('any' in condition) {
      return new Set(condition.any.flatMap((one) => [...this.#keysOf(kind, one)]))
    }
    const [from, to] = [`${kind} ${text(condition.from)}`, `${kind} ${text(condition.to)}`]
    return new Set(
      [...index].flatMap(([term, keys]) => (from <= term && term <= to ? [...keys] : [])),
    )
  }

  async due(kind: RecordKind, now: number, limit: number): Promise<readonly string[]> {
    this.#assertOpen()
    const due = [...this.#contents.rows.values()].filter((row) => {
      return row.kind === kind && row.due !== undefined && row.due <= now
    })
    due.sort((a, b) => (a.due as number) - (b.due as number))
    return due.slice(0, limit).map(({ id }) => id)
  }

  async commit(changes: readonly RecordChange[], entries: readonly AuditEntry[]): Promise<void> {
    this.#assertOpen()
    const undo: (() => void)[] = []
    try {
      for (const change of changes) undo.push(this.#apply(change))
    } catch (error) {
      for (const back of undo.reverse()) back()
      throw error
    }
    if (this.#forward === undefined) this.#contents.entries.push(...entries)
    else if (entries.length > 0) await this.#forward(entries)
  }

  /** @returns What puts everything back. */
  #apply(change: RecordChange): () => void {
    const key = rowKey(change.kind, change.id)
    const before = this.#contents.rows.get(key)
    assertRevision(change, before)
    const after = change.bytes && this.#rowOf(change, before)
    for (const claim of after?.claims ?? []) this.#assertFree(claim, key, change)
    this.#replace(key, before, after)
    return () => this.#replace(key, after, before)
  }

  #rowOf(change: RecordChange, before: Row | undefined): Row {
    const { kind, id, scope, revision, due } = change
    const terms = changed(before?.terms, change.terms, (term) => `${kind} ${term}`)
    const claims = changed(before?.claims, change.claims, (term) => `${kind} ${scope} ${term}`)
    const bytes = change.bytes as Uint8Array
    const seq = before?.seq ?? ++this.#contents.seq
    return { kind, id, scope, revision, bytes, seq, terms, claims, due }
  }

  #assertFree(claim: string, key: string, { id }: RecordChange): void {
    const holder = this.#contents.claims.get(claim)
    if (holder === undefined || holder === key) return
    throw new KmsError('nameInUse', `Cannot write "${id}": another object has its name`)
  }

  #replace(key: string, before: Row | undefined, after: Row | undefined): void {
    const { rows, index, claims } = this.#contents
    for (const term of before?.terms ?? []) {
      const keys = index.get(term)
      keys?.delete(key)
      if (keys?.size === 0) index.delete(term)
    }
    for (const claim of before?.claims ?? []) claims.delete(claim)
    rows.delete(key)
    if (after === undefined) return
    rows.set(key, after)
    for (const term of after.terms) {
      const keys = index.get(term)
      if (keys === undefined) index.set(term, new Set([key]))
      else keys.add(key)
    }
    for (const claim of after.claims) claims.set(claim, key)
  }

  async audit(query: AuditQuery): Promise<readonly AuditEntry[]> {
    this.#assertOpen()
    const { since = -Infinity, until = Infinity, principal, operation, object, limit } = query
    const fits = (entry: AuditEntry): boolean =>
      entry.last >= since &&
      entry.time <= until &&
      (principal ?? entry.principal) === entry.principal &&
      (operation ?? entry.operation) === entry.operation &&
      (object === undefined || object === entry.object)
    return this.#contents.entries.filter(fits).reverse().slice(0, limit)
  }

  async trimAudit({ before, keep }: AuditTrim): Promise<number> {
    this.#assertOpen()
    const { entries } = this.#contents
    const surplus = entries.length - keep
    let count = 0
    while (count < entries.length - 1) {
      const entry = entries[count] as AuditEntry
      if (count >= surplus && entry.last >= before) break
      count++
    }
    this.#contents.entries = entries.slice(count)
    return count
  }

  /** There are none: what is never written down needs no sealing by a root key. */
  async replaceDataKeys(_keys: readonly SealedDataKey[], _rootName: string): Promise<void> {
    this.#assertOpen()
  }

  /** What is in memory is what was written. */
  async verify(progress?: (checked: number, total: number) => void): Promise<readonly string[]> {
    this.#assertOpen()
    const { size } = this.#contents.rows
    progress?.(size, size)
    return []
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #assertOpen(): void {
    if (!this.#closed) return
    throw new KmsError('storageUnavailable', 'Cannot use the database: it is closed')
  }
}

function stored(row: Row | undefined): StoredRecord | undefined {
  if (row === undefined) return undefined
  const { kind, id, scope, revision, bytes } = row
  return { kind, id, scope, revision, bytes }
}

function rowKey(kind: RecordKind, id: string): string {
  return `${kind} ${id}`
}

function text(term: Term): string {
  return Buffer.from(term).toString('latin1')
}

function changed(
  before: ReadonlySet<string> = NONE,
  { add, remove }: RecordChange['terms'],
  keyOf: (term: string) => string,
): ReadonlySet<string> {
  const after = new Set(before)
  for (const term of remove) after.delete(keyOf(text(term)))
  for (const term of add) after.add(keyOf(text(term)))
  return after
}

function assertRevision({ id, previous }: RecordChange, before: Row | undefined): void {
  if ((before?.revision ?? 0) === previous) return
  if (previous === 0) throw new KmsError('exists', `Cannot write "${id}": it exists already`)
  const what = `Cannot write "${id}": its revision is not ${previous} any more`
  throw new KmsError('conflict', what)
}
