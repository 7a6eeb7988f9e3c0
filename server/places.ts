/**
 * Keystores that a PIN of the form `user:password@address` may choose, by their addresses.
 *
 * An application is not sent to whatever address it names: only to keystores of the configuration,
 * by a name or an address that stands there.
 *
 * @module
 */
import type { Services } from '#core/context.ts'
import type { Keystore } from '#core/keystore.ts'
import { Keystores } from '#core/keystores.ts'
import type { Place } from '#fronts/pkcs11/token.ts'
import { type Config, ConfigError } from './config.ts'

type KeystoreConfig = Config['keystores'][number]
type TokenConfig = Config['pkcs11']['tokens'][number]

/** @throws `ConfigError` when there is no such keystore. */
export function servicesWith(services: Services, token: string, keystore: string): Services {
  const all = [...services.keystores.all()]
  const first = all.find((one) => one.name === keystore)
  if (first === undefined) {
    const known = all.map((one) => one.name).join(', ')
    const what = `pkcs11.tokens: "${token}" wants keystore "${keystore}"; there are: ${known}`
    throw new ConfigError(what)
  }
  const others: Keystore[] = all.filter((one) => one !== first)
  return { ...services, keystores: new Keystores([first, ...others]) }
}

/**
 * The keystores that users of a token may choose: the token's own where it names one, else every
 * HSM. Without an address it is the token's own, or the first HSM.
 *
 * @throws `ConfigError` when two keystores have the same address, or there is none to choose.
 */
export function placesOf(
  services: Services,
  { name, keystore }: TokenConfig,
  configured: readonly KeystoreConfig[],
): (address: string | undefined) => Place | undefined {
  const mine = configured.filter((one) => {
    return keystore === undefined ? one.type === 'pkcs11' : one.name === keystore
  })
  const [first] = mine
  if (first === undefined) {
    const rule = 'pinFormat user:password@address needs a keystore of type pkcs11'
    throw new ConfigError(`pkcs11.tokens: "${name}": ${rule}, or "keystore" to name one`)
  }
  const places = new Map<string, Place>()
  for (const one of mine) {
    const place = { keystore: one.name, services: servicesWith(services, name, one.name) }
    for (const address of addressesOf(one)) {
      const known = places.get(address)
      if (known !== undefined && known.keystore !== one.name) {
        const what = `"${known.keystore}" and "${one.name}" have the address "${address}"`
        throw new ConfigError(`keystores: ${what}; an address is of one keystore`)
      }
      places.set(address, place)
    }
  }
  return (address = first.name) => places.get(address.toLowerCase())
}

/** Host names do not care for case. */
function addressesOf(keystore: KeystoreConfig): readonly string[] {
  const addresses = keystore.type === 'pkcs11' ? keystore.addresses : []
  return [keystore.name, ...addresses].map((one) => one.toLowerCase())
}
