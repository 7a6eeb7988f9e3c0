/**
 * Get: an object with its value.
 *
 * KMIP 1.4 §4.11, KMIP 2.1 §6.1.19. The registered form can always be had, other forms where there
 * is a Key Block, of a key that has them; wrapped with another key where asked. A sensitive object
 * leaves only wrapped, one that is not extractable does not leave at all. The first Get makes an
 * object stale (Fresh is false from then on).
 *
 * @module
 */
import type { ListedAttribute, VendorKey } from '#spec/kmip/attribute-list.ts'
import {
  EncodingOption,
  KeyCompressionType,
  KeyFormatType,
  KeyWrapType,
  WrappingMethod,
} from '#spec/kmip/enumerations.ts'
import type { KeyValue, ObjectInMessage } from '#spec/kmip/objects.ts'
import type {
  CryptographicParameters,
  KeyWrappingData,
  KeyWrappingSpecification,
} from '#spec/kmip/structures.ts'
import { nameOf } from '#spec/kmip/table.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { decodeItem } from '#wire/ttlv/binary.ts'
import { type Item, ItemType } from '#wire/ttlv/item.ts'
import { type Awaitable, after } from '../awaitable.ts'
import { retried, update } from '../change.ts'
import type { Context } from '../context.ts'
import { KmsError } from '../errors.ts'
import { keyInUse, USES, type UsableKey, usableKey } from '../keys.ts'
import { isKeyed, type KeyedObject, labelOf, type ManagedObject } from '../objects.ts'
import { livingObject } from '../policy.ts'
import { Secret } from '../secret.ts'
import { wrapMechanism } from './parameters.ts'

export interface GetWish {
  readonly id: string
  readonly keyFormatType?: KeyFormatType | undefined
  readonly keyWrapType?: number | undefined
  readonly keyCompressionType?: number | undefined
  readonly wrapping?: KeyWrappingSpecification | undefined
  /** Attributes that shall be wrapped with the key. */
  readonly wrappedAttributes?: readonly ListedAttribute[] | undefined
  /** How the protocol encodes a key value before it is wrapped. */
  readonly encodeKeyValue: (value: KeyValue) => Uint8Array
  /** Refuses what the protocol cannot carry, before the object counts as given. */
  readonly assertCarried?: (got: Got) => void
}

export interface Got {
  readonly object: ManagedObject
  /** The object with its value, in the form that was asked for. */
  readonly value: ObjectInMessage
}

/** Formats whose key material is a structure and not bytes. */
function isTransparent(format: KeyFormatType): boolean {
  return nameOf(KeyFormatType, format).startsWith('Transparent')
}

/** Limits for material of ours. */
const LIMITS = { depthMax: 8, itemsMax: 1_000 }

/**
 * @throws {@link KmsError} `notFound`, `destroyed`, `sensitive`, `notExtractable`, `keyFormat`,
 * `keyCompression`, `keyWrapType`, `encodingOption`, `wrappingKeyNotFound` and others.
 */
export function get(context: Context, wish: GetWish): Awaitable<Got> {
  return after(livingObject(context, wish.id), (object) => {
    if (wish.wrapping !== undefined) assertWrappable(object)
    assertMayLeave(object, wish.wrapping !== undefined || isRegisteredWrapped(object))
    assertForm(object, wish)
    const given = isKeyed(object.body)
      ? keyedValue(context, object, object.body, wish)
      : plainValue(context, object)
    return after(given, (value) => {
      const got = { object, value }
      wish.assertCarried?.(got)
      if (object.attributes.get('fresh') !== true) return got
      return markStale(context, object.id).then(() => got)
    })
  })
}

/** @throws {@link KmsError} `notExtractable`, `sensitive`. */
export function assertMayLeave(object: ManagedObject, wrapped: boolean): void {
  if (object.attributes.get('extractable') === false) {
    throw new KmsError('notExtractable', `Cannot get ${labelOf(object)}: it is not extractable`)
  }
  if (!wrapped && object.attributes.get('sensitive') === true) {
    const what = `Cannot get ${labelOf(object)}: it is sensitive and leaves only wrapped`
    throw new KmsError('sensitive', `${what}; give a Key Wrapping Specification`)
  }
}

/** What has no Key Block would leave in the clear, sensitive or not. */
function assertWrappable(object: ManagedObject): void {
  if (isKeyed(object.body)) return
  const what = `Cannot get ${labelOf(object)}: it has no Key Block, which alone can be wrapped`
  throw new KmsError('illegalOperation', what)
}

function isRegisteredWrapped({ body }: ManagedObject): boolean {
  return isKeyed(body) && body.value.keyBlock.keyWrappingData !== undefined
}

function assertForm(object: ManagedObject, wish: GetWish): void {
  const { keyCompressionType, keyWrapType } = wish
  assertFormat(object, wish)
  const compressed = KeyCompressionType.ECPublicKeyTypeUncompressed
  if (keyCompressionType !== undefined && keyCompressionType !== compressed) {
    const name = nameOf(KeyCompressionType, keyCompressionType)
    throw new KmsError('keyCompression', `Cannot get ${labelOf(object)}: ${name} is not offered`)
  }
  if (keyWrapType === undefined) return
  if (!(Object.values(KeyWrapType) as number[]).includes(keyWrapType)) {
    const what = `Cannot get ${labelOf(object)}: ${nameOf(KeyWrapType, keyWrapType)} is no Key Wrap Type`
    throw new KmsError('keyWrapType', `${what}; NotWrapped and AsRegistered are`)
  }
  if (keyWrapType === KeyWrapType.NotWrapped && isRegisteredWrapped(object)) {
    const what = `Cannot get ${labelOf(object)}: it was registered wrapped`
    throw new KmsError('keyWrapType', `${what} and its key cannot unwrap it here`)
  }
}

/** Without a Key Block, and wrapped by somebody else, there is one form only: that it came in. */
function assertFormat(object: ManagedObject, wish: GetWish): void {
  const { keyFormatType, keyCompressionType } = wish
  const hasBlock = isKeyed(object.body)
  if (hasBlock && !isRegisteredWrapped(object)) return
  if (keyFormatType !== undefined && keyFormatType !== onlyFormat(object)) {
    const name = nameOf(KeyFormatType, keyFormatType)
    const why = hasBlock ? 'it was registered wrapped, and is given' : 'it has no Key Block, and is'
    throw new KmsError('keyFormat', `Cannot get ${labelOf(object)} as ${name}: ${why} as it came`)
  }
  if (keyCompressionType === undefined || hasBlock) return
  const what = `Cannot get ${labelOf(object)}: it has no Key Block, which alone can be compressed`
  throw new KmsError('keyCompression', what)
}

function onlyFormat({ body, attributes }: ManagedObject): KeyFormatType | undefined {
  return body.tag === Tag.Template ? undefined : attributes.get('keyFormatType')
}

function exported(
  object: ManagedObject,
  context: Context,
  format?: KeyFormatType,
): Awaitable<Secret> {
  const key = keyInUse(object)
  const material = object.material as { readonly keystore: string }
  return context.services.keystores.named(material.keystore).export(key, format)
}

/** Certificates, certificate requests and opaque objects; templates have no value. */
async function plainValue(context: Context, object: ManagedObject): Promise<ObjectInMessage> {
  const { body } = object
  if (body.tag === Tag.Template) return body
  const bytes = (await exported(object, context)).expose()
  if (body.tag === Tag.Certificate) {
    return { tag: body.tag, value: { ...body.value, certificateValue: bytes } }
  }
  if (body.tag === Tag.CertificateRequest) {
    return { tag: body.tag, value: { ...body.value, certificateRequestValue: bytes } }
  }
  if (body.tag === Tag.OpaqueObject) {
    return { tag: body.tag, value: { ...body.value, opaqueDataValue: bytes } }
  }
  throw new TypeError(`object ${body.tag} has no value`)
}

function keyedValue(
  context: Context,
  object: ManagedObject,
  body: KeyedObject,
  wish: GetWish,
): Awaitable<ObjectInMessage> {
  const keyBlock = describedBlock(object, body)
  if (keyBlock.keyWrappingData !== undefined) return asRegistered(context, object, body, wish)
  const format = wish.keyFormatType ?? keyBlock.keyFormatType
  return after(exported(object, context, format), (material) => {
    const { wrapping } = wish
    if (wrapping === undefined) {
      const keyValue = keyValueOf(format, material.expose(), [])
      return withBlock(body, { ...keyBlock, keyFormatType: format, keyValue })
    }
    return wrap(context, object, material, format, wish, wrapping).then((wrapped) => {
      return withBlock(body, { ...keyBlock, keyFormatType: format, ...wrapped })
    })
  })
}

/** A key that came wrapped goes as it came. */
async function asRegistered(
  context: Context,
  object: ManagedObject,
  body: KeyedObject,
  wish: GetWish,
): Promise<ObjectInMessage> {
  if (wish.wrapping !== undefined) {
    const what = `Cannot get ${labelOf(object)}: it was registered wrapped, and is not wrapped again`
    throw new KmsError('wrappingKeyKind', what)
  }
  const wrapped = (await exported(object, context)).expose()
  return withBlock(body, { ...describedBlock(object, body), keyValue: { wrapped } })
}

/**
 * Whoever has registered the key may have said its algorithm beside it alone; who gets it reads it
 * here. KMIP 1.4 §2.1.3: only where the value tells it, and in Secret Data, it may be left out.
 */
function describedBlock({ attributes }: ManagedObject, { tag, value: { keyBlock } }: KeyedObject) {
  if (keyBlock.cryptographicAlgorithm !== undefined || tag === Tag.SecretData) return keyBlock
  const cryptographicAlgorithm = attributes.get('cryptographicAlgorithm')
  const cryptographicLength = attributes.get('cryptographicLength')
  if (cryptographicAlgorithm === undefined || cryptographicLength === undefined) return keyBlock
  return { ...keyBlock, cryptographicAlgorithm, cryptographicLength }
}

function withBlock(body: KeyedObject, keyBlock: KeyedObject['value']['keyBlock']): ObjectInMessage {
  return { tag: body.tag, value: { ...body.value, keyBlock } } as ObjectInMessage
}

/** Material as a message carries it: bytes, or the structure that they encode. */
function keyValueOf(
  format: KeyFormatType,
  material: Uint8Array,
  attributes: readonly ListedAttribute[],
): KeyValue {
  const keyMaterial: Item = isTransparent(format)
    ? decodeItem(material, LIMITS)
    : { tag: Tag.KeyMaterial, type: ItemType.ByteString, value: material }
  return { keyMaterial, attributes }
}

/** Whether only the bytes are wrapped; without an option it is the whole Key Value. */
function hasNoEncoding(object: ManagedObject, { encodingOption }: KeyWrappingSpecification) {
  if (encodingOption === undefined || encodingOption === EncodingOption.TTLVEncoding) return false
  if (encodingOption === EncodingOption.NoEncoding) return true
  const name = nameOf(EncodingOption, encodingOption)
  const what = `Cannot get ${labelOf(object)}: ${name} is no Encoding Option`
  throw new KmsError('encodingOption', `${what}; NoEncoding and TTLVEncoding are`)
}

async function wrap(
  context: Context,
  object: ManagedObject,
  material: Secret,
  format: KeyFormatType,
  wish: GetWish,
  wrapping: KeyWrappingSpecification,
): Promise<{ keyValue: KeyValue; keyWrappingData: KeyWrappingData }> {
  const information = encryptionOf(object, wrapping)
  const attributes = wish.wrappedAttributes ?? []
  const bare = hasNoEncoding(object, wrapping)
  if (bare && (attributes.length > 0 || isTransparent(format))) {
    const what = `Cannot get ${labelOf(object)}: without encoding only bytes are wrapped, no structure`
    throw new KmsError('encodingOption', what)
  }
  const wrapper = await wrappingKey(context, information.uniqueIdentifier as string)
  assertTrusted(object, wrapper)
  const parameters = wrappingParameters(wrapper, information.cryptographicParameters)
  const mechanism = wrapMechanism(wrapper, parameters)
  const plain = keyValueOf(format, material.expose(), attributes)
  const input = bare ? material : new Secret(wish.encodeKeyValue(plain))
  const wrapped = await wrapper.keystore.wrap(wrapper.key, mechanism, input)
  input[Symbol.dispose]()
  const { encodingOption } = wrapping
  const keyWrappingData: KeyWrappingData = {
    wrappingMethod: wrapping.wrappingMethod,
    encryptionKeyInformation: { ...information, cryptographicParameters: mechanism.said },
    ...(mechanism.iv && mechanism.ivGenerated && { ivCounterNonce: mechanism.iv }),
    encodingOption,
  }
  return { keyValue: { wrapped }, keyWrappingData }
}

function encryptionOf(object: ManagedObject, wrapping: KeyWrappingSpecification) {
  const { wrappingMethod, encryptionKeyInformation } = wrapping
  if (wrappingMethod !== WrappingMethod.Encrypt) {
    const name = nameOf(WrappingMethod, wrappingMethod)
    const what = `Cannot get ${labelOf(object)}: the Wrapping Method ${name} is not offered`
    throw new KmsError('featureNotSupported', `${what}, Encrypt is`)
  }
  if (encryptionKeyInformation === undefined) {
    const what = `Cannot get ${labelOf(object)}: Encryption Key Information is missing`
    throw new KmsError('missingField', what)
  }
  return encryptionKeyInformation
}

/** PKCS#11 3.2 §4.9: what a key's owner has said there holds here, where anybody's key wraps. */
function assertTrusted(object: ManagedObject, { object: wrapper }: UsableKey): void {
  if (!isTrue(object, 'y:CKA_WRAP_WITH_TRUSTED') || isTrue(wrapper, 'y:CKA_TRUSTED')) return
  const what = `Cannot get ${labelOf(object)}: CKA_WRAP_WITH_TRUSTED of it is true`
  throw new KmsError('permissionDenied', `${what}, and ${labelOf(wrapper)} is not CKA_TRUSTED`)
}

function isTrue({ attributes }: ManagedObject, id: VendorKey): boolean {
  const { value } = (attributes.get(id) ?? {}) as Partial<Item>
  return value === true
}

/** The key that wraps; its failures have names of their own. */
async function wrappingKey(context: Context, id: string): Promise<UsableKey> {
  try {
    return await usableKey(context, id, USES.wrap)
  } catch (error) {
    if (!(error instanceof KmsError)) throw error
    if (error.code === 'notFound') throw new KmsError('wrappingKeyNotFound', error.message)
    if (error.code === 'destroyed') throw new KmsError('wrappingKeyDestroyed', error.message)
    throw error
  }
}

/**
 * KMIP 1.4 §2.1.5: what is given must be one of the key's own Cryptographic Parameters, where it
 * has any; nothing given means its first.
 */
function wrappingParameters(
  { object }: UsableKey,
  given: CryptographicParameters | undefined,
): CryptographicParameters | undefined {
  const own = object.attributes.all('cryptographicParameters')
  if (given === undefined) return own[0]
  if (own.length === 0 || own.some((parameters) => includes(parameters, given))) return given
  const what = `Cannot wrap with ${labelOf(object)}: it has no such Cryptographic Parameters`
  throw new KmsError('wrappingParameters', what)
}

function includes(own: CryptographicParameters, given: CryptographicParameters): boolean {
  return Object.entries(given).every(([key, value]) => {
    return value === undefined || own[key as keyof CryptographicParameters] === value
  })
}

/** What has been taken out once is not fresh any more, KMIP 1.4 §3.36. */
export async function markStale(context: Context, id: string): Promise<void> {
  await retried(async () => {
    const object = await livingObject(context, id)
    if (object.attributes.get('fresh') !== true) return
    await update(context, object, object.attributes.set('fresh', false))
  })
}
