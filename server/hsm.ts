/**
 * Keystores of HSMs, as the configuration has them, and the adoption of what is in them.
 *
 * @module
 */
import { fileURLToPath } from 'node:url'
import type { Services } from '#core/context.ts'
import { KmsError } from '#core/errors.ts'
import { keyInUse } from '#core/keys.ts'
import type { Foundling, Keystore } from '#core/keystore.ts'
import type { AnnouncedMakings } from '#core/makings.ts'
import { type Adoption, adopt } from '#core/operations/adopt.ts'
import type { Secret } from '#core/secret.ts'
import type { Device, DeviceStatus } from '#keystores/pkcs11/device.ts'
import { GroupDevice } from '#keystores/pkcs11/group-device.ts'
import { HostDevice, type HostOptions } from '#keystores/pkcs11/host-device.ts'
import type { KekOptions } from '#keystores/pkcs11/kek.ts'
import { Pkcs11Keystore } from '#keystores/pkcs11/pkcs11.ts'
import { type Probe, probe } from '#keystores/pkcs11/probe.ts'
import { generic, models, type Quirks, readQuirks } from '#keystores/pkcs11/quirks.ts'
import type { SlotChoice } from '#keystores/pkcs11/token.ts'
import { type Config, ConfigError } from './config.ts'
import type { House } from './house.ts'
import type { Logger } from './log.ts'
import { secretText } from './private-files.ts'

export type HsmConfig = Extract<Config['keystores'][number], { readonly type: 'pkcs11' }>

const HOST = fileURLToPath(new URL('./hsm-host.ts', import.meta.url))
const NODE_OPTIONS = ['--disable-warning=ExperimentalWarning']

/**
 * @param beside Keeps public keys and what is no key.
 * @param source Who has copies of key-encrypting keys.
 */
export function hsmKeystore(
  config: HsmConfig,
  beside: Keystore,
  device: Device,
  source?: KekSource,
  makings?: AnnouncedMakings,
): Pkcs11Keystore {
  const { name, extractable, administrators, identifierSlot } = config
  const adoptsCalled = config.adopt !== 'never'
  const kek = kekOptions(config, source)
  const makingsHere = makings && {
    announce: (object: string, handle: Uint8Array) => makings.announce(name, object, handle),
    withdraw: (handle: Uint8Array) => makings.withdraw(name, handle),
    isUnderWay: (found: Foundling) => makings.isUnderWay(name, found),
  }
  const places = { administrators, identifierSlot, adoptsCalled }
  const options = { name, extractable, ...places, kek, makings: makingsHere }
  return new Pkcs11Keystore(options, device, beside)
}

/** Where a PIN may come from that is not in a file. */
export interface PinSources {
  /** Asks a person; absent where nobody can be asked. */
  readonly ask?: ((prompt: string) => Promise<string>) | undefined
  /** The value of a managed object. */
  readonly object?: ((id: string) => Promise<string>) | undefined
}

/** The copy of a keystore's key-encrypting key, or of the object that is it. */
export type KekSource = (keystore: string, object: string | undefined) => Promise<Secret>

function kekOptions(
  { name, kek }: HsmConfig,
  source: KekSource | undefined,
): KekOptions | undefined {
  if (kek === undefined) return undefined
  const { id, object, ...rest } = kek
  const copy = async (): Promise<Secret> => {
    if (source !== undefined) return source(name, object)
    const what = `Cannot use HSM "${name}": its key-encrypting key is sealed, and no database is open`
    throw new KmsError('keystoreUnavailable', what)
  }
  return { ...rest, id: id === undefined ? undefined : Buffer.from(id, 'hex'), copy }
}

/**
 * The device of a keystore, or several that have the same keys; not started yet.
 *
 * @throws `ConfigError` when the token or the PIN is not said.
 */
export function hsmDevice(config: HsmConfig, log: Logger, sources: PinSources): Device {
  const { name, module, environment, reserved, others } = config
  const pin = pinOf(config, sources, log)
  const first = member(config, config, pin, log)
  if (others.length === 0) return first
  const rest = others.map((other, index) => {
    const given = Object.entries(other).filter(([, value]) => value !== undefined)
    const usual = { module, environment, reserved, name: `${name} ${index + 2}` }
    return member(config, { ...usual, ...Object.fromEntries(given) }, pin, log)
  })
  return new GroupDevice(name, [first, ...rest])
}

type Member = Pick<HsmConfig, 'name' | 'module' | 'environment'> &
  Partial<Pick<HsmConfig, 'reserved' | 'slot' | 'label' | 'serial'>>

function hostCommand(
  module: string,
  lanes: number,
  spinMicroseconds: number,
  reserved: string | undefined,
): HostOptions['command'] {
  const args = [...NODE_OPTIONS, HOST, module, String(lanes), String(spinMicroseconds)]
  return [process.execPath, ...args, ...(reserved === undefined ? [] : [reserved])]
}

function member(config: HsmConfig, own: Member, pin: HostOptions['pin'], log: Logger): HostDevice {
  const { sessions, callSeconds, spinMicroseconds } = config
  return new HostDevice({
    name: own.name,
    command: hostCommand(own.module, sessions, spinMicroseconds, own.reserved),
    spinMicroseconds,
    environment: { ...withheld(config.pinVariable), ...own.environment },
    token: tokenOf(own),
    pin,
    pinFrom: pinFrom(config),
    lanes: sessions,
    callMilliseconds: callSeconds * 1_000,
    quirks: quirksFor(config),
    log,
  })
}

/** The server's own secrets, which are no business of a vendor's module: none of them is given. */
function withheld(pinVariable: string | undefined): Record<string, undefined> {
  const own = Object.keys(process.env).filter((name) => name.startsWith('CLAVIGER_'))
  const names = pinVariable === undefined ? own : [...own, pinVariable]
  return Object.fromEntries(names.map((name) => [name, undefined]))
}

/** Undefined where the device shall say what it is. */
function quirksFor({ name, model, quirks }: HsmConfig): Quirks | undefined {
  if (quirks !== undefined) {
    try {
      return readQuirks(quirks)
    } catch (error) {
      throw new ConfigError(`keystores: "${name}": ${(error as Error).message}`)
    }
  }
  if (model === undefined) return undefined
  const found = models().get(model)
  if (found !== undefined) return found
  const known = [...models().keys()].join(', ')
  throw new ConfigError(`keystores: "${name}": there is no model "${model}"; there are: ${known}`)
}

function tokenOf({
  name,
  slot,
  label,
  serial,
}: Pick<HsmConfig, 'name'> & Partial<Pick<HsmConfig, 'slot' | 'label' | 'serial'>>): SlotChoice {
  const given = [slot, label, serial].filter((one) => one !== undefined)
  if (given.length !== 1) {
    throw new ConfigError(`keystores: "${name}" must name its token by one of slot, label, serial`)
  }
  if (slot !== undefined) return { slot }
  return label === undefined ? { serial: serial as string } : { label }
}

/** One source of the PIN; none where the token needs no PIN. */
function pinOf(config: HsmConfig, { ask, object }: PinSources, log: Logger): HostOptions['pin'] {
  const { name, pinFile, pinVariable, pinPrompt, pinObject } = config
  const given = { pinFile, pinVariable, pinPrompt: pinPrompt || undefined, pinObject }
  const named = Object.entries(given).flatMap(([key, one]) => (one === undefined ? [] : key))
  if (named.length > 1) {
    throw new ConfigError(`keystores: "${name}" has ${named.join(' and ')}; one is enough`)
  }
  if (pinPrompt) return () => asked(config, ask)
  if (pinObject !== undefined) return () => ofObject(config, pinObject, object)
  if (pinVariable !== undefined) {
    const pin = process.env[pinVariable]
    if (pin !== undefined && pin !== '') return pin
    throw new ConfigError(`keystores: "${name}": the variable ${pinVariable} is not set`)
  }
  if (pinFile === undefined) return undefined
  // It is there now, and read again whenever a host starts after the device has refused it.
  pinIn(name, pinFile, log)
  return async () => pinIn(name, pinFile, log)
}

function pinIn(name: string, pinFile: string, log: Logger): string {
  try {
    return secretText(pinFile, log)
  } catch (error) {
    throw new ConfigError(`keystores: "${name}": ${pinFile}: ${(error as Error).message}`)
  }
}

/** Where the PIN is from, in the words of the configuration. */
function pinFrom({ pinFile, pinVariable, pinPrompt, pinObject }: HsmConfig): string | undefined {
  if (pinFile !== undefined) return `pinFile ${pinFile}`
  if (pinVariable !== undefined) return `pinVariable ${pinVariable}`
  if (pinObject !== undefined) return `pinObject ${pinObject}`
  return pinPrompt ? 'pinPrompt' : undefined
}

async function asked({ name }: HsmConfig, ask: PinSources['ask']): Promise<string> {
  if (ask !== undefined) return ask(`PIN of HSM "${name}": `)
  const what = `Cannot use HSM "${name}": its PIN has to be asked for, and there is no terminal`
  throw new KmsError('keystoreUnavailable', what)
}

async function ofObject(
  { name }: HsmConfig,
  id: string,
  object: PinSources['object'],
): Promise<string> {
  if (object !== undefined) return object(id)
  const what = `Cannot use HSM "${name}": its PIN is an object, and no database is open`
  throw new KmsError('keystoreUnavailable', what)
}

/** The PIN that a managed object is: Secret Data in another keystore. */
export async function pinOfObject(services: Services, id: string): Promise<string> {
  const object = await services.store.object(id)
  if (object?.material === undefined) {
    throw new KmsError('notFound', `Cannot find PIN: there is no object "${id}" with a value`)
  }
  const keystore = services.keystores.named(object.material.keystore)
  if (keystore instanceof Pkcs11Keystore) {
    throw new KmsError('illegalOperation', `Cannot use "${id}" as a PIN: it is in an HSM itself`)
  }
  using value = await keystore.export(keyInUse(object))
  return Buffer.from(value.expose()).toString('utf8')
}

/** An HSM of the configuration and how it does. */
export type HsmStatus = DeviceStatus & { readonly name: string; readonly module: string }

/** The same with what is still to be destroyed there. */
export type HsmListed = HsmStatus & { readonly owed: number; readonly owedIn: readonly string[] }

export async function hsmList(house: House): Promise<readonly HsmListed[]> {
  const owed = await house.services.destructions.owed(house.services)
  return hsmStatus(house).map((status) => {
    const own = owed.filter(({ keystore }) => keystore === status.name)
    const owedIn = [...new Set(own.flatMap(({ places = [] }) => places))].toSorted()
    return { ...status, owed: own.length, owedIn }
  })
}

export function hsmStatus(house: House): readonly HsmStatus[] {
  return hsms(house).map(([config, keystore]) => {
    return { name: config.name, module: config.module, ...keystore.status() }
  })
}

/** The HSMs of the configuration. */
export function hsms({
  config,
  services,
}: House): readonly (readonly [HsmConfig, Pkcs11Keystore])[] {
  return config.keystores.flatMap((one) => {
    const keystore = services.keystores.named(one.name)
    const isHsm = one.type === 'pkcs11' && keystore instanceof Pkcs11Keystore
    return isHsm ? [[one, keystore] as const] : []
  })
}

/**
 * Makes objects of what is in an HSM.
 *
 * @param wanted Name of the keystore; the only one needs none.
 * @throws `KmsError` `notFound`, and those of the keystore.
 */
export async function adoptKeys(house: House, wanted: string | undefined): Promise<Adoption> {
  const all = hsms(house)
  const found = all.filter(([{ name }]) => wanted === undefined || name === wanted)
  const [one] = found
  if (one !== undefined && found.length === 1) return adoptFrom(house, ...one)
  const names = all.map(([{ name }]) => name).join(', ') || 'none'
  const what = wanted === undefined ? 'say which HSM' : `there is no HSM "${wanted}"`
  throw new KmsError('notFound', `Cannot adopt keys: ${what}; there are: ${names}`)
}

/** At the start of the server: an HSM that is away does not keep it from starting. */
export async function adoptAtStart(
  house: House,
  config: HsmConfig,
  keystore: Pkcs11Keystore,
): Promise<void> {
  if (config.adopt !== 'start') return
  const { log } = house.services
  try {
    const result = await adoptFrom(house, config, keystore)
    log.info({ keystore: config.name, ...result }, 'keys of the HSM are objects')
  } catch (err) {
    const reason = (err as Error).message
    log.warn({ keystore: config.name, reason }, 'keys of the HSM could not be adopted')
  }
}

async function adoptFrom(
  house: House,
  { name, adoptOwner }: HsmConfig,
  keystore: Pkcs11Keystore,
): Promise<Adoption> {
  const owner = await house.credentials.named(adoptOwner)
  if (owner === undefined) {
    const what = `Cannot adopt keys of "${name}": there is no credential "${adoptOwner}"`
    throw new KmsError('notFound', what)
  }
  const { services } = house
  await services.destructions.finish(services, name)
  const now = Math.floor(services.clock() / 1_000)
  const principal = { name: owner.name, scope: owner.scope }
  const context = { services, principal, front: 'hsm', operation: 'Adopt', now }
  return adopt(context, keystore)
}

/** A module that no configuration names. */
export interface ModuleWish {
  readonly module: string
  readonly slot?: number | undefined
  readonly label?: string | undefined
  readonly serial?: string | undefined
  readonly reserved?: string | undefined
  readonly environment: Readonly<Record<string, string>>
  readonly pin: string | undefined
}

/** Tries out a device in a host of its own; the server is not needed. */
export async function probeModule(wish: ModuleWish, model: string, log: Logger): Promise<Probe> {
  const { module, reserved, environment, pin, slot, label, serial } = wish
  if (slot === undefined && label === undefined && serial === undefined) {
    throw new ConfigError(`Cannot probe ${module}: name the token by --slot, --label or --serial`)
  }
  const lanes = 1
  const device = new HostDevice({
    name: module,
    command: hostCommand(module, lanes, 0, reserved),
    environment: { ...withheld(undefined), ...environment },
    token: tokenOf({ ...wish, name: module }),
    pin,
    lanes,
    callMilliseconds: PROBE_MILLISECONDS,
    // What is known of the model already would hide what is to be found out.
    quirks: generic(),
    log,
  })
  try {
    return await probe(device, model)
  } finally {
    await device.close()
  }
}

/** Devices take long to make an RSA key. */
const PROBE_MILLISECONDS = 120_000
