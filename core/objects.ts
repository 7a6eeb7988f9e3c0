/**
 * A managed object: what the core knows of a key, a certificate, a secret.
 *
 * KMIP 2.1 §3. The material itself is a keystore's affair: an object only refers to it.
 *
 * @module
 */
import { ObjectType } from '#spec/kmip/enumerations.ts'
import type { ObjectInMessage } from '#spec/kmip/objects.ts'
import { nameOf } from '#spec/kmip/table.ts'
import type { AttributeBag } from './attribute-bag.ts'
import { KmsError } from './errors.ts'

/** Where the material lies: a keystore, and that keystore's own name for it. */
export interface Material {
  readonly keystore: string
  /**
   * Opaque to everyone but the keystore; the sealed bytes themselves, for the software keystore.
   */
  readonly handle: Uint8Array
}

export interface ManagedObject {
  /** Unique Identifier. */
  readonly id: string
  /** Who shares it: objects of another scope are invisible. */
  readonly scope: string
  /** Name of the principal that made it. */
  readonly owner: string
  /** Counts the changes, from 1; a change states the revision it was made upon. */
  readonly revision: number
  readonly attributes: AttributeBag
  /**
   * The object as a message carries it, without its key value: the parts that are not attributes
   * (Secret Data Type, split key parts, the block's algorithm and wrapping data).
   */
  readonly body: ObjectInMessage
  /** Absent for templates, for objects without key value, and after Destroy. */
  readonly material?: Material | undefined
}

export function objectTypeOf(object: ManagedObject): ObjectType {
  const type = object.attributes.get('objectType')
  if (type === undefined)
    throw new KmsError('tampered', `Cannot use "${object.id}": it has no type`)
  return type
}

/** For messages to people: `Symmetric Key "f81d4fae-…"`. */
export function labelOf(object: ManagedObject): string {
  return `${objectTypeLabel(objectTypeOf(object))} "${object.id}"`
}

export function objectTypeLabel(type: number): string {
  return LABELS.get(type) ?? words(nameOf(ObjectType, type))
}

function words(name: string): string {
  return name.replace(/(?<=[a-z])(?=[A-Z])/g, ' ')
}

/** Made once: every object that is given out has its label made. */
const LABELS: ReadonlyMap<number, string> = new Map(
  Object.values(ObjectType).map((type) => [type, words(nameOf(ObjectType, type))]),
)

/** Objects whose material is a key block. */
export type KeyedObject = Extract<ObjectInMessage, { value: { keyBlock: unknown } }>

export function isKeyed(body: ObjectInMessage): body is KeyedObject {
  return 'keyBlock' in body.value
}
