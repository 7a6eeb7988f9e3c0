/**
 * The configuration: one file, one schema, one place for every default.
 *
 * `claviger.yaml` is read strictly: an unknown key, a wrong type or an unreadable file is refused
 * with the file, the line, the key and what is allowed. Every value can also be given by an
 * environment variable: the names of its keys in capitals, joined by underscores, after `CLAVIGER_`
 * (`limits.idleSeconds` is `CLAVIGER_LIMITS_IDLE_SECONDS`); a list is written as in YAML. The order
 * of precedence is command line, environment, file, default.
 *
 * The JSON Schema for editors (`docs/claviger.schema.json`) is printed from the same schema.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { type Document, LineCounter, parse, parseDocument } from 'yaml'
import * as z from 'zod'
import { LIMITS, type LimitName, type Limits } from '#core/limits.ts'
import { PROFILE_NAMES } from '#fronts/kmip/offer.ts'
import { RULES, type RuleName, SWITCHES } from '#fronts/pkcs11/rule-table.ts'
import { UNWRAPPINGS } from '#keystores/pkcs11/kek-forms.ts'
import { mechanism } from '#keystores/pkcs11/quirks.ts'
import {
  DestroyAction,
  ObjectType,
  Operation,
  RNGMode,
  ShreddingAlgorithm,
  UnwrapMode,
} from '#spec/kmip/enumerations.ts'
import { contradictions } from './config-contradictions.ts'
import { describe, type Source, where } from './config-problems.ts'
import { token } from './config-token.ts'

// A parser that is compiled pays where much is parsed, and is text that becomes code.
z.config({ jitless: true })

/** A configuration that cannot be used; the message says where and what. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

function limitsSchema() {
  const entries = Object.entries(LIMITS).map(([name, { default: value, min, max, unit, what }]) => {
    const text = `${what}. In ${unit === 'count' ? 'numbers' : unit}.`
    return [name, z.int().min(min).max(max).default(value).describe(text)]
  })
  return z.strictObject(Object.fromEntries(entries) as Record<LimitName, z.ZodDefault<z.ZodInt>>)
}

const PORT = '(0|[1-9]\\d{0,3}|[1-5]\\d{4}|6[0-4]\\d{3}|65[0-4]\\d\\d|655[0-2]\\d|6553[0-5])'
const ADDRESS = new RegExp(`^(\\[[0-9a-fA-F:.%]+\\]|[^:\\s]+):${PORT}$`)

const tls = z.strictObject({
  cert: z.string().optional().describe('PEM file with the certificate chain of the server.'),
  key: z.string().optional().describe('PEM file with its private key.'),
  names: z
    .array(z.string())
    .default([])
    .describe(
      'Further DNS names and IP addresses for the certificate that Claviger issues itself.',
    ),
  days: z
    .number()
    .gt(0)
    .max(825)
    .default(397)
    .describe(
      'Validity of the certificate that Claviger issues itself; renewed when less than a third is left.',
    ),
  clientCa: z
    .array(z.string())
    .default([])
    .describe('PEM files of authorities whose client certificates may be credentials.'),
  minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.2').describe('Oldest TLS version.'),
  ciphers: z
    .string()
    .optional()
    .describe(
      'Cipher suites as OpenSSL names them, separated by colons; default: the KMIP profiles.',
    ),
})

/** The names of a table of KMIP, for what is said by name. */
function names<const T extends Readonly<Record<string, number>>>(members: T) {
  return z.enum(Object.keys(members) as [string, ...string[]] as [keyof T & string])
}

const query = z.strictObject({
  vendorIdentification: z
    .string()
    .max(200)
    .default('Claviger')
    .describe('Vendor Identification; empty: Query Server Information is not answered.'),
  operations: z
    .array(names(Operation))
    .optional()
    .describe('The operations that remain, of those that are offered; default: all.'),
  objects: z
    .array(names(ObjectType))
    .optional()
    .describe('The types of objects that can be made; default: all.'),
  profiles: z
    .array(z.enum(PROFILE_NAMES))
    .optional()
    .describe('The profiles that remain, of those that are claimed; default: all.'),
  shreddingAlgorithm: names(ShreddingAlgorithm)
    .default('Cryptographic')
    .describe('What Query says of how keys are made unreadable.'),
  destroyAction: names(DestroyAction)
    .default('KeyMaterialShredded')
    .describe('What Query says of what Destroy does.'),
  unwrapMode: names(UnwrapMode)
    .default('NotProcessed')
    .describe('What Query says of keys that are registered wrapped.'),
  rngMode: names(RNGMode)
    .default('SharedInstantiation')
    .describe('What Query says of the generators of random numbers.'),
  streaming: z
    .boolean()
    .default(true)
    .describe('Whether data in parts is taken (Init and Final Indicator).'),
})

/** Addresses that nothing but this machine can reach; a name could mean another. */
const LOOPBACK = new RegExp(`^(127(\\.\\d{1,3}){3}|\\[::1\\]):${PORT}$`)

const plain = z.strictObject({
  listen: z
    .string()
    .regex(LOOPBACK, 'must be 127.x.x.x:PORT or [::1]:PORT: without TLS on no other address')
    .describe('Where KMIP is spoken without TLS, on the loopback only: 127.0.0.1:PORT.'),
  principal: z
    .string()
    .min(1)
    .describe('Credential in whose name every client works that comes there.'),
})

const kmip = z.strictObject({
  listen: z
    .string()
    .regex(ADDRESS, 'must be HOST:PORT, with a port up to 65535')
    .default('127.0.0.1:5696')
    .describe('Where the KMIP server listens: HOST:PORT.'),
  tls: tls.prefault({}),
  messageCredentials: z
    .enum(['ignore', 'refuse'])
    .default('ignore')
    .describe('What becomes of user names in messages; who asks is said by the TLS certificate.'),
  plain: plain
    .optional()
    .describe('KMIP without TLS, for a TLS proxy on the same machine; default: off.'),
  query: query
    .prefault({})
    .describe('What Query answers; operations and objects that are left out are refused.'),
})

const rootKey = z.strictObject({
  source: z
    .enum(['file', 'passphrase', 'hsm'])
    .default('file')
    .describe('Where the key comes from that protects all others; see docs/hsm.md for hsm.'),
  file: z.string().optional().describe('The key file; default: root.key in the data directory.'),
  passphraseFile: z
    .string()
    .optional()
    .describe('File with the passphrase; else CLAVIGER_PASSPHRASE, else it is asked for.'),
  keystore: z
    .string()
    .optional()
    .describe(
      'hsm: keystore of type pkcs11 with the key that wraps it; the only one needs no name.',
    ),
  key: z
    .string()
    .min(1)
    .default('claviger-root')
    .describe('hsm: CKA_LABEL of that key, or its CKA_ID in hexadecimal after 0x.'),
  make: z
    .boolean()
    .default(false)
    .describe('hsm: whether the key is made in the device when a new database does not find it.'),
})

const keystoreName = z.string().min(1).max(64).describe('What objects remember as their place.')

const software = z.strictObject({
  name: keystoreName,
  type: z.literal('software').describe('software: sealed in the database, worked with by OpenSSL.'),
})

const kek = z.strictObject({
  label: z.string().min(1).max(64).default('P6RKEK1').describe('Its CKA_LABEL in the device.'),
  id: z
    .string()
    .regex(/^([0-9a-f]{2}){1,64}$/i, 'is CKA_ID in hexadecimal digits')
    .optional()
    .describe('Its CKA_ID, where several keys have the label.'),
  handle: z
    .int()
    .min(1)
    .optional()
    .describe('Its handle, where no key has the label and the device keeps handles.'),
  object: z
    .string()
    .optional()
    .describe('Symmetric Key in a software keystore that is its copy; default: claviger hsm kek.'),
  mechanism: mechanism
    .optional()
    .describe('Mechanism by which the device wraps; default: what is known of the model.'),
  unwrap: z
    .enum(UNWRAPPINGS)
    .optional()
    .describe('What comes of it; default: what is known of the model.'),
})

const hsm = z.strictObject({
  name: keystoreName,
  type: z.literal('pkcs11').describe("pkcs11: a hardware security module, by its maker's module."),
  module: z.string().describe("Path of the maker's PKCS#11 module."),
  reserved: z.string().optional().describe('What C_Initialize gets in pReserved, if anything.'),
  environment: z
    .record(z.string(), z.string())
    .default({})
    .describe('Environment variables for the module, such as the path of its configuration.'),
  slot: z.int().min(0).optional().describe('The slot by its number; or else:'),
  label: z.string().optional().describe('the token by its label; or else:'),
  serial: z.string().optional().describe('the token by its serial number.'),
  others: z
    .array(
      z.strictObject({
        module: z.string().optional().describe('Default: the same module.'),
        reserved: z.string().optional().describe('Default: the same.'),
        environment: z.record(z.string(), z.string()).optional().describe('Default: the same.'),
        slot: z.int().min(0).optional().describe('Its slot by its number; or else:'),
        label: z.string().optional().describe('its token by its label; or else:'),
        serial: z.string().optional().describe('its token by its serial number.'),
      }),
    )
    .default([])
    .describe('HSMs with the same keys and PIN: the work is shared, and goes on when one is away.'),
  pinFile: z.string().optional().describe("File with the user's PIN."),
  pinVariable: z.string().optional().describe('Environment variable with it, instead.'),
  pinPrompt: z.boolean().default(false).describe('Whether a person is asked for it, instead.'),
  pinObject: z
    .string()
    .optional()
    .describe('Unique Identifier of Secret Data in another keystore that is it, instead.'),
  sessions: z
    .int()
    .min(1)
    .max(64)
    .default(4)
    .describe('Sessions at a time; each is a thread of the host process.'),
  callSeconds: z
    .int()
    .min(1)
    .max(3_600)
    .default(30)
    .describe('Time for one call; a module that takes longer is started anew.'),
  spinMicroseconds: z
    .int()
    .min(0)
    .max(10_000)
    .default(500)
    .describe('Time that short operations are looked for without sleeping; 0: none.'),
  extractable: z
    .boolean()
    .default(false)
    .describe('Whether keys that are made or taken in from now on may leave the device.'),
  kek: kek.optional().describe('Secret keys are got through a key-encrypting key: docs/hsm.md.'),
  addresses: z
    .array(z.string().min(1).max(255))
    .default([])
    .describe('What PKCS#11 applications call it in user:password@address, beside its name.'),
  model: z
    .string()
    .optional()
    .describe('What model it is, see docs/hsm.md; default: what the device says it is.'),
  quirks: z
    .string()
    .optional()
    .describe('File of claviger hsm probe, instead of those that come with Claviger.'),
  adopt: z
    .enum(['never', 'called', 'start'])
    .default('called')
    .describe(
      'When keys in the device become objects: when an administrator calls one; start: all of them.',
    ),
  adoptOwner: z
    .string()
    .default('admin')
    .describe('Credential that adopted keys belong to; its scope holds them.'),
  administrators: z
    .array(z.string())
    .default(['admin'])
    .describe('Credentials that make, adopt and destroy keys called hsm::<slot>::<name>.'),
  identifierSlot: z
    .int()
    .min(0)
    .optional()
    .describe('The slot in such identifiers; default: the slot of the token.'),
})

const keystore = z.discriminatedUnion('type', [software, hsm])

/** Each rule by its name. */
const rules = z.strictObject(
  Object.fromEntries(
    SWITCHES.map((name) => {
      const what = `Whether this is refused: ${RULES[name].refuses}`
      return [name, z.boolean().default(true).describe(what)]
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

export const CONFIG = z
  .strictObject({
    kmip: kmip.prefault({}).describe('The KMIP server.'),
    pkcs11: pkcs11.prefault({}).describe('The PKCS#11 server.'),
    rootKey: rootKey.prefault({}).describe('The root key.'),
    keystores: z
      .array(keystore)
      .min(1)
      .default([{ name: 'software', type: 'software' }])
      .describe('Who holds the keys; the first takes new ones.'),
    access: access.prefault({}).describe('Rights to single objects: docs/access.md.'),
    limits: limitsSchema().prefault({}).describe('Every limit of the server.'),
    log: log.prefault({}).describe('The log, on standard error.'),
  })
  .describe('Configuration of Claviger')

export type Config = Omit<z.output<typeof CONFIG>, 'limits'> & { readonly limits: Limits }

/** The schema for editors. */
export function configSchema(): object {
  return z.toJSONSchema(CONFIG, { target: 'draft-2020-12', io: 'input' })
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The configuration of a server.
 *
 * @param path Of `claviger.yaml`; undefined for none.
 * @throws {@link ConfigError}
 */
export function readConfig(path: string | undefined, environment: Environment): Config {
  const source = path === undefined ? undefined : readSource(path)
  const given = source?.value ?? {}
  const variables = overridden(given as Tree, environment)
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

function readSource(path: string): Source {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigError(`${path}: cannot be read: ${(error as Error).message}`)
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const [error] = document.errors
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0])
    throw new ConfigError(`${path}:${line}:${col}: is no YAML: ${error.message}`)
  }
  const value = plainValue(path, document)
  if (value !== null && (typeof value !== 'object' || Array.isArray(value))) {
    throw new ConfigError(`${path}:1:1: must hold keys and values, such as "kmip:"`)
  }
  return { path, document, lines, value }
}

/** @throws {@link ConfigError} for a reference that leads nowhere, or to too much. */
function plainValue(path: string, document: Document): unknown {
  try {
    return document.toJS()
  } catch (error) {
    throw new ConfigError(`${path}:1:1: is no YAML: ${(error as Error).message}`)
  }
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
function overridden(tree: Tree, environment: Environment): ReadonlyMap<string, string> {
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
    used.set(path.join('.'), name)
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
