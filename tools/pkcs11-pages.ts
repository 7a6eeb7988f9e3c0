/**
 * The printed pages on PKCS#11's functions and mechanisms.
 *
 * @module
 */
import type { Keystore } from '#core/keystore.ts'
import { FUNCTION_GROUPS } from '#fronts/pkcs11/engine.ts'
import { type KeyUnit, mechanismsOf, type Offered, unitOf } from '#fronts/pkcs11/mechanisms.ts'
import { NOT_OFFERED } from '#fronts/pkcs11/not-offered.ts'
import {
  FUNCTION_NAMES,
  FUNCTIONS_2_40,
  FUNCTIONS_3_0,
  type FunctionName,
} from '#spec/pkcs11/function-names.ts'
import { MECHANISMS, type MechanismRow, type Service } from '#spec/pkcs11/mechanisms.ts'
import { code, hex, page, type Row, table } from './markdown.ts'
import { WRITTEN } from './module-functions.ts'

/** What is said of services that go together; the two of a pair are told in one word. */
const SERVICES: readonly (readonly [string, readonly Service[]])[] = [
  ['encrypt, decrypt', ['encrypt', 'decrypt']],
  ['messages encrypted, decrypted', ['messageEncrypt', 'messageDecrypt']],
  ['sign, verify', ['sign', 'verify']],
  ['messages signed, verified', ['messageSign', 'messageVerify']],
  ['recover', ['signRecover', 'verifyRecover']],
  ['digest', ['digest']],
  ['generate a key', ['generate']],
  ['generate a pair', ['generatePair']],
  ['wrap, unwrap', ['wrap', 'unwrap']],
  ['derive', ['derive']],
  ['encapsulate, decapsulate', ['encapsulate', 'decapsulate']],
]

/** The words of the services that a mechanism has. */
function wordsOf(has: (service: Service) => boolean): readonly string[] {
  return SERVICES.flatMap(([words, pair]) => {
    const present = pair.filter(has)
    if (present.length === 0) return []
    return present.length === pair.length ? [words] : present
  })
}

const UNITS: Readonly<Record<KeyUnit, string>> = {
  bits: 'bits',
  bytes: 'bytes',
  publicBytes: 'bytes of the public key',
}

function sizesText(offered: Offered): string {
  const { min, max } = offered.sizes
  if (max === 0) return '-'
  const range = min === max ? `${min}` : `${min} to ${max}`
  return `${range} ${UNITS[unitOf(offered)]}`
}

function parameterText({ parameter, isOptional, message, authenticatedWrap }: MechanismRow) {
  const own = parameter.startsWith('CK_') ? code(parameter) : parameter
  const others = [
    ...(message === undefined ? [] : [`messages: ${code(message)}`]),
    ...(authenticatedWrap === undefined ? [] : [`authenticated wrap: ${code(authenticatedWrap)}`]),
  ]
  return [own === 'none' ? '-' : `${own}${isOptional ? ' or none' : ''}`, ...others].join('; ')
}

function offeredRow(offered: Offered): Row {
  const { does, name, type, row } = offered
  const services = wordsOf((service) => does[service] !== undefined)
  return [`CKM_${name}`, hex(type, 4), services.join('; '), sizesText(offered), parameterText(row)]
}

/** Mechanisms that are not offered, by what they would be for; a number counts once. */
function othersTable(offered: ReadonlyMap<number, Offered>): string {
  const names = new Map<string, string[]>()
  for (const { name, type, serves } of MECHANISMS) {
    if (offered.has(type)) continue
    const purpose = wordsOf((service) => serves.includes(service)).join('; ')
    const list = names.get(purpose) ?? []
    names.set(purpose, [...list, `CKM_${name}`])
  }
  const rows = [...names].map(([purpose, list]) => [purpose || 'not said', list.join(', ')])
  return table(['For', 'Mechanisms'], rows)
}

/** @param keystore Whose token it is. */
export function mechanismsPage(keystore: Keystore): string {
  const offered = mechanismsOf(keystore)
  const rows = [...offered.values()].sort((one, other) => one.type - other.type).map(offeredRow)
  return page(
    '# Mechanisms of PKCS#11',
    `Rows of \`spec/algorithms.ts\` and \`spec/pkcs11/mechanisms.ts\`, as \`fronts/pkcs11/mechanisms.ts\`
offers them on a token of the software keystore; on another one \`C_GetMechanismList\` says what
it has.`,
    `## Offered\n\n${rows.length} mechanisms. Functions are those that the flags of \`C_GetMechanismInfo\`
say; key sizes are in the unit of the standard.`,
    table(['Mechanism', 'Number', 'Functions', 'Key sizes', 'Parameter'], rows),
    '## Not offered\n\nAnswered with `CKR_MECHANISM_INVALID`.',
    othersTable(offered),
  )
}

function since(name: FunctionName): string {
  if ((FUNCTIONS_2_40 as readonly string[]).includes(name)) return '2.40'
  return (FUNCTIONS_3_0 as readonly string[]).includes(name) ? '3.0' : '3.2'
}

/** Functions that need both: the module its connection, the server its application. */
const SHARED: readonly FunctionName[] = ['C_Initialize', 'C_Finalize']

function answeredBy(name: FunctionName): string {
  if (SHARED.includes(name)) return 'module and server'
  if (WRITTEN.includes(name)) return 'module'
  const group = Object.entries(FUNCTION_GROUPS).find(([, functions]) => name in functions)
  if (group === undefined) throw new Error(`Cannot print ${name}: nobody answers it`)
  return `engine: ${group[0]}`
}

export function functionsPage(): string {
  const rows = FUNCTION_NAMES.map((name) => [code(name), since(name), answeredBy(name)])
  const refusals = NOT_OFFERED.map((row) => [code(row.function), row.wish, code(`CKR_${row.rv}`)])
  return page(
    '# Functions of PKCS#11',
    `Rows of \`spec/pkcs11/function-names.ts\`, of the engine's groups in
\`fronts/pkcs11/functions\` and of
\`fronts/pkcs11/not-offered.ts\`.`,
    `## What is not done\n\nEvery function answers. These wishes are refused on every token; which
mechanisms there are is [another page](pkcs11-mechanisms.md), which keys may do what
[a third](pkcs11-rules.md).`,
    table(['Function', 'Wish', 'Code'], refusals),
    `## Who answers\n\n${rows.length} functions. "Since" is the version of the standard whose
function list
has it first. The module answers alone what needs no token.`,
    table(['Function', 'Since', 'Answered by'], rows),
  )
}
