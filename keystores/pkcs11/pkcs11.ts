/**
 * The keystore of a hardware security module, behind its PKCS#11 module.
 *
 * PKCS#11 2.40 to 3.2. Secret and private keys are made in the device, or taken in, and stay there;
 * a reference is the class of the key and its CKA_ID, which is drawn at random, so that one look-up
 * by an attribute that every device indexes finds it. Public keys and what is no key are kept
 * beside, sealed in the database: they are no secrets of the device, and verifying with them needs
 * no trip to it.
 *
 * What the device can do is read from its list of mechanisms, never assumed. What it may do with a
 * key is the core's to decide: the usage flags of keys in the device allow all that the algorithm
 * can.
 *
 * It does not pad, derive or hash in the device what the device has no mechanism for.
 *
 * @module
 */
import { createHash, createSecretKey, hash as nodeHash } from 'node:crypto'
import { KmsError } from '#core/errors.ts'
import { isPlaced } from '#core/identifiers.ts'
import { defaultFormat, writeKey } from '#core/key-formats.ts'
import type {
  Ability,
  Address,
  Capabilities,
  CipherMechanism,
  DerivationMechanism,
  Encapsulated,
  Encrypted,
  Foundling,
  ImportRequest,
  KeyInUse,
  Keystore,
  MacMechanism,
  Made,
  MakePairRequest,
  MakeRequest,
  Remains,
  SignatureMechanism,
  WrapMechanism,
} from '#core/keystore.ts'
import { Secret } from '#core/secret.ts'
import {
  type Cipher,
  type Hash,
  hashRow,
  hmacOf,
  isPair,
  type KeySpec,
  type Mac,
  macRow,
  secretKeyRow,
} from '#spec/algorithms.ts'
import { KeyFormatType, ProtectionStorageMask } from '#spec/kmip/enumerations.ts'
import { signatureOfRaw } from '#wire/der.ts'
import { unwrapHybridWith } from '../software/hybrid.ts'
import { mac } from '../software/macs.ts'
import { verify } from '../software/signatures.ts'
import { Abilities, cannotMake } from './abilities.ts'
import { assertScheme } from './checks.ts'
import { Ciphering } from './ciphering.ts'
import { agree, assertDerives, deriveHere, firstBytes, ingredientsOf } from './derivation.ts'
import type { Device, DeviceSession, DeviceStatus } from './device.ts'
import { DeviceKeys, nameOf } from './device-keys.ts'
import { failureOf, isNoSeed, isStale } from './failures.ts'
import { inventory } from './inventory.ts'
import { Kek, type KekOptions } from './kek.ts'
import { Maker, type MakerOptions, type MakingsHere } from './making.ts'
import { macOf, signatureOf, tagBytesOf } from './mechanisms.ts'
import { endingObjects } from './own-objects.ts'
import { generic } from './quirks.ts'
import { besideReference, innerOf, templateOf } from './references.ts'
import { Taking } from './taking.ts'
import { CLASSES } from './templates.ts'

export interface HsmKeystoreOptions {
  readonly name: string
  /** Whether new secret and private keys may leave the device. Default: no. */
  readonly extractable?: boolean
  /** Credentials that make and end keys with identifiers in it. */
  readonly administrators?: readonly string[]
  /** Whether keys in the device become objects when an administrator calls them. Default: no. */
  readonly adoptsCalled?: boolean
  /** The slot in identifiers. Default: the token's own. */
  readonly identifierSlot?: number | undefined
  /** Is told before keys are made, and when they are gone. */
  readonly makings?: MakingsHere | undefined
  /** Through which secret keys are taken out; without it their values are read. */
  readonly kek?: KekOptions | undefined
}

export class Pkcs11Keystore implements Keystore {
  readonly name: string
  readonly can: Capabilities
  readonly administrators: readonly string[]
  readonly adoptsCalled: boolean
  readonly #identifierSlot: number | undefined
  /** The key-encrypting key through which secret keys leave the device. */
  readonly kek: Kek | undefined
  readonly #device: Device
  readonly #beside: Keystore
  readonly #extractable: boolean
  readonly #abilities: Abilities
  readonly #keys: DeviceKeys
  readonly #maker: Maker
  readonly #taking: Taking
  readonly #ciphering: Ciphering
  readonly #makings: MakingsHere | undefined
  /** References of what lies beside, without their first byte. */
  readonly #inner = new WeakMap<Uint8Array, Uint8Array>()

  /** @param beside Keeps what is no secret of the device. */
  constructor(options: HsmKeystoreOptions, device: Device, beside: Keystore) {
    const { name, extractable = false, administrators = [], adoptsCalled = false, kek } = options
    this.name = name
    this.administrators = administrators
    this.adoptsCalled = adoptsCalled
    this.#identifierSlot = options.identifierSlot
    this.#device = device
    this.#beside = beside
    this.#extractable = extractable
    this.#abilities = new Abilities(device, extractable)
    this.#keys = new DeviceKeys(name, device)
    const assertAble = (what: string, ability: Ability) => this.#assertAble(what, ability)
    this.#ciphering = new Ciphering(device, this.#keys, this.#abilities, assertAble)
    this.kek = kek && new Kek(name, kek, device, (id) => this.#keys.isReserved(id))
    const { makings } = options
    this.#makings = makings
    this.#taking = new Taking({ name, extractable, kek: this.kek }, this.#keys)
    const viaKek: MakerOptions['viaKek'] = (kind, spec) => this.#taking.isViaKek(kind, spec)
    this.#maker = new Maker({ name, extractable, viaKek, makings }, this.#keys)
    this.can = {
      exports: extractable,
      protectionStorageMask: ProtectionStorageMask.Hardware,
    }
  }

  /** How the device does. */
  status(): DeviceStatus {
    return this.#device.status()
  }

  /** Keys of this CKA_ID are the server's own: no object can be one of them. */
  reserve(id: Uint8Array): void {
    this.#keys.reserve(id)
  }

  address(): Address {
    const { slot } = this.#device.status()
    const { model } = this.#device.quirks
    // Before it has been seen, it is generic, unless somebody has said what it is.
    const isKnown = slot !== undefined || model !== generic().model
    return { model: isKnown ? model : undefined, slot: this.#identifierSlot ?? slot }
  }

  cannot(ability: Ability): string | undefined {
    const isSeen = this.#device.isKnown || 'digest' in ability
    const why = isSeen ? this.#abilities.cannot(ability) : 'it has not been reached yet'
    return why && `HSM "${this.name}": ${why}`
  }

  async generate(request: MakeRequest): Promise<Made> {
    const { spec } = request
    await this.#assertCan('generate key', spec, false)
    const handle = await this.#maker.generate(request)
    return this.#digested('secret', spec, { handle, format: KeyFormatType.Raw })
  }

  async generatePair(request: MakePairRequest): Promise<{
    readonly privateKey: Made
    readonly publicKey: Made
  }> {
    const { publicId: id, spec } = request
    await this.#assertCan('generate pair', spec, true)
    const { handle, publicKey } = await this.#maker.generatePair(request)
    const format = defaultFormat('public', spec)
    const bytes = writeKey('public', format, publicKey)
    const made = await this.#keepBeside({ id, kind: 'public', spec, format, bytes })
    const privateFormat = defaultFormat('private', spec)
    return {
      privateKey: await this.#digested('private', spec, { handle, format: privateFormat }),
      publicKey: made,
    }
  }

  async import(request: ImportRequest): Promise<Made> {
    const { kind, spec, format, bytes } = request
    if (kind === 'public' || kind === 'data' || spec === undefined) {
      return this.#keepBeside(request)
    }
    const handle = await this.#maker.import({ ...request, spec })
    return { handle, format, sha256: nodeHash('sha256', bytes, 'buffer') }
  }

  /** With the digest of the material, where that may be read anyway. */
  async #digested(kind: 'secret' | 'private', spec: KeySpec, made: Made): Promise<Made> {
    if (!this.#extractable || this.#taking.isViaKek(kind, spec)) return made
    try {
      using value = await this.export({ id: 'new key', kind, spec, ...made })
      return { ...made, sha256: nodeHash('sha256', value.expose(), 'buffer') }
    } catch {
      // The key is there, and is not lost for want of an attribute that it need not have.
      return made
    }
  }

  async #keepBeside(request: ImportRequest): Promise<Made> {
    const made = await this.#beside.import(request)
    return { ...made, handle: besideReference(made.handle) }
  }

  /** The key as what keeps it beside knows it; undefined where it is in the device. */
  #kept(key: KeyInUse): KeyInUse | undefined {
    let inner = this.#inner.get(key.handle)
    if (inner === undefined) {
      inner = innerOf(key.handle)
      if (inner === undefined) return undefined
      this.#inner.set(key.handle, inner)
    }
    return { ...key, handle: inner }
  }

  async export(key: KeyInUse, format: KeyFormatType = key.format): Promise<Secret> {
    const kept = this.#kept(key)
    return kept === undefined ? this.#taking.take(key, format) : this.#beside.export(kept, format)
  }

  /** A device may have gone without anybody having noticed: it is asked. */
  async assertDestroys(handle: Uint8Array): Promise<void> {
    if (innerOf(handle) !== undefined) return
    await this.#keys.read('destroy key', async (session) => {
      await session.call('C_GetSessionInfo', {})
      await session.assertToken()
    })
  }

  /** Keys that are made here share their CKA_ID with their public half; others are alone. */
  async destroy(handle: Uint8Array, places?: readonly string[]): Promise<Remains> {
    const inner = innerOf(handle)
    if (inner !== undefined) return this.#beside.destroy(inner)
    const reference = this.#keys.reference({ id: 'key', handle })
    const { isMade } = reference
    // What is gone already is as it should be: it may be done twice.
    const end = async (session: DeviceSession): Promise<void> => {
      session.handles.delete(nameOf(handle))
      for (const hObject of await endingObjects(session, this.name, reference)) {
        await session.call('C_DestroyObject', { hObject }).catch(unlessStale)
      }
      if (!isMade || reference.objectClass !== CLASSES.private) return
      const publicHalf = templateOf({ ...reference, objectClass: CLASSES.public })
      for (const hObject of await session.find(publicHalf)) {
        await session.call('C_DestroyObject', { hObject }).catch(unlessStale)
      }
    }
    const left = await this.#keys.each('destroy key', end, places)
    if (left.length === 0) await this.#makings?.withdraw(handle)
    return left
  }

  /**
   * All that is in the device, whoever made it. Keys that protect a server's database, and its
   * key-encrypting key, are no objects of anyone.
   */
  async foundlings(called?: string): Promise<readonly Foundling[]> {
    const all = await this.#keys.read('look through it', (session) => inventory(session, called))
    return all.filter((one) => {
      const isOwn = this.#keys.isReserved(Buffer.from(one.pairId ?? '', 'hex'))
      if (isOwn || this.kek?.isIt(one) === true) return false
      return this.#makings?.isUnderWay(one) !== true
    })
  }

  async encrypt(key: KeyInUse, mechanism: CipherMechanism, data: Uint8Array): Promise<Encrypted> {
    const kept = this.#kept(key)
    if (kept === undefined) return this.#ciphering.encrypt(key, mechanism, data)
    this.#assertOpens(key, mechanism)
    return this.#beside.encrypt(kept, mechanism, data)
  }

  /** What is encrypted with the public half of a key in the device must be opened there. */
  #assertOpens({ id, kind }: KeyInUse, { cipher, hash, mgfHash, label }: CipherMechanism): void {
    if (kind !== 'public' || !isPlaced(id)) return
    const labelled = label !== undefined && label.length > 0
    this.#assertAble(`use ${cipher}`, { cipher, hash, mgfHash, label: labelled })
  }

  makesIv({ handle }: KeyInUse, cipher: Cipher): boolean {
    return innerOf(handle) === undefined && this.#ciphering.makesIv(cipher)
  }

  async decrypt(
    key: KeyInUse,
    mechanism: CipherMechanism,
    data: Uint8Array,
    tag?: Uint8Array,
  ): Promise<Uint8Array> {
    const kept = this.#kept(key)
    if (kept !== undefined) return this.#beside.decrypt(kept, mechanism, data, tag)
    return this.#ciphering.decrypt(key, mechanism, data, tag)
  }

  #assertAble(what: string, ability: Ability): void {
    const why = this.cannot(ability)
    if (why !== undefined) throw new KmsError('parametersUnsupported', `Cannot ${what}: ${why}`)
  }

  async sign(key: KeyInUse, mechanism: SignatureMechanism, data: Uint8Array): Promise<Uint8Array> {
    if (key.kind !== 'private') {
      throw new KmsError('illegalOperation', `Cannot sign with "${key.id}": it is no private key`)
    }
    assertScheme(key, mechanism)
    const { mechanism: pMechanism, data: pData } = signatureOf(mechanism, data)
    const signature = await this.#keys.short('sign', key, 'sign', pMechanism, pData)
    const isPair = mechanism.scheme === 'ECDSA' || mechanism.scheme === 'DSA'
    return isPair && mechanism.encoding !== 'raw' ? signatureOfRaw(signature) : signature
  }

  /** With the public half, which is here: no trip to the device. */
  async verify(
    key: KeyInUse,
    mechanism: SignatureMechanism,
    data: Uint8Array,
    signature: Uint8Array,
  ): Promise<boolean> {
    const kept = this.#kept(key)
    if (kept !== undefined) return this.#beside.verify(kept, mechanism, data, signature)
    if (key.kind !== 'private') {
      throw new KmsError('illegalOperation', `Cannot verify with "${key.id}": it is of no key pair`)
    }
    return verify(this.#keys.publicHalf(key), mechanism, data, signature)
  }

  async recover(
    key: KeyInUse,
    mechanism: SignatureMechanism,
    signature: Uint8Array,
  ): Promise<Uint8Array> {
    const kept = this.#kept(key)
    if (kept !== undefined) return this.#beside.recover(kept, mechanism, signature)
    throw new KmsError('illegalOperation', `Cannot recover with "${key.id}": it is no public key`)
  }

  async mac(key: KeyInUse, mechanism: MacMechanism, data: Uint8Array): Promise<Uint8Array> {
    const kept = this.#kept(key)
    if (kept !== undefined) return this.#beside.mac(kept, mechanism, data)
    if (!this.#device.isKnown) await this.#device.ready()
    if (key.kind !== 'secret') {
      throw new KmsError('illegalOperation', `Cannot MAC with "${key.id}": it is no secret key`)
    }
    const { mechanism: pMechanism, bytes } = macOf(mechanism)
    if (this.#isMacHere(key, mechanism)) {
      using value = await this.export(key, KeyFormatType.Raw)
      const secret = createSecretKey(value.expose())
      return mac(secret, value.length * 8, mechanism, data)
    }
    const code = await this.#keys.short('MAC', key, 'sign', pMechanism, data)
    return code.subarray(0, bytes)
  }

  /** HMAC with a key that may leave: devices want keys of HMAC, and some want long ones. */
  #isMacHere({ spec }: KeyInUse, { mac: name }: MacMechanism): boolean {
    if (!this.#extractable || macRow(name).hash === undefined) return false
    const algorithm = spec?.algorithm
    const isOther = algorithm === undefined || isPair(algorithm) || !secretKeyRow(algorithm).hash
    return isOther || this.#abilities.cannotMacInside({ mac: name, bits: spec?.bits }) !== undefined
  }

  digest(hash: Hash, data: Uint8Array): Uint8Array {
    return createHash(hashRow(hash).node).update(data).digest()
  }

  /** AEAD: the tag stands behind the wrapped bytes. */
  async wrap(key: KeyInUse, mechanism: WrapMechanism, material: Secret): Promise<Uint8Array> {
    const kept = this.#kept(key)
    if (kept !== undefined) return this.#beside.wrap(kept, mechanism, material)
    const { data, tag } = await this.encrypt(key, mechanism, material.expose())
    return tag === undefined ? data : Buffer.concat([data, tag])
  }

  async unwrap(key: KeyInUse, mechanism: WrapMechanism, wrapped: Uint8Array): Promise<Secret> {
    const kept = this.#kept(key)
    if (kept !== undefined) return this.#beside.unwrap(kept, mechanism, wrapped)
    if (mechanism.agreement !== undefined) {
      const what = `Cannot unwrap with "${key.id}": agreeing on the AES key is not offered here`
      throw new KmsError('parametersUnsupported', what)
    }
    if (mechanism.ephemeralBits !== undefined) {
      const { ephemeralBits: _, ...head } = mechanism
      const modulusBytes = Math.ceil((key.spec?.bits ?? 0) / 8)
      const open = (bytes: Uint8Array) => this.unwrap(key, head, bytes)
      return unwrapHybridWith(open, modulusBytes, mechanism, wrapped)
    }
    const tagBytes = tagBytesOf(mechanism)
    const at = wrapped.length - tagBytes
    if (at < 0) {
      throw new KmsError('cryptographicFailure', 'Cannot unwrap: there is no room for a tag')
    }
    const tag = tagBytes === 0 ? undefined : wrapped.subarray(at)
    return new Secret(await this.decrypt(key, mechanism, wrapped.subarray(0, at), tag))
  }

  async derive(key: KeyInUse, mechanism: DerivationMechanism, length: number): Promise<Secret> {
    const kept = this.#kept(key)
    if (kept !== undefined) return this.#beside.derive(kept, mechanism, length)
    assertDerives(key, mechanism)
    if (!this.#device.isKnown) await this.#device.ready()
    this.#assertAble(`derive from "${key.id}"`, { derive: mechanism.kdf })
    if (mechanism.kdf === 'DH') return agree(this.#device, this.#keys, key, mechanism, length)
    if (mechanism.kdf === 'ENCRYPT') {
      const { data } = await this.encrypt(key, mechanism.mechanism, mechanism.data)
      return new Secret(firstBytes(data, length, 'ENCRYPT'))
    }
    if (!this.#extractable && mechanism.kdf === 'HMAC') {
      const mac = hmacOf(mechanism.hash) as Mac
      const code = await this.mac(key, { mac }, mechanism.data)
      return new Secret(firstBytes(code, length, 'HMAC'))
    }
    using base = await this.export(key, KeyFormatType.Raw)
    const values = new Map<KeyInUse, Secret>()
    for (const one of ingredientsOf(mechanism)) {
      values.set(one, await this.export(one, KeyFormatType.Raw))
    }
    return new Secret(await deriveHere(base, mechanism, length, values))
  }

  async encapsulate(key: KeyInUse): Promise<Encapsulated> {
    const kept = this.#kept(key)
    if (kept !== undefined) return this.#beside.encapsulate(kept)
    throw new KmsError('illegalOperation', `Cannot encapsulate with "${key.id}": not a public key`)
  }

  async decapsulate(key: KeyInUse, _ciphertext: Uint8Array): Promise<Secret> {
    const what = `Cannot decapsulate with "${key.id}": HSM "${this.name}" does not`
    throw new KmsError('parametersUnsupported', what)
  }

  async random(length: number): Promise<Uint8Array> {
    return this.#keys.read('give random bytes', async (session) => {
      const { pRandomData } = await session.call('C_GenerateRandom', { pRandomData: length })
      return pRandomData
    })
  }

  /** None are used where the device takes none. */
  async seed(bytes: Uint8Array): Promise<number> {
    await this.#device.ready()
    if (!this.#device.quirks.seed) return 0
    try {
      await this.#device.use((session) => session.call('C_SeedRandom', { pSeed: bytes }))
      return bytes.length
    } catch (error) {
      if (isNoSeed(error)) return 0
      throw failureOf(this.name, 'seed', error)
    }
  }

  async health(): Promise<void> {
    await this.#keys.read('look after it', (session) => session.call('C_GetSessionInfo', {}))
  }

  async close(): Promise<void> {
    await this.#device.close()
    await this.#beside.close()
  }

  async #assertCan(what: string, spec: KeySpec, pair: boolean): Promise<void> {
    const why = cannotMake(spec) ?? (pair === isPair(spec.algorithm) ? undefined : 'wrong kind')
    if (why === undefined) await this.#device.ready()
    const refusal = why ?? this.cannot({ generate: spec })
    if (refusal !== undefined) throw new KmsError('invalidField', `Cannot ${what}: ${refusal}`)
  }
}

/** Another HSM of a group may have been faster, where they are one. */
function unlessStale(error: unknown): void {
  if (!isStale(error)) throw error
}
