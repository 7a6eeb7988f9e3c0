/**
 * The journal: equal events become one entry with a count, and none is lost.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AUDIT_TEXT_MAX, type AuditEntry, type AuditEvent, entryOf, Journal } from './audit.ts'

const EVENT: AuditEvent = {
  principal: 'alice',
  front: 'kmip',
  operation: 'Get',
  object: 'key-1',
  outcome: 'success',
}

/** Each differs from {@link EVENT} in one thing. */
const OTHERS: readonly AuditEvent[] = [
  { ...EVENT, principal: 'bob' },
  { ...EVENT, front: 'control' },
  { ...EVENT, operation: 'Encrypt' },
  { ...EVENT, object: 'key-2' },
  { ...EVENT, outcome: 'notFound' },
  { ...EVENT, detail: 'said so' },
]

class Sink {
  readonly entries: AuditEntry[] = []
  failure: Error | undefined
  now = 1_000
  readonly journal: Journal

  constructor(flushMilliseconds = 60_000) {
    const options = { clock: () => this.now, flushMilliseconds, queueMax: 100 }
    this.journal = new Journal((entries) => this.#write(entries), { ...options, failed: () => {} })
  }

  async #write(entries: readonly AuditEntry[]): Promise<void> {
    if (this.failure !== undefined) throw this.failure
    this.entries.push(...entries)
  }
}

describe('the journal', () => {
  it('counts equal events, with the time of the first and of the last', async () => {
    const sink = new Sink()
    for (sink.now = 1_000; sink.now < 1_005; sink.now++) sink.journal.record({ ...EVENT })
    await sink.journal.flush()
    assert.deepEqual(sink.entries, [{ ...EVENT, time: 1_000, last: 1_004, count: 5 }])
  })

  it('keeps events apart that differ in anything, in whatever order they come', async () => {
    const sink = new Sink()
    for (let round = 0; round < 3; round++) {
      for (const other of OTHERS) {
        sink.journal.record(EVENT)
        sink.journal.record(other)
        sink.journal.record(other)
      }
    }
    await sink.journal.flush()
    const counts = sink.entries.map(({ count }) => count)
    assert.deepEqual(counts, [3 * OTHERS.length, ...OTHERS.map(() => 6)])
  })

  it('begins a new entry after each writing', async () => {
    const sink = new Sink()
    for (const count of [2, 3]) {
      for (let one = 0; one < count; one++) sink.journal.record(EVENT)
      await sink.journal.flush()
    }
    assert.deepEqual(
      sink.entries.map(({ count }) => count),
      [2, 3],
    )
  })

  it('keeps what could not be written, and adds to it', async () => {
    const sink = new Sink()
    sink.failure = new Error('the disk is full')
    sink.journal.record(EVENT)
    const failing = sink.journal.flush()
    sink.journal.record(EVENT)
    await failing
    sink.journal.record(EVENT)
    sink.failure = undefined
    sink.now = 2_000
    sink.journal.record(EVENT)
    await sink.journal.flush()
    assert.deepEqual(sink.entries, [{ ...EVENT, time: 1_000, last: 2_000, count: 4 }])
  })

  it('cuts what a client makes long: a refusal repeats its words', async () => {
    const sink = new Sink()
    const long = 'x'.repeat(1_000_000)
    const event = { ...EVENT, principal: long, object: long, detail: long }
    sink.journal.record(event)
    await sink.journal.flush()
    for (const entry of [...sink.entries, entryOf(event, 0)]) {
      for (const text of [entry.principal, entry.object, entry.detail]) {
        assert.equal(text?.length, AUDIT_TEXT_MAX)
      }
    }
  })

  it('cuts whichever is long, and leaves what is just as long as may be', async () => {
    const [long, whole] = ['x'.repeat(AUDIT_TEXT_MAX + 1), 'x'.repeat(AUDIT_TEXT_MAX)]
    for (const field of ['principal', 'object', 'detail'] as const) {
      const cut = entryOf({ ...EVENT, [field]: long }, 0)
      assert.equal(cut[field], `${'x'.repeat(AUDIT_TEXT_MAX - 1)}…`, field)
      assert.equal(entryOf({ ...EVENT, [field]: whole }, 0)[field], whole, field)
    }
  })

  it('is written by itself, and tried again by itself', { timeout: 10_000 }, async () => {
    const sink = new Sink(5)
    const until = async (happened: () => boolean): Promise<void> => {
      while (!happened()) await new Promise((resolve) => setTimeout(resolve, 1))
    }
    sink.journal.record(EVENT)
    await until(() => sink.entries.length === 1)
    sink.failure = new Error('the disk is full')
    sink.journal.record(EVENT)
    await until(() => sink.journal.failures > 1)
    sink.failure = undefined
    await until(() => sink.entries.length === 2)
    assert.equal(sink.journal.waiting, 0)
  })

  it('asks to wait when as many entries wait as may', async () => {
    const sink = new Sink()
    const rooms = Array.from({ length: 100 }, (_, index) => {
      return sink.journal.record({ ...EVENT, object: `key-${index}` })
    })
    assert.deepEqual(
      rooms.slice(0, 99).filter((room) => room !== undefined),
      [],
    )
    await rooms[99]
    assert.equal(sink.entries.length, 100)
  })
})
