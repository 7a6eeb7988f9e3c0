/**
 * Connections that begin a TLS handshake and never end it: anybody on the network can open them,
 * and nobody else may notice.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { encodeRequest } from '#clients/kmip/client.ts'
import type { ConnectOptions } from '#clients/kmip/connection.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { RawClient } from '#conformance/raw-client.ts'
import { encodeItem } from '#wire/ttlv/binary.ts'

const QUERY = encodeItem(
  encodeRequest([{ operation: 'Query', payload: { queryFunction: [1] } }], 14),
)
/** The beginning of a TLS record with a ClientHello of 512 bytes. */
const HELLO = Buffer.from('1603010200010001fc0303', 'hex')

describe('handshakes that do not end', { timeout: 60_000 }, () => {
  let server: OwnServer
  let client: ConnectOptions
  const strangers = new Set<Socket>()
  before(async () => {
    server = await startOwnServer({
      env: {
        CLAVIGER_LIMITS_CONNECTIONS_MAX: '6',
        CLAVIGER_LIMITS_HANDSHAKES_MAX: '8',
        CLAVIGER_LIMITS_HANDSHAKE_SECONDS: '30',
      },
    })
    client = await server.newClient()
  })
  after(async () => {
    for (const stranger of strangers) stranger.destroy()
    await server.stop()
  })

  const opened = (first: Uint8Array): Promise<Socket> =>
    new Promise((resolve) => {
      const socket = connect(server.port, server.host, () => {
        if (first.length > 0) socket.write(first)
        resolve(socket)
      })
      socket.on('error', () => {})
      socket.on('close', () => strangers.delete(socket))
      strangers.add(socket)
      socket.resume()
    })
  const answered = async (): Promise<RawClient> => {
    const raw = await RawClient.open(client)
    raw.send(QUERY)
    assert.notEqual(await raw.next(5_000), undefined)
    return raw
  }

  it('keep no client out, and no more than handshakesMax of them stay', async () => {
    const before = await answered()
    for (let count = 0; count < 40; count++) {
      await opened(count % 2 === 0 ? HELLO : new Uint8Array(0))
    }
    const raw = await answered()
    assert.ok(!before.isClosed, 'whoever was in stays in')
    for (let tries = 0; strangers.size > 8 && tries < 50; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    assert.equal(strangers.size <= 8, true, `${strangers.size} are open`)
    assert.ok(strangers.size > 0, 'those that came last still may')
    raw.close()
    before.close()
    await Promise.all([raw.ended(), before.ended()])
  })

  it('do not count as connections', async () => {
    for (let count = 0; count < 8; count++) await opened(HELLO)
    const clients: RawClient[] = []
    for (let count = 0; count < 6; count++) clients.push(await answered())
    await assert.rejects(async () => answered(), 'the seventh of all')
    for (const one of clients) one.close()
    await Promise.all(clients.map((one) => one.ended()))
    ;(await answered()).close()
  })
})
