/**
 * Server and host of an HSM are ended by kill -9, in turn and at random, while clients create,
 * re-key, use and destroy keys and pairs: what was acknowledged is there and works, and in the
 * device there is no key but those that the database knows.
 *
 * `CLAVIGER_POWER_CUTS` (default 4) says how often. Skipped where Debian's softhsm2 is not
 * installed.
 *
 * @module
 */
import { deepEqual, ok } from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { KmipClient } from '#clients/kmip/client.ts'
import { HostDevice } from '#keystores/pkcs11/host-device.ts'
import { hostCommand, newSoftHsmToken, SOFTHSM, SOFTHSM_PIN } from '#keystores/pkcs11/softhsm.ts'
import { askServer } from '#server/control.ts'
import {
  BlockCipherMode,
  CryptographicAlgorithm,
  CryptographicUsageMask as Mask,
  ObjectType,
  RevocationReasonCode,
} from '#spec/kmip/enumerations.ts'
import { CKA, CKO } from '#spec/pkcs11/constants.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import { type OwnServer, startOwnServer } from '../own-server.ts'

const skip = SOFTHSM === undefined ? 'softhsm2 is not installed' : false
const CUTS = Number(process.env['CLAVIGER_POWER_CUTS'] ?? 4)
const CLIENTS = 4
const SERVED_BETWEEN = 30
const SECRET = { type: CKA.CLASS, value: ulongBytes(CKO.SECRET_KEY) }
const PRIVATE = { type: CKA.CLASS, value: ulongBytes(CKO.PRIVATE_KEY) }
const PUBLIC = { type: CKA.CLASS, value: ulongBytes(CKO.PUBLIC_KEY) }
const PARAMETERS = { blockCipherMode: BlockCipherMode.ECB }
const BLOCK = Buffer.alloc(16, 5)

describe('power cuts while keys are made in an HSM', { skip, timeout: 300_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-power-cuts-'))
  const dataDir = join(folder, 'data')
  const config = join(folder, 'claviger.yaml')
  let environment: { readonly SOFTHSM2_CONF: string }
  let server: OwnServer
  /** Acknowledged; whatever was begun and not answered is in neither. */
  const live = new Set<string>()
  const pairs = new Set<string>()
  const destroyed = new Set<string>()
  let served = 0

  before(async () => {
    environment = newSoftHsmToken(folder, 'cut')
    writeFileSync(join(folder, 'pin'), SOFTHSM_PIN)
    const hsm = { name: 'hsm', type: 'pkcs11', module: SOFTHSM, environment, label: 'cut' }
    const keystores = [{ ...hsm, pinFile: join(folder, 'pin'), sessions: 4 }]
    writeFileSync(config, JSON.stringify({ keystores, log: { level: 'error' } }))
    server = await startOwnServer({ dataDir, config })
  })
  after(async () => {
    await server.kill()
    rmSync(folder, { recursive: true, force: true })
  })

  const algorithm = (value: number, length: number) => [
    { id: 'cryptographicAlgorithm', value } as const,
    { id: 'cryptographicLength', value: length } as const,
    { id: 'activationDate', value: Math.floor(Date.now() / 1_000) - 60 } as const,
  ]
  const mask = (value: number) => ({ id: 'cryptographicUsageMask', value }) as const

  async function create(kmip: KmipClient): Promise<void> {
    const attributes = [
      ...algorithm(CryptographicAlgorithm.AES, 256),
      mask(Mask.Encrypt | Mask.Decrypt),
    ]
    const wish = { objectType: ObjectType.SymmetricKey, attributes: { attributes } }
    live.add((await kmip.call('Create', wish)).uniqueIdentifier as string)
  }

  async function createPair(kmip: KmipClient): Promise<void> {
    const answer = await kmip.call('CreateKeyPair', {
      commonAttributes: { attributes: algorithm(CryptographicAlgorithm.EC, 256) },
      privateKeyAttributes: { attributes: [mask(Mask.Sign)] },
      publicKeyAttributes: { attributes: [mask(Mask.Verify)] },
    })
    pairs.add(answer.privateKeyUniqueIdentifier as string)
  }

  async function reKey(kmip: KmipClient, uniqueIdentifier: string): Promise<void> {
    live.add((await kmip.call('ReKey', { uniqueIdentifier })).uniqueIdentifier as string)
  }

  const encrypt = (kmip: KmipClient, uniqueIdentifier: string): Promise<unknown> =>
    kmip.call('Encrypt', {
      uniqueIdentifier,
      cryptographicParameters: PARAMETERS,
      data: BLOCK,
    })

  async function destroy(kmip: KmipClient, uniqueIdentifier: string): Promise<void> {
    live.delete(uniqueIdentifier)
    const revocationReason = { revocationReasonCode: RevocationReasonCode.CessationOfOperation }
    await kmip.call('Revoke', { uniqueIdentifier, revocationReason })
    await kmip.call('Destroy', { uniqueIdentifier })
    destroyed.add(uniqueIdentifier)
  }

  async function step(kmip: KmipClient, round: number): Promise<void> {
    const [id] = live
    if (round % 5 === 1) return createPair(kmip)
    if (id === undefined || round % 5 === 0) return create(kmip)
    if (round % 5 === 2) return reKey(kmip, id)
    if (live.size > 12) return destroy(kmip, id)
    live.delete(id)
    live.add(id)
    await encrypt(kmip, id)
  }

  async function work(isOver: () => boolean, offset: number): Promise<void> {
    let kmip: KmipClient | undefined
    for (let round = offset; !isOver(); round++) {
      try {
        kmip ??= new KmipClient(server.client('admin'))
        await step(kmip, round)
        served++
      } catch {
        kmip?.close()
        kmip = undefined
        await delay(50)
      }
    }
    kmip?.close()
  }

  /** Waits until so much has been served. */
  async function servedUntil(count: number): Promise<void> {
    for (let tries = 0; served < count; tries++) {
      ok(tries < 600, 'not served again within 30 seconds')
      await delay(50)
    }
  }

  /** Labels of what is in the device: identifiers of objects. */
  async function labels(template: typeof SECRET): Promise<readonly string[]> {
    const device = await HostDevice.open({
      name: 'check',
      command: hostCommand(SOFTHSM as string, 1),
      environment,
      token: { label: 'cut' },
      pin: SOFTHSM_PIN,
      lanes: 1,
      callMilliseconds: 20_000,
      log: { info: () => {}, warn: () => {} },
    })
    try {
      return await device.use(async (session) => {
        const found: string[] = []
        for (const hObject of await session.findAll([template])) {
          const pTemplate = [{ type: CKA.LABEL, capacity: 64 }]
          const read = await session.call('C_GetAttributeValue', { hObject, pTemplate })
          const label = Buffer.from(read.pTemplate[0]?.value as Uint8Array).toString()
          // SoftHSM2 writes objects bit by bit: one that was cut short there is no key.
          if (label !== '') found.push(label)
        }
        return found
      })
    } finally {
      await device.close()
    }
  }

  async function isLiving(kmip: KmipClient, uniqueIdentifier: string): Promise<boolean> {
    const asked = { uniqueIdentifier, attributeRefs: ['destroyDate'] as never }
    try {
      const { attributes } = await kmip.call('GetAttributes', asked)
      return attributes?.attributes.length === 0
    } catch {
      return false
    }
  }

  it('lose nothing, and leave nothing behind', async (test) => {
    let isOver = false
    const workers = Array.from({ length: CLIENTS }, (_, index) => work(() => isOver, index))
    for (let cut = 0; cut < CUTS; cut++) {
      await servedUntil(served + SERVED_BETWEEN)
      await delay(Math.random() * 100)
      if (cut % 2 === 1) {
        const [hsm] = (await askServer(dataDir, 'hsm.list', {})) as { process?: number }[]
        if (hsm?.process !== undefined) process.kill(hsm.process, 'SIGKILL')
        continue
      }
      await server.kill()
      server = await server.restart()
    }
    await servedUntil(served + SERVED_BETWEEN)
    isOver = true
    await Promise.all(workers)
    await server.stop()
    server = await server.restart()
    test.diagnostic(`${served} served, ${live.size} live, ${destroyed.size} destroyed`)
    ok(served > 20 && live.size > 0 && pairs.size > 0, 'hardly anything was done')

    await using kmip = new KmipClient(server.client('admin'))
    for (const id of live) await encrypt(kmip, id)
    const [secrets, privates] = [await labels(SECRET), await labels(PRIVATE)]
    deepEqual(
      secrets.filter((id, at) => secrets.indexOf(id) !== at),
      [],
      'none is there twice',
    )
    deepEqual(
      [...live].filter((id) => !secrets.includes(id)),
      [],
    )
    deepEqual(
      [...pairs].filter((id) => !privates.includes(id)),
      [],
    )
    deepEqual(
      [...destroyed].filter((id) => secrets.includes(id)),
      [],
    )
    const orphans: string[] = []
    for (const id of [...secrets, ...privates]) if (!(await isLiving(kmip, id))) orphans.push(id)
    deepEqual(orphans, [], 'all that is in the device is an object')
    const publics = await labels(PUBLIC)
    deepEqual(
      publics.filter((id) => !privates.includes(id)),
      [],
    )
    deepEqual(await askServer(dataDir, 'hsm.adopt', { name: 'hsm' }), {
      adopted: 0,
      known: secrets.length + privates.length + publics.length,
    })
    deepEqual(await askServer(dataDir, 'verify', {}), { problems: [] })
  })
})
