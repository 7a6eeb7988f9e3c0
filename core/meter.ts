/**
 * Counts of what is asked for, for whoever watches the server.
 *
 * Numbers in memory, and nothing else: a request adds to a few of them and makes no object. What
 * becomes of them is decided by whoever reads them; see `server/metrics.ts`. Operations and
 * outcomes are those of our tables, never what a client has sent.
 *
 * @module
 */

/** Upper ends of the classes of durations, in milliseconds; behind the last comes everything. */
export const DURATIONS = [0.1, 0.5, 2, 10, 50, 250, 1_000, 5_000] as const

/** One operation, and how it went. */
export class Tally {
  /** By outcome: `success`, or the code of the failure. */
  readonly outcomes = new Map<string, { count: number }>()
  /** How many took how long: each class of {@link DURATIONS} by itself, and what took longer. */
  readonly durations = new Float64Array(DURATIONS.length + 1)
  readonly #success = this.#outcome('success')
  /** In an array, where a number stays what it is. */
  readonly #sum = new Float64Array(1)

  add(outcome: string, milliseconds: number): void {
    const counted = outcome === 'success' ? this.#success : this.#outcome(outcome)
    counted.count++
    let at = 0
    while (at < DURATIONS.length && milliseconds > (DURATIONS[at] as number)) at++
    this.durations[at] = (this.durations[at] as number) + 1
    this.#sum[0] = this.milliseconds + milliseconds
  }

  /** Of all of them together. */
  get milliseconds(): number {
    return this.#sum[0] as number
  }

  #outcome(name: string): { count: number } {
    let found = this.outcomes.get(name)
    if (found === undefined) {
      found = { count: 0 }
      this.outcomes.set(name, found)
    }
    return found
  }
}

/** The operations of one front. */
class Tallies {
  readonly #byOperation = new Map<string, Tally>()

  /** @param operation As a table of ours calls it. */
  of(operation: string): Tally {
    let tally = this.#byOperation.get(operation)
    if (tally === undefined) {
      tally = new Tally()
      this.#byOperation.set(operation, tally)
    }
    return tally
  }

  entries(): Iterable<readonly [operation: string, tally: Tally]> {
    return this.#byOperation
  }
}

export class Meter {
  readonly kmip = new Tallies()
  readonly pkcs11 = new Tallies()
}
