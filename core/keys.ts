/**
 * An object as a key that a keystore works with.
 *
 * KMIP 2.1 §4.13 and §4.14: what a key is follows from its attributes Cryptographic Algorithm,
 * Length and Domain Parameters.
 *
 * @module
 */
import {
  curveOfBits,
  curveOfKmip,
  curveRow,
  type KeySpec,
  pairOfKmip,
  pairRow,
  secretKeyOfKmip,
} from '#spec/algorithms.ts'
import {
  CryptographicAlgorithm,
  KeyFormatType,
  CryptographicUsageMask as Mask,
  ObjectType,
} from '#spec/kmip/enumerations.ts'
import { nameOf } from '#spec/kmip/table.ts'
import type { AttributeBag } from './attribute-bag.ts'
import { type Awaitable, after } from './awaitable.ts'
import type { Context } from './context.ts'
import type { Deed } from './deeds.ts'
import { KmsError } from './errors.ts'
import type { KeyInUse, Keystore, MaterialKind } from './keystore.ts'
import { assertUsable, type Purpose } from './lifecycle.ts'
import { isKeyed, labelOf, type ManagedObject, objectTypeOf } from './objects.ts'
import { livingObject, permitted } from './policy.ts'

const KINDS: Partial<Readonly<Record<ObjectType, MaterialKind>>> = {
  [ObjectType.SymmetricKey]: 'secret',
  [ObjectType.SecretData]: 'secret',
  [ObjectType.PrivateKey]: 'private',
  [ObjectType.PublicKey]: 'public',
}

/** Kind of material that an object of this type has. */
export function kindOf(objectType: ObjectType): MaterialKind {
  return KINDS[objectType] ?? 'data'
}

/**
 * What the attributes say the key is; undefined where the algorithm has no row, and the key is
 * stored and returned only.
 */
export function specOf(objectType: ObjectType, attributes: AttributeBag): KeySpec | undefined {
  const number = attributes.get('cryptographicAlgorithm')
  if (number === undefined) return undefined
  const bits = attributes.get('cryptographicLength') ?? 0
  const secret = secretKeyOfKmip(number)
  if (secret !== undefined) return { algorithm: secret, bits }
  const kind = kindOf(objectType)
  if (kind !== 'private' && kind !== 'public') return undefined
  return pairSpec(number, bits, attributes.get('cryptographicDomainParameters')?.recommendedCurve)
}

/** What algorithm, length and curve of a request mean; undefined where there is no such row. */
export function pairSpec(number: number, bits: number, curve?: number): KeySpec | undefined {
  const algorithm = pairOfKmip(number, curve)
  if (algorithm === undefined) return undefined
  if (algorithm === 'EC') {
    const name = curve === undefined ? curveOfBits(bits) : curveOfKmip(curve)
    return name && { algorithm, bits: curveRow(name).bits, curve: name }
  }
  const lengths = pairRow(algorithm).bits
  // Algorithms of one length only are named without it.
  return { algorithm, bits: lengths.length === 1 ? (lengths[0] as number) : bits }
}

/** Name of an algorithm for messages to people. */
export function algorithmLabel(number: number | undefined): string {
  return number === undefined ? 'no algorithm' : nameOf(CryptographicAlgorithm, number)
}

const IN_USE = new WeakMap<ManagedObject, KeyInUse>()

/** @throws {@link KmsError} `keyValueNotPresent` when only metadata is held. */
export function keyInUse(object: ManagedObject): KeyInUse {
  const known = IN_USE.get(object)
  if (known !== undefined) return known
  const { id, attributes, material, body } = object
  if (material === undefined) {
    const what = `Cannot use ${labelOf(object)}: only its attributes are held, not its value`
    throw new KmsError('keyValueNotPresent', what)
  }
  const objectType = objectTypeOf(object)
  const wrapped = isKeyed(body) && body.value.keyBlock.keyWrappingData !== undefined
  const key: KeyInUse = {
    id,
    // What was registered wrapped is bytes to us.
    kind: wrapped ? 'data' : kindOf(objectType),
    spec: wrapped ? undefined : specOf(objectType, attributes),
    format: attributes.get('keyFormatType') ?? KeyFormatType.Raw,
    handle: material.handle,
    revision: object.revision,
  }
  IN_USE.set(object, key)
  return key
}

/** A key, where it lies, and the object that it is. */
export interface UsableKey {
  readonly object: ManagedObject
  readonly key: KeyInUse
  readonly keystore: Keystore
}

/** What a key shall do. */
export interface Use {
  /** Completes "Cannot ... with": `encrypt`. */
  readonly verb: string
  /** Bits of the usage mask, one of which is enough. */
  readonly mask: Mask
  readonly purpose: Purpose
  /** What somebody of another scope must have been granted. */
  readonly deed: Deed
}

export const USES = {
  encrypt: { verb: 'encrypt with', mask: Mask.Encrypt, purpose: 'protect', deed: 'encrypt' },
  decrypt: { verb: 'decrypt with', mask: Mask.Decrypt, purpose: 'process', deed: 'decrypt' },
  sign: { verb: 'sign with', mask: Mask.Sign, purpose: 'protect', deed: 'sign' },
  verify: { verb: 'verify with', mask: Mask.Verify, purpose: 'process', deed: 'signature_verify' },
  mac: { verb: 'MAC with', mask: Mask.MACGenerate, purpose: 'protect', deed: 'mac' },
  macVerify: { verb: 'verify a MAC with', mask: Mask.MACVerify, purpose: 'process', deed: 'mac' },
  wrap: { verb: 'wrap with', mask: Mask.WrapKey, purpose: 'protect', deed: 'encrypt' },
  unwrap: { verb: 'unwrap with', mask: Mask.UnwrapKey, purpose: 'process', deed: 'decrypt' },
  derive: { verb: 'derive from', mask: Mask.DeriveKey, purpose: 'protect', deed: 'derive_key' },
} as const satisfies Record<string, Use>

/**
 * A key that may be used so, now, by this principal.
 *
 * @throws {@link KmsError} `notFound`, `destroyed`, `archived`, `wrongState`, `usageMask`,
 * `keyValueNotPresent`.
 */
export function usableKey(context: Context, id: string, use: Use): Awaitable<UsableKey> {
  return after(livingObject(context, id, use.deed), (object) => {
    return usableObject(context, object, use)
  })
}

/**
 * An object at hand as a key that may be used so, now.
 *
 * @throws {@link KmsError} `permissionDenied`, `wrongState`, `usageMask`, `keyValueNotPresent`.
 */
export function usableObject(context: Context, object: ManagedObject, use: Use): UsableKey {
  const what = (): string => `Cannot ${use.verb} ${labelOf(object)}`
  permitted(context, object, use.deed)
  assertUsable(what, object.attributes, use.purpose, context.now)
  const mask = object.attributes.get('cryptographicUsageMask') ?? 0
  if ((mask & use.mask) === 0) {
    const need = nameOf(Mask, use.mask)
    throw new KmsError('usageMask', `${what()}: its Cryptographic Usage Mask does not have ${need}`)
  }
  const key = keyInUse(object)
  const keystore = context.services.keystores.named(
    (object.material as { keystore: string }).keystore,
  )
  return { object, key, keystore }
}
