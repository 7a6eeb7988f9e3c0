/**
 * The public half of a key, whichever half is at hand.
 *
 * Who asks for the modulus of a private key or the point of a public one gets it from the material,
 * once: the answer is remembered as long as the object is. RFC 5280 §4.1 (SubjectPublicKeyInfo).
 *
 * @module
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { KeyFormatType, LinkType, ObjectType } from '#spec/kmip/enumerations.ts'
import type { Services } from './context.ts'
import { keyInUse } from './keys.ts'
import type { Awaitable } from './keystore.ts'
import { type ManagedObject, objectTypeOf } from './objects.ts'
import type { Secret } from './secret.ts'

const KNOWN = new WeakMap<ManagedObject, KeyObject>()

/** @throws `KmsError` `keyFormat` where the key cannot be read, `keyValueNotPresent`. */
export function publicHalf(services: Services, object: ManagedObject): Awaitable<KeyObject> {
  const known = KNOWN.get(object)
  if (known !== undefined) return known
  const read = readHalf(services, object)
  return read instanceof Promise ? read.then((key) => kept(object, key)) : kept(object, read)
}

function kept(object: ManagedObject, key: KeyObject): KeyObject {
  KNOWN.set(object, key)
  return key
}

function readHalf(services: Services, object: ManagedObject): Awaitable<KeyObject> {
  const isPrivate = objectTypeOf(object) === ObjectType.PrivateKey
  const key = keyInUse(object)
  const keystore = services.keystores.named(object.material?.keystore as string)
  if (isPrivate && keystore.can.exports === false) return ofPartner(services, object)
  const format = isPrivate ? KeyFormatType.PKCS_8 : KeyFormatType.X_509
  const bytes = keystore.export(key, format)
  return bytes instanceof Promise
    ? bytes.then((one) => parsed(one, isPrivate))
    : parsed(bytes, isPrivate)
}

function parsed(material: Secret, isPrivate: boolean): KeyObject {
  using bytes = material
  const key = Buffer.from(bytes.expose().buffer, bytes.expose().byteOffset, bytes.length)
  if (!isPrivate) return createPublicKey({ key, format: 'der', type: 'spki' })
  return createPublicKey(createPrivateKey({ key, format: 'der', type: 'pkcs8' }))
}

/** The public key beside a private one that cannot leave. */
async function ofPartner(services: Services, object: ManagedObject): Promise<KeyObject> {
  const link = object.attributes
    .all('link')
    .find(({ linkType }) => linkType === LinkType.PublicKeyLink)
  const partner = await services.store.object(String(link?.linkedObjectIdentifier))
  // A link is set by clients, and leads to nothing of somebody else.
  const isOwn = partner?.scope === object.scope
  if (isOwn && objectTypeOf(partner) === ObjectType.PublicKey) {
    return readHalf(services, partner)
  }
  throw new Error(`the public half of "${object.id}" is not at hand`)
}
