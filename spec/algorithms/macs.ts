/**
 * Message authentication codes.
 *
 * KMIP 2.1 §6.1.32 (MAC: the algorithm is that of Cryptographic Parameters, or CMAC and such as a
 * Block Cipher Mode); PKCS#11 3.2 §6.13.7 (AES-CMAC), §6.20 (HMAC); FIPS 198-1, SP 800-38B, SP
 * 800-38D.
 *
 * @module
 */
import { CryptographicAlgorithm as Kmip, BlockCipherMode as Mode } from '../kmip/enumerations.ts'
import { CKM } from '../pkcs11/constants.ts'
import type { Hash } from './hashes.ts'

export interface MacRow {
  /** Name of the function for `createMac` of node:crypto; HMAC goes by its hash instead. */
  readonly node: 'hmac' | 'cmac' | 'gmac' | 'poly1305'
  readonly hash?: Hash
  /** Block cipher beneath, `*` being the key length in bits. */
  readonly cipher?: string
  readonly bytes: number
  readonly kmip?: Kmip
  readonly mode?: Mode
  readonly ckm?: number
  /** The form of PKCS#11 that takes the length of the output as its parameter. */
  readonly general?: number
  /** Present where a nonce is needed. */
  readonly nonce?: true
}

// biome-ignore format: a table
export const MACS = {
  HMAC_MD5:      { node: 'hmac', hash: 'MD5',      bytes: 16, kmip: Kmip.HMAC_MD5,      ckm: CKM.MD5_HMAC,      general: CKM.MD5_HMAC_GENERAL },
  HMAC_SHA1:     { node: 'hmac', hash: 'SHA_1',    bytes: 20, kmip: Kmip.HMAC_SHA1,     ckm: CKM.SHA_1_HMAC,    general: CKM.SHA_1_HMAC_GENERAL },
  HMAC_SHA224:   { node: 'hmac', hash: 'SHA_224',  bytes: 28, kmip: Kmip.HMAC_SHA224,   ckm: CKM.SHA224_HMAC,   general: CKM.SHA224_HMAC_GENERAL },
  HMAC_SHA256:   { node: 'hmac', hash: 'SHA_256',  bytes: 32, kmip: Kmip.HMAC_SHA256,   ckm: CKM.SHA256_HMAC,   general: CKM.SHA256_HMAC_GENERAL },
  HMAC_SHA384:   { node: 'hmac', hash: 'SHA_384',  bytes: 48, kmip: Kmip.HMAC_SHA384,   ckm: CKM.SHA384_HMAC,   general: CKM.SHA384_HMAC_GENERAL },
  HMAC_SHA512:   { node: 'hmac', hash: 'SHA_512',  bytes: 64, kmip: Kmip.HMAC_SHA512,   ckm: CKM.SHA512_HMAC,   general: CKM.SHA512_HMAC_GENERAL },
  HMAC_SHA512_224: { node: 'hmac', hash: 'SHA_512_224', bytes: 28,                      ckm: CKM.SHA512_224_HMAC, general: CKM.SHA512_224_HMAC_GENERAL },
  HMAC_SHA512_256: { node: 'hmac', hash: 'SHA_512_256', bytes: 32,                      ckm: CKM.SHA512_256_HMAC, general: CKM.SHA512_256_HMAC_GENERAL },
  HMAC_SHA3_224: { node: 'hmac', hash: 'SHA3_224', bytes: 28, kmip: Kmip.HMAC_SHA3_224, ckm: CKM.SHA3_224_HMAC, general: CKM.SHA3_224_HMAC_GENERAL },
  HMAC_SHA3_256: { node: 'hmac', hash: 'SHA3_256', bytes: 32, kmip: Kmip.HMAC_SHA3_256, ckm: CKM.SHA3_256_HMAC, general: CKM.SHA3_256_HMAC_GENERAL },
  HMAC_SHA3_384: { node: 'hmac', hash: 'SHA3_384', bytes: 48, kmip: Kmip.HMAC_SHA3_384, ckm: CKM.SHA3_384_HMAC, general: CKM.SHA3_384_HMAC_GENERAL },
  HMAC_SHA3_512: { node: 'hmac', hash: 'SHA3_512', bytes: 64, kmip: Kmip.HMAC_SHA3_512, ckm: CKM.SHA3_512_HMAC, general: CKM.SHA3_512_HMAC_GENERAL },
  AES_CMAC:      { node: 'cmac', cipher: 'aes-*-cbc',    bytes: 16, mode: Mode.CMAC, ckm: CKM.AES_CMAC,  general: CKM.AES_CMAC_GENERAL },
  DES3_CMAC:     { node: 'cmac', cipher: 'des-ede3-cbc', bytes: 8,  mode: Mode.CMAC, ckm: CKM.DES3_CMAC, general: CKM.DES3_CMAC_GENERAL },
  AES_GMAC:      { node: 'gmac', cipher: 'aes-*-gcm',    bytes: 16, mode: Mode.GCM,  ckm: CKM.AES_GMAC,  nonce: true },
  POLY1305:      { node: 'poly1305', bytes: 16, kmip: Kmip.Poly1305, ckm: CKM.POLY1305 },
} as const satisfies Record<string, MacRow>
export type Mac = keyof typeof MACS

export function macRow(mac: Mac): MacRow {
  return MACS[mac]
}

const BY_KMIP = new Map<number, Mac>()
const BY_HASH = new Map<Hash, Mac>()
for (const [name, row] of Object.entries<MacRow>(MACS)) {
  if (row.kmip !== undefined) BY_KMIP.set(row.kmip, name as Mac)
  if (row.hash !== undefined) BY_HASH.set(row.hash, name as Mac)
}

/** The MAC with this Cryptographic Algorithm of KMIP. */
export function macOfKmip(kmip: number): Mac | undefined {
  return BY_KMIP.get(kmip)
}

/** HMAC over a hash. */
export function hmacOf(hash: Hash): Mac | undefined {
  return BY_HASH.get(hash)
}
