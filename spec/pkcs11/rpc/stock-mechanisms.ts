/**
 * Mechanisms as p11-kit sends them, in both layouts.
 *
 * draft-ueno-pkcs11-rpc as p11-kit implements it: to 0.25.5 (layout A) a mechanism without
 * parameters is followed by a NULL byte array; from 0.25.6 on (layout B) by nothing, and all others
 * by a byte that says whether there is a parameter. A mechanism for which p11-kit has no serializer
 * cannot be sent.
 *
 * @module
 */
import { NULL_LENGTH } from '#wire/pkcs11-rpc/integers.ts'
import { malformed, type Reader } from '#wire/pkcs11-rpc/reader.ts'
import type { Writer } from '#wire/pkcs11-rpc/writer.ts'
import { CKR } from '../constants.ts'
import { CryptokiError } from '../errors.ts'
import { type StockParameter, stockParameter } from '../mechanisms.ts'
import { ULONG_BYTES } from '../memory.ts'
import type { Mechanism, StructureFields } from '../types.ts'
import type { GivenCodec, ReturnedCodec } from './codec.ts'

export type Layout = 'A' | 'B'

type Parameter = NonNullable<Mechanism['parameter']>

interface Serializer {
  read(r: Reader): Parameter | undefined
  write(w: Writer, parameter: never): void
  readonly isStructure: boolean
}

function iv(bytes: number): Serializer {
  const check = (value: Uint8Array | undefined): Uint8Array => {
    if (value?.length === bytes) return value
    throw malformed(`an initialisation vector has ${value?.length} bytes; ${bytes} are needed`)
  }
  return {
    isStructure: false,
    read: (r) => check(r.byteArray()),
    write: (w, value: Uint8Array) => w.byteArray(check(value)),
  }
}

const SERIALIZERS: Readonly<Record<Exclude<StockParameter, 'none'>, Serializer>> = {
  pss: {
    isStructure: true,
    read: (r) => ({ hashAlg: r.u64(), mgf: r.u64(), sLen: r.u64() }),
    write(w, value: StructureFields<'CK_RSA_PKCS_PSS_PARAMS'>) {
      w.u64(value.hashAlg)
      w.u64(value.mgf)
      w.u64(value.sLen)
    },
  },
  oaep: {
    isStructure: true,
    read: (r) => ({
      hashAlg: r.u64(),
      mgf: r.u64(),
      source: r.u64(),
      pSourceData: r.byteArray(),
    }),
    write(w, value: StructureFields<'CK_RSA_PKCS_OAEP_PARAMS'>) {
      w.u64(value.hashAlg)
      w.u64(value.mgf)
      w.u64(value.source)
      w.byteArray(value.pSourceData)
    },
  },
  ecdh1: {
    isStructure: true,
    read: (r) => ({ kdf: r.u64(), pSharedData: r.byteArray(), pPublicData: r.byteArray() }),
    write(w, value: StructureFields<'CK_ECDH1_DERIVE_PARAMS'>) {
      w.u64(value.kdf)
      w.byteArray(value.pSharedData)
      w.byteArray(value.pPublicData)
    },
  },
  ctr: {
    isStructure: true,
    read: (r) => ({ ulCounterBits: r.u64(), cb: iv(16).read(r) as Uint8Array }),
    write(w, value: StructureFields<'CK_AES_CTR_PARAMS'>) {
      w.u64(value.ulCounterBits)
      w.byteArray(value.cb)
    },
  },
  gcm: {
    isStructure: true,
    read: (r) => ({
      pIv: r.byteArray(),
      ulIvBits: r.u64(),
      pAAD: r.byteArray(),
      ulTagBits: r.u64(),
    }),
    write(w, value: StructureFields<'CK_GCM_PARAMS'>) {
      w.byteArray(value.pIv)
      w.u64(value.ulIvBits)
      w.byteArray(value.pAAD)
      w.u64(value.ulTagBits)
    },
  },
  iv16: iv(16),
  iv8: iv(8),
  ulong: {
    isStructure: false,
    read: (r) => r.reversedUlong(),
    write(w, value: Uint8Array) {
      if (value.length !== ULONG_BYTES) throw unfit('a number of 8 bytes is needed')
      w.reversedUlong(value)
    },
  },
  dh: {
    isStructure: false,
    read(r) {
      const value = r.byteArray()
      if (value === undefined || value.length === 0) throw malformed('a public value is empty')
      return value
    },
    write: (w, value: Uint8Array) => w.byteArray(value),
  },
}

/** M in a layout. */
export function stockMechanism(layout: Layout): GivenCodec<Mechanism | undefined> {
  return { read: layout === 'A' ? readA : readB, write: layout === 'A' ? writeA : writeB }
}

function readA(r: Reader): Mechanism | undefined {
  const type = r.u32()
  if (type === NULL_LENGTH) return undefined
  const kind = stockParameter(type)
  if (kind !== undefined && kind !== 'none') {
    return { type, parameter: SERIALIZERS[kind].read(r) }
  }
  const parameter = r.byteArray()
  if (kind === 'none' && parameter !== undefined) {
    throw malformed('a mechanism without parameters is not followed by NULL')
  }
  return { type, parameter }
}

function readB(r: Reader): Mechanism | undefined {
  const type = r.u32()
  if (type === NULL_LENGTH) return undefined
  const kind = stockParameter(type)
  if (kind === 'none' || !r.bool()) return { type, parameter: undefined }
  return { type, parameter: kind === undefined ? r.byteArray() : SERIALIZERS[kind].read(r) }
}

function writeA(w: Writer, mechanism: Mechanism | undefined): void {
  const serializer = writeType(w, mechanism)
  if (mechanism === undefined) return
  if (serializer === undefined) w.u32(NULL_LENGTH)
  else if (mechanism.parameter === undefined) throw unfit('p11-kit 0.25.5 cannot leave it out')
  else writeParameter(w, serializer, mechanism.parameter)
}

function writeB(w: Writer, mechanism: Mechanism | undefined): void {
  const serializer = writeType(w, mechanism)
  if (serializer === undefined) return
  const parameter = mechanism?.parameter
  w.bool(parameter !== undefined)
  if (parameter !== undefined) writeParameter(w, serializer, parameter)
}

/** The type, and how its parameter is written; undefined: it has none. */
function writeType(w: Writer, mechanism: Mechanism | undefined): Serializer | undefined {
  if (mechanism === undefined) {
    w.u32(NULL_LENGTH)
    return undefined
  }
  const { type, parameter } = mechanism
  const kind = stockParameter(type)
  if (kind === undefined) {
    const what = `mechanism 0x${type.toString(16)} cannot be sent to p11-kit`
    throw new CryptokiError(CKR.MECHANISM_INVALID, what)
  }
  if (kind === 'none' && parameter !== undefined && !isEmpty(parameter)) {
    throw unfit('this mechanism has none')
  }
  w.u32(type)
  return kind === 'none' ? undefined : SERIALIZERS[kind]
}

function isEmpty(parameter: Parameter): boolean {
  return parameter instanceof Uint8Array && parameter.length === 0
}

function writeParameter(w: Writer, serializer: Serializer, parameter: Parameter): void {
  if (serializer.isStructure === parameter instanceof Uint8Array) {
    throw unfit(serializer.isStructure ? 'its fields are needed' : 'bytes are needed')
  }
  serializer.write(w, parameter as never)
}

function unfit(what: string): CryptokiError {
  const rule = `cannot send the parameter of a mechanism: ${what}`
  return new CryptokiError(CKR.MECHANISM_PARAM_INVALID, rule)
}

/** P: the parameter after the call, of which p11-kit returns nothing for the mechanisms we know. */
export const stockUpdatedParameter: ReturnedCodec<undefined> = {
  read(r, _, args) {
    if (hasParameterByte(args['pMechanism'])) r.bool()
    return undefined
  },
  write(w, _, __, args) {
    const mechanism = args['pMechanism'] as Mechanism | undefined
    if (hasParameterByte(mechanism)) w.bool(mechanism?.parameter !== undefined)
  },
}

function hasParameterByte(mechanism: unknown): boolean {
  return mechanism !== undefined && stockParameter((mechanism as Mechanism).type) !== 'none'
}
