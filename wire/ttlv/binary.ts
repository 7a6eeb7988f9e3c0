/**
 * TTLV, the binary encoding of KMIP messages.
 *
 * KMIP 2.1 §9.1 "TTLV Encoding". An item is: tag (3 bytes), type (1 byte), length in bytes (4
 * bytes, big-endian, padding not counted except in structures), value, zero padding to a multiple
 * of 8.
 *
 * Pure: bytes in, values out, no I/O and no policy. The caller limits the size of a message,
 * because it knows the transport; depth and number of items are limited here, because only this
 * module walks them. Byte strings are views of the input, not copies: whoever keeps one longer must
 * copy it. Padding is written as zeros and not looked at when read.
 *
 * @module
 */
import { Buffer, isUtf8 } from 'node:buffer'
import { WireError } from '#wire/errors.ts'
import { ITEM_TYPE_NAMES, type Item, ItemType, tagHex } from './item.ts'

/** What a decoder refuses to walk; see `core/limits.ts` for the configured values. */
export interface DecodeLimits {
  /** Structures within structures. */
  readonly depthMax: number
  /** Items in one message, structures included. */
  readonly itemsMax: number
}

/** Up to this many bytes or characters a text is looked at here: asking the runtime costs more. */
const SHORT_TEXT = 64

/** Header of an item: tag, type and length. */
const ITEM_HEADER_BYTES = 8

/**
 * Bytes that the message beginning at `offset` has in all, or undefined while its header is
 * incomplete.
 *
 * @throws `WireError` `invalidMessage` when the bytes cannot be the start of a KMIP message.
 */
export function messageBytes(bytes: Uint8Array, offset = 0): number | undefined {
  if (bytes.length - offset < ITEM_HEADER_BYTES) return undefined
  if (bytes[offset] !== 0x42 || bytes[offset + 3] !== ItemType.Structure) {
    throw new WireError(
      'invalidMessage',
      'Cannot read message: does not start with a KMIP structure',
    )
  }
  return ITEM_HEADER_BYTES + uint32(bytes, offset + 4)
}

/**
 * Decodes exactly one item that fills `bytes`.
 *
 * @throws `WireError` `invalidMessage` when the bytes are not one well-formed item within `limits`.
 */
export function decodeItem(bytes: Uint8Array, limits: DecodeLimits): Item {
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const decoder = new Decoder(buffer, limits)
  const item = decoder.item(buffer.length, 0)
  if (decoder.offset !== buffer.length) {
    throw malformed(`${buffer.length - decoder.offset} bytes follow the item`)
  }
  return item
}

class Decoder {
  offset = 0
  readonly #bytes: Buffer
  readonly #limits: DecodeLimits
  #items = 0

  constructor(bytes: Buffer, limits: DecodeLimits) {
    this.#bytes = bytes
    this.#limits = limits
  }

  /** Reads one item that ends at or before `end`. */
  item(end: number, depth: number): Item {
    const start = this.offset
    if (end - start < ITEM_HEADER_BYTES) throw malformed('an item header is cut off')
    if (++this.#items > this.#limits.itemsMax) {
      throw malformed(`more than ${this.#limits.itemsMax} items`)
    }
    const bytes = this.#bytes
    const head = uint32(bytes, start)
    const tag = head >>> 8
    const first = tag >>> 16
    if (first !== 0x42 && first !== 0x54) throw malformed(`${tagHex(tag)} is no tag`)
    const length = uint32(bytes, start + 4)
    const valueStart = start + ITEM_HEADER_BYTES
    if (length > end - valueStart) {
      throw malformed(`${tagHex(tag)} claims ${length} bytes of ${end - valueStart} that remain`)
    }
    this.offset = valueStart
    return this.#value(tag, head & 0xff, length, end, depth)
  }

  #value(tag: number, type: number, length: number, end: number, depth: number): Item {
    if (type === ItemType.Structure) return this.#structure(tag, length, depth)
    const at = this.offset
    this.offset = at + padded(length)
    if (this.offset > end) throw malformed(`padding of ${tagHex(tag)} is cut off`)
    const read = READERS[type]
    if (read === undefined) throw malformed(`${tagHex(tag)} has the unknown type ${type}`)
    return { tag, type, value: read(this.#bytes, at, length, tag) } as Item
  }

  #structure(tag: number, length: number, depth: number): Item {
    if (depth >= this.#limits.depthMax) {
      throw malformed(`structures nest deeper than ${this.#limits.depthMax}`)
    }
    const end = this.offset + length
    const value: Item[] = []
    while (this.offset < end) value.push(this.item(end, depth + 1))
    return { tag, type: ItemType.Structure, value }
  }
}

type ReadValue = (bytes: Buffer, at: number, length: number, tag: number) => unknown

/** By item type; each checks the length that its type fixes. */
const READERS: readonly (ReadValue | undefined)[] = (() => {
  const readers: (ReadValue | undefined)[] = []
  readers[ItemType.Integer] = (bytes, at, length, tag) => {
    fixed(length, 4, tag)
    return bytes.readInt32BE(at)
  }
  readers[ItemType.LongInteger] = readInt64
  readers[ItemType.BigInteger] = (bytes, at, length, tag) => {
    if (length === 0 || length % 8 !== 0) {
      throw malformed(`big integer ${tagHex(tag)} has ${length} bytes, not a multiple of 8`)
    }
    return bytes.subarray(at, at + length)
  }
  readers[ItemType.Enumeration] = readUint32
  readers[ItemType.Boolean] = (bytes, at, length, tag) => {
    fixed(length, 8, tag)
    const low = uint32(bytes, at + 4)
    if (uint32(bytes, at) !== 0 || low > 1) throw malformed(`${tagHex(tag)} is neither 0 nor 1`)
    return low === 1
  }
  readers[ItemType.TextString] = readText
  readers[ItemType.ByteString] = (bytes, at, length) => bytes.subarray(at, at + length)
  readers[ItemType.DateTime] = readInt64
  readers[ItemType.Interval] = readUint32
  readers[ItemType.DateTimeExtended] = readInt64
  return readers
})()

function readText(bytes: Buffer, at: number, length: number, tag: number): string {
  const end = at + length
  if (length <= SHORT_TEXT && isAscii(bytes, at, end)) return bytes.toString('latin1', at, end)
  const text = bytes.subarray(at, end)
  if (!isUtf8(text)) throw malformed(`text ${tagHex(tag)} is not UTF-8`)
  return text.toString('utf8')
}

function isAscii(bytes: Buffer, at: number, end: number): boolean {
  let all = 0
  for (let index = at; index < end; index++) all |= bytes[index] as number
  return all <= 0x7f
}

function readUint32(bytes: Buffer, at: number, length: number, tag: number): number {
  fixed(length, 4, tag)
  return uint32(bytes, at)
}

function readInt64(bytes: Buffer, at: number, length: number, tag: number): bigint {
  fixed(length, 8, tag)
  return bytes.readBigInt64BE(at)
}

function fixed(length: number, want: number, tag: number): void {
  if (length !== want) throw malformed(`${tagHex(tag)} has ${length} bytes, not ${want}`)
}

function malformed(what: string): WireError {
  return new WireError('invalidMessage', `Cannot decode TTLV: ${what}`)
}

function uint32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  )
}

function padded(length: number): number {
  return (length + 7) & ~7
}

/** Encodings are cut from blocks of this size: memory of its own costs more than filling it. */
const BLOCK_BYTES = 65_536

/** An encoding longer than this gets memory of its own, so that it keeps no block alive. */
const SHARED_BYTES_MAX = 4_096

/**
 * Encodes one item.
 *
 * @returns Bytes of its own; nothing in it is shared with `item`.
 */
export function encodeItem(item: Item): Uint8Array {
  writer.begin()
  writer.item(item)
  return writer.end()
}

/** Length in bytes of the encoded item, header and padding included. */
export function itemBytes(item: Item): number {
  return ITEM_HEADER_BYTES + padded(valueBytes(item))
}

function valueBytes(item: Item): number {
  switch (item.type) {
    case ItemType.Structure: {
      let total = 0
      for (const value of item.value) total += itemBytes(value)
      return total
    }
    case ItemType.TextString:
      return Buffer.byteLength(item.value)
    case ItemType.ByteString:
    case ItemType.BigInteger:
      return item.value.length
    case ItemType.Integer:
    case ItemType.Enumeration:
    case ItemType.Interval:
      return 4
    default:
      return 8
  }
}

/** Writes one item after the other into a block of memory, and takes a new one when it is full. */
class Writer {
  #bytes: Buffer
  #view: DataView
  /** Where the encoding begins, and where it goes on. */
  #start = 0
  #at = 0

  constructor() {
    this.#bytes = Buffer.allocUnsafeSlow(BLOCK_BYTES)
    this.#view = viewOf(this.#bytes)
  }

  begin(): void {
    // What an encoding that failed has left is written over.
    this.#at = this.#start
  }

  end(): Uint8Array {
    const [start, end] = [this.#start, this.#at]
    if (end - start <= SHARED_BYTES_MAX) {
      this.#start = end
      return this.#bytes.subarray(start, end)
    }
    const written = this.#bytes.subarray(start, end)
    if (this.#bytes.length > BLOCK_BYTES) {
      this.#take(BLOCK_BYTES)
      return written
    }
    const own = Buffer.allocUnsafeSlow(written.length)
    own.set(written)
    written.fill(0)
    return own
  }

  item(item: Item): void {
    if (item.tag >>> 24 !== 0) throw beyond(item)
    this.#need(ITEM_HEADER_BYTES + roomOf(item))
    const at = this.#at
    const view = this.#view
    const value = at + ITEM_HEADER_BYTES
    view.setUint32(at, (item.tag << 8) | item.type)
    switch (item.type) {
      case ItemType.Structure:
        this.#structure(item.value)
        return
      case ItemType.Integer:
        if ((item.value | 0) !== item.value) throw beyond(item)
        view.setInt32(value, item.value)
        this.#fixed(4)
        return
      case ItemType.Enumeration:
      case ItemType.Interval:
        if (item.value >>> 0 !== item.value) throw beyond(item)
        view.setUint32(value, item.value)
        this.#fixed(4)
        return
      case ItemType.LongInteger:
      case ItemType.DateTime:
      case ItemType.DateTimeExtended:
        if (BigInt.asIntN(64, item.value) !== item.value) throw beyond(item)
        view.setBigInt64(value, item.value)
        this.#fixed(8)
        return
      case ItemType.Boolean:
        view.setUint32(value, 0)
        view.setUint32(value + 4, item.value ? 1 : 0)
        this.#fixed(8)
        return
      case ItemType.TextString:
        this.#text(item.value)
        return
      case ItemType.ByteString:
      case ItemType.BigInteger:
        this.#bytes.set(item.value, value)
        this.#finish(item.value.length)
    }
  }

  #structure(items: readonly Item[]): void {
    // A block that fills up moves the beginning.
    const from = this.#at - this.#start
    this.#at += ITEM_HEADER_BYTES
    for (const item of items) this.item(item)
    const at = this.#start + from
    this.#view.setUint32(at + 4, this.#at - at - ITEM_HEADER_BYTES)
  }

  #text(text: string): void {
    const isShort = text.length <= SHORT_TEXT && this.#ascii(text)
    const value = this.#at + ITEM_HEADER_BYTES
    this.#finish(isShort ? text.length : this.#bytes.write(text, value, 'utf8'))
  }

  /** Writes a short text, as far as it is ASCII; says whether it is. */
  #ascii(text: string): boolean {
    const bytes = this.#bytes
    const at = this.#at + ITEM_HEADER_BYTES
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index)
      if (unit > 0x7f) return false
      bytes[at + index] = unit
    }
    return true
  }

  /** The end of a value of 4 or 8 bytes. */
  #fixed(length: 4 | 8): void {
    const at = this.#at
    this.#view.setUint32(at + 4, length)
    if (length === 4) this.#view.setUint32(at + 12, 0)
    this.#at = at + 16
  }

  /** The end of a value of any length: its padding and the length. */
  #finish(length: number): void {
    this.#view.setUint32(this.#at + 4, length)
    const value = this.#at + ITEM_HEADER_BYTES
    const next = value + padded(length)
    for (let at = value + length; at < next; at++) this.#bytes[at] = 0
    this.#at = next
  }

  #need(bytes: number): void {
    if (this.#at + bytes > this.#bytes.length) this.#renew(bytes)
  }

  #renew(bytes: number): void {
    const written = this.#bytes.subarray(this.#start, this.#at)
    this.#take(Math.max(BLOCK_BYTES, (written.length + bytes) * 2))
    this.#bytes.set(written)
    this.#at = written.length
    written.fill(0)
  }

  #take(size: number): void {
    this.#bytes = Buffer.allocUnsafeSlow(size)
    this.#view = viewOf(this.#bytes)
    this.#start = 0
    this.#at = 0
  }
}

const writer = new Writer()

/** Bytes that a value takes at most, without what is in a structure. */
function roomOf(item: Item): number {
  switch (item.type) {
    case ItemType.TextString:
      // No UTF-16 unit takes more than three bytes.
      return padded(item.value.length * 3)
    case ItemType.ByteString:
    case ItemType.BigInteger:
      return padded(item.value.length)
    default:
      return 8
  }
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length)
}

function beyond({ tag, type, value }: Item): RangeError {
  const what = `${ITEM_TYPE_NAMES.get(type)} cannot hold ${value}`
  return new RangeError(`Cannot encode ${tagHex(tag)}: ${what}`)
}
