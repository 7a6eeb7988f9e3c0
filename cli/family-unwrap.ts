/**
 * Keys that were brought in wrapped, as they are inside.
 *
 * KMIP 2.1 §6.1.19 (Get): Key Wrap Type Not Wrapped asks the server; where it cannot, the wrapped
 * bytes are decrypted with the wrapping key, which does not leave the server.
 *
 * @module
 */
import type { KmipClient } from '#clients/kmip/client.ts'
import { KmipError } from '#clients/kmip/errors.ts'
import {
  BlockCipherMode,
  EncodingOption,
  type KeyFormatType,
  KeyWrapType,
  PaddingMethod,
  ResultReason,
} from '#spec/kmip/enumerations.ts'
import type { ObjectInMessage } from '#spec/kmip/objects.ts'
import type { KeyWrappingData } from '#spec/kmip/structures.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import { unwrapFrom } from './family-rsa-wrap.ts'
import { RefusedError } from './output.ts'
import { findHalf } from './references.ts'

/** A key as the server gives it. */
export async function got(
  client: KmipClient,
  uniqueIdentifier: string,
  keyFormatType: KeyFormatType | undefined,
): Promise<ObjectInMessage> {
  return (await client.call('Get', { uniqueIdentifier, keyFormatType })).object
}

/** @throws `RefusedError` when nobody can unwrap it. */
export async function gotUnwrapped(
  client: KmipClient,
  uniqueIdentifier: string,
  keyFormatType: KeyFormatType | undefined,
): Promise<ObjectInMessage> {
  const keyWrapType = KeyWrapType.NotWrapped
  try {
    return (await client.call('Get', { uniqueIdentifier, keyFormatType, keyWrapType })).object
  } catch (error) {
    if (!(error instanceof KmipError) || !CANNOT.includes(error.reason)) throw error
  }
  const object = await got(client, uniqueIdentifier, undefined)
  if (!('keyBlock' in object.value)) return object
  const { keyWrappingData, keyValue, ...block } = object.value.keyBlock
  if (keyWrappingData === undefined || keyValue === undefined) return object
  if (!('wrapped' in keyValue)) return object
  const value = await unwrapped(client, keyWrappingData, keyValue.wrapped)
  const keyMaterial = { tag: Tag.KeyMaterial, type: ItemType.ByteString, value } as const
  const keyBlock = { ...block, keyValue: { keyMaterial, attributes: [] } }
  return { ...object, value: { ...object.value, keyBlock } } as ObjectInMessage
}

/** KMIP 1.x has no reason of its own for it. */
const CANNOT: readonly number[] = [
  ResultReason.KeyWrapTypeNotSupported,
  ResultReason.FeatureNotSupported,
]

async function unwrapped(
  client: KmipClient,
  { encryptionKeyInformation, encodingOption, ivCounterNonce }: KeyWrappingData,
  data: Uint8Array,
): Promise<Uint8Array> {
  const wrapper = encryptionKeyInformation?.uniqueIdentifier
  if (typeof wrapper !== 'string' || encodingOption !== EncodingOption.NoEncoding) {
    throw new RefusedError('Cannot unwrap the key: how it was wrapped is not known, or not simple')
  }
  const { id } = await findHalf(client, wrapper, 'private')
  const { cryptographicParameters = {} } = encryptionKeyInformation ?? {}
  const { blockCipherMode, ...rsa } = cryptographicParameters
  const isKeyWrap = blockCipherMode === BlockCipherMode.AESKeyWrapPadding
  if (isKeyWrap && rsa.paddingMethod === PaddingMethod.OAEP) {
    return unwrapFrom(client, { id, cryptographicParameters: rsa }, data)
  }
  const answer = await client.call('Decrypt', {
    uniqueIdentifier: id,
    cryptographicParameters,
    ivCounterNonce,
    data,
  })
  if (answer.data !== undefined) return answer.data
  throw new RefusedError('Cannot unwrap the key: the server has given nothing')
}
