/**
 * A key of a device that wraps a secret of the server, which is on no disk but wrapped.
 *
 * PKCS#11 3.2 §5.18. How it is wrapped follows from the key's type, from its usage flags and from
 * what the device says that it offers: AES-GCM with what the secret is for as associated data,
 * AES-KWP (RFC 5649), AES Key Wrap (RFC 3394), or RSA OAEP (RFC 8017 §7.1), of which only the
 * opening needs the device. Each is proved before anybody relies on it: what was wrapped is opened
 * again, in every device of a group.
 *
 * A key that may leave the device, or can be read there, is refused. Keys that are made here have a
 * CKA_ID that says what they are, so that they become nobody's object.
 *
 * @module
 */
import { constants, publicEncrypt, randomBytes, timingSafeEqual } from 'node:crypto'
import { KmsError } from '#core/errors.ts'
import type { CipherMechanism } from '#core/keystore.ts'
import { Secret } from '#core/secret.ts'
import { hashRow, type KeySpec } from '#spec/algorithms.ts'
import { CKA, CKF, CKK, CKM, CKO } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import type { Attribute } from '#spec/pkcs11/types.ts'
import { Abilities } from './abilities.ts'
import type { Device, DeviceSession } from './device.ts'
import { asWrongData, failureOf, isGone } from './failures.ts'
import { GroupDevice } from './group-device.ts'
import { specOf, type Values, valuesOf } from './inventory.ts'
import { cipherOf } from './mechanisms.ts'
import { isFalse, isTrue, PUBLIC_PARTS, publicKeyOf } from './templates.ts'
import { unwrapBytes, wrapBytes } from './temporaries.ts'

/** CKA_ID of a key that is made here begins so; random bytes follow. */
const ID_BEGIN = Buffer.from('claviger root ')
const ID_RANDOM_BYTES = 10
const AES_BYTES = 32
const AES_BITS_MIN = 128
const RSA_BITS_MIN = 2_048
const IV_BYTES = 12
const TAG_BYTES = 16
const LABEL_CHARACTERS_MAX = 128

/** Whether a CKA_ID is one of a key that was made to wrap a server's root key. */
export function isWrappingId(id: Uint8Array): boolean {
  return Buffer.from(id).subarray(0, ID_BEGIN.length).equals(ID_BEGIN)
}

/** A key of a device by what it keeps. */
export interface WrappingName {
  readonly kind: 'secret' | 'private'
  /** CKA_ID in hexadecimal. */
  readonly id: string
  readonly label: string
}

export interface WrappingKey extends WrappingName {
  readonly spec: KeySpec
  /** Its attributes as the device gives them. */
  readonly values: Values
}

/** Ways to wrap, the best first. */
const WAYS = {
  AES: [
    { cipher: 'AES_GCM', way: 'data' },
    { cipher: 'AES_KEY_WRAP_KWP', way: 'data' },
    { cipher: 'AES_KEY_WRAP_KWP', way: 'keys' },
    { cipher: 'AES_KEY_WRAP', way: 'data' },
    { cipher: 'AES_KEY_WRAP', way: 'keys' },
  ],
  RSA: [
    { cipher: 'RSA_PKCS_OAEP', way: 'data', hash: 'SHA_256' },
    { cipher: 'RSA_PKCS_OAEP', way: 'keys', hash: 'SHA_256' },
    { cipher: 'RSA_PKCS_OAEP', way: 'data', hash: 'SHA_1' },
    { cipher: 'RSA_PKCS_OAEP', way: 'keys', hash: 'SHA_1' },
  ],
} as const
type Way = (typeof WAYS)[keyof typeof WAYS][number]

/** How a secret was wrapped, as it is kept; nothing of it is secret. */
export interface Envelope {
  readonly cipher: Way['cipher']
  readonly way: Way['way']
  readonly hash?: 'SHA_256' | 'SHA_1' | undefined
  /** Base64. */
  readonly iv?: string | undefined
  /** Base64. */
  readonly wrapped: string
}

/** The keys of one HSM that wrap secrets. */
export class WrappingKeys {
  readonly #name: string
  readonly #device: Device
  readonly #abilities: Abilities

  /** @param name Of the keystore, for messages. */
  constructor(name: string, device: Device) {
    this.#name = name
    this.#device = device
    this.#abilities = new Abilities(device, false)
  }

  /**
   * The key of this label, or of this CKA_ID where the text begins with `0x`.
   *
   * @returns Undefined where the device has none.
   * @throws `KmsError` `invalidField` when there are several, or it is no key for this.
   */
  async find(text: string): Promise<WrappingKey | undefined> {
    const hex = /^0x((?:[0-9a-f]{2})+)$/i.exec(text)?.[1]
    const attribute =
      hex === undefined
        ? { type: CKA.LABEL, value: Buffer.from(text) }
        : { type: CKA.ID, value: Buffer.from(hex, 'hex') }
    const found = await this.#use('look for a key', (session) => keysWith(session, attribute))
    const [key] = found
    if (key === undefined || found.length === 1) return key
    const ids = found.map(({ id }) => (id === '' ? 'none' : `0x${id}`)).join(', ')
    throw this.#unfit(text, `there are ${found.length}; name one by its CKA_ID: ${ids}`)
  }

  /** The key that was wrapped with. */
  async known({ kind, id }: WrappingName): Promise<WrappingKey | undefined> {
    const attribute = { type: CKA.ID, value: Buffer.from(id, 'hex') }
    const found = await this.#use('look for a key', (session) => keysWith(session, attribute))
    return found.find((one) => one.kind === kind)
  }

  /** An AES key of 256 bits that can neither be read nor leave the device. */
  async make(label: string): Promise<WrappingKey> {
    if (/^0x/i.test(label) || label === '' || label.length > LABEL_CHARACTERS_MAX) {
      throw this.#unfit(label, `a new key needs a label of 1 to ${LABEL_CHARACTERS_MAX} characters`)
    }
    await this.#device.ready()
    const type = CKM.AES_KEY_GEN
    const why = this.#device.lacks({ type, flag: CKF.GENERATE, bytes: AES_BYTES })
    if (why !== undefined) throw this.#unfit(label, why)
    const id = Buffer.concat([ID_BEGIN, randomBytes(ID_RANDOM_BYTES)])
    const can = [CKA.ENCRYPT, CKA.DECRYPT, CKA.WRAP, CKA.UNWRAP]
    const pTemplate = [
      { type: CKA.CLASS, value: ulongBytes(CKO.SECRET_KEY) },
      { type: CKA.KEY_TYPE, value: ulongBytes(CKK.AES) },
      { type: CKA.TOKEN, value: isTrue },
      { type: CKA.PRIVATE, value: isTrue },
      { type: CKA.SENSITIVE, value: isTrue },
      { type: CKA.EXTRACTABLE, value: isFalse },
      { type: CKA.ID, value: id },
      { type: CKA.LABEL, value: Buffer.from(label) },
      { type: CKA.VALUE_LEN, value: ulongBytes(AES_BYTES) },
      ...can.map((one) => ({ type: one, value: isTrue })),
    ]
    const made = await this.#use(
      'make a key',
      async (session) => {
        const pMechanism = { type, parameter: undefined }
        const { phKey } = await session.call('C_GenerateKey', { pMechanism, pTemplate })
        return keyOf(session, phKey)
      },
      false,
    )
    if (made !== undefined) return made
    throw this.#unfit(label, 'the device does not say what it has made')
  }

  /**
   * Wraps, and opens again what came of it, in every device that runs.
   *
   * @param purpose Is authenticated along where the mechanism does that.
   * @throws `KmsError` `invalidField` with what stands in the way of each mechanism.
   */
  async wrap(key: WrappingKey, secret: Secret, purpose: string): Promise<Envelope> {
    this.#assertFit(key)
    await this.#device.ready()
    const reasons: string[] = []
    for (const way of WAYS[key.spec.algorithm as 'AES' | 'RSA']) {
      const why = this.#cannot(key, way) ?? (await this.#attempt(key, way, secret, purpose))
      if (typeof why !== 'string') return why
      reasons.push(`${way.cipher} on ${way.way}: ${why}`)
    }
    throw this.#unfit(key.label, `it wraps with nothing that is known here: ${reasons.join('; ')}`)
  }

  /** @throws `KmsError` `cryptographicFailure` when another key has wrapped it. */
  async unwrap(key: WrappingKey, envelope: Envelope, purpose: string): Promise<Secret> {
    await this.#device.ready()
    return this.#open(this.#device, key, envelope, purpose)
  }

  /** The envelope, or why there is none. */
  async #attempt(
    key: WrappingKey,
    way: Way,
    secret: Secret,
    purpose: string,
  ): Promise<Envelope | string> {
    try {
      const envelope = await this.#wrapBy(key, way, secret, purpose)
      for (const device of await this.#running()) {
        using opened = await this.#open(device, key, envelope, purpose)
        const isSame = opened.length === secret.length
        if (!isSame || !timingSafeEqual(opened.expose(), secret.expose())) {
          return 'what it wraps does not open again'
        }
      }
      return envelope
    } catch (error) {
      const isOfWay = error instanceof KmsError && error.cause instanceof CryptokiError
      if (!isOfWay || isGone(error.cause)) throw error
      return error.message
    }
  }

  /** All that have to be able to open it: those of a group each by itself. */
  async #running(): Promise<readonly Device[]> {
    if (!(this.#device instanceof GroupDevice)) return [this.#device]
    const { members } = this.#device
    const states = await Promise.allSettled(members.map((member) => member.ready()))
    return members.filter((_member, at) => states[at]?.status === 'fulfilled')
  }

  async #wrapBy(key: WrappingKey, way: Way, secret: Secret, purpose: string): Promise<Envelope> {
    const { cipher } = way
    if (cipher === 'RSA_PKCS_OAEP') {
      const wrapped = publicEncrypt(
        {
          key: await this.#publicHalf(key),
          padding: constants.RSA_PKCS1_OAEP_PADDING,
          oaepHash: hashRow(way.hash).node,
        },
        secret.expose(),
      )
      return { ...way, wrapped: wrapped.toString('base64') }
    }
    const iv = cipher === 'AES_GCM' ? randomBytes(IV_BYTES) : undefined
    const mechanism = mechanismOf({ ...way, iv: iv?.toString('base64') }, purpose)
    const pMechanism = this.#mechanism(mechanism, secret.length)
    const wrapped = await this.#use('wrap', async (session) => {
      const init = { pMechanism, hKey: await this.#handleOf(session, key, this.#device) }
      if (way.way === 'keys') return wrapBytes(session, init, secret.expose())
      return session.encrypt(init, secret.expose())
    })
    const text = { iv: iv?.toString('base64'), wrapped: Buffer.from(wrapped).toString('base64') }
    return { ...way, ...text }
  }

  async #open(
    device: Device,
    key: WrappingKey,
    envelope: Envelope,
    purpose: string,
  ): Promise<Secret> {
    const wrapped = Buffer.from(envelope.wrapped, 'base64')
    const pMechanism = this.#mechanism(mechanismOf(envelope, purpose), wrapped.length)
    const bytes = await this.#on(device, 'unwrap', async (session) => {
      const init = { pMechanism, hKey: await this.#handleOf(session, key, device) }
      const { way } = envelope
      const opens =
        way === 'keys' ? unwrapBytes(session, init, wrapped) : session.decrypt(init, wrapped)
      return opens.catch((error: unknown) => {
        throw asWrongData(error)
      })
    })
    return new Secret(bytes)
  }

  #mechanism(mechanism: CipherMechanism, bytes: number) {
    return cipherOf(mechanism, bytes, this.#abilities.mechanismOf(mechanism.cipher))
  }

  async #handleOf(session: DeviceSession, key: WrappingKey, device: Device): Promise<number> {
    const [handle] = await session.find(templateOf(key))
    if (handle !== undefined) return handle
    const { token = '', serial = '' } = device.status()
    const where = `HSM "${this.#name}" (token "${token}", serial number ${serial})`
    const what = `Cannot use key "${key.label}" (CKA_ID 0x${key.id}): ${where} does not have it`
    throw new KmsError('keyValueNotPresent', what)
  }

  async #publicHalf(key: WrappingKey) {
    const { spec } = key
    const parts = await this.#use('read a public key', async (session) => {
      const handle = await this.#handleOf(session, key, this.#device)
      return valuesOf(session, handle, PUBLIC_PARTS.RSA)
    })
    const values = PUBLIC_PARTS.RSA.map((type) => parts.get(type) ?? new Uint8Array(0))
    return publicKeyOf(spec, values)
  }

  /** Why the device or the key does not do it this way. */
  #cannot({ values, spec }: WrappingKey, { cipher, way, ...more }: Way): string | undefined {
    const type = this.#abilities.mechanismOf(cipher)
    if (type === undefined) return 'PKCS#11 has no mechanism for it'
    const { gcmIv, plainTemporaries } = this.#device.quirks
    if (cipher === 'AES_GCM' && gcmIv === 'device') return 'the device makes the IV by itself'
    if (way === 'keys' && !plainTemporaries) return 'the device wraps only keys of its own'
    const hash = 'hash' in more ? more.hash : undefined
    const why = hash && this.#abilities.cannot({ cipher, hash })
    if (why !== undefined) return why
    const uses = USES[way].filter((_use, at) => spec.algorithm !== 'RSA' || at > 0)
    const lacks = uses.map(({ flag }) => this.#device.lacks({ type, flag }))
    const lack = lacks.find((one) => one !== undefined)
    if (lack !== undefined) return lack
    const missing = uses.find(({ attribute }) => values.get(attribute)?.[0] !== 1)
    return missing && `the key may not ${missing.verb}`
  }

  #assertFit({ label, id, spec, values }: WrappingKey): void {
    const { algorithm, bits } = spec
    const least = algorithm === 'AES' ? AES_BITS_MIN : RSA_BITS_MIN
    if ((algorithm !== 'AES' && algorithm !== 'RSA') || bits < least) {
      throw this.#unfit(label, `it is ${algorithm} ${bits}; allowed are AES, and RSA from 2048`)
    }
    if (id === '') throw this.#unfit(label, 'it has no CKA_ID; give it one')
    const isKept = values.get(CKA.SENSITIVE)?.[0] === 1 && values.get(CKA.EXTRACTABLE)?.[0] === 0
    if (isKept) return
    const what = 'it is not sensitive, or is extractable: it could leave the device'
    throw this.#unfit(label, what)
  }

  #unfit(text: string, why: string): KmsError {
    const what = `Cannot use key "${text}" of HSM "${this.#name}" as root key: ${why}`
    return new KmsError('invalidField', what)
  }

  #use<T>(
    what: string,
    work: (session: DeviceSession) => Promise<T>,
    repeatable = true,
  ): Promise<T> {
    return this.#on(this.#device, what, work, repeatable)
  }

  async #on<T>(
    device: Device,
    what: string,
    work: (session: DeviceSession) => Promise<T>,
    repeatable = true,
  ): Promise<T> {
    try {
      return await device.use(work, repeatable)
    } catch (error) {
      throw failureOf(this.#name, what, error)
    }
  }
}

/** What a way needs of device and key; the first is done with the public half of a pair. */
const USES = {
  data: [
    { flag: CKF.ENCRYPT, attribute: CKA.ENCRYPT, verb: 'encrypt' },
    { flag: CKF.DECRYPT, attribute: CKA.DECRYPT, verb: 'decrypt' },
  ],
  keys: [
    { flag: CKF.WRAP, attribute: CKA.WRAP, verb: 'wrap' },
    { flag: CKF.UNWRAP, attribute: CKA.UNWRAP, verb: 'unwrap' },
  ],
} as const

function mechanismOf(
  { cipher, hash, iv }: Omit<Envelope, 'wrapped'>,
  purpose: string,
): CipherMechanism {
  if (cipher === 'RSA_PKCS_OAEP') return { cipher, hash, mgfHash: hash } as CipherMechanism
  if (cipher !== 'AES_GCM') return { cipher }
  const bytes = Buffer.from(iv ?? '', 'base64')
  return { cipher, iv: bytes, aad: Buffer.from(purpose), tagBytes: TAG_BYTES }
}

const KINDS = [
  { kind: 'secret', objectClass: CKO.SECRET_KEY },
  { kind: 'private', objectClass: CKO.PRIVATE_KEY },
] as const

async function keysWith(
  session: DeviceSession,
  attribute: Attribute,
): Promise<readonly WrappingKey[]> {
  const found: WrappingKey[] = []
  for (const { objectClass } of KINDS) {
    const handles = await session.find([
      { type: CKA.CLASS, value: ulongBytes(objectClass) },
      { type: CKA.TOKEN, value: isTrue },
      attribute,
    ])
    for (const handle of handles) {
      const key = await keyOf(session, handle)
      if (key !== undefined) found.push(key)
    }
  }
  return found
}

const ASKED = [
  CKA.CLASS,
  CKA.KEY_TYPE,
  CKA.ID,
  CKA.LABEL,
  CKA.SENSITIVE,
  CKA.EXTRACTABLE,
  CKA.ENCRYPT,
  CKA.DECRYPT,
  CKA.WRAP,
  CKA.UNWRAP,
  CKA.VALUE_LEN,
  CKA.MODULUS,
  CKA.PRIME,
  CKA.EC_PARAMS,
] as const

/** Undefined where it is of no algorithm that has a row here. */
async function keyOf(session: DeviceSession, hObject: number): Promise<WrappingKey | undefined> {
  const values = await valuesOf(session, hObject, ASKED)
  const isSecret = values.get(CKA.CLASS)?.[0] === CKO.SECRET_KEY
  const kind = isSecret ? 'secret' : 'private'
  const spec = specOf({ values, kind })
  if (spec === undefined) return undefined
  const bytes = (type: number): Buffer => Buffer.from(values.get(type) ?? [])
  const names = { id: bytes(CKA.ID).toString('hex'), label: bytes(CKA.LABEL).toString('utf8') }
  return { kind, ...names, spec, values }
}

function templateOf({ kind, id }: WrappingName): readonly Attribute[] {
  const row = KINDS.find((one) => one.kind === kind)
  return [
    { type: CKA.CLASS, value: ulongBytes(row?.objectClass as number) },
    { type: CKA.TOKEN, value: isTrue },
    { type: CKA.ID, value: Buffer.from(id, 'hex') },
  ]
}
