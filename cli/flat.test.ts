/**
 * Flat programs: of a few modules, and of the agent.
 *
 * @module
 */
import { deepEqual, equal, match, ok, throws } from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { flatten } from './flat.ts'

const folders: string[] = []

/** A folder with modules in it. */
function newFolder(modules: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-flat-'))
  folders.push(folder)
  for (const [name, text] of Object.entries(modules)) {
    mkdirSync(join(folder, name, '..'), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}

after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** Modules that say what they are when their `main()` is called. */
const PROGRAM = {
  'entry.ts': `import { log } from 'node:console'
import { greeting as hello, type Kind } from './words.ts'
import * as numbers from './numbers.ts'
import { parcel } from 'parcel'
import process from 'node:process'

export function main(): void {
  const kind: Kind = 'text'
  log(hello(kind), Object.keys(numbers).join(), parcel(), typeof process.pid)
  log(import.meta.url.endsWith('/entry.ts'))
  void import('./late.ts').then(({ late }) => log(late))
}
`,
  'words.ts': `export type Kind = 'text'

export const GREETING = 'grüß dich'

export function greeting(kind: Kind): string {
  return \`\${GREETING}, \${kind}\`
}
`,
  'numbers.ts': `import { first } from './first.ts'

export * from './more.ts'
export { first as one }

export const two = first + 1
`,
  'first.ts': 'export const first = 1\n',
  'more.ts': 'export const three = 3\nexport class Four {}\n',
  'late.ts': "console.log('late is loaded')\n\nexport const late = 'late'\n",
  'instead.mjs': "console.log('as it stands')\n",
  'node_modules/parcel/package.json': '{ "name": "parcel", "main": "main.js" }',
  'node_modules/parcel/main.js': `const inner = require('./inner')
exports.parcel = () => inner.name + require('node:path').basename('/x/y')
`,
  'node_modules/parcel/inner.js': "exports.name = 'parcel of '\n",
} as const

const OUTPUT = `grüß dich, text Four,one,three,two parcel of y number
true
late is loaded
late
`

/** Puts a flat program into a folder of its own; returns its loader. */
function put(source: string, replaced: Readonly<Record<string, string>> = {}): string {
  const entry = join(source, 'entry.ts')
  const { loader, beside } = flatten({ entry, instead: join(source, 'instead.mjs') })
  const folder = newFolder({ 'run.cjs': loader, ...replaced })
  for (const [name, content] of beside) writeFileSync(join(folder, name), content)
  return join(folder, 'run.cjs')
}

function run(loader: string): string {
  return execFileSync(process.execPath, [loader], { encoding: 'utf8', timeout: 20_000 })
}

describe('a flat program', { timeout: 120_000 }, () => {
  it('does what its modules do, and keeps what was compiled of them', () => {
    const loader = put(newFolder(PROGRAM))
    equal(run(loader), OUTPUT)
    const kept = readdirSync(join(loader, '..')).filter((name) => name.endsWith('.compiled'))
    equal(kept.length, 1)
    equal(statSync(join(loader, '..', kept[0] as string)).mode & 0o777, 0o600)
    equal(run(loader), OUTPUT)
  })

  const changes: readonly (readonly [what: string, file: string])[] = [
    ['a module', 'first.ts'],
    ['a module that is wanted late', 'late.ts'],
    ['a package', 'node_modules/parcel/package.json'],
  ]
  for (const [what, file] of changes) {
    it(`is not run when ${what} has changed, or is gone`, () => {
      const source = newFolder(PROGRAM)
      const loader = put(source)
      writeFileSync(join(source, file), `${PROGRAM[file as keyof typeof PROGRAM]} `)
      equal(run(loader), 'as it stands\n')
      rmSync(join(source, file))
      equal(run(loader), 'as it stands\n')
    })
  }

  it('is made of modules that import each other', () => {
    const loader = put(
      newFolder({
        'entry.ts': `import { even } from './even.ts'

export function main(): void {
  console.log(even(4), even(7))
}
`,
        'even.ts': `import { odd } from './odd.ts'

export const ZERO = 0

export function even(n: number): boolean {
  return n === ZERO || odd(n - 1)
}
`,
        'odd.ts': `import { even, ZERO as nothing } from './even.ts'

export function odd(n: number): boolean {
  return n !== nothing && even(n - 1)
}
`,
      }),
    )
    equal(run(loader), 'true false\n')
  })

  it('is not run when it has lost its text, and is when what was compiled is broken', () => {
    const loader = put(newFolder(PROGRAM))
    const beside = (ending: string): string => {
      const name = readdirSync(join(loader, '..')).find((one) => one.endsWith(ending))
      return join(loader, '..', name as string)
    }
    writeFileSync(beside('.evaluated'), Buffer.alloc(5_000, 7))
    equal(run(loader), OUTPUT)
    rmSync(beside('.js'))
    equal(run(loader), 'as it stands\n')
  })

  const refused: readonly (readonly [what: string, file: string, text: string, why: RegExp])[] = [
    [
      'all exports in a circle',
      'first.ts',
      "export * from './numbers.ts'\nexport const first = 1",
      /each other/,
    ],
    ['a default export', 'first.ts', 'export default 1', /not written as other modules/],
    ['top-level await', 'first.ts', 'export const first = await 1', /await/],
    [
      'a package that is no CommonJS',
      'node_modules/parcel/main.js',
      'export const parcel = 1',
      /no CommonJS/,
    ],
  ]
  for (const [what, file, text, why] of refused) {
    it(`is not made of ${what}`, () => {
      const source = newFolder({ ...PROGRAM, [file]: text })
      throws(() => flatten({ entry: join(source, 'entry.ts'), instead: source }), why)
    })
  }
})

describe('the flat program of the agent', { timeout: 120_000 }, () => {
  const maker = fileURLToPath(new URL('./flat-make.ts', import.meta.url))

  it('is made for nobody else, and without what was there before', () => {
    const folder = newFolder()
    const old = `${'0'.repeat(32)}.js`
    writeFileSync(join(folder, old), '')
    writeFileSync(join(folder, 'of somebody else'), '')
    const loader = join(folder, 'agent.cjs')
    const { stderr, status } = spawnSync(process.execPath, [maker, loader], { encoding: 'utf8' })
    equal(status, 0, stderr)
    const files = readdirSync(folder).sort()
    deepEqual(files.map((name) => name.replace(/^[0-9a-f]{32}/, '*')).sort(), [
      '*.evaluated',
      '*.js',
      'agent.cjs',
      'of somebody else',
    ])
    ok(!files.includes(old))
    for (const name of files.slice(0, 2)) {
      equal(statSync(join(folder, name)).mode & 0o777, 0o600, name)
    }
    // No descriptor of a socket: it gets as far as that.
    const ran = spawnSync(process.execPath, [loader, 'agent', '--fd', '999', '--data', folder], {
      encoding: 'utf8',
      timeout: 20_000,
    })
    equal(ran.status, 1)
    match(ran.stderr, /EBADF|fd/i)
  })
})
