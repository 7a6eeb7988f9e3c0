/**
 * Mechanisms of `C_DeriveKey`: what each asks a keystore for.
 *
 * PKCS#11 3.2 §5.18.5, and in §6 the sections on ECDH, on derivation by encryption and by digest,
 * on HKDF, SP 800-108 and TLS 1.2, and on the simple mechanisms that join, cut and combine values.
 * One row for each: the keys that it takes, and how its parameter is read. A plan says how many
 * bytes there are, and where a shorter key is cut from.
 *
 * The curves have a cofactor of 1, or their function takes care of it: `ECDH1_COFACTOR_DERIVE` is
 * `ECDH1_DERIVE`. The key block of TLS, which is several keys, is in `functions/key-block.ts`. TLS
 * 1.0 and 1.1 and X9.42 are not offered.
 *
 * @module
 */
import type {
  DerivationMechanism,
  Expansion,
  Ingredient,
  KeyInUse,
  RoundInput,
} from '#core/keystore.ts'
import type { ManagedObject } from '#core/objects.ts'
import {
  type Cipher,
  curveRow,
  HASHES,
  type Hash,
  hashOfCkm,
  hashRow,
  type KeyAlgorithm,
  type KeySpec,
  MACS,
  type Mac,
  type MacRow,
  macRow,
} from '#spec/algorithms.ts'
import { CK, CKD, CKF, CKM, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { ulongOf } from '#spec/pkcs11/memory.ts'
import type { StructureType } from '#spec/pkcs11/structures.ts'
import type { Attribute, Mechanism, StructureFields, Version } from '#spec/pkcs11/types.ts'
import type { Offered } from './mechanisms.ts'
import { parameterInvalid } from './parameters.ts'

/** A further key that a parameter asks for. */
export interface FurtherKey {
  readonly template: readonly Attribute[]
  readonly bytes: number
}

/** What is asked of a keystore, and what becomes of the answer. */
export interface Plan {
  readonly mechanism: DerivationMechanism
  /** How many bytes there are at most; absent: as many as are asked for. */
  readonly mostBytes?: number
  /** How long the key is where the template does not say it; absent: it must. */
  readonly usualBytes?: number
  /** The key must be of this length. */
  readonly exactBytes?: number
  /** A shorter key is what is left when the leading bytes are removed. */
  readonly keepsTail?: true
  /** Other keys that went into it. */
  readonly others?: readonly ManagedObject[]
  /** Could be turned back into the keys that it was made of: they say what it may be. */
  readonly isReversible?: true
  /** What is made is data, not a key. */
  readonly isData?: true
  /** Further keys; each begins with a block of its own. */
  readonly further?: readonly FurtherKey[]
  readonly blockBytes?: number
  /** Read from the base: goes back in the parameter. */
  readonly tellsVersion?: true
}

/** What a row has at hand. */
export interface Asked {
  readonly offered: Offered
  readonly mechanism: Mechanism
  readonly base: ManagedObject
  readonly spec: KeySpec | undefined
  /** Bytes of the base, of a secret key. */
  readonly baseBytes: number
  /** Bytes of the key that the template asks for; undefined where it does not say. */
  readonly wantedBytes: number | undefined
  /** Another key that the parameter names. @throws `CryptokiError` where it may not be used so. */
  readonly other: (handle: number) => Promise<OtherKey>
  /** How long a further key is. */
  readonly bytesOf: (template: readonly Attribute[]) => number
}

export interface OtherKey {
  readonly object: ManagedObject
  readonly key: KeyInUse
  readonly bytes: number
}

export interface Derivation {
  readonly ckm: number
  /** Of the base; none: any secret key. */
  readonly algorithms: readonly KeyAlgorithm[]
  /** Lengths of the base in bits, where not all of the algorithm's. */
  readonly keyBits?: readonly number[]
  readonly plan: (asked: Asked) => Plan | Promise<Plan>
}

const AES_BITS = [128, 192, 256] as const
const AGREEING = ['EC', 'X25519', 'X448'] as const satisfies readonly KeyAlgorithm[]

/** The fields of the structure that the mechanism has. */
function structureOf<S extends StructureType>(
  { offered, mechanism: { parameter } }: Asked,
  name: S,
): StructureFields<S> {
  if (parameter !== undefined && !(parameter instanceof Uint8Array)) {
    return parameter as unknown as StructureFields<S>
  }
  throw parameterInvalid(offered, `${name} is needed`)
}

function assertNone({ offered, mechanism: { parameter } }: Asked): void {
  if (parameter === undefined || (parameter instanceof Uint8Array && parameter.length === 0)) return
  throw parameterInvalid(offered, 'it has none')
}

function ulongGiven({ offered, mechanism: { parameter } }: Asked): number {
  const value =
    parameter instanceof Uint8Array && parameter.length === 8 ? ulongOf(parameter) : undefined
  if (value !== undefined && value >= 0) return value
  throw parameterInvalid(offered, 'a CK_ULONG is needed')
}

const NOTHING = new Uint8Array(0)

function hashGiven({ offered }: Asked, ckm: number): Hash {
  const hash = hashOfCkm(ckm)
  if (hash !== undefined) return hash
  throw parameterInvalid(offered, `0x${ckm.toString(16)} is no hash that is offered`)
}

// ECDH

const EXPANSIONS = expansions()

/** Names of CKD_ are those of the hashes, but for one underscore. */
function expansions(): ReadonlyMap<number, Omit<Expansion, 'info'>> {
  const found = new Map<number, Omit<Expansion, 'info'>>()
  const numbers = CKD as Readonly<Record<string, number>>
  for (const name of Object.keys(HASHES)) {
    const hash = name as Hash
    const stem = name.replace(/^SHA_/, 'SHA')
    const [x963, nist] = [numbers[`${stem}_KDF`], numbers[`${stem}_KDF_SP800`]]
    if (x963 !== undefined) found.set(x963, { form: 'X9_63', hash })
    if (nist !== undefined) found.set(nist, { form: 'SP800_56C', hash })
  }
  return found
}

/** Length of a shared secret. */
export function agreedBytes({ algorithm, bits, curve }: KeySpec): number {
  if (curve !== undefined) return Math.ceil(curveRow(curve).bits / 8)
  return algorithm === 'X448' ? 56 : Math.ceil(bits / 8)
}

/** The function behind ECDH; undefined: none. @throws `CryptokiError` for one not offered. */
export function expansionOf(
  offered: Offered,
  kdf: number,
  info: Uint8Array | undefined,
): Expansion | undefined {
  if (kdf === CKD.NULL) {
    if (info === undefined || info.length === 0) return undefined
    throw parameterInvalid(offered, 'shared data with CKD_NULL')
  }
  const expansion = EXPANSIONS.get(kdf)
  if (expansion !== undefined) return { ...expansion, info: info ?? NOTHING }
  throw parameterInvalid(offered, `kdf 0x${kdf.toString(16)} is not offered`)
}

/** PKCS#11 3.2 §6.3.17: the point bare, or as the OCTET STRING of CKA_EC_POINT. */
export function peerOf(offered: Offered, spec: KeySpec, given: Uint8Array | undefined): Uint8Array {
  const bytes = agreedBytes(spec)
  const lengths = spec.curve === undefined ? [bytes] : [2 * bytes + 1, bytes + 1]
  if (given !== undefined) {
    if (lengths.includes(given.length)) return given
    const head = (given[1] ?? 0) < 0x80 ? 2 : 3
    const inner = given.subarray(head)
    const said = given[head - 1]
    if (given[0] === 0x04 && said === inner.length && lengths.includes(inner.length)) return inner
  }
  const what = `a public key of ${lengths.join(' or ')} bytes, not ${given?.length ?? 0}`
  throw parameterInvalid(offered, what)
}

function ecdh(asked: Asked): Plan {
  const { offered, spec } = asked
  const fields = structureOf(asked, 'CK_ECDH1_DERIVE_PARAMS')
  const expand = expansionOf(offered, fields.kdf, fields.pSharedData)
  const peer = peerOf(offered, spec as KeySpec, fields.pPublicData)
  const mechanism = { kdf: 'DH', peer, expand } as const
  if (expand !== undefined) return { mechanism }
  const bytes = agreedBytes(spec as KeySpec)
  return { mechanism, mostBytes: bytes, usualBytes: bytes, keepsTail: true }
}

// HKDF

async function hkdf(asked: Asked): Promise<Plan> {
  const { offered } = asked
  const fields = structureOf(asked, 'CK_HKDF_PARAMS')
  const { bExtract, bExpand, prfHashMechanism, pInfo } = fields
  const hash = hashGiven(asked, prfHashMechanism)
  const info = pInfo ?? NOTHING
  const { bytes } = hashRow(hash)
  if (!bExtract && !bExpand) throw parameterInvalid(offered, 'neither bExtract nor bExpand')
  if (!bExpand && info.length > 0) throw parameterInvalid(offered, 'pInfo without bExpand')
  const mostBytes = 255 * bytes
  if (!bExtract) return { mechanism: { kdf: 'HKDF_EXPAND', hash, info }, mostBytes }
  const { salt, others } = await saltOf(asked, fields, bytes)
  if (bExpand) return { mechanism: { kdf: 'HKDF', hash, salt, info }, mostBytes, others }
  const mechanism = { kdf: 'HKDF_EXTRACT', hash, salt } as const
  return { mechanism, mostBytes: bytes, usualBytes: bytes, others }
}

async function saltOf(
  asked: Asked,
  { ulSaltType, pSalt, hSaltKey }: StructureFields<'CK_HKDF_PARAMS'>,
  hashBytes: number,
): Promise<{ readonly salt: Ingredient; readonly others: readonly ManagedObject[] }> {
  switch (ulSaltType) {
    case CKF.HKDF_SALT_NULL:
      return { salt: new Uint8Array(hashBytes), others: [] }
    case CKF.HKDF_SALT_DATA:
      return { salt: pSalt ?? NOTHING, others: [] }
    case CKF.HKDF_SALT_KEY: {
      const { key, object } = await asked.other(hSaltKey)
      return { salt: key, others: [object] }
    }
    default:
      throw parameterInvalid(asked.offered, `ulSaltType ${ulSaltType}`)
  }
}

// SP 800-108

const PRFS: ReadonlyMap<number, Mac> = new Map(
  Object.entries<MacRow>(MACS).flatMap(([name, { ckm, hash, node }]) => {
    const isPrf = hash !== undefined || node === 'cmac'
    return isPrf && ckm !== undefined ? [[ckm, name as Mac] as const] : []
  }),
)

type Mode = Extract<DerivationMechanism, { kdf: 'SP800_108' }>['mode']

async function keyBased(asked: Asked, mode: Mode): Promise<Plan> {
  const { offered, spec, wantedBytes } = asked
  const fields = structureOf(asked, 'CK_SP800_108_FEEDBACK_KDF_PARAMS')
  const { prfType, pDataParams = [], pAdditionalDerivedKeys = [] } = fields
  const prf = PRFS.get(prfType)
  if (prf === undefined) throw parameterInvalid(offered, `prfType 0x${prfType.toString(16)}`)
  const { bytes: blockBytes, cipher } = macRow(prf)
  const needed = cipher === undefined ? undefined : cipher.startsWith('aes') ? 'AES' : 'DES3'
  if (needed !== undefined && spec?.algorithm !== needed) {
    const what = `${prf} takes ${needed} keys, not ${spec?.algorithm ?? 'this one'}`
    throw new CryptokiError(CKR.KEY_TYPE_INCONSISTENT, what)
  }
  const further = pAdditionalDerivedKeys.map(({ pTemplate }) => {
    return { template: pTemplate, bytes: asked.bytesOf(pTemplate) }
  })
  const keys = [wantedBytes ?? 0, ...further.map(({ bytes }) => bytes)]
  const sums: Sums = {
    keys: keys.reduce((sum, bytes) => sum + bytes, 0),
    segments: keys.reduce((sum, bytes) => sum + Math.ceil(bytes / blockBytes) * blockBytes, 0),
  }
  const input: RoundInput[] = []
  const others: ManagedObject[] = []
  for (const param of pDataParams) input.push(await roundInput(asked, mode, param, sums, others))
  const variable = mode === 'COUNTER' ? input.some(isCounter) : input.includes('chain')
  if (!variable) throw parameterInvalid(offered, 'CK_SP800_108_ITERATION_VARIABLE is missing')
  const iv = mode === 'FEEDBACK' ? (fields.pIV ?? NOTHING) : undefined
  const mechanism = { kdf: 'SP800_108', mode, prf, input, iv } as const
  return { mechanism, further, blockBytes, others }
}

/** Lengths in bytes: of the keys as they are, and each in whole blocks. */
interface Sums {
  readonly keys: number
  readonly segments: number
}

function isCounter(part: RoundInput): boolean {
  return typeof part === 'object' && 'counterBits' in part
}

async function roundInput(
  asked: Asked,
  mode: Mode,
  { type, pValue }: StructureFields<'CK_PRF_DATA_PARAM'>,
  sums: Sums,
  others: ManagedObject[],
): Promise<RoundInput> {
  const { offered } = asked
  switch (type) {
    case CK.SP800_108_ITERATION_VARIABLE:
      if (mode === 'COUNTER') return counterOf(offered, pValue)
      if (pValue === undefined || pValue.length === 0) return 'chain'
      throw parameterInvalid(offered, 'the iteration variable has a value, and shall have none')
    case CK.SP800_108_COUNTER:
      if (mode !== 'COUNTER') return counterOf(offered, pValue)
      throw parameterInvalid(offered, 'the iteration variable is the counter already')
    case CK.SP800_108_DKM_LENGTH:
      return lengthOf(offered, pValue, sums)
    case CK.SP800_108_BYTE_ARRAY:
      return pValue ?? NOTHING
    case CK.SP800_108_KEY_HANDLE: {
      const handle = pValue?.length === 8 ? ulongOf(pValue) : undefined
      if (handle === undefined) throw parameterInvalid(offered, 'a handle of 8 bytes is needed')
      const { key, object } = await asked.other(handle)
      others.push(object)
      return key
    }
    default:
      throw parameterInvalid(offered, `data of type ${type}`)
  }
}

/** CK_SP800_108_COUNTER_FORMAT as it lies in memory. */
function counterOf(offered: Offered, value: Uint8Array | undefined): RoundInput {
  const counterBits = value?.length === 16 ? ulongOf(value, 8) : undefined
  if (counterBits !== undefined && [8, 16, 24, 32].includes(counterBits)) {
    return { counterBits, littleEndian: value?.[0] !== 0 }
  }
  throw parameterInvalid(offered, `a counter of 8, 16, 24 or 32 bits, not ${counterBits}`)
}

/** CK_SP800_108_DKM_LENGTH_FORMAT as it lies in memory: method, order of bytes, bits. */
function lengthOf(offered: Offered, value: Uint8Array | undefined, sums: Sums): Uint8Array {
  if (value?.length !== 24) throw parameterInvalid(offered, 'CK_SP800_108_DKM_LENGTH_FORMAT')
  const [method, bits] = [ulongOf(value), ulongOf(value, 16) as number]
  if (![8, 16, 24, 32, 40, 48, 56, 64].includes(bits)) {
    throw parameterInvalid(offered, `a length of 8 to 64 bits, not ${bits}`)
  }
  if (
    method !== CK.SP800_108_DKM_LENGTH_SUM_OF_KEYS &&
    method !== CK.SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS
  ) {
    throw parameterInvalid(offered, `dkmLengthMethod ${method}`)
  }
  const isKeys = method === CK.SP800_108_DKM_LENGTH_SUM_OF_KEYS
  const length = BigInt((isKeys ? sums.keys : sums.segments) * 8)
  if (length >= 1n << BigInt(bits)) throw parameterInvalid(offered, `${length} in ${bits} bits`)
  const bytes = Buffer.from(length.toString(16).padStart(bits / 4, '0'), 'hex')
  return value[8] === 0 ? bytes : bytes.reverse()
}

// TLS 1.2

const MASTER_BYTES = 48

function randoms(
  { offered }: Asked,
  { pClientRandom, pServerRandom }: StructureFields<'CK_SSL3_RANDOM_DATA'>,
): Uint8Array {
  if (pClientRandom !== undefined && pServerRandom !== undefined) {
    return Buffer.concat([pClientRandom, pServerRandom])
  }
  throw parameterInvalid(offered, 'a random value is missing')
}

function master(asked: Asked, seed: Uint8Array, prf: number, version: Version | undefined): Plan {
  const { offered, baseBytes } = asked
  const isDh = offered.name.endsWith('_DH')
  if (isDh && version !== undefined) throw parameterInvalid(offered, 'pVersion shall be NULL')
  if (!isDh && baseBytes !== MASTER_BYTES) {
    const what = `a premaster secret of RSA has ${MASTER_BYTES} bytes, not ${baseBytes}`
    throw new CryptokiError(CKR.KEY_SIZE_RANGE, what)
  }
  const mechanism = { kdf: 'TLS12_PRF', hash: hashGiven(asked, prf), seed } as const
  const tells = version === undefined ? {} : ({ tellsVersion: true } as const)
  return { mechanism, usualBytes: MASTER_BYTES, exactBytes: MASTER_BYTES, ...tells }
}

function masterKey(asked: Asked): Plan {
  const fields = structureOf(asked, 'CK_TLS12_MASTER_KEY_DERIVE_PARAMS')
  const { RandomInfo, pVersion, prfHashMechanism } = fields
  const seed = Buffer.concat([Buffer.from('master secret'), randoms(asked, RandomInfo)])
  return master(asked, seed, prfHashMechanism, pVersion)
}

/** RFC 7627 §4. */
function extendedMasterKey(asked: Asked): Plan {
  const fields = structureOf(asked, 'CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS')
  const { pSessionHash, pVersion, prfHashMechanism } = fields
  if (pSessionHash === undefined) throw parameterInvalid(asked.offered, 'pSessionHash is missing')
  const seed = Buffer.concat([Buffer.from('extended master secret'), pSessionHash])
  return master(asked, seed, prfHashMechanism, pVersion)
}

/** RFC 5705 §4: with a context, its length in two bytes comes before it. */
function exporter(asked: Asked): Plan {
  const fields = structureOf(asked, 'CK_TLS_KDF_PARAMS')
  const { prfMechanism, pLabel, RandomInfo, pContextData: context } = fields
  const seed = [pLabel ?? NOTHING, randoms(asked, RandomInfo)]
  if (context !== undefined) {
    if (context.length > 0xffff) throw parameterInvalid(asked.offered, 'a context beyond 2^16')
    seed.push(Buffer.of(context.length >> 8, context.length & 0xff), context)
  }
  const hash = hashGiven(asked, prfMechanism)
  return { mechanism: { kdf: 'TLS12_PRF', hash, seed: Buffer.concat(seed) } }
}

// What is joined, cut, combined, encrypted and digested

async function concatenateKey(asked: Asked): Promise<Plan> {
  const { key, object, bytes } = await asked.other(ulongGiven(asked))
  const mechanism = { kdf: 'CONCATENATE', parts: ['base', key] } as const
  const all = asked.baseBytes + bytes
  return { mechanism, mostBytes: all, usualBytes: all, others: [object], isReversible: true }
}

function dataGiven(asked: Asked): Uint8Array {
  const { pData } = structureOf(asked, 'CK_KEY_DERIVATION_STRING_DATA')
  if (pData !== undefined && pData.length > 0) return pData
  throw parameterInvalid(asked.offered, 'there is no data')
}

function concatenate(asked: Asked, dataFirst: boolean): Plan {
  const data = dataGiven(asked)
  const parts = dataFirst ? ([data, 'base'] as const) : (['base', data] as const)
  const all = asked.baseBytes + data.length
  const mechanism = { kdf: 'CONCATENATE', parts } as const
  return { mechanism, mostBytes: all, usualBytes: all, isReversible: true }
}

function combine(asked: Asked): Plan {
  const data = dataGiven(asked)
  const all = Math.min(data.length, asked.baseBytes)
  const mechanism = { kdf: 'XOR', data } as const
  return { mechanism, mostBytes: all, usualBytes: all, isReversible: true }
}

function extract(asked: Asked): Plan {
  const bit = ulongGiven(asked)
  const { baseBytes, offered } = asked
  if (bit >= baseBytes * 8) throw parameterInvalid(offered, `bit ${bit} of ${baseBytes * 8}`)
  return { mechanism: { kdf: 'EXTRACT', bit }, mostBytes: baseBytes, isReversible: true }
}

function byEncryption(
  asked: Asked,
  cipher: Cipher,
  blockBytes: number,
  data: Uint8Array | undefined,
  iv?: Uint8Array,
): Plan {
  if (data === undefined || data.length === 0 || data.length % blockBytes !== 0) {
    const what = `data in blocks of ${blockBytes} bytes, not ${data?.length ?? 0} bytes`
    throw parameterInvalid(asked.offered, what)
  }
  const mechanism = { kdf: 'ENCRYPT', mechanism: { cipher, iv }, data } as const
  return { mechanism, mostBytes: data.length, usualBytes: data.length }
}

function byDigest(asked: Asked, hash: Hash): Plan {
  assertNone(asked)
  const { bytes } = hashRow(hash)
  const mechanism = { kdf: 'HASH', hash, data: NOTHING } as const
  return { mechanism, mostBytes: bytes, usualBytes: bytes }
}

/** `CKM_SHA256_KEY_DERIVATION` and such. */
function digests(): readonly Derivation[] {
  const numbers = CKM as Readonly<Record<string, number>>
  return Object.keys(HASHES).flatMap((name) => {
    const ckm = numbers[`${name.replace(/^SHA_/, 'SHA')}_KEY_DERIVATION`]
    const plan = (asked: Asked): Plan => byDigest(asked, name as Hash)
    return ckm === undefined ? [] : [{ ckm, algorithms: [], plan }]
  })
}

// biome-ignore format: a table
export const DERIVATIONS: readonly Derivation[] = [
  { ckm: CKM.ECDH1_DERIVE,          algorithms: AGREEING, plan: ecdh },
  { ckm: CKM.ECDH1_COFACTOR_DERIVE, algorithms: AGREEING, plan: ecdh },
  { ckm: CKM.HKDF_DERIVE,           algorithms: [], plan: hkdf },
  { ckm: CKM.HKDF_DATA,             algorithms: [], plan: async (asked) => ({ ...await hkdf(asked), isData: true }) },
  { ckm: CKM.SP800_108_COUNTER_KDF,         algorithms: [], plan: (asked) => keyBased(asked, 'COUNTER') },
  { ckm: CKM.SP800_108_FEEDBACK_KDF,        algorithms: [], plan: (asked) => keyBased(asked, 'FEEDBACK') },
  { ckm: CKM.SP800_108_DOUBLE_PIPELINE_KDF, algorithms: [], plan: (asked) => keyBased(asked, 'DOUBLE_PIPELINE') },
  { ckm: CKM.TLS12_MASTER_KEY_DERIVE,             algorithms: [], plan: masterKey },
  { ckm: CKM.TLS12_MASTER_KEY_DERIVE_DH,          algorithms: [], plan: masterKey },
  { ckm: CKM.TLS12_EXTENDED_MASTER_KEY_DERIVE,    algorithms: [], plan: extendedMasterKey },
  { ckm: CKM.TLS12_EXTENDED_MASTER_KEY_DERIVE_DH, algorithms: [], plan: extendedMasterKey },
  { ckm: CKM.TLS_KDF,                   algorithms: [], plan: exporter },
  { ckm: CKM.TLS12_KDF,                 algorithms: [], plan: exporter },
  { ckm: CKM.CONCATENATE_BASE_AND_KEY,  algorithms: [], plan: concatenateKey },
  { ckm: CKM.CONCATENATE_BASE_AND_DATA, algorithms: [], plan: (asked) => concatenate(asked, false) },
  { ckm: CKM.CONCATENATE_DATA_AND_BASE, algorithms: [], plan: (asked) => concatenate(asked, true) },
  { ckm: CKM.XOR_BASE_AND_DATA,         algorithms: [], plan: combine },
  { ckm: CKM.EXTRACT_KEY_FROM_KEY,      algorithms: [], plan: extract },
  { ckm: CKM.AES_ECB_ENCRYPT_DATA,  algorithms: ['AES'],  keyBits: AES_BITS, plan: (asked) => byEncryption(asked, 'AES_ECB', 16, dataGiven(asked)) },
  { ckm: CKM.DES3_ECB_ENCRYPT_DATA, algorithms: ['DES3'], plan: (asked) => byEncryption(asked, 'DES3_ECB', 8, dataGiven(asked)) },
  { ckm: CKM.AES_CBC_ENCRYPT_DATA,  algorithms: ['AES'],  keyBits: AES_BITS, plan: aesCbc },
  { ckm: CKM.DES3_CBC_ENCRYPT_DATA, algorithms: ['DES3'], plan: desCbc },
  ...digests(),
]

function aesCbc(asked: Asked): Plan {
  const { iv, pData } = structureOf(asked, 'CK_AES_CBC_ENCRYPT_DATA_PARAMS')
  return byEncryption(asked, 'AES_CBC', 16, pData, iv)
}

function desCbc(asked: Asked): Plan {
  const { iv, pData } = structureOf(asked, 'CK_DES_CBC_ENCRYPT_DATA_PARAMS')
  return byEncryption(asked, 'DES3_CBC', 8, pData, iv)
}

const BY_CKM = new Map(DERIVATIONS.map((derivation) => [derivation.ckm, derivation]))

export function derivationOf(ckm: number): Derivation | undefined {
  return BY_CKM.get(ckm)
}
