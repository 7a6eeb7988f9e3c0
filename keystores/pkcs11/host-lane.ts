/**
 * A lane on the host's side: reads calls from a pipe, runs them one after the other in the module,
 * and writes the answers.
 *
 * The dialect of PKCS#11 RPC, and quick messages (`quick.ts`). A lane has a thread of its own,
 * which looks for a moment and then sleeps in a read until there is something to do: an event loop
 * would be asked several times for each message, and would make memory for it. What was received
 * and answered is zeroed.
 *
 * The peer is the server that has started this process; a message that makes no sense ends the
 * lane.
 *
 * @module
 */
import { readSync, writeSync } from 'node:fs'
import { BATCH, DIALECT_BYTE } from '#spec/pkcs11/calls.ts'
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { Codec, Values } from '#spec/pkcs11/rpc/codec.ts'
import { DIALECT, readBatch } from '#spec/pkcs11/rpc/dialect.ts'
import type { RemoteFunction } from '#spec/pkcs11/types.ts'
import { RpcError } from '#wire/pkcs11-rpc/errors.ts'
import { HEADER_BYTES } from '#wire/pkcs11-rpc/frames.ts'
import { Reader } from '#wire/pkcs11-rpc/reader.ts'
import { Writer } from '#wire/pkcs11-rpc/writer.ts'
import type { Handles } from './handles.ts'
import type { HostWatch } from './host-watch.ts'
import type { NativeModule } from './native.ts'
import { QUICK } from './quick.ts'
import { FixedBytes, Output, QuickRunner } from './quick-native.ts'

export interface HostLaneOptions {
  /** Of a pipe that blocks. */
  readonly descriptor: number
  readonly module: NativeModule
  readonly handles: Handles
  readonly watch: HostWatch
  /** Longest message. */
  readonly messageBytesMax: number
  /** Told of failures that are no answers of the module. */
  readonly failed: (name: string, error: unknown) => void
}

const MEMORY_BYTES = 131_072
const WORD = 4

export class HostLane {
  readonly #options: HostLaneOptions
  readonly #reader = new Reader()
  readonly #writer = new Writer()
  /** Of the calls of a batch. */
  readonly #answers = new Writer()
  readonly #out = new Output(MEMORY_BYTES)
  readonly #quick: QuickRunner
  #in = new FixedBytes(MEMORY_BYTES)
  /** What has been received and not been answered. */
  #from = 0
  #to = 0

  constructor(options: HostLaneOptions) {
    this.#options = options
    this.#quick = new QuickRunner((name) => options.module.find(name), options.handles)
  }

  /** Returns when the other side has closed the pipe. */
  serve(): void {
    try {
      this.#serve()
    } catch (error) {
      if (HUNG_UP.has((error as NodeJS.ErrnoException).code)) return
      if (!(error instanceof RpcError)) throw error
      this.#options.failed('a message', error)
    }
  }

  #serve(): void {
    if (!this.#negotiate()) return
    while (this.#receive()) {
      for (let end = this.#end(); end !== undefined; end = this.#end()) {
        this.#answer(end)
        this.#from = end
      }
      this.#send()
      this.#tidy()
    }
  }

  #negotiate(): boolean {
    if (!this.#receive()) return false
    this.#from = 1
    writeSync(this.#options.descriptor, Uint8Array.of(DIALECT_BYTE))
    return true
  }

  #receive(): boolean {
    const { bytes } = this.#in
    const room = bytes.length - this.#to
    const { descriptor, watch } = this.#options
    const received =
      watch.receive(this.#in, this.#to) || readSync(descriptor, bytes, this.#to, room, null)
    this.#to += received
    return received > 0
  }

  /** Where the first message ends; undefined while it is not whole. */
  #end(): number | undefined {
    const pending = this.#to - this.#from
    if (pending < HEADER_BYTES) return undefined
    const { bytes } = this.#in
    const options = bytes.readUInt32BE(this.#from + WORD)
    const length = HEADER_BYTES + options + bytes.readUInt32BE(this.#from + 2 * WORD)
    const { messageBytesMax } = this.#options
    if (length > messageBytesMax) {
      const lengths = `it has ${length} bytes, allowed are ${messageBytesMax}`
      throw new RpcError('envelope', `Cannot read message: ${lengths}`)
    }
    if (pending >= length) return this.#from + length
    if (length > bytes.length) this.#grow(length)
    return undefined
  }

  #grow(length: number): void {
    const { bytes } = this.#in
    this.#in = new FixedBytes(length)
    this.#in.bytes.set(bytes.subarray(0, this.#to))
    bytes.fill(0)
  }

  /** Moves what has begun to the beginning. */
  #tidy(): void {
    const { bytes } = this.#in
    const rest = this.#to - this.#from
    if (rest > 0) bytes.copyWithin(0, this.#from, this.#to)
    bytes.fill(0, rest, this.#to)
    this.#from = 0
    this.#to = rest
    // What one long message needed is not kept for the short ones behind it.
    if (rest === 0 && bytes.length > MEMORY_BYTES) this.#in = new FixedBytes(MEMORY_BYTES)
  }

  #send(): void {
    const { bytes, length } = this.#out
    for (let sent = 0; sent < length; ) {
      sent += writeSync(this.#options.descriptor, bytes, sent, length - sent)
    }
    this.#out.clear()
  }

  /** Answers the message that ends there. */
  #answer(end: number): void {
    const { bytes } = this.#in
    const body = this.#from + HEADER_BYTES + bytes.readUInt32BE(this.#from + WORD)
    const callCode = bytes.readUInt32BE(this.#from)
    if (end - body < WORD || bytes.readUInt32BE(body) !== QUICK) {
      this.#ordinary(callCode, bytes.subarray(body, end))
      return
    }
    const out = this.#out
    out.u32(callCode)
    out.u32(0)
    out.u32(0)
    const begun = out.length
    this.#quick.run(this.#in, body + WORD, end, out)
    out.bytes.writeUInt32BE(out.length - begun, begun - WORD)
  }

  #ordinary(callCode: number, body: Buffer): void {
    const w = this.#writer
    w.beginFrame(callCode, undefined)
    this.#reader.reset(body)
    const codec = DIALECT.openRequest(this.#reader)
    if (codec === null) this.#batch(w)
    else this.#call(w, codec)
    w.endFrame()
    const answer = w.take()
    this.#out.raw(answer)
    answer.fill(0)
  }

  #batch(w: Writer): void {
    const { stop, bodies } = readBatch(this.#reader)
    const answers = this.#answers
    let count = 0
    for (const body of bodies) {
      this.#reader.reset(body)
      const codec = DIALECT.openRequest(this.#reader)
      if (codec === null) throw new RpcError('envelope', 'Cannot run batch: it has a batch in it')
      const mark = answers.beginSized()
      const rv = this.#call(answers, codec)
      answers.endSized(mark)
      count++
      if (stop && rv !== CKR.OK) break
    }
    w.u32(BATCH)
    w.u32(CKR.OK)
    w.u32(count)
    const written = answers.take()
    w.raw(written)
    written.fill(0)
  }

  /** Runs a function and writes its answer; its return value. */
  #call(w: Writer, codec: Codec): number {
    const mark = w.length
    let args: Values | undefined
    try {
      args = codec.readRequest(this.#reader)
      const results = this.#results(codec.name, args)
      DIALECT.writeAnswer(w, codec, results, args)
      return codec.rvOf(results, args)
    } catch (error) {
      w.truncate(mark)
      const rv = this.#refusal(codec.name, error)
      DIALECT.writeFailure(w, codec.id, rv)
      return rv
    }
  }

  #results(name: RemoteFunction, args: Values): Values {
    const { module, messageBytesMax } = this.#options
    if (name === 'C_Finalize') return NOTHING
    if (name !== 'C_Initialize') return module.call(name, args as never) ?? NOTHING
    // The module is initialised for as long as the process lives.
    return { further: undefined, epoch: 0, callBytesMax: messageBytesMax }
  }

  #refusal(name: string, error: unknown): number {
    if (error instanceof CryptokiError) return error.rv
    if (error instanceof RpcError) return CKR.DEVICE_ERROR
    this.#options.failed(name, error)
    return CKR.GENERAL_ERROR
  }
}

const NOTHING: Values = {}
/** Closed before it has read all answers. */
const HUNG_UP: ReadonlySet<string | undefined> = new Set(['ECONNRESET', 'EPIPE'])
