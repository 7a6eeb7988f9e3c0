/**
 * Encrypting and decrypting with keys that are in a device.
 *
 * PKCS#11 3.2 §5.8 and §5.9. What the device has no mechanism for and what needs no key is done
 * around it: padding of blocks (`padded.ts`), OAEP with a hash, mask or label that it does not take
 * (`oaep.ts`), AES key wrap over its blocks (`block-wrap.ts`). An IV that it insists on drawing is
 * read back from it (`own-iv.ts`).
 *
 * @module
 */
import { KmsError } from '#core/errors.ts'
import type { Ability, CipherMechanism, Encrypted, KeyInUse } from '#core/keystore.ts'
import type { Cipher } from '#spec/algorithms.ts'
import type { Abilities } from './abilities.ts'
import { unwrapOver, wrapOver } from './block-wrap.ts'
import { assertAlgorithm, assertLength } from './checks.ts'
import type { Device } from './device.ts'
import type { DeviceKeys } from './device-keys.ts'
import { asWrongData } from './failures.ts'
import { cipherOf, tagBytesOf } from './mechanisms.ts'
import { hasLabel, openOaep } from './oaep.ts'
import { encryptOwnIv, OWN_IV_BYTES } from './own-iv.ts'
import { PART_BYTES_MAX } from './quick.ts'
import { unwrapBytes, wrapBytes } from './temporaries.ts'

/** Of a device; it owns nothing. Bytes that come in are not kept, bytes that go out are new. */
export class Ciphering {
  readonly #device: Device
  readonly #keys: DeviceKeys
  readonly #abilities: Abilities
  readonly #assertAble: (what: string, ability: Ability) => void

  /** @param assertAble Throws, in the words of the keystore, where the device cannot. */
  constructor(
    device: Device,
    keys: DeviceKeys,
    abilities: Abilities,
    assertAble: (what: string, ability: Ability) => void,
  ) {
    this.#device = device
    this.#keys = keys
    this.#abilities = abilities
    this.#assertAble = assertAble
  }

  async encrypt(key: KeyInUse, mechanism: CipherMechanism, data: Uint8Array): Promise<Encrypted> {
    if (!this.#device.isKnown) await this.#device.ready()
    const padded = this.#abilities.paddingOf(mechanism.cipher)
    if (padded !== undefined) {
      const bare = { ...mechanism, cipher: padded.base }
      return this.encrypt(key, bare, padded.scheme.pad(data, padded.blockBytes))
    }
    if (this.#abilities.wrapsOverBlocks(mechanism.cipher)) {
      assertAlgorithm(key, mechanism)
      assertLength(mechanism, data)
      const encipher = async (block: Uint8Array): Promise<Uint8Array> =>
        (await this.encrypt(key, { cipher: 'AES_ECB' }, block)).data
      return { data: await wrapOver(encipher, mechanism, data) }
    }
    if (mechanism.iv === undefined && this.makesIv(mechanism.cipher)) {
      return this.#encryptOwnIv(key, mechanism, data)
    }
    const tagBytes = tagBytesOf(mechanism)
    const { pMechanism, way } = this.#cipher(key, mechanism, data, true)
    const out =
      way === 'keys'
        ? await this.#keys.keyed('encrypt', key, (session, hKey) => {
            return wrapBytes(session, { pMechanism, hKey }, data)
          })
        : await this.#keys.short('encrypt', key, 'encrypt', pMechanism, data)
    if (tagBytes === 0) return { data: out }
    const at = out.length - tagBytes
    return { data: out.subarray(0, at), tag: out.subarray(at) }
  }

  /** Whether the device draws the IV itself. */
  makesIv(cipher: Cipher): boolean {
    return cipher === 'AES_GCM' && this.#device.quirks.gcmIv === 'device'
  }

  async #encryptOwnIv(
    key: KeyInUse,
    mechanism: CipherMechanism,
    data: Uint8Array,
  ): Promise<Encrypted> {
    const iv = new Uint8Array(OWN_IV_BYTES)
    const { pMechanism } = this.#cipher(key, { ...mechanism, iv }, data, false)
    const tagBytes = tagBytesOf(mechanism)
    return this.#keys.keyed('encrypt', key, (session, hKey) => {
      return encryptOwnIv(session, { pMechanism, hKey }, data, tagBytes, mechanism.aad)
    })
  }

  async decrypt(
    key: KeyInUse,
    mechanism: CipherMechanism,
    data: Uint8Array,
    tag?: Uint8Array,
  ): Promise<Uint8Array> {
    if (!this.#device.isKnown) await this.#device.ready()
    const padded = this.#abilities.paddingOf(mechanism.cipher)
    if (padded !== undefined) {
      const plain = await this.decrypt(key, { ...mechanism, cipher: padded.base }, data)
      return padded.scheme.unpad(plain, padded.blockBytes)
    }
    if (this.#abilities.opensOaep({ ...mechanism, label: hasLabel(mechanism) })) {
      const block = await this.decrypt(key, { cipher: 'RSA_X_509' }, data)
      return openOaep(block, data.length, mechanism)
    }
    if (this.#abilities.wrapsOverBlocks(mechanism.cipher)) {
      assertAlgorithm(key, mechanism)
      const decipher = (block: Uint8Array): Promise<Uint8Array> =>
        this.decrypt(key, { cipher: 'AES_ECB' }, block)
      return unwrapOver(decipher, mechanism, data)
    }
    // The tag that came says how long it is.
    const wanted = tag === undefined ? mechanism : { ...mechanism, tagBytes: tag.length }
    const { pMechanism, way } = this.#cipher(key, wanted, data, false)
    if (tag === undefined && tagBytesOf(wanted) > 0) {
      throw new KmsError('missingField', 'Cannot decrypt: the tag is missing')
    }
    const whole = tag === undefined ? data : Buffer.concat([data, tag])
    if (way !== 'keys') return this.#keys.short('decrypt', key, 'decrypt', pMechanism, whole)
    return this.#keys.keyed('decrypt', key, async (session, hKey) => {
      return unwrapBytes(session, { pMechanism, hKey }, whole).catch((error: unknown) => {
        throw asWrongData(error)
      })
    })
  }

  /**
   * The device's mechanism; what does not fit the row is refused before the device is asked.
   *
   * @param givesIv Whether it shall encrypt with the mechanism's IV.
   */
  #cipher(key: KeyInUse, mechanism: CipherMechanism, data: Uint8Array, givesIv: boolean) {
    assertAlgorithm(key, mechanism)
    assertLength(mechanism, data)
    const { partBytesMax = PART_BYTES_MAX, model } = this.#device.quirks
    const most = Math.min(partBytesMax, PART_BYTES_MAX)
    if (data.length > most) {
      const what = `${model} takes ${most} bytes at a time, these are ${data.length}`
      throw new KmsError('dataLength', `Cannot use ${mechanism.cipher}: ${what}`)
    }
    const { cipher, hash, mgfHash } = mechanism
    const pMechanism = cipherOf(mechanism, data.length, this.#abilities.mechanismOf(cipher))
    const way = this.#abilities.wayOf(cipher)
    const isChecked = cipher === 'RSA_PKCS_OAEP' || (givesIv && cipher === 'AES_GCM')
    if (way === undefined || isChecked) {
      this.#assertAble(`use ${cipher}`, { cipher, hash, mgfHash, label: hasLabel(mechanism) })
    }
    return { pMechanism, way }
  }
}
