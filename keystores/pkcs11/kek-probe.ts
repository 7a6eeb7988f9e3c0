/**
 * Ways to get keys through a key-encrypting key, as a model's file has them, tried out.
 *
 * @module
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { KeySpec } from '#spec/algorithms.ts'
import { CKA, CKK } from '#spec/pkcs11/constants.ts'
import type { DeviceSession } from './device.ts'
import { type KekWrap, wrapped } from './kek.ts'
import { derBytes, fits, newIv, ofLength, openWrapped, type Unwrapping } from './kek-forms.ts'
import { withKey, withPair } from './probe-keys.ts'
import { generic, type Quirks } from './quirks.ts'

/** RFC 5649 takes keys of any length, and PKCS#5 nearly so: these first. */
const KEK_ORDER: readonly Unwrapping[] = ['rfc5649', 'pkcs5', 'rfc3394', 'cbc']

/** The one that is taken first stands first. */
function inOrder(found: readonly KekWrap[]): KekWrap[] {
  return found.toSorted((a, b) => KEK_ORDER.indexOf(a.unwrap) - KEK_ORDER.indexOf(b.unwrap))
}

/** What is not as it is taken to be where nobody says otherwise. */
export function kekFindings(found: readonly KekWrap[]): { readonly kekWrap?: KekWrap[] } {
  const kekWrap = inOrder(found)
  const usual = generic().kekWrap.filter(({ mechanism }) => {
    return kekWrap.some((row) => row.mechanism === mechanism)
  })
  return isDeepStrictEqual(usual, kekWrap) ? {} : { kekWrap }
}

type PrivateAlgorithm = Quirks['kekPrivate'][number]
type PrivateSpec = KeySpec & { readonly algorithm: PrivateAlgorithm }

const PRIVATE: readonly PrivateSpec[] = [
  { algorithm: 'RSA', bits: 2048 },
  { algorithm: 'EC', bits: 256, curve: 'P_256' },
  { algorithm: 'Ed25519', bits: 256 },
  { algorithm: 'Ed448', bits: 456 },
]
/** As those that are got so. */
const GOT = [CKA.SENSITIVE, CKA.EXTRACTABLE]
/** Nobody knows how long they are. */
const ANY_BYTES = 1

/**
 * Algorithms whose private keys come out as PKCS#8, each with a pair of its own: what is opened
 * must be the other half of its public key. A refusal means that it does not.
 */
export async function kekPrivateOf(
  session: DeviceSession,
  kek: Uint8Array,
  found: readonly KekWrap[],
): Promise<PrivateAlgorithm[]> {
  // The one that would be asked.
  const wrap = inOrder(found).find(({ unwrap }) => fits(unwrap, ANY_BYTES))
  if (wrap === undefined) return []
  const out: PrivateAlgorithm[] = []
  for (const spec of PRIVATE) {
    const isGot = await comesOut(session, kek, wrap, spec).catch(() => false)
    if (isGot) out.push(spec.algorithm)
  }
  return out
}

function comesOut(
  session: DeviceSession,
  kek: Uint8Array,
  { mechanism, unwrap }: KekWrap,
  spec: PrivateSpec,
): Promise<boolean> {
  return withKey(session, CKK.AES, kek, (hKek) => {
    return withPair(session, spec, GOT, async (hKey, half) => {
      const iv = newIv(unwrap)
      const bytes = await wrapped(session, { type: mechanism, parameter: iv }, hKek, hKey)
      const value = openWrapped(unwrap, kek, bytes, iv)
      const own = value && ofLength(value, derBytes(value))
      return own !== undefined && isHalfOf(own, half)
    })
  })
}

function isHalfOf(der: Uint8Array, half: KeyObject): boolean {
  const key = createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' })
  der.fill(0)
  const spki = { format: 'der', type: 'spki' } as const
  return createPublicKey(key).export(spki).equals(half.export(spki))
}
