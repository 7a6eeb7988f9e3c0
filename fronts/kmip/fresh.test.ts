/**
 * Fresh: until an object has been given out, whoever asks and however many do so at once.
 *
 * KMIP 1.4 §3.36 and §4.9 (Object Group Member), KMIP 2.1 §4.23; a real server over TLS.
 *
 * @module
 */
import { deepEqual, equal, rejects } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { KmipClient } from '#clients/kmip/client.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import {
  KeyFormatType,
  ObjectGroupMember,
  ObjectType,
  ResultReason,
} from '#spec/kmip/enumerations.ts'
import type { RequestOf } from '#spec/kmip/operations.ts'
import { Tag } from '#spec/kmip/tags.ts'

const CLIENTS = 8

describe('Fresh', { timeout: 60_000 }, () => {
  let server: OwnServer
  let clients: readonly KmipClient[] = []
  const first = (): KmipClient => clients[0] as KmipClient

  before(async () => {
    server = await startOwnServer()
    clients = Array.from({ length: CLIENTS }, () => {
      return new KmipClient({ ...server.client('admin'), version: 21 })
    })
  })
  after(async () => {
    for (const client of clients) client.close()
    await server?.stop()
  })

  const made = async (more: readonly ListedAttribute[]): Promise<string> => {
    const attributes = [
      { id: 'cryptographicAlgorithm', value: 3 },
      { id: 'cryptographicLength', value: 128 },
      { id: 'cryptographicUsageMask', value: 12 },
      ...more,
    ] as const
    const request = { objectType: ObjectType.SymmetricKey, attributes: { attributes } }
    return (await first().call('Create', request)).uniqueIdentifier as string
  }
  const freshOf = (group: string): RequestOf<'Locate'> => ({
    attribute: [],
    attributes: { attributes: [{ id: 'objectGroup', value: group }] },
    objectGroupMember: ObjectGroupMember.GroupMemberFresh,
    maximumItems: 1,
  })
  const isFresh = async (uniqueIdentifier: string): Promise<unknown> => {
    const request = { uniqueIdentifier, attributeRefs: [] }
    const { attributes } = await first().call('GetAttributes', request)
    return attributes?.attributes.find(({ id }) => id === 'fresh')?.value
  }

  it('ends with the first of several Gets that come at once, each of which is answered', async () => {
    const group = [{ id: 'objectGroup', value: 'one for all' }] as const
    const oldest = await made(group)
    const next = await made(group)
    const located = await Promise.all(
      clients.map((client) => client.call('Locate', freshOf('one for all'))),
    )
    deepEqual(new Set(located.flatMap((one) => one.uniqueIdentifier)), new Set([oldest]))
    const got = await Promise.all(
      clients.map((client) => client.call('Get', { uniqueIdentifier: oldest })),
    )
    for (const { object } of got) deepEqual(object, got[0]?.object)
    equal(await isFresh(oldest), false)
    deepEqual((await first().call('Locate', freshOf('one for all'))).uniqueIdentifier, [next])
  })

  it('is false by the time the first answer is there', async () => {
    const id = await made([])
    const gets = clients.map(async (client) => {
      await client.call('Get', { uniqueIdentifier: id })
      return isFresh(id)
    })
    deepEqual(new Set(await Promise.all(gets)), new Set([false]))
  })

  it('stays while each Get is refused', async () => {
    const sensitive = await made([{ id: 'sensitive', value: true }])
    await rejects(first().call('Get', { uniqueIdentifier: sensitive }), {
      reason: ResultReason.Sensitive,
    })
    equal(await isFresh(sensitive), true)
    const plain = await made([])
    const odd = { uniqueIdentifier: plain, keyFormatType: KeyFormatType.PKCS_8 }
    await rejects(first().call('Get', odd), { reason: ResultReason.KeyFormatTypeNotSupported })
    equal(await isFresh(plain), true)
  })

  it('stays where the version of the request cannot carry the object', async () => {
    const { uniqueIdentifier } = await first().call('Register', {
      objectType: ObjectType.CertificateRequest,
      attributes: { attributes: [] },
      object: {
        tag: Tag.CertificateRequest,
        value: { certificateRequestType: 2, certificateRequestValue: Buffer.from('a request') },
      },
    })
    await rejects(first().call('Get', { uniqueIdentifier }, { version: 14 }), {
      reason: ResultReason.InvalidField,
    })
    equal(await isFresh(uniqueIdentifier as string), true)
    await first().call('Get', { uniqueIdentifier })
    equal(await isFresh(uniqueIdentifier as string), false)
  })
})
