/**
 * Objects that nobody makes and nobody destroys: the profiles that a token fulfils, and the
 * mechanisms that it offers.
 *
 * PKCS#11 3.2 §4.12 and §4.13, PKCS#11 Profiles 3.2 §2. They are worked out, not kept: there is no
 * record of them. CKP_COMPLETE_PROVIDER is not claimed: it wants every function and mechanism.
 *
 * @module
 */
import { AttributeBag } from '#core/attribute-bag.ts'
import type { ManagedObject } from '#core/objects.ts'
import type { VendorKey } from '#spec/kmip/attribute-list.ts'
import { ObjectType, type OpaqueDataType } from '#spec/kmip/enumerations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { CKO, CKP } from '#spec/pkcs11/constants.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import { keystoreOf, mechanismsOf } from '../mechanisms.ts'
import type { Token } from '../token.ts'
import { booleanItem, bytesItem, CLASS } from './classes.ts'

/** Profiles that every token fulfils, by the number that identifies each. */
const PROFILES = [
  CKP.BASELINE_PROVIDER,
  CKP.EXTENDED_PROVIDER,
  CKP.AUTHENTICATION_TOKEN,
  // Certificates and public keys are there without a login unless their owner wants otherwise.
  CKP.PUBLIC_CERTIFICATES_TOKEN,
] as const

/** Identifiers of records have no spaces. */
const [PROFILE, MECHANISM] = ['profile ', 'mechanism ']

const KNOWN = new WeakMap<Token, ReadonlyMap<string, ManagedObject>>()

/** The objects of a token that nobody has made, by identifier. */
export function builtInObjects(token: Token): ReadonlyMap<string, ManagedObject> {
  let objects = KNOWN.get(token)
  if (objects === undefined) {
    const profiles = PROFILES.map((profile) => profileOf(token, profile))
    const mechanisms = [...mechanismsOf(keystoreOf(token)).keys()]
    const all = [...profiles, ...mechanisms.map((one) => mechanismOf(token, one))]
    objects = new Map(all.map((one) => [one.id, one]))
    KNOWN.set(token, objects)
  }
  return objects
}

const SHOWN = new WeakMap<Token, readonly string[]>()

/** What programs find that list everything: they know nothing of mechanisms as objects. */
export function shownBuiltIns(token: Token): readonly string[] {
  let shown = SHOWN.get(token)
  if (shown === undefined) {
    shown = [...builtInObjects(token).keys()].filter((id) => !id.startsWith(MECHANISM))
    SHOWN.set(token, shown)
  }
  return shown
}

/** Undefined where it is an object that somebody has made. */
export function builtInObject(token: Token, id: string): ManagedObject | undefined {
  return id.includes(' ') ? builtInObjects(token).get(id) : undefined
}

function profileOf(token: Token, profile: number): ManagedObject {
  return built(token, `${PROFILE}${profile}`, CKO.PROFILE, 'y:CKA_PROFILE_ID', profile)
}

function mechanismOf(token: Token, mechanism: number): ManagedObject {
  const id = `${MECHANISM}${mechanism}`
  return built(token, id, CKO.MECHANISM, 'y:CKA_MECHANISM_TYPE', mechanism)
}

/** No type of Opaque Object is the standard's. */
const NO_TYPE: OpaqueDataType = 0x8000_0000

function built(
  { principal }: Token,
  id: string,
  number: number,
  key: VendorKey,
  said: number,
): ManagedObject {
  const no = booleanItem(false)
  const attributes = AttributeBag.of([
    { id: 'uniqueIdentifier', value: id },
    { id: 'objectType', value: ObjectType.OpaqueObject },
    { id: CLASS, value: bytesItem(ulongBytes(number)) },
    { id: key, value: bytesItem(ulongBytes(said)) },
    { id: 'y:CKA_MODIFIABLE', value: no },
    { id: 'y:CKA_COPYABLE', value: no },
    { id: 'y:CKA_DESTROYABLE', value: no },
  ])
  const value = { opaqueDataType: NO_TYPE, opaqueDataValue: new Uint8Array(0) }
  const { scope, name: owner } = principal
  return { id, scope, owner, revision: 1, attributes, body: { tag: Tag.OpaqueObject, value } }
}
