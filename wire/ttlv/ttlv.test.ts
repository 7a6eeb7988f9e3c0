/**
 * TTLV in its three encodings: the examples of the standard, random items, and what is no item.
 *
 * KMIP 1.4 §9.1.2 (examples of the encoding), KMIP 2.1 §9.1, KMIP Profiles 2.1 §5.4 and §5.5.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { dictionaryOf } from '#spec/kmip/dictionary.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { WireError } from '#wire/errors.ts'
import { decodeItem, encodeItem, itemBytes, messageBytes } from './binary.ts'
import { type Item, ItemType, sameItem, structure } from './item.ts'
import { parseJson, toJson } from './json.ts'
import { parseXml, toXml } from './xml.ts'

const LIMITS = { depthMax: 32, itemsMax: 1_000 }
const SEED = Number(process.env['SEED'] ?? 20_240_611)
const RUNS = { seed: SEED, numRuns: 500 }
const DICTIONARY = dictionaryOf(21)

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.replace(/[\s|]/g, ''), 'hex')
}

const EXAMPLES: readonly (readonly [what: string, item: Item, hex: string])[] = [
  ['an Integer, 8', { tag: 0x420020, type: 2, value: 8 }, '420020|02|00000004|0000000800000000'],
  [
    'a Long Integer, 123456789000000000',
    { tag: 0x420020, type: 3, value: 123456789000000000n },
    '420020|03|00000008|01B69B4BA5749200',
  ],
  [
    'a Big Integer, 1234567890000000000000000000',
    { tag: 0x420020, type: 4, value: bytesOf('0000000003FD35EB6BC2DF4618080000') },
    '420020|04|00000010|0000000003FD35EB6BC2DF4618080000',
  ],
  [
    'an Enumeration, 255',
    { tag: 0x420020, type: 5, value: 255 },
    '420020|05|00000004|000000FF00000000',
  ],
  [
    'a Boolean, True',
    { tag: 0x420020, type: 6, value: true },
    '420020|06|00000008|0000000000000001',
  ],
  [
    'a Text String, Hello World',
    { tag: 0x420020, type: 7, value: 'Hello World' },
    '420020|07|0000000B|48656C6C6F20576F726C640000000000',
  ],
  [
    'a Byte String, 1 2 3',
    { tag: 0x420020, type: 8, value: Uint8Array.of(1, 2, 3) },
    '420020|08|00000003|0102030000000000',
  ],
  [
    'a Date-Time, 14 March 2008 11:56:40 GMT',
    { tag: 0x420020, type: 9, value: BigInt(Date.UTC(2008, 2, 14, 11, 56, 40) / 1_000) },
    '420020|09|00000008|0000000047DA67F8',
  ],
  [
    'an Interval, 10 days',
    { tag: 0x420020, type: 10, value: 864_000 },
    '420020|0A|00000004|000D2F0000000000',
  ],
  [
    'a Structure of an Enumeration, 254, and an Integer, 255',
    structure(0x420020, [
      { tag: 0x420004, type: 5, value: 254 },
      { tag: 0x420005, type: 2, value: 255 },
    ]),
    `420020|01|00000020|420004|05|00000004|000000FE00000000
     420005|02|00000004|000000FF00000000`,
  ],
]

const TAGS: readonly number[] = Object.values(Tag)
const anyTag = fc.oneof(
  fc.constantFrom(...TAGS),
  fc.integer({ min: 0x540000, max: 0x54ffff }),
  fc.integer({ min: 0x420000, max: 0x42ffff }),
)
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const bytes = fc.uint8Array({ maxLength: 40 })
const bigInteger = fc
  .array(fc.uint8Array({ minLength: 8, maxLength: 8 }), { minLength: 1, maxLength: 4 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [...group])))
/** Text that binary and JSON can hold. */
const anyText = fc.string({ unit: 'binary', maxLength: 20 })
/** Text that XML 1.0 can hold too. */
const xmlText = anyText.map((text) => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what XML 1.0 cannot hold
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '')
})

function itemsWith(text: fc.Arbitrary<string>): fc.Arbitrary<Item> {
  const leaf = (type: ItemType, value: fc.Arbitrary<unknown>): fc.Arbitrary<Item> =>
    fc.record({ tag: anyTag, type: fc.constant(type), value }) as fc.Arbitrary<Item>
  const names = fc.constantFrom('State', 'Cryptographic Algorithm', 'Cryptographic Usage Mask')
  const name = fc.record({
    tag: fc.constant(Tag.AttributeName),
    type: fc.constant(ItemType.TextString),
    value: names,
  }) as fc.Arbitrary<Item>
  const value = fc.record({
    tag: fc.constant(Tag.AttributeValue),
    type: fc.constantFrom(ItemType.Enumeration, ItemType.Integer),
    value: fc.integer({ min: 0, max: 20 }),
  }) as fc.Arbitrary<Item>
  return fc.letrec<{ item: Item; node: Item }>((tie) => ({
    item: fc.oneof(
      { depthSize: 'small', maxDepth: 6 },
      leaf(ItemType.Integer, int32),
      leaf(ItemType.LongInteger, int64),
      leaf(ItemType.BigInteger, bigInteger),
      leaf(ItemType.Enumeration, uint32),
      leaf(ItemType.Enumeration, fc.integer({ min: 0, max: 40 })),
      leaf(ItemType.Boolean, fc.boolean()),
      leaf(ItemType.TextString, text),
      leaf(ItemType.ByteString, bytes),
      leaf(ItemType.DateTime, int64),
      leaf(ItemType.Interval, uint32),
      leaf(ItemType.DateTimeExtended, int64),
      fc
        .tuple(name, value, fc.boolean())
        .map(([a, b, turned]) => structure(Tag.Attribute, turned ? [b, a] : [a, b])),
      tie('node'),
    ),
    node: fc
      .tuple(anyTag, fc.array(tie('item'), { maxLength: 5 }))
      .map(([tag, members]) => structure(tag, members)),
  })).item
}

/** Fails unless `work` returns or throws WireError. */
function assertOnlyWireErrors(work: () => unknown, input: string): void {
  try {
    work()
  } catch (error) {
    assert.ok(error instanceof WireError, `${input}: ${String(error)}`)
  }
}

describe('TTLV, binary', () => {
  for (const [what, item, hex] of EXAMPLES) {
    it(`writes and reads the example of the standard: ${what}`, () => {
      const expected = bytesOf(hex)
      assert.deepEqual(Buffer.from(encodeItem(item)), expected)
      assert.ok(sameItem(decodeItem(expected, LIMITS), item))
    })
  }

  it('reads what it has written', () => {
    fc.assert(
      fc.property(itemsWith(anyText), (item) => {
        const encoded = encodeItem(item)
        assert.equal(encoded.length, itemBytes(item))
        assert.equal(encoded.length % 8, 0)
        assert.ok(sameItem(decodeItem(encoded, LIMITS), item))
      }),
      RUNS,
    )
  })

  it('writes encodings of any length one after the other, each with bytes of its own', () => {
    const lengths = [1, 60, 64, 65, 3_000, 4_000, 5_000, 30_000, 70_000, 200_000, 9, 64]
    const items = Array.from({ length: 240 }, (_, index): Item => {
      const length = lengths[index % lengths.length] as number
      const inner: Item[] = [
        { tag: 0x420020, type: ItemType.ByteString, value: Buffer.alloc(length, index + 1) },
        { tag: 0x420021, type: ItemType.TextString, value: 'text '.repeat(length / 5) },
        { tag: 0x420022, type: ItemType.TextString, value: '\u20ac'.repeat(length) },
        { tag: 0x420023, type: ItemType.Integer, value: index },
      ]
      return structure(0x420078, [structure(0x420077, inner), structure(0x420079, inner)])
    })
    const encoded = items.map((item) => encodeItem(item))
    for (const [index, item] of items.entries()) {
      const written = encoded[index] as Uint8Array
      assert.equal(written.length, itemBytes(item))
      assert.ok(sameItem(decodeItem(written, LIMITS), item))
    }
  })

  it('refuses to write what an item cannot hold, and goes on with the next', () => {
    const [tag, value] = [0x420020, 8]
    const beyond: readonly Item[] = [
      { tag, type: ItemType.Integer, value: 2 ** 31 },
      { tag, type: ItemType.Integer, value: 0.5 },
      { tag, type: ItemType.Enumeration, value: -1 },
      { tag, type: ItemType.Interval, value: 2 ** 32 },
      { tag, type: ItemType.LongInteger, value: 2n ** 63n },
      { tag, type: ItemType.DateTime, value: -(2n ** 63n) - 1n },
      { tag: 0x1_420020, type: ItemType.Integer, value },
    ]
    for (const item of beyond) {
      assert.throws(() => encodeItem(structure(tag, [item])), RangeError)
      const good = structure(tag, [{ tag, type: ItemType.Integer, value }])
      assert.ok(sameItem(decodeItem(encodeItem(good), LIMITS), good))
    }
  })

  it('reads random bytes, or refuses them with WireError', () => {
    const start = fc.constantFrom('', '42', '420078', '42007801', '4200780100000010')
    const input = fc
      .tuple(start, fc.uint8Array({ maxLength: 200 }))
      .map(([head, tail]) => Buffer.concat([Buffer.from(head, 'hex'), tail]))
    fc.assert(
      fc.property(input, (data) => {
        assertOnlyWireErrors(() => messageBytes(data), data.toString('hex'))
        assertOnlyWireErrors(() => decodeItem(data, LIMITS), data.toString('hex'))
      }),
      { ...RUNS, numRuns: 3_000 },
    )
  })

  it('reads a mutated item as an item that it can write, or refuses it with WireError', () => {
    const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }))
    fc.assert(
      fc.property(
        itemsWith(anyText),
        fc.array(change, { minLength: 1, maxLength: 5 }),
        (item, changes) => {
          const data = Buffer.from(encodeItem(item))
          for (const [at, byte] of changes) data[at % data.length] = byte
          assertOnlyWireErrors(() => {
            const read = decodeItem(data, LIMITS)
            assert.ok(sameItem(decodeItem(encodeItem(read), LIMITS), read))
          }, data.toString('hex'))
        },
      ),
      { ...RUNS, numRuns: 2_000 },
    )
  })

  it('refuses every proper beginning of an item, and bytes behind it', () => {
    const whole = encodeItem(EXAMPLES.at(-1)?.[1] as Item)
    for (let length = 0; length < whole.length; length++) {
      assert.throws(() => decodeItem(whole.subarray(0, length), LIMITS), WireError)
    }
    assert.throws(() => decodeItem(Buffer.concat([whole, Buffer.alloc(8)]), LIMITS), /follow/)
  })

  it('reads as deep and as many as the limits say, and no more', () => {
    const nested = (depth: number): Uint8Array => {
      let item = structure(0x420001, [])
      for (let level = 1; level < depth; level++) item = structure(0x420001, [item])
      return encodeItem(item)
    }
    const limits = { depthMax: 4, itemsMax: 10 }
    decodeItem(nested(4), limits)
    assert.throws(() => decodeItem(nested(5), limits), /deeper than 4/)
    const wide = (count: number): Uint8Array =>
      encodeItem(structure(0x420001, Array<Item>(count - 1).fill(structure(0x420001, []))))
    decodeItem(wide(10), limits)
    assert.throws(() => decodeItem(wide(11), limits), /more than 10 items/)
  })

  const refused: readonly (readonly [string, string, RegExp])[] = [
    ['an Integer of 8 bytes', '420020 02 00000008 0000000000000008', /not 4/],
    ['a Boolean of 2', '420020 06 00000008 0000000000000002', /neither 0 nor 1/],
    ['a Big Integer of 4 bytes', '420020 04 00000004 0000000100000000', /multiple of 8/],
    ['an empty Big Integer', '420020 04 00000000', /multiple of 8/],
    ['text that is not UTF-8', '420020 07 00000001 ff00000000000000', /UTF-8/],
    ['a type of no version', '420020 0f 00000000', /unknown type 15/],
    ['a tag outside the ranges', '430020 02 00000004 0000000800000000', /no tag/],
    ['a length beyond the message', '420020 08 ffffffff 0000000000000000', /remain/],
    ['padding that is cut off', '420020 08 00000003 010203', /padding/],
  ]
  for (const [what, hex, why] of refused) {
    it(`refuses ${what}`, () => assert.throws(() => decodeItem(bytesOf(hex), LIMITS), why))
  }
})

describe('TTLV as JSON', () => {
  it('reads what it has written', () => {
    fc.assert(
      fc.property(itemsWith(anyText), (item) => {
        const text = JSON.stringify(toJson(item, DICTIONARY))
        assert.ok(sameItem(parseJson(text, DICTIONARY, LIMITS), item), text)
      }),
      RUNS,
    )
  })

  it('refuses what is no item with WireError', () => {
    const tag = fc.constantFrom('State', '0x540001', 'CryptographicUsageMask', 'constructor', '')
    const type = fc.constantFrom('Integer', 'DateTime', 'LongInteger', 'Structure', 'toString', 7)
    const item = fc.record({ tag, type, value: fc.jsonValue() }, { requiredKeys: [] })
    fc.assert(
      fc.property(fc.oneof(item, fc.jsonValue()), (value) => {
        const text = JSON.stringify(value)
        assertOnlyWireErrors(() => encodeItem(parseJson(text, DICTIONARY, LIMITS)), text)
      }),
      { ...RUNS, numRuns: 2_000 },
    )
    fc.assert(
      fc.property(fc.string(), (text) => {
        assertOnlyWireErrors(() => parseJson(text, DICTIONARY, LIMITS), text)
      }),
      RUNS,
    )
  })

  const refused: readonly (readonly [string, string])[] = [
    [
      'a type that every object has',
      '{"tag":"State","type":"constructor","value":"2026-01-01T00:00:00Z"}',
    ],
    ['a number beyond 64 bits', '{"tag":"State","type":"LongInteger","value":9223372036854775808}'],
    ['a number beyond 32 bits', '{"tag":"State","type":"Integer","value":2147483648}'],
    ['a fraction', '{"tag":"State","type":"Integer","value":1.5}'],
    ['a name that is no value', '{"tag":"State","type":"Enumeration","value":"Lost"}'],
    ['half a byte', '{"tag":"State","type":"ByteString","value":"abc"}'],
    ['text that nests too deeply', `${'[{"tag":"State","value":'.repeat(50_000)}`],
    ['items that nest too deeply', '{"tag":"State","value":['.repeat(40) + ']}'.repeat(40)],
  ]
  for (const [what, text] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(() => parseJson(text, DICTIONARY, LIMITS), WireError)
    })
  }

  it('keeps every digit of 64 bits', () => {
    const text = '{"tag":"UsageLimitsTotal","type":"LongInteger","value":9223372036854775807}'
    assert.equal(parseJson(text, DICTIONARY, LIMITS).value, 2n ** 63n - 1n)
  })
})

describe('TTLV as XML', () => {
  it('reads what it has written', () => {
    fc.assert(
      fc.property(itemsWith(xmlText), (item) => {
        const text = toXml(item, DICTIONARY)
        assert.ok(sameItem(parseXml(text, DICTIONARY, LIMITS), item), text)
      }),
      RUNS,
    )
  })

  it('refuses to write a character that XML cannot hold', () => {
    const item: Item = { tag: 0x420055, type: 7, value: 'a\u0000b' }
    assert.throws(() => toXml(item, DICTIONARY), WireError)
  })

  it('refuses mutated text with WireError', () => {
    const change = fc.tuple(fc.nat(), fc.constantFrom('<', '>', '"', '&', '=', '/', '', 'x', '-'))
    fc.assert(
      fc.property(itemsWith(xmlText), fc.array(change, { maxLength: 4 }), (item, changes) => {
        let text = toXml(item, DICTIONARY)
        for (const [place, put] of changes) {
          const at = place % text.length
          text = text.slice(0, at) + put + text.slice(at + 1)
        }
        assertOnlyWireErrors(() => encodeItem(parseXml(text, DICTIONARY, LIMITS)), text)
      }),
      { ...RUNS, numRuns: 1_000 },
    )
  })

  const refused: readonly (readonly [string, string])[] = [
    ['a document type', '<!DOCTYPE a [<!ENTITY b "c">]><State type="Enumeration" value="&b;"/>'],
    ['a type that every object has', '<State type="constructor" value="2026-01-01T00:00:00Z"/>'],
    ['a number beyond 64 bits', '<State type="LongInteger" value="9223372036854775808"/>'],
    ['nothing', ''],
    ['elements that nest too deeply', '<State>'.repeat(40) + '</State>'.repeat(40)],
    ['more elements than allowed', `<State>${'<State/>'.repeat(1_000)}</State>`],
  ]
  for (const [what, text] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(() => parseXml(text, DICTIONARY, LIMITS), WireError)
    })
  }
})
