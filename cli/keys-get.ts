/**
 * `claviger keys get`: the value of a key, as it is or in PEM (RFC 7468).
 *
 * KMIP 2.1 §6.1 (Get). A key that may not leave the server is refused by the server.
 *
 * @module
 */
import { Command } from 'commander'
import type { KmipClient } from '#clients/kmip/client.ts'
import { KeyFormatType, ObjectType } from '#spec/kmip/enumerations.ts'
import { nameOf } from '#spec/kmip/table.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import { chosen } from './algorithms.ts'
import { assertOutput, giveOutput, type OutputOptions, withOutput } from './bytes.ts'
import { type ClientOptions, withClient, withServer } from './environment.ts'
import { RefusedError } from './output.ts'
import { type Found, findKey, KEY_HELP, valueIn } from './references.ts'

interface GetOptions extends ClientOptions, OutputOptions {
  readonly format?: string | undefined
}

/** Key formats by the words of `--format`; PEM is DER in letters. */
const FORMATS = {
  raw: KeyFormatType.Raw,
  pkcs1: KeyFormatType.PKCS_1,
  pkcs8: KeyFormatType.PKCS_8,
  spki: KeyFormatType.X_509,
  sec1: KeyFormatType.ECPrivateKey,
} as const
const FORMAT_NAMES = ['pem', ...Object.keys(FORMATS)] as ('pem' | keyof typeof FORMATS)[]

/** What PEM calls the objects that have it, and the key format beneath. */
const PEM: Readonly<Record<number, { readonly label: string; readonly format?: KeyFormatType }>> = {
  [ObjectType.PrivateKey]: { label: 'PRIVATE KEY', format: KeyFormatType.PKCS_8 },
  [ObjectType.PublicKey]: { label: 'PUBLIC KEY', format: KeyFormatType.X_509 },
  [ObjectType.Certificate]: { label: 'CERTIFICATE' },
  [ObjectType.CertificateRequest]: { label: 'CERTIFICATE REQUEST' },
}

export const get = withOutput(withServer(new Command('get')))
  .description('the value of a key, if it may leave the server')
  .argument('<key>', KEY_HELP)
  .option('--format <format>', `${FORMAT_NAMES.join(', ')}; default: pem for pairs, else raw`)
  .addHelpText(
    'after',
    `
A sensitive key does not leave; the audit trail says who has got which key. Files are written for
their owner only.

Examples:
  claviger keys get first --hex
  claviger keys get signer --format pem --out signer.key
  claviger keys get signer.pub > signer.pem`,
  )
  .action(async (called: string, _options, command: Command) => {
    const options = command.optsWithGlobals<GetOptions>()
    const { format: text } = options
    const wanted = text === undefined ? undefined : chosen(FORMAT_NAMES, text, '--format')
    await withClient(options, async (client) => {
      const found = await findKey(client, called)
      const type = valueIn(found.attributes, 'objectType') ?? 0
      const pem = wanted === undefined || wanted === 'pem' ? PEM[type] : undefined
      if (wanted === 'pem' && pem === undefined) {
        const what = `"${called}" is a ${nameOf(ObjectType, type)} and has no PEM`
        throw new RefusedError(`${what}; ask for --format raw`)
      }
      if (pem === undefined) assertOutput(options, options.json)
      const keyFormatType = wanted === undefined || wanted === 'pem' ? pem?.format : FORMATS[wanted]
      const value = await valueOfObject(client, found, keyFormatType)
      const isPlain = pem === undefined || options.hex || options.base64
      const bytes = isPlain ? value : Buffer.from(pemText(pem.label, value))
      const texts = { value: Buffer.from(value).toString('base64') }
      giveOutput(bytes, options, { id: found.id }, texts)
    })
  })

export function pemText(label: string, der: Uint8Array): string {
  const text = Buffer.from(der)
    .toString('base64')
    .replace(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN ${label}-----\n${text}\n-----END ${label}-----\n`
}

async function valueOfObject(
  client: KmipClient,
  { id, called }: Found,
  keyFormatType: KeyFormatType | undefined,
): Promise<Uint8Array> {
  const { object } = await client.call('Get', { uniqueIdentifier: id, keyFormatType })
  if (object.tag === Tag.Certificate) return object.value.certificateValue
  if (object.tag === Tag.CertificateRequest) return object.value.certificateRequestValue
  if (object.tag === Tag.OpaqueObject) return object.value.opaqueDataValue
  if (object.tag === Tag.Template) throw new RefusedError(`"${called}" is a template: no value`)
  const value = object.value.keyBlock.keyValue
  if (value === undefined) throw new RefusedError(`"${called}": the server does not hold its value`)
  if ('wrapped' in value) return value.wrapped
  if (value.keyMaterial.type === ItemType.ByteString) return value.keyMaterial.value
  const what = `"${called}" is stored in parts`
  throw new RefusedError(`${what}; ask for one of --format ${FORMAT_NAMES.join(', ')}`)
}
