/**
 * Who may set, change and delete which attribute, and when.
 *
 * KMIP 1.4 §3 and KMIP 2.1 §4, the table of rules that stands with each attribute: the columns are
 * in the registry (`spec/kmip/attributes.ts`), this module reads them. Where we are stricter than
 * the standard the rule says so: a key that was sensitive stays so, and one that was not
 * extractable stays so, because a flag that can be taken back protects nothing.
 *
 * @module
 */
import {
  type AttributeId,
  attributeLabel,
  isVendorKey,
  type ListedAttribute,
  splitVendorKey,
} from '#spec/kmip/attribute-list.ts'
import { type AttributeKey, attributeRow } from '#spec/kmip/attributes.ts'
import { State } from '#spec/kmip/enumerations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import type { AttributeBag } from './attribute-bag.ts'
import { assertValue } from './attribute-values.ts'
import { type FailureCode, KmsError } from './errors.ts'
import { isDestroyed, isoDate, mayFollow, stateAt, stateName } from './lifecycle.ts'
import type { Limits } from './limits.ts'

/** How an object comes into being. */
export type Origin = 'created' | 'registered'

/**
 * Checks what a client gives for a new object.
 *
 * @throws {@link KmsError} `unknownAttribute`, `readOnlyAttribute`, `attributeTwice`, and those of
 * {@link assertValue}.
 */
export function assertMayGive(list: readonly ListedAttribute[]): void {
  const seen = new Set<AttributeId>()
  for (const { id, value } of list) {
    assertKnown(id, 'Cannot create object')
    if (seen.has(id) && !isMultiple(id)) {
      const what = `Cannot create object: ${attributeLabel(id)} is given twice, it has one value`
      throw new KmsError('attributeTwice', what)
    }
    seen.add(id)
    if (ownedByServer(id)) {
      const what = `Cannot create object: ${attributeLabel(id)} is set by the server alone`
      throw new KmsError('readOnlyAttribute', what)
    }
    assertValue('Cannot create object', { id, value })
  }
}

/** Attributes that the standard leaves to the server; clients cannot give them a value. */
export function ownedByServer(id: AttributeId): boolean {
  return isVendorKey(id) ? splitVendorKey(id).vendor === 'y' : attributeRow(id).setter === 'server'
}

export function isMultiple(id: AttributeId): boolean {
  return isVendorKey(id) || attributeRow(id).multiple
}

/**
 * @throws {@link KmsError} `unknownAttribute` when no version has it and it is not a client's own.
 */
export function assertKnown(
  id: AttributeId,
  what: string,
  code: FailureCode = 'unknownAttribute',
): void {
  if (!isVendorKey(id) || !id.startsWith(':')) return
  const hint = 'names of your own begin with "x-" in KMIP 1.x and have a vendor from 2.0 on'
  throw new KmsError(code, `${what}: ${id.slice(1)} is no attribute; ${hint}`)
}

/** By which a request asks that a key be kept under another: a wish, not stored (`keep.ts`). */
export const KEEPER_WISH = 'wrapping_key_id'

/** Whoever gave it afterwards would believe that it has an effect. */
function assertNoWish(id: AttributeId, what: string): void {
  if (!isVendorKey(id) || splitVendorKey(id).name !== KEEPER_WISH) return
  const why = 'a key is kept under another key from the start, or not at all'
  throw new KmsError('readOnlyAttribute', `Cannot ${what} ${attributeLabel(id)}: ${why}`)
}

/**
 * Server's own, and false where a client has given Original Creation Date: such an object was not
 * made here, although it has the date that made objects have.
 */
export const LOCAL = 'y:CKA_LOCAL'

const NOT_LOCAL = { tag: Tag.AttributeValue, type: ItemType.Boolean, value: false } as const

/** With what follows from an attribute that a client gives to an object. */
export function asGiven(attributes: AttributeBag, id: AttributeId): AttributeBag {
  return id === 'originalCreationDate' ? attributes.set(LOCAL, NOT_LOCAL) : attributes
}

/**
 * One more instance, or the first value of a single one: Add Attribute.
 *
 * @throws {@link KmsError} `unknownAttribute`, `readOnlyAttribute`, `destroyed`, `attributeExists`.
 */
export function assertMayAdd(object: AttributeBag, id: AttributeId): void {
  const label = attributeLabel(id)
  assertKnown(id, 'Cannot add attribute')
  assertNoWish(id, 'add')
  assertAlive(object, `Cannot add ${label}`)
  if (!isVendorKey(id)) {
    const { setter } = attributeRow(id)
    if (setter === 'server' || setter === 'request') {
      throw new KmsError('readOnlyAttribute', `Cannot add ${label}: it is set by the server alone`)
    }
  } else if (ownedByServer(id)) {
    throw new KmsError('readOnlyAttribute', `Cannot add ${label}: "y-" attributes are the server's`)
  }
  if (object.has(id) && !isMultiple(id)) {
    const what = `Cannot add ${label}: the object has one already and it has one value; modify it`
    throw new KmsError('attributeExists', what)
  }
}

/**
 * Another value for an instance that is there: Modify Attribute.
 *
 * @param code Which failure to name where it is read-only: Modify and Set have different ones.
 * @throws {@link KmsError} that; `unknownAttribute`, `readOnlyAttribute`, `destroyed`,
 * `wrongState`, `attributeReadOnly`.
 */
export function assertMayChange(
  object: AttributeBag,
  id: AttributeId,
  value: unknown,
  now: number,
  code: FailureCode = 'attributeReadOnly',
): void {
  const label = attributeLabel(id)
  assertKnown(id, 'Cannot change attribute')
  assertNoWish(id, 'change')
  assertAlive(object, `Cannot change ${label}`)
  if (isVendorKey(id)) {
    if (!ownedByServer(id)) return
    throw new KmsError(code, `Cannot change ${label}: "y-" attributes are the server's`)
  }
  const { change } = attributeRow(id)
  if (change === 'never') throw new KmsError(code, `Cannot change ${label}: it is read-only`)
  assertTime(object, id, change, now)
  assertNotLoosened(object, id, value)
}

type TimedChange = ReturnType<typeof attributeRow>['change']

/** Dates may be changed until they have been reached. */
function assertTime(
  object: AttributeBag,
  id: AttributeKey,
  change: TimedChange,
  now: number,
): void {
  const label = attributeLabel(id)
  const state = stateAt(object, now)
  const name = state === undefined ? 'unknown' : stateName(state)
  if (change === 'preActive' && state !== State.PreActive) {
    throw new KmsError('wrongState', `Cannot change ${label}: the state is ${name}, not Pre-Active`)
  }
  const open = state === State.PreActive || state === State.Active
  if (change === 'untilDeactivated' && !open) {
    throw new KmsError('wrongState', `Cannot change ${label}: the state is ${name}`)
  }
  if (change === 'untilReached') {
    const date = object.get(id) as number | undefined
    if (!open) throw new KmsError('wrongState', `Cannot change ${label}: the state is ${name}`)
    if (date !== undefined && date <= now) {
      throw new KmsError('wrongState', `Cannot change ${label}: ${isoDate(date)} has been reached`)
    }
  }
  if (change === 'untilAllocated') {
    const limits = object.get('usageLimits')
    if (limits !== undefined && limits.usageLimitsCount !== limits.usageLimitsTotal) {
      throw new KmsError('attributeReadOnly', `Cannot change ${label}: part of it has been used`)
    }
  }
}

/** Our own rule: Sensitive only turns true, Extractable only turns false. */
function assertNotLoosened(object: AttributeBag, id: AttributeKey, value: unknown): void {
  if (id === 'sensitive' && object.get('sensitive') === true && value === false) {
    throw new KmsError('attributeReadOnly', 'Cannot change Sensitive: a sensitive object stays so')
  }
  if (id === 'extractable' && object.get('extractable') === false && value === true) {
    const what = 'Cannot change Extractable: an object that is not extractable stays so'
    throw new KmsError('attributeReadOnly', what)
  }
}

/** @throws {@link KmsError} `attributeReadOnly` when a client may not delete it. */
export function assertMayDelete(object: AttributeBag, id: AttributeId): void {
  const label = attributeLabel(id)
  assertKnown(id, 'Cannot delete attribute', 'unknownToDelete')
  assertAlive(object, `Cannot delete ${label}`)
  const allowed = isVendorKey(id) ? !ownedByServer(id) : attributeRow(id).deletable
  if (!allowed) throw new KmsError('attributeReadOnly', `Cannot delete ${label}: it must stay`)
  if (id === 'usageLimits') assertTime(object, id, 'untilAllocated', 0)
}

/** The attributes of a destroyed object are a record of what it was. */
function assertAlive(object: AttributeBag, what: string): void {
  if (isDestroyed(object.get('state'))) {
    throw new KmsError(
      'destroyed',
      `${what}: the object is destroyed, its attributes stay as they are`,
    )
  }
}

/**
 * What else changes with an attribute: the state with its dates, the history flags with theirs.
 *
 * KMIP 1.4 §3.22 (a date of now or the past moves the state at once), §3.48 and §3.50.
 */
export function withConsequences(attributes: AttributeBag, now: number): AttributeBag {
  let result = attributes
  const stored = attributes.get('state')
  const state = stateAt(attributes, now)
  if (state !== undefined && stored !== undefined && state !== stored) {
    const legal = mayFollow(stored, state) || state === State.Deactivated
    if (legal) result = result.set('state', state)
  }
  if (attributes.get('sensitive') === false) result = result.set('alwaysSensitive', false)
  if (attributes.get('extractable') === true) result = result.set('neverExtractable', false)
  return result
}

/**
 * Dates in an order that makes sense: KMIP 1.4 §3.24 to §3.27.
 *
 * @param before What two dates were already does not count: Activate and Revoke set dates of their
 * own, and whoever changes something else afterwards is not to blame for their order.
 * @throws {@link KmsError} `attributeValue`.
 */
export function assertDates(attributes: AttributeBag, before?: AttributeBag): void {
  const order: readonly (readonly [AttributeKey, AttributeKey])[] = [
    ['activationDate', 'processStartDate'],
    ['activationDate', 'deactivationDate'],
    ['protectStopDate', 'deactivationDate'],
  ]
  for (const [earlier, later] of order) {
    const [first, second] = [attributes.get(earlier), attributes.get(later)] as (
      | number
      | undefined
    )[]
    if (first === undefined || second === undefined || first <= second) continue
    if (before?.get(earlier) === first && before.get(later) === second) continue
    const [a, b] = [attributeLabel(earlier), attributeLabel(later)]
    const what = `Cannot set dates: ${a} ${isoDate(first)} lies after ${b} ${isoDate(second)}`
    throw new KmsError('attributeValue', what)
  }
}

/** @throws {@link KmsError} `tooManyInstances`. */
export function assertCount(attributes: AttributeBag, limits: Limits): void {
  if (attributes.size <= limits.attributeInstancesMax) return
  const what = `Cannot add attribute: an object has ${limits.attributeInstancesMax} values at most`
  throw new KmsError('tooManyInstances', what)
}

/** A client gives the total; what is left starts as the total. KMIP 1.4 §3.21. */
export function withUsageCount(attributes: AttributeBag): AttributeBag {
  const limits = attributes.get('usageLimits')
  if (limits === undefined || limits.usageLimitsCount !== undefined) return attributes
  return attributes.set('usageLimits', { ...limits, usageLimitsCount: limits.usageLimitsTotal })
}
