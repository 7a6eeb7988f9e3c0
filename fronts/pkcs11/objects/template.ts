/**
 * Templates, read and checked.
 *
 * PKCS#11 3.2 §4.1.1 to §4.1.3: what is wrong with a template has a code for each case. An
 * attribute that no class has is `CKR_ATTRIBUTE_TYPE_INVALID`, one that only other classes have
 * `CKR_TEMPLATE_INCONSISTENT`, one that the token sets `CKR_ATTRIBUTE_READ_ONLY`.
 *
 * @module
 */
import { CKA, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { ULONG_BYTES, ulongOf, ulongsOf } from '#spec/pkcs11/memory.ts'
import type { Attribute } from '#spec/pkcs11/types.ts'
import {
  type AttributeRow,
  ckaName,
  type Family,
  type Form,
  formOf,
  type Kind,
  tableFor,
} from './table.ts'
import { writeTemplate } from './template-bytes.ts'

/** How an object comes about: which footnotes of the standard hold. */
export type Making = 'create' | 'generate' | 'unwrap' | 'derive'

const REQUIRED: Readonly<Record<Making, number>> = { create: 1, generate: 3, unwrap: 5, derive: 0 }
const FORBIDDEN: Readonly<Record<Making, number>> = { create: 2, generate: 4, unwrap: 6, derive: 4 }

const EMPTY = new Uint8Array(0)

/** A template whose values have the right form. */
export class Template {
  readonly #values = new Map<number, Uint8Array | readonly Attribute[]>()

  /** @throws `CryptokiError` `ATTRIBUTE_TYPE_INVALID`, `_VALUE_INVALID`, `TEMPLATE_…`. */
  constructor(list: readonly Attribute[]) {
    for (const attribute of list) this.#add(attribute)
  }

  #add({ type, value = EMPTY, length = 0 }: Attribute): void {
    const form = formOf(type)
    const name = ckaName(type)
    if (form === undefined) {
      const what = `${name} is no attribute of any class that is offered`
      throw new CryptokiError(CKR.ATTRIBUTE_TYPE_INVALID, what)
    }
    if (!hasForm(form, value) || (value === EMPTY && length > 0)) {
      const what = `the value of ${name} is no ${FORM_NAMES[form]}`
      throw new CryptokiError(CKR.ATTRIBUTE_VALUE_INVALID, what)
    }
    // A template in a template is checked now, and not when it is to hold.
    if (!(value instanceof Uint8Array)) new Template(value)
    const present = this.#values.get(type)
    if (present !== undefined && !sameTemplateValue(present, value)) {
      const what = `${name} is given twice, with different values`
      throw new CryptokiError(CKR.TEMPLATE_INCONSISTENT, what)
    }
    this.#values.set(type, value)
  }

  has(type: number): boolean {
    return this.#values.has(type)
  }

  types(): Iterable<number> {
    return this.#values.keys()
  }

  value(type: number): Uint8Array | readonly Attribute[] | undefined {
    return this.#values.get(type)
  }

  bytes(type: number): Uint8Array | undefined {
    const value = this.#values.get(type)
    return value instanceof Uint8Array ? value : undefined
  }

  flag(type: number): boolean | undefined {
    const bytes = this.bytes(type)
    return bytes && bytes[0] !== 0
  }

  number(type: number): number | undefined {
    const bytes = this.bytes(type)
    return bytes && ulongOf(bytes)
  }

  template(type: number): readonly Attribute[] | undefined {
    const value = this.#values.get(type)
    return value instanceof Uint8Array ? undefined : value
  }

  list(): readonly Attribute[] {
    return [...this.#values].map(([type, value]) => ({ type, value }))
  }

  /** With what another template says; what both say must be the same. */
  and(other: readonly Attribute[]): Template {
    return new Template([...this.list(), ...other])
  }
}

const FORM_NAMES: Readonly<Record<Form, string>> = {
  bool: 'CK_BBOOL',
  ulong: 'CK_ULONG',
  ulongs: 'array of CK_ULONG',
  bytes: 'byte array',
  text: 'text',
  number: 'big integer',
  date: 'CK_DATE or nothing',
  template: 'array of attributes',
}

function hasForm(form: Form, value: Uint8Array | readonly Attribute[]): boolean {
  if (!(value instanceof Uint8Array)) return form === 'template'
  switch (form) {
    case 'bool':
      return value.length === 1 && (value[0] as number) <= 1
    case 'ulong':
      return value.length === ULONG_BYTES
    case 'ulongs':
      return ulongsOf(value) !== undefined
    case 'date':
      return value.length === 0 || secondsOfDate(value) !== undefined
    case 'template':
      return value.length === 0
    default:
      return true
  }
}

/** Midnight (UTC) at which the day of a CK_DATE begins, in seconds since the epoch. */
export function secondsOfDate(value: Uint8Array): number | undefined {
  const text = Buffer.from(value).toString('latin1')
  const parts = /^(\d{4})(\d\d)(\d\d)$/.exec(text)
  if (parts === null) return undefined
  const iso = `${parts[1]}-${parts[2]}-${parts[3]}`
  const date = new Date(`${iso}T00:00:00Z`)
  // The 30th of February is another day to Date.
  const isDay = !Number.isNaN(date.getTime()) && date.toISOString().startsWith(iso)
  return isDay ? date.getTime() / 1000 : undefined
}

export function sameTemplateValue(
  a: Uint8Array | readonly Attribute[],
  b: Uint8Array | readonly Attribute[],
): boolean {
  const bytes = (one: typeof a): Uint8Array =>
    one instanceof Uint8Array ? one : writeTemplate(one)
  return Buffer.compare(bytes(a), bytes(b)) === 0
}

/** What the token alone sets, whatever the way in which the object is made. */
function isTokens(row: AttributeRow): boolean {
  return row.notes.has(2) && row.notes.has(4) && row.notes.has(6)
}

/**
 * Whether a class has all that is given, and has been given all that it needs.
 *
 * @throws `CryptokiError` `TEMPLATE_INCONSISTENT`, `TEMPLATE_INCOMPLETE`, `ATTRIBUTE_READ_ONLY`.
 */
export function assertFits(template: Template, kind: Kind, family: Family, making: Making): void {
  const table = tableFor(kind, family)
  for (const type of template.types()) {
    const row = table.get(type)
    if (row === undefined) {
      const what = `a ${kind} object of this type has no ${ckaName(type)}`
      throw new CryptokiError(CKR.TEMPLATE_INCONSISTENT, what)
    }
    // A length that agrees with the value does no harm; whoever makes the key compares them.
    if (type === CKA.VALUE_LEN) continue
    if (row.notes.has(FORBIDDEN[making])) {
      const code = isTokens(row) ? CKR.ATTRIBUTE_READ_ONLY : CKR.TEMPLATE_INCONSISTENT
      throw new CryptokiError(code, `${row.name} follows from the object, and is not given`)
    }
  }
  if (making === 'generate') assertUntold(template)
  for (const row of table.values()) {
    if (!row.notes.has(REQUIRED[making]) || template.has(row.type)) continue
    // Class and key type may follow from the mechanism; whoever makes the key knows them.
    if (row.type === CKA.CLASS || row.type === CKA.KEY_TYPE) continue
    throw new CryptokiError(CKR.TEMPLATE_INCOMPLETE, `CKA_${row.name} is missing`)
  }
}

/** What follows from a key that is not there yet nobody can know. */
function assertUntold(template: Template): void {
  for (const type of [CKA.CHECK_VALUE, CKA.PUBLIC_KEY_INFO]) {
    if ((template.bytes(type)?.length ?? 0) === 0) continue
    const what = `${ckaName(type)} follows from the key, which is not made yet`
    throw new CryptokiError(CKR.ATTRIBUTE_VALUE_INVALID, what)
  }
}

/** @throws `CryptokiError` `TEMPLATE_INCONSISTENT` where a number is given and is another. */
export function assertAgrees(template: Template, type: number, expected: number): void {
  const given = template.number(type)
  if (given === undefined || given === expected) return
  const what = `${ckaName(type)} is ${given}, and should be ${expected}`
  throw new CryptokiError(CKR.TEMPLATE_INCONSISTENT, what)
}
