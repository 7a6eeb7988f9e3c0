/**
 * Mechanisms and their parameter structures in the dialect: members in order, from the rows.
 *
 * The module docblock of `../structures.ts` says how each kind of member travels. A structure with
 * a pointer of the caller's process, or one that holds such a structure, does not travel.
 *
 * @module
 */
import { NULL_LENGTH } from '#wire/pkcs11-rpc/integers.ts'
import { malformed, type Reader } from '#wire/pkcs11-rpc/reader.ts'
import { mechanismRow } from '../mechanisms.ts'
import type { Member } from '../members.ts'
import { STRUCTURES, type StructureType } from '../structures.ts'
import type { Fields, Mechanism, MessageParameter, Version } from '../types.ts'
import { type AnyGiven, exactly, type GivenCodec } from './codec.ts'
import { templateCodec } from './templates.ts'

/** Whether a structure is given or comes back: what the token writes travels only then. */
export type Way = 'request' | 'response'

const made = new Map<string, GivenCodec<Fields> | undefined>()

/** How a structure travels; undefined: it does not. */
export function structureCodec(type: string, way: Way): GivenCodec<Fields> | undefined {
  const key = `${type} ${way}`
  if (!made.has(key)) made.set(key, make(type as StructureType, way))
  return made.get(key)
}

function make(type: StructureType, way: Way): GivenCodec<Fields> | undefined {
  const members = Object.entries<Member>(STRUCTURES[type])
  const fields: [string, AnyGiven][] = []
  for (const [name, member] of members) {
    if (member.kind === 'length' || member.kind === 'lengthPointer') continue
    const codec = memberCodec(member, way)
    if (codec === undefined) return undefined
    fields.push([name, codec])
  }
  return {
    read(r) {
      const values: Record<string, unknown> = {}
      for (const [name, codec] of fields) values[name] = codec.read(r)
      return values as Fields
    },
    write(w, values) {
      for (const [name, codec] of fields) codec.write(w, values[name] as never)
    },
  }
}

function memberCodec(member: Member, way: Way): AnyGiven | undefined {
  switch (member.kind) {
    case 'fixed':
    case 'text':
      return fixed(member.bytes)
    case 'bytes':
    case 'pointed':
      return member.direction === 'out' && way === 'request' ? outLength : bytes
    case 'structure':
      return structureCodec(member.type, way)
    case 'structurePointer': {
      const target = structureCodec(member.type, way)
      return target && optional(target)
    }
    case 'array': {
      const target = structureCodec(member.type, way)
      return target && array(target)
    }
    case 'template':
      return templateCodec
    case 'handleOut':
      return way === 'request' ? handlePlace : handle
    case 'length':
    case 'lengthPointer':
    case 'pointer':
      return undefined
    default:
      return PLAIN[member.kind]
  }
}

const ulong: GivenCodec<number> = {
  read: (r) => r.u64(),
  write: (w, value) => w.u64(value),
}
const bool: GivenCodec<boolean> = {
  read: (r) => r.bool(),
  write: (w, value) => w.bool(value),
}
const byte: GivenCodec<number> = {
  read: (r) => r.u8(),
  write: (w, value) => w.u8(value),
}
const versionCodec: GivenCodec<Version> = {
  read: (r) => ({ major: r.u8(), minor: r.u8() }),
  write(w, { major, minor }) {
    w.u8(major)
    w.u8(minor)
  },
}
const bytes: GivenCodec<Uint8Array | undefined> = {
  read: (r) => r.byteArray(),
  write: (w, value) => w.byteArray(value),
}
/** Bytes that the token writes: only how many there is room for. */
const outLength: GivenCodec<number | undefined> = {
  read: (r) => r.capacity(),
  write: (w, value) => w.capacity(value),
}
const handlePlace: GivenCodec<number | undefined> = {
  read: (r) => (r.bool() ? 0 : undefined),
  write: (w, value) => w.bool(value !== undefined),
}
const handle: GivenCodec<number | undefined> = {
  read: (r) => (r.bool() ? r.u64() : undefined),
  write(w, value) {
    w.bool(value !== undefined)
    if (value !== undefined) w.u64(value)
  },
}
const mechanism: GivenCodec<Mechanism | undefined> = {
  read: (r) => nested(r, () => plainMechanism.read(r)),
  write: (w, value) => plainMechanism.write(w, value),
}

const PLAIN = { ulong, bool, byte, version: versionCodec, mechanism, string: bytes } as const

export function fixed(size: number): GivenCodec<Uint8Array> {
  return {
    read: (r) => r.raw(size),
    write: (w, value) => w.raw(exactly(value, size, 'a member of a structure')),
  }
}

function optional(target: GivenCodec<Fields>): GivenCodec<Fields | undefined> {
  return {
    read: (r) => (r.bool() ? nested(r, () => target.read(r)) : undefined),
    write(w, value) {
      w.bool(value !== undefined)
      if (value !== undefined) target.write(w, value)
    },
  }
}

function array(target: GivenCodec<Fields>): GivenCodec<readonly Fields[] | undefined> {
  return {
    read(r) {
      const count = r.u32()
      if (count === NULL_LENGTH) return undefined
      r.checkCount(count, 1)
      r.enter()
      const values: Fields[] = []
      for (let index = 0; index < count; index++) values.push(target.read(r))
      r.leave()
      return values
    },
    write(w, values) {
      w.capacity(values?.length)
      for (const value of values ?? []) target.write(w, value)
    },
  }
}

function nested<T>(r: Reader, read: () => T): T {
  r.enter()
  const value = read()
  r.leave()
  return value
}

/** What follows the type of a mechanism, or nothing at all. */
const FORMS = { null: 0, none: 1, raw: 2, fields: 3 } as const

type StructureOf = (type: number) => string | undefined

/** CK_MECHANISM, its parameter by fields where `structureOf` knows a structure for its type. */
function mechanismWith(
  structureOf: StructureOf,
  way: Way = 'request',
): GivenCodec<Mechanism | undefined> {
  return {
    read(r) {
      const form = r.u8()
      if (form === FORMS.null) return undefined
      const type = r.u64()
      return { type, parameter: readParameter(r, form, structureOf(type), way) }
    },
    write(w, value) {
      if (value === undefined) {
        w.u8(FORMS.null)
        return
      }
      const { type, parameter } = value
      w.u8(formOf(parameter))
      w.u64(type)
      if (parameter === undefined) return
      if (parameter instanceof Uint8Array) w.byteArray(parameter)
      else fieldsCodec(structureOf(type), way).write(w, parameter)
    },
  }
}

function readParameter(
  r: Reader,
  form: number,
  type: string | undefined,
  way: Way,
): Mechanism['parameter'] {
  switch (form) {
    case FORMS.none:
      return undefined
    case FORMS.raw:
      return r.byteArray()
    case FORMS.fields:
      return fieldsCodec(type, way).read(r)
    default:
      throw malformed(`a mechanism has form ${form}; 0 to 3 are allowed`)
  }
}

function formOf(parameter: Mechanism['parameter']): number {
  if (parameter === undefined) return FORMS.none
  return parameter instanceof Uint8Array ? FORMS.raw : FORMS.fields
}

const structureOfPlain: StructureOf = (type) => mechanismRow(type)?.parameter
const structureOfAuthenticated: StructureOf = (type) => {
  const row = mechanismRow(type)
  return row?.authenticatedWrap ?? row?.parameter
}

const plainMechanism = mechanismWith(structureOfPlain)
/** The mechanism of every function but the two below. */
export const mechanismCodec = plainMechanism
/** The mechanism of C_WrapKeyAuthenticated and C_UnwrapKeyAuthenticated. */
export const authenticatedMechanismCodec = mechanismWith(structureOfAuthenticated)

/** A mechanism that comes back at the end of an answer; where it does not, nothing is there. */
function backWith(structureOf: StructureOf): GivenCodec<Mechanism | undefined> {
  const codec = mechanismWith(structureOf, 'response')
  return {
    read: (r) => (r.remaining === 0 ? undefined : codec.read(r)),
    write(w, value) {
      if (value !== undefined) codec.write(w, value)
    },
  }
}

export const mechanismBackCodec = backWith(structureOfPlain)
export const authenticatedMechanismBackCodec = backWith(structureOfAuthenticated)

/** The parameter of one message. */
export function parameterCodec(way: Way): GivenCodec<MessageParameter> {
  return {
    read(r) {
      const form = r.u8()
      if (form === FORMS.null) return undefined
      if (form === FORMS.raw) return r.byteArray()
      if (form !== FORMS.fields)
        throw malformed(`a parameter has form ${form}; 0, 2, 3 are allowed`)
      const mechanism = r.u64()
      return { mechanism, fields: fieldsCodec(mechanismRow(mechanism)?.message, way).read(r) }
    },
    write(w, value) {
      if (value === undefined) {
        w.u8(FORMS.null)
      } else if (value instanceof Uint8Array) {
        w.u8(FORMS.raw)
        w.byteArray(value)
      } else {
        w.u8(FORMS.fields)
        w.u64(value.mechanism)
        fieldsCodec(mechanismRow(value.mechanism)?.message, way).write(w, value.fields)
      }
    },
  }
}

/** The fields of a parameter, which must be of a structure that travels. */
function fieldsCodec(type: string | undefined, way: Way): GivenCodec<Fields> {
  const codec = type?.startsWith('CK_') ? structureCodec(type, way) : undefined
  if (codec !== undefined) return codec
  throw malformed('a mechanism comes with fields, but its parameter has none')
}
