/**
 * Moving keys from one wrapping key to another.
 *
 * KMIP has no such operation: it is the operator's, before a wrapping key is retired. Each key is
 * unwrapped by the old keeper and wrapped by the new one, and is a new revision with its audit
 * entry; it can be used all the time. What cannot be moved stays as it is and is named.
 *
 * @module
 */
import { LinkType, ObjectType } from '#spec/kmip/enumerations.ts'
import type { AttributeBag } from '../attribute-bag.ts'
import { commit, retried, revised } from '../change.ts'
import type { Context, Services } from '../context.ts'
import { KmsError } from '../errors.ts'
import { keyInUse } from '../keys.ts'
import type { Keeper, Keystore } from '../keystore.ts'
import { type ManagedObject, objectTypeOf } from '../objects.ts'
import type { Altered } from '../store.ts'
import { keeperFor, linkedHalf, under } from './keep.ts'

export interface RewrapWish {
  /** Unique Identifiers of the old and the new wrapping key. */
  readonly from: string
  readonly to: string
  /** Who asks for it. */
  readonly by: string
}

export interface Rewrapped {
  readonly moved: number
  readonly failed: readonly Failed[]
}

interface Failed {
  readonly id: string
  readonly reason: string
}

/** Objects that are looked at together. */
const BATCH = 200

/** @throws {@link KmsError} `wrappingKeyNotFound`, `invalidField`, and those of `keeperFor`. */
export async function rewrap(services: Services, wish: RewrapWish): Promise<Rewrapped> {
  const { store, clock } = services
  const [old, next] = [
    await keeperObject(services, wish.from),
    await keeperObject(services, wish.to),
  ]
  const from = objectTypeOf(old) === ObjectType.PublicKey ? privateHalf(old) : old.id
  const principal = { name: wish.by, scope: next.scope }
  const now = Math.floor(clock() / 1000)
  const context: Context = { services, principal, front: 'control', operation: 'Rewrap', now }
  const to = await keeperFor(context, next.id)
  if (to.id === from) {
    throw new KmsError('invalidField', 'Cannot rewrap: old and new wrapping key are the same')
  }
  const { ids } = await store.find({ conditions: [], limit: Number.MAX_SAFE_INTEGER })
  const failed: Failed[] = []
  let moved = 0
  for (let at = 0; at < ids.length; at += BATCH) {
    const altered: Altered = new Map()
    const objects = await store.objects(ids.slice(at, at + BATCH), altered, 'in passing')
    for (const [id, { message }] of altered) failed.push({ id, reason: message })
    const own = objects.filter((object) => isUnder(services, object, from))
    moved += await movedOf(context, own, from, to, failed)
  }
  return { moved, failed }
}

/** Moves what is there, one after the other. @returns How many; others are added to `failed`. */
async function movedOf(
  context: Context,
  objects: readonly ManagedObject[],
  from: string,
  to: Keeper,
  failed: Failed[],
): Promise<number> {
  let moved = 0
  for (const { id } of objects) {
    try {
      if (await retried(() => move(context, id, from, to))) moved++
    } catch (error) {
      if (!(error instanceof KmsError)) throw error
      failed.push({ id, reason: error.message })
    }
  }
  return moved
}

async function keeperObject({ store }: Services, id: string): Promise<ManagedObject> {
  const object = await store.object(id)
  if (object !== undefined) return object
  throw new KmsError('wrappingKeyNotFound', `Cannot rewrap: there is no key "${id}"`)
}

function privateHalf(object: ManagedObject): string {
  return linkedHalf(object, LinkType.PrivateKeyLink)
}

function keystoreOf({ keystores }: Services, { material }: ManagedObject): Keystore | undefined {
  return material && keystores.find(material.keystore)
}

function isUnder(services: Services, object: ManagedObject, keeper: string): boolean {
  const { material } = object
  if (material === undefined) return false
  return keystoreOf(services, object)?.keeperOf?.(material.handle) === keeper
}

/** False where it is there no more, or was moved by somebody else. */
async function move(context: Context, id: string, from: string, to: Keeper): Promise<boolean> {
  const { services } = context
  const object = await services.store.object(id)
  const keystore = object && keystoreOf(services, object)
  if (object === undefined || keystore === undefined || !isUnder(services, object, from))
    return false
  const key = keyInUse(object)
  const { kind, spec, format } = key
  using bytes = await keystore.export(key)
  const request = { id, kind, spec, format, bytes: bytes.expose() }
  const { handle } = await under(keystore, to).import(request)
  const attributes = relinked(object.attributes, from, to.id)
  const material = { keystore: keystore.name, handle }
  const after = { ...revised(context, object, attributes), material }
  await commit(context, [{ before: object, after }], `from ${from} to ${to.id}`)
  return true
}

/** The Wrapping Key Link says under what it is now. */
function relinked(attributes: AttributeBag, from: string, to: string): AttributeBag {
  const linkType = LinkType.WrappingKeyLink
  const stale = attributes.instances('link').filter(({ value }) => {
    return value.linkType === linkType && value.linkedObjectIdentifier === from
  })
  const left = stale.reduce((bag, { index }) => bag.without('link', index), attributes)
  return left.add('link', { linkType, linkedObjectIdentifier: to })
}
