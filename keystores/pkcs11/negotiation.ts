/**
 * The beginning of a lane: the host answers once its module has been initialised.
 *
 * @module
 */
import type { Duplex } from 'node:stream'
import { LATE, Pkcs11Client, Pkcs11ConnectionError } from '#clients/pkcs11-rpc/client.ts'

/** A process takes a while to start, however short calls may be. */
const START_MILLISECONDS_MIN = 10_000

/**
 * @param requestMilliseconds Time for one call; C_Initialize may take as long.
 * @throws `Pkcs11ConnectionError` with what the module does not do.
 */
export async function negotiated(
  stream: Duplex,
  requestMilliseconds: number,
): Promise<Pkcs11Client> {
  const connectMilliseconds = Math.max(requestMilliseconds, START_MILLISECONDS_MIN)
  try {
    return await Pkcs11Client.over(stream, { connectMilliseconds, requestMilliseconds })
  } catch (error) {
    if (!isLate(error)) throw error
    const seconds = Math.round(connectMilliseconds / 1_000)
    const what = `its module does not return from C_Initialize within ${seconds} s`
    throw new Pkcs11ConnectionError(what, { cause: LATE })
  }
}

/** Whether an answer was waited for in vain. */
export function isLate(error: unknown): boolean {
  return error instanceof Pkcs11ConnectionError && error.cause === LATE
}
