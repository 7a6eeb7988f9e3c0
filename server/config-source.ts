/**
 * The file of the configuration: read as YAML, and where in it a key stands.
 *
 * What the keys mean is in `config.ts`.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { type Document, isMap, isNode, LineCounter, parseDocument } from 'yaml'

/** A configuration that cannot be used; the message says where and what. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

export interface Source {
  readonly path: string
  readonly document: Document
  readonly lines: LineCounter
}

export function readSource(path: string): Source {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigError(`${path}: cannot be read: ${(error as Error).message}`)
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const [error] = document.errors
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0])
    throw new ConfigError(`${path}:${line}:${col}: is no YAML: ${error.message}`)
  }
  if (document.contents !== null && typeof document.toJS() !== 'object') {
    throw new ConfigError(`${path}:1:1: must hold keys and values, such as "kmip:"`)
  }
  return { path, document, lines }
}

export function where(
  path: readonly PropertyKey[],
  source: Source | undefined,
  variables: ReadonlyMap<string, string>,
): string {
  const key = path.map(String).join('.')
  const variable = variables.get(key)
  if (variable !== undefined) return `${variable} (${key})`
  if (source === undefined) return key
  const { line, col } = source.lines.linePos(offsetOf(path, source.document))
  return `${source.path}:${line}:${col}: ${key}`
}

/** Where the key stands in the file, or the nearest thing around it. */
function offsetOf(path: readonly PropertyKey[], document: Document): number {
  for (let length = path.length; length > 0; length--) {
    const parent = document.getIn(path.slice(0, length - 1), true)
    const key = String(path[length - 1])
    const pair = isMap(parent) ? parent.items.find((one) => String(one.key) === key) : undefined
    const node = pair?.key ?? document.getIn(path.slice(0, length), true)
    const offset = isNode(node) ? node.range?.[0] : undefined
    if (offset !== undefined) return offset
  }
  return 0
}
