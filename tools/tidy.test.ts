/**
 * The house rules, checked on every file of the project, and the checker on files that break them.
 *
 * @module
 */
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkPlaces, checkSource, describeViolations, MAY_IMPORT } from './tidy.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** What no person writes, and what nobody commits. */
const SKIPPED = new Set(['node_modules', '.git', 'data', 'build', 'results'])
/** The checker itself names what it forbids. */
const NAMES_THEM = new Set(['tools/tidy.ts', 'tools/tidy.test.ts'])
function filesBelow(folder: string): readonly string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (SKIPPED.has(entry.name)) return []
    if (entry.isDirectory()) return filesBelow(path)
    return entry.isFile() ? [path] : []
  })
}

const FILES = filesBelow('')
const TEXT_ENDINGS = new Set([
  '.ts',
  '.md',
  '.json',
  '.yaml',
  '.yml',
  '.sql',
  '.sh',
  '.c',
  '.h',
  '',
])

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

describe('house rules', () => {
  const sources = FILES.filter((path) => path.endsWith('.ts') && !NAMES_THEM.has(path))

  it('are kept by every TypeScript file', () => {
    ok(sources.length > 100, `found ${sources.length} files only`)
    strictEqual(describeViolations(sources.flatMap((path) => checkSource(path, read(path)))), '')
  })

  it('let no other text file name a place of the machine or a registry', () => {
    const others = FILES.filter((path) => TEXT_ENDINGS.has(extname(path)) && !path.endsWith('.ts'))
    ok(others.length > 5, `found ${others.length} files only`)
    strictEqual(describeViolations(others.flatMap((path) => checkPlaces(path, read(path)))), '')
  })

  it('know every folder that has source files', () => {
    const apart = ['conformance', 'bench', 'tools', 'module', 'console']
    const folders = new Set(sources.map((path) => path.split('/')[0] as string))
    const unknown = [...folders].filter((name) => !(name in MAY_IMPORT) && !apart.includes(name))
    deepStrictEqual(unknown, [])
  })
})

/** A file that breaks no rule, with lines put into it. */
function fileWith(...lines: readonly string[]): string {
  return ['/**', ' * What it is.', ' *', ' * @module', ' */', ...lines, ''].join('\n')
}

function said(path: string, text: string): readonly string[] {
  return checkSource(path, text).map(({ line, what }) => `${line}: ${what}`)
}

const LONG = `// ${'x'.repeat(98)}`

describe('the checker', () => {
  it('says nothing about a good file', () => {
    const good = fileWith(
      "import { A } from '#wire/a.ts'",
      "import { b } from './b.ts'",
      "// process.exit() and any are only spoken of: 'Math.random()'",
      "export const TEXT = 'eval() of any'",
    )
    deepStrictEqual(said('core/x.ts', good), [])
  })

  it('misses a header', () => {
    const what = ['1: does not begin with a docblock that ends with @module']
    deepStrictEqual(said('core/x.ts', 'export const A = 1\n'), what)
    deepStrictEqual(said('core/x.ts', '/**\n * What it is.\n */\nexport const A = 1\n'), what)
    deepStrictEqual(said('core/x.ts', `// first\n${fileWith()}`), what)
  })

  it('measures lines in characters, but not in marked tables', () => {
    deepStrictEqual(said('core/x.ts', fileWith(LONG)), ['6: 101 columns; 100 are allowed'])
    deepStrictEqual(said('core/x.ts', fileWith(`// ${'§'.repeat(97)}`)), [])
    deepStrictEqual(said('core/x.ts', fileWith(`const what = '${'x'.repeat(95)}'`)), [])
    const message = said('core/x.ts', fileWith(`const what = '${'x'.repeat(96)}'`))
    deepStrictEqual(message, ['6: 111 columns; 110 are allowed'])
    const table = ['// biome-ignore format: a table', 'const T = {', `  ${LONG}`, '}']
    deepStrictEqual(said('core/x.ts', fileWith(...table)), [])
    const after = said('core/x.ts', fileWith(...table, LONG))
    deepStrictEqual(after, ['10: 101 columns; 100 are allowed'])
  })

  const upward: readonly (readonly [path: string, line: string, from: string])[] = [
    ['wire/ttlv/x.ts', "import { A } from '#spec/kmip/tags.ts'", 'spec'],
    ['spec/x.ts', "import type { A } from '#core/a.ts'", 'core'],
    ['core/operations/x.ts', "import { A } from '../../fronts/kmip/call.ts'", 'fronts'],
    ['core/x.ts', "export { A } from '#clients/kmip/client.ts'", 'clients'],
    ['clients/kmip/x.ts', "import { A } from '#core/errors.ts'", 'core'],
    ['fronts/kmip/x.ts', "const a = await import('#keystores/software/software.ts')", 'keystores'],
    ['keystores/x.ts', "import '#databases/sqlite/sqlite.ts'", 'databases'],
    ['databases/x.ts', "import { A } from '#server/house.ts'", 'server'],
    ['server/x.ts', "import { A } from '#cli/main.ts'", 'cli'],
    ['cli/x.ts', "import { A } from '#tools/shared.ts'", 'tools'],
  ]
  for (const [path, line, from] of upward) {
    it(`finds that ${path} imports from ${from}`, () => {
      const [only, ...more] = said(path, fileWith(line))
      ok(only?.startsWith(`6: imports from ${from}; `), String(only))
      deepStrictEqual(more, [])
    })
  }

  it('lets tests and tools import anything', () => {
    const line = "import { A } from '#cli/main.ts'"
    deepStrictEqual(said('wire/x.test.ts', fileWith(line)), [])
    deepStrictEqual(said('bench/x.ts', fileWith(line)), [])
  })

  it('finds a package that is imported without what it needs', () => {
    const line = "import * as z from 'zod'"
    const what = ['6: imports zod without #core/uncompiled.ts, which says why']
    deepStrictEqual(said('server/x.ts', fileWith(line)), what)
    deepStrictEqual(said('server/x.ts', fileWith(line, "import '#core/uncompiled.ts'")), [])
    deepStrictEqual(said('server/x.ts', fileWith("import type * as z from 'zod'")), [])
    deepStrictEqual(said('core/uncompiled.ts', fileWith(line)), [])
  })

  const banned: readonly (readonly [path: string, line: string])[] = [
    ['cli/x.ts', 'process.exit(1)'],
    ['core/x.ts', "console.log('a')"],
    ['core/x.ts', 'const a = b as any'],
    ['core/x.ts', 'function f(a: any) {}'],
    ['core/x.ts', 'const a: any[] = []'],
    ['tools/x.ts', "eval('1')"],
    ['keystores/x.ts', 'const a = Math.random()'],
    ['core/x.ts', '// @ts-ignore'],
    ['core/x.ts', `const path = '/${'home'}/me'`],
  ]
  for (const [path, line] of banned) {
    it(`finds ${line} in ${path}`, () => {
      strictEqual(said(path, fileWith(line)).length, 1)
    })
  }

  it('allows in one place what is banned in another', () => {
    deepStrictEqual(said('cli/x.ts', fileWith("console.log('a')")), [])
    deepStrictEqual(said('bench/x.ts', fileWith('const a = Math.random()')), [])
  })
})
