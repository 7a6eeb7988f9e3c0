/**
 * Derive Key.
 *
 * KMIP 1.4 §4.6, KMIP 2.1 §6.1.16. The base is one key or secret; Derivation Data may be given or
 * be a second object (a Secret Data), never both.
 *
 * @module
 */
import {
  type Hash,
  hmacOf,
  type KeySpec,
  type Mac,
  secretKeyOfKmip,
  secretKeyRow,
} from '#spec/algorithms.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import {
  KeyFormatType,
  LinkType,
  DerivationMethod as Method,
  ObjectType,
  SecretDataType,
} from '#spec/kmip/enumerations.ts'
import type { ObjectInMessage } from '#spec/kmip/objects.ts'
import type { DerivationParameters } from '#spec/kmip/structures.ts'
import { nameOf } from '#spec/kmip/table.ts'
import { Tag } from '#spec/kmip/tags.ts'
import { commit, revised } from '../change.ts'
import type { Context } from '../context.ts'
import { KmsError } from '../errors.ts'
import { keyInUse, USES, type UsableKey, usableKey } from '../keys.ts'
import type { DerivationMechanism } from '../keystore.ts'
import { making } from '../makings.ts'
import { type ManagedObject, objectTypeLabel, objectTypeOf } from '../objects.ts'
import { permitted } from '../policy.ts'
import { valueIn } from './create.ts'
import { assertMayLeave } from './get.ts'
import { placed } from './keep.ts'
import { type Given, link, newId, newObject, resolved } from './make.ts'
import { cipherMechanism, hashNamed } from './parameters.ts'

export interface DeriveWish {
  readonly objectType: ObjectType
  readonly ids: readonly string[]
  readonly method: Method
  readonly parameters: DerivationParameters
  readonly given: Given
}

export async function deriveKey(context: Context, wish: DeriveWish): Promise<ManagedObject> {
  const { objectType, ids, parameters } = wish
  if (objectType !== ObjectType.SymmetricKey && objectType !== ObjectType.SecretData) {
    const what = `Cannot derive ${objectTypeLabel(objectType)}: only symmetric keys and secret data`
    throw new KmsError('objectType', what)
  }
  const all = await resolved(context, wish.given)
  const { spec, bits } = wanted(objectType, all)
  // Async: one that is refused at once must not leave the others behind, with nobody to hear them.
  const bases = await Promise.all(ids.map(async (id) => usableKey(context, id, USES.derive)))
  const [base, second] = bases
  if (base === undefined) {
    throw new KmsError('missingField', 'Cannot derive key: no Unique Identifier is given')
  }
  if (second !== undefined) assertTurnsNotBack(context, wish, second)
  const data = await derivationData(parameters, second)
  const mechanism = mechanismOf(wish, base, data)
  const { maker, given, known } = await placed(context, all, undefined, base.keystore)
  using secret = await base.keystore.derive(base.key, mechanism, bits / 8)
  const id = newId()
  return making(context.services, [id], async () => {
    const format = KeyFormatType.Raw
    const bytes = secret.expose()
    const made = await maker.import({ id, kind: 'secret', spec, format, bytes })
    const derived = newObject(context, {
      id,
      objectType,
      origin: 'created',
      given,
      body: derivedBody(objectType, given, bits),
      keystore: base.keystore,
      made,
      known: [...ids.map((one) => link(LinkType.DerivationBaseObjectLink, one)), ...known],
    })
    await commit(context, [...linked(context, bases, id), { after: derived }])
    return derived
  })
}

/** Links from the bases to what was derived of them. */
function linked(context: Context, bases: readonly UsableKey[], id: string) {
  const unique = new Map(bases.map(({ object }) => [object.id, object]))
  return [...unique.values()].map((before) => {
    const { value } = link(LinkType.DerivedKeyLink, id)
    return { before, after: revised(context, before, before.attributes.add('link', value)) }
  })
}

/** Of any secret: a derivation is done in one go, and holds up others. */
const BITS_MAX = 65_536

function wanted(
  objectType: ObjectType,
  given: readonly ListedAttribute[],
): { readonly spec: KeySpec | undefined; readonly bits: number } {
  const bits = valueIn(given, 'cryptographicLength')
  if (bits === undefined || bits <= 0 || bits % 8 !== 0) {
    const what = 'Cannot derive key: Cryptographic Length must be given, in whole bytes'
    throw new KmsError('attributeMissing', what)
  }
  if (bits > BITS_MAX) {
    const what = `Cannot derive key: Cryptographic Length is ${bits}, allowed are ${BITS_MAX}`
    throw new KmsError('invalidField', what)
  }
  const number = valueIn(given, 'cryptographicAlgorithm')
  const algorithm = number === undefined ? undefined : secretKeyOfKmip(number)
  if (objectType === ObjectType.SymmetricKey && number === undefined) {
    const what = 'Cannot derive key: the attribute Cryptographic Algorithm is missing'
    throw new KmsError('attributeMissing', what)
  }
  if (objectType === ObjectType.SecretData || algorithm === undefined)
    return { spec: undefined, bits }
  return { spec: { algorithm, bits }, bits: secretKeyRow(algorithm).materialBits?.[bits] ?? bits }
}

/**
 * What is encrypted can be decrypted: then whoever has the base has the second object as well.
 *
 * @throws {@link KmsError} `sensitive`, `notExtractable`, `permissionDenied`.
 */
function assertTurnsNotBack(context: Context, { method }: DeriveWish, { object }: UsableKey): void {
  if (method !== Method.ENCRYPT) return
  permitted(context, object, 'get')
  assertMayLeave(object, false)
}

/** Given with the request, or the value of a second object. */
async function derivationData(
  { derivationData: given }: DerivationParameters,
  second: UsableKey | undefined,
): Promise<Uint8Array | undefined> {
  if (second === undefined) return given
  if (given !== undefined) {
    const what = 'Cannot derive key: Derivation Data is given and named as an object as well'
    throw new KmsError('invalidMessage', what)
  }
  if (objectTypeOf(second.object) !== ObjectType.SecretData) {
    throw new KmsError('invalidField', 'Cannot derive key: the second object is no Secret Data')
  }
  return (await second.keystore.export(keyInUse(second.object))).expose()
}

type Make = (wish: DeriveWish, base: UsableKey, data: Uint8Array) => DerivationMechanism

const NOTHING = new Uint8Array(0)

function hashOf({ parameters }: DeriveWish, usual?: Hash): Hash {
  const kmip = parameters.cryptographicParameters?.hashingAlgorithm
  if (kmip !== undefined) return hashNamed(kmip)
  if (usual !== undefined) return usual
  throw new KmsError('parametersMissing', 'Cannot derive key: the Hashing Algorithm is missing')
}

/** KMIP names no width for the counter of SP 800-108: that of most implementations. */
const COUNTER = { counterBits: 32 } as const

function prfOf(wish: DeriveWish): Mac {
  const hash = hashOf(wish)
  const mac = hmacOf(hash)
  if (mac !== undefined) return mac
  throw new KmsError('parametersUnsupported', `Cannot derive key: there is no HMAC with ${hash}`)
}

/** KMIP 2.1 §11.15: one entry for each method that is offered. */
const METHODS: Partial<Readonly<Record<Method, Make>>> = {
  [Method.PBKDF2]: (wish) => ({
    kdf: 'PBKDF2',
    hash: hashOf(wish, 'SHA_1'),
    salt: wish.parameters.salt ?? NOTHING,
    iterations: wish.parameters.iterationCount ?? 0,
  }),
  [Method.HASH]: (wish, _base, data) => ({ kdf: 'HASH', hash: hashOf(wish), data }),
  [Method.HMAC]: (wish, _base, data) => ({ kdf: 'HMAC', hash: hashOf(wish), data }),
  [Method.ENCRYPT]: (wish, base, data) => {
    const parameters = wish.parameters.cryptographicParameters ?? {}
    const iv = wish.parameters.initializationVector
    return {
      kdf: 'ENCRYPT',
      mechanism: cipherMechanism(base, parameters, iv, undefined, true),
      data,
    }
  },
  [Method.NIST800_108_C]: (wish, _base, data) => ({
    kdf: 'SP800_108',
    mode: 'COUNTER',
    prf: prfOf(wish),
    input: [COUNTER, data],
  }),
  [Method.NIST800_108_F]: (wish, _base, data) => ({
    kdf: 'SP800_108',
    mode: 'FEEDBACK',
    prf: prfOf(wish),
    input: ['chain', COUNTER, data],
    iv: wish.parameters.initializationVector ?? NOTHING,
  }),
  [Method.NIST800_108_DPI]: (wish, _base, data) => ({
    kdf: 'SP800_108',
    mode: 'DOUBLE_PIPELINE',
    prf: prfOf(wish),
    input: ['chain', COUNTER, data],
  }),
  [Method.AsymmetricKey]: (_wish, _base, data) => ({ kdf: 'DH', peer: data }),
  [Method.HKDF]: (wish, _base, data) => ({
    kdf: 'HKDF',
    hash: hashOf(wish, 'SHA_256'),
    salt: wish.parameters.salt ?? NOTHING,
    info: data,
  }),
}

function mechanismOf(
  wish: DeriveWish,
  base: UsableKey,
  data: Uint8Array | undefined,
): DerivationMechanism {
  const make = METHODS[wish.method]
  if (make !== undefined) return make(wish, base, data ?? NOTHING)
  const what = `Cannot derive key: the method ${nameOf(Method, wish.method)} is not offered`
  throw new KmsError('invalidField', what)
}

function derivedBody(
  objectType: ObjectType,
  given: readonly ListedAttribute[],
  cryptographicLength: number,
): ObjectInMessage {
  const cryptographicAlgorithm = valueIn(given, 'cryptographicAlgorithm')
  const keyFormatType = KeyFormatType.Raw
  const keyBlock = { keyFormatType, cryptographicAlgorithm, cryptographicLength }
  if (objectType === ObjectType.SymmetricKey) return { tag: Tag.SymmetricKey, value: { keyBlock } }
  return { tag: Tag.SecretData, value: { secretDataType: SecretDataType.Seed, keyBlock } }
}
