/**
 * The smaller groups of constants of PKCS#11.
 *
 * PKCS#11 3.2 `pkcs11t.h`, names without their prefix.
 *
 * @module
 */

/** Constants without a group. */
// biome-ignore format: a table
export const CK = {
  EFFECTIVELY_INFINITE:                 0x00000000,
  UNAVAILABLE_INFORMATION:              0xffff_ffff_ffff_ffffn,
  INVALID_HANDLE:                       0x00000000,
  TRUE:                                 0x00000001,
  FALSE:                                0x00000000,
  CERTIFICATE_CATEGORY_UNSPECIFIED:     0x00000000,
  CERTIFICATE_CATEGORY_TOKEN_USER:      0x00000001,
  CERTIFICATE_CATEGORY_AUTHORITY:       0x00000002,
  CERTIFICATE_CATEGORY_OTHER_ENTITY:    0x00000003,
  OTP_VALUE:                            0x00000000,
  OTP_PIN:                              0x00000001,
  OTP_CHALLENGE:                        0x00000002,
  OTP_TIME:                             0x00000003,
  OTP_COUNTER:                          0x00000004,
  OTP_FLAGS:                            0x00000005,
  OTP_OUTPUT_LENGTH:                    0x00000006,
  OTP_OUTPUT_FORMAT:                    0x00000007,
  OTP_FORMAT_DECIMAL:                   0x00000000,
  OTP_FORMAT_HEXADECIMAL:               0x00000001,
  OTP_FORMAT_ALPHANUMERIC:              0x00000002,
  OTP_FORMAT_BINARY:                    0x00000003,
  OTP_PARAM_IGNORED:                    0x00000000,
  OTP_PARAM_OPTIONAL:                   0x00000001,
  OTP_PARAM_MANDATORY:                  0x00000002,
  SECURITY_DOMAIN_UNSPECIFIED:          0x00000000,
  SECURITY_DOMAIN_MANUFACTURER:         0x00000001,
  SECURITY_DOMAIN_OPERATOR:             0x00000002,
  SECURITY_DOMAIN_THIRD_PARTY:          0x00000003,
  SP800_108_ITERATION_VARIABLE:         0x00000001,
  SP800_108_OPTIONAL_COUNTER:           0x00000002,
  SP800_108_COUNTER:                    0x00000002,
  SP800_108_DKM_LENGTH:                 0x00000003,
  SP800_108_BYTE_ARRAY:                 0x00000004,
  SP800_108_KEY_HANDLE:                 0x00000005,
  SP800_108_DKM_LENGTH_SUM_OF_KEYS:     0x00000001,
  SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS: 0x00000002,
} as const
export type CK = (typeof CK)[keyof typeof CK]

/** Certificate types. */
// biome-ignore format: a table
export const CKC = {
  X_509:           0x00000000,
  X_509_ATTR_CERT: 0x00000001,
  WTLS:            0x00000002,
  VENDOR_DEFINED:  0x80000000,
} as const
export type CKC = (typeof CKC)[keyof typeof CKC]

/** Key derivation functions of Diffie-Hellman. */
// biome-ignore format: a table
export const CKD = {
  NULL:                 0x00000001,
  SHA1_KDF:             0x00000002,
  SHA1_KDF_ASN1:        0x00000003,
  SHA1_KDF_CONCATENATE: 0x00000004,
  SHA224_KDF:           0x00000005,
  SHA256_KDF:           0x00000006,
  SHA384_KDF:           0x00000007,
  SHA512_KDF:           0x00000008,
  CPDIVERSIFY_KDF:      0x00000009,
  SHA3_224_KDF:         0x0000000a,
  SHA3_256_KDF:         0x0000000b,
  SHA3_384_KDF:         0x0000000c,
  SHA3_512_KDF:         0x0000000d,
  SHA1_KDF_SP800:       0x0000000e,
  SHA224_KDF_SP800:     0x0000000f,
  SHA256_KDF_SP800:     0x00000010,
  SHA384_KDF_SP800:     0x00000011,
  SHA512_KDF_SP800:     0x00000012,
  SHA3_224_KDF_SP800:   0x00000013,
  SHA3_256_KDF_SP800:   0x00000014,
  SHA3_384_KDF_SP800:   0x00000015,
  SHA3_512_KDF_SP800:   0x00000016,
  BLAKE2B_160_KDF:      0x00000017,
  BLAKE2B_256_KDF:      0x00000018,
  BLAKE2B_384_KDF:      0x00000019,
  BLAKE2B_512_KDF:      0x0000001a,
} as const
export type CKD = (typeof CKD)[keyof typeof CKD]

/** Mask generation functions, and generators of message IVs. */
// biome-ignore format: a table
export const CKG = {
  NO_GENERATE:          0x00000000,
  GENERATE:             0x00000001,
  GENERATE_COUNTER:     0x00000002,
  GENERATE_RANDOM:      0x00000003,
  GENERATE_COUNTER_XOR: 0x00000004,
  MGF1_SHA1:            0x00000001,
  MGF1_SHA256:          0x00000002,
  MGF1_SHA384:          0x00000003,
  MGF1_SHA512:          0x00000004,
  MGF1_SHA224:          0x00000005,
  MGF1_SHA3_224:        0x00000006,
  MGF1_SHA3_256:        0x00000007,
  MGF1_SHA3_384:        0x00000008,
  MGF1_SHA3_512:        0x00000009,
} as const
export type CKG = (typeof CKG)[keyof typeof CKG]

/** Hardware feature types, and hedging of signatures. */
// biome-ignore format: a table
export const CKH = {
  MONOTONIC_COUNTER:      0x00000001,
  CLOCK:                  0x00000002,
  USER_INTERFACE:         0x00000003,
  VENDOR_DEFINED:         0x80000000,
  HEDGE_PREFERRED:        0x00000000,
  HEDGE_REQUIRED:         0x00000001,
  DETERMINISTIC_REQUIRED: 0x00000002,
} as const
export type CKH = (typeof CKH)[keyof typeof CKH]

/** Notifications. */
// biome-ignore format: a table
export const CKN = {
  SURRENDER:   0x00000000,
  OTP_CHANGED: 0x00000001,
} as const
export type CKN = (typeof CKN)[keyof typeof CKN]

/** Profiles, PRFs of PBKDF2, and parameter sets. */
// biome-ignore format: a table
export const CKP = {
  INVALID_ID:                  0x00000000,
  BASELINE_PROVIDER:           0x00000001,
  EXTENDED_PROVIDER:           0x00000002,
  AUTHENTICATION_TOKEN:        0x00000003,
  PUBLIC_CERTIFICATES_TOKEN:   0x00000004,
  COMPLETE_PROVIDER:           0x00000005,
  HKDF_TLS_TOKEN:              0x00000006,
  VENDOR_DEFINED:              0x80000000,
  PKCS5_PBKD2_HMAC_SHA1:       0x00000001,
  PKCS5_PBKD2_HMAC_GOSTR3411:  0x00000002,
  PKCS5_PBKD2_HMAC_SHA224:     0x00000003,
  PKCS5_PBKD2_HMAC_SHA256:     0x00000004,
  PKCS5_PBKD2_HMAC_SHA384:     0x00000005,
  PKCS5_PBKD2_HMAC_SHA512:     0x00000006,
  PKCS5_PBKD2_HMAC_SHA512_224: 0x00000007,
  PKCS5_PBKD2_HMAC_SHA512_256: 0x00000008,
  ML_DSA_44:                   0x00000001,
  ML_DSA_65:                   0x00000002,
  ML_DSA_87:                   0x00000003,
  ML_KEM_512:                  0x00000001,
  ML_KEM_768:                  0x00000002,
  ML_KEM_1024:                 0x00000003,
  SLH_DSA_SHA2_128S:           0x00000001,
  SLH_DSA_SHAKE_128S:          0x00000002,
  SLH_DSA_SHA2_128F:           0x00000003,
  SLH_DSA_SHAKE_128F:          0x00000004,
  SLH_DSA_SHA2_192S:           0x00000005,
  SLH_DSA_SHAKE_192S:          0x00000006,
  SLH_DSA_SHA2_192F:           0x00000007,
  SLH_DSA_SHAKE_192F:          0x00000008,
  SLH_DSA_SHA2_256S:           0x00000009,
  SLH_DSA_SHAKE_256S:          0x0000000a,
  SLH_DSA_SHA2_256F:           0x0000000b,
  SLH_DSA_SHAKE_256F:          0x0000000c,
} as const
export type CKP = (typeof CKP)[keyof typeof CKP]

/** Session states. */
// biome-ignore format: a table
export const CKS = {
  RO_PUBLIC_SESSION:  0x00000000,
  RO_USER_FUNCTIONS:  0x00000001,
  RW_PUBLIC_SESSION:  0x00000002,
  RW_USER_FUNCTIONS:  0x00000003,
  RW_SO_FUNCTIONS:    0x00000004,
  LAST_VALIDATION_OK: 0x00000001,
} as const
export type CKS = (typeof CKS)[keyof typeof CKS]

/** Trust. */
// biome-ignore format: a table
export const CKT = {
  TRUST_UNKNOWN:           0x00000000,
  TRUSTED:                 0x00000001,
  TRUST_ANCHOR:            0x00000002,
  NOT_TRUSTED:             0x00000003,
  TRUST_MUST_VERIFY_TRUST: 0x00000004,
} as const
export type CKT = (typeof CKT)[keyof typeof CKT]

/** User types. */
// biome-ignore format: a table
export const CKU = {
  SO:               0x00000000,
  USER:             0x00000001,
  CONTEXT_SPECIFIC: 0x00000002,
} as const
export type CKU = (typeof CKU)[keyof typeof CKU]

/** Validation authorities and types. */
// biome-ignore format: a table
export const CKV = {
  AUTHORITY_TYPE_UNSPECIFIED:     0x00000000,
  AUTHORITY_TYPE_NIST_CMVP:       0x00000001,
  AUTHORITY_TYPE_COMMON_CRITERIA: 0x00000002,
  TYPE_UNSPECIFIED:               0x00000000,
  TYPE_SOFTWARE:                  0x00000001,
  TYPE_HARDWARE:                  0x00000002,
  TYPE_FIRMWARE:                  0x00000003,
  TYPE_HYBRID:                    0x00000004,
} as const
export type CKV = (typeof CKV)[keyof typeof CKV]

/** Sources of parameters. */
// biome-ignore format: a table
export const CKZ = {
  DATA_SPECIFIED: 0x00000001,
  SALT_SPECIFIED: 0x00000001,
} as const
export type CKZ = (typeof CKZ)[keyof typeof CKZ]
