/**
 * `claviger rsa|ec|sym keys export`.
 *
 * KMIP 2.1 §6.1.19 (Get), with a Key Wrapping Specification where the key shall leave wrapped.
 *
 * @module
 */
import { Command } from 'commander'
import { dictionaryOf } from '#spec/kmip/dictionary.ts'
import {
  BlockCipherMode,
  HashingAlgorithm,
  KeyFormatType,
  ObjectType,
  PaddingMethod,
} from '#spec/kmip/enumerations.ts'
import { OBJECT_CODERS, type ObjectInMessage } from '#spec/kmip/objects.ts'
import type { CryptographicParameters } from '#spec/kmip/structures.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import { toJson } from '#wire/ttlv/json.ts'
import { VERSION_MAX } from '#wire/ttlv/version.ts'
import { chosen } from './algorithms.ts'
import { writeOutput } from './bytes.ts'
import { withClient, withServer } from './environment.ts'
import { type Family, findIn, type KeyOptions, PUBLIC_SUFFIX, withKey } from './family.ts'
import { wrappedWith } from './family-made.ts'
import { got, gotUnwrapped } from './family-unwrap.ts'
import { pemText } from './keys-get.ts'
import { print, RefusedError, UsageError } from './output.ts'
import { valueIn } from './references.ts'

interface ExportOptions extends KeyOptions {
  readonly keyFormat: string
  readonly wrapKeyId?: string | undefined
  readonly unwrap: boolean
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
/** With an AES key in between: keys of any length. */
function hybrid(hash: HashingAlgorithm): CryptographicParameters {
  return { ...OAEP(hash), blockCipherMode: BlockCipherMode.AESKeyWrapPadding }
}
const WRAPPINGS: Readonly<Record<string, CryptographicParameters>> = {
  'aes-key-wrap-padding': { blockCipherMode: BlockCipherMode.AESKeyWrapPadding },
  'nist-key-wrap': { blockCipherMode: BlockCipherMode.NISTKeyWrap },
  'aes-gcm': { blockCipherMode: BlockCipherMode.GCM, tagLength: 16 },
  'rsa-pkcs-v15-sha1': { paddingMethod: PaddingMethod.PKCS1V1_5 },
  'rsa-pkcs-v15': { paddingMethod: PaddingMethod.PKCS1V1_5 },
  'rsa-oaep': OAEP(HashingAlgorithm.SHA_256),
  'rsa-oaep-sha1': OAEP(HashingAlgorithm.SHA_1),
  'rsa-aes-key-wrap': hybrid(HashingAlgorithm.SHA_256),
  'rsa-aes-key-wrap-sha1': hybrid(HashingAlgorithm.SHA_1),
}

export function exportKey(family: Family): Command {
  const { name, isPair } = family
  return withServer(withKey(new Command('export')))
    .description('write the value of a key into a file, if it may leave the server')
    .argument('<file>', 'where to; - for standard output')
    .option('-f, --key-format <format>', FORMAT_NAMES.join(', '), 'json-ttlv')
    .option('-w, --wrap-key-id <id>', 'wrap it with this key')
    .option('-u, --unwrap', 'as it is inside, where it was brought in wrapped', false)
    .option('-m, --wrapping-algorithm <name>', Object.keys(WRAPPINGS).join(', '))
    .option('-i, --allow-revoked', 'as it is always here: revoked keys leave as well', false)
    .addHelpText(
      'after',
      `
A sensitive key leaves only wrapped. With --unwrap a key that was brought in wrapped leaves as it
is inside, where the key that wrapped it is on the server and may be used. rsa-aes-key-wrap is
for keys that are too long for an RSA key. Not there yet: additional data for aes-gcm.

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
        if (options.unwrap && wrapKeyId !== undefined) {
          throw new UsageError('--unwrap and --wrap-key-id: give one of them')
        }
        const plain = options.unwrap ? gotUnwrapped : got
        const value =
          wrapKeyId === undefined
            ? await plain(client, found.id, format)
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

/** @throws `RefusedError` when it is not there as bytes. */
export function materialOf({ value }: ObjectInMessage): Uint8Array {
  const keyValue = 'keyBlock' in value ? value.keyBlock.keyValue : undefined
  if (keyValue === undefined) throw new RefusedError('The server does not hold the value')
  if ('wrapped' in keyValue) return keyValue.wrapped
  if (keyValue.keyMaterial.type === ItemType.ByteString) return keyValue.keyMaterial.value
  throw new RefusedError('The key is stored in parts; ask for --key-format json-ttlv')
}
