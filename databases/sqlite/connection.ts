/**
 * Opening the database file: settings of the connection, and the migrations.
 *
 * @module
 */
import { readdirSync, readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { KmsError } from '#core/errors.ts'

const MIGRATIONS = new URL('./migrations/', import.meta.url)

/** Milliseconds to wait for a lock of the other connection. */
const BUSY_MILLISECONDS = 5_000

/** For writing: what is committed is on the disk, and what is deleted is overwritten. */
export function openForWriting(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: BUSY_MILLISECONDS })
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA secure_delete = ON;
    PRAGMA foreign_keys = ON;
    PRAGMA cache_size = -16000;
  `)
  return database
}

export function openForReading(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_MILLISECONDS })
  database.exec('PRAGMA cache_size = -32000; PRAGMA mmap_size = 268435456;')
  return database
}

/** SQLite's result codes of a file that is no database, or was one. */
const DAMAGED = [11, 26]

/** What SQLite says of the file, with the way out; what is not SQLite's stays as it is. */
export function explained(what: string, cause: unknown): unknown {
  const { errcode, message } = cause as { errcode?: number; message: string }
  if (errcode === undefined) return cause
  const way = DAMAGED.includes(errcode & 0xff)
    ? 'keep a copy of it and of what stands beside it, and restore the backup'
    : 'it needs a disk with room, and to be owned by the user who runs this'
  return new KmsError('storageUnavailable', `${what}: ${message}; ${way}`, { cause })
}

/**
 * Brings the tables to their newest shape, each step in a transaction of its own.
 *
 * @throws `KmsError` when a newer version of this program has made the file.
 */
export function migrate(database: DatabaseSync): void {
  const files = readdirSync(MIGRATIONS)
    .filter((name) => name.endsWith('.sql'))
    .sort()
  const applied = Number(database.prepare('PRAGMA user_version').get()?.['user_version'])
  if (applied > files.length) {
    const what = `its shape is ${applied}, this program knows ${files.length}; use the newer program`
    throw new KmsError('storageUnavailable', `Cannot open the database: ${what}`)
  }
  files.slice(applied).forEach((file, index) => {
    const sql = readFileSync(new URL(file, MIGRATIONS), 'utf8')
    database.exec(`BEGIN; ${sql}; PRAGMA user_version = ${applied + index + 1}; COMMIT;`)
  })
}
