/**
 * Keys as people call them: by name or by unique identifier.
 *
 * A name is looked for first (Locate, KMIP 2.1 §6.1.26); what is nobody's name is taken for a
 * unique identifier. A name that several objects have is refused with their identifiers: names are
 * unique on our server, but not on every server.
 *
 * @module
 */
import type { KmipClient } from '#clients/kmip/client.ts'
import { KmipError } from '#clients/kmip/errors.ts'
import type { AttributeId, ListedAttribute } from '#spec/kmip/attribute-list.ts'
import type { AttributeKey, AttributeValues } from '#spec/kmip/attributes.ts'
import { LinkType, NameType, ObjectType, ResultReason } from '#spec/kmip/enumerations.ts'
import { RefusedError } from './output.ts'

/** What help says of an argument or option that is a key. */
export const KEY_HELP = 'name or unique identifier of the key'

/** Value of an attribute in a list. */
export function valueIn<K extends AttributeKey>(
  attributes: readonly ListedAttribute[],
  key: K,
): AttributeValues[K] | undefined {
  return attributes.find(({ id }) => id === key)?.value as AttributeValues[K] | undefined
}

/** Identifiers that say in which HSM a key is: `hsm::SLOT::NAME`, `hsm::MODEL::SLOT::NAME`. */
export function isHardware(id: string | undefined): boolean {
  return id?.startsWith('hsm::') === true
}

/** How a new object shall be called: by a Name, or by the identifier that says where it is. */
export function calling(called: string): ListedAttribute {
  return isHardware(called) ? { id: 'uniqueIdentifier', value: called } : nameAttribute(called)
}

/** The attribute Name with this text. */
export function nameAttribute(nameValue: string): ListedAttribute {
  return { id: 'name', value: { nameValue, nameType: NameType.UninterpretedTextString } }
}

/** Identifiers of the objects with these attributes. */
export async function locate(
  client: KmipClient,
  wanted: readonly ListedAttribute[],
  maximumItems?: number,
): Promise<readonly string[]> {
  const version = await client.version()
  const { uniqueIdentifier } = await client.call('Locate', {
    maximumItems,
    attribute: version < 20 ? wanted : [],
    attributes: version < 20 ? undefined : { attributes: wanted },
  })
  return uniqueIdentifier.map(String)
}

/** The attributes of an object; all of them, or those that are named. */
export async function attributesOf(
  client: KmipClient,
  uniqueIdentifier: string,
  attributeRefs: readonly AttributeId[] = [],
): Promise<readonly ListedAttribute[]> {
  const answer = await client.call('GetAttributes', { uniqueIdentifier, attributeRefs })
  return answer.attributes?.attributes ?? answer.attribute
}

/** An object that somebody has named. */
export interface Found {
  readonly id: string
  /** What the user called it. */
  readonly called: string
  readonly attributes: readonly ListedAttribute[]
}

const WANTED: readonly AttributeKey[] = [
  'objectType',
  'cryptographicAlgorithm',
  'state',
  'link',
  'name',
]

/** @throws `RefusedError` when there is no such object, or several. */
export async function findKey(client: KmipClient, called: string): Promise<Found> {
  // What says where it is in an HSM is no name that anything else could have.
  const ids = isHardware(called) ? [] : await locate(client, [nameAttribute(called)])
  if (ids.length > 1) {
    const what = `"${called}" is the name of ${ids.length} objects; name one by its identifier:`
    throw new RefusedError([what, ...ids.map((id) => `  ${id}`)].join('\n'))
  }
  const id = ids[0] ?? called
  try {
    return { id, called, attributes: await attributesOf(client, id, WANTED) }
  } catch (error) {
    if (!isNotFound(error)) throw error
    const what = `There is no key "${called}": it is neither a name nor a unique identifier here`
    throw new RefusedError(`${what}; see: claviger keys list`, { cause: error })
  }
}

/** Something that is there, and that the server cannot or will not read. */
export interface Unread {
  readonly id: string
  readonly error: string
}

/**
 * After the others have been printed.
 *
 * @throws `RefusedError` where there are such.
 */
export function assertAllRead(unread: readonly Unread[]): void {
  if (unread.length === 0) return
  const one = unread.length === 1
  const what = `${unread.length} ${one ? 'object is' : 'objects are'} there and cannot be read:`
  const way =
    'Where a record was altered, the server needs: claviger data verify (docs/operations.md)'
  throw new RefusedError(
    [what, ...unread.map(({ id, error }) => `  ${id}: ${error}`), way].join('\n'),
  )
}

/** Whether there is no such object, or not any more. */
export function isNotFound(error: unknown): boolean {
  const reasons: readonly number[] = [ResultReason.ItemNotFound, ResultReason.ObjectNotFound]
  return error instanceof KmipError && reasons.includes(error.reason)
}

/**
 * The half of a pair that does the work: verifying with a private key's name means its public key.
 */
export async function findHalf(
  client: KmipClient,
  called: string,
  half: 'private' | 'public',
): Promise<Found> {
  const found = await findKey(client, called)
  const type = valueIn(found.attributes, 'objectType')
  const [other, linkType] =
    half === 'public'
      ? [ObjectType.PrivateKey, LinkType.PublicKeyLink]
      : [ObjectType.PublicKey, LinkType.PrivateKeyLink]
  if (type !== other) return found
  const id = linked(found.attributes, linkType)
  if (id === undefined) {
    throw new RefusedError(`"${called}" is not the ${half} key, and no link leads to that one`)
  }
  return { id, called, attributes: await attributesOf(client, id, WANTED) }
}

/** Where a link of an object leads. */
export function linked(
  attributes: readonly ListedAttribute[],
  linkType: LinkType,
): string | undefined {
  const links = attributes.filter(({ id }) => id === 'link')
  const values = links.map(({ value }) => value as AttributeValues['link'])
  const target = values.find((link) => link.linkType === linkType)?.linkedObjectIdentifier
  return typeof target === 'string' ? target : undefined
}
