/**
 * Functions that are counted: how often, with what return value, and how long they took.
 *
 * @module
 */
import type { Tally } from '#core/meter.ts'
import { CryptokiError, rvName } from '#spec/pkcs11/errors.ts'

type Run<A> = (application: A, args: never) => unknown

/** The same function, counted. */
export function metered<A>(tally: Tally, run: Run<A>): Run<A> {
  return (application, args) => {
    const begun = performance.now()
    const failed = (error: unknown): unknown => {
      tally.add(outcomeOf(error), performance.now() - begun)
      return error
    }
    try {
      const answer = run(application, args)
      if (!(answer instanceof Promise)) {
        tally.add('success', performance.now() - begun)
        return answer
      }
      return answer.then(
        (results: unknown) => {
          tally.add('success', performance.now() - begun)
          return results
        },
        (error: unknown) => {
          throw failed(error)
        },
      )
    } catch (error) {
      throw failed(error)
    }
  }
}

/** By its name: a device may answer any number, and none of those without a name is told apart. */
function outcomeOf(error: unknown): string {
  const name = error instanceof CryptokiError ? rvName(error.rv) : 'CKR_GENERAL_ERROR'
  return name.startsWith('0x') ? 'other' : name
}
