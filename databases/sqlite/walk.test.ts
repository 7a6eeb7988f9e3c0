/**
 * Searches in parts: over so many entries that there are several, they find what a look at every
 * record finds, and nobody waits for the whole of one.
 *
 * KMIP 2.1 §6.1.29: several conditions, each of which many objects fulfil, and ranges of dates.
 *
 * @module
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Condition, Database, Found, Query } from '#core/database.ts'
import { openSqlite } from './sqlite.ts'

/** More than two parts of 2,000 entries. */
const RECORDS = 5_000
const SCOPE = 'walked'

const term = (text: string): Buffer => Buffer.from(text)
const is = (text: string): Condition => ({ is: term(text) })
const day = (index: number): string => `day ${String(index).padStart(5, '0')}`
const days = (from: number, to: number): Condition => ({ from: term(day(from)), to: term(day(to)) })

/** The older half and the newer half overlap in a few; days run against the order of records. */
function termsOf(index: number): readonly string[] {
  return [
    index < RECORDS / 2 ? 'older' : 'newer',
    ...(index < RECORDS / 2 + 3 || index === RECORDS - 1 ? ['left'] : ['right']),
    ...(index % 2 === 0 ? ['even'] : []),
    ...(index % 1_000 === 7 ? ['some'] : []),
    ...(index === 3_000 ? ['one'] : []),
    'stored',
    day(RECORDS - index),
    `x${day(Math.trunc(index / 1_000))}`,
  ]
}
const sameDay: Condition = { from: term(`x${day(1)}`), to: term(`x${day(2)}`) }

const KNOWN = Array.from({ length: RECORDS }, (_, index) => ({
  id: `walked-${index}`,
  terms: termsOf(index).map(term),
}))

function holds(terms: readonly Buffer[], condition: Condition): boolean {
  if ('any' in condition) return condition.any.some((each) => holds(terms, each))
  const [from, to] =
    'is' in condition ? [condition.is, condition.is] : [condition.from, condition.to]
  return terms.some((one) => Buffer.compare(one, from) >= 0 && Buffer.compare(one, to) <= 0)
}

const STORED: Condition = { any: [is('stored'), is('archived')] }
const QUESTIONS: Readonly<Record<string, readonly Condition[]>> = {
  'terms of which many have one': [is('newer'), is('left'), STORED],
  'terms that nobody has all of': [is('older'), is('right'), STORED],
  'terms that many have all of': [STORED, is('even'), is('newer')],
  'one of several terms': [{ any: [is('older'), is('right')] }, is('even')],
  'a range with all': [days(0, RECORDS), STORED],
  'a range alone': [days(1_000, 4_500)],
  'a range and terms': [is('even'), days(100, 4_700), STORED],
  'a range of a few values, each of many': [sameDay, is('even')],
  'a range and one record': [is('one'), days(0, RECORDS)],
  'a range and some records': [is('some'), days(0, 2_500), STORED],
  'two ranges': [days(1_500, 4_000), sameDay, STORED],
  'two ranges, without anything in both': [days(0, 10), sameDay],
  'a range or a term': [{ any: [is('some'), days(4_990, RECORDS)] }, STORED],
  'one of more terms than are merged': [
    { any: Array.from({ length: 60 }, (_, index) => is(day(index * 70))) },
    STORED,
  ],
}

describe('A search in parts', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-walk-'))
  let database: Database
  before(async () => {
    const keys = { ledgerKey: Buffer.alloc(32, 1), auditKey: Buffer.alloc(32, 2) }
    database = await openSqlite(join(folder, 'test.db')).unlock(keys, { writeQueueMax: 100 })
    const changes = KNOWN.map(({ id, terms }) => {
      const base = { kind: 'object', id, scope: SCOPE, previous: 0, revision: 1 } as const
      const none = { add: [], remove: [] }
      return { ...base, bytes: Buffer.of(1), terms: { add: terms, remove: [] }, claims: none }
    })
    await database.commit(changes, [])
  })
  after(async () => {
    await database?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const expected = ({ conditions, oldestFirst }: Query): readonly string[] => {
    const ids = KNOWN.filter(({ terms }) => conditions.every((one) => holds(terms, one)))
    const oldest = ids.map(({ id }) => id)
    return oldestFirst ? oldest : oldest.toReversed()
  }

  for (const [name, conditions] of Object.entries(QUESTIONS)) {
    it(`finds by ${name}, in pages and in both orders`, async () => {
      for (const oldestFirst of [false, true]) {
        const query = { kind: 'object', scopes: [SCOPE], conditions, oldestFirst } as const
        const all = expected({ ...query, limit: 0 })
        for (const [limit, offset] of [[RECORDS], [3, 2], [0], [2, 2_400]] as const) {
          const { ids } = await database.find({ ...query, limit, offset })
          deepEqual(ids, all.slice(offset ?? 0, (offset ?? 0) + limit))
          const counted = await database.find({ ...query, limit, offset, count: true })
          deepEqual(counted.ids, ids)
          equal(counted.total, all.length)
        }
        const ids: string[] = []
        let page: Found = { ids: [] }
        do {
          page = await database.find({ ...query, limit: 700, behind: page.place })
          ids.push(...page.ids)
        } while (page.place !== undefined)
        deepEqual(ids, all)
      }
    })
  }

  it('lets others have their turn, however little the conditions have in common', async () => {
    for (const name of ['terms that nobody has all of', 'two ranges', 'a range and terms']) {
      const conditions = QUESTIONS[name] as readonly Condition[]
      let done = false
      const found = database
        .find({ kind: 'object', scopes: [SCOPE], conditions, limit: 1 })
        .finally(() => {
          done = true
        })
      let turns = 0
      while (!done) {
        await turn()
        turns++
      }
      await found
      ok(turns >= 2, `${name}: ${turns} turns`)
    }
  })
})
