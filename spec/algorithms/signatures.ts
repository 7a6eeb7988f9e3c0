/**
 * Signature schemes, and the names that KMIP and PKCS#11 have for a scheme with a hash.
 *
 * KMIP 2.1 §11.18 (Digital Signature Algorithm); PKCS#11 3.2 §6.1 (RSA), §6.3 (ECDSA, EdDSA), §6.68
 * and following (ML-DSA, SLH-DSA); RFC 8017 §8 and §9, FIPS 186-5, FIPS 204, FIPS 205.
 *
 * @module
 */
import { DigitalSignatureAlgorithm as Dsa, PaddingMethod as Padding } from '../kmip/enumerations.ts'
import { CKM } from '../pkcs11/constants.ts'
import type { Hash } from './hashes.ts'

export interface SignatureRow {
  /** Types of keys of node:crypto that can do it; a prefix counts for the whole family. */
  readonly node: readonly string[]
  /** Those of them that take a context string; with one, Ed25519 is Ed25519ctx (RFC 8032 §5.1). */
  readonly context?: readonly string[]
  /** Padding Method of KMIP, where that names the scheme. */
  readonly padding?: Padding
  /**
   * `digest`: the hash is given apart, or the data is the digest; `whole`: the scheme hashes by
   * itself and takes the message as it is; `raw`: no hash, the data is the block.
   */
  readonly input: 'digest' | 'whole' | 'raw'
  /** Mechanism of PKCS#11 over a digest (or message, for `whole`) and with each hash. */
  readonly ckm: number
  /** Mechanism that takes the hash as its parameter and a digest as its data. */
  readonly ckmHash?: number
  readonly ckmWith?: Partial<Readonly<Record<Hash, number>>>
  /** Digital Signature Algorithm of KMIP with each hash. */
  readonly kmipWith?: Partial<Readonly<Record<Hash, Dsa>>>
}

// biome-ignore format: a table
export const SIGNATURES = {
  RSA_PKCS: {
    node: ['rsa'], padding: Padding.PKCS1V1_5, input: 'digest', ckm: CKM.RSA_PKCS,
    ckmWith: { MD5: CKM.MD5_RSA_PKCS, SHA_1: CKM.SHA1_RSA_PKCS, SHA_224: CKM.SHA224_RSA_PKCS, SHA_256: CKM.SHA256_RSA_PKCS, SHA_384: CKM.SHA384_RSA_PKCS, SHA_512: CKM.SHA512_RSA_PKCS,
      SHA3_224: CKM.SHA3_224_RSA_PKCS, SHA3_256: CKM.SHA3_256_RSA_PKCS, SHA3_384: CKM.SHA3_384_RSA_PKCS, SHA3_512: CKM.SHA3_512_RSA_PKCS },
    kmipWith: { MD5: Dsa.MD5WithRSAEncryption, SHA_1: Dsa.SHA_1WithRSAEncryption, SHA_224: Dsa.SHA_224WithRSAEncryption, SHA_256: Dsa.SHA_256WithRSAEncryption, SHA_384: Dsa.SHA_384WithRSAEncryption,
      SHA_512: Dsa.SHA_512WithRSAEncryption, SHA3_256: Dsa.SHA3_256WithRSAEncryption, SHA3_384: Dsa.SHA3_384WithRSAEncryption, SHA3_512: Dsa.SHA3_512WithRSAEncryption },
  },
  RSA_PKCS_PSS: {
    node: ['rsa'], padding: Padding.PSS, input: 'digest', ckm: CKM.RSA_PKCS_PSS,
    ckmWith: { SHA_1: CKM.SHA1_RSA_PKCS_PSS, SHA_224: CKM.SHA224_RSA_PKCS_PSS, SHA_256: CKM.SHA256_RSA_PKCS_PSS, SHA_384: CKM.SHA384_RSA_PKCS_PSS, SHA_512: CKM.SHA512_RSA_PKCS_PSS,
      SHA3_224: CKM.SHA3_224_RSA_PKCS_PSS, SHA3_256: CKM.SHA3_256_RSA_PKCS_PSS, SHA3_384: CKM.SHA3_384_RSA_PKCS_PSS, SHA3_512: CKM.SHA3_512_RSA_PKCS_PSS },
  },
  RSA_X_509: { node: ['rsa'], padding: Padding.None, input: 'raw', ckm: CKM.RSA_X_509 },
  ECDSA: {
    node: ['ec'], input: 'digest', ckm: CKM.ECDSA,
    ckmWith: { SHA_1: CKM.ECDSA_SHA1, SHA_224: CKM.ECDSA_SHA224, SHA_256: CKM.ECDSA_SHA256, SHA_384: CKM.ECDSA_SHA384, SHA_512: CKM.ECDSA_SHA512,
      SHA3_224: CKM.ECDSA_SHA3_224, SHA3_256: CKM.ECDSA_SHA3_256, SHA3_384: CKM.ECDSA_SHA3_384, SHA3_512: CKM.ECDSA_SHA3_512 },
    kmipWith: { SHA_1: Dsa.ECDSAWithSHA_1, SHA_224: Dsa.ECDSAWithSHA224, SHA_256: Dsa.ECDSAWithSHA256, SHA_384: Dsa.ECDSAWithSHA384, SHA_512: Dsa.ECDSAWithSHA512 },
  },
  DSA: {
    node: ['dsa'], input: 'digest', ckm: CKM.DSA,
    ckmWith: { SHA_1: CKM.DSA_SHA1, SHA_224: CKM.DSA_SHA224, SHA_256: CKM.DSA_SHA256, SHA_384: CKM.DSA_SHA384, SHA_512: CKM.DSA_SHA512,
      SHA3_224: CKM.DSA_SHA3_224, SHA3_256: CKM.DSA_SHA3_256, SHA3_384: CKM.DSA_SHA3_384, SHA3_512: CKM.DSA_SHA3_512 },
    kmipWith: { SHA_1: Dsa.DSAWithSHA_1, SHA_224: Dsa.DSAWithSHA224, SHA_256: Dsa.DSAWithSHA256 },
  },
  EDDSA:   { node: ['ed25519', 'ed448'], context: ['ed25519', 'ed448'], input: 'whole', ckm: CKM.EDDSA },
  ML_DSA: {
    node: ['ml-dsa-'], input: 'whole', ckm: CKM.ML_DSA, ckmHash: CKM.HASH_ML_DSA, context: ['ml-dsa-'],
    ckmWith: { SHA_224: CKM.HASH_ML_DSA_SHA224, SHA_256: CKM.HASH_ML_DSA_SHA256, SHA_384: CKM.HASH_ML_DSA_SHA384, SHA_512: CKM.HASH_ML_DSA_SHA512,
      SHA3_224: CKM.HASH_ML_DSA_SHA3_224, SHA3_256: CKM.HASH_ML_DSA_SHA3_256, SHA3_384: CKM.HASH_ML_DSA_SHA3_384, SHA3_512: CKM.HASH_ML_DSA_SHA3_512 },
  },
  SLH_DSA: {
    node: ['slh-dsa-'], input: 'whole', ckm: CKM.SLH_DSA, ckmHash: CKM.HASH_SLH_DSA, context: ['slh-dsa-'],
    ckmWith: { SHA_224: CKM.HASH_SLH_DSA_SHA224, SHA_256: CKM.HASH_SLH_DSA_SHA256, SHA_384: CKM.HASH_SLH_DSA_SHA384, SHA_512: CKM.HASH_SLH_DSA_SHA512,
      SHA3_224: CKM.HASH_SLH_DSA_SHA3_224, SHA3_256: CKM.HASH_SLH_DSA_SHA3_256, SHA3_384: CKM.HASH_SLH_DSA_SHA3_384, SHA3_512: CKM.HASH_SLH_DSA_SHA3_512 },
  },
} as const satisfies Record<string, SignatureRow>
export type SignatureScheme = keyof typeof SIGNATURES

export function signatureRow(scheme: SignatureScheme): SignatureRow {
  return SIGNATURES[scheme]
}

/** Schemes that a key of node:crypto can do, the usual one first. */
export function schemesOfNode(type: string): readonly SignatureScheme[] {
  const rows = Object.entries<SignatureRow>(SIGNATURES)
  const can = rows.filter(([, { node }]) => isNodeType(node, type))
  return can.map(([name]) => name as SignatureScheme)
}

/** Whether a column of the rows has this type of key, by itself or with its family. */
export function isNodeType(names: readonly string[], type: string): boolean {
  return names.some((name) => (name.endsWith('-') ? type.startsWith(name) : name === type))
}

/** Scheme and hash that a Digital Signature Algorithm of KMIP names. */
export function signatureOfKmip(
  dsa: number,
): { readonly scheme: SignatureScheme; readonly hash?: Hash } | undefined {
  if (dsa === Dsa.RSASSA_PSS) return { scheme: 'RSA_PKCS_PSS' }
  for (const [scheme, { kmipWith }] of Object.entries<SignatureRow>(SIGNATURES)) {
    for (const [hash, value] of Object.entries(kmipWith ?? {})) {
      if (value === dsa) return { scheme: scheme as SignatureScheme, hash: hash as Hash }
    }
  }
  return undefined
}
