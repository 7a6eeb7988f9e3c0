/**
 * What all benchmarks share: their options, and how they are run and stopped.
 *
 * @module
 */
import { parseArgs } from 'node:util'
import { keepAwake } from './machine.ts'
import type { Verdict } from './report.ts'

export interface BenchOptions {
  /** What is to be measured; all where none was named. */
  readonly names: readonly string[]
  readonly milliseconds: number
  /** Everything is measured so many times in turn; see `rounds.ts` for what counts. */
  readonly rounds: number
  /** Connections, or threads, at a time. */
  readonly crowds: readonly number[]
  readonly objects: number
  /** What was given of the benchmark's own options, by name. */
  readonly own: Readonly<Record<string, string>>
  /** Whether no processor may sleep: `machine.ts`. */
  readonly awake: boolean
  readonly json: boolean
}

/** What differs from one benchmark to the other. */
export interface BenchShape {
  readonly file: string
  readonly about: string
  readonly names: readonly string[]
  /** What there are several of at a time, and how many usually. */
  readonly crowd: 'connections' | 'threads'
  readonly crowds: string
  /** Options that no other has: what they take, and what they are for. */
  readonly own?: Readonly<Record<string, { readonly argument: string; readonly help: string }>>
  readonly examples: readonly string[]
}

export interface Benchmark<Report> {
  run(): Promise<Report>
  stop(): Promise<void>
}

/** How a report is shown. */
export interface Presented<Report> {
  readonly text: (report: Report) => string
  readonly targets: (report: Report) => readonly Verdict[]
}

/** Measures and prints; the exit code is 1 when something could not be measured. */
export async function runBenchmark<Report extends object>(
  shape: BenchShape,
  open: (options: BenchOptions) => Benchmark<Report>,
  presented: Presented<Report>,
): Promise<void> {
  try {
    const options = optionsOf(shape, process.argv.slice(2))
    if (options === undefined) console.log(usage(shape))
    else await measured(open(options), options, presented)
  } catch (error) {
    console.error((error as Error).message)
    process.exitCode = 1
  }
}

async function measured<Report extends object>(
  bench: Benchmark<Report>,
  { awake, json }: BenchOptions,
  { text, targets }: Presented<Report>,
): Promise<void> {
  const letSleep = awake ? await keepAwake() : () => undefined
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void bench.stop().finally(() => process.exit(1)))
  }
  try {
    const report = await bench.run()
    const whole = { ...report, targets: targets(report) }
    process.stdout.write(json ? `${JSON.stringify(whole, null, 2)}\n` : text(report))
  } finally {
    letSleep()
    await bench.stop()
  }
}

function optionsOf(shape: BenchShape, args: readonly string[]): BenchOptions | undefined {
  const ownNames = Object.keys(shape.own ?? {})
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '2' },
      rounds: { type: 'string', default: '1' },
      [shape.crowd]: { type: 'string', default: shape.crowds },
      objects: { type: 'string', default: '100000' },
      ...Object.fromEntries(ownNames.map((name) => [name, { type: 'string' } as const])),
      awake: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    } as const,
  })
  if (values.help) return undefined
  const unknown = positionals.find((name) => !shape.names.includes(name))
  if (unknown !== undefined) {
    throw new Error(`Cannot measure "${unknown}": see --help for the names`)
  }
  const all: Readonly<Record<string, unknown>> = values
  const crowds = String(all[shape.crowd]).split(',')
  const given = Object.entries(all).filter(([name]) => ownNames.includes(name))
  return {
    names: positionals.length === 0 ? shape.names : positionals,
    milliseconds: positive('--seconds', values.seconds) * 1_000,
    rounds: positive('--rounds', values.rounds),
    crowds: crowds.map((text) => positive(`--${shape.crowd}`, text)),
    objects: positive('--objects', values.objects),
    own: Object.fromEntries(given.map(([name, value]) => [name, String(value)])),
    awake: values.awake,
    json: values.json,
  }
}

/** @throws Error where it is none. */
export function positive(option: string, text: string): number {
  const value = Number(text)
  if (value > 0) return value
  throw new Error(`Cannot use ${option} "${text}": it is a number above 0`)
}

function usage({ file, about, names, crowd, crowds, own = {}, examples }: BenchShape): string {
  const further = Object.entries(own).map(([name, { argument, help }]) => {
    return `\n  ${`--${name} ${argument}`.padEnd(18)}  ${help}`
  })
  return `Usage: node ${file} [options] [NAME…]

${about}
Names: ${names.join(', ')} (default: all)

Options:
  --seconds N         time for each measurement (default 2)
  --rounds N          measure so many times in turn; medians count (default 1)
  ${`--${crowd} LIST`.padEnd(18)}  default ${crowds}
  --objects N         how many are many (default 100000)${further.join('')}
  --awake             let no processor sleep between two operations (Linux)
  --json              the results as a JSON object
  --help

Examples:
${examples.map((line) => `  node ${file}${line}`).join('\n')}`
}

export function note(text: string): void {
  process.stderr.write(`${text}\n`)
}
