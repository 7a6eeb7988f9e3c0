/**
 * The file of the configuration, read as YAML.
 *
 * What the keys mean is in `config.ts`, where they stand in `config-problems.ts`.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { type Document, LineCounter, parseDocument } from 'yaml'
import type { Source } from './config-problems.ts'

/** A configuration that cannot be used; the message says where and what. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** @throws {@link ConfigError} that says where it is no YAML. */
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
  const value = plainValue(path, document)
  if (value !== null && (typeof value !== 'object' || Array.isArray(value))) {
    throw new ConfigError(`${path}:1:1: must hold keys and values, such as "kmip:"`)
  }
  return { path, document, lines, value }
}

/** @throws {@link ConfigError} for a reference that leads nowhere, or to too much. */
function plainValue(path: string, document: Document): unknown {
  try {
    return document.toJS()
  } catch (error) {
    throw new ConfigError(`${path}:1:1: is no YAML: ${(error as Error).message}`)
  }
}
