/**
 * What every operation is given: who asks, and what there is to work with.
 *
 * @module
 */
import type { Journal } from './audit.ts'
import type { Destructions } from './destructions.ts'
import type { Grants } from './grants.ts'
import type { Keystores } from './keystores.ts'
import type { Limits } from './limits.ts'
import type { Makings } from './makings.ts'
import type { Meter } from './meter.ts'
import type { ManagedObject } from './objects.ts'
import type { ObjectChange, Store } from './store.ts'

/** Who asks. */
export interface Principal {
  /** Name of the credential, or of who works for one; what the audit trail says. */
  readonly name: string
  /** Objects of this scope are visible; what is made belongs to it. */
  readonly scope: string
  /** The credential that somebody works for who has none of his own; default: of that name. */
  readonly credential?: string
}

/** One for the whole server. */
export interface Services {
  readonly store: Store
  readonly keystores: Keystores
  readonly journal: Journal
  readonly grants: Grants
  readonly destructions: Destructions
  /** Absent where every keystore seals keys in their references. */
  readonly makings?: Makings | undefined
  /** What an identifier calls that the database does not know as it is written: a key in an HSM. */
  readonly findCalled: (context: Context, id: string) => Promise<ManagedObject | undefined>
  readonly limits: Limits
  /** Milliseconds since the epoch. */
  readonly clock: () => number
  readonly log: Log
  /** Absent where nobody watches. */
  readonly meter?: Meter | undefined
}

/** The part of a logger that the core needs. */
export interface Log {
  info(details: object, message: string): void
  warn(details: object, message: string): void
  error(details: object, message: string): void
}

/** One for each operation. */
export interface Context {
  readonly services: Services
  readonly principal: Principal
  /** Through which front the request came. */
  readonly front: string
  /** Name of the operation, for the audit trail. */
  readonly operation: string
  /** Seconds since the epoch, the same throughout a request. */
  readonly now: number
  /** Present where the request may have to be undone: takes every change that was written. */
  readonly undo?: ObjectChange[] | undefined
}
