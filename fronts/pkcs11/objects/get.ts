/**
 * C_GetAttributeValue: every entry is answered, whatever becomes of the others.
 *
 * PKCS#11 3.2 §5.7.5. What is not revealed and what the object does not have has the length
 * `CK_UNAVAILABLE_INFORMATION`; so has what the caller's buffer is too small for.
 *
 * @module
 */
import { KmsError } from '#core/errors.ts'
import type { Awaitable } from '#core/keystore.ts'
import { CKR } from '#spec/pkcs11/constants.ts'
import { ATTRIBUTE_BYTES } from '#spec/pkcs11/memory.ts'
import type { Attribute, AttributeAnswer, AttributeWish } from '#spec/pkcs11/types.ts'
import type { Seen } from '../application.ts'
import { attributeValue, type Read } from './values.ts'

interface Answers {
  readonly pTemplate: readonly AttributeAnswer[]
  readonly rv: number
}

/** At once where every value is at hand. */
export function answersOf(seen: Seen, wishes: readonly AttributeWish[]): Awaitable<Answers> {
  const reads = wishes.map(({ type }) => readOf(seen, type))
  if (!reads.some((one) => one instanceof Promise)) return answered(wishes, reads as Read[])
  return Promise.all(reads).then((all) => answered(wishes, all))
}

function readOf(seen: Seen, type: number): Awaitable<Read> {
  try {
    const read = attributeValue(seen, type)
    return read instanceof Promise ? read.catch(unreadable) : read
  } catch (error) {
    return refusedOrRejected(error)
  }
}

/** Thrown at once it would leave behind the values that are still read, unheard if they fail. */
function refusedOrRejected(error: unknown): Awaitable<Read> {
  try {
    return unreadable(error)
  } catch (other) {
    return Promise.reject(other)
  }
}

/** Material in a form that is only stored has none of the values of a key. */
function unreadable(error: unknown): Read {
  if (error instanceof KmsError && UNREADABLE.has(error.code)) {
    return { refused: CKR.ATTRIBUTE_TYPE_INVALID }
  }
  throw error
}

const UNREADABLE: ReadonlySet<string> = new Set([
  'keyFormat',
  'keyValueNotPresent',
  'parametersUnsupported',
])

/** Where several codes apply, the first of these. */
const CODES = [CKR.ATTRIBUTE_SENSITIVE, CKR.ATTRIBUTE_TYPE_INVALID, CKR.BUFFER_TOO_SMALL]

function answered(wishes: readonly AttributeWish[], reads: readonly Read[]): Answers {
  const codes = new Set<number>()
  const pTemplate = wishes.map((wish, index): AttributeAnswer => {
    const answer = answerOf(wish, reads[index] as Read)
    if (typeof answer !== 'number') return answer
    codes.add(answer)
    return { type: wish.type }
  })
  return { pTemplate, rv: CODES.find((code) => codes.has(code)) ?? CKR.OK }
}

/** The answer, or the code for which there is none. */
function answerOf(wish: AttributeWish, read: Read): AttributeAnswer | number {
  if (!('value' in read)) return read.refused
  const { type, capacity } = wish
  const { value } = read
  if (!(value instanceof Uint8Array)) return templateAnswer(wish, value as readonly Attribute[])
  if (capacity === undefined) return { type, length: value.length }
  return capacity < value.length ? CKR.BUFFER_TOO_SMALL : { type, value }
}

/** A template within: its length is that of its CK_ATTRIBUTEs. */
function templateAnswer(
  { type, capacity, nested }: AttributeWish,
  value: readonly Attribute[],
): AttributeAnswer | number {
  const length = value.length * ATTRIBUTE_BYTES
  if (capacity === undefined) return { type, length }
  if (capacity < length) return CKR.BUFFER_TOO_SMALL
  if (nested === undefined) return { type, value }
  return { type, value: value.map((one, index) => nestedAnswer(one, nested[index])) }
}

/** Of a value within, as much as the caller has room for: its length alone, or all of it. */
function nestedAnswer(attribute: Attribute, wish: AttributeWish | undefined): Attribute {
  const { type, value } = attribute
  if (!(value instanceof Uint8Array)) return attribute
  if (wish?.capacity !== undefined && wish.capacity >= value.length) return attribute
  return { type, value: undefined, length: wish?.capacity === undefined ? value.length : -1 }
}
