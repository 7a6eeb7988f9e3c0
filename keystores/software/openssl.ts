/**
 * The functions of OpenSSL that node:crypto has no door to.
 *
 * node:crypto hashes before it signs with ECDSA, DSA and PSS, and has one hash for OAEP and PSS and
 * their mask generation function; PKCS#11's CKM_ECDSA, KMIP's Digested Data and Mask Generator
 * Hashing Algorithm want otherwise; and it signs with ML-DSA and SLH-DSA in their pure form only.
 * This module calls `EVP_PKEY_sign`, `EVP_PKEY_verify`, `EVP_PKEY_encrypt`, `EVP_PKEY_decrypt`, the
 * check of OAEP's padding (for devices that do no more than bare RSA), and what tells the key that
 * a seed of ML-KEM or ML-DSA stands for, of the same OpenSSL that node:crypto is made of, through
 * node:ffi. Nothing is computed here. See `decisions/`.
 *
 * Where the runtime has no node:ffi or does not show its OpenSSL, {@link openssl} is undefined, and
 * the keystore says which mechanisms it lacks for that reason.
 *
 * @module
 */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { createRequire } from 'node:module'
import { KmsError } from '#core/errors.ts'

type Ffi = typeof import('node:ffi')

/** Longest output of RSA, of 16,384 bits. */
const OUTPUT_BYTES_MAX = 2_048
/** Longest signature: SLH-DSA of the category 5, fast. */
const SIGNATURE_BYTES_MAX = 49_856
/** Longest private key that is kept as a seed: ML-DSA-87, FIPS 204 table 2. */
const EXPANDED_BYTES_MAX = 4_896

const SIGNATURES = {
  d2i_AutoPrivateKey: { arguments: ['pointer', 'buffer', 'i64'], return: 'pointer' },
  d2i_PUBKEY: { arguments: ['pointer', 'buffer', 'i64'], return: 'pointer' },
  EVP_PKEY_free: { arguments: ['pointer'], return: 'void' },
  EVP_PKEY_get_octet_string_param: {
    arguments: ['pointer', 'string', 'buffer', 'u64', 'buffer'],
    return: 'i32',
  },
  EVP_PKEY_CTX_new: { arguments: ['pointer', 'pointer'], return: 'pointer' },
  EVP_PKEY_CTX_free: { arguments: ['pointer'], return: 'void' },
  EVP_PKEY_CTX_ctrl_str: { arguments: ['pointer', 'string', 'string'], return: 'i32' },
  EVP_PKEY_sign_init: { arguments: ['pointer'], return: 'i32' },
  EVP_PKEY_sign: { arguments: ['pointer', 'buffer', 'buffer', 'buffer', 'u64'], return: 'i32' },
  EVP_PKEY_verify_init: { arguments: ['pointer'], return: 'i32' },
  EVP_PKEY_verify: { arguments: ['pointer', 'buffer', 'u64', 'buffer', 'u64'], return: 'i32' },
  EVP_PKEY_encrypt_init: { arguments: ['pointer'], return: 'i32' },
  EVP_PKEY_encrypt: { arguments: ['pointer', 'buffer', 'buffer', 'buffer', 'u64'], return: 'i32' },
  EVP_PKEY_decrypt_init: { arguments: ['pointer'], return: 'i32' },
  EVP_PKEY_decrypt: { arguments: ['pointer', 'buffer', 'buffer', 'buffer', 'u64'], return: 'i32' },
  EVP_SIGNATURE_fetch: { arguments: ['pointer', 'string', 'pointer'], return: 'pointer' },
  EVP_PKEY_sign_message_init: { arguments: ['pointer', 'pointer', 'pointer'], return: 'i32' },
  EVP_PKEY_verify_message_init: { arguments: ['pointer', 'pointer', 'pointer'], return: 'i32' },
  RSA_padding_check_PKCS1_OAEP_mgf1: {
    arguments: [
      ...(['buffer', 'i32', 'buffer', 'i32', 'i32'] as const),
      ...(['buffer', 'i32', 'pointer', 'pointer'] as const),
    ],
    return: 'i32',
  },
  EVP_get_digestbyname: { arguments: ['string'], return: 'pointer' },
  ERR_clear_error: { arguments: [], return: 'void' },
  RAND_seed: { arguments: ['buffer', 'i32'], return: 'void' },
} as const

/** Settings as `EVP_PKEY_CTX_ctrl_str` takes them: `['rsa_padding_mode', 'pss']`. */
export type Setting = readonly [name: string, value: string]

/** Hashes by the names that node:crypto has for them. */
export interface Oaep {
  readonly hash: string
  readonly mgfHash: string
  readonly label: Uint8Array
}

export interface OpenSsl {
  /** Signs a digest as it is. */
  sign(key: KeyObject, settings: readonly Setting[], digest: Uint8Array): Buffer
  verify(
    key: KeyObject,
    settings: readonly Setting[],
    digest: Uint8Array,
    signature: Uint8Array,
  ): boolean
  /**
   * Signs a message, with an algorithm that hashes by itself.
   *
   * @param name Of the algorithm; default: that of the key.
   */
  signMessage(
    key: KeyObject,
    settings: readonly Setting[],
    message: Uint8Array,
    name?: string,
  ): Buffer
  verifyMessage(
    key: KeyObject,
    settings: readonly Setting[],
    message: Uint8Array,
    signature: Uint8Array,
    name?: string,
  ): boolean
  encrypt(key: KeyObject, settings: readonly Setting[], data: Uint8Array): Buffer
  decrypt(key: KeyObject, settings: readonly Setting[], data: Uint8Array): Buffer
  /**
   * The message in a block that RSA has opened without looking into it.
   *
   * @param bytes Length of the modulus; the block may lack its zeros in front.
   * @returns Undefined whatever is wrong with the block, after the same time.
   */
  openOaep(block: Uint8Array, bytes: number, oaep: Oaep): Buffer | undefined
  /** The private key of ML-KEM or ML-DSA that its seed stands for. */
  expanded(key: KeyObject): Buffer
  /** Mixes bytes into the random number generator. */
  seed(bytes: Uint8Array): void
}

function load(): OpenSsl | undefined {
  try {
    const ffi = createRequire(import.meta.url)('node:ffi') as Ffi
    return new Calls(ffi, bind(ffi))
  } catch {
    return undefined
  }
}

function bind(ffi: Ffi) {
  return ffi.dlopen(null, SIGNATURES).functions
}
type Functions = ReturnType<typeof bind>

/** Keys as OpenSSL knows them, which live as long as their KeyObject. */
class Keys {
  readonly #ffi: Ffi
  readonly #ssl: Functions
  readonly #pointers = new WeakMap<KeyObject, bigint>()
  readonly #freed: FinalizationRegistry<bigint>

  constructor(ffi: Ffi, ssl: Functions) {
    this.#ffi = ffi
    this.#ssl = ssl
    this.#freed = new FinalizationRegistry((pointer) => ssl.EVP_PKEY_free(pointer))
  }

  pointerOf(key: KeyObject): bigint {
    const known = this.#pointers.get(key)
    if (known !== undefined) return known
    const pointer = this.#read(key)
    this.#pointers.set(key, pointer)
    this.#freed.register(key, pointer)
    return pointer
  }

  #read(key: KeyObject): bigint {
    const isPrivate = key.type === 'private'
    const der = isPrivate ? key.export({ format: 'der', type: 'pkcs8' }) : createPublicKeyDer(key)
    const input = Buffer.alloc(8)
    input.writeBigUInt64LE(this.#ffi.getRawPointer(der))
    const read = isPrivate ? this.#ssl.d2i_AutoPrivateKey : this.#ssl.d2i_PUBKEY
    const pointer = read(0n, input, BigInt(der.length))
    der.fill(0)
    if (pointer === 0n) throw failed('read the key')
    return pointer
  }
}

type Transform = Functions['EVP_PKEY_sign']

class Calls implements OpenSsl {
  readonly #ssl: Functions
  readonly #keys: Keys
  readonly #signing = new WeakMap<KeyObject, bigint>()
  readonly #forgotten: FinalizationRegistry<bigint>
  readonly #algorithms = new Map<string, bigint>()
  readonly #room = Buffer.alloc(OUTPUT_BYTES_MAX)
  readonly #length = Buffer.alloc(8)

  constructor(ffi: Ffi, ssl: Functions) {
    this.#ssl = ssl
    this.#keys = new Keys(ffi, ssl)
    this.#forgotten = new FinalizationRegistry((context) => ssl.EVP_PKEY_CTX_free(context))
  }

  sign(key: KeyObject, settings: readonly Setting[], digest: Uint8Array): Buffer {
    const { EVP_PKEY_sign_init: init, EVP_PKEY_sign: call } = this.#ssl
    if (settings.length === 0) return this.#signed(key, digest)
    return this.#with(key, init, settings, (context) => this.#output(call, context, digest))
  }

  verify(
    key: KeyObject,
    settings: readonly Setting[],
    digest: Uint8Array,
    signature: Uint8Array,
  ): boolean {
    return this.#with(key, this.#ssl.EVP_PKEY_verify_init, settings, (context) => {
      return this.#isVerified(context, digest, signature)
    })
  }

  signMessage(
    key: KeyObject,
    settings: readonly Setting[],
    message: Uint8Array,
    name = String(key.asymmetricKeyType),
  ): Buffer {
    const { EVP_PKEY_sign_message_init: init, EVP_PKEY_sign: call } = this.#ssl
    const begin = (context: bigint): number => init(context, this.#algorithmOf(name), 0n)
    return this.#with(key, begin, settings, (context) => {
      return this.#output(call, context, message, SIGNATURE_BYTES_MAX)
    })
  }

  verifyMessage(
    key: KeyObject,
    settings: readonly Setting[],
    message: Uint8Array,
    signature: Uint8Array,
    name = String(key.asymmetricKeyType),
  ): boolean {
    const { EVP_PKEY_verify_message_init: init } = this.#ssl
    const begin = (context: bigint): number => init(context, this.#algorithmOf(name), 0n)
    return this.#with(key, begin, settings, (context) => {
      return this.#isVerified(context, message, signature)
    })
  }

  encrypt(key: KeyObject, settings: readonly Setting[], data: Uint8Array): Buffer {
    const { EVP_PKEY_encrypt_init: init, EVP_PKEY_encrypt: call } = this.#ssl
    return this.#with(key, init, settings, (context) => this.#output(call, context, data))
  }

  decrypt(key: KeyObject, settings: readonly Setting[], data: Uint8Array): Buffer {
    const { EVP_PKEY_decrypt_init: init, EVP_PKEY_decrypt: call } = this.#ssl
    return this.#with(key, init, settings, (context) => this.#output(call, context, data))
  }

  /** RFC 8017 §7.1.2, step 3. */
  openOaep(block: Uint8Array, bytes: number, { hash, mgfHash, label }: Oaep): Buffer | undefined {
    const out = Buffer.alloc(bytes)
    const md = this.#ssl.EVP_get_digestbyname(hash)
    const mgf = this.#ssl.EVP_get_digestbyname(mgfHash)
    if (md === 0n || mgf === 0n) throw failed(`find ${hash} and ${mgfHash}`)
    const [from, param] = [bufferOf(block), Buffer.from(label)]
    const [given, said] = [block.length, param.length]
    const check = this.#ssl.RSA_padding_check_PKCS1_OAEP_mgf1
    const length = check(out, bytes, from, given, bytes, param, said, md, mgf)
    this.#ssl.ERR_clear_error()
    const message = length < 0 ? undefined : Buffer.from(out.subarray(0, length))
    out.fill(0)
    return message
  }

  expanded(key: KeyObject): Buffer {
    const out = Buffer.alloc(EXPANDED_BYTES_MAX)
    const size = BigInt(out.length)
    const { EVP_PKEY_get_octet_string_param: get } = this.#ssl
    if (get(this.#keys.pointerOf(key), 'priv', out, size, this.#length) !== 1) {
      this.#ssl.ERR_clear_error()
      throw failed('expand the seed')
    }
    return out.subarray(0, Number(this.#length.readBigUInt64LE()))
  }

  seed(bytes: Uint8Array): void {
    this.#ssl.RAND_seed(Buffer.from(bytes), bytes.length)
  }

  #with<T>(
    key: KeyObject,
    init: (context: bigint) => number,
    settings: readonly Setting[],
    use: (context: bigint) => T,
  ): T {
    const context = this.#ssl.EVP_PKEY_CTX_new(this.#keys.pointerOf(key), 0n)
    try {
      if (context === 0n || init(context) !== 1) throw failed('begin')
      for (const [name, value] of settings) {
        const done = this.#ssl.EVP_PKEY_CTX_ctrl_str(context, name, value)
        if (done <= 0) throw failed(`set ${name} ${value}`)
      }
      return use(context)
    } finally {
      this.#ssl.EVP_PKEY_CTX_free(context)
      this.#ssl.ERR_clear_error()
    }
  }

  #signed(key: KeyObject, digest: Uint8Array): Buffer {
    try {
      return this.#output(this.#ssl.EVP_PKEY_sign, this.#signingContext(key), digest)
    } finally {
      this.#ssl.ERR_clear_error()
    }
  }

  /**
   * A context that is ready to sign, kept as long as the key: EVP_PKEY_sign(3) allows any number of
   * signatures with the same settings, and making one costs as much as a signature's tenth.
   */
  #signingContext(key: KeyObject): bigint {
    const known = this.#signing.get(key)
    if (known !== undefined) return known
    const context = this.#ssl.EVP_PKEY_CTX_new(this.#keys.pointerOf(key), 0n)
    if (context === 0n || this.#ssl.EVP_PKEY_sign_init(context) !== 1) throw failed('begin')
    this.#signing.set(key, context)
    this.#forgotten.register(key, context)
    return context
  }

  /** What a call writes; nothing of it stays here. */
  #output(call: Transform, context: bigint, data: Uint8Array, bytesMax = OUTPUT_BYTES_MAX): Buffer {
    const isShort = bytesMax === OUTPUT_BYTES_MAX
    const out = isShort ? this.#room : Buffer.alloc(bytesMax)
    this.#length.writeBigUInt64LE(BigInt(out.length))
    const input = bufferOf(data)
    const done = call(context, out, this.#length, input, BigInt(input.length))
    if (done !== 1) throw failed('finish')
    const written = out.subarray(0, Number(this.#length.readBigUInt64LE()))
    if (!isShort) return written
    const copy = Buffer.from(written)
    written.fill(0)
    return copy
  }

  /** An algorithm; it stays as long as the process. */
  #algorithmOf(name: string): bigint {
    const algorithm = this.#algorithms.get(name) ?? this.#ssl.EVP_SIGNATURE_fetch(0n, name, 0n)
    if (algorithm === 0n) throw failed(`find ${name}`)
    this.#algorithms.set(name, algorithm)
    return algorithm
  }

  #isVerified(context: bigint, data: Uint8Array, signature: Uint8Array): boolean {
    const [sig, message] = [Buffer.from(signature), Buffer.from(data)]
    const sizes = [BigInt(sig.length), BigInt(message.length)] as const
    return this.#ssl.EVP_PKEY_verify(context, sig, sizes[0], message, sizes[1]) === 1
  }
}

/** The same memory. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

function createPublicKeyDer(key: KeyObject): Buffer {
  const publicKey = key.type === 'public' ? key : createPublicKey(key)
  return publicKey.export({ format: 'der', type: 'spki' })
}

function failed(what: string): KmsError {
  return new KmsError('cryptographicFailure', `Cannot use key: OpenSSL could not ${what}`)
}

export const openssl: OpenSsl | undefined = load()
