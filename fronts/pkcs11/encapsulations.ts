/**
 * Mechanisms of `C_EncapsulateKey` and `C_DecapsulateKey`.
 *
 * PKCS#11 3.2 §5.18.8 and §5.18.9; FIPS 203 (ML-KEM). With ECDH the ciphertext is the public key of
 * a pair that is made for it, in the form that `C_DeriveKey` takes the other side's in.
 *
 * @module
 */
import { type KeyAlgorithm, type KeySpec, type PairAlgorithm, pairRow } from '#spec/algorithms.ts'
import { CKM } from '#spec/pkcs11/constants.ts'
import { agreedBytes } from './derivations/agreement.ts'

export interface Encapsulation {
  readonly ckm: number
  readonly algorithms: readonly KeyAlgorithm[]
  readonly agrees: boolean
}

const AGREEING = ['EC', 'X25519', 'X448'] as const
const ML_KEM = ['ML_KEM_512', 'ML_KEM_768', 'ML_KEM_1024'] as const

// biome-ignore format: a table
export const ENCAPSULATIONS: readonly Encapsulation[] = [
  { ckm: CKM.ML_KEM,                algorithms: ML_KEM,   agrees: false },
  { ckm: CKM.ECDH1_DERIVE,          algorithms: AGREEING, agrees: true },
  { ckm: CKM.ECDH1_COFACTOR_DERIVE, algorithms: AGREEING, agrees: true },
]

const BY_CKM = new Map(ENCAPSULATIONS.map((row) => [row.ckm, row]))

export function encapsulationOf(ckm: number): Encapsulation | undefined {
  return BY_CKM.get(ckm)
}

/** FIPS 203, table 3. */
const CIPHERTEXT_BYTES: Partial<Readonly<Record<KeyAlgorithm, number>>> = {
  ML_KEM_512: 768,
  ML_KEM_768: 1_088,
  ML_KEM_1024: 1_568,
}

/** What ML-KEM gives. */
export const SHARED_BYTES = 32

export function ciphertextBytes(spec: KeySpec): number {
  const fixed = CIPHERTEXT_BYTES[spec.algorithm]
  if (fixed !== undefined) return fixed
  const isMontgomery = pairRow(spec.algorithm as PairAlgorithm).curve !== undefined
  return isMontgomery ? agreedBytes(spec) : 2 * agreedBytes(spec) + 1
}
