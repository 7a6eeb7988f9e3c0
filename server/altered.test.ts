/**
 * One row of the database was altered by another program: everything else goes on, and nobody can
 * overlook it.
 *
 * A real server with its commands, KMIP and PKCS#11; see decisions/0021-altered-records.md.
 *
 * @module
 */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { KmipClient } from '#clients/kmip/client.ts'
import { Pkcs11Client } from '#clients/pkcs11-rpc/client.ts'
import { commandsIn } from '#conformance/commands.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import { CryptographicAlgorithm, ObjectType, State } from '#spec/kmip/enumerations.ts'
import { CKA, CKF, CKO } from '#spec/pkcs11/constants.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import { askServer } from './control.ts'

/** In Locate: objects that do not have the date. KMIP 1.4 §4.9. */
const NO_DATE = Infinity
const ALTERED = /its record was altered or swapped/

describe('a record that was altered', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-altered-'))
  const dataDir = join(folder, 'data')
  const ids: string[] = []
  let altered: string
  let server: OwnServer
  let kmip: KmipClient
  let module: Pkcs11Client
  const commands = commandsIn(() => ({ folder, dataDir }))

  /** Flips a bit of a record, as a broken disk or another program would. */
  const alter = (kind: string, id: string): void => {
    const file = new DatabaseSync(join(dataDir, 'claviger.db'))
    const row = file.prepare('SELECT bytes FROM records WHERE kind = ? AND id = ?').get(kind, id)
    const bytes = Buffer.from(row?.['bytes'] as Uint8Array)
    bytes[20] = (bytes[20] as number) ^ 1
    file.prepare('UPDATE records SET bytes = ? WHERE kind = ? AND id = ?').run(bytes, kind, id)
    file.close()
  }
  const create = async (name: string, more: readonly ListedAttribute[] = []): Promise<string> => {
    const attributes: readonly ListedAttribute[] = [
      { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
      { id: 'cryptographicLength', value: 256 },
      { id: 'cryptographicUsageMask', value: 12 },
      { id: 'name', value: { nameValue: name, nameType: 1 } },
      ...more,
    ]
    const wish = { objectType: ObjectType.SymmetricKey, attributes: { attributes } }
    return String((await kmip.call('Create', wish)).uniqueIdentifier)
  }
  const locate = async (...attributes: readonly ListedAttribute[]): Promise<readonly string[]> => {
    const answer = await kmip.call('Locate', { attribute: [], attributes: { attributes } })
    return answer.uniqueIdentifier.map(String)
  }

  before(async () => {
    server = await startOwnServer({ dataDir })
    kmip = new KmipClient({ ...server.client('admin'), version: 21 })
    // The date of the second one is reached while nobody looks: the sweep wants to write it down.
    const soon = Math.floor(Date.now() / 1_000) + 5
    for (const name of ['first', 'second', 'third']) {
      ids.push(await create(name, [{ id: 'activationDate', value: soon }]))
    }
    altered = ids[1] as string
    await askServer(dataDir, 'credential.create', { name: 'app' })
    kmip.close()
    await server.stop()
    alter('object', altered)
    alter('credential', 'app')
    const tokens = '[{name: main, principal: admin, login: none}]'
    const env = { CLAVIGER_METRICS_LISTEN: '127.0.0.1:0', CLAVIGER_PKCS11_TOKENS: tokens }
    server = await startOwnServer({ dataDir, env })
    kmip = new KmipClient({ ...server.client('admin'), version: 21 })
    module = await Pkcs11Client.connect(join(dataDir, 'run', 'pkcs11.sock'))
    await module.initialize()
  })
  after(async () => {
    module?.close()
    kmip?.close()
    await server?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  it('is found by KMIP where the index finds it, and refused when it is read', async () => {
    const type = { id: 'objectType', value: ObjectType.SymmetricKey } as const
    deepEqual((await locate(type)).toSorted(), ids.toSorted())
    deepEqual(await locate({ id: 'name', value: { nameValue: 'second' } }), [altered])
    await rejects(kmip.call('Get', { uniqueIdentifier: altered }), { message: ALTERED })
    match(server.log(), /ERROR a KMIP operation failed reason=".*was altered.*" operation=Get/)
    await kmip.call('Get', { uniqueIdentifier: ids[0] })
  })

  it('is left out by KMIP where it would have to be read to be found', async () => {
    deepEqual(await locate({ id: 'deactivationDate', value: NO_DATE }), [ids[2], ids[0]])
    // To say that there is no such name would be a lie: the client would make another key.
    const name = { nameValue: 'second', nameType: 1 }
    deepEqual(await locate({ id: 'name', value: name }), [altered])
  })

  it('keeps no other from its state, nor a search for states from its answer', async () => {
    const end = Date.now() + 30_000
    const others = ids.filter((id) => id !== altered).toSorted()
    let active: readonly string[] = []
    while (active.length < others.length && Date.now() < end) {
      active = await locate({ id: 'state', value: State.Active })
      await delay(100)
    }
    deepEqual(active.toSorted(), others)
    match(server.log(), /a record was altered: its state stays as it is/)
  })

  it('is named by `keys list`, which lists the others and fails', async () => {
    const { code, out, errors } = await commands.run('keys list')
    equal(code, 1)
    ok(out.includes('first') && out.includes('third') && !out.includes(altered), out)
    match(errors, /1 object is there and cannot be read/)
    match(errors, new RegExp(`${altered}: Cannot use object .*altered`))
    match(errors, /claviger data verify/)
    const json = await commands.run('keys list --json')
    equal(json.code, 1)
    const rows = JSON.parse(json.out) as readonly { id: string; error?: string }[]
    deepEqual(rows.map(({ id }) => id).toSorted(), ids.toSorted())
    deepEqual(
      rows.flatMap(({ id, error }) => (error === undefined ? [] : id)),
      [altered],
    )
    await commands.refused('keys list --name second', ALTERED)
  })

  it('is in the log and in the audit trail of who has searched', async () => {
    match(server.log(), /ERROR a search has come upon records that were altered operation=Locate/)
    const entries = (await askServer(dataDir, 'audit.list', {
      object: altered,
      operation: 'Locate',
    })) as readonly { principal: string; outcome: string; detail: string }[]
    ok(entries.length > 0, 'an entry')
    for (const { principal, outcome, detail } of entries) {
      deepEqual([principal, outcome], ['admin', 'tampered'])
      match(detail, ALTERED)
    }
  })

  it('ends no search of PKCS#11 but one for its own name', async () => {
    const hSession = (await module.call('C_OpenSession', { slotID: 0, flags: CKF.SERIAL_SESSION }))
      .phSession
    const find = async (type: number, value: Uint8Array): Promise<number> => {
      await module.call('C_FindObjectsInit', { hSession, pTemplate: [{ type, value }] })
      try {
        return (await module.call('C_FindObjects', { hSession, phObject: 50 })).phObject.length
      } finally {
        await module.call('C_FindObjectsFinal', { hSession })
      }
    }
    equal(await find(CKA.CLASS, ulongBytes(CKO.SECRET_KEY)), 2)
    equal(await find(CKA.LABEL, Buffer.from('first')), 1)
    await rejects(find(CKA.LABEL, Buffer.from('second')), /DEVICE_ERROR/)
    match(server.log(), /records that were altered operation=C_FindObjects/)
  })

  it('keeps neither credentials from being listed nor metrics from being read', async () => {
    const { code, out, errors } = await commands.run('credential list')
    equal(code, 1)
    match(out, /^admin /m)
    match(errors, /Cannot use credential "app": its record was altered/)
    const { metrics } = (await askServer(dataDir, 'status', {})) as { readonly metrics: string }
    const text = await (await fetch(metrics)).text()
    match(text, /^claviger_credentials\{state="valid"\} 1$/m)
    match(text, /^claviger_credentials\{state="altered"\} 1$/m)
    match(text, /^claviger_altered_reads_total [1-9]/m)
  })
})
