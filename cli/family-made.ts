/**
 * What the commands that make and bring in keys have in common: uses, places, and keys that
 * another one wraps.
 *
 * KMIP 2.1 §6.1.19 (Get with a Key Wrapping Specification).
 *
 * @module
 */
import type { KmipClient } from '#clients/kmip/client.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import {
  BlockCipherMode,
  EncodingOption,
  HashingAlgorithm,
  type KeyFormatType,
  CryptographicUsageMask as Mask,
  ObjectType,
  PaddingMethod,
  ProtectionStorageMask,
  WrappingMethod,
} from '#spec/kmip/enumerations.ts'
import type { ObjectInMessage } from '#spec/kmip/objects.ts'
import type { CryptographicParameters } from '#spec/kmip/structures.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import { wholeNumber } from './bytes.ts'
import { calling, findHalf, isHardware, nameAttribute, valueIn } from './references.ts'

const LENGTH_MAX = 65_536

/** Uses of keys that nobody limits. */
export const SYM_MASK =
  Mask.Encrypt | Mask.Decrypt | Mask.WrapKey | Mask.UnwrapKey | Mask.KeyAgreement
export const PRIVATE_MASK = Mask.Sign | Mask.Decrypt | Mask.UnwrapKey
export const PUBLIC_MASK = Mask.Verify | Mask.Encrypt | Mask.WrapKey
/** What `ec decrypt` does, and other programs that agree on a secret. */
export const AGREEING_MASK = Mask.KeyAgreement | Mask.DeriveKey
export const AGREEING = new Set(['X25519', 'X448'])

const HARDWARE = { protectionStorageMask: [ProtectionStorageMask.Hardware] }

/** Where a key is made: where the server likes, unless its name says hardware. */
export function placeOf(id: string | undefined) {
  return isHardware(id) ? HARDWARE : undefined
}

export const HARDWARE_NOTE = `
An identifier hsm::<slot>::<name>, or hsm::<model>::<slot>::<name>, makes a key in that HSM, under
that name there. It is for the administrators of the HSM.`

export const WRAPPING_NOTE = `
With --wrapping-key-id the server stores the key only as that key has wrapped it, and has it
unwrapped when it is used. The wrapping key is an AES key or an RSA pair, usually in an HSM; of a
pair that is made, the private key is kept so.`

export const SYM_ALGORITHMS = { aes: 'AES', chacha20: 'ChaCha20' } as const

export const bits = wholeNumber('--size-in-bits', 8, LENGTH_MAX)
export type Made = Readonly<Record<string, string>>

/** A Name; a key in an HSM has its identifier instead, and its public half one that follows. */
export function named(id: string | undefined, suffix = ''): readonly ListedAttribute[] {
  if (id === undefined) return []
  if (isHardware(id)) return suffix === '' ? [calling(id)] : []
  return [nameAttribute(`${id}${suffix}`)]
}

export function mask(value: number): ListedAttribute {
  return { id: 'cryptographicUsageMask', value }
}

/** How a key wraps where nobody says. */
function usualWrapping(algorithmIsRsa: boolean): CryptographicParameters {
  if (!algorithmIsRsa) return { blockCipherMode: BlockCipherMode.AESKeyWrapPadding }
  return {
    paddingMethod: PaddingMethod.OAEP,
    hashingAlgorithm: HashingAlgorithm.SHA_256,
    maskGeneratorHashingAlgorithm: HashingAlgorithm.SHA_256,
  }
}

/** A key as it leaves, wrapped with another. */
export async function wrappedWith(
  client: KmipClient,
  id: string,
  wrappingKey: string,
  keyFormatType?: KeyFormatType,
  parameters?: CryptographicParameters,
): Promise<ObjectInMessage> {
  const wrapper = await findHalf(client, wrappingKey, 'public')
  const isRsa = valueIn(wrapper.attributes, 'objectType') === ObjectType.PublicKey
  const { object } = await client.call('Get', {
    uniqueIdentifier: id,
    keyFormatType,
    keyWrappingSpecification: {
      wrappingMethod: WrappingMethod.Encrypt,
      encryptionKeyInformation: {
        uniqueIdentifier: wrapper.id,
        cryptographicParameters: parameters ?? usualWrapping(isRsa),
      },
      attributeName: [],
      encodingOption: EncodingOption.NoEncoding,
    },
  })
  return object
}

/** The attribute by which a key is kept under another. */
export async function keptUnder(
  client: KmipClient,
  wrappingKeyId: string | undefined,
): Promise<readonly ListedAttribute[]> {
  if (wrappingKeyId === undefined) return []
  const { id } = await findHalf(client, wrappingKeyId, 'public')
  const value = { tag: Tag.AttributeValue, type: ItemType.TextString, value: id }
  return [{ id: 'x:wrapping_key_id', value }]
}
