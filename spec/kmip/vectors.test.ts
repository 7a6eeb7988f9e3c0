/**
 * The encodings of TTLV on the messages of the OASIS test cases.
 *
 * @module
 */
import { deepStrictEqual, ok } from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readMessages, substitute } from '#conformance/oasis/case.ts'
import { needsShared, sharedFiles } from '#tools/shared.ts'
import { decodeItem, encodeItem } from '#wire/ttlv/binary.ts'
import { type Item, sameItem } from '#wire/ttlv/item.ts'
import { parseJson, toJson } from '#wire/ttlv/json.ts'
import { itemOfElement, parseXml, toXml, type XmlElement } from '#wire/ttlv/xml.ts'
import { dictionaryOf } from './dictionary.ts'
import { protocolVersionOfMessage } from './messages.ts'

const LIMITS = { depthMax: 64, itemsMax: 100_000 }

/** A value of the right type for each placeholder: what it stands for does not matter here. */
const SAMPLES: Readonly<Record<string, string>> = {
  DateTime: '2026-01-02T03:04:05+00:00',
  ByteString: '00112233445566778899aabbccddeeff',
  TextString: 'placeholder',
  Integer: '1',
  BigInteger: '0000000000000001',
  Enumeration: '0x00000001',
  LongInteger: '1',
  Interval: '1',
}

function sample(text: string, element: XmlElement): string {
  return text.startsWith('$') ? (SAMPLES[element.attributes['type'] ?? ''] ?? '') : text
}

function assertRoundTrips(item: Item, where: string): void {
  const { major, minor } = protocolVersionOfMessage(item)
  const dictionary = dictionaryOf(major * 10 + minor)
  const binary = decodeItem(encodeItem(item), LIMITS)
  ok(sameItem(item, binary), `${where}: TTLV`)
  const json = parseJson(JSON.stringify(toJson(binary, dictionary)), dictionary, LIMITS)
  ok(sameItem(item, json), `${where}: JSON`)
  const xml = parseXml(toXml(json, dictionary), dictionary, LIMITS)
  ok(sameItem(item, xml), `${where}: XML`)
}

describe('published OASIS cases', needsShared('vectors/kmip'), () => {
  it('decode, and survive TTLV, JSON and XML without loss', () => {
    const files = sharedFiles('vectors/kmip', '.xml')
    let messages = 0
    for (const file of files) {
      readMessages(file).forEach((element, index) => {
        const item = itemOfElement(substitute(element, sample), dictionaryOf())
        assertRoundTrips(item, `${file} message ${index + 1}`)
        messages++
      })
    }
    deepStrictEqual(files.length > 300 && messages > 2000, true)
  })
})
