/**
 * The KMIP listener at its limits: messages too long, too deep or too slow, connections too many,
 * and a stop that does not wait for ever.
 *
 * KMIP 2.1 §9 and §10; the limits are those of `core/limits.ts`, set small.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { connect as connectTcp } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { decodeResponse, encodeRequest, KmipClient } from '#clients/kmip/client.ts'
import type { ConnectOptions } from '#clients/kmip/connection.ts'
import { created, isSuccess, QUERY, query, reasonOf } from '#conformance/kmip-requests.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { RawClient } from '#conformance/raw-client.ts'
import { ResultReason } from '#spec/kmip/enumerations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { encodeItem } from '#wire/ttlv/binary.ts'
import { type Item, ItemType, structure } from '#wire/ttlv/item.ts'
import type { Version } from '#wire/ttlv/version.ts'

/** A request whose payload nests this many structures. */
function nested(depth: number): Uint8Array {
  let item: Item = structure(Tag.RequestPayload, [])
  for (let level = 0; level < depth; level++) item = structure(Tag.RequestPayload, [item])
  return encodeItem(structure(Tag.RequestMessage, [item]))
}

describe('a KMIP server with small limits', { timeout: 120_000 }, () => {
  let server: OwnServer
  let client: ConnectOptions

  before(async () => {
    server = await startOwnServer({
      env: {
        CLAVIGER_LIMITS_MESSAGE_BYTES_MAX: '8192',
        CLAVIGER_LIMITS_DEPTH_MAX: '8',
        CLAVIGER_LIMITS_ITEMS_MAX: '100',
        CLAVIGER_LIMITS_BATCH_ITEMS_MAX: '3',
        CLAVIGER_LIMITS_CONNECTIONS_MAX: '6',
        CLAVIGER_LIMITS_CONNECTIONS_PER_CLIENT_MAX: '3',
        CLAVIGER_LIMITS_HANDSHAKE_SECONDS: '1',
        CLAVIGER_LIMITS_IDLE_SECONDS: '5',
        CLAVIGER_LIMITS_REQUEST_SECONDS: '1',
        CLAVIGER_LIMITS_PIPELINE_MAX: '2',
        CLAVIGER_LIMITS_RANDOM_BYTES_MAX: '64',
        CLAVIGER_LIMITS_LOCATE_ITEMS_MAX: '2',
        CLAVIGER_LIMITS_ATTRIBUTE_INSTANCES_MAX: '40',
        CLAVIGER_LIMITS_ATTRIBUTE_BYTES_MAX: '4096',
      },
    })
    client = await server.newClient()
  })
  after(() => server.stop())

  const withRaw = async (work: (raw: RawClient) => Promise<void>): Promise<void> => {
    const raw = await RawClient.open(client)
    try {
      await work(raw)
    } finally {
      raw.close()
      await raw.ended()
    }
  }

  it('says Invalid Message to a message without a meaning, and goes on', () =>
    withRaw(async (raw) => {
      const broken = Buffer.from(QUERY)
      broken[11] = 0x1f
      raw.send(broken)
      assert.equal(reasonOf(await raw.next()), ResultReason.InvalidMessage)
      raw.send(QUERY)
      assert.ok(isSuccess(await raw.next()))
    }))

  it('says Invalid Message to bytes that are no KMIP, closes, and disturbs nobody', () =>
    withRaw(async (raw) => {
      const other = await RawClient.open(client)
      raw.send(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))
      assert.equal(reasonOf(await raw.next()), ResultReason.InvalidMessage)
      await raw.ended()
      other.send(QUERY)
      assert.ok(isSuccess(await other.next()))
      other.close()
    }))

  it('refuses a message longer than messageBytesMax before it has come', () =>
    withRaw(async (raw) => {
      const head = Buffer.from('4200780100002008', 'hex')
      raw.send(head)
      const answer = await raw.next()
      assert.equal(reasonOf(answer), ResultReason.InvalidMessage)
      await raw.ended()
    }))

  it('takes a message of exactly messageBytesMax', () =>
    withRaw(async (raw) => {
      const filler = {
        tag: 0x540001,
        type: ItemType.ByteString,
        value: Buffer.alloc(8_176),
      } as Item
      raw.send(encodeItem(structure(Tag.RequestMessage, [filler])))
      const answer = await raw.next()
      assert.notEqual(reasonOf(answer), undefined)
      raw.send(QUERY)
      assert.ok(isSuccess(await raw.next()), 'the connection lives on')
    }))

  it('refuses what nests deeper than depthMax', () =>
    withRaw(async (raw) => {
      raw.send(nested(8))
      const [result] = decodeResponse((await raw.next()) as Item, 21)
      assert.ok(result?.ok === false)
      assert.match(result.error.message, /deeper than 8/)
    }))

  it('refuses more items than itemsMax', () =>
    withRaw(async (raw) => {
      const one = { tag: Tag.QueryFunction, type: ItemType.Enumeration, value: 1 } as Item
      raw.send(encodeItem(structure(Tag.RequestMessage, Array<Item>(100).fill(one))))
      const [result] = decodeResponse((await raw.next()) as Item, 21)
      assert.ok(result?.ok === false)
      assert.match(result.error.message, /more than 100 items/)
    }))

  it('refuses more batch items than batchItemsMax', () =>
    withRaw(async (raw) => {
      raw.send(encodeItem(encodeRequest([query(), query(), query()], 21)))
      assert.ok(isSuccess(await raw.next(), 21))
      raw.send(encodeItem(encodeRequest([query(), query(), query(), query()], 21)))
      assert.equal(reasonOf(await raw.next()), ResultReason.ServerLimitExceeded)
    }))

  it('refuses a Batch Count that is not the number of Batch Items', () =>
    withRaw(async (raw) => {
      const bytes = Buffer.from(QUERY)
      const at = bytes.indexOf(Buffer.from('42000d0200000004', 'hex'))
      bytes.writeInt32BE(2, at + 8)
      raw.send(bytes)
      assert.equal(reasonOf(await raw.next(), 14), ResultReason.InvalidMessage)
    }))

  it('gives no more random bytes than randomBytesMax', () =>
    withRaw(async (raw) => {
      const request = (dataLength: number) =>
        encodeItem(encodeRequest([{ operation: 'RNGRetrieve', payload: { dataLength } }], 14))
      raw.send(request(64))
      assert.ok(isSuccess(await raw.next()))
      raw.send(request(65))
      assert.ok(!isSuccess(await raw.next()))
    }))

  it('locates no more than locateItemsMax, and tells how many there are', async () => {
    await using kmip = new KmipClient(await server.newClient())
    for (let count = 0; count < 3; count++) await created(kmip)
    const wish = { attribute: [], maximumItems: 10 }
    const { uniqueIdentifier, locatedItems } = await kmip.call('Locate', wish)
    assert.equal(uniqueIdentifier.length, 2)
    assert.equal(locatedItems, 3)
    const total = async (version: Version, maximumItems?: number) => {
      return (await kmip.call('Locate', { attribute: [], maximumItems }, { version })).locatedItems
    }
    assert.equal(await total(12), undefined, 'KMIP 1.2 does not have it')
    for (const version of [13, 14, 20, 21] as const) {
      assert.equal(await total(version), 3, `${version}`)
      assert.equal(await total(version, 0), 3, `${version}, none wanted`)
    }
  })

  it('keeps no more attributes than attributeInstancesMax and attributeBytesMax', async () => {
    await using kmip = new KmipClient(await server.newClient())
    const uniqueIdentifier = await created(kmip)
    const add = (value: string) => {
      const newAttribute = { id: 'objectGroup', value } as const
      return kmip.call('AddAttribute', { uniqueIdentifier, newAttribute }, { version: 21 })
    }
    await add('x'.repeat(2_000))
    await assert.rejects(add('y'.repeat(3_000)), { reason: ResultReason.ServerLimitExceeded })
    let added = 0
    const fill = async (): Promise<void> => {
      while (added < 41) await add(`group ${++added}`)
    }
    await assert.rejects(fill(), { reason: ResultReason.ServerLimitExceeded })
    assert.ok(added > 10 && added < 41, `${added}`)
  })

  it('answers pipelined requests in their order, beyond pipelineMax too', () =>
    withRaw(async (raw) => {
      const count = 20
      const requests = Array.from({ length: count }, (_, index) =>
        encodeItem(
          encodeRequest([{ operation: 'RNGRetrieve', payload: { dataLength: index + 1 } }], 14),
        ),
      )
      raw.send(Buffer.concat(requests))
      for (let index = 0; index < count; index++) {
        const [result] = decodeResponse((await raw.next()) as Item, 14)
        assert.ok(result?.ok)
        assert.equal((result.payload as { data: Uint8Array }).data.length, index + 1)
      }
    }))

  it('closes a connection whose request does not arrive in whole within requestSeconds', () =>
    withRaw(async (raw) => {
      raw.send(QUERY.subarray(0, 40))
      await raw.ended(4_000)
    }))

  it('closes a client that sends a byte now and then', () =>
    withRaw(async (raw) => {
      let at = 0
      const timer = setInterval(() => raw.send(QUERY.subarray(at, ++at)), 100)
      try {
        await raw.ended(4_000)
      } finally {
        clearInterval(timer)
      }
    }))

  it('keeps a client whose every request arrives in time but never ends with a segment', () =>
    withRaw(async (raw) => {
      const stream = Buffer.concat(Array<Uint8Array>(8).fill(QUERY))
      const step = QUERY.length
      raw.send(stream.subarray(0, step / 2))
      for (let at = step / 2; at < stream.length; at += step) {
        await new Promise((resolve) => setTimeout(resolve, 250))
        raw.send(stream.subarray(at, at + step))
      }
      for (let count = 0; count < 8; count++) assert.ok(isSuccess(await raw.next()))
    }))

  it('closes a connection that is idle for idleSeconds', () =>
    withRaw(async (raw) => {
      const start = Date.now()
      await raw.ended(9_000)
      assert.ok(Date.now() - start > 4_000)
    }))

  it('closes a connection that does not shake hands within handshakeSeconds', async () => {
    const socket = connectTcp(client.port, client.host)
    socket.on('error', () => {})
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    const late = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error('still open')), 5_000).unref()
    })
    socket.resume()
    await Promise.race([closed, late])
  })

  it('turns away the connection beyond connectionsPerClientMax and beyond connectionsMax', async () => {
    const another = await server.newClient()
    const third = await server.newClient()
    const open: RawClient[] = []
    const alive = async (options: ConnectOptions): Promise<boolean> => {
      try {
        const raw = await RawClient.open(options)
        open.push(raw)
        raw.send(QUERY)
        return (await raw.next()) !== undefined
      } catch {
        return false
      }
    }
    for (let count = 0; count < 3; count++) assert.ok(await alive(client))
    assert.ok(!(await alive(client)), 'a fourth of one credential')
    for (let count = 0; count < 3; count++) assert.ok(await alive(another))
    assert.ok(!(await alive(third)), 'a seventh of all')
    for (const raw of open) raw.close()
    await Promise.all(open.map((raw) => raw.ended()))
  })
})

describe('a KMIP server that is told to stop', { timeout: 60_000 }, () => {
  it('waits drainSeconds for a client that does not read its answers, and no longer', async () => {
    const server = await startOwnServer({ env: { CLAVIGER_LIMITS_DRAIN_SECONDS: '2' } })
    const raw = await RawClient.open(await server.newClient())
    raw.socket.pause()
    const random = { operation: 'RNGRetrieve', payload: { dataLength: 262_144 } } as const
    // More than the buffers of the operating system take.
    raw.send(Buffer.concat(Array<Uint8Array>(60).fill(encodeItem(encodeRequest([random], 14)))))
    await new Promise((resolve) => setTimeout(resolve, 500))
    const start = performance.now()
    assert.equal(await server.stop(), 0)
    const took = performance.now() - start
    assert.ok(took > 1_900 && took < 7_000, `it has stopped after ${took} ms`)
    raw.close()
  })
})
