/**
 * What an application may do with objects: sessions, logins, what the standard asks of keys that
 * wrap. Rules beyond the standard have a table of their own, `attack-rules.ts`.
 *
 * PKCS#11 3.2 §3.3 (sessions), §4.4 (CKA_PRIVATE), §4.9 and §4.10 (one-way attributes), §5.18.3
 * (C_WrapKey).
 *
 * @module
 */
import type { ManagedObject } from '#core/objects.ts'
import { CKA, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { Attribute } from '#spec/pkcs11/types.ts'
import type { Seen } from '../application.ts'
import { refusedBy } from '../attack-rules.ts'
import type { Session } from '../session.ts'
import { flagOf } from './flags.ts'
import { ckaName } from './table.ts'
import { sameTemplateValue } from './template.ts'
import { attributeValue } from './values.ts'

/** @throws `CryptokiError` `SESSION_READ_ONLY`, `TOKEN_WRITE_PROTECTED`, `USER_NOT_LOGGED_IN`. */
export function assertMayWrite(session: Session, lasting: boolean, isPrivate: boolean): void {
  if (lasting && session.token.options.readOnly) {
    throw new CryptokiError(CKR.TOKEN_WRITE_PROTECTED, 'the configuration has the token read-only')
  }
  const { readOnlySessions } = session.token.manner
  if (lasting && !session.readWrite && readOnlySessions === 'read') {
    throw new CryptokiError(CKR.SESSION_READ_ONLY, 'a read-only session changes no token object')
  }
  if (isPrivate && !session.seesPrivate) {
    throw new CryptokiError(CKR.USER_NOT_LOGGED_IN, 'a private object needs the user to log in')
  }
}

/** Flags that no key has both of. */
const APART = [
  [CKA.WRAP, CKA.DECRYPT],
  [CKA.UNWRAP, CKA.ENCRYPT],
] as const

/** Rule roles-apart. @throws `CryptokiError` `TEMPLATE_INCONSISTENT`. */
export function assertApart({ token }: Session, has: (type: number) => boolean): void {
  if (!token.rules.has('roles-apart')) return
  for (const [one, other] of APART) {
    if (has(one) && has(other)) {
      throw refusedBy('roles-apart', `a key with ${ckaName(one)} and ${ckaName(other)}`)
    }
  }
}

/** Only the security officer says whom to trust. */
export function assertMayTrust(session: Session): void {
  if (session.application.userOf(session.token) === 'so') return
  const what = 'CKA_TRUSTED is set by the security officer alone'
  throw new CryptokiError(CKR.ATTRIBUTE_READ_ONLY, what)
}

/**
 * Whether a key may leave under this other one.
 *
 * @throws `CryptokiError` `KEY_UNEXTRACTABLE`, `KEY_NOT_WRAPPABLE`, `KEY_HANDLE_INVALID`.
 */
export async function assertMayWrap(wrappingKey: Seen, target: Seen): Promise<void> {
  if (!flagOf(target.object, CKA.EXTRACTABLE)) {
    throw new CryptokiError(CKR.KEY_UNEXTRACTABLE, 'CKA_EXTRACTABLE of the key is false')
  }
  const neverLeaves = target.reference.token.manner.export === 'never-sensitive'
  if (neverLeaves && flagOf(target.object, CKA.SENSITIVE)) {
    const what = 'CKA_SENSITIVE of the key is true, and the token lets no such key leave (export)'
    throw new CryptokiError(CKR.KEY_UNEXTRACTABLE, what)
  }
  const trusted = flagOf(wrappingKey.object, CKA.TRUSTED)
  if (flagOf(target.object, CKA.WRAP_WITH_TRUSTED) && !trusted) {
    const what = 'CKA_WRAP_WITH_TRUSTED: the wrapping key is not trusted'
    throw new CryptokiError(CKR.KEY_NOT_WRAPPABLE, what)
  }
  await assertMatches(target, templateOf(wrappingKey, CKA.WRAP_TEMPLATE))
}

/** A template that is kept with a key: what it wraps, or makes, must be so. */
export function templateOf({ object, ...seen }: Seen, type: number): readonly Attribute[] {
  const read = attributeValue({ object, ...seen }, type)
  if (read instanceof Promise || !('value' in read) || read.value instanceof Uint8Array) return []
  return read.value
}

async function assertMatches(target: Seen, template: readonly Attribute[]): Promise<void> {
  for (const { type, value = new Uint8Array(0) } of template) {
    const read = await attributeValue(target, type)
    // PKCS#11 3.2 §4.10.1: what the key does not have is not compared.
    if (!('value' in read) || sameTemplateValue(read.value, value)) continue
    const what = `CKA_WRAP_TEMPLATE of the wrapping key: ${ckaName(type)} of the key is another`
    throw new CryptokiError(CKR.KEY_HANDLE_INVALID, what)
  }
}

/** @throws `CryptokiError` `ACTION_PROHIBITED` where a flag that allows it is false. */
export function assertAllowed(object: ManagedObject, flag: number): void {
  if (flagOf(object, flag)) return
  throw new CryptokiError(CKR.ACTION_PROHIBITED, `${ckaName(flag)} of the object is false`)
}
