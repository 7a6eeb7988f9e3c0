/**
 * The embedded database: one SQLite file.
 *
 * Reads happen here, on a connection of their own; writes go to a thread (`writer-thread.ts`). The
 * file is in WAL mode, so that neither waits for the other, and every commit is flushed to the disk
 * before it is acknowledged. Every record that is read is checked against the ledger in the same
 * snapshot.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { setImmediate as pause } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { AuditEntry } from '#core/audit.ts'
import { sameBytes } from '#core/bytes.ts'
import type {
  AuditQuery,
  AuditTrim,
  Database,
  Found,
  Query,
  RecordChange,
  RecordKind,
  SealedDataKey,
  StoredRecord,
} from '#core/database.ts'
import { isTampered, KmsError } from '#core/errors.ts'
import { explained, migrate, openForReading, openForWriting } from './connection.ts'
import { countPart, findRecords, type Looking, type RecordRow } from './find.ts'
import { LedgerReader } from './ledger.ts'
import { walkRecords } from './walk.ts'
import { chainCode, type WriteRequest } from './writer.ts'
import type { WriteAnswer, WriterData } from './writer-thread.ts'

/** Keys for what the database itself authenticates. */
export interface DatabaseKeys {
  readonly ledgerKey: Uint8Array
  readonly auditKey: Uint8Array
}

/** What lies in the file before anything is unlocked. */
export interface LockedDatabase {
  readonly rootName: string | undefined
  readonly dataKeys: readonly SealedDataKey[]
  /** Writes the first data keys into an empty database. */
  initialise(keys: readonly SealedDataKey[], rootName: string): void
  /** Starts reading and writing. */
  unlock(keys: DatabaseKeys, options: { readonly writeQueueMax: number }): Promise<Database>
}

/** Opens or creates the file and brings it to its newest shape. */
export function openSqlite(path: string): LockedDatabase {
  try {
    return openFile(path)
  } catch (error) {
    throw explained(`Cannot open the database ${path}`, error)
  }
}

function openFile(path: string): LockedDatabase {
  const database = openForWriting(path)
  try {
    migrate(database)
    const rows = database.prepare('SELECT number, sealed FROM data_keys ORDER BY number').all()
    const name = database.prepare("SELECT value FROM meta WHERE key = 'root_name'").get()
    return {
      rootName: name?.['value'] as string | undefined,
      dataKeys: rows as unknown as readonly SealedDataKey[],
      initialise: (keys, rootName) => initialise(path, keys, rootName),
      unlock: async (keys, options) => new SqliteDatabase(path, keys, options.writeQueueMax),
    }
  } finally {
    database.close()
  }
}

function initialise(path: string, keys: readonly SealedDataKey[], rootName: string): void {
  const database = openForWriting(path)
  try {
    database.exec('BEGIN IMMEDIATE')
    const insert = database.prepare('INSERT INTO data_keys (number, sealed) VALUES (?, ?)')
    for (const { number, sealed } of keys) insert.run(number, sealed)
    database.prepare("INSERT INTO meta (key, value) VALUES ('root_name', ?)").run(rootName)
    database.exec('COMMIT')
  } finally {
    database.close()
  }
}

const SELECT_RECORD =
  'SELECT kind, id, scope, revision, bytes FROM records WHERE kind = ? AND id = ?'

interface AuditRow extends AuditEntry {
  readonly seq: number
  readonly chain: Uint8Array
}

/** Audit entries that one transaction removes: the next request does not wait long for it. */
const TRIM_ROWS = 1_000

/** Rows that are checked before requests have their turn. */
const VERIFY_ROWS = 50

/** The thread starts when there is something to write, or after whoever opened the database. */
const START_MILLISECONDS = 100

/** Prepared statements that are kept. */
const STATEMENTS_MAX = 500

interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

class SqliteDatabase implements Database {
  readonly #path: string
  readonly #keys: DatabaseKeys
  readonly #reader: DatabaseSync
  readonly #startWorker: () => Worker
  readonly #starting: NodeJS.Timeout
  #worker: Worker | undefined
  readonly #ledger: LedgerReader
  readonly #auditKey: Uint8Array
  readonly #writeQueueMax: number
  readonly #waiting = new Map<number, Waiting>()
  readonly #scopeNames = new Map<number, string>()
  readonly #statements = new Map<string, StatementSync>()
  readonly #looking: Looking
  #next = 1
  #closed = false

  constructor(path: string, keys: DatabaseKeys, writeQueueMax: number) {
    this.#path = path
    this.#keys = keys
    const workerData: WriterData = { path, ...keys }
    this.#startWorker = () => {
      return new Worker(new URL('./writer-thread.ts', import.meta.url), { workerData })
    }
    this.#reader = openForReading(path)
    this.#starting = setTimeout(() => this.#writer(), START_MILLISECONDS).unref()
    this.#auditKey = keys.auditKey
    this.#writeQueueMax = writeQueueMax
    this.#looking = {
      prepare: (sql) => this.#prepared(sql),
      checked: (row) => (this.#isLast(row) ? this.#stored(row) : undefined),
      scopes: new Map(),
    }
    this.#ledger = new LedgerReader(keys.ledgerKey, (page) => {
      const row = this.#prepared('SELECT bytes FROM ledger WHERE page = ?').get(page)
      return row?.['bytes'] as Uint8Array | undefined
    })
  }

  get waiting(): number {
    return this.#waiting.size
  }

  #writer(): Worker {
    if (this.#worker !== undefined) return this.#worker
    clearTimeout(this.#starting)
    const worker = this.#startWorker()
    worker.on('message', (answer: WriteAnswer) => this.#answered(answer))
    worker.on('error', (error) => this.#broken(error))
    worker.unref()
    this.#worker = worker
    return worker
  }

  async read(kind: RecordKind, id: string): Promise<StoredRecord | undefined> {
    return this.#snapshot(() => this.#readOne(kind, id))
  }

  async readAll(
    kind: RecordKind,
    ids: readonly string[],
  ): Promise<readonly (StoredRecord | undefined)[]> {
    return this.#snapshot(() => ids.map((id) => this.#readOne(kind, id)))
  }

  #readOne(kind: RecordKind, id: string): StoredRecord | undefined {
    const row = this.#prepared(SELECT_RECORD).get(kind, id) as RecordRow | undefined
    this.#assertLast(kind, id, row?.revision)
    return row && this.#stored(row)
  }

  /** @throws `KmsError` `tampered` where the ledger has another revision. */
  #assertLast(kind: RecordKind, id: string, found: number | undefined): void {
    const revision = this.#ledger.revisionOf(kind, id)
    if (found === revision) return
    throw new KmsError('tampered', `Cannot use ${kind} "${id}": ${mismatch(found, revision)}`)
  }

  #isLast({ kind, id, revision }: RecordRow): boolean {
    try {
      this.#assertLast(kind, id, revision)
      return true
    } catch (error) {
      if (isTampered(error)) return false
      throw error
    }
  }

  #stored({ kind, id, scope: number, revision, bytes }: RecordRow): StoredRecord {
    let scope = this.#scopeNames.get(number)
    if (scope === undefined) {
      const row = this.#prepared('SELECT name FROM scopes WHERE number = ?').get(number)
      scope = String(row?.['name'])
      // No scope ever changes its number.
      this.#scopeNames.set(number, scope)
    }
    return { kind, id, scope, revision, bytes }
  }

  async find(query: Query): Promise<Found> {
    const found = this.#snapshot(() => findRecords(query, this.#looking))
    const { isUncounted, isLong, ...page } = found
    if (isLong) return walkRecords(query, this.#looking, (work) => this.#snapshot(work))
    if (!isUncounted) return page
    const total = await this.#count(query)
    // What others write meanwhile may have been counted or not.
    const least = page.ids.length === 0 ? 0 : (query.offset ?? 0) + page.ids.length
    return { ...page, total: Math.max(total, least) }
  }

  async #count(query: Query): Promise<number> {
    let total = 0
    let place: number | undefined
    do {
      if (total > 0) await pause()
      const part = this.#snapshot(() => countPart(query, place, this.#looking))
      total += part.count
      ;({ place } = part)
    } while (place !== undefined)
    return total
  }

  async due(kind: RecordKind, now: number, limit: number): Promise<readonly string[]> {
    const sql = 'SELECT id FROM records WHERE kind = ? AND due <= ? ORDER BY due LIMIT ?'
    const rows = this.#snapshot(() => this.#prepared(sql).all(kind, now, limit))
    return rows.map((row) => row['id'] as string)
  }

  commit(changes: readonly RecordChange[], entries: readonly AuditEntry[]): Promise<void> {
    return this.#write({ changes, entries })
  }

  replaceDataKeys(
    keys: readonly SealedDataKey[],
    rootName: string,
    entries: readonly AuditEntry[] = [],
  ): Promise<void> {
    return this.#write({ changes: [], entries, dataKeys: { keys, rootName } })
  }

  #write(request: WriteRequest): Promise<void> {
    if (this.#closed) {
      return Promise.reject(
        new KmsError('storageUnavailable', 'Cannot write: the database is closed'),
      )
    }
    if (this.#waiting.size >= this.#writeQueueMax) {
      const what = `Cannot write: ${this.#waiting.size} changes wait for the disk already; try again`
      return Promise.reject(new KmsError('limitExceeded', what))
    }
    const number = this.#next++
    return new Promise((resolve, reject) => {
      const worker = this.#writer()
      // The process lives while somebody waits for the disk.
      if (this.#waiting.size === 0) worker.ref()
      this.#waiting.set(number, { resolve, reject })
      worker.postMessage({ number, request })
    })
  }

  #answered({ number, outcome }: WriteAnswer): void {
    const waiting = this.#waiting.get(number)
    this.#waiting.delete(number)
    if (this.#waiting.size === 0) this.#worker?.unref()
    if (outcome === undefined) waiting?.resolve()
    else waiting?.reject(new KmsError(outcome.code, outcome.message))
  }

  /** The thread has ended by itself: nothing can be written any more. */
  #broken(cause: unknown): void {
    this.#closed = true
    const error = new KmsError('storageUnavailable', 'Cannot write: the writer has failed', {
      cause,
    })
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }

  async audit(query: AuditQuery): Promise<readonly AuditEntry[]> {
    const filters: [string, number | string | undefined][] = [
      ['last >= ?', query.since],
      ['time <= ?', query.until],
      ['principal = ?', query.principal],
      ['operation = ?', query.operation],
      ['object = ?', query.object],
    ]
    const given = filters.filter(([, value]) => value !== undefined)
    const where = given.length === 0 ? '' : `WHERE ${given.map(([sql]) => sql).join(' AND ')}`
    const sql = `SELECT time, last, count, principal, front, operation, object, outcome, detail
      FROM audit ${where} ORDER BY seq DESC LIMIT ?`
    const values = given.map(([, value]) => value as number | string)
    const rows = this.#snapshot(() => this.#prepared(sql).all(...values, query.limit))
    return rows as unknown as readonly AuditEntry[]
  }

  /** On a connection of its own: it sees one state throughout, and requests go on meanwhile. */
  async verify(progress?: (checked: number, total: number) => void): Promise<readonly string[]> {
    const own = new SqliteDatabase(this.#path, this.#keys, 0)
    clearTimeout(own.#starting)
    try {
      own.#prepared('BEGIN').run()
      return await own.#verified(progress)
    } finally {
      own.#reader.close()
    }
  }

  async #verified(
    progress: ((checked: number, total: number) => void) | undefined,
  ): Promise<readonly string[]> {
    const problems: string[] = []
    try {
      await this.#verifyRecords(problems, progress)
    } catch (error) {
      // The file itself is damaged: what can be read behind that place is read all the same.
      problems.push(messageOf(error))
    }
    return [...problems, ...(await this.#verifyCount()), ...(await this.#verifyAudit())]
  }

  async #verifyRecords(
    problems: string[],
    progress: ((checked: number, total: number) => void) | undefined,
  ): Promise<void> {
    const total = Number(this.#prepared('SELECT count(*) AS n FROM records').get()?.['n'])
    let checked = 0
    for (const row of this.#prepared('SELECT kind, id FROM records').iterate()) {
      const { kind, id } = row as unknown as Pick<RecordRow, 'kind' | 'id'>
      try {
        this.#readOne(kind, id)
      } catch (error) {
        problems.push(messageOf(error))
      }
      if (++checked % 1_000 === 0) progress?.(checked, total)
      if (checked % VERIFY_ROWS === 0) await pause()
    }
  }

  /** A row that is gone cannot be walked over: the ledger knows how many there must be. */
  async #verifyCount(): Promise<readonly string[]> {
    try {
      let gone = -Number(this.#prepared('SELECT count(*) AS n FROM records').get()?.['n'])
      for (const count of this.#ledger.counts()) {
        gone += count
        await pause()
      }
      if (gone <= 0) return []
      return [`${gone} ${gone === 1 ? 'record is' : 'records are'} gone that the ledger has`]
    } catch (error) {
      return [messageOf(error)]
    }
  }

  async trimAudit(wish: AuditTrim): Promise<number> {
    let removed = 0
    for (;;) {
      const { upTo, count } = this.#snapshot(() => this.#trimmable(wish))
      if (count === 0) return removed
      await this.#write({ changes: [], entries: [], trimAudit: upTo })
      removed += count
    }
  }

  /** The oldest entries that are too old or too many, as many as one transaction removes. */
  #trimmable({ before, keep }: AuditTrim): { readonly upTo: number; readonly count: number } {
    const newest = this.#newestEntry()
    let upTo = this.#ledger.trail()?.removed ?? 0
    let count = 0
    for (const entry of this.#entries(TRIM_ROWS)) {
      if (entry.seq >= newest || (entry.last >= before && newest - upTo <= keep)) break
      upTo = entry.seq
      count++
    }
    return { upTo, count }
  }

  #newestEntry(): number {
    return Number(this.#prepared('SELECT max(seq) AS n FROM audit').get()?.['n'] ?? 0)
  }

  async #verifyAudit(): Promise<readonly string[]> {
    try {
      let last = this.#ledger.trail()?.removed ?? 0
      let checked = 0
      for (const { seq } of this.#entries()) {
        last = seq
        if (++checked % VERIFY_ROWS === 0) await pause()
      }
      const end = this.#ledger.trail()?.last ?? last
      if (last >= end) return []
      return [`Audit entries ${last + 1} to ${end} were removed: the ledger has them`]
    } catch (error) {
      return [messageOf(error)]
    }
  }

  /**
   * Walks over the audit trail, oldest entry first.
   *
   * @throws `KmsError` `tampered` at the first that is not the one that was written there.
   */
  *#entries(limit = -1): Generator<AuditRow> {
    let { chain, seq } = this.#anchor()
    const rows = this.#prepared('SELECT * FROM audit ORDER BY seq LIMIT ?')
    for (const row of rows.iterate(limit)) {
      const entry = row as unknown as AuditRow
      const expected = chainCode(this.#auditKey, chain, entry)
      if (entry.seq !== seq + 1 || !sameBytes(expected, entry.chain)) {
        const what = `Audit entry ${entry.seq} was altered, or one before it was removed`
        throw new KmsError('tampered', what)
      }
      yield entry
      ;({ chain, seq } = entry)
    }
  }

  /** What the oldest entry is chained to: the last one that was removed because of its age. */
  #anchor(): { readonly seq: number; readonly chain: Uint8Array } {
    const seq = this.#ledger.trail()?.removed ?? 0
    if (seq === 0) return { seq, chain: new Uint8Array(0) }
    const row = this.#prepared("SELECT value FROM meta WHERE key = 'audit_anchor'").get()
    return { seq, chain: Buffer.from(String(row?.['value'] ?? ''), 'hex') }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#starting)
    const worker = this.#worker
    if (worker !== undefined) {
      const ended = new Promise((resolve) => worker.once('exit', resolve))
      worker.ref()
      worker.postMessage('close')
      await ended
    }
    this.#reader.close()
  }

  /** Everything `read` sees belongs to one state of the database. */
  #snapshot<T>(read: () => T): T {
    try {
      return this.#inTransaction(read)
    } catch (error) {
      throw explained(NOT_READ, error)
    }
  }

  #inTransaction<T>(read: () => T): T {
    this.#prepared('BEGIN').run()
    try {
      // Another number after every commit of another connection.
      const state = this.#prepared('PRAGMA data_version').get()
      this.#ledger.enter(state?.['data_version'] as number)
      return read()
    } finally {
      this.#ledger.enter(undefined)
      this.#prepared('COMMIT').run()
    }
  }

  #prepared(sql: string): StatementSync {
    if (!this.#reader.isOpen) {
      throw new KmsError('storageUnavailable', 'Cannot read: the database is closed')
    }
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      // Queries differ in their number of conditions: the oldest shapes make room.
      if (this.#statements.size >= STATEMENTS_MAX) this.#statements.clear()
      statement = this.#reader.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }
}

function messageOf(error: unknown): string {
  return (explained(NOT_READ, error) as Error).message
}

const NOT_READ = 'Cannot read the database'

function mismatch(found: number | undefined, last: number | undefined): string {
  if (found === undefined) return `its row is gone; the ledger has revision ${last}`
  if (last === undefined) return 'its row was put there by another program; the ledger has none'
  return `its row is revision ${found}, the ledger has ${last}; it was rolled back or altered`
}
