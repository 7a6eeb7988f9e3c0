/**
 * Attributes in the dialect.
 *
 * Values are C memory of a 64-bit little-endian machine and travel as they are; only templates
 * within templates travel as lists. Types and lengths are u64, so that every vendor's fits.
 *
 * @module
 */
import { malformed, type Reader } from '#wire/pkcs11-rpc/reader.ts'
import type { Writer } from '#wire/pkcs11-rpc/writer.ts'
import type { Attribute, AttributeAnswer, AttributeWish } from '../types.ts'
import type { GivenCodec, ReturnedCodec } from './codec.ts'

const GIVEN = { null: 0, bytes: 1, nested: 2 } as const
const ANSWERED = { unavailable: 0, bytes: 1, nested: 2, length: 3 } as const
/** Bytes of the shortest attribute: its type, and a form or a capacity. */
const ENTRY_BYTES_MIN = 9

/** Attributes that are given. */
export const templateCodec: GivenCodec<readonly Attribute[]> = {
  read: readTemplate,
  write: writeTemplate,
}

function readTemplate(r: Reader): readonly Attribute[] {
  const count = r.count(ENTRY_BYTES_MIN)
  const attributes: Attribute[] = []
  for (let index = 0; index < count; index++) attributes.push(readAttribute(r))
  return attributes
}

function readAttribute(r: Reader): Attribute {
  const type = r.u64()
  const form = r.u8()
  switch (form) {
    case GIVEN.null: {
      const length = r.u64()
      return length === 0 ? { type, value: undefined } : { type, value: undefined, length }
    }
    case GIVEN.bytes:
      return { type, value: r.byteArray() }
    case GIVEN.nested:
      return { type, value: readNested(r) }
    default:
      throw malformed(`an attribute has form ${form}; 0 to 2 are allowed`)
  }
}

function readNested(r: Reader): readonly Attribute[] {
  r.enter()
  const attributes = readTemplate(r)
  r.leave()
  return attributes
}

function writeTemplate(w: Writer, attributes: readonly Attribute[]): void {
  w.u32(attributes.length)
  for (const { type, value, length = 0 } of attributes) {
    w.u64(type)
    if (value === undefined) {
      w.u8(GIVEN.null)
      w.u64(length)
    } else if (value instanceof Uint8Array) {
      w.u8(GIVEN.bytes)
      w.byteArray(value)
    } else {
      w.u8(GIVEN.nested)
      writeTemplate(w, value)
    }
  }
}

/** Attributes that are asked for. */
export const wishesCodec: GivenCodec<readonly AttributeWish[]> = {
  read(r) {
    const count = r.count(ENTRY_BYTES_MIN)
    const wishes: AttributeWish[] = []
    for (let index = 0; index < count; index++) {
      wishes.push({ type: r.u64(), capacity: r.capacity() })
    }
    return wishes
  },
  write(w, wishes) {
    w.u32(wishes.length)
    for (const { type, capacity } of wishes) {
      w.u64(type)
      w.capacity(capacity)
    }
  },
}

/** Attributes that are answered. */
export const answersCodec: ReturnedCodec<readonly AttributeAnswer[]> = {
  read(r) {
    const count = r.count(ENTRY_BYTES_MIN)
    const answers: AttributeAnswer[] = []
    for (let index = 0; index < count; index++) answers.push(readAnswer(r))
    return answers
  },
  write(w, answers) {
    w.u32(answers.length)
    for (const { type, value, length } of answers) {
      w.u64(type)
      if (value instanceof Uint8Array) {
        w.u8(ANSWERED.bytes)
        w.byteArray(value)
      } else if (value !== undefined) {
        w.u8(ANSWERED.nested)
        writeTemplate(w, value)
      } else if (length !== undefined) {
        w.u8(ANSWERED.length)
        w.u64(length)
      } else w.u8(ANSWERED.unavailable)
    }
  },
}

function readAnswer(r: Reader): AttributeAnswer {
  const type = r.u64()
  const form = r.u8()
  switch (form) {
    case ANSWERED.unavailable:
      return { type }
    case ANSWERED.bytes:
      return { type, value: r.byteArray() ?? Buffer.alloc(0) }
    case ANSWERED.nested:
      return { type, value: readNested(r) }
    case ANSWERED.length:
      return { type, length: r.u64() }
    default:
      throw malformed(`an attribute has form ${form}; 0 to 3 are allowed`)
  }
}
