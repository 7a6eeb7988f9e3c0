/**
 * A server of our own for tests: a real process on a free port of the loopback, with a data
 * directory that goes when it does.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ConnectOptions } from '#clients/kmip/connection.ts'
import { askServer } from '#server/control.ts'

const LAUNCHER = fileURLToPath(new URL('../bin/claviger', import.meta.url))

/** Time for a server to start, in milliseconds; a first start makes keys. */
const START_MILLISECONDS = 30_000

export interface OwnServer {
  readonly dataDir: string
  readonly host: string
  readonly port: number
  readonly process: ChildProcess
  /** What it has written to standard error. */
  log(): string
  /** Options to connect as a credential. */
  client(name: string): ConnectOptions
  /** A credential that nobody has had before. */
  newClient(options?: { readonly scope?: string }): Promise<ConnectOptions>
  /** Ends it as a service manager would; resolves with the exit code. */
  stop(): Promise<number | null>
  /** Ends it as a power cut would. */
  kill(): Promise<void>
  /** Starts it again on the same data, after {@link kill} or {@link stop}. */
  restart(): Promise<OwnServer>
}

export interface OwnServerOptions {
  /** Variables for its environment, such as `CLAVIGER_LIMITS_IDLE_SECONDS`. */
  readonly env?: Readonly<Record<string, string>>
  /** Default: a new folder, which goes with the server. */
  readonly dataDir?: string
  /** Path of a `claviger.yaml`; default: what `CLAVIGER_TEST_CONFIG` names, if anything. */
  readonly config?: string
}

/** Starts a server and waits until it listens. */
export async function startOwnServer(options: OwnServerOptions = {}): Promise<OwnServer> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'claviger-test-'))
  // Every suite can be run under a configuration of the tester's, such as one with an HSM.
  const config = options.config ?? process.env['CLAVIGER_TEST_CONFIG']
  const args = ['serve', '--data', dataDir, '--kmip', '127.0.0.1:0']
  if (config !== undefined) args.push('--config', config)
  const child = spawn(LAUNCHER, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  })
  const log: string[] = []
  child.stderr?.on('data', (chunk: Buffer) => log.push(chunk.toString()))
  const address = await readyLine(child, log)
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const [host = '', port = ''] = address.split(':')
  let clients = 0

  const client = (name: string): ConnectOptions => ({
    host,
    port: Number(port),
    ca: readFileSync(join(dataDir, 'pki', 'ca.pem'), 'utf8'),
    cert: readFileSync(join(dataDir, 'pki', `${name}.pem`), 'utf8'),
    key: readFileSync(join(dataDir, 'pki', `${name}.key`), 'utf8'),
    connectMilliseconds: 10_000,
    requestMilliseconds: 60_000,
    messageBytesMax: 67_108_864,
  })
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    child.kill(signal)
    return exited
  }
  return {
    dataDir,
    host,
    port: Number(port),
    process: child,
    log: () => log.join(''),
    client,
    async newClient({ scope } = {}) {
      const name = `client-${process.pid}-${++clients}-${Date.now().toString(36)}`
      await askServer(dataDir, 'credential.create', { name, ...(scope && { scope }) })
      return client(name)
    },
    async stop() {
      const code = await end('SIGTERM')
      if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true })
      return code
    },
    async kill() {
      await end('SIGKILL')
    },
    restart: () => startOwnServer({ ...options, dataDir }),
  }
}

/** The address on the line that begins with `ready`. */
function readyLine(child: ChildProcess, log: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      clearTimeout(timer)
      reject(new Error(`the server did not start: ${why}\n${log.join('')}`))
    }
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      fail(`not ready within ${START_MILLISECONDS} ms`)
    }, START_MILLISECONDS)
    child.once('exit', (code) => fail(`it has ended with ${code}`))
    child.once('error', (error) => fail(error.message))
    let text = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const match = /^ready .*?kmip (?:\S+:\/\/)?([^\s,]+)/m.exec(text)
      if (match?.[1] === undefined) return
      clearTimeout(timer)
      child.removeAllListeners('exit')
      resolve(match[1])
    })
  })
}
