/**
 * Which objects of a device a reference means: nobody keeps other programs from putting theirs
 * under the same CKA_ID, and a token that is away shows none at all.
 *
 * PKCS#11 3.2 §4.4 and §4.6 (CKA_ID need not be unique). Keys that are made here under a drawn
 * CKA_ID have their object's identifier for a label, those under a name have that name. Where
 * several have the CKA_ID, the label decides, and where it does not, none is taken.
 *
 * @module
 */
import { KmsError } from '#core/errors.ts'
import { CKA } from '#spec/pkcs11/constants.ts'
import type { DeviceSession } from './device.ts'
import { type Reference, templateOf } from './references.ts'

/**
 * The one that is meant; undefined where there is none, and the token is there that should have it.
 *
 * @param name Of the keystore.
 * @param id Unique Identifier of the object.
 * @throws `KmsError` `keyValueNotPresent` where several could be it.
 */
export async function ownObject(
  session: DeviceSession,
  name: string,
  reference: Reference,
  id: string,
): Promise<number | undefined> {
  const found = await session.find(templateOf(reference))
  if (found.length <= 1) {
    if (found.length === 0) await session.assertToken()
    return found[0]
  }
  const labelled = await withLabel(session, reference, reference.isNamed ? undefined : id)
  if (labelled.length === 1) return labelled[0]
  throw several(`use "${id}"`, name, reference, found.length)
}

/**
 * All that end with a key. Under a drawn CKA_ID there is nothing but the key and copies of it.
 *
 * @throws `KmsError` `keyValueNotPresent` where those of others could be among them.
 */
export async function endingObjects(
  session: DeviceSession,
  name: string,
  reference: Reference,
): Promise<readonly number[]> {
  const found = await session.find(templateOf(reference))
  if (found.length === 0) await session.assertToken()
  if (found.length <= 1 || reference.isDrawn) return found
  const labelled = reference.isNamed ? await withLabel(session, reference) : []
  if (labelled.length === 1) return labelled
  throw several('destroy a key', name, reference, found.length)
}

function withLabel(
  session: DeviceSession,
  reference: Reference,
  label?: string,
): Promise<readonly number[]> {
  const value = label === undefined ? reference.id : Buffer.from(label)
  return session.find([...templateOf(reference), { type: CKA.LABEL, value }])
}

function several(what: string, name: string, { id }: Reference, count: number): KmsError {
  const there = `HSM "${name}" has ${count} keys of CKA_ID 0x${Buffer.from(id).toString('hex')}`
  const hint = 'remove those of other programs there, or give them another CKA_ID'
  const why = 'and its label does not tell which is meant'
  return new KmsError('keyValueNotPresent', `Cannot ${what}: ${there}, ${why}; ${hint}`)
}
