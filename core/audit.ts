/**
 * The audit trail: who did what to which object, and how it ended.
 *
 * A change is written in the transaction that makes it. Uses of keys (Encrypt, Get, Locate ...) and
 * refusals are gathered for a moment and written together; equal ones become one entry with a
 * count, so that a busy key costs a line now and then, and no use goes unrecorded. Entries never
 * hold key bytes, passwords or plaintext.
 *
 * @module
 */
import type { FailureCode } from './errors.ts'

export interface AuditEntry {
  /** Milliseconds since the epoch of the first of the gathered uses. */
  readonly time: number
  /** Milliseconds since the epoch of the last one. */
  readonly last: number
  readonly count: number
  readonly principal: string
  /** Which front it came through: `kmip`, `control`, `cli`. */
  readonly front: string
  readonly operation: string
  readonly object?: string | undefined
  /** `success`, or the code of the failure. */
  readonly outcome: 'success' | FailureCode
  /** What else is worth knowing, in words. */
  readonly detail?: string | undefined
}

/** An event as it happens; the journal makes entries of it. */
export type AuditEvent = Omit<AuditEntry, 'time' | 'last' | 'count'>

/**
 * Characters of a text in an entry. Clients have their names and identifiers repeated to them in
 * refusals, each of which is an entry: what they send must not become as long a trail.
 */
export const AUDIT_TEXT_MAX = 1_000

function isLong(text: string | undefined): boolean {
  return text !== undefined && text.length > AUDIT_TEXT_MAX
}

/** The event with its texts cut; nearly always as it is. */
function cut(event: AuditEvent): AuditEvent {
  const { principal, object, detail } = event
  if (!isLong(principal) && !isLong(object) && !isLong(detail)) return event
  const short = <T extends string | undefined>(text: T) => {
    return isLong(text) ? (`${text?.slice(0, AUDIT_TEXT_MAX - 1)}…` as T) : text
  }
  return { ...event, principal: short(principal), object: short(object), detail: short(detail) }
}

/** An entry for one event. */
export function entryOf(event: AuditEvent, milliseconds: number): AuditEntry {
  return { ...cut(event), time: milliseconds, last: milliseconds, count: 1 }
}

/** Writes entries; the database. */
export type WriteEntries = (entries: readonly AuditEntry[]) => Promise<void>

type Waiting = { -readonly [K in keyof AuditEntry]: AuditEntry[K] }

export interface JournalOptions {
  /** Milliseconds since the epoch. */
  readonly clock: () => number
  readonly flushMilliseconds: number
  /** Distinct entries that may wait; `record` waits beyond. */
  readonly queueMax: number
  /** Told when the entries could not be written; they are kept and tried again. */
  readonly failed: (error: unknown) => void
}

/** Gathers events and writes them every now and then. */
export class Journal {
  readonly #write: WriteEntries
  readonly #options: JournalOptions
  #waiting = new Map<string, Waiting>()
  /** The entry that was counted last: a busy key is found again without looking for it. */
  #latest: Waiting | undefined
  #timer: NodeJS.Timeout | undefined
  #flushing: Promise<void> = Promise.resolve()
  #failures = 0

  constructor(write: WriteEntries, options: JournalOptions) {
    this.#write = write
    this.#options = options
  }

  /** Distinct entries that are not written yet. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** How often entries could not be written. */
  get failures(): number {
    return this.#failures
  }

  /** Undefined, or, while the queue is full, a promise for room. */
  record(event: AuditEvent): Promise<void> | undefined {
    const now = this.#options.clock()
    const entry = this.#entryFor(cut(event), now)
    entry.last = now
    entry.count++
    this.#timer ??= this.#later()
    return this.#waiting.size >= this.#options.queueMax ? this.flush() : undefined
  }

  /** The entry that counts such events; a new one has counted none. */
  #entryFor(event: AuditEvent, now: number): Waiting {
    if (this.#latest !== undefined && isSame(this.#latest, event)) return this.#latest
    const key = keyOf(event)
    let entry = this.#waiting.get(key)
    if (entry === undefined) {
      entry = { ...event, time: now, last: now, count: 0 }
      this.#waiting.set(key, entry)
    }
    this.#latest = entry
    return entry
  }

  /** Writes what waits. What cannot be written stays and is tried again. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#flush())
    return this.#flushing
  }

  async #flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const entries = [...this.#waiting.values()]
    if (entries.length === 0) return
    this.#waiting = new Map()
    this.#latest = undefined
    try {
      await this.#write(entries)
    } catch (error) {
      this.#failures++
      this.#putBack(entries)
      this.#options.failed(error)
    }
  }

  #putBack(entries: readonly Waiting[]): void {
    for (const entry of entries) {
      const newer = this.#waiting.get(keyOf(entry))
      if (newer !== undefined) {
        entry.last = newer.last
        entry.count += newer.count
      }
      this.#waiting.set(keyOf(entry), entry)
    }
    this.#latest = undefined
    this.#timer ??= this.#later()
  }

  #later(): NodeJS.Timeout {
    return setTimeout(() => void this.flush(), this.#options.flushMilliseconds).unref()
  }
}

function isSame(one: AuditEvent, other: AuditEvent): boolean {
  return (
    one.object === other.object &&
    one.operation === other.operation &&
    one.principal === other.principal &&
    one.outcome === other.outcome &&
    one.detail === other.detail &&
    one.front === other.front
  )
}

function keyOf({ principal, front, operation, object, outcome, detail }: AuditEvent): string {
  return `${principal}\0${front}\0${operation}\0${object}\0${outcome}\0${detail}`
}
