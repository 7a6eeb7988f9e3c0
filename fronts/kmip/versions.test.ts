/**
 * What one version can say and another cannot: no answer holds a tag, an attribute or a value of an
 * enumeration that came later than the version of its request, or that it reserves.
 *
 * KMIP 1.4 §9.1.3, KMIP 2.1 §11 and §12; a real server over TLS. Every object is made in one
 * version and looked at in all of them.
 *
 * @module
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { decodeResponse, encodeRequest, KmipClient } from '#clients/kmip/client.ts'
import { type OwnServer, startOwnServer } from '#conformance/own-server.ts'
import { ATTRIBUTES, attributeOfText } from '#spec/kmip/attributes.ts'
import { membersOf } from '#spec/kmip/dictionary.ts'
import {
  CryptographicAlgorithm as Algorithm,
  KeyFormatType,
  CryptographicUsageMask as Mask,
  QueryFunction,
  RecommendedCurve,
  ResultReason,
} from '#spec/kmip/enumerations.ts'
import type { OperationName, RequestOf, ResponseOf } from '#spec/kmip/operations.ts'
import { knows, nameOf, rankSeen, tableOf } from '#spec/kmip/table.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { type Item, ItemType } from '#wire/ttlv/item.ts'
import { VERSION_2, VERSIONS, type Version } from '#wire/ttlv/version.ts'

/** Everything in an answer that its version does not have. */
function* foreign(item: Item, version: Version, name?: string): Iterable<string> {
  if (!knows(Tag, item.tag, version)) yield `tag ${nameOf(Tag, item.tag)}`
  if (item.type !== ItemType.Structure) return yield* foreignValue(item, version, name)
  const named = item.value.find(({ tag }) => tag === Tag.AttributeName)?.value
  const attribute = version < VERSION_2 && named !== undefined ? String(named) : undefined
  const id = attribute && attributeOfText(attribute)
  if (id && (ATTRIBUTES[id].since > version || ATTRIBUTES[id].until < version)) yield `${id}`
  for (const member of item.value) yield* foreign(member, version, attribute)
}

function* foreignValue({ tag, type, value }: Item, version: Version, name?: string) {
  const id = tag === Tag.AttributeValue && name !== undefined ? attributeOfText(name) : undefined
  const members = membersOf(id === undefined ? tag : ATTRIBUTES[id].tag)
  if (members === undefined || typeof value !== 'number') return
  const where = `${nameOf(Tag, tag)} ${name ?? ''}`.trim()
  if (type === ItemType.Enumeration && !knows(members, value, rankSeen(version))) {
    yield `${where}: ${nameOf(members, value)}`
  }
  if (!tableOf(members).mask) return
  for (const { name: bit, value: number, until } of tableOf(members).values) {
    if ((value & number) !== 0 && until < version) yield `${where}: ${bit}`
  }
}

type Made = { readonly label: string; readonly id: string }
type Given = { readonly id: string; readonly value: unknown }

describe('Answers hold only what their version knows', { timeout: 120_000 }, () => {
  let server: OwnServer
  let client: KmipClient
  const made: Made[] = []

  const call = <N extends OperationName>(operation: N, payload: unknown, version: Version = 21) =>
    client.call(operation, payload as RequestOf<N>, { version })
  const note = (label: string, ...ids: unknown[]): void => {
    for (const id of ids) made.push({ label, id: String(id) })
  }
  const secret = async (label: string, algorithm: number, bits: number, more: Given[] = []) => {
    const attributes = [
      { id: 'cryptographicAlgorithm', value: algorithm },
      { id: 'cryptographicLength', value: bits },
      ...more,
    ]
    const answer = await call('Create', { objectType: 2, attributes: { attributes } })
    note(label, answer.uniqueIdentifier)
  }
  const pair = async (label: string, algorithm: number, curve?: number): Promise<string> => {
    const attributes = [
      { id: 'cryptographicAlgorithm', value: algorithm },
      { id: 'cryptographicUsageMask', value: Mask.Sign | Mask.Verify },
      ...(curve === undefined
        ? []
        : [{ id: 'cryptographicDomainParameters', value: { recommendedCurve: curve } }]),
    ]
    const answer = await call('CreateKeyPair', { commonAttributes: { attributes } })
    note(label, answer.privateKeyUniqueIdentifier, answer.publicKeyUniqueIdentifier)
    return String(answer.privateKeyUniqueIdentifier)
  }
  const get = async (uniqueIdentifier: string, version: Version, more: object = {}) => {
    const { object } = await call('Get', { uniqueIdentifier, ...more }, version)
    return object as ResponseOf<'Get'>['object'] & { value: { keyBlock: Record<string, unknown> } }
  }
  const register = async (label: string, object: object, objectType: number, version: Version) => {
    const attributes = { attributes: [{ id: 'cryptographicUsageMask', value: Mask.Sign }] }
    const answer = await call('Register', { objectType, attributes, object }, version)
    note(label, answer.uniqueIdentifier)
    return String(answer.uniqueIdentifier)
  }

  before(async () => {
    server = await startOwnServer()
    client = new KmipClient({ ...server.client('admin'), version: 21 })
    const all = Object.values(Mask).reduce((mask, bit) => mask | bit, 0)
    await secret('AES', Algorithm.AES, 256, [
      { id: 'cryptographicUsageMask', value: all },
      { id: 'description', value: 'in words' },
      { id: 'sensitive', value: false },
      { id: 'quantumSafe', value: true },
      { id: 'link', value: { linkType: 0x108, linkedObjectIdentifier: 'parent' } },
    ])
    const usage = { id: 'cryptographicUsageMask', value: Mask.Encrypt | Mask.MACGenerate }
    await secret('ChaCha20', Algorithm.ChaCha20, 256, [usage])
    await secret('HMAC-SHA3', Algorithm.HMAC_SHA3_256, 256, [usage])
    await pair('Ed25519', Algorithm.Ed25519)
    await pair('ML-DSA', Algorithm.ML_DSA_44)
  })
  after(async () => {
    client?.close()
    await server?.stop()
  })

  it('of Get, Get Attributes, Get Attribute List and Query', async () => {
    const ec = await pair('EC', Algorithm.EC, RecommendedCurve.P_256)
    const form = { keyFormatType: KeyFormatType.TransparentECPrivateKey }
    await register('EC, transparent', await get(ec, 21, form), 4, 21)
    for (const version of VERSIONS) {
      const check = async (label: string, operation: OperationName, payload: object) => {
        const request = { operation, payload } as never
        const answer = await client.send(encodeRequest([request], version))
        const about = `${label}, ${operation} in ${version}`
        deepEqual([...foreign(answer, version)], [], about)
        ok(decodeResponse(answer, version)[0]?.ok, about)
      }
      for (const { label, id } of made) {
        await check(label, 'Get', { uniqueIdentifier: id })
        await check(label, 'GetAttributes', { uniqueIdentifier: id, attributeRefs: [] })
        await check(label, 'GetAttributeList', { uniqueIdentifier: id })
      }
      const queryFunction = Object.values(QueryFunction).filter((one) => {
        return knows(QueryFunction, one, version)
      })
      await check('server', 'Query', { queryFunction })
    }
  })

  it('so that EC is ECDSA where there is no EC yet, in the key and in its attributes', async () => {
    const id = await pair('EC', Algorithm.EC, RecommendedCurve.P_384)
    for (const [version, algorithm] of [
      [10, Algorithm.ECDSA],
      [11, Algorithm.ECDSA],
      [12, Algorithm.EC],
      [21, Algorithm.EC],
    ] as const) {
      const { keyBlock } = (await get(id, version)).value
      equal(keyBlock['cryptographicAlgorithm'], algorithm, `${version}`)
      equal(keyBlock['cryptographicLength'], 384)
      const request = { uniqueIdentifier: id, attributeRefs: ['cryptographicAlgorithm'] }
      const { attribute, attributes } = await call('GetAttributes', request, version)
      const list = attributes?.attributes ?? attribute
      deepEqual(
        list.map(({ value }) => value),
        [algorithm],
      )
    }
  })

  it('so that transparent forms of EC keys have the name of the version', async () => {
    const id = await pair('EC', Algorithm.EC, RecommendedCurve.P_256)
    const { TransparentECDSAPrivateKey: old, TransparentECPrivateKey: now } = KeyFormatType
    const oldest = await register('old', await get(id, 14, { keyFormatType: old }), 4, 14)
    const newest = await register('new', await get(id, 21, { keyFormatType: now }), 4, 21)
    const form = async (which: string, version: Version) => {
      return (await get(which, version)).value.keyBlock['keyFormatType']
    }
    deepEqual([await form(oldest, 14), await form(oldest, 21)], [old, now])
    deepEqual(
      [await form(newest, 12), await form(newest, 13), await form(newest, 21)],
      [old, now, now],
    )
  })

  it('and an algorithm that it cannot say is left out, with the length, not sent', async () => {
    const id = made.find(({ label }) => label === 'ChaCha20')?.id as string
    const { keyBlock } = (await get(id, 12)).value
    deepEqual(
      [keyBlock['cryptographicAlgorithm'], keyBlock['cryptographicLength']],
      [undefined, undefined],
    )
    equal((await get(id, 14)).value.keyBlock['cryptographicAlgorithm'], Algorithm.ChaCha20)
  })

  it('and a split key whose method it lacks is not given', async () => {
    const material = { tag: Tag.KeyMaterial, type: ItemType.ByteString, value: Buffer.alloc(16, 1) }
    const keyBlock = {
      keyFormatType: KeyFormatType.Raw,
      keyValue: { keyMaterial: material, attributes: [] },
      cryptographicAlgorithm: Algorithm.AES,
      cryptographicLength: 128,
    }
    const parts = { splitKeyParts: 3, keyPartIdentifier: 1, splitKeyThreshold: 2 }
    const value = { ...parts, splitKeyMethod: 4, keyBlock }
    const id = await register('split', { tag: Tag.SplitKey, value }, 5, 21)
    made.pop()
    const error = await call('Get', { uniqueIdentifier: id }, 10).then(
      () => undefined,
      (refusal) => refusal,
    )
    equal(error?.reason, ResultReason.InvalidField, String(error))
    equal((await get(id, 12)).tag, Tag.SplitKey)
  })
})
