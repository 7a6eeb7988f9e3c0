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

describe('written pages', () => {
  it('are found', () => {
    ok(PAGES.length > 15, `found ${PAGES.length}`)
  })

  for (const page of PAGES) {
    it(`${page} links to and names files that exist`, () => {
      const text = readFileSync(join(ROOT, page), 'utf8')
      deepStrictEqual([...deadLinks(page, text), ...missingFiles(text)], [])
    })
  }

  it('are not passed when they name what is not there', () => {
    deepStrictEqual(deadLinks('docs/x.md', '[a](no-such.md) [b](../LICENSE)'), ['no-such.md'])
    deepStrictEqual(missingFiles('`core/no-such.ts` and `core/errors.ts`'), ['core/no-such.ts'])
  })
})
