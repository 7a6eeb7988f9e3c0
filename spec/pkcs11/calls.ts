/**
 * The numbers of the remote calls of PKCS#11: what p11-kit gave out, and what Claviger adds.
 *
 * draft-ueno-pkcs11-rpc as p11-kit implements it: numbers 1 to 87, and 88 and 89 for two functions
 * that were given a second form. Claviger's dialect uses the same numbers, {@link LACKING} onwards
 * for functions that p11-kit does not know, and {@link BATCH}; it is only spoken with a peer that
 * has asked for it with a version byte from {@link DIALECT_BYTE_MIN}.
 *
 * @module
 */
import { FUNCTIONS, type FunctionName } from './functions.ts'

/** Version byte of our module; it is also the answer. */
export const DIALECT_BYTE = 0xc1
/** From here a version byte asks for the dialect. */
export const DIALECT_BYTE_MIN = 0xc0
/** The newest version of p11-kit's protocol. */
export const STOCK_VERSION_MAX = 2
/** First number of the functions that p11-kit lacks. */
const LACKING = 0x100
/** Several calls in one message. */
export const BATCH = 0x300
/** The answer that carries a return value and nothing else. */
export const ERROR_CALL = 0

/** What a stock client shows to be one. */
export const STOCK_HANDSHAKE = 'PRIVATE-GNOME-KEYRING-PKCS11-PROTOCOL-V-1'

/** Bytes of the name of an application in the dialect's C_Initialize. */
export const APPLICATION_ID_BYTES = 16

// biome-ignore format: a table
export const STOCK_CALLS = {
  C_Initialize: 1, C_Finalize: 2, C_GetInfo: 3, C_GetSlotList: 4, C_GetSlotInfo: 5,
  C_GetTokenInfo: 6, C_GetMechanismList: 7, C_GetMechanismInfo: 8, C_InitToken: 9,
  C_OpenSession: 10, C_CloseSession: 11, C_CloseAllSessions: 12, C_GetSessionInfo: 13,
  C_InitPIN: 14, C_SetPIN: 15, C_GetOperationState: 16, C_SetOperationState: 17, C_Login: 18,
  C_Logout: 19, C_CreateObject: 20, C_CopyObject: 21, C_DestroyObject: 22, C_GetObjectSize: 23,
  C_GetAttributeValue: 24, C_SetAttributeValue: 25, C_FindObjectsInit: 26, C_FindObjects: 27,
  C_FindObjectsFinal: 28, C_EncryptInit: 29, C_Encrypt: 30, C_EncryptUpdate: 31,
  C_EncryptFinal: 32, C_DecryptInit: 33, C_Decrypt: 34, C_DecryptUpdate: 35, C_DecryptFinal: 36,
  C_DigestInit: 37, C_Digest: 38, C_DigestUpdate: 39, C_DigestKey: 40, C_DigestFinal: 41,
  C_SignInit: 42, C_Sign: 43, C_SignUpdate: 44, C_SignFinal: 45, C_SignRecoverInit: 46,
  C_SignRecover: 47, C_VerifyInit: 48, C_Verify: 49, C_VerifyUpdate: 50, C_VerifyFinal: 51,
  C_VerifyRecoverInit: 52, C_VerifyRecover: 53, C_DigestEncryptUpdate: 54,
  C_DecryptDigestUpdate: 55, C_SignEncryptUpdate: 56, C_DecryptVerifyUpdate: 57,
  C_GenerateKey: 58, C_GenerateKeyPair: 59, C_WrapKey: 60, C_UnwrapKey: 61, C_DeriveKey: 62,
  C_SeedRandom: 63, C_GenerateRandom: 64, C_WaitForSlotEvent: 65, C_LoginUser: 66,
  C_SessionCancel: 67, C_MessageEncryptInit: 68, C_EncryptMessage: 69, C_EncryptMessageBegin: 70,
  C_EncryptMessageNext: 71, C_MessageEncryptFinal: 72, C_MessageDecryptInit: 73,
  C_DecryptMessage: 74, C_DecryptMessageBegin: 75, C_DecryptMessageNext: 76,
  C_MessageDecryptFinal: 77, C_MessageSignInit: 78, C_SignMessage: 79, C_SignMessageBegin: 80,
  C_SignMessageNext: 81, C_MessageSignFinal: 82, C_MessageVerifyInit: 83, C_VerifyMessage: 84,
  C_VerifyMessageBegin: 85, C_VerifyMessageNext: 86, C_MessageVerifyFinal: 87,
} as const satisfies Partial<Record<FunctionName, number>>
export type StockFunction = keyof typeof STOCK_CALLS

/** A function's second form, which stock clients use from a version on. */
export const STOCK_SECOND_CALLS = {
  C_InitToken: { id: 88, since: 1 },
  C_DeriveKey: { id: 89, since: 2 },
} as const satisfies Partial<Record<StockFunction, { id: number; since: number }>>

/** Highest number that a client of each stock version may use. */
export const STOCK_CALL_MAX = [65, 88, 89] as const

/**
 * Functions whose success tells, in the dialect, how long the output of the single-part function
 * will be, and whether the same call would be accepted again. For Message...Init the rule is 0.
 */
export const INIT_FUNCTIONS = [
  'C_EncryptInit',
  'C_DecryptInit',
  'C_DigestInit',
  'C_SignInit',
  'C_SignRecoverInit',
  'C_VerifyInit',
  'C_VerifyRecoverInit',
  'C_MessageEncryptInit',
  'C_MessageDecryptInit',
  'C_MessageSignInit',
  'C_MessageVerifyInit',
] as const satisfies readonly FunctionName[]
export type InitFunction = (typeof INIT_FUNCTIONS)[number]

const stock = new Map<string, number>(Object.entries(STOCK_CALLS))
const lacking = Object.keys(FUNCTIONS).filter((name) => !stock.has(name))

/** Number of every function in the dialect. */
export const DIALECT_CALLS = Object.fromEntries(
  Object.keys(FUNCTIONS).map((name) => {
    return [name, stock.get(name) ?? LACKING + lacking.indexOf(name)]
  }),
) as Readonly<Record<FunctionName, number>>
