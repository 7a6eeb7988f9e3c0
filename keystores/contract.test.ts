/**
 * The contract of keystores, with the least that passes it: AES keys that are made inside, and
 * AES_GCM with them. Whoever writes a keystore can begin with so much.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { KmsError } from '#core/errors.ts'
import type { Ability, Keystore } from '#core/keystore.ts'
import { DATA_KEY_BYTES, Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import { ProtectionStorageMask } from '#spec/kmip/enumerations.ts'
import { keystoreContract } from './contract.ts'
import { SoftwareKeystore } from './software/software.ts'

function cannot(ability: Ability): string | undefined {
  if ('generate' in ability && ability.generate.algorithm === 'AES') return undefined
  if ('cipher' in ability && ability.cipher === 'AES_GCM') return undefined
  return 'the least keystore has AES_GCM only'
}

function refuse(): never {
  throw new KmsError('illegalOperation', 'Cannot do it: the least keystore has AES_GCM only')
}

function isGcm<T extends { readonly cipher: string }>(mechanism: T): T {
  if (mechanism.cipher === 'AES_GCM') return mechanism
  const what = `Cannot use ${mechanism.cipher}: the least keystore has AES_GCM only`
  throw new KmsError('parametersUnsupported', what)
}

function leastKeystore(): Keystore {
  const key = new Secret(randomBytes(DATA_KEY_BYTES))
  const inner = new SoftwareKeystore('least', new Sealer(new Map([[1, key]])))
  const protectionStorageMask = ProtectionStorageMask.Software
  return {
    name: 'least',
    can: { imports: false, exports: false, sealsInReference: true, protectionStorageMask },
    cannot,
    generate: (request) => inner.generate(request),
    generatePair() {
      throw new KmsError('invalidField', 'Cannot generate a pair: the least keystore has none')
    },
    destroy: () => inner.destroy(),
    encrypt: (key, mechanism, data) => inner.encrypt(key, isGcm(mechanism), data),
    decrypt: (key, mechanism, data, tag) => inner.decrypt(key, isGcm(mechanism), data, tag),
    wrap: (key, mechanism, material) => inner.wrap(key, isGcm(mechanism), material),
    unwrap: (key, mechanism, wrapped) => inner.unwrap(key, isGcm(mechanism), wrapped),
    random: (length) => inner.random(length),
    seed: (bytes) => inner.seed(bytes),
    health: () => inner.health(),
    close: () => inner.close(),
    import: refuse,
    export: refuse,
    sign: refuse,
    verify: refuse,
    recover: refuse,
    mac: refuse,
    digest: refuse,
    derive: refuse,
    encapsulate: refuse,
    decapsulate: refuse,
  }
}

keystoreContract({ name: 'the least that passes', open: async () => leastKeystore() })
