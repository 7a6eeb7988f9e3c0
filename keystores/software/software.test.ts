/**
 * The software keystore passes the contract of keystores; and what only it has.
 *
 * @module
 */
import { deepEqual, rejects } from 'node:assert/strict'
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

  it('says what takes a context string where the key does not', async () => {
    const keystore = new SoftwareKeystore('software', new Sealer(new Map([[1, dataKey()]])))
    const spec = { algorithm: 'Ed25519', bits: 256 } as const
    const pair = await keystore.generatePair({ privateId: 'one', publicId: 'two', spec })
    const key = { id: 'one', kind: 'private', spec, ...pair.privateKey } as const
    const mechanism = { scheme: 'EDDSA', context: Buffer.from('context') } as const
    const why = /type ed25519 takes no context string; Ed448, ML-DSA and SLH-DSA do/
    await rejects(async () => keystore.sign(key, mechanism, Buffer.from('x')), why)
  })
})
