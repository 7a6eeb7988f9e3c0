/**
 * Files that are nobody else's: the data directory, and files with a PIN or a passphrase.
 *
 * The root key's own file is looked at where it is read (`rootkey.ts`).
 *
 * @module
 */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { KmsError } from '#core/errors.ts'

interface Warns {
  warn(details: object, message: string): void
}

const OTHERS_WRITE = 0o002
const GROUP_WRITES = 0o020
const NOT_OWNER = 0o077

/**
 * Whoever can write into the data directory can put another root key, database or socket there.
 *
 * @throws `KmsError` `storageUnavailable` where everybody can.
 */
export function assertOwnFolder(path: string, log: Warns): void {
  const { mode } = statSync(path)
  if ((mode & OTHERS_WRITE) !== 0) {
    const way = `do: chmod o-w ${path}`
    const what = `Cannot use data directory ${path}: everybody may write into it`
    throw new KmsError('storageUnavailable', `${what}; ${way}`)
  }
  // Some who run services give them a directory by its group.
  if ((mode & GROUP_WRITES) !== 0) {
    const what = 'the group of the data directory may write into it'
    log.warn({ folder: path }, `${what}; if it need not, do: chmod g-w ${path}`)
  }
  tellReadable(path, log)
}

/** What is put back from a backup has the mode that it was given there. */
function tellReadable(folder: string, log: Warns): void {
  const file = join(folder, 'claviger.db')
  const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0
  if ((mode & NOT_OWNER) === 0) return
  const what = 'others may read or write the database: names and attributes are not encrypted there'
  log.warn({ file }, `${what}; do: chmod 600 ${file}`)
}

/** The text of a file without its last line break. Says so where others can read it as well. */
export function secretText(path: string, log: Warns | undefined): string {
  const text = readFileSync(path, 'utf8').replace(/\r?\n$/, '')
  // Containers are given such files with modes of their own: to refuse would help nobody.
  if ((statSync(path).mode & NOT_OWNER) !== 0) {
    log?.warn({ file: path }, 'others than its owner may read a file with a secret')
  }
  return text
}
