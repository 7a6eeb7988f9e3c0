/**
 * The configuration: one file, one schema, one place for every default.
 *
 * `claviger.yaml` is read strictly: an unknown key, a wrong type or an unreadable file is refused
 * with the file, the line, the key and what is allowed. Every value can also be given by an
 * environment variable: the names of its keys in capitals, joined by underscores, after `CLAVIGER_`
 * (`limits.idleSeconds` is `CLAVIGER_LIMITS_IDLE_SECONDS`); a list is written as in YAML. The order
 * of precedence is command line, environment, file, default.
 *
 * The JSON Schema for editors (`docs/claviger.schema.json`) is printed from the same schema. The
 * larger sections stand in `config-*.ts`.
 *
 * @module
 */
import { parse } from 'yaml'
import { LIMITS, type LimitName, type Limits } from '#core/limits.ts'
import '#core/uncompiled.ts'
import * as z from 'zod'
import { isUsual, RULES, type RuleName, SWITCHES } from '#fronts/pkcs11/rule-table.ts'
import { contradictions } from './config-contradictions.ts'
import { keystores, rootKey } from './config-keys.ts'
import { kmip, LOOPBACK } from './config-kmip.ts'
import { describe, type Source, where } from './config-problems.ts'
import { ConfigError, readSource } from './config-source.ts'
import { token } from './config-token.ts'

function limitsSchema() {
  const entries = Object.entries(LIMITS).map(([name, { default: value, min, max, unit, what }]) => {
    const text = `${what}. In ${unit === 'count' ? 'numbers' : unit}.`
    return [name, z.int().min(min).max(max).default(value).describe(text)]
  })
  return z.strictObject(Object.fromEntries(entries) as Record<LimitName, z.ZodDefault<z.ZodInt>>)
}

/** Each rule by its name. */
const rules = z.strictObject(
  Object.fromEntries(
    SWITCHES.map((name) => {
      const what = `Whether this is refused: ${RULES[name].refuses}`
      return [name, z.boolean().default(isUsual(name)).describe(what)]
    }),
  ) as Record<RuleName, z.ZodDefault<z.ZodBoolean>>,
)

const pkcs11 = z.strictObject({
  enabled: z.boolean().default(true).describe('Whether PKCS#11 is served.'),
  socket: z
    .string()
    .optional()
    .describe('Path of the Unix socket; default: run/pkcs11.sock in the data directory.'),
  socketMode: z
    .enum(['0600', '0660'])
    .default('0600')
    .describe('Who may open the socket: 0600 the own user, 0660 the group as well.'),
  tokens: z
    .array(token)
    .min(1)
    .prefault([{ name: 'claviger' }])
    .describe('The tokens, in the order of their slots.'),
  rules: rules.prefault({}).describe('Rules against attacks: docs/pkcs11-rules.md.'),
})

const log = z.strictObject({
  level: z
    .enum(['debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('What is logged.'),
  format: z
    .enum(['text', 'json'])
    .default('text')
    .describe('text: a line for people; json: an object a line.'),
})

const access = z.strictObject({
  sharers: z
    .array(z.string())
    .default(['admin'])
    .describe(
      'Credentials whose shared objects others find when they search; those of others by identifier.',
    ),
})

const metrics = z.strictObject({
  listen: z
    .string()
    .regex(LOOPBACK, 'must be 127.x.x.x:PORT or [::1]:PORT: who asks there is not asked who he is')
    .optional()
    .describe(
      'Where Prometheus reads /metrics, on the loopback only: 127.0.0.1:9464; default: off.',
    ),
})

export const CONFIG = z
  .strictObject({
    kmip: kmip.prefault({}).describe('The KMIP server.'),
    pkcs11: pkcs11.prefault({}).describe('The PKCS#11 server.'),
    rootKey: rootKey.prefault({}).describe('The root key.'),
    keystores: keystores
      .default([{ name: 'software', type: 'software' }])
      .describe('Who holds the keys; the first takes new ones.'),
    access: access.prefault({}).describe('Rights to single objects: docs/access.md.'),
    limits: limitsSchema().prefault({}).describe('Every limit of the server.'),
    log: log.prefault({}).describe('The log, on standard error.'),
    metrics: metrics.prefault({}).describe('Numbers for Prometheus: docs/operations.md.'),
  })
  .describe('Configuration of Claviger')

export type Config = Omit<z.output<typeof CONFIG>, 'limits'> & { readonly limits: Limits }

/** The schema for editors. */
export function configSchema(): object {
  return z.toJSONSchema(CONFIG, { target: 'draft-2020-12', io: 'input' })
}

export { ConfigError } from './config-source.ts'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The configuration of a server.
 *
 * @param path Of `claviger.yaml`; undefined for none.
 * @param options The option of the command line that a variable stands for, by its name.
 * @throws {@link ConfigError}
 */
export function readConfig(
  path: string | undefined,
  environment: Environment,
  options: Environment = {},
): Config {
  const source = path === undefined ? undefined : readSource(path)
  const given = source?.value ?? {}
  if (source !== undefined) assertFile(source)
  const variables = overridden(given as Tree, environment, options)
  const result = CONFIG.safeParse(given)
  const places = { source, variables, schema: configSchema() }
  if (!result.success) {
    const problems = result.error.issues.flatMap((issue) => describe(issue, places))
    throw new ConfigError(problems.join('\n'))
  }
  const config = result.data as Config
  const found = contradictions(config).map(({ path, what }) => `${where(path, places)}: ${what}`)
  if (found.length > 0) throw new ConfigError(found.join('\n'))
  return config
}

/**
 * What a variable hides is wrong all the same, and would be found out on the day that it is gone.
 * What a file leaves out may come from a variable.
 */
function assertFile(source: Source): void {
  const { error } = CONFIG.safeParse(source.value ?? {})
  const places = { source, variables: new Map(), schema: configSchema() }
  const wrong = error?.issues.filter(({ path }) => source.document.hasIn(path)) ?? []
  if (wrong.length === 0) return
  throw new ConfigError(wrong.flatMap((issue) => describe(issue, places)).join('\n'))
}

interface Tree {
  [key: string]: Tree | unknown
}

/** A value of the schema that an environment variable can give. */
export interface Variable {
  readonly name: string
  readonly path: readonly string[]
  readonly description: string
  /** Whether it is text, which may look like something else to YAML: 0600. */
  readonly isText: boolean
}

/** Every value of the schema, with the name of its variable. */
export function variables(): readonly Variable[] {
  const found: Variable[] = []
  const walk = (schema: z.ZodObject, path: readonly string[]): void => {
    for (const [key, outer] of Object.entries(schema.shape)) {
      const next = [...path, key]
      const inner = required(outer)
      if (inner instanceof z.ZodObject) walk(inner, next)
      else {
        const isText = inner instanceof z.ZodString || inner instanceof z.ZodEnum
        const description = describedAs(outer)
        found.push({ name: variableName(next), path: next, description, isText })
      }
    }
  }
  walk(CONFIG, [])
  return found
}

/** Variables that are named like values of the configuration and are none: mistyped, perhaps. */
export function unknownVariables(environment: Environment): readonly string[] {
  const known = new Set(variables().map(({ name }) => name))
  const sections = Object.keys(CONFIG.shape).map((key) => `${variableName([key])}_`)
  return Object.keys(environment).filter((name) => {
    return !known.has(name) && sections.some((section) => name.startsWith(section))
  })
}

/** What a schema wants where something is given. */
function required(schema: z.core.$ZodType): z.core.$ZodType {
  const isWrapped =
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodOptional
  return isWrapped ? required(schema.unwrap()) : schema
}

function describedAs(schema: z.core.$ZodType): string {
  return z.globalRegistry.get(schema)?.description ?? ''
}

/** Name of the variable that gives the value at a path. */
export function variableName(path: readonly string[]): string {
  const words = path.map((key) => {
    return key.replace(/(?<=[a-z0-9])(?=[A-Z])|-/g, '_').toUpperCase()
  })
  return `CLAVIGER_${words.join('_')}`
}

/** Puts the values of the environment into the tree; returns which variable gave what. */
function overridden(
  tree: Tree,
  environment: Environment,
  options: Environment,
): ReadonlyMap<string, string> {
  const used = new Map<string, string>()
  for (const { name, path, isText } of variables()) {
    const text = environment[name]
    if (text === undefined) continue
    let place = tree
    for (const key of path.slice(0, -1)) {
      const inner = place[key]
      if (typeof inner !== 'object' || inner === null) place[key] = {}
      place = place[key] as Tree
    }
    place[path.at(-1) as string] = parsedText(text, isText)
    used.set(path.join('.'), options[name] ?? name)
  }
  return used
}

function parsedText(text: string, isText: boolean): unknown {
  try {
    const value: unknown = parse(text)
    return isText && typeof value !== 'string' ? text : value
  } catch {
    return text
  }
}
