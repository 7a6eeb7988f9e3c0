/**
 * One process for one data directory.
 *
 * The lock is an open transaction on a small SQLite file: the operating system gives it back
 * however the process ends, so that there is never a stale lock to be removed by hand. The file
 * also says which process holds it, for the message to the second one.
 *
 * @module
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** The data directory belongs to another process, or cannot be taken. */
export class LockedError extends Error {
  override readonly name = 'LockedError'
}

/** Another connection has it (SQLite's result code). */
const SQLITE_BUSY = 5

/** Gives the lock back. */
export type Unlock = () => void

/** @throws {@link LockedError} when another process has the directory. */
export function lockFolder(folder: string): Unlock {
  const holder = join(folder, 'claviger.pid')
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(join(folder, 'lock.db'), { timeout: 0 })
    database.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE')
  } catch (error) {
    database?.close()
    if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw notLocked(folder, error)
    const what = `${folder} is in use by another Claviger${processIn(holder)}`
    throw new LockedError(`${what}; stop that one, or use another --data directory`)
  }
  try {
    writeFileSync(holder, `${process.pid}\n`)
  } catch (error) {
    database.close()
    throw notLocked(folder, error)
  }
  return () => database.close()
}

/** Neither ours nor somebody else's: the disk is full or may not be written. */
function notLocked(folder: string, cause: unknown): LockedError {
  const what = `Cannot use ${folder} as the data directory: ${(cause as Error).message}`
  const way = 'it needs a disk with room, and to be owned by the user who runs this'
  return new LockedError(`${what}; ${way}`, { cause })
}

function processIn(path: string): string {
  try {
    return ` (process ${readFileSync(path, 'utf8').trim()})`
  } catch {
    return ''
  }
}
