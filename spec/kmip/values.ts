/**
 * The enumerations within a value: of its own, or anywhere in its structure.
 *
 * KMIP 2.1 §11: every enumeration grows with the versions, so that a value that one version has may
 * be one that another cannot say. Values from 80000000 on are a vendor's own in all of them.
 *
 * @module
 */
import type { Coder, EnumerationCoder, StructCoder } from '#wire/ttlv/coder.ts'
import { knows, tableOf } from './table.ts'

/** One value of an enumeration. */
export interface Enumerated {
  readonly members: Readonly<Record<string, number>>
  readonly value: number
}

/** Where the values of enumerations begin that are a vendor's own. */
export const EXTENSIONS = 0x8000_0000

/** Whether a version has all enumerations of a value. */
export function hasValues(coder: Coder<unknown>, value: unknown, version: number): boolean {
  const found = firstIn(coder, value, version, (members, one) => !knows(members, one, version))
  return found === undefined
}

/** The first value that no version has, and that is no vendor's own, where there are any others. */
export function unknownIn(coder: Coder<unknown>, value: unknown): Enumerated | undefined {
  return firstIn(coder, value, undefined, (members, one) => {
    const { byValue, values } = tableOf(members)
    return values.length > 0 && !byValue.has(one) && one < EXTENSIONS
  })
}

type Test = (members: Enumerated['members'], value: number) => boolean

/**
 * The first enumeration that a test holds for, in a value as a version writes it: fields that it
 * does not have are left out.
 *
 * @param version Rank of the version; the fields of all when it is not given.
 */
function firstIn(
  coder: Coder<unknown>,
  value: unknown,
  version: number | undefined,
  test: Test,
): Enumerated | undefined {
  const { members } = coder as Partial<EnumerationCoder<number>>
  if (members !== undefined) {
    return typeof value === 'number' && test(members, value) ? { members, value } : undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  for (const { key, coder: inner } of placesIn(coder, version)) {
    const given = (value as Readonly<Record<string, unknown>>)[key]
    if (given === undefined) continue
    for (const one of Array.isArray(given) ? given : [given]) {
      const found = firstIn(inner, one, version, test)
      if (found !== undefined) return found
    }
  }
  return undefined
}

/** A field of a structure that is an enumeration or may hold one. */
interface Place {
  readonly key: string
  readonly coder: Coder<unknown>
}

/** By coder and version: every object that is given out is looked at. */
const PLACES = new WeakMap<Coder<unknown>, Map<number | undefined, readonly Place[]>>()

function placesIn(coder: Coder<unknown>, version: number | undefined): readonly Place[] {
  const known = PLACES.get(coder) ?? new Map<number | undefined, readonly Place[]>()
  PLACES.set(coder, known)
  const places = known.get(version) ?? [...placesOf(coder, version)]
  known.set(version, places)
  return places
}

function* placesOf(coder: Coder<unknown>, version: number | undefined): Iterable<Place> {
  const { rows = [] } = coder as Partial<StructCoder<unknown>>
  for (const { key, field } of rows) {
    const variant = field.variants.find(({ since, until }) => {
      return version === undefined || (since <= version && version <= until)
    })
    const inner = variant?.coder
    if (inner !== undefined && ('members' in inner || 'rows' in inner)) yield { key, coder: inner }
  }
}
