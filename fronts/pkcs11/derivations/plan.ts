/**
 * What a derivation by PKCS#11 is given and what it asks a keystore for, and how the rows read the
 * parameters of their mechanisms.
 *
 * PKCS#11 3.2 §5.18.5. A plan says how many bytes there are, and where a shorter key is cut from.
 *
 * @module
 */
import type { DerivationMechanism, KeyInUse } from '#core/keystore.ts'
import type { ManagedObject } from '#core/objects.ts'
import { type Hash, hashOfCkm, type KeyAlgorithm, type KeySpec } from '#spec/algorithms.ts'
import { ulongOf } from '#spec/pkcs11/memory.ts'
import type { StructureType } from '#spec/pkcs11/structures.ts'
import type { Attribute, Mechanism, StructureFields } from '#spec/pkcs11/types.ts'
import type { Offered } from '../mechanisms.ts'
import { parameterInvalid } from '../parameters.ts'

/** A further key that a parameter asks for. */
export interface FurtherKey {
  readonly template: readonly Attribute[]
  readonly bytes: number
}

/** What is asked of a keystore, and what becomes of the answer. */
export interface Plan {
  readonly mechanism: DerivationMechanism
  /** How many bytes there are at most; absent: as many as are asked for. */
  readonly mostBytes?: number
  /** How long the key is where the template does not say it; absent: it must. */
  readonly usualBytes?: number
  /** The key must be of this length. */
  readonly exactBytes?: number
  /** A shorter key is what is left when the leading bytes are removed. */
  readonly keepsTail?: true
  /** Other keys that went into it. */
  readonly others?: readonly ManagedObject[]
  /** Could be turned back into the keys that it was made of: they say what it may be. */
  readonly isReversible?: true
  /** What is made is data, not a key. */
  readonly isData?: true
  /** Further keys; each begins with a block of its own. */
  readonly further?: readonly FurtherKey[]
  readonly blockBytes?: number
  /** Read from the base: goes back in the parameter. */
  readonly tellsVersion?: true
}

/** What a row has at hand. */
export interface Asked {
  readonly offered: Offered
  readonly mechanism: Mechanism
  readonly base: ManagedObject
  readonly spec: KeySpec | undefined
  /** Bytes of the base, of a secret key. */
  readonly baseBytes: number
  /** Bytes of the key that the template asks for; undefined where it does not say. */
  readonly wantedBytes: number | undefined
  /** Another key that the parameter names. @throws `CryptokiError` where it may not be used so. */
  readonly other: (handle: number) => Promise<OtherKey>
  /** How long a further key is. */
  readonly bytesOf: (template: readonly Attribute[]) => number
}

export interface OtherKey {
  readonly object: ManagedObject
  readonly key: KeyInUse
  readonly bytes: number
}

export interface Derivation {
  readonly ckm: number
  /** Of the base; none: any secret key. */
  readonly algorithms: readonly KeyAlgorithm[]
  /** Lengths of the base in bits, where not all of the algorithm's. */
  readonly keyBits?: readonly number[]
  readonly plan: (asked: Asked) => Plan | Promise<Plan>
}

/** The fields of the parameter. @throws `CryptokiError` where it is no structure. */
export function structureOf<S extends StructureType>(
  { offered, mechanism: { parameter } }: Asked,
  name: S,
): StructureFields<S> {
  if (parameter !== undefined && !(parameter instanceof Uint8Array)) {
    return parameter as unknown as StructureFields<S>
  }
  throw parameterInvalid(offered, `${name} is needed`)
}

/** @throws `CryptokiError` where there is a parameter. */
export function assertNone({ offered, mechanism: { parameter } }: Asked): void {
  if (parameter === undefined || (parameter instanceof Uint8Array && parameter.length === 0)) return
  throw parameterInvalid(offered, 'it has none')
}

/** The parameter as a number. @throws `CryptokiError` where it is none. */
export function ulongGiven({ offered, mechanism: { parameter } }: Asked): number {
  const value =
    parameter instanceof Uint8Array && parameter.length === 8 ? ulongOf(parameter) : undefined
  if (value !== undefined && value >= 0) return value
  throw parameterInvalid(offered, 'a CK_ULONG is needed')
}

export const NOTHING = new Uint8Array(0)

/** @throws `CryptokiError` for a number that is no hash of ours. */
export function hashGiven({ offered }: Asked, ckm: number): Hash {
  const hash = hashOfCkm(ckm)
  if (hash !== undefined) return hash
  throw parameterInvalid(offered, `0x${ckm.toString(16)} is no hash that is offered`)
}
