/**
 * How many objects there are, by type and by state, for whoever watches the server.
 *
 * Counted once at the start, by the index; from then on every change that has been written is added
 * or taken away, so that to ask costs nothing. Type and state are counted apart: how many there are
 * of a type in a state no index tells without going through all of them.
 *
 * It is exact as long as this process alone writes, and nothing is written while it begins.
 *
 * @module
 */
import { ObjectType, State } from '#spec/kmip/enumerations.ts'
import type { ManagedObject } from './objects.ts'
import { conditionsOf } from './search.ts'
import type { ObjectChange, Store } from './store.ts'

export class ObjectCounts {
  readonly types: ReadonlyMap<ObjectType, number>
  readonly states: ReadonlyMap<State, number>
  readonly #types: Map<ObjectType, number>
  readonly #states: Map<State, number>

  private constructor(types: Map<ObjectType, number>, states: Map<State, number>) {
    this.#types = types
    this.#states = states
    this.types = types
    this.states = states
  }

  /** Counts what there is, and then what changes. */
  static async begin(store: Store): Promise<ObjectCounts> {
    const counted = async <T extends number>(id: 'objectType' | 'state', values: readonly T[]) => {
      const counts = new Map<T, number>()
      for (const value of values) {
        const conditions = conditionsOf([{ id, values: [value] }])
        const { total = 0 } = await store.find({ conditions, limit: 0, count: true })
        counts.set(value, total)
      }
      return counts
    }
    const types = await counted('objectType', Object.values(ObjectType))
    const counts = new ObjectCounts(types, await counted('state', Object.values(State)))
    store.onWritten((change) => counts.#changed(change))
    return counts
  }

  #changed({ before, after }: ObjectChange): void {
    if (before !== undefined) this.#add(before, -1)
    if (after !== undefined) this.#add(after, 1)
  }

  #add({ attributes }: ManagedObject, change: number): void {
    const [type, state] = [attributes.get('objectType'), attributes.get('state')]
    if (type !== undefined) this.#types.set(type, (this.#types.get(type) ?? 0) + change)
    if (state !== undefined) this.#states.set(state, (this.#states.get(state) ?? 0) + change)
  }
}
