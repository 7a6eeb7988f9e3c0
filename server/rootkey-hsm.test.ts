/**
 * The root key under a key of an HSM: a new database, rotations to and fro, and what is refused.
 *
 * Skipped where Debian's softhsm2 is not installed.
 *
 * @module
 */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import type { KmsError } from '#core/errors.ts'
import { openDataKey } from '#core/sealer.ts'
import { HostDevice } from '#keystores/pkcs11/host-device.ts'
import { newSoftHsmToken, SOFTHSM, SOFTHSM_PIN, softHsmHost } from '#keystores/pkcs11/softhsm.ts'
import { isWrappingId, WrappingKeys } from '#keystores/pkcs11/wrapping.ts'
import { CKA, CKM } from '#spec/pkcs11/constants.ts'
import { boolBytes, ulongBytes } from '#spec/pkcs11/memory.ts'
import type { Attribute } from '#spec/pkcs11/types.ts'
import { ConfigError, readConfig } from './config.ts'
import { House } from './house.ts'
import { adoptKeys } from './hsm.ts'
import { createLog } from './log.ts'
import { type HsmName, newFileKey, nextPath, writeFileKey } from './rootkey.ts'

const skip = SOFTHSM === undefined ? 'softhsm2 is not installed' : false
const SILENT = createLog({ level: 'silent', format: 'json' })
const [yes, no] = [boolBytes(true), boolBytes(false)]

type Environment = Readonly<Record<string, string>>

describe('a root key under a key of an HSM', { skip, timeout: 600_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-root-hsm-'))
  const pinFile = join(folder, 'pin')
  const environments: Record<string, Environment> = {}
  const applications: Record<string, HostDevice> = {}
  let dataDir: string

  const application = async (label: string): Promise<HostDevice> => {
    const environment = newSoftHsmToken(folder, label)
    environments[label] = environment
    const device = await HostDevice.open(softHsmHost(label, environment, 1))
    applications[label] = device
    return device
  }
  const keystore = (name: string, token: string, more: object = {}): object => ({
    name,
    type: 'pkcs11',
    module: SOFTHSM,
    environment: environments[token],
    label: token,
    pinFile,
    sessions: 1,
    ...more,
  })
  const software = { name: 'software', type: 'software' }
  const open = (
    rootKey: object,
    hsms: readonly object[] = [keystore('hsm1', 'one')],
  ): Promise<House> => {
    const path = join(folder, 'claviger.yaml')
    writeFileSync(path, JSON.stringify({ rootKey, keystores: [software, ...hsms] }))
    return House.open({ dataDir, config: readConfig(path, {}), log: SILENT })
  }
  const HSM = { source: 'hsm', make: true }
  /** What the database says of its root key. */
  const stored = (): { readonly name: HsmName; readonly dataKey: Uint8Array } => {
    using database = new DatabaseSync(join(dataDir, 'claviger.db'), { readOnly: true })
    const name = database.prepare("SELECT value FROM meta WHERE key = 'root_name'").get()
    const key = database.prepare('SELECT sealed FROM data_keys').get()
    return {
      name: JSON.parse(name?.['value'] as string) as HsmName,
      dataKey: key?.['sealed'] as Uint8Array,
    }
  }
  const newAes = (label: string, token: string, ...more: readonly Attribute[]): Promise<unknown> =>
    (applications[token] as HostDevice).use((session) => {
      const given = new Set(more.map(({ type }) => type))
      const usual = [
        { type: CKA.TOKEN, value: yes },
        { type: CKA.SENSITIVE, value: yes },
        { type: CKA.EXTRACTABLE, value: no },
        { type: CKA.LABEL, value: Buffer.from(label) },
        { type: CKA.ID, value: Buffer.from(label) },
        { type: CKA.VALUE_LEN, value: ulongBytes(32) },
        ...[CKA.ENCRYPT, CKA.DECRYPT, CKA.WRAP, CKA.UNWRAP].map((type) => ({ type, value: yes })),
      ].filter(({ type }) => !given.has(type))
      return session.call('C_GenerateKey', {
        pMechanism: { type: CKM.AES_KEY_GEN, parameter: undefined },
        pTemplate: [...usual, ...more],
      })
    })

  before(async () => {
    writeFileSync(pinFile, `${SOFTHSM_PIN}\n`)
    await application('one')
    await application('two')
  })
  after(async () => {
    for (const device of Object.values(applications)) await device.close()
    rmSync(folder, { recursive: true, force: true })
  })
  beforeEach(() => {
    dataDir = mkdtempSync(join(folder, 'data-'))
  })
  /** Keys that were made by the tests before. */
  afterEach(async () => {
    for (const device of Object.values(applications)) {
      await device.use(async (session) => {
        for (const hObject of await session.findAll([{ type: CKA.TOKEN, value: yes }])) {
          await session.call('C_DestroyObject', { hObject })
        }
      })
    }
  })

  it('is made with a new database, and on no disk', async () => {
    const house = await open(HSM)
    const shown = house.root as Record<string, string>
    equal(shown['kind'], 'hsm')
    equal(shown['keystore'], 'hsm1')
    equal(shown['token'], 'one')
    equal(shown['key'], 'claviger-root')
    equal(shown['cipher'], 'AES_GCM')
    await house.close()
    ok(!existsSync(join(dataDir, 'root.key')))
    await (await open(HSM)).close()

    const { name, dataKey } = stored()
    const keys = new WrappingKeys('test', applications['one'] as HostDevice)
    const key = await keys.known(name.key)
    ok(key !== undefined && isWrappingId(Buffer.from(key.id, 'hex')))
    for (const [type, value] of [
      [CKA.SENSITIVE, 1],
      [CKA.EXTRACTABLE, 0],
    ] as const) {
      equal(key.values.get(type)?.[0], value)
    }
    const root = await keys.unwrap(key, name.envelope, `claviger root key ${name.id}`)
    const plain = openDataKey(root, 1, dataKey)
    for (const secret of [root.expose(), plain.expose()]) {
      for (const file of filesIn(dataDir)) {
        const bytes = readFileSync(file)
        ok(!bytes.includes(secret), file)
        ok(!bytes.includes(Buffer.from(secret).toString('base64')), file)
        ok(!bytes.includes(Buffer.from(secret).toString('hex')), file)
      }
    }
  })

  it('wants the key to be there, or to be asked for', async () => {
    await rejects(open({ source: 'hsm' }), (error: KmsError) => {
      equal(error.code, 'keyValueNotPresent')
      match(error.message, /HSM "hsm1" for the root key: it has no key "claviger-root"/)
      return true
    })
    await newAes('claviger-root', 'one')
    await rejects(open(HSM), /there is one of that name that was not made for a root key/)
    const house = await open({ source: 'hsm' })
    equal((house.root as { keyId: string }).keyId, `0x${hex('claviger-root')}`)
    await house.close()
  })

  it('moves from a file to an HSM, to another key, to another HSM, and back', async () => {
    const both = [keystore('hsm1', 'one'), keystore('hsm2', 'two')]
    const file = join(dataDir, 'root.key')
    let house = await open({}, both)
    const moves = [
      [{ to: 'hsm', keystore: 'hsm1', make: true }, 'hsm1'],
      [{ to: 'hsm', keystore: 'hsm1', make: true }, 'hsm1'],
      [{ to: 'hsm', keystore: 'hsm2', key: 'other', make: true }, 'hsm2'],
      [{ to: 'passphrase', passphrase: 'correct horse' }, undefined],
      [{ to: 'hsm', keystore: 'hsm2', key: 'other' }, 'hsm2'],
      [{ to: 'file' }, undefined],
    ] as const
    const ids = new Set<string>()
    process.env['CLAVIGER_PASSPHRASE'] = 'correct horse'
    try {
      for (const [wish, name] of moves) {
        const shown = (await house.rotateRootKey(wish, 'operator')) as Record<string, string>
        equal(shown['keystore'], name)
        equal(existsSync(file), wish.to === 'file')
        await house.close()
        house = await open({}, both)
        deepEqual(house.root, shown)
        deepEqual(await house.database.verify(), [])
        ids.add(shown['keyId'] ?? wish.to)
      }
    } finally {
      delete process.env['CLAVIGER_PASSPHRASE']
    }
    equal(ids.size, 5, 'a new key each time, but where it was named')
    const entries = await house.database.audit({ operation: 'RotateRootKey', limit: 10 })
    equal(entries.length, moves.length)
    match(entries.at(-1)?.detail as string, /^from file key [0-9a-f]{16} to key "claviger-root-/)
    match(entries[0]?.detail as string, /^from key "other" of HSM "hsm2" to file key/)
    await house.close()
  })

  it('goes on while its HSM is away, and leaves it then; starts only with it', async () => {
    let house = await open(HSM)
    await house.close()
    const away = keystore('hsm1', 'one', { module: '/nonexistent/module.so' })
    await rejects(open(HSM, [away]), (error: KmsError) => {
      equal(error.code, 'keystoreUnavailable')
      match(error.message, /^Cannot open the database: HSM "hsm1", which unwraps its root key, is/)
      match(error.message, /it was wrapped in "hsm1" \(token "one", serial number [0-9a-f]+\)/)
      return true
    })
    house = await open(HSM)
    const tokens = environments['one']?.['SOFTHSM2_CONF'] as string
    const text = readFileSync(tokens, 'utf8')
    writeFileSync(tokens, 'directories.tokendir = /nonexistent\n')
    const hosts = house.services.keystores.named('hsm1') as unknown as {
      status(): { process: number }
    }
    process.kill(hosts.status().process, 'SIGKILL')
    try {
      await rejects(house.rotateRootKey({ to: 'hsm', make: true }, 'operator'), {
        code: 'keystoreUnavailable',
      })
      await house.createCredential({ name: 'meanwhile', days: 1 }, 'operator')
      await house.rotateRootKey({ to: 'file' }, 'operator')
    } finally {
      writeFileSync(tokens, text)
    }
    await house.close()
    house = await open(HSM)
    equal((house.root as { kind: string }).kind, 'file')
    ok((await house.credentials.named('meanwhile')) !== undefined)
    await house.close()
  })

  it('does not take another token for its own, nor another key of the same name', async () => {
    await (await open(HSM)).close()
    const { name } = stored()
    const before = { ...stored(), files: readdirSync(dataDir) }
    await rejects(open(HSM, [keystore('hsm1', 'two')]), (error: KmsError) => {
      equal(error.code, 'keyValueNotPresent')
      match(error.message, /HSM "hsm1" \(token "two", serial number \w+\) does not have the key/)
      match(error.message, /wrapped in "hsm1" \(token "one", serial number \w+\)/)
      return true
    })
    await newAes('claviger-root', 'two', { type: CKA.ID, value: Buffer.from(name.key.id, 'hex') })
    await rejects(open(HSM, [keystore('hsm1', 'two')]), (error: KmsError) => {
      equal(error.code, 'tampered')
      match(error.message, /of HSM "hsm1" \(token "two", serial number \w+\) is another one than/)
      return true
    })
    deepEqual({ ...stored(), files: readdirSync(dataDir) }, before, 'nothing was changed')
    await (await open(HSM)).close()
  })

  it('is found under another name of the keystore, where the configuration says so', async () => {
    await (await open(HSM)).close()
    const renamed = [keystore('vault', 'one')]
    await rejects(open({ source: 'hsm' }, renamed), (error: Error) => {
      ok(error instanceof ConfigError)
      match(error.message, /no keystore is called "hsm1"; put it back, or name it in rootKey/)
      return true
    })
    await (await open({ source: 'hsm', keystore: 'vault' }, renamed)).close()
  })

  it('wants a PIN that is not in the database, and an HSM that there is', async () => {
    const inside = [keystore('hsm1', 'one', { pinFile: undefined, pinObject: 'some-object' })]
    await rejects(open(HSM, inside), /the PIN of "hsm1" is an object of the database \(pinObject\)/)
    await rejects(open({ ...HSM, keystore: 'software' }), /"software" is no HSM; .* pkcs11: hsm1/)
    const both = [keystore('hsm1', 'one'), keystore('hsm2', 'two')]
    await rejects(open(HSM, both), /say which HSM; keystores of type pkcs11: hsm1, hsm2/)
    const house = await open({}, both)
    const before = house.root
    const wish = { to: 'hsm', make: true } as const
    await rejects(house.rotateRootKey(wish, 'operator'), { code: 'invalidField' })
    deepEqual(house.root, before)
    await house.close()
  })

  it('refuses keys that could leave the device, that are doubtful, or too weak', async () => {
    await newAes('readable', 'one', { type: CKA.SENSITIVE, value: no })
    await newAes('leaving', 'one', { type: CKA.EXTRACTABLE, value: yes })
    await newAes('twice', 'one', { type: CKA.ID, value: Buffer.of(1) })
    await newAes('twice', 'one', { type: CKA.ID, value: Buffer.of(2) })
    await newAes('nameless', 'one', { type: CKA.ID, value: new Uint8Array(0) })
    const flags = [CKA.ENCRYPT, CKA.DECRYPT, CKA.WRAP, CKA.UNWRAP]
    await newAes('idle', 'one', ...flags.map((type) => ({ type, value: no })))
    let house = await open({})
    const rotate = (key: string): Promise<object> =>
      house.rotateRootKey({ to: 'hsm', key }, 'operator')
    await rejects(rotate('readable'), /it is not sensitive, or is extractable/)
    await rejects(rotate('leaving'), /it is not sensitive, or is extractable/)
    await rejects(rotate('twice'), /there are 2; name one by its CKA_ID: 0x0[12], 0x0[12]$/)
    await rejects(rotate('nameless'), /it has no CKA_ID/)
    await rejects(rotate('idle'), /AES_GCM on data: the key may not encrypt; .* may not wrap/)
    await rejects(rotate('absent'), { code: 'keyValueNotPresent' })
    await rejects(house.rotateRootKey({ to: 'hsm', key: '0xzz', make: true }, 'o'), /needs a label/)
    equal((house.root as { kind: string }).kind, 'file')
    const withKek = keystore('hsm1', 'one', { kek: { label: 'kek' } })
    await newAes('kek', 'one')
    await house.close()
    house = await open({}, [withKek])
    await rejects(rotate('kek'), /keys are got through it \(kek\), and there is a copy of it/)
    await rotate('0x02')
    equal((house.root as { keyId: string }).keyId, '0x02')
    await house.close()
    ok(!existsSync(join(dataDir, 'root.key')))
  })

  it('wants the key in every HSM of a group', async () => {
    const others = [{ environment: environments['two'], label: 'two' }]
    const house = await open({}, [keystore('hsm1', 'one', { others })])
    await newAes('shared', 'one')
    const rotate = (): Promise<object> =>
      house.rotateRootKey({ to: 'hsm', key: 'shared' }, 'operator')
    await rejects(rotate(), (error: KmsError) => {
      equal(error.code, 'keyValueNotPresent')
      match(error.message, /key "shared" .*: HSM "hsm1" \(token "two", .*\) does not have it/)
      return true
    })
    // A key of the same name there that is another one.
    await newAes('shared', 'two')
    await rejects(rotate(), /it wraps with nothing that is known here: AES_GCM on data: /)
    equal((house.root as { kind: string }).kind, 'file')
    await house.close()
  })

  it('takes the mechanism that the key may be used with', async () => {
    const can = (...types: readonly number[]): Attribute[] =>
      [CKA.ENCRYPT, CKA.DECRYPT, CKA.WRAP, CKA.UNWRAP].map((type) => {
        return { type, value: types.includes(type) ? yes : no }
      })
    await newAes('wraps', 'one', ...can(CKA.WRAP, CKA.UNWRAP))
    await (applications['one'] as HostDevice).use((session) => {
      const common = [
        { type: CKA.TOKEN, value: yes },
        { type: CKA.ID, value: Buffer.from('rsa') },
        { type: CKA.LABEL, value: Buffer.from('rsa') },
      ]
      return session.call('C_GenerateKeyPair', {
        pMechanism: { type: CKM.RSA_PKCS_KEY_PAIR_GEN, parameter: undefined },
        pPublicKeyTemplate: [
          ...common,
          { type: CKA.MODULUS_BITS, value: ulongBytes(2_048) },
          { type: CKA.PUBLIC_EXPONENT, value: Buffer.of(1, 0, 1) },
        ],
        pPrivateKeyTemplate: [
          ...common,
          { type: CKA.DECRYPT, value: yes },
          { type: CKA.SENSITIVE, value: yes },
          { type: CKA.EXTRACTABLE, value: no },
        ],
      })
    })
    for (const [key, cipher] of [
      // SoftHSM2 does not have AES-KWP.
      ['wraps', 'AES_KEY_WRAP'],
      ['rsa', 'RSA_PKCS_OAEP'],
    ] as const) {
      let house = await open({})
      const shown = (await house.rotateRootKey({ to: 'hsm', key }, 'operator')) as {
        cipher: string
      }
      equal(shown.cipher, cipher)
      await house.close()
      house = await open({})
      deepEqual(house.root, shown)
      await house.close()
    }
  })

  it('is no object, and no object is it', async () => {
    let house = await open(HSM)
    await newAes('chosen', 'one')
    deepEqual(await adoptKeys(house, 'hsm1'), { adopted: 1, known: 0 })
    await rejects(house.rotateRootKey({ to: 'hsm', key: 'chosen' }, 'operator'), (e: KmsError) => {
      equal(e.code, 'illegalOperation')
      match(e.message, /key "chosen" of HSM "hsm1" is object "[0-9a-f-]{36}", and whoever may use/)
      return true
    })
    await newAes('later', 'one')
    await house.rotateRootKey({ to: 'hsm', key: 'later' }, 'operator')
    deepEqual(await adoptKeys(house, 'hsm1'), { adopted: 0, known: 1 })
    await house.close()
    house = await open(HSM)
    deepEqual(await adoptKeys(house, 'hsm1'), { adopted: 0, known: 1 })
    await house.close()
  })

  it('tidies up after a rotation that was interrupted, and nothing else', async () => {
    const file = join(dataDir, 'root.key')
    let house = await open({})
    const copy = mkdtempSync(join(folder, 'copy-'))
    cpSync(file, join(copy, 'root.key'))
    await house.rotateRootKey({ to: 'hsm', make: true }, 'operator')
    await house.close()
    // The machine stopped before the old file went.
    cpSync(join(copy, 'root.key'), file)
    await (await open({})).close()
    ok(!existsSync(file))
    // It stopped while the next one was to be a file.
    writeFileKey(nextPath(file), newFileKey())
    await (await open({})).close()
    ok(!existsSync(nextPath(file)))
    // Somebody's own file stays.
    writeFileKey(file, newFileKey())
    const text = readFileSync(file, 'utf8')
    house = await open({})
    await house.close()
    equal(readFileSync(file, 'utf8'), text)
  })

  it('is rotated once at a time', async () => {
    const house = await open(HSM)
    const wish = { to: 'hsm', make: true, key: 'next' } as const
    const both = await Promise.allSettled([
      house.rotateRootKey(wish, 'operator'),
      house.rotateRootKey({ to: 'file' }, 'operator'),
    ])
    deepEqual(
      both.map(({ status }) => status),
      ['fulfilled', 'rejected'],
    )
    match(String((both[1] as PromiseRejectedResult).reason), /another rotation is under way/)
    equal((house.root as { key: string }).key, 'next')
    await house.close()
  })

  it('notices what was altered in the database', async () => {
    await (await open(HSM)).close()
    const { name } = stored()
    const put = (text: object): void => {
      using database = new DatabaseSync(join(dataDir, 'claviger.db'))
      const sql = "UPDATE meta SET value = ? WHERE key = 'root_name'"
      database.prepare(sql).run(JSON.stringify(text))
    }
    const wrapped = Buffer.from(name.envelope.wrapped, 'base64')
    wrapped[3] = (wrapped[3] as number) ^ 1
    const envelope = { ...name.envelope, wrapped: wrapped.toString('base64') }
    for (const altered of [
      { ...name, envelope },
      { ...name, id: '0000000000000000' },
      { ...name, envelope: { ...name.envelope, cipher: 'AES_ECB' } },
      { ...name, key: { kind: 'secret' } },
    ]) {
      put(altered)
      await rejects(open(HSM), { code: 'tampered' })
    }
    put(name)
    await (await open(HSM)).close()
  })
})

function hex(text: string): string {
  return Buffer.from(text).toString('hex')
}

function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name))
}
