/**
 * Results that may be there at once.
 *
 * A key that is in memory is used without waiting for anything. An `await` there would still put
 * the rest of the work off, at each of the dozen functions that a request passes through.
 *
 * @module
 */

/** A result that may be there at once: on the hot path nothing waits for a promise in vain. */
export type Awaitable<T> = T | Promise<T>

/** What `next` makes of a value: now, where the value is there, and else when it comes. */
export function after<T, R>(value: Awaitable<T>, next: (value: T) => Awaitable<R>): Awaitable<R> {
  return value instanceof Promise ? value.then(next) : next(value)
}
