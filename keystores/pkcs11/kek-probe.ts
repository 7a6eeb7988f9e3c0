/**
 * Ways to get keys through a key-encrypting key, as a model's file has them.
 *
 * @module
 */
import { isDeepStrictEqual } from 'node:util'
import type { KekWrap } from './kek.ts'
import type { Unwrapping } from './kek-forms.ts'
import { generic } from './quirks.ts'

/** RFC 5649 takes keys of any length, and PKCS#5 nearly so: these first. */
const KEK_ORDER: readonly Unwrapping[] = ['rfc5649', 'pkcs5', 'rfc3394', 'cbc']

/** What is not as it is taken to be where nobody says otherwise. */
export function kekFindings(found: readonly KekWrap[]): { readonly kekWrap?: KekWrap[] } {
  const kekWrap = found.toSorted((a, b) => {
    return KEK_ORDER.indexOf(a.unwrap) - KEK_ORDER.indexOf(b.unwrap)
  })
  const usual = generic().kekWrap.filter(({ mechanism }) => {
    return kekWrap.some((row) => row.mechanism === mechanism)
  })
  return isDeepStrictEqual(usual, kekWrap) ? {} : { kekWrap }
}
