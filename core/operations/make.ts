/**
 * What all operations that make objects have in common.
 *
 * KMIP 1.4 §3 ("Initially set by" and "When implicitly set" of each attribute), §4.1 to §4.3; KMIP
 * 2.1 §4. Takes what the client gives and what is known of the material, and makes the attributes
 * that the object starts with.
 *
 * @module
 */
import { createHash, randomUUIDv7 } from 'node:crypto'
import { pairOfKmip, pairRow, secretKeyOfKmip } from '#spec/algorithms.ts'
import { attributeLabel, type ListedAttribute } from '#spec/kmip/attribute-list.ts'
import {
  AlternativeNameType,
  CryptographicAlgorithm,
  DRBGAlgorithm,
  HashingAlgorithm,
  type KeyFormatType,
  type LinkType,
  ObjectType,
  RNGAlgorithm,
  State,
} from '#spec/kmip/enumerations.ts'
import type { ObjectInMessage } from '#spec/kmip/objects.ts'
import type { Name } from '#spec/kmip/structures.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { AttributeBag } from '../attribute-bag.ts'
import {
  asGiven,
  assertCount,
  assertDates,
  assertMayGive,
  isMultiple,
  type Origin,
  withUsageCount,
} from '../attribute-rules.ts'
import { commit } from '../change.ts'
import type { Context } from '../context.ts'
import { KmsError } from '../errors.ts'
import { algorithmLabel } from '../keys.ts'
import type { Keystore, Made } from '../keystore.ts'
import { stateAt } from '../lifecycle.ts'
import { type ManagedObject, objectTypeLabel } from '../objects.ts'
import { encodedAttributes } from '../record.ts'
import type { ObjectChange } from '../store.ts'
import { findByName } from './find.ts'

/** Seconds for which a client may go on using what it has fetched, without asking again. */
const LEASE_SECONDS = 3_600

/** What the server's generator is: the DRBG of OpenSSL, NIST SP 800-90A CTR_DRBG with AES-256. */
export const GENERATOR = {
  rngAlgorithm: RNGAlgorithm.DRBG,
  cryptographicAlgorithm: CryptographicAlgorithm.AES,
  cryptographicLength: 256,
  drbgAlgorithm: DRBGAlgorithm.CTR,
} as const

/** Attributes of a request: a list, and (KMIP 1.x) names of templates that come before it. */
export interface Given {
  readonly attributes: readonly ListedAttribute[]
  readonly templates?: readonly Name[] | undefined
}

/** What other fronts may ask for and no client of KMIP can. */
export interface Internal {
  /** Attributes that are the server's own, such as `y:…`, and links. */
  readonly owned?: readonly ListedAttribute[] | undefined
  /** Where the origin does not say it: what was sensitive, or never was. */
  readonly alwaysSensitive?: boolean | undefined
  readonly neverExtractable?: boolean | undefined
  /** A Name that is taken becomes an Alternative Name, instead of being refused. */
  readonly namesRepeat?: boolean | undefined
}

/**
 * Writes new objects.
 *
 * @param replaced Destroyed objects whose identifiers they have.
 * @throws {@link KmsError} `nameInUse`, where names may not repeat.
 */
export async function enter(
  context: Context,
  objects: readonly ManagedObject[],
  { namesRepeat }: Internal = {},
  replaced: readonly ManagedObject[] = [],
): Promise<readonly ManagedObject[]> {
  const change = (after: ManagedObject): ObjectChange => {
    return { before: replaced.find(({ id }) => id === after.id), after }
  }
  try {
    await commit(context, objects.map(change))
    return objects
  } catch (error) {
    const taken = error instanceof KmsError && error.code === 'nameInUse'
    if (!taken || namesRepeat !== true) throw error
    const renamed = objects.map((object) => ({
      ...object,
      attributes: withAlternativeNames(object.attributes),
    }))
    await commit(context, renamed.map(change))
    return renamed
  }
}

/** Names that others may have as well. */
function withAlternativeNames(attributes: AttributeBag): AttributeBag {
  const names = attributes.all('name')
  return names.reduce((bag, { nameValue }) => {
    return bag.add('alternativeName', alternativeName(nameValue))
  }, attributes.without('name'))
}

export function alternativeName(alternativeNameValue: string) {
  const alternativeNameType = AlternativeNameType.UninterpretedTextString
  return { alternativeNameValue, alternativeNameType }
}

export function newId(): string {
  return randomUUIDv7()
}

/**
 * Attributes of a request with those of its templates; the request's own win.
 *
 * @throws {@link KmsError} `notFound` when there is no such template.
 */
export async function resolved(
  context: Context,
  ...given: readonly (Given | undefined)[]
): Promise<readonly ListedAttribute[]> {
  const list: ListedAttribute[] = []
  for (const one of given) {
    for (const name of one?.templates ?? []) {
      merge(list, await templateAttributes(context, name))
    }
    merge(list, one?.attributes ?? [])
  }
  assertMayGive(list)
  return list
}

/** A single value of the request takes the place of the template's; of others both count. */
function merge(list: ListedAttribute[], more: readonly ListedAttribute[]): void {
  const before = list.length
  for (const attribute of more) {
    const at = list.findIndex(({ id }, index) => index < before && id === attribute.id)
    if (at >= 0 && !isMultiple(attribute.id)) list[at] = attribute
    else list.push(attribute)
  }
}

async function templateAttributes(
  context: Context,
  name: Name,
): Promise<readonly ListedAttribute[]> {
  const found = await findByName(context, name.nameValue)
  const template = found.find(({ body }) => 'attribute' in body.value)
  if (template === undefined || !('attribute' in template.body.value)) {
    throw new KmsError('notFound', `Cannot use template "${name.nameValue}": there is none`)
  }
  return template.body.value.attribute.filter(({ id }) => id !== 'name')
}

/** All that is known of an object before it has its attributes. */
export interface Making {
  readonly id: string
  readonly objectType: ObjectType
  readonly origin: Origin
  readonly given: readonly ListedAttribute[]
  readonly body: ObjectInMessage
  readonly keystore?: Keystore | undefined
  readonly made?: Made | undefined
  /** What the server knows by itself: algorithm, length, certificate fields, links. */
  readonly known?: readonly ListedAttribute[]
  readonly internal?: Internal | undefined
  /** Attributes of the object whose place it takes, and whose dates it may have. */
  readonly replaced?: AttributeBag | undefined
}

/** The object as it starts. */
export function newObject(context: Context, making: Making): ManagedObject {
  const { id, given, body, keystore, made } = making
  const { principal, services } = context
  assertObjectType(making)
  assertSaidAlike(making)
  const attributes = startingAttributes(context, making, AttributeBag.of(unindexed(given)))
  assertDates(attributes, making.replaced)
  assertCount(attributes, services.limits)
  assertQuantumSafe(attributes)
  assertSize(attributes, services.limits.attributeBytesMax)
  const material = keystore && made && { keystore: keystore.name, handle: made.handle }
  return {
    id,
    scope: principal.scope,
    owner: principal.name,
    revision: 1,
    attributes,
    body,
    material,
  }
}

/** The request says it beside the attributes; there it may be repeated. */
function assertObjectType({ objectType, given }: Making): void {
  const other = given.find(({ id, value }) => id === 'objectType' && value !== objectType)
  if (other === undefined) return
  const found = objectTypeLabel(other.value as ObjectType)
  const what = `Cannot create ${objectTypeLabel(objectType)}: the attribute Object Type is ${found}`
  throw new KmsError('attributeValue', what)
}

/**
 * What an object says of itself, in KMIP 2.x an attribute as well.
 *
 * @throws {@link KmsError} `attributeOfOther` where it says no such thing, `attributeValue` where
 * it says something else.
 */
function assertSaidAlike({ objectType, given, body }: Making): void {
  for (const { id, value } of given) {
    if (id !== 'certificateType' && id !== 'opaqueDataType') continue
    const said = (body.value as Readonly<Record<string, unknown>>)[id]
    if (said === value) continue
    const what = `Cannot create ${objectTypeLabel(objectType)}: `
    const label = attributeLabel(id)
    if (said === undefined) throw new KmsError('attributeOfOther', `${what}it has no ${label}`)
    throw new KmsError('attributeValue', `${what}the attribute ${label} is not that of the object`)
  }
}

/** Indexes are the server's to give. */
function unindexed(given: readonly ListedAttribute[]): readonly ListedAttribute[] {
  return given.map(({ id, value }) => ({ id, value }))
}

function startingAttributes(context: Context, making: Making, given: AttributeBag): AttributeBag {
  const { id, objectType, origin, keystore, made, known = [], internal = {} } = making
  const { now } = context
  let bag = given
  for (const { id: key, value } of [...known, ...(internal.owned ?? [])]) {
    if (isMultiple(key) || !bag.has(key)) bag = bag.add(key, value)
  }
  const sensitive = bag.get('sensitive') ?? false
  const extractable = bag.get('extractable') ?? true
  bag = bag.setAll({
    uniqueIdentifier: id,
    shortUniqueIdentifier: createHash('sha256').update(id).digest(),
    objectType,
    initialDate: now,
    lastChangeDate: now,
    leaseTime: LEASE_SECONDS,
    fresh: bag.get('fresh') ?? true,
    sensitive,
    alwaysSensitive: sensitive && (internal.alwaysSensitive ?? true),
    extractable,
    neverExtractable: !extractable && (internal.neverExtractable ?? true),
  })
  if (origin === 'created') {
    bag = bag.setAll({
      originalCreationDate: now,
      randomNumberGenerator: bag.get('randomNumberGenerator') ?? GENERATOR,
    })
  } else if (bag.has('originalCreationDate')) bag = asGiven(bag, 'originalCreationDate')
  if (objectType !== ObjectType.Template) bag = withState(bag, now)
  if (keystore !== undefined && made !== undefined) bag = withMaterial(bag, keystore, made)
  return withUsageCount(bag)
}

/** Active at once when the Activation Date has been reached already. */
function withState(bag: AttributeBag, now: number): AttributeBag {
  const preActive = bag.set('state', State.PreActive)
  return preActive.set('state', stateAt(preActive, now) ?? State.PreActive)
}

function withMaterial(
  bag: AttributeBag,
  keystore: Keystore,
  { format, sha256 }: Made,
): AttributeBag {
  const stored = bag.setAll({
    keyFormatType: format,
    protectionStorageMask: keystore.can.protectionStorageMask,
  })
  if (sha256 === undefined) return stored
  return stored.set('digest', digestOf(sha256, format))
}

function digestOf(digestValue: Uint8Array, keyFormatType: KeyFormatType) {
  return { hashingAlgorithm: HashingAlgorithm.SHA_256, digestValue, keyFormatType }
}

/**
 * KMIP 2.1 §4.44: a key that shall be Quantum Safe must be of an algorithm that is. NIST IR 8547:
 * secret keys of 256 bits, and the algorithms of FIPS 203 to 205.
 */
function assertQuantumSafe(attributes: AttributeBag): void {
  const number = attributes.get('cryptographicAlgorithm')
  if (attributes.get('quantumSafe') !== true || number === undefined) return
  const bits = attributes.get('cryptographicLength') ?? 0
  if (secretKeyOfKmip(number) !== undefined ? bits >= QUANTUM_SAFE_BITS : isPostQuantum(number))
    return
  const name = `${algorithmLabel(number)} of ${bits} bits`
  throw new KmsError('notQuantumSafe', `Cannot create object: ${name} is not Quantum Safe`)
}

const QUANTUM_SAFE_BITS = 256

function isPostQuantum(number: number): boolean {
  const pair = pairOfKmip(number)
  return pair !== undefined && pairRow(pair).ckp !== undefined
}

function assertSize(attributes: AttributeBag, bytesMax: number): void {
  const bytes = encodedAttributes(attributes).length
  if (bytes <= bytesMax) return
  const what = `Cannot create object: its attributes take ${bytes} bytes, allowed are ${bytesMax}`
  throw new KmsError('limitExceeded', what)
}

export function link(linkType: LinkType, linkedObjectIdentifier: string): ListedAttribute {
  return { id: 'link', value: { linkType, linkedObjectIdentifier } }
}

export function domainParameters(recommendedCurve: number): ListedAttribute {
  return { id: 'cryptographicDomainParameters', value: { recommendedCurve } }
}

export function pairBody(
  type: typeof ObjectType.PrivateKey | typeof ObjectType.PublicKey,
  keyFormatType: KeyFormatType,
  cryptographicAlgorithm: CryptographicAlgorithm,
  cryptographicLength: number,
): ObjectInMessage {
  const keyBlock = { keyFormatType, cryptographicAlgorithm, cryptographicLength }
  const tag = type === ObjectType.PrivateKey ? Tag.PrivateKey : Tag.PublicKey
  return { tag, value: { keyBlock } }
}
