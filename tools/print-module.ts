/**
 * Prints the part of the C module that is tables: its header, the entry points with their
 * marshalling, and the function lists.
 *
 * The rows are those of `spec/pkcs11`: functions, structures, mechanisms, attributes, constants and
 * numbers of the calls. The printed files are committed, so that a compiler is all that a build
 * needs; `module/print.test.ts` sees to it that they are what this prints. Run
 * `node tools/print-module.ts` after changing a table.
 *
 * @module
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ATTRIBUTES } from '#spec/pkcs11/attributes.ts'
import { BATCH, DIALECT_CALLS } from '#spec/pkcs11/calls.ts'
import * as constants from '#spec/pkcs11/constants.ts'
import { FUNCTION_NAMES, FUNCTIONS_2_40, FUNCTIONS_3_0 } from '#spec/pkcs11/function-names.ts'
import {
  type Argument,
  FUNCTIONS,
  type FunctionName,
  type Parameter,
  parametersOf,
} from '#spec/pkcs11/functions.ts'
import { MECHANISMS, type MechanismRow, mechanismRow } from '#spec/pkcs11/mechanisms.ts'
import {
  declarationOf,
  type Member,
  STRUCTURES,
  type StructureType,
} from '#spec/pkcs11/structures.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const COLUMNS = 100

const NOTE = 'Printed by tools/print-module.ts from spec/pkcs11; change the tables, not this file.'

type Row = Readonly<Record<string, Argument>>
type Members = Readonly<Record<string, Member>>

/** Functions that `module/process.c` and `module/interfaces.c` have. */
export const WRITTEN: readonly FunctionName[] = [
  'C_Initialize',
  'C_Finalize',
  'C_GetFunctionList',
  'C_GetInterfaceList',
  'C_GetInterface',
  'C_GetFunctionStatus',
  'C_CancelFunction',
  'C_AsyncComplete',
  'C_AsyncGetID',
  'C_AsyncJoin',
]

/** Functions that programs look up by name: those of 2.40, and the ways to the others. */
const EXPORTED: ReadonlySet<string> = new Set([
  ...FUNCTIONS_2_40,
  'C_GetInterfaceList',
  'C_GetInterface',
])

/** What a function does to the operations of its session; see `module/claviger.h`. */
// biome-ignore format: a table
const ROLES: Readonly<Partial<Record<FunctionName, readonly [operations: string, role: string]>>> = {
  C_EncryptInit:         ['ENCRYPT', 'INIT'],
  C_Encrypt:             ['ENCRYPT', 'WHOLE'],
  C_EncryptUpdate:       ['ENCRYPT', 'UPDATE'],
  C_EncryptFinal:        ['ENCRYPT', 'FINAL'],
  C_DecryptInit:         ['DECRYPT', 'INIT'],
  C_Decrypt:             ['DECRYPT', 'WHOLE'],
  C_DecryptUpdate:       ['DECRYPT', 'UPDATE'],
  C_DecryptFinal:        ['DECRYPT', 'FINAL'],
  C_DigestInit:          ['DIGEST', 'INIT'],
  C_Digest:              ['DIGEST', 'WHOLE'],
  C_DigestUpdate:        ['DIGEST', 'UPDATE'],
  C_DigestKey:           ['DIGEST', 'UPDATE'],
  C_DigestFinal:         ['DIGEST', 'FINAL'],
  C_SignInit:            ['SIGN', 'INIT'],
  C_Sign:                ['SIGN', 'WHOLE'],
  C_SignUpdate:          ['SIGN', 'UPDATE'],
  C_SignFinal:           ['SIGN', 'FINAL'],
  C_SignRecoverInit:     ['SIGN_RECOVER', 'INIT'],
  C_SignRecover:         ['SIGN_RECOVER', 'WHOLE'],
  C_VerifyInit:          ['VERIFY', 'INIT'],
  C_Verify:              ['VERIFY', 'WHOLE'],
  C_VerifyUpdate:        ['VERIFY', 'UPDATE'],
  C_VerifyFinal:         ['VERIFY', 'FINAL'],
  C_VerifyRecoverInit:   ['VERIFY_RECOVER', 'INIT'],
  C_VerifyRecover:       ['VERIFY_RECOVER', 'WHOLE'],
  C_DigestEncryptUpdate: ['DIGEST | ENCRYPT', 'UPDATE'],
  C_DecryptDigestUpdate: ['DECRYPT | DIGEST', 'UPDATE'],
  C_SignEncryptUpdate:   ['SIGN | ENCRYPT', 'UPDATE'],
  C_DecryptVerifyUpdate: ['DECRYPT | VERIFY', 'UPDATE'],
  C_VerifySignatureInit: ['0', 'INIT'],
  C_MessageEncryptInit:  ['MESSAGE_ENCRYPT', 'INIT'],
  C_EncryptMessage:      ['MESSAGE_ENCRYPT', 'MESSAGE'],
  C_EncryptMessageBegin: ['MESSAGE_ENCRYPT', 'MESSAGE'],
  C_EncryptMessageNext:  ['MESSAGE_ENCRYPT', 'MESSAGE'],
  C_MessageDecryptInit:  ['MESSAGE_DECRYPT', 'INIT'],
  C_DecryptMessage:      ['MESSAGE_DECRYPT', 'MESSAGE'],
  C_DecryptMessageBegin: ['MESSAGE_DECRYPT', 'MESSAGE'],
  C_DecryptMessageNext:  ['MESSAGE_DECRYPT', 'MESSAGE'],
  C_MessageSignInit:     ['MESSAGE_SIGN', 'INIT'],
  C_SignMessage:         ['MESSAGE_SIGN', 'MESSAGE'],
  C_SignMessageBegin:    ['MESSAGE_SIGN', 'MESSAGE'],
  C_SignMessageNext:     ['MESSAGE_SIGN', 'MESSAGE'],
  C_MessageVerifyInit:   ['MESSAGE_VERIFY', 'INIT'],
  C_VerifyMessage:       ['MESSAGE_VERIFY', 'MESSAGE'],
  C_VerifyMessageBegin:  ['MESSAGE_VERIFY', 'MESSAGE'],
  C_VerifyMessageNext:   ['MESSAGE_VERIFY', 'MESSAGE'],
  C_Login:               ['REPEATABLE', 'FLUSHES'],
  C_LoginUser:           ['REPEATABLE', 'FLUSHES'],
  C_SessionCancel:       ['REPEATABLE', 'FLUSHES'],
  C_GetOperationState:   ['REPEATABLE', 'FLUSHES'],
  C_SetOperationState:   ['REPEATABLE', 'FLUSHES'],
  C_Logout:              ['0', 'FORGETS'],
  C_InitToken:           ['0', 'FORGETS'],
  C_CloseAllSessions:    ['0', 'CLOSES_ALL'],
  C_SetAttributeValue:   ['0', 'FORGETS'],
  C_CopyObject:          ['0', 'FORGETS'],
  C_DestroyObject:       ['0', 'FORGETS'],
  C_OpenSession:         ['0', 'OPENS'],
  C_CloseSession:        ['0', 'CLOSES'],
  C_FindObjectsInit:     ['0', 'SEARCHES'],
  C_FindObjects:         ['0', 'FINDS'],
  C_FindObjectsFinal:    ['0', 'FOUND'],
  C_WaitForSlotEvent:    ['0', 'flags & CKF_DONT_BLOCK ? PLAIN : WAITS'],
}

/** A comment of C. */
function comment(...lines: readonly string[]): string {
  return ['/*', ...lines.map((line) => ` * ${line}`.trimEnd()), ' */'].join('\n')
}

/** A type and a name: the star of a pointer stands by the name. */
function declare(type: string, name: string): string {
  return type.endsWith('*') ? `${type}${name}` : `${type} ${name}`
}

/** A list in brackets, broken before a line is too long. */
function wrap(head: string, items: readonly string[], tail: string, indent: string): string {
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

function parametersOfRow(row: Row): readonly Parameter[] {
  return Object.entries(row).flatMap((entry) => parametersOf(...entry))
}

function rowOf(name: FunctionName): Row {
  return FUNCTIONS[name]
}

function prototype(name: FunctionName, tail: string, start = ''): string {
  const head = `${start}CK_RV ${name}(`
  const parameters = parametersOfRow(rowOf(name)).map(({ type, name }) => declare(type, name))
  return wrap(head, parameters, `)${tail}`, ' '.repeat(head.length))
}

// --- pkcs11.h ---

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

const LISTS = {
  CK_FUNCTION_LIST: FUNCTIONS_2_40,
  CK_FUNCTION_LIST_3_0: [...FUNCTIONS_2_40, ...FUNCTIONS_3_0],
  CK_FUNCTION_LIST_3_2: FUNCTION_NAMES,
} as const satisfies Readonly<Record<string, readonly FunctionName[]>>

function header(): string {
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

// --- calls.h ---

/** Structures that the token fills in. */
const RETURNED = [
  ...new Set(
    Object.values<Row>(FUNCTIONS)
      .flatMap((row) => Object.values(row))
      .flatMap((argument) => (argument.kind === 'structure' ? [argument.type] : [])),
  ),
]

function callsHeader(): string {
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

function listName(type: string): string {
  return type.replace('CK_FUNCTION_LIST', 'claviger_functions')
}

// --- calls.c: structures ---

const UNITS = { bytes: 'IN_BYTES', bits: 'IN_BITS', either: 'IN_EITHER' } as const
const DIRECTIONS = { in: 'GIVEN', out: 'WRITTEN', inout: 'BOTH' } as const

/** The fields of `struct member` that one member has, by the row's names. */
function fields(structure: string, members: Members, name: string): readonly string[] {
  const member = members[name] as Member
  const offset = `.offset = offsetof(${structure}, ${name})`
  const size = `.size = sizeof(((${structure} *)NULL)->${name})`
  const kind = (text: string): string => `.kind = ${text}_MEMBER`
  const length = 'length' in member ? [lengthOffset(structure, members, member)] : []
  switch (member.kind) {
    case 'ulong':
      return [kind('ULONG'), offset]
    case 'bool':
      return [kind('BOOL'), offset]
    case 'byte':
    case 'version':
    case 'fixed':
    case 'text':
      return [kind('INLINE'), offset, size]
    case 'bytes':
      return [
        kind('BYTES'),
        offset,
        ...length,
        ...(member.unit === 'bytes' ? [] : [`.unit = ${UNITS[member.unit]}`]),
        ...direction(member.direction),
      ]
    case 'pointed':
      return [kind('POINTED'), offset, `.size = ${member.bytes}`, ...direction(member.direction)]
    case 'structure':
      return [kind('STRUCTURE'), offset, inner(member.type)]
    case 'structurePointer':
      return [kind('STRUCTURE_POINTER'), offset, inner(member.type), ...direction(member.direction)]
    case 'array':
      return [kind('ARRAY'), offset, ...length, inner(member.type)]
    case 'template':
      return [kind('TEMPLATE'), offset, ...length]
    case 'mechanism':
      return [kind('MECHANISM'), offset]
    case 'string':
      return [kind('STRING'), offset]
    case 'handleOut':
      return [kind('HANDLE_OUT'), offset]
    case 'pointer':
      return [kind('FOREIGN'), offset]
    case 'length':
    case 'lengthPointer':
      return []
  }
}

function lengthOffset(
  structure: string,
  members: Members,
  { length: name, of }: { readonly length: string; readonly of?: string },
): string {
  if (of !== undefined) return `.length_offset = offsetof(${of}, ${name}), .is_outer_length = true`
  const offset = `.length_offset = offsetof(${structure}, ${name})`
  return members[name]?.kind === 'lengthPointer' ? `${offset}, .is_length_pointer = true` : offset
}

function direction(value: keyof typeof DIRECTIONS): readonly string[] {
  return value === 'in' ? [] : [`.direction = ${DIRECTIONS[value]}`]
}

function inner(type: string): string {
  return `.structure = &${variable(type)}`
}

function variable(type: string): string {
  return `structure_${type}`
}

function structureTable(type: StructureType): string {
  const members: Members = STRUCTURES[type]
  const rows = Object.keys(members)
    .map((name) => fields(type, members, name))
    .filter((row) => row.length > 0)
    .map((row) => wrap('    {', row, '},', '     '))
  return `static const struct member members_${type}[] = {\n${rows.join('\n')}\n};
STRUCTURE(${type});`
}

const USES = ['parameter', 'message', 'authenticatedWrap'] as const
type Use = (typeof USES)[number]
const USE_NAMES = {
  parameter: 'OF_MECHANISM',
  message: 'OF_MESSAGE',
  authenticatedWrap: 'OF_AUTHENTICATED_WRAP',
} as const satisfies Record<Use, string>

/** One row for each number, and the structure of its parameter, where it has one. */
function structuresOf(use: Use): ReadonlyMap<StructureType, readonly string[]> {
  const found = new Map<StructureType, string[]>()
  const types = new Set(MECHANISMS.map(({ type }) => type))
  for (const row of [...types].map((type) => mechanismRow(type) as MechanismRow)) {
    // Where nothing is said of authenticated wrapping, the parameter is the ordinary one.
    const structure = row[use] ?? (use === 'authenticatedWrap' ? row.parameter : undefined)
    if (structure === undefined || !Object.hasOwn(STRUCTURES, structure)) continue
    const list = found.get(structure as StructureType) ?? []
    found.set(structure as StructureType, list)
    list.push(`CKM_${row.name}`)
  }
  return found
}

/** Structures that travel, each behind those that it is made of. */
function travelling(): readonly StructureType[] {
  const found = new Set<StructureType>()
  const add = (type: StructureType): void => {
    for (const member of Object.values<Member>(STRUCTURES[type])) {
      const isMadeOf = ['structure', 'structurePointer', 'array'].includes(member.kind)
      if (isMadeOf && 'type' in member) add(member.type as StructureType)
    }
    found.add(type)
  }
  for (const type of RETURNED) add(type)
  for (const use of USES) for (const type of structuresOf(use).keys()) add(type)
  return [...found]
}

function parameterSwitch(use: Use): string {
  const cases = [...structuresOf(use)].map(([type, names]) => {
    const labels = names.map((name) => `    case ${name}:`).join('\n')
    return `${labels}\n        return &${variable(type)};`
  })
  return `static const struct structure *of_${use.toLowerCase()}(CK_MECHANISM_TYPE type)
{
    switch (type) {
${cases.join('\n')}
    default:
        return NULL;
    }
}`
}

function parameterStructure(): string {
  const cases = USES.map(
    (use) => `    case ${USE_NAMES[use]}:\n        return of_${use.toLowerCase()}(type);`,
  )
  return `const struct structure *parameter_structure(CK_MECHANISM_TYPE type,
                                            enum parameter_use use)
{
    switch (use) {
${cases.join('\n')}
    }
    return NULL;
}`
}

function isTemplate(): string {
  const rows = ATTRIBUTES.filter((row) => row.class === 'template')
  const cases = rows.map(({ name }) => `    case CKA_${name}:`)
  return `bool is_template(CK_ATTRIBUTE_TYPE type)
{
    switch (type) {
${cases.join('\n')}
        return true;
    default:
        return false;
    }
}`
}

// --- calls.c: functions ---

function put(name: string, argument: Argument, of: FunctionName): string {
  switch (argument.kind) {
    case 'ulong':
    case 'bool':
      return `put_${argument.kind}(&call, ${name});`
    case 'mechanism':
      return of.endsWith('Authenticated')
        ? `put_mechanism_authenticated(&call, ${name});`
        : `put_mechanism(&call, ${name});`
    case 'bytes':
    case 'text':
      return `put_bytes(&call, ${name}, ${argument.length});`
    case 'wanted':
      return of === 'C_SignMessageNext'
        ? `put_wanted_or_not(&call, ${name}, ${argument.length});`
        : `put_wanted(&call, ${name}, ${argument.length});`
    case 'filled':
    case 'template':
    case 'values':
    case 'parameter':
    case 'ulongs':
      return `put_${argument.kind}(&call, ${name}, ${argument.length});`
    case 'padded':
      return `put_padded(&call, ${name}, ${argument.bytes});`
    case 'found':
      return `put_found(&call, ${name}, ${argument.maximum}, ${argument.length});`
    case 'ulongOut':
      return of === 'C_DeriveKey' ? `need_key(&call, ${name});` : `need(&call, ${name});`
    case 'structure':
      return `need(&call, ${name});`
    case 'pointer':
      // The application's own pointer and callback stay in its process: no event is reported.
      return name === 'pReserved' ? `need_nothing(&call, ${name});` : `(void)${name};`
  }
}

function get(name: string, argument: Argument): readonly string[] {
  switch (argument.kind) {
    case 'ulongOut':
      return [`get_ulong(&call, ${name});`]
    case 'structure':
      return [`get_structure(&call, &${variable(argument.type)}, ${name});`]
    case 'found':
      return [`get_found(&call, ${name}, ${argument.maximum}, ${argument.length});`]
    case 'wanted':
    case 'filled':
    case 'values':
    case 'parameter':
    case 'ulongs':
      return [`get_${argument.kind}(&call, ${name}, ${argument.length});`]
    default:
      return []
  }
}

function functionText(name: FunctionName): string {
  const row = rowOf(name)
  const [operations, role] = ROLES[name] ?? ['0', 'PLAIN']
  const session = ['hSession', 'slotID'].find((one) => one in row) ?? '0'
  const written =
    'pMechanism' in row && role !== 'INIT' ? ['get_mechanism(&call, pMechanism);'] : []
  const begin = wrap(
    '    if (!call_begin(',
    ['&call', `CALL_${name}`, session, operations, role],
    '))',
    ' '.repeat(20),
  )
  const lines = [
    ...Object.entries(row).map((entry) => put(...entry, name)),
    'call_run(&call);',
    ...Object.entries(row).flatMap((entry) => get(...entry)),
    ...written,
    'return call_end(&call);',
  ]
  const body = lines.map((line) => `    ${line}`).join('\n')
  return `${prototype(name, '', EXPORTED.has(name) ? 'EXPORT ' : '')}
{
    struct call call;
${begin}
        return call.rv;
${body}
}`
}

function listText(type: keyof typeof LISTS, version: string): string {
  const items = [`{${version}}`, ...LISTS[type]]
  return `const ${type} ${listName(type)} = {\n${wrap('    ', items, '};', '    ')}`
}

function calls(): string {
  const remote = FUNCTION_NAMES.filter((name) => !WRITTEN.includes(name))
  return [
    comment('The functions of PKCS#11, each as a remote call.', '', NOTE),
    '#include "claviger.h"\n#include "calls.h"',
    ...travelling().map(structureTable),
    ...USES.map(parameterSwitch),
    parameterStructure(),
    isTemplate(),
    ...remote.map(functionText),
    listText('CK_FUNCTION_LIST', '2, 40'),
    listText('CK_FUNCTION_LIST_3_0', '3, 0'),
    `${listText('CK_FUNCTION_LIST_3_2', '3, 2')}\n`,
  ].join('\n\n')
}

/** Every printed file by its path. */
export function printedFiles(): ReadonlyMap<string, string> {
  return new Map([
    ['module/pkcs11.h', header()],
    ['module/calls.h', callsHeader()],
    ['module/calls.c', calls()],
  ])
}

if (import.meta.main) {
  for (const [path, text] of printedFiles()) writeFileSync(`${ROOT}${path}`, text)
}
