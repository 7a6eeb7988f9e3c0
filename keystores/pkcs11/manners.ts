/**
 * SoftHSM2 with the manners of other devices (`manners.c`), for tests.
 *
 * @module
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SOFTHSM } from './softhsm.ts'

const SOURCE = fileURLToPath(new URL('./manners.c', import.meta.url))
const hasCompiler = spawnSync('cc', ['--version']).status === 0
const missing = SOFTHSM === undefined ? 'softhsm2' : 'cc'

/** Why it cannot be had here; false where it can. */
export const withoutManners =
  SOFTHSM !== undefined && hasCompiler ? false : `${missing} is not installed`

/** @returns Path of the module, in this folder. */
export function softHsmWithManners(folder: string): string {
  const path = SOFTHSM as string
  const module = join(folder, 'manners.so')
  // Whatever it does not have itself is found in SoftHSM2.
  const find = `-Wl,--no-as-needed,-rpath,${dirname(path)}`
  const options = [`-DSOFTHSM="${path}"`, '-Wall', '-Werror', '-shared', '-fPIC']
  execFileSync('cc', [...options, '-o', module, SOURCE, find, path], { stdio: 'inherit' })
  return module
}
