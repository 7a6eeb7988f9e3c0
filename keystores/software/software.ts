/**
 * The software keystore: keys sealed in the references to them, worked with by node:crypto.
 *
 * The reference of an object is its key, sealed under the data key and bound to the object's
 * identifier, kind and format (`core/sealer.ts`): what is moved to another object or altered does
 * not open. Destroying the reference destroys the key.
 *
 * An opened key is remembered as long as the reference is (as a KeyObject, in OpenSSL's memory), so
 * that a busy key is opened once; the bytes of one that clients ask for are remembered beside it.
 *
 * @module
 */
import * as crypto from 'node:crypto'
import { promisify } from 'node:util'
import { KmsError } from '#core/errors.ts'
import { canRead, defaultFormat, readKey, specOfKey, writeKey } from '#core/key-formats.ts'
import type {
  Ability,
  Awaitable,
  Capabilities,
  CipherMechanism,
  DerivationMechanism,
  Encapsulated,
  Encrypted,
  ImportRequest,
  Ingredient,
  KeyInUse,
  Keystore,
  MacMechanism,
  Made,
  MakePairRequest,
  MakeRequest,
  MaterialKind,
  SignatureMechanism,
  Streams,
  WrapMechanism,
} from '#core/keystore.ts'
import { LIMITS } from '#core/limits.ts'
import type { Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import {
  cipherRow,
  curveRow,
  type Hash,
  hashRow,
  isPair,
  type KeySpec,
  pairRow,
  secretKeyRow,
  signatureRow,
} from '#spec/algorithms.ts'
import { KeyFormatType, ProtectionStorageMask } from '#spec/kmip/enumerations.ts'
import { decrypt, encrypt, rsaDecrypt, rsaEncrypt } from './ciphers.ts'
import { derive } from './derive.ts'
import { unwrapAgreed, unwrapHybrid, wrapAgreed, wrapHybrid } from './hybrid.ts'
import { mac, macStream } from './macs.ts'
import { openssl } from './openssl.ts'
import { recover, sign, verify } from './signatures.ts'
import { decryptStream, digestStream, encryptStream } from './streams.ts'

const generateKeyPair = promisify(crypto.generateKeyPair) as unknown as (
  type: string,
  options: object,
) => Promise<{ privateKey: crypto.KeyObject; publicKey: crypto.KeyObject }>

/** An opened key, and what its seal was bound to. */
interface Opened {
  readonly id: string
  readonly kind: MaterialKind
  readonly format: KeyFormatType
  readonly key: crypto.KeyObject
  /** Length of the material in bits; of secret keys only. */
  readonly bits: number
  /** The material, once it was asked for and where it is the key's own bytes. */
  bytes?: Uint8Array
}

/** Zeroes the bytes of an opened key when the reference to it has gone. */
const forgotten = new FinalizationRegistry<Uint8Array>((bytes) => bytes.fill(0))

export class SoftwareKeystore implements Keystore {
  readonly name: string
  readonly can: Capabilities = {
    sealsInReference: true,
    protectionStorageMask: ProtectionStorageMask.Software,
  }
  readonly streams: Streams = {
    encrypt: (key, mechanism) => {
      const { key: opened, bits } = this.#openSecret(key, mechanism)
      return encryptStream(opened, bits, mechanism)
    },
    decrypt: (key, mechanism) => {
      const { key: opened, bits } = this.#openSecret(key, mechanism)
      return decryptStream(opened, bits, mechanism)
    },
    mac: (key, mechanism) => {
      const { key: opened, bits } = this.#openMac(key)
      return macStream(opened, bits, mechanism)
    },
    digest: digestStream,
  }
  readonly #sealer: Sealer
  readonly #wrapBytesMax: number
  readonly #opened = new WeakMap<Uint8Array, Opened>()

  /** @param wrapBytesMax Bytes that AES key wrap takes, which nothing else runs beside. */
  constructor(name: string, sealer: Sealer, wrapBytesMax: number = LIMITS.wrapBytesMax.default) {
    this.name = name
    this.#sealer = sealer
    this.#wrapBytesMax = wrapBytesMax
  }

  cannot(ability: Ability): string | undefined {
    if ('generate' in ability) return cannotGenerate(ability.generate)
    if ('signature' in ability && openssl === undefined && needsOpenSsl(ability)) {
      return 'it needs node:ffi, which this runtime does not have'
    }
    return undefined
  }

  generate({ id, spec }: MakeRequest): Made {
    const refusal = cannotGenerate(spec)
    if (refusal !== undefined || isPair(spec.algorithm)) {
      throw new KmsError('invalidField', `Cannot generate key: ${refusal ?? 'it is a pair'}`)
    }
    const bits = secretKeyRow(spec.algorithm).materialBits?.[spec.bits] ?? spec.bits
    using bytes = new Secret(crypto.randomBytes(bits / 8))
    return this.#made(id, 'secret', KeyFormatType.Raw, bytes.expose())
  }

  async generatePair({ privateId, publicId, spec, publicExponent }: MakePairRequest): Promise<{
    readonly privateKey: Made
    readonly publicKey: Made
  }> {
    const refusal = cannotGenerate(spec)
    if (refusal !== undefined || !isPair(spec.algorithm)) {
      throw new KmsError('invalidField', `Cannot generate pair: ${refusal ?? 'it is a secret key'}`)
    }
    const pair = await generateKeyPair(
      pairRow(spec.algorithm).node,
      pairOptions(spec, publicExponent),
    )
    return {
      privateKey: this.#madeOf(privateId, 'private', spec, pair.privateKey),
      publicKey: this.#madeOf(publicId, 'public', spec, pair.publicKey),
    }
  }

  #madeOf(id: string, kind: MaterialKind, spec: KeySpec, key: crypto.KeyObject): Made {
    const format = defaultFormat(kind, spec)
    using bytes = new Secret(writeKey(kind, format, key))
    return this.#made(id, kind, format, bytes.expose())
  }

  import({ id, kind, spec, format, bytes }: ImportRequest): Made {
    if (spec !== undefined && canRead(kind, format, bytes)) assertFits(kind, spec, format, bytes)
    return this.#made(id, kind, format, bytes)
  }

  #made(id: string, kind: MaterialKind, format: KeyFormatType, bytes: Uint8Array): Made {
    const handle = this.#sealer.seal(bytes, placeOf(id, kind, format))
    return { handle, format, sha256: crypto.hash('sha256', bytes, 'buffer') }
  }

  export(key: KeyInUse, format: KeyFormatType = key.format): Secret {
    if (format === key.format || key.kind === 'data') {
      if (format !== key.format) {
        throw new KmsError('keyFormat', `Cannot give "${key.id}": it is not a key`)
      }
      return new Secret(isItsBytes(key) ? this.#bytesOf(key) : this.#unsealed(key))
    }
    return new Secret(writeKey(key.kind, format, this.#open(key).key))
  }

  /** Erases what is remembered by a reference, and the reference. */
  forget(handle: Uint8Array): void {
    this.#opened.get(handle)?.bytes?.fill(0)
    this.#opened.delete(handle)
    handle.fill(0)
  }

  /** Nothing to do: the reference was the key. */
  destroy(): void {}

  encrypt(key: KeyInUse, mechanism: CipherMechanism, data: Uint8Array): Encrypted {
    assertAlgorithm(key, mechanism)
    this.#assertWraps(mechanism, data.length)
    const opened = this.#open(key)
    if (key.kind === 'secret') return encrypt(opened.key, opened.bits, mechanism, data)
    return { data: rsaEncrypt(opened.key, mechanism, data) }
  }

  decrypt(
    key: KeyInUse,
    mechanism: CipherMechanism,
    data: Uint8Array,
    tag?: Uint8Array,
  ): Uint8Array {
    assertAlgorithm(key, mechanism)
    this.#assertWraps(mechanism, data.length - WRAP_ADDS_BYTES)
    const opened = this.#open(key)
    if (key.kind === 'secret') return decrypt(opened.key, opened.bits, mechanism, data, tag)
    if (key.kind === 'private') return rsaDecrypt(opened.key, mechanism, data)
    throw new KmsError('illegalOperation', `Cannot decrypt with "${key.id}": it is a public key`)
  }

  sign(key: KeyInUse, mechanism: SignatureMechanism, data: Uint8Array): Awaitable<Uint8Array> {
    if (key.kind !== 'private') {
      throw new KmsError('illegalOperation', `Cannot sign with "${key.id}": it is no private key`)
    }
    return sign(this.#open(key).key, mechanism, data)
  }

  verify(
    key: KeyInUse,
    mechanism: SignatureMechanism,
    data: Uint8Array,
    signature: Uint8Array,
  ): boolean {
    if (key.kind !== 'public' && key.kind !== 'private') {
      throw new KmsError('illegalOperation', `Cannot verify with "${key.id}": it is of no key pair`)
    }
    return verify(this.#open(key).key, mechanism, data, signature)
  }

  recover(key: KeyInUse, mechanism: SignatureMechanism, signature: Uint8Array): Uint8Array {
    if (key.kind !== 'public' && key.kind !== 'private') {
      throw new KmsError('illegalOperation', `Cannot recover with "${key.id}": it is of no pair`)
    }
    return recover(this.#open(key).key, mechanism, signature)
  }

  mac(key: KeyInUse, mechanism: MacMechanism, data: Uint8Array): Uint8Array {
    const opened = this.#openMac(key)
    return mac(opened.key, opened.bits, mechanism, data)
  }

  digest(hash: Hash, data: Uint8Array): Uint8Array {
    return crypto.hash(hashRow(hash).node, data, 'buffer')
  }

  /** AEAD: the tag stands behind the wrapped bytes. */
  wrap(key: KeyInUse, mechanism: WrapMechanism, material: Secret): Uint8Array {
    this.#assertWraps(mechanism, material.length)
    if (mechanism.agreement !== undefined) {
      return wrapAgreed(this.#open(key).key, mechanism, material)
    }
    if (mechanism.ephemeralBits !== undefined) {
      assertAlgorithm(key, mechanism)
      return wrapHybrid(this.#open(key).key, mechanism, material)
    }
    const { data, tag } = this.encrypt(key, mechanism, material.expose())
    return tag === undefined ? data : Buffer.concat([data, tag])
  }

  unwrap(key: KeyInUse, mechanism: WrapMechanism, wrapped: Uint8Array): Secret {
    this.#assertWraps(mechanism, wrapped.length - WRAP_ADDS_BYTES - headBytes(key, mechanism))
    if (mechanism.agreement !== undefined) {
      return unwrapAgreed(this.#open(key).key, mechanism, wrapped)
    }
    if (mechanism.ephemeralBits !== undefined) {
      assertAlgorithm(key, mechanism)
      return unwrapHybrid(this.#open(key).key, mechanism, wrapped)
    }
    const tags = cipherRow(mechanism.cipher).tagBytes
    if (tags === undefined) return new Secret(this.decrypt(key, mechanism, wrapped))
    const at = wrapped.length - (mechanism.tagBytes ?? (tags[0] as number))
    if (at < 0)
      throw new KmsError('cryptographicFailure', 'Cannot unwrap: there is no room for a tag')
    const [data, tag] = [wrapped.subarray(0, at), wrapped.subarray(at)]
    return new Secret(this.decrypt(key, mechanism, data, tag))
  }

  derive(key: KeyInUse, mechanism: DerivationMechanism, length: number): Awaitable<Secret> {
    const [pair, agreement] = [key.kind === 'private', mechanism.kdf === 'DH']
    if (pair !== agreement || (!pair && key.kind !== 'secret')) {
      const what = `Cannot derive with ${mechanism.kdf} from "${key.id}": it is no key for that`
      throw new KmsError('illegalOperation', what)
    }
    if (mechanism.kdf === 'ENCRYPT') this.#assertWraps(mechanism.mechanism, mechanism.data.length)
    const bytesOf = (ingredient: Ingredient): Uint8Array => this.#ingredient(ingredient)
    const bytes = derive({ ...this.#open(key), bytesOf }, mechanism, length)
    return bytes instanceof Promise ? bytes.then((made) => new Secret(made)) : new Secret(bytes)
  }

  #ingredient(ingredient: Ingredient): Uint8Array {
    if (ingredient instanceof Uint8Array) return ingredient
    if (ingredient.kind === 'secret') return this.#open(ingredient).key.export()
    const what = `Cannot derive with "${ingredient.id}": it is no secret key`
    throw new KmsError('illegalOperation', what)
  }

  expand(key: KeyInUse): Secret | undefined {
    return openssl && new Secret(openssl.expanded(this.#open(key).key))
  }

  encapsulate(key: KeyInUse): Encapsulated {
    const { sharedKey, ciphertext } = kem(() => crypto.encapsulate(this.#open(key).key))
    return { ciphertext, sharedSecret: new Secret(sharedKey) }
  }

  decapsulate(key: KeyInUse, ciphertext: Uint8Array): Secret {
    return new Secret(kem(() => crypto.decapsulate(this.#open(key).key, ciphertext)))
  }

  random(length: number): Uint8Array {
    return crypto.randomBytes(length)
  }

  /**
   * None are used where the runtime has no node:ffi: the generator seeds itself from the kernel.
   */
  seed(bytes: Uint8Array): number {
    openssl?.seed(bytes)
    return openssl === undefined ? 0 : bytes.length
  }

  health(): void {}

  close(): void {}

  /** AES key wrap works its way through the data six times, and holds up everything meanwhile. */
  #assertWraps({ cipher, ephemeralBits }: WrapMechanism, bytes: number): void {
    const isWrap = cipherRow(cipher).wraps === true || ephemeralBits !== undefined
    if (!isWrap || bytes <= this.#wrapBytesMax) return
    const what = `it is for keys of up to ${this.#wrapBytesMax} bytes (limits.wrapBytesMax)`
    throw new KmsError('dataLength', `Cannot use AES key wrap: ${what}`)
  }

  #openMac(key: KeyInUse): Opened {
    if (key.kind === 'secret') return this.#open(key)
    throw new KmsError('illegalOperation', `Cannot MAC with "${key.id}": it is no secret key`)
  }

  /** The key of a cipher that takes data in parts: RSA does not. */
  #openSecret(key: KeyInUse, mechanism: CipherMechanism): Opened {
    assertAlgorithm(key, mechanism)
    if (key.kind === 'secret') return this.#open(key)
    const what = `Cannot use ${mechanism.cipher} on data in parts: it needs all of it first`
    throw new KmsError('featureNotSupported', what)
  }

  #unsealed({ id, kind, format, handle }: KeyInUse): Uint8Array {
    return this.#sealer.open(handle, placeOf(id, kind, format))
  }

  /** A copy: whoever is given it zeroes it. */
  #bytesOf(key: KeyInUse): Uint8Array {
    const opened = this.#open(key)
    if (opened.bytes === undefined) {
      opened.bytes = opened.key.export()
      forgotten.register(key.handle, opened.bytes)
    }
    return Buffer.from(opened.bytes)
  }

  #open(key: KeyInUse): Opened {
    const { id, kind, format, handle } = key
    const known = this.#opened.get(handle)
    // Under another identifier it must not open, whoever has opened it before.
    if (known?.id === id && known.kind === kind && known.format === format) return known
    return this.#openSeal(key)
  }

  #openSeal(key: KeyInUse): Opened {
    const { id, kind, format, handle } = key
    using bytes = new Secret(this.#unsealed(key))
    const opened = { id, kind, format, ...openKey(key, bytes.expose()) }
    this.#opened.set(handle, opened)
    return opened
  }
}

/** Whether the opened key is the material as it was given, so that a second unsealing is spared. */
function isItsBytes({ kind, format, spec }: KeyInUse): boolean {
  return kind === 'secret' && format === KeyFormatType.Raw && spec?.algorithm === 'AES'
}

/** What a seal is bound to: moved elsewhere, it does not open. */
function placeOf(id: string, kind: MaterialKind, format: KeyFormatType): string {
  return `material ${kind} ${format} of ${id}`
}

/** What AES key wrap adds at most: RFC 5649 §3, and the padding that may stand below RFC 3394. */
const WRAP_ADDS_BYTES = 16

/** What stands before the wrapped bytes at most: an RSA block, or a point. */
function headBytes({ spec }: KeyInUse, { ephemeralBits }: WrapMechanism): number {
  return ephemeralBits === undefined ? 0 : (spec?.bits ?? 0) / 4 + 1
}

type KeyOfSize = Pick<Opened, 'key' | 'bits'>

function openKey({ kind, format, spec }: KeyInUse, bytes: Uint8Array): KeyOfSize {
  const key = readKey(kind, format, bytes, spec)
  const size = key.symmetricKeySize
  if (size === undefined) return { key, bits: 0 }
  // Two-key triple DES: OpenSSL wants the first key again as the third.
  if (spec?.algorithm !== 'DES3' || size !== 16) return { key, bits: size * 8 }
  using twice = new Secret(key.export())
  const three = Buffer.concat([twice.expose(), twice.expose().subarray(0, 8)])
  return { key: crypto.createSecretKey(three), bits: 192 }
}

/** Digests that are signed as they are, and schemes with a hash that is not their own. */
function needsOpenSsl({
  signature,
  hash,
  mgfHash = hash,
}: Extract<Ability, { signature: unknown }>): boolean {
  const { input } = signatureRow(signature)
  const isPlain = hash !== undefined && mgfHash === hash
  if (input === 'digest') return !isPlain && signature !== 'RSA_PKCS'
  return input === 'whole' && hash !== undefined
}

function cannotGenerate({ algorithm, bits, curve }: KeySpec): string | undefined {
  if (isPair(algorithm)) {
    const row = pairRow(algorithm)
    if (row.importOnly) return `${algorithm} keys can be registered, not generated`
    if (algorithm === 'EC') return curve === undefined ? 'the curve is not offered' : undefined
    if (row.bits.includes(bits)) return undefined
    return `${algorithm} has ${row.bits.toSorted((a, b) => a - b).join(', ')} bits, not ${bits}`
  }
  const row = secretKeyRow(algorithm)
  if (row.bits.includes(bits)) return undefined
  if (row.anyBits && bits % 8 === 0 && bits >= 8 && bits <= 65_536) return undefined
  return `${algorithm} has ${row.bits.toSorted((a, b) => a - b).join(', ')} bits, not ${bits}`
}

function pairOptions({ algorithm, bits, curve }: KeySpec, publicExponent = 65_537): object {
  if (curve !== undefined) return { namedCurve: curveRow(curve).node }
  return algorithm === 'RSA' ? { modulusLength: bits, publicExponent } : {}
}

/** @throws `KmsError` `invalidField` when the material is no such key. */
function assertFits(
  kind: MaterialKind,
  spec: KeySpec,
  format: KeyFormatType,
  bytes: Uint8Array,
): void {
  if (spec.algorithm === 'DSA') return
  const key = readKey(kind, format, bytes, spec)
  if (key.symmetricKeySize !== undefined) {
    assertSecretFits(spec, key.symmetricKeySize * 8)
    return
  }
  const found = specOfKey(key)
  if (
    found?.algorithm === spec.algorithm &&
    found.curve === spec.curve &&
    found.bits === spec.bits
  ) {
    return
  }
  const [want, have] = [describe(spec), found === undefined ? 'something else' : describe(found)]
  throw new KmsError('invalidField', `Cannot import key: it is ${have}, not ${want}`)
}

function assertSecretFits({ algorithm, bits }: KeySpec, materialBits: number): void {
  if (isPair(algorithm)) return
  const row = secretKeyRow(algorithm)
  if (!row.anyBits && !row.bits.includes(bits)) {
    const what = `${algorithm} has ${row.bits.toSorted((a, b) => a - b).join(', ')} bits, not ${bits}`
    throw new KmsError('invalidField', `Cannot import key: ${what}`)
  }
  const expected = row.materialBits?.[bits] ?? bits
  if (materialBits === expected) return
  const what = `the material has ${materialBits} bits, ${algorithm} of ${bits} bits needs ${expected}`
  throw new KmsError('invalidField', `Cannot import key: ${what}`)
}

function describe({ algorithm, bits, curve }: KeySpec): string {
  return `${algorithm} ${curve ?? `of ${bits} bits`}`
}

function assertAlgorithm(key: KeyInUse, { cipher }: CipherMechanism): void {
  const wanted = cipherRow(cipher).key
  const have = key.spec?.algorithm
  if (have === wanted) return
  if (wanted.startsWith('ChaCha20') && have?.startsWith('ChaCha20')) return
  const what = `Cannot use ${cipher} with "${key.id}": it is for ${wanted} keys, not ${have ?? 'this'}`
  throw new KmsError('parametersUnsupported', what)
}

function kem<T>(work: () => T): T {
  try {
    return work()
  } catch (cause) {
    if (cause instanceof KmsError) throw cause
    const what = 'Cannot encapsulate or decapsulate: the key or the ciphertext does not fit'
    throw new KmsError('cryptographicFailure', what, { cause })
  }
}
