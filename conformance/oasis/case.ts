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
}

/** Published cases are small; the limits only keep a wrong file from being read for ever. */
const LIMITS = { depthMax: 64, itemsMax: 100_000 }

/**
 * Reads one file.
 *
 * @throws when the file is no sequence of requests and responses in turn.
 */
export function readCase(path: string): Case {
  const name = basename(path, '.xml')
  const text = readFileSync(path, 'utf8')
  const messages = messagesOf(text)
  const steps: Step[] = []
  for (let index = 0; index < messages.length; index += 2) {
    const [request, response] = [messages[index], messages[index + 1]]
    if (request?.name !== 'RequestMessage' || response?.name !== 'ResponseMessage') {
      throw new Error(`Cannot read case ${name}: message ${index + 1} has no response behind it`)
    }
    steps.push({ request, response })
  }
  return { name, steps, waits: REPEAT.test(text) }
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
