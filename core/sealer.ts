/**
 * Sealing: how key material and records are protected at rest.
 *
 * AES-256-GCM (NIST SP 800-38D) under a data key; the root key seals the data keys. Each seal has a
 * key of its own, derived from the data key and 16 random bytes with HMAC-SHA-256 (NIST SP
 * 800-108r1 §4.1, one block), so that the number of seals under one data key is not bounded by the
 * 96-bit nonce. The caller binds a seal to its place with associated data.
 *
 * A seal: format 1 (1 byte), number of the data key (4), salt (16), nonce (12), ciphertext, tag
 * (16).
 *
 * No I/O: `server/rootkey.ts` finds the root key, the database keeps the sealed data keys.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import { KmsError } from './errors.ts'
import { Secret } from './secret.ts'

const FORMAT = 1
const SALT_BYTES = 16
const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEADER_BYTES = 1 + 4 + SALT_BYTES + NONCE_BYTES

export const DATA_KEY_BYTES = 32
export const MAC_BYTES = 32

/** Bytes that a seal adds to what is in it. */
export const SEAL_OVERHEAD_BYTES = HEADER_BYTES + TAG_BYTES

/** One data key, split by purpose. */
interface DataKey {
  readonly seal: Secret
  readonly mac: Secret
}

/** Seals, opens and authenticates with the newest data key; opens what older ones sealed. */
export class Sealer {
  readonly #keys = new Map<number, DataKey>()
  readonly #current: number

  /**
   * @param dataKeys By number; the highest is used for new seals. The bytes are copied.
   */
  constructor(dataKeys: ReadonlyMap<number, Secret>) {
    for (const [number, key] of dataKeys) {
      this.#keys.set(number, {
        seal: derive(key, 'claviger seal'),
        mac: derive(key, 'claviger mac'),
      })
    }
    this.#current = Math.max(...dataKeys.keys())
  }

  /** @param place Associated data: says what this is and where it belongs. */
  seal(plain: Uint8Array, place: string): Uint8Array {
    return sealWith(this.#key(this.#current).seal, this.#current, plain, place)
  }

  /**
   * The plaintext; the caller zeroes it.
   *
   * @throws {@link KmsError} `tampered` when the seal is broken or belongs elsewhere.
   */
  open(sealed: Uint8Array, place: string): Uint8Array {
    return openWith(this.#key(numberOf(sealed)).seal, sealed, place)
  }

  /** HMAC-SHA-256 over the parts, each preceded by its length. */
  authenticate(...parts: readonly (Uint8Array | string)[]): Uint8Array {
    return mac(this.#key(this.#current).mac, parts)
  }

  /** A key for another module's own authentication, distinct for each purpose. */
  subkey(purpose: string): Uint8Array {
    return mac(this.#key(Math.min(...this.#keys.keys())).mac, ['subkey', purpose])
  }

  #key(number: number): DataKey {
    const key = this.#keys.get(number)
    if (key !== undefined) return key
    throw new KmsError('tampered', `Cannot open seal: there is no data key ${number}`)
  }
}

/** Seals one data key under the root key. */
export function sealDataKey(root: Secret, number: number, dataKey: Secret): Uint8Array {
  using key = derive(root, 'claviger root')
  return sealWith(key, number, dataKey.expose(), `data key ${number}`)
}

/** @throws {@link KmsError} `tampered` when this is not the root key that sealed it. */
export function openDataKey(root: Secret, number: number, sealed: Uint8Array): Secret {
  using key = derive(root, 'claviger root')
  return new Secret(openWith(key, sealed, `data key ${number}`))
}

function sealWith(key: Secret, number: number, plain: Uint8Array, place: string): Uint8Array {
  const header = Buffer.alloc(HEADER_BYTES)
  header[0] = FORMAT
  header.writeUInt32BE(number, 1)
  randomBytes(SALT_BYTES + NONCE_BYTES).copy(header, 5)
  using own = subkeyOf(key, header)
  const nonce = header.subarray(5 + SALT_BYTES)
  const cipher = createCipheriv('aes-256-gcm', own.expose(), nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(associated(header, place))
  const sealed = cipher.update(plain)
  return Buffer.concat([header, sealed, cipher.final(), cipher.getAuthTag()])
}

function openWith(key: Secret, sealed: Uint8Array, place: string): Uint8Array {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.length)
  if (bytes.length < SEAL_OVERHEAD_BYTES || bytes[0] !== FORMAT) throw broken(place)
  const header = bytes.subarray(0, HEADER_BYTES)
  using own = subkeyOf(key, header)
  const nonce = header.subarray(5 + SALT_BYTES)
  const cipher = createDecipheriv('aes-256-gcm', own.expose(), nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(associated(header, place))
  cipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES))
  try {
    const plain = cipher.update(bytes.subarray(HEADER_BYTES, bytes.length - TAG_BYTES))
    cipher.final()
    return plain
  } catch (cause) {
    throw broken(place, cause)
  }
}

function broken(place: string, cause?: unknown): KmsError {
  const what = `Cannot open seal of ${place}: it was altered, swapped, or sealed by another root key`
  return new KmsError('tampered', what, { cause })
}

function numberOf(sealed: Uint8Array): number {
  if (sealed.length < HEADER_BYTES) throw broken('nothing')
  return Buffer.from(sealed.buffer, sealed.byteOffset, sealed.length).readUInt32BE(1)
}

function associated(header: Uint8Array, place: string): Uint8Array {
  return Buffer.concat([header.subarray(0, 5), Buffer.from(place)])
}

function subkeyOf(key: Secret, header: Uint8Array): Secret {
  return new Secret(mac(key, ['seal', header.subarray(5, 5 + SALT_BYTES)]))
}

function derive(key: Secret, purpose: string): Secret {
  return new Secret(mac(key, ['derive', purpose]))
}

function mac(key: Secret, parts: readonly (Uint8Array | string)[]): Uint8Array {
  const hmac = createHmac('sha256', key.expose())
  const length = Buffer.alloc(4)
  for (const part of parts) {
    length.writeUInt32BE(typeof part === 'string' ? Buffer.byteLength(part) : part.length)
    hmac.update(length).update(part)
  }
  return hmac.digest()
}
