/**
 * PKCS#11 RPC as p11-kit speaks it, in its versions 0, 1 and 2.
 *
 * draft-ueno-pkcs11-rpc as implemented by p11-kit 0.24 to 0.26. Bodies: `u32 call id`, a signature
 * (u32 length and characters) that must be the table's, the arguments. The answer that refuses is
 * call 0 with the return value.
 *
 * A client that offers version 2 has 0.25.6 or newer and writes mechanisms in layout B; version 1
 * means 0.25 with layout A, and lists within wishes from 0.25.4. Version 0 may be any of them, if
 * an earlier negotiation failed: such a request is read in the first way that uses up all its
 * bytes.
 *
 * @module
 */
import { NULL_LENGTH } from '#wire/pkcs11-rpc/integers.ts'
import { malformed, type Reader } from '#wire/pkcs11-rpc/reader.ts'
import type { Writer } from '#wire/pkcs11-rpc/writer.ts'
import {
  ERROR_CALL,
  INIT_FUNCTIONS,
  STOCK_CALL_MAX,
  STOCK_CALLS,
  STOCK_HANDSHAKE,
  STOCK_SECOND_CALLS,
  type StockFunction,
} from '../calls.ts'
import { CKR } from '../constants.ts'
import { CryptokiError } from '../errors.ts'
import type { Argument } from '../functions.ts'
import { type Member, STRUCTURES } from '../structures.ts'
import type { Fields, RemoteFunction } from '../types.ts'
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
} from './codec.ts'
import { stockAnswers, stockTemplate, stockWishes } from './stock-attributes.ts'
import { type Layout, stockMechanism, stockUpdatedParameter } from './stock-mechanisms.ts'
import { structureCodec } from './structures.ts'

export type StockVersion = 0 | 1 | 2

/** What differs among clients and servers that speak stock versions. */
interface Variant {
  readonly version: StockVersion
  readonly layout: Layout
  /** Whether wishes for templates have lists within them. */
  readonly isNested: boolean
}

const LABEL_BYTES = 32

const ulong: GivenCodec<number> = {
  read: (r) => r.u64(),
  write: (w, value) => w.u64(value),
}
const bool: GivenCodec<boolean> = {
  read: (r) => r.bool(),
  write: (w, value) => w.bool(value),
}

/** ay in a request. */
function givenBytes(version: StockVersion): GivenCodec<Uint8Array | undefined> {
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
const label: GivenCodec<Uint8Array> = {
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

function givenCodec(argument: Argument, variant: Variant): AnyGiven | undefined {
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
const ulongOut: ReturnedCodec<number> = {
  read: (r) => r.u64(),
  write: (w, value) => w.u64(value),
}

const RETURNED = { wanted, filled, ulongs, found, ulongOut, values: stockAnswers } as const

function returnedCodec(argument: Argument): AnyReturned | undefined {
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

const HANDSHAKE = Buffer.from(STOCK_HANDSHAKE)

/** C_Initialize: the handshake, and the string in pReserved with its NUL. */
const initialize = {
  readRequest(r: Reader): Values {
    const handshake = givenBytes(2).read(r)
    const isGiven = r.bool()
    const reserved = givenBytes(2).read(r)
    r.finish()
    if (handshake === undefined || !HANDSHAKE.equals(handshake)) {
      throw new CryptokiError(CKR.GENERAL_ERROR, 'the client does not show that it is one')
    }
    const end = reserved?.indexOf(0) ?? 0
    const string = isGiven ? reserved?.subarray(0, end < 0 ? reserved.length : end) : undefined
    return { application: undefined, processId: undefined, reserved: string }
  },
  writeRequest(w: Writer, args: Values): void {
    const reserved = args['reserved'] as Uint8Array | undefined
    givenBytes(2).write(w, HANDSHAKE)
    w.bool(reserved !== undefined)
    givenBytes(2).write(w, Buffer.concat([reserved ?? Buffer.alloc(0), Buffer.of(0)]))
  },
  readResults(r: Reader): Values {
    r.finish()
    return { further: undefined, epoch: 0 }
  },
} satisfies Partial<Codec>

const INIT_RESULTS = { rule: 'ask', length: 0, isRepeatable: false } as const

function make(name: StockFunction, id: number, variant: Variant): Codec {
  const row = rowOf(name)
  const given: NamedGiven[] = row.flatMap(([argument, kind]) => {
    const codec = givenCodec(kind, variant)
    return codec === undefined ? [] : [[argument, codec] as const]
  })
  const returned: NamedReturned[] = row.flatMap(([argument, kind]) => {
    const codec = returnedCodec(kind)
    return codec === undefined ? [] : [[argument, codec] as const]
  })
  adapt(name, id, given, returned)
  const codec = makeCodec(name, id, given, returned)
  if (name === 'C_Initialize') return { ...codec, ...initialize }
  if (id === STOCK_SECOND_CALLS.C_DeriveKey.id) return { ...codec, readResults: readDerived(codec) }
  if (!(INIT_FUNCTIONS as readonly string[]).includes(name)) return codec
  return {
    ...codec,
    readResults(r) {
      r.finish()
      return INIT_RESULTS
    },
  }
}

/** Where p11-kit does not do as the rows have it. */
function adapt(name: string, id: number, given: NamedGiven[], returned: NamedReturned[]): void {
  if (name === 'C_InitToken' && id === STOCK_CALLS.C_InitToken) {
    given.splice(given.length - 1, 1, ['pLabel', label])
  }
  if (name === 'C_SignMessageNext') given.splice(given.length - 1, 0, ['isLast', bool])
  if (name === 'C_GetAttributeValue') returned.push(['rv', ulongOut])
  if (id === STOCK_SECOND_CALLS.C_DeriveKey.id) {
    returned.unshift(['rv', resultCode], ['pMechanism', stockUpdatedParameter])
  }
}

/** The second C_DeriveKey: what it has more than the first is not told. */
function readDerived(codec: Codec): Codec['readResults'] {
  return (r, args) => ({ phKey: codec.readResults(r, args)['phKey'] })
}

/** The return value in front of the results of the second C_DeriveKey. */
const resultCode: ReturnedCodec<undefined> = {
  read(r) {
    const rv = r.u64()
    if (rv !== CKR.OK) throw new CryptokiError(rv, 'C_DeriveKey was refused')
    return undefined
  },
  write: (w) => w.u64(CKR.OK),
}

const GIVEN_SIGNATURES: Readonly<Partial<Record<Argument['kind'], string>>> = {
  ulong: 'u',
  bool: 'y',
  bytes: 'ay',
  text: 'ay',
  parameter: 'ay',
  padded: 's',
  wanted: 'fy',
  filled: 'fy',
  ulongs: 'fu',
  found: 'fu',
  template: 'aA',
  values: 'fA',
  mechanism: 'M',
}
const RETURNED_SIGNATURES: Readonly<Partial<Record<Argument['kind'], string>>> = {
  ulongOut: 'u',
  wanted: 'ay',
  filled: 'ay',
  ulongs: 'au',
  found: 'au',
  values: 'aAu',
}
const MEMBER_SIGNATURES: Readonly<Partial<Record<Member['kind'], string>>> = {
  ulong: 'u',
  version: 'v',
  text: 's',
}

/** The signatures of request and answer, in p11-kit's letters. */
export function signaturesOf(name: StockFunction, id: number): readonly [string, string] {
  if (name === 'C_Initialize') return ['ayyay', '']
  const kinds = rowOf(name).map(([, argument]) => argument)
  let given = kinds.map(({ kind }) => GIVEN_SIGNATURES[kind] ?? '').join('')
  let returned = kinds.map(returnedSignature).join('')
  if (id === STOCK_CALLS.C_InitToken) given = given.replace('s', 'z')
  if (name === 'C_SignMessageNext') given = given.replace(/fy$/, 'yfy')
  if (id === STOCK_SECOND_CALLS.C_DeriveKey.id) returned = `uP${returned}`
  return [given, returned]
}

function returnedSignature(argument: Argument): string {
  if (argument.kind !== 'structure') return RETURNED_SIGNATURES[argument.kind] ?? ''
  const members = Object.values<Member>(STRUCTURES[argument.type])
  return members.map(({ kind }) => MEMBER_SIGNATURES[kind] ?? '').join('')
}

/** The beginning of a body: call id and signature. */
function envelope(id: number, signature: string): Buffer {
  const bytes = Buffer.alloc(8 + signature.length)
  bytes.writeUInt32BE(id, 0)
  bytes.writeUInt32BE(signature.length, 4)
  bytes.write(signature, 8, 'latin1')
  return bytes
}

interface Entry {
  readonly codec: Codec
  readonly request: Buffer
  readonly answer: Buffer
}

const REFUSAL = envelope(ERROR_CALL, 'u')
const ID_BYTES = 4

/** Reads with the first codec that uses up the whole body. */
function readWithAny(readers: readonly Codec['readRequest'][]): Codec['readRequest'] {
  const [only] = readers
  if (readers.length === 1 && only !== undefined) return only
  return (r) => {
    const start = r.offset
    const errors: unknown[] = []
    for (const read of readers) {
      r.seek(start)
      try {
        return read(r)
      } catch (error) {
        errors.push(error)
      }
    }
    throw errors.find((error) => error instanceof CryptokiError) ?? errors[0]
  }
}

/** Whether peers of different age write the arguments of a function differently. */
function varies(name: StockFunction): boolean {
  return rowOf(name).some(([, { kind }]) => kind === 'mechanism' || kind === 'values')
}

function makeProtocol(variants: readonly Variant[]): Protocol {
  const [{ version }] = variants as [Variant]
  const byId: (Entry | undefined)[] = []
  const byName = new Map<string, Entry>()

  function add(name: StockFunction, id: number): void {
    const used = varies(name) ? variants : variants.slice(0, 1)
    const codecs = used.map((variant) => make(name, id, variant))
    const readRequest = readWithAny(codecs.map((codec) => codec.readRequest))
    const [given, returned] = signaturesOf(name, id)
    const entry = {
      codec: { ...(codecs[0] as Codec), readRequest },
      request: envelope(id, given),
      answer: envelope(id, returned),
    }
    byId[id] = entry
    if (id <= STOCK_CALL_MAX[version]) byName.set(name, entry)
  }

  for (const [name, id] of Object.entries(STOCK_CALLS)) add(name as StockFunction, id)
  // The second forms come last, so that they are what a client of their version uses.
  for (const [name, { id }] of Object.entries(STOCK_SECOND_CALLS)) add(name as StockFunction, id)

  const entryOf = ({ id }: Codec): Entry => byId[id] as Entry

  return {
    isDialect: false,
    codecOf: (name: RemoteFunction) => byName.get(name)?.codec,
    openRequest(r) {
      const id = openId(r)
      const entry = byId[id]
      if (entry === undefined) throw badEnvelope(`version ${version} has no call ${id}`)
      r.seek(r.offset - ID_BYTES)
      if (!r.matches(entry.request)) throw badEnvelope(`call ${id} has another signature`)
      return entry.codec
    },
    writeRequest(w, codec, args) {
      w.raw(entryOf(codec).request)
      codec.writeRequest(w, args)
    },
    writeAnswer(w, codec, results, args) {
      w.raw(entryOf(codec).answer)
      codec.writeResults(w, results, args)
    },
    writeFailure(w, _, rv) {
      w.raw(REFUSAL)
      w.u64(rv)
    },
    readAnswer(r, codec, args) {
      if (r.matches(REFUSAL)) throw refused(codec, r.u64())
      if (!r.matches(entryOf(codec).answer)) throw badEnvelope(`no answer to call ${codec.id}`)
      return codec.readResults(r, args)
    },
  }
}

function refused(codec: Codec, rv: number): CryptokiError {
  // A refusal without a reason is a broken server.
  const reason = rv === CKR.OK ? CKR.DEVICE_ERROR : rv
  return new CryptokiError(reason, `${codec.name} was refused`)
}

function openId(r: Reader): number {
  if (r.remaining < ID_BYTES) throw badEnvelope(`its body has ${r.remaining} bytes`)
  return r.u32()
}

const A_PLAIN = { layout: 'A', isNested: false } as const
const A_NESTED = { layout: 'A', isNested: true } as const
const B = { layout: 'B', isNested: true } as const

const VARIANTS: Readonly<Record<StockVersion, readonly Variant[]>> = {
  0: [
    { version: 0, ...A_PLAIN },
    { version: 0, ...B },
    { version: 0, ...A_NESTED },
  ],
  1: [
    { version: 1, ...A_NESTED },
    { version: 1, ...A_PLAIN },
  ],
  2: [{ version: 2, ...B }],
}

const made = new Map<StockVersion, Protocol>()

/** Made when somebody speaks it: most programs that start meet nobody who does. */
function protocol(version: StockVersion): Protocol {
  let known = made.get(version)
  if (known === undefined) {
    known = makeProtocol(VARIANTS[version])
    made.set(version, known)
  }
  return known
}

/** How a server speaks with a client that has offered a version. */
export function stockServer(offered: StockVersion): Protocol {
  return protocol(offered)
}

/** How a client speaks with a server that has answered a version. */
export function stockClient(answered: StockVersion): Protocol {
  return protocol(answered)
}
