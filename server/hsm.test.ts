/**
 * A house with an HSM: keys that were in the device become objects, once; what happens to them
 * there shows here.
 *
 * Skipped where Debian's softhsm2 is not installed.
 *
 * @module
 */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Context } from '#core/context.ts'
import type { KmsError } from '#core/errors.ts'
import type { ManagedObject } from '#core/objects.ts'
import { decrypt, encrypt, sign } from '#core/operations/cryptography.ts'
import { findByName } from '#core/operations/find.ts'
import { get } from '#core/operations/get.ts'
import { destroy, revoke } from '#core/operations/lifecycle.ts'
import { HostDevice } from '#keystores/pkcs11/host-device.ts'
import { models, QUIRKS } from '#keystores/pkcs11/quirks.ts'
import { newSoftHsmToken, SOFTHSM, SOFTHSM_PIN, softHsmHost } from '#keystores/pkcs11/softhsm.ts'
import {
  BlockCipherMode,
  DigitalSignatureAlgorithm,
  KeyFormatType,
  CryptographicUsageMask as Mask,
  ObjectType,
  RevocationReasonCode,
  SecretDataType,
  State,
} from '#spec/kmip/enumerations.ts'
import type { ObjectInMessage } from '#spec/kmip/objects.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { CKA, CKK, CKM } from '#spec/pkcs11/constants.ts'
import { boolBytes, ulongBytes } from '#spec/pkcs11/memory.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import { readConfig } from './config.ts'
import { House } from './house.ts'
import { adoptKeys, hsmStatus, pinOfObject, probeModule } from './hsm.ts'
import { createLog } from './log.ts'

const skip = SOFTHSM === undefined ? 'softhsm2 is not installed' : false
const [yes, no] = [boolBytes(true), boolBytes(false)]
const AES_ID = Buffer.from('0102030405', 'hex')
const PAIR_ID = Buffer.from('a1', 'hex')

describe('a house with an HSM', { skip, timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-hsm-'))
  let environment: Readonly<Record<string, string>>
  let application: HostDevice
  let house: House

  const open = async (adopt: 'start' | 'never', more: object = {}): Promise<House> => {
    const path = join(folder, 'claviger.yaml')
    const hsm = {
      name: 'hsm',
      type: 'pkcs11',
      module: SOFTHSM,
      environment,
      label: 'app',
      pinFile: join(folder, 'pin'),
      sessions: 2,
      adopt,
      ...more,
    }
    const keystores = [{ name: 'software', type: 'software' }, hsm]
    writeFileSync(path, JSON.stringify({ keystores, log: { level: 'silent' } }))
    const config = readConfig(path, {})
    return House.open({ dataDir: join(folder, 'data'), config, log: createLog(config.log) })
  }
  const context = async (operation: string): Promise<Context> => {
    const credential = await house.credentials.named('admin')
    const principal = { name: 'admin', scope: credential?.scope as string }
    const now = Math.floor(Date.now() / 1_000)
    return { services: house.services, principal, front: 'test', operation, now }
  }
  const named = async (name: string): Promise<readonly ManagedObject[]> =>
    findByName(await context('Locate'), name)

  before(async () => {
    writeFileSync(join(folder, 'pin'), `${SOFTHSM_PIN}\n`)
    environment = newSoftHsmToken(folder, 'app')
    application = await HostDevice.open(softHsmHost('app', environment, 1))
    await application.use(async (session) => {
      await session.call('C_GenerateKey', {
        pMechanism: { type: CKM.AES_KEY_GEN, parameter: undefined },
        pTemplate: [
          { type: CKA.TOKEN, value: yes },
          { type: CKA.SENSITIVE, value: yes },
          { type: CKA.EXTRACTABLE, value: no },
          { type: CKA.ENCRYPT, value: yes },
          { type: CKA.DECRYPT, value: yes },
          { type: CKA.WRAP, value: no },
          { type: CKA.VALUE_LEN, value: ulongBytes(32) },
          { type: CKA.ID, value: AES_ID },
          { type: CKA.LABEL, value: Buffer.from('payroll') },
        ],
      })
      const common = [
        { type: CKA.TOKEN, value: yes },
        { type: CKA.ID, value: PAIR_ID },
        { type: CKA.LABEL, value: Buffer.from('signer') },
      ]
      await session.call('C_GenerateKeyPair', {
        pMechanism: { type: CKM.EC_KEY_PAIR_GEN, parameter: undefined },
        pPublicKeyTemplate: [
          ...common,
          { type: CKA.KEY_TYPE, value: ulongBytes(CKK.EC) },
          { type: CKA.VERIFY, value: yes },
          { type: CKA.EC_PARAMS, value: Buffer.from('06082a8648ce3d030107', 'hex') },
        ],
        pPrivateKeyTemplate: [...common, { type: CKA.SIGN, value: yes }],
      })
    })
    house = await open('start')
  })
  after(async () => {
    await application.close()
    await house.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('has the keys that an application made in the device, with what they may do', async () => {
    const [aes] = await named('payroll')
    ok(aes !== undefined)
    equal(aes.attributes.get('cryptographicLength'), 256)
    equal(aes.attributes.get('state'), State.Active)
    equal(aes.attributes.get('sensitive'), true)
    equal(aes.attributes.get('neverExtractable'), true)
    const mask = aes.attributes.get('cryptographicUsageMask') ?? 0
    equal(mask & (Mask.Encrypt | Mask.Decrypt), Mask.Encrypt | Mask.Decrypt)
    equal(mask & (Mask.WrapKey | Mask.Sign), 0)
    // Both halves want the name; the second has it as an alternative one.
    const [first] = await named('signer')
    equal(first?.attributes.all('link').length, 1)
  })

  it('works with them where they are', async () => {
    const [aes] = await named('payroll')
    const id = aes?.id as string
    const data = Buffer.from('salary')
    const parameters = { blockCipherMode: BlockCipherMode.GCM, tagLength: 16 }
    const wish = { id, parameters, data, iv: Buffer.alloc(12, 9) }
    const { data: sealed, tag } = await encrypt(await context('Encrypt'), wish)
    const opened = await decrypt(await context('Decrypt'), { ...wish, data: sealed, tag })
    deepEqual(Buffer.from(opened.data), data)
    const encodeKeyValue = () => new Uint8Array(0)
    await rejects(
      async () => get(await context('Get'), { id, encodeKeyValue }),
      (error: KmsError) => {
        ok(['notExtractable', 'sensitive'].includes(error.code), error.code)
        return true
      },
    )
  })

  it('signs with a private key whose public half it has from the device', async () => {
    const [first] = await named('signer')
    const other = first?.attributes.all('link')[0]?.linkedObjectIdentifier as string
    const all = [
      first as ManagedObject,
      (await house.services.store.object(other)) as ManagedObject,
    ]
    const isPrivate = ({ body }: ManagedObject) => 'keyBlock' in body.value && body.tag === 0x420064
    const [signer, publicKey] = isPrivate(all[0] as ManagedObject) ? all : all.toReversed()
    const digitalSignatureAlgorithm = DigitalSignatureAlgorithm.ECDSAWithSHA256
    const data = Buffer.from('message')
    const wish = {
      id: signer?.id as string,
      parameters: { digitalSignatureAlgorithm },
      data,
      digested: false,
    }
    const { signature } = await sign(await context('Sign'), wish)
    const keystore = house.services.keystores.named('hsm')
    const { id, material, attributes } = publicKey as ManagedObject
    const format = attributes.get('keyFormatType') as number
    const key = { id, kind: 'public', format, handle: material?.handle as Uint8Array } as const
    const spki = Buffer.from((await keystore.export(key as never)).expose())
    const half = createPublicKey({ key: spki, format: 'der', type: 'spki' })
    equal(verify('sha256', data, half, signature as Uint8Array), true)
  })

  it('adopts nothing twice, and nothing that it made itself', async () => {
    const keystore = house.services.keystores.named('hsm')
    const before = await adoptKeys(house, undefined)
    equal(before.adopted, 0)
    const { create } = await import('#core/operations/create.ts')
    // 2: hardware, KMIP 2.1 §12.2.
    const mask = keystore.can.protectionStorageMask
    const made = await create(await context('Create'), {
      objectType: 2,
      storageMasks: [mask],
      given: {
        attributes: [
          { id: 'cryptographicAlgorithm', value: 3 },
          { id: 'cryptographicLength', value: 128 },
          { id: 'cryptographicUsageMask', value: Mask.Encrypt },
        ],
      },
    })
    equal(made.material?.keystore, 'hsm')
    const again = await adoptKeys(house, 'hsm')
    deepEqual(again, { adopted: 0, known: before.known + 1 })
    await house.close()
    house = await open('start')
    equal((await named('payroll')).length, 1)
  })

  it('keeps one destroyed here for destroyed, and destroys the key in the device', async () => {
    const [first] = await named('signer')
    const id = first?.id as string
    const reason = { revocationReasonCode: RevocationReasonCode.CessationOfOperation }
    await revoke(await context('Revoke'), { id, reason })
    await destroy(await context('Destroy'), id)
    equal((await adoptKeys(house, 'hsm')).adopted, 0)
    const gone = await house.services.store.object(id)
    equal(gone?.attributes.get('state'), State.Destroyed)
  })

  it('says so when the key has been destroyed in the device by someone else', async () => {
    const [aes] = await named('payroll')
    await application.use(async (session) => {
      const [hObject] = await session.find([{ type: CKA.ID, value: AES_ID }])
      await session.call('C_DestroyObject', { hObject: hObject as number })
    })
    const parameters = { blockCipherMode: BlockCipherMode.ECB }
    const wish = { id: aes?.id as string, parameters, data: Buffer.alloc(16) }
    await rejects(
      async () => encrypt(await context('Encrypt'), wish),
      (error: KmsError) => {
        equal(error.code, 'keyValueNotPresent')
        match(error.message, /does not have its key any more/)
        return true
      },
    )
  })

  it('says how the device does', () => {
    const [status] = hsmStatus(house)
    equal(status?.state, 'running')
    equal(status?.model, 'softhsm2')
    equal(status?.token, 'app')
    equal(status?.sessions, 2)
  })

  it('names the HSMs that there are when another one is asked for', async () => {
    await rejects(adoptKeys(house, 'other'), /there is no HSM "other"; there are: hsm/)
  })

  it('is tried out without leaving anything behind, and comes out as its file says', async () => {
    const wish = { module: SOFTHSM as string, label: 'app', environment, pin: SOFTHSM_PIN }
    const which = /Cannot probe .*: name the token by --slot, --label or --serial/
    const silent = createLog({ level: 'silent', format: 'text' })
    await rejects(probeModule({ ...wish, label: undefined }, 'x', silent), which)
    const found = await probeModule(wish, 'probed', silent)
    equal(found.objectsAfter, found.objectsBefore)
    ok(found.mechanisms.length > 20)
    const quirks = QUIRKS.parse(found.quirks)
    const known = models().get('softhsm2')
    deepEqual(quirks.oaep, known?.oaep)
    equal(quirks.pss.otherMask, known?.pss.otherMask)
    equal(quirks.hmacKeyBytesMin, known?.hmacKeyBytesMin)
    equal(quirks.ecdhPoint, known?.ecdhPoint)
    deepEqual(quirks.kekWrap, known?.kekWrap)
    deepEqual(quirks.kekPrivate, known?.kekPrivate)
    deepEqual(quirks.broken, [])
    deepEqual(quirks.ciphers, {})
  })

  it('takes its PIN from Secret Data in another keystore', async () => {
    const { register } = await import('#core/operations/register.ts')
    const material = { type: ItemType.ByteString, value: Buffer.from(SOFTHSM_PIN), tag: 0 }
    const keyBlock = {
      keyFormatType: KeyFormatType.Opaque,
      keyValue: { keyMaterial: material, attributes: [] },
    }
    const value = { secretDataType: SecretDataType.Password, keyBlock }
    const { id } = await register(await context('Register'), {
      objectType: ObjectType.SecretData,
      object: { tag: Tag.SecretData, value } as ObjectInMessage,
      given: { attributes: [] },
    })
    equal(await pinOfObject(house.services, id), SOFTHSM_PIN)
    await house.close()
    house = await open('never', { pinFile: undefined, pinObject: id })
    equal(hsmStatus(house)[0]?.state, 'running')
    await rejects(pinOfObject(house.services, 'nobody'), /there is no object "nobody"/)
  })

  it('keeps what is secret in its environment from the module', async () => {
    await house.close()
    process.env['CLAVIGER_PASSPHRASE'] = 'of the root key'
    process.env['MY_HSM_PIN'] = SOFTHSM_PIN
    house = await open('never', { pinFile: undefined, pinVariable: 'MY_HSM_PIN' })
    equal((await named('payroll')).length, 1)
    equal(hsmStatus(house)[0]?.state, 'running')
    const given = childrenOf(process.pid).map((pid) => readFileSync(`/proc/${pid}/environ`, 'utf8'))
    const hosts = given.filter((variables) => variables.includes('SOFTHSM2_CONF='))
    // Those in waiting come a moment later.
    ok(hosts.length >= 2, "the house's, and the application's of before")
    deepEqual(
      hosts.filter((variables) => /CLAVIGER_PASSPHRASE|MY_HSM_PIN/.test(variables)),
      [],
    )
    delete process.env['CLAVIGER_PASSPHRASE']
    delete process.env['MY_HSM_PIN']
  })

  it('has one source of its PIN', async () => {
    await house.close()
    await rejects(open('never', { pinPrompt: true }), /has pinFile and pinPrompt; one is enough/)
    await rejects(
      open('never', { model: 'nothing' }),
      /there is no model "nothing"; there are: aws/,
    )
    house = await open('never')
  })
})

function childrenOf(parent: number): readonly string[] {
  const tasks = readdirSync(`/proc/${parent}/task`)
  return tasks.flatMap((task) => {
    const text = readFileSync(`/proc/${parent}/task/${task}/children`, 'utf8')
    return text.split(' ').filter((pid) => pid !== '')
  })
}
