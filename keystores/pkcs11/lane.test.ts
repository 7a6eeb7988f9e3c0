/**
 * Searches in a device: one that fails is ended, and one that comes to no end is given up.
 *
 * Skipped where Debian's softhsm2 or a C compiler is not installed.
 *
 * @module
 */
import { deepEqual, equal, rejects } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { KeyInUse } from '#core/keystore.ts'
import { DATA_KEY_BYTES, Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import { SoftwareKeystore } from '../software/software.ts'
import { HostDevice } from './host-device.ts'
import { softHsmWithManners, withoutManners } from './manners.ts'
import { Pkcs11Keystore } from './pkcs11.ts'
import { hostCommand, newSoftHsmToken, SOFTHSM_PIN } from './softhsm.ts'

const SPEC = { algorithm: 'AES', bits: 256 } as const
const CBC = { cipher: 'AES_CBC_PAD', iv: Buffer.alloc(16) } as const

describe('a search in a device', { skip: withoutManners, timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-lane-'))
  const file = join(folder, 'find')
  let module: string
  before(() => {
    module = softHsmWithManners(folder)
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  /** A keystore that has one session, with a key that it has to look for. */
  const withKey = async (
    how: string,
    work: (keystore: Pkcs11Keystore, key: KeyInUse, device: HostDevice) => Promise<void>,
  ): Promise<void> => {
    const environment = { ...newSoftHsmToken(folder, how), FIND: file, FIND_HOW: how }
    const options = {
      name: how,
      command: hostCommand(module, 1),
      environment,
      token: { label: how },
      pin: SOFTHSM_PIN,
      lanes: 1,
      callMilliseconds: 20_000,
      log: { info: () => {}, warn: () => {} },
    }
    const sealer = new Sealer(new Map([[1, new Secret(randomBytes(DATA_KEY_BYTES))]]))
    const open = async (device: HostDevice): Promise<Pkcs11Keystore> => {
      return new Pkcs11Keystore({ name: how }, device, new SoftwareKeystore('beside', sealer))
    }
    const first = await open(await HostDevice.open(options))
    const made = await first.generate({ id: 'key', spec: SPEC })
    await first.close()
    const device = await HostDevice.open(options)
    const keystore = await open(device)
    try {
      await work(keystore, { id: 'key', kind: 'secret', spec: SPEC, ...made }, device)
    } finally {
      rmSync(file, { force: true })
      await keystore.close()
    }
  }

  const works = async (keystore: Pkcs11Keystore, key: KeyInUse): Promise<void> => {
    const { data } = await keystore.encrypt(key, CBC, Buffer.from('found'))
    const plain = await keystore.decrypt(key, CBC, data)
    deepEqual(Buffer.from(plain), Buffer.from('found'))
  }

  it('is ended where it fails: the next one works in the same session', async () => {
    await withKey('fail', async (keystore, key, device) => {
      writeFileSync(file, '')
      await rejects(keystore.encrypt(key, CBC, Buffer.from('x')), /CKR_FUNCTION_FAILED/)
      await rejects(keystore.foundlings(), /CKR_FUNCTION_FAILED/)
      rmSync(file)
      await works(keystore, key)
      equal((await keystore.foundlings()).length, 1)
      equal(device.status().starts, 1)
    })
  })

  it('is given up where it comes to no end, and says so', async () => {
    await withKey('endless', async (keystore, key) => {
      writeFileSync(file, '')
      await rejects(keystore.foundlings(), /"endless": it lists more than 200000 objects/)
      rmSync(file)
      await works(keystore, key)
    })
  })
})
