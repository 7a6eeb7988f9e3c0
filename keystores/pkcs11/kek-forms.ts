/**
 * What devices make of a key when they wrap it with a key-encrypting key, opened with a copy of
 * that key; and such a copy read from a file.
 *
 * RFC 3394 (AES key wrap), RFC 5649 (with its own padding), and RFC 3394 over a value that PKCS#5
 * padding has brought to a multiple of 8 bytes, as AWS CloudHSM and Cavium LiquidSecurity do; CBC
 * with that padding (NIST SP 800-38A) of devices that have none of these. RFC 7468 (PEM). Whatever
 * is wrong with wrapped bytes, the answer is the same.
 *
 * @module
 */
import { createDecipheriv, randomBytes } from 'node:crypto'
import { KmsError } from '#core/errors.ts'

/** How what C_WrapKey gives is opened. */
export const UNWRAPPINGS = ['rfc3394', 'rfc5649', 'pkcs5', 'cbc'] as const
export type Unwrapping = (typeof UNWRAPPINGS)[number]

const SEMIBLOCK_BYTES = 8
/** RFC 3394 §2: two semiblocks at least. */
const LEAST_BYTES = 16
const KEY_WRAP_IV = Buffer.from('a6a6a6a6a6a6a6a6', 'hex')
const PADDED_IV = Buffer.from('a65959a6', 'hex')

/** AES. */
const BLOCK_BYTES = 16
const CBC_PADDING_BYTES = 4

/** An IV, where the mechanism takes one. */
export function newIv(unwrapping: Unwrapping): Uint8Array | undefined {
  return unwrapping === 'cbc' ? randomBytes(BLOCK_BYTES) : undefined
}

/**
 * Whether a value of so many bytes can be wrapped so. CBC shows only by its padding that the key is
 * another one: four bytes of it at least, and with the usual lengths eight or more.
 */
export function fits(unwrapping: Unwrapping, bytes: number): boolean {
  if (unwrapping === 'cbc') return bytes % BLOCK_BYTES <= BLOCK_BYTES - CBC_PADDING_BYTES
  if (unwrapping !== 'rfc3394') return true
  return bytes >= LEAST_BYTES && bytes % SEMIBLOCK_BYTES === 0
}

/**
 * The value; undefined where the key is another one, or the bytes have been altered.
 *
 * @param iv What {@link newIv} has given.
 */
export function openWrapped(
  unwrapping: Unwrapping,
  kek: Uint8Array,
  wrapped: Uint8Array,
  iv?: Uint8Array,
): Uint8Array | undefined {
  if (wrapped.length < LEAST_BYTES) return undefined
  if (unwrapping === 'cbc') return openedCbc(kek, wrapped, iv)
  const name = `id-aes${kek.length * 8}-wrap`
  if (unwrapping === 'rfc5649') return opened(`${name}-pad`, kek, PADDED_IV, wrapped)
  const plain = opened(name, kek, KEY_WRAP_IV, wrapped)
  if (plain === undefined || unwrapping === 'rfc3394') return plain
  const value = withoutPadding(plain)
  plain.fill(0)
  return value
}

function openedCbc(
  kek: Uint8Array,
  wrapped: Uint8Array,
  iv: Uint8Array | undefined,
): Uint8Array | undefined {
  const value = iv && opened(`aes-${kek.length * 8}-cbc`, kek, iv, wrapped)
  if (value === undefined || fits('cbc', value.length)) return value
  value.fill(0)
  return undefined
}

function opened(
  name: string,
  kek: Uint8Array,
  iv: Uint8Array,
  wrapped: Uint8Array,
): Uint8Array | undefined {
  const parts: Buffer[] = []
  try {
    const decipher = createDecipheriv(name, kek, iv)
    parts.push(decipher.update(wrapped), decipher.final())
    // A copy that is no part of a pool: it is zeroed by whoever gets it.
    return new Uint8Array(Buffer.concat(parts))
  } catch {
    return undefined
  } finally {
    for (const part of parts) part.fill(0)
  }
}

/** PKCS#5 to 8 bytes: 1 to 8 bytes, each of which is their count; looked at all of them always. */
function withoutPadding(plain: Uint8Array): Uint8Array | undefined {
  const count = plain.at(-1) ?? 0
  let wrong = Number(count < 1) | Number(count > SEMIBLOCK_BYTES)
  for (let back = 1; back <= SEMIBLOCK_BYTES; back++) {
    const differs = Number((plain.at(-back) ?? 0) !== count)
    wrong |= Number(back <= count) & differs
  }
  return wrong === 0 ? plain.slice(0, plain.length - count) : undefined
}

/**
 * The value as long as the key is: some devices fill keys up with zeros before they wrap them.
 *
 * @returns Undefined where it is no such value.
 */
export function ofLength(value: Uint8Array, bytes: number | undefined): Uint8Array | undefined {
  if (bytes === undefined || value.length === bytes) return value
  const rest = value.subarray(bytes)
  const isFilled = rest.length > 0 && rest.length < SEMIBLOCK_BYTES && !rest.some(Boolean)
  const own = isFilled ? value.slice(0, bytes) : undefined
  value.fill(0)
  return own
}

const SEQUENCE = 0x30
const LONG_FORM = 0x80

/** How long what DER begins is: PKCS#8 says it itself. Undefined where it is none. */
export function derBytes(value: Uint8Array): number | undefined {
  const [tag, first = 0] = value
  if (tag !== SEQUENCE) return undefined
  const count = first & ~LONG_FORM
  if (first < LONG_FORM) return 2 + first
  if (count < 1 || count > 3 || value.length < 2 + count) return undefined
  return 2 + count + Buffer.from(value).readUIntBE(2, count)
}

const AES_BYTES = [16, 24, 32]
const BEGIN = Buffer.from('-----BEGIN')

/**
 * An AES key as a file has it: its bytes alone, or in PEM.
 *
 * @param content Zeroed by the caller.
 * @throws `KmsError` `invalidField`.
 */
export function kekOfFile(content: Uint8Array): Uint8Array {
  const isPem = BEGIN.equals(content.subarray(0, BEGIN.length))
  const key = isPem ? ofPem(content) : new Uint8Array(content)
  if (AES_BYTES.includes(key.length)) return key
  const { length } = key
  key.fill(0)
  const what = `it holds ${length} bytes, an AES key has ${AES_BYTES.join(', ')}`
  throw new KmsError('invalidField', `Cannot read key-encrypting key: ${what}`)
}

const LINE_FEED = 0x0a
const DASH = 0x2d
const ALPHABET = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/')

/** Base64 between the lines of dashes; without strings, which nobody could zero. */
function ofPem(content: Uint8Array): Uint8Array {
  const out = new Uint8Array(content.length)
  let [length, bits, held] = [0, 0, 0]
  let start = content.indexOf(LINE_FEED) + 1
  while (start < content.length && content[start] !== DASH) {
    const found = content.indexOf(LINE_FEED, start)
    const end = found < 0 ? content.length : found
    for (const character of content.subarray(start, end)) {
      const value = ALPHABET.indexOf(character)
      if (value < 0) continue
      held = ((held << 6) | value) & 0xfff
      bits += 6
      if (bits < 8) continue
      bits -= 8
      out[length++] = held >> bits
    }
    start = end + 1
  }
  const key = out.slice(0, length)
  out.fill(0)
  return key
}
