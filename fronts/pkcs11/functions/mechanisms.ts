/**
 * C_GetMechanismList and C_GetMechanismInfo.
 *
 * PKCS#11 3.2 §5.5.7 and §5.5.8.
 *
 * @module
 */
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { mechanismRow } from '#spec/pkcs11/mechanisms.ts'
import type { Handlers } from '#spec/pkcs11/types.ts'
import type { Application } from '../application.ts'
import { flagsOf, keystoreOf, mechanismsOf } from '../mechanisms.ts'

/** What is offered in a slot, to who has logged in there. */
function offeredIn(application: Application, slotID: number): ReturnType<typeof mechanismsOf> {
  const token = application.presentToken(slotID)
  return mechanismsOf(keystoreOf({ services: application.servicesOf(token) }))
}

export const mechanisms = {
  C_GetMechanismList: (application, { slotID, pMechanismList: capacity }) => {
    const types = [...offeredIn(application, slotID).keys()]
    const fits = capacity !== undefined && capacity >= types.length
    return { pMechanismList: fits ? types : types.length }
  },

  C_GetMechanismInfo: (application, { slotID, type }) => {
    const offered = offeredIn(application, slotID).get(type)
    if (offered === undefined) {
      const name = mechanismRow(type)?.name ?? `0x${type.toString(16)}`
      throw new CryptokiError(CKR.MECHANISM_INVALID, `mechanism ${name} is not offered`)
    }
    const { min, max } = offered.sizes
    return { pInfo: { ulMinKeySize: min, ulMaxKeySize: max, flags: flagsOf(offered) } }
  },
} satisfies Partial<Handlers<Application>>
