/**
 * kill -9 of an HSM's host process, again and again, while clients create, use and destroy keys in
 * the HSM over KMIP: nothing that was acknowledged is lost, nothing that was destroyed is back, and
 * the service is there again by itself within two seconds by the clock of every client (longer on a
 * machine that is overloaded: as much as processes take longer to start there).
 *
 * `CLAVIGER_KILLS` (default 10) says how often. Skipped where Debian's softhsm2 is not installed.
 *
 * @module
 */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { KmipClient, KmipError } from '#clients/kmip/client.ts'
import { HostDevice } from '#keystores/pkcs11/host-device.ts'
import { newSoftHsmToken, SOFTHSM, SOFTHSM_PIN, softHsmHost } from '#keystores/pkcs11/softhsm.ts'
import { askServer } from '#server/control.ts'
import {
  BlockCipherMode,
  CryptographicAlgorithm,
  CryptographicUsageMask as Mask,
  ObjectType,
  RevocationReasonCode,
  State,
} from '#spec/kmip/enumerations.ts'
import { CKA, CKO } from '#spec/pkcs11/constants.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import { type OwnServer, startOwnServer } from '../own-server.ts'

const skip = SOFTHSM === undefined ? 'softhsm2 is not installed' : false
const KILLS = Number(process.env['CLAVIGER_KILLS'] ?? 10)
const CLIENTS = 4
const RECOVERY_MILLISECONDS = 2_000
/** An empty Node process of a slow machine. */
const IDLE_START_MILLISECONDS = 150
const PARAMETERS = { blockCipherMode: BlockCipherMode.GCM, tagLength: 16 }
const IV = Buffer.alloc(12, 3)
const PLAIN = Buffer.from('what was acknowledged')
const BEFORE = new Date(Date.now() - 60_000)

interface Sealed {
  readonly data: Uint8Array
  readonly tag: Uint8Array
}

/** One client, what it knows, and when it was served. */
class Worker {
  readonly #kmip: KmipClient
  /** Acknowledged keys with what they have encrypted, as far as they have. */
  readonly live = new Map<string, Sealed | undefined>()
  readonly destroyed = new Set<string>()
  /** Their destruction was asked for and refused or not answered. */
  readonly undecided = new Set<string>()
  readonly refusals: string[] = []
  /** When requests began, and ended well. */
  readonly served: { readonly began: number; readonly ended: number }[] = []

  constructor(kmip: KmipClient) {
    this.#kmip = kmip
  }

  async run(isOver: () => boolean): Promise<void> {
    for (let round = 0; !isOver(); round++) {
      const began = performance.now()
      try {
        await this.#step(round)
        this.served.push({ began, ended: performance.now() })
      } catch (error) {
        if (!(error instanceof KmipError)) throw error
        this.refusals.push(error.message)
      }
    }
  }

  async #step(round: number): Promise<void> {
    const [id] = this.live.keys()
    if (id === undefined || round % 4 === 0) return this.create()
    if (this.live.size > 6) return this.destroy(id)
    const sealed = this.live.get(id)
    // The next one the next time.
    this.live.delete(id)
    this.live.set(id, sealed)
    if (sealed === undefined) this.live.set(id, await encrypt(this.#kmip, id))
    else await assertOpens(this.#kmip, id, sealed)
  }

  async create(): Promise<void> {
    const { uniqueIdentifier } = await this.#kmip.call('Create', {
      objectType: ObjectType.SymmetricKey,
      attributes: {
        attributes: [
          { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
          { id: 'cryptographicLength', value: 256 },
          { id: 'cryptographicUsageMask', value: Mask.Encrypt | Mask.Decrypt },
          { id: 'activationDate', value: Math.floor(BEFORE.getTime() / 1_000) },
        ],
      },
    })
    this.live.set(uniqueIdentifier as string, undefined)
  }

  async destroy(uniqueIdentifier: string): Promise<void> {
    this.live.delete(uniqueIdentifier)
    this.undecided.add(uniqueIdentifier)
    const revocationReason = { revocationReasonCode: RevocationReasonCode.CessationOfOperation }
    await this.#kmip.call('Revoke', { uniqueIdentifier, revocationReason })
    await this.#kmip.call('Destroy', { uniqueIdentifier })
    this.undecided.delete(uniqueIdentifier)
    this.destroyed.add(uniqueIdentifier)
  }

  /** From a moment to the end of the first request that began after it and ended well. */
  backAfter(moment: number): number | undefined {
    const first = this.served.find(({ began }) => began >= moment)
    return first && first.ended - moment
  }

  /** What was acknowledged is so; what the server says it has destroyed has to be gone as well. */
  async check(): Promise<void> {
    for (const [id, sealed] of this.live) {
      await assertOpens(this.#kmip, id, sealed ?? (await encrypt(this.#kmip, id)))
    }
    for (const id of this.destroyed) {
      await rejects(encrypt(this.#kmip, id), { reasonName: 'ObjectDestroyed' })
    }
    for (const id of this.undecided)
      if ((await stateOf(this.#kmip, id)) === State.Destroyed) this.destroyed.add(id)
  }
}

describe('an HSM host that is killed under load', { skip, timeout: 300_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-host-killed-'))
  const dataDir = join(folder, 'data')
  let environment: Readonly<Record<string, string>>
  let server: OwnServer

  before(async () => {
    environment = newSoftHsmToken(folder, 'killed')
    server = await startWith(folder, dataDir, environment)
  })
  after(async () => {
    await server.kill()
    rmSync(folder, { recursive: true, force: true })
  })

  it('loses nothing, and is back within two seconds each time', async (test) => {
    const clients: KmipClient[] = []
    for (let count = 0; count < CLIENTS; count++) {
      clients.push(new KmipClient({ ...(await server.newClient()), connectionsMax: 1 }))
    }
    const workers = clients.map((kmip) => new Worker(kmip))
    let isOver = false
    const running = Promise.allSettled(workers.map((worker) => worker.run(() => isOver)))
    const kills: number[] = []
    const starts = new Set<number>()
    for (let kill = 0; kill < KILLS; kill++) {
      // Long enough for all of them to be at work, and not the same each time.
      await delay(400 + 137 * (kill % 5))
      const pid = await hostOf(dataDir)
      starts.add(pid)
      kills.push(performance.now())
      process.kill(pid, 'SIGKILL')
      const moment = kills.at(-1) as number
      await until(() => workers.every((worker) => worker.backAfter(moment) !== undefined))
    }
    isOver = true
    const failed = (await running).flatMap((one) => (one.status === 'rejected' ? one.reason : []))
    deepEqual(failed, [], 'no client lost its connection')
    equal(starts.size, KILLS, 'a new host each time')

    const back = kills.map((moment) => {
      return Math.round(Math.max(...workers.map((worker) => worker.backAfter(moment) as number)))
    })
    const count = (of: (worker: Worker) => number): number =>
      workers.reduce((sum, worker) => sum + of(worker), 0)
    const [live, destroyed] = [count((one) => one.live.size), count((one) => one.destroyed.size)]
    const refusals = workers.flatMap((worker) => worker.refusals)
    test.diagnostic(`back after ${back.join(', ')} ms`)
    test.diagnostic(`${count((one) => one.served.length)} served, ${refusals.length} refused`)
    for (const [refusal, times] of Map.groupBy(refusals, (one) =>
      one.replace(/[0-9a-f-]{36}/, 'ID'),
    ))
      test.diagnostic(`${times.length} times: ${refusal}`)
    test.diagnostic(`${live} keys live, ${destroyed} destroyed`)
    ok(destroyed > CLIENTS && live > CLIENTS, 'hardly anything was done')
    for (const refusal of refusals) match(refusal, /HSM "hsm"/)

    for (const worker of workers) await worker.check()
    await assertDevice(workers, environment)
    deepEqual(await askServer(dataDir, 'verify', {}), { problems: [] })
    for (const kmip of clients) kmip.close()
    const limit = RECOVERY_MILLISECONDS * (await slowness())
    ok(Math.max(...back) < limit, `back after ${back.join(', ')} ms, the limit is ${limit} ms`)
  })
})

describe('an HSM that is away', { skip, timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-hsm-away-'))
  const dataDir = join(folder, 'data')
  let environment: { readonly SOFTHSM2_CONF: string }
  let server: OwnServer

  before(async () => {
    environment = newSoftHsmToken(folder, 'killed')
    server = await startWith(folder, dataDir, environment)
  })
  after(async () => {
    await server.kill()
    rmSync(folder, { recursive: true, force: true })
  })

  it('keeps its keys from being destroyed in name only', async () => {
    await using kmip = new KmipClient(await server.newClient())
    const worker = new Worker(kmip)
    await worker.create()
    const [id = ''] = worker.live.keys()
    const text = readFileSync(environment.SOFTHSM2_CONF, 'utf8')
    writeFileSync(environment.SOFTHSM2_CONF, 'directories.tokendir = /nonexistent\n')
    process.kill(await hostOf(dataDir), 'SIGKILL')
    await rejects(worker.destroy(id), /Cannot use HSM "hsm"/)
    equal(await stateOf(kmip, id), State.Deactivated)
    writeFileSync(environment.SOFTHSM2_CONF, text)
    const destroyed = (): Promise<boolean> =>
      kmip.call('Destroy', { uniqueIdentifier: id }).then(
        () => true,
        () => false,
      )
    // Nothing is tried for a while after several failures.
    await until(destroyed)
    worker.destroyed.add(id)
    await worker.check()
    await assertDevice([worker], environment)
  })
})

async function stateOf(kmip: KmipClient, uniqueIdentifier: string): Promise<unknown> {
  const { attributes } = await kmip.call('GetAttributes', {
    uniqueIdentifier,
    attributeRefs: ['state'],
  })
  return attributes?.attributes.find(({ id }) => id === 'state')?.value
}

/** A server whose only keystore is a token of SoftHSM2. */
async function startWith(
  folder: string,
  dataDir: string,
  environment: Readonly<Record<string, string>>,
): Promise<OwnServer> {
  const pinFile = join(folder, 'pin')
  writeFileSync(pinFile, SOFTHSM_PIN)
  const config = join(folder, 'claviger.yaml')
  const hsm = { name: 'hsm', type: 'pkcs11', module: SOFTHSM, environment, label: 'killed' }
  const keystores = [{ ...hsm, pinFile, sessions: 4 }]
  writeFileSync(config, JSON.stringify({ keystores, log: { level: 'error' } }))
  return startOwnServer({ dataDir, config })
}

/** Labels of keys are identifiers: looks past the server at what is in the token. */
async function assertDevice(
  workers: readonly Worker[],
  environment: Readonly<Record<string, string>>,
): Promise<void> {
  const device = await HostDevice.open(softHsmHost('killed', environment, 1))
  const has = (id: string): Promise<boolean> =>
    device.use(async (session) => {
      const found = await session.find([
        { type: CKA.CLASS, value: ulongBytes(CKO.SECRET_KEY) },
        { type: CKA.LABEL, value: Buffer.from(id) },
      ])
      return found.length > 0
    })
  try {
    for (const { live, destroyed } of workers) {
      for (const id of live.keys()) ok(await has(id), `${id} was acknowledged, and is gone`)
      for (const id of destroyed) ok(!(await has(id)), `${id} was destroyed, and is there`)
    }
  } finally {
    await device.close()
  }
}

/**
 * How many times as slow as usual a machine is that has too much to do: by how long a process takes
 * to start that does nothing. 1 where it takes no longer than on a slow machine that is idle.
 */
async function slowness(): Promise<number> {
  const took: number[] = []
  for (let count = 0; count < 5; count++) {
    const began = performance.now()
    await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'exit')
    took.push(performance.now() - began)
  }
  const median = took.toSorted((a, b) => a - b)[2] as number
  return Math.max(1, median / IDLE_START_MILLISECONDS)
}

async function hostOf(dataDir: string): Promise<number> {
  for (let tries = 0; tries < 200; tries++) {
    const [hsm] = (await askServer(dataDir, 'hsm.list', {})) as readonly {
      readonly process?: number
      readonly state: string
    }[]
    if (hsm?.process !== undefined && hsm.state === 'running') return hsm.process
    await delay(20)
  }
  throw new Error('the host does not run')
}

async function encrypt(kmip: KmipClient, uniqueIdentifier: string): Promise<Sealed> {
  const { data, authenticatedEncryptionTag } = await kmip.call('Encrypt', {
    uniqueIdentifier,
    cryptographicParameters: PARAMETERS,
    data: PLAIN,
    ivCounterNonce: IV,
  })
  return { data: data as Uint8Array, tag: authenticatedEncryptionTag as Uint8Array }
}

async function assertOpens(kmip: KmipClient, id: string, { data, tag }: Sealed): Promise<void> {
  const opened = await kmip.call('Decrypt', {
    uniqueIdentifier: id,
    cryptographicParameters: PARAMETERS,
    data,
    ivCounterNonce: IV,
    authenticatedEncryptionTag: tag,
  })
  deepEqual(Buffer.from(opened.data as Uint8Array), PLAIN)
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1_500; tries++) {
    if (await isSo()) return
    await delay(20)
  }
  throw new Error('not served again within 30 seconds')
}
