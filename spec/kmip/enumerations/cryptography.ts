/**
 * Enumerations of algorithms and their parameters.
 *
 * KMIP 2.1 §11; 1.x values from the tables of §9.1.3.2 of each version. Values "since 3.0" are
 * those of the committee drafts of KMIP 3.0: no published version has numbers for these algorithms.
 *
 * @module
 */
import { enumTable } from '../table.ts'

// biome-ignore format: a table
export const CryptographicAlgorithm = enumTable('Cryptographic Algorithm', {
  DES:              [0x01, '1.0'],
  DES3:             [0x02, '1.0'],
  AES:              [0x03, '1.0'],
  RSA:              [0x04, '1.0'],
  DSA:              [0x05, '1.0'],
  ECDSA:            [0x06, '1.0'],
  HMAC_SHA1:        [0x07, '1.0'],
  HMAC_SHA224:      [0x08, '1.0'],
  HMAC_SHA256:      [0x09, '1.0'],
  HMAC_SHA384:      [0x0a, '1.0'],
  HMAC_SHA512:      [0x0b, '1.0'],
  HMAC_MD5:         [0x0c, '1.0'],
  DH:               [0x0d, '1.0'],
  ECDH:             [0x0e, '1.0'],
  ECMQV:            [0x0f, '1.0'],
  Blowfish:         [0x10, '1.0'],
  Camellia:         [0x11, '1.0'],
  CAST5:            [0x12, '1.0'],
  IDEA:             [0x13, '1.0'],
  MARS:             [0x14, '1.0'],
  RC2:              [0x15, '1.0'],
  RC4:              [0x16, '1.0'],
  RC5:              [0x17, '1.0'],
  SKIPJACK:         [0x18, '1.0'],
  Twofish:          [0x19, '1.0'],
  EC:               [0x1a, '1.2', { elsewhere: 0x06 }],
  OneTimePad:       [0x1b, '1.3'],
  ChaCha20:         [0x1c, '1.4'],
  Poly1305:         [0x1d, '1.4'],
  ChaCha20Poly1305: [0x1e, '1.4'],
  SHA3_224:         [0x1f, '1.4'],
  SHA3_256:         [0x20, '1.4'],
  SHA3_384:         [0x21, '1.4'],
  SHA3_512:         [0x22, '1.4'],
  HMAC_SHA3_224:    [0x23, '1.4'],
  HMAC_SHA3_256:    [0x24, '1.4'],
  HMAC_SHA3_384:    [0x25, '1.4'],
  HMAC_SHA3_512:    [0x26, '1.4'],
  SHAKE_128:        [0x27, '1.4'],
  SHAKE_256:        [0x28, '1.4'],
  ARIA:             [0x29, '2.0'],
  SEED:             [0x2a, '2.0'],
  SM2:              [0x2b, '2.0'],
  SM3:              [0x2c, '2.0'],
  SM4:              [0x2d, '2.0'],
  GOSTR34_10_2012:  [0x2e, '2.0'],
  GOSTR34_11_2012:  [0x2f, '2.0'],
  GOSTR34_13_2015:  [0x30, '2.0'],
  GOST28147_89:     [0x31, '2.0'],
  XMSS:             [0x32, '2.0'],
  SPHINCS_256:      [0x33, '2.0'],
  McEliece:         [0x34, '2.0'],
  McEliece_6960119: [0x35, '2.0'],
  McEliece_8192128: [0x36, '2.0'],
  Ed25519:          [0x37, '2.0'],
  Ed448:            [0x38, '2.0'],
  ML_KEM_512:           [0x39, '3.0'],
  ML_KEM_768:           [0x3a, '3.0'],
  ML_KEM_1024:          [0x3b, '3.0'],
  ML_DSA_44:            [0x3c, '3.0'],
  ML_DSA_65:            [0x3d, '3.0'],
  ML_DSA_87:            [0x3e, '3.0'],
  SLH_DSA_SHA2_128s:    [0x3f, '3.0'],
  SLH_DSA_SHA2_128f:    [0x40, '3.0'],
  SLH_DSA_SHA2_192s:    [0x41, '3.0'],
  SLH_DSA_SHA2_192f:    [0x42, '3.0'],
  SLH_DSA_SHA2_256s:    [0x43, '3.0'],
  SLH_DSA_SHA2_256f:    [0x44, '3.0'],
  SLH_DSA_SHAKE_128s:   [0x45, '3.0'],
  SLH_DSA_SHAKE_128f:   [0x46, '3.0'],
  SLH_DSA_SHAKE_192s:   [0x47, '3.0'],
  SLH_DSA_SHAKE_192f:   [0x48, '3.0'],
  SLH_DSA_SHAKE_256s:   [0x49, '3.0'],
  SLH_DSA_SHAKE_256f:   [0x4a, '3.0'],
})
export type CryptographicAlgorithm =
  (typeof CryptographicAlgorithm)[keyof typeof CryptographicAlgorithm]

// biome-ignore format: a table
export const BlockCipherMode = enumTable('Block Cipher Mode', {
  CBC:               [0x01, '1.0'],
  ECB:               [0x02, '1.0'],
  PCBC:              [0x03, '1.0'],
  CFB:               [0x04, '1.0'],
  OFB:               [0x05, '1.0'],
  CTR:               [0x06, '1.0'],
  CMAC:              [0x07, '1.0'],
  CCM:               [0x08, '1.0'],
  GCM:               [0x09, '1.0'],
  CBC_MAC:           [0x0a, '1.0'],
  XTS:               [0x0b, '1.0'],
  AESKeyWrapPadding: [0x0c, '1.0'],
  NISTKeyWrap:       [0x0d, '1.0'],
  X9_102AESKW:       [0x0e, '1.0'],
  X9_102TDKW:        [0x0f, '1.0'],
  X9_102AKW1:        [0x10, '1.0'],
  X9_102AKW2:        [0x11, '1.0'],
  AEAD:              [0x12, '1.4'],
})
export type BlockCipherMode = (typeof BlockCipherMode)[keyof typeof BlockCipherMode]

// biome-ignore format: a table
export const PaddingMethod = enumTable('Padding Method', {
  None:      [0x01, '1.0'],
  OAEP:      [0x02, '1.0'],
  PKCS5:     [0x03, '1.0'],
  SSL3:      [0x04, '1.0'],
  Zeros:     [0x05, '1.0'],
  ANSIX9_23: [0x06, '1.0'],
  ISO10126:  [0x07, '1.0'],
  PKCS1V1_5: [0x08, '1.0'],
  X9_31:     [0x09, '1.0'],
  PSS:       [0x0a, '1.0'],
})
export type PaddingMethod = (typeof PaddingMethod)[keyof typeof PaddingMethod]

// biome-ignore format: a table
export const HashingAlgorithm = enumTable('Hashing Algorithm', {
  MD2:         [0x01, '1.0'],
  MD4:         [0x02, '1.0'],
  MD5:         [0x03, '1.0'],
  SHA_1:       [0x04, '1.0'],
  SHA_224:     [0x05, '1.0'],
  SHA_256:     [0x06, '1.0'],
  SHA_384:     [0x07, '1.0'],
  SHA_512:     [0x08, '1.0'],
  RIPEMD_160:  [0x09, '1.0'],
  Tiger:       [0x0a, '1.0'],
  Whirlpool:   [0x0b, '1.0'],
  SHA_512_224: [0x0c, '1.2'],
  SHA_512_256: [0x0d, '1.2'],
  SHA3_224:    [0x0e, '1.4', { formerly: ['SHA_3_224', '1.4'] }],
  SHA3_256:    [0x0f, '1.4', { formerly: ['SHA_3_256', '1.4'] }],
  SHA3_384:    [0x10, '1.4', { formerly: ['SHA_3_384', '1.4'] }],
  SHA3_512:    [0x11, '1.4', { formerly: ['SHA_3_512', '1.4'] }],
})
export type HashingAlgorithm = (typeof HashingAlgorithm)[keyof typeof HashingAlgorithm]

// biome-ignore format: a table
export const DigitalSignatureAlgorithm = enumTable('Digital Signature Algorithm', {
  MD2WithRSAEncryption:      [0x01, '1.1', { formerly: ['MD2WithRSAEncryptionPKCS_1V1_5', '1.4'] }],
  MD5WithRSAEncryption:      [0x02, '1.1', { formerly: ['MD5WithRSAEncryptionPKCS_1V1_5', '1.4'] }],
  SHA_1WithRSAEncryption:    [0x03, '1.1', { formerly: ['SHA_1WithRSAEncryptionPKCS_1V1_5', '1.4'] }],
  SHA_224WithRSAEncryption:  [0x04, '1.1', { formerly: ['SHA_224WithRSAEncryptionPKCS_1V1_5', '1.4'] }],
  SHA_256WithRSAEncryption:  [0x05, '1.1', { formerly: ['SHA_256WithRSAEncryptionPKCS_1V1_5', '1.4'] }],
  SHA_384WithRSAEncryption:  [0x06, '1.1', { formerly: ['SHA_384WithRSAEncryptionPKCS_1V1_5', '1.4'] }],
  SHA_512WithRSAEncryption:  [0x07, '1.1', { formerly: ['SHA_512WithRSAEncryptionPKCS_1V1_5', '1.4'] }],
  RSASSA_PSS:                [0x08, '1.1', { formerly: ['RSASSA_PSSPKCS_1V2_1', '1.4'] }],
  DSAWithSHA_1:              [0x09, '1.1'],
  DSAWithSHA224:             [0x0a, '1.1'],
  DSAWithSHA256:             [0x0b, '1.1'],
  ECDSAWithSHA_1:            [0x0c, '1.1'],
  ECDSAWithSHA224:           [0x0d, '1.1'],
  ECDSAWithSHA256:           [0x0e, '1.1'],
  ECDSAWithSHA384:           [0x0f, '1.1'],
  ECDSAWithSHA512:           [0x10, '1.1'],
  SHA3_256WithRSAEncryption: [0x11, '1.4'],
  SHA3_384WithRSAEncryption: [0x12, '1.4'],
  SHA3_512WithRSAEncryption: [0x13, '1.4'],
})
export type DigitalSignatureAlgorithm =
  (typeof DigitalSignatureAlgorithm)[keyof typeof DigitalSignatureAlgorithm]

// biome-ignore format: a table
export const MaskGenerator = enumTable('Mask Generator', {
  MGF1: [0x01, '1.4'],
})
export type MaskGenerator = (typeof MaskGenerator)[keyof typeof MaskGenerator]

// biome-ignore format: a table
export const DerivationMethod = enumTable('Derivation Method', {
  PBKDF2:               [0x01, '1.0'],
  HASH:                 [0x02, '1.0'],
  HMAC:                 [0x03, '1.0'],
  ENCRYPT:              [0x04, '1.0'],
  NIST800_108_C:        [0x05, '1.0'],
  NIST800_108_F:        [0x06, '1.0'],
  NIST800_108_DPI:      [0x07, '1.0'],
  AsymmetricKey:        [0x08, '1.4'],
  AWSSignatureVersion4: [0x09, '2.0'],
  HKDF:                 [0x0a, '2.0'],
})
export type DerivationMethod = (typeof DerivationMethod)[keyof typeof DerivationMethod]

// biome-ignore format: a table
export const RecommendedCurve = enumTable('Recommended Curve', {
  P_192:            [0x01, '1.0'],
  K_163:            [0x02, '1.0'],
  B_163:            [0x03, '1.0'],
  P_224:            [0x04, '1.0'],
  K_233:            [0x05, '1.0'],
  B_233:            [0x06, '1.0'],
  P_256:            [0x07, '1.0'],
  K_283:            [0x08, '1.0'],
  B_283:            [0x09, '1.0'],
  P_384:            [0x0a, '1.0'],
  K_409:            [0x0b, '1.0'],
  B_409:            [0x0c, '1.0'],
  P_521:            [0x0d, '1.0'],
  K_571:            [0x0e, '1.0'],
  B_571:            [0x0f, '1.0'],
  SECP112R1:        [0x10, '1.2'],
  SECP112R2:        [0x11, '1.2'],
  SECP128R1:        [0x12, '1.2'],
  SECP128R2:        [0x13, '1.2'],
  SECP160K1:        [0x14, '1.2'],
  SECP160R1:        [0x15, '1.2'],
  SECP160R2:        [0x16, '1.2'],
  SECP192K1:        [0x17, '1.2'],
  SECP224K1:        [0x18, '1.2'],
  SECP256K1:        [0x19, '1.2'],
  SECT113R1:        [0x1a, '1.2'],
  SECT113R2:        [0x1b, '1.2'],
  SECT131R1:        [0x1c, '1.2'],
  SECT131R2:        [0x1d, '1.2'],
  SECT163R1:        [0x1e, '1.2'],
  SECT193R1:        [0x1f, '1.2'],
  SECT193R2:        [0x20, '1.2'],
  SECT239K1:        [0x21, '1.2'],
  ANSIX9P192V2:     [0x22, '1.2'],
  ANSIX9P192V3:     [0x23, '1.2'],
  ANSIX9P239V1:     [0x24, '1.2'],
  ANSIX9P239V2:     [0x25, '1.2'],
  ANSIX9P239V3:     [0x26, '1.2'],
  ANSIX9C2PNB163V1: [0x27, '1.2'],
  ANSIX9C2PNB163V2: [0x28, '1.2'],
  ANSIX9C2PNB163V3: [0x29, '1.2'],
  ANSIX9C2PNB176V1: [0x2a, '1.2'],
  ANSIX9C2TNB191V1: [0x2b, '1.2'],
  ANSIX9C2TNB191V2: [0x2c, '1.2'],
  ANSIX9C2TNB191V3: [0x2d, '1.2'],
  ANSIX9C2PNB208W1: [0x2e, '1.2'],
  ANSIX9C2TNB239V1: [0x2f, '1.2'],
  ANSIX9C2TNB239V2: [0x30, '1.2'],
  ANSIX9C2TNB239V3: [0x31, '1.2'],
  ANSIX9C2PNB272W1: [0x32, '1.2'],
  ANSIX9C2PNB304W1: [0x33, '1.2'],
  ANSIX9C2TNB359V1: [0x34, '1.2'],
  ANSIX9C2PNB368W1: [0x35, '1.2'],
  ANSIX9C2TNB431R1: [0x36, '1.2'],
  BRAINPOOLP160R1:  [0x37, '1.2'],
  BRAINPOOLP160T1:  [0x38, '1.2'],
  BRAINPOOLP192R1:  [0x39, '1.2'],
  BRAINPOOLP192T1:  [0x3a, '1.2'],
  BRAINPOOLP224R1:  [0x3b, '1.2'],
  BRAINPOOLP224T1:  [0x3c, '1.2'],
  BRAINPOOLP256R1:  [0x3d, '1.2'],
  BRAINPOOLP256T1:  [0x3e, '1.2'],
  BRAINPOOLP320R1:  [0x3f, '1.2'],
  BRAINPOOLP320T1:  [0x40, '1.2'],
  BRAINPOOLP384R1:  [0x41, '1.2'],
  BRAINPOOLP384T1:  [0x42, '1.2'],
  BRAINPOOLP512R1:  [0x43, '1.2'],
  BRAINPOOLP512T1:  [0x44, '1.2'],
  CURVE25519:       [0x45, '2.0'],
  CURVE448:         [0x46, '2.0'],
})
export type RecommendedCurve = (typeof RecommendedCurve)[keyof typeof RecommendedCurve]

// biome-ignore format: a table
export const KeyRoleType = enumTable('Key Role Type', {
  BDK:      [0x01, '1.0'],
  CVK:      [0x02, '1.0'],
  DEK:      [0x03, '1.0'],
  MKAC:     [0x04, '1.0'],
  MKSMC:    [0x05, '1.0'],
  MKSMI:    [0x06, '1.0'],
  MKDAC:    [0x07, '1.0'],
  MKDN:     [0x08, '1.0'],
  MKCP:     [0x09, '1.0'],
  MKOTH:    [0x0a, '1.0'],
  KEK:      [0x0b, '1.0'],
  MAC16609: [0x0c, '1.0'],
  MAC97971: [0x0d, '1.0'],
  MAC97972: [0x0e, '1.0'],
  MAC97973: [0x0f, '1.0'],
  MAC97974: [0x10, '1.0'],
  MAC97975: [0x11, '1.0'],
  ZPK:      [0x12, '1.0'],
  PVKIBM:   [0x13, '1.0'],
  PVKPVV:   [0x14, '1.0'],
  PVKOTH:   [0x15, '1.0'],
  DUKPT:    [0x16, '1.4'],
  IV:       [0x17, '1.4'],
  TRKBK:    [0x18, '1.4'],
})
export type KeyRoleType = (typeof KeyRoleType)[keyof typeof KeyRoleType]

// biome-ignore format: a table
export const RNGAlgorithm = enumTable('RNG Algorithm', {
  Unspecified: [0x01, '1.3'],
  FIPS186_2:   [0x02, '1.3'],
  DRBG:        [0x03, '1.3'],
  NRBG:        [0x04, '1.3'],
  ANSIX9_31:   [0x05, '1.3'],
  ANSIX9_62:   [0x06, '1.3'],
})
export type RNGAlgorithm = (typeof RNGAlgorithm)[keyof typeof RNGAlgorithm]

// biome-ignore format: a table
export const DRBGAlgorithm = enumTable('DRBG Algorithm', {
  Unspecified: [0x01, '1.3'],
  Dual_EC:     [0x02, '1.3'],
  Hash:        [0x03, '1.3'],
  HMAC:        [0x04, '1.3'],
  CTR:         [0x05, '1.3'],
})
export type DRBGAlgorithm = (typeof DRBGAlgorithm)[keyof typeof DRBGAlgorithm]

// biome-ignore format: a table
export const FIPS186Variation = enumTable('FIPS186 Variation', {
  Unspecified:     [0x01, '1.3'],
  GPXOriginal:     [0x02, '1.3'],
  GPXChangeNotice: [0x03, '1.3'],
  XOriginal:       [0x04, '1.3'],
  XChangeNotice:   [0x05, '1.3'],
  KOriginal:       [0x06, '1.3'],
  KChangeNotice:   [0x07, '1.3'],
})
export type FIPS186Variation = (typeof FIPS186Variation)[keyof typeof FIPS186Variation]
