/**
 * The KMIP listener against clients that do what they should not: a real process, real TLS, raw
 * bytes.
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
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { RawClient } from '#conformance/raw-client.ts'
import { askServer } from '#server/control.ts'
import {
  DestroyAction,
  ObjectType,
  ResultReason,
  ShreddingAlgorithm,
} from '#spec/kmip/enumerations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { encodeItem } from '#wire/ttlv/binary.ts'
import { type Item, ItemType, structure } from '#wire/ttlv/item.ts'
import type { Version } from '#wire/ttlv/version.ts'

const SEED = Number(process.env['SEED'] ?? 20_240_611)

const AES = [
  { id: 'cryptographicAlgorithm', value: 3 },
  { id: 'cryptographicLength', value: 256 },
  { id: 'cryptographicUsageMask', value: 12 },
] as const
const CREATE = { objectType: 2, attributes: { attributes: AES } } as const

const QUERY = encodeItem(encodeRequest([query()], 14))

function query() {
  return { operation: 'Query', payload: { queryFunction: [1] } } as const
}

function reasonOf(item: Item | undefined, version: Version = 21): number | undefined {
  assert.ok(item, 'the server has closed without an answer')
  const [result] = decodeResponse(item, version)
  return result?.ok === false ? result.error.reason : undefined
}

function isSuccess(item: Item | undefined, version: Version = 14): boolean {
  assert.ok(item, 'the server has closed without an answer')
  return decodeResponse(item, version).every(({ ok }) => ok)
}

/** Creates a key; its identifier as text. */
async function created(kmip: KmipClient): Promise<string> {
  const { uniqueIdentifier } = await kmip.call('Create', CREATE)
  assert.ok(typeof uniqueIdentifier === 'string')
  return uniqueIdentifier
}

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

describe('a KMIP server', { timeout: 120_000 }, () => {
  let server: OwnServer
  let options: ConnectOptions
  let kmip: KmipClient

  before(async () => {
    server = await startOwnServer()
    options = await server.newClient()
    kmip = new KmipClient(options)
  })
  after(async () => {
    kmip.close()
    await server.stop()
  })

  it('speaks two versions on one connection', async () => {
    const raw = await RawClient.open(options)
    raw.send(encodeItem(encodeRequest([query()], 10)))
    raw.send(QUERY)
    raw.send(encodeItem(encodeRequest([query()], 21)))
    for (const version of [10, 14, 21] as const) {
      const answer = (await raw.next()) as Item
      assert.ok(isSuccess(answer, version))
      const bytes = Buffer.from(encodeItem(answer)).toString('hex')
      const minor = (version % 10).toString(16).padStart(8, '0')
      assert.ok(bytes.includes(`42006b0200000004${minor}`), `Protocol Version Minor ${minor}`)
    }
    raw.close()
  })

  it('answers a version of another major with Invalid Message and its own', async () => {
    const raw = await RawClient.open(options)
    const bytes = Buffer.from(QUERY)
    bytes.writeInt32BE(9, bytes.indexOf(Buffer.from('42006a0200000004', 'hex')) + 8)
    raw.send(bytes)
    assert.equal(reasonOf(await raw.next()), ResultReason.InvalidMessage)
    raw.close()
  })

  it('shows a client only what its version knows: Fresh from 1.1 on, tags from 2.0 on', async () => {
    const { uniqueIdentifier } = await kmip.call('Create', CREATE, { version: 14 })
    const raw = await RawClient.open(options)
    const get = { operation: 'GetAttributes', payload: { uniqueIdentifier } } as const
    const asked = async (version: Version): Promise<string> => {
      const payload = { ...get.payload, attributeRefs: [] }
      raw.send(encodeItem(encodeRequest([{ ...get, payload }], version)))
      const answer = (await raw.next()) as Item
      assert.ok(isSuccess(answer, version))
      return Buffer.from(encodeItem(answer)).toString('latin1')
    }
    const tagOf = (tag: number): string => Buffer.from(tag.toString(16), 'hex').toString('latin1')
    const v10 = await asked(10)
    assert.ok(v10.includes('Cryptographic Algorithm') && !v10.includes('Fresh'))
    assert.ok(!v10.includes('Sensitive'))
    const v14 = await asked(14)
    assert.ok(v14.includes('Fresh') && v14.includes('Sensitive'))
    const v21 = await asked(21)
    assert.ok(!v21.includes('Cryptographic Algorithm'))
    assert.ok(v21.includes(tagOf(Tag.CryptographicAlgorithm)) && v21.includes(tagOf(Tag.Fresh)))
    raw.close()
  })

  it('passes the ID Placeholder on within a batch, and empties it on a failure', async () => {
    for (const version of [10, 14, 21] as const) {
      const results = await kmip.batch(
        [
          { operation: 'Create', payload: CREATE },
          { operation: 'Activate', payload: {} },
          { operation: 'Get', payload: { uniqueIdentifier: 'nobody' } },
          { operation: 'Get', payload: {} },
        ],
        { onError: 'continue', version },
      )
      assert.deepEqual(
        results.map(({ ok }) => ok),
        [true, true, false, false],
      )
    }
  })

  it('says in the payload of a refused Check what is refused, in KMIP 1.x', async () => {
    const uniqueIdentifier = await created(kmip)
    const raw = await RawClient.open(options)
    const check = {
      uniqueIdentifier,
      cryptographicUsageMask: 1,
      usageLimitsCount: 5n,
      leaseTime: 9,
    }
    const payloadAt = async (version: Version): Promise<readonly Item[] | undefined> => {
      raw.send(encodeItem(encodeRequest([{ operation: 'Check', payload: check }], version)))
      const answer = (await raw.next()) as Item
      assert.notEqual(reasonOf(answer, version), undefined)
      const [, batchItem] = answer.value as readonly Item[]
      const fields = batchItem?.value as readonly Item[]
      return fields.find(({ tag }) => tag === Tag.ResponsePayload)?.value as readonly Item[]
    }
    const mask = { tag: Tag.CryptographicUsageMask, type: ItemType.Integer, value: 1 }
    assert.deepEqual(await payloadAt(10), [mask])
    assert.deepEqual(await payloadAt(14), [mask])
    assert.equal(await payloadAt(21), undefined, 'the published cases of 2.1 have no payload')
    raw.close()
  })

  it('allocates usage until the Usage Limits are spent, all or nothing', async () => {
    const usageLimits = { usageLimitsTotal: 1_000n, usageLimitsUnit: 1 }
    const activation = { id: 'activationDate', value: 1 } as const
    const attributes = [...AES, activation, { id: 'usageLimits', value: usageLimits } as const]
    const { uniqueIdentifier } = await kmip.call('Create', {
      objectType: 2,
      attributes: { attributes },
    })
    const allocate = (usageLimitsCount: bigint, version: Version = 21) => {
      return kmip.call('GetUsageAllocation', { uniqueIdentifier, usageLimitsCount }, { version })
    }
    await allocate(600n)
    await assert.rejects(allocate(401n), { reason: ResultReason.UsageLimitExceeded })
    await allocate(400n, 10)
    await assert.rejects(allocate(1n, 14), { reason: ResultReason.PermissionDenied })
    await assert.rejects(allocate(0n), { reason: ResultReason.InvalidField })
  })

  it('refuses to allocate usage without Usage Limits, and in no state to protect', async () => {
    const id = await created(kmip)
    const wish = { uniqueIdentifier: id, usageLimitsCount: 1n }
    const allocate = (version: Version) => kmip.call('GetUsageAllocation', wish, { version })
    await assert.rejects(allocate(14), { reason: ResultReason.IllegalOperation })
    await assert.rejects(allocate(21), { reason: ResultReason.AttributeNotFound })
    const usageLimits = { usageLimitsTotal: 5n, usageLimitsUnit: 2 }
    const newAttribute = { id: 'usageLimits', value: usageLimits } as const
    await kmip.call('AddAttribute', { uniqueIdentifier: id, newAttribute })
    const attributeRefs = ['usageLimits'] as const
    const found = await kmip.call('GetAttributes', { uniqueIdentifier: id, attributeRefs })
    assert.deepEqual(found.attributes?.attributes[0]?.value, {
      ...usageLimits,
      usageLimitsCount: 5n,
    })
    await assert.rejects(allocate(14), { message: /Pre-?Active/ })
  })

  it('leases a key until it is compromised', async () => {
    const uniqueIdentifier = await created(kmip)
    const lease = await kmip.call('ObtainLease', { uniqueIdentifier })
    assert.equal(lease.uniqueIdentifier, uniqueIdentifier)
    assert.ok(Math.abs(lease.lastChangeDate - Date.now() / 1000) < 60)
    const attributeRefs = ['leaseTime'] as const
    const { attributes } = await kmip.call('GetAttributes', { uniqueIdentifier, attributeRefs })
    assert.equal(attributes?.attributes[0]?.value, lease.leaseTime)
    const revocationReason = { revocationReasonCode: 2 } as const
    await kmip.call('Revoke', { uniqueIdentifier, revocationReason })
    const reason = ResultReason.PermissionDenied
    await assert.rejects(kmip.call('ObtainLease', { uniqueIdentifier }, { version: 14 }), {
      reason,
    })
  })

  it('stops at the first failure of a batch by default', async () => {
    const results = await kmip.batch([
      { operation: 'Get', payload: { uniqueIdentifier: 'nobody' } },
      { operation: 'Create', payload: CREATE },
    ])
    assert.deepEqual(
      results.map(({ ok }) => ok),
      [false],
    )
  })

  it('undoes a batch: nothing of it is left', async () => {
    const before = await kmip.call('Create', CREATE)
    const name = { id: 'name', value: { nameValue: `undo-${SEED}`, nameType: 1 } } as const
    const results = await kmip.batch(
      [
        {
          operation: 'Create',
          payload: { objectType: 2, attributes: { attributes: [...AES, name] } },
        },
        { operation: 'Activate', payload: { uniqueIdentifier: before.uniqueIdentifier } },
        { operation: 'Get', payload: { uniqueIdentifier: 'nobody' } },
      ],
      { onError: 'undo' },
    )
    assert.ok(results.every(({ ok }) => !ok))
    const located = await kmip.call('Locate', { attribute: [], attributes: { attributes: [name] } })
    assert.deepEqual(located.uniqueIdentifier, [])
    const { attributes } = await kmip.call('GetAttributes', {
      uniqueIdentifier: before.uniqueIdentifier,
      attributeRefs: ['state'],
    })
    assert.equal(attributes?.attributes.find(({ id }) => id === 'state')?.value, 1)
  })

  it("hides another client's objects: not found, in every operation", async () => {
    const { uniqueIdentifier } = await kmip.call('Create', CREATE)
    await using stranger = new KmipClient(await server.newClient())
    const located = await stranger.call('Locate', { attribute: [] })
    assert.deepEqual(located.uniqueIdentifier, [])
    const requests = [
      { operation: 'Get', payload: { uniqueIdentifier } },
      { operation: 'GetAttributes', payload: { uniqueIdentifier, attributeRefs: [] } },
      { operation: 'Activate', payload: { uniqueIdentifier } },
      { operation: 'Destroy', payload: { uniqueIdentifier } },
      { operation: 'Encrypt', payload: { uniqueIdentifier, data: Buffer.alloc(16) } },
    ] as const
    for (const request of requests) {
      const [result] = await stranger.batch([request], { version: 21 })
      assert.ok(result?.ok === false)
      assert.equal(result.error.reason, ResultReason.ObjectNotFound, request.operation)
    }
    await kmip.call('Get', { uniqueIdentifier })
  })

  it('masks secrets in the wire log, which one client can have alone', async () => {
    const watched = await server.newClient()
    const list = (await askServer(server.dataDir, 'credential.list', {})) as { name: string }[]
    const newest = list.map((one) => one.name).filter((one) => one.startsWith('client-'))
    const watchedName = newest.find((one) => server.client(one).cert === watched.cert) as string
    for (const format of ['xml', 'json', 'hex'] as const) {
      await askServer(server.dataDir, 'wirelog.on', { name: watchedName, format })
      await using noisy = new KmipClient(watched)
      const uniqueIdentifier = await created(noisy)
      const got = await noisy.call('Get', { uniqueIdentifier })
      const material = Buffer.from(bytesWithin(got.object) ?? [])
      assert.equal(material.length, 32)
      const quiet = await created(kmip)
      await new Promise((resolve) => setTimeout(resolve, 200))
      const log = server.log()
      const shown =
        format === 'hex' ? Buffer.from(uniqueIdentifier).toString('hex') : uniqueIdentifier
      assert.ok(log.includes(shown), `${format}: the exchange is in the log`)
      assert.ok(!log.toLowerCase().includes(material.toString('hex')), `${format}: no key bytes`)
      assert.ok(!log.includes(material.toString('base64')), `${format}: no key bytes in base64`)
      assert.ok(!log.includes(quiet), 'others are not in the log')
    }
    await askServer(server.dataDir, 'wirelog.off', { name: watchedName })
    assert.deepEqual(await askServer(server.dataDir, 'wirelog.list', {}), [])
  })

  it('closes the connections of a credential that is revoked, and lets it in no more', async () => {
    const name = 'to-be-revoked'
    await askServer(server.dataDir, 'credential.create', { name })
    const raw = await RawClient.open(server.client(name))
    raw.send(QUERY)
    assert.ok(isSuccess(await raw.next()))
    await askServer(server.dataDir, 'credential.revoke', { name })
    await raw.ended(3_000)
    const again = await RawClient.open(server.client(name)).catch(() => undefined)
    again?.send(QUERY)
    assert.equal(await again?.next(), undefined)
    await kmip.call('Query', { queryFunction: [1] })
  })

  it('survives mutated requests: each is answered in good form, or the connection closes', async () => {
    process.stdout.write(`# mutation seed ${SEED}\n`)
    const random = randomFrom(SEED)
    const uniqueIdentifier = await created(kmip)
    const seeds = [10, 14, 21].flatMap((version) =>
      validRequests(uniqueIdentifier, version as Version),
    )
    const bystander = await RawClient.open(options)
    for (let round = 0; round < 400; round++) {
      const raw = await RawClient.open(options)
      const seed = seeds[random(seeds.length)] as Uint8Array
      const bytes = mutated(seed, random)
      raw.send(bytes)
      raw.socket.end()
      try {
        // RawClient decodes every answer and throws on one that is not well-formed.
        let answer = await raw.next()
        while (answer !== undefined) {
          assert.equal(answer.tag, Tag.ResponseMessage)
          answer = await raw.next()
        }
      } catch (error) {
        assert.fail(`round ${round}: ${Buffer.from(bytes).toString('hex')}: ${String(error)}`)
      }
      if (round % 50 > 0) continue
      bystander.send(QUERY)
      assert.ok(isSuccess(await bystander.next()), `round ${round}: another client is served`)
    }
    bystander.close()
    assert.equal(server.process.exitCode, null)
    assert.ok(!server.log().includes('a KMIP message failed'), server.log().slice(-2_000))
    assert.ok(!server.log().includes('a KMIP operation failed'), server.log().slice(-2_000))
  })
})

/** The first bytes anywhere in a value. */
function bytesWithin(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value
  if (typeof value !== 'object' || value === null) return undefined
  for (const inner of Object.values(value)) {
    const found = bytesWithin(inner)
    if (found !== undefined) return found
  }
  return undefined
}

type Random = (below: number) => number

/** Mulberry32: the same numbers for the same seed. */
function randomFrom(seed: number): Random {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

function validRequests(uniqueIdentifier: string, version: Version): readonly Uint8Array[] {
  const data = Buffer.alloc(32, 7)
  const requests = [
    query(),
    { operation: 'Create', payload: CREATE },
    { operation: 'Get', payload: { uniqueIdentifier } },
    { operation: 'GetAttributes', payload: { uniqueIdentifier, attributeRefs: ['state'] } },
    { operation: 'Locate', payload: { attribute: [], maximumItems: 3 } },
    {
      operation: 'AddAttribute',
      payload: { uniqueIdentifier, newAttribute: { id: 'contactInformation', value: 'me' } },
    },
    ...(version < 12
      ? []
      : [{ operation: 'Encrypt', payload: { uniqueIdentifier, data } } as const]),
  ] as const
  const single = requests.map((request) => encodeItem(encodeRequest([request], version)))
  return [...single, encodeItem(encodeRequest(requests, version, 'continue'))]
}

/** The same bytes with a few changed, cut out or put in; the length in the header mostly fits. */
function mutated(bytes: Uint8Array, random: Random): Uint8Array {
  let out = Buffer.from(bytes)
  for (let count = 1 + random(4); count > 0; count--) {
    const at = random(out.length)
    const kind = random(10)
    if (kind < 6) out[at] = random(256)
    else if (kind < 7) out[at] = (out[at] as number) ^ (1 << random(8))
    else if (kind < 8) out = Buffer.concat([out.subarray(0, at), out.subarray(at + 8)])
    else if (kind < 9) {
      out = Buffer.concat([out.subarray(0, at), out.subarray(at, at + 16), out.subarray(at)])
    } else out = Buffer.from(out.subarray(0, Math.max(1, at)))
  }
  if (out.length >= 8 && random(4) > 0) {
    bytes.subarray(0, 4).forEach((byte, index) => {
      out[index] = byte
    })
    out.writeUInt32BE(out.length - 8, 4)
  }
  return out
}

describe('a KMIP server that is narrowed', { timeout: 60_000 }, () => {
  const operations = 'DiscoverVersions, Query, Create, CreateKeyPair, Get, Locate, Destroy'
  let server: OwnServer
  let kmip: KmipClient

  before(async () => {
    server = await startOwnServer({
      env: {
        CLAVIGER_KMIP_QUERY_OPERATIONS: `[${operations}]`,
        CLAVIGER_KMIP_QUERY_OBJECTS: '[SymmetricKey, PublicKey]',
        CLAVIGER_KMIP_QUERY_VENDOR_IDENTIFICATION: 'www.example.org; gateway 1',
        CLAVIGER_KMIP_QUERY_DESTROY_ACTION: 'Unspecified',
      },
    })
    kmip = new KmipClient(server.client('admin'))
  })
  after(async () => {
    kmip.close()
    await server.stop()
  })

  it('tells in Query what is left, and claims no profile that needs more', async () => {
    const answer = await kmip.call('Query', { queryFunction: [1, 2, 3, 8, 10, 11] })
    assert.deepEqual([...answer.operation].sort(), [1, 2, 8, 10, 20, 24, 30].sort())
    assert.deepEqual(answer.objectType, [ObjectType.SymmetricKey, ObjectType.PublicKey])
    assert.equal(answer.vendorIdentification, 'www.example.org; gateway 1')
    assert.deepEqual(answer.profileInformation, [])
    const [capabilities] = answer.capabilityInformation
    assert.equal(capabilities?.destroyAction, DestroyAction.Unspecified)
    assert.equal(capabilities?.shreddingAlgorithm, ShreddingAlgorithm.Cryptographic)
  })

  it('refuses what is left out: operations, and objects of other types', async () => {
    const id = await created(kmip)
    assert.ok(await kmip.call('Get', { uniqueIdentifier: id }))
    const activate = kmip.call('Activate', { uniqueIdentifier: id })
    await assert.rejects(activate, { reason: ResultReason.OperationNotSupported })
    const secret = kmip.call('Create', { ...CREATE, objectType: ObjectType.SecretData })
    await assert.rejects(secret, { reason: ResultReason.FeatureNotSupported })
    const pair = kmip.call('CreateKeyPair', {})
    await assert.rejects(pair, { reason: ResultReason.FeatureNotSupported, message: /PrivateKey/ })
  })
})
