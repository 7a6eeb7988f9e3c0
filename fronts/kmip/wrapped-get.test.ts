/**
 * A key that was got wrapped can be unwrapped by what its Key Wrapping Data says, and nothing else.
 *
 * KMIP 1.4 §2.1.5, §2.1.6 and §4.11; a real server over TLS, and `node:crypto` as the other side.
 *
 * @module
 */
import { deepEqual, equal } from 'node:assert/strict'
import {
  constants,
  createDecipheriv,
  generateKeyPairSync,
  type KeyObject,
  privateDecrypt,
  randomBytes,
} from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { KmipClient } from '#clients/kmip/client.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import {
  BlockCipherMode,
  CryptographicAlgorithm,
  EncodingOption,
  KeyFormatType,
  ObjectType,
  PaddingMethod,
  WrappingMethod,
} from '#spec/kmip/enumerations.ts'
import type { RequestOf } from '#spec/kmip/operations.ts'
import type { CryptographicParameters, KeyWrappingData } from '#spec/kmip/structures.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { decodeItem } from '#wire/ttlv/binary.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import type { Version } from '#wire/ttlv/version.ts'

const KEK = randomBytes(32)
const SECRET = randomBytes(32)
const WRAPS = { id: 'cryptographicUsageMask', value: 0x30 } as const
const ACTIVE = { id: 'activationDate', value: 1_000 } as const

function keyBlock(bytes: Buffer, format: KeyFormatType, algorithm: number, bits: number) {
  const keyMaterial = { tag: Tag.KeyMaterial, type: ItemType.ByteString, value: bytes }
  const lengths = { cryptographicAlgorithm: algorithm, cryptographicLength: bits }
  return { keyFormatType: format, keyValue: { keyMaterial, attributes: [] }, ...lengths }
}

function unwrapped(key: KeyObject | Buffer, data: KeyWrappingData, wrapped: Buffer): Buffer {
  const said = data.encryptionKeyInformation?.cryptographicParameters
  if (!Buffer.isBuffer(key)) {
    equal(said?.paddingMethod, PaddingMethod.PKCS1V1_5)
    return privateDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, wrapped)
  }
  if (said?.blockCipherMode === BlockCipherMode.GCM) {
    const cipher = createDecipheriv('aes-256-gcm', key, data.ivCounterNonce as Uint8Array)
    cipher.setAuthTag(wrapped.subarray(-16))
    return Buffer.concat([cipher.update(wrapped.subarray(0, -16)), cipher.final()])
  }
  if (said?.blockCipherMode === BlockCipherMode.CBC) {
    const cipher = createDecipheriv('aes-256-cbc', key, data.ivCounterNonce as Uint8Array)
    return Buffer.concat([cipher.update(wrapped), cipher.final()])
  }
  equal(said?.blockCipherMode, BlockCipherMode.NISTKeyWrap)
  const cipher = createDecipheriv('id-aes256-wrap', key, Buffer.alloc(8, 0xa6))
  return Buffer.concat([cipher.update(wrapped), cipher.final()])
}

describe('Get with a Key Wrapping Specification', { timeout: 60_000 }, () => {
  let server: OwnServer
  let client: KmipClient
  let aes: string
  let rsa: string
  let target: string
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })

  const registered = async (
    objectType: ObjectType,
    tag: Tag,
    block: ReturnType<typeof keyBlock>,
    mask: number,
  ): Promise<string> => {
    const attributes = [ACTIVE, { ...WRAPS, value: mask }]
    const object = { tag, value: { keyBlock: block } }
    const request = { objectType, attributes: { attributes }, object } as RequestOf<'Register'>
    return (await client.call('Register', request)).uniqueIdentifier as string
  }

  before(async () => {
    server = await startOwnServer()
    client = new KmipClient({ ...server.client('admin'), version: 21 })
    const { AES, RSA } = CryptographicAlgorithm
    const secret = [ObjectType.SymmetricKey, Tag.SymmetricKey] as const
    aes = await registered(...secret, keyBlock(KEK, KeyFormatType.Raw, AES, 256), 0x30)
    target = await registered(...secret, keyBlock(SECRET, KeyFormatType.Raw, AES, 256), 12)
    const der = publicKey.export({ type: 'pkcs1', format: 'der' })
    const block = keyBlock(der, KeyFormatType.PKCS_1, RSA, 2048)
    rsa = await registered(ObjectType.PublicKey, Tag.PublicKey, block, 0x10)
  })
  after(async () => {
    client?.close()
    await server?.stop()
  })

  const cases: readonly (readonly [string, 'AES' | 'RSA', CryptographicParameters | undefined])[] =
    [
      ['an AES key and no parameters', 'AES', undefined],
      ['an AES key and empty parameters', 'AES', {}],
      ['an AES key and parameters without a mode', 'AES', { cryptographicAlgorithm: 3 }],
      ['an AES key by RFC 3394', 'AES', { blockCipherMode: BlockCipherMode.NISTKeyWrap }],
      ['an AES key in GCM', 'AES', { blockCipherMode: BlockCipherMode.GCM }],
      [
        'an AES key in CBC',
        'AES',
        { blockCipherMode: BlockCipherMode.CBC, paddingMethod: PaddingMethod.PKCS5 },
      ],
      ['an RSA key and no parameters', 'RSA', undefined],
      ['an RSA key and PKCS#1 v1.5', 'RSA', { paddingMethod: PaddingMethod.PKCS1V1_5 }],
    ]
  for (const [what, kind, parameters] of cases) {
    it(`says how to unwrap, with ${what}`, async () => {
      const [id, key] = kind === 'AES' ? [aes, KEK] : [rsa, privateKey]
      const { NoEncoding, TTLVEncoding } = EncodingOption
      for (const version of [12, 14, 21] as readonly Version[]) {
        for (const encodingOption of [undefined, NoEncoding, TTLVEncoding]) {
          const keyWrappingSpecification = {
            wrappingMethod: WrappingMethod.Encrypt,
            encryptionKeyInformation: { uniqueIdentifier: id, cryptographicParameters: parameters },
            attributeName: [],
            encodingOption,
          }
          const request = { uniqueIdentifier: target, keyWrappingSpecification }
          const { object } = await client.call('Get', request, { version })
          const { keyBlock: block } = object.value as { keyBlock: never }
          const { keyWrappingData, keyValue } = block as {
            keyWrappingData: KeyWrappingData
            keyValue: { wrapped: Uint8Array }
          }
          const plain = unwrapped(key, keyWrappingData, Buffer.from(keyValue.wrapped))
          if (encodingOption === NoEncoding) {
            deepEqual(plain, SECRET)
            continue
          }
          const item = decodeItem(plain, { depthMax: 4, itemsMax: 4 })
          equal(item.tag, Tag.KeyValue)
          const [material] = item.value as readonly { value: Uint8Array }[]
          deepEqual(Buffer.from(material?.value ?? []), SECRET)
        }
      }
    })
  }
})
