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
import { tableOf } from '#spec/kmip/table.ts'
import { assertKnown } from '../attribute-rules.ts'
import type { Context } from '../context.ts'
import type { Found, Query } from '../database.ts'
import { KmsError } from '../errors.ts'
import { LongSearch, SEARCH_STRIDE, tellAltered } from '../long-search.ts'
import type { ManagedObject } from '../objects.ts'
import { credentialOf, isVisible, scopesOf } from '../policy.ts'
import {
  conditionsOf,
  isDate,
  matches,
  storageStatus,
  storedAs,
  undecided,
  type Wanted,
} from '../search.ts'
import type { Altered } from '../store.ts'
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
  readonly ids: readonly string[]
  readonly total?: number | undefined
}

/** Conditions in one request; each costs a look at the index. */
const CONDITIONS_MAX = 100

const EVERYWHERE =
  StorageStatusMask.OnLineStorage |
  StorageStatusMask.ArchivalStorage |
  StorageStatusMask.DestroyedStorage

/**
 * What the index finds is there, also where its record was altered: whoever reads it is refused.
 * What has to be read to be found is there if it was asked for by name, and left out otherwise. See
 * decisions/0021-altered-records.md.
 *
 * @throws {@link KmsError} `unknownAttribute`, `unknownEnumeration`, `invalidField`,
 * `limitExceeded`.
 */
export async function locate(context: Context, wish: LocateWish): Promise<Located> {
  const { services, principal } = context
  assertPage(wish)
  assertMember(wish.objectGroupMember)
  const fresh = wish.objectGroupMember === ObjectGroupMember.GroupMemberFresh
  const wanted = gathered(fresh ? [...wish.attributes, FRESH] : wish.attributes)
  if (wanted.some(({ id }) => id === 'state')) await sweep(services)
  const status = (wish.storageStatusMask ?? StorageStatusMask.OnLineStorage) & EVERYWHERE
  const limit = Math.min(wish.maximumItems ?? Infinity, services.limits.locateItemsMax)
  if (status === 0) return { ids: [], ...(wish.count && { total: 0 }) }
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
  const look: Look = {
    context,
    page,
    fits,
    altered: new Map(),
    undecided: undecided(wanted),
    isNamed: wanted.some(({ id }) => id === 'name' || id === 'uniqueIdentifier'),
  }
  const shared = services.grants.shownTo(credentialOf(principal))
  const located = await (shared.length > 0 ? withShared(look, shared) : inScope(look))
  await tellAltered(context, look.altered)
  return located
}

interface Look {
  readonly context: Context
  readonly page: Omit<Query, 'kind'>
  /** Whether an object is looked for, and to be seen. */
  readonly fits: (object: ManagedObject) => boolean
  /** Takes what cannot be read. */
  readonly altered: Altered
  readonly undecided: readonly Wanted[]
  /** Whether it is for one that is named: to leave that out would say that there is none. */
  readonly isNamed: boolean
}

function inScope(look: Look): Promise<Located> {
  return look.undecided.length === 0 ? lookUp(look) : lookThrough(look)
}

/** The database knows all that match. */
async function lookUp(look: Look): Promise<Located> {
  const { ids, total } = await look.context.services.store.find(look.page)
  return { ids: await matching(look, ids, true), total }
}

/** Those that are looked for; what was altered is kept or left out. */
async function matching(
  { context, fits, altered }: Look,
  ids: readonly string[],
  keepsAltered: boolean,
): Promise<readonly string[]> {
  const objects = await context.services.store.objects(ids, altered, 'in passing')
  const read = new Map(objects.map((object) => [object.id, object]))
  return ids.filter((id) => {
    const object = read.get(id)
    return object === undefined ? keepsAltered && altered.has(id) : fits(object)
  })
}

/** Identifiers that are looked up together: a range is gone through anew for every page. */
const PAGE = 5_000

/** The database knows some that do not match as well: only the objects say which page it is. */
async function lookThrough(look: Look): Promise<Located> {
  const { limit, offset = 0, count } = look.page
  const ids: string[] = []
  let total = 0
  for await (const id of matchesThrough(look)) {
    if (count !== true && ids.length >= limit) break
    if (total >= offset && ids.length < limit) ids.push(id)
    total++
  }
  return { ids, ...(count && { total }) }
}

/** All that match, of those that the database cannot tell from others. */
async function* matchesThrough(look: Look) {
  const { context, page, undecided, isNamed } = look
  const { services, principal, front } = context
  const search = new LongSearch({
    services,
    principal: principal.name,
    front,
    what: 'Cannot locate',
    undecided: () => undecided.map(({ id }) => attributeLabel(id)),
  })
  const all = { ...page, offset: 0, limit: PAGE, count: false }
  try {
    let found: Omit<Found, 'records'> = { ids: [] }
    do {
      found = await services.store.find({ ...all, behind: found.place })
      for (let at = 0; at < found.ids.length; at += SEARCH_STRIDE) {
        const ids = found.ids.slice(at, at + SEARCH_STRIDE)
        await search.turn(ids.length)
        yield* await matching(look, ids, isNamed)
      }
    } while (found.place !== undefined)
  } finally {
    search.end()
  }
}

/** What others have shared comes behind what lies in the own scope. */
async function withShared(look: Look, shared: readonly string[]): Promise<Located> {
  const { context, page, fits, altered } = look
  const { services, principal } = context
  const own = await inScope({ ...look, page: { ...page, count: true } })
  const total = own.total ?? 0
  const others = (await services.store.objects(shared.toSorted(), altered)).filter((object) => {
    return object.scope !== principal.scope && fits(object)
  })
  const from = Math.max(0, (page.offset ?? 0) - total)
  const rest = others.slice(from, from + page.limit - own.ids.length)
  const sum = page.count ? total + others.length : undefined
  return { ids: [...own.ids, ...rest.map(({ id }) => id)], total: sum }
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

/**
 * Objects with this name, as Locate finds them.
 *
 * @throws {@link KmsError} `tampered` when one of them was altered.
 */
export async function findByName(
  context: Context,
  name: string,
): Promise<readonly ManagedObject[]> {
  const attributes = [{ id: 'name', value: { nameValue: name } }] as const
  return context.services.store.objects((await locate(context, { attributes })).ids)
}
