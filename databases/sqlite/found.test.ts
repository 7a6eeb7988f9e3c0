/**
 * Answers that are remembered are those that the database would give.
 *
 * A model walks over what was acknowledged; in between changes are on their way, and questions are
 * asked while nobody knows whether they are written.
 *
 * @module
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Database, Query, Term } from '#core/database.ts'
import { newRecord } from '../contract.ts'
import { FoundCache, keyOf } from './found.ts'
import { openSqlite } from './sqlite.ts'

const SEED = Number(process.env['SEED'] ?? 20_261_121)
const [A, B] = [Buffer.from('a'), Buffer.from('b')]

function asks(term: Term, rest: Partial<Query> = {}): Query {
  return { kind: 'object', scopes: ['default'], conditions: [{ is: term }], limit: 100, ...rest }
}

/** Mulberry32: the same numbers in every run with a seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

describe('what is remembered of searches', () => {
  const key = keyOf(asks(A)) as string
  const change = (add: readonly Term[], remove: readonly Term[] = []) => [
    newRecord('x', { terms: { add, remove } }),
  ]

  it('is one term in one scope, without counting and from the beginning', () => {
    ok(key !== undefined)
    equal(keyOf(asks(A, { scopes: undefined })), undefined)
    equal(keyOf(asks(A, { scopes: ['default', 'other'] })), undefined)
    equal(keyOf(asks(A, { conditions: [{ is: A }, { is: B }] })), undefined)
    equal(keyOf(asks(A, { conditions: [{ from: A, to: B }] })), undefined)
    equal(keyOf(asks(A, { count: true })), undefined)
    equal(keyOf(asks(A, { offset: 1 })), undefined)
  })

  it('is kept apart by kind, scope, order and term', () => {
    const others = [{ kind: 'grant' }, { scopes: ['other'] }, { oldestFirst: true }] as const
    const keys = [key, keyOf(asks(B)), ...others.map((one) => keyOf(asks(A, one)))]
    equal(new Set(keys).size, 5)
    // No scope can pass for the beginning of a term.
    const [one, two] = [asks(Buffer.from('b c'), { scopes: ['a'] }), asks(Buffer.from('c'))]
    ok(keyOf(one) !== keyOf({ ...two, scopes: ['a b'] }))
  })

  it('is no list that is long, or may go on', () => {
    const cache = new FoundCache()
    cache.put(key, ['1', '2'], 2)
    equal(cache.get(key, 100), undefined)
    const long = Array.from({ length: 17 }, String)
    cache.put(key, long, 100)
    equal(cache.get(key, 100), undefined)
    cache.put(key, ['1', '2'], 3)
    deepEqual(cache.get(key, 100), ['1', '2'])
    equal(cache.get(key, 2), undefined)
  })

  it('is forgotten with a change, and not learnt while one is on its way', () => {
    const cache = new FoundCache()
    cache.put(key, [], 100)
    const [adds, others] = [change([A]), change([], [B])]
    cache.begin(others)
    deepEqual(cache.get(key, 100), [])
    cache.begin(adds)
    equal(cache.get(key, 100), undefined)
    cache.put(key, [], 100)
    equal(cache.get(key, 100), undefined)
    cache.end(adds)
    cache.put(key, [], 100)
    equal(cache.get(key, 100), undefined)
    cache.end(others)
    cache.put(key, ['x'], 100)
    deepEqual(cache.get(key, 100), ['x'])
  })

  it('has its bounds', () => {
    const cache = new FoundCache()
    for (let index = 0; index < 10_050; index++) cache.put(`key ${index}`, [], 1)
    equal(cache.size, 10_000)
    equal(cache.get('key 0', 1), undefined)
  })
})

describe('searches of SQLite', { timeout: 60_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-found-'))
  let database: Database
  before(async () => {
    const path = join(folder, 'test.db')
    const keys = { ledgerKey: randomBytes(32), auditKey: randomBytes(32) }
    database = await openSqlite(path).unlock(keys, { writeQueueMax: 1_000 })
  })
  after(async () => {
    await database.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it(`give what was acknowledged, whatever was asked before (seed ${SEED})`, async () => {
    const random = randomOf(SEED)
    const terms = Array.from({ length: 6 }, (_, index) => Buffer.from(`term ${index}`))
    /** Revision and term of each record. */
    const model = new Map<string, { revision: number; term: number }>()
    const ask = async (term: number): Promise<readonly string[]> => {
      const query = asks(terms[term] as Term, { oldestFirst: random(2) === 0 })
      return (await database.find(query)).ids.toSorted()
    }
    const write = async (id: string): Promise<void> => {
      const old = model.get(id)
      const isRemoved = old !== undefined && random(4) === 0
      const term = random(terms.length)
      const revision = (old?.revision ?? 0) + 1
      const add = isRemoved ? [] : [terms[term] as Term]
      const remove = old === undefined ? [] : [terms[old.term] as Term]
      const moved = old?.term === term && !isRemoved
      const record = newRecord(id, {
        previous: old?.revision ?? 0,
        revision,
        terms: moved ? { add: [], remove: [] } : { add, remove },
      })
      const { bytes: _, ...removed } = record
      await database.commit([isRemoved ? removed : record], [])
      if (isRemoved) model.delete(id)
      else model.set(id, { revision, term })
    }
    for (let round = 0; round < 150; round++) {
      const writing = write(`record ${round % 12}`)
      // While it is on its way: either state is right, and neither may be kept.
      await ask(random(terms.length))
      await writing
      for (let term = 0; term < terms.length; term++) {
        const expected = [...model].filter(([, one]) => one.term === term).map(([id]) => id)
        deepEqual(await ask(term), expected.toSorted(), `round ${round}, term ${term}`)
        deepEqual(await ask(term), expected.toSorted(), `round ${round}, term ${term}, again`)
      }
    }
  })

  it('are right again after a change that was refused', async () => {
    const term = Buffer.from('refused')
    deepEqual((await database.find(asks(term))).ids, [])
    const wrong = newRecord('new', { previous: 7, revision: 8, terms: { add: [term], remove: [] } })
    const failed = await database.commit([wrong], []).then(
      () => false,
      () => true,
    )
    ok(failed)
    deepEqual((await database.find(asks(term))).ids, [])
    await database.commit([newRecord('new', { terms: { add: [term], remove: [] } })], [])
    deepEqual((await database.find(asks(term))).ids, ['new'])
  })
})
