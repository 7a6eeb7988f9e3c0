/**
 * The OASIS test cases: XML files with the requests and responses of one session.
 *
 * KMIP Profiles 2.1 §5.4 (encoding) and the "Test Cases" documents of KMIP 1.0 to 2.1. A file is a
 * sequence of RequestMessage and ResponseMessage elements; `$NAME` values are placeholders, `$NOW`
 * and `$NOW+3600` are times relative to the run. Remarks between the elements are ignored.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { parseXmlElements, type XmlElement } from '#wire/ttlv/xml.ts'

/** Request and expected response. */
export interface Step {
  readonly request: XmlElement
  readonly response: XmlElement
}

/** What a remark of the author asks for before the case can be played. */
const REPEAT = /\[REPEAT\] until/

export interface Case {
  /** File name without its ending, as the published lists name the case. */
  readonly name: string
  readonly steps: readonly Step[]
  /** Whether a step has to be repeated until a date has passed: minutes. */
  readonly waits: boolean
  /** Why it cannot be played: the file is no case. */
  readonly unreadable?: string
}

/** Published cases are small; the limits only keep a wrong file from being read for ever. */
const LIMITS = { depthMax: 64, itemsMax: 100_000 }

/**
 * Reads one file. Most have a response behind every request; where several requests stand together
 * (TC-DERIVEKEY-4-10), their responses follow in the same order.
 *
 * @throws when the file is no sequence of requests and responses.
 */
export function readCase(path: string): Case {
  const name = nameOfCase(path)
  const text = readFileSync(path, 'utf8')
  const steps: Step[] = []
  const waiting: XmlElement[] = []
  for (const [index, message] of messagesOf(text).entries()) {
    if (message.name === 'RequestMessage') {
      waiting.push(message)
      continue
    }
    const request = waiting.shift()
    if (request === undefined || message.name !== 'ResponseMessage') {
      throw new Error(`Cannot read case ${name}: message ${index + 1} answers no request`)
    }
    steps.push({ request, response: message })
  }
  if (waiting.length > 0 || steps.length === 0) {
    const what =
      steps.length === 0 ? 'it has no request with a response' : 'a request has no response'
    throw new Error(`Cannot read case ${name}: ${what}`)
  }
  return { name, steps, waits: REPEAT.test(text) }
}

/** The same, where one file that is no case must not keep the others from being played. */
export function readOrTell(path: string): Case {
  try {
    return readCase(path)
  } catch (error) {
    const unreadable = (error as Error).message
    return { name: nameOfCase(path), steps: [], waits: false, unreadable }
  }
}

function nameOfCase(path: string): string {
  return basename(path, '.xml')
}

/** All messages of a file, in order. */
export function readMessages(path: string): readonly XmlElement[] {
  return messagesOf(readFileSync(path, 'utf8'))
}

function messagesOf(text: string): readonly XmlElement[] {
  const root = parseXmlElements(text, LIMITS)
  return root.children.filter(({ name }) => name.endsWith('Message'))
}

/** The element with every value replaced by what `value` returns for it. */
export function substitute(
  element: XmlElement,
  value: (text: string, element: XmlElement) => string,
): XmlElement {
  const { attributes } = element
  const found = attributes['value']
  const replaced = found === undefined ? undefined : value(found, element)
  return {
    name: element.name,
    attributes: replaced === found ? attributes : { ...attributes, value: replaced as string },
    children: element.children.map((inner) => substitute(inner, value)),
  }
}
