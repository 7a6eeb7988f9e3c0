/**
 * The tables of PKCS#11 against the constants and functions of the published headers.
 *
 * @module
 */
import { deepStrictEqual } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { needsShared, sharedPath } from '#tools/shared.ts'
import * as constants from './constants.ts'
import { FUNCTION_NAMES, FUNCTIONS_2_40, FUNCTIONS_3_0 } from './function-names.ts'
import { type Argument, FUNCTIONS, parametersOf } from './functions.ts'

interface Reference {
  readonly constants: Readonly<Record<string, Readonly<Record<string, string | number>>>>
  readonly functions: Readonly<Record<string, readonly string[]>>
  readonly functionLists: Readonly<Record<string, readonly string[]>>
}

const REFERENCE = 'reference/pkcs11-3.2.json'

describe('the tables of PKCS#11', needsShared(REFERENCE), () => {
  const path = sharedPath(REFERENCE)
  const reference = (
    path === undefined
      ? { constants: {}, functions: {}, functionLists: {} }
      : JSON.parse(readFileSync(path, 'utf8'))
  ) as Reference
  const groups = constants as unknown as Readonly<Record<string, Readonly<Record<string, unknown>>>>

  it('have every group of constants', () => {
    deepStrictEqual(Object.keys(groups).sort(), Object.keys(reference.constants).sort())
  })

  for (const [group, values] of Object.entries(reference.constants)) {
    it(`${group}_ has the names and values of the header, in its order`, () => {
      const wanted = Object.entries(values).map(([name, value]) => {
        // CK_UNAVAILABLE_INFORMATION is all ones of a CK_ULONG.
        const number = value === -1 ? 0xffff_ffff_ffff_ffffn : Number(value)
        return [name.slice(group.length + 1), number]
      })
      deepStrictEqual(Object.entries(groups[group] ?? {}), wanted)
    })
  }

  it('have the functions of the three lists, in order', () => {
    deepStrictEqual([...FUNCTION_NAMES], reference.functionLists['CK_FUNCTION_LIST_3_2'])
    deepStrictEqual([...FUNCTIONS_2_40], reference.functionLists['CK_FUNCTION_LIST'])
    deepStrictEqual(
      [...FUNCTIONS_2_40, ...FUNCTIONS_3_0],
      reference.functionLists['CK_FUNCTION_LIST_3_0'],
    )
  })

  it('have every function with the parameters of the header, in its order', () => {
    const rows = Object.entries<Readonly<Record<string, Argument>>>(FUNCTIONS)
    const printed = rows.map(([name, row]) => {
      const parameters = Object.entries(row).flatMap((entry) => parametersOf(...entry))
      return [name, parameters.map(({ type }) => type)]
    })
    deepStrictEqual(Object.fromEntries(printed), reference.functions)
  })
})
