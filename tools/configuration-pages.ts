/**
 * The printed pages on how the program is told what to do: configuration, limits and commands.
 *
 * @module
 */
import type { Command } from 'commander'
import { OTHER_VARIABLES } from '#cli/config.ts'
import { program } from '#cli/program.ts'
import { LIMITS } from '#core/limits.ts'
import { configSchema, variableName } from '#server/config.ts'
import { code, page, type Row, table } from './markdown.ts'

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

export function configurationPage(): string {
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

export function limitsPage(): string {
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

export function commandsPage(): string {
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
