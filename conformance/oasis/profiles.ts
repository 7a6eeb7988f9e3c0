/**
 * What the profile of a case requires of a Query answer.
 *
 * KMIP Profiles 1.0 to 2.1, the clauses "... Profile Conformance": the published answers are those
 * of the servers that were there; of the operations and object types in them, a profile requires
 * those that its clause lists. The storage and tape cases list exactly what they require. The
 * encoding and Suite B profiles require the baseline server.
 *
 * @module
 */
import type { XmlElement } from '#wire/ttlv/xml.ts'

/**
 * KMIP 1.4 §12.1 "KMIP Server Implementation Conformance" and the Baseline Server of the profiles.
 */
const BASELINE = new Set([
  'Locate',
  'Check',
  'Get',
  'GetAttributes',
  'GetAttributeList',
  'AddAttribute',
  'ModifyAttribute',
  'DeleteAttribute',
  'Activate',
  'Revoke',
  'Destroy',
  'Query',
])

/** Cases whose expected Query answer is that of one particular server. */
const PARTICULAR = /^(MSGENC|SUITEB|TC-Q-|TC_|QS-)/

/** Says of an entry of the expected answer whether the server must have it. */
export function requiredBy(caseName: string): (element: XmlElement) => boolean {
  if (!PARTICULAR.test(caseName)) return () => true
  return ({ name, attributes }) => {
    const value = attributes['value'] ?? ''
    // The baseline asks for one kind of object at least, whichever.
    return name === 'Operation' && BASELINE.has(value)
  }
}
