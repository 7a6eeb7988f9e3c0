/**
 * A TPM as an HSM: tpm2-pkcs11 over a simulated TPM. It makes pairs and takes nothing in, so that
 * the contract of keystores is not for it.
 *
 * Skipped where Debian's libtpm2-pkcs11-1, libtpm2-pkcs11-tools, swtpm, tpm2-abrmd and
 * libtss2-tcti-tabrmd0 are not installed.
 *
 * @module
 */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { KeyInUse } from '#core/keystore.ts'
import { DATA_KEY_BYTES, Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import type { KeySpec } from '#spec/algorithms.ts'
import { SoftwareKeystore } from '../software/software.ts'
import { HostDevice } from './host-device.ts'
import { Pkcs11Keystore } from './pkcs11.ts'
import { hostCommand } from './softhsm.ts'
import { startTpm, TPM_MODULE, type Tpm, withoutTpm } from './tpm.ts'

const PIN = '1234'
const DATA = Buffer.from('what the TPM works on')

describe('a TPM', { skip: withoutTpm, timeout: 180_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-tpm-'))
  let tpm: Tpm
  let device: HostDevice
  let keystore: Pkcs11Keystore
  before(async () => {
    tpm = await startTpm(folder, 'tpm', PIN)
    await tpm.addKey('aes256', 'made by its tool')
    device = await HostDevice.open({
      name: 'tpm',
      command: hostCommand(TPM_MODULE as string, 2),
      environment: tpm.environment,
      token: { label: 'tpm' },
      pin: PIN,
      lanes: 2,
      callMilliseconds: 60_000,
      log: { info: () => {}, warn: () => {} },
    })
    const sealer = new Sealer(new Map([[1, new Secret(randomBytes(DATA_KEY_BYTES))]]))
    keystore = new Pkcs11Keystore({ name: 'tpm' }, device, new SoftwareKeystore('beside', sealer))
  })
  after(async () => {
    await keystore?.close()
    await tpm?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const pair = async (spec: KeySpec): Promise<readonly [KeyInUse, KeyInUse]> => {
    const [privateId, publicId] = [`${spec.algorithm} private`, `${spec.algorithm} public`]
    const made = await keystore.generatePair({ privateId, publicId, spec })
    return [
      { id: privateId, kind: 'private', spec, ...made.privateKey },
      { id: publicId, kind: 'public', spec, ...made.publicKey },
    ]
  }

  it('is known for one', () => {
    equal(device.quirks.model, 'tpm2')
    equal(device.status().token, 'tpm')
  })

  it('makes RSA pairs, signs, and opens what was encrypted for it', async () => {
    const [own, open] = await pair({ algorithm: 'RSA', bits: 2048 })
    for (const scheme of ['RSA_PKCS', 'RSA_PKCS_PSS'] as const) {
      const mechanism = { scheme, hash: 'SHA_256' } as const
      const signature = await keystore.sign(own, mechanism, DATA)
      equal(await keystore.verify(open, mechanism, DATA, signature), true)
      equal(await keystore.verify(open, mechanism, randomBytes(9), signature), false)
    }
    const oaep = { cipher: 'RSA_PKCS_OAEP', hash: 'SHA_256' } as const
    const { data } = await keystore.encrypt(open, oaep, DATA)
    deepEqual(Buffer.from(await keystore.decrypt(own, oaep, data)), DATA)
    await keystore.destroy(own.handle)
    await rejects(keystore.sign(own, { scheme: 'RSA_PKCS', hash: 'SHA_256' }, DATA), /tpm/)
  })

  it('signs on elliptic curves, also after its host was killed', async () => {
    const [own, open] = await pair({ algorithm: 'EC', bits: 256, curve: 'P_256' })
    const mechanism = { scheme: 'ECDSA', hash: 'SHA_256' } as const
    for (const isKilled of [false, true]) {
      if (isKilled) process.kill(device.processId as number, 'SIGKILL')
      const signature = await keystore.sign(own, mechanism, DATA)
      equal(await keystore.verify(open, mechanism, DATA, signature), true)
    }
  })

  it('makes no AES keys, which is said before it is asked', async () => {
    const spec = { algorithm: 'AES', bits: 256 } as const
    const why = /"tpm": it does not offer CKM_AES_KEY_GEN/
    await rejects(keystore.generate({ id: 'key', spec }), why)
  })

  it('works with AES keys that its own tool has made', async () => {
    const found = (await keystore.foundlings()).find(({ kind }) => kind === 'secret')
    ok(found !== undefined)
    match(found.label, /made by its tool/)
    equal(found.sensitive, true)
    const { kind, spec, format, handle } = found
    const key: KeyInUse = { id: 'found', kind, spec, format, handle }
    const mechanism = { cipher: 'AES_CBC_PAD', iv: randomBytes(16) } as const
    // The second time by the short way.
    for (let round = 0; round < 2; round++) {
      const { data } = await keystore.encrypt(key, mechanism, DATA)
      deepEqual(Buffer.from(await keystore.decrypt(key, mechanism, data)), DATA)
    }
  })
})
