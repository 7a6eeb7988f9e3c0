/**
 * Locate where the index alone does not know the answer: pages and totals are those of the objects
 * that match, and a structure may be given in part.
 *
 * KMIP 1.4 §4.9, KMIP 2.1 §6.1.29; a real server over TLS.
 *
 * @module
 */
import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { KmipClient, type KmipError } from '#clients/kmip/client.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import { ObjectGroupMember, ResultReason } from '#spec/kmip/enumerations.ts'
import type { Version } from '#wire/ttlv/version.ts'

const AES: readonly ListedAttribute[] = [
  { id: 'cryptographicAlgorithm', value: 3 },
  { id: 'cryptographicLength', value: 256 },
  { id: 'cryptographicUsageMask', value: 12 },
]

/** In Locate: objects that do not have the date. KMIP 1.4 §4.9. */
const NO_DATE = Infinity

describe('Locate', { timeout: 120_000 }, () => {
  let server: OwnServer
  let client: KmipClient
  /** Oldest first; every other one has no Activation Date. */
  const ids: string[] = []

  const make = async (more: readonly ListedAttribute[]): Promise<string> => {
    const attributes = { attributes: [...AES, ...more] }
    const { uniqueIdentifier } = await client.call('Create', { objectType: 2, attributes })
    return uniqueIdentifier as string
  }

  interface Page {
    readonly maximumItems?: number
    readonly offsetItems?: number
  }
  const locate = async (
    wanted: readonly ListedAttribute[],
    page: Page = {},
    version: Version = 21,
  ) => {
    const filter =
      version >= 20
        ? { attribute: [], attributes: { attributes: wanted } }
        : { attribute: wanted, attributes: undefined }
    return client.call('Locate', { ...filter, ...page }, { version })
  }

  before(async () => {
    server = await startOwnServer()
    client = new KmipClient({ ...server.client('admin'), version: 21 })
    for (let at = 0; at < 6; at++) {
      const dated = at % 2 === 1 ? [{ id: 'activationDate', value: 1_000 + at } as const] : []
      ids.push(await make([{ id: 'objectGroup', value: 'paged' }, ...dated]))
    }
  })
  after(async () => {
    client?.close()
    await server?.stop()
  })

  const group = { id: 'objectGroup', value: 'paged' } as const
  const undated = { id: 'activationDate', value: NO_DATE } as const

  it('pages through objects that lack a date', async () => {
    const found: unknown[] = []
    for (let offsetItems = 0; offsetItems < 3; offsetItems++) {
      const page = await locate([group, undated], { maximumItems: 1, offsetItems })
      equal(page.locatedItems, 3)
      found.push(...page.uniqueIdentifier)
    }
    deepEqual(found, [ids[4], ids[2], ids[0]])
  })

  it('says how many match, and not how many were looked at', async () => {
    const all = await locate([group, undated], {}, 14)
    equal(all.locatedItems, 3)
    equal(all.uniqueIdentifier.length, 3)
    equal((await locate([group, undated], { offsetItems: 2 }, 14)).uniqueIdentifier.length, 1)
  })

  it('pages through what is not indexed', async () => {
    const usageLimits = { usageLimitsTotal: 9n, usageLimitsCount: 9n, usageLimitsUnit: 2 }
    const limited = await make([group, { id: 'usageLimits', value: usageLimits }])
    await make([group])
    const wanted = { id: 'usageLimits', value: { usageLimitsTotal: 5n } } as const
    const page = await locate([wanted], { maximumItems: 1 })
    deepEqual([page.locatedItems, page.uniqueIdentifier], [1, [limited]])
  })

  it('does not put parts of two instances together', async () => {
    const first = { linkType: 0x107, linkedObjectIdentifier: 'a' }
    const second = { linkType: 0x108, linkedObjectIdentifier: 'b' }
    await make([
      { id: 'link', value: first },
      { id: 'link', value: second },
    ])
    const mixed = { id: 'link', value: { ...first, linkedObjectIdentifier: 'b' } } as const
    equal((await locate([mixed])).locatedItems, 0)
    equal((await locate([{ id: 'link', value: second }])).locatedItems, 1)
  })

  it('takes a structure in part, in every version', async () => {
    const name = { nameValue: 'in part', nameType: 1 }
    const named = await make([{ id: 'name', value: name }])
    const inPart = { id: 'name', value: { nameValue: 'in part' } } as const
    for (const version of [10, 12, 14, 20, 21] as const) {
      deepEqual((await locate([inPart], {}, version)).uniqueIdentifier, [named])
    }
    const any = await locate([{ id: 'name', value: {} }])
    ok(any.uniqueIdentifier.includes(named))
    ok(!any.uniqueIdentifier.includes(ids[0] as string))
  })

  it('refuses an Object Group Member that does not exist', async () => {
    const objectGroupMember = 9 as ObjectGroupMember
    const request = { attribute: [], attributes: { attributes: [group] }, objectGroupMember }
    await rejects(client.call('Locate', request), (error: KmipError) => {
      equal(error.reason, ResultReason.UnknownEnumeration)
      return true
    })
    const fresh = { ...request, objectGroupMember: ObjectGroupMember.GroupMemberFresh }
    ok((await client.call('Locate', fresh)).uniqueIdentifier.length > 0)
  })
})
