/**
 * AES-GCM with IVs that the device makes, on SoftHSM2 with the manners of such devices
 * (`manners.c`), and through a real server and client.
 *
 * Skipped where Debian's softhsm2 or a C compiler is not installed.
 *
 * @module
 */
import { deepEqual, equal, match, notDeepEqual, ok, rejects } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { KmipClient } from '#clients/kmip/client.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import type { KeyInUse } from '#core/keystore.ts'
import { DATA_KEY_BYTES, Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import {
  CryptographicAlgorithm as Algorithm,
  BlockCipherMode,
  CryptographicUsageMask as Mask,
  ObjectType,
} from '#spec/kmip/enumerations.ts'
import { SoftwareKeystore } from '../software/software.ts'
import { HostDevice } from './host-device.ts'
import { softHsmWithManners, withoutManners } from './manners.ts'
import { Pkcs11Keystore } from './pkcs11.ts'
import { generic } from './quirks.ts'
import { newSoftHsmToken, SOFTHSM_PIN, softHsmHost } from './softhsm.ts'

const skip = withoutManners
const AES = { algorithm: 'AES', bits: 256 } as const
const DATA = Buffer.from('what the device encrypts')
const AAD = Buffer.from('and what it only vouches for')

describe('AES-GCM with an IV of the device', { skip, timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-own-iv-'))
  let module: string
  const quirks = { ...generic(), model: 'own-iv', gcmIv: 'device', finalise: false } as const
  let environment: Readonly<Record<string, string>>
  before(() => {
    module = softHsmWithManners(folder)
    environment = newSoftHsmToken(folder, 'iv')
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  /** A keystore on a device that gives its IV so, and a key. */
  const withKey = async (
    mode: string,
    work: (keystore: Pkcs11Keystore, key: KeyInUse) => Promise<void>,
  ): Promise<void> => {
    const device = await HostDevice.open({
      ...softHsmHost('iv', { ...environment, OWN_IV: mode }, 2, module),
      quirks,
    })
    const sealer = new Sealer(new Map([[1, new Secret(randomBytes(DATA_KEY_BYTES))]]))
    const beside = new SoftwareKeystore('beside', sealer)
    const keystore = new Pkcs11Keystore({ name: mode }, device, beside)
    try {
      const id = `key ${mode}`
      const made = await keystore.generate({ id, spec: AES })
      await work(keystore, { id, kind: 'secret', spec: AES, ...made })
    } finally {
      await keystore.close()
    }
  }

  for (const mode of ['early', 'late', 'behind']) {
    it(`brings the IV back that comes ${mode}, another one each time`, async () => {
      await withKey(mode, async (keystore, key) => {
        equal(keystore.makesIv(key, 'AES_GCM'), true)
        const seen = new Set<string>()
        for (const data of [DATA, Buffer.alloc(0), randomBytes(100_000), DATA]) {
          const mechanism = { cipher: 'AES_GCM', aad: AAD, tagBytes: 12 } as const
          const { data: sealed, tag, iv } = await keystore.encrypt(key, mechanism, data)
          equal(sealed.length, data.length)
          equal(tag?.length, 12)
          equal(iv?.length, 12)
          seen.add(Buffer.from(iv as Uint8Array).toString('hex'))
          const plain = await keystore.decrypt(key, { ...mechanism, iv }, sealed, tag)
          deepEqual(Buffer.from(plain), data)
          const wrong = { ...mechanism, iv, aad: DATA }
          await rejects(keystore.decrypt(key, wrong, sealed, tag))
        }
        equal(seen.size, 4)
      })
    })
  }

  it('mixes up nothing when many encrypt at a time', async () => {
    await withKey('late', async (keystore, key) => {
      const all = Array.from({ length: 40 }, () => randomBytes(64))
      const done = all.map(async (data) => {
        const { data: sealed, tag, iv } = await keystore.encrypt(key, { cipher: 'AES_GCM' }, data)
        const plain = await keystore.decrypt(key, { cipher: 'AES_GCM', iv }, sealed, tag)
        deepEqual(Buffer.from(plain), data)
      })
      await Promise.all(done)
    })
  })

  it('is refused where no IV comes back, and where one is given', async () => {
    await withKey('never', async (keystore, key) => {
      await rejects(keystore.encrypt(key, { cipher: 'AES_GCM' }, DATA), /has made no IV/)
      const given = { cipher: 'AES_GCM', iv: randomBytes(12) } as const
      await rejects(keystore.encrypt(key, given, DATA), /takes none; ask for a Random IV/)
    })
  })

  describe('through KMIP', () => {
    let server: OwnServer
    let client: KmipClient
    let key: string
    const parameters = { blockCipherMode: BlockCipherMode.GCM, tagLength: 16 }
    before(async () => {
      const [config, own, pin] = ['claviger.yaml', 'quirks.yaml', 'pin'].map((name) => {
        return join(folder, name)
      }) as [string, string, string]
      const { model, title, proof, gcmIv, finalise } = quirks
      writeFileSync(own, JSON.stringify({ model, title, proof, gcmIv, finalise }))
      writeFileSync(pin, SOFTHSM_PIN)
      const place = { module, environment, label: 'iv', pinFile: pin, quirks: own }
      const keystores = [{ name: 'hsm', type: 'pkcs11', ...place }]
      writeFileSync(config, JSON.stringify({ keystores }))
      server = await startOwnServer({ config, dataDir: join(folder, 'data') })
      client = new KmipClient(server.client('admin'))
      const { uniqueIdentifier } = await client.call('Create', {
        objectType: ObjectType.SymmetricKey,
        attributes: {
          attributes: [
            { id: 'cryptographicAlgorithm', value: Algorithm.AES },
            { id: 'cryptographicLength', value: 256 },
            { id: 'cryptographicUsageMask', value: Mask.Encrypt | Mask.Decrypt },
            { id: 'activationDate', value: 1 },
          ],
        },
      })
      key = String(uniqueIdentifier)
    })
    after(async () => {
      client.close()
      await server.stop()
    })

    it('is answered with the IV, where a Random IV is asked for', async () => {
      const encrypt = () =>
        client.call('Encrypt', {
          uniqueIdentifier: key,
          cryptographicParameters: { ...parameters, randomIV: true },
          data: DATA,
          authenticatedEncryptionAdditionalData: AAD,
        })
      const sealed = await encrypt()
      ok(sealed.ivCounterNonce?.some(Boolean))
      const { data } = await client.call('Decrypt', {
        uniqueIdentifier: key,
        cryptographicParameters: parameters,
        data: sealed.data,
        ivCounterNonce: sealed.ivCounterNonce,
        authenticatedEncryptionAdditionalData: AAD,
        authenticatedEncryptionTag: sealed.authenticatedEncryptionTag,
      })
      deepEqual(Buffer.from(data as Uint8Array), DATA)
      notDeepEqual((await encrypt()).ivCounterNonce, sealed.ivCounterNonce)
    })

    it('is answered with the IV at the end, where the data comes in parts', async () => {
      const begun = await client.call('Encrypt', {
        uniqueIdentifier: key,
        cryptographicParameters: { ...parameters, randomIV: true },
        data: DATA,
        initIndicator: true,
      })
      equal(begun.ivCounterNonce, undefined)
      const sealed = await client.call('Encrypt', {
        correlationValue: begun.correlationValue,
        data: DATA,
        finalIndicator: true,
      })
      const { data } = await client.call('Decrypt', {
        uniqueIdentifier: key,
        cryptographicParameters: parameters,
        data: sealed.data,
        ivCounterNonce: sealed.ivCounterNonce,
        authenticatedEncryptionTag: sealed.authenticatedEncryptionTag,
      })
      deepEqual(Buffer.from(data as Uint8Array), Buffer.concat([DATA, DATA]))
    })

    it('is refused with the way out, where an IV is given', async () => {
      const given = client.call('Encrypt', {
        uniqueIdentifier: key,
        cryptographicParameters: parameters,
        data: DATA,
        ivCounterNonce: randomBytes(12),
      })
      await rejects(given, (error: Error) => {
        match(error.message, /own-iv makes the IV of AES-GCM by itself .*Random IV/)
        return true
      })
    })
  })
})
