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

export interface FrameLimits {
  readonly optionsBytesMax: number
  readonly bodyBytesMax: number
}

/** One message. */
export interface Frame {
  /** Number that the answer repeats. */
  readonly callCode: number
  /** A view of what was received. */
  readonly body: Buffer
}

export class FrameSplitter {
  readonly #limits: FrameLimits
  #chunks: Buffer[] = []
  #received = 0
  /** Bytes of the message at the beginning, once its header is there. */
  #wanted = 0

  constructor(limits: FrameLimits) {
    this.#limits = limits
  }

  /** Bytes that belong to no whole message yet. */
  get pending(): number {
    return this.#received
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
    if (this.#received < HEADER_BYTES || this.#received < this.#wanted) return undefined
    let head = this.#chunks[0] as Buffer
    if (head.length < HEADER_BYTES) head = this.#joined()
    const optionsBytes = head.readUInt32BE(4)
    const total = HEADER_BYTES + optionsBytes + head.readUInt32BE(8)
    if (this.#wanted === 0) this.#check(optionsBytes, total - HEADER_BYTES - optionsBytes)
    this.#wanted = total
    if (this.#received < total) return undefined
    if (head.length < total) head = this.#joined()
    this.#wanted = 0
    const frame = {
      callCode: head.readUInt32BE(0),
      body: head.subarray(HEADER_BYTES + optionsBytes, total),
    }
    this.#consume(head, total)
    return frame
  }

  #check(options: number, body: number): void {
    const { optionsBytesMax, bodyBytesMax } = this.#limits
    if (options > optionsBytesMax) throw tooLong('options', options, optionsBytesMax)
    if (body > bodyBytesMax) throw tooLong('body', body, bodyBytesMax)
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
