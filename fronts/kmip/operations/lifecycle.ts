/**
 * The life of an object, in KMIP.
 *
 * KMIP 1.4 §4.10, §4.19 to §4.21, KMIP 2.1 §6.1: between the payloads and the operations of the
 * core.
 *
 * @module
 */
import { KmsError } from '#core/errors.ts'
import { labelOf, type ManagedObject } from '#core/objects.ts'
import { activate, check, destroy, revoke } from '#core/operations/lifecycle.ts'
import { CryptographicUsageMask } from '#spec/kmip/enumerations.ts'
import { nameOf } from '#spec/kmip/table.ts'
import { idOf } from '../call.ts'
import { handler } from '../handler.ts'

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
  return named(await destroy(call.context, idOf(call, request.uniqueIdentifier)))
})

/** What is refused fails, with the reason of the refusal. */
export const Check = handler('Check', 'read', async (request, call) => {
  const { usageLimitsCount, cryptographicUsageMask, leaseTime } = request
  const id = idOf(call, request.uniqueIdentifier)
  const wish = { id, usageLimitsCount, cryptographicUsageMask, leaseTime }
  const { object, refused } = await check(call.context, wish)
  const what = `Check of ${labelOf(object)} failed`
  if (refused.cryptographicUsageMask !== undefined) {
    const mask = nameOf(CryptographicUsageMask, refused.cryptographicUsageMask)
    throw new KmsError('usageMask', `${what}: its Cryptographic Usage Mask does not allow ${mask}`)
  }
  if (refused.usageLimitsCount !== undefined) {
    throw new KmsError('usageLimit', `${what}: its Usage Limits do not leave so much`)
  }
  if (refused.leaseTime !== undefined) {
    throw new KmsError('permissionDenied', `${what}: leases are shorter`)
  }
  return { ...named(object), placeholder: object.id }
})
