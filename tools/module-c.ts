/**
 * C as `tools/print-module.ts` writes it: comments, declarations, lists that fit the line, and what
 * several of the printed files need of the tables.
 *
 * @module
 */
import { FUNCTION_NAMES, FUNCTIONS_2_40, FUNCTIONS_3_0 } from '#spec/pkcs11/function-names.ts'
import {
  type Argument,
  FUNCTIONS,
  type FunctionName,
  type Parameter,
  parametersOf,
} from '#spec/pkcs11/functions.ts'
import type { Member } from '#spec/pkcs11/members.ts'

const COLUMNS = 100

export const NOTE =
  'Printed by tools/print-module.ts from spec/pkcs11; change the tables, not this file.'

export type Row = Readonly<Record<string, Argument>>
export type Members = Readonly<Record<string, Member>>

/** A comment of C. */
export function comment(...lines: readonly string[]): string {
  return ['/*', ...lines.map((line) => ` * ${line}`.trimEnd()), ' */'].join('\n')
}

/** A type and a name: the star of a pointer stands by the name. */
export function declare(type: string, name: string): string {
  return type.endsWith('*') ? `${type}${name}` : `${type} ${name}`
}

/** A list in brackets, broken before a line is too long. */
export function wrap(head: string, items: readonly string[], tail: string, indent: string): string {
  const lines: string[] = []
  let line = head
  for (const [index, item] of items.entries()) {
    const text = index < items.length - 1 ? `${item},` : `${item}${tail}`
    const space = line === indent || /[\s({[]$/.test(line) ? '' : ' '
    if (line.length + space.length + text.length > COLUMNS) {
      lines.push(line)
      line = indent + text
    } else {
      line += space + text
    }
  }
  return [...lines, items.length === 0 ? line + tail : line].join('\n')
}

export function parametersOfRow(row: Row): readonly Parameter[] {
  return Object.entries(row).flatMap((entry) => parametersOf(...entry))
}

export function rowOf(name: FunctionName): Row {
  return FUNCTIONS[name]
}

export function prototype(name: FunctionName, tail: string, start = ''): string {
  const head = `${start}CK_RV ${name}(`
  const parameters = parametersOfRow(rowOf(name)).map(({ type, name }) => declare(type, name))
  return wrap(head, parameters, `)${tail}`, ' '.repeat(head.length))
}

export const LISTS = {
  CK_FUNCTION_LIST: FUNCTIONS_2_40,
  CK_FUNCTION_LIST_3_0: [...FUNCTIONS_2_40, ...FUNCTIONS_3_0],
  CK_FUNCTION_LIST_3_2: FUNCTION_NAMES,
} as const satisfies Readonly<Record<string, readonly FunctionName[]>>

export function listName(type: string): string {
  return type.replace('CK_FUNCTION_LIST', 'claviger_functions')
}
