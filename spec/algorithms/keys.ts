/**
 * Algorithms that keys are for, and the curves of those on elliptic curves.
 *
 * KMIP 2.1 §11.12 (Cryptographic Algorithm) and §11.46 (Recommended Curve); PKCS#11 3.2 §6 (`CKK_`,
 * `CKM_..._KEY_GEN`); FIPS 203, 204 and 205. Numbers of the post-quantum algorithms in KMIP are
 * those of the drafts of KMIP 3.0.
 *
 * An algorithm without a row can be registered, stored and returned, but nothing can be done with
 * it.
 *
 * @module
 */
import { RecommendedCurve as Curve, CryptographicAlgorithm as Kmip } from '../kmip/enumerations.ts'
import { CKK, CKM, CKP } from '../pkcs11/constants.ts'
import type { Hash } from './hashes.ts'

interface KeyRow {
  /** First the number that answers carry, then others that requests may use for the same. */
  readonly kmip: readonly [Kmip, ...Kmip[]]
  readonly ckk: number
  /** How PKCS#11 generates it. */
  readonly ckm: number
}

/** Keys that are strings of bytes. */
export interface SecretKeyRow extends KeyRow {
  /** Lengths in bits that may be generated and imported; the first is the default. */
  readonly bits: readonly number[]
  /** Present where any length of whole bytes from 8 bits on will do. */
  readonly anyBits?: true
  /** Bits of the key as bytes, where that is not Cryptographic Length: parity bits of DES. */
  readonly materialBits?: Readonly<Record<number, number>>
  /** The hash of an HMAC key. */
  readonly hash?: Hash
}

// biome-ignore format: a table
export const SECRET_KEYS = {
  AES:               { kmip: [Kmip.AES],               ckk: CKK.AES,            ckm: CKM.AES_KEY_GEN,            bits: [256, 192, 128, 512] },
  DES3:              { kmip: [Kmip.DES3],              ckk: CKK.DES3,           ckm: CKM.DES3_KEY_GEN,           bits: [168, 112, 192, 128], materialBits: { 168: 192, 112: 128 } },
  ChaCha20:          { kmip: [Kmip.ChaCha20],          ckk: CKK.CHACHA20,       ckm: CKM.CHACHA20_KEY_GEN,       bits: [256] },
  ChaCha20Poly1305:  { kmip: [Kmip.ChaCha20Poly1305],  ckk: CKK.CHACHA20,       ckm: CKM.CHACHA20_KEY_GEN,       bits: [256] },
  Poly1305:          { kmip: [Kmip.Poly1305],          ckk: CKK.POLY1305,       ckm: CKM.POLY1305_KEY_GEN,       bits: [256] },
  HMAC_MD5:          { kmip: [Kmip.HMAC_MD5],          ckk: CKK.MD5_HMAC,       ckm: CKM.GENERIC_SECRET_KEY_GEN, bits: [128], anyBits: true, hash: 'MD5' },
  HMAC_SHA1:         { kmip: [Kmip.HMAC_SHA1],         ckk: CKK.SHA_1_HMAC,     ckm: CKM.SHA_1_KEY_GEN,          bits: [160], anyBits: true, hash: 'SHA_1' },
  HMAC_SHA224:       { kmip: [Kmip.HMAC_SHA224],       ckk: CKK.SHA224_HMAC,    ckm: CKM.SHA224_KEY_GEN,         bits: [224], anyBits: true, hash: 'SHA_224' },
  HMAC_SHA256:       { kmip: [Kmip.HMAC_SHA256],       ckk: CKK.SHA256_HMAC,    ckm: CKM.SHA256_KEY_GEN,         bits: [256], anyBits: true, hash: 'SHA_256' },
  HMAC_SHA384:       { kmip: [Kmip.HMAC_SHA384],       ckk: CKK.SHA384_HMAC,    ckm: CKM.SHA384_KEY_GEN,         bits: [384], anyBits: true, hash: 'SHA_384' },
  HMAC_SHA512:       { kmip: [Kmip.HMAC_SHA512],       ckk: CKK.SHA512_HMAC,    ckm: CKM.SHA512_KEY_GEN,         bits: [512], anyBits: true, hash: 'SHA_512' },
  HMAC_SHA3_224:     { kmip: [Kmip.HMAC_SHA3_224],     ckk: CKK.SHA3_224_HMAC,  ckm: CKM.SHA3_224_KEY_GEN,       bits: [224], anyBits: true, hash: 'SHA3_224' },
  HMAC_SHA3_256:     { kmip: [Kmip.HMAC_SHA3_256],     ckk: CKK.SHA3_256_HMAC,  ckm: CKM.SHA3_256_KEY_GEN,       bits: [256], anyBits: true, hash: 'SHA3_256' },
  HMAC_SHA3_384:     { kmip: [Kmip.HMAC_SHA3_384],     ckk: CKK.SHA3_384_HMAC,  ckm: CKM.SHA3_384_KEY_GEN,       bits: [384], anyBits: true, hash: 'SHA3_384' },
  HMAC_SHA3_512:     { kmip: [Kmip.HMAC_SHA3_512],     ckk: CKK.SHA3_512_HMAC,  ckm: CKM.SHA3_512_KEY_GEN,       bits: [512], anyBits: true, hash: 'SHA3_512' },
} as const satisfies Record<string, SecretKeyRow>
export type SecretKeyAlgorithm = keyof typeof SECRET_KEYS

export interface CurveRow {
  /** Name in OpenSSL. */
  readonly node: string
  readonly bits: number
  readonly kmip: Curve
  /** Name in JSON Web Keys, where it has one. */
  readonly jwk?: string
  /** DER of the object identifier, as `CKA_EC_PARAMS` has it; hexadecimal. */
  readonly oid: string
  /** Whether Cryptographic Length alone means it: the curves of NIST, FIPS 186-5. */
  readonly byLength?: true
}

// biome-ignore format: a table
export const CURVES = {
  P_192:           { node: 'prime192v1',      bits: 192, kmip: Curve.P_192,           oid: '06082a8648ce3d030101', byLength: true },
  P_224:           { node: 'secp224r1',       bits: 224, kmip: Curve.P_224,           oid: '06052b81040021', byLength: true },
  P_256:           { node: 'prime256v1',      bits: 256, kmip: Curve.P_256,           oid: '06082a8648ce3d030107', jwk: 'P-256', byLength: true },
  P_384:           { node: 'secp384r1',       bits: 384, kmip: Curve.P_384,           oid: '06052b81040022',       jwk: 'P-384', byLength: true },
  P_521:           { node: 'secp521r1',       bits: 521, kmip: Curve.P_521,           oid: '06052b81040023',       jwk: 'P-521', byLength: true },
  SECP256K1:       { node: 'secp256k1',       bits: 256, kmip: Curve.SECP256K1,       oid: '06052b8104000a',       jwk: 'secp256k1' },
  BRAINPOOLP256R1: { node: 'brainpoolP256r1', bits: 256, kmip: Curve.BRAINPOOLP256R1, oid: '06092b2403030208010107' },
  BRAINPOOLP320R1: { node: 'brainpoolP320r1', bits: 320, kmip: Curve.BRAINPOOLP320R1, oid: '06092b2403030208010109' },
  BRAINPOOLP384R1: { node: 'brainpoolP384r1', bits: 384, kmip: Curve.BRAINPOOLP384R1, oid: '06092b240303020801010b' },
  BRAINPOOLP512R1: { node: 'brainpoolP512r1', bits: 512, kmip: Curve.BRAINPOOLP512R1, oid: '06092b240303020801010d' },
} as const satisfies Record<string, CurveRow>
export type EcCurve = keyof typeof CURVES

/** Keys in pairs. */
export interface PairRow extends KeyRow {
  /** Type of the key in node:crypto. */
  readonly node: string
  /** Cryptographic Length in bits; the first is the default. Empty: the curve says it. */
  readonly bits: readonly number[]
  /** Shortest length in bits that may still be imported and used, where it is below `bits`. */
  readonly importBitsMin?: number
  /** Present where no new pair is made: FIPS 186-5 §1 has DSA for verifying only. */
  readonly importOnly?: true
  /** Curve that KMIP needs beside the algorithm to name it. */
  readonly curve?: Curve
  /** Parameter set in PKCS#11. */
  readonly ckp?: number
  /** DER of the parameters in `CKA_EC_PARAMS`; hexadecimal. */
  readonly oid?: string
  /** Length of a signature, where it is the algorithm's alone. */
  readonly signatureBytes?: number
  /**
   * What the pair is for, as bits of the usage mask would say: used where nobody asks otherwise.
   */
  readonly does: readonly ('sign' | 'encrypt' | 'agree' | 'encapsulate')[]
}

const ML_DSA = { ckk: CKK.ML_DSA, ckm: CKM.ML_DSA_KEY_PAIR_GEN, does: ['sign'] } as const
const SLH_DSA = { ckk: CKK.SLH_DSA, ckm: CKM.SLH_DSA_KEY_PAIR_GEN, does: ['sign'] } as const
const ML_KEM = { ckk: CKK.ML_KEM, ckm: CKM.ML_KEM_KEY_PAIR_GEN, does: ['encapsulate'] } as const
const EDWARDS = { ckk: CKK.EC_EDWARDS, ckm: CKM.EC_EDWARDS_KEY_PAIR_GEN, does: ['sign'] } as const
const MONTGOMERY = {
  ckk: CKK.EC_MONTGOMERY,
  ckm: CKM.EC_MONTGOMERY_KEY_PAIR_GEN,
  does: ['agree'],
} as const

// biome-ignore format: a table
export const PAIRS = {
  RSA:                { kmip: [Kmip.RSA],                        ckk: CKK.RSA, ckm: CKM.RSA_PKCS_KEY_PAIR_GEN, node: 'rsa', bits: [2048, 3072, 4096], importBitsMin: 512, does: ['sign', 'encrypt'] },
  EC:                 { kmip: [Kmip.EC, Kmip.ECDSA, Kmip.ECDH, Kmip.ECMQV], ckk: CKK.EC, ckm: CKM.EC_KEY_PAIR_GEN, node: 'ec', bits: [], does: ['sign', 'agree'] },
  DSA:                { kmip: [Kmip.DSA],                        ckk: CKK.DSA, ckm: CKM.DSA_KEY_PAIR_GEN, node: 'dsa', bits: [2048, 3072], importBitsMin: 512, importOnly: true, does: ['sign'] },
  Ed25519:            { kmip: [Kmip.Ed25519],                    ...EDWARDS,    node: 'ed25519', bits: [256], curve: Curve.CURVE25519, oid: '06032b6570', signatureBytes: 64 },
  Ed448:              { kmip: [Kmip.Ed448],                      ...EDWARDS,    node: 'ed448',   bits: [456], curve: Curve.CURVE448,   oid: '06032b6571', signatureBytes: 114 },
  X25519:             { kmip: [Kmip.ECDH, Kmip.EC],              ...MONTGOMERY, node: 'x25519',  bits: [256], curve: Curve.CURVE25519, oid: '06032b656e' },
  X448:               { kmip: [Kmip.ECDH, Kmip.EC],              ...MONTGOMERY, node: 'x448',    bits: [448], curve: Curve.CURVE448,   oid: '06032b656f' },
  ML_DSA_44:          { kmip: [Kmip.ML_DSA_44],                  ...ML_DSA,     node: 'ml-dsa-44', bits: [10496], ckp: CKP.ML_DSA_44, signatureBytes: 2420 },
  ML_DSA_65:          { kmip: [Kmip.ML_DSA_65],                  ...ML_DSA,     node: 'ml-dsa-65', bits: [15616], ckp: CKP.ML_DSA_65, signatureBytes: 3309 },
  ML_DSA_87:          { kmip: [Kmip.ML_DSA_87],                  ...ML_DSA,     node: 'ml-dsa-87', bits: [20736], ckp: CKP.ML_DSA_87, signatureBytes: 4627 },
  ML_KEM_512:         { kmip: [Kmip.ML_KEM_512],                 ...ML_KEM,     node: 'ml-kem-512',  bits: [6400],  ckp: CKP.ML_KEM_512 },
  ML_KEM_768:         { kmip: [Kmip.ML_KEM_768],                 ...ML_KEM,     node: 'ml-kem-768',  bits: [9472],  ckp: CKP.ML_KEM_768 },
  ML_KEM_1024:        { kmip: [Kmip.ML_KEM_1024],                ...ML_KEM,     node: 'ml-kem-1024', bits: [12544], ckp: CKP.ML_KEM_1024 },
  SLH_DSA_SHA2_128s:  { kmip: [Kmip.SLH_DSA_SHA2_128s],          ...SLH_DSA,    node: 'slh-dsa-sha2-128s',  bits: [256], ckp: CKP.SLH_DSA_SHA2_128S, signatureBytes: 7856 },
  SLH_DSA_SHA2_128f:  { kmip: [Kmip.SLH_DSA_SHA2_128f],          ...SLH_DSA,    node: 'slh-dsa-sha2-128f',  bits: [256], ckp: CKP.SLH_DSA_SHA2_128F, signatureBytes: 17088 },
  SLH_DSA_SHA2_192s:  { kmip: [Kmip.SLH_DSA_SHA2_192s],          ...SLH_DSA,    node: 'slh-dsa-sha2-192s',  bits: [384], ckp: CKP.SLH_DSA_SHA2_192S, signatureBytes: 16224 },
  SLH_DSA_SHA2_192f:  { kmip: [Kmip.SLH_DSA_SHA2_192f],          ...SLH_DSA,    node: 'slh-dsa-sha2-192f',  bits: [384], ckp: CKP.SLH_DSA_SHA2_192F, signatureBytes: 35664 },
  SLH_DSA_SHA2_256s:  { kmip: [Kmip.SLH_DSA_SHA2_256s],          ...SLH_DSA,    node: 'slh-dsa-sha2-256s',  bits: [512], ckp: CKP.SLH_DSA_SHA2_256S, signatureBytes: 29792 },
  SLH_DSA_SHA2_256f:  { kmip: [Kmip.SLH_DSA_SHA2_256f],          ...SLH_DSA,    node: 'slh-dsa-sha2-256f',  bits: [512], ckp: CKP.SLH_DSA_SHA2_256F, signatureBytes: 49856 },
  SLH_DSA_SHAKE_128s: { kmip: [Kmip.SLH_DSA_SHAKE_128s],         ...SLH_DSA,    node: 'slh-dsa-shake-128s', bits: [256], ckp: CKP.SLH_DSA_SHAKE_128S, signatureBytes: 7856 },
  SLH_DSA_SHAKE_128f: { kmip: [Kmip.SLH_DSA_SHAKE_128f],         ...SLH_DSA,    node: 'slh-dsa-shake-128f', bits: [256], ckp: CKP.SLH_DSA_SHAKE_128F, signatureBytes: 17088 },
  SLH_DSA_SHAKE_192s: { kmip: [Kmip.SLH_DSA_SHAKE_192s],         ...SLH_DSA,    node: 'slh-dsa-shake-192s', bits: [384], ckp: CKP.SLH_DSA_SHAKE_192S, signatureBytes: 16224 },
  SLH_DSA_SHAKE_192f: { kmip: [Kmip.SLH_DSA_SHAKE_192f],         ...SLH_DSA,    node: 'slh-dsa-shake-192f', bits: [384], ckp: CKP.SLH_DSA_SHAKE_192F, signatureBytes: 35664 },
  SLH_DSA_SHAKE_256s: { kmip: [Kmip.SLH_DSA_SHAKE_256s],         ...SLH_DSA,    node: 'slh-dsa-shake-256s', bits: [512], ckp: CKP.SLH_DSA_SHAKE_256S, signatureBytes: 29792 },
  SLH_DSA_SHAKE_256f: { kmip: [Kmip.SLH_DSA_SHAKE_256f],         ...SLH_DSA,    node: 'slh-dsa-shake-256f', bits: [512], ckp: CKP.SLH_DSA_SHAKE_256F, signatureBytes: 49856 },
} as const satisfies Record<string, PairRow>
export type PairAlgorithm = keyof typeof PAIRS

export type KeyAlgorithm = SecretKeyAlgorithm | PairAlgorithm

export function secretKeyRow(algorithm: SecretKeyAlgorithm): SecretKeyRow {
  return SECRET_KEYS[algorithm]
}

export function pairRow(algorithm: PairAlgorithm): PairRow {
  return PAIRS[algorithm]
}

export function curveRow(curve: EcCurve): CurveRow {
  return CURVES[curve]
}

export function isPair(algorithm: KeyAlgorithm): algorithm is PairAlgorithm {
  return algorithm in PAIRS
}

/**
 * What a key is: the algorithm, and what of its parameters the algorithm leaves open.
 *
 * `bits` is Cryptographic Length of KMIP.
 */
export interface KeySpec {
  readonly algorithm: KeyAlgorithm
  readonly bits: number
  readonly curve?: EcCurve
}

const SECRETS_BY_KMIP = new Map<number, SecretKeyAlgorithm>(
  Object.entries(SECRET_KEYS).map(([name, { kmip }]) => [kmip[0], name as SecretKeyAlgorithm]),
)

/** Algorithm of a secret key with this number of KMIP; undefined when it has no row. */
export function secretKeyOfKmip(kmip: number): SecretKeyAlgorithm | undefined {
  return SECRETS_BY_KMIP.get(kmip)
}

/**
 * Algorithm of a key pair with this number of KMIP.
 *
 * @param curve Recommended Curve, which tells the algorithms on CURVE25519 and CURVE448 apart from
 * those on the curves of {@link CURVES}.
 */
export function pairOfKmip(kmip: number, curve?: number): PairAlgorithm | undefined {
  let fallback: PairAlgorithm | undefined
  for (const [name, row] of Object.entries<PairRow>(PAIRS)) {
    if (!(row.kmip as readonly number[]).includes(kmip)) continue
    if (row.curve !== undefined && row.curve === curve) return name as PairAlgorithm
    // An algorithm of one curve only is named without it; EC is not, when the curve is another's.
    if (row.curve === undefined || row.kmip.length === 1) fallback ??= name as PairAlgorithm
  }
  const elsewhere = curve !== undefined && curveOfKmip(curve) === undefined && fallback === 'EC'
  return elsewhere ? undefined : fallback
}

const CURVES_BY_KMIP = new Map<number, EcCurve>(
  Object.entries(CURVES).map(([name, { kmip }]) => [kmip, name as EcCurve]),
)
const CURVES_BY_NODE = new Map<string, EcCurve>(
  Object.entries(CURVES).map(([name, { node }]) => [node, name as EcCurve]),
)

export function curveOfKmip(kmip: number): EcCurve | undefined {
  return CURVES_BY_KMIP.get(kmip)
}

export function curveOfNode(node: string): EcCurve | undefined {
  return CURVES_BY_NODE.get(node)
}

/** The curve that Cryptographic Length alone means, where there is such a one. */
export function curveOfBits(bits: number): EcCurve | undefined {
  const found = Object.entries<CurveRow>(CURVES).find(
    ([, row]) => row.byLength && row.bits === bits,
  )
  return found?.[0] as EcCurve | undefined
}

const PAIRS_BY_NODE = new Map<string, PairAlgorithm>(
  Object.entries(PAIRS).map(([name, { node }]) => [node, name as PairAlgorithm]),
)

/** Algorithm of a key of node:crypto, by `asymmetricKeyType`. */
export function pairOfNode(type: string): PairAlgorithm | undefined {
  return PAIRS_BY_NODE.get(type)
}
