/**
 * A group of HSMs with one member that is slow, fails, lacks a mechanism or a key: what a client
 * sees of it. And an HSM alone that says of one operation that it has failed.
 *
 * Skipped where Debian's softhsm2 or a C compiler is not installed.
 *
 * @module
 */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import type { KeyInUse } from '#core/keystore.ts'
import { DATA_KEY_BYTES, Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import { CKA } from '#spec/pkcs11/constants.ts'
import { SoftwareKeystore } from '../software/software.ts'
import { GroupDevice } from './group-device.ts'
import { HostDevice } from './host-device.ts'
import { softHsmWithManners, withoutManners } from './manners.ts'
import { Pkcs11Keystore } from './pkcs11.ts'
import { hostCommand, newSoftHsmToken, SOFTHSM_PIN } from './softhsm.ts'

const AES = { algorithm: 'AES', bits: 256 } as const
const GCM = { cipher: 'AES_GCM', iv: Buffer.alloc(12) } as const
const DATA = Buffer.from('x')
const REQUESTS = 40

describe('a group with a member that is not well', {
  skip: withoutManners,
  timeout: 180_000,
}, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-group-faults-'))
  const faults = join(folder, 'faults')
  const fault = (word: string): void => writeFileSync(faults, word)
  let well: HostDevice
  let ill: HostDevice
  let apart: HostDevice
  let group: Pkcs11Keystore
  let alone: Pkcs11Keystore
  let key: KeyInUse

  const keystore = (name: string, device: HostDevice | GroupDevice): Pkcs11Keystore => {
    const sealer = new Sealer(new Map([[1, new Secret(randomBytes(DATA_KEY_BYTES))]]))
    return new Pkcs11Keystore({ name }, device, new SoftwareKeystore(name, sealer))
  }

  async function made(where: Pkcs11Keystore, id: string): Promise<KeyInUse> {
    return { id, kind: 'secret', spec: AES, ...(await where.generate({ id, spec: AES })) }
  }

  const load = (): Promise<PromiseSettledResult<unknown>[]> =>
    Promise.allSettled(Array.from({ length: REQUESTS }, () => group.encrypt(key, GCM, DATA)))

  async function assertServed(): Promise<void> {
    const failed = (await load()).filter(({ status }) => status === 'rejected')
    deepEqual(failed, [])
  }

  /** Objects of a label, as one member sees them. */
  const count = (member: HostDevice, label: string): Promise<number> =>
    member.use(async (session) => {
      return (await session.find([{ type: CKA.LABEL, value: Buffer.from(label) }])).length
    })

  before(async () => {
    const module = softHsmWithManners(folder, 'faults')
    const shared = newSoftHsmToken(folder, 'group')
    const other = newSoftHsmToken(folder, 'group')
    const device = (name: string, environment: Readonly<Record<string, string>>): HostDevice =>
      new HostDevice({
        name,
        command: hostCommand(module, 2),
        environment,
        token: { label: 'group' },
        pin: SOFTHSM_PIN,
        lanes: 2,
        callMilliseconds: 20_000,
        log: { info: () => {}, warn: () => {} },
      })
    fault('')
    ill = device('ill', { ...shared, FAULTS: faults })
    well = device('well', shared)
    apart = device('apart', other)
    group = keystore('group', new GroupDevice('group', [ill, well, apart]))
    alone = keystore('alone', device('alone', { ...shared, FAULTS: faults }))
    await Promise.all([ill.ready(), well.ready(), apart.ready()])
    key = await made(group, 'key')
    await group.encrypt(key, GCM, DATA)
  })
  beforeEach(() => fault(''))
  after(async () => {
    await group.close()
    await alone.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('serves all where one lacks the key', async () => {
    equal(await count(apart, 'key'), 0)
    await assertServed()
    for (let round = 0; round < 6; round++) await group.encrypt(key, GCM, DATA)
  })

  it('serves all where one does not do the mechanism', async () => {
    fault('refuse')
    await assertServed()
    for (let round = 0; round < 6; round++) await group.encrypt(key, GCM, DATA)
  })

  it('serves all where one fails, and does not start it again and again', async () => {
    fault('error')
    await assertServed()
    for (let round = 0; round < 20; round++) await group.encrypt(key, GCM, DATA)
    const { starts } = ill.status()
    ok(starts <= 3, `${starts} starts`)
    match(ill.status().lastFailure ?? '', /CKR_DEVICE_ERROR/)
  })

  it('gives most to the others where one is slow', async () => {
    await Promise.all([ill.ready(), well.ready()])
    fault('slow')
    const [before, started] = [ill.calls.get('C_Encrypt') ?? 0, performance.now()]
    const client = async (): Promise<void> => {
      for (let round = 0; round < 20; round++) await group.encrypt(key, GCM, DATA)
    }
    await Promise.all(Array.from({ length: 8 }, client))
    const took = performance.now() - started
    const given = (ill.calls.get('C_Encrypt') ?? 0) - before
    ok(given < 160 / 2, `${given} of 160 in ${Math.round(took)} ms`)
  })

  it('makes a key once, also where the member that is asked ends in the middle', async () => {
    fault('make-die')
    const outcomes = await Promise.allSettled(
      Array.from({ length: 12 }, (_, index) => made(group, `once-${index}`)),
    )
    fault('')
    await Promise.all([ill.ready(), well.ready(), apart.ready()])
    for (const [index, { status }] of outcomes.entries()) {
      const label = `once-${index}`
      const there = (await count(well, label)) + (await count(apart, label))
      ok(there <= 1, `${label} is there ${there} times`)
      if (status === 'fulfilled') equal(there, 1)
    }
  })

  it('destroys a key wherever it is', async () => {
    for (let round = 0; round < 4; round++) {
      const { handle } = await made(group, 'end')
      await group.destroy(handle)
      equal((await count(well, 'end')) + (await count(apart, 'end')), 0)
    }
  })

  it('goes on with other work where an HSM alone fails at one', async () => {
    const own = await made(alone, 'own')
    await alone.encrypt(own, GCM, DATA)
    fault('error')
    for (let round = 0; round < 5; round++) {
      await rejects(alone.encrypt(own, GCM, DATA), /HSM "alone" answers CKR_DEVICE_ERROR/)
      await made(alone, `beside-${round}`)
    }
    ok(alone.status().starts <= 2, `${alone.status().starts} starts`)
    fault('')
    await alone.encrypt(own, GCM, DATA)
  })
})
