/**
 * Several short operations in one message to the host of a module: C_EncryptInit and C_Encrypt, or
 * the same of decrypting and signing, for as many keys as there are operations.
 *
 * A message of a lane costs more than a short operation does: memory, a system call and the waking
 * of a thread on either side. This form is spoken between server and host only, beside the dialect
 * of PKCS#11 RPC, in the same frames. Bodies, integers big-endian:
 *
 * - `u32 QUICK, u64 session, u32 count`, and each `u8 verb, u64 key, u64 mechanism, parameter, u32
 *   capacity, bytes data`. A parameter is `u8 form` and what {@link FORMS} says.
 * - `u32 QUICK, u32 count`, and each `u32 return value, u32 microseconds, bytes output`.
 *
 * Operations do not depend on each other: one that is refused ends nothing but itself. Mechanisms
 * with other parameters, and long data, go the ordinary way.
 *
 * @module
 */
import { CKM } from '#spec/pkcs11/constants.ts'
import type { Fields, Mechanism } from '#spec/pkcs11/types.ts'
import { malformed, type Reader } from '#wire/pkcs11-rpc/reader.ts'
import type { Writer } from '#wire/pkcs11-rpc/writer.ts'

/** Call id that no function has. */
export const QUICK = 0x400
/** Longest data of an operation; what is longer costs more than its message. */
export const QUICK_BYTES_MAX = 16_384
/** More than any mechanism adds to its input. */
export const GROWTH_BYTES = 1_024
/** Longest output that a host has room for. */
export const OUTPUT_BYTES_MAX = 16_777_216
/** Longest data that a device is given: what comes of it must have room. */
export const PART_BYTES_MAX = OUTPUT_BYTES_MAX - GROWTH_BYTES

/** By their number in messages. */
export const VERBS = ['encrypt', 'decrypt', 'sign'] as const
export type Verb = (typeof VERBS)[number]

/** The functions of a verb. */
export const FUNCTIONS_OF = {
  encrypt: ['C_EncryptInit', 'C_Encrypt'],
  decrypt: ['C_DecryptInit', 'C_Decrypt'],
  sign: ['C_SignInit', 'C_Sign'],
} as const

/** How a parameter travels. */
export const FORMS = {
  /** There is none. */
  none: 0,
  /** `bytes`, as they are. */
  bytes: 1,
  /** CK_GCM_PARAMS: `bytes iv, bytes aad, u32 bits of the tag`. */
  gcm: 2,
  /** CK_RSA_PKCS_PSS_PARAMS: `u64 hash, u64 mask, u64 bytes of the salt`. */
  pss: 3,
} as const

export interface QuickJob {
  readonly verb: Verb
  readonly hKey: number
  readonly mechanism: Mechanism
  readonly data: Uint8Array
}

/** What came of a job: its return value, and its output where that is CKR_OK. */
export interface QuickAnswer {
  readonly rv: number
  /** How long the module took. */
  readonly micros: number
  readonly output: Buffer
}

/** Whether an operation can travel so. */
export function isQuick({ type, parameter }: Mechanism, data: Uint8Array): boolean {
  if (data.length > QUICK_BYTES_MAX) return false
  if (parameter === undefined || parameter instanceof Uint8Array) return true
  if (type === CKM.RSA_PKCS_PSS) return true
  return type === CKM.AES_GCM && ((parameter['pAAD'] as Uint8Array)?.length ?? 0) <= QUICK_BYTES_MAX
}

export function writeQuick(w: Writer, hSession: number, jobs: readonly QuickJob[]): void {
  w.u32(QUICK)
  w.u64(hSession)
  w.u32(jobs.length)
  for (const { verb, hKey, mechanism, data } of jobs) {
    w.u8(VERBS.indexOf(verb))
    w.u64(hKey)
    w.u64(mechanism.type)
    writeParameter(w, mechanism)
    w.u32(verb === 'sign' ? GROWTH_BYTES : data.length + GROWTH_BYTES)
    w.byteArray(data)
  }
}

function writeParameter(w: Writer, { type, parameter }: Mechanism): void {
  if (parameter === undefined) {
    w.u8(FORMS.none)
  } else if (parameter instanceof Uint8Array) {
    w.u8(FORMS.bytes)
    w.byteArray(parameter)
  } else if (type === CKM.AES_GCM) writeGcm(w, parameter)
  else writePss(w, parameter)
}

function writeGcm(w: Writer, { pIv, pAAD, ulTagBits }: Fields): void {
  w.u8(FORMS.gcm)
  w.byteArray(pIv as Uint8Array)
  w.byteArray((pAAD as Uint8Array | undefined) ?? NOTHING)
  w.u32(ulTagBits as number)
}

function writePss(w: Writer, { hashAlg, mgf, sLen }: Fields): void {
  w.u8(FORMS.pss)
  w.u64(hashAlg as number)
  w.u64(mgf as number)
  w.u64(sLen as number)
}

const NOTHING = new Uint8Array(0)

/** @throws RpcError where it is no answer to so many jobs. */
export function readQuickAnswers(r: Reader, wanted: number): readonly QuickAnswer[] {
  const id = r.u32()
  const count = r.u32()
  if (id !== QUICK || count !== wanted) {
    throw malformed(`an answer to ${count} operations in form ${id}, not to ${wanted}`)
  }
  const answers: QuickAnswer[] = []
  for (let index = 0; index < count; index++) {
    const rv = r.u32()
    const micros = r.u32()
    answers.push({ rv, micros, output: r.raw(r.u32()) })
  }
  r.finish()
  return answers
}
