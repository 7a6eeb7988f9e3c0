/**
 * Activate, Revoke, Destroy, Check, Obtain Lease, Get Usage Allocation.
 *
 * KMIP 1.4 §4.10, §4.17 to §4.21; KMIP 2.1 §6.1 by name. The states and their order are in
 * `core/lifecycle.ts`.
 *
 * @module
 */
import {
  CryptographicUsageMask as Mask,
  ObjectType,
  RevocationReasonCode,
  State,
} from '#spec/kmip/enumerations.ts'
import type { RevocationReason } from '#spec/kmip/structures.ts'
import { nameOf } from '#spec/kmip/table.ts'
import type { AttributeBag } from '../attribute-bag.ts'
import { commit, retried, revised, update } from '../change.ts'
import type { Context } from '../context.ts'
import { KmsError } from '../errors.ts'
import { isPlaced, PUBLIC_SUFFIX } from '../identifiers.ts'
import {
  assertTransition,
  assertUsable,
  isCompromise,
  isDestroyed,
  isoDate,
  stateAfterRevoke,
  stateAt,
  stateName,
} from '../lifecycle.ts'
import { labelOf, type ManagedObject, objectTypeOf } from '../objects.ts'
import { assertMayEnd, livingObject, permitted, visibleObject } from '../policy.ts'
import type { ObjectChange } from '../store.ts'

/** @throws {@link KmsError} `illegalOperation` when the object has no state to change. */
function currentState(object: ManagedObject, verb: string, now: number): State {
  const state = stateAt(object.attributes, now)
  if (state !== undefined) return state
  throw new KmsError('illegalOperation', `Cannot ${verb} ${labelOf(object)}: it has no state`)
}

/** @throws {@link KmsError} `notFound`, `permissionDenied`, `illegalOperation`, `wrongState`. */
export async function activate(context: Context, id: string): Promise<ManagedObject> {
  return retried(async () => {
    const object = await livingObject(context, id)
    const state = currentState(object, 'activate', context.now)
    if (state !== State.PreActive) {
      const what = `Cannot activate ${labelOf(object)}: its state is ${stateName(state)}`
      throw new KmsError('wrongState', `${what}, not Pre-Active`)
    }
    const activationDate = context.now
    const ending = object.attributes.get('deactivationDate')
    if (ending !== undefined && ending <= activationDate) {
      const what = `Cannot activate ${labelOf(object)}: its Deactivation Date ${isoDate(ending)}`
      throw new KmsError('wrongState', `${what} has passed; set a later one first`)
    }
    const changed = object.attributes.setAll({ state: State.Active, activationDate })
    return update(context, object, changed)
  })
}

export interface RevokeWish {
  readonly id: string
  readonly reason: RevocationReason
  readonly compromiseOccurrenceDate?: number | undefined
}

/**
 * Deactivates the object, or says that it is compromised: as the reason has it.
 *
 * @throws {@link KmsError} `invalidField`, `notFound`, `permissionDenied`, `illegalOperation`,
 * `wrongState`.
 */
export async function revoke(context: Context, wish: RevokeWish): Promise<ManagedObject> {
  const { revocationReasonCode: code } = wish.reason
  assertReason(code, wish.compromiseOccurrenceDate)
  return retried(async () => {
    const object = await visibleObject(context, wish.id)
    assertMayEnd(context, object, 'revoke')
    const changed = revoked(context, object, wish)
    return update(context, object, changed, nameOf(RevocationReasonCode, code))
  })
}

/** The object once it is revoked. @throws {@link KmsError} `illegalOperation`, `wrongState`. */
function revoked(
  context: Context,
  object: ManagedObject,
  { reason, compromiseOccurrenceDate }: Omit<RevokeWish, 'id'>,
): AttributeBag {
  const from = currentState(object, 'revoke', context.now)
  const state = stateAfterRevoke(from, reason.revocationReasonCode)
  assertTransition(`Cannot revoke ${labelOf(object)}`, from, state)
  const dates = isCompromise(reason.revocationReasonCode)
    ? {
        compromiseDate: context.now,
        compromiseOccurrenceDate: compromiseOccurrenceDate ?? object.attributes.get('initialDate'),
      }
    : { deactivationDate: context.now }
  return object.attributes.setAll({ state, revocationReason: reason, ...dates })
}

function assertReason(code: number, occurrence: number | undefined): void {
  if (!Object.values<number>(RevocationReasonCode).includes(code) && code < 0x8000_0000) {
    throw new KmsError('invalidField', `Cannot revoke: ${code} is no Revocation Reason Code`)
  }
  if (occurrence !== undefined && !isCompromise(code)) {
    const what = 'Cannot revoke: a Compromise Occurrence Date goes with a compromise only'
    throw new KmsError('invalidField', what)
  }
}

/**
 * Destroys the material; the attributes stay as a record. Templates vanish.
 *
 * @param isRemoved Whether the record goes as well, also that of what is destroyed already; the
 * audit trail keeps that it was there.
 * @param ceased What an object that is active is revoked with, in the same step.
 * @throws {@link KmsError} `permissionDenied`, `alreadyDestroyed`, `wrongState`.
 */
export async function destroy(
  context: Context,
  id: string,
  isRemoved = false,
  ceased?: RevocationReason,
): Promise<ManagedObject> {
  return retried(async () => {
    const object = await visibleObject(context, id)
    if (objectTypeOf(object) === ObjectType.Template) {
      await commit(context, [{ before: object }])
      return object
    }
    const what = `Cannot destroy ${labelOf(object)}`
    assertMayEnd(context, object, 'destroy')
    const last = ceased === undefined ? object : ceasedFirst(context, object, ceased)
    const from = currentState(last, 'destroy', context.now)
    if (isDestroyed(from) && !isRemoved) {
      throw new KmsError('alreadyDestroyed', `${what}: it is destroyed already`)
    }
    // A key that is called by its place in an HSM ends there without being revoked before.
    const isAtEnd = isDestroyed(from) || isPlaced(object.id)
    if (!isAtEnd) assertTransition(what, from, endOf(from))
    const ends = [object, ...(await publicHalf(context, object))].map((before): ObjectChange => {
      if (isRemoved) return { before }
      return { before, after: destroyed(context, before === object ? last : before) }
    })
    const code = last === object ? undefined : ceased?.revocationReasonCode
    const why = code === undefined ? undefined : nameOf(RevocationReasonCode, code)
    await commit(context, ends, isRemoved ? 'with its record' : why)
    return ends[0]?.after ?? object
  })
}

/** An active object as revoked; any other as it is. */
function ceasedFirst(
  context: Context,
  object: ManagedObject,
  reason: RevocationReason,
): ManagedObject {
  if (stateAt(object.attributes, context.now) !== State.Active) return object
  permitted(context, object, 'revoke')
  return { ...object, attributes: revoked(context, object, { reason }) }
}

function endOf(state: State): State {
  return state === State.Compromised ? State.DestroyedCompromised : State.Destroyed
}

function destroyed(context: Context, object: ManagedObject): ManagedObject {
  const state = endOf(currentState(object, 'destroy', context.now))
  const ended = object.attributes.setAll({ state, destroyDate: context.now })
  return revised(context, object, ended, { withoutMaterial: true })
}

/** In a device the halves of a pair end together: the identifier of one is that of both. */
async function publicHalf(
  { services }: Context,
  { id, scope, attributes }: ManagedObject,
): Promise<readonly ManagedObject[]> {
  const isPair = isPlaced(id) && attributes.get('objectType') === ObjectType.PrivateKey
  const half = isPair ? await services.store.object(`${id}${PUBLIC_SUFFIX}`) : undefined
  const isThere = half?.scope === scope && !isDestroyed(half.attributes.get('state'))
  return half !== undefined && isThere ? [half] : []
}

export interface CheckWish {
  readonly id: string
  readonly usageLimitsCount?: bigint | undefined
  readonly cryptographicUsageMask?: number | undefined
  /** Seconds. */
  readonly leaseTime?: number | undefined
}

/** What of the wish is refused; nothing when all is granted. */
export type Refused = Omit<CheckWish, 'id'>

/** Says whether a use would be allowed; changes nothing. */
export async function check(
  context: Context,
  wish: CheckWish,
): Promise<{ readonly object: ManagedObject; readonly refused: Refused }> {
  const count = wish.usageLimitsCount ?? 0n
  if (count < 0n) {
    throw new KmsError('invalidField', `Cannot check: a Usage Limits Count of ${count} is negative`)
  }
  const object = await livingObject(context, wish.id)
  const { attributes } = object
  const mask = attributes.get('cryptographicUsageMask') ?? 0
  const left = attributes.get('usageLimits')?.usageLimitsCount
  const lease = attributes.get('leaseTime') ?? 0
  const { usageLimitsCount, cryptographicUsageMask, leaseTime } = wish
  const refused = {
    ...(usageLimitsCount !== undefined &&
      left !== undefined &&
      left < usageLimitsCount && { usageLimitsCount }),
    ...(cryptographicUsageMask !== undefined &&
      (mask & cryptographicUsageMask) !== cryptographicUsageMask && { cryptographicUsageMask }),
    ...(leaseTime !== undefined && lease !== 0 && leaseTime > lease && { leaseTime }),
  }
  return { object, refused }
}

export interface Lease {
  readonly object: ManagedObject
  /** Seconds; 0 for no limit. */
  readonly leaseTime: number
}

/**
 * Time for which a client may use what it has got without asking again.
 *
 * @throws {@link KmsError} `wrongState` when the object is compromised: nobody shall rely on it.
 */
export async function obtainLease(context: Context, id: string): Promise<Lease> {
  const object = await livingObject(context, id)
  const state = stateAt(object.attributes, context.now)
  if (state === State.Compromised) {
    const what = `Cannot give lease of ${labelOf(object)}: its state is ${stateName(state)}`
    throw new KmsError('wrongState', what)
  }
  return { object, leaseTime: object.attributes.get('leaseTime') ?? 0 }
}

/** Uses that make something; the others take it apart, and Usage Limits do not count them. */
const PROTECTING = Mask.Encrypt | Mask.Sign | Mask.MACGenerate | Mask.WrapKey | Mask.DeriveKey

/**
 * Takes a number of uses from the Usage Limits, for a client that protects data by itself. All of
 * it or nothing.
 *
 * @param count Objects or bytes, by the unit of the Usage Limits.
 * @throws {@link KmsError} `noUsageLimits`, `illegalOperation`, `wrongState`, `allocation`.
 */
export async function allocateUsage(
  context: Context,
  id: string,
  count: bigint,
): Promise<ManagedObject> {
  if (count < 1n) {
    throw new KmsError('invalidField', `Cannot allocate usage: ${count} is asked for, 1 is least`)
  }
  return retried(async () => {
    const object = await livingObject(context, id)
    const { attributes } = object
    const what = `Cannot allocate usage of ${labelOf(object)}`
    const limits = attributes.get('usageLimits')
    if (limits?.usageLimitsCount === undefined) {
      throw new KmsError('noUsageLimits', `${what}: it has no Usage Limits`)
    }
    if (((attributes.get('cryptographicUsageMask') ?? 0) & PROTECTING) === 0) {
      const why = 'its Cryptographic Usage Mask lets it protect nothing'
      throw new KmsError('illegalOperation', `${what}: ${why}`)
    }
    assertUsable(() => what, attributes, 'protect', context.now)
    const usageLimitsCount = limits.usageLimitsCount - count
    if (usageLimitsCount < 0n) {
      const why = `its Usage Limits leave ${limits.usageLimitsCount}, ${count} are asked for`
      throw new KmsError('allocation', `${what}: ${why}`)
    }
    return update(context, object, attributes.set('usageLimits', { ...limits, usageLimitsCount }))
  })
}
