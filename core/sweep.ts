/**
 * Writing down what time has done.
 *
 * KMIP 1.4 §3.22: an Activation or Deactivation Date that is reached moves the state. Whoever reads
 * an object works the state out for the present moment; but the index and the audit trail have to
 * be told. So the sweep runs before a Locate that asks for states, and now and then.
 *
 * @module
 */
import { commit, retried, revised } from './change.ts'
import type { Context, Services } from './context.ts'
import { isTampered } from './errors.ts'
import { stateAt, stateName } from './lifecycle.ts'

/** Objects in one go. */
const BATCH = 200

/** The clock acts in nobody's name. */
const CLOCK = { name: 'clock', scope: '' } as const

/** Moves every object whose date has been reached. */
export async function sweep(services: Services): Promise<void> {
  const now = Math.floor(services.clock() / 1000)
  for (;;) {
    const ids = await services.store.due(now, BATCH)
    let altered = 0
    for (const id of ids) {
      try {
        await retried(() => move(services, id, now))
      } catch (error) {
        if (!isTampered(error)) throw error
        altered++
        const reason = error.message
        services.log.error({ object: id, reason }, 'a record was altered: its state stays as it is')
      }
    }
    if (ids.length < BATCH || altered === ids.length) return
  }
}

async function move(services: Services, id: string, now: number): Promise<void> {
  const object = await services.store.object(id)
  const state = object && stateAt(object.attributes, now)
  if (object === undefined || state === undefined || state === object.attributes.get('state'))
    return
  const operation = 'Clock'
  const context: Context = { services, principal: CLOCK, front: 'clock', operation, now }
  const after = revised(context, object, object.attributes.set('state', state))
  await commit(context, [{ before: object, after }], `state is ${stateName(state)} by its date`)
}
