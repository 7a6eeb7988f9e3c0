/**
 * The structures of `calls.c`: where each member lies, how it travels, and which structure is the
 * parameter of which mechanism.
 *
 * Part of `tools/print-module.ts`. The rows are those of `spec/pkcs11/structures.ts`,
 * `mechanisms.ts` and `attributes.ts`; `module/claviger.h` says what the fields mean.
 *
 * @module
 */
import { ATTRIBUTES } from '#spec/pkcs11/attributes.ts'
import { FUNCTIONS } from '#spec/pkcs11/functions.ts'
import { MECHANISMS, type MechanismRow, mechanismRow } from '#spec/pkcs11/mechanisms.ts'
import type { Member } from '#spec/pkcs11/members.ts'
import { STRUCTURES, type StructureType } from '#spec/pkcs11/structures.ts'
import { type Members, type Row, wrap } from './module-c.ts'

/** Structures that the token fills in. */
const RETURNED = [
  ...new Set(
    Object.values<Row>(FUNCTIONS)
      .flatMap((row) => Object.values(row))
      .flatMap((argument) => (argument.kind === 'structure' ? [argument.type] : [])),
  ),
]

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

export function variable(type: string): string {
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

/** Tables of all structures that travel, and which of them is whose parameter. */
export function structuresText(): readonly string[] {
  return [
    ...travelling().map(structureTable),
    ...USES.map(parameterSwitch),
    parameterStructure(),
    isTemplate(),
  ]
}
