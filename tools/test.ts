/**
 * Everything that `npm test` checks: types, style, then all tests; closes with a line of counts.
 *
 * Arguments are test files or folders; without any, all `*.test.ts` of the project run. The two
 * checks of the source count as one test each.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { globSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'

/** A test that hangs is ended, and fails. In milliseconds. */
const TEST_MILLISECONDS = 600_000

interface Counts {
  passed: number
  failed: number
  skipped: number
}

const CHECKS = [
  { name: 'types', command: 'tsc', args: ['-p', '.'] },
  { name: 'style', command: 'biome', args: ['ci', '--reporter=summary', '.'] },
]

function check(counts: Counts): void {
  for (const { name, command, args } of CHECKS) {
    const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] })
    const passed = status === 0
    console.log(`${passed ? '✔' : '✖'} ${name}${error ? `: ${error.message}` : ''}`)
    if (passed) counts.passed++
    else counts.failed++
  }
}

function testFiles(paths: readonly string[]): string[] {
  const pattern = '**/*.test.ts'
  if (paths.length === 0) return globSync(pattern, { exclude: ['**/node_modules'] }).sort()
  return paths.flatMap((path) => {
    if (!statSync(path).isDirectory()) return [path]
    return globSync(pattern, { cwd: path }).map((name) => join(path, name))
  })
}

/** Runs the files side by side, one process each. */
async function test(files: string[], counts: Counts): Promise<void> {
  const concurrency = Math.max(2, availableParallelism())
  const events = run({ files, concurrency, timeout: TEST_MILLISECONDS })
  events.on('test:summary', ({ file, counts: found }) => {
    if (file !== undefined) return
    counts.passed += found.passed
    counts.failed += found.tests - found.passed - found.skipped - found.todo
    counts.skipped += found.skipped + found.todo
  })
  const report = events.compose(spec)
  for await (const text of report) process.stdout.write(text)
}

const counts: Counts = { passed: 0, failed: 0, skipped: 0 }
const paths = process.argv.slice(2)
if (paths.length === 0) check(counts)
await test(testFiles(paths), counts)
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
if (counts.failed > 0) process.exitCode = 1
