/**
 * Keys made of values: joined, combined, cut out of one, encrypted or digested.
 *
 * PKCS#11 3.2 §6, the sections on simple mechanisms and on derivation by encryption and by digest.
 *
 * @module
 */
import { type Cipher, type Hash, hashRow } from '#spec/algorithms.ts'
import { parameterInvalid } from '../parameters.ts'
import { type Asked, assertNone, NOTHING, type Plan, structureOf, ulongGiven } from './plan.ts'

export async function concatenateKey(asked: Asked): Promise<Plan> {
  const { key, object, bytes } = await asked.other(ulongGiven(asked))
  const mechanism = { kdf: 'CONCATENATE', parts: ['base', key] } as const
  const all = asked.baseBytes + bytes
  return { mechanism, mostBytes: all, usualBytes: all, others: [object], isReversible: true }
}

export function dataGiven(asked: Asked): Uint8Array {
  const { pData } = structureOf(asked, 'CK_KEY_DERIVATION_STRING_DATA')
  if (pData !== undefined && pData.length > 0) return pData
  throw parameterInvalid(asked.offered, 'there is no data')
}

export function concatenate(asked: Asked, dataFirst: boolean): Plan {
  const data = dataGiven(asked)
  const parts = dataFirst ? ([data, 'base'] as const) : (['base', data] as const)
  const all = asked.baseBytes + data.length
  const mechanism = { kdf: 'CONCATENATE', parts } as const
  return { mechanism, mostBytes: all, usualBytes: all, isReversible: true }
}

export function combine(asked: Asked): Plan {
  const data = dataGiven(asked)
  const all = Math.min(data.length, asked.baseBytes)
  const mechanism = { kdf: 'XOR', data } as const
  return { mechanism, mostBytes: all, usualBytes: all, isReversible: true }
}

export function extract(asked: Asked): Plan {
  const bit = ulongGiven(asked)
  const { baseBytes, offered } = asked
  if (bit >= baseBytes * 8) throw parameterInvalid(offered, `bit ${bit} of ${baseBytes * 8}`)
  return { mechanism: { kdf: 'EXTRACT', bit }, mostBytes: baseBytes, isReversible: true }
}

export function byEncryption(
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

export function byDigest(asked: Asked, hash: Hash): Plan {
  assertNone(asked)
  const { bytes } = hashRow(hash)
  const mechanism = { kdf: 'HASH', hash, data: NOTHING } as const
  return { mechanism, mostBytes: bytes, usualBytes: bytes }
}

export function aesCbc(asked: Asked): Plan {
  const { iv, pData } = structureOf(asked, 'CK_AES_CBC_ENCRYPT_DATA_PARAMS')
  return byEncryption(asked, 'AES_CBC', 16, pData, iv)
}

export function desCbc(asked: Asked): Plan {
  const { iv, pData } = structureOf(asked, 'CK_DES_CBC_ENCRYPT_DATA_PARAMS')
  return byEncryption(asked, 'DES3_CBC', 8, pData, iv)
}
