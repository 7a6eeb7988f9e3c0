/**
 * Published cases with a value that cannot be right, and the value that is.
 *
 * Each is checked against a later edition of the same case, or against the standard. A case is
 * played with the correction; nothing else of it changes.
 *
 * @module
 */
import { type Case, substitute } from './case.ts'

interface Erratum {
  /** Name of the case without the version at its end. */
  readonly name: RegExp
  readonly published: string
  readonly right: string
  readonly why: string
}

const ERRATA: readonly Erratum[] = [
  {
    name: /^CS-BC-M-6-1[234]$/,
    published: 'fd912d102dbb482f6f6e91bd57119095',
    right: 'd9bcce11b0b437b90239552df3a360c9',
    why: 'the ciphertext is that of a key of another case; CS-BC-M-6-21 has the one of this key',
  },
  {
    name: /^TC_132_11_/,
    published: 'SHA_1WithRSAEncryption',
    right: 'SHA_1WithRSAEncryptionPKCS_1V1_5',
    why: 'KMIP 1.1 §9.1.3.2.7 calls it SHA-1 with RSA Encryption (PKCS#1 v1.5); 2.0 shortened that',
  },
]

/** The case with what is known to be wrong put right. */
export function corrected(one: Case): Case {
  const found = ERRATA.filter(({ name }) => name.test(one.name))
  if (found.length === 0) return one
  const right = (text: string): string => {
    return found.find(({ published }) => published === text)?.right ?? text
  }
  const steps = one.steps.map(({ request, response }) => ({
    request: substitute(request, right),
    response: substitute(response, right),
  }))
  return { ...one, steps }
}
