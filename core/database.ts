/**
 * What the core asks of a database.
 *
 * A database keeps records: opaque bytes under a kind and an identifier, with terms to find them
 * by. It knows nothing of keys, states or attributes, and never sees a plaintext key. Every
 * implementation passes `databases/contract.ts`.
 *
 * @module
 */
import type { AuditEntry } from './audit.ts'

/** Kinds of records; each has identifiers of its own. */
export type RecordKind = 'object' | 'credential' | 'setting' | 'grant'

/** An ordered byte string made of an attribute and a value; see `search.ts`. */
export type Term = Uint8Array

/** What a record must have to be found. */
export type Condition =
  | { readonly is: Term }
  | { readonly from: Term; readonly to: Term }
  /** At least one of these. */
  | { readonly any: readonly Condition[] }

export interface StoredRecord {
  readonly kind: RecordKind
  readonly id: string
  readonly scope: string
  readonly revision: number
  readonly bytes: Uint8Array
}

/** What is found by, and what not any more. */
export interface TermChange {
  readonly add: readonly Term[]
  readonly remove: readonly Term[]
}

/** A record as it shall be from now on. */
export interface RecordChange {
  readonly kind: RecordKind
  readonly id: string
  readonly scope: string
  /** The revision that is replaced; 0 when the record is new. */
  readonly previous: number
  /** The revision from now on; greater than `previous`. */
  readonly revision: number
  /** Absent to remove the record. */
  readonly bytes?: Uint8Array | undefined
  readonly terms: TermChange
  /** Terms that no other record of the kind in the scope may claim. */
  readonly claims: TermChange
  /** When the record wants to be looked at, in seconds since the epoch. */
  readonly due?: number | undefined
}

export interface Query {
  readonly kind: RecordKind
  /** Scopes to look in; undefined for all. */
  readonly scopes?: readonly string[] | undefined
  /** All must hold. */
  readonly conditions: readonly Condition[]
  readonly limit: number
  readonly offset?: number | undefined
  /** What {@link Found.place} said of the page before: only what comes behind it. */
  readonly behind?: number | undefined
  /** Whether to count all that fulfil the conditions, whatever the limit. */
  readonly count?: boolean | undefined
  /** Default: the newest record first. */
  readonly oldestFirst?: boolean | undefined
  /** Whether the record is wanted with its identifier: where few are found, they come together. */
  readonly wants?: ((id: string) => boolean) | undefined
}

export interface Found {
  readonly ids: readonly string[]
  /** Of those that were wanted as well, in the same state of the database; or none. */
  readonly records?: readonly StoredRecord[] | undefined
  /** Present when it was asked for. */
  readonly total?: number | undefined
  /** Where the page ends, for the next one; undefined where it is not full: there is none. */
  readonly place?: number | undefined
}

/** A data key as the root key sealed it. */
export interface SealedDataKey {
  readonly number: number
  readonly sealed: Uint8Array
}

export interface AuditQuery {
  readonly since?: number | undefined
  readonly until?: number | undefined
  readonly principal?: string | undefined
  readonly operation?: string | undefined
  readonly object?: string | undefined
  /** Newest entries first. */
  readonly limit: number
}

/** What of the audit trail is to go; an entry goes for either reason. */
export interface AuditTrim {
  /** Entries that ended before, in milliseconds since the epoch. */
  readonly before: number
  /** How many of the newest stay. */
  readonly keep: number
}

export interface Database {
  /**
   * Reads a record.
   *
   * @throws `KmsError` `tampered` when the record is not the one that was last written under this
   * identifier: altered, swapped or rolled back.
   */
  read(kind: RecordKind, id: string): Promise<StoredRecord | undefined>

  /** Several at once, in the order of `ids`; undefined where there is none. */
  readAll(kind: RecordKind, ids: readonly string[]): Promise<readonly (StoredRecord | undefined)[]>

  find(query: Query): Promise<Found>

  /** Identifiers of records that are due at `now`, the longest due first. */
  due(kind: RecordKind, now: number, limit: number): Promise<readonly string[]>

  /**
   * Writes all changes and entries, or none. What has been acknowledged survives the end of the
   * process.
   *
   * @throws `KmsError` `conflict` when a record has another revision by now, `exists` when a new
   * one exists, `nameInUse` when a claim is taken, `storageUnavailable` when the disk refuses.
   */
  commit(changes: readonly RecordChange[], entries: readonly AuditEntry[]): Promise<void>

  audit(query: AuditQuery): Promise<readonly AuditEntry[]>

  /**
   * Removes the oldest audit entries, up to the first that is to stay, but never the newest. What
   * remains can be verified as before.
   *
   * @returns How many were removed.
   * @throws `KmsError` `tampered` when one of them is not what was written; it is kept.
   */
  trimAudit(wish: AuditTrim): Promise<number>

  /**
   * Replaces all sealed data keys, together.
   *
   * @param rootName Says which root key sealed them; see `server/rootkey.ts`.
   * @param entries Of the audit trail, written in the same transaction.
   */
  replaceDataKeys(
    keys: readonly SealedDataKey[],
    rootName: string,
    entries?: readonly AuditEntry[],
  ): Promise<void>

  /**
   * Reads every record and checks it against the ledger; walks over the audit trail.
   *
   * @returns Kind and identifier of each that is not what was written, with the reason.
   */
  verify(progress?: (checked: number, total: number) => void): Promise<readonly string[]>

  /** Changes that wait for the disk; undefined where none ever waits. */
  readonly waiting?: number

  close(): Promise<void>
}
