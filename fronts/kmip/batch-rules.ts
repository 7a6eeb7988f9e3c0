/**
 * What a header or an item may ask of a batch, and how a refusal is put.
 *
 * KMIP 1.4 §6.7 (Asynchronous Indicator), §6.14 (Batch Error Continuation Option) and §6.17
 * (Message Extension); KMIP 2.1 §9.
 *
 * @module
 */
import { failureMessage, KmsError } from '#core/errors.ts'
import { dictionaryOf } from '#spec/kmip/dictionary.ts'
import {
  AsynchronousIndicator,
  BatchErrorContinuationOption as OnError,
} from '#spec/kmip/enumerations.ts'
import type { RequestBatchItem, RequestHeader } from '#spec/kmip/messages.ts'
import { tableOf } from '#spec/kmip/table.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { WireError } from '#wire/errors.ts'
import { type Item, ItemType } from '#wire/ttlv/item.ts'
import { VERSION_2, type Version } from '#wire/ttlv/version.ts'

/** What the peer may read of any thrown value; tags by their names. */
export function messageOf(error: unknown): string {
  const { tagName } = dictionaryOf()
  return failureMessage(error).replace(/\b0x42[\dA-F]{4}\b/g, (hex) => {
    const name = tagName(Number(hex))
    return name === undefined ? hex : `${name} (${hex})`
  })
}

/** A batch that shall go on in a way that we do not know must not begin. */
export function assertOnError(option: number): void {
  if (tableOf(OnError).byValue.has(option)) return
  const what = `Cannot do batch: ${option} is no Batch Error Continuation Option`
  throw new KmsError('unknownEnumeration', `${what}; Continue, Stop and Undo are`)
}

/**
 * KMIP 1.4 §6.17: a critical extension that is not known refuses the message, before any of its
 * items is done. A single item says so itself, with its operation.
 */
export function assertNoExtension(items: readonly Item[]): void {
  if (items.length < 2) return
  for (const item of items) {
    const members = item.type === ItemType.Structure ? item.value : []
    const extensions = members.filter(({ tag }) => tag === Tag.MessageExtension)
    if (!extensions.some(isCritical)) continue
    const what = 'Cannot do batch: one of its items has a critical extension that is unknown'
    throw new KmsError('featureNotSupported', what)
  }
}

function isCritical({ type, value }: Item): boolean {
  if (type !== ItemType.Structure) return false
  return value.some((member) => member.tag === Tag.CriticalityIndicator && member.value === true)
}

/**
 * KMIP 1.4 §6.4: Unique Batch Item ID tells answers apart. Two of a kind cannot, so nothing of the
 * batch is done. Items without one are taken: answers come in the order of the items.
 */
export function assertDistinct(items: readonly Item[]): void {
  if (items.length < 2) return
  const seen = new Set<string>()
  for (const item of items) {
    const members = item.type === ItemType.Structure ? item.value : []
    const id = members.find(({ tag }) => tag === Tag.UniqueBatchItemID)
    if (id?.type !== ItemType.ByteString) continue
    const hex = Buffer.from(id.value).toString('hex')
    if (seen.has(hex)) {
      const what = `two items have the Unique Batch Item ID ${hex}`
      throw new WireError('invalidMessage', `Cannot do batch: ${what}; give each one of its own`)
    }
    seen.add(hex)
  }
}

/** Asynchronous work is not offered: a client that insists on it is told. */
export function assertAsynchronous(
  { asynchronousIndicator: item }: RequestHeader,
  version: Version,
): void {
  if (item !== undefined && !INDICATORS.includes(item.type)) {
    const what = 'Asynchronous Indicator is a Boolean in KMIP 1.x, an Enumeration from 2.0 on'
    throw new WireError('invalidMessage', `Cannot read message: ${what}`)
  }
  const mandatory =
    item?.type === ItemType.Enumeration && item.value === AsynchronousIndicator.Mandatory
  if (!mandatory || version < VERSION_2) return
  const what = 'Cannot do batch: asynchronous work is mandatory, and not offered'
  throw new KmsError('featureNotSupported', what)
}

const INDICATORS: readonly ItemType[] = [ItemType.Boolean, ItemType.Enumeration]

/** KMIP 1.4 §7.1: a critical extension that is not known refuses the request. */
export function assertExtensions({ messageExtension }: RequestBatchItem): void {
  const critical = messageExtension.find(({ criticalityIndicator }) => criticalityIndicator)
  if (critical === undefined) return
  const what = `Cannot do item: the critical extension of ${critical.vendorIdentification} is unknown`
  throw new KmsError('featureNotSupported', what)
}
