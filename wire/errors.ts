/**
 * The failures of the wire layer: bytes that are not the message they claim to be.
 *
 * @module
 */

/**
 * `invalidMessage`: the bytes break the encoding. `invalidField`: well-formed, but a value or a
 * field that has no place there. `missingField`: a field that the table requires is absent.
 */
export type WireFailure = 'invalidMessage' | 'invalidField' | 'missingField'

/** Thrown by every decoder; `core/errors.ts` has a row of the same name for each code. */
export class WireError extends Error {
  override readonly name = 'WireError'
  readonly code: WireFailure

  constructor(code: WireFailure, message: string) {
    super(message)
    this.code = code
  }
}
