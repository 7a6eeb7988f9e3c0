/**
 * The agent: PKCS#11 for applications on a machine where no server runs.
 *
 * `libclaviger.so` starts it with one end of a socket pair. It opens the data directory, serves the
 * application, and listens on the directory's socket for whoever comes next. Where another process
 * has the directory (a server, or the agent of another application) it passes everything on to that
 * one's socket. It ends when nobody has been connected for a while.
 *
 * @module
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from './config.ts'
import { House } from './house.ts'
import { LockedError } from './lock.ts'
import { endLog, type Logger } from './log.ts'
import { listenPkcs11, type ServedPkcs11 } from './pkcs11.ts'
import { socketPath } from './sockets.ts'

export interface AgentOptions {
  readonly dataDir: string
  readonly config: Config
  readonly log: Logger
  /** The application's end. */
  readonly stream: Socket
  /** Told when it serves. */
  readonly served?: (() => void) | undefined
}

/** How often it looks whether anybody is left. */
const LOOK_MILLISECONDS = 250
/** Whoever has the directory may be about to open its socket. */
const RELAY_ATTEMPTS = 50
const RELAY_WAIT_MILLISECONDS = 100

/** Serves until nobody is connected any more. */
export async function runAgent(options: AgentOptions): Promise<void> {
  const { dataDir, config, log, stream } = options
  for (let attempt = 1; ; attempt++) {
    try {
      const house = await House.open({ dataDir, config, log })
      return await serve(house, options)
    } catch (error) {
      if (!(error instanceof LockedError)) throw error
    }
    const other = await connectedToOne(options)
    if (other !== undefined) return relay(stream, other)
    // It may have gone meanwhile, and then the directory is ours.
    if (attempt === RELAY_ATTEMPTS) {
      throw new Error(`Cannot serve PKCS#11: another process has ${dataDir} and does not serve it`)
    }
    await delay(RELAY_WAIT_MILLISECONDS)
  }
}

async function serve(house: House, { log, stream, served: tell }: AgentOptions): Promise<void> {
  try {
    const served = await listenPkcs11(house, log)
    if (served === undefined) throw new Error('Cannot serve PKCS#11: pkcs11.enabled is false')
    served.server.attach(stream)
    log.info({ socket: served.path }, 'the agent serves')
    tell?.()
    await untilDeserted(served, house.config.limits.agentIdleSeconds)
    await served.close()
  } finally {
    await house.close()
    endLog(log)
  }
}

async function untilDeserted({ server }: ServedPkcs11, idleSeconds: number): Promise<void> {
  let last = performance.now()
  while (performance.now() - last < idleSeconds * 1_000) {
    await delay(LOOK_MILLISECONDS)
    if (server.connections > 0) last = performance.now()
  }
}

/** Who has the directory serves where its configuration says, which ours need not say. */
async function connectedToOne({ dataDir, config }: AgentOptions): Promise<Socket | undefined> {
  const { socket } = config.pkcs11
  const own = await connected(socketPath(dataDir, 'pkcs11'))
  return own ?? (socket === undefined ? undefined : connected(socket))
}

async function connected(path: string): Promise<Socket | undefined> {
  const socket = connect({ path })
  try {
    await once(socket, 'connect')
    return socket
  } catch {
    return undefined
  }
}

/** Either end that closes closes the other. */
async function relay(stream: Socket, other: Socket): Promise<void> {
  await Promise.allSettled([pipeline(stream, other), pipeline(other, stream)])
  stream.destroy()
  other.destroy()
}
