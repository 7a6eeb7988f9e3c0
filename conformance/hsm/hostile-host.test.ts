/**
 * Attacks by the host process of an HSM's module, or by what a broken module makes of it: noise,
 * half messages, lengths of gigabytes, answers to nothing, answers that were altered, none at all.
 *
 * What must hold: every request is answered or refused in time, a refusal is one that names the
 * HSM, memory stays bounded, nothing is thrown where nobody catches it, and the HSM is back once
 * its host behaves. Seeds are printed; `CLAVIGER_SEED` and `CLAVIGER_ROUNDS` say otherwise. Skipped
 * where Debian's softhsm2 is not installed.
 *
 * @module
 */
import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { KmsError } from '#core/errors.ts'
import type { KeyInUse } from '#core/keystore.ts'
import { DATA_KEY_BYTES, Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import { HostDevice } from '#keystores/pkcs11/host-device.ts'
import { withoutManners } from '#keystores/pkcs11/manners.ts'
import { Pkcs11Keystore } from '#keystores/pkcs11/pkcs11.ts'
import { hostCommand, newSoftHsmToken, SOFTHSM, SOFTHSM_PIN } from '#keystores/pkcs11/softhsm.ts'
import { SoftwareKeystore } from '#keystores/software/software.ts'
import { askServer } from '#server/control.ts'
import { startOwnServer } from '../own-server.ts'

const HOSTILE = fileURLToPath(new URL('./hostile-host.ts', import.meta.url))
const NODE = [process.execPath, '--disable-warning=ExperimentalWarning'] as const
const SEED = Number(process.env['CLAVIGER_SEED'] ?? randomInt(1_000_000))
const ROUNDS = Number(process.env['CLAVIGER_ROUNDS'] ?? 4)
const LANES = 2
const CALL_MILLISECONDS = 700
/** Each request is tried twice at most, and each try may wait for a start that is tried again. */
const ANSWER_MILLISECONDS = 25_000
const BREAK_MILLISECONDS = 300
const BACK_MILLISECONDS = 15_000
const MEMORY_BYTES = 400 * 1_048_576
const skip = SOFTHSM === undefined ? 'softhsm2 is not installed' : false
const SPEC = { algorithm: 'AES', bits: 256 } as const
const DATA = Buffer.from('what a host must not spoil')

const MANNERS = ['silent', 'noise', 'half', 'header', 'cut', 'empty', 'huge', 'long', 'flood']
const OTHERS = ['another', 'twice', 'end', 'exit']

describe('a host that is hostile', { skip, timeout: 550_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-hostile-'))
  const file = join(folder, 'manners')
  const behave = (manner: string, seed = SEED): void => writeFileSync(file, `${manner} ${seed}`)
  const reasons: string[] = []
  let device: HostDevice
  let keystore: Pkcs11Keystore
  let key: KeyInUse
  let signer: KeyInUse
  const loose: unknown[] = []
  const caught = (error: unknown): void => {
    loose.push(error)
  }

  before(async () => {
    process.on('unhandledRejection', caught)
    process.on('uncaughtException', caught)
    behave('honest')
    const real = hostCommand(SOFTHSM as string, LANES)
    device = new HostDevice({
      name: 'hostile',
      command: [...NODE, HOSTILE, file, String(LANES), ...real] as [string, ...string[]],
      environment: newSoftHsmToken(folder, 'hostile'),
      token: { label: 'hostile' },
      pin: SOFTHSM_PIN,
      lanes: LANES,
      callMilliseconds: CALL_MILLISECONDS,
      breakMilliseconds: BREAK_MILLISECONDS,
      log: {
        info: () => {},
        warn: (details) => reasons.push(JSON.stringify(details)),
      },
    })
    const sealer = new Sealer(new Map([[1, new Secret(randomBytes(DATA_KEY_BYTES))]]))
    const beside = new SoftwareKeystore('beside', sealer)
    keystore = new Pkcs11Keystore({ name: 'hostile', extractable: true }, device, beside)
    await back()
    key = {
      id: 'key',
      kind: 'secret',
      spec: SPEC,
      ...(await keystore.generate({ id: 'key', spec: SPEC })),
    }
    const spec = { algorithm: 'EC', bits: 256, curve: 'P_256' } as const
    const pair = { privateId: 'private', publicId: 'public', spec }
    signer = {
      id: 'private',
      kind: 'private',
      spec,
      ...(await keystore.generatePair(pair)).privateKey,
    }
    await keystore.sign(signer, { scheme: 'ECDSA', hash: 'SHA_256' }, DATA)
  })
  after(async () => {
    behave('honest')
    await keystore?.close()
    process.off('unhandledRejection', caught)
    process.off('uncaughtException', caught)
    rmSync(folder, { recursive: true, force: true })
  })

  /** Until it works again, as it does by itself. */
  async function back(): Promise<void> {
    const until = performance.now() + BACK_MILLISECONDS
    for (;;) {
      try {
        await keystore.health()
        return
      } catch (error) {
        if (performance.now() > until) throw error
        await delay(200)
      }
    }
  }

  const gcm = { cipher: 'AES_GCM', iv: Buffer.alloc(12, 7) } as const

  /** One of each kind of request, all at the same time; those that were refused. */
  async function ask(): Promise<readonly unknown[]> {
    const spec = SPEC
    const work: readonly (() => unknown)[] = [
      () => keystore.encrypt(key, gcm, DATA),
      () => keystore.encrypt(key, gcm, Buffer.alloc(50_000)),
      () => keystore.decrypt(key, gcm, DATA, Buffer.alloc(16)),
      () => keystore.sign(signer, { scheme: 'ECDSA', hash: 'SHA_256' }, DATA),
      () => keystore.generate({ id: 'more', spec }),
      () => keystore.import({ id: 'in', kind: 'secret', spec, format: 1, bytes: randomBytes(32) }),
      () => keystore.export(key),
      () => keystore.random(16),
      () => keystore.foundlings(),
      () => keystore.assertDestroys(key.handle),
      () => keystore.health(),
    ]
    const settled = await Promise.all(
      work.map(async (one) => {
        try {
          await one()
          return undefined
        } catch (error) {
          return error ?? new Error('nothing was thrown')
        }
      }),
    )
    return settled.filter((error) => error !== undefined)
  }

  /** Asks in time; refusals are failures of the HSM and say so. */
  async function assertBears(manner: string): Promise<void> {
    const began = performance.now()
    const memory = process.memoryUsage.rss()
    const refusals = await ask()
    const took = performance.now() - began
    ok(took < ANSWER_MILLISECONDS, `${manner}: answered after ${Math.round(took)} ms`)
    const more = process.memoryUsage.rss() - memory
    ok(more < MEMORY_BYTES, `${manner}: ${Math.round(more / 1_048_576)} MiB more`)
    for (const error of refusals) {
      ok(error instanceof KmsError, `${manner}: ${(error as Error).stack}`)
      if (error.code !== 'cryptographicFailure') match(error.message, /hostile/, manner)
    }
    deepEqual(loose, [], manner)
  }

  async function assertServes(): Promise<void> {
    const { data, tag } = await keystore.encrypt(key, gcm, DATA)
    deepEqual(Buffer.from(await keystore.decrypt(key, gcm, data, tag)), DATA)
  }

  for (const manner of [...MANNERS, ...OTHERS]) {
    it(`that answers by ${manner} is borne, and is back when it behaves`, async () => {
      behave(manner)
      await assertBears(manner)
      behave('honest')
      await back()
      await assertServes()
    })
  }

  it('that alters its answers is borne', async (test) => {
    test.diagnostic(`seed ${SEED}`)
    for (let round = 0; round < ROUNDS; round++) {
      behave('altered', SEED + round)
      await assertBears(`altered ${SEED + round}`)
      behave('honest')
      // Whatever it still has to say was altered before.
      if (device.processId !== undefined) process.kill(device.processId, 'SIGKILL')
      await back()
      await assertServes()
    }
  })

  it('is told of in the log with what it does not keep to', () => {
    const all = reasons.join('\n')
    match(all, /does not speak PKCS#11/)
    match(all, /not answered before its deadline/)
    match(all, /4294967295 bytes, allowed are/)
  })
})

const HANGS = `#include <unistd.h>
unsigned long C_Initialize(void *args) { for (;;) sleep(100); }
`

describe('a module that never answers', { skip: withoutManners, timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-hangs-'))
  after(() => rmSync(folder, { recursive: true, force: true }))

  it('does not keep the server from serving what is elsewhere', async () => {
    const source = join(folder, 'hangs.c')
    const module = join(folder, 'hangs.so')
    writeFileSync(source, HANGS)
    execFileSync('cc', ['-shared', '-fPIC', '-o', module, source], { stdio: 'inherit' })
    const dataDir = join(folder, 'data')
    mkdirSync(dataDir)
    writeFileSync(join(folder, 'pin'), SOFTHSM_PIN, { mode: 0o600 })
    const hsm = { name: 'hangs', type: 'pkcs11', module, label: 'none', adopt: 'start' }
    const keystores = [
      { name: 'software', type: 'software' },
      { ...hsm, pinFile: join(folder, 'pin') },
    ]
    writeFileSync(join(dataDir, 'claviger.yaml'), JSON.stringify({ keystores }))
    const server = await startOwnServer({ dataDir })
    try {
      match(server.log(), /the start does not wait any longer for HSMs/)
      const [status] = (await askServer(dataDir, 'hsm.list', {})) as readonly { state: string }[]
      equal(status?.state, 'starting')
    } finally {
      const began = performance.now()
      equal(await server.stop(), 0)
      ok(performance.now() - began < 10_000, 'it does not end')
    }
  })
})
