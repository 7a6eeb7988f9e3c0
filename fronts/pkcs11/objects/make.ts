/**
 * New objects: keys with their material, certificates, data.
 *
 * PKCS#11 3.2 §4 and §5.7.1, §5.18. What is generated is local; what comes from outside was not
 * always sensitive and could have been extracted; what is derived from a key inherits its past.
 *
 * @module
 */
import { createPrivateKey, type KeyObject } from 'node:crypto'
import { commit } from '#core/change.ts'
import { specOfKey } from '#core/key-formats.ts'
import type { ManagedObject } from '#core/objects.ts'
import type { Internal } from '#core/operations/make.ts'
import { link } from '#core/operations/make.ts'
import { register } from '#core/operations/register.ts'
import type { Secret } from '#core/secret.ts'
import { unsoundness } from '#core/sound-key.ts'
import { isPair, type KeySpec, pairRow, secretKeyRow } from '#spec/algorithms.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import { KeyFormatType, LinkType, ObjectType, SecretDataType } from '#spec/kmip/enumerations.ts'
import type { ObjectInMessage } from '#spec/kmip/objects.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { CKA, CKO, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import type { Attribute } from '#spec/pkcs11/types.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import type { Session } from '../session.ts'
import {
  bytesItem,
  curveOfSpec,
  familyOfAlgorithm,
  familyOfSecret,
  KEY_TYPE,
  saidKeyType,
  secretBits,
  secretKindOf,
} from './classes.ts'
import { flagOf } from './flags.ts'
import { chosenIdentifier } from './placed.ts'
import { type Plan, planOf } from './plan.ts'
import { isPrivate } from './private.ts'
import { templateOf } from './rules.ts'
import { ckaName } from './table.ts'
import { assertAgrees, assertFits, type Making, sameTemplateValue, Template } from './template.ts'
import { attributeValue } from './values.ts'

/** Where material comes from that is not generated. */
export type Origin = 'imported' | 'unwrapped' | 'derived' | 'encapsulated'

/** The key that a new one comes from, as the application sees it. */
export type Base = Parameters<typeof templateOf>[0]

const MAKING: Readonly<Record<Origin, Making>> = {
  imported: 'create',
  unwrapped: 'unwrap',
  derived: 'derive',
  encapsulated: 'derive',
}

/** Where a key comes from that is not generated. */
export interface Provenance {
  readonly origin: Origin
  /** What it demands is done, what it was is remembered. */
  readonly base?: Base | undefined
  /** Further keys that it comes from: what they were is remembered as well. */
  readonly others?: readonly ManagedObject[] | undefined
}

/** Which template of the base all that comes from it has to fit. */
function templateTypes(origin: Origin): readonly number[] {
  switch (origin) {
    case 'imported':
      return []
    case 'unwrapped':
      return [CKA.UNWRAP_TEMPLATE]
    case 'derived':
      return [CKA.DERIVE_TEMPLATE]
    case 'encapsulated':
      return [CKA.ENCAPSULATE_TEMPLATE, CKA.DECAPSULATE_TEMPLATE]
  }
}

/** A template with what the base demands. @throws `CryptokiError` `TEMPLATE_INCONSISTENT`. */
function demanded(list: readonly Attribute[], { origin, base }: Provenance): Template {
  const template = new Template(list)
  if (base === undefined) return template
  return templateTypes(origin).reduce((all, type) => all.and(templateOf(base, type)), template)
}

/**
 * A secret key of bytes that are at hand: imported, unwrapped, derived or encapsulated.
 *
 * @param fallback Key type where the template does not say it.
 * @returns The handle.
 * @throws `CryptokiError` for whatever the template does not allow.
 */
export async function makeSecret(
  session: Session,
  list: readonly Attribute[],
  bytes: Secret,
  provenance: Provenance,
  fallback?: number,
): Promise<number> {
  using material = bytes
  const template = demanded(list, provenance)
  assertAgrees(template, CKA.CLASS, CKO.SECRET_KEY)
  const keyType = template.number(CKA.KEY_TYPE) ?? fallback
  if (keyType === undefined) {
    throw new CryptokiError(CKR.TEMPLATE_INCOMPLETE, 'CKA_KEY_TYPE is missing')
  }
  const secretKind = assertSecretType(keyType)
  const subject = {
    kind: 'secret',
    family: familyOfSecret(keyType),
    algorithm: secretKind.algorithm,
    keyType,
  } as const
  // What a derivation gives is checked by its own rules, and the value is ours.
  assertFits(template, 'secret', subject.family, MAKING[provenance.origin])
  const bits = assertLength(template, keyType, material.length)
  const plan = planOf(session, subject, template)
  const given: ListedAttribute[] = [...plan.given, { id: 'cryptographicLength', value: bits }]
  const { algorithm } = secretKind
  if (algorithm !== undefined) {
    given.push({ id: 'cryptographicAlgorithm', value: secretKeyRow(algorithm).kmip[0] })
  }
  const isKey = algorithm !== undefined
  // Awaited: the material is zeroed at the end of this function.
  return await entered(session, plan, template, {
    objectType: isKey ? ObjectType.SymmetricKey : ObjectType.SecretData,
    object: secretObject(isKey, material.expose()),
    given,
    internal: internalOf(plan, provenance, keyTypeAttributes(saidKeyType(keyType, bits))),
  })
}

/** @throws `CryptokiError` `ATTRIBUTE_VALUE_INVALID` where keys of this type are not offered. */
export function assertSecretType(keyType: number) {
  const found = secretKindOf(keyType)
  if (found !== undefined) return found
  const what = `secret keys of CKA_KEY_TYPE 0x${keyType.toString(16)} are not offered`
  throw new CryptokiError(CKR.ATTRIBUTE_VALUE_INVALID, what)
}

export function keyTypeAttributes(keyType: number | undefined): readonly ListedAttribute[] {
  return keyType === undefined ? [] : [{ id: KEY_TYPE, value: bytesItem(ulongBytes(keyType)) }]
}

/** @returns Cryptographic Length. @throws `CryptokiError` where the type has no such length. */
export function assertLength(template: Template, keyType: number, bytes: number): number {
  assertAgrees(template, CKA.VALUE_LEN, bytes)
  const bits = secretBits(keyType, bytes)
  if (bits !== undefined) return bits
  const what = `a key of CKA_KEY_TYPE 0x${keyType.toString(16)} does not have ${bytes} bytes`
  throw new CryptokiError(CKR.ATTRIBUTE_VALUE_INVALID, what)
}

function secretObject(isKey: boolean, value: Uint8Array): ObjectInMessage {
  const keyBlock = keyBlockOf(KeyFormatType.Raw, value)
  if (isKey) return { tag: Tag.SymmetricKey, value: { keyBlock } }
  return { tag: Tag.SecretData, value: { secretDataType: SecretDataType.Seed, keyBlock } }
}

function keyBlockOf(keyFormatType: KeyFormatType, value: Uint8Array) {
  const keyMaterial = { tag: Tag.KeyMaterial, type: ItemType.ByteString, value } as const
  return { keyFormatType, keyValue: { keyMaterial, attributes: [] } }
}

/**
 * A private key.
 *
 * @param pkcs8 DER of PrivateKeyInfo.
 * @returns The handle.
 * @throws `CryptokiError` for whatever the template does not allow.
 */
export async function makePrivate(
  session: Session,
  list: readonly Attribute[],
  pkcs8: Secret,
  provenance: Provenance,
): Promise<number> {
  using material = pkcs8
  const spec = specOfPkcs8(material.expose())
  const template = demanded(list, provenance)
  const subject = pairSubject('private', spec, template)
  assertFits(template, 'private', subject.family, MAKING[provenance.origin])
  const plan = planOf(session, subject, template)
  return await entered(session, plan, template, {
    objectType: ObjectType.PrivateKey,
    object: {
      tag: Tag.PrivateKey,
      value: { keyBlock: keyBlockOf(KeyFormatType.PKCS_8, material.expose()) },
    },
    given: [...plan.given, ...specAttributes(spec)],
    internal: internalOf(plan, provenance),
  })
}

/** @throws `CryptokiError` `ATTRIBUTE_VALUE_INVALID` where it is no key that is offered. */
function specOfPkcs8(der: Uint8Array): KeySpec {
  const key = parsed(() => {
    return createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' })
  })
  return specOfObject(key)
}

/** @throws `CryptokiError` `ATTRIBUTE_VALUE_INVALID` where the parts make no key. */
export function parsed(read: () => KeyObject): KeyObject {
  try {
    return read()
  } catch (cause) {
    const what = 'the values do not make a key'
    throw new CryptokiError(CKR.ATTRIBUTE_VALUE_INVALID, what, { cause })
  }
}

function specOfObject(key: KeyObject): KeySpec {
  const wrong = unsoundness(key)
  if (wrong !== undefined) throw new CryptokiError(CKR.ATTRIBUTE_VALUE_INVALID, wrong)
  const spec = specOfKey(key)
  if (spec !== undefined) return spec
  const what = `keys of the type ${key.asymmetricKeyType} or on its curve are not offered`
  throw new CryptokiError(CKR.ATTRIBUTE_VALUE_INVALID, what)
}

/** What a half of a pair is. @throws `CryptokiError` `TEMPLATE_INCONSISTENT`. */
export function pairSubject(kind: 'private' | 'public', spec: KeySpec, template: Template) {
  const { algorithm } = spec
  const keyType = isPair(algorithm) ? pairRow(algorithm).ckk : -1
  assertAgrees(template, CKA.CLASS, kind === 'private' ? CKO.PRIVATE_KEY : CKO.PUBLIC_KEY)
  assertAgrees(template, CKA.KEY_TYPE, keyType)
  return { kind, family: familyOfAlgorithm(algorithm), algorithm, keyType } as const
}

/** Algorithm, and the curve where there is one. */
export function specAttributes(spec: KeySpec): readonly ListedAttribute[] {
  const { algorithm, bits } = spec
  if (!isPair(algorithm)) return []
  const recommendedCurve = curveOfSpec(spec)?.kmip
  return [
    { id: 'cryptographicAlgorithm', value: pairRow(algorithm).kmip[0] },
    ...(algorithm === 'RSA' || algorithm === 'DSA'
      ? [{ id: 'cryptographicLength', value: bits } as const]
      : []),
    ...(recommendedCurve === undefined
      ? []
      : [{ id: 'cryptographicDomainParameters', value: { recommendedCurve } } as const]),
  ]
}

/** A public key. @param key Parsed. @param owned Links. @returns The handle. */
export async function makePublic(
  session: Session,
  template: Template,
  key: KeyObject,
  owned: readonly ListedAttribute[] = [],
): Promise<number> {
  const spec = specOfObject(key)
  const plan = planOf(session, pairSubject('public', spec, template), template)
  const der = key.export({ format: 'der', type: 'spki' })
  return await entered(session, plan, template, {
    objectType: ObjectType.PublicKey,
    object: { tag: Tag.PublicKey, value: { keyBlock: keyBlockOf(KeyFormatType.X_509, der) } },
    given: [...plan.given, ...specAttributes(spec)],
    internal: internalOf(plan, { origin: 'imported' }, owned),
  })
}

/** What is remembered of where the material was before. */
export function internalOf(
  plan: Plan,
  { origin, base, others = [] }: Provenance,
  more: readonly ListedAttribute[] = [],
): Internal {
  const inherits = origin === 'derived' && base !== undefined
  const bases = base === undefined ? others : [base.object, ...others]
  const all = (flag: number): boolean => bases.every((one) => flagOf(one, flag))
  const comesFrom =
    inherits && plan.lasting && base.lasting
      ? [link(LinkType.DerivationBaseObjectLink, base.object.id)]
      : []
  return {
    owned: [...plan.owned, ...more, ...comesFrom],
    alwaysSensitive: inherits && all(CKA.ALWAYS_SENSITIVE),
    neverExtractable: inherits && all(CKA.NEVER_EXTRACTABLE),
    namesRepeat: true,
  }
}

interface EntryWish {
  readonly objectType: ObjectType
  readonly object: ObjectInMessage
  readonly given: readonly ListedAttribute[]
  readonly internal: Internal
}

/** Registers an object, and gives it a handle. */
export async function entered(
  session: Session,
  { lasting }: Pick<Plan, 'lasting'>,
  template: Template,
  { objectType, object, given, internal }: EntryWish,
): Promise<number> {
  if (!lasting) assertRoom(session)
  const context = session.context('Register', lasting)
  const isKey = objectType === ObjectType.SymmetricKey || objectType === ObjectType.PrivateKey
  const chosen = isKey ? chosenIdentifier({ lasting, given }) : []
  const wish = { objectType, object, given: { attributes: [...given, ...chosen] }, internal }
  const made = await register(context, wish)
  const other = await saidOtherwise(session, made, template)
  if (other !== undefined) {
    await commit(context, [{ before: made }])
    const what = `${ckaName(other)} is not that of the key`
    throw new CryptokiError(CKR.ATTRIBUTE_VALUE_INVALID, what)
  }
  return handleFor(session, made, lasting)
}

/** Attributes that a template may tell of the material although it follows from it. */
const TOLD = [CKA.CHECK_VALUE, CKA.PUBLIC_KEY_INFO]

async function saidOtherwise(
  { token }: Session,
  object: ManagedObject,
  template: Template,
): Promise<number | undefined> {
  const reference = { handle: 0, id: object.id, token, session: undefined }
  for (const type of TOLD) {
    const given = template.bytes(type)
    if (given === undefined || given.length === 0) continue
    const read = await attributeValue({ reference, object, lasting: true }, type)
    if (!('value' in read) || !sameTemplateValue(read.value, given)) return type
  }
  return undefined
}

/**
 * The handle of an object that has just been made. A session object ends with its session, and a
 * private one with the login, also where that was while it was made.
 *
 * @throws `CryptokiError` `SESSION_CLOSED`, `USER_NOT_LOGGED_IN`.
 */
export function handleFor(session: Session, object: ManagedObject, lasting: boolean): number {
  const { application, token } = session
  const handle = application.handleOf(token, object.id, lasting ? undefined : session)
  if (lasting) return handle
  const isHidden = isPrivate(object) && !session.seesPrivate
  if (application.has(session) && !isHidden) return handle
  application.forget(handle)
  const what = 'while a session object was made for it'
  if (isHidden) throw new CryptokiError(CKR.USER_NOT_LOGGED_IN, `the user logged out ${what}`)
  throw new CryptokiError(CKR.SESSION_CLOSED, `the session was closed ${what}`)
}

/** @throws `CryptokiError` `DEVICE_MEMORY` where there are too many session objects. */
export function assertRoom({ application, token }: Session, more = 1): void {
  const max = token.services.limits.sessionObjectsMax
  if (application.sessionObjectCount + more <= max) return
  const what = `an application has ${max} session objects at most (sessionObjectsMax)`
  throw new CryptokiError(CKR.DEVICE_MEMORY, what)
}
