/**
 * What the remote calls of p11-kit and those of Claviger's dialect have in common.
 *
 * A codec is made once for each function and protocol from the function's row: two lists of
 * readers and writers, one for what is given and one for what comes back, with the names of the
 * header.
 *
 * @module
 */
import { RpcError } from '#wire/pkcs11-rpc/errors.ts'
import { malformed, type Reader } from '#wire/pkcs11-rpc/reader.ts'
import type { Writer } from '#wire/pkcs11-rpc/writer.ts'
import { CKR } from '../constants.ts'
import { type Argument, FUNCTIONS } from '../functions.ts'
import type { RemoteFunction } from '../types.ts'

/** Arguments or results by the header's names; `types.ts` has their types for each function. */
export type Values = Readonly<Record<string, unknown>>

/** How something that is given travels. */
export interface GivenCodec<T> {
  read(r: Reader): T
  write(w: Writer, value: T): void
}
/** How something that comes back travels; `given` is what the request had under the same name. */
export interface ReturnedCodec<T, G = unknown> {
  read(r: Reader, given: G, args: Values): T
  write(w: Writer, value: T, given: G, args: Values): void
}

export interface AnyGiven {
  read(r: Reader): unknown
  write(w: Writer, value: never): void
}
export interface AnyReturned {
  read(r: Reader, given: never, args: Values): unknown
  write(w: Writer, value: never, given: never, args: Values): void
}

/** One function in one protocol. */
export interface Codec {
  readonly name: RemoteFunction
  readonly id: number
  /** Arguments that are typed by somebody: PINs, and names of users; none where there are none. */
  readonly texts?: readonly string[]
  /** @throws RpcError (argument), or CryptokiError where what was read is not allowed */
  readonly readRequest: (r: Reader) => Values
  readonly writeRequest: (w: Writer, args: Values) => void
  readonly readResults: (r: Reader, args: Values) => Values
  readonly writeResults: (w: Writer, results: Values, args: Values) => void
  /** The return value that belongs to results: CKR_BUFFER_TOO_SMALL where only a length is told. */
  readonly rvOf: (results: Values, args: Values) => number
}

/** A way to write calls and answers, as it was negotiated for a connection. */
export interface Protocol {
  readonly isDialect: boolean
  /** The codec for a request that is sent. */
  codecOf(name: RemoteFunction): Codec | undefined
  /**
   * Which call a body has; null for a batch.
   *
   * @throws RpcError (envelope)
   */
  openRequest(r: Reader): Codec | null
  /** Writes the body of a request. */
  writeRequest(w: Writer, codec: Codec, args: Values): void
  /** Writes the body of an answer. */
  writeAnswer(w: Writer, codec: Codec, results: Values, args: Values): void
  /** Writes the body of an answer that has only a return value. */
  writeFailure(w: Writer, callId: number, rv: number): void
  /**
   * Reads the body of an answer.
   *
   * @throws CryptokiError with the return value; RpcError where it is no answer to this call
   */
  readAnswer(r: Reader, codec: Codec, args: Values): Values
}

export type NamedGiven = readonly [name: string, codec: AnyGiven]
export type NamedReturned = readonly [name: string, codec: AnyReturned]

/** The arguments of a function as its row has them. */
export function rowOf(name: RemoteFunction): readonly (readonly [string, Argument])[] {
  return Object.entries<Argument>(FUNCTIONS[name])
}

/** Puts together the codec of one function. */
export function makeCodec(
  name: RemoteFunction,
  id: number,
  given: readonly NamedGiven[],
  returned: readonly NamedReturned[],
): Codec {
  const texts = rowOf(name).flatMap(([argument, { kind }]) => (kind === 'text' ? argument : []))
  return {
    name,
    id,
    ...(texts.length > 0 && { texts }),
    readRequest: reader(given),
    writeRequest: writer(given),
    readResults: resultsReader(returned),
    writeResults: resultsWriter(returned),
    rvOf: rvRule(name),
  }
}

function reader(fields: readonly NamedGiven[]): Codec['readRequest'] {
  const names = fields.map(([name]) => name)
  const codecs = fields.map(([, codec]) => codec)
  return (r) => {
    const args: Record<string, unknown> = {}
    for (let index = 0; index < names.length; index++) {
      args[names[index] as string] = (codecs[index] as AnyGiven).read(r)
    }
    r.finish()
    return args
  }
}

function writer(fields: readonly NamedGiven[]): Codec['writeRequest'] {
  return (w, args) => {
    for (const [name, codec] of fields) codec.write(w, args[name] as never)
  }
}

function resultsReader(fields: readonly NamedReturned[]): Codec['readResults'] {
  return (r, args) => {
    const results: Record<string, unknown> = {}
    for (const [name, codec] of fields) results[name] = codec.read(r, args[name] as never, args)
    r.finish()
    return results
  }
}

function resultsWriter(fields: readonly NamedReturned[]): Codec['writeResults'] {
  return (w, results, args) => {
    for (let index = 0; index < fields.length; index++) {
      const [name, codec] = fields[index] as NamedReturned
      codec.write(w, results[name] as never, args[name] as never, args)
    }
  }
}

function rvRule(name: RemoteFunction): Codec['rvOf'] {
  if (name === 'C_GetAttributeValue') return (results) => results['rv'] as number
  const sized = rowOf(name).find(([, { kind }]) => kind === 'wanted' || kind === 'ulongs')?.[0]
  if (sized === undefined) return () => CKR.OK
  return (results, args) => {
    const capacity = args[sized] as number | undefined
    if (capacity === undefined) return CKR.OK
    return fits(results[sized] as Sized, capacity) ? CKR.OK : CKR.BUFFER_TOO_SMALL
  }
}

/** Something that comes back in full, or only its length. */
export type Sized = number | { readonly length: number }

/** Whether something is sent in full. */
export function fits(value: Sized, capacity: number | undefined): boolean {
  return typeof value !== 'number' && capacity !== undefined && value.length <= capacity
}

/** The length of something that is not sent in full. */
export function lengthOf(value: Sized): number {
  return typeof value === 'number' ? value : value.length
}

/** Fails where an answer does not have the return values that carry results. */
export const WITH_RESULTS: ReadonlySet<number> = new Set([
  CKR.OK,
  CKR.BUFFER_TOO_SMALL,
  CKR.ATTRIBUTE_SENSITIVE,
  CKR.ATTRIBUTE_TYPE_INVALID,
])

/** Bytes of an exact size. */
export function exactly(bytes: Uint8Array, size: number, what: string): Uint8Array {
  if (bytes.length === size) return bytes
  throw malformed(`${what} has ${bytes.length} bytes; ${size} are needed`)
}

/** A message whose call cannot be known, or is another than was expected. */
export function badEnvelope(what: string): RpcError {
  return new RpcError('envelope', `Cannot read message: ${what}`)
}
