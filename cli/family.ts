/**
 * What the commands `claviger sym`, `rsa` and `ec` have in common: which keys they are for, and how
 * one is called.
 *
 * These commands have the words and options of `ckms`, the command line of Cosmian KMS, for whoever
 * has scripts for it. They speak KMIP through the same client as every other command. What is
 * called an identifier there is a name here, or a unique identifier; tags are Object Groups (KMIP
 * 2.1 §4.39). The public half of a pair is called as the private one with `_pk` behind it.
 *
 * @module
 */
import type { Command } from 'commander'
import type { KmipClient } from '#clients/kmip/client.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import { CryptographicAlgorithm, ObjectType } from '#spec/kmip/enumerations.ts'
import { nameOf } from '#spec/kmip/table.ts'
import type { ClientOptions } from './environment.ts'
import { RefusedError, UsageError } from './output.ts'
import {
  attributesOf,
  type Found,
  findHalf,
  findKey,
  KEY_HELP,
  locate,
  valueIn,
} from './references.ts'

export interface Family {
  readonly name: 'sym' | 'rsa' | 'ec'
  readonly what: string
  readonly isPair: boolean
  /** Whether keys of this algorithm belong to it. */
  readonly has: (algorithm: number | undefined) => boolean
}

const RSA = CryptographicAlgorithm.RSA

export const FAMILIES: readonly Family[] = [
  { name: 'sym', what: 'symmetric keys', isPair: false, has: () => true },
  { name: 'rsa', what: 'RSA keys', isPair: true, has: (algorithm) => algorithm === RSA },
  {
    name: 'ec',
    what: 'elliptic-curve keys',
    isPair: true,
    has: (algorithm) => algorithm !== undefined && algorithm !== RSA,
  },
]

/** What the name of a public key has behind that of its private key. */
export const PUBLIC_SUFFIX = '_pk'

export interface KeyOptions extends ClientOptions {
  readonly keyId?: string | undefined
  readonly tag: readonly string[]
}

/** For options that may be repeated. */
export function gathering(given: string, before: readonly string[]): readonly string[] {
  return [...before, given]
}

export function withTags(command: Command): Command {
  return command.option('-t, --tag <tag>', 'a tag (Object Group); may be repeated', gathering, [])
}

/** Adds the options that call a key. */
export function withKey(command: Command): Command {
  return withTags(command.option('-k, --key-id <id>', KEY_HELP))
}

export function tagAttributes(tags: readonly string[]): readonly ListedAttribute[] {
  return tags.map((value) => ({ id: 'objectGroup', value }))
}

/**
 * The key that the options call.
 *
 * @param half Of a pair, the one that does the work; undefined for the one that is called.
 */
export async function findIn(
  client: KmipClient,
  family: Family,
  { keyId, tag }: KeyOptions,
  half?: 'private' | 'public',
): Promise<Found> {
  if (keyId === undefined) return findTagged(client, family, tag, half)
  const whole = half === undefined || !family.isPair
  const found = whole ? await findKey(client, keyId) : await findHalf(client, keyId, half)
  if (belongs(family, found)) return found
  const type = nameOf(ObjectType, valueIn(found.attributes, 'objectType') ?? 0)
  const algorithm = valueIn(found.attributes, 'cryptographicAlgorithm')
  const kind =
    algorithm === undefined ? type : `${type}, ${nameOf(CryptographicAlgorithm, algorithm)}`
  throw new RefusedError(`"${keyId}" is a ${kind}; claviger ${family.name} is for ${family.what}`)
}

const WANTED = ['objectType', 'cryptographicAlgorithm', 'state', 'link', 'name'] as const

async function findTagged(
  client: KmipClient,
  family: Family,
  tags: readonly string[],
  half: 'private' | 'public' | undefined,
): Promise<Found> {
  if (tags.length === 0) throw new UsageError('No key is called: give --key-id, or --tag')
  const called = tags.join(', ')
  const all = await Promise.all(
    (await locate(client, tagAttributes(tags))).map(async (id): Promise<Found> => {
      return { id, called, attributes: await attributesOf(client, id, WANTED) }
    }),
  )
  const types = { private: ObjectType.PrivateKey, public: ObjectType.PublicKey }
  const fit = all.filter((found) => {
    if (!belongs(family, found)) return false
    const type = valueIn(found.attributes, 'objectType')
    return half === undefined || !family.isPair || type === types[half]
  })
  const [only] = fit
  if (only !== undefined && fit.length === 1) return only
  const ids = fit.map(({ id }) => `  ${id}`)
  const count = fit.length === 0 ? 'There is no key' : `There are ${fit.length} keys`
  throw new RefusedError([`${count} of this kind with the tags ${called}`, ...ids].join('\n'))
}

/** Whether a key is one that the family is for. */
export function belongs(family: Family, { attributes }: Pick<Found, 'attributes'>): boolean {
  const type = valueIn(attributes, 'objectType')
  const isHalf = type === ObjectType.PrivateKey || type === ObjectType.PublicKey
  if (family.isPair) return isHalf && family.has(valueIn(attributes, 'cryptographicAlgorithm'))
  return type === ObjectType.SymmetricKey
}
