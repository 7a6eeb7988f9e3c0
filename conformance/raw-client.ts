/**
 * A TLS connection that sends whatever bytes a test wants, and says what came back and when it
 * ended.
 *
 * Unlike `clients/kmip` it has no opinion: it neither waits for an answer nor gives up when one is
 * late.
 *
 * @module
 */
import { connect, type TLSSocket } from 'node:tls'
import type { ConnectOptions } from '#clients/kmip/connection.ts'
import { decodeItem, messageBytes } from '#wire/ttlv/binary.ts'
import type { Item } from '#wire/ttlv/item.ts'

const LIMITS = { depthMax: 64, itemsMax: 1_000_000 }

export class RawClient {
  readonly socket: TLSSocket
  readonly #items: Item[] = []
  #bytes: Buffer = Buffer.alloc(0)
  #closed = false
  #wake: (() => void)[] = []

  static open({ host, port, ca, cert, key }: ConnectOptions): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, ca, cert, key })
      socket.once('error', reject)
      socket.once('secureConnect', () => {
        socket.off('error', reject)
        resolve(new RawClient(socket))
      })
    })
  }

  private constructor(socket: TLSSocket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk])
      this.#extract()
      this.#notify()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#closed = true
      this.#notify()
    })
  }

  send(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  /** The next message; undefined when the server has closed instead. */
  async next(milliseconds = 10_000): Promise<Item | undefined> {
    await this.#until(() => this.#items.length > 0 || this.#closed, milliseconds)
    return this.#items.shift()
  }

  /** Resolves once the connection has ended. */
  async ended(milliseconds = 10_000): Promise<void> {
    await this.#until(() => this.#closed, milliseconds)
  }

  get isClosed(): boolean {
    return this.#closed
  }

  close(): void {
    this.socket.destroy()
  }

  #extract(): void {
    for (;;) {
      const length = messageBytes(this.#bytes)
      if (length === undefined || this.#bytes.length < length) return
      this.#items.push(decodeItem(this.#bytes.subarray(0, length), LIMITS))
      this.#bytes = this.#bytes.subarray(length)
    }
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake()
  }

  async #until(done: () => boolean, milliseconds: number): Promise<void> {
    const deadline = Date.now() + milliseconds
    while (!done()) {
      const left = deadline - Date.now()
      if (left <= 0) throw new Error(`nothing happened within ${milliseconds} ms`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#wake.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }
}
