/**
 * Labels that say in which HSM a key shall be: `hsm::<slot>::<name>`.
 *
 * PKCS#11 has no way to choose CKA_UNIQUE_ID. A token key that is made with such a label is made
 * there, under that identifier, by the rules of `core/operations/placed.ts`.
 *
 * @module
 */
import { isPlaced } from '#core/identifiers.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import type { Name } from '#spec/kmip/structures.ts'
import type { Plan } from './plan.ts'

/** The identifier that a label chooses, as an attribute; none for other labels. */
export function chosenIdentifier({
  lasting,
  given,
}: Pick<Plan, 'lasting' | 'given'>): readonly ListedAttribute[] {
  const name = given.find(({ id }) => id === 'name')?.value as Name | undefined
  if (!lasting || name === undefined || !isPlaced(name.nameValue)) return []
  return [{ id: 'uniqueIdentifier', value: name.nameValue }]
}
