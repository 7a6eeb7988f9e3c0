/**
 * The KMIP listener as clients see it: versions, batches, what belongs to whom, and what is left
 * of a server that is narrowed. A real process, real TLS.
 *
 * KMIP 2.1 §6, §9 and §10. Its limits are in `server-limits.test.ts`, nonsense
 * is in `server-mutated.test.ts`.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { encodeRequest, KmipClient } from '#clients/kmip/client.ts'
import type { ConnectOptions } from '#clients/kmip/connection.ts'
import {
  AES,
  CREATE,
  created,
  isSuccess,
  QUERY,
  query,
  reasonOf,
} from '#conformance/kmip-requests.ts'
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
import { type Item, ItemType } from '#wire/ttlv/item.ts'
import type { Version } from '#wire/ttlv/version.ts'

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
    const name = { id: 'name', value: { nameValue: 'undone', nameType: 1 } } as const
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
