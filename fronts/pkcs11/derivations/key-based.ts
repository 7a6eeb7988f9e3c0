/**
 * Key-based key derivation: counter, feedback and double pipeline, of one key or of several.
 *
 * PKCS#11 3.2 §6, the section on SP 800-108; NIST SP 800-108.
 *
 * @module
 */
import type { DerivationMechanism, RoundInput } from '#core/keystore.ts'
import type { ManagedObject } from '#core/objects.ts'
import { MACS, type Mac, type MacRow, macRow } from '#spec/algorithms.ts'
import { CK, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { ulongOf } from '#spec/pkcs11/memory.ts'
import type { StructureFields } from '#spec/pkcs11/types.ts'
import type { Offered } from '../mechanisms.ts'
import { parameterInvalid } from '../parameters.ts'
import { type Asked, NOTHING, type Plan, structureOf } from './plan.ts'

const PRFS: ReadonlyMap<number, Mac> = new Map(
  Object.entries<MacRow>(MACS).flatMap(([name, { ckm, hash, node }]) => {
    const isPrf = hash !== undefined || node === 'cmac'
    return isPrf && ckm !== undefined ? [[ckm, name as Mac] as const] : []
  }),
)

type Mode = Extract<DerivationMechanism, { kdf: 'SP800_108' }>['mode']

export async function keyBased(asked: Asked, mode: Mode): Promise<Plan> {
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
