/**
 * Who may see and use what.
 *
 * An object belongs to its creator and lies in the creator's scope; a scope is the creator's own
 * unless the credential was made for a shared one. Objects of other scopes do not exist for a
 * principal: not found, not forbidden, so that nobody learns of them. Roles and grants of single
 * operations have their place here, and nowhere else.
 *
 * @module
 */
import { type Awaitable, after } from './awaitable.ts'
import type { Context, Principal } from './context.ts'
import { KmsError } from './errors.ts'
import { isDestroyed } from './lifecycle.ts'
import { labelOf, type ManagedObject } from './objects.ts'

/** Scopes in which a principal finds objects. */
export function scopesOf(principal: Principal): readonly string[] {
  return [principal.scope]
}

export function isVisible(principal: Principal, object: ManagedObject): boolean {
  return object.scope === principal.scope
}

/**
 * The object with this identifier, if the principal may see it.
 *
 * @throws {@link KmsError} `notFound`.
 */
export function visibleObject(context: Context, id: string): Awaitable<ManagedObject> {
  const { store } = context.services
  return after(store.cached(id) ?? store.object(id), (object) => {
    if (object !== undefined && isVisible(context.principal, object)) return object
    throw new KmsError('notFound', `Cannot find object "${id}": there is none that you may see`)
  })
}

/**
 * Like {@link visibleObject}, for what needs the object itself and not only its attributes.
 *
 * @throws {@link KmsError} `notFound`, `destroyed`, `archived`.
 */
export function livingObject(context: Context, id: string): Awaitable<ManagedObject> {
  return after(visibleObject(context, id), living)
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
