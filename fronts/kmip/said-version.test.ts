/**
 * Refusals of messages that cannot be read, over TLS: in the version that the message says.
 *
 * @module
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { encodeRequest } from '#clients/kmip/client.ts'
import type { ConnectOptions } from '#clients/kmip/connection.ts'
import { query } from '#conformance/kmip-requests.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { RawClient } from '#conformance/raw-client.ts'
import { ResultReason } from '#spec/kmip/enumerations.ts'
import { ResponseMessage } from '#spec/kmip/messages.ts'
import { encodeItem } from '#wire/ttlv/binary.ts'
import { VERSION_MAX, VERSIONS, type Version } from '#wire/ttlv/version.ts'

const LENGTH_AT = 4

describe('A message that cannot be read', { timeout: 60_000 }, () => {
  let server: OwnServer
  let client: ConnectOptions
  before(async () => {
    server = await startOwnServer({ env: { CLAVIGER_LIMITS_MESSAGE_BYTES_MAX: '8192' } })
    client = server.client('admin')
  })
  after(() => server?.stop())

  const requestOf = (version: Version): Buffer =>
    Buffer.from(encodeItem(encodeRequest([query()], version)))
  /** The last item is given a type that there is not. */
  const spoilt = (bytes: Buffer): Buffer => {
    bytes[bytes.length - 13] = 0x7f
    return bytes
  }
  const refusal = async (bytes: Uint8Array) => {
    const raw = await RawClient.open(client)
    raw.send(bytes)
    const answer = await raw.next()
    raw.close()
    ok(answer)
    const read = ResponseMessage.decode(answer, { version: VERSION_MAX, misplaced: 'refuse' })
    const { major, minor } = read.responseHeader.protocolVersion
    const [item] = read.batchItem
    equal(item?.resultReason, ResultReason.InvalidMessage)
    return major * 10 + minor
  }

  it('is refused in its version', async () => {
    for (const version of VERSIONS) equal(await refusal(spoilt(requestOf(version))), version)
  })

  it('is refused in its version where it is too long', async () => {
    for (const version of VERSIONS) {
      const bytes = requestOf(version)
      bytes.writeUInt32BE(100_000, LENGTH_AT)
      equal(await refusal(bytes), version)
    }
  })

  it('is refused in our newest where it says none, or one that is not spoken', async () => {
    const [none, strange] = [requestOf(10), requestOf(10)]
    none[18] = 0
    strange[35] = 9
    const garbage = Buffer.from('POST /kmip HTTP/1.1\r\n\r\n')
    const versions = [await refusal(spoilt(none)), await refusal(spoilt(strange))]
    deepEqual([...versions, await refusal(garbage)], [VERSION_MAX, VERSION_MAX, VERSION_MAX])
  })
})
