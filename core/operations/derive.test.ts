/**
 * Derive Key with a second object: what is derived of a secret must not be a way to read it.
 *
 * @module
 */
import { deepEqual, ok, rejects } from 'node:assert/strict'
import { createDecipheriv } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { newOwnToken, type OwnToken } from '#conformance/own-token.ts'
import {
  BlockCipherMode,
  CryptographicAlgorithm,
  DerivationMethod,
  HashingAlgorithm,
  KeyFormatType,
  CryptographicUsageMask as Mask,
  ObjectType,
  PaddingMethod,
  SecretDataType,
} from '#spec/kmip/enumerations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import type { KmsError } from '../errors.ts'
import { deriveKey } from './derive.ts'
import { get } from './get.ts'
import { register } from './register.ts'

const DERIVES = { id: 'cryptographicUsageMask', value: Mask.DeriveKey } as const
const KNOWN = Buffer.alloc(32, 7)
const SECRET = Buffer.from('the secret that does not leave!!')

describe('Derive Key with a secret as Derivation Data', { timeout: 30_000 }, () => {
  let own: OwnToken
  before(async () => {
    own = await newOwnToken()
  })
  after(() => own.close())

  const registered = async (bytes: Uint8Array, type: 'key' | 'data', hidden: object = {}) => {
    const isKey = type === 'key'
    const value = Uint8Array.from(bytes)
    const keyMaterial = { tag: Tag.KeyMaterial, type: ItemType.ByteString, value } as const
    const algorithm = isKey && {
      cryptographicAlgorithm: CryptographicAlgorithm.AES,
      cryptographicLength: 256,
    }
    const keyValue = { keyMaterial, attributes: [] }
    const keyBlock = { keyFormatType: KeyFormatType.Raw, keyValue, ...algorithm }
    const hiding = Object.entries(hidden).map(([id, on]) => ({ id, value: on }) as never)
    const object = isKey
      ? ({ tag: Tag.SymmetricKey, value: { keyBlock } } as const)
      : ({ tag: Tag.SecretData, value: { secretDataType: SecretDataType.Seed, keyBlock } } as const)
    const { id } = await register(own.context('Register'), {
      objectType: isKey ? ObjectType.SymmetricKey : ObjectType.SecretData,
      object,
      given: {
        attributes: [
          ...('cryptographicUsageMask' in hidden ? [] : [DERIVES]),
          { id: 'activationDate', value: 0 },
          ...hiding,
        ],
      },
    })
    return id
  }

  const derived = (ids: readonly string[], method: DerivationMethod, bits = 256, rounds = 1) =>
    deriveKey(own.context('DeriveKey'), {
      objectType: ObjectType.SecretData,
      ids,
      method,
      parameters: {
        initializationVector: Buffer.alloc(16),
        iterationCount: rounds,
        cryptographicParameters: {
          blockCipherMode: BlockCipherMode.CBC,
          paddingMethod: PaddingMethod.None,
          hashingAlgorithm: HashingAlgorithm.SHA_256,
        },
      },
      given: { attributes: [{ id: 'cryptographicLength', value: bits }] },
    })

  const read = async (id: string) => {
    const { value } = await get(own.context('Get'), { id, encodeKeyValue: () => Buffer.alloc(0) })
    const block = (
      value as { value: { keyBlock: { keyValue: { keyMaterial: { value: unknown } } } } }
    ).value.keyBlock
    return block.keyValue.keyMaterial.value as Uint8Array
  }

  it('is refused by encryption where the secret does not leave, and done where it does', async () => {
    const base = await registered(KNOWN, 'key')
    for (const hidden of [{ sensitive: true }, { extractable: false }]) {
      const secret = await registered(SECRET, 'data', hidden)
      const work = async () => derived([base, secret], DerivationMethod.ENCRYPT)
      await rejects(work, (error: KmsError) => /sensitive|notExtractable/.test(error.code))
    }
    const open = await registered(SECRET, 'data')
    const { id } = await derived([base, open], DerivationMethod.ENCRYPT)
    const decipher = createDecipheriv('aes-256-cbc', KNOWN, Buffer.alloc(16)).setAutoPadding(false)
    deepEqual(decipher.update(await read(id)), SECRET)
  })

  it('is done by a hash, which does not turn back', async () => {
    const base = await registered(KNOWN, 'key')
    const secret = await registered(SECRET, 'data', { sensitive: true, extractable: false })
    await derived([base, secret], DerivationMethod.HMAC)
  })

  it('leaves no failure unheard where a base is refused at once and another later', async () => {
    const unheard: unknown[] = []
    const hear = (error: unknown) => unheard.push(error)
    process.on('unhandledRejection', hear)
    const mask = { cryptographicUsageMask: Mask.Encrypt }
    const base = await registered(KNOWN, 'key', mask)
    await rejects(async () => derived(['', base], DerivationMethod.HMAC), { code: 'usageMask' })
    await new Promise((resolve) => setTimeout(resolve, 50))
    process.off('unhandledRejection', hear)
    deepEqual(unheard, [])
  })

  it('makes no key that would take minutes and all memory', async () => {
    const base = await registered(KNOWN, 'key')
    const start = performance.now()
    for (const method of [DerivationMethod.NIST800_108_C, DerivationMethod.PBKDF2]) {
      await rejects(async () => derived([base], method, 2 ** 31 - 8), { code: 'invalidField' })
    }
    const longest = async () => derived([base], DerivationMethod.PBKDF2, 65_536, 10_000_000)
    await rejects(longest, { code: 'invalidField' })
    ok(performance.now() - start < 5_000)
    await derived([base], DerivationMethod.NIST800_108_C, 65_536)
    await derived([base], DerivationMethod.PBKDF2, 65_536, 1_000)
  })
})
