/**
 * Register: an object that was made elsewhere.
 *
 * KMIP 1.4 §4.3, KMIP 2.1 §6.1.44. What a key is follows from the attributes and from its key
 * block, which must agree, and from the material itself where it can be read. Algorithms without a
 * row are stored and returned. A key that comes wrapped is kept wrapped.
 *
 * @module
 */
import {
  curveRow,
  type KeySpec,
  type PairAlgorithm,
  pairOfKmip,
  pairRow,
  secretKeyOfKmip,
  secretKeyRow,
} from '#spec/algorithms.ts'
import { attributeLabel, type ListedAttribute } from '#spec/kmip/attribute-list.ts'
import {
  CertificateType,
  KeyFormatType,
  LinkType,
  ObjectType,
  type RecommendedCurve,
  WrappingMethod,
} from '#spec/kmip/enumerations.ts'
import { type ObjectInMessage, TAG_OF_OBJECT_TYPE } from '#spec/kmip/objects.ts'
import type { KeyWrappingData } from '#spec/kmip/structures.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { EXTENSIONS } from '#spec/kmip/values.ts'
import { encodeItem } from '#wire/ttlv/binary.ts'
import { ItemType } from '#wire/ttlv/item.ts'
import type { Context } from '../context.ts'
import { KmsError } from '../errors.ts'
import { withoutIdentifier } from '../identifiers.ts'
import { canRead, formatName, readKey, specOfKey } from '../key-formats.ts'
import { kindOf, pairSpec } from '../keys.ts'
import type { MaterialKind } from '../keystore.ts'
import { making } from '../makings.ts'
import { isKeyed, type KeyedObject, type ManagedObject, objectTypeLabel } from '../objects.ts'
import { unsoundness } from '../sound-key.ts'
import { valueIn } from './create.ts'
import { assertSound } from './foreign.ts'
import { placed } from './keep.ts'
import {
  domainParameters,
  type Given,
  type Internal,
  link,
  newId,
  newObject,
  resolved,
} from './make.ts'
import { enterMade, fixedAt, makingAt, placedName, placedObject } from './placed.ts'
import { withTravelling } from './travelling.ts'

export interface RegisterWish {
  readonly objectType: ObjectType
  readonly object: ObjectInMessage
  readonly given: Given
  readonly storageMasks?: readonly number[] | undefined
  readonly internal?: Internal | undefined
}

/** Material taken out of its message, and what it says about itself. */
interface Taken {
  /** The object without its value. */
  readonly body: ObjectInMessage
  /** Absent where the object has no value: templates, keys of which only the metadata comes. */
  readonly bytes?: Uint8Array | undefined
  readonly kind: MaterialKind
  readonly format: KeyFormatType
  readonly spec?: KeySpec | undefined
  readonly known: readonly ListedAttribute[]
}

/** @throws {@link KmsError} `objectType`, `invalidField`, `attributeMissing`, `encodingOption`. */
export async function register(context: Context, wish: RegisterWish): Promise<ManagedObject> {
  const { objectType, object, storageMasks } = wish
  if (TAG_OF_OBJECT_TYPE[objectType] !== object.tag) {
    const what = `Cannot register ${objectTypeLabel(objectType)}: the object is of another type`
    throw new KmsError('objectType', what)
  }
  assertSound(object)
  const chosen = withoutIdentifier(wish.given.attributes)
  const beside = await resolved(context, { ...wish.given, attributes: chosen.attributes })
  const all = withTravelling(object, beside)
  const taken = await take(objectType, object, all)
  const { kind, spec, format, bytes, body } = taken
  const isForDevice = bytes !== undefined && spec !== undefined && kind !== 'public'
  if (chosen.id !== undefined && !isForDevice) {
    const what = `Cannot register "${chosen.id}": such identifiers are for secret and private keys`
    throw new KmsError('invalidField', `${what} that come unwrapped`)
  }
  return makingAt(context, chosen.id, storageMasks, async (at) => {
    const {
      keystore,
      maker,
      given,
      known: kept,
    } = await placed(context, all, storageMasks, fixedAt(at))
    const id = chosen.id ?? newId()
    return making(context.services, [id], async () => {
      const request = { id, kind, spec, format, place: at.place }
      const made = bytes === undefined ? undefined : await maker.import({ ...request, bytes })
      // The keystore has it now; the message that brought it must not keep it.
      bytes?.fill(0)
      const { internal } = wish
      const own = bytes === undefined ? [] : kept
      const known = [...taken.known, ...placedName(at, id, given), ...own]
      const parts = { id, objectType, origin: 'registered', given, body, known, internal } as const
      const registered = newObject(context, { ...parts, ...(made && { keystore, made }) })
      const next = placedObject(context, at, registered)
      return (await enterMade(context, at, [next], internal))[0] as ManagedObject
    })
  })
}

async function take(
  objectType: ObjectType,
  object: ObjectInMessage,
  given: readonly ListedAttribute[],
): Promise<Taken> {
  if (isKeyed(object)) return takeKey(objectType, object, given)
  const data = { kind: 'data', known: [] } as const
  if (object.tag === Tag.Template) {
    // A name among its attributes is the template's own, KMIP 1.4 §2.2.6.
    const known = object.value.attribute.filter(({ id }) => id === 'name')
    return { ...data, body: object, format: KeyFormatType.Opaque, known }
  }
  if (object.tag === Tag.Certificate) {
    const { certificateType, certificateValue: bytes } = object.value
    const { certificateAttributes } = await import('../x509.ts')
    const known = certificateAttributes(certificateType, bytes)
    const body = { ...object, value: { certificateType, certificateValue: NOTHING } }
    const format =
      certificateType === CertificateType.X_509 ? KeyFormatType.X_509 : KeyFormatType.Raw
    return { ...data, body, bytes, format, known }
  }
  if (object.tag === Tag.CertificateRequest) {
    const bytes = object.value.certificateRequestValue
    const body = { ...object, value: { ...object.value, certificateRequestValue: NOTHING } }
    return { ...data, body, bytes, format: KeyFormatType.PKCS_10 }
  }
  const bytes = object.value.opaqueDataValue
  const body = { ...object, value: { ...object.value, opaqueDataValue: NOTHING } }
  const known = [{ id: 'opaqueDataType', value: object.value.opaqueDataType }] as const
  return { ...data, body, bytes, format: KeyFormatType.Opaque, known }
}

/** Values are not kept in the object: the keystore has them. */
const NOTHING = new Uint8Array(0)

function takeKey(
  objectType: ObjectType,
  object: KeyedObject,
  given: readonly ListedAttribute[],
): Taken {
  const { keyBlock } = object.value
  const { keyFormatType: format, keyValue, keyWrappingData } = keyBlock
  const body = withoutValue(object)
  if (keyValue === undefined) {
    const known = [
      ...blockAttributes(object, given),
      { id: 'keyValuePresent', value: false } as const,
    ]
    return { body, kind: 'data', format, known }
  }
  if ('wrapped' in keyValue) {
    if (keyWrappingData === undefined) {
      const what = `Cannot register ${objectTypeLabel(objectType)}: Key Wrapping Data is missing`
      throw new KmsError('missingField', what)
    }
    const wrapper = keyWrappingData.encryptionKeyInformation?.uniqueIdentifier
    const known = [
      ...blockAttributes(object, given),
      ...(typeof wrapper === 'string' ? [link(LinkType.WrappingKeyLink, wrapper)] : []),
    ]
    return { body, kind: 'data', format, bytes: keyValue.wrapped, known }
  }
  assertPlain(objectType, keyWrappingData)
  const { keyMaterial } = keyValue
  const bytes =
    keyMaterial.type === ItemType.ByteString ? keyMaterial.value : encodeItem(keyMaterial)
  const kind = kindOf(objectType)
  const { spec, known } = whatItIs(objectType, object, given, kind, format, bytes)
  return { body, kind, format, bytes, spec, known }
}

/**
 * A plain Key Value has no Key Wrapping Data, but for one that is only signed.
 *
 * Without this the key would be kept as one that nobody can open.
 */
function assertPlain(type: ObjectType, data: KeyWrappingData | undefined): void {
  if (data === undefined) return
  const what = `Cannot register ${objectTypeLabel(type)}: its Key Value is plain`
  if (data.wrappingMethod === WrappingMethod.MACSign) {
    throw new KmsError('featureNotSupported', `${what} and signed, which is not offered`)
  }
  const hint = 'give the wrapped bytes as Key Value, or leave Key Wrapping Data out'
  throw new KmsError('invalidField', `${what}, but there is Key Wrapping Data; ${hint}`)
}

function withoutValue(object: KeyedObject): ObjectInMessage {
  const keyBlock = { ...object.value.keyBlock, keyValue: undefined }
  return { tag: object.tag, value: { ...object.value, keyBlock } } as ObjectInMessage
}

/** Algorithm and length of the key block, which the attributes must not contradict. */
function blockAttributes(
  object: KeyedObject,
  given: readonly ListedAttribute[],
): readonly ListedAttribute[] {
  const { cryptographicAlgorithm, cryptographicLength } = object.value.keyBlock
  const pairs = { cryptographicAlgorithm, cryptographicLength }
  return Object.entries(pairs).flatMap(([id, value]) => {
    const key = id as 'cryptographicAlgorithm' | 'cryptographicLength'
    const other = valueIn(given, key)
    if (value !== undefined && other !== undefined && value !== other) {
      const both = `${other} in the attributes and ${value} in the Key Block`
      const what = `Cannot register object: ${attributeLabel(key)} is ${both}; give one of them`
      throw new KmsError('attributeValue', what)
    }
    return value === undefined ? [] : { id: key, value }
  })
}

function whatItIs(
  objectType: ObjectType,
  object: KeyedObject,
  given: readonly ListedAttribute[],
  kind: MaterialKind,
  format: KeyFormatType,
  bytes: Uint8Array,
): { readonly spec: KeySpec | undefined; readonly known: readonly ListedAttribute[] } {
  const known = blockAttributes(object, given)
  const both = [...given, ...known]
  const number = valueIn(both, 'cryptographicAlgorithm')
  const bits = valueIn(both, 'cryptographicLength')
  if (objectType === ObjectType.SecretData || kind === 'data') return { spec: undefined, known }
  if (number === undefined) {
    const what = `Cannot register ${objectTypeLabel(objectType)}: Cryptographic Algorithm is missing`
    throw new KmsError('attributeMissing', what)
  }
  if (kind === 'secret') return secretIs(number, bits, format, bytes, known)
  const said = { number, bits, curve: curveSaid(both) }
  return pairIs(kind, said, format, bytes, known)
}

type ItIs = { readonly spec: KeySpec | undefined; readonly known: readonly ListedAttribute[] }

/** A secret key: its length is the one given, or that of its bytes. */
function secretIs(
  number: number,
  bits: number | undefined,
  format: KeyFormatType,
  bytes: Uint8Array,
  known: readonly ListedAttribute[],
): ItIs {
  const algorithm = secretKeyOfKmip(number)
  if (!canRead('secret', format, bytes)) {
    assertUnknownForm(format)
    return { spec: undefined, known }
  }
  const size = (readKey('secret', format, bytes).symmetricKeySize ?? 0) * 8
  const materialBits = algorithm && Object.entries(secretKeyRow(algorithm).materialBits ?? {})
  const nominal = materialBits?.find(([, material]) => material === size)?.[0]
  const length = bits ?? (nominal === undefined ? size : Number(nominal))
  const listed = [...known, { id: 'cryptographicLength', value: length } as const]
  return { spec: algorithm && { algorithm, bits: length }, known: listed }
}

/** Forms of a vendor's own are kept as they come; of the others three hold a secret key. */
function assertUnknownForm(format: KeyFormatType): void {
  if (format >= EXTENSIONS) return
  const what = `Cannot register secret key: ${formatName(format)} is no form of it`
  throw new KmsError('keyFormat', `${what}; Raw, Opaque and Transparent Symmetric Key are`)
}

/** What attributes say of a pair, by KMIP's numbers. */
interface PairSaid {
  readonly number: number
  readonly bits: number | undefined
  readonly curve: RecommendedCurve | undefined
}

function curveSaid(attributes: readonly ListedAttribute[]): RecommendedCurve | undefined {
  return valueIn(attributes, 'cryptographicDomainParameters')?.recommendedCurve
}

/** Half of a pair: what it is the key itself says, where it can be read. */
function pairIs(
  kind: 'private' | 'public',
  said: PairSaid,
  format: KeyFormatType,
  bytes: Uint8Array,
  known: readonly ListedAttribute[],
): ItIs {
  const { number, bits, curve } = said
  const algorithm = pairOfKmip(number, curve)
  const readable = canRead(kind, format, bytes) && algorithm !== undefined && algorithm !== 'DSA'
  if (!readable) return { spec: undefined, known }
  const key = readKey(kind, format, bytes, pairSpec(number, bits ?? 0, curve))
  const wrong = unsoundness(key)
  if (wrong !== undefined) {
    throw new KmsError('invalidField', `Cannot register ${kind} key: ${wrong}`)
  }
  const spec = specOfKey(key)
  if (spec === undefined) return { spec: undefined, known }
  const { bits: lengths, curve: ownCurve } = pairRow(spec.algorithm as PairAlgorithm)
  const keyCurve = spec.curve === undefined ? ownCurve : curveRow(spec.curve).kmip
  const hasOneLength = lengths.length === 1
  const isSaid =
    spec.algorithm === algorithm &&
    (bits === undefined || bits === spec.bits || hasOneLength) &&
    (curve === undefined || curve === keyCurve)
  if (!isSaid) {
    const what = `Cannot register ${kind} key: it is ${spec.algorithm} ${spec.curve ?? spec.bits}`
    throw new KmsError('invalidField', `${what}, the attributes say otherwise`)
  }
  const listed: ListedAttribute[] = [...known, { id: 'cryptographicLength', value: spec.bits }]
  if (keyCurve !== undefined) listed.push(domainParameters(keyCurve))
  return { spec, known: listed }
}
