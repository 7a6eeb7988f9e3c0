/**
 * Attributes that an object has anyway: given beside it, they say the same or are refused.
 *
 * KMIP 1.4 §3.8, KMIP 2.1 §4.40 (Opaque Data Type).
 *
 * @module
 */
import { equal, rejects } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { newOwnToken, type OwnToken } from '#conformance/own-token.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import { CertificateType, CryptographicAlgorithm, ObjectType } from '#spec/kmip/enumerations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { create } from './create.ts'
import { register } from './register.ts'

const [ONE_TYPE, OTHER_TYPE] = [0x80000001, 0x80000002]
const CERTIFICATE = { id: 'certificateType', value: CertificateType.X_509 } as const
const opaque = (value: number) => ({ id: 'opaqueDataType', value }) as const

describe('What an object says of itself', { timeout: 30_000 }, () => {
  let own: OwnToken
  before(async () => {
    own = await newOwnToken()
  })
  after(() => own.close())

  const registered = (...attributes: readonly ListedAttribute[]) =>
    register(own.context('Register'), {
      objectType: ObjectType.OpaqueObject,
      object: {
        tag: Tag.OpaqueObject,
        value: { opaqueDataType: ONE_TYPE, opaqueDataValue: Buffer.from('data') },
      },
      given: { attributes },
    })
  const created = (attribute: ListedAttribute) =>
    create(own.context('Create'), {
      objectType: ObjectType.SymmetricKey,
      given: {
        attributes: [
          { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
          { id: 'cryptographicLength', value: 256 },
          { id: 'cryptographicUsageMask', value: 12 },
          attribute,
        ],
      },
    })

  it('may be said again', async () => {
    const { attributes } = await registered(opaque(ONE_TYPE))
    equal(attributes.get('opaqueDataType'), ONE_TYPE)
  })

  it('is not contradicted', async () => {
    await rejects(registered(opaque(OTHER_TYPE)), { code: 'attributeValue' })
  })

  it('is not said of an object that has no such thing', async () => {
    await rejects(registered(CERTIFICATE), { code: 'attributeOfOther' })
    await rejects(created(CERTIFICATE), { code: 'attributeOfOther' })
    await rejects(created(opaque(ONE_TYPE)), {
      code: 'attributeOfOther',
      message: 'Cannot create Symmetric Key: it has no Opaque Data Type',
    })
  })
})
