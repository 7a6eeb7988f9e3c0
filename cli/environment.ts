/**
 * Where commands find the data directory, the configuration and the server.
 *
 * @module
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import { KmipClient, KmipConnectionError } from '#clients/kmip/client.ts'
import { askServer, type CommandName, NotRunningError, runCommand } from '#server/control.ts'
import type { House } from '#server/house.ts'
import { loadConfig } from './configured.ts'
import { UsageError } from './output.ts'

/** Options that every command has. */
export interface GlobalOptions {
  readonly json: boolean
  readonly data: string
  readonly config?: string | undefined
}

/** Options of commands that speak to a server. */
export interface ClientOptions extends GlobalOptions {
  readonly server?: string | undefined
  readonly as: string
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly clientKey?: string | undefined
}

export const DEFAULT_DATA = './data'
const DEFAULT_SERVER = '127.0.0.1:5696'
const PORT_MAX = 65_535

/** Adds the options of a command that speaks KMIP to a server. */
export function withServer(command: Command): Command {
  return command
    .option(
      '--server <host:port>',
      `the KMIP server; default: CLAVIGER_SERVER, the one that runs on --data, ${DEFAULT_SERVER}`,
    )
    .option('--as <name>', 'credential in the pki folder of --data', 'admin')
    .option('--ca <file>', "authority of the server's certificate (PEM)")
    .option('--cert <file>', 'client certificate (PEM)')
    .option('--client-key <file>', 'its private key (PEM)')
}

/** Where the KMIP server is: as somebody says, or as the server that runs on the data says. */
async function serverAddress({ server, data }: ClientOptions): Promise<string> {
  const given = server ?? process.env['CLAVIGER_SERVER']
  if (given !== undefined && given !== '') return given
  const status = await serverStatus(data)
  const listens = status?.kmip
  // Nobody can connect to "every address".
  return listens?.replace(/^0\.0\.0\.0:/, '127.0.0.1:').replace('[::]:', '[::1]:') ?? DEFAULT_SERVER
}

/** What a running server says of itself. */
export interface ServerStatus {
  readonly running: true
  readonly process: number
  readonly kmip: string
  /** Where it is spoken without TLS. */
  readonly plain?: string | undefined
  /** The socket of PKCS#11 applications. */
  readonly pkcs11?: string | undefined
  readonly applications?: number | undefined
  /** Where Prometheus reads. */
  readonly metrics?: string | undefined
  readonly connections: number
  readonly uptimeSeconds: number
  readonly memoryBytes: number
}

/** Asks the server on a data directory; undefined where none runs. */
export async function serverStatus(dataDir: string): Promise<ServerStatus | undefined> {
  if (!existsSync(dataDir)) return undefined
  try {
    return (await askServer(dataDir, 'status', {})) as ServerStatus
  } catch (error) {
    if (error instanceof NotRunningError) return undefined
    throw error
  }
}

/** A client with the credential that the options name. */
async function openClient(options: ClientOptions): Promise<KmipClient> {
  const { data, as } = options
  const server = await serverAddress(options)
  const at = server.lastIndexOf(':')
  const port = Number(server.slice(at + 1))
  if (at < 1 || !Number.isInteger(port) || port < 1 || port > PORT_MAX) {
    throw new UsageError(`--server ${server}: must be HOST:PORT, with a port up to ${PORT_MAX}`)
  }
  const pki = (file: string): string => join(data, 'pki', file)
  return new KmipClient({
    host: server.slice(0, at).replace(/^\[|\]$/g, ''),
    port,
    ca: pem(options.ca ?? pki('ca.pem'), '--ca'),
    cert: pem(options.cert ?? pki(`${as}.pem`), '--cert'),
    key: pem(options.clientKey ?? pki(`${as}.key`), '--client-key'),
  })
}

function pem(path: string, option: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EACCES') throw new UsageError(`${path} is another user's; do it as that user`)
    const why = code === 'ENOENT' ? 'is not there' : 'cannot be read'
    const hint = `name the data directory with --data, or the file with ${option}`
    throw new UsageError(`${path} ${why}; ${hint}`)
  }
}

/** A server that turns a client away says why in its own log only. */
const HUNG_UP =
  'The server has closed the connection: the credential is revoked, expired or unknown there, ' +
  'or the data is longer than limits.messageBytesMax allows; its log says which'

function hungUp(error: unknown): boolean {
  return error instanceof KmipConnectionError && error.message.includes('has closed the connection')
}

/** Uses a client and closes it. */
export async function withClient<T>(
  options: ClientOptions,
  use: (client: KmipClient) => Promise<T>,
): Promise<T> {
  const client = await openClient(options)
  try {
    return await use(client)
  } catch (error) {
    throw hungUp(error) ? new KmipConnectionError(HUNG_UP, { cause: error }) : error
  } finally {
    client.close()
  }
}

function assertDataDirectory(path: string): void {
  try {
    statSync(join(path, 'claviger.db'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') {
      const hint = 'do it as the user who runs the server'
      throw new UsageError(`${path} is another user's data directory; ${hint}`)
    }
    const hint = 'name it with --data, or make one with: claviger init'
    throw new UsageError(`${path} is no data directory of Claviger; ${hint}`)
  }
}

/** Runs a command on the running server, or on the data directory where none runs. */
export async function control(
  options: GlobalOptions,
  name: CommandName,
  input: object,
): Promise<unknown> {
  assertDataDirectory(options.data)
  try {
    return await askServer(options.data, name, input)
  } catch (error) {
    if (!(error instanceof NotRunningError)) throw error
  }
  const house = await openHouse(options)
  try {
    return await runCommand({ house }, name, input)
  } finally {
    await house.close()
  }
}

/** Opens the data directory without a server. */
async function openHouse(options: GlobalOptions): Promise<House> {
  // Most commands need no server in them, and start sooner without.
  const [{ House }, { createLog }] = await Promise.all([
    import('#server/house.ts'),
    import('#server/log.ts'),
  ])
  const config = loadConfig(options)
  const log = createLog({ ...config.log, level: 'warn' })
  return House.open({ dataDir: options.data, config, log, askPassphrase: askPassphrase() })
}

/** Asks on the terminal; undefined where there is none. */
export function askPassphrase(
  usual = 'Passphrase: ',
): ((prompt?: string) => Promise<string>) | undefined {
  if (!process.stdin.isTTY) return undefined
  return async (prompt = usual) => {
    const terminal = createInterface({ input: process.stdin, output: process.stderr })
    // What is typed is not shown.
    const hidden = terminal as unknown as { _writeToOutput: (text: string) => void }
    process.stderr.write(prompt)
    hidden._writeToOutput = () => {}
    try {
      return await terminal.question('')
    } finally {
      process.stderr.write('\n')
      terminal.close()
    }
  }
}

/** A PIN: from a file, from the environment, or from the person at the terminal. */
export async function pinFrom(
  file: string | undefined,
  variable: string,
  prompt: string,
  option: string,
): Promise<string> {
  if (file !== undefined) return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  const given = process.env[variable]
  if (given !== undefined && given !== '') return given
  const ask = askPassphrase(prompt)
  if (ask !== undefined) return ask()
  throw new UsageError(`a PIN is missing: set ${variable}, or name a file with ${option}`)
}
