/**
 * Values of secret keys taken out of a device through a known key-encrypting key.
 *
 * The device wraps the key with a key-encrypting key that it holds (C_WrapKey, PKCS#11 3.2 §5.18),
 * and a copy of that key, which is kept sealed, opens it here. So a key may be CKA_SENSITIVE and
 * still be given to whoever may have it; CKA_EXTRACTABLE and CKA_WRAP_WITH_TRUSTED hold.
 *
 * The key-encrypting key is found by its label (and CKA_ID), or by a handle where a device keeps
 * these. With which mechanism it wraps, and what comes of it, is said by the file of the model.
 *
 * @module
 */
import { type FailureCode, KmsError } from '#core/errors.ts'
import type { Foundling } from '#core/keystore.ts'
import { Secret } from '#core/secret.ts'
import type { KeyAlgorithm } from '#spec/algorithms.ts'
import { CKA, CKF, CKO, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import type { Attribute, Mechanism } from '#spec/pkcs11/types.ts'
import type { Device, DeviceSession } from './device.ts'
import { isStale } from './failures.ts'
import { GroupDevice } from './group-device.ts'
import { derBytes, fits, newIv, ofLength, openWrapped, type Unwrapping } from './kek-forms.ts'
import { mechanismName } from './mechanisms.ts'

export interface KekOptions {
  readonly label: string
  /** CKA_ID, where the label alone does not tell it from others. */
  readonly id?: Uint8Array | undefined
  /** Handle in the device, for where no key has the label. */
  readonly handle?: number | undefined
  /** Default: what the file of the model says. */
  readonly mechanism?: number | undefined
  readonly unwrap?: Unwrapping | undefined
  /**
   * The copy; whoever gets it disposes it.
   *
   * @throws `KmsError` when there is none.
   */
  readonly copy: () => Promise<Secret>
}

/** A mechanism, and how what it gives is opened. */
export interface KekWrap {
  readonly mechanism: number
  readonly unwrap: Unwrapping
}

/** As good as any: no multiple of 8, which some mechanisms want. */
const UNKNOWN_BYTES = 1
/** Longest wrapped value that is asked for at once. */
const WRAPPED_BYTES = 1_024
/** Longest CKA_ID that a key of ours has. */
const ID_BYTES_MAX = 255
/** Name of its handle among those of a session; references of keys begin with other bytes. */
const HANDLE = 'kek'

export class Kek {
  readonly label: string
  /** CKA_ID that it has, or shall have. */
  readonly id: Uint8Array | undefined
  /** Name of the keystore. */
  readonly keystore: string
  readonly #options: KekOptions
  readonly #device: Device
  readonly #isReserved: (id: Uint8Array) => boolean

  /**
   * @param name Of the keystore, for messages.
   * @param isReserved Whether a CKA_ID is that of a key of the server itself.
   */
  constructor(
    name: string,
    options: KekOptions,
    device: Device,
    isReserved: (id: Uint8Array) => boolean,
  ) {
    this.#isReserved = isReserved
    this.keystore = name
    this.#options = options
    this.#device = device
    this.label = options.label
    this.id = options.id
  }

  /** The device, or those that have the same keys. */
  devices(): readonly Device[] {
    return this.#device instanceof GroupDevice ? this.#device.members : [this.#device]
  }

  /** The sealed copy. */
  copy(): Promise<Secret> {
    return this.#options.copy()
  }

  /** Whether the device wraps private keys of this algorithm so. */
  takesPrivate(algorithm: KeyAlgorithm | undefined): boolean {
    return this.#device.quirks.kekPrivate.some((one) => one === algorithm)
  }

  /**
   * A private key of the device, as PKCS#8. How long it is shows only when it is open.
   *
   * @throws `KmsError` as {@link take}.
   */
  takePrivate(session: DeviceSession, id: string, hKey: number): Promise<Secret> {
    return this.#open(session, id, hKey, UNKNOWN_BYTES, derBytes)
  }

  /**
   * The value of a key of the device.
   *
   * @param id For messages.
   * @param bytes How long it is, where that is known.
   * @throws `KmsError` `cryptographicFailure` when device and copy do not have the same key;
   * `notExtractable`, `keyValueNotPresent`, `parametersUnsupported`.
   */
  async take(
    session: DeviceSession,
    id: string,
    hKey: number,
    bytes: number | undefined,
  ): Promise<Secret> {
    return this.#open(session, id, hKey, bytes, () => bytes)
  }

  async #open(
    session: DeviceSession,
    id: string,
    hKey: number,
    bytes: number | undefined,
    lengthOf: (value: Uint8Array) => number | undefined,
  ): Promise<Secret> {
    const what = `Cannot give "${id}"`
    const wrap = this.wrapFor(bytes, what)
    using kek = await this.copy()
    const iv = newIv(wrap.unwrap)
    const pMechanism = { type: wrap.mechanism, parameter: iv }
    const wrapped = await this.#wrapped(session, pMechanism, hKey, what)
    const value = openWrapped(wrap.unwrap, kek.expose(), wrapped, iv)
    const own = value && ofLength(value, lengthOf(value))
    if (own !== undefined) return new Secret(own)
    throw new KmsError('cryptographicFailure', `${what}: ${this.#differs(wrap)}`)
  }

  #differs({ mechanism, unwrap }: KekWrap): string {
    const name = mechanismName(mechanism)
    return (
      `what HSM "${this.keystore}" wrapped with key-encrypting key "${this.label}" ` +
      `does not open: it is not the key of the sealed copy, or ${name} is not ${unwrap} there; ` +
      `"claviger hsm kek show ${this.keystore}" says which`
    )
  }

  /** All that the device offers of what the model's file or the configuration names. */
  wraps(): readonly KekWrap[] {
    const { mechanism, unwrap } = this.#options
    const { kekWrap, broken } = this.#device.quirks
    if (mechanism !== undefined && unwrap !== undefined) return [{ mechanism, unwrap }]
    return kekWrap.filter((row) => {
      if (mechanism !== undefined && row.mechanism !== mechanism) return false
      if (unwrap !== undefined && row.unwrap !== unwrap) return false
      // What does something else than its name says is named here on purpose.
      if (broken.includes(row.mechanism)) return true
      return this.#device.lacks({ type: row.mechanism, flag: CKF.WRAP }) === undefined
    })
  }

  /** The first that takes a value of this length. @throws `KmsError` `parametersUnsupported`. */
  wrapFor(bytes: number | undefined, what: string): KekWrap {
    const offered = this.wraps()
    const found = offered.find(({ unwrap }) => bytes === undefined || fits(unwrap, bytes))
    if (found !== undefined) return found
    const names = offered.map(({ mechanism }) => mechanismName(mechanism)).join(', ')
    const why =
      offered.length === 0
        ? `has no mechanism of its kekWrap (model ${this.#device.quirks.model})`
        : `wraps with ${names}, which does not take ${bytes} bytes`
    const hint = 'name one with kek.mechanism and kek.unwrap'
    throw new KmsError('parametersUnsupported', `${what}: HSM "${this.keystore}" ${why}; ${hint}`)
  }

  /** What C_FindObjects looks for. */
  template(): readonly Attribute[] {
    const { label, id } = this
    return [
      { type: CKA.CLASS, value: ulongBytes(CKO.SECRET_KEY) },
      { type: CKA.LABEL, value: Buffer.from(label) },
      ...(id === undefined ? [] : [{ type: CKA.ID, value: id }]),
    ]
  }

  /** @throws `KmsError` `keyValueNotPresent` when it is not there, `conflict` when two are. */
  async find(session: DeviceSession, what: string): Promise<number> {
    const handle = await this.look(session, what)
    if (handle !== undefined) return handle
    const how =
      `"claviger hsm kek generate ${this.keystore}" makes one, ` +
      `"claviger hsm kek import ${this.keystore} --file FILE" brings yours`
    const why = `HSM "${this.keystore}" has no key-encrypting key "${this.label}"; ${how}`
    throw new KmsError('keyValueNotPresent', `${what}: ${why}`)
  }

  /** Undefined where it is not in the device. @throws `KmsError` `conflict`, `illegalOperation`. */
  async look(session: DeviceSession, what: string): Promise<number | undefined> {
    const known = session.handles.get(HANDLE)
    if (known !== undefined) return known
    const found = await session.find(this.template())
    if (found.length > 1) {
      const why = `HSM "${this.keystore}" has ${found.length} keys "${this.label}"`
      throw new KmsError('conflict', `${what}: ${why}; say which with kek.id`)
    }
    const handle = found[0] ?? this.#options.handle
    if (handle === undefined) return undefined
    await this.assertIsNoRoot(session, handle, what)
    session.handles.set(HANDLE, handle)
    return handle
  }

  /**
   * What protects a database shall not be replaced, whatever its label.
   *
   * @throws `KmsError` `illegalOperation`.
   */
  async assertIsNoRoot(session: DeviceSession, hObject: number, what: string): Promise<void> {
    const pTemplate = [{ type: CKA.ID, capacity: ID_BYTES_MAX }]
    // A handle that was written down need not be one, and is told of later.
    const answer = await session
      .call('C_GetAttributeValue', { hObject, pTemplate })
      .catch((error: unknown) => {
        if (isStale(error)) return undefined
        throw error
      })
    const id = answer?.pTemplate[0]?.value
    if (!(id instanceof Uint8Array) || !this.#isReserved(id)) return
    const why = `key "${this.label}" of HSM "${this.keystore}" protects a server's database`
    throw new KmsError('illegalOperation', `${what}: ${why}; give kek another label`)
  }

  /** Whether what was found in the device is it. */
  isIt({ kind, label, pairId }: Foundling): boolean {
    if (kind !== 'secret' || label !== this.label) return false
    return this.id === undefined || pairId === Buffer.from(this.id).toString('hex')
  }

  /** It may be another one from now on. */
  forget(session: DeviceSession): void {
    session.handles.delete(HANDLE)
  }

  /** PKCS#11 3.2 §4.9: such a key goes only under a key that the security officer trusts. */
  async #assertTrusted(
    session: DeviceSession,
    what: string,
    hKey: number,
    hKek: number,
  ): Promise<void> {
    if (!(await flagOf(session, hKey, CKA.WRAP_WITH_TRUSTED))) return
    if (await flagOf(session, hKek, CKA.TRUSTED)) return
    const why = `it has CKA_WRAP_WITH_TRUSTED, and key-encrypting key "${this.label}" of HSM`
    const hint = 'its security officer can set that'
    const whole = `${what}: ${why} "${this.keystore}" is not CKA_TRUSTED; ${hint}`
    throw new KmsError('notExtractable', whole)
  }

  async #wrapped(
    session: DeviceSession,
    pMechanism: Mechanism,
    hKey: number,
    what: string,
  ): Promise<Uint8Array> {
    const attempt = async (): Promise<Uint8Array> => {
      const hKek = await this.find(session, what)
      await this.#assertTrusted(session, what, hKey, hKek)
      return wrapped(session, pMechanism, hKek, hKey)
    }
    try {
      return await attempt()
    } catch (error) {
      if (!isStaleKek(error)) throw this.#refused(what, error)
      this.forget(session)
      return attempt()
    }
  }

  /** What the device refuses, with the way out. */
  #refused(what: string, error: unknown): unknown {
    const refusal = error instanceof CryptokiError ? REFUSALS.get(error.rv) : undefined
    if (refusal === undefined) return error
    const [code, why] = refusal
    const kek = `key-encrypting key "${this.label}" of HSM "${this.keystore}"`
    return new KmsError(code, `${what}: ${why.replace('KEK', kek)}`, { cause: error })
  }
}

/** What a device says of the key, or of the key-encrypting key. */
const REFUSALS: ReadonlyMap<number, readonly [FailureCode, string]> = new Map([
  [
    CKR.KEY_UNEXTRACTABLE,
    ['notExtractable', 'it is not CKA_EXTRACTABLE; with "extractable: true" new keys are'],
  ],
  [CKR.KEY_NOT_WRAPPABLE, ['notExtractable', 'the device does not wrap it with KEK']],
  [
    CKR.KEY_FUNCTION_NOT_PERMITTED,
    ['usageMask', 'KEK does not have CKA_WRAP; set it, or make a new one with --replace'],
  ],
  [
    CKR.WRAPPING_KEY_TYPE_INCONSISTENT,
    ['wrappingKeyKind', 'KEK is no AES key; "claviger hsm kek generate --replace" makes one'],
  ],
])

/** C_WrapKey, once more where the wrapped key is longer than keys are. */
export async function wrapped(
  session: DeviceSession,
  pMechanism: Mechanism,
  hWrappingKey: number,
  hKey: number,
  room = WRAPPED_BYTES,
): Promise<Uint8Array> {
  const args = { pMechanism, hWrappingKey, hKey, pWrappedKey: room }
  const { pWrappedKey } = await session.call('C_WrapKey', args)
  if (pWrappedKey instanceof Uint8Array) return pWrappedKey
  if (pWrappedKey > room) return wrapped(session, pMechanism, hWrappingKey, hKey, pWrappedKey)
  throw new CryptokiError(CKR.DEVICE_ERROR, 'C_WrapKey gives a length that it does not need')
}

/** Whether a flag is set; devices need not know all. */
export async function flagOf(
  session: DeviceSession,
  hObject: number,
  type: number,
): Promise<boolean> {
  const pTemplate = [{ type, capacity: 1 }]
  const { pTemplate: read } = await session.call('C_GetAttributeValue', { hObject, pTemplate })
  const value = read[0]?.value
  return value instanceof Uint8Array && value[0] === 1
}

function isStaleKek(error: unknown): boolean {
  if (!(error instanceof CryptokiError)) return false
  return isStale(error) || error.rv === CKR.WRAPPING_KEY_HANDLE_INVALID
}
