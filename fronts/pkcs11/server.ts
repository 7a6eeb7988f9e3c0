/**
 * The PKCS#11 listener: a Unix socket, or a stream that somebody has connected already.
 *
 * draft-ueno-pkcs11-rpc over a stream. Who may connect is said by the mode of the socket's file;
 * the engine learns the user and the process that the kernel names.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import { connect, createServer, type Server, Socket } from 'node:net'
import process from 'node:process'
import type { Duplex } from 'node:stream'
import type { Limits } from '#core/limits.ts'
import { Lookout, spinTime } from '#core/lookout.ts'
import { Applications } from './applications.ts'
import { type CallLog, type CloseReason, Connection } from './connection.ts'
import type { Application, Engine, Peer } from './contract.ts'
import { peerOf, UNKNOWN_PEER } from './peer.ts'

export interface Pkcs11ServerOptions<A extends Application> {
  readonly engine: Engine<A>
  readonly limits: Limits
  readonly log: CallLog
  /** Path of the socket that our module uses for its further connections; default: the same. */
  readonly further?: string | undefined
}

/** How often the deadlines of all connections are looked at. */
const SWEEP_MILLISECONDS = 500

export class Pkcs11Server<A extends Application> {
  readonly #options: Pkcs11ServerOptions<A>
  readonly #applications: Applications<A>
  readonly #server: Server
  readonly #connections = new Set<Connection<A>>()
  /** Since the start. */
  readonly counts = { accepted: 0, malformed: 0, noRoom: 0 }
  readonly #services: ConstructorParameters<typeof Connection<A>>[2]
  #sweep: NodeJS.Timeout | undefined
  #drained: (() => void) | undefined
  #isListening = false
  #isStopping = false

  constructor(options: Pkcs11ServerOptions<A>) {
    this.#options = options
    this.#applications = new Applications(options.engine)
    const { engine, limits, log, further } = options
    this.#services = {
      engine,
      limits,
      log,
      applications: this.#applications,
      lookout: new Lookout(spinTime(limits.callSpinMicroseconds)),
      initialized: {
        further: further === undefined ? undefined : Buffer.from(further),
        epoch: randomBytes(6).readUIntBE(0, 6),
        callBytesMax: limits.callBytesMax,
      },
    }
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#welcome(socket))
  }

  /** Connections at this moment. */
  get connections(): number {
    return this.#connections.size
  }

  /** Applications that have called C_Initialize and neither C_Finalize nor gone. */
  get applications(): number {
    return this.#applications.size
  }

  /**
   * Resolves once clients can connect. A file that is there already is removed if it is a socket
   * that nobody listens on.
   *
   * @param mode who may connect: 0o600 the user of this process, 0o660 its group as well
   */
  async listen(path: string, mode: 0o600 | 0o660 = 0o600): Promise<void> {
    try {
      await this.#bind(path, mode)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
      await removeStale(path)
      await this.#bind(path, mode)
    }
    this.#isListening = true
  }

  /** Serves a stream that is connected already, such as one half of a socket pair. */
  attach(stream: Duplex, peer: Peer = knownPeer(stream)): void {
    if (this.#isStopping) {
      stream.destroy()
      return
    }
    const closed = (reason: CloseReason | undefined): void => {
      this.#connections.delete(connection)
      if (reason === 'malformed') this.counts.malformed++
      if (reason !== undefined) this.#options.log.info({ peer, reason }, 'closed')
      if (this.#connections.size > 0) return
      clearInterval(this.#sweep)
      this.#sweep = undefined
      this.#drained?.()
    }
    const connection = new Connection(stream, peer, this.#services, closed)
    this.#connections.add(connection)
    this.#sweep ??= setInterval(() => this.#expire(), SWEEP_MILLISECONDS).unref()
  }

  /** Takes no more connections, and ends those that are once their calls have been answered. */
  async close(): Promise<void> {
    this.#isStopping = true
    const stopped = this.#isListening
      ? new Promise<void>((resolve) => this.#server.close(() => resolve()))
      : Promise.resolve()
    const drained = new Promise<void>((resolve) => {
      if (this.#connections.size === 0) resolve()
      else this.#drained = resolve
    })
    for (const connection of this.#connections) connection.end('drain')
    const timer = setTimeout(() => {
      for (const connection of this.#connections) connection.destroy('drain')
    }, this.#options.limits.drainSeconds * 1_000)
    await Promise.all([stopped, drained])
    clearTimeout(timer)
  }

  #welcome(socket: Socket): void {
    const peer = peerOf(socket)
    if (this.#connections.size >= this.#options.limits.callConnectionsMax) {
      this.counts.noRoom++
      this.#options.log.warn({ peer }, 'too many connections: one was turned away')
      socket.destroy()
      return
    }
    this.counts.accepted++
    this.attach(socket, peer)
  }

  #expire(): void {
    const now = performance.now()
    for (const connection of this.#connections) connection.expire(now)
  }

  #bind(path: string, mode: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      // The file is never there with more permissions than it will have.
      const umask = process.umask(0o777 & ~mode)
      try {
        this.#server.listen({ path }, () => {
          this.#server.off('error', reject)
          chmodSync(path, mode)
          resolve()
        })
      } finally {
        process.umask(umask)
      }
    })
  }
}

function knownPeer(stream: Duplex): Peer {
  return stream instanceof Socket ? peerOf(stream) : UNKNOWN_PEER
}

/** Removes a socket that nobody listens on. */
async function removeStale(path: string): Promise<void> {
  if (!lstatSync(path).isSocket()) {
    throw new Error(`Cannot listen on ${path}: there is a file that is not a socket`)
  }
  if (await isAnswered(path)) {
    throw new Error(`Cannot listen on ${path}: another process listens there`)
  }
  unlinkSync(path)
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path })
    const done = (isThere: boolean): void => {
      probe.destroy()
      resolve(isThere)
    }
    probe.once('connect', () => done(true))
    // Only a refusal says that nobody is there: a full queue, for one, does not.
    probe.once('error', ({ code }: NodeJS.ErrnoException) => {
      done(code !== 'ECONNREFUSED' && code !== 'ENOENT')
    })
  })
}
