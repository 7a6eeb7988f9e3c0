/**
 * Mechanisms of `C_DeriveKey`: what each asks a keystore for.
 *
 * PKCS#11 3.2 §5.18.5, and in §6 the sections on ECDH, on derivation by encryption and by digest,
 * on HKDF, SP 800-108 and TLS 1.2, and on the simple mechanisms that join, cut and combine values.
 * One row for each: the keys that it takes, and how its parameter is read (`derivations/`).
 *
 * TLS 1.0 and 1.1 and X9.42 are not offered.
 *
 * @module
 */
import { HASHES, type Hash, type KeyAlgorithm } from '#spec/algorithms.ts'
import { CKM } from '#spec/pkcs11/constants.ts'
import { ecdh } from './derivations/agreement.ts'
import { hkdf } from './derivations/hkdf.ts'
import { keyBased } from './derivations/key-based.ts'
import type { Asked, Derivation, Plan } from './derivations/plan.ts'
import { exporter, extendedMasterKey, masterKey } from './derivations/tls.ts'
import {
  aesCbc,
  byDigest,
  byEncryption,
  combine,
  concatenate,
  concatenateKey,
  dataGiven,
  desCbc,
  extract,
} from './derivations/values.ts'

const AES_BITS = [128, 192, 256] as const
const AGREEING = ['EC', 'X25519', 'X448'] as const satisfies readonly KeyAlgorithm[]

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

const BY_CKM = new Map(DERIVATIONS.map((derivation) => [derivation.ckm, derivation]))

export function derivationOf(ckm: number): Derivation | undefined {
  return BY_CKM.get(ckm)
}
