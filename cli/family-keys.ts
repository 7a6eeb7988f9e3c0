/**
 * `claviger rsa|ec|sym keys create|export|import|destroy|wrap|unwrap|revoke|locate`.
 *
 * KMIP 2.1 §6.1 by name of the operation; wrapping by a Key Wrapping Specification of Get (§6.1.19)
 * and Register with Key Wrapping Data. The words and options are those of `ckms`.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, createPrivateKey, createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import type { KmipClient } from '#clients/kmip/client.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import { dictionaryOf } from '#spec/kmip/dictionary.ts'
import {
  BlockCipherMode,
  EncodingOption,
  HashingAlgorithm,
  KeyFormatType,
  CryptographicUsageMask as Mask,
  ObjectType,
  PaddingMethod,
  ProtectionStorageMask,
  State,
  WrappingMethod,
} from '#spec/kmip/enumerations.ts'
import { OBJECT_CODERS, type ObjectInMessage, TAG_OF_OBJECT_TYPE } from '#spec/kmip/objects.ts'
import type { CryptographicParameters } from '#spec/kmip/structures.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import { parseJson, toJson } from '#wire/ttlv/json.ts'
import { VERSION_MAX } from '#wire/ttlv/version.ts'
import { chosen, keyWish, wishAttributes } from './algorithms.ts'
import { wholeNumber, writeOutput } from './bytes.ts'
import { type ClientOptions, withClient, withServer } from './environment.ts'
import {
  belongs,
  type Family,
  findIn,
  gathering,
  isHardware,
  type KeyOptions,
  PUBLIC_SUFFIX,
  tagAttributes,
  withKey,
  withTags,
} from './family.ts'
import { pemText, REASONS, revokeKey } from './keys.ts'
import { type ArrivingOptions, activateAll, arrived } from './keys-create.ts'
import { list, print, RefusedError, UsageError } from './output.ts'
import { attributesOf, findHalf, locate, nameAttribute, valueIn } from './references.ts'

const LENGTH_MAX = 65_536

/** Uses of keys that nobody limits. */
const SYM_MASK = Mask.Encrypt | Mask.Decrypt | Mask.WrapKey | Mask.UnwrapKey | Mask.KeyAgreement
const PRIVATE_MASK = Mask.Sign | Mask.Decrypt | Mask.UnwrapKey
const PUBLIC_MASK = Mask.Verify | Mask.Encrypt | Mask.WrapKey
const AGREEING = new Set(['X25519', 'X448'])

const HARDWARE = { protectionStorageMask: [ProtectionStorageMask.Hardware] }
const SOFTWARE = { protectionStorageMask: [ProtectionStorageMask.Software] }

/** Where a key is made: one that is to be kept wrapped must be able to leave. */
function placeOf(id: string | undefined, wrappingKeyId: string | undefined) {
  if (isHardware(id)) return HARDWARE
  return wrappingKeyId === undefined ? undefined : SOFTWARE
}

const HARDWARE_NOTE = `
An identifier that begins with hsm:: asks for a key in hardware, and is refused where the
server has none. It is a name like any other: which HSM it is, is the order of the keystores.`

const WRAPPING_NOTE = `
With --wrapping-key-id the server keeps the key only as it is wrapped: it leaves wrapped, and
whoever has the wrapping key can use it. Not there yet: that the server unwraps it to work with it.`

interface CreateOptions extends ClientOptions {
  readonly tag: readonly string[]
  readonly sensitive: boolean
  readonly wrappingKeyId?: string | undefined
  readonly sizeInBits?: number | undefined
  readonly numberOfBits?: number | undefined
  readonly algorithm?: string | undefined
  readonly curve?: string | undefined
}

const SYM_ALGORITHMS = { aes: 'AES', chacha20: 'ChaCha20' } as const
const CURVES = {
  'nist-p256': 'P-256',
  'nist-p384': 'P-384',
  'nist-p521': 'P-521',
  x25519: 'X25519',
  ed25519: 'Ed25519',
  x448: 'X448',
  ed448: 'Ed448',
  secp256k1: 'secp256k1',
} as const
const CURVE_NAMES = Object.keys(CURVES) as (keyof typeof CURVES)[]

const bits = wholeNumber('--size-in-bits', 8, LENGTH_MAX)

/** What a family may choose of its keys. */
function withChoice(command: Command, { name }: Family): Command {
  if (name === 'rsa') {
    return command
      .option('-s, --size-in-bits <bits>', 'length of the key; default: 4096', bits)
      .option('--size_in_bits <bits>', 'the same', bits)
  }
  if (name === 'ec')
    return command.option('-c, --curve <name>', CURVE_NAMES.join(', '), 'nist-p256')
  return command
    .option('-l, --number-of-bits <bits>', 'length of the key; default: 256', bits)
    .option('--size-in-bits <bits>', 'the same', bits)
    .option('-a, --algorithm <name>', Object.keys(SYM_ALGORITHMS).join(', '), 'aes')
}

/** Algorithm, length and curve as attributes. */
function choice({ name }: Family, options: CreateOptions): readonly ListedAttribute[] {
  const { size_in_bits: other } = options as { readonly size_in_bits?: number }
  const length = options.sizeInBits ?? options.numberOfBits ?? other
  if (name === 'rsa') return wishAttributes(keyWish('RSA', length ?? 4_096))
  if (name === 'ec') {
    return wishAttributes(keyWish(CURVES[chosen(CURVE_NAMES, options.curve ?? '', '--curve')]))
  }
  const names = Object.keys(SYM_ALGORITHMS) as (keyof typeof SYM_ALGORITHMS)[]
  const algorithm = SYM_ALGORITHMS[chosen(names, options.algorithm ?? '', '--algorithm')]
  return wishAttributes(keyWish(algorithm, length ?? 256))
}

function create(family: Family): Command {
  const { name } = family
  const example = {
    rsa: '--size-in-bits 3072',
    ec: '--curve nist-p384',
    sym: '--number-of-bits 128',
  }
  return withChoice(withTags(withServer(new Command('create'))), family)
    .description(family.isPair ? 'make a key pair, and activate it' : 'make a key, and activate it')
    .argument('[id]', `its name; of a pair, the public key has ${PUBLIC_SUFFIX} behind it`)
    .option('--sensitive', 'it leaves the server only wrapped', false)
    .option('-w, --wrapping-key-id <id>', 'keep it wrapped with this key')
    .addHelpText(
      'after',
      `${HARDWARE_NOTE}
${WRAPPING_NOTE}

Examples:
  claviger ${name} keys create my_key
  claviger ${name} keys create ${example[name]} --sensitive --tag team-a my_key
  claviger ${name} keys create --wrapping-key-id kek my_wrapped_key
  claviger ${name} keys create ${example[name]} --sensitive hsm::4::my_key`,
    )
    .action(async (id: string | undefined, _options, command: Command) => {
      const options = command.optsWithGlobals<CreateOptions>()
      const given = [...choice(family, options), ...tagAttributes(options.tag)]
      const make = family.isPair ? createPair : createSecret
      const made = await withClient(options, (client) => make(client, id, given, options))
      print(options.json, made, () => list(made))
    })
}

type Made = Readonly<Record<string, string>>

function named(id: string | undefined, suffix = ''): readonly ListedAttribute[] {
  return id === undefined ? [] : [nameAttribute(`${id}${suffix}`)]
}

function mask(value: number): ListedAttribute {
  return { id: 'cryptographicUsageMask', value }
}

function sensitivity({ sensitive }: CreateOptions): readonly ListedAttribute[] {
  return sensitive ? [{ id: 'sensitive', value: true }] : []
}

async function createSecret(
  client: KmipClient,
  id: string | undefined,
  given: readonly ListedAttribute[],
  options: CreateOptions,
): Promise<Made> {
  const { wrappingKeyId } = options
  const own = [...named(id), mask(SYM_MASK)]
  const attributes = [...given, ...(wrappingKeyId === undefined ? own : [mask(SYM_MASK)])]
  const answer = await client.call('Create', {
    objectType: ObjectType.SymmetricKey,
    attributes: { attributes: [...attributes, ...sensitivity(options)] },
    protectionStorageMasks: placeOf(id, wrappingKeyId),
  })
  const made = String(answer.uniqueIdentifier)
  if (wrappingKeyId === undefined) {
    await activateAll(client, [made])
    return { id: made }
  }
  const further = [...own, ...tagsOf(given)]
  return { id: await keptWrapped(client, made, ObjectType.SymmetricKey, wrappingKeyId, further) }
}

function tagsOf(given: readonly ListedAttribute[]): readonly ListedAttribute[] {
  return given.filter(({ id }) => id === 'objectGroup')
}

async function createPair(
  client: KmipClient,
  id: string | undefined,
  given: readonly ListedAttribute[],
  options: CreateOptions,
): Promise<Made> {
  const { wrappingKeyId } = options
  const agrees = AGREEING.has(CURVES[(options.curve ?? '') as keyof typeof CURVES] ?? '')
  const privateMask = mask(agrees ? Mask.KeyAgreement : PRIVATE_MASK)
  const publicMask = mask(agrees ? Mask.KeyAgreement : PUBLIC_MASK)
  const isWrapped = wrappingKeyId !== undefined
  const answer = await client.call('CreateKeyPair', {
    commonAttributes: { attributes: given },
    privateKeyAttributes: {
      attributes: [privateMask, ...sensitivity(options), ...(isWrapped ? [] : named(id))],
    },
    publicKeyAttributes: { attributes: [publicMask, ...named(id, PUBLIC_SUFFIX)] },
    privateProtectionStorageMasks: placeOf(id, wrappingKeyId),
  })
  const publicKey = String(answer.publicKeyUniqueIdentifier)
  const made = String(answer.privateKeyUniqueIdentifier)
  if (!isWrapped) {
    await activateAll(client, [made, publicKey])
    return { privateKey: made, publicKey }
  }
  await activateAll(client, [publicKey])
  const further = [privateMask, ...named(id), ...tagsOf(given)]
  const privateKey = await keptWrapped(client, made, ObjectType.PrivateKey, wrappingKeyId, further)
  return { privateKey, publicKey }
}

/** How a key wraps where nobody says. */
function usualWrapping(algorithmIsRsa: boolean): CryptographicParameters {
  if (!algorithmIsRsa) return { blockCipherMode: BlockCipherMode.AESKeyWrapPadding }
  return {
    paddingMethod: PaddingMethod.OAEP,
    hashingAlgorithm: HashingAlgorithm.SHA_256,
    maskGeneratorHashingAlgorithm: HashingAlgorithm.SHA_256,
  }
}

/** A key as it leaves, wrapped with another. */
async function wrappedWith(
  client: KmipClient,
  id: string,
  wrappingKey: string,
  keyFormatType?: KeyFormatType,
  parameters?: CryptographicParameters,
): Promise<ObjectInMessage> {
  const wrapper = await findHalf(client, wrappingKey, 'public')
  const isRsa = valueIn(wrapper.attributes, 'objectType') === ObjectType.PublicKey
  const { object } = await client.call('Get', {
    uniqueIdentifier: id,
    keyFormatType,
    keyWrappingSpecification: {
      wrappingMethod: WrappingMethod.Encrypt,
      encryptionKeyInformation: {
        uniqueIdentifier: wrapper.id,
        cryptographicParameters: parameters ?? usualWrapping(isRsa),
      },
      attributeName: [],
      encodingOption: EncodingOption.NoEncoding,
    },
  })
  return object
}

/** Registers a key as it is wrapped, in the place of the one in clear, which is destroyed. */
async function keptWrapped(
  client: KmipClient,
  clear: string,
  objectType: ObjectType,
  wrappingKey: string,
  attributes: readonly ListedAttribute[],
): Promise<string> {
  try {
    const object = await wrappedWith(client, clear, wrappingKey)
    const answer = await client.call('Register', { objectType, attributes: { attributes }, object })
    const wrapped = String(answer.uniqueIdentifier)
    await activateAll(client, [wrapped])
    return wrapped
  } finally {
    // It was never activated, so that nothing stands in the way of its end.
    await client.call('Destroy', { uniqueIdentifier: clear })
  }
}

interface ExportOptions extends KeyOptions {
  readonly keyFormat: string
  readonly wrapKeyId?: string | undefined
  readonly wrappingAlgorithm?: string | undefined
}

interface Format {
  readonly private?: KeyFormatType
  readonly public?: KeyFormatType
  readonly secret?: KeyFormatType
  /** Labels of PEM for the private and the public key. */
  readonly pem?: readonly [string, string]
}

const { PKCS_1, PKCS_8, X_509, ECPrivateKey, Raw } = KeyFormatType
const FORMATS: Readonly<Record<string, Format>> = {
  'json-ttlv': {},
  'sec1-pem': { private: ECPrivateKey, pem: ['EC PRIVATE KEY', ''] },
  'sec1-der': { private: ECPrivateKey },
  'pkcs1-pem': { private: PKCS_1, public: PKCS_1, pem: ['RSA PRIVATE KEY', 'RSA PUBLIC KEY'] },
  'pkcs1-der': { private: PKCS_1, public: PKCS_1 },
  'pkcs8-pem': { private: PKCS_8, public: X_509, pem: ['PRIVATE KEY', 'PUBLIC KEY'] },
  'pkcs8-der': { private: PKCS_8, public: X_509 },
  base64: { secret: Raw, private: PKCS_8, public: X_509 },
  raw: { secret: Raw, private: PKCS_8, public: X_509 },
}
const FORMAT_NAMES = Object.keys(FORMATS)

const OAEP = (hash: HashingAlgorithm): CryptographicParameters => ({
  paddingMethod: PaddingMethod.OAEP,
  hashingAlgorithm: hash,
  maskGeneratorHashingAlgorithm: hash,
})
const WRAPPINGS: Readonly<Record<string, CryptographicParameters>> = {
  'aes-key-wrap-padding': { blockCipherMode: BlockCipherMode.AESKeyWrapPadding },
  'nist-key-wrap': { blockCipherMode: BlockCipherMode.NISTKeyWrap },
  'aes-gcm': { blockCipherMode: BlockCipherMode.GCM, tagLength: 16 },
  'rsa-pkcs-v15': { paddingMethod: PaddingMethod.PKCS1V1_5 },
  'rsa-oaep': OAEP(HashingAlgorithm.SHA_256),
  'rsa-oaep-sha1': OAEP(HashingAlgorithm.SHA_1),
}

function exportKey(family: Family): Command {
  const { name, isPair } = family
  return withServer(withKey(new Command('export')))
    .description('write the value of a key into a file, if it may leave the server')
    .argument('<file>', 'where to; - for standard output')
    .option('-f, --key-format <format>', FORMAT_NAMES.join(', '), 'json-ttlv')
    .option('-w, --wrap-key-id <id>', 'wrap it with this key')
    .option('-m, --wrapping-algorithm <name>', Object.keys(WRAPPINGS).join(', '))
    .option('-i, --allow-revoked', 'as it is always here: revoked keys leave as well', false)
    .addHelpText(
      'after',
      `
A sensitive key leaves only wrapped. Not there yet: --unwrap, additional data for aes-gcm,
rsa-aes-key-wrap.

Examples:
  claviger ${name} keys export --key-id my_key${isPair ? PUBLIC_SUFFIX : ''} \\
    --key-format ${isPair ? 'pkcs8-pem public.pem' : 'raw key.bin'}
  claviger ${name} keys export -k my_key -w kek -m aes-key-wrap-padding -f json-ttlv key.json`,
    )
    .action(async (file: string, _options, command: Command) => {
      const options = command.optsWithGlobals<ExportOptions>()
      const formatName = chosen(FORMAT_NAMES, options.keyFormat, '--key-format')
      const how = options.wrappingAlgorithm
      const parameters =
        how === undefined
          ? undefined
          : WRAPPINGS[chosen(Object.keys(WRAPPINGS), how, '--wrapping-algorithm')]
      const { id, object } = await withClient(options, async (client) => {
        const found = await findIn(client, family, options)
        const format = formatFor(formatName, valueIn(found.attributes, 'objectType'))
        const { wrapKeyId } = options
        const value =
          wrapKeyId === undefined
            ? (await client.call('Get', { uniqueIdentifier: found.id, keyFormatType: format }))
                .object
            : await wrappedWith(client, found.id, wrapKeyId, format, parameters)
        return { id: found.id, object: value }
      })
      writeOutput(exportedBytes(object, formatName), { out: file, base64: formatName === 'base64' })
      if (file !== '-') print(options.json, { id, file }, () => `Written to ${file}`)
    })
}

/** @throws `UsageError` when keys of this kind have no such format. */
function formatFor(name: string, objectType: number | undefined): KeyFormatType | undefined {
  if (name === 'json-ttlv') return undefined
  const row = FORMATS[name] as Format
  const kinds: Readonly<Record<number, KeyFormatType | undefined>> = {
    [ObjectType.SymmetricKey]: row.secret,
    [ObjectType.PrivateKey]: row.private,
    [ObjectType.PublicKey]: row.public,
  }
  const format = kinds[objectType ?? 0]
  if (format !== undefined) return format
  throw new UsageError(`--key-format ${name}: keys of this kind do not have it`)
}

function exportedBytes(object: ObjectInMessage, name: string): Uint8Array {
  if (name === 'json-ttlv') {
    const coder = OBJECT_CODERS[object.tag]
    const context = { version: VERSION_MAX, beyondVersion: 'drop' } as const
    const item = coder?.encode(object.tag, object.value, context)
    if (item === undefined) throw new RefusedError('This object has no JSON')
    return Buffer.from(`${JSON.stringify(toJson(item, dictionaryOf()), undefined, 2)}\n`)
  }
  const bytes = materialOf(object)
  const { pem } = FORMATS[name] as Format
  const isWrapped =
    'keyBlock' in object.value && 'wrapped' in (object.value.keyBlock.keyValue ?? {})
  if (pem === undefined || isWrapped) return bytes
  return Buffer.from(pemText(pem[object.tag === Tag.PrivateKey ? 0 : 1], bytes))
}

function materialOf({ value }: ObjectInMessage): Uint8Array {
  const keyValue = 'keyBlock' in value ? value.keyBlock.keyValue : undefined
  if (keyValue === undefined) throw new RefusedError('The server does not hold the value')
  if ('wrapped' in keyValue) return keyValue.wrapped
  if (keyValue.keyMaterial.type === ItemType.ByteString) return keyValue.keyMaterial.value
  throw new RefusedError('The key is stored in parts; ask for --key-format json-ttlv')
}

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

function importKey(family: Family): Command {
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
      const key = keyIn(readFileSync(file === '-' ? 0 : file), options)
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
    throw new UsageError(`The file is no ${type} in DER: ${why}`, { cause: error })
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
  const given = wrappingKeyId === undefined ? [...attributes, ...own] : attributes
  const answer = await client.call('Register', {
    objectType,
    attributes: { attributes: given },
    object,
    protectionStorageMasks: placeOf(id, wrappingKeyId),
  })
  const made = String(answer.uniqueIdentifier)
  const found = { attributes: await attributesOf(client, made) }
  if (!belongs(family, found)) {
    await client.call('Destroy', { uniqueIdentifier: made })
    throw new RefusedError(
      `The file has another kind of key; claviger ${family.name} is for ${family.what}`,
    )
  }
  if (wrappingKeyId !== undefined) {
    const further = [...attributes.filter((one) => one.id === 'cryptographicUsageMask'), ...own]
    return { id: await keptWrapped(client, made, objectType, wrappingKeyId, further) }
  }
  await activateAll(client, [made])
  return { id: made }
}

function destroy(family: Family): Command {
  const { name } = family
  return withServer(withKey(new Command('destroy')))
    .description('destroy the value of a key for ever; its attributes stay as a record')
    .addHelpText(
      'after',
      `
An active key must be revoked first, but for one whose name begins with hsm::. Each half of a
pair is destroyed by itself. Not there yet: --remove, which leaves no record either.

Examples:
  claviger ${name} keys revoke --key-id my_key "no longer used"
  claviger ${name} keys destroy --key-id my_key`,
    )
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<KeyOptions>()
      await withClient(options, async (client) => {
        const { id, called, attributes } = await findIn(client, family, options)
        if (valueIn(attributes, 'state') === State.Active) {
          if (!isHardware(options.keyId)) {
            const hint = `claviger ${name} keys revoke --key-id ${called} REASON`
            throw new RefusedError(
              `Cannot destroy "${called}": it is active. Revoke it first: ${hint}`,
            )
          }
          await revokeKey(client, id, 'CessationOfOperation')
        }
        await client.call('Destroy', { uniqueIdentifier: id })
        print(options.json, { id, state: 'Destroyed' }, () => list({ id, state: 'Destroyed' }))
      })
    })
}

interface RevokeOptions extends KeyOptions {
  readonly reasonCode: string
}

function revoke(family: Family): Command {
  const { name } = family
  return withServer(withKey(new Command('revoke')))
    .description('end the use of a key: it protects nothing new from now on')
    .argument('<reason>', 'why, in words')
    .option('-r, --reason-code <code>', REASONS.join(', '), 'Unspecified')
    .addHelpText(
      'after',
      `
Examples:
  claviger ${name} keys revoke --key-id my_key "no longer used"
  claviger ${name} keys revoke -k my_key -r key-compromise "laptop stolen"`,
    )
    .action(async (reason: string, _options, command: Command) => {
      const options = command.optsWithGlobals<RevokeOptions>()
      const code = chosen(REASONS, options.reasonCode, '--reason-code')
      await withClient(options, async (client) => {
        const { id } = await findIn(client, family, options)
        await revokeKey(client, id, code, reason)
        print(options.json, { id, revoked: code }, () => list({ id, revoked: code }))
      })
    })
}

interface LocateOptions extends ClientOptions {
  readonly tag: readonly string[]
  readonly cryptographicLength?: number | undefined
}

const LOCATE_MAX = 10_000

function locateKeys(family: Family): Command {
  return withServer(withTags(new Command('locate')))
    .description(`unique identifiers of the ${family.what} that there are`)
    .option('-l, --cryptographic-length <bits>', 'only keys of this length', bits)
    .addHelpText(
      'after',
      `
One a line. More conditions: claviger keys list.

Examples:
  claviger ${family.name} keys locate
  claviger ${family.name} keys locate --tag team-a --tag payments`,
    )
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<LocateOptions>()
      const { cryptographicLength: length } = options
      const wanted: ListedAttribute[] = [
        ...tagAttributes(options.tag),
        ...(length === undefined ? [] : [{ id: 'cryptographicLength', value: length } as const]),
      ]
      const ids = await withClient(options, async (client) => {
        const found = await Promise.all(
          typesOf(family).map((value) => {
            return locate(client, [{ id: 'objectType', value }, ...wanted], LOCATE_MAX)
          }),
        )
        const all = found.flat()
        if (!family.isPair) return all
        const fits = await Promise.all(
          all.map(async (id) => {
            const refs = ['objectType', 'cryptographicAlgorithm'] as const
            return belongs(family, { attributes: await attributesOf(client, id, refs) })
          }),
        )
        return all.filter((_id, index) => fits[index])
      })
      print(options.json, ids, () => ids.join('\n'))
    })
}

function typesOf({ isPair }: Family): readonly ObjectType[] {
  return isPair ? [ObjectType.PrivateKey, ObjectType.PublicKey] : [ObjectType.SymmetricKey]
}

interface WrapOptions extends ClientOptions {
  readonly keyId?: string | undefined
  readonly keyB64?: string | undefined
  readonly keyFile?: string | undefined
}

/** RFC 5649 §3: the initial value of key wrap with padding. */
const KWP_IV = Buffer.from('a65959a6', 'hex')
const KWP = { blockCipherMode: BlockCipherMode.AESKeyWrapPadding } as const

function kwpName(key: Buffer): string {
  if ([16, 24, 32].includes(key.length)) return `id-aes${key.length * 8}-wrap-pad`
  throw new UsageError(`The wrapping key has ${key.length} bytes; an AES key has 16, 24 or 32`)
}

function kwp(key: Buffer, data: Buffer, verb: 'wrap' | 'unwrap'): Buffer {
  const make = verb === 'wrap' ? createCipheriv : createDecipheriv
  try {
    const cipher = make(kwpName(key), key, KWP_IV)
    return Buffer.concat([cipher.update(data), cipher.final()])
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new RefusedError(`Cannot ${verb}: the key or the data is wrong`, { cause: error })
  }
}

function wrapFile(family: Family, verb: 'wrap' | 'unwrap'): Command {
  const operation = verb === 'wrap' ? 'Encrypt' : 'Decrypt'
  return withServer(new Command(verb))
    .description(`${verb} the bytes of a key in a file, by AES key wrap with padding (RFC 5649)`)
    .argument('<in>', 'where it is')
    .argument('[out]', `where the result goes; default: the same with .${verb}ped behind it`)
    .option(`-i, --${verb}-key-id <id>`, 'AES key on the server; it does not leave')
    .option(`-k, --${verb}-key-b64 <key>`, 'AES key in Base64')
    .option(`-f, --${verb}-key-file <file>`, 'file with the bytes of an AES key')
    .addHelpText(
      'after',
      `
Not there yet: keys from a password, and files in JSON.

Examples:
  claviger ${family.name} keys ${verb} --${verb}-key-id kek key.bin result.bin
  claviger ${family.name} keys ${verb} -f kek.bin key.bin`,
    )
    .action(async (from: string, to: string | undefined, _options, command: Command) => {
      const all = command.optsWithGlobals<ClientOptions & Record<string, string | undefined>>()
      const options: WrapOptions = {
        ...all,
        keyId: all[`${verb}KeyId`],
        keyB64: all[`${verb}KeyB64`],
        keyFile: all[`${verb}KeyFile`],
      }
      const data = readFileSync(from)
      const result = await transformed(data, options, verb, operation)
      const out = to ?? `${from}.${verb}ped`
      writeOutput(result, { out })
      if (out !== '-') print(options.json, { file: out }, () => `Written to ${out}`)
    })
}

async function transformed(
  data: Buffer,
  options: WrapOptions,
  verb: 'wrap' | 'unwrap',
  operation: 'Encrypt' | 'Decrypt',
): Promise<Uint8Array> {
  const { keyId, keyB64, keyFile } = options
  if ([keyId, keyB64, keyFile].filter((one) => one !== undefined).length !== 1) {
    throw new UsageError(`Give one of --${verb}-key-id, --${verb}-key-b64, --${verb}-key-file`)
  }
  if (keyB64 !== undefined) return kwp(Buffer.from(keyB64, 'base64'), data, verb)
  if (keyFile !== undefined) return kwp(readFileSync(keyFile), data, verb)
  return withClient(options, async (client) => {
    const { id } = await findHalf(client, keyId as string, 'private')
    const answer = await client.call(operation, {
      uniqueIdentifier: id,
      cryptographicParameters: KWP,
      data,
    })
    return answer.data ?? new Uint8Array(0)
  })
}

/** `keys` with its verbs. */
export function familyKeys(family: Family): Command {
  const { name, what } = family
  const keys = new Command('keys').description(`${what}, from their making to their end`)
  keys.addHelpText(
    'after',
    `
Examples:
  claviger ${name} keys create my_key
  claviger ${name} keys locate`,
  )
  const verbs = [
    create(family),
    exportKey(family),
    importKey(family),
    destroy(family),
    wrapFile(family, 'wrap'),
    wrapFile(family, 'unwrap'),
    revoke(family),
    locateKeys(family),
  ]
  for (const verb of verbs) keys.addCommand(verb)
  return keys
}
