/**
 * A server of our own, and a client of it, for the tests of one block.
 *
 * @module
 */
import { after, before } from 'node:test'
import { KmipClient } from '#clients/kmip/client.ts'
import type { Version } from '#wire/ttlv/version.ts'
import { type OwnServer, startOwnServer } from './own-server.ts'

/**
 * The administrator's client; both are there from before the first test of the block that calls
 * this until after the last.
 *
 * @param version Of requests that say none.
 */
export function ownClient(version: Version = 21): Pick<KmipClient, 'call' | 'send'> {
  let server: OwnServer
  let client: KmipClient
  before(async () => {
    server = await startOwnServer()
    client = new KmipClient({ ...server.client('admin'), version })
  })
  after(async () => {
    client?.close()
    await server?.stop()
  })
  return {
    call: (operation, payload, options) => client.call(operation, payload, options),
    send: (message) => client.send(message),
  }
}
