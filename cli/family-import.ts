/**
 * `claviger rsa|ec|sym keys import`.
 *
 * KMIP 2.1 §6.1.44 (Register).
 *
 * @module
 */
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { Command } from 'commander'
import type { KmipClient } from '#clients/kmip/client.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import { dictionaryOf } from '#spec/kmip/dictionary.ts'
import { CryptographicUsageMask as Mask, ObjectType } from '#spec/kmip/enumerations.ts'
import { OBJECT_CODERS, type ObjectInMessage, TAG_OF_OBJECT_TYPE } from '#spec/kmip/objects.ts'
import { parseJson } from '#wire/ttlv/json.ts'
import { VERSION_MAX } from '#wire/ttlv/version.ts'
import { chosen } from './algorithms.ts'
import { readFile } from './bytes.ts'
import { type ClientOptions, withClient, withServer } from './environment.ts'
import { belongs, type Family, gathering, tagAttributes, withTags } from './family.ts'
import {
  keptUnder,
  type Made,
  mask,
  named,
  PRIVATE_MASK,
  PUBLIC_MASK,
  placeOf,
  SYM_ALGORITHMS,
  SYM_MASK,
  WRAPPING_NOTE,
} from './family-made.ts'
import { type ArrivingOptions, activateAll, arrived } from './keys-create.ts'
import { list, print, RefusedError, UsageError } from './output.ts'
import { attributesOf } from './references.ts'

interface ImportOptions extends ClientOptions {
  readonly keyFormat: string
  readonly tag: readonly string[]
  readonly keyUsage: readonly string[]
  readonly wrappingKeyId?: string | undefined
}

type Der = readonly ['pkcs1' | 'pkcs8' | 'spki' | 'sec1', 'private' | 'public']

const DER = {
  'pkcs1-priv': ['pkcs1', 'private'],
  'pkcs1-pub': ['pkcs1', 'public'],
  'pkcs8-priv': ['pkcs8', 'private'],
  'pkcs8-pub': ['spki', 'public'],
  sec1: ['sec1', 'private'],
} as const satisfies Readonly<Record<string, Der>>
const IMPORT_FORMATS = ['json-ttlv', 'pem', ...Object.keys(DER), 'aes', 'chacha20'] as const
const USAGE_NAMES = Object.keys(Mask) as (keyof typeof Mask)[]
const PARSE_LIMITS = { depthMax: 16, itemsMax: 1_000 }

export function importKey(family: Family): Command {
  const { name, isPair } = family
  const format = isPair ? 'pem' : 'aes'
  return withServer(withTags(new Command('import')))
    .description('bring in a key that was made elsewhere, and activate it')
    .argument('<file>', 'where it is; - for standard input')
    .argument('[id]', 'its name')
    .option('-f, --key-format <format>', IMPORT_FORMATS.join(', '), 'json-ttlv')
    .option('--key-usage <use>', 'sign, encrypt, wrap-key ...; may be repeated', gathering, [])
    .option('-w, --wrapping-key-id <id>', 'keep it wrapped with this key')
    .addHelpText(
      'after',
      `
json-ttlv is what export writes. A key that comes wrapped stays wrapped.
${WRAPPING_NOTE}
Nor are there yet: --replace, --unwrap and links to other objects.

Examples:
  claviger ${name} keys import --key-format ${format} key.file my_key
  claviger ${name} keys import key.json my_key --tag team-a`,
    )
    .action(async (file: string, id: string | undefined, _options, command: Command) => {
      const options = command.optsWithGlobals<ImportOptions>()
      const key = keyIn(readFile(file === '-' ? 0 : file), options)
      const made = await withClient(options, (client) => register(client, family, key, id, options))
      print(options.json, made, () => list(made))
    })
}

interface Key {
  readonly objectType: ObjectType
  readonly object: ObjectInMessage
  readonly attributes: readonly ListedAttribute[]
}

function keyIn(content: Buffer, { keyFormat, keyUsage }: ImportOptions): Key {
  const format = chosen(IMPORT_FORMATS, keyFormat, '--key-format')
  const key = format === 'json-ttlv' ? fromJson(content) : arrived(...contentOf(content, format))
  if (keyUsage.length === 0) return key
  const words = keyUsage.flatMap((word) => word.split(','))
  const bit = (word: string): number => Mask[chosen(USAGE_NAMES, word.trim(), '--key-usage')]
  const uses = mask(words.reduce((sum, word) => sum | bit(word), 0))
  const others = key.attributes.filter(({ id }) => id !== 'cryptographicUsageMask')
  return { ...key, attributes: [...others, uses] }
}

/** Content and options as {@link arrived} takes them. */
function contentOf(content: Buffer, format: string): [Buffer, ArrivingOptions] {
  const options = { type: undefined, usage: undefined, length: undefined }
  if (format === 'pem') return [content, { ...options, algorithm: 'AES' }]
  const der = (DER as Readonly<Record<string, Der>>)[format]
  if (der === undefined) {
    const usage = format === 'aes' ? (['encrypt', 'decrypt', 'wrap', 'unwrap'] as const) : undefined
    const algorithm = SYM_ALGORITHMS[format as keyof typeof SYM_ALGORITHMS]
    return [content, { ...options, type: 'symmetric', algorithm, usage }]
  }
  return [Buffer.from(pemOf(content, der)), { ...options, algorithm: 'AES' }]
}

function pemOf(der: Buffer, [type, half]: Der): string | Buffer {
  try {
    if (half === 'private') {
      const key = createPrivateKey({ key: der, format: 'der', type: type as 'pkcs8' })
      return key.export({ type: 'pkcs8', format: 'pem' })
    }
    const key = createPublicKey({ key: der, format: 'der', type: type as 'spki' })
    return key.export({ type: 'spki', format: 'pem' })
  } catch (error) {
    const why = (error as Error).message
    const isPem = der.subarray(0, 11).toString('latin1') === '-----BEGIN '
    const how = isPem ? 'it is PEM; say --key-format pem' : why
    throw new UsageError(`The file is no ${type} in DER: ${how}`, { cause: error })
  }
}

function fromJson(content: Buffer): Key {
  try {
    const item = parseJson(content.toString('utf8'), dictionaryOf(), PARSE_LIMITS)
    const coder = OBJECT_CODERS[item.tag]
    const type = Object.entries(TAG_OF_OBJECT_TYPE).find(([, tag]) => tag === item.tag)?.[0]
    if (coder === undefined || type === undefined) throw new Error('it is no managed object')
    const value = coder.decode(item, { version: VERSION_MAX, misplaced: 'ignore' })
    const objectType = Number(type) as ObjectType
    const object = { tag: item.tag, value } as ObjectInMessage
    const masks: Readonly<Record<number, number>> = {
      [ObjectType.PrivateKey]: PRIVATE_MASK,
      [ObjectType.PublicKey]: PUBLIC_MASK,
    }
    return { objectType, object, attributes: [mask(masks[objectType] ?? SYM_MASK)] }
  } catch (error) {
    const what = `The file is no key in JSON: ${(error as Error).message}`
    throw new UsageError(`${what}; see --key-format`, { cause: error })
  }
}

async function register(
  client: KmipClient,
  family: Family,
  { objectType, object, attributes }: Key,
  id: string | undefined,
  { wrappingKeyId, tag }: ImportOptions,
): Promise<Made> {
  const own = [...named(id), ...tagAttributes(tag)]
  const given = [...attributes, ...own, ...(await keptUnder(client, wrappingKeyId))]
  const answer = await client.call('Register', {
    objectType,
    attributes: { attributes: given },
    object,
    protectionStorageMasks: placeOf(id),
  })
  const made = String(answer.uniqueIdentifier)
  const found = { attributes: await attributesOf(client, made) }
  if (!belongs(family, found)) {
    await client.call('Destroy', { uniqueIdentifier: made })
    throw new RefusedError(
      `The file has another kind of key; claviger ${family.name} is for ${family.what}`,
    )
  }
  await activateAll(client, [made])
  return { id: made }
}
