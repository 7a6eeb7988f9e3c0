/**
 * Reading from a lane without sleeping, for a while.
 *
 * The host of a module is asked for one short operation after the other, and a thread that sleeps
 * is woken within about the time that the operation takes. So a lane that has answered looks for
 * its next message for a moment before it sleeps in a read; ever more rarely where none comes; and
 * one lane of the process at a time.
 *
 * Linux only: elsewhere every read sleeps at once.
 *
 * @module
 */
import { createRequire } from 'node:module'
import { Patience } from '#core/lookout.ts'
import type { FixedBytes } from './quick-native.ts'

type Ffi = typeof import('node:ffi')
const ffi = createRequire(import.meta.url)('node:ffi') as Ffi

const MSG_DONTWAIT = 0x40

const SIGNATURES = {
  recv: { arguments: ['i32', 'u64', 'u64', 'i32'], return: 'i64' },
  sched_yield: { arguments: [], return: 'i32' },
} as const

type Libc = ReturnType<typeof libc>

function libc() {
  return ffi.dlopen(null, SIGNATURES).functions
}

export interface WatchOptions {
  /** Of the lane: a socket. */
  readonly descriptor: number
  /** For how long it looks; 0: not at all. */
  readonly microseconds: number
  /** Not 0 while a lane of the process looks: memory that all lanes share. */
  readonly looking: Int32Array
}

export class HostWatch {
  readonly #options: WatchOptions
  readonly #patience = new Patience()
  readonly #libc: Libc | undefined = process.platform === 'linux' ? libc() : undefined

  constructor(options: WatchOptions) {
    this.#options = options
  }

  /**
   * What comes within the time.
   *
   * @param at Where in the memory it goes.
   * @returns How many bytes; 0 where nothing has come, or nothing will.
   */
  receive(memory: FixedBytes, at: number): number {
    const { microseconds, looking } = this.#options
    const libc = this.#libc
    if (microseconds === 0 || libc === undefined || !this.#patience.isWorthIt()) return 0
    if (Atomics.compareExchange(looking, 0, 0, 1) !== 0) return 0
    const received = this.#look(libc, memory, at)
    Atomics.store(looking, 0, 0)
    this.#patience.learn(received > 0)
    return received
  }

  #look({ recv, sched_yield }: Libc, memory: FixedBytes, at: number): number {
    const { descriptor, microseconds } = this.#options
    const address = memory.address + BigInt(at)
    const room = BigInt(memory.bytes.length - at)
    const until = performance.now() + microseconds / 1_000
    do {
      const received = Number(recv(descriptor, address, room, MSG_DONTWAIT))
      if (received >= 0) return received
      // Whoever makes the next message may need this processor for it.
      sched_yield()
    } while (performance.now() < until)
    return 0
  }
}
