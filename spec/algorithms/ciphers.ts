/**
 * Ciphers: how data is encrypted with a key, and keys are wrapped.
 *
 * KMIP 2.1 §11.5 (Block Cipher Mode) and §11.37 (Padding Method); PKCS#11 3.2 §6.1 (RSA), §6.13
 * (AES), §6.17 (DES), §6.62 (ChaCha20); RFC 3394 and RFC 5649 (key wrap), RFC 8439
 * (ChaCha20-Poly1305); NIST SP 800-38A, addendum of 2010 (ciphertext stealing, variant CBC-CS1: the
 * stolen block stands before the last, and whole blocks give what CBC gives).
 *
 * Paddings but PKCS#5 are compositions over the mode without padding: `paddings.ts` of the software
 * keystore has them.
 *
 * @module
 */
import { BlockCipherMode as Mode, PaddingMethod as Padding } from '../kmip/enumerations.ts'
import { CKM } from '../pkcs11/constants.ts'
import type { KeyAlgorithm } from './keys.ts'

export interface CipherRow {
  readonly key: KeyAlgorithm
  /** Block Cipher Mode; undefined where KMIP has none for it. */
  readonly mode?: Mode
  /** Padding Method; a cipher with several has a row for each. */
  readonly padding?: Padding
  readonly ckm?: number
  /** Name in OpenSSL; `*` stands for the length of the key in bits. Empty: not a block cipher. */
  readonly node: string
  /** Lengths of the initialisation vector that are allowed, in bytes; first the default. */
  readonly ivBytes: readonly number[]
  /** Data must be a multiple of this many bytes. */
  readonly blockBytes?: number
  /** Lengths of the tag that are allowed, in bytes; first the default. */
  readonly tagBytes?: readonly number[]
  /** Present where the nonce may have any length from 1 byte on (GCM, SP 800-38D §5.2.1.1). */
  readonly anyIv?: true
  /** Present where data must be known in whole before it starts. */
  readonly oneShot?: true
  /** Present where it wraps keys and is no cipher for data at large. */
  readonly wraps?: true
  /** Key lengths in bits, where not all of the algorithm's. */
  readonly keyBits?: readonly number[]
}

const AES_BITS = [128, 192, 256] as const
const GCM_TAGS = [16, 15, 14, 13, 12, 8, 4] as const
const CCM_TAGS = [16, 14, 12, 10, 8, 6, 4] as const
const CCM_NONCES = [12, 13, 11, 10, 9, 8, 7] as const

// biome-ignore format: a table
export const CIPHERS = {
  AES_ECB:           { key: 'AES',  mode: Mode.ECB, padding: Padding.None,      ckm: CKM.AES_ECB,     node: 'aes-*-ecb', keyBits: AES_BITS, ivBytes: [],   blockBytes: 16 },
  AES_ECB_PAD:       { key: 'AES',  mode: Mode.ECB, padding: Padding.PKCS5,                           node: 'aes-*-ecb', keyBits: AES_BITS, ivBytes: [] },
  AES_ECB_X9_23:     { key: 'AES',  mode: Mode.ECB, padding: Padding.ANSIX9_23,                       node: 'aes-*-ecb', keyBits: AES_BITS, ivBytes: [] },
  AES_ECB_10126:     { key: 'AES',  mode: Mode.ECB, padding: Padding.ISO10126,                        node: 'aes-*-ecb', keyBits: AES_BITS, ivBytes: [] },
  AES_CBC:           { key: 'AES',  mode: Mode.CBC, padding: Padding.None,      ckm: CKM.AES_CBC,     node: 'aes-*-cbc', keyBits: AES_BITS, ivBytes: [16], blockBytes: 16 },
  AES_CBC_PAD:       { key: 'AES',  mode: Mode.CBC, padding: Padding.PKCS5,     ckm: CKM.AES_CBC_PAD, node: 'aes-*-cbc', keyBits: AES_BITS, ivBytes: [16] },
  AES_CBC_X9_23:     { key: 'AES',  mode: Mode.CBC, padding: Padding.ANSIX9_23,                       node: 'aes-*-cbc', keyBits: AES_BITS, ivBytes: [16] },
  AES_CBC_10126:     { key: 'AES',  mode: Mode.CBC, padding: Padding.ISO10126,                        node: 'aes-*-cbc', keyBits: AES_BITS, ivBytes: [16] },
  AES_CTS:           { key: 'AES',                                              ckm: CKM.AES_CTS,     node: 'aes-*-cbc-cts', keyBits: AES_BITS, ivBytes: [16], oneShot: true },
  AES_CFB128:        { key: 'AES',  mode: Mode.CFB, padding: Padding.None,      ckm: CKM.AES_CFB128,  node: 'aes-*-cfb', keyBits: AES_BITS, ivBytes: [16] },
  AES_CFB8:          { key: 'AES',                                              ckm: CKM.AES_CFB8,    node: 'aes-*-cfb8', keyBits: AES_BITS, ivBytes: [16] },
  AES_CFB1:          { key: 'AES',                                              ckm: CKM.AES_CFB1,    node: 'aes-*-cfb1', keyBits: AES_BITS, ivBytes: [16] },
  AES_OFB:           { key: 'AES',  mode: Mode.OFB, padding: Padding.None,      ckm: CKM.AES_OFB,     node: 'aes-*-ofb', keyBits: AES_BITS, ivBytes: [16] },
  AES_CTR:           { key: 'AES',  mode: Mode.CTR, padding: Padding.None,      ckm: CKM.AES_CTR,     node: 'aes-*-ctr', keyBits: AES_BITS, ivBytes: [16] },
  AES_GCM:           { key: 'AES',  mode: Mode.GCM, padding: Padding.None,      ckm: CKM.AES_GCM,     node: 'aes-*-gcm', keyBits: AES_BITS, ivBytes: [12], anyIv: true, tagBytes: GCM_TAGS },
  AES_CCM:           { key: 'AES',  mode: Mode.CCM, padding: Padding.None,      ckm: CKM.AES_CCM,     node: 'aes-*-ccm', keyBits: AES_BITS, ivBytes: CCM_NONCES, tagBytes: CCM_TAGS, oneShot: true },
  AES_XTS:           { key: 'AES',  mode: Mode.XTS, padding: Padding.None,      ckm: CKM.AES_XTS,     node: 'aes-*-xts', keyBits: [256, 512], ivBytes: [16], oneShot: true },
  AES_KEY_WRAP:      { key: 'AES',  mode: Mode.NISTKeyWrap, padding: Padding.None, ckm: CKM.AES_KEY_WRAP, node: 'aes*-wrap', keyBits: AES_BITS, ivBytes: [8], blockBytes: 8, oneShot: true, wraps: true },
  AES_KEY_WRAP_KWP:  { key: 'AES',  mode: Mode.AESKeyWrapPadding, padding: Padding.None, ckm: CKM.AES_KEY_WRAP_KWP, node: 'aes*-wrap-pad', keyBits: AES_BITS, ivBytes: [4], oneShot: true, wraps: true },
  DES3_ECB:          { key: 'DES3', mode: Mode.ECB, padding: Padding.None,      ckm: CKM.DES3_ECB,     node: 'des-ede3-ecb', ivBytes: [],  blockBytes: 8 },
  DES3_ECB_PAD:      { key: 'DES3', mode: Mode.ECB, padding: Padding.PKCS5,                            node: 'des-ede3-ecb', ivBytes: [] },
  DES3_CBC:          { key: 'DES3', mode: Mode.CBC, padding: Padding.None,      ckm: CKM.DES3_CBC,     node: 'des-ede3-cbc', ivBytes: [8], blockBytes: 8 },
  DES3_CBC_PAD:      { key: 'DES3', mode: Mode.CBC, padding: Padding.PKCS5,     ckm: CKM.DES3_CBC_PAD, node: 'des-ede3-cbc', ivBytes: [8] },
  DES3_CFB64:        { key: 'DES3', mode: Mode.CFB, padding: Padding.None,      ckm: CKM.DES_CFB64,    node: 'des-ede3-cfb', ivBytes: [8] },
  DES3_OFB:          { key: 'DES3', mode: Mode.OFB, padding: Padding.None,      ckm: CKM.DES_OFB64,    node: 'des-ede3-ofb', ivBytes: [8] },
  CHACHA20:          { key: 'ChaCha20', padding: Padding.None,                  ckm: CKM.CHACHA20,     node: 'chacha20', ivBytes: [12, 16, 8] },
  CHACHA20_POLY1305: { key: 'ChaCha20Poly1305', mode: Mode.AEAD, padding: Padding.None, ckm: CKM.CHACHA20_POLY1305, node: 'chacha20-poly1305', ivBytes: [12], tagBytes: [16, 15, 14, 13, 12] },
  RSA_PKCS:          { key: 'RSA', padding: Padding.PKCS1V1_5,                  ckm: CKM.RSA_PKCS,      node: '', ivBytes: [], oneShot: true },
  RSA_PKCS_OAEP:     { key: 'RSA', padding: Padding.OAEP,                       ckm: CKM.RSA_PKCS_OAEP, node: '', ivBytes: [], oneShot: true },
  RSA_X_509:         { key: 'RSA', padding: Padding.None,                       ckm: CKM.RSA_X_509,     node: '', ivBytes: [], oneShot: true },
} as const satisfies Record<string, CipherRow>
export type Cipher = keyof typeof CIPHERS

export function cipherRow(cipher: Cipher): CipherRow {
  return CIPHERS[cipher]
}

type ByPadding = Map<number | undefined, Cipher>
type ByMode = Map<number | undefined, ByPadding>

/** By algorithm, mode and padding; where rows share these, the first. */
const BY_PARAMETERS: ReadonlyMap<KeyAlgorithm, ByMode> = byParameters()

function byParameters(): Map<KeyAlgorithm, ByMode> {
  const ciphers = new Map<KeyAlgorithm, ByMode>()
  for (const [name, { key, mode, padding }] of Object.entries<CipherRow>(CIPHERS)) {
    const modes = ciphers.get(key) ?? (new Map() as ByMode)
    const paddings = modes.get(mode) ?? (new Map() as ByPadding)
    if (!paddings.has(padding)) paddings.set(padding, name as Cipher)
    modes.set(mode, paddings)
    ciphers.set(key, modes)
  }
  return ciphers
}

/**
 * The cipher that Cryptographic Parameters of KMIP mean for a key.
 *
 * @param padding Padding Method; none given means none, but PKCS#1 v1.5 for RSA.
 */
export function cipherOfKmip(
  key: KeyAlgorithm,
  mode: number | undefined,
  padding: number | undefined,
): Cipher | undefined {
  const wanted = padding ?? (key === 'RSA' ? Padding.PKCS1V1_5 : Padding.None)
  const cipher = BY_PARAMETERS.get(key)?.get(mode)?.get(wanted)
  if (cipher !== undefined) return cipher
  // ChaCha20 keys are used with the authenticated construction when the mode says so, and back.
  if (key === 'ChaCha20' && mode === Mode.AEAD) return 'CHACHA20_POLY1305'
  return key === 'ChaCha20Poly1305' && mode === undefined ? 'CHACHA20_POLY1305' : undefined
}
