/**
 * The machine that something is measured on, and keeping its processors from sleeping meanwhile.
 *
 * Where there is little to do, a processor sleeps between a question and its answer. Waking it
 * takes a virtual machine up to hundreds of microseconds, more than most operations, and another
 * time in every minute: what is measured then is the machine. A loop on each processor, which runs
 * only when nobody else wants to (SCHED_IDLE of Linux), leaves none asleep and takes nothing away.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'

export interface Machine {
  readonly processor: string
  readonly cores: number
  /** Whether none of them sleeps. */
  readonly awake: boolean
}

export function machineOf({ awake }: { readonly awake: boolean }): Machine {
  return { processor: cpus()[0]?.model ?? 'unknown', cores: cpus().length, awake }
}

export function machineText({ processor, cores, awake }: Machine): string {
  const what = `${processor}, ${cores} cores, Node ${process.versions.node}`
  return awake ? `${what}; no core sleeps` : what
}

const LOOP = 'while :; do :; done'

/**
 * @returns Ends the loops.
 * @throws Error where the system has no `chrt`
 */
export async function keepAwake(): Promise<() => void> {
  const loops: ChildProcess[] = []
  const end = (): void => {
    for (const loop of loops) loop.kill('SIGKILL')
  }
  try {
    for (const _ of cpus()) {
      const loop = spawn('chrt', ['--idle', '0', 'sh', '-c', LOOP], { stdio: 'ignore' })
      loops.push(loop)
      await once(loop, 'spawn')
    }
  } catch (cause) {
    end()
    const what = 'Cannot keep the processors awake: chrt (util-linux, Linux only) is missing'
    throw new Error(what, { cause })
  }
  process.once('exit', end)
  return end
}
