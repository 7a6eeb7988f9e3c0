/**
 * How answers are put together: batch items, and the header before them.
 *
 * KMIP 1.4 §7.2 (Response Message); KMIP 2.1 §8.
 *
 * @module
 */
import { type Operation, ResultStatus } from '#spec/kmip/enumerations.ts'
import { ResponseBatchItem, ResponseHeader } from '#spec/kmip/messages.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { itemBytes } from '#wire/ttlv/binary.ts'
import type { EncodeContext } from '#wire/ttlv/coder.ts'
import { type Item, structure } from '#wire/ttlv/item.ts'
import { protocolVersionOf, type Version } from '#wire/ttlv/version.ts'

export type ItemAnswer = ResponseBatchItem

/** What a version does not have is left out of answers in it. */
export function encoding(version: Version): EncodeContext {
  return { version, beyondVersion: 'drop' }
}

/** A whole answer: the header and the items, as the table Response Message has them. */
export function answerOf(
  version: Version,
  timeStamp: number,
  answers: readonly ItemAnswer[],
  clientCorrelationValue?: string,
): Item {
  const context = encoding(version)
  const header = headerItem(version, timeStamp, answers.length, clientCorrelationValue)
  const items = answers.map((answer) => ResponseBatchItem.encode(Tag.BatchItem, answer, context))
  return structure(Tag.ResponseMessage, [header, ...items])
}

interface KnownHeader {
  readonly version: Version
  readonly timeStamp: number
  readonly batchCount: number
  readonly item: Item
}

/** The header that was written last: within a second most answers have the same. */
let known: KnownHeader | undefined

function headerItem(
  version: Version,
  timeStamp: number,
  batchCount: number,
  clientCorrelationValue: string | undefined,
): Item {
  const isPlain = clientCorrelationValue === undefined
  const isKnown =
    known?.timeStamp === timeStamp && known.version === version && known.batchCount === batchCount
  if (isPlain && isKnown && known !== undefined) return known.item
  const protocolVersion = protocolVersionOf(version)
  const header = {
    protocolVersion,
    timeStamp,
    attestationType: [],
    clientCorrelationValue,
    batchCount,
  }
  const item = ResponseHeader.encode(Tag.ResponseHeader, header, encoding(version))
  if (isPlain) known = { version, timeStamp, batchCount, item }
  return item
}

/** The answer to an item that was done. */
export function success(
  operation: Operation,
  uniqueBatchItemID: Uint8Array | undefined,
  responsePayload: Item,
): ItemAnswer {
  return {
    operation,
    uniqueBatchItemID,
    resultStatus: ResultStatus.Success,
    responsePayload,
    messageExtension: [],
  }
}

export function hasFailed({ resultStatus }: ItemAnswer): boolean {
  return resultStatus !== ResultStatus.Success
}

/** Bytes of a message without its batch items. */
export function headerBytes(message: Item, items: readonly Item[]): number {
  return itemBytes(message) - items.reduce((sum, item) => sum + itemBytes(item), 0)
}
