/**
 * Arguments and results of every function, made up for tests: from the rows, by a seed.
 *
 * @module
 */
import { ATTRIBUTES, type AttributeRow } from '../attributes.ts'
import { INIT_FUNCTIONS } from '../calls.ts'
import { CKR } from '../constants.ts'
import type { Argument } from '../functions.ts'
import { MECHANISMS, type StockParameter } from '../mechanisms.ts'
import type { Member } from '../members.ts'
import { ulongBytes } from '../memory.ts'
import { STRUCTURES, type StructureType } from '../structures.ts'
import {
  type Attribute,
  type AttributeAnswer,
  type AttributeWish,
  type Fields,
  type Mechanism,
  OUTPUT_RULES,
  type RemoteFunction,
} from '../types.ts'
import { rowOf, type Values } from './codec.ts'
import { structureCodec } from './structures.ts'

/** What can be said: everything in the dialect, and what p11-kit's versions can carry. */
export type Ability = 'dialect' | 'version 0' | 'version 1' | 'version 2'

export interface Arbitrary {
  below(n: number): number
  arguments(name: RemoteFunction): Values
  results(name: RemoteFunction, args: Values): Values
  /** The bytes with something changed, cut off or added. */
  broken(bytes: Buffer): Buffer
}

const DEPTH = 2

export function arbitrary(seed: number, ability: Ability): Arbitrary {
  let state = seed >>> 0
  const isDialect = ability === 'dialect'

  function below(n: number): number {
    state = (state + 0x6d2b_79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) % n
  }
  const chance = (n: number): boolean => below(n) === 0
  const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T
  const list = <T>(most: number, make: () => T): T[] =>
    Array.from({ length: below(most + 1) }, make)
  const bytes = (length = below(40)): Buffer =>
    Buffer.from(Array.from({ length }, () => 33 + below(200)))
  const maybe = <T>(value: T): T | undefined => (chance(5) ? undefined : value)

  function ulong(): number {
    return pick([0, 1, 255, 0xffff_ffff, 0x1_0000_0000, Number.MAX_SAFE_INTEGER, -1, below(1e9)])
  }

  function someValue(row: AttributeRow, depth: number): Attribute['value'] {
    const kind = isDialect ? row.class : row.stock
    if (kind === 'template') return depth === 0 ? [] : template(depth - 1)
    if (kind === 'byte' || kind === 'bool') return Buffer.of(below(2))
    if (kind === 'ulong') return ulongBytes(ulong())
    if (kind === 'date') return chance(3) ? Buffer.alloc(0) : Buffer.from('20260131')
    if (kind === 'mechanisms') return Buffer.concat(list(3, () => ulongBytes(ulong())))
    return bytes()
  }

  function template(depth = DEPTH): readonly Attribute[] {
    return list(4, () => {
      const row = pick(ATTRIBUTES)
      const { type } = row
      if (chance(8)) return { type, value: undefined, length: -1 }
      if (chance(8) && (isDialect || row.stock === 'bytes')) return { type, value: undefined }
      return { type, value: someValue(row, depth) }
    })
  }

  function wishes(depth = DEPTH): readonly AttributeWish[] {
    return list(5, () => {
      const row = pick(ATTRIBUTES)
      const wish = { type: row.type, capacity: maybe(1 + below(1_000)) }
      const isNested = ability === 'version 1' || ability === 'version 2'
      if (!isNested || row.stock !== 'template' || wish.capacity === undefined) return wish
      return { ...wish, nested: depth === 0 ? [] : wishes(depth - 1) }
    })
  }

  function answers(given: readonly AttributeWish[]): readonly AttributeAnswer[] {
    return given.map(({ type, capacity, nested }) => {
      if (chance(4)) return { type }
      if (capacity === undefined || nested !== undefined) return { type, length: 24 }
      const row = ATTRIBUTES.find((attribute) => attribute.type === type) as AttributeRow
      return { type, value: someValue(row, 1) ?? Buffer.alloc(0) }
    })
  }

  function fields(type: StructureType, way: 'request' | 'response'): Fields {
    const members = Object.entries<Member>(STRUCTURES[type])
    const values: Record<string, unknown> = {}
    for (const [name, member] of members) {
      if (member.kind === 'length' || member.kind === 'lengthPointer') continue
      values[name] = memberOf(member, way)
    }
    return values as Fields
  }

  function memberOf(member: Member, way: 'request' | 'response'): unknown {
    switch (member.kind) {
      case 'ulong':
        return ulong()
      case 'bool':
        return chance(2)
      case 'byte':
        return below(256)
      case 'version':
        return { major: below(256), minor: below(256) }
      case 'fixed':
      case 'text':
        return bytes(member.bytes)
      case 'bytes':
      case 'pointed':
        return member.direction === 'out' && way === 'request' ? maybe(below(99)) : maybe(bytes())
      case 'string':
        return maybe(bytes())
      case 'structure':
        return fields(member.type as StructureType, way)
      case 'structurePointer':
        return maybe(fields(member.type as StructureType, way))
      case 'array':
        return maybe(list(3, () => fields(member.type as StructureType, way)))
      case 'template':
        return template(1)
      case 'mechanism':
        return maybe({ type: 1, parameter: undefined })
      default:
        return way === 'request' ? maybe(0) : maybe(ulong())
    }
  }

  const stockKinds = MECHANISMS.filter(({ stock }) => stock !== undefined)

  function mechanism(name: RemoteFunction): Mechanism | undefined {
    if (chance(12)) return undefined
    if (!isDialect) return stockMechanism()
    const row = pick(MECHANISMS)
    const { type, parameter, authenticatedWrap } = row
    if (chance(6)) return { type, parameter: undefined }
    const isWrap = name.endsWith('Authenticated')
    const structure = isWrap ? (authenticatedWrap ?? parameter) : parameter
    const travels = structure in STRUCTURES && structureCodec(structure, 'request') !== undefined
    if (!travels) return { type, parameter: bytes() }
    return { type, parameter: fields(structure as StructureType, 'request') }
  }

  function stockMechanism(): Mechanism {
    const { type, stock } = pick(stockKinds)
    if (stock === 'none') return { type, parameter: undefined }
    if (ability === 'version 2' && chance(6)) return { type, parameter: undefined }
    return { type, parameter: PARAMETERS[stock as Exclude<StockParameter, 'none'>]() }
  }

  const PARAMETERS: Readonly<
    Record<Exclude<StockParameter, 'none'>, () => NonNullable<Mechanism['parameter']>>
  > = {
    pss: () => fields('CK_RSA_PKCS_PSS_PARAMS', 'request'),
    oaep: () => fields('CK_RSA_PKCS_OAEP_PARAMS', 'request'),
    ecdh1: () => fields('CK_ECDH1_DERIVE_PARAMS', 'request'),
    ctr: () => fields('CK_AES_CTR_PARAMS', 'request'),
    gcm: () => fields('CK_GCM_PARAMS', 'request'),
    iv16: () => bytes(16),
    iv8: () => bytes(8),
    ulong: () => ulongBytes(ulong()),
    dh: () => bytes(1 + below(30)),
  }

  function parameter(way: 'request' | 'response'): unknown {
    if (chance(4)) return undefined
    if (!isDialect || chance(2)) return bytes()
    const row = pick(MECHANISMS.filter(({ message }) => message !== undefined))
    return { mechanism: row.type, fields: fields(row.message as StructureType, way) }
  }

  function given(name: RemoteFunction, { kind, ...argument }: Argument): unknown {
    switch (kind) {
      case 'ulong':
        return ulong()
      case 'bool':
        return chance(2)
      case 'bytes':
      case 'text':
        return maybe(bytes())
      case 'padded':
        return bytes((argument as { readonly bytes: number }).bytes)
      case 'wanted':
      case 'ulongs':
        return maybe(1 + below(64))
      case 'filled':
      case 'found':
        return below(64)
      case 'template':
        return template()
      case 'values':
        return wishes()
      case 'mechanism':
        return mechanism(name)
      case 'parameter':
        return parameter('request')
      default:
        return undefined
    }
  }

  function returned(argument: Argument, given: unknown): unknown {
    const capacity = given as number | undefined
    switch (argument.kind) {
      case 'ulongOut':
        return ulong()
      case 'structure':
        return fields(argument.type, 'response')
      case 'wanted':
        return capacity === undefined || chance(4) ? below(9_999) : bytes(below(capacity + 1))
      case 'filled':
        return bytes(capacity)
      case 'ulongs':
        return capacity === undefined || chance(4) ? below(9_999) : list(capacity, ulong)
      case 'found':
        return list(capacity as number, ulong)
      case 'values':
        return answers(given as readonly AttributeWish[])
      case 'parameter':
        return isDialect ? parameter('response') : undefined
      default:
        return undefined
    }
  }

  const TRAVELS_BACK: ReadonlySet<string> = new Set([
    'ulongOut',
    'structure',
    'wanted',
    'filled',
    'ulongs',
    'found',
    'values',
    ...(isDialect ? ['parameter'] : []),
  ])

  return {
    below,
    arguments(name) {
      if (name === 'C_Initialize') {
        const application = isDialect ? bytes(16) : undefined
        const processId = isDialect ? below(99_999) : undefined
        return { application, processId, reserved: maybe(bytes()) }
      }
      const entries = rowOf(name)
        .filter(([, { kind }]) => !['pointer', 'ulongOut', 'structure'].includes(kind))
        .map(([argument, row]) => [argument, given(name, row)] as const)
      if (name !== 'C_SignMessageNext') return Object.fromEntries(entries)
      const isLast = chance(2)
      const args: Values = { ...Object.fromEntries(entries), isLast }
      return isLast ? args : { ...args, pSignature: undefined }
    },
    results(name, args) {
      if (name === 'C_Initialize') {
        return isDialect
          ? { further: maybe(bytes()), epoch: ulong(), callBytesMax: ulong() }
          : NOTHING_FURTHER
      }
      const entries = rowOf(name)
        .filter(([, { kind }]) => TRAVELS_BACK.has(kind))
        .map(([argument, row]) => [argument, returned(row, args[argument])] as const)
      const results: Values = Object.fromEntries(entries)
      if (name === 'C_GetAttributeValue') return { ...results, rv: CKR.ATTRIBUTE_SENSITIVE }
      if (!(INIT_FUNCTIONS as readonly string[]).includes(name)) return results
      if (!isDialect) return { rule: 'ask', length: 0, isRepeatable: false }
      return { rule: pick(OUTPUT_RULES), length: below(999), isRepeatable: chance(2) }
    },
    broken(whole) {
      const bytes = Buffer.from(whole)
      for (let changes = 1 + below(3); changes > 0 && bytes.length > 0; changes--) {
        bytes[below(bytes.length)] = pick([0, 1, 2, 0x7f, 0x80, 0xff, below(256)])
      }
      if (bytes.length >= 4 && chance(3)) {
        bytes.writeUInt32BE(
          pick([0, 0x7fff_ffff, 0xffff_ffff, 0xffff_fff0]),
          below(bytes.length - 3),
        )
      }
      if (chance(4)) return bytes.subarray(0, below(bytes.length + 1))
      return chance(6) ? Buffer.concat([bytes, Buffer.alloc(below(20))]) : bytes
    },
  }
}

const NOTHING_FURTHER = { further: undefined, epoch: 0 } as const
