/**
 * Short operations that wait for a lane, and how many of them travel together.
 *
 * Operations that take the device long go one by one, so that all its sessions work at the same
 * time. Of those that it does in less than a message costs, several go in one. Which is which is
 * measured, for each mechanism: the host says how long the module took.
 *
 * @module
 */
import type { QuickJob } from './quick.ts'

/** A job and who waits for it. */
export interface QueuedJob extends QuickJob {
  readonly resolve: (output: Uint8Array) => void
  readonly reject: (error: Error) => void
}

/** The operation has not been begun: whoever wanted it may ask again. */
export class NotBegun extends Error {
  override readonly name = 'NotBegun'
}

/** What a message may take the device, in microseconds; a longer operation goes alone. */
const MESSAGE_MICROS = 1_000
const MESSAGE_JOBS_MAX = 32
/** An operation that takes less than its message costs: better wait and travel together. */
const SHORT_MICROS = 100
/** How much of an estimate the last measurement makes. */
const SHARE = 1 / 8
/** An interruption says nothing of the mechanism. */
const JUMP_MAX = 4

export class QuickQueue {
  #jobs: QueuedJob[] = []
  /** How long a mechanism takes, in microseconds. */
  readonly #micros = new Map<number, number>()

  get length(): number {
    return this.#jobs.length
  }

  /**
   * Whether all that waits fits into one message of short operations: a second lane would gain
   * nothing.
   */
  get isShort(): boolean {
    const jobs = this.#jobs
    return (
      jobs.length <= MESSAGE_JOBS_MAX && jobs.every((job) => this.#estimate(job) <= SHORT_MICROS)
    )
  }

  add(job: QueuedJob): void {
    this.#jobs.push(job)
  }

  /** The jobs of the next message, at least one where there is any. */
  next(): readonly QueuedJob[] {
    let micros = 0
    let count = 0
    for (const job of this.#jobs) {
      micros += this.#estimate(job)
      if (count > 0 && (micros > MESSAGE_MICROS || count === MESSAGE_JOBS_MAX)) break
      count++
    }
    if (count < this.#jobs.length) return this.#jobs.splice(0, count)
    const all = this.#jobs
    this.#jobs = []
    return all
  }

  /** What is not known yet goes alone. */
  #estimate(job: QuickJob): number {
    return this.#micros.get(kindOf(job)) ?? MESSAGE_MICROS
  }

  /** How long a job has taken. */
  learn(job: QuickJob, micros: number): void {
    const kind = kindOf(job)
    const known = this.#micros.get(kind)
    const next = known === undefined ? micros : known + (cut(micros, known) - known) * SHARE
    this.#micros.set(kind, next)
  }

  /** Sends everyone away. */
  refuse(): void {
    const jobs = this.#jobs
    this.#jobs = []
    for (const { reject } of jobs) reject(new NotBegun('the operation was not begun'))
  }
}

function cut(micros: number, known: number): number {
  return Math.min(micros, Math.max(known, 1) * JUMP_MAX)
}

const MECHANISM_BITS = 4

/** Verb, mechanism and about how long the data is. */
function kindOf({ verb, mechanism, data }: QuickJob): number {
  const size = Math.min(data.length >> 10, 2 ** MECHANISM_BITS - 1)
  const of = verb === 'encrypt' ? 0 : verb === 'decrypt' ? 1 : 2
  return (mechanism.type * 3 + of) * 2 ** MECHANISM_BITS + size
}
