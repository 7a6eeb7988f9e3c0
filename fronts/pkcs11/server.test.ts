/**
 * The PKCS#11 listener, with an engine of a few functions behind it, and our client in every
 * version. Clients that misbehave are in `server-attacked.test.ts`, p11-kit's in
 * `server-p11-kit.test.ts`.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { Pkcs11Client } from '#clients/pkcs11-rpc/client.ts'
import {
  exchange,
  FewFunctions,
  folder,
  HANDSHAKE,
  header,
  isRv,
  OBJECT,
  open,
  running,
  SESSION,
  SILENT,
  SLOT,
  socketPair,
  start,
  stopAll,
  until,
} from '#conformance/few-functions.ts'
import { limitsWith } from '#core/limits.ts'
import { CKA, CKM, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { UNKNOWN_PEER } from './peer.ts'
import { Pkcs11Server } from './server.ts'

after(stopAll)

describe('the negotiation', () => {
  let path = ''
  before(async () => {
    path = (await start()).path
  })

  for (const [offered, answered] of [
    ['00', '00'],
    ['01', '01'],
    ['02', '02'],
    ['7f', '02'],
    ['bf', '02'],
    ['c0', 'c1'],
    ['c1', 'c1'],
    ['ff', 'c1'],
  ] as const) {
    it(`answers 0x${answered} to 0x${offered}`, async () => {
      assert.equal(await exchange(path, offered, 1), answered)
    })
  }

  it('takes the version, the header and the body together', async () => {
    const options = Buffer.from('client').toString('hex')
    const sent = `020000001000000006000000${'42'}${options}${HANDSHAKE}`
    assert.equal(await exchange(path, sent, 21), `02${header('00000010', 8)}0000000100000000`)
  })
})

describe('a client', () => {
  for (const newest of ['dialect', 0, 1, 2] as const) {
    it(`that speaks ${newest} calls functions that wait and that do not`, async () => {
      const { path, engine, server } = await start()
      const client = await open(path, { newest })
      assert.equal(client.version, newest)
      assert.equal(server.applications, 1)
      const { pSlotList } = await client.call('C_GetSlotList', { tokenPresent: true, pSlotList: 9 })
      assert.deepEqual(pSlotList, [SLOT])
      const asked = await client.call('C_GetSlotList', { tokenPresent: true, pSlotList: undefined })
      assert.equal(asked.pSlotList, 1)
      const { pInfo } = await client.call('C_GetTokenInfo', { slotID: SLOT })
      assert.equal(Buffer.from(pInfo.label).toString().trim(), 'a token')
      assert.equal(pInfo.ulFreePublicMemory, -1)
      const { phSession } = await client.call('C_OpenSession', { slotID: SLOT, flags: 4 })
      assert.equal(phSession, SESSION)

      const args = { hSession: SESSION, pData: Buffer.from('x'), pSignature: 8 }
      const { pSignature } = await client.call('C_Sign', args)
      assert.equal(Buffer.from(pSignature as Uint8Array).toString(), 'sig')
      assert.equal((await client.call('C_Sign', { ...args, pSignature: 2 })).pSignature, 3)
      const refused = client.call('C_Sign', { ...args, pData: Buffer.alloc(0) })
      await assert.rejects(refused, isRv(CKR.DATA_LEN_RANGE))
      const [first] = engine.opened
      assert.equal(first?.info.isStock, newest !== 'dialect')
      assert.equal(first?.info.peer.uid, process.getuid?.())
      assert.equal(first?.info.peer.pid, process.pid)
      client.close()
    })
  }

  it('gets attributes with the return value that goes with them', async () => {
    const { path } = await start()
    for (const newest of ['dialect', 2] as const) {
      const client = await open(path, { newest })
      const pTemplate = [
        { type: CKA.LABEL, capacity: 99 },
        { type: CKA.CLASS, capacity: undefined },
        { type: CKA.MODULUS, capacity: 9 },
      ]
      const args = { hSession: SESSION, hObject: OBJECT, pTemplate }
      const results = await client.call('C_GetAttributeValue', args)
      assert.equal(results.rv, CKR.ATTRIBUTE_TYPE_INVALID)
      const [label, kind, modulus] = results.pTemplate
      assert.equal(Buffer.from(label?.value as Uint8Array).toString(), 'a label')
      assert.deepEqual(kind, { type: CKA.CLASS, length: 8 })
      assert.deepEqual(modulus, { type: CKA.MODULUS })
      client.close()
    }
  })

  it('may call before it has the answer to the last, and gets all in order', async () => {
    const { path } = await start()
    const client = await open(path)
    const calls = Array.from({ length: 20 }, (_, index) =>
      index % 3 === 0
        ? client.call('C_Sign', { hSession: 1, pData: undefined, pSignature: undefined })
        : client.call('C_GenerateRandom', { hSession: 1, pRandomData: 1 }),
    )
    const results = await Promise.all(calls)
    const random = results.flatMap((result) =>
      'pRandomData' in result ? [...result.pRandomData] : [],
    )
    assert.deepEqual(
      random,
      [...random].sort((one, other) => one - other),
    )
    assert.equal(random.length, 13)
    client.close()
  })

  it('learns from an Init how long the output will be', async () => {
    const { path } = await start()
    const client = await open(path)
    const args = { hSession: 1, pMechanism: { type: CKM.ML_DSA, parameter: undefined }, hKey: 1 }
    const results = await client.call('C_SignInit', args)
    assert.deepEqual(results, { rule: 'fixed', length: 3, isRepeatable: true })
    client.close()
  })

  it('sends several calls at once, up to the first refusal', async () => {
    const { path } = await start()
    const client = await open(path)
    const sign = (data: string) => ({
      name: 'C_Sign' as const,
      args: { hSession: 1, pData: Buffer.from(data), pSignature: 9 },
    })
    const wait = { name: 'C_GenerateRandom', args: { hSession: 1, pRandomData: 2 } } as const
    const all = await client.batch([sign('a'), wait, sign(''), wait, sign('b')] as never, false)
    assert.deepEqual(
      all.map((result) => result instanceof CryptokiError),
      [false, false, true, false, false],
    )
    const some = await client.batch([wait, sign(''), wait] as never, true)
    assert.equal(some.length, 2)
    const [, refused] = some
    assert.ok(refused instanceof CryptokiError && refused.rv === CKR.DATA_LEN_RANGE)
    client.close()
  })

  it('hears of a bug as CKR_GENERAL_ERROR, and of a missing function as what it is', async () => {
    const { path } = await start()
    const client = await open(path)
    const verify = { hSession: 1, pData: undefined, pSignature: undefined }
    await assert.rejects(client.call('C_Verify', verify), isRv(CKR.GENERAL_ERROR))
    const logout = client.call('C_Logout', { hSession: 1 })
    await assert.rejects(logout, isRv(CKR.FUNCTION_NOT_SUPPORTED))
    client.close()
  })

  it('gives a call up at its deadline', async () => {
    const silent = createServer((socket) => socket.write(Uint8Array.of(2)))
    const path = join(folder, 'silent')
    await new Promise<void>((resolve) => silent.listen(path, resolve))
    const client = await Pkcs11Client.connect(path)
    await assert.rejects(client.call('C_GetInfo', {}, 50), /deadline/)
    assert.equal(client.isOpen, false)
    silent.close()
  })

  it('tries version 0 where an old server hangs up', async () => {
    const offered: number[] = []
    const old = createServer((socket) => {
      socket.once('data', ([version = 0]: Buffer) => {
        offered.push(version)
        if (version === 0) socket.write(Uint8Array.of(0))
        else socket.destroy()
      })
    })
    const path = join(folder, 'old')
    await new Promise<void>((resolve) => old.listen(path, resolve))
    const client = await Pkcs11Client.connect(path)
    assert.equal(client.version, 0)
    assert.deepEqual(offered, [0xc1, 0])
    client.close()
    old.close()
  })

  it('says that nobody is there', async () => {
    await assert.rejects(Pkcs11Client.connect(join(folder, 'nobody')), /ENOENT/)
  })
})

describe('applications', () => {
  const named = Buffer.alloc(16, 3)
  const args = { application: named, processId: 1, reserved: undefined }

  it('are shared by connections that name the same, until the last has gone', async () => {
    const { path, engine, server } = await start()
    const first = await Pkcs11Client.connect(path)
    const second = await Pkcs11Client.connect(path)
    const one = await first.call('C_Initialize', args)
    const two = await second.call('C_Initialize', args)
    assert.equal(one.epoch, two.epoch)
    assert.equal(engine.opened.length, 1)
    first.close()
    assert.equal((await second.call('C_OpenSession', { slotID: 1, flags: 4 })).phSession, SESSION)
    assert.equal(engine.closed, 0)
    second.close()
    await until(() => server.connections === 0)
    assert.equal(engine.closed, 1)
    assert.equal(server.applications, 0)
  })

  it('end with C_Finalize, on all connections, and may begin anew', async () => {
    const { path, engine, server } = await start()
    const first = await Pkcs11Client.connect(path)
    const second = await Pkcs11Client.connect(path)
    await first.call('C_Initialize', args)
    await second.call('C_Initialize', args)
    await assert.rejects(first.call('C_Initialize', args), isRv(CKR.CRYPTOKI_ALREADY_INITIALIZED))
    await first.call('C_Finalize', {})
    assert.equal(engine.closed, 1)
    const call = second.call('C_FindObjectsFinal', { hSession: 1 })
    await assert.rejects(call, isRv(CKR.CRYPTOKI_NOT_INITIALIZED))
    await first.call('C_Initialize', args)
    assert.equal(server.applications, 1)
    first.close()
    second.close()
    await until(() => server.connections === 0)
    assert.equal(engine.closed, 2)
    assert.equal(server.applications, 0)
  })

  it('end when their client goes while a call waits', async () => {
    const { path, engine, server } = await start()
    const client = await open(path)
    const call = client.call('C_WaitForSlotEvent', { flags: 0 })
    await until(() => engine.waiting === 1)
    client.close()
    await assert.rejects(call, /closed/)
    await until(() => engine.closed === 1)
    await server.close()
    assert.equal(server.connections, 0)
  })

  it('are one for each connection of a client of p11-kit', async () => {
    const { path, engine } = await start()
    const clients = [await open(path, { newest: 2 }), await open(path, { newest: 2 })]
    assert.equal(engine.opened.length, 2)
    for (const client of clients) client.close()
  })

  it('need C_Initialize first, and a name of 16 bytes in the dialect', async () => {
    const { path } = await start()
    const client = await Pkcs11Client.connect(path)
    await assert.rejects(client.call('C_GetInfo', {}), isRv(CKR.CRYPTOKI_NOT_INITIALIZED))
    const short = client.call('C_Initialize', { ...args, application: Buffer.alloc(3) })
    await assert.rejects(short, isRv(CKR.ARGUMENTS_BAD))
    client.close()
  })
})

describe('the socket', () => {
  it('is for its owner, or for its group as well', async () => {
    const { path } = await start()
    assert.equal(statSync(path).mode & 0o777, 0o600)
    const engine = new FewFunctions()
    const server = new Pkcs11Server({ engine, limits: limitsWith(), log: SILENT })
    const other = join(folder, 'group')
    await server.listen(other, 0o660)
    assert.equal(statSync(other).mode & 0o777, 0o660)
    await server.close()
    assert.equal(existsSync(other), false)
  })

  it('takes the place of one that nobody listens on, and of nothing else', async () => {
    const { path } = await start()
    const listen = (where: string): Promise<void> => {
      const server = new Pkcs11Server({
        engine: new FewFunctions(),
        limits: limitsWith(),
        log: SILENT,
      })
      running.push(server)
      return server.listen(where)
    }
    await assert.rejects(listen(path), /another process listens there/)
    const file = join(folder, 'file')
    writeFileSync(file, '')
    await assert.rejects(listen(file), /not a socket/)

    const stale = join(folder, 'stale')
    const die = `() => process.kill(process.pid, 'SIGKILL')`
    const script = `require('net').createServer().listen('${stale}', ${die})`
    await assert.rejects(promisify(execFile)(process.execPath, ['-e', script]))
    assert.ok(existsSync(stale))
    await listen(stale)
    const client = await open(stale)
    client.close()
  })

  it('is not needed: a stream that is connected will do, beside connections of the socket', async () => {
    const { path, engine, server } = await start()
    const [near, far] = await socketPair()
    server.attach(near, UNKNOWN_PEER)
    const args = { application: Buffer.alloc(16, 5), processId: 1, reserved: Buffer.from('x') }
    const first = await Pkcs11Client.over(far)
    await first.call('C_Initialize', args)
    assert.equal(engine.opened[0]?.info.peer.uid, undefined)
    assert.equal(engine.opened[0]?.info.reserved, 'x')
    const second = await Pkcs11Client.connect(path)
    await second.call('C_Initialize', args)
    assert.equal(server.applications, 1)
    first.close()
    second.close()
    await until(() => server.connections === 0)
    assert.equal(engine.closed, 1)
  })

  it('lets a call that runs be answered before it closes', async () => {
    const { path, engine, server } = await start()
    const client = await open(path)
    const call = client.call('C_GenerateRandom', { hSession: 1, pRandomData: 4 })
    await until(() => engine.opened[0]?.calls === 1)
    const closed = server.close()
    assert.equal((await call).pRandomData.length, 4)
    await closed
    assert.equal(client.isOpen, false)
  })
})
