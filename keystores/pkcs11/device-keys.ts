/**
 * The keys of a device by their references: found, worked with, and told from the server's own.
 *
 * PKCS#11 3.2 §5.7.7 (C_FindObjectsInit). A key is found by its class and CKA_ID once, and then by
 * the handle that the session remembers, until the device knows it by another one.
 *
 * @module
 */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { KmsError } from '#core/errors.ts'
import type { KeyInUse } from '#core/keystore.ts'
import type { Mechanism } from '#spec/pkcs11/types.ts'
import type { Device, DeviceSession } from './device.ts'
import { asWrongData, failureOf, isGone, isOfOneDevice, isStale } from './failures.ts'
import { ownObject } from './own-objects.ts'
import type { Verb } from './quick.ts'
import { NotBegun } from './quick-queue.ts'
import { type Reference, readReference } from './references.ts'
import { isWrappingId } from './wrapping.ts'

const names = new WeakMap<Uint8Array, string>()
/** The reference without the public half, which is long. */
export function nameOf(handle: Uint8Array): string {
  const known = names.get(handle)
  if (known !== undefined) return known
  const name = Buffer.from(readReference(handle)?.head ?? handle).toString('latin1')
  names.set(handle, name)
  return name
}

export class DeviceKeys {
  readonly #name: string
  readonly #device: Device
  readonly #halves = new WeakMap<Uint8Array, KeyObject>()
  /** CKA_ID in hexadecimal of keys that are the server's own. */
  readonly #reserved = new Set<string>()

  /** @param name Of the keystore. */
  constructor(name: string, device: Device) {
    this.#name = name
    this.#device = device
  }

  /** Keys of this CKA_ID are the server's own: no object can be one of them. */
  reserve(id: Uint8Array): void {
    this.#reserved.add(Buffer.from(id).toString('hex'))
  }

  isReserved(id: Uint8Array): boolean {
    return isWrappingId(id) || this.#reserved.has(Buffer.from(id).toString('hex'))
  }

  publicHalf(key: KeyInUse): KeyObject {
    const { handle } = key
    let half = this.#halves.get(handle)
    if (half === undefined) {
      const bytes = Buffer.from(this.reference(key).publicHalf)
      if (bytes.length === 0) {
        const what = `Cannot use "${key.id}" so: HSM "${this.#name}" has no public key to it`
        throw new KmsError('keyValueNotPresent', what)
      }
      half = createPublicKey({ key: bytes, format: 'der', type: 'spki' })
      this.#halves.set(handle, half)
    }
    return half
  }

  /** The device's own handle of a key: one look-up by its identifier, and then from memory. */
  async #find(session: DeviceSession, key: KeyInUse): Promise<number> {
    const known = session.handles.get(nameOf(key.handle))
    if (known !== undefined) return known
    const handle = await ownObject(session, this.#name, this.reference(key), key.id)
    if (handle === undefined) {
      const what = `Cannot use "${key.id}": HSM "${this.#name}" does not have its key any more`
      throw new KmsError('keyValueNotPresent', what)
    }
    session.handles.set(nameOf(key.handle), handle)
    return handle
  }

  reference({ id, handle }: Pick<KeyInUse, 'id' | 'handle'>): Reference {
    const reference = readReference(handle)
    if (reference !== undefined && this.isReserved(reference.id)) {
      const what = `Cannot use "${id}": this key of HSM "${this.#name}" protects a server's database`
      throw new KmsError('permissionDenied', what)
    }
    if (reference !== undefined) return reference
    throw new KmsError('tampered', `Cannot use "${id}": its reference is none of "${this.#name}"`)
  }

  /** Init and operation: together with others where the handle of the key is known. */
  short(
    what: string,
    key: KeyInUse,
    verb: Verb,
    pMechanism: Mechanism,
    data: Uint8Array,
  ): Promise<Uint8Array> {
    const inSession = (repeatable: boolean): Promise<Uint8Array> => {
      const work = async (session: DeviceSession, hKey: number): Promise<Uint8Array> => {
        return session[verb]({ pMechanism, hKey }, data).catch(thrower)
      }
      return this.keyed(what, key, work, repeatable)
    }
    const thrower = (error: unknown): never => {
      throw verb === 'decrypt' ? asWrongData(error) : error
    }
    const quick = this.#device.quick(nameOf(key.handle), verb, pMechanism, data)
    if (quick === undefined) return inSession(true)
    return quick.catch((error: unknown) => {
      const isOther = isOfOneDevice(error) && this.#device.hasOthers && !isGone(error)
      if (error instanceof NotBegun || isStale(error) || isOther) return inSession(true)
      // A second time, and not a third; of a group each that is there once.
      if (isGone(error)) return inSession(this.#device.hasOthers)
      throw failureOf(this.#name, what, verb === 'decrypt' ? asWrongData(error) : error)
    })
  }

  /** Work with a key; once more where the device knows it by another handle than it used to. */
  keyed<T>(
    what: string,
    key: KeyInUse,
    work: (session: DeviceSession, hKey: number) => Promise<T>,
    repeatable = true,
  ): Promise<T> {
    const found = async (session: DeviceSession): Promise<T> => {
      try {
        return await work(session, await this.#find(session, key))
      } catch (error) {
        if (!isStale(error)) throw error
        session.handles.delete(nameOf(key.handle))
        return work(session, await this.#find(session, key))
      }
    }
    return this.use(what, found, repeatable)
  }

  /** Work that may be done twice. */
  read<T>(what: string, work: (session: DeviceSession) => Promise<T>): Promise<T> {
    return this.use(what, work, true)
  }

  /** The same in every HSM of a group. */
  async each(
    what: string,
    work: (session: DeviceSession) => Promise<void>,
    places?: readonly string[],
  ): Promise<readonly string[]> {
    try {
      return await this.#device.each(work, places)
    } catch (error) {
      throw failureOf(this.#name, what, error)
    }
  }

  async use<T>(
    what: string,
    work: (session: DeviceSession) => Promise<T>,
    repeatable = false,
  ): Promise<T> {
    try {
      return await this.#device.use(work, repeatable)
    } catch (error) {
      throw failureOf(this.#name, what, error)
    }
  }
}
