/**
 * Every elliptic curve of the table, by both fronts of one server: KMIP makes a pair that PKCS#11
 * signs with, PKCS#11 makes one that KMIP signs with, and OpenSSL verifies both.
 *
 * KMIP 2.1 §6.1 (Create Key Pair, Sign) and §11.46 (Recommended Curve); PKCS#11 3.2 §6.3. A row
 * that is new in `spec/algorithms/keys.ts` is tried here without a line for it.
 *
 * @module
 */
import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { KmipClient } from '#clients/kmip/client.ts'
import { Pkcs11Client } from '#clients/pkcs11-rpc/client.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { socketPath } from '#server/sockets.ts'
import { CURVES, type CurveRow } from '#spec/algorithms.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import {
  CryptographicAlgorithm,
  DigitalSignatureAlgorithm,
  KeyFormatType,
  CryptographicUsageMask as Mask,
  ResultReason,
} from '#spec/kmip/enumerations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { CKA, CKF, CKM } from '#spec/pkcs11/constants.ts'
import { boolBytes } from '#spec/pkcs11/memory.ts'
import type { Attribute } from '#spec/pkcs11/types.ts'
import { ItemType } from '#wire/ttlv/item.ts'

const TEXT = Buffer.from('signed by one, verified by another')
const SIGNATURE_BYTES_MAX = 200

describe('elliptic curves by both fronts', { timeout: 120_000 }, () => {
  let server: OwnServer
  let kmip: KmipClient
  let module: Pkcs11Client
  let hSession: number

  before(async () => {
    const tokens = '[{ name: open, login: none }]'
    server = await startOwnServer({ env: { CLAVIGER_PKCS11_TOKENS: tokens } })
    kmip = new KmipClient({ ...server.client('admin'), version: 21 })
    module = await Pkcs11Client.connect(socketPath(server.dataDir, 'pkcs11'))
    await module.initialize()
    const flags = CKF.SERIAL_SESSION | CKF.RW_SESSION
    hSession = (await module.call('C_OpenSession', { slotID: 0, flags })).phSession
  })
  after(async () => {
    module?.close()
    kmip?.close()
    await server?.stop()
  })

  const makeByKmip = (common: readonly ListedAttribute[]) => {
    const uses = (value: number) => ({
      attributes: [
        { id: 'cryptographicUsageMask', value },
        { id: 'activationDate', value: 1 },
      ] as const,
    })
    const ec = { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.EC } as const
    return kmip.call('CreateKeyPair', {
      commonAttributes: { attributes: [ec, ...common] },
      privateKeyAttributes: uses(Mask.Sign),
      publicKeyAttributes: uses(Mask.Verify),
    })
  }
  const publicKey = async (uniqueIdentifier: string): Promise<KeyObject> => {
    const keyFormatType = KeyFormatType.X_509
    const { object } = await kmip.call('Get', { uniqueIdentifier, keyFormatType })
    ok(object.tag === Tag.PublicKey)
    const value = object.value.keyBlock.keyValue
    ok(value !== undefined && 'keyMaterial' in value)
    ok(value.keyMaterial.type === ItemType.ByteString)
    return createPublicKey({
      key: Buffer.from(value.keyMaterial.value),
      format: 'der',
      type: 'spki',
    })
  }
  const search = async (pTemplate: readonly Attribute[]): Promise<readonly number[]> => {
    await module.call('C_FindObjectsInit', { hSession, pTemplate })
    const { phObject } = await module.call('C_FindObjects', { hSession, phObject: 9 })
    await module.call('C_FindObjectsFinal', { hSession })
    return phObject
  }
  const text = async (hObject: number, type: number): Promise<Buffer> => {
    const pTemplate = [{ type, capacity: 300 }]
    const answer = await module.call('C_GetAttributeValue', { hSession, hObject, pTemplate })
    const [one] = answer.pTemplate
    ok(one !== undefined && 'value' in one && one.value instanceof Uint8Array)
    return Buffer.from(one.value)
  }
  const pMechanism = { type: CKM.ECDSA_SHA256, parameter: undefined }

  for (const [name, row] of Object.entries<CurveRow>(CURVES)) {
    const params = { type: CKA.EC_PARAMS, value: Buffer.from(row.oid, 'hex') }

    it(`${name}: a pair of KMIP signs in PKCS#11`, async () => {
      const recommendedCurve = row.kmip
      const made = await makeByKmip([
        { id: 'cryptographicDomainParameters', value: { recommendedCurve } },
      ])
      const value = Buffer.from(String(made.privateKeyUniqueIdentifier))
      const [hKey] = await search([{ type: CKA.UNIQUE_ID, value }, params])
      ok(hKey !== undefined, 'it is not found by its curve')
      await module.call('C_SignInit', { hSession, pMechanism, hKey })
      const wish = { hSession, pData: TEXT, pSignature: SIGNATURE_BYTES_MAX }
      const { pSignature } = await module.call('C_Sign', wish)
      ok(pSignature instanceof Uint8Array)
      equal(pSignature.length, 2 * Math.ceil(row.bits / 8))
      const key = await publicKey(String(made.publicKeyUniqueIdentifier))
      equal(key.asymmetricKeyDetails?.namedCurve, row.node)
      ok(verify('sha256', TEXT, { key, dsaEncoding: 'ieee-p1363' }, pSignature))
    })

    it(`${name}: a pair of PKCS#11 signs in KMIP`, async () => {
      const token = { type: CKA.TOKEN, value: boolBytes(true) }
      const made = await module.call('C_GenerateKeyPair', {
        hSession,
        pMechanism: { type: CKM.EC_KEY_PAIR_GEN, parameter: undefined },
        pPublicKeyTemplate: [token, params],
        pPrivateKeyTemplate: [token],
      })
      deepEqual(await text(made.phPrivateKey, CKA.EC_PARAMS), params.value)
      const privateId = (await text(made.phPrivateKey, CKA.UNIQUE_ID)).toString()
      const publicId = (await text(made.phPublicKey, CKA.UNIQUE_ID)).toString()
      const digitalSignatureAlgorithm = DigitalSignatureAlgorithm.ECDSAWithSHA256
      const { signatureData } = await kmip.call('Sign', {
        uniqueIdentifier: privateId,
        cryptographicParameters: { digitalSignatureAlgorithm },
        data: TEXT,
      })
      ok(verify('sha256', TEXT, await publicKey(publicId), signatureData ?? Buffer.alloc(0)))
      const { attributes } = await kmip.call('GetAttributes', {
        uniqueIdentifier: publicId,
        attributeRefs: ['cryptographicDomainParameters', 'cryptographicLength'],
      })
      const values = new Map(attributes?.attributes.map(({ id, value }) => [id, value]))
      deepEqual(values.get('cryptographicDomainParameters'), { recommendedCurve: row.kmip })
      equal(values.get('cryptographicLength'), row.bits)
    })
  }

  it('a length alone means a curve of NIST, and nothing where NIST has none', async () => {
    const length = (value: number) => [{ id: 'cryptographicLength', value }] as const
    const made = await makeByKmip(length(256))
    const key = await publicKey(String(made.publicKeyUniqueIdentifier))
    equal(key.asymmetricKeyDetails?.namedCurve, 'prime256v1')
    await rejects(makeByKmip(length(512)), {
      reason: ResultReason.InvalidAttributeValue,
      message: /curves are P_192/,
    })
  })
})
