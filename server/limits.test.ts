/**
 * Limits of `core/limits.ts` that no client sees: queues and the cache, set small in the
 * configuration of a house.
 *
 * Those that a client runs into are in `fronts/kmip/server.test.ts`.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { AttributeBag } from '#core/attribute-bag.ts'
import { type AuditEvent, entryOf } from '#core/audit.ts'
import type { ManagedObject } from '#core/objects.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { readConfig } from './config.ts'
import { House } from './house.ts'
import { createLog } from './log.ts'

const SILENT = createLog({ level: 'silent', format: 'json' })

/** A house of its own with these variables, for as long as the work takes. */
async function withHouse(
  environment: Readonly<Record<string, string>>,
  work: (house: House) => Promise<void>,
): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'claviger-limits-'))
  const config = readConfig(undefined, environment)
  const house = await House.open({ dataDir, config, log: SILENT })
  try {
    await work(house)
  } finally {
    await house.close()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

function use(object: string): AuditEvent {
  return { principal: 'app', front: 'kmip', operation: 'LimitTest', object, outcome: 'success' }
}

/** Entries of uses at this time, each of another object. */
async function commitUses({ database }: House, count: number, time: number): Promise<void> {
  const entries = Array.from({ length: count }, (_, index) => entryOf(use(`${index}`), time))
  await database.commit([], entries)
}

async function written({ database }: House): Promise<number> {
  return (await database.audit({ operation: 'LimitTest', limit: 1_000 })).length
}

function objectOf(id: string): ManagedObject {
  const attributes = AttributeBag.of([{ id: 'objectType', value: 8 }])
  const value = { opaqueDataType: 1, opaqueDataValue: Buffer.from(id) }
  const body = { tag: Tag.OpaqueObject, value } as ManagedObject['body']
  return { id, scope: 'scope', owner: 'owner', revision: 1, attributes, body }
}

describe('limits of a house', { timeout: 60_000 }, () => {
  it('lets a request wait once auditQueueMax distinct entries wait', () =>
    withHouse(
      {
        CLAVIGER_LIMITS_AUDIT_QUEUE_MAX: '100',
        CLAVIGER_LIMITS_AUDIT_FLUSH_MILLISECONDS: '60000',
      },
      async (house) => {
        const { journal } = house.services
        for (let count = 1; count < 100; count++) {
          assert.equal(journal.record(use(`${count}`)), undefined, `entry ${count}`)
        }
        assert.equal(journal.record(use('99')), undefined, 'one that is there already')
        const room = journal.record(use('100'))
        assert.ok(room !== undefined, 'the hundredth waits')
        await room
        assert.equal(await written(house), 100)
        assert.equal(journal.record(use('101')), undefined, 'there is room again')
      },
    ))

  it('gathers uses for auditFlushMilliseconds, then writes them by itself', () =>
    withHouse({ CLAVIGER_LIMITS_AUDIT_FLUSH_MILLISECONDS: '500' }, async (house) => {
      const start = performance.now()
      house.services.journal.record(use('1'))
      house.services.journal.record(use('1'))
      while ((await written(house)) === 0 && performance.now() - start < 10_000) await sleep(20)
      const took = performance.now() - start
      assert.ok(took > 450 && took < 5_000, `written after ${took} ms`)
      const [entry] = await house.database.audit({ operation: 'LimitTest', limit: 5 })
      assert.equal(entry?.count, 2)
    }))

  it('refuses changes beyond writeQueueMax, and takes them when there is room', () =>
    withHouse({ CLAVIGER_LIMITS_WRITE_QUEUE_MAX: '10' }, async (house) => {
      const { store } = house.services
      const write = (id: string) => store.commit([{ after: objectOf(id) }], [])
      const ids = Array.from({ length: 11 }, (_, index) => `object-${index}`)
      const results = await Promise.allSettled(ids.map(write))
      const refused = results.flatMap((result, index) => {
        if (result.status === 'fulfilled') return []
        assert.equal((result.reason as { code: string }).code, 'limitExceeded')
        return index
      })
      assert.deepEqual(refused, [10])
      assert.equal(await store.object('object-10'), undefined)
      await write('object-10')
    }))

  it('keeps objectCacheMax objects in memory, those that were used last', () =>
    withHouse({ CLAVIGER_LIMITS_OBJECT_CACHE_MAX: '2' }, async (house) => {
      const { store } = house.services
      const kept = (): readonly string[] =>
        ['a', 'b', 'c'].filter((id) => store.cached(id) !== undefined)
      await store.commit([{ after: objectOf('a') }, { after: objectOf('b') }], [])
      assert.ok(store.cached('a'))
      await store.commit([{ after: objectOf('c') }], [])
      assert.deepEqual(kept(), ['a', 'c'])
      assert.equal((await store.object('b'))?.id, 'b')
      assert.deepEqual(kept(), ['b', 'c'])
    }))

  it('keeps none where objectCacheMax is 0', () =>
    withHouse({ CLAVIGER_LIMITS_OBJECT_CACHE_MAX: '0' }, async (house) => {
      const { store } = house.services
      await store.commit([{ after: objectOf('a') }], [])
      assert.equal(store.cached('a'), undefined)
      assert.equal((await store.object('a'))?.id, 'a')
      assert.equal(store.cached('a'), undefined)
    }))

  it('keeps auditEntriesMax entries of the audit trail, and says what it removed', () =>
    withHouse({ CLAVIGER_LIMITS_AUDIT_ENTRIES_MAX: '100' }, async (house) => {
      await commitUses(house, 250, Date.now())
      await house.trimAudit()
      assert.equal(await written(house), 100)
      await house.services.journal.flush()
      const [entry] = await house.database.audit({ limit: 1 })
      assert.equal(entry?.operation, 'TrimAudit')
      assert.match(entry.detail ?? '', /^\d+ of the oldest entries were removed$/)
      assert.deepEqual(await house.database.verify(), [])
    }))

  it('keeps entries of the audit trail for auditDaysMax', () =>
    withHouse({ CLAVIGER_LIMITS_AUDIT_DAYS_MAX: '2' }, async (house) => {
      await house.database.trimAudit({ before: Infinity, keep: 0 })
      const days = (count: number): number => Date.now() - count * 86_400_000
      await commitUses(house, 5, days(3))
      await commitUses(house, 5, days(1))
      await house.trimAudit()
      // The newest entry of the beginning is younger than two days, and all behind it stays.
      assert.equal(await written(house), 10)
      await house.database.trimAudit({ before: 0, keep: 10 })
      await house.trimAudit()
      assert.equal(await written(house), 5)
      assert.deepEqual(await house.database.verify(), [])
    }))
})
