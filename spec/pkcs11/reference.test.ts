/**
 * The tables of PKCS#11 against the constants and functions of the published headers.
 *
 * @module
 */
import { deepStrictEqual, ok } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { needsShared, sharedPath } from '#tools/shared.ts'
import * as constants from './constants.ts'
import { FUNCTION_NAMES, FUNCTIONS_2_40, FUNCTIONS_3_0 } from './function-names.ts'
import { type Argument, FUNCTIONS, parametersOf } from './functions.ts'
import { declarationOf, type Member } from './members.ts'
import { STRUCTURES } from './structures.ts'

interface Reference {
  readonly constants: Readonly<Record<string, Readonly<Record<string, string | number>>>>
  readonly structs: Readonly<Record<string, readonly string[]>>
  readonly functions: Readonly<Record<string, readonly string[]>>
  readonly functionLists: Readonly<Record<string, readonly string[]>>
}

/** What the length of a pointer may be. */
const LENGTHS: readonly string[] = ['length', 'lengthPointer']

const REFERENCE = 'reference/pkcs11-3.2.json'

describe('the tables of PKCS#11', needsShared(REFERENCE), () => {
  const path = sharedPath(REFERENCE)
  const reference = (
    path === undefined
      ? { constants: {}, structs: {}, functions: {}, functionLists: {} }
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

  it('have every structure with the members of the header, in its order', () => {
    const rows = Object.entries<Readonly<Record<string, Member>>>(STRUCTURES)
    const printed = rows.map(([name, row]) => {
      return [name, Object.entries(row).map((entry) => declarationOf(...entry))]
    })
    const wanted = Object.entries(reference.structs).map(([name, members]) => {
      return [name, members.map((member) => member.replace(/^struct /, ''))]
    })
    deepStrictEqual(Object.fromEntries(printed), Object.fromEntries(wanted))
  })
})

describe('the structures of PKCS#11', () => {
  const rows = Object.entries<Readonly<Record<string, Member>>>(STRUCTURES)
  const lengthsOf = (row: Readonly<Record<string, Member>>): ReadonlySet<string> =>
    new Set(Object.values(row).flatMap((member) => ('length' in member ? [member.length] : [])))

  it('name, for every pointer, a length that is one', () => {
    for (const [name, row] of rows) {
      for (const [pointer, member] of Object.entries(row)) {
        if (!('length' in member)) continue
        const wanted = 'unit' in member && member.unit === 'bits' ? ['ulong'] : LENGTHS
        const of = 'of' in member ? rows.find(([other]) => other === member.of)?.[1] : row
        ok(wanted.includes(of?.[member.length]?.kind ?? ''), `${name}.${pointer}`)
      }
    }
  })

  it('have no length that no pointer names', () => {
    for (const [name, row] of rows) {
      const lengths = Object.entries(row).filter(([, { kind }]) => LENGTHS.includes(kind))
      for (const [length] of lengths) ok(lengthsOf(row).has(length), `${name}.${length}`)
    }
  })

  it('are made of structures that stand before them, so that C can print them in this order', () => {
    const before = new Set<string>()
    for (const [name, row] of rows) {
      for (const member of Object.values(row)) {
        if (member.kind === 'structure') ok(before.has(member.type), `${name}: ${member.type}`)
        if (member.kind === 'version') ok(before.has('CK_VERSION'), name)
      }
      before.add(name)
    }
  })
})
