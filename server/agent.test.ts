/**
 * `claviger agent`, started as libclaviger.so starts it: with one end of a socket pair.
 *
 * @module
 */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Pkcs11Client } from '#clients/pkcs11-rpc/client.ts'
import { startOwnServer } from '#conformance/own-server.ts'
import { template } from '#conformance/pkcs11-workbench.ts'
import { CKF, CKM } from '#spec/pkcs11/constants.ts'
import { socketPath } from './sockets.ts'

const LAUNCHER = fileURLToPath(new URL('../bin/claviger', import.meta.url))
const IDLE_SECONDS = 1
const LOG_BYTES_MAX = 1_048_576
/** A token that asks for no PIN. */
const CONFIG = `pkcs11:
  tokens: [{ name: claviger, login: none }]
limits: { agentIdleSeconds: ${IDLE_SECONDS} }
`

interface Agent {
  readonly process: ChildProcess
  /** Exit code, when it has ended. */
  readonly ended: Promise<number | null>
  /** The application that has started it. */
  readonly client: Pkcs11Client
}

const folders: string[] = []
const children: ChildProcess[] = []

function newDirectory(): string {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-agent-'))
  folders.push(folder)
  mkdirSync(join(folder, 'data'), { mode: 0o700 })
  writeFileSync(join(folder, 'data', 'claviger.yaml'), CONFIG)
  return join(folder, 'data')
}

/** Where an agent finds its modules in one file; empty: nowhere, and it has none made. */
let cache = ''

async function startAgent(
  dataDir: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<Agent> {
  const child = spawn(LAUNCHER, ['agent', '--fd', '3', '--data', dataDir], {
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
    env: { ...process.env, HOME: '', XDG_CACHE_HOME: cache, ...environment },
  })
  children.push(child)
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const client = await Pkcs11Client.over(child.stdio[3] as Socket)
  await client.initialize()
  return { process: child, ended, client }
}

async function joined(dataDir: string): Promise<Pkcs11Client> {
  const client = await Pkcs11Client.connect(socketPath(dataDir, 'pkcs11'))
  await client.initialize()
  return client
}

/** Makes a key that stays. */
async function make(client: Pkcs11Client, label: string): Promise<void> {
  const flags = CKF.SERIAL_SESSION | CKF.RW_SESSION
  const { phSession: hSession } = await client.call('C_OpenSession', { slotID: 0, flags })
  await client.call('C_GenerateKey', {
    hSession,
    pMechanism: { type: CKM.AES_KEY_GEN, parameter: undefined },
    pTemplate: template({ TOKEN: true, VALUE_LEN: 32, LABEL: label }),
  })
}

/** How many keys of this label an application sees. */
async function count(client: Pkcs11Client, label: string): Promise<number> {
  const flags = CKF.SERIAL_SESSION
  const { phSession: hSession } = await client.call('C_OpenSession', { slotID: 0, flags })
  await client.call('C_FindObjectsInit', { hSession, pTemplate: template({ LABEL: label }) })
  const { phObject } = await client.call('C_FindObjects', { hSession, phObject: 10 })
  return phObject.length
}

/** Milliseconds until a process has ended. */
async function untilEnded({ ended }: Agent): Promise<number> {
  const began = performance.now()
  equal(await ended, 0)
  return performance.now() - began
}

after(() => {
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL')
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

describe('an agent', { timeout: 120_000 }, () => {
  before(() => {
    cache = ''
  })
  agents()

  it('begins a new log when the one it finds is full, and keeps that one', async () => {
    const dataDir = newDirectory()
    const log = join(dataDir, 'run', 'agent.log')
    mkdirSync(dirname(log), { mode: 0o700 })
    const start = async (): Promise<void> => {
      const agent = await startAgent(dataDir)
      agent.client.close()
      await untilEnded(agent)
    }
    writeFileSync(`${log}.1`, 'the one before')
    writeFileSync(log, 'x'.repeat(LOG_BYTES_MAX))
    await start()
    equal(readFileSync(`${log}.1`, 'utf8'), 'the one before')
    const { size } = statSync(log)
    ok(size > LOG_BYTES_MAX)
    await start()
    equal(statSync(`${log}.1`).size, size)
    match(readFileSync(log, 'utf8'), /the agent serves/)
    ok(statSync(log).size < LOG_BYTES_MAX)
  })
})

describe('an agent whose modules are in one file', { timeout: 120_000 }, () => {
  const flat = (): string =>
    join(cache, 'claviger', 'flat', dirname(dirname(LAUNCHER)), 'agent.cjs')
  const programOf = ({ process: { pid } }: Agent): string =>
    readFileSync(`/proc/${pid}/cmdline`, 'utf8')

  before(() => {
    cache = join(newDirectory(), 'cache')
  })
  it('has had it made by the first one that was started without', async () => {
    const first = await startAgent(newDirectory())
    equal(programOf(first).includes(flat()), false)
    for (let attempt = 0; !existsSync(flat()) && attempt < 300; attempt++) {
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    first.client.close()
    const second = await startAgent(newDirectory())
    equal(programOf(second).includes(flat()), true)
    second.client.close()
    await Promise.all([first, second].map(untilEnded))
  })

  it('serves where none can be made, and says so in its log once', async () => {
    const dataDir = newDirectory()
    const log = join(dataDir, 'run', 'agent.log')
    const agent = await startAgent(dataDir, {
      XDG_CACHE_HOME: join(dataDir, 'cache'),
      ESBUILD_BINARY_PATH: '/dev/null',
      CLAVIGER_LOG_LEVEL: 'debug',
    })
    const told = (): number => readFileSync(log, 'utf8').match(/flat program/g)?.length ?? 0
    for (let attempt = 0; told() === 0 && attempt < 300; attempt++) {
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    await make(agent.client, 'without')
    agent.client.close()
    await untilEnded(agent)
    equal(told(), 1)
  })
  agents()
})

function agents(): void {
  it('serves whoever comes to its socket beside its own application', async () => {
    const dataDir = newDirectory()
    const agent = await startAgent(dataDir)
    const other = await joined(dataDir)
    await make(agent.client, 'shared')
    equal(await count(other, 'shared'), 1)
    agent.client.close()
    // It stays as long as the other one, and then for a while.
    await new Promise((resolve) => setTimeout(resolve, IDLE_SECONDS * 1_500))
    equal(agent.process.exitCode, null)
    await make(other, 'second')
    other.close()
    const took = await untilEnded(agent)
    ok(took > IDLE_SECONDS * 700 && took < IDLE_SECONDS * 1_000 + 5_000, `ended after ${took} ms`)
    await rejects(joined(dataDir), 'nobody listens any more')
    const next = await startAgent(dataDir)
    deepEqual([await count(next.client, 'shared'), await count(next.client, 'second')], [1, 1])
    next.client.close()
    await untilEnded(next)
  })

  it('passes on to the agent that has the directory, whichever was first', async () => {
    const dataDir = newDirectory()
    const agents = await Promise.all([startAgent(dataDir), startAgent(dataDir)])
    const [one, two] = agents as [Agent, Agent]
    await make(one.client, 'from one')
    await make(two.client, 'from two')
    equal(await count(two.client, 'from one'), 1)
    equal(await count(one.client, 'from two'), 1)
    const log = readFileSync(join(dataDir, 'run', 'agent.log'), 'utf8')
    equal(log.match(/the agent serves/g)?.length, 1, 'one of them serves')
    one.client.close()
    two.client.close()
    await Promise.all(agents.map(untilEnded))
  })

  it('passes on to the one that listens where a variable says', async () => {
    const dataDir = newDirectory()
    const variable = { CLAVIGER_PKCS11_SOCKET: join(dirname(dataDir), 'elsewhere.sock') }
    const one = await startAgent(dataDir, variable)
    await make(one.client, 'elsewhere')
    const two = await startAgent(dataDir, variable)
    equal(await count(two.client, 'elsewhere'), 1)
    two.client.close()
    await untilEnded(two)
    one.client.close()
    await untilEnded(one)
  })

  it('passes on to a server that has the directory, and ends with its application', async () => {
    const dataDir = newDirectory()
    const server = await startOwnServer({ dataDir })
    const agent = await startAgent(dataDir)
    await make(agent.client, 'through the relay')
    const direct = await joined(dataDir)
    equal(await count(direct, 'through the relay'), 1)
    direct.close()
    agent.client.close()
    ok((await untilEnded(agent)) < 5_000)
    equal(server.process.exitCode, null)
    const last = await startAgent(dataDir)
    equal(await server.stop(), 0)
    await untilEnded(last)
    await rejects(count(last.client, 'through the relay'))
  })
}
