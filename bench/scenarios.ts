/**
 * What is measured: one row for each operation.
 *
 * A row makes the keys it needs through KMIP and says which requests are sent in turn. All requests
 * of a row have the same length, and so have all answers.
 *
 * @module
 */
import { type BatchRequest, encodeRequest, type KmipClient } from '#clients/kmip/client.ts'
import {
  BlockCipherMode,
  CryptographicAlgorithm,
  CryptographicUsageMask,
  DigitalSignatureAlgorithm,
  NameType,
  ObjectType,
  RecommendedCurve,
} from '#spec/kmip/enumerations.ts'
import { encodeItem } from '#wire/ttlv/binary.ts'
import { objectName } from './fill.ts'
import type { Primitive } from './processes.ts'

/** The newest version that all who are compared speak. */
export const VERSION = 14

/** Among how many objects: the many of the benchmark, or few. */
export type Crowd = 'many' | 'few'

export interface Scenario {
  readonly name: string
  readonly title: string
  readonly crowd: Crowd
  /** What node:crypto alone does instead. */
  readonly alone?: Primitive
  /** Whether the other server is measured with it, too. */
  readonly pykmip?: boolean
  /** @param objects How many there are. */
  prepare(client: KmipClient, objects: number): Promise<readonly BatchRequest[]>
}

/** Requests that look for different objects, so that no single one is always at hand. */
const NAMES = 2_000

const ACTIVE = { id: 'activationDate', value: 1 } as const
const DATA = Buffer.alloc(64, 0x61)

const aes = [
  { id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.AES },
  { id: 'cryptographicLength', value: 256 },
  {
    id: 'cryptographicUsageMask',
    value: CryptographicUsageMask.Encrypt | CryptographicUsageMask.Decrypt,
  },
] as const

const create = {
  operation: 'Create',
  payload: { objectType: ObjectType.SymmetricKey, attributes: { attributes: aes } },
} as const satisfies BatchRequest

async function aesKey(client: KmipClient, isActive: boolean): Promise<string> {
  const attributes = { attributes: isActive ? [...aes, ACTIVE] : aes }
  const payload = { objectType: ObjectType.SymmetricKey, attributes }
  return (await client.call('Create', payload)).uniqueIdentifier as string
}

function encryption(bytes: number): Scenario['prepare'] {
  return async (client) => {
    const payload = {
      uniqueIdentifier: await aesKey(client, true),
      cryptographicParameters: { blockCipherMode: BlockCipherMode.GCM, randomIV: true },
      data: Buffer.alloc(bytes, 0x61),
    }
    return [{ operation: 'Encrypt', payload } as const]
  }
}

function signing(
  algorithm: readonly { readonly id: 'cryptographicAlgorithm'; readonly value: number }[],
  size: { readonly id: 'cryptographicLength' | 'cryptographicDomainParameters'; value: unknown },
  digitalSignatureAlgorithm: DigitalSignatureAlgorithm,
): Scenario['prepare'] {
  return async (client) => {
    const mask = (value: number) => ({
      attributes: [{ id: 'cryptographicUsageMask', value } as const],
    })
    const pair = await client.call('CreateKeyPair', {
      commonAttributes: { attributes: [...algorithm, size, ACTIVE] },
      privateKeyAttributes: mask(CryptographicUsageMask.Sign),
      publicKeyAttributes: mask(CryptographicUsageMask.Verify),
    })
    const payload = {
      uniqueIdentifier: pair.privateKeyUniqueIdentifier,
      cryptographicParameters: { digitalSignatureAlgorithm },
      data: DATA,
    }
    return [{ operation: 'Sign', payload } as const]
  }
}

async function locating(_client: KmipClient, objects: number): Promise<readonly BatchRequest[]> {
  const step = Math.max(1, Math.floor(objects / NAMES))
  return Array.from({ length: Math.min(NAMES, objects) }, (_, index) => {
    const nameValue = objectName((index * step * 7) % objects)
    const value = { nameValue, nameType: NameType.UninterpretedTextString }
    return { operation: 'Locate', payload: { attribute: [{ id: 'name', value }] } } as const
  })
}

// biome-ignore format: a table
export const SCENARIOS: readonly Scenario[] = [
  { name: 'locate-few',  title: 'Locate by name, few',  crowd: 'few',  prepare: locating },
  { name: 'locate-many', title: 'Locate by name, many', crowd: 'many', prepare: locating },
  { name: 'get',         title: 'Get',                  crowd: 'many', pykmip: true, prepare: getting },
  { name: 'encrypt-64',  title: 'Encrypt GCM 64 B',     crowd: 'many', alone: 'gcm-64', prepare: encryption(64) },
  { name: 'encrypt-16k', title: 'Encrypt GCM 16 KiB',   crowd: 'many', alone: 'gcm-16k', prepare: encryption(16_384) },
  { name: 'sign-ec',     title: 'Sign ECDSA P-256',     crowd: 'many', alone: 'ecdsa', prepare: signing(
    [{ id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.EC }],
    { id: 'cryptographicDomainParameters', value: { recommendedCurve: RecommendedCurve.P_256 } },
    DigitalSignatureAlgorithm.ECDSAWithSHA256) },
  { name: 'sign-rsa',    title: 'Sign RSA-2048',        crowd: 'many', alone: 'rsa', prepare: signing(
    [{ id: 'cryptographicAlgorithm', value: CryptographicAlgorithm.RSA }],
    { id: 'cryptographicLength', value: 2048 },
    DigitalSignatureAlgorithm.SHA_256WithRSAEncryption) },
  { name: 'create',      title: 'Create',               crowd: 'many', alone: 'random', pykmip: true, prepare: async () => [create] },
]

async function getting(client: KmipClient): Promise<readonly BatchRequest[]> {
  return [{ operation: 'Get', payload: { uniqueIdentifier: await aesKey(client, false) } } as const]
}

/** As it goes over the wire. */
export function requestBytes(request: BatchRequest): Uint8Array {
  return encodeItem(encodeRequest([request], VERSION))
}
