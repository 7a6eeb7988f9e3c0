/**
 * Writing: what happens within one transaction of the SQLite database.
 *
 * Runs in a thread of its own (`writer-thread.ts`), so that waiting for the disk keeps nobody else
 * waiting. Several requests that arrive while the disk is busy share the next transaction; within
 * it each has a savepoint, so that one that fails leaves the others alone.
 *
 * @module
 */
import { createHmac } from 'node:crypto'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { AuditEntry } from '#core/audit.ts'
import type { RecordChange, SealedDataKey } from '#core/database.ts'
import { type FailureCode, KmsError } from '#core/errors.ts'
import { LedgerReader, LedgerWriter, type Trail } from './ledger.ts'

/** One caller's changes; all or none. */
export interface WriteRequest {
  readonly changes: readonly RecordChange[]
  readonly entries: readonly AuditEntry[]
  readonly dataKeys?: { readonly keys: readonly SealedDataKey[]; readonly rootName: string }
  /** Removes the audit entries up to this number, but never the newest. */
  readonly trimAudit?: number
}

/** Why a request failed; undefined when it was written. */
export type WriteOutcome = { readonly code: FailureCode; readonly message: string } | undefined

/** The newest audit entry: what the next one is chained to. */
interface ChainEnd {
  readonly seq: number
  readonly chain: Uint8Array
}

interface Row {
  readonly seq: number
  readonly revision: number
}

export class Writer {
  readonly #database: DatabaseSync
  readonly #ledgerKey: Uint8Array
  readonly #ledger: LedgerReader
  readonly #auditKey: Uint8Array
  readonly #statements = new Map<string, StatementSync>()
  readonly #scopes = new Map<string, number>()
  #chainEnd: ChainEnd | undefined
  #trail: Trail = { removed: 0, last: 0 }

  constructor(database: DatabaseSync, ledgerKey: Uint8Array, auditKey: Uint8Array) {
    this.#database = database
    this.#ledgerKey = ledgerKey
    this.#ledger = new LedgerReader(ledgerKey, (page) => this.#page(page))
    this.#auditKey = auditKey
  }

  /** Writes all requests in one transaction; the outcomes stand in their order. */
  write(requests: readonly WriteRequest[]): readonly WriteOutcome[] {
    try {
      this.#database.exec('BEGIN IMMEDIATE')
      const ledger = new LedgerWriter(this.#ledgerKey, this.#ledger)
      this.#trail = this.#ledger.trail() ?? { removed: 0, last: this.#lastEntry().seq }
      const outcomes = requests.map((request) => this.#writeOne(request, ledger))
      ledger.setTrail(this.#trail)
      for (const [page, bytes] of ledger.pages()) {
        this.#run('INSERT OR REPLACE INTO ledger (page, bytes) VALUES (?, ?)', page, bytes)
      }
      this.#database.exec('COMMIT')
      return outcomes
    } catch (error) {
      this.#abandon()
      const refused = refusalOf(error)
      return requests.map(() => refused)
    }
  }

  #writeOne(request: WriteRequest, ledger: LedgerWriter): WriteOutcome {
    this.#database.exec('SAVEPOINT request')
    const done: RecordChange[] = []
    const trail = this.#trail
    try {
      for (const change of request.changes) {
        // Refuses this request alone where the pages that it would build upon were altered.
        this.#ledger.revisionOf(change.kind, change.id)
        this.#apply(change)
        done.push(change)
      }
      if (request.dataKeys !== undefined) this.#replaceDataKeys(request.dataKeys)
      if (request.trimAudit !== undefined) this.#trim(request.trimAudit)
      for (const entry of request.entries) this.#append(entry)
      this.#database.exec('RELEASE request')
    } catch (error) {
      if (!(error instanceof KmsError)) throw error
      this.#database.exec('ROLLBACK TO request; RELEASE request')
      this.#chainEnd = undefined
      this.#trail = trail
      return { code: error.code, message: error.message }
    }
    for (const { kind, id, bytes, revision } of done) {
      ledger.set(kind, id, bytes === undefined ? undefined : revision)
    }
    return undefined
  }

  #apply(change: RecordChange): void {
    const { kind, id, previous, bytes } = change
    const sql = 'SELECT seq, revision FROM records WHERE kind = ? AND id = ?'
    const row = this.#prepared(sql).get(kind, id) as Row | undefined
    if (previous === 0 && row !== undefined) {
      throw new KmsError('exists', `Cannot create ${kind} "${id}": it exists`)
    }
    if (previous !== 0 && row?.revision !== previous) {
      throw new KmsError(
        'conflict',
        `Cannot change ${kind} "${id}": it was changed by another request`,
      )
    }
    const scope = this.#scope(change.scope)
    const seq = row?.seq ?? 0
    if (bytes === undefined) this.#removed(change, scope, seq)
    else this.#indexed(change, scope, this.#stored(change, scope, seq, bytes))
  }

  #stored(change: RecordChange, scope: number, seq: number, bytes: Uint8Array): number {
    const { kind, id, revision, due } = change
    if (seq !== 0) {
      const sql = 'UPDATE records SET scope = ?, revision = ?, due = ?, bytes = ? WHERE seq = ?'
      this.#run(sql, scope, revision, due ?? null, bytes, seq)
      return seq
    }
    const sql =
      'INSERT INTO records (kind, id, scope, revision, due, bytes) VALUES (?, ?, ?, ?, ?, ?)'
    return this.#run(sql, kind, id, scope, revision, due ?? null, bytes)
  }

  #removed(change: RecordChange, scope: number, seq: number): void {
    this.#indexed(change, scope, seq)
    this.#run('DELETE FROM records WHERE seq = ?', seq)
  }

  #indexed({ kind, terms, claims }: RecordChange, scope: number, seq: number): void {
    for (const term of terms.remove) {
      const sql = 'DELETE FROM terms WHERE kind = ? AND scope = ? AND term = ? AND seq = ?'
      this.#run(sql, kind, scope, term, seq)
    }
    for (const term of terms.add) {
      const sql = 'INSERT OR IGNORE INTO terms (kind, scope, term, seq) VALUES (?, ?, ?, ?)'
      this.#run(sql, kind, scope, term, seq)
    }
    for (const term of claims.remove) {
      const sql = 'DELETE FROM claims WHERE kind = ? AND scope = ? AND term = ? AND seq = ?'
      this.#run(sql, kind, scope, term, seq)
    }
    for (const term of claims.add) this.#claim(kind, scope, term, seq)
  }

  #claim(kind: string, scope: number, term: Uint8Array, seq: number): void {
    const sql = 'SELECT seq FROM claims WHERE kind = ? AND scope = ? AND term = ?'
    const holder = this.#prepared(sql).get(kind, scope, term) as { seq: number } | undefined
    if (holder?.seq === seq) return
    if (holder !== undefined) {
      throw new KmsError('nameInUse', 'Cannot give the name: another object of this scope has it')
    }
    this.#run(
      'INSERT INTO claims (kind, scope, term, seq) VALUES (?, ?, ?, ?)',
      kind,
      scope,
      term,
      seq,
    )
  }

  #scope(name: string): number {
    const known = this.#scopes.get(name)
    if (known !== undefined) return known
    this.#run('INSERT OR IGNORE INTO scopes (name) VALUES (?)', name)
    const row = this.#prepared('SELECT number FROM scopes WHERE name = ?').get(name)
    const number = row?.['number'] as number
    this.#scopes.set(name, number)
    return number
  }

  #replaceDataKeys({ keys, rootName }: NonNullable<WriteRequest['dataKeys']>): void {
    this.#database.exec('DELETE FROM data_keys')
    for (const { number, sealed } of keys) {
      this.#run('INSERT INTO data_keys (number, sealed) VALUES (?, ?)', number, sealed)
    }
    this.#run("INSERT OR REPLACE INTO meta (key, value) VALUES ('root_name', ?)", rootName)
  }

  #append(entry: AuditEntry): void {
    const { time, last, count, principal, front, operation, object, outcome, detail } = entry
    const before = this.#lastEntry()
    // Not the next row: where newest entries were cut off, a gap remains for `verify` to see.
    const seq = Math.max(this.#trail.last, before.seq) + 1
    const chain = chainCode(this.#auditKey, before.chain, entry)
    const sql = `INSERT INTO audit
      (seq, time, last, count, principal, front, operation, object, outcome, detail, chain)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
    const words = [principal, front, operation, object ?? null, outcome, detail ?? null]
    this.#run(sql, seq, time, last, count, ...words, chain)
    this.#chainEnd = { seq, chain }
    this.#trail = { ...this.#trail, last: seq }
  }

  #trim(upTo: number): void {
    const chain = this.#prepared('SELECT chain FROM audit WHERE seq = ?').get(upTo)?.['chain']
    if (!(chain instanceof Uint8Array) || upTo >= this.#lastEntry().seq) return
    this.#run('DELETE FROM audit WHERE seq <= ?', upTo)
    const anchor = Buffer.from(chain).toString('hex')
    this.#run("INSERT OR REPLACE INTO meta (key, value) VALUES ('audit_anchor', ?)", anchor)
    this.#trail = { ...this.#trail, removed: upTo }
  }

  #lastEntry(): ChainEnd {
    if (this.#chainEnd === undefined) {
      const row = this.#prepared('SELECT seq, chain FROM audit ORDER BY seq DESC LIMIT 1').get()
      this.#chainEnd = (row as ChainEnd | undefined) ?? { seq: 0, chain: new Uint8Array(0) }
    }
    return this.#chainEnd
  }

  #page(page: number): Uint8Array | undefined {
    const row = this.#prepared('SELECT bytes FROM ledger WHERE page = ?').get(page)
    return row?.['bytes'] as Uint8Array | undefined
  }

  /** Undoes what a failed transaction has done, here and in the database. */
  #abandon(): void {
    this.#chainEnd = undefined
    this.#scopes.clear()
    try {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
    } catch {
      // SQLite has rolled back by itself: a full disk does that.
    }
  }

  /** @returns The row number of an insertion. */
  #run(sql: string, ...values: readonly (number | string | Uint8Array | null)[]): number {
    return Number(this.#prepared(sql).run(...values).lastInsertRowid)
  }

  #prepared(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#database.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }
}

/** Chains an audit entry to the one before it; whoever removes or alters one breaks the rest. */
export function chainCode(key: Uint8Array, before: Uint8Array, entry: AuditEntry): Uint8Array {
  const { time, last, count, principal, front, operation, object, outcome, detail } = entry
  const words = [time, last, count, principal, front, operation, object, outcome, detail]
  const text = JSON.stringify(words.map((word) => word ?? null))
  return createHmac('sha256', key).update(before).update(text).digest().subarray(0, 16)
}

/** SQLite's result codes, https://www.sqlite.org/rescode.html */
const SQLITE_FULL = 13
const SQLITE_READONLY = 8
const SQLITE_IOERR = 10
const SQLITE_CANTOPEN = 14

const REFUSALS: Readonly<Record<number, string>> = {
  [SQLITE_FULL]: 'the disk of the database is full; free space on it, nothing was lost',
  [SQLITE_READONLY]: 'the disk of the database is read-only; make it writable, nothing was lost',
  [SQLITE_IOERR]: 'the disk of the database reports an error; nothing was lost',
  [SQLITE_CANTOPEN]: 'a file of the database cannot be opened; nothing was lost',
}

function refusalOf(error: unknown): NonNullable<WriteOutcome> {
  if (error instanceof KmsError) return { code: error.code, message: error.message }
  const result = Number((error as { errcode?: number }).errcode ?? 0) & 0xff
  const why = REFUSALS[result] ?? `SQLite says: ${(error as Error).message}`
  return { code: 'storageUnavailable', message: `Cannot write: ${why}` }
}
