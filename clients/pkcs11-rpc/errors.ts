/**
 * The failure of a connection to a PKCS#11 server, as opposed to that of a function.
 *
 * @module
 */

/** No connection, or no answer: what became of the call is not known. */
export class Pkcs11ConnectionError extends Error {
  override readonly name = 'Pkcs11ConnectionError'
}
