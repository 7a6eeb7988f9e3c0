/**
 * Who may see and use what.
 *
 * An object belongs to its creator and lies in the creator's scope; a scope is the creator's own
 * unless the credential was made for a shared one. Objects of other scopes do not exist for a
 * principal: not found, not forbidden, so that nobody learns of them; unless he has been granted
 * something on them (`core/grants.ts`), or administers the HSM that they are in. Every front asks
 * here, and nowhere else.
 *
 * In the own scope nothing is looked up: that is the hot path.
 *
 * @module
 */
import { type Awaitable, after } from './awaitable.ts'
import type { Context, Principal, Services } from './context.ts'
import { bitOf, type Need, namesOf, needOf } from './deeds.ts'
import { KmsError } from './errors.ts'
import { isPlaced } from './identifiers.ts'
import type { Keystore } from './keystore.ts'
import { isDestroyed } from './lifecycle.ts'
import { labelOf, type ManagedObject } from './objects.ts'

/** Scopes in which a principal finds objects. */
export function scopesOf(principal: Principal): readonly string[] {
  return [principal.scope]
}

/** Whether an object exists for a principal: by its scope, by a grant, or as its administrator. */
export function isVisible(
  services: Services,
  principal: Principal,
  object: ManagedObject,
): boolean {
  if (object.scope === principal.scope) return true
  if (administers(services, principal, object)) return true
  return isGranted(services, principal, object)
}

/** The credential whose grants and offices a principal has. */
export function credentialOf({ credential, name }: Principal): string {
  return credential ?? name
}

function isGranted({ grants }: Services, principal: Principal, object: ManagedObject): boolean {
  return (
    grants.of(object.id, credentialOf(principal)) !== 0 &&
    !isDestroyed(object.attributes.get('state'))
  )
}

/**
 * The object with this identifier, if the principal may do with it what the operation does.
 *
 * @param need What that is; default: what the operation of the context needs.
 * @throws {@link KmsError} `notFound`, `permissionDenied`.
 */
export function visibleObject(context: Context, id: string, need?: Need): Awaitable<ManagedObject> {
  const { store } = context.services
  return after(store.cached(id) ?? store.object(id), (object) => {
    if (object?.scope === context.principal.scope) return object
    if (object !== undefined) return permitted(context, object, need)
    if (!isPlaced(id)) throw notFound(id)
    return context.services.findCalled(context, id).then((found) => {
      if (found === undefined) throw notFound(id)
      return permitted(context, found, need)
    })
  })
}

function notFound(id: string): KmsError {
  return new KmsError('notFound', `Cannot find object "${id}": there is none that you may see`)
}

/**
 * An object at hand, if the principal may do with it what the operation does.
 *
 * @throws {@link KmsError} `notFound`, `permissionDenied`.
 */
export function permitted(context: Context, object: ManagedObject, need?: Need): ManagedObject {
  const { services, principal, operation } = context
  if (object.scope === principal.scope || administers(services, principal, object)) return object
  if (!isGranted(services, principal, object)) throw notFound(object.id)
  const granted = services.grants.of(object.id, credentialOf(principal))
  const needed = need ?? needOf(operation)
  if (needed === 'see' || (needed !== undefined && (granted & bitOf(needed)) !== 0)) return object
  const what = `Cannot do ${operation} with ${labelOf(object)}: you have been granted`
  const wanted = needed === undefined ? 'which no grant allows' : `not ${needed}`
  throw new KmsError('permissionDenied', `${what} ${namesOf(granted).join(', ')}, ${wanted}`)
}

const KEPT = new WeakMap<ManagedObject, ManagedObject>()

/**
 * An object of another scope for a front that reads values as attributes: who has not been granted
 * its value sees it as one that does not leave.
 */
export function asGranted(
  services: Services,
  principal: Principal,
  object: ManagedObject,
): ManagedObject {
  const isOwn = object.scope === principal.scope
  if (isOwn || administers(services, principal, object)) return object
  const granted = services.grants.of(object.id, credentialOf(principal))
  if ((granted & bitOf('get')) !== 0) return object
  let kept = KEPT.get(object)
  if (kept === undefined) {
    kept = {
      ...object,
      attributes: object.attributes.setAll({ sensitive: true, extractable: false }),
    }
    KEPT.set(object, kept)
  }
  return kept
}

/** Whether the principal administers the HSM that the object is in, under an identifier there. */
function administers(
  { keystores }: Services,
  principal: Principal,
  { id, material }: Pick<ManagedObject, 'id' | 'material'>,
): boolean {
  if (material === undefined || !isPlaced(id)) return false
  return isAdministrator(principal, keystores.find(material.keystore))
}

export function isAdministrator(principal: Principal, keystore: Keystore | undefined): boolean {
  return keystore?.administrators?.includes(credentialOf(principal)) === true
}

/**
 * Keys with identifiers in an HSM are made and adopted by its administrators.
 *
 * @throws {@link KmsError} `permissionDenied`.
 */
export function assertAdministrator(principal: Principal, keystore: Keystore, what: string): void {
  if (isAdministrator(principal, keystore)) return
  const who = keystore.administrators?.join(', ') || 'nobody'
  const why = `in "${keystore.name}" that is for its administrators`
  throw new KmsError('permissionDenied', `Cannot ${what}: ${why}: ${who}`)
}

/**
 * They are ended and replaced by them as well, whoever has made them and whatever has been granted.
 *
 * @throws {@link KmsError} `permissionDenied`.
 */
export function assertMayEnd(
  { services, principal }: Context,
  object: ManagedObject,
  verb: string,
) {
  if (object.material === undefined || !isPlaced(object.id)) return
  const keystore = services.keystores.find(object.material.keystore)
  if (keystore?.administrators === undefined) return
  assertAdministrator(principal, keystore, `${verb} ${labelOf(object)}`)
}

/**
 * Who may grant and see grants: the owners of an object, and of a key with an identifier in an HSM
 * its administrators alone.
 *
 * @throws {@link KmsError} `notFound`, `permissionDenied`.
 */
export function assertMayGrant(context: Context, object: ManagedObject): void {
  permitted(context, object, 'see')
  assertMayEnd(context, object, 'share')
  const { services, principal } = context
  if (object.scope === principal.scope || administers(services, principal, object)) return
  const what = `Cannot share ${labelOf(object)}: it is not yours, and a grant is not passed on`
  throw new KmsError('permissionDenied', what)
}

/**
 * Like {@link visibleObject}, for what needs the object itself and not only its attributes.
 *
 * @throws {@link KmsError} `notFound`, `permissionDenied`, `destroyed`, `archived`.
 */
export function livingObject(context: Context, id: string, need?: Need): Awaitable<ManagedObject> {
  return after(visibleObject(context, id, need), living)
}

function living(object: ManagedObject): ManagedObject {
  if (isDestroyed(object.attributes.get('state'))) {
    throw new KmsError('destroyed', `Cannot use ${labelOf(object)}: it is destroyed`)
  }
  if (object.attributes.has('archiveDate')) {
    throw new KmsError(
      'archived',
      `Cannot use ${labelOf(object)}: it is archived; recover it first`,
    )
  }
  return object
}
