/**
 * `claviger keys create` and `claviger keys register`: keys come into being, or from elsewhere.
 *
 * KMIP 2.1 §6.1.7, §6.1.8 and §6.1.44. Of a pair, the private key has the name that was asked for
 * and the public key the same with `.pub` behind it. Keys are activated at once unless somebody
 * says otherwise.
 *
 * @module
 */
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { Command } from 'commander'
import type { KmipClient } from '#clients/kmip/client.ts'
import { curveOfNode, isPair, type KeyAlgorithm, pairOfNode } from '#spec/algorithms.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import {
  CertificateType,
  KeyFormatType,
  ObjectType,
  type OpaqueDataType,
  SecretDataType,
} from '#spec/kmip/enumerations.ts'
import type { ObjectInMessage } from '#spec/kmip/objects.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import {
  chosen,
  keyWish,
  USAGE_NAMES,
  type Usage,
  usageMask,
  usagesOf,
  usualUsages,
  wishAttributes,
} from './algorithms.ts'
import { type InputOptions, readInput, someText, wholeNumber, withInput } from './bytes.ts'
import { type ClientOptions, withClient, withServer } from './environment.ts'
import { list, print, UsageError } from './output.ts'
import { calling, isHardware } from './references.ts'
import { attributeGiven } from './values.ts'

/** What the name of a public key has behind that of its private key. */
export const PUBLIC_SUFFIX = '.pub'

interface MakeOptions extends ClientOptions {
  readonly name: string
  readonly algorithm: string
  readonly length?: number | undefined
  readonly curve?: string | undefined
  readonly usage?: readonly Usage[] | undefined
  readonly preActive: boolean
  readonly attribute: readonly string[]
}

const LENGTH_MAX = 65_536

function makeOptions(command: Command): Command {
  return withServer(command)
    .requiredOption('--name <name>', 'its name; nothing else may have it', someText('--name'))
    .option('--length <bits>', 'length of the key', wholeNumber('--length', 8, LENGTH_MAX))
    .option('--usage <list>', `what it is for: ${USAGE_NAMES.join(', ')}`, usagesOf)
    .option('--pre-active', 'do not activate it: it cannot be used yet', false)
    .option(
      '--attribute <name=value>',
      'a further attribute, such as Description="my key"; may be repeated',
      (given: string, before: readonly string[]) => [...before, given],
      [],
    )
}

export const create = makeOptions(new Command('create'))
  .description('make a key, or a key pair, and activate it')
  .option('--algorithm <name>', 'AES, RSA, EC, Ed25519, ML-DSA-65, HMAC-SHA256 ...', 'AES')
  .option('--curve <name>', 'EC: P-256 (default), P-384, P-521, secp256k1 ...')
  .addHelpText(
    'after',
    `
Of a pair, the private key is called NAME and the public key NAME${PUBLIC_SUFFIX}. Commands find
the half that they need by either name. Where --usage is left out, it follows from the algorithm:
AES encrypts and decrypts, HMAC makes and checks codes, RSA signs and decrypts.

Examples:
  claviger keys create --name first                                   AES, 256 bits
  claviger keys create --name aes1 --algorithm AES --length 128 --usage encrypt,decrypt,wrap,unwrap
  claviger keys create --name rsa1 --algorithm RSA --length 3072
  claviger keys create --name ec1 --algorithm EC --curve P-256
  claviger keys create --name signer --algorithm Ed25519
  claviger keys create --name pq --algorithm ML-DSA-65
  claviger keys create --name later --pre-active --attribute Description="for next year"`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<MakeOptions>()
    const wish = keyWish(options.algorithm, options.length, options.curve)
    const given = [...wishAttributes(wish), ...options.attribute.map(attributeGiven)]
    const usages = options.usage ?? usualUsages(wish.algorithm)
    const make = isPair(wish.algorithm) ? createPair : createSecret
    const made = await withClient(options, async (client) => {
      const keys = await make(client, options.name, given, usages)
      if (!options.preActive) await activateAll(client, Object.values(keys))
      return keys
    })
    sayMade(options, made)
  })

type Made = Readonly<Record<string, string>>

function sayMade({ json, name, preActive }: MakeOptions, made: Made): void {
  const state = preActive ? 'PreActive' : 'Active'
  print(json, { name, ...made, state }, () => {
    return list({ name, ...made, state: preActive ? 'Pre-Active: activate it first' : 'Active' })
  })
}

async function createSecret(
  client: KmipClient,
  name: string,
  given: readonly ListedAttribute[],
  usages: readonly Usage[],
): Promise<Made> {
  const attributes = [calling(name), ...given, usageMask(usages, 'secret')]
  const { uniqueIdentifier } = await client.call('Create', {
    objectType: ObjectType.SymmetricKey,
    attributes: { attributes },
  })
  return { key: String(uniqueIdentifier) }
}

async function createPair(
  client: KmipClient,
  name: string,
  given: readonly ListedAttribute[],
  usages: readonly Usage[],
): Promise<Made> {
  const half = (kind: 'private' | 'public', called: string | undefined) => ({
    attributes: [...(called === undefined ? [] : [calling(called)]), usageMask(usages, kind)],
  })
  const answer = await client.call('CreateKeyPair', {
    commonAttributes: { attributes: given },
    privateKeyAttributes: half('private', name),
    // In an HSM the identifier of the public key follows from that of the private one.
    publicKeyAttributes: half('public', isHardware(name) ? undefined : `${name}${PUBLIC_SUFFIX}`),
  })
  return {
    privateKey: String(answer.privateKeyUniqueIdentifier),
    publicKey: String(answer.publicKeyUniqueIdentifier),
  }
}

export async function activateAll(client: KmipClient, ids: readonly string[]): Promise<void> {
  for (const uniqueIdentifier of ids) await client.call('Activate', { uniqueIdentifier })
}

/** What is said of an object that comes from elsewhere. */
export type ArrivingOptions = Pick<RegisterOptions, 'type' | 'algorithm' | 'length' | 'usage'>

interface RegisterOptions extends MakeOptions, InputOptions {
  readonly type?: string | undefined
}

const TYPES = ['symmetric', 'secret', 'password', 'opaque'] as const

export const register = withInput(makeOptions(new Command('register')))
  .description('bring in a key, a certificate or a secret that was made elsewhere')
  .option('--type <type>', `what bytes are, where the data is not PEM: ${TYPES.join(', ')}`)
  .option('--algorithm <name>', 'algorithm of a symmetric key', 'AES')
  .addHelpText(
    'after',
    `
PEM says itself what it holds: a private key, a public key or a certificate. Other data is taken
as it is: as a symmetric key unless --type says otherwise. Certificates and opaque data have
nothing to activate.

Examples:
  claviger keys register --name old --in aes.bin --algorithm AES
  claviger keys register --name web --in server.key
  claviger keys register --name web-cert --in server.pem
  printf %s "$PASSWORD" | claviger keys register --name db --type password`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<RegisterOptions>()
    const content = await readInput(options)
    const what = arrived(content, options)
    const further = options.attribute.map(attributeGiven)
    const made = await withClient(options, async (client) => {
      const { uniqueIdentifier } = await client.call('Register', {
        objectType: what.objectType,
        attributes: { attributes: [calling(options.name), ...what.attributes, ...further] },
        object: what.object,
      })
      const id = String(uniqueIdentifier)
      if (what.lives && !options.preActive) await activateAll(client, [id])
      return { key: id }
    })
    if (what.lives) sayMade(options, made)
    else print(options.json, { name: options.name, ...made }, () => list({ ...made }))
  })

/** An object as Register wants it. */
export interface Arrived {
  readonly objectType: ObjectType
  readonly object: ObjectInMessage
  readonly attributes: readonly ListedAttribute[]
  /** Whether it has a state. */
  readonly lives: boolean
}

export function arrived(content: Buffer, options: ArrivingOptions): Arrived {
  if (content.length === 0) throw new UsageError('There is nothing to register: the data is empty')
  const label = /-----BEGIN ([A-Z0-9 ]+)-----/.exec(content.toString('latin1'))?.[1]
  if (label !== undefined && options.type === undefined) return fromPem(content, label, options)
  const type = chosen(TYPES, options.type ?? 'symmetric', '--type')
  if (type === 'opaque') return opaque(content)
  return type === 'symmetric' ? symmetric(content, options) : secret(content, type)
}

function fromPem(content: Buffer, label: string, options: ArrivingOptions): Arrived {
  try {
    if (label.endsWith('CERTIFICATE')) return certificate(new X509Certificate(content).raw)
    if (label.includes('PUBLIC')) return half(createPublicKey(content), options)
    return half(createPrivateKey(content), options)
  } catch (error) {
    if (error instanceof UsageError) throw error
    const what = `Cannot register: the PEM says "${label}" and cannot be read as that`
    throw new UsageError(`${what}: ${(error as Error).message}`, { cause: error })
  }
}

function certificate(der: Uint8Array): Arrived {
  const value = { certificateType: CertificateType.X_509, certificateValue: der }
  const object = { tag: Tag.Certificate, value } as const
  return { objectType: ObjectType.Certificate, object, attributes: [], lives: false }
}

function half(key: KeyObject, { usage }: ArrivingOptions): Arrived {
  const isPrivate = key.type === 'private'
  const algorithm = pairOfNode(key.asymmetricKeyType ?? '')
  if (algorithm === undefined) {
    throw new UsageError(`Cannot register: keys of type ${key.asymmetricKeyType} are not offered`)
  }
  const kind = isPrivate ? 'private' : 'public'
  const material = isPrivate
    ? key.export({ type: 'pkcs8', format: 'der' })
    : key.export({ type: 'spki', format: 'der' })
  const format = isPrivate ? KeyFormatType.PKCS_8 : KeyFormatType.X_509
  const value = { keyBlock: { keyFormatType: format, keyValue: keyValue(material) } }
  const object = { tag: isPrivate ? Tag.PrivateKey : Tag.PublicKey, value } as const
  const objectType = isPrivate ? ObjectType.PrivateKey : ObjectType.PublicKey
  const { modulusLength: bits, namedCurve = '' } = key.asymmetricKeyDetails ?? {}
  const wish = { algorithm, bits, curve: curveOfNode(namedCurve) }
  const attributes = [...wishAttributes(wish), usageMask(usage ?? usualUsages(algorithm), kind)]
  return { objectType, object, attributes, lives: true }
}

function keyValue(material: Uint8Array) {
  const keyMaterial = { tag: Tag.KeyMaterial, type: ItemType.ByteString, value: material } as const
  return { keyMaterial, attributes: [] }
}

function symmetric(content: Buffer, { algorithm: text, length, usage }: ArrivingOptions): Arrived {
  const { algorithm, bits } = keyWish(text, length)
  if (isPair(algorithm)) {
    throw new UsageError(`--algorithm ${text}: keys of this algorithm must come as PEM`)
  }
  const wished = wishAttributes({ algorithm, bits: bits ?? content.length * 8 })
  const attributes = [
    ...wished,
    usageMask(usage ?? usualUsages(algorithm as KeyAlgorithm), 'secret'),
  ]
  const keyBlock = {
    keyFormatType: KeyFormatType.Raw,
    keyValue: keyValue(content),
    cryptographicAlgorithm: wished[0]?.value as number as never,
    cryptographicLength: wished[1]?.value as number,
  }
  const object = { tag: Tag.SymmetricKey, value: { keyBlock } } as const
  return { objectType: ObjectType.SymmetricKey, object, attributes, lives: true }
}

function secret(content: Buffer, type: 'secret' | 'password'): Arrived {
  const secretDataType = type === 'password' ? SecretDataType.Password : SecretDataType.Seed
  const keyBlock = { keyFormatType: KeyFormatType.Opaque, keyValue: keyValue(content) }
  const object = { tag: Tag.SecretData, value: { secretDataType, keyBlock } } as const
  const attributes = [usageMask(['derive'], 'secret')]
  return { objectType: ObjectType.SecretData, object, attributes, lives: true }
}

/** Not one of the standard's types, which are none: the first of those left to us. */
const OPAQUE_TYPE = 0x8000_0001 as OpaqueDataType

function opaque(content: Buffer): Arrived {
  const value = { opaqueDataType: OPAQUE_TYPE, opaqueDataValue: content }
  const object = { tag: Tag.OpaqueObject, value } as const
  return { objectType: ObjectType.OpaqueObject, object, attributes: [], lives: false }
}
