/**
 * What a key has been for: rule `roles-apart` over the whole life of a key and of its copies.
 *
 * S. Delaune, S. Kremer, G. Steel, Formal Analysis of PKCS#11, CSF 2008: a key that wraps today and
 * decrypts tomorrow gives away what it has wrapped, and so does a copy of it. So a role that a key
 * has given up still counts against its opposite, and a copy only gives up roles. Keys whose value
 * can be read are left alone: nothing is found out with them.
 *
 * @module
 */
import type { AttributeBag } from '#core/attribute-bag.ts'
import { CryptographicUsageMask as Mask } from '#spec/kmip/enumerations.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import { refusedBy } from '../attack-rules.ts'
import type { Session } from '../session.ts'
import { bytesItem, numberIn } from './classes.ts'

/** Roles that a key has given up, as bits of the usage mask; {@link COPIED} for a copy. */
const PLAYED = 'y:CKA_ROLES_PLAYED'
/** No bit of the usage mask. */
const COPIED = 1 << 30

const ROLES = Mask.WrapKey | Mask.UnwrapKey | Mask.Encrypt | Mask.Decrypt | Mask.DeriveKey

/**
 * Roles that no key plays one after the other. Encryption derives as well, and either makes the
 * stream that a key was wrapped with.
 */
const APART = [
  [Mask.WrapKey, Mask.Decrypt],
  [Mask.WrapKey, Mask.Encrypt],
  [Mask.WrapKey, Mask.DeriveKey],
  [Mask.UnwrapKey, Mask.Encrypt],
  [Mask.DeriveKey, Mask.Encrypt],
] as const
/** What a private key unwraps, its public half has wrapped. */
const APART_IN_PRIVATE = [[Mask.UnwrapKey, Mask.Decrypt]] as const

/**
 * Usage mask and the roles given up with it, of a key that cannot be read.
 *
 * @param bag With the mask that it had. @param mask The one that it shall have.
 * @throws `CryptokiError` of rule `roles-apart`.
 */
export function withRoles(
  { token }: Session,
  bag: AttributeBag,
  mask: number,
  isPrivateKey: boolean,
): AttributeBag {
  const before = bag.get('cryptographicUsageMask') ?? 0
  const played = numberIn(bag, PLAYED) ?? 0
  const taken = mask & ~before & ROLES
  if (token.rules.has('roles-apart') && taken !== 0) {
    if ((played & COPIED) !== 0) throw refusedBy('roles-apart', 'a copy with a further role')
    const pairs = isPrivateKey ? [...APART, ...APART_IN_PRIVATE] : APART
    const all = played | before | mask
    const clash = pairs.some(([one, other]) => {
      return (taken & (one | other)) !== 0 && (all & one) !== 0 && (all & other) !== 0
    })
    if (clash) throw refusedBy('roles-apart', 'a key with a role opposite to one that it has had')
  }
  const given = before & ~mask & ROLES
  return given === 0 ? bag : bag.set(PLAYED, bytesItem(ulongBytes(played | given)))
}

/** Attributes of a copy of a key that cannot be read. */
export function withCopied(bag: AttributeBag): AttributeBag {
  return bag.set(PLAYED, bytesItem(ulongBytes((numberIn(bag, PLAYED) ?? 0) | COPIED)))
}
