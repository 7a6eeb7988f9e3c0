/**
 * A file whose pages were destroyed by a disk: it is refused with the way out, wherever that is,
 * and checked as far as it can be read.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, it } from 'node:test'
import { KmsError } from '#core/errors.ts'
import { newRecord, term } from '#databases/contract.ts'
import { openSqlite } from './sqlite.ts'

const PAGE_BYTES = 4_096
/** Of the pages, one in so many is destroyed. */
const STEP = 7
const KEYS = { ledgerKey: Buffer.alloc(32, 1), auditKey: Buffer.alloc(32, 2) }

describe('a file with a page that was destroyed', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-damaged-'))
  const path = join(folder, 'test.db')
  const ids = Array.from({ length: 150 }, (_, index) => `record-${index}`)
  let whole: Buffer
  before(async () => {
    const database = await openSqlite(path).unlock(KEYS, { writeQueueMax: 10 })
    const terms = { add: [term('one')], remove: [] }
    await database.commit(
      ids.map((id) => newRecord(id, { bytes: Buffer.alloc(600, id), terms })),
      [],
    )
    await database.close()
    const file = new DatabaseSync(path)
    file.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    file.close()
    whole = readFileSync(path)
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  it('says what to do at every read, and lets `verify` end', async () => {
    let refusals = 0
    /** Whether it went well. */
    const read = async (work: () => Promise<unknown>): Promise<boolean> => {
      try {
        await work()
        return true
      } catch (error) {
        assert.ok(error instanceof KmsError, `${error}`)
        if (error.code === 'tampered') return false
        assert.match(error.message, /^Cannot (read|open) the database.*; .* restore the backup$/)
        refusals++
        return false
      }
    }
    for (let at = PAGE_BYTES; at < whole.length; at += STEP * PAGE_BYTES) {
      const damaged = Buffer.from(whole)
      damaged.fill(0xa5, at, at + PAGE_BYTES)
      writeFileSync(path, damaged)
      await read(async () => {
        const database = await openSqlite(path).unlock(KEYS, { writeQueueMax: 10 })
        try {
          let failed = 0
          for (const id of ids) if (!(await read(() => database.read('object', id)))) failed++
          const conditions = [{ is: term('one') }]
          await read(() => database.find({ kind: 'object', conditions, limit: 200 }))
          await read(() => database.due('object', 0, 10))
          await read(() => database.audit({ limit: 10 }))
          const problems = await database.verify()
          assert.ok(failed === 0 || problems.length > 0, `page ${at / PAGE_BYTES}: ${failed}`)
          for (const problem of problems) assert.doesNotMatch(problem, /^database disk image/)
        } finally {
          await database.close()
        }
      })
    }
    assert.ok(refusals > 10, `${refusals} refusals`)
  })
})
