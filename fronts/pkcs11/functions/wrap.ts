/**
 * Wrapping and unwrapping keys.
 *
 * PKCS#11 3.2 §5.18.3 (`C_WrapKey`), §5.18.4 (`C_UnwrapKey`), and the authenticated forms of both.
 * A secret key is wrapped as its bytes, a private key as PKCS#8; nothing else is wrapped. Which
 * mechanisms there are is said in `wrappings.ts`, which attacks are refused in `attack-rules.ts`.
 *
 * @module
 */
import { KmsError } from '#core/errors.ts'
import { kindOf } from '#core/keys.ts'
import type { WrapMechanism } from '#core/keystore.ts'
import { type ManagedObject, objectTypeOf } from '#core/objects.ts'
import { wrapKey } from '#core/operations/wrap.ts'
import { Secret } from '#core/secret.ts'
import { KeyFormatType, LinkType } from '#spec/kmip/enumerations.ts'
import { CKA, CKK, CKO, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { Attribute, Handlers, Mechanism } from '#spec/pkcs11/types.ts'
import type { Application, Seen } from '../application.ts'
import {
  assertFreshIv,
  assertNoBlocks,
  assertNoShortKey,
  assertUnwrapsOnly,
  assertWrapsOnly,
  isSensitive,
  refusedBy,
  unwrappedTemplate,
} from '../attack-rules.ts'
import { type Offered, offeredFor } from '../mechanisms.ts'
import { fixedBytes, secretBits } from '../objects/classes.ts'
import { makePrivate, makeSecret } from '../objects/make.ts'
import { assertMayWrap } from '../objects/rules.ts'
import { Template } from '../objects/template.ts'
import {
  assertNeedsNoConsent,
  type HeldKey,
  keyFor,
  UNWRAPPING_KEY_CODES,
  use,
  WRAPPING_KEY_CODES,
} from '../objects/use.ts'
import type { Session } from '../session.ts'
import {
  authenticatedMeaning,
  padded,
  unpadded,
  type Wrapping,
  wrapMeaning,
  wrappingOf,
} from '../wrappings.ts'

export const wrap = {
  C_WrapKey: async (application, args) => {
    const { hSession, pMechanism, hWrappingKey, hKey, pWrappedKey: capacity } = args
    const session = application.session(hSession)
    const asked = askedFor(session, pMechanism, 'wrap')
    const mechanism = wrapMeaning(asked.offered, asked.wrapping, asked.mechanism)
    const wrapped = await wrappedBy(session, asked, hWrappingKey, hKey, mechanism)
    return { pWrappedKey: fitting(wrapped, capacity) }
  },

  C_WrapKeyAuthenticated: async (application, args) => {
    const { hSession, pMechanism, hWrappingKey, hKey, pAssociatedData } = args
    const session = application.session(hSession)
    const asked = askedFor(session, pMechanism, 'wrap')
    assertAuthenticates(asked)
    const { offered, wrapping } = asked
    const meaning = authenticatedMeaning(offered, wrapping, asked.mechanism, pAssociatedData)
    const { mechanism, madeBytes } = meaning
    // What is made goes back in the parameter, where the caller's buffer has room for it.
    const iv = await withMade(session, mechanism.iv, madeBytes)
    const authenticated = { ...mechanism, iv }
    const wrapped = await wrappedBy(session, asked, hWrappingKey, hKey, authenticated, madeBytes)
    const answer = { pWrappedKey: fitting(wrapped, args.pWrappedKey) }
    const isMade = madeBytes > 0 && answer.pWrappedKey instanceof Uint8Array
    return isMade ? { ...answer, pMechanism: withIv(asked.mechanism, iv) } : answer
  },

  C_UnwrapKey: async (application, args) => {
    const { hSession, pMechanism, hUnwrappingKey, pWrappedKey, pTemplate } = args
    const session = application.session(hSession)
    const asked = askedFor(session, pMechanism, 'unwrap')
    const mechanism = wrapMeaning(asked.offered, asked.wrapping, asked.mechanism)
    const wish = { hUnwrappingKey, wrapped: pWrappedKey, template: pTemplate, mechanism }
    return { phKey: await unwrapped(session, asked, wish) }
  },

  C_UnwrapKeyAuthenticated: async (application, args) => {
    const { hSession, pMechanism, hUnwrappingKey, pWrappedKey, pTemplate } = args
    const session = application.session(hSession)
    const asked = askedFor(session, pMechanism, 'unwrap')
    assertAuthenticates(asked)
    const { offered, wrapping } = asked
    const { pAssociatedData } = args
    const meaning = authenticatedMeaning(offered, wrapping, asked.mechanism, pAssociatedData)
    const { mechanism } = meaning
    const wish = { hUnwrappingKey, wrapped: pWrappedKey, template: pTemplate, mechanism }
    return { phKey: await unwrapped(session, asked, wish) }
  },
} satisfies Partial<Handlers<Application>>

/** A mechanism that wraps, and what is said of it. */
interface Asked {
  readonly mechanism: Mechanism
  readonly offered: Offered
  readonly wrapping: Wrapping
}

function askedFor(
  session: Session,
  mechanism: Mechanism | undefined,
  service: 'wrap' | 'unwrap',
): Asked {
  if (mechanism === undefined) {
    throw new CryptokiError(CKR.ARGUMENTS_BAD, 'pMechanism is NULL')
  }
  const offered = offeredFor(session, mechanism, service)
  return { mechanism, offered, wrapping: wrappingOf(mechanism.type) as Wrapping }
}

function assertAuthenticates({ offered }: Asked): void {
  if (offered.row.authenticatedWrap !== undefined) return
  const what = `CKM_${offered.name} has no associated data`
  throw new CryptokiError(CKR.MECHANISM_INVALID, what)
}

/** The bytes, where there is room for them; else how many there are. */
function fitting(bytes: Uint8Array, capacity: number | undefined): Uint8Array | number {
  return capacity === undefined || capacity < bytes.length ? bytes.length : bytes
}

/** The IV with its last bytes made here. */
async function withMade(session: Session, iv: Uint8Array, bytes: number): Promise<Uint8Array> {
  if (bytes === 0) return iv
  const made = await session.services.keystores.forNew(undefined).random(bytes)
  return Buffer.concat([iv.subarray(0, iv.length - bytes), made])
}

function withIv(mechanism: Mechanism, iv: Uint8Array): Mechanism {
  const fields = mechanism.parameter as Extract<Mechanism['parameter'], { [name: string]: unknown }>
  const name = 'pIv' in fields ? 'pIv' : 'pNonce'
  return { ...mechanism, parameter: { ...fields, [name]: iv } }
}

async function wrappedBy(
  session: Session,
  { offered, wrapping }: Asked,
  hWrappingKey: number,
  hKey: number,
  mechanism: WrapMechanism,
  madeBytes = 0,
): Promise<Uint8Array> {
  const held = await keyFor(session, hWrappingKey, 'wrap', offered, WRAPPING_KEY_CODES)
  const target = await session.application.object(session, hKey, CKR.KEY_HANDLE_INVALID)
  const format = formatOf(target.object, wrapping)
  await assertMayWrap(held.seen, target)
  const { rules } = session.token
  if (rules.has('no-block-wrapping') && wrapping.bare && isSensitive(target.object)) {
    throw refusedBy('no-block-wrapping', `CKM_${offered.name} and a sensitive key`)
  }
  assertWrapsOnly(rules, held.object, target.object, await otherHalf(session, held))
  if (wrapping.streams) assertFreshIv(rules, held.object, target.object, madeBytes)
  const fitted = (bytes: Uint8Array): Uint8Array => Buffer.from(padded(bytes, wrapping))
  const context = session.context('Get', target.lasting)
  return use(held, async (wrapper) => {
    try {
      return await wrapKey(context, { object: target.object, format, wrapper, mechanism, fitted })
    } catch (error) {
      if (!(error instanceof KmsError) || error.code !== 'dataLength') throw error
      const what = `CKM_${offered.name} does not take a key of this length`
      throw new CryptokiError(CKR.KEY_SIZE_RANGE, what, { cause: error })
    }
  })
}

/** How a key is wrapped. @throws `CryptokiError` `CKR_KEY_NOT_WRAPPABLE`. */
function formatOf(object: ManagedObject, { secretsOnly }: Wrapping): KeyFormatType {
  const kind = kindOf(objectTypeOf(object))
  if (kind === 'secret') return KeyFormatType.Raw
  if (kind === 'private' && !secretsOnly) return KeyFormatType.PKCS_8
  const what = secretsOnly ? 'only secret keys are wrapped so' : 'only secret and private keys are'
  throw new CryptokiError(CKR.KEY_NOT_WRAPPABLE, `a ${kind} object is not wrapped: ${what}`)
}

/** The private half of a public key, where it is here. */
async function otherHalf(session: Session, { seen }: HeldKey): Promise<ManagedObject | undefined> {
  if (kindOf(objectTypeOf(seen.object)) !== 'public') return undefined
  const link = seen.object.attributes
    .all('link')
    .find(({ linkType }) => linkType === LinkType.PrivateKeyLink)
  const { services } = session.context('Get', seen.lasting)
  const id = link?.linkedObjectIdentifier
  return typeof id === 'string' ? services.store.object(id) : undefined
}

interface UnwrapWish {
  readonly hUnwrappingKey: number
  readonly wrapped: Uint8Array | undefined
  readonly template: readonly Attribute[]
  readonly mechanism: WrapMechanism
}

async function unwrapped(session: Session, asked: Asked, wish: UnwrapWish): Promise<number> {
  const { offered, wrapping } = asked
  const { wrapped } = wish
  if (wrapped === undefined) throw new CryptokiError(CKR.ARGUMENTS_BAD, 'pWrappedKey is NULL')
  const held = await keyFor(session, wish.hUnwrappingKey, 'unwrap', offered, UNWRAPPING_KEY_CODES)
  assertNeedsNoConsent(held)
  const { isPrivate, keyType } = classOf(wish.template, wrapping)
  const { rules } = session.token
  assertUnwrapsOnly(rules, held.object, held.key.kind !== 'secret')
  if (wrapping.blocks) assertNoBlocks(rules, held.object, offered.name)
  const template = unwrappedTemplate(rules, wish.template, held.object)
  return use(held, async ({ keystore, key, seen }) => {
    using whole = await opened(() => keystore.unwrap(key, wish.mechanism, wrapped))
    const bytes = unpadded(whole.expose(), wrapping)
    if (bytes === undefined) throw invalid()
    if (isPrivate) return madePrivate(session, template, Uint8Array.from(bytes), seen)
    const value = cut(wish.template, keyType, bytes, wrapping)
    if (wrapping.bare) assertNoShortKey(rules, held.object, value.expose().length)
    return makeSecret(session, withoutLength(template), value, { origin: 'unwrapped', base: seen })
  })
}

/** Rule one-answer. */
function invalid(cause?: unknown): CryptokiError {
  return new CryptokiError(CKR.WRAPPED_KEY_INVALID, 'what was unwrapped is no such key', { cause })
}

async function opened(unwrap: () => Secret | Promise<Secret>): Promise<Secret> {
  try {
    return await unwrap()
  } catch (error) {
    if (!(error instanceof KmsError)) throw error
    if (error.code === 'cryptographicFailure') throw invalid(error)
    if (error.code !== 'dataLength') throw error
    const what = 'no wrapped key of this mechanism is of this length'
    throw new CryptokiError(CKR.WRAPPED_KEY_LEN_RANGE, what, { cause: error })
  }
}

function classOf(
  list: readonly Attribute[],
  { secretsOnly }: Wrapping,
): { readonly isPrivate: boolean; readonly keyType: number } {
  const template = new Template(list)
  const [class_, keyType] = [template.number(CKA.CLASS), template.number(CKA.KEY_TYPE)]
  if (class_ === undefined || keyType === undefined) {
    const what = 'CKA_CLASS and CKA_KEY_TYPE say what is unwrapped'
    throw new CryptokiError(CKR.TEMPLATE_INCOMPLETE, what)
  }
  const isPrivate = class_ === CKO.PRIVATE_KEY
  if (class_ === CKO.SECRET_KEY || (isPrivate && !secretsOnly)) return { isPrivate, keyType }
  const what = `CKA_CLASS ${class_} is not unwrapped by this mechanism`
  throw new CryptokiError(CKR.TEMPLATE_INCONSISTENT, what)
}

/** The bytes of a secret key: all of them, or fewer where the template or the type says so. */
function cut(
  list: readonly Attribute[],
  keyType: number,
  bytes: Uint8Array,
  { pads }: Wrapping,
): Secret {
  const wanted = new Template(list).number(CKA.VALUE_LEN) ?? fixedBytes(keyType)
  const length = wanted ?? bytes.length
  const mayCut = pads === 'zeros' && keyType !== undefined
  if (bytes.length < length || (bytes.length > length && !mayCut)) throw invalid()
  const isLength = secretBits(keyType, length) !== undefined
  if (!isLength && keyType !== CKK.VENDOR_DEFINED) throw invalid()
  return new Secret(Uint8Array.from(bytes.subarray(0, length)))
}

/** The value says how long a key is; what the template says has been compared. */
export function withoutLength(list: readonly Attribute[]): readonly Attribute[] {
  return list.filter(({ type }) => type !== CKA.VALUE_LEN)
}

async function madePrivate(
  session: Session,
  template: readonly Attribute[],
  pkcs8: Uint8Array,
  base: Seen,
): Promise<number> {
  try {
    return await makePrivate(session, template, new Secret(pkcs8), { origin: 'unwrapped', base })
  } catch (error) {
    // The only value there is is the one that was unwrapped.
    const isValue = error instanceof CryptokiError && error.rv === CKR.ATTRIBUTE_VALUE_INVALID
    throw isValue ? invalid(error) : error
  }
}
