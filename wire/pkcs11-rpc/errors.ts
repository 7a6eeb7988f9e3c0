/**
 * The failure of the PKCS#11 RPC wire: bytes that are not what they claim to be.
 *
 * @module
 */

/**
 * `envelope`: where the next message begins, or which call this is, cannot be known: the connection
 * ends. `argument`: the call is known, but what it brings does not decode: it can be answered.
 */
export type RpcFailure = 'envelope' | 'argument'

/** Thrown by every reader of this wire. */
export class RpcError extends Error {
  override readonly name = 'RpcError'
  readonly code: RpcFailure

  constructor(code: RpcFailure, message: string) {
    super(message)
    this.code = code
  }
}
