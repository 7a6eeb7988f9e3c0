/**
 * Keys got through a key-encrypting key from a device that wraps as AWS CloudHSM does, with PKCS#5
 * padding below RFC 3394: our own module with CKM_AES_KEY_WRAP_PKCS7, and a server behind it.
 *
 * @module
 */
import { equal, match, notDeepEqual, rejects } from 'node:assert/strict'
import { createCipheriv, randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import type { KeyInUse } from '#core/keystore.ts'
import { DATA_KEY_BYTES, Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import { HostDevice } from '#keystores/pkcs11/host-device.ts'
import type { Kek } from '#keystores/pkcs11/kek.ts'
import type { Unwrapping } from '#keystores/pkcs11/kek-forms.ts'
import { inspectKek, installKek } from '#keystores/pkcs11/kek-setup.ts'
import { Pkcs11Keystore } from '#keystores/pkcs11/pkcs11.ts'
import { foundReference } from '#keystores/pkcs11/references.ts'
import { hostCommand } from '#keystores/pkcs11/softhsm.ts'
import { SoftwareKeystore } from '#keystores/software/software.ts'
import { KeyFormatType } from '#spec/kmip/enumerations.ts'
import { CKA, CKM, CKO } from '#spec/pkcs11/constants.ts'
import { boolBytes, ulongBytes } from '#spec/pkcs11/memory.ts'
import { absent, PIN, startToken, type TokenUnderTest } from '../pkcs11/token-under-test.ts'

const KEK = randomBytes(32)
const skip = absent()

describe('keys of another device, through a key-encrypting key', { skip, timeout: 90_000 }, () => {
  let token: TokenUnderTest
  let device: HostDevice
  before(async () => {
    token = await startToken()
    device = await HostDevice.open({
      name: 'other',
      command: hostCommand(token.module, 2),
      environment: token.env,
      token: { slot: 0 },
      pin: PIN,
      lanes: 2,
      callMilliseconds: 20_000,
      log: { info: () => {}, warn: () => {} },
    })
    await installKek(keystoreWith({}).kek as Kek, device, KEK)
  })
  after(async () => {
    await device.close()
    await token.stop()
  })

  const keystoreWith = (more: { mechanism?: number; unwrap?: Unwrapping }): Pkcs11Keystore => {
    const key = new Secret(randomBytes(DATA_KEY_BYTES))
    const beside = new SoftwareKeystore('beside', new Sealer(new Map([[1, key]])))
    const copy = async (): Promise<Secret> => new Secret(Uint8Array.from(KEK))
    const kek = { label: 'P6RKEK1', copy, ...more }
    return new Pkcs11Keystore({ name: 'other', extractable: true, kek }, device, beside)
  }
  /** A key that an application has made: our own rules allow no key both to wrap and to decrypt. */
  const make = async (bits: number): Promise<KeyInUse> => {
    const id = randomBytes(8)
    const yes = [CKA.TOKEN, CKA.SENSITIVE, CKA.EXTRACTABLE, CKA.ENCRYPT, CKA.DECRYPT]
    await device.use((session) =>
      session.call('C_GenerateKey', {
        pMechanism: { type: CKM.AES_KEY_GEN, parameter: undefined },
        pTemplate: [
          ...yes.map((type) => ({ type, value: boolBytes(true) })),
          { type: CKA.VALUE_LEN, value: ulongBytes(bits / 8) },
          { type: CKA.ID, value: id },
        ],
      }),
    )
    const handle = foundReference(CKO.SECRET_KEY, id, new Uint8Array(0))
    const spec = { algorithm: 'AES', bits } as const
    return { id: 'key', kind: 'secret', spec, format: KeyFormatType.Raw, handle }
  }

  for (const unwrap of ['pkcs5', 'rfc5649', 'rfc3394'] as const) {
    it(`are what the device computes with, by ${unwrap}`, async () => {
      const keystore = keystoreWith({ unwrap })
      const state = await inspectKek(keystore.kek as Kek, device, KEK)
      equal(state.unwrap, unwrap)
      equal(state.agrees, true)
      for (const bits of [128, 192, 256]) {
        const key = await make(bits)
        using value = await keystore.export(key)
        const data = Buffer.alloc(16, 7)
        const { data: sealed } = await keystore.encrypt(key, { cipher: 'AES_ECB' }, data)
        const cipher = createCipheriv(`aes-${bits}-ecb`, value.expose(), null)
        equal(Buffer.from(sealed).toString('hex'), cipher.update(data).toString('hex'))
        notDeepEqual(value.expose(), new Uint8Array(value.length))
      }
    })
  }

  it('are refused where the mechanism gives something else', async () => {
    const keystore = keystoreWith({ mechanism: CKM.AES_KEY_WRAP_PKCS7, unwrap: 'rfc5649' })
    const key = await make(256)
    await rejects(keystore.export(key), /does not open/)
    const { agrees, problems } = await inspectKek(keystore.kek as Kek, device, KEK)
    equal(agrees, false)
    match(problems.join(), /AES_KEY_WRAP_PKCS7 is pkcs5 here, not rfc5649/)
  })
})
