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
  /** Of the object; absent where there is none. */
  readonly revision?: number | undefined
}

/** A key that a keystore has made or taken in. */
export interface Made {
  readonly handle: Uint8Array
  readonly format: KeyFormatType
  /** SHA-256 of the material in that format; absent where nobody can know it. */
  readonly sha256?: Uint8Array | undefined
}

/** A key or certificate that is in a keystore without having been made through it. */
export interface Foundling {
  /** What tells it from all others there, now and after every restart. */
  readonly place: Uint8Array
  readonly handle: Uint8Array
  readonly kind: MaterialKind
  /** Absent for certificates. */
  readonly spec?: KeySpec | undefined
  readonly format: KeyFormatType
  /** Its name there; may be empty. */
  readonly label: string
  /** The same for the halves of a pair and their certificate; absent where nobody says it. */
  readonly pairId?: string | undefined
  /** Cryptographic Usage Mask. */
  readonly usage: number
  readonly sensitive: boolean
  readonly alwaysSensitive: boolean
  readonly extractable: boolean
  readonly neverExtractable: boolean
  /** What is no secret: to be taken in, instead of referring to it. */
  readonly bytes?: Uint8Array | undefined
  /** Whether this reference is to it. */
  isAt(handle: Uint8Array): boolean
}

export interface MakeRequest {
  /** Unique Identifier that the object will have. */
  readonly id: string
  readonly spec: KeySpec
  /** What the key shall be called in the keystore, where its identifier says so. */
  readonly place?: string | undefined
}

export interface MakePairRequest {
  readonly privateId: string
  readonly publicId: string
  readonly spec: KeySpec
  /** RSA. Default 65,537. */
  readonly publicExponent?: number | undefined
  readonly place?: string | undefined
}

export interface ImportRequest {
  readonly id: string
  readonly place?: string | undefined
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
  /**
   * Absent where the scheme takes the message whole or the block raw. With ML-DSA and SLH-DSA: the
   * message is hashed with it first (HashML-DSA, HashSLH-DSA).
   */
  readonly hash?: Hash | undefined
  /**
   * True where the data is the digest already. Without `hash` PKCS#1 v1.5 pads the data as it is,
   * and ECDSA and DSA take it for the digest, whatever its length.
   */
  readonly digested?: boolean | undefined
  /** PSS. Default: `hash`. */
  readonly mgfHash?: Hash | undefined
  /** PSS. Default: as long as the hash. */
  readonly saltBytes?: number | undefined
  /** EdDSA, ML-DSA, SLH-DSA: the context string; with one, Ed25519 is Ed25519ctx. */
  readonly context?: Uint8Array | undefined
  /** Ed25519ph and Ed448ph: the message is hashed first, RFC 8032 §5.1 and §5.2. */
  readonly prehashed?: boolean | undefined
  /** ML-DSA, SLH-DSA: without fresh randomness, FIPS 204 §3.4 and FIPS 205 §9.2. */
  readonly deterministic?: boolean | undefined
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
  /**
   * RSA: the material is wrapped by RFC 5649 with an AES key of so many bits that is made for it,
   * and only that with the RSA key; it stands first. `CKM_RSA_AES_KEY_WRAP` of PKCS#11 3.2 §6.1.
   */
  readonly ephemeralBits?: number | undefined
  /**
   * EC, X25519, X448: the AES key of `ephemeralBits` is agreed upon with a pair that is made for
   * it, whose point stands first. `CKM_ECDH_AES_KEY_WRAP` of PKCS#11 3.2 §6.3.
   */
  readonly agreement?: { readonly expand?: Expansion | undefined } | undefined
}

/** Another key, under which keys are kept: stored only as it has wrapped them. */
export interface Keeper {
  /** Unique Identifier of the key that unwraps. */
  readonly id: string
  /** @param place What is wrapped and whose it is; bound to it where the mechanism can do so. */
  wrap(place: Uint8Array, material: Secret): Promise<Kept>
}

/** A key as it is stored under another. */
export interface Kept {
  /** Without what is bound to it. */
  readonly mechanism: WrapMechanism
  readonly wrapped: Uint8Array
}

/** What makes keys and takes them in. */
export type Maker = Pick<Keystore, 'generate' | 'generatePair' | 'import'>

/** Bytes, or the value of another secret key in the same keystore, which does not leave it. */
export type Ingredient = Uint8Array | KeyInUse

/**
 * A part of what the function of SP 800-108 is fed with in each round: fixed bytes; the number of
 * the round; the outcome of the round before (feedback) or of the pipeline (double pipeline).
 */
export type RoundInput =
  | Ingredient
  | 'chain'
  | { readonly counterBits: number; readonly littleEndian?: boolean | undefined }

/**
 * KMIP 2.1 §11.15 (Derivation Method), PKCS#11 3.2 §6 (mechanisms of `C_DeriveKey`). Lengths are
 * asked for apart.
 */
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
      readonly salt: Ingredient
      readonly info: Uint8Array
    }
  /** RFC 5869 §2.2 alone: as many bytes as the hash has. */
  | { readonly kdf: 'HKDF_EXTRACT'; readonly hash: Hash; readonly salt: Ingredient }
  /** RFC 5869 §2.3 alone: the key is what has been extracted. */
  | { readonly kdf: 'HKDF_EXPAND'; readonly hash: Hash; readonly info: Uint8Array }
  | {
      readonly kdf: 'SP800_108'
      readonly mode: 'COUNTER' | 'FEEDBACK' | 'DOUBLE_PIPELINE'
      readonly prf: Mac
      readonly input: readonly RoundInput[]
      /** Feedback: what the first round is fed with as its chain. */
      readonly iv?: Uint8Array | undefined
    }
  /** RFC 5246 §5: the seed is label and seed together. */
  | { readonly kdf: 'TLS12_PRF'; readonly hash: Hash; readonly seed: Uint8Array }
  /** The key's value where it says `base`. */
  | { readonly kdf: 'CONCATENATE'; readonly parts: readonly (Ingredient | 'base')[] }
  | { readonly kdf: 'XOR'; readonly data: Uint8Array }
  /** Bits of the key from one on; after its last bit comes its first. */
  | { readonly kdf: 'EXTRACT'; readonly bit: number }
  | {
      readonly kdf: 'DH'
      /** SubjectPublicKeyInfo, or the point or raw public key alone. */
      readonly peer: Uint8Array
      /** Absent: the shared secret as it is. */
      readonly expand?: Expansion | undefined
    }

/**
 * How a shared secret becomes a key: ANSI X9.63 §5.6.3 (secret before counter) or the one-step
 * derivation of SP 800-56C r2 §4 (counter before secret).
 */
export interface Expansion {
  readonly form: 'X9_63' | 'SP800_56C'
  readonly hash: Hash
  readonly info: Uint8Array
}

export interface Encrypted {
  readonly data: Uint8Array
  /** Where the keystore has made it: see {@link Keystore.makesIv}. */
  readonly iv?: Uint8Array | undefined
  /** AEAD: apart from the data. */
  readonly tag?: Uint8Array | undefined
}

/** A cipher at work on data in parts. */
export interface CipherOperation {
  /** Bytes that {@link update} would give for so many more. */
  lengthFor(bytes: number): number
  update(data: Uint8Array): Awaitable<Uint8Array>
  /**
   * The rest of the data, and the tag of an AEAD.
   *
   * @throws `KmsError` `dataLength` when a block is incomplete, `cryptographicFailure` when the
   * padding is wrong.
   */
  final(): Awaitable<Encrypted>
}

/** A digest or a MAC of data in parts. */
export interface DigestOperation {
  update(data: Uint8Array): Awaitable<void>
  final(): Awaitable<Uint8Array>
}

/** A digest, which may go on in two ways. */
export interface CopyableDigest extends DigestOperation {
  copy(): CopyableDigest
}

/**
 * Data in parts. Ciphers whose row says `oneShot` are not offered here, nor is the decryption of an
 * AEAD: nothing of it may be seen before the tag is right.
 */
export interface Streams {
  encrypt(key: KeyInUse, mechanism: CipherMechanism): Awaitable<CipherOperation>
  decrypt(key: KeyInUse, mechanism: CipherMechanism): Awaitable<CipherOperation>
  mac(key: KeyInUse, mechanism: MacMechanism): Awaitable<DigestOperation>
  digest(hash: Hash): Awaitable<CopyableDigest>
}

export interface Encapsulated {
  readonly ciphertext: Uint8Array
  readonly sharedSecret: Secret
}

/** What the core knows when it asks whether a keystore could. */
export type Ability =
  | { readonly generate: KeySpec }
  | { readonly import: MaterialKind; readonly spec?: KeySpec | undefined }
  /** Encrypting, decrypting, wrapping and unwrapping with it. */
  | {
      readonly cipher: Cipher
      readonly hash?: Hash | undefined
      readonly mgfHash?: Hash | undefined
      /** RSA OAEP: with one that is not empty. */
      readonly label?: boolean | undefined
      /** By one mechanism of the device, not made up of others. */
      readonly direct?: boolean | undefined
    }
  | {
      readonly signature: SignatureScheme
      readonly hash?: Hash | undefined
      readonly mgfHash?: Hash | undefined
    }
  /** With a key of so many bits, where that is known. */
  | { readonly mac: Mac; readonly bits?: number | undefined }
  | { readonly digest: Hash }
  /** From secret keys; `DH`: with the private key of a pair. */
  | { readonly derive: DerivationMechanism['kdf'] }

/** Names of the HSMs of a group that keep a copy of a key until they can be reached. */
// biome-ignore lint/suspicious/noConfusingVoidType: most keystores have nothing to say.
export type Remains = readonly string[] | void

/** What stands before the name of a key in its identifier: see `identifiers.ts`. */
export interface Address {
  /** Undefined while nobody knows it. */
  readonly model: string | undefined
  /** Undefined while nobody knows it. */
  readonly slot: number | undefined
}

export interface Keystore {
  /** Name in the configuration; objects refer to it. */
  readonly name: string
  readonly can: Capabilities
  /** Credentials that make and end keys with identifiers in it; absent where none have any. */
  readonly administrators?: readonly string[] | undefined
  /** Whether {@link foundlings} become objects when an administrator calls them. Default: no. */
  readonly adoptsCalled?: boolean | undefined
  /** Absent where data can be given in one part only; whoever asks gathers it then. */
  readonly streams?: Streams | undefined

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

  /**
   * Makes keys that are kept under another, of pairs the private half; absent where that is not
   * offered. The keeper is needed again when such a key is used.
   */
  under?(keeper: Keeper): Maker

  /** Unique Identifier of the key that unwraps what this refers to; undefined where none does. */
  keeperOf?(handle: Uint8Array): string | undefined

  /**
   * All that is in it; absent where nothing can be but what was made through it.
   *
   * @param called Only what is called so there, and the other half of a pair.
   */
  foundlings?(called?: string): Awaitable<readonly Foundling[]>

  /** How identifiers call it; absent where none do. */
  address?(): Address

  /**
   * Before the object's end is committed; absent where destroying cannot fail.
   *
   * @throws `KmsError` `keystoreUnavailable` where the key could not be destroyed now.
   */
  assertDestroys?(handle: Uint8Array): Awaitable<void>

  /**
   * After the object's end has been committed. Destroying what is gone is no error.
   *
   * @param places Only there, where they are still known; default: wherever the key is.
   * @returns Where it still is, because that could not be reached; nothing where it is gone.
   */
  destroy(handle: Uint8Array, places?: readonly string[]): Awaitable<Remains>

  encrypt(key: KeyInUse, mechanism: CipherMechanism, data: Uint8Array): Awaitable<Encrypted>

  /**
   * Whether it makes the IV itself, and takes none to encrypt with this cipher: a mechanism without
   * one is given then. Absent: it never does.
   */
  makesIv?(key: KeyInUse, cipher: Cipher): boolean

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

  /**
   * The data that a signature carries: PKCS#1 v1.5 without its padding, or the block raw.
   *
   * @throws `KmsError` `cryptographicFailure` when it carries none.
   */
  recover(
    key: KeyInUse,
    mechanism: SignatureMechanism,
    signature: Uint8Array,
  ): Awaitable<Uint8Array>

  mac(key: KeyInUse, mechanism: MacMechanism, data: Uint8Array): Awaitable<Uint8Array>

  digest(hash: Hash, data: Uint8Array): Awaitable<Uint8Array>

  /** Wraps bytes: the material of a key, or an encoding that holds it. */
  wrap(key: KeyInUse, mechanism: WrapMechanism, material: Secret): Awaitable<Uint8Array>

  unwrap(key: KeyInUse, mechanism: WrapMechanism, wrapped: Uint8Array): Awaitable<Secret>

  /** Derives bytes from a key. @param length In bytes. */
  derive(key: KeyInUse, mechanism: DerivationMechanism, length: number): Awaitable<Secret>

  /**
   * What FIPS 203 §6.1 and FIPS 204 §6.1 make of the seed that a private key is kept as; undefined
   * where the keystore has no means to tell.
   */
  expand?(key: KeyInUse): Awaitable<Secret | undefined>

  encapsulate(key: KeyInUse): Awaitable<Encapsulated>

  decapsulate(key: KeyInUse, ciphertext: Uint8Array): Awaitable<Secret>

  random(length: number): Awaitable<Uint8Array>

  /** Mixes bytes into the generator. @returns How many of them were used. */
  seed(bytes: Uint8Array): Awaitable<number>

  /** Resolves while the keystore works; rejects with what is wrong. */
  health(): Awaitable<void>

  close(): Awaitable<void>
}
