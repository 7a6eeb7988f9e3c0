/**
 * Arguments and results as p11-kit writes them, kind by kind.
 *
 * draft-ueno-pkcs11-rpc as p11-kit 0.24 to 0.26 implements it. Attributes are in
 * `stock-attributes.ts`, mechanisms in `stock-mechanisms.ts`; which call has which arguments is in
 * `stock.ts`.
 *
 * @module
 */
import { NULL_LENGTH } from '#wire/pkcs11-rpc/integers.ts'
import { malformed } from '#wire/pkcs11-rpc/reader.ts'
import { CKR } from '../constants.ts'
import { CryptokiError } from '../errors.ts'
import type { Argument } from '../functions.ts'
import type { Member } from '../members.ts'
import { LABEL_BYTES, STRUCTURES } from '../structures.ts'
import type { Fields } from '../types.ts'
import {
  type AnyGiven,
  type AnyReturned,
  exactly,
  fits,
  type GivenCodec,
  lengthOf,
  type ReturnedCodec,
  type Values,
} from './codec.ts'
import { stockAnswers, stockTemplate, stockWishes } from './stock-attributes.ts'
import { type Layout, stockMechanism } from './stock-mechanisms.ts'
import { structureCodec } from './structures.ts'

export type StockVersion = 0 | 1 | 2

/** What differs among clients and servers that speak stock versions. */
export interface Variant {
  readonly version: StockVersion
  readonly layout: Layout
  /** Whether wishes for templates have lists within them. */
  readonly isNested: boolean
}

const ulong: GivenCodec<number> = {
  read: (r) => r.u64(),
  write: (w, value) => w.u64(value),
}
export const bool: GivenCodec<boolean> = {
  read: (r) => r.bool(),
  write: (w, value) => w.bool(value),
}

/** ay in a request. */
export function givenBytes(version: StockVersion): GivenCodec<Uint8Array | undefined> {
  return {
    read(r) {
      if (r.bool()) return r.byteArray()
      const length = r.u32()
      if (length === 0) return undefined
      const what = `an argument is NULL, and its length is ${length}`
      throw new CryptokiError(CKR.ARGUMENTS_BAD, what)
    },
    write(w, value) {
      if (value === undefined && version === 0) {
        w.u8(0)
        w.u32(0)
      } else {
        w.u8(1)
        w.byteArray(value)
      }
    },
  }
}

/** fy: 0 is a NULL pointer, all ones a pointer to nothing. */
const capacity: GivenCodec<number | undefined> = {
  read(r) {
    const value = r.u32()
    if (value === 0) return undefined
    return value === NULL_LENGTH ? 0 : value
  },
  write: (w, value) => w.u32(value === 0 ? NULL_LENGTH : (value ?? 0)),
}
/** The same for 0.24, which cannot tell the two apart. */
const oldCapacity: GivenCodec<number | undefined> = {
  read: capacity.read,
  write: (w, value) => w.u32(value ?? 0),
}
const size: GivenCodec<number> = {
  read: (r) => capacity.read(r) ?? 0,
  write: (w, value) => w.u32(value),
}
/** fu: 0 is a NULL pointer. */
const elements: GivenCodec<number | undefined> = {
  read: (r) => r.u32() || undefined,
  write: (w, value) => w.u32(value ?? 0),
}
/** z: a label without padding. */
export const label: GivenCodec<Uint8Array> = {
  read(r) {
    const padded = Buffer.alloc(LABEL_BYTES, ' ')
    const given = r.byteArray()
    if (given === undefined) throw malformed('a label is NULL')
    padded.set(given.subarray(0, LABEL_BYTES))
    return padded
  },
  write(w, value) {
    let length = value.length
    while (length > 0 && value[length - 1] === 0x20) length--
    w.byteArray(value.subarray(0, length))
  },
}
/** s: a label with its padding. */
const padded: GivenCodec<Uint8Array> = {
  read: (r) => exactly(r.byteArray() ?? Buffer.alloc(0), LABEL_BYTES, 'a label'),
  write: (w, value) => w.byteArray(exactly(value, LABEL_BYTES, 'a label')),
}

export function givenCodec(argument: Argument, variant: Variant): AnyGiven | undefined {
  switch (argument.kind) {
    case 'ulong':
      return ulong
    case 'bool':
      return bool
    case 'bytes':
    case 'text':
    case 'parameter':
      return givenBytes(variant.version)
    case 'padded':
      return padded
    case 'wanted':
      return variant.version === 0 ? oldCapacity : capacity
    case 'filled':
    case 'found':
      return size
    case 'ulongs':
      return elements
    case 'template':
      return stockTemplate
    case 'values':
      return stockWishes(variant.isNested)
    case 'mechanism':
      return stockMechanism(variant.layout)
    default:
      return undefined
  }
}

/** ay in an answer. */
const wanted: ReturnedCodec<Uint8Array | number, number | undefined> = {
  read: (r) => (r.bool() ? (r.byteArray() ?? Buffer.alloc(0)) : r.u32()),
  write(w, value, given) {
    const isWhole = fits(value, given)
    w.bool(isWhole)
    if (isWhole) w.byteArray(value as Uint8Array)
    else w.u32(lengthOf(value))
  },
}
const filled: ReturnedCodec<Uint8Array, number> = {
  read: (r, given) => exactly(wanted.read(r, given, {}) as Buffer, given, 'an answer'),
  write: (w, value, given) => wanted.write(w, exactly(value, given, 'an answer'), given, {}),
}
/** au in an answer. */
const ulongs: ReturnedCodec<readonly number[] | number, number | undefined> = {
  read(r) {
    const isWhole = r.bool()
    const count = r.u32()
    if (!isWhole) return count
    r.checkCount(count, 8)
    const values: number[] = []
    for (let index = 0; index < count; index++) values.push(r.u64())
    return values
  },
  write(w, value, given) {
    const isWhole = fits(value, given)
    w.bool(isWhole)
    w.u32(lengthOf(value))
    if (isWhole) for (const number of value as readonly number[]) w.u64(number)
  },
}
const found: ReturnedCodec<readonly number[], number> = {
  read(r, given, args) {
    const values = ulongs.read(r, given, args)
    if (typeof values === 'number') throw malformed('handles were found, but are not told')
    return values
  },
  write(w, value, given, args) {
    if (value.length > given) throw malformed(`${value.length} handles were found, not ${given}`)
    ulongs.write(w, value, given, args)
  },
}
export const ulongOut: ReturnedCodec<number> = {
  read: (r) => r.u64(),
  write: (w, value) => w.u64(value),
}

const RETURNED = { wanted, filled, ulongs, found, ulongOut, values: stockAnswers } as const

export function returnedCodec(argument: Argument): AnyReturned | undefined {
  if (argument.kind === 'structure') return structure(argument.type)
  return argument.kind in RETURNED ? RETURNED[argument.kind as keyof typeof RETURNED] : undefined
}

/** A structure that comes back: as in the dialect, but that texts have a length. */
function structure(type: keyof typeof STRUCTURES): AnyReturned {
  const members = Object.entries<Member>(STRUCTURES[type])
  const texts = members.map(([, member]) => (member.kind === 'text' ? member.bytes : undefined))
  const plain = structureCodec(type, 'response') as GivenCodec<Fields>
  if (texts.every((bytes) => bytes === undefined)) return plain
  const codecs = members.map(([name, member]) => [name, memberCodec(member)] as const)
  return {
    read(r) {
      return Object.fromEntries(codecs.map(([name, codec]) => [name, codec.read(r)]))
    },
    write(w, value: Values) {
      for (const [name, codec] of codecs) codec.write(w, value[name] as never)
    },
  }
}

function memberCodec(member: Member): AnyGiven {
  if (member.kind === 'ulong') return ulong
  if (member.kind === 'version') return version
  const bytes = member.kind === 'text' ? member.bytes : 0
  return {
    read: (r) => exactly(r.byteArray() ?? Buffer.alloc(0), bytes, 'a text'),
    write: (w, value: Uint8Array) => w.byteArray(exactly(value, bytes, 'a text')),
  }
}

const version: GivenCodec<{ readonly major: number; readonly minor: number }> = {
  read: (r) => ({ major: r.u8(), minor: r.u8() }),
  write(w, { major, minor }) {
    w.u8(major)
    w.u8(minor)
  },
}
