/**
 * The mechanisms of PKCS#11: what parameter each takes, which functions it serves, and how p11-kit
 * sends it.
 *
 * PKCS#11 3.2 §6 (the first table of each section), older mechanisms: 2.40 and 2.30. Parameter
 * structures are those of `structures.ts`. p11-kit's tables: 0.25.6 (mechanisms with a serializer,
 * mechanisms without parameters); mechanisms in neither cannot pass a stock client.
 *
 * @module
 */
import { CKM } from './constants.ts'
import type { StructureType } from './structures.ts'

/** What a mechanism can be used for: functions of PKCS#11, without their C_ and parts. */
export type Service =
  | 'encrypt'
  | 'decrypt'
  | 'digest'
  | 'sign'
  | 'signRecover'
  | 'verify'
  | 'verifyRecover'
  | 'generate'
  | 'generatePair'
  | 'wrap'
  | 'unwrap'
  | 'derive'
  | 'encapsulate'
  | 'decapsulate'
  | 'messageEncrypt'
  | 'messageDecrypt'
  | 'messageSign'
  | 'messageVerify'

/** None, bytes as they are (`iv`: an initialisation vector), a CK_ULONG, or a structure. */
export type ParameterKind = 'none' | 'iv' | 'bytes' | 'ulong' | StructureType

/** p11-kit's serializers. `none`: in its list of mechanisms without parameters. */
export type StockParameter =
  | 'none'
  | 'pss'
  | 'oaep'
  | 'ecdh1'
  | 'iv16'
  | 'iv8'
  | 'ctr'
  | 'gcm'
  | 'ulong'
  | 'dh'

export interface MechanismRow {
  readonly name: string
  readonly type: number
  readonly serves: readonly Service[]
  readonly parameter: ParameterKind
  /** Whether a NULL parameter is allowed where there is a structure. */
  readonly isOptional: boolean
  /** Structure of the parameter of a message. */
  readonly message: StructureType | undefined
  /** Structure for C_WrapKeyAuthenticated and C_UnwrapKeyAuthenticated. */
  readonly authenticatedWrap: StructureType | undefined
  /** Undefined: no stock client sends it. */
  readonly stock: StockParameter | undefined
}

interface Family {
  readonly serves: readonly Service[]
  readonly names: string
  readonly parameter?: ParameterKind
  readonly isOptional?: true
  readonly message?: StructureType
  readonly authenticatedWrap?: StructureType
}

const ENCRYPT = ['encrypt', 'decrypt'] as const
const WRAP = ['wrap', 'unwrap'] as const
const CIPHER = [...ENCRYPT, ...WRAP] as const
const SIGN = ['sign', 'verify'] as const
const RECOVER = [...SIGN, 'signRecover', 'verifyRecover'] as const
const MESSAGE = ['messageEncrypt', 'messageDecrypt'] as const
const DIGEST = ['digest'] as const
const GENERATE = ['generate'] as const
const PAIR = ['generatePair'] as const
const DERIVE = ['derive'] as const

/** Names with every one of some endings. */
function each(stems: string, endings: string): string {
  return stems
    .split(/\s+/)
    .flatMap((stem) => endings.split(' ').map((ending) => stem + ending))
    .join(' ')
}

const SHA2 = '224 256 384 512'
const HASHES =
  'SHA224 SHA256 SHA384 SHA512 SHA512_224 SHA512_256 SHA3_224 SHA3_256 SHA3_384 SHA3_512'
const BLAKE2B = each('BLAKE2B_', '160 256 384 512')
const HMAC_HASHES = `MD2 MD5 SHA_1 RIPEMD128 RIPEMD160 ${HASHES} SHA512_T ${BLAKE2B}`
const PQ_HASHES = `${each('SHA', SHA2)} ${each('SHA3_', SHA2)} SHAKE128 SHAKE256`

/** Mechanisms that have the same line in the standard's tables. */
// biome-ignore format: a table
const FAMILIES: readonly Family[] = [
  // RSA
  { serves: PAIR,    names: 'RSA_PKCS_KEY_PAIR_GEN RSA_X9_31_KEY_PAIR_GEN' },
  { serves: [...ENCRYPT, ...RECOVER, ...WRAP], names: 'RSA_PKCS RSA_X_509' },
  { serves: RECOVER, names: 'RSA_9796' },
  { serves: CIPHER,  names: 'RSA_PKCS_OAEP', parameter: 'CK_RSA_PKCS_OAEP_PARAMS' },
  { serves: SIGN,    names: 'RSA_PKCS_PSS', parameter: 'CK_RSA_PKCS_PSS_PARAMS' },
  { serves: SIGN,    names: each('SHA1 SHA224 SHA256 SHA384 SHA512 SHA3_224 SHA3_256 SHA3_384 SHA3_512', '_RSA_PKCS_PSS'), parameter: 'CK_RSA_PKCS_PSS_PARAMS' },
  { serves: SIGN,    names: each('MD2 MD5 RIPEMD128 RIPEMD160 SHA1 SHA224 SHA256 SHA384 SHA512 SHA3_224 SHA3_256 SHA3_384 SHA3_512', '_RSA_PKCS') },
  { serves: SIGN,    names: 'RSA_X9_31 SHA1_RSA_X9_31' },
  { serves: CIPHER,  names: 'RSA_PKCS_TPM_1_1 RSA_PKCS_OAEP_TPM_1_1' },
  { serves: WRAP,    names: 'RSA_AES_KEY_WRAP', parameter: 'CK_RSA_AES_KEY_WRAP_PARAMS' },

  // DSA
  { serves: PAIR,     names: 'DSA_KEY_PAIR_GEN' },
  { serves: GENERATE, names: 'DSA_PARAMETER_GEN DSA_FIPS_G_GEN' },
  { serves: GENERATE, names: 'DSA_PROBABILISTIC_PARAMETER_GEN DSA_PROBABLISTIC_PARAMETER_GEN DSA_SHAWE_TAYLOR_PARAMETER_GEN', parameter: 'CK_DSA_PARAMETER_GEN_PARAM' },
  { serves: SIGN,     names: `DSA DSA_SHA1 ${each('DSA_SHA DSA_SHA3_', SHA2)}` },

  // Elliptic curves
  { serves: PAIR,   names: 'EC_KEY_PAIR_GEN ECDSA_KEY_PAIR_GEN EC_KEY_PAIR_GEN_W_EXTRA_BITS EC_EDWARDS_KEY_PAIR_GEN EC_MONTGOMERY_KEY_PAIR_GEN' },
  { serves: SIGN,   names: `ECDSA ECDSA_SHA1 ${each('ECDSA_SHA ECDSA_SHA3_', SHA2)}` },
  { serves: SIGN,   names: 'EDDSA', parameter: 'CK_EDDSA_PARAMS', isOptional: true },
  { serves: SIGN,   names: 'XEDDSA', parameter: 'CK_XEDDSA_PARAMS' },
  { serves: [...DERIVE, 'encapsulate', 'decapsulate'], names: 'ECDH1_DERIVE ECDH1_COFACTOR_DERIVE', parameter: 'CK_ECDH1_DERIVE_PARAMS' },
  { serves: DERIVE, names: 'ECMQV_DERIVE', parameter: 'CK_ECMQV_DERIVE_PARAMS' },
  { serves: WRAP,   names: 'ECDH_AES_KEY_WRAP ECDH_X_AES_KEY_WRAP ECDH_COF_AES_KEY_WRAP', parameter: 'CK_ECDH_AES_KEY_WRAP_PARAMS' },
  { serves: DERIVE, names: 'PUB_KEY_FROM_PRIV_KEY' },

  // Diffie-Hellman
  { serves: PAIR,     names: 'DH_PKCS_KEY_PAIR_GEN X9_42_DH_KEY_PAIR_GEN' },
  { serves: GENERATE, names: 'DH_PKCS_PARAMETER_GEN X9_42_DH_PARAMETER_GEN' },
  { serves: [...DERIVE, 'encapsulate', 'decapsulate'], names: 'DH_PKCS_DERIVE', parameter: 'bytes' },
  { serves: DERIVE,   names: 'X9_42_DH_DERIVE', parameter: 'CK_X9_42_DH1_DERIVE_PARAMS' },
  { serves: DERIVE,   names: 'X9_42_DH_HYBRID_DERIVE', parameter: 'CK_X9_42_DH2_DERIVE_PARAMS' },
  { serves: DERIVE,   names: 'X9_42_MQV_DERIVE', parameter: 'CK_X9_42_MQV_DERIVE_PARAMS' },

  // Signal's key agreement
  { serves: DERIVE,  names: 'X3DH_INITIALIZE', parameter: 'CK_X3DH_INITIATE_PARAMS' },
  { serves: DERIVE,  names: 'X3DH_RESPOND', parameter: 'CK_X3DH_RESPOND_PARAMS' },
  { serves: DERIVE,  names: 'X2RATCHET_INITIALIZE', parameter: 'CK_X2RATCHET_INITIALIZE_PARAMS' },
  { serves: DERIVE,  names: 'X2RATCHET_RESPOND', parameter: 'CK_X2RATCHET_RESPOND_PARAMS' },
  { serves: CIPHER,  names: 'X2RATCHET_ENCRYPT X2RATCHET_DECRYPT' },

  // Post-quantum
  { serves: PAIR, names: 'ML_KEM_KEY_PAIR_GEN ML_DSA_KEY_PAIR_GEN SLH_DSA_KEY_PAIR_GEN HSS_KEY_PAIR_GEN XMSS_KEY_PAIR_GEN XMSSMT_KEY_PAIR_GEN' },
  { serves: ['encapsulate', 'decapsulate'], names: 'ML_KEM' },
  { serves: SIGN, names: 'ML_DSA SLH_DSA', parameter: 'CK_SIGN_ADDITIONAL_CONTEXT', isOptional: true },
  { serves: SIGN, names: 'HASH_ML_DSA HASH_SLH_DSA', parameter: 'CK_HASH_SIGN_ADDITIONAL_CONTEXT' },
  { serves: SIGN, names: each('HASH_ML_DSA_ HASH_SLH_DSA_', PQ_HASHES), parameter: 'CK_SIGN_ADDITIONAL_CONTEXT', isOptional: true },
  { serves: SIGN, names: 'HSS XMSS XMSSMT' },

  // Generation of secret keys
  { serves: GENERATE, names: each('GENERIC_SECRET RC2 RC4 RC5 AES AES_XTS DES DES2 DES3 CDMF CAST CAST3 CAST5 CAST128 IDEA SKIPJACK BATON JUNIPER CAMELLIA ARIA SEED BLOWFISH TWOFISH GOST28147 CHACHA20 SALSA20 POLY1305 HKDF SECURID HOTP ACTI', '_KEY_GEN') },
  { serves: GENERATE, names: each(`SHA_1 SHA512_T ${HASHES} ${BLAKE2B}`, '_KEY_GEN') },
  { serves: PAIR,     names: 'KEA_KEY_PAIR_GEN GOSTR3410_KEY_PAIR_GEN' },

  // AES
  { serves: CIPHER,  names: 'AES_ECB' },
  { serves: CIPHER,  names: 'AES_CBC AES_CBC_PAD AES_CTS AES_OFB AES_CFB1 AES_CFB8 AES_CFB64 AES_CFB128', parameter: 'iv' },
  { serves: CIPHER,  names: 'AES_CTR', parameter: 'CK_AES_CTR_PARAMS' },
  { serves: [...CIPHER, ...MESSAGE], names: 'AES_GCM', parameter: 'CK_GCM_PARAMS', message: 'CK_GCM_MESSAGE_PARAMS', authenticatedWrap: 'CK_GCM_WRAP_PARAMS' },
  { serves: [...CIPHER, ...MESSAGE], names: 'AES_CCM', parameter: 'CK_CCM_PARAMS', message: 'CK_CCM_MESSAGE_PARAMS', authenticatedWrap: 'CK_CCM_WRAP_PARAMS' },
  { serves: CIPHER,  names: 'AES_XTS', parameter: 'iv' },
  { serves: SIGN,    names: 'AES_GMAC', parameter: 'iv' },
  { serves: CIPHER,  names: 'AES_KEY_WRAP AES_KEY_WRAP_PAD AES_KEY_WRAP_KWP AES_KEY_WRAP_PKCS7', parameter: 'iv', isOptional: true },
  { serves: SIGN,    names: 'AES_XCBC_MAC AES_XCBC_MAC_96' },
  { serves: DERIVE,  names: each('DES_ DES3_ AES_ CAMELLIA_ ARIA_ SEED_', 'ECB_ENCRYPT_DATA'), parameter: 'CK_KEY_DERIVATION_STRING_DATA' },
  { serves: DERIVE,  names: each('DES_ DES3_', 'CBC_ENCRYPT_DATA'), parameter: 'CK_DES_CBC_ENCRYPT_DATA_PARAMS' },
  { serves: DERIVE,  names: 'AES_CBC_ENCRYPT_DATA', parameter: 'CK_AES_CBC_ENCRYPT_DATA_PARAMS' },
  { serves: DERIVE,  names: 'CAMELLIA_CBC_ENCRYPT_DATA', parameter: 'CK_CAMELLIA_CBC_ENCRYPT_DATA_PARAMS' },
  { serves: DERIVE,  names: 'ARIA_CBC_ENCRYPT_DATA', parameter: 'CK_ARIA_CBC_ENCRYPT_DATA_PARAMS' },
  { serves: DERIVE,  names: 'SEED_CBC_ENCRYPT_DATA', parameter: 'CK_SEED_CBC_ENCRYPT_DATA_PARAMS' },

  // Other block ciphers
  { serves: CIPHER,  names: each('DES DES3 CDMF CAST CAST3 CAST5 CAST128 IDEA CAMELLIA ARIA SEED', '_ECB') },
  { serves: CIPHER,  names: each('DES DES3 CDMF CAST CAST3 CAST5 CAST128 IDEA CAMELLIA ARIA SEED', '_CBC _CBC_PAD'), parameter: 'iv' },
  { serves: CIPHER,  names: each('BLOWFISH TWOFISH', '_CBC _CBC_PAD'), parameter: 'iv' },
  { serves: ENCRYPT, names: 'DES_OFB64 DES_OFB8 DES_CFB64 DES_CFB8', parameter: 'iv' },
  { serves: CIPHER,  names: 'CAMELLIA_CTR', parameter: 'CK_CAMELLIA_CTR_PARAMS' },
  { serves: SIGN,    names: each('AES DES DES3 CDMF CAST CAST3 CAST5 CAST128 IDEA CAMELLIA ARIA SEED', '_MAC') },
  { serves: SIGN,    names: each('AES DES DES3 CDMF CAST CAST3 CAST5 CAST128 IDEA CAMELLIA ARIA SEED', '_MAC_GENERAL'), parameter: 'ulong' },
  { serves: SIGN,    names: 'AES_CMAC DES3_CMAC' },
  { serves: SIGN,    names: 'AES_CMAC_GENERAL DES3_CMAC_GENERAL', parameter: 'ulong' },
  { serves: CIPHER,  names: 'RC2_ECB', parameter: 'ulong' },
  { serves: CIPHER,  names: 'RC2_CBC RC2_CBC_PAD', parameter: 'CK_RC2_CBC_PARAMS' },
  { serves: SIGN,    names: 'RC2_MAC', parameter: 'ulong' },
  { serves: SIGN,    names: 'RC2_MAC_GENERAL', parameter: 'CK_RC2_MAC_GENERAL_PARAMS' },
  { serves: CIPHER,  names: 'RC5_ECB', parameter: 'CK_RC5_PARAMS' },
  { serves: CIPHER,  names: 'RC5_CBC RC5_CBC_PAD', parameter: 'CK_RC5_CBC_PARAMS' },
  { serves: SIGN,    names: 'RC5_MAC', parameter: 'CK_RC5_PARAMS' },
  { serves: SIGN,    names: 'RC5_MAC_GENERAL', parameter: 'CK_RC5_MAC_GENERAL_PARAMS' },

  // Stream ciphers
  { serves: ENCRYPT, names: 'RC4' },
  { serves: CIPHER,  names: 'CHACHA20', parameter: 'CK_CHACHA20_PARAMS' },
  { serves: CIPHER,  names: 'SALSA20', parameter: 'CK_SALSA20_PARAMS' },
  { serves: [...ENCRYPT, ...MESSAGE], names: 'CHACHA20_POLY1305 SALSA20_POLY1305', parameter: 'CK_SALSA20_CHACHA20_POLY1305_PARAMS', message: 'CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS' },
  { serves: SIGN,    names: 'POLY1305' },

  // Digests
  { serves: DIGEST, names: HMAC_HASHES.replace(' SHA512_T', '') },
  { serves: DIGEST, names: 'SHA512_T', parameter: 'ulong' },
  { serves: SIGN,   names: each(HMAC_HASHES.replace(' SHA512_T', ''), '_HMAC') },
  { serves: SIGN,   names: 'SHA512_T_HMAC', parameter: 'ulong' },
  { serves: SIGN,   names: each(HMAC_HASHES, '_HMAC_GENERAL'), parameter: 'ulong' },
  { serves: DIGEST, names: 'FASTHASH GOSTR3411' },

  // Derivation
  { serves: DERIVE, names: each('MD2 MD5 SHA1 SHA224 SHA256 SHA384 SHA512 SHA512_224 SHA512_256 SHA3_224 SHA3_256 SHA3_384 SHA3_512 SHAKE_128 SHAKE_256', '_KEY_DERIVATION') },
  { serves: DERIVE, names: 'SHA512_T_KEY_DERIVATION', parameter: 'ulong' },
  { serves: DERIVE, names: each(`SHA3_224 SHA3_256 SHA3_384 SHA3_512 SHAKE_128 SHAKE_256 ${BLAKE2B}`, '_KEY_DERIVE') },
  { serves: DERIVE, names: 'CONCATENATE_BASE_AND_KEY EXTRACT_KEY_FROM_KEY', parameter: 'ulong' },
  { serves: DERIVE, names: 'CONCATENATE_BASE_AND_DATA CONCATENATE_DATA_AND_BASE XOR_BASE_AND_DATA', parameter: 'CK_KEY_DERIVATION_STRING_DATA' },
  { serves: DERIVE, names: 'HKDF_DERIVE HKDF_DATA', parameter: 'CK_HKDF_PARAMS' },
  { serves: DERIVE, names: 'SP800_108_COUNTER_KDF SP800_108_DOUBLE_PIPELINE_KDF', parameter: 'CK_SP800_108_KDF_PARAMS' },
  { serves: DERIVE, names: 'SP800_108_FEEDBACK_KDF', parameter: 'CK_SP800_108_FEEDBACK_KDF_PARAMS' },
  { serves: DERIVE, names: 'IKE2_PRF_PLUS_DERIVE', parameter: 'CK_IKE2_PRF_PLUS_DERIVE_PARAMS' },
  { serves: DERIVE, names: 'IKE_PRF_DERIVE', parameter: 'CK_IKE_PRF_DERIVE_PARAMS' },
  { serves: DERIVE, names: 'IKE1_PRF_DERIVE', parameter: 'CK_IKE1_PRF_DERIVE_PARAMS' },
  { serves: DERIVE, names: 'IKE1_EXTENDED_DERIVE', parameter: 'CK_IKE1_EXTENDED_DERIVE_PARAMS' },
  { serves: DERIVE, names: 'NULL' },

  // Passwords
  { serves: GENERATE, names: each('PBE_', 'MD2_DES_CBC MD5_DES_CBC MD5_CAST_CBC MD5_CAST3_CBC MD5_CAST5_CBC MD5_CAST128_CBC SHA1_CAST5_CBC SHA1_CAST128_CBC SHA1_RC4_128 SHA1_RC4_40 SHA1_DES3_EDE_CBC SHA1_DES2_EDE_CBC SHA1_RC2_128_CBC SHA1_RC2_40_CBC'), parameter: 'CK_PBE_PARAMS' },
  { serves: GENERATE, names: 'PBA_SHA1_WITH_SHA1_HMAC', parameter: 'CK_PBE_PARAMS' },
  { serves: GENERATE, names: 'PKCS5_PBKD2', parameter: 'CK_PKCS5_PBKD2_PARAMS2' },

  // SSL, TLS, WTLS
  { serves: GENERATE, names: 'SSL3_PRE_MASTER_KEY_GEN TLS_PRE_MASTER_KEY_GEN', parameter: 'bytes' },
  { serves: GENERATE, names: 'WTLS_PRE_MASTER_KEY_GEN', parameter: 'bytes' },
  { serves: DERIVE,   names: 'SSL3_MASTER_KEY_DERIVE SSL3_MASTER_KEY_DERIVE_DH TLS_MASTER_KEY_DERIVE TLS_MASTER_KEY_DERIVE_DH', parameter: 'CK_SSL3_MASTER_KEY_DERIVE_PARAMS' },
  { serves: DERIVE,   names: 'SSL3_KEY_AND_MAC_DERIVE TLS_KEY_AND_MAC_DERIVE', parameter: 'CK_SSL3_KEY_MAT_PARAMS' },
  { serves: DERIVE,   names: 'TLS12_MASTER_KEY_DERIVE TLS12_MASTER_KEY_DERIVE_DH', parameter: 'CK_TLS12_MASTER_KEY_DERIVE_PARAMS' },
  { serves: DERIVE,   names: 'TLS12_EXTENDED_MASTER_KEY_DERIVE TLS12_EXTENDED_MASTER_KEY_DERIVE_DH', parameter: 'CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS' },
  { serves: DERIVE,   names: 'TLS12_KEY_AND_MAC_DERIVE TLS12_KEY_SAFE_DERIVE', parameter: 'CK_TLS12_KEY_MAT_PARAMS' },
  { serves: DERIVE,   names: 'TLS_PRF', parameter: 'CK_TLS_PRF_PARAMS' },
  { serves: DERIVE,   names: 'TLS12_KDF TLS_KDF', parameter: 'CK_TLS_KDF_PARAMS' },
  { serves: SIGN,     names: 'TLS10_MAC_SERVER TLS10_MAC_CLIENT' },
  { serves: SIGN,     names: 'TLS12_MAC TLS_MAC', parameter: 'CK_TLS_MAC_PARAMS' },
  { serves: SIGN,     names: 'SSL3_MD5_MAC SSL3_SHA1_MAC', parameter: 'ulong' },
  { serves: DERIVE,   names: 'WTLS_MASTER_KEY_DERIVE WTLS_MASTER_KEY_DERIVE_DH_ECC', parameter: 'CK_WTLS_MASTER_KEY_DERIVE_PARAMS' },
  { serves: DERIVE,   names: 'WTLS_SERVER_KEY_AND_MAC_DERIVE WTLS_CLIENT_KEY_AND_MAC_DERIVE', parameter: 'CK_WTLS_KEY_MAT_PARAMS' },
  { serves: DERIVE,   names: 'WTLS_PRF', parameter: 'CK_WTLS_PRF_PARAMS' },

  // One-time passwords, CMS, CT-KIP
  { serves: SIGN,     names: 'SECURID HOTP ACTI', parameter: 'CK_OTP_PARAMS' },
  { serves: RECOVER,  names: 'CMS_SIG', parameter: 'CK_CMS_SIG_PARAMS' },
  { serves: DERIVE,   names: 'KIP_DERIVE', parameter: 'CK_KIP_PARAMS' },
  { serves: WRAP,     names: 'KIP_WRAP', parameter: 'CK_KIP_PARAMS' },
  { serves: SIGN,     names: 'KIP_MAC', parameter: 'CK_KIP_PARAMS' },

  // GOST
  { serves: SIGN,    names: 'GOSTR3410' },
  { serves: SIGN,    names: 'GOSTR3410_WITH_GOSTR3411', parameter: 'bytes' },
  { serves: WRAP,    names: 'GOSTR3410_KEY_WRAP', parameter: 'CK_GOSTR3410_KEY_WRAP_PARAMS' },
  { serves: DERIVE,  names: 'GOSTR3410_DERIVE', parameter: 'CK_GOSTR3410_DERIVE_PARAMS' },
  { serves: SIGN,    names: 'GOSTR3411_HMAC', parameter: 'bytes' },
  { serves: CIPHER,  names: 'GOST28147_ECB' },
  { serves: CIPHER,  names: 'GOST28147', parameter: 'iv' },
  { serves: SIGN,    names: 'GOST28147_MAC', parameter: 'iv' },
  { serves: WRAP,    names: 'GOST28147_KEY_WRAP', parameter: 'bytes' },

  // Fortezza and other history
  { serves: ENCRYPT, names: 'SKIPJACK_ECB64 SKIPJACK_CBC64 SKIPJACK_OFB64 SKIPJACK_CFB64 SKIPJACK_CFB32 SKIPJACK_CFB16 SKIPJACK_CFB8', parameter: 'iv' },
  { serves: ENCRYPT, names: 'BATON_ECB128 BATON_ECB96 BATON_CBC128 BATON_COUNTER BATON_SHUFFLE', parameter: 'iv' },
  { serves: ENCRYPT, names: 'JUNIPER_ECB128 JUNIPER_CBC128 JUNIPER_COUNTER JUNIPER_SHUFFLE', parameter: 'iv' },
  { serves: WRAP,    names: 'SKIPJACK_WRAP BATON_WRAP JUNIPER_WRAP KEY_WRAP_LYNKS' },
  { serves: WRAP,    names: 'SKIPJACK_PRIVATE_WRAP', parameter: 'CK_SKIPJACK_PRIVATE_WRAP_PARAMS' },
  { serves: WRAP,    names: 'SKIPJACK_RELAYX', parameter: 'CK_SKIPJACK_RELAYX_PARAMS' },
  { serves: WRAP,    names: 'KEY_WRAP_SET_OAEP', parameter: 'CK_KEY_WRAP_SET_OAEP_PARAMS' },
  { serves: DERIVE,  names: 'KEA_KEY_DERIVE KEA_DERIVE', parameter: 'CK_KEA_DERIVE_PARAMS' },
  { serves: SIGN,    names: 'FORTEZZA_TIMESTAMP' },
  { serves: [],      names: 'VENDOR_DEFINED', parameter: 'bytes' },
]

/** p11-kit's tables since 0.25.6; those of older versions are subsets. */
// biome-ignore format: a table
const STOCK: Readonly<Record<StockParameter, string>> = {
  pss: `RSA_PKCS_PSS ${each('SHA1 SHA224 SHA256 SHA384 SHA512', '_RSA_PKCS_PSS')}`,
  oaep: 'RSA_PKCS_OAEP',
  ecdh1: 'ECDH1_DERIVE',
  iv16: 'AES_CBC AES_CBC_PAD AES_OFB AES_CFB1 AES_CFB8 AES_CFB64 AES_CFB128 AES_CTS',
  iv8: 'DES_CBC DES_CBC_PAD DES3_CBC DES3_CBC_PAD DES_CFB8 DES_CFB64 DES_OFB64',
  ctr: 'AES_CTR',
  gcm: 'AES_GCM',
  ulong: `${each('SHA_1 SHA224 SHA256 SHA384 SHA512 SHA512_224 SHA512_256', '_HMAC_GENERAL')}
    AES_MAC_GENERAL AES_CMAC_GENERAL DES3_MAC_GENERAL DES3_CMAC_GENERAL`,
  dh: 'DH_PKCS_DERIVE',
  none: `RSA_PKCS_KEY_PAIR_GEN RSA_X9_31_KEY_PAIR_GEN RSA_PKCS RSA_9796 RSA_X_509 RSA_X9_31
    ${each('MD2 MD5 SHA1 SHA224 SHA256 SHA384 SHA512 RIPEMD128 RIPEMD160', '_RSA_PKCS')}
    SHA1_RSA_X9_31 DSA_KEY_PAIR_GEN DSA_PARAMETER_GEN DSA DSA_SHA1 FORTEZZA_TIMESTAMP
    EC_KEY_PAIR_GEN ECDSA ${each('ECDSA_SHA', '1 224 256 384 512')} DH_PKCS_KEY_PAIR_GEN
    DH_PKCS_PARAMETER_GEN X9_42_DH_KEY_PAIR_GEN X9_42_DH_PARAMETER_GEN KEA_KEY_PAIR_GEN
    ${each('GENERIC_SECRET RC2 RC4 RC5 AES DES DES2 DES3 CDMF CAST CAST3 CAST128 IDEA SKIPJACK BATON JUNIPER', '_KEY_GEN')}
    RC4 SSL3_PRE_MASTER_KEY_GEN TLS_PRE_MASTER_KEY_GEN
    ${each('AES RC2 DES DES3 CDMF CAST CAST3 CAST128 RC5 IDEA', '_ECB')}
    ${each('AES RC2 DES DES3 CDMF CAST CAST3 RC5 IDEA', '_MAC')}
    AES_CMAC DES3_CMAC SSL3_MD5_MAC SSL3_SHA1_MAC SKIPJACK_WRAP BATON_WRAP JUNIPER_WRAP
    ${each('MD2 MD5 SHA_1 RIPEMD128 RIPEMD160', ' _HMAC')} SHA1_KEY_DERIVATION
    ${each('SHA224 SHA256 SHA384 SHA512 SHA512_T SHA512_224 SHA512_256', ' _HMAC _KEY_DERIVATION')}
    FASTHASH KEY_WRAP_LYNKS`,
}

const stockOf = new Map<string, StockParameter>()
for (const [kind, names] of Object.entries(STOCK)) {
  for (const name of names.split(/\s+/)) stockOf.set(name, kind as StockParameter)
}

const familyOf = new Map<string, Family>()
for (const family of FAMILIES) {
  for (const name of family.names.split(/\s+/)) familyOf.set(name, family)
}

/** Every mechanism of the standard, by the header's names. */
export const MECHANISMS: readonly MechanismRow[] = Object.entries(CKM).map(([name, type]) => {
  const family: Partial<Family> = familyOf.get(name) ?? {}
  return {
    name,
    type,
    serves: family.serves ?? [],
    parameter: family.parameter ?? 'none',
    isOptional: family.isOptional === true,
    message: family.message,
    authenticatedWrap: family.authenticatedWrap,
    stock: stockOf.get(name),
  }
})

const rows = new Map<number, MechanismRow>()
for (const row of MECHANISMS) {
  // Where a number has two names, p11-kit's tables have the older one.
  if (!rows.has(row.type) || row.stock !== undefined) rows.set(row.type, row)
}

/** IBM's mechanisms that p11-kit knows since 0.25 and that take the standard's parameters. */
// biome-ignore format: a table
const STOCK_VENDOR: ReadonlyMap<number, StockParameter> = new Map([
  ...[0x8001_0001, 0x8001_0002, 0x8001_0003, 0x8001_0004, 0x8001_0025, 0x8001_0026, 0x8001_0027,
    0x8001_0028, 0x8001_0007, 0x8001_0023, 0x8001_001c, 0x8001_001f,
  ].map((type) => [type, 'none'] as const),
  ...[0x8001_001b, 0x8001_001e].map((type) => [type, 'ecdh1'] as const),
])

/** How p11-kit sends the parameter of a mechanism; undefined where it knows none. */
export function stockParameter(type: number): StockParameter | undefined {
  return rows.get(type)?.stock ?? STOCK_VENDOR.get(type)
}

/** The row of a type; undefined for vendors' mechanisms. */
export function mechanismRow(type: number): MechanismRow | undefined {
  return rows.get(type)
}
