/**
 * One key that is kept under a key in an HSM, used through KMIP and through PKCS#11 on one server:
 * it is unwrapped once for both, and refused by both when its keeper is revoked.
 *
 * Skipped where Debian's softhsm2 is not installed.
 *
 * @module
 */
import { deepEqual, equal, match, rejects } from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { KmipClient } from '#clients/kmip/client.ts'
import { Pkcs11Client } from '#clients/pkcs11-rpc/client.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { newSoftHsmToken, SOFTHSM, SOFTHSM_PIN } from '#keystores/pkcs11/softhsm.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import {
  BlockCipherMode,
  CryptographicAlgorithm,
  CryptographicUsageMask as Mask,
  NameType,
  ObjectType,
  PaddingMethod,
  ProtectionStorageMask,
  RevocationReasonCode,
} from '#spec/kmip/enumerations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { CKA, CKF, CKM, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import { askServer } from './control.ts'

const skip = SOFTHSM === undefined ? 'softhsm2 is not installed' : false
const NAME = 'kept key'
const TEXT = Buffer.alloc(16, 0x61)

describe('a wrapped key of a server', { skip, timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-fronts-'))
  let server: OwnServer
  let kmip: KmipClient
  let module: Pkcs11Client
  let hSession: number
  let [keeper, id] = ['', '']

  before(async () => {
    const path = join(folder, 'claviger.yaml')
    const pinFile = join(folder, 'pin')
    writeFileSync(pinFile, SOFTHSM_PIN)
    const environment = newSoftHsmToken(folder, 'app')
    const hsm = { name: 'vault', type: 'pkcs11', module: SOFTHSM, environment }
    const keystores = [
      { name: 'software', type: 'software' },
      { ...hsm, label: 'app', pinFile },
    ]
    const pkcs11 = { tokens: [{ name: 'open', login: 'none' }] }
    writeFileSync(path, JSON.stringify({ keystores, pkcs11 }))
    server = await startOwnServer({ config: path })
    kmip = new KmipClient({ ...server.client('admin'), version: 21 })
    module = await Pkcs11Client.connect(join(server.dataDir, 'run', 'pkcs11.sock'))
    await module.initialize()
    const flags = CKF.SERIAL_SESSION | CKF.RW_SESSION
    hSession = (await module.call('C_OpenSession', { slotID: 0, flags })).phSession
  })
  after(async () => {
    module?.close()
    kmip?.close()
    await server?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const make = async (mask: number, place: number, more: readonly ListedAttribute[] = []) => {
    const attributes: readonly ListedAttribute[] = [
      { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
      { id: 'cryptographicLength', value: 256 },
      { id: 'cryptographicUsageMask', value: mask },
      { id: 'activationDate', value: 1 },
      ...more,
    ]
    const { uniqueIdentifier } = await kmip.call('Create', {
      objectType: ObjectType.SymmetricKey,
      attributes: { attributes },
      protectionStorageMasks: { protectionStorageMask: [place] },
    })
    return String(uniqueIdentifier)
  }
  const encryptByKmip = async (): Promise<Buffer> => {
    const cryptographicParameters = {
      blockCipherMode: BlockCipherMode.ECB,
      paddingMethod: PaddingMethod.None,
    }
    const wish = { uniqueIdentifier: id, cryptographicParameters, data: TEXT }
    return Buffer.from((await kmip.call('Encrypt', wish)).data ?? [])
  }
  const encryptByModule = async (): Promise<Buffer> => {
    const pTemplate = [{ type: CKA.LABEL, value: Buffer.from(NAME) }]
    await module.call('C_FindObjectsInit', { hSession, pTemplate })
    const { phObject } = await module.call('C_FindObjects', { hSession, phObject: 10 })
    await module.call('C_FindObjectsFinal', { hSession })
    equal(phObject.length, 1)
    const pMechanism = { type: CKM.AES_ECB, parameter: undefined }
    await module.call('C_EncryptInit', { hSession, pMechanism, hKey: phObject[0] as number })
    const wish = { hSession, pData: TEXT, pEncryptedData: 64 }
    return Buffer.from((await module.call('C_Encrypt', wish)).pEncryptedData as Uint8Array)
  }
  const unwrappings = async (): Promise<number> => {
    const [hsm] = (await askServer(server.dataDir, 'hsm.list', {})) as readonly {
      readonly calls: Readonly<Record<string, number>>
    }[]
    return hsm?.calls['C_Decrypt'] ?? 0
  }

  it('is made by the attribute that clients of Cosmian send, and is unwrapped once', async () => {
    const { Hardware, Software } = ProtectionStorageMask
    keeper = await make(Mask.WrapKey | Mask.UnwrapKey, Hardware)
    const value = { tag: Tag.AttributeValue, type: ItemType.TextString, value: keeper }
    id = await make(Mask.Encrypt | Mask.Decrypt, Software, [
      { id: 'cosmian:wrapping_key_id', value },
      { id: 'name', value: { nameValue: NAME, nameType: NameType.UninterpretedTextString } },
    ])
    equal(await unwrappings(), 0)
    const [one, other] = [await encryptByKmip(), await encryptByModule()]
    equal(one.length, TEXT.length)
    deepEqual(other, one)
    equal(await unwrappings(), 1)
  })

  it('cannot be said to be kept under another afterwards', async () => {
    const value = { tag: Tag.AttributeValue, type: ItemType.TextString, value: 'other' }
    const newAttribute = { id: 'x:wrapping_key_id', value } as const
    await rejects(
      kmip.call('AddAttribute', { uniqueIdentifier: id, newAttribute }),
      /kept under another key from the start/,
    )
  })

  it('is refused by both when its keeper is revoked', async () => {
    const revocationReason = { revocationReasonCode: RevocationReasonCode.CessationOfOperation }
    await kmip.call('Revoke', { uniqueIdentifier: keeper, revocationReason })
    const named = new RegExp(`kept wrapped with "${keeper}" in keystore "vault"`)
    await rejects(encryptByKmip(), named)
    await rejects(encryptByModule(), (error: CryptokiError) => {
      equal(error.rv, CKR.KEY_FUNCTION_NOT_PERMITTED)
      return error instanceof CryptokiError
    })
    // The log comes by a pipe of its own.
    for (let turn = 0; turn < 100 && !named.test(server.log()); turn++) await delay(50)
    match(server.log(), named)
  })
})
