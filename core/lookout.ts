/**
 * Looking for what comes next for a while, before the event loop sleeps.
 *
 * An application that calls one function after the other sends the next call within microseconds,
 * and a device that is a program answers as soon. To sleep until then, and be woken by another
 * processor, takes longer than most calls, above all in a virtual machine. So the loop goes round
 * without sleeping; after waits that were for nothing, ever more rarely.
 *
 * @module
 */

import { availableParallelism } from 'node:os'

/** After so many times that nothing came one is waited for again. */
const MISSES_MAX = 63

/** For how long it is worth looking: another processor has to make what is looked for. */
export function spinTime(microseconds: number): number {
  return availableParallelism() > 1 ? microseconds : 0
}

/** How often it is worth looking: after each time in vain, only half as often. */
export class Patience {
  #misses = 0
  #skipped = 0

  isWorthIt(): boolean {
    if (this.#skipped++ < this.#misses) return false
    this.#skipped = 0
    return true
  }

  /** @param hasCome What it has looked for. */
  learn(hasCome: boolean): void {
    this.#misses = hasCome ? 0 : Math.min(MISSES_MAX, this.#misses * 2 + 1)
  }
}

/** The event loop, as it is looked at. */
export interface Loop {
  /** Milliseconds. */
  now(): number
  /** Calls back in the next round, which comes without sleeping. */
  soon(work: () => void): void
}

const THIS_LOOP: Loop = {
  now: () => performance.now(),
  soon: (work) => {
    setImmediate(work)
  },
}

export class Lookout {
  readonly #milliseconds: number
  readonly #loop: Loop
  readonly #patience = new Patience()
  #until = 0
  #isLooking = false
  /** Whether something has come since it began to look. */
  #hasCome = false

  /** @param microseconds For how long; 0: not at all. */
  constructor(microseconds: number, loop = THIS_LOOP) {
    this.#milliseconds = microseconds / 1_000
    this.#loop = loop
  }

  /** Something may come at once. Said again while it looks, it means that something has. */
  expect(): void {
    if (this.#milliseconds === 0) return
    if (!this.#isLooking && !this.#patience.isWorthIt()) return
    this.#until = this.#loop.now() + this.#milliseconds
    this.#hasCome = this.#isLooking
    if (this.#isLooking) return
    this.#isLooking = true
    this.#loop.soon(this.#look)
  }

  /** It has come; nothing more is expected. */
  found(): void {
    this.#hasCome = true
    this.#until = 0
  }

  readonly #look = (): void => {
    if (this.#loop.now() < this.#until) {
      this.#loop.soon(this.#look)
      return
    }
    this.#isLooking = false
    this.#patience.learn(this.#hasCome)
  }
}
