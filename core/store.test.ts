/**
 * Objects in memory and in the database, where there are more of them than are kept in memory.
 *
 * @module
 */
import { deepEqual, equal } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { newOwnToken, type OwnToken } from '#conformance/own-token.ts'
import { CryptographicAlgorithm, ObjectType } from '#spec/kmip/enumerations.ts'
import { create } from './operations/create.ts'
import { locate } from './operations/find.ts'

const KEPT = 4
const COUNT = 3 * KEPT

describe('A store with more objects than objectCacheMax', { timeout: 30_000 }, () => {
  let own: OwnToken
  const ids: string[] = []
  before(async () => {
    own = await newOwnToken({ limits: { objectCacheMax: KEPT } })
    const attributes = [
      { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
      { id: 'cryptographicLength', value: 256 },
      { id: 'cryptographicUsageMask', value: 12 },
    ] as const
    const wish = { objectType: ObjectType.SymmetricKey, given: { attributes } }
    for (let made = 0; made < COUNT; made++) {
      ids.push((await create(own.context('Create'), wish)).id)
    }
  })
  after(() => own.close())

  it('finds all of them, whichever are in memory', async () => {
    const { store } = own.context('Locate').services
    for (const order of [ids, ids.toReversed()]) {
      for (let first = 0; first + KEPT <= COUNT; first++) {
        for (const id of order.slice(first, first + KEPT)) await store.object(id)
        const found = (await store.objects(order)).map(({ id }) => id)
        deepEqual(found, order)
      }
    }
  })

  it('keeps those in memory that are in use while a search goes through all', async () => {
    const context = own.context('Locate')
    const { store } = context.services
    const aes = { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES } as const
    const changed = { id: 'lastChangeDate', value: 1 } as const
    for (const used of [ids.slice(0, KEPT), ids.slice(4, 4 + KEPT), ids.slice(-KEPT)]) {
      for (const [wanted, count] of [
        [aes, COUNT],
        [changed, 0],
      ] as const) {
        for (const id of used) await store.object(id)
        equal((await locate(context, { attributes: [wanted] })).ids.length, count)
        for (const id of used) equal(store.cached(id)?.id, id, wanted.id)
      }
    }
  })

  it('reads in passing into what memory is left, and as much as it reads otherwise', async () => {
    const roomy = await newOwnToken({ limits: { objectCacheMax: COUNT } })
    try {
      const attributes = [
        { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
        { id: 'cryptographicLength', value: 256 },
        { id: 'cryptographicUsageMask', value: 12 },
      ] as const
      const wish = { objectType: ObjectType.SymmetricKey, given: { attributes } }
      const { id } = await create(roomy.context('Create'), wish)
      const { store } = roomy.context('Locate').services
      const [read] = await store.objects([id, 'nobody'], undefined, 'in passing')
      equal(read, store.cached(id))
    } finally {
      roomy.close()
    }
  })
})
