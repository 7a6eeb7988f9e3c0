/**
 * The attributes of one object: an immutable bag of instances.
 *
 * KMIP 1.4 §3 (instances and their indexes): an index starts at 0, is given by the server, and does
 * not change when other instances come and go. Which attributes may be set, changed and deleted is
 * `attribute-rules.ts`; this module only keeps them.
 *
 * @module
 */
import type { AttributeId, ListedAttribute } from '#spec/kmip/attribute-list.ts'
import type { AttributeKey, AttributeValues } from '#spec/kmip/attributes.ts'

export interface Instance<T = unknown> {
  readonly index: number
  readonly value: T
}

type Value<I extends AttributeId> = I extends AttributeKey ? AttributeValues[I] : unknown

/** Every method that changes something returns a new bag. */
export class AttributeBag {
  static readonly EMPTY = new AttributeBag(new Map())
  readonly #instances: ReadonlyMap<AttributeId, readonly Instance[]>

  private constructor(instances: ReadonlyMap<AttributeId, readonly Instance[]>) {
    this.#instances = instances
  }

  static of(list: Iterable<ListedAttribute>): AttributeBag {
    const instances = new Map<AttributeId, Instance[]>()
    for (const { id, index, value } of list) {
      const present = instances.get(id) ?? []
      present.push({ index: index ?? nextIndex(present), value })
      instances.set(id, present)
    }
    return new AttributeBag(instances)
  }

  has(id: AttributeId): boolean {
    return this.#instances.has(id)
  }

  /** Value of the first instance. */
  get<I extends AttributeId>(id: I): Value<I> | undefined {
    return this.#instances.get(id)?.[0]?.value as Value<I> | undefined
  }

  /** Values of all instances, by index. */
  all<I extends AttributeId>(id: I): readonly Value<I>[] {
    return (this.#instances.get(id) ?? []).map(({ value }) => value as Value<I>)
  }

  instances<I extends AttributeId>(id: I): readonly Instance<Value<I>>[] {
    return (this.#instances.get(id) ?? []) as readonly Instance<Value<I>>[]
  }

  ids(): Iterable<AttributeId> {
    return this.#instances.keys()
  }

  /** Number of instances of all attributes. */
  get size(): number {
    let size = 0
    for (const instances of this.#instances.values()) size += instances.length
    return size
  }

  /** In the order in which the attributes came. */
  *list(): Iterable<ListedAttribute> {
    for (const [id, instances] of this.#instances) {
      for (const { index, value } of instances) yield { id, index, value }
    }
  }

  /** One instance only, with this value; none when it is undefined. */
  set<I extends AttributeId>(id: I, value: Value<I> | undefined): AttributeBag {
    if (value === undefined) return this.without(id)
    return this.#with(id, [{ index: 0, value }])
  }

  /** Several {@link set} at once. */
  setAll(values: { readonly [K in AttributeKey]?: AttributeValues[K] | undefined }): AttributeBag {
    const instances = new Map(this.#instances)
    for (const [id, value] of Object.entries(values)) {
      if (value === undefined) instances.delete(id as AttributeKey)
      else instances.set(id as AttributeKey, [{ index: 0, value }])
    }
    return new AttributeBag(instances)
  }

  /** One more instance. */
  add(id: AttributeId, value: unknown): AttributeBag {
    const present = this.#instances.get(id) ?? []
    return this.#with(id, [...present, { index: nextIndex(present), value }])
  }

  /** Another value for the instance with this index. */
  replace(id: AttributeId, index: number, value: unknown): AttributeBag {
    const present = this.#instances.get(id) ?? []
    return this.#with(
      id,
      present.map((instance) => (instance.index === index ? { index, value } : instance)),
    )
  }

  /** Without the instance of this index; without all when no index is given. */
  without(id: AttributeId, index?: number): AttributeBag {
    const present = this.#instances.get(id)
    if (present === undefined) return this
    const left = index === undefined ? [] : present.filter((instance) => instance.index !== index)
    if (left.length > 0) return this.#with(id, left)
    const instances = new Map(this.#instances)
    instances.delete(id)
    return new AttributeBag(instances)
  }

  #with(id: AttributeId, values: readonly Instance[]): AttributeBag {
    const instances = new Map(this.#instances)
    instances.set(id, values)
    return new AttributeBag(instances)
  }
}

function nextIndex(instances: readonly Instance[]): number {
  return instances.reduce((next, { index }) => Math.max(next, index + 1), 0)
}
