/**
 * Names of tags, enumerations and masks in the JSON and XML encodings.
 *
 * KMIP Profiles 2.1 §5.4.1.1 "Normalizing Names" (the XML encoding; JSON refers to it). The names
 * themselves are tables of `spec/kmip`; this module only has the rule that makes a name of a text,
 * and the shape of the dictionary that the two encodings ask.
 *
 * @module
 */

/** Answers the encodings get about one protocol version. */
export interface Dictionary {
  tagName(tag: number): string | undefined
  tagOf(name: string): number | undefined
  /**
   * The values that an Enumeration or mask item of this tag may have.
   *
   * @param tag Tag of the item, or of the attribute whose value it is.
   */
  valuesOf(tag: number): ValueNames | undefined
  /** Tag of the attribute with this KMIP 1.x name ("Cryptographic Algorithm"). */
  attributeTag(attributeName: string): number | undefined
}

/** Names of the values of one enumeration, or of the bits of one mask. */
export interface ValueNames {
  readonly mask: boolean
  nameOf(value: number): string | undefined
  valueOf(name: string): number | undefined
}

/**
 * The name of a text of the specification: `IV/Counter/Nonce` becomes `IVCounterNonce`, `3DES`
 * becomes `DES3`, `PKCS#1` becomes `PKCS_1`.
 */
export function normalizeName(text: string): string {
  const words = text
    .replace(/[()]/g, ' ')
    .replace(/\W(?=[A-Za-z][a-z])/g, ' ')
    .trim()
    .split(/\s+/)
    .map((word) => word.replace(/\W/g, '_'))
  const first = (words[0] ?? '').replace(/^(\d+)(.*)$/, '$2$1')
  return [first, ...words.slice(1)].map(capitalized).join('')
}

function capitalized(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1)
}
