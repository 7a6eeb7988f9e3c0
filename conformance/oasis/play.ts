/**
 * Playing a case against a server.
 *
 * @module
 */

import { decodeResponse, encodeRequest } from '#clients/kmip/client.ts'
import { type ConnectOptions, KmipConnection } from '#clients/kmip/connection.ts'
import { dictionaryOf } from '#spec/kmip/dictionary.ts'
import { Operation, QueryFunction } from '#spec/kmip/enumerations.ts'
import { nameOf } from '#spec/kmip/table.ts'
import type { Item } from '#wire/ttlv/item.ts'
import { VERSIONS, type Version } from '#wire/ttlv/version.ts'
import { itemOfElement, type XmlElement } from '#wire/ttlv/xml.ts'
import { Bindings } from './bindings.ts'
import { type Case, type Step, substitute } from './case.ts'
import { difference, elementsOf } from './compare.ts'
import { corrected } from './errata.ts'
import { requiredBy } from './profiles.ts'

export type Outcome =
  | { readonly name: string; readonly result: 'passed' }
  | { readonly name: string; readonly result: 'failed' | 'skipped'; readonly reason: string }

/** Operations that make keys, whose bytes are then the server's own. */
const GENERATING = new Set(['Create', 'CreateKeyPair', 'ReKey', 'ReKeyKeyPair', 'DeriveKey'])

/** Operations that the server calls at the client. */
const SERVER_TO_CLIENT = new Set(['Notify', 'Put'])

/** Names of the operations that a server offers, by version. */
export type Offered = ReadonlyMap<Version, ReadonlySet<string>>

/** Asks the server what it offers in each version. */
export async function offeredBy(connect: ConnectOptions): Promise<Offered> {
  const offered = new Map<Version, ReadonlySet<string>>()
  const connection = await KmipConnection.open(connect)
  for (const version of VERSIONS) {
    const payload = { queryFunction: [QueryFunction.QueryOperations] }
    const request = encodeRequest([{ operation: 'Query', payload }], version)
    const [result] = decodeResponse(await connection.send(request), version)
    const list = result?.ok ? (result.payload as { operation: readonly number[] }).operation : []
    offered.set(version, new Set(list.map((one) => nameOf(Operation, one))))
  }
  connection.close()
  return offered
}

/** What cases that are played one after the other on the same objects share. */
export class Session {
  readonly connect: ConnectOptions
  readonly offered: Offered
  /** Identifiers of keys that the server has made. */
  readonly generated = new Set<string>()

  constructor(connect: ConnectOptions, offered: Offered) {
    this.connect = connect
    this.offered = offered
  }
}

/** Plays a case; never throws. */
export async function play(session: Session, one: Case): Promise<Outcome> {
  const { name, unreadable } = one
  if (unreadable !== undefined) return { name, result: 'failed', reason: unreadable }
  const reason = notApplicable(session, one)
  if (reason !== undefined) return { name, result: 'skipped', reason }
  const played = corrected(one)
  let connection: KmipConnection | undefined
  try {
    connection = await KmipConnection.open(session.connect)
    const problem = await new Play(session, played, connection).run()
    return problem === undefined
      ? { name, result: 'passed' }
      : { name, result: 'failed', reason: problem }
  } catch (error) {
    return { name, result: 'failed', reason: (error as Error).message }
  } finally {
    connection?.close()
  }
}

/** Four cases have one request and four answers; a server gives one: CS-RNG-O-1 has ours. */
const OTHER_ANSWER = /^CS-RNG-O-[234]-/

function notApplicable({ offered }: Session, { name, steps, waits }: Case): string | undefined {
  if (waits) return 'it waits two minutes for a date to pass'
  if (OTHER_ANSWER.test(name)) return 'it has another answer to the request of CS-RNG-O-1'
  for (const { request } of steps) {
    const version = versionOf(request)
    const known = offered.get(version as Version)
    if (known === undefined) return `KMIP ${version / 10} is not spoken`
    const missing = operationsOf(request).find((operation) => !known.has(operation))
    if (missing === undefined) continue
    if (SERVER_TO_CLIENT.has(missing)) return `${missing} is called by the server`
    return `the operation ${missing} is not offered`
  }
  return undefined
}

function versionOf(message: XmlElement): number {
  const version = message.children[0]?.children.find(({ name }) => name === 'ProtocolVersion')
  const part = (index: number): number => Number(version?.children[index]?.attributes['value'])
  return part(0) * 10 + part(1)
}

/** Names of the operations of a message, in order. */
function operationsOf(message: XmlElement): readonly string[] {
  const items = message.children.filter(({ name }) => name === 'BatchItem')
  return items.flatMap((item) => fieldOf(item, 'Operation') ?? [])
}

function fieldOf(element: XmlElement, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.attributes['value']
}

class Play {
  readonly #session: Session
  readonly #case: Case
  readonly #connection: KmipConnection
  readonly #bindings = new Bindings()
  readonly #given = new Set<string>()
  /** Whether a padding of the case is random by nature. */
  readonly #randomPadding: boolean

  constructor(session: Session, one: Case, connection: KmipConnection) {
    this.#session = session
    this.#case = one
    this.#connection = connection
    const elements = one.steps.flatMap(({ request }) => [...elementsIn(request)])
    this.#randomPadding = elements.some(isRandomised)
  }

  /** The first difference, or undefined when all answers were as expected. */
  async run(): Promise<string | undefined> {
    for (const [index, step] of this.#case.steps.entries()) {
      const problem = await this.#step(step)
      if (problem === undefined) continue
      return `step ${index + 1} (${operationsOf(step.request).join(', ')}): ${problem}`
    }
    return undefined
  }

  async #step({ request, response }: Step): Promise<string | undefined> {
    for (const { attributes } of elementsIn(request)) this.#given.add(attributes['value'] ?? '')
    // Each operation in parts has a Correlation Value of its own, under the same placeholder.
    if ([...elementsIn(request)].some(isBeginning)) this.#bindings.release('$CORRELATION_VALUE')
    const bound = substitute(request, (text, element) => this.#bindings.inRequest(text, element))
    const answer: Item = await this.#connection.send(itemOfElement(bound, dictionaryOf()))
    const actual = elementsOf(answer)
    this.#remember(actual)
    const generated = this.#isGenerated(bound, actual)
    const found = difference(response, actual, {
      bindings: this.#bindings,
      given: this.#given,
      generated,
      random: this.#isRandom(request),
      required: requiredBy(this.#case.name),
    })
    const said = actual.children.flatMap((item) => fieldOf(item, 'ResultMessage') ?? [])
    return found === undefined || said.length === 0
      ? found
      : `${found}; the server: ${said.join('; ')}`
  }

  /** Whether a message speaks of a key that the server has made. */
  #isGenerated(...messages: readonly XmlElement[]): boolean {
    const ids = messages.flatMap((message) => [...identifiersIn(message)])
    return ids.some((id) => this.#session.generated.has(id))
  }

  #isRandom(request: XmlElement): boolean {
    const operations = operationsOf(request)
    if (operations.includes('RNGRetrieve')) return true
    return this.#randomPadding && operations.some((one) => one === 'Encrypt' || one === 'Sign')
  }

  #remember(answer: XmlElement): void {
    for (const item of answer.children) {
      if (!GENERATING.has(fieldOf(item, 'Operation') ?? '')) continue
      for (const id of identifiersIn(item)) this.#session.generated.add(id)
    }
  }
}

function* identifiersIn(element: XmlElement): Iterable<string> {
  if (element.name.endsWith('UniqueIdentifier')) yield element.attributes['value'] ?? ''
  for (const child of element.children) yield* identifiersIn(child)
}

function* elementsIn(element: XmlElement): Iterable<XmlElement> {
  yield element
  for (const child of element.children) yield* elementsIn(child)
}

function isBeginning({ name, attributes }: XmlElement): boolean {
  return name === 'InitIndicator' && attributes['value'] === 'true'
}

/** OAEP, PSS and PKCS#1 v1.5 encryption, and IVs made by the server. */
function isRandomised({ name, attributes }: XmlElement): boolean {
  const value = attributes['value'] ?? ''
  if (name === 'PaddingMethod') return /^(OAEP|PSS|PKCS1V1_5)$/.test(value)
  return name === 'RandomIV' && value === 'true'
}
