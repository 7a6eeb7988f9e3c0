/**
 * Values of keys that leave the device, where they may.
 *
 * PKCS#11 3.2 §5.7.5 (C_GetAttributeValue) of keys that are not CKA_SENSITIVE; of others through a
 * key-encrypting key (`kek.ts`), where there is one.
 *
 * @module
 */
import { KmsError } from '#core/errors.ts'
import { readKey, writeKey } from '#core/key-formats.ts'
import type { KeyInUse } from '#core/keystore.ts'
import { Secret } from '#core/secret.ts'
import type { KeySpec } from '#spec/algorithms.ts'
import { KeyFormatType } from '#spec/kmip/enumerations.ts'
import { CKA } from '#spec/pkcs11/constants.ts'
import { bytesOf } from './checks.ts'
import type { DeviceKeys } from './device-keys.ts'
import type { Kek } from './kek.ts'
import { privateKeyOf, privateParts } from './templates.ts'
import { attributesOf } from './temporaries.ts'

export interface TakingOptions {
  /** Of the keystore. */
  readonly name: string
  readonly extractable: boolean
  readonly kek: Kek | undefined
}

export class Taking {
  readonly #options: TakingOptions
  readonly #keys: DeviceKeys

  constructor(options: TakingOptions, keys: DeviceKeys) {
    this.#options = options
    this.#keys = keys
  }

  /** Whether such keys leave the device through the key-encrypting key only. */
  isViaKek(kind: 'secret' | 'private', { algorithm }: KeySpec): boolean {
    const { kek } = this.#options
    return kek !== undefined && (kind === 'secret' || kek.takesPrivate(algorithm))
  }

  /** @throws `KmsError` `notExtractable`, `keyFormat`, and those of the device. */
  async take(key: KeyInUse, format: KeyFormatType): Promise<Secret> {
    const { kek, name, extractable } = this.#options
    if (key.kind === 'secret' && kek !== undefined) return this.#secret(kek, key, format)
    if (kek?.takesPrivate(key.spec?.algorithm)) return this.#private(kek, key, format)
    const what = `Cannot give "${key.id}": HSM "${name}" does not let it out`
    if (!extractable) {
      throw new KmsError('notExtractable', `${what}; with "extractable: true" it lets new keys`)
    }
    const { spec } = key
    const isBytes = key.kind === 'secret' && format === KeyFormatType.Raw
    if (spec === undefined && !isBytes) {
      throw new KmsError('keyFormat', `Cannot give "${key.id}": its algorithm is not known`)
    }
    const types = spec === undefined || key.kind === 'secret' ? [CKA.VALUE] : privateParts(spec)
    const values = await this.#keys.keyed('give key', key, async (session, hObject) => {
      return attributesOf(session, hObject, types, `${what}: it is CKA_SENSITIVE there`)
    })
    if (spec === undefined || isBytes) return new Secret(values[0] as Uint8Array)
    const read =
      key.kind === 'secret'
        ? readKey(key.kind, KeyFormatType.Raw, values[0] as Uint8Array, spec)
        : privateKeyOf(spec, values)
    for (const value of values) value.fill(0)
    return new Secret(writeKey(key.kind, format, read))
  }

  async #private(kek: Kek, key: KeyInUse, format: KeyFormatType): Promise<Secret> {
    using der = await this.#keys.keyed('give key', key, (session, hKey) => {
      return kek.takePrivate(session, key.id, hKey)
    })
    const read = readKey('private', KeyFormatType.PKCS_8, der.expose(), key.spec)
    return new Secret(writeKey('private', format, read))
  }

  async #secret(kek: Kek, key: KeyInUse, format: KeyFormatType): Promise<Secret> {
    const { id, spec } = key
    const bytes = spec && bytesOf(spec)
    const value = await this.#keys.keyed('give key', key, (session, hKey) => {
      return kek.take(session, id, hKey, bytes)
    })
    if (format === KeyFormatType.Raw) return value
    using raw = value
    return new Secret(
      writeKey('secret', format, readKey('secret', KeyFormatType.Raw, raw.expose())),
    )
  }
}
