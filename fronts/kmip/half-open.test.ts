/**
 * A client that ends its side once it has asked, as a script does whose input is a file.
 *
 * @module
 */
import { equal, ok } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { encodeRequest } from '#clients/kmip/client.ts'
import type { ConnectOptions } from '#clients/kmip/connection.ts'
import { CREATE, isSuccess, query } from '#conformance/kmip-requests.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { RawClient } from '#conformance/raw-client.ts'
import { encodeItem } from '#wire/ttlv/binary.ts'

const CREATION = encodeItem(encodeRequest([{ operation: 'Create', payload: CREATE }], 14))
const QUESTION = encodeItem(encodeRequest([query()], 14))

describe('A client that ends its side after its requests', { timeout: 60_000 }, () => {
  let server: OwnServer
  let client: ConnectOptions
  before(async () => {
    server = await startOwnServer()
    client = server.client('admin')
  })
  after(() => server?.stop())

  it('gets the answers that take their time, and then the end', async () => {
    const raw = await RawClient.open(client)
    raw.socket.end(Buffer.concat([CREATION, CREATION, QUESTION]))
    for (let answers = 0; answers < 3; answers++) ok(isSuccess(await raw.next()))
    await raw.ended()
  })

  it('gets the end at once where nothing is under way, or half a message', async () => {
    for (const sent of [Buffer.alloc(0), Buffer.from(CREATION.subarray(0, 20))]) {
      const raw = await RawClient.open(client)
      raw.socket.end(sent)
      await raw.ended()
      equal(await raw.next(), undefined)
    }
  })
})
