/**
 * What a template makes of a new object: attributes of KMIP, usage mask, vendor attributes.
 *
 * PKCS#11 3.2 §4: defaults. Where the standard leaves them to the token: keys are private; a
 * private key is sensitive; neither a private nor a secret key is extractable; a key may do what
 * its type is for, but never wrap or unwrap unless asked to.
 *
 * @module
 */

import { alternativeName } from '#core/operations/make.ts'
import { isPair, type KeyAlgorithm, pairRow } from '#spec/algorithms.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import { NameType } from '#spec/kmip/enumerations.ts'
import { CKA, CKK, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { Session } from '../session.ts'
import { booleanItem, bytesItem } from './classes.ts'
import { saidHome, suits } from './flags.ts'
import { PRIVATE } from './private.ts'
import { assertApart, assertMayTrust, assertMayWrite } from './rules.ts'
import { type AttributeRow, type Family, type Kind, tableFor } from './table.ts'
import { secondsOfDate, type Template } from './template.ts'
import { writeTemplate } from './template-bytes.ts'
import { DAY, labelText, RAW_ID, RAW_LABEL } from './values.ts'

/** A new object, but for its material. */
export interface Plan {
  readonly lasting: boolean
  readonly isPrivate: boolean
  /** As a client of KMIP would give them. */
  readonly given: readonly ListedAttribute[]
  /** As only the server sets them. */
  readonly owned: readonly ListedAttribute[]
}

export interface Subject {
  readonly kind: Kind
  readonly family: Family
  readonly algorithm?: KeyAlgorithm | undefined
  readonly keyType?: number | undefined
}

/** @throws `CryptokiError` for whatever the template or the session does not allow. */
export function planOf(session: Session, subject: Subject, template: Template): Plan {
  const { kind } = subject
  const lasting = template.flag(CKA.TOKEN) ?? false
  const isKey = kind === 'secret' || kind === 'private'
  const isPrivate = template.flag(CKA.PRIVATE) ?? isKey
  assertMayWrite(session, lasting, isPrivate)
  if (template.flag(CKA.TRUSTED) === true) assertMayTrust(session)
  if (template.flag(CKA.ALWAYS_AUTHENTICATE) === true && !isPrivate) {
    const what = 'CKA_ALWAYS_AUTHENTICATE is for objects with CKA_PRIVATE'
    throw new CryptokiError(CKR.TEMPLATE_INCONSISTENT, what)
  }
  const usage = usageOf(session, subject, template)
  if (isKey) tellHidden(session, template)
  const now = session.context('Create', lasting).now
  return {
    lasting,
    isPrivate,
    given: [
      ...labelAttributes(template.bytes(CKA.LABEL)),
      ...dateAttributes(template, now),
      ...usage.given,
      ...(isKey ? hiding(session, kind, template) : []),
      ...vendorAttributes(subject, template, 'x:'),
      ...idAttributes(template),
    ],
    owned: [
      ...usage.owned,
      ...vendorAttributes(subject, template, 'y:'),
      ...(isPrivate === isKey ? [] : [{ id: PRIVATE, value: booleanItem(isPrivate) } as const]),
    ],
  }
}

function hiding({ token }: Session, kind: Kind, template: Template): readonly ListedAttribute[] {
  const said = template.flag(CKA.SENSITIVE)
  const extractable = template.flag(CKA.EXTRACTABLE) ?? false
  if (token.manner.export === 'wrapped') {
    return [
      { id: 'sensitive', value: said ?? kind === 'private' },
      { id: 'extractable', value: extractable },
    ]
  }
  // Both say one thing, whether the key may leave: what is not to be read is not wrapped either.
  const leaves = extractable && said !== true
  return [
    { id: 'sensitive', value: !leaves },
    { id: 'extractable', value: leaves },
  ]
}

/** Who means to wrap a key later on is told now that it will not leave. */
function tellHidden({ token }: Session, template: Template): void {
  if (token.manner.export === 'wrapped') return
  if (!template.flag(CKA.SENSITIVE) || !template.flag(CKA.EXTRACTABLE)) return
  const what = 'a key that is to be sensitive and extractable is made not extractable'
  token.services.log.warn({ token: token.options.name, export: token.manner.export }, what)
}

/**
 * A label is a Name; where another object has that Name, it becomes an Alternative Name.
 */
function labelAttributes(label: Uint8Array | undefined): readonly ListedAttribute[] {
  if (label === undefined || label.length === 0) return []
  const text = labelText(label)
  if (text === undefined) return [{ id: RAW_LABEL, value: bytesItem(label) }]
  return [{ id: 'name', value: { nameValue: text, nameType: NameType.UninterpretedTextString } }]
}

/** The same label where it is known to be taken. */
export function repeatedLabel(list: readonly ListedAttribute[]): readonly ListedAttribute[] {
  return list.map((one) => {
    if (one.id !== 'name') return one
    const { nameValue } = one.value as { nameValue: string }
    return { id: 'alternativeName', value: alternativeName(nameValue) }
  })
}

function idAttributes(template: Template): readonly ListedAttribute[] {
  const id = template.bytes(CKA.ID)
  return id === undefined ? [] : [{ id: RAW_ID, value: bytesItem(id) }]
}

/** Active from now on, or from and to the days that are given. */
function dateAttributes(template: Template, now: number): readonly ListedAttribute[] {
  const start = secondsOfDate(template.bytes(CKA.START_DATE) ?? new Uint8Array(0))
  const last = secondsOfDate(template.bytes(CKA.END_DATE) ?? new Uint8Array(0))
  const end = last === undefined ? undefined : last + DAY
  if (start !== undefined && end !== undefined && end <= start) {
    const what = 'CKA_END_DATE lies before CKA_START_DATE'
    throw new CryptokiError(CKR.TEMPLATE_INCONSISTENT, what)
  }
  const activation = start ?? (end === undefined ? now : Math.min(now, end - 1))
  return [
    { id: 'activationDate', value: activation },
    ...(end === undefined ? [] : [{ id: 'deactivationDate', value: end } as const]),
  ]
}

function usageOf(
  session: Session,
  subject: Subject,
  template: Template,
): { readonly given: readonly ListedAttribute[]; readonly owned: readonly ListedAttribute[] } {
  const rows = [...tableFor(subject.kind, subject.family).values()].filter(
    ({ home }) => 'mask' in home,
  )
  if (rows.length === 0) return { given: [], owned: [] }
  const flags = new Map(
    rows.map(({ type }) => [type, template.flag(type) ?? usual(subject, template, type)]),
  )
  // Whoever can read a key needs no trick to know what it wraps: programs make such with all flags.
  const [sensitive, extractable] = hiding(session, subject.kind, template).map(({ value }) => value)
  const isReadable = subject.kind === 'secret' && !sensitive && extractable === true
  if (!isReadable) assertApart(session, (type) => flags.get(type) === true)
  return usageAttributes(rows, flags, subject.algorithm)
}

/** Mask of flags; and where a flag that shares its bit is otherwise than the bit says. */
export function usageAttributes(
  rows: readonly AttributeRow[],
  flags: ReadonlyMap<number, boolean>,
  algorithm: KeyAlgorithm | undefined,
): { readonly given: readonly ListedAttribute[]; readonly owned: readonly ListedAttribute[] } {
  const bits = rows.map((row) => (flags.get(row.type) === true ? maskOf(row) : 0))
  const mask = bits.reduce((all, bit) => all | bit, 0)
  const owned = rows.flatMap((row) => {
    const flag = flags.get(row.type) === true
    const said = (mask & maskOf(row)) !== 0 && suits(algorithm, row.type) !== flag
    return said ? [{ id: saidHome(row), value: booleanItem(flag) }] : []
  })
  return { given: [{ id: 'cryptographicUsageMask', value: mask }], owned }
}

export function maskOf({ home }: AttributeRow): number {
  return 'mask' in home ? home.mask : 0
}

const CIPHER_TYPES: ReadonlySet<number> = new Set<number>([
  CKK.AES,
  CKK.AES_XTS,
  CKK.DES2,
  CKK.DES3,
  CKK.CHACHA20,
])

/** What a key may do when nobody says. */
function usual({ kind, algorithm, keyType }: Subject, template: Template, type: number): boolean {
  const does = algorithm !== undefined && isPair(algorithm) ? pairRow(algorithm).does : []
  const isCipher = kind === 'secret' ? CIPHER_TYPES.has(keyType ?? -1) : does.includes('encrypt')
  switch (type) {
    case CKA.ENCRYPT:
      return isCipher && template.flag(kind === 'public' ? CKA.WRAP : CKA.UNWRAP) !== true
    case CKA.DECRYPT:
      return isCipher && template.flag(kind === 'private' ? CKA.UNWRAP : CKA.WRAP) !== true
    case CKA.SIGN:
    case CKA.VERIFY:
      return kind === 'secret' ? keyType !== CKK.HKDF : does.includes('sign')
    case CKA.SIGN_RECOVER:
    case CKA.VERIFY_RECOVER: {
      const plain = type === CKA.SIGN_RECOVER ? CKA.SIGN : CKA.VERIFY
      return algorithm === 'RSA' && template.flag(plain) !== false
    }
    case CKA.ENCAPSULATE:
    case CKA.DECAPSULATE:
      return does.includes('encapsulate')
    case CKA.DERIVE:
      // What can do nothing else.
      return keyType === CKK.HKDF || (kind === 'private' && does[0] === 'agree')
    default:
      return false
  }
}

/** What KMIP has no place for. */
function vendorAttributes(
  { kind, family }: Subject,
  template: Template,
  prefix: 'x:' | 'y:',
): readonly ListedAttribute[] {
  const table = tableFor(kind, family)
  return [...template.types()].flatMap((type) => {
    const row = table.get(type)
    if (row === undefined || !('vendor' in row.home) || type === CKA.PRIVATE) return []
    const { vendor, usual: standard } = row.home
    if (!vendor.startsWith(prefix)) return []
    if (row.form === 'bool') {
      const flag = template.flag(type) as boolean
      return flag === standard ? [] : [{ id: vendor, value: booleanItem(flag) }]
    }
    const value = template.value(type) ?? new Uint8Array(0)
    const bytes = value instanceof Uint8Array ? value : writeTemplate(value)
    return bytes.length === 0 ? [] : [{ id: vendor, value: bytesItem(bytes) }]
  })
}
