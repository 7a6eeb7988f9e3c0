/**
 * Rights to single objects, on a real server: who grants, what a grant lets do and what not, and
 * how grants end.
 *
 * @module
 */
import { deepEqual, equal, match, rejects } from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, it } from 'node:test'
import { KmipClient, KmipError } from '#clients/kmip/client.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import type { AuditEntry } from '#core/audit.ts'
import {
  BlockCipherMode,
  EncodingOption,
  CryptographicUsageMask as Mask,
  ResultReason,
  WrappingMethod,
} from '#spec/kmip/enumerations.ts'
import { nameOf } from '#spec/kmip/table.ts'
import { askServer } from './control.ts'

const GCM = { blockCipherMode: BlockCipherMode.GCM, tagLength: 16, randomIV: true }

async function refused(reason: keyof typeof ResultReason, work: Promise<unknown>, why = /./) {
  await rejects(work, (error) => {
    if (!(error instanceof KmipError)) throw error
    equal(nameOf(ResultReason, error.reason), reason, error.message)
    match(error.message, why)
    return true
  })
}

describe('rights to single objects', { timeout: 120_000 }, () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'claviger-access-'))
  let server: OwnServer
  const clients = new Map<string, KmipClient>()
  const as = (name: string): KmipClient => {
    const known = clients.get(name)
    if (known !== undefined) return known
    const client = new KmipClient(server.client(name))
    clients.set(name, client)
    return client
  }
  const disconnect = (): void => {
    for (const client of clients.values()) client.close()
    clients.clear()
  }
  const restart = async (): Promise<void> => {
    disconnect()
    await server.stop()
    server = await server.restart()
  }
  const createAs = async (
    name: string,
    bits = 256,
    mask: number = Mask.Encrypt | Mask.Decrypt,
  ): Promise<string> => {
    const attributes = [
      { id: 'cryptographicAlgorithm', value: 3 },
      { id: 'cryptographicLength', value: bits },
      { id: 'cryptographicUsageMask', value: mask },
      { id: 'activationDate', value: 1 },
    ] as const
    const made = await as(name).call('Create', { objectType: 2, attributes: { attributes } })
    return String(made.uniqueIdentifier)
  }
  const encryptAs = (name: string, uniqueIdentifier: string) => {
    const data = Buffer.from('letter')
    return as(name).call('Encrypt', { uniqueIdentifier, cryptographicParameters: GCM, data })
  }
  const getAs = (name: string, id: string) => as(name).call('Get', { uniqueIdentifier: id })
  const locatedBy = async (name: string): Promise<readonly string[]> => {
    const found = await as(name).call('Locate', { attribute: [], attributes: { attributes: [] } })
    equal(found.locatedItems, found.uniqueIdentifier.length)
    return found.uniqueIdentifier.map(String)
  }
  const grantAs = (name: string, id: string, principal: string, ...right: readonly string[]) =>
    as(name).call('GrantAccess', { uniqueIdentifier: id, principal, right })
  const revokeAs = (name: string, id: string, principal: string, ...right: readonly string[]) =>
    as(name).call('RevokeAccess', { uniqueIdentifier: id, principal, right })
  const listAs = async (name: string, id: string) => {
    const { grant } = await as(name).call('ListAccess', { uniqueIdentifier: id })
    return grant.map(({ principal, right }) => `${principal}: ${right.join(' ')}`)
  }

  before(async () => {
    server = await startOwnServer({ dataDir, env: { CLAVIGER_ACCESS_SHARERS: '[admin, ann]' } })
    for (const name of ['ann', 'bob', 'cleo'])
      await askServer(dataDir, 'credential.create', { name })
  })
  after(async () => {
    disconnect()
    await server?.stop()
    rmSync(dataDir, { recursive: true, force: true })
  })

  it('let exactly the operations be done that were granted', async () => {
    const key = await createAs('ann')
    await refused('ObjectNotFound', encryptAs('bob', key))
    deepEqual((await grantAs('ann', key, 'bob', 'encrypt')).right, ['encrypt'])
    const sealed = await encryptAs('bob', key)
    const open = {
      uniqueIdentifier: key,
      cryptographicParameters: GCM,
      data: sealed.data,
      ivCounterNonce: sealed.ivCounterNonce,
      authenticatedEncryptionTag: sealed.authenticatedEncryptionTag,
    }
    await refused(
      'PermissionDenied',
      as('bob').call('Decrypt', open),
      /granted encrypt, not decrypt/,
    )
    await refused('PermissionDenied', getAs('bob', key), /not get/)
    for (const operation of ['Destroy', 'ReKey', 'Activate'] as const) {
      await refused('PermissionDenied', as('bob').call(operation, { uniqueIdentifier: key }))
    }
    await grantAs('ann', key, 'bob', 'decrypt', 'Get')
    deepEqual(Buffer.from((await as('bob').call('Decrypt', open)).data ?? []).toString(), 'letter')
    await getAs('bob', key)
    await refused('ObjectNotFound', encryptAs('cleo', key))
  })

  it('are asked for from the key that wraps, for what it does', async () => {
    const [kek, own] = [await createAs('ann', 256, Mask.WrapKey), await createAs('bob')]
    const wrapped = () =>
      as('bob').call('Get', {
        uniqueIdentifier: own,
        keyWrappingSpecification: {
          wrappingMethod: WrappingMethod.Encrypt,
          encryptionKeyInformation: {
            uniqueIdentifier: kek,
            cryptographicParameters: { blockCipherMode: BlockCipherMode.AESKeyWrapPadding },
          },
          attributeName: [],
          encodingOption: EncodingOption.NoEncoding,
        },
      })
    await refused('WrappingObjectNotFound', wrapped())
    await grantAs('ann', kek, 'bob', 'get')
    await refused('PermissionDenied', wrapped(), /granted get, not encrypt/)
    await grantAs('ann', kek, 'bob', 'encrypt')
    await wrapped()
  })

  it('let the object be found, with its attributes, by those alone who have any', async () => {
    const [one, two] = [await createAs('ann'), await createAs('ann')]
    await grantAs('ann', one, 'cleo', 'sign')
    const located = await locatedBy('cleo')
    equal(located.includes(one) && !located.includes(two), true)
    const { attributes } = await as('cleo').call('GetAttributes', {
      uniqueIdentifier: one,
      attributeRefs: ['cryptographicLength'],
    })
    deepEqual(
      attributes?.attributes.map(({ value }) => value),
      [256],
    )
    await refused(
      'ObjectNotFound',
      as('cleo').call('GetAttributes', { uniqueIdentifier: two, attributeRefs: [] }),
    )
    // Pages go on from what is one's own to what is shared.
    const own = await createAs('cleo')
    const paged = async (offsetItems: number) => {
      const page = { maximumItems: 1, offsetItems, attribute: [] }
      const found = await as('cleo').call('Locate', { ...page, attributes: { attributes: [] } })
      equal(found.locatedItems, 2)
      return found.uniqueIdentifier
    }
    deepEqual([await paged(0), await paged(1), await paged(2)], [[own], [one], []])
    const wanted = [{ id: 'cryptographicLength', value: 128 }] as const
    const none = await as('cleo').call('Locate', {
      attribute: [],
      attributes: { attributes: wanted },
    })
    deepEqual(none.uniqueIdentifier, [])
  })

  it('put no object where others search but from those who are trusted to', async () => {
    const key = await createAs('bob')
    await grantAs('bob', key, 'cleo', 'encrypt', 'locate')
    equal((await locatedBy('cleo')).includes(key), false)
    await encryptAs('cleo', key)
    const { attributes } = await as('cleo').call('GetAttributes', {
      uniqueIdentifier: key,
      attributeRefs: ['state'],
    })
    equal(attributes?.attributes.length, 1)
    await refused('PermissionDenied', grantAs('bob', key, '*', 'encrypt'), /access\.sharers/)
  })

  it('are granted by the owners of the object alone, to whoever there is', async () => {
    const key = await createAs('ann')
    await refused('ObjectNotFound', grantAs('bob', key, 'bob', 'get'))
    await grantAs('ann', key, 'bob', 'get')
    await refused('PermissionDenied', grantAs('bob', key, 'cleo', 'get'), /not passed on/)
    await refused('PermissionDenied', grantAs('bob', key, 'bob', 'decrypt'))
    await refused('PermissionDenied', as('bob').call('ListAccess', { uniqueIdentifier: key }))
    await refused('ObjectNotFound', grantAs('ann', key, 'nobody', 'get'), /no credential "nobody"/)
    await refused(
      'InvalidField',
      grantAs('ann', key, 'cleo', 'fly'),
      /no such right; there are: get/,
    )
    await refused('InvalidField', grantAs('ann', key, 'cleo', 'rekey'), /its owner does it/)
    await refused('InvalidField', grantAs('ann', key, 'cleo'), /nothing/)
    deepEqual(await listAs('ann', key), ['bob: get'])
    const { grant } = await as('bob').call('ListAccess', { obtained: true })
    equal(
      grant.some(({ uniqueIdentifier }) => uniqueIdentifier === key),
      true,
    )
  })

  it('are taken back at once, one by one', async () => {
    const key = await createAs('ann')
    await grantAs('ann', key, 'bob', 'encrypt', 'get')
    deepEqual((await revokeAs('ann', key, 'bob', 'get')).right, ['encrypt'])
    await refused('PermissionDenied', getAs('bob', key))
    await encryptAs('bob', key)
    deepEqual((await revokeAs('ann', key, 'bob', 'encrypt')).right, [])
    await refused('ObjectNotFound', encryptAs('bob', key))
    deepEqual(await listAs('ann', key), [])
    await grantAs('ann', key, '*', 'encrypt')
    await Promise.all(['bob', 'cleo', 'admin'].map((name) => encryptAs(name, key)))
    await revokeAs('ann', key, '*', 'encrypt')
    await refused('ObjectNotFound', encryptAs('cleo', key))
  })

  it('are written together, however many are granted at a time', async () => {
    const key = await createAs('ann')
    const rights = ['get', 'encrypt', 'decrypt', 'sign', 'mac', 'activate']
    await Promise.all(rights.map((right) => grantAs('ann', key, 'bob', right)))
    deepEqual(await listAs('ann', key), ['bob: get encrypt decrypt sign mac activate'])
  })

  it('stand in the audit trail, as do the uses', async () => {
    const key = await createAs('ann')
    await grantAs('ann', key, 'bob', 'get')
    await getAs('bob', key)
    await revokeAs('ann', key, 'bob', 'get')
    const trail = (await askServer(dataDir, 'audit.list', { object: key })) as AuditEntry[]
    const told = trail.map(({ principal, operation, detail }) => {
      return `${principal} ${operation} ${detail ?? ''}`.trim()
    })
    for (const line of ['ann GrantAccess bob: get', 'bob Get', 'ann RevokeAccess bob: nothing']) {
      equal(told.includes(line), true, `${line} is not in: ${told.join('; ')}`)
    }
  })

  it('are not part of a batch that may be undone', async () => {
    const key = await createAs('ann')
    const payload = { uniqueIdentifier: key, principal: 'bob', right: ['get'] }
    const grant = { operation: 'GrantAccess', payload } as const
    const answers = await as('ann').batch([grant, grant], { onError: 'undo' })
    equal(answers[0]?.ok, false)
    deepEqual(await listAs('ann', key), [])
  })

  it('survive a restart, and end with the object and with the credential', async () => {
    const [kept, ended] = [await createAs('ann'), await createAs('ann')]
    await askServer(dataDir, 'credential.create', { name: 'dan' })
    for (const key of [kept, ended]) {
      await grantAs('ann', key, 'bob', 'encrypt')
      await grantAs('ann', key, 'dan', 'encrypt')
    }
    await restart()
    await encryptAs('bob', kept)
    const reason = { revocationReasonCode: 6 } as const
    await as('ann').call('Revoke', { uniqueIdentifier: ended, revocationReason: reason })
    await as('ann').call('Destroy', { uniqueIdentifier: ended })
    await refused(
      'ObjectNotFound',
      as('bob').call('GetAttributes', { uniqueIdentifier: ended, attributeRefs: [] }),
    )
    deepEqual(await listAs('ann', ended), [])
    await askServer(dataDir, 'credential.revoke', { name: 'dan' })
    deepEqual(await listAs('ann', kept), ['bob: encrypt'])
    await refused('ObjectNotFound', grantAs('ann', kept, 'dan', 'encrypt'), /revoked/)
  })

  it('cannot be written into the database', async () => {
    const [key, other] = [await createAs('ann'), await createAs('ann')]
    await grantAs('ann', key, 'bob', 'get')
    await grantAs('ann', other, 'bob', 'get')
    await server.kill()
    const database = new DatabaseSync(join(dataDir, 'claviger.db'))
    const id = JSON.stringify([key, 'bob'])
    const row = database
      .prepare("SELECT bytes FROM records WHERE kind = 'grant' AND id = ?")
      .get(id)
    const bytes = Buffer.from(row?.['bytes'] as Uint8Array)
    const text = bytes.toString('latin1')
    const more = Buffer.from(text.replace('"deeds":1,', '"deeds":9,'), 'latin1')
    equal(more.equals(bytes), false)
    database.prepare("UPDATE records SET bytes = ? WHERE kind = 'grant' AND id = ?").run(more, id)
    database.close()
    await restart()
    await refused('ObjectNotFound', getAs('bob', key))
    await getAs('bob', other)
    match(server.log(), /a grant was altered/)
    const checked = (await askServer(dataDir, 'verify', {})) as { problems: string[] }
    match(checked.problems.join(), /^Cannot use grant .*its record was altered$/)
  })
})
