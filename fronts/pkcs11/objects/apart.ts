/**
 * A pair whose halves are kept in different places: one is a token object, the other the session's.
 *
 * PKCS#11 3.2 §5.18.2: each half has a template of its own, and CKA_TOKEN is in both. Programs that
 * need the public key once, to put it into a certificate, keep the private one alone.
 *
 * @module
 */
import { commit, revised } from '#core/change.ts'
import type { ManagedObject } from '#core/objects.ts'
import { duplicate } from '#core/operations/amend.ts'
import type { Session } from '../session.ts'
import { startingBag } from './change.ts'

export interface Pair {
  readonly privateKey: ManagedObject
  readonly publicKey: ManagedObject
}

/**
 * Moves the public half of a new pair to where its template wants it.
 *
 * @param lasting Whether that is the token; the private half is where that is not.
 */
export async function setApart(session: Session, pair: Pair, lasting: boolean): Promise<Pair> {
  const context = session.context('CreateKeyPair', !lasting)
  const there = session.context('CreateKeyPair', lasting)
  const publicKey = await duplicate(there, pair.publicKey, startingBag(pair.publicKey, false))
  const { privateKey: before } = pair
  // It would lead to what is not there any more.
  const privateKey = revised(context, before, before.attributes.without('link'))
  await commit(context, [{ before, after: privateKey }, { before: pair.publicKey }])
  return { privateKey, publicKey }
}
