/**
 * The PKCS#11 listener and p11-kit's own client, where the machine has it.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { start, stopAll, until } from '#conformance/few-functions.ts'

/** Where p11-kit is: another of its versions can be tested so. */
const PREFIX = process.env['P11_KIT_PREFIX'] ?? '/usr'
const CLIENT = join(PREFIX, 'lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so')
const TOOL = '/usr/bin/pkcs11-tool'
const isThere = existsSync(CLIENT) && existsSync(TOOL)

after(stopAll)

describe('the client of p11-kit', {
  skip: !isThere && 'p11-kit or opensc is not installed',
}, () => {
  async function tool(path: string, ...options: readonly string[]): Promise<string> {
    const env = { ...process.env, P11_KIT_SERVER_ADDRESS: `unix:path=${path}` }
    const { stdout } = await promisify(execFile)(TOOL, ['--module', CLIENT, ...options], {
      env,
      timeout: 10_000,
    })
    return stdout
  }

  it('lists slots, mechanisms and objects', async () => {
    const { path, engine, server } = await start()
    const slots = await tool(path, '--list-slots')
    assert.match(slots, /a slot/)
    assert.match(slots, /a token/)
    assert.match(await tool(path, '--list-mechanisms'), /SHA256/)
    const objects = await tool(path, '--list-objects')
    assert.match(objects, /a label/)
    assert.match(objects, /claviger/)
    await until(() => server.connections === 0)
    assert.equal(engine.closed, engine.opened.length)
  })

  it('gets random bytes', async () => {
    const { path } = await start()
    const random = await tool(path, '--generate-random', '8')
    assert.equal(Buffer.from(random, 'latin1').toString('hex').slice(0, 16), '0101010101010101')
  })
})
