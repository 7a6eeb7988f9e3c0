/**
 * `node bench/hsm.ts [--seconds N] [--json]`: KMIP on keys in SoftHSM2, beside a C program that
 * calls SoftHSM2 itself, in the same run, one after the other; and how many calls of PKCS#11 each
 * request makes.
 *
 * Answers of KMIP differ in length where signatures do (ECDSA): such are not measured here.
 *
 * @module
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { KmipClient } from '#clients/kmip/client.ts'
import { KmipConnection } from '#clients/kmip/connection.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { newSoftHsmToken, SOFTHSM, SOFTHSM_PIN } from '#keystores/pkcs11/softhsm.ts'
import { askServer } from '#server/control.ts'
import { decodeItem, encodeItem } from '#wire/ttlv/binary.ts'
import { compile, type Module, startSoftHsm } from './pkcs11/modules.ts'
import { Load, type Target } from './processes.ts'
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
}

async function main(args: readonly string[]): Promise<void> {
  const options = { seconds: { type: 'string', default: '2' }, json: { type: 'boolean' } } as const
  const { values } = parseArgs({ args: [...args], options })
  const milliseconds = Number(values.seconds) * 1_000
  if (SOFTHSM === undefined) throw new Error('Cannot measure: softhsm2 is not installed')
  const folder = mkdtempSync(join(tmpdir(), 'claviger-bench-hsm-'))
  const { direct } = await startSoftHsm(compile(folder), OBJECTS)
  const server = await startServer(folder)
  const load = new Load()
  try {
    const rows: Row[] = []
    for (const { scenario: name, row, target } of ROWS) {
      const scenario = SCENARIOS.find((one) => one.name === name) as Scenario
      for (const clients of CROWDS) {
        const job = { row, threads: clients, milliseconds }
        const measured = await measure(server, load, scenario, clients, milliseconds)
        const other = await directly(direct, job)
        const ratio = measured.perSecond / other
        const { calls, perSecond: kmip } = measured
        rows.push({ title: scenario.title, clients, kmip, direct: other, ratio, target, calls })
      }
    }
    const wrapped = await wrappedRows(server, load, CROWDS, milliseconds)
    const all = { cpus: cpus().length, rows, wrapped }
    process.stdout.write(
      values.json ? `${JSON.stringify(all)}\n` : `${text(rows)}${wrappedText(wrapped)}`,
    )
  } finally {
    load.stop()
    await server.stop()
    await direct.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function directly(module: Module, job: Parameters<Module['run']>[0]): Promise<number> {
  const result = await module.run(job)
  if ('absent' in result) throw new Error(`Cannot measure ${job.row}: ${result.absent}`)
  return result.perSecond
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

async function measure(
  server: OwnServer,
  load: Load,
  scenario: Scenario,
  connections: number,
  milliseconds: number,
): Promise<{ readonly perSecond: number; readonly calls: Row['calls'] }> {
  const { host, port, ca, cert, key } = server.client('admin')
  const target = { host, port, ca, cert, key } as Target
  const client = new KmipClient({ ...target, version: VERSION })
  const bytes = (await scenario.prepare(client, OBJECTS)).map(requestBytes)
  client.close()
  const answerBytes = await lengthOfAnswer(target, bytes[0] as Uint8Array)
  const before = await callsOf(server)
  const result = await load.run({
    ...target,
    requests: bytes.map((one) => Buffer.from(one).toString('base64')),
    answerBytes,
    connections,
    warmMilliseconds: milliseconds * WARM,
    milliseconds,
  })
  const calls = Object.entries(await callsOf(server)).flatMap(([name, count]) => {
    const each = (count - (before[name] ?? 0)) / result.answered
    return each < 0.005 ? [] : [[name, Math.round(each * 100) / 100] as const]
  })
  return { perSecond: result.perSecond, calls: Object.fromEntries(calls) }
}

async function lengthOfAnswer(target: Target, request: Uint8Array): Promise<number> {
  const limits = { connectMilliseconds: 10_000, requestMilliseconds: 10_000 }
  const options = { ...target, ...limits, messageBytesMax: MEBIBYTE }
  const connection = await KmipConnection.open(options)
  const answer = encodeItem(await connection.send(decodeItem(request, LIMITS)))
  connection.close()
  return answer.length
}

async function callsOf({ dataDir }: OwnServer): Promise<Readonly<Record<string, number>>> {
  const all = (await askServer(dataDir, 'hsm.list', {})) as readonly {
    readonly calls: Row['calls']
  }[]
  return all[0]?.calls ?? {}
}

function text(rows: readonly Row[]): string {
  const lines = rows.map(({ title, clients, kmip, direct, ratio, target, calls }) => {
    const counts = Object.entries(calls).map(([name, count]) => `${name} ${count}`)
    const numbers = [`KMIP ${Math.round(kmip)}/s`, `direct ${Math.round(direct)}/s`]
    const said = [...numbers, `${ratio.toFixed(2)} of it`, `target ${target}`, counts.join(', ')]
    return `${title}, ${clients} clients: ${said.join('; ')}`
  })
  return `${lines.join('\n')}\n`
}

await main(process.argv.slice(2))
