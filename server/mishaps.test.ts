/**
 * What goes wrong at night: files that are half there, disks that are full, a log that nobody
 * reads. Each is survived, or refused with what to do.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { KmipClient } from '#clients/kmip/client.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { KmsError } from '#core/errors.ts'
import { complaint } from './complaint.ts'
import { readConfig } from './config.ts'
import { askServer } from './control.ts'
import { House } from './house.ts'
import { lockFolder } from './lock.ts'
import { createLog } from './log.ts'

const SILENT = createLog({ level: 'silent', format: 'json' })
const LAUNCHER = fileURLToPath(new URL('../bin/claviger', import.meta.url))

describe('a mishap', { timeout: 180_000 }, () => {
  let dataDir: string
  let server: OwnServer | undefined
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'claviger-mishap-'))
  })
  afterEach(async () => {
    await server?.stop()
    server = undefined
    rmSync(dataDir, { recursive: true, force: true })
  })
  const file = (...path: string[]): string => join(dataDir, ...path)
  const open = (env: Record<string, string> = {}, log = SILENT): Promise<House> =>
    House.open({ dataDir, config: readConfig(undefined, env), log })
  const furnished = async (env: Record<string, string> = {}): Promise<void> => {
    const house = await open(env)
    await house.close()
  }
  const serves = async (): Promise<void> => {
    server = await startOwnServer({ dataDir })
    await using client = new KmipClient(server.client('admin'))
    await client.call('Query', { queryFunction: [1] })
  }

  it('of the configuration that is seen late ends the start, and leaves no half a server', async () => {
    const tokens = '[{name: a, principal: nobody}]'
    const env = { ...process.env, CLAVIGER_PKCS11_TOKENS: tokens }
    const words = ['serve', '--data', dataDir, '--kmip', '127.0.0.1:0']
    const child = spawn(LAUNCHER, words, { env, stdio: ['ignore', 'ignore', 'pipe'] })
    const late = setTimeout(() => child.kill('SIGKILL'), 20_000)
    let errors = ''
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk
    })
    const [code, signal] = await new Promise<readonly unknown[]>((resolve) => {
      child.once('close', (...how) => resolve(how))
    })
    clearTimeout(late)
    assert.deepEqual([code, signal], [2, null], errors)
    assert.match(errors, /works for "nobody", which is no credential/)
  })

  it('of the log, full or without a reader, costs lines and nothing else', async () => {
    await furnished()
    for (const log of [openSync('/dev/full', 'w'), 'pipe'] as const) {
      const words = ['serve', '--data', dataDir, '--kmip', '127.0.0.1:0']
      const child = spawn(LAUNCHER, words, { stdio: ['ignore', 'pipe', log] })
      const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
      try {
        await new Promise<void>((resolve, reject) => {
          child.stdout?.once('data', () => resolve())
          child.once('exit', () => reject(new Error('it did not start')))
        })
        child.stderr?.destroy()
        const [, port] = ((await askServer(dataDir, 'status', {})) as { kmip: string }).kmip.split(
          ':',
        )
        const pem = (name: string): string => readFileSync(file('pki', name), 'utf8')
        const own = { ca: pem('ca.pem'), cert: pem('admin.pem'), key: pem('admin.key') }
        await askServer(dataDir, 'wirelog.on', { name: 'admin' })
        for (let time = 0; time < 5; time++) {
          await using client = new KmipClient({ host: '127.0.0.1', port: Number(port), ...own })
          await client.call('Query', { queryFunction: [1] })
        }
        await sleep(100)
        assert.ok(await askServer(dataDir, 'status', {}))
      } finally {
        child.kill('SIGTERM')
      }
      assert.equal(await exited, 0)
    }
  })

  it('of the lock that is none of another process does not blame one', () => {
    assert.throws(() => lockFolder(file('nowhere')), {
      name: 'LockedError',
      message: /Cannot use .*nowhere as the data directory: unable to open database file; it needs/,
    })
  })

  it('of the file system is told to the operator who gave the command', async () => {
    server = await startOwnServer({ dataDir })
    mkdirSync(file('root.key.new.part'))
    await assert.rejects(askServer(dataDir, 'rootkey.rotate', {}), {
      message: /Cannot run rootkey.rotate: .*root\.key\.new\.part/,
    })
    rmSync(file('root.key.new.part'), { recursive: true })
    assert.ok(await askServer(dataDir, 'rootkey.rotate', {}))
  })

  it('that nobody has foreseen is in the log, where the command says that it is', async () => {
    server = await startOwnServer({ dataDir })
    rmSync(file('pki', 'ca.pem'))
    writeFileSync(file('pki', 'ca.pem'), 'no certificate')
    await assert.rejects(askServer(dataDir, 'authority.show', {}), { message: /see the log/ })
    assert.match(server.log(), /a command of the operator failed command=authority.show\n.*Error/)
  })

  it('of files in pki/, empty, half or missing, shuts nobody out', async () => {
    await serves()
    const names = ['ca.pem', 'server.pem', 'server.key', 'server-rsa.pem', 'server-rsa.key']
    const [ca, admin] = ['ca.pem', 'admin.pem'].map((name) => readFileSync(file('pki', name)))
    for (const part of [0, 0.5, undefined]) {
      await server?.stop()
      for (const name of names) {
        const path = file('pki', name)
        if (part === undefined) rmSync(path)
        else truncateSync(path, Math.floor(statSync(path).size * part))
      }
      await serves()
      assert.deepEqual(readFileSync(file('pki', 'ca.pem')), ca)
      assert.deepEqual(readFileSync(file('pki', 'admin.pem')), admin)
    }
  })

  it('of a certificate that a client shows is in the log with its reason and its peer', async () => {
    const house = await open()
    const { authority } = house
    const times = { late: -0.01, unknown: 1 }
    for (const [name, days] of Object.entries(times)) {
      const { certPem, keyPem } = await authority.issueClient(name, days)
      writeFileSync(file('pki', `${name}.pem`), certPem)
      writeFileSync(file('pki', `${name}.key`), keyPem)
    }
    await house.close()
    const running = await startOwnServer({ dataDir })
    server = running
    const asks = async (name: string): Promise<void> => {
      await using client = new KmipClient(running.client(name))
      await client.call('Query', { queryFunction: [1] })
    }
    await assert.rejects(asks('late'))
    await assert.rejects(asks('unknown'))
    const lines = running.log()
    const expired = /handshake failed peer=127\.0\.0\.1 reason="the certificate .* has expired"/
    assert.match(lines, expired)
    assert.match(lines, /a client was turned away peer=\S+ reason=/)
  })

  it('that took the database makes no new one in its place', async () => {
    await furnished()
    const root = readFileSync(file('root.key'))
    const ca = readFileSync(file('pki', 'ca.pem'))
    for (const spoil of [
      () => truncateSync(file('claviger.db')),
      () => rmSync(file('claviger.db')),
    ]) {
      spoil()
      for (const end of ['-wal', '-shm']) rmSync(file(`claviger.db${end}`), { force: true })
      await assert.rejects(open(), {
        code: 'storageUnavailable',
        message: /claviger\.db is missing or empty, and .*ca\.pem is there; restore it/,
      })
    }
    assert.deepEqual(
      [readFileSync(file('root.key')), readFileSync(file('pki', 'ca.pem'))],
      [root, ca],
    )
    rmSync(file('pki'), { recursive: true })
    await furnished()
  })

  it('of the database file says to restore it', async () => {
    await furnished()
    const whole = readFileSync(file('claviger.db'))
    for (const bytes of [whole.subarray(0, 5_000), Buffer.from('no database at all, but text')]) {
      writeFileSync(file('claviger.db'), bytes)
      await assert.rejects(open(), (error: KmsError) => {
        assert.equal(error.code, 'storageUnavailable')
        assert.match(error.message, /Cannot open the database .*claviger\.db: .*; keep a copy/)
        return true
      })
    }
    writeFileSync(file('claviger.db'), whole)
    await furnished()
  })

  it('while the first root key was written is none for the next start', async () => {
    writeFileSync(file('root.key.part'), 'claviger ro', { mode: 0o600 })
    await furnished()
    assert.equal(existsSync(file('root.key.part')), false)
    await furnished()
  })

  it('while a credential was written leaves its name free', async () => {
    const house = await open()
    const wish = { name: 'app', days: 1 }
    mkdirSync(file('pki', 'app.pem.new'))
    await assert.rejects(house.createCredential(wish, 'test'))
    assert.equal(await house.credentials.named('app'), undefined)
    rmSync(file('pki', 'app.pem.new'), { recursive: true })
    const { cert } = await house.createCredential(wish, 'test')
    const first = readFileSync(cert)
    await assert.rejects(house.createCredential(wish, 'test'), { code: 'exists' })
    assert.deepEqual(readFileSync(cert), first)
    const twins = await Promise.allSettled(
      [1, 2].map(() => {
        return house.createCredential({ name: 'twin', days: 1 }, 'test')
      }),
    )
    assert.deepEqual(twins.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
    const known = await house.credentials.named('twin')
    const written = new X509Certificate(readFileSync(file('pki', 'twin.pem')))
    assert.equal(known?.serial, written.serialNumber.toLowerCase())
    await house.close()
  })

  it('of who types a passphrase is called that', async () => {
    const source = { CLAVIGER_ROOT_KEY_SOURCE: 'passphrase' }
    const typed = (passphrase: string): Promise<House> => {
      const config = readConfig(undefined, source)
      return House.open({ dataDir, config, log: SILENT, askPassphrase: async () => passphrase })
    }
    await (await typed('right')).close()
    await assert.rejects(typed('wrong'), { code: 'tampered', message: /the passphrase is wrong/ })
    await (await typed('right')).close()
  })

  it('that lasts is told once a minute, with how often it happened', () => {
    const told: object[] = []
    const log = { error: (what: object) => told.push(what) } as unknown as typeof SILENT
    let now = 0
    const failed = complaint(
      () => log,
      'it failed',
      () => now,
    )
    for (; now < 90_000; now += 250) failed(new KmsError('storageUnavailable', 'full'))
    assert.deepEqual(told, [
      { reason: 'full', failures: 1 },
      { reason: 'full', failures: 240 },
    ])
  })
})

describe('SIGHUP', { timeout: 60_000 }, () => {
  it('shows the certificate that the files hold now', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'claviger-hangup-'))
    const [cert, key] = ['own.pem', 'own.key'].map((name) => join(folder, name)) as [string, string]
    const first = await startOwnServer()
    let second: OwnServer | undefined
    const shown = (port: number): Promise<string | undefined> => {
      return new Promise((resolve, reject) => {
        const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
          resolve(socket.getPeerX509Certificate()?.serialNumber)
          socket.destroy()
        })
        socket.once('error', reject)
      })
    }
    const take = (name: string): void => {
      copyFileSync(join(first.dataDir, 'pki', `${name}.pem`), cert)
      copyFileSync(join(first.dataDir, 'pki', `${name}.key`), key)
    }
    try {
      take('server')
      const env = { CLAVIGER_KMIP_TLS_CERT: cert, CLAVIGER_KMIP_TLS_KEY: key }
      second = await startOwnServer({ env })
      const before = await shown(second.port)
      take('server-rsa')
      assert.equal(await shown(second.port), before)
      second.process.kill('SIGHUP')
      const end = Date.now() + 5_000
      while ((await shown(second.port)) === before && Date.now() < end) await sleep(50)
      assert.notEqual(await shown(second.port), before)
      assert.equal(await second.stop(), 0)
    } finally {
      await second?.stop()
      await first.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
