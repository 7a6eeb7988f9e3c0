/**
 * Handles that take all 64 bits of a CK_ULONG: their names, and a device that has them.
 *
 * The second part is skipped where Debian's softhsm2 or a C compiler is not installed.
 *
 * @module
 */
import { deepEqual, equal, notEqual, ok, throws } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { KeyInUse } from '#core/keystore.ts'
import { DATA_KEY_BYTES, Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import { SoftwareKeystore } from '../software/software.ts'
import { Handles } from './handles.ts'
import { HostDevice } from './host-device.ts'
import { softHsmWithManners, withoutManners } from './manners.ts'
import { Pkcs11Keystore } from './pkcs11.ts'
import { newSoftHsmToken, softHsmHost } from './softhsm.ts'

const LARGE = 0x0100_0000_0000_0001n
const NAMES_MAX = 32_768

describe('handles', () => {
  it('are themselves where a number holds them, and -1 where they are all ones', () => {
    const handles = new Handles()
    for (const handle of [0n, 1n, 0xffff_ffffn, 2n ** 52n - 1n]) {
      equal(handles.name(handle), Number(handle))
      equal(handles.handle(Number(handle)), handle)
    }
    equal(handles.name(2n ** 64n - 1n), -1)
    equal(handles.handle(-1), 2n ** 64n - 1n)
  })

  it('have names where no number holds them, which all threads know', () => {
    const shared = Handles.shared()
    const [one, other] = [new Handles(shared), new Handles(shared)]
    const large = [2n ** 52n, LARGE, LARGE + 1n, 2n ** 64n - 2n]
    const names = large.map((handle) => one.name(handle))
    equal(new Set(names).size, large.length)
    ok(names.every((name) => Number.isSafeInteger(name)))
    for (const [at, name] of names.entries()) {
      equal(other.handle(name), large[at])
      equal(one.name(large[at] as bigint), name)
    }
  })

  it('are forgotten one after the other, and are never those of something else; sessions stay', () => {
    const shared = Handles.shared()
    const [one, other] = [new Handles(shared), new Handles(shared)]
    const session = one.nameSession(LARGE)
    const old = one.name(LARGE + 1n)
    for (let more = 0n; more < NAMES_MAX; more++) other.name(LARGE + 100n + more)
    throws(() => one.handle(old), /not known/)
    throws(() => other.handle(old), /not known/)
    equal(one.handle(session), LARGE)
    const again = one.name(LARGE + 1n)
    notEqual(again, old)
    equal(other.handle(again), LARGE + 1n)
    throws(() => other.handle(Number.MAX_SAFE_INTEGER), /not known/)
  })
})

describe('a device with large handles', { skip: withoutManners, timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-handles-'))
  let module: string
  before(() => {
    module = softHsmWithManners(folder, 'large-handles')
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  for (const forget of [false, true]) {
    const how = forget ? 'that are others each time' : 'that stay'
    it(`makes keys, works with them, finds and destroys them, by handles ${how}`, async () => {
      const label = `large-${forget}`
      const environment = newSoftHsmToken(folder, label)
      const device = await HostDevice.open(
        softHsmHost(label, forget ? { ...environment, FORGET: '1' } : environment, 2, module),
      )
      const sealer = new Sealer(new Map([[1, new Secret(randomBytes(DATA_KEY_BYTES))]]))
      const beside = new SoftwareKeystore('beside', sealer)
      const keystore = new Pkcs11Keystore({ name: label, extractable: true }, device, beside)
      try {
        await worksIn(keystore)
      } finally {
        await keystore.close()
      }
    })
  }
})

async function worksIn(keystore: Pkcs11Keystore): Promise<void> {
  const spec = { algorithm: 'AES', bits: 256 } as const
  const keys: KeyInUse[] = []
  for (const id of ['one', 'two', 'three']) {
    keys.push({ id, kind: 'secret', spec, ...(await keystore.generate({ id, spec })) })
  }
  const mechanism = { cipher: 'AES_GCM', iv: randomBytes(12) } as const
  // The first time each is looked up; later the short way is taken, many at a time.
  for (let round = 0; round < 3; round++) {
    await Promise.all(
      keys.map(async (key) => {
        const { data, tag } = await keystore.encrypt(key, mechanism, Buffer.from(key.id))
        const plain = await keystore.decrypt(key, mechanism, data, tag)
        equal(Buffer.from(plain).toString(), key.id)
      }),
    )
  }
  const rsa = { algorithm: 'RSA', bits: 2048 } as const
  const pair = { privateId: 'private', publicId: 'public', spec: rsa }
  const { privateKey, publicKey } = await keystore.generatePair(pair)
  const signer: KeyInUse = { id: 'private', kind: 'private', spec: rsa, ...privateKey }
  const checker: KeyInUse = { id: 'public', kind: 'public', spec: rsa, ...publicKey }
  const scheme = { scheme: 'RSA_PKCS', hash: 'SHA_256' } as const
  const signature = await keystore.sign(signer, scheme, Buffer.from('data'))
  equal(await keystore.verify(checker, scheme, Buffer.from('data'), signature), true)
  equal((await keystore.foundlings()).length, 5)
  const value = randomBytes(32)
  const imported = await keystore.import({
    id: 'in',
    kind: 'secret',
    spec,
    format: 1,
    bytes: value,
  })
  const brought: KeyInUse = { id: 'in', kind: 'secret', spec, ...imported }
  using out = await keystore.export(brought)
  deepEqual(Buffer.from(out.expose()), value)
  for (const { handle } of [...keys, signer, brought]) await keystore.destroy(handle)
  equal((await keystore.foundlings()).length, 0)
}
