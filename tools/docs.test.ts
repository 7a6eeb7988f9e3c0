/**
 * The documents: printed pages are what the tables say, and links lead somewhere.
 *
 * @module
 */
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { program } from '#cli/program.ts'
import { printedPages } from './print-docs.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

const PRINTED = await printedPages()

describe('printed pages', () => {
  for (const [path, text] of PRINTED) {
    it(`${path} is what tools/print-docs.ts prints`, () => {
      strictEqual(readFileSync(join(ROOT, path), 'utf8'), text)
    })
  }
})

const PAGES = ['.', 'docs', 'decisions'].flatMap((folder) => {
  const names = readdirSync(join(ROOT, folder)).filter((name) => name.endsWith('.md'))
  return names.map((name) => join(folder, name))
})

/** Links of a page to files that are not there. */
function deadLinks(page: string, text: string): readonly string[] {
  const links = [...text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].map((match) => match[1] as string)
  const local = links.filter((link) => !/^[a-z]+:/.test(link))
  return local.filter((link) => !existsSync(join(ROOT, dirname(page), link)))
}

const SOURCE =
  /`((?:wire|spec|core|clients|fronts|keystores|databases|server|cli|tools)\/[^`\s*<]+)`/g

/** Files of the project that a page names and that are not there. */
function missingFiles(text: string): readonly string[] {
  const named = [...text.matchAll(SOURCE)].map((match) => match[1] as string)
  return named.filter((path) => !existsSync(join(ROOT, path)))
}

/** Commands in blocks of shell that the command line does not have. */
function unknownCommands(text: string): readonly string[] {
  const blocks = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1] as string)
  const lines = blocks.join('').matchAll(/^(?:bin\/)?claviger ([a-z]+)(?: ([a-z]+))?/gm)
  return [...lines].flatMap(([line, first, second]) => {
    const command = program.commands.find((one) => one.name() === first)
    if (command === undefined) return [line]
    if (command.commands.length === 0) return []
    return command.commands.some((one) => one.name() === second) ? [] : [line]
  })
}

describe('written pages', () => {
  it('are found', () => {
    ok(PAGES.length > 15, `found ${PAGES.length}`)
  })

  for (const page of PAGES) {
    it(`${page} links to, names and runs what exists`, () => {
      const text = readFileSync(join(ROOT, page), 'utf8')
      deepStrictEqual([...deadLinks(page, text), ...missingFiles(text)], [])
      deepStrictEqual(unknownCommands(text), [])
    })
  }

  it('are not passed when they name what is not there', () => {
    deepStrictEqual(deadLinks('docs/x.md', '[a](no-such.md) [b](../LICENSE)'), ['no-such.md'])
    deepStrictEqual(missingFiles('`core/no-such.ts` and `core/errors.ts`'), ['core/no-such.ts'])
    const shell =
      '```sh\nclaviger keys list\nclaviger keys lost\nclaviger serf\nclaviger status\n```'
    deepStrictEqual(unknownCommands(shell), ['claviger keys lost', 'claviger serf'])
  })
})
