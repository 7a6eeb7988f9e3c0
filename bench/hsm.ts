/**
 * `node bench/hsm.ts [--seconds N] [--rounds N] [--awake] [--json]`: KMIP on keys in SoftHSM2,
 * beside a C program that calls SoftHSM2 itself, in the same run, one after the other; how many
 * calls of PKCS#11 each request makes; and the processor time of each operation, which a busy
 * machine changes less than it changes how many there are in a second.
 *
 * Answers of KMIP differ in length where signatures do (ECDSA): such are not measured here.
 *
 * @module
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { KmipClient } from '#clients/kmip/client.ts'
import { KmipConnection } from '#clients/kmip/connection.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { newSoftHsmToken, SOFTHSM, SOFTHSM_PIN } from '#keystores/pkcs11/softhsm.ts'
import { askServer } from '#server/control.ts'
import { decodeItem, encodeItem } from '#wire/ttlv/binary.ts'
import { keepAwake, machineOf, machineText } from './machine.ts'
import { compile, type Module, type Result, startSoftHsm } from './pkcs11/modules.ts'
import { Load, type LoadJob, processorSeconds, type Target } from './processes.ts'
import { medianOf, middle, quotient } from './rounds.ts'
import { requestBytes, SCENARIOS, type Scenario, VERSION } from './scenarios.ts'
import { wrappedRows, wrappedText } from './wrapped.ts'

const ROWS = [
  { scenario: 'encrypt-64', row: 'gcm-64', target: 'the lower of 15,000/s and half of direct' },
  { scenario: 'sign-rsa', row: 'sign-rsa', target: '0.85 of direct' },
] as const
const CROWDS = [1, 16] as const
const SESSIONS = 4
const OBJECTS = 10
const MEBIBYTE = 1_048_576
const MILLION = 1_000_000
const WARM = 0.4
const LIMITS = { depthMax: 32, itemsMax: 10_000 }

interface Row {
  readonly title: string
  readonly clients: number
  readonly kmip: number
  readonly direct: number
  readonly ratio: number
  readonly target: string
  /** Calls of PKCS#11 for each request. */
  readonly calls: Readonly<Record<string, number>>
  readonly micros: Micros
}

/** Processor time of one operation in microseconds, those before the measurement included. */
interface Micros {
  readonly server: number
  readonly host: number
  readonly direct: number
}

interface Settings {
  readonly milliseconds: number
  readonly rounds: number
}

async function main(args: readonly string[]): Promise<void> {
  const options = {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '1' },
    awake: { type: 'boolean', default: false },
    json: { type: 'boolean' },
  } as const
  const { values } = parseArgs({ args: [...args], options })
  const settings = { milliseconds: Number(values.seconds) * 1_000, rounds: Number(values.rounds) }
  if (SOFTHSM === undefined) throw new Error('Cannot measure: softhsm2 is not installed')
  const folder = mkdtempSync(join(tmpdir(), 'claviger-bench-hsm-'))
  const { direct } = await startSoftHsm(compile(folder), OBJECTS)
  const server = await startServer(folder)
  const load = new Load()
  const letSleep = values.awake ? await keepAwake() : () => undefined
  try {
    const rows: Row[] = []
    for (const one of ROWS) {
      for (const clients of CROWDS) {
        rows.push(await rowOf(server, load, direct, one, clients, settings))
      }
    }
    const wrapped = await wrappedRows(server, load, CROWDS, settings.milliseconds)
    const machine = machineOf(values)
    const shown = `${machineText(machine)}\n${text(rows)}${wrappedText(wrapped)}`
    const all = { machine, rows, wrapped }
    process.stdout.write(values.json ? `${JSON.stringify(all)}\n` : shown)
  } finally {
    letSleep()
    load.stop()
    await server.stop()
    await direct.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Both take turns: the median of what the two of a turn are to each other counts. */
async function rowOf(
  server: OwnServer,
  load: Load,
  direct: Module,
  { scenario: name, row, target }: (typeof ROWS)[number],
  clients: number,
  { milliseconds, rounds }: Settings,
): Promise<Row> {
  const scenario = SCENARIOS.find((one) => one.name === name) as Scenario
  const job = await jobOf(server, scenario, clients, milliseconds)
  // The first seconds of a request are those of the compiler.
  await load.run(job)
  const turns: { readonly ours: Measured; readonly theirs: Result }[] = []
  for (let round = 0; round < rounds; round++) {
    turns.push({
      ours: await measure(server, load, job),
      theirs: await directly(direct, { row, threads: clients, milliseconds }),
    })
  }
  const ours = middle(turns.map((turn) => turn.ours))
  const theirs = middle(turns.map((turn) => turn.theirs))
  const ratio = medianOf(turns, (turn) => quotient(turn.ours, turn.theirs))
  if (!ours || !theirs || !ratio) throw new Error('Cannot measure in no rounds')
  const { calls, perSecond: kmip } = ours
  const micros = { ...ours.micros, direct: theirs.serverMicros }
  const both = { kmip, direct: theirs.perSecond, ratio, target, calls, micros }
  return { title: scenario.title, clients, ...both }
}

async function directly(module: Module, job: Parameters<Module['run']>[0]): Promise<Result> {
  const result = await module.run(job)
  if ('absent' in result) throw new Error(`Cannot measure ${job.row}: ${result.absent}`)
  return result
}

async function startServer(folder: string): Promise<OwnServer> {
  const config = join(folder, 'claviger.yaml')
  const hsm = {
    name: 'hsm',
    type: 'pkcs11',
    module: SOFTHSM,
    environment: newSoftHsmToken(folder, 'bench'),
    label: 'bench',
    pinFile: join(folder, 'pin'),
    sessions: SESSIONS,
  }
  writeFileSync(hsm.pinFile, SOFTHSM_PIN)
  const keystores = [hsm, { name: 'software', type: 'software' }]
  writeFileSync(config, JSON.stringify({ keystores, log: { level: 'error' } }))
  return startOwnServer({ config })
}

interface Measured {
  readonly perSecond: number
  readonly calls: Row['calls']
  readonly micros: Omit<Micros, 'direct'>
}

/** Keys, and what is sent. */
async function jobOf(
  server: OwnServer,
  scenario: Scenario,
  connections: number,
  milliseconds: number,
): Promise<LoadJob> {
  const { host, port, ca, cert, key } = server.client('admin')
  const target = { host, port, ca, cert, key } as Target
  const client = new KmipClient({ ...target, version: VERSION })
  const bytes = (await scenario.prepare(client, OBJECTS)).map(requestBytes)
  client.close()
  return {
    ...target,
    requests: bytes.map((one) => Buffer.from(one).toString('base64')),
    answerBytes: await lengthOfAnswer(target, bytes[0] as Uint8Array),
    connections,
    warmMilliseconds: milliseconds * WARM,
    milliseconds,
  }
}

async function measure(server: OwnServer, load: Load, job: LoadJob): Promise<Measured> {
  const before = await stateOf(server)
  const result = await load.run(job)
  const after = await stateOf(server)
  const calls = Object.entries(after.calls).flatMap(([name, count]) => {
    const each = (count - (before.calls[name] ?? 0)) / result.answered
    return each < 0.005 ? [] : [[name, Math.round(each * 100) / 100] as const]
  })
  const micros = {
    server: ((after.server - before.server) / result.answered) * MILLION,
    host: ((after.host - before.host) / result.answered) * MILLION,
  }
  return { perSecond: result.perSecond, calls: Object.fromEntries(calls), micros }
}

async function lengthOfAnswer(target: Target, request: Uint8Array): Promise<number> {
  const limits = { connectMilliseconds: 10_000, requestMilliseconds: 10_000 }
  const options = { ...target, ...limits, messageBytesMax: MEBIBYTE }
  const connection = await KmipConnection.open(options)
  const answer = encodeItem(await connection.send(decodeItem(request, LIMITS)))
  connection.close()
  return answer.length
}

/** Calls so far, and processor time so far in seconds. */
interface State {
  readonly calls: Row['calls']
  readonly server: number
  readonly host: number
}

async function stateOf({ dataDir, process: { pid } }: OwnServer): Promise<State> {
  const [hsm] = (await askServer(dataDir, 'hsm.list', {})) as readonly {
    readonly calls: Row['calls']
    readonly process?: number
  }[]
  const server = processorSeconds(pid) ?? Number.NaN
  const host = processorSeconds(hsm?.process) ?? Number.NaN
  return { calls: hsm?.calls ?? {}, server, host }
}

function text(rows: readonly Row[]): string {
  const lines = rows.map(({ title, clients, kmip, direct, ratio, target, calls, micros }) => {
    const counts = Object.entries(calls).map(([name, count]) => `${name} ${count}`)
    const numbers = [`KMIP ${Math.round(kmip)}/s`, `direct ${Math.round(direct)}/s`]
    const times = Object.entries(micros).map(([who, each]) => `${who} ${Math.round(each)} us`)
    const spent = `processor: ${times.join(', ')}`
    const rated = [`${ratio.toFixed(2)} of it`, `target ${target}`]
    const said = [...numbers, ...rated, counts.join(', '), spent]
    return `${title}, ${clients} clients: ${said.join('; ')}`
  })
  return `${lines.join('\n')}\n`
}

await main(process.argv.slice(2))
