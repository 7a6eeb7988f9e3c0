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

/** The data directory belongs to another process. */
export class LockedError extends Error {
  override readonly name = 'LockedError'
}

/** Gives the lock back. */
export type Unlock = () => void

/** @throws {@link LockedError} when another process has the directory. */
export function lockFolder(folder: string): Unlock {
  const database = new DatabaseSync(join(folder, 'lock.db'), { timeout: 0 })
  const holder = join(folder, 'claviger.pid')
  try {
    database.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE')
  } catch {
    database.close()
    const what = `${folder} is in use by another Claviger${processIn(holder)}`
    throw new LockedError(`${what}; stop that one, or use another --data directory`)
  }
  writeFileSync(holder, `${process.pid}\n`)
  return () => database.close()
}

function processIn(path: string): string {
  try {
    return ` (process ${readFileSync(path, 'utf8').trim()})`
  } catch {
    return ''
  }
}
