/**
 * Prints the pages of `docs/` that are tables: operations, attributes, algorithms, commands,
 * configuration, limits, rules of PKCS#11, and the JSON Schema of the configuration.
 *
 * Each comes from the rows that the program itself works with; `tools/docs.test.ts` sees to it that
 * the committed pages are what this prints. Run `node tools/print-docs.ts` after changing a table.
 *
 * @module
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { OTHER_VARIABLES } from '#cli/config.ts'
import { program } from '#cli/program.ts'
import { Keystores } from '#core/keystores.ts'
import { LIMITS } from '#core/limits.ts'
import { DATA_KEY_BYTES, Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import type { Call } from '#fronts/kmip/call.ts'
import { handlerOf } from '#fronts/kmip/handlers.ts'
import { Offer } from '#fronts/kmip/offer.ts'
import { type AttributeRow, CLASSES, tableFor } from '#fronts/pkcs11/objects/table.ts'
import { RULES, type Rule } from '#fronts/pkcs11/rule-table.ts'
import { SoftwareKeystore } from '#keystores/software/software.ts'
import { configSchema, variableName } from '#server/config.ts'
import {
  CIPHERS,
  type CipherRow,
  CURVES,
  type CurveRow,
  HASHES,
  MACS,
  type MacRow,
  PAIRS,
  type PairRow,
  SECRET_KEYS,
  type SecretKeyRow,
  SIGNATURES,
  type SignatureRow,
} from '#spec/algorithms.ts'
import { ATTRIBUTES, type ClientChange, type Setter } from '#spec/kmip/attributes.ts'
import { dictionaryOf } from '#spec/kmip/dictionary.ts'
import * as E from '#spec/kmip/enumerations.ts'
import { ExtensionOperation } from '#spec/kmip/extensions.ts'
import { OPERATIONS, type OperationName } from '#spec/kmip/operations.ts'
import { nameOf, tableOf } from '#spec/kmip/table.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { VERSION_MAX, VERSIONS, versionText } from '#wire/ttlv/version.ts'
import { toXml } from '#wire/ttlv/xml.ts'
import { code, hex, page, type Row, table } from './markdown.ts'
import { functionsPage, mechanismsPage } from './pkcs11-pages.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

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

/** A keystore that is asked what it can do, and nothing else. */
function softwareKeystore(): SoftwareKeystore {
  using key = new Secret(new Uint8Array(DATA_KEY_BYTES))
  return new SoftwareKeystore('software', new Sealer(new Map([[1, key]])))
}

/** What Query answers about everything but operations, in the newest version, as XML. */
async function queryAnswer(): Promise<string> {
  const context = { services: { keystores: new Keystores([softwareKeystore()]) } }
  const call = { context, version: VERSION_MAX, offer: new Offer() } as unknown as Call
  const all = tableOf(E.QueryFunction).values.map(({ value }) => value as E.QueryFunction)
  const queryFunction = all.filter((value) => value !== E.QueryFunction.QueryOperations)
  const answer = await handlerOf('Query')?.run({ queryFunction }, call)
  if (answer === undefined) throw new Error('Cannot print Query: it is not offered')
  const encoding = { version: VERSION_MAX, beyondVersion: 'drop' } as const
  const item = OPERATIONS.Query.response.encode(Tag.ResponsePayload, answer.payload, encoding)
  return toXml(item, dictionaryOf(VERSION_MAX)).trim()
}

async function operationsPage(): Promise<string> {
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
    `\`\`\`xml\n${await queryAnswer()}\n\`\`\``,
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

function attributesPage(): string {
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

/** Footnotes of PKCS#11 in words; 2, 4 and 6 together are "the token". */
const NOTES: Readonly<Record<number, string>> = {
  1: 'must be given to create',
  2: 'not given to create',
  3: 'must be given to generate',
  4: 'not given to generate',
  5: 'must be given to unwrap',
  6: 'not given to unwrap',
  9: 'token-specific default',
}

function notesText({ notes }: AttributeRow): string {
  const isTokens = [2, 4, 6].every((one) => notes.has(one))
  if (isTokens) return 'set by the token'
  return [...notes].flatMap((note) => NOTES[note] ?? []).join('; ')
}

function changeText({ notes }: AttributeRow): string {
  if (notes.has(10)) return 'by the security officer'
  if (!notes.has(8)) return 'never'
  if (notes.has(11)) return 'to true'
  return notes.has(12) ? 'to false' : 'always'
}

function homeText({ home, name }: AttributeRow): string {
  if ('mask' in home) {
    return `bit ${nameOf(E.CryptographicUsageMask, home.mask)} of Cryptographic Usage Mask`
  }
  if ('kmip' in home) return ATTRIBUTES[home.kmip].text
  if ('material' in home) return `the material: ${home.material}`
  if ('computed' in home) return home.computed
  const usual = home.usual === undefined ? '' : `, usually ${home.usual}`
  return name === 'PRIVATE'
    ? `${home.vendor.replace(':', '-')}, usually true for private and secret keys`
    : `${home.vendor.replace(':', '-')}${usual}`
}

function pkcs11AttributesPage(): string {
  const sections = CLASSES.map(([title, kind, family]) => {
    const rows = [...tableFor(kind, family).values()].map((row) => [
      `CKA_${row.name}`,
      homeText(row),
      notesText(row),
      changeText(row),
      row.notes.has(7) ? 'yes' : '',
    ])
    const head = ['Attribute', 'Where it lives', 'Given', 'Changed', 'Hidden']
    return `## ${title}\n\n${table(head, rows)}`
  })
  return page(
    '# Attributes of PKCS#11',
    'Rows of `fronts/pkcs11/objects/table.ts`, which the functions of objects apply.',
    `A token object is an object of KMIP: each attribute has one home, so that a change by one front
is seen by the other. What KMIP has no place for is a vendor attribute: \`x-CKA_...\`, which clients
of KMIP may set, or \`y-CKA_...\`, which belongs to the server. "Hidden" values are not revealed
where CKA_SENSITIVE is true or CKA_EXTRACTABLE is false.`,
    `Where two flags share a bit (CKA_SIGN and CKA_SIGN_RECOVER), \`y-CKA_...\` keeps what an
application has said otherwise. A label that is another object's Name becomes an Alternative Name.
Keys are active at once, unless CKA_START_DATE lies ahead; C_DestroyObject revokes an active
key (Cessation of Operation) and destroys it.`,
    `Defaults that the standard leaves to the token: CKA_PRIVATE is true for private and secret
keys; CKA_SENSITIVE is true for private keys and false for secret keys; CKA_EXTRACTABLE is false;
a key
may do what its type is for; CKA_WRAP, CKA_UNWRAP and CKA_DERIVE are false, but CKA_DERIVE is true
for keys that can do nothing else. CKA_DECRYPT is false where CKA_WRAP is asked for, and CKA_ENCRYPT
where CKA_UNWRAP is: no key has both.`,
    ...sections,
  )
}

function algorithmsPage(): string {
  return page(
    '# Algorithms',
    `Rows of \`spec/algorithms/\`. A dash: the protocol has no number for it. KMIP numbers above
those of version 2.1 (ML-KEM, ML-DSA, SLH-DSA) are of the drafts of KMIP 3.0; see
[the decision](../decisions/0006-draft-numbers.md).`,
    '## Secret keys\n\nThe first length is the default.',
    table(['Algorithm', 'KMIP', 'Bits'], Object.entries(SECRET_KEYS).map(secretRow)),
    '## Key pairs\n\nNo bits: the algorithm or its curve says them.',
    table(['Algorithm', 'KMIP', 'Bits', 'For'], Object.entries(PAIRS).map(pairRow)),
    '## Curves\n\nWhere a request names none, Cryptographic Length alone means the curve of NIST.',
    table(
      ['Curve', 'KMIP', 'Bits', 'Length alone', 'OpenSSL'],
      Object.entries<CurveRow>(CURVES).map(([name, { kmip, bits, byLength, node }]) => {
        return [name, hex(kmip, 2), bits, byLength ? 'yes' : '', code(node)]
      }),
    ),
    '## Ciphers and key wrapping',
    table(
      ['Cipher', 'Block Cipher Mode', 'Padding Method', 'IV bytes', 'Tag bytes', 'Wraps keys'],
      Object.entries(CIPHERS).map(cipherRow),
    ),
    '## Signatures',
    table(
      ['Scheme', 'Input', 'Hashes with a number in KMIP'],
      Object.entries(SIGNATURES).map(signatureRow),
    ),
    '## Message authentication codes',
    table(['MAC', 'KMIP', 'Block Cipher Mode', 'Bytes'], Object.entries(MACS).map(macRow)),
    '## Hashes',
    table(
      ['Hash', 'KMIP', 'Bytes'],
      Object.entries(HASHES).map(([name, { kmip, bytes }]) => [name, hex(kmip, 2), bytes]),
    ),
  )
}

function numbers(values: readonly number[]): string {
  return values.map((value) => hex(value, 2)).join(', ')
}

function secretRow([name, { kmip, bits, anyBits }]: [string, SecretKeyRow]): Row {
  const lengths = bits.join(', ')
  return [
    name,
    numbers(kmip),
    anyBits ? `${lengths}, or other whole bytes from 8 bits on` : lengths,
  ]
}

function pairRow([name, { kmip, bits, importBitsMin, importOnly, does }]: [string, PairRow]): Row {
  const made = importOnly ? 'none made' : bits.join(', ') || '-'
  const lengths = importBitsMin === undefined ? made : `${made}; imported from ${importBitsMin} on`
  return [name, numbers(kmip), lengths, does.join(', ')]
}

function cipherRow([name, row]: [string, CipherRow]): Row {
  const { mode, padding, ivBytes, anyIv, tagBytes = [], wraps } = row
  const iv = ivBytes.join(', ') || '-'
  return [
    name,
    mode === undefined ? '-' : nameOf(E.BlockCipherMode, mode),
    padding === undefined ? '-' : nameOf(E.PaddingMethod, padding),
    anyIv ? `${iv}, or any` : iv,
    tagBytes.join(', ') || '-',
    wraps ? 'yes' : '-',
  ]
}

const INPUTS = { digest: 'message or digest', whole: 'message', raw: 'block' } as const

function signatureRow([name, { input, kmipWith = {} }]: [string, SignatureRow]): Row {
  return [name, INPUTS[input], Object.keys(kmipWith).join(', ') || '-']
}

function macRow([name, { kmip, mode, bytes }]: [string, MacRow]): Row {
  const number = kmip === undefined ? '-' : hex(kmip, 2)
  return [name, number, mode === undefined ? '-' : nameOf(E.BlockCipherMode, mode), bytes]
}

/** What of JSON Schema the configuration uses. */
interface Schema {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly minimum?: number
  readonly maximum?: number
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly oneOf?: readonly Schema[]
  readonly anyOf?: readonly Schema[]
}

function configurationPage(): string {
  return page(
    '# Configuration',
    `Keys of \`claviger.yaml\`, from the schema in \`server/config.ts\`. The file is the one that
\`--config\` names, else \`claviger.yaml\` in the data directory; without one the defaults hold. An
environment variable wins over the file, an option of the command line over both. An unknown key or
a wrong value refuses the start, with file, line and key. Editors find the schema in
[claviger.schema.json](claviger.schema.json).`,
    ...sections(configSchema() as Schema),
    '## Variables without a key',
    table(
      ['Variable', 'Meaning'],
      OTHER_VARIABLES.map(({ name, description }) => [code(name), description]),
    ),
  )
}

function sections({ properties = {} }: Schema): readonly string[] {
  return Object.entries(properties).map(([key, schema]) => {
    if (key === 'limits') return '## limits\n\nSee [limits.md](limits.md).'
    const rows = settings(schema, [key])
    const head = ['Key', 'Variable', 'Default', 'Allowed', 'Meaning']
    return `## ${key}\n\n${schema.description ?? ''}\n\n${table(head, rows)}`
  })
}

function settings(schema: Schema, path: readonly string[]): readonly Row[] {
  if (schema.properties !== undefined) {
    return Object.entries(schema.properties).flatMap(([key, inner]) =>
      settings(inner, [...path, key]),
    )
  }
  return [setting(path.join('.'), code(variableName(path)), schema), ...entriesOf(schema, path)]
}

/** Entries of a list have no variables of their own: the list is given as a whole. */
function entriesOf({ items }: Schema, path: readonly string[]): readonly Row[] {
  const kinds = items?.oneOf ?? (items === undefined ? [] : [items])
  const seen = new Set<string>()
  const fields = kinds.flatMap(({ properties = {} }) => Object.entries(properties))
  return fields.flatMap(([key, inner]) => {
    const at = [...path.slice(0, -1), `${path.at(-1)}[]`, key]
    const name = at.join('.')
    // What tells the kinds of a list apart stands once for each of them.
    if (seen.has(name) && inner.const === undefined) return []
    seen.add(name)
    const further = Object.entries(inner.properties ?? {}).map(([last, one]) => {
      return setting([...at, last].join('.'), '-', one)
    })
    return [setting(name, '-', inner), ...further, ...entriesOf(inner, at)]
  })
}

function setting(key: string, variable: string, schema: Schema): Row {
  const fallback = schema.default === undefined ? '-' : code(JSON.stringify(schema.default))
  return [code(key), variable, fallback, allowed(schema), schema.description ?? '']
}

/** More of them are not printed in a cell: the schema has them. */
const NAMES_MAX = 12

function allowed({ type, enum: values, const: only, items, anyOf = [] }: Schema): string {
  if (values !== undefined) return values.map(String).map(code).join(', ')
  if (only !== undefined) return code(String(only))
  if (type === undefined) return anyOf.map((one) => one.type).join(' or ')
  if (type !== 'array') return type
  const names = items?.enum?.map(String) ?? []
  if (names.length > NAMES_MAX) return 'list of names of KMIP'
  if (names.length > 0) return `list of ${names.map(code).join(', ')}`
  return `list of ${items?.type ?? 'object'}s`
}

function limitsPage(): string {
  const rows = Object.entries(LIMITS).map(([name, { default: value, min, max, unit, what }]) => {
    const variable = variableName(['limits', name])
    return [code(`limits.${name}`), code(variable), value, `${min} to ${max}`, unit, what]
  })
  return page(
    '# Limits',
    'Rows of `core/limits.ts`; keys of the section `limits` of `claviger.yaml`.',
    table(['Key', 'Variable', 'Default', 'Allowed', 'Unit', 'What'], rows),
  )
}

function commandsPage(): string {
  const global = program.options.map(({ flags, description }) => [code(flags), description])
  const groups = program.commands.map((command) => {
    const rows = leaves(command, 'claviger').map(([path, leaf]) => {
      const words = leaf.registeredArguments.map((argument) => {
        return argument.required ? `<${argument.name()}>` : `[${argument.name()}]`
      })
      const options = leaf.options.map(({ flags }) => code(flags)).join(', ')
      return [code([path, ...words].join(' ')), leaf.description(), options || '-']
    })
    return `## ${command.name()}\n\n${table(['Command', 'What it does', 'Options'], rows)}`
  })
  return page(
    '# Commands',
    'Commands of `cli/program.ts`; `--help` behind any of them says more, with examples.',
    `## All commands\n\n${table(['Option', 'Meaning'], global)}`,
    ...groups,
  )
}

/** Commands without further ones below, with their names from the first on. */
function leaves(command: Command, above: string): readonly (readonly [string, Command])[] {
  const path = `${above} ${command.name()}`
  if (command.commands.length === 0) return [[path, command]]
  return command.commands.flatMap((inner) => leaves(inner, path))
}

function rulesPage(): string {
  const rows = Object.entries<Rule>(RULES).map(([name, row]) => {
    const { refuses, prevents, source, rv, isFixed, isOff } = row
    const key = isFixed ? 'none' : `${code(`pkcs11.rules.${name}`)}${isOff ? ', off' : ''}`
    return [code(name), refuses, prevents, code(`CKR_${rv}`), source, key]
  })
  return page(
    '# Rules against attacks on PKCS#11',
    'Rules of `fronts/pkcs11/rule-table.ts`. PKCS#11 lets keys be used against each other; ' +
      'what the standard would allow and these rules refuse is refused on every token, unless ' +
      'the configuration has the rule switched off, which is logged at the start and written to ' +
      'the ' +
      'audit trail (`SwitchRuleOff`). A refusal ' +
      "names its rule in the server's log; the application is told the code alone. What the " +
      'standard itself asks for (`CKA_EXTRACTABLE`, `CKA_WRAP_WITH_TRUSTED`, ' +
      '`CKA_WRAP_TEMPLATE`, `CKA_UNWRAP_TEMPLATE`, `CKA_DERIVE_TEMPLATE`) holds as well, and is ' +
      'not listed. Each attack is played in `fronts/pkcs11/attack-rules.test.ts` or, where it ' +
      'takes several steps, `fronts/pkcs11/attack-sequences.test.ts`.',
    table(['Rule', 'What is refused', 'What it prevents', 'Code', 'Source', 'Switch'], rows),
    WHAT_RULES_LEAVE,
  )
}

const WHAT_RULES_LEAVE = `## What they leave

Rules know keys, not people. An application that may make keys can bring a wrapping key of which it
knows the value (a public key of its own, a secret key that it creates, derives or agrees on), and
wrap with it whatever is extractable. Where an application shall use a key and never have it, let
the key have \`CKA_EXTRACTABLE\` false, which is the default, or \`CKA_WRAP_WITH_TRUSTED\` true and
a wrapping key that the security officer has marked \`CKA_TRUSTED\`; both hold for KMIP as well.
Clients of KMIP with the same scope are under no other of these rules: to them a sensitive key
leaves wrapped with any key that may wrap, as KMIP has it.

Unwrapping by CBC with padding says whether the padding was right, in whatever words: who may unwrap
with a key can so find out all that it has wrapped, in some thousands of calls. Many programs bring
their keys in no other way. Where yours do not, switch \`pkcs11.rules.no-block-unwrapping\` on; AES
key wrap with padding (\`CKM_AES_KEY_WRAP_KWP\`) tells nothing of the kind.`

/** Every printed page by its path. */
export async function printedPages(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ['docs/kmip-operations.md', await operationsPage()],
    ['docs/attributes.md', attributesPage()],
    ['docs/pkcs11-attributes.md', pkcs11AttributesPage()],
    ['docs/algorithms.md', algorithmsPage()],
    ['docs/commands.md', commandsPage()],
    ['docs/configuration.md', configurationPage()],
    ['docs/limits.md', limitsPage()],
    ['docs/pkcs11-rules.md', rulesPage()],
    ['docs/pkcs11-mechanisms.md', mechanismsPage(softwareKeystore())],
    ['docs/pkcs11-functions.md', functionsPage()],
    ['docs/claviger.schema.json', `${JSON.stringify(configSchema(), null, 2)}\n`],
  ])
}

if (import.meta.main) {
  for (const [path, text] of await printedPages()) writeFileSync(`${ROOT}${path}`, text)
}
