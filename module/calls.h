/*
 * Numbers of the remote calls, and the function lists.
 *
 * Printed by tools/print-module.ts from spec/pkcs11; change the tables, not this file.
 */

#ifndef CLAVIGER_CALLS_H
#define CLAVIGER_CALLS_H

#include "claviger.h"

#define CALL_C_Initialize 0x1u
#define CALL_C_Finalize 0x2u
#define CALL_C_GetInfo 0x3u
#define CALL_C_GetFunctionList 0x100u
#define CALL_C_GetSlotList 0x4u
#define CALL_C_GetSlotInfo 0x5u
#define CALL_C_GetTokenInfo 0x6u
#define CALL_C_GetMechanismList 0x7u
#define CALL_C_GetMechanismInfo 0x8u
#define CALL_C_InitToken 0x9u
#define CALL_C_InitPIN 0xeu
#define CALL_C_SetPIN 0xfu
#define CALL_C_OpenSession 0xau
#define CALL_C_CloseSession 0xbu
#define CALL_C_CloseAllSessions 0xcu
#define CALL_C_GetSessionInfo 0xdu
#define CALL_C_GetOperationState 0x10u
#define CALL_C_SetOperationState 0x11u
#define CALL_C_Login 0x12u
#define CALL_C_Logout 0x13u
#define CALL_C_CreateObject 0x14u
#define CALL_C_CopyObject 0x15u
#define CALL_C_DestroyObject 0x16u
#define CALL_C_GetObjectSize 0x17u
#define CALL_C_GetAttributeValue 0x18u
#define CALL_C_SetAttributeValue 0x19u
#define CALL_C_FindObjectsInit 0x1au
#define CALL_C_FindObjects 0x1bu
#define CALL_C_FindObjectsFinal 0x1cu
#define CALL_C_EncryptInit 0x1du
#define CALL_C_Encrypt 0x1eu
#define CALL_C_EncryptUpdate 0x1fu
#define CALL_C_EncryptFinal 0x20u
#define CALL_C_DecryptInit 0x21u
#define CALL_C_Decrypt 0x22u
#define CALL_C_DecryptUpdate 0x23u
#define CALL_C_DecryptFinal 0x24u
#define CALL_C_DigestInit 0x25u
#define CALL_C_Digest 0x26u
#define CALL_C_DigestUpdate 0x27u
#define CALL_C_DigestKey 0x28u
#define CALL_C_DigestFinal 0x29u
#define CALL_C_SignInit 0x2au
#define CALL_C_Sign 0x2bu
#define CALL_C_SignUpdate 0x2cu
#define CALL_C_SignFinal 0x2du
#define CALL_C_SignRecoverInit 0x2eu
#define CALL_C_SignRecover 0x2fu
#define CALL_C_VerifyInit 0x30u
#define CALL_C_Verify 0x31u
#define CALL_C_VerifyUpdate 0x32u
#define CALL_C_VerifyFinal 0x33u
#define CALL_C_VerifyRecoverInit 0x34u
#define CALL_C_VerifyRecover 0x35u
#define CALL_C_DigestEncryptUpdate 0x36u
#define CALL_C_DecryptDigestUpdate 0x37u
#define CALL_C_SignEncryptUpdate 0x38u
#define CALL_C_DecryptVerifyUpdate 0x39u
#define CALL_C_GenerateKey 0x3au
#define CALL_C_GenerateKeyPair 0x3bu
#define CALL_C_WrapKey 0x3cu
#define CALL_C_UnwrapKey 0x3du
#define CALL_C_DeriveKey 0x3eu
#define CALL_C_SeedRandom 0x3fu
#define CALL_C_GenerateRandom 0x40u
#define CALL_C_GetFunctionStatus 0x101u
#define CALL_C_CancelFunction 0x102u
#define CALL_C_WaitForSlotEvent 0x41u
#define CALL_C_GetInterfaceList 0x103u
#define CALL_C_GetInterface 0x104u
#define CALL_C_LoginUser 0x42u
#define CALL_C_SessionCancel 0x43u
#define CALL_C_MessageEncryptInit 0x44u
#define CALL_C_EncryptMessage 0x45u
#define CALL_C_EncryptMessageBegin 0x46u
#define CALL_C_EncryptMessageNext 0x47u
#define CALL_C_MessageEncryptFinal 0x48u
#define CALL_C_MessageDecryptInit 0x49u
#define CALL_C_DecryptMessage 0x4au
#define CALL_C_DecryptMessageBegin 0x4bu
#define CALL_C_DecryptMessageNext 0x4cu
#define CALL_C_MessageDecryptFinal 0x4du
#define CALL_C_MessageSignInit 0x4eu
#define CALL_C_SignMessage 0x4fu
#define CALL_C_SignMessageBegin 0x50u
#define CALL_C_SignMessageNext 0x51u
#define CALL_C_MessageSignFinal 0x52u
#define CALL_C_MessageVerifyInit 0x53u
#define CALL_C_VerifyMessage 0x54u
#define CALL_C_VerifyMessageBegin 0x55u
#define CALL_C_VerifyMessageNext 0x56u
#define CALL_C_MessageVerifyFinal 0x57u
#define CALL_C_EncapsulateKey 0x105u
#define CALL_C_DecapsulateKey 0x106u
#define CALL_C_VerifySignatureInit 0x107u
#define CALL_C_VerifySignature 0x108u
#define CALL_C_VerifySignatureUpdate 0x109u
#define CALL_C_VerifySignatureFinal 0x10au
#define CALL_C_GetSessionValidationFlags 0x10bu
#define CALL_C_AsyncComplete 0x10cu
#define CALL_C_AsyncGetID 0x10du
#define CALL_C_AsyncJoin 0x10eu
#define CALL_C_WrapKeyAuthenticated 0x10fu
#define CALL_C_UnwrapKeyAuthenticated 0x110u
#define CALL_BATCH 0x300u

extern const CK_FUNCTION_LIST claviger_functions;
extern const CK_FUNCTION_LIST_3_0 claviger_functions_3_0;
extern const CK_FUNCTION_LIST_3_2 claviger_functions_3_2;

#endif
