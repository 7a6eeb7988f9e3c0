/**
 * Whether an answer is the expected one.
 *
 * KMIP Profiles 2.1 §8.4 "Permitted Test Case Variations", the same list as in every profile of
 * 1.0: what a server is free to choose is compared by its shape, everything else must match, in
 * order. Additional attributes are allowed, missing ones are not; the order of attributes and of
 * Query answers is free.
 *
 * @module
 */
import { dictionaryOf } from '#spec/kmip/dictionary.ts'
import { type Item, ItemType } from '#wire/ttlv/item.ts'
import { collapsed } from '#wire/ttlv/text.ts'
import { parseXmlElements, toXml, type XmlElement } from '#wire/ttlv/xml.ts'
import { type Bindings, timeOf } from './bindings.ts'

/** What of a case the comparison has to know. */
export interface Expectation {
  readonly bindings: Bindings
  /** Texts of all values in the requests so far: what was given must come back as given. */
  readonly given: ReadonlySet<string>
  /** Whether the key of this answer was made by the server, so that its bytes are its own. */
  readonly generated: boolean
  /** Whether the operation is random by nature: then its output is compared by length. */
  readonly random: boolean
  /** Entries of Query answers that the profile of the case requires. */
  readonly required: (element: XmlElement) => boolean
}

/** Seconds by which a date may differ from `$NOW`. */
const TOLERANCE = 120

/** Fields that may be anything of their type, or absent. */
const FREE: ReadonlySet<string> = new Set([
  'ResultMessage',
  'TimeStamp',
  'ServerCorrelationValue',
  'ClientCorrelationValue',
  'VendorIdentification',
  'ServerInformation',
  'UniqueBatchItemID',
  'MessageExtension',
])

/** Fields that may stand in an answer although the case does not show them. */
const EXTRA: ReadonlySet<string> = new Set([
  ...FREE,
  'TemplateAttribute',
  'PrivateKeyTemplateAttribute',
  'PublicKeyTemplateAttribute',
  'AttributeIndex',
  'LocatedItems',
])

/** Structures in which the order does not count, and more may stand than is shown. */
const SETS: ReadonlySet<string> = new Set(['Attribute', 'AttributeName', 'AttributeReference'])
const QUERY_FIELDS: ReadonlySet<string> = new Set([
  'Operation',
  'ObjectType',
  'ApplicationNamespace',
  'ExtensionInformation',
  'ProfileInformation',
  'RNGParameters',
  'ValidationInformation',
  'CapabilityInformation',
  'ClientRegistrationMethod',
  'AttestationType',
  'ProtocolVersion',
])

/** Bytes that are the server's own where it has made the key. */
const KEY_BYTES: ReadonlySet<string> = new Set([
  'KeyMaterial',
  'KeyValue',
  'DigestValue',
  'Data',
  'SignatureData',
  'MACData',
  'IVCounterNonce',
  'Modulus',
  'PublicExponent',
  'PrivateExponent',
  'P',
  'Q',
  'PrimeExponentP',
  'PrimeExponentQ',
  'CRTCoefficient',
  'Key',
  'QString',
  'D',
])

/** What cryptographic operations answer: as long as shown, whatever it is. */
const OUTPUT: ReadonlySet<string> = new Set(['Data', 'SignatureData', 'MACData', 'IVCounterNonce'])

/** The actual message as elements, so that both sides can be walked alike. */
export function elementsOf(item: Item): XmlElement {
  const major = protocolVersion(item)
  const limits = { depthMax: 64, itemsMax: 1_000_000 }
  return parseXmlElements(toXml(item, dictionaryOf(major)), limits)
}

function protocolVersion(message: Item): number {
  const [major, minor] = childrenOf(childrenOf(childrenOf(message)[0])[0])
  return Number(major?.value ?? 2) * 10 + Number(minor?.value ?? 1)
}

function childrenOf(item: Item | undefined): readonly Item[] {
  return item?.type === ItemType.Structure ? item.value : []
}

/** The first difference, or undefined. */
export function difference(
  expected: XmlElement,
  actual: XmlElement,
  expectation: Expectation,
): string | undefined {
  return new Comparison(expectation).element(expected, actual, actual.name)
}

class Comparison {
  readonly #expectation: Expectation

  constructor(expectation: Expectation) {
    this.#expectation = expectation
  }

  element(expected: XmlElement, actual: XmlElement, path: string): string | undefined {
    if (expected.name !== actual.name) return `${path}: expected ${expected.name}`
    const type = expected.attributes['type']
    if (type !== undefined && type !== 'Structure') return this.#value(expected, actual, path)
    if (actual.attributes['type'] !== undefined) return `${path}: expected a structure`
    if (FREE.has(expected.name) || this.#isOwnGenerator(expected)) return undefined
    if (expected.name === 'AttributeValue' || !isSetHolder(expected)) {
      return this.#sequence(expected.children, actual.children, path)
    }
    return this.#set(expected, actual, path)
  }

  #sequence(
    expected: readonly XmlElement[],
    actual: readonly XmlElement[],
    path: string,
  ): string | undefined {
    const rest = actual.filter(({ name }) => !isOptional(name, expected))
    const wanted = expected.filter(({ name }) => !isOptional(name, actual))
    for (const [index, one] of wanted.entries()) {
      const other = rest[index]
      if (other === undefined) return `${path}: ${one.name} is missing`
      const found = this.element(one, other, `${path}/${other.name}`)
      if (found !== undefined) return found
    }
    const extra = rest[wanted.length]
    return extra === undefined ? undefined : `${path}: ${extra.name} was not expected`
  }

  /** Attributes and entries of Query: each expected one must be found, in any order. */
  #set(expected: XmlElement, actual: XmlElement, path: string): string | undefined {
    const left = [...actual.children]
    for (const one of expected.children) {
      if (FREE.has(one.name)) continue
      const problems: string[] = []
      const index = left.findIndex((other) => {
        if (!sameKind(one, other)) return false
        const found = this.element(one, other, `${path}/${labelOf(other)}`)
        if (found !== undefined) problems.push(found)
        return found === undefined
      })
      if (index >= 0) left.splice(index, 1)
      else if (QUERY_FIELDS.has(one.name) && !this.#expectation.required(one)) continue
      else return problems[0] ?? `${path}: ${labelOf(one)} is missing`
    }
    const extra = left.find(({ name }) => !isSetMember(name) && !EXTRA.has(name))
    return extra === undefined ? undefined : `${path}: ${extra.name} was not expected`
  }

  #value(expected: XmlElement, actual: XmlElement, path: string): string | undefined {
    const { bindings } = this.#expectation
    const [want, have] = [expected.attributes['value'] ?? '', actual.attributes['value'] ?? '']
    bindings.seen(actual.name, have)
    if (FREE.has(expected.name)) return undefined
    if (expected.attributes['type'] !== actual.attributes['type']) {
      return `${path}: expected a ${expected.attributes['type']}, found ${actual.attributes['type']}`
    }
    if (want.startsWith('$')) return this.#placeholder(want, have, path)
    if (sameText(expected, want, have)) return undefined
    if (!this.#isFree(expected, want)) return `${path}: expected ${want}, found ${have}`
    if (OUTPUT.has(expected.name) && want.length !== have.length) {
      return `${path}: expected ${want.length / 2} bytes, found ${have.length / 2}`
    }
    bindings.choose(want, have)
    return undefined
  }

  /** The generator of a server is its own, where the client has not asked for one. */
  #isOwnGenerator({ name, children }: XmlElement): boolean {
    const named = children.find((child) => child.name === 'AttributeName')?.attributes['value']
    if (name !== 'RandomNumberGenerator' && named !== 'Random Number Generator') return false
    const parts = named === undefined ? children : (children.at(-1)?.children ?? [])
    const algorithm = parts.find((part) => part.name === 'RNGAlgorithm')?.attributes['value']
    return algorithm === undefined || !this.#expectation.given.has(algorithm)
  }

  #placeholder(want: string, have: string, path: string): string | undefined {
    const { bindings } = this.#expectation
    const time = timeOf(want, Math.floor(Date.now() / 1000))
    if (time !== undefined) {
      const off = Math.abs(Date.parse(have) / 1000 - time)
      return off <= TOLERANCE ? undefined : `${path}: expected ${want}, found ${have}`
    }
    const bound = bindings.expected(want)
    if (bound === undefined) bindings.bind(want, have)
    return bound === undefined || bound === have
      ? undefined
      : `${path}: expected ${want} which is ${bound}, found ${have}`
  }

  /** Values that the server chooses. */
  #isFree(expected: XmlElement, want: string): boolean {
    const { given, generated, random } = this.#expectation
    if (given.has(want)) return false
    if (expected.attributes['type'] === 'DateTime') return true
    // How long a lease is, is the policy of the server that the case was recorded with.
    if (expected.name === 'LeaseTime') return true
    if (random && OUTPUT.has(expected.name)) return true
    return generated && KEY_BYTES.has(expected.name)
  }
}

/** Fields that one side may have and the other not. */
function isOptional(name: string, other: readonly XmlElement[]): boolean {
  return EXTRA.has(name) && !other.some((element) => element.name === name)
}

function isSetMember(name: string): boolean {
  return SETS.has(name) || QUERY_FIELDS.has(name)
}

/** Whether the children are a set: lists of attributes, and the answer to Query. */
function isSetHolder({ name, children }: XmlElement): boolean {
  if (name === 'Attributes') return true
  if (name !== 'ResponsePayload' && !name.endsWith('TemplateAttribute')) return false
  const first = children.find((child) => isSetMember(child.name))
  if (first === undefined) return false
  // Object Type also opens the answers of Create and Get, which are no sets.
  return (
    children.some((child) => child.name === 'Operation' || SETS.has(child.name)) ||
    children.every((child) => QUERY_FIELDS.has(child.name) || FREE.has(child.name))
  )
}

/** Attributes are of one kind when they have the same name. */
function sameKind(a: XmlElement, b: XmlElement): boolean {
  return a.name === b.name && labelOf(a) === labelOf(b)
}

function labelOf(element: XmlElement): string {
  const name = element.children.find((child) => child.name === 'AttributeName')
  const text = name?.attributes['value']
  return text === undefined ? element.name : `${element.name} ${JSON.stringify(collapsed(text))}`
}

/** Equal as values: spellings of numbers, masks, dates and hexadecimal may differ. */
function sameText(expected: XmlElement, want: string, have: string): boolean {
  if (want === have) return true
  const type = expected.attributes['type']
  if (type === 'DateTime') return Date.parse(want) === Date.parse(have)
  if (type === 'ByteString' || type === 'BigInteger') {
    return want.replace(/\s/g, '').toLowerCase() === have.toLowerCase()
  }
  if (type === 'TextString') return collapsed(want) === collapsed(have)
  return words(want) === words(have)
}

/** Masks are sets of words. */
function words(text: string): string {
  return text.trim().split(/\s+/).sort().join(' ')
}
