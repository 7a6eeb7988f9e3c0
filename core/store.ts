/**
 * Objects, read from and written to a database.
 *
 * Between the operations, which speak of objects, and the database, which speaks of bytes: encodes,
 * authenticates and indexes what is written; checks, decodes and remembers what is read. A record
 * carries an HMAC over its kind, identifier, scope, revision and content, so that none can stand in
 * for another; that it is the newest one the database checks itself (`databases/sqlite/ledger.ts`).
 *
 * @module
 */
import { setImmediate as pause } from 'node:timers/promises'
import type { AttributeBag } from './attribute-bag.ts'
import type { AuditEntry } from './audit.ts'
import { sameBytes } from './bytes.ts'
import type { Database, Found, Query, RecordChange, StoredRecord } from './database.ts'
import { isTampered, KmsError } from './errors.ts'
import { isDestroyed, nextDue } from './lifecycle.ts'
import type { ManagedObject } from './objects.ts'
import { decodeObject, encodeObject } from './record.ts'
import { MAC_BYTES, type Sealer } from './sealer.ts'
import { claimsOf, termChange, termsOf } from './search.ts'

/** What becomes of one object: made (no `before`), changed, or removed (no `after`). */
export interface ObjectChange {
  readonly before?: ManagedObject | undefined
  readonly after?: ManagedObject | undefined
}

/** What could not be read of several objects, by identifier. */
export type Altered = Map<string, KmsError>

/** Told of every change of an object, by this process or another, once it is known here. */
export type Watcher = (change: ObjectChange) => void

/**
 * Whether whoever reads objects uses them next, or goes through many to find a few: that puts
 * nothing out of memory that is in use.
 */
export type Reading = 'for use' | 'in passing'

/** Objects that are decoded before others get a turn. */
const CHUNK = 200

export class Store {
  readonly #database: Database
  readonly #sealer: Sealer
  readonly #cacheMax: number
  readonly #watchers: Watcher[] = []
  readonly #written: Watcher[] = []
  /** Oldest use first. */
  readonly #cache = new Map<string, ManagedObject>()
  /** The one used last, which needs no new place in the order. */
  #latest: ManagedObject | undefined
  #alteredReads = 0

  constructor(database: Database, sealer: Sealer, cacheMax: number) {
    this.#database = database
    this.#sealer = sealer
    this.#cacheMax = cacheMax
  }

  watch(watcher: Watcher): void {
    this.#watchers.push(watcher)
  }

  /** Told of every change that this process has written, once, and of nothing else. */
  onWritten(listener: Watcher): void {
    this.#written.push(listener)
  }

  #tell(change: ObjectChange): void {
    for (const watcher of this.#watchers) watcher(change)
  }

  /** An object that is in memory; undefined says nothing. */
  cached(id: string): ManagedObject | undefined {
    const object = this.#cache.get(id)
    if (object === undefined || object === this.#latest) return object
    this.#latest = object
    this.#cache.delete(id)
    this.#cache.set(id, object)
    return object
  }

  /** @throws {@link KmsError} `tampered` when the record is not what was written. */
  async object(id: string): Promise<ManagedObject | undefined> {
    const cached = this.cached(id)
    if (cached !== undefined) return cached
    try {
      const record = await this.#database.read('object', id)
      return record && this.#read(record)
    } catch (error) {
      if (isTampered(error)) this.#alteredReads++
      throw error
    }
  }

  /** How often a record was to be read that is not what was written. */
  get alteredReads(): number {
    return this.#alteredReads
  }

  /**
   * In the order of `ids`; those that do not exist are left out.
   *
   * @param altered Takes those that are not what was written; they are left out as well.
   * @param reading Default: for use.
   * @throws {@link KmsError} `tampered` at the first of them where nobody takes them.
   */
  async objects(
    ids: readonly string[],
    altered?: Altered,
    reading: Reading = 'for use',
  ): Promise<readonly ManagedObject[]> {
    const objects: ManagedObject[] = []
    for (let at = 0; at < ids.length; at += CHUNK) {
      if (at > 0) await pause()
      objects.push(...(await this.#chunk(ids.slice(at, at + CHUNK), altered, reading)))
    }
    return objects
  }

  async #chunk(
    ids: readonly string[],
    altered: Altered | undefined,
    reading: Reading,
  ): Promise<readonly ManagedObject[]> {
    const inMemory = (id: string): ManagedObject | undefined => {
      return reading === 'for use' ? this.cached(id) : this.#cache.get(id)
    }
    // Taken before others are read, which may put them out of the cache.
    const taken = new Map(ids.map((id) => [id, inMemory(id)]))
    const missing = ids.filter((id) => taken.get(id) === undefined)
    const read = new Map<string, ManagedObject>()
    try {
      const records = missing.length === 0 ? [] : await this.#database.readAll('object', missing)
      for (const record of records) {
        if (record !== undefined) read.set(record.id, this.#read(record, reading))
      }
    } catch (error) {
      if (altered === undefined || !isTampered(error)) throw error
      for (const id of missing) await this.#tryRead(id, read, altered)
    }
    return ids.flatMap((id) => read.get(id) ?? this.#cache.get(id) ?? taken.get(id) ?? [])
  }

  async #tryRead(id: string, read: Map<string, ManagedObject>, altered: Altered): Promise<void> {
    try {
      const object = await this.object(id)
      if (object !== undefined) read.set(id, object)
    } catch (error) {
      if (!isTampered(error)) throw error
      altered.set(id, error)
    }
  }

  /** What was altered is found as well, by its terms: whoever reads it is refused. */
  async find(query: Omit<Query, 'kind' | 'wants'>): Promise<Omit<Found, 'records'>> {
    const { records = [], ...found } = await this.#database.find({
      ...query,
      kind: 'object',
      // Who looks for few objects reads them next.
      ...(this.#cacheMax > 0 && { wants: (id) => !this.#cache.has(id) }),
    })
    for (const record of records) this.#readAhead(record)
    return found
  }

  due(now: number, limit: number): Promise<readonly string[]> {
    return this.#database.due('object', now, limit)
  }

  /**
   * Writes all changes and entries, or none.
   *
   * @param further Records of other kinds that are written with them.
   * @throws {@link KmsError} `conflict`, `exists`, `nameInUse`, `storageUnavailable`,
   * `limitExceeded`.
   */
  async commit(
    changes: readonly ObjectChange[],
    entries: readonly AuditEntry[],
    further: readonly RecordChange[] = [],
  ): Promise<void> {
    const records = changes.map((change) => this.#recordChange(change))
    try {
      await this.#database.commit([...records, ...further], entries)
    } catch (error) {
      // Whoever tries again must see what another request has written.
      for (const { id } of records) this.#cache.delete(id)
      // Nor is it known what has become of them.
      for (const { before } of changes) if (before !== undefined) this.#tell({ before })
      throw error
    }
    this.#latest = undefined
    changes.forEach(({ before, after }, index) => {
      if (after !== undefined) this.#remember(asWritten(after, records[index]?.bytes))
      else if (before !== undefined) this.#cache.delete(before.id)
      this.#tell({ before, after })
    })
    for (const listener of this.#written) changes.forEach(listener)
  }

  /**
   * Opens every record: one that was altered has the right revision, so that the database itself,
   * which has not the key, cannot tell.
   *
   * @returns What is wrong with each that does not open.
   */
  async verify(): Promise<readonly string[]> {
    const problems: string[] = []
    // That the file itself is damaged is the database's own to report as well.
    const everything = { conditions: [], limit: Number.MAX_SAFE_INTEGER }
    const { ids } = await this.find(everything).catch(() => ({ ids: [] }))
    for (const [index, id] of ids.entries()) {
      if (index % CHUNK === CHUNK - 1) await pause()
      // What the ledger refuses is the database's own to report.
      const record = await this.#database.read('object', id).catch(() => undefined)
      try {
        if (record !== undefined) this.#opened(record)
      } catch (error) {
        problems.push((error as Error).message)
      }
    }
    return problems
  }

  #readAhead(record: StoredRecord): void {
    try {
      this.#read(record)
    } catch (error) {
      if (!isTampered(error)) throw error
    }
  }

  #read(record: StoredRecord, reading: Reading = 'for use'): ManagedObject {
    const object = this.#opened(record)
    const present = this.#cache.get(object.id)
    if (present !== undefined && present.revision < object.revision) {
      this.#tell({ before: present, after: object })
    }
    const isFull = this.#cache.size >= this.#cacheMax
    if (reading === 'in passing' && present === undefined && isFull) return object
    return this.#remember(object)
  }

  #remember(object: ManagedObject): ManagedObject {
    const present = this.#cache.get(object.id)
    if (present !== undefined && present.revision > object.revision) return present
    this.#cache.delete(object.id)
    if (this.#cacheMax === 0) return object
    this.#cache.set(object.id, object)
    this.#latest = object
    if (this.#cache.size > this.#cacheMax) {
      const oldest = this.#cache.keys().next().value
      if (oldest !== undefined) this.#cache.delete(oldest)
    }
    return object
  }

  #recordChange({ before, after }: ObjectChange): RecordChange {
    const one = after ?? before
    if (one === undefined) throw new TypeError('a change without objects')
    const [old, now] = [before?.attributes, after?.attributes]
    return {
      kind: 'object',
      id: one.id,
      scope: one.scope,
      previous: before?.revision ?? 0,
      revision: after?.revision ?? one.revision,
      bytes: after && this.#closed(after),
      terms: termChange(old ? termsOf(old) : [], now ? termsOf(now) : []),
      claims: termChange(heldClaims(old), heldClaims(now)),
      due: now && nextDue(now),
    }
  }

  #closed(object: ManagedObject): Uint8Array {
    const content = encodeObject(object)
    return Buffer.concat([content, this.#mac(object, content)])
  }

  #opened(record: StoredRecord): ManagedObject {
    const { id, bytes } = record
    const content = bytes.subarray(0, Math.max(0, bytes.length - MAC_BYTES))
    if (!sameBytes(this.#mac(record, content), bytes.subarray(content.length))) {
      throw new KmsError('tampered', `Cannot use object "${id}": its record was altered or swapped`)
    }
    return decodeObject(content)
  }

  #mac(
    { id, scope, revision }: { id: string; scope: string; revision: number },
    content: Uint8Array,
  ): Uint8Array {
    return this.#sealer.authenticate('object', id, scope, String(revision), content)
  }
}

/**
 * What another process would read: nothing of it is a view of the request that brought it, so that
 * a remembered attribute does not keep a whole message in memory.
 */
function asWritten(object: ManagedObject, bytes: Uint8Array | undefined): ManagedObject {
  if (bytes === undefined) return object
  const read = decodeObject(bytes.subarray(0, bytes.length - MAC_BYTES))
  // The same reference to the material: the keystore remembers the opened key by it.
  return { ...read, material: object.material }
}

/** A destroyed object gives its names back. */
function heldClaims(attributes: AttributeBag | undefined): ReturnType<typeof claimsOf> {
  if (attributes === undefined || isDestroyed(attributes.get('state'))) return []
  return claimsOf(attributes)
}
