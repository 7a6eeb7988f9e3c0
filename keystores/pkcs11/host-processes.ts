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

export interface HostCommand {
  /** Program and arguments of the host; the lanes are its descriptors from 3 on. */
  readonly command: readonly [string, ...string[]]
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined
  readonly lanes: number
}

/** What the host waits for before it loads the module. */
const GO = 'go\n'
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
    const host = spawn(program, args, { stdio: ['pipe', 'ignore', 'inherit', ...pipes], env })
    // That it ended before the word came is told by its end.
    host.stdin?.on('error', () => undefined)
    return host
  }
}
