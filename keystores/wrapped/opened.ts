/**
 * Keys as they were unwrapped, for some time and not more than so many.
 *
 * What is remembered of a key is a reference to it that the software keystore has sealed, and that
 * is never written. It holds as long as the object and the keeper are what they were: a change of
 * state or of the value forgets it, a change of the keeper forgets all that is under it, and a
 * revision of the object that this process was not told of is one of another process.
 *
 * Not used longest goes first, roughly: one that was used since it was last looked at stays once
 * more, so that using a key costs no more than a look-up.
 *
 * @module
 */
import { sameBytes } from '#core/bytes.ts'
import type { KeyInUse } from '#core/keystore.ts'
import type { ManagedObject } from '#core/objects.ts'
import type { ObjectChange } from '#core/store.ts'

/** A key that has been unwrapped. */
export interface Opened {
  /** The same key under the reference that is remembered. */
  readonly own: KeyInUse
  /** Milliseconds since the epoch, when it is to be forgotten at the latest. */
  readonly until: number
  /** Erases it. */
  readonly forget: () => void
}

interface Entry extends Opened {
  /** As it was last used. */
  key: KeyInUse
  readonly keeper: string
  /** Revisions of the object between which nothing has changed that matters here. */
  readonly since: number
  revision: number
  used: boolean
}

/** One that is being unwrapped; others that want it wait for the same. */
interface Opening {
  readonly key: KeyInUse
  readonly keeper: string
  readonly own: Promise<KeyInUse>
  stale: boolean
}

export interface OpenedKeysOptions {
  readonly max: number
  readonly seconds: number
  /** Milliseconds since the epoch. */
  readonly clock: () => number
}

export class OpenedKeys {
  readonly #options: OpenedKeysOptions
  /** Oldest first. */
  readonly #entries = new Map<string, Entry>()
  readonly #openings = new Map<string, Opening>()
  readonly #underKeeper = new Map<string, Set<string>>()
  #timer: NodeJS.Timeout | undefined
  #timerAt = Number.POSITIVE_INFINITY

  constructor(options: OpenedKeysOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#entries.size
  }

  /** A key that is remembered. */
  find(key: KeyInUse): KeyInUse | undefined {
    const entry = this.#entries.get(key.id)
    if (entry === undefined || this.#options.clock() >= entry.until) return undefined
    if (entry.key !== key && !isThatOf(entry, key)) return undefined
    entry.key = key
    entry.used = true
    return entry.own
  }

  /** Opens a key, once for all who want it now, and remembers it. */
  open(key: KeyInUse, keeper: string, work: () => Promise<Opened>): Promise<KeyInUse> {
    const running = this.#openings.get(key.id)
    if (running !== undefined && !running.stale && isSame(running.key, key)) return running.own
    const opening: Opening = { key, keeper, stale: false, own: opened() }
    this.#openings.set(key.id, opening)
    const remember = (made: Opened): void => this.#remember(opening, made)
    const done = (): void => {
      if (this.#openings.get(key.id) === opening) this.#openings.delete(key.id)
    }
    return opening.own

    async function opened(): Promise<KeyInUse> {
      try {
        const made = await work()
        remember(made)
        return made.own
      } finally {
        done()
      }
    }
  }

  /** An object has changed, here or elsewhere. */
  changed({ before, after }: ObjectChange): void {
    const id = (after ?? before)?.id as string
    const entry = this.#entries.get(id)
    if (entry !== undefined) {
      if (isUnchanged(entry, before, after)) entry.revision = after?.revision as number
      else this.#forget(entry)
    }
    for (const under of this.#underKeeper.get(id) ?? []) {
      this.#forget(this.#entries.get(under) as Entry)
    }
    for (const opening of this.#openings.values()) {
      if (opening.key.id === id || opening.keeper === id) opening.stale = true
    }
  }

  clear(): void {
    for (const entry of [...this.#entries.values()]) this.#forget(entry)
    for (const opening of this.#openings.values()) opening.stale = true
  }

  #remember({ key, keeper, stale }: Opening, made: Opened): void {
    const { max, seconds, clock } = this.#options
    if (stale || max === 0) {
      erase(made)
      return
    }
    const present = this.#entries.get(key.id)
    if (present !== undefined) this.#forget(present)
    const until = Math.min(made.until, clock() + seconds * 1_000)
    const revision = key.revision ?? 0
    const entry = { ...made, key, keeper, until, since: revision, revision, used: false }
    this.#makeRoom(max - 1)
    this.#entries.set(key.id, entry)
    const under = this.#underKeeper.get(keeper) ?? new Set()
    this.#underKeeper.set(keeper, under.add(key.id))
    this.#wakeAt(until)
  }

  #makeRoom(max: number): void {
    for (const entry of this.#entries.values()) {
      if (this.#entries.size <= max) return
      if (!entry.used) this.#forget(entry)
      else {
        // Behind all others, where this loop meets it once more.
        entry.used = false
        this.#entries.delete(entry.key.id)
        this.#entries.set(entry.key.id, entry)
      }
    }
  }

  #forget(entry: Entry): void {
    const { key, keeper } = entry
    this.#entries.delete(key.id)
    const under = this.#underKeeper.get(keeper)
    under?.delete(key.id)
    if (under?.size === 0) this.#underKeeper.delete(keeper)
    erase(entry)
  }

  /** Nobody has to use a key for its time to be over. */
  #wakeAt(until: number): void {
    if (until >= this.#timerAt) return
    clearTimeout(this.#timer)
    this.#timerAt = until
    const milliseconds = Math.min(Math.max(until - this.#options.clock(), 0), TIMER_MAX)
    this.#timer = setTimeout(() => this.#sweep(), milliseconds).unref()
  }

  #sweep(): void {
    this.#timerAt = Number.POSITIVE_INFINITY
    const now = this.#options.clock()
    let next = Number.POSITIVE_INFINITY
    for (const entry of [...this.#entries.values()]) {
      if (now >= entry.until) this.#forget(entry)
      else next = Math.min(next, entry.until)
    }
    if (next < Number.POSITIVE_INFINITY) this.#wakeAt(next)
  }
}

/** Timers of Node go no further. */
const TIMER_MAX = 2 ** 31 - 1

/** Whoever was given it in this turn begins with it in this turn. */
function erase({ forget }: Opened): void {
  setImmediate(forget)
}

function isSame(one: KeyInUse, other: KeyInUse): boolean {
  return one === other || (isAlike(one, other) && one.revision === other.revision)
}

function isThatOf(entry: Entry, key: KeyInUse): boolean {
  const revision = key.revision ?? 0
  return isAlike(entry.key, key) && revision >= entry.since && revision <= entry.revision
}

function isAlike(one: KeyInUse, other: KeyInUse): boolean {
  const isKind = one.kind === other.kind && one.format === other.format
  return isKind && (one.handle === other.handle || sameBytes(one.handle, other.handle))
}

/** Whether the change is one of attributes that do not matter here. */
function isUnchanged(
  entry: Entry,
  before: ManagedObject | undefined,
  after: ManagedObject | undefined,
): boolean {
  if (before === undefined || after === undefined) return false
  const isNext = before.revision === entry.revision && after.revision === before.revision + 1
  const [old, now] = [before.material?.handle, after.material?.handle]
  const isHandle = old === now && now !== undefined
  const states = ['state', 'archiveDate'] as const
  const isState = states.every((id) => before.attributes.get(id) === after.attributes.get(id))
  return isNext && isHandle && isState
}
