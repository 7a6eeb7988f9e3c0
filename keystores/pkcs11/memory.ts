/**
 * Memory that a module of another maker reads and writes: C structures, built and taken apart by
 * the rows of `spec/pkcs11/structures.ts`.
 *
 * The LP64 ABI of x86-64 and arm64 in little-endian order: CK_ULONG and addresses have 8 bytes and
 * lie at multiples of 8. One call takes what it needs from a buffer that is used over and over, and
 * zeroes it afterwards: PINs and keys have been in it.
 *
 * @module
 */
import { createRequire } from 'node:module'
import { mechanismRow } from '#spec/pkcs11/mechanisms.ts'
import type { Member } from '#spec/pkcs11/members.ts'
import { ATTRIBUTE_BYTES, ULONG_BYTES } from '#spec/pkcs11/memory.ts'
import { STRUCTURES, type StructureType } from '#spec/pkcs11/structures.ts'
import type { Attribute, Fields, FieldValue, Mechanism } from '#spec/pkcs11/types.ts'
import { joinHalves } from '#wire/pkcs11-rpc/integers.ts'

type Ffi = typeof import('node:ffi')
const ffi = createRequire(import.meta.url)('node:ffi') as Ffi

const WORD = 8
const CHUNK_BYTES = 65_536
export const NULL = 0n

/** Some of the memory, and where the module sees it. */
export interface Piece {
  readonly bytes: Buffer
  readonly address: bigint
}

class Chunk {
  readonly bytes: Buffer
  readonly address: bigint
  used = 0

  constructor(size: number) {
    // A buffer of its own: the address must not move, and the pool is shared.
    this.bytes = Buffer.from(new ArrayBuffer(size))
    this.address = ffi.getRawPointer(this.bytes)
  }

  take(size: number): Piece {
    const at = this.used
    this.used += Math.ceil(size / WORD) * WORD
    return { bytes: this.bytes.subarray(at, at + size), address: this.address + BigInt(at) }
  }

  clear(): void {
    this.bytes.fill(0, 0, Math.min(this.used, this.bytes.length))
    this.used = 0
  }
}

/** The memory of one call. */
export class Memory {
  readonly #first = new Chunk(CHUNK_BYTES)
  #more: Chunk[] = []

  /** Zeroed memory at a multiple of 8. */
  take(size: number): Piece {
    if (this.#first.used + size + WORD <= CHUNK_BYTES) return this.#first.take(size)
    const chunk = new Chunk(Math.max(size, WORD))
    this.#more.push(chunk)
    return chunk.take(size)
  }

  /** A copy of these bytes. */
  put(bytes: Uint8Array): Piece {
    const piece = this.take(bytes.length)
    piece.bytes.set(bytes)
    return piece
  }

  /** Forgets everything that was taken. */
  clear(): void {
    this.#first.clear()
    for (const chunk of this.#more) chunk.clear()
    this.#more = []
  }

  /** The address of CK_ATTRIBUTEs, one after the other. */
  template(attributes: readonly Attribute[]): Piece {
    const array = this.take(attributes.length * ATTRIBUTE_BYTES)
    for (const [index, { type, value, length = 0 }] of attributes.entries()) {
      const at = index * ATTRIBUTE_BYTES
      writeWord(array.bytes, at, type)
      if (value === undefined) {
        writeWord(array.bytes, at + 16, length)
        continue
      }
      const isBytes = value instanceof Uint8Array
      const piece = isBytes ? this.put(value) : this.template(value)
      writeAddress(array.bytes, at + 8, piece.address)
      writeWord(array.bytes, at + 16, piece.bytes.length)
    }
    return array
  }

  /** The address of a CK_MECHANISM; NULL where there is none. */
  mechanism(mechanism: Mechanism | undefined, structure: StructureType | undefined): bigint {
    if (mechanism === undefined) return NULL
    const piece = this.take(3 * WORD)
    writeWord(piece.bytes, 0, mechanism.type)
    const { parameter } = mechanism
    if (parameter === undefined) return piece.address
    const held =
      parameter instanceof Uint8Array ? this.put(parameter) : this.structure(structure, parameter)
    writeAddress(piece.bytes, 8, held.address)
    writeWord(piece.bytes, 16, held.bytes.length)
    return piece.address
  }

  /** A structure with its fields, and what they point to. */
  structure(type: StructureType | undefined, fields: Fields): Piece {
    if (type === undefined) throw new TypeError('a mechanism without a structure has fields')
    const { size } = layoutOf(type)
    const piece = this.take(size)
    this.fill(piece.bytes, type, fields)
    return piece
  }

  /** Writes the fields of a structure where it lies. */
  fill(bytes: Buffer, type: StructureType, fields: Fields): void {
    const { members } = layoutOf(type)
    for (const [name, { member, at }] of members) {
      this.#member(bytes, at, member, fields[name], (length, value) => {
        const other = members.get(length)
        if (other === undefined) return
        if (other.member.kind === 'lengthPointer') {
          const word = this.take(WORD)
          writeWord(word.bytes, 0, value)
          writeAddress(bytes, other.at, word.address)
        } else if (other.member.kind === 'length') writeWord(bytes, other.at, value)
      })
    }
  }

  #member(
    bytes: Buffer,
    at: number,
    member: Member,
    value: FieldValue,
    setLength: SetLength,
  ): void {
    if (writeInline(bytes, at, member, value)) return
    if (member.kind === 'structure') {
      const type = member.type as StructureType
      this.fill(bytes.subarray(at, at + layoutOf(type).size), type, value as Fields)
      return
    }
    const address = this.#pointer(member, value, setLength)
    if (address !== undefined) writeAddress(bytes, at, address)
  }

  /** What a member points to; undefined where it points to nothing. */
  #pointer(member: Member, value: FieldValue, setLength: SetLength): bigint | undefined {
    if (member.kind === 'handleOut') return this.take(WORD).address
    if (value === undefined) return undefined
    switch (member.kind) {
      case 'bytes':
        setLength(member.length, (value as Uint8Array).length)
        return this.#bytes(value as Uint8Array, 0)
      case 'pointed':
        return this.#bytes(value as Uint8Array, 0)
      case 'string':
        return this.#bytes(value as Uint8Array, 1)
      case 'structurePointer':
        return this.structure(member.type as StructureType, value as Fields).address
      case 'array':
        setLength(member.length, (value as readonly Fields[]).length)
        return this.#array(member.type as StructureType, value as readonly Fields[])
      case 'template':
        setLength(member.length, (value as readonly Attribute[]).length)
        return this.template(value as readonly Attribute[]).address
      case 'mechanism': {
        const inner = value as Mechanism
        return this.mechanism(inner, structureOf(inner.type))
      }
      default:
        return undefined
    }
  }

  /** @param ends Zeros behind the bytes. */
  #bytes(value: Uint8Array, ends: number): bigint {
    const piece = this.take(Math.max(value.length + ends, 1))
    piece.bytes.set(value)
    return piece.address
  }

  #array(type: StructureType, values: readonly Fields[]): bigint {
    const { size } = layoutOf(type)
    const piece = this.take(size * values.length)
    for (const [index, fields] of values.entries()) {
      this.fill(piece.bytes.subarray(index * size, (index + 1) * size), type, fields)
    }
    return piece.address
  }
}

type SetLength = (name: string, value: number) => void

/** The structure that a mechanism takes; undefined where it takes bytes or nothing. */
export function structureOf(mechanism: number): StructureType | undefined {
  const parameter = mechanismRow(mechanism)?.parameter
  return parameter?.startsWith('CK_') ? (parameter as StructureType) : undefined
}

/** Writes a member that lies in the structure itself. @returns Whether it is one. */
function writeInline(bytes: Buffer, at: number, member: Member, value: FieldValue): boolean {
  switch (member.kind) {
    case 'ulong':
      writeWord(bytes, at, Number(value ?? 0))
      return true
    case 'bool':
    case 'byte':
      bytes[at] = Number(value ?? 0)
      return true
    case 'version': {
      const { major = 0, minor = 0 } = (value ?? {}) as { major?: number; minor?: number }
      bytes[at] = major
      bytes[at + 1] = minor
      return true
    }
    case 'fixed':
    case 'text':
      if (value instanceof Uint8Array) bytes.set(value.subarray(0, member.bytes), at)
      return true
    default:
      return false
  }
}

interface Placed {
  readonly member: Member
  readonly at: number
}

interface Layout {
  readonly size: number
  readonly alignment: number
  readonly members: ReadonlyMap<string, Placed>
}

const layouts = new Map<string, Layout>()

/** Where the members of a structure lie. */
export function layoutOf(type: StructureType): Layout {
  const known = layouts.get(type)
  if (known !== undefined) return known
  let [at, alignment] = [0, 1]
  const members = new Map<string, Placed>()
  for (const [name, member] of Object.entries(STRUCTURES[type]) as [string, Member][]) {
    const [size, align] = extentOf(member)
    at = Math.ceil(at / align) * align
    members.set(name, { member, at })
    at += size
    alignment = Math.max(alignment, align)
  }
  const layout = { size: Math.ceil(at / alignment) * alignment, alignment, members }
  layouts.set(type, layout)
  return layout
}

/** Size and alignment of a member. */
function extentOf(member: Member): readonly [size: number, alignment: number] {
  switch (member.kind) {
    case 'bool':
    case 'byte':
      return [1, 1]
    case 'version':
      return [2, 1]
    case 'fixed':
    case 'text':
      return [member.bytes, 1]
    case 'structure': {
      const { size, alignment } = layoutOf(member.type as StructureType)
      return [size, alignment]
    }
    default:
      return [WORD, WORD]
  }
}

/** The plain members of a structure that a module has filled in. */
export function readStructure(bytes: Buffer, type: StructureType): Fields {
  const fields: Record<string, FieldValue> = {}
  for (const [name, { member, at }] of layoutOf(type).members) {
    if (member.kind === 'ulong') fields[name] = readWord(bytes, at)
    else if (member.kind === 'version') fields[name] = { major: bytes[at], minor: bytes[at + 1] }
    else if (member.kind === 'text' || member.kind === 'fixed') {
      fields[name] = Buffer.from(bytes.subarray(at, at + member.bytes))
    }
  }
  return fields
}

/** A CK_ULONG; -1 is CK_UNAVAILABLE_INFORMATION. */
export function readWord(bytes: Buffer, at: number): number {
  return joinHalves(bytes.readUInt32LE(at + 4), bytes.readUInt32LE(at))
}

export function writeWord(bytes: Buffer, at: number, value: number): void {
  if (value < 0) {
    bytes.fill(0xff, at, at + ULONG_BYTES)
    return
  }
  bytes.writeUInt32LE(value >>> 0, at)
  bytes.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4)
}

function writeAddress(bytes: Buffer, at: number, address: bigint): void {
  bytes.writeBigUInt64LE(address, at)
}
