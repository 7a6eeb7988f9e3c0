/**
 * Keys that are about to be made where they will lie, written down before anybody makes them.
 *
 * A database and a keystore beside it (an HSM) do not change in one step: `destructions.ts` is for
 * the end of a key, this is for its beginning. The keystore says what it is going to make, and that
 * is committed first; the record goes together with the commit of the object. What never became an
 * object, because a name was taken, the device failed, or the server ended in between, is destroyed
 * where it lies: at once, or later when its keystore is there again. Session objects are in memory
 * only, and their keys stay written down until they end; with the server they end as well.
 *
 * @module
 */
import { randomUUID } from 'node:crypto'
import { sameBytes } from './bytes.ts'
import type { Services } from './context.ts'
import type { Database, RecordChange } from './database.ts'
import { KmsError } from './errors.ts'
import type { Foundling } from './keystore.ts'
import type { Material } from './objects.ts'
import type { Sealer } from './sealer.ts'
import type { ObjectChange } from './store.ts'

const KIND = 'setting'
const PREFIX = 'making '
const NONE = { add: [], remove: [] }
/** Seconds since the epoch that no clock reaches: it is not due to anybody but here. */
const NEVER = 100_000_000_000
/** More are not under way when a server ends. */
const RECORDS_MAX = 100_000

interface Making {
  /** Unique Identifier that the object shall have. */
  readonly object: string
  readonly keystore: string
  /** Hexadecimal; the handle of what comes of it begins so. */
  readonly handle: string
}

interface Announced extends Making {
  readonly record: string
}

/** What the operations need of it. */
export interface Makings {
  /** What is to be written together with new objects. */
  entering(changes: readonly ObjectChange[]): readonly RecordChange[]
  /** After that has been committed. */
  entered(changes: readonly ObjectChange[]): void
  /** Destroys what has been made for these identifiers, unless they are objects after all. */
  abandon(services: Services, objects: readonly string[]): Promise<void>
  /** Destroys what has been left. A keystore that is away is asked the next time. */
  finish(services: Services, keystore?: string): Promise<void>
}

export class AnnouncedMakings implements Makings {
  readonly #database: Database
  readonly #sealer: Sealer
  /** By the identifier of the object. */
  readonly #open = new Map<string, Announced>()
  /** Records of what nobody is going to enter. */
  readonly #left = new Map<string, Making | undefined>()
  /** Those that are being destroyed, and those whose delay has been logged. */
  readonly #busy = new Set<string>()
  readonly #late = new Set<string>()
  #recovered: Promise<void> | undefined

  constructor(database: Database, sealer: Sealer) {
    this.#database = database
    this.#sealer = sealer
  }

  /** Before the keystore makes it. @param handle What its handle will begin with. */
  async announce(keystore: string, object: string, handle: Uint8Array): Promise<void> {
    const record = `${PREFIX}${randomUUID()}`
    const making = { object, keystore, handle: Buffer.from(handle).toString('hex') }
    const bytes = this.#sealer.seal(Buffer.from(JSON.stringify(making)), record)
    this.#open.set(object, { ...making, record })
    try {
      const change = { ...recordOf(record), previous: 0, revision: 1, bytes, due: NEVER }
      await this.#database.commit([change], [])
    } catch (error) {
      this.#open.delete(object)
      throw error
    }
  }

  /** There is nothing there, or nothing any more. */
  async withdraw(keystore: string, handle: Uint8Array): Promise<void> {
    const found = this.#at(keystore, handle)
    if (found === undefined) return
    this.#open.delete(found.object)
    await this.#remove(found.record)
  }

  /** Whether a key that is in the keystore has been announced and is no object, or not yet. */
  isUnderWay(keystore: string, found: Foundling): boolean {
    const all = [...this.#open.values(), ...this.#left.values()]
    return all.some((one) => {
      if (one?.keystore !== keystore) return false
      // The other half of a pair has the label of the one that was announced.
      const isHalf = found.label !== '' && `::${one.object}`.endsWith(`::${found.label}`)
      return isHalf || found.isAt(Buffer.from(one.handle, 'hex'))
    })
  }

  #at(keystore: string, handle: Uint8Array): Announced | undefined {
    if (this.#open.size === 0) return undefined
    for (const one of this.#open.values()) {
      if (isMaterial({ keystore, handle }, one)) return one
    }
    return undefined
  }

  entering(changes: readonly ObjectChange[]): readonly RecordChange[] {
    return this.#entered(changes).map(({ record }) => removal(record))
  }

  entered(changes: readonly ObjectChange[]): void {
    for (const { object } of this.#entered(changes)) this.#open.delete(object)
  }

  #entered(changes: readonly ObjectChange[]): readonly Announced[] {
    if (this.#open.size === 0) return []
    return changes.flatMap(({ after }) => {
      const one = after && this.#open.get(after.id)
      return one !== undefined && isMaterial(after?.material, one) ? [one] : []
    })
  }

  async abandon(services: Services, objects: readonly string[]): Promise<void> {
    for (const object of objects) {
      const one = this.#open.get(object)
      if (one === undefined) continue
      this.#open.delete(object)
      this.#left.set(one.record, one)
      await this.#attempt(services, one.record)
    }
  }

  async finish(services: Services, keystore?: string): Promise<void> {
    this.#recovered ??= this.#recover()
    await this.#recovered
    for (const [record, making] of [...this.#left]) {
      if (making === undefined) this.#left.set(record, await this.#read(record))
    }
    const left = [...this.#left].filter(([, making]) => {
      return keystore === undefined || making?.keystore === keystore
    })
    const byKeystore = Map.groupBy(left, ([, making]) => making?.keystore)
    await Promise.all(
      [...byKeystore.values()].map(async (each) => {
        // Where one has failed, the others would have to wait as long.
        for (const [record] of each) if (!(await this.#attempt(services, record))) return
      }),
    )
  }

  /** What the process before this one has left: nothing of it is under way any more. */
  async #recover(): Promise<void> {
    const ids = await this.#database.due(KIND, NEVER, RECORDS_MAX)
    const own = new Set([...this.#open.values()].map(({ record }) => record))
    for (const id of ids) {
      if (id.startsWith(PREFIX) && !own.has(id)) this.#left.set(id, undefined)
    }
  }

  /** @returns Whether it is done. */
  async #attempt(services: Services, record: string): Promise<boolean> {
    if (this.#busy.has(record)) return true
    this.#busy.add(record)
    try {
      await this.#finish(services, record)
      this.#left.delete(record)
      this.#late.delete(record)
      return true
    } catch (error) {
      const reason = (error as Error).message
      const what = 'a key that became no object is still to be destroyed in its keystore'
      if (!this.#late.has(record)) services.log.warn({ reason }, what)
      this.#late.add(record)
      return false
    } finally {
      this.#busy.delete(record)
    }
  }

  async #finish({ store, keystores, log }: Services, record: string): Promise<void> {
    const making = await this.#read(record)
    if (making === undefined) return
    const { object, keystore, handle } = making
    // Its commit may have been the last thing that was done.
    if (!isMaterial((await store.object(object))?.material, making)) {
      const places = await keystores.named(keystore).destroy(Buffer.from(handle, 'hex'))
      if (places !== undefined && places.length > 0) {
        const what = `Cannot destroy it: ${places.join(', ')} could not be reached`
        throw new KmsError('keystoreUnavailable', what)
      }
      log.info({ object, keystore }, 'a key that became no object is not in its keystore any more')
    }
    await this.#remove(record)
  }

  async #read(record: string): Promise<Making | undefined> {
    const found = await this.#database.read(KIND, record)
    if (found === undefined) return undefined
    const opened = Buffer.from(this.#sealer.open(found.bytes, record)).toString('utf8')
    return JSON.parse(opened) as Making
  }

  #remove(record: string): Promise<void> {
    return this.#database.commit([removal(record)], [])
  }
}

/** For objects in memory: their keys stay written down until they end. */
export function heldMakings(makings: Makings): Makings {
  return {
    entering: () => [],
    entered: () => undefined,
    abandon: (services, objects) => makings.abandon(services, objects),
    finish: (services, keystore) => makings.finish(services, keystore),
  }
}

/**
 * Work that makes keys for these identifiers: where it fails, nothing of them is left behind.
 *
 * @param objects Those of secret and private keys.
 */
export async function making<T>(
  services: Services,
  objects: readonly string[],
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const isGone = services.makings?.abandon(services, objects)
    // Where the keystore is away, it is done when it is back.
    const isAway = error instanceof KmsError && error.code === 'keystoreUnavailable'
    if (!isAway) await isGone
    throw error
  }
}

function isMaterial(material: Material | undefined, { keystore, handle }: Making): boolean {
  if (material?.keystore !== keystore) return false
  const head = Buffer.from(handle, 'hex')
  return sameBytes(material.handle.subarray(0, head.length), head)
}

function recordOf(id: string) {
  return { kind: KIND, id, scope: '', terms: NONE, claims: NONE } as const
}

function removal(id: string): RecordChange {
  return { ...recordOf(id), previous: 1, revision: 2 }
}
