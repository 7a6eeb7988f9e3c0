/**
 * A usable key and a mechanism, put to work: what the fronts have in common below their parameters.
 *
 * What protects data (Encrypt, Sign, MAC) is taken from the key's Usage Limits, KMIP 1.4 §3.21. At
 * once where the keystore answers at once and the key has no limits.
 *
 * It does not ask whether the key may be used: `core/keys.ts` does.
 *
 * @module
 */
import { UsageLimitsUnit } from '#spec/kmip/enumerations.ts'
import { retried, update } from '../change.ts'
import type { Context } from '../context.ts'
import { KmsError } from '../errors.ts'
import type { UsableKey } from '../keys.ts'
import type {
  Awaitable,
  CipherMechanism,
  Encrypted,
  MacMechanism,
  SignatureMechanism,
} from '../keystore.ts'
import { labelOf, type ManagedObject } from '../objects.ts'
import { visibleObject } from '../policy.ts'

export function encryptWith(
  context: Context,
  key: UsableKey,
  mechanism: CipherMechanism,
  data: Uint8Array,
): Awaitable<Encrypted> {
  return spent(context, key.object, data.length, () => {
    return key.keystore.encrypt(key.key, mechanism, data)
  })
}

/** @param bytes Length of what is signed, where `data` is its digest. */
export function signWith(
  context: Context,
  key: UsableKey,
  mechanism: SignatureMechanism,
  data: Uint8Array,
  bytes = data.length,
): Awaitable<Uint8Array> {
  return spent(context, key.object, bytes, () => {
    return key.keystore.sign(key.key, mechanism, data)
  })
}

export function macWith(
  context: Context,
  key: UsableKey,
  mechanism: MacMechanism,
  data: Uint8Array,
): Awaitable<Uint8Array> {
  return spent(context, key.object, data.length, () => {
    return key.keystore.mac(key.key, mechanism, data)
  })
}

/**
 * What follows once a use is paid for.
 *
 * @param goesOn Whether it is a further part of a use that has been counted.
 */
export function spent<T>(
  context: Context,
  object: ManagedObject,
  bytes: number,
  work: () => Awaitable<T>,
  goesOn = false,
): Awaitable<T> {
  if (object.attributes.get('usageLimits') === undefined) return work()
  return spend(context, object.id, bytes, goesOn).then(work)
}

/**
 * Takes one use from the Usage Limits.
 *
 * KMIP 1.4 §3.21: a cryptographic operation counts as one object, or as its bytes.
 *
 * @throws {@link KmsError} `usageLimit` when not enough is left.
 */
async function spend(context: Context, id: string, bytes: number, goesOn: boolean): Promise<void> {
  const objects = goesOn ? 0n : 1n
  await retried(async () => {
    const object = await visibleObject(context, id)
    const limits = object.attributes.get('usageLimits')
    if (limits?.usageLimitsCount === undefined) return
    const amount = limits.usageLimitsUnit === UsageLimitsUnit.Byte ? BigInt(bytes) : objects
    const left = limits.usageLimitsCount - amount
    if (left < 0n) {
      const what = `Cannot use ${labelOf(object)}: its Usage Limits leave ${limits.usageLimitsCount}`
      throw new KmsError('usageLimit', what)
    }
    const attributes = object.attributes.set('usageLimits', { ...limits, usageLimitsCount: left })
    await update(context, object, attributes)
  })
}
