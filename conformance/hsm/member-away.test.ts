/**
 * A group of two HSMs with the same keys, one of which is away when keys are destroyed: its copies
 * are destroyed when it is back, until then everybody can see what is owed, and no key comes under
 * a name that has an old copy there.
 *
 * Skipped where Debian's softhsm2 is not installed.
 *
 * @module
 */
import { deepEqual, equal, match, rejects } from 'node:assert/strict'
import { cpSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { KmipClient } from '#clients/kmip/client.ts'
import { HostDevice } from '#keystores/pkcs11/host-device.ts'
import { newSoftHsmToken, SOFTHSM, SOFTHSM_PIN, softHsmHost } from '#keystores/pkcs11/softhsm.ts'
import { askServer } from '#server/control.ts'
import type { HsmListed } from '#server/hsm.ts'
import {
  CryptographicAlgorithm,
  CryptographicUsageMask as Mask,
  ObjectType,
} from '#spec/kmip/enumerations.ts'
import { CKA } from '#spec/pkcs11/constants.ts'
import { type OwnServer, startOwnServer } from '../own-server.ts'

const withoutHsm = SOFTHSM === undefined ? 'softhsm2 is not installed' : false

interface Entry {
  readonly principal: string
  readonly detail?: string
}

describe('keys of a group with a member that is away', {
  skip: withoutHsm,
  timeout: 180_000,
}, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-member-away-'))
  const dataDir = join(folder, 'data')
  const config = join(folder, 'claviger.yaml')
  const home = (environment: { readonly SOFTHSM2_CONF: string }): string =>
    join(dirname(environment.SOFTHSM2_CONF), 'tokens')
  let first: { readonly SOFTHSM2_CONF: string }
  let second: { readonly SOFTHSM2_CONF: string }
  let server: OwnServer

  async function create(uniqueIdentifier: string): Promise<string> {
    await using kmip = new KmipClient(server.client('admin'))
    const answer = await kmip.call('Create', {
      objectType: ObjectType.SymmetricKey,
      attributes: {
        attributes: [
          { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
          { id: 'cryptographicLength', value: 256 },
          { id: 'cryptographicUsageMask', value: Mask.Encrypt | Mask.Decrypt },
          { id: 'uniqueIdentifier', value: uniqueIdentifier },
        ] as never,
      },
    })
    return answer.uniqueIdentifier as string
  }

  async function destroy(uniqueIdentifier: string): Promise<void> {
    await using kmip = new KmipClient(server.client('admin'))
    await kmip.call('Destroy', { uniqueIdentifier })
  }

  /** How many keys of a label a token has, whatever the server thinks. */
  async function keysIn(environment: { readonly SOFTHSM2_CONF: string }, label: string) {
    const device = await HostDevice.open(softHsmHost('cluster', environment, 1))
    try {
      const template = [{ type: CKA.LABEL, value: Buffer.from(label) }]
      return await device.use(async (session) => (await session.findAll(template)).length)
    } finally {
      await device.close()
    }
  }

  async function listed(): Promise<HsmListed> {
    return ((await askServer(dataDir, 'hsm.list', {})) as readonly [HsmListed])[0]
  }

  async function untilRunning(): Promise<void> {
    for (let round = 0; round < 100; round++) {
      const { members = [] } = await listed()
      if (members.every(({ state }) => state === 'running')) return
      // Whoever asks for work wakes those that have stopped.
      await askServer(dataDir, 'hsm.adopt', { name: 'cluster' })
      await delay(200)
    }
    throw new Error(`not all members run: ${JSON.stringify(await listed())}`)
  }

  async function takeAway(): Promise<void> {
    const { members = [] } = await listed()
    renameSync(home(second), `${home(second)}.away`)
    process.kill(members[1]?.process as number, 'SIGKILL')
    while ((await listed()).members?.[1]?.state === 'running') await delay(20)
  }

  before(async () => {
    first = newSoftHsmToken(folder, 'cluster')
    second = newSoftHsmToken(folder, 'cluster')
    writeFileSync(join(folder, 'pin'), SOFTHSM_PIN)
    const own = { environment: first, label: 'cluster', pinFile: join(folder, 'pin'), sessions: 2 }
    const others = [{ environment: second, label: 'cluster' }]
    const hsm = { name: 'cluster', type: 'pkcs11', module: SOFTHSM, ...own, others }
    const keystores = [{ ...hsm, identifierSlot: 4 }]
    writeFileSync(config, JSON.stringify({ keystores, log: { level: 'info' } }))
    rmSync(home(second), { recursive: true })
    server = await startOwnServer({ dataDir, config })
    for (const name of ['one', 'two', 'three']) await create(`hsm::4::${name}`)
    await server.stop()
    // As a maker's means do it.
    cpSync(home(first), home(second), { recursive: true })
    server = await server.restart()
    await untilRunning()
  })
  after(async () => {
    await server.kill()
    rmSync(folder, { recursive: true, force: true })
  })

  it('are destroyed in both where both are there', async () => {
    await destroy('hsm::4::three')
    deepEqual([await keysIn(first, 'three'), await keysIn(second, 'three')], [0, 0])
    deepEqual([(await listed()).owed, (await listed()).owedIn], [0, []])
  })

  it('are owed while it is away, and their names are not given to others', async () => {
    await takeAway()
    await destroy('hsm::4::one')
    await destroy('hsm::4::two')
    equal(await keysIn(first, 'one'), 0)
    deepEqual([(await listed()).owed, (await listed()).owedIn], [2, ['cluster 2 (label cluster)']])
    match(server.log(), /a key is still to be destroyed in its keystore/)
    const refusal =
      /Cannot create "hsm::4::one": .*still to be destroyed in cluster 2 \(label cluster\)/
    await rejects(create('hsm::4::one'), refusal)
    equal(await create('hsm::4::other'), 'hsm::4::other')
  })

  it('are destroyed there once it is back, also after a new start in between', async () => {
    await server.kill()
    server = await server.restart()
    equal((await listed()).owed, 2)
    renameSync(`${home(second)}.away`, home(second))
    equal(await keysIn(second, 'one'), 1)
    await untilRunning()
    await askServer(dataDir, 'hsm.adopt', { name: 'cluster' })
    deepEqual([await keysIn(second, 'one'), await keysIn(second, 'two')], [0, 0])
    deepEqual([(await listed()).owed, (await listed()).owedIn], [0, []])
    const query = { operation: 'Destroy', object: 'hsm::4::one', limit: 10 }
    const entries = (await askServer(dataDir, 'audit.list', query)) as readonly Entry[]
    const said = entries.flatMap(({ principal, detail }) => (principal === 'server' ? detail : []))
    const where = 'cluster 2 (label cluster) of keystore "cluster"'
    deepEqual(said, [`finished in ${where}, which was away before`])
    deepEqual(await askServer(dataDir, 'verify', {}), { problems: [] })
    equal(await create('hsm::4::one'), 'hsm::4::one')
    equal((await keysIn(first, 'one')) + (await keysIn(second, 'one')), 1)
  })
})
