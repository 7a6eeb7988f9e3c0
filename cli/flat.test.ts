/**
 * Flat programs: of a few modules, and of the agent.
 *
 * @module
 */
import { deepEqual, doesNotMatch, equal, match, rejects } from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type FlatProgram, flatten } from './flat.ts'

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

/** Modules that say what they are. */
const PROGRAM = {
  'entry.ts': `import { log } from 'node:console'
import process from 'node:process'
import { greeting as hello, type Kind } from '#inner/words.ts'
import * as numbers from './numbers.ts'
import { parcel } from 'parcel'
import { crate } from '@port/crate'

export function main(): void {
  const kind: Kind = 'text'
  log(hello(kind), Object.keys(numbers).join(), parcel(), crate, typeof process.pid)
  log(process.env['CLAVIGER_FLAT'] === undefined ? 'flat' : 'as it stands')
  void import('./late.ts').then(({ late }) => log(late))
}
`,
  'instead.ts': "import { main } from './entry.ts'\n\nmain()\n",
  'package.json': '{ "type": "module", "imports": { "#inner/*": "./inner/*" } }',
  'inner/words.ts': `import { basename } from 'node:path'

export type Kind = 'text'

const file = basename(import.meta.url)
const folder = basename(import.meta.dirname)

export function greeting(kind: Kind): string {
  return \`grüß dich, \${kind} of \${file} in \${folder}\`
}
`,
  'numbers.ts': `import { first } from './first.ts'

export * from './more.ts'
export { first as one }

export const two = first + 1
`,
  'first.ts': `import { two } from './numbers.ts'

export const first = 1
export const second = (): number => two
`,
  'more.ts': 'export const three = 3\nexport class Four {}\n',
  'late.ts': "console.log('late is loaded')\n\nexport const late = 'late'\n",
  'node_modules/parcel/package.json': '{ "name": "parcel", "main": "main.js" }',
  'node_modules/parcel/main.js': `const inner = require('./inner')
exports.parcel = () => inner.name + require('node:path').basename('/x/y')
`,
  'node_modules/parcel/inner.js': "exports.name = 'parcel of '\n",
  'node_modules/@port/crate/package.json': `{ "name": "@port/crate", "type": "module", "exports": {
  "module": "./bundled.js", "import": "./crate.js", "default": "./other.js" } }`,
  'node_modules/@port/crate/crate.js': "export const crate = 'crate'\n",
} as const

const OUTPUT = `grüß dich, text of words.ts in inner Four,one,three,two parcel of y crate number
flat
late is loaded
late
`

function programIn(source: string): FlatProgram {
  return { entry: join(source, 'entry.ts'), instead: join(source, 'instead.ts') }
}

/** Puts a flat program into a folder of its own; returns the path of its loader. */
async function put(source: string): Promise<string> {
  const { loader, beside } = await flatten(programIn(source))
  const folder = newFolder({ 'run.cjs': loader })
  for (const [name, content] of beside) writeFileSync(join(folder, name), content)
  return join(folder, 'run.cjs')
}

function run(program: string): string {
  const env = { ...process.env, CLAVIGER_FLAT: program }
  return execFileSync(process.execPath, [program], { encoding: 'utf8', timeout: 20_000, env })
}

describe('a flat program', { timeout: 120_000 }, () => {
  it('does what its modules do', async () => {
    const source = newFolder(PROGRAM)
    equal(run(await put(source)), OUTPUT)
    equal(run(join(source, 'instead.ts')), OUTPUT.replace('flat', 'as it stands'))
  })

  it('keeps what was compiled of it, and compiles it again when that is broken or old', async () => {
    const program = await put(newFolder(PROGRAM))
    const beside = (ending: string): string => {
      const name = readdirSync(join(program, '..')).find((one) => one.endsWith(ending))
      return join(program, '..', name as string)
    }
    equal(run(program), OUTPUT)
    const { mode, size } = statSync(beside('.compiled'))
    equal(mode & 0o777, 0o600)
    equal(run(program), OUTPUT)
    writeFileSync(beside('.compiled'), Buffer.alloc(5_000, 7))
    equal(run(program), OUTPUT)
    equal(statSync(beside('.compiled')).size, size)
    rmSync(beside('.js'))
    equal(run(program), OUTPUT.replace('flat', 'as it stands'))
  })

  const changes: readonly (readonly [what: string, file: keyof typeof PROGRAM])[] = [
    ['a module', 'first.ts'],
    ['a module that is wanted late', 'late.ts'],
    ['a package', 'node_modules/parcel/package.json'],
    ['a package of an organisation', 'node_modules/@port/crate/package.json'],
  ]
  for (const [what, file] of changes) {
    it(`runs the modules as they stand when ${what} has changed`, async () => {
      const source = newFolder(PROGRAM)
      const program = await put(source)
      writeFileSync(join(source, file), `${PROGRAM[file]} `)
      equal(run(program), OUTPUT.replace('flat', 'as it stands'))
    })
  }

  it('notices that a module is gone', async () => {
    const source = newFolder(PROGRAM)
    const program = await put(source)
    rmSync(join(source, 'more.ts'))
    const { stdout, stderr } = spawnSync(process.execPath, [program], { encoding: 'utf8' })
    equal(stdout, '')
    match(stderr, /ERR_MODULE_NOT_FOUND/)
  })

  const refused: readonly (readonly [what: string, text: string, why: RegExp])[] = [
    ['top-level await', 'export const first = await 1', /await/],
    ['what is no program', 'export const first = = 1', /Unexpected/],
    ['what is not there', "export { first } from './gone.ts'", /resolve/],
    ['a module that asks for more of itself', 'export const first = import.meta.main', /meta/],
  ]
  for (const [what, text, why] of refused) {
    it(`is not made of ${what}`, async () => {
      const source = newFolder({ ...PROGRAM, 'first.ts': text })
      await rejects(flatten(programIn(source)), why)
    })
  }
})

describe('the flat program of the agent', { timeout: 120_000 }, () => {
  const maker = fileURLToPath(new URL('./flat-make.ts', import.meta.url))

  function make(program: string, environment: Readonly<Record<string, string>> = {}) {
    const env = { ...process.env, ...environment }
    return spawnSync(process.execPath, [maker, program], { encoding: 'utf8', env })
  }

  it('is made for nobody else, and without what was there before', () => {
    const program = join(newFolder(), 'claviger', 'flat', 'agent.cjs')
    const folder = join(program, '..')
    const { status, stderr } = make(program)
    equal(status, 0, stderr)
    equal(statSync(folder).mode & 0o777, 0o700)
    writeFileSync(join(folder, `${'0'.repeat(32)}.js`), '')
    writeFileSync(join(folder, 'of somebody else'), '')
    equal(make(program).status, 0)
    const files = readdirSync(folder).filter((name) => name !== 'of somebody else')
    const names = files.map((name) => name.replace(/^[0-9a-f]{32}/, '*')).sort()
    deepEqual(names, ['*.evaluated', '*.js', 'agent.cjs'])
    equal(readdirSync(folder).includes('of somebody else'), true)
    for (const name of files) equal(statSync(join(folder, name)).mode & 0o777, 0o600)
    const text = files.find((name) => name.endsWith('.js'))
    // All of zod would be: it has the words of fifty languages.
    doesNotMatch(readFileSync(join(folder, text ?? ''), 'latin1'), /locales\/de\.js/)
    // No descriptor of a socket: it gets as far as that.
    const args = [program, 'agent', '--fd', '999', '--data', newFolder()]
    const ran = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 20_000 })
    equal(ran.status, 1)
    match(ran.stderr, /EBADF|fd/i)
  })

  it('is not made where esbuild does not run', () => {
    const folder = newFolder()
    const { status } = make(join(folder, 'agent.cjs'), { ESBUILD_BINARY_PATH: '/dev/null' })
    equal(status, 1)
    deepEqual(readdirSync(folder), [])
  })
})
