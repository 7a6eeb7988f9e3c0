/**
 * SQLite passes the contract of databases; and what only it has: rows that others have altered, the
 * bound of its queue, and plans of queries without a scan.
 *
 * @module
 */
import { deepEqual, equal, fail, match, ok, rejects } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { describe, it } from 'node:test'
import type { Condition, Database, Query } from '#core/database.ts'
import { KmsError } from '#core/errors.ts'
import { databaseContract, newRecord, term } from '../contract.ts'
import { openForWriting } from './connection.ts'
import { findRecords } from './find.ts'
import { openSqlite } from './sqlite.ts'
import { walkRecords } from './walk.ts'
import { Writer } from './writer.ts'

interface Place {
  readonly path: string
  open(writeQueueMax?: number): Promise<Database>
  remove(): Promise<void>
}

async function create(): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-sqlite-'))
  const path = join(folder, 'test.db')
  const keys = { ledgerKey: randomBytes(32), auditKey: randomBytes(32) }
  return {
    path,
    open: (writeQueueMax = 10_000) => openSqlite(path).unlock(keys, { writeQueueMax }),
    remove: async () => rmSync(folder, { recursive: true, force: true }),
  }
}

databaseContract({ name: 'sqlite', create })

/** Fills a database, closes it, lets somebody else at the file, and opens it again. */
async function meddled(
  sql: string,
  check: (database: Database, place: Place) => Promise<void>,
): Promise<void> {
  const place = await create()
  try {
    const first = await place.open()
    const names = ['one', 'two', 'three']
    await first.commit(
      names.map((id) => newRecord(id)),
      names.map((operation) => {
        const who = { principal: 'p', front: 'kmip', outcome: 'success' } as const
        return { time: 1, last: 1, count: 1, operation, ...who }
      }),
    )
    await first.commit([newRecord('one', { previous: 1, revision: 2 })], [])
    await first.close()
    const file = new DatabaseSync(place.path)
    file.exec(sql)
    file.close()
    const second = await place.open()
    await check(second, place)
    await second.close()
  } finally {
    await place.remove()
  }
}

const tampered = (error: unknown): boolean => error instanceof KmsError && error.code === 'tampered'

describe('SQLite: rows that another program has altered', { timeout: 30_000 }, () => {
  const cases: Readonly<Record<string, string>> = {
    'rolled back': "UPDATE records SET revision = 1 WHERE id = 'one'",
    removed: "DELETE FROM records WHERE id = 'one'",
    renamed: "UPDATE records SET id = 'four' WHERE id = 'one'",
  }
  for (const [name, sql] of Object.entries(cases)) {
    it(`does not read a row that was ${name}, and reads the others`, async () => {
      await meddled(sql, async (database) => {
        await rejects(database.read('object', 'one'), tampered)
        equal((await database.read('object', 'two'))?.id, 'two')
      })
    })
  }
  it('does not read a row that was put there', async () => {
    const sql = `INSERT INTO records (kind, id, scope, revision, bytes)
      VALUES ('object', 'four', 1, 1, x'00')`
    await meddled(sql, async (database) => {
      await rejects(database.read('object', 'four'), tampered)
      equal((await database.verify()).length, 1)
    })
  })
  it('does not read what a page of the ledger that was altered stands for', async () => {
    await meddled('UPDATE ledger SET bytes = zeroblob(length(bytes))', async (database) => {
      await rejects(database.read('object', 'one'), tampered)
    })
  })
  it('notices an audit entry that was altered, and one that was removed', async () => {
    for (const sql of [
      "UPDATE audit SET principal = 'q' WHERE seq = 2",
      'DELETE FROM audit WHERE seq = 2',
    ]) {
      await meddled(sql, async (database) => {
        const problems = await database.verify()
        equal(problems.length, 1)
        match(problems[0] as string, /Audit entry [23] was altered/)
      })
    }
  })
})

describe('SQLite: its queue', { timeout: 30_000 }, () => {
  it('refuses more changes than may wait, and takes others when there is room', async () => {
    const place = await create()
    const database = await place.open(5)
    const writes = Array.from({ length: 8 }, (_, index) => {
      return database.commit([newRecord(`queued-${index}`)], [])
    })
    const outcomes = await Promise.allSettled(writes)
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
    deepEqual(
      refused.map(({ reason }) => (reason as KmsError).code),
      ['limitExceeded', 'limitExceeded', 'limitExceeded'],
    )
    await database.commit([newRecord('later')], [])
    await database.close()
    await place.remove()
  })
})

describe('SQLite: data keys', { timeout: 30_000 }, () => {
  it('has those of the beginning until all are replaced together', async () => {
    const place = await create()
    const keyOf = (number: number) => ({ number, sealed: randomBytes(20) })
    const [first, second, third] = [keyOf(1), keyOf(1), keyOf(2)]
    const stored = () => {
      const { rootName, dataKeys } = openSqlite(place.path)
      const keys = dataKeys.map(({ number, sealed }) => ({ number, sealed: Buffer.from(sealed) }))
      return { rootName, keys }
    }
    equal(openSqlite(place.path).rootName, undefined)
    openSqlite(place.path).initialise([first], 'root 1')
    deepEqual(stored(), { rootName: 'root 1', keys: [first] })
    const database = await place.open()
    await database.replaceDataKeys([second, third], 'root 2')
    await database.close()
    deepEqual(stored(), { rootName: 'root 2', keys: [second, third] })
    await place.remove()
  })
})

describe('SQLite: requests that share a transaction', () => {
  it('writes each that is right and undoes each that is not', async () => {
    const place = await create()
    openSqlite(place.path)
    const file = openForWriting(place.path)
    const writer = new Writer(file, randomBytes(32), randomBytes(32))
    const claims = { add: [term('shared')], remove: [] }
    const requests = [
      [newRecord('one', { claims })],
      [newRecord('two'), newRecord('three', { claims })],
      [newRecord('two')],
      [newRecord('one')],
    ].map((changes) => ({ changes, entries: [] }))
    const codes = writer.write(requests).map((outcome) => outcome?.code)
    deepEqual(codes, [undefined, 'nameInUse', undefined, 'exists'])
    const ids = file.prepare('SELECT id FROM records ORDER BY id').all()
    deepEqual(
      ids.map((row) => row['id']),
      ['one', 'two'],
    )
    file.close()
    await place.remove()
  })
})

describe('SQLite: plans of queries', () => {
  /** What SQLite would do for every statement of a search, in its own words. */
  async function plansOf(query: Omit<Query, 'kind' | 'limit'>): Promise<readonly string[]> {
    const place = await create()
    const database = await place.open()
    const terms = { add: [term('name'), term('other')], remove: [] }
    const changes = Array.from({ length: 50 }, (_, index) => newRecord(`${index}`, { terms }))
    await database.commit(changes, [])
    await database.close()
    const file = new DatabaseSync(place.path, { readOnly: true })
    const plans: string[] = []
    const prepare = (sql: string): StatementSync => {
      const plan = file.prepare(`EXPLAIN QUERY PLAN ${sql}`)
      const marks = sql.split('?').length - 1
      plans.push(...plan.all(...Array(marks).fill(0)).map((row) => row['detail'] as string))
      return file.prepare(sql)
    }
    const checked = () => fail('nothing is wanted')
    const looking = { prepare, checked, scopes: new Map<string, number>() }
    const asked = { kind: 'object', limit: 10, ...query } as const
    const { isLong } = findRecords(asked, looking)
    if (isLong) await walkRecords(asked, looking, (work) => work())
    file.close()
    await place.remove()
    return plans
  }
  const scans = (plans: readonly string[]): readonly string[] =>
    plans.filter((plan) => /^SCAN (records|terms|t|o|claims)\b/.test(plan))

  const cases: Readonly<Record<string, readonly Condition[]>> = {
    'a name': [{ is: term('name') }],
    'a name and another term': [{ is: term('name') }, { is: term('other') }],
    'a range': [{ from: term('a'), to: term('z') }],
    'a range and a name': [{ from: term('a'), to: term('z') }, { is: term('name') }],
    'one of several': [{ any: [{ is: term('name') }, { is: term('other') }] }],
  }
  for (const [name, conditions] of Object.entries(cases)) {
    it(`finds by ${name} through an index, without a scan`, async () => {
      const plans = await plansOf({ conditions, scopes: ['default'], count: true })
      deepEqual(scans(plans), [])
      // A range that is asked for a single record is gone through for it, and for the next again.
      ok(!plans.some((plan) => /SEARCH o .*term[<>]/.test(plan)), plans.join('\n'))
      // But a range, of which a record may have several terms.
      if (!name.includes('range'))
        deepEqual(
          plans.filter((plan) => /TEMP B-TREE/.test(plan)),
          [],
        )
      ok(
        plans.some((plan) => /SEARCH t USING (PRIMARY KEY|.*INDEX)/.test(plan)),
        plans.join('\n'),
      )
    })
  }
})
