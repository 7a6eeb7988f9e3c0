/**
 * SoftHSM2 with the manners of other devices (`manners.c`, `large-handles.c`), for tests.
 *
 * @module
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SOFTHSM } from './softhsm.ts'

const hasCompiler = spawnSync('cc', ['--version']).status === 0
const missing = SOFTHSM === undefined ? 'softhsm2' : 'cc'

/** Why it cannot be had here; false where it can. */
export const withoutManners =
  SOFTHSM !== undefined && hasCompiler ? false : `${missing} is not installed`

/**
 * @param name Of the source, beside this file.
 * @returns Path of the module, in this folder.
 */
export function softHsmWithManners(folder: string, name = 'manners'): string {
  const path = SOFTHSM as string
  const source = fileURLToPath(new URL(`./${name}.c`, import.meta.url))
  const module = join(folder, `${name}.so`)
  // Whatever it does not have itself is found in SoftHSM2.
  const find = `-Wl,--no-as-needed,-rpath,${dirname(path)}`
  const options = [`-DSOFTHSM="${path}"`, '-Wall', '-Werror', '-shared', '-fPIC']
  execFileSync('cc', [...options, '-o', module, source, find, path], { stdio: 'inherit' })
  return module
}
