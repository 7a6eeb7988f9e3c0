/**
 * Writes the primitives of PKCS#11 RPC, one message behind the other.
 *
 * draft-ueno-pkcs11-rpc: everything is big-endian. Several messages go into one piece of memory, so
 * that they can be sent in one write; memory that has been taken is not written to again.
 *
 * @module
 */
import { HEADER_BYTES } from './frames.ts'
import { highHalf, lowHalf, NULL_LENGTH } from './integers.ts'

const CHUNK_BYTES = 16_384

export class Writer {
  #bytes: Buffer
  #start = 0
  #offset = 0
  #frame = 0

  constructor() {
    this.#bytes = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  }

  /** Bytes that have not been taken yet. */
  get length(): number {
    return this.#offset - this.#start
  }

  /** All that was written since the last call. */
  take(): Buffer {
    const taken = this.#bytes.subarray(this.#start, this.#offset)
    this.#start = this.#offset
    return taken
  }

  /** Begins a message; {@link endFrame} fills in its length. */
  beginFrame(callCode: number, options: Uint8Array | undefined): void {
    this.#frame = this.length
    this.u32(callCode)
    this.u32(options?.length ?? 0)
    this.u32(0)
    if (options !== undefined) this.raw(options)
  }

  endFrame(): void {
    const at = this.#start + this.#frame
    const options = this.#bytes.readUInt32BE(at + 4)
    this.#bytes.writeUInt32BE(this.#offset - at - HEADER_BYTES - options, at + 8)
  }

  /** Forgets what was written since a {@link length}. */
  truncate(length: number): void {
    this.#offset = this.#start + length
  }

  /** Leaves room for a u32 that {@link endSized} fills in with the bytes that follow it. */
  beginSized(): number {
    this.u32(0)
    return this.length
  }

  endSized(mark: number): void {
    this.#bytes.writeUInt32BE(this.length - mark, this.#start + mark - 4)
  }

  u8(value: number): void {
    this.#need(1)
    this.#bytes[this.#offset++] = value
  }

  u32(value: number): void {
    this.#need(4)
    this.#word(value)
  }

  u64(value: number): void {
    this.#need(8)
    this.#word(highHalf(value))
    this.#word(lowHalf(value))
  }

  bool(value: boolean): void {
    this.u8(value ? 1 : 0)
  }

  raw(bytes: Uint8Array): void {
    this.#need(bytes.length)
    this.#bytes.set(bytes, this.#offset)
    this.#offset += bytes.length
  }

  /** The 8 bytes of a CK_ULONG in little-endian memory, as a u64. */
  reversedUlong(bytes: Uint8Array): void {
    this.#need(8)
    for (let index = 7; index >= 0; index--) this.#bytes[this.#offset++] = bytes[index] as number
  }

  /** A byte array; undefined is NULL. */
  byteArray(bytes: Uint8Array | undefined): void {
    if (bytes === undefined) {
      this.u32(NULL_LENGTH)
      return
    }
    this.u32(bytes.length)
    this.raw(bytes)
  }

  /** A length or capacity; undefined is NULL. */
  capacity(value: number | undefined): void {
    this.u32(value ?? NULL_LENGTH)
  }

  #word(value: number): void {
    const bytes = this.#bytes
    const at = this.#offset
    bytes[at] = value >>> 24
    bytes[at + 1] = value >>> 16
    bytes[at + 2] = value >>> 8
    bytes[at + 3] = value
    this.#offset = at + 4
  }

  #need(length: number): void {
    if (this.#offset + length <= this.#bytes.length) return
    const kept = this.#bytes.subarray(this.#start, this.#offset)
    const wanted = kept.length + length
    this.#bytes = Buffer.allocUnsafeSlow(wanted <= CHUNK_BYTES ? CHUNK_BYTES : wanted * 2)
    this.#bytes.set(kept)
    this.#start = 0
    this.#offset = kept.length
  }
}
