/**
 * AES key wrap over single blocks: the published vectors, and the same as OpenSSL at every length;
 * with blocks of SoftHSM2, where Debian's softhsm2 is installed.
 *
 * @module
 */
import { deepEqual, equal, match, rejects } from 'node:assert/strict'
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { KmsError } from '#core/errors.ts'
import type { KeyInUse } from '#core/keystore.ts'
import { DATA_KEY_BYTES, Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import { KeyFormatType } from '#spec/kmip/enumerations.ts'
import { CKM } from '#spec/pkcs11/constants.ts'
import { SoftwareKeystore } from '../software/software.ts'
import { type Block, unwrapOver, wrapOver } from './block-wrap.ts'
import { HostDevice } from './host-device.ts'
import { Pkcs11Keystore } from './pkcs11.ts'
import { generic } from './quirks.ts'
import { hostCommand, newSoftHsmToken, SOFTHSM, SOFTHSM_PIN } from './softhsm.ts'

const KW = { cipher: 'AES_KEY_WRAP' } as const
const KWP = { cipher: 'AES_KEY_WRAP_KWP' } as const
const skip = SOFTHSM === undefined ? 'softhsm2 is not installed' : false
const AES = { algorithm: 'AES', bits: 256 } as const
const WRONG = { code: 'cryptographicFailure' }

function blocks(key: Uint8Array): { readonly encipher: Block; readonly decipher: Block } {
  const name = `aes-${key.length * 8}-ecb`
  return {
    encipher: async (block) => createCipheriv(name, key, null).setAutoPadding(false).update(block),
    decipher: async (block) =>
      createDecipheriv(name, key, null).setAutoPadding(false).update(block),
  }
}

function byOpenSsl(name: string, key: Uint8Array, iv: string, data: Uint8Array): Buffer {
  const cipher = createCipheriv(`id-aes${key.length * 8}-${name}`, key, Buffer.from(iv, 'hex'))
  return Buffer.concat([cipher.update(data), cipher.final()])
}

describe('AES key wrap over blocks of a device', { skip, timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-block-wrap-'))
  const environment = SOFTHSM === undefined ? {} : newSoftHsmToken(folder, 'blocks')
  const open: (() => Promise<void>)[] = []

  /** A keystore on a device that does not do some mechanisms. */
  function keystore(broken: number[]): Pkcs11Keystore {
    const device = new HostDevice({
      name: 'blocks',
      command: hostCommand(SOFTHSM as string, 1),
      environment,
      token: { label: 'blocks' },
      pin: SOFTHSM_PIN,
      lanes: 1,
      callMilliseconds: 30_000,
      quirks: { ...generic(), broken },
      log: { info: () => {}, warn: () => {} },
    })
    const sealer = new Sealer(new Map([[1, new Secret(randomBytes(DATA_KEY_BYTES))]]))
    const made = new Pkcs11Keystore({ name: 'hsm' }, device, new SoftwareKeystore('hsm', sealer))
    open.push(() => made.close())
    return made
  }
  after(async () => {
    for (const close of open) await close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function kekIn(hsm: Pkcs11Keystore, bytes: Uint8Array): Promise<KeyInUse> {
    const known = { id: 'kek', kind: 'secret', spec: AES, format: KeyFormatType.Raw } as const
    return { ...known, ...(await hsm.import({ ...known, bytes: Uint8Array.from(bytes) })) }
  }

  it('is what OpenSSL makes of keys of any length', async () => {
    const hsm = keystore([CKM.AES_KEY_WRAP])
    const bytes = randomBytes(32)
    const kek = await kekIn(hsm, bytes)
    equal(hsm.cannot({ cipher: 'AES_KEY_WRAP_KWP' }), undefined)
    match(hsm.cannot({ cipher: 'AES_KEY_WRAP_KWP', direct: true }) as string, /KEY_WRAP_KWP/)
    for (const length of [7, 32, 33]) {
      using material = new Secret(randomBytes(length))
      const wrapped = await hsm.wrap(kek, KWP, material)
      const expected = byOpenSsl('wrap-pad', bytes, 'a65959a6', material.expose())
      deepEqual(Buffer.from(wrapped), expected)
      using opened = await hsm.unwrap(kek, KWP, wrapped)
      deepEqual(Buffer.from(opened.expose()), Buffer.from(material.expose()))
    }
    using material = new Secret(randomBytes(32))
    const wrapped = await hsm.wrap(kek, KW, material)
    deepEqual(Buffer.from(wrapped), byOpenSsl('wrap', bytes, 'a6a6a6a6a6a6a6a6', material.expose()))
  })

  it('is refused without blocks, with what the device lacks and what it has', async () => {
    const hsm = keystore([CKM.AES_ECB])
    const kek = await kekIn(hsm, randomBytes(32))
    using material = new Secret(randomBytes(32))
    await rejects(hsm.wrap(kek, KWP, material), (error: KmsError) => {
      equal(error.code, 'parametersUnsupported')
      match(error.message, /HSM "hsm": it does not offer CKM_AES_KEY_WRAP_KWP; to wrap with AES/)
      match(error.message, /it has CKM_AES_KEY_WRAP, CKM_AES_KEY_WRAP_PAD, CKM_AES_GCM/)
      return true
    })
  })
})

describe('AES key wrap over blocks', () => {
  it('gives what RFC 3394 §4.6 and RFC 5649 §6 have', async () => {
    const long = Buffer.from('000102030405060708090a0b0c0d0e0f1011121314151617', 'hex')
    const kek = Buffer.concat([long, Buffer.from('18191a1b1c1d1e1f', 'hex')])
    const data = Buffer.from(
      '00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f',
      'hex',
    )
    const wrapped =
      '28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21'
    equal(Buffer.from(await wrapOver(blocks(kek).encipher, KW, data)).toString('hex'), wrapped)

    const padding = blocks(Buffer.from('5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8', 'hex'))
    const vectors = [
      [
        'c37b7e6492584340bed12207808941155068f738',
        '138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a',
      ],
      ['466f7250617369', 'afbeb0f07dfbf5419200f2ccb50bb24f'],
    ] as const
    for (const [value, expected] of vectors) {
      const made = await wrapOver(padding.encipher, KWP, Buffer.from(value, 'hex'))
      equal(Buffer.from(made).toString('hex'), expected)
    }
  })

  it('gives what OpenSSL does at every length, and opens it', async () => {
    for (const bytes of [16, 24, 32]) {
      const key = randomBytes(bytes)
      const { encipher, decipher } = blocks(key)
      for (let length = 1; length <= 72; length++) {
        const data = randomBytes(length)
        const padded = await wrapOver(encipher, KWP, data)
        deepEqual(Buffer.from(padded), byOpenSsl('wrap-pad', key, 'a65959a6', data))
        deepEqual(Buffer.from(await unwrapOver(decipher, KWP, padded)), data)
        if (length < 16 || length % 8 !== 0) continue
        const wrapped = await wrapOver(encipher, KW, data)
        deepEqual(Buffer.from(wrapped), byOpenSsl('wrap', key, 'a6a6a6a6a6a6a6a6', data))
        deepEqual(Buffer.from(await unwrapOver(decipher, KW, wrapped)), data)
      }
    }
  })

  it('opens nothing that was altered, cut short, or padded otherwise', async () => {
    const { encipher, decipher } = blocks(randomBytes(32))
    for (const length of [5, 8, 13, 32]) {
      const wrapped = await wrapOver(encipher, KWP, randomBytes(length))
      for (let at = 0; at < wrapped.length; at++) {
        const altered = Uint8Array.from(wrapped)
        altered[at] = (altered[at] as number) ^ 1
        await rejects(unwrapOver(decipher, KWP, altered), WRONG)
      }
      for (const end of [0, 1, 8, wrapped.length - 8, wrapped.length - 1]) {
        await rejects(unwrapOver(decipher, KWP, wrapped.subarray(0, end)), WRONG)
      }
      await rejects(unwrapOver(decipher, KW, wrapped), WRONG)
    }
    // A length that says less, or more, than the padding has.
    for (const said of [0, 8, 17, 24]) {
      const iv = Buffer.from('a65959a600000000', 'hex')
      iv.writeUInt32BE(said, 4)
      const forged = await wrapOver(encipher, { ...KW, iv }, Buffer.alloc(16))
      await rejects(unwrapOver(decipher, KWP, forged), WRONG)
    }
    await rejects(wrapOver(encipher, KWP, Buffer.alloc(16_385)), { code: 'dataLength' })
  })
})
