/**
 * Algorithms: one row each with its number in every protocol and its name in OpenSSL.
 *
 * What an algorithm is stands nowhere else: no module below has a `switch` over algorithms. Lengths
 * are in bits where the name says bits, in bytes where it says bytes.
 *
 * @module
 */
export * from './algorithms/ciphers.ts'
export * from './algorithms/hashes.ts'
export * from './algorithms/keys.ts'
export * from './algorithms/macs.ts'
export * from './algorithms/signatures.ts'
