/**
 * The processes beside the server: load generator, echo, node:crypto alone.
 *
 * Each is one file that takes jobs as messages and answers each with one message.
 *
 * @module
 */
import { type ChildProcess, fork } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { PRIMITIVES } from './alone.ts'

/** Where to connect, and as whom. PEM. */
export interface Target {
  readonly host: string
  readonly port: number
  readonly ca: string
  readonly cert: string
  readonly key: string
}

export interface LoadJob extends Target {
  /** Sent in turn; base64. */
  readonly requests: readonly string[]
  /** What every answer must have. */
  readonly answerBytes: number
  readonly connections: number
  readonly warmMilliseconds: number
  readonly milliseconds: number
}

/** Latencies in milliseconds. */
export interface LoadResult {
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  /** Answers in all, those before the measurement included. */
  readonly answered: number
}

export interface EchoSetup {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

export interface EchoJob {
  readonly requestBytes: number
  /** Base64. */
  readonly answer: string
}

export type Primitive = keyof typeof PRIMITIVES

export interface AloneJob {
  readonly primitive: Primitive
  readonly milliseconds: number
  readonly concurrency: number
}

export interface AloneResult {
  readonly perSecond: number
  /** Processor time for one operation, that of all threads, in microseconds. */
  readonly processorMicros: number
}

/** A process that answers every message with one. */
class Worker {
  readonly #child: ChildProcess

  constructor(file: string) {
    this.#child = fork(fileURLToPath(new URL(file, import.meta.url)))
  }

  get pid(): number {
    return this.#child.pid as number
  }

  ask(message: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null): void => {
        reject(new Error(`a process of the benchmark has ended with ${code}`))
      }
      this.#child.once('exit', ended)
      this.#child.once('message', (answer) => {
        this.#child.off('exit', ended)
        resolve(answer)
      })
      this.#child.send(message)
    })
  }

  stop(): void {
    this.#child.disconnect()
    this.#child.kill()
  }
}

export class Load {
  readonly #worker = new Worker('load.ts')

  /** @throws `Error` when an answer was a failure: then nothing was measured. */
  async run(job: LoadJob): Promise<LoadResult> {
    const answer = (await this.#worker.ask(job)) as LoadResult | { readonly failure: string }
    if ('failure' in answer) throw new Error(`Cannot measure: ${answer.failure}`)
    return answer
  }

  stop(): void {
    this.#worker.stop()
  }
}

export class Echo {
  readonly #worker = new Worker('echo.ts')

  /** @returns Its port on the loopback. */
  async listen(setup: EchoSetup): Promise<number> {
    return (await this.#worker.ask(setup)) as number
  }

  get pid(): number {
    return this.#worker.pid
  }

  /** What it takes for a request, and what it answers, from now on. */
  async expect(job: EchoJob): Promise<void> {
    await this.#worker.ask(job)
  }

  stop(): void {
    this.#worker.stop()
  }
}

export class Alone {
  readonly #worker = new Worker('alone.ts')

  async run(job: AloneJob): Promise<AloneResult> {
    return (await this.#worker.ask(job)) as AloneResult
  }

  stop(): void {
    this.#worker.stop()
  }
}

/** Ticks of a clock that is the same on every Linux. */
const TICKS_PER_SECOND = 100

/** Processor time of a process so far, where /proc tells it. */
export function processorSeconds(pid: number | undefined): number | undefined {
  const path = `/proc/${pid}/stat`
  if (pid === undefined || !existsSync(path)) return undefined
  const text = readFileSync(path, 'latin1')
  // Fields 14 and 15 of proc(5), counted from behind the name, which may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}
