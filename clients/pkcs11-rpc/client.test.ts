/**
 * The PKCS#11 client against p11-kit's own server with SoftHSM behind it, where the machine has
 * both.
 *
 * Against our server it is tested in `fronts/pkcs11/server.test.ts`.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createHash, createPublicKey, verify } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { CKA, CKF, CKK, CKM, CKO, CKR, CKU } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { boolBytes, ulongBytes } from '#spec/pkcs11/memory.ts'
import { Pkcs11Client } from './client.ts'

/** Where p11-kit is: another of its versions can be tested so. */
const PREFIX = process.env['P11_KIT_PREFIX'] ?? '/usr'
const SERVER = join(PREFIX, 'bin/p11-kit')
const MODULE = '/usr/lib/softhsm/libsofthsm2.so'
const isThere = [SERVER, join(PREFIX, 'libexec/p11-kit/p11-kit-server'), MODULE].every(existsSync)
const PIN = '1234'
const P256 = Buffer.from('06082a8648ce3d030107', 'hex')
/** What stands before the point in the SubjectPublicKeyInfo of a key on P-256. */
const P256_INFO = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex')

const isRv = (rv: number) => (error: unknown) => error instanceof CryptokiError && error.rv === rv

describe('a server of p11-kit', { skip: !isThere && 'p11-kit or SoftHSM is not installed' }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-softhsm-'))
  const path = join(folder, 'socket')
  const env = { ...process.env, SOFTHSM2_CONF: join(folder, 'softhsm2.conf') }
  let server: ChildProcess | undefined
  let client: Pkcs11Client
  let hSession = 0

  before(async () => {
    mkdirSync(join(folder, 'tokens'))
    writeFileSync(env.SOFTHSM2_CONF, `directories.tokendir = ${join(folder, 'tokens')}\n`)
    const pins = ['--pin', PIN, '--so-pin', '12345678']
    const init = ['--init-token', '--free', '--label', 'test', ...pins]
    await promisify(execFile)('softhsm2-util', init, { env })
    const options = ['server', '-f', '-n', path, '--provider', MODULE, 'pkcs11:token=test']
    server = spawn(SERVER, options, { env, stdio: 'ignore' })
    for (let tries = 0; !existsSync(path); tries++) {
      assert.ok(tries < 250, 'p11-kit server does not listen after five seconds')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    client = await Pkcs11Client.connect(path, { requestMilliseconds: 10_000 })
    await client.initialize()
    const { pSlotList } = await client.call('C_GetSlotList', { tokenPresent: true, pSlotList: 9 })
    const [slotID] = pSlotList as [number]
    const flags = CKF.SERIAL_SESSION | CKF.RW_SESSION
    hSession = (await client.call('C_OpenSession', { slotID, flags })).phSession
    const wrong = { hSession, userType: CKU.USER, pPin: Buffer.from('4321') }
    await assert.rejects(client.call('C_Login', wrong), isRv(CKR.PIN_INCORRECT))
    await client.call('C_Login', { ...wrong, pPin: Buffer.from(PIN) })
  })

  after(() => {
    client?.close()
    server?.kill()
    rmSync(folder, { recursive: true })
  })

  it('makes a key pair, signs, and gives out the public key', async () => {
    const { phPublicKey, phPrivateKey } = await client.call('C_GenerateKeyPair', {
      hSession,
      pMechanism: { type: CKM.EC_KEY_PAIR_GEN, parameter: undefined },
      pPublicKeyTemplate: [{ type: CKA.EC_PARAMS, value: P256 }],
      pPrivateKeyTemplate: [
        { type: CKA.SIGN, value: boolBytes(true) },
        { type: CKA.LABEL, value: Buffer.from('signs') },
        { type: CKA.KEY_TYPE, value: ulongBytes(CKK.EC) },
      ],
    })
    const pMechanism = { type: CKM.ECDSA, parameter: undefined }
    await client.call('C_SignInit', { hSession, pMechanism, hKey: phPrivateKey })
    const data = Buffer.from('signed')
    const pData = createHash('sha256').update(data).digest()
    const length = await client.call('C_Sign', { hSession, pData, pSignature: undefined })
    assert.equal(length.pSignature, 64)
    const short = await client.call('C_Sign', { hSession, pData, pSignature: 63 })
    assert.equal(short.pSignature, 64)
    const { pSignature } = await client.call('C_Sign', { hSession, pData, pSignature: 64 })
    const wishes = [{ type: CKA.EC_POINT, capacity: 100 }]
    const got = await client.call('C_GetAttributeValue', {
      hSession,
      hObject: phPublicKey,
      pTemplate: wishes,
    })
    const point = Buffer.from(got.pTemplate[0]?.value as Uint8Array).subarray(2)
    const key = Buffer.concat([P256_INFO, point])
    const publicKey = createPublicKey({ key, format: 'der', type: 'spki' })
    const options = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const
    assert.ok(verify('sha256', data, options, pSignature as Uint8Array))
  })

  it('tells of each attribute what became of it', async () => {
    const { phObject } = await client.call('C_CreateObject', {
      hSession,
      pTemplate: [
        { type: CKA.CLASS, value: ulongBytes(CKO.DATA) },
        { type: CKA.LABEL, value: Buffer.from('a label') },
        { type: CKA.VALUE, value: Buffer.alloc(100_000, 7) },
      ],
    })
    const results = await client.call('C_GetAttributeValue', {
      hSession,
      hObject: phObject,
      pTemplate: [
        { type: CKA.CLASS, capacity: 8 },
        { type: CKA.PRIVATE, capacity: 1 },
        { type: CKA.LABEL, capacity: undefined },
        { type: CKA.VALUE, capacity: 200_000 },
        { type: CKA.MODULUS, capacity: 10 },
      ],
    })
    assert.equal(results.rv, CKR.ATTRIBUTE_TYPE_INVALID)
    const [kind, isPrivate, label, value, modulus] = results.pTemplate
    assert.deepEqual(kind?.value, ulongBytes(CKO.DATA))
    assert.ok(isPrivate?.value?.length === 1)
    assert.deepEqual(label, { type: CKA.LABEL, length: 7 })
    assert.deepEqual(value?.value, Buffer.alloc(100_000, 7))
    assert.deepEqual(modulus, { type: CKA.MODULUS })
  })

  it('finds objects', async () => {
    const pTemplate = [{ type: CKA.LABEL, value: Buffer.from('signs') }]
    await client.call('C_FindObjectsInit', { hSession, pTemplate })
    const first = await client.call('C_FindObjects', { hSession, phObject: 5 })
    assert.equal(first.phObject.length, 1)
    assert.deepEqual((await client.call('C_FindObjects', { hSession, phObject: 5 })).phObject, [])
    await client.call('C_FindObjectsFinal', { hSession })
  })

  it('takes a parameter by its fields', async () => {
    const { phPublicKey, phPrivateKey } = await client.call('C_GenerateKeyPair', {
      hSession,
      pMechanism: { type: CKM.RSA_PKCS_KEY_PAIR_GEN, parameter: undefined },
      pPublicKeyTemplate: [
        { type: CKA.MODULUS_BITS, value: ulongBytes(1_024) },
        { type: CKA.PUBLIC_EXPONENT, value: Buffer.of(1, 0, 1) },
        { type: CKA.VERIFY, value: boolBytes(true) },
      ],
      pPrivateKeyTemplate: [{ type: CKA.SIGN, value: boolBytes(true) }],
    })
    const parameter = { hashAlg: CKM.SHA256, mgf: 2, sLen: 32 }
    const pMechanism = { type: CKM.RSA_PKCS_PSS, parameter }
    await client.call('C_SignInit', { hSession, pMechanism, hKey: phPrivateKey })
    const pData = Buffer.alloc(32, 1)
    const { pSignature } = await client.call('C_Sign', { hSession, pData, pSignature: 512 })
    await client.call('C_VerifyInit', { hSession, pMechanism, hKey: phPublicKey })
    const signed = { hSession, pData, pSignature: pSignature as Uint8Array }
    await client.call('C_Verify', signed)
    await client.call('C_VerifyInit', { hSession, pMechanism, hKey: phPublicKey })
    const forged = { ...signed, pData: Buffer.alloc(32, 2) }
    await assert.rejects(client.call('C_Verify', forged), isRv(CKR.SIGNATURE_INVALID))
  })

  it('fills a buffer with random bytes', async () => {
    const { pRandomData } = await client.call('C_GenerateRandom', { hSession, pRandomData: 33 })
    assert.equal(pRandomData.length, 33)
  })
})
