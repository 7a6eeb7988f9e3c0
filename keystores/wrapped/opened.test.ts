/**
 * What is remembered of keys that were unwrapped, and that it is erased.
 *
 * @module
 */
import { deepEqual, equal, notEqual, ok, rejects } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { AttributeBag } from '#core/attribute-bag.ts'
import type { KeyInUse } from '#core/keystore.ts'
import type { ManagedObject } from '#core/objects.ts'
import { DATA_KEY_BYTES, Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import { State } from '#spec/kmip/enumerations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { SoftwareKeystore } from '../software/software.ts'
import { type Opened, OpenedKeys } from './opened.ts'

const HANDLE = Buffer.from('as it is stored')

function keyOf(id: string, revision = 1, handle: Uint8Array = HANDLE): KeyInUse {
  return { id, kind: 'secret', format: 1, handle, revision }
}

function objectOf(id: string, revision: number, state: State): ManagedObject {
  const attributes = AttributeBag.of([{ id: 'state', value: state }])
  const body = { tag: Tag.SymmetricKey, value: { keyBlock: { keyFormatType: 1 } } } as const
  const material = { keystore: 'software', handle: HANDLE }
  return { id, scope: 's', owner: 'o', revision, attributes, body, material }
}

/** Keys under `kek`, and which of them were opened and erased. */
class Bench {
  now = 1_000
  readonly opened: string[] = []
  readonly erased: string[] = []
  readonly keys: OpenedKeys

  constructor(max: number, seconds = 10) {
    this.keys = new OpenedKeys({ max, seconds, clock: () => this.now })
  }

  readonly work = async (id: string, until = Number.POSITIVE_INFINITY): Promise<Opened> => {
    this.opened.push(id)
    return { own: keyOf(id), until, forget: () => this.erased.push(id) }
  }

  async use(key: KeyInUse, keeper = 'kek', until?: number): Promise<void> {
    if (this.keys.find(key) !== undefined) return
    await this.keys.open(key, keeper, () => this.work(key.id, until))
  }
}

describe('keys that were unwrapped', { timeout: 20_000 }, () => {
  it('are found until their time is over, to the millisecond', async () => {
    const bench = new Bench(10)
    await bench.use(keyOf('a'))
    bench.now += 9_999
    ok(bench.keys.find(keyOf('a')) !== undefined)
    bench.now += 1
    equal(bench.keys.find(keyOf('a')), undefined)
    await bench.use(keyOf('a'))
    await nextTurn()
    deepEqual(bench.erased, ['a'])
    equal(bench.keys.size, 1)
  })

  it('are gone earlier where their keeper is', async () => {
    const bench = new Bench(10)
    await bench.use(keyOf('a'), 'kek', 2_000)
    bench.now = 1_999
    ok(bench.keys.find(keyOf('a')) !== undefined)
    bench.now = 2_000
    equal(bench.keys.find(keyOf('a')), undefined)
  })

  it('make room for others, those in use last', async () => {
    const bench = new Bench(3)
    for (const id of ['a', 'b', 'c']) await bench.use(keyOf(id))
    await bench.use(keyOf('a'))
    await bench.use(keyOf('d'))
    await nextTurn()
    deepEqual(bench.erased, ['b'])
    // All of them are used again and again: it ends all the same.
    for (const id of ['a', 'c', 'd', 'a', 'c', 'd', 'e']) await bench.use(keyOf(id))
    equal(bench.keys.size, 3)
  })

  it('are opened once for all who ask at the same time, and again after a failure', async () => {
    const bench = new Bench(3)
    const key = keyOf('a')
    const fail = (): Promise<Opened> => Promise.reject(new Error('away'))
    const both = [bench.keys.open(key, 'kek', fail), bench.keys.open(key, 'kek', fail)]
    for (const one of both) await rejects(one, /away/)
    await Promise.all([bench.use(key), bench.use(key), bench.use(keyOf('a'))])
    deepEqual(bench.opened, ['a'])
  })

  it('are of one reference, kind and format, and of revisions that are known', async () => {
    const bench = new Bench(3)
    await bench.use(keyOf('a', 5))
    const others: readonly KeyInUse[] = [
      keyOf('a', 5, Buffer.from('another one')),
      { ...keyOf('a', 5), kind: 'private' },
      { ...keyOf('a', 5), format: 2 },
      keyOf('a', 4),
      keyOf('a', 6),
    ]
    for (const other of others) equal(bench.keys.find(other), undefined)
    ok(bench.keys.find(keyOf('a', 5, Buffer.from(HANDLE))) !== undefined)
    const [before, after] = [objectOf('a', 5, State.Active), objectOf('a', 6, State.Active)]
    bench.keys.changed({ before, after })
    ok(bench.keys.find(keyOf('a', 6)) !== undefined)
    ok(bench.keys.find(keyOf('a', 5)) !== undefined, 'a request that has begun before')
    equal(bench.keys.find(keyOf('a', 7)), undefined)
  })

  it('are forgotten with a change of state or value, or one that leaves a gap', async () => {
    const before = objectOf('a', 1, State.Active)
    const changes = [
      objectOf('a', 2, State.Deactivated),
      objectOf('a', 3, State.Active),
      { ...objectOf('a', 2, State.Active), material: undefined },
      undefined,
    ]
    for (const after of changes) {
      const bench = new Bench(3)
      await bench.use(keyOf('a'))
      bench.keys.changed({ before, after })
      equal(bench.keys.size, 0)
      await nextTurn()
      deepEqual(bench.erased, ['a'])
    }
  })

  it('are forgotten when their keeper changes, however it does', async () => {
    const bench = new Bench(9)
    await bench.use(keyOf('a'))
    await bench.use(keyOf('b'))
    await bench.use(keyOf('c'), 'another')
    const [before, after] = [objectOf('kek', 1, State.Active), objectOf('kek', 2, State.Active)]
    bench.keys.changed({ before, after })
    await nextTurn()
    deepEqual(bench.erased.toSorted(), ['a', 'b'])
    equal(bench.keys.size, 1)
  })

  it('are not remembered where something changes while they are unwrapped', async () => {
    for (const id of ['a', 'kek']) {
      const bench = new Bench(9)
      const { promise, resolve } = Promise.withResolvers<Opened>()
      const opening = bench.keys.open(keyOf('a'), 'kek', () => promise)
      bench.keys.changed({ before: objectOf(id, 1, State.Active) })
      const again = bench.keys.open(keyOf('a'), 'kek', () => bench.work('a'))
      notEqual(again, opening)
      await again
      resolve(await bench.work('late'))
      await opening
      await nextTurn()
      deepEqual(bench.erased, ['late'])
      ok(bench.keys.find(keyOf('a')) !== undefined)
    }
  })

  it('are erased: the seal and the bytes beside it', async () => {
    const dataKey = new Secret(randomBytes(DATA_KEY_BYTES))
    const software = new SoftwareKeystore('software', new Sealer(new Map([[1, dataKey]])))
    const spec = { algorithm: 'AES', bits: 256 } as const
    const made = software.generate({ id: 'a', spec })
    const key = { id: 'a', kind: 'secret', spec, ...made } as const
    using _value = software.export(key)
    ok(made.handle.some((byte) => byte !== 0))
    software.forget(made.handle)
    ok(made.handle.every((byte) => byte === 0))
    await rejects(async () => software.export(key), /Cannot open seal/)
  })
})
