/**
 * Searching for objects.
 *
 * PKCS#11 3.2 §5.7.7: an object is found that has every attribute of the template with just that
 * value. What an index can answer narrows the search down; each object that it gives is then
 * compared as a whole. The objects that there are when the search begins are those that it can
 * find; it reads them as the application asks for them.
 *
 * @module
 */
import { setImmediate as pause } from 'node:timers/promises'
import type { Services } from '#core/context.ts'
import type { Condition } from '#core/database.ts'
import { LongSearch, type Searcher, tellAltered } from '#core/long-search.ts'
import type { ManagedObject } from '#core/objects.ts'
import { credentialOf, isVisible, scopesOf } from '#core/policy.ts'
import { conditionsOf, storageStatus, storedAs } from '#core/search.ts'
import type { Altered } from '#core/store.ts'
import { PAIRS, type PairRow, SECRET_KEYS, type SecretKeyRow } from '#spec/algorithms.ts'
import type { AttributeId } from '#spec/kmip/attribute-list.ts'
import { CryptographicAlgorithm, ObjectType, StorageStatusMask } from '#spec/kmip/enumerations.ts'
import { CKA, CKK, CKO } from '#spec/pkcs11/constants.ts'
import { ulongOf } from '#spec/pkcs11/memory.ts'
import type { Attribute } from '#spec/pkcs11/types.ts'
import type { Seen } from '../application.ts'
import type { Operation, Session } from '../session.ts'
import { builtInObject, builtInObjects, shownBuiltIns } from './built-in.ts'
import {
  booleanItem,
  bytesItem,
  KEY_TYPE,
  kindOfClass,
  kindOfObject,
  objectTypesOf,
} from './classes.ts'
import { isPrivate, PRIVATE } from './private.ts'
import { type AttributeRow, CLASSES, ckaName, formOf, tableFor } from './table.ts'
import { sameTemplateValue } from './template.ts'
import { attributeValue, labelText, RAW_ID, RAW_LABEL, SERIAL } from './values.ts'

/** Identifiers that are read before the rest of a long list. */
const PAGE = 128
/** Identifiers of that list that are read before others have their turn. */
const LONG_PAGE = 5_000
/** Objects that are compared before the application gets what there is. */
const CHUNK = 100

type Candidate = { readonly id: string; readonly lasting: boolean }

/** A search that has begun. */
export class Search implements Operation {
  readonly #session: Session
  readonly #template: readonly Attribute[]
  readonly #queries: readonly (readonly Condition[])[]
  /** Whether the index alone tells what matches: nothing has to be read. */
  readonly #isDecided: boolean
  /** Whether it is for one that is named: to leave that out would say that there is none. */
  readonly #isNamed: boolean
  readonly #shared: readonly string[]
  #candidates: Candidate[] = []
  #at = 0
  /** Whether there may be token objects beyond the first page. */
  #isPartial = false

  private constructor(session: Session, template: readonly Attribute[]) {
    this.#session = session
    this.#template = template
    const named = namedBy(template)
    this.#queries = queriesFor(session, template, named)
    this.#isNamed = named.length > 0
    this.#shared = sharedWith(session)
    const seesAll =
      session.seesPrivate && session.application.chosenKeystore(session.token) === undefined
    this.#isDecided = seesAll && template.length === 0 && this.#shared.length === 0
  }

  /** What no object has finds nothing: that is no failure. */
  static async begin(session: Session, template: readonly Attribute[]): Promise<Search> {
    const search = new Search(session, template)
    if (template.every(({ type }) => formOf(type) !== undefined)) await search.#collect()
    return search
  }

  async #collect(): Promise<void> {
    const { application, token } = this.#session
    if (!this.#session.isOpen) return
    const wanted = wantedFlag(this.#template, CKA.TOKEN)
    if (wanted !== true && application.hasVolatile(token)) {
      const ids = await this.#ids(application.volatile(token), Number.MAX_SAFE_INTEGER)
      // What has no handle any more was of a session that has ended.
      const living = ids.filter((id) => application.knownHandle(token, id) !== undefined)
      this.#candidates.push(...living.map((id) => ({ id, lasting: false })))
    }
    if (wanted === false) return
    const built = this.#wantsMechanisms() ? builtInObjects(token).keys() : shownBuiltIns(token)
    for (const id of built) this.#candidates.push({ id, lasting: true })
    const ids = await this.#ids(token.services, PAGE)
    this.#isPartial = ids.length >= PAGE
    const shared = this.#shared.filter((id) => !ids.includes(id))
    this.#candidates.push(...[...ids, ...shared].map((id) => ({ id, lasting: true })))
  }

  #wantsMechanisms(): boolean {
    const { value } = this.#template.find(({ type }) => type === CKA.CLASS) ?? {}
    return value instanceof Uint8Array && ulongOf(value) === CKO.MECHANISM
  }

  /** Without a scan: each query starts from the entries of a term, in their order. */
  async #ids({ store }: Services, limit: number): Promise<readonly string[]> {
    const { application, token } = this.#session
    const scopes = scopesOf(application.principalOf(token))
    const ids = new Set<string>()
    for (const conditions of this.#queries) {
      const query = { scopes, conditions, limit: Math.min(limit, LONG_PAGE), oldestFirst: true }
      let found = await store.find(query)
      for (const id of found.ids) ids.add(id)
      while (limit > LONG_PAGE && found.ids.length === LONG_PAGE) {
        await pause()
        found = await store.find({ ...query, behind: found.place })
        for (const id of found.ids) ids.add(id)
      }
    }
    return [...ids]
  }

  /** Our module answers C_FindObjectsFinal by itself then, and tells of it later. */
  get isOver(): boolean {
    return this.#at >= this.#candidates.length && !this.#isPartial
  }

  end(): void {
    this.#candidates = []
    this.#isPartial = false
  }

  /** The next handles, at most so many; fewer say that there are no more. */
  async next(max: number): Promise<readonly number[]> {
    const handles: number[] = []
    const altered: Altered = new Map()
    const search = this.#isDecided ? undefined : new LongSearch(this.#searcher())
    try {
      while (handles.length < max && (await this.#hasMore())) {
        const chunk = this.#candidates.slice(
          this.#at,
          this.#at + Math.min(CHUNK, max - handles.length),
        )
        await search?.turn(chunk.length)
        this.#at += chunk.length
        handles.push(...(await this.#matching(chunk, altered)))
      }
    } finally {
      search?.end()
      await tellAltered({ ...this.#asked(), operation: 'C_FindObjects' }, altered)
    }
    return handles
  }

  #asked() {
    const { application, token } = this.#session
    const principal = application.principalOf(token)
    return { services: token.services, principal, front: 'pkcs11' }
  }

  #searcher(): Searcher {
    const { principal, ...asked } = this.#asked()
    const undecided = (): readonly string[] => {
      const read = this.#template.filter((one) => one.type !== CKA.CLASS && !isIndexed(one))
      return (read.length > 0 ? read : this.#template).map(({ type }) => ckaName(type))
    }
    return { ...asked, principal: principal.name, what: 'Cannot find objects', undecided }
  }

  async #hasMore(): Promise<boolean> {
    if (this.#at < this.#candidates.length) return true
    if (!this.#isPartial) return false
    this.#isPartial = false
    const seen = new Set(this.#candidates.map(({ id }) => id))
    const all = await this.#ids(this.#session.token.services, Number.MAX_SAFE_INTEGER)
    const rest = all.filter((id) => !seen.has(id))
    this.#candidates.push(...rest.map((id) => ({ id, lasting: true })))
    return this.#at < this.#candidates.length
  }

  async #matching(chunk: readonly Candidate[], altered: Altered): Promise<readonly number[]> {
    if (this.#isDecided) return chunk.flatMap((one) => this.#handleFor(one) ?? [])
    const handles: number[] = []
    for (const lasting of [false, true]) {
      const ids = chunk.filter((one) => one.lasting === lasting).map(({ id }) => id)
      if (ids.length === 0) continue
      for (const object of await this.#objects(ids, lasting, altered)) {
        const handle = await this.#handleOf(object, lasting)
        if (handle !== undefined) handles.push(handle)
      }
    }
    return handles
  }

  /** @throws `KmsError` `tampered` where what the search names is not what was written. */
  async #objects(
    ids: readonly string[],
    lasting: boolean,
    altered: Altered,
  ): Promise<readonly ManagedObject[]> {
    const { application, token } = this.#session
    const { store } = lasting ? token.services : application.volatile(token)
    const builtIn = ids.flatMap((id) => builtInObject(token, id) ?? [])
    if (builtIn.length === ids.length) return builtIn
    const made = ids.filter((id) => builtInObject(token, id) === undefined)
    const objects = await store.objects(made, altered, 'in passing')
    for (const id of made) {
      const error = altered.get(id)
      if (error !== undefined && this.#isNamed && !this.#shared.includes(id)) throw error
    }
    return [...builtIn, ...objects]
  }

  /** Undefined where it is not looked for, or not to be seen. */
  async #handleOf(object: ManagedObject, lasting: boolean): Promise<number | undefined> {
    const { application, token, seesPrivate } = this.#session
    const { services } = token
    if (lasting && !isVisible(services, application.principalOf(token), object)) return undefined
    const isThere = storageStatus(object.attributes) === StorageStatusMask.OnLineStorage
    if (!isThere || kindOfObject(object) === undefined) return undefined
    if (!seesPrivate && isPrivate(object)) return undefined
    if (!application.isHere(token, object)) return undefined
    const reference = { handle: 0, id: object.id, token, session: undefined }
    const seen = { reference, object: application.shown(token, object), lasting }
    if (!(await isMatch(seen, this.#template))) return undefined
    return this.#handleFor({ id: object.id, lasting })
  }

  #handleFor({ id, lasting }: Candidate): number | undefined {
    const { application, token } = this.#session
    return lasting ? application.handleOf(token, id) : application.knownHandle(token, id)
  }
}

/** Objects of other scopes of which something has been granted. */
function sharedWith({ application, token }: Session): readonly string[] {
  return token.services.grants.shownTo(credentialOf(application.principalOf(token)))
}

/** Whether an object has every attribute of a template with just that value. */
async function isMatch(seen: Seen, template: readonly Attribute[]): Promise<boolean> {
  for (const { type, value = new Uint8Array(0) } of template) {
    const now = attributeValue(seen, type)
    const read = now instanceof Promise ? await now : now
    if (!('value' in read) || !sameTemplateValue(read.value, value)) return false
  }
  return true
}

function wantedFlag(template: readonly Attribute[], type: number): boolean | undefined {
  const value = template.find((one) => one.type === type)?.value
  return value instanceof Uint8Array && value.length === 1 ? value[0] !== 0 : undefined
}

/** Attributes that few objects have in common, the rarest first. */
const TELLING = [
  CKA.UNIQUE_ID,
  CKA.ID,
  CKA.LABEL,
  CKA.SERIAL_NUMBER,
  CKA.SUBJECT,
  CKA.ISSUER,
] as const

/** Types of objects that PKCS#11 sees. */
const TYPES = [...new Set(CLASSES.flatMap(([, kind]) => objectTypesOf(kind)))]

/** What an index knows of the most telling attribute; nothing where none is given. */
function namedBy(template: readonly Attribute[]): readonly Condition[] {
  for (const type of TELLING) {
    const value = template.find((one) => one.type === type)?.value
    const told = value instanceof Uint8Array ? (CONDITIONS[type]?.(value) ?? []) : []
    if (told.length > 0) return told
  }
  return []
}

/**
 * Queries that together find every object that may match. Where an attribute says nearly all, it is
 * asked for alone, and the rest compared on the objects; to weigh conditions against each other
 * costs more than to look at an object.
 *
 * @param named What {@link namedBy} says of the template.
 */
function queriesFor(
  session: Session,
  template: readonly Attribute[],
  named: readonly Condition[],
): readonly (readonly Condition[])[] {
  if (named.length > 0) return named.map((one) => [one])
  const { value } = template.find(({ type }) => type === CKA.CLASS) ?? {}
  const kind = value instanceof Uint8Array ? kindOfClass(ulongOf(value) ?? -1) : undefined
  const types = kind === undefined ? TYPES : objectTypesOf(kind)
  const others = template.filter(({ type }) => type !== CKA.CLASS)
  const rest = [...conditions(others), ...visible(session)]
  return types.flatMap((type) => is('objectType', type)).map((one) => [one, ...rest])
}

/** What each finds on its own, in the order of its index. */
function alternatives(condition: Condition): readonly Condition[] {
  return 'any' in condition ? condition.any : [condition]
}

const ONLINE = storedAs(StorageStatusMask.OnLineStorage)

/** What a search can find; without a login only what is open. */
function visible(session: Session): readonly Condition[] {
  if (session.seesPrivate) return alternatives(ONLINE)
  const open = [ObjectType.PublicKey, ObjectType.Certificate, ObjectType.OpaqueObject]
  return [
    ...alternatives(ONLINE),
    any([...open.flatMap((type) => is('objectType', type)), ...is(PRIVATE, booleanItem(false))]),
  ]
}

function is(id: AttributeId, value: unknown): readonly Condition[] {
  return conditionsOf([{ id, values: [value] }])
}

function any(conditions: readonly Condition[]): Condition {
  const [only] = conditions
  return conditions.length === 1 && only !== undefined ? only : { any: conditions }
}

/** What an index knows of a template; each holds for all objects that match. */
function conditions(template: readonly Attribute[]): readonly Condition[] {
  return template.flatMap(({ type, value }) => {
    return value instanceof Uint8Array ? (CONDITIONS[type]?.(value) ?? elsewhere(type, value)) : []
  })
}

function isIndexed(attribute: Attribute): boolean {
  return conditions([attribute]).length > 0
}

const CONDITIONS: Readonly<Record<number, (value: Uint8Array) => readonly Condition[]>> = {
  [CKA.LABEL]: (value) => {
    const text = labelText(value)
    // Objects without a label have nothing to find them by.
    if (value.length === 0) return []
    if (text === undefined) return is(RAW_LABEL, bytesItem(value))
    const name = is('name', { nameValue: text })
    return [any([...name, ...is('alternativeName', { alternativeNameValue: text })])]
  },
  [CKA.ID]: (value) => {
    const given = is(RAW_ID, bytesItem(value))
    const text = Buffer.from(value).toString('latin1')
    // What nobody has given is the Unique Identifier, or that of the private key.
    if (!/^[0-9a-f-]{36}$/.test(text)) return value.length === 0 ? [] : given
    const partner = is('link', { linkedObjectIdentifier: text })
    return [any([...given, ...is('uniqueIdentifier', text), ...partner])]
  },
  [CKA.UNIQUE_ID]: (value) => is('uniqueIdentifier', Buffer.from(value).toString()),
  [CKA.KEY_TYPE]: (value) => keyTypeConditions(ulongOf(value) ?? -1, value),
  [CKA.SUBJECT]: (value) => {
    if (value.length === 0) return []
    const certificates = is('x509CertificateSubject', { subjectDistinguishedName: value })
    return [any([...certificates, ...is('x:CKA_SUBJECT', bytesItem(value))])]
  },
  [CKA.ISSUER]: (value) => {
    if (value.length === 0) return []
    const certificates = is('x509CertificateIdentifier', { issuerDistinguishedName: value })
    return [any([...certificates, ...is('x:CKA_ISSUER', bytesItem(value))])]
  },
  [CKA.SERIAL_NUMBER]: (value) => {
    if (value.length === 0) return []
    const own = is('x509CertificateIdentifier', { certificateSerialNumber: value })
    return [any([...own, ...is(SERIAL, bytesItem(value))])]
  },
}

/** Algorithms whose keys are of a key type, and the key types that only PKCS#11 knows. */
function keyTypeConditions(keyType: number, value: Uint8Array): readonly Condition[] {
  const numbers = new Set<number>()
  for (const { ckk, kmip } of Object.values<PairRow | SecretKeyRow>({ ...SECRET_KEYS, ...PAIRS })) {
    if (ckk === keyType) for (const number of kmip) numbers.add(number)
  }
  if (keyType === CKK.DES2) numbers.add(CryptographicAlgorithm.DES3)
  if (keyType === CKK.AES_XTS) numbers.add(CryptographicAlgorithm.AES)
  return [
    any([
      ...[...numbers].flatMap((number) => is('cryptographicAlgorithm', number)),
      ...(keyType === CKK.GENERIC_SECRET ? is('objectType', ObjectType.SecretData) : []),
      ...is(KEY_TYPE, bytesItem(value)),
    ]),
  ]
}

/** Where attributes of a type live that an index answers by itself: one entry for each place. */
const HOMES = new Map<number, Map<string, AttributeRow>>()
for (const [, kind, family] of CLASSES) {
  for (const row of tableFor(kind, family).values()) {
    const places = HOMES.get(row.type) ?? new Map<string, AttributeRow>()
    places.set(JSON.stringify(row.home), row)
    HOMES.set(row.type, places)
  }
}

/** Usage flags, and attributes that lie as they are in one of KMIP's or a vendor attribute. */
function elsewhere(type: number, value: Uint8Array): readonly Condition[] {
  const rows = [...(HOMES.get(type)?.values() ?? [])]
  const found = rows.map((row) => conditionOf(row, value))
  // What one class cannot answer by its index the others must not exclude.
  const all = found.flatMap((one) => one ?? [])
  return all.length === 0 || found.includes(undefined) ? [] : [any(all)]
}

function conditionOf({ home, form }: AttributeRow, value: Uint8Array): Condition | undefined {
  const flag = form === 'bool' ? value[0] !== 0 : undefined
  if ('mask' in home) {
    return flag === true ? is('cryptographicUsageMask', home.mask)[0] : undefined
  }
  if ('kmip' in home) {
    if (flag !== undefined) return is(home.kmip, flag)[0]
    const number = form === 'ulong' ? ulongOf(value) : undefined
    const isSmall = number !== undefined && number >= 0 && number < 2 ** 31
    return isSmall ? is(home.kmip, number)[0] : undefined
  }
  // A value that nobody has given is not there to be found.
  if (!('vendor' in home) || home.vendor === PRIVATE || value.length === 0) return undefined
  if (flag !== undefined) {
    return flag === home.usual ? undefined : is(home.vendor, booleanItem(flag))[0]
  }
  return home.usual === undefined ? is(home.vendor, bytesItem(value))[0] : undefined
}
