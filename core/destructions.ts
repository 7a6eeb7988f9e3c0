/**
 * Keys that are to be destroyed where they lie, written down before anybody is asked to do so.
 *
 * A database and a keystore beside it (an HSM) do not change in one step. The end of an object is
 * committed first, together with a record of what is still to be done; the record goes when the
 * keystore has done it. Where the server ends in between, or the keystore fails, it is finished
 * later: at the start, now and then, and before anything is made or adopted under a name. A key
 * whose record is sealed wrongly is left alone, because whoever can write to the database could
 * have keys destroyed by it.
 *
 * @module
 */
import { entryOf } from './audit.ts'
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
}

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
      const bytes = this.#sealer.seal(Buffer.from(JSON.stringify(destruction)), id)
      return [{ ...recordOf(id), previous: 0, revision: 1, bytes, due }]
    })
  }

  /** After what was begun could not be written. */
  forget(changes: readonly ObjectChange[]): void {
    for (const object of ended(changes)) this.#underWay.delete(idOf(object))
  }

  /** What is to be written where objects have not ended after all. */
  withdraw(changes: readonly ObjectChange[]): readonly RecordChange[] {
    const begun = ended(changes).map(idOf)
    return begun.filter((id) => this.#underWay.delete(id)).map(removal)
  }

  /** Destroys what no object refers to any more, once that has been committed. */
  async perform(services: Services, changes: readonly ObjectChange[]): Promise<void> {
    const { keystores, store } = services
    for (const object of ended(changes)) {
      const { keystore: name, handle } = object.material
      const keystore = keystores.named(name)
      if (keystore.can.sealsInReference) continue
      const id = idOf(object)
      try {
        await keystore.destroy(handle)
        if (this.#underWay.has(id)) await store.commit([], [], [removal(id)])
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
    const left: (Destruction & { readonly id: string })[] = []
    for (const id of ids) {
      if (!id.startsWith(PREFIX) || this.#underWay.has(id)) continue
      const read = await this.#read(id).catch((error: unknown) =>
        this.#tellLate(services, id, error),
      )
      if (read !== undefined && (only === undefined || read.keystore === only)) {
        left.push({ ...read, id })
      }
    }
    const byKeystore = Map.groupBy(left, ({ keystore }) => keystore)
    await Promise.all([...byKeystore.values()].map((each) => this.#finishAll(services, each)))
  }

  async #finishAll(
    services: Services,
    left: readonly (Destruction & { readonly id: string })[],
  ): Promise<void> {
    for (const { id, ...destruction } of left) {
      if (this.#underWay.has(id)) continue
      this.#underWay.add(id)
      try {
        await this.#finish(services, id, destruction)
        this.#late.delete(id)
      } catch (error) {
        this.#tellLate(services, id, error)
        // The others would have to wait as long.
        if (error instanceof KmsError && error.code === 'keystoreUnavailable') return
      } finally {
        this.#underWay.delete(id)
      }
    }
  }

  #tellLate({ log }: Services, id: string, error: unknown): undefined {
    const details = { object: id.slice(PREFIX.length), reason: (error as Error).message }
    if (!this.#late.has(id)) log.warn(details, 'a key is still to be destroyed in its keystore')
    this.#late.add(id)
  }

  async #read(id: string): Promise<Destruction | undefined> {
    const record = await this.#database.read(KIND, id)
    if (record === undefined) return undefined
    const opened = Buffer.from(this.#sealer.open(record.bytes, id)).toString('utf8')
    return JSON.parse(opened) as Destruction
  }

  async #finish(
    { store, keystores, clock, log }: Services,
    id: string,
    { object, keystore, handle }: Destruction,
  ): Promise<void> {
    // Somebody else may have been faster.
    if ((await this.#database.read(KIND, id)) === undefined) return
    const bytes = Buffer.from(handle, 'hex')
    // An object that has come to life again keeps its key.
    if (isMaterial((await store.object(object))?.material, keystore, bytes)) {
      return store.commit([], [], [removal(id)])
    }
    await keystores.named(keystore).destroy(bytes)
    const detail = `finished in keystore "${keystore}", which had not been told before`
    const by = { principal: 'server', front: 'server', operation: 'Destroy' } as const
    const entry = entryOf({ ...by, object, outcome: 'success', detail }, clock())
    await store.commit([], [entry], [removal(id)])
    log.info({ object, keystore }, 'a destruction that was cut short has been finished')
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

function removal(id: string): RecordChange {
  return { ...recordOf(id), previous: 1, revision: 2 }
}
