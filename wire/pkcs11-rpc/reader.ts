/**
 * Reads the primitives of PKCS#11 RPC from a message body.
 *
 * draft-ueno-pkcs11-rpc: everything is big-endian; a byte array is its length (u32, all ones for
 * NULL) and its bytes. Byte arrays are views of the message, not copies. Nothing is allocated by a
 * length that a message claims: it is compared with what is there first.
 *
 * @module
 */
import { RpcError } from './errors.ts'
import { joinHalves, NULL_LENGTH } from './integers.ts'

/** Lists within lists, and structures within structures. */
export const DEPTH_MAX = 8

const EMPTY = Buffer.alloc(0)

export class Reader {
  #bytes: Buffer = EMPTY
  #offset = 0
  #end = 0
  #depth = 0

  constructor(bytes: Buffer = EMPTY) {
    this.reset(bytes)
  }

  /** Begins anew with other bytes. */
  reset(bytes: Buffer): void {
    this.#bytes = bytes
    this.#offset = 0
    this.#end = bytes.length
    this.#depth = 0
  }

  /** Where the next value begins. */
  get offset(): number {
    return this.#offset
  }

  /** Goes back, or on, to a place that {@link offset} has given. */
  seek(offset: number): void {
    this.#offset = offset
    this.#depth = 0
  }

  get remaining(): number {
    return this.#end - this.#offset
  }

  u8(): number {
    if (this.#offset >= this.#end) throw tooShort('u8', 1, 0)
    return this.#bytes[this.#offset++] as number
  }

  u32(): number {
    const at = this.#advance(4, 'u32')
    return word(this.#bytes, at)
  }

  u64(): number {
    const at = this.#advance(8, 'u64')
    return joinHalves(word(this.#bytes, at), word(this.#bytes, at + 4))
  }

  /** 0 or 1; anything else is no boolean. */
  bool(): boolean {
    const value = this.u8()
    if (value > 1) throw malformed(`a boolean is ${value}; 0 or 1 is allowed`)
    return value === 1
  }

  /** So many bytes. */
  raw(length: number): Buffer {
    const at = this.#advance(length, 'bytes')
    return this.#bytes.subarray(at, at + length)
  }

  /** A u64 as CK_ULONG lies in little-endian memory. */
  reversedUlong(): Buffer {
    return Buffer.from(this.raw(8)).reverse()
  }

  /** A byte array; undefined where it is NULL. */
  byteArray(): Buffer | undefined {
    const length = this.u32()
    if (length === NULL_LENGTH) return undefined
    return this.raw(length)
  }

  /** A length or capacity; undefined where it stands for NULL. */
  capacity(): number | undefined {
    const value = this.u32()
    return value === NULL_LENGTH ? undefined : value
  }

  /** A count of things of which each takes at least so many bytes. */
  count(bytesEach: number): number {
    return this.checkCount(this.u32(), bytesEach)
  }

  /** Fails where not so many things can follow. */
  checkCount(count: number, bytesEach: number): number {
    if (count * bytesEach <= this.remaining) return count
    throw malformed(`a list claims ${count} entries, but ${this.remaining} bytes follow`)
  }

  /** Goes one level down. */
  enter(): void {
    if (++this.#depth > DEPTH_MAX) {
      throw malformed(`lists are nested more than ${DEPTH_MAX} deep`)
    }
  }

  leave(): void {
    this.#depth--
  }

  /** Fails where something is left over. */
  finish(): void {
    if (this.remaining > 0) throw malformed(`${this.remaining} bytes follow the last argument`)
  }

  /** Whether the next bytes are these; goes past them if so. */
  matches(expected: Buffer): boolean {
    const { length } = expected
    if (this.remaining < length) return false
    for (let index = 0; index < length; index++) {
      if (this.#bytes[this.#offset + index] !== expected[index]) return false
    }
    this.#offset += length
    return true
  }

  #advance(length: number, what: string): number {
    const at = this.#offset
    if (length > this.#end - at) throw tooShort(what, length, this.#end - at)
    this.#offset = at + length
    return at
  }
}

function word(bytes: Buffer, at: number): number {
  return (
    (bytes[at] as number) * 0x100_0000 +
    (((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number))
  )
}

/** An argument that does not decode. */
export function malformed(what: string): RpcError {
  return new RpcError('argument', `Cannot read message: ${what}`)
}

function tooShort(what: string, wanted: number, found: number): RpcError {
  return malformed(`${what} needs ${wanted} bytes, ${found} are left`)
}
