/**
 * The PKCS#11 listener against clients that do what they should not: raw bytes, and limits.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import {
  exchange,
  HANDSHAKE,
  header,
  isRv,
  open,
  start,
  stopAll,
  until,
} from '#conformance/few-functions.ts'
import { CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { arbitrary } from '#spec/pkcs11/rpc/arbitrary.ts'
import type { Codec } from '#spec/pkcs11/rpc/codec.ts'
import { DIALECT } from '#spec/pkcs11/rpc/dialect.ts'
import { Writer } from '#wire/pkcs11-rpc/writer.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)

const rvOf = (error: unknown): number => (error as CryptokiError).rv

after(stopAll)

describe('clients that do what they should not', () => {
  it('are told CKR_GENERAL_ERROR for a wrong handshake', async () => {
    const { path } = await start()
    const wrong = HANDSHAKE.replace(
      Buffer.from('GNOME').toString('hex'),
      Buffer.from('gnome').toString('hex'),
    )
    const sent = `02${header('00000010', 0x42)}${wrong}`
    const refused = `02${header('00000010', 17)}00000000000000017500000000000000${'05'}`
    assert.equal(await exchange(path, sent, 30), refused)
  })

  it('are told CKR_DEVICE_ERROR for arguments that do not decode', async () => {
    const { path } = await start()
    const short = `0000000100000005${Buffer.from('ayyay').toString('hex')}01`
    const sent = `02${header('00000010', 14)}${short}`
    assert.match(await exchange(path, sent, 30), /7500000000000000(30)$/)
  })

  it('are cut off for an unknown call, a wrong signature and a message that is too long', async () => {
    const { path } = await start()
    const long = header('00000010', 1_073_741_825)
    for (const sent of [
      `02${header('00000010', 8)}0000005a00000000`,
      `02${header('00000010', 9)}000000020000000175`,
      `02${header('00000010', 3)}000000`,
      `02${long}`,
      '02000000100000100100000000',
      `c1${header('00000010', 4)}00000058`,
    ]) {
      assert.equal(await exchange(path, sent), `${sent.slice(0, 2)} closed`)
    }
  })

  it('are cut off when they do not call C_Initialize in time', async () => {
    const { path } = await start({ handshakeSeconds: 1 })
    for (const sent of ['', '02', 'c1000000']) {
      const began = performance.now()
      const got = await exchange(path, sent)
      assert.match(got, / closed$/)
      assert.ok(performance.now() - began < 2_500)
    }
  })

  it('are cut off when a message does not arrive in whole in time, or nothing does', async () => {
    const { path, server } = await start({ requestSeconds: 1, callIdleSeconds: 2 })
    const client = await open(path)
    const options = Buffer.from('client').toString('hex')
    const half = `020000001000000006000000${'42'}${options}${HANDSHAKE}0000`
    assert.match(await exchange(path, half), / closed$/)
    await until(() => !client.isOpen)
    assert.equal(server.connections, 0)
  })

  it('are turned away beyond the number of connections', async () => {
    const { path } = await start({ callConnectionsMax: 1 })
    const client = await open(path)
    assert.match(await exchange(path, '02'), /^ (closed|error)$/)
    client.close()
  })

  it(`do not end the process, whatever they send, seed ${SEED}`, async () => {
    const { path, server } = await start()
    const random = arbitrary(SEED, 'dialect')
    const name = Buffer.alloc(16, 9).toString('hex')
    const join = `${header('00000010', 36)}0000000100000010${name}${'00'.repeat(8)}ffffffff`
    const sign = { hSession: 1, pData: Buffer.from('abc'), pSignature: 20 }
    const w = new Writer()
    DIALECT.writeRequest(w, DIALECT.codecOf('C_Sign') as Codec, sign)
    const body = w.take().toString('hex')
    const frame = header('00000011', body.length / 2) + body
    const connections = Array.from({ length: 200 }, () => {
      const broken = random.broken(Buffer.from(frame.repeat(3), 'hex'))
      return exchange(path, `c1${join}${broken.toString('hex')}`, Infinity, 400)
    })
    await Promise.all(connections)
    await until(() => server.connections === 0)
    assert.equal(server.applications, 0)
    const client = await open(path)
    assert.ok((await client.call('C_Sign', sign)).pSignature instanceof Uint8Array)
    client.close()
  })

  for (const version of [undefined, 2] as const) {
    const protocol = version === undefined ? 'the dialect' : `version ${version}`
    it(`leave nothing of a PIN behind in ${protocol}`, async () => {
      const { path, engine } = await start()
      const client = await open(path, version === undefined ? {} : { newest: version })
      const login = (pin: string) => {
        return client.call('C_Login', { hSession: 1, userType: 1, pPin: Buffer.from(pin) })
      }
      await login('1234')
      await assert.rejects(login('wrong'), isRv(CKR.PIN_INCORRECT))
      const pins = { pOldPin: Buffer.from('1234'), pNewPin: Buffer.from('5678') }
      await client.call('C_SetPIN', { hSession: 1, ...pins })
      const texts = engine.typed.map(({ text }) => text)
      assert.deepEqual(texts, ['1234', 'wrong', '1234', '5678'])
      for (const { view } of engine.typed) assert.ok(view.every((byte) => byte === 0))
      client.close()
    })
  }

  for (const version of [undefined, 0, 2] as const) {
    const protocol = version === undefined ? 'the dialect' : `version ${version}`
    it(`are refused a call that is too long in ${protocol}, and no other`, async () => {
      const { path, engine } = await start({ callBytesMax: 65_536 })
      const client = await open(path, version === undefined ? {} : { newest: version })
      const sign = (bytes: number) => {
        return client.call('C_Sign', { hSession: 1, pData: Buffer.alloc(bytes, 1), pSignature: 20 })
      }
      assert.ok((await sign(65_000)).pSignature instanceof Uint8Array)
      // The second comes while the first is answered, and both in pieces.
      const calls = [sign(65_600), sign(3_000_000), sign(10)]
      const codes = await Promise.all(calls.map((call) => call.then(() => 0, rvOf)))
      assert.deepEqual(codes, [CKR.DATA_LEN_RANGE, CKR.DATA_LEN_RANGE, 0])
      const [application] = engine.opened
      for (const call of engine.long) {
        const [who, name, hSession] = call as readonly unknown[]
        assert.deepEqual([who, name, hSession], [application, 'C_Sign', 1])
      }
      assert.equal(engine.long.length, 2)
      client.close()
    })
  }

  it('are refused a long call before C_Initialize, and a long batch', async () => {
    const { path, engine } = await start({ callBytesMax: 65_536 })
    const info = `${header('00000010', 65_537)}00000003${'00'.repeat(65_533)}`
    const notYet = `c1${header('00000010', 8)}0000000300000190`
    assert.equal(await exchange(path, `c1${info}`, 21), notYet)
    const client = await open(path)
    const call = { name: 'C_Sign', args: { hSession: 1, pData: Buffer.alloc(40_000) } } as const
    const batch = client.batch([call, call] as never, false)
    await assert.rejects(batch, isRv(CKR.DATA_LEN_RANGE))
    assert.equal(engine.long.length, 0)
    assert.ok(await client.call('C_GetInfo', {}))
    client.close()
  })

  it('are cut off when the rest of a long call does not come', async () => {
    const { path, server } = await start({ callBytesMax: 65_536, requestSeconds: 1 })
    const name = Buffer.alloc(16, 9).toString('hex')
    const join = `${header('00000010', 36)}0000000100000010${name}${'00'.repeat(8)}ffffffff`
    const sent = `c1${join}${header('00000011', 80_000)}${'00'.repeat(70_000)}`
    assert.match(await exchange(path, sent), /^c1.+ closed$/)
    await until(() => server.connections === 0)
  })

  it('do not disturb others with a batch of too many calls', async () => {
    const { path } = await start({ batchItemsMax: 2 })
    const client = await open(path)
    const call = { name: 'C_GetInfo', args: {} } as const
    const batch = client.batch([call, call, call] as never, false)
    await assert.rejects(batch, isRv(CKR.ARGUMENTS_BAD))
    client.close()
  })

  it('do not disturb others with a batch of long answers', async () => {
    const { path, engine } = await start({ callBytesMax: 65_536 })
    const client = await open(path)
    const call = { name: 'C_GenerateRandom', args: { hSession: 1, pRandomData: 30_000 } } as const
    const results = await client.batch(Array(50).fill(call) as never, false)
    const codes = results.map((one) => (one instanceof CryptokiError ? one.rv : CKR.OK))
    assert.deepEqual(codes, [...Array(3).fill(CKR.OK), ...Array(47).fill(CKR.DEVICE_MEMORY)])
    assert.equal(engine.opened[0]?.calls, 3)
    client.close()
  })
})
