/**
 * The control socket as any program reaches it, HTTP on a Unix socket: whose it is, and what is
 * said to requests that make no sense.
 *
 * @module
 */
import { deepEqual, equal, match } from 'node:assert/strict'
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { pkiPaths } from './pki.ts'
import { socketPath } from './sockets.ts'

interface Said {
  readonly status: number | undefined
  readonly body: { readonly error?: { readonly code: string; readonly message: string } }
}

describe('the control socket', { timeout: 60_000 }, () => {
  let server: OwnServer
  before(async () => {
    server = await startOwnServer()
  })
  after(() => server?.stop())

  const asked = (command: string, body: string): Promise<Said> =>
    new Promise((resolve, reject) => {
      const path = socketPath(server.dataDir, 'control')
      const options = { socketPath: path, path: `/${command}`, method: 'POST' }
      const call = request(options, async (response) => {
        const chunks = await Array.fromAsync(response as AsyncIterable<Buffer>)
        const text = Buffer.concat(chunks).toString()
        resolve({ status: response.statusCode, body: JSON.parse(text) })
      })
      call.once('error', reject)
      call.end(body)
    })
  const refused = async (command: string, body: string, code: string, why: RegExp) => {
    const { status, body: said } = await asked(command, body)
    deepEqual([status, said.error?.code], [400, code], JSON.stringify(said))
    match(String(said.error?.message), why)
  }

  it("is the owner's alone, and so is that of PKCS#11 and their folder", () => {
    const mode = (path: string): number => lstatSync(path).mode & 0o777
    const path = socketPath(server.dataDir, 'control')
    equal(mode(dirname(path)), 0o700)
    equal(mode(path), 0o600)
    equal(mode(socketPath(server.dataDir, 'pkcs11')), 0o600)
  })

  it('makes no credential in the place of the certificates of the server itself', async () => {
    const { folder } = pkiPaths(server.dataDir)
    const files = () => readdirSync(folder).map((one) => [one, readFileSync(join(folder, one))])
    const before = files()
    for (const name of ['ca', 'server', 'server-rsa']) {
      const body = JSON.stringify({ name })
      await refused('credential.create', body, 'invalidField', /server's own/)
    }
    deepEqual(files(), before)
  })

  it('refuses what is no command, no JSON, no such field, and too long', async () => {
    equal((await asked('status', '')).status, 200)
    equal((await asked('status', '{}')).status, 200)
    for (const name of ['', 'no.such', 'constructor', '__proto__', 'status/']) {
      await refused(name, '{}', 'notFound', /no such command/)
    }
    await refused('status', '{oops', 'invalidField', /"status": its body is no JSON/)
    await refused('status', '[]', 'invalidField', /expected object/)
    await refused('credential.create', '{"nam":"x"}', 'invalidField', /name/)
    const long = JSON.stringify({ name: 'x'.repeat(65_536) })
    await refused('credential.create', long, 'limitExceeded', /more than the 65536 bytes/)
    // It is the caller's fault, not the server's.
    equal(/ERROR/.test(server.log()), false, server.log())
  })
})
