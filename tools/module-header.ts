/**
 * The headers of the C module: `pkcs11.h`, which is PKCS#11 3.2 as a program includes it, and
 * `calls.h` with the numbers of the remote calls.
 *
 * Part of `tools/print-module.ts`. PKCS#11 3.2 §3 to §6 by way of the tables of `spec/pkcs11`.
 *
 * @module
 */
import { BATCH, DIALECT_CALLS } from '#spec/pkcs11/calls.ts'
import * as constants from '#spec/pkcs11/constants.ts'
import { FUNCTION_NAMES } from '#spec/pkcs11/function-names.ts'
import { type Argument, FUNCTIONS, type FunctionName } from '#spec/pkcs11/functions.ts'
import { declarationOf, type Member } from '#spec/pkcs11/members.ts'
import { STRUCTURES } from '#spec/pkcs11/structures.ts'
import {
  comment,
  declare,
  LISTS,
  listName,
  type Members,
  NOTE,
  parametersOfRow,
  prototype,
  type Row,
  rowOf,
  wrap,
} from './module-c.ts'

const BASE = `typedef unsigned char CK_BYTE;
typedef CK_BYTE CK_CHAR;
typedef CK_BYTE CK_UTF8CHAR;
typedef CK_BYTE CK_BBOOL;
typedef unsigned long int CK_ULONG;
typedef long int CK_LONG;
typedef CK_ULONG CK_RV;
typedef CK_ULONG CK_NOTIFICATION;`

const CALLBACKS = `typedef CK_RV (*CK_NOTIFY)(CK_SESSION_HANDLE hSession, CK_NOTIFICATION event,
                           void *pApplication);
typedef CK_RV (*CK_CREATEMUTEX)(void **ppMutex);
typedef CK_RV (*CK_DESTROYMUTEX)(void *pMutex);
typedef CK_RV (*CK_LOCKMUTEX)(void *pMutex);
typedef CK_RV (*CK_UNLOCKMUTEX)(void *pMutex);`

/** Types that are numbers, from every row that has one. */
function numberTypes(): readonly string[] {
  const found = new Set<string>()
  const rows = [...Object.values<Row>(FUNCTIONS), ...Object.values<Members>(STRUCTURES)]
  for (const one of rows.flatMap((row) => Object.values<Argument | Member>(row))) {
    const isNumber = ['ulong', 'ulongOut', 'ulongs', 'found'].includes(one.kind)
    if (isNumber && 'type' in one && one.type !== 'CK_ULONG') found.add(one.type)
  }
  return [...found].sort()
}

const GROUPS = constants as unknown as Readonly<
  Record<string, Readonly<Record<string, number | bigint>>>
>

function constant(name: string, value: number | bigint): string {
  if (typeof value === 'bigint') return `#define ${name} (~0UL)`
  if (name === 'CK_TRUE' || name === 'CK_FALSE') return `#define ${name} ${value}`
  return `#define ${name} 0x${value.toString(16).padStart(8, '0')}UL`
}

function constantsText(): string {
  return Object.entries(GROUPS)
    .map(([group, values]) =>
      Object.entries(values)
        .map(([name, value]) => constant(`${group}_${name}`, value))
        .join('\n'),
    )
    .join('\n\n')
}

function structureText(name: string, members: Members): string {
  const lines = Object.entries(members).map(
    (entry) => `    ${declarationOf(...entry).replace('* ', '*')};`,
  )
  return `struct ${name} {\n${lines.join('\n')}\n};`
}

function functionList(name: string, functions: readonly string[]): string {
  const lines = functions.map((one) => `    CK_${one} ${one};`)
  return `struct ${name} {\n    CK_VERSION version;\n${lines.join('\n')}\n};`
}

function pointerText(name: FunctionName): string {
  const parameters = parametersOfRow(rowOf(name)).map(({ type, name }) => declare(type, name))
  return wrap(`typedef CK_RV (*CK_${name})(`, parameters, ');', '    ')
}

export function header(): string {
  const names = [...Object.keys(STRUCTURES), ...Object.keys(LISTS)]
  const structures = Object.entries<Members>(STRUCTURES).map((entry) => structureText(...entry))
  const lists = Object.entries(LISTS).map((entry) => functionList(...entry))
  return [
    comment('PKCS#11 3.2: types, constants, structures and functions.', '', NOTE),
    '#ifndef CLAVIGER_PKCS11_H\n#define CLAVIGER_PKCS11_H',
    '#ifdef __cplusplus\nextern "C" {\n#endif',
    BASE,
    numberTypes()
      .map((type) => `typedef CK_ULONG ${type};`)
      .join('\n'),
    names.map((name) => wrap('typedef struct', [`${name} ${name}`], ';', '    ')).join('\n'),
    CALLBACKS,
    constantsText(),
    ...structures,
    FUNCTION_NAMES.map((name) => prototype(name, ';')).join('\n'),
    FUNCTION_NAMES.map(pointerText).join('\n'),
    ...lists,
    '#ifdef __cplusplus\n}\n#endif',
    '#endif\n',
  ].join('\n\n')
}

export function callsHeader(): string {
  const ids = Object.entries(DIALECT_CALLS).map(
    ([name, id]) => `#define CALL_${name} 0x${id.toString(16)}u`,
  )
  return [
    comment('Numbers of the remote calls, and the function lists.', '', NOTE),
    '#ifndef CLAVIGER_CALLS_H\n#define CLAVIGER_CALLS_H',
    '#include "claviger.h"',
    [...ids, `#define CALL_BATCH 0x${BATCH.toString(16)}u`].join('\n'),
    Object.keys(LISTS)
      .map((name) => `extern const ${name} ${listName(name)};`)
      .join('\n'),
    '#endif\n',
  ].join('\n\n')
}
