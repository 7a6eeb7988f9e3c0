/**
 * ECDH: the shared secret of two key pairs, as it is or through a function of X9.63 or SP 800-56C.
 *
 * PKCS#11 3.2 §6.3. The curves have a cofactor of 1, or their function takes care of
 * it: `ECDH1_COFACTOR_DERIVE` is `ECDH1_DERIVE`.
 *
 * @module
 */
import type { Expansion } from '#core/keystore.ts'
import { curveRow, HASHES, type Hash, type KeySpec } from '#spec/algorithms.ts'
import { CKD } from '#spec/pkcs11/constants.ts'
import type { Offered } from '../mechanisms.ts'
import { parameterInvalid } from '../parameters.ts'
import { type Asked, NOTHING, type Plan, structureOf } from './plan.ts'

const EXPANSIONS = expansions()

/** Names of CKD_ are those of the hashes, but for one underscore. */
function expansions(): ReadonlyMap<number, Omit<Expansion, 'info'>> {
  const found = new Map<number, Omit<Expansion, 'info'>>()
  const numbers = CKD as Readonly<Record<string, number>>
  for (const name of Object.keys(HASHES)) {
    const hash = name as Hash
    const stem = name.replace(/^SHA_/, 'SHA')
    const [x963, nist] = [numbers[`${stem}_KDF`], numbers[`${stem}_KDF_SP800`]]
    if (x963 !== undefined) found.set(x963, { form: 'X9_63', hash })
    if (nist !== undefined) found.set(nist, { form: 'SP800_56C', hash })
  }
  return found
}

/** Length of a shared secret. */
export function agreedBytes({ algorithm, bits, curve }: KeySpec): number {
  if (curve !== undefined) return Math.ceil(curveRow(curve).bits / 8)
  return algorithm === 'X448' ? 56 : Math.ceil(bits / 8)
}

/** The function behind ECDH; undefined: none. @throws `CryptokiError` for one not offered. */
export function expansionOf(
  offered: Offered,
  kdf: number,
  info: Uint8Array | undefined,
): Expansion | undefined {
  if (kdf === CKD.NULL) {
    if (info === undefined || info.length === 0) return undefined
    throw parameterInvalid(offered, 'shared data with CKD_NULL')
  }
  const expansion = EXPANSIONS.get(kdf)
  if (expansion !== undefined) return { ...expansion, info: info ?? NOTHING }
  throw parameterInvalid(offered, `kdf 0x${kdf.toString(16)} is not offered`)
}

/** PKCS#11 3.2 §6.3.17: the point bare, or as the OCTET STRING of CKA_EC_POINT. */
function peerOf(offered: Offered, spec: KeySpec, given: Uint8Array | undefined): Uint8Array {
  const bytes = agreedBytes(spec)
  const lengths = spec.curve === undefined ? [bytes] : [2 * bytes + 1, bytes + 1]
  if (given !== undefined) {
    if (lengths.includes(given.length)) return given
    const head = (given[1] ?? 0) < 0x80 ? 2 : 3
    const inner = given.subarray(head)
    const said = given[head - 1]
    if (given[0] === 0x04 && said === inner.length && lengths.includes(inner.length)) return inner
  }
  const what = `a public key of ${lengths.join(' or ')} bytes, not ${given?.length ?? 0}`
  throw parameterInvalid(offered, what)
}

export function ecdh(asked: Asked): Plan {
  const { offered, spec } = asked
  const fields = structureOf(asked, 'CK_ECDH1_DERIVE_PARAMS')
  const expand = expansionOf(offered, fields.kdf, fields.pSharedData)
  const peer = peerOf(offered, spec as KeySpec, fields.pPublicData)
  const mechanism = { kdf: 'DH', peer, expand } as const
  if (expand !== undefined) return { mechanism }
  const bytes = agreedBytes(spec as KeySpec)
  return { mechanism, mostBytes: bytes, usualBytes: bytes, keepsTail: true }
}
