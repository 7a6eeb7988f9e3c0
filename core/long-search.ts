/**
 * A search that has to read objects, because no index decides what it asks for.
 *
 * It reads as many as there are: others have their turn in between, it ends after a time
 * (`limits.searchMilliseconds`), and one that took long is in the log with its reason. What has
 * been altered in the database does not end it: it is left out or not, as the caller decides, and
 * told ({@link tellAltered}).
 *
 * @module
 */
import { setImmediate as pause } from 'node:timers/promises'
import type { Context, Services } from './context.ts'
import { KmsError } from './errors.ts'
import type { Altered } from './store.ts'

/** Objects that are read before others have their turn. */
export const SEARCH_STRIDE = 100

/** A search is long, and worth a line, after this part of its time. */
const LONG_PART = 30

export interface Searcher {
  readonly services: Pick<Services, 'limits' | 'log'>
  /** Name of the principal. */
  readonly principal: string
  readonly front: string
  /** `Cannot locate`, `Cannot find objects`. */
  readonly what: string
  /** What no index decides, for people; asked for where there is something to say. */
  readonly undecided: () => readonly string[]
}

export class LongSearch {
  readonly #searcher: Searcher
  readonly #start = performance.now()
  #objects = 0
  /** Since others had their turn. */
  #inARow = 0

  constructor(searcher: Searcher) {
    this.#searcher = searcher
  }

  /**
   * Before some more objects are read.
   *
   * @throws {@link KmsError} `limitExceeded` when the time is over.
   */
  async turn(objects: number): Promise<void> {
    if (this.#inARow >= SEARCH_STRIDE) {
      this.#inARow = 0
      await pause()
    }
    this.#inARow += objects
    const { services, what, undecided } = this.#searcher
    const { searchMilliseconds } = services.limits
    if (this.#objects > 0 && this.#milliseconds() > searchMilliseconds) {
      const limit = `${searchMilliseconds} ms (limits.searchMilliseconds)`
      const why = `${this.#objects} objects were read in ${limit}, and there are more`
      const way = `no index decides ${undecided().join(', ')}; ask for a name or a group as well`
      throw new KmsError('limitExceeded', `${what}: ${why}; ${way}, or raise the limit`)
    }
    this.#objects += objects
  }

  /** Writes the line of one that took long. */
  end(): void {
    const { services, principal, front } = this.#searcher
    const milliseconds = Math.round(this.#milliseconds())
    const isLong = milliseconds >= services.limits.searchMilliseconds / LONG_PART
    // What waits for others while it reads one object is not the search's fault.
    if (!isLong || this.#objects < SEARCH_STRIDE) return
    const undecided = this.#searcher.undecided().join(', ')
    const details = { principal, front, undecided, objects: this.#objects, milliseconds }
    services.log.warn(details, 'a search took long: no index decides what it asks for')
  }

  #milliseconds(): number {
    return performance.now() - this.#start
  }
}

/** Whoever looks after the server learns of it, though the search went on. */
export async function tellAltered(
  { services, principal, front, operation }: Omit<Context, 'now'>,
  altered: Altered,
): Promise<void> {
  const [first] = altered
  if (first === undefined) return
  const [object, { message: reason }] = first
  const details = { operation, object, altered: altered.size, reason }
  services.log.error(details, 'a search has come upon records that were altered')
  const event = { principal: principal.name, front, operation, object } as const
  await services.journal.record({ ...event, outcome: 'tampered', detail: reason })
}
