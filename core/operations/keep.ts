/**
 * Keys that are kept under another key: stored only as it has wrapped them.
 *
 * A request asks for it with the attribute `wrapping_key_id` of any vendor (Cosmian's clients do;
 * in KMIP 1.x it is `x-wrapping_key_id`). It is a wish and not stored: what is so says the Wrapping
 * Key Link (KMIP 2.1 §4.31). The wrapping key, the keeper, is an AES key or an RSA pair in any
 * keystore; it must be Active and may wrap and unwrap, and whoever makes the key must see it. When
 * the key is used the keeper must still be there, Active and allowed to unwrap; who may use the key
 * is said by the key itself.
 *
 * A keeper is not itself kept under another one.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { type Cipher, cipherRow, hashOfKmip, hashRow } from '#spec/algorithms.ts'
import { isVendorKey, type ListedAttribute, splitVendorKey } from '#spec/kmip/attribute-list.ts'
import {
  BlockCipherMode,
  LinkType,
  CryptographicUsageMask as Mask,
  ObjectType,
  PaddingMethod,
} from '#spec/kmip/enumerations.ts'
import type { CryptographicParameters } from '#spec/kmip/structures.ts'
import { type Item, ItemType } from '#wire/ttlv/item.ts'
import { KEEPER_WISH } from '../attribute-rules.ts'
import type { Context, Services } from '../context.ts'
import { type FailureCode, KmsError } from '../errors.ts'
import { keyInUse, USES, type UsableKey, usableKey } from '../keys.ts'
import type { Keeper, Kept, Keystore, Maker, WrapMechanism } from '../keystore.ts'
import { assertUsable, isDestroyed } from '../lifecycle.ts'
import { labelOf, type ManagedObject, objectTypeOf } from '../objects.ts'
import { livingObject } from '../policy.ts'
import type { Secret } from '../secret.ts'

const ATTRIBUTE_TEXT = `the attribute ${KEEPER_WISH}`

/** Where a new key goes, and what follows from it. */
export interface Placed {
  readonly keystore: Keystore
  readonly maker: Maker
  /** Without the wish. */
  readonly given: readonly ListedAttribute[]
  readonly known: readonly ListedAttribute[]
}

/**
 * @param masks Protection Storage Masks.
 * @param place The keystore, where there is no choice.
 * @throws {@link KmsError} `wrappingKeyNotFound`, `wrappingKeyDestroyed`, `wrappingKeyKind`,
 * `wrongState`, `usageMask`, `protectionStorage`.
 */
export async function placed(
  context: Context,
  all: readonly ListedAttribute[],
  masks: readonly number[] | undefined,
  place?: Keystore,
): Promise<Placed> {
  const { keystores } = context.services
  const id = keeperWished(all)
  if (id === undefined) {
    const keystore = place ?? keystores.forNew(masks)
    return { keystore, maker: keystore, given: all, known: [] }
  }
  const keeper = await keeperFor(context, id)
  const keystore = place ?? keystores.forNew(masks, true)
  return {
    keystore,
    maker: under(keystore, keeper),
    given: withoutKeeper(all),
    known: [keeperLink(keeper.id)],
  }
}

/** What makes keys that are kept as the material of this object is. */
export async function makerLike(
  context: Context,
  { material }: ManagedObject,
): Promise<Omit<Placed, 'given'>> {
  const keystore = context.services.keystores.named(material?.keystore as string)
  const id = material && keystore.keeperOf?.(material.handle)
  if (id === undefined) return { keystore, maker: keystore, known: [] }
  const keeper = await keeperFor(context, id)
  return { keystore, maker: under(keystore, keeper), known: [keeperLink(keeper.id)] }
}

/** @throws {@link KmsError} `protectionStorage` where the keystore keeps none so. */
export function under(keystore: Keystore, keeper: Keeper): Maker {
  const maker = keystore.under?.(keeper)
  if (maker !== undefined) return maker
  const what = `Cannot keep a key wrapped: keystore "${keystore.name}" keeps its keys by itself`
  throw new KmsError('protectionStorage', `${what}; leave out ${ATTRIBUTE_TEXT}`)
}

function keeperLink(linkedObjectIdentifier: string): ListedAttribute {
  return { id: 'link', value: { linkType: LinkType.WrappingKeyLink, linkedObjectIdentifier } }
}

function isWish({ id }: ListedAttribute): boolean {
  if (!isVendorKey(id)) return false
  const { vendor, name } = splitVendorKey(id)
  return name === KEEPER_WISH && vendor !== 'y'
}

/** The same list without the wish. */
export function withoutKeeper(all: readonly ListedAttribute[]): readonly ListedAttribute[] {
  return all.filter((one) => !isWish(one))
}

/** Under which key the new one shall be kept; undefined where that is not wished. */
export function keeperWished(all: readonly ListedAttribute[]): string | undefined {
  const wishes = all.filter(isWish).map(({ value }) => value as Item)
  const texts = new Set(wishes.map(({ type, value }) => type === ItemType.TextString && value))
  if (texts.size === 0) return undefined
  const [id] = texts
  if (texts.size === 1 && typeof id === 'string' && id !== '') return id
  const what = `Cannot keep a key wrapped: ${ATTRIBUTE_TEXT} must be one Unique Identifier, as text`
  throw new KmsError('attributeValue', what)
}

interface KeeperKeys {
  readonly wrapper: UsableKey
  readonly unwrapper: UsableKey
}

/**
 * A key that others are to be kept under.
 *
 * @throws {@link KmsError} `wrappingKeyNotFound`, `wrappingKeyDestroyed`, `wrappingKeyKind`,
 * `wrongState`, `usageMask`.
 */
export async function keeperFor(context: Context, id: string): Promise<Keeper> {
  try {
    const keys = await keeperKeys(context, id)
    return {
      id: keys.unwrapper.object.id,
      wrap: (place, material) => wrapped(keys, place, material),
    }
  } catch (error) {
    throw renamed(error)
  }
}

/** Failures of a wrapping key have names of their own. */
const RENAMED: Partial<Readonly<Record<FailureCode, FailureCode>>> = {
  notFound: 'wrappingKeyNotFound',
  destroyed: 'wrappingKeyDestroyed',
}

function renamed(error: unknown): unknown {
  const code = error instanceof KmsError ? RENAMED[error.code] : undefined
  return code === undefined ? error : new KmsError(code, (error as KmsError).message)
}

async function keeperKeys(context: Context, id: string): Promise<KeeperKeys> {
  const object = await livingObject(context, id, USES.wrap.deed)
  const type = objectTypeOf(object)
  const { PublicKeyLink, PrivateKeyLink } = LinkType
  const wraps = type === ObjectType.PrivateKey ? linkedHalf(object, PublicKeyLink) : object.id
  const unwraps = type === ObjectType.PublicKey ? linkedHalf(object, PrivateKeyLink) : object.id
  await assertOneOwner(context, object, [wraps, unwraps])
  const keys = {
    wrapper: await usableKey(context, wraps, USES.wrap),
    unwrapper: await unwrapperOf(context.services, unwraps, context.now),
  }
  const { keystore, key } = keys.unwrapper
  const algorithm = key.spec?.algorithm
  if (algorithm !== 'AES' && algorithm !== 'RSA') {
    throw unfit(object, `keys are kept under AES and RSA keys, not ${algorithm ?? 'this'}`)
  }
  if (keystore.keeperOf?.(key.handle) !== undefined) {
    throw unfit(object, 'it is itself kept under another key')
  }
  return keys
}

/** Links are set by clients: one that leads to another scope leads nowhere. */
async function assertOneOwner(
  { services }: Context,
  object: ManagedObject,
  ids: readonly string[],
): Promise<void> {
  for (const id of ids) {
    const half = id === object.id ? object : await services.store.object(id)
    if (half?.scope !== object.scope) throw unfit(object, HALF_MISSING)
  }
}

const HALF_MISSING = 'the other half of the pair, which is needed too, is not known here'

/**
 * The key that unwraps, for the server itself: whoever uses what is under it need not be allowed to
 * use it. It must be Active: deactivating it closes what is under it.
 */
async function unwrapperOf(services: Services, id: string, now: number): Promise<UsableKey> {
  const object = livingKeeper(await services.store.object(id), id)
  const what = `Cannot unwrap with ${labelOf(object)}`
  assertUsable(() => what, object.attributes, 'protect', now)
  if (((object.attributes.get('cryptographicUsageMask') ?? 0) & Mask.UnwrapKey) === 0) {
    const why = 'its Cryptographic Usage Mask does not have UnwrapKey'
    throw new KmsError('usageMask', `${what}: ${why}`)
  }
  const key = keyInUse(object)
  const keystore = services.keystores.named((object.material as { keystore: string }).keystore)
  return { object, key, keystore }
}

/** @throws {@link KmsError} `wrappingKeyKind` where the link is missing. */
export function linkedHalf(object: ManagedObject, type: LinkType): string {
  const found = object.attributes.all('link').find(({ linkType }) => linkType === type)
  if (typeof found?.linkedObjectIdentifier === 'string') return found.linkedObjectIdentifier
  throw unfit(object, HALF_MISSING)
}

function unfit(object: ManagedObject, why: string): KmsError {
  return new KmsError('wrappingKeyKind', `Cannot keep keys under ${labelOf(object)}: ${why}`)
}

async function wrapped(keys: KeeperKeys, place: Uint8Array, material: Secret): Promise<Kept> {
  const mechanism = mechanismOf(keys, material.length)
  const { keystore, key } = keys.wrapper
  const bytes = await keystore.wrap(key, boundTo(mechanism, place), material)
  return { mechanism, wrapped: bytes }
}

/** AEAD: what it is and whose goes in; the reference is authenticated with it in any case. */
function boundTo(mechanism: WrapMechanism, aad: Uint8Array): WrapMechanism {
  return cipherRow(mechanism.cipher).tagBytes === undefined ? mechanism : { ...mechanism, aad }
}

function mechanismOf(keys: KeeperKeys, bytes: number): WrapMechanism {
  const { object, key } = keys.wrapper
  const own = object.attributes.all('cryptographicParameters')
  return key.kind === 'secret' ? aesMechanism(keys, own) : rsaMechanism(keys, own, bytes)
}

/** Most wanted first. */
const AES_CIPHERS: readonly (readonly [BlockCipherMode, Cipher])[] = [
  [BlockCipherMode.AESKeyWrapPadding, 'AES_KEY_WRAP_KWP'],
  [BlockCipherMode.GCM, 'AES_GCM'],
  [BlockCipherMode.NISTKeyWrap, 'AES_KEY_WRAP'],
]

/** By the keeper's own Cryptographic Parameters, where they name one of these; else the first. */
function aesMechanism(
  { wrapper, unwrapper }: KeeperKeys,
  own: readonly CryptographicParameters[],
): WrapMechanism {
  const modes = own.map(({ blockCipherMode }) => blockCipherMode)
  const named = AES_CIPHERS.filter(([mode]) => modes.includes(mode))
  const ciphers = (named.length > 0 ? named : AES_CIPHERS).map(([, cipher]) => cipher)
  const { keystore } = unwrapper
  // What a keystore makes up of smaller steps is the last to be taken.
  const cipher = [true, undefined].flatMap((direct) => {
    return ciphers.filter((one) => keystore.cannot({ cipher: one, direct }) === undefined)
  })[0]
  if (cipher === undefined) {
    const why = keystore.cannot({ cipher: ciphers[0] as Cipher })
    throw new KmsError(
      'parametersUnsupported',
      `Cannot wrap with ${labelOf(wrapper.object)}: ${why}`,
    )
  }
  const { ivBytes, wraps } = cipherRow(cipher)
  return wraps === true ? { cipher } : { cipher, iv: randomBytes(ivBytes[0] as number) }
}

/** RFC 8017 §7.1.1: what OAEP adds, beside two hashes. */
const OAEP_BYTES = 2
const EPHEMERAL_BITS = 256

function rsaMechanism(
  { unwrapper }: KeeperKeys,
  own: readonly CryptographicParameters[],
  bytes: number,
): WrapMechanism {
  const { keystore, key } = unwrapper
  const oaep = own.find(({ paddingMethod }) => paddingMethod === PaddingMethod.OAEP)
  const named = oaep?.hashingAlgorithm && hashOfKmip(oaep.hashingAlgorithm)
  const cipher = 'RSA_PKCS_OAEP'
  const can = keystore.cannot({ cipher, hash: 'SHA_256', mgfHash: 'SHA_256' }) === undefined
  const hash = named || (can ? 'SHA_256' : 'SHA_1')
  const room = (key.spec?.bits ?? 0) / 8 - 2 * hashRow(hash).bytes - OAEP_BYTES
  const mechanism = { cipher, hash, mgfHash: hash } as const
  return bytes <= room ? mechanism : { ...mechanism, ephemeralBits: EPHEMERAL_BITS }
}

/** A key that is to be used, as it is stored. */
export interface KeptKey extends Kept {
  /** Unique Identifier. */
  readonly id: string
  /** The same as when it was wrapped. */
  readonly place: Uint8Array
  /** Unique Identifier of the key that unwraps. */
  readonly keeper: string
}

export interface Unwrapped {
  readonly material: Secret
  /** Milliseconds since the epoch, when by its dates the keeper is Active no more. */
  readonly until: number
}

/** @throws {@link KmsError} naming the keeper and its keystore. */
export async function unwrapKept(services: Services, kept: KeptKey): Promise<Unwrapped> {
  const { store, clock, journal } = services
  const { id, keeper } = kept
  const event = { principal: 'server', front: 'server', operation: 'Unwrap', object: id } as const
  try {
    const now = Math.floor(clock() / 1000)
    const { object, key, keystore } = await unwrapperOf(services, keeper, now)
    const { attributes } = object
    const mechanism = boundTo(kept.mechanism, kept.place)
    const material = await keystore.unwrap(key, mechanism, kept.wrapped)
    await journal.record({ ...event, outcome: 'success', detail: `with ${keeper}` })
    const ends = [attributes.get('deactivationDate'), attributes.get('protectStopDate')]
    const until = Math.min(...ends.map((date) => (date ?? Number.POSITIVE_INFINITY) * 1000))
    return { material, until }
  } catch (error) {
    const failure = keptFailure(kept, await store.object(keeper), error)
    await journal.record({ ...event, outcome: failure.code, detail: `with ${keeper}` })
    throw failure
  }
}

function livingKeeper(object: ManagedObject | undefined, id: string): ManagedObject {
  if (object === undefined) {
    throw new KmsError('wrappingKeyNotFound', `Cannot unwrap with "${id}": there is no such key`)
  }
  if (isDestroyed(object.attributes.get('state'))) {
    const what = `Cannot unwrap with ${labelOf(object)}: it is destroyed`
    throw new KmsError('wrappingKeyDestroyed', what)
  }
  if (!object.attributes.has('archiveDate')) return object
  const what = `Cannot unwrap with ${labelOf(object)}: it is archived; recover it first`
  throw new KmsError('archived', what)
}

function keptFailure(
  { id, keeper }: KeptKey,
  object: ManagedObject | undefined,
  error: unknown,
): KmsError {
  const place = object?.material?.keystore
  const where = place === undefined ? '' : ` in keystore "${place}"`
  const what = `Cannot use "${id}", which is kept wrapped with "${keeper}"${where}`
  const known = error instanceof KmsError
  const why = known ? error.message : 'an internal error, see the log of the server'
  // To whoever uses the key it is not the data of the request that is wrong.
  const isBroken = known && error.code === 'cryptographicFailure'
  const code = isBroken ? 'tampered' : known ? error.code : 'internal'
  return new KmsError(code, `${what}: ${why.replace(/^C(?=annot )/, 'c')}`, { cause: error })
}
