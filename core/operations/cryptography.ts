/**
 * Working with keys: Encrypt, Decrypt, Sign, Signature Verify, MAC, MAC Verify, Hash, random
 * numbers.
 *
 * KMIP 1.4 §4.29 to §4.37, KMIP 2.1 §6.1 by name. A key must be allowed by its state, its dates,
 * its usage mask and its usage limits. Data in several parts has its place in `keystore.ts`, and
 * follows.
 *
 * @module
 */
import { type Cipher, cipherRow } from '#spec/algorithms.ts'
import { UsageLimitsUnit } from '#spec/kmip/enumerations.ts'
import type { CryptographicParameters } from '#spec/kmip/structures.ts'
import { type Awaitable, after } from '../awaitable.ts'
import { sameBytes } from '../bytes.ts'
import { retried, update } from '../change.ts'
import type { Context } from '../context.ts'
import { KmsError } from '../errors.ts'
import { USES, type UsableKey, usableKey } from '../keys.ts'
import { labelOf, type ManagedObject } from '../objects.ts'
import { visibleObject } from '../policy.ts'
import {
  type ChosenCipher,
  cipherMechanism,
  effectiveParameters,
  hashNamed,
  macMechanism,
  signatureMechanism,
} from './parameters.ts'

interface KeyWish {
  readonly id: string
  readonly parameters?: CryptographicParameters | undefined
  readonly data: Uint8Array
}

export interface EncryptWish extends KeyWish {
  readonly iv?: Uint8Array | undefined
  readonly aad?: Uint8Array | undefined
}

export interface DecryptWish extends EncryptWish {
  /** AEAD: undefined when the tag stands behind the data. */
  readonly tag?: Uint8Array | undefined
}

export interface EncryptResult {
  readonly object: ManagedObject
  readonly data: Uint8Array
  /** Present when it was made here. */
  readonly iv?: Uint8Array | undefined
  readonly tag?: Uint8Array | undefined
}

export function encrypt(context: Context, wish: EncryptWish): Awaitable<EncryptResult> {
  return after(usableKey(context, wish.id, USES.encrypt), (key) => {
    const parameters = effectiveParameters(key.object, wish.parameters)
    const mechanism = cipherMechanism(key, parameters, wish.iv, wish.aad, true)
    return after(spend(context, key, wish.data.length), () => encrypted(key, mechanism, wish.data))
  })
}

function encrypted(
  { object, key, keystore }: UsableKey,
  mechanism: ChosenCipher,
  plain: Uint8Array,
): Awaitable<EncryptResult> {
  const iv = mechanism.ivGenerated ? mechanism.iv : undefined
  return after(keystore.encrypt(key, mechanism, plain), ({ data, tag }) => {
    return { object, data, iv, tag }
  })
}

export function decrypt(
  context: Context,
  wish: DecryptWish,
): Awaitable<{ readonly object: ManagedObject; readonly data: Uint8Array }> {
  return after(usableKey(context, wish.id, USES.decrypt), (usable) => {
    const { object, key, keystore } = usable
    const parameters = effectiveParameters(object, wish.parameters)
    const chosen = cipherMechanism(usable, parameters, wish.iv, wish.aad, false)
    const { data, tag } = withTag(object, wish, chosen.tagBytes, chosen.cipher)
    return after(keystore.decrypt(key, chosen, data, tag), (plain) => ({ object, data: plain }))
  })
}

/** Before KMIP 1.4 the tag of an AEAD stands behind the data. */
function withTag(
  object: ManagedObject,
  { data, tag }: DecryptWish,
  wanted: number | undefined,
  cipher: Cipher,
): { readonly data: Uint8Array; readonly tag: Uint8Array | undefined } {
  const tags = cipherRow(cipher).tagBytes
  if (tag !== undefined || tags === undefined) return { data, tag }
  const at = data.length - (wanted ?? (tags[0] as number))
  if (at >= 0) return { data: data.subarray(0, at), tag: data.subarray(at) }
  const what = `Cannot decrypt with ${labelOf(object)}: there is no room for the tag in the data`
  throw new KmsError('cryptographicFailure', what)
}

export interface SignWish extends KeyWish {
  /** Whether `data` is the digest of the message. */
  readonly digested: boolean
}

export async function sign(
  context: Context,
  wish: SignWish,
): Promise<{ readonly object: ManagedObject; readonly signature: Uint8Array }> {
  const key = await usableKey(context, wish.id, USES.sign)
  const parameters = effectiveParameters(key.object, wish.parameters)
  const mechanism = signatureMechanism(key, parameters, wish.digested)
  await spend(context, key, wish.data.length)
  return { object: key.object, signature: await key.keystore.sign(key.key, mechanism, wish.data) }
}

export async function signatureVerify(
  context: Context,
  wish: SignWish & { readonly signature: Uint8Array },
): Promise<{ readonly object: ManagedObject; readonly valid: boolean }> {
  const key = await usableKey(context, wish.id, USES.verify)
  const parameters = effectiveParameters(key.object, wish.parameters)
  const mechanism = signatureMechanism(key, parameters, wish.digested)
  const { data, signature } = wish
  return {
    object: key.object,
    valid: await key.keystore.verify(key.key, mechanism, data, signature),
  }
}

export async function mac(
  context: Context,
  wish: KeyWish,
): Promise<{ readonly object: ManagedObject; readonly mac: Uint8Array }> {
  const key = await usableKey(context, wish.id, USES.mac)
  await spend(context, key, wish.data.length)
  return { object: key.object, mac: await macOf(key, wish) }
}

export async function macVerify(
  context: Context,
  wish: KeyWish & { readonly mac: Uint8Array },
): Promise<{ readonly object: ManagedObject; readonly valid: boolean }> {
  const key = await usableKey(context, wish.id, USES.macVerify)
  return { object: key.object, valid: sameBytes(await macOf(key, wish), wish.mac) }
}

async function macOf(key: UsableKey, wish: KeyWish): Promise<Uint8Array> {
  const parameters = effectiveParameters(key.object, wish.parameters)
  return key.keystore.mac(key.key, macMechanism(key, parameters), wish.data)
}

/** @throws {@link KmsError} `parametersMissing` when no hash is named. */
export async function hash(
  context: Context,
  parameters: CryptographicParameters,
  data: Uint8Array,
): Promise<Uint8Array> {
  if (parameters.hashingAlgorithm === undefined) {
    throw new KmsError('parametersMissing', 'Cannot hash: the Hashing Algorithm is missing')
  }
  const name = hashNamed(parameters.hashingAlgorithm)
  return context.services.keystores.forNew(undefined).digest(name, data)
}

/** @throws {@link KmsError} `invalidField` when the length is not one that is given. */
export async function random(context: Context, length: number): Promise<Uint8Array> {
  const { randomBytesMax } = context.services.limits
  if (length < 0 || length > randomBytesMax) {
    const what = `Cannot give random bytes: ${length} are asked for, allowed are ${randomBytesMax}`
    throw new KmsError('invalidField', what)
  }
  return context.services.keystores.forNew(undefined).random(length)
}

/** @returns How many of the bytes were used. */
export async function seed(context: Context, bytes: Uint8Array): Promise<number> {
  return context.services.keystores.forNew(undefined).seed(bytes)
}

/**
 * Takes one use from the Usage Limits, where the key has any.
 *
 * KMIP 1.4 §3.21: a cryptographic operation counts as one object, or as its bytes.
 *
 * @throws {@link KmsError} `usageLimit` when not enough is left.
 */
function spend(context: Context, key: UsableKey, bytes: number): Promise<void> | undefined {
  if (key.object.attributes.get('usageLimits') === undefined) return undefined
  return retried(async () => {
    const object = await visibleObject(context, key.object.id)
    const limits = object.attributes.get('usageLimits')
    if (limits?.usageLimitsCount === undefined) return
    const amount = limits.usageLimitsUnit === UsageLimitsUnit.Byte ? BigInt(bytes) : 1n
    const left = limits.usageLimitsCount - amount
    if (left < 0n) {
      const what = `Cannot use ${labelOf(object)}: its Usage Limits leave ${limits.usageLimitsCount}`
      throw new KmsError('usageLimit', what)
    }
    const attributes = object.attributes.set('usageLimits', { ...limits, usageLimitsCount: left })
    await update(context, object, attributes)
  })
}
