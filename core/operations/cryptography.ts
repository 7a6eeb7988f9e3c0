/**
 * Working with keys: Encrypt, Decrypt, Sign, Signature Verify, MAC, MAC Verify, Hash, random
 * numbers.
 *
 * KMIP 1.4 §4.29 to §4.37, KMIP 2.1 §6.1 by name. A key must be allowed by its state, its dates,
 * its usage mask and its usage limits. What is done with a key once its mechanism is known is in
 * `mechanism.ts`.
 *
 * @module
 */
import { type Cipher, cipherRow } from '#spec/algorithms.ts'
import type { CryptographicParameters } from '#spec/kmip/structures.ts'
import { type Awaitable, after } from '../awaitable.ts'
import { sameBytes } from '../bytes.ts'
import type { Context } from '../context.ts'
import { KmsError } from '../errors.ts'
import { USES, type UsableKey, usableKey } from '../keys.ts'
import { labelOf, type ManagedObject } from '../objects.ts'
import { encryptWith, macWith, signWith } from './mechanism.ts'
import {
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

/**
 * The IV is made here, or by the device, where the parameters ask for a random one.
 *
 * @throws {@link KmsError} those of {@link usableKey} and {@link cipherMechanism}; `dataLength`,
 * `usageLimit`.
 */
export function encrypt(context: Context, wish: EncryptWish): Awaitable<EncryptResult> {
  return after(usableKey(context, wish.id, USES.encrypt), (key) => {
    const parameters = effectiveParameters(key.object, wish.parameters)
    const mechanism = cipherMechanism(key, parameters, wish.iv, wish.aad, true)
    const own = mechanism.ivGenerated && makesIv(key, mechanism.cipher)
    const wanted = own ? { ...mechanism, iv: undefined } : mechanism
    const ours = mechanism.ivGenerated ? wanted.iv : undefined
    return after(encryptWith(context, key, wanted, wish.data), ({ data, tag, iv = ours }) => {
      return { object: key.object, data, iv, tag }
    })
  })
}

/** Whether the IV is known only when the data has been encrypted. */
export function makesIv({ key, keystore }: UsableKey, cipher: Cipher): boolean {
  return keystore.makesIv?.(key, cipher) === true
}

/**
 * @throws {@link KmsError} those of {@link usableKey} and {@link cipherMechanism};
 * `cryptographicFailure` whatever is wrong with data, tag or padding.
 */
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

/**
 * @throws {@link KmsError} those of {@link usableKey} and {@link signatureMechanism}; `usageLimit`.
 */
export async function sign(
  context: Context,
  wish: SignWish,
): Promise<{ readonly object: ManagedObject; readonly signature: Uint8Array }> {
  const key = await usableKey(context, wish.id, USES.sign)
  const parameters = effectiveParameters(key.object, wish.parameters)
  const mechanism = signatureMechanism(key, parameters, wish.digested)
  return { object: key.object, signature: await signWith(context, key, mechanism, wish.data) }
}

/**
 * A signature that does not fit is an answer, and no failure.
 *
 * @throws {@link KmsError} those of {@link usableKey} and {@link signatureMechanism}.
 */
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

/** @throws {@link KmsError} those of {@link usableKey} and {@link macMechanism}; `usageLimit`. */
export async function mac(
  context: Context,
  wish: KeyWish,
): Promise<{ readonly object: ManagedObject; readonly mac: Uint8Array }> {
  const key = await usableKey(context, wish.id, USES.mac)
  const parameters = effectiveParameters(key.object, wish.parameters)
  const code = await macWith(context, key, macMechanism(key, parameters), wish.data)
  return { object: key.object, mac: code }
}

/**
 * Compares in a time that says nothing; a code that does not fit is an answer, and no failure.
 *
 * @throws {@link KmsError} those of {@link usableKey} and {@link macMechanism}.
 */
export async function macVerify(
  context: Context,
  wish: KeyWish & { readonly mac: Uint8Array },
): Promise<{ readonly object: ManagedObject; readonly valid: boolean }> {
  const key = await usableKey(context, wish.id, USES.macVerify)
  const parameters = effectiveParameters(key.object, wish.parameters)
  const code = await key.keystore.mac(key.key, macMechanism(key, parameters), wish.data)
  return { object: key.object, valid: sameBytes(code, wish.mac) }
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
