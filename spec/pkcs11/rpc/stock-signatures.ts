/**
 * The signatures of p11-kit's calls: a letter or two for each argument.
 *
 * draft-ueno-pkcs11-rpc. They are worked out from the rows of `../functions.ts` and travel in front
 * of the arguments.
 *
 * @module
 */
import { STOCK_CALLS, STOCK_SECOND_CALLS, type StockFunction } from '../calls.ts'
import type { Argument } from '../functions.ts'
import type { Member } from '../members.ts'
import { STRUCTURES } from '../structures.ts'
import { rowOf } from './codec.ts'

const GIVEN_SIGNATURES: Readonly<Partial<Record<Argument['kind'], string>>> = {
  ulong: 'u',
  bool: 'y',
  bytes: 'ay',
  text: 'ay',
  parameter: 'ay',
  padded: 's',
  wanted: 'fy',
  filled: 'fy',
  ulongs: 'fu',
  found: 'fu',
  template: 'aA',
  values: 'fA',
  mechanism: 'M',
}
const RETURNED_SIGNATURES: Readonly<Partial<Record<Argument['kind'], string>>> = {
  ulongOut: 'u',
  wanted: 'ay',
  filled: 'ay',
  ulongs: 'au',
  found: 'au',
  values: 'aAu',
}
const MEMBER_SIGNATURES: Readonly<Partial<Record<Member['kind'], string>>> = {
  ulong: 'u',
  version: 'v',
  text: 's',
}

/** The signatures of request and answer, in p11-kit's letters. */
export function signaturesOf(name: StockFunction, id: number): readonly [string, string] {
  if (name === 'C_Initialize') return ['ayyay', '']
  const kinds = rowOf(name).map(([, argument]) => argument)
  let given = kinds.map(({ kind }) => GIVEN_SIGNATURES[kind] ?? '').join('')
  let returned = kinds.map(returnedSignature).join('')
  if (id === STOCK_CALLS.C_InitToken) given = given.replace('s', 'z')
  if (name === 'C_SignMessageNext') given = given.replace(/fy$/, 'yfy')
  if (id === STOCK_SECOND_CALLS.C_DeriveKey.id) returned = `uP${returned}`
  return [given, returned]
}

function returnedSignature(argument: Argument): string {
  if (argument.kind !== 'structure') return RETURNED_SIGNATURES[argument.kind] ?? ''
  const members = Object.values<Member>(STRUCTURES[argument.type])
  return members.map(({ kind }) => MEMBER_SIGNATURES[kind] ?? '').join('')
}
