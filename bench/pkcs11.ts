/**
 * `node bench/pkcs11.ts [names] [--seconds N] [--json]`: a C program that uses our module, then
 * SoftHSM2, then SoftHSM2 behind p11-kit, in the same run, one after the other; see README.md.
 *
 * Exits with 1 when something could not be measured; a missed target is reported, and no failure.
 *
 * @module
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { machineOf } from './machine.ts'
import {
  type Benchmark,
  type BenchOptions,
  type BenchShape,
  note,
  positive,
  runBenchmark,
} from './options.ts'
import {
  absentOnes,
  compile,
  type Job,
  type Module,
  p11KitIn,
  startClaviger,
  startSoftHsm,
} from './pkcs11/modules.ts'
import { type Report, type Rivals, type Row, rowOf, tableText, verdicts } from './pkcs11/report.ts'
import { Alone, type AloneJob } from './processes.ts'

/** Among how many objects: few, or as many as can be had. */
type Crowd = 'few' | 'many'

interface Operation {
  readonly name: string
  readonly title: string
  /** As the C program has it. */
  readonly row: string
  readonly crowd: Crowd
  /** What of node:crypto it is made of. */
  readonly alone?: AloneJob['primitive']
  /** Whether SoftHSM2 gets `--peer-objects` before. */
  readonly grows?: true
}

const FEW = 1_000

// biome-ignore format: a table
const OPERATIONS: readonly Operation[] = [
  { name: 'find-few',  row: 'find',     crowd: 'few',  title: 'C_FindObjects, few' },
  { name: 'sign-rsa',  row: 'sign-rsa', crowd: 'many', title: 'C_Sign RSA-2048', alone: 'rsa' },
  { name: 'sign-ec',   row: 'sign-ec',  crowd: 'many', title: 'C_Sign P-256', alone: 'ecdsa' },
  { name: 'gcm-1k',    row: 'gcm-1k',   crowd: 'many', title: 'C_Encrypt AES-GCM 1 KiB', alone: 'gcm-1k' },
  { name: 'gcm-64k',   row: 'gcm-64k',  crowd: 'many', title: 'C_Encrypt AES-GCM 64 KiB', alone: 'gcm-64k' },
  { name: 'random',    row: 'random',   crowd: 'many', title: 'C_GenerateRandom 32 B', alone: 'random' },
  // The last: before it SoftHSM2 gets more objects, which every program that loads it reads.
  { name: 'find-many', row: 'find',     crowd: 'many', title: 'C_FindObjects, many', grows: true },
]

const SHAPE: BenchShape = {
  file: 'bench/pkcs11.ts',
  about: `Measures operations of PKCS#11 through our module, beside SoftHSM2 in the process,
SoftHSM2 behind p11-kit, and node:crypto alone. Needs a C compiler.`,
  names: OPERATIONS.map(({ name }) => name),
  crowd: 'threads',
  crowds: '1,8',
  own: {
    'peer-objects': {
      argument: 'N',
      help: "SoftHSM2's for find-many (default 1000; 10000 take it four minutes)",
    },
    'p11-kit': { argument: 'FOLDER', help: 'where another p11-kit is installed (--prefix)' },
  },
  examples: ['', ' sign-ec gcm-1k --threads 1 --objects 1000', ' gcm-1k --p11-kit /opt/p11-kit'],
}

/** What one run works with. */
class Bench implements Benchmark<Report> {
  readonly #options: BenchOptions
  readonly #folder = mkdtempSync(join(tmpdir(), 'claviger-bench-'))
  readonly #modules: Module[] = []
  readonly #alone = new Alone()
  readonly #without: string[] = []

  constructor(options: BenchOptions) {
    this.#options = options
  }

  async run(): Promise<Report> {
    const { objects, names } = this.#options
    const program = compile(this.#folder)
    const [softHsm, p11Kit] = await this.#peers(program)
    const rows: Row[] = []
    for (const crowd of ['few', 'many'] as const) {
      const wanted = OPERATIONS.filter((one) => one.crowd === crowd && names.includes(one.name))
      if (wanted.length === 0) continue
      const ours = await this.#ours(program, crowd === 'few' ? FEW : objects)
      for (const operation of wanted) {
        if (operation.grows) await this.#grow(softHsm)
        for (const threads of this.#options.crowds) {
          rows.push(await this.#row(operation, threads, { ours, softHsm, p11Kit }))
        }
      }
      await ours?.stop()
    }
    return {
      machine: machineOf(this.#options),
      objects,
      few: FEW,
      peerObjects: this.#peerObjects,
      without: [...new Set(this.#without)],
      rows,
    }
  }

  async stop(): Promise<void> {
    this.#alone.stop()
    for (const module of this.#modules.reverse()) await module.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  get #peerObjects(): number {
    const given = this.#options.own['peer-objects']
    return given === undefined ? FEW : positive('--peer-objects', given)
  }

  /** SoftHSM2, and SoftHSM2 behind p11-kit. */
  async #peers(program: string): Promise<readonly (Module | undefined)[]> {
    if (!this.#has('SoftHSM2', absentOnes.softhsm2())) return []
    note(`making ${FEW} objects in SoftHSM2`)
    const { direct, remote } = await startSoftHsm(program, FEW)
    this.#modules.push(direct)
    const p11Kit = p11KitIn(this.#options.own['p11-kit'])
    if (!this.#has('p11-kit', absentOnes.p11kit(p11Kit))) return [direct]
    const behind = await remote(p11Kit)
    this.#modules.push(behind)
    return [direct, behind]
  }

  /** SoftHSM2 takes longer for each object than for the one before. */
  async #grow(softHsm: Module | undefined): Promise<void> {
    const peerObjects = this.#peerObjects
    if (softHsm?.grow === undefined) return
    for (let from = FEW; from < peerObjects; from += FEW) {
      note(`making more objects in SoftHSM2: ${from} of ${peerObjects}`)
      await softHsm.grow(from, Math.min(from + FEW, peerObjects))
    }
  }

  async #ours(program: string, objects: number): Promise<Module | undefined> {
    if (!this.#has('our module', absentOnes.claviger())) return undefined
    note(`making ${objects} objects`)
    const ours = await startClaviger(program, objects)
    let isStopped = false
    const once = {
      ...ours,
      stop: async () => {
        if (!isStopped) await ours.stop()
        isStopped = true
      },
    }
    this.#modules.push(once)
    return once
  }

  #has(what: string, absent: string | false): boolean {
    if (absent !== false) this.#without.push(`without ${what}: ${absent}`)
    return absent === false
  }

  async #row(
    { name, title, row, alone: primitive }: Operation,
    threads: number,
    modules: { readonly [name in 'ours' | 'softHsm' | 'p11Kit']: Module | undefined },
  ): Promise<Row> {
    note(`${title}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`)
    const { milliseconds, rounds } = this.#options
    const job: Job = { row, threads, milliseconds }
    const measured: Rivals[] = []
    for (let round = 0; round < rounds; round++) {
      const asked = { concurrency: threads, milliseconds }
      measured.push({
        softHsm: await modules.softHsm?.run(job),
        p11Kit: await modules.p11Kit?.run(job),
        ours: await modules.ours?.run(job),
        alone: primitive && (await this.#alone.run({ primitive, ...asked })),
      })
    }
    return rowOf({ name, title, threads }, measured)
  }
}

await runBenchmark(SHAPE, (options) => new Bench(options), { text: tableText, targets: verdicts })
