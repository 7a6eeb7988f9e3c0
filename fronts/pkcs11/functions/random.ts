/**
 * C_SeedRandom and C_GenerateRandom.
 *
 * PKCS#11 3.2 §5.20. A long wish is fulfilled in pieces of `randomBytesMax`, and is not longer than
 * `bufferedBytesMax`.
 *
 * @module
 */
import { after } from '#core/awaitable.ts'
import type { Awaitable, Keystore } from '#core/keystore.ts'
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { Handlers } from '#spec/pkcs11/types.ts'
import type { Application } from '../application.ts'
import { keystoreOf } from '../mechanisms.ts'
import { record } from '../objects/use.ts'
import { dataOf, NOTHING } from '../running.ts'

async function inPieces(keystore: Keystore, length: number, piece: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  for (let at = 0; at < length; at += piece) {
    pieces.push(await keystore.random(Math.min(piece, length - at)))
  }
  return Buffer.concat(pieces)
}

function randomOf(keystore: Keystore, length: number, piece: number): Awaitable<Uint8Array> {
  if (length === 0) return NOTHING
  return length <= piece ? keystore.random(length) : inPieces(keystore, length, piece)
}

export const random = {
  C_SeedRandom: (application, { hSession, pSeed }) => {
    const session = application.session(hSession)
    return after(keystoreOf(session).seed(dataOf(pSeed)), (used) => {
      if (used === 0 && dataOf(pSeed).length > 0) {
        const what = 'the generator of the keystore takes no seed'
        throw new CryptokiError(CKR.RANDOM_SEED_NOT_SUPPORTED, what)
      }
      return after(record(session.context('RNGSeed'), undefined, 'success'), () => undefined)
    })
  },

  C_GenerateRandom: (application, { hSession, pRandomData: length }) => {
    const session = application.session(hSession)
    const { randomBytesMax, bufferedBytesMax } = session.token.services.limits
    if (length > bufferedBytesMax) {
      const what = `${length} random bytes at a time; allowed are ${bufferedBytesMax} (bufferedBytesMax)`
      throw new CryptokiError(CKR.DEVICE_MEMORY, what)
    }
    return after(randomOf(keystoreOf(session), length, randomBytesMax), (pRandomData) => {
      const room = record(session.context('RNGRetrieve'), undefined, 'success')
      return room === undefined ? { pRandomData } : room.then(() => ({ pRandomData }))
    })
  },
} satisfies Partial<Handlers<Application>>
