/**
 * All modules of a program in one file, for a program that must start at once.
 *
 * Node takes most of the time of a start to find several hundred modules, one after the other, and
 * to compile them. esbuild puts them together: modules that are imported late stay late, packages
 * that are imported late stay where they are. What it was made of, a flat program looks at first:
 * where anything has changed, it runs the modules as they stand instead. Beside it lies what V8 has
 * compiled of it, with what was compiled only when it was called: Node's own cache leaves that out.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, extname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Script } from 'node:vm'
import { build, type Loader, type Plugin, stop } from 'esbuild'

/** Times and sizes of the files that a flat program is made of. */
type Sources = Map<string, readonly [modified: number, bytes: number]>

/** What `import.meta.url` and `import.meta.dirname` become: constants of each module. */
const DEFINE = { 'import.meta.url': '__metaUrl', 'import.meta.dirname': '__metaDirname' }
const LOADERS: Readonly<Record<string, Loader>> = { '.ts': 'ts', '.json': 'json' }
/** Up to the name of a package. */
const PACKAGE = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/

/** Enough to tell one text from another; nobody but the user writes any. */
const DIGEST_LETTERS = 32
/** By when the program has compiled what starting takes. */
const SETTLED_MILLISECONDS = 1_000

export interface FlatProgram {
  /** Module whose `main()` is called. */
  readonly entry: string
  /** Program that is run instead when a source has changed. */
  readonly instead: string
}

/** What Node runs, and the files beside it, whose names no other loader knows. */
export interface FlatFiles {
  readonly loader: string
  readonly beside: ReadonlyMap<string, string | Uint8Array>
}

/**
 * Makes a flat program of a module and all that it imports, which are evaluated.
 *
 * @throws Where that cannot be done, and where esbuild is not installed or does not run.
 */
export async function flatten({ entry, instead }: FlatProgram): Promise<FlatFiles> {
  const sources: Sources = new Map()
  try {
    const { outputFiles } = await build({
      entryPoints: [entry],
      absWorkingDir: dirname(entry),
      bundle: true,
      platform: 'node',
      target: `node${process.versions.node}`,
      format: 'cjs',
      // Letters of one byte are read without decoding them.
      charset: 'ascii',
      // As Node finds packages: by default, esbuild prefers what they have for bundlers.
      conditions: [],
      define: DEFINE,
      plugins: [asNodeDoes(sources)],
      legalComments: 'none',
      logLevel: 'silent',
      logOverride: { 'empty-import-meta': 'error' },
      write: false,
    })
    const text = `(require, module) => {${outputFiles[0]?.text}\nreturn module.exports.main}`
    const script = new Script(text)
    script.runInThisContext()(createRequire(entry), { exports: {} })
    const digest = createHash('sha256').update(text).digest('hex').slice(0, DIGEST_LETTERS)
    const beside = new Map<string, string | Uint8Array>([
      [`${digest}.js`, text],
      // What V8 compiles when all modules are evaluated, and nothing is done with them yet.
      [`${digest}.evaluated`, script.createCachedData()],
    ])
    return { loader: loaderOf(instead, digest, sources), beside }
  } finally {
    await stop()
  }
}

/** Notes what is read, and lets each module be where it is. */
function asNodeDoes(sources: Sources): Plugin {
  return {
    name: 'as Node does',
    setup({ onLoad, onResolve }) {
      onResolve({ filter: /^[^#./]/ }, ({ kind, path }) => {
        const isLate = kind === 'dynamic-import'
        return isLate ? { path: import.meta.resolve(path), external: true } : undefined
      })
      onLoad({ filter: /^/, namespace: 'file' }, ({ path }) => {
        const watched = PACKAGE.exec(path)
        note(watched === null ? path : `${watched[0]}/package.json`, sources)
        const text = readFileSync(path, 'utf8')
        const loader = LOADERS[extname(path)] ?? 'js'
        return { contents: text.includes('import.meta') ? placed(path, text) : text, loader }
      })
    },
  }
}

/** Before it is read: what changes afterwards makes the flat program old. */
function note(path: string, sources: Sources): void {
  if (sources.has(path)) return
  const { mtimeMs, size } = statSync(path)
  sources.set(path, [mtimeMs, size])
}

function placed(path: string, text: string): string {
  const url = JSON.stringify(pathToFileURL(path).href)
  return `const __metaUrl = ${url}, __metaDirname = ${JSON.stringify(dirname(path))}; ${text}`
}

function loaderOf(instead: string, digest: string, sources: Sources): string {
  const { version } = process
  const made = { version, digest, instead: pathToFileURL(instead).href, sources: [...sources] }
  return `'use strict'
// Made by claviger, which makes it anew when a file that it was made of has changed.
const made = ${JSON.stringify(made)}
${LOADER}`
}

const LOADER = `const { readFileSync, renameSync, statSync, writeFileSync } = require('node:fs')
const { constants, Script } = require('node:vm')
const [filename, compiled, evaluated] = ['.js', '.compiled', '.evaluated'].map((ending) => {
  return __dirname + '/' + made.digest + ending
})
function isFresh() {
  return process.version === made.version && made.sources.every(([path, [modified, bytes]]) => {
    const found = statSync(path, { throwIfNoEntry: false })
    return found !== undefined && found.mtimeMs === modified && found.size === bytes
  })
}
function read(file, encoding) {
  try {
    return readFileSync(file, encoding)
  } catch {}
}
function run(text) {
  delete process.env.CLAVIGER_FLAT
  const kept = read(compiled)
  const cachedData = kept ?? read(evaluated)
  const importModuleDynamically = constants.USE_MAIN_CONTEXT_DEFAULT_LOADER
  const script = new Script(text, { filename, cachedData, importModuleDynamically })
  if (kept === undefined || script.cachedDataRejected) keep(script)
  script.runInThisContext()(require, module)()
}
function keep(script) {
  const write = () => {
    process.off('exit', write)
    try {
      const whole = compiled + '.' + process.pid
      writeFileSync(whole, script.createCachedData(), { mode: 0o600 })
      renameSync(whole, compiled)
    } catch {}
  }
  process.once('exit', write)
  setTimeout(write, ${SETTLED_MILLISECONDS}).unref()
}
const text = isFresh() ? read(filename, 'latin1') : undefined
if (text === undefined) import(made.instead)
else run(text)
`
