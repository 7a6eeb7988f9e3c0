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
import type { Command } from 'commander'
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

const FOLDERS = ['.', 'docs', 'decisions', 'bench', 'conformance', 'conformance/pkcs11'] as const

const PAGES = FOLDERS.flatMap((folder) => {
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

/** Headings as links name them: GitHub's way, as far as our headings need it. */
function anchorsOf(text: string): readonly string[] {
  const headings = text.matchAll(/^#+ (.*)$/gm)
  return [...headings].map(([, heading = '']) => {
    return heading
      .toLowerCase()
      .replace(/[^a-z0-9 -]/g, '')
      .replaceAll(' ', '-')
  })
}

/** Links to headings that no page has. */
function deadAnchors(page: string, text: string): readonly string[] {
  const links = [...text.matchAll(/\]\(([^)#\s:]*)#([^)\s]+)\)/g)]
  return links.flatMap(([link, file = '', anchor = '']) => {
    const target = file === '' ? text : readFileSync(join(ROOT, dirname(page), file), 'utf8')
    return anchorsOf(target).includes(anchor) ? [] : [link]
  })
}

/** Lines of `claviger`, in blocks and in sentences; those that stand for several are left out. */
function commandsIn(text: string): readonly string[] {
  const blocks = [...text.matchAll(/```[a-z]*\n([\s\S]*?)```/g)].map(([, block = '']) => block)
  const lines = blocks.flatMap((block) => block.split(/\n|[|;] /))
  const ran = lines.map((line) => line.replace(/^\$ /, '').replace(/^(?:[A-Z_]+=\S+ )+/, ''))
  const told = [...text.matchAll(/`(claviger [a-z][^`]*[^`\s])`/g)].map(
    ([, command = '']) => command,
  )
  const words = [...ran.map((line) => line.trim()), ...told]
  const ours = words.filter((line) => /^(?:bin\/)?claviger [a-z]/.test(line))
  return ours.filter((line) => !/[|\\…]/.test(line))
}

/** Commands and options that the command line does not have. */
function unknownCommands(text: string): readonly string[] {
  return commandsIn(text).filter((line) => {
    const words = line.replace(/ #.*/, '').trim().split(/\s+/).slice(1)
    let command: Command = program
    const isName = (word: string | undefined): boolean => /^[a-z]/.test(word ?? '')
    while (command.commands.length > 0 && isName(words[0])) {
      const next = command.commands.find((one) => one.name() === words[0])
      if (next === undefined) return true
      command = next
      words.shift()
    }
    const known = [...command.options, ...program.options].flatMap(({ long, short }) => [
      long,
      short,
    ])
    const given = words.filter((word) => /^--?[a-z]/.test(word)).map((word) => word.split('=')[0])
    return given.some((option) => option !== '--help' && !known.includes(option))
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
      deepStrictEqual(deadAnchors(page, text), [])
      deepStrictEqual(unknownCommands(text), [])
    })
  }

  it('are not passed when they name what is not there', () => {
    deepStrictEqual(deadLinks('docs/x.md', '[a](no-such.md) [b](../LICENSE)'), ['no-such.md'])
    deepStrictEqual(missingFiles('`core/no-such.ts` and `core/errors.ts`'), ['core/no-such.ts'])
    deepStrictEqual(deadAnchors('x.md', '# A b\n[a](#a-b) [c](#c) [d](README.md#no)'), [
      '](#c)',
      '](README.md#no)',
    ])
    const shell =
      '```sh\nclaviger keys list --nice\nclaviger keys lost\nclaviger serf\nclaviger status\n```'
    const told = '`claviger hsm list`, `claviger hsm lost`, `claviger keys list --json`'
    deepStrictEqual(unknownCommands(`${shell}\n${told}`), [
      'claviger keys list --nice',
      'claviger keys lost',
      'claviger serf',
      'claviger hsm lost',
    ])
  })
})
