/**
 * TLS as clients of every kind have it: versions, key exchange and suites of the KMIP profiles, and
 * that nobody is served without a certificate of ours. A real server.
 *
 * KMIP Profiles 1.4 §3.1 to §3.4, 2.1 §3.1.
 *
 * @module
 */
import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { isSuccess, QUERY } from '#conformance/kmip-requests.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { decodeItem, messageBytes } from '#wire/ttlv/binary.ts'

/** What was agreed upon, by one who has sent a request and got its answer. */
interface Served {
  readonly version: string | null
  readonly suite: string
  readonly group: string | undefined
  readonly certificate: string | undefined
}

const MILLISECONDS = 10_000
const CLOSED = 'closed without an answer'
/** A server may tell by an alert, or hang up once it has seen the certificate. */
const REFUSED = new RegExp(`ALERT|CERTIFICATE_REQUIRED|ECONNRESET|${CLOSED}`)

/** Connects and asks; the code of the error where that is refused. */
async function served(options: ConnectionOptions): Promise<Served | string> {
  const signal = AbortSignal.timeout(MILLISECONDS)
  const socket = connect(options)
  try {
    await once(socket, 'secureConnect', { signal })
    socket.write(QUERY)
    ok(await answers(socket, signal), 'the request is refused')
    const { name } = socket.getEphemeralKeyInfo() as { name?: string }
    const certificate = socket.getPeerX509Certificate()?.publicKey.asymmetricKeyType
    return {
      version: socket.getProtocol(),
      suite: socket.getCipher().standardName,
      group: name,
      certificate,
    }
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code ?? error)
  } finally {
    socket.destroy()
  }
}

async function answers(socket: TLSSocket, signal: AbortSignal): Promise<boolean> {
  let bytes = Buffer.alloc(0)
  const closed = once(socket, 'close', { signal }).then(() => [CLOSED])
  while (bytes.length < (messageBytes(bytes) ?? Infinity)) {
    const [chunk] = await Promise.race([once(socket, 'data', { signal }), closed])
    if (chunk === CLOSED) throw new Error(CLOSED)
    bytes = Buffer.concat([bytes, chunk as Buffer])
  }
  return isSuccess(decodeItem(bytes, { depthMax: 32, itemsMax: 1_000 }))
}

describe('TLS of the KMIP server', { timeout: 60_000 }, () => {
  let server: OwnServer
  let options: ConnectionOptions

  before(async () => {
    server = await startOwnServer()
    const { host, port, ca, cert, key } = server.client('admin')
    options = { host, port, ca, cert, key }
  })
  after(async () => {
    await server?.stop()
  })

  it('is 1.3 with a hybrid key exchange where the client can', async () => {
    const hybrid = await served({ ...options, ecdhCurve: 'X25519MLKEM768:X25519' })
    ok(typeof hybrid === 'object', String(hybrid))
    deepEqual([hybrid.version, hybrid.group], ['TLSv1.3', 'X25519MLKEM768'])
  })

  it('is agreed upon by the curve that a client has, without the hybrid', async () => {
    // In 1.2 a client must have the curve of its own certificate too, which is P-256.
    for (const [maxVersion, ecdhCurve, group] of [
      ['TLSv1.3', 'X25519', 'X25519'],
      ['TLSv1.3', 'P-256', 'prime256v1'],
      ['TLSv1.3', 'P-384', 'secp384r1'],
      ['TLSv1.3', 'P-521', 'secp521r1'],
      ['TLSv1.2', 'X25519:P-256', 'X25519'],
      ['TLSv1.2', 'P-256', 'prime256v1'],
    ] as const) {
      const found = await served({ ...options, maxVersion, ecdhCurve })
      ok(typeof found === 'object', `${maxVersion} ${ecdhCurve}: ${found}`)
      deepEqual([found.version, found.group], [maxVersion, group])
    }
  })

  for (const suite of ['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256']) {
    it(`has ${suite}, as 2.1 demands`, async () => {
      const found = await served({ ...options, ciphers: suite })
      equal(typeof found === 'object' && found.suite, suite)
    })
  }

  for (const kind of ['ECDSA', 'RSA']) {
    it(`has the suites of 1.2 for clients that know ${kind} alone`, async () => {
      for (const [openssl, standard] of [
        ['AES128-GCM-SHA256', 'AES_128_GCM_SHA256'],
        ['AES256-GCM-SHA384', 'AES_256_GCM_SHA384'],
        ['AES128-SHA256', 'AES_128_CBC_SHA256'],
        ['AES256-SHA384', 'AES_256_CBC_SHA384'],
      ]) {
        const ciphers = `ECDHE-${kind}-${openssl}`
        const found = await served({ ...options, ciphers, maxVersion: 'TLSv1.2' })
        ok(typeof found === 'object', `${ciphers}: ${found}`)
        deepEqual(
          [found.suite, found.certificate],
          [`TLS_ECDHE_${kind}_WITH_${standard}`, kind === 'RSA' ? 'rsa' : 'ec'],
        )
      }
    })
  }

  it('is neither 1.0 nor 1.1', async () => {
    for (const version of ['TLSv1', 'TLSv1.1'] as const) {
      const old = { minVersion: version, maxVersion: version, ciphers: 'ALL@SECLEVEL=0' }
      match(String(await served({ ...options, ...old })), /ALERT_PROTOCOL_VERSION/)
    }
  })

  it('serves nobody without a certificate, or with one of another authority', async () => {
    const { cert: _cert, key: _key, ...bare } = options
    match(String(await served(bare)), REFUSED)
    const other = await startOwnServer()
    try {
      const { cert, key } = other.client('admin')
      match(String(await served({ ...bare, cert, key })), REFUSED)
    } finally {
      await other.stop()
    }
  })
})
