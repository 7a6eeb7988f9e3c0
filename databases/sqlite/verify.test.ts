/**
 * Reading every record takes its time; requests do not wait for it.
 *
 * @module
 */
import { deepEqual, ok } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { RecordChange } from '#core/database.ts'
import { openSqlite } from './sqlite.ts'

const RECORDS = 10_000

function record(id: string): RecordChange {
  const none = { add: [], remove: [] }
  const bytes = randomBytes(500)
  return {
    kind: 'object',
    id,
    scope: 'a',
    previous: 0,
    revision: 1,
    bytes,
    terms: none,
    claims: none,
  }
}

describe('a check of all records', { timeout: 60_000 }, () => {
  it('lets others have their turn, and is not misled by what they write', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'claviger-verify-'))
    const locked = openSqlite(join(folder, 'claviger.db'))
    locked.initialise([], 'none')
    const keys = { ledgerKey: randomBytes(32), auditKey: randomBytes(32) }
    const database = await locked.unlock(keys, { writeQueueMax: 1_000 })
    try {
      const all = Array.from({ length: RECORDS }, (_, index) => record(`old-${index}`))
      await database.commit(all, [])
      const begun = performance.now()
      let isOver = false
      const problems = database.verify().finally(() => {
        isOver = true
      })
      let turns = 0
      let longest = 0
      while (!isOver) {
        const before = performance.now()
        await turn()
        longest = Math.max(longest, performance.now() - before)
        turns++
        if (turns % 20 !== 0) continue
        await database.commit([record(`new-${turns}`)], [])
        ok((await database.read('object', `new-${turns}`)) !== undefined, 'what is written is read')
      }
      const whole = performance.now() - begun
      deepEqual(await problems, [])
      ok(turns > 100, `${turns} turns`)
      ok(longest < whole / 3, `${longest} of ${whole} ms in one go`)
    } finally {
      await database.close()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
