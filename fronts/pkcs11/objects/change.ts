/**
 * C_SetAttributeValue and C_CopyObject.
 *
 * PKCS#11 3.2 §5.7.2 and §5.7.6; which attributes may be changed when is in `table.ts`. Both keep
 * the one-way attributes: what is sensitive stays so, in a copy as well.
 *
 * @module
 */
import type { AttributeBag } from '#core/attribute-bag.ts'
import { KmsError } from '#core/errors.ts'
import { specOf } from '#core/keys.ts'
import { stateAt } from '#core/lifecycle.ts'
import type { ManagedObject } from '#core/objects.ts'
import { objectTypeOf } from '#core/objects.ts'
import { amend, duplicate } from '#core/operations/amend.ts'
import { alternativeName } from '#core/operations/make.ts'
import { AlternativeNameType, NameType, State } from '#spec/kmip/enumerations.ts'
import { CKA, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { Attribute } from '#spec/pkcs11/types.ts'
import type { Seen } from '../application.ts'
import type { Session } from '../session.ts'
import { booleanItem, bytesItem, familyOf, kindOfObject } from './classes.ts'
import { flagOf, rowOf, saidHome } from './flags.ts'
import { assertRoom, handleFor } from './make.ts'
import { maskOf, usageAttributes } from './plan.ts'
import { isPrivate } from './private.ts'
import { withCopied, withRoles } from './roles.ts'
import { assertAllowed, assertApart, assertMayTrust, assertMayWrite } from './rules.ts'
import { type AttributeRow, ckaName, type Kind, tableFor } from './table.ts'
import { sameTemplateValue, secondsOfDate, Template } from './template.ts'
import { writeTemplate } from './template-bytes.ts'
import { attributeValue, DAY, idBytes, labelText, RAW_ID, RAW_LABEL } from './values.ts'

/** @throws `CryptokiError` for whatever the object does not allow. */
export async function changeObject(
  session: Session,
  seen: Seen,
  list: readonly Attribute[],
): Promise<void> {
  const { object, lasting } = seen
  const template = new Template(list)
  assertChangeable(session, seen, template)
  const context = session.context('ModifyAttribute', lasting)
  const isData = kindOfObject(object) === 'data'
  const value = isData ? template.bytes(CKA.VALUE)?.slice() : undefined
  const names = [...template.types()].map(ckaName).join(', ')
  await withLabel((repeats) => {
    const change = (bag: AttributeBag, one: ManagedObject): AttributeBag => {
      // Another request may have changed it since.
      assertChangeable(session, { ...seen, object: one }, template)
      return changed(session, bag, one, template, context.now, repeats)
    }
    return amend(context, object.id, { change, value, detail: names })
  })
}

function assertChangeable(session: Session, { object, lasting }: Seen, template: Template): void {
  assertMayWrite(session, lasting, isPrivate(object))
  assertAllowed(object, CKA.MODIFIABLE)
  for (const type of template.types()) {
    const row = knownRow(object, type)
    if (!row.notes.has(8) && type !== CKA.TRUSTED) throw readOnly(row)
    assertOneWay(session, object, row, template)
  }
}

/** Does it with the label as a Name, and again with an Alternative Name where that is taken. */
async function withLabel(work: (repeats: boolean) => Promise<unknown>): Promise<void> {
  try {
    await work(false)
  } catch (error) {
    if (!(error instanceof KmsError) || error.code !== 'nameInUse') throw error
    await work(true)
  }
}

function knownRow(object: ManagedObject, type: number): AttributeRow {
  const row = rowOf(object, type)
  if (row !== undefined) return row
  const what = `the object has no ${ckaName(type)}`
  throw new CryptokiError(CKR.TEMPLATE_INCONSISTENT, what)
}

function readOnly({ name }: AttributeRow): CryptokiError {
  return new CryptokiError(CKR.ATTRIBUTE_READ_ONLY, `CKA_${name} of an object does not change`)
}

/** @throws `CryptokiError` `ATTRIBUTE_READ_ONLY` where a flag would be turned back. */
function assertOneWay(
  session: Session,
  object: ManagedObject,
  row: AttributeRow,
  template: Template,
): void {
  if (row.form !== 'bool') return
  const [now, then] = [flagOf(object, row.type), template.flag(row.type) as boolean]
  if (now === then) return
  if (row.notes.has(11) && now) {
    throw new CryptokiError(CKR.ATTRIBUTE_READ_ONLY, `CKA_${row.name} stays true once it is`)
  }
  if (row.notes.has(12) && !now) {
    throw new CryptokiError(CKR.ATTRIBUTE_READ_ONLY, `CKA_${row.name} stays false once it is`)
  }
  if (row.notes.has(10)) assertMayTrust(session)
}

/** The attributes of KMIP with those of a template. @param repeats Whether the label is taken. */
function changed(
  session: Session,
  before: AttributeBag,
  object: ManagedObject,
  template: Template,
  now: number,
  repeats: boolean,
): AttributeBag {
  let bag = withUsage(session, before, object, template)
  const label = template.bytes(CKA.LABEL)
  if (label !== undefined) bag = relabelled(bag, label, repeats)
  const id = template.bytes(CKA.ID)
  if (id !== undefined) bag = bag.set(RAW_ID, bytesItem(id))
  bag = withDates(bag, template, now)
  for (const type of template.types()) {
    const row = rowOf(object, type)
    if (row !== undefined) bag = withOne(bag, row, template)
  }
  return withHiding(session, bag, template)
}

/** Where both flags mean whether the key may leave, one that says no is followed by the other. */
function withHiding({ token }: Session, bag: AttributeBag, template: Template): AttributeBag {
  const isSaid = template.has(CKA.SENSITIVE) || template.has(CKA.EXTRACTABLE)
  if (!isSaid || token.manner.export === 'wrapped') return bag
  const leaves = bag.get('sensitive') !== true && bag.get('extractable') === true
  return leaves ? bag : bag.set('sensitive', true).set('extractable', false)
}

/** What lies as it is in an attribute of KMIP or in a vendor attribute. */
function withOne(bag: AttributeBag, row: AttributeRow, template: Template): AttributeBag {
  const { home, type } = row
  if ('kmip' in home) {
    const flag = row.form === 'bool' ? template.flag(type) : undefined
    return flag === undefined ? bag : bag.set(home.kmip, flag)
  }
  if (!('vendor' in home)) return bag
  if (row.form === 'bool') {
    const flag = template.flag(type) as boolean
    const isUsual = flag === home.usual && type !== CKA.PRIVATE
    return bag.set(home.vendor, isUsual ? undefined : booleanItem(flag))
  }
  const value = template.value(type) ?? new Uint8Array(0)
  const bytes = value instanceof Uint8Array ? value : writeTemplate(value)
  return bag.set(home.vendor, bytes.length === 0 ? undefined : bytesItem(bytes))
}

/** A secret or private key that nobody is shown. */
function isHiddenKey(kind: Kind | undefined, bag: AttributeBag): boolean {
  const isReadable = bag.get('sensitive') !== true && bag.get('extractable') === true
  return (kind === 'secret' || kind === 'private') && !isReadable
}

/** All flags of the usage mask, those of the template among them. */
function withUsage(
  session: Session,
  bag: AttributeBag,
  object: ManagedObject,
  template: Template,
): AttributeBag {
  const kind = kindOfObject(object)
  if (kind === undefined) return bag
  const rows = [...tableFor(kind, familyOf(object)).values()].filter(({ home }) => 'mask' in home)
  if (!rows.some(({ type }) => template.has(type))) return bag
  const flags = new Map(rows.map(({ type }) => [type, template.flag(type) ?? flagOf(object, type)]))
  // What KMIP has made so stays so; nobody makes it so here.
  const turnedOn = rows.some(({ type }) => template.flag(type) === true && !flagOf(object, type))
  const hides = isHiddenKey(kind, bag)
  if (turnedOn && hides) assertApart(session, (type) => flags.get(type) === true)
  const algorithm = specOf(objectTypeOf(object), object.attributes)?.algorithm
  const { given, owned } = usageAttributes(rows, flags, algorithm)
  const others =
    (bag.get('cryptographicUsageMask') ?? 0) & ~rows.reduce((all, row) => all | maskOf(row), 0)
  const mask = others | (given[0]?.value as number)
  const kept = hides ? withRoles(session, bag, mask, kind === 'private') : bag
  const cleared = rows.reduce((all, row) => all.without(saidHome(row)), kept)
  const masked = cleared.set('cryptographicUsageMask', mask)
  return owned.reduce((all, { id, value }) => all.add(id, value), masked)
}

/** The first Name is the label; where it is taken, or there is none, the first Alternative Name. */
function relabelled(bag: AttributeBag, label: Uint8Array, repeats: boolean): AttributeBag {
  const [first] = bag.instances('name')
  const free = bag.without(RAW_LABEL)
  const text = labelText(label)
  if (text !== undefined && label.length > 0 && !repeats) {
    const name = { nameValue: text, nameType: NameType.UninterpretedTextString }
    if (first !== undefined) return free.replace('name', first.index, name)
    return withoutAlternative(free).add('name', name)
  }
  const unnamed = first === undefined ? free : free.without('name', first.index)
  if (unnamed.has('name')) {
    const what = "CKA_LABEL is another object's Name, and this one has a second Name of its own"
    throw new CryptokiError(CKR.ATTRIBUTE_VALUE_INVALID, what)
  }
  const bare = withoutAlternative(unnamed)
  if (label.length === 0) return bare
  return text === undefined
    ? bare.set(RAW_LABEL, bytesItem(label))
    : bare.add('alternativeName', alternativeName(text))
}

function withoutAlternative(bag: AttributeBag): AttributeBag {
  const label = bag
    .instances('alternativeName')
    .find(({ value }) => value.alternativeNameType === AlternativeNameType.UninterpretedTextString)
  return label === undefined ? bag : bag.without('alternativeName', label.index)
}

/** Days from and to which a key is active. */
function withDates(before: AttributeBag, template: Template, now: number): AttributeBag {
  let bag = before
  const [start, end] = [template.bytes(CKA.START_DATE), template.bytes(CKA.END_DATE)]
  if (start !== undefined) bag = bag.set('activationDate', startOf(bag, start, now))
  if (end !== undefined) {
    const last = secondsOfDate(end)
    bag = bag.set('deactivationDate', last === undefined ? undefined : last + DAY)
  }
  return bag
}

/** An active key does not become inactive again; without a day it is active from its beginning. */
function startOf(bag: AttributeBag, start: Uint8Array, now: number): number | undefined {
  const isActive = stateAt(bag, now) === State.Active
  const seconds = secondsOfDate(start)
  if (seconds === undefined) return isActive ? bag.get('initialDate') : undefined
  if (isActive && seconds > now) {
    const what = 'CKA_START_DATE lies ahead, and the key is active already'
    throw new CryptokiError(CKR.ATTRIBUTE_VALUE_INVALID, what)
  }
  return seconds
}

/** Attributes that a copy may have otherwise, beside those that change later on. */
const COPIED_ANEW: ReadonlySet<number> = new Set<number>([
  CKA.TOKEN,
  CKA.PRIVATE,
  CKA.MODIFIABLE,
  CKA.DESTROYABLE,
])

/** @returns The handle of the copy. @throws `CryptokiError` for whatever is not allowed. */
export async function copyObject(
  session: Session,
  seen: Seen,
  list: readonly Attribute[],
): Promise<number> {
  const { object } = seen
  assertAllowed(object, CKA.COPYABLE)
  const template = new Template(list)
  const lasting = template.flag(CKA.TOKEN) ?? seen.lasting
  const wasPrivate = isPrivate(object)
  const becomesPrivate = template.flag(CKA.PRIVATE) ?? wasPrivate
  assertMayWrite(session, lasting, becomesPrivate)
  if (wasPrivate && !becomesPrivate) {
    const what = 'CKA_PRIVATE: a copy of a private object is private'
    throw new CryptokiError(CKR.TEMPLATE_INCONSISTENT, what)
  }
  for (const [type, row] of await otherwise(seen, template)) {
    if (!row.notes.has(8) && !COPIED_ANEW.has(type) && type !== CKA.TRUSTED) throw readOnly(row)
    assertOneWay(session, object, row, template)
  }
  if (!lasting) assertRoom(session)
  const context = session.context('Register', lasting)
  // The label is tried as a Name first; `duplicate` sees to it where that is taken.
  const bag = changed(
    session,
    startingBag(object, seen.lasting === lasting),
    object,
    template,
    context.now,
    false,
  )
  return handleFor(session, await duplicate(context, object, bag), lasting)
}

/** What a copy shall have otherwise than the original. */
async function otherwise(
  seen: Seen,
  template: Template,
): Promise<readonly (readonly [number, AttributeRow])[]> {
  const rows: (readonly [number, AttributeRow])[] = []
  for (const { type, value = new Uint8Array(0) } of template.list()) {
    const row = knownRow(seen.object, type)
    if (row.notes.has(7)) throw readOnly(row)
    const read = await attributeValue(seen, type)
    if (!('value' in read) || !sameTemplateValue(read.value, value)) rows.push([type, row])
  }
  return rows
}

/** Attributes of the original, with what it had by way of its identifier said outright. */
export function startingBag(object: ManagedObject, staysBesides: boolean): AttributeBag {
  const { attributes } = object
  const linked = staysBesides ? attributes : attributes.without('link')
  const bag = isHiddenKey(kindOfObject(object), attributes) ? withCopied(linked) : linked
  if (rowOf(object, CKA.ID) === undefined) return bag
  return bag.set(RAW_ID, bytesItem(idBytes(object)))
}
