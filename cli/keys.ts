/**
 * `claviger keys`: what keys there are, and their life from activation to destruction.
 *
 * KMIP 2.1 §6.1 by name of the operation, §4.57 (State). Keys are called by name or unique
 * identifier.
 *
 * @module
 */
import { Command } from 'commander'
import type { KmipClient } from '#clients/kmip/client.ts'
import type { AttributeId, ListedAttribute } from '#spec/kmip/attribute-list.ts'
import { isVendorKey } from '#spec/kmip/attribute-list.ts'
import { ATTRIBUTES, type AttributeKey } from '#spec/kmip/attributes.ts'
import { KeyFormatType, ObjectType, RevocationReasonCode, State } from '#spec/kmip/enumerations.ts'
import { nameOf } from '#spec/kmip/table.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import { chosen } from './algorithms.ts'
import { assertOutput, type OutputOptions, wholeNumber, withOutput, writeOutput } from './bytes.ts'
import { type ClientOptions, withClient, withServer } from './environment.ts'
import { create, register } from './keys-create.ts'
import { date, list as lines, print, RefusedError, type Row, table, UsageError } from './output.ts'
import { attributesOf, type Found, findKey, locate, nameAttribute, valueIn } from './references.ts'
import {
  attributeCalled,
  attributeGiven,
  attributeLines,
  attributesObject,
  memberName,
} from './values.ts'

const KEY = 'name or unique identifier of the key'

interface ListOptions extends ClientOptions {
  readonly name?: string | undefined
  readonly type?: string | undefined
  readonly algorithm?: string | undefined
  readonly state?: string | undefined
  readonly limit: number
}

const LIST_MAX = 10_000
/** Objects whose attributes one message asks for. */
const BATCH_MAX = 100
const COLUMNS: readonly AttributeKey[] = [
  'name',
  'alternativeName',
  'objectType',
  'cryptographicAlgorithm',
  'cryptographicLength',
  'state',
  'initialDate',
]

const listKeys = withServer(new Command('list'))
  .description('what keys and other objects there are')
  .option('--name <name>', 'only the one of this name')
  .option('--type <type>', 'only this type: SymmetricKey, PrivateKey, PublicKey, Certificate ...')
  .option('--algorithm <name>', 'only this algorithm: AES, RSA, EC ...')
  .option('--state <state>', 'only this state: PreActive, Active, Deactivated, Destroyed ...')
  .option('--limit <count>', 'at most so many', wholeNumber('--limit', 1, LIST_MAX), 1_000)
  .addHelpText(
    'after',
    `
Examples:
  claviger keys list
  claviger keys list --state Active --algorithm AES
  claviger keys list --json | jq -r '.[].id'`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<ListOptions>()
    const wanted = filters(options)
    const rows = await withClient(options, async (client) => {
      return describeAll(client, await locate(client, wanted, options.limit))
    })
    print(options.json, rows, () => {
      return rows.length === 0 ? 'There are none.' : table(rows.map(tableRow))
    })
  })

/**
 * Initial Date is a number of seconds for machines and a date for people. An Alternative Name, such
 * as the label that a public key shares with its private key, is in brackets: nothing is found by
 * it.
 */
function tableRow({ name, alternativeName, created, id, ...row }: Summary): Row {
  const shown = name === '' && alternativeName !== '' ? `(${alternativeName})` : name
  return { name: shown, ...row, created: date(created), id }
}

function filters({ name, type, algorithm, state }: ListOptions): readonly ListedAttribute[] {
  const member = (key: AttributeKey, text: string | undefined): ListedAttribute[] => {
    if (text === undefined) return []
    const { members = {} } = ATTRIBUTES[key] as { members?: Readonly<Record<string, number>> }
    return [{ id: key, value: members[chosen(Object.keys(members), text, key)] }]
  }
  return [
    ...(name === undefined ? [] : [nameAttribute(name)]),
    ...member('objectType', type),
    ...member('cryptographicAlgorithm', algorithm),
    ...member('state', state),
  ]
}

interface Summary {
  readonly name: string
  readonly alternativeName: string
  readonly type: string
  readonly algorithm: string
  readonly length: number | undefined
  readonly state: string
  readonly created: number | undefined
  readonly id: string
}

async function describeAll(client: KmipClient, ids: readonly string[]): Promise<Summary[]> {
  const summaries: Summary[] = []
  for (let at = 0; at < ids.length; at += BATCH_MAX) {
    const part = ids.slice(at, at + BATCH_MAX)
    const requests = part.map((uniqueIdentifier) => ({
      operation: 'GetAttributes' as const,
      payload: { uniqueIdentifier, attributeRefs: COLUMNS },
    }))
    const results = await client.batch(requests, { onError: 'continue' })
    for (const [index, result] of results.entries()) {
      // An object that went away meanwhile is not there any more.
      if (result.ok) summaries.push(summary(part[index] as string, result.payload as Answer))
    }
  }
  return summaries
}

interface Answer {
  readonly attribute: readonly ListedAttribute[]
  readonly attributes?: { readonly attributes: readonly ListedAttribute[] } | undefined
}

function summary(id: string, { attribute, attributes }: Answer): Summary {
  const all = attributes?.attributes ?? attribute
  const textOf = (key: AttributeKey, part: string): string => {
    const values = all.filter((one) => one.id === key).map(({ value }) => value)
    return values.map((value) => (value as Readonly<Record<string, string>>)[part]).join(' ')
  }
  return {
    name: textOf('name', 'nameValue'),
    alternativeName: textOf('alternativeName', 'alternativeNameValue'),
    type: memberName('objectType', valueIn(all, 'objectType')),
    algorithm: memberName('cryptographicAlgorithm', valueIn(all, 'cryptographicAlgorithm')),
    length: valueIn(all, 'cryptographicLength'),
    state: memberName('state', valueIn(all, 'state')),
    created: valueIn(all, 'initialDate'),
    id,
  }
}

const show = withServer(new Command('show'))
  .description('everything that is known of a key, but not its value')
  .argument('<key>', KEY)
  .addHelpText(
    'after',
    `
Examples:
  claviger keys show first
  claviger keys show first --json`,
  )
  .action(async (called: string, _options, command: Command) => {
    const options = command.optsWithGlobals<ClientOptions>()
    await withClient(options, async (client) => {
      const { id } = await findKey(client, called)
      showAttributes(options.json, id, await attributesOf(client, id))
    })
  })

function showAttributes(json: boolean, id: string, attributes: readonly ListedAttribute[]): void {
  print(json, { id, attributes: attributesObject(attributes) }, () => attributeLines(attributes))
}

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

const get = withOutput(withServer(new Command('get')))
  .description('the value of a key, if it may leave the server')
  .argument('<key>', KEY)
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
      if (options.json) return sayValue(found, value)
      if (pem === undefined || options.hex || options.base64) return writeOutput(value, options)
      writeOutput(Buffer.from(pemText(pem.label, value)), options)
    })
  })

function sayValue(found: Found, value: Uint8Array): void {
  print(true, { id: found.id, value: Buffer.from(value).toString('base64') }, () => '')
}

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

const activate = withServer(new Command('activate'))
  .description('make a key usable that was created with --pre-active')
  .argument('<key>', KEY)
  .addHelpText(
    'after',
    `
Examples:
  claviger keys activate later`,
  )
  .action(async (called: string, _options, command: Command) => {
    const options = command.optsWithGlobals<ClientOptions>()
    await withClient(options, async (client) => {
      const { id } = await findKey(client, called)
      await client.call('Activate', { uniqueIdentifier: id })
      await sayState(options.json, client, id)
    })
  })

async function sayState(json: boolean, client: KmipClient, id: string): Promise<void> {
  const state = memberName('state', valueIn(await attributesOf(client, id, ['state']), 'state'))
  print(json, { id, state }, () => lines({ id, state }))
}

export const REASONS = Object.keys(RevocationReasonCode) as (keyof typeof RevocationReasonCode)[]
const REASON_HELP = `why: ${REASONS.join(', ')}`

export async function revokeKey(
  client: KmipClient,
  id: string,
  reason: string,
  revocationMessage?: string,
): Promise<void> {
  const code = RevocationReasonCode[chosen(REASONS, reason, 'reason')]
  const revocationReason = { revocationReasonCode: code, revocationMessage }
  await client.call('Revoke', { uniqueIdentifier: id, revocationReason })
}

const revoke = withServer(new Command('revoke'))
  .description('end the use of a key: it protects nothing new from now on')
  .argument('<key>', KEY)
  .option('--reason <reason>', REASON_HELP, 'Unspecified')
  .option('--message <text>', 'a note that is kept with the key')
  .addHelpText(
    'after',
    `
KeyCompromise and CACompromise make the key Compromised, other reasons Deactivated.

Examples:
  claviger keys revoke first
  claviger keys revoke signer --reason KeyCompromise --message "laptop stolen"`,
  )
  .action(async (called: string, _options, command: Command) => {
    const options = command.optsWithGlobals<RevokeOptions>()
    chosen(REASONS, options.reason, '--reason')
    await withClient(options, async (client) => {
      const { id } = await findKey(client, called)
      await revokeKey(client, id, options.reason, options.message)
      await sayState(options.json, client, id)
    })
  })

interface RevokeOptions extends ClientOptions {
  readonly reason: string
  readonly message?: string | undefined
}

interface DestroyOptions extends ClientOptions {
  readonly revoke?: string | undefined
}

const destroy = withServer(new Command('destroy'))
  .description('destroy the value of a key for ever; its attributes stay as a record')
  .argument('<key>', KEY)
  .option('--revoke <reason>', `revoke it first, if it is active; ${REASON_HELP}`)
  .addHelpText(
    'after',
    `
What the key has encrypted is lost with it. An active key must be revoked first.

Examples:
  claviger keys revoke first && claviger keys destroy first
  claviger keys destroy first --revoke CessationOfOperation`,
  )
  .action(async (called: string, _options, command: Command) => {
    const options = command.optsWithGlobals<DestroyOptions>()
    if (options.revoke !== undefined) chosen(REASONS, options.revoke, '--revoke')
    await withClient(options, async (client) => {
      const found = await findKey(client, called)
      await revokeFirst(client, found, options.revoke)
      await client.call('Destroy', { uniqueIdentifier: found.id })
      print(options.json, { id: found.id, state: 'Destroyed' }, () => {
        return lines({ id: found.id, state: 'Destroyed' })
      })
    })
  })

async function revokeFirst(
  client: KmipClient,
  { id, called, attributes }: Found,
  reason: string | undefined,
): Promise<void> {
  if (valueIn(attributes, 'state') !== State.Active) return
  if (reason !== undefined) return revokeKey(client, id, reason)
  const hint = `claviger keys destroy ${called} --revoke CessationOfOperation`
  throw new RefusedError(
    `Cannot destroy "${called}": it is active. Revoke it first, or do both with: ${hint}`,
  )
}

interface AttributeOptions extends ClientOptions {
  readonly set: readonly string[]
  readonly add: readonly string[]
  readonly delete: readonly string[]
}

const repeated = (given: string, before: readonly string[]): readonly string[] => [...before, given]

const attributes = withServer(new Command('attributes'))
  .description('show, add, change and delete attributes of a key')
  .argument('<key>', KEY)
  .option('--set <name=value>', 'give it this value, whether it has one or not', repeated, [])
  .option('--add <name=value>', 'add an instance', repeated, [])
  .option('--delete <name>', 'delete it with all its instances', repeated, [])
  .addHelpText(
    'after',
    `
Names are those of KMIP; your own begin with x-. Deletions come first, then values.

Examples:
  claviger keys attributes first
  claviger keys attributes first --set Description="customer data" --set x-team=payments
  claviger keys attributes first --set Name=better-name
  claviger keys attributes first --add Name=second-name --delete x-team`,
  )
  .action(async (called: string, _options, command: Command) => {
    const options = command.optsWithGlobals<AttributeOptions>()
    const gone = options.delete.map(attributeCalled)
    const [set, added] = [options.set.map(attributeGiven), options.add.map(attributeGiven)]
    await withClient(options, async (client) => {
      const { id } = await findKey(client, called)
      for (const attribute of gone) await deleteAll(client, id, attribute)
      for (const attribute of set) await setOne(client, id, attribute)
      for (const newAttribute of added) {
        await client.call('AddAttribute', { uniqueIdentifier: id, newAttribute })
      }
      showAttributes(options.json, id, await attributesOf(client, id))
    })
  })

/** KMIP 1.x deletes by name and index, 2.x by reference. */
async function deleteAll(client: KmipClient, id: string, attribute: AttributeId): Promise<void> {
  if ((await client.version()) >= 20) {
    await client.call('DeleteAttribute', { uniqueIdentifier: id, attributeReference: attribute })
    return
  }
  for (const { index } of await instances(client, id, attribute)) {
    const request = { uniqueIdentifier: id, attributeName: attribute, attributeIndex: index }
    await client.call('DeleteAttribute', request)
  }
}

async function instances(client: KmipClient, id: string, attribute: AttributeId) {
  return (await attributesOf(client, id, [attribute])).filter((one) => one.id === attribute)
}

async function setOne(client: KmipClient, id: string, attribute: ListedAttribute): Promise<void> {
  const present = await instances(client, id, attribute.id)
  const [first, second] = present
  if (second !== undefined) {
    const what = `It has ${present.length} values of ${attribute.id}, and --set replaces one`
    throw new UsageError(`${what}; delete them with --delete, then --add the new ones`)
  }
  if (first === undefined) {
    await client.call('AddAttribute', { uniqueIdentifier: id, newAttribute: attribute })
    return
  }
  const several = isVendorKey(attribute.id) || ATTRIBUTES[attribute.id].multiple
  const modern = (await client.version()) >= 20
  await client.call('ModifyAttribute', {
    uniqueIdentifier: id,
    currentAttribute: modern && several ? first : undefined,
    newAttribute: modern ? attribute : { ...attribute, index: first.index },
  })
}

const lease = withServer(new Command('lease'))
  .description('ask for how long a key that one has got may be used without asking again')
  .argument('<key>', KEY)
  .addHelpText(
    'after',
    `
A lease of 0 seconds has no limit. A compromised key is not leased.

Examples:
  claviger keys lease first`,
  )
  .action(async (called: string, _options, command: Command) => {
    const options = command.optsWithGlobals<ClientOptions>()
    await withClient(options, async (client) => {
      const { id } = await findKey(client, called)
      const answer = await client.call('ObtainLease', { uniqueIdentifier: id })
      const { leaseTime: seconds, lastChangeDate: changed } = answer
      print(options.json, { id, seconds, changed }, () => {
        return lines({ id, seconds, changed: date(changed) })
      })
    })
  })

const ALLOCATION_MAX = Number.MAX_SAFE_INTEGER

const allocate = withServer(new Command('allocate'))
  .description('take uses from the Usage Limits of a key, for work that is done elsewhere')
  .argument('<key>', KEY)
  .argument(
    '<count>',
    'bytes or objects, by the unit of the limits',
    wholeNumber('count', 1, ALLOCATION_MAX),
  )
  .addHelpText(
    'after',
    `
All of it is taken, or nothing and the exit code is 1. The server's own Encrypt, Sign and MAC count
by themselves.

Examples:
  claviger keys allocate first 1000000`,
  )
  .action(async (called: string, count: number, _options, command: Command) => {
    const options = command.optsWithGlobals<ClientOptions>()
    await withClient(options, async (client) => {
      const { id } = await findKey(client, called)
      const usageLimitsCount = BigInt(count)
      await client.call('GetUsageAllocation', { uniqueIdentifier: id, usageLimitsCount })
      const limits = valueIn(await attributesOf(client, id, ['usageLimits']), 'usageLimits')
      const left = limits?.usageLimitsCount
      print(options.json, { id, left }, () => lines({ id, left: left?.toString() }))
    })
  })

export const keys = new Command('keys').description('keys and other objects').addHelpText(
  'after',
  `
Examples:
  claviger keys create --name first
  claviger keys list
  claviger keys destroy first --revoke CessationOfOperation`,
)
const commands = [
  create,
  register,
  listKeys,
  show,
  get,
  attributes,
  lease,
  allocate,
  activate,
  revoke,
  destroy,
]
for (const command of commands) keys.addCommand(command)
