/**
 * Key bytes that do not print.
 *
 * Prints as `[secret]`, JSON has nothing to show, and `expose()` is what reviewers grep for.
 * Whoever makes one disposes it: `using secret = new Secret(bytes)` zeroes the bytes at the end of
 * the block.
 *
 * @module
 */
import { inspect } from 'node:util'

export class Secret {
  readonly #bytes: Uint8Array

  /** Takes over `bytes`: they are zeroed when the secret is disposed. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** The bytes themselves, not a copy. */
  expose(): Uint8Array {
    return this.#bytes
  }

  get length(): number {
    return this.#bytes.length
  }

  [Symbol.dispose](): void {
    this.#bytes.fill(0)
  }

  toJSON(): string {
    return '[secret]'
  }

  [inspect.custom](): string {
    return '[secret]'
  }
}
