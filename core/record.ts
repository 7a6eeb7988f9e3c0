/**
 * Objects as bytes, for the database.
 *
 * The encoding is TTLV with the tables of `spec/kmip`, so that whatever a message can say a record
 * can keep. Attributes stand under their own tags as in KMIP 2.1 §7.1; where the index of an
 * instance is not the one that counting would give, an Attribute Index stands before the value.
 * Tags 54xxxx are ours.
 *
 * A record says who it is: the identifier and the revision are in it, and `core/store.ts`
 * authenticates it as a whole, so that a record cannot pass for another one.
 *
 * @module
 */
import {
  type AttributeId,
  Attributes,
  isVendorKey,
  type ListedAttribute,
} from '#spec/kmip/attribute-list.ts'
import { attributeOfTag, attributeRow } from '#spec/kmip/attributes.ts'
import { OBJECT_CODERS, type ObjectInMessage } from '#spec/kmip/objects.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { decodeItem, encodeItem } from '#wire/ttlv/binary.ts'
import { bytes, int64, text } from '#wire/ttlv/coder.ts'
import { child, type Item, ItemType, structure } from '#wire/ttlv/item.ts'
import { AttributeBag } from './attribute-bag.ts'
import { KmsError } from './errors.ts'
import type { ManagedObject } from './objects.ts'

const RECORD = 0x540100
const SCOPE = 0x540101
const OWNER = 0x540102
const REVISION = 0x540103
const BODY = 0x540104
const KEYSTORE = 0x540105
const HANDLE = 0x540106

const ENCODE = { version: 21, beyondVersion: 'refuse' } as const
const DECODE = { version: 21, misplaced: 'ignore' } as const
/** Records are ours and bounded when written; the limits here only stop nonsense. */
const LIMITS = { depthMax: 256, itemsMax: 1_000_000 }

export function encodeObject(object: ManagedObject): Uint8Array {
  const { id, scope, owner, revision, attributes, body, material } = object
  const coder = OBJECT_CODERS[body.tag]
  if (coder === undefined) throw new TypeError(`no coder for object ${body.tag}`)
  const items = [
    text.encode(Tag.UniqueIdentifier, id, ENCODE),
    text.encode(SCOPE, scope, ENCODE),
    text.encode(OWNER, owner, ENCODE),
    int64.encode(REVISION, BigInt(revision), ENCODE),
    encodeAttributes(attributes),
    structure(BODY, [coder.encode(body.tag, body.value, ENCODE)]),
  ]
  if (material !== undefined) {
    items.push(text.encode(KEYSTORE, material.keystore, ENCODE))
    items.push(bytes.encode(HANDLE, material.handle, ENCODE))
  }
  return encodeItem(structure(RECORD, items))
}

/** Bytes that the attributes take in a record. */
export function encodedAttributes(attributes: AttributeBag): Uint8Array {
  return encodeItem(encodeAttributes(attributes))
}

function encodeAttributes(attributes: AttributeBag): Item {
  const items: Item[] = []
  const counts = new Map<AttributeId, number>()
  for (const attribute of attributes.list()) {
    const { id, index = 0 } = attribute
    const expected = counts.get(id) ?? 0
    if (index !== expected) {
      items.push({ tag: Tag.AttributeIndex, type: ItemType.Integer, value: index })
    }
    counts.set(id, index + 1)
    items.push(encodeAttribute(attribute))
  }
  return structure(Tag.Attributes, items)
}

function encodeAttribute(attribute: ListedAttribute): Item {
  const { id, value } = attribute
  if (!isVendorKey(id)) return attributeRow(id).coder.encode(attributeRow(id).tag, value, ENCODE)
  const list = Attributes.encode(Tag.Attributes, { attributes: [attribute] }, ENCODE)
  return (list.value as readonly Item[])[0] as Item
}

/** @throws {@link KmsError} `tampered` when the bytes are no record of ours. */
export function decodeObject(record: Uint8Array): ManagedObject {
  const item = decodeItem(record, LIMITS)
  const read = <T>(tag: number, decode: (item: Item) => T): T => {
    const found = child(item, tag)
    if (found === undefined) throw new KmsError('tampered', 'Cannot read record: a part is missing')
    return decode(found)
  }
  const keystore = child(item, KEYSTORE)
  const material = keystore && {
    keystore: text.decode(keystore, DECODE),
    handle: read(HANDLE, (found) => bytes.decode(found, DECODE)),
  }
  return {
    id: read(Tag.UniqueIdentifier, (found) => text.decode(found, DECODE)),
    scope: read(SCOPE, (found) => text.decode(found, DECODE)),
    owner: read(OWNER, (found) => text.decode(found, DECODE)),
    revision: Number(read(REVISION, (found) => int64.decode(found, DECODE))),
    attributes: read(Tag.Attributes, decodeAttributes),
    body: read(BODY, decodeBody),
    material,
  }
}

function decodeAttributes(item: Item): AttributeBag {
  const list: ListedAttribute[] = []
  let index: number | undefined
  for (const member of item.value as readonly Item[]) {
    if (member.tag === Tag.AttributeIndex) {
      index = member.value as number
      continue
    }
    list.push({ ...decodeAttribute(member), index })
    index = undefined
  }
  return AttributeBag.of(list)
}

function decodeAttribute(item: Item): ListedAttribute {
  const id = attributeOfTag(item.tag)
  if (id !== undefined) return { id, value: attributeRow(id).coder.decode(item, DECODE) }
  const { attributes } = Attributes.decode(structure(Tag.Attributes, [item]), DECODE)
  return attributes[0] as ListedAttribute
}

function decodeBody(item: Item): ObjectInMessage {
  const inner = (item.value as readonly Item[])[0]
  const coder = inner && OBJECT_CODERS[inner.tag]
  if (coder === undefined) throw new KmsError('tampered', 'Cannot read record: unknown object')
  return { tag: inner?.tag, value: coder.decode(inner as Item, DECODE) } as ObjectInMessage
}
