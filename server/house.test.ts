/**
 * A data directory: its root key, its files, its one owner.
 *
 * @module
 */
import assert from 'node:assert/strict'
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { KmipClient } from '#clients/kmip/client.ts'
import { startOwnServer } from '#conformance/own-server.ts'
import { readConfig } from './config.ts'
import { askServer } from './control.ts'
import { House } from './house.ts'
import { LockedError } from './lock.ts'
import { createLog } from './log.ts'
import {
  adoptNext,
  eraseFile,
  findFileKey,
  newFileKey,
  nextPath,
  passphraseKey,
  readFileKey,
  writeFileKey,
} from './rootkey.ts'

const SILENT = createLog({ level: 'silent', format: 'json' })

describe('a data directory', { timeout: 120_000 }, () => {
  let dataDir: string
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'claviger-house-'))
  })
  afterEach(() => rmSync(dataDir, { recursive: true, force: true }))

  const open = (environment: Record<string, string> = {}, passphrase?: string): Promise<House> =>
    House.open({
      dataDir,
      config: readConfig(undefined, environment),
      log: SILENT,
      askPassphrase: passphrase === undefined ? undefined : async () => passphrase,
    })

  it('keeps every secret file to its owner', async () => {
    const house = await open()
    await house.createCredential({ name: 'someone', days: 1 }, 'test')
    await house.close()
    const mode = (path: string): number => statSync(join(dataDir, path)).mode & 0o777
    assert.equal(mode('root.key'), 0o600)
    const keys = readdirSync(join(dataDir, 'pki')).filter((name) => name.endsWith('.key'))
    assert.ok(keys.includes('admin.key') && keys.includes('someone.key'))
    for (const name of keys) assert.equal(mode(join('pki', name)), 0o600, name)
    const database = readFileSync(join(dataDir, 'claviger.db'))
    const root = readFileSync(join(dataDir, 'root.key'), 'utf8').split('\n')[1] as string
    assert.ok(!database.includes(Buffer.from(root, 'base64')) && !database.includes(root))
    assert.ok(!database.includes('PRIVATE KEY'), 'the key of the authority is sealed')
  })

  it('belongs to one process', async () => {
    const house = await open()
    await assert.rejects(open(), (error: Error) => {
      assert.ok(error instanceof LockedError)
      assert.match(
        error.message,
        new RegExp(`in use by another Claviger \\(process ${process.pid}\\)`),
      )
      return true
    })
    await house.close()
    await (await open()).close()
  })

  it('opens with its own root key alone', async () => {
    await (await open()).close()
    const path = join(dataDir, 'root.key')
    const own = readFileSync(path)
    rmSync(path)
    await assert.rejects(
      open(),
      /Cannot read root key .* is not there; put back the one with the id/,
    )
    assert.ok(!existsSync(path), 'no new key was made')
    writeFileKey(path, newFileKey())
    await assert.rejects(open(), /another root key than it was sealed with/)
    writeFileSync(path, 'hello\n')
    await assert.rejects(open(), /it is no root key file/)
    writeFileSync(path, own)
    chmodSync(path, 0o644)
    await assert.rejects(open(), /others may read it; do: chmod 600/)
    chmodSync(path, 0o600)
    await (await open()).close()
  })

  it('opens with its passphrase alone, from a file or from a person', async () => {
    const environment = { CLAVIGER_ROOT_KEY_SOURCE: 'passphrase' }
    await (await open(environment, 'correct horse')).close()
    assert.ok(!existsSync(join(dataDir, 'root.key')))
    await assert.rejects(open(environment, 'wrong horse'), { code: 'tampered' })
    await assert.rejects(open(environment), /its passphrase is missing; set CLAVIGER_PASSPHRASE/)
    const file = join(dataDir, 'passphrase')
    writeFileSync(file, 'correct horse\n')
    await (await open({ ...environment, CLAVIGER_ROOT_KEY_PASSPHRASE_FILE: file })).close()
  })

  it('finishes a rotation that was interrupted, before and after the database knew of it', () => {
    const path = join(dataDir, 'root.key')
    const [old, next] = [newFileKey(), newFileKey()]
    for (const known of [old, next]) {
      rmSync(path, { force: true })
      writeFileKey(path, old)
      writeFileKey(nextPath(path), next)
      assert.ok(known.name.kind === 'file')
      const found = findFileKey(path, known.name)
      assert.deepEqual(found.key.expose(), known.key.expose())
      assert.ok(!existsSync(nextPath(path)))
      assert.deepEqual(readFileKey(path).name, known.name)
      assert.deepEqual(readdirSync(dataDir), ['root.key'])
    }
  })

  it('finishes a rotation that stopped between two names, or while the new key was written', () => {
    const path = join(dataDir, 'root.key')
    const [old, next] = [newFileKey(), newFileKey()]
    assert.ok(old.name.kind === 'file' && next.name.kind === 'file')
    writeFileKey(`${path}.old`, old)
    writeFileKey(nextPath(path), next)
    assert.deepEqual(findFileKey(path, next.name).name, next.name)
    assert.deepEqual(readdirSync(dataDir), ['root.key'])
    writeFileKey(`${path}.old`, old)
    assert.deepEqual(findFileKey(path, next.name).name, next.name)
    assert.deepEqual(readdirSync(dataDir), ['root.key'])
    writeFileSync(nextPath(path), 'claviger', { mode: 0o600 })
    assert.deepEqual(findFileKey(path, next.name).name, next.name)
    assert.deepEqual(readdirSync(dataDir), ['root.key'])
  })

  it('overwrites a key file that goes, but not what a link leads to', () => {
    const path = join(dataDir, 'root.key')
    const [backup, link] = [join(dataDir, 'backup'), join(dataDir, 'link')]
    writeFileKey(path, newFileKey())
    writeFileKey(nextPath(path), newFileKey())
    const text = readFileSync(path, 'utf8')
    const file = openSync(path, 'r')
    adoptNext(path)
    // What is open can be read when its name is gone.
    assert.deepEqual(readFileSync(file), Buffer.alloc(text.length))
    closeSync(file)
    assert.deepEqual(readdirSync(dataDir), ['root.key'])
    linkSync(path, backup)
    eraseFile(path)
    assert.match(readFileSync(backup, 'utf8'), /^claviger root key 1\n/)
    symlinkSync(backup, link)
    eraseFile(link)
    assert.match(readFileSync(backup, 'utf8'), /^claviger root key 1\n/)
    assert.deepEqual(readdirSync(dataDir), ['backup'])
  })

  it('changes its root key while it serves, and starts again with the new one', async () => {
    const server = await startOwnServer({ dataDir })
    const kmip = new KmipClient(await server.newClient())
    const attributes = {
      attributes: [
        { id: 'cryptographicAlgorithm', value: 3 },
        { id: 'cryptographicLength', value: 128 },
        { id: 'cryptographicUsageMask', value: 12 },
      ],
    } as const
    const { uniqueIdentifier } = await kmip.call('Create', { objectType: 2, attributes })
    const before = readFileSync(join(dataDir, 'root.key'), 'utf8')
    await askServer(dataDir, 'rootkey.rotate', { to: 'file' })
    assert.notEqual(readFileSync(join(dataDir, 'root.key'), 'utf8'), before)
    await kmip.call('Get', { uniqueIdentifier })
    kmip.close()
    await server.kill()
    const again = await server.restart()
    await using client = new KmipClient(again.client('admin'))
    await client.call('Query', { queryFunction: [1] })
    assert.deepEqual(await askServer(dataDir, 'verify', {}), { problems: [] })
    await askServer(dataDir, 'rootkey.rotate', { to: 'passphrase', passphrase: 'new words' })
    assert.ok(!existsSync(join(dataDir, 'root.key')))
    await assert.rejects(open({}, 'new words'), LockedError)
    client.close()
    assert.equal(await again.stop(), 0)
    await (await open({}, 'new words')).close()
  })

  it('lets in whoever has a certificate of another authority that was registered', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'claviger-elsewhere-'))
    const config = readConfig(undefined, {})
    const other = await House.open({ dataDir: elsewhere, config, log: SILENT })
    const issued = await other.authority.issueClient('far', 1)
    const authority = readFileSync(join(elsewhere, 'pki', 'ca.pem'), 'utf8')
    await other.close()
    const env = { CLAVIGER_KMIP_TLS_CLIENT_CA: `[${join(elsewhere, 'pki', 'ca.pem')}]` }
    const server = await startOwnServer({ dataDir, env })
    const ask = (name: 'credential.register' | 'credential.revoke', input: object) =>
      askServer(dataDir, name, input)
    const asks = async (): Promise<void> => {
      const options = { ...server.client('admin'), cert: issued.certPem, key: issued.keyPem }
      await using client = new KmipClient(options)
      await client.call('Query', { queryFunction: [1] })
    }
    await assert.rejects(asks(), 'an authority that is trusted is not enough')
    const wish = { name: 'far', scope: 'shared', certificate: issued.certPem }
    const { credential, trusted } = (await ask('credential.register', wish)) as {
      readonly credential: { readonly fingerprint: string; readonly scope: string }
      readonly trusted: boolean
    }
    assert.equal(credential.fingerprint, issued.fingerprint)
    assert.equal(credential.scope, 'shared')
    assert.ok(trusted)
    await asks()
    const register = (more: object) => ask('credential.register', { ...wish, ...more })
    await assert.rejects(register({}), /the name is taken/)
    await assert.rejects(register({ name: 'again' }), /its certificate is that of "far"/)
    await assert.rejects(register({ name: 'ca', certificate: authority }), /of an authority/)
    await assert.rejects(register({ name: 'x', certificate: 'hello' }), /no X\.509 certificate/)
    const own = readFileSync(join(dataDir, 'pki', 'admin.pem'), 'utf8')
    await assert.rejects(register({ name: 'y', certificate: own }), /that of "admin"/)
    const list = (await askServer(dataDir, 'audit.list', {
      operation: 'RegisterCredential',
    })) as readonly { readonly object: string }[]
    assert.deepEqual(
      list.map(({ object }) => object),
      ['far'],
    )
    await ask('credential.revoke', { name: 'far' })
    await assert.rejects(asks())
    await assert.rejects(register({ name: 'again' }), /that of "far"/, 'revoked is for ever')
    await server.stop()
    rmSync(elsewhere, { recursive: true, force: true })
  })

  it('refuses commands that it does not know, or with input that does not fit', async () => {
    const server = await startOwnServer({ dataDir })
    const ask = (name: string, input: object) => askServer(dataDir, name as 'verify', input)
    await assert.rejects(ask('constructor', {}), /no such command/)
    await assert.rejects(ask('verify', { more: 1 }), { code: 'invalidField' })
    await assert.rejects(ask('credential.create', { name: '../x' }), /a name has/)
    await assert.rejects(ask('credential.create', { name: 'admin' }), /the name is taken/)
    await assert.rejects(ask('credential.revoke', { name: 'nobody' }), { code: 'notFound' })
    await server.stop()
  })
})

describe('Argon2id', () => {
  it('makes of a passphrase what its reference implementation does', async () => {
    // Version 0x13, no secret, no associated data.
    const name = { kind: 'passphrase', memory: 65_536, passes: 2, parallelism: 1 } as const
    const salt = Buffer.from('somesalt').toString('base64')
    const key = await passphraseKey('password', { ...name, salt })
    const expected = '09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7'
    assert.equal(Buffer.from(key.expose()).toString('hex'), expected)
  })

  it('takes the same characters in another composition for the same passphrase', async () => {
    const name = { kind: 'passphrase', memory: 64, passes: 1, parallelism: 1 } as const
    const salt = Buffer.alloc(16).toString('base64')
    const [composed, decomposed] = await Promise.all(
      ['caf\u00e9', 'cafe\u0301'].map((text) => passphraseKey(text, { ...name, salt })),
    )
    assert.deepEqual(composed?.expose(), decomposed?.expose())
  })
})
