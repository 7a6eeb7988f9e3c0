/**
 * Managed objects as messages carry them.
 *
 * KMIP 1.4 §2.2 and §2.1.3 to §2.1.6 (Key Block, Key Value, Key Wrapping Data); KMIP 2.1 §3 and §7.
 *
 * Key Material stays an item: its form is said by the Key Format Type, and a form that nobody here
 * can read must still be stored and returned untouched.
 *
 * @module
 */
import {
  anyItem,
  bytes,
  type Coder,
  enumeration,
  type Infer,
  int32,
  many,
  one,
  optional,
  struct,
} from '#wire/ttlv/coder.ts'
import { type Item, ItemType } from '#wire/ttlv/item.ts'
import { Attribute, Attributes, type ListedAttribute } from './attribute-list.ts'
import * as E from './enumerations.ts'
import { KeyWrappingData } from './structures.ts'
import { rankSeen, saidIn } from './table.ts'
import { Tag } from './tags.ts'

const PlainKeyValue1 = struct('Key Value', {
  keyMaterial: one(Tag.KeyMaterial, anyItem),
  attribute: many(Tag.Attribute, Attribute),
})

const PlainKeyValue2 = struct('Key Value', {
  keyMaterial: one(Tag.KeyMaterial, anyItem),
  attributes: optional(Tag.Attributes, Attributes),
})

/** A Key Value: in clear with the attributes that travel with it, or wrapped into bytes. */
export type KeyValue =
  | { readonly wrapped: Uint8Array }
  | { readonly keyMaterial: Item; readonly attributes: readonly ListedAttribute[] }

/** Attributes are repeated in 1.x and one structure in 2.x; either is read in both. */
export const KeyValue: Coder<KeyValue> = {
  encode(tag, value, context) {
    if ('wrapped' in value) return { tag, type: ItemType.ByteString, value: value.wrapped }
    const { keyMaterial, attributes } = value
    if (context.version < 20) {
      return PlainKeyValue1.encode(tag, { keyMaterial, attribute: attributes }, context)
    }
    const listed = attributes.length === 0 ? undefined : { attributes }
    return PlainKeyValue2.encode(tag, { keyMaterial, attributes: listed }, context)
  },
  decode(item, context) {
    if (item.type === ItemType.ByteString) return { wrapped: item.value }
    if (context.version < 20) {
      const { keyMaterial, attribute } = PlainKeyValue1.decode(item, context)
      return { keyMaterial, attributes: attribute }
    }
    const { keyMaterial, attributes } = PlainKeyValue2.decode(item, context)
    return { keyMaterial, attributes: attributes?.attributes ?? [] }
  },
}

/** Algorithm and length: both or neither. */
const KeyBlockFields = struct('Key Block', {
  keyFormatType: one(Tag.KeyFormatType, enumeration(E.KeyFormatType)),
  keyCompressionType: optional(Tag.KeyCompressionType, enumeration(E.KeyCompressionType)),
  keyValue: optional(Tag.KeyValue, KeyValue),
  cryptographicAlgorithm: optional(
    Tag.CryptographicAlgorithm,
    enumeration(E.CryptographicAlgorithm),
  ),
  cryptographicLength: optional(Tag.CryptographicLength, int32),
  keyWrappingData: optional(Tag.KeyWrappingData, KeyWrappingData),
})
export type KeyBlock = Infer<typeof KeyBlockFields>

/**
 * An answer says format and algorithm as its version can: ECDSA before there was EC. An algorithm
 * that it cannot say is left out, with the length, as from the attributes.
 */
export const KeyBlock: Coder<KeyBlock> = {
  encode(tag, block, context) {
    const said = context.beyondVersion === 'drop' ? blockSaidIn(block, context.version) : block
    return KeyBlockFields.encode(tag, said, context)
  },
  decode: (item, context) => KeyBlockFields.decode(item, context),
}

function blockSaidIn(block: KeyBlock, version: number): KeyBlock {
  const rank = rankSeen(version)
  const { keyFormatType: format, cryptographicAlgorithm: algorithm } = block
  const keyFormatType = (saidIn(E.KeyFormatType, format, rank) ?? format) as E.KeyFormatType
  const said = algorithm && saidIn(E.CryptographicAlgorithm, algorithm, rank)
  if (said === algorithm && keyFormatType === format) return block
  const cryptographicAlgorithm = said as E.CryptographicAlgorithm | undefined
  const { cryptographicLength } = block
  const length = said === undefined ? undefined : cryptographicLength
  return { ...block, keyFormatType, cryptographicAlgorithm, cryptographicLength: length }
}

export const Certificate = struct('Certificate', {
  certificateType: one(Tag.CertificateType, enumeration(E.CertificateType)),
  certificateValue: one(Tag.CertificateValue, bytes),
})

export const CertificateRequest = struct('Certificate Request', {
  certificateRequestType: one(Tag.CertificateRequestType, enumeration(E.CertificateRequestType)),
  certificateRequestValue: one(Tag.CertificateRequestValue, bytes),
})

const keyObject = (name: string) => struct(name, { keyBlock: one(Tag.KeyBlock, KeyBlock) })

export const SymmetricKey = keyObject('Symmetric Key')
export const PublicKey = keyObject('Public Key')
export const PrivateKey = keyObject('Private Key')

export const SplitKey = struct('Split Key', {
  splitKeyParts: one(Tag.SplitKeyParts, int32),
  keyPartIdentifier: one(Tag.KeyPartIdentifier, int32),
  splitKeyThreshold: one(Tag.SplitKeyThreshold, int32),
  splitKeyMethod: one(Tag.SplitKeyMethod, enumeration(E.SplitKeyMethod)),
  // Big Integer in the standard; one client (PyKMIP) writes it so, others as Integer.
  primeFieldSize: optional(Tag.PrimeFieldSize, anyItem),
  keyBlock: one(Tag.KeyBlock, KeyBlock),
})

/** Attributes under a name; KMIP 1.0 to 1.4. */
export const Template = struct('Template', {
  attribute: many(Tag.Attribute, Attribute),
})

export const SecretData = struct('Secret Data', {
  secretDataType: one(Tag.SecretDataType, enumeration(E.SecretDataType)),
  keyBlock: one(Tag.KeyBlock, KeyBlock),
})

export const OpaqueObject = struct('Opaque Object', {
  opaqueDataType: one(Tag.OpaqueDataType, enumeration(E.OpaqueDataType)),
  opaqueDataValue: one(Tag.OpaqueDataValue, bytes),
})

export const PGPKey = struct('PGP Key', {
  pgpKeyVersion: one(Tag.PGPKeyVersion, int32),
  keyBlock: one(Tag.KeyBlock, KeyBlock),
})

/** A managed object in a message: which kind, and its structure. */
export type ObjectInMessage =
  | { readonly tag: typeof Tag.Certificate; readonly value: Infer<typeof Certificate> }
  | {
      readonly tag: typeof Tag.CertificateRequest
      readonly value: Infer<typeof CertificateRequest>
    }
  | {
      readonly tag: typeof Tag.SymmetricKey | typeof Tag.PublicKey | typeof Tag.PrivateKey
      readonly value: Infer<typeof SymmetricKey>
    }
  | { readonly tag: typeof Tag.SplitKey; readonly value: Infer<typeof SplitKey> }
  | { readonly tag: typeof Tag.Template; readonly value: Infer<typeof Template> }
  | { readonly tag: typeof Tag.SecretData; readonly value: Infer<typeof SecretData> }
  | { readonly tag: typeof Tag.OpaqueObject; readonly value: Infer<typeof OpaqueObject> }
  | { readonly tag: typeof Tag.PGPKey; readonly value: Infer<typeof PGPKey> }

/** Coders of the managed objects by their tag; used as a choice in payloads. */
export const OBJECT_CODERS: Readonly<Record<number, Coder<unknown>>> = {
  [Tag.Certificate]: Certificate,
  [Tag.CertificateRequest]: CertificateRequest,
  [Tag.SymmetricKey]: SymmetricKey,
  [Tag.PublicKey]: PublicKey,
  [Tag.PrivateKey]: PrivateKey,
  [Tag.SplitKey]: SplitKey,
  [Tag.Template]: Template,
  [Tag.SecretData]: SecretData,
  [Tag.OpaqueObject]: OpaqueObject,
  [Tag.PGPKey]: PGPKey,
}

/** Tag of the structure of each object type. */
export const TAG_OF_OBJECT_TYPE: Readonly<Record<E.ObjectType, ObjectInMessage['tag']>> = {
  [E.ObjectType.Certificate]: Tag.Certificate,
  [E.ObjectType.CertificateRequest]: Tag.CertificateRequest,
  [E.ObjectType.SymmetricKey]: Tag.SymmetricKey,
  [E.ObjectType.PublicKey]: Tag.PublicKey,
  [E.ObjectType.PrivateKey]: Tag.PrivateKey,
  [E.ObjectType.SplitKey]: Tag.SplitKey,
  [E.ObjectType.Template]: Tag.Template,
  [E.ObjectType.SecretData]: Tag.SecretData,
  [E.ObjectType.OpaqueObject]: Tag.OpaqueObject,
  [E.ObjectType.PGPKey]: Tag.PGPKey,
}
