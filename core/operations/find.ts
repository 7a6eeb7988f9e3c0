/**
 * Locate.
 *
 * KMIP 1.4 §4.9, KMIP 2.1 §6.1.29. Every attribute that is given must match; a date given twice is
 * a range; a structure may be given in part; text matches exactly. The order is the caller's (2.x
 * wants the newest first), but the oldest comes first where a fresh member of a group is wanted
 * (KMIP Test Cases 1.1 §15.2). Without a Storage Status Mask, archived and destroyed objects are
 * not found.
 *
 * @module
 */
import { setImmediate } from 'node:timers/promises'
import {
  type AttributeId,
  attributeLabel,
  type ListedAttribute,
} from '#spec/kmip/attribute-list.ts'
import { ObjectGroupMember, StorageStatusMask } from '#spec/kmip/enumerations.ts'
import { tableOf } from '#spec/kmip/table.ts'
import { assertKnown } from '../attribute-rules.ts'
import type { Context } from '../context.ts'
import type { Query } from '../database.ts'
import { KmsError } from '../errors.ts'
import type { ManagedObject } from '../objects.ts'
import { credentialOf, isVisible, scopesOf } from '../policy.ts'
import {
  conditionsOf,
  isDate,
  matches,
  sayAll,
  storageStatus,
  storedAs,
  type Wanted,
} from '../search.ts'
import { sweep } from '../sweep.ts'

export interface LocateWish {
  readonly attributes: readonly ListedAttribute[]
  readonly maximumItems?: number | undefined
  readonly offsetItems?: number | undefined
  readonly storageStatusMask?: number | undefined
  readonly objectGroupMember?: number | undefined
  /** Whether the total is wanted. */
  readonly count?: boolean | undefined
  /** Default: the newest object first. */
  readonly oldestFirst?: boolean | undefined
}

export interface Located {
  readonly objects: readonly ManagedObject[]
  readonly total?: number | undefined
}

/** Conditions in one request; each costs a look at the index. */
const CONDITIONS_MAX = 100

const EVERYWHERE =
  StorageStatusMask.OnLineStorage |
  StorageStatusMask.ArchivalStorage |
  StorageStatusMask.DestroyedStorage

/** @throws {@link KmsError} `unknownAttribute`, `unknownEnumeration`, `invalidField`. */
export async function locate(context: Context, wish: LocateWish): Promise<Located> {
  const { services, principal } = context
  assertPage(wish)
  assertMember(wish.objectGroupMember)
  const fresh = wish.objectGroupMember === ObjectGroupMember.GroupMemberFresh
  const wanted = gathered(fresh ? [...wish.attributes, FRESH] : wish.attributes)
  if (wanted.some(({ id }) => id === 'state')) await sweep(services)
  const status = (wish.storageStatusMask ?? StorageStatusMask.OnLineStorage) & EVERYWHERE
  const limit = Math.min(wish.maximumItems ?? Infinity, services.limits.locateItemsMax)
  if (status === 0) return { objects: [], ...(wish.count && { total: 0 }) }
  const page = {
    scopes: scopesOf(principal),
    conditions: [...conditionsOf(wanted), storedAs(status)],
    limit,
    offset: wish.offsetItems,
    count: wish.count,
    oldestFirst: fresh || wish.oldestFirst,
  }
  const fits = (object: ManagedObject): boolean => {
    const { attributes } = object
    const isStored = (storageStatus(attributes) & status) !== 0 && matches(attributes, wanted)
    return isStored && isVisible(services, principal, object)
  }
  const own: Look = sayAll(wanted) ? lookUp : lookThrough
  const shared = services.grants.shownTo(credentialOf(principal))
  if (shared.length > 0) return withShared(context, page, shared, fits, own)
  return own(services.store, page, fits)
}

type Page = Omit<Query, 'kind'>
type Fits = (object: ManagedObject) => boolean
type Look = (store: Context['services']['store'], page: Page, fits: Fits) => Promise<Located>

/** The database knows all that match. */
const lookUp: Look = async (store, page, fits) => {
  const { ids, total } = await store.find(page)
  return { objects: (await store.objects(ids)).filter(fits), total }
}

/** How many objects are read before others have their turn. */
const STRIDE = 500

/** The database knows some that do not match as well: only the objects say which page it is. */
const lookThrough: Look = async (store, page, fits) => {
  const from = page.offset ?? 0
  const all = { ...page, offset: 0, limit: Number.MAX_SAFE_INTEGER, count: false }
  const { ids } = await store.find(all)
  const objects: ManagedObject[] = []
  let total = 0
  for (let at = 0; at < ids.length; at += STRIDE) {
    if (page.count !== true && objects.length >= page.limit) break
    if (at > 0) await setImmediate()
    for (const object of (await store.objects(ids.slice(at, at + STRIDE))).filter(fits)) {
      if (total >= from && objects.length < page.limit) objects.push(object)
      total++
    }
  }
  return { objects, ...(page.count && { total }) }
}

/** What others have shared comes behind what lies in the own scope. */
async function withShared(
  { services: { store }, principal }: Context,
  page: Page,
  shared: readonly string[],
  fits: Fits,
  look: Look,
): Promise<Located> {
  const own = await look(store, { ...page, count: true }, fits)
  const total = own.total ?? 0
  const others = (await store.objects(shared.toSorted())).filter((object) => {
    return object.scope !== principal.scope && fits(object)
  })
  const from = Math.max(0, (page.offset ?? 0) - total)
  const rest = others.slice(from, from + page.limit - own.objects.length)
  const sum = page.count ? total + others.length : undefined
  return { objects: [...own.objects, ...rest], total: sum }
}

const FRESH: ListedAttribute = { id: 'fresh', value: true }

function assertPage({ maximumItems = 0, offsetItems = 0 }: LocateWish): void {
  if (maximumItems >= 0 && offsetItems >= 0) return
  throw new KmsError(
    'invalidField',
    'Cannot locate: Maximum Items and Offset Items are not negative',
  )
}

function assertMember(member: number | undefined): void {
  if (member === undefined || tableOf(ObjectGroupMember).byValue.has(member)) return
  const what = `Cannot locate: ${member} is no Object Group Member`
  throw new KmsError('unknownEnumeration', `${what}; Group Member Fresh and Default are`)
}

/** Values by attribute. */
function gathered(attributes: readonly ListedAttribute[]): readonly Wanted[] {
  const byId = new Map<AttributeId, unknown[]>()
  for (const { id, value } of attributes) {
    assertKnown(id, 'Cannot locate')
    if (value === undefined) {
      throw new KmsError('invalidField', `Cannot locate: ${attributeLabel(id)} has no value`)
    }
    byId.set(id, [...(byId.get(id) ?? []), value])
  }
  if (attributes.length > CONDITIONS_MAX) {
    const what = `Cannot locate: ${attributes.length} attributes given, allowed are ${CONDITIONS_MAX}`
    throw new KmsError('invalidField', what)
  }
  return [...byId].map(([id, values]) => {
    if (isDate(id) && values.length > 2) {
      const what = `Cannot locate: ${attributeLabel(id)} is given ${values.length} times, a range has two`
      throw new KmsError('invalidField', what)
    }
    return { id, values }
  })
}

/** Objects with this name, as Locate finds them. */
export async function findByName(
  context: Context,
  name: string,
): Promise<readonly ManagedObject[]> {
  const attributes = [{ id: 'name', value: { nameValue: name } }] as const
  return (await locate(context, { attributes })).objects
}
