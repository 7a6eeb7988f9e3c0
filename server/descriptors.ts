/**
 * File descriptors: whether the process has as many as its limits of connections need.
 *
 * Where none is left, the kernel's connections are taken and closed at once by the runtime, which
 * tells nobody. So we look ourselves: the system gives the lowest free number, which says how many
 * are in use at least.
 *
 * @module
 */
import { close, open, readFileSync } from 'node:fs'
import type { Log } from '#core/context.ts'
import type { Limits } from '#core/limits.ts'

const LOOK_MILLISECONDS = 5_000

/** Beside connections: database, libraries, threads, hosts of HSMs, files that are read. */
const OTHERS = 100

/** Part of them in use from which on it is said. */
const NEARLY_ALL = 0.9

const WAY = 'raise LimitNOFILE of the unit (ulimit -n), or lower limits.connectionsMax'

/** How many the process may have; undefined where the system does not say, or sets no limit. */
export function descriptorsMax(read = limitsOfProcess): number | undefined {
  const found = /^Max open files\s+(\d+)/m.exec(read())
  return found === null ? undefined : Number(found[1])
}

function limitsOfProcess(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8')
  } catch {
    return ''
  }
}

/** Connections of all kinds that the configuration lets in, and what else is open. */
function needed({ connectionsMax, handshakesMax, callConnectionsMax }: Limits): number {
  return connectionsMax + handshakesMax + callConnectionsMax + OTHERS
}

/**
 * Says in the log when the process may have too few, and when it has nearly none left.
 *
 * @returns What ends it.
 */
export function watchDescriptors(
  limits: Limits,
  log: Log,
  milliseconds = LOOK_MILLISECONDS,
): () => void {
  const allowed = descriptorsMax()
  if (allowed === undefined) return () => {}
  if (allowed < needed(limits)) {
    const details = { allowed, needed: needed(limits) }
    log.warn(details, `the process may open fewer files than its limits let connections in: ${WAY}`)
  }
  const timer = setInterval(() => look(allowed, log), milliseconds).unref()
  return () => clearInterval(timer)
}

function look(allowed: number, log: Log): void {
  open('/dev/null', (error, descriptor) => {
    if (error === null) close(descriptor)
    else if (error.code !== 'EMFILE' && error.code !== 'ENFILE') return
    const used = error === null ? descriptor : allowed
    if (used < allowed * NEARLY_ALL) return
    const state = error === null ? 'nearly all are in use' : 'connections are turned away'
    const details = { allowed, inUse: used, ...(error === null ? {} : { reason: error.code }) }
    log.warn(details, `file descriptors run out, ${state}: ${WAY}`)
  })
}
