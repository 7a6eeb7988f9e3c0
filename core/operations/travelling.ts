/**
 * Attributes that travel within a plain Key Value.
 *
 * KMIP 1.4 §2.1.4 (Key Value) and §4.3 (Register: an attribute may be encapsulated in the Key
 * Block). They count as if they stood beside the object. Those of the server, which a key brings
 * along from the place where it was before, are read over. Wrapped ones nobody here can read.
 *
 * @module
 */
import { attributeLabel, type ListedAttribute } from '#spec/kmip/attribute-list.ts'
import type { ObjectInMessage } from '#spec/kmip/objects.ts'
import { assertMayGive, isMultiple, ownedByServer } from '../attribute-rules.ts'
import { KmsError } from '../errors.ts'
import { isKeyed } from '../objects.ts'
import { sameValue } from '../search.ts'

/**
 * What is given for an object, with what travels in it.
 *
 * @throws {@link KmsError} `attributeValue` where both give another value, and those of
 * {@link assertMayGive}.
 */
export function withTravelling(
  object: ObjectInMessage,
  given: readonly ListedAttribute[],
): readonly ListedAttribute[] {
  const all = [...given]
  for (const { id, value } of travelling(object)) {
    if (ownedByServer(id)) continue
    const others = all.filter((one) => one.id === id)
    if (value !== undefined && others.some((one) => sameValue(id, one.value, value))) continue
    if (others.length > 0 && !isMultiple(id)) {
      const what = `Cannot register object: ${attributeLabel(id)} in its Key Value is another one`
      throw new KmsError('attributeValue', `${what} than beside it; give one of them`)
    }
    all.push({ id, value })
  }
  assertMayGive(all)
  return all
}

function travelling(object: ObjectInMessage): readonly ListedAttribute[] {
  if (!isKeyed(object)) return []
  const { keyValue } = object.value.keyBlock
  return keyValue === undefined || 'wrapped' in keyValue ? [] : keyValue.attributes
}
