/**
 * What other programs and accidents do to a token: keys of others under the same CKA_ID, a token
 * that is away for a while, and one that has been initialised anew.
 *
 * Skipped where Debian's softhsm2 is not installed.
 *
 * @module
 */
import { deepEqual, equal, match, notDeepEqual, rejects } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { KmsError } from '#core/errors.ts'
import type { KeyInUse } from '#core/keystore.ts'
import { DATA_KEY_BYTES, Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import { CKA, CKM } from '#spec/pkcs11/constants.ts'
import { boolBytes, ulongBytes } from '#spec/pkcs11/memory.ts'
import { SoftwareKeystore } from '../software/software.ts'
import type { DeviceSession } from './device.ts'
import { HostDevice } from './host-device.ts'
import { Pkcs11Keystore } from './pkcs11.ts'
import { hostCommand, newSoftHsmPin, newSoftHsmToken, SOFTHSM, SOFTHSM_PIN } from './softhsm.ts'

const skip = SOFTHSM === undefined ? 'softhsm2 is not installed' : false
const AES = { algorithm: 'AES', bits: 256 } as const
const BLOCK = Buffer.alloc(16, 7)
const WAIT_MILLISECONDS = 20_000

describe('a token that others can reach', { skip, timeout: 180_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-own-objects-'))
  let environment: { readonly SOFTHSM2_CONF: string }
  let tokens: string
  let hsm: Pkcs11Keystore
  let other: HostDevice

  const device = (name: string): HostDevice =>
    new HostDevice({
      name,
      command: hostCommand(SOFTHSM as string, 1),
      environment,
      token: { label: 'shared' },
      pin: SOFTHSM_PIN,
      lanes: 1,
      callMilliseconds: 20_000,
      breakMilliseconds: 100,
      log: { info: () => {}, warn: () => {} },
    })

  /** A keystore that knows no handles yet. */
  async function reopened(): Promise<void> {
    await hsm?.close()
    const sealer = new Sealer(new Map([[1, new Secret(randomBytes(DATA_KEY_BYTES))]]))
    hsm = new Pkcs11Keystore({ name: 'hsm' }, device('hsm'), new SoftwareKeystore('hsm', sealer))
  }

  async function made(id: string, place?: string): Promise<KeyInUse> {
    const key = await hsm.generate({ id, spec: AES, place })
    return { id, kind: 'secret', spec: AES, ...key }
  }

  const encrypted = async (key: KeyInUse): Promise<Buffer> =>
    Buffer.from((await hsm.encrypt(key, { cipher: 'AES_ECB' }, BLOCK)).data)

  /** What another program does. */
  const byOther = <T>(work: (session: DeviceSession) => Promise<T>): Promise<T> => other.use(work)

  function makeBeside(id: Uint8Array, label: string): Promise<unknown> {
    const pTemplate = [
      { type: CKA.TOKEN, value: boolBytes(true) },
      { type: CKA.ID, value: id },
      { type: CKA.LABEL, value: Buffer.from(label) },
      { type: CKA.VALUE_LEN, value: ulongBytes(32) },
    ]
    const pMechanism = { type: CKM.AES_KEY_GEN, parameter: undefined }
    return byOther((session) => session.call('C_GenerateKey', { pMechanism, pTemplate }))
  }

  /** By a process of its own: SoftHSM2 does not tell all others of everything at once. */
  async function count(label: string): Promise<number> {
    const wanted = [{ type: CKA.LABEL, value: Buffer.from(label) }]
    const fresh = device('fresh')
    try {
      return await fresh.use(async (session) => (await session.find(wanted)).length)
    } finally {
      await fresh.close()
    }
  }

  before(async () => {
    environment = newSoftHsmToken(folder, 'shared')
    tokens = join(dirname(environment.SOFTHSM2_CONF), 'tokens')
    other = device('other')
    await reopened()
  })
  after(async () => {
    await hsm.close()
    await other.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('is started by whatever asks first', async () => {
    const key = await made('first')
    await reopened()
    equal((await encrypted(key)).length, BLOCK.length)
  })

  it('works with its own keys only, whoever else uses their CKA_ID', async () => {
    const [drawn, named] = [await made('drawn'), await made('hsm::4::pay', 'pay')]
    const before = [await encrypted(drawn), await encrypted(named)]
    const drawnId = drawn.handle.subarray(2)
    for (const label of ['a', 'b', 'c']) {
      await makeBeside(drawnId, label)
      await makeBeside(Buffer.from('pay'), label)
    }
    for (let round = 0; round < 3; round++) {
      await reopened()
      deepEqual([await encrypted(drawn), await encrypted(named)], before)
    }
  })

  it('destroys none of theirs, and takes none of theirs for its own', async () => {
    const named = await made('hsm::4::end', 'end')
    await makeBeside(Buffer.from('end'), 'theirs')
    await hsm.destroy(named.handle)
    equal(await count('end'), 0)
    equal(await count('theirs'), 1)
    const second = await made('hsm::4::two', 'two')
    const before = await encrypted(second)
    await makeBeside(Buffer.from('two'), 'two')
    // The same in everything: nobody can tell.
    await reopened()
    const what = /2 keys of CKA_ID 0x74776f, and its label does not tell.*remove those of other/
    await rejects(encrypted(second), what)
    await rejects(async () => hsm.destroy(second.handle), what)
    equal(await count('two'), 2)
    notDeepEqual(before, BLOCK)
  })

  it('has no foundling that has neither CKA_ID nor label', async () => {
    const before = (await hsm.foundlings()).length
    await makeBeside(new Uint8Array(0), '')
    await reopened()
    equal((await hsm.foundlings()).length, before)
    await makeBeside(new Uint8Array(0), 'label alone')
    await reopened()
    equal((await hsm.foundlings()).length, before + 1)
  })

  it('that is away is not one without keys, and is there again by itself', async () => {
    const key = await made('away')
    const before = await encrypted(key)
    await byOther(async () => undefined)
    renameSync(tokens, `${tokens}.away`)
    const away = (error: KmsError): boolean => {
      equal(error.code, 'keystoreUnavailable', error.message)
      match(error.message, /HSM "hsm"/)
      return true
    }
    await rejects(encrypted(key), away)
    await rejects(async () => hsm.assertDestroys(key.handle), away)
    await rejects(async () => hsm.destroy(key.handle), away)
    await rejects(made('none'), away)
    renameSync(`${tokens}.away`, tokens)
    const until = performance.now() + WAIT_MILLISECONDS
    const back = (): Promise<Buffer | undefined> => encrypted(key).catch(() => undefined)
    while ((await back()) === undefined && performance.now() < until) await delay(200)
    deepEqual(await encrypted(key), before)
  })

  it('that fails to make a key because it is away is there again as well', async () => {
    renameSync(tokens, `${tokens}.away`)
    await rejects(made('first'), /HSM "hsm" answers CKR_TOKEN_NOT_PRESENT: it is gone/)
    renameSync(`${tokens}.away`, tokens)
    const until = performance.now() + WAIT_MILLISECONDS
    const back = (): Promise<KeyInUse | undefined> => made('again').catch(() => undefined)
    while ((await back()) === undefined && performance.now() < until) await delay(200)
    await encrypted(await made('last'))
  })

  it('that was initialised anew has none of the keys of before, and takes new ones', async () => {
    const key = await made('before')
    newSoftHsmPin(environment, 'shared', SOFTHSM_PIN)
    await rejects(encrypted(key), /HSM "hsm" does not have its key any more/)
    await hsm.destroy(key.handle)
    await encrypted(await made('after'))
  })
})
