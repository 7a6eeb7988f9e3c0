/**
 * Mechanisms that wrap and unwrap keys.
 *
 * PKCS#11 3.2 §5.18.3 and following; §6.1 (RSA), §6.13 (AES), §6.17 (DES). One row for each: the
 * keys that wrap, the cipher beneath, and how what is wrapped is made to fit it. A secret key is
 * wrapped as its bytes, a private key as PKCS#8.
 *
 * `CKM_AES_KEY_WRAP_PAD` was never one thing: here it is RFC 5649, as most tokens have it, and
 * `CKM_AES_KEY_WRAP_PKCS7` is the padding of PKCS#7 below RFC 3394.
 *
 * @module
 */
import type { WrapMechanism } from '#core/keystore.ts'
import { type Cipher, cipherRow, type KeyAlgorithm } from '#spec/algorithms.ts'
import { CKG, CKM } from '#spec/pkcs11/constants.ts'
import type { Mechanism, StructureFields } from '#spec/pkcs11/types.ts'
import { expansionOf } from './derivations/agreement.ts'
import type { Offered } from './mechanisms.ts'
import {
  cipherMeaning,
  NONCE_BYTES_MAX,
  oaepOf,
  parameterInvalid,
  tagBytesOf,
} from './parameters.ts'

export interface Wrapping {
  readonly ckm: number
  readonly cipher: Cipher
  /** Of the key that wraps. */
  readonly algorithms: readonly KeyAlgorithm[]
  /** How bytes come to whole blocks, where the cipher needs it. */
  readonly pads?: 'zeros' | 'PKCS7'
  /** Bytes of a block; with `pads`. */
  readonly blockBytes?: number
  /** Present where private keys are not wrapped so. */
  readonly secretsOnly?: true
  /** Present where the key of the cipher is agreed upon with a pair made for it. */
  readonly agrees?: true
  /** Present where nothing tells whether what was wrapped has been altered. */
  readonly bare?: true
  /** Present where blocks of what was wrapped can be put together anew: padding says little. */
  readonly blocks?: true
  /** Present where two keys under one IV tell each other. */
  readonly streams?: true
}

const AES = ['AES'] as const
const DES3 = ['DES3'] as const
const RSA = ['RSA'] as const
const EC = ['EC'] as const
const MONTGOMERY = ['X25519', 'X448'] as const
const CHACHA = ['ChaCha20', 'ChaCha20Poly1305'] as const

// biome-ignore format: a table
export const WRAPPINGS: readonly Wrapping[] = [
  { ckm: CKM.AES_KEY_WRAP,       cipher: 'AES_KEY_WRAP',      algorithms: AES },
  { ckm: CKM.AES_KEY_WRAP_PAD,   cipher: 'AES_KEY_WRAP_KWP',  algorithms: AES },
  { ckm: CKM.AES_KEY_WRAP_KWP,   cipher: 'AES_KEY_WRAP_KWP',  algorithms: AES },
  { ckm: CKM.AES_KEY_WRAP_PKCS7, cipher: 'AES_KEY_WRAP',      algorithms: AES, pads: 'PKCS7', blockBytes: 8 },
  { ckm: CKM.AES_CBC,            cipher: 'AES_CBC',           algorithms: AES, pads: 'zeros', blockBytes: 16, secretsOnly: true, bare: true, blocks: true },
  { ckm: CKM.AES_CBC_PAD,        cipher: 'AES_CBC_PAD',       algorithms: AES, blocks: true },
  { ckm: CKM.AES_GCM,            cipher: 'AES_GCM',           algorithms: AES, streams: true },
  { ckm: CKM.AES_CCM,            cipher: 'AES_CCM',           algorithms: AES, streams: true },
  { ckm: CKM.DES3_CBC,           cipher: 'DES3_CBC',          algorithms: DES3, pads: 'zeros', blockBytes: 8, secretsOnly: true, bare: true, blocks: true },
  { ckm: CKM.DES3_CBC_PAD,       cipher: 'DES3_CBC_PAD',      algorithms: DES3, blocks: true },
  { ckm: CKM.CHACHA20_POLY1305,  cipher: 'CHACHA20_POLY1305', algorithms: CHACHA, streams: true },
  { ckm: CKM.RSA_PKCS,           cipher: 'RSA_PKCS',          algorithms: RSA, secretsOnly: true },
  { ckm: CKM.RSA_PKCS_OAEP,      cipher: 'RSA_PKCS_OAEP',     algorithms: RSA, secretsOnly: true },
  { ckm: CKM.RSA_AES_KEY_WRAP,   cipher: 'RSA_PKCS_OAEP',     algorithms: RSA },
  { ckm: CKM.ECDH_AES_KEY_WRAP,     cipher: 'AES_KEY_WRAP_KWP', algorithms: EC, agrees: true },
  { ckm: CKM.ECDH_COF_AES_KEY_WRAP, cipher: 'AES_KEY_WRAP_KWP', algorithms: EC, agrees: true },
  { ckm: CKM.ECDH_X_AES_KEY_WRAP,   cipher: 'AES_KEY_WRAP_KWP', algorithms: MONTGOMERY, agrees: true },
]

const BY_CKM = new Map(WRAPPINGS.map((wrapping) => [wrapping.ckm, wrapping]))

export function wrappingOf(ckm: number): Wrapping | undefined {
  return BY_CKM.get(ckm)
}

/** @throws `CryptokiError` `CKR_MECHANISM_PARAM_INVALID`. */
export function wrapMeaning(
  offered: Offered,
  { cipher, algorithms, ckm, agrees }: Wrapping,
  { parameter }: Mechanism,
): WrapMechanism {
  if (agrees) return agreedMeaning(offered, cipher, parameter)
  if (ckm !== CKM.RSA_AES_KEY_WRAP) {
    const does = { kind: 'cipher', cipher, algorithms } as const
    return cipherMeaning(offered, does, parameter).mechanism
  }
  if (parameter === undefined || parameter instanceof Uint8Array) {
    throw parameterInvalid(offered, 'CK_RSA_AES_KEY_WRAP_PARAMS is needed')
  }
  const fields = parameter as StructureFields<'CK_RSA_AES_KEY_WRAP_PARAMS'>
  const { ulAESKeyBits: ephemeralBits, pOAEPParams } = fields
  if (pOAEPParams === undefined) throw parameterInvalid(offered, 'pOAEPParams is missing')
  assertAesBits(offered, ephemeralBits)
  return { cipher, ephemeralBits, ...oaepOf(offered, pOAEPParams) }
}

function assertAesBits(offered: Offered, bits: number): void {
  if ([128, 192, 256].includes(bits)) return
  throw parameterInvalid(offered, `an AES key of 128, 192 or 256 bits, not ${bits}`)
}

function agreedMeaning(
  offered: Offered,
  cipher: Cipher,
  parameter: Mechanism['parameter'],
): WrapMechanism {
  if (parameter === undefined || parameter instanceof Uint8Array) {
    throw parameterInvalid(offered, 'CK_ECDH_AES_KEY_WRAP_PARAMS is needed')
  }
  const fields = parameter as StructureFields<'CK_ECDH_AES_KEY_WRAP_PARAMS'>
  assertAesBits(offered, fields.ulAESKeyBits)
  const expand = expansionOf(offered, fields.kdf, fields.pSharedData)
  return { cipher, ephemeralBits: fields.ulAESKeyBits, agreement: { expand } }
}

/** What C_WrapKeyAuthenticated needs to know beyond a mechanism. */
export interface AuthenticatedMeaning {
  readonly mechanism: WrapMechanism & { readonly iv: Uint8Array }
  /** How many bytes of the IV are made here, at its end; 0 where it is given whole. */
  readonly madeBytes: number
}

/**
 * The parameter of C_WrapKeyAuthenticated and C_UnwrapKeyAuthenticated.
 *
 * @param associated What the call itself gives as associated data.
 * @throws `CryptokiError` `CKR_MECHANISM_PARAM_INVALID`.
 */
export function authenticatedMeaning(
  offered: Offered,
  { cipher }: Wrapping,
  { parameter }: Mechanism,
  associated: Uint8Array | undefined,
): AuthenticatedMeaning {
  if (parameter === undefined || parameter instanceof Uint8Array) {
    throw parameterInvalid(offered, `${offered.row.authenticatedWrap} is needed`)
  }
  const row = cipherRow(cipher)
  const isGcm = offered.row.authenticatedWrap === 'CK_GCM_WRAP_PARAMS'
  const { iv, fixedBits, generator, aad, tagBytes } = isGcm
    ? gcmFields(parameter as StructureFields<'CK_GCM_WRAP_PARAMS'>)
    : ccmFields(parameter as StructureFields<'CK_CCM_WRAP_PARAMS'>)
  const isAny = row.anyIv && iv.length > 0 && iv.length <= NONCE_BYTES_MAX
  const isLength = row.ivBytes.includes(iv.length) || isAny
  if (!isLength) throw parameterInvalid(offered, `an IV of ${iv.length} bytes`)
  const made = generator === CKG.NO_GENERATE ? 0 : iv.length * 8 - fixedBits
  if (made < 0 || made % 8 !== 0) throw parameterInvalid(offered, `${fixedBits} fixed bits`)
  return {
    mechanism: {
      cipher,
      iv,
      aad: joined(offered, aad, associated),
      tagBytes: tagBytesOf(offered, row, tagBytes),
    },
    madeBytes: made / 8,
  }
}

const NONE = new Uint8Array(0)

function gcmFields(fields: StructureFields<'CK_GCM_WRAP_PARAMS'>) {
  const { pIv, ulIvFixedBits, ivGenerator, pAAD, ulTagBits } = fields
  const common = { fixedBits: ulIvFixedBits, generator: ivGenerator, aad: pAAD }
  return { ...common, iv: pIv ?? NONE, tagBytes: ulTagBits / 8 }
}

function ccmFields(fields: StructureFields<'CK_CCM_WRAP_PARAMS'>) {
  const { pNonce, ulNonceFixedBits, nonceGenerator, pAAD, ulMACLen } = fields
  const common = { fixedBits: ulNonceFixedBits, generator: nonceGenerator, aad: pAAD }
  return { ...common, iv: pNonce ?? NONE, tagBytes: ulMACLen }
}

/** Associated data has two places, and one of them is enough. */
function joined(
  offered: Offered,
  one: Uint8Array | undefined,
  two: Uint8Array | undefined,
): Uint8Array | undefined {
  const given = [one, two].filter((bytes) => bytes !== undefined && bytes.length > 0)
  if (given.length < 2) return given[0]
  throw parameterInvalid(offered, 'associated data is given twice')
}

/** Bytes that fill whole blocks. */
export function padded(bytes: Uint8Array, { pads, blockBytes = 1 }: Wrapping): Uint8Array {
  if (pads === undefined) return bytes
  const over = bytes.length % blockBytes
  const missing = pads === 'zeros' ? (blockBytes - over) % blockBytes : blockBytes - over
  return Buffer.concat([bytes, Buffer.alloc(missing, pads === 'zeros' ? 0 : missing)])
}

/**
 * What was wrapped, without its padding; zeros stay, for nobody knows how many there were.
 *
 * @returns undefined where the padding is wrong.
 */
export function unpadded(
  bytes: Uint8Array,
  { pads, blockBytes = 1 }: Wrapping,
): Uint8Array | undefined {
  if (pads !== 'PKCS7') return bytes
  const count = bytes.at(-1) ?? 0
  const isCount = count >= 1 && count <= blockBytes && count <= bytes.length
  if (!isCount || bytes.subarray(-count).some((byte) => byte !== count)) return undefined
  return bytes.subarray(0, -count)
}
