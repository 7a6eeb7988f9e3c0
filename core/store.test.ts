/**
 * Objects in memory and in the database, where there are more of them than are kept in memory.
 *
 * @module
 */
import { deepEqual } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { newOwnToken, type OwnToken } from '#conformance/own-token.ts'
import { CryptographicAlgorithm, ObjectType } from '#spec/kmip/enumerations.ts'
import { create } from './operations/create.ts'

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
})
