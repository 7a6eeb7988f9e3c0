/**
 * The functions of a module that exports C_GetFunctionList alone, called by their addresses.
 *
 * PKCS#11 3.2 §5.4.4: a module need not export more, and p11-kit's and some makers' do not. Node
 * calls symbols only, so libffi calls the address, which is on any machine that has p11-kit. What
 * such a module has beyond PKCS#11 2.40 is not used.
 *
 * @module
 */
import { createRequire } from 'node:module'
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { FUNCTIONS_2_40 } from '#spec/pkcs11/function-names.ts'
import type { FunctionName } from '#spec/pkcs11/functions.ts'
import type { Native } from './native.ts'

type Ffi = typeof import('node:ffi')
type Library = ReturnType<Ffi['dlopen']>['lib']
const ffi = createRequire(import.meta.url)('node:ffi') as Ffi

const WORD = 8
/** Behind the version, which is aligned like an address. */
const FIRST_AT = WORD
/** `ffi_cif`: 32 bytes on x86-64, some more on arm64. */
const CIF_BYTES = 128
/** FFI_UNIX64 and FFI_SYSV. */
const ABI = process.arch === 'x64' ? 2 : 1
const LIBRARIES = ['libffi.so.8', 'libffi.so.7', 'libffi.so.6'] as const

export class FunctionList {
  readonly #list: Buffer
  /** For other threads of the process: some modules make another one whenever they are asked. */
  readonly address: bigint
  readonly #libffi: Library
  readonly #word: bigint

  /**
   * @param from C_GetFunctionList of the module, or the address of a list.
   * @throws `CryptokiError` where there is no list, or nobody to call what is in it.
   */
  constructor(from: Native | bigint) {
    this.#libffi = loaded()
    this.#word = this.#libffi.getSymbol('ffi_type_uint64')
    this.address = typeof from === 'bigint' ? from : listOf(from)
    this.#list = ffi.toBuffer(this.address, FIRST_AT + FUNCTIONS_2_40.length * WORD, true)
  }

  /**
   * @param count Of its arguments, each of which goes as 8 bytes.
   * @returns Undefined where the list has no such function.
   */
  find(name: FunctionName, count: number): Native | undefined {
    const at = (FUNCTIONS_2_40 as readonly string[]).indexOf(name)
    if (at < 0) return undefined
    const address = this.#list.readBigUInt64LE(FIRST_AT + at * WORD)
    return address === 0n ? undefined : this.#caller(address, count)
  }

  #caller(address: bigint, count: number): Native {
    const call = this.#libffi.getFunction('ffi_call', {
      arguments: ['pointer', 'pointer', 'pointer', 'pointer'],
      return: 'void',
    }) as (...values: bigint[]) => void
    const [values, places, result] = [new Words(count), new Words(count), new Words(1)]
    for (let at = 0; at < count; at++) places.set(at, values.address + BigInt(at * WORD))
    const cif = this.#prepared(count)
    return (...given) => {
      for (let at = 0; at < count; at++) values.set(at, BigInt(given[at] ?? 0))
      call(cif.address, address, result.address, places.address)
      return result.get(0)
    }
  }

  /** What libffi has to know of a function: integers and pointers all have 8 bytes. */
  #prepared(count: number): Words {
    const prepare = this.#libffi.getFunction('ffi_prep_cif', {
      arguments: ['pointer', 'i32', 'u32', 'pointer', 'pointer'],
      return: 'i32',
    }) as (...values: (bigint | number)[]) => number
    // The types are looked at in every call: they stay with the rest.
    const cif = new Words(CIF_BYTES / WORD + count)
    const types = cif.address + BigInt(CIF_BYTES)
    for (let at = 0; at < count; at++) cif.set(CIF_BYTES / WORD + at, this.#word)
    const status = prepare(cif.address, ABI, count, this.#word, types)
    if (status !== 0) throw new Error(`libffi refuses ${count} arguments: ${status}`)
    return cif
  }
}

function listOf(get: Native): bigint {
  const place = new Words(1)
  const rv = Number(get(place.address))
  const address = place.get(0)
  if (rv === CKR.OK && address !== 0n) return address
  throw new CryptokiError(rv || CKR.GENERAL_ERROR, 'the module refuses C_GetFunctionList')
}

/** Words of memory that stay where they are. */
class Words {
  readonly #bytes: Buffer
  readonly address: bigint

  constructor(count: number) {
    this.#bytes = Buffer.from(new ArrayBuffer(Math.max(count, 1) * WORD))
    this.address = ffi.getRawPointer(this.#bytes)
  }

  get(at: number): bigint {
    return this.#bytes.readBigUInt64LE(at * WORD)
  }

  set(at: number, value: bigint): void {
    this.#bytes.writeBigUInt64LE(BigInt.asUintN(64, value), at * WORD)
  }
}

function loaded(): Library {
  for (const name of LIBRARIES) {
    try {
      return ffi.dlopen(name, {}).lib
    } catch {
      // The next one.
    }
  }
  const what = 'the module exports C_GetFunctionList alone, and libffi, which is needed then'
  const wanted = `${LIBRARIES.join(', ')}; Debian's package is libffi8`
  throw new CryptokiError(CKR.FUNCTION_NOT_SUPPORTED, `${what}, is not here: ${wanted}`)
}
