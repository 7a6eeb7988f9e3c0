/**
 * What SoftHSM2 leaves where it is ended while it makes a key: it writes the file of a new object
 * attribute by attribute, CKA_LABEL and CKA_ID near the end, the value last. Such an object is
 * nobody's: it is passed by, and disturbs nothing.
 *
 * The end comes at the same moment every time (`partly-written.c`). Skipped where Debian's softhsm2
 * or opensc, or a C compiler, is not installed.
 *
 * @module
 */
import { deepEqual, equal } from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { DATA_KEY_BYTES, Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import { CKA } from '#spec/pkcs11/constants.ts'
import { SoftwareKeystore } from '../software/software.ts'
import { HostDevice } from './host-device.ts'
import { Pkcs11Keystore } from './pkcs11.ts'
import { newSoftHsmToken, SOFTHSM, SOFTHSM_PIN, softHsmHost } from './softhsm.ts'

const isThere = (program: string): boolean => spawnSync(program, ['--version']).error === undefined
const skip =
  SOFTHSM !== undefined && ['cc', 'pkcs11-tool'].every(isThere)
    ? false
    : 'softhsm2, opensc or cc is not installed'
const AES = { algorithm: 'AES', bits: 256 } as const
/** A new object's file is written more than thirty times; its label comes with the last two. */
const SOME = 20

describe('an object that SoftHSM2 has not written to its end', { skip, timeout: 60_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-partly-'))
  const preloaded = join(folder, 'partly-written.so')
  let environment: ReturnType<typeof newSoftHsmToken>
  let device: HostDevice
  let hsm: Pkcs11Keystore

  /** A key of another program, which is ended where it writes for this time. */
  function make(label: string, writing?: number): NodeJS.Signals | null {
    const key = ['--keygen', '--key-type', 'aes:32', '--label', label, '--id', '0a']
    const login = ['--module', SOFTHSM as string, '--token-label', 'p', '--login']
    const ending = writing && { LD_PRELOAD: preloaded, TRUNCATES: String(writing) }
    const env = { ...process.env, ...environment, ...ending }
    const args = [...login, '--pin', SOFTHSM_PIN, ...key]
    return spawnSync('pkcs11-tool', args, { env, timeout: 20_000 }).signal
  }

  /** Of all that is shown; what is not written to its end is no object of the token yet. */
  const labels = (): Promise<readonly string[]> =>
    device.use(async (session) => {
      const found: string[] = []
      for (const hObject of await session.findAll([])) {
        const pTemplate = [{ type: CKA.LABEL, capacity: 64 }]
        const answer = await session.call('C_GetAttributeValue', { hObject, pTemplate })
        found.push(Buffer.from(answer.pTemplate[0]?.value as Uint8Array).toString())
      }
      return found.toSorted()
    })

  before(async () => {
    environment = newSoftHsmToken(folder, 'p')
    const source = fileURLToPath(new URL('partly-written.c', import.meta.url))
    execFileSync('cc', ['-Wall', '-Werror', '-shared', '-fPIC', '-o', preloaded, source])
    equal(make('whole'), null)
    equal(make('part', SOME), 'SIGKILL')
    device = await HostDevice.open(softHsmHost('p', environment))
    const sealer = new Sealer(new Map([[1, new Secret(randomBytes(DATA_KEY_BYTES))]]))
    hsm = new Pkcs11Keystore({ name: 'p' }, device, new SoftwareKeystore('p', sealer))
  })
  after(async () => {
    await hsm?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('has no label', async () => {
    deepEqual(await labels(), ['', 'whole'])
  })

  it('is passed by where keys are looked for, made and destroyed', async () => {
    deepEqual(
      (await hsm.foundlings()).map(({ label }) => label),
      ['whole'],
    )
    deepEqual(await hsm.foundlings('part'), [])
    const { handle } = await hsm.generate({ id: 'own', spec: AES })
    const key = { id: 'own', kind: 'secret', spec: AES, handle, format: 1 } as const
    const iv = Buffer.alloc(12)
    const { data } = await hsm.encrypt(key, { cipher: 'AES_GCM', iv }, Buffer.from('x'))
    equal(data.length, 1)
    await hsm.destroy(handle)
    deepEqual(await labels(), ['', 'whole'])
  })
})
