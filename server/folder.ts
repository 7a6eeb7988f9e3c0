/**
 * What a data directory must look like before it is used: nothing that was there is missing. Who
 * may write into it is looked at in `private-files.ts`.
 *
 * @module
 */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { KmsError } from '#core/errors.ts'
import { pkiPaths } from './pki.ts'

/**
 * An authority without a database is what remains of one: a disk that is not mounted, a backup that
 * was restored in part. A new database in its place would take its authority's name away.
 *
 * @throws `KmsError` `storageUnavailable`
 */
export function assertNotLost(dataDir: string): void {
  const database = join(dataDir, 'claviger.db')
  const { ca } = pkiPaths(dataDir)
  const isThere = (statSync(database, { throwIfNoEntry: false })?.size ?? 0) > 0
  if (isThere || !existsSync(ca)) return
  const what = `Cannot open the database: ${database} is missing or empty, and ${ca} is there`
  const way = 'restore it from the backup, or remove the folder pki to begin anew without any key'
  throw new KmsError('storageUnavailable', `${what}; ${way}`)
}
