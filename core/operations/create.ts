/**
 * Create and Create Key Pair.
 *
 * KMIP 1.4 §4.1 and §4.2, KMIP 2.1 §6.1.7 and §6.1.8.
 *
 * @module
 */
import {
  CURVES,
  type CurveRow,
  curveRow,
  type KeySpec,
  pairOfKmip,
  secretKeyOfKmip,
  secretKeyRow,
} from '#spec/algorithms.ts'
import { attributeLabel, type ListedAttribute } from '#spec/kmip/attribute-list.ts'
import type { AttributeKey, AttributeValues } from '#spec/kmip/attributes.ts'
import {
  CryptographicAlgorithm,
  type KeyFormatType,
  LinkType,
  ObjectType,
  RecommendedCurve,
  SecretDataType,
} from '#spec/kmip/enumerations.ts'
import type { ObjectInMessage } from '#spec/kmip/objects.ts'
import { nameOf } from '#spec/kmip/table.ts'
import { Tag } from '#spec/kmip/tags.ts'
import type { Context } from '../context.ts'
import { KmsError } from '../errors.ts'
import { PUBLIC_SUFFIX, withoutIdentifier } from '../identifiers.ts'
import { algorithmLabel, pairSpec } from '../keys.ts'
import { making } from '../makings.ts'
import { type ManagedObject, objectTypeLabel } from '../objects.ts'
import { keeperWished, placed, withoutKeeper } from './keep.ts'
import {
  domainParameters,
  type Given,
  type Internal,
  link,
  newId,
  newObject,
  pairBody,
  resolved,
} from './make.ts'
import {
  enterMade,
  fixedAt,
  type MakingPlace,
  makingAt,
  placedName,
  placedObject,
} from './placed.ts'

export interface CreateWish {
  readonly objectType: ObjectType
  readonly given: Given
  /** Protection Storage Masks, KMIP 2.0 on. */
  readonly storageMasks?: readonly number[] | undefined
  readonly internal?: Internal | undefined
}

/** Value of an attribute in a list. */
export function valueIn<K extends AttributeKey>(
  list: readonly ListedAttribute[],
  key: K,
): AttributeValues[K] | undefined {
  return list.find(({ id }) => id === key)?.value as AttributeValues[K] | undefined
}

/**
 * Makes a symmetric key, or (KMIP 2.1) secret data: a random seed.
 *
 * @throws {@link KmsError} `objectType`, `attributeMissing` and those of the keystore.
 */
export async function create(context: Context, wish: CreateWish): Promise<ManagedObject> {
  const { objectType } = wish
  if (objectType !== ObjectType.SymmetricKey && objectType !== ObjectType.SecretData) {
    const what = `Cannot create ${objectTypeLabel(objectType)}: Create makes symmetric keys`
    throw new KmsError('objectType', `${what} and secret data; register it`)
  }
  const chosen = withoutIdentifier(wish.given.attributes)
  const all = await resolved(context, { ...wish.given, attributes: chosen.attributes })
  const spec = secretSpec(objectType, all)
  assertMask(all, 'create key')
  return makingAt(context, chosen.id, wish.storageMasks, async (at) => {
    const {
      keystore,
      maker,
      given,
      known: kept,
    } = await placed(context, all, wish.storageMasks, fixedAt(at))
    const id = chosen.id ?? newId()
    return making(context.services, [id], async () => {
      const made = await maker.generate({ id, spec, place: at.place })
      const body = createdBody(objectType, spec, made.format, given)
      const length = { id: 'cryptographicLength', value: spec.bits } as const
      const known = [length, ...placedName(at, id, given), ...kept]
      const { internal } = wish
      const parts = { id, objectType, given, body, keystore, made, known, internal } as const
      const object = newObject(context, { ...parts, origin: 'created' })
      const entered = await enterMade(context, at, [placedObject(context, at, object)], internal)
      return entered[0] as ManagedObject
    })
  })
}

/** What key the attributes ask for; the length may be left to the algorithm's usual one. */
function secretSpec(objectType: ObjectType, given: readonly ListedAttribute[]): KeySpec {
  const number = valueIn(given, 'cryptographicAlgorithm')
  const bits = valueIn(given, 'cryptographicLength')
  if (number === undefined && objectType === ObjectType.SecretData) {
    // Any secret of whole bytes; HMAC keys are such.
    return { algorithm: 'HMAC_SHA256', bits: bits ?? 256 }
  }
  if (number === undefined) throw missing('Cryptographic Algorithm', 'create key')
  const algorithm = secretKeyOfKmip(number)
  if (algorithm === undefined) {
    const hint = pairOfKmip(number) === undefined ? 'is not offered' : 'is for Create Key Pair'
    throw new KmsError('attributeValue', `Cannot create key: ${algorithmLabel(number)} ${hint}`)
  }
  return { algorithm, bits: bits ?? (secretKeyRow(algorithm).bits[0] as number) }
}

function assertMask(given: readonly ListedAttribute[], what: string): void {
  if (valueIn(given, 'cryptographicUsageMask') === undefined) {
    throw missing('Cryptographic Usage Mask', what)
  }
}

function missing(attribute: string, what: string): KmsError {
  return new KmsError('attributeMissing', `Cannot ${what}: the attribute ${attribute} is missing`)
}

function createdBody(
  objectType: ObjectType,
  spec: KeySpec,
  keyFormatType: KeyFormatType,
  given: readonly ListedAttribute[],
): ObjectInMessage {
  const cryptographicAlgorithm = valueIn(given, 'cryptographicAlgorithm')
  const keyBlock = { keyFormatType, cryptographicAlgorithm, cryptographicLength: spec.bits }
  if (objectType === ObjectType.SymmetricKey) return { tag: Tag.SymmetricKey, value: { keyBlock } }
  return { tag: Tag.SecretData, value: { secretDataType: SecretDataType.Seed, keyBlock } }
}

export interface CreateKeyPairWish {
  readonly common?: Given | undefined
  readonly privateKey?: Given | undefined
  readonly publicKey?: Given | undefined
  readonly storageMasks?: readonly number[] | undefined
  readonly internal?: PairInternal | undefined
}

/** What other fronts may ask for and no client of KMIP can. */
export interface PairInternal {
  readonly privateKey: Internal
  readonly publicKey: Internal
  /** RSA. Default 65,537. */
  readonly publicExponent?: number | undefined
}

export interface Pair {
  readonly privateKey: ManagedObject
  readonly publicKey: ManagedObject
}

/** @throws {@link KmsError} `attributeMissing`, `invalidField` and those of the keystore. */
export async function createKeyPair(context: Context, wish: CreateKeyPairWish): Promise<Pair> {
  const chosen = pairIdentifier(wish)
  const forPrivate = await resolved(context, chosen.common, chosen.privateKey)
  const forPublic = await resolved(context, chosen.common, chosen.publicKey)
  const { spec, number, curve } = pairWanted(forPrivate, forPublic)
  assertMask(forPrivate, 'create private key')
  assertMask(forPublic, 'create public key')
  assertPrivateKept(forPrivate, forPublic)
  return makingAt(context, chosen.id, wish.storageMasks, (at) => {
    const ids = chosen.id === undefined ? [newId(), newId()] : halvesOf(chosen.id)
    const [privateId, publicId] = ids as [string, string]
    const parts = { at, privateId, publicId, forPrivate, forPublic, spec, number, curve }
    return making(context.services, [privateId], () => makePair(context, wish, parts))
  })
}

function halvesOf(id: string): readonly [string, string] {
  return [id, `${id}${PUBLIC_SUFFIX}`]
}

/** The identifier that a request chooses for the private key; the public one's follows from it. */
function pairIdentifier(wish: CreateKeyPairWish) {
  const own = [wish.common, wish.privateKey, wish.publicKey].map((one) => {
    return { one, ...withoutIdentifier(one?.attributes) }
  })
  const [common, privateKey, publicKey] = own.map(
    ({ one, attributes }) => one && { ...one, attributes },
  )
  const id = own[1]?.id ?? own[0]?.id
  const forPublic = own[2]?.id
  if (forPublic !== undefined && (id === undefined || forPublic !== halvesOf(id)[1])) {
    const what =
      'Cannot create key pair: the identifier of the public key is that of the private one'
    throw new KmsError('invalidField', `${what} with ${PUBLIC_SUFFIX} behind it`)
  }
  return { id, common, privateKey, publicKey }
}

interface PairParts extends PairWanted {
  readonly at: MakingPlace
  readonly privateId: string
  readonly publicId: string
  readonly forPrivate: readonly ListedAttribute[]
  readonly forPublic: readonly ListedAttribute[]
}

async function makePair(
  context: Context,
  { internal, storageMasks }: CreateKeyPairWish,
  { at, privateId, publicId, forPrivate, forPublic, spec, number, curve }: PairParts,
): Promise<Pair> {
  const { place } = at
  const { keystore, maker, known } = await placed(context, forPrivate, storageMasks, fixedAt(at))
  const publicExponent = internal?.publicExponent
  const made = await maker.generatePair({ privateId, publicId, spec, publicExponent, place })
  const half = (
    type: typeof ObjectType.PrivateKey | typeof ObjectType.PublicKey,
    given: readonly ListedAttribute[],
  ): ManagedObject => {
    const isPrivate = type === ObjectType.PrivateKey
    const [id, other] = isPrivate ? [privateId, publicId] : [publicId, privateId]
    const own = isPrivate ? made.privateKey : made.publicKey
    const object = newObject(context, {
      id,
      objectType: type,
      origin: 'created',
      given: withoutKeeper(given),
      body: pairBody(type, own.format, number, spec.bits),
      keystore,
      made: own,
      known: [
        { id: 'cryptographicLength', value: spec.bits },
        ...(curve === undefined ? [] : [domainParameters(curve)]),
        link(isPrivate ? LinkType.PublicKeyLink : LinkType.PrivateKeyLink, other),
        ...placedName(at, id, given),
        ...(isPrivate ? known : []),
      ],
      internal: isPrivate ? internal?.privateKey : internal?.publicKey,
    })
    return placedObject(context, at, object)
  }
  const privateKey = half(ObjectType.PrivateKey, forPrivate)
  const publicKey = half(ObjectType.PublicKey, forPublic)
  const entered = await enterMade(context, at, [privateKey, publicKey], internal?.privateKey)
  return {
    privateKey: entered[0] as ManagedObject,
    publicKey: entered[1] as ManagedObject,
  }
}

/** A wish for both halves is one for the private key; the public one is no secret. */
function assertPrivateKept(
  forPrivate: readonly ListedAttribute[],
  forPublic: readonly ListedAttribute[],
): void {
  const wish = keeperWished(forPublic)
  if (wish === undefined || wish === keeperWished(forPrivate)) return
  const what = 'Cannot create key pair: its public key is not kept wrapped without the private one'
  throw new KmsError('invalidField', what)
}

interface PairWanted {
  readonly spec: KeySpec
  readonly number: CryptographicAlgorithm
  /** Recommended Curve, where the pair is on one. */
  readonly curve: number | undefined
}

/** Usual lengths where neither length nor curve is given. */
const RSA_BITS = 2_048
const EC_BITS = 256

/** Algorithm, length and curve, which both halves must agree on. */
function pairWanted(
  forPrivate: readonly ListedAttribute[],
  forPublic: readonly ListedAttribute[],
): PairWanted {
  const agreed = <K extends AttributeKey>(key: K): AttributeValues[K] | undefined => {
    const [a, b] = [valueIn(forPrivate, key), valueIn(forPublic, key)]
    if (a === undefined || b === undefined || JSON.stringify(a) === JSON.stringify(b)) return a ?? b
    const what = 'Cannot create key pair: its halves have different values of'
    throw new KmsError('attributeValue', `${what} ${attributeLabel(key)}; it is one for both`)
  }
  const number = agreed('cryptographicAlgorithm')
  if (number === undefined) throw missing('Cryptographic Algorithm', 'create key pair')
  const bits = agreed('cryptographicLength')
  const wanted = agreed('cryptographicDomainParameters')?.recommendedCurve
  const usual = number === CryptographicAlgorithm.RSA ? RSA_BITS : EC_BITS
  const spec = pairSpec(number, bits ?? usual, wanted)
  if (spec === undefined) throw noSuchPair(number, bits, wanted)
  const row: CurveRow | undefined = spec.curve && curveRow(spec.curve)
  if (row !== undefined && bits !== undefined && bits !== row.bits) {
    const what = `Cannot create key pair: ${spec.curve} has ${row.bits} bits, not ${bits}`
    throw new KmsError('attributeValue', `${what}; give one of curve and length`)
  }
  return { spec, number, curve: wanted ?? row?.kmip }
}

/** What a pair was asked for by, and what else there is to say of it. */
function noSuchPair(
  number: CryptographicAlgorithm,
  bits: number | undefined,
  curve: number | undefined,
): KmsError {
  const what = `Cannot create key pair: ${algorithmLabel(number)}`
  if (secretKeyOfKmip(number) !== undefined) {
    return new KmsError('attributeValue', `${what} is for Create`)
  }
  const on = curve === undefined ? '' : ` on ${nameOf(RecommendedCurve, curve)}`
  const of = curve !== undefined || bits === undefined ? '' : ` of ${bits} bits`
  const hint = pairOfKmip(number) === 'EC' ? `; curves are ${Object.keys(CURVES).join(', ')}` : ''
  return new KmsError('attributeValue', `${what}${on}${of} is not offered${hint}`)
}
