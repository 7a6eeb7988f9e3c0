/**
 * The root key under a key of an HSM, with a server process that is at work: rotations that no
 * client notices, and kill -9 in the middle of them.
 *
 * Skipped where Debian's softhsm2 is not installed.
 *
 * @module
 */
import { deepEqual, equal, match, notEqual, ok, rejects, throws } from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { KmipClient } from '#clients/kmip/client.ts'
import { newSoftHsmToken, SOFTHSM, SOFTHSM_PIN } from '#keystores/pkcs11/softhsm.ts'
import { askServer } from '#server/control.ts'
import {
  BlockCipherMode,
  CryptographicAlgorithm,
  CryptographicUsageMask as Mask,
  ObjectType,
  ProtectionStorageMask,
  RevocationReasonCode,
} from '#spec/kmip/enumerations.ts'
import { type OwnServer, startOwnServer } from '../own-server.ts'

const skip = SOFTHSM === undefined ? 'softhsm2 is not installed' : false
const LAUNCHER = fileURLToPath(new URL('../../bin/claviger', import.meta.url))
const CLIENTS = 4
const KILLS = 6
const IV = Buffer.alloc(12, 7)
const PARAMETERS = { blockCipherMode: BlockCipherMode.GCM, tagLength: 16 }

const AES = [
  { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
  { id: 'cryptographicLength', value: 256 },
  { id: 'cryptographicUsageMask', value: Mask.Encrypt | Mask.Decrypt },
] as const

/** A key and what it has sealed. */
interface Kept {
  readonly id: string
  readonly plain: Buffer
  readonly sealed: Uint8Array
  readonly tag: Uint8Array
}

describe('a server with its root key in an HSM', { skip, timeout: 600_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-root-key-'))
  const dataDir = join(folder, 'data')
  const config = join(folder, 'claviger.yaml')
  let server: OwnServer

  before(async () => {
    const pinFile = join(folder, 'pin')
    writeFileSync(pinFile, SOFTHSM_PIN)
    const hsm = (name: string, identifierSlot: number): object => ({
      name,
      identifierSlot,
      adopt: 'called',
      administrators: ['admin'],
      type: 'pkcs11',
      module: SOFTHSM,
      environment: newSoftHsmToken(folder, name),
      label: name,
      pinFile,
      sessions: 2,
    })
    const rootKey = { source: 'hsm', keystore: 'hsm1', make: true }
    const keystores = [{ name: 'software', type: 'software' }, hsm('hsm1', 1), hsm('hsm2', 2)]
    writeFileSync(config, JSON.stringify({ rootKey, keystores, log: { level: 'error' } }))
    server = await startOwnServer({ dataDir, config })
  })
  after(async () => {
    await server.kill()
    rmSync(folder, { recursive: true, force: true })
  })

  it('is rotated while clients work, and none of them notices', async (test) => {
    const work = { isOver: false, done: 0, slowest: 0, kept: [] as Kept[] }
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, async (_one, index) => {
        const kmip = new KmipClient(await server.newClient({ scope: 'shared' }))
        return { kmip, isHardware: index === 0 }
      }),
    )
    const working = clients.map(async ({ kmip, isHardware }) => {
      while (!work.isOver) {
        const began = performance.now()
        const kept = await create(kmip, isHardware)
        await assertOpens(kmip, kept)
        if (work.kept.length < 50) work.kept.push(kept)
        else await destroy(kmip, kept.id)
        work.done++
        work.slowest = Math.max(work.slowest, performance.now() - began)
      }
    })
    // A failure of a client ends the test when it is waited for, not before.
    const all = Promise.allSettled(working)
    const wishes = [
      { to: 'hsm', make: true },
      { to: 'hsm', keystore: 'hsm2', key: 'second', make: true },
      { to: 'file' },
      { to: 'hsm', keystore: 'hsm1' },
      { to: 'passphrase', passphrase: 'correct horse battery' },
      { to: 'hsm', keystore: 'hsm2', key: 'second' },
    ]
    const keys: unknown[] = []
    for (const wish of wishes) {
      const began = performance.now()
      const before = work.done
      keys.push(await askServer(dataDir, 'rootkey.rotate', wish))
      const took = Math.round(performance.now() - began)
      await until(() => work.done >= before + 5 * CLIENTS)
      test.diagnostic(`${JSON.stringify(wish)}: ${took} ms, ${work.done - before} rounds meanwhile`)
    }
    work.isOver = true
    const failed = (await all).flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
    deepEqual(failed, [], 'no request failed')
    test.diagnostic(`${work.done} rounds, the slowest ${Math.round(work.slowest)} ms`)
    for (const { kmip } of clients) kmip.close()
    deepEqual(
      keys.map((one) => (one as { kind: string }).kind),
      wishes.map(({ to }) => to),
    )

    equal(await server.stop(), 0)
    server = await server.restart()
    const kmip = new KmipClient(await server.newClient({ scope: 'shared' }))
    for (const kept of work.kept) await assertOpens(kmip, kept)
    kmip.close()
    deepEqual(await askServer(dataDir, 'verify', {}), { problems: [] })
    const entries = await askServer(dataDir, 'audit.list', { operation: 'RotateRootKey' })
    equal((entries as readonly object[]).length, wishes.length)
  })

  it('does not let the key be used, not by an administrator of the HSM', async () => {
    await using kmip = new KmipClient(server.client('admin'))
    const root = (await askServer(dataDir, 'rootkey.rotate', { to: 'hsm', keystore: 'hsm1' })) as {
      readonly key: string
      readonly keyId: string
    }
    for (const called of [root.key, Buffer.from(root.keyId.slice(2), 'hex').toString('latin1')]) {
      const uniqueIdentifier = `hsm::1::${called}`
      const data = Buffer.alloc(32)
      const wish = { uniqueIdentifier, cryptographicParameters: PARAMETERS, data }
      await rejects(kmip.call('Encrypt', { ...wish, ivCounterNonce: IV }))
      await rejects(kmip.call('Destroy', { uniqueIdentifier }))
    }
    const other = await created(kmip, 'hsm::1::theirs')
    equal(other, 'hsm::1::theirs')
    const wish = { to: 'hsm', keystore: 'hsm1', key: 'theirs' }
    const reason = /key "theirs" of HSM "hsm1" is object "hsm::1::theirs"/
    await rejects(askServer(dataDir, 'rootkey.rotate', wish), reason)
    await rejects(created(kmip, 'hsm::1::claviger root key'), /the name is the server's own/)
    deepEqual(await askServer(dataDir, 'rootkey.show', {}), root)
  })

  it('is made by init, and shown and rotated by the command line', () => {
    const own = ['--data', join(folder, 'commands'), '--config', config]
    const claviger = (...args: readonly string[]): string =>
      execFileSync(LAUNCHER, [...args, ...own], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, CLAVIGER_ROOT_KEY_KEYSTORE: 'hsm2', CLAVIGER_ROOT_KEY_KEY: 'mine' },
      })
    claviger('init')
    const show = (): Record<string, string> => JSON.parse(claviger('rootkey', 'show', '--json'))
    const before = show()
    equal(before['keystore'], 'hsm2')
    equal(before['key'], 'mine')
    match(claviger('rootkey', 'rotate', '--to', 'hsm', '--make'), /mine-\d{8}T\d{6}Z/)
    const after = show()
    notEqual(after['keyId'], before['keyId'])
    throws(() => claviger('rootkey', 'rotate', '--make'), /make is for an HSM, not for a file/)
    throws(() => claviger('rootkey', 'rotate', '--to', 'hsm', '--keystore', 'no'), /"no" is no HSM/)
    deepEqual(show(), after)
  })

  it('opens after kill -9 at any moment of a rotation', async (test) => {
    const wishes = [
      { to: 'hsm', keystore: 'hsm1', make: true },
      { to: 'file' },
      { to: 'hsm', keystore: 'hsm2', make: true },
    ]
    const first = new KmipClient(await server.newClient({ scope: 'killed' }))
    const kept = await create(first, false)
    first.close()
    const began = performance.now()
    await askServer(dataDir, 'rootkey.rotate', wishes[0] as object)
    const whole = performance.now() - began
    const ends: string[] = []
    for (let kill = 0; kill < KILLS; kill++) {
      const before = await askServer(dataDir, 'rootkey.show', {})
      const wish = wishes[(kill + 1) % wishes.length] as object
      const asked = askServer(dataDir, 'rootkey.rotate', wish).then(
        () => 'answered',
        () => 'not answered',
      )
      await delay((whole * kill) / (KILLS - 1))
      await server.kill()
      const answer = await asked
      server = await server.restart()
      const now = await askServer(dataDir, 'rootkey.show', {})
      const isNew = JSON.stringify(now) !== JSON.stringify(before)
      ok(isNew || answer === 'not answered', 'what was acknowledged is so')
      ends.push(isNew ? 'new' : 'old')
      const kmip = new KmipClient(await server.newClient({ scope: 'killed' }))
      await assertOpens(kmip, kept)
      kmip.close()
      deepEqual(await askServer(dataDir, 'verify', {}), { problems: [] })
    }
    test.diagnostic(`a rotation takes ${Math.round(whole)} ms; after kills: ${ends.join(', ')}`)
  })
})

/** A key with an identifier of the client's choice. */
async function created(kmip: KmipClient, id: string): Promise<unknown> {
  const { uniqueIdentifier } = await kmip.call('Create', {
    objectType: ObjectType.SymmetricKey,
    attributes: { attributes: [{ id: 'uniqueIdentifier', value: id }, ...AES] },
  })
  return uniqueIdentifier
}

/** A new key, in the HSM or sealed in the database, and something that it has encrypted. */
async function create(kmip: KmipClient, isHardware: boolean): Promise<Kept> {
  const masks = [isHardware ? ProtectionStorageMask.Hardware : ProtectionStorageMask.Software]
  const { uniqueIdentifier } = await kmip.call('Create', {
    objectType: ObjectType.SymmetricKey,
    protectionStorageMasks: { protectionStorageMask: masks },
    attributes: { attributes: AES },
  })
  const id = uniqueIdentifier as string
  const plain = randomBytes(100)
  await kmip.call('Activate', { uniqueIdentifier: id })
  const { data, authenticatedEncryptionTag } = await kmip.call('Encrypt', {
    uniqueIdentifier: id,
    cryptographicParameters: PARAMETERS,
    data: plain,
    ivCounterNonce: IV,
  })
  return { id, plain, sealed: data as Uint8Array, tag: authenticatedEncryptionTag as Uint8Array }
}

async function destroy(kmip: KmipClient, uniqueIdentifier: string): Promise<void> {
  const revocationReason = { revocationReasonCode: RevocationReasonCode.CessationOfOperation }
  await kmip.call('Revoke', { uniqueIdentifier, revocationReason })
  await kmip.call('Destroy', { uniqueIdentifier })
}

async function assertOpens(kmip: KmipClient, { id, plain, sealed, tag }: Kept): Promise<void> {
  const { data } = await kmip.call('Decrypt', {
    uniqueIdentifier: id,
    cryptographicParameters: PARAMETERS,
    data: sealed,
    ivCounterNonce: IV,
    authenticatedEncryptionTag: tag,
  })
  deepEqual(Buffer.from(data as Uint8Array), plain)
}

async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (isSo()) return
    await delay(50)
  }
  throw new Error('the clients have not gone on within 30 seconds')
}
