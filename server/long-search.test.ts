/**
 * Searches that no index decides, over more objects than are in memory: they have a bound in time,
 * are in the log with their reason, and nobody waits for them.
 *
 * KMIP 2.1 §6.1.29, PKCS#11 3.2 §5.7; a real server, and its core in this process.
 *
 * @module
 */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { KmipClient } from '#clients/kmip/client.ts'
import { Pkcs11Client } from '#clients/pkcs11-rpc/client.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { AttributeBag } from '#core/attribute-bag.ts'
import type { Context } from '#core/context.ts'
import type { ManagedObject } from '#core/objects.ts'
import { locate } from '#core/operations/find.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import { ObjectType, ResultReason } from '#spec/kmip/enumerations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { CKA, CKF } from '#spec/pkcs11/constants.ts'
import { readConfig } from './config.ts'
import { House } from './house.ts'
import { createLog } from './log.ts'

const OBJECTS = 12_000
/** So many objects at most are read in one go. */
const ROW = 200
const SILENT = createLog({ level: 'silent', format: 'json' })

function objectOf(index: number): ManagedObject {
  const id = `object-${index}`
  const attributes = AttributeBag.of([
    { id: 'uniqueIdentifier', value: id },
    { id: 'objectType', value: ObjectType.OpaqueObject },
    { id: 'name', value: { nameValue: id, nameType: 1 } },
    { id: 'initialDate', value: 1_700_000_000 },
    { id: 'lastChangeDate', value: 1_700_000_000 },
  ])
  const value = { opaqueDataType: 1, opaqueDataValue: Buffer.from(id) }
  const body = { tag: Tag.OpaqueObject, value } as ManagedObject['body']
  return { id, scope: 'admin', owner: 'admin', revision: 1, attributes, body }
}

const CHANGED: ListedAttribute = { id: 'lastChangeDate', value: 1 }
const OPAQUE: ListedAttribute = { id: 'objectType', value: ObjectType.OpaqueObject }

describe('a search that no index decides', { timeout: 180_000 }, () => {
  const dataDir = join(mkdtempSync(join(tmpdir(), 'claviger-search-')), 'data')
  after(() => rmSync(join(dataDir, '..'), { recursive: true, force: true }))
  const open = (): Promise<House> => {
    const config = readConfig(undefined, { CLAVIGER_LIMITS_OBJECT_CACHE_MAX: '0' })
    return House.open({ dataDir, config, log: SILENT })
  }
  before(async () => {
    const house = await open()
    for (let at = 0; at < OBJECTS; at += 2_000) {
      const changes = Array.from({ length: 2_000 }, (_, n) => ({ after: objectOf(at + n) }))
      await house.services.store.commit(changes, [])
    }
    await house.close()
  })

  it('lets others have their turn, and so does a total', async () => {
    const house = await open()
    const { services } = house
    const principal = { name: 'admin', scope: 'admin' }
    const context: Context = { services, principal, front: 'x', operation: 'Locate', now: 0 }
    /** Turns that others have had meanwhile. */
    const turnsDuring = async (work: Promise<unknown>): Promise<number> => {
      let turns = 0
      let done = false
      void work.finally(() => {
        done = true
      })
      while (!done) {
        await turn()
        turns++
      }
      return turns
    }
    try {
      const through = locate(context, { attributes: [CHANGED], count: true })
      const turns = await turnsDuring(through)
      ok(turns >= OBJECTS / ROW, `${turns} turns`)
      deepEqual(await through, { ids: [], total: 0 })
      const counted = locate(context, { attributes: [OPAQUE], maximumItems: 1, count: true })
      ok((await turnsDuring(counted)) >= 2)
      deepEqual(await counted, { ids: [`object-${OBJECTS - 1}`], total: OBJECTS })
    } finally {
      await house.close()
    }
  })

  describe('on a server with a bound of 200 milliseconds', () => {
    let server: OwnServer
    let kmip: KmipClient
    before(async () => {
      const env = {
        CLAVIGER_LIMITS_SEARCH_MILLISECONDS: '200',
        CLAVIGER_LIMITS_OBJECT_CACHE_MAX: '0',
        CLAVIGER_PKCS11_TOKENS: '[{name: main, principal: admin, login: none}]',
      }
      server = await startOwnServer({ dataDir, env })
      kmip = new KmipClient(server.client('admin'))
    })
    after(async () => {
      kmip?.close()
      await server?.stop()
    })
    const search = (attributes: readonly ListedAttribute[], version: 14 | 20 | 21) => {
      const wanted =
        version === 14
          ? { attribute: attributes, attributes: undefined }
          : { attribute: [], attributes: { attributes } }
      return kmip.call('Locate', wanted, { version })
    }

    it('ends by KMIP with the limit, the attribute and the way out', async () => {
      const message =
        /^Cannot locate: \d+00 .* 200 ms \(limits.searchMilliseconds\), .* Last Change Date; ask/
      const reason = ResultReason.ServerLimitExceeded
      await rejects(search([CHANGED], 21), { message, reason })
      await rejects(search([CHANGED], 20), { message, reason })
      await rejects(search([CHANGED], 14), { message, reason: ResultReason.GeneralFailure })
    })

    it('is in the log with who has asked, and for what', () => {
      const line =
        /WARN a search took long: .* principal=admin .*"Last Change Date" objects=\d+ millisec/
      match(server.log(), line)
    })

    it('is answered where a name is given as well, and others are answered as ever', async () => {
      const name: ListedAttribute = { id: 'name', value: { nameValue: 'object-7', nameType: 1 } }
      deepEqual((await search([name], 21)).uniqueIdentifier, ['object-7'])
      deepEqual((await search([name, CHANGED], 21)).uniqueIdentifier, [])
      const all = await search([OPAQUE], 21)
      equal(all.locatedItems, OBJECTS)
      equal(all.uniqueIdentifier.length, 10_000)
    })

    it('ends by PKCS#11 too', async () => {
      const module = await Pkcs11Client.connect(join(dataDir, 'run', 'pkcs11.sock'))
      try {
        await module.initialize()
        const { phSession: hSession } = await module.call('C_OpenSession', {
          slotID: 0,
          flags: CKF.SERIAL_SESSION,
        })
        const pTemplate = [{ type: CKA.VALUE, value: Buffer.from('object-0 or not') }]
        await module.call('C_FindObjectsInit', { hSession, pTemplate })
        await rejects(module.call('C_FindObjects', { hSession, phObject: 5 }), /HOST_MEMORY/)
        match(server.log(), /a search took long: .* front=pkcs11 undecided=CKA_VALUE/)
        match(server.log(), /Cannot find objects: \d+ objects were read in 200 ms/)
      } finally {
        module.close()
      }
    })
  })
})
