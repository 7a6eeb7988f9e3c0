/**
 * What tests of objects do again and again, on a work-bench and a session of it.
 *
 * PKCS#11 3.2 §5.7.
 *
 * @module
 */
import { type KeyObject, X509Certificate } from 'node:crypto'
import { CKM } from '#spec/pkcs11/constants.ts'
import { template, type Wishes, type Workbench } from './pkcs11-workbench.ts'

export interface Place {
  readonly bench: Workbench
  readonly session: number
}

/** @param place Asked at each call: tests are declared before there is a bench. */
export function objectCalls(place: () => Place) {
  return {
    set(hObject: number, wishes: Wishes, hSession = place().session) {
      const { bench } = place()
      const args = { hSession, hObject, pTemplate: template(wishes) }
      return bench.call.C_SetAttributeValue(bench.app, args)
    },
    async copy(hObject: number, wishes: Wishes): Promise<number> {
      const { bench, session } = place()
      const args = { hSession: session, hObject, pTemplate: template(wishes) }
      return (await bench.call.C_CopyObject(bench.app, args)).phNewObject
    },
    destroyed(hObject: number) {
      const { bench, session } = place()
      return bench.call.C_DestroyObject(bench.app, { hSession: session, hObject })
    },
    aes(wishes: Wishes = {}): Promise<number> {
      const { bench, session } = place()
      return bench.generate(session, CKM.AES_KEY_GEN, { VALUE_LEN: 16, ...wishes })
    },
  }
}

/** A certificate that there always is: the authority's own. */
export function certificateOf({ house }: Workbench): Uint8Array {
  return new X509Certificate(house.authority.certificate).raw
}

function bigInteger(base64url: string | undefined): Buffer {
  return Buffer.from(base64url as string, 'base64url')
}

/** The numbers of an RSA key as Java's keytool gives them. */
export function rsaParts(key: KeyObject): Wishes {
  const jwk = key.export({ format: 'jwk' })
  return {
    MODULUS: bigInteger(jwk.n),
    PUBLIC_EXPONENT: bigInteger(jwk.e),
    PRIVATE_EXPONENT: bigInteger(jwk.d),
    PRIME_1: bigInteger(jwk.p),
    PRIME_2: bigInteger(jwk.q),
    EXPONENT_1: bigInteger(jwk.dp),
    EXPONENT_2: bigInteger(jwk.dq),
    COEFFICIENT: bigInteger(jwk.qi),
  }
}
