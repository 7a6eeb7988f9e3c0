/**
 * Private keys that leave SoftHSM2 through a key-encrypting key, as PKCS#8: they are CKA_SENSITIVE
 * there, and what is got is the key.
 *
 * Skipped where Debian's softhsm2 is not installed.
 *
 * @module
 */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { KeyInUse } from '#core/keystore.ts'
import { DATA_KEY_BYTES, Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import type { KeySpec } from '#spec/algorithms.ts'
import { KeyFormatType } from '#spec/kmip/enumerations.ts'
import { CKA } from '#spec/pkcs11/constants.ts'
import { SoftwareKeystore } from '../software/software.ts'
import { HostDevice } from './host-device.ts'
import { flagOf, type Kek } from './kek.ts'
import { installKek } from './kek-setup.ts'
import { Pkcs11Keystore } from './pkcs11.ts'
import { hostCommand, newSoftHsmToken, SOFTHSM, SOFTHSM_PIN } from './softhsm.ts'

const skip = SOFTHSM === undefined ? 'softhsm2 is not installed' : false
const RSA = { algorithm: 'RSA', bits: 2048 } as const
const EC = { algorithm: 'EC', bits: 256, curve: 'P_256' } as const
const KEK = randomBytes(32)

describe('private keys through a key-encrypting key', { skip, timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-kek-private-'))
  let device: HostDevice
  let hsm: Pkcs11Keystore
  let used = Uint8Array.from(KEK)

  before(async () => {
    device = await HostDevice.open({
      name: 'hsm',
      command: hostCommand(SOFTHSM as string, 1),
      environment: newSoftHsmToken(folder, 'test'),
      token: { label: 'test' },
      pin: SOFTHSM_PIN,
      lanes: 1,
      callMilliseconds: 20_000,
      log: { info: () => {}, warn: () => {} },
    })
    const sealer = new Sealer(new Map([[1, new Secret(randomBytes(DATA_KEY_BYTES))]]))
    const kek = { label: 'kek', copy: async () => new Secret(Uint8Array.from(used)) }
    const beside = new SoftwareKeystore('hsm', sealer)
    hsm = new Pkcs11Keystore({ name: 'hsm', extractable: true, kek }, device, beside)
    await installKek(hsm.kek as Kek, device, KEK)
  })
  after(async () => {
    await hsm.close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function pair(spec: KeySpec): Promise<readonly [KeyInUse, KeyInUse]> {
    const made = await hsm.generatePair({ privateId: 'private', publicId: 'public', spec })
    return [
      { id: 'private', kind: 'private', spec, ...made.privateKey },
      { id: 'public', kind: 'public', spec, ...made.publicKey },
    ]
  }

  for (const spec of [RSA, EC]) {
    it(`are got: ${spec.algorithm}`, async () => {
      const [own, half] = await pair(spec)
      using der = await hsm.export(own, KeyFormatType.PKCS_8)
      const options = { format: 'der', type: 'pkcs8' } as const
      const got = createPrivateKey({ key: Buffer.from(der.expose()), ...options })
      using spki = await hsm.export(half, KeyFormatType.X_509)
      const shown = createPublicKey(got).export({ format: 'der', type: 'spki' })
      deepEqual(Buffer.from(spki.expose()), shown)
      using usual = await hsm.export(own)
      ok(usual.length > 32)
    })
  }

  it('are CKA_SENSITIVE in the device, also when they came from outside', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const bytes = new Uint8Array(privateKey.export({ format: 'der', type: 'pkcs8' }))
    const wish = { id: 'taken', kind: 'private', spec: EC, format: KeyFormatType.PKCS_8 } as const
    const own: KeyInUse = { ...wish, ...(await hsm.import({ ...wish, bytes })) }
    const isSensitive = await device.use(async (session) => {
      const [handle] = await session.find([{ type: CKA.LABEL, value: Buffer.from('taken') }])
      return flagOf(session, handle as number, CKA.SENSITIVE)
    })
    equal(isSensitive, true)
    using der = await hsm.export(own, KeyFormatType.PKCS_8)
    const options = { format: 'der', type: 'pkcs8' } as const
    const got = createPrivateKey({ key: Buffer.from(der.expose()), ...options })
    equal(got.equals(privateKey), true)
  })

  it('are not got with another copy of it', async () => {
    const [own] = await pair(EC)
    used = randomBytes(32)
    await rejects(hsm.export(own, KeyFormatType.PKCS_8), (error: Error) => {
      match(error.message, /Cannot give "private": what HSM "hsm" wrapped .* does not open/)
      return true
    })
    used = Uint8Array.from(KEK)
    ok((await hsm.export(own)).length > 32)
  })
})
