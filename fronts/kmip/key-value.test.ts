/**
 * Attributes that stand within the Key Value of a key that is registered.
 *
 * KMIP 1.4 §2.1.4 and §4.3; a real server over TLS, in 1.x, where they are named, and in 2.x.
 *
 * @module
 */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { describe, it } from 'node:test'
import { KmipError } from '#clients/kmip/client.ts'
import { ownClient } from '#conformance/own-client.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import { KeyFormatType, ObjectType, ResultReason } from '#spec/kmip/enumerations.ts'
import type { RequestOf } from '#spec/kmip/operations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import type { Version } from '#wire/ttlv/version.ts'

const AES_128: readonly ListedAttribute[] = [
  { id: 'cryptographicAlgorithm', value: 3 },
  { id: 'cryptographicLength', value: 128 },
]
const ITEM = { tag: Tag.AttributeValue, type: ItemType.Integer, value: 1 } as const
const ENCRYPTS = { id: 'cryptographicUsageMask', value: 12 } as const
const name = (nameValue: string) => ({ id: 'name', value: { nameValue, nameType: 1 } }) as const
const group = (value: string) => ({ id: 'objectGroup', value }) as const

describe('Attributes in a plain Key Value', { timeout: 60_000 }, () => {
  const client = ownClient()

  const register = async (
    version: Version,
    beside: readonly ListedAttribute[],
    within: readonly ListedAttribute[],
  ): Promise<string> => {
    const material = Buffer.alloc(16, version)
    const keyMaterial = { tag: Tag.KeyMaterial, type: ItemType.ByteString, value: material }
    const keyValue = { keyMaterial, attributes: within }
    const object = {
      tag: Tag.SymmetricKey,
      value: { keyBlock: { keyFormatType: KeyFormatType.Raw, keyValue } },
    } as RequestOf<'Register'>['object']
    const request = {
      objectType: ObjectType.SymmetricKey,
      attributes: { attributes: beside },
      object,
    }
    return (await client.call('Register', request, { version })).uniqueIdentifier as string
  }
  const valuesOf = async (uniqueIdentifier: string, id: ListedAttribute['id']) => {
    const request = { uniqueIdentifier, attributeRefs: [id] }
    const { attributes } = await client.call('GetAttributes', request)
    return attributes?.attributes.map(({ value }) => value)
  }

  for (const version of [10, 14, 21] as const) {
    it(`become those of the object, in ${version}`, async () => {
      const within = [...AES_128, ENCRYPTS, name(`in ${version}`), group('a'), group('b')]
      const id = await register(version, [group('b'), group('c')], within)
      deepEqual(await valuesOf(id, 'cryptographicUsageMask'), [12])
      deepEqual(await valuesOf(id, 'name'), [{ nameValue: `in ${version}`, nameType: 1 }])
      deepEqual(await valuesOf(id, 'objectGroup'), ['b', 'c', 'a'])
      const wanted = { attributes: [name(`in ${version}`)] }
      const located = await client.call('Locate', { attribute: [], attributes: wanted })
      deepEqual(located.uniqueIdentifier, [id])
    })

    it(`tell the algorithm in the Key Block that is given back, in ${version}`, async () => {
      const id = await register(version, [], [...AES_128, ENCRYPTS])
      const { object } = await client.call('Get', { uniqueIdentifier: id }, { version })
      ok(object.tag === Tag.SymmetricKey)
      const { keyValue, cryptographicAlgorithm, cryptographicLength } = object.value.keyBlock
      ok(keyValue !== undefined && 'attributes' in keyValue)
      deepEqual(keyValue.attributes, [])
      deepEqual([cryptographicAlgorithm, cryptographicLength], [3, 128])
    })
  }

  it('are read over where they are the server’s', async () => {
    const theirs = [
      { id: 'uniqueIdentifier', value: 'of-another-server' },
      { id: 'state', value: 4 },
      { id: 'initialDate', value: 1_000 },
    ] as const
    const id = await register(14, [ENCRYPTS], [...AES_128, ...theirs])
    ok(id !== 'of-another-server')
    deepEqual(await valuesOf(id, 'state'), [1])
  })

  it('are held to the same rules as those beside the object', async () => {
    const odd = { id: 'name', value: { nameValue: 'odd', nameType: 9 } } as const
    await rejects(register(14, [ENCRYPTS], [...AES_128, odd]), /no version has Name Type 9/)
    const twice = [ENCRYPTS, { ...ENCRYPTS, value: 3 }]
    await rejects(register(14, [], [...AES_128, ...twice]), /Cryptographic Usage Mask/)
    await rejects(register(14, [ENCRYPTS], [...AES_128, { id: ':Odd', value: ITEM }]), /Odd/)
  })

  it('do not contradict those beside the object', async () => {
    const reasons = [
      [14, ResultReason.InvalidField],
      [21, ResultReason.InvalidAttributeValue],
    ] as const
    for (const [version, reason] of reasons) {
      const other = { ...ENCRYPTS, value: 3 }
      await rejects(register(version, [ENCRYPTS], [...AES_128, other]), (error) => {
        ok(error instanceof KmipError, String(error))
        equal(error.reason, reason)
        match(error.message, /Cryptographic Usage Mask in its Key Value is another one/)
        return true
      })
    }
  })
})
