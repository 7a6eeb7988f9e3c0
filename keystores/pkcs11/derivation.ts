/**
 * Derivation with keys of an HSM.
 *
 * The device agrees on a shared secret (CKM_ECDH1_DERIVE), encrypts and authenticates; what is made
 * of such bytes, and functions over the value of a key that may leave, are worked out by the
 * functions of the software keystore. PKCS#11 3.2 §6.3.
 *
 * @module
 */
import { createSecretKey, type KeyObject } from 'node:crypto'
import { KmsError } from '#core/errors.ts'
import { writeKey } from '#core/key-formats.ts'
import type { DerivationMechanism, Ingredient, KeyInUse } from '#core/keystore.ts'
import { Secret } from '#core/secret.ts'
import { KeyFormatType } from '#spec/kmip/enumerations.ts'
import { derive, expandShared, peerKey } from '../software/derive.ts'
import type { Device } from './device.ts'
import type { DeviceKeys } from './device-keys.ts'
import { agreeBytes } from './temporaries.ts'

/** @throws `KmsError` `illegalOperation` where a key is not of the kind that the function takes. */
export function assertDerives(key: KeyInUse, { kdf }: DerivationMechanism): void {
  if (key.kind === (kdf === 'DH' ? 'private' : 'secret')) return
  const what = `Cannot derive with ${kdf} from "${key.id}": it is no key for that`
  throw new KmsError('illegalOperation', what)
}

/** Other keys that go into it. @throws `KmsError` `illegalOperation` when one is no secret key. */
export function ingredientsOf(mechanism: DerivationMechanism): readonly KeyInUse[] {
  const parts: unknown[] = []
  if ('salt' in mechanism) parts.push(mechanism.salt)
  if ('parts' in mechanism) parts.push(...mechanism.parts)
  if ('input' in mechanism) parts.push(...mechanism.input)
  const keys = parts.filter((part): part is KeyInUse => {
    return typeof part === 'object' && part !== null && 'handle' in part
  })
  const wrong = keys.find(({ kind }) => kind !== 'secret')
  if (wrong === undefined) return keys
  throw new KmsError('illegalOperation', `Cannot derive with "${wrong.id}": it is no secret key`)
}

/** @param values What the other keys are, in the order of {@link ingredientsOf}. */
export async function deriveHere(
  base: Secret,
  mechanism: DerivationMechanism,
  length: number,
  values: ReadonlyMap<KeyInUse, Secret>,
): Promise<Uint8Array> {
  const bytesOf = (part: Ingredient): Uint8Array => {
    return part instanceof Uint8Array ? part : (values.get(part) as Secret).expose()
  }
  const key = createSecretKey(base.expose())
  return derive({ key, bits: base.length * 8, bytesOf }, mechanism, length)
}

/**
 * The point of a public key on the curve of ours.
 *
 * @param ours Public half of the key that agrees.
 * @throws `KmsError` `cryptographicFailure` when the other one does not fit.
 */
function pointOf(ours: KeyObject, peer: Uint8Array): Uint8Array {
  try {
    const theirs = peerKey(ours, peer)
    const curve = theirs.asymmetricKeyDetails?.namedCurve
    const isSame =
      theirs.asymmetricKeyType === ours.asymmetricKeyType &&
      curve === ours.asymmetricKeyDetails?.namedCurve
    if (isSame) return writeKey('public', KeyFormatType.Raw, theirs)
  } catch (cause) {
    if (cause instanceof KmsError && cause.code !== 'keyFormat') throw cause
  }
  const what = 'Cannot agree on a secret: the other public key does not fit this private key'
  throw new KmsError('cryptographicFailure', what)
}

type Agreement = Extract<DerivationMechanism, { kdf: 'DH' }>

/** What two keys have in common, or what is made of it; the device does the agreeing. */
export async function agree(
  device: Device,
  keys: DeviceKeys,
  key: KeyInUse,
  { peer, expand }: Agreement,
  length: number,
): Promise<Secret> {
  const point = pointOf(keys.publicHalf(key), peer)
  const bytes = Math.ceil((key.spec?.bits ?? 0) / 8)
  const inOctets = device.quirks.ecdhPoint === 'octets'
  const shared = await keys.keyed('agree on a secret', key, async (session, hKey) => {
    return agreeBytes(session, hKey, point, bytes, inOctets)
  })
  if (expand !== undefined) return new Secret(expandShared(shared, expand, length))
  return new Secret(firstBytes(shared, length, 'DH'))
}

/** @throws `KmsError` `cryptographicFailure` where there are fewer. */
export function firstBytes(bytes: Uint8Array, length: number, kdf: string): Uint8Array {
  if (length >= 1 && length <= bytes.length) return bytes.subarray(0, length)
  const what = `it gives 1 to ${bytes.length} bytes, ${length} are asked for`
  throw new KmsError('cryptographicFailure', `Cannot derive with ${kdf}: ${what}`)
}
