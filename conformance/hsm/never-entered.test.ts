/**
 * Keys that are made in a device and never become objects: because the name is taken, because the
 * device or its host fails after it has made them, or because the server ends as by a power cut in
 * that moment. None of them stays in the device, and none can be adopted meanwhile.
 *
 * Skipped where Debian's softhsm2 or a C compiler is not installed.
 *
 * @module
 */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { KmipClient } from '#clients/kmip/client.ts'
import { Pkcs11Client } from '#clients/pkcs11-rpc/client.ts'
import { HostDevice } from '#keystores/pkcs11/host-device.ts'
import { softHsmWithManners, withoutManners } from '#keystores/pkcs11/manners.ts'
import { hostCommand, newSoftHsmToken, SOFTHSM, SOFTHSM_PIN } from '#keystores/pkcs11/softhsm.ts'
import { askServer } from '#server/control.ts'
import { socketPath } from '#server/sockets.ts'
import {
  CryptographicAlgorithm,
  CryptographicUsageMask as Mask,
  NameType,
  ObjectType,
} from '#spec/kmip/enumerations.ts'
import { APPLICATION_ID_BYTES } from '#spec/pkcs11/calls.ts'
import { CKA, CKF, CKM, CKU } from '#spec/pkcs11/constants.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import { type OwnServer, startOwnServer } from '../own-server.ts'

const WAIT_MILLISECONDS = 20_000
const PIN = '24681357'

describe('a key that becomes no object', { skip: withoutManners, timeout: 180_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-never-entered-'))
  const dataDir = join(folder, 'data')
  const config = join(folder, 'claviger.yaml')
  const faults = join(folder, 'faults')
  let environment: Readonly<Record<string, string>>
  let server: OwnServer

  const fault = (word: string): void => writeFileSync(faults, word)

  const common = (name: string, algorithm: number, length: number, mask: number) => [
    { id: 'cryptographicAlgorithm', value: algorithm } as const,
    { id: 'cryptographicLength', value: length } as const,
    { id: 'cryptographicUsageMask', value: mask } as const,
    {
      id: 'name',
      value: { nameValue: name, nameType: NameType.UninterpretedTextString },
    } as const,
  ]

  async function create(name: string, ...more: readonly object[]): Promise<string> {
    await using kmip = new KmipClient(server.client('admin'))
    const own = common(name, CryptographicAlgorithm.AES, 256, Mask.Encrypt | Mask.Decrypt)
    const answer = await kmip.call('Create', {
      objectType: ObjectType.SymmetricKey,
      attributes: { attributes: [...own, ...more] as never },
    })
    return answer.uniqueIdentifier as string
  }

  async function createPair(name: string): Promise<void> {
    await using kmip = new KmipClient(server.client('admin'))
    const [algorithm, length, , named] = common(name, CryptographicAlgorithm.EC, 256, 0)
    const mask = (value: number) => [{ id: 'cryptographicUsageMask', value } as const]
    await kmip.call('CreateKeyPair', {
      commonAttributes: { attributes: [algorithm, length] as never },
      privateKeyAttributes: { attributes: [...mask(Mask.Sign), named] as never },
      publicKeyAttributes: { attributes: mask(Mask.Verify) as never },
    })
  }

  async function reKey(uniqueIdentifier: string, offset: number): Promise<void> {
    await using kmip = new KmipClient(server.client('admin'))
    await kmip.call('ReKey', { uniqueIdentifier, offset })
  }

  /** A program with a session that is logged in. */
  async function application() {
    const client = await Pkcs11Client.connect(socketPath(dataDir, 'pkcs11'))
    const id = randomBytes(APPLICATION_ID_BYTES)
    const asked = { application: id, processId: process.pid, reserved: undefined }
    await client.call('C_Initialize', asked)
    const flags = CKF.SERIAL_SESSION | CKF.RW_SESSION
    const { phSession: hSession } = await client.call('C_OpenSession', { slotID: 0, flags })
    await client.call('C_Login', { hSession, userType: CKU.USER, pPin: Buffer.from(PIN) })
    return { client, hSession }
  }

  async function sessionKey({ client, hSession }: Awaited<ReturnType<typeof application>>) {
    const pMechanism = { type: CKM.AES_KEY_GEN, parameter: undefined }
    const pTemplate = [
      { type: CKA.TOKEN, value: Uint8Array.of(0) },
      { type: CKA.VALUE_LEN, value: ulongBytes(32) },
    ]
    return (await client.call('C_GenerateKey', { hSession, pMechanism, pTemplate })).phKey
  }

  /** How many objects are in the device. */
  async function inDevice(): Promise<number> {
    const device = await HostDevice.open({
      name: 'check',
      command: hostCommand(SOFTHSM as string, 1),
      environment,
      token: { label: 'never' },
      pin: SOFTHSM_PIN,
      lanes: 1,
      callMilliseconds: 20_000,
      log: { info: () => {}, warn: () => {} },
    })
    try {
      const token = [{ type: CKA.TOKEN, value: Uint8Array.of(1) }]
      return await device.use(async (session) => (await session.findAll(token)).length)
    } finally {
      await device.close()
    }
  }

  async function settles(count: number): Promise<void> {
    const until = performance.now() + WAIT_MILLISECONDS
    while ((await inDevice()) !== count && performance.now() < until) await delay(100)
    equal(await inDevice(), count)
  }

  before(async () => {
    environment = newSoftHsmToken(folder, 'never')
    fault('')
    writeFileSync(join(folder, 'pin'), SOFTHSM_PIN)
    const hsm = { name: 'hsm', type: 'pkcs11', module: softHsmWithManners(folder, 'faults') }
    const where = { environment: { ...environment, FAULTS: faults }, label: 'never' }
    const more = { pinFile: join(folder, 'pin'), sessions: 2, identifierSlot: 4 }
    const keystores = [{ ...hsm, ...where, ...more }]
    writeFileSync(config, JSON.stringify({ keystores, log: { level: 'info' } }))
    server = await startOwnServer({ dataDir, config })
  })
  beforeEach(() => fault(''))
  after(async () => {
    await server.kill()
    rmSync(folder, { recursive: true, force: true })
  })

  it('because its name is taken is not left in the device', async () => {
    const id = await create('taken')
    equal(await inDevice(), 1)
    await rejects(create('taken'), /another object of this scope has it/)
    await rejects(createPair('taken'), /another object of this scope has it/)
    await rejects(reKey(id, 5), /the old key has no Activation Date/)
    const uniqueIdentifier = { id: 'uniqueIdentifier', value: 'hsm::4::new' } as const
    await rejects(create('taken', uniqueIdentifier), /another object of this scope has it/)
    equal(await inDevice(), 1)
    equal(await create('other', uniqueIdentifier), 'hsm::4::new')
    await rejects(create('third', uniqueIdentifier), /there is "hsm::4::new" already/)
    equal(await inDevice(), 2, 'what was there before is left alone')
  })

  it('because the device says that it has failed is not left there', async () => {
    const before = await inDevice()
    fault('make-fail')
    await rejects(create('failed'), /HSM "hsm" answers CKR_FUNCTION_FAILED/)
    await rejects(createPair('failed'), /HSM "hsm" answers CKR_FUNCTION_FAILED/)
    await settles(before)
  })

  it('because the host ends is not left there, and the next one is', async () => {
    const before = await inDevice()
    fault('make-die')
    await rejects(create('died'), /HSM "hsm"/)
    await rejects(createPair('died'), /HSM "hsm"/)
    fault('')
    await settles(before)
    await create('died')
    equal(await inDevice(), before + 1)
  })

  it('but a session object lies there until it ends, also with the server, and is not adopted', async () => {
    const before = await inDevice()
    await askServer(dataDir, 'token.pin', { so: false, pin: PIN })
    const first = await application()
    const [gone, kept] = [await sessionKey(first), await sessionKey(first)]
    equal(await inDevice(), before + 2)
    const { hSession, client } = first
    await client.call('C_DestroyObject', { hSession, hObject: gone })
    equal(await inDevice(), before + 1)
    const { adopted } = (await askServer(dataDir, 'hsm.adopt', { name: 'hsm' })) as {
      readonly adopted: number
    }
    equal(adopted, 0)
    await server.kill()
    client.close()
    ok(kept > 0)
    server = await server.restart()
    equal(await inDevice(), before)
    const second = await application()
    await sessionKey(second)
    await second.client.call('C_CloseSession', { hSession: second.hSession })
    second.client.close()
    await settles(before)
    await server.stop()
    server = await server.restart()
    equal(await inDevice(), before)
  })

  it('because the server ends is destroyed by the next start, before anything is adopted', async () => {
    const before = await inDevice()
    for (const make of [create, createPair]) {
      fault('make-kill')
      const ended = once(server.process, 'exit')
      await rejects(make('killed'))
      equal((await ended)[1], 'SIGKILL')
      equal((await inDevice()) > before, true)
      fault('')
      server = await server.restart()
      equal(await inDevice(), before)
      match(server.log(), /a key that became no object is not in its keystore any more/)
    }
    const { adopted } = (await askServer(dataDir, 'hsm.adopt', { name: 'hsm' })) as {
      readonly adopted: number
    }
    equal(adopted, 0)
    deepEqual(await askServer(dataDir, 'verify', {}), { problems: [] })
    await server.stop()
    server = await server.restart()
    equal(await inDevice(), before, 'what became an object is left alone')
  })
})
