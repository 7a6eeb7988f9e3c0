/**
 * Get in a form that the object does not have is refused by name, also where it has no Key Block.
 *
 * KMIP 1.4 §4.11 and §11.11, KMIP 2.1 §6.1.19: Key Format Type, Key Compression Type and Key Wrap
 * Type say how the object shall be returned. A real server over TLS.
 *
 * @module
 */
import { deepEqual, equal, rejects } from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ownClient } from '#conformance/own-client.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import {
  CryptographicAlgorithm,
  EncodingOption,
  KeyCompressionType,
  KeyFormatType,
  KeyWrapType,
  ObjectType,
  RecommendedCurve,
  ResultReason,
  WrappingMethod,
} from '#spec/kmip/enumerations.ts'
import type { RequestOf } from '#spec/kmip/operations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import type { Version } from '#wire/ttlv/version.ts'

type Registered = Pick<RequestOf<'Register'>, 'objectType' | 'object'>

/** No certificate that anybody could read: what its type says is its form. */
const X_509: Registered = {
  objectType: ObjectType.Certificate,
  object: {
    tag: Tag.Certificate,
    value: { certificateType: 1, certificateValue: Buffer.from('30030201ff', 'hex') },
  },
}
const OPAQUE: Registered = {
  objectType: ObjectType.OpaqueObject,
  object: {
    tag: Tag.OpaqueObject,
    value: { opaqueDataType: 0x80000001, opaqueDataValue: Buffer.from('anything') },
  },
}
const REQUEST: Registered = {
  objectType: ObjectType.CertificateRequest,
  object: {
    tag: Tag.CertificateRequest,
    value: { certificateRequestType: 2, certificateRequestValue: Buffer.from('a request') },
  },
}
const TEMPLATE: Registered = {
  objectType: ObjectType.Template,
  object: { tag: Tag.Template, value: { attribute: [] } },
}
const WRAPPED: Registered = {
  objectType: ObjectType.SymmetricKey,
  object: {
    tag: Tag.SymmetricKey,
    value: {
      keyBlock: {
        keyFormatType: KeyFormatType.Raw,
        keyValue: { wrapped: Buffer.alloc(24, 7) },
        cryptographicAlgorithm: CryptographicAlgorithm.AES,
        cryptographicLength: 128,
        keyWrappingData: {
          wrappingMethod: WrappingMethod.Encrypt,
          encryptionKeyInformation: { uniqueIdentifier: 'of another server' },
          encodingOption: EncodingOption.NoEncoding,
        },
      },
    },
  },
}

const KINDS: readonly (readonly [string, Registered, KeyFormatType | undefined, Version])[] = [
  ['a certificate', X_509, KeyFormatType.X_509, 14],
  ['an opaque object', OPAQUE, KeyFormatType.Opaque, 14],
  ['a certificate request', REQUEST, KeyFormatType.PKCS_10, 21],
  ['a template', TEMPLATE, undefined, 12],
  ['a key that came wrapped', WRAPPED, KeyFormatType.Raw, 14],
]

describe('Get', { timeout: 60_000 }, () => {
  const client = ownClient()

  const registered = async (kind: Registered, version: Version): Promise<string> => {
    const mask = [{ id: 'cryptographicUsageMask', value: 0 }] as const
    const attributes = { attributes: kind === TEMPLATE || kind === OPAQUE ? [] : mask }
    const request = { ...kind, attributes } as RequestOf<'Register'>
    return (await client.call('Register', request, { version })).uniqueIdentifier as string
  }

  for (const [what, kind, own, version] of KINDS) {
    it(`gives ${what} in no other form than its own`, async () => {
      const uniqueIdentifier = await registered(kind, version)
      const get = async (how: Partial<RequestOf<'Get'>>) => {
        return (await client.call('Get', { uniqueIdentifier, ...how }, { version })).object
      }
      const object = await get({})
      equal(object.tag, kind.object.tag)
      for (const keyFormatType of [KeyFormatType.PKCS_1, KeyFormatType.PKCS_8, 0x8000_0001]) {
        const refused = { reason: ResultReason.KeyFormatTypeNotSupported }
        await rejects(get({ keyFormatType: keyFormatType as KeyFormatType }), refused)
      }
      if (own !== undefined) deepEqual(await get({ keyFormatType: own }), object)
    })
  }

  it('compresses nothing that has no Key Block, and wraps it as little', async () => {
    for (const [, kind, , version] of KINDS.filter(([, one]) => one !== WRAPPED)) {
      const uniqueIdentifier = await registered(kind, version)
      const keyCompressionType = KeyCompressionType.ECPublicKeyTypeUncompressed
      const compressed = client.call('Get', { uniqueIdentifier, keyCompressionType }, { version })
      await rejects(compressed, { reason: ResultReason.KeyCompressionTypeNotSupported })
      if (version < 14) continue
      for (const keyWrapType of [KeyWrapType.NotWrapped, KeyWrapType.AsRegistered]) {
        const { object } = await client.call('Get', { uniqueIdentifier, keyWrapType }, { version })
        equal(object.tag, kind.object.tag)
      }
    }
  })

  it('gives what came wrapped as it was registered, and not unwrapped', async () => {
    const uniqueIdentifier = await registered(WRAPPED, 14)
    for (const [version, reason] of [
      [14, ResultReason.FeatureNotSupported],
      [21, ResultReason.KeyWrapTypeNotSupported],
    ] as readonly (readonly [Version, ResultReason])[]) {
      const get = (keyWrapType: KeyWrapType) => {
        return client.call('Get', { uniqueIdentifier, keyWrapType }, { version })
      }
      equal((await get(KeyWrapType.AsRegistered)).object.tag, Tag.SymmetricKey)
      await rejects(get(KeyWrapType.NotWrapped), { reason })
    }
  })

  it('gives a plain key in each of its forms, uncompressed', async () => {
    const attributes = [
      { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.EC },
      { id: 'cryptographicDomainParameters', value: { recommendedCurve: RecommendedCurve.P_256 } },
    ] as const
    const mask = (value: number) => ({
      attributes: [{ id: 'cryptographicUsageMask', value } as const],
    })
    const { publicKeyUniqueIdentifier: uniqueIdentifier } = await client.call('CreateKeyPair', {
      commonAttributes: { attributes },
      privateKeyAttributes: mask(1),
      publicKeyAttributes: mask(2),
    })
    const formats = [KeyFormatType.X_509, KeyFormatType.TransparentECPublicKey]
    const { ECPublicKeyTypeUncompressed: plain, ...compressed } = KeyCompressionType
    for (const keyFormatType of formats) {
      const request = { uniqueIdentifier, keyFormatType, keyCompressionType: plain }
      const { object } = await client.call('Get', request)
      const { keyBlock } = object.value as { keyBlock: { keyFormatType: KeyFormatType } }
      equal(keyBlock.keyFormatType, keyFormatType)
    }
    for (const keyCompressionType of Object.values(compressed)) {
      await rejects(client.call('Get', { uniqueIdentifier, keyCompressionType }), {
        reason: ResultReason.KeyCompressionTypeNotSupported,
      })
    }
  })

  const algorithmOf = async (request: RequestOf<'Register'>) => {
    const { uniqueIdentifier } = await client.call('Register', request)
    const { object } = await client.call('Get', { uniqueIdentifier })
    const { keyBlock } = object.value as { keyBlock: Record<string, unknown> }
    return [keyBlock['cryptographicAlgorithm'], keyBlock['cryptographicLength']]
  }

  it('says algorithm and length beside a key: both or none, and none beside Secret Data', async () => {
    const mask = { id: 'cryptographicUsageMask', value: 0 } as const
    const aes = { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES } as const
    const bits = { id: 'cryptographicLength', value: 128 } as const
    const keyMaterial = { tag: Tag.KeyMaterial, type: ItemType.ByteString, value: Buffer.alloc(16) }
    const plain = { keyFormatType: KeyFormatType.Raw, keyValue: { keyMaterial, attributes: [] } }
    const secret = {
      objectType: ObjectType.SecretData,
      object: { tag: Tag.SecretData, value: { secretDataType: 1, keyBlock: plain } },
    }
    const key = {
      objectType: ObjectType.SymmetricKey,
      object: { tag: Tag.SymmetricKey, value: { keyBlock: plain } },
    }
    const { keyBlock: block } = WRAPPED.object.value as { keyBlock: Record<string, unknown> }
    const bare = { ...block, cryptographicAlgorithm: undefined, cryptographicLength: undefined }
    const wrapped = { ...key, object: { ...key.object, value: { keyBlock: bare } } }
    const asked = async (what: unknown, ...more: readonly ListedAttribute[]) => {
      const attributes = { attributes: [mask, ...more] }
      return algorithmOf({ ...(what as RequestOf<'Register'>), attributes })
    }
    deepEqual(await asked(key, aes, bits), [CryptographicAlgorithm.AES, 128])
    deepEqual(await asked(wrapped, aes, bits), [CryptographicAlgorithm.AES, 128])
    deepEqual(await asked(wrapped, aes), [undefined, undefined])
    deepEqual(await asked(wrapped, bits), [undefined, undefined])
    deepEqual(await asked(secret, aes, bits), [undefined, undefined])
  })
})
