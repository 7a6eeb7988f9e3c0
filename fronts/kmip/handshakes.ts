/**
 * TLS handshakes that are under way: who begins one is nobody yet.
 *
 * Anybody on the network can open connections and say nothing. They are not counted among those of
 * clients, and where there are too many, the one that has taken longest goes: whoever means it is
 * done long before.
 *
 * @module
 */
import type { Server, Socket } from 'node:net'

export class Handshakes {
  /** By address and port of the other side, the oldest first. */
  readonly #pending = new Map<string, Socket>()
  readonly #max: number
  readonly #dropped: (peer: string | undefined) => void

  /** @param dropped Told of one that has made room. */
  constructor(max: number, dropped: (peer: string | undefined) => void) {
    this.#max = max
    this.#dropped = dropped
  }

  watch(server: Server): void {
    server.on('connection', (socket: Socket) => {
      const key = keyOf(socket)
      this.#pending.set(key, socket)
      socket.once('close', () => {
        if (this.#pending.get(key) === socket) this.#pending.delete(key)
      })
      if (this.#pending.size > this.#max) this.#dropOldest()
    })
  }

  /** It is over: the connection is somebody's. */
  done(socket: Socket): void {
    this.#pending.delete(keyOf(socket))
  }

  #dropOldest(): void {
    for (const [key, socket] of this.#pending) {
      this.#pending.delete(key)
      this.#dropped(socket.remoteAddress)
      socket.destroy()
      return
    }
  }
}

function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}
