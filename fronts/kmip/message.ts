/**
 * A request message and its answer.
 *
 * KMIP 1.4 §6 (message contents), §7 (formats), §11.1 (general errors); KMIP 2.1 §8, §9 and §11.48.
 * Reads the header, does the batch item by item, and writes the answer in the version of the
 * request. The version belongs to the message: the next one of the same connection may speak
 * another.
 *
 * @module
 */

import { type Awaitable, after } from '#core/awaitable.ts'
import { finishChanges, undoChanges } from '#core/change.ts'
import type { Context, Principal, Services } from '#core/context.ts'
import {
  type FailureCode,
  failureCode,
  isServersOwn,
  KmsError,
  resultReason,
} from '#core/errors.ts'
import type { Meter } from '#core/meter.ts'
import type { ObjectChange } from '#core/store.ts'
import {
  BatchErrorContinuationOption as OnError,
  type Operation,
  ResultStatus,
} from '#spec/kmip/enumerations.ts'
import {
  protocolVersionOfMessage,
  RequestBatchItem,
  type RequestHeader,
  RequestMessage,
} from '#spec/kmip/messages.ts'
import {
  hasOperation,
  operationLabel,
  operationName,
  payloadCoders,
} from '#spec/kmip/operations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { WireError } from '#wire/errors.ts'
import { itemBytes } from '#wire/ttlv/binary.ts'
import type { DecodeContext } from '#wire/ttlv/coder.ts'
import { type Item, ItemType } from '#wire/ttlv/item.ts'
import { spokenVersion, VERSION_MAX, type Version, versionText } from '#wire/ttlv/version.ts'
import { answerOf, encoding, hasFailed, headerBytes, type ItemAnswer, success } from './answers.ts'
import {
  assertAsynchronous,
  assertDistinct,
  assertExtensions,
  assertNoExtension,
  assertOnError,
  messageOf,
} from './batch-rules.ts'
import { type BatchState, type Call, newBatch } from './call.ts'
import { type Answer, type Effect, Refusal } from './handler.ts'
import { handlerOf } from './handlers.ts'
import type { Offer } from './offer.ts'
import type { Streams } from './streams.ts'

/** What a message does as a whole: the strongest effect of its items. */
export type MessageEffect = 'change' | 'none'

export interface MessageOptions {
  /** What becomes of a user name or another credential in a message; the TLS identity counts. */
  readonly messageCredentials: 'ignore' | 'refuse'
  readonly offer: Offer
  /** Operations in parts, of all connections. */
  readonly streams: Streams
}

/** What is said of an operation that cannot be told. */
const UNKNOWN = 'Unknown'

type Request = ReturnType<typeof RequestMessage.decode>

/**
 * Answers a message that could be decoded as TTLV.
 *
 * Never throws: what goes wrong is said in the answer.
 */
export function answerMessage(
  message: Item,
  services: Services,
  principal: Principal,
  options: MessageOptions,
): Awaitable<Item> {
  let version: Version = VERSION_MAX
  try {
    version = versionOf(message)
    const request = RequestMessage.decode(message, decoding(version))
    const answer = new Batch(request, services, principal, options, version).answer()
    if (!(answer instanceof Promise)) return answer
    return answer.catch((error) => wholeFailure(error, services, version))
  } catch (error) {
    return wholeFailure(error, services, version)
  }
}

/**
 * @throws `WireError` `invalidMessage` when the message is none or its major version is not ours.
 */
function versionOf(message: Item): Version {
  if (message.tag !== Tag.RequestMessage) {
    throw new WireError('invalidMessage', 'Cannot read message: it is no Request Message')
  }
  const protocol = protocolVersionOfMessage(message)
  const version = spokenVersion(protocol)
  if (version !== undefined) return version
  const what = `KMIP ${protocol.major}.${protocol.minor} is not spoken`
  throw new WireError('invalidMessage', `Cannot read message: ${what}; 1.0 to 1.4, 2.0, 2.1 are`)
}

function decoding(version: Version): DecodeContext {
  return { version, misplaced: 'refuse' }
}

/** Answer to bytes of which not even the operations can be told: one item without Operation. */
export function wholeFailure(error: unknown, services: Services, version: Version): Item {
  const code = failureCode(error)
  if (code === 'internal') services.log.error({ err: error }, 'a KMIP message failed')
  services.meter?.kmip.of(UNKNOWN).add(code, 0)
  const item: ItemAnswer = {
    resultStatus: ResultStatus.OperationFailed,
    resultReason: resultReason(code, version),
    resultMessage: messageOf(error),
    messageExtension: [],
  }
  return answerOf(version, seconds(services), [item])
}

function seconds(services: Services): number {
  return Math.floor(services.clock() / 1000)
}

/** A row of the table of handlers, its types set aside. */
interface AnyHandler {
  readonly effect: Effect
  run(request: unknown, call: Call): Awaitable<AnyAnswer>
}
type AnyAnswer = Omit<Answer<'Get'>, 'payload'> & { readonly payload: object }

/** What a single item may refer to: there is nothing before it. */
const NOTHING_BEFORE: BatchState = newBatch()

class Batch {
  readonly #request: Request
  readonly #services: Services
  readonly #principal: Principal
  readonly #version: Version
  readonly #offer: Offer
  readonly #streams: Streams
  readonly #onError: OnError
  readonly #state: BatchState
  readonly #answers: ItemAnswer[] = []
  readonly #done: ObjectChange[] | undefined
  /** Of each item: how many changes were done before it. */
  readonly #doneBefore: number[] = []
  readonly #now: number
  /** When the item that is done now was begun, and why it has failed; for the meter. */
  #begun = 0
  #code: FailureCode | undefined
  /** Of the answers of a batch so far. */
  #bytes = 0
  /** For the journal's room, after a failure was noted. */
  #room: Promise<void> | undefined

  constructor(
    request: Request,
    services: Services,
    principal: Principal,
    options: MessageOptions,
    version: Version,
  ) {
    this.#request = request
    this.#services = services
    this.#principal = principal
    this.#version = version
    this.#offer = options.offer
    this.#streams = options.streams
    this.#now = seconds(services)
    this.#state = this.#count() > 1 ? newBatch() : NOTHING_BEFORE
    const header = request.requestHeader
    this.#onError = header.batchErrorContinuationOption ?? OnError.Stop
    this.#done = this.#onError === OnError.Undo && this.#count() > 1 ? [] : undefined
    this.#assertHeader(header, options)
  }

  #count(): number {
    return this.#request.batchItem.length
  }

  #assertHeader(header: RequestHeader, options: MessageOptions): void {
    const count = this.#count()
    if (header.batchCount !== count) {
      const what = `Batch Count is ${header.batchCount}, there are ${count} Batch Items`
      throw new WireError('invalidMessage', `Cannot read message: ${what}`)
    }
    const { batchItemsMax } = this.#services.limits
    if (count > batchItemsMax) {
      const what = `Cannot do batch: it has ${count} items, allowed are ${batchItemsMax}`
      throw new KmsError('limitExceeded', what)
    }
    if (count === 0) {
      throw new WireError('invalidMessage', 'Cannot read message: it has no Batch Item')
    }
    assertOnError(this.#onError)
    assertNoExtension(this.#request.batchItem)
    assertDistinct(this.#request.batchItem)
    if (header.authentication !== undefined && options.messageCredentials === 'refuse') {
      const what = 'Cannot authenticate: credentials in messages are not accepted here'
      throw new KmsError('notAuthenticated', `${what}, the TLS client certificate is`)
    }
    assertAsynchronous(header, this.#version)
  }

  answer(): Awaitable<Item> {
    return this.#from(0)
  }

  /** Does the items from this one on, and answers. */
  #from(first: number): Awaitable<Item> {
    const items = this.#request.batchItem
    for (let at = first; at < items.length; at++) {
      if (this.#services.meter !== undefined) this.#begun = performance.now()
      if (this.#done !== undefined) this.#doneBefore.push(this.#done.length)
      const answer = this.#item(items[at] as Item)
      if (answer instanceof Promise) {
        return answer.then((late) => (this.#goesOn(late) ? this.#from(at + 1) : this.#end()))
      }
      if (!this.#goesOn(answer)) break
    }
    return this.#end()
  }

  /** Takes the answer to an item; says whether the next one is done. */
  #goesOn(answer: ItemAnswer): boolean {
    this.#answers.push(answer)
    if (this.#services.meter !== undefined) this.#meter(this.#services.meter, answer.operation)
    const { responsePayload } = answer
    if (responsePayload !== undefined && this.#count() > 1)
      this.#bytes += itemBytes(responsePayload)
    return !hasFailed(answer) || this.#onError === OnError.Continue
  }

  #meter({ kmip }: Meter, operation: Operation | undefined): void {
    const name = operation && operationName(operation)
    kmip.of(name ?? UNKNOWN).add(this.#code ?? 'success', performance.now() - this.#begun)
    this.#code = undefined
  }

  #end(): Awaitable<Item> {
    if (this.#done === undefined) return this.#encoded(this.#answers)
    return this.#finished(this.#answers, this.#done)
  }

  async #finished(answers: readonly ItemAnswer[], done: readonly ObjectChange[]): Promise<Item> {
    const last = answers.at(-1)
    if (last !== undefined && hasFailed(last)) {
      return this.#encoded(await this.#undone(answers, done))
    }
    await finishChanges(this.#context('Batch'), done)
    return this.#encoded(answers)
  }

  /** Undo: everything is as it was, and the items before the failed one say so. */
  async #undone(
    answers: readonly ItemAnswer[],
    done: readonly ObjectChange[],
  ): Promise<readonly ItemAnswer[]> {
    const kept = await undoChanges(this.#context('Undo'), done)
    const last = answers.length - 1
    return answers.map((answer, index) => {
      const changes = done.slice(this.#doneBefore[index], this.#doneBefore[index + 1])
      const stands = changes.some(({ before, after }) => kept.has((after ?? before)?.id as string))
      if (index === last || stands) return answer
      return { ...answer, resultStatus: ResultStatus.OperationUndone }
    })
  }

  #context(operation: string): Context {
    const services = this.#services
    const base = { services, principal: this.#principal, front: 'kmip', operation, now: this.#now }
    return this.#done === undefined ? base : { ...base, undo: this.#done }
  }

  #item(item: Item): Awaitable<ItemAnswer> {
    let read: RequestBatchItem | undefined
    const failed = (error: unknown): Awaitable<ItemAnswer> => {
      this.#state.placeholder = undefined
      const answer = this.#failure(error, read?.operation, read?.uniqueBatchItemID)
      return this.#room === undefined ? answer : this.#room.then(() => answer)
    }
    try {
      read = RequestBatchItem.decode(item, decoding(this.#version))
      assertExtensions(read)
      this.#assertRoomForAnswer()
      const { operation, uniqueBatchItemID } = read
      const payload = this.#operation(operation, read)
      if (!(payload instanceof Promise)) return success(operation, uniqueBatchItemID, payload)
      return payload.then((late) => success(operation, uniqueBatchItemID, late)).catch(failed)
    } catch (error) {
      return failed(error)
    }
  }

  /** A short batch could ask for more than there is memory for. */
  #assertRoomForAnswer(): void {
    const { answerBytesMax } = this.#services.limits
    if (this.#bytes <= answerBytesMax) return
    const what = `Cannot do item: the answer to this batch has ${this.#bytes} bytes already`
    throw new KmsError(
      'responseTooLarge',
      `${what}, allowed are ${answerBytesMax} (answerBytesMax)`,
    )
  }

  #operation(operation: number, item: RequestBatchItem): Awaitable<Item> {
    const name = operationName(operation)
    const handler = name && (handlerOf(name) as AnyHandler | undefined)
    if (name === undefined || handler === undefined || !this.#offer.hasOperation(name)) {
      const what = `Cannot do ${operationLabel(operation)}: this server does not offer it`
      throw new KmsError('operationNotSupported', what)
    }
    if (!hasOperation(operation, this.#version)) {
      const what = `KMIP ${versionText(this.#version)} does not have it`
      throw new KmsError('operationNotSupported', `Cannot do ${operationLabel(operation)}: ${what}`)
    }
    const coders = payloadCoders(name)
    const empty = { tag: Tag.RequestPayload, type: ItemType.Structure, value: [] } as const
    const request = coders.request.decode(item.requestPayload ?? empty, decoding(this.#version))
    this.#offer.assertObjects(name, request)
    const context = this.#context(name)
    const call: Call = {
      context,
      version: this.#version,
      batch: this.#state,
      offer: this.#offer,
      streams: this.#streams,
    }
    const { effect } = handler
    return after(handler.run(request, call), (answer) => {
      if (this.#count() > 1) this.#remember(answer)
      // A change has written its own entry.
      const room = effect === 'change' ? undefined : this.#journal(name, answer.ids?.[0], 'success')
      const payload = item.ephemeral === true ? withoutData(answer.payload) : answer.payload
      return after(room, () => {
        return coders.response.encode(Tag.ResponsePayload, payload, encoding(this.#version))
      })
    })
  }

  /** What later items of the batch may refer to. */
  #remember(answer: AnyAnswer): void {
    const { ids, placeholder, made, output } = answer
    if (placeholder !== undefined) this.#state.placeholder = placeholder ?? undefined
    this.#state.answered.push(...(ids ?? []))
    for (const [from, id] of made ?? []) this.#state.made.set(from, id)
    if (output !== undefined) {
      this.#state.outputs.set(output[0], output[1])
      this.#state.output.push(output[1])
    }
  }

  #journal(
    operation: string,
    object: string | undefined,
    outcome: 'success' | ReturnType<typeof failureCode>,
    detail?: string,
  ): Promise<void> | undefined {
    const { name: principal } = this.#principal
    const event = { principal, front: 'kmip', operation, object, outcome, detail }
    return this.#services.journal.record(event)
  }

  #failure(
    error: unknown,
    operation: Operation | undefined,
    uniqueBatchItemID: Uint8Array | undefined,
  ): ItemAnswer {
    const code = failureCode(error)
    this.#code = code
    const label =
      operation === undefined ? UNKNOWN : (operationName(operation) ?? String(operation))
    const resultMessage = messageOf(error)
    if (isServersOwn(code)) {
      const why = code === 'internal' ? { err: error } : { reason: resultMessage }
      this.#services.log.error({ ...why, operation: label }, 'a KMIP operation failed')
    }
    this.#room = this.#journal(label, undefined, code, resultMessage)
    return {
      operation,
      uniqueBatchItemID,
      resultStatus: ResultStatus.OperationFailed,
      resultReason: resultReason(code, this.#version),
      resultMessage,
      responsePayload: this.#refused(error, operation),
      messageExtension: [],
    }
  }

  /** The payload of a failure, where it has one. */
  #refused(error: unknown, operation: Operation | undefined): Item | undefined {
    const name = operation && operationName(operation)
    if (name === undefined || !(error instanceof Refusal)) return undefined
    const { response } = payloadCoders(name)
    return response.encode(Tag.ResponsePayload, error.payload, encoding(this.#version))
  }

  #encoded(answers: readonly ItemAnswer[]): Item {
    const whole = this.#message(answers)
    const maximum = this.#request.requestHeader.maximumResponseSize
    if (maximum === undefined || itemBytes(whole) <= maximum) return whole
    const items = (whole.value as readonly Item[]).slice(1)
    return this.#message(this.#shortened(answers, items, maximum - headerBytes(whole, items)))
  }

  #message(answers: readonly ItemAnswer[]): Item {
    const { clientCorrelationValue } = this.#request.requestHeader
    return answerOf(this.#version, this.#now, answers, clientCorrelationValue)
  }

  /** Items from the one on that does not fit any more say Response Too Large. */
  #shortened(
    answers: readonly ItemAnswer[],
    items: readonly Item[],
    room: number,
  ): readonly ItemAnswer[] {
    const maximum = this.#request.requestHeader.maximumResponseSize
    const message = `Cannot answer: more than the ${maximum} bytes of Maximum Response Size`
    let left = room
    return answers.map((answer, index) => {
      const bytes = itemBytes(items[index] as Item)
      left -= bytes
      if (left >= 0) return answer
      left += bytes - TOO_LARGE_BYTES
      const error = new KmsError('responseTooLarge', message)
      return this.#failure(error, answer.operation, answer.uniqueBatchItemID)
    })
  }
}

/** About what an item that says Response Too Large takes itself. */
const TOO_LARGE_BYTES = 168

/** Ephemeral: the output stays here, for later items of the batch. KMIP 2.1 §8.11. */
function withoutData(payload: object): object {
  return { ...payload, data: undefined, signatureData: undefined, macData: undefined }
}

/** Whether the items of a message change anything: then it waits for its turn. */
export function effectOf(message: Item): MessageEffect {
  if (message.type !== ItemType.Structure) return 'none'
  for (const item of message.value) {
    if (item.tag !== Tag.BatchItem || item.type !== ItemType.Structure) continue
    const operation = item.value.find(({ tag }) => tag === Tag.Operation)
    const name =
      operation?.type === ItemType.Enumeration ? operationName(operation.value) : undefined
    if (name === undefined || handlerOf(name)?.effect !== 'use') return 'change'
  }
  return 'none'
}
