/**
 * One batch item on its way: what its handler is given, and what it leaves for the items behind it.
 *
 * KMIP 1.4 §4 "ID Placeholder" and §6.14 to §6.16 (batches); KMIP 2.1 §4.74 and §11.60 (identifiers
 * by reference), §11.14 (data by reference).
 *
 * @module
 */
import type { Context } from '#core/context.ts'
import { KmsError } from '#core/errors.ts'
import { DataEnumeration, UniqueIdentifierEnumeration as From } from '#spec/kmip/enumerations.ts'
import type { DataOrReference, Identifier } from '#spec/kmip/structures.ts'
import { nameOf } from '#spec/kmip/table.ts'
import type { Version } from '#wire/ttlv/version.ts'
import type { Offer } from './offer.ts'
import type { Streams } from './streams.ts'

/** What the items of a batch have made so far. */
export interface BatchState {
  /** ID Placeholder. */
  placeholder: string | undefined
  /** Identifiers that were answered, in order: Integer references. */
  readonly answered: string[]
  /** Identifiers by the operation that made them: enumerated references. */
  readonly made: Map<number, string>
  /** Output data by operation, and in order. */
  readonly outputs: Map<number, Uint8Array>
  readonly output: Uint8Array[]
}

export function newBatch(): BatchState {
  return {
    placeholder: undefined,
    answered: [],
    made: new Map(),
    outputs: new Map(),
    output: [],
  }
}

/** What a handler works with. */
export interface Call {
  readonly context: Context
  readonly version: Version
  readonly batch: BatchState
  readonly offer: Offer
  /** What waits for further parts. */
  readonly streams: Streams
}

/** The identifier that an item means. @throws `KmsError` `notFound` when there is none. */
export function idOf({ batch }: Call, identifier: Identifier | undefined): string {
  if (typeof identifier === 'string') return identifier
  if (identifier === undefined) return needed(batch.placeholder, 'the ID Placeholder is empty')
  if ('index' in identifier) {
    const id = batch.answered.at(identifier.index)
    return needed(id, `no identifier ${identifier.index} has been answered`)
  }
  const { from } = identifier
  const id = from === From.IDPlaceholder ? batch.placeholder : batch.made.get(from)
  return needed(id, `${nameOf(From, from)} has not made one`)
}

function needed(id: string | undefined, why: string): string {
  if (id !== undefined) return id
  throw new KmsError('notFound', `Cannot find object: no Unique Identifier is given, and ${why}`)
}

/** The bytes that an item means; undefined when it has none. */
export function dataOf({ batch }: Call, data: DataOrReference | undefined): Uint8Array | undefined {
  if (data === undefined || data instanceof Uint8Array) return data
  const found = 'index' in data ? batch.output.at(data.index) : batch.outputs.get(data.from)
  if (found !== undefined) return found
  const which = 'index' in data ? `output ${data.index}` : nameOf(DataEnumeration, data.from)
  throw new KmsError('invalidField', `Cannot use data: the batch has no ${which} before this item`)
}

/** Data that must be there. */
export function neededData(
  call: Call,
  data: DataOrReference | undefined,
  label = 'Data',
): Uint8Array {
  const found = dataOf(call, data)
  if (found !== undefined) return found
  const what = `Cannot do ${call.context.operation}: the field ${label} is missing`
  throw new KmsError('missingField', what)
}
