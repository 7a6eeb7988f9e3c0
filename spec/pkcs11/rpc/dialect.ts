/**
 * Claviger's dialect of PKCS#11 RPC: every function of 3.2, and parameters by their fields.
 *
 * Bodies: `u32 call id, arguments` and `u32 call id, u32 return value, results`, no signatures;
 * results are there only with the return values of {@link WITH_RESULTS}. Integers are big-endian,
 * CK_ULONG is u64. C_SignMessageNext whose pulSignatureLen is NULL has {@link NO_SIGNATURE} for its
 * capacity. A batch ({@link BATCH}) is several request bodies in one, each with its length.
 *
 * @module
 */
import type { Reader } from '#wire/pkcs11-rpc/reader.ts'
import { malformed } from '#wire/pkcs11-rpc/reader.ts'
import type { Writer } from '#wire/pkcs11-rpc/writer.ts'
import { BATCH, DIALECT_CALLS, INIT_FUNCTIONS } from '../calls.ts'
import { CKR } from '../constants.ts'
import { CryptokiError } from '../errors.ts'
import type { Argument } from '../functions.ts'
import {
  type InitResults,
  LOCAL_FUNCTIONS,
  OUTPUT_RULES,
  type OutputRule,
  type RemoteFunction,
} from '../types.ts'
import {
  type AnyGiven,
  type AnyReturned,
  badEnvelope,
  type Codec,
  exactly,
  fits,
  type GivenCodec,
  lengthOf,
  makeCodec,
  type NamedGiven,
  type NamedReturned,
  type Protocol,
  type ReturnedCodec,
  rowOf,
  type Values,
  WITH_RESULTS,
} from './codec.ts'
import {
  authenticatedMechanismBackCodec,
  authenticatedMechanismCodec,
  fixed,
  mechanismBackCodec,
  mechanismCodec,
  parameterCodec,
  structureCodec,
} from './structures.ts'
import { answersCodec, templateCodec, wishesCodec } from './templates.ts'

/** Capacity that says that no signature is expected yet. */
const NO_SIGNATURE = 0xffff_fffe

const ulong: GivenCodec<number> = {
  read: (r) => r.u64(),
  write: (w, value) => w.u64(value),
}
const bool: GivenCodec<boolean> = {
  read: (r) => r.bool(),
  write: (w, value) => w.bool(value),
}
const bytes: GivenCodec<Uint8Array | undefined> = {
  read: (r) => r.byteArray(),
  write: (w, value) => w.byteArray(value),
}
const capacity: GivenCodec<number | undefined> = {
  read: (r) => r.capacity(),
  write: (w, value) => w.capacity(value),
}
const size: GivenCodec<number> = {
  read: (r) => r.u32(),
  write: (w, value) => w.u32(value),
}

function givenCodec(name: RemoteFunction, argument: Argument): AnyGiven | undefined {
  switch (argument.kind) {
    case 'padded':
      return fixed(argument.bytes)
    case 'mechanism':
      return name.endsWith('Authenticated') ? authenticatedMechanismCodec : mechanismCodec
    case 'pointer':
    case 'ulongOut':
    case 'structure':
      return undefined
    default:
      return GIVEN[argument.kind]
  }
}

const GIVEN = {
  ulong,
  bool,
  bytes,
  text: bytes,
  wanted: capacity,
  ulongs: capacity,
  filled: size,
  found: size,
  template: templateCodec,
  values: wishesCodec,
  parameter: parameterCodec('request'),
} as const

/** Bytes that were asked for, or how many they are. */
const wanted: ReturnedCodec<Uint8Array | number, number | undefined> = {
  read: (r) => (r.bool() ? (r.byteArray() ?? Buffer.alloc(0)) : r.u64()),
  write(w, value, given) {
    const isWhole = fits(value, given)
    w.bool(isWhole)
    if (isWhole) w.byteArray(value as Uint8Array)
    else w.u64(lengthOf(value))
  },
}
const filled: ReturnedCodec<Uint8Array, number> = {
  read: (r, given) => exactly(r.byteArray() ?? Buffer.alloc(0), given, 'an answer') as Buffer,
  write: (w, value, given) => w.byteArray(exactly(value, given, 'an answer')),
}
/** Numbers that were asked for, or how many they are. */
const ulongs: ReturnedCodec<readonly number[] | number, number | undefined> = {
  read: (r) => (r.bool() ? readNumbers(r) : r.u64()),
  write(w, value, given) {
    const isWhole = fits(value, given)
    w.bool(isWhole)
    if (isWhole) writeNumbers(w, value as readonly number[])
    else w.u64(lengthOf(value))
  },
}
const found: ReturnedCodec<readonly number[], number> = {
  read: readNumbers,
  write(w, value, given) {
    if (value.length > given) throw malformed(`${value.length} handles were found, not ${given}`)
    writeNumbers(w, value)
  },
}
const ulongOut: ReturnedCodec<number> = {
  read: (r) => r.u64(),
  // A handle that does not exist yet, because only a length was asked for.
  write: (w, value) => w.u64(value ?? 0),
}
const parameter = parameterCodec('response')

function readNumbers(r: Reader): readonly number[] {
  const count = r.count(8)
  const values: number[] = []
  for (let index = 0; index < count; index++) values.push(r.u64())
  return values
}

function writeNumbers(w: Writer, values: readonly number[]): void {
  w.u32(values.length)
  for (const value of values) w.u64(value)
}

const RETURNED = {
  wanted,
  filled,
  ulongs,
  found,
  ulongOut,
  values: answersCodec,
  parameter,
} as const

function returnedCodec(argument: Argument): AnyReturned | undefined {
  if (argument.kind === 'structure') return structureCodec(argument.type, 'response')
  return argument.kind in RETURNED ? RETURNED[argument.kind as keyof typeof RETURNED] : undefined
}

const rule: ReturnedCodec<OutputRule> = {
  read(r) {
    const number = r.u8()
    const name = OUTPUT_RULES[number]
    if (name === undefined) throw malformed(`a rule of length is ${number}; 0 to 3 are allowed`)
    return name
  },
  write: (w, value) => w.u8(OUTPUT_RULES.indexOf(value)),
}

const INIT: readonly NamedReturned[] = [
  ['rule', rule],
  ['length', ulong],
  ['isRepeatable', bool],
] satisfies readonly (readonly [keyof InitResults, AnyReturned])[]

const INITIALIZE_GIVEN: readonly NamedGiven[] = [
  ['application', bytes],
  ['processId', ulong],
  ['reserved', bytes],
]
const INITIALIZE_RETURNED: readonly NamedReturned[] = [
  ['further', bytes],
  ['epoch', ulong],
  ['callBytesMax', ulong],
  ['callBytesMax', ulong],
]

function make(name: RemoteFunction): Codec {
  const id = DIALECT_CALLS[name]
  if (name === 'C_Initialize') return makeCodec(name, id, INITIALIZE_GIVEN, INITIALIZE_RETURNED)
  const row = rowOf(name)
  const given = row.flatMap(([argument, kind]) => {
    const codec = givenCodec(name, kind)
    return codec === undefined ? [] : [[argument, codec] as const]
  })
  const returned: NamedReturned[] = row.flatMap(([argument, kind]) => {
    const codec = returnedCodec(kind)
    return codec === undefined ? [] : [[argument, codec] as const]
  })
  if ((INIT_FUNCTIONS as readonly string[]).includes(name)) returned.push(...INIT)
  const back = BACK[name]
  if (back !== undefined) returned.push(['pMechanism', back])
  const codec = makeCodec(name, id, given, returned)
  if (back !== undefined) return withBack(codec)
  return name === 'C_SignMessageNext' ? withLast(codec) : codec
}

/** Functions whose mechanism may come back, with what the token has written into its parameter. */
const BACK: Partial<Readonly<Record<RemoteFunction, AnyReturned>>> = {
  C_DeriveKey: mechanismBackCodec,
  C_WrapKeyAuthenticated: authenticatedMechanismBackCodec,
}

/** A mechanism that has not come back is no result. */
function withBack(codec: Codec): Codec {
  return {
    ...codec,
    readResults(r, args) {
      const { pMechanism, ...results } = codec.readResults(r, args)
      return pMechanism === undefined ? results : { ...results, pMechanism }
    },
  }
}

/** C_SignMessageNext: whether a signature is expected travels in its capacity. */
function withLast(codec: Codec): Codec {
  return {
    ...codec,
    readRequest(r) {
      const args = codec.readRequest(r)
      const isLast = args['pSignature'] !== NO_SIGNATURE
      return { ...args, pSignature: isLast ? args['pSignature'] : undefined, isLast }
    },
    writeRequest(w, args) {
      const isLast = args['isLast'] === true
      codec.writeRequest(w, isLast ? args : { ...args, pSignature: NO_SIGNATURE })
    },
  }
}

const names = Object.keys(DIALECT_CALLS) as (keyof typeof DIALECT_CALLS)[]
const isLocal = new Set<string>(LOCAL_FUNCTIONS)
const codecs = names.filter((name): name is RemoteFunction => !isLocal.has(name)).map(make)
const byName = new Map<string, Codec>(codecs.map((codec) => [codec.name, codec]))
const byId: (Codec | undefined)[] = []
for (const codec of codecs) byId[codec.id] = codec

/** The dialect. */
export const DIALECT: Protocol = {
  isDialect: true,
  codecOf: (name) => byName.get(name),
  openRequest(r) {
    const id = openId(r)
    if (id === BATCH) return null
    const codec = byId[id]
    if (codec === undefined) throw badEnvelope(`there is no call ${id}`)
    return codec
  },
  writeRequest(w, codec, args) {
    w.u32(codec.id)
    codec.writeRequest(w, args)
  },
  writeAnswer(w, codec, results, args) {
    w.u32(codec.id)
    w.u32(codec.rvOf(results, args))
    codec.writeResults(w, results, args)
  },
  writeFailure(w, callId, rv) {
    w.u32(callId)
    w.u32(rv)
  },
  readAnswer(r, codec, args) {
    const id = openId(r)
    if (id !== codec.id) throw badEnvelope(`an answer to call ${id} instead of ${codec.id}`)
    const rv = r.u32()
    if (rv !== CKR.OK && (!WITH_RESULTS.has(rv) || r.remaining === 0)) throw refused(codec, rv)
    const results = codec.readResults(r, args)
    return codec.name === 'C_GetAttributeValue' ? { ...results, rv } : results
  },
}

function openId(r: Reader): number {
  if (r.remaining < 4) throw badEnvelope(`its body has ${r.remaining} bytes`)
  return r.u32()
}

function refused(codec: Codec, rv: number): CryptokiError {
  return new CryptokiError(rv, `${codec.name} was refused`)
}

/** A batch: request bodies, and whether the first refusal ends it. */
export interface Batch {
  readonly stop: boolean
  readonly bodies: readonly Buffer[]
}

/** Reads a batch behind its call id. @throws RpcError (argument) */
export function readBatch(r: Reader): Batch {
  const stop = r.bool()
  const bodies = readSized(r)
  r.finish()
  return { stop, bodies }
}

/** Reads the answers of a batch, whole bodies, of those that were run. */
export function readBatchAnswer(r: Reader): readonly Buffer[] {
  const id = openId(r)
  if (id !== BATCH) throw badEnvelope(`an answer to call ${id} instead of ${BATCH}`)
  const rv = r.u32()
  if (rv !== CKR.OK) throw new CryptokiError(rv, 'A batch was refused')
  const bodies = readSized(r)
  r.finish()
  return bodies
}

function readSized(r: Reader): readonly Buffer[] {
  const count = r.count(8)
  const bodies: Buffer[] = []
  for (let index = 0; index < count; index++) bodies.push(r.raw(r.u32()))
  return bodies
}

/** Writes a call of a batch's body; `each` writes one request. */
export function writeBatch(
  w: Writer,
  stop: boolean,
  calls: readonly { readonly codec: Codec; readonly args: Values }[],
): void {
  w.u32(BATCH)
  w.bool(stop)
  w.u32(calls.length)
  for (const { codec, args } of calls) {
    const mark = w.beginSized()
    DIALECT.writeRequest(w, codec, args)
    w.endSized(mark)
  }
}
