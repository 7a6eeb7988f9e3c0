/**
 * What an HSM can do, by its list of mechanisms and by what is known of its model.
 *
 * Every refusal says why, for people: the same words stand in Query's reasons, in errors and in the
 * skips of the keystore contract.
 *
 * @module
 */
import type { Ability, DerivationMechanism, MaterialKind } from '#core/keystore.ts'
import {
  type Cipher,
  cipherRow,
  curveRow,
  type Hash,
  hashRow,
  isPair,
  type KeySpec,
  macRow,
  pairRow,
  secretKeyRow,
  signatureRow,
} from '#spec/algorithms.ts'
import { CKF, CKM } from '#spec/pkcs11/constants.ts'
import { isBlockWrap } from './block-wrap.ts'
import type { Device, Need } from './device.ts'
import { mechanismName } from './mechanisms.ts'
import { OPENS_OAEP } from './oaep.ts'
import { type Padded, paddedOver } from './padded.ts'
import { DES2_BITS } from './templates.ts'

/** How a device does a cipher: on data, or on keys only. */
export type CipherWay = 'data' | 'keys'

type Generic<K extends string> = Extract<Ability, Record<K, unknown>>

export class Abilities {
  readonly #device: Device
  readonly #extractable: boolean

  constructor(device: Device, extractable: boolean) {
    this.#device = device
    this.#extractable = extractable
  }

  /** Why it cannot be done; undefined where it can. */
  cannot(ability: Ability): string | undefined {
    if ('digest' in ability) return undefined
    if ('import' in ability) return this.#cannotImport(ability.import, ability.spec)
    if ('generate' in ability) return this.#cannotMake(ability.generate)
    if ('cipher' in ability) return this.#cannotCipher(ability)
    if ('signature' in ability) return this.#cannotSign(ability)
    if ('mac' in ability) return this.#cannotMac(ability)
    return this.#cannotDerive(ability.derive)
  }

  /** The number of the mechanism that does this cipher with this model. */
  mechanismOf(cipher: Cipher): number | undefined {
    return this.#device.quirks.ciphers[cipher] ?? cipherRow(cipher).ckm
  }

  /** Key wrapping is offered as a cipher by some devices only. */
  wayOf(cipher: Cipher): CipherWay | undefined {
    const type = this.mechanismOf(cipher)
    if (type === undefined) return undefined
    if (this.#device.lacks({ type, flag: CKF.DECRYPT }) === undefined) return 'data'
    const isForKeys = cipherRow(cipher).wraps && this.#device.quirks.plainTemporaries
    const flags = [CKF.WRAP, CKF.UNWRAP]
    const has = flags.every((flag) => this.#device.lacks({ type, flag }) === undefined)
    return isForKeys && has ? 'keys' : undefined
  }

  /** What is padded here, because the device does not do it. */
  paddingOf(cipher: Cipher): Padded | undefined {
    const padded = paddedOver(cipher)
    if (padded === undefined || this.wayOf(cipher) !== undefined) return undefined
    return this.wayOf(padded.base) === undefined ? undefined : padded
  }

  /** Whether AES key wrap is done here over blocks of the device, which does not do it itself. */
  wrapsOverBlocks(cipher: Cipher): boolean {
    if (!isBlockWrap(cipher) || this.wayOf(cipher) !== undefined) return false
    const type = CKM.AES_ECB
    return this.#lacks({ type, flag: CKF.ENCRYPT }, { type, flag: CKF.DECRYPT }) === undefined
  }

  /** Whether OAEP is done here over the device's bare RSA, which does not take it so itself. */
  opensOaep(mechanism: Omit<Generic<'cipher'>, 'label'> & { readonly label: boolean }): boolean {
    if (mechanism.cipher !== 'RSA_PKCS_OAEP' || !OPENS_OAEP) return false
    return this.#cannotOaep(mechanism) !== undefined && this.wayOf('RSA_X_509') === 'data'
  }

  #lacks(...needs: readonly Need[]): string | undefined {
    return needs.map((need) => this.#device.lacks(need)).find((why) => why !== undefined)
  }

  #cannotMake(spec: KeySpec): string | undefined {
    const why = cannotMake(spec)
    if (why !== undefined) return why
    const { algorithm, bits, curve } = spec
    if (!isPair(algorithm)) {
      const units = algorithm === 'AES' ? { bytes: bits / 8 } : {}
      return this.#lacks({ type: makerOf(spec), flag: CKF.GENERATE, ...units })
    }
    const flag = CKF.GENERATE_KEY_PAIR
    const size = curve === undefined ? {} : { bits: curveRow(curve).bits }
    const units = algorithm === 'RSA' ? { bits } : size
    return this.#lacks({ type: pairRow(algorithm).ckm, flag, ...units })
  }

  #cannotImport(kind: MaterialKind, spec: KeySpec | undefined): string | undefined {
    if (kind === 'data' || kind === 'public' || spec === undefined) return undefined
    if (spec.algorithm === 'DSA') return this.#lacks({ type: CKM.DSA, flag: CKF.SIGN })
    return this.#cannotMake(spec)
  }

  #cannotCipher({ cipher, direct, ...more }: Generic<'cipher'>): string | undefined {
    const { hash, mgfHash, label } = more
    if (this.paddingOf(cipher) !== undefined) return undefined
    if (direct !== true && this.wrapsOverBlocks(cipher)) return undefined
    const type = this.mechanismOf(cipher)
    if (type === undefined) return `PKCS#11 has no mechanism for ${cipher}`
    const { gcmIv, model } = this.#device.quirks
    if (cipher === 'AES_GCM' && gcmIv === 'device') {
      return `${model} makes the IV of AES-GCM by itself and takes none; ask for a Random IV`
    }
    if (cipher === 'RSA_PKCS_OAEP') {
      const why = this.#cannotOaep({ cipher, hash, mgfHash, label })
      return this.wayOf('RSA_X_509') === 'data' ? undefined : why
    }
    if (this.wayOf(cipher) !== undefined) return undefined
    const why = this.#lacks({ type, flag: CKF.DECRYPT }) ?? NO_WAY
    return isBlockWrap(cipher) ? `${why}; ${this.#wrapsWith()}` : why
  }

  /** What there is instead, for who reads a refusal. */
  #wrapsWith(): string {
    const has = WRAPPINGS.filter((type) => {
      const flags = [CKF.WRAP, CKF.ENCRYPT]
      return flags.some((flag) => this.#device.lacks({ type, flag }) === undefined)
    })
    return `to wrap with AES it has ${has.map(mechanismName).join(', ') || 'nothing'}`
  }

  #cannotOaep({ cipher, hash, mgfHash, label }: Generic<'cipher'>): string | undefined {
    const { oaep, model } = this.#device.quirks
    const flag = CKF.DECRYPT
    if (this.wayOf(cipher) === undefined) return this.#lacks({ type: CKM.RSA_PKCS_OAEP, flag })
    if (label && oaep.label === false) return `OAEP of ${model} takes no label`
    return this.#rsa('OAEP', oaep, hash, mgfHash)
  }

  #rsa(
    scheme: string,
    { hashes, otherMask }: Device['quirks']['pss'],
    hash: Hash = 'SHA_1',
    mgfHash: Hash = hash,
  ): string | undefined {
    const { model } = this.#device.quirks
    const [wrong] = [hash, mgfHash].filter((one) => hashes !== undefined && !hashes.includes(one))
    if (wrong !== undefined) return `${scheme} of ${model} does not take ${wrong}`
    const isSame = otherMask !== false || mgfHash === hash
    return isSame ? undefined : `${scheme} of ${model} does not take another hash for its mask`
  }

  #cannotSign({ signature, hash, mgfHash }: Generic<'signature'>): string | undefined {
    const { ckm, ckmWith } = signatureRow(signature)
    const bare = { type: ckm, flag: CKF.SIGN }
    if (signature !== 'RSA_PKCS_PSS') return this.#lacks(bare)
    const { pss } = this.#device.quirks
    const refused = hash && this.#rsa('PSS', pss, hash, mgfHash)
    // Whether a device knows a hash shows in the mechanism that has it built in.
    const hashed = hash && ckmWith?.[hash]
    return this.#lacks(bare, ...(hashed ? [{ type: hashed, flag: CKF.SIGN }] : [])) ?? refused
  }

  #cannotMac({ mac, bits }: Generic<'mac'>): string | undefined {
    const { ckm, nonce, hash } = macRow(mac)
    if (ckm === undefined || nonce) return `${mac} is not done in HSMs here`
    // The value of a key that may leave is authenticated with here, where the device does not.
    if (hash !== undefined && this.#extractable) return undefined
    return this.cannotMacInside({ mac, bits })
  }

  /** Why the device does not do it by itself. */
  cannotMacInside({ mac, bits }: Generic<'mac'>): string | undefined {
    const { ckm, hash } = macRow(mac)
    if (ckm === undefined) return `PKCS#11 has no mechanism for ${mac}`
    const { hmacKeyBytesMin: min, model } = this.#device.quirks
    const least = hash === undefined ? 0 : min === 'hash' ? hashRow(hash).bytes : (min ?? 0)
    if (bits !== undefined && bits < least * 8) {
      return `${mac} of ${model} needs a key of ${least * 8} bits at least, this one has ${bits}`
    }
    return this.#lacks({ type: ckm, flag: CKF.SIGN })
  }

  #cannotDerive(kdf: DerivationMechanism['kdf']): string | undefined {
    if (kdf === 'DH') {
      if (!this.#device.quirks.plainTemporaries) return NO_TEMPORARIES
      return this.#lacks({ type: CKM.ECDH1_DERIVE, flag: CKF.DERIVE })
    }
    if (kdf === 'ENCRYPT' || kdf === 'HMAC' || this.#extractable) return undefined
    return `${kdf} is worked out beside the device, and its keys do not leave it`
  }
}

const WRAPPINGS = [
  CKM.AES_KEY_WRAP,
  CKM.AES_KEY_WRAP_PAD,
  CKM.AES_KEY_WRAP_KWP,
  CKM.AES_KEY_WRAP_PKCS7,
  CKM.AES_GCM,
  CKM.AES_CBC_PAD,
] as const

const NO_TEMPORARIES = 'it makes no session objects whose value can be read'
const NO_WAY = NO_TEMPORARIES

/** How a device makes a secret key. */
export function makerOf({ algorithm, bits }: KeySpec): number {
  if (isPair(algorithm)) return pairRow(algorithm).ckm
  const row = secretKeyRow(algorithm)
  if (row.hash !== undefined) return CKM.GENERIC_SECRET_KEY_GEN
  return algorithm === 'DES3' && bits <= DES2_BITS ? CKM.DES2_KEY_GEN : row.ckm
}

/** Why no device is asked to make such a key. */
export function cannotMake({ algorithm, bits, curve }: KeySpec): string | undefined {
  if (isPair(algorithm)) {
    if (algorithm === 'EC') return curve === undefined ? 'the curve is not offered' : undefined
    if (!['RSA', 'Ed25519', 'Ed448'].includes(algorithm)) {
      return `${algorithm} is not made in HSMs here`
    }
    const { bits: allowed } = pairRow(algorithm)
    return allowed.includes(bits) ? undefined : hasOthers(algorithm, allowed, bits)
  }
  const row = secretKeyRow(algorithm)
  if (row.bits.includes(bits)) return undefined
  if (row.anyBits && bits % 8 === 0 && bits >= 8 && bits <= 65_536) return undefined
  return hasOthers(algorithm, row.bits, bits)
}

function hasOthers(algorithm: string, allowed: readonly number[], bits: number): string {
  return `${algorithm} has ${allowed.toSorted((a, b) => a - b).join(', ')} bits, not ${bits}`
}
