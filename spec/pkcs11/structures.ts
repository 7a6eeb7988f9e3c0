/**
 * The structures of PKCS#11 and what each holds: one row a structure, members in the header's
 * order.
 *
 * PKCS#11 3.2 `pkcs11t.h` and the mechanisms document; names are the header's. From the rows come
 * the structures of the C module's header, the marshalling of mechanism parameters on both sides of
 * a remote call, and the types of their values in TypeScript. What a member can be, and how it
 * travels, is said in `members.ts`.
 *
 * The lengths of the initialisation vectors of TLS stand in the structure that points to theirs.
 *
 * Which mechanism takes which structure is not said here: that is `mechanisms.ts`.
 *
 * @module
 */
import {
  array,
  BYTE,
  bits,
  bitsOf,
  bool,
  byte,
  bytes,
  bytesOrBits,
  CHAR,
  fixed,
  handleOut,
  length,
  lengthPointer,
  type Member,
  mechanism,
  pointed,
  pointer,
  string,
  structure,
  structurePointer,
  template,
  text,
  UTF8,
  ulong,
  VOID,
  version,
} from './members.ts'

/** Of the label of a token, in UTF-8. */
export const LABEL_BYTES = 32

// biome-ignore format: a table
export const STRUCTURES = {
  CK_ATTRIBUTE: {
    type: ulong('CK_ATTRIBUTE_TYPE'), pValue: bytes('ulValueLen', VOID), ulValueLen: length,
  },
  CK_C_INITIALIZE_ARGS: {
    CreateMutex: pointer('CK_CREATEMUTEX'), DestroyMutex: pointer('CK_DESTROYMUTEX'),
    LockMutex: pointer('CK_LOCKMUTEX'), UnlockMutex: pointer('CK_UNLOCKMUTEX'),
    flags: ulong('CK_FLAGS'), pReserved: pointer('void *'),
  },
  CK_DATE: { year: text(4, CHAR), month: text(2, CHAR), day: text(2, CHAR) },
  CK_DERIVED_KEY: {
    pTemplate: template('ulAttributeCount'), ulAttributeCount: length, phKey: handleOut,
  },
  CK_VERSION: { major: byte, minor: byte },
  CK_INFO: {
    cryptokiVersion: version, manufacturerID: text(32), flags: ulong('CK_FLAGS'),
    libraryDescription: text(32), libraryVersion: version,
  },
  CK_INTERFACE: {
    pInterfaceName: pointer('CK_UTF8CHAR *'), pFunctionList: pointer('void *'),
    flags: ulong('CK_FLAGS'),
  },
  CK_MECHANISM: {
    mechanism: ulong('CK_MECHANISM_TYPE'), pParameter: bytes('ulParameterLen', VOID),
    ulParameterLen: length,
  },
  CK_MECHANISM_INFO: { ulMinKeySize: ulong(), ulMaxKeySize: ulong(), flags: ulong('CK_FLAGS') },
  CK_SESSION_INFO: {
    slotID: ulong('CK_SLOT_ID'), state: ulong('CK_STATE'), flags: ulong('CK_FLAGS'),
    ulDeviceError: ulong(),
  },
  CK_SLOT_INFO: {
    slotDescription: text(64), manufacturerID: text(32), flags: ulong('CK_FLAGS'),
    hardwareVersion: version, firmwareVersion: version,
  },
  CK_TOKEN_INFO: {
    label: text(LABEL_BYTES), manufacturerID: text(32), model: text(16), serialNumber: text(16, CHAR),
    flags: ulong('CK_FLAGS'), ulMaxSessionCount: ulong(), ulSessionCount: ulong(),
    ulMaxRwSessionCount: ulong(), ulRwSessionCount: ulong(), ulMaxPinLen: ulong(),
    ulMinPinLen: ulong(), ulTotalPublicMemory: ulong(), ulFreePublicMemory: ulong(),
    ulTotalPrivateMemory: ulong(), ulFreePrivateMemory: ulong(), hardwareVersion: version,
    firmwareVersion: version, utcTime: text(16, CHAR),
  },
  CK_AES_CBC_ENCRYPT_DATA_PARAMS: { iv: fixed(16), pData: bytes('length'), length },
  CK_AES_CCM_PARAMS: {
    ulDataLen: ulong(), pNonce: bytes('ulNonceLen'), ulNonceLen: length, pAAD: bytes('ulAADLen'),
    ulAADLen: length, ulMACLen: ulong(),
  },
  CK_AES_CTR_PARAMS: { ulCounterBits: ulong(), cb: fixed(16) },
  CK_AES_GCM_PARAMS: {
    pIv: bytes('ulIvLen'), ulIvLen: length, ulIvBits: ulong(), pAAD: bytes('ulAADLen'),
    ulAADLen: length, ulTagBits: ulong(),
  },
  CK_ARIA_CBC_ENCRYPT_DATA_PARAMS: { iv: fixed(16), pData: bytes('length'), length },
  CK_ASYNC_DATA: {
    ulVersion: ulong(), pValue: bytes('ulValue', BYTE, 'out'), ulValue: length,
    hObject: ulong('CK_OBJECT_HANDLE'), hAdditionalObject: ulong('CK_OBJECT_HANDLE'),
  },
  CK_CAMELLIA_CBC_ENCRYPT_DATA_PARAMS: { iv: fixed(16), pData: bytes('length'), length },
  CK_CAMELLIA_CTR_PARAMS: { ulCounterBits: ulong(), cb: fixed(16) },
  CK_CCM_MESSAGE_PARAMS: {
    ulDataLen: ulong(), pNonce: bytes('ulNonceLen', BYTE, 'inout'), ulNonceLen: length,
    ulNonceFixedBits: ulong(), nonceGenerator: ulong('CK_GENERATOR_FUNCTION'),
    pMAC: bytes('ulMACLen', BYTE, 'inout'), ulMACLen: length,
  },
  CK_CCM_PARAMS: {
    ulDataLen: ulong(), pNonce: bytes('ulNonceLen'), ulNonceLen: length, pAAD: bytes('ulAADLen'),
    ulAADLen: length, ulMACLen: ulong(),
  },
  CK_CCM_WRAP_PARAMS: {
    ulDataLen: ulong(), pNonce: bytes('ulNonceLen', BYTE, 'inout'), ulNonceLen: length,
    ulNonceFixedBits: ulong(), nonceGenerator: ulong('CK_GENERATOR_FUNCTION'),
    pAAD: bytes('ulAADLen'), ulAADLen: length, ulMACLen: ulong(),
  },
  CK_CHACHA20_PARAMS: {
    pBlockCounter: bits('blockCounterBits'), blockCounterBits: ulong(), pNonce: bits('ulNonceBits'),
    ulNonceBits: ulong(),
  },
  CK_CMS_SIG_PARAMS: {
    certificateHandle: ulong('CK_OBJECT_HANDLE'), pSigningMechanism: mechanism,
    pDigestMechanism: mechanism, pContentType: string,
    pRequestedAttributes: bytes('ulRequestedAttributesLen'), ulRequestedAttributesLen: length,
    pRequiredAttributes: bytes('ulRequiredAttributesLen'), ulRequiredAttributesLen: length,
  },
  CK_DES_CBC_ENCRYPT_DATA_PARAMS: { iv: fixed(8), pData: bytes('length'), length },
  CK_DSA_PARAMETER_GEN_PARAM: {
    hash: ulong('CK_MECHANISM_TYPE'), pSeed: bytes('ulSeedLen'), ulSeedLen: length,
    ulIndex: ulong(),
  },
  CK_ECDH_AES_KEY_WRAP_PARAMS: {
    ulAESKeyBits: ulong(), kdf: ulong('CK_EC_KDF_TYPE'), ulSharedDataLen: length,
    pSharedData: bytes('ulSharedDataLen'),
  },
  CK_ECDH1_DERIVE_PARAMS: {
    kdf: ulong('CK_EC_KDF_TYPE'), ulSharedDataLen: length, pSharedData: bytes('ulSharedDataLen'),
    ulPublicDataLen: length, pPublicData: bytes('ulPublicDataLen'),
  },
  CK_ECDH2_DERIVE_PARAMS: {
    kdf: ulong('CK_EC_KDF_TYPE'), ulSharedDataLen: length, pSharedData: bytes('ulSharedDataLen'),
    ulPublicDataLen: length, pPublicData: bytes('ulPublicDataLen'), ulPrivateDataLen: ulong(),
    hPrivateData: ulong('CK_OBJECT_HANDLE'), ulPublicDataLen2: length,
    pPublicData2: bytes('ulPublicDataLen2'),
  },
  CK_ECMQV_DERIVE_PARAMS: {
    kdf: ulong('CK_EC_KDF_TYPE'), ulSharedDataLen: length, pSharedData: bytes('ulSharedDataLen'),
    ulPublicDataLen: length, pPublicData: bytes('ulPublicDataLen'), ulPrivateDataLen: ulong(),
    hPrivateData: ulong('CK_OBJECT_HANDLE'), ulPublicDataLen2: length,
    pPublicData2: bytes('ulPublicDataLen2'), publicKey: ulong('CK_OBJECT_HANDLE'),
  },
  CK_EDDSA_PARAMS: {
    phFlag: bool, ulContextDataLen: length, pContextData: bytes('ulContextDataLen'),
  },
  CK_GCM_MESSAGE_PARAMS: {
    pIv: bytes('ulIvLen', BYTE, 'inout'), ulIvLen: length, ulIvFixedBits: ulong(),
    ivGenerator: ulong('CK_GENERATOR_FUNCTION'), pTag: bits('ulTagBits', 'inout'),
    ulTagBits: ulong(),
  },
  CK_GCM_PARAMS: {
    pIv: bytes('ulIvLen'), ulIvLen: length, ulIvBits: ulong(), pAAD: bytes('ulAADLen'),
    ulAADLen: length, ulTagBits: ulong(),
  },
  CK_GCM_WRAP_PARAMS: {
    pIv: bytes('ulIvLen', BYTE, 'inout'), ulIvLen: length, ulIvFixedBits: ulong(),
    ivGenerator: ulong('CK_GENERATOR_FUNCTION'), pAAD: bytes('ulAADLen'), ulAADLen: length,
    ulTagBits: ulong(),
  },
  CK_GOSTR3410_DERIVE_PARAMS: {
    kdf: ulong('CK_EC_KDF_TYPE'), pPublicData: bytes('ulPublicDataLen'), ulPublicDataLen: length,
    pUKM: bytes('ulUKMLen'), ulUKMLen: length,
  },
  CK_GOSTR3410_KEY_WRAP_PARAMS: {
    pWrapOID: bytes('ulWrapOIDLen'), ulWrapOIDLen: length, pUKM: bytes('ulUKMLen'),
    ulUKMLen: length, hKey: ulong('CK_OBJECT_HANDLE'),
  },
  CK_HASH_SIGN_ADDITIONAL_CONTEXT: {
    hedgeVariant: ulong('CK_HEDGE_TYPE'), pContext: bytes('ulContextLen'), ulContextLen: length,
    hash: ulong('CK_MECHANISM_TYPE'),
  },
  CK_HKDF_PARAMS: {
    bExtract: bool, bExpand: bool, prfHashMechanism: ulong('CK_MECHANISM_TYPE'),
    ulSaltType: ulong(), pSalt: bytes('ulSaltLen'), ulSaltLen: length,
    hSaltKey: ulong('CK_OBJECT_HANDLE'), pInfo: bytes('ulInfoLen'), ulInfoLen: length,
  },
  CK_IKE_PRF_DERIVE_PARAMS: {
    prfMechanism: ulong('CK_MECHANISM_TYPE'), bDataAsKey: bool, bRekey: bool, pNi: bytes('ulNiLen'),
    ulNiLen: length, pNr: bytes('ulNrLen'), ulNrLen: length, hNewKey: ulong('CK_OBJECT_HANDLE'),
  },
  CK_IKE1_EXTENDED_DERIVE_PARAMS: {
    prfMechanism: ulong('CK_MECHANISM_TYPE'), bHasKeygxy: bool, hKeygxy: ulong('CK_OBJECT_HANDLE'),
    pExtraData: bytes('ulExtraDataLen'), ulExtraDataLen: length,
  },
  CK_IKE1_PRF_DERIVE_PARAMS: {
    prfMechanism: ulong('CK_MECHANISM_TYPE'), bHasPrevKey: bool, hKeygxy: ulong('CK_OBJECT_HANDLE'),
    hPrevKey: ulong('CK_OBJECT_HANDLE'), pCKYi: bytes('ulCKYiLen'), ulCKYiLen: length,
    pCKYr: bytes('ulCKYrLen'), ulCKYrLen: length, keyNumber: byte,
  },
  CK_IKE2_PRF_PLUS_DERIVE_PARAMS: {
    prfMechanism: ulong('CK_MECHANISM_TYPE'), bHasSeedKey: bool,
    hSeedKey: ulong('CK_OBJECT_HANDLE'), pSeedData: bytes('ulSeedDataLen'), ulSeedDataLen: length,
  },
  CK_KEA_DERIVE_PARAMS: {
    isSender: bool, ulRandomLen: length, RandomA: bytes('ulRandomLen'),
    RandomB: bytes('ulRandomLen'), ulPublicDataLen: length, PublicData: bytes('ulPublicDataLen'),
  },
  CK_KEY_DERIVATION_STRING_DATA: { pData: bytes('ulLen'), ulLen: length },
  CK_KEY_WRAP_SET_OAEP_PARAMS: { bBC: byte, pX: bytes('ulXLen'), ulXLen: length },
  CK_KIP_PARAMS: {
    pMechanism: mechanism, hKey: ulong('CK_OBJECT_HANDLE'), pSeed: bytes('ulSeedLen'),
    ulSeedLen: length,
  },
  CK_OTP_PARAM: {
    type: ulong('CK_OTP_PARAM_TYPE'), pValue: bytes('ulValueLen', VOID), ulValueLen: length,
  },
  CK_OTP_PARAMS: { pParams: array('CK_OTP_PARAM', 'ulCount'), ulCount: length },
  CK_OTP_SIGNATURE_INFO: { pParams: array('CK_OTP_PARAM', 'ulCount'), ulCount: length },
  CK_PBE_PARAMS: {
    pInitVector: pointed(8, 'out'), pPassword: bytes('ulPasswordLen', UTF8), ulPasswordLen: length,
    pSalt: bytes('ulSaltLen'), ulSaltLen: length, ulIteration: ulong(),
  },
  CK_PKCS5_PBKD2_PARAMS: {
    saltSource: ulong('CK_PKCS5_PBKDF2_SALT_SOURCE_TYPE'),
    pSaltSourceData: bytes('ulSaltSourceDataLen', VOID), ulSaltSourceDataLen: length,
    iterations: ulong(), prf: ulong('CK_PKCS5_PBKD2_PSEUDO_RANDOM_FUNCTION_TYPE'),
    pPrfData: bytes('ulPrfDataLen', VOID), ulPrfDataLen: length,
    pPassword: bytes('ulPasswordLen', UTF8), ulPasswordLen: lengthPointer,
  },
  CK_PKCS5_PBKD2_PARAMS2: {
    saltSource: ulong('CK_PKCS5_PBKDF2_SALT_SOURCE_TYPE'),
    pSaltSourceData: bytes('ulSaltSourceDataLen', VOID), ulSaltSourceDataLen: length,
    iterations: ulong(), prf: ulong('CK_PKCS5_PBKD2_PSEUDO_RANDOM_FUNCTION_TYPE'),
    pPrfData: bytes('ulPrfDataLen', VOID), ulPrfDataLen: length,
    pPassword: bytes('ulPasswordLen', UTF8), ulPasswordLen: length,
  },
  CK_PRF_DATA_PARAM: {
    type: ulong('CK_PRF_DATA_TYPE'), pValue: bytes('ulValueLen', VOID), ulValueLen: length,
  },
  CK_RC2_CBC_PARAMS: { ulEffectiveBits: ulong(), iv: fixed(8) },
  CK_RC2_MAC_GENERAL_PARAMS: { ulEffectiveBits: ulong(), ulMacLength: ulong() },
  CK_RC5_CBC_PARAMS: {
    ulWordsize: ulong(), ulRounds: ulong(), pIv: bytes('ulIvLen'), ulIvLen: length,
  },
  CK_RC5_MAC_GENERAL_PARAMS: { ulWordsize: ulong(), ulRounds: ulong(), ulMacLength: ulong() },
  CK_RC5_PARAMS: { ulWordsize: ulong(), ulRounds: ulong() },
  CK_RSA_AES_KEY_WRAP_PARAMS: {
    ulAESKeyBits: ulong(), pOAEPParams: structurePointer('CK_RSA_PKCS_OAEP_PARAMS'),
  },
  CK_RSA_PKCS_OAEP_PARAMS: {
    hashAlg: ulong('CK_MECHANISM_TYPE'), mgf: ulong('CK_RSA_PKCS_MGF_TYPE'),
    source: ulong('CK_RSA_PKCS_OAEP_SOURCE_TYPE'), pSourceData: bytes('ulSourceDataLen', VOID),
    ulSourceDataLen: length,
  },
  CK_RSA_PKCS_PSS_PARAMS: {
    hashAlg: ulong('CK_MECHANISM_TYPE'), mgf: ulong('CK_RSA_PKCS_MGF_TYPE'), sLen: ulong(),
  },
  CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS: {
    pNonce: bytesOrBits('ulNonceLen'), ulNonceLen: length, pTag: pointed(16, 'inout'),
  },
  CK_SALSA20_CHACHA20_POLY1305_PARAMS: {
    pNonce: bytesOrBits('ulNonceLen'), ulNonceLen: length, pAAD: bytes('ulAADLen'),
    ulAADLen: length,
  },
  CK_SALSA20_PARAMS: {
    pBlockCounter: pointed(8), pNonce: bits('ulNonceBits'), ulNonceBits: ulong(),
  },
  CK_SEED_CBC_ENCRYPT_DATA_PARAMS: { iv: fixed(16), pData: bytes('length'), length },
  CK_SIGN_ADDITIONAL_CONTEXT: {
    hedgeVariant: ulong('CK_HEDGE_TYPE'), pContext: bytes('ulContextLen'), ulContextLen: length,
  },
  CK_SKIPJACK_PRIVATE_WRAP_PARAMS: {
    ulPasswordLen: length, pPassword: bytes('ulPasswordLen'), ulPublicDataLen: length,
    pPublicData: bytes('ulPublicDataLen'), ulPAndGLen: length, ulQLen: length, ulRandomLen: length,
    pRandomA: bytes('ulRandomLen'), pPrimeP: bytes('ulPAndGLen'), pBaseG: bytes('ulPAndGLen'),
    pSubprimeQ: bytes('ulQLen'),
  },
  CK_SKIPJACK_RELAYX_PARAMS: {
    ulOldWrappedXLen: length, pOldWrappedX: bytes('ulOldWrappedXLen'), ulOldPasswordLen: length,
    pOldPassword: bytes('ulOldPasswordLen'), ulOldPublicDataLen: length,
    pOldPublicData: bytes('ulOldPublicDataLen'), ulOldRandomLen: length,
    pOldRandomA: bytes('ulOldRandomLen'), ulNewPasswordLen: length,
    pNewPassword: bytes('ulNewPasswordLen'), ulNewPublicDataLen: length,
    pNewPublicData: bytes('ulNewPublicDataLen'), ulNewRandomLen: length,
    pNewRandomA: bytes('ulNewRandomLen'),
  },
  CK_SP800_108_COUNTER_FORMAT: { bLittleEndian: bool, ulWidthInBits: ulong() },
  CK_SP800_108_DKM_LENGTH_FORMAT: {
    dkmLengthMethod: ulong('CK_SP800_108_DKM_LENGTH_METHOD'), bLittleEndian: bool,
    ulWidthInBits: ulong(),
  },
  CK_SP800_108_FEEDBACK_KDF_PARAMS: {
    prfType: ulong('CK_SP800_108_PRF_TYPE'), ulNumberOfDataParams: length,
    pDataParams: array('CK_PRF_DATA_PARAM', 'ulNumberOfDataParams'), ulIVLen: length,
    pIV: bytes('ulIVLen'), ulAdditionalDerivedKeys: length,
    pAdditionalDerivedKeys: array('CK_DERIVED_KEY', 'ulAdditionalDerivedKeys'),
  },
  CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS: {
    prfHashMechanism: ulong('CK_MECHANISM_TYPE'), pSessionHash: bytes('ulSessionHashLen'),
    ulSessionHashLen: length, pVersion: structurePointer('CK_VERSION', 'inout'),
  },
  CK_SP800_108_KDF_PARAMS: {
    prfType: ulong('CK_SP800_108_PRF_TYPE'), ulNumberOfDataParams: length,
    pDataParams: array('CK_PRF_DATA_PARAM', 'ulNumberOfDataParams'),
    ulAdditionalDerivedKeys: length,
    pAdditionalDerivedKeys: array('CK_DERIVED_KEY', 'ulAdditionalDerivedKeys'),
  },
  CK_X2RATCHET_INITIALIZE_PARAMS: {
    sk: pointer('CK_BYTE *'), peer_public_prekey: ulong('CK_OBJECT_HANDLE'),
    peer_public_identity: ulong('CK_OBJECT_HANDLE'), own_public_identity: ulong('CK_OBJECT_HANDLE'),
    bEncryptedHeader: bool, eCurve: ulong(), aeadMechanism: ulong('CK_MECHANISM_TYPE'),
    kdfMechanism: ulong('CK_X2RATCHET_KDF_TYPE'),
  },
  CK_X2RATCHET_RESPOND_PARAMS: {
    sk: pointer('CK_BYTE *'), own_prekey: ulong('CK_OBJECT_HANDLE'),
    initiator_identity: ulong('CK_OBJECT_HANDLE'), own_public_identity: ulong('CK_OBJECT_HANDLE'),
    bEncryptedHeader: bool, eCurve: ulong(), aeadMechanism: ulong('CK_MECHANISM_TYPE'),
    kdfMechanism: ulong('CK_X2RATCHET_KDF_TYPE'),
  },
  CK_X3DH_INITIATE_PARAMS: {
    kdf: ulong('CK_X3DH_KDF_TYPE'), pPeer_identity: ulong('CK_OBJECT_HANDLE'),
    pPeer_prekey: ulong('CK_OBJECT_HANDLE'), pPrekey_signature: pointer('CK_BYTE *'),
    pOnetime_key: pointer('CK_BYTE *'), pOwn_identity: ulong('CK_OBJECT_HANDLE'),
    pOwn_ephemeral: ulong('CK_OBJECT_HANDLE'),
  },
  CK_X3DH_RESPOND_PARAMS: {
    kdf: ulong('CK_X3DH_KDF_TYPE'), pIdentity_id: pointer('CK_BYTE *'),
    pPrekey_id: pointer('CK_BYTE *'), pOnetime_id: pointer('CK_BYTE *'),
    pInitiator_identity: ulong('CK_OBJECT_HANDLE'), pInitiator_ephemeral: pointer('CK_BYTE *'),
  },
  CK_X9_42_DH1_DERIVE_PARAMS: {
    kdf: ulong('CK_X9_42_DH_KDF_TYPE'), ulOtherInfoLen: length, pOtherInfo: bytes('ulOtherInfoLen'),
    ulPublicDataLen: length, pPublicData: bytes('ulPublicDataLen'),
  },
  CK_X9_42_DH2_DERIVE_PARAMS: {
    kdf: ulong('CK_X9_42_DH_KDF_TYPE'), ulOtherInfoLen: length, pOtherInfo: bytes('ulOtherInfoLen'),
    ulPublicDataLen: length, pPublicData: bytes('ulPublicDataLen'), ulPrivateDataLen: ulong(),
    hPrivateData: ulong('CK_OBJECT_HANDLE'), ulPublicDataLen2: length,
    pPublicData2: bytes('ulPublicDataLen2'),
  },
  CK_X9_42_MQV_DERIVE_PARAMS: {
    kdf: ulong('CK_X9_42_DH_KDF_TYPE'), ulOtherInfoLen: length, OtherInfo: bytes('ulOtherInfoLen'),
    ulPublicDataLen: length, PublicData: bytes('ulPublicDataLen'), ulPrivateDataLen: ulong(),
    hPrivateData: ulong('CK_OBJECT_HANDLE'), ulPublicDataLen2: length,
    PublicData2: bytes('ulPublicDataLen2'), publicKey: ulong('CK_OBJECT_HANDLE'),
  },
  CK_XEDDSA_PARAMS: { hash: ulong('CK_XEDDSA_HASH_TYPE') },
  CK_SSL3_KEY_MAT_OUT: {
    hClientMacSecret: ulong('CK_OBJECT_HANDLE'), hServerMacSecret: ulong('CK_OBJECT_HANDLE'),
    hClientKey: ulong('CK_OBJECT_HANDLE'), hServerKey: ulong('CK_OBJECT_HANDLE'),
    pIVClient: bitsOf('CK_SSL3_KEY_MAT_PARAMS', 'ulIVSizeInBits', 'out'),
    pIVServer: bitsOf('CK_SSL3_KEY_MAT_PARAMS', 'ulIVSizeInBits', 'out'),
  },
  CK_SSL3_RANDOM_DATA: {
    pClientRandom: bytes('ulClientRandomLen'), ulClientRandomLen: length,
    pServerRandom: bytes('ulServerRandomLen'), ulServerRandomLen: length,
  },
  CK_SSL3_KEY_MAT_PARAMS: {
    ulMacSizeInBits: ulong(), ulKeySizeInBits: ulong(), ulIVSizeInBits: ulong(), bIsExport: bool,
    RandomInfo: structure('CK_SSL3_RANDOM_DATA'),
    pReturnedKeyMaterial: structurePointer('CK_SSL3_KEY_MAT_OUT', 'out'),
  },
  CK_SSL3_MASTER_KEY_DERIVE_PARAMS: {
    RandomInfo: structure('CK_SSL3_RANDOM_DATA'), pVersion: structurePointer('CK_VERSION', 'inout'),
  },
  CK_TLS_KDF_PARAMS: {
    prfMechanism: ulong('CK_MECHANISM_TYPE'), pLabel: bytes('ulLabelLength'), ulLabelLength: length,
    RandomInfo: structure('CK_SSL3_RANDOM_DATA'), pContextData: bytes('ulContextDataLength'),
    ulContextDataLength: length,
  },
  CK_TLS_MAC_PARAMS: {
    prfHashMechanism: ulong('CK_MECHANISM_TYPE'), ulMacLength: ulong(), ulServerOrClient: ulong(),
  },
  CK_TLS_PRF_PARAMS: {
    pSeed: bytes('ulSeedLen'), ulSeedLen: length, pLabel: bytes('ulLabelLen'), ulLabelLen: length,
    pOutput: bytes('pulOutputLen', BYTE, 'out'), pulOutputLen: lengthPointer,
  },
  CK_TLS12_KEY_MAT_PARAMS: {
    ulMacSizeInBits: ulong(), ulKeySizeInBits: ulong(), ulIVSizeInBits: ulong(), bIsExport: bool,
    RandomInfo: structure('CK_SSL3_RANDOM_DATA'),
    pReturnedKeyMaterial: structurePointer('CK_SSL3_KEY_MAT_OUT', 'out'),
    prfHashMechanism: ulong('CK_MECHANISM_TYPE'),
  },
  CK_TLS12_MASTER_KEY_DERIVE_PARAMS: {
    RandomInfo: structure('CK_SSL3_RANDOM_DATA'), pVersion: structurePointer('CK_VERSION', 'inout'),
    prfHashMechanism: ulong('CK_MECHANISM_TYPE'),
  },
  CK_WTLS_KEY_MAT_OUT: {
    hMacSecret: ulong('CK_OBJECT_HANDLE'), hKey: ulong('CK_OBJECT_HANDLE'),
    pIV: pointer('CK_BYTE *'),
  },
  CK_WTLS_RANDOM_DATA: {
    pClientRandom: bytes('ulClientRandomLen'), ulClientRandomLen: length,
    pServerRandom: bytes('ulServerRandomLen'), ulServerRandomLen: length,
  },
  CK_WTLS_KEY_MAT_PARAMS: {
    DigestMechanism: ulong('CK_MECHANISM_TYPE'), ulMacSizeInBits: ulong(), ulKeySizeInBits: ulong(),
    ulIVSizeInBits: ulong(), ulSequenceNumber: ulong(), bIsExport: bool,
    RandomInfo: structure('CK_WTLS_RANDOM_DATA'),
    pReturnedKeyMaterial: structurePointer('CK_WTLS_KEY_MAT_OUT', 'out'),
  },
  CK_WTLS_MASTER_KEY_DERIVE_PARAMS: {
    DigestMechanism: ulong('CK_MECHANISM_TYPE'), RandomInfo: structure('CK_WTLS_RANDOM_DATA'),
    pVersion: pointed(1, 'inout'),
  },
  CK_WTLS_PRF_PARAMS: {
    DigestMechanism: ulong('CK_MECHANISM_TYPE'), pSeed: bytes('ulSeedLen'), ulSeedLen: length,
    pLabel: bytes('ulLabelLen'), ulLabelLen: length, pOutput: bytes('pulOutputLen', BYTE, 'out'),
    pulOutputLen: lengthPointer,
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Member>>>>
export type StructureType = keyof typeof STRUCTURES
