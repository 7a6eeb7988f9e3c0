/**
 * What is in a device already: its token objects as keys and certificates of the core.
 *
 * PKCS#11 3.2 §4. The device is gone through once, page by page; nothing of it is changed. What is
 * of no algorithm that has a row here, or is told apart from another object by nothing, is counted
 * and left.
 *
 * @module
 */
import type { KeyObject } from 'node:crypto'
import { defaultFormat, writeKey } from '#core/key-formats.ts'
import type { Foundling, MaterialKind } from '#core/keystore.ts'
import {
  CURVES,
  type EcCurve,
  isPair,
  type KeyAlgorithm,
  type KeySpec,
  PAIRS,
  type PairRow,
  SECRET_KEYS,
} from '#spec/algorithms.ts'
import { KeyFormatType, CryptographicUsageMask as Mask } from '#spec/kmip/enumerations.ts'
import { CKA, CKK, CKO } from '#spec/pkcs11/constants.ts'
import type { Attribute } from '#spec/pkcs11/types.ts'
import type { DeviceSession } from './device.ts'
import { foundReference, readReference } from './references.ts'
import { isTrue, PUBLIC_PARTS, publicKeyOf } from './templates.ts'

/** Attributes of an object, by type; what the device does not give is not there. */
export type Values = ReadonlyMap<number, Uint8Array>

const KINDS: ReadonlyMap<number, MaterialKind> = new Map([
  [CKO.SECRET_KEY, 'secret'],
  [CKO.PRIVATE_KEY, 'private'],
  [CKO.PUBLIC_KEY, 'public'],
  [CKO.CERTIFICATE, 'data'],
])

/** Asked for of every object. */
const ASKED = [
  CKA.CLASS,
  CKA.KEY_TYPE,
  CKA.CERTIFICATE_TYPE,
  CKA.ID,
  CKA.LABEL,
  CKA.SENSITIVE,
  CKA.ALWAYS_SENSITIVE,
  CKA.EXTRACTABLE,
  CKA.NEVER_EXTRACTABLE,
  CKA.ENCRYPT,
  CKA.DECRYPT,
  CKA.SIGN,
  CKA.VERIFY,
  CKA.WRAP,
  CKA.UNWRAP,
  CKA.DERIVE,
  CKA.VALUE_LEN,
  CKA.MODULUS,
  CKA.PUBLIC_EXPONENT,
  CKA.PRIME,
  CKA.EC_PARAMS,
  CKA.EC_POINT,
] as const

interface Seen {
  readonly values: Values
  readonly objectClass: number
  readonly kind: MaterialKind
  readonly id: Uint8Array
  readonly label: Uint8Array
}

/**
 * All token objects that can be adopted.
 *
 * @param called Only those with this CKA_LABEL or CKA_ID, and what has the same CKA_ID as they.
 */
export async function inventory(
  session: DeviceSession,
  called?: string,
): Promise<readonly Foundling[]> {
  const seen: Seen[] = []
  const handles = called === undefined ? await all(session, []) : await namesakes(session, called)
  for (const hObject of handles) {
    const one = await see(session, hObject)
    if (one !== undefined) seen.push(one)
  }
  const halves = publicHalves(seen)
  const names = countsOf(seen)
  return seen.flatMap((one) => foundling(one, halves, names) ?? [])
}

async function all(
  session: DeviceSession,
  wanted: readonly Attribute[],
): Promise<readonly number[]> {
  return session.findAll([{ type: CKA.TOKEN, value: isTrue }, ...wanted])
}

async function namesakes(session: DeviceSession, called: string): Promise<readonly number[]> {
  const value = Buffer.from(called)
  const byLabel = await all(session, [{ type: CKA.LABEL, value }])
  const byId = await all(session, [{ type: CKA.ID, value }])
  const handles = new Set([...byLabel, ...byId])
  for (const hObject of byLabel) {
    const id = (await valuesOf(session, hObject, [CKA.ID])).get(CKA.ID)
    if (id === undefined || id.length === 0) continue
    for (const one of await all(session, [{ type: CKA.ID, value: id }])) handles.add(one)
  }
  return [...handles]
}

async function see(session: DeviceSession, hObject: number): Promise<Seen | undefined> {
  const values = await valuesOf(session, hObject, ASKED)
  const objectClass = ulongOf(values.get(CKA.CLASS))
  const kind = objectClass === undefined ? undefined : KINDS.get(objectClass)
  if (objectClass === undefined || kind === undefined) return undefined
  const bytes = (type: number): Uint8Array => values.get(type) ?? new Uint8Array(0)
  const base = { objectClass, kind, id: bytes(CKA.ID), label: bytes(CKA.LABEL) }
  if (kind !== 'data') return { ...base, values }
  const value = await valuesOf(session, hObject, [CKA.VALUE])
  return { ...base, values: new Map([...values, ...value]) }
}

/** Attributes that the device gives; it need not have all. */
export async function valuesOf(
  session: DeviceSession,
  hObject: number,
  types: readonly number[],
): Promise<Values> {
  const ask = types.map((type) => ({ type, capacity: undefined }))
  const sizes = await session.call('C_GetAttributeValue', { hObject, pTemplate: ask })
  const pTemplate = sizes.pTemplate.flatMap(({ type, length }) => {
    return length === undefined ? [] : [{ type, capacity: length }]
  })
  const read = await session.call('C_GetAttributeValue', { hObject, pTemplate })
  return new Map(
    read.pTemplate.flatMap(({ type, value }) => {
      return value instanceof Uint8Array ? [[type, value] as const] : []
    }),
  )
}

/** How many objects share class and CKA_ID, and with the label as well. */
function countsOf(seen: readonly Seen[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const one of seen) {
    for (const name of [nameOf(one), fullNameOf(one)]) counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return counts
}

function nameOf({ objectClass, id }: Seen): string {
  return `${objectClass} ${hex(id)}`
}

function fullNameOf(one: Seen): string {
  return `${nameOf(one)} ${hex(one.label)} full`
}

/** Public keys by CKA_ID, for the private keys of the same. */
function publicHalves(seen: readonly Seen[]): ReadonlyMap<string, KeyObject> {
  return new Map(
    seen.flatMap((one) => {
      const key = one.kind === 'public' ? publicKey(one) : undefined
      return key === undefined || one.id.length === 0 ? [] : [[hex(one.id), key] as const]
    }),
  )
}

function publicKey(one: Seen): KeyObject | undefined {
  const spec = specOf(one)
  if (spec === undefined) return undefined
  const types: readonly number[] = PUBLIC_PARTS[spec.algorithm === 'RSA' ? 'RSA' : 'EC']
  const parts = types.map((type) => one.values.get(type))
  if (parts.some((part) => part === undefined)) return undefined
  try {
    return publicKeyOf(spec, parts as Uint8Array[])
  } catch {
    return undefined
  }
}

function foundling(
  one: Seen,
  halves: ReadonlyMap<string, KeyObject>,
  counts: ReadonlyMap<string, number>,
): Foundling | undefined {
  const spec = one.kind === 'data' ? undefined : specOf(one)
  if (spec === undefined && one.kind !== 'data') return undefined
  // By its class alone, any other key would be found for it.
  if (one.id.length === 0 && one.label.length === 0) return undefined
  const isAlone = one.id.length > 0 && counts.get(nameOf(one)) === 1
  // Nothing tells it from another object: it could not be found again.
  if (!isAlone && counts.get(fullNameOf(one)) !== 1) return undefined
  const head = foundReference(one.objectClass, one.id, isAlone ? new Uint8Array(0) : one.label)
  const half = one.kind === 'private' ? (halves.get(hex(one.id)) ?? publicKey(one)) : undefined
  const der = half?.export({ format: 'der', type: 'spki' }) ?? new Uint8Array(0)
  const flag = (type: number): boolean => one.values.get(type)?.[0] === 1
  const bytes = bytesOf(one, spec)
  if (bytes === undefined && (one.kind === 'public' || one.kind === 'data')) return undefined
  return {
    place: head,
    handle: Buffer.concat([head, der]),
    kind: one.kind,
    spec,
    format: spec === undefined ? KeyFormatType.X_509 : defaultFormat(one.kind, spec),
    label: Buffer.from(one.label).toString('utf8'),
    pairId: one.id.length === 0 ? undefined : hex(one.id),
    usage: usageOf(one),
    sensitive: flag(CKA.SENSITIVE),
    alwaysSensitive: flag(CKA.ALWAYS_SENSITIVE),
    extractable: one.kind === 'public' || one.kind === 'data' || flag(CKA.EXTRACTABLE),
    neverExtractable: flag(CKA.NEVER_EXTRACTABLE),
    bytes,
    isAt: (handle) => isSame(handle, one),
  }
}

/** Public keys and certificates: what they are. */
function bytesOf(one: Seen, spec: KeySpec | undefined): Uint8Array | undefined {
  if (one.kind === 'data') return one.values.get(CKA.VALUE)
  const key = one.kind === 'public' ? publicKey(one) : undefined
  return key && spec && writeKey('public', defaultFormat('public', spec), key)
}

function isSame(handle: Uint8Array, { objectClass, id }: Seen): boolean {
  const known = readReference(handle)
  return known?.objectClass === objectClass && hex(known.id) === hex(id)
}

/** Cryptographic Usage Mask by flag; SIGN and VERIFY of secret keys are those of a MAC. */
function usageOf({ values, kind }: Seen): number {
  const isSecret = kind === 'secret'
  const masks = [
    [CKA.ENCRYPT, Mask.Encrypt],
    [CKA.DECRYPT, Mask.Decrypt],
    [CKA.SIGN, isSecret ? Mask.MACGenerate : Mask.Sign],
    [CKA.VERIFY, isSecret ? Mask.MACVerify : Mask.Verify],
    [CKA.WRAP, Mask.WrapKey],
    [CKA.UNWRAP, Mask.UnwrapKey],
    [CKA.DERIVE, isSecret ? Mask.DeriveKey : Mask.DeriveKey | Mask.KeyAgreement],
  ] as const
  return masks.reduce((sum, [type, mask]) => (values.get(type)?.[0] === 1 ? sum | mask : sum), 0)
}

/** What a key is; undefined where no row of `spec/algorithms` is like it. */
export function specOf({ values, kind }: Pick<Seen, 'values' | 'kind'>): KeySpec | undefined {
  const type = ulongOf(values.get(CKA.KEY_TYPE))
  if (type === undefined) return undefined
  return kind === 'secret' ? secretSpec(type, values) : pairSpec(type, values)
}

const DES_BITS: ReadonlyMap<number, number> = new Map([
  [CKK.DES2, 112],
  [CKK.DES3, 168],
])

function secretSpec(type: number, values: Values): KeySpec | undefined {
  const desBits = DES_BITS.get(type)
  if (desBits !== undefined) return { algorithm: 'DES3', bits: desBits }
  const bits = (ulongOf(values.get(CKA.VALUE_LEN)) ?? 0) * 8
  if (bits === 0) return undefined
  // Generic secrets have no algorithm of KMIP; what they are good for is HMAC.
  if (type === CKK.GENERIC_SECRET) return { algorithm: 'HMAC_SHA256', bits }
  const row = Object.entries(SECRET_KEYS).find(([, { ckk }]) => ckk === type)
  return row && { algorithm: row[0] as KeyAlgorithm, bits }
}

function pairSpec(type: number, values: Values): KeySpec | undefined {
  const number = values.get(type === CKK.RSA ? CKA.MODULUS : CKA.PRIME)
  if (type === CKK.RSA || type === CKK.DSA) {
    return number && { algorithm: type === CKK.RSA ? 'RSA' : 'DSA', bits: bitsOf(number) }
  }
  const params = hex(values.get(CKA.EC_PARAMS) ?? new Uint8Array(0))
  if (type === CKK.EC) {
    const curve = Object.entries(CURVES).find(([, { oid }]) => oid === params)
    return curve && { algorithm: 'EC', bits: curve[1].bits, curve: curve[0] as EcCurve }
  }
  const row = Object.entries<PairRow>(PAIRS).find(([, { ckk, oid }]) => {
    return ckk === type && oid === params
  })
  const algorithm = row?.[0] as KeyAlgorithm | undefined
  if (row === undefined || algorithm === undefined || !isPair(algorithm)) return undefined
  return { algorithm, bits: row[1].bits[0] as number }
}

function bitsOf(number: Uint8Array): number {
  const start = number.findIndex((byte) => byte !== 0)
  if (start < 0) return 0
  return (number.length - start) * 8 - (Math.clz32(number[start] as number) - 24)
}

/** A CK_ULONG as the protocol has it. */
function ulongOf(bytes: Uint8Array | undefined): number | undefined {
  if (bytes === undefined || bytes.length !== 8) return undefined
  return Number(Buffer.from(bytes).readBigUInt64LE())
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
