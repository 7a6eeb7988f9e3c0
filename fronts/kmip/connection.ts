/**
 * One connection: bytes into requests, answers into bytes.
 *
 * KMIP 2.1 §10 (transport): messages follow each other on the stream; a client may send the next
 * before it has the answer to the last (pipelining), and gets the answers in order. Requests that
 * only use keys overlap; one that reads or changes anything else waits for those before it, and
 * those behind wait for it, so that a client always reads what it has written.
 *
 * Each answer is written in one call: one client takes a TLS record for a message.
 *
 * @module
 */
import type { Socket } from 'node:net'
import type { Awaitable } from '#core/awaitable.ts'
import type { Principal, Services } from '#core/context.ts'
import { WireError } from '#wire/errors.ts'
import { decodeItem, encodeItem, messageBytes } from '#wire/ttlv/binary.ts'
import type { Item } from '#wire/ttlv/item.ts'
import { answerMessage, effectOf, type MessageOptions, wholeFailure } from './message.ts'
import { saidVersion } from './said-version.ts'
import type { WireLog } from './wire-log.ts'

export interface ConnectionOptions extends MessageOptions {
  readonly wireLog: WireLog
}

/** Bytes that wait for a client to read them before it may send more. */
const UNREAD_BYTES_MAX = 4_194_304

const atEnd: (() => void)[] = []

/**
 * Calls back once every socket that had something to read has been read, for all who wait together:
 * answers that are written one after the other wake the other side once, which costs more than the
 * write does.
 */
function atEndOfTurn(work: () => void): void {
  if (atEnd.push(work) === 1) setImmediate(endTurn)
}

function endTurn(): void {
  for (const work of atEnd.splice(0)) work()
}

/** The only one, most of the time: then nothing has to move up, which the runtime does slowly. */
function dropFirst(list: unknown[]): void {
  if (list.length === 1) list.pop()
  else list.shift()
}

/** Why a connection was closed by us; for the log. */
export type CloseReason =
  | 'idle'
  | 'request-timeout'
  | 'malformed'
  | 'too-long'
  | 'revoked'
  | 'drain'

export class Connection {
  readonly principal: Principal
  readonly socket: Socket
  readonly #services: Services
  readonly #options: ConnectionOptions
  readonly #closed: (reason: CloseReason | undefined) => void
  #chunks: Buffer[] = []
  #received = 0
  /** Answers in the order of their requests. */
  readonly #answers: Awaitable<Item>[] = []
  /** Whether {@link #write} will be called, or waits for an answer. */
  #writing = false
  readonly #writeAnswers = (): void => this.#write()
  /** What a request that needs order waits for. */
  #lastChange: Promise<unknown> = Promise.resolve()
  readonly #running = new Set<Promise<unknown>>()
  #timer: NodeJS.Timeout | undefined
  /** When the timer fires and until when it may go on, in milliseconds of the process. */
  #fires = Infinity
  #deadline = Infinity
  #late: 'idle' | 'request-timeout' = 'idle'
  #reason: CloseReason | undefined
  #ending = false

  constructor(
    socket: Socket,
    principal: Principal,
    services: Services,
    options: ConnectionOptions,
    closed: (reason: CloseReason | undefined) => void,
  ) {
    this.socket = socket
    this.principal = principal
    this.#services = services
    this.#options = options
    this.#closed = closed
    socket.setNoDelay(true)
    // Who has said all that there is to say still gets the answers.
    socket.allowHalfOpen = true
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('drain', () => this.#resume())
    socket.on('end', () => this.end())
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      clearTimeout(this.#timer)
      this.#closed(this.#reason)
    })
    this.#await(this.#services.limits.idleSeconds, 'idle')
  }

  /** Closes once the answers that are under way have been sent. */
  end(reason?: CloseReason): void {
    this.#reason ??= reason
    this.#ending = true
    if (this.#answers.length === 0) this.socket.end()
  }

  /** Closes at once. */
  destroy(reason: CloseReason): void {
    this.#reason ??= reason
    this.socket.destroy()
  }

  /** The timer stays as it is while the deadline only moves on: a busy connection sets none. */
  #await(seconds: number, reason: 'idle' | 'request-timeout'): void {
    const now = performance.now()
    this.#deadline = now + seconds * 1_000
    this.#late = reason
    if (this.#deadline < this.#fires) this.#arm(now)
  }

  #arm(now: number): void {
    clearTimeout(this.#timer)
    this.#fires = this.#deadline
    this.#timer = setTimeout(() => this.#expire(), this.#deadline - now).unref()
  }

  #expire(): void {
    const now = performance.now()
    this.#fires = Infinity
    // A client that waits for its answer is not idle.
    if (this.#late === 'idle' && this.#answers.length > 0) {
      this.#await(this.#services.limits.idleSeconds, 'idle')
    } else if (now >= this.#deadline) this.destroy(this.#late)
    else this.#arm(now)
  }

  #receive(chunk: Buffer): void {
    if (this.#ending) return
    let isNew = this.#received === 0
    this.#chunks.push(chunk)
    this.#received += chunk.length
    try {
      if (this.#extract()) isNew = true
    } catch (error) {
      this.#refuse(error, 'malformed')
      return
    }
    if (this.#received === 0) this.#await(this.#services.limits.idleSeconds, 'idle')
    else if (isNew) this.#await(this.#services.limits.requestSeconds, 'request-timeout')
  }

  /** Takes every message that has arrived in whole; says whether there was one. */
  #extract(): boolean {
    for (let taken = false; ; taken = true) {
      const head = this.#head()
      const bytes = head && messageBytes(head)
      if (bytes === undefined) return taken
      const { messageBytesMax } = this.#services.limits
      if (bytes > messageBytesMax) {
        const what = `it has ${bytes} bytes, allowed are ${messageBytesMax}`
        this.#refuse(new WireError('invalidMessage', `Cannot read message: ${what}`), 'too-long')
        return taken
      }
      if (this.#received < bytes) return taken
      this.#accept(this.#take(bytes))
      if (this.#answers.length >= this.#services.limits.pipelineMax) {
        this.socket.pause()
        return true
      }
    }
  }

  /** The first bytes received, enough for a header; undefined while there are too few. */
  #head(): Buffer | undefined {
    if (this.#received < 8) return undefined
    const [first] = this.#chunks
    if (first !== undefined && first.length >= 8) return first
    this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0]
  }

  #take(bytes: number): Buffer {
    const [first] = this.#chunks
    const whole = first !== undefined && first.length >= bytes ? first : Buffer.concat(this.#chunks)
    if (whole !== first) this.#chunks = [whole]
    this.#received -= bytes
    if (whole.length > bytes) this.#chunks[0] = whole.subarray(bytes)
    else dropFirst(this.#chunks)
    return whole.length === bytes ? whole : whole.subarray(0, bytes)
  }

  #accept(bytes: Buffer): void {
    let item: Item
    try {
      item = decodeItem(bytes, this.#services.limits)
    } catch (error) {
      // The length was right, so the next message can still be found: the connection goes on.
      this.#push(wholeFailure(error, this.#services, saidVersion(bytes)))
      return
    }
    this.#options.wireLog.record(this.principal, 'request', item)
    this.#push(this.#scheduled(item))
  }

  /** Runs a request when those before it allow. */
  #scheduled(item: Item): Awaitable<Item> {
    const run = (): Awaitable<Item> =>
      answerMessage(item, this.#services, this.principal, this.#options)
    if (this.#running.size === 0) {
      const answer = run()
      return answer instanceof Promise ? this.#track(answer, effectOf(item) === 'change') : answer
    }
    if (effectOf(item) === 'none') return this.#track(this.#lastChange.then(run), false)
    return this.#track(Promise.all([...this.#running]).then(run), true)
  }

  /** Answers never fail: what goes wrong stands in them. */
  #track(answer: Promise<Item>, isChange: boolean): Promise<Item> {
    this.#running.add(answer)
    if (isChange) this.#lastChange = answer
    void answer.then(() => this.#running.delete(answer))
    return answer
  }

  #push(answer: Awaitable<Item>): void {
    this.#answers.push(answer)
    if (this.#writing) return
    this.#writing = true
    if (answer instanceof Promise) void answer.then(() => atEndOfTurn(this.#writeAnswers))
    else atEndOfTurn(this.#writeAnswers)
  }

  /** Writes the answers that are there, and the others when they are. */
  #write(): void {
    while (this.#answers.length > 0) {
      const [answer] = this.#answers as [Awaitable<Item>]
      if (answer instanceof Promise) {
        void answer.then((item) => {
          this.#answers[0] = item
          this.#write()
        })
        return
      }
      dropFirst(this.#answers)
      if (this.socket.destroyed) break
      this.#options.wireLog.record(this.principal, 'response', answer)
      this.socket.write(encodeItem(answer))
      if (this.socket.writableLength > UNREAD_BYTES_MAX) this.socket.pause()
      else if (this.socket.isPaused()) this.#resume()
    }
    this.#writing = false
    if (this.#ending) this.socket.end()
  }

  #resume(): void {
    if (this.#ending || this.socket.destroyed || this.socket.writableLength > UNREAD_BYTES_MAX)
      return
    if (this.#answers.length >= this.#services.limits.pipelineMax) return
    this.socket.resume()
    if (this.#received > 0) this.#receive(Buffer.alloc(0))
  }

  /** Says what is wrong with the bytes, and closes: where the next message begins is not known. */
  #refuse(error: unknown, reason: CloseReason): void {
    const version = saidVersion(Buffer.concat(this.#chunks))
    this.#chunks = []
    this.#received = 0
    this.#push(wholeFailure(error, this.#services, version))
    this.end(reason)
  }
}
