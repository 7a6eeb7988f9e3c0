/**
 * Looking for the next call instead of sleeping: for as long as it was told, and ever more rarely
 * where no call comes. The loop is one of the test's own, so that no other process has a say.
 *
 * @module
 */
import { deepEqual, equal } from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Lookout } from './lookout.ts'

/** A loop whose every round takes a millisecond. */
class Rounds {
  #now = 0
  #next: (() => void) | undefined
  readonly lookout: Lookout

  constructor(microseconds: number) {
    const soon = (work: () => void): void => {
      this.#next = work
    }
    this.lookout = new Lookout(microseconds, { now: () => this.#now, soon })
  }

  /** Goes round until it may sleep, or so often. @returns How often it has. */
  run(most = 1_000): number {
    for (let rounds = 0; rounds < most; rounds++) {
      const work = this.#next
      if (work === undefined) return rounds
      this.#next = undefined
      this.#now++
      work()
    }
    return most
  }
}

describe('the lookout for calls', () => {
  it('keeps the loop awake for its time after a call, and not longer', () => {
    const loop = new Rounds(20_000)
    loop.lookout.expect()
    equal(loop.run(), 20)
    equal(loop.run(), 0)
  })

  it('lets it sleep where the time is 0', () => {
    const loop = new Rounds(0)
    loop.lookout.expect()
    equal(loop.run(), 0)
  })

  it('begins anew with each call that comes, and ends with what was looked for', () => {
    const loop = new Rounds(20_000)
    loop.lookout.expect()
    loop.run(15)
    loop.lookout.expect()
    equal(loop.run(15), 15)
    loop.lookout.found()
    equal(loop.run(), 1)
  })

  it('looks ever more rarely when no call follows, and always again once one has', () => {
    const loop = new Rounds(20_000)
    const looked: number[] = []
    for (let call = 1; call <= 200; call++) {
      loop.lookout.expect()
      if (loop.run() > 0) looked.push(call)
    }
    deepEqual(looked, [1, 3, 7, 15, 31, 63, 127, 191])
    for (let call = 0; call < 64 && loop.run(1) === 0; call++) loop.lookout.expect()
    loop.lookout.found()
    loop.run()
    for (let call = 0; call < 20; call++) {
      loop.lookout.expect()
      equal(loop.run(1), 1)
      loop.lookout.found()
      loop.run()
    }
  })
})
