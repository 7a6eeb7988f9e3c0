/**
 * The shape of a row in the table of operations that this front offers.
 *
 * @module
 */
import type { Awaitable } from '#core/awaitable.ts'
import { type FailureCode, KmsError } from '#core/errors.ts'
import type { OperationName, RequestOf, ResponseOf } from '#spec/kmip/operations.ts'
import type { Call } from './call.ts'

/**
 * What an operation does to the world: `read` and `use` leave it as it is (they are counted in the
 * journal, and requests of one connection may overtake each other), `change` writes (its audit
 * entry is part of the transaction).
 */
export type Effect = 'read' | 'use' | 'change'

/** An answer, and what it leaves for the items behind it. */
export interface Answer<N extends OperationName> {
  readonly payload: ResponseOf<N>
  /** Identifiers of objects that it concerned: the first is named in the audit trail. */
  readonly ids?: readonly string[]
  /** The new ID Placeholder; null empties it, undefined leaves it. */
  readonly placeholder?: string | null
  /** Which references of KMIP 2.x now mean what. */
  readonly made?: readonly (readonly [from: number, id: string])[]
  readonly output?: readonly [from: number, data: Uint8Array]
}

/** A failure that has a payload nevertheless. */
export class Refusal<N extends OperationName> extends KmsError {
  readonly payload: ResponseOf<N>

  constructor(code: FailureCode, message: string, payload: ResponseOf<N>) {
    super(code, message)
    this.payload = payload
  }
}

export interface Handler<N extends OperationName> {
  readonly effect: Effect
  run(request: RequestOf<N>, call: Call): Awaitable<Answer<N>>
}

/** Types a row by its operation. */
export function handler<N extends OperationName>(
  _operation: N,
  effect: Effect,
  run: (request: RequestOf<N>, call: Call) => Awaitable<Answer<N>>,
): Handler<N> {
  return { effect, run }
}
