/**
 * The tables of KMIP against the names and numbers that OASIS publishes.
 *
 * @module
 */
import { deepStrictEqual } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { needsShared, sharedPath } from '#tools/shared.ts'
import { normalizeName } from '#wire/ttlv/names.ts'
import { ATTRIBUTES } from './attributes.ts'
import * as enumerations from './enumerations.ts'
import { type EnumTable, tableOf } from './table.ts'
import { Tag } from './tags.ts'

type Published = Readonly<Record<string, Readonly<Record<string, readonly [string, string][]>>>>

const ENUMERATIONS = 'reference/kmip-enumerations-by-version.json'
const TAGS = 'reference/kmip-tags-by-version.csv'
const VERSIONS = [10, 11, 12, 13, 14, 20, 21]

/**
 * What the reference file lacks or misspells; each is listed in `reference/kmip.md` section 2.
 * Rows: title, value, versions that must have it all the same.
 */
const MISSING: readonly (readonly [title: string, value: number, versions: readonly number[]])[] = [
  ['Certificate Type', 2, [12, 13, 14]],
  ['Certificate Request Type', 4, [12, 13, 14]],
  ['Object Type', 6, [13, 14]],
  ...[0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13].map(
    (value) => ['Key Format Type', value, [13, 14]] as const,
  ),
  // Filed under Wrapping Method in 1.0 and 1.1.
  ...Array.from({ length: 15 }, (_, i) => ['Recommended Curve', i + 1, [10, 11]] as const),
]

function corrected(text: string): string {
  return text
    .replace(/ ?GF ?\(216\)/, ' GF2_16')
    .replace(/ ?GF ?\(28\)/, ' GF2_8')
    .replace('(PGP', 'PGP')
    .replace('MFG1', 'MGF1')
    .replace('Object archived', 'Object Archived')
}

/** `value name` of every value that a version of the reference lists for a table. */
function published(reference: Published, title: string, version: number): readonly string[] {
  const tables = reference[String(version)] ?? {}
  const rows = tables[`${title} Enumeration`] ?? tables[title] ?? []
  const lines = rows
    .filter(([name, value]) => name !== '(Reserved)' && !value.includes('XX'))
    .filter(([name]) => title !== 'Wrapping Method' || !/^[PKB]-\d/.test(name))
    .map(([name, value]) => `${Number.parseInt(value, 16)} ${normalizeName(corrected(name))}`)
  return [...new Set(lines)].sort()
}

function ours(table: EnumTable, version: number): readonly string[] {
  const missing = MISSING.filter(([title, , versions]) => {
    return title === table.title && versions.includes(version)
  }).map(([, value]) => value)
  return table.values
    .filter(({ since, until }) => since <= version && version <= until)
    .filter(({ value }) => !missing.includes(value))
    .map(({ name, value, formerly }) => {
      return `${value} ${formerly && version <= formerly.until ? formerly.name : name}`
    })
    .sort()
}

describe('the tables of KMIP', needsShared(ENUMERATIONS), () => {
  const path = sharedPath(ENUMERATIONS)
  const reference = path === undefined ? {} : (JSON.parse(readFileSync(path, 'utf8')) as Published)
  const tables = Object.values(enumerations as unknown as Record<string, Record<string, number>>)

  for (const members of tables) {
    const table = tableOf(members)
    it(`${table.title} has the values of the standard in every version`, () => {
      for (const version of VERSIONS) {
        deepStrictEqual(ours(table, version), published(reference, table.title, version))
      }
    })
  }

  it('covers every enumeration of the reference', () => {
    const titles = new Set(tables.map((members) => tableOf(members).title))
    // Tags are tested below; the two of PKCS#11 are empty in the reference and filled in
    // spec/pkcs11.
    const elsewhere = ['Tag', 'Tags', 'Item Tag', 'PKCS#11 Function', 'PKCS#11 Return Code']
    const names = new Set(Object.values(reference).flatMap((version) => Object.keys(version)))
    const missing = [...names]
      .filter((name) => name.includes('Enumeration') || name.includes('Mask'))
      .map((name) => name.replace(/ Enumeration$/, ''))
      .filter((title) => !titles.has(title) && !elsewhere.includes(title))
    deepStrictEqual(missing, [])
  })
})

interface PublishedTag {
  readonly tag: number
  readonly names: readonly string[]
  readonly versions: readonly number[]
}

function publishedTags(): readonly PublishedTag[] {
  const path = sharedPath(TAGS)
  if (path === undefined) return []
  const lines = readFileSync(path, 'utf8').trim().split('\n').slice(1)
  return lines.flatMap((line) => {
    const [tag = '', names = '', , , versions = ''] = line.split(',')
    if (!/^[0-9A-F]{6}$/.test(tag)) return []
    const ranks = versions.split(' ').map((version) => Number(version.replace('.', '')))
    return { tag: Number.parseInt(tag, 16), names: names.split(' / '), versions: ranks }
  })
}

describe('the tags of KMIP', needsShared(TAGS), () => {
  it('are those of the standard, with its names and first versions', () => {
    const wanted = publishedTags()
      .filter(({ versions, names }) => (versions[0] ?? 30) < 30 && !/^\(?Reserved/.test(names[0]!))
      .map(
        ({ tag, names, versions }) =>
          `${tag.toString(16)} ${versions[0]} ${normalizeName(names[0]!)}`,
      )
    const rows = tableOf(Tag).values.map(({ name, value, since }) => {
      return `${value.toString(16)} ${since} ${name}`
    })
    deepStrictEqual(rows.sort(), wanted.sort())
  })

  it('end with 1.4 where 2.0 reserves them', () => {
    // Other reservations in the reference are those of KMIP 3.0.
    const reservedFrom20 = `420009 420014 420015 420016 420017 42001a 42001b 42001c 42001f 42002d
      42003b 42005d 420065 42006e 420087 420090 420091`
    const ended = tableOf(Tag).values.filter(({ until }) => until === 14)
    deepStrictEqual(
      ended.map(({ value }) => value.toString(16)),
      reservedFrom20.split(/\s+/),
    )
  })
})

describe('the attribute registry', () => {
  it('names every attribute as its tag is named', () => {
    for (const [key, { tag, text }] of Object.entries(ATTRIBUTES)) {
      const member = tableOf(Tag).values.find(({ value }) => value === tag)
      deepStrictEqual(normalizeName(text), member?.name, key)
    }
  })
})
