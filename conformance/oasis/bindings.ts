/**
 * Placeholders of a case, and what they stand for in this run.
 *
 * A placeholder is bound by the first answer that holds it and stands for the same value from then
 * on; `$NOW` and its like are times relative to the run. Some cases name a value in a request that
 * no answer has named: it is the last value that came under the same tag.
 *
 * @module
 */
import { createHash, randomUUID } from 'node:crypto'
import type { XmlElement } from '#wire/ttlv/xml.ts'

const TIME = /^\$NOW(?:([+-])(\d+))?$/
/** Identifiers that the client invents (Import). */
const INVENTED = /^\$(SHORT_)?UNIQUE_IDENTIFIER_RANDOM_(\d+)$/

/** Seconds since the epoch that a time placeholder means. */
export function timeOf(placeholder: string, now: number): number | undefined {
  const match = TIME.exec(placeholder)
  if (match === null) return undefined
  return now + Number(`${match[1] ?? '+'}${match[2] ?? 0}`)
}

export class Bindings {
  readonly #values = new Map<string, string>()
  /** Last value of an answer by element name. */
  readonly #last = new Map<string, string>()
  /** What a value that the server may choose is in this run, by what the case shows for it. */
  readonly #chosen = new Map<string, string>()

  /** What a value of the case is in a request. @throws when nothing has bound its placeholder. */
  inRequest(text: string, element: XmlElement): string {
    return text.startsWith('$')
      ? this.#placeholder(text, element)
      : (this.#chosen.get(text) ?? text)
  }

  /** The server has chosen another value than the case shows. */
  choose(shown: string, actual: string): void {
    this.#chosen.set(shown, actual)
  }

  #placeholder(placeholder: string, element: XmlElement): string {
    const time = timeOf(placeholder, Math.floor(Date.now() / 1000))
    if (time !== undefined) return new Date(time * 1000).toISOString()
    const bound = this.#values.get(placeholder) ?? this.#invented(placeholder)
    const found = bound ?? this.#last.get(element.name)
    if (found === undefined) throw new Error(`${placeholder} is used before an answer has named it`)
    this.#values.set(placeholder, found)
    return found
  }

  /** The value that an answer must have; undefined while it is free to choose. */
  expected(placeholder: string): string | undefined {
    return this.#values.get(placeholder)
  }

  bind(placeholder: string, value: string): void {
    this.#values.set(placeholder, value)
  }

  /** What comes under this placeholder next is another value. */
  release(placeholder: string): void {
    this.#values.delete(placeholder)
  }

  /** Remembers what an answer held. */
  seen(name: string, value: string): void {
    this.#last.set(name, value)
  }

  #invented(placeholder: string): string | undefined {
    const match = INVENTED.exec(placeholder)
    if (match === null) return undefined
    const long = `$UNIQUE_IDENTIFIER_RANDOM_${match[2]}`
    const id = this.#values.get(long) ?? randomUUID()
    this.#values.set(long, id)
    return match[1] === undefined ? id : createHash('sha256').update(id).digest('hex')
  }
}
