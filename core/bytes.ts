/**
 * Byte strings: comparing without telling where they differ.
 *
 * @module
 */
import { timingSafeEqual } from 'node:crypto'

/** Whether two byte strings are the same; takes the same time wherever they differ. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
