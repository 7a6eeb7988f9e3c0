/**
 * Keys in an HSM by the identifiers that say where they are: making, finding and adopting them.
 *
 * The database knows an object by the identifier that it was made with. What is called otherwise is
 * looked for under its other spellings, and then in the device itself, where an administrator asks
 * and the configuration allows it: what is found becomes an object. The record of a destroyed key
 * gives way to a new one of the same identifier.
 *
 * @module
 */
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import { LinkType, NameType, ObjectType } from '#spec/kmip/enumerations.ts'
import type { Context } from '../context.ts'
import { KmsError } from '../errors.ts'
import { identifiersOf, keystoreAt, PUBLIC_SUFFIX, parsePlace } from '../identifiers.ts'
import type { Foundling, Keystore } from '../keystore.ts'
import { isDestroyed } from '../lifecycle.ts'
import { type ManagedObject, objectTypeOf } from '../objects.ts'
import { assertAdministrator, isAdministrator } from '../policy.ts'
import { adoptCalled, knownObject } from './adopt.ts'
import { enter } from './make.ts'

/** Where a key with an identifier of its own is made. */
export interface MakingPlace {
  readonly keystore: Keystore
  /** What it is called in the device. */
  readonly place: string | undefined
  /** Destroyed objects that give way. */
  readonly replaced: readonly ManagedObject[]
}

/** The keystore, where the identifier says it; undefined where another would do. */
export function fixedAt({ keystore, place }: MakingPlace): Keystore | undefined {
  return place === undefined ? undefined : keystore
}

/** Keys that are being made: nobody else begins one of the same name meanwhile. */
const MAKING = new Set<string>()

/**
 * Makes a key under an identifier that the client has chosen, or under none.
 *
 * @param id Of a pair: the private key's.
 * @param masks Protection Storage Masks of the request.
 * @param work Makes it.
 * @throws {@link KmsError} `invalidField`, `noSuchKeystore`, `permissionDenied`, `exists`.
 */
export async function makingAt<T>(
  context: Context,
  id: string | undefined,
  masks: readonly number[] | undefined,
  work: (place: MakingPlace) => Promise<T>,
): Promise<T> {
  const { keystores, store } = context.services
  if (id === undefined) {
    return work({ keystore: keystores.forNew(masks), place: undefined, replaced: [] })
  }
  const { name, ...where } = parsePlace(id)
  const keystore = keystoreAt(keystores, id, { name, ...where })
  const what = `create "${id}"`
  assertAdministrator(context.principal, keystore, what)
  const has = keystore.can.protectionStorageMask
  if (masks !== undefined && masks.length > 0 && masks.every((mask) => (has & mask) !== mask)) {
    const why = 'it is in an HSM, and the Protection Storage Mask asks for something else'
    throw new KmsError('protectionStorage', `Cannot ${what}: ${why}`)
  }
  const key = JSON.stringify([keystore.name, name])
  if (MAKING.has(key)) throw new KmsError('exists', `Cannot ${what}: another request makes it`)
  MAKING.add(key)
  try {
    // What still is to be destroyed there would take its successor with it.
    await context.services.destructions.finish(context.services, keystore.name)
    const both = identifiersOf(keystores, keystore, name).flatMap((one) => {
      return [one, `${one}${PUBLIC_SUFFIX}`]
    })
    await context.services.destructions.assertGone(context.services, what, both)
    const there = (await Promise.all(both.map((one) => store.object(one)))).flatMap((o) => o ?? [])
    const living = there.find(({ attributes }) => !isDestroyed(attributes.get('state')))
    if (living !== undefined) {
      throw new KmsError('exists', `Cannot ${what}: there is "${living.id}" already`)
    }
    return await work({ keystore, place: name, replaced: there })
  } finally {
    MAKING.delete(key)
  }
}

/** The object as the first of its identifier, or the next. */
export function placedObject(
  { services }: Context,
  { place, replaced }: MakingPlace,
  object: ManagedObject,
): ManagedObject {
  if (place === undefined) return object
  const before = replaced.find(({ id }) => id === object.id)
  // An identifier that comes again goes on counting: an old record must not pass for a new one.
  return { ...object, revision: Math.max((before?.revision ?? 0) + 1, services.clock()) }
}

/** A key that nobody names has its identifier for a Name, so that every front finds it by it. */
export function placedName(
  { place }: MakingPlace,
  id: string,
  given: readonly ListedAttribute[],
): readonly ListedAttribute[] {
  if (place === undefined || given.some((one) => one.id === 'name')) return []
  return [{ id: 'name', value: { nameValue: id, nameType: NameType.UninterpretedTextString } }]
}

/**
 * Enters what has been made.
 *
 * @throws {@link KmsError} those of {@link enter}.
 */
export function enterMade(
  context: Context,
  { replaced }: MakingPlace,
  objects: readonly ManagedObject[],
  internal: Parameters<typeof enter>[2],
): Promise<readonly ManagedObject[]> {
  return enter(context, objects, internal, replaced)
}

/**
 * What an identifier calls that the database does not know as it is written.
 *
 * @throws {@link KmsError} `invalidField`, `noSuchKeystore`, `notFound` where it could be adopted.
 */
export async function findPlaced(context: Context, id: string): Promise<ManagedObject | undefined> {
  const { keystores, store } = context.services
  const place = parsePlace(id)
  const keystore = keystoreAt(keystores, id, place)
  for (const other of identifiersOf(keystores, keystore, place.name)) {
    const object = other === id ? undefined : await store.object(other)
    if (object !== undefined) return object
  }
  if (!isAdministrator(context.principal, keystore)) return undefined
  const half = place.name.endsWith(PUBLIC_SUFFIX) ? 'public' : undefined
  const stem = half === undefined ? place.name : place.name.slice(0, -PUBLIC_SUFFIX.length)
  await context.services.destructions.finish(context.services, keystore.name)
  const found = await calledIn(keystore, id, stem)
  const called = found.find(({ kind }) => (kind === 'public') === (half === 'public'))
  if (called === undefined) return undefined
  const known = await knownObject(context, keystore, called)
  if (known === undefined) return adoptedAs(context, keystore, id, found, called)
  // A public key may be known by its private half alone.
  const isOther = half === 'public' && objectTypeOf(known) === ObjectType.PrivateKey
  return isOther ? publicHalfOf(context, known) : known
}

async function publicHalfOf(
  { services }: Context,
  { attributes }: ManagedObject,
): Promise<ManagedObject | undefined> {
  const links = attributes.all('link')
  const found = links.find(({ linkType }) => linkType === LinkType.PublicKeyLink)
  const id = found?.linkedObjectIdentifier
  return typeof id === 'string' ? services.store.object(id) : undefined
}

/** Secret key, or the halves of a pair, of this name. @throws {@link KmsError} `notFound`. */
async function calledIn(
  keystore: Keystore,
  id: string,
  stem: string,
): Promise<readonly Foundling[]> {
  const all = [
    ...((await keystore.foundlings?.(stem)) ?? []),
    ...((await keystore.foundlings?.(`${stem}${PUBLIC_SUFFIX}`)) ?? []),
  ]
  const keys = all.filter(({ kind }) => kind !== 'data')
  const unique = keys.filter(({ place }, index) => {
    return keys.findIndex((one) => Buffer.compare(one.place, place) === 0) === index
  })
  const privates = unique.filter(({ kind }) => kind !== 'public')
  const publics = unique.filter(({ kind }) => kind === 'public')
  if (privates.length <= 1 && publics.length <= 1) return unique
  const what = `HSM "${keystore.name}" has several keys that are called so`
  throw new KmsError('notFound', `Cannot find "${id}": ${what}; adopt them: claviger hsm adopt`)
}

async function adoptedAs(
  context: Context,
  keystore: Keystore,
  id: string,
  found: readonly Foundling[],
  called: Foundling,
): Promise<ManagedObject | undefined> {
  if (keystore.adoptsCalled !== true) {
    const how = `claviger hsm adopt ${keystore.name}, or adopt: called in its configuration`
    const what = `Cannot find "${id}": HSM "${keystore.name}" has it, but it is no object yet`
    throw new KmsError('notFound', `${what}; make it one: ${how}`)
  }
  const stem = called.kind === 'public' ? id.slice(0, -PUBLIC_SUFFIX.length) : id
  const idFor = ({ kind }: Foundling): string => `${stem}${kind === 'public' ? PUBLIC_SUFFIX : ''}`
  const { store } = context.services
  const adopting = { ...context, operation: 'Adopt', undo: undefined }
  const old = await Promise.all([store.object(stem), store.object(`${stem}${PUBLIC_SUFFIX}`)])
  const replaced = old.flatMap((one) => one ?? [])
  const objects = await adoptCalled(adopting, keystore, found, idFor)
  const making = { keystore, place: stem, replaced }
  const next = objects.map((object) => placedObject(context, making, object))
  try {
    const entered = await enter(adopting, next, { namesRepeat: true }, replaced)
    return entered.find((one) => one.id === idFor(called))
  } catch (error) {
    // Another request was faster.
    const isThere = error instanceof KmsError && error.code === 'exists'
    const present = isThere ? await store.object(idFor(called)) : undefined
    if (present === undefined) throw error
    return present
  }
}
