/**
 * References to keys that are kept under another key: as it has wrapped them, and how.
 *
 * TTLV with tags of our own, and behind it an HMAC-SHA-256 over it and what it belongs to: not
 * every way of wrapping binds a key to its place. There is no digest of the key in it.
 *
 * @module
 */
import { createHmac } from 'node:crypto'
import { sameBytes } from '#core/bytes.ts'
import { KmsError } from '#core/errors.ts'
import type { KeptKey } from '#core/operations/keep.ts'
import type { Cipher, Hash } from '#spec/algorithms.ts'
import { decodeItem, encodeItem } from '#wire/ttlv/binary.ts'
import { bytes, int32, one, optional, struct, text } from '#wire/ttlv/coder.ts'

const REFERENCE = 0x540200
/** The first byte of the tag; a seal begins with another one. */
const FIRST_BYTE = REFERENCE >> 16

const Stored = struct('reference', {
  keeper: one(0x540201, text),
  cipher: one(0x540202, text),
  iv: optional(0x540203, bytes),
  hash: optional(0x540204, text),
  ephemeralBits: optional(0x540205, int32),
  wrapped: one(0x540206, bytes),
})

const ENCODE = { version: 21, beyondVersion: 'refuse' } as const
const DECODE = { version: 21, misplaced: 'refuse' } as const
const LIMITS = { depthMax: 2, itemsMax: 10 }
const MAC_BYTES = 32

/** What a reference says. */
export type Reference = Pick<KeptKey, 'keeper' | 'mechanism' | 'wrapped'>

/** Whether it refers to a key that another one has wrapped. */
export function isReference(handle: Uint8Array): boolean {
  return handle[0] === FIRST_BYTE
}

/** Writes references, and reads those that it has written. */
export class References {
  readonly #key: Uint8Array

  /** @param key For authentication; nothing else is done with it. */
  constructor(key: Uint8Array) {
    this.#key = key
  }

  /** @param place What it belongs to. */
  write({ keeper, mechanism, wrapped }: Reference, place: Uint8Array): Uint8Array {
    const { cipher, iv, hash, ephemeralBits } = mechanism
    const stored = { keeper, cipher, iv, hash, ephemeralBits, wrapped }
    const content = encodeItem(Stored.encode(REFERENCE, stored, ENCODE))
    return Buffer.concat([content, this.#mac(content, place)])
  }

  /** @throws {@link KmsError} `tampered` when it is none, or of something else. */
  read(handle: Uint8Array, place: Uint8Array): Reference {
    const content = contentOf(handle)
    if (sameBytes(this.#mac(content, place), handle.subarray(content.length))) return parsed(handle)
    throw broken()
  }

  #mac(content: Uint8Array, place: Uint8Array): Uint8Array {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(place.length)
    return createHmac('sha256', this.#key).update(length).update(place).update(content).digest()
  }
}

function contentOf(handle: Uint8Array): Uint8Array {
  return handle.subarray(0, Math.max(0, handle.length - MAC_BYTES))
}

/**
 * A reference that has come with an authenticated record.
 *
 * @throws {@link KmsError} `tampered` when it is none.
 */
export function parsed(handle: Uint8Array): Reference {
  try {
    const read = Stored.decode(decodeItem(contentOf(handle), LIMITS), DECODE)
    const { keeper, wrapped, iv, ephemeralBits } = read
    const hash = read.hash as Hash | undefined
    const cipher = read.cipher as Cipher
    return { keeper, wrapped, mechanism: { cipher, iv, hash, mgfHash: hash, ephemeralBits } }
  } catch (cause) {
    throw broken(cause)
  }
}

function broken(cause?: unknown): KmsError {
  const what = 'Cannot read the reference to a wrapped key: it was altered or swapped'
  return new KmsError('tampered', what, { cause })
}
