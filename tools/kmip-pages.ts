/**
 * The printed pages on KMIP's operations and attributes.
 *
 * @module
 */
import type { Keystore } from '#core/keystore.ts'
import { Keystores } from '#core/keystores.ts'
import type { Call } from '#fronts/kmip/call.ts'
import { handlerOf } from '#fronts/kmip/handlers.ts'
import { Offer } from '#fronts/kmip/offer.ts'
import { ATTRIBUTES, type ClientChange, type Setter } from '#spec/kmip/attributes.ts'
import { dictionaryOf } from '#spec/kmip/dictionary.ts'
import * as E from '#spec/kmip/enumerations.ts'
import { ExtensionOperation } from '#spec/kmip/extensions.ts'
import { OPERATIONS, type OperationName } from '#spec/kmip/operations.ts'
import { tableOf } from '#spec/kmip/table.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { VERSION_MAX, VERSIONS, versionText } from '#wire/ttlv/version.ts'
import { toXml } from '#wire/ttlv/xml.ts'
import { hex, page, table } from './markdown.ts'

/** `1.0 to 1.4`, `from 2.0`, or `all`. */
function versions(since: number, until: number): string {
  const [oldest] = VERSIONS
  if (until >= VERSION_MAX)
    return since <= (oldest as number) ? 'all' : `from ${versionText(since)}`
  return `${versionText(since)} to ${versionText(until)}`
}

const EFFECTS = {
  read: 'reads',
  use: 'uses a key',
  change: 'changes',
} as const

/** What Query answers about everything but operations, in the newest version, as XML. */
async function queryAnswer(keystore: Keystore): Promise<string> {
  const context = { services: { keystores: new Keystores([keystore]) } }
  const call = { context, version: VERSION_MAX, offer: new Offer() } as unknown as Call
  const all = tableOf(E.QueryFunction).values.map(({ value }) => value as E.QueryFunction)
  const queryFunction = all.filter((value) => value !== E.QueryFunction.QueryOperations)
  const answer = await handlerOf('Query')?.run({ queryFunction }, call)
  if (answer === undefined) throw new Error('Cannot print Query: it is not offered')
  const encoding = { version: VERSION_MAX, beyondVersion: 'drop' } as const
  const item = OPERATIONS.Query.response.encode(Tag.ResponsePayload, answer.payload, encoding)
  return toXml(item, dictionaryOf(VERSION_MAX)).trim()
}

export async function operationsPage(keystore: Keystore): Promise<string> {
  const names = Object.keys(OPERATIONS) as OperationName[]
  const rowOf = (name: OperationName) => {
    const row = tableOf(E.Operation).values.find((value) => value.name === name)
    if (row === undefined) throw new Error(`Cannot print ${name}: the enumeration lacks it`)
    return row
  }
  const offered = names.flatMap((name) => {
    const handler = handlerOf(name)
    const { value, since, until } = rowOf(name)
    if (handler === undefined) return []
    return [[name, hex(value, 2), versions(since, until), EFFECTS[handler.effect]]]
  })
  const others = names.flatMap((name) => {
    const { value, since, until } = rowOf(name)
    return handlerOf(name) === undefined ? [[name, hex(value, 2), versions(since, until)]] : []
  })
  const ours = Object.entries(ExtensionOperation).map(([name, value]) => {
    const effect = handlerOf(name as OperationName)?.effect
    return [name, hex(value, 8), effect === undefined ? '' : EFFECTS[effect]]
  })
  const counts = VERSIONS.map((version) => {
    const count = names.filter((name) => {
      const { since, until } = rowOf(name)
      return handlerOf(name) !== undefined && since <= version && version <= until
    }).length
    return [versionText(version), count]
  })
  return page(
    '# KMIP operations',
    'Rows of `fronts/kmip/handlers.ts` and of the enumeration Operation in `spec/kmip`.',
    `## Offered\n\nQuery lists those that the version of the request has. A request whose operations
all use keys may overtake others of its connection; every other one waits for its turn.`,
    table(['Operation', 'Number', 'KMIP versions', 'Effect'], offered),
    '## Not offered\n\nAnswered with Operation Not Supported.',
    table(['Operation', 'Number', 'KMIP versions'], others),
    '## Ours\n\nExtensions, in every version; Query does not list them. See [access](access.md).',
    table(['Operation', 'Number', 'Effect'], ours),
    '## How many each version has',
    table(['KMIP', 'Operations'], counts),
    `## What Query answers in KMIP ${versionText(VERSION_MAX)}, beside the operations`,
    `\`\`\`xml\n${await queryAnswer(keystore)}\n\`\`\``,
  )
}

const SETTERS: Readonly<Record<Setter, string>> = {
  client: 'client',
  server: 'server',
  either: 'client or server',
  request: 'request that makes the object',
}

const CHANGES: Readonly<Record<ClientChange, string>> = {
  never: 'never',
  always: 'always',
  preActive: 'while Pre-Active',
  untilDeactivated: 'while Pre-Active or Active',
  untilReached: 'while Pre-Active or Active, until the date',
  untilAllocated: 'until part of it is used',
}

export function attributesPage(): string {
  const rows = Object.values(ATTRIBUTES).map((row) => [
    row.text,
    hex(row.tag, 6),
    versions(row.since, row.until),
    row.multiple ? 'several' : 'one',
    SETTERS[row.setter],
    CHANGES[row.change],
    row.deletable ? 'yes' : 'no',
  ])
  return page(
    '# Attributes',
    'Rows of `spec/kmip/attributes.ts`; `core/attribute-rules.ts` applies them.',
    `"Set by" is who gives the first value, "changed" when a client may give another. Two rules are
not in the table: Sensitive only turns true, Extractable only turns false. Client attributes
(\`x-...\` in KMIP 1.x) and vendor attributes may be of any type, several, changed and deleted;
\`y-...\` belong to the server.`,
    table(['Attribute', 'Tag', 'KMIP versions', 'Values', 'Set by', 'Changed', 'Deleted'], rows),
  )
}
