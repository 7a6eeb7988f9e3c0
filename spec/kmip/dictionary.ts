/**
 * Which names the JSON and XML encodings of one KMIP version use.
 *
 * KMIP Profiles 2.1 §5.4.1 and §5.5. A tag has the enumeration or mask of its own name, but for the
 * exceptions listed here (KMIP 2.1 §4, §6 and §7, where the fields are described).
 *
 * @module
 */
import type { Dictionary, ValueNames } from '#wire/ttlv/names.ts'
import { VERSION_MAX } from '#wire/ttlv/version.ts'
import { CKR } from '../pkcs11/constants/ckr.ts'
import { FUNCTION_NAMES } from '../pkcs11/function-names.ts'
import { attributeTagOf } from './attributes.ts'
import * as enumerations from './enumerations.ts'
import { tableOf, valueNames } from './table.ts'
import { Tag } from './tags.ts'

type Members = Readonly<Record<string, number>>

/** Enumeration or mask of the tags whose name is not that of the enumeration. */
const EXCEPTIONS: Readonly<Record<number, Members>> = {
  [Tag.UniqueIdentifier]: enumerations.UniqueIdentifierEnumeration,
  [Tag.PrivateKeyUniqueIdentifier]: enumerations.UniqueIdentifierEnumeration,
  [Tag.PublicKeyUniqueIdentifier]: enumerations.UniqueIdentifierEnumeration,
  [Tag.LinkedObjectIdentifier]: enumerations.UniqueIdentifierEnumeration,
  [Tag.Data]: enumerations.DataEnumeration,
  [Tag.SignatureData]: enumerations.DataEnumeration,
  [Tag.MACData]: enumerations.DataEnumeration,
  [Tag.MaskGeneratorHashingAlgorithm]: enumerations.HashingAlgorithm,
  [Tag.ExtensionType]: enumerations.ItemType,
  [Tag.AttributeReference]: Tag,
  [Tag.ValidationAuthorityType]: enumerations.ValidationAuthorityType,
}

/** Names of the functions of PKCS#11, numbered as KMIP 2.1 §11.38 does. */
const PKCS_11_FUNCTIONS: ValueNames = {
  mask: false,
  nameOf: (value) => FUNCTION_NAMES[value - 1],
  valueOf(name) {
    const index = (FUNCTION_NAMES as readonly string[]).indexOf(name)
    return index < 0 ? undefined : index + 1
  },
}

const CKR_NAMES = new Map<number, string>(Object.entries(CKR).map(([name, value]) => [value, name]))

/** Return codes of PKCS#11, KMIP 2.1 §11.39; the prefix `CKR_` is read, not written. */
const PKCS_11_RETURN_CODES: ValueNames = {
  mask: false,
  nameOf: (value) => CKR_NAMES.get(value),
  valueOf(name) {
    const short = name.replace(/^CKR_/, '')
    return Object.hasOwn(CKR, short) ? (CKR as Members)[short] : undefined
  },
}

const MEMBERS_OF: ReadonlyMap<number, Members> = (() => {
  const found = new Map<number, Members>()
  const byName = new Map(Object.entries(enumerations as unknown as Record<string, Members>))
  for (const { name, value } of tableOf(Tag).values) {
    const members = EXCEPTIONS[value] ?? byName.get(name)
    if (members !== undefined) found.set(value, members)
  }
  return found
})()

/** Members of the enumeration or mask of a tag. */
export function membersOf(tag: number): Members | undefined {
  return MEMBERS_OF.get(tag)
}

const DICTIONARIES = new Map<number, Dictionary>()

/** The names of one version; of the newest when the version is not known. */
export function dictionaryOf(version: number = VERSION_MAX): Dictionary {
  let dictionary = DICTIONARIES.get(version)
  if (dictionary === undefined) {
    dictionary = createDictionary(version)
    DICTIONARIES.set(version, dictionary)
  }
  return dictionary
}

function createDictionary(version: number): Dictionary {
  const tags = valueNames(Tag, version)
  const names = new Map<number, ValueNames>([
    [Tag.PKCS_11Function, PKCS_11_FUNCTIONS],
    [Tag.PKCS_11ReturnCode, PKCS_11_RETURN_CODES],
  ])
  for (const [tag, members] of MEMBERS_OF) names.set(tag, valueNames(members, version))
  return {
    tagName: (tag) => tags.nameOf(tag),
    tagOf: (name) => tags.valueOf(name),
    valuesOf: (tag) => names.get(tag),
    attributeTag: attributeTagOf,
  }
}
