/**
 * The token that a host's module is asked for: which slot it is in, what it says of itself, and a
 * session with it that is logged in.
 *
 * PKCS#11 3.2 §5.5 and §5.6. Each function asks once; what an error means for the host is the
 * caller's to say ({@link isHopeless}).
 *
 * @module
 */
import type { Pkcs11Client } from '#clients/pkcs11-rpc/client.ts'
import { CKR, CKU } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { DeviceStatus } from './device.ts'
import type { Identity } from './quirks.ts'

/** Slots and mechanisms of a module. */
const LIST_MAX = 1_000

/** Which of the module's slots. */
export type SlotChoice =
  | { readonly slot: number }
  | { readonly label: string }
  | { readonly serial: string }

export interface MechanismInfo {
  readonly ulMinKeySize: number
  readonly ulMaxKeySize: number
  readonly flags: number
}

/** A token, as it says of itself. */
export interface Token {
  readonly identity: Identity
  readonly token: Pick<DeviceStatus, 'token' | 'serial' | 'slot'>
  readonly mechanisms: ReadonlyMap<number, MechanismInfo>
}

/** What a token is and offers. */
export async function tokenIn(client: Pkcs11Client, slotID: number): Promise<Token> {
  const { pInfo: library } = await client.call('C_GetInfo', {})
  const { pInfo: token } = await client.call('C_GetTokenInfo', { slotID })
  return {
    identity: {
      manufacturer: text(library.manufacturerID),
      library: text(library.libraryDescription),
      tokenManufacturer: text(token.manufacturerID),
      model: text(token.model),
    },
    token: { slot: slotID, token: text(token.label), serial: text(token.serialNumber) },
    mechanisms: await mechanismsOf(client, slotID),
  }
}

/** @throws {@link Hopeless} where no slot has such a token. */
export async function slotOf(
  client: Pkcs11Client,
  { token, name }: { readonly token: SlotChoice; readonly name: string },
): Promise<number> {
  const { pSlotList } = await client.call('C_GetSlotList', {
    tokenPresent: true,
    pSlotList: LIST_MAX,
  })
  const slots = typeof pSlotList === 'number' ? [] : pSlotList
  const seen: string[] = []
  for (const slotID of slots) {
    const { pInfo } = await client.call('C_GetTokenInfo', { slotID })
    const [label, serial] = [text(pInfo.label), text(pInfo.serialNumber)]
    seen.push(`${slotID} "${label}"`)
    if ('slot' in token && token.slot === slotID) return slotID
    if ('label' in token && token.label === label) return slotID
    if ('serial' in token && token.serial === serial) return slotID
  }
  const wanted = JSON.stringify(token)
  throw new Hopeless(`"${name}" has no token ${wanted}; it has: ${seen.join(', ') || 'none'}`)
}

/** Trying again would not help. */
export class Hopeless extends Error {}

export function isHopeless(error: unknown): boolean {
  if (error instanceof Hopeless) return true
  // Another attempt would cost another try of the PIN.
  return error instanceof CryptokiError && PIN_FAILURES.has(error.rv)
}

const PIN_FAILURES: ReadonlySet<number> = new Set([
  CKR.PIN_INCORRECT,
  CKR.PIN_LOCKED,
  CKR.PIN_EXPIRED,
  CKR.PIN_LEN_RANGE,
  CKR.PIN_INVALID,
  CKR.USER_PIN_NOT_INITIALIZED,
])

/** @returns Undefined where the device has no session left. */
export async function openSession(
  client: Pkcs11Client,
  slotID: number,
  flags: number,
): Promise<number | undefined> {
  try {
    return (await client.call('C_OpenSession', { slotID, flags })).phSession
  } catch (error) {
    if (error instanceof CryptokiError && NO_SESSIONS.has(error.rv)) return undefined
    throw error
  }
}

const NO_SESSIONS: ReadonlySet<number> = new Set([CKR.SESSION_COUNT, CKR.DEVICE_MEMORY])

export async function logIn(client: Pkcs11Client, hSession: number, pin: string): Promise<void> {
  try {
    await client.call('C_Login', { hSession, userType: CKU.USER, pPin: Buffer.from(pin) })
  } catch (error) {
    const isKnown = error instanceof CryptokiError && error.rv === CKR.USER_ALREADY_LOGGED_IN
    if (!isKnown) throw error
  }
}

async function mechanismsOf(
  client: Pkcs11Client,
  slotID: number,
): Promise<Map<number, MechanismInfo>> {
  const { pMechanismList } = await client.call('C_GetMechanismList', {
    slotID,
    pMechanismList: LIST_MAX,
  })
  if (typeof pMechanismList === 'number') {
    throw new Hopeless(`it has ${pMechanismList} mechanisms, more than ${LIST_MAX}`)
  }
  const infos = await Promise.allSettled(
    pMechanismList.map((type) => client.call('C_GetMechanismInfo', { slotID, type })),
  )
  const known = new Map<number, MechanismInfo>()
  for (const [index, info] of infos.entries()) {
    // Some devices list what they then know nothing of.
    if (info.status === 'fulfilled') known.set(pMechanismList[index] as number, info.value.pInfo)
  }
  return known
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8').trimEnd()
}
