/**
 * A token for programs of other people: a server, an initialised token, the environment in which a
 * program finds both, and a folder for its files.
 *
 * The scenarios say nothing about whose module they run with. With
 * `CLAVIGER_CONFORMANCE_MODULE=softhsm2` they run with SoftHSM2 instead, which shows whether it is
 * the scenario that is wrong.
 *
 * @module
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { askServer } from '#server/control.ts'
import { socketPath } from '#server/sockets.ts'

/** Our module, where it is built. */
export const CLAVIGER = fileURLToPath(new URL('../../module/build/libclaviger.so', import.meta.url))
const LIBRARIES = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib']

/** The distribution's, or that of another p11-kit: its folder, which is the prefix of its build. */
export const P11_KIT_CLIENT = p11KitClient(process.env['P11_KIT_PREFIX'])

/** Programs of the administrator are not on every user's path. */
const PATH = `${process.env['PATH']}:/usr/sbin:/sbin`

/** Time for one program, in milliseconds. */
const RUN_MILLISECONDS = 120_000
const OUTPUT_BYTES_MAX = 16_777_216

export const PIN = '24681357'
export const SO_PIN = '97531864'
export const LABEL = 'conformance'

export type Product = 'claviger' | 'softhsm2'

/** What the scenarios run with. */
export const product: Product =
  process.env['CLAVIGER_CONFORMANCE_MODULE'] === 'softhsm2' ? 'softhsm2' : 'claviger'

/** Path of a library that a package brings, wherever the machine keeps such. */
export function library(name: string): string {
  const found = LIBRARIES.map((folder) => join(folder, name)).find(existsSync)
  return found ?? join(LIBRARIES[0] as string, name)
}

function p11KitClient(prefix: string | undefined): string {
  if (prefix === undefined) return library('pkcs11/p11-kit-client.so')
  const folders = LIBRARIES.map((folder) => join(prefix, folder.replace('/usr', '')))
  const paths = folders.map((folder) => join(folder, 'pkcs11/p11-kit-client.so'))
  return paths.find(existsSync) ?? (paths[0] as string)
}

const MODULES = { claviger: CLAVIGER, softhsm2: library('softhsm/libsofthsm2.so') }

/** Why a scenario cannot run here; false when it can. Names are programs, or paths of files. */
export function absent(...needs: readonly string[]): string | false {
  const how = product === 'claviger' ? 'npm run build:module' : 'the package softhsm2'
  const without = absentFiles(`${how} brings it`, MODULES[product])
  if (without !== false) return without
  const missing = needs.filter((name) => !existsSync(name) && !isProgram(name))
  return missing.length > 0 && `missing: ${missing.join(', ')}`
}

/** Which of the files is not there, and how to have it; false when all are. */
export function absentFiles(how: string, ...paths: readonly string[]): string | false {
  const missing = paths.find((path) => !existsSync(path))
  return missing !== undefined && `${missing} is not there: ${how}`
}

function isProgram(name: string): boolean {
  return PATH.split(':').some((folder) => existsSync(join(folder, name)))
}

export interface Ended {
  /** Null after a signal. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** Both, and what was run: for messages. */
  readonly output: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string | Buffer
  readonly cwd?: string
}

export interface TokenUnderTest {
  readonly module: string
  /** In addition to that of this process. */
  readonly env: Readonly<Record<string, string>>
  /** For files; goes with the token. */
  readonly folder: string
  /** A file in the folder, with this content if there is any. */
  file(name: string, content?: string | Buffer): string
  /** `pkcs11:` URI of an object of the token. */
  uri(object: string, options?: { readonly type?: string; readonly pin?: boolean }): string
  /** Runs a program that finds the token; never rejects. */
  run(program: string, args: readonly string[], options?: RunOptions): Promise<Ended>
  /** Runs one that has to end with 0. @returns Its standard output. */
  done(program: string, args: readonly string[], options?: RunOptions): Promise<string>
  /** Starts one that stays. */
  start(program: string, args: readonly string[], options?: RunOptions): ChildProcess
  /** The same token through `p11-kit-client.so`. */
  remote(): Promise<TokenUnderTest>
  stop(): Promise<void>
}

/** A server and a token that nobody has used before. */
export async function startToken(): Promise<TokenUnderTest> {
  return product === 'softhsm2' ? startSoftHsm() : startClaviger()
}

async function startClaviger(): Promise<TokenUnderTest> {
  const server: OwnServer = await startOwnServer()
  const wish = { label: LABEL, soPin: SO_PIN, pin: PIN }
  await askServer(server.dataDir, 'token.init', wish)
  const address = `unix:path=${socketPath(server.dataDir, 'pkcs11')}`
  return newToken({
    module: CLAVIGER,
    env: { CLAVIGER_PKCS11: address },
    address: async () => address,
    stop: async () => {
      await server.stop()
    },
  })
}

async function startSoftHsm(): Promise<TokenUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-softhsm-'))
  const tokens = join(folder, 'tokens')
  mkdirSync(tokens)
  const conf = join(folder, 'softhsm2.conf')
  writeFileSync(
    conf,
    `directories.tokendir = ${tokens}\nlog.level = ERROR\nlibrary.reset_on_fork = true\n`,
  )
  const env = { SOFTHSM2_CONF: conf }
  const module = MODULES.softhsm2
  const init = ['--init-token', '--free', '--label', LABEL, '--so-pin', SO_PIN, '--pin', PIN]
  execFileSync('softhsm2-util', init, { env: { ...process.env, PATH, ...env }, stdio: 'pipe' })
  let server: ChildProcess | undefined
  return newToken({
    module,
    env,
    address: async () => {
      const path = join(folder, 'p11-kit.sock')
      const args = ['server', '-f', '-n', path, '--provider', module, `pkcs11:token=${LABEL}`]
      server = spawn('p11-kit', args, { env: { ...process.env, PATH, ...env }, stdio: 'ignore' })
      await until(() => existsSync(path), 'p11-kit server listens')
      return `unix:path=${path}`
    },
    stop: async () => {
      server?.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  })
}

interface Made {
  readonly module: string
  readonly env: Readonly<Record<string, string>>
  /** Where `p11-kit-client.so` reaches it. */
  address(): Promise<string>
  stop(): Promise<void>
}

function newToken(made: Made): TokenUnderTest {
  const { module, env } = made
  const folder = mkdtempSync(join(tmpdir(), 'claviger-token-'))
  // A HOME of its own, so that nothing of the user's configuration is read.
  const own = { PATH, HOME: folder, XDG_RUNTIME_DIR: folder, LANG: 'C.UTF-8', ...env }
  const started: ChildProcess[] = []
  const environment = (options: RunOptions): NodeJS.ProcessEnv => {
    return { ...process.env, ...own, ...options.env }
  }
  const token: TokenUnderTest = {
    module,
    env,
    folder,
    file: (name, content) => {
      const path = join(folder, name)
      if (content !== undefined) writeFileSync(path, content, { mode: 0o600 })
      return path
    },
    uri: (object, { type, pin = false } = {}) => {
      const kind = type === undefined ? '' : `;type=${type}`
      return `pkcs11:token=${LABEL};object=${object}${kind}${pin ? `?pin-value=${PIN}` : ''}`
    },
    run: (program, args, options = {}) => {
      return runOne(program, args, { ...options, environment: environment(options) })
    },
    done: async (program, args, options = {}) => {
      const ended = await token.run(program, args, options)
      if (ended.code === 0) return ended.stdout
      throw new Error(`${program} has ended with ${ended.code}\n${ended.output}`)
    },
    start: (program, args, options = {}) => {
      const child = spawn(program, args, {
        env: environment(options),
        cwd: options.cwd ?? folder,
        stdio: ['pipe', 'pipe', 'pipe'],
      })
      started.push(child)
      return child
    },
    remote: async () => {
      const address = await made.address()
      const client = {
        module: P11_KIT_CLIENT,
        env: { ...env, P11_KIT_SERVER_ADDRESS: address },
      }
      return newToken({ ...client, address: async () => address, stop: async () => {} })
    },
    stop: async () => {
      await Promise.all(started.map(end))
      await made.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  return token
}

interface ChildOptions extends RunOptions {
  readonly environment: NodeJS.ProcessEnv
}

function runOne(program: string, args: readonly string[], options: ChildOptions): Promise<Ended> {
  const { environment: env, input, cwd } = options
  return new Promise((resolve) => {
    const limits = { timeout: RUN_MILLISECONDS, maxBuffer: OUTPUT_BYTES_MAX } as const
    const settings = { env, cwd, encoding: 'utf8', ...limits } as const
    const child = execFile(program, args, settings, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null
      const why = code === null ? `${error?.message}\n` : ''
      const output = `${program} ${args.join(' ')}\n${why}${stdout}${stderr}`
      resolve({ code, stdout, stderr, output })
    })
    // A program that does not read what it is given ends before this is written.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}

/** Ends a process that was started here. */
export function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    const hard = setTimeout(() => child.kill('SIGKILL'), 10_000)
    child.once('exit', () => {
      clearTimeout(hard)
      resolve()
    })
    child.kill('SIGTERM')
  })
}

/** Everything that a process writes, as it grows. */
export function outputOf(child: ChildProcess): () => string {
  const chunks: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => chunks.push(chunk.toString()))
  }
  return () => chunks.join('')
}

/** Waits for something that another process brings about. */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  what: string,
  milliseconds = 20_000,
): Promise<void> {
  const last = Date.now() + milliseconds
  while (!(await isSo())) {
    if (Date.now() > last) throw new Error(`waited ${milliseconds} ms in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

/** Waits until somebody listens on a port of the loopback. */
export function listening(port: number, said: () => string): Promise<void> {
  const tries = (): Promise<boolean> => {
    return new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('error', () => resolve(false))
      socket.once('connect', () => {
        socket.destroy()
        resolve(true)
      })
    })
  }
  return until(tries, `port ${port} listens: ${said()}`)
}

/** A port of the loopback that is free now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() =>
        resolve(typeof address === 'object' && address !== null ? address.port : 0),
      )
    })
  })
}
