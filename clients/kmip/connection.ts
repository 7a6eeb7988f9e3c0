/**
 * One TLS connection to a KMIP server: messages out, messages in.
 *
 * KMIP 2.1 §10. Requests may be sent before earlier ones are answered; answers come in their order.
 * Every request has a deadline; when one passes it, the connection is given up, because the answers
 * that follow could not be told apart any more.
 *
 * @module
 */
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { decodeItem, encodeItem, messageBytes } from '#wire/ttlv/binary.ts'
import type { Item } from '#wire/ttlv/item.ts'
import { KmipConnectionError } from './errors.ts'

export interface ConnectOptions {
  readonly host: string
  readonly port: number
  /** Authorities that the server's certificate may come from, PEM. */
  readonly ca: string
  /** The client's certificate and private key, PEM. */
  readonly cert: string
  readonly key: string
  /** Name that the server's certificate must have; default `host`. */
  readonly serverName?: string | undefined
  /** Time for the connection and its handshake. */
  readonly connectMilliseconds: number
  /** Time for an answer. */
  readonly requestMilliseconds: number
  /** Longest answer that is read. */
  readonly messageBytesMax: number
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined
  readonly maxVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined
}

interface Waiting {
  readonly resolve: (item: Item) => void
  readonly reject: (error: Error) => void
  readonly deadline: number
}

const LIMITS = { depthMax: 64, itemsMax: 1_000_000 }

export class KmipConnection {
  readonly #socket: TLSSocket
  readonly #options: ConnectOptions
  readonly #waiting: Waiting[] = []
  #chunks: Buffer[] = []
  #received = 0
  #timer: NodeJS.Timeout | undefined
  #error: KmipConnectionError | undefined

  /** @throws {@link KmipConnectionError} with the reason, in words that say what to do. */
  static open(options: ConnectOptions): Promise<KmipConnection> {
    const { host, port, ca, cert, key, serverName, connectMilliseconds } = options
    const settings: ConnectionOptions = {
      host,
      port,
      ca,
      cert,
      key,
      // A name in the handshake may not be an address: RFC 6066 §3.
      ...(serverName !== undefined && { servername: serverName }),
      minVersion: options.minVersion ?? 'TLSv1.2',
      ...(options.maxVersion && { maxVersion: options.maxVersion }),
    }
    return new Promise((resolve, reject) => {
      const socket = connect(settings)
      const fail = (error: Error): void => {
        socket.destroy()
        reject(connectionError(error, host, port))
      }
      const timer = setTimeout(() => {
        fail(new Error(`no connection within ${connectMilliseconds} ms`))
      }, connectMilliseconds)
      socket.once('error', fail)
      socket.once('secureConnect', () => {
        clearTimeout(timer)
        socket.off('error', fail)
        resolve(new KmipConnection(socket, options))
      })
    })
  }

  private constructor(socket: TLSSocket, options: ConnectOptions) {
    this.#socket = socket
    this.#options = options
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', (error) => this.#fail(connectionError(error, options.host, options.port)))
    socket.on('close', () => {
      this.#fail(new KmipConnectionError('The server has closed the connection'))
    })
  }

  /** Requests without an answer yet. */
  get pending(): number {
    return this.#waiting.length
  }

  get isOpen(): boolean {
    return this.#error === undefined
  }

  /** Sends one message; resolves with its answer. @throws {@link KmipConnectionError} */
  send(message: Item): Promise<Item> {
    return this.sendBytes(encodeItem(message))
  }

  /** Sends bytes as they are: for tests of what a server makes of them. */
  sendBytes(bytes: Uint8Array): Promise<Item> {
    if (this.#error !== undefined) return Promise.reject(this.#error)
    return new Promise((resolve, reject) => {
      const deadline = Date.now() + this.#options.requestMilliseconds
      this.#waiting.push({ resolve, reject, deadline })
      this.#timer ??= setTimeout(() => this.#expire(), this.#options.requestMilliseconds).unref()
      this.#socket.write(bytes)
    })
  }

  /** Ends the connection; requests without an answer fail. */
  close(): void {
    this.#fail(new KmipConnectionError('The connection was closed'))
  }

  #receive(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#received += chunk.length
    try {
      this.#extract()
    } catch (error) {
      const what = `The server does not speak KMIP: ${(error as Error).message}`
      this.#fail(new KmipConnectionError(what, { cause: error }))
    }
  }

  #extract(): void {
    while (this.#received >= 8) {
      const whole = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks)
      this.#chunks = [whole as Buffer]
      const bytes = messageBytes(whole as Buffer) as number
      if (bytes > this.#options.messageBytesMax) throw new Error(`an answer has ${bytes} bytes`)
      if (this.#received < bytes) return
      this.#received -= bytes
      this.#chunks = this.#received === 0 ? [] : [(whole as Buffer).subarray(bytes)]
      const item = decodeItem((whole as Buffer).subarray(0, bytes), LIMITS)
      this.#waiting.shift()?.resolve(item)
    }
  }

  #expire(): void {
    this.#timer = undefined
    const [first] = this.#waiting
    if (first === undefined) return
    const left = first.deadline - Date.now()
    if (left > 0) {
      this.#timer = setTimeout(() => this.#expire(), left).unref()
      return
    }
    const what = `No answer within ${this.#options.requestMilliseconds} ms`
    this.#fail(new KmipConnectionError(what))
  }

  #fail(error: KmipConnectionError): void {
    if (this.#error !== undefined) return
    this.#error = error
    clearTimeout(this.#timer)
    this.#socket.destroy()
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}

function connectionError(error: Error, host: string, port: number): KmipConnectionError {
  const { code } = error as NodeJS.ErrnoException
  const reasons: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'nothing listens there; is the server running?',
    ENOTFOUND: 'there is no such host',
    CERT_HAS_EXPIRED: "the server's certificate has expired",
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the server's certificate is not from the given authority",
    SELF_SIGNED_CERT_IN_CHAIN: "the server's certificate is not from the given authority",
    ECONNRESET: 'the server hung up: it may not know the client certificate; see its log',
  }
  const why = reasons[code ?? ''] ?? error.message
  return new KmipConnectionError(`Cannot speak to ${host}:${port}: ${why}`, { cause: error })
}
