/**
 * The host processes of a device: the one that works, and one in waiting.
 *
 * The one in waiting has been started and has read its code; it has not touched the module, so that
 * the device has no session of it. When the other one ends, it takes a word on its standard input
 * to go on. It ends by itself when the server does, because its standard input does.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'

export interface HostCommand {
  /** Program and arguments of the host; the lanes are its descriptors from 3 on. */
  readonly command: readonly [string, ...string[]]
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined
  readonly lanes: number
}

/** What the host waits for before it loads the module. */
const GO = 'go\n'
/** Before what the host says on its standard output, where modules may write as well. */
export const LAST_WORDS = 'claviger-hsm-host: '
const WORDS_MAX = 4_096
/** For how long the end of a host is waited for. */
const END_MILLISECONDS = 1_000
/** The one that works shall have the processor first. */
const PREPARE_MILLISECONDS = 300

export class HostProcesses {
  readonly #command: HostCommand
  #spare: ChildProcess | undefined
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(command: HostCommand) {
    this.#command = command
  }

  /** A host that loads its module now: the one in waiting, or a new one. */
  take(): ChildProcess {
    const spare = this.#spare
    this.#spare = undefined
    spare?.removeAllListeners()
    const isThere = spare !== undefined && spare.exitCode === null && spare.signalCode === null
    const host = isThere ? spare : this.#spawn()
    host.stdin?.write(GO)
    return host
  }

  /** Has one in waiting before long. */
  prepare(): void {
    if (this.#isClosed || this.#spare !== undefined || this.#timer !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      const spare = this.#spawn()
      this.#spare = spare
      const forget = (): void => {
        if (this.#spare === spare) this.#spare = undefined
      }
      spare.once('error', forget)
      spare.once('exit', forget)
    }, PREPARE_MILLISECONDS)
    this.#timer.unref()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#spare?.removeAllListeners()
    // Whoever was killed before he could be started tells of it by an error.
    this.#spare?.on('error', () => undefined)
    this.#spare?.kill('SIGKILL')
    this.#spare = undefined
  }

  #spawn(): ChildProcess {
    const { command, environment, lanes } = this.#command
    const [program, ...args] = command
    const pipes = Array.from({ length: lanes }, () => 'pipe' as const)
    const env = { ...process.env, ...environment }
    const host = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit', ...pipes], env })
    WORDS.set(host, '')
    host.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      WORDS.set(host, `${WORDS.get(host)}${chunk}`.slice(-WORDS_MAX))
    })
    // That it ended before the word came is told by its end.
    host.stdin?.on('error', () => undefined)
    return host
  }
}

const WORDS = new WeakMap<ChildProcess, string>()

/**
 * Why a host has hung up: what it has said of its module, or how it has ended. It is waited for,
 * because its lanes close before that is known.
 */
export async function lastWords(host: ChildProcess): Promise<string | undefined> {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), END_MILLISECONDS)
  const { signal } = late
  const isOver = host.exitCode !== null || host.signalCode !== null
  const over = isOver ? undefined : once(host, 'exit', { signal })
  const said = host.stdout?.closed ? undefined : once(host.stdout as Readable, 'close', { signal })
  await Promise.allSettled([over, said])
  clearTimeout(timer)
  const line = WORDS.get(host)
    ?.split('\n')
    .findLast((one) => one.startsWith(LAST_WORDS))
  if (line !== undefined) return line.slice(LAST_WORDS.length)
  const { exitCode, signalCode } = host
  if (exitCode === null && signalCode === null) return undefined
  return `its host process has ended (${signalCode ?? `exit code ${exitCode}`})`
}
