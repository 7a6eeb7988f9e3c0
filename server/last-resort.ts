/**
 * What becomes of a failure that no code has taken.
 *
 * A promise that fails with nobody waiting for it ends a Node process. In a server it is a fault
 * of ours, but those who do other things must not suffer for it: it is told in the log, and the
 * process goes on. An exception that nobody catches still ends it: it may have cut work in half.
 *
 * @module
 */
import type { Logger } from './log.ts'

export function surviveRejections(log: Pick<Logger, 'error'>): void {
  process.on('unhandledRejection', (err) => {
    log.error({ err }, 'a failure that nobody waited for; this is a fault in Claviger')
  })
}
