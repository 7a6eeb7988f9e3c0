/**
 * The life of an object: its states, what moves it from one to the next, and what each allows.
 *
 * KMIP 1.4 §3.22 and KMIP 2.1 §4.57 "State" (figure and table of transitions, after NIST SP 800-57
 * part 1); §3.23 to §3.30 of 1.4 for the dates. A state follows from its dates: it is worked out
 * whenever an object is read, not by a timer. The sweep (`core/sweep.ts`) only writes down what
 * time has done.
 *
 * @module
 */
import { RevocationReasonCode, State } from '#spec/kmip/enumerations.ts'
import { nameOf } from '#spec/kmip/table.ts'
import type { AttributeBag } from './attribute-bag.ts'
import { KmsError } from './errors.ts'

/**
 * Which state may follow which. The standard's diagram, and one arrow more: Revoke of a Pre-Active
 * object for a reason that is no compromise deactivates it, because clients do that before Destroy.
 */
const NEXT: Readonly<Record<State, readonly State[]>> = {
  [State.PreActive]: [State.Active, State.Deactivated, State.Compromised, State.Destroyed],
  [State.Active]: [State.Deactivated, State.Compromised],
  [State.Deactivated]: [State.Compromised, State.Destroyed],
  [State.Compromised]: [State.DestroyedCompromised],
  [State.Destroyed]: [State.DestroyedCompromised],
  [State.DestroyedCompromised]: [],
}

export function mayFollow(from: State, to: State): boolean {
  return NEXT[from].includes(to)
}

/** @throws {@link KmsError} `wrongState` when `to` cannot follow `from`. */
export function assertTransition(what: string, from: State, to: State): void {
  if (mayFollow(from, to)) return
  throw new KmsError('wrongState', `${what}: its state is ${stateName(from)}${wayOut(from, to)}`)
}

/** What has to be done first, where something helps. */
function wayOut(from: State, to: State): string {
  const step = NEXT[from].find((middle) => NEXT[middle].includes(to))
  const deeds: Partial<Record<State, string>> = {
    [State.Active]: 'activate it first',
    [State.Deactivated]: 'revoke it first',
    [State.Compromised]: 'revoke it first',
  }
  const deed = step === undefined ? undefined : deeds[step]
  return deed === undefined ? '' : `; ${deed}`
}

export function stateName(state: State): string {
  return nameOf(State, state).replace('PreActive', 'Pre-Active')
}

/** The state after time has done its work: dates that lie at or before `now` have been reached. */
export function stateAt(attributes: AttributeBag, now: number): State | undefined {
  let state = attributes.get('state')
  if (state === State.PreActive && reached(attributes.get('activationDate'), now)) {
    state = State.Active
  }
  if (state === State.Active && reached(attributes.get('deactivationDate'), now)) {
    state = State.Deactivated
  }
  return state
}

function reached(date: number | undefined, now: number): boolean {
  return date !== undefined && date <= now
}

/** When the stored state will next be wrong, in seconds since the epoch; undefined for never. */
export function nextDue(attributes: AttributeBag): number | undefined {
  const state = attributes.get('state')
  if (state === State.PreActive) return attributes.get('activationDate')
  if (state === State.Active) return attributes.get('deactivationDate')
  return undefined
}

/** State after Revoke, KMIP 1.4 §4.20. */
export function stateAfterRevoke(from: State, reason: number): State {
  if (!isCompromise(reason)) return State.Deactivated
  return from === State.Destroyed ? State.DestroyedCompromised : State.Compromised
}

export function isCompromise(reason: number): boolean {
  return (
    reason === RevocationReasonCode.KeyCompromise || reason === RevocationReasonCode.CACompromise
  )
}

export function isDestroyed(state: State | undefined): boolean {
  return state === State.Destroyed || state === State.DestroyedCompromised
}

/**
 * What a use of a key does: `protect` makes something that will be relied on (encrypt, sign, wrap,
 * MAC, derive), `process` takes such a thing apart (decrypt, verify, unwrap).
 */
export type Purpose = 'protect' | 'process'

/**
 * KMIP 1.4 §3.22, table "Cryptographic Object States Rules".
 *
 * @param what Called for the message of a refusal only.
 * @throws {@link KmsError} `wrongState` when the state or a date forbids the purpose now.
 */
export function assertUsable(
  what: () => string,
  attributes: AttributeBag,
  purpose: Purpose,
  now: number,
): void {
  const why =
    purpose === 'protect' ? protectRefusal(attributes, now) : processRefusal(attributes, now)
  if (why === undefined) return
  const hint = why.includes('Pre-Active') ? '; activate it first' : ''
  throw new KmsError('wrongState', `${what()}: ${why}${hint}`)
}

function protectRefusal(attributes: AttributeBag, now: number): string | undefined {
  const state = stateAt(attributes, now)
  if (state !== State.Active) return `its state is ${name(state)}, not Active`
  const stop = attributes.get('protectStopDate')
  return reached(stop, now) ? `its Protect Stop Date ${isoDate(stop)} has passed` : undefined
}

function processRefusal(attributes: AttributeBag, now: number): string | undefined {
  const state = stateAt(attributes, now)
  const allowed = [State.Active, State.Deactivated, State.Compromised]
  if (state === undefined || !(allowed as State[]).includes(state)) {
    return `its state is ${name(state)}`
  }
  const start = attributes.get('processStartDate')
  const ahead = start !== undefined && start > now
  return ahead ? `its Process Start Date ${isoDate(start)} lies ahead` : undefined
}

function name(state: State | undefined): string {
  return state === undefined ? 'unknown' : stateName(state)
}

/** A date for people, or the number where it has no calendar form. */
export function isoDate(seconds: number | undefined): string {
  const date = new Date((seconds ?? Number.NaN) * 1000)
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString().replace('.000Z', 'Z')
}
