/**
 * The control socket: how the command line speaks to a running server on the same machine.
 *
 * HTTP with JSON on a Unix socket in the data directory, which only the owner of the directory can
 * open: whoever may read the database file may use it. One row for each command; the same rows are
 * used without a socket when no server runs.
 *
 * @module
 */
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import {
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http'
import { join } from 'node:path'
import { failureCode, failureMessage, KmsError } from '#core/errors.ts'
import { rewrap } from '#core/operations/rewrap.ts'
import '#core/uncompiled.ts'
import * as z from 'zod'
import type { WireLog } from '#fronts/kmip/wire-log.ts'
import { type Token, USER } from '#fronts/pkcs11/token.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { tokenLabel } from './config-token.ts'
import type { House } from './house.ts'
import { adoptKeys, hsmList } from './hsm.ts'
import { generateKek, importKek, showKek } from './hsm-kek.ts'
import type { Logger } from './log.ts'
import { pkiPaths } from './pki.ts'
import { socketPath } from './sockets.ts'

/** What commands work on. */
export interface Controlled {
  readonly house: House
  /** Absent where no server runs. */
  readonly wireLog?: WireLog | undefined
  readonly status?: (() => object) | undefined
  /** Shows new certificates to clients. */
  readonly renewed?: (() => Promise<void>) | undefined
  /** For what nobody has foreseen. */
  readonly log?: Logger | undefined
}

interface Command<S extends z.ZodType> {
  readonly input: S
  run(controlled: Controlled, input: z.output<S>): Promise<unknown>
}

function command<S extends z.ZodType>(
  input: S,
  run: (controlled: Controlled, input: z.output<S>) => Promise<unknown>,
): Command<S> {
  return { input, run }
}

/** Who asks through the socket, in the audit trail. */
const OPERATOR = 'operator'

const AUDIT_MAX = 10_000
const CERTIFICATE_CHARACTERS_MAX = 32_768
const name = z.string().min(1).max(64)

/** Its length is the token's affair. */
const pin = z.string().min(1).max(1_024)

/** A name that is mistyped would be waited for in vain. */
async function assertCredential({ credentials }: House, called: string): Promise<void> {
  if ((await credentials.named(called)) !== undefined) return
  const what = `Cannot log messages of "${called}": there is no credential of this name`
  throw new KmsError('notFound', `${what}; see: claviger credential list`)
}

export const COMMANDS = {
  'credential.create': command(
    z.strictObject({
      name,
      scope: z.string().min(1).max(64).optional(),
      days: z.int().min(1).max(36_500).default(365),
      out: z.string().optional(),
    }),
    async ({ house }, input) => house.createCredential(input, OPERATOR),
  ),
  'credential.register': command(
    z.strictObject({
      name,
      scope: z.string().min(1).max(64).optional(),
      certificate: z.string().min(1).max(CERTIFICATE_CHARACTERS_MAX),
    }),
    async ({ house }, input) => house.registerCredential(input, OPERATOR),
  ),
  'credential.list': command(z.strictObject({}), async ({ house }) => {
    const altered: object[] = []
    const note = (name: string, { message: error }: Error): void => {
      altered.push({ name, error })
    }
    return [...(await house.credentials.list(note)), ...altered]
  }),
  'credential.revoke': command(z.strictObject({ name }), async ({ house }, input) =>
    house.credentials.revoke(input.name, OPERATOR),
  ),
  'authority.show': command(z.strictObject({}), async ({ house }) => authorityOf(house)),
  'authority.renew': command(z.strictObject({}), async ({ house, renewed }) => {
    await house.authority.renew()
    await renewed?.()
    await noted(house, 'RenewAuthority')
    return authorityOf(house)
  }),
  'rootkey.show': command(z.strictObject({}), async ({ house }) => house.root),
  'rootkey.rotate': command(
    z.strictObject({
      to: z.enum(['file', 'passphrase', 'hsm']).default('file'),
      passphrase: z.string().optional(),
      keystore: name.optional(),
      key: z.string().min(1).max(256).optional(),
      make: z.boolean().optional(),
    }),
    async ({ house }, { to, passphrase, ...wish }) => {
      if (to === 'hsm') return house.rotateRootKey({ to, ...wish }, OPERATOR)
      assertNoHsmWish(to, wish)
      return house.rotateRootKey({ to, passphrase }, OPERATOR)
    },
  ),
  'wirelog.on': command(
    z.strictObject({ name, format: z.enum(['hex', 'json', 'xml']).default('xml') }),
    async (controlled, input) => {
      const wireLog = running(controlled)
      await assertCredential(controlled.house, input.name)
      wireLog.switchOn(input.name, input.format)
      await noted(controlled.house, 'WireLogOn', input.name)
      return input
    },
  ),
  'wirelog.off': command(z.strictObject({ name }), async (controlled, input) => {
    running(controlled).switchOff(input.name)
    await noted(controlled.house, 'WireLogOff', input.name)
    return input
  }),
  'wirelog.list': command(z.strictObject({}), async (controlled) =>
    [...running(controlled).list()].map(([client, format]) => ({ name: client, format })),
  ),
  'audit.list': command(
    z.strictObject({
      since: z.number().optional(),
      until: z.number().optional(),
      principal: z.string().optional(),
      operation: z.string().optional(),
      object: z.string().optional(),
      limit: z.int().min(1).max(AUDIT_MAX).default(50),
    }),
    async ({ house }, input) => {
      await house.services.journal.flush()
      return house.database.audit(input)
    },
  ),
  'token.list': command(z.strictObject({}), async ({ house }) => {
    return (await house.tokens()).map(describeToken)
  }),
  'token.init': command(
    z.strictObject({
      token: name.optional(),
      label: tokenLabel.optional(),
      soPin: pin,
      pin,
    }),
    async ({ house }, input) => {
      const token = await tokenNamed(house, input.token)
      const user = { name: USER, pin: Buffer.from(input.pin) }
      const label = input.label ?? token.label
      await onToken(() => token.initialise(Buffer.from(input.soPin), label, user))
      await noted(house, 'InitToken', token.options.name)
      return describeToken(token)
    },
  ),
  'token.pin': command(
    z.strictObject({
      token: name.optional(),
      user: z.string().max(64).optional(),
      so: z.boolean(),
      pin,
    }),
    async ({ house }, { token: wanted, user = USER, so, pin: next }) => {
      const token = await tokenNamed(house, wanted)
      await onToken(() => token.setPin(so ? 'so' : { name: user }, Buffer.from(next)))
      await noted(house, 'SetPin', token.options.name)
      // The PIN of one who logs in by name is none of those that the token has for all.
      const own = !so && user !== USER && { user, pinOfUser: pinState(token.pinOf({ name: user })) }
      return { ...describeToken(token), ...own }
    },
  ),
  'hsm.list': command(z.strictObject({}), async ({ house }) => hsmList(house)),
  'hsm.adopt': command(z.strictObject({ name: name.optional() }), async ({ house }, input) =>
    adoptKeys(house, input.name),
  ),
  'hsm.rewrap': command(
    z.strictObject({ from: z.string(), to: z.string() }),
    async ({ house }, { from, to }) => rewrap(house.services, { from, to, by: OPERATOR }),
  ),
  'hsm.kek.show': command(z.strictObject({ name: name.optional() }), async ({ house }, input) =>
    showKek(house, input.name),
  ),
  'hsm.kek.generate': command(
    z.strictObject({ name: name.optional(), replace: z.boolean().default(false) }),
    async ({ house }, input) => {
      const report = await generateKek(house, input)
      await noted(house, 'GenerateKek', report.keystore)
      return report
    },
  ),
  'hsm.kek.import': command(
    z.strictObject({ name: name.optional(), file: z.string().optional() }),
    async ({ house }, input) => {
      const report = await importKek(house, input)
      await noted(house, 'ImportKek', report.keystore)
      return report
    },
  ),
  verify: command(z.strictObject({}), async ({ house }) => ({
    problems: [
      ...(await house.database.verify()),
      ...(await house.services.store.verify()),
      ...(await house.services.grants.verify(house.database)),
    ],
  })),
  status: command(z.strictObject({}), async ({ status }) => status?.() ?? { running: false }),
} as const
export type CommandName = keyof typeof COMMANDS

function authorityOf({ dataDir, authority }: House) {
  return { certificate: pkiPaths(dataDir).ca, expires: authority.expires }
}

/** Leaves in the audit trail what changes no record. */
async function noted(house: House, operation: string, object?: string): Promise<void> {
  const event = { principal: OPERATOR, front: 'control', operation, object } as const
  await house.services.journal.record({ ...event, outcome: 'success' })
}

/** What says which key of an HSM is for `to: hsm` alone: nobody shall think that it was used. */
function assertNoHsmWish(to: string, wish: object): void {
  const given = Object.entries(wish).flatMap(([key, value]) => (value === undefined ? [] : key))
  if (given.length === 0) return
  const what = `Cannot rotate root key: ${given.join(', ')} is for an HSM, not for a ${to}`
  throw new KmsError('invalidField', what)
}

/** The token of this name in the configuration; the only one needs no name. */
async function tokenNamed(house: House, wanted: string | undefined): Promise<Token> {
  const tokens = await house.tokens()
  const found = tokens.filter(({ options }) => wanted === undefined || options.name === wanted)
  const [token] = found
  if (token !== undefined && found.length === 1) return token
  const names = tokens.map(({ options }) => options.name).join(', ')
  const what = wanted === undefined ? 'say which token' : `there is no token "${wanted}"`
  throw new KmsError('notFound', `Cannot find token: ${what}; there are: ${names}`)
}

/** A refusal of a token in the words of the command line. */
async function onToken(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (cause) {
    if (!(cause instanceof CryptokiError)) throw cause
    throw new KmsError('invalidField', `Cannot change token: ${cause.message}`, { cause })
  }
}

function describeToken(token: Token): object {
  const { options } = token
  const { login, readOnly, principal } = options
  const user = token.pinOf({ name: USER })
  return {
    name: options.name,
    slot: token.slot,
    label: token.label,
    serial: token.serial,
    principal: principal.name,
    scope: principal.scope,
    login,
    readOnly,
    userPin: login === 'none' ? 'not needed' : pinState(user),
    soPin: login === 'none' ? 'not needed' : pinState(token.pinOf('so')),
  }
}

function pinState(record: { readonly attemptsLeft: number } | undefined): string {
  if (record === undefined) return 'not set'
  return record.attemptsLeft > 0 ? `set, ${record.attemptsLeft} attempts left` : 'locked'
}

function running({ wireLog }: Controlled): WireLog {
  if (wireLog !== undefined) return wireLog
  throw new KmsError('keystoreUnavailable', 'Cannot switch wire log: no server runs on this data')
}

/**
 * Runs a command.
 *
 * @throws `KmsError` `invalidField` when the input does not fit.
 */
export async function runCommand(
  controlled: Controlled,
  commandName: string,
  input: unknown,
): Promise<unknown> {
  if (!Object.hasOwn(COMMANDS, commandName)) {
    throw new KmsError('notFound', `Cannot run "${commandName}": no such command`)
  }
  const row = COMMANDS[commandName as CommandName] as Command<z.ZodType>
  const parsed = row.input.safeParse(input)
  if (parsed.success) return (await row.run(controlled, parsed.data)) ?? null
  const [issue] = parsed.error.issues
  const what = `${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`
  throw new KmsError('invalidField', `Cannot run ${commandName}: ${what.trim()}`)
}

/** Longest request; commands are short. */
const BODY_BYTES_MAX = 65_536

/** Serves the commands until it is closed. */
export async function serveControl(controlled: Controlled): Promise<Server> {
  const path = socketPath(controlled.house.dataDir, 'control')
  mkdirSync(join(controlled.house.dataDir, 'run'), { recursive: true, mode: 0o700 })
  // We hold the lock of the directory: a socket that is there is left over.
  rmSync(path, { force: true })
  const server = createServer((incoming, response) => void answer(controlled, incoming, response))
  const mask = process.umask(0o077)
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, resolve)
    })
    chmodSync(path, 0o600)
  } finally {
    process.umask(mask)
  }
  return server
}

async function answer(
  controlled: Controlled,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const called = (incoming.url ?? '').slice(1)
  try {
    const input = inputOf(called, await body(incoming))
    reply(response, 200, { result: await runCommand(controlled, called, input) })
  } catch (thrown) {
    const error = explained(called, thrown)
    if (failureCode(error) === 'internal') {
      controlled.log?.error({ command: called, err: error }, 'a command of the operator failed')
    }
    reply(response, 400, { error: { code: failureCode(error), message: failureMessage(error) } })
  }
}

function inputOf(called: string, text: string): unknown {
  if (text === '') return {}
  try {
    return JSON.parse(text)
  } catch (cause) {
    const what = `Cannot run "${called}": its body is no JSON, an object of its fields is`
    throw new KmsError('invalidField', what, { cause })
  }
}

/** What the system refuses concerns the operator's own files: he is told which, and why. */
function explained(called: string, error: unknown): unknown {
  const isOfSystem = typeof (error as NodeJS.ErrnoException).syscall === 'string'
  if (!isOfSystem) return error
  const what = `Cannot run ${called}: ${(error as Error).message}`
  return new KmsError('storageUnavailable', what, { cause: error })
}

function reply(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' })
  response.end(JSON.stringify(value))
}

async function body(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > BODY_BYTES_MAX) {
      const what = `Cannot run command: its body has more than the ${BODY_BYTES_MAX} bytes allowed`
      throw new KmsError('limitExceeded', what)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** Nobody answers on the socket. */
export class NotRunningError extends Error {
  override readonly name = 'NotRunningError'
}

interface Reply {
  readonly result?: unknown
  readonly error?: { readonly code: string; readonly message: string }
}

/**
 * Asks the running server.
 *
 * @throws {@link NotRunningError} when there is none; `KmsError` as the server says.
 */
export async function askServer(
  dataDir: string,
  commandName: CommandName,
  input: object,
): Promise<unknown> {
  const path = socketPath(dataDir, 'control')
  const text = await answered(path, commandName, JSON.stringify(input))
  const { result, error } = JSON.parse(text) as Reply
  if (error !== undefined) throw new KmsError(error.code as 'internal', error.message)
  return result
}

/** A server that lives says how it is within this time, whatever else it does. */
const ALIVE_MILLISECONDS = 10_000

/**
 * The answer, however long it takes, as long as the server is not stuck.
 *
 * @throws `KmsError` `keystoreUnavailable` when it is.
 */
async function answered(path: string, commandName: CommandName, text: string): Promise<string> {
  const call = new AbortController()
  const look = (): void => {
    if (commandName === 'status') call.abort()
    const alive = AbortSignal.timeout(ALIVE_MILLISECONDS)
    post(path, 'status', '{}', alive).catch(() => call.abort())
  }
  const watch = setTimeout(look, ALIVE_MILLISECONDS)
  try {
    return await post(path, commandName, text, call.signal)
  } catch (error) {
    if ((error as Error).name !== 'AbortError') throw error
    const what = `it listens on ${path} and says nothing for ${ALIVE_MILLISECONDS / 1_000} seconds`
    const way = 'its log may say why; where it stays so, end it with SIGKILL and start it anew'
    throw new KmsError('keystoreUnavailable', `Cannot ask the server: ${what}; ${way}`)
  } finally {
    clearTimeout(watch)
  }
}

function post(
  socketPath: string,
  commandName: string,
  text: string,
  signal?: AbortSignal,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { socketPath, path: `/${commandName}`, method: 'POST', signal }
    const call = request(options, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => resolve(Buffer.concat(chunks).toString()))
      response.on('error', reject)
    })
    call.on('error', (error: NodeJS.ErrnoException) => {
      const absent = error.code === 'ENOENT' || error.code === 'ECONNREFUSED'
      if (error.code === 'EACCES') reject(notOurs(socketPath))
      else reject(absent ? new NotRunningError('no server runs on this data directory') : error)
    })
    call.end(text)
  })
}

function notOurs(path: string): KmsError {
  const what = `Cannot ask the server: ${path} is another user's`
  return new KmsError('permissionDenied', `${what}; do it as the user who runs the server`)
}
