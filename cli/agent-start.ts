/**
 * The agent as `libclaviger.so` wants it: serving before its application has waited long.
 *
 * It is the first module of the flat program (`flat.ts`) that `bin/claviger` runs where there is
 * one; where there is none, it has one made for the agents that come after it.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { createWriteStream, mkdirSync, renameSync, statSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { Socket } from 'node:net'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { runAgent } from '#server/agent.ts'
import { surviveRejections } from '#server/last-resort.ts'
import { createLog, type Logger } from '#server/log.ts'
import { loadConfig } from './configured.ts'
import { fail } from './output.ts'

export interface AgentOptions {
  /** The connected socket. */
  readonly fd: number
  readonly data: string
  readonly config?: string | undefined
}

const PRIVATE_UMASK = 0o077

/** By when it has compiled what starting takes, and its application has what it asked for. */
const SETTLED_MILLISECONDS = 500

/** A log that has grown larger makes way for a new one. */
const LOG_BYTES_MAX = 1_048_576

const FLAT_MAKER = fileURLToPath(new URL('./flat-make.ts', import.meta.url))

/** Where the keys of a person are who has said nothing else. */
export function personalData(environment: Readonly<Record<string, string | undefined>>): string {
  const share = environment['XDG_DATA_HOME']
  return share?.startsWith('/')
    ? join(share, 'claviger')
    : join(homedir(), '.local', 'share', 'claviger')
}

/** What the module and most people say; undefined for anything else, which Commander reads. */
function plainOptions(args: readonly string[]): AgentOptions | undefined {
  try {
    const options = {
      fd: { type: 'string' },
      data: { type: 'string' },
      config: { type: 'string' },
    } as const
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options,
    })
    const { fd = '', data = process.env['CLAVIGER_DATA'], config } = values
    if (positionals.join() !== 'agent' || !/^\d{1,3}$/.test(fd)) return undefined
    return { fd: Number(fd), data: data ?? personalData(process.env), config }
  } catch {
    return undefined
  }
}

/** `claviger agent` as it is mostly meant, and else like every other command. */
export function main(): void {
  const options = plainOptions(process.argv.slice(2))
  if (options !== undefined) {
    startAgent(options).catch((error: unknown) => fail(error, false))
    return
  }
  // Not by its name, or it would be in the flat program as well.
  const commands = new URL('./main.ts', import.meta.url)
  void import(commands.href)
}

/** Serves an application, and whoever else comes, until nobody is left. */
export async function startAgent(options: AgentOptions): Promise<void> {
  const { fd, data } = options
  process.umask(PRIVATE_UMASK)
  mkdirSync(join(data, 'run'), { recursive: true, mode: 0o700 })
  const config = loadConfig(options)
  const file = join(data, 'run', 'agent.log')
  makeRoom(file)
  const log = createLog(config.log, createWriteStream(file, { flags: 'a', mode: 0o600 }))
  // The application may close its end whenever it likes.
  const stream = new Socket({ fd }).on('error', () => {})
  process.on('SIGHUP', () => {})
  surviveRejections(log)
  const served = (): void => void setTimeout(prepareNext, SETTLED_MILLISECONDS, log).unref()
  await runAgent({ dataDir: data, config, log, stream, served })
}

/** One log that is full is kept; the one before it goes. */
function makeRoom(file: string): void {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0
  if (size > LOG_BYTES_MAX) renameSync(file, `${file}.1`)
}

/** The next agent finds what this one had to compile, and all modules in one file. */
function prepareNext(log: Logger): void {
  flushCompileCache()
  // Given by bin/claviger, and taken away by a flat program that could be used.
  const flat = process.env['CLAVIGER_FLAT']
  if (flat === undefined) return
  const args = ['--disable-warning=ExperimentalWarning', FLAT_MAKER, flat]
  // The folder in which the application was started may be gone.
  const cwd = dirname(FLAT_MAKER)
  const maker = spawn(process.execPath, args, { stdio: 'ignore', detached: true, cwd })
  maker.on('error', () => {})
  maker.on('exit', (status) => {
    const command = ['node', FLAT_MAKER, flat].join(' ')
    if (status !== 0) log.debug({ status, command }, 'agents go on starting without a flat program')
  })
  maker.unref()
}
