/**
 * Keys of the software keystore by how they may leave: Get in the clear, and wrapped.
 *
 * KMIP 1.4 §3.48 (Sensitive) and §3.50 (Extractable).
 *
 * @module
 */
import { deepEqual, equal } from 'node:assert/strict'
import { describe, it } from 'node:test'
import { KmipError } from '#clients/kmip/client.ts'
import { ownClient } from '#conformance/own-client.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import {
  BlockCipherMode,
  CryptographicAlgorithm,
  ObjectType,
  ResultReason,
  WrappingMethod,
} from '#spec/kmip/enumerations.ts'
import { nameOf } from '#spec/kmip/table.ts'

describe('A key leaves', { timeout: 60_000 }, () => {
  const client = ownClient()

  const created = async (mask: number, ...more: readonly ListedAttribute[]): Promise<string> => {
    const attributes: ListedAttribute[] = [
      { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
      { id: 'cryptographicLength', value: 256 },
      { id: 'cryptographicUsageMask', value: mask },
      { id: 'activationDate', value: 1_000 },
      ...more,
    ]
    const request = { objectType: ObjectType.SymmetricKey, attributes: { attributes } }
    return (await client.call('Create', request)).uniqueIdentifier as string
  }
  /** What becomes of Get: `given`, or the reason why not. */
  const got = async (request: object): Promise<string> => {
    try {
      await client.call('Get', request)
      return 'given'
    } catch (error) {
      if (!(error instanceof KmipError)) throw error
      return nameOf(ResultReason, error.reason)
    }
  }

  it('as Sensitive and Extractable say, and in no other way', async () => {
    const keyWrappingSpecification = {
      wrappingMethod: WrappingMethod.Encrypt,
      encryptionKeyInformation: {
        uniqueIdentifier: await created(0x30),
        cryptographicParameters: { blockCipherMode: BlockCipherMode.NISTKeyWrap },
      },
      attributeName: [],
    }
    for (const [sensitive, extractable, bare, wrapped] of [
      [false, true, 'given', 'given'],
      [true, true, 'Sensitive', 'given'],
      [false, false, 'NotExtractable', 'NotExtractable'],
      [true, false, 'NotExtractable', 'NotExtractable'],
    ] as const) {
      const flags: ListedAttribute[] = [
        { id: 'sensitive', value: sensitive },
        { id: 'extractable', value: extractable },
      ]
      const uniqueIdentifier = await created(12, ...flags)
      const said = [
        await got({ uniqueIdentifier }),
        await got({ uniqueIdentifier, keyWrappingSpecification }),
      ]
      deepEqual(said, [bare, wrapped], `Sensitive ${sensitive}, Extractable ${extractable}`)
    }
    equal(await got({ uniqueIdentifier: await created(12) }), 'given')
  })
})
