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

import { finishChanges, undoChanges } from '#core/change.ts'
import type { Context, Principal, Services } from '#core/context.ts'
import { failureCode, failureMessage, KmsError, resultReason } from '#core/errors.ts'
import type { ObjectChange } from '#core/store.ts'
import {
  AsynchronousIndicator,
  BatchErrorContinuationOption as OnError,
  Operation,
  ResultStatus,
} from '#spec/kmip/enumerations.ts'
import {
  protocolVersionOfMessage,
  RequestBatchItem,
  type RequestHeader,
  RequestMessage,
  ResponseMessage,
} from '#spec/kmip/messages.ts'
import { operationLabel, operationName, payloadCoders } from '#spec/kmip/operations.ts'
import { knows } from '#spec/kmip/table.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { WireError } from '#wire/errors.ts'
import { itemBytes } from '#wire/ttlv/binary.ts'
import type { DecodeContext, EncodeContext } from '#wire/ttlv/coder.ts'
import { type Item, ItemType } from '#wire/ttlv/item.ts'
import {
  protocolVersionOf,
  spokenVersion,
  VERSION_2,
  VERSION_MAX,
  type Version,
  versionText,
} from '#wire/ttlv/version.ts'
import { type BatchState, type Call, newBatch } from './call.ts'
import { type Answer, Refusal } from './handler.ts'
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

type Request = ReturnType<typeof RequestMessage.decode>
type ItemAnswer = Parameters<typeof ResponseMessage.encode>[1]['batchItem'][number]

/**
 * Answers a message that could be decoded as TTLV.
 *
 * Never throws: what goes wrong is said in the answer.
 */
export async function answerMessage(
  message: Item,
  services: Services,
  principal: Principal,
  options: MessageOptions,
): Promise<Item> {
  let version: Version = VERSION_MAX
  try {
    version = versionOf(message)
    const request = RequestMessage.decode(message, decoding(version))
    const batch = new Batch(request, services, principal, options, version)
    return await batch.answer()
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

function encoding(version: Version): EncodeContext {
  return { version, beyondVersion: 'drop' }
}

/** Answer to bytes of which not even the operations can be told: one item without Operation. */
export function wholeFailure(error: unknown, services: Services, version: Version): Item {
  const code = failureCode(error)
  if (code === 'internal') services.log.error({ err: error }, 'a KMIP message failed')
  const item: ItemAnswer = {
    resultStatus: ResultStatus.OperationFailed,
    resultReason: resultReason(code, version),
    resultMessage: failureMessage(error),
    messageExtension: [],
  }
  const responseHeader = {
    protocolVersion: protocolVersionOf(version),
    timeStamp: seconds(services),
    attestationType: [],
    batchCount: 1,
  }
  const message = { responseHeader, batchItem: [item] }
  return ResponseMessage.encode(Tag.ResponseMessage, message, encoding(version))
}

function seconds(services: Services): number {
  return Math.floor(services.clock() / 1000)
}

/** A row of the table of handlers, its types set aside. */
interface AnyHandler {
  run(request: unknown, call: Call): Promise<AnyAnswer>
}
type AnyAnswer = Omit<Answer<'Get'>, 'payload'> & { readonly payload: object }

/** One item of an answer, before it is encoded. */
interface Outcome {
  readonly answer: ItemAnswer
  readonly failed: boolean
}

class Batch {
  readonly #request: Request
  readonly #services: Services
  readonly #principal: Principal
  readonly #version: Version
  readonly #offer: Offer
  readonly #streams: Streams
  readonly #onError: OnError
  readonly #state: BatchState = newBatch()
  readonly #done: ObjectChange[] | undefined
  readonly #now: number
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
    if (header.authentication !== undefined && options.messageCredentials === 'refuse') {
      const what = 'Cannot authenticate: credentials in messages are not accepted here'
      throw new KmsError('notAuthenticated', `${what}, the TLS client certificate is`)
    }
    assertAsynchronous(header, this.#version)
  }

  async answer(): Promise<Item> {
    const outcomes: Outcome[] = []
    for (const item of this.#request.batchItem) {
      const outcome = await this.#item(item)
      outcomes.push(outcome)
      if (outcome.failed && this.#onError !== OnError.Continue) break
    }
    const failed = outcomes.at(-1)?.failed === true
    const answers = outcomes.map(({ answer }) => answer)
    if (this.#done === undefined) return this.#encoded(answers)
    if (!failed) {
      await finishChanges(this.#context('Batch'), this.#done)
      return this.#encoded(answers)
    }
    return this.#encoded(await this.#undone(answers, this.#done))
  }

  /** Undo: everything is as it was, and the items before the failed one say so. */
  async #undone(
    answers: readonly ItemAnswer[],
    done: readonly ObjectChange[],
  ): Promise<readonly ItemAnswer[]> {
    await undoChanges(this.#context('Undo'), done)
    const last = answers.length - 1
    return answers.map((answer, index) => {
      return index === last ? answer : { ...answer, resultStatus: ResultStatus.OperationUndone }
    })
  }

  #context(operation: string): Context {
    const services = this.#services
    const base = { services, principal: this.#principal, front: 'kmip', operation, now: this.#now }
    return this.#done === undefined ? base : { ...base, undo: this.#done }
  }

  async #item(item: Item): Promise<Outcome> {
    let operation: Operation | undefined
    let uniqueBatchItemID: Uint8Array | undefined
    try {
      const read = RequestBatchItem.decode(item, decoding(this.#version))
      operation = read.operation
      uniqueBatchItemID = read.uniqueBatchItemID
      assertExtensions(read)
      const payload = await this.#operation(operation, read)
      return {
        answer: {
          operation,
          uniqueBatchItemID,
          resultStatus: ResultStatus.Success,
          responsePayload: payload,
          messageExtension: [],
        },
        failed: false,
      }
    } catch (error) {
      this.#state.placeholder = undefined
      const answer = this.#failure(error, operation, uniqueBatchItemID)
      if (this.#room !== undefined) await this.#room
      return { answer, failed: true }
    }
  }

  async #operation(operation: number, item: RequestBatchItem): Promise<Item> {
    const name = operationName(operation)
    const handler = name && handlerOf(name)
    if (name === undefined || handler === undefined || !this.#offer.hasOperation(name)) {
      const what = `Cannot do ${operationLabel(operation)}: this server does not offer it`
      throw new KmsError('operationNotSupported', what)
    }
    if (!knows(Operation, operation, this.#version)) {
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
    const answer: AnyAnswer = await (handler as AnyHandler).run(request, call)
    this.#remember(answer)
    if (handler.effect !== 'change') {
      const room = this.#journal(name, answer.ids?.[0], 'success')
      if (room !== undefined) await room
    }
    const payload = item.ephemeral === true ? withoutData(answer.payload) : answer.payload
    return coders.response.encode(Tag.ResponsePayload, payload, encoding(this.#version))
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
    const label =
      operation === undefined ? 'Unknown' : (operationName(operation) ?? String(operation))
    if (code === 'internal') {
      this.#services.log.error({ err: error, operation: label }, 'a KMIP operation failed')
    }
    const resultMessage = failureMessage(error)
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

  #message(batchItem: readonly ItemAnswer[]): Item {
    const responseHeader = {
      protocolVersion: protocolVersionOf(this.#version),
      timeStamp: this.#now,
      attestationType: [],
      clientCorrelationValue: this.#request.requestHeader.clientCorrelationValue,
      batchCount: batchItem.length,
    }
    const message = { responseHeader, batchItem }
    return ResponseMessage.encode(Tag.ResponseMessage, message, encoding(this.#version))
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

/** Bytes of a message without its batch items. */
function headerBytes(message: Item, items: readonly Item[]): number {
  return itemBytes(message) - items.reduce((sum, item) => sum + itemBytes(item), 0)
}

/** Asynchronous work is not offered: a client that insists on it is told. */
function assertAsynchronous(
  { asynchronousIndicator: item }: RequestHeader,
  version: Version,
): void {
  const mandatory =
    item?.type === ItemType.Enumeration && item.value === AsynchronousIndicator.Mandatory
  if (!mandatory || version < VERSION_2) return
  const what = 'Cannot do batch: asynchronous work is mandatory, and not offered'
  throw new KmsError('featureNotSupported', what)
}

/** KMIP 1.4 §7.1: a critical extension that is not known refuses the request. */
function assertExtensions({ messageExtension }: RequestBatchItem): void {
  const critical = messageExtension.find(({ criticalityIndicator }) => criticalityIndicator)
  if (critical === undefined) return
  const what = `Cannot do item: the critical extension of ${critical.vendorIdentification} is unknown`
  throw new KmsError('featureNotSupported', what)
}

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

/** For logs: `Create, Get (KMIP 1.4)`. */
export function describeMessage(message: Item): string {
  const items = message.type === ItemType.Structure ? message.value : []
  const names = items.flatMap((item) => {
    if (item.tag !== Tag.BatchItem || item.type !== ItemType.Structure) return []
    const operation = item.value.find(({ tag }) => tag === Tag.Operation)
    return operation?.type === ItemType.Enumeration ? operationLabel(operation.value) : []
  })
  try {
    const { major, minor } = protocolVersionOfMessage(message)
    return `${names.join(', ')} (KMIP ${versionText(major * 10 + minor)})`
  } catch {
    return names.join(', ')
  }
}
