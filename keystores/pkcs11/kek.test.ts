/**
 * The keystore contract where every secret key leaves SoftHSM2 through a key-encrypting key; and
 * the ways in which such a key comes in and is found.
 *
 * Skipped where Debian's softhsm2 is not installed.
 *
 * @module
 */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { KmsError } from '#core/errors.ts'
import type { KeyInUse } from '#core/keystore.ts'
import { DATA_KEY_BYTES, Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import { CKA, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { boolBytes } from '#spec/pkcs11/memory.ts'
import { keystoreContract } from '../contract.ts'
import { SoftwareKeystore } from '../software/software.ts'
import type { DeviceSession } from './device.ts'
import { GroupDevice } from './group-device.ts'
import { HostDevice, type HostOptions } from './host-device.ts'
import type { Kek, KekOptions } from './kek.ts'
import { inspectKek, installKek, removeKek } from './kek-setup.ts'
import { softHsmWithManners, withoutManners } from './manners.ts'
import { Pkcs11Keystore } from './pkcs11.ts'
import { generic, models, type Quirks } from './quirks.ts'
import { hostCommand, newSoftHsmToken, SOFTHSM, softHsmHost } from './softhsm.ts'

const skip = SOFTHSM === undefined ? 'softhsm2 is not installed' : false
const AES = { algorithm: 'AES', bits: 256 } as const
const KEK = randomBytes(32)
const LABEL = 'kek of the test'

const folder = mkdtempSync(join(tmpdir(), 'claviger-kek-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function newToken(): HostOptions {
  return { ...softHsmHost('test', newSoftHsmToken(folder, 'test')), name: 'softhsm' }
}

function beside(): SoftwareKeystore {
  const key = new Secret(randomBytes(DATA_KEY_BYTES))
  return new SoftwareKeystore('beside', new Sealer(new Map([[1, key]])))
}

const copy = async (): Promise<Secret> => new Secret(Uint8Array.from(KEK))

function keystoreOn(device: HostDevice | GroupDevice, more: Partial<KekOptions> = {}) {
  const kek = { label: LABEL, copy, ...more }
  return new Pkcs11Keystore({ name: 'softhsm', extractable: true, kek }, device, beside())
}

async function newKey(keystore: Pkcs11Keystore): Promise<KeyInUse> {
  const made = await keystore.generate({ id: 'key', spec: AES })
  return { id: 'key', kind: 'secret', spec: AES, ...made }
}

if (!skip) {
  keystoreContract({
    name: 'softhsm2 with a key-encrypting key',
    open: async () => {
      const device = await HostDevice.open(newToken())
      const keystore = keystoreOn(device)
      await installKek(keystore.kek as Kek, device, KEK)
      return keystore
    },
  })
}

describe('a key-encrypting key in an HSM', { skip, timeout: 60_000 }, () => {
  it('comes in under an RSA key where the device takes no values', async () => {
    const device = await HostDevice.open(newToken())
    const keystore = keystoreOn(device)
    try {
      const kek = keystore.kek as Kek
      await installKek(kek, device, KEK, 'rsa')
      ok((device.calls.get('C_UnwrapKey') ?? 0) > 0)
      const { agrees, flags, warnings } = await inspectKek(kek, device, KEK)
      equal(agrees, true)
      deepEqual(flags, ['CKA_WRAP', 'CKA_SENSITIVE'])
      deepEqual(warnings, [])
      equal((await keystore.export(await newKey(keystore))).length, 32)
      // What was made for it has gone: the two objects of the token are all.
      const all = await device.use((session) => session.findAll([]))
      equal(all.length, 2)
    } finally {
      await keystore.close()
    }
  })

  it('is no key that protects a database, whatever its label and whoever wants a new one', async () => {
    const device = await HostDevice.open(newToken())
    const keystore = keystoreOn(device)
    const kek = keystore.kek as Kek
    try {
      await installKek(kek, device, KEK)
      const { handle } = await inspectKek(kek, device, KEK)
      const id = await device.use(async (session) => {
        const pTemplate = [{ type: CKA.ID, capacity: 64 }]
        const args = { hObject: handle as number, pTemplate }
        return (await session.call('C_GetAttributeValue', args)).pTemplate[0]?.value
      })
      keystore.reserve(id as Uint8Array)
      for (const work of [() => inspectKek(kek, device, undefined), () => removeKek(kek, device)]) {
        await rejects(work(), (error: KmsError) => {
          equal(error.code, 'illegalOperation')
          match(error.message, /protects a server's database; give kek another label/)
          return true
        })
      }
      equal((await device.use((session) => session.findAll([]))).length, 1)
      // A device that does not say what a key is does not get it destroyed.
      const silent = (rv: number) =>
        ({ call: () => Promise.reject(new CryptokiError(rv, 'no')) }) as unknown as DeviceSession
      await rejects(kek.assertIsNoRoot(silent(CKR.DEVICE_ERROR), 1, 'x'), CryptokiError)
      await kek.assertIsNoRoot(silent(CKR.OBJECT_HANDLE_INVALID), 1, 'x')
    } finally {
      await keystore.close()
    }
  })

  it('is found by its handle where no key has the label, and a wrong one is not believed', async () => {
    const device = await HostDevice.open(newToken())
    const first = keystoreOn(device)
    try {
      await installKek(first.kek as Kek, device, KEK)
      const { handle } = await inspectKek(first.kek as Kek, device, KEK)
      const key = await newKey(first)
      await device.use(async (session) => session.handles.clear())
      const nowhere = keystoreOn(device, { label: 'of nothing', handle: 9_999 })
      equal((await inspectKek(nowhere.kek as Kek, device, KEK)).present, false)
      await device.use(async (session) => session.handles.clear())
      const byHandle = keystoreOn(device, { label: 'of nothing', handle })
      equal((await byHandle.export(key)).length, 32)
      await device.use(async (session) => session.handles.clear())
      const own = await device.use(async (session) => {
        const [other] = await session.find([{ type: CKA.LABEL, value: Buffer.from('key') }])
        return other
      })
      const wrong = keystoreOn(device, { label: 'of nothing', handle: own })
      await rejects(wrong.export(key), (error: KmsError) => {
        equal(error.code, 'cryptographicFailure')
        match(error.message, /key-encrypting key "of nothing" does not open/)
        return true
      })
    } finally {
      await first.close()
    }
  })

  it('is one of those with its label by its CKA_ID', async () => {
    const device = await HostDevice.open(newToken())
    const [mine, other] = [randomBytes(4), randomBytes(4)]
    const keystore = keystoreOn(device, { id: mine })
    try {
      await installKek(keystoreOn(device, { id: other }).kek as Kek, device, randomBytes(32))
      await installKek(keystore.kek as Kek, device, KEK)
      const key = await newKey(keystore)
      equal((await keystore.export(key)).length, 32)
      await device.use(async (session) => session.handles.clear())
      await rejects(keystoreOn(device).export(key), /has 2 keys "kek of the test"; say which/)
      const found = await keystore.foundlings()
      deepEqual(
        found.map(({ label }) => label),
        [LABEL, 'key'].toSorted(),
      )
    } finally {
      await keystore.close()
    }
  })

  it('is told apart from the key where the device refuses', async () => {
    const device = await HostDevice.open(newToken())
    const kek = { label: LABEL, copy }
    const closed = new Pkcs11Keystore({ name: 'softhsm', kek }, device, beside())
    try {
      await installKek(closed.kek as Kek, device, KEK)
      const stays = await newKey(closed)
      await rejects(closed.export(stays), (error: KmsError) => {
        equal(error.code, 'notExtractable')
        match(error.message, /not CKA_EXTRACTABLE; with "extractable: true" new keys are/)
        return true
      })
      const key = await newKey(keystoreOn(device))
      await device.use(async (session) => {
        session.handles.clear()
        const [hObject = 0] = await session.find(closed.kek?.template() ?? [])
        const pTemplate = [{ type: CKA.WRAP, value: boolBytes(false) }]
        await session.call('C_SetAttributeValue', { hObject, pTemplate })
      })
      await rejects(closed.export(key), (error: KmsError) => {
        equal(error.code, 'usageMask')
        match(error.message, /"kek of the test" of HSM "softhsm" does not have CKA_WRAP/)
        return true
      })
    } finally {
      await closed.close()
    }
  })

  it('is in each device of a group', async () => {
    const devices = [new HostDevice(newToken()), new HostDevice(newToken())] as const
    const keystore = keystoreOn(new GroupDevice('group', [...devices]))
    try {
      const kek = keystore.kek as Kek
      deepEqual(kek.devices(), devices)
      for (const device of kek.devices()) await installKek(kek, device, KEK)
      for (const device of kek.devices()) {
        equal((await inspectKek(kek, device, KEK)).agrees, true)
      }
      await removeKek(kek, devices[1])
      equal((await inspectKek(kek, devices[0], KEK)).present, true)
      equal((await inspectKek(kek, devices[1], KEK)).present, false)
    } finally {
      await keystore.close()
    }
  })

  it('is found again when the host has been killed', async () => {
    const device = await HostDevice.open(newToken())
    const keystore = keystoreOn(device)
    try {
      await installKek(keystore.kek as Kek, device, KEK)
      const key = await newKey(keystore)
      const before = Buffer.from((await keystore.export(key)).expose())
      process.kill(device.processId as number, 'SIGKILL')
      const all = await Promise.all(Array.from({ length: 8 }, () => keystore.export(key)))
      for (const value of all) deepEqual(Buffer.from(value.expose()), before)
      equal(device.status().starts, 2)
    } finally {
      await keystore.close()
    }
  })
})

describe('a device with numbers of its own', { skip: withoutManners, timeout: 60_000 }, () => {
  it('wraps by its mechanism, as the file of its model says', async () => {
    const quirks = models().get('aws-cloudhsm') as Quirks
    const command = hostCommand(softHsmWithManners(folder), 2)
    const device = await HostDevice.open({ ...newToken(), command, quirks })
    const keystore = keystoreOn(device)
    try {
      await installKek(keystore.kek as Kek, device, KEK)
      const { mechanism, unwrap, agrees } = await inspectKek(keystore.kek as Kek, device, KEK)
      match(mechanism ?? '', /8000216f/i)
      equal(unwrap, 'rfc5649')
      equal(agrees, true)
      equal((await keystore.export(await newKey(keystore))).length, 32)
    } finally {
      await keystore.close()
    }
  })

  it('is refused where it offers nothing of what its model is said to have', async () => {
    const quirks = generic()
    const command = hostCommand(softHsmWithManners(folder), 2)
    const device = await HostDevice.open({ ...newToken(), command, quirks })
    const keystore = keystoreOn(device)
    try {
      const key = await newKey(keystore)
      await rejects(keystore.export(key), /has no mechanism of its kekWrap .*kek\.mechanism/)
      const mechanism = 0x8000_216f
      const named = keystoreOn(device, { mechanism, unwrap: 'rfc5649' })
      await installKek(named.kek as Kek, device, KEK)
      equal((await named.export(key)).length, 32)
    } finally {
      await keystore.close()
    }
  })
})
