/**
 * Hash functions.
 *
 * KMIP 2.1 §11.27 (Hashing Algorithm), PKCS#11 3.2 §6.20 and following, RFC 8017 §9.2 note 1 (the
 * DER of DigestInfo up to the digest), FIPS 180-4 and FIPS 202.
 *
 * @module
 */
import { HashingAlgorithm as Kmip } from '../kmip/enumerations.ts'
import { CKG, CKM, CKP } from '../pkcs11/constants.ts'

export interface HashRow {
  /** Name in OpenSSL. */
  readonly node: string
  readonly bytes: number
  readonly blockBytes: number
  readonly kmip: Kmip
  readonly ckm: number
  /** Mask generation function MGF1 over this hash. */
  readonly ckg?: number
  /** HMAC over this hash as pseudo-random function of PBKDF2. */
  readonly prf?: number
  /**
   * Object identifier arc below 2.16.840.1.101.3.4.2 and such, as DER of DigestInfo; hexadecimal.
   */
  readonly digestInfo: string
}

// biome-ignore format: a table
export const HASHES = {
  MD5:         { node: 'md5',        bytes: 16, blockBytes: 64,  kmip: Kmip.MD5,         ckm: CKM.MD5,        digestInfo: '3020300c06082a864886f70d020505000410' },
  SHA_1:       { node: 'sha1',       bytes: 20, blockBytes: 64,  kmip: Kmip.SHA_1,       ckm: CKM.SHA_1,      digestInfo: '3021300906052b0e03021a05000414',         ckg: CKG.MGF1_SHA1,     prf: CKP.PKCS5_PBKD2_HMAC_SHA1 },
  SHA_224:     { node: 'sha224',     bytes: 28, blockBytes: 64,  kmip: Kmip.SHA_224,     ckm: CKM.SHA224,     digestInfo: '302d300d06096086480165030402040500041c', ckg: CKG.MGF1_SHA224,   prf: CKP.PKCS5_PBKD2_HMAC_SHA224 },
  SHA_256:     { node: 'sha256',     bytes: 32, blockBytes: 64,  kmip: Kmip.SHA_256,     ckm: CKM.SHA256,     digestInfo: '3031300d060960864801650304020105000420', ckg: CKG.MGF1_SHA256,   prf: CKP.PKCS5_PBKD2_HMAC_SHA256 },
  SHA_384:     { node: 'sha384',     bytes: 48, blockBytes: 128, kmip: Kmip.SHA_384,     ckm: CKM.SHA384,     digestInfo: '3041300d060960864801650304020205000430', ckg: CKG.MGF1_SHA384,   prf: CKP.PKCS5_PBKD2_HMAC_SHA384 },
  SHA_512:     { node: 'sha512',     bytes: 64, blockBytes: 128, kmip: Kmip.SHA_512,     ckm: CKM.SHA512,     digestInfo: '3051300d060960864801650304020305000440', ckg: CKG.MGF1_SHA512,   prf: CKP.PKCS5_PBKD2_HMAC_SHA512 },
  SHA_512_224: { node: 'sha512-224', bytes: 28, blockBytes: 128, kmip: Kmip.SHA_512_224, ckm: CKM.SHA512_224, digestInfo: '302d300d06096086480165030402050500041c', prf: CKP.PKCS5_PBKD2_HMAC_SHA512_224 },
  SHA_512_256: { node: 'sha512-256', bytes: 32, blockBytes: 128, kmip: Kmip.SHA_512_256, ckm: CKM.SHA512_256, digestInfo: '3031300d060960864801650304020605000420', prf: CKP.PKCS5_PBKD2_HMAC_SHA512_256 },
  SHA3_224:    { node: 'sha3-224',   bytes: 28, blockBytes: 144, kmip: Kmip.SHA3_224,    ckm: CKM.SHA3_224,   digestInfo: '302d300d06096086480165030402070500041c', ckg: CKG.MGF1_SHA3_224 },
  SHA3_256:    { node: 'sha3-256',   bytes: 32, blockBytes: 136, kmip: Kmip.SHA3_256,    ckm: CKM.SHA3_256,   digestInfo: '3031300d060960864801650304020805000420', ckg: CKG.MGF1_SHA3_256 },
  SHA3_384:    { node: 'sha3-384',   bytes: 48, blockBytes: 104, kmip: Kmip.SHA3_384,    ckm: CKM.SHA3_384,   digestInfo: '3041300d060960864801650304020905000430', ckg: CKG.MGF1_SHA3_384 },
  SHA3_512:    { node: 'sha3-512',   bytes: 64, blockBytes: 72,  kmip: Kmip.SHA3_512,    ckm: CKM.SHA3_512,   digestInfo: '3051300d060960864801650304020a05000440', ckg: CKG.MGF1_SHA3_512 },
} as const satisfies Record<string, HashRow>
export type Hash = keyof typeof HASHES

export function hashRow(hash: Hash): HashRow {
  return HASHES[hash]
}

const BY_KMIP = new Map<number, Hash>(
  Object.entries(HASHES).map(([name, { kmip }]) => [kmip, name as Hash]),
)

/** The hash with this KMIP Hashing Algorithm; undefined when it is not offered. */
export function hashOfKmip(kmip: number): Hash | undefined {
  return BY_KMIP.get(kmip)
}

const BY_CKM = new Map<number, Hash>(
  Object.entries(HASHES).map(([name, { ckm }]) => [ckm, name as Hash]),
)
const BY_CKG = new Map<number, Hash>(
  Object.entries<HashRow>(HASHES).flatMap(([name, { ckg }]) => {
    return ckg === undefined ? [] : [[ckg, name as Hash] as const]
  }),
)

/** The hash that is this mechanism of PKCS#11. */
export function hashOfCkm(ckm: number): Hash | undefined {
  return BY_CKM.get(ckm)
}

/** The hash of this mask generation function of PKCS#11. */
export function hashOfCkg(ckg: number): Hash | undefined {
  return BY_CKG.get(ckg)
}
