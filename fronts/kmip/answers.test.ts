/**
 * Short requests for long answers: what waits to be sent has an end.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { decodeResponse, encodeRequest } from '#clients/kmip/client.ts'
import type { ConnectOptions } from '#clients/kmip/connection.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { RawClient } from '#conformance/raw-client.ts'
import { ResultReason } from '#spec/kmip/enumerations.ts'
import { encodeItem } from '#wire/ttlv/binary.ts'

const RANDOM = { operation: 'RNGRetrieve', payload: { dataLength: 30_000 } } as const

describe('a batch with a long answer', { timeout: 60_000 }, () => {
  let server: OwnServer
  let client: ConnectOptions
  before(async () => {
    server = await startOwnServer({ env: { CLAVIGER_LIMITS_ANSWER_BYTES_MAX: '65536' } })
    client = await server.newClient()
  })
  after(() => server.stop())

  it('stops once answerBytesMax is reached, and says so', async () => {
    const raw = await RawClient.open(client)
    raw.send(encodeItem(encodeRequest(Array(1_000).fill(RANDOM), 14)))
    const answer = await raw.next()
    assert.ok(answer)
    const results = decodeResponse(answer, 14)
    assert.deepEqual(
      results.map(({ ok }) => ok),
      [true, true, true, false],
    )
    const last = results.at(-1)
    assert.equal(last?.ok === false && last.error.reason, ResultReason.ResponseTooLarge)
    assert.match(last?.ok === false ? last.error.message : '', /answerBytesMax/)
    raw.close()
    await raw.ended()
  })
})
