/**
 * The printed part of the C module: what the tables print is what is committed.
 *
 * @module
 */
import { ok, strictEqual } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { printedFiles } from '#tools/print-module.ts'

describe('the printed files of the module', () => {
  for (const [path, text] of printedFiles()) {
    it(`${path} is what tools/print-module.ts prints`, () => {
      strictEqual(readFileSync(new URL(`../${path}`, import.meta.url), 'utf8'), text)
    })
  }

  it('have no line that is too long to read', () => {
    for (const [path, text] of printedFiles()) {
      const long = text.split('\n').filter((line) => line.length > 100)
      ok(long.length === 0, `${path}: ${long[0]}`)
    }
  })
})
