/**
 * Calls that are longer than one may be: what was read of them has been dropped.
 *
 * PKCS#11 3.2 §5.8 to §5.15: a function that fails, for whatever reason but CKR_BUFFER_TOO_SMALL,
 * has ended the operation that it belongs to. So it has here, although the function was never run:
 * else the next Init of the session would be CKR_OPERATION_ACTIVE.
 *
 * @module
 */
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { RemoteFunction } from '#spec/pkcs11/types.ts'
import type { Application } from './application.ts'
import type { OperationKind } from './session.ts'

/** What a function ends; the first argument of each is the session. */
// biome-ignore format: a table
const ENDED: Partial<Record<RemoteFunction, readonly OperationKind[]>> = {
  C_Encrypt:               ['encrypt'],
  C_EncryptUpdate:         ['encrypt'],
  C_Decrypt:               ['decrypt'],
  C_DecryptUpdate:         ['decrypt'],
  C_Digest:                ['digest'],
  C_DigestUpdate:          ['digest'],
  C_Sign:                  ['sign'],
  C_SignUpdate:            ['sign'],
  C_SignRecover:           ['signRecover'],
  C_Verify:                ['verify'],
  C_VerifyUpdate:          ['verify'],
  C_VerifyFinal:           ['verify'],
  C_VerifyRecover:         ['verifyRecover'],
  C_VerifySignature:       ['verifySignature'],
  C_VerifySignatureUpdate: ['verifySignature'],
  C_DigestEncryptUpdate:   ['digest', 'encrypt'],
  C_DecryptDigestUpdate:   ['decrypt', 'digest'],
  C_SignEncryptUpdate:     ['sign', 'encrypt'],
  C_DecryptVerifyUpdate:   ['decrypt', 'verify'],
}

/** Ends what the call would have ended; what it is refused with. */
export function refuseTooLong(
  application: Application,
  name: RemoteFunction,
  hSession: number,
  bytes: number,
): CryptokiError {
  const kinds = ENDED[name]
  try {
    const session = kinds && application.session(hSession)
    for (const kind of kinds ?? []) session?.end(kind)
  } catch (error) {
    if (error instanceof CryptokiError) return error
    throw error
  }
  const what = `a call of ${bytes} bytes is longer than limits.callBytesMax allows`
  return new CryptokiError(CKR.DATA_LEN_RANGE, `${what}: give long data in parts`)
}
