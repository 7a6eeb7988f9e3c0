/**
 * HKDF: its two steps, together or one alone, and the salt as data or as a key.
 *
 * PKCS#11 3.2 §6, the section on HKDF; RFC 5869.
 *
 * @module
 */
import type { Ingredient } from '#core/keystore.ts'
import type { ManagedObject } from '#core/objects.ts'
import { hashRow } from '#spec/algorithms.ts'
import { CKF } from '#spec/pkcs11/constants.ts'
import type { StructureFields } from '#spec/pkcs11/types.ts'
import { parameterInvalid } from '../parameters.ts'
import { type Asked, hashGiven, NOTHING, type Plan, structureOf } from './plan.ts'

export async function hkdf(asked: Asked): Promise<Plan> {
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
