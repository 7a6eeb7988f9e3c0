/**
 * The token that a host's module is asked for: which slot it is in, what it says of itself, and a
 * session with it (`login.ts` logs in).
 *
 * PKCS#11 3.2 §5.5 and §5.6. Each function asks once; what an error means for the host is the
 * caller's to say ({@link isHopeless}).
 *
 * @module
 */
import type { Pkcs11Client } from '#clients/pkcs11-rpc/client.ts'
import { CKF, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError, rvName } from '#spec/pkcs11/errors.ts'
import type { Results } from '#spec/pkcs11/types.ts'
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
      manufacturer: textOf(library.manufacturerID),
      library: textOf(library.libraryDescription),
      tokenManufacturer: textOf(token.manufacturerID),
      model: textOf(token.model),
    },
    token: { slot: slotID, token: textOf(token.label), serial: textOf(token.serialNumber) },
    mechanisms: await mechanismsOf(client, slotID),
  }
}

/** @throws {@link Hopeless} where no slot has such a token, or it cannot be used so. */
export async function slotOf(
  client: Pkcs11Client,
  token: SlotChoice,
  hasPin: boolean,
): Promise<number> {
  const { pSlotList } = await client.call('C_GetSlotList', {
    tokenPresent: true,
    pSlotList: LIST_MAX,
  })
  const slots = typeof pSlotList === 'number' ? [] : pSlotList
  const seen: string[] = []
  let failure: CryptokiError | undefined
  for (const slotID of slots) {
    const pInfo = await tokenInfo(client, slotID)
    if (pInfo instanceof CryptokiError) {
      // A token that is broken or of another kind does not stand in the way of its neighbours.
      failure = pInfo
      seen.push(`slot ${slotID} (${rvName(pInfo.rv)})`)
      continue
    }
    const [label, serial] = [textOf(pInfo.label), textOf(pInfo.serialNumber)]
    seen.push(`slot ${slotID} "${label}"`)
    const isIt =
      ('slot' in token && token.slot === slotID) ||
      ('label' in token && token.label === label) ||
      ('serial' in token && token.serial === serial)
    if (!isIt) continue
    if ((pInfo.flags & CKF.TOKEN_INITIALIZED) === 0) {
      const what = `the token in slot ${slotID} is not initialised`
      throw new Hopeless(`${what}; do so by its maker's means`)
    }
    if (hasPin || (pInfo.flags & CKF.LOGIN_REQUIRED) === 0) return slotID
    throw new Hopeless('its token wants a PIN; give pinFile, pinVariable, pinPrompt or pinObject')
  }
  const [[key, value] = []] = Object.entries(token)
  const there = seen.join(', ') || 'none'
  const what = `it has no token of ${key} ${JSON.stringify(value)}; it has: ${there}`
  // The one that says nothing may be the one.
  throw failure === undefined ? new Hopeless(what) : new Error(what, { cause: failure })
}

/** What a slot's token says of itself, or why it says nothing. */
async function tokenInfo(
  client: Pkcs11Client,
  slotID: number,
): Promise<Results<'C_GetTokenInfo'>['pInfo'] | CryptokiError> {
  try {
    return (await client.call('C_GetTokenInfo', { slotID })).pInfo
  } catch (error) {
    if (error instanceof CryptokiError) return error
    throw error
  }
}

/** Trying again would not help. */
export class Hopeless extends Error {}

export function isHopeless(error: unknown): boolean {
  return error instanceof Hopeless
}

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

/** Padded with blanks, as the standard has it; some pad with zeros, and end a C string with one. */
export function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end))
    .toString('utf8')
    .trimEnd()
}
