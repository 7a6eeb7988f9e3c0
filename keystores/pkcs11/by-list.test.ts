/**
 * Modules that export C_GetFunctionList alone, and those that are none: SoftHSM2 behind a forwarder
 * with that one symbol, and behind p11-kit's client, whose module is such a one.
 *
 * Skipped where Debian's softhsm2, a C compiler or p11-kit's programs are not installed.
 *
 * @module
 */
import { equal, match, rejects } from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { KeyInUse } from '#core/keystore.ts'
import { DATA_KEY_BYTES, Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import { SoftwareKeystore } from '../software/software.ts'
import { HostDevice, type HostOptions } from './host-device.ts'
import { withoutManners } from './manners.ts'
import { Pkcs11Keystore } from './pkcs11.ts'
import { newSoftHsmToken, SOFTHSM, softHsmHost } from './softhsm.ts'

const SOURCE = `#include <dlfcn.h>
unsigned long C_GetFunctionList(void **list) {
  void *module = dlopen(SOFTHSM, RTLD_NOW | RTLD_LOCAL);
  return ((unsigned long (*)(void **))dlsym(module, "C_GetFunctionList"))(list);
}
`
const CLIENT = '/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so'
const withoutClient =
  withoutManners || (!existsSync(CLIENT) && 'p11-kit-client.so is not installed')

describe('a module with a list of functions only', {
  skip: withoutManners,
  timeout: 120_000,
}, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-by-list-'))
  let environment: Readonly<Record<string, string>>
  const optionsOf = (module: string): HostOptions => softHsmHost('listed', environment, 2, module)

  /** Makes keys in it, of both kinds, and works with them. */
  async function works(module: string): Promise<void> {
    const device = await HostDevice.open(optionsOf(module))
    const sealer = new Sealer(new Map([[1, new Secret(randomBytes(DATA_KEY_BYTES))]]))
    const beside = new SoftwareKeystore('beside', sealer)
    const keystore = new Pkcs11Keystore({ name: 'listed' }, device, beside)
    try {
      const spec = { algorithm: 'AES', bits: 256 } as const
      const made = await keystore.generate({ id: 'key', spec })
      const key: KeyInUse = { id: 'key', kind: 'secret', spec, ...made }
      // p11-kit lets no mechanism through whose parameter it does not know, such as an IV.
      const mechanism = { cipher: 'AES_ECB' } as const
      // The second time short operations take their own way.
      for (const text of ['first, 16 bytes.', 'second, 16 bytes']) {
        const { data } = await keystore.encrypt(key, mechanism, Buffer.from(text))
        const opened = await keystore.decrypt(key, mechanism, data)
        equal(Buffer.from(opened).toString(), text)
      }
      await keystore.destroy(made.handle)
    } finally {
      await keystore.close()
    }
  }

  before(() => {
    environment = newSoftHsmToken(folder, 'listed')
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  it('is called by its addresses', async () => {
    const source = join(folder, 'listed.c')
    const module = join(folder, 'listed.so')
    writeFileSync(source, SOURCE)
    const options = ['-shared', '-fPIC', `-DSOFTHSM="${SOFTHSM}"`, '-o', module, source]
    execFileSync('cc', options, { stdio: 'inherit' })
    await works(module)
  })

  it("may be p11-kit's, with the token behind a socket", { skip: withoutClient }, async () => {
    const socket = join(folder, 'p11')
    const args = ['server', '--foreground', '--provider', SOFTHSM as string, '--name', socket]
    const server = spawn('p11-kit', [...args, 'pkcs11:token=listed'], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    try {
      const [said] = (await new Promise((resolve) =>
        server.stdout.once('data', (chunk) => resolve([chunk])),
      )) as [Buffer]
      match(said.toString(), /P11_KIT_SERVER_ADDRESS/)
      environment = { ...environment, P11_KIT_SERVER_ADDRESS: `unix:path=${socket}` }
      await works(CLIENT)
    } finally {
      server.kill()
    }
  })

  it('is not what exports neither', async () => {
    const why = /"listed": .*it is no module of PKCS#11: it exports neither C_Initialize nor/
    await rejects(HostDevice.open(optionsOf('libc.so.6')), why)
  })
})
