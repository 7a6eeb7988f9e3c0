/**
 * The life of an object, in KMIP.
 *
 * KMIP 1.4 §4.10, §4.17 to §4.21, KMIP 2.1 §6.1: between the payloads and the operations of the
 * core.
 *
 * @module
 */
import { type FailureCode, KmsError } from '#core/errors.ts'
import { labelOf, type ManagedObject } from '#core/objects.ts'
import {
  activate,
  allocateUsage,
  check,
  destroy,
  obtainLease,
  type Refused,
  revoke,
} from '#core/operations/lifecycle.ts'
import { CryptographicUsageMask } from '#spec/kmip/enumerations.ts'
import { namesOfMask } from '#spec/kmip/table.ts'
import { VERSION_2 } from '#wire/ttlv/version.ts'
import { idOf } from '../call.ts'
import { handler, Refusal } from '../handler.ts'

function named(object: ManagedObject) {
  return { payload: { uniqueIdentifier: object.id }, ids: [object.id] }
}

export const Activate = handler('Activate', 'change', async (request, call) => {
  return named(await activate(call.context, idOf(call, request.uniqueIdentifier)))
})

export const Revoke = handler('Revoke', 'change', async (request, call) => {
  const { revocationReason: reason, compromiseOccurrenceDate } = request
  const id = idOf(call, request.uniqueIdentifier)
  return named(await revoke(call.context, { id, reason, compromiseOccurrenceDate }))
})

export const Destroy = handler('Destroy', 'change', async (request, call) => {
  const id = idOf(call, request.uniqueIdentifier)
  return named(await destroy(call.context, id, request.remove === true))
})

export const ObtainLease = handler('ObtainLease', 'read', async (request, call) => {
  const { object, leaseTime } = await obtainLease(
    call.context,
    idOf(call, request.uniqueIdentifier),
  )
  const lastChangeDate = object.attributes.get('lastChangeDate') ?? call.context.now
  const payload = { uniqueIdentifier: object.id, leaseTime, lastChangeDate }
  return { payload, ids: [object.id] }
})

export const GetUsageAllocation = handler('GetUsageAllocation', 'change', async (request, call) => {
  const id = idOf(call, request.uniqueIdentifier)
  return named(await allocateUsage(call.context, id, request.usageLimitsCount))
})

/**
 * What is refused fails, with the reason of the refusal.
 *
 * KMIP 1.4 §4.10: then the payload has what was refused instead of the Unique Identifier. KMIP 2.1
 * says the same, but its published cases (BL-M-2, BL-M-3) have no payload there.
 */
export const Check = handler('Check', 'read', async (request, call) => {
  const { usageLimitsCount, cryptographicUsageMask, leaseTime } = request
  const id = idOf(call, request.uniqueIdentifier)
  const wish = { id, usageLimitsCount, cryptographicUsageMask, leaseTime }
  const { object, refused } = await check(call.context, wish)
  const why = refusalOf(refused)
  if (why !== undefined) {
    const message = `Check of ${labelOf(object)} failed: ${why.message}`
    if (call.version >= VERSION_2) throw new KmsError(why.code, message)
    throw new Refusal<'Check'>(why.code, message, refused)
  }
  return { ...named(object), placeholder: object.id }
})

function refusalOf(refused: Refused): { code: FailureCode; message: string } | undefined {
  const { cryptographicUsageMask: mask, usageLimitsCount, leaseTime } = refused
  if (mask !== undefined) {
    const uses = namesOfMask(CryptographicUsageMask, mask).join(', ')
    return { code: 'usageMask', message: `its Cryptographic Usage Mask does not allow ${uses}` }
  }
  if (usageLimitsCount !== undefined) {
    return { code: 'allocation', message: 'its Usage Limits do not leave so much' }
  }
  if (leaseTime === undefined) return undefined
  return { code: 'permissionDenied', message: 'leases are shorter' }
}
