/**
 * What is sensitive leaves wrapped with another key, and in no other way.
 *
 * KMIP 1.4 §3.48 and §4.11, KMIP 2.1 §4.55; a real server over TLS. Key Wrapping Specification is
 * of use for a Key Block only: certificates and opaque objects have none.
 *
 * @module
 */
import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { describe, it } from 'node:test'
import { KmipError } from '#clients/kmip/client.ts'
import { ownClient } from '#conformance/own-client.ts'
import {
  BlockCipherMode,
  CryptographicAlgorithm,
  EncodingOption,
  KeyFormatType,
  ObjectType,
  ResultReason,
  WrappingMethod,
} from '#spec/kmip/enumerations.ts'
import type { RequestOf } from '#spec/kmip/operations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import type { Version } from '#wire/ttlv/version.ts'

const SENSITIVE = { id: 'sensitive', value: true } as const
const MASK = { id: 'cryptographicUsageMask', value: 12 } as const
const OPAQUE = {
  objectType: ObjectType.OpaqueObject,
  attributes: { attributes: [SENSITIVE] },
  object: {
    tag: Tag.OpaqueObject,
    value: { opaqueDataType: 0x80000001, opaqueDataValue: Buffer.from('the secret') },
  },
} as RequestOf<'Register'>

/** Registered as another server's key has wrapped it; nobody here has that key. */
const WRAPPED = Buffer.alloc(24, 7)
const WRAPPED_KEY = {
  objectType: ObjectType.SymmetricKey,
  attributes: { attributes: [SENSITIVE, MASK] },
  object: {
    tag: Tag.SymmetricKey,
    value: {
      keyBlock: {
        keyFormatType: KeyFormatType.Raw,
        keyValue: { wrapped: WRAPPED },
        cryptographicAlgorithm: CryptographicAlgorithm.AES,
        cryptographicLength: 128,
        keyWrappingData: {
          wrappingMethod: WrappingMethod.Encrypt,
          encryptionKeyInformation: {
            uniqueIdentifier: 'of another server',
            cryptographicParameters: { blockCipherMode: BlockCipherMode.NISTKeyWrap },
          },
          encodingOption: EncodingOption.NoEncoding,
        },
      },
    },
  },
} as RequestOf<'Register'>

const refusedFor = (reason: ResultReason) => (error: unknown) => {
  ok(error instanceof KmipError, String(error))
  equal(error.reason, reason)
  return true
}

describe('A sensitive object', { timeout: 60_000 }, () => {
  const client = ownClient()

  const registered = async (request: RequestOf<'Register'>): Promise<string> =>
    (await client.call('Register', request)).uniqueIdentifier as string
  const wrappingKey = async (): Promise<string> => {
    const attributes = [
      { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
      { id: 'cryptographicLength', value: 256 },
      { id: 'cryptographicUsageMask', value: 0x30 },
      { id: 'activationDate', value: 1_000 },
    ] as const
    const request = { objectType: ObjectType.SymmetricKey, attributes: { attributes } }
    return (await client.call('Create', request)).uniqueIdentifier as string
  }

  for (const [version, clear, wrapped] of [
    [10, ResultReason.PermissionDenied, ResultReason.IllegalOperation],
    [14, ResultReason.Sensitive, ResultReason.IllegalOperation],
    [21, ResultReason.Sensitive, ResultReason.InvalidObjectType],
  ] as readonly (readonly [Version, ResultReason, ResultReason])[]) {
    it(`without a Key Block does not leave to be wrapped, in ${version}`, async () => {
      const uniqueIdentifier = await registered(OPAQUE)
      for (const key of [await wrappingKey(), 'nobody’s']) {
        const keyWrappingSpecification = {
          wrappingMethod: WrappingMethod.Encrypt,
          encryptionKeyInformation: {
            uniqueIdentifier: key,
            cryptographicParameters: { blockCipherMode: BlockCipherMode.NISTKeyWrap },
          },
          attributeName: [],
        }
        const request = { uniqueIdentifier, keyWrappingSpecification }
        await rejects(client.call('Get', request, { version }), refusedFor(wrapped))
      }
      await rejects(client.call('Get', { uniqueIdentifier }, { version }), refusedFor(clear))
    })
  }

  it('that was registered wrapped leaves as it came', async () => {
    const uniqueIdentifier = await registered(WRAPPED_KEY)
    const { object } = await client.call('Get', { uniqueIdentifier })
    ok(object.tag === Tag.SymmetricKey)
    const { keyValue, keyWrappingData } = object.value.keyBlock
    ok(keyValue !== undefined && 'wrapped' in keyValue)
    deepEqual(Buffer.from(keyValue.wrapped), WRAPPED)
    equal(keyWrappingData?.encryptionKeyInformation?.uniqueIdentifier, 'of another server')
  })
})
