/**
 * What can go wrong between a KMIP client and a server.
 *
 * @module
 */
import { ResultReason } from '#spec/kmip/enumerations.ts'
import { nameOf } from '#spec/kmip/table.ts'

/** The server refused an operation. */
export class KmipError extends Error {
  override readonly name = 'KmipError'
  /** Name of the operation, such as `Create`; absent when the whole message was refused. */
  readonly operation: string | undefined
  /** Result Reason; 0 when the server gave none. */
  readonly reason: number

  constructor(operation: string | undefined, reason: number, message: string | undefined) {
    const why = reason === 0 ? 'no reason given' : nameOf(ResultReason, reason)
    super(message === undefined ? `${operation ?? 'Message'} failed: ${why}` : message)
    this.operation = operation
    this.reason = reason
  }

  /** Name of the Result Reason, such as `ItemNotFound`. */
  get reasonName(): string {
    return nameOf(ResultReason, this.reason)
  }
}

/** No answer: the connection failed, timed out, or the peer does not speak KMIP. */
export class KmipConnectionError extends Error {
  override readonly name = 'KmipConnectionError'
}
