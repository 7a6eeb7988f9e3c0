/**
 * References to keys of an HSM, as the database keeps them.
 *
 * Handles of PKCS#11 are forgotten with the session; a reference names an object by what it keeps:
 * its class and CKA_ID, and its label where the CKA_ID alone does not tell it from others. Behind
 * it stands the public half of a private key (SubjectPublicKeyInfo), which is no secret.
 *
 * @module
 */
import { CKA } from '#spec/pkcs11/constants.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import type { Attribute } from '#spec/pkcs11/types.ts'

/** First byte: made or taken in here, kept beside, found in the device, or made under a name. */
const MADE = 1
const BESIDE = 2
const FOUND = 3
const NAMED = 4

/** CKA_ID of the keys that are made here: drawn at random. */
export const ID_BYTES = 16
const LENGTH_BYTES = 2

export interface Reference {
  /** Whether the key came into the device through here. */
  readonly isMade: boolean
  /** Whether its CKA_ID was drawn at random here, and is nobody else's. */
  readonly isDrawn: boolean
  /** Whether CKA_ID and label are a name that a client has chosen. */
  readonly isNamed: boolean
  readonly objectClass: number
  readonly id: Uint8Array
  /** Empty where the CKA_ID is enough. */
  readonly label: Uint8Array
  /** The reference without the public half. */
  readonly head: Uint8Array
  /** Empty where there is none. */
  readonly publicHalf: Uint8Array
}

export function madeReference(objectClass: number, id: Uint8Array): Buffer {
  return Buffer.of(MADE, objectClass, ...id)
}

/** Made under a name that the client has chosen: CKA_ID and CKA_LABEL are that name. */
export function namedReference(objectClass: number, name: Uint8Array): Buffer {
  return Buffer.concat([Uint8Array.of(NAMED, objectClass), sized(name), sized(new Uint8Array(0))])
}

export function foundReference(objectClass: number, id: Uint8Array, label: Uint8Array): Buffer {
  return Buffer.concat([Uint8Array.of(FOUND, objectClass), sized(id), sized(label)])
}

export function besideReference(inner: Uint8Array): Buffer {
  return Buffer.concat([Uint8Array.of(BESIDE), inner])
}

/** What it is called where it is kept beside; undefined where it is not. */
export function innerOf(handle: Uint8Array): Uint8Array | undefined {
  return handle[0] === BESIDE ? handle.subarray(1) : undefined
}

/** Undefined where it is no reference to the device. */
export function readReference(handle: Uint8Array): Reference | undefined {
  const [place, objectClass = 0] = handle
  if (place === MADE && handle.length >= 2 + ID_BYTES) {
    const end = 2 + ID_BYTES
    return reference(handle, objectClass, handle.subarray(2, end), handle.subarray(0, 0), end)
  }
  if (place !== FOUND && place !== NAMED) return undefined
  const id = unsized(handle, 2)
  const label = id && unsized(handle, 2 + LENGTH_BYTES + id.length)
  if (id === undefined || label === undefined) return undefined
  const end = 2 + 2 * LENGTH_BYTES + id.length + label.length
  return reference(handle, objectClass, id, label, end)
}

/** What C_FindObjects looks for. */
export function templateOf({ objectClass, id, label }: Reference): readonly Attribute[] {
  return [
    { type: CKA.CLASS, value: ulongBytes(objectClass) },
    ...(id.length === 0 ? [] : [{ type: CKA.ID, value: id }]),
    ...(label.length === 0 ? [] : [{ type: CKA.LABEL, value: label }]),
  ]
}

function reference(
  handle: Uint8Array,
  objectClass: number,
  id: Uint8Array,
  label: Uint8Array,
  end: number,
): Reference {
  return {
    isMade: handle[0] !== FOUND,
    isDrawn: handle[0] === MADE,
    isNamed: handle[0] === NAMED,
    objectClass,
    id,
    label,
    head: handle.subarray(0, end),
    publicHalf: handle.subarray(end),
  }
}

function sized(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}

function unsized(bytes: Uint8Array, at: number): Uint8Array | undefined {
  const start = at + LENGTH_BYTES
  if (bytes.length < start) return undefined
  const length = ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
  return bytes.length < start + length ? undefined : bytes.subarray(start, start + length)
}
