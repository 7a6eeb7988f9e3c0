/**
 * Where the Unix sockets of a data directory are.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, realpathSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { KmsError } from '#core/errors.ts'

/** Longest path of a Unix socket that every system takes. */
const SOCKET_PATH_MAX = 100

/**
 * Where a socket of a data directory is: in it, or, where its path is too long for that, in a
 * folder beside temporary files that the owner of the directory has for himself.
 *
 * @throws `KmsError` `storageUnavailable` where somebody else could put a socket there, who would
 * be told PINs.
 */
export function socketPath(dataDir: string, socket: 'control' | 'pkcs11'): string {
  const real = realpathSync(dataDir)
  const path = join(real, 'run', `${socket}.sock`)
  if (path.length <= SOCKET_PATH_MAX) return path
  const digest = createHash('sha256').update(path).digest('hex').slice(0, 16)
  return join(privateFolder(statSync(real).uid), `${digest}.sock`)
}

/** A name that everybody can foresee, in a place where everybody can write. */
function privateFolder(owner: number): string {
  const folder = join(tmpdir(), `claviger-${owner}`)
  if (process.getuid?.() === owner) mkdirSync(folder, { recursive: true, mode: 0o700 })
  const found = lstatSync(folder, { throwIfNoEntry: false })
  // Nobody listens there, and who connects is told so.
  if (found === undefined) return folder
  if (found.isDirectory() && found.uid === owner && (found.mode & 0o077) === 0) return folder
  const what = 'it is not a directory that user alone can open'
  const why = `Cannot use ${folder} for sockets of user ${owner}: ${what}; remove it`
  throw new KmsError('storageUnavailable', why)
}
