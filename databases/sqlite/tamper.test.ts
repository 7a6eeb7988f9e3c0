/**
 * Someone who can write the database file, and has not the root key.
 *
 * Every row that another program altered, swapped, put back or took away is refused when it is
 * read, by the name of the object; and `verify` finds it without being asked for it.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { AttributeBag } from '#core/attribute-bag.ts'
import type { Database } from '#core/database.ts'
import type { ManagedObject } from '#core/objects.ts'
import { Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import { Store } from '#core/store.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { openSqlite } from './sqlite.ts'

const ENTRY = {
  time: 1_700_000_000_000,
  last: 1_700_000_000_000,
  count: 1,
  principal: 'someone',
  front: 'test',
  operation: 'Create',
  object: undefined,
  outcome: 'success',
  detail: undefined,
} as const

function objectOf(id: string, revision = 1): ManagedObject {
  const attributes = AttributeBag.of([
    { id: 'objectType', value: 8 },
    { id: 'description', value: `${id} of revision ${revision}` },
  ])
  const value = { opaqueDataType: 1, opaqueDataValue: Buffer.from(id) }
  const body = { tag: Tag.OpaqueObject, value } as ManagedObject['body']
  return { id, scope: 'scope', owner: 'owner', revision, attributes, body }
}

describe('a database file that another program has written', { timeout: 60_000 }, () => {
  let folder: string
  let database: Database
  let sealer: Sealer
  let store: Store

  const open = async (): Promise<void> => {
    sealer = new Sealer(new Map([[1, new Secret(Buffer.alloc(32, 7))]]))
    const keys = { ledgerKey: sealer.subkey('ledger'), auditKey: sealer.subkey('audit') }
    database = await openSqlite(join(folder, 'test.db')).unlock(keys, { writeQueueMax: 100 })
    store = new Store(database, sealer, 0)
  }

  /** Does something to the file while nobody has it open. */
  const behind = async (work: (file: DatabaseSync) => void): Promise<void> => {
    await database.close()
    const file = new DatabaseSync(join(folder, 'test.db'))
    work(file)
    file.close()
    await open()
  }

  const refused = async (id: string, why: RegExp): Promise<void> => {
    await assert.rejects(store.object(id), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'tampered')
      assert.match(error.message, why)
      assert.ok(error.message.includes(`"${id}"`) || /ledger/.test(error.message), error.message)
      return true
    })
  }

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'claviger-tamper-'))
    await open()
    const changes = ['one', 'two', 'three'].map((id) => ({ after: objectOf(id) }))
    await store.commit(changes, [ENTRY, { ...ENTRY, operation: 'Get' }, ENTRY])
    await store.commit([{ before: objectOf('one'), after: objectOf('one', 2) }], [ENTRY])
  })
  afterEach(async () => {
    await database.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('is read as it was written, when nobody has touched it', async () => {
    await behind(() => {})
    assert.equal((await store.object('one'))?.revision, 2)
    assert.deepEqual(await database.verify(), [])
    assert.deepEqual(await store.verify(), [])
    assert.equal(await store.object('four'), undefined)
  })

  it('is refused when a byte of a record was altered, whichever', async () => {
    const length = (await database.read('object', 'two'))?.bytes.length as number
    for (const at of [0, 20, length >> 1, length - 33, length - 1]) {
      const flip = (file: DatabaseSync): void => {
        const row = file.prepare("SELECT bytes FROM records WHERE id = 'two'").get()
        const bytes = Buffer.from(row?.['bytes'] as Uint8Array)
        bytes[at] = (bytes[at] as number) ^ 1
        file.prepare("UPDATE records SET bytes = ? WHERE id = 'two'").run(bytes)
      }
      await behind(flip)
      await refused('two', /altered or swapped/)
      assert.match((await store.verify()).join('\n'), /^Cannot use object "two": .*altered[^\n]*$/)
      assert.equal((await store.object('three'))?.id, 'three')
      await behind(flip)
      assert.equal((await store.object('two'))?.id, 'two')
    }
  })

  it('is refused when two records were swapped', async () => {
    await behind((file) => {
      file.exec(`UPDATE records SET id = 'x' WHERE id = 'two';
        UPDATE records SET id = 'two' WHERE id = 'three';
        UPDATE records SET id = 'three' WHERE id = 'x'`)
    })
    await refused('two', /swapped/)
    await refused('three', /swapped/)
  })

  it('is refused when a record was moved to another scope', async () => {
    await behind((file) => {
      file.exec(`INSERT INTO scopes (number, name) VALUES (99, 'mine');
        UPDATE records SET scope = 99 WHERE id = 'two'`)
    })
    await refused('two', /altered or swapped/)
  })

  it('is refused when a record was rolled back, with or without its revision', async () => {
    let old: Uint8Array | undefined
    await behind((file) => {
      old = file.prepare("SELECT bytes FROM records WHERE id = 'two'").get()?.[
        'bytes'
      ] as Uint8Array
    })
    await store.commit([{ before: objectOf('two'), after: objectOf('two', 2) }], [])
    await behind((file) => {
      file.prepare("UPDATE records SET bytes = ? WHERE id = 'two'").run(old as Uint8Array)
    })
    await refused('two', /altered/)
    await behind((file) => file.exec("UPDATE records SET revision = 1 WHERE id = 'two'"))
    await refused('two', /rolled back/)
    assert.match((await database.verify()).join('\n'), /"two": its row is revision 1/)
  })

  it('is refused when a record was rolled back together with its page of the ledger', async () => {
    let pages: readonly Record<string, unknown>[] = []
    let old: Record<string, unknown> | undefined
    await behind((file) => {
      pages = file.prepare('SELECT page, bytes FROM ledger WHERE page > 256').all()
      old = file.prepare("SELECT bytes FROM records WHERE id = 'two'").get()
    })
    await store.commit([{ before: objectOf('two'), after: objectOf('two', 2) }], [])
    await behind((file) => {
      const write = file.prepare('UPDATE ledger SET bytes = ? WHERE page = ?')
      for (const { page, bytes } of pages) write.run(bytes as Uint8Array, page as number)
      const put = file.prepare("UPDATE records SET bytes = ?, revision = 1 WHERE id = 'two'")
      put.run(old?.['bytes'] as Uint8Array)
    })
    await refused('two', /ledger/)
  })

  it('is refused still when others have been written since its pages were rolled back', async () => {
    const pagesOf = (file: DatabaseSync) => {
      return file.prepare('SELECT page, bytes FROM ledger WHERE page > 0').all()
    }
    let [pages, old]: [ReturnType<typeof pagesOf>, Record<string, unknown> | undefined] = [[], {}]
    await behind((file) => {
      pages = pagesOf(file)
      old = file.prepare("SELECT bytes FROM records WHERE id = 'two'").get()
    })
    await store.commit([{ before: objectOf('two'), after: objectOf('two', 2) }], [])
    await behind((file) => {
      const write = file.prepare('UPDATE ledger SET bytes = ? WHERE page = ?')
      for (const { page, bytes } of pages) write.run(bytes as Uint8Array, page as number)
      const put = file.prepare("UPDATE records SET bytes = ?, revision = 1 WHERE id = 'two'")
      put.run(old?.['bytes'] as Uint8Array)
    })
    // Enough for every page of the middle level: one of them shares its page with the record.
    const ids = Array.from({ length: 3_000 }, (_, index) => `another-${index}`)
    for (let at = 0; at < ids.length; at += 50) {
      const writes = ids.slice(at, at + 50).map((id) => store.commit([{ after: objectOf(id) }], []))
      await Promise.allSettled(writes)
    }
    await refused('two', /ledger/)
    const written = await store.objects(ids.slice(0, 100))
    assert.ok(written.length > 90, `${written.length} of 100: others are not disturbed`)
  })

  it('is refused when a record was deleted, and verify misses it', async () => {
    await behind((file) => file.exec("DELETE FROM records WHERE id = 'two'"))
    await refused('two', /its row is gone/)
    assert.match((await database.verify()).join('\n'), /1 record is gone/)
  })

  it('is refused when the ledger was deleted, in part or in whole', async () => {
    await behind((file) => file.exec('DELETE FROM ledger WHERE page > 256'))
    await refused('two', /ledger/)
    await behind((file) => file.exec('DELETE FROM ledger'))
    await refused('two', /ledger/)
  })

  it('is refused when a record was put there', async () => {
    await behind((file) => {
      file.exec(`INSERT INTO records (kind, id, scope, revision, bytes)
        SELECT kind, 'four', scope, revision, bytes FROM records WHERE id = 'two'`)
    })
    await refused('four', /put there by another program/)
    assert.match((await database.verify()).join('\n'), /"four"/)
  })

  it('finds what there is where the index names what there is not', async () => {
    let term: Uint8Array = new Uint8Array(0)
    await behind((file) => {
      const row = file.prepare("SELECT term FROM terms WHERE kind = 'object' LIMIT 1").get()
      term = row?.['term'] as Uint8Array
      file
        .prepare(`INSERT INTO terms SELECT DISTINCT kind, scope, term, 9999 FROM terms
          WHERE kind = 'object' AND term = ?`)
        .run(term)
    })
    const query = { scopes: ['scope'], conditions: [{ is: term }], limit: 100 }
    const { ids } = await store.find(query)
    assert.ok(ids.length > 0)
    assert.equal((await store.objects(ids)).length, ids.length)
  })

  it('does not open with other data keys', async () => {
    sealer = new Sealer(new Map([[1, new Secret(Buffer.alloc(32, 8))]]))
    store = new Store(database, sealer, 0)
    await refused('two', /altered or swapped/)
  })

  it('says which audit entry was altered, and that one is missing', async () => {
    await behind((file) => file.exec("UPDATE audit SET principal = 'nobody' WHERE seq = 2"))
    assert.match((await database.verify()).join('\n'), /Audit entry 2 was altered/)
    await behind((file) => file.exec("UPDATE audit SET principal = 'someone' WHERE seq = 2"))
    assert.deepEqual(await database.verify(), [])
    await behind((file) => file.exec('DELETE FROM audit WHERE seq = 2'))
    assert.match((await database.verify()).join('\n'), /Audit entry 3 was altered, or one before/)
  })

  it('misses audit entries that were cut off at the end, also when others have followed', async () => {
    await behind((file) => {
      file.exec('DELETE FROM audit WHERE seq > 2; UPDATE sqlite_sequence SET seq = 2')
    })
    assert.deepEqual(await database.verify(), [
      'Audit entries 3 to 4 were removed: the ledger has them',
    ])
    await database.commit([], [ENTRY])
    assert.match((await database.verify()).join('\n'), /Audit entry 5 .* one before it was removed/)
  })

  it('misses audit entries that were cut off at the beginning as if they had been trimmed', async () => {
    await database.trimAudit({ before: 0, keep: 3 })
    assert.deepEqual(await database.verify(), [])
    await behind((file) => {
      const chain = file.prepare('SELECT chain FROM audit WHERE seq = 2').get()?.['chain']
      const anchor = Buffer.from(chain as Uint8Array).toString('hex')
      file.exec('DELETE FROM audit WHERE seq = 2')
      file.prepare("UPDATE meta SET value = ? WHERE key = 'audit_anchor'").run(anchor)
    })
    assert.match((await database.verify()).join('\n'), /Audit entry 3 .* one before it was removed/)
    const trimmed = database.trimAudit({ before: Infinity, keep: 0 })
    await assert.rejects(trimmed, { code: 'tampered' }, 'the evidence is kept')
    assert.equal((await database.audit({ limit: 10 })).length, 2)
  })

  it('takes a ledger on that knows nothing of the audit trail yet', async () => {
    const ledgerKey = sealer.subkey('ledger')
    await behind((file) => {
      const root = file.prepare('SELECT bytes FROM ledger WHERE page = 0').get()?.['bytes']
      const codes = Buffer.from(root as Uint8Array).subarray(0, 4_096)
      const code = createHmac('sha256', ledgerKey).update('ledger 0 ').update(codes).digest()
      const old = Buffer.concat([codes, code.subarray(0, 16)])
      file.prepare('UPDATE ledger SET bytes = ? WHERE page = 0').run(old)
    })
    assert.equal((await store.object('one'))?.revision, 2)
    assert.deepEqual(await database.verify(), [])
    await database.commit([], [ENTRY])
    assert.deepEqual(await database.verify(), [])
    await behind((file) => file.exec('DELETE FROM audit WHERE seq = 5'))
    assert.match((await database.verify()).join('\n'), /Audit entries 5 to 5 were removed/)
  })
})
