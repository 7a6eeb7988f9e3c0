/**
 * Identical HSMs as one device: they have the same keys, by whatever means of their maker.
 *
 * Work goes to the member with the least to do. When a member is away, the others go on: what had
 * not begun goes to the next one, and so does what changes nothing; anything else may have
 * happened, and is not tried twice. A key that a member does not have yet is looked for in the
 * others, and so is a mechanism that fails in one. What is destroyed is so in all that can be
 * reached, and whoever asks is told where it is still to be done.
 *
 * @module
 */
import { setTimeout as delay } from 'node:timers/promises'
import { KmsError } from '#core/errors.ts'
import type { Mechanism } from '#spec/pkcs11/types.ts'
import type { Device, DeviceSession, DeviceStatus, Need } from './device.ts'
import { isGone, isOfOneDevice, unavailable } from './failures.ts'
import type { HostDevice } from './host-device.ts'
import type { Verb } from './quick.ts'
import type { Quirks } from './quirks.ts'

/** How often a member looks for a key that it does not know, and how long that takes. */
const LEARN_MILLISECONDS = 5_000
const TAKES_MILLISECONDS = 100
const LOOKED_MAX = 10_000
/** How long a member that is starting is waited for, where others can do without it. */
const BACK_MILLISECONDS = 1_000

export class GroupDevice implements Device {
  readonly #name: string
  readonly #members: readonly [HostDevice, ...HostDevice[]]
  /** Pieces of work that each has been given and has not finished. */
  readonly #busy = new Map<HostDevice, number>()
  /** When a member that did not know a key was last to look for it. */
  readonly #looked = new Map<string, number>()

  constructor(name: string, members: readonly [HostDevice, ...HostDevice[]]) {
    this.#name = name
    this.#members = members
  }

  get members(): readonly HostDevice[] {
    return this.#members
  }

  get quirks(): Quirks {
    return this.#first().quirks
  }

  get hasOthers(): boolean {
    return this.#members.length > 1
  }

  get isKnown(): boolean {
    return this.#members.some(({ isKnown }) => isKnown)
  }

  /** Resolves when one of them can be asked. */
  async ready(): Promise<void> {
    try {
      await Promise.any(this.#members.map((member) => member.ready()))
    } catch (error) {
      const reasons = (error as AggregateError).errors as readonly Error[]
      throw unavailable(this.#name, reasons.map(({ message }) => message).join('; '))
    }
  }

  lacks(need: Need): string | undefined {
    return this.#first().lacks(need)
  }

  async use<T>(work: (session: DeviceSession) => Promise<T>, repeatable = false): Promise<T> {
    let failure: unknown
    const reasons: string[] = []
    for (const member of this.#inOrder()) {
      let hasBegun = false
      try {
        this.#count(member, 1)
        return await member.use((session) => {
          hasBegun = true
          return work(session)
        }, false)
      } catch (error) {
        failure = error
        if (isUnavailable(error)) reasons.push((error as Error).message)
        const isAway = isGone(error) || isUnavailable(error)
        const isOwn = isAway || isMissing(error) || isOfOneDevice(error)
        const mayTryNext = hasBegun ? repeatable && isOwn : isAway
        if (!mayTryNext) throw error
      } finally {
        this.#count(member, -1)
      }
    }
    // Each has its own reason, and the last one's alone would mislead.
    if (reasons.length < this.#members.length) throw failure
    throw unavailable(this.#name, reasons.join('; '))
  }

  /**
   * In all that can be reached, at least in one; one after the other, because two that are ways to
   * one token would fail over the same object.
   */
  async each(
    work: (session: DeviceSession) => Promise<void>,
    places?: readonly string[],
  ): Promise<readonly string[]> {
    const named = this.#members.filter(({ place }) => places?.includes(place))
    // Where the configuration has other members by now, nobody knows which of them is meant.
    const isKnown = named.length === places?.length
    if (!isKnown) await this.ready()
    const left: string[] = []
    const failures: unknown[] = []
    for (const member of isKnown ? named : this.#members) {
      try {
        if (!(await isBack(member))) left.push(member.place)
        else await member.use(work, true)
      } catch (error) {
        if (isGone(error) || isUnavailable(error)) left.push(member.place)
        else failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
    if (isKnown || left.length < this.#members.length) return left
    throw unavailable(this.#name, `${left.join(', ')}: none of them can be reached`)
  }

  quick(
    reference: string,
    verb: Verb,
    mechanism: Mechanism,
    data: Uint8Array,
  ): Promise<Uint8Array> | undefined {
    const running = this.#members.filter((member) => member.isRunning)
    let best: HostDevice | undefined
    for (const member of running) {
      if (best !== undefined && member.load >= best.load) continue
      if (member.knows(reference) || this.#mayLearn(member, reference)) best = member
    }
    return best?.quick(reference, verb, mechanism, data)
  }

  /** One that does not know a key looks for it now and then, and does not hold up the others. */
  #mayLearn({ name }: HostDevice, reference: string): boolean {
    const key = `${name} ${reference}`
    const now = performance.now()
    const since = now - (this.#looked.get(key) ?? -LEARN_MILLISECONDS)
    if (since < LEARN_MILLISECONDS) return since < TAKES_MILLISECONDS
    if (this.#looked.size >= LOOKED_MAX) this.#looked.clear()
    this.#looked.set(key, now)
    return true
  }

  #count(member: HostDevice, change: number): void {
    this.#busy.set(member, (this.#busy.get(member) ?? 0) + change)
  }

  /** Those that run first, the least busy before the others. */
  #inOrder(): readonly HostDevice[] {
    const rated = this.#members.map((member, index) => {
      const { state } = member.status()
      const isRunning = state === 'running'
      // It comes back by itself, and nobody waits for it meanwhile.
      if (state === 'stopped') member.ready().catch(() => undefined)
      const load = Math.max(member.load, this.#busy.get(member) ?? 0)
      return { member, index, isRunning, load }
    })
    return rated
      .toSorted((a, b) => {
        return Number(b.isRunning) - Number(a.isRunning) || a.load - b.load || a.index - b.index
      })
      .map(({ member }) => member)
  }

  #first(): HostDevice {
    return this.#members.find((one) => one.status().state === 'running') ?? this.#members[0]
  }

  status(): DeviceStatus {
    const all = this.#members.map((member) => member.status())
    const sum = (of: (one: DeviceStatus) => number): number =>
      all.reduce((total, one) => total + of(one), 0)
    return {
      ...this.#first().status(),
      lastFailure: this.#lastFailure(),
      sessions: sum(({ sessions }) => sessions),
      sessionsIdle: sum(({ sessionsIdle }) => sessionsIdle),
      waiting: sum(({ waiting }) => waiting),
      starts: sum(({ starts }) => starts),
      calls: summed(all.map(({ calls }) => calls)),
      members: all,
    }
  }

  /** Of those that do not run, or else of any; which of them it is stands before it. */
  #lastFailure(): string | undefined {
    const failed = this.#members.flatMap((member) => {
      const { state, lastFailure } = member.status()
      const said = `"${member.name}" ${state === 'running' ? 'had failed' : `is ${state}`}`
      return lastFailure === undefined ? [] : [{ state, text: `${said}: ${lastFailure}` }]
    })
    const away = failed.filter(({ state }) => state !== 'running')
    const told = away.length > 0 ? away : failed.slice(0, 1)
    return told.length === 0 ? undefined : told.map(({ text }) => text).join('; ')
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.close()))
  }
}

function summed(all: readonly DeviceStatus['calls'][]): DeviceStatus['calls'] {
  const total: Record<string, number> = {}
  for (const [name, count] of all.flatMap((one) => Object.entries(one))) {
    total[name] = (total[name] ?? 0) + count
  }
  return total
}

/** Whether it runs; one that has been away has a moment to come back. */
async function isBack(member: HostDevice): Promise<boolean> {
  if (member.isRunning) return true
  const { state } = member.status()
  if (state !== 'stopped' && state !== 'starting') return false
  const back = member.ready().then(
    () => true,
    () => false,
  )
  return Promise.race([back, delay(BACK_MILLISECONDS, false, { ref: false })])
}

function isUnavailable(error: unknown): boolean {
  return error instanceof KmsError && error.code === 'keystoreUnavailable'
}

/** Keys take a moment from one member to the other. */
function isMissing(error: unknown): boolean {
  return error instanceof KmsError && error.code === 'keyValueNotPresent'
}
