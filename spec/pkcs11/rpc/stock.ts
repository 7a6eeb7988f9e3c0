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
import type { Reader } from '#wire/pkcs11-rpc/reader.ts'
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
import type { RemoteFunction } from '../types.ts'
import {
  badEnvelope,
  type Codec,
  makeCodec,
  type NamedGiven,
  type NamedReturned,
  type Protocol,
  type ReturnedCodec,
  rowOf,
  type Values,
} from './codec.ts'
import {
  bool,
  givenBytes,
  givenCodec,
  label,
  returnedCodec,
  type StockVersion,
  ulongOut,
  type Variant,
} from './stock-arguments.ts'
import { stockUpdatedParameter } from './stock-mechanisms.ts'
import { signaturesOf } from './stock-signatures.ts'

export type { StockVersion } from './stock-arguments.ts'

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
