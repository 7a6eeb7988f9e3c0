/**
 * Counting is right, and costs a request next to nothing.
 *
 * @module
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { describe, it } from 'node:test'
import { getHeapStatistics } from 'node:v8'
import { DURATIONS, Meter, Tally } from './meter.ts'

/** The runtime knows; the types of it do not yet. */
function allocated(): number {
  const { total_allocated_bytes: bytes } = getHeapStatistics() as unknown as {
    readonly total_allocated_bytes: number
  }
  ok(bytes > 0, 'the runtime does not say what it has allocated')
  return bytes
}

describe('a tally', () => {
  it('counts outcomes, and durations in their class', () => {
    const tally = new Tally()
    for (const end of DURATIONS) tally.add('success', end)
    tally.add('notFound', 60_000)
    tally.add('notFound', 0)
    const counts = [...tally.outcomes].map(([outcome, { count }]) => [outcome, count])
    deepEqual(counts, [
      ['success', DURATIONS.length],
      ['notFound', 2],
    ])
    deepEqual([...tally.durations], [2, 1, 1, 1, 1, 1, 1, 1, 1])
    equal(tally.milliseconds, DURATIONS.reduce((sum, one) => sum + one, 0) + 60_000)
  })

  it('allocates nothing for a request, and takes a few microseconds at the very most', () => {
    const { kmip } = new Meter()
    const count = (times: number): void => {
      for (let n = 0; n < times; n++) {
        const begun = performance.now()
        kmip.of('Encrypt').add('success', performance.now() - begun)
      }
    }
    count(100_000)
    const before = allocated()
    const begun = performance.now()
    count(200_000)
    const microseconds = ((performance.now() - begun) * 1_000) / 200_000
    const bytes = (allocated() - before) / 200_000
    ok(bytes < 4, `${bytes} bytes for each`)
    // Ten times what is wanted: the machine may have other things to do.
    ok(microseconds < 10, `${microseconds} microseconds for each`)
  })
})
