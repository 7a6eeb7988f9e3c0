/**
 * The page with the metrics: HTTP on the loopback, one path, and nothing else.
 *
 * Whoever runs a program on this machine can ask, so that asking costs little: a page is made at
 * most once a second, connections are few, and each is closed behind its answer.
 *
 * @module
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Logger } from './log.ts'

export const PATH = '/metrics'

/** What makes the page. */
export interface Page {
  readonly contentType: string
  text(): Promise<string>
}

const CONNECTIONS_MAX = 16
const HEADER_BYTES_MAX = 8_192
const REQUEST_MILLISECONDS = 5_000
/** For how long a page is good. */
const PAGE_MILLISECONDS = 1_000
/** How often the time of requests is looked at. */
const LOOK_MILLISECONDS = 1_000

export class MetricsServer {
  readonly #server: Server
  readonly #page: Page
  readonly #log: Logger
  #text: Promise<string> | undefined
  #made = Number.NEGATIVE_INFINITY

  constructor(page: Page, log: Logger) {
    this.#page = page
    this.#log = log
    this.#server = createServer(
      {
        maxHeaderSize: HEADER_BYTES_MAX,
        headersTimeout: REQUEST_MILLISECONDS,
        requestTimeout: REQUEST_MILLISECONDS,
        connectionsCheckingInterval: LOOK_MILLISECONDS,
        keepAlive: false,
      },
      (request, response) => void this.#answer(request, response),
    )
    this.#server.maxConnections = CONNECTIONS_MAX
    this.#server.timeout = REQUEST_MILLISECONDS
  }

  /** @returns Where the page is. */
  listen(host: string, port: number): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, host, () => {
        this.#server.off('error', reject)
        const { address, family, port: bound } = this.#server.address() as AddressInfo
        const shown = family === 'IPv6' ? `[${address}]` : address
        resolve(`http://${shown}:${bound}${PATH}`)
      })
    })
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }

  async #answer({ method, url }: IncomingMessage, response: ServerResponse): Promise<void> {
    response.shouldKeepAlive = false
    if (url?.split('?', 1)[0] !== PATH) return refuse(response, 404, `there is ${PATH} only`)
    if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      return refuse(response, 405, 'GET it')
    }
    try {
      const text = await this.#fresh()
      response.writeHead(200, { 'content-type': this.#page.contentType })
      response.end(text)
    } catch (err) {
      this.#log.error({ err }, 'the metrics could not be made')
      refuse(response, 500, 'the log of the server says why')
    }
  }

  /** Those who ask at the same time are given the same. */
  #fresh(): Promise<string> {
    const now = performance.now()
    if (this.#text === undefined || now - this.#made >= PAGE_MILLISECONDS) {
      this.#made = now
      this.#text = this.#page.text()
    }
    return this.#text
  }
}

function refuse(response: ServerResponse, status: number, why: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' })
  response.end(`${why}\n`)
}
