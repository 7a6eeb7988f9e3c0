/**
 * The keystore contract on a module that the tester names, such as another maker's:
 *
 *     CLAVIGER_TEST_HSM='{"module":"/path.so","label":"test","pin":"1234"}' node --test …
 *
 * `environment` and `model` may be named as well, and `"kek": true` for keys that leave through a
 * key-encrypting key. That and the keys that the suite makes stay in the token: it must be one for
 * tests. Skipped where no module is named.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { describe } from 'node:test'
import { DATA_KEY_BYTES, Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import { keystoreContract } from '../contract.ts'
import { SoftwareKeystore } from '../software/software.ts'
import { HostDevice } from './host-device.ts'
import type { Kek } from './kek.ts'
import { installKek } from './kek-setup.ts'
import { Pkcs11Keystore } from './pkcs11.ts'
import { models } from './quirks.ts'
import { hostCommand } from './softhsm.ts'

interface Named {
  readonly module: string
  readonly label: string
  readonly pin?: string
  readonly environment?: Readonly<Record<string, string>>
  readonly model?: string
  readonly kek?: boolean
}

const text = process.env['CLAVIGER_TEST_HSM']
const LANES = 2

function software(name: string): SoftwareKeystore {
  const key = new Secret(randomBytes(DATA_KEY_BYTES))
  return new SoftwareKeystore(name, new Sealer(new Map([[1, key]])))
}

if (text === undefined) {
  describe('keystore contract on a named module', {
    skip: 'CLAVIGER_TEST_HSM names none',
  }, () => {})
} else {
  const { module, label, pin, environment, model, kek } = JSON.parse(text) as Named
  let opened = 0
  keystoreContract({
    name: module,
    open: async () => {
      // One token is all there is: the keystore that shares nothing with it is of another kind.
      if (opened++ > 0) return software('other')
      const device = await HostDevice.open({
        name: label,
        command: hostCommand(module, LANES),
        environment: environment ?? {},
        token: { label },
        pin,
        lanes: LANES,
        callMilliseconds: 60_000,
        quirks: model === undefined ? undefined : models().get(model),
        log: { info: () => {}, warn: () => {} },
      })
      if (kek !== true) {
        return new Pkcs11Keystore({ name: label, extractable: true }, device, software('beside'))
      }
      const value = randomBytes(32)
      const copy = async (): Promise<Secret> => new Secret(Uint8Array.from(value))
      const options = { label: `kek ${randomBytes(4).toString('hex')}`, copy }
      const keystore = new Pkcs11Keystore(
        { name: label, extractable: true, kek: options },
        device,
        software('beside'),
      )
      await installKek(keystore.kek as Kek, device, value)
      return keystore
    },
  })
}
