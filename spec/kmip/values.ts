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

/**
 * All enumerations in a value, as a version writes it: fields that it does not have are left out.
 *
 * @param version Rank of the version; the fields of all when it is not given.
 */
export function* enumerationsIn(
  coder: Coder<unknown>,
  value: unknown,
  version?: number,
): Iterable<Enumerated> {
  const { members } = coder as Partial<EnumerationCoder<number>>
  if (members !== undefined) {
    if (typeof value === 'number') yield { members, value }
    return
  }
  const { rows } = coder as Partial<StructCoder<unknown>>
  if (rows === undefined || typeof value !== 'object' || value === null) return
  for (const { key, field } of rows) {
    const found = (value as Readonly<Record<string, unknown>>)[key]
    const variant = field.variants.find(({ since, until }) => {
      return version === undefined || (since <= version && version <= until)
    })
    if (found === undefined || variant === undefined) continue
    const all: readonly unknown[] = Array.isArray(found) ? found : [found]
    for (const one of all) yield* enumerationsIn(variant.coder, one, version)
  }
}

/** Whether a version has all enumerations of a value. */
export function hasValues(coder: Coder<unknown>, value: unknown, version: number): boolean {
  for (const found of enumerationsIn(coder, value, version)) {
    if (!knows(found.members, found.value, version)) return false
  }
  return true
}

/** The first value that no version has, and that is no vendor's own, where there are any others. */
export function unknownIn(coder: Coder<unknown>, value: unknown): Enumerated | undefined {
  for (const found of enumerationsIn(coder, value)) {
    const { byValue, values } = tableOf(found.members)
    if (values.length === 0 || byValue.has(found.value) || found.value >= EXTENSIONS) continue
    return found
  }
  return undefined
}
