/**
 * What is wrong with a configuration, in words: which file, line and key or which variable, and
 * what is allowed there.
 *
 * @module
 */
import { type Document, isMap, isNode, type LineCounter } from 'yaml'
import type * as z from 'zod'

/** A file that was read. */
export interface Source {
  readonly path: string
  readonly document: Document
  readonly lines: LineCounter
  readonly value: unknown
}

/** Where values came from. */
export interface Places {
  readonly source: Source | undefined
  /** The variable that gave the value of a key. */
  readonly variables: ReadonlyMap<string, string>
  /** JSON Schema of the configuration. */
  readonly schema: object
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly items?: JsonSchema
  readonly oneOf?: readonly JsonSchema[]
  readonly const?: unknown
}

/** One line for each thing that is wrong. */
export function describe(issue: z.core.$ZodIssue, places: Places): readonly string[] {
  if (issue.code !== 'unrecognized_keys') {
    return [`${where(issue.path, places)}: ${issue.message}${hint(issue, places)}`]
  }
  return issue.keys.map((key) => {
    const allowed = allowedKeys(issue.path, places)
    return `${where([...issue.path, key], places)}: unknown key; allowed are ${allowed}`
  })
}

/** What the type alone does not say: how a list is written in a variable, that 0600 is a number. */
function hint(issue: z.core.$ZodIssue, { variables, source }: Places): string {
  const type = issue.code === 'invalid_type' ? issue.expected : undefined
  const isGiven = variables.has(issue.path.join('.'))
  if (isGiven) return type === 'array' ? '; a list is written [one, two]' : ''
  const wantsText = type === 'string' || issue.code === 'invalid_value'
  const found = wantsText ? source?.document.getIn(issue.path) : undefined
  const isOther = typeof found === 'number' || typeof found === 'boolean'
  return isOther ? `; ${found} is a ${typeof found} in YAML, and text in quotes` : ''
}

export function where(path: readonly PropertyKey[], { source, variables }: Places): string {
  const key = path.map(String).join('.')
  // A list is given by one variable as a whole.
  for (let length = path.length; length > 0; length--) {
    const variable = variables.get(path.slice(0, length).join('.'))
    if (variable !== undefined) return `${variable} (${key})`
  }
  if (source === undefined) return key
  const { line, col } = source.lines.linePos(offsetOf(path, source.document))
  return `${source.path}:${line}:${col}: ${key}`
}

/** Where the key stands in the file, or the nearest thing around it. */
function offsetOf(path: readonly PropertyKey[], document: Document): number {
  for (let length = path.length; length > 0; length--) {
    const parent = document.getIn(path.slice(0, length - 1), true)
    const key = String(path[length - 1])
    const pair = isMap(parent) ? parent.items.find((one) => String(one.key) === key) : undefined
    const node = pair?.key ?? document.getIn(path.slice(0, length), true)
    const offset = isNode(node) ? node.range?.[0] : undefined
    if (offset !== undefined) return offset
  }
  return 0
}

function allowedKeys(path: readonly PropertyKey[], { schema: whole, source }: Places): string {
  let schema = whole as JsonSchema
  let value: unknown = source?.value
  for (const key of path) {
    const inner = typeof key === 'number' ? schema.items : schema.properties?.[String(key)]
    value = (value as Record<PropertyKey, unknown> | undefined)?.[key]
    schema = kindOf(inner ?? schema, value)
  }
  return Object.keys(schema.properties ?? {}).join(', ')
}

/** Of schemas to choose from, the one whose `type` the value has. */
function kindOf(schema: JsonSchema, value: unknown): JsonSchema {
  const type = (value as { type?: unknown } | undefined)?.type
  return schema.oneOf?.find(({ properties }) => properties?.['type']?.const === type) ?? schema
}
