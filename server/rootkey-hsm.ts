/**
 * The root key under a key of an HSM: the device wraps and unwraps it, and nobody else can.
 *
 * The root key is 32 random bytes of its own for each rotation; what is on the disk of it is the
 * envelope that the device has made (`keystores/pkcs11/wrapping.ts`), in the database. It is
 * unwrapped once, when the server starts: while it runs the device may come and go.
 *
 * The HSM has to be there before the database can be read, so that nothing it needs may be in the
 * database: a PIN from an object is refused.
 *
 * @module
 */

import type { Services } from '#core/context.ts'
import { KmsError } from '#core/errors.ts'
import { identifiersOf } from '#core/identifiers.ts'
import type { Keystores } from '#core/keystores.ts'
import { adoptedId } from '#core/operations/adopt.ts'
import '#core/uncompiled.ts'
import * as z from 'zod'
import type { Secret } from '#core/secret.ts'
import type { Device } from '#keystores/pkcs11/device.ts'
import { Pkcs11Keystore } from '#keystores/pkcs11/pkcs11.ts'
import { foundReference, readReference } from '#keystores/pkcs11/references.ts'
import { CLASSES } from '#keystores/pkcs11/templates.ts'
import { isWrappingId, type WrappingKey, WrappingKeys } from '#keystores/pkcs11/wrapping.ts'
import { type Config, ConfigError } from './config.ts'
import { type HsmConfig, hsmDevice, type PinSources } from './hsm.ts'
import type { Logger } from './log.ts'
import { type HsmName, idOf, newRootKey, type RootKey, type RootName } from './rootkey.ts'

/** Devices of the configuration, each started when it is first asked for something. */
export class HsmDevices {
  readonly #config: Config
  readonly #log: Logger
  readonly #sources: PinSources
  readonly #made = new Map<string, Device>()

  constructor(config: Config, log: Logger, sources: PinSources) {
    this.#config = config
    this.#log = log
    this.#sources = sources
  }

  of(config: HsmConfig): Device {
    const known = this.#made.get(config.name)
    if (known !== undefined) return known
    const device = hsmDevice(config, this.#log, this.#sources)
    this.#made.set(config.name, device)
    return device
  }

  /** The only HSM needs no name. @throws `ConfigError` when it cannot hold the root key. */
  forRoot(wanted: string | undefined): HsmConfig {
    const all = this.#config.keystores.filter((one): one is HsmConfig => one.type === 'pkcs11')
    const found = all.filter(({ name }) => wanted === undefined || name === wanted)
    const [one] = found
    if (one === undefined || found.length > 1) {
      const what = wanted === undefined ? 'say which HSM' : `"${wanted}" is no HSM`
      const names = all.map(({ name }) => name).join(', ') || 'none'
      throw new ConfigError(`rootKey.keystore: ${what}; keystores of type pkcs11: ${names}`)
    }
    if (one.pinObject === undefined) return one
    const what = `the PIN of "${one.name}" is an object of the database (pinObject)`
    const hint = 'use pinFile, pinVariable or pinPrompt'
    throw new ConfigError(`rootKey: ${what}, which opens with this HSM only; ${hint}`)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#made.values()].map((device) => device.close()))
  }
}

/** Which key of which HSM; what is absent is as the configuration says. */
export interface HsmWish {
  readonly keystore?: string | undefined
  /** CKA_LABEL, or CKA_ID after `0x`. */
  readonly key?: string | undefined
  /** Whether it is made where it is not there. */
  readonly make?: boolean | undefined
}

/** Authenticated with the wrapped key. */
function purposeOf(id: string): string {
  return `claviger root key ${id}`
}

/**
 * A new root key, wrapped.
 *
 * @param replaces Identifier of a file's key that it replaces.
 * @throws `KmsError` `keyValueNotPresent` when the device does not have the key.
 */
export async function newHsmKey(
  devices: HsmDevices,
  wish: HsmWish & { readonly key: string },
  replaces?: string,
): Promise<RootKey> {
  const config = devices.forRoot(wish.keystore)
  const device = devices.of(config)
  const keys = new WrappingKeys(config.name, device)
  const found = await keys.find(wish.key)
  if (found === undefined && wish.make !== true) {
    const what = `Cannot use HSM "${config.name}" for the root key: it has no key "${wish.key}"`
    throw new KmsError('keyValueNotPresent', `${what}; make it there, or say that it is to be made`)
  }
  if (found !== undefined && wish.make === true && !isWrappingId(Buffer.from(found.id, 'hex'))) {
    const what = `Cannot make key "${wish.key}" in HSM "${config.name}": there is one of that name`
    const hint =
      'that was not made for a root key; to use it all the same, do not ask for a new one'
    throw new KmsError('exists', `${what} ${hint}`)
  }
  const wrapping = found ?? (await keys.make(wish.key))
  if (config.kek?.label === wrapping.label) {
    const what = `Cannot use key "${wrapping.label}" of HSM "${config.name}" for the root key`
    const why = 'keys are got through it (kek), and there is a copy of it elsewhere'
    throw new KmsError('illegalOperation', `${what}: ${why}; choose or make another key`)
  }
  const key = newRootKey()
  const id = idOf(key)
  const envelope = await keys.wrap(wrapping, key, purposeOf(id))
  const { token = '', serial = '' } = device.status()
  const { kind, label } = wrapping
  const place = { keystore: config.name, token, serial, key: { kind, label, id: wrapping.id } }
  const old = replaces === undefined ? {} : { replaces }
  return { name: { kind: 'hsm', id, ...place, envelope, ...old }, key }
}

/**
 * Unwraps the root key.
 *
 * @throws `KmsError` `keystoreUnavailable` when the HSM is away, `keyValueNotPresent` when it does
 * not have the key, `tampered` when it has another one.
 */
export async function openHsmKey(
  devices: HsmDevices,
  config: Config,
  name: HsmName,
): Promise<RootKey> {
  const hsm = knownHsm(devices, config, name)
  const device = devices.of(hsm)
  const keys = new WrappingKeys(hsm.name, device)
  const key = await named(name, hsm, () => keys.known(name.key))
  if (key === undefined) throw notThere(name, hsm, device)
  const root = await unwrapped(keys, key, name, hsm, device)
  return { name, key: root }
}

/** The one that the database names; where it has another name now, the one of the configuration. */
function knownHsm(devices: HsmDevices, { keystores, rootKey }: Config, name: HsmName): HsmConfig {
  if (keystores.some((one) => one.name === name.keystore)) return devices.forRoot(name.keystore)
  if (rootKey.keystore !== undefined) return devices.forRoot(rootKey.keystore)
  const what = `Cannot open the database: its root key is in HSM ${said(name)}`
  const hint = `no keystore is called "${name.keystore}"; put it back, or name it in rootKey.keystore`
  throw new ConfigError(`${what}; ${hint}`)
}

async function unwrapped(
  keys: WrappingKeys,
  key: WrappingKey,
  name: HsmName,
  hsm: HsmConfig,
  device: Device,
): Promise<Secret> {
  let root: Secret
  try {
    root = await named(name, hsm, () => keys.unwrap(key, name.envelope, purposeOf(name.id)))
  } catch (error) {
    if (error instanceof KmsError && error.code === 'keystoreUnavailable') throw error
    throw anotherKey(name, hsm, device, error)
  }
  if (root.length > 0 && idOf(root) === name.id) return root
  root[Symbol.dispose]()
  throw anotherKey(name, hsm, device)
}

/** What fails in the device is said with what it was for. */
async function named<T>(name: HsmName, hsm: HsmConfig, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof KmsError) || error.code !== 'keystoreUnavailable') throw error
    const what = `Cannot open the database: HSM "${hsm.name}", which unwraps its root key, is away`
    const where = `${error.message}; it was wrapped in ${said(name)}`
    throw new KmsError('keystoreUnavailable', `${what}: ${where}`, { cause: error })
  }
}

function said({ keystore, token, serial }: HsmName): string {
  return `"${keystore}" (token "${token}", serial number ${serial})`
}

function found(hsm: HsmConfig, device: Device): string {
  const { token = '', serial = '' } = device.status()
  return `HSM "${hsm.name}" (token "${token}", serial number ${serial})`
}

function notThere(name: HsmName, hsm: HsmConfig, device: Device): KmsError {
  const { id, label } = name.key
  const what = `${found(hsm, device)} does not have the key "${label}" (CKA_ID 0x${id})`
  const where = `its root key was wrapped in ${said(name)}; that HSM or a copy of it is needed`
  return new KmsError('keyValueNotPresent', `Cannot open the database: ${what}; ${where}`)
}

function anotherKey(name: HsmName, hsm: HsmConfig, device: Device, cause?: unknown): KmsError {
  const { id, label } = name.key
  const what = `the key "${label}" (CKA_ID 0x${id}) of ${found(hsm, device)} is another one`
  const where = `than that of ${said(name)}, which has wrapped its root key (its id is ${name.id})`
  return new KmsError('tampered', `Cannot open the database: ${what} ${where}`, { cause })
}

const text = z.string().max(1_024)
const NAME = z.strictObject({
  kind: z.literal('hsm'),
  id: text,
  keystore: text,
  token: text,
  serial: text,
  key: z.strictObject({ kind: z.enum(['secret', 'private']), id: text, label: text }),
  envelope: z.strictObject({
    cipher: z.enum(['AES_GCM', 'AES_KEY_WRAP_KWP', 'AES_KEY_WRAP', 'RSA_PKCS_OAEP']),
    way: z.enum(['data', 'keys']),
    hash: z.enum(['SHA_256', 'SHA_1']).optional(),
    iv: text.optional(),
    wrapped: z.string().max(4_096),
  }),
  replaces: text.optional(),
})

/** @throws `KmsError` `tampered` when the database does not say what it must. */
export function assertHsmName(name: HsmName): void {
  if (NAME.safeParse(name).success) return
  const what = 'what it says of the HSM with its root key was altered'
  throw new KmsError('tampered', `Cannot open the database: ${what}`)
}

/** What people want to know of it. */
export function describeRoot(name: RootName): object {
  if (name.kind === 'file') return name
  if (name.kind === 'passphrase') {
    const { replaces: _, ...rest } = name
    return rest
  }
  const { kind, id, keystore, token, serial, key, envelope } = name
  const { cipher, hash } = envelope
  const wrapping = { key: key.label, keyId: `0x${key.id}`, cipher, ...(hash && { hash }) }
  return { kind, id, keystore, token, serial, ...wrapping }
}

/**
 * Nobody's object may be the key: who can use or destroy it could open the database, or close it
 * for ever.
 *
 * @throws `KmsError` `illegalOperation`.
 */
export async function assertNoObject({ store, keystores }: Services, name: HsmName): Promise<void> {
  const { keystore, key } = name
  const id = Buffer.from(key.id, 'hex')
  const labels = [new Uint8Array(0), Buffer.from(key.label)]
  const places = labels.map((label) => foundReference(CLASSES[key.kind], id, label))
  const placed = identifiersOf(keystores, keystores.named(keystore), key.label)
  const adopted = places.map((place) => adoptedId(keystore, place))
  for (const one of [key.label, ...placed, ...adopted]) {
    const object = await store.object(one)
    const handle = object?.material?.keystore === keystore ? object.material.handle : undefined
    const isAt = handle !== undefined && readReference(handle)?.id
    if (!isAt || !id.equals(isAt)) continue
    const what = `Cannot rotate root key: key "${key.label}" of HSM "${keystore}" is object "${one}"`
    const hint = 'whoever may use it could open the database; choose or make another key'
    throw new KmsError('illegalOperation', `${what}, and ${hint}`)
  }
}

/** From now on no object can be the key, in whatever way it is asked for. */
export function reserve(
  devices: HsmDevices,
  config: Config,
  keystores: Keystores,
  name: RootName,
): void {
  if (name.kind !== 'hsm') return
  const keystore = keystores.named(knownHsm(devices, config, name).name)
  if (keystore instanceof Pkcs11Keystore) keystore.reserve(Buffer.from(name.key.id, 'hex'))
}
