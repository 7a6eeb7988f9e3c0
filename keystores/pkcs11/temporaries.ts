/**
 * Values that pass through a device as objects of a session, and are gone afterwards.
 *
 * PKCS#11 3.2 §5.18: C_WrapKey, C_UnwrapKey and C_DeriveKey work on objects only. Bytes become an
 * object whose value may be read, and back; it is destroyed whatever happens.
 *
 * @module
 */
import { KmsError } from '#core/errors.ts'
import { CKA, CKD, CKK, CKM, CKO } from '#spec/pkcs11/constants.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import type { Attribute } from '#spec/pkcs11/types.ts'
import { OCTETS, tagged } from '#wire/der.ts'
import type { DeviceSession, KeyAndMechanism } from './device.ts'
import { isFalse, isTrue } from './templates.ts'

/** What key wrapping adds at most. */
const GROWTH_BYTES = 16

function temporary(...more: readonly Attribute[]): readonly Attribute[] {
  return [
    { type: CKA.CLASS, value: ulongBytes(CKO.SECRET_KEY) },
    { type: CKA.KEY_TYPE, value: ulongBytes(CKK.GENERIC_SECRET) },
    { type: CKA.TOKEN, value: isFalse },
    { type: CKA.SENSITIVE, value: isFalse },
    { type: CKA.EXTRACTABLE, value: isTrue },
    ...more,
  ]
}

/** Bytes wrapped with a key of the device. */
export async function wrapBytes(
  session: DeviceSession,
  { pMechanism, hKey: hWrappingKey }: KeyAndMechanism,
  bytes: Uint8Array,
): Promise<Uint8Array> {
  const pTemplate = temporary({ type: CKA.VALUE, value: bytes })
  const { phObject: hKey } = await session.call('C_CreateObject', { pTemplate })
  try {
    const capacity = bytes.length + GROWTH_BYTES
    const args = { pMechanism, hWrappingKey, hKey, pWrappedKey: capacity }
    const { pWrappedKey } = await session.call('C_WrapKey', args)
    if (pWrappedKey instanceof Uint8Array) return pWrappedKey
    const what = `Cannot wrap: ${pWrappedKey} bytes come of ${bytes.length}`
    throw new KmsError('cryptographicFailure', what)
  } finally {
    await session.call('C_DestroyObject', { hObject: hKey })
  }
}

export async function unwrapBytes(
  session: DeviceSession,
  { pMechanism, hKey: hUnwrappingKey }: KeyAndMechanism,
  pWrappedKey: Uint8Array,
): Promise<Uint8Array> {
  const args = { pMechanism, hUnwrappingKey, pWrappedKey, pTemplate: temporary() }
  const { phKey } = await session.call('C_UnwrapKey', args)
  return taken(session, phKey)
}

/**
 * The shared secret of an elliptic curve.
 *
 * @param inOctets Whether the point goes in an OCTET STRING; PKCS#11 3.2 §6.3.16 allows both.
 */
export async function agreeBytes(
  session: DeviceSession,
  hBaseKey: number,
  point: Uint8Array,
  length: number,
  inOctets: boolean,
): Promise<Uint8Array> {
  const pPublicData = inOctets ? tagged(OCTETS, point) : point
  const parameter = { kdf: CKD.NULL, pSharedData: undefined, pPublicData }
  const pMechanism = { type: CKM.ECDH1_DERIVE, parameter }
  const pTemplate = temporary({ type: CKA.VALUE_LEN, value: ulongBytes(length) })
  const { phKey } = await session.call('C_DeriveKey', { pMechanism, hBaseKey, pTemplate })
  return taken(session, phKey)
}

/** The value of an object, which is gone then. */
async function taken(session: DeviceSession, hObject: number): Promise<Uint8Array> {
  try {
    const [value] = await attributesOf(session, hObject, [CKA.VALUE])
    return value as Uint8Array
  } finally {
    await session.call('C_DestroyObject', { hObject })
  }
}

/**
 * Values of attributes, each asked for with its length first.
 *
 * @param what Begins the message of a refusal.
 * @throws `KmsError` `sensitive`
 */
export async function attributesOf(
  session: DeviceSession,
  hObject: number,
  types: readonly number[],
  what = 'Cannot read an object of the HSM',
): Promise<readonly Uint8Array[]> {
  const sizes = await session.call('C_GetAttributeValue', {
    hObject,
    pTemplate: types.map((type) => ({ type, capacity: undefined })),
  })
  const pTemplate = sizes.pTemplate.map(({ type, length = 0 }) => ({ type, capacity: length }))
  const { pTemplate: read } = await session.call('C_GetAttributeValue', { hObject, pTemplate })
  return read.map(({ type, value }) => {
    if (value instanceof Uint8Array) return value
    const which = `CKA 0x${type.toString(16)}`
    throw new KmsError('sensitive', `${what}; it does not tell ${which}`)
  })
}
