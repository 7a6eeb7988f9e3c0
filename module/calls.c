/*
 * The functions of PKCS#11, each as a remote call.
 *
 * Printed by tools/print-module.ts from spec/pkcs11; change the tables, not this file.
 */

#include "claviger.h"
#include "calls.h"

static const struct member members_CK_INFO[] = {
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_INFO, cryptokiVersion),
     .size = sizeof(((CK_INFO *)NULL)->cryptokiVersion)},
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_INFO, manufacturerID),
     .size = sizeof(((CK_INFO *)NULL)->manufacturerID)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_INFO, flags)},
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_INFO, libraryDescription),
     .size = sizeof(((CK_INFO *)NULL)->libraryDescription)},
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_INFO, libraryVersion),
     .size = sizeof(((CK_INFO *)NULL)->libraryVersion)},
};
STRUCTURE(CK_INFO);

static const struct member members_CK_SLOT_INFO[] = {
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_SLOT_INFO, slotDescription),
     .size = sizeof(((CK_SLOT_INFO *)NULL)->slotDescription)},
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_SLOT_INFO, manufacturerID),
     .size = sizeof(((CK_SLOT_INFO *)NULL)->manufacturerID)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_SLOT_INFO, flags)},
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_SLOT_INFO, hardwareVersion),
     .size = sizeof(((CK_SLOT_INFO *)NULL)->hardwareVersion)},
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_SLOT_INFO, firmwareVersion),
     .size = sizeof(((CK_SLOT_INFO *)NULL)->firmwareVersion)},
};
STRUCTURE(CK_SLOT_INFO);

static const struct member members_CK_TOKEN_INFO[] = {
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_TOKEN_INFO, label),
     .size = sizeof(((CK_TOKEN_INFO *)NULL)->label)},
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_TOKEN_INFO, manufacturerID),
     .size = sizeof(((CK_TOKEN_INFO *)NULL)->manufacturerID)},
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_TOKEN_INFO, model),
     .size = sizeof(((CK_TOKEN_INFO *)NULL)->model)},
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_TOKEN_INFO, serialNumber),
     .size = sizeof(((CK_TOKEN_INFO *)NULL)->serialNumber)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_TOKEN_INFO, flags)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_TOKEN_INFO, ulMaxSessionCount)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_TOKEN_INFO, ulSessionCount)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_TOKEN_INFO, ulMaxRwSessionCount)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_TOKEN_INFO, ulRwSessionCount)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_TOKEN_INFO, ulMaxPinLen)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_TOKEN_INFO, ulMinPinLen)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_TOKEN_INFO, ulTotalPublicMemory)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_TOKEN_INFO, ulFreePublicMemory)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_TOKEN_INFO, ulTotalPrivateMemory)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_TOKEN_INFO, ulFreePrivateMemory)},
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_TOKEN_INFO, hardwareVersion),
     .size = sizeof(((CK_TOKEN_INFO *)NULL)->hardwareVersion)},
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_TOKEN_INFO, firmwareVersion),
     .size = sizeof(((CK_TOKEN_INFO *)NULL)->firmwareVersion)},
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_TOKEN_INFO, utcTime),
     .size = sizeof(((CK_TOKEN_INFO *)NULL)->utcTime)},
};
STRUCTURE(CK_TOKEN_INFO);

static const struct member members_CK_MECHANISM_INFO[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_MECHANISM_INFO, ulMinKeySize)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_MECHANISM_INFO, ulMaxKeySize)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_MECHANISM_INFO, flags)},
};
STRUCTURE(CK_MECHANISM_INFO);

static const struct member members_CK_SESSION_INFO[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_SESSION_INFO, slotID)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_SESSION_INFO, state)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_SESSION_INFO, flags)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_SESSION_INFO, ulDeviceError)},
};
STRUCTURE(CK_SESSION_INFO);

static const struct member members_CK_RSA_PKCS_OAEP_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_RSA_PKCS_OAEP_PARAMS, hashAlg)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_RSA_PKCS_OAEP_PARAMS, mgf)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_RSA_PKCS_OAEP_PARAMS, source)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_RSA_PKCS_OAEP_PARAMS, pSourceData),
     .length_offset = offsetof(CK_RSA_PKCS_OAEP_PARAMS, ulSourceDataLen)},
};
STRUCTURE(CK_RSA_PKCS_OAEP_PARAMS);

static const struct member members_CK_RSA_PKCS_PSS_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_RSA_PKCS_PSS_PARAMS, hashAlg)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_RSA_PKCS_PSS_PARAMS, mgf)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_RSA_PKCS_PSS_PARAMS, sLen)},
};
STRUCTURE(CK_RSA_PKCS_PSS_PARAMS);

static const struct member members_CK_SIGN_ADDITIONAL_CONTEXT[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_SIGN_ADDITIONAL_CONTEXT, hedgeVariant)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_SIGN_ADDITIONAL_CONTEXT, pContext),
     .length_offset = offsetof(CK_SIGN_ADDITIONAL_CONTEXT, ulContextLen)},
};
STRUCTURE(CK_SIGN_ADDITIONAL_CONTEXT);

static const struct member members_CK_HASH_SIGN_ADDITIONAL_CONTEXT[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_HASH_SIGN_ADDITIONAL_CONTEXT, hedgeVariant)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_HASH_SIGN_ADDITIONAL_CONTEXT, pContext),
     .length_offset = offsetof(CK_HASH_SIGN_ADDITIONAL_CONTEXT, ulContextLen)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_HASH_SIGN_ADDITIONAL_CONTEXT, hash)},
};
STRUCTURE(CK_HASH_SIGN_ADDITIONAL_CONTEXT);

static const struct member members_CK_X9_42_DH1_DERIVE_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X9_42_DH1_DERIVE_PARAMS, kdf)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_X9_42_DH1_DERIVE_PARAMS, pOtherInfo),
     .length_offset = offsetof(CK_X9_42_DH1_DERIVE_PARAMS, ulOtherInfoLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_X9_42_DH1_DERIVE_PARAMS, pPublicData),
     .length_offset = offsetof(CK_X9_42_DH1_DERIVE_PARAMS, ulPublicDataLen)},
};
STRUCTURE(CK_X9_42_DH1_DERIVE_PARAMS);

static const struct member members_CK_X9_42_DH2_DERIVE_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X9_42_DH2_DERIVE_PARAMS, kdf)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_X9_42_DH2_DERIVE_PARAMS, pOtherInfo),
     .length_offset = offsetof(CK_X9_42_DH2_DERIVE_PARAMS, ulOtherInfoLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_X9_42_DH2_DERIVE_PARAMS, pPublicData),
     .length_offset = offsetof(CK_X9_42_DH2_DERIVE_PARAMS, ulPublicDataLen)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X9_42_DH2_DERIVE_PARAMS, ulPrivateDataLen)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X9_42_DH2_DERIVE_PARAMS, hPrivateData)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_X9_42_DH2_DERIVE_PARAMS, pPublicData2),
     .length_offset = offsetof(CK_X9_42_DH2_DERIVE_PARAMS, ulPublicDataLen2)},
};
STRUCTURE(CK_X9_42_DH2_DERIVE_PARAMS);

static const struct member members_CK_X9_42_MQV_DERIVE_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X9_42_MQV_DERIVE_PARAMS, kdf)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_X9_42_MQV_DERIVE_PARAMS, OtherInfo),
     .length_offset = offsetof(CK_X9_42_MQV_DERIVE_PARAMS, ulOtherInfoLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_X9_42_MQV_DERIVE_PARAMS, PublicData),
     .length_offset = offsetof(CK_X9_42_MQV_DERIVE_PARAMS, ulPublicDataLen)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X9_42_MQV_DERIVE_PARAMS, ulPrivateDataLen)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X9_42_MQV_DERIVE_PARAMS, hPrivateData)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_X9_42_MQV_DERIVE_PARAMS, PublicData2),
     .length_offset = offsetof(CK_X9_42_MQV_DERIVE_PARAMS, ulPublicDataLen2)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X9_42_MQV_DERIVE_PARAMS, publicKey)},
};
STRUCTURE(CK_X9_42_MQV_DERIVE_PARAMS);

static const struct member members_CK_VERSION[] = {
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_VERSION, major),
     .size = sizeof(((CK_VERSION *)NULL)->major)},
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_VERSION, minor),
     .size = sizeof(((CK_VERSION *)NULL)->minor)},
};
STRUCTURE(CK_VERSION);

static const struct member members_CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS[] = {
    {.kind = ULONG_MEMBER,
     .offset = offsetof(CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS, prfHashMechanism)},
    {.kind = BYTES_MEMBER,
     .offset = offsetof(CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS, pSessionHash),
     .length_offset = offsetof(CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS, ulSessionHashLen)},
    {.kind = STRUCTURE_POINTER_MEMBER,
     .offset = offsetof(CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS, pVersion),
     .structure = &structure_CK_VERSION, .direction = BOTH},
};
STRUCTURE(CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS);

static const struct member members_CK_RC2_CBC_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_RC2_CBC_PARAMS, ulEffectiveBits)},
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_RC2_CBC_PARAMS, iv),
     .size = sizeof(((CK_RC2_CBC_PARAMS *)NULL)->iv)},
};
STRUCTURE(CK_RC2_CBC_PARAMS);

static const struct member members_CK_RC2_MAC_GENERAL_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_RC2_MAC_GENERAL_PARAMS, ulEffectiveBits)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_RC2_MAC_GENERAL_PARAMS, ulMacLength)},
};
STRUCTURE(CK_RC2_MAC_GENERAL_PARAMS);

static const struct member members_CK_OTP_PARAM[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_OTP_PARAM, type)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_OTP_PARAM, pValue),
     .length_offset = offsetof(CK_OTP_PARAM, ulValueLen)},
};
STRUCTURE(CK_OTP_PARAM);

static const struct member members_CK_OTP_PARAMS[] = {
    {.kind = ARRAY_MEMBER, .offset = offsetof(CK_OTP_PARAMS, pParams),
     .length_offset = offsetof(CK_OTP_PARAMS, ulCount), .structure = &structure_CK_OTP_PARAM},
};
STRUCTURE(CK_OTP_PARAMS);

static const struct member members_CK_RC5_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_RC5_PARAMS, ulWordsize)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_RC5_PARAMS, ulRounds)},
};
STRUCTURE(CK_RC5_PARAMS);

static const struct member members_CK_RC5_CBC_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_RC5_CBC_PARAMS, ulWordsize)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_RC5_CBC_PARAMS, ulRounds)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_RC5_CBC_PARAMS, pIv),
     .length_offset = offsetof(CK_RC5_CBC_PARAMS, ulIvLen)},
};
STRUCTURE(CK_RC5_CBC_PARAMS);

static const struct member members_CK_RC5_MAC_GENERAL_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_RC5_MAC_GENERAL_PARAMS, ulWordsize)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_RC5_MAC_GENERAL_PARAMS, ulRounds)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_RC5_MAC_GENERAL_PARAMS, ulMacLength)},
};
STRUCTURE(CK_RC5_MAC_GENERAL_PARAMS);

static const struct member members_CK_KEY_DERIVATION_STRING_DATA[] = {
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_KEY_DERIVATION_STRING_DATA, pData),
     .length_offset = offsetof(CK_KEY_DERIVATION_STRING_DATA, ulLen)},
};
STRUCTURE(CK_KEY_DERIVATION_STRING_DATA);

static const struct member members_CK_SSL3_RANDOM_DATA[] = {
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_SSL3_RANDOM_DATA, pClientRandom),
     .length_offset = offsetof(CK_SSL3_RANDOM_DATA, ulClientRandomLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_SSL3_RANDOM_DATA, pServerRandom),
     .length_offset = offsetof(CK_SSL3_RANDOM_DATA, ulServerRandomLen)},
};
STRUCTURE(CK_SSL3_RANDOM_DATA);

static const struct member members_CK_SSL3_MASTER_KEY_DERIVE_PARAMS[] = {
    {.kind = STRUCTURE_MEMBER, .offset = offsetof(CK_SSL3_MASTER_KEY_DERIVE_PARAMS, RandomInfo),
     .structure = &structure_CK_SSL3_RANDOM_DATA},
    {.kind = STRUCTURE_POINTER_MEMBER,
     .offset = offsetof(CK_SSL3_MASTER_KEY_DERIVE_PARAMS, pVersion),
     .structure = &structure_CK_VERSION, .direction = BOTH},
};
STRUCTURE(CK_SSL3_MASTER_KEY_DERIVE_PARAMS);

static const struct member members_CK_SSL3_KEY_MAT_OUT[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_SSL3_KEY_MAT_OUT, hClientMacSecret)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_SSL3_KEY_MAT_OUT, hServerMacSecret)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_SSL3_KEY_MAT_OUT, hClientKey)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_SSL3_KEY_MAT_OUT, hServerKey)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_SSL3_KEY_MAT_OUT, pIVClient),
     .length_offset = offsetof(CK_SSL3_KEY_MAT_PARAMS, ulIVSizeInBits), .is_outer_length = true,
     .unit = IN_BITS, .direction = WRITTEN},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_SSL3_KEY_MAT_OUT, pIVServer),
     .length_offset = offsetof(CK_SSL3_KEY_MAT_PARAMS, ulIVSizeInBits), .is_outer_length = true,
     .unit = IN_BITS, .direction = WRITTEN},
};
STRUCTURE(CK_SSL3_KEY_MAT_OUT);

static const struct member members_CK_SSL3_KEY_MAT_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_SSL3_KEY_MAT_PARAMS, ulMacSizeInBits)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_SSL3_KEY_MAT_PARAMS, ulKeySizeInBits)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_SSL3_KEY_MAT_PARAMS, ulIVSizeInBits)},
    {.kind = BOOL_MEMBER, .offset = offsetof(CK_SSL3_KEY_MAT_PARAMS, bIsExport)},
    {.kind = STRUCTURE_MEMBER, .offset = offsetof(CK_SSL3_KEY_MAT_PARAMS, RandomInfo),
     .structure = &structure_CK_SSL3_RANDOM_DATA},
    {.kind = STRUCTURE_POINTER_MEMBER,
     .offset = offsetof(CK_SSL3_KEY_MAT_PARAMS, pReturnedKeyMaterial),
     .structure = &structure_CK_SSL3_KEY_MAT_OUT, .direction = WRITTEN},
};
STRUCTURE(CK_SSL3_KEY_MAT_PARAMS);

static const struct member members_CK_TLS_PRF_PARAMS[] = {
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_TLS_PRF_PARAMS, pSeed),
     .length_offset = offsetof(CK_TLS_PRF_PARAMS, ulSeedLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_TLS_PRF_PARAMS, pLabel),
     .length_offset = offsetof(CK_TLS_PRF_PARAMS, ulLabelLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_TLS_PRF_PARAMS, pOutput),
     .length_offset = offsetof(CK_TLS_PRF_PARAMS, pulOutputLen), .is_length_pointer = true,
     .direction = WRITTEN},
};
STRUCTURE(CK_TLS_PRF_PARAMS);

static const struct member members_CK_PBE_PARAMS[] = {
    {.kind = POINTED_MEMBER, .offset = offsetof(CK_PBE_PARAMS, pInitVector), .size = 8,
     .direction = WRITTEN},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_PBE_PARAMS, pPassword),
     .length_offset = offsetof(CK_PBE_PARAMS, ulPasswordLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_PBE_PARAMS, pSalt),
     .length_offset = offsetof(CK_PBE_PARAMS, ulSaltLen)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_PBE_PARAMS, ulIteration)},
};
STRUCTURE(CK_PBE_PARAMS);

static const struct member members_CK_PKCS5_PBKD2_PARAMS2[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_PKCS5_PBKD2_PARAMS2, saltSource)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_PKCS5_PBKD2_PARAMS2, pSaltSourceData),
     .length_offset = offsetof(CK_PKCS5_PBKD2_PARAMS2, ulSaltSourceDataLen)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_PKCS5_PBKD2_PARAMS2, iterations)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_PKCS5_PBKD2_PARAMS2, prf)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_PKCS5_PBKD2_PARAMS2, pPrfData),
     .length_offset = offsetof(CK_PKCS5_PBKD2_PARAMS2, ulPrfDataLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_PKCS5_PBKD2_PARAMS2, pPassword),
     .length_offset = offsetof(CK_PKCS5_PBKD2_PARAMS2, ulPasswordLen)},
};
STRUCTURE(CK_PKCS5_PBKD2_PARAMS2);

static const struct member members_CK_WTLS_RANDOM_DATA[] = {
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_WTLS_RANDOM_DATA, pClientRandom),
     .length_offset = offsetof(CK_WTLS_RANDOM_DATA, ulClientRandomLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_WTLS_RANDOM_DATA, pServerRandom),
     .length_offset = offsetof(CK_WTLS_RANDOM_DATA, ulServerRandomLen)},
};
STRUCTURE(CK_WTLS_RANDOM_DATA);

static const struct member members_CK_WTLS_MASTER_KEY_DERIVE_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_WTLS_MASTER_KEY_DERIVE_PARAMS, DigestMechanism)},
    {.kind = STRUCTURE_MEMBER, .offset = offsetof(CK_WTLS_MASTER_KEY_DERIVE_PARAMS, RandomInfo),
     .structure = &structure_CK_WTLS_RANDOM_DATA},
    {.kind = POINTED_MEMBER, .offset = offsetof(CK_WTLS_MASTER_KEY_DERIVE_PARAMS, pVersion),
     .size = 1, .direction = BOTH},
};
STRUCTURE(CK_WTLS_MASTER_KEY_DERIVE_PARAMS);

static const struct member members_CK_WTLS_PRF_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_WTLS_PRF_PARAMS, DigestMechanism)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_WTLS_PRF_PARAMS, pSeed),
     .length_offset = offsetof(CK_WTLS_PRF_PARAMS, ulSeedLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_WTLS_PRF_PARAMS, pLabel),
     .length_offset = offsetof(CK_WTLS_PRF_PARAMS, ulLabelLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_WTLS_PRF_PARAMS, pOutput),
     .length_offset = offsetof(CK_WTLS_PRF_PARAMS, pulOutputLen), .is_length_pointer = true,
     .direction = WRITTEN},
};
STRUCTURE(CK_WTLS_PRF_PARAMS);

static const struct member members_CK_WTLS_KEY_MAT_OUT[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_WTLS_KEY_MAT_OUT, hMacSecret)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_WTLS_KEY_MAT_OUT, hKey)},
    {.kind = FOREIGN_MEMBER, .offset = offsetof(CK_WTLS_KEY_MAT_OUT, pIV)},
};
STRUCTURE(CK_WTLS_KEY_MAT_OUT);

static const struct member members_CK_WTLS_KEY_MAT_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_WTLS_KEY_MAT_PARAMS, DigestMechanism)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_WTLS_KEY_MAT_PARAMS, ulMacSizeInBits)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_WTLS_KEY_MAT_PARAMS, ulKeySizeInBits)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_WTLS_KEY_MAT_PARAMS, ulIVSizeInBits)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_WTLS_KEY_MAT_PARAMS, ulSequenceNumber)},
    {.kind = BOOL_MEMBER, .offset = offsetof(CK_WTLS_KEY_MAT_PARAMS, bIsExport)},
    {.kind = STRUCTURE_MEMBER, .offset = offsetof(CK_WTLS_KEY_MAT_PARAMS, RandomInfo),
     .structure = &structure_CK_WTLS_RANDOM_DATA},
    {.kind = STRUCTURE_POINTER_MEMBER,
     .offset = offsetof(CK_WTLS_KEY_MAT_PARAMS, pReturnedKeyMaterial),
     .structure = &structure_CK_WTLS_KEY_MAT_OUT, .direction = WRITTEN},
};
STRUCTURE(CK_WTLS_KEY_MAT_PARAMS);

static const struct member members_CK_TLS_MAC_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_TLS_MAC_PARAMS, prfHashMechanism)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_TLS_MAC_PARAMS, ulMacLength)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_TLS_MAC_PARAMS, ulServerOrClient)},
};
STRUCTURE(CK_TLS_MAC_PARAMS);

static const struct member members_CK_TLS_KDF_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_TLS_KDF_PARAMS, prfMechanism)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_TLS_KDF_PARAMS, pLabel),
     .length_offset = offsetof(CK_TLS_KDF_PARAMS, ulLabelLength)},
    {.kind = STRUCTURE_MEMBER, .offset = offsetof(CK_TLS_KDF_PARAMS, RandomInfo),
     .structure = &structure_CK_SSL3_RANDOM_DATA},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_TLS_KDF_PARAMS, pContextData),
     .length_offset = offsetof(CK_TLS_KDF_PARAMS, ulContextDataLength)},
};
STRUCTURE(CK_TLS_KDF_PARAMS);

static const struct member members_CK_TLS12_MASTER_KEY_DERIVE_PARAMS[] = {
    {.kind = STRUCTURE_MEMBER, .offset = offsetof(CK_TLS12_MASTER_KEY_DERIVE_PARAMS, RandomInfo),
     .structure = &structure_CK_SSL3_RANDOM_DATA},
    {.kind = STRUCTURE_POINTER_MEMBER,
     .offset = offsetof(CK_TLS12_MASTER_KEY_DERIVE_PARAMS, pVersion),
     .structure = &structure_CK_VERSION, .direction = BOTH},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_TLS12_MASTER_KEY_DERIVE_PARAMS, prfHashMechanism)},
};
STRUCTURE(CK_TLS12_MASTER_KEY_DERIVE_PARAMS);

static const struct member members_CK_TLS12_KEY_MAT_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_TLS12_KEY_MAT_PARAMS, ulMacSizeInBits)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_TLS12_KEY_MAT_PARAMS, ulKeySizeInBits)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_TLS12_KEY_MAT_PARAMS, ulIVSizeInBits)},
    {.kind = BOOL_MEMBER, .offset = offsetof(CK_TLS12_KEY_MAT_PARAMS, bIsExport)},
    {.kind = STRUCTURE_MEMBER, .offset = offsetof(CK_TLS12_KEY_MAT_PARAMS, RandomInfo),
     .structure = &structure_CK_SSL3_RANDOM_DATA},
    {.kind = STRUCTURE_POINTER_MEMBER,
     .offset = offsetof(CK_TLS12_KEY_MAT_PARAMS, pReturnedKeyMaterial),
     .structure = &structure_CK_SSL3_KEY_MAT_OUT, .direction = WRITTEN},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_TLS12_KEY_MAT_PARAMS, prfHashMechanism)},
};
STRUCTURE(CK_TLS12_KEY_MAT_PARAMS);

static const struct member members_CK_KEY_WRAP_SET_OAEP_PARAMS[] = {
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_KEY_WRAP_SET_OAEP_PARAMS, bBC),
     .size = sizeof(((CK_KEY_WRAP_SET_OAEP_PARAMS *)NULL)->bBC)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_KEY_WRAP_SET_OAEP_PARAMS, pX),
     .length_offset = offsetof(CK_KEY_WRAP_SET_OAEP_PARAMS, ulXLen)},
};
STRUCTURE(CK_KEY_WRAP_SET_OAEP_PARAMS);

static const struct member members_CK_CMS_SIG_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_CMS_SIG_PARAMS, certificateHandle)},
    {.kind = MECHANISM_MEMBER, .offset = offsetof(CK_CMS_SIG_PARAMS, pSigningMechanism)},
    {.kind = MECHANISM_MEMBER, .offset = offsetof(CK_CMS_SIG_PARAMS, pDigestMechanism)},
    {.kind = STRING_MEMBER, .offset = offsetof(CK_CMS_SIG_PARAMS, pContentType)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_CMS_SIG_PARAMS, pRequestedAttributes),
     .length_offset = offsetof(CK_CMS_SIG_PARAMS, ulRequestedAttributesLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_CMS_SIG_PARAMS, pRequiredAttributes),
     .length_offset = offsetof(CK_CMS_SIG_PARAMS, ulRequiredAttributesLen)},
};
STRUCTURE(CK_CMS_SIG_PARAMS);

static const struct member members_CK_KIP_PARAMS[] = {
    {.kind = MECHANISM_MEMBER, .offset = offsetof(CK_KIP_PARAMS, pMechanism)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_KIP_PARAMS, hKey)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_KIP_PARAMS, pSeed),
     .length_offset = offsetof(CK_KIP_PARAMS, ulSeedLen)},
};
STRUCTURE(CK_KIP_PARAMS);

static const struct member members_CK_CAMELLIA_CBC_ENCRYPT_DATA_PARAMS[] = {
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_CAMELLIA_CBC_ENCRYPT_DATA_PARAMS, iv),
     .size = sizeof(((CK_CAMELLIA_CBC_ENCRYPT_DATA_PARAMS *)NULL)->iv)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_CAMELLIA_CBC_ENCRYPT_DATA_PARAMS, pData),
     .length_offset = offsetof(CK_CAMELLIA_CBC_ENCRYPT_DATA_PARAMS, length)},
};
STRUCTURE(CK_CAMELLIA_CBC_ENCRYPT_DATA_PARAMS);

static const struct member members_CK_CAMELLIA_CTR_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_CAMELLIA_CTR_PARAMS, ulCounterBits)},
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_CAMELLIA_CTR_PARAMS, cb),
     .size = sizeof(((CK_CAMELLIA_CTR_PARAMS *)NULL)->cb)},
};
STRUCTURE(CK_CAMELLIA_CTR_PARAMS);

static const struct member members_CK_ARIA_CBC_ENCRYPT_DATA_PARAMS[] = {
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_ARIA_CBC_ENCRYPT_DATA_PARAMS, iv),
     .size = sizeof(((CK_ARIA_CBC_ENCRYPT_DATA_PARAMS *)NULL)->iv)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_ARIA_CBC_ENCRYPT_DATA_PARAMS, pData),
     .length_offset = offsetof(CK_ARIA_CBC_ENCRYPT_DATA_PARAMS, length)},
};
STRUCTURE(CK_ARIA_CBC_ENCRYPT_DATA_PARAMS);

static const struct member members_CK_SEED_CBC_ENCRYPT_DATA_PARAMS[] = {
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_SEED_CBC_ENCRYPT_DATA_PARAMS, iv),
     .size = sizeof(((CK_SEED_CBC_ENCRYPT_DATA_PARAMS *)NULL)->iv)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_SEED_CBC_ENCRYPT_DATA_PARAMS, pData),
     .length_offset = offsetof(CK_SEED_CBC_ENCRYPT_DATA_PARAMS, length)},
};
STRUCTURE(CK_SEED_CBC_ENCRYPT_DATA_PARAMS);

static const struct member members_CK_SKIPJACK_PRIVATE_WRAP_PARAMS[] = {
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_SKIPJACK_PRIVATE_WRAP_PARAMS, pPassword),
     .length_offset = offsetof(CK_SKIPJACK_PRIVATE_WRAP_PARAMS, ulPasswordLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_SKIPJACK_PRIVATE_WRAP_PARAMS, pPublicData),
     .length_offset = offsetof(CK_SKIPJACK_PRIVATE_WRAP_PARAMS, ulPublicDataLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_SKIPJACK_PRIVATE_WRAP_PARAMS, pRandomA),
     .length_offset = offsetof(CK_SKIPJACK_PRIVATE_WRAP_PARAMS, ulRandomLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_SKIPJACK_PRIVATE_WRAP_PARAMS, pPrimeP),
     .length_offset = offsetof(CK_SKIPJACK_PRIVATE_WRAP_PARAMS, ulPAndGLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_SKIPJACK_PRIVATE_WRAP_PARAMS, pBaseG),
     .length_offset = offsetof(CK_SKIPJACK_PRIVATE_WRAP_PARAMS, ulPAndGLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_SKIPJACK_PRIVATE_WRAP_PARAMS, pSubprimeQ),
     .length_offset = offsetof(CK_SKIPJACK_PRIVATE_WRAP_PARAMS, ulQLen)},
};
STRUCTURE(CK_SKIPJACK_PRIVATE_WRAP_PARAMS);

static const struct member members_CK_SKIPJACK_RELAYX_PARAMS[] = {
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_SKIPJACK_RELAYX_PARAMS, pOldWrappedX),
     .length_offset = offsetof(CK_SKIPJACK_RELAYX_PARAMS, ulOldWrappedXLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_SKIPJACK_RELAYX_PARAMS, pOldPassword),
     .length_offset = offsetof(CK_SKIPJACK_RELAYX_PARAMS, ulOldPasswordLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_SKIPJACK_RELAYX_PARAMS, pOldPublicData),
     .length_offset = offsetof(CK_SKIPJACK_RELAYX_PARAMS, ulOldPublicDataLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_SKIPJACK_RELAYX_PARAMS, pOldRandomA),
     .length_offset = offsetof(CK_SKIPJACK_RELAYX_PARAMS, ulOldRandomLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_SKIPJACK_RELAYX_PARAMS, pNewPassword),
     .length_offset = offsetof(CK_SKIPJACK_RELAYX_PARAMS, ulNewPasswordLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_SKIPJACK_RELAYX_PARAMS, pNewPublicData),
     .length_offset = offsetof(CK_SKIPJACK_RELAYX_PARAMS, ulNewPublicDataLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_SKIPJACK_RELAYX_PARAMS, pNewRandomA),
     .length_offset = offsetof(CK_SKIPJACK_RELAYX_PARAMS, ulNewRandomLen)},
};
STRUCTURE(CK_SKIPJACK_RELAYX_PARAMS);

static const struct member members_CK_KEA_DERIVE_PARAMS[] = {
    {.kind = BOOL_MEMBER, .offset = offsetof(CK_KEA_DERIVE_PARAMS, isSender)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_KEA_DERIVE_PARAMS, RandomA),
     .length_offset = offsetof(CK_KEA_DERIVE_PARAMS, ulRandomLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_KEA_DERIVE_PARAMS, RandomB),
     .length_offset = offsetof(CK_KEA_DERIVE_PARAMS, ulRandomLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_KEA_DERIVE_PARAMS, PublicData),
     .length_offset = offsetof(CK_KEA_DERIVE_PARAMS, ulPublicDataLen)},
};
STRUCTURE(CK_KEA_DERIVE_PARAMS);

static const struct member members_CK_ECDH1_DERIVE_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_ECDH1_DERIVE_PARAMS, kdf)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_ECDH1_DERIVE_PARAMS, pSharedData),
     .length_offset = offsetof(CK_ECDH1_DERIVE_PARAMS, ulSharedDataLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_ECDH1_DERIVE_PARAMS, pPublicData),
     .length_offset = offsetof(CK_ECDH1_DERIVE_PARAMS, ulPublicDataLen)},
};
STRUCTURE(CK_ECDH1_DERIVE_PARAMS);

static const struct member members_CK_ECMQV_DERIVE_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_ECMQV_DERIVE_PARAMS, kdf)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_ECMQV_DERIVE_PARAMS, pSharedData),
     .length_offset = offsetof(CK_ECMQV_DERIVE_PARAMS, ulSharedDataLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_ECMQV_DERIVE_PARAMS, pPublicData),
     .length_offset = offsetof(CK_ECMQV_DERIVE_PARAMS, ulPublicDataLen)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_ECMQV_DERIVE_PARAMS, ulPrivateDataLen)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_ECMQV_DERIVE_PARAMS, hPrivateData)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_ECMQV_DERIVE_PARAMS, pPublicData2),
     .length_offset = offsetof(CK_ECMQV_DERIVE_PARAMS, ulPublicDataLen2)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_ECMQV_DERIVE_PARAMS, publicKey)},
};
STRUCTURE(CK_ECMQV_DERIVE_PARAMS);

static const struct member members_CK_ECDH_AES_KEY_WRAP_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_ECDH_AES_KEY_WRAP_PARAMS, ulAESKeyBits)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_ECDH_AES_KEY_WRAP_PARAMS, kdf)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_ECDH_AES_KEY_WRAP_PARAMS, pSharedData),
     .length_offset = offsetof(CK_ECDH_AES_KEY_WRAP_PARAMS, ulSharedDataLen)},
};
STRUCTURE(CK_ECDH_AES_KEY_WRAP_PARAMS);

static const struct member members_CK_RSA_AES_KEY_WRAP_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_RSA_AES_KEY_WRAP_PARAMS, ulAESKeyBits)},
    {.kind = STRUCTURE_POINTER_MEMBER, .offset = offsetof(CK_RSA_AES_KEY_WRAP_PARAMS, pOAEPParams),
     .structure = &structure_CK_RSA_PKCS_OAEP_PARAMS},
};
STRUCTURE(CK_RSA_AES_KEY_WRAP_PARAMS);

static const struct member members_CK_AES_CTR_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_AES_CTR_PARAMS, ulCounterBits)},
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_AES_CTR_PARAMS, cb),
     .size = sizeof(((CK_AES_CTR_PARAMS *)NULL)->cb)},
};
STRUCTURE(CK_AES_CTR_PARAMS);

static const struct member members_CK_GCM_PARAMS[] = {
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_GCM_PARAMS, pIv),
     .length_offset = offsetof(CK_GCM_PARAMS, ulIvLen)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_GCM_PARAMS, ulIvBits)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_GCM_PARAMS, pAAD),
     .length_offset = offsetof(CK_GCM_PARAMS, ulAADLen)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_GCM_PARAMS, ulTagBits)},
};
STRUCTURE(CK_GCM_PARAMS);

static const struct member members_CK_CCM_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_CCM_PARAMS, ulDataLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_CCM_PARAMS, pNonce),
     .length_offset = offsetof(CK_CCM_PARAMS, ulNonceLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_CCM_PARAMS, pAAD),
     .length_offset = offsetof(CK_CCM_PARAMS, ulAADLen)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_CCM_PARAMS, ulMACLen)},
};
STRUCTURE(CK_CCM_PARAMS);

static const struct member members_CK_DES_CBC_ENCRYPT_DATA_PARAMS[] = {
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_DES_CBC_ENCRYPT_DATA_PARAMS, iv),
     .size = sizeof(((CK_DES_CBC_ENCRYPT_DATA_PARAMS *)NULL)->iv)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_DES_CBC_ENCRYPT_DATA_PARAMS, pData),
     .length_offset = offsetof(CK_DES_CBC_ENCRYPT_DATA_PARAMS, length)},
};
STRUCTURE(CK_DES_CBC_ENCRYPT_DATA_PARAMS);

static const struct member members_CK_AES_CBC_ENCRYPT_DATA_PARAMS[] = {
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_AES_CBC_ENCRYPT_DATA_PARAMS, iv),
     .size = sizeof(((CK_AES_CBC_ENCRYPT_DATA_PARAMS *)NULL)->iv)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_AES_CBC_ENCRYPT_DATA_PARAMS, pData),
     .length_offset = offsetof(CK_AES_CBC_ENCRYPT_DATA_PARAMS, length)},
};
STRUCTURE(CK_AES_CBC_ENCRYPT_DATA_PARAMS);

static const struct member members_CK_GOSTR3410_KEY_WRAP_PARAMS[] = {
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_GOSTR3410_KEY_WRAP_PARAMS, pWrapOID),
     .length_offset = offsetof(CK_GOSTR3410_KEY_WRAP_PARAMS, ulWrapOIDLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_GOSTR3410_KEY_WRAP_PARAMS, pUKM),
     .length_offset = offsetof(CK_GOSTR3410_KEY_WRAP_PARAMS, ulUKMLen)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_GOSTR3410_KEY_WRAP_PARAMS, hKey)},
};
STRUCTURE(CK_GOSTR3410_KEY_WRAP_PARAMS);

static const struct member members_CK_GOSTR3410_DERIVE_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_GOSTR3410_DERIVE_PARAMS, kdf)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_GOSTR3410_DERIVE_PARAMS, pPublicData),
     .length_offset = offsetof(CK_GOSTR3410_DERIVE_PARAMS, ulPublicDataLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_GOSTR3410_DERIVE_PARAMS, pUKM),
     .length_offset = offsetof(CK_GOSTR3410_DERIVE_PARAMS, ulUKMLen)},
};
STRUCTURE(CK_GOSTR3410_DERIVE_PARAMS);

static const struct member members_CK_CHACHA20_PARAMS[] = {
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_CHACHA20_PARAMS, pBlockCounter),
     .length_offset = offsetof(CK_CHACHA20_PARAMS, blockCounterBits), .unit = IN_BITS},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_CHACHA20_PARAMS, blockCounterBits)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_CHACHA20_PARAMS, pNonce),
     .length_offset = offsetof(CK_CHACHA20_PARAMS, ulNonceBits), .unit = IN_BITS},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_CHACHA20_PARAMS, ulNonceBits)},
};
STRUCTURE(CK_CHACHA20_PARAMS);

static const struct member members_CK_DSA_PARAMETER_GEN_PARAM[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_DSA_PARAMETER_GEN_PARAM, hash)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_DSA_PARAMETER_GEN_PARAM, pSeed),
     .length_offset = offsetof(CK_DSA_PARAMETER_GEN_PARAM, ulSeedLen)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_DSA_PARAMETER_GEN_PARAM, ulIndex)},
};
STRUCTURE(CK_DSA_PARAMETER_GEN_PARAM);

static const struct member members_CK_SALSA20_PARAMS[] = {
    {.kind = POINTED_MEMBER, .offset = offsetof(CK_SALSA20_PARAMS, pBlockCounter), .size = 8},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_SALSA20_PARAMS, pNonce),
     .length_offset = offsetof(CK_SALSA20_PARAMS, ulNonceBits), .unit = IN_BITS},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_SALSA20_PARAMS, ulNonceBits)},
};
STRUCTURE(CK_SALSA20_PARAMS);

static const struct member members_CK_SALSA20_CHACHA20_POLY1305_PARAMS[] = {
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_SALSA20_CHACHA20_POLY1305_PARAMS, pNonce),
     .length_offset = offsetof(CK_SALSA20_CHACHA20_POLY1305_PARAMS, ulNonceLen), .unit = IN_EITHER},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_SALSA20_CHACHA20_POLY1305_PARAMS, pAAD),
     .length_offset = offsetof(CK_SALSA20_CHACHA20_POLY1305_PARAMS, ulAADLen)},
};
STRUCTURE(CK_SALSA20_CHACHA20_POLY1305_PARAMS);

static const struct member members_CK_X3DH_INITIATE_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X3DH_INITIATE_PARAMS, kdf)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X3DH_INITIATE_PARAMS, pPeer_identity)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X3DH_INITIATE_PARAMS, pPeer_prekey)},
    {.kind = FOREIGN_MEMBER, .offset = offsetof(CK_X3DH_INITIATE_PARAMS, pPrekey_signature)},
    {.kind = FOREIGN_MEMBER, .offset = offsetof(CK_X3DH_INITIATE_PARAMS, pOnetime_key)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X3DH_INITIATE_PARAMS, pOwn_identity)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X3DH_INITIATE_PARAMS, pOwn_ephemeral)},
};
STRUCTURE(CK_X3DH_INITIATE_PARAMS);

static const struct member members_CK_X3DH_RESPOND_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X3DH_RESPOND_PARAMS, kdf)},
    {.kind = FOREIGN_MEMBER, .offset = offsetof(CK_X3DH_RESPOND_PARAMS, pIdentity_id)},
    {.kind = FOREIGN_MEMBER, .offset = offsetof(CK_X3DH_RESPOND_PARAMS, pPrekey_id)},
    {.kind = FOREIGN_MEMBER, .offset = offsetof(CK_X3DH_RESPOND_PARAMS, pOnetime_id)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X3DH_RESPOND_PARAMS, pInitiator_identity)},
    {.kind = FOREIGN_MEMBER, .offset = offsetof(CK_X3DH_RESPOND_PARAMS, pInitiator_ephemeral)},
};
STRUCTURE(CK_X3DH_RESPOND_PARAMS);

static const struct member members_CK_X2RATCHET_INITIALIZE_PARAMS[] = {
    {.kind = FOREIGN_MEMBER, .offset = offsetof(CK_X2RATCHET_INITIALIZE_PARAMS, sk)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X2RATCHET_INITIALIZE_PARAMS, peer_public_prekey)},
    {.kind = ULONG_MEMBER,
     .offset = offsetof(CK_X2RATCHET_INITIALIZE_PARAMS, peer_public_identity)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X2RATCHET_INITIALIZE_PARAMS, own_public_identity)},
    {.kind = BOOL_MEMBER, .offset = offsetof(CK_X2RATCHET_INITIALIZE_PARAMS, bEncryptedHeader)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X2RATCHET_INITIALIZE_PARAMS, eCurve)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X2RATCHET_INITIALIZE_PARAMS, aeadMechanism)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X2RATCHET_INITIALIZE_PARAMS, kdfMechanism)},
};
STRUCTURE(CK_X2RATCHET_INITIALIZE_PARAMS);

static const struct member members_CK_X2RATCHET_RESPOND_PARAMS[] = {
    {.kind = FOREIGN_MEMBER, .offset = offsetof(CK_X2RATCHET_RESPOND_PARAMS, sk)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X2RATCHET_RESPOND_PARAMS, own_prekey)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X2RATCHET_RESPOND_PARAMS, initiator_identity)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X2RATCHET_RESPOND_PARAMS, own_public_identity)},
    {.kind = BOOL_MEMBER, .offset = offsetof(CK_X2RATCHET_RESPOND_PARAMS, bEncryptedHeader)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X2RATCHET_RESPOND_PARAMS, eCurve)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X2RATCHET_RESPOND_PARAMS, aeadMechanism)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_X2RATCHET_RESPOND_PARAMS, kdfMechanism)},
};
STRUCTURE(CK_X2RATCHET_RESPOND_PARAMS);

static const struct member members_CK_XEDDSA_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_XEDDSA_PARAMS, hash)},
};
STRUCTURE(CK_XEDDSA_PARAMS);

static const struct member members_CK_HKDF_PARAMS[] = {
    {.kind = BOOL_MEMBER, .offset = offsetof(CK_HKDF_PARAMS, bExtract)},
    {.kind = BOOL_MEMBER, .offset = offsetof(CK_HKDF_PARAMS, bExpand)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_HKDF_PARAMS, prfHashMechanism)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_HKDF_PARAMS, ulSaltType)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_HKDF_PARAMS, pSalt),
     .length_offset = offsetof(CK_HKDF_PARAMS, ulSaltLen)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_HKDF_PARAMS, hSaltKey)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_HKDF_PARAMS, pInfo),
     .length_offset = offsetof(CK_HKDF_PARAMS, ulInfoLen)},
};
STRUCTURE(CK_HKDF_PARAMS);

static const struct member members_CK_EDDSA_PARAMS[] = {
    {.kind = BOOL_MEMBER, .offset = offsetof(CK_EDDSA_PARAMS, phFlag)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_EDDSA_PARAMS, pContextData),
     .length_offset = offsetof(CK_EDDSA_PARAMS, ulContextDataLen)},
};
STRUCTURE(CK_EDDSA_PARAMS);

static const struct member members_CK_PRF_DATA_PARAM[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_PRF_DATA_PARAM, type)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_PRF_DATA_PARAM, pValue),
     .length_offset = offsetof(CK_PRF_DATA_PARAM, ulValueLen)},
};
STRUCTURE(CK_PRF_DATA_PARAM);

static const struct member members_CK_DERIVED_KEY[] = {
    {.kind = TEMPLATE_MEMBER, .offset = offsetof(CK_DERIVED_KEY, pTemplate),
     .length_offset = offsetof(CK_DERIVED_KEY, ulAttributeCount)},
    {.kind = HANDLE_OUT_MEMBER, .offset = offsetof(CK_DERIVED_KEY, phKey)},
};
STRUCTURE(CK_DERIVED_KEY);

static const struct member members_CK_SP800_108_KDF_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_SP800_108_KDF_PARAMS, prfType)},
    {.kind = ARRAY_MEMBER, .offset = offsetof(CK_SP800_108_KDF_PARAMS, pDataParams),
     .length_offset = offsetof(CK_SP800_108_KDF_PARAMS, ulNumberOfDataParams),
     .structure = &structure_CK_PRF_DATA_PARAM},
    {.kind = ARRAY_MEMBER, .offset = offsetof(CK_SP800_108_KDF_PARAMS, pAdditionalDerivedKeys),
     .length_offset = offsetof(CK_SP800_108_KDF_PARAMS, ulAdditionalDerivedKeys),
     .structure = &structure_CK_DERIVED_KEY},
};
STRUCTURE(CK_SP800_108_KDF_PARAMS);

static const struct member members_CK_SP800_108_FEEDBACK_KDF_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_SP800_108_FEEDBACK_KDF_PARAMS, prfType)},
    {.kind = ARRAY_MEMBER, .offset = offsetof(CK_SP800_108_FEEDBACK_KDF_PARAMS, pDataParams),
     .length_offset = offsetof(CK_SP800_108_FEEDBACK_KDF_PARAMS, ulNumberOfDataParams),
     .structure = &structure_CK_PRF_DATA_PARAM},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_SP800_108_FEEDBACK_KDF_PARAMS, pIV),
     .length_offset = offsetof(CK_SP800_108_FEEDBACK_KDF_PARAMS, ulIVLen)},
    {.kind = ARRAY_MEMBER,
     .offset = offsetof(CK_SP800_108_FEEDBACK_KDF_PARAMS, pAdditionalDerivedKeys),
     .length_offset = offsetof(CK_SP800_108_FEEDBACK_KDF_PARAMS, ulAdditionalDerivedKeys),
     .structure = &structure_CK_DERIVED_KEY},
};
STRUCTURE(CK_SP800_108_FEEDBACK_KDF_PARAMS);

static const struct member members_CK_IKE2_PRF_PLUS_DERIVE_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_IKE2_PRF_PLUS_DERIVE_PARAMS, prfMechanism)},
    {.kind = BOOL_MEMBER, .offset = offsetof(CK_IKE2_PRF_PLUS_DERIVE_PARAMS, bHasSeedKey)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_IKE2_PRF_PLUS_DERIVE_PARAMS, hSeedKey)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_IKE2_PRF_PLUS_DERIVE_PARAMS, pSeedData),
     .length_offset = offsetof(CK_IKE2_PRF_PLUS_DERIVE_PARAMS, ulSeedDataLen)},
};
STRUCTURE(CK_IKE2_PRF_PLUS_DERIVE_PARAMS);

static const struct member members_CK_IKE_PRF_DERIVE_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_IKE_PRF_DERIVE_PARAMS, prfMechanism)},
    {.kind = BOOL_MEMBER, .offset = offsetof(CK_IKE_PRF_DERIVE_PARAMS, bDataAsKey)},
    {.kind = BOOL_MEMBER, .offset = offsetof(CK_IKE_PRF_DERIVE_PARAMS, bRekey)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_IKE_PRF_DERIVE_PARAMS, pNi),
     .length_offset = offsetof(CK_IKE_PRF_DERIVE_PARAMS, ulNiLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_IKE_PRF_DERIVE_PARAMS, pNr),
     .length_offset = offsetof(CK_IKE_PRF_DERIVE_PARAMS, ulNrLen)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_IKE_PRF_DERIVE_PARAMS, hNewKey)},
};
STRUCTURE(CK_IKE_PRF_DERIVE_PARAMS);

static const struct member members_CK_IKE1_PRF_DERIVE_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_IKE1_PRF_DERIVE_PARAMS, prfMechanism)},
    {.kind = BOOL_MEMBER, .offset = offsetof(CK_IKE1_PRF_DERIVE_PARAMS, bHasPrevKey)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_IKE1_PRF_DERIVE_PARAMS, hKeygxy)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_IKE1_PRF_DERIVE_PARAMS, hPrevKey)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_IKE1_PRF_DERIVE_PARAMS, pCKYi),
     .length_offset = offsetof(CK_IKE1_PRF_DERIVE_PARAMS, ulCKYiLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_IKE1_PRF_DERIVE_PARAMS, pCKYr),
     .length_offset = offsetof(CK_IKE1_PRF_DERIVE_PARAMS, ulCKYrLen)},
    {.kind = INLINE_MEMBER, .offset = offsetof(CK_IKE1_PRF_DERIVE_PARAMS, keyNumber),
     .size = sizeof(((CK_IKE1_PRF_DERIVE_PARAMS *)NULL)->keyNumber)},
};
STRUCTURE(CK_IKE1_PRF_DERIVE_PARAMS);

static const struct member members_CK_IKE1_EXTENDED_DERIVE_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_IKE1_EXTENDED_DERIVE_PARAMS, prfMechanism)},
    {.kind = BOOL_MEMBER, .offset = offsetof(CK_IKE1_EXTENDED_DERIVE_PARAMS, bHasKeygxy)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_IKE1_EXTENDED_DERIVE_PARAMS, hKeygxy)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_IKE1_EXTENDED_DERIVE_PARAMS, pExtraData),
     .length_offset = offsetof(CK_IKE1_EXTENDED_DERIVE_PARAMS, ulExtraDataLen)},
};
STRUCTURE(CK_IKE1_EXTENDED_DERIVE_PARAMS);

static const struct member members_CK_GCM_MESSAGE_PARAMS[] = {
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_GCM_MESSAGE_PARAMS, pIv),
     .length_offset = offsetof(CK_GCM_MESSAGE_PARAMS, ulIvLen), .direction = BOTH},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_GCM_MESSAGE_PARAMS, ulIvFixedBits)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_GCM_MESSAGE_PARAMS, ivGenerator)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_GCM_MESSAGE_PARAMS, pTag),
     .length_offset = offsetof(CK_GCM_MESSAGE_PARAMS, ulTagBits), .unit = IN_BITS,
     .direction = BOTH},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_GCM_MESSAGE_PARAMS, ulTagBits)},
};
STRUCTURE(CK_GCM_MESSAGE_PARAMS);

static const struct member members_CK_CCM_MESSAGE_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_CCM_MESSAGE_PARAMS, ulDataLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_CCM_MESSAGE_PARAMS, pNonce),
     .length_offset = offsetof(CK_CCM_MESSAGE_PARAMS, ulNonceLen), .direction = BOTH},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_CCM_MESSAGE_PARAMS, ulNonceFixedBits)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_CCM_MESSAGE_PARAMS, nonceGenerator)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_CCM_MESSAGE_PARAMS, pMAC),
     .length_offset = offsetof(CK_CCM_MESSAGE_PARAMS, ulMACLen), .direction = BOTH},
};
STRUCTURE(CK_CCM_MESSAGE_PARAMS);

static const struct member members_CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS[] = {
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS, pNonce),
     .length_offset = offsetof(CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS, ulNonceLen),
     .unit = IN_EITHER},
    {.kind = POINTED_MEMBER, .offset = offsetof(CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS, pTag),
     .size = 16, .direction = BOTH},
};
STRUCTURE(CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS);

static const struct member members_CK_GCM_WRAP_PARAMS[] = {
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_GCM_WRAP_PARAMS, pIv),
     .length_offset = offsetof(CK_GCM_WRAP_PARAMS, ulIvLen), .direction = BOTH},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_GCM_WRAP_PARAMS, ulIvFixedBits)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_GCM_WRAP_PARAMS, ivGenerator)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_GCM_WRAP_PARAMS, pAAD),
     .length_offset = offsetof(CK_GCM_WRAP_PARAMS, ulAADLen)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_GCM_WRAP_PARAMS, ulTagBits)},
};
STRUCTURE(CK_GCM_WRAP_PARAMS);

static const struct member members_CK_CCM_WRAP_PARAMS[] = {
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_CCM_WRAP_PARAMS, ulDataLen)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_CCM_WRAP_PARAMS, pNonce),
     .length_offset = offsetof(CK_CCM_WRAP_PARAMS, ulNonceLen), .direction = BOTH},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_CCM_WRAP_PARAMS, ulNonceFixedBits)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_CCM_WRAP_PARAMS, nonceGenerator)},
    {.kind = BYTES_MEMBER, .offset = offsetof(CK_CCM_WRAP_PARAMS, pAAD),
     .length_offset = offsetof(CK_CCM_WRAP_PARAMS, ulAADLen)},
    {.kind = ULONG_MEMBER, .offset = offsetof(CK_CCM_WRAP_PARAMS, ulMACLen)},
};
STRUCTURE(CK_CCM_WRAP_PARAMS);

static const struct structure *of_parameter(CK_MECHANISM_TYPE type)
{
    switch (type) {
    case CKM_RSA_PKCS_OAEP:
        return &structure_CK_RSA_PKCS_OAEP_PARAMS;
    case CKM_RSA_PKCS_PSS:
    case CKM_SHA1_RSA_PKCS_PSS:
    case CKM_SHA256_RSA_PKCS_PSS:
    case CKM_SHA384_RSA_PKCS_PSS:
    case CKM_SHA512_RSA_PKCS_PSS:
    case CKM_SHA224_RSA_PKCS_PSS:
    case CKM_SHA3_256_RSA_PKCS_PSS:
    case CKM_SHA3_384_RSA_PKCS_PSS:
    case CKM_SHA3_512_RSA_PKCS_PSS:
    case CKM_SHA3_224_RSA_PKCS_PSS:
        return &structure_CK_RSA_PKCS_PSS_PARAMS;
    case CKM_ML_DSA:
    case CKM_HASH_ML_DSA_SHA224:
    case CKM_HASH_ML_DSA_SHA256:
    case CKM_HASH_ML_DSA_SHA384:
    case CKM_HASH_ML_DSA_SHA512:
    case CKM_HASH_ML_DSA_SHA3_224:
    case CKM_HASH_ML_DSA_SHA3_256:
    case CKM_HASH_ML_DSA_SHA3_384:
    case CKM_HASH_ML_DSA_SHA3_512:
    case CKM_HASH_ML_DSA_SHAKE128:
    case CKM_HASH_ML_DSA_SHAKE256:
    case CKM_SLH_DSA:
    case CKM_HASH_SLH_DSA_SHA224:
    case CKM_HASH_SLH_DSA_SHA256:
    case CKM_HASH_SLH_DSA_SHA384:
    case CKM_HASH_SLH_DSA_SHA512:
    case CKM_HASH_SLH_DSA_SHA3_224:
    case CKM_HASH_SLH_DSA_SHA3_256:
    case CKM_HASH_SLH_DSA_SHA3_384:
    case CKM_HASH_SLH_DSA_SHA3_512:
    case CKM_HASH_SLH_DSA_SHAKE128:
    case CKM_HASH_SLH_DSA_SHAKE256:
        return &structure_CK_SIGN_ADDITIONAL_CONTEXT;
    case CKM_HASH_ML_DSA:
    case CKM_HASH_SLH_DSA:
        return &structure_CK_HASH_SIGN_ADDITIONAL_CONTEXT;
    case CKM_X9_42_DH_DERIVE:
        return &structure_CK_X9_42_DH1_DERIVE_PARAMS;
    case CKM_X9_42_DH_HYBRID_DERIVE:
        return &structure_CK_X9_42_DH2_DERIVE_PARAMS;
    case CKM_X9_42_MQV_DERIVE:
        return &structure_CK_X9_42_MQV_DERIVE_PARAMS;
    case CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE:
    case CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH:
        return &structure_CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS;
    case CKM_RC2_CBC:
    case CKM_RC2_CBC_PAD:
        return &structure_CK_RC2_CBC_PARAMS;
    case CKM_RC2_MAC_GENERAL:
        return &structure_CK_RC2_MAC_GENERAL_PARAMS;
    case CKM_SECURID:
    case CKM_HOTP:
    case CKM_ACTI:
        return &structure_CK_OTP_PARAMS;
    case CKM_RC5_ECB:
    case CKM_RC5_MAC:
        return &structure_CK_RC5_PARAMS;
    case CKM_RC5_CBC:
    case CKM_RC5_CBC_PAD:
        return &structure_CK_RC5_CBC_PARAMS;
    case CKM_RC5_MAC_GENERAL:
        return &structure_CK_RC5_MAC_GENERAL_PARAMS;
    case CKM_CONCATENATE_BASE_AND_DATA:
    case CKM_CONCATENATE_DATA_AND_BASE:
    case CKM_XOR_BASE_AND_DATA:
    case CKM_CAMELLIA_ECB_ENCRYPT_DATA:
    case CKM_ARIA_ECB_ENCRYPT_DATA:
    case CKM_SEED_ECB_ENCRYPT_DATA:
    case CKM_DES_ECB_ENCRYPT_DATA:
    case CKM_DES3_ECB_ENCRYPT_DATA:
    case CKM_AES_ECB_ENCRYPT_DATA:
        return &structure_CK_KEY_DERIVATION_STRING_DATA;
    case CKM_SSL3_MASTER_KEY_DERIVE:
    case CKM_SSL3_MASTER_KEY_DERIVE_DH:
    case CKM_TLS_MASTER_KEY_DERIVE:
    case CKM_TLS_MASTER_KEY_DERIVE_DH:
        return &structure_CK_SSL3_MASTER_KEY_DERIVE_PARAMS;
    case CKM_SSL3_KEY_AND_MAC_DERIVE:
    case CKM_TLS_KEY_AND_MAC_DERIVE:
        return &structure_CK_SSL3_KEY_MAT_PARAMS;
    case CKM_TLS_PRF:
        return &structure_CK_TLS_PRF_PARAMS;
    case CKM_PBE_MD2_DES_CBC:
    case CKM_PBE_MD5_DES_CBC:
    case CKM_PBE_MD5_CAST_CBC:
    case CKM_PBE_MD5_CAST3_CBC:
    case CKM_PBE_MD5_CAST128_CBC:
    case CKM_PBE_SHA1_CAST128_CBC:
    case CKM_PBE_SHA1_RC4_128:
    case CKM_PBE_SHA1_RC4_40:
    case CKM_PBE_SHA1_DES3_EDE_CBC:
    case CKM_PBE_SHA1_DES2_EDE_CBC:
    case CKM_PBE_SHA1_RC2_128_CBC:
    case CKM_PBE_SHA1_RC2_40_CBC:
    case CKM_PBA_SHA1_WITH_SHA1_HMAC:
        return &structure_CK_PBE_PARAMS;
    case CKM_PKCS5_PBKD2:
        return &structure_CK_PKCS5_PBKD2_PARAMS2;
    case CKM_WTLS_MASTER_KEY_DERIVE:
    case CKM_WTLS_MASTER_KEY_DERIVE_DH_ECC:
        return &structure_CK_WTLS_MASTER_KEY_DERIVE_PARAMS;
    case CKM_WTLS_PRF:
        return &structure_CK_WTLS_PRF_PARAMS;
    case CKM_WTLS_SERVER_KEY_AND_MAC_DERIVE:
    case CKM_WTLS_CLIENT_KEY_AND_MAC_DERIVE:
        return &structure_CK_WTLS_KEY_MAT_PARAMS;
    case CKM_TLS12_MAC:
    case CKM_TLS_MAC:
        return &structure_CK_TLS_MAC_PARAMS;
    case CKM_TLS12_KDF:
    case CKM_TLS_KDF:
        return &structure_CK_TLS_KDF_PARAMS;
    case CKM_TLS12_MASTER_KEY_DERIVE:
    case CKM_TLS12_MASTER_KEY_DERIVE_DH:
        return &structure_CK_TLS12_MASTER_KEY_DERIVE_PARAMS;
    case CKM_TLS12_KEY_AND_MAC_DERIVE:
    case CKM_TLS12_KEY_SAFE_DERIVE:
        return &structure_CK_TLS12_KEY_MAT_PARAMS;
    case CKM_KEY_WRAP_SET_OAEP:
        return &structure_CK_KEY_WRAP_SET_OAEP_PARAMS;
    case CKM_CMS_SIG:
        return &structure_CK_CMS_SIG_PARAMS;
    case CKM_KIP_DERIVE:
    case CKM_KIP_WRAP:
    case CKM_KIP_MAC:
        return &structure_CK_KIP_PARAMS;
    case CKM_CAMELLIA_CBC_ENCRYPT_DATA:
        return &structure_CK_CAMELLIA_CBC_ENCRYPT_DATA_PARAMS;
    case CKM_CAMELLIA_CTR:
        return &structure_CK_CAMELLIA_CTR_PARAMS;
    case CKM_ARIA_CBC_ENCRYPT_DATA:
        return &structure_CK_ARIA_CBC_ENCRYPT_DATA_PARAMS;
    case CKM_SEED_CBC_ENCRYPT_DATA:
        return &structure_CK_SEED_CBC_ENCRYPT_DATA_PARAMS;
    case CKM_SKIPJACK_PRIVATE_WRAP:
        return &structure_CK_SKIPJACK_PRIVATE_WRAP_PARAMS;
    case CKM_SKIPJACK_RELAYX:
        return &structure_CK_SKIPJACK_RELAYX_PARAMS;
    case CKM_KEA_KEY_DERIVE:
    case CKM_KEA_DERIVE:
        return &structure_CK_KEA_DERIVE_PARAMS;
    case CKM_ECDH1_DERIVE:
    case CKM_ECDH1_COFACTOR_DERIVE:
        return &structure_CK_ECDH1_DERIVE_PARAMS;
    case CKM_ECMQV_DERIVE:
        return &structure_CK_ECMQV_DERIVE_PARAMS;
    case CKM_ECDH_AES_KEY_WRAP:
    case CKM_ECDH_X_AES_KEY_WRAP:
    case CKM_ECDH_COF_AES_KEY_WRAP:
        return &structure_CK_ECDH_AES_KEY_WRAP_PARAMS;
    case CKM_RSA_AES_KEY_WRAP:
        return &structure_CK_RSA_AES_KEY_WRAP_PARAMS;
    case CKM_AES_CTR:
        return &structure_CK_AES_CTR_PARAMS;
    case CKM_AES_GCM:
        return &structure_CK_GCM_PARAMS;
    case CKM_AES_CCM:
        return &structure_CK_CCM_PARAMS;
    case CKM_DES_CBC_ENCRYPT_DATA:
    case CKM_DES3_CBC_ENCRYPT_DATA:
        return &structure_CK_DES_CBC_ENCRYPT_DATA_PARAMS;
    case CKM_AES_CBC_ENCRYPT_DATA:
        return &structure_CK_AES_CBC_ENCRYPT_DATA_PARAMS;
    case CKM_GOSTR3410_KEY_WRAP:
        return &structure_CK_GOSTR3410_KEY_WRAP_PARAMS;
    case CKM_GOSTR3410_DERIVE:
        return &structure_CK_GOSTR3410_DERIVE_PARAMS;
    case CKM_CHACHA20:
        return &structure_CK_CHACHA20_PARAMS;
    case CKM_DSA_PROBABILISTIC_PARAMETER_GEN:
    case CKM_DSA_SHAWE_TAYLOR_PARAMETER_GEN:
        return &structure_CK_DSA_PARAMETER_GEN_PARAM;
    case CKM_SALSA20:
        return &structure_CK_SALSA20_PARAMS;
    case CKM_CHACHA20_POLY1305:
    case CKM_SALSA20_POLY1305:
        return &structure_CK_SALSA20_CHACHA20_POLY1305_PARAMS;
    case CKM_X3DH_INITIALIZE:
        return &structure_CK_X3DH_INITIATE_PARAMS;
    case CKM_X3DH_RESPOND:
        return &structure_CK_X3DH_RESPOND_PARAMS;
    case CKM_X2RATCHET_INITIALIZE:
        return &structure_CK_X2RATCHET_INITIALIZE_PARAMS;
    case CKM_X2RATCHET_RESPOND:
        return &structure_CK_X2RATCHET_RESPOND_PARAMS;
    case CKM_XEDDSA:
        return &structure_CK_XEDDSA_PARAMS;
    case CKM_HKDF_DERIVE:
    case CKM_HKDF_DATA:
        return &structure_CK_HKDF_PARAMS;
    case CKM_EDDSA:
        return &structure_CK_EDDSA_PARAMS;
    case CKM_SP800_108_COUNTER_KDF:
    case CKM_SP800_108_DOUBLE_PIPELINE_KDF:
        return &structure_CK_SP800_108_KDF_PARAMS;
    case CKM_SP800_108_FEEDBACK_KDF:
        return &structure_CK_SP800_108_FEEDBACK_KDF_PARAMS;
    case CKM_IKE2_PRF_PLUS_DERIVE:
        return &structure_CK_IKE2_PRF_PLUS_DERIVE_PARAMS;
    case CKM_IKE_PRF_DERIVE:
        return &structure_CK_IKE_PRF_DERIVE_PARAMS;
    case CKM_IKE1_PRF_DERIVE:
        return &structure_CK_IKE1_PRF_DERIVE_PARAMS;
    case CKM_IKE1_EXTENDED_DERIVE:
        return &structure_CK_IKE1_EXTENDED_DERIVE_PARAMS;
    default:
        return NULL;
    }
}

static const struct structure *of_message(CK_MECHANISM_TYPE type)
{
    switch (type) {
    case CKM_AES_GCM:
        return &structure_CK_GCM_MESSAGE_PARAMS;
    case CKM_AES_CCM:
        return &structure_CK_CCM_MESSAGE_PARAMS;
    case CKM_CHACHA20_POLY1305:
    case CKM_SALSA20_POLY1305:
        return &structure_CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS;
    default:
        return NULL;
    }
}

static const struct structure *of_authenticatedwrap(CK_MECHANISM_TYPE type)
{
    switch (type) {
    case CKM_RSA_PKCS_OAEP:
        return &structure_CK_RSA_PKCS_OAEP_PARAMS;
    case CKM_RSA_PKCS_PSS:
    case CKM_SHA1_RSA_PKCS_PSS:
    case CKM_SHA256_RSA_PKCS_PSS:
    case CKM_SHA384_RSA_PKCS_PSS:
    case CKM_SHA512_RSA_PKCS_PSS:
    case CKM_SHA224_RSA_PKCS_PSS:
    case CKM_SHA3_256_RSA_PKCS_PSS:
    case CKM_SHA3_384_RSA_PKCS_PSS:
    case CKM_SHA3_512_RSA_PKCS_PSS:
    case CKM_SHA3_224_RSA_PKCS_PSS:
        return &structure_CK_RSA_PKCS_PSS_PARAMS;
    case CKM_ML_DSA:
    case CKM_HASH_ML_DSA_SHA224:
    case CKM_HASH_ML_DSA_SHA256:
    case CKM_HASH_ML_DSA_SHA384:
    case CKM_HASH_ML_DSA_SHA512:
    case CKM_HASH_ML_DSA_SHA3_224:
    case CKM_HASH_ML_DSA_SHA3_256:
    case CKM_HASH_ML_DSA_SHA3_384:
    case CKM_HASH_ML_DSA_SHA3_512:
    case CKM_HASH_ML_DSA_SHAKE128:
    case CKM_HASH_ML_DSA_SHAKE256:
    case CKM_SLH_DSA:
    case CKM_HASH_SLH_DSA_SHA224:
    case CKM_HASH_SLH_DSA_SHA256:
    case CKM_HASH_SLH_DSA_SHA384:
    case CKM_HASH_SLH_DSA_SHA512:
    case CKM_HASH_SLH_DSA_SHA3_224:
    case CKM_HASH_SLH_DSA_SHA3_256:
    case CKM_HASH_SLH_DSA_SHA3_384:
    case CKM_HASH_SLH_DSA_SHA3_512:
    case CKM_HASH_SLH_DSA_SHAKE128:
    case CKM_HASH_SLH_DSA_SHAKE256:
        return &structure_CK_SIGN_ADDITIONAL_CONTEXT;
    case CKM_HASH_ML_DSA:
    case CKM_HASH_SLH_DSA:
        return &structure_CK_HASH_SIGN_ADDITIONAL_CONTEXT;
    case CKM_X9_42_DH_DERIVE:
        return &structure_CK_X9_42_DH1_DERIVE_PARAMS;
    case CKM_X9_42_DH_HYBRID_DERIVE:
        return &structure_CK_X9_42_DH2_DERIVE_PARAMS;
    case CKM_X9_42_MQV_DERIVE:
        return &structure_CK_X9_42_MQV_DERIVE_PARAMS;
    case CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE:
    case CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH:
        return &structure_CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS;
    case CKM_RC2_CBC:
    case CKM_RC2_CBC_PAD:
        return &structure_CK_RC2_CBC_PARAMS;
    case CKM_RC2_MAC_GENERAL:
        return &structure_CK_RC2_MAC_GENERAL_PARAMS;
    case CKM_SECURID:
    case CKM_HOTP:
    case CKM_ACTI:
        return &structure_CK_OTP_PARAMS;
    case CKM_RC5_ECB:
    case CKM_RC5_MAC:
        return &structure_CK_RC5_PARAMS;
    case CKM_RC5_CBC:
    case CKM_RC5_CBC_PAD:
        return &structure_CK_RC5_CBC_PARAMS;
    case CKM_RC5_MAC_GENERAL:
        return &structure_CK_RC5_MAC_GENERAL_PARAMS;
    case CKM_CONCATENATE_BASE_AND_DATA:
    case CKM_CONCATENATE_DATA_AND_BASE:
    case CKM_XOR_BASE_AND_DATA:
    case CKM_CAMELLIA_ECB_ENCRYPT_DATA:
    case CKM_ARIA_ECB_ENCRYPT_DATA:
    case CKM_SEED_ECB_ENCRYPT_DATA:
    case CKM_DES_ECB_ENCRYPT_DATA:
    case CKM_DES3_ECB_ENCRYPT_DATA:
    case CKM_AES_ECB_ENCRYPT_DATA:
        return &structure_CK_KEY_DERIVATION_STRING_DATA;
    case CKM_SSL3_MASTER_KEY_DERIVE:
    case CKM_SSL3_MASTER_KEY_DERIVE_DH:
    case CKM_TLS_MASTER_KEY_DERIVE:
    case CKM_TLS_MASTER_KEY_DERIVE_DH:
        return &structure_CK_SSL3_MASTER_KEY_DERIVE_PARAMS;
    case CKM_SSL3_KEY_AND_MAC_DERIVE:
    case CKM_TLS_KEY_AND_MAC_DERIVE:
        return &structure_CK_SSL3_KEY_MAT_PARAMS;
    case CKM_TLS_PRF:
        return &structure_CK_TLS_PRF_PARAMS;
    case CKM_PBE_MD2_DES_CBC:
    case CKM_PBE_MD5_DES_CBC:
    case CKM_PBE_MD5_CAST_CBC:
    case CKM_PBE_MD5_CAST3_CBC:
    case CKM_PBE_MD5_CAST128_CBC:
    case CKM_PBE_SHA1_CAST128_CBC:
    case CKM_PBE_SHA1_RC4_128:
    case CKM_PBE_SHA1_RC4_40:
    case CKM_PBE_SHA1_DES3_EDE_CBC:
    case CKM_PBE_SHA1_DES2_EDE_CBC:
    case CKM_PBE_SHA1_RC2_128_CBC:
    case CKM_PBE_SHA1_RC2_40_CBC:
    case CKM_PBA_SHA1_WITH_SHA1_HMAC:
        return &structure_CK_PBE_PARAMS;
    case CKM_PKCS5_PBKD2:
        return &structure_CK_PKCS5_PBKD2_PARAMS2;
    case CKM_WTLS_MASTER_KEY_DERIVE:
    case CKM_WTLS_MASTER_KEY_DERIVE_DH_ECC:
        return &structure_CK_WTLS_MASTER_KEY_DERIVE_PARAMS;
    case CKM_WTLS_PRF:
        return &structure_CK_WTLS_PRF_PARAMS;
    case CKM_WTLS_SERVER_KEY_AND_MAC_DERIVE:
    case CKM_WTLS_CLIENT_KEY_AND_MAC_DERIVE:
        return &structure_CK_WTLS_KEY_MAT_PARAMS;
    case CKM_TLS12_MAC:
    case CKM_TLS_MAC:
        return &structure_CK_TLS_MAC_PARAMS;
    case CKM_TLS12_KDF:
    case CKM_TLS_KDF:
        return &structure_CK_TLS_KDF_PARAMS;
    case CKM_TLS12_MASTER_KEY_DERIVE:
    case CKM_TLS12_MASTER_KEY_DERIVE_DH:
        return &structure_CK_TLS12_MASTER_KEY_DERIVE_PARAMS;
    case CKM_TLS12_KEY_AND_MAC_DERIVE:
    case CKM_TLS12_KEY_SAFE_DERIVE:
        return &structure_CK_TLS12_KEY_MAT_PARAMS;
    case CKM_KEY_WRAP_SET_OAEP:
        return &structure_CK_KEY_WRAP_SET_OAEP_PARAMS;
    case CKM_CMS_SIG:
        return &structure_CK_CMS_SIG_PARAMS;
    case CKM_KIP_DERIVE:
    case CKM_KIP_WRAP:
    case CKM_KIP_MAC:
        return &structure_CK_KIP_PARAMS;
    case CKM_CAMELLIA_CBC_ENCRYPT_DATA:
        return &structure_CK_CAMELLIA_CBC_ENCRYPT_DATA_PARAMS;
    case CKM_CAMELLIA_CTR:
        return &structure_CK_CAMELLIA_CTR_PARAMS;
    case CKM_ARIA_CBC_ENCRYPT_DATA:
        return &structure_CK_ARIA_CBC_ENCRYPT_DATA_PARAMS;
    case CKM_SEED_CBC_ENCRYPT_DATA:
        return &structure_CK_SEED_CBC_ENCRYPT_DATA_PARAMS;
    case CKM_SKIPJACK_PRIVATE_WRAP:
        return &structure_CK_SKIPJACK_PRIVATE_WRAP_PARAMS;
    case CKM_SKIPJACK_RELAYX:
        return &structure_CK_SKIPJACK_RELAYX_PARAMS;
    case CKM_KEA_KEY_DERIVE:
    case CKM_KEA_DERIVE:
        return &structure_CK_KEA_DERIVE_PARAMS;
    case CKM_ECDH1_DERIVE:
    case CKM_ECDH1_COFACTOR_DERIVE:
        return &structure_CK_ECDH1_DERIVE_PARAMS;
    case CKM_ECMQV_DERIVE:
        return &structure_CK_ECMQV_DERIVE_PARAMS;
    case CKM_ECDH_AES_KEY_WRAP:
    case CKM_ECDH_X_AES_KEY_WRAP:
    case CKM_ECDH_COF_AES_KEY_WRAP:
        return &structure_CK_ECDH_AES_KEY_WRAP_PARAMS;
    case CKM_RSA_AES_KEY_WRAP:
        return &structure_CK_RSA_AES_KEY_WRAP_PARAMS;
    case CKM_AES_CTR:
        return &structure_CK_AES_CTR_PARAMS;
    case CKM_AES_GCM:
        return &structure_CK_GCM_WRAP_PARAMS;
    case CKM_AES_CCM:
        return &structure_CK_CCM_WRAP_PARAMS;
    case CKM_DES_CBC_ENCRYPT_DATA:
    case CKM_DES3_CBC_ENCRYPT_DATA:
        return &structure_CK_DES_CBC_ENCRYPT_DATA_PARAMS;
    case CKM_AES_CBC_ENCRYPT_DATA:
        return &structure_CK_AES_CBC_ENCRYPT_DATA_PARAMS;
    case CKM_GOSTR3410_KEY_WRAP:
        return &structure_CK_GOSTR3410_KEY_WRAP_PARAMS;
    case CKM_GOSTR3410_DERIVE:
        return &structure_CK_GOSTR3410_DERIVE_PARAMS;
    case CKM_CHACHA20:
        return &structure_CK_CHACHA20_PARAMS;
    case CKM_DSA_PROBABILISTIC_PARAMETER_GEN:
    case CKM_DSA_SHAWE_TAYLOR_PARAMETER_GEN:
        return &structure_CK_DSA_PARAMETER_GEN_PARAM;
    case CKM_SALSA20:
        return &structure_CK_SALSA20_PARAMS;
    case CKM_CHACHA20_POLY1305:
    case CKM_SALSA20_POLY1305:
        return &structure_CK_SALSA20_CHACHA20_POLY1305_PARAMS;
    case CKM_X3DH_INITIALIZE:
        return &structure_CK_X3DH_INITIATE_PARAMS;
    case CKM_X3DH_RESPOND:
        return &structure_CK_X3DH_RESPOND_PARAMS;
    case CKM_X2RATCHET_INITIALIZE:
        return &structure_CK_X2RATCHET_INITIALIZE_PARAMS;
    case CKM_X2RATCHET_RESPOND:
        return &structure_CK_X2RATCHET_RESPOND_PARAMS;
    case CKM_XEDDSA:
        return &structure_CK_XEDDSA_PARAMS;
    case CKM_HKDF_DERIVE:
    case CKM_HKDF_DATA:
        return &structure_CK_HKDF_PARAMS;
    case CKM_EDDSA:
        return &structure_CK_EDDSA_PARAMS;
    case CKM_SP800_108_COUNTER_KDF:
    case CKM_SP800_108_DOUBLE_PIPELINE_KDF:
        return &structure_CK_SP800_108_KDF_PARAMS;
    case CKM_SP800_108_FEEDBACK_KDF:
        return &structure_CK_SP800_108_FEEDBACK_KDF_PARAMS;
    case CKM_IKE2_PRF_PLUS_DERIVE:
        return &structure_CK_IKE2_PRF_PLUS_DERIVE_PARAMS;
    case CKM_IKE_PRF_DERIVE:
        return &structure_CK_IKE_PRF_DERIVE_PARAMS;
    case CKM_IKE1_PRF_DERIVE:
        return &structure_CK_IKE1_PRF_DERIVE_PARAMS;
    case CKM_IKE1_EXTENDED_DERIVE:
        return &structure_CK_IKE1_EXTENDED_DERIVE_PARAMS;
    default:
        return NULL;
    }
}

const struct structure *parameter_structure(CK_MECHANISM_TYPE type,
                                            enum parameter_use use)
{
    switch (use) {
    case OF_MECHANISM:
        return of_parameter(type);
    case OF_MESSAGE:
        return of_message(type);
    case OF_AUTHENTICATED_WRAP:
        return of_authenticatedwrap(type);
    }
    return NULL;
}

bool is_template(CK_ATTRIBUTE_TYPE type)
{
    switch (type) {
    case CKA_ENCAPSULATE_TEMPLATE:
    case CKA_DECAPSULATE_TEMPLATE:
    case CKA_WRAP_TEMPLATE:
    case CKA_UNWRAP_TEMPLATE:
    case CKA_DERIVE_TEMPLATE:
        return true;
    default:
        return false;
    }
}

EXPORT CK_RV C_GetInfo(CK_INFO *pInfo)
{
    struct call call;
    if (!call_begin(&call, CALL_C_GetInfo, 0, 0, PLAIN))
        return call.rv;
    need(&call, pInfo);
    call_run(&call);
    get_structure(&call, &structure_CK_INFO, pInfo);
    return call_end(&call);
}

EXPORT CK_RV C_GetSlotList(CK_BBOOL tokenPresent, CK_SLOT_ID *pSlotList, CK_ULONG *pulCount)
{
    struct call call;
    if (!call_begin(&call, CALL_C_GetSlotList, 0, 0, PLAIN))
        return call.rv;
    put_bool(&call, tokenPresent);
    put_ulongs(&call, pSlotList, pulCount);
    call_run(&call);
    get_ulongs(&call, pSlotList, pulCount);
    return call_end(&call);
}

EXPORT CK_RV C_GetSlotInfo(CK_SLOT_ID slotID, CK_SLOT_INFO *pInfo)
{
    struct call call;
    if (!call_begin(&call, CALL_C_GetSlotInfo, slotID, 0, PLAIN))
        return call.rv;
    put_ulong(&call, slotID);
    need(&call, pInfo);
    call_run(&call);
    get_structure(&call, &structure_CK_SLOT_INFO, pInfo);
    return call_end(&call);
}

EXPORT CK_RV C_GetTokenInfo(CK_SLOT_ID slotID, CK_TOKEN_INFO *pInfo)
{
    struct call call;
    if (!call_begin(&call, CALL_C_GetTokenInfo, slotID, 0, PLAIN))
        return call.rv;
    put_ulong(&call, slotID);
    need(&call, pInfo);
    call_run(&call);
    get_structure(&call, &structure_CK_TOKEN_INFO, pInfo);
    return call_end(&call);
}

EXPORT CK_RV C_GetMechanismList(CK_SLOT_ID slotID, CK_MECHANISM_TYPE *pMechanismList,
                                CK_ULONG *pulCount)
{
    struct call call;
    if (!call_begin(&call, CALL_C_GetMechanismList, slotID, 0, PLAIN))
        return call.rv;
    put_ulong(&call, slotID);
    put_ulongs(&call, pMechanismList, pulCount);
    call_run(&call);
    get_ulongs(&call, pMechanismList, pulCount);
    return call_end(&call);
}

EXPORT CK_RV C_GetMechanismInfo(CK_SLOT_ID slotID, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *pInfo)
{
    struct call call;
    if (!call_begin(&call, CALL_C_GetMechanismInfo, slotID, 0, PLAIN))
        return call.rv;
    put_ulong(&call, slotID);
    put_ulong(&call, type);
    need(&call, pInfo);
    call_run(&call);
    get_structure(&call, &structure_CK_MECHANISM_INFO, pInfo);
    return call_end(&call);
}

EXPORT CK_RV C_InitToken(CK_SLOT_ID slotID, CK_UTF8CHAR *pPin, CK_ULONG ulPinLen,
                         CK_UTF8CHAR *pLabel)
{
    struct call call;
    if (!call_begin(&call, CALL_C_InitToken, slotID, 0, FORGETS))
        return call.rv;
    put_ulong(&call, slotID);
    put_bytes(&call, pPin, ulPinLen);
    put_padded(&call, pLabel, 32);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_InitPIN(CK_SESSION_HANDLE hSession, CK_UTF8CHAR *pPin, CK_ULONG ulPinLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_InitPIN, hSession, 0, PLAIN))
        return call.rv;
    put_ulong(&call, hSession);
    put_bytes(&call, pPin, ulPinLen);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_SetPIN(CK_SESSION_HANDLE hSession, CK_UTF8CHAR *pOldPin, CK_ULONG ulOldLen,
                      CK_UTF8CHAR *pNewPin, CK_ULONG ulNewLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_SetPIN, hSession, 0, PLAIN))
        return call.rv;
    put_ulong(&call, hSession);
    put_bytes(&call, pOldPin, ulOldLen);
    put_bytes(&call, pNewPin, ulNewLen);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_OpenSession(CK_SLOT_ID slotID, CK_FLAGS flags, void *pApplication, CK_NOTIFY Notify,
                           CK_SESSION_HANDLE *phSession)
{
    struct call call;
    if (!call_begin(&call, CALL_C_OpenSession, slotID, 0, OPENS))
        return call.rv;
    put_ulong(&call, slotID);
    put_ulong(&call, flags);
    (void)pApplication;
    (void)Notify;
    need(&call, phSession);
    call_run(&call);
    get_ulong(&call, phSession);
    return call_end(&call);
}

EXPORT CK_RV C_CloseSession(CK_SESSION_HANDLE hSession)
{
    struct call call;
    if (!call_begin(&call, CALL_C_CloseSession, hSession, 0, CLOSES))
        return call.rv;
    put_ulong(&call, hSession);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_CloseAllSessions(CK_SLOT_ID slotID)
{
    struct call call;
    if (!call_begin(&call, CALL_C_CloseAllSessions, slotID, 0, CLOSES_ALL))
        return call.rv;
    put_ulong(&call, slotID);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_GetSessionInfo(CK_SESSION_HANDLE hSession, CK_SESSION_INFO *pInfo)
{
    struct call call;
    if (!call_begin(&call, CALL_C_GetSessionInfo, hSession, 0, PLAIN))
        return call.rv;
    put_ulong(&call, hSession);
    need(&call, pInfo);
    call_run(&call);
    get_structure(&call, &structure_CK_SESSION_INFO, pInfo);
    return call_end(&call);
}

EXPORT CK_RV C_GetOperationState(CK_SESSION_HANDLE hSession, CK_BYTE *pOperationState,
                                 CK_ULONG *pulOperationStateLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_GetOperationState, hSession, REPEATABLE, FLUSHES))
        return call.rv;
    put_ulong(&call, hSession);
    put_wanted(&call, pOperationState, pulOperationStateLen);
    call_run(&call);
    get_wanted(&call, pOperationState, pulOperationStateLen);
    return call_end(&call);
}

EXPORT CK_RV C_SetOperationState(CK_SESSION_HANDLE hSession, CK_BYTE *pOperationState,
                                 CK_ULONG ulOperationStateLen, CK_OBJECT_HANDLE hEncryptionKey,
                                 CK_OBJECT_HANDLE hAuthenticationKey)
{
    struct call call;
    if (!call_begin(&call, CALL_C_SetOperationState, hSession, REPEATABLE, FLUSHES))
        return call.rv;
    put_ulong(&call, hSession);
    put_bytes(&call, pOperationState, ulOperationStateLen);
    put_ulong(&call, hEncryptionKey);
    put_ulong(&call, hAuthenticationKey);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_Login(CK_SESSION_HANDLE hSession, CK_USER_TYPE userType, CK_UTF8CHAR *pPin,
                     CK_ULONG ulPinLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_Login, hSession, REPEATABLE, FLUSHES))
        return call.rv;
    put_ulong(&call, hSession);
    put_ulong(&call, userType);
    put_bytes(&call, pPin, ulPinLen);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_Logout(CK_SESSION_HANDLE hSession)
{
    struct call call;
    if (!call_begin(&call, CALL_C_Logout, hSession, REPEATABLE, FLUSHES))
        return call.rv;
    put_ulong(&call, hSession);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_CreateObject(CK_SESSION_HANDLE hSession, CK_ATTRIBUTE *pTemplate, CK_ULONG ulCount,
                            CK_OBJECT_HANDLE *phObject)
{
    struct call call;
    if (!call_begin(&call, CALL_C_CreateObject, hSession, 0, PLAIN))
        return call.rv;
    put_ulong(&call, hSession);
    put_template(&call, pTemplate, ulCount);
    need(&call, phObject);
    call_run(&call);
    get_ulong(&call, phObject);
    return call_end(&call);
}

EXPORT CK_RV C_CopyObject(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject,
                          CK_ATTRIBUTE *pTemplate, CK_ULONG ulCount, CK_OBJECT_HANDLE *phNewObject)
{
    struct call call;
    if (!call_begin(&call, CALL_C_CopyObject, hSession, 0, FORGETS))
        return call.rv;
    put_ulong(&call, hSession);
    put_ulong(&call, hObject);
    put_template(&call, pTemplate, ulCount);
    need(&call, phNewObject);
    call_run(&call);
    get_ulong(&call, phNewObject);
    return call_end(&call);
}

EXPORT CK_RV C_DestroyObject(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject)
{
    struct call call;
    if (!call_begin(&call, CALL_C_DestroyObject, hSession, 0, FORGETS))
        return call.rv;
    put_ulong(&call, hSession);
    put_ulong(&call, hObject);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_GetObjectSize(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject,
                             CK_ULONG *pulSize)
{
    struct call call;
    if (!call_begin(&call, CALL_C_GetObjectSize, hSession, 0, PLAIN))
        return call.rv;
    put_ulong(&call, hSession);
    put_ulong(&call, hObject);
    need(&call, pulSize);
    call_run(&call);
    get_ulong(&call, pulSize);
    return call_end(&call);
}

EXPORT CK_RV C_GetAttributeValue(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject,
                                 CK_ATTRIBUTE *pTemplate, CK_ULONG ulCount)
{
    struct call call;
    if (!call_begin(&call, CALL_C_GetAttributeValue, hSession, 0, PLAIN))
        return call.rv;
    put_ulong(&call, hSession);
    put_ulong(&call, hObject);
    put_values(&call, pTemplate, ulCount);
    call_run(&call);
    get_values(&call, pTemplate, ulCount);
    return call_end(&call);
}

EXPORT CK_RV C_SetAttributeValue(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject,
                                 CK_ATTRIBUTE *pTemplate, CK_ULONG ulCount)
{
    struct call call;
    if (!call_begin(&call, CALL_C_SetAttributeValue, hSession, 0, FORGETS))
        return call.rv;
    put_ulong(&call, hSession);
    put_ulong(&call, hObject);
    put_template(&call, pTemplate, ulCount);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_FindObjectsInit(CK_SESSION_HANDLE hSession, CK_ATTRIBUTE *pTemplate,
                               CK_ULONG ulCount)
{
    struct call call;
    if (!call_begin(&call, CALL_C_FindObjectsInit, hSession, 0, SEARCHES))
        return call.rv;
    put_ulong(&call, hSession);
    put_template(&call, pTemplate, ulCount);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_FindObjects(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE *phObject,
                           CK_ULONG ulMaxObjectCount, CK_ULONG *pulObjectCount)
{
    struct call call;
    if (!call_begin(&call, CALL_C_FindObjects, hSession, 0, FINDS))
        return call.rv;
    put_ulong(&call, hSession);
    put_found(&call, phObject, ulMaxObjectCount, pulObjectCount);
    call_run(&call);
    get_found(&call, phObject, ulMaxObjectCount, pulObjectCount);
    return call_end(&call);
}

EXPORT CK_RV C_FindObjectsFinal(CK_SESSION_HANDLE hSession)
{
    struct call call;
    if (!call_begin(&call, CALL_C_FindObjectsFinal, hSession, 0, FOUND))
        return call.rv;
    put_ulong(&call, hSession);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_EncryptInit(CK_SESSION_HANDLE hSession, CK_MECHANISM *pMechanism,
                           CK_OBJECT_HANDLE hKey)
{
    struct call call;
    if (!call_begin(&call, CALL_C_EncryptInit, hSession, ENCRYPT, INIT))
        return call.rv;
    put_ulong(&call, hSession);
    put_mechanism(&call, pMechanism);
    put_ulong(&call, hKey);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_Encrypt(CK_SESSION_HANDLE hSession, CK_BYTE *pData, CK_ULONG ulDataLen,
                       CK_BYTE *pEncryptedData, CK_ULONG *pulEncryptedDataLen)
{
    struct call call;
    if (is_long(pData, ulDataLen))
        return convert_whole(C_Encrypt, C_EncryptUpdate, C_EncryptFinal, hSession, pData, ulDataLen,
                             pEncryptedData, pulEncryptedDataLen);
    if (!call_begin(&call, CALL_C_Encrypt, hSession, ENCRYPT, WHOLE))
        return call.rv;
    put_ulong(&call, hSession);
    put_bytes(&call, pData, ulDataLen);
    put_wanted(&call, pEncryptedData, pulEncryptedDataLen);
    call_run(&call);
    get_wanted(&call, pEncryptedData, pulEncryptedDataLen);
    return call_end(&call);
}

EXPORT CK_RV C_EncryptUpdate(CK_SESSION_HANDLE hSession, CK_BYTE *pPart, CK_ULONG ulPartLen,
                             CK_BYTE *pEncryptedPart, CK_ULONG *pulEncryptedPartLen)
{
    struct call call;
    if (is_long(pPart, ulPartLen))
        return convert_pieces(C_EncryptUpdate, hSession, pPart, ulPartLen, pEncryptedPart,
                              pulEncryptedPartLen);
    if (!call_begin(&call, CALL_C_EncryptUpdate, hSession, ENCRYPT, UPDATE))
        return call.rv;
    put_ulong(&call, hSession);
    put_bytes(&call, pPart, ulPartLen);
    put_wanted(&call, pEncryptedPart, pulEncryptedPartLen);
    call_run(&call);
    get_wanted(&call, pEncryptedPart, pulEncryptedPartLen);
    return call_end(&call);
}

EXPORT CK_RV C_EncryptFinal(CK_SESSION_HANDLE hSession, CK_BYTE *pLastEncryptedPart,
                            CK_ULONG *pulLastEncryptedPartLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_EncryptFinal, hSession, ENCRYPT, FINAL))
        return call.rv;
    put_ulong(&call, hSession);
    put_wanted(&call, pLastEncryptedPart, pulLastEncryptedPartLen);
    call_run(&call);
    get_wanted(&call, pLastEncryptedPart, pulLastEncryptedPartLen);
    return call_end(&call);
}

EXPORT CK_RV C_DecryptInit(CK_SESSION_HANDLE hSession, CK_MECHANISM *pMechanism,
                           CK_OBJECT_HANDLE hKey)
{
    struct call call;
    if (!call_begin(&call, CALL_C_DecryptInit, hSession, DECRYPT, INIT))
        return call.rv;
    put_ulong(&call, hSession);
    put_mechanism(&call, pMechanism);
    put_ulong(&call, hKey);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_Decrypt(CK_SESSION_HANDLE hSession, CK_BYTE *pEncryptedData,
                       CK_ULONG ulEncryptedDataLen, CK_BYTE *pData, CK_ULONG *pulDataLen)
{
    struct call call;
    if (is_long(pEncryptedData, ulEncryptedDataLen))
        return convert_whole(C_Decrypt, C_DecryptUpdate, C_DecryptFinal, hSession, pEncryptedData,
                             ulEncryptedDataLen, pData, pulDataLen);
    if (!call_begin(&call, CALL_C_Decrypt, hSession, DECRYPT, WHOLE))
        return call.rv;
    put_ulong(&call, hSession);
    put_bytes(&call, pEncryptedData, ulEncryptedDataLen);
    put_wanted(&call, pData, pulDataLen);
    call_run(&call);
    get_wanted(&call, pData, pulDataLen);
    return call_end(&call);
}

EXPORT CK_RV C_DecryptUpdate(CK_SESSION_HANDLE hSession, CK_BYTE *pEncryptedPart,
                             CK_ULONG ulEncryptedPartLen, CK_BYTE *pPart, CK_ULONG *pulPartLen)
{
    struct call call;
    if (is_long(pEncryptedPart, ulEncryptedPartLen))
        return convert_pieces(C_DecryptUpdate, hSession, pEncryptedPart, ulEncryptedPartLen, pPart,
                              pulPartLen);
    if (!call_begin(&call, CALL_C_DecryptUpdate, hSession, DECRYPT, UPDATE))
        return call.rv;
    put_ulong(&call, hSession);
    put_bytes(&call, pEncryptedPart, ulEncryptedPartLen);
    put_wanted(&call, pPart, pulPartLen);
    call_run(&call);
    get_wanted(&call, pPart, pulPartLen);
    return call_end(&call);
}

EXPORT CK_RV C_DecryptFinal(CK_SESSION_HANDLE hSession, CK_BYTE *pLastPart,
                            CK_ULONG *pulLastPartLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_DecryptFinal, hSession, DECRYPT, FINAL))
        return call.rv;
    put_ulong(&call, hSession);
    put_wanted(&call, pLastPart, pulLastPartLen);
    call_run(&call);
    get_wanted(&call, pLastPart, pulLastPartLen);
    return call_end(&call);
}

EXPORT CK_RV C_DigestInit(CK_SESSION_HANDLE hSession, CK_MECHANISM *pMechanism)
{
    struct call call;
    if (!call_begin(&call, CALL_C_DigestInit, hSession, DIGEST, INIT))
        return call.rv;
    put_ulong(&call, hSession);
    put_mechanism(&call, pMechanism);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_Digest(CK_SESSION_HANDLE hSession, CK_BYTE *pData, CK_ULONG ulDataLen,
                      CK_BYTE *pDigest, CK_ULONG *pulDigestLen)
{
    struct call call;
    if (is_long(pData, ulDataLen))
        return feed_whole(C_Digest, C_DigestUpdate, C_DigestFinal, hSession, pData, ulDataLen,
                          pDigest, pulDigestLen);
    if (!call_begin(&call, CALL_C_Digest, hSession, DIGEST, WHOLE))
        return call.rv;
    put_ulong(&call, hSession);
    put_bytes(&call, pData, ulDataLen);
    put_wanted(&call, pDigest, pulDigestLen);
    call_run(&call);
    get_wanted(&call, pDigest, pulDigestLen);
    return call_end(&call);
}

EXPORT CK_RV C_DigestUpdate(CK_SESSION_HANDLE hSession, CK_BYTE *pPart, CK_ULONG ulPartLen)
{
    struct call call;
    if (is_long(pPart, ulPartLen))
        return feed_pieces(C_DigestUpdate, hSession, pPart, ulPartLen);
    if (!call_begin(&call, CALL_C_DigestUpdate, hSession, DIGEST, UPDATE))
        return call.rv;
    put_ulong(&call, hSession);
    put_bytes(&call, pPart, ulPartLen);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_DigestKey(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hKey)
{
    struct call call;
    if (!call_begin(&call, CALL_C_DigestKey, hSession, DIGEST, UPDATE))
        return call.rv;
    put_ulong(&call, hSession);
    put_ulong(&call, hKey);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_DigestFinal(CK_SESSION_HANDLE hSession, CK_BYTE *pDigest, CK_ULONG *pulDigestLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_DigestFinal, hSession, DIGEST, FINAL))
        return call.rv;
    put_ulong(&call, hSession);
    put_wanted(&call, pDigest, pulDigestLen);
    call_run(&call);
    get_wanted(&call, pDigest, pulDigestLen);
    return call_end(&call);
}

EXPORT CK_RV C_SignInit(CK_SESSION_HANDLE hSession, CK_MECHANISM *pMechanism, CK_OBJECT_HANDLE hKey)
{
    struct call call;
    if (!call_begin(&call, CALL_C_SignInit, hSession, SIGN, INIT))
        return call.rv;
    put_ulong(&call, hSession);
    put_mechanism(&call, pMechanism);
    put_ulong(&call, hKey);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_Sign(CK_SESSION_HANDLE hSession, CK_BYTE *pData, CK_ULONG ulDataLen,
                    CK_BYTE *pSignature, CK_ULONG *pulSignatureLen)
{
    struct call call;
    if (is_long(pData, ulDataLen))
        return feed_whole(C_Sign, C_SignUpdate, C_SignFinal, hSession, pData, ulDataLen, pSignature,
                          pulSignatureLen);
    if (!call_begin(&call, CALL_C_Sign, hSession, SIGN, WHOLE))
        return call.rv;
    put_ulong(&call, hSession);
    put_bytes(&call, pData, ulDataLen);
    put_wanted(&call, pSignature, pulSignatureLen);
    call_run(&call);
    get_wanted(&call, pSignature, pulSignatureLen);
    return call_end(&call);
}

EXPORT CK_RV C_SignUpdate(CK_SESSION_HANDLE hSession, CK_BYTE *pPart, CK_ULONG ulPartLen)
{
    struct call call;
    if (is_long(pPart, ulPartLen))
        return feed_pieces(C_SignUpdate, hSession, pPart, ulPartLen);
    if (!call_begin(&call, CALL_C_SignUpdate, hSession, SIGN, UPDATE))
        return call.rv;
    put_ulong(&call, hSession);
    put_bytes(&call, pPart, ulPartLen);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_SignFinal(CK_SESSION_HANDLE hSession, CK_BYTE *pSignature, CK_ULONG *pulSignatureLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_SignFinal, hSession, SIGN, FINAL))
        return call.rv;
    put_ulong(&call, hSession);
    put_wanted(&call, pSignature, pulSignatureLen);
    call_run(&call);
    get_wanted(&call, pSignature, pulSignatureLen);
    return call_end(&call);
}

EXPORT CK_RV C_SignRecoverInit(CK_SESSION_HANDLE hSession, CK_MECHANISM *pMechanism,
                               CK_OBJECT_HANDLE hKey)
{
    struct call call;
    if (!call_begin(&call, CALL_C_SignRecoverInit, hSession, SIGN_RECOVER, INIT))
        return call.rv;
    put_ulong(&call, hSession);
    put_mechanism(&call, pMechanism);
    put_ulong(&call, hKey);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_SignRecover(CK_SESSION_HANDLE hSession, CK_BYTE *pData, CK_ULONG ulDataLen,
                           CK_BYTE *pSignature, CK_ULONG *pulSignatureLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_SignRecover, hSession, SIGN_RECOVER, WHOLE))
        return call.rv;
    put_ulong(&call, hSession);
    put_bytes(&call, pData, ulDataLen);
    put_wanted(&call, pSignature, pulSignatureLen);
    call_run(&call);
    get_wanted(&call, pSignature, pulSignatureLen);
    return call_end(&call);
}

EXPORT CK_RV C_VerifyInit(CK_SESSION_HANDLE hSession, CK_MECHANISM *pMechanism,
                          CK_OBJECT_HANDLE hKey)
{
    struct call call;
    if (!call_begin(&call, CALL_C_VerifyInit, hSession, VERIFY, INIT))
        return call.rv;
    put_ulong(&call, hSession);
    put_mechanism(&call, pMechanism);
    put_ulong(&call, hKey);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_Verify(CK_SESSION_HANDLE hSession, CK_BYTE *pData, CK_ULONG ulDataLen,
                      CK_BYTE *pSignature, CK_ULONG ulSignatureLen)
{
    struct call call;
    if (is_long(pData, ulDataLen))
        return verify_whole(C_VerifyUpdate, C_VerifyFinal, hSession, pData, ulDataLen, pSignature,
                            ulSignatureLen);
    if (!call_begin(&call, CALL_C_Verify, hSession, VERIFY, WHOLE))
        return call.rv;
    put_ulong(&call, hSession);
    put_bytes(&call, pData, ulDataLen);
    put_bytes(&call, pSignature, ulSignatureLen);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_VerifyUpdate(CK_SESSION_HANDLE hSession, CK_BYTE *pPart, CK_ULONG ulPartLen)
{
    struct call call;
    if (is_long(pPart, ulPartLen))
        return feed_pieces(C_VerifyUpdate, hSession, pPart, ulPartLen);
    if (!call_begin(&call, CALL_C_VerifyUpdate, hSession, VERIFY, UPDATE))
        return call.rv;
    put_ulong(&call, hSession);
    put_bytes(&call, pPart, ulPartLen);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_VerifyFinal(CK_SESSION_HANDLE hSession, CK_BYTE *pSignature, CK_ULONG ulSignatureLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_VerifyFinal, hSession, VERIFY, FINAL))
        return call.rv;
    put_ulong(&call, hSession);
    put_bytes(&call, pSignature, ulSignatureLen);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_VerifyRecoverInit(CK_SESSION_HANDLE hSession, CK_MECHANISM *pMechanism,
                                 CK_OBJECT_HANDLE hKey)
{
    struct call call;
    if (!call_begin(&call, CALL_C_VerifyRecoverInit, hSession, VERIFY_RECOVER, INIT))
        return call.rv;
    put_ulong(&call, hSession);
    put_mechanism(&call, pMechanism);
    put_ulong(&call, hKey);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_VerifyRecover(CK_SESSION_HANDLE hSession, CK_BYTE *pSignature,
                             CK_ULONG ulSignatureLen, CK_BYTE *pData, CK_ULONG *pulDataLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_VerifyRecover, hSession, VERIFY_RECOVER, WHOLE))
        return call.rv;
    put_ulong(&call, hSession);
    put_bytes(&call, pSignature, ulSignatureLen);
    put_wanted(&call, pData, pulDataLen);
    call_run(&call);
    get_wanted(&call, pData, pulDataLen);
    return call_end(&call);
}

EXPORT CK_RV C_DigestEncryptUpdate(CK_SESSION_HANDLE hSession, CK_BYTE *pPart, CK_ULONG ulPartLen,
                                   CK_BYTE *pEncryptedPart, CK_ULONG *pulEncryptedPartLen)
{
    struct call call;
    if (is_long(pPart, ulPartLen))
        return convert_pieces(C_DigestEncryptUpdate, hSession, pPart, ulPartLen, pEncryptedPart,
                              pulEncryptedPartLen);
    if (!call_begin(&call, CALL_C_DigestEncryptUpdate, hSession, DIGEST | ENCRYPT, UPDATE))
        return call.rv;
    put_ulong(&call, hSession);
    put_bytes(&call, pPart, ulPartLen);
    put_wanted(&call, pEncryptedPart, pulEncryptedPartLen);
    call_run(&call);
    get_wanted(&call, pEncryptedPart, pulEncryptedPartLen);
    return call_end(&call);
}

EXPORT CK_RV C_DecryptDigestUpdate(CK_SESSION_HANDLE hSession, CK_BYTE *pEncryptedPart,
                                   CK_ULONG ulEncryptedPartLen, CK_BYTE *pPart,
                                   CK_ULONG *pulPartLen)
{
    struct call call;
    if (is_long(pEncryptedPart, ulEncryptedPartLen))
        return convert_pieces(C_DecryptDigestUpdate, hSession, pEncryptedPart, ulEncryptedPartLen,
                              pPart, pulPartLen);
    if (!call_begin(&call, CALL_C_DecryptDigestUpdate, hSession, DECRYPT | DIGEST, UPDATE))
        return call.rv;
    put_ulong(&call, hSession);
    put_bytes(&call, pEncryptedPart, ulEncryptedPartLen);
    put_wanted(&call, pPart, pulPartLen);
    call_run(&call);
    get_wanted(&call, pPart, pulPartLen);
    return call_end(&call);
}

EXPORT CK_RV C_SignEncryptUpdate(CK_SESSION_HANDLE hSession, CK_BYTE *pPart, CK_ULONG ulPartLen,
                                 CK_BYTE *pEncryptedPart, CK_ULONG *pulEncryptedPartLen)
{
    struct call call;
    if (is_long(pPart, ulPartLen))
        return convert_pieces(C_SignEncryptUpdate, hSession, pPart, ulPartLen, pEncryptedPart,
                              pulEncryptedPartLen);
    if (!call_begin(&call, CALL_C_SignEncryptUpdate, hSession, SIGN | ENCRYPT, UPDATE))
        return call.rv;
    put_ulong(&call, hSession);
    put_bytes(&call, pPart, ulPartLen);
    put_wanted(&call, pEncryptedPart, pulEncryptedPartLen);
    call_run(&call);
    get_wanted(&call, pEncryptedPart, pulEncryptedPartLen);
    return call_end(&call);
}

EXPORT CK_RV C_DecryptVerifyUpdate(CK_SESSION_HANDLE hSession, CK_BYTE *pEncryptedPart,
                                   CK_ULONG ulEncryptedPartLen, CK_BYTE *pPart,
                                   CK_ULONG *pulPartLen)
{
    struct call call;
    if (is_long(pEncryptedPart, ulEncryptedPartLen))
        return convert_pieces(C_DecryptVerifyUpdate, hSession, pEncryptedPart, ulEncryptedPartLen,
                              pPart, pulPartLen);
    if (!call_begin(&call, CALL_C_DecryptVerifyUpdate, hSession, DECRYPT | VERIFY, UPDATE))
        return call.rv;
    put_ulong(&call, hSession);
    put_bytes(&call, pEncryptedPart, ulEncryptedPartLen);
    put_wanted(&call, pPart, pulPartLen);
    call_run(&call);
    get_wanted(&call, pPart, pulPartLen);
    return call_end(&call);
}

EXPORT CK_RV C_GenerateKey(CK_SESSION_HANDLE hSession, CK_MECHANISM *pMechanism,
                           CK_ATTRIBUTE *pTemplate, CK_ULONG ulCount, CK_OBJECT_HANDLE *phKey)
{
    struct call call;
    if (!call_begin(&call, CALL_C_GenerateKey, hSession, 0, PLAIN))
        return call.rv;
    put_ulong(&call, hSession);
    put_mechanism(&call, pMechanism);
    put_template(&call, pTemplate, ulCount);
    need(&call, phKey);
    call_run(&call);
    get_ulong(&call, phKey);
    get_mechanism(&call, pMechanism);
    return call_end(&call);
}

EXPORT CK_RV C_GenerateKeyPair(CK_SESSION_HANDLE hSession, CK_MECHANISM *pMechanism,
                               CK_ATTRIBUTE *pPublicKeyTemplate, CK_ULONG ulPublicKeyAttributeCount,
                               CK_ATTRIBUTE *pPrivateKeyTemplate,
                               CK_ULONG ulPrivateKeyAttributeCount, CK_OBJECT_HANDLE *phPublicKey,
                               CK_OBJECT_HANDLE *phPrivateKey)
{
    struct call call;
    if (!call_begin(&call, CALL_C_GenerateKeyPair, hSession, 0, PLAIN))
        return call.rv;
    put_ulong(&call, hSession);
    put_mechanism(&call, pMechanism);
    put_template(&call, pPublicKeyTemplate, ulPublicKeyAttributeCount);
    put_template(&call, pPrivateKeyTemplate, ulPrivateKeyAttributeCount);
    need(&call, phPublicKey);
    need(&call, phPrivateKey);
    call_run(&call);
    get_ulong(&call, phPublicKey);
    get_ulong(&call, phPrivateKey);
    get_mechanism(&call, pMechanism);
    return call_end(&call);
}

EXPORT CK_RV C_WrapKey(CK_SESSION_HANDLE hSession, CK_MECHANISM *pMechanism,
                       CK_OBJECT_HANDLE hWrappingKey, CK_OBJECT_HANDLE hKey, CK_BYTE *pWrappedKey,
                       CK_ULONG *pulWrappedKeyLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_WrapKey, hSession, 0, PLAIN))
        return call.rv;
    put_ulong(&call, hSession);
    put_mechanism(&call, pMechanism);
    put_ulong(&call, hWrappingKey);
    put_ulong(&call, hKey);
    put_wanted(&call, pWrappedKey, pulWrappedKeyLen);
    call_run(&call);
    get_wanted(&call, pWrappedKey, pulWrappedKeyLen);
    get_mechanism(&call, pMechanism);
    return call_end(&call);
}

EXPORT CK_RV C_UnwrapKey(CK_SESSION_HANDLE hSession, CK_MECHANISM *pMechanism,
                         CK_OBJECT_HANDLE hUnwrappingKey, CK_BYTE *pWrappedKey,
                         CK_ULONG ulWrappedKeyLen, CK_ATTRIBUTE *pTemplate,
                         CK_ULONG ulAttributeCount, CK_OBJECT_HANDLE *phKey)
{
    struct call call;
    if (!call_begin(&call, CALL_C_UnwrapKey, hSession, 0, PLAIN))
        return call.rv;
    put_ulong(&call, hSession);
    put_mechanism(&call, pMechanism);
    put_ulong(&call, hUnwrappingKey);
    put_bytes(&call, pWrappedKey, ulWrappedKeyLen);
    put_template(&call, pTemplate, ulAttributeCount);
    need(&call, phKey);
    call_run(&call);
    get_ulong(&call, phKey);
    get_mechanism(&call, pMechanism);
    return call_end(&call);
}

EXPORT CK_RV C_DeriveKey(CK_SESSION_HANDLE hSession, CK_MECHANISM *pMechanism,
                         CK_OBJECT_HANDLE hBaseKey, CK_ATTRIBUTE *pTemplate,
                         CK_ULONG ulAttributeCount, CK_OBJECT_HANDLE *phKey)
{
    struct call call;
    if (!call_begin(&call, CALL_C_DeriveKey, hSession, 0, PLAIN))
        return call.rv;
    put_ulong(&call, hSession);
    put_mechanism(&call, pMechanism);
    put_ulong(&call, hBaseKey);
    put_template(&call, pTemplate, ulAttributeCount);
    need_key(&call, phKey);
    call_run(&call);
    get_ulong(&call, phKey);
    get_mechanism(&call, pMechanism);
    return call_end(&call);
}

EXPORT CK_RV C_SeedRandom(CK_SESSION_HANDLE hSession, CK_BYTE *pSeed, CK_ULONG ulSeedLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_SeedRandom, hSession, 0, PLAIN))
        return call.rv;
    put_ulong(&call, hSession);
    put_bytes(&call, pSeed, ulSeedLen);
    call_run(&call);
    return call_end(&call);
}

EXPORT CK_RV C_GenerateRandom(CK_SESSION_HANDLE hSession, CK_BYTE *pRandomData,
                              CK_ULONG ulRandomLen)
{
    struct call call;
    if (is_long(pRandomData, ulRandomLen))
        return feed_pieces(C_GenerateRandom, hSession, pRandomData, ulRandomLen);
    if (!call_begin(&call, CALL_C_GenerateRandom, hSession, 0, PLAIN))
        return call.rv;
    put_ulong(&call, hSession);
    put_filled(&call, pRandomData, ulRandomLen);
    call_run(&call);
    get_filled(&call, pRandomData, ulRandomLen);
    return call_end(&call);
}

EXPORT CK_RV C_WaitForSlotEvent(CK_FLAGS flags, CK_SLOT_ID *pSlot, void *pReserved)
{
    struct call call;
    if (!call_begin(&call, CALL_C_WaitForSlotEvent, 0, 0, flags & CKF_DONT_BLOCK ? PLAIN : WAITS))
        return call.rv;
    put_ulong(&call, flags);
    need(&call, pSlot);
    need_nothing(&call, pReserved);
    call_run(&call);
    get_ulong(&call, pSlot);
    return call_end(&call);
}

CK_RV C_LoginUser(CK_SESSION_HANDLE hSession, CK_USER_TYPE userType, CK_UTF8CHAR *pPin,
                  CK_ULONG ulPinLen, CK_UTF8CHAR *pUsername, CK_ULONG ulUsernameLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_LoginUser, hSession, REPEATABLE, FLUSHES))
        return call.rv;
    put_ulong(&call, hSession);
    put_ulong(&call, userType);
    put_bytes(&call, pPin, ulPinLen);
    put_bytes(&call, pUsername, ulUsernameLen);
    call_run(&call);
    return call_end(&call);
}

CK_RV C_SessionCancel(CK_SESSION_HANDLE hSession, CK_FLAGS flags)
{
    struct call call;
    if (!call_begin(&call, CALL_C_SessionCancel, hSession, REPEATABLE, FLUSHES))
        return call.rv;
    put_ulong(&call, hSession);
    put_ulong(&call, flags);
    call_run(&call);
    return call_end(&call);
}

CK_RV C_MessageEncryptInit(CK_SESSION_HANDLE hSession, CK_MECHANISM *pMechanism,
                           CK_OBJECT_HANDLE hKey)
{
    struct call call;
    if (!call_begin(&call, CALL_C_MessageEncryptInit, hSession, MESSAGE_ENCRYPT, INIT))
        return call.rv;
    put_ulong(&call, hSession);
    put_mechanism(&call, pMechanism);
    put_ulong(&call, hKey);
    call_run(&call);
    return call_end(&call);
}

CK_RV C_EncryptMessage(CK_SESSION_HANDLE hSession, void *pParameter, CK_ULONG ulParameterLen,
                       CK_BYTE *pAssociatedData, CK_ULONG ulAssociatedDataLen, CK_BYTE *pPlaintext,
                       CK_ULONG ulPlaintextLen, CK_BYTE *pCiphertext, CK_ULONG *pulCiphertextLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_EncryptMessage, hSession, MESSAGE_ENCRYPT, MESSAGE))
        return call.rv;
    put_ulong(&call, hSession);
    put_parameter(&call, pParameter, ulParameterLen);
    put_bytes(&call, pAssociatedData, ulAssociatedDataLen);
    put_bytes(&call, pPlaintext, ulPlaintextLen);
    put_wanted(&call, pCiphertext, pulCiphertextLen);
    call_run(&call);
    get_parameter(&call, pParameter, ulParameterLen);
    get_wanted(&call, pCiphertext, pulCiphertextLen);
    return call_end(&call);
}

CK_RV C_EncryptMessageBegin(CK_SESSION_HANDLE hSession, void *pParameter, CK_ULONG ulParameterLen,
                            CK_BYTE *pAssociatedData, CK_ULONG ulAssociatedDataLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_EncryptMessageBegin, hSession, MESSAGE_ENCRYPT, MESSAGE))
        return call.rv;
    put_ulong(&call, hSession);
    put_parameter(&call, pParameter, ulParameterLen);
    put_bytes(&call, pAssociatedData, ulAssociatedDataLen);
    call_run(&call);
    get_parameter(&call, pParameter, ulParameterLen);
    return call_end(&call);
}

CK_RV C_EncryptMessageNext(CK_SESSION_HANDLE hSession, void *pParameter, CK_ULONG ulParameterLen,
                           CK_BYTE *pPlaintextPart, CK_ULONG ulPlaintextPartLen,
                           CK_BYTE *pCiphertextPart, CK_ULONG *pulCiphertextPartLen, CK_FLAGS flags)
{
    struct call call;
    if (!call_begin(&call, CALL_C_EncryptMessageNext, hSession, MESSAGE_ENCRYPT, MESSAGE))
        return call.rv;
    put_ulong(&call, hSession);
    put_parameter(&call, pParameter, ulParameterLen);
    put_bytes(&call, pPlaintextPart, ulPlaintextPartLen);
    put_wanted(&call, pCiphertextPart, pulCiphertextPartLen);
    put_ulong(&call, flags);
    call_run(&call);
    get_parameter(&call, pParameter, ulParameterLen);
    get_wanted(&call, pCiphertextPart, pulCiphertextPartLen);
    return call_end(&call);
}

CK_RV C_MessageEncryptFinal(CK_SESSION_HANDLE hSession)
{
    struct call call;
    if (!call_begin(&call, CALL_C_MessageEncryptFinal, hSession, 0, PLAIN))
        return call.rv;
    put_ulong(&call, hSession);
    call_run(&call);
    return call_end(&call);
}

CK_RV C_MessageDecryptInit(CK_SESSION_HANDLE hSession, CK_MECHANISM *pMechanism,
                           CK_OBJECT_HANDLE hKey)
{
    struct call call;
    if (!call_begin(&call, CALL_C_MessageDecryptInit, hSession, MESSAGE_DECRYPT, INIT))
        return call.rv;
    put_ulong(&call, hSession);
    put_mechanism(&call, pMechanism);
    put_ulong(&call, hKey);
    call_run(&call);
    return call_end(&call);
}

CK_RV C_DecryptMessage(CK_SESSION_HANDLE hSession, void *pParameter, CK_ULONG ulParameterLen,
                       CK_BYTE *pAssociatedData, CK_ULONG ulAssociatedDataLen, CK_BYTE *pCiphertext,
                       CK_ULONG ulCiphertextLen, CK_BYTE *pPlaintext, CK_ULONG *pulPlaintextLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_DecryptMessage, hSession, MESSAGE_DECRYPT, MESSAGE))
        return call.rv;
    put_ulong(&call, hSession);
    put_parameter(&call, pParameter, ulParameterLen);
    put_bytes(&call, pAssociatedData, ulAssociatedDataLen);
    put_bytes(&call, pCiphertext, ulCiphertextLen);
    put_wanted(&call, pPlaintext, pulPlaintextLen);
    call_run(&call);
    get_parameter(&call, pParameter, ulParameterLen);
    get_wanted(&call, pPlaintext, pulPlaintextLen);
    return call_end(&call);
}

CK_RV C_DecryptMessageBegin(CK_SESSION_HANDLE hSession, void *pParameter, CK_ULONG ulParameterLen,
                            CK_BYTE *pAssociatedData, CK_ULONG ulAssociatedDataLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_DecryptMessageBegin, hSession, MESSAGE_DECRYPT, MESSAGE))
        return call.rv;
    put_ulong(&call, hSession);
    put_parameter(&call, pParameter, ulParameterLen);
    put_bytes(&call, pAssociatedData, ulAssociatedDataLen);
    call_run(&call);
    get_parameter(&call, pParameter, ulParameterLen);
    return call_end(&call);
}

CK_RV C_DecryptMessageNext(CK_SESSION_HANDLE hSession, void *pParameter, CK_ULONG ulParameterLen,
                           CK_BYTE *pCiphertextPart, CK_ULONG ulCiphertextPartLen,
                           CK_BYTE *pPlaintextPart, CK_ULONG *pulPlaintextPartLen, CK_FLAGS flags)
{
    struct call call;
    if (!call_begin(&call, CALL_C_DecryptMessageNext, hSession, MESSAGE_DECRYPT, MESSAGE))
        return call.rv;
    put_ulong(&call, hSession);
    put_parameter(&call, pParameter, ulParameterLen);
    put_bytes(&call, pCiphertextPart, ulCiphertextPartLen);
    put_wanted(&call, pPlaintextPart, pulPlaintextPartLen);
    put_ulong(&call, flags);
    call_run(&call);
    get_parameter(&call, pParameter, ulParameterLen);
    get_wanted(&call, pPlaintextPart, pulPlaintextPartLen);
    return call_end(&call);
}

CK_RV C_MessageDecryptFinal(CK_SESSION_HANDLE hSession)
{
    struct call call;
    if (!call_begin(&call, CALL_C_MessageDecryptFinal, hSession, 0, PLAIN))
        return call.rv;
    put_ulong(&call, hSession);
    call_run(&call);
    return call_end(&call);
}

CK_RV C_MessageSignInit(CK_SESSION_HANDLE hSession, CK_MECHANISM *pMechanism, CK_OBJECT_HANDLE hKey)
{
    struct call call;
    if (!call_begin(&call, CALL_C_MessageSignInit, hSession, MESSAGE_SIGN, INIT))
        return call.rv;
    put_ulong(&call, hSession);
    put_mechanism(&call, pMechanism);
    put_ulong(&call, hKey);
    call_run(&call);
    return call_end(&call);
}

CK_RV C_SignMessage(CK_SESSION_HANDLE hSession, void *pParameter, CK_ULONG ulParameterLen,
                    CK_BYTE *pData, CK_ULONG ulDataLen, CK_BYTE *pSignature,
                    CK_ULONG *pulSignatureLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_SignMessage, hSession, MESSAGE_SIGN, MESSAGE))
        return call.rv;
    put_ulong(&call, hSession);
    put_parameter(&call, pParameter, ulParameterLen);
    put_bytes(&call, pData, ulDataLen);
    put_wanted(&call, pSignature, pulSignatureLen);
    call_run(&call);
    get_parameter(&call, pParameter, ulParameterLen);
    get_wanted(&call, pSignature, pulSignatureLen);
    return call_end(&call);
}

CK_RV C_SignMessageBegin(CK_SESSION_HANDLE hSession, void *pParameter, CK_ULONG ulParameterLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_SignMessageBegin, hSession, MESSAGE_SIGN, MESSAGE))
        return call.rv;
    put_ulong(&call, hSession);
    put_parameter(&call, pParameter, ulParameterLen);
    call_run(&call);
    get_parameter(&call, pParameter, ulParameterLen);
    return call_end(&call);
}

CK_RV C_SignMessageNext(CK_SESSION_HANDLE hSession, void *pParameter, CK_ULONG ulParameterLen,
                        CK_BYTE *pData, CK_ULONG ulDataLen, CK_BYTE *pSignature,
                        CK_ULONG *pulSignatureLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_SignMessageNext, hSession, MESSAGE_SIGN, MESSAGE))
        return call.rv;
    put_ulong(&call, hSession);
    put_parameter(&call, pParameter, ulParameterLen);
    put_bytes(&call, pData, ulDataLen);
    put_wanted_or_not(&call, pSignature, pulSignatureLen);
    call_run(&call);
    get_parameter(&call, pParameter, ulParameterLen);
    get_wanted(&call, pSignature, pulSignatureLen);
    return call_end(&call);
}

CK_RV C_MessageSignFinal(CK_SESSION_HANDLE hSession)
{
    struct call call;
    if (!call_begin(&call, CALL_C_MessageSignFinal, hSession, 0, PLAIN))
        return call.rv;
    put_ulong(&call, hSession);
    call_run(&call);
    return call_end(&call);
}

CK_RV C_MessageVerifyInit(CK_SESSION_HANDLE hSession, CK_MECHANISM *pMechanism,
                          CK_OBJECT_HANDLE hKey)
{
    struct call call;
    if (!call_begin(&call, CALL_C_MessageVerifyInit, hSession, MESSAGE_VERIFY, INIT))
        return call.rv;
    put_ulong(&call, hSession);
    put_mechanism(&call, pMechanism);
    put_ulong(&call, hKey);
    call_run(&call);
    return call_end(&call);
}

CK_RV C_VerifyMessage(CK_SESSION_HANDLE hSession, void *pParameter, CK_ULONG ulParameterLen,
                      CK_BYTE *pData, CK_ULONG ulDataLen, CK_BYTE *pSignature,
                      CK_ULONG ulSignatureLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_VerifyMessage, hSession, MESSAGE_VERIFY, MESSAGE))
        return call.rv;
    put_ulong(&call, hSession);
    put_parameter(&call, pParameter, ulParameterLen);
    put_bytes(&call, pData, ulDataLen);
    put_bytes(&call, pSignature, ulSignatureLen);
    call_run(&call);
    get_parameter(&call, pParameter, ulParameterLen);
    return call_end(&call);
}

CK_RV C_VerifyMessageBegin(CK_SESSION_HANDLE hSession, void *pParameter, CK_ULONG ulParameterLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_VerifyMessageBegin, hSession, MESSAGE_VERIFY, MESSAGE))
        return call.rv;
    put_ulong(&call, hSession);
    put_parameter(&call, pParameter, ulParameterLen);
    call_run(&call);
    get_parameter(&call, pParameter, ulParameterLen);
    return call_end(&call);
}

CK_RV C_VerifyMessageNext(CK_SESSION_HANDLE hSession, void *pParameter, CK_ULONG ulParameterLen,
                          CK_BYTE *pData, CK_ULONG ulDataLen, CK_BYTE *pSignature,
                          CK_ULONG ulSignatureLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_VerifyMessageNext, hSession, MESSAGE_VERIFY, MESSAGE))
        return call.rv;
    put_ulong(&call, hSession);
    put_parameter(&call, pParameter, ulParameterLen);
    put_bytes(&call, pData, ulDataLen);
    put_bytes(&call, pSignature, ulSignatureLen);
    call_run(&call);
    get_parameter(&call, pParameter, ulParameterLen);
    return call_end(&call);
}

CK_RV C_MessageVerifyFinal(CK_SESSION_HANDLE hSession)
{
    struct call call;
    if (!call_begin(&call, CALL_C_MessageVerifyFinal, hSession, 0, PLAIN))
        return call.rv;
    put_ulong(&call, hSession);
    call_run(&call);
    return call_end(&call);
}

CK_RV C_EncapsulateKey(CK_SESSION_HANDLE hSession, CK_MECHANISM *pMechanism,
                       CK_OBJECT_HANDLE hPublicKey, CK_ATTRIBUTE *pTemplate,
                       CK_ULONG ulAttributeCount, CK_BYTE *pCiphertext, CK_ULONG *pulCiphertextLen,
                       CK_OBJECT_HANDLE *phKey)
{
    struct call call;
    if (!call_begin(&call, CALL_C_EncapsulateKey, hSession, 0, PLAIN))
        return call.rv;
    put_ulong(&call, hSession);
    put_mechanism(&call, pMechanism);
    put_ulong(&call, hPublicKey);
    put_template(&call, pTemplate, ulAttributeCount);
    put_wanted(&call, pCiphertext, pulCiphertextLen);
    need(&call, phKey);
    call_run(&call);
    get_wanted(&call, pCiphertext, pulCiphertextLen);
    get_ulong(&call, phKey);
    get_mechanism(&call, pMechanism);
    return call_end(&call);
}

CK_RV C_DecapsulateKey(CK_SESSION_HANDLE hSession, CK_MECHANISM *pMechanism,
                       CK_OBJECT_HANDLE hPrivateKey, CK_ATTRIBUTE *pTemplate,
                       CK_ULONG ulAttributeCount, CK_BYTE *pCiphertext, CK_ULONG ulCiphertextLen,
                       CK_OBJECT_HANDLE *phKey)
{
    struct call call;
    if (!call_begin(&call, CALL_C_DecapsulateKey, hSession, 0, PLAIN))
        return call.rv;
    put_ulong(&call, hSession);
    put_mechanism(&call, pMechanism);
    put_ulong(&call, hPrivateKey);
    put_template(&call, pTemplate, ulAttributeCount);
    put_bytes(&call, pCiphertext, ulCiphertextLen);
    need(&call, phKey);
    call_run(&call);
    get_ulong(&call, phKey);
    get_mechanism(&call, pMechanism);
    return call_end(&call);
}

CK_RV C_VerifySignatureInit(CK_SESSION_HANDLE hSession, CK_MECHANISM *pMechanism,
                            CK_OBJECT_HANDLE hKey, CK_BYTE *pSignature, CK_ULONG ulSignatureLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_VerifySignatureInit, hSession, VERIFY_SIGNATURE, INIT))
        return call.rv;
    put_ulong(&call, hSession);
    put_mechanism(&call, pMechanism);
    put_ulong(&call, hKey);
    put_bytes(&call, pSignature, ulSignatureLen);
    call_run(&call);
    return call_end(&call);
}

CK_RV C_VerifySignature(CK_SESSION_HANDLE hSession, CK_BYTE *pData, CK_ULONG ulDataLen)
{
    struct call call;
    if (is_long(pData, ulDataLen))
        return verify_signature_whole(C_VerifySignatureUpdate, C_VerifySignatureFinal, hSession,
                                      pData, ulDataLen);
    if (!call_begin(&call, CALL_C_VerifySignature, hSession, VERIFY_SIGNATURE, WHOLE))
        return call.rv;
    put_ulong(&call, hSession);
    put_bytes(&call, pData, ulDataLen);
    call_run(&call);
    return call_end(&call);
}

CK_RV C_VerifySignatureUpdate(CK_SESSION_HANDLE hSession, CK_BYTE *pPart, CK_ULONG ulPartLen)
{
    struct call call;
    if (is_long(pPart, ulPartLen))
        return feed_pieces(C_VerifySignatureUpdate, hSession, pPart, ulPartLen);
    if (!call_begin(&call, CALL_C_VerifySignatureUpdate, hSession, VERIFY_SIGNATURE, UPDATE))
        return call.rv;
    put_ulong(&call, hSession);
    put_bytes(&call, pPart, ulPartLen);
    call_run(&call);
    return call_end(&call);
}

CK_RV C_VerifySignatureFinal(CK_SESSION_HANDLE hSession)
{
    struct call call;
    if (!call_begin(&call, CALL_C_VerifySignatureFinal, hSession, VERIFY_SIGNATURE, FINAL))
        return call.rv;
    put_ulong(&call, hSession);
    call_run(&call);
    return call_end(&call);
}

CK_RV C_GetSessionValidationFlags(CK_SESSION_HANDLE hSession, CK_SESSION_VALIDATION_FLAGS_TYPE type,
                                  CK_FLAGS *pFlags)
{
    struct call call;
    if (!call_begin(&call, CALL_C_GetSessionValidationFlags, hSession, 0, PLAIN))
        return call.rv;
    put_ulong(&call, hSession);
    put_ulong(&call, type);
    need(&call, pFlags);
    call_run(&call);
    get_ulong(&call, pFlags);
    return call_end(&call);
}

CK_RV C_WrapKeyAuthenticated(CK_SESSION_HANDLE hSession, CK_MECHANISM *pMechanism,
                             CK_OBJECT_HANDLE hWrappingKey, CK_OBJECT_HANDLE hKey,
                             CK_BYTE *pAssociatedData, CK_ULONG ulAssociatedDataLen,
                             CK_BYTE *pWrappedKey, CK_ULONG *pulWrappedKeyLen)
{
    struct call call;
    if (!call_begin(&call, CALL_C_WrapKeyAuthenticated, hSession, 0, PLAIN))
        return call.rv;
    put_ulong(&call, hSession);
    put_mechanism_authenticated(&call, pMechanism);
    put_ulong(&call, hWrappingKey);
    put_ulong(&call, hKey);
    put_bytes(&call, pAssociatedData, ulAssociatedDataLen);
    put_wanted(&call, pWrappedKey, pulWrappedKeyLen);
    call_run(&call);
    get_wanted(&call, pWrappedKey, pulWrappedKeyLen);
    get_mechanism(&call, pMechanism);
    return call_end(&call);
}

CK_RV C_UnwrapKeyAuthenticated(CK_SESSION_HANDLE hSession, CK_MECHANISM *pMechanism,
                               CK_OBJECT_HANDLE hUnwrappingKey, CK_BYTE *pWrappedKey,
                               CK_ULONG ulWrappedKeyLen, CK_ATTRIBUTE *pTemplate,
                               CK_ULONG ulAttributeCount, CK_BYTE *pAssociatedData,
                               CK_ULONG ulAssociatedDataLen, CK_OBJECT_HANDLE *phKey)
{
    struct call call;
    if (!call_begin(&call, CALL_C_UnwrapKeyAuthenticated, hSession, 0, PLAIN))
        return call.rv;
    put_ulong(&call, hSession);
    put_mechanism_authenticated(&call, pMechanism);
    put_ulong(&call, hUnwrappingKey);
    put_bytes(&call, pWrappedKey, ulWrappedKeyLen);
    put_template(&call, pTemplate, ulAttributeCount);
    put_bytes(&call, pAssociatedData, ulAssociatedDataLen);
    need(&call, phKey);
    call_run(&call);
    get_ulong(&call, phKey);
    get_mechanism(&call, pMechanism);
    return call_end(&call);
}

const CK_FUNCTION_LIST claviger_functions = {
    {2, 40}, C_Initialize, C_Finalize, C_GetInfo, C_GetFunctionList, C_GetSlotList, C_GetSlotInfo,
    C_GetTokenInfo, C_GetMechanismList, C_GetMechanismInfo, C_InitToken, C_InitPIN, C_SetPIN,
    C_OpenSession, C_CloseSession, C_CloseAllSessions, C_GetSessionInfo, C_GetOperationState,
    C_SetOperationState, C_Login, C_Logout, C_CreateObject, C_CopyObject, C_DestroyObject,
    C_GetObjectSize, C_GetAttributeValue, C_SetAttributeValue, C_FindObjectsInit, C_FindObjects,
    C_FindObjectsFinal, C_EncryptInit, C_Encrypt, C_EncryptUpdate, C_EncryptFinal, C_DecryptInit,
    C_Decrypt, C_DecryptUpdate, C_DecryptFinal, C_DigestInit, C_Digest, C_DigestUpdate, C_DigestKey,
    C_DigestFinal, C_SignInit, C_Sign, C_SignUpdate, C_SignFinal, C_SignRecoverInit, C_SignRecover,
    C_VerifyInit, C_Verify, C_VerifyUpdate, C_VerifyFinal, C_VerifyRecoverInit, C_VerifyRecover,
    C_DigestEncryptUpdate, C_DecryptDigestUpdate, C_SignEncryptUpdate, C_DecryptVerifyUpdate,
    C_GenerateKey, C_GenerateKeyPair, C_WrapKey, C_UnwrapKey, C_DeriveKey, C_SeedRandom,
    C_GenerateRandom, C_GetFunctionStatus, C_CancelFunction, C_WaitForSlotEvent};

const CK_FUNCTION_LIST_3_0 claviger_functions_3_0 = {
    {3, 0}, C_Initialize, C_Finalize, C_GetInfo, C_GetFunctionList, C_GetSlotList, C_GetSlotInfo,
    C_GetTokenInfo, C_GetMechanismList, C_GetMechanismInfo, C_InitToken, C_InitPIN, C_SetPIN,
    C_OpenSession, C_CloseSession, C_CloseAllSessions, C_GetSessionInfo, C_GetOperationState,
    C_SetOperationState, C_Login, C_Logout, C_CreateObject, C_CopyObject, C_DestroyObject,
    C_GetObjectSize, C_GetAttributeValue, C_SetAttributeValue, C_FindObjectsInit, C_FindObjects,
    C_FindObjectsFinal, C_EncryptInit, C_Encrypt, C_EncryptUpdate, C_EncryptFinal, C_DecryptInit,
    C_Decrypt, C_DecryptUpdate, C_DecryptFinal, C_DigestInit, C_Digest, C_DigestUpdate, C_DigestKey,
    C_DigestFinal, C_SignInit, C_Sign, C_SignUpdate, C_SignFinal, C_SignRecoverInit, C_SignRecover,
    C_VerifyInit, C_Verify, C_VerifyUpdate, C_VerifyFinal, C_VerifyRecoverInit, C_VerifyRecover,
    C_DigestEncryptUpdate, C_DecryptDigestUpdate, C_SignEncryptUpdate, C_DecryptVerifyUpdate,
    C_GenerateKey, C_GenerateKeyPair, C_WrapKey, C_UnwrapKey, C_DeriveKey, C_SeedRandom,
    C_GenerateRandom, C_GetFunctionStatus, C_CancelFunction, C_WaitForSlotEvent, C_GetInterfaceList,
    C_GetInterface, C_LoginUser, C_SessionCancel, C_MessageEncryptInit, C_EncryptMessage,
    C_EncryptMessageBegin, C_EncryptMessageNext, C_MessageEncryptFinal, C_MessageDecryptInit,
    C_DecryptMessage, C_DecryptMessageBegin, C_DecryptMessageNext, C_MessageDecryptFinal,
    C_MessageSignInit, C_SignMessage, C_SignMessageBegin, C_SignMessageNext, C_MessageSignFinal,
    C_MessageVerifyInit, C_VerifyMessage, C_VerifyMessageBegin, C_VerifyMessageNext,
    C_MessageVerifyFinal};

const CK_FUNCTION_LIST_3_2 claviger_functions_3_2 = {
    {3, 2}, C_Initialize, C_Finalize, C_GetInfo, C_GetFunctionList, C_GetSlotList, C_GetSlotInfo,
    C_GetTokenInfo, C_GetMechanismList, C_GetMechanismInfo, C_InitToken, C_InitPIN, C_SetPIN,
    C_OpenSession, C_CloseSession, C_CloseAllSessions, C_GetSessionInfo, C_GetOperationState,
    C_SetOperationState, C_Login, C_Logout, C_CreateObject, C_CopyObject, C_DestroyObject,
    C_GetObjectSize, C_GetAttributeValue, C_SetAttributeValue, C_FindObjectsInit, C_FindObjects,
    C_FindObjectsFinal, C_EncryptInit, C_Encrypt, C_EncryptUpdate, C_EncryptFinal, C_DecryptInit,
    C_Decrypt, C_DecryptUpdate, C_DecryptFinal, C_DigestInit, C_Digest, C_DigestUpdate, C_DigestKey,
    C_DigestFinal, C_SignInit, C_Sign, C_SignUpdate, C_SignFinal, C_SignRecoverInit, C_SignRecover,
    C_VerifyInit, C_Verify, C_VerifyUpdate, C_VerifyFinal, C_VerifyRecoverInit, C_VerifyRecover,
    C_DigestEncryptUpdate, C_DecryptDigestUpdate, C_SignEncryptUpdate, C_DecryptVerifyUpdate,
    C_GenerateKey, C_GenerateKeyPair, C_WrapKey, C_UnwrapKey, C_DeriveKey, C_SeedRandom,
    C_GenerateRandom, C_GetFunctionStatus, C_CancelFunction, C_WaitForSlotEvent, C_GetInterfaceList,
    C_GetInterface, C_LoginUser, C_SessionCancel, C_MessageEncryptInit, C_EncryptMessage,
    C_EncryptMessageBegin, C_EncryptMessageNext, C_MessageEncryptFinal, C_MessageDecryptInit,
    C_DecryptMessage, C_DecryptMessageBegin, C_DecryptMessageNext, C_MessageDecryptFinal,
    C_MessageSignInit, C_SignMessage, C_SignMessageBegin, C_SignMessageNext, C_MessageSignFinal,
    C_MessageVerifyInit, C_VerifyMessage, C_VerifyMessageBegin, C_VerifyMessageNext,
    C_MessageVerifyFinal, C_EncapsulateKey, C_DecapsulateKey, C_VerifySignatureInit,
    C_VerifySignature, C_VerifySignatureUpdate, C_VerifySignatureFinal, C_GetSessionValidationFlags,
    C_AsyncComplete, C_AsyncGetID, C_AsyncJoin, C_WrapKeyAuthenticated, C_UnwrapKeyAuthenticated};
