/**
 * Derivation, where no whole operation of the keystore shows what a published answer says.
 *
 * @module
 */
import { equal } from 'node:assert/strict'
import { describe, it } from 'node:test'
import { X9_63_ANSWER } from '../contract-answers.ts'
import { hex } from '../contract-bench.ts'
import { expandShared } from './derive.ts'

describe('derivation', () => {
  it('gives the answer of CAVP for ANSI X9.63', () => {
    const { shared, info, output } = X9_63_ANSWER
    const expansion = { form: 'X9_63', hash: 'SHA_256', info: hex(info) } as const
    const bytes = expandShared(hex(shared), expansion, output.length / 2)
    equal(Buffer.from(bytes).toString('hex'), output)
  })
})
