/**
 * Where the Unix sockets of a data directory are.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Longest path of a Unix socket that every system takes. */
const SOCKET_PATH_MAX = 100

/** Where a socket of a data directory is. */
export function socketPath(dataDir: string, socket: 'control' | 'pkcs11'): string {
  const path = join(realpathSync(dataDir), 'run', `${socket}.sock`)
  if (path.length <= SOCKET_PATH_MAX) return path
  const digest = createHash('sha256').update(path).digest('hex').slice(0, 16)
  return join(tmpdir(), `claviger-${digest}.sock`)
}
