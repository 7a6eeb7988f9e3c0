/**
 * What the commands that make and bring in keys have in common: uses, places, and keys that are
 * kept as another wraps them.
 *
 * KMIP 2.1 §6.1.19 (Get with a Key Wrapping Specification) and §6.1.44 (Register).
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
import { wholeNumber } from './bytes.ts'
import { activateAll } from './keys-create.ts'
import { calling, findHalf, isHardware, nameAttribute, valueIn } from './references.ts'

const LENGTH_MAX = 65_536

/** Uses of keys that nobody limits. */
export const SYM_MASK =
  Mask.Encrypt | Mask.Decrypt | Mask.WrapKey | Mask.UnwrapKey | Mask.KeyAgreement
export const PRIVATE_MASK = Mask.Sign | Mask.Decrypt | Mask.UnwrapKey
export const PUBLIC_MASK = Mask.Verify | Mask.Encrypt | Mask.WrapKey
export const AGREEING = new Set(['X25519', 'X448'])

const HARDWARE = { protectionStorageMask: [ProtectionStorageMask.Hardware] }
const SOFTWARE = { protectionStorageMask: [ProtectionStorageMask.Software] }

/** Where a key is made: one that is to be kept wrapped must be able to leave. */
export function placeOf(id: string | undefined, wrappingKeyId: string | undefined) {
  if (isHardware(id)) return HARDWARE
  return wrappingKeyId === undefined ? undefined : SOFTWARE
}

export const HARDWARE_NOTE = `
An identifier hsm::<slot>::<name>, or hsm::<model>::<slot>::<name>, makes a key in that HSM, under
that name there. It is for the administrators of the HSM.`

export const WRAPPING_NOTE = `
With --wrapping-key-id the server keeps the key only as it is wrapped: it leaves wrapped, and
whoever has the wrapping key can use it. Not there yet: that the server unwraps it to work with it.`

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

export function tagsOf(given: readonly ListedAttribute[]): readonly ListedAttribute[] {
  return given.filter(({ id }) => id === 'objectGroup')
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

/** Registers a key as it is wrapped, in the place of the one in clear, which is destroyed. */
export async function keptWrapped(
  client: KmipClient,
  clear: string,
  objectType: ObjectType,
  wrappingKey: string,
  attributes: readonly ListedAttribute[],
): Promise<string> {
  try {
    const object = await wrappedWith(client, clear, wrappingKey)
    const answer = await client.call('Register', { objectType, attributes: { attributes }, object })
    const wrapped = String(answer.uniqueIdentifier)
    await activateAll(client, [wrapped])
    return wrapped
  } finally {
    // It was never activated, so that nothing stands in the way of its end.
    await client.call('Destroy', { uniqueIdentifier: clear })
  }
}
