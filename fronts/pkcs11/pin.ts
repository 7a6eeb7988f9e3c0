/**
 * PINs: kept as Argon2id hashes, with a count of the attempts that are left.
 *
 * RFC 9106 §4 (Argon2id); parameters after the OWASP recommendation for interactive use (19 MiB,
 * two passes), so that a login costs a few hundredths of a second. PKCS#11 3.2 §5.5 and §5.6.8 say
 * what a PIN is; how long it is and how often it may be wrong is in `core/limits.ts`.
 *
 * @module
 */
import { argon2, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

const derive = promisify(argon2)

const MEMORY_KIB = 19_456
const PASSES = 2
const HASH_BYTES = 32
const SALT_BYTES = 16

/** What is kept of a PIN. */
export interface PinRecord {
  /** Base64. */
  readonly salt: string
  /** Base64. */
  readonly hash: string
  readonly attemptsLeft: number
}

export async function newPin(pin: Uint8Array, attempts: number): Promise<PinRecord> {
  const salt = randomBytes(SALT_BYTES)
  const hash = await hashOf(pin, salt)
  return { salt: salt.toString('base64'), hash: hash.toString('base64'), attemptsLeft: attempts }
}

/** Whether this is the PIN. */
export async function isPin(record: PinRecord, pin: Uint8Array): Promise<boolean> {
  if (recentlyRight(record, pin)) return true
  const hash = await hashOf(pin, Buffer.from(record.salt, 'base64'))
  const right = timingSafeEqual(hash, Buffer.from(record.hash, 'base64'))
  if (right) remember(record, pin)
  return right
}

/** As long as it takes to find out that a PIN is wrong. */
export async function wasteTime(pin: Uint8Array): Promise<void> {
  await hashOf(pin, randomBytes(SALT_BYTES))
}

function hashOf(pin: Uint8Array, nonce: Buffer): Promise<Buffer> {
  return derive('argon2id', {
    message: pin,
    nonce,
    parallelism: 1,
    memory: MEMORY_KIB,
    passes: PASSES,
    tagLength: HASH_BYTES,
  }) as Promise<Buffer>
}

/**
 * Programs such as p11tool log in a dozen times for one list. A PIN that was right is known again
 * by a fast keyed hash, under a key of this process that is never written anywhere.
 */
const processKey = randomBytes(32)
const right = new Map<string, Buffer>()
const REMEMBERED_MAX = 1_000

function fastHash(pin: Uint8Array, salt: string): Buffer {
  return createHmac('sha256', processKey).update(salt).update(pin).digest()
}

function recentlyRight({ salt, hash }: PinRecord, pin: Uint8Array): boolean {
  const known = right.get(hash)
  return known !== undefined && timingSafeEqual(known, fastHash(pin, salt))
}

function remember({ salt, hash }: PinRecord, pin: Uint8Array): void {
  if (right.size >= REMEMBERED_MAX) right.clear()
  right.set(hash, fastHash(pin, salt))
}
