/**
 * The KMIP listener: TLS with mutual authentication on a TCP port; where it is asked for, a second
 * port without TLS on the loopback.
 *
 * KMIP Profiles 2.1 §3 (authentication suites) and §4.1 (transport); port 5696. TLS 1.2 and 1.3
 * with the suites of the profiles, hybrid X25519MLKEM768 where the client offers it. A client whose
 * certificate is not a credential, or not any more, is turned away after the handshake, with the
 * reason in the log.
 *
 * The port without TLS is for a TLS proxy on the same machine, such as stunnel: whoever can connect
 * there works in the name of one credential. It never listens on an address that others can reach.
 *
 * @module
 */
import { randomBytes, X509Certificate } from 'node:crypto'
import {
  type AddressInfo,
  BlockList,
  createServer as createTcpServer,
  isIP,
  type Socket,
  type Server as TcpServer,
} from 'node:net'
import { createServer, type SecureContextOptions, type Server, type TLSSocket } from 'node:tls'
import type { Principal, Services } from '#core/context.ts'
import type { Credentials } from '#core/credentials.ts'
import { failureMessage, KmsError } from '#core/errors.ts'
import { type CloseReason, Connection, type ConnectionOptions } from './connection.ts'
import { Handshakes } from './handshakes.ts'

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
  /** Default: none. */
  readonly plain?: PlainOptions | undefined
  readonly log: ConnectionLog
}

/** KMIP without TLS. */
export interface PlainOptions {
  /** An address of the loopback. */
  readonly host: string
  readonly port: number
  /** Credential in whose name its clients work. */
  readonly principal: string
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
  readonly #plain: TcpServer | undefined
  readonly #connections = new Set<Connection>()
  /** Since the start. */
  readonly counts = { accepted: 0, handshakesFailed: 0, turnedAway: 0, noRoom: 0 }
  #identities: readonly ServerIdentity[]
  #stopping = false

  constructor(options: KmipServerOptions, services: Services, credentials: Credentials) {
    this.#options = options
    this.#identities = options.identities
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
    const { connectionsMax, handshakesMax } = services.limits
    // Beyond the clients there is room for those who shake hands: see `#assertRoom`.
    this.#server.maxConnections = connectionsMax + handshakesMax + 1
    const handshakes = new Handshakes(handshakesMax, (peer) => {
      this.counts.noRoom++
      options.log.warn({ peer }, 'too many TLS handshakes: the one that took longest was ended')
    })
    handshakes.watch(this.#server)
    this.#server.on('secureConnection', (socket) => {
      handshakes.done(socket)
      void this.#welcome(socket, () => this.#identify(socket))
    })
    this.#plain = options.plain && this.#plainServer(options.plain)
    this.#server.on('tlsClientError', (error, socket) => {
      this.counts.handshakesFailed++
      const details = { peer: peerOf(socket), reason: handshakeReason(error, socket) }
      options.log.warn(details, 'a TLS handshake failed')
      // Node reports the time-out and leaves the socket open: it would hold its place for ever.
      if ('code' in error && error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') socket.destroy()
    })
    // Asked while it is open, an address is still known when the socket is not.
    this.#server.on('connection', (socket) => void socket.remoteAddress)
    for (const server of [this.#server, this.#plain]) {
      server?.on('drop', (data) => {
        this.counts.noRoom++
        options.log.warn({ peer: data?.remoteAddress }, 'too many connections: one was turned away')
      })
    }
    credentials.onRevoked(({ name }) => {
      for (const connection of this.#connections) {
        if (connection.principal.name === name) connection.destroy('revoked')
      }
    })
  }

  /**
   * Resolves once clients can connect.
   *
   * @throws `KmsError` `invalidField` when it should be without TLS where others can connect.
   */
  async listen(): Promise<Addresses> {
    const { host, port, plain } = this.#options
    if (plain === undefined || this.#plain === undefined) {
      return { tls: await listening(this.#server, host, port) }
    }
    assertLoopback(plain.host)
    await this.#credentials.principalNamed(plain.principal)
    return {
      tls: await listening(this.#server, host, port),
      plain: await listening(this.#plain, plain.host, plain.port),
    }
  }

  /** New certificates for connections from now on. */
  renew(identities: readonly ServerIdentity[], clientAuthorities: readonly string[]): void {
    this.#identities = identities
    this.#server.setSecureContext(
      secureContext({ ...this.#options, identities, clientAuthorities }),
    )
  }

  /** What clients are shown at this moment. */
  get identities(): readonly ServerIdentity[] {
    return this.#identities
  }

  /** Connections at this moment. */
  get connections(): number {
    return this.#connections.size
  }

  /** Takes no more connections, and ends those that are once their answers have been sent. */
  async close(): Promise<void> {
    this.#stopping = true
    const closed = Promise.all([ended(this.#server), ended(this.#plain)])
    for (const connection of this.#connections) connection.end('drain')
    const timer = setTimeout(() => {
      for (const connection of this.#connections) connection.destroy('drain')
    }, this.#services.limits.drainSeconds * 1_000)
    await closed
    clearTimeout(timer)
  }

  #plainServer({ principal }: PlainOptions): TcpServer {
    const server = createTcpServer({ allowHalfOpen: false }, (socket) => {
      void this.#welcome(socket, () => this.#credentials.principalNamed(principal))
    })
    server.maxConnections = this.#services.limits.connectionsMax
    return server
  }

  async #welcome(socket: Socket, identify: () => Promise<Principal>): Promise<void> {
    // Until there is a connection to say so, an error must not end the process.
    const ignore = (): void => {}
    socket.on('error', ignore)
    const peer = socket.remoteAddress
    try {
      const principal = await identify()
      if (this.#stopping || socket.destroyed) {
        socket.destroy()
        return
      }
      this.#assertRoom(principal)
      socket.off('error', ignore)
      this.#connect(socket, principal, peer)
    } catch (error) {
      this.counts.turnedAway++
      this.#options.log.warn({ peer, reason: failureMessage(error) }, 'a client was turned away')
      socket.destroy()
    }
  }

  #connect(socket: Socket, principal: Principal, peer: string | undefined): void {
    const { log } = this.#options
    this.counts.accepted++
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
    const { connectionsMax, connectionsPerClientMax } = this.#services.limits
    if (this.#connections.size >= connectionsMax) {
      const what = `there are ${this.#connections.size} connections, allowed are ${connectionsMax}`
      throw new KmsError('limitExceeded', `Cannot let "${name}" in: ${what}`)
    }
    let count = 0
    for (const { principal } of this.#connections) if (principal.name === name) count++
    if (count < connectionsPerClientMax) return
    const what = `it has ${count} connections, allowed are ${connectionsPerClientMax}`
    throw new KmsError('limitExceeded', `Cannot let "${name}" in: ${what}`)
  }
}

/** Where clients connect: HOST:PORT. */
export interface Addresses {
  readonly tls: string
  /** Undefined where everybody must speak TLS. */
  readonly plain?: string | undefined
}

function listening(server: TcpServer, host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      const { address, port: bound } = server.address() as AddressInfo
      resolve(`${isIP(address) === 6 ? `[${address}]` : address}:${bound}`)
    })
  })
}

function ended(server: TcpServer | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (server?.listening) server.close(() => resolve())
    else resolve()
  })
}

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8)
LOOPBACK.addAddress('::1', 'ipv6')

function assertLoopback(host: string): void {
  const family = isIP(host)
  if (family !== 0 && LOOPBACK.check(host, family === 6 ? 'ipv6' : 'ipv4')) return
  const what = `Cannot listen on ${host} without TLS: it is no address of the loopback`
  throw new KmsError('invalidField', what)
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

/** Who it was; a TLS socket that is destroyed knows it only of the socket below. */
function peerOf(socket: TLSSocket & { readonly _parent?: Socket }): string | undefined {
  return socket.remoteAddress ?? socket._parent?.remoteAddress
}

/** What OpenSSL says, in words that point to the way out. */
function handshakeReason(
  error: Error & { readonly code?: string },
  socket: { readonly authorizationError?: Error | string | null },
): string {
  const { message } = error
  // Node hangs up where it does not like a certificate, and says why on the socket alone.
  const refused = socket.authorizationError ?? undefined
  const code = refused === undefined ? (error.code ?? '') : String(refused)
  if (code.includes('PEER_DID_NOT_RETURN')) return 'the client has shown no certificate'
  if (code.includes('CERT_HAS_EXPIRED')) return 'the certificate of the client has expired'
  if (code.includes('CERT_NOT_YET_VALID')) {
    return 'the certificate of the client is not valid yet; compare the clocks'
  }
  if (code.includes('UNABLE_TO_VERIFY') || code.includes('SELF_SIGNED')) {
    return 'the certificate of the client is not from an authority that this server trusts'
  }
  if (code.includes('NO_SHARED_CIPHER')) return 'client and server have no cipher suite in common'
  if (code.includes('UNSUPPORTED_PROTOCOL')) {
    return 'the client speaks no version of TLS that this server allows; see kmip.tls.minVersion'
  }
  if (/ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN)/.test(code)) {
    return 'the client does not trust the certificate of this server; it needs the authority ca.pem'
  }
  if (/HTTP_REQUEST|WRONG_VERSION_NUMBER|PACKET_LENGTH|RECORD_TOO/.test(code)) {
    return 'what the client has sent is no TLS'
  }
  if (refused !== undefined) return `the certificate of the client is refused: ${code}`
  if (code === 'ECONNRESET') return 'the client has hung up'
  // OpenSSL's own message has places in its source as well.
  if (code.startsWith('ERR_SSL_')) return code.slice(8).toLowerCase().replaceAll('_', ' ')
  return message
}
