/**
 * What the core asks of whoever holds the keys.
 *
 * A keystore makes keys, keeps them, and works with them. It declares what it can do; a wish that
 * it cannot fulfil fails with the rule that refused it. No front and no operation asks which
 * keystore it is talking to. Every keystore passes `keystores/contract.ts`.
 *
 * Formats of key material are those of KMIP 2.1 §7.8 (Key Format Type); mechanisms are rows of
 * `spec/algorithms.ts` with what they leave open.
 *
 * @module
 */
import type { Cipher, Hash, KeySpec, Mac, SignatureScheme } from '#spec/algorithms.ts'
import type { KeyFormatType } from '#spec/kmip/enumerations.ts'
import type { Awaitable } from './awaitable.ts'
import type { Secret } from './secret.ts'

export type { Awaitable } from './awaitable.ts'

/**
 * What kind of material it is. `secret`: bytes of a symmetric key or of secret data; `data`:
 * anything that is stored and returned and never computed with (certificates, opaque objects).
 */
export type MaterialKind = 'secret' | 'private' | 'public' | 'data'

/** Differences that the core must know before it asks; each names its default. */
export interface Capabilities {
  /** Default `true`. False where keys can only be made inside. */
  readonly imports?: boolean
  /** Default `true`. False where secret keys never leave, whatever their attributes. */
  readonly exports?: boolean
  /**
   * Default `false`. True where the reference is the key itself, sealed: destroying the reference
   * destroys the key, and nothing remains to be tidied up after a crash.
   */
  readonly sealsInReference?: boolean
  /** Protection Storage Mask of KMIP, §12.2: where the keys are. */
  readonly protectionStorageMask: number
}

/** A key that an operation works with. */
export interface KeyInUse {
  /** Unique Identifier of the object; the keystore may have bound the material to it. */
  readonly id: string
  readonly kind: MaterialKind
  /** Absent where the algorithm has no row: such material is only stored. */
  readonly spec?: KeySpec | undefined
  /** Format in which the material was registered or made. */
  readonly format: KeyFormatType
  readonly handle: Uint8Array
}

/** A key that a keystore has made or taken in. */
export interface Made {
  readonly handle: Uint8Array
  readonly format: KeyFormatType
  /** SHA-256 of the material in that format; absent where nobody can know it. */
  readonly sha256?: Uint8Array | undefined
}

export interface MakeRequest {
  /** Unique Identifier that the object will have. */
  readonly id: string
  readonly spec: KeySpec
}

export interface MakePairRequest {
  readonly privateId: string
  readonly publicId: string
  readonly spec: KeySpec
}

export interface ImportRequest {
  readonly id: string
  readonly kind: MaterialKind
  readonly spec?: KeySpec | undefined
  readonly format: KeyFormatType
  readonly bytes: Uint8Array
}

export interface CipherMechanism {
  readonly cipher: Cipher
  readonly iv?: Uint8Array | undefined
  readonly aad?: Uint8Array | undefined
  /** Default: the first of the cipher's row. */
  readonly tagBytes?: number | undefined
  /** RSA OAEP. Default SHA-1. */
  readonly hash?: Hash | undefined
  /** RSA OAEP. Default: `hash`. */
  readonly mgfHash?: Hash | undefined
  /** RSA OAEP. */
  readonly label?: Uint8Array | undefined
}

export interface SignatureMechanism {
  readonly scheme: SignatureScheme
  /** Absent where the scheme takes the message whole or the block raw. */
  readonly hash?: Hash | undefined
  /** True where the data is the digest already. */
  readonly digested?: boolean | undefined
  /** PSS. Default: `hash`. */
  readonly mgfHash?: Hash | undefined
  /** PSS. Default: as long as the hash. */
  readonly saltBytes?: number | undefined
  /** Ed448, ML-DSA, SLH-DSA: the context string. */
  readonly context?: Uint8Array | undefined
  /** ECDSA and DSA. Default `der`; `raw` is r and s side by side, as PKCS#11 has it. */
  readonly encoding?: 'der' | 'raw' | undefined
}

export interface MacMechanism {
  readonly mac: Mac
  /** Default: all of it. */
  readonly bytes?: number | undefined
  readonly nonce?: Uint8Array | undefined
}

/** How key material is wrapped with another key. */
export interface WrapMechanism {
  readonly cipher: Cipher
  readonly iv?: Uint8Array | undefined
  readonly aad?: Uint8Array | undefined
  readonly tagBytes?: number | undefined
  readonly hash?: Hash | undefined
  readonly mgfHash?: Hash | undefined
  readonly label?: Uint8Array | undefined
}

/** KMIP 2.1 §11.15 (Derivation Method). Lengths are asked for apart. */
export type DerivationMechanism =
  | {
      readonly kdf: 'PBKDF2'
      readonly hash: Hash
      readonly salt: Uint8Array
      readonly iterations: number
    }
  | { readonly kdf: 'HASH'; readonly hash: Hash; readonly data: Uint8Array }
  | { readonly kdf: 'HMAC'; readonly hash: Hash; readonly data: Uint8Array }
  | { readonly kdf: 'ENCRYPT'; readonly mechanism: CipherMechanism; readonly data: Uint8Array }
  | {
      readonly kdf: 'HKDF'
      readonly hash: Hash
      readonly salt: Uint8Array
      readonly info: Uint8Array
    }
  | { readonly kdf: 'SP800_108_COUNTER'; readonly hash: Hash; readonly data: Uint8Array }
  | {
      readonly kdf: 'SP800_108_FEEDBACK'
      readonly hash: Hash
      readonly data: Uint8Array
      readonly iv: Uint8Array
    }
  | { readonly kdf: 'SP800_108_DOUBLE_PIPELINE'; readonly hash: Hash; readonly data: Uint8Array }
  | { readonly kdf: 'DH'; readonly peer: Uint8Array }

export interface Encrypted {
  readonly data: Uint8Array
  /** AEAD: apart from the data. */
  readonly tag?: Uint8Array | undefined
}

export interface Encapsulated {
  readonly ciphertext: Uint8Array
  readonly sharedSecret: Secret
}

/** What the core knows when it asks whether a keystore could. */
export type Ability =
  | { readonly generate: KeySpec }
  | { readonly import: MaterialKind; readonly spec?: KeySpec | undefined }
  | { readonly cipher: Cipher }
  | { readonly signature: SignatureScheme; readonly hash?: Hash | undefined }
  | { readonly mac: Mac }
  | { readonly digest: Hash }

export interface Keystore {
  /** Name in the configuration; objects refer to it. */
  readonly name: string
  readonly can: Capabilities

  /** Why the keystore cannot do it; undefined when it can. */
  cannot(ability: Ability): string | undefined

  /**
   * Makes a secret key.
   *
   * @throws `KmsError` `invalidField` when the keystore cannot make such a key.
   */
  generate(request: MakeRequest): Awaitable<Made>

  /** @throws `KmsError` `invalidField` when the keystore cannot make such a pair. */
  generatePair(
    request: MakePairRequest,
  ): Awaitable<{ readonly privateKey: Made; readonly publicKey: Made }>

  /**
   * Takes in material that was made elsewhere.
   *
   * @throws `KmsError` `invalidField` when it is not such a key.
   */
  import(request: ImportRequest): Awaitable<Made>

  /**
   * The material, in the format in which it was registered or in another one.
   *
   * @throws `KmsError` `keyFormat` when it has no such form.
   */
  export(key: KeyInUse, format?: KeyFormatType): Awaitable<Secret>

  /** After the object's end has been committed. Destroying what is gone is no error. */
  destroy(handle: Uint8Array): Awaitable<void>

  encrypt(key: KeyInUse, mechanism: CipherMechanism, data: Uint8Array): Awaitable<Encrypted>

  /** @throws `KmsError` `cryptographicFailure` when the data, tag or padding is wrong. */
  decrypt(
    key: KeyInUse,
    mechanism: CipherMechanism,
    data: Uint8Array,
    tag?: Uint8Array,
  ): Awaitable<Uint8Array>

  sign(key: KeyInUse, mechanism: SignatureMechanism, data: Uint8Array): Awaitable<Uint8Array>

  /** False when the signature is wrong, in whatever way. */
  verify(
    key: KeyInUse,
    mechanism: SignatureMechanism,
    data: Uint8Array,
    signature: Uint8Array,
  ): Awaitable<boolean>

  mac(key: KeyInUse, mechanism: MacMechanism, data: Uint8Array): Awaitable<Uint8Array>

  digest(hash: Hash, data: Uint8Array): Awaitable<Uint8Array>

  /** Wraps bytes: the material of a key, or an encoding that holds it. */
  wrap(key: KeyInUse, mechanism: WrapMechanism, material: Secret): Awaitable<Uint8Array>

  unwrap(key: KeyInUse, mechanism: WrapMechanism, wrapped: Uint8Array): Awaitable<Secret>

  /** Derives bytes from a key. @param length In bytes. */
  derive(key: KeyInUse, mechanism: DerivationMechanism, length: number): Awaitable<Secret>

  encapsulate(key: KeyInUse): Awaitable<Encapsulated>

  decapsulate(key: KeyInUse, ciphertext: Uint8Array): Awaitable<Secret>

  random(length: number): Awaitable<Uint8Array>

  /** Mixes bytes into the generator. @returns How many of them were used. */
  seed(bytes: Uint8Array): Awaitable<number>

  /** Resolves while the keystore works; rejects with what is wrong. */
  health(): Awaitable<void>

  close(): Awaitable<void>
}
