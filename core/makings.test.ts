/**
 * A key that became no object while an HSM of a group was away: it stays announced until that is
 * back, and nobody gets its name meanwhile.
 *
 * @module
 */
import { deepEqual, equal, rejects } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import type { Services } from './context.ts'
import type { Database, RecordChange } from './database.ts'
import { Destructions } from './destructions.ts'
import { AnnouncedMakings } from './makings.ts'
import { DATA_KEY_BYTES, Sealer } from './sealer.ts'
import { Secret } from './secret.ts'

const HANDLE = Uint8Array.of(1, 2, 3)
const PLACE = 'cluster 2 (label p)'

/** Records of settings alone. */
function settings(): Database {
  const records = new Map<string, RecordChange>()
  const database: Pick<Database, 'commit' | 'read' | 'due'> = {
    async commit(changes) {
      for (const change of changes) {
        if (change.bytes === undefined) records.delete(change.id)
        else records.set(change.id, change)
      }
    },
    async read(kind, id) {
      const found = records.get(id)
      if (found?.bytes === undefined) return undefined
      return { kind, id, scope: '', revision: found.revision, bytes: found.bytes }
    },
    due: async () => [...records.keys()],
  }
  return database as Database
}

describe('a key that became no object while an HSM of a group is away', () => {
  it('stays announced until it is destroyed everywhere, and its name is not given away', async () => {
    const sealer = new Sealer(new Map([[1, new Secret(randomBytes(DATA_KEY_BYTES))]]))
    const database = settings()
    const makings = new AnnouncedMakings(database, sealer)
    const destructions = new Destructions(database, sealer)
    let away = [PLACE]
    const said: string[] = []
    const log = {
      info() {},
      error() {},
      warn: (details: object) => said.push(JSON.stringify(details)),
    }
    const keystores = { named: () => ({ destroy: async () => away }) }
    const store = { object: async () => undefined }
    const parts = { keystores, store, log, makings, clock: () => 0 }
    const services = parts as unknown as Services
    const create = () => destructions.assertGone(services, 'create "hsm::4::x"', ['hsm::4::x'])

    await makings.announce('cluster', 'hsm::4::x', HANDLE)
    await makings.abandon(services, ['hsm::4::x'])
    equal(makings.isLeft(['hsm::4::x']), true)
    equal(makings.isLeft(['hsm::4::y']), false)
    await rejects(create(), /Cannot create "hsm::4::x": one that became no object is still/)
    const reason = `Cannot destroy it: ${PLACE} could not be reached`
    deepEqual(said, [JSON.stringify({ reason })])
    away = []
    await makings.finish(services)
    equal(makings.isLeft(['hsm::4::x']), false)
    await create()
    deepEqual(await database.due('setting', 0, 1), [])
  })
})
