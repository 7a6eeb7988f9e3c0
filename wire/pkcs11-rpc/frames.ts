/**
 * Cuts a stream into the messages of PKCS#11 RPC.
 *
 * draft-ueno-pkcs11-rpc: a header of twelve bytes (call code, length of the options, length of the
 * body, each u32 big-endian), the options, the body. The stream may split and join them anywhere.
 * Memory is taken for bytes that have arrived, never for bytes that a header announces.
 *
 * @module
 */
import { RpcError } from './errors.ts'

export const HEADER_BYTES = 12

/** What is kept of a body that is too long: which call it is, and its first arguments. */
const BEGINNING_BYTES = 128

export interface FrameLimits {
  readonly optionsBytesMax: number
  readonly bodyBytesMax: number
  /** Longer bodies up to this are read and dropped, but for their beginning; default: none. */
  readonly droppedBytesMax?: number
}

/** One message. */
export interface Frame {
  /** Number that the answer repeats. */
  readonly callCode: number
  /** A view of what was received. */
  readonly body: Buffer
  /** Bytes that the body had, where they were too many: then `body` is their beginning. */
  readonly droppedBytes?: number
}

/** A message that is being dropped. */
interface Dropping {
  readonly frame: Frame
  /** Bytes that have yet to come. */
  left: number
}

export class FrameSplitter {
  readonly #limits: FrameLimits
  #chunks: Buffer[] = []
  #received = 0
  /** Bytes of the message at the beginning, once its header is there. */
  #wanted = 0
  #dropping: Dropping | undefined

  constructor(limits: FrameLimits) {
    this.#limits = limits
  }

  /** Bytes that belong to no whole message yet. */
  get pending(): number {
    return this.#received + (this.#dropping?.frame.body.length ?? 0)
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#received += chunk.length
  }

  /** Takes one byte off the beginning: the version, which stands before the first message. */
  takeByte(): number | undefined {
    const [first] = this.#chunks
    if (first === undefined) return undefined
    this.#consume(first, 1)
    return first[0]
  }

  /**
   * The next whole message; undefined while there is none.
   *
   * @throws RpcError (envelope) where the header announces more than is allowed
   */
  next(): Frame | undefined {
    if (this.#dropping !== undefined) return this.#drop(this.#dropping)
    if (this.#received < HEADER_BYTES || this.#received < this.#wanted) return undefined
    let head = this.#chunks[0] as Buffer
    if (head.length < HEADER_BYTES) head = this.#joined()
    const [optionsBytes, bodyBytes] = [head.readUInt32BE(4), head.readUInt32BE(8)]
    if (this.#wanted === 0) this.#check(optionsBytes, bodyBytes)
    const isTooLong = bodyBytes > this.#limits.bodyBytesMax
    const total = HEADER_BYTES + optionsBytes + (isTooLong ? BEGINNING_BYTES : bodyBytes)
    this.#wanted = total
    if (this.#received < total) return undefined
    if (head.length < total) head = this.#joined()
    this.#wanted = 0
    const frame = {
      callCode: head.readUInt32BE(0),
      body: head.subarray(HEADER_BYTES + optionsBytes, total),
    }
    this.#consume(head, total)
    if (!isTooLong) return frame
    const kept = { ...frame, body: Buffer.from(frame.body), droppedBytes: bodyBytes }
    frame.body.fill(0)
    this.#dropping = { frame: kept, left: bodyBytes - BEGINNING_BYTES }
    return this.#drop(this.#dropping)
  }

  /** The message that was too long, once the last byte of it has come. */
  #drop(dropping: Dropping): Frame | undefined {
    for (let first = this.#chunks[0]; first !== undefined; first = this.#chunks[0]) {
      const length = Math.min(dropping.left, first.length)
      first.fill(0, 0, length)
      this.#consume(first, length)
      dropping.left -= length
      if (dropping.left === 0) break
    }
    if (dropping.left > 0) return undefined
    this.#dropping = undefined
    return dropping.frame
  }

  #check(options: number, body: number): void {
    const { optionsBytesMax, bodyBytesMax, droppedBytesMax = 0 } = this.#limits
    const longest = Math.max(bodyBytesMax, droppedBytesMax)
    if (options > optionsBytesMax) throw tooLong('options', options, optionsBytesMax)
    if (body > longest) throw tooLong('body', body, longest)
  }

  /** The pieces may hold a PIN: whoever wipes the message wipes all that there is of it. */
  #joined(): Buffer {
    const joined = Buffer.concat(this.#chunks)
    for (const chunk of this.#chunks) chunk.fill(0)
    this.#chunks = [joined]
    return joined
  }

  #consume(first: Buffer, length: number): void {
    this.#received -= length
    if (first.length > length) this.#chunks[0] = first.subarray(length)
    else this.#chunks.shift()
  }
}

function tooLong(what: string, found: number, allowed: number): RpcError {
  const lengths = `it has ${found} bytes, allowed are ${allowed}`
  return new RpcError('envelope', `Cannot read ${what} of message: ${lengths}`)
}
