/**
 * Reading and changing the attributes of an object.
 *
 * KMIP 1.4 §4.12 to §4.16, KMIP 2.1 §6.1.1, §6.1.13, §6.1.20, §6.1.21, §6.1.34 and §6.1.55. 1.x
 * says which instance by its index, 2.x by its value; both come here. Who may change what is
 * `attribute-rules.ts`.
 *
 * @module
 */
import {
  type AttributeId,
  attributeLabel,
  type ListedAttribute,
} from '#spec/kmip/attribute-list.ts'
import type { Name } from '#spec/kmip/structures.ts'
import type { AttributeBag } from '../attribute-bag.ts'
import {
  asGiven,
  assertCount,
  assertDates,
  assertMayAdd,
  assertMayChange,
  assertMayDelete,
  withConsequences,
  withUsageCount,
} from '../attribute-rules.ts'
import { assertValue } from '../attribute-values.ts'
import { retried, update } from '../change.ts'
import type { Context } from '../context.ts'
import { type FailureCode, KmsError } from '../errors.ts'
import { stateAt } from '../lifecycle.ts'
import type { ManagedObject } from '../objects.ts'
import { visibleObject } from '../policy.ts'
import { encodedAttributes } from '../record.ts'
import { sameValue } from '../search.ts'

/** Attributes as they are now: the state worked out for this moment. */
export function presentAttributes(object: ManagedObject, now: number): AttributeBag {
  const state = stateAt(object.attributes, now)
  const stored = object.attributes.get('state')
  return state === stored ? object.attributes : object.attributes.set('state', state)
}

/** @throws {@link KmsError} `notFound`. Destroyed objects still have attributes. */
export async function getAttributes(context: Context, id: string): Promise<ManagedObject> {
  const object = await visibleObject(context, id)
  return { ...object, attributes: presentAttributes(object, context.now) }
}

/** Object and attribute after a change. */
export interface Changed {
  readonly object: ManagedObject
  readonly attribute: ListedAttribute
}

/**
 * @throws {@link KmsError} those of {@link assertValue}, {@link assertMayAdd} and
 * {@link assertCount}; `notFound`, `permissionDenied`.
 */
export async function addAttribute(
  context: Context,
  id: string,
  { id: key, value }: ListedAttribute,
): Promise<Changed> {
  assertValue('Cannot add attribute', { id: key, value })
  return changed(context, id, (attributes) => {
    const present = attributes.instances(key).find((one) => sameValue(key, one.value, value))
    if (key === 'operationPolicyName' && present !== undefined) {
      // One client (VAST) gives it with Create and adds the same once more.
      return { attributes, attribute: { id: key, index: present.index, value } }
    }
    assertMayAdd(attributes, key)
    const added = asGiven(attributes.add(key, value), key)
    assertCount(added, context.services.limits)
    return { attributes: added, attribute: { id: key, index: lastIndex(added, key), value } }
  })
}

function lastIndex(attributes: AttributeBag, key: AttributeId): number {
  return attributes.instances(key).at(-1)?.index ?? 0
}

export interface ModifyWish {
  readonly id: string
  readonly attribute: ListedAttribute
  /** KMIP 2.x: the instance that has this value. */
  readonly current?: ListedAttribute | undefined
  /** KMIP 1.0: an instance of many must be named by its index. */
  readonly indexRequired?: boolean | undefined
  /** KMIP 2.x: an instance of many must be named by its value. */
  readonly valueRequired?: boolean | undefined
}

/** @throws {@link KmsError} `invalidField` when the current value is of another attribute. */
function assertCurrent(id: AttributeId, current: ListedAttribute | undefined, verb: string): void {
  if (current === undefined || current.id === id) return
  const label = attributeLabel(id)
  const what = `Cannot ${verb} ${label}: Current Attribute is ${attributeLabel(current.id)}`
  throw new KmsError('invalidField', `${what}; both must name the same`)
}

/**
 * @throws {@link KmsError} those of {@link assertValue} and {@link assertMayChange}; `notFound`,
 * `permissionDenied`, `noAttribute`, `noAttributeInstance`, `multiValued`, `invalidField`.
 */
export async function modifyAttribute(context: Context, wish: ModifyWish): Promise<Changed> {
  const { id: key, value } = wish.attribute
  assertValue('Cannot modify attribute', wish.attribute)
  assertCurrent(wish.attribute.id, wish.current, 'modify')
  return changed(context, wish.id, (attributes) => {
    const label = attributeLabel(key)
    assertMayChange(attributes, key, value, context.now)
    if (!attributes.has(key)) {
      throw new KmsError('noAttribute', `Cannot modify ${label}: the object has none; add it`)
    }
    const index = instanceIndex(attributes, wish, 'modify')
    return {
      attributes: attributes.replace(key, index, value),
      attribute: { id: key, index, value },
    }
  })
}

/** Which instance is meant: by index (1.x), by value (2.x), or the only one. */
function instanceIndex(attributes: AttributeBag, wish: ModifyWish, verb: string): number {
  const { id: key, index } = wish.attribute
  const label = attributeLabel(key)
  const instances = attributes.instances(key)
  if (wish.current !== undefined) {
    const wanted = wish.current.value
    const found = instances.find((one) => sameValue(key, one.value, wanted))
    if (found !== undefined) return found.index
    throw new KmsError('noAttributeInstance', `Cannot ${verb} ${label}: no instance has that value`)
  }
  if (wish.indexRequired && index === undefined && instances.length > 1) {
    throw new KmsError('invalidField', `Cannot ${verb} ${label}: there are several, give an index`)
  }
  if (wish.valueRequired && instances.length > 1) {
    const what = `Cannot ${verb} ${label}: the object has ${instances.length} of them`
    throw new KmsError('multiValued', `${what}; say which by Current Attribute`)
  }
  const wanted = index ?? 0
  if (instances.some((one) => one.index === wanted)) return wanted
  throw new KmsError('noAttributeInstance', `Cannot ${verb} ${label}: there is no index ${wanted}`)
}

export interface DeleteWish {
  readonly id: string
  readonly attribute: AttributeId
  readonly index?: number | undefined
  readonly current?: ListedAttribute | undefined
  /** KMIP 2.x: a reference alone means all instances. */
  readonly all?: boolean | undefined
  readonly indexRequired?: boolean | undefined
}

/**
 * @throws {@link KmsError} those of {@link assertMayDelete}; `notFound`, `permissionDenied`,
 * `noAttributeToDelete`, `noAttributeInstance`, `multiValued`, `invalidField`.
 */
export async function deleteAttribute(context: Context, wish: DeleteWish): Promise<Changed> {
  const key = wish.attribute
  assertCurrent(key, wish.current, 'delete')
  return changed(context, wish.id, (attributes) => {
    const label = attributeLabel(key)
    assertMayDelete(attributes, key)
    if (!attributes.has(key)) {
      throw new KmsError('noAttributeToDelete', `Cannot delete ${label}: the object has none`)
    }
    if (wish.all) {
      const [first] = attributes.instances(key)
      return {
        attributes: attributes.without(key),
        attribute: { id: key, ...first, value: undefined },
      }
    }
    const attribute = { id: key, index: wish.index, value: undefined }
    const index = instanceIndex(attributes, { ...wish, attribute }, 'delete')
    const gone = attributes.instances(key).find((one) => one.index === index)
    return {
      attributes: attributes.without(key, index),
      attribute: { id: key, index, value: gone?.value },
    }
  })
}

/**
 * Adds or replaces the one value. @throws {@link KmsError} `multiValued` when there are several.
 */
export async function setAttribute(
  context: Context,
  id: string,
  { id: key, value }: ListedAttribute,
): Promise<Changed> {
  assertValue('Cannot set attribute', { id: key, value })
  return changed(context, id, (attributes) => {
    const label = attributeLabel(key)
    const count = attributes.instances(key).length
    if (count > 1) {
      throw new KmsError('multiValued', `Cannot set ${label}: the object has ${count} of them`)
    }
    if (count === 0) {
      assertMayAdd(attributes, key)
      const added = asGiven(attributes.add(key, value), key)
      assertCount(added, context.services.limits)
      return { attributes: added, attribute: { id: key, value } }
    }
    assertMayChange(attributes, key, value, context.now, 'readOnlyAttribute')
    const [only] = attributes.instances(key)
    const index = only?.index ?? 0
    return {
      attributes: attributes.replace(key, index, value),
      attribute: { id: key, index, value },
    }
  })
}

type Change = { readonly attributes: AttributeBag; readonly attribute: ListedAttribute }

async function changed(
  context: Context,
  id: string,
  change: (attributes: AttributeBag) => Change,
): Promise<Changed> {
  return retried(async () => {
    const object = await visibleObject(context, id)
    const { attributes: wished, attribute: given } = change(presentAttributes(object, context.now))
    if (wished === object.attributes) return { object, attribute: given }
    const attributes = withUsageCount(wished)
    const isCounted = attributes !== wished && given.id === 'usageLimits'
    const attribute = isCounted ? { ...given, value: attributes.get('usageLimits') } : given
    assertOnce(object.attributes, attributes, attribute)
    assertDates(attributes, object.attributes)
    assertSize(object.attributes, attributes, context.services.limits.attributeBytesMax)
    const after = withConsequences(attributes, context.now)
    const detail = attributeLabel(attribute.id)
    return {
      object: await named(attribute, () => update(context, object, after, detail)),
      attribute,
    }
  })
}

/** A name that the object has already is as little free as one of another object. */
function assertOnce(before: AttributeBag, after: AttributeBag, { id, value }: ListedAttribute) {
  if (id !== 'name' || value === undefined) return
  const { nameValue } = value as Name
  const times = (bag: AttributeBag): number =>
    bag.all('name').filter((name) => name.nameValue === nameValue).length
  if (times(after) < 2 || times(after) <= times(before)) return
  const what = `Cannot give the name "${nameValue}": the object has it already`
  throw new KmsError('nameInUseByAttribute', what)
}

/** What is too large already, because the limit was lowered, may still shrink. */
export function assertSize(before: AttributeBag, after: AttributeBag, bytesMax: number): void {
  const bytes = encodedAttributes(after).length
  if (bytes <= bytesMax || bytes <= encodedAttributes(before).length) return
  const what = `Cannot change attributes: they would take ${bytes} bytes, allowed are ${bytesMax}`
  throw new KmsError('limitExceeded', what)
}

/** A name that is taken has another reason here than where objects are made. */
async function named<T>(attribute: ListedAttribute, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof KmsError) || error.code !== 'nameInUse') throw error
    const code: FailureCode = 'nameInUseByAttribute'
    const name = (attribute.value as Name | undefined)?.nameValue
    const what = `Cannot give the name "${name}": another object of this scope has it`
    throw new KmsError(code, what, { cause: error })
  }
}
