/**
 * Private keys of ML-DSA, ML-KEM and SLH-DSA, from CKA_VALUE or CKA_SEED and back.
 *
 * PKCS#11 3.2 §6 (ML-DSA, ML-KEM, SLH-DSA); FIPS 203 and 204 for the two forms of a private key:
 * the seed, and what is made of it. In PKCS#8 the seed is `[0]`, the expanded key an OCTET STRING,
 * and both a SEQUENCE. node:crypto takes all of them and writes the shortest that it can; it does
 * not tell what a seed expands to: the keystore does.
 *
 * @module
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { contents, elements, INTEGER, OCTETS, SEQUENCE, tagged } from '#wire/der.ts'

/** Length of a seed, FIPS 203 §6.1 and FIPS 204 §6.1. SLH-DSA has no other form than the key. */
const SEED_BYTES: Readonly<Record<string, number>> = { 'ml-kem': 64, 'ml-dsa': 32 }

export interface PqParts {
  /** Name of the algorithm in node:crypto. */
  readonly type: string
  readonly value: Uint8Array | undefined
  readonly seed: Uint8Array | undefined
}

/** @throws what node:crypto throws where the parts make no key, or not the same one. */
export function pqPrivateKey({ type, value, seed }: PqParts): KeyObject {
  const asymmetricKeyType = type as 'ml-dsa-44'
  if (seed === undefined) {
    if (value === undefined) throw new Error('there is neither key nor seed')
    return seedBytes(type) === undefined
      ? createPrivateKey({ key: Buffer.from(value), format: 'raw-private', asymmetricKeyType })
      : expandedKey(type, value)
  }
  const key = createPrivateKey({ key: Buffer.from(seed), format: 'raw-seed', asymmetricKeyType })
  if (value === undefined) return key
  const other = createPublicKey(expandedKey(type, value))
  if (createPublicKey(key).equals(other)) return key
  throw new Error('the key is not that of the seed')
}

function seedBytes(type: string): number | undefined {
  return SEED_BYTES[type.slice(0, 6)]
}

function expandedKey(type: string, value: Uint8Array): KeyObject {
  const der = tagged(
    SEQUENCE,
    tagged(INTEGER, Buffer.of(0)),
    tagged(SEQUENCE, identifier(type)),
    tagged(OCTETS, tagged(OCTETS, value)),
  )
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  } finally {
    der.fill(0)
  }
}

/** What the algorithm is called in PKCS#8: as in any other key of it. */
function identifier(type: string): Uint8Array {
  const key = Buffer.alloc(seedBytes(type) ?? 0)
  const asymmetricKeyType = type as 'ml-dsa-44'
  const any = createPrivateKey({ key, format: 'raw-seed', asymmetricKeyType })
  return partsOf(any.export({ format: 'der', type: 'pkcs8' })).identifier
}

function partsOf(pkcs8: Uint8Array): {
  readonly identifier: Uint8Array
  readonly inner: Uint8Array
} {
  const [whole] = elements(pkcs8, [SEQUENCE]) ?? []
  const [, identifier, inner] = (whole && elements(whole, [INTEGER, SEQUENCE, OCTETS])) ?? []
  if (identifier === undefined || inner === undefined) throw new Error('this is no PKCS#8')
  return { identifier, inner }
}

/** CKA_VALUE, of keys on curves as well; undefined where only the seed is there. */
export function rawPrivate(key: KeyObject): Uint8Array | undefined {
  if (seedBytes(key.asymmetricKeyType ?? '') === undefined) {
    return key.export({ format: 'raw-private' })
  }
  const { inner } = partsOf(key.export({ format: 'der', type: 'pkcs8' }))
  const both = contents(inner, SEQUENCE)?.value
  const expanded = both === undefined ? inner : elements(both, [OCTETS, OCTETS])?.[1]
  if (expanded === undefined) return undefined
  return both === undefined ? contents(expanded, OCTETS)?.value : expanded
}
