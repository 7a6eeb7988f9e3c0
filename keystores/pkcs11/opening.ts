/**
 * The lanes of a host that has just been started: versions agreed upon, the token found, sessions
 * opened and logged in.
 *
 * PKCS#11 3.2 §5.4 to §5.6.
 *
 * @module
 */
import type { Duplex } from 'node:stream'
import { CKF } from '#spec/pkcs11/constants.ts'
import type { HostLog, HostOptions } from './host-device.ts'
import { type Calls, Lane } from './lane.ts'
import type { Login } from './login.ts'
import { negotiated } from './negotiation.ts'
import type { Quirks } from './quirks.ts'
import { Hopeless, openSession, slotOf, type Token, tokenIn } from './token.ts'

export interface Opening {
  /** Of the keystore. */
  readonly name: string
  readonly token: HostOptions['token']
  readonly callMilliseconds: number
  readonly log: HostLog
  readonly pin: () => Promise<string | undefined>
  readonly login: Login
  /** Of objects of the token; all lanes share them. */
  readonly handles: Map<string, number>
  readonly calls: Calls
  /** Is told what the device says it is, before anybody logs in. @returns How it differs. */
  readonly learn: (token: Token) => Quirks
}

/** What the first lane has found out of the device. */
interface Known {
  readonly serial: string | undefined
  readonly sessionsMax: number | undefined
}

/** As many sessions as are wanted and the device has; one after the other: the first logs in. */
export async function openLanes(streams: readonly Duplex[], opening: Opening): Promise<Lane[]> {
  const opened: Lane[] = []
  let known: Known | undefined
  const learn = (token: Token): Known => {
    known = { serial: token.token.serial, sessionsMax: opening.learn(token).sessionsMax }
    return known
  }
  for (const [index, stream] of streams.entries()) {
    const isFull = index > 0 && index >= (known?.sessionsMax ?? Infinity)
    const lane = isFull ? undefined : await openLane(stream, opening, known ?? learn, opened.length)
    if (lane === undefined) stream.destroy()
    else opened.push(lane)
  }
  if (opened.length < streams.length) {
    const counts = { wanted: streams.length, sessions: opened.length }
    const what = 'the HSM has fewer sessions than are wanted'
    opening.log.warn({ keystore: opening.name, ...counts }, what)
  }
  return opened
}

/** @returns Undefined where the device has no session left, and one may be done without. */
async function openLane(
  stream: Duplex,
  { token, callMilliseconds, login, handles, calls, ...opening }: Opening,
  known: Known | ((token: Token) => Known),
  others: number,
): Promise<Lane | undefined> {
  const pin = await opening.pin()
  const client = await negotiated(stream, callMilliseconds)
  await client.initialize()
  const slotID = await slotOf(client, token, pin !== undefined)
  const { serial } = typeof known === 'function' ? known(await tokenIn(client, slotID)) : known
  const hSession = await openSession(client, slotID, CKF.SERIAL_SESSION | CKF.RW_SESSION)
  if (hSession === undefined && others > 0) return undefined
  if (hSession === undefined) throw new Hopeless('it has no session left')
  if (pin !== undefined) await login.logIn(client, hSession, pin)
  return new Lane(client, hSession, { slotID, serial }, handles, calls)
}
