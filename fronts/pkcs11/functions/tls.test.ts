/**
 * TLS 1.2 with a master secret in a token, against the pseudo-random function of the `openssl`
 * command.
 *
 * PKCS#11 3.2 §6.29; RFC 5246 §6.3 (key block) and §7.4.9 (Finished).
 *
 * @module
 */
import { deepEqual, equal } from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { refuses, template, type Wishes, Workbench } from '#conformance/pkcs11-workbench.ts'
import { CKK, CKM, CKO, CKR } from '#spec/pkcs11/constants.ts'
import type { Fields, Mechanism } from '#spec/pkcs11/types.ts'

const absent = spawnSync('openssl', ['version']).status === 0 ? false : 'openssl is not installed'

/** RFC 5246 §5, as OpenSSL works it out. */
function prf(hash: string, secret: Buffer, seed: Buffer, bytes: number): Buffer {
  const options = [`digest:${hash}`, `hexsecret:${hex(secret)}`, `hexseed:${hex(seed)}`]
  const given = options.flatMap((option) => ['-kdfopt', option])
  const args = ['kdf', '-keylen', String(bytes), ...given, 'TLS1-PRF']
  const text = execFileSync('openssl', args, { encoding: 'utf8' })
  return Buffer.from(text.replace(/[^0-9a-fA-F]/g, ''), 'hex')
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

describe('TLS 1.2', { timeout: 60_000, skip: absent }, () => {
  const master = randomBytes(48)
  let bench: Workbench
  let hSession: number
  let key: number
  before(async () => {
    bench = await Workbench.open()
    hSession = await bench.session()
    key = await bench.create(hSession, {
      CLASS: CKO.SECRET_KEY,
      KEY_TYPE: CKK.GENERIC_SECRET,
      VALUE: master,
      SIGN: true,
      VERIFY: true,
      DERIVE: true,
      EXTRACTABLE: true,
      SENSITIVE: false,
    })
  })
  after(() => bench.close())

  describe('the MAC of Finished', () => {
    const handshake = randomBytes(32)
    const fields = (given: Fields = {}): Fields => {
      return { prfHashMechanism: CKM.SHA256, ulMacLength: 12, ulServerOrClient: 2, ...given }
    }
    const signInit = (parameter: Fields | Uint8Array | undefined, type: number = CKM.TLS_MAC) =>
      bench.call.C_SignInit(bench.app, { hSession, hKey: key, pMechanism: { type, parameter } })
    const signed = async (parameter: Fields, type?: number): Promise<Buffer> => {
      await signInit(parameter, type)
      const args = { hSession, pData: handshake, pSignature: 100 }
      return Buffer.from((await bench.call.C_Sign(bench.app, args)).pSignature as Uint8Array)
    }

    const rows = [
      ['client', 2, 'SHA256', CKM.SHA256, 12],
      ['server', 1, 'SHA256', CKM.SHA256, 12],
      ['client', 2, 'SHA384', CKM.SHA384, 48],
      ['server', 1, 'SHA512', CKM.SHA512, 20],
    ] as const
    for (const [who, ulServerOrClient, hash, prfHashMechanism, ulMacLength] of rows) {
      it(`is that of OpenSSL: ${who}, ${hash}, ${ulMacLength} bytes`, async () => {
        const seed = Buffer.concat([Buffer.from(`${who} finished`), handshake])
        const expected = prf(hash, master, seed, ulMacLength)
        const parameter = fields({ prfHashMechanism, ulMacLength, ulServerOrClient })
        deepEqual(await signed(parameter), expected)
        deepEqual(await signed(parameter, CKM.TLS12_MAC), expected)
      })
    }

    it('is the same in parts, and is verified', async () => {
      const expected = await signed(fields())
      await signInit(fields())
      for (const part of [handshake.subarray(0, 5), handshake.subarray(5)]) {
        await bench.call.C_SignUpdate(bench.app, { hSession, pPart: part })
      }
      const final = await bench.call.C_SignFinal(bench.app, { hSession, pSignature: 12 })
      deepEqual(Buffer.from(final.pSignature as Uint8Array), expected)
      const verify = async (pSignature: Buffer): Promise<void> => {
        const pMechanism = { type: CKM.TLS_MAC, parameter: fields() }
        await bench.call.C_VerifyInit(bench.app, { hSession, hKey: key, pMechanism })
        await bench.call.C_Verify(bench.app, { hSession, pData: handshake, pSignature })
      }
      await verify(expected)
      const wrong = Buffer.from(expected)
      wrong[11]! ^= 1
      await refuses(CKR.SIGNATURE_INVALID, () => verify(wrong))
      await refuses(CKR.SIGNATURE_LEN_RANGE, () => verify(expected.subarray(0, 11)))
    })

    it('is refused for parameters that say nothing', async () => {
      const wrong: readonly (Fields | Uint8Array | undefined)[] = [
        undefined,
        new Uint8Array(3),
        fields({ prfHashMechanism: CKM.TLS_PRF }),
        fields({ prfHashMechanism: CKM.AES_CBC }),
        fields({ ulMacLength: 11 }),
        fields({ ulMacLength: 33 }),
        fields({ ulServerOrClient: 0 }),
        fields({ ulServerOrClient: 3 }),
      ]
      for (const parameter of wrong) {
        await refuses(CKR.MECHANISM_PARAM_INVALID, async () => signInit(parameter))
      }
    })

    it('is not made with a key for something else', async () => {
      const aes = await bench.create(hSession, {
        CLASS: CKO.SECRET_KEY,
        KEY_TYPE: CKK.AES,
        VALUE: randomBytes(32),
        SIGN: true,
      })
      const pMechanism = { type: CKM.TLS_MAC, parameter: fields() }
      await refuses(CKR.KEY_TYPE_INCONSISTENT, async () =>
        bench.call.C_SignInit(bench.app, { hSession, hKey: aes, pMechanism }),
      )
    })
  })

  describe('the key block', () => {
    const [client, server] = [randomBytes(32), randomBytes(32)]
    const seed = Buffer.concat([Buffer.from('key expansion'), server, client])
    const room = (bytes: number) => ({
      hClientMacSecret: 7,
      hServerMacSecret: 7,
      hClientKey: 7,
      hServerKey: 7,
      pIVClient: bytes,
      pIVServer: bytes,
    })
    const fields = (given: Fields = {}): Fields => ({
      ulMacSizeInBits: 256,
      ulKeySizeInBits: 128,
      ulIVSizeInBits: 0,
      bIsExport: false,
      RandomInfo: { pClientRandom: client, pServerRandom: server },
      pReturnedKeyMaterial: room(0),
      prfHashMechanism: CKM.SHA256,
      ...given,
    })
    const AES = { CLASS: CKO.SECRET_KEY, KEY_TYPE: CKK.AES }
    const derive = async (
      parameter: Fields | undefined,
      wishes: Wishes = AES,
      type: number = CKM.TLS12_KEY_AND_MAC_DERIVE,
      hBaseKey = key,
    ) => {
      const pMechanism = { type, parameter }
      const args = { hSession, pMechanism, hBaseKey, pTemplate: template(wishes) }
      const { phKey, pMechanism: back } = await bench.call.C_DeriveKey(bench.app, args)
      equal(phKey, 0)
      const { pReturnedKeyMaterial: material } = (back as Mechanism).parameter as Fields
      return material as unknown as Record<keyof ReturnType<typeof room>, number> & {
        readonly pIVClient: Uint8Array | undefined
        readonly pIVServer: Uint8Array | undefined
      }
    }
    const bytesIn = async (handle: number) => {
      return Buffer.from((await bench.read(hSession, handle, 'VALUE')).VALUE as Uint8Array)
    }
    const count = async () => {
      const parameter = { hSession, pTemplate: template({ CLASS: CKO.SECRET_KEY }) }
      await bench.call.C_FindObjectsInit(bench.app, parameter)
      const found = await bench.call.C_FindObjects(bench.app, { hSession, phObject: 1_000 })
      await bench.call.C_FindObjectsFinal(bench.app, { hSession })
      return found.phObject.length
    }

    it('is that of OpenSSL for a suite with a MAC', async () => {
      const made = await derive(fields())
      const block = prf('SHA256', master, seed, 96)
      deepEqual(await bytesIn(made.hClientMacSecret), block.subarray(0, 32))
      deepEqual(await bytesIn(made.hServerMacSecret), block.subarray(32, 64))
      deepEqual(await bytesIn(made.hClientKey), block.subarray(64, 80))
      deepEqual(await bytesIn(made.hServerKey), block.subarray(80, 96))
      deepEqual([made.pIVClient, made.pIVServer], [undefined, undefined])
      for (const mac of [made.hClientMacSecret, made.hServerMacSecret]) {
        equal(await bench.number(hSession, mac, 'KEY_TYPE'), CKK.GENERIC_SECRET)
        deepEqual(
          [await bench.flag(hSession, mac, 'SIGN'), await bench.flag(hSession, mac, 'LOCAL')],
          [true, false],
        )
      }
      for (const cipher of [made.hClientKey, made.hServerKey]) {
        equal(await bench.number(hSession, cipher, 'KEY_TYPE'), CKK.AES)
        equal(await bench.flag(hSession, cipher, 'ENCRYPT'), true)
      }
    })

    it('has initialisation vectors and no MAC for a suite with GCM', async () => {
      const given = {
        ulMacSizeInBits: 0,
        ulKeySizeInBits: 256,
        ulIVSizeInBits: 32,
        prfHashMechanism: CKM.SHA384,
        pReturnedKeyMaterial: room(4),
      }
      const made = await derive(fields(given))
      const block = prf('SHA384', master, seed, 72)
      deepEqual([made.hClientMacSecret, made.hServerMacSecret], [0, 0])
      deepEqual(await bytesIn(made.hClientKey), block.subarray(0, 32))
      deepEqual(await bytesIn(made.hServerKey), block.subarray(32, 64))
      deepEqual(Buffer.from(made.pIVClient as Uint8Array), block.subarray(64, 68))
      deepEqual(Buffer.from(made.pIVServer as Uint8Array), block.subarray(68, 72))
      const safe = await derive(fields(given), AES, CKM.TLS12_KEY_SAFE_DERIVE)
      deepEqual(await bytesIn(safe.hServerKey), block.subarray(32, 64))
      deepEqual([safe.pIVClient, safe.pIVServer], [undefined, undefined])
    })

    it('is no easier to read than the master secret', async () => {
      const hidden = await bench.create(hSession, {
        CLASS: CKO.SECRET_KEY,
        KEY_TYPE: CKK.GENERIC_SECRET,
        VALUE: master,
        DERIVE: true,
        SENSITIVE: true,
        EXTRACTABLE: false,
      })
      const type = CKM.TLS12_KEY_AND_MAC_DERIVE
      for (const wish of [{ SENSITIVE: false }, { EXTRACTABLE: true }]) {
        await refuses(CKR.TEMPLATE_INCONSISTENT, () => {
          return derive(fields(), { ...AES, ...wish }, type, hidden)
        })
      }
      const made = await derive(fields(), { ...AES, SENSITIVE: true }, type, hidden)
      for (const one of [made.hClientMacSecret, made.hServerKey]) {
        equal(await bench.flag(hSession, one, 'SENSITIVE'), true)
        equal(await bench.flag(hSession, one, 'EXTRACTABLE'), false)
        equal((await bench.read(hSession, one, 'VALUE')).VALUE, undefined)
      }
    })

    it('is refused for what does not fit, and then there is no key more', async () => {
      const before = await count()
      const wrong: readonly (Fields | undefined)[] = [
        undefined,
        fields({ bIsExport: true }),
        fields({ ulKeySizeInBits: 0 }),
        fields({ ulKeySizeInBits: 129 }),
        fields({ ulKeySizeInBits: 65 * 8 }),
        fields({ ulMacSizeInBits: 65 * 8 }),
        fields({ ulIVSizeInBits: 17 * 8, pReturnedKeyMaterial: room(17) }),
        fields({ ulIVSizeInBits: 32, pReturnedKeyMaterial: { ...room(4), pIVClient: undefined } }),
        fields({ pReturnedKeyMaterial: undefined }),
        fields({ RandomInfo: { pClientRandom: client, pServerRandom: undefined } }),
        fields({ prfHashMechanism: CKM.TLS_PRF }),
      ]
      for (const parameter of wrong) {
        await refuses(CKR.MECHANISM_PARAM_INVALID, () => derive(parameter))
      }
      const short = fields({ ulKeySizeInBits: 120 })
      for (const wishes of [{ VALUE_LEN: 32 }, { KEY_TYPE: CKK.DES3 }, { CLASS: CKO.DATA }]) {
        await refuses(CKR.TEMPLATE_INCONSISTENT, () => derive(fields(), { ...AES, ...wishes }))
      }
      // The keys of the MACs are made first, and an AES key of 15 bytes there is not.
      await refuses(CKR.ATTRIBUTE_VALUE_INVALID, () => derive(short))
      equal(await count(), before)
    })
  })
})
