/**
 * Keys that are to be destroyed where they lie, written down before anybody is asked to do so.
 *
 * A database and a keystore beside it (an HSM) do not change in one step. The end of an object is
 * committed first, together with a record of what is still to be done; the record goes when the
 * keystore has done it. Where the server ends in between, or the keystore fails, it is finished
 * later: at the start, now and then, and before anything is made or adopted under a name. So it is
 * where an HSM of a group is away that has a copy of the key: the record stays, and says which. A
 * key whose record is sealed wrongly is left alone, because whoever can write to the database could
 * have keys destroyed by it.
 *
 * @module
 */
import { type AuditEntry, entryOf } from './audit.ts'
import { sameBytes } from './bytes.ts'
import type { Services } from './context.ts'
import type { Database, RecordChange } from './database.ts'
import { KmsError } from './errors.ts'
import type { ManagedObject, Material } from './objects.ts'
import type { Sealer } from './sealer.ts'
import type { ObjectChange } from './store.ts'

const KIND = 'setting'
const PREFIX = 'destruction '
const NONE = { add: [], remove: [] }
/** More are not left undone. */
const RECORDS_MAX = 100_000

interface Destruction {
  readonly object: string
  readonly keystore: string
  /** Hexadecimal. */
  readonly handle: string
  /** Where it still is; absent where nobody has been told yet. */
  readonly places?: readonly string[] | undefined
}

/** A destruction as it lies in the database. */
interface Left extends Destruction {
  readonly id: string
  readonly revision: number
}

/** A key that is still to be destroyed in a keystore. */
export type Owed = Omit<Destruction, 'handle'>

export class Destructions {
  readonly #database: Database
  readonly #sealer: Sealer
  /** Whoever has begun them is about to finish them. */
  readonly #underWay = new Set<string>()
  /** Those whose delay has been logged. */
  readonly #late = new Set<string>()

  constructor(database: Database, sealer: Sealer) {
    this.#database = database
    this.#sealer = sealer
  }

  /** What is to be written together with the end of objects. */
  begin({ keystores, clock }: Services, changes: readonly ObjectChange[]): readonly RecordChange[] {
    const due = Math.floor(clock() / 1_000)
    return ended(changes).flatMap(({ id: object, revision, material }) => {
      if (keystores.named(material.keystore).can.sealsInReference) return []
      const handle = Buffer.from(material.handle).toString('hex')
      const destruction: Destruction = { object, keystore: material.keystore, handle }
      const id = idOf({ id: object, revision })
      this.#underWay.add(id)
      return [this.#written({ ...destruction, id, revision: 0 }, due)]
    })
  }

  #written({ id, revision, ...destruction }: Left, due: number): RecordChange {
    const bytes = this.#sealer.seal(Buffer.from(JSON.stringify(destruction)), id)
    return { ...recordOf(id), previous: revision, revision: revision + 1, bytes, due }
  }

  /** After what was begun could not be written. */
  forget(changes: readonly ObjectChange[]): void {
    for (const object of ended(changes)) this.#underWay.delete(idOf(object))
  }

  /** What is to be written where objects have not ended after all. */
  withdraw(changes: readonly ObjectChange[]): readonly RecordChange[] {
    const begun = ended(changes).map(idOf)
    return begun.filter((id) => this.#underWay.delete(id)).map((id) => removal(id, 1))
  }

  /** Destroys what no object refers to any more, once that has been committed. */
  async perform(services: Services, changes: readonly ObjectChange[]): Promise<void> {
    const { keystores } = services
    for (const object of ended(changes)) {
      const { keystore: name, handle } = object.material
      const keystore = keystores.named(name)
      if (keystore.can.sealsInReference) continue
      const id = idOf(object)
      try {
        const places = (await keystore.destroy(handle)) ?? []
        const hexadecimal = Buffer.from(handle).toString('hex')
        const done = { object: object.id, keystore: name, handle: hexadecimal, places }
        if (this.#underWay.has(id)) await this.#settle(services, { ...done, id, revision: 1 }, [])
      } finally {
        this.#underWay.delete(id)
      }
    }
  }

  /**
   * Does what has been left undone. A keystore that is away is asked the next time, and none waits
   * for another one.
   *
   * @param only Name of a keystore; default: all.
   */
  async finish(services: Services, only?: string): Promise<void> {
    await services.makings?.finish(services, only)
    const ids = await this.#database.due(KIND, Math.floor(services.clock() / 1_000), RECORDS_MAX)
    const left: Left[] = []
    for (const id of ids) {
      if (!id.startsWith(PREFIX) || this.#underWay.has(id)) continue
      const read = await this.#read(id).catch((error: unknown) =>
        this.#tellLate(services, id, (error as Error).message),
      )
      if (read !== undefined && (only === undefined || read.keystore === only)) left.push(read)
    }
    const byKeystore = Map.groupBy(left, ({ keystore }) => keystore)
    await Promise.all([...byKeystore.values()].map((each) => this.#finishAll(services, each)))
  }

  /** What has been left undone and is known to be; nothing is tried. */
  async owed({ clock }: Pick<Services, 'clock'>): Promise<readonly Owed[]> {
    const ids = await this.#database.due(KIND, Math.floor(clock() / 1_000), RECORDS_MAX)
    const found: Owed[] = []
    for (const id of ids) {
      if (!id.startsWith(PREFIX) || this.#underWay.has(id)) continue
      const read = await this.#read(id).catch(() => undefined)
      if (read !== undefined) found.push(read)
    }
    return found
  }

  /**
   * That no copy of a key that was called so is left in an HSM that is away: it would be taken for
   * its successor when it is back.
   *
   * @param what Completes "Cannot ...".
   * @throws `KmsError` `exists`.
   */
  async assertGone(services: Services, what: string, objects: readonly string[]): Promise<void> {
    for (const { object, places = [] } of await this.owed(services)) {
      if (places.length === 0 || !objects.includes(object)) continue
      const where = `a key that was called so is still to be destroyed in ${places.join(', ')}`
      throw new KmsError('exists', `Cannot ${what}: ${where}; it is as soon as that is back`)
    }
  }

  async #finishAll(services: Services, left: readonly Left[]): Promise<void> {
    for (const { id } of left) {
      if (this.#underWay.has(id)) continue
      this.#underWay.add(id)
      try {
        await this.#finish(services, id)
      } catch (error) {
        this.#tellLate(services, id, (error as Error).message)
        // The others would have to wait as long.
        if (error instanceof KmsError && error.code === 'keystoreUnavailable') return
      } finally {
        this.#underWay.delete(id)
      }
    }
  }

  #tellLate({ log }: Services, id: string, reason: string): undefined {
    const details = { object: id.slice(PREFIX.length), reason }
    if (!this.#late.has(id)) log.warn(details, 'a key is still to be destroyed in its keystore')
    this.#late.add(id)
  }

  async #read(id: string): Promise<Left | undefined> {
    const record = await this.#database.read(KIND, id)
    if (record === undefined) return undefined
    const opened = Buffer.from(this.#sealer.open(record.bytes, id)).toString('utf8')
    return { ...(JSON.parse(opened) as Destruction), id, revision: record.revision }
  }

  async #finish(services: Services, id: string): Promise<void> {
    const left = await this.#read(id)
    // Somebody else may have been faster.
    if (left === undefined) return
    const { store, keystores, clock, log } = services
    const { object, keystore, handle, places: before } = left
    const bytes = Buffer.from(handle, 'hex')
    // An object that has come to life again keeps its key.
    if (isMaterial((await store.object(object))?.material, keystore, bytes)) {
      return store.commit([], [], [removal(id, left.revision)])
    }
    const places = (await keystores.named(keystore).destroy(bytes, before)) ?? []
    const done = before?.filter((place) => !places.includes(place)) ?? []
    if (before !== undefined && done.length === 0) return this.#tellAway(services, left)
    const where = done.length > 0 ? `${done.join(', ')} of keystore` : 'keystore'
    const why = done.length > 0 ? 'which was away before' : 'which had not been told before'
    const detail = `finished in ${where} "${keystore}", ${why}`
    const by = { principal: 'server', front: 'server', operation: 'Destroy' } as const
    const entry = entryOf({ ...by, object, outcome: 'success', detail }, clock())
    await this.#settle(services, { ...left, places }, [entry])
    log.info({ object, keystore }, 'a destruction that was cut short has been finished')
  }

  /** The record goes, or says where the key still is. */
  async #settle(services: Services, left: Left, entries: readonly AuditEntry[]): Promise<void> {
    const { id, revision, places = [] } = left
    const isDone = places.length === 0
    const due = Math.floor(services.clock() / 1_000)
    const change = isDone ? removal(id, revision) : this.#written(left, due)
    await services.store.commit([], entries, [change])
    if (isDone) this.#late.delete(id)
    else this.#tellAway(services, left)
  }

  #tellAway(services: Services, { id, places = [] }: Left): void {
    this.#tellLate(services, id, `${places.join(', ')} could not be reached`)
  }
}

type WithMaterial = Pick<ManagedObject, 'id' | 'revision'> & { readonly material: Material }

/** Objects whose material nothing refers to any more. */
function ended(changes: readonly ObjectChange[]): readonly WithMaterial[] {
  return changes.flatMap(({ before, after }) => {
    if (before?.material === undefined || after?.material !== undefined) return []
    return [{ id: before.id, revision: before.revision, material: before.material }]
  })
}

function isMaterial(material: Material | undefined, keystore: string, handle: Uint8Array): boolean {
  return material?.keystore === keystore && sameBytes(material.handle, handle)
}

function idOf({ id, revision }: Pick<ManagedObject, 'id' | 'revision'>): string {
  return `${PREFIX}${id} ${revision}`
}

function recordOf(id: string) {
  return { kind: KIND, id, scope: '', terms: NONE, claims: NONE } as const
}

function removal(id: string, previous: number): RecordChange {
  return { ...recordOf(id), previous, revision: previous + 1 }
}
