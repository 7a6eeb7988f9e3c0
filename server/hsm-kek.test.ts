/**
 * KMIP Get of keys that are in SoftHSM2, through a key-encrypting key: a real server, a real
 * client, and another application on the same token.
 *
 * @module
 */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { KmipClient } from '#clients/kmip/client.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { HostDevice } from '#keystores/pkcs11/host-device.ts'
import { checkValueOf } from '#keystores/pkcs11/kek-setup.ts'
import { newSoftHsmToken, SOFTHSM, SOFTHSM_PIN, softHsmHost } from '#keystores/pkcs11/softhsm.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import {
  CryptographicAlgorithm as Algorithm,
  BlockCipherMode,
  EncodingOption,
  KeyFormatType,
  CryptographicUsageMask as Mask,
  ObjectType,
  PaddingMethod,
  ProtectionStorageMask,
  RevocationReasonCode,
  WrappingMethod,
} from '#spec/kmip/enumerations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { CKA, CKK, CKO } from '#spec/pkcs11/constants.ts'
import { boolBytes, ulongBytes } from '#spec/pkcs11/memory.ts'
import type { Attribute } from '#spec/pkcs11/types.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import type { KekReport } from './hsm-kek.ts'

const LAUNCHER = fileURLToPath(new URL('../bin/claviger', import.meta.url))
const skip = SOFTHSM === undefined ? 'softhsm2 is not installed' : false
const [yes, no] = [boolBytes(true), boolBytes(false)]
const LABEL = 'P6RKEK1'
const KEPT = randomBytes(32)
const USAGE = Mask.Encrypt | Mask.Decrypt | Mask.MACGenerate | Mask.WrapKey

describe('keys of an HSM through a key-encrypting key', { skip, timeout: 240_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-kek-'))
  const path = join(folder, 'claviger.yaml')
  const dataDir = join(folder, 'data')
  let environment: Readonly<Record<string, string>>
  let application: HostDevice
  let server: OwnServer
  let client: KmipClient

  const start = async (kek: object): Promise<void> => {
    const place = { module: SOFTHSM, environment, label: 'app', pinFile: join(folder, 'pin') }
    const hsm = { name: 'hsm', type: 'pkcs11', ...place, extractable: true, sessions: 2 }
    const keystores = [
      { ...hsm, adopt: 'start', kek: { label: LABEL, ...kek } },
      { name: 'software', type: 'software' },
    ]
    writeFileSync(path, JSON.stringify({ keystores }))
    server = await startOwnServer({ dataDir, config: path })
    client = new KmipClient(server.client('admin'))
  }
  const restart = async (kek: object): Promise<void> => {
    client.close()
    await server.stop()
    await start(kek)
  }
  /** @throws What it has written to standard error. */
  const kek = async (...words: string[]): Promise<KekReport & { readonly next?: string }> => {
    const args = ['hsm', 'kek', ...words, '--json', '--data', dataDir, '--config', path]
    const { stdout } = await promisify(execFile)(LAUNCHER, args, { timeout: 30_000 })
    return JSON.parse(stdout)
  }
  const create = async (algorithm: Algorithm, bits: number, ...more: ListedAttribute[]) => {
    const attributes: ListedAttribute[] = [
      { id: 'cryptographicAlgorithm', value: algorithm },
      { id: 'cryptographicLength', value: bits },
      { id: 'cryptographicUsageMask', value: USAGE },
      { id: 'activationDate', value: 1 },
      ...more,
    ]
    const { uniqueIdentifier } = await client.call('Create', {
      objectType: ObjectType.SymmetricKey,
      attributes: { attributes },
    })
    return String(uniqueIdentifier)
  }
  const get = async (id: string): Promise<Buffer> => {
    const { object } = await client.call('Get', { uniqueIdentifier: id })
    return Buffer.concat(valuesIn(object.value))
  }
  const named = async (name: string): Promise<string> => {
    const { uniqueIdentifier } = await client.call('Locate', {
      attributes: { attributes: [{ id: 'name', value: { nameValue: name, nameType: 1 } }] },
      attribute: [],
    })
    equal(uniqueIdentifier?.length, 1, name)
    return String(uniqueIdentifier?.[0])
  }
  const ecb = { blockCipherMode: BlockCipherMode.ECB, paddingMethod: PaddingMethod.None }
  /** What the device makes of zeros is what the got value makes of them. */
  const assertSame = async (id: string, value: Uint8Array): Promise<void> => {
    const data = Buffer.alloc(16)
    const cryptographicParameters = { ...ecb, cryptographicAlgorithm: Algorithm.AES }
    const wish = { uniqueIdentifier: id, cryptographicParameters, data }
    const { data: sealed } = await client.call('Encrypt', wish)
    const cipher = createCipheriv(`aes-${value.length * 8}-ecb`, value, null).setAutoPadding(false)
    deepEqual(Buffer.from(sealed as Uint8Array), cipher.update(data))
  }
  const put = async (label: string, value: Uint8Array, ...more: Attribute[]): Promise<number> => {
    const pTemplate: Attribute[] = [
      { type: CKA.CLASS, value: ulongBytes(CKO.SECRET_KEY) },
      { type: CKA.KEY_TYPE, value: ulongBytes(CKK.AES) },
      { type: CKA.TOKEN, value: yes },
      { type: CKA.ID, value: randomBytes(8) },
      { type: CKA.LABEL, value: Buffer.from(label) },
      { type: CKA.VALUE, value },
      ...more,
    ]
    return application.use(async (session) => {
      return (await session.call('C_CreateObject', { pTemplate })).phObject
    })
  }
  const remove = (label: string): Promise<void> =>
    application.use(async (session) => {
      const template = [{ type: CKA.LABEL, value: Buffer.from(label) }]
      for (const hObject of await session.find(template)) {
        await session.call('C_DestroyObject', { hObject })
      }
    })
  const extractable = [
    { type: CKA.SENSITIVE, value: yes },
    { type: CKA.EXTRACTABLE, value: yes },
  ]

  before(async () => {
    writeFileSync(join(folder, 'pin'), SOFTHSM_PIN)
    environment = newSoftHsmToken(folder, 'app')
    application = await HostDevice.open(softHsmHost('app', environment, 1))
    await put('sensitive', KEPT, ...extractable)
    const open = { type: CKA.SENSITIVE, value: no }
    const leaves = { type: CKA.EXTRACTABLE, value: yes }
    await put('open', KEPT, open, leaves)
    await put('fixed', KEPT, open, { type: CKA.EXTRACTABLE, value: no })
    await put('careful', KEPT, open, leaves, { type: CKA.WRAP_WITH_TRUSTED, value: yes })
    await start({})
  })
  after(async () => {
    client.close()
    await server.stop()
    await application.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('are refused while there is none, with the command that makes one', async () => {
    const id = await create(Algorithm.AES, 256)
    await rejects(get(id), /no copy of the key-encrypting key .*claviger hsm kek generate hsm/)
    const { copy, devices } = await kek('show')
    equal(copy, 'none')
    deepEqual(
      devices.map(({ present }) => present),
      [false],
    )
  })

  it('can be got when it has been generated; it can do nothing else in the device', async () => {
    const { copy, devices, installed, checkValue } = await kek('generate', 'hsm')
    equal(copy, 'sealed')
    equal(installed, 1)
    match(checkValue ?? '', /^[0-9A-F]{6}$/)
    const [state] = devices
    equal(state?.agrees, true)
    equal(state?.unwrap, 'rfc5649')
    deepEqual(state?.problems, [])
    deepEqual(state?.warnings, [])
    ok(checkValue !== checkValueOf(new Uint8Array(32)))
    deepEqual(state?.flags, ['CKA_WRAP', 'CKA_SENSITIVE'])
    const id = await create(Algorithm.AES, 256)
    const value = await get(id)
    equal(value.length, 32)
    await assertSame(id, value)
    await rejects(kek('generate'), /there is a copy of one/)
  })

  it('are sensitive in the device all the same', async () => {
    const id = await create(Algorithm.AES, 128)
    await application.use(async (session) => {
      const [hObject] = await session.find([{ type: CKA.LABEL, value: Buffer.from(id) }])
      const wanted = [CKA.SENSITIVE, CKA.EXTRACTABLE]
      const pTemplate = wanted.map((type) => ({ type, capacity: 1 }))
      const read = await session.call('C_GetAttributeValue', { hObject: hObject ?? 0, pTemplate })
      deepEqual(
        read.pTemplate.map(({ value }) => value?.[0 as never]),
        [1, 1],
      )
    })
    equal((await get(id)).length, 16)
  })

  it('have any length, and are what the device computes with', async () => {
    const data = Buffer.from('message')
    for (const bits of [160, 264]) {
      const id = await create(Algorithm.HMAC_SHA256, bits)
      const value = await get(id)
      equal(value.length, bits / 8)
      const cryptographicParameters = { cryptographicAlgorithm: Algorithm.HMAC_SHA256 }
      const wish = { uniqueIdentifier: id, cryptographicParameters, data }
      const { macData } = await client.call('MAC', wish)
      deepEqual(
        Buffer.from(macData as Uint8Array),
        createHmac('sha256', value).update(data).digest(),
      )
    }
    equal((await get(await create(Algorithm.DES3, 168))).length, 24)
  })

  it('leave by the rules of the object, of the device and of the one who made them', async () => {
    const stays = await create(Algorithm.AES, 256, { id: 'extractable', value: false })
    await rejects(get(stays), /not extractable/)
    deepEqual(await get(await named('open')), KEPT)
    await rejects(get(await named('fixed')), /not extractable/)
    await rejects(get(await named('sensitive')), /sensitive and leaves only wrapped/)
    await rejects(get(await named('careful')), /CKA_WRAP_WITH_TRUSTED, and .*"P6RKEK1"/)
  })

  it('leave wrapped with a key of the client where they are sensitive', async () => {
    const wrapper = await create(Algorithm.AES, 256)
    const own = await get(wrapper)
    const { object } = await client.call('Get', {
      uniqueIdentifier: await named('sensitive'),
      keyWrappingSpecification: {
        wrappingMethod: WrappingMethod.Encrypt,
        encryptionKeyInformation: {
          uniqueIdentifier: wrapper,
          cryptographicParameters: { blockCipherMode: BlockCipherMode.NISTKeyWrap },
        },
        attributeName: [],
        encodingOption: EncodingOption.NoEncoding,
      },
    })
    const wrapped = valuesIn(object.value).find(({ length }) => length === 40)
    const decipher = createDecipheriv('id-aes256-wrap', own, Buffer.alloc(8, 0xa6))
    deepEqual(decipher.update(wrapped as Uint8Array), KEPT)
  })

  it('do not include the key-encrypting key itself', async () => {
    const before = { id: 'name', value: { nameValue: LABEL, nameType: 1 } } as const
    await restart({ unwrap: 'rfc3394' })
    const { uniqueIdentifier = [] } = await client.call('Locate', {
      attributes: { attributes: [before] },
      attribute: [],
    })
    deepEqual(uniqueIdentifier, [])
  })

  it('can be got with RFC 3394 alone, as far as it goes', async () => {
    const [state] = (await kek('show')).devices
    equal(state?.mechanism, 'CKM_AES_KEY_WRAP')
    equal(state?.unwrap, 'rfc3394')
    equal(state?.agrees, true)
    const id = await create(Algorithm.AES, 192)
    const value = await get(id)
    equal(value.length, 24)
    await assertSame(id, value)
    const odd = await create(Algorithm.HMAC_SHA256, 160)
    await rejects(get(odd), /wraps with CKM_AES_KEY_WRAP, which does not take 20 bytes/)
  })

  it('are refused where the way of wrapping is not what is configured, and show says so', async () => {
    await restart({ mechanism: 'AES_KEY_WRAP', unwrap: 'pkcs5' })
    match(server.log(), /key-encrypting key of the HSM .*AES_KEY_WRAP is rfc3394 here, not pkcs5/)
    await rejects(get(await named('open')), /"P6RKEK1" does not open.*hsm kek show hsm/)
    const [state] = (await kek('show')).devices
    equal(state?.agrees, false)
    match(state?.problems.join() ?? '', /AES_KEY_WRAP is rfc3394 here, not pkcs5/)
    await restart({})
    match(server.log(), /key-encrypting key of the HSM is the copy’s .*checkValue/)
  })

  it('are refused where the device has another key-encrypting key by now', async () => {
    await remove(LABEL)
    const id = await named('open')
    await rejects(get(id), /has no key-encrypting key "P6RKEK1"; .*hsm kek import hsm --file/)
    await put(LABEL, randomBytes(32), { type: CKA.WRAP, value: yes })
    await rejects(get(id), /with key-encrypting key "P6RKEK1" does not open: it is not the key of/)
    const [state] = (await kek('show')).devices
    equal(state?.agrees, false)
    match(state?.problems.join() ?? '', /the copy is not the key of the device/)
    match(state?.warnings.join() ?? '', /CKA_DECRYPT/)
  })

  it('can be got again when the key of the device is brought, from bytes or PEM', async () => {
    const id = await named('open')
    const [right, wrong] = [randomBytes(32), randomBytes(32)]
    await remove(LABEL)
    await put(LABEL, right, ...extractable, { type: CKA.WRAP, value: yes })
    const [binary, pem] = [join(folder, 'aes256.key'), join(folder, 'kek.pem')]
    writeFileSync(binary, wrong)
    await rejects(kek('import', 'hsm', '--file', binary), /copy is not the key of the device/)
    writeFileSync(binary, right)
    const { installed, next, devices } = await kek('import', 'hsm', '--file', binary)
    equal(installed, 0)
    match(next ?? '', /shred -u .*aes256\.key/)
    match(devices[0]?.warnings.join() ?? '', /should be CKA_SENSITIVE, not CKA_EXTRACTABLE/)
    deepEqual(await get(id), KEPT)
    await remove(LABEL)
    writeFileSync(
      pem,
      `-----BEGIN AES-256 KEY-----\n${right.toString('base64')}\n-----END AES-256 KEY-----\n`,
    )
    equal((await kek('import', '--file', pem)).installed, 1)
    deepEqual(await get(id), KEPT)
    await remove(LABEL)
    equal((await kek('import')).installed, 1)
    deepEqual(await get(id), KEPT)
    for (const text of [right, right.toString('hex'), right.toString('base64')]) {
      for (const file of filesIn(dataDir)) ok(!readFileSync(file).includes(text), file)
    }
    await rejects(kek('import', '--file', join(folder, 'none')), /none: ENOENT/)
  })

  it('can be got through a new one that takes the place of the old', async () => {
    const before = await kek('show')
    const after = await kek('generate', '--replace')
    ok(before.checkValue !== after.checkValue)
    equal(after.devices[0]?.agrees, true)
    deepEqual(await get(await named('open')), KEPT)
  })

  it('can be got with a copy that is an object, for as long as that is Active', async () => {
    const value = randomBytes(32)
    const software = ProtectionStorageMask.Software
    const { uniqueIdentifier } = await client.call('Register', {
      objectType: ObjectType.SymmetricKey,
      attributes: {
        attributes: [
          { id: 'cryptographicUsageMask', value: 0 },
          { id: 'activationDate', value: 1 },
          { id: 'sensitive', value: true },
          { id: 'extractable', value: false },
        ],
      },
      object: {
        tag: Tag.SymmetricKey,
        value: {
          keyBlock: {
            keyFormatType: KeyFormatType.Raw,
            keyValue: {
              keyMaterial: { tag: Tag.KeyMaterial, type: ItemType.ByteString, value },
              attributes: [],
            },
            cryptographicAlgorithm: Algorithm.AES,
            cryptographicLength: 256,
          },
        },
      },
      protectionStorageMasks: { protectionStorageMask: [software] },
    })
    const object = String(uniqueIdentifier)
    await restart({ object, label: 'own' })
    await rejects(kek('generate'), /its copy is the object/)
    const { copy, installed } = await kek('import')
    equal(copy, 'object')
    equal(installed, 1)
    const id = await named('open')
    deepEqual(await get(id), KEPT)
    const reason = { revocationReasonCode: RevocationReasonCode.KeyCompromise }
    const compromise = { revocationReason: reason, compromiseOccurrenceDate: 1 }
    await client.call('Revoke', { uniqueIdentifier: object, ...compromise })
    await rejects(get(id), /Cannot use ".*" as key-encrypting key of HSM "hsm": it is not Active/)
    await restart({ object: id, label: 'own' })
    await rejects(get(id), /it is in "hsm", and not in a software keystore/)
  })
})

function filesIn(folder: string): readonly string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  return names.map((name) => join(folder, name)).filter((file) => statSync(file).isFile())
}

function valuesIn(value: unknown): readonly Uint8Array[] {
  if (value instanceof Uint8Array) return [value]
  return value !== null && typeof value === 'object' ? Object.values(value).flatMap(valuesIn) : []
}
