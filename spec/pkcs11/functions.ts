/**
 * The functions of PKCS#11 and what each takes: one row a function, arguments in the header's
 * order.
 *
 * PKCS#11 3.2 §5 and `pkcs11f.h`; names are the header's. From the rows come the entry points of
 * the C module, the encoder and decoder of the remote calls, and the calls into an HSM's module. An
 * argument that is a pointer with a length beside it is one entry here and two in C.
 *
 * What the functions do is not said here: that is `fronts/pkcs11`.
 *
 * @module
 */

/** An argument as its row has it. */
export type Argument =
  | { readonly kind: 'ulong' | 'ulongOut' | 'pointer'; readonly type: string }
  | { readonly kind: 'structure'; readonly type: StructureName }
  | { readonly kind: 'bool' | 'mechanism' }
  | { readonly kind: 'padded'; readonly bytes: number }
  | { readonly kind: Counted; readonly length: string }
  | { readonly kind: 'ulongs'; readonly type: string; readonly length: string }
  | {
      readonly kind: 'found'
      readonly type: string
      readonly maximum: string
      readonly length: string
    }

type Counted = 'bytes' | 'text' | 'wanted' | 'filled' | 'parameter' | 'template' | 'values'

/** Structures that the token fills in. */
export type StructureName =
  | 'CK_INFO'
  | 'CK_SLOT_INFO'
  | 'CK_TOKEN_INFO'
  | 'CK_MECHANISM_INFO'
  | 'CK_SESSION_INFO'

/** A number, such as a handle or flags. */
const ulong = (type: string) => ({ kind: 'ulong', type }) as const
/** A number that comes back. */
const ulongOut = (type: string) => ({ kind: 'ulongOut', type }) as const
/** Something of the caller's process, which never travels. */
const pointer = (type: string) => ({ kind: 'pointer', type }) as const
/** A structure that comes back. */
const structure = <T extends StructureName>(type: T) => ({ kind: 'structure', type }) as const
const bool = { kind: 'bool' } as const
const mechanism = { kind: 'mechanism' } as const
/** Text of a fixed size, padded with spaces. */
const padded = (bytes: number) => ({ kind: 'padded', bytes }) as const
/** Bytes that are given. */
const bytes = (length: string) => ({ kind: 'bytes', length }) as const
/** Characters that are given, such as a PIN. */
const text = (length: string) => ({ kind: 'text', length }) as const
/** Bytes that come back, their length asked for first or known to suffice (§5.2). */
const wanted = (length: string) => ({ kind: 'wanted', length }) as const
/** Bytes that come back, exactly as many as the caller says. */
const filled = (length: string) => ({ kind: 'filled', length }) as const
/** The parameter of one message, which the token may fill in (§5.9). */
const parameter = (length: string) => ({ kind: 'parameter', length }) as const
/** Attributes that are given. */
const template = (length: string) => ({ kind: 'template', length }) as const
/** Attributes whose values come back. */
const values = (length: string) => ({ kind: 'values', length }) as const
/** Numbers that come back, as {@link wanted}. */
const ulongs = (type: string, length: string) => ({ kind: 'ulongs', type, length }) as const
/** Numbers that come back, at most as many as the caller says. */
const found = (type: string, maximum: string, length: string) =>
  ({ kind: 'found', type, maximum, length }) as const

// biome-ignore format: a table
export const FUNCTIONS = {
  // General purpose, slots and tokens.
  C_Initialize: { pInitArgs: pointer('void *') },
  C_Finalize: { pReserved: pointer('void *') },
  C_GetInfo: { pInfo: structure('CK_INFO') },
  C_GetFunctionList: { ppFunctionList: pointer('CK_FUNCTION_LIST **') },
  C_GetSlotList: { tokenPresent: bool, pSlotList: ulongs('CK_SLOT_ID', 'pulCount') },
  C_GetSlotInfo: { slotID: ulong('CK_SLOT_ID'), pInfo: structure('CK_SLOT_INFO') },
  C_GetTokenInfo: { slotID: ulong('CK_SLOT_ID'), pInfo: structure('CK_TOKEN_INFO') },
  C_GetMechanismList: {
    slotID: ulong('CK_SLOT_ID'), pMechanismList: ulongs('CK_MECHANISM_TYPE', 'pulCount'),
  },
  C_GetMechanismInfo: {
    slotID: ulong('CK_SLOT_ID'), type: ulong('CK_MECHANISM_TYPE'),
    pInfo: structure('CK_MECHANISM_INFO'),
  },
  C_InitToken: { slotID: ulong('CK_SLOT_ID'), pPin: text('ulPinLen'), pLabel: padded(32) },
  C_InitPIN: { hSession: ulong('CK_SESSION_HANDLE'), pPin: text('ulPinLen') },
  C_SetPIN: {
    hSession: ulong('CK_SESSION_HANDLE'), pOldPin: text('ulOldLen'), pNewPin: text('ulNewLen'),
  },

  // Sessions.
  C_OpenSession: {
    slotID: ulong('CK_SLOT_ID'), flags: ulong('CK_FLAGS'), pApplication: pointer('void *'),
    Notify: pointer('CK_NOTIFY'), phSession: ulongOut('CK_SESSION_HANDLE'),
  },
  C_CloseSession: { hSession: ulong('CK_SESSION_HANDLE') },
  C_CloseAllSessions: { slotID: ulong('CK_SLOT_ID') },
  C_GetSessionInfo: { hSession: ulong('CK_SESSION_HANDLE'), pInfo: structure('CK_SESSION_INFO') },
  C_GetOperationState: {
    hSession: ulong('CK_SESSION_HANDLE'), pOperationState: wanted('pulOperationStateLen'),
  },
  C_SetOperationState: {
    hSession: ulong('CK_SESSION_HANDLE'), pOperationState: bytes('ulOperationStateLen'),
    hEncryptionKey: ulong('CK_OBJECT_HANDLE'), hAuthenticationKey: ulong('CK_OBJECT_HANDLE'),
  },
  C_Login: {
    hSession: ulong('CK_SESSION_HANDLE'), userType: ulong('CK_USER_TYPE'), pPin: text('ulPinLen'),
  },
  C_Logout: { hSession: ulong('CK_SESSION_HANDLE') },

  // Objects.
  C_CreateObject: {
    hSession: ulong('CK_SESSION_HANDLE'), pTemplate: template('ulCount'),
    phObject: ulongOut('CK_OBJECT_HANDLE'),
  },
  C_CopyObject: {
    hSession: ulong('CK_SESSION_HANDLE'), hObject: ulong('CK_OBJECT_HANDLE'),
    pTemplate: template('ulCount'), phNewObject: ulongOut('CK_OBJECT_HANDLE'),
  },
  C_DestroyObject: { hSession: ulong('CK_SESSION_HANDLE'), hObject: ulong('CK_OBJECT_HANDLE') },
  C_GetObjectSize: {
    hSession: ulong('CK_SESSION_HANDLE'), hObject: ulong('CK_OBJECT_HANDLE'),
    pulSize: ulongOut('CK_ULONG'),
  },
  C_GetAttributeValue: {
    hSession: ulong('CK_SESSION_HANDLE'), hObject: ulong('CK_OBJECT_HANDLE'),
    pTemplate: values('ulCount'),
  },
  C_SetAttributeValue: {
    hSession: ulong('CK_SESSION_HANDLE'), hObject: ulong('CK_OBJECT_HANDLE'),
    pTemplate: template('ulCount'),
  },
  C_FindObjectsInit: { hSession: ulong('CK_SESSION_HANDLE'), pTemplate: template('ulCount') },
  C_FindObjects: {
    hSession: ulong('CK_SESSION_HANDLE'),
    phObject: found('CK_OBJECT_HANDLE', 'ulMaxObjectCount', 'pulObjectCount'),
  },
  C_FindObjectsFinal: { hSession: ulong('CK_SESSION_HANDLE') },

  // Encryption.
  C_EncryptInit: {
    hSession: ulong('CK_SESSION_HANDLE'), pMechanism: mechanism, hKey: ulong('CK_OBJECT_HANDLE'),
  },
  C_Encrypt: {
    hSession: ulong('CK_SESSION_HANDLE'), pData: bytes('ulDataLen'),
    pEncryptedData: wanted('pulEncryptedDataLen'),
  },
  C_EncryptUpdate: {
    hSession: ulong('CK_SESSION_HANDLE'), pPart: bytes('ulPartLen'),
    pEncryptedPart: wanted('pulEncryptedPartLen'),
  },
  C_EncryptFinal: {
    hSession: ulong('CK_SESSION_HANDLE'), pLastEncryptedPart: wanted('pulLastEncryptedPartLen'),
  },
  C_DecryptInit: {
    hSession: ulong('CK_SESSION_HANDLE'), pMechanism: mechanism, hKey: ulong('CK_OBJECT_HANDLE'),
  },
  C_Decrypt: {
    hSession: ulong('CK_SESSION_HANDLE'), pEncryptedData: bytes('ulEncryptedDataLen'),
    pData: wanted('pulDataLen'),
  },
  C_DecryptUpdate: {
    hSession: ulong('CK_SESSION_HANDLE'), pEncryptedPart: bytes('ulEncryptedPartLen'),
    pPart: wanted('pulPartLen'),
  },
  C_DecryptFinal: { hSession: ulong('CK_SESSION_HANDLE'), pLastPart: wanted('pulLastPartLen') },

  // Digests.
  C_DigestInit: { hSession: ulong('CK_SESSION_HANDLE'), pMechanism: mechanism },
  C_Digest: {
    hSession: ulong('CK_SESSION_HANDLE'), pData: bytes('ulDataLen'),
    pDigest: wanted('pulDigestLen'),
  },
  C_DigestUpdate: { hSession: ulong('CK_SESSION_HANDLE'), pPart: bytes('ulPartLen') },
  C_DigestKey: { hSession: ulong('CK_SESSION_HANDLE'), hKey: ulong('CK_OBJECT_HANDLE') },
  C_DigestFinal: { hSession: ulong('CK_SESSION_HANDLE'), pDigest: wanted('pulDigestLen') },

  // Signatures.
  C_SignInit: {
    hSession: ulong('CK_SESSION_HANDLE'), pMechanism: mechanism, hKey: ulong('CK_OBJECT_HANDLE'),
  },
  C_Sign: {
    hSession: ulong('CK_SESSION_HANDLE'), pData: bytes('ulDataLen'),
    pSignature: wanted('pulSignatureLen'),
  },
  C_SignUpdate: { hSession: ulong('CK_SESSION_HANDLE'), pPart: bytes('ulPartLen') },
  C_SignFinal: { hSession: ulong('CK_SESSION_HANDLE'), pSignature: wanted('pulSignatureLen') },
  C_SignRecoverInit: {
    hSession: ulong('CK_SESSION_HANDLE'), pMechanism: mechanism, hKey: ulong('CK_OBJECT_HANDLE'),
  },
  C_SignRecover: {
    hSession: ulong('CK_SESSION_HANDLE'), pData: bytes('ulDataLen'),
    pSignature: wanted('pulSignatureLen'),
  },
  C_VerifyInit: {
    hSession: ulong('CK_SESSION_HANDLE'), pMechanism: mechanism, hKey: ulong('CK_OBJECT_HANDLE'),
  },
  C_Verify: {
    hSession: ulong('CK_SESSION_HANDLE'), pData: bytes('ulDataLen'),
    pSignature: bytes('ulSignatureLen'),
  },
  C_VerifyUpdate: { hSession: ulong('CK_SESSION_HANDLE'), pPart: bytes('ulPartLen') },
  C_VerifyFinal: { hSession: ulong('CK_SESSION_HANDLE'), pSignature: bytes('ulSignatureLen') },
  C_VerifyRecoverInit: {
    hSession: ulong('CK_SESSION_HANDLE'), pMechanism: mechanism, hKey: ulong('CK_OBJECT_HANDLE'),
  },
  C_VerifyRecover: {
    hSession: ulong('CK_SESSION_HANDLE'), pSignature: bytes('ulSignatureLen'),
    pData: wanted('pulDataLen'),
  },

  // Two operations at once.
  C_DigestEncryptUpdate: {
    hSession: ulong('CK_SESSION_HANDLE'), pPart: bytes('ulPartLen'),
    pEncryptedPart: wanted('pulEncryptedPartLen'),
  },
  C_DecryptDigestUpdate: {
    hSession: ulong('CK_SESSION_HANDLE'), pEncryptedPart: bytes('ulEncryptedPartLen'),
    pPart: wanted('pulPartLen'),
  },
  C_SignEncryptUpdate: {
    hSession: ulong('CK_SESSION_HANDLE'), pPart: bytes('ulPartLen'),
    pEncryptedPart: wanted('pulEncryptedPartLen'),
  },
  C_DecryptVerifyUpdate: {
    hSession: ulong('CK_SESSION_HANDLE'), pEncryptedPart: bytes('ulEncryptedPartLen'),
    pPart: wanted('pulPartLen'),
  },

  // Keys.
  C_GenerateKey: {
    hSession: ulong('CK_SESSION_HANDLE'), pMechanism: mechanism, pTemplate: template('ulCount'),
    phKey: ulongOut('CK_OBJECT_HANDLE'),
  },
  C_GenerateKeyPair: {
    hSession: ulong('CK_SESSION_HANDLE'), pMechanism: mechanism,
    pPublicKeyTemplate: template('ulPublicKeyAttributeCount'),
    pPrivateKeyTemplate: template('ulPrivateKeyAttributeCount'),
    phPublicKey: ulongOut('CK_OBJECT_HANDLE'), phPrivateKey: ulongOut('CK_OBJECT_HANDLE'),
  },
  C_WrapKey: {
    hSession: ulong('CK_SESSION_HANDLE'), pMechanism: mechanism,
    hWrappingKey: ulong('CK_OBJECT_HANDLE'), hKey: ulong('CK_OBJECT_HANDLE'),
    pWrappedKey: wanted('pulWrappedKeyLen'),
  },
  C_UnwrapKey: {
    hSession: ulong('CK_SESSION_HANDLE'), pMechanism: mechanism,
    hUnwrappingKey: ulong('CK_OBJECT_HANDLE'), pWrappedKey: bytes('ulWrappedKeyLen'),
    pTemplate: template('ulAttributeCount'), phKey: ulongOut('CK_OBJECT_HANDLE'),
  },
  C_DeriveKey: {
    hSession: ulong('CK_SESSION_HANDLE'), pMechanism: mechanism,
    hBaseKey: ulong('CK_OBJECT_HANDLE'), pTemplate: template('ulAttributeCount'),
    phKey: ulongOut('CK_OBJECT_HANDLE'),
  },

  // Random numbers, and what is left of parallel functions.
  C_SeedRandom: { hSession: ulong('CK_SESSION_HANDLE'), pSeed: bytes('ulSeedLen') },
  C_GenerateRandom: { hSession: ulong('CK_SESSION_HANDLE'), pRandomData: filled('ulRandomLen') },
  C_GetFunctionStatus: { hSession: ulong('CK_SESSION_HANDLE') },
  C_CancelFunction: { hSession: ulong('CK_SESSION_HANDLE') },
  C_WaitForSlotEvent: {
    flags: ulong('CK_FLAGS'), pSlot: ulongOut('CK_SLOT_ID'), pReserved: pointer('void *'),
  },

  // New in 3.0: interfaces, logging in by name, messages.
  C_GetInterfaceList: {
    pInterfacesList: pointer('CK_INTERFACE *'), pulCount: pointer('CK_ULONG *'),
  },
  C_GetInterface: {
    pInterfaceName: pointer('CK_UTF8CHAR *'), pVersion: pointer('CK_VERSION *'),
    ppInterface: pointer('CK_INTERFACE **'), flags: ulong('CK_FLAGS'),
  },
  C_LoginUser: {
    hSession: ulong('CK_SESSION_HANDLE'), userType: ulong('CK_USER_TYPE'), pPin: text('ulPinLen'),
    pUsername: text('ulUsernameLen'),
  },
  C_SessionCancel: { hSession: ulong('CK_SESSION_HANDLE'), flags: ulong('CK_FLAGS') },
  C_MessageEncryptInit: {
    hSession: ulong('CK_SESSION_HANDLE'), pMechanism: mechanism, hKey: ulong('CK_OBJECT_HANDLE'),
  },
  C_EncryptMessage: {
    hSession: ulong('CK_SESSION_HANDLE'), pParameter: parameter('ulParameterLen'),
    pAssociatedData: bytes('ulAssociatedDataLen'), pPlaintext: bytes('ulPlaintextLen'),
    pCiphertext: wanted('pulCiphertextLen'),
  },
  C_EncryptMessageBegin: {
    hSession: ulong('CK_SESSION_HANDLE'), pParameter: parameter('ulParameterLen'),
    pAssociatedData: bytes('ulAssociatedDataLen'),
  },
  C_EncryptMessageNext: {
    hSession: ulong('CK_SESSION_HANDLE'), pParameter: parameter('ulParameterLen'),
    pPlaintextPart: bytes('ulPlaintextPartLen'), pCiphertextPart: wanted('pulCiphertextPartLen'),
    flags: ulong('CK_FLAGS'),
  },
  C_MessageEncryptFinal: { hSession: ulong('CK_SESSION_HANDLE') },
  C_MessageDecryptInit: {
    hSession: ulong('CK_SESSION_HANDLE'), pMechanism: mechanism, hKey: ulong('CK_OBJECT_HANDLE'),
  },
  C_DecryptMessage: {
    hSession: ulong('CK_SESSION_HANDLE'), pParameter: parameter('ulParameterLen'),
    pAssociatedData: bytes('ulAssociatedDataLen'), pCiphertext: bytes('ulCiphertextLen'),
    pPlaintext: wanted('pulPlaintextLen'),
  },
  C_DecryptMessageBegin: {
    hSession: ulong('CK_SESSION_HANDLE'), pParameter: parameter('ulParameterLen'),
    pAssociatedData: bytes('ulAssociatedDataLen'),
  },
  C_DecryptMessageNext: {
    hSession: ulong('CK_SESSION_HANDLE'), pParameter: parameter('ulParameterLen'),
    pCiphertextPart: bytes('ulCiphertextPartLen'), pPlaintextPart: wanted('pulPlaintextPartLen'),
    flags: ulong('CK_FLAGS'),
  },
  C_MessageDecryptFinal: { hSession: ulong('CK_SESSION_HANDLE') },
  C_MessageSignInit: {
    hSession: ulong('CK_SESSION_HANDLE'), pMechanism: mechanism, hKey: ulong('CK_OBJECT_HANDLE'),
  },
  C_SignMessage: {
    hSession: ulong('CK_SESSION_HANDLE'), pParameter: parameter('ulParameterLen'),
    pData: bytes('ulDataLen'), pSignature: wanted('pulSignatureLen'),
  },
  C_SignMessageBegin: {
    hSession: ulong('CK_SESSION_HANDLE'), pParameter: parameter('ulParameterLen'),
  },
  C_SignMessageNext: {
    hSession: ulong('CK_SESSION_HANDLE'), pParameter: parameter('ulParameterLen'),
    pData: bytes('ulDataLen'), pSignature: wanted('pulSignatureLen'),
  },
  C_MessageSignFinal: { hSession: ulong('CK_SESSION_HANDLE') },
  C_MessageVerifyInit: {
    hSession: ulong('CK_SESSION_HANDLE'), pMechanism: mechanism, hKey: ulong('CK_OBJECT_HANDLE'),
  },
  C_VerifyMessage: {
    hSession: ulong('CK_SESSION_HANDLE'), pParameter: parameter('ulParameterLen'),
    pData: bytes('ulDataLen'), pSignature: bytes('ulSignatureLen'),
  },
  C_VerifyMessageBegin: {
    hSession: ulong('CK_SESSION_HANDLE'), pParameter: parameter('ulParameterLen'),
  },
  C_VerifyMessageNext: {
    hSession: ulong('CK_SESSION_HANDLE'), pParameter: parameter('ulParameterLen'),
    pData: bytes('ulDataLen'), pSignature: bytes('ulSignatureLen'),
  },
  C_MessageVerifyFinal: { hSession: ulong('CK_SESSION_HANDLE') },

  // New in 3.2.
  C_EncapsulateKey: {
    hSession: ulong('CK_SESSION_HANDLE'), pMechanism: mechanism,
    hPublicKey: ulong('CK_OBJECT_HANDLE'), pTemplate: template('ulAttributeCount'),
    pCiphertext: wanted('pulCiphertextLen'), phKey: ulongOut('CK_OBJECT_HANDLE'),
  },
  C_DecapsulateKey: {
    hSession: ulong('CK_SESSION_HANDLE'), pMechanism: mechanism,
    hPrivateKey: ulong('CK_OBJECT_HANDLE'), pTemplate: template('ulAttributeCount'),
    pCiphertext: bytes('ulCiphertextLen'), phKey: ulongOut('CK_OBJECT_HANDLE'),
  },
  C_VerifySignatureInit: {
    hSession: ulong('CK_SESSION_HANDLE'), pMechanism: mechanism, hKey: ulong('CK_OBJECT_HANDLE'),
    pSignature: bytes('ulSignatureLen'),
  },
  C_VerifySignature: { hSession: ulong('CK_SESSION_HANDLE'), pData: bytes('ulDataLen') },
  C_VerifySignatureUpdate: { hSession: ulong('CK_SESSION_HANDLE'), pPart: bytes('ulPartLen') },
  C_VerifySignatureFinal: { hSession: ulong('CK_SESSION_HANDLE') },
  C_GetSessionValidationFlags: {
    hSession: ulong('CK_SESSION_HANDLE'), type: ulong('CK_SESSION_VALIDATION_FLAGS_TYPE'),
    pFlags: ulongOut('CK_FLAGS'),
  },
  C_AsyncComplete: {
    hSession: ulong('CK_SESSION_HANDLE'), pFunctionName: pointer('CK_UTF8CHAR *'),
    pResult: pointer('CK_ASYNC_DATA *'),
  },
  C_AsyncGetID: {
    hSession: ulong('CK_SESSION_HANDLE'), pFunctionName: pointer('CK_UTF8CHAR *'),
    pulID: ulongOut('CK_ULONG'),
  },
  C_AsyncJoin: {
    hSession: ulong('CK_SESSION_HANDLE'), pFunctionName: pointer('CK_UTF8CHAR *'),
    ulID: ulong('CK_ULONG'), pData: filled('ulData'),
  },
  C_WrapKeyAuthenticated: {
    hSession: ulong('CK_SESSION_HANDLE'), pMechanism: mechanism,
    hWrappingKey: ulong('CK_OBJECT_HANDLE'), hKey: ulong('CK_OBJECT_HANDLE'),
    pAssociatedData: bytes('ulAssociatedDataLen'), pWrappedKey: wanted('pulWrappedKeyLen'),
  },
  C_UnwrapKeyAuthenticated: {
    hSession: ulong('CK_SESSION_HANDLE'), pMechanism: mechanism,
    hUnwrappingKey: ulong('CK_OBJECT_HANDLE'), pWrappedKey: bytes('ulWrappedKeyLen'),
    pTemplate: template('ulAttributeCount'), pAssociatedData: bytes('ulAssociatedDataLen'),
    phKey: ulongOut('CK_OBJECT_HANDLE'),
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Argument>>>>
export type FunctionName = keyof typeof FUNCTIONS

/** A parameter of the C function. */
export interface Parameter {
  readonly type: string
  readonly name: string
}

/** The C parameters of one argument: a pointer is followed by its length. */
export function parametersOf(name: string, argument: Argument): readonly Parameter[] {
  switch (argument.kind) {
    case 'bool':
      return [{ type: 'CK_BBOOL', name }]
    case 'mechanism':
      return [{ type: 'CK_MECHANISM *', name }]
    case 'padded':
      return [{ type: 'CK_UTF8CHAR *', name }]
    case 'ulong':
    case 'pointer':
      return [{ type: argument.type, name }]
    case 'ulongOut':
    case 'structure':
      return [{ type: `${argument.type} *`, name }]
    case 'ulongs':
      return [
        { type: `${argument.type} *`, name },
        { type: 'CK_ULONG *', name: argument.length },
      ]
    case 'found':
      return [
        { type: `${argument.type} *`, name },
        { type: 'CK_ULONG', name: argument.maximum },
        { type: 'CK_ULONG *', name: argument.length },
      ]
    default:
      return [
        { type: POINTERS[argument.kind], name },
        { type: argument.kind === 'wanted' ? 'CK_ULONG *' : 'CK_ULONG', name: argument.length },
      ]
  }
}

const POINTERS: Readonly<Record<Counted, string>> = {
  bytes: 'CK_BYTE *',
  text: 'CK_UTF8CHAR *',
  wanted: 'CK_BYTE *',
  filled: 'CK_BYTE *',
  parameter: 'void *',
  template: 'CK_ATTRIBUTE *',
  values: 'CK_ATTRIBUTE *',
}
