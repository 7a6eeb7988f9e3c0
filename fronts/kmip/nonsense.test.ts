/**
 * Requests that contradict themselves or the standard: each is refused, with the reason that its
 * version has for it, and leaves nothing behind.
 *
 * KMIP 1.4 §11, KMIP 2.1 §6.1 (the table of reasons of each operation); a real server over TLS.
 *
 * @module
 */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, it } from 'node:test'
import { decodeResponse, encodeRequest, KmipError } from '#clients/kmip/client.ts'
import { ownClient } from '#conformance/own-client.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import { ResultReason as R } from '#spec/kmip/enumerations.ts'
import type { OperationName, RequestOf } from '#spec/kmip/operations.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { type Item, ItemType, structure } from '#wire/ttlv/item.ts'
import type { Version } from '#wire/ttlv/version.ts'

const AES: readonly ListedAttribute[] = [
  { id: 'cryptographicAlgorithm', value: 3 },
  { id: 'cryptographicLength', value: 256 },
]
const ENCRYPTS = { id: 'cryptographicUsageMask', value: 12 } as const
const WRAPS = { id: 'cryptographicUsageMask', value: 0x30 } as const
const ACTIVE = { id: 'activationDate', value: 1_000 } as const

const client = ownClient()

async function create(more: readonly ListedAttribute[] = [ENCRYPTS], version: Version = 21) {
  const attributes = { attributes: [...AES, ...more] }
  const made = await client.call('Create', { objectType: 2, attributes }, { version })
  return made.uniqueIdentifier as string
}

/** The request is refused in 1.4 and in 2.1 with these reasons, and says why. */
async function refused<N extends OperationName>(
  operation: N,
  payload: RequestOf<N>,
  [v14, v21]: readonly [R | undefined, R | undefined],
  why: RegExp,
): Promise<void> {
  for (const [version, reason] of [[14, v14] as const, [21, v21] as const]) {
    if (reason === undefined) continue
    await rejects(client.call(operation, payload, { version }), (error) => {
      ok(error instanceof KmipError, String(error))
      equal(R[error.reason as never] ?? error.reason, R[reason as never] ?? reason, error.message)
      match(error.message, why)
      return true
    })
  }
}

async function attributesOf(id: string, version: Version): Promise<readonly ListedAttribute[]> {
  const request = { uniqueIdentifier: id, attributeRefs: [] }
  const { attribute, attributes } = await client.call('GetAttributes', request, { version })
  return attributes?.attributes ?? attribute
}

describe('Values of attributes', { timeout: 120_000 }, () => {
  const cases: readonly [string, ListedAttribute, readonly [R, R], RegExp][] = [
    [
      'a date at the end of time',
      { id: 'deactivationDate', value: Infinity },
      [R.InvalidField, R.InvalidAttributeValue],
      /Deactivation Date: it is no date/,
    ],
    [
      'a type of name that no version has',
      { id: 'name', value: { nameValue: 'odd', nameType: 9 } },
      [R.InvalidField, R.UnknownEnumeration],
      /no version has Name Type 9/,
    ],
    [
      'more uses than in total',
      {
        id: 'usageLimits',
        value: { usageLimitsTotal: 5n, usageLimitsCount: 6n, usageLimitsUnit: 1 },
      },
      [R.InvalidField, R.InvalidAttributeValue],
      /the Total is most/,
    ],
    [
      'data that the server is to make up',
      { id: 'applicationSpecificInformation', value: { applicationNamespace: 'ssl' } },
      [R.ApplicationNamespaceNotSupported, R.ApplicationNamespaceNotSupported],
      /give Application Data/,
    ],
  ]
  for (const [name, attribute, reasons, why] of cases) {
    it(`are not ${name}`, async () => {
      const attributes = { attributes: [...AES, ENCRYPTS, attribute] }
      await refused('Create', { objectType: 2, attributes }, reasons, why)
      const uniqueIdentifier = await create()
      await refused('AddAttribute', { uniqueIdentifier, newAttribute: attribute }, reasons, why)
      deepEqual(
        (await attributesOf(uniqueIdentifier, 21)).filter(({ id }) => id === attribute.id),
        [],
      )
    })
  }

  it('of Object Type say what the request says', async () => {
    const attributes = { attributes: [...AES, ENCRYPTS, { id: 'objectType', value: 4 } as const] }
    const reasons = [R.InvalidField, R.InvalidAttributeValue] as const
    await refused('Create', { objectType: 2, attributes }, reasons, /Object Type is Private Key/)
  })

  it('that a vendor has for an enumeration are kept', async () => {
    const value = { nameValue: 'vendor', nameType: 0x80000007 }
    const id = await create([ENCRYPTS, { id: 'name', value }])
    deepEqual((await attributesOf(id, 10)).find((one) => one.id === 'name')?.value, value)
  })

  it('with an enumeration that came later are left out, whatever structure it is in', async () => {
    const link = { linkType: 0x108, linkedObjectIdentifier: 'parent' }
    const id = await create([ENCRYPTS, { id: 'link', value: link }])
    const links = async (version: Version) =>
      (await attributesOf(id, version)).filter((one) => one.id === 'link').length
    deepEqual([await links(10), await links(11), await links(12), await links(21)], [0, 0, 1, 1])
  })
})

describe('One of several values', { timeout: 120_000 }, () => {
  it('is not changed by 2.x without saying which', async () => {
    const groups = ['a', 'b'].map((value) => ({ id: 'objectGroup', value }) as const)
    const uniqueIdentifier = await create([ENCRYPTS, ...groups])
    const newAttribute = { id: 'objectGroup', value: 'c' } as const
    const reasons = [undefined, R.MultiValuedAttribute] as const
    await refused('ModifyAttribute', { uniqueIdentifier, newAttribute }, reasons, /Current Attrib/)
    const currentAttribute = { id: 'comment', value: 'a' } as const
    await refused(
      'ModifyAttribute',
      { uniqueIdentifier, newAttribute, currentAttribute },
      [undefined, R.InvalidField],
      /both must name the same/,
    )
    await client.call('ModifyAttribute', {
      uniqueIdentifier,
      newAttribute,
      currentAttribute: { id: 'objectGroup', value: 'b' },
    })
    const left = (await attributesOf(uniqueIdentifier, 21)).filter(({ id }) => id === 'objectGroup')
    deepEqual(
      left.map(({ value }) => value),
      ['a', 'c'],
    )
  })

  it('is not deleted by a reference to something else', async () => {
    const uniqueIdentifier = await create([ENCRYPTS, { id: 'comment', value: 'stays' }])
    const request = {
      uniqueIdentifier,
      currentAttribute: { id: 'comment', value: 'stays' },
      attributeReference: 'name',
    } as const
    await refused('DeleteAttribute', request, [undefined, R.InvalidField], /Current Attribute is/)
  })
})

describe('Re-key', { timeout: 120_000 }, () => {
  it('makes no key of another kind', async () => {
    const uniqueIdentifier = await create()
    for (const attribute of [
      { id: 'cryptographicAlgorithm', value: 2 },
      { id: 'cryptographicLength', value: 128 },
      { id: 'cryptographicDomainParameters', value: { recommendedCurve: 7 } },
    ] as const) {
      const attributes = { attributes: [attribute] }
      const reasons = [R.InvalidField, R.InvalidAttributeValue] as const
      await refused('ReKey', { uniqueIdentifier, attributes }, reasons, /create another key/)
    }
    const attributes = { attributes: [{ id: 'cryptographicLength', value: 256 } as const] }
    ok((await client.call('ReKey', { uniqueIdentifier, attributes })).uniqueIdentifier)
  })
})

describe('Register', { timeout: 120_000 }, () => {
  const material = (bytes: Uint8Array): Item => ({
    tag: Tag.KeyMaterial,
    type: ItemType.ByteString,
    value: bytes,
  })
  const key = (more: object, bytes: Uint8Array = Buffer.alloc(32, 1)) => ({
    objectType: 2 as const,
    attributes: { attributes: [ENCRYPTS] },
    object: {
      tag: Tag.SymmetricKey,
      value: {
        keyBlock: {
          keyFormatType: 1,
          keyValue: { keyMaterial: material(bytes), attributes: [] },
          cryptographicAlgorithm: 3,
          cryptographicLength: 256,
          ...more,
        },
      },
    } as RequestOf<'Register'>['object'],
  })

  it('takes no plain key as a wrapped one, which nobody could open again', async () => {
    const keyWrappingData = {
      wrappingMethod: 1,
      encryptionKeyInformation: { uniqueIdentifier: 'x' },
    }
    const reasons = [R.InvalidField, R.InvalidField] as const
    await refused('Register', key({ keyWrappingData }), reasons, /its Key Value is plain/)
    await refused(
      'Register',
      key({ keyWrappingData: { ...keyWrappingData, wrappingMethod: 2 } }),
      [R.FeatureNotSupported, R.FeatureNotSupported],
      /signed/,
    )
  })

  it('takes no secret key in the form of a private one, nor in one that nobody knows', async () => {
    const reasons = [R.KeyFormatTypeNotSupported, R.KeyFormatTypeNotSupported] as const
    await refused('Register', key({ keyFormatType: 4 }), reasons, /PKCS_8 is no form of it/)
    await refused('Register', key({ keyFormatType: 99 }), reasons, /is no form of it/)
    ok(await client.call('Register', key({ keyFormatType: 0x80000001 })))
  })

  it('says which lengths an algorithm has', async () => {
    const request = key({ cryptographicLength: 136 }, Buffer.alloc(17))
    const reasons = [R.InvalidField, R.InvalidField] as const
    await refused('Register', request, reasons, /AES has 128, 192, 256.* bits, not 136/)
  })

  it('takes no public key as a private one', async () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
    const bytes = publicKey.export({ format: 'der', type: 'spki' })
    const { object } = key(
      { keyFormatType: 4, cryptographicAlgorithm: 4, cryptographicLength: 2_048 },
      bytes,
    )
    const attributes = { attributes: [{ id: 'cryptographicUsageMask', value: 1 } as const] }
    const request = {
      objectType: 4,
      attributes,
      object: { ...object, tag: Tag.PrivateKey } as typeof object,
    } as const
    await refused('Register', request, [R.InvalidField, R.InvalidField], /no PKCS_8 key/)
  })
})

describe('Get', { timeout: 120_000 }, () => {
  it('knows which wrap types and encodings there are', async () => {
    const uniqueIdentifier = await create()
    const wrapper = await create([WRAPS, ACTIVE])
    const keyWrappingSpecification = {
      wrappingMethod: 1,
      encryptionKeyInformation: { uniqueIdentifier: wrapper },
      attributeName: [],
      encodingOption: 9 as never,
    } as const
    await refused(
      'Get',
      { uniqueIdentifier, keyWrappingSpecification },
      [R.EncodingOptionError, R.EncodingOptionError],
      /NoEncoding and TTLVEncoding are/,
    )
    await refused(
      'Get',
      { uniqueIdentifier, keyWrapType: 9 as never },
      [R.FeatureNotSupported, R.KeyWrapTypeNotSupported],
      /NotWrapped and AsRegistered are/,
    )
  })
})

describe('Usage that is not left', { timeout: 120_000 }, () => {
  it('has a reason of its own in 2.x', async () => {
    const value = { usageLimitsTotal: 5n, usageLimitsUnit: 2 }
    const uniqueIdentifier = await create([ENCRYPTS, ACTIVE, { id: 'usageLimits', value }])
    const request = { uniqueIdentifier, usageLimitsCount: 6n }
    const reasons = [R.PermissionDenied, R.UsageLimitExceeded] as const
    await refused('GetUsageAllocation', request, reasons, /leave 5, 6 are asked for/)
    await refused('Check', request, reasons, /Usage Limits/)
    const negative = { uniqueIdentifier, usageLimitsCount: -1n }
    await refused('Check', negative, [R.InvalidField, R.InvalidField], /negative/)
    const both = { uniqueIdentifier, cryptographicUsageMask: 0x11 }
    const mask = [R.PermissionDenied, R.IncompatibleCryptographicUsageMask] as const
    await refused('Check', both, mask, /does not allow Sign, WrapKey/)
  })
})

describe('A batch', { timeout: 120_000 }, () => {
  const two = ['first', 'second'].map((nameValue) => {
    const name = { id: 'name', value: { nameValue: `batch ${nameValue}`, nameType: 1 } } as const
    const attributes = { attributes: [...AES, ENCRYPTS, name] }
    return { operation: 'Create', payload: { objectType: 2, attributes } } as const
  })
  const reasonsOf = async (message: Item) =>
    decodeResponse(await client.send(message), 14).map((one) => {
      return one.ok ? undefined : [one.operation, one.error.reason]
    })
  const located = async () => {
    const attributes = {
      attributes: [{ id: 'name', value: { nameValue: 'batch first' } } as const],
    }
    return (await client.call('Locate', { attribute: [], attributes })).uniqueIdentifier.length
  }
  const edited = (edit: (item: Item, at: number) => Item): Item => {
    const message = encodeRequest(two, 14, 'stop')
    return structure(message.tag, (message.value as readonly Item[]).map(edit))
  }

  it('does not begin with an option that nobody knows', async () => {
    const message = edited((item, at) => {
      if (at > 0) return item
      const header = item.value as readonly Item[]
      const tag = Tag.BatchErrorContinuationOption
      return structure(
        item.tag,
        header.map((one) => {
          return one.tag === tag ? { tag, type: ItemType.Enumeration, value: 9 } : one
        }),
      )
    })
    deepEqual(await reasonsOf(message), [[undefined, R.InvalidField]])
    equal(await located(), 0)
  })

  it('does not begin where two items have the same Unique Batch Item ID', async () => {
    const same: Item = {
      tag: Tag.UniqueBatchItemID,
      type: ItemType.ByteString,
      value: Buffer.from('7'),
    }
    const message = edited((item, at) => {
      const fields = item.value as readonly Item[]
      return at === 0
        ? item
        : structure(
            item.tag,
            fields.map((one) => (one.tag === same.tag ? same : one)),
          )
    })
    deepEqual(await reasonsOf(message), [[undefined, R.InvalidMessage]])
    equal(await located(), 0)
  })

  it('does not begin where a later item has a critical extension', async () => {
    const extension = structure(Tag.MessageExtension, [
      { tag: Tag.VendorIdentification, type: ItemType.TextString, value: 'ACME' },
      { tag: Tag.CriticalityIndicator, type: ItemType.Boolean, value: true },
      structure(Tag.VendorExtension, []),
    ])
    const message = edited((item, at) => {
      return at === 2 ? structure(item.tag, [...(item.value as readonly Item[]), extension]) : item
    })
    deepEqual(await reasonsOf(message), [[undefined, R.FeatureNotSupported]])
    equal(await located(), 0)
  })

  it('is not empty', async () => {
    deepEqual(await reasonsOf(encodeRequest([], 14)), [[undefined, R.InvalidMessage]])
  })
})

describe('Objects and versions', { timeout: 120_000 }, () => {
  const split = (more: object): RequestOf<'Register'> => ({
    objectType: 5,
    attributes: { attributes: [ENCRYPTS] },
    object: {
      tag: Tag.SplitKey,
      value: {
        splitKeyParts: 3,
        keyPartIdentifier: 1,
        splitKeyThreshold: 2,
        splitKeyMethod: 1,
        keyBlock: {
          keyFormatType: 1,
          keyValue: {
            keyMaterial: {
              tag: Tag.KeyMaterial,
              type: ItemType.ByteString,
              value: Buffer.alloc(32, 1),
            },
            attributes: [],
          },
          cryptographicAlgorithm: 3,
          cryptographicLength: 256,
        },
        ...more,
      },
    } as RequestOf<'Register'>['object'],
  })

  it('a part of a split key is one of its parts', async () => {
    const reasons = [R.InvalidField, R.InvalidField] as const
    await refused('Register', split({ keyPartIdentifier: 4 }), reasons, /part 4 of 3/)
    await refused('Register', split({ splitKeyThreshold: 0 }), reasons, /of which 0 are needed/)
    const method = [R.InvalidField, R.UnknownEnumeration] as const
    await refused('Register', split({ splitKeyMethod: 44 }), method, /44 is no Split Key Method/)
    ok(await client.call('Register', split({ keyPartIdentifier: 3, splitKeyThreshold: 3 })))
  })

  it('a type of object that a version lacks is neither taken nor given in it', async () => {
    const object = {
      tag: Tag.CertificateRequest,
      value: { certificateRequestType: 2, certificateRequestValue: Buffer.from('request') },
    } as RequestOf<'Register'>['object']
    const request = { objectType: 10, attributes: { attributes: [] }, object } as const
    const why = /KMIP 1.4 has no Certificate Request/
    await refused('Register', request, [R.InvalidField, undefined], why)
    const { uniqueIdentifier } = await client.call('Register', request)
    await refused('Get', { uniqueIdentifier }, [R.InvalidField, undefined], why)
    equal((await client.call('Get', { uniqueIdentifier })).objectType, 10)
  })

  it('an attribute that no version has is not asked for in 2.x', async () => {
    const uniqueIdentifier = await create()
    const attributeRefs = [':Nonsense'] as const
    await rejects(
      client.call('GetAttributes', { uniqueIdentifier, attributeRefs }, { version: 21 }),
      (error: KmipError) => error.reason === R.InvalidAttribute,
    )
  })
})

describe('Credentials in a message', { timeout: 120_000 }, () => {
  it('do not count, even where a client writes their type as a number', async () => {
    const message = encodeRequest([{ operation: 'Query', payload: { queryFunction: [1] } }], 10)
    const credential = (type: Item): Item =>
      structure(Tag.Authentication, [
        structure(Tag.Credential, [
          type,
          structure(Tag.CredentialValue, [
            { tag: Tag.Username, type: ItemType.TextString, value: 'admin' },
          ]),
        ]),
      ])
    const withType = (type: Item): Item => {
      const [header, ...items] = message.value as readonly [Item, ...Item[]]
      const [version, ...rest] = header.value as readonly Item[]
      const fields = [version as Item, credential(type), ...rest]
      return structure(message.tag, [structure(Tag.RequestHeader, fields), ...items])
    }
    const tag = Tag.CredentialType
    for (const [type, isRead] of [
      [{ tag, type: ItemType.Enumeration, value: 1 }, true],
      [{ tag, type: ItemType.Integer, value: 1 }, true],
      [{ tag, type: ItemType.TextString, value: '1' }, false],
    ] as const) {
      const [result] = decodeResponse(await client.send(withType(type)), 10)
      equal(result?.ok, isRead)
    }
  })
})
