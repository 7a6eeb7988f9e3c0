/**
 * The software keystore passes the contract of keystores; and what only it has.
 *
 * @module
 */
import { deepEqual, equal, rejects } from 'node:assert/strict'
import { createPrivateKey, randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { DATA_KEY_BYTES, Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import { KeyFormatType } from '#spec/kmip/enumerations.ts'
import { keystoreContract } from '../contract.ts'
import { SoftwareKeystore } from './software.ts'

const dataKey = (): Secret => new Secret(randomBytes(DATA_KEY_BYTES))

keystoreContract({
  name: 'software',
  open: async () => new SoftwareKeystore('software', new Sealer(new Map([[1, dataKey()]]))),
})

describe('software keystore', () => {
  it('opens what an older data key sealed, and seals with the newest', () => {
    const [first, second] = [dataKey(), dataKey()]
    const before = new SoftwareKeystore('software', new Sealer(new Map([[1, first]])))
    const after = new SoftwareKeystore(
      'software',
      new Sealer(
        new Map([
          [1, first],
          [2, second],
        ]),
      ),
    )
    const spec = { algorithm: 'AES', bits: 256 } as const
    const { handle, format } = before.generate({ id: 'one', spec })
    const key = { id: 'one', kind: 'secret', spec, format, handle } as const
    deepEqual(Buffer.from(after.export(key).expose()), Buffer.from(before.export(key).expose()))
    const made = after.generate({ id: 'two', spec })
    deepEqual([...made.handle.subarray(1, 5)], [0, 0, 0, 2])
    deepEqual([...handle.subarray(1, 5)], [0, 0, 0, 1])
    deepEqual(format, KeyFormatType.Raw)
  })
  it('gives the answer of RFC 8032 §7.3 for Ed25519ph', async () => {
    const keystore = new SoftwareKeystore('software', new Sealer(new Map([[1, dataKey()]])))
    const spec = { algorithm: 'Ed25519', bits: 256 } as const
    const secret = '833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42'
    const key = createPrivateKey({
      key: Buffer.from(secret, 'hex'),
      format: 'raw-private',
      asymmetricKeyType: 'ed25519',
    })
    const bytes = key.export({ format: 'der', type: 'pkcs8' })
    const made = keystore.import({
      id: 'ph',
      kind: 'private',
      spec,
      format: KeyFormatType.PKCS_8,
      bytes,
    })
    const inUse = { id: 'ph', kind: 'private', spec, ...made } as const
    const mechanism = { scheme: 'EDDSA', prehashed: true } as const
    const signature = await keystore.sign(inUse, mechanism, Buffer.from('abc'))
    deepEqual(
      Buffer.from(signature).toString('hex'),
      '98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41' +
        '31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406',
    )
  })

  it('gives the answer of RFC 8032 §7.2 for Ed25519ctx', async () => {
    const keystore = new SoftwareKeystore('software', new Sealer(new Map([[1, dataKey()]])))
    const spec = { algorithm: 'Ed25519', bits: 256 } as const
    const seed = '0305334e381af78f141cb666f6199f57bc3495335a256a95bd2a55bf546663f6'
    const bytes = Buffer.from(`302e020100300506032b657004220420${seed}`, 'hex')
    const format = KeyFormatType.PKCS_8
    const made = await keystore.import({ id: 'ctx', kind: 'private', spec, format, bytes })
    const key = { id: 'ctx', kind: 'private', spec, ...made } as const
    const message = Buffer.from('f726936d19c800494e3fdaff20b276a8', 'hex')
    const signed = async (context: string) => {
      const mechanism = { scheme: 'EDDSA', context: Buffer.from(context) } as const
      return Buffer.from(await keystore.sign(key, mechanism, message)).toString('hex')
    }
    equal(
      await signed('foo'),
      '55a4cc2f70a54e04288c5f4cd1e45a7bb520b36292911876cada7323198dd87a' +
        '8b36950b95130022907a7fb7c4e9b2d5f6cca685a587b4b21f4b888e4e7edb0d',
    )
    equal(
      await signed('bar'),
      'fc60d5872fc46b3aa69f8b5b4351d5808f92bcc044606db097abab6dbcb1aee3' +
        '216c48e8b3b66431b5b186d1d28f8ee15a5ca2df6668346291c2043d4eb3e90d',
    )
  })

  it('says what takes a context string where the key does not', async () => {
    const keystore = new SoftwareKeystore('software', new Sealer(new Map([[1, dataKey()]])))
    const spec = { algorithm: 'EC', bits: 256, curve: 'P_256' } as const
    const pair = await keystore.generatePair({ privateId: 'one', publicId: 'two', spec })
    const key = { id: 'one', kind: 'private', spec, ...pair.privateKey } as const
    const hash = 'SHA_256'
    const mechanism = { scheme: 'ECDSA', hash, context: Buffer.from('context') } as const
    const why = /type ec takes no context string; EdDSA, ML-DSA and SLH-DSA do/
    await rejects(async () => keystore.sign(key, mechanism, Buffer.from('x')), why)
  })

  it('takes no more for AES key wrap than it was told', async () => {
    const most = 1_024
    const keystore = new SoftwareKeystore('short', new Sealer(new Map([[1, dataKey()]])), most)
    const spec = { algorithm: 'AES', bits: 256 } as const
    const key = {
      id: 'aes',
      kind: 'secret',
      spec,
      ...keystore.generate({ id: 'aes', spec }),
    } as const
    const rsa = { algorithm: 'RSA', bits: 2048 } as const
    const made = await keystore.generatePair({ privateId: 'private', publicId: 'rsa', spec: rsa })
    const pair = { id: 'rsa', kind: 'public', spec: rsa, ...made.publicKey } as const
    const opens = { id: 'private', kind: 'private', spec: rsa, ...made.privateKey } as const
    const KWP = { cipher: 'AES_KEY_WRAP_KWP' } as const
    const hybrid = { cipher: 'RSA_PKCS_OAEP', hash: 'SHA_256', ephemeralBits: 256 } as const
    using longest = new Secret(randomBytes(most))
    using tooLong = new Secret(randomBytes(most + 1))
    for (const [seals, unseals, mechanism] of [
      [key, key, KWP],
      [pair, opens, hybrid],
    ] as const) {
      const wrapped = keystore.wrap(seals, mechanism, longest)
      using back = keystore.unwrap(unseals, mechanism, wrapped)
      deepEqual(Buffer.from(back.expose()), Buffer.from(longest.expose()))
      const why = {
        code: 'dataLength',
        message: /keys of up to 1024 bytes \(limits.wrapBytesMax\)/,
      }
      await rejects(async () => keystore.wrap(seals, mechanism, tooLong), why)
      const more = Buffer.concat([wrapped, randomBytes(most)])
      await rejects(async () => keystore.unwrap(unseals, mechanism, more), why)
    }
    const refused = { code: 'dataLength' }
    const data = randomBytes(most + 32)
    await rejects(async () => keystore.encrypt(key, KWP, data), refused)
    await rejects(async () => keystore.decrypt(key, KWP, data), refused)
    const derives = { kdf: 'ENCRYPT', mechanism: KWP, data } as const
    await rejects(async () => keystore.derive(key, derives, 16), refused)
  })
})
