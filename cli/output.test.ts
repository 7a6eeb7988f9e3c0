/**
 * What a person sees is what stands there, whatever names clients have chosen.
 *
 * @module
 */
import { equal, ok } from 'node:assert/strict'
import { describe, it } from 'node:test'
import { list, table, visible } from './output.ts'

const FORGED = 'key\n2026-01-01 00:00:00  admin  Destroy  success\u001b[2J\u202e'

describe('names with control characters', () => {
  it('begin no line and move no cursor', () => {
    equal(visible(FORGED).split('\n').length, 1)
    equal(visible('a\tb\u001b[2J\u009b1A\u202e'), 'a\\u{9}b\\u{1b}[2J\\u{9b}1A\\u{202e}')
    equal(visible('Schlüssel – 鍵 🔑'), 'Schlüssel – 鍵 🔑')
  })

  it('have one line in a table and in a list', () => {
    const shown = table([{ name: FORGED, state: 'Active' }])
    equal(shown.split('\n').length, 2)
    ok(!shown.includes('[2J\u202e'))
    equal(list({ name: FORGED }).split('\n').length, 1)
  })
})
