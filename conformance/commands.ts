/**
 * `claviger` as a person runs it, in a folder and on the data of a server: for tests of commands.
 *
 * @module
 */
import { match, strictEqual } from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const LAUNCHER = fileURLToPath(new URL('../bin/claviger', import.meta.url))
const RUN_MILLISECONDS = 60_000

interface Place {
  readonly folder: string
  readonly dataDir: string
}

interface Said {
  readonly code: number | null
  readonly out: string
  readonly errors: string
}

function claviger(line: string, { folder, dataDir }: Place): Promise<Said> {
  return new Promise((resolve) => {
    const options = { cwd: folder, timeout: RUN_MILLISECONDS }
    const child = spawn(LAUNCHER, [...line.split(' '), '--data', dataDir], options)
    let [out, errors] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk
    })
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk
    })
    child.stdin.end()
    child.once('close', (code) => resolve({ code, out, errors }))
  })
}

/** @param place Asked at each command: tests are declared before there is a server. */
export function commandsIn(place: () => Place) {
  return {
    /** Runs a command, however it ends. */
    run: (line: string): Promise<Said> => claviger(line, place()),
    /** Runs commands that must work, one after the other; what the last one has said. */
    async done(...lines: readonly string[]): Promise<string> {
      let said = ''
      for (const line of lines) {
        const { code, out, errors } = await claviger(line, place())
        strictEqual(code, 0, `${line}: ${errors}`)
        said = out
      }
      return said
    },
    /** Runs a command that must not work, and must say why. */
    async refused(line: string, why: RegExp): Promise<void> {
      const { code, errors } = await claviger(line, place())
      strictEqual(code === 0, false, `${line} has worked`)
      match(errors, why)
    },
  }
}
