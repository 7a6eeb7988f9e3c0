/**
 * What can be granted: single operations on a single object.
 *
 * The words are those that users of `ckms` know. Each operation of the core has one row: the deed
 * that whoever is not in the object's scope must have been granted. What has no row is not done by
 * grant at all: making objects, re-keying (the new key would belong to somebody else), and grants
 * themselves.
 *
 * @module
 */
import { KmsError } from './errors.ts'

/** In the order in which they are shown; the place is the bit in a {@link DeedSet}. */
export const DEEDS = [
  'get',
  'get_attributes',
  'locate',
  'encrypt',
  'decrypt',
  'sign',
  'signature_verify',
  'mac',
  'derive_key',
  'add_attribute',
  'modify_attribute',
  'set_attribute',
  'delete_attribute',
  'activate',
  'revoke',
  'destroy',
] as const
export type Deed = (typeof DEEDS)[number]

/** Several deeds, a bit for each; 0 for none. */
export type DeedSet = number

/** `see`: any grant is enough; whoever may use a key may know what it is. */
export type Need = Deed | 'see'

/** By name of the operation, the same for every front. */
const NEEDS: Readonly<Record<string, Need>> = {
  Get: 'get',
  Export: 'get',
  GetAttributes: 'see',
  GetAttributeList: 'see',
  Locate: 'see',
  Check: 'see',
  ObtainLease: 'see',
  Encrypt: 'encrypt',
  GetUsageAllocation: 'encrypt',
  Decrypt: 'decrypt',
  Sign: 'sign',
  SignatureVerify: 'signature_verify',
  MAC: 'mac',
  MACVerify: 'mac',
  DeriveKey: 'derive_key',
  AddAttribute: 'add_attribute',
  ModifyAttribute: 'modify_attribute',
  SetAttribute: 'set_attribute',
  DeleteAttribute: 'delete_attribute',
  Activate: 'activate',
  Revoke: 'revoke',
  Destroy: 'destroy',
}

/** What an operation needs; undefined where no grant is enough. */
export function needOf(operation: string): Need | undefined {
  return NEEDS[operation]
}

/** Words that mean a deed of another name here. */
const SAME: Readonly<Record<string, Deed>> = {
  export: 'get',
  mac_verify: 'mac',
  verify: 'signature_verify',
}

/** Words of `ckms` for what no grant is needed or possible for, and why. */
const NOT_GRANTED: Readonly<Record<string, string>> = {
  create: 'everybody makes keys in the own scope, and administrators of an HSM in that',
  import: 'everybody brings keys into the own scope',
  hash: 'it needs no key',
  certify: 'it is not offered',
  validate: 'it is not offered',
  rekey: 'the new key would belong to whoever asks; its owner does it',
}

/**
 * The deeds that words mean: `get_attributes`, `getattributes` and `Get-Attributes` are the same.
 *
 * @throws {@link KmsError} `invalidField`.
 */
export function deedsOf(words: readonly string[]): DeedSet {
  if (words.length === 0)
    throw new KmsError('invalidField', `Cannot grant nothing; there are: ${KNOWN}`)
  return words.reduce((set, word) => set | bitOf(deedOf(word)), 0)
}

const KNOWN = DEEDS.join(', ')

function deedOf(word: string): Deed {
  const bare = plain(word)
  const found = DEEDS.find((deed) => plain(deed) === bare)
  const same = Object.keys(SAME).find((other) => plain(other) === bare)
  if (found !== undefined) return found
  if (same !== undefined) return SAME[same] as Deed
  const why = Object.entries(NOT_GRANTED).find(([other]) => plain(other) === bare)?.[1]
  throw new KmsError(
    'invalidField',
    `Cannot grant "${word.slice(0, 40)}": ${why ?? `there is no such right; there are: ${KNOWN}`}`,
  )
}

function plain(word: string): string {
  return word.toLowerCase().replace(/[\s_-]/g, '')
}

export function bitOf(deed: Deed): DeedSet {
  return 1 << DEEDS.indexOf(deed)
}

/** The words again. */
export function namesOf(set: DeedSet): readonly Deed[] {
  return DEEDS.filter((deed) => (set & bitOf(deed)) !== 0)
}
