/**
 * Writing what an operation has worked out.
 *
 * A change states the revision it was made upon. Where another request was faster, the operation is
 * done again from the start, on what is there now.
 *
 * @module
 */
import type { AttributeBag } from './attribute-bag.ts'
import { entryOf } from './audit.ts'
import type { Context } from './context.ts'
import type { RecordChange } from './database.ts'
import { KmsError } from './errors.ts'
import { isDestroyed } from './lifecycle.ts'
import type { ManagedObject } from './objects.ts'
import type { ObjectChange } from './store.ts'

/** Rounds before a request gives up against others that change the same object. */
const ATTEMPTS_MAX = 20

/** Does the work, and does it again while another request was faster. */
export async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      const again = error instanceof KmsError && error.code === 'conflict' && attempt < ATTEMPTS_MAX
      if (!again) throw error
    }
  }
}

/**
 * Writes changes together with their audit entry. Grants end with their object.
 *
 * @param granted Records of grants that are written with them.
 */
export async function commit(
  context: Context,
  changes: readonly ObjectChange[],
  detail?: string,
  granted: readonly RecordChange[] = [],
): Promise<void> {
  const { services, principal, front, operation, undo } = context
  await assertDestroys(context, changes)
  const time = services.clock()
  const entries = changes.map(({ before, after }) => {
    const object = (after ?? before)?.id
    const event = {
      principal: principal.name,
      front,
      operation,
      object,
      outcome: 'success',
    } as const
    return entryOf({ ...event, detail }, time)
  })
  const records = [...granted, ...(undo === undefined ? endedGrants(context, changes) : [])]
  const destructions = services.destructions.begin(services, changes)
  const entering = services.makings?.entering(changes) ?? []
  try {
    await services.store.commit(changes, entries, [...records, ...destructions, ...entering])
  } catch (error) {
    services.destructions.forget(changes)
    throw error
  }
  services.makings?.entered(changes)
  services.grants.settle(records)
  undo?.push(...changes)
  // Not yet, where it may be undone.
  if (undo === undefined) await services.destructions.perform(services, changes)
}

function endedGrants({ services }: Context, changes: readonly ObjectChange[]) {
  return changes.flatMap(({ before, after }) => {
    const isOver = after === undefined || isDestroyed(after.attributes.get('state'))
    return before !== undefined && isOver ? services.grants.endingsOn(before.id) : []
  })
}

/** Another version of an object, changed now. */
export function revised(
  context: Context,
  object: ManagedObject,
  attributes: AttributeBag,
  options: { readonly withoutMaterial?: boolean } = {},
): ManagedObject {
  return {
    ...object,
    revision: object.revision + 1,
    attributes: attributes.set('lastChangeDate', context.now),
    material: options.withoutMaterial ? undefined : object.material,
  }
}

/** Writes a new version of an object. */
export async function update(
  context: Context,
  before: ManagedObject,
  attributes: AttributeBag,
  detail?: string,
): Promise<ManagedObject> {
  const after = revised(context, before, attributes)
  await commit(context, [{ before, after }], detail)
  return after
}

/** An object does not end whose key would stay where it is: nobody could find it there any more. */
async function assertDestroys(
  { services }: Context,
  changes: readonly ObjectChange[],
): Promise<void> {
  for (const { before, after } of changes) {
    if (before?.material === undefined || after?.material !== undefined) continue
    const keystore = services.keystores.named(before.material.keystore)
    await keystore.assertDestroys?.(before.material.handle)
  }
}

/**
 * Puts everything back as it was before a batch: the changes that were written, last one first.
 *
 * KMIP 2.1 §8.3.3 (Batch Error Continuation Option Undo). What another request has done since to an
 * object was acknowledged: such an object stays as it is, unless the batch has made it, for then
 * nobody may find it any more.
 *
 * @returns The identifiers of objects that stay.
 */
export async function undoChanges(
  context: Context,
  done: readonly ObjectChange[],
): Promise<ReadonlySet<string>> {
  const { services } = context
  const undoing = { ...context, undo: undefined }
  const kept = new Set<string>()
  for (const inverse of inversesOf(done)) {
    const id = (inverse.before ?? inverse.after)?.id as string
    if (kept.has(id)) continue
    try {
      await commit(undoing, [inverse], 'undone')
    } catch (error) {
      if (!isOvertaken(error)) throw error
      if (inverse.after === undefined) await retried(() => removeLatest(undoing, id))
      else kept.add(id)
    }
  }
  const stays = ({ before, after }: ObjectChange) => kept.has((after ?? before)?.id as string)
  const records = services.destructions.withdraw(done.filter((change) => !stays(change)))
  if (records.length > 0) await services.store.commit([], [], records)
  if (kept.size === 0) return kept
  services.log.warn({ objects: [...kept] }, 'not undone: another request has changed them since')
  await finishChanges(context, done.filter(stays))
  return kept
}

/** The changes that take others back, in their order. */
function inversesOf(done: readonly ObjectChange[]): readonly ObjectChange[] {
  const latest = new Map<string, number>()
  return done.toReversed().map(({ before, after }) => {
    const id = (after ?? before)?.id as string
    const revision = latest.get(id) ?? after?.revision ?? before?.revision ?? 0
    if (before === undefined) return { before: after && { ...after, revision } }
    latest.set(id, revision + 1)
    const restored = { ...before, revision: revision + 1 }
    return { before: after && { ...after, revision }, after: restored }
  })
}

/** Another request has changed the object, or has taken its name. */
function isOvertaken(error: unknown): boolean {
  return error instanceof KmsError && (error.code === 'conflict' || error.code === 'nameInUse')
}

async function removeLatest(context: Context, id: string): Promise<void> {
  const before = await context.services.store.object(id)
  if (before !== undefined) await commit(context, [{ before }], 'undone')
}

/** The end of a batch that needed no undoing: now what was destroyed may go. */
export async function finishChanges(
  context: Context,
  done: readonly ObjectChange[],
): Promise<void> {
  const last = { ...context, undo: undefined }
  await context.services.destructions.perform(context.services, done)
  const records = endedGrants(last, done)
  if (records.length === 0) return
  await context.services.store.commit([], [], records)
  context.services.grants.settle(records)
}
