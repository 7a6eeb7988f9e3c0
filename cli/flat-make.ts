/**
 * `node cli/flat-make.ts FILE`: makes the flat program of the agent (`flat.ts`).
 *
 * An agent runs it in the background; see `agent-start.ts`. The files are the user's own. The one
 * that is named is what is run, and appears last.
 *
 * @module
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { flatten } from './flat.ts'

const LOW_PRIORITY = 10
const PROGRAM = fileURLToPath(new URL('./agent-main.ts', import.meta.url))

const [, , path] = process.argv
if (path === undefined) throw new Error('Cannot make a flat program: say which file')
setPriority(LOW_PRIORITY)
const { loader, text } = flatten({ entry: PROGRAM, instead: PROGRAM })
const folder = dirname(path)
mkdirSync(folder, { recursive: true, mode: 0o700 })
// A loader that reads the text of another says what is old only if its own is there first.
rmSync(path, { force: true })
rmSync(join(folder, 'compiled'), { force: true })
put(join(folder, 'text.js'), text)
put(path, loader)

/** Whole or not at all, whoever else does the same. */
function put(file: string, content: string): void {
  const whole = `${file}.${process.pid}`
  try {
    writeFileSync(whole, content, { mode: 0o600, flag: 'wx' })
    renameSync(whole, file)
  } finally {
    rmSync(whole, { force: true })
  }
}
