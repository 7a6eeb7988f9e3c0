/**
 * Looking for the next call for a while, before the event loop sleeps.
 *
 * An application that calls one function after the other sends the next call within microseconds.
 * To sleep until then, and be woken by another processor, takes longer than most calls, above all
 * in a virtual machine. So the loop goes round without sleeping for `callSpinMicroseconds` after a
 * call; after waits that were for nothing, ever more rarely. It does not go round for KMIP.
 *
 * @module
 */

/** After so many calls that nothing followed soon one is waited for again. */
const MISSES_MAX = 63

export class Lookout {
  readonly #milliseconds: number
  #until = 0
  #isLooking = false
  /** Whether a call has come since it began to look. */
  #hasSeen = false
  #misses = 0
  #skipped = 0

  /** @param microseconds For how long; 0: not at all. */
  constructor(microseconds: number) {
    this.#milliseconds = microseconds / 1_000
  }

  /** Calls have been answered: there may be more at once. */
  answered(): void {
    if (this.#milliseconds === 0) return
    this.#hasSeen = true
    if (!this.#isLooking && this.#skipped++ < this.#misses) return
    this.#until = performance.now() + this.#milliseconds
    if (this.#isLooking) return
    this.#isLooking = true
    this.#hasSeen = false
    this.#skipped = 0
    setImmediate(this.#look)
  }

  readonly #look = (): void => {
    if (performance.now() < this.#until) {
      setImmediate(this.#look)
      return
    }
    this.#isLooking = false
    this.#misses = this.#hasSeen ? 0 : Math.min(MISSES_MAX, this.#misses * 2 + 1)
  }
}
