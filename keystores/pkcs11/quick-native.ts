/**
 * Runs the operations of a quick message (`quick.ts`) in the module, without memory of their own.
 *
 * PKCS#11 3.2 §5.8 to §5.13. The module reads data and parameters where the message lies, and
 * writes its output where the answer is made: only the mechanism, a few words, is put together.
 * This is for the host process, never for the server.
 *
 * @module
 */
import { createRequire } from 'node:module'
import { CKR } from '#spec/pkcs11/constants.ts'
import type { FunctionName } from '#spec/pkcs11/functions.ts'
import { malformed } from '#wire/pkcs11-rpc/reader.ts'
import type { Handles } from './handles.ts'
import { layoutOf, NULL, readWord, writeWord } from './memory.ts'
import type { Native } from './native.ts'
import { FORMS, FUNCTIONS_OF, OUTPUT_BYTES_MAX, QUICK, VERBS } from './quick.ts'

type Ffi = typeof import('node:ffi')
const ffi = createRequire(import.meta.url)('node:ffi') as Ffi

/** Where functions of the module come from; undefined where it lacks one. */
export type FunctionSource = (name: FunctionName) => Native | undefined

/** Memory that stays where it is. */
export class FixedBytes {
  readonly bytes: Buffer
  readonly address: bigint

  constructor(size: number) {
    this.bytes = Buffer.from(new ArrayBuffer(size))
    this.address = ffi.getRawPointer(this.bytes)
  }
}

/** Bytes that are written one after the other, into memory that grows. */
export class Output {
  readonly #size: number
  #memory: FixedBytes
  length = 0

  /** @param size Of the memory that is kept. */
  constructor(size: number) {
    this.#size = size
    this.#memory = new FixedBytes(size)
  }

  get bytes(): Buffer {
    return this.#memory.bytes
  }

  /** Where the next byte goes, as the module sees it. */
  get address(): bigint {
    return this.#memory.address + BigInt(this.length)
  }

  /** Makes room for so many bytes. */
  need(room: number): void {
    const { bytes } = this.#memory
    if (this.length + room <= bytes.length) return
    this.#memory = new FixedBytes((this.length + room) * 2)
    this.#memory.bytes.set(bytes.subarray(0, this.length))
    bytes.fill(0)
  }

  u32(value: number): void {
    this.need(4)
    this.#memory.bytes.writeUInt32BE(value, this.length)
    this.length += 4
  }

  raw(bytes: Uint8Array): void {
    this.need(bytes.length)
    this.#memory.bytes.set(bytes, this.length)
    this.length += bytes.length
  }

  clear(): void {
    this.#memory.bytes.fill(0, 0, this.length)
    this.length = 0
    if (this.#memory.bytes.length > this.#size) this.#memory = new FixedBytes(this.#size)
  }
}

const GCM = layoutOf('CK_GCM_PARAMS')
const PSS = layoutOf('CK_RSA_PKCS_PSS_PARAMS')
const WORD = 8
const MECHANISM_WORDS = 3
const MICROS_MAX = 0xffff_ffff
/** Of an answer, before its output. */
const HEAD_BYTES = 12

const placeOf = ({ members }: typeof GCM, name: string): number => {
  const place = members.get(name)
  if (place === undefined) throw new TypeError(`the structure has no ${name}`)
  return place.at
}
const AT = {
  iv: placeOf(GCM, 'pIv'),
  ivBytes: placeOf(GCM, 'ulIvLen'),
  ivBits: placeOf(GCM, 'ulIvBits'),
  aad: placeOf(GCM, 'pAAD'),
  aadBytes: placeOf(GCM, 'ulAADLen'),
  tagBits: placeOf(GCM, 'ulTagBits'),
  hash: placeOf(PSS, 'hashAlg'),
  mask: placeOf(PSS, 'mgf'),
  salt: placeOf(PSS, 'sLen'),
} as const

export class QuickRunner {
  readonly #source: FunctionSource
  readonly #handles: Handles
  readonly #functions: (readonly [Native, Native] | undefined)[] = []
  /** A CK_MECHANISM, behind it its parameter, behind that the length of the output. */
  readonly #scratch: FixedBytes
  readonly #parameterAt = MECHANISM_WORDS * WORD
  readonly #lengthAt: number
  #message = NULL
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0
  #end = 0

  constructor(source: FunctionSource, handles: Handles) {
    this.#source = source
    this.#handles = handles
    this.#lengthAt = this.#parameterAt + Math.max(GCM.size, PSS.size)
    this.#scratch = new FixedBytes(this.#lengthAt + WORD)
  }

  /**
   * Runs a message and writes its answer.
   *
   * @param start Where its body begins, behind the call id.
   * @throws RpcError where it does not decode: then nothing behind it has been run.
   */
  run(message: FixedBytes, start: number, end: number, out: Output): void {
    this.#message = message.address
    this.#bytes = message.bytes
    this.#at = start
    this.#end = end
    const hSession = this.#handles.known(this.#word())
    const count = this.#u32()
    out.u32(QUICK)
    out.u32(count)
    for (let index = 0; index < count; index++) this.#job(hSession, out)
  }

  #job(hSession: bigint | undefined, out: Output): void {
    const verb = this.#u8()
    const hKey = this.#handles.known(this.#word())
    this.#mechanism()
    const capacity = this.#u32()
    const dataBytes = this.#u32()
    const dataAt = this.#skip(dataBytes)
    if (capacity > OUTPUT_BYTES_MAX) throw malformed(`${capacity} bytes of output are wanted`)
    out.need(HEAD_BYTES + capacity)
    const head = out.length
    out.length += HEAD_BYTES
    const begun = performance.now()
    const data = this.#message + BigInt(dataAt)
    const rv = this.#work(verb, hSession, hKey, data, dataBytes, out.address, capacity)
    const length = rv === CKR.OK ? readWord(this.#scratch.bytes, this.#lengthAt) : 0
    // What is longer than there was room for was not written.
    const isWhole = length <= capacity
    out.bytes.writeUInt32BE(isWhole ? rv : CKR.BUFFER_TOO_SMALL, head)
    out.bytes.writeUInt32BE(Math.min((performance.now() - begun) * 1_000, MICROS_MAX), head + 4)
    out.bytes.writeUInt32BE(isWhole ? length : 0, head + 8)
    out.length += isWhole ? length : 0
    this.#scratch.bytes.fill(0)
  }

  /** Init and operation; the return value of the one that fails. */
  #work(
    verb: number,
    hSession: bigint | undefined,
    hKey: bigint | undefined,
    data: bigint,
    dataBytes: number,
    output: bigint,
    capacity: number,
  ): number {
    const functions = this.#functionsOf(verb)
    if (functions === undefined) return CKR.FUNCTION_NOT_SUPPORTED
    if (hSession === undefined) return CKR.SESSION_HANDLE_INVALID
    if (hKey === undefined) return CKR.KEY_HANDLE_INVALID
    const { bytes, address } = this.#scratch
    const [init, work] = functions
    const rv = Number(init(hSession, address, hKey))
    if (rv !== CKR.OK) return rv
    writeWord(bytes, this.#lengthAt, capacity)
    const lengthAddress = address + BigInt(this.#lengthAt)
    return Number(work(hSession, data, BigInt(dataBytes), output, lengthAddress))
  }

  /** Undefined where the module lacks them. */
  #functionsOf(number: number): readonly [Native, Native] | undefined {
    const known = this.#functions[number]
    if (known !== undefined) return known
    const verb = VERBS[number]
    if (verb === undefined) throw malformed(`there is no verb ${number}`)
    const [init, work] = FUNCTIONS_OF[verb].map((name) => this.#source(name))
    if (init === undefined || work === undefined) return undefined
    this.#functions[number] = [init, work]
    return this.#functions[number]
  }

  /** Puts a CK_MECHANISM together. */
  #mechanism(): void {
    const { bytes, address } = this.#scratch
    const at = this.#parameterAt
    bytes.writeBigUInt64LE(this.#word(), 0)
    const form = this.#u8()
    if (form === FORMS.none) return
    if (form === FORMS.bytes) {
      this.#pointer(WORD, 2 * WORD)
      return
    }
    if (form === FORMS.gcm) {
      const ivBytes = this.#pointer(at + AT.iv, at + AT.ivBytes)
      writeWord(bytes, at + AT.ivBits, ivBytes * 8)
      this.#pointer(at + AT.aad, at + AT.aadBytes)
      writeWord(bytes, at + AT.tagBits, this.#u32())
    } else if (form === FORMS.pss) {
      for (const place of [AT.hash, AT.mask, AT.salt]) {
        bytes.writeBigUInt64LE(this.#word(), at + place)
      }
    } else throw malformed(`a parameter has form ${form}`)
    bytes.writeBigUInt64LE(address + BigInt(at), WORD)
    writeWord(bytes, 2 * WORD, form === FORMS.gcm ? GCM.size : PSS.size)
  }

  /** Address and length of bytes in the message; no address where there are none. */
  #pointer(addressAt: number, lengthAt: number): number {
    const { bytes } = this.#scratch
    const length = this.#u32()
    const at = this.#skip(length)
    bytes.writeBigUInt64LE(length === 0 ? NULL : this.#message + BigInt(at), addressAt)
    writeWord(bytes, lengthAt, length)
    return length
  }

  #u8(): number {
    return this.#bytes[this.#skip(1)] as number
  }

  #u32(): number {
    return this.#bytes.readUInt32BE(this.#skip(4))
  }

  #word(): bigint {
    return this.#bytes.readBigUInt64BE(this.#skip(WORD))
  }

  /** Goes past so many bytes; where they begin. */
  #skip(length: number): number {
    const at = this.#at
    if (length > this.#end - at)
      throw malformed(`${length} bytes are wanted, ${this.#end - at} left`)
    this.#at = at + length
    return at
  }
}
