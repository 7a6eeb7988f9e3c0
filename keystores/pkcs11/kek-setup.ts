/**
 * A key-encrypting key put into a device, and whether it is the key of our copy.
 *
 * It is taken in as CKA_SENSITIVE, not CKA_EXTRACTABLE and good for wrapping only, so that nobody
 * opens with the device what it has wrapped. Where a device takes no values (FIPS mode), it goes in
 * under an RSA key of the session (C_UnwrapKey). Whether device and copy have the same key shows on
 * a key that is made for the trial, in the session, and is gone afterwards.
 *
 * @module
 */
import { createCipheriv, publicEncrypt, randomBytes } from 'node:crypto'
import { KmsError } from '#core/errors.ts'
import { hashRow } from '#spec/algorithms.ts'
import { CKA, CKK, CKM, CKO, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError, rvName } from '#spec/pkcs11/errors.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import type { Attribute } from '#spec/pkcs11/types.ts'
import type { Device, DeviceSession } from './device.ts'
import { failureOf, isStale } from './failures.ts'
import { flagOf, type Kek, type KekWrap, wrapped } from './kek.ts'
import { newIv, openWrapped, UNWRAPPINGS, type Unwrapping } from './kek-forms.ts'
import { cipherOf, mechanismName } from './mechanisms.ts'
import { isFalse, isTrue, parametersOf, publicKeyOf } from './templates.ts'
import { attributesOf } from './temporaries.ts'

/** How a key-encrypting key does in one device. */
export interface KekState {
  readonly token: string | undefined
  readonly serial: string | undefined
  readonly present: boolean
  readonly handle?: number | undefined
  /** Names of the CKA_ flags that it has. */
  readonly flags?: readonly string[] | undefined
  /** The mechanism by which keys are wrapped. */
  readonly mechanism?: string | undefined
  readonly unwrap?: Unwrapping | undefined
  /** Whether the copy opens what it wraps; undefined where there is no copy, or no key. */
  readonly agrees?: boolean | undefined
  /** What is wrong with it, for people. */
  readonly problems: readonly string[]
  /** What is unwise. */
  readonly warnings: readonly string[]
}

/** How it is taken in: as a value, or under an RSA key of the device. */
export type Entrance = 'value' | 'rsa'

const FLAGS = {
  CKA_WRAP: CKA.WRAP,
  CKA_UNWRAP: CKA.UNWRAP,
  CKA_ENCRYPT: CKA.ENCRYPT,
  CKA_DECRYPT: CKA.DECRYPT,
  CKA_SENSITIVE: CKA.SENSITIVE,
  CKA_EXTRACTABLE: CKA.EXTRACTABLE,
  CKA_TRUSTED: CKA.TRUSTED,
} as const

/** @param copy Undefined where there is none. */
export async function inspectKek(
  kek: Kek,
  device: Device,
  copy: Uint8Array | undefined,
): Promise<KekState> {
  return onDevice(kek, device, 'look after key-encrypting key', async (session) => {
    const { token, serial } = device.status()
    // Whoever asks wants to know how it is now.
    kek.forget(session)
    const handle = await kek.look(session, 'Cannot look after key-encrypting key')
    const isThere = handle !== undefined && (await isObject(session, handle))
    if (!isThere) return { token, serial, present: false, problems: [], warnings: [] }
    const flags: string[] = []
    for (const [name, type] of Object.entries(FLAGS)) {
      if (await flagOf(session, handle, type)) flags.push(name)
    }
    const known = { token, serial, present: true, handle, flags }
    const warnings = warningsOf(flags)
    if (copy === undefined) return { ...known, problems: [], warnings }
    const { agrees, wrap, problems } = await tryWraps(kek, session, handle, copy)
    const mechanism = wrap && mechanismName(wrap.mechanism)
    return { ...known, mechanism, unwrap: wrap?.unwrap, agrees, problems, warnings }
  })
}

/** A handle that somebody has written down need not be one. */
async function isObject(session: DeviceSession, handle: number): Promise<boolean> {
  try {
    await flagOf(session, handle, CKA.WRAP)
    return true
  } catch (error) {
    if (isStale(error)) return false
    throw error
  }
}

function warningsOf(flags: readonly string[]): string[] {
  const has = (name: string): boolean => flags.includes(name)
  const warnings = []
  if (!has('CKA_WRAP')) warnings.push('it does not have CKA_WRAP: it cannot wrap')
  if (!has('CKA_SENSITIVE') || has('CKA_EXTRACTABLE')) {
    warnings.push('its value can leave the device: it should be CKA_SENSITIVE, not CKA_EXTRACTABLE')
  }
  for (const name of ['CKA_DECRYPT', 'CKA_UNWRAP'].filter(has)) {
    warnings.push(`it has ${name}: whoever may log in can open with it what it has wrapped`)
  }
  return warnings
}

interface Outcome {
  readonly agrees: boolean
  readonly wrap: KekWrap | undefined
  readonly problems: readonly string[]
}

/** Wraps a key that is made for it, in every way that counts. */
async function tryWraps(
  kek: Kek,
  session: DeviceSession,
  hKek: number,
  copy: Uint8Array,
): Promise<Outcome> {
  const wraps = kek.wraps()
  const [first] = wraps
  if (first === undefined) {
    return { agrees: false, wrap: undefined, problems: ['the device offers none of its kekWrap'] }
  }
  const problems: string[] = []
  let agrees = false
  await withTrialKey(session, async (hKey) => {
    for (const wrap of wraps) {
      const problem = await tryWrap(wrap, session, hKek, hKey, copy)
      if (problem === undefined && wrap === first) agrees = true
      if (problem !== undefined) problems.push(problem)
    }
  })
  return { agrees, wrap: first, problems }
}

async function tryWrap(
  { mechanism, unwrap }: KekWrap,
  session: DeviceSession,
  hKek: number,
  hKey: number,
  copy: Uint8Array,
): Promise<string | undefined> {
  const name = mechanismName(mechanism)
  const iv = newIv(unwrap)
  let bytes: Uint8Array
  try {
    bytes = await wrapped(session, { type: mechanism, parameter: iv }, hKek, hKey)
  } catch (error) {
    if (!(error instanceof CryptokiError)) throw error
    return `${name} is refused: ${rvName(error.rv)}`
  }
  const opens = UNWRAPPINGS.filter((one) => {
    const value = openWrapped(one, copy, bytes, iv)
    const isValue = value?.length === TRIAL_BYTES
    value?.fill(0)
    return isValue
  })
  if (opens.includes(unwrap)) return undefined
  const [other] = opens
  if (other === undefined) return `${name}: the copy is not the key of the device`
  return `${name} is ${other} here, not ${unwrap}: say so with kek.mechanism and kek.unwrap`
}

const TRIAL_BYTES = 32

async function withTrialKey(
  session: DeviceSession,
  work: (hKey: number) => Promise<void>,
): Promise<void> {
  const { phKey: hObject } = await session.call('C_GenerateKey', {
    pMechanism: { type: CKM.AES_KEY_GEN, parameter: undefined },
    pTemplate: [
      { type: CKA.TOKEN, value: isFalse },
      { type: CKA.SENSITIVE, value: isTrue },
      { type: CKA.EXTRACTABLE, value: isTrue },
      { type: CKA.VALUE_LEN, value: ulongBytes(TRIAL_BYTES) },
    ],
  })
  try {
    await work(hObject)
  } finally {
    await session.call('C_DestroyObject', { hObject })
  }
}

const ID_BYTES = 16

/** Puts it into a device that does not have it. */
export async function installKek(
  kek: Kek,
  device: Device,
  value: Uint8Array,
  entrance?: Entrance,
): Promise<void> {
  await onDevice(kek, device, 'import key-encrypting key', async (session) => {
    const attributes = kekTemplate(kek)
    kek.forget(session)
    if (entrance === 'rsa') return enterByRsa(device, session, attributes, value)
    try {
      const pTemplate = [...attributes, { type: CKA.VALUE, value }]
      await session.call('C_CreateObject', { pTemplate })
    } catch (error) {
      const mayTry = entrance === undefined && isNoEntrance(error)
      if (!mayTry) throw error
      await enterByRsa(device, session, attributes, value)
    }
  })
}

function kekTemplate(kek: Kek): readonly Attribute[] {
  const no = [CKA.UNWRAP, CKA.ENCRYPT, CKA.DECRYPT, CKA.SIGN, CKA.VERIFY, CKA.DERIVE]
  return [
    { type: CKA.CLASS, value: ulongBytes(CKO.SECRET_KEY) },
    { type: CKA.KEY_TYPE, value: ulongBytes(CKK.AES) },
    { type: CKA.TOKEN, value: isTrue },
    { type: CKA.PRIVATE, value: isTrue },
    { type: CKA.SENSITIVE, value: isTrue },
    { type: CKA.EXTRACTABLE, value: isFalse },
    { type: CKA.WRAP, value: isTrue },
    ...no.map((type) => ({ type, value: isFalse })),
    { type: CKA.ID, value: kek.id ?? randomBytes(ID_BYTES) },
    { type: CKA.LABEL, value: Buffer.from(kek.label) },
  ]
}

/** What devices say that take no values of secret keys. */
const NO_ENTRANCE: ReadonlySet<number> = new Set([
  CKR.TEMPLATE_INCONSISTENT,
  CKR.ATTRIBUTE_VALUE_INVALID,
  CKR.ATTRIBUTE_READ_ONLY,
  CKR.ATTRIBUTE_TYPE_INVALID,
  CKR.ATTRIBUTE_SENSITIVE,
  CKR.FUNCTION_NOT_SUPPORTED,
  CKR.ACTION_PROHIBITED,
])

function isNoEntrance(error: unknown): boolean {
  return error instanceof CryptokiError && NO_ENTRANCE.has(error.rv)
}

const RSA = { algorithm: 'RSA', bits: 2048 } as const

async function enterByRsa(
  { quirks }: Device,
  session: DeviceSession,
  pTemplate: readonly Attribute[],
  value: Uint8Array,
): Promise<void> {
  const token = { type: CKA.TOKEN, value: isFalse }
  const { phPublicKey, phPrivateKey: hUnwrappingKey } = await session.call('C_GenerateKeyPair', {
    pMechanism: { type: CKM.RSA_PKCS_KEY_PAIR_GEN, parameter: undefined },
    pPublicKeyTemplate: [token, ...parametersOf(RSA)],
    pPrivateKeyTemplate: [token, { type: CKA.UNWRAP, value: isTrue }],
  })
  try {
    const parts = [CKA.MODULUS, CKA.PUBLIC_EXPONENT]
    const key = publicKeyOf(RSA, await attributesOf(session, phPublicKey, parts))
    const hash = quirks.oaep.hashes?.[0] ?? 'SHA_256'
    const pWrappedKey = publicEncrypt({ key, oaepHash: hashRow(hash).node }, value)
    const mechanism = { cipher: 'RSA_PKCS_OAEP', hash, mgfHash: hash } as const
    const pMechanism = cipherOf(mechanism, pWrappedKey.length, CKM.RSA_PKCS_OAEP)
    await session.call('C_UnwrapKey', { pMechanism, hUnwrappingKey, pWrappedKey, pTemplate })
  } finally {
    for (const hObject of [phPublicKey, hUnwrappingKey]) {
      await session.call('C_DestroyObject', { hObject })
    }
  }
}

/** Takes it out of a device; what is not there is no error. */
export async function removeKek(kek: Kek, device: Device): Promise<void> {
  await onDevice(kek, device, 'destroy key-encrypting key', async (session) => {
    kek.forget(session)
    for (const hObject of await session.find(kek.template())) {
      await kek.assertIsNoRoot(session, hObject, 'Cannot destroy key-encrypting key')
      await session.call('C_DestroyObject', { hObject })
    }
  })
}

async function onDevice<T>(
  { keystore }: Kek,
  device: Device,
  what: string,
  work: (session: DeviceSession) => Promise<T>,
): Promise<T> {
  try {
    return await device.use(work)
  } catch (error) {
    throw failureOf(keystore, what, error)
  }
}

const CHECK_BYTES = 3

/** CKA_CHECK_VALUE of PKCS#11 3.2 §4.10.2, by which people compare keys. */
export function checkValueOf(key: Uint8Array): string {
  const cipher = createCipheriv(`aes-${key.length * 8}-ecb`, key, null)
  return cipher.update(Buffer.alloc(16)).toString('hex', 0, CHECK_BYTES).toUpperCase()
}

/** @throws `KmsError` `cryptographicFailure` where device and copy differ. */
export function assertAgrees(kek: Kek, { agrees, problems }: KekState, whose: string): void {
  if (agrees === true) return
  const what = `Cannot use ${whose} as key-encrypting key "${kek.label}" of HSM "${kek.keystore}"`
  throw new KmsError('cryptographicFailure', `${what}: ${problems.join('; ')}`)
}
