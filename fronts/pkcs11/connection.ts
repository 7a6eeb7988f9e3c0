/**
 * One PKCS#11 connection: negotiation, calls into answers, in their order.
 *
 * draft-ueno-pkcs11-rpc. The client sends one byte, its newest version, and the server answers with
 * the version to use: its own where it is older, {@link DIALECT_BYTE} to our module. Then calls
 * follow each other; a client may send the next before it has the answer to the last. One call runs
 * at a time. Answers of handlers that need not wait are written in the same turn, all those to one
 * piece of the stream in one write.
 *
 * What a message is, is decided in `#spec/pkcs11/rpc`; what a function does, in the engine.
 *
 * @module
 */
import type { Duplex } from 'node:stream'
import { FAILURES, KmsError } from '#core/errors.ts'
import type { Limits } from '#core/limits.ts'
import type { Lookout } from '#core/lookout.ts'
import {
  APPLICATION_ID_BYTES,
  BATCH,
  DIALECT_BYTE,
  DIALECT_BYTE_MIN,
  STOCK_VERSION_MAX,
} from '#spec/pkcs11/calls.ts'
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { Codec, Protocol, Values } from '#spec/pkcs11/rpc/codec.ts'
import { type Batch, DIALECT, readBatch } from '#spec/pkcs11/rpc/dialect.ts'
import { type StockVersion, stockServer } from '#spec/pkcs11/rpc/stock.ts'
import type { Arguments, Results } from '#spec/pkcs11/types.ts'
import { RpcError } from '#wire/pkcs11-rpc/errors.ts'
import { type Frame, FrameSplitter } from '#wire/pkcs11-rpc/frames.ts'
import { Reader } from '#wire/pkcs11-rpc/reader.ts'
import { Writer } from '#wire/pkcs11-rpc/writer.ts'
import type { Applications, Membership } from './applications.ts'
import type { Application, Engine, Peer } from './contract.ts'

/** Options are a module's name, which nobody reads. */
const OPTIONS_BYTES_MAX = 4_096
/** A longer call is refused when all of it has come; beyond this it is no call of anybody. */
const DROPPED_BYTES_MAX = 1_073_741_824
/** Bytes that wait for a client to read them before another call of it is run. */
const UNREAD_BYTES_MAX = 4_194_304

/** Why a connection was ended by this side. */
export type CloseReason = 'malformed' | 'handshake-timeout' | 'request-timeout' | 'idle' | 'drain'

export interface CallLog {
  debug(details: object, message: string): void
  info(details: object, message: string): void
  warn(details: object, message: string): void
  error(details: object, message: string): void
}

/** What all connections of a server have in common. */
export interface ConnectionServices<A extends Application> {
  readonly engine: Engine<A>
  readonly applications: Applications<A>
  readonly limits: Limits
  readonly log: CallLog
  readonly lookout: Lookout
  /** What the dialect's C_Initialize answers. */
  readonly initialized: Results<'C_Initialize'>
}

/** What came of a call: results, or a return value alone. */
type Outcome = Values | number

type Handler<A> = (application: A, args: Values) => Values | undefined | Promise<Values | undefined>

const NOTHING: Values = {}

export class Connection<A extends Application> {
  readonly peer: Peer
  readonly #stream: Duplex
  readonly #services: ConnectionServices<A>
  readonly #closed: (reason: CloseReason | undefined) => void
  readonly #splitter: FrameSplitter
  readonly #reader = new Reader()
  readonly #writer = new Writer()
  /** Of the calls of a batch; kept, because its memory costs more than most calls. */
  readonly #answers = new Writer()
  #protocol: Protocol | undefined
  #membership: Membership<A> | undefined
  #isBusy = false
  #isEnding = false
  #hasClosed = false
  #reason: CloseReason | undefined
  /** When the last bytes came or the last call ended. */
  #active = performance.now()
  /** When the message that is not whole yet began. */
  #begun = Infinity

  constructor(
    stream: Duplex,
    peer: Peer,
    services: ConnectionServices<A>,
    closed: (reason: CloseReason | undefined) => void,
  ) {
    this.peer = peer
    this.#stream = stream
    this.#services = services
    this.#closed = closed
    this.#splitter = new FrameSplitter({
      optionsBytesMax: OPTIONS_BYTES_MAX,
      bodyBytesMax: services.limits.callBytesMax,
      droppedBytesMax: DROPPED_BYTES_MAX,
    })
    stream.on('data', (chunk: Buffer) => this.#receive(chunk))
    stream.on('drain', () => this.#resume())
    stream.on('end', () => {
      this.#release()
      this.end()
    })
    stream.on('error', () => stream.destroy())
    stream.on('close', () => this.#close())
  }

  /** Closes once the call that runs has been answered. */
  end(reason?: CloseReason): void {
    this.#reason ??= reason
    this.#isEnding = true
    if (!this.#isBusy) this.#stream.end()
  }

  /** Closes at once. */
  destroy(reason: CloseReason): void {
    this.#reason ??= reason
    this.#stream.destroy()
  }

  /** Closes if the client takes longer than it may. */
  expire(now: number): void {
    if (this.#isBusy) return
    const { handshakeSeconds, requestSeconds, callIdleSeconds } = this.#services.limits
    const idle = now - this.#active
    if (this.#membership === undefined) {
      if (idle > handshakeSeconds * 1_000) this.destroy('handshake-timeout')
    } else if (now - this.#begun > requestSeconds * 1_000) this.destroy('request-timeout')
    else if (callIdleSeconds > 0 && idle > callIdleSeconds * 1_000) this.destroy('idle')
  }

  #receive(chunk: Buffer): void {
    if (this.#isEnding) return
    // Bytes alone do not lengthen the time for the first call.
    if (this.#membership !== undefined) this.#active = performance.now()
    this.#splitter.push(chunk)
    if (!this.#isBusy) this.#run()
    // Reading goes on while a call runs, to see that the client is still there.
    else if (this.#splitter.pending > this.#services.limits.callBytesMax) this.#stream.pause()
  }

  /** Runs every call that has arrived in whole, until one has to wait. */
  #run(): void {
    try {
      this.#protocol ??= this.#negotiate()
      if (this.#protocol !== undefined) this.#runAll(this.#protocol)
    } catch (error) {
      this.#cutOff(error)
    }
  }

  /** Where the next message begins, or what it is, is not known. */
  #cutOff(error: unknown): void {
    const { message: reason } = error as Error
    this.#services.log.warn({ peer: this.peer, reason }, 'a client was cut off')
    this.#isEnding = true
    this.destroy('malformed')
  }

  #negotiate(): Protocol | undefined {
    const offered = this.#splitter.takeByte()
    if (offered === undefined) return undefined
    const isDialect = offered >= DIALECT_BYTE_MIN
    const version = Math.min(offered, STOCK_VERSION_MAX) as StockVersion
    this.#stream.write(Uint8Array.of(isDialect ? DIALECT_BYTE : version))
    return isDialect ? DIALECT : stockServer(version)
  }

  #runAll(protocol: Protocol): void {
    for (;;) {
      if (this.#writer.length + this.#stream.writableLength > UNREAD_BYTES_MAX) {
        this.#flush()
        this.#stream.pause()
        return
      }
      const frame = this.#splitter.next()
      if (frame === undefined) break
      const waiting = this.#answer(protocol, frame)
      if (waiting === undefined) continue
      this.#wait(waiting)
      return
    }
    this.#flush()
    this.#services.lookout.expect()
    if (this.#splitter.pending === 0) this.#begun = Infinity
    else if (this.#begun === Infinity) this.#begun = performance.now()
  }

  /** Takes no further call until one that takes longer has been answered. */
  #wait(waiting: Promise<void>): void {
    this.#flush()
    this.#isBusy = true
    this.#begun = Infinity
    const go = (): void => this.#goOn()
    waiting.then(go, (error: unknown) => {
      this.#cutOff(error)
      go()
    })
  }

  #goOn(): void {
    this.#isBusy = false
    this.#active = performance.now()
    if (this.#hasClosed) return
    if (!this.#isEnding) {
      this.#resume()
      return
    }
    this.#flush()
    this.#stream.end()
  }

  #resume(): void {
    if (this.#isBusy || this.#isEnding || this.#hasClosed) return
    this.#run()
    if (!this.#isBusy && this.#stream.isPaused() && !this.#stream.writableNeedDrain) {
      this.#stream.resume()
    }
  }

  #flush(): void {
    if (this.#writer.length === 0) return
    const bytes = this.#writer.take()
    if (!this.#stream.destroyed) this.#stream.write(bytes)
  }

  /** Answers a message; a promise where the answer has to be waited for. */
  #answer(protocol: Protocol, frame: Frame): Promise<void> | undefined {
    const { callCode, body, droppedBytes } = frame
    const reader = this.#reader
    reader.reset(body)
    const codec = protocol.openRequest(reader)
    if (droppedBytes !== undefined) return this.#refuseLong(protocol, codec, frame, droppedBytes)
    if (codec === null) return this.#answerBatch(callCode)
    const args = this.#arguments(codec)
    const outcome = typeof args === 'number' ? args : this.#outcome(codec, args)
    if (!(outcome instanceof Promise)) {
      this.#write(protocol, codec, callCode, args, outcome)
      return undefined
    }
    return outcome.then((settled) => this.#write(protocol, codec, callCode, args, settled))
  }

  /** All that is known of its arguments is the first. */
  #refuseLong(
    protocol: Protocol,
    codec: Codec | null,
    { callCode, body }: Frame,
    bytes: number,
  ): undefined {
    const hSession = this.#reader.u64()
    body.fill(0)
    const { engine } = this.#services
    const application = this.#membership?.application
    let rv: number = CKR.DATA_LEN_RANGE
    if (application === undefined) rv = CKR.CRYPTOKI_NOT_INITIALIZED
    else if (codec !== null) rv = engine.tooLong(application, codec.name, hSession, bytes).rv
    this.#writer.beginFrame(callCode, undefined)
    protocol.writeFailure(this.#writer, codec?.id ?? BATCH, rv)
    this.#writer.endFrame()
  }

  #write(
    protocol: Protocol,
    codec: Codec,
    callCode: number,
    args: Values | number,
    outcome: Outcome,
  ): void {
    this.#writer.beginFrame(callCode, undefined)
    this.#writeBody(this.#writer, protocol, codec, args, outcome)
    this.#writer.endFrame()
  }

  /** Writes the body of an answer; its return value. */
  #writeBody(
    w: Writer,
    protocol: Protocol,
    codec: Codec,
    args: Values | number,
    outcome: Outcome,
  ): number {
    if (typeof outcome === 'number' || typeof args === 'number') {
      const rv = typeof outcome === 'number' ? outcome : CKR.GENERAL_ERROR
      protocol.writeFailure(w, codec.id, rv)
      return rv
    }
    const mark = w.length
    try {
      protocol.writeAnswer(w, codec, outcome, args)
      return codec.rvOf(outcome, args)
    } catch (error) {
      w.truncate(mark)
      const rv = this.#refusal(codec, error)
      protocol.writeFailure(w, codec.id, error instanceof RpcError ? CKR.GENERAL_ERROR : rv)
      return rv
    }
  }

  /** What a call was given; a return value where it cannot be read. */
  #arguments(codec: Codec): Values | number {
    try {
      return codec.readRequest(this.#reader)
    } catch (error) {
      return this.#refusal(codec, error)
    }
  }

  /** Runs a function; of a PIN nothing is left when it has run. */
  #outcome(codec: Codec, args: Values): Outcome | Promise<Outcome> {
    const outcome = this.#settled(codec, args)
    const { texts } = codec
    if (texts === undefined) return outcome
    if (outcome instanceof Promise) return outcome.finally(() => wipe(texts, args))
    wipe(texts, args)
    return outcome
  }

  /** Promises that it returns are never rejected. */
  #settled(codec: Codec, args: Values): Outcome | Promise<Outcome> {
    try {
      const results = this.#call(codec, args)
      if (!(results instanceof Promise)) return results ?? NOTHING
      return results.then(
        (settled) => settled ?? NOTHING,
        (error: unknown) => this.#refusal(codec, error),
      )
    } catch (error) {
      return this.#refusal(codec, error)
    }
  }

  #call({ name }: Codec, args: Values): ReturnType<Handler<A>> {
    if (name === 'C_Initialize') return this.#initialize(args as Arguments<'C_Initialize'>)
    if (this.#membership === undefined) {
      throw new CryptokiError(CKR.CRYPTOKI_NOT_INITIALIZED, 'C_Initialize has to be called first')
    }
    const { application } = this.#membership
    if (name === 'C_Finalize') {
      this.#membership.end()
      return undefined
    }
    const handler = this.#services.engine.handlers[name] as Handler<A> | undefined
    if (handler !== undefined) return handler(application, args)
    throw new CryptokiError(CKR.FUNCTION_NOT_SUPPORTED, `${name} is not there`)
  }

  #initialize(args: Arguments<'C_Initialize'>): Results<'C_Initialize'> {
    if (this.#membership?.isOpen) {
      const rule = 'C_Initialize has been called on this connection'
      throw new CryptokiError(CKR.CRYPTOKI_ALREADY_INITIALIZED, rule)
    }
    const { application, processId, reserved } = args
    const isStock = this.#protocol?.isDialect !== true
    if (!isStock && application?.length !== APPLICATION_ID_BYTES) {
      const rule = `an application has a name of ${APPLICATION_ID_BYTES} bytes`
      throw new CryptokiError(CKR.ARGUMENTS_BAD, rule)
    }
    const previous = this.#membership
    this.#membership = this.#services.applications.enter(application, {
      peer: this.peer,
      processId,
      isStock,
      reserved: reserved === undefined ? undefined : Buffer.from(reserved).toString(),
    })
    previous?.leave()
    this.#active = performance.now()
    return this.#services.initialized
  }

  #answerBatch(callCode: number): Promise<void> | undefined {
    let batch: Batch
    try {
      batch = this.#batch()
    } catch (error) {
      this.#writer.beginFrame(callCode, undefined)
      DIALECT.writeFailure(this.#writer, BATCH, this.#refusal(undefined, error))
      this.#writer.endFrame()
      return undefined
    }
    // One at a time: a connection has one batch under way.
    const answers = this.#answers
    const count = this.#runBatch(batch, 0, answers)
    if (!(count instanceof Promise)) {
      this.#writeBatch(callCode, count, answers)
      return undefined
    }
    return count.then((settled) => this.#writeBatch(callCode, settled, answers))
  }

  #batch(): Batch {
    const batch = readBatch(this.#reader)
    const { batchItemsMax } = this.#services.limits
    if (batch.bodies.length <= batchItemsMax) return batch
    const what = `a batch has ${batch.bodies.length} calls, allowed are ${batchItemsMax}`
    throw new CryptokiError(CKR.ARGUMENTS_BAD, what)
  }

  /** Runs a batch from one of its calls on; the number of those that were run. */
  #runBatch({ stop, bodies }: Batch, from: number, w: Writer): number | Promise<number> {
    for (let index = from; index < bodies.length; index++) {
      this.#reader.reset(bodies[index] as Buffer)
      const codec = DIALECT.openRequest(this.#reader)
      if (codec === null) throw new RpcError('envelope', 'Cannot run batch: it has a batch in it')
      // Answers wait for each other in memory.
      const isFull = w.length > this.#services.limits.callBytesMax
      const args = isFull ? CKR.DEVICE_MEMORY : this.#arguments(codec)
      const outcome = typeof args === 'number' ? args : this.#outcome(codec, args)
      if (outcome instanceof Promise) {
        return outcome.then((settled) => {
          const rv = this.#writeSized(w, codec, args, settled)
          return stop && rv !== CKR.OK ? index + 1 : this.#runBatch({ stop, bodies }, index + 1, w)
        })
      }
      const rv = this.#writeSized(w, codec, args, outcome)
      if (stop && rv !== CKR.OK) return index + 1
    }
    return bodies.length
  }

  #writeSized(w: Writer, codec: Codec, args: Values | number, outcome: Outcome): number {
    const mark = w.beginSized()
    const rv = this.#writeBody(w, DIALECT, codec, args, outcome)
    w.endSized(mark)
    return rv
  }

  #writeBatch(callCode: number, count: number, answers: Writer): void {
    const w = this.#writer
    w.beginFrame(callCode, undefined)
    w.u32(BATCH)
    w.u32(CKR.OK)
    w.u32(count)
    w.raw(answers.take())
    w.endFrame()
  }

  /** The return value of anything that was thrown; the reason goes to the log. */
  #refusal(codec: Codec | undefined, error: unknown): number {
    const name = codec?.name ?? 'a batch'
    const rv = rvOf(error)
    if (rv === CKR.GENERAL_ERROR && !(error instanceof CryptokiError)) {
      this.#services.log.error({ peer: this.peer, function: name, err: error }, 'a call failed')
    } else {
      const reason = (error as Error).message
      this.#services.log.debug(
        { peer: this.peer, function: name, rv, reason },
        'a call was refused',
      )
    }
    return rv
  }

  #close(): void {
    this.#hasClosed = true
    this.#isEnding = true
    this.#release()
    this.#closed(this.#reason)
  }

  /** A client that has gone keeps nothing, not even for the call of it that runs. */
  #release(): void {
    this.#membership?.leave()
    this.#membership = undefined
  }
}

/** Values are views of the message: this is the only place where the bytes are. */
function wipe(names: readonly string[], args: Values): void {
  for (const name of names) {
    const value = args[name]
    if (value instanceof Uint8Array) value.fill(0)
  }
}

function rvOf(error: unknown): number {
  if (error instanceof CryptokiError) return error.rv
  if (error instanceof RpcError) return CKR.DEVICE_ERROR
  return error instanceof KmsError ? FAILURES[error.code].ckr : CKR.GENERAL_ERROR
}
