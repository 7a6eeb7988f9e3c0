/**
 * `node bench/start.ts [--rounds N] [--json]`: how long C_Initialize takes with a server that runs,
 * and with an agent that has to be started; see README.md.
 *
 * Exits with 1 when something could not be measured; a missed target is reported, and no failure.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startOwnServer } from '#conformance/own-server.ts'
import { absentFiles, CLAVIGER, until } from '#conformance/pkcs11/token-under-test.ts'
import { socketPath } from '#server/sockets.ts'
import { median } from './rounds.ts'

const SOURCE = fileURLToPath(new URL('pkcs11/initialize.c', import.meta.url))
const LAUNCHER = fileURLToPath(new URL('../bin/claviger', import.meta.url))

const USAGE = `Usage: node bench/start.ts [options]

Measures C_Initialize of our module: with a server that runs, with an agent to start for the first
time, and with one to start afterwards; beside "node -e 0". Needs a C compiler.

Options:
  --rounds N   how often each is measured; the median counts (default 9)
  --json       the results as a JSON object
  --help

Examples:
  node bench/start.ts
  node bench/start.ts --rounds 25 --json`

/** Of one start; the processor time is that of the process that is started. */
interface Start {
  readonly milliseconds: number
  readonly processor: number
}

interface Row extends Start {
  readonly what: string
  readonly best: number
  readonly target?: number
}

/** An agent that nobody uses ends after this. */
const IDLE_SECONDS = 1
const PATIENCE_MILLISECONDS = 60_000

const RUNNING_TARGET = 5
const AGENT_TARGET = 300

function row(what: string, starts: readonly Start[], target?: number): Row {
  return {
    what,
    milliseconds: median(starts.map((one) => one.milliseconds)),
    processor: median(starts.map((one) => one.processor)),
    best: Math.min(...starts.map((one) => one.milliseconds)),
    ...(target !== undefined && { target }),
  }
}

/** What one run works with. */
class Bench {
  readonly #folder = mkdtempSync(join(tmpdir(), 'claviger-start-'))
  readonly #program = join(this.#folder, 'initialize')
  readonly #rounds: number

  constructor(rounds: number) {
    this.#rounds = rounds
    const warnings = ['-Wall', '-Wextra', '-Werror']
    const options = ['-std=gnu11', '-O2', ...warnings, '-o', this.#program, SOURCE, '-ldl']
    execFileSync(process.env['CC'] ?? 'cc', options, { stdio: ['ignore', 'inherit', 'inherit'] })
  }

  async run(): Promise<readonly Row[]> {
    return [this.#node(), await this.#running(), ...(await this.#agents())]
  }

  stop(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Node itself, with nothing to do but to say what that took. */
  #node(): Row {
    const script = 'const { user, system } = process.cpuUsage(); console.log(user + system)'
    const starts = Array.from({ length: this.#rounds }, () => {
      const began = performance.now()
      const micros = Number(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' }))
      return { milliseconds: performance.now() - began, processor: micros / 1_000 }
    })
    return row('node alone', starts)
  }

  async #running(): Promise<Row> {
    const dataDir = join(this.#folder, 'server')
    mkdirSync(dataDir, { mode: 0o700 })
    const server = await startOwnServer({ dataDir })
    try {
      const env = { CLAVIGER_PKCS11: `unix:path=${socketPath(dataDir, 'pkcs11')}` }
      const starts = Array.from({ length: this.#rounds }, () => this.#initialize(env))
      return row('C_Initialize, a server runs', starts, RUNNING_TARGET)
    } finally {
      await server.stop()
    }
  }

  /** The first on a new machine, and those after it. */
  async #agents(): Promise<readonly Row[]> {
    const data = join(this.#folder, 'agent')
    const cache = join(this.#folder, 'cache')
    const env = {
      CLAVIGER_DATA: data,
      CLAVIGER_AGENT: LAUNCHER,
      XDG_CACHE_HOME: cache,
      CLAVIGER_LIMITS_AGENT_IDLE_SECONDS: String(IDLE_SECONDS),
    }
    const start = async (): Promise<Start> => {
      const took = this.#initialize(env, data)
      await until(() => !existsSync(join(data, 'run', 'pkcs11.sock')), 'the agent ends')
      return took
    }
    const first = await start()
    const flat = join(cache, 'claviger', 'flat')
    await until(() => filesBelow(flat).some((name) => name.endsWith('agent.cjs')), 'a flat program')
    const second = await start()
    await until(() => filesBelow(flat).some((name) => name.endsWith('.compiled')), 'compiled')
    const starts: Start[] = []
    while (starts.length < this.#rounds) starts.push(await start())
    return [
      row('C_Initialize, the first agent of a user', [first]),
      row('C_Initialize, the second agent', [second]),
      row('C_Initialize, an agent is started', starts, AGENT_TARGET),
    ]
  }

  #initialize(own: Readonly<Record<string, string>>, data?: string): Start {
    const { CLAVIGER_PKCS11: _, CLAVIGER_DATA: __, ...env } = process.env
    const args = data === undefined ? [CLAVIGER] : [CLAVIGER, data]
    const text = execFileSync(this.#program, args, {
      env: { ...env, ...own },
      encoding: 'utf8',
      timeout: PATIENCE_MILLISECONDS,
    })
    const [took = 0, used = 0] = text.split(' ').map(Number)
    return { milliseconds: took / 1_000, processor: used / 1_000 }
  }
}

function filesBelow(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : []
}

function tableText(rows: readonly Row[]): string {
  const [node] = rows as readonly [Row]
  const lines = rows.map(({ what, milliseconds, best, processor, target }) => {
    const cells = [milliseconds.toFixed(2), best.toFixed(2)]
    const cpu = processor === 0 ? ['', ''] : [processor.toFixed(0), ratio(processor, node)]
    const verdict = target === undefined ? '' : `${target} ms: ${met(milliseconds, target)}`
    return `${what.padEnd(42)}${[...cells, ...cpu].map((cell) => cell.padStart(10)).join('')}  ${verdict}`
  })
  const titles = ['median ms', 'best ms', 'cpu ms', 'of node'].map((one) => one.padStart(10))
  return `${[''.padEnd(42) + titles.join(''), ...lines].join('\n')}\n`
}

function ratio(processor: number, node: Row): string {
  return `${(processor / node.processor).toFixed(1)} x`
}

function met(milliseconds: number, target: number): string {
  return milliseconds <= target ? 'met' : 'missed'
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '9' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const rounds = Number(values.rounds)
  if (values.help) return console.log(USAGE)
  if (!(rounds >= 1)) throw new Error(`Cannot use --rounds "${values.rounds}": it is 1 or more`)
  const absent = absentFiles('npm run build:module brings it', CLAVIGER)
  if (absent !== false) throw new Error(`Cannot measure: ${absent}`)
  const bench = new Bench(rounds)
  try {
    const rows = await bench.run()
    const machine = `${cpus().length} x ${cpus()[0]?.model}, load ${loadavg()[0]?.toFixed(1)}`
    if (values.json) console.log(JSON.stringify({ machine, rows }, null, 2))
    else process.stdout.write(`${machine}\n\n${tableText(rows)}`)
  } finally {
    await delay(IDLE_SECONDS * 1_000)
    bench.stop()
  }
}

try {
  await main()
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
