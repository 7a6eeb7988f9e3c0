/**
 * Adoption: keys that are in a keystore without having been made through it become objects.
 *
 * The identifier of an adopted object follows from the keystore and from the place of the key in
 * it, so that another run finds with one look-up what it has adopted already, also when that was
 * destroyed here since. State, names, links and custom attributes are the database's; the key stays
 * where it is.
 *
 * It does not remove objects whose key has vanished: using one says so.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { curveRow, isPair, type KeySpec, pairRow, secretKeyRow } from '#spec/algorithms.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import { CertificateType, LinkType, NameType, ObjectType } from '#spec/kmip/enumerations.ts'
import type { ObjectInMessage } from '#spec/kmip/objects.ts'
import { Tag } from '#spec/kmip/tags.ts'
import type { Context } from '../context.ts'
import { identifiersOf, PUBLIC_SUFFIX } from '../identifiers.ts'
import type { Foundling, Keystore, MaterialKind } from '../keystore.ts'
import type { ManagedObject } from '../objects.ts'
import { domainParameters, enter, link, newObject, pairBody } from './make.ts'

export interface Adoption {
  /** Keys and certificates that have become objects now. */
  readonly adopted: number
  /** Those that were objects before. */
  readonly known: number
}

const TYPES: Readonly<Record<MaterialKind, ObjectType>> = {
  secret: ObjectType.SymmetricKey,
  private: ObjectType.PrivateKey,
  public: ObjectType.PublicKey,
  data: ObjectType.Certificate,
}

/** What one half has to say of the others. */
const LINKS: Readonly<Record<MaterialKind, LinkType | undefined>> = {
  secret: undefined,
  private: LinkType.PrivateKeyLink,
  public: LinkType.PublicKeyLink,
  data: LinkType.CertificateLink,
}

/** Objects of the keystore belong to the principal of the context from now on. */
export async function adopt(context: Context, keystore: Keystore): Promise<Adoption> {
  const found = (await keystore.foundlings?.()) ?? []
  const families = Map.groupBy(found, ({ pairId }) => pairId)
  let adopted = 0
  for (const one of found) {
    if (await isKnown(context, keystore, one)) continue
    const family = one.pairId === undefined ? [] : (families.get(one.pairId) ?? [])
    const object = await adoptedObject(context, keystore, one, linksTo(keystore, one, family))
    await enter(context, [object], { namesRepeat: true })
    adopted++
  }
  return { adopted, known: found.length - adopted }
}

async function isKnown(context: Context, keystore: Keystore, found: Foundling): Promise<boolean> {
  return (await knownObject(context, keystore, found)) !== undefined
}

/**
 * The object that a foundling is already: adopted before, or made through Claviger, which labels
 * keys with their identifiers.
 */
export async function knownObject(
  { services }: Context,
  keystore: Keystore,
  found: Foundling,
): Promise<ManagedObject | undefined> {
  const { store, keystores } = services
  const adopted = await store.object(idOf(keystore, found))
  if (adopted !== undefined || found.label === '') return adopted
  const { label, kind } = found
  const placed = identifiersOf(keystores, keystore, label)
  const halves = kind === 'public' ? placed.map((id) => `${id}${PUBLIC_SUFFIX}`) : []
  for (const id of [label, ...placed, ...halves]) {
    const named = await store.object(id)
    const { material, attributes } = named ?? {}
    // The public key beside a private one has its label, and is an object of its own already.
    const isHalf = kind === 'public' && attributes?.get('objectType') === ObjectType.PrivateKey
    const isHere = material?.keystore === keystore.name
    if (
      named !== undefined &&
      (isHalf || halves.includes(id) || (isHere && found.isAt(material.handle)))
    )
      return named
  }
  return undefined
}

/**
 * Makes objects of what an identifier calls.
 *
 * @param idFor What each shall be called.
 */
export async function adoptCalled(
  context: Context,
  keystore: Keystore,
  found: readonly Foundling[],
  idFor: (one: Foundling) => string,
): Promise<readonly ManagedObject[]> {
  const objects: ManagedObject[] = []
  for (const one of found) {
    const links = found.flatMap((other) => {
      const type = LINKS[other.kind]
      return type === undefined || other === one ? [] : [link(type, idFor(other))]
    })
    objects.push(await adoptedObject(context, keystore, one, links, idFor(one)))
  }
  return objects
}

function idOf({ name }: Keystore, { place }: Foundling): string {
  return adoptedId(name, place)
}

/** What an object of a place in a keystore is called. RFC 9562 §5.8: bits of our own choice. */
export function adoptedId(keystore: string, place: Uint8Array): string {
  const bytes = createHash('sha256').update(`adopted\0${keystore}\0`).update(place).digest()
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x80
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  const hex = bytes.toString('hex', 0, 16)
  return [
    [0, 8],
    [8, 12],
    [12, 16],
    [16, 20],
    [20, 32],
  ]
    .map(([from, to]) => hex.slice(from, to))
    .join('-')
}

function linksTo(
  keystore: Keystore,
  one: Foundling,
  family: readonly Foundling[],
): readonly ListedAttribute[] {
  return family.flatMap((other) => {
    const type = LINKS[other.kind]
    const isOther = other.kind !== one.kind && LINKS[one.kind] !== undefined
    return type === undefined || !isOther ? [] : [link(type, idOf(keystore, other))]
  })
}

async function adoptedObject(
  context: Context,
  keystore: Keystore,
  one: Foundling,
  links: readonly ListedAttribute[],
  id = idOf(keystore, one),
): Promise<ManagedObject> {
  const { kind, spec, format, bytes, usage, label } = one
  const made =
    bytes === undefined
      ? { handle: one.handle, format }
      : await keystore.import({ id, kind, spec, format, bytes })
  const nameValue = label === '' ? id : label
  const { body, known } = await whatItIs(one)
  const given: ListedAttribute[] = [
    { id: 'name', value: { nameValue, nameType: NameType.UninterpretedTextString } },
    { id: 'activationDate', value: context.now },
    { id: 'fresh', value: false },
    { id: 'sensitive', value: one.sensitive },
    { id: 'extractable', value: one.extractable },
  ]
  if (kind !== 'data') given.push({ id: 'cryptographicUsageMask', value: usage })
  const { alwaysSensitive, neverExtractable } = one
  const internal = { owned: links, alwaysSensitive, neverExtractable }
  const objectType = TYPES[kind]
  const making = { id, objectType, origin: 'registered', given, body, known, internal } as const
  return newObject(context, { ...making, keystore, made })
}

interface Described {
  readonly body: ObjectInMessage
  readonly known: readonly ListedAttribute[]
}

async function whatItIs({ kind, spec, format, bytes }: Foundling): Promise<Described> {
  if (spec === undefined) {
    const { certificateAttributes } = await import('../x509.ts')
    const certificateType = CertificateType.X_509
    const value = { certificateType, certificateValue: new Uint8Array(0) }
    const known = certificateAttributes(certificateType, bytes ?? new Uint8Array(0))
    return { body: { tag: Tag.Certificate, value }, known }
  }
  const number = numberOf(spec)
  const known: ListedAttribute[] = [
    { id: 'cryptographicAlgorithm', value: number },
    { id: 'cryptographicLength', value: spec.bits },
  ]
  const curve = curveOf(spec)
  if (curve !== undefined) known.push(domainParameters(curve))
  if (kind === 'private' || kind === 'public') {
    const type = kind === 'private' ? ObjectType.PrivateKey : ObjectType.PublicKey
    return { body: pairBody(type, format, number, spec.bits), known }
  }
  const keyBlock = { keyFormatType: format, cryptographicAlgorithm: number }
  const value = { keyBlock: { ...keyBlock, cryptographicLength: spec.bits } }
  return { body: { tag: Tag.SymmetricKey, value }, known }
}

function numberOf({ algorithm }: KeySpec) {
  return (isPair(algorithm) ? pairRow(algorithm) : secretKeyRow(algorithm)).kmip[0]
}

function curveOf({ algorithm, curve }: KeySpec): number | undefined {
  if (curve !== undefined) return curveRow(curve).kmip
  return isPair(algorithm) ? pairRow(algorithm).curve : undefined
}
