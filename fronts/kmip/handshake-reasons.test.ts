/**
 * Why a TLS handshake failed is in the log in words that point to the way out.
 *
 * A real server, and `openssl s_client` and plain sockets as clients.
 *
 * @module
 */
import { doesNotMatch, match } from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'

const skip = spawnSync('openssl', ['version']).error !== undefined && 'there is no openssl'

describe('the reason of a handshake that failed', { timeout: 90_000, skip }, () => {
  let server: OwnServer
  before(async () => {
    server = await startOwnServer()
  })
  after(() => server.stop())

  const logged = async (reason: RegExp): Promise<void> => {
    const end = Date.now() + 10_000
    while (!reason.test(server.log()) && Date.now() < end) await delay(20)
    match(server.log(), reason)
  }
  const openssl = async (...words: readonly string[]): Promise<void> => {
    const address = `${server.host}:${server.port}`
    const child = spawn('openssl', ['s_client', '-connect', address, ...words], {
      stdio: ['ignore', 'ignore', 'ignore'],
      timeout: 20_000,
    })
    await once(child, 'exit')
  }
  const pem = (name: string): string => join(server.dataDir, 'pki', name)

  it('is a version of TLS that is too old', async () => {
    await openssl('-tls1_1', '-cipher', 'ALL@SECLEVEL=0')
    await logged(/a TLS handshake failed .*no version of TLS that this server allows/)
  })

  it('is that the client does not trust the server', async () => {
    const own = ['-cert', pem('admin.pem'), '-key', pem('admin.key')]
    await openssl('-verify_return_error', '-CAfile', pem('admin.pem'), ...own)
    await logged(/a TLS handshake failed .*does not trust the certificate of this server/)
  })

  it('is that what came is no TLS', async () => {
    const socket = connect(server.port, server.host)
    socket.on('error', () => {}).resume()
    socket.end('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await once(socket, 'close')
    await logged(/a TLS handshake failed .*is no TLS/)
  })

  it('never shows where in its source OpenSSL was', () => {
    doesNotMatch(server.log(), /SSL routines|\.c:\d+/)
  })
})
