/**
 * What a client is told when a device refuses: which one, with what, and what can be done.
 *
 * @module
 */
import { equal, match } from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { failureOf } from './failures.ts'

describe('a refusal of a device', () => {
  const told = (rv: number) => failureOf('hsm1', 'generate key', new CryptokiError(rv, 'refused'))

  it('names the device, the return value and the way out', () => {
    const full = told(CKR.DEVICE_MEMORY)
    equal(full.code, 'storageUnavailable')
    match(full.message, /^Cannot generate key: HSM "hsm1" answers CKR_DEVICE_MEMORY: it is full; /)
    const readOnly = told(CKR.TOKEN_WRITE_PROTECTED)
    equal(readOnly.code, 'permissionDenied')
    match(readOnly.message, /HSM "hsm1" answers CKR_TOKEN_WRITE_PROTECTED: its token takes no/)
    equal(told(CKR.SESSION_READ_ONLY).code, 'permissionDenied')
  })

  it('is named by its number where its maker has made it up', () => {
    match(told(0x8000_1234).message, /HSM "hsm1" answers 0x80001234$/)
  })
})
