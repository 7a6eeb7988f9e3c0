/**
 * Who is at the other end of a Unix socket, as the kernel knows it.
 *
 * `unix(7)`, SO_PEERCRED, on Linux. node:net does not tell, so `getsockopt` is called through
 * node:ffi; where that is not to be had, nothing is known.
 *
 * @module
 */
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import { platform } from 'node:process'
import type { Peer } from './contract.ts'

type Ffi = typeof import('node:ffi')

const SIGNATURES = {
  getsockopt: { arguments: ['i32', 'i32', 'i32', 'buffer', 'buffer'], return: 'i32' },
} as const

const SOL_SOCKET = 1
const SO_PEERCRED = 17
/** Bytes of `struct ucred`: pid, uid, gid. */
const UCRED_BYTES = 12

export const UNKNOWN_PEER: Peer = { uid: undefined, gid: undefined, pid: undefined }

const getsockopt = load()

function load() {
  if (platform !== 'linux') return undefined
  try {
    const ffi = createRequire(import.meta.url)('node:ffi') as Ffi
    return ffi.dlopen(null, SIGNATURES).functions.getsockopt
  } catch {
    return undefined
  }
}

/** Uid, gid and pid of the process that has connected. */
export function peerOf(socket: Socket): Peer {
  const { fd } =
    (socket as unknown as { readonly _handle?: { readonly fd?: number } })._handle ?? {}
  if (getsockopt === undefined || fd === undefined || fd < 0) return UNKNOWN_PEER
  const credentials = Buffer.alloc(UCRED_BYTES)
  const length = Buffer.alloc(4)
  length.writeInt32LE(UCRED_BYTES)
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, length) !== 0) return UNKNOWN_PEER
  const pid = credentials.readInt32LE(0)
  // The kernel has no process to name where the other end is not a local socket's.
  if (pid <= 0) return UNKNOWN_PEER
  return { pid, uid: credentials.readUInt32LE(4), gid: credentials.readUInt32LE(8) }
}
