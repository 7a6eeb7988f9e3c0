/**
 * Search by terms, against a model that looks at every object.
 *
 * KMIP 1.4 §4.9 and KMIP 2.1 §6.1.29. Objects and questions come from small domains, so that they
 * meet; objects change and go on the way, so that the index must follow.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { AttributeBag } from '#core/attribute-bag.ts'
import type { Database } from '#core/database.ts'
import type { ManagedObject } from '#core/objects.ts'
import { decodeObject, encodeObject } from '#core/record.ts'
import { Sealer } from '#core/sealer.ts'
import { conditionsOf, matches, type Wanted } from '#core/search.ts'
import { Secret } from '#core/secret.ts'
import { Store } from '#core/store.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import { openSqlite } from './sqlite.ts'

const SEED = Number(process.env['SEED'] ?? 20_240_611)
const SCOPES = ['left', 'right'] as const

/** What a generated object has; the model sees nothing else. */
interface Facts {
  readonly state: number
  readonly mask: number
  readonly length: number
  readonly activationDate: number | undefined
  readonly groups: readonly string[]
  readonly application: { readonly applicationNamespace: string; readonly applicationData: string }
  readonly sensitive: boolean
  readonly own: string
}

const LONG = 'x'.repeat(100)
const word = fc.constantFrom('a', 'ab', 'b', '', LONG, `${LONG}y`)
const date = fc.integer({ min: -3, max: 3 })
const facts: fc.Arbitrary<Facts> = fc.record({
  state: fc.integer({ min: 1, max: 4 }),
  mask: fc.integer({ min: 0, max: 15 }),
  length: fc.constantFrom(-1, 0, 128, 256),
  activationDate: fc.option(date, { nil: undefined }),
  groups: fc.uniqueArray(word, { maxLength: 3 }),
  application: fc.record(
    { applicationNamespace: word, applicationData: word },
    { noNullPrototype: true },
  ),
  sensitive: fc.boolean(),
  own: word,
})

/** A question, and what it means for the facts of an object. */
interface Question {
  readonly wanted: Wanted
  fits(facts: Facts): boolean
}

const ask = (id: Wanted['id'], values: readonly unknown[], fits: Question['fits']): Question => ({
  wanted: { id, values },
  fits,
})
const ownItem = (value: string) => ({ tag: Tag.AttributeValue, type: ItemType.TextString, value })
const question: fc.Arbitrary<Question> = fc.oneof(
  fc
    .integer({ min: 1, max: 4 })
    .map((state) => ask('state', [state], (one) => one.state === state)),
  fc
    .integer({ min: 0, max: 15 })
    .map((mask) => ask('cryptographicUsageMask', [mask], (one) => (one.mask & mask) === mask)),
  fc
    .constantFrom(-1, 0, 128, 256, 512)
    .map((length) => ask('cryptographicLength', [length], (one) => one.length === length)),
  date.map((day) => ask('activationDate', [day], (one) => one.activationDate === day)),
  fc.tuple(date, date).map(([a, b]) =>
    ask('activationDate', [a, b], ({ activationDate: day }) => {
      return day !== undefined && day >= Math.min(a, b) && day <= Math.max(a, b)
    }),
  ),
  fc.constant(ask('activationDate', [Infinity], (one) => one.activationDate === undefined)),
  fc
    .array(word, { minLength: 1, maxLength: 2 })
    .map((groups) =>
      ask('objectGroup', groups, (one) => groups.every((group) => one.groups.includes(group))),
    ),
  fc
    .record(
      { applicationNamespace: word, applicationData: word },
      { requiredKeys: ['applicationNamespace'] },
    )
    .map((part) =>
      ask('applicationSpecificInformation', [part], ({ application }) => {
        const { applicationNamespace, applicationData = application.applicationData } = part
        return (
          application.applicationNamespace === applicationNamespace &&
          application.applicationData === applicationData
        )
      }),
    ),
  fc.boolean().map((flag) => ask('sensitive', [flag], (one) => one.sensitive === flag)),
  word.map((text) => ask('x:own', [ownItem(text)], (one) => one.own === text)),
)

function objectOf(id: string, scope: string, one: Facts, revision = 1): ManagedObject {
  const attributes = AttributeBag.of([
    { id: 'objectType', value: 8 },
    { id: 'state', value: one.state },
    { id: 'cryptographicUsageMask', value: one.mask },
    { id: 'cryptographicLength', value: one.length },
    ...(one.activationDate === undefined
      ? []
      : [{ id: 'activationDate', value: one.activationDate } as const]),
    ...one.groups.map((value) => ({ id: 'objectGroup', value }) as const),
    { id: 'applicationSpecificInformation', value: one.application },
    { id: 'sensitive', value: one.sensitive },
    { id: 'x:own', value: ownItem(one.own) },
  ])
  const value = { opaqueDataType: 1, opaqueDataValue: Buffer.from(id) }
  const body = { tag: Tag.OpaqueObject, value } as ManagedObject['body']
  return { id, scope, owner: 'owner', revision, attributes, body }
}

describe('search', { timeout: 60_000 }, () => {
  let folder: string
  let database: Database
  let store: Store
  const model = new Map<string, { readonly scope: string; readonly facts: Facts }>()

  before(async () => {
    process.stdout.write(`# search seed ${SEED}\n`)
    folder = mkdtempSync(join(tmpdir(), 'claviger-search-'))
    const sealer = new Sealer(new Map([[1, new Secret(Buffer.alloc(32, 7))]]))
    const keys = { ledgerKey: sealer.subkey('ledger'), auditKey: sealer.subkey('audit') }
    database = await openSqlite(join(folder, 'test.db')).unlock(keys, { writeQueueMax: 1_000 })
    store = new Store(database, sealer, 0)
    const samples = fc.sample(facts, { seed: SEED, numRuns: 300 })
    const first = samples.slice(0, 200).map((one, index) => {
      const [id, scope] = [`object-${index}`, SCOPES[index % 2] as string]
      model.set(id, { scope, facts: one })
      return { after: objectOf(id, scope, one) }
    })
    await store.commit(first, [])
    // Half of them change, and some of these go.
    const changed = samples.slice(200).map((one, index) => {
      const { after: old } = first[index] as { after: ManagedObject }
      model.set(old.id, { scope: old.scope, facts: one })
      return { before: old, after: objectOf(old.id, old.scope, one, 2) }
    })
    await store.commit(changed, [])
    const removed = changed.filter((_, index) => index % 5 === 0)
    await store.commit(
      removed.map(({ after: object }) => ({ before: object })),
      [],
    )
    for (const { after: object } of removed) model.delete(object.id)
  })
  after(async () => {
    await database.close()
    rmSync(folder, { recursive: true })
  })

  it('finds what a walk over all objects finds, in the scopes that were asked for', async () => {
    const questions = fc.array(question, { maxLength: 3 })
    const scopes = fc.constantFrom<readonly string[]>(['left'], ['right'], SCOPES, ['nobody'])
    let found = 0
    await fc.assert(
      fc.asyncProperty(questions, scopes, async (asked, where) => {
        const wanted = asked.map((one) => one.wanted)
        const conditions = conditionsOf(wanted)
        const { ids } = await store.find({ scopes: where, conditions, limit: 1_000 })
        const objects = await store.objects(ids)
        const have = objects.filter((one) => matches(one.attributes, wanted)).map(({ id }) => id)
        const want = [...model]
          .filter(([, one]) => where.includes(one.scope) && asked.every((q) => q.fits(one.facts)))
          .map(([id]) => id)
        assert.deepEqual(have.toSorted(), want.toSorted())
        found += have.length
      }),
      { seed: SEED, numRuns: 300 },
    )
    assert.ok(found > 1_000, 'the questions find something')
  })

  it('pages without loss, in the order of the newest, and counts', async () => {
    const query = { scopes: SCOPES, conditions: [], count: true }
    const { ids: all, total } = await store.find({ ...query, limit: 1_000 })
    assert.equal(total, model.size)
    const pages: string[] = []
    for (let offset = 0; offset < all.length; offset += 7) {
      pages.push(...(await store.find({ ...query, limit: 7, offset })).ids)
    }
    assert.deepEqual(pages, all)
    const { ids: reversed } = await store.find({ ...query, limit: 1_000, oldestFirst: true })
    assert.deepEqual(reversed.toReversed(), all)
  })
})

describe('a record', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(
        facts,
        fc.nat(),
        fc.option(fc.uint8Array(), { nil: undefined }),
        (one, revision, handle) => {
          const material = handle && { keystore: 'software', handle: Buffer.from(handle) }
          const object = { ...objectOf('id', 'scope', one, revision), material }
          const read = decodeObject(encodeObject(object))
          assert.deepEqual([...read.attributes.list()], [...object.attributes.list()])
          const { attributes: _a, ...rest } = read
          const { attributes: _b, ...expected } = object
          assert.deepEqual(rest, expected)
        },
      ),
      { seed: SEED, numRuns: 200 },
    )
  })

  it('keeps the indexes of instances, with gaps', () => {
    const one = fc.sample(facts, { seed: SEED, numRuns: 1 })[0] as Facts
    const base = objectOf('id', 'scope', { ...one, groups: ['a', 'b', 'c', 'd'] })
    const gaps = base.attributes.without('objectGroup', 0).without('objectGroup', 2)
    const read = decodeObject(encodeObject({ ...base, attributes: gaps }))
    const indexes = read.attributes.instances('objectGroup').map(({ index }) => index)
    assert.deepEqual(indexes, [1, 3])
  })
})
