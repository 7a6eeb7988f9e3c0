/**
 * CK_ULONG as a number of JavaScript.
 *
 * CK_UNAVAILABLE_INFORMATION (all ones) is -1; what a number cannot hold exactly is the largest
 * that it can: no flag or length of a real token is as large, and larger handles have names here
 * (`keystores/pkcs11/handles.ts`).
 *
 * @module
 */

const HALF = 0x1_0000_0000
/** All ones in a u32: a pointer that is NULL. */
export const NULL_LENGTH = 0xffff_ffff

/** A number from its halves. */
export function joinHalves(high: number, low: number): number {
  if (high < 0x20_0000) return high * HALF + low
  return high === NULL_LENGTH && low === NULL_LENGTH ? -1 : Number.MAX_SAFE_INTEGER
}

/** The upper half of a number. */
export function highHalf(value: number): number {
  if (value < HALF) return value < 0 ? NULL_LENGTH : 0
  return Math.floor(value / HALF)
}

/** The lower half of a number. */
export function lowHalf(value: number): number {
  return value < 0 ? NULL_LENGTH : value % HALF
}
