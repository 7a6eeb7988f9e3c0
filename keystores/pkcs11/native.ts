/**
 * A module of another maker, loaded into this process and called by the rows of
 * `spec/pkcs11/functions.ts`.
 *
 * PKCS#11 3.2 §5. A call blocks the thread that makes it, and a module may end the process: this is
 * for the host process (`host.ts`), never for the server. The functions are found as symbols, and
 * where a module exports none but C_GetFunctionList, by its list (`by-list.ts`). Callbacks
 * (CK_NOTIFY, mutexes) are not offered.
 *
 * @module
 */
import { createRequire } from 'node:module'
import { CKF, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { type Argument, FUNCTIONS, type FunctionName } from '#spec/pkcs11/functions.ts'
import { mechanismRow } from '#spec/pkcs11/mechanisms.ts'
import { ATTRIBUTE_BYTES } from '#spec/pkcs11/memory.ts'
import type { StructureType } from '#spec/pkcs11/structures.ts'
import type {
  Arguments,
  Attribute,
  AttributeAnswer,
  AttributeWish,
  Mechanism,
  RemoteFunction,
  Results,
} from '#spec/pkcs11/types.ts'
import { FunctionList } from './by-list.ts'
import { Handles } from './handles.ts'
import {
  layoutOf,
  Memory,
  NULL,
  readStructure,
  readWord,
  structureOf,
  writeWord,
} from './memory.ts'
import { OwnIv } from './own-iv.ts'
import { OUTPUT_BYTES_MAX } from './quick.ts'

type Ffi = typeof import('node:ffi')
const ffi = createRequire(import.meta.url)('node:ffi') as Ffi

const WORD = 8

/** A C function; numbers and addresses as bigints. */
export type Native = (...values: (bigint | number)[]) => bigint

/** How one argument goes in and comes out. */
interface Passed {
  readonly values: readonly (bigint | number)[]
  /** @param rv Return value of the call. */
  readonly result?: ((rv: number) => unknown) | undefined
}

export class NativeModule {
  readonly #library: ReturnType<Ffi['dlopen']>['lib']
  readonly #functions = new Map<string, Native | undefined>()
  /** Absent where the functions are symbols. */
  readonly #list: FunctionList | undefined
  readonly #memory = new Memory()
  readonly #handles: Handles
  readonly #ownIv: OwnIv

  /**
   * @param list Its functions, where another thread has asked for them: {@link listAddress}.
   * @param handles Those that its threads share.
   * @throws `Error` when the file is no shared object that can be loaded here.
   */
  constructor(path: string, list?: bigint, handles = new Handles()) {
    this.#handles = handles
    this.#ownIv = new OwnIv((name) => this.#native(name), handles)
    this.#library = ffi.dlopen(path, {}).lib
    if (this.#exported('C_Initialize') !== undefined) return
    const from = list ?? this.#exported('C_GetFunctionList')
    if (from !== undefined) this.#list = new FunctionList(from)
  }

  /** Of the list of its functions; undefined where they are symbols. */
  get listAddress(): bigint | undefined {
    return this.#list?.address
  }

  /** Whether the module has such a function at all. */
  has(name: FunctionName): boolean {
    return this.#native(name) !== undefined
  }

  /** A function as it is, for those who put its arguments together themselves. */
  find(name: FunctionName): Native | undefined {
    return this.#native(name)
  }

  /**
   * C_Initialize, with locks of the operating system; a module that cannot have them is told that
   * one thread only will call.
   */
  initialise(reserved?: string): void {
    const initialise = this.#needed('C_Initialize')
    try {
      const args = this.#memory.take(layoutOf('CK_C_INITIALIZE_ARGS').size)
      const { members } = layoutOf('CK_C_INITIALIZE_ARGS')
      writeWord(args.bytes, members.get('flags')?.at ?? 0, CKF.OS_LOCKING_OK)
      if (reserved !== undefined) {
        const text = this.#memory.put(Buffer.from(`${reserved}\0`))
        args.bytes.writeBigUInt64LE(text.address, members.get('pReserved')?.at ?? 0)
      }
      let rv = Number(initialise(args.address))
      if (rv === CKR.CANT_LOCK) rv = Number(initialise(NULL))
      // Another thread of this process may have been first.
      if (rv === CKR.OK || rv === CKR.CRYPTOKI_ALREADY_INITIALIZED) return
      const how = 'its own configuration may be wrong or away ("environment" of the keystore)'
      throw new CryptokiError(rv, `the module refuses C_Initialize: ${how}`)
    } finally {
      this.#memory.clear()
    }
  }

  finalise(): void {
    const rv = Number(this.#needed('C_Finalize')(NULL))
    if (rv !== CKR.OK) throw failure('C_Finalize', rv)
  }

  /** @throws `CryptokiError` with what the module returns. */
  call<F extends RemoteFunction>(name: F, args: Arguments<F>): Results<F> {
    const own = this.#ownIv.call(name, args)
    if (own !== undefined) return own as Results<F>
    const native = this.#needed(name)
    try {
      const row = FUNCTIONS[name] as Readonly<Record<string, Argument>>
      const passed = Object.entries(row).map(([argument, kind]) => {
        const value = (args as Readonly<Record<string, unknown>>)[argument]
        return [argument, this.#pass(argument, kind, value, args)] as const
      })
      const rv = Number(native(...passed.flatMap(([, { values }]) => values)))
      return results(name, rv, passed) as Results<F>
    } finally {
      this.#memory.clear()
    }
  }

  #needed(name: FunctionName): Native {
    const native = this.#native(name)
    if (native !== undefined) return native
    const isNone = name === 'C_Initialize' && this.#list === undefined
    const why = isNone
      ? 'it is no module of PKCS#11: it exports neither C_Initialize nor C_GetFunctionList'
      : `the module does not have ${name}`
    throw new CryptokiError(CKR.FUNCTION_NOT_SUPPORTED, why)
  }

  #native(name: FunctionName): Native | undefined {
    if (this.#functions.has(name)) return this.#functions.get(name)
    const count = signatureOf(name).arguments.length
    const native = this.#list === undefined ? this.#exported(name) : this.#list.find(name, count)
    this.#functions.set(name, native)
    return native
  }

  #exported(name: FunctionName): Native | undefined {
    try {
      return this.#library.getFunction(name, signatureOf(name)) as unknown as Native
    } catch {
      return undefined
    }
  }

  #pass(argument: string, kind: Argument, value: unknown, args: object): Passed {
    switch (kind.kind) {
      case 'ulong':
        return { values: [this.#handles.handle(value as number)] }
      case 'bool':
        return { values: [value === true ? 1 : 0] }
      case 'pointer':
        return { values: [NULL] }
      case 'bytes':
      case 'text':
        return this.#bytes(value as Uint8Array | undefined)
      case 'padded':
        return { values: [this.#memory.put(value as Uint8Array).address] }
      case 'template': {
        const attributes = value as readonly Attribute[]
        return {
          values: [this.#memory.template(attributes).address, BigInt(attributes.length)],
        }
      }
      case 'mechanism':
        return { values: [this.#mechanism(value as Mechanism | undefined)] }
      case 'parameter':
        return this.#parameter(value as Arguments<'C_EncryptMessage'>['pParameter'])
      case 'ulongOut':
        return this.#ulongOut(argument === 'phSession')
      case 'structure':
        return this.#structure(kind.type)
      case 'wanted':
        return this.#wanted(value as number | undefined, args)
      case 'filled':
        return this.#filled(value as number)
      case 'ulongs':
        return this.#ulongs(value as number | undefined)
      case 'found':
        return this.#found(value as number)
      case 'values':
        return this.#values(value as readonly AttributeWish[])
    }
  }

  #bytes(value: Uint8Array | undefined): Passed {
    if (value === undefined) return { values: [NULL, 0n] }
    // Some modules take an address of nothing for an error.
    const piece = this.#memory.take(Math.max(value.length, 1))
    piece.bytes.set(value)
    return { values: [piece.address, BigInt(value.length)] }
  }

  #mechanism(mechanism: Mechanism | undefined): bigint {
    return this.#memory.mechanism(mechanism, mechanism && structureOf(mechanism.type))
  }

  #parameter(parameter: Arguments<'C_EncryptMessage'>['pParameter']): Passed {
    if (parameter === undefined) return { values: [NULL, 0n] }
    if (parameter instanceof Uint8Array) return this.#bytes(parameter)
    const type = mechanismRow(parameter.mechanism)?.message
    const piece = this.#memory.structure(type, parameter.fields)
    return { values: [piece.address, BigInt(piece.bytes.length)] }
  }

  #ulongOut(isSession: boolean): Passed {
    const word = this.#memory.take(WORD)
    return { values: [word.address], result: () => this.#ulong(word.bytes, isSession) }
  }

  #ulong(bytes: Buffer, isSession: boolean): number {
    const value = bytes.readBigUInt64LE()
    return isSession ? this.#handles.nameSession(value) : this.#handles.name(value)
  }

  #words(bytes: Buffer, count: number): readonly number[] {
    return Array.from({ length: count }, (_, index) => {
      return this.#handles.name(bytes.readBigUInt64LE(index * WORD))
    })
  }

  #structure(type: StructureType): Passed {
    const piece = this.#memory.take(layoutOf(type).size)
    return { values: [piece.address], result: () => readStructure(piece.bytes, type) }
  }

  #wanted(capacity: number | undefined, args: object): Passed {
    const length = this.#memory.take(WORD)
    const room = Math.min(capacity ?? 0, OUTPUT_BYTES_MAX)
    const piece = capacity === undefined ? undefined : this.#memory.take(Math.max(room, 1))
    writeWord(length.bytes, 0, room)
    const given = [piece?.address ?? NULL, length.address]
    // SignMessageNext without a signature: both pointers are NULL.
    const values = 'isLast' in args && args.isLast === false ? [NULL, NULL] : given
    return {
      values,
      result: (rv) => {
        const bytes = readWord(length.bytes, 0)
        if (piece === undefined || rv === CKR.BUFFER_TOO_SMALL || bytes > room) return bytes
        return Buffer.from(piece.bytes.subarray(0, bytes))
      },
    }
  }

  #filled(length: number): Passed {
    const piece = this.#memory.take(Math.max(length, 1))
    const bytes = piece.bytes.subarray(0, length)
    return { values: [piece.address, BigInt(length)], result: () => Buffer.from(bytes) }
  }

  #ulongs(capacity: number | undefined): Passed {
    const count = this.#memory.take(WORD)
    const room = Math.min(capacity ?? 0, OUTPUT_BYTES_MAX / WORD)
    const piece = capacity === undefined ? undefined : this.#memory.take(Math.max(room, 1) * WORD)
    writeWord(count.bytes, 0, room)
    return {
      values: [piece?.address ?? NULL, count.address],
      result: (rv) => {
        const found = readWord(count.bytes, 0)
        if (piece === undefined || rv === CKR.BUFFER_TOO_SMALL || found > room) return found
        return this.#words(piece.bytes, found)
      },
    }
  }

  #found(maximum: number): Passed {
    const count = this.#memory.take(WORD)
    const room = Math.min(maximum, OUTPUT_BYTES_MAX / WORD)
    const piece = this.#memory.take(Math.max(room, 1) * WORD)
    return {
      values: [piece.address, BigInt(room), count.address],
      result: () => this.#words(piece.bytes, Math.min(readWord(count.bytes, 0), room)),
    }
  }

  #values(wishes: readonly AttributeWish[]): Passed {
    const attributes = wishes.map(({ type, capacity }) => {
      return { type, value: capacity === undefined ? undefined : Buffer.alloc(capacity) }
    })
    const array = this.#memory.template(attributes)
    const places = attributes.map((_, index) => {
      return array.bytes.readBigUInt64LE(index * ATTRIBUTE_BYTES + 8)
    })
    return {
      values: [array.address, BigInt(wishes.length)],
      result: () => wishes.map((wish, index) => answered(wish, array.bytes, index, places)),
    }
  }
}

/** What the module has written about one attribute. */
function answered(
  { type, capacity }: AttributeWish,
  array: Buffer,
  index: number,
  places: readonly bigint[],
): AttributeAnswer {
  const length = readWord(array, index * ATTRIBUTE_BYTES + 16)
  if (length < 0) return { type }
  if (capacity === undefined || length > capacity) return { type, length }
  const address = places[index] as bigint
  return { type, value: length === 0 ? Buffer.alloc(0) : ffi.toBuffer(address, length, true) }
}

/** Return values with which results come all the same. */
const WITH_RESULTS: ReadonlySet<number> = new Set([
  CKR.OK,
  CKR.BUFFER_TOO_SMALL,
  CKR.ATTRIBUTE_SENSITIVE,
  CKR.ATTRIBUTE_TYPE_INVALID,
])

function results(
  name: FunctionName,
  rv: number,
  passed: readonly (readonly [string, Passed])[],
): object {
  const read = (): [string, unknown][] =>
    passed.flatMap(([argument, { result }]) => {
      return result === undefined ? [] : [[argument, result(rv)] as [string, unknown]]
    })
  if (name === 'C_GetAttributeValue' && WITH_RESULTS.has(rv)) {
    return { rv, ...Object.fromEntries(read()) }
  }
  // The needed length is the answer; what it means the caller knows by its own capacity.
  const tooSmall = rv === CKR.BUFFER_TOO_SMALL && passed.some(([, { result }]) => result)
  if (rv !== CKR.OK && !tooSmall) throw failure(name, rv)
  const found = Object.fromEntries(read())
  // Every Init says how long the output will be: here nobody knows.
  if (!name.endsWith('Init')) return found
  return { ...found, rule: 'ask', length: 0, isRepeatable: false }
}

function failure(name: FunctionName, rv: number): CryptokiError {
  return new CryptokiError(rv, `the module refuses ${name}`)
}

/** Numbers go as u64, a CK_BBOOL as u8, addresses as pointers. */
function signatureOf(name: FunctionName) {
  const types = Object.values<Argument>(FUNCTIONS[name]).flatMap(typesOf)
  return { arguments: types, return: 'u64' as const }
}

function typesOf(argument: Argument): ('u64' | 'u8' | 'pointer')[] {
  switch (argument.kind) {
    case 'ulong':
      return ['u64']
    case 'bool':
      return ['u8']
    case 'pointer':
    case 'padded':
    case 'mechanism':
    case 'ulongOut':
    case 'structure':
      return ['pointer']
    case 'found':
      return ['pointer', 'u64', 'pointer']
    case 'wanted':
    case 'ulongs':
      return ['pointer', 'pointer']
    default:
      return ['pointer', 'u64']
  }
}
