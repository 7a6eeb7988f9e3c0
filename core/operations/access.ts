/**
 * Granting, revoking and listing access to single objects.
 *
 * KMIP has no such operations. Every change is written together with a new revision of the object,
 * so that an object that is destroyed meanwhile keeps no grant.
 *
 * @module
 */
import { commit, retried } from '../change.ts'
import type { Context } from '../context.ts'
import { bitOf, type DeedSet, namesOf } from '../deeds.ts'
import { KmsError } from '../errors.ts'
import { EVERYBODY, type Grant } from '../grants.ts'
import { isPlaced } from '../identifiers.ts'
import { labelOf, type ManagedObject } from '../objects.ts'
import { assertMayGrant, credentialOf, livingObject, visibleObject } from '../policy.ts'

export interface AccessWish {
  readonly id: string
  /** Name of a credential, or {@link EVERYBODY}. */
  readonly principal: string
  readonly deeds: DeedSet
}

/** Ends of a key with an identifier in an HSM: its administrators' alone. */
const ENDS = bitOf('revoke') | bitOf('destroy')

/**
 * Adds to what a principal may do with an object.
 *
 * @throws {@link KmsError} `notFound`, `permissionDenied`, `invalidField`, `limitExceeded`.
 */
export async function grantAccess(context: Context, wish: AccessWish): Promise<Grant> {
  const { principal, deeds } = wish
  const { grants } = context.services
  if (principal !== EVERYBODY && !(await grants.knows(principal))) {
    const what = `Cannot grant: there is no credential "${principal}", or it is revoked`
    throw new KmsError('notFound', what)
  }
  if (principal === EVERYBODY && !grants.shows(context.principal.name)) {
    const what = 'Cannot grant to everybody: that is for the sharers in access.sharers'
    throw new KmsError('permissionDenied', `${what} of the configuration`)
  }
  return changed(context, wish, (object, before) => {
    if (isPlaced(object.id) && (deeds & ENDS) !== 0) {
      const what = `Cannot grant ${namesOf(deeds & ENDS).join(', ')} of ${labelOf(object)}`
      throw new KmsError('permissionDenied', `${what}: that is for the administrators of its HSM`)
    }
    return before | deeds
  })
}

/**
 * Takes from what a principal may do with an object; at once.
 *
 * @throws {@link KmsError} `notFound`, `permissionDenied`.
 */
export async function revokeAccess(context: Context, wish: AccessWish): Promise<Grant> {
  return changed(context, wish, (_object, before) => before & ~wish.deeds)
}

async function changed(
  context: Context,
  { id, principal }: AccessWish,
  change: (object: ManagedObject, before: DeedSet) => DeedSet,
): Promise<Grant> {
  if (context.undo !== undefined) {
    const what = 'Cannot change access: it is not undone with a batch; ask for it by itself'
    throw new KmsError('featureNotSupported', what)
  }
  return retried(async () => {
    const object = await livingObject(context, id, 'see')
    assertMayGrant(context, object)
    const { grants } = context.services
    const before = grants.on(object.id).find((one) => one.principal === principal)?.deeds ?? 0
    const deeds = change(object, before)
    const by = context.principal.name
    const grant: Grant = { object: object.id, principal, deeds, by, time: context.now }
    if (deeds === before) return grant
    const after = { ...object, revision: object.revision + 1 }
    const detail = `${principal}: ${namesOf(deeds).join(', ') || 'nothing'}`
    await commit(context, [{ before: object, after }], detail, [grants.changeTo(grant)])
    return grant
  })
}

/** Who may do what with an object. @throws {@link KmsError} `notFound`, `permissionDenied`. */
export async function accessOn(context: Context, id: string): Promise<readonly Grant[]> {
  const object = await visibleObject(context, id, 'see')
  assertMayGrant(context, object)
  return context.services.grants.on(object.id)
}

/** What the principal itself has been granted. */
export function accessObtained({ services, principal }: Context): readonly Grant[] {
  return services.grants.to(credentialOf(principal))
}
