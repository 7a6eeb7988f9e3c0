/**
 * A simulated TPM with a token of tpm2-pkcs11 for tests: swtpm, behind it tpm2-abrmd as its
 * resource manager, on a D-Bus of its own; all in one folder.
 *
 * @module
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

const FOLDERS = ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin']
const PROGRAMS = ['swtpm', 'dbus-daemon', 'tpm2-abrmd', 'tpm2_ptool', 'tpm2_getcap'] as const
const MODULES = ['x86_64', 'aarch64'].map((machine) => {
  return `/usr/lib/${machine}-linux-gnu/libtpm2_pkcs11.so.1`
})
/** Time for all of it to answer. */
const START_TRIES = 40
const PAUSE_MILLISECONDS = 250
const PORTS = { first: 20_000, count: 12_000 } as const

export const TPM_MODULE = MODULES.find((path) => existsSync(path))
const missing = [
  ...(TPM_MODULE === undefined ? ['libtpm2-pkcs11-1'] : []),
  ...PROGRAMS.filter((name) => pathOf(name) === undefined),
]
/** Why there is none here; false where there is. */
export const withoutTpm = missing.length === 0 ? false : `${missing.join(', ')} are not installed`

export interface Tpm {
  /** In which the module finds it. */
  readonly environment: Readonly<Record<string, string>>
  /** Makes a key by the means of its maker. */
  addKey(algorithm: string, label: string): Promise<void>
  stop(): Promise<void>
}

function pathOf(name: string): string | undefined {
  return FOLDERS.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

/** Starts it, with a token of this label and PIN. */
export async function startTpm(folder: string, label: string, pin: string): Promise<Tpm> {
  const port = await freePair()
  const [state, store, bus] = ['state', 'store', 'bus'].map((name) => join(folder, name))
  for (const path of [state, store]) mkdirSync(path as string)
  const tcti = 'tabrmd:bus_type=session'
  const environment = {
    DBUS_SESSION_BUS_ADDRESS: `unix:path=${bus}`,
    TPM2TOOLS_TCTI: tcti,
    TPM2_PKCS11_TCTI: tcti,
    TPM2_PKCS11_STORE: store as string,
    // What the libraries have to say of each failed attempt.
    TSS2_LOG: 'all+NONE',
  }
  const env = { ...process.env, ...environment }
  const processes: ChildProcess[] = []
  const start = (name: (typeof PROGRAMS)[number], ...args: readonly string[]): void => {
    processes.push(spawn(pathOf(name) as string, args, { env, stdio: 'ignore' }))
  }
  const run = async (name: (typeof PROGRAMS)[number], ...args: readonly string[]) => {
    await promisify(execFile)(pathOf(name) as string, args, { env, timeout: 30_000 })
  }
  const stop = async (): Promise<void> => {
    for (const one of processes.reverse()) {
      if (one.exitCode !== null || one.signalCode !== null) continue
      one.kill('SIGKILL')
      await once(one, 'exit')
    }
  }
  try {
    const socket = (at: number): string => `type=tcp,port=${at}`
    const ends = ['--server', socket(port), '--ctrl', socket(port + 1)]
    const flags = ['--flags', 'not-need-init,startup-clear']
    start('swtpm', 'socket', '--tpm2', '--tpmstate', `dir=${state}`, ...ends, ...flags)
    start('dbus-daemon', '--session', `--address=unix:path=${bus}`, '--nofork', '--nopidfile')
    await until(async () => existsSync(bus as string))
    await delay(PAUSE_MILLISECONDS)
    start('tpm2-abrmd', '--session', '--allow-root', `--tcti=swtpm:host=127.0.0.1,port=${port}`)
    await until(async () => run('tpm2_getcap', 'properties-fixed').then(() => true))
    const at = `--path=${store}`
    await run('tpm2_ptool', 'init', at)
    const pins = ['--sopin=12345678', `--userpin=${pin}`]
    await run('tpm2_ptool', 'addtoken', '--pid=1', `--label=${label}`, ...pins, at)
    return {
      environment,
      async addKey(algorithm, name) {
        const what = [`--algorithm=${algorithm}`, `--key-label=${name}`]
        await run('tpm2_ptool', 'addkey', `--label=${label}`, `--userpin=${pin}`, ...what, at)
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  let last: unknown
  for (let tries = 0; tries < START_TRIES; tries++) {
    try {
      if (await isSo()) return
    } catch (error) {
      last = error
    }
    await delay(PAUSE_MILLISECONDS)
  }
  throw new Error('the simulated TPM does not start', { cause: last })
}

/** A port that is free, and the one behind it: the library expects the two side by side. */
async function freePair(): Promise<number> {
  for (;;) {
    const port = PORTS.first + 2 * randomInt(PORTS.count)
    const servers: Server[] = []
    try {
      for (const at of [port, port + 1]) {
        const server = createServer().listen(at, '127.0.0.1')
        servers.push(server)
        await once(server, 'listening')
      }
      return port
    } catch {
      // Somebody else has one of them.
    } finally {
      for (const server of servers) server.close()
    }
  }
}
