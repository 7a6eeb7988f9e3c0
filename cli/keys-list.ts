/**
 * `claviger keys list`: what keys and other objects there are.
 *
 * KMIP 2.1 §6.1 (Locate, then Get Attributes for many objects in one message).
 *
 * @module
 */
import { Command } from 'commander'
import type { KmipClient } from '#clients/kmip/client.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import { ATTRIBUTES, type AttributeKey } from '#spec/kmip/attributes.ts'
import { chosen } from './algorithms.ts'
import { wholeNumber } from './bytes.ts'
import { type ClientOptions, withClient, withServer } from './environment.ts'
import { date, print, type Row, table } from './output.ts'
import {
  assertAllRead,
  isNotFound,
  locate,
  nameAttribute,
  type Unread,
  valueIn,
} from './references.ts'
import { memberName } from './values.ts'

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

export const listKeys = withServer(new Command('list'))
  .description('what keys and other objects there are')
  .option('--name <name>', 'only the one of this name')
  .option('--type <type>', 'only this type: SymmetricKey, PrivateKey, PublicKey, Certificate ...')
  .option('--algorithm <name>', 'only this algorithm: AES, RSA, EC ...')
  .option('--state <state>', 'only this state: PreActive, Active, Deactivated, Destroyed ...')
  .option('--limit <count>', 'at most so many', wholeNumber('--limit', 1, LIST_MAX), 1_000)
  .addHelpText(
    'after',
    `
Where a record of the database was altered, the others are listed, and the command fails and says
which it is; with --json it is in the list with its "error".

Examples:
  claviger keys list
  claviger keys list --state Active --algorithm AES
  claviger keys list --json | jq -r '.[].id'`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<ListOptions>()
    const wanted = filters(options)
    const { rows, unread } = await withClient(options, async (client) => {
      return describeAll(client, await locate(client, wanted, options.limit))
    })
    print(options.json, [...rows, ...unread], () => {
      if (rows.length > 0) return table(rows.map(tableRow))
      return unread.length === 0 ? 'There are none.' : ''
    })
    assertAllRead(unread)
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

interface Described {
  readonly rows: readonly Summary[]
  readonly unread: readonly Unread[]
}

async function describeAll(client: KmipClient, ids: readonly string[]): Promise<Described> {
  const rows: Summary[] = []
  const unread: Unread[] = []
  for (let at = 0; at < ids.length; at += BATCH_MAX) {
    const part = ids.slice(at, at + BATCH_MAX)
    const requests = part.map((uniqueIdentifier) => ({
      operation: 'GetAttributes' as const,
      payload: { uniqueIdentifier, attributeRefs: COLUMNS },
    }))
    const results = await client.batch(requests, { onError: 'continue' })
    for (const [index, result] of results.entries()) {
      const id = part[index] as string
      if (result.ok) rows.push(summary(id, result.payload as Answer))
      // An object that went away meanwhile is not there any more.
      else if (!isNotFound(result.error)) unread.push({ id, error: result.error.message })
    }
  }
  return { rows, unread }
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
