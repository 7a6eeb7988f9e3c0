/**
 * Access to single objects, in KMIP: operations of our own (`spec/kmip/extensions.ts`).
 *
 * @module
 */
import { deedsOf, namesOf } from '#core/deeds.ts'
import type { Grant } from '#core/grants.ts'
import {
  type AccessWish,
  accessObtained,
  accessOn,
  grantAccess,
  revokeAccess,
} from '#core/operations/access.ts'
import type { RequestOf } from '#spec/kmip/operations.ts'
import { type Call, idOf } from '../call.ts'
import { handler } from '../handler.ts'

function wishOf(request: RequestOf<'GrantAccess'>, call: Call): AccessWish {
  const { uniqueIdentifier, principal, right } = request
  return { id: idOf(call, uniqueIdentifier), principal, deeds: deedsOf(right) }
}

function changed({ object, deeds }: Grant) {
  return { payload: { uniqueIdentifier: object, right: namesOf(deeds) }, ids: [object] }
}

export const GrantAccess = handler('GrantAccess', 'change', async (request, call) => {
  return changed(await grantAccess(call.context, wishOf(request, call)))
})

export const RevokeAccess = handler('RevokeAccess', 'change', async (request, call) => {
  return changed(await revokeAccess(call.context, wishOf(request, call)))
})

export const ListAccess = handler('ListAccess', 'read', async (request, call) => {
  const { context } = call
  if (request.obtained === true) return { payload: { grant: accessObtained(context).map(shown) } }
  const id = idOf(call, request.uniqueIdentifier)
  const grants = await accessOn(context, id)
  return { payload: { grant: grants.map(shown) }, ids: [id] }
})

function shown({ object, principal, deeds, by, time }: Grant) {
  return {
    uniqueIdentifier: object,
    principal,
    right: namesOf(deeds),
    grantedBy: by,
    grantedAt: time,
  }
}
