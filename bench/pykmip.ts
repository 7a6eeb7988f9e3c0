/**
 * The other server: PyKMIP, where the distribution's package `python3-pykmip` is installed.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'

const PROGRAM = '/usr/bin/pykmip-server'
const START_MILLISECONDS = 15_000

/** Paths of what it identifies itself with, and of whom it believes. PEM. */
export interface PyKmipIdentity {
  readonly cert: string
  readonly key: string
  readonly ca: string
}

export interface PyKmip {
  readonly port: number
  stop(): void
}

/** @returns The server, or in words why there is none. */
export async function startPyKmip(
  folder: string,
  { cert, key, ca }: PyKmipIdentity,
): Promise<PyKmip | string> {
  if (!existsSync(PROGRAM)) return `${PROGRAM} is not there; it is in the package python3-pykmip`
  const port = await freePort()
  mkdirSync(join(folder, 'policies'), { recursive: true })
  const path = join(folder, 'server.conf')
  const settings = {
    hostname: '127.0.0.1',
    port,
    certificate_path: cert,
    key_path: key,
    ca_path: ca,
    auth_suite: 'TLS1.2',
    policy_path: join(folder, 'policies'),
    enable_tls_client_auth: 'True',
    logging_level: 'ERROR',
    database_path: join(folder, 'pykmip.db'),
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`)
  writeFileSync(path, `[server]\n${lines.join('\n')}\n`)
  const log = join(folder, 'pykmip.log')
  const child = spawn(PROGRAM, ['-f', path, '-l', log], { stdio: 'ignore', detached: true })
  const why = await listening(child, port)
  if (why === undefined) return { port, stop: () => end(child) }
  end(child)
  return why
}

/** Ends it with the processes that it has started itself, which outlive it otherwise. */
function end({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // All of them have ended already.
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** Undefined once it listens, else why it does not. */
async function listening(child: ChildProcess, port: number): Promise<string | undefined> {
  let failure: string | undefined
  child.once('error', (error) => {
    failure = error.message
  })
  child.once('exit', (code) => {
    failure = `it has ended with ${code}`
  })
  const end = Date.now() + START_MILLISECONDS
  while (failure === undefined && Date.now() < end) {
    if (await accepts(port)) return undefined
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return failure ?? `it does not listen after ${START_MILLISECONDS} ms`
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
