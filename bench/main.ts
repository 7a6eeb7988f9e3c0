/**
 * `node bench/main.ts [names] [--seconds N] [--json]`: throughput and latency beside a TLS echo,
 * PyKMIP and node:crypto alone.
 *
 * Everything that is compared is measured in the same run, one after the other; see README.md.
 * Exits with 1 when something could not be measured; a missed target is reported, and no failure.
 *
 * @module
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KmipClient } from '#clients/kmip/client.ts'
import { KmipConnection } from '#clients/kmip/connection.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { askServer } from '#server/control.ts'
import { pkiPaths } from '#server/pki.ts'
import { decodeItem, encodeItem } from '#wire/ttlv/binary.ts'
import { CLIENT, fill } from './fill.ts'
import { machineOf } from './machine.ts'
import {
  type Benchmark,
  type BenchOptions,
  type BenchShape,
  note,
  runBenchmark,
} from './options.ts'
import { Alone, Echo, Load, processorSeconds, type Target } from './processes.ts'
import { type PyKmip, startPyKmip } from './pykmip.ts'
import {
  type Measured,
  type Report,
  type Rivals,
  type Row,
  rowOf,
  tableText,
  verdicts,
} from './report.ts'
import { type Crowd, requestBytes, SCENARIOS, type Scenario, VERSION } from './scenarios.ts'

const SHAPE: BenchShape = {
  file: 'bench/main.ts',
  about: 'Measures operations over mutual TLS, beside a TLS echo, PyKMIP and node:crypto alone.',
  names: SCENARIOS.map(({ name }) => name),
  crowd: 'connections',
  crowds: '1,16,64',
  examples: ['', ' get encrypt-64 --connections 16 --seconds 5 --rounds 3'],
}

const FEW = 1_000
const MEBIBYTE = 1_048_576
/** Part of a measurement that goes before it, for compilers and caches. */
const WARM = 0.4
const LIMITS = { depthMax: 32, itemsMax: 10_000 }

/** What one run works with. */
class Bench implements Benchmark<Report> {
  readonly #options: BenchOptions
  readonly #folder = mkdtempSync(join(tmpdir(), 'claviger-bench-'))
  readonly #load = new Load()
  readonly #echo = new Echo()
  readonly #alone = new Alone()
  readonly #rows: Row[] = []
  #pykmip: PyKmip | string | undefined
  #server: OwnServer | undefined

  constructor(options: BenchOptions) {
    this.#options = options
  }

  async run(): Promise<Report> {
    const { objects } = this.#options
    const few = this.#of('few')
    if (few.length > 0) {
      const dataDir = join(this.#folder, 'few')
      await fill(dataDir, FEW)
      await this.#crowd(dataDir, few, FEW)
    }
    const dataDir = join(this.#folder, 'many')
    note(`making ${objects} objects`)
    const fillSeconds = await fill(dataDir, objects)
    const figures = await this.#crowd(dataDir, this.#of('many'), objects)
    return {
      machine: machineOf(this.#options),
      objects,
      few: FEW,
      fillSeconds,
      ...figures,
      withoutPyKmip: typeof this.#pykmip === 'string' ? this.#pykmip : undefined,
      rows: this.#rows,
    }
  }

  async stop(): Promise<void> {
    this.#load.stop()
    this.#echo.stop()
    this.#alone.stop()
    if (typeof this.#pykmip === 'object') this.#pykmip.stop()
    await this.#server?.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #of(crowd: Crowd): readonly Scenario[] {
    const { names } = this.#options
    return SCENARIOS.filter((one) => one.crowd === crowd && names.includes(one.name))
  }

  /** Starts a server on the data and measures on it. */
  async #crowd(dataDir: string, scenarios: readonly Scenario[], objects: number) {
    const start = performance.now()
    const server = await startOwnServer({ dataDir })
    this.#server = server
    const startSeconds = (performance.now() - start) / 1_000
    const startMebibytes = await mebibytes(dataDir)
    for (const scenario of scenarios) await this.#scenario(scenario, server, objects)
    const endMebibytes = await mebibytes(dataDir)
    await server.stop()
    this.#server = undefined
    return { startSeconds, startMebibytes, endMebibytes }
  }

  async #scenario(scenario: Scenario, server: OwnServer, objects: number): Promise<void> {
    const target = targetOf(server)
    const identity = pkiPaths(server.dataDir).server[0]
    if (identity === undefined) throw new Error('the server has no certificate')
    const pair = {
      cert: readFileSync(identity.cert, 'utf8'),
      key: readFileSync(identity.key, 'utf8'),
    }
    const echo = { ...target, port: await this.#echo.listen({ ...pair, ca: target.ca }) }
    if (scenario.pykmip) {
      const files = { ...identity, ca: pkiPaths(server.dataDir).ca }
      this.#pykmip ??= await startPyKmip(join(this.#folder, 'pykmip'), files)
    }
    const ours = await prepared(scenario, target, objects)
    const other = this.#pykmip
    const isCompared = scenario.pykmip && typeof other === 'object'
    const at = isCompared ? { ...target, port: other.port } : undefined
    const theirs = at && (await prepared(scenario, at, objects))
    const [request = '', answer] = [ours.requests[0], ours.answer]
    const sizes = { requestBytes: Buffer.from(request, 'base64').length, answer }
    await this.#echo.expect(sizes)
    const { crowds, rounds, milliseconds } = this.#options
    const { name, title, alone: primitive } = scenario
    for (const connections of crowds) {
      note(`${title}, ${connections} connections`)
      const measured: Rivals[] = []
      for (let round = 0; round < rounds; round++) {
        const asked = { milliseconds, concurrency: connections }
        measured.push({
          echo: await this.#measure(echo, ours, connections, this.#echo.pid),
          server: await this.#measure(target, ours, connections, server.process.pid),
          pykmip: at && theirs && (await this.#measure(at, theirs, connections)),
          alone: primitive && (await this.#alone.run({ primitive, ...asked })),
        })
      }
      this.#rows.push(rowOf({ name, title, connections }, measured))
    }
  }

  async #measure(
    target: Target,
    { requests, answer }: Messages,
    connections: number,
    pid?: number,
  ): Promise<Measured> {
    const { milliseconds } = this.#options
    const answerBytes = Buffer.from(answer, 'base64').length
    const warmMilliseconds = milliseconds * WARM
    const timing = { warmMilliseconds, milliseconds }
    const before = processorSeconds(pid)
    const result = await this.#load.run({
      ...target,
      requests,
      answerBytes,
      connections,
      ...timing,
    })
    const after = processorSeconds(pid)
    if (before === undefined || after === undefined) return result
    return { ...result, processorMicros: ((after - before) * 1e6) / result.answered }
  }
}

function targetOf(server: OwnServer): Target {
  const { host, port, ca, cert, key } = server.client(CLIENT)
  return { host, port, ca, cert, key }
}

async function mebibytes(dataDir: string): Promise<number> {
  const status = (await askServer(dataDir, 'status', {})) as { readonly memoryBytes: number }
  return status.memoryBytes / MEBIBYTE
}

/** Base64. */
interface Messages {
  readonly requests: readonly string[]
  readonly answer: string
}

/** The requests, and an answer to the first of them. */
async function prepared(scenario: Scenario, target: Target, objects: number): Promise<Messages> {
  const client = new KmipClient({ ...target, version: VERSION })
  const requests = (await scenario.prepare(client, objects)).map(requestBytes)
  client.close()
  const connection = await KmipConnection.open({
    ...target,
    connectMilliseconds: 10_000,
    requestMilliseconds: 10_000,
    messageBytesMax: MEBIBYTE,
  })
  const [first] = requests
  if (first === undefined) throw new Error(`Cannot measure ${scenario.name}: it has no requests`)
  const answer = encodeItem(await connection.send(decodeItem(first, LIMITS)))
  connection.close()
  return {
    requests: requests.map((bytes) => Buffer.from(bytes).toString('base64')),
    answer: Buffer.from(answer).toString('base64'),
  }
}

await runBenchmark(SHAPE, (options) => new Bench(options), { text: tableText, targets: verdicts })
