/**
 * Keys for the time of a trial: objects of a session, destroyed whatever comes of it.
 *
 * PKCS#11 3.2 §5.7.1, §5.18.1 and §5.18.2.
 *
 * @module
 */
import type * as crypto from 'node:crypto'
import { type KeySpec, type PairAlgorithm, pairRow } from '#spec/algorithms.ts'
import { CKA, CKM, CKO } from '#spec/pkcs11/constants.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import type { DeviceSession } from './device.ts'
import { isFalse, isTrue, parametersOf, publicKeyOf } from './templates.ts'
import { attributesOf } from './temporaries.ts'

/** A key whose value is known, for the time of the work. */
export async function withKey<T>(
  session: DeviceSession,
  keyType: number,
  value: Uint8Array,
  work: (hKey: number) => Promise<T>,
): Promise<T> {
  const flags = [CKA.ENCRYPT, CKA.DECRYPT, CKA.SIGN, CKA.VERIFY, CKA.WRAP, CKA.UNWRAP]
  const { phObject: hObject } = await session.call('C_CreateObject', {
    pTemplate: [
      { type: CKA.CLASS, value: ulongBytes(CKO.SECRET_KEY) },
      { type: CKA.KEY_TYPE, value: ulongBytes(keyType) },
      { type: CKA.TOKEN, value: isFalse },
      { type: CKA.SENSITIVE, value: isFalse },
      { type: CKA.EXTRACTABLE, value: isTrue },
      ...flags.map((type) => ({ type, value: isTrue })),
      { type: CKA.VALUE, value },
    ],
  })
  try {
    return await work(hObject)
  } finally {
    await session.call('C_DestroyObject', { hObject })
  }
}

/** An AES key, made in the device. */
export async function withAes<T>(
  session: DeviceSession,
  work: (hKey: number) => Promise<T>,
): Promise<T> {
  const { phKey } = await session.call('C_GenerateKey', {
    pMechanism: { type: CKM.AES_KEY_GEN, parameter: undefined },
    pTemplate: [
      { type: CKA.TOKEN, value: isFalse },
      { type: CKA.VALUE_LEN, value: ulongBytes(32) },
      { type: CKA.ENCRYPT, value: isTrue },
      { type: CKA.DECRYPT, value: isTrue },
    ],
  })
  try {
    return await work(phKey)
  } finally {
    await session.call('C_DestroyObject', { hObject: phKey })
  }
}

export async function withPair<T>(
  session: DeviceSession,
  spec: KeySpec & { readonly algorithm: PairAlgorithm },
  flags: readonly number[],
  work: (hKey: number, half: crypto.KeyObject) => Promise<T>,
): Promise<T> {
  const isRsa = spec.algorithm === 'RSA'
  const type = pairRow(spec.algorithm).ckm
  const token = { type: CKA.TOKEN, value: isFalse }
  const keys = await session.call('C_GenerateKeyPair', {
    pMechanism: { type, parameter: undefined },
    pPublicKeyTemplate: [token, ...parametersOf(spec)],
    pPrivateKeyTemplate: [token, ...flags.map((flag) => ({ type: flag, value: isTrue }))],
  })
  try {
    const types = isRsa ? [CKA.MODULUS, CKA.PUBLIC_EXPONENT] : [CKA.EC_POINT]
    const half = publicKeyOf(spec, await attributesOf(session, keys.phPublicKey, types))
    return await work(keys.phPrivateKey, half)
  } finally {
    for (const hObject of [keys.phPublicKey, keys.phPrivateKey]) {
      await session.call('C_DestroyObject', { hObject })
    }
  }
}

/** Whether it works; other failures than refusals count as no as well. */
export async function works(work: () => Promise<unknown>): Promise<boolean> {
  try {
    return (await work()) !== false
  } catch {
    return false
  }
}
