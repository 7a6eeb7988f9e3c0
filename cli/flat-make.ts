/**
 * `node cli/flat-make.ts FILE`: makes the flat program of the agent (`flat.ts`).
 *
 * An agent runs it in the background; see `agent-start.ts`. The files are the user's own. The one
 * that is named is what is run, and appears last.
 *
 * @module
 */
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { flatten } from './flat.ts'

const LOW_PRIORITY = 10
/** A file of a flat program, of this one or of one that was there before. */
const BESIDE = /^[0-9a-f]{32}\.\w+$/
const ENTRY = fileURLToPath(new URL('./agent-start.ts', import.meta.url))
const INSTEAD = fileURLToPath(new URL('./agent-main.ts', import.meta.url))

const [, , path] = process.argv
if (path === undefined) throw new Error('Cannot make a flat program: say which file')
setPriority(LOW_PRIORITY)
const { loader, beside } = await flatten({ entry: ENTRY, instead: INSTEAD })
const folder = dirname(path)
mkdirSync(folder, { recursive: true, mode: 0o700 })
for (const old of readdirSync(folder)) {
  if (BESIDE.test(old) && !beside.has(old)) rmSync(join(folder, old), { force: true })
}
for (const [name, content] of beside) put(join(folder, name), content)
put(path, loader)

/** Whole or not at all, whoever else does the same. */
function put(file: string, content: string | Uint8Array): void {
  const whole = `${file}.${process.pid}`
  try {
    writeFileSync(whole, content, { mode: 0o600, flag: 'wx' })
    renameSync(whole, file)
  } finally {
    rmSync(whole, { force: true })
  }
}
