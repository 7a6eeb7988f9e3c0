/**
 * C_GetAttributeValue where the keystore fails: several values are read at once, and a failure of
 * which nobody hears would end a process.
 *
 * @module
 */
import { deepEqual, equal, rejects } from 'node:assert/strict'
import process from 'node:process'
import { after, before, describe, it } from 'node:test'
import { AttributeBag } from '#core/attribute-bag.ts'
import { KmsError } from '#core/errors.ts'
import { ObjectType } from '#spec/kmip/enumerations.ts'
import { CKA, CKR } from '#spec/pkcs11/constants.ts'
import type { Seen } from '../application.ts'
import { answersOf } from './get.ts'

type Fails = 'late' | 'at once'

/** A data object in a keystore that fails, as often as it is asked, in one way after the other. */
function seen(code: 'internal' | 'keyFormat', ways: Fails[]): Seen {
  const failing = (): unknown => {
    const error = new KmsError(code, 'Cannot export: it fails')
    if (ways.shift() === 'at once') throw error
    return new Promise((_, reject) => setTimeout(reject, 5, error))
  }
  const keystores = { named: () => ({ export: failing }) }
  return {
    reference: { token: { services: { keystores } } },
    object: {
      id: 'data',
      attributes: AttributeBag.of([{ id: 'objectType', value: ObjectType.OpaqueObject }]),
      material: { keystore: 'failing' },
      body: { value: {} },
    },
    lasting: true,
  } as unknown as Seen
}

const wishes = [CKA.VALUE, CKA.VALUE, CKA.VALUE].map((type) => ({ type, capacity: undefined }))

describe('values of an object whose keystore fails', () => {
  const unheard: unknown[] = []
  const hear = (error: unknown): void => void unheard.push(error)
  before(() => process.on('unhandledRejection', hear))
  after(() => process.off('unhandledRejection', hear))

  const orders: Fails[][] = [
    ['late', 'at once', 'late'],
    ['at once', 'late', 'at once'],
  ]
  for (const ways of orders) {
    it(`are refused, and no failure is left behind: ${ways.join(', ')}`, async () => {
      await rejects(async () => answersOf(seen('internal', [...ways]), wishes), /it fails/)
      await new Promise((resolve) => setTimeout(resolve, 20))
      deepEqual(unheard, [])
    })
    it(`are not there where the form has none: ${ways.join(', ')}`, async () => {
      const { pTemplate, rv } = await answersOf(seen('keyFormat', [...ways]), wishes)
      equal(rv, CKR.ATTRIBUTE_TYPE_INVALID)
      deepEqual(pTemplate, Array(3).fill({ type: CKA.VALUE }))
      deepEqual(unheard, [])
    })
  }
})
