/**
 * Attributes with a structure of which a search may give a part, and an object may not.
 *
 * KMIP 1.4 §3.21 (Usage Limits) and §3.35 (Link).
 *
 * @module
 */
import { deepEqual, rejects } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { newOwnToken, type OwnToken } from '#conformance/own-token.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import {
  CryptographicAlgorithm,
  LinkType,
  NameType,
  ObjectType,
  UsageLimitsUnit,
} from '#spec/kmip/enumerations.ts'
import { addAttribute, deleteAttribute, modifyAttribute } from './attributes.ts'
import { create } from './create.ts'

const LIMITS = { usageLimitsTotal: 5n, usageLimitsUnit: UsageLimitsUnit.Object }

describe('Part of a structure', { timeout: 30_000 }, () => {
  let own: OwnToken
  before(async () => {
    own = await newOwnToken()
  })
  after(() => own.close())

  const created = async (...more: readonly ListedAttribute[]): Promise<string> => {
    const attributes = [
      { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
      { id: 'cryptographicLength', value: 256 },
      { id: 'cryptographicUsageMask', value: 12 },
      ...more,
    ] as const
    const wish = { objectType: ObjectType.SymmetricKey, given: { attributes } }
    return (await create(own.context('Create'), wish)).id
  }
  const added = async (id: string, attribute: ListedAttribute) =>
    (await addAttribute(own.context('AddAttribute'), id, attribute)).attribute.value

  it('is no value of an object', async () => {
    const id = await created()
    const { usageLimitsTotal, usageLimitsUnit } = LIMITS
    const parts: readonly ListedAttribute[] = [
      ...[{}, { usageLimitsTotal }, { usageLimitsUnit }].map((value) => {
        return { id: 'usageLimits', value } as const
      }),
      ...[{}, { linkType: LinkType.ParentLink }, { linkedObjectIdentifier: id }].map((value) => {
        return { id: 'link', value } as ListedAttribute
      }),
    ]
    for (const part of parts) {
      await rejects(added(id, part), { code: 'attributeValue', message: / is missing$/ })
      await rejects(created(part), { code: 'attributeValue', message: / is missing$/ })
    }
  })

  it('is the Count of Usage Limits, which follows from the Total', async () => {
    const id = await created()
    const whole = { ...LIMITS, usageLimitsCount: 5n }
    deepEqual(await added(id, { id: 'usageLimits', value: LIMITS }), whole)
    const wish = { id, attribute: 'usageLimits' } as const
    const { attribute } = await deleteAttribute(own.context('DeleteAttribute'), wish)
    deepEqual(attribute.value, whole)
  })
})

describe('A name', { timeout: 30_000 }, () => {
  let own: OwnToken
  before(async () => {
    own = await newOwnToken()
  })
  after(() => own.close())

  const name = (nameValue: string) =>
    ({ id: 'name', value: { nameValue, nameType: NameType.UninterpretedTextString } }) as const

  it('is given to one object once', async () => {
    const given = {
      attributes: [
        { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
        { id: 'cryptographicLength', value: 256 },
        { id: 'cryptographicUsageMask', value: 12 },
        name('first'),
        name('second'),
      ],
    } as const
    const objectType = ObjectType.SymmetricKey
    const { id } = await create(own.context('Create'), { objectType, given })
    const modified = (attribute: ListedAttribute) =>
      modifyAttribute(own.context('ModifyAttribute'), { id, attribute })
    const inUse = { code: 'nameInUseByAttribute' }
    const again = addAttribute(own.context('AddAttribute'), id, name('first'))
    await rejects(again, inUse)
    await rejects(modified({ ...name('first'), index: 1 }), inUse)
    const { object } = await modified({ ...name('first'), index: 0 })
    deepEqual(object.attributes.all('name'), [name('first').value, name('second').value])
  })
})
