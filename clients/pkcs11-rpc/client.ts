/**
 * A client of PKCS#11 over a socket: of p11-kit's servers, of Claviger, and of Claviger's hosts of
 * HSM modules.
 *
 * draft-ueno-pkcs11-rpc; which version is spoken is up to the server. Functions are called by the
 * header's names with the types of `#spec/pkcs11/types.ts`. A return value other than CKR_OK is
 * thrown as a CryptokiError, and a connection that fails as a {@link Pkcs11ConnectionError}. Calls
 * may be made before earlier ones are answered. When one passes its deadline, the connection is
 * given up: the server works on one call at a time, so that those behind would wait as well.
 *
 * C_Initialize is called like any other function, and first. Nothing is tried again.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { APPLICATION_ID_BYTES, DIALECT_BYTE, STOCK_VERSION_MAX } from '#spec/pkcs11/calls.ts'
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { Codec, Protocol, Values } from '#spec/pkcs11/rpc/codec.ts'
import { DIALECT, readBatchAnswer, writeBatch } from '#spec/pkcs11/rpc/dialect.ts'
import { type StockVersion, stockClient } from '#spec/pkcs11/rpc/stock.ts'
import type { Arguments, RemoteFunction, Results } from '#spec/pkcs11/types.ts'
import { RpcError } from '#wire/pkcs11-rpc/errors.ts'
import { FrameSplitter } from '#wire/pkcs11-rpc/frames.ts'
import { Reader } from '#wire/pkcs11-rpc/reader.ts'
import { Writer } from '#wire/pkcs11-rpc/writer.ts'
import { Pkcs11ConnectionError } from './errors.ts'

export { Pkcs11ConnectionError }

export interface Pkcs11ClientOptions {
  /** The newest version that is offered; default: the dialect, which p11-kit takes for its own. */
  readonly newest?: 'dialect' | StockVersion
  /** Time for the connection and the negotiation; default 10,000. */
  readonly connectMilliseconds?: number
  /** Time for an answer, where a call does not say otherwise; default 60,000. */
  readonly requestMilliseconds?: number
  /** Longest answer that is read; default 64 MiB. */
  readonly bodyBytesMax?: number
}

/** One call of a batch. */
export interface BatchCall<F extends RemoteFunction = RemoteFunction> {
  readonly name: F
  readonly args: Arguments<F>
}

interface Waiting {
  readonly resolve: (body: Buffer) => void
  readonly reject: (error: Error) => void
  readonly deadline: number
}

const CONNECT_MILLISECONDS = 10_000
const REQUEST_MILLISECONDS = 60_000
const BODY_BYTES_MAX = 67_108_864
const OPTIONS_BYTES_MAX = 4_096
/** p11-kit's clients count from here. */
const CALL_CODE_FIRST = 0x10
const CALL_CODE_MAX = 0xffff_ffff
const OPTIONS = Buffer.from('claviger')

export class Pkcs11Client {
  readonly #stream: Duplex
  readonly #options: Pkcs11ClientOptions
  readonly #splitter: FrameSplitter
  readonly #writer = new Writer()
  readonly #reader = new Reader()
  readonly #waiting = new Map<number, Waiting>()
  #protocol: Protocol = DIALECT
  #version: 'dialect' | StockVersion = 'dialect'
  #negotiated: ((error?: Error) => void) | undefined
  #callCode = CALL_CODE_FIRST
  #timer: NodeJS.Timeout | undefined
  #fires = Infinity
  #error: Pkcs11ConnectionError | undefined

  /**
   * Connects to a Unix socket. A server of p11-kit before 0.24.1 hangs up on what it does not know;
   * it is offered version 0 then.
   *
   * @throws Pkcs11ConnectionError
   */
  static async connect(path: string, options: Pkcs11ClientOptions = {}): Promise<Pkcs11Client> {
    try {
      return await Pkcs11Client.over(connect({ path }), options)
    } catch (error) {
      const isRefused = error instanceof Pkcs11ConnectionError && error.cause === HUNG_UP
      if (!isRefused || options.newest === 0) throw explained(path, error)
    }
    return Pkcs11Client.over(connect({ path }), { ...options, newest: 0 })
  }

  /** Speaks over a stream that is connected, or about to be. @throws Pkcs11ConnectionError */
  static over(stream: Duplex, options: Pkcs11ClientOptions = {}): Promise<Pkcs11Client> {
    return new Promise((resolve, reject) => {
      const client = new Pkcs11Client(stream, options)
      const milliseconds = options.connectMilliseconds ?? CONNECT_MILLISECONDS
      const timer = setTimeout(() => {
        const what = `No connection within ${milliseconds} ms`
        client.#fail(new Pkcs11ConnectionError(what, { cause: LATE }))
      }, milliseconds)
      client.#negotiated = (error) => {
        clearTimeout(timer)
        client.#negotiated = undefined
        if (error === undefined) resolve(client)
        else reject(error)
      }
    })
  }

  private constructor(stream: Duplex, options: Pkcs11ClientOptions) {
    this.#stream = stream
    this.#options = options
    const bodyBytesMax = options.bodyBytesMax ?? BODY_BYTES_MAX
    this.#splitter = new FrameSplitter({ optionsBytesMax: OPTIONS_BYTES_MAX, bodyBytesMax })
    stream.on('data', (chunk: Buffer) => this.#receive(chunk))
    stream.on('error', (cause) => {
      this.#fail(new Pkcs11ConnectionError(`The connection failed: ${cause.message}`, { cause }))
    })
    stream.on('close', () => {
      this.#fail(new Pkcs11ConnectionError('The server has hung up', { cause: HUNG_UP }))
    })
    const { newest = 'dialect' } = options
    stream.write(Uint8Array.of(newest === 'dialect' ? DIALECT_BYTE : newest))
  }

  /** What is spoken. */
  get version(): 'dialect' | StockVersion {
    return this.#version
  }

  get isOpen(): boolean {
    return this.#error === undefined
  }

  /** Calls without an answer yet. */
  get pending(): number {
    return this.#waiting.size
  }

  /**
   * Calls a function.
   *
   * @param milliseconds time for the answer
   * @throws CryptokiError with the return value; Pkcs11ConnectionError
   */
  async call<F extends RemoteFunction>(
    name: F,
    args: Arguments<F>,
    milliseconds?: number,
  ): Promise<Results<F>> {
    const codec = this.#codecOf(name)
    const body = await this.#send(milliseconds, (w) => {
      this.#protocol.writeRequest(w, codec, args as Values)
    })
    return this.#read(body, codec, args as Values) as Results<F>
  }

  /** C_Initialize of an application of one connection. */
  initialize(reserved?: string): Promise<Results<'C_Initialize'>> {
    return this.call('C_Initialize', {
      application: randomBytes(APPLICATION_ID_BYTES),
      processId: process.pid,
      reserved: reserved === undefined ? undefined : Buffer.from(reserved),
    })
  }

  /**
   * Several calls in one message, which only the dialect has: the results of those that were run,
   * or the error of each.
   *
   * @param stop whether the first error ends the batch
   */
  async batch(
    calls: readonly BatchCall[],
    stop: boolean,
  ): Promise<readonly (Values | CryptokiError)[]> {
    const coded = calls.map(({ name, args }) => {
      return { codec: this.#codecOf(name), args: args as Values }
    })
    if (!this.#protocol.isDialect) {
      throw new CryptokiError(CKR.FUNCTION_NOT_SUPPORTED, 'p11-kit has no batches')
    }
    const body = await this.#send(undefined, (w) => writeBatch(w, stop, coded))
    const bodies = this.#trusting(() => readBatchAnswer(new Reader(body)))
    return bodies.map((each, index) => {
      const { codec, args } = coded[index] as (typeof coded)[number]
      try {
        return this.#read(each, codec, args)
      } catch (error) {
        if (error instanceof CryptokiError) return error
        throw error
      }
    })
  }

  /** Ends the connection; calls without an answer fail. */
  close(): void {
    this.#fail(new Pkcs11ConnectionError('The connection was closed'))
  }

  #codecOf(name: RemoteFunction): Codec {
    const codec = this.#protocol.codecOf(name)
    if (codec !== undefined) return codec
    const rule = `${name} is not in version ${this.#version} of the protocol`
    throw new CryptokiError(CKR.FUNCTION_NOT_SUPPORTED, rule)
  }

  #send(milliseconds: number | undefined, write: (w: Writer) => void): Promise<Buffer> {
    return new Promise((resolve, reject) => this.exchange(write, resolve, reject, milliseconds))
  }

  /**
   * Sends a message of the caller's own making, for servers that know more than PKCS#11.
   *
   * @param resolve Given the body of the answer: a view of memory that is not used again.
   */
  exchange(
    write: (w: Writer) => void,
    resolve: (body: Buffer) => void,
    reject: (error: Error) => void,
    milliseconds?: number,
  ): void {
    if (this.#error !== undefined) {
      reject(this.#error)
      return
    }
    const w = this.#writer
    const mark = w.length
    const code = this.#callCode
    w.beginFrame(code, OPTIONS)
    try {
      write(w)
    } catch (error) {
      w.truncate(mark)
      reject(error as Error)
      return
    }
    w.endFrame()
    this.#callCode = code === CALL_CODE_MAX ? CALL_CODE_FIRST : code + 1
    const time = milliseconds ?? this.#options.requestMilliseconds ?? REQUEST_MILLISECONDS
    const deadline = performance.now() + time
    this.#waiting.set(code, { resolve, reject, deadline })
    if (deadline < this.#fires) this.#arm(deadline)
    this.#stream.write(w.take())
  }

  #read(body: Buffer, codec: Codec, args: Values): Values {
    this.#reader.reset(body)
    return this.#trusting(() => this.#protocol.readAnswer(this.#reader, codec, args))
  }

  /** Reads an answer; one that makes no sense is a failure of the device. */
  #trusting<T>(read: () => T): T {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof RpcError)) throw error
      if (error.code === 'envelope') this.#fail(new Pkcs11ConnectionError(error.message))
      throw new CryptokiError(CKR.DEVICE_ERROR, error.message, { cause: error })
    }
  }

  #receive(chunk: Buffer): void {
    this.#splitter.push(chunk)
    try {
      if (this.#negotiated !== undefined && !this.#negotiate()) return
      for (;;) {
        const frame = this.#splitter.next()
        if (frame === undefined) return
        const waiting = this.#waiting.get(frame.callCode)
        if (waiting === undefined) throw new Error(`there is no call ${frame.callCode}`)
        this.#waiting.delete(frame.callCode)
        waiting.resolve(frame.body)
      }
    } catch (cause) {
      const what = `The server does not speak PKCS#11: ${(cause as Error).message}`
      this.#fail(new Pkcs11ConnectionError(what, { cause }))
    }
  }

  /** Reads the version that the server has chosen. */
  #negotiate(): boolean {
    const answered = this.#splitter.takeByte()
    if (answered === undefined) return false
    const { newest = 'dialect' } = this.#options
    const isOffered = newest === 'dialect' ? answered <= STOCK_VERSION_MAX : answered <= newest
    if (isOffered) {
      this.#version = answered as StockVersion
      this.#protocol = stockClient(this.#version)
    } else if (answered !== DIALECT_BYTE || newest !== 'dialect') {
      throw new Error(`it has answered version ${answered}`)
    }
    this.#negotiated?.()
    return true
  }

  #arm(deadline: number): void {
    clearTimeout(this.#timer)
    this.#fires = deadline
    this.#timer = setTimeout(() => this.#expire(), deadline - performance.now()).unref()
  }

  #expire(): void {
    this.#fires = Infinity
    let next = Infinity
    for (const { deadline } of this.#waiting.values()) next = Math.min(next, deadline)
    if (next > performance.now()) {
      if (next < Infinity) this.#arm(next)
      return
    }
    const what = 'A call was not answered before its deadline'
    this.#fail(new Pkcs11ConnectionError(what, { cause: LATE }))
  }

  #fail(error: Pkcs11ConnectionError): void {
    if (this.#error !== undefined) return
    this.#error = error
    clearTimeout(this.#timer)
    this.#stream.destroy()
    this.#negotiated?.(error)
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { reject } of waiting) reject(error)
  }
}

/** Why a connection ended: what was waited for has not come in time. */
export const LATE = new Error('the time is over')

/** Why a connection ended: the other side has closed it without a word. */
const HUNG_UP = new Error('the connection was closed by the server')

function explained(path: string, error: unknown): unknown {
  if (!(error instanceof Pkcs11ConnectionError)) return error
  const what = `Cannot speak to ${path}: ${error.message}`
  return new Pkcs11ConnectionError(what, { cause: error.cause })
}
