/**
 * What every database must do: the common test suite of `core/database.ts`.
 *
 * A database's own test calls {@link databaseContract}. Records here are random bytes with made-up
 * terms: a database knows nothing of keys. What was found is compared with a model that looks at
 * every record.
 *
 * It does not test what only one kind of database has: files, threads, plans of queries.
 *
 * @module
 */
import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { randomBytes, randomInt } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import type { AuditEntry } from '#core/audit.ts'
import type { Condition, Database, Found, Query, RecordChange, Term } from '#core/database.ts'
import { type FailureCode, KmsError } from '#core/errors.ts'

/** A place where a database is; opened again, it is the same database. */
export interface DatabasePlace {
  open(): Promise<Database>
  remove(): Promise<void>
}

export interface DatabaseUnderTest {
  readonly name: string
  /** A new and empty one. */
  create(): Promise<DatabasePlace>
}

const NONE = { add: [], remove: [] } as const

export const term = (text: string): Term => Buffer.from(text)

/** A record that did not exist, but for what is given. */
export function newRecord(id: string, rest: Partial<RecordChange> = {}): RecordChange {
  return {
    kind: 'object',
    id,
    scope: 'default',
    previous: 0,
    revision: 1,
    bytes: randomBytes(40),
    terms: NONE,
    claims: NONE,
    ...rest,
  }
}

function entry(operation: string, rest: Partial<AuditEntry> = {}): AuditEntry {
  const time = rest.time ?? 1_000
  const who = { principal: 'somebody', front: 'kmip', outcome: 'success' } as const
  return { time, last: time, count: 1, operation, ...who, ...rest }
}

async function failsWith(code: FailureCode, work: Promise<unknown>): Promise<void> {
  await rejects(work, (error: unknown) => {
    ok(error instanceof KmsError, `not a KmsError: ${error}`)
    equal(error.code, code, error.message)
    return true
  })
}

/** Declares the suite; call it at the top of a test file. */
export function databaseContract({ name, create }: DatabaseUnderTest): void {
  describe(`database contract: ${name}`, { timeout: 60_000 }, () => {
    let place: DatabasePlace
    let database: Database
    before(async () => {
      place = await create()
      database = await place.open()
    })
    after(async () => {
      await database.close()
      await place.remove()
    })
    const the = () => database
    describe('records', () => records(the))
    describe('claims', () => claims(the))
    describe('finding', () => finding(the))
    describe('audit', () => audit(the))
    describe('many at once', () => manyAtOnce(the))
    describe('closing', () => closing(create))
  })
}

type The = () => Database

function records(the: The): void {
  it('reads what was written, and nothing under another kind or identifier', async () => {
    const bytes = randomBytes(1_000)
    await the().commit([newRecord('read-1', { bytes, scope: 'here' })], [])
    const found = await the().read('object', 'read-1')
    deepEqual(found && { ...found, bytes: Buffer.from(found.bytes) }, {
      kind: 'object',
      id: 'read-1',
      scope: 'here',
      revision: 1,
      bytes,
    })
    equal(await the().read('credential', 'read-1'), undefined)
    equal(await the().read('object', 'read-2'), undefined)
  })
  it('keeps the kinds apart', async () => {
    const kinds = ['object', 'credential', 'setting'] as const
    await the().commit(
      kinds.map((kind) => newRecord('same', { kind, bytes: Buffer.from(kind) })),
      [],
    )
    for (const kind of kinds) {
      equal(Buffer.from((await the().read(kind, 'same'))!.bytes).toString(), kind)
    }
  })
  it('updates, and removes', async () => {
    await the().commit([newRecord('update')], [])
    const bytes = randomBytes(10)
    await the().commit([newRecord('update', { previous: 1, revision: 5, bytes })], [])
    const found = await the().read('object', 'update')
    equal(found?.revision, 5)
    deepEqual(Buffer.from(found!.bytes), bytes)
    const gone = newRecord('update', { previous: 5, revision: 6, bytes: undefined })
    await the().commit([gone], [])
    equal(await the().read('object', 'update'), undefined)
  })
  it('refuses an old revision, a record that exists, and one that does not', async () => {
    await the().commit([newRecord('version')], [])
    await the().commit([newRecord('version', { previous: 1, revision: 2 })], [])
    const late = newRecord('version', { previous: 1, revision: 2 })
    await failsWith('conflict', the().commit([late], []))
    await failsWith('conflict', the().commit([{ ...late, bytes: undefined }], []))
    await failsWith('exists', the().commit([newRecord('version')], []))
    const absent = newRecord('version-absent', { previous: 3, revision: 4 })
    await failsWith('conflict', the().commit([absent], []))
  })
  it('writes all of a transaction or nothing, entries included', async () => {
    const before = newRecord('all-1', { terms: { add: [term('all')], remove: [] } })
    await the().commit([newRecord('all-2')], [])
    const entries = [entry('AllOrNothing')]
    await failsWith('exists', the().commit([before, newRecord('all-2')], entries))
    equal(await the().read('object', 'all-1'), undefined)
    const conditions = [{ is: term('all') }]
    deepEqual((await the().find({ kind: 'object', conditions, limit: 10 })).ids, [])
    deepEqual(await the().audit({ operation: 'AllOrNothing', limit: 10 }), [])
    await the().commit([before], entries)
    equal((await the().audit({ operation: 'AllOrNothing', limit: 10 })).length, 1)
  })
  it('reads several in the order asked for', async () => {
    await the().commit(
      ['a', 'b', 'c'].map((id) => newRecord(`several-${id}`)),
      [],
    )
    const ids = ['several-c', 'several-x', 'several-a']
    const found = await the().readAll('object', ids)
    deepEqual(
      found.map((one) => one?.id),
      ['several-c', undefined, 'several-a'],
    )
  })
  it('lists what is due, the longest due first', async () => {
    const kind = 'setting' as const
    const dues = [30, 10, 20, undefined, 99]
    const changes = dues.map((due, index) => newRecord(`due-${index}`, { kind, due }))
    await the().commit(changes, [])
    deepEqual(await the().due(kind, 30, 10), ['due-1', 'due-2', 'due-0'])
    deepEqual(await the().due(kind, 30, 1), ['due-1'])
    await the().commit([newRecord('due-1', { kind, previous: 1, revision: 2 })], [])
    deepEqual(await the().due(kind, 30, 10), ['due-2', 'due-0'])
  })
  it('finds nothing wrong with what it wrote', async () => {
    deepEqual(await the().verify(), [])
  })
}

function claims(the: The): void {
  const claiming = (id: string, name: string, rest: Partial<RecordChange> = {}): RecordChange =>
    newRecord(id, { claims: { add: [term(name)], remove: [] }, ...rest })

  it('gives a name to one record of a scope and kind only', async () => {
    await the().commit([claiming('claim-1', 'name')], [])
    await failsWith('nameInUse', the().commit([claiming('claim-2', 'name')], []))
    equal(await the().read('object', 'claim-2'), undefined)
    await the().commit([claiming('claim-3', 'name', { scope: 'elsewhere' })], [])
    await the().commit([claiming('claim-4', 'name', { kind: 'credential' })], [])
    await the().commit([claiming('claim-1', 'name', { previous: 1, revision: 2 })], [])
  })
  it('gives it anew once it was let go', async () => {
    await the().commit([claiming('let-1', 'let go')], [])
    const let1 = newRecord('let-1', {
      previous: 1,
      revision: 2,
      claims: { add: [], remove: [term('let go')] },
    })
    await the().commit([let1, claiming('let-2', 'let go')], [])
    const gone = { previous: 1, revision: 2, bytes: undefined }
    const remove = { add: [], remove: [term('let go')] }
    await the().commit([newRecord('let-2', { ...gone, claims: remove })], [])
    await the().commit([claiming('let-3', 'let go')], [])
  })
  it('gives it to one of several who ask at once', async () => {
    const asking = Array.from({ length: 20 }, (_, index) => {
      return the().commit([claiming(`race-${index}`, 'race')], [])
    })
    const outcomes = await Promise.allSettled(asking)
    equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') equal((outcome.reason as KmsError).code, 'nameInUse')
    }
  })
}

interface Known {
  readonly id: string
  readonly scope: string
  readonly terms: readonly string[]
}

const SCOPES = ['find-1', 'find-2', 'find-3']
/** In the order of their bytes. */
const TERMS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']

function finding(the: The): void {
  const known: Known[] = []
  before(async () => {
    for (let index = 0; index < 120; index++) {
      const terms = TERMS.filter(() => randomInt(3) === 0)
      if (randomInt(8) === 0) terms.push('rare')
      known.push({ id: `found-${index}`, scope: SCOPES[randomInt(2)] as string, terms })
    }
    const changes = known.map(({ id, scope, terms }) => {
      return newRecord(id, { scope, terms: { add: terms.map(term), remove: [] } })
    })
    await the().commit(changes, [])
  })

  const holds = (one: Known, condition: Condition): boolean => {
    if ('is' in condition)
      return one.terms.some((text) => Buffer.compare(term(text), condition.is) === 0)
    if ('any' in condition) return condition.any.some((each) => holds(one, each))
    const { from, to } = condition
    return one.terms.some((text) => {
      return Buffer.compare(term(text), from) >= 0 && Buffer.compare(term(text), to) <= 0
    })
  }
  const expected = ({ scopes, conditions, oldestFirst }: Query): readonly string[] => {
    const ids = known
      .filter((one) => scopes?.includes(one.scope) ?? true)
      .filter((one) => conditions.every((condition) => holds(one, condition)))
      .map(({ id }) => id)
    return oldestFirst ? ids : ids.toReversed()
  }
  const agrees = async (query: Query): Promise<void> => {
    const all = expected(query)
    const offset = query.offset ?? 0
    const { ids, total } = await the().find(query)
    deepEqual(ids, all.slice(offset, offset + query.limit), JSON.stringify(query))
    equal(total, query.count ? all.length : undefined, JSON.stringify(query))
  }
  const is = (text: string): Condition => ({ is: term(text) })
  const from = (low: string, high: string): Condition => ({ from: term(low), to: term(high) })

  const cases: Readonly<Record<string, readonly Condition[]>> = {
    'no condition': [],
    'a term': [is('a')],
    'two terms': [is('a'), is('b')],
    'a rare term': [is('rare')],
    'a rare term and others': [is('a'), is('rare'), { any: [is('b'), is('c')] }],
    'a rare term and a range': [is('rare'), from('b', 'd')],
    'a range': [from('b', 'd')],
    'a range and a term': [from('b', 'd'), is('h')],
    'one of several terms': [{ any: [is('a'), is('c'), is('nobody')] }],
    'one of several, and a range': [{ any: [is('a'), from('g', 'h')] }, from('b', 'e')],
    'two ranges': [from('a', 'b'), from('g', 'h')],
    'a term that nobody has': [is('nobody')],
    'a range that is empty': [from('x', 'z')],
  }
  for (const [name, conditions] of Object.entries(cases)) {
    it(`finds by ${name}, in pages, in both orders and in every scope`, async () => {
      for (const scopes of [SCOPES, ['find-1'], ['find-3'], ['nowhere'], []]) {
        for (const oldestFirst of [false, true]) {
          for (const [limit, offset] of [[1_000], [5], [5, 5], [7, 100], [0], [1, 1_000]]) {
            const page = { limit: limit as number, offset }
            const query = { kind: 'object', scopes, conditions, oldestFirst, ...page } as const
            await agrees(query)
            await agrees({ ...query, count: true })
          }
        }
      }
    })
  }
  it('goes on behind the page before, in both orders', async () => {
    const queries = Object.values(cases).flatMap((conditions) => {
      return [SCOPES, ['find-1']].flatMap((scopes) => [
        { kind: 'object', scopes, conditions, limit: 7 } as const,
        { kind: 'object', scopes, conditions, limit: 7, oldestFirst: true } as const,
      ])
    })
    for (const query of queries) {
      const ids: string[] = []
      let page: Found = { ids: [] }
      do {
        page = await the().find({ ...query, behind: page.place, count: true })
        ids.push(...page.ids)
        equal(page.total, expected(query).length, JSON.stringify(query))
      } while (page.place !== undefined)
      deepEqual(ids, expected(query), JSON.stringify(query))
    }
  })
  it('brings records of what it finds, if any, as reading brings them, and only wanted ones', async () => {
    const terms = { add: [term('brought')], remove: [] }
    const made = ['brought-1', 'brought-2'].map((id) => newRecord(id, { scope: 'brought', terms }))
    await the().commit(made, [])
    const conditions = [{ any: [is('brought'), is('nowhere')] }]
    const query = { kind: 'object', scopes: ['brought'], conditions, limit: 10 } as const
    const found = await the().find({ ...query, wants: (id) => id === 'brought-1' })
    deepEqual(found.ids, ['brought-2', 'brought-1'])
    const read = await the().read('object', 'brought-1')
    for (const record of found.records ?? []) deepEqual(record, read)
    deepEqual((await the().find(query)).records ?? [], [])
  })
  it('finds in all scopes when none is named', async () => {
    const conditions = [is('a')]
    const { ids } = await the().find({ kind: 'object', conditions, limit: 1_000 })
    deepEqual(ids, expected({ kind: 'object', conditions, limit: 1_000 }))
    deepEqual((await the().find({ kind: 'credential', conditions, limit: 1_000 })).ids, [])
  })
  it('finds by what a record has now', async () => {
    const scopes = ['find-now']
    const find = async (text: string) =>
      (await the().find({ kind: 'object', scopes, conditions: [is(text)], limit: 10 })).ids
    const first = { scope: 'find-now', terms: { add: [term('old')], remove: [] } }
    await the().commit([newRecord('now', first)], [])
    deepEqual(await find('old'), ['now'])
    const terms = { add: [term('new')], remove: [term('old')] }
    await the().commit([newRecord('now', { ...first, previous: 1, revision: 2, terms })], [])
    deepEqual([await find('old'), await find('new')], [[], ['now']])
    const last = { add: [], remove: [term('new')] }
    const gone = { previous: 2, revision: 3, bytes: undefined, terms: last }
    await the().commit([newRecord('now', { ...first, ...gone })], [])
    deepEqual(await find('new'), [])
  })
}

function audit(the: The): void {
  it('keeps entries as they are, newest first', async () => {
    const whole: AuditEntry = {
      ...entry('Whole', { time: 5_000, object: 'audited', detail: 'in words' }),
      last: 6_000,
      count: 3,
      outcome: 'notFound',
    }
    await the().commit([], [whole])
    await the().commit([], [entry('Whole', { time: 7_000 })])
    const [second, first] = await the().audit({ operation: 'Whole', limit: 10 })
    deepEqual({ ...first }, whole)
    equal(second?.time, 7_000)
    equal((await the().audit({ operation: 'Whole', limit: 1 }))[0]?.time, 7_000)
  })
  it('removes the oldest entries, by their age or their number, and remains whole', async () => {
    await the().commit([], [entry('Trimmed', { time: 500 })])
    await the().trimAudit({ before: Infinity, keep: 0 })
    const times = [1_000, 2_000, 9_000, 3_000, 9_500, 9_600]
    for (const time of times) await the().commit([], [entry('Trimmed', { time })])
    const left = async () => (await the().audit({ limit: 10 })).map(({ time }) => time).reverse()
    equal(await the().trimAudit({ before: 0, keep: 7 }), 0)
    equal(await the().trimAudit({ before: 5_000, keep: 7 }), 3)
    deepEqual(await left(), [9_000, 3_000, 9_500, 9_600], 'up to the first that stays')
    equal(await the().trimAudit({ before: 0, keep: 2 }), 2)
    deepEqual(await left(), [9_500, 9_600])
    deepEqual(await the().verify(), [])
    equal(await the().trimAudit({ before: Infinity, keep: 0 }), 1)
    deepEqual(await left(), [9_600], 'the newest stays')
    await the().commit([], [entry('Trimmed', { time: 9_700 })])
    deepEqual(await left(), [9_600, 9_700])
    deepEqual(await the().verify(), [])
  })
  it('finds entries by time, principal, operation and object', async () => {
    const entries = [
      entry('Sought', { time: 100, principal: 'ann', object: 'o-1' }),
      entry('Sought', { time: 200, principal: 'bob', object: 'o-1' }),
      entry('Sought', { time: 300, principal: 'ann', object: 'o-2' }),
    ]
    await the().commit([], entries)
    const times = async (query: object) =>
      (await the().audit({ operation: 'Sought', ...query, limit: 10 })).map(({ time }) => time)
    deepEqual(await times({}), [300, 200, 100])
    deepEqual(await times({ principal: 'ann' }), [300, 100])
    deepEqual(await times({ object: 'o-1' }), [200, 100])
    deepEqual(await times({ since: 200 }), [300, 200])
    deepEqual(await times({ until: 200 }), [200, 100])
    deepEqual(await times({ since: 150, until: 250 }), [200])
    deepEqual(await times({ principal: 'nobody' }), [])
  })
}

function manyAtOnce(the: The): void {
  it('lets one of several changes of the same revision through', async () => {
    await the().commit([newRecord('contended')], [])
    const change = newRecord('contended', { previous: 1, revision: 2 })
    const all = Array.from({ length: 20 }, () => the().commit([change], []))
    const outcomes = await Promise.allSettled(all)
    equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
    for (const { reason } of refused) equal((reason as KmsError).code, 'conflict')
  })
  it('does not let a change that fails take its neighbours along', async () => {
    await the().commit([newRecord('neighbour')], [])
    const outcomes = await Promise.allSettled(
      Array.from({ length: 200 }, (_, index) => {
        const id = index % 10 === 0 ? 'neighbour' : `neighbour-${index}`
        return the().commit([newRecord(id)], [entry('Neighbour', { object: `${index}` })])
      }),
    )
    outcomes.forEach(({ status }, index) => {
      equal(status, index % 10 === 0 ? 'rejected' : 'fulfilled', `${index}`)
    })
    equal((await the().audit({ operation: 'Neighbour', limit: 1_000 })).length, 180)
    deepEqual(await the().verify(), [])
  })
}

function closing(create: DatabaseUnderTest['create']): void {
  it('has everything when it is opened again, and goes on', async () => {
    const place = await create()
    try {
      const first = await place.open()
      const terms = { add: [term('kept')], remove: [] }
      const claimed = { add: [term('kept name')], remove: [] }
      const bytes = randomBytes(50)
      await first.commit([newRecord('kept', { bytes, terms, claims: claimed })], [entry('Kept')])
      await first.close()
      const second = await place.open()
      const found = await second.read('object', 'kept')
      deepEqual(Buffer.from(found!.bytes), bytes)
      const query = { kind: 'object', conditions: [{ is: term('kept') }], limit: 5 } as const
      deepEqual((await second.find(query)).ids, ['kept'])
      await failsWith('nameInUse', second.commit([newRecord('x', { claims: claimed })], []))
      await second.commit([newRecord('kept', { previous: 1, revision: 2 })], [entry('Kept')])
      equal((await second.audit({ operation: 'Kept', limit: 5 })).length, 2)
      deepEqual(await second.verify(), [])
      await second.close()
    } finally {
      await place.remove()
    }
  })
  it('writes what was asked for before it closes, and refuses what comes after', async () => {
    const place = await create()
    try {
      const first = await place.open()
      const writes = ['x', 'y', 'z'].map((id) => first.commit([newRecord(id)], []))
      const closed = first.close()
      await Promise.all(writes)
      await failsWith('storageUnavailable', first.commit([newRecord('late')], []))
      await closed
      await first.close()
      const query = { kind: 'object', conditions: [], limit: 5 } as const
      await failsWith('storageUnavailable', first.read('object', 'x'))
      await failsWith('storageUnavailable', first.find(query))
      const second = await place.open()
      deepEqual((await second.find(query)).ids.toSorted(), ['x', 'y', 'z'])
      await second.close()
    } finally {
      await place.remove()
    }
  })
}
