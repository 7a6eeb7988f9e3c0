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
import {
  createHash,
  createPublicKey,
  createSecretKey,
  type KeyObject,
  hash as nodeHash,
  randomBytes,
} from 'node:crypto'
import { KmsError } from '#core/errors.ts'
import { isPlaced } from '#core/identifiers.ts'
import { defaultFormat, readKey, specOfKey, writeKey } from '#core/key-formats.ts'
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
  SignatureMechanism,
  WrapMechanism,
} from '#core/keystore.ts'
import { Secret } from '#core/secret.ts'
import {
  type Cipher,
  cipherRow,
  type Hash,
  hashRow,
  hmacOf,
  isPair,
  type KeySpec,
  type Mac,
  macRow,
  pairRow,
  schemesOfNode,
  secretKeyRow,
} from '#spec/algorithms.ts'
import { KeyFormatType, ProtectionStorageMask } from '#spec/kmip/enumerations.ts'
import { CKA } from '#spec/pkcs11/constants.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import type { Attribute, Mechanism } from '#spec/pkcs11/types.ts'
import { signatureOfRaw } from '#wire/der.ts'
import { unwrapHybridWith } from '../software/hybrid.ts'
import { mac } from '../software/macs.ts'
import { verify } from '../software/signatures.ts'
import { Abilities, cannotMake, makerOf } from './abilities.ts'
import { assertDerives, deriveHere, ingredientsOf, ofShared, pointOf } from './derivation.ts'
import type { Device, DeviceSession, DeviceStatus } from './device.ts'
import { asWrongData, failureOf, isNoSeed, isStale } from './failures.ts'
import { isGone } from './host-device.ts'
import { inventory } from './inventory.ts'
import { Kek, type KekOptions } from './kek.ts'
import { cipherOf, macOf, signatureOf, tagBytesOf } from './mechanisms.ts'
import { hasLabel, openOaep } from './oaep.ts'
import { encryptOwnIv, OWN_IV_BYTES } from './own-iv.ts'
import { PART_BYTES_MAX, type Verb } from './quick.ts'
import { NotBegun } from './quick-queue.ts'
import {
  besideReference,
  ID_BYTES,
  innerOf,
  madeReference,
  namedReference,
  type Reference,
  readReference,
  templateOf,
} from './references.ts'
import {
  CLASSES,
  ckkOf,
  isFalse,
  isTrue,
  PUBLIC_PARTS,
  parametersOf,
  privateKeyOf,
  privateParts,
  privateTemplate,
  publicKeyOf,
  usageFlags,
} from './templates.ts'
import { agreeBytes, attributesOf, unwrapBytes, wrapBytes } from './temporaries.ts'
import { isWrappingId } from './wrapping.ts'

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
  /** References of what lies beside, without their first byte. */
  readonly #inner = new WeakMap<Uint8Array, Uint8Array>()
  readonly #halves = new WeakMap<Uint8Array, KeyObject>()
  /** CKA_ID in hexadecimal of keys that are the server's own. */
  readonly #reserved = new Set<string>()

  /** @param beside Keeps what is no secret of the device. */
  constructor(options: HsmKeystoreOptions, device: Device, beside: Keystore) {
    const { name, extractable = false, administrators = [], adoptsCalled = false, kek } = options
    this.name = name
    this.administrators = administrators
    this.adoptsCalled = adoptsCalled
    this.#identifierSlot = options.identifierSlot
    this.kek = kek && new Kek(name, kek, device)
    this.#device = device
    this.#beside = beside
    this.#extractable = extractable
    this.#abilities = new Abilities(device, extractable)
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
    this.#reserved.add(Buffer.from(id).toString('hex'))
  }

  #isReserved(id: Uint8Array): boolean {
    return isWrappingId(id) || this.#reserved.has(Buffer.from(id).toString('hex'))
  }

  address(): Address | undefined {
    const slot = this.#identifierSlot ?? this.#device.status().slot
    return slot === undefined ? undefined : { model: this.#device.quirks.model, slot }
  }

  cannot(ability: Ability): string | undefined {
    const why = this.#abilities.cannot(ability)
    return why && `HSM "${this.name}": ${why}`
  }

  async generate({ id, spec, place }: MakeRequest): Promise<Made> {
    await this.#assertCan('generate key', spec, false)
    const { algorithm, bits } = spec
    if (isPair(algorithm)) throw new KmsError('invalidField', 'Cannot generate key: it is a pair')
    const row = secretKeyRow(algorithm)
    const bytes = (row.materialBits?.[bits] ?? bits) / 8
    const isFixed = algorithm === 'DES3'
    const type = makerOf(spec)
    const { reference, attributes } = this.#newKey('secret', id, spec, place)
    const length = isFixed ? [] : [{ type: CKA.VALUE_LEN, value: ulongBytes(bytes) }]
    const pTemplate = [...attributes, ...length]
    await this.#use('generate key', async (session) => {
      await this.#assertFree(session, place)
      const pMechanism = { type, parameter: undefined }
      const { phKey } = await session.call('C_GenerateKey', { pMechanism, pTemplate })
      session.handles.set(nameOf(reference), phKey)
    })
    return this.#digested('secret', spec, { handle: reference, format: KeyFormatType.Raw })
  }

  /** With the digest of the material, where that may be read anyway. */
  async #digested(kind: 'secret' | 'private', spec: KeySpec, made: Made): Promise<Made> {
    if (!this.#extractable || (kind === 'secret' && this.kek !== undefined)) return made
    try {
      using value = await this.export({ id: 'new key', kind, spec, ...made })
      return { ...made, sha256: nodeHash('sha256', value.expose(), 'buffer') }
    } catch {
      // The key is there, and is not lost for want of an attribute that it need not have.
      return made
    }
  }

  async generatePair({ privateId, publicId, spec, place }: MakePairRequest): Promise<{
    readonly privateKey: Made
    readonly publicKey: Made
  }> {
    await this.#assertCan('generate pair', spec, true)
    if (!isPair(spec.algorithm)) {
      throw new KmsError('invalidField', 'Cannot generate pair: it is a secret key')
    }
    const { reference, attributes, id } = this.#newKey('private', privateId, spec, place)
    const pPublicKeyTemplate = [
      { type: CKA.TOKEN, value: isTrue },
      { type: CKA.PRIVATE, value: isFalse },
      { type: CKA.ID, value: id },
      { type: CKA.LABEL, value: Buffer.from(place ?? privateId) },
      ...usageFlags(spec.algorithm, 'public'),
      ...parametersOf(spec),
    ]
    let handle: Buffer = reference
    const publicKey = await this.#use('generate pair', async (session) => {
      await this.#assertFree(session, place)
      const { phPublicKey, phPrivateKey } = await session.call('C_GenerateKeyPair', {
        pMechanism: { type: pairRow(spec.algorithm as 'RSA').ckm, parameter: undefined },
        pPublicKeyTemplate,
        pPrivateKeyTemplate: attributes.filter(({ type }) => type !== CKA.CLASS),
      })
      const read = await this.#readPublic(session, phPublicKey, spec)
      handle = withPublic(reference, read)
      session.handles.set(nameOf(handle), phPrivateKey)
      return read
    })
    const format = defaultFormat('public', spec)
    const bytes = writeKey('public', format, publicKey)
    const made = await this.#keepBeside({ id: publicId, kind: 'public', spec, format, bytes })
    return {
      privateKey: await this.#digested('private', spec, {
        handle,
        format: defaultFormat('private', spec),
      }),
      publicKey: made,
    }
  }

  async #readPublic(session: DeviceSession, hObject: number, spec: KeySpec) {
    const types: readonly number[] = PUBLIC_PARTS[spec.algorithm === 'RSA' ? 'RSA' : 'EC']
    const values = await attributesOf(session, hObject, types)
    return publicKeyOf(spec, values)
  }

  async import(request: ImportRequest): Promise<Made> {
    const { id, kind, spec, format, bytes, place } = request
    if (kind === 'public' || kind === 'data' || spec === undefined) {
      return this.#keepBeside(request)
    }
    const key = readKey(kind, format, bytes, spec)
    assertIs(spec, kind === 'secret' ? undefined : specOfKey(key), key.symmetricKeySize)
    const { reference: bare, attributes } = this.#newKey(kind, id, spec, place)
    const isSecret = kind === 'secret'
    const parts = isSecret ? [{ type: CKA.VALUE, value: key.export() }] : privateTemplate(key, spec)
    const reference = isSecret ? bare : withPublic(bare, createPublicKey(key))
    await this.#use('import key', async (session) => {
      await this.#assertFree(session, place)
      const pTemplate = [...attributes, ...parts]
      const { phObject } = await session.call('C_CreateObject', { pTemplate })
      session.handles.set(nameOf(reference), phObject)
    })
    return { handle: reference, format, sha256: nodeHash('sha256', bytes, 'buffer') }
  }

  /** What every key in the device has, and the reference to it. */
  #newKey(kind: 'secret' | 'private', label: string, spec: KeySpec, place?: string) {
    const id = place === undefined ? randomBytes(ID_BYTES) : Buffer.from(place)
    const refer = place === undefined ? madeReference : namedReference
    const isReadable = this.#extractable && (kind === 'private' || this.kek === undefined)
    const attributes: Attribute[] = [
      { type: CKA.CLASS, value: ulongBytes(CLASSES[kind]) },
      { type: CKA.KEY_TYPE, value: ulongBytes(ckkOf(spec)) },
      { type: CKA.TOKEN, value: isTrue },
      { type: CKA.PRIVATE, value: isTrue },
      { type: CKA.SENSITIVE, value: isReadable ? isFalse : isTrue },
      { type: CKA.EXTRACTABLE, value: this.#extractable ? isTrue : isFalse },
      { type: CKA.ID, value: id },
      { type: CKA.LABEL, value: Buffer.from(place ?? label) },
      ...usageFlags(spec.algorithm, 'private'),
    ]
    return { id, attributes, reference: refer(CLASSES[kind], id) }
  }

  /** Nothing in the device may be called so already: the key could not be told from it. */
  async #assertFree(session: DeviceSession, place: string | undefined): Promise<void> {
    if (place === undefined) return
    const value = Buffer.from(place)
    if (this.#isReserved(value)) {
      const what = `Cannot make key "${place}" in HSM "${this.name}": the name is the server's own`
      throw new KmsError('permissionDenied', what)
    }
    for (const type of [CKA.LABEL, CKA.ID]) {
      for (const objectClass of [CLASSES.secret, CLASSES.private, CLASSES.public]) {
        const template = [
          { type: CKA.CLASS, value: ulongBytes(objectClass) },
          { type, value },
        ]
        if ((await session.find(template)).length === 0) continue
        const what = `Cannot make "${place}": HSM "${this.name}" has a key of this name already`
        throw new KmsError('exists', `${what}; call it by its identifier, or adopt it`)
      }
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
    if (kept !== undefined) return this.#beside.export(kept, format)
    if (key.kind === 'secret' && this.kek !== undefined) return this.#taken(this.kek, key, format)
    if (!this.#extractable) {
      const what = `Cannot give "${key.id}": HSM "${this.name}" does not let it out`
      throw new KmsError('notExtractable', what)
    }
    const { spec } = key
    const isBytes = key.kind === 'secret' && format === KeyFormatType.Raw
    if (spec === undefined && !isBytes) {
      throw new KmsError('keyFormat', `Cannot give "${key.id}": its algorithm is not known`)
    }
    const types = spec === undefined || key.kind === 'secret' ? [CKA.VALUE] : privateParts(spec)
    const values = await this.#keyed('give key', key, async (session, hObject) => {
      return attributesOf(session, hObject, types)
    })
    if (spec === undefined || isBytes) return new Secret(values[0] as Uint8Array)
    const read =
      key.kind === 'secret'
        ? readKey(key.kind, KeyFormatType.Raw, values[0] as Uint8Array, spec)
        : privateKeyOf(spec, values)
    for (const value of values) value.fill(0)
    return new Secret(writeKey(key.kind, format, read))
  }

  /** A device may have gone without anybody having noticed: it is asked. */
  async assertDestroys(handle: Uint8Array): Promise<void> {
    if (innerOf(handle) !== undefined) return
    await this.#read('destroy key', (session) => session.call('C_GetSessionInfo', {}))
  }

  /** A secret key through the key-encrypting key. */
  async #taken(kek: Kek, key: KeyInUse, format: KeyFormatType): Promise<Secret> {
    const { id, spec } = key
    const bytes = spec && bytesOf(spec)
    const value = await this.#keyed('give key', key, (session, hKey) => {
      return kek.take(session, id, hKey, bytes)
    })
    if (format === KeyFormatType.Raw) return value
    using raw = value
    return new Secret(
      writeKey('secret', format, readKey('secret', KeyFormatType.Raw, raw.expose())),
    )
  }

  /** Keys that are made here share their CKA_ID with their public half; others are alone. */
  async destroy(handle: Uint8Array): Promise<void> {
    const inner = innerOf(handle)
    if (inner !== undefined) return this.#beside.destroy(inner)
    const reference = this.#reference({ id: 'key', handle })
    const { isMade } = reference
    // What is gone already is as it should be: it may be done twice.
    await this.#read('destroy key', async (session) => {
      session.handles.delete(nameOf(handle))
      for (const hObject of await session.find(templateOf(reference))) {
        await session.call('C_DestroyObject', { hObject })
      }
      if (!isMade || reference.objectClass !== CLASSES.private) return
      const publicHalf = templateOf({ ...reference, objectClass: CLASSES.public })
      for (const hObject of await session.find(publicHalf)) {
        await session.call('C_DestroyObject', { hObject })
      }
    })
  }

  /**
   * All that is in the device, whoever made it. Keys that protect a server's database, and its
   * key-encrypting key, are no objects of anyone.
   */
  async foundlings(called?: string): Promise<readonly Foundling[]> {
    const all = await this.#read('look through it', (session) => inventory(session, called))
    return all.filter((one) => {
      const isOwn = this.#isReserved(Buffer.from(one.pairId ?? '', 'hex'))
      return !isOwn && this.kek?.isIt(one) !== true
    })
  }

  async encrypt(key: KeyInUse, mechanism: CipherMechanism, data: Uint8Array): Promise<Encrypted> {
    const kept = this.#kept(key)
    if (kept !== undefined) {
      this.#assertOpens(key, mechanism)
      return this.#beside.encrypt(kept, mechanism, data)
    }
    const padded = this.#abilities.paddingOf(mechanism.cipher)
    if (padded !== undefined) {
      const bare = { ...mechanism, cipher: padded.base }
      return this.encrypt(key, bare, padded.scheme.pad(data, padded.blockBytes))
    }
    if (mechanism.iv === undefined && this.makesIv(key, mechanism.cipher)) {
      return this.#encryptOwnIv(key, mechanism, data)
    }
    const tagBytes = tagBytesOf(mechanism)
    const { pMechanism, way } = this.#cipher(key, mechanism, data, true)
    const out =
      way === 'keys'
        ? await this.#keyed('encrypt', key, (session, hKey) => {
            return wrapBytes(session, { pMechanism, hKey }, data)
          })
        : await this.#short('encrypt', key, 'encrypt', pMechanism, data)
    if (tagBytes === 0) return { data: out }
    const at = out.length - tagBytes
    return { data: out.subarray(0, at), tag: out.subarray(at) }
  }

  /** What is encrypted with the public half of a key in the device must be opened there. */
  #assertOpens({ id, kind }: KeyInUse, { cipher, hash, mgfHash, label }: CipherMechanism): void {
    if (kind !== 'public' || !isPlaced(id)) return
    const labelled = label !== undefined && label.length > 0
    this.#assertAble(`use ${cipher}`, { cipher, hash, mgfHash, label: labelled })
  }

  makesIv({ handle }: KeyInUse, cipher: Cipher): boolean {
    if (cipher !== 'AES_GCM' || innerOf(handle) !== undefined) return false
    return this.#device.quirks.gcmIv === 'device'
  }

  async #encryptOwnIv(
    key: KeyInUse,
    mechanism: CipherMechanism,
    data: Uint8Array,
  ): Promise<Encrypted> {
    const iv = new Uint8Array(OWN_IV_BYTES)
    const { pMechanism } = this.#cipher(key, { ...mechanism, iv }, data, false)
    const tagBytes = tagBytesOf(mechanism)
    return this.#keyed('encrypt', key, (session, hKey) => {
      return encryptOwnIv(session, { pMechanism, hKey }, data, tagBytes, mechanism.aad)
    })
  }

  async decrypt(
    key: KeyInUse,
    mechanism: CipherMechanism,
    data: Uint8Array,
    tag?: Uint8Array,
  ): Promise<Uint8Array> {
    const kept = this.#kept(key)
    if (kept !== undefined) return this.#beside.decrypt(kept, mechanism, data, tag)
    const padded = this.#abilities.paddingOf(mechanism.cipher)
    if (padded !== undefined) {
      const plain = await this.decrypt(key, { ...mechanism, cipher: padded.base }, data)
      return padded.scheme.unpad(plain, padded.blockBytes)
    }
    if (this.#abilities.opensOaep({ ...mechanism, label: hasLabel(mechanism) })) {
      const block = await this.decrypt(key, { cipher: 'RSA_X_509' }, data)
      return openOaep(block, data.length, mechanism)
    }
    // The tag that came says how long it is.
    const wanted = tag === undefined ? mechanism : { ...mechanism, tagBytes: tag.length }
    const { pMechanism, way } = this.#cipher(key, wanted, data, false)
    if (tag === undefined && tagBytesOf(wanted) > 0) {
      throw new KmsError('missingField', 'Cannot decrypt: the tag is missing')
    }
    const whole = tag === undefined ? data : Buffer.concat([data, tag])
    if (way !== 'keys') return this.#short('decrypt', key, 'decrypt', pMechanism, whole)
    return this.#keyed('decrypt', key, async (session, hKey) => {
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
    const signature = await this.#short('sign', key, 'sign', pMechanism, pData)
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
    return verify(this.#publicHalf(key), mechanism, data, signature)
  }

  #publicHalf(key: KeyInUse): KeyObject {
    const { handle } = key
    let half = this.#halves.get(handle)
    if (half === undefined) {
      const bytes = Buffer.from(this.#reference(key).publicHalf)
      if (bytes.length === 0) {
        const what = `Cannot use "${key.id}" so: HSM "${this.name}" has no public key to it`
        throw new KmsError('keyValueNotPresent', what)
      }
      half = createPublicKey({ key: bytes, format: 'der', type: 'spki' })
      this.#halves.set(handle, half)
    }
    return half
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
    if (key.kind !== 'secret') {
      throw new KmsError('illegalOperation', `Cannot MAC with "${key.id}": it is no secret key`)
    }
    const { mechanism: pMechanism, bytes } = macOf(mechanism)
    if (this.#isMacHere(key, mechanism)) {
      using value = await this.export(key, KeyFormatType.Raw)
      const secret = createSecretKey(value.expose())
      return mac(secret, value.length * 8, mechanism, data)
    }
    const code = await this.#short('MAC', key, 'sign', pMechanism, data)
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
    this.#assertAble(`derive from "${key.id}"`, { derive: mechanism.kdf })
    if (mechanism.kdf === 'DH') return this.#agree(key, mechanism, length)
    if (mechanism.kdf === 'ENCRYPT') {
      const { data } = await this.encrypt(key, mechanism.mechanism, mechanism.data)
      return firstBytes(data, length, 'ENCRYPT')
    }
    if (!this.#extractable && mechanism.kdf === 'HMAC') {
      const mac = hmacOf(mechanism.hash) as Mac
      return firstBytes(await this.mac(key, { mac }, mechanism.data), length, 'HMAC')
    }
    using base = await this.export(key, KeyFormatType.Raw)
    const values = new Map<KeyInUse, Secret>()
    for (const one of ingredientsOf(mechanism)) {
      values.set(one, await this.export(one, KeyFormatType.Raw))
    }
    return new Secret(await deriveHere(base, mechanism, length, values))
  }

  async #agree(
    key: KeyInUse,
    mechanism: Extract<DerivationMechanism, { kdf: 'DH' }>,
    length: number,
  ): Promise<Secret> {
    const point = pointOf(this.#publicHalf(key), mechanism.peer)
    const bytes = Math.ceil((key.spec?.bits ?? 0) / 8)
    const inOctets = this.#device.quirks.ecdhPoint === 'octets'
    const shared = await this.#keyed('agree on a secret', key, async (session, hKey) => {
      return agreeBytes(session, hKey, point, bytes, inOctets)
    })
    return new Secret(ofShared(shared, mechanism, length))
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
    return this.#read('give random bytes', async (session) => {
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
    await this.#read('look after it', (session) => session.call('C_GetSessionInfo', {}))
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

  /** The device's own handle of a key: one look-up by its identifier, and then from memory. */
  async #find(session: DeviceSession, key: KeyInUse): Promise<number> {
    const known = session.handles.get(nameOf(key.handle))
    if (known !== undefined) return known
    const [handle] = await session.find(templateOf(this.#reference(key)))
    if (handle === undefined) {
      const what = `Cannot use "${key.id}": HSM "${this.name}" does not have its key any more`
      throw new KmsError('keyValueNotPresent', what)
    }
    session.handles.set(nameOf(key.handle), handle)
    return handle
  }

  #reference({ id, handle }: Pick<KeyInUse, 'id' | 'handle'>): Reference {
    const reference = readReference(handle)
    if (reference !== undefined && this.#isReserved(reference.id)) {
      const what = `Cannot use "${id}": this key of HSM "${this.name}" protects a server's database`
      throw new KmsError('permissionDenied', what)
    }
    if (reference !== undefined) return reference
    throw new KmsError('tampered', `Cannot use "${id}": its reference is none of "${this.name}"`)
  }

  /** Init and operation: together with others where the handle of the key is known. */
  #short(
    what: string,
    key: KeyInUse,
    verb: Verb,
    pMechanism: Mechanism,
    data: Uint8Array,
  ): Promise<Uint8Array> {
    const inSession = (repeatable: boolean): Promise<Uint8Array> => {
      const work = async (session: DeviceSession, hKey: number): Promise<Uint8Array> => {
        return session[verb]({ pMechanism, hKey }, data).catch(thrower)
      }
      return this.#keyed(what, key, work, repeatable)
    }
    const thrower = (error: unknown): never => {
      throw verb === 'decrypt' ? asWrongData(error) : error
    }
    const quick = this.#device.quick(nameOf(key.handle), verb, pMechanism, data)
    if (quick === undefined) return inSession(true)
    return quick.catch((error: unknown) => {
      if (error instanceof NotBegun || isStale(error)) return inSession(true)
      // A second time, and not a third.
      if (isGone(error)) return inSession(false)
      throw failureOf(this.name, what, verb === 'decrypt' ? asWrongData(error) : error)
    })
  }

  /** Work with a key; once more where the device knows it by another handle than it used to. */
  #keyed<T>(
    what: string,
    key: KeyInUse,
    work: (session: DeviceSession, hKey: number) => Promise<T>,
    repeatable = true,
  ): Promise<T> {
    const found = async (session: DeviceSession): Promise<T> => {
      try {
        return await work(session, await this.#find(session, key))
      } catch (error) {
        if (!isStale(error)) throw error
        session.handles.delete(nameOf(key.handle))
        return work(session, await this.#find(session, key))
      }
    }
    return this.#use(what, found, repeatable)
  }

  /** Work that may be done twice. */
  #read<T>(what: string, work: (session: DeviceSession) => Promise<T>): Promise<T> {
    return this.#use(what, work, true)
  }

  async #use<T>(
    what: string,
    work: (session: DeviceSession) => Promise<T>,
    repeatable = false,
  ): Promise<T> {
    try {
      return await this.#device.use(work, repeatable)
    } catch (error) {
      throw failureOf(this.name, what, error)
    }
  }
}

function withPublic(reference: Uint8Array, key: KeyObject): Buffer {
  return Buffer.concat([reference, key.export({ format: 'der', type: 'spki' })])
}

const names = new WeakMap<Uint8Array, string>()
/** Length of a secret key, with its parity. */
function bytesOf({ algorithm, bits }: KeySpec): number | undefined {
  if (isPair(algorithm)) return undefined
  return (secretKeyRow(algorithm).materialBits?.[bits] ?? bits) / 8
}

/** The reference without the public half, which is long. */
function nameOf(handle: Uint8Array): string {
  const known = names.get(handle)
  if (known !== undefined) return known
  const name = Buffer.from(readReference(handle)?.head ?? handle).toString('latin1')
  names.set(handle, name)
  return name
}

function firstBytes(bytes: Uint8Array, length: number, kdf: string): Secret {
  if (length >= 1 && length <= bytes.length) return new Secret(bytes.subarray(0, length))
  const what = `it gives 1 to ${bytes.length} bytes, ${length} are asked for`
  throw new KmsError('cryptographicFailure', `Cannot derive with ${kdf}: ${what}`)
}

function assertIs(spec: KeySpec, found: KeySpec | undefined, bytes: number | undefined): void {
  if (bytes !== undefined && !isPair(spec.algorithm)) {
    if (bytes === bytesOf(spec)) return
  } else if (
    found?.algorithm === spec.algorithm &&
    found.curve === spec.curve &&
    found.bits === spec.bits
  ) {
    return
  }
  const what = `it is not ${spec.algorithm} ${spec.curve ?? `of ${spec.bits} bits`}`
  throw new KmsError('invalidField', `Cannot import key: ${what}`)
}

function assertAlgorithm(key: KeyInUse, { cipher }: CipherMechanism): void {
  const wanted = cipherRow(cipher).key
  if (key.spec?.algorithm === wanted) return
  const have = key.spec?.algorithm ?? 'this'
  const what = `Cannot use ${cipher} with "${key.id}": it is for ${wanted} keys, not ${have}`
  throw new KmsError('parametersUnsupported', what)
}

function assertScheme(key: KeyInUse, { scheme }: SignatureMechanism): void {
  const algorithm = key.spec?.algorithm
  const type = algorithm !== undefined && isPair(algorithm) ? pairRow(algorithm).node : ''
  if (schemesOfNode(type).includes(scheme)) return
  const what = `Cannot use ${scheme} with "${key.id}": its algorithm is ${algorithm ?? 'unknown'}`
  throw new KmsError('parametersUnsupported', what)
}

/** RFC 3394 §2.2.1, RFC 5649 §4.1, IEEE 1619, SP 800-38A: the least that there can be. */
const LEAST: Partial<Readonly<Record<Cipher, number>>> = {
  AES_KEY_WRAP: 16,
  AES_KEY_WRAP_KWP: 1,
  AES_XTS: 16,
  AES_CTS: 16,
}
const CCM_FIELD_BYTES = 15

/** Devices differ in what they say of half blocks and such; the core says it first. */
function assertLength({ cipher, iv }: CipherMechanism, data: Uint8Array): void {
  const { blockBytes } = cipherRow(cipher)
  const { length } = data
  const fail = (what: string): never => {
    throw new KmsError('dataLength', `Cannot use ${cipher}: the data has ${length} bytes, ${what}`)
  }
  if (blockBytes !== undefined && length % blockBytes !== 0) fail(`no multiple of ${blockBytes}`)
  const least = LEAST[cipher] ?? 0
  if (length < least) fail(`${least} are the least`)
  const most = cipher === 'AES_CCM' && iv ? 2 ** (8 * (CCM_FIELD_BYTES - iv.length)) - 1 : Infinity
  if (length > most) fail(`${most} are the most with this nonce`)
}
