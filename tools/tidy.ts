/**
 * The house rules that a program can check: what a reviewer would otherwise say twice.
 *
 * A rule reads the text of one file and gives the lines that break it. Nothing is parsed: strings
 * and comments are blanked out before calls are looked for, and that is all the grammar there is
 * here.
 *
 * @module
 */

/** A line of a file that breaks a rule. */
export interface Violation {
  readonly path: string
  /** Beginning with 1. */
  readonly line: number
  readonly what: string
}

/** Longest line, in characters; tables marked `biome-ignore format` may be longer. */
export const COLUMNS_MAX = 100
/** Longest line that is one message or title, in one piece so that it can be searched for. */
const MESSAGE_COLUMNS_MAX = 110
const MESSAGE = /^\s*(?:(?:const \w+ =|return) )?(['`]).*\1,?$|^\s*(?:it|describe)\('.*=> \{$/

/** Folders of which nobody in the layers imports anything, and which may import all of them. */
const APART: readonly string[] = ['conformance', 'bench', 'tools']

/**
 * Who may import whom, beside itself:
 * `wire <- spec <- core | clients <- fronts | keystores | databases <- server <- cli`.
 */
export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  wire: [],
  spec: ['wire'],
  core: ['wire', 'spec'],
  clients: ['wire', 'spec'],
  fronts: ['wire', 'spec', 'core', 'clients'],
  keystores: ['wire', 'spec', 'core', 'clients'],
  databases: ['wire', 'spec', 'core', 'clients'],
  server: ['wire', 'spec', 'core', 'clients', 'fronts', 'keystores', 'databases'],
  cli: ['wire', 'spec', 'core', 'clients', 'fronts', 'keystores', 'databases', 'server'],
}

/** Packages that are imported together with a module of ours, which says why. */
const TOGETHER: Readonly<Record<string, string>> = { zod: 'core/uncompiled.ts' }

interface Ban {
  readonly pattern: RegExp
  readonly what: string
  /** Paths in which it is banned; everywhere when absent. */
  readonly within?: RegExp
  /** Paths in which it is allowed. */
  readonly except?: RegExp
}

// biome-ignore format: a table
const BANS: readonly Ban[] = [
  { pattern: /\bprocess\.exit\(/, what: 'process.exit() loses what is not written yet: set process.exitCode', except: /^bench\// },
  { pattern: /\bconsole\.\w+\(/, what: 'console: log through the Logger', except: /^(cli|bench|conformance|tools)\/|\.test\.ts$/ },
  { pattern: /\bas any\b|[:<]\s*any\b|\bany\[\]/, what: 'any: say what it is, or unknown' },
  { pattern: /\beval\(|\bnew Function\(/, what: 'eval: text is not code' },
  { pattern: /\bMath\.random\(/, what: 'Math.random() can be guessed: use node:crypto', within: /^(core|keystores|server|fronts|databases)\// },
  { pattern: /@ts-(ignore|nocheck)\b/, what: '@ts-ignore hides every error of the line' },
]

/** A path of the machine that it was written on, or a registry that it was installed from. */
const PLACES = new RegExp(
  ['(?<![\\w.-])/(work|home|root|Users)/\\w', 'registry\\.(npmjs|yarnpkg)\\.', '_authToken'].join(
    '|',
  ),
)

/** What breaks a rule in a TypeScript file. */
export function checkSource(path: string, text: string): readonly Violation[] {
  const code = withoutComments(text)
  return [
    ...checkHeader(path, text),
    ...checkWidth(path, text),
    ...checkImports(path, code),
    ...checkPackages(path, code),
    ...checkBans(path, text, code),
    ...checkPlaces(path, text),
  ]
}

/** Every file begins with a docblock that says what it is. */
function checkHeader(path: string, text: string): readonly Violation[] {
  const header = /^(#!.*\n)?\/\*\*\n(?<body>[\s\S]*?)\*\//.exec(text)?.groups?.['body'] ?? ''
  if (/^ \* \S/.test(header) && /^ \* @module$/m.test(header)) return []
  return [{ path, line: 1, what: 'does not begin with a docblock that ends with @module' }]
}

/** Lines are short enough to stand beside each other. */
function checkWidth(path: string, text: string): readonly Violation[] {
  const found: Violation[] = []
  let table: string | undefined
  for (const [index, line] of text.split('\n').entries()) {
    const ignored = /^(\s*)\/\/ biome-ignore format\b/.exec(line)
    if (ignored !== null) table = ignored[1] as string
    const columns = [...line].length
    const max = MESSAGE.test(line) ? MESSAGE_COLUMNS_MAX : COLUMNS_MAX
    if (table === undefined && columns > max) {
      found.push({ path, line: index + 1, what: `${columns} columns; ${max} are allowed` })
    }
    if (table !== undefined && endsTable(line, table)) table = undefined
  }
  return found
}

/** Whether a line closes what began at this indentation. */
function endsTable(line: string, indentation: string): boolean {
  return new RegExp(`^${indentation}[}\\])]`).test(line)
}

/** Imports go down the layers only. */
function checkImports(path: string, code: string): readonly Violation[] {
  const [folder = ''] = path.split('/')
  if (isApart(path)) return []
  const allowed = MAY_IMPORT[folder]
  if (allowed === undefined) return []
  return importsOf(path, code).flatMap(({ from, line }) => {
    if (from === folder || allowed.includes(from)) return []
    const rule = `${folder} may import ${[folder, ...allowed].join(', ')}`
    return [{ path, line, what: `imports from ${from}; ${rule}` }]
  })
}

/** Who imports the one imports the other; types are nothing that runs. */
function checkPackages(path: string, code: string): readonly Violation[] {
  const imported = importedBy(code.replace(/^import type .*/gm, ''))
  return imported.flatMap(({ specifier, line }) => {
    const other = TOGETHER[specifier]
    if (other === undefined || other === path) return []
    if (imported.some((one) => one.specifier === `#${other}`)) return []
    return [{ path, line, what: `imports ${specifier} without #${other}, which says why` }]
  })
}

function isApart(path: string): boolean {
  return path.endsWith('.test.ts') || APART.some((folder) => path.startsWith(`${folder}/`))
}

/** Folders of the project that a file imports from. */
function importsOf(
  path: string,
  code: string,
): readonly { readonly from: string; readonly line: number }[] {
  return importedBy(code)
    .filter(({ specifier }) => /^[#.]/.test(specifier))
    .map(({ specifier, line }) => ({ from: folderOf(path, specifier), line }))
}

function importedBy(
  code: string,
): readonly { readonly specifier: string; readonly line: number }[] {
  const matches = code.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']*)'/g)
  return [...matches].map(({ index, 1: specifier = '' }) => {
    return { specifier, line: code.slice(0, index).split('\n').length }
  })
}

function folderOf(path: string, specifier: string): string {
  if (specifier.startsWith('#')) return specifier.slice(1).split('/')[0] as string
  const { pathname } = new URL(specifier, `file:///${path}`)
  return pathname.split('/')[1] as string
}

function checkBans(path: string, text: string, code: string): readonly Violation[] {
  const bare = withoutStrings(code).split('\n')
  const whole = text.split('\n')
  return BANS.flatMap(({ pattern, what, within, except }) => {
    if (within?.test(path) === false || except?.test(path) === true) return []
    // A directive is a comment; everything else is code.
    const lines = pattern.source.startsWith('@') ? whole : bare
    return lines.flatMap((line, index) => {
      return pattern.test(line) ? [{ path, line: index + 1, what }] : []
    })
  })
}

/** No file tells where it was written. */
export function checkPlaces(path: string, text: string): readonly Violation[] {
  return text.split('\n').flatMap((line, index) => {
    const [place] = PLACES.exec(line) ?? []
    return place === undefined ? [] : [{ path, line: index + 1, what: `mentions ${place}` }]
  })
}

const STRING = /'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g

/** The same lines without comments; strings stay. */
function withoutComments(text: string): string {
  const pattern = new RegExp(`(${STRING.source})|/\\*[\\s\\S]*?\\*/|(?<!:)//[^\\n]*`, 'g')
  return text.replace(pattern, (found, string: string | undefined) => {
    return string ?? found.replace(/[^\n]/g, ' ')
  })
}

function withoutStrings(code: string): string {
  return code.replace(STRING, "''")
}

/** `path:line: what`, a line each. */
export function describeViolations(violations: readonly Violation[]): string {
  return violations.map(({ path, line, what }) => `${path}:${line}: ${what}`).join('\n')
}
