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
import {
  type AttributeId,
  attributeLabel,
  type ListedAttribute,
} from '#spec/kmip/attribute-list.ts'
import { ObjectGroupMember, StorageStatusMask } from '#spec/kmip/enumerations.ts'
import { assertKnown } from '../attribute-rules.ts'
import type { Context } from '../context.ts'
import type { Query } from '../database.ts'
import { KmsError } from '../errors.ts'
import type { ManagedObject } from '../objects.ts'
import { credentialOf, isVisible, scopesOf } from '../policy.ts'
import { conditionsOf, isDate, matches, storageStatus, storedAs, type Wanted } from '../search.ts'
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

/** @throws {@link KmsError} `unknownAttribute`, `invalidField`. */
export async function locate(context: Context, wish: LocateWish): Promise<Located> {
  const { services, principal } = context
  assertPage(wish)
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
  const shared = services.grants.shownTo(credentialOf(principal))
  if (shared.length > 0) return withShared(context, page, shared, fits)
  const found = await services.store.find(page)
  const objects = await services.store.objects(found.ids)
  return { objects: objects.filter(fits), total: found.total }
}

/** What others have shared comes behind what lies in the own scope. */
async function withShared(
  { services, principal }: Context,
  page: Omit<Query, 'kind'>,
  shared: readonly string[],
  fits: (object: ManagedObject) => boolean,
): Promise<Located> {
  const { store } = services
  const own = await store.find({ ...page, count: true })
  const total = own.total ?? 0
  const objects = await store.objects(own.ids)
  const others = (await store.objects(shared.toSorted())).filter((object) => {
    return object.scope !== principal.scope && fits(object)
  })
  const from = Math.max(0, (page.offset ?? 0) - total)
  const rest = others.slice(from, from + page.limit - own.ids.length)
  const sum = page.count ? total + others.length : undefined
  return { objects: [...objects.filter(fits), ...rest], total: sum }
}

const FRESH: ListedAttribute = { id: 'fresh', value: true }

function assertPage({ maximumItems = 0, offsetItems = 0 }: LocateWish): void {
  if (maximumItems >= 0 && offsetItems >= 0) return
  throw new KmsError(
    'invalidField',
    'Cannot locate: Maximum Items and Offset Items are not negative',
  )
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
