/**
 * `npm run conformance -- DIR…`: plays OASIS cases against a server and reports on each.
 *
 * Starts a server of its own, with a credential of its own for every group of cases, unless
 * `--server HOST:PORT --pki DIR` names one. Exits with 1 when a case has failed, a file that is
 * no case among them, and with 2 when there was nothing to play.
 *
 * @module
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { ConnectOptions } from '#clients/kmip/connection.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { type Case, readOrTell } from './case.ts'
import { type Outcome, offeredBy, play, Session } from './play.ts'

const USAGE = `Usage: npm run conformance -- [options] DIR|FILE…

Plays OASIS KMIP test cases (XML) over TLS and reports per case.

Options:
  --server HOST:PORT  play against this server instead of one of our own
  --pki DIR           its ca.pem, and the client's NAME.pem and NAME.key
  --name NAME         which client of --pki (default admin)
  --verbose           also list what has passed
  --json              a JSON object a case, and one with the totals
  --help

Examples:
  npm run conformance -- ../shared/vectors/kmip/v1.3/mandatory
  npm run conformance -- --server 127.0.0.1:5696 --pki data/pki cases/`

interface Options {
  readonly server?: string | undefined
  readonly pki?: string | undefined
  readonly name: string
  readonly verbose: boolean
  readonly json: boolean
}

/** Cases whose files belong together: configuration, write, read, and such. */
function groupOf({ name }: Case): string {
  return name.replace(/^(TL-M|SASED-M|TC-CREG|TC-OTP)(-[A-Z]+)?-\d+-/, '$1-')
}

/** Files that set up come first, those that clean up last. */
function rankOf(name: string): number {
  if (name.includes('-SETUP-')) return -1
  return name.includes('-CLEANUP-') ? 1 : 0
}

/** All cases below the paths, by group. */
export function readCases(paths: readonly string[]): readonly (readonly Case[])[] {
  const groups = new Map<string, Case[]>()
  for (const path of paths) {
    for (const file of xmlFiles(path)) {
      const one = readOrTell(file)
      const key = `${path} ${groupOf(one)}`
      groups.set(key, [...(groups.get(key) ?? []), one])
    }
  }
  return [...groups.values()]
}

function xmlFiles(path: string): readonly string[] {
  if (!statSync(path).isDirectory()) return [path]
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.xml'))
    .sort(byNumber)
    .map((name) => join(path, name))
}

/** TL-M-2 before TL-M-10. */
function byNumber(a: string, b: string): number {
  return rankOf(a) - rankOf(b) || a.localeCompare(b, 'en', { numeric: true })
}

/** Connects as a client that nobody else is, and so sees no other objects. */
export type NewClient = () => Promise<ConnectOptions>

/** Plays groups one after the other. */
export async function playAll(
  groups: readonly (readonly Case[])[],
  newClient: NewClient,
  report: (outcome: Outcome) => void,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = []
  const offered = await offeredBy(await newClient())
  for (const group of groups) {
    const session = new Session(await newClient(), offered)
    for (const one of group) {
      const outcome = await play(session, one)
      report(outcome)
      outcomes.push(outcome)
    }
  }
  return outcomes
}

/** `N passed, N failed, N skipped`. */
export function closingLine(outcomes: readonly Outcome[]): string {
  const count = (result: Outcome['result']): number => {
    return outcomes.filter((outcome) => outcome.result === result).length
  }
  return `${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`
}

function lineOf(outcome: Outcome, options: Options): string | undefined {
  if (options.json) return JSON.stringify(outcome)
  if (outcome.result === 'passed') return options.verbose ? `passed  ${outcome.name}` : undefined
  return `${outcome.result.padEnd(7)} ${outcome.name}: ${outcome.reason}`
}

function externalClient({ server, pki, name }: Options): NewClient {
  if (server === undefined || pki === undefined) {
    throw new Error('--server HOST:PORT and --pki DIR go together')
  }
  const at = server.lastIndexOf(':')
  const read = (file: string): string => readFileSync(join(pki, file), 'utf8')
  const options: ConnectOptions = {
    host: server.slice(0, at),
    port: Number(server.slice(at + 1)),
    ca: read('ca.pem'),
    cert: read(`${name}.pem`),
    key: read(`${name}.key`),
    connectMilliseconds: 10_000,
    requestMilliseconds: 30_000,
    messageBytesMax: 67_108_864,
  }
  return async () => options
}

/** What was asked for, and where. @throws when an option is not known. */
function asked(): { readonly values: Options & { help: boolean }; readonly paths: string[] } {
  const { values, positionals: paths } = parseArgs({
    allowPositionals: true,
    options: {
      server: { type: 'string' },
      pki: { type: 'string' },
      name: { type: 'string', default: 'admin' },
      verbose: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  return { values, paths }
}

async function main(): Promise<void> {
  const { values, paths } = asked()
  if (values.help || paths.length === 0) {
    console.log(USAGE)
    process.exitCode = values.help ? 0 : 2
    return
  }
  const groups = readCases(paths)
  if (groups.length === 0) throw new Error(`${paths.join(', ')}: there is no .xml file`)
  const isOurs = values.server === undefined && values.pki === undefined
  const external = isOurs ? undefined : externalClient(values)
  const own = external === undefined ? await startOwnServer() : undefined
  try {
    const newClient = external ?? ((): Promise<ConnectOptions> => (own as OwnServer).newClient())
    const outcomes = await playAll(groups, newClient, (outcome) => {
      const line = lineOf(outcome, values)
      if (line !== undefined) console.log(line)
    })
    console.log(
      values.json ? JSON.stringify({ totals: closingLine(outcomes) }) : closingLine(outcomes),
    )
    process.exitCode = outcomes.some(({ result }) => result === 'failed') ? 1 : 0
  } finally {
    await own?.stop()
  }
}

if (import.meta.main) {
  await main().catch((error: Error) => {
    console.error(`error: ${error.message}`)
    process.exitCode = 2
  })
}
