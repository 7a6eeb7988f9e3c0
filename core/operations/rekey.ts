/**
 * Re-key and Re-key Key Pair.
 *
 * KMIP 1.4 §4.4 and §4.5, KMIP 2.1 §6.1.45 and §6.1.46: a new key with the attributes of the old
 * one, and its names; old and new are linked. Without an offset the dates are copied; with one they
 * move with the Activation Date.
 *
 * @module
 */
import { attributeLabel, type ListedAttribute } from '#spec/kmip/attribute-list.ts'
import type { AttributeKey } from '#spec/kmip/attributes.ts'
import { LinkType, ObjectType } from '#spec/kmip/enumerations.ts'
import type { AttributeBag } from '../attribute-bag.ts'
import { commit, retried, revised } from '../change.ts'
import type { Context } from '../context.ts'
import { KmsError } from '../errors.ts'
import { keyInUse, specOf } from '../keys.ts'
import { making } from '../makings.ts'
import { isKeyed, labelOf, type ManagedObject, objectTypeLabel, objectTypeOf } from '../objects.ts'
import { assertMayEnd, livingObject } from '../policy.ts'
import { sameValue } from '../search.ts'
import type { ObjectChange } from '../store.ts'
import type { Pair } from './create.ts'
import { makerLike } from './keep.ts'
import { type Given, link, newId, newObject, resolved } from './make.ts'

export interface ReKeyWish {
  readonly id: string
  /** Seconds from the Initial Date of the new key to its Activation Date. */
  readonly offset?: number | undefined
  readonly given?: Given | undefined
}

export interface ReKeyKeyPairWish {
  readonly id: string
  readonly offset?: number | undefined
  readonly common?: Given | undefined
  readonly privateKey?: Given | undefined
  readonly publicKey?: Given | undefined
}

/** What the new key gets anew or does not get at all; KMIP 1.4 §4.4, the table of attributes. */
const NOT_COPIED: ReadonlySet<string> = new Set<AttributeKey>([
  'uniqueIdentifier',
  'shortUniqueIdentifier',
  'initialDate',
  'lastChangeDate',
  'destroyDate',
  'compromiseDate',
  'compromiseOccurrenceDate',
  'revocationReason',
  'digest',
  'randomNumberGenerator',
  'originalCreationDate',
  'state',
  'leaseTime',
  'fresh',
  'link',
  'keyFormatType',
  'protectionStorageMask',
  'alwaysSensitive',
  'neverExtractable',
  'objectType',
  'certificateLength',
  'archiveDate',
])

/**
 * Another key of the same kind; both are linked, and the Name goes over.
 *
 * @throws {@link KmsError} `notFound`, `permissionDenied`, `destroyed`, `archived`,
 * `attributeValue`, `offsetWithoutDate`, `invalidMessage`.
 */
export async function reKey(context: Context, wish: ReKeyWish): Promise<ManagedObject> {
  return retried(async () => {
    const old = await oldKey(context, wish.id, ObjectType.SymmetricKey)
    const given = await resolved(context, wish.given)
    assertSameKind(old, given)
    const spec = specOf(ObjectType.SymmetricKey, old.attributes)
    if (spec === undefined) throw cannot(old, 'its algorithm is not offered')
    const { keystore, maker, known } = await makerLike(context, old)
    const id = newId()
    return making(context.services, [id], async () => {
      const made = await maker.generate({ id, spec })
      const replacement = newObject(context, {
        id,
        objectType: ObjectType.SymmetricKey,
        origin: 'created',
        given: copied(context, old.attributes, given, wish.offset),
        body: old.body,
        keystore,
        made,
        known: [link(LinkType.ReplacedObjectLink, old.id), ...known],
        replaced: old.attributes,
      })
      await commit(context, [replaced(context, old, id), { after: replacement }])
      return replacement
    })
  })
}

export async function reKeyKeyPair(context: Context, wish: ReKeyKeyPairWish): Promise<Pair> {
  return retried(async () => {
    const oldPrivate = await oldKey(context, wish.id, ObjectType.PrivateKey)
    const oldPublic = await otherHalf(context, oldPrivate)
    const forPrivate = await resolved(context, wish.common, wish.privateKey)
    const forPublic = await resolved(context, wish.common, wish.publicKey)
    assertSameKind(oldPrivate, forPrivate)
    assertSameKind(oldPublic, forPublic)
    const spec = specOf(ObjectType.PrivateKey, oldPrivate.attributes)
    if (spec === undefined) throw cannot(oldPrivate, 'its algorithm is not offered')
    const { keystore, maker, known } = await makerLike(context, oldPrivate)
    const [privateId, publicId] = [newId(), newId()]
    return making(context.services, [privateId], async () => {
      const made = await maker.generatePair({ privateId, publicId, spec })
      const half = (old: ManagedObject, id: string, given: readonly ListedAttribute[]) => {
        const isPrivate = old === oldPrivate
        const [type, other] = isPrivate
          ? [LinkType.PublicKeyLink, publicId]
          : [LinkType.PrivateKeyLink, privateId]
        return newObject(context, {
          id,
          objectType: objectTypeOf(old),
          origin: 'created',
          given: copied(context, old.attributes, given, wish.offset),
          body: old.body,
          keystore,
          made: isPrivate ? made.privateKey : made.publicKey,
          known: [
            link(LinkType.ReplacedObjectLink, old.id),
            link(type, other),
            ...(isPrivate ? known : []),
          ],
          replaced: old.attributes,
        })
      }
      const privateKey = half(oldPrivate, privateId, forPrivate)
      const publicKey = half(oldPublic, publicId, forPublic)
      await commit(context, [
        replaced(context, oldPrivate, privateId),
        replaced(context, oldPublic, publicId),
        { after: privateKey },
        { after: publicKey },
      ])
      return { privateKey, publicKey }
    })
  })
}

async function oldKey(context: Context, id: string, type: ObjectType): Promise<ManagedObject> {
  const object = await livingObject(context, id)
  assertMayEnd(context, object, 're-key')
  if (objectTypeOf(object) !== type) {
    throw cannot(object, `only a ${objectTypeLabel(type)} is re-keyed so`)
  }
  keyInUse(object)
  if (!isKeyed(object.body) || object.body.value.keyBlock.keyWrappingData !== undefined) {
    throw cannot(object, 'it was registered wrapped')
  }
  const { attributes } = object
  if (attributes.all('link').some(({ linkType }) => linkType === LinkType.ReplacementObjectLink)) {
    throw cannot(object, 'it has a replacement already; re-key that one')
  }
  return object
}

/** What a key is: the new one is the same, whatever a request says. */
const KIND: readonly AttributeKey[] = [
  'cryptographicAlgorithm',
  'cryptographicLength',
  'cryptographicDomainParameters',
]

/** @throws {@link KmsError} `attributeValue` when another kind of key is asked for. */
function assertSameKind(old: ManagedObject, given: readonly ListedAttribute[]): void {
  const other = given.find(({ id, value }) => {
    const key = KIND.find((one) => one === id)
    if (key === undefined) return false
    const present = old.attributes.get(key)
    return present === undefined || !sameValue(key, present, value)
  })
  if (other === undefined) return
  const what = `Cannot re-key ${labelOf(old)}: ${attributeLabel(other.id)} stays as it is`
  throw new KmsError('attributeValue', `${what}; create another key instead`)
}

function cannot(object: ManagedObject, why: string): KmsError {
  return new KmsError('permissionDenied', `Cannot re-key ${labelOf(object)}: ${why}`)
}

async function otherHalf(context: Context, privateKey: ManagedObject): Promise<ManagedObject> {
  const links = privateKey.attributes.all('link')
  const found = links.find(({ linkType }) => linkType === LinkType.PublicKeyLink)
  const id = found?.linkedObjectIdentifier
  if (typeof id !== 'string') throw cannot(privateKey, 'it has no link to its public key')
  return livingObject(context, id)
}

/** The old key loses its names to the new one. */
function replaced(context: Context, old: ManagedObject, id: string): ObjectChange {
  const { value } = link(LinkType.ReplacementObjectLink, id)
  const attributes = old.attributes.without('name').add('link', value)
  return { before: old, after: revised(context, old, attributes) }
}

const DATES = ['activationDate', 'processStartDate', 'protectStopDate', 'deactivationDate'] as const

function copied(
  context: Context,
  old: AttributeBag,
  given: readonly ListedAttribute[],
  offset: number | undefined,
): readonly ListedAttribute[] {
  const dates = offset === undefined ? undefined : shifted(context, old, given, offset)
  const overridden = new Set(given.map(({ id }) => id))
  const list: ListedAttribute[] = [...given]
  for (const attribute of old.list()) {
    const { id } = attribute
    if (NOT_COPIED.has(id) || overridden.has(id)) continue
    const isDate = (DATES as readonly string[]).includes(id)
    if (isDate && dates !== undefined) continue
    list.push(id === 'usageLimits' ? fullUsageLimits(old) : attribute)
  }
  return [...list, ...(dates ?? [])]
}

/** The new key may be used as often as the old one might at first. */
function fullUsageLimits(old: AttributeBag): ListedAttribute {
  const limits = old.get('usageLimits')
  const usageLimitsCount = limits?.usageLimitsTotal
  return { id: 'usageLimits', value: { ...limits, usageLimitsCount } }
}

/** AT2 = IT2 + offset; the other dates keep their distance to it. */
function shifted(
  context: Context,
  old: AttributeBag,
  given: readonly ListedAttribute[],
  offset: number,
): readonly ListedAttribute[] {
  if (given.some(({ id }) => (DATES as readonly string[]).includes(id))) {
    const what = 'Cannot re-key: an offset and dates of their own are given; give one of both'
    throw new KmsError('invalidMessage', what)
  }
  const activation = old.get('activationDate')
  if (activation === undefined) {
    const what = 'Cannot re-key: an offset is given, but the old key has no Activation Date'
    throw new KmsError('offsetWithoutDate', what)
  }
  const shift = context.now + offset - activation
  return DATES.flatMap((id) => {
    const date = old.get(id)
    return date === undefined ? [] : { id, value: date + shift }
  })
}
