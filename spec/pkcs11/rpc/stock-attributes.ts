/**
 * Attributes as p11-kit sends them: values converted by the class of their type.
 *
 * draft-ueno-pkcs11-rpc as p11-kit implements it. What its table does not know travels as the bytes
 * of the sender's memory. A list of wishes has nested lists for templates from 0.25.4 on.
 *
 * @module
 */
import { NULL_LENGTH } from '#wire/pkcs11-rpc/integers.ts'
import { malformed, type Reader } from '#wire/pkcs11-rpc/reader.ts'
import type { Writer } from '#wire/pkcs11-rpc/writer.ts'
import { attributeRow, type StockClass } from '../attributes.ts'
import { CKR } from '../constants.ts'
import { CryptokiError } from '../errors.ts'
import { ATTRIBUTE_BYTES, ULONG_BYTES } from '../memory.ts'
import type { Attribute, AttributeAnswer, AttributeWish } from '../types.ts'
import type { GivenCodec, ReturnedCodec } from './codec.ts'

/** Bytes of an attribute whose length is -1: its type and a byte. */
const ATTRIBUTE_BYTES_MIN = 5
const WISH_BYTES = 8
const DATE_BYTES = 8
const EMPTY = Buffer.alloc(0)

function classOf(type: number): StockClass {
  return attributeRow(type)?.stock ?? 'bytes'
}

/** aA in a request. */
export const stockTemplate: GivenCodec<readonly Attribute[]> = {
  read: readTemplate,
  write: writeTemplate,
}

function readTemplate(r: Reader): readonly Attribute[] {
  const count = r.count(ATTRIBUTE_BYTES_MIN)
  const attributes: Attribute[] = []
  for (let index = 0; index < count; index++) {
    const { type, length, value } = readEntry(r)
    const isConverted = classOf(type) === 'byte' || classOf(type) === 'ulong'
    if (value !== undefined) attributes.push({ type, value })
    else if (isConverted && length !== undefined) throw unfit(type, `it has ${length} bytes`)
    else if (length === 0) attributes.push({ type, value: undefined })
    else attributes.push({ type, value: undefined, length: length ?? -1 })
  }
  return attributes
}

interface Entry {
  readonly type: number
  /** Undefined: -1. */
  readonly length: number | undefined
  readonly value: Uint8Array | readonly Attribute[] | undefined
}

function readEntry(r: Reader): Entry {
  const type = r.u32()
  if (!r.bool()) return { type, length: undefined, value: undefined }
  const length = r.u32()
  return { type, length, value: READERS[classOf(type)](r, length) }
}

/** Undefined where the length does not fit the class. */
type ValueReader = (r: Reader, length: number) => Entry['value']

const READERS: Readonly<Record<StockClass, ValueReader>> = {
  byte(r, length) {
    const value = r.raw(1)
    return length === 0 ? EMPTY : length === 1 ? value : undefined
  },
  ulong(r, length) {
    const value = r.reversedUlong()
    // A peer of 32 bits has longs of four bytes.
    if (length === 0) return EMPTY
    return length === 4 || length === ULONG_BYTES ? value : undefined
  },
  date(r) {
    const value = r.byteArray()
    if (value !== undefined && value.length !== 0 && value.length !== DATE_BYTES) {
      throw malformed(`a date has ${value.length} bytes; 0 or ${DATE_BYTES} are allowed`)
    }
    return value
  },
  template(r) {
    r.enter()
    const value = readTemplate(r)
    r.leave()
    return value
  },
  mechanisms(r) {
    const count = r.count(ULONG_BYTES)
    const value = Buffer.from(r.raw(count * ULONG_BYTES))
    return value.swap64()
  },
  bytes: (r) => r.byteArray(),
}

function writeTemplate(w: Writer, attributes: readonly Attribute[]): void {
  w.u32(attributes.length)
  for (const { type, value, length = 0 } of attributes) {
    if (value === undefined) writeLength(w, type, length)
    else writeValue(w, type, value)
  }
}

function writeType(w: Writer, type: number): void {
  if (type <= NULL_LENGTH) {
    w.u32(type)
    return
  }
  const what = `cannot send attribute 0x${type.toString(16)}: p11-kit has 32 bits for its type`
  throw new CryptokiError(CKR.ATTRIBUTE_TYPE_INVALID, what)
}

/** An attribute without its value, or (a length of -1) without even a length. */
function writeLength(w: Writer, type: number, length: number): void {
  writeType(w, type)
  w.bool(length >= 0)
  if (length < 0) return
  w.u32(length)
  const kind = classOf(type)
  if (kind === 'byte') w.u8(0)
  else if (kind === 'ulong') w.u64(0)
  else if (kind === 'template' || kind === 'mechanisms') w.u32(0)
  else w.u32(NULL_LENGTH)
}

function writeValue(w: Writer, type: number, value: Uint8Array | readonly Attribute[]): void {
  const kind = classOf(type)
  if (!(value instanceof Uint8Array)) {
    if (kind !== 'template') throw unfit(type, 'a template cannot be sent for it')
    writeType(w, type)
    w.u8(1)
    w.u32(value.length * ATTRIBUTE_BYTES)
    writeTemplate(w, value)
    return
  }
  if (value.length === 0 && kind !== 'bytes' && kind !== 'date') {
    writeLength(w, type, 0)
    return
  }
  writeType(w, type)
  w.u8(1)
  w.u32(value.length)
  WRITERS[kind](w, value, type)
}

const WRITERS: Readonly<Record<StockClass, (w: Writer, value: Uint8Array, type: number) => void>> =
  {
    byte(w, value, type) {
      if (value.length !== 1) throw unfit(type, `it has ${value.length} bytes, not 1`)
      w.u8(value[0] as number)
    },
    ulong(w, value, type) {
      if (value.length !== ULONG_BYTES) throw unfit(type, `it has ${value.length} bytes, not 8`)
      w.reversedUlong(value)
    },
    date(w, value, type) {
      const { length } = value
      if (length !== 0 && length !== DATE_BYTES) throw unfit(type, `it has ${length} bytes, not 8`)
      w.byteArray(value)
    },
    template(_, value, type) {
      throw unfit(type, `it is ${value.length} bytes instead of a template`)
    },
    mechanisms(w, value, type) {
      if (value.length % ULONG_BYTES !== 0) throw unfit(type, `it has ${value.length} bytes`)
      w.u32(value.length / ULONG_BYTES)
      for (let at = 0; at < value.length; at += ULONG_BYTES) {
        w.reversedUlong(value.subarray(at, at + ULONG_BYTES))
      }
    },
    bytes: (w, value) => w.byteArray(value),
  }

function unfit(type: number, what: string): CryptokiError {
  const name = attributeRow(type)?.name ?? `0x${type.toString(16)}`
  return new CryptokiError(CKR.ATTRIBUTE_VALUE_INVALID, `attribute ${name} does not fit: ${what}`)
}

/** fA in a request; `isNested`: with lists within it. */
export function stockWishes(isNested: boolean): GivenCodec<readonly AttributeWish[]> {
  const isList = (type: number, length: number): boolean =>
    isNested && length !== 0 && classOf(type) === 'template'

  function read(r: Reader): readonly AttributeWish[] {
    const count = r.count(WISH_BYTES)
    const wishes: AttributeWish[] = []
    for (let index = 0; index < count; index++) {
      const type = r.u32()
      const length = r.u32()
      const capacity = length === 0 ? undefined : length
      if (!isList(type, length)) {
        wishes.push({ type, capacity })
        continue
      }
      r.enter()
      wishes.push({ type, capacity, nested: read(r) })
      r.leave()
    }
    return wishes
  }

  function write(w: Writer, wishes: readonly AttributeWish[]): void {
    w.u32(wishes.length)
    for (const { type, capacity = 0, nested = [] } of wishes) {
      writeType(w, type)
      w.u32(capacity)
      if (isList(type, capacity)) write(w, nested)
    }
  }

  return { read, write }
}

/** aA in an answer: as many as were asked for, in their order. */
export const stockAnswers: ReturnedCodec<readonly AttributeAnswer[], readonly AttributeWish[]> = {
  read(r, given) {
    const count = r.count(ATTRIBUTE_BYTES_MIN)
    if (count !== given.length) {
      throw malformed(`${count} attributes were answered, ${given.length} were asked for`)
    }
    return given.map((wish) => readAnswer(r, wish))
  },
  write(w, answers, given) {
    w.u32(answers.length)
    for (const [index, answer] of answers.entries()) writeAnswer(w, answer, given[index])
  },
}

function readAnswer(r: Reader, { type: wanted, capacity }: AttributeWish): AttributeAnswer {
  const { type, length, value } = readEntry(r)
  if (type !== wanted) throw malformed(`attribute ${type} was answered instead of ${wanted}`)
  if (length === undefined) return { type }
  if (capacity === undefined || value === undefined) return { type, length }
  const isWhole = value instanceof Uint8Array || value.length * ATTRIBUTE_BYTES === length
  return isWhole ? { type, value } : { type, length }
}

function writeAnswer(w: Writer, answer: AttributeAnswer, wish: AttributeWish | undefined): void {
  const { type, value, length } = answer
  if (value === undefined) {
    writeLength(w, type, length ?? -1)
  } else if (value instanceof Uint8Array || wish?.nested === undefined) {
    writeValue(w, type, value)
  } else {
    writeType(w, type)
    w.u8(1)
    w.u32(value.length * ATTRIBUTE_BYTES)
    writeNested(w, value, wish.nested)
  }
}

/** The attributes of a template, as far as the caller has room for each. */
function writeNested(
  w: Writer,
  attributes: readonly Attribute[],
  wishes: readonly AttributeWish[],
): void {
  w.u32(attributes.length)
  for (const [index, { type, value, length = 0 }] of attributes.entries()) {
    const capacity = wishes[index]?.capacity
    const bytes =
      value instanceof Uint8Array ? value.length : (value?.length ?? 0) * ATTRIBUTE_BYTES
    if (value === undefined) writeLength(w, type, length)
    else if (capacity === undefined) writeLength(w, type, bytes)
    else if (capacity < bytes) writeLength(w, type, -1)
    else writeAnswer(w, { type, value }, wishes[index])
  }
}
