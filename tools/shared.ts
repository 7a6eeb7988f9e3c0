/**
 * Where the published references and vectors lie, for the tests that use them.
 *
 * They stand beside the project (`../shared`) and are never copied into it; a test that needs them
 * skips, and says so, when they are absent.
 *
 * @module
 */
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../shared/', import.meta.url))

/** Path of a file or folder under `shared`, or undefined when it is not there. */
export function sharedPath(relative: string): string | undefined {
  const path = `${ROOT}${relative}`
  return existsSync(path) ? path : undefined
}

/** Option for a test that needs `shared/<relative>`: skips it, with the reason, when absent. */
export function needsShared(relative: string): { readonly skip: string | false } {
  return { skip: sharedPath(relative) === undefined && `../shared/${relative} is not here` }
}

/** Files below a folder of `shared` whose name ends so, sorted; none when the folder is absent. */
export function sharedFiles(relative: string, ending: string): readonly string[] {
  const path = sharedPath(relative)
  if (path === undefined) return []
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => `${path}/${name}`)
}
