/**
 * The KMIP listener: TLS with mutual authentication on a TCP port.
 *
 * KMIP Profiles 2.1 §3 (authentication suites) and §4.1 (transport); port 5696. TLS 1.2 and 1.3
 * with the suites of the profiles, hybrid X25519MLKEM768 where the client offers it. A client whose
 * certificate is not a credential, or not any more, is turned away after the handshake, with the
 * reason in the log.
 *
 * @module
 */
import { randomBytes, X509Certificate } from 'node:crypto'
import { type AddressInfo, isIP } from 'node:net'
import { createServer, type SecureContextOptions, type Server, type TLSSocket } from 'node:tls'
import type { Principal, Services } from '#core/context.ts'
import type { Credentials } from '#core/credentials.ts'
import { failureMessage, KmsError } from '#core/errors.ts'
import { type CloseReason, Connection, type ConnectionOptions } from './connection.ts'

/** Certificate chain and private key, both PEM. */
export interface ServerIdentity {
  readonly cert: string
  readonly key: string
}

export interface KmipServerOptions extends ConnectionOptions {
  readonly host: string
  readonly port: number
  /** One for each kind of key: a client picks the one it understands. */
  readonly identities: readonly ServerIdentity[]
  /** Authorities whose client certificates may shake hands, PEM. */
  readonly clientAuthorities: readonly string[]
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
  /** OpenSSL's names; default {@link CIPHERS}. */
  readonly ciphers?: string | undefined
  readonly log: ConnectionLog
}

/** What the listener says about connections. */
export interface ConnectionLog {
  info(details: object, message: string): void
  warn(details: object, message: string): void
}

/**
 * KMIP Profiles 1.4 §3.1 to §3.4 and 2.1 §3.1. Suites with RSA key exchange, which appliances of
 * the time of KMIP 1.0 may need, are not in it; the configuration can add them.
 */
export const CIPHERS = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-SHA384',
  'ECDHE-RSA-AES256-SHA384',
  'ECDHE-ECDSA-AES128-SHA256',
  'ECDHE-RSA-AES128-SHA256',
].join(':')

/** Key exchange: hybrid first, then what everybody has. */
const GROUPS = 'X25519MLKEM768:X25519:P-256:P-384:P-521'

export class KmipServer {
  readonly #options: KmipServerOptions
  readonly #services: Services
  readonly #credentials: Credentials
  readonly #server: Server
  readonly #connections = new Set<Connection>()
  #stopping = false

  constructor(options: KmipServerOptions, services: Services, credentials: Credentials) {
    this.#options = options
    this.#services = services
    this.#credentials = credentials
    this.#server = createServer({
      ...secureContext(options),
      requestCert: true,
      rejectUnauthorized: true,
      handshakeTimeout: services.limits.handshakeSeconds * 1_000,
      honorCipherOrder: true,
      ecdhCurve: GROUPS,
      // Clients that resume sessions (Veeam) need it where client certificates are asked for.
      sessionIdContext: randomBytes(16).toString('hex'),
    })
    this.#server.maxConnections = services.limits.connectionsMax
    this.#server.on('secureConnection', (socket) => void this.#welcome(socket))
    this.#server.on('tlsClientError', (error, socket) => {
      const details = { peer: socket.remoteAddress, reason: handshakeReason(error) }
      options.log.warn(details, 'a TLS handshake failed')
      // Node reports the time-out and leaves the socket open: it would hold its place for ever.
      if ('code' in error && error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') socket.destroy()
    })
    this.#server.on('drop', (data) => {
      options.log.warn({ peer: data?.remoteAddress }, 'too many connections: one was turned away')
    })
    credentials.onRevoked(({ name }) => {
      for (const connection of this.#connections) {
        if (connection.principal.name === name) connection.destroy('revoked')
      }
    })
  }

  /** Resolves with the address once clients can connect. */
  listen(): Promise<string> {
    const { host, port } = this.#options
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, host, () => {
        this.#server.off('error', reject)
        const address = this.#server.address() as AddressInfo
        const name = isIP(address.address) === 6 ? `[${address.address}]` : address.address
        resolve(`${name}:${address.port}`)
      })
    })
  }

  /** New certificates for connections from now on. */
  renew(identities: readonly ServerIdentity[], clientAuthorities: readonly string[]): void {
    this.#server.setSecureContext(
      secureContext({ ...this.#options, identities, clientAuthorities }),
    )
  }

  /** Connections at this moment. */
  get connections(): number {
    return this.#connections.size
  }

  /** Takes no more connections, and ends those that are once their answers have been sent. */
  async close(): Promise<void> {
    this.#stopping = true
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const connection of this.#connections) connection.end('drain')
    const timer = setTimeout(() => {
      for (const connection of this.#connections) connection.destroy('drain')
    }, this.#services.limits.drainSeconds * 1_000)
    await closed
    clearTimeout(timer)
  }

  async #welcome(socket: TLSSocket): Promise<void> {
    // Until there is a connection to say so, an error must not end the process.
    const ignore = (): void => {}
    socket.on('error', ignore)
    const peer = socket.remoteAddress
    try {
      const principal = await this.#identify(socket)
      if (this.#stopping || socket.destroyed) {
        socket.destroy()
        return
      }
      this.#assertRoom(principal)
      socket.off('error', ignore)
      this.#connect(socket, principal, peer)
    } catch (error) {
      this.#options.log.warn({ peer, reason: failureMessage(error) }, 'a client was turned away')
      socket.destroy()
    }
  }

  #connect(socket: TLSSocket, principal: Principal, peer: string | undefined): void {
    const { log } = this.#options
    const closed = (reason: CloseReason | undefined): void => {
      this.#connections.delete(connection)
      if (reason !== undefined) log.info({ peer, principal: principal.name, reason }, 'closed')
    }
    const connection = new Connection(socket, principal, this.#services, this.#options, closed)
    this.#connections.add(connection)
  }

  async #identify(socket: TLSSocket): Promise<Principal> {
    const raw = socket.getPeerCertificate().raw as Buffer | undefined
    if (raw === undefined) {
      throw new KmsError('notAuthenticated', 'Cannot let client in: it has shown no certificate')
    }
    const fingerprint = new X509Certificate(raw).fingerprint256.replaceAll(':', '').toLowerCase()
    return this.#credentials.principalOf(fingerprint)
  }

  #assertRoom({ name }: Principal): void {
    const { connectionsPerClientMax } = this.#services.limits
    let count = 0
    for (const { principal } of this.#connections) if (principal.name === name) count++
    if (count < connectionsPerClientMax) return
    const what = `it has ${count} connections, allowed are ${connectionsPerClientMax}`
    throw new KmsError('limitExceeded', `Cannot let "${name}" in: ${what}`)
  }
}

function secureContext(options: KmipServerOptions): SecureContextOptions {
  return {
    cert: options.identities.map(({ cert }) => cert),
    key: options.identities.map(({ key }) => key),
    ca: [...options.clientAuthorities],
    minVersion: options.minVersion,
    maxVersion: 'TLSv1.3',
    ciphers: options.ciphers ?? CIPHERS,
  }
}

/** What OpenSSL says, in words that point to the way out. */
function handshakeReason(error: Error & { readonly code?: string }): string {
  const { code = '', message } = error
  if (code.includes('PEER_DID_NOT_RETURN')) return 'the client has shown no certificate'
  if (code.includes('CERT_HAS_EXPIRED')) return 'the certificate of the client has expired'
  if (code.includes('UNABLE_TO_VERIFY') || code.includes('SELF_SIGNED')) {
    return 'the certificate of the client is not from an authority that this server trusts'
  }
  if (code.includes('NO_SHARED_CIPHER')) return 'client and server have no cipher suite in common'
  if (code === 'ECONNRESET') return 'the client has hung up'
  return message
}
