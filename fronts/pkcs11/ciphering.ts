/**
 * Encryption and decryption: what the functions that do it have in common.
 *
 * PKCS#11 3.2 §5.8 to §5.11 and §6. The tag of an AEAD stands behind the data. What a keystore
 * cannot do in parts, and what must not be seen before its tag is right, is gathered up to
 * `bufferedBytesMax` and comes out of Final.
 *
 * @module
 */
import { after } from '#core/awaitable.ts'
import { KmsError } from '#core/errors.ts'
import type { Awaitable, CipherOperation, Encrypted } from '#core/keystore.ts'
import { encryptWith, spent } from '#core/operations/mechanism.ts'
import { type CipherRow, cipherRow } from '#spec/algorithms.ts'
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { InitResults, Mechanism } from '#spec/pkcs11/types.ts'
import { offeredFor } from './mechanisms.ts'
import { type HeldKey, keyFor, stillUsable, traced, use } from './objects/use.ts'
import { type CipherMeaning, cipherMeaning } from './parameters.ts'
import { consent, fits, fitting, Gathered, type Running } from './running.ts'
import type { Session } from './session.ts'
import { modulusBytes } from './signing.ts'

type Direction = 'encrypt' | 'decrypt'

/** An operation that encrypts or decrypts. */
export interface Ciphering extends Running {
  readonly held: HeldKey
  readonly direction: Direction
  readonly meaning: CipherMeaning
  readonly row: CipherRow
  parts?: Parts | undefined
  /** What Final gives, where it has been worked out and had no place to go. */
  last?: Uint8Array | undefined
}

/**
 * Begins to encrypt or decrypt.
 *
 * @throws `CryptokiError` `CKR_MECHANISM_INVALID`, `CKR_MECHANISM_PARAM_INVALID` and those of
 * {@link keyFor}.
 */
export function newCiphering(
  session: Session,
  mechanism: Mechanism,
  handle: number,
  direction: Direction,
): Awaitable<Ciphering> {
  const offered = offeredFor(session, mechanism, direction)
  const does = offered.does[direction]
  if (does?.kind !== 'cipher') {
    throw new CryptokiError(CKR.MECHANISM_INVALID, `CKM_${offered.name} does not ${direction}`)
  }
  const meaning = cipherMeaning(offered, does, mechanism.parameter)
  const row = cipherRow(does.cipher)
  return after(keyFor(session, handle, direction, offered), (held) => {
    return { held, direction, meaning, row, inParts: false, end, ...consent(held) }
  })
}

/** One message of many: the key is at hand already. */
export function newMessage(held: HeldKey, direction: Direction, meaning: CipherMeaning): Ciphering {
  const row = cipherRow(meaning.mechanism.cipher)
  return { held, direction, meaning, row, inParts: false }
}

function end(this: Ciphering): void {
  this.parts?.end()
  this.last?.fill(0)
}

/** What EncryptInit and DecryptInit tell our module. */
export function cipherResults({ held, direction, meaning, row }: Ciphering): InitResults {
  const isRepeatable = !held.alwaysAuthenticates
  if (direction === 'encrypt') {
    if (isRsa(row)) return { rule: 'fixed', length: keyBytes(held), isRepeatable }
    if (isPadded(row)) return { rule: 'padded', length: blockBytes(row), isRepeatable }
    if (!row.wraps) return { rule: 'added', length: tagBytes(meaning), isRepeatable }
  }
  const sameLength = !isRsa(row) && !isPadded(row) && !row.wraps && row.tagBytes === undefined
  return { rule: sameLength ? 'added' : 'ask', length: 0, isRepeatable }
}

function isRsa({ key }: CipherRow): boolean {
  return key === 'RSA'
}

/** Of the ciphers that PKCS#11 has, the padded ones have an IV of one block. */
function isPadded({ blockBytes: block, mode, padding, wraps, node }: CipherRow): boolean {
  return (
    block === undefined &&
    !wraps &&
    padding !== undefined &&
    mode !== undefined &&
    /cbc$/.test(node)
  )
}

function blockBytes({ blockBytes: block, ivBytes }: CipherRow): number {
  return block ?? (ivBytes[0] as number)
}

function tagBytes({ mechanism }: CipherMeaning): number {
  return mechanism.tagBytes ?? 0
}

function keyBytes({ key }: HeldKey): number {
  return key.spec === undefined ? 0 : modulusBytes(key.spec)
}

/** RFC 3394: a block of 8 bytes more; RFC 5649: padded to that before. */
const WRAP_BLOCK_BYTES = 8

/** Bytes of the result for so many of data; when decrypting, the most that there can be. */
function resultLength(ciphering: Ciphering, bytes: number): number {
  const { held, direction, meaning, row } = ciphering
  if (isRsa(row)) return keyBytes(held)
  const grows = direction === 'encrypt'
  if (row.wraps) {
    const whole = Math.ceil(bytes / WRAP_BLOCK_BYTES) * WRAP_BLOCK_BYTES
    return grows ? whole + WRAP_BLOCK_BYTES : Math.max(0, bytes - WRAP_BLOCK_BYTES)
  }
  if (isPadded(row) && grows) {
    const block = blockBytes(row)
    return bytes - (bytes % block) + block
  }
  return grows ? bytes + tagBytes(meaning) : Math.max(0, bytes - tagBytes(meaning))
}

/** Whether {@link resultLength} is the length and not only the most. */
function isExact({ direction, row }: Ciphering): boolean {
  return direction === 'encrypt' || (!isRsa(row) && !isPadded(row) && !row.wraps)
}

function lengthRefused({ direction, held }: Ciphering, why: string): CryptokiError {
  const code = direction === 'encrypt' ? CKR.DATA_LEN_RANGE : CKR.ENCRYPTED_DATA_LEN_RANGE
  return new CryptokiError(code, `cannot ${direction} with CKM_${held.offered.name}: ${why}`)
}

/** @throws `CryptokiError` `CKR_DATA_LEN_RANGE`, `CKR_ENCRYPTED_DATA_LEN_RANGE`. */
function assertLength(ciphering: Ciphering, bytes: number): void {
  const { direction, row, meaning, held } = ciphering
  const decrypts = direction === 'decrypt'
  if (isRsa(row) && decrypts && bytes !== keyBytes(held)) {
    throw lengthRefused(ciphering, `${bytes} bytes, the modulus has ${keyBytes(held)}`)
  }
  if (isRsa(row) && bytes > keyBytes(held)) {
    throw lengthRefused(ciphering, `${bytes} bytes are longer than the modulus`)
  }
  if (decrypts && bytes < tagBytes(meaning)) {
    throw lengthRefused(ciphering, `${bytes} bytes have no room for the tag`)
  }
  const blockwise = row.blockBytes !== undefined || (decrypts && isPadded(row))
  if (blockwise && (bytes % blockBytes(row) !== 0 || (decrypts && isPadded(row) && bytes === 0))) {
    throw lengthRefused(ciphering, `${bytes} bytes are no multiple of ${blockBytes(row)}`)
  }
  const plain = decrypts ? bytes - tagBytes(meaning) : bytes
  if (meaning.dataBytes !== undefined && plain !== meaning.dataBytes) {
    throw lengthRefused(ciphering, `${plain} bytes, ulDataLen says ${meaning.dataBytes}`)
  }
  assertCounterLasts(ciphering, bytes)
}

function assertCounterLasts(ciphering: Ciphering, bytes: number): void {
  const { dataBytesMax } = ciphering.meaning
  if (dataBytesMax === undefined || bytes <= dataBytesMax) return
  throw lengthRefused(ciphering, `the counter lasts for ${dataBytesMax} bytes`)
}

/**
 * Said before anything of it is gathered, and where only the length is asked for.
 *
 * @throws `CryptokiError` `CKR_DATA_LEN_RANGE`, `CKR_ENCRYPTED_DATA_LEN_RANGE`.
 */
function assertWrappable(ciphering: Ciphering, bytes: number): void {
  const { wrapBytesMax } = ciphering.held.context.services.limits
  const adds = ciphering.direction === 'encrypt' ? 0 : 2 * WRAP_BLOCK_BYTES
  if (ciphering.row.wraps !== true || bytes <= wrapBytesMax + adds) return
  const what = `it is for keys of up to ${wrapBytesMax} bytes (limits.wrapBytesMax)`
  throw lengthRefused(ciphering, what)
}

/** Says of a keystore's refusal what PKCS#11 says of it. */
function translated(ciphering: Ciphering, error: unknown): unknown {
  if (!(error instanceof KmsError)) return error
  if (error.code === 'dataLength') return lengthRefused(ciphering, error.message)
  if (error.code !== 'cryptographicFailure' || ciphering.direction === 'encrypt') return error
  return new CryptokiError(CKR.ENCRYPTED_DATA_INVALID, error.message, { cause: error })
}

function translating<T>(ciphering: Ciphering, work: () => Awaitable<T>): Awaitable<T> {
  const failed = (error: unknown): never => {
    throw translated(ciphering, error)
  }
  try {
    const result = work()
    return result instanceof Promise ? result.catch(failed) : result
  } catch (error) {
    return failed(error)
  }
}

/** Data in one part. */
export function whole(
  ciphering: Ciphering,
  data: Uint8Array,
  capacity: number | undefined,
): Awaitable<Uint8Array | number> {
  assertWrappable(ciphering, data.length)
  const length = resultLength(ciphering, data.length)
  if (capacity === undefined || (isExact(ciphering) && length > capacity)) return length
  return after(transformed(ciphering, data), (result) => fitting(result, capacity))
}

/**
 * All of the data at once; the tag of an AEAD stands behind it.
 *
 * @throws `CryptokiError` `CKR_DATA_LEN_RANGE`, `CKR_ENCRYPTED_DATA_LEN_RANGE`,
 * `CKR_ENCRYPTED_DATA_INVALID`.
 */
export function transformed(ciphering: Ciphering, data: Uint8Array): Awaitable<Uint8Array> {
  const { held, direction, meaning } = ciphering
  return use(held, (key) =>
    translating(ciphering, () => {
      assertLength(ciphering, data.length)
      if (direction === 'encrypt') {
        const plain = leftPadded(ciphering, data)
        return after(encryptWith(key.context, key, meaning.mechanism, plain), joined)
      }
      const at = data.length - tagBytes(meaning)
      const [body, tag] =
        tagBytes(meaning) === 0 ? [data] : [data.subarray(0, at), data.subarray(at)]
      return key.keystore.decrypt(key.key, meaning.mechanism, body, tag)
    }),
  )
}

/** CKM_RSA_X_509 takes a number: PKCS#11 3.2 §6.1.9. */
function leftPadded({ held, row, meaning }: Ciphering, data: Uint8Array): Uint8Array {
  if (!isRsa(row) || meaning.mechanism.cipher !== 'RSA_X_509') return data
  const missing = keyBytes(held) - data.length
  return missing > 0 ? Buffer.concat([Buffer.alloc(missing), data]) : data
}

function joined({ data, tag }: Encrypted): Uint8Array {
  return tag === undefined ? data : Buffer.concat([data, tag])
}

/** Data in parts. */
interface Parts {
  lengthFor(bytes: number): number
  update(part: Uint8Array): Awaitable<Uint8Array>
  /** The most that {@link final} gives. */
  finalLength(): number
  final(): Awaitable<Uint8Array>
  end(): void
}

/** The parts of an operation, from the first one on. */
function partsOf(ciphering: Ciphering): Awaitable<Parts> {
  if (ciphering.parts !== undefined) return ciphering.parts
  return after(newParts(ciphering), (parts) => {
    ciphering.parts = parts
    return parts
  })
}

function newParts(ciphering: Ciphering): Awaitable<Parts> {
  const { held, direction, row, meaning } = ciphering
  const { streams } = held.keystore
  const seenTooSoon = direction === 'decrypt' && row.tagBytes !== undefined
  if (streams === undefined || row.oneShot || seenTooSoon) return gatheredParts(ciphering)
  const stream = streams[direction](held.key, meaning.mechanism)
  return after(stream, (operation) => streamedParts(ciphering, operation))
}

function gatheredParts(ciphering: Ciphering): Parts {
  const gathered = new Gathered(ciphering.held.context.services.limits.bufferedBytesMax)
  return {
    lengthFor: () => 0,
    update(part) {
      assertWrappable(ciphering, gathered.length + part.length)
      gathered.add(part)
      return new Uint8Array(0)
    },
    finalLength: () => resultLength(ciphering, gathered.length),
    final: () => transformed(ciphering, gathered.whole()),
    end: () => gathered.clear(),
  }
}

function streamedParts(ciphering: Ciphering, operation: CipherOperation): Parts {
  const { direction, row, meaning } = ciphering
  let total = 0
  let counted = false
  // What has come out cannot be taken back: a use is counted and recorded with its first part.
  const used = <T>(bytes: number, work: () => Awaitable<T>): Awaitable<T> =>
    after(stillUsable(ciphering.held), (key) => {
      const goesOn = counted
      counted = true
      const pays = direction === 'encrypt'
      const paid = (): Awaitable<T> => (pays ? paying(key, bytes, goesOn, work) : work())
      return traced(key, () => translating(ciphering, paid), !goesOn)
    })
  return {
    lengthFor: (bytes) => operation.lengthFor(bytes),
    update: (part) =>
      used(part.length, () => {
        total += part.length
        assertCounterLasts(ciphering, total)
        return operation.update(part)
      }),
    finalLength: () => (isPadded(row) ? blockBytes(row) : tagBytes(meaning)),
    final: () =>
      used(0, () => {
        if (row.tagBytes === undefined) assertLength(ciphering, total)
        return after(operation.final(), joined)
      }),
    end() {},
  }
}

function paying<T>(
  key: HeldKey,
  bytes: number,
  goesOn: boolean,
  work: () => Awaitable<T>,
): Awaitable<T> {
  return spent(key.context, key.object, bytes, work, goesOn)
}

/** A part of the data, or the length of what would come of it. */
export function update(
  ciphering: Ciphering,
  part: Uint8Array,
  capacity: number | undefined,
): Awaitable<Uint8Array | number> {
  return after(partsOf(ciphering), (parts) => {
    const length = parts.lengthFor(part.length)
    if (!fits(length, capacity)) return length
    ciphering.inParts = true
    return parts.update(part)
  })
}

/** What is left, or its length. */
export function final(
  ciphering: Ciphering,
  capacity: number | undefined,
): Awaitable<Uint8Array | number> {
  if (ciphering.last !== undefined) return given(ciphering, ciphering.last, capacity)
  return after(partsOf(ciphering), (parts) => {
    if (capacity === undefined) return parts.finalLength()
    return after(parts.final(), (last) => given(ciphering, last, capacity))
  })
}

/** What is not given is kept until it is asked for again, and goes with the operation. */
function given(
  ciphering: Ciphering,
  last: Uint8Array,
  capacity: number | undefined,
): Uint8Array | number {
  const answer = fitting(last, capacity)
  ciphering.last = typeof answer === 'number' ? last : undefined
  return answer
}
