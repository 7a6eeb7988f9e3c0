/**
 * Certificates that end: those of the server are replaced in time, that of the authority when it is
 * told to.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import { KmipClient } from '#clients/kmip/client.ts'
import type { ConnectOptions } from '#clients/kmip/connection.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { askServer } from './control.ts'

/** Some seconds. */
const SHORT = { CLAVIGER_KMIP_TLS_DAYS: '0.0001' }
const QUERY = { queryFunction: [1] } as const

/** The certificate that a server shows to a new connection. */
function shownBy({ host, port, ca, cert, key }: ConnectOptions): Promise<X509Certificate> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, ca, cert, key }, () => {
      const certificate = socket.getPeerX509Certificate()
      socket.destroy()
      if (certificate === undefined) reject(new Error('the server has shown no certificate'))
      else resolve(certificate)
    })
    socket.once('error', reject)
  })
}

async function asks(options: ConnectOptions): Promise<void> {
  await using client = new KmipClient(options)
  await client.call('Query', QUERY)
}

describe('certificates that end', { timeout: 120_000 }, () => {
  let dataDir: string
  let server: OwnServer | undefined
  const start = async (env: Readonly<Record<string, string>> = {}): Promise<OwnServer> => {
    await server?.stop()
    server = await startOwnServer({ dataDir, env })
    return server
  }

  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'claviger-renewal-'))
  })
  afterEach(async () => {
    await server?.stop()
    server = undefined
    rmSync(dataDir, { recursive: true, force: true })
  })

  it('are replaced while the server runs, before the third third of their life is over', async () => {
    const { client } = await start(SHORT)
    const options = client('admin')
    await using before = new KmipClient(options)
    await before.call('Query', QUERY)
    const first = await shownBy(options)
    const ends = Date.parse(first.validTo)
    assert.ok(ends - Date.now() < 10_000, 'it is one of some seconds')
    let next = first
    while (next.serialNumber === first.serialNumber && Date.now() < ends + 5_000) {
      await sleep(200)
      next = await shownBy(options)
    }
    assert.notEqual(next.serialNumber, first.serialNumber)
    assert.ok(Date.now() < ends, 'in time')
    await sleep(ends + 1_100 - Date.now())
    await asks(options)
    await before.call('Query', QUERY)
    assert.match(server?.log() ?? '', /new certificates for connections from now on/)
  })

  it('of yours stay where the new files cannot be used, and the log says which and why', async () => {
    await start()
    const [cert, key] = ['cert', 'key'].map((name) => join(dataDir, `own.${name}`)) as [
      string,
      string,
    ]
    copyFileSync(join(dataDir, 'pki', 'server.pem'), cert)
    copyFileSync(join(dataDir, 'pki', 'server.key'), key)
    const own = { CLAVIGER_KMIP_TLS_CERT: cert, CLAVIGER_KMIP_TLS_KEY: key }
    const running = await start(own)
    writeFileSync(cert, 'no certificate')
    running.process.kill('SIGHUP')
    const why =
      /ERROR a regular task failed.* reason="?Cannot renew certificates: kmip\.tls\.cert: /
    const end = Date.now() + 10_000
    while (!why.test(running.log()) && Date.now() < end) await sleep(20)
    assert.match(running.log(), why)
    assert.match(running.log(), /own\.cert cannot be used: .*the ones before stay in use/)
    assert.doesNotMatch(running.log(), /\n {4}at /)
    await asks(running.client('admin'))
  })

  it('are replaced when the server starts, and only then', async () => {
    const first = await shownBy((await start(SHORT)).client('admin'))
    const second = await shownBy((await start()).client('admin'))
    assert.notEqual(second.serialNumber, first.serialNumber)
    assert.ok(Date.parse(second.validTo) - Date.now() > 396 * 86_400_000)
    const third = await shownBy((await start()).client('admin'))
    assert.equal(third.serialNumber, second.serialNumber)
    await server?.stop()
    const pki = (name: string): string => join(dataDir, 'pki', name)
    copyFileSync(pki('admin.key'), pki('server.key'))
    const fourth = await shownBy((await start()).client('admin'))
    assert.notEqual(fourth.serialNumber, second.serialNumber, 'its key was another')
  })

  it('of the authority are replaced on command, and old and new are good together', async () => {
    const running = await start()
    const path = join(dataDir, 'pki', 'ca.pem')
    const old = running.client('admin')
    const before = new X509Certificate(old.ca as string)
    await sleep(1_000)
    const shown = (await askServer(dataDir, 'authority.renew', {})) as { readonly expires: number }
    const after = new X509Certificate(readFileSync(path))
    assert.notEqual(after.serialNumber, before.serialNumber)
    assert.equal(shown.expires, Date.parse(after.validTo) / 1_000)
    assert.ok(Date.parse(after.validTo) > Date.parse(before.validTo))
    assert.equal(after.subject, before.subject)
    assert.ok(after.verify(before.publicKey) && after.ca)
    const made = await running.newClient()
    for (const options of [old, running.client('admin'), made, { ...made, ca: old.ca }]) {
      await asks(options)
    }
    const again = await start()
    for (const { ca } of [old, made]) await asks({ ...again.client('admin'), ca })
    const [entry] = (await askServer(dataDir, 'audit.list', {
      operation: 'RenewAuthority',
    })) as readonly { readonly principal: string }[]
    assert.equal(entry?.principal, 'operator')
  })
})
