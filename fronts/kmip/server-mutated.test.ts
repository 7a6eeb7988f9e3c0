/**
 * The KMIP listener against requests that were changed at random: a real process, real TLS.
 *
 * KMIP 2.1 §9. The seed is printed; the variable SEED gives another.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { encodeRequest, KmipClient } from '#clients/kmip/client.ts'
import type { ConnectOptions } from '#clients/kmip/connection.ts'
import { CREATE, created, isSuccess, QUERY, query } from '#conformance/kmip-requests.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { RawClient } from '#conformance/raw-client.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { encodeItem } from '#wire/ttlv/binary.ts'
import type { Version } from '#wire/ttlv/version.ts'

const SEED = Number(process.env['SEED'] ?? 20_240_611)

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

describe('a KMIP server that is sent nonsense', { timeout: 120_000 }, () => {
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
