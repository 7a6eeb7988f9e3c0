/**
 * Flags of an object: attributes of the form CK_BBOOL.
 *
 * PKCS#11 3.2 §4. Usage flags are the bits of Cryptographic Usage Mask. Where two flags share a bit
 * (CKA_SIGN and CKA_SIGN_RECOVER), the second holds for the keys that can do it, unless an
 * application has said otherwise.
 *
 * @module
 */
import type { AttributeBag } from '#core/attribute-bag.ts'
import { LOCAL } from '#core/attribute-rules.ts'
import { specOf } from '#core/keys.ts'
import { type ManagedObject, objectTypeOf } from '#core/objects.ts'
import { isPair, type KeyAlgorithm, pairRow } from '#spec/algorithms.ts'
import type { VendorKey } from '#spec/kmip/attribute-list.ts'
import { LinkType } from '#spec/kmip/enumerations.ts'
import { CKA } from '#spec/pkcs11/constants.ts'
import { booleanIn, familyOf, kindOfObject } from './classes.ts'
import { isPrivate } from './private.ts'
import { type AttributeRow, tableFor } from './table.ts'

/** The row of an attribute of this object; undefined where its class does not have it. */
export function rowOf(object: ManagedObject, type: number): AttributeRow | undefined {
  const kind = kindOfObject(object)
  return kind && tableFor(kind, familyOf(object)).get(type)
}

/**
 * Value of a flag; false where the object does not have it. CKA_TOKEN is no affair of the object.
 */
export function flagOf(object: ManagedObject, type: number): boolean {
  const row = rowOf(object, type)
  if (row === undefined || row.form !== 'bool') return false
  const { home } = row
  const { attributes } = object
  if ('kmip' in home) return attributes.get(home.kmip) === true
  if ('mask' in home) return usageFlag(object, row, home.mask)
  if (type === CKA.PRIVATE) return isPrivate(object)
  if ('vendor' in home) return booleanIn(attributes, home.vendor) ?? home.usual === true
  if (type === CKA.LOCAL) return isLocal(attributes)
  return false
}

function usageFlag(object: ManagedObject, row: AttributeRow, bit: number): boolean {
  const { attributes } = object
  const has = ((attributes.get('cryptographicUsageMask') ?? 0) & bit) !== 0
  if (!has) return false
  const algorithm = specOf(objectTypeOf(object), attributes)?.algorithm
  return booleanIn(attributes, saidHome(row)) ?? suits(algorithm, row.type)
}

/** Where it is kept that an application wants a flag otherwise than its bit says. */
export function saidHome({ name }: Pick<AttributeRow, 'name'>): VendorKey {
  return `y:CKA_${name}`
}

/** Whether a key can do at all what a flag is about, where the bit may mean another one. */
export function suits(algorithm: KeyAlgorithm | undefined, type: number): boolean {
  const does = algorithm !== undefined && isPair(algorithm) ? pairRow(algorithm).does : []
  switch (type) {
    case CKA.SIGN_RECOVER:
    case CKA.VERIFY_RECOVER:
      return algorithm === 'RSA'
    case CKA.ENCAPSULATE:
    case CKA.DECAPSULATE:
      return does.includes('encapsulate')
    case CKA.DERIVE:
      return !does.includes('encapsulate')
    default:
      return true
  }
}

/**
 * Made here from nothing: what came from elsewhere or from another key is not, whatever date its
 * client gives.
 */
function isLocal(attributes: AttributeBag): boolean {
  if (booleanIn(attributes, LOCAL) === false) return false
  const derived = attributes
    .all('link')
    .some(({ linkType }) => linkType === LinkType.DerivationBaseObjectLink)
  return attributes.has('originalCreationDate') && !derived
}
