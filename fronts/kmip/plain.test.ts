/**
 * KMIP without TLS on the loopback: alone, and behind stunnel as gateways of that kind are
 * deployed.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { decodeResponse, encodeRequest, KmipClient } from '#clients/kmip/client.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { readConfig } from '#server/config.ts'
import { askServer } from '#server/control.ts'
import { decodeItem, encodeItem, messageBytes } from '#wire/ttlv/binary.ts'

const QUERY = encodeItem(
  encodeRequest([{ operation: 'Query', payload: { queryFunction: [1, 3] } }], 14),
)
const CREATE = {
  operation: 'Create',
  payload: {
    objectType: 2,
    attributes: {
      attributes: [
        { id: 'cryptographicAlgorithm', value: 3 },
        { id: 'cryptographicLength', value: 256 },
        { id: 'cryptographicUsageMask', value: 12 },
      ],
    },
  },
} as const

/** A port that nobody listens on at the moment. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  server.close()
  await once(server, 'close')
  return address.port
}

/** Sends one message without TLS; what comes back, empty when the server hangs up. */
async function exchange(port: number, message: Uint8Array): Promise<Buffer> {
  const socket = connect(port, '127.0.0.1')
  socket.setTimeout(10_000, () => socket.destroy())
  socket.write(message)
  const chunks: Buffer[] = []
  try {
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      const all = Buffer.concat(chunks)
      const bytes = messageBytes(all)
      if (bytes !== undefined && all.length >= bytes) return all.subarray(0, bytes)
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error
  } finally {
    socket.destroy()
  }
  return Buffer.alloc(0)
}

function results(bytes: Buffer) {
  return decodeResponse(decodeItem(bytes, { depthMax: 32, itemsMax: 10_000 }), 14)
}

describe('KMIP without TLS', { timeout: 60_000 }, () => {
  let server: OwnServer
  let port: number

  before(async () => {
    port = await freePort()
    server = await startOwnServer({
      env: {
        CLAVIGER_KMIP_PLAIN_LISTEN: `127.0.0.1:${port}`,
        CLAVIGER_KMIP_PLAIN_PRINCIPAL: 'admin',
      },
    })
  })
  after(() => server.stop())

  it('answers on the loopback, in the name of the credential of the configuration', async () => {
    const [queried] = results(await exchange(port, QUERY))
    assert.equal(queried?.ok, true)
    const [made] = results(await exchange(port, encodeItem(encodeRequest([CREATE], 14))))
    assert.ok(made?.ok)
    const { uniqueIdentifier } = made.payload as { uniqueIdentifier: string }
    const kmip = new KmipClient(server.client('admin'))
    try {
      assert.ok(await kmip.call('Get', { uniqueIdentifier }))
    } finally {
      kmip.close()
    }
  })

  it('is on no port unless it is asked for, and on no other address than the loopback', () => {
    assert.equal(readConfig(undefined, {}).kmip.plain, undefined)
    const wrong = ['0.0.0.0:5696', '10.0.0.1:5696', '[::]:5696', 'localhost:5696', ':5696']
    for (const listen of wrong) {
      const env = { CLAVIGER_KMIP_PLAIN_LISTEN: listen, CLAVIGER_KMIP_PLAIN_PRINCIPAL: 'admin' }
      assert.throws(() => readConfig(undefined, env), /kmip\.plain\.listen.*without TLS/, listen)
    }
    const none = { CLAVIGER_KMIP_PLAIN_LISTEN: '127.0.0.1:5696' }
    assert.throws(() => readConfig(undefined, none), /kmip\.plain\.principal/)
  })

  it('refuses to start in the name of a credential that there is not', async () => {
    const env = {
      CLAVIGER_KMIP_PLAIN_LISTEN: '127.0.0.1:0',
      CLAVIGER_KMIP_PLAIN_PRINCIPAL: 'nobody',
    }
    await assert.rejects(startOwnServer({ env }), /no credential "nobody"/)
  })

  it('lets nobody in any more once the credential is revoked', async () => {
    const name = 'gateway'
    const plainPort = await freePort()
    const dataDir = mkdtempSync(join(tmpdir(), 'claviger-plain-'))
    const first = await startOwnServer({ dataDir })
    await askServer(dataDir, 'credential.create', { name })
    await first.stop()
    const env = {
      CLAVIGER_KMIP_PLAIN_LISTEN: `127.0.0.1:${plainPort}`,
      CLAVIGER_KMIP_PLAIN_PRINCIPAL: name,
    }
    const second = await startOwnServer({ dataDir, env })
    try {
      assert.notEqual((await exchange(plainPort, QUERY)).length, 0)
      await askServer(dataDir, 'credential.revoke', { name })
      assert.equal((await exchange(plainPort, QUERY)).length, 0)
    } finally {
      await second.stop()
      rmSync(dataDir, { recursive: true, force: true })
    }
  })
})

/** Why stunnel cannot be tried here. */
function absent(): string | false {
  const found = (name: string) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0
  const missing = ['stunnel', 'openssl'].filter((name) => !found(name))
  return missing.length === 0 ? false : `${missing.join(' and ')}: not installed`
}

describe('KMIP behind stunnel', { timeout: 60_000, skip: absent() }, () => {
  let folder: string
  let server: OwnServer
  let stunnel: ChildProcess
  let accept: number

  const openssl = (...words: string[]): void => {
    execFileSync('openssl', words, { cwd: folder, stdio: 'ignore' })
  }

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'claviger-stunnel-'))
    openssl(
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'proxy.key'],
      ...['-out', 'proxy.pem', '-days', '2', '-subj', '/CN=127.0.0.1'],
      ...['-addext', 'subjectAltName=IP:127.0.0.1'],
    )
    const port = await freePort()
    accept = await freePort()
    server = await startOwnServer({
      env: {
        CLAVIGER_KMIP_PLAIN_LISTEN: `127.0.0.1:${port}`,
        CLAVIGER_KMIP_PLAIN_PRINCIPAL: 'admin',
      },
    })
    const lines = [
      'foreground = yes',
      'pid =',
      `cert = ${folder}/proxy.pem`,
      `key = ${folder}/proxy.key`,
      'verify = 2',
      `CAfile = ${server.dataDir}/pki/ca.pem`,
      '[kmip]',
      'client = no',
      `accept = 127.0.0.1:${accept}`,
      `connect = 127.0.0.1:${port}`,
    ]
    writeFileSync(join(folder, 'stunnel.conf'), `${lines.join('\n')}\n`)
    stunnel = spawn('stunnel', [join(folder, 'stunnel.conf')], { stdio: 'ignore' })
    await accepting(accept)
  })
  after(async () => {
    stunnel?.kill()
    await server?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  it('serves a client whose certificate the proxy has checked', async () => {
    const ca = readFileSync(join(folder, 'proxy.pem'), 'utf8')
    const kmip = new KmipClient({ ...server.client('admin'), port: accept, ca })
    try {
      const { uniqueIdentifier } = await kmip.call('Create', CREATE.payload, { version: 14 })
      assert.ok(await kmip.call('Activate', { uniqueIdentifier }))
      const { data } = await kmip.call('Encrypt', {
        uniqueIdentifier,
        cryptographicParameters: { blockCipherMode: 9, tagLength: 16, randomIV: true },
        data: Buffer.from('through the tunnel'),
      })
      assert.equal(data?.length, 18)
    } finally {
      kmip.close()
    }
  })
})

/** Resolves once somebody listens. */
async function accepting(port: number): Promise<void> {
  for (let left = 100; left > 0; left--) {
    const socket = connect(port, '127.0.0.1')
    const open = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
    })
    socket.destroy()
    if (open) return
    await sleep(100)
  }
  throw new Error(`nobody listens on port ${port}`)
}
