/**
 * Attributes, in KMIP.
 *
 * KMIP 1.4 §4.12 to §4.16, KMIP 2.1 §6.1: between the payloads and the operations of the core.
 *
 * @module
 */
import { assertKnown } from '#core/attribute-rules.ts'
import { KmsError } from '#core/errors.ts'
import {
  addAttribute,
  deleteAttribute,
  getAttributes,
  modifyAttribute,
  setAttribute,
} from '#core/operations/attributes.ts'
import {
  type AttributeId,
  attributeLabel,
  expressed,
  type ListedAttribute,
} from '#spec/kmip/attribute-list.ts'
import { VERSION_2 } from '#wire/ttlv/version.ts'
import { type Call, idOf } from '../call.ts'
import { handler } from '../handler.ts'

/** What of an object's attributes a message of this version can say. */
async function visible(call: Call, id: string): Promise<readonly ListedAttribute[]> {
  const { attributes } = await getAttributes(call.context, id)
  return [...attributes.list()].flatMap((one) => expressed(one, call.version) ?? [])
}

export const GetAttributes = handler('GetAttributes', 'read', async (request, call) => {
  const id = idOf(call, request.uniqueIdentifier)
  const { attributeRefs } = request
  const names = new Set<AttributeId>(attributeRefs)
  if (names.size < attributeRefs.length && call.version > 10) {
    throw new KmsError('invalidMessage', 'Cannot get attributes: one of them is named twice')
  }
  // 1.x leaves out what the object does not have, whatever it is called; 2.x has a reason for it.
  if (call.version >= VERSION_2)
    for (const name of names) assertKnown(name, 'Cannot get attributes')
  const all = await visible(call, id)
  const listed = names.size === 0 ? all : inOrder(all, [...names])
  return { payload: { uniqueIdentifier: id, ...inVersion(call, listed) }, ids: [id] }
})

/** In the order in which they were asked for. */
function inOrder(
  all: readonly ListedAttribute[],
  names: readonly AttributeId[],
): readonly ListedAttribute[] {
  return names.flatMap((name) => all.filter(({ id }) => id === name))
}

/** A repeated field in 1.x, one structure in 2.x. */
function inVersion({ version }: Call, attributes: readonly ListedAttribute[]) {
  if (version < VERSION_2) return { attribute: attributes }
  return { attribute: [], attributes: { attributes } }
}

export const GetAttributeList = handler('GetAttributeList', 'read', async (request, call) => {
  const id = idOf(call, request.uniqueIdentifier)
  const ids = new Set((await visible(call, id)).map((attribute) => attribute.id))
  return { payload: { uniqueIdentifier: id, attributeRefs: [...ids] }, ids: [id] }
})

/** 1.x answers the attribute, 2.x only the identifier. */
function answered(id: string, attribute: ListedAttribute) {
  return { payload: { uniqueIdentifier: id, attribute }, ids: [id] }
}

function withValue({ id, value }: ListedAttribute, verb: string): void {
  if (value !== undefined) return
  throw new KmsError('missingField', `Cannot ${verb} ${attributeLabel(id)}: it has no value`)
}

export const AddAttribute = handler('AddAttribute', 'change', async (request, call) => {
  const { newAttribute } = request
  withValue(newAttribute, 'add')
  if (newAttribute.index !== undefined) {
    const what = `Cannot add ${attributeLabel(newAttribute.id)}: the server gives the index`
    throw new KmsError('invalidField', what)
  }
  const id = idOf(call, request.uniqueIdentifier)
  const { attribute } = await addAttribute(call.context, id, newAttribute)
  return answered(id, attribute)
})

export const ModifyAttribute = handler('ModifyAttribute', 'change', async (request, call) => {
  const { newAttribute, currentAttribute } = request
  withValue(newAttribute, 'modify')
  const id = idOf(call, request.uniqueIdentifier)
  const { attribute } = await modifyAttribute(call.context, {
    id,
    attribute: newAttribute,
    current: currentAttribute,
    indexRequired: call.version === 10,
    valueRequired: call.version >= VERSION_2,
  })
  return answered(id, attribute)
})

export const DeleteAttribute = handler('DeleteAttribute', 'change', async (request, call) => {
  const { attributeName, attributeIndex, currentAttribute, attributeReference } = request
  const named = attributeName ?? attributeReference ?? currentAttribute?.id
  if (named === undefined) {
    throw new KmsError('missingField', 'Cannot delete attribute: none is named')
  }
  const id = idOf(call, request.uniqueIdentifier)
  const { attribute } = await deleteAttribute(call.context, {
    id,
    attribute: named,
    index: attributeIndex,
    current: currentAttribute,
    all: attributeReference !== undefined && currentAttribute === undefined,
    indexRequired: call.version === 10,
  })
  return answered(id, attribute)
})

export const SetAttribute = handler('SetAttribute', 'change', async (request, call) => {
  const { newAttribute } = request
  withValue(newAttribute, 'set')
  const id = idOf(call, request.uniqueIdentifier)
  await setAttribute(call.context, id, newAttribute)
  return { payload: { uniqueIdentifier: id }, ids: [id] }
})
