/**
 * All modules of a program in one text, for a program that must start at once.
 *
 * Node takes most of the time of a start to find several hundred modules, one after the other, and
 * to compile them. A flat program has them all, each as a function that is run when it is first
 * wanted, so that order and laziness are those of the modules; and beside it lies what V8 compiled
 * of it the first time. What it was made of, it looks at first: where anything has changed, it runs
 * the program as it stands instead.
 *
 * Nothing is parsed: our own modules are written in one way (see `biome.json`), and what is not
 * found in it is refused: `export *` in a circle, `export default`, top-level await.
 * Packages are taken as CommonJS.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { createRequire, isBuiltin, stripTypeScriptTypes } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Script } from 'node:vm'

export interface FlatProgram {
  /** Module whose `main()` is called. */
  readonly entry: string
  /** Program that is run instead when a source has changed. */
  readonly instead: string
}

/** A file that a flat file is made of, as it was. */
type Source = readonly [path: string, modified: number, bytes: number]

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Not to be mistaken for a name of a module. */
const LOAD = '__flatLoad'
const META = '__flatMeta'

/** Enough to tell one text from another; nobody but the user writes any. */
const DIGEST_LETTERS = 32

/** By when the program has compiled what starting takes. */
const SETTLED_MILLISECONDS = 1_000

/** A flat program: what Node runs, and the text that it reads. */
export interface FlatFiles {
  readonly loader: string
  /** By their names. */
  readonly beside: ReadonlyMap<string, string | Uint8Array>
}

/**
 * Makes a flat program: a loader, and beside it files whose names begin with the digest of the
 * text, so that no loader ever reads the text of another.
 *
 * @throws Where a module is written in another way.
 */
export function flatten({ entry, instead }: FlatProgram): FlatFiles {
  const flat = new Flat()
  const first = flat.add(entry)
  flat.bindLate()
  const functions = flat.functions().join(',\n')
  const start = `return ${LOAD}(${first})`
  const text = ascii(`(require) => {\nconst modules = [\n${functions}\n]\n${RUNTIME}\n${start}\n}`)
  // What is no program is found out here, not when it is to be run.
  const script = new Script(text)
  script.runInThisContext()(createRequire(entry))
  const digest = createHash('sha256').update(text).digest('hex').slice(0, DIGEST_LETTERS)
  const made = { version: process.version, digest, sources: flat.sources() }
  const loader = [
    '// Made by claviger, which makes it anew when a file that it was made of has changed.',
    `const made = ${JSON.stringify(made)}`,
    `const instead = ${JSON.stringify(pathToFileURL(instead).href)}`,
    LOADER,
  ].join('\n')
  const beside = new Map<string, string | Uint8Array>([
    [`${digest}.js`, text],
    // What V8 compiles when all modules are evaluated, and nothing is done with them yet.
    [`${digest}.evaluated`, script.createCachedData()],
  ])
  return { loader, beside }
}

/** In letters of one byte, which V8 reads without decoding them. */
function ascii(text: string): string {
  return text.replace(/[^\0-\x7f]/g, (letter) => {
    return `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

const LOADER = `
const { readFileSync, renameSync, statSync, writeFileSync } = require('node:fs')
const { join } = require('node:path')
const { constants, Script } = require('node:vm')
function isFresh() {
  if (made.version !== process.version) return false
  return made.sources.every(([path, modified, bytes]) => {
    const found = statSync(path, { throwIfNoEntry: false })
    return found !== undefined && found.mtimeMs === modified && found.size === bytes
  })
}
const place = (what) => join(__dirname, made.digest + '.' + what)
function read(what, encoding) {
  try {
    return readFileSync(place(what), encoding)
  } catch {}
}
function run(text) {
  const filename = place('js')
  const compiled = read('compiled')
  const cachedData = compiled ?? read('evaluated')
  const importModuleDynamically = constants.USE_MAIN_CONTEXT_DEFAULT_LOADER
  const script = new Script(text, { filename, cachedData, importModuleDynamically })
  if (compiled === undefined || script.cachedDataRejected) keep(script)
  delete process.env.CLAVIGER_FLAT
  script.runInThisContext()(require).main()
}
function keep(script) {
  let isKept = false
  const write = () => {
    if (isKept) return
    isKept = true
    try {
      const whole = place(process.pid)
      writeFileSync(whole, script.createCachedData(), { mode: 0o600 })
      renameSync(whole, place('compiled'))
    } catch {}
  }
  setTimeout(write, ${SETTLED_MILLISECONDS}).unref()
  process.once('exit', write)
}
const text = isFresh() ? read('js', 'latin1') : undefined
if (text === undefined) import(instead)
else run(text)
`

const RUNTIME = `
const { createRequire } = require('node:module')
const loaded = []
function ${LOAD}(number) {
  const known = loaded[number]
  if (known !== undefined) return known.exports
  const module = { exports: {} }
  loaded[number] = module
  modules[number](module)
  module.isMade = true
  for (const bind of module.waiting ?? []) bind(module.exports)
  return module.exports
}
${LOAD}.when = (number, bind) => {
  const module = loaded[number]
  if (module.isMade) bind(module.exports)
  else (module.waiting ??= []).push(bind)
}
${LOAD}.package = (module, path, deps, run) => {
  const require = (name) => {
    return deps[name] === undefined ? createRequire(path)(name) : ${LOAD}(deps[name])
  }
  run.call(module.exports, module, module.exports, require)
}
${LOAD}.all = (...parts) => {
  const all = Object.assign({}, ...parts)
  return Object.fromEntries(Object.keys(all).sort().map((name) => [name, all[name]]))
}`

const cannot = (path: string): string => `Cannot put ${path} into one file`

function unforeseen(path: string): never {
  throw new Error(`${cannot(path)}: it is not written as other modules are`)
}

/** What one of our modules imports of another. */
interface Import {
  readonly target: string
  /** Undefined: all that there is. */
  readonly names: readonly string[] | undefined
}

type Load = (name: string, names: readonly string[] | undefined) => string

/** Every module by its number. */
class Flat {
  readonly #numbers = new Map<string, number>()
  readonly #functions: string[] = []
  readonly #watched = new Set<string>()
  readonly #imports = new Map<string, Import[]>()

  functions(): readonly string[] {
    return this.#functions
  }

  sources(): readonly Source[] {
    return [...this.#watched].map((path) => {
      const { mtimeMs, size } = statSync(path)
      return [path, mtimeMs, size]
    })
  }

  /** Adds a module and what it imports; returns its number. */
  add(path: string): number {
    const known = this.#numbers.get(path)
    if (known !== undefined) return known
    const number = this.#numbers.size
    this.#numbers.set(path, number)
    // Before it is read: what changes afterwards makes the flat file old.
    this.#watched.add(path.includes('/node_modules/') ? manifestOf(path) : path)
    const text = readFileSync(path, 'utf8')
    const isOwn = path.endsWith('.ts')
    this.#functions[number] = isOwn ? this.#own(path, text) : this.#package(path, text)
    return number
  }

  /**
   * Of modules that import each other, the one that runs first has not made everything when the
   * other one runs: that gets functions at once, and the rest when it is there.
   */
  bindLate(): void {
    for (const [path, imports] of this.#imports) {
      for (const { target, names } of imports) {
        if (!this.#reaches(target, path)) continue
        if (names === undefined)
          throw new Error(`${cannot(path)}: it and ${target} need each other`)
        const [number, other] = [path, target].map((one) => this.#numbers.get(one) as number)
        const binding = new RegExp(`^const (\\{[^}]*\\}) = (${LOAD}\\(${other}\\))`, 'gm')
        const late = `let $1 = $2; ${LOAD}.when(${other}, (made) => { ($1 = made) })`
        const text = this.#functions[number as number] as string
        this.#functions[number as number] = text.replace(binding, late)
      }
    }
  }

  #reaches(from: string, to: string): boolean {
    const seen = new Set<string>()
    const open = [from]
    for (let path = open.pop(); path !== undefined; path = open.pop()) {
      if (path === to) return true
      if (seen.has(path)) continue
      seen.add(path)
      for (const { target } of this.#imports.get(path) ?? []) open.push(target)
    }
    return false
  }

  #own(path: string, text: string): string {
    const require = createRequire(path)
    const imports: Import[] = []
    this.#imports.set(path, imports)
    const load = (name: string, names: readonly string[] | undefined): string => {
      if (isBuiltin(name)) return `require('${name}')`
      const target = locate(name, path, require)
      if (target.endsWith('.ts')) imports.push({ target, names })
      return `${LOAD}(${this.add(target)})`
    }
    const late = (name: string): string => {
      if (/^[#.]/.test(name)) {
        return `Promise.resolve().then(() => ${LOAD}(${this.add(locate(name, path, require))}))`
      }
      // A package that is wanted late is left where it is.
      return isBuiltin(name) ? `import('${name}')` : `import('${import.meta.resolve(name)}')`
    }
    const meta = JSON.stringify({ url: pathToFileURL(path).href, dirname: dirname(path) })
    const { body, functions } = moduleBody(untyped(text), path, load, late)
    // They are there before the module has run.
    const early = `__flatModule.exports = { ${functions.join(', ')} }`
    return `(__flatModule) => { 'use strict'; const ${META} = ${meta}; ${early}\n${body}\n}`
  }

  /** Of CommonJS: its imports are those that can be seen, and others are left to Node. */
  #package(path: string, text: string): string {
    if (path.endsWith('.json')) return `(module) => { module.exports = ${text} }`
    if (/^(import|export)\b/m.test(text)) {
      throw new Error(`${cannot(path)}: it is no CommonJS`)
    }
    const require = createRequire(path)
    const later = text.replace(NAMESPACE, LATER)
    const deps: Record<string, number> = {}
    for (const [, name] of text.matchAll(/\brequire\(["']([^"']+)["']\)/g)) {
      const target = name === undefined || isBuiltin(name) ? undefined : found(require, name)
      if (name !== undefined && target !== undefined) deps[name] = this.add(target)
    }
    const known = `module, ${JSON.stringify(path)}, ${JSON.stringify(deps)}`
    const run = `function (module, exports, require) {\n${later}\n}`
    return `(module) => ${LOAD}.package(${known}, ${run})`
  }
}

/** What the compiler of TypeScript makes of `export * as name`: nobody may ever ask for it. */
const NAMESPACE = /^exports\.(\w+) = (__importStar\(require\("[^"]+"\)\));$/gm
const LATER =
  "Object.defineProperty(exports, '$1', { enumerable: true, configurable: true, get: () => $2 });"

/** Types are blanked out with letters of as many bytes, which are spaces of other kinds. */
function untyped(text: string): string {
  return stripTypeScriptTypes(text).replace(/[^\0-\x7f\S]/g, (space) => {
    return text.includes(space) ? space : ' '
  })
}

/** A dependency that is not installed is one that the package can do without. */
function found(require: NodeJS.Require, name: string): string | undefined {
  try {
    return require.resolve(name)
  } catch {
    return undefined
  }
}

function locate(name: string, from: string, require: NodeJS.Require): string {
  if (name.startsWith('#')) return join(ROOT, name.slice(1))
  return name.startsWith('.') ? join(dirname(from), name) : require.resolve(name)
}

/** `package.json` of the package that a file belongs to. */
function manifestOf(path: string): string {
  let folder = dirname(path)
  while (basename(dirname(folder)) !== 'node_modules') {
    // A package in the name of an organisation is a folder deeper.
    const isScoped = basename(dirname(folder)).startsWith('@')
    if (isScoped && basename(dirname(dirname(folder))) === 'node_modules') break
    folder = dirname(folder)
  }
  return join(folder, 'package.json')
}

const IMPORT = /^import\s+(?:([^'"]+?)\s+from\s+)?'([^']+)'/gm
const EXPORT_FROM = /^export\s+(\*|\{[^}]*\})\s+from\s+'([^']+)'/gm
const EXPORT_NAMES = /^export\s+\{([^}]*)\}/gm
const EXPORT = /^export\s+(?=(const|function\*?|async function\*?|class)\s+([\w$]+))/gm
const LATE = /\bimport\(\s*'([^']+)'\s*\)/g

/** A module without types, as the body of a function. */
function moduleBody(
  text: string,
  path: string,
  load: Load,
  late: (name: string) => string,
): { readonly body: string; readonly functions: readonly string[] } {
  const functions: string[] = []
  const names: string[] = []
  const stars: string[] = []
  const body = text
    .replace(IMPORT, (_, what: string | undefined, name: string) => {
      return bound(what, load(name, importedNames(what)), path)
    })
    .replace(EXPORT_FROM, (_, what: string, name: string) => {
      const from = load(name, undefined)
      if (what === '*') stars.push(from)
      else for (const one of listed(what)) names.push(`${one.as}: ${from}.${one.name}`)
      return ''
    })
    .replace(EXPORT_NAMES, (_, what: string) => {
      for (const one of listed(what)) names.push(`${one.as}: ${one.name}`)
      return ''
    })
    .replace(EXPORT, (_, kind: string, name: string) => {
      names.push(name)
      if (kind.includes('function')) functions.push(name)
      return ''
    })
    .replace(LATE, (_, name: string) => late(name))
    .replaceAll(/\bimport\.meta\b(?=\.(?:url|dirname)\b)/g, META)
  if (/^(import|export)\b/m.test(body) || body.includes('import.meta')) unforeseen(path)
  const own = `{ ${names.sort().join(', ')} }`
  const all = stars.length === 0 ? own : `${LOAD}.all(${[...stars, own].join(', ')})`
  return { body: `${body}\n__flatModule.exports = ${all}`, functions }
}

/** Undefined: all that there is. */
function importedNames(what: string | undefined): readonly string[] | undefined {
  if (what === undefined) return []
  return what.startsWith('{') ? listed(what).map(({ name }) => name) : undefined
}

/** What an import binds, as a statement. */
function bound(what: string | undefined, from: string, path: string): string {
  if (what === undefined) return from
  const everything = /^\*\s+as\s+([\w$]+)$/.exec(what)?.[1]
  if (everything !== undefined) return `const ${everything} = ${from}`
  // What Node has of its own is its own default export.
  if (/^[\w$]+$/.test(what) && from.startsWith('require(')) return `const ${what} = ${from}`
  if (!/^\{[^}]*\}$/.test(what)) return unforeseen(path)
  const names = listed(what).map(({ name, as }) => (name === as ? name : `${name}: ${as}`))
  return `const { ${names.join(', ')} } = ${from}`
}

/** `{ a, b as c }`. */
function listed(what: string): readonly { readonly name: string; readonly as: string }[] {
  return what
    .replace(/[{}]/g, '')
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')
    .map((one) => {
      const [name = '', as = name] = one.split(/\s+as\s+/)
      return { name, as }
    })
}
