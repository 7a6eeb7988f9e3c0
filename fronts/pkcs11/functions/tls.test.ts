/**
 * TLS 1.2 with a master secret in a token, against the pseudo-random function of the `openssl`
 * command.
 *
 * PKCS#11 3.2 §6.29; RFC 5246 §6.3 (key block) and §7.4.9 (Finished).
 *
 * @module
 */
import { deepEqual } from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { refuses, Workbench } from '#conformance/pkcs11-workbench.ts'
import { CKK, CKM, CKO, CKR } from '#spec/pkcs11/constants.ts'
import type { Fields } from '#spec/pkcs11/types.ts'

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
})
