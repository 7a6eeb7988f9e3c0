/**
 * Cryptography with an object that is no key of an algorithm: the refusal says so.
 *
 * @module
 */
import { rejects } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { newOwnToken, type OwnToken } from '#conformance/own-token.ts'
import {
  BlockCipherMode,
  KeyFormatType,
  CryptographicUsageMask as Mask,
  ObjectType,
  PaddingMethod,
  SecretDataType,
} from '#spec/kmip/enumerations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import { encrypt, sign } from './cryptography.ts'
import { register } from './register.ts'

const DATA = Buffer.alloc(16)

describe('Secret Data, which has no algorithm', { timeout: 30_000 }, () => {
  let own: OwnToken
  let id: string
  before(async () => {
    own = await newOwnToken()
    const keyMaterial = { tag: Tag.KeyMaterial, type: ItemType.ByteString, value: DATA } as const
    const keyValue = { keyMaterial, attributes: [] }
    const keyBlock = { keyFormatType: KeyFormatType.Opaque, keyValue }
    const attributes = [
      { id: 'cryptographicUsageMask', value: Mask.Encrypt | Mask.Sign },
      { id: 'activationDate', value: 0 },
    ] as const
    const secret = await register(own.context('Register'), {
      objectType: ObjectType.SecretData,
      object: { tag: Tag.SecretData, value: { secretDataType: SecretDataType.Password, keyBlock } },
      given: { attributes },
    })
    id = secret.id
  })
  after(() => own.close())

  it('does not encrypt', async () => {
    const parameters = { blockCipherMode: BlockCipherMode.CBC }
    const work = async () => encrypt(own.context('Encrypt'), { id, parameters, data: DATA })
    const message = `Cannot use Secret Data "${id}": it has no Cryptographic Algorithm`
    await rejects(work, { code: 'parametersUnsupported', message })
  })

  it('does not sign', async () => {
    const parameters = { paddingMethod: PaddingMethod.PSS }
    const wish = { id, parameters, data: DATA, digested: false }
    const work = async () => sign(own.context('Sign'), wish)
    await rejects(work, { code: 'parametersUnsupported', message: /only a key of an algorithm/ })
  })
})
