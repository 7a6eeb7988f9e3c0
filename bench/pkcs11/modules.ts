/**
 * The three that are compared: our module with a server behind it, SoftHSM2 in the process, and
 * SoftHSM2 behind `p11-kit server` and `p11-kit-client.so`.
 *
 * @module
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { absentFiles, CLAVIGER, library, until } from '#conformance/pkcs11/token-under-test.ts'
import { askServer } from '#server/control.ts'
import { socketPath } from '#server/sockets.ts'
import { CLIENT, fill } from '../fill.ts'

const SOURCE = fileURLToPath(new URL('benchmark.c', import.meta.url))
const SOFTHSM = library('softhsm/libsofthsm2.so')

const TOKEN = 'bench'
const PIN = '24681357'
const SO_PIN = '97531864'

/** Beyond what a row is given for measuring, in milliseconds. */
const SLACK_MILLISECONDS = 120_000

/** Latencies in microseconds. */
export interface Result {
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  /** Processor time of the server, or of the program where there is none; 0 where not known. */
  readonly serverMicros: number
}

/** The module cannot do it. */
export interface Absent {
  readonly absent: string
}

export interface Job {
  readonly row: string
  readonly threads: number
  readonly milliseconds: number
}

/** A module with a token that has keys and many other objects. */
export interface Module {
  run(job: Job): Promise<Result | Absent>
  /** Makes the objects with these numbers; absent where all are made at the start. */
  grow?(from: number, to: number): Promise<void>
  stop(): Promise<void>
}

/** An installed p11-kit. */
export interface P11Kit {
  /** `p11-kit-client.so`. */
  readonly module: string
  readonly program: string
  /** So that both find their own library, and not the system's. */
  readonly env: Readonly<Record<string, string>>
}

/** @param folder Its `--prefix`; Debian's where none is given. */
export function p11KitIn(folder: string | undefined): P11Kit {
  if (folder === undefined) {
    return { module: library('pkcs11/p11-kit-client.so'), program: '/usr/bin/p11-kit', env: {} }
  }
  const libraries = join(folder, 'lib')
  return {
    module: join(libraries, 'pkcs11', 'p11-kit-client.so'),
    program: join(folder, 'bin', 'p11-kit'),
    env: { LD_LIBRARY_PATH: libraries },
  }
}

/** Compiles the benchmark. @returns Path of the program. */
export function compile(folder: string): string {
  const program = join(folder, 'benchmark')
  const warnings = ['-Wall', '-Wextra', '-Werror']
  const options = ['-std=gnu11', '-O2', ...warnings, '-o', program, SOURCE, '-ldl', '-lpthread']
  execFileSync(process.env['CC'] ?? 'cc', options, { stdio: ['ignore', 'inherit', 'inherit'] })
  return program
}

/** Why they cannot be measured here; false when they can. */
export const absentOnes = {
  claviger: () => absentFiles('npm run build:module brings it', CLAVIGER),
  softhsm2: () => absentFiles('the package softhsm2 brings it', SOFTHSM),
  p11kit: ({ module, program }: P11Kit) =>
    absentFiles('packages p11-kit and p11-kit-modules', module, SOFTHSM, program),
} as const

/** Our server with a token of many objects, made through the core. */
export async function startClaviger(program: string, objects: number): Promise<Module> {
  const dataDir = mkdtempSync(join(tmpdir(), 'claviger-bench-'))
  await fill(dataDir, objects)
  const tokens = JSON.stringify([{ name: TOKEN, label: TOKEN, principal: CLIENT }])
  const server: OwnServer = await startOwnServer({
    dataDir,
    env: { CLAVIGER_PKCS11_TOKENS: tokens },
  })
  await askServer(dataDir, 'token.init', { label: TOKEN, soPin: SO_PIN, pin: PIN })
  const env = {
    CLAVIGER_PKCS11: `unix:path=${socketPath(dataDir, 'pkcs11')}`,
    BENCHMARK_SERVER: String(server.process.pid),
  }
  await benchmark(program, CLAVIGER, env, 'keys')
  return {
    run: (job) => measure(program, CLAVIGER, env, job, objects),
    stop: async () => {
      await server.stop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** SoftHSM2, and the same token behind p11-kit. */
export async function startSoftHsm(
  program: string,
  objects: number,
): Promise<{ readonly direct: Module; remote(p11Kit: P11Kit): Promise<Module> }> {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-bench-softhsm-'))
  mkdirSync(join(folder, 'tokens'))
  const config = join(folder, 'softhsm2.conf')
  const lines = [`directories.tokendir = ${join(folder, 'tokens')}`, 'log.level = ERROR']
  writeFileSync(config, `${lines.join('\n')}\n`)
  // The module's work is done in the program itself.
  const env = { SOFTHSM2_CONF: config, BENCHMARK_SERVER: 'self' }
  const init = ['--init-token', '--free', '--label', TOKEN, '--so-pin', SO_PIN, '--pin', PIN]
  execFileSync('softhsm2-util', init, { env: { ...process.env, ...env }, stdio: 'pipe' })
  let made = 0
  const grow = async (from: number, to: number): Promise<void> => {
    await benchmark(program, SOFTHSM, env, 'fill', String(from), String(to))
    made = to
  }
  await grow(0, objects)
  await benchmark(program, SOFTHSM, env, 'keys')
  const direct: Module = {
    grow,
    run: (job) => measure(program, SOFTHSM, env, job, made),
    stop: async () => rmSync(folder, { recursive: true, force: true }),
  }
  return { direct, remote: (p11Kit) => startP11Kit(p11Kit, program, folder, env, () => made) }
}

async function startP11Kit(
  p11Kit: P11Kit,
  program: string,
  folder: string,
  softHsm: Readonly<Record<string, string>>,
  objects: () => number,
): Promise<Module> {
  const path = join(folder, 'p11-kit.sock')
  const args = ['server', '-f', '-n', path, '--provider', SOFTHSM, `pkcs11:token=${TOKEN}`]
  const server: ChildProcess = spawn(p11Kit.program, args, {
    env: { ...process.env, ...softHsm, ...p11Kit.env },
    stdio: 'ignore',
  })
  await until(() => existsSync(path), 'p11-kit server listens')
  const env = { ...p11Kit.env, P11_KIT_SERVER_ADDRESS: `unix:path=${path}` }
  return {
    run: (job) => measure(program, p11Kit.module, env, job, objects()),
    stop: async () => {
      server.kill()
    },
  }
}

async function measure(
  program: string,
  module: string,
  env: Readonly<Record<string, string>>,
  { row, threads, milliseconds }: Job,
  objects: number,
): Promise<Result | Absent> {
  const numbers = [threads, milliseconds, objects].map(String)
  return JSON.parse(await benchmark(program, module, env, 'run', row, ...numbers))
}

function benchmark(
  program: string,
  module: string,
  env: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<string> {
  const settings = { env: { ...process.env, ...env }, timeout: SLACK_MILLISECONDS }
  return new Promise((resolve, reject) => {
    execFile(program, [module, TOKEN, PIN, ...args], settings, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`Cannot measure ${args.join(' ')} of ${module}: ${stderr.trim()}`))
    })
  })
}
