/**
 * Grants: who, beyond an object's scope, may do what with it.
 *
 * A grant is a record: object, principal, deeds. It is authenticated like a credential, so that
 * nobody can write himself one into the database. All of them are in memory, so that asking costs
 * no look into the database; this process is the only one that writes them.
 *
 * It does not decide who may do what, nor who may grant: `core/policy.ts` does.
 *
 * @module
 */
import { sameBytes } from './bytes.ts'
import type { Database, RecordChange, StoredRecord } from './database.ts'
import type { DeedSet } from './deeds.ts'
import { KmsError } from './errors.ts'
import { MAC_BYTES, type Sealer } from './sealer.ts'

/** Means every credential. */
export const EVERYBODY = '*'

export interface Grant {
  /** Unique Identifier. */
  readonly object: string
  /** Name of a credential, or {@link EVERYBODY}. */
  readonly principal: string
  readonly deeds: DeedSet
  /** Who has granted last. */
  readonly by: string
  /** When, in seconds since the epoch. */
  readonly time: number
}

export interface GrantsOptions {
  /** Milliseconds since the epoch. */
  readonly clock: () => number
  /** Whether there is such a credential, not revoked. */
  readonly known: (principal: string) => Promise<boolean>
  /**
   * Credentials whose objects come up where others search: nobody else puts a key under the name
   * that a client looks for.
   */
  readonly sharers: readonly string[]
}

interface Held {
  readonly grant: Grant
  readonly revision: number
}

/** Grants of a server; further ones are refused. */
const GRANTS_MAX = 100_000
/** Scope of the records themselves. */
const RECORD_SCOPE = ''
const NONE = { add: [], remove: [] } as const

export class Grants {
  readonly #sealer: Sealer
  readonly #options: GrantsOptions
  readonly #byObject = new Map<string, Map<string, Held>>()
  readonly #byPrincipal = new Map<string, Set<string>>()
  #count = 0

  constructor(sealer: Sealer, options: GrantsOptions) {
    this.#sealer = sealer
    this.#options = options
  }

  /** Whether there is such a credential, not revoked. */
  knows(principal: string): Promise<boolean> {
    return this.#options.known(principal)
  }

  /** Whether what a credential shares comes up where others search. */
  shows(by: string): boolean {
    return this.#options.sharers.includes(by)
  }

  /** Names of those who have been granted something. */
  principals(): readonly string[] {
    return [...this.#byPrincipal.keys()]
  }

  /**
   * Reads all that there are.
   *
   * @param failed Told of a record that was altered: what it granted is granted no more.
   */
  async load(database: Database, failed: (error: unknown) => void): Promise<void> {
    const { ids } = await database.find({ kind: 'grant', conditions: [], limit: GRANTS_MAX })
    for (const id of ids) {
      try {
        const record = await database.read('grant', id)
        if (record !== undefined) this.#put(this.#opened(record))
      } catch (error) {
        failed(error)
      }
    }
  }

  /** Opens every record. @returns What is wrong with each that does not open. */
  async verify(database: Database): Promise<readonly string[]> {
    const problems: string[] = []
    // That the file itself is damaged is the database's own to report.
    const everything = { kind: 'grant', conditions: [], limit: GRANTS_MAX } as const
    const { ids } = await database.find(everything).catch(() => ({ ids: [] }))
    for (const id of ids) {
      // What the ledger refuses is the database's own to report.
      const record = await database.read('grant', id).catch(() => undefined)
      try {
        if (record !== undefined) this.#opened(record)
      } catch (error) {
        problems.push((error as Error).message)
      }
    }
    return problems
  }

  /** What a principal may do with an object beyond its scope; 0 for nothing. */
  of(object: string, principal: string): DeedSet {
    const held = this.#byObject.get(object)
    if (held === undefined) return 0
    return (held.get(principal)?.grant.deeds ?? 0) | (held.get(EVERYBODY)?.grant.deeds ?? 0)
  }

  /** What a principal has been granted, by its name or with everybody. */
  to(principal: string): readonly Grant[] {
    return [principal, EVERYBODY].flatMap((name) => {
      return [...(this.#byPrincipal.get(name) ?? [])].flatMap((object) => {
        const held = this.#byObject.get(object)?.get(name)
        return held === undefined ? [] : [held.grant]
      })
    })
  }

  /** Objects that come up where a principal searches, beyond those of its scope. */
  shownTo(principal: string): readonly string[] {
    if (!this.#byPrincipal.has(principal) && !this.#byPrincipal.has(EVERYBODY)) return []
    const shown = this.to(principal).filter(({ by }) => this.shows(by))
    return [...new Set(shown.map(({ object }) => object))]
  }

  on(object: string): readonly Grant[] {
    return [...(this.#byObject.get(object)?.values() ?? [])].map(({ grant }) => grant)
  }

  /**
   * The record with which a grant takes effect; it does when it is {@link settle | settled}.
   *
   * @throws {@link KmsError} `limitExceeded`.
   */
  changeTo(grant: Grant): RecordChange {
    const { object, principal } = grant
    const previous = this.#byObject.get(object)?.get(principal)?.revision ?? 0
    if (previous === 0 && this.#count >= GRANTS_MAX) {
      const what = `Cannot grant: there are ${this.#count} grants, allowed are ${GRANTS_MAX}`
      throw new KmsError('limitExceeded', what)
    }
    // Revisions of a record that comes again go on: an old one must not pass for the new one.
    const revision = Math.max(previous + 1, this.#options.clock())
    const base = { kind: 'grant', id: idOf(grant), scope: RECORD_SCOPE, terms: NONE } as const
    const change = { ...base, claims: NONE, previous, revision }
    if (grant.deeds === 0) return change
    const content = Buffer.from(JSON.stringify(grant))
    const bytes = Buffer.concat([content, this.#mac(base.id, revision, content)])
    return { ...change, bytes }
  }

  /** The records that end all grants on an object. */
  endingsOn(object: string): readonly RecordChange[] {
    return this.on(object).map((grant) => this.changeTo({ ...grant, deeds: 0 }))
  }

  /** The records that end all grants to a principal. */
  endingsFor(principal: string): readonly RecordChange[] {
    return [...(this.#byPrincipal.get(principal) ?? [])].flatMap((object) => {
      const held = this.#byObject.get(object)?.get(principal)
      return held === undefined ? [] : [this.changeTo({ ...held.grant, deeds: 0 })]
    })
  }

  /** What has been written is so from now on. */
  settle(changes: readonly RecordChange[]): void {
    for (const { kind, id, revision, bytes } of changes) {
      if (kind !== 'grant') continue
      const [object, principal] = JSON.parse(id) as [string, string]
      if (bytes === undefined) this.#drop(object, principal)
      else this.#put({ grant: contentOf(bytes), revision })
    }
  }

  #put(held: Held): void {
    const { object, principal } = held.grant
    const onObject = this.#byObject.get(object) ?? new Map<string, Held>()
    if (!onObject.has(principal)) this.#count++
    onObject.set(principal, held)
    this.#byObject.set(object, onObject)
    const ofPrincipal = this.#byPrincipal.get(principal) ?? new Set<string>()
    this.#byPrincipal.set(principal, ofPrincipal.add(object))
  }

  #drop(object: string, principal: string): void {
    const onObject = this.#byObject.get(object)
    if (onObject?.delete(principal)) this.#count--
    if (onObject?.size === 0) this.#byObject.delete(object)
    const ofPrincipal = this.#byPrincipal.get(principal)
    ofPrincipal?.delete(object)
    if (ofPrincipal?.size === 0) this.#byPrincipal.delete(principal)
  }

  #opened({ id, revision, bytes }: StoredRecord): Held {
    const content = bytes.subarray(0, Math.max(0, bytes.length - MAC_BYTES))
    if (sameBytes(this.#mac(id, revision, content), bytes.subarray(content.length))) {
      return { grant: contentOf(bytes), revision }
    }
    throw new KmsError('tampered', `Cannot use grant ${id}: its record was altered`)
  }

  #mac(id: string, revision: number, content: Uint8Array): Uint8Array {
    return this.#sealer.authenticate('grant', id, String(revision), content)
  }
}

function idOf({ object, principal }: Grant): string {
  return JSON.stringify([object, principal])
}

function contentOf(bytes: Uint8Array): Grant {
  const content = bytes.subarray(0, bytes.length - MAC_BYTES)
  return JSON.parse(Buffer.from(content).toString()) as Grant
}
