/**
 * Data in parts: what waits for its next part, by Correlation Value.
 *
 * KMIP 1.3 §4.29 to §4.37, KMIP 2.1 §6.1 by name. Init Indicator begins, Final Indicator ends, the
 * Correlation Value in between is random and belongs to the client that has begun: on another
 * connection as well, but to nobody else. A part that fails ends the whole. What waits too long is
 * forgotten, and a client may have a limited number of them.
 *
 * In memory only: what a server has begun ends with it.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import type { Principal } from '#core/context.ts'
import { KmsError } from '#core/errors.ts'
import type { Limits } from '#core/limits.ts'
import type { Outcome, Parts } from '#core/operations/parts.ts'
import type { OperationName } from '#spec/kmip/operations.ts'
import { type Call, idOf } from './call.ts'

const CORRELATION_BYTES = 16

interface Stream {
  readonly principal: string
  readonly operation: OperationName
  readonly parts: Parts
  readonly timer: NodeJS.Timeout
  /** Parts that were sent without waiting for answers are done one after the other. */
  turn: Promise<unknown>
}

export class Streams {
  readonly #limits: Pick<Limits, 'streamsMax' | 'streamSeconds'>
  readonly #streams = new Map<string, Stream>()

  constructor(limits: Pick<Limits, 'streamsMax' | 'streamSeconds'>) {
    this.#limits = limits
  }

  /** @throws `KmsError` `limitExceeded` when the client has too many already. */
  assertRoom({ name }: Principal): void {
    const { streamsMax } = this.#limits
    let count = 0
    for (const { principal } of this.#streams.values()) if (principal === name) count++
    if (count < streamsMax) return
    const what = `${count} have begun and not ended, allowed are ${streamsMax}`
    throw new KmsError('limitExceeded', `Cannot begin another operation in parts: ${what}`)
  }

  /** @returns The Correlation Value. */
  begin({ name }: Principal, operation: OperationName, parts: Parts): Uint8Array {
    const value = randomBytes(CORRELATION_BYTES)
    const key = keyOf(value)
    const timer = setTimeout(() => this.#end(key), this.#limits.streamSeconds * 1_000).unref()
    const turn = Promise.resolve()
    this.#streams.set(key, { principal: name, operation, parts, timer, turn })
    return value
  }

  /**
   * Does the next part.
   *
   * @param isLast Whether there is none behind it.
   * @throws `KmsError` `correlationValue` when nothing waits for it.
   */
  next<T>(
    { name }: Principal,
    operation: OperationName,
    value: Uint8Array,
    isLast: boolean,
    work: (parts: Parts) => Promise<T>,
  ): Promise<T> {
    const key = keyOf(value)
    const stream = this.#streams.get(key)
    if (stream?.principal !== name || stream.operation !== operation) {
      const what = 'it was never given, has ended, or has waited too long'
      throw new KmsError('correlationValue', `Cannot go on by this Correlation Value: ${what}`)
    }
    const done = stream.turn.then(() => this.#work(key, stream, isLast, work))
    stream.turn = done.catch(() => {})
    return done
  }

  async #work<T>(
    key: string,
    stream: Stream,
    isLast: boolean,
    work: (parts: Parts) => Promise<T>,
  ): Promise<T> {
    if (this.#streams.get(key) !== stream) {
      const what = 'the part before has failed, or was the last'
      throw new KmsError('correlationValue', `Cannot go on by this Correlation Value: ${what}`)
    }
    try {
      const result = await work(stream.parts)
      if (isLast) this.#end(key)
      else stream.timer.refresh()
      return result
    } catch (error) {
      this.#end(key)
      throw error
    }
  }

  #end(key: string): void {
    const stream = this.#streams.get(key)
    if (stream === undefined) return
    clearTimeout(stream.timer)
    this.#streams.delete(key)
    stream.parts.end()
  }
}

function keyOf(value: Uint8Array): string {
  return Buffer.from(value).toString('hex')
}

/** The fields by which a request says which part it is. */
export interface PartFields {
  readonly uniqueIdentifier?: Parameters<typeof idOf>[1]
  readonly correlationValue?: Uint8Array | undefined
  readonly initIndicator?: boolean | undefined
  readonly finalIndicator?: boolean | undefined
}

/** Whether a request is a part of something; first and last at once is the whole. */
export function isPart({ correlationValue, initIndicator, finalIndicator }: PartFields): boolean {
  if (correlationValue !== undefined) return true
  return (initIndicator === true) !== (finalIndicator === true)
}

/** What is answered to a part. */
export interface PartAnswer {
  /** Identifier of the key. */
  readonly id: string | undefined
  /** Undefined where nothing has come out. */
  readonly data: Uint8Array | undefined
  readonly iv: Uint8Array | undefined
  /** Undefined after the last part. */
  readonly correlationValue: Uint8Array | undefined
  /** What the last part gives. */
  readonly outcome: Outcome | undefined
}

/**
 * Does one part.
 *
 * @param proof Tag, signature or MAC, which goes with the last part.
 */
export async function doPart(
  call: Call,
  operation: OperationName,
  request: PartFields,
  begin: () => Promise<Parts>,
  data: Uint8Array,
  proof?: Uint8Array,
): Promise<PartAnswer> {
  const { context, streams, offer } = call
  const { correlationValue, initIndicator, finalIndicator } = request
  if (!offer.streaming) {
    const what = 'Cannot work on data in parts: it is not offered; send the data in one request'
    throw new KmsError('featureNotSupported', what)
  }
  if (initIndicator === true) {
    if (correlationValue === undefined) return first(call, operation, begin, data)
    const what = 'Cannot begin: the first part has no Correlation Value'
    throw new KmsError('invalidField', what)
  }
  if (correlationValue === undefined) {
    const what = 'Cannot end: there is neither a Correlation Value nor an Init Indicator'
    throw new KmsError('invalidField', what)
  }
  const isLast = finalIndicator === true
  return streams.next(context.principal, operation, correlationValue, isLast, async (parts) => {
    assertSameKey(call, request, parts)
    const some = await parts.update(context, data)
    if (!isLast) return answer(parts, some, correlationValue)
    const outcome = await parts.final(context, proof)
    return answer(parts, Buffer.concat([some, outcome.data]), undefined, outcome)
  })
}

async function first(
  { context, streams }: Call,
  operation: OperationName,
  begin: () => Promise<Parts>,
  data: Uint8Array,
): Promise<PartAnswer> {
  streams.assertRoom(context.principal)
  const parts = await begin()
  const some = await parts.update(context, data)
  return {
    ...answer(parts, some, streams.begin(context.principal, operation, parts)),
    iv: parts.iv,
  }
}

function answer(
  { id }: Parts,
  data: Uint8Array,
  correlationValue: Uint8Array | undefined,
  outcome?: Outcome,
): PartAnswer {
  const shown = data.length === 0 ? undefined : data
  return { id, data: shown, iv: outcome?.iv, correlationValue, outcome }
}

/** A later part may name the key again, but no other one. */
function assertSameKey(call: Call, { uniqueIdentifier }: PartFields, { id }: Parts): void {
  if (uniqueIdentifier === undefined) return
  const named = idOf(call, uniqueIdentifier)
  if (named === id) return
  const what = `Cannot go on with "${named}": the first part was for "${id}"`
  throw new KmsError('invalidField', what)
}
