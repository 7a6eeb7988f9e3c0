/**
 * Key-encrypting keys of HSMs: where their copies are, and how they come into the devices.
 *
 * The copy lies sealed among the settings of the server, or is a Symmetric Key in a software
 * keystore; it is opened for one use and zeroed. A file in clear is read once, here and not by the
 * command line: its bytes never travel.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { KmsError } from '#core/errors.ts'
import { keyInUse } from '#core/keys.ts'
import { Secret } from '#core/secret.ts'
import type { Kek } from '#keystores/pkcs11/kek.ts'
import { kekOfFile } from '#keystores/pkcs11/kek-forms.ts'
import {
  assertAgrees,
  checkValueOf,
  inspectKek,
  installKek,
  type KekState,
  removeKek,
} from '#keystores/pkcs11/kek-setup.ts'
import type { Pkcs11Keystore } from '#keystores/pkcs11/pkcs11.ts'
import { KeyFormatType, State } from '#spec/kmip/enumerations.ts'
import type { House } from './house.ts'
import { hsms } from './hsm.ts'

function settingOf(keystore: string): string {
  return `hsm kek ${keystore}`
}

/** @throws `KmsError` `keyValueNotPresent` and others, with what to do. */
export async function kekCopy(
  house: House,
  keystore: string,
  object: string | undefined,
): Promise<Secret> {
  if (object !== undefined) return copyOfObject(house, keystore, object)
  const copy = await house.settings.get(settingOf(keystore))
  if (copy !== undefined) return copy
  const how = `"claviger hsm kek generate ${keystore}" or "claviger hsm kek import ${keystore}"`
  const what = `there is no copy of the key-encrypting key of HSM "${keystore}"; ${how} makes one`
  throw new KmsError('keyValueNotPresent', `Cannot get key through it: ${what}`)
}

const AES_BYTES = [16, 24, 32]

async function copyOfObject(
  { services, config }: House,
  keystore: string,
  id: string,
): Promise<Secret> {
  const fail = (why: string): never => {
    const what = `Cannot use "${id}" as key-encrypting key of HSM "${keystore}"`
    throw new KmsError('keyValueNotPresent', `${what}: ${why}`)
  }
  const object = await services.store.object(id)
  if (object?.material === undefined) return fail('there is no such object with a value')
  const { keystore: place } = object.material
  if (config.keystores.find(({ name }) => name === place)?.type !== 'software') {
    return fail(`it is in "${place}", and not in a software keystore`)
  }
  if (object.attributes.get('state') !== State.Active) return fail('it is not Active')
  const copy = await services.keystores.named(place).export(keyInUse(object), KeyFormatType.Raw)
  if (AES_BYTES.includes(copy.length)) return copy
  copy[Symbol.dispose]()
  return fail('it is no AES key')
}

/** A key-encrypting key, its copy, and how it does in each device. */
export interface KekReport {
  readonly keystore: string
  readonly label: string
  /** `sealed`: among the settings of the server. */
  readonly copy: 'sealed' | 'object' | 'none'
  readonly checkValue?: string | undefined
  readonly devices: readonly KekState[]
  /** Of the devices, those that it has been put into. */
  readonly installed?: number | undefined
}

interface Found {
  readonly kek: Kek
  readonly object: string | undefined
}

/** @param wanted Name of the keystore; the only one with a `kek` needs none. */
function kekNamed(house: House, wanted: string | undefined): Found {
  const all = hsms(house)
  const named = all.filter(([{ name }]) => wanted === undefined || name === wanted)
  const found = named.flatMap(([config, { kek }]) => (kek === undefined ? [] : { config, kek }))
  const [one] = found
  if (one !== undefined && found.length === 1)
    return { kek: one.kek, object: one.config.kek?.object }
  const names = all.map(([{ name }]) => name).join(', ') || 'none'
  const how = 'write "kek: { label: P6RKEK1 }" below it in claviger.yaml'
  const why =
    found.length > 1
      ? `say which HSM; there are: ${names}`
      : `there is no HSM ${wanted === undefined ? 'with' : `"${wanted}" with`} one; ${how}`
  throw new KmsError('notFound', `Cannot find key-encrypting key: ${why}; HSMs: ${names}`)
}

export async function showKek(house: House, wanted: string | undefined): Promise<KekReport> {
  const { kek, object } = kekNamed(house, wanted)
  return report(house, kek, object)
}

/** At the start of the server: what would be refused later is told now. */
export async function kekAtStart(house: House, { name, kek }: Pkcs11Keystore): Promise<void> {
  if (kek === undefined) return
  const { log } = house.services
  try {
    const { copy, checkValue, devices } = await showKek(house, name)
    const problems = devices.flatMap(({ token, present, problems: all, warnings }) => {
      const missing = present ? [] : [`it is not in ${token}`]
      return [...missing, ...all, ...warnings]
    })
    const hint = `"claviger hsm kek generate ${name}" makes one, "import" brings yours`
    if (copy === 'none') problems.unshift(`there is no copy of it; ${hint}`)
    const details = { keystore: name, label: kek.label, checkValue }
    if (problems.length === 0) log.info(details, 'key-encrypting key of the HSM is the copy’s')
    else log.warn({ ...details, problems }, 'key-encrypting key of the HSM')
  } catch (error) {
    const reason = (error as Error).message
    log.warn({ keystore: name, reason }, 'key-encrypting key of the HSM could not be tried')
  }
}

async function report(house: House, kek: Kek, object: string | undefined): Promise<KekReport> {
  using copy = await kekIfAny(house, kek, object)
  const devices: KekState[] = []
  for (const device of kek.devices()) {
    devices.push(await inspectKek(kek, device, copy?.expose()))
  }
  const place = object === undefined ? 'sealed' : 'object'
  const { keystore, label } = kek
  const checkValue = copy && checkValueOf(copy.expose())
  return { keystore, label, copy: copy === undefined ? 'none' : place, checkValue, devices }
}

function kekIfAny(house: House, kek: Kek, object: string | undefined): Promise<Secret | undefined> {
  if (object !== undefined) return kek.copy()
  return house.settings.get(settingOf(kek.keystore))
}

/**
 * A new key-encrypting key, here and in every device.
 *
 * @param replace Whether one that is there is destroyed; nothing is lost with it.
 * @throws `KmsError` `exists`, `illegalOperation`.
 */
export async function generateKek(
  house: House,
  { name, replace }: { readonly name?: string | undefined; readonly replace: boolean },
): Promise<KekReport> {
  const { kek, object } = kekNamed(house, name)
  if (object !== undefined) {
    const what = `its copy is the object "${object}"; "claviger hsm kek import" puts that in`
    throw new KmsError('illegalOperation', `Cannot generate key-encrypting key: ${what}`)
  }
  // Where one of them is away nothing has been changed in the others.
  for (const device of kek.devices()) await inspectKek(kek, device, undefined)
  if (!replace) await assertNone(house, kek)
  using value = new Secret(randomBytes(32))
  for (const device of kek.devices()) await removeKek(kek, device)
  // The value is zeroed when this returns.
  return await enter(house, kek, object, value)
}

async function assertNone(house: House, kek: Kek): Promise<void> {
  const { keystore, label } = kek
  const fail = (what: string): never => {
    const how = '--replace makes a new one; "claviger hsm kek import" brings a copy'
    throw new KmsError('exists', `Cannot generate key-encrypting key: ${what}; ${how}`)
  }
  using copy = await house.settings.get(settingOf(keystore))
  if (copy !== undefined) fail(`there is a copy of one for HSM "${keystore}"`)
  for (const device of kek.devices()) {
    const { present } = await inspectKek(kek, device, undefined)
    if (present) fail(`HSM "${keystore}" has a key "${label}"`)
  }
}

/**
 * Brings a key-encrypting key: the devices that have it must have the same, the others get it.
 *
 * @param file Its bytes or PEM; absent: the copy that there is.
 * @throws `KmsError` `cryptographicFailure` where a device has another key; nothing changes then.
 */
export async function importKek(
  house: House,
  { name, file }: { readonly name?: string | undefined; readonly file?: string | undefined },
): Promise<KekReport> {
  const { kek, object } = kekNamed(house, name)
  if (file !== undefined && object !== undefined) {
    const what = `its copy is the object "${object}"; remove kek.object, or give no file`
    throw new KmsError('illegalOperation', `Cannot import key-encrypting key: ${what}`)
  }
  using value = file === undefined ? await kek.copy() : keyInFile(file)
  for (const device of kek.devices()) {
    const state = await inspectKek(kek, device, value.expose())
    if (state.present) assertAgrees(kek, state, file ?? 'the copy')
  }
  // The value is zeroed when this returns.
  return await enter(house, kek, object, value)
}

/** Into the devices that do not have it, and then sealed into the database. */
async function enter(
  house: House,
  kek: Kek,
  object: string | undefined,
  value: Secret,
): Promise<KekReport> {
  let installed = 0
  for (const device of kek.devices()) {
    // Devices that copy keys among themselves may have it by now.
    const before = await inspectKek(kek, device, undefined)
    if (!before.present) {
      await installKek(kek, device, value.expose())
      installed++
    }
    const state = await inspectKek(kek, device, value.expose())
    if (state.agrees !== true && !before.present) await removeKek(kek, device)
    assertAgrees(kek, state, 'the key')
  }
  if (object === undefined) {
    using copy = new Secret(Uint8Array.from(value.expose()))
    await house.settings.put(settingOf(kek.keystore), copy)
  }
  return { ...(await report(house, kek, object)), installed }
}

/** Longer than any file with a key in PEM. */
const FILE_BYTES_MAX = 4_096

function keyInFile(path: string): Secret {
  const content = Buffer.alloc(FILE_BYTES_MAX)
  try {
    const file = openSync(path, 'r')
    try {
      if (!fstatSync(file).isFile()) throw new Error('it is no file')
      const length = readSync(file, content)
      if (length === FILE_BYTES_MAX) throw new Error('it is too long for a key')
      return new Secret(kekOfFile(content.subarray(0, length)))
    } finally {
      closeSync(file)
    }
  } catch (error) {
    if (error instanceof KmsError) throw error
    const what = `Cannot read key-encrypting key: ${path}: ${(error as Error).message}`
    throw new KmsError('invalidField', what)
  } finally {
    content.fill(0)
  }
}
