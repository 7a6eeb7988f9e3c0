/**
 * A trouble that lasts is told once in a while, not at every attempt: a log that repeats it four
 * times a second fills the disk that was full.
 *
 * @module
 */
import { KmsError } from '#core/errors.ts'
import type { Logger } from './log.ts'

/** Between two lines about one trouble. */
const EVERY_MILLISECONDS = 60_000

/** @returns What is called at every failure; the line says how many there were since the last. */
export function complaint(
  log: () => Logger,
  message: string,
  clock: () => number = () => performance.now(),
): (error: unknown) => void {
  let told = Number.NEGATIVE_INFINITY
  let failures = 0
  return (error) => {
    failures++
    const now = clock()
    if (now - told < EVERY_MILLISECONDS) return
    // Where a refusal came from helps nobody; where a defect did, does.
    const why = error instanceof KmsError ? { reason: error.message } : { err: error }
    log().error({ ...why, failures }, message)
    told = now
    failures = 0
  }
}
