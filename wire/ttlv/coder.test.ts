/**
 * The combinators of which messages are made: counts, versions, order, and what is refused.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  choice,
  dateTime,
  int32,
  int64,
  many,
  one,
  optional,
  struct,
  text,
  versioned,
} from './coder.ts'
import { type Item, ItemType, structure } from './item.ts'
import { spokenVersion, VERSIONS } from './version.ts'

const A = 0x420001
const B = 0x420002
const C = 0x420003
const D = 0x420004

const Sample = struct('Sample', {
  first: one(A, int32),
  added: optional(B, text, { since: '1.2', until: '1.4' }),
  moved: versioned(optional(C, int64, { until: '1.4' }), optional(D, int64, { since: '2.0' })),
})

const read = { version: 14, misplaced: 'refuse' } as const
const integer = (tag: number, value: number): Item => ({ tag, type: ItemType.Integer, value })

describe('a structure of fields', () => {
  it('writes each field in the versions that have it, under the tag that they use', () => {
    for (const version of VERSIONS) {
      const context = { version, beyondVersion: 'drop' } as const
      const item = Sample.encode(0x420010, { first: 1, added: 'x', moved: 5n }, context)
      const tags = (item.value as readonly Item[]).map(({ tag }) => tag)
      const added = version >= 12 && version <= 14 ? [B] : []
      assert.deepEqual(tags, [A, ...added, version >= 20 ? D : C], `version ${version}`)
    }
  })

  it('refuses a field beyond the version where the writer wants to know', () => {
    const context = { version: 10, beyondVersion: 'refuse' } as const
    const what = /Cannot write Sample\.added: KMIP 1\.0/
    assert.throws(() => Sample.encode(0x420010, { first: 1, added: 'x' }, context), what)
  })

  it('reads fields in any order, of any version, and ignores extensions', () => {
    const extension: Item = { tag: 0x540001, type: ItemType.Boolean, value: true }
    const moved: Item = { tag: D, type: ItemType.LongInteger, value: 5n }
    const item = structure(0x420010, [moved, extension, integer(A, 1)])
    assert.deepEqual({ ...Sample.decode(item, read) }, { first: 1, moved: 5n })
  })

  const refused: readonly (readonly [string, readonly Item[], string])[] = [
    ['a field that is missing', [], 'missingField'],
    ['a field that stands twice', [integer(A, 1), integer(A, 2)], 'invalidMessage'],
    ['another type', [{ tag: A, type: ItemType.Boolean, value: true }], 'invalidMessage'],
    ['a tag that has no place there', [integer(A, 1), integer(0x420099, 1)], 'invalidField'],
  ]
  for (const [what, members, code] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(() => Sample.decode(structure(0x420010, members), read), { code })
    })
  }

  it('lets a client pass over what it does not know', () => {
    const item = structure(0x420010, [integer(A, 1), integer(0x420099, 1)])
    assert.equal(Sample.decode(item, { ...read, misplaced: 'ignore' }).first, 1)
  })

  it('gathers a field of any number, and says which of a choice it was', () => {
    const Other = struct('Other', {
      all: many(A, int32),
      chosen: choice('optional', { [B]: text }),
    })
    const chosen: Item = { tag: B, type: ItemType.TextString, value: 'x\0\0' }
    const item = structure(0x420010, [integer(A, 1), chosen, integer(A, 2)])
    assert.deepEqual(
      { ...Other.decode(item, read) },
      { all: [1, 2], chosen: { tag: B, value: 'x' } },
    )
    assert.deepEqual({ ...Other.decode(structure(0x420010, []), read) }, { all: [] })
  })
})

describe('a date', () => {
  it('is infinite at both ends of 64 bits, and refused beyond 2^53', () => {
    const date = (value: bigint): Item => ({ tag: A, type: ItemType.DateTime, value })
    assert.equal(dateTime.decode(date(2n ** 63n - 1n), read), Infinity)
    assert.equal(dateTime.decode(date(-(2n ** 63n)), read), -Infinity)
    assert.equal(dateTime.decode(date(-1n), read), -1)
    assert.throws(() => dateTime.decode(date(2n ** 53n), read), { code: 'invalidField' })
    const write = { version: 14, beyondVersion: 'drop' } as const
    for (const value of [Infinity, -Infinity, 0, -5, 1_700_000_000]) {
      assert.equal(dateTime.decode(dateTime.encode(A, value, write), read), value)
    }
  })
})

describe('the version to speak', () => {
  it('is the same, or our highest of the same major version', () => {
    assert.equal(spokenVersion({ major: 1, minor: 0 }), 10)
    assert.equal(spokenVersion({ major: 1, minor: 9 }), 14)
    assert.equal(spokenVersion({ major: 2, minor: 7 }), 21)
    assert.equal(spokenVersion({ major: 3, minor: 0 }), undefined)
    assert.equal(spokenVersion({ major: 1, minor: -1 }), undefined)
  })
})
