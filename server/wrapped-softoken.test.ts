/**
 * Keys that are kept under a key in another maker's module than SoftHSM2: NSS's software token,
 * which wraps by RFC 5649.
 *
 * Skipped where it, its certutil or a C compiler is missing.
 *
 * @module
 */
import { deepEqual, equal } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { createKeyPair } from '#core/operations/create.ts'
import { sign, signatureVerify } from '#core/operations/cryptography.ts'
import { SOFTHSM_PIN } from '#keystores/pkcs11/softhsm.ts'
import { newSoftoken, noSoftoken } from '#keystores/pkcs11/softoken.ts'
import { parsed } from '#keystores/wrapped/reference.ts'
import {
  BlockCipherMode,
  CryptographicAlgorithm,
  CryptographicUsageMask as Mask,
} from '#spec/kmip/enumerations.ts'
import { attributes, Bench, TEXT, under } from './wrapped-bench.ts'

const skip = noSoftoken ?? false

describe('keys kept under a key in the software token of NSS', { skip, timeout: 60_000 }, () => {
  let bench: Bench
  before(async () => {
    bench = new Bench((folder) => newSoftoken(folder, SOFTHSM_PIN))
    await bench.open()
  })
  after(() => bench?.close())

  for (const [name, mode, cipher] of [
    ['AES-KWP, unasked', undefined, 'AES_KEY_WRAP_KWP'],
    ['AES-KWP', BlockCipherMode.AESKeyWrapPadding, 'AES_KEY_WRAP_KWP'],
    ['AES-GCM', BlockCipherMode.GCM, 'AES_GCM'],
    ['AES-KW', BlockCipherMode.NISTKeyWrap, 'AES_KEY_WRAP'],
  ] as const) {
    it(`are made and taken in under ${name}, and unwrapped once`, async () => {
      const keeper = await bench.aesKeeper(mode)
      const bytes = randomBytes(32)
      const [made, taken] = [await bench.key(keeper), await bench.key(keeper, Buffer.from(bytes))]
      const start = bench.unwrappings
      for (const { id, material } of [made, taken]) {
        equal(parsed(material?.handle as Uint8Array).mechanism.cipher, cipher)
        await bench.roundTrip(id)
        await bench.roundTrip(id)
      }
      equal(bench.unwrappings - start, 2)
      deepEqual(await bench.valueOf(taken.id), bytes)
      equal(bench.holds(bytes), false)
    })
  }

  it('may be private keys', async () => {
    const keeper = await bench.aesKeeper()
    const list = attributes(CryptographicAlgorithm.RSA, 2_048, Mask.Sign | Mask.Verify)
    const { privateKey, publicKey } = await createKeyPair(bench.context(), {
      common: { attributes: [...list, under(keeper)] },
    })
    const wish = { data: TEXT, digested: false }
    const { signature } = await sign(bench.context(), { ...wish, id: privateKey.id })
    const check = { ...wish, id: publicKey.id, signature }
    equal((await signatureVerify(bench.context(), check)).valid, true)
    equal(bench.holds((await bench.valueOf(privateKey.id)).subarray(-64)), false)
  })
})
