/**
 * A destruction that is cut short between the database and the device: the server is ended as by a
 * power cut while the device is asked to destroy the key, or the device fails. The next start
 * finishes it, with an entry in the audit trail, and nobody can bring the key back before.
 *
 * Skipped where Debian's softhsm2 or a C compiler is not installed.
 *
 * @module
 */
import { deepEqual, equal, match, rejects } from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { KmipClient } from '#clients/kmip/client.ts'
import { HostDevice } from '#keystores/pkcs11/host-device.ts'
import { softHsmWithManners, withoutManners } from '#keystores/pkcs11/manners.ts'
import { newSoftHsmToken, SOFTHSM_PIN, softHsmHost } from '#keystores/pkcs11/softhsm.ts'
import { askServer } from '#server/control.ts'
import {
  CryptographicAlgorithm,
  CryptographicUsageMask as Mask,
  ObjectType,
  State,
} from '#spec/kmip/enumerations.ts'
import { CKA, CKO } from '#spec/pkcs11/constants.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import { type OwnServer, startOwnServer } from '../own-server.ts'

interface Entry {
  readonly principal: string
  readonly operation: string
  readonly object?: string
  readonly detail?: string
}

describe('a destruction that is cut short', { skip: withoutManners, timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-cut-short-'))
  const dataDir = join(folder, 'data')
  const config = join(folder, 'claviger.yaml')
  let environment: Readonly<Record<string, string>>
  let module: string
  let server: OwnServer

  /** @param more What the module is to do when it shall destroy. */
  function configure(more: Readonly<Record<string, string>>): void {
    const own = { ...environment, ...more }
    const hsm = { name: 'hsm', type: 'pkcs11', module, environment: own, label: 'cut' }
    const keystores = [{ ...hsm, pinFile: join(folder, 'pin'), sessions: 2, identifierSlot: 4 }]
    writeFileSync(config, JSON.stringify({ keystores, log: { level: 'info' } }))
  }

  async function create(uniqueIdentifier?: string): Promise<string> {
    await using kmip = new KmipClient(server.client('admin'))
    const answer = await kmip.call('Create', {
      objectType: ObjectType.SymmetricKey,
      attributes: {
        attributes: [
          { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
          { id: 'cryptographicLength', value: 256 },
          { id: 'cryptographicUsageMask', value: Mask.Encrypt | Mask.Decrypt },
          ...(uniqueIdentifier ? [{ id: 'uniqueIdentifier', value: uniqueIdentifier }] : []),
        ] as never,
      },
    })
    return answer.uniqueIdentifier as string
  }

  async function destroy(uniqueIdentifier: string): Promise<void> {
    await using kmip = new KmipClient(server.client('admin'))
    await kmip.call('Destroy', { uniqueIdentifier })
  }

  async function stateOf(uniqueIdentifier: string): Promise<unknown> {
    await using kmip = new KmipClient(server.client('admin'))
    const asked = { uniqueIdentifier, attributeRefs: ['state'] as never }
    const { attributes } = await kmip.call('GetAttributes', asked)
    return attributes?.attributes.find(({ id }) => id === 'state')?.value
  }

  /** How many secret keys are in the device. */
  async function keysInDevice(): Promise<number> {
    const device = await HostDevice.open(softHsmHost('cut', environment, 1))
    try {
      const secret = [{ type: CKA.CLASS, value: ulongBytes(CKO.SECRET_KEY) }]
      return await device.use(async (session) => (await session.findAll(secret)).length)
    } finally {
      await device.close()
    }
  }

  async function finished(object: string): Promise<readonly string[]> {
    const query = { operation: 'Destroy', object, limit: 10 }
    const entries = (await askServer(dataDir, 'audit.list', query)) as readonly Entry[]
    return entries.flatMap(({ principal, detail }) =>
      principal === 'server' ? (detail ?? '') : [],
    )
  }

  before(async () => {
    environment = newSoftHsmToken(folder, 'cut')
    module = softHsmWithManners(folder)
    writeFileSync(join(folder, 'pin'), SOFTHSM_PIN)
    configure({ AT_DESTROY: 'kill' })
    server = await startOwnServer({ dataDir, config })
  })
  after(async () => {
    await server.kill()
    rmSync(folder, { recursive: true, force: true })
  })

  it('by the end of the server is finished by the next start, and said in the audit trail', async () => {
    const id = await create()
    const ended = once(server.process, 'exit')
    await rejects(destroy(id))
    deepEqual((await ended)[1], 'SIGKILL')
    equal(await keysInDevice(), 1)

    configure({})
    server = await server.restart()
    equal(await keysInDevice(), 0)
    equal(await stateOf(id), State.Destroyed)
    deepEqual(await finished(id), ['finished in keystore "hsm", which had not been told before'])
    match(server.log(), /a destruction that was cut short has been finished/)
    await server.stop()
    server = await server.restart()
    equal((await finished(id)).length, 1, 'once')
  })

  it('by the device is finished before the key is adopted, or another made in its place', async () => {
    const id = await create('hsm::4::again')
    const other = await create()
    await server.stop()
    configure({ AT_DESTROY: 'fail' })
    server = await server.restart()
    await rejects(destroy(id), /HSM "hsm" answers CKR_FUNCTION_FAILED/)
    await rejects(destroy(other), /HSM "hsm" answers CKR_FUNCTION_FAILED/)
    // As long as it fails: its record says that it is destroyed, and the key is no use to anybody.
    await rejects(create('hsm::4::again'), /HSM "hsm" has a key of this name already/)
    equal(await keysInDevice(), 2)
    await server.stop()
    configure({})
    server = await server.restart()
    equal(await keysInDevice(), 0)
    equal(await create('hsm::4::again'), 'hsm::4::again')
    await server.stop()
    server = await server.restart()
    equal(await keysInDevice(), 1, 'the new one is left alone')
    deepEqual(await askServer(dataDir, 'hsm.adopt', { name: 'hsm' }), { adopted: 0, known: 1 })
    deepEqual(await askServer(dataDir, 'verify', {}), { problems: [] })
  })
})
