/**
 * Whether an object is to be seen before login: CKA_PRIVATE.
 *
 * PKCS#11 3.2 §4.4: the default is the token's own affair; ours is that secret and private keys
 * are private, and public keys, certificates and the rest are not.
 *
 * @module
 */
import { type ManagedObject, objectTypeOf } from '#core/objects.ts'
import { ObjectType } from '#spec/kmip/enumerations.ts'
import type { Item } from '#wire/ttlv/item.ts'

/** Attributes of PKCS#11 that KMIP has no place for, and that no client may set by KMIP. */
export const PRIVATE = 'y:CKA_PRIVATE'

const OPEN: ReadonlySet<number> = new Set([
  ObjectType.PublicKey,
  ObjectType.Certificate,
  ObjectType.OpaqueObject,
])

export function isPrivate(object: ManagedObject): boolean {
  const said = object.attributes.get(PRIVATE) as Item | undefined
  if (said !== undefined) return said.value === true
  return !OPEN.has(objectTypeOf(object))
}
