/**
 * A device behind a host process: the module of its maker runs in a process of its own, which may
 * crash, hang or lose its device without harm to the server.
 *
 * The host serves PKCS#11 RPC on a few lanes (pipes), each of which is a thread there and one
 * logged-in session here. When the host ends, when a call is not answered in time, or when the
 * device says that session or login are gone, everything is set up anew: at once the first time,
 * then after growing pauses; a host in waiting makes the first time short. After several failures
 * in a row nothing is tried for a while, and whoever asks is told why at once.
 *
 * Work that changes nothing in the device is tried a second time by itself; other work is not,
 * because nobody knows how far it had come.
 *
 * @module
 */
import type { ChildProcess } from 'node:child_process'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { Pkcs11ConnectionError } from '#clients/pkcs11-rpc/client.ts'
import { Lookout, spinTime } from '#core/lookout.ts'
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { Mechanism, RemoteFunction } from '#spec/pkcs11/types.ts'
import type { Device, DeviceSession, DeviceStatus, Need } from './device.ts'
import { isDeviceError, isDoubtful, isGone, isLost, isStale, unavailable } from './failures.ts'
import { HostProcesses, lastWords } from './host-processes.ts'
import type { Calls, Lane } from './lane.ts'
import { Login } from './login.ts'
import { mechanismName } from './mechanisms.ts'
import { isLate } from './negotiation.ts'
import { type Opening, openLanes } from './opening.ts'
import { isQuick, type QuickAnswer, type Verb } from './quick.ts'
import { type QueuedJob, QuickQueue } from './quick-queue.ts'
import { generic, type Identity, type Quirks, quirksOf } from './quirks.ts'
import { isHopeless, type MechanismInfo, type SlotChoice, type Token } from './token.ts'

export interface HostOptions {
  /** Name of the keystore, for messages. */
  readonly name: string
  /** Program and arguments of the host; the lanes are its descriptors from 3 on. */
  readonly command: readonly [string, ...string[]]
  readonly environment?: Readonly<Record<string, string | undefined>>
  readonly token: SlotChoice
  /** The user's PIN, or who knows it; undefined where the token needs none. */
  readonly pin: string | undefined | (() => Promise<string>)
  /** Where it is from, for messages: `pinFile /etc/pin`. */
  readonly pinFrom?: string | undefined
  /** Sessions at a time. */
  readonly lanes: number
  /** Time for one call. */
  readonly callMilliseconds: number
  /** For how long nothing is tried after it has failed to start; default 5,000. */
  readonly breakMilliseconds?: number | undefined
  /** Default: those of the model that the device says it is. */
  readonly quirks?: Quirks | undefined
  /** For how long the answer to a short operation is looked for without sleeping; default 0. */
  readonly spinMicroseconds?: number | undefined
  readonly log: HostLog
}

export interface HostLog {
  info(details: object, message: string): void
  warn(details: object, message: string): void
}

/** Pauses between attempts to start, in milliseconds. */
const PAUSES = [0, 100, 300, 1_000] as const
const BREAK_MILLISECONDS = 5_000
/** For how long after a start CKR_DEVICE_ERROR is no reason for another one. */
const CALM_MILLISECONDS = 10_000
const STOP_MILLISECONDS = 3_000

export class HostDevice implements Device {
  readonly #options: HostOptions
  readonly #processes: HostProcesses
  #host: ChildProcess | undefined
  #lanes: Lane[] = []
  #waiting: { resolve: (lane: Lane) => void; reject: (error: Error) => void }[] = []
  readonly #quick = new QuickQueue()
  #isDispatching = false
  #messages = 0
  /** Messages of short operations without an answer. */
  #shortMessages = 0
  readonly #lookout: Lookout
  /** Whose turn it is where both kinds of work wait for a lane. */
  #isQuickNext = false
  #mechanisms = new Map<number, MechanismInfo>()
  #starting: Promise<void> | undefined
  #brokenUntil = 0
  #lastFailure = ''
  #epoch = 0
  #isClosed = false
  #quirks: Quirks
  #identity: Identity | undefined
  #token: Pick<DeviceStatus, 'token' | 'serial' | 'slot'> = {}
  #starts = 0
  #began = 0
  #sessions = 0
  /** Those of the host that runs. */
  #handles = new Map<string, number>()
  #known: string | undefined
  readonly #login: Login
  readonly #calls: Calls = new Map()

  /** Nothing is started before the device is asked for something. */
  constructor(options: HostOptions) {
    this.#options = options
    this.#processes = new HostProcesses(options)
    this.#login = new Login(options.pinFrom)
    this.#lookout = new Lookout(spinTime(options.spinMicroseconds ?? 0))
    this.#quirks = options.quirks ?? generic()
  }

  /** @throws `KmsError` `keystoreUnavailable` when module, token or PIN are not right. */
  static async open(options: HostOptions): Promise<HostDevice> {
    const device = new HostDevice(options)
    await device.ready()
    return device
  }

  get name(): string {
    return this.#options.name
  }

  /** What tells it from the others of its group, also after the next start. */
  get place(): string {
    const [[key, value] = []] = Object.entries(this.#options.token)
    return `${this.name} (${key} ${value})`
  }

  /** For `claviger status` and tests; undefined while none runs. */
  get processId(): number | undefined {
    return this.#host?.pid
  }

  get quirks(): Quirks {
    return this.#quirks
  }

  get hasOthers(): boolean {
    return false
  }

  get isKnown(): boolean {
    return this.#identity !== undefined
  }

  /** How the device names itself; undefined before it has been seen. */
  get identity(): Identity | undefined {
    return this.#identity
  }

  /** Calls within sessions since the start; those that open sessions are not among them. */
  get calls(): ReadonlyMap<RemoteFunction, number> {
    return this.#calls
  }

  /** Messages of short operations since the start. */
  get messages(): number {
    return this.#messages
  }

  status(): DeviceStatus {
    const pause = Math.ceil((this.#brokenUntil - Date.now()) / 1_000)
    return {
      state: this.#state(),
      model: this.#quirks.model,
      ...this.#token,
      process: this.processId,
      sessions: this.#sessions,
      sessionsIdle: this.#lanes.length,
      waiting: this.#waiting.length + this.#quick.length,
      starts: this.#starts,
      calls: Object.fromEntries(this.#calls),
      lastFailure: this.#lastFailure === '' ? undefined : this.#lastFailure,
      pauseSeconds: pause > 0 ? pause : undefined,
    }
  }

  #state(): DeviceStatus['state'] {
    if (this.#isClosed) return 'closed'
    if (this.#starting !== undefined) return 'starting'
    if (this.#host !== undefined) return 'running'
    return Date.now() < this.#brokenUntil ? 'broken' : 'stopped'
  }

  /** What the device offers, by CKM number. */
  get mechanisms(): ReadonlyMap<number, MechanismInfo> {
    return this.#mechanisms
  }

  lacks({ type, flag, bits = 0, bytes = 0 }: Need): string | undefined {
    const info = this.#mechanisms.get(type)
    if (info === undefined) return `it does not offer ${mechanismName(type)}`
    if ((info.flags & flag) === 0) return `it does not offer ${mechanismName(type)} for this`
    const { ulMaxKeySize: max } = info
    // Devices that count in bits where the standard counts in bytes have large numbers.
    const size = bits === 0 && max >= 128 ? bytes * 8 : bits + bytes
    return max > 0 && size > max ? `its ${mechanismName(type)} goes up to ${max}` : undefined
  }

  async each(work: (session: DeviceSession) => Promise<void>): Promise<readonly string[]> {
    await this.use(work, true)
    return []
  }

  async use<T>(work: (session: DeviceSession) => Promise<T>, repeatable = false): Promise<T> {
    try {
      return await this.#once(work)
    } catch (error) {
      if (!repeatable || this.#isClosed || !isGone(error)) throw error
      return this.#once(work)
    }
  }

  async #once<T>(work: (session: DeviceSession) => Promise<T>): Promise<T> {
    const lane = await this.#lane()
    const epoch = this.#epoch
    try {
      const result = await work(lane)
      this.#release(lane, epoch)
      return result
    } catch (thrown) {
      const error = isDoubtful(thrown) ? await this.#certain(lane, thrown) : thrown
      if (isGone(error) && !this.#isCalm(error)) this.#fail(epoch, error)
      else this.#release(lane, epoch)
      throw error
    }
  }

  /**
   * Whether it shall go on although the device says that it has failed: where it has just been
   * started anew, doing so again would not help, and take what others do there with it.
   */
  #isCalm(error: unknown): boolean {
    if (!isDeviceError(error) || performance.now() - this.#began > CALM_MILLISECONDS) return false
    this.#lastFailure = (error as Error).message
    return true
  }

  /** What fails for no reason that is known may fail because the token is not there. */
  async #certain(lane: Lane, error: unknown): Promise<unknown> {
    return lane.assertToken().then(
      () => error,
      (gone: unknown) => gone,
    )
  }

  async #lane(): Promise<Lane> {
    await this.ready()
    const lane = this.#lanes.pop()
    if (lane !== undefined) return lane
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  #release(lane: Lane, epoch: number): void {
    // A lane of a host that has gone meanwhile is gone as well.
    if (epoch !== this.#epoch) return
    const isTurn = this.#waiting.length === 0 || this.#isQuickNext
    if (isTurn && this.#hasQuick()) {
      this.#isQuickNext = false
      this.#sendQuick(lane)
      return
    }
    this.#isQuickNext = true
    const next = this.#waiting.shift()
    if (next === undefined) this.#lanes.push(lane)
    else next.resolve(lane)
  }

  /** Short operations wait for the answer to those before them, and travel together then. */
  #hasQuick(): boolean {
    if (this.#quick.length === 0) return false
    return this.#shortMessages === 0 || !this.#quick.isShort
  }

  /** Whether it can be asked without being started. */
  get isRunning(): boolean {
    return this.#host !== undefined && this.#starting === undefined && !this.#isClosed
  }

  /** How much it has to do. */
  get load(): number {
    return this.#sessions - this.#lanes.length + this.#waiting.length + this.#quick.length
  }

  /** Whether it has the handle of a key, for short operations. */
  knows(reference: string): boolean {
    return this.#handles.has(reference)
  }

  quick(
    reference: string,
    verb: Verb,
    mechanism: Mechanism,
    data: Uint8Array,
  ): Promise<Uint8Array> | undefined {
    const hKey = this.#handles.get(reference)
    if (hKey === undefined || !this.isRunning || !isQuick(mechanism, data)) return undefined
    const work = new Promise<Uint8Array>((resolve, reject) => {
      const refused = (error: Error): void => {
        if (isStale(error)) this.#handles.delete(reference)
        reject(error)
      }
      this.#quick.add({ verb, hKey, mechanism, data, resolve, reject: refused })
    })
    this.#dispatchSoon()
    return work
  }

  /** Once all requests that have arrived together have been read. */
  #dispatchSoon(): void {
    if (this.#isDispatching) return
    this.#isDispatching = true
    setImmediate(() => {
      this.#isDispatching = false
      while (this.#hasQuick()) {
        const lane = this.#lanes.pop()
        if (lane === undefined) return
        this.#sendQuick(lane)
      }
    })
  }

  #sendQuick(lane: Lane): void {
    const epoch = this.#epoch
    const { isShort } = this.#quick
    const jobs = this.#quick.next()
    this.#messages++
    if (isShort) {
      this.#shortMessages++
      this.#lookout.expect()
    }
    const answered = (answers: readonly QuickAnswer[]): void => {
      if (isShort) this.#lookout.found()
      if (isShort && epoch === this.#epoch) this.#shortMessages--
      let lost: Error | undefined
      for (const [index, answer] of answers.entries()) {
        const job = jobs[index] as QueuedJob
        this.#quick.learn(job, answer.micros)
        if (answer.rv === CKR.OK) job.resolve(answer.output)
        else {
          const error = refusal(job, answer)
          if (isLost(error) && !this.#isCalm(error)) lost = error
          job.reject(error)
        }
      }
      if (lost === undefined) this.#release(lane, epoch)
      else this.#fail(epoch, lost)
    }
    lane.quick(jobs, answered, (error) => {
      for (const { reject } of jobs) reject(error)
      this.#fail(epoch, error)
    })
  }

  /** Resolves when there are lanes. */
  async ready(): Promise<void> {
    if (this.#isClosed) throw unavailable(this.#options.name, 'it has been closed')
    if (this.#host !== undefined && this.#starting === undefined) return
    if (Date.now() < this.#brokenUntil) {
      const seconds = Math.ceil((this.#brokenUntil - Date.now()) / 1_000)
      const again = this.#login.isRefused ? '' : `; tried again in ${seconds} s`
      const what = `it does not start (${this.#lastFailure})${again}`
      throw unavailable(this.#options.name, what)
    }
    this.#starting ??= this.#start().finally(() => {
      this.#starting = undefined
    })
    await this.#starting
  }

  async #start(): Promise<void> {
    const { name, log } = this.#options
    for (const pause of PAUSES) {
      await delay(pause)
      try {
        this.#login.assertNotRefused(await this.#pin())
        await this.#launch()
        this.#starts++
        this.#began = performance.now()
        this.#processes.prepare()
        log.info({ keystore: name, process: this.processId }, 'HSM host runs')
        return
      } catch (error) {
        this.#lastFailure = (error as Error).message
        log.warn({ keystore: name, reason: this.#lastFailure }, 'HSM host does not start')
        this.#kill()
        if (isHopeless(error)) this.#known = undefined
        // Who has waited so long already shall not wait as long several times more.
        if (this.#isClosed || isHopeless(error) || isLate(error)) break
      }
    }
    this.#brokenUntil = Date.now() + (this.#options.breakMilliseconds ?? BREAK_MILLISECONDS)
    throw unavailable(name, this.#lastFailure)
  }

  async #launch(): Promise<void> {
    const host = this.#processes.take()
    this.#host = host
    const epoch = ++this.#epoch
    host.once('error', (error) => this.#fail(epoch, error))
    const streams = host.stdio.slice(3) as unknown as Duplex[]
    this.#handles = new Map()
    this.#shortMessages = 0
    try {
      this.#lanes = await openLanes(streams, this.#opening())
    } catch (error) {
      const isOff = error instanceof Pkcs11ConnectionError && error.cause !== undefined
      const hasHungUp = isOff && !isLate(error)
      const words = hasHungUp ? await lastWords(host) : undefined
      throw words === undefined ? error : new Error(words, { cause: error })
    }
    host.once('exit', (code, signal) => {
      this.#fail(epoch, new Error(`its host process has ended (${signal ?? `exit code ${code}`})`))
    })
    this.#sessions = this.#lanes.length
  }

  #opening(): Opening {
    return {
      ...this.#options,
      pin: () => this.#pin(),
      login: this.#login,
      handles: this.#handles,
      calls: this.#calls,
      learn: (token) => this.#learn(token),
    }
  }

  /** Asked for once: a person would not like to be asked whenever the host has to be started. */
  async #pin(): Promise<string | undefined> {
    const { pin } = this.#options
    if (typeof pin !== 'function') return pin
    this.#known ??= await pin()
    return this.#known
  }

  #learn({ identity, token, mechanisms }: Token): Quirks {
    this.#identity = identity
    this.#token = token
    this.#quirks = this.#options.quirks ?? quirksOf(identity)
    const broken = new Set(this.#quirks.broken)
    this.#mechanisms = new Map([...mechanisms].filter(([type]) => !broken.has(type)))
    return this.#quirks
  }

  /** Everything that the host knew is gone: who waits is told, and the next one starts it anew. */
  #fail(epoch: number, error: unknown): void {
    if (epoch !== this.#epoch || this.#isClosed) return
    this.#epoch++
    this.#kill()
    const { log, name } = this.#options
    const reason = (error as Error).message
    this.#lastFailure = reason
    log.warn({ keystore: name, reason }, 'HSM host is given up')
    this.#quick.refuse()
    const waiting = this.#waiting
    this.#waiting = []
    for (const { resolve, reject } of waiting) this.#lane().then(resolve, reject)
  }

  #kill(): void {
    const host = this.#host
    this.#host = undefined
    for (const lane of this.#lanes) lane.client.close()
    this.#lanes = []
    host?.removeAllListeners('exit')
    host?.kill('SIGKILL')
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#processes.close()
    const host = this.#host
    this.#host = undefined
    for (const lane of this.#lanes) lane.client.close()
    for (const { reject } of this.#waiting) reject(unavailable(this.#options.name, 'it is closed'))
    this.#quick.refuse()
    if (host === undefined || host.exitCode !== null) return
    // Its lanes are closed: it ends by itself, unless the module hangs.
    const ended = new Promise<void>((resolve) => host.once('exit', () => resolve()))
    if (!this.#quirks.finalise) host.kill('SIGKILL')
    const timer = setTimeout(() => host.kill('SIGKILL'), STOP_MILLISECONDS)
    await ended
    clearTimeout(timer)
  }
}

function refusal({ verb }: QueuedJob, { rv }: QuickAnswer): CryptokiError {
  // The operation goes on in that session, and nobody would end it.
  if (rv === CKR.BUFFER_TOO_SMALL) {
    return new CryptokiError(CKR.OPERATION_ACTIVE, `to ${verb} gives more than is expected`)
  }
  return new CryptokiError(rv, `the module refuses to ${verb}`)
}
