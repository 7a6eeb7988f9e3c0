/**
 * Keys in an HSM by identifiers of their own, on a real server with SoftHSM2 behind it.
 *
 * @module
 */
import { deepEqual, equal, match, rejects } from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { constants, createDecipheriv, createPublicKey, verify as verifyHere } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { KmipClient, KmipError } from '#clients/kmip/client.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { newSoftHsmToken, SOFTHSM, SOFTHSM_PIN } from '#keystores/pkcs11/softhsm.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import {
  BlockCipherMode,
  CryptographicAlgorithm,
  HashingAlgorithm,
  KeyFormatType,
  CryptographicUsageMask as Mask,
  ObjectType,
  PaddingMethod,
  ProtectionStorageMask,
  RecommendedCurve,
  ResultReason,
  RevocationReasonCode,
  ValidityIndicator,
} from '#spec/kmip/enumerations.ts'
import type { CryptographicParameters } from '#spec/kmip/structures.ts'
import { nameOf } from '#spec/kmip/table.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import { askServer } from './control.ts'

const LETTER = Buffer.from('Dear reader')
const AAD = Buffer.from('envelope')
const SECRET = Mask.Encrypt | Mask.Decrypt

async function refused(reason: keyof typeof ResultReason, work: Promise<unknown>, why = /./) {
  await rejects(work, (error) => {
    if (!(error instanceof KmipError)) throw error
    equal(nameOf(ResultReason, error.reason), reason, error.message)
    match(error.message, why)
    return true
  })
}

const skip = SOFTHSM === undefined && 'SoftHSM2 is not installed'
describe('keys in an HSM by their identifiers', { timeout: 150_000, skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-identifiers-'))
  const dataDir = join(folder, 'data')
  let server: OwnServer
  let admin: KmipClient
  let bob: KmipClient
  const environments = new Map<string, { readonly SOFTHSM2_CONF: string }>()

  /** The device, without Claviger. */
  const pkcs11Tool = (label: string, ...args: readonly string[]): string => {
    const module = ['--module', SOFTHSM as string, '--token-label', label, '--pin', SOFTHSM_PIN]
    const env = { ...process.env, ...environments.get(label) }
    return execFileSync('pkcs11-tool', [...module, '--login', ...args], {
      env,
      stdio: 'pipe',
    }).toString()
  }
  const connect = (): void => {
    admin = new KmipClient(server.client('admin'))
    bob = new KmipClient(server.client('bob'))
  }
  const disconnect = (): void => {
    admin?.close()
    bob?.close()
  }

  before(async () => {
    mkdirSync(dataDir)
    writeFileSync(join(folder, 'pin'), SOFTHSM_PIN, { mode: 0o600 })
    const hsm = (name: string, identifierSlot: number, more = {}) => {
      const environment = newSoftHsmToken(folder, name)
      environments.set(name, environment)
      const pinFile = join(folder, 'pin')
      const settings = {
        module: SOFTHSM,
        label: name,
        environment,
        pinFile,
        identifierSlot,
        sessions: 2,
      }
      return { name, type: 'pkcs11', ...settings, ...more }
    }
    const keystores = [
      { name: 'software', type: 'software' },
      hsm('first', 4),
      hsm('second', 5, { adopt: 'never', extractable: true }),
      hsm('third', 5),
    ]
    writeFileSync(join(dataDir, 'claviger.yaml'), JSON.stringify({ keystores }))
    server = await startOwnServer({ dataDir })
    await askServer(dataDir, 'credential.create', { name: 'bob' })
    await askServer(dataDir, 'credential.create', { name: 'shared', scope: 'admin' })
    connect()
  })
  after(async () => {
    disconnect()
    await server?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const identifier = (value: string): ListedAttribute => ({ id: 'uniqueIdentifier', value })
  const createAes = async (id: string, client = admin, more: readonly ListedAttribute[] = []) => {
    const attributes: ListedAttribute[] = [
      identifier(id),
      { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
      { id: 'cryptographicLength', value: 256 },
      { id: 'cryptographicUsageMask', value: SECRET },
      { id: 'activationDate', value: 1 },
      ...more,
    ]
    const objectType = ObjectType.SymmetricKey
    return (await client.call('Create', { objectType, attributes: { attributes } }))
      .uniqueIdentifier
  }
  const createPair = async (id: string, common: readonly ListedAttribute[], both: number) => {
    const halves = (mask: number): ListedAttribute[] => [
      { id: 'cryptographicUsageMask', value: mask },
      { id: 'activationDate', value: 1 },
    ]
    return admin.call('CreateKeyPair', {
      commonAttributes: { attributes: common },
      privateKeyAttributes: { attributes: [identifier(id), ...halves(both)] },
      publicKeyAttributes: { attributes: halves(Mask.Verify | Mask.Encrypt) },
    })
  }
  const RSA: readonly ListedAttribute[] = [
    { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.RSA },
    { id: 'cryptographicLength', value: 2_048 },
  ]
  const seal = (
    id: string,
    cryptographicParameters: CryptographicParameters,
    client = admin,
    aad?: Buffer,
  ) =>
    client.call('Encrypt', {
      uniqueIdentifier: id,
      cryptographicParameters,
      data: LETTER,
      authenticatedEncryptionAdditionalData: aad,
    })
  const opened = async (
    id: string,
    cryptographicParameters: CryptographicParameters,
    sealed: Awaited<ReturnType<typeof seal>>,
    { client = admin, aad }: { client?: KmipClient; aad?: Buffer } = {},
  ) => {
    const { data } = await client.call('Decrypt', {
      uniqueIdentifier: id,
      cryptographicParameters,
      data: sealed.data,
      ivCounterNonce: sealed.ivCounterNonce,
      authenticatedEncryptionTag: sealed.authenticatedEncryptionTag,
      authenticatedEncryptionAdditionalData: aad,
    })
    return Buffer.from(data ?? []).toString()
  }
  const GCM = { blockCipherMode: BlockCipherMode.GCM, tagLength: 16, randomIV: true }
  const CBC = {
    blockCipherMode: BlockCipherMode.CBC,
    paddingMethod: PaddingMethod.PKCS5,
    randomIV: true,
  }

  it('are made in the slot that is said, under the name that is said', async () => {
    equal(await createAes('hsm::4::payroll'), 'hsm::4::payroll')
    match(pkcs11Tool('first', '--list-objects', '--type', 'secrkey'), /label:\s+payroll/)
    equal(await createAes('hsm::second::5::payroll'), 'hsm::second::5::payroll')
    equal(await createAes('hsm::softhsm2_2::5::payroll'), 'hsm::softhsm2_2::5::payroll')
    match(pkcs11Tool('third', '--list-objects', '--type', 'secrkey'), /label:\s+payroll/)
    const name = { nameValue: 'hsm::4::payroll', nameType: 1 } as const
    const attributes = [{ id: 'name', value: name }] as const
    const found = await admin.call('Locate', { attribute: [], attributes: { attributes } })
    deepEqual(found.uniqueIdentifier, ['hsm::4::payroll'])
  })

  it('encrypt and decrypt with AES, also called by their other spellings', async () => {
    const gcm = await seal('hsm::4::payroll', GCM, admin, AAD)
    equal(await opened('hsm::softhsm2::4::payroll', GCM, gcm, { aad: AAD }), LETTER.toString())
    await refused('CryptographicFailure', opened('hsm::4::payroll', GCM, gcm, { aad: LETTER }))
    const cbc = await seal('hsm::first::4::payroll', CBC)
    equal(await opened('hsm::4::payroll', CBC, cbc), LETTER.toString())
  })

  it('encrypt with RSA as the device can open it, and sign', async () => {
    const made = await createPair('hsm::4::web', RSA, Mask.Sign | Mask.Decrypt)
    deepEqual(
      { ...made },
      {
        privateKeyUniqueIdentifier: 'hsm::4::web',
        publicKeyUniqueIdentifier: 'hsm::4::web_pk',
      },
    )
    const oaep = (hash: HashingAlgorithm) => ({
      paddingMethod: PaddingMethod.OAEP,
      hashingAlgorithm: hash,
      maskGeneratorHashingAlgorithm: hash,
    })
    const { SHA_1, SHA_256, SHA_384, SHA_512 } = HashingAlgorithm
    const ways = [SHA_1, SHA_256, SHA_384, SHA_512].map(oaep)
    for (const how of [...ways, { paddingMethod: PaddingMethod.PKCS1V1_5 }]) {
      equal(await opened('hsm::4::web', how, await seal('hsm::4::web_pk', how)), LETTER.toString())
    }
    const { object } = await admin.call('Get', {
      uniqueIdentifier: 'hsm::4::web_pk',
      keyFormatType: KeyFormatType.X_509,
    })
    const block = 'keyBlock' in object.value ? object.value.keyBlock.keyValue : undefined
    const der = block !== undefined && 'keyMaterial' in block ? block.keyMaterial.value : undefined
    const key = createPublicKey({
      key: Buffer.from(der as Uint8Array),
      format: 'der',
      type: 'spki',
    })
    for (const padding of [PaddingMethod.PSS, PaddingMethod.PKCS1V1_5]) {
      const cryptographicParameters = {
        paddingMethod: padding,
        hashingAlgorithm: HashingAlgorithm.SHA_256,
      }
      const request = { cryptographicParameters, data: LETTER }
      const signed = await admin.call('Sign', { ...request, uniqueIdentifier: 'hsm::4::web' })
      const signature = signed.signatureData as Uint8Array
      const isPss = padding === PaddingMethod.PSS
      const nodePadding = isPss ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING
      equal(verifyHere('sha256', LETTER, { key, padding: nodePadding }, signature), true)
      const checked = await admin.call('SignatureVerify', {
        ...request,
        uniqueIdentifier: 'hsm::4::web_pk',
        signatureData: signature,
      })
      equal(checked.validityIndicator, ValidityIndicator.Valid)
    }
  })

  it('sign on elliptic curves', async () => {
    const curve = { recommendedCurve: RecommendedCurve.P_256 } as const
    const ec: readonly ListedAttribute[] = [
      { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.ECDSA },
      { id: 'cryptographicDomainParameters', value: curve },
    ]
    await createPair('hsm::4::curve', ec, Mask.Sign)
    const request = {
      cryptographicParameters: { hashingAlgorithm: HashingAlgorithm.SHA_256 },
      data: LETTER,
    }
    const { signatureData } = await admin.call('Sign', {
      ...request,
      uniqueIdentifier: 'hsm::4::curve',
    })
    const verifying = { ...request, uniqueIdentifier: 'hsm::4::curve_pk', signatureData }
    const { validityIndicator } = await admin.call('SignatureVerify', verifying)
    equal(validityIndicator, ValidityIndicator.Valid)
  })

  it('are refused where the slot, the name or the asker is not right; nothing is left', async () => {
    const before = pkcs11Tool('first', '--list-objects')
    const masks = { protectionStorageMask: [1] }
    const wrong: readonly (readonly [keyof typeof ResultReason, string, RegExp])[] = [
      ['ProtectionStorageUnavailable', 'hsm::9::x', /there are: hsm::first::4, hsm::second::5/],
      ['ProtectionStorageUnavailable', 'hsm::5::x', /several keystores fit: hsm::second::5/],
      ['ProtectionStorageUnavailable', 'hsm::luna::4::x', /no keystore has this slot/],
      ['InvalidField', 'hsm::4::', /hsm::<slot>::<name>/],
      ['InvalidField', 'hsm::four::x', /hsm::<slot>::<name>/],
      ['InvalidField', `hsm::4::${'x'.repeat(65)}`, /65 bytes/],
      ['InvalidField', 'hsm::4::a\u0007b', /cannot be shown/],
      ['ObjectAlreadyExists', 'hsm::4::payroll', /there is "hsm::4::payroll" already/],
      ['ObjectAlreadyExists', 'hsm::first::4::payroll', /already/],
    ]
    for (const [reason, id, why] of wrong) await refused(reason, createAes(id), why)
    await refused('PermissionDenied', createAes('hsm::4::bobs', bob), /administrators: admin/)
    await refused('ReadOnlyAttribute', createAes('my-own-identifier'))
    const attributes = { attributes: [identifier('hsm::4::soft'), ...RSA] }
    const soft = { objectType: ObjectType.SymmetricKey, attributes, protectionStorageMasks: masks }
    await rejects(admin.call('Create', soft))
    const taken = { id: 'name', value: { nameValue: 'hsm::4::payroll', nameType: 1 } } as const
    await refused('NonUniqueNameAttribute', createAes('hsm::4::named', admin, [taken]))
    equal(pkcs11Tool('first', '--list-objects'), before)
    const many = await Promise.allSettled(
      Array.from({ length: 8 }, () => createAes('hsm::4::race')),
    )
    equal(many.filter(({ status }) => status === 'fulfilled').length, 1)
    equal(pkcs11Tool('first', '--list-objects').match(/label:\s+race/g)?.length, 1)
    equal(await opened('hsm::4::race', GCM, await seal('hsm::4::race', GCM)), LETTER.toString())
  })

  it('alone are the administrators’: a key without one is its maker’s, also in the HSM', async () => {
    const attributes: ListedAttribute[] = [
      { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
      { id: 'cryptographicLength', value: 256 },
      { id: 'cryptographicUsageMask', value: SECRET },
      { id: 'activationDate', value: 1 },
    ]
    const { uniqueIdentifier } = await bob.call('Create', {
      objectType: ObjectType.SymmetricKey,
      attributes: { attributes },
      protectionStorageMasks: { protectionStorageMask: [ProtectionStorageMask.Hardware] },
    })
    const id = String(uniqueIdentifier)
    match(pkcs11Tool('first', '--list-objects', '--type', 'secrkey'), new RegExp(`label: +${id}`))
    equal(await opened(id, GCM, await seal(id, GCM, bob), { client: bob }), LETTER.toString())
    await refused('ObjectNotFound', seal(id, GCM))
    await refused('ObjectNotFound', admin.call('GetAttributeList', { uniqueIdentifier: id }))
    await refused('ObjectNotFound', admin.call('Destroy', { uniqueIdentifier: id }))
  })

  it('stay where they are, and are used by those who were granted it', async () => {
    await refused('NotExtractable', admin.call('Get', { uniqueIdentifier: 'hsm::4::payroll' }))
    const sensitive: ListedAttribute = { id: 'sensitive', value: true }
    await createAes('hsm::second::5::closed', admin, [sensitive])
    await refused('Sensitive', admin.call('Get', { uniqueIdentifier: 'hsm::second::5::closed' }))
    const id = 'hsm::4::payroll'
    await refused('ObjectNotFound', seal(id, GCM, bob))
    const grant = (right: readonly string[]) =>
      admin.call('GrantAccess', { uniqueIdentifier: id, principal: 'bob', right })
    await grant(['encrypt'])
    const sealed = await seal(id, GCM, bob)
    await refused('PermissionDenied', opened(id, GCM, sealed, { client: bob }), /not decrypt/)
    equal(await opened(id, GCM, sealed), LETTER.toString())
    await refused('PermissionDenied', grant(['destroy']), /administrators of its HSM/)
    const over = { uniqueIdentifier: id }
    await refused('PermissionDenied', bob.call('Destroy', over), /granted encrypt, not destroy/)
    // Who shares the administrator's scope works with the keys, and does not end them.
    const shared = new KmipClient(server.client('shared'))
    try {
      equal(await opened(id, GCM, await seal(id, GCM, shared)), LETTER.toString())
      const revocationReason = { revocationReasonCode: RevocationReasonCode.Superseded }
      const why = /administrators: admin/
      const revoke = shared.call('Revoke', { ...over, revocationReason })
      await refused('PermissionDenied', revoke, why)
      await refused('PermissionDenied', shared.call('Destroy', over), why)
      await refused('PermissionDenied', shared.call('ReKey', over), why)
    } finally {
      shared.close()
    }
  })

  it('end without being revoked first; the identifier may come again, without the grants', async () => {
    const id = 'hsm::4::payroll'
    await admin.call('Destroy', { uniqueIdentifier: id })
    equal(/label:\s+payroll/.test(pkcs11Tool('first', '--list-objects')), false)
    await refused('ObjectDestroyed', seal(id, GCM))
    await createAes(id)
    equal(await opened(id, GCM, await seal(id, GCM)), LETTER.toString())
    await refused('ObjectNotFound', seal(id, GCM, bob))
    await admin.call('Destroy', { uniqueIdentifier: id, remove: true })
    await refused(
      'ObjectNotFound',
      admin.call('GetAttributes', { uniqueIdentifier: id, attributeRefs: [] }),
    )
    await admin.call('Destroy', { uniqueIdentifier: 'hsm::4::web' })
    equal(/label:\s+web/.test(pkcs11Tool('first', '--list-objects')), false)
  })

  it('that are in the device become objects when an administrator calls them', async () => {
    const make = ['--keygen', '--key-type', 'AES:32', '--label', 'legacy']
    for (const label of ['first', 'second']) pkcs11Tool(label, ...make, '--id', '0a0b')
    const rsa = ['--keypairgen', '--key-type', 'rsa:2048', '--label', 'old', '--id', '0c0d']
    pkcs11Tool('first', ...rsa, '--usage-sign', '--usage-decrypt')
    await refused('ObjectNotFound', seal('hsm::4::legacy', GCM, bob))
    equal(await opened('hsm::4::legacy', GCM, await seal('hsm::4::legacy', GCM)), LETTER.toString())
    const how = { paddingMethod: PaddingMethod.PKCS1V1_5 }
    equal(await opened('hsm::4::old', how, await seal('hsm::4::old_pk', how)), LETTER.toString())
    await refused('ObjectNotFound', seal('hsm::4::nothing', GCM), /none that you may see/)
    await refused(
      'ObjectNotFound',
      seal('hsm::second::5::legacy', GCM),
      /claviger hsm adopt second/,
    )
    // The whole device is adopted later: what is an object already is not adopted again.
    const first = (await askServer(dataDir, 'hsm.adopt', { name: 'first' })) as { adopted: number }
    equal(first.adopted, 0)
    const second = (await askServer(dataDir, 'hsm.adopt', { name: 'second' })) as {
      adopted: number
    }
    equal(second.adopted, 1)
    const key = 'hsm::second::5::legacy'
    equal(await opened(key, GCM, await seal(key, GCM)), LETTER.toString())
  })

  it('are brought in from elsewhere as well, where they are for the device', async () => {
    const register = (
      id: string,
      keyMaterial: Buffer,
      objectType: ObjectType = ObjectType.SymmetricKey,
    ) => {
      const keyBlock = {
        keyFormatType: KeyFormatType.Raw,
        keyValue: {
          keyMaterial: { tag: Tag.KeyMaterial, type: ItemType.ByteString, value: keyMaterial },
          attributes: [],
        },
        cryptographicAlgorithm: CryptographicAlgorithm.AES,
        cryptographicLength: 256,
      } as const
      const object =
        objectType === ObjectType.SymmetricKey
          ? ({ tag: Tag.SymmetricKey, value: { keyBlock } } as const)
          : ({ tag: Tag.SecretData, value: { secretDataType: 1, keyBlock } } as const)
      const attributes: ListedAttribute[] = [
        identifier(id),
        { id: 'cryptographicUsageMask', value: SECRET },
        { id: 'activationDate', value: 1 },
      ]
      return admin.call('Register', { objectType, attributes: { attributes }, object })
    }
    const value = Buffer.alloc(32, 7)
    equal((await register('hsm::4::brought', value)).uniqueIdentifier, 'hsm::4::brought')
    match(pkcs11Tool('first', '--list-objects', '--type', 'secrkey'), /label:\s+brought/)
    const sealed = await seal('hsm::4::brought', GCM)
    const decipher = createDecipheriv('aes-256-gcm', value, sealed.ivCounterNonce as Uint8Array)
    decipher.setAuthTag(sealed.authenticatedEncryptionTag as Uint8Array)
    deepEqual(Buffer.concat([decipher.update(sealed.data as Uint8Array), decipher.final()]), LETTER)
    await refused('ObjectAlreadyExists', register('hsm::4::brought', value))
    const password = register('hsm::4::password', value, ObjectType.SecretData)
    await refused('InvalidField', password, /for secret and private keys/)
  })

  it('survive restarts of the server', async () => {
    await createAes('hsm::4::lasting')
    const sealed = await seal('hsm::4::lasting', GCM)
    disconnect()
    await server.stop()
    server = await server.restart()
    connect()
    equal(await opened('hsm::4::lasting', GCM, sealed), LETTER.toString())
  })
})
