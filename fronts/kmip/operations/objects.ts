/**
 * Making, finding and reading objects, in KMIP.
 *
 * KMIP 1.4 §4.1 to §4.11, KMIP 2.1 §6.1: between the payloads and the operations of the core.
 *
 * @module
 */

import { type Awaitable, after } from '#core/awaitable.ts'
import { KmsError } from '#core/errors.ts'
import { labelOf, type ManagedObject, objectTypeLabel, objectTypeOf } from '#core/objects.ts'
import { getAttributes } from '#core/operations/attributes.ts'
import { create, createKeyPair } from '#core/operations/create.ts'
import { deriveKey } from '#core/operations/derive.ts'
import { locate } from '#core/operations/find.ts'
import { type Got, get } from '#core/operations/get.ts'
import { register } from '#core/operations/register.ts'
import { reKey, reKeyKeyPair } from '#core/operations/rekey.ts'
import {
  type AttributeList,
  attributeIdOf,
  expressed,
  type ListedAttribute,
} from '#spec/kmip/attribute-list.ts'
import { UniqueIdentifierEnumeration as From, ObjectType } from '#spec/kmip/enumerations.ts'
import { KeyValue, OBJECT_CODERS } from '#spec/kmip/objects.ts'
import type { ResponseOf } from '#spec/kmip/operations.ts'
import { knows, rankSeen } from '#spec/kmip/table.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { hasValues } from '#spec/kmip/values.ts'
import { encodeItem } from '#wire/ttlv/binary.ts'
import type { Coder } from '#wire/ttlv/coder.ts'
import { VERSION_2, type Version, versionText } from '#wire/ttlv/version.ts'
import { type Call, idOf } from '../call.ts'
import { type Answer, handler } from '../handler.ts'

interface Masks {
  readonly protectionStorageMask: readonly number[]
}

function masksOf(masks: Masks | undefined): readonly number[] | undefined {
  return masks?.protectionStorageMask
}

function given(list: AttributeList | undefined): AttributeList {
  return list ?? { attributes: [] }
}

export const Create = handler('Create', 'change', async (request, { context }) => {
  const { objectType, attributes, protectionStorageMasks } = request
  const storageMasks = masksOf(protectionStorageMasks)
  const object = await create(context, { objectType, given: attributes, storageMasks })
  return { payload: { objectType, uniqueIdentifier: object.id }, ...madeOne(object, From.Create) }
})

function madeOne(object: ManagedObject, from: number) {
  return { ids: [object.id], placeholder: object.id, made: [[from, object.id]] } as const
}

export const CreateKeyPair = handler('CreateKeyPair', 'change', async (request, { context }) => {
  const pair = await createKeyPair(context, {
    common: request.commonAttributes,
    privateKey: request.privateKeyAttributes,
    publicKey: request.publicKeyAttributes,
    storageMasks: masksOf(
      request.commonProtectionStorageMasks ?? request.privateProtectionStorageMasks,
    ),
  })
  return pairAnswer(pair.privateKey.id, pair.publicKey.id, [
    From.CreateKeyPair,
    From.CreateKeyPairPrivateKey,
    From.CreateKeyPairPublicKey,
  ])
})

function pairAnswer(privateId: string, publicId: string, from: readonly [number, number, number]) {
  return {
    payload: { privateKeyUniqueIdentifier: privateId, publicKeyUniqueIdentifier: publicId },
    ids: [privateId, publicId],
    placeholder: privateId,
    made: [
      [from[0], privateId],
      [from[1], privateId],
      [from[2], publicId],
    ],
  } as const
}

/** Types of objects come and go: nobody is given one that the version of the message lacks. */
function assertInVersion(objectType: ObjectType, version: Version, what: string): void {
  if (knows(ObjectType, objectType, version)) return
  const text = `Cannot ${what}: KMIP ${versionText(version)} has no ${objectTypeLabel(objectType)}`
  throw new KmsError('objectType', `${text}; ask with a version that has it`)
}

export const Register = handler('Register', 'change', async (request, { context, version }) => {
  const { objectType, attributes, object: value, protectionStorageMasks } = request
  assertInVersion(objectType, version, 'register object')
  const storageMasks = masksOf(protectionStorageMasks)
  const wish = { objectType, object: value, given: attributes, storageMasks }
  const object = await register(context, wish)
  return { payload: { uniqueIdentifier: object.id }, ...madeOne(object, From.Register) }
})

export const DeriveKey = handler('DeriveKey', 'change', async (request, call) => {
  const { objectType, derivationMethod, derivationParameters, attributes } = request
  const ids = request.uniqueIdentifier.map((identifier) => idOf(call, identifier))
  const wish = {
    objectType,
    ids,
    method: derivationMethod,
    parameters: derivationParameters,
    given: attributes,
  }
  const object = await deriveKey(call.context, wish)
  return { payload: { uniqueIdentifier: object.id }, ...madeOne(object, From.DeriveKey) }
})

export const ReKey = handler('ReKey', 'change', async (request, call) => {
  const { offset, attributes } = request
  const id = idOf(call, request.uniqueIdentifier)
  const object = await reKey(call.context, { id, offset, given: given(attributes) })
  return { payload: { uniqueIdentifier: object.id }, ...madeOne(object, From.ReKey) }
})

export const ReKeyKeyPair = handler('ReKeyKeyPair', 'change', async (request, call) => {
  const pair = await reKeyKeyPair(call.context, {
    id: idOf(call, request.privateKeyUniqueIdentifier),
    offset: request.offset,
    common: request.commonAttributes,
    privateKey: request.privateKeyAttributes,
    publicKey: request.publicKeyAttributes,
  })
  return pairAnswer(pair.privateKey.id, pair.publicKey.id, [
    From.ReKeyKeyPair,
    From.ReKeyKeyPairPrivateKey,
    From.ReKeyKeyPairPublicKey,
  ])
})

/**
 * Located Items is the server's to give or not (KMIP 1.4 §4.9, KMIP 2.1 §6.1.29). Every version
 * that has it gets it: an answer may have been cut by our own limit. Older ones get it where they
 * page.
 */
export const Locate = handler('Locate', 'read', async (request, { context, version }) => {
  const { maximumItems, offsetItems, storageStatusMask, objectGroupMember } = request
  const attributes = [
    ...request.attribute,
    ...(request.templateAttribute?.attributes ?? []),
    ...(request.attributes?.attributes ?? []),
  ]
  const count = offsetItems !== undefined || knows(Tag, Tag.LocatedItems, version)
  const { ids, total } = await locate(context, {
    attributes,
    maximumItems,
    offsetItems,
    storageStatusMask,
    objectGroupMember,
    count,
    // Newest first (KMIP 2.1 §6.1.29), but the published cases of 1.x page from the oldest on.
    oldestFirst: version < VERSION_2 && (maximumItems ?? offsetItems) !== undefined,
  })
  const [only] = ids
  const single = ids.length === 1 || maximumItems === 1
  const answer: Answer<'Locate'> = {
    payload: { locatedItems: total, uniqueIdentifier: ids },
    placeholder: single && only !== undefined ? only : null,
  }
  return only === undefined ? answer : { ...answer, made: [[From.Locate, only]] }
})

export const Get = handler('Get', 'read', (request, call) => {
  const { version } = call
  const { keyFormatType, keyWrapType, keyCompressionType, keyWrappingSpecification } = request
  const id = idOf(call, request.uniqueIdentifier)
  const wrapping = keyWrappingSpecification && {
    ...keyWrappingSpecification,
    ...(keyWrappingSpecification.encryptionKeyInformation && {
      encryptionKeyInformation: {
        ...keyWrappingSpecification.encryptionKeyInformation,
        uniqueIdentifier: idOf(
          call,
          keyWrappingSpecification.encryptionKeyInformation.uniqueIdentifier,
        ),
      },
    }),
  }
  return after(attributesToWrap(call, id, wrapping?.attributeName), (wrappedAttributes) => {
    const got = get(call.context, {
      id,
      keyFormatType,
      keyWrapType,
      keyCompressionType,
      wrapping,
      wrappedAttributes,
      encodeKeyValue: (keyValue) =>
        encodeItem(KeyValue.encode(Tag.KeyValue, keyValue, { version, beyondVersion: 'drop' })),
      assertCarried: (found) => assertCarried(found, version),
    })
    return after(got, getAnswer)
  })
})

function assertCarried({ object, value }: Got, version: Version): void {
  assertInVersion(objectTypeOf(object), version, `get ${labelOf(object)}`)
  const coder = OBJECT_CODERS[value.tag] as Coder<unknown>
  if (!hasValues(coder, value.value, rankSeen(version))) {
    const what = `Cannot get ${labelOf(object)}: KMIP ${versionText(version)} cannot describe it`
    throw new KmsError('objectType', `${what}; ask with a later version`)
  }
}

function getAnswer({ object, value }: Got): Answer<'Get'> {
  const payload: ResponseOf<'Get'> = {
    objectType: objectTypeOf(object),
    uniqueIdentifier: object.id,
    object: value,
  }
  return { payload, ids: [object.id] }
}

function attributesToWrap(
  call: Call,
  id: string,
  names: readonly string[] | undefined,
): Awaitable<readonly ListedAttribute[] | undefined> {
  return names === undefined || names.length === 0 ? undefined : namedAttributes(call, id, names)
}

async function namedAttributes({ context, version }: Call, id: string, names: readonly string[]) {
  const { attributes } = await getAttributes(context, id)
  const wanted = new Set(names.map(attributeIdOf))
  return [...attributes.list()].flatMap((attribute) => {
    return wanted.has(attribute.id) ? (expressed(attribute, version) ?? []) : []
  })
}
