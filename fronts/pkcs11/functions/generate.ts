/**
 * C_GenerateKey and C_GenerateKeyPair.
 *
 * PKCS#11 3.2 §5.18.1, §5.18.2, and §6 for the mechanisms. What a mechanism makes follows from the
 * rows of `spec/algorithms/keys.ts`.
 *
 * @module
 */
import type { Context } from '#core/context.ts'
import { create, createKeyPair } from '#core/operations/create.ts'
import type { KeySpec, PairAlgorithm, PairRow, SecretKeyRow } from '#spec/algorithms.ts'
import { isPair, PAIRS, pairRow, SECRET_KEYS, secretKeyRow } from '#spec/algorithms.ts'
import type { ListedAttribute } from '#spec/kmip/attribute-list.ts'
import { ObjectType } from '#spec/kmip/enumerations.ts'
import { CKA, CKK, CKM, CKO, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import type { Handlers, Mechanism } from '#spec/pkcs11/types.ts'
import type { Application } from '../application.ts'
import { setApart } from '../objects/apart.ts'
import {
  bytesItem,
  curveOfParams,
  familyOfSecret,
  fixedBytes,
  pairOfParameterSet,
  saidKeyType,
} from '../objects/classes.ts'
import {
  assertLength,
  assertRoom,
  assertSecretType,
  handleFor,
  keyTypeAttributes,
  pairSubject,
  specAttributes,
} from '../objects/make.ts'
import { chosenIdentifier } from '../objects/placed.ts'
import { type Plan, planOf, repeatedLabel } from '../objects/plan.ts'
import { assertAgrees, assertFits, Template } from '../objects/template.ts'
import { GENERATED_BY } from '../objects/values.ts'
import type { Session } from '../session.ts'
import { generateFromPassword } from './password.ts'

export const generation = {
  C_GenerateKey: async (application, { hSession, pMechanism, pTemplate }) => {
    const session = application.session(hSession)
    if (pMechanism?.type === CKM.PKCS5_PBKD2) {
      return { phKey: await generateFromPassword(session, pMechanism, pTemplate) }
    }
    const mechanism = assertPlain(pMechanism)
    return { phKey: await generateKey(session, mechanism, new Template(pTemplate)) }
  },

  C_GenerateKeyPair: async (application, args) => {
    const session = application.session(args.hSession)
    const mechanism = assertPlain(args.pMechanism)
    const forPublic = new Template(args.pPublicKeyTemplate)
    const forPrivate = new Template(args.pPrivateKeyTemplate)
    const pair = await generatePair(session, mechanism, forPublic, forPrivate)
    return { phPublicKey: pair.publicKey, phPrivateKey: pair.privateKey }
  },
} satisfies Partial<Handlers<Application>>

/** @throws `CryptokiError` `ARGUMENTS_BAD`, `MECHANISM_PARAM_INVALID`. */
function assertPlain(mechanism: Mechanism | undefined): number {
  if (mechanism === undefined) {
    throw new CryptokiError(CKR.ARGUMENTS_BAD, 'there is no mechanism')
  }
  const { parameter } = mechanism
  const isEmpty = parameter === undefined || (parameter instanceof Uint8Array && !parameter.length)
  if (isEmpty) return mechanism.type
  throw new CryptokiError(CKR.MECHANISM_PARAM_INVALID, 'generating keys takes no parameter')
}

/** Key types that a mechanism makes; the first where the template names none. */
const SECRET_MECHANISMS = new Map<number, readonly number[]>()
for (const { ckm, ckk } of Object.values<SecretKeyRow>(SECRET_KEYS)) {
  if (ckm !== CKM.GENERIC_SECRET_KEY_GEN && !SECRET_MECHANISMS.has(ckm)) {
    SECRET_MECHANISMS.set(ckm, [ckk])
  }
}
SECRET_MECHANISMS.set(CKM.DES2_KEY_GEN, [CKK.DES2])
SECRET_MECHANISMS.set(CKM.AES_XTS_KEY_GEN, [CKK.AES_XTS])
SECRET_MECHANISMS.set(CKM.HKDF_KEY_GEN, [CKK.HKDF])
SECRET_MECHANISMS.set(CKM.SHA512_224_KEY_GEN, [CKK.SHA512_224_HMAC])
SECRET_MECHANISMS.set(CKM.SHA512_256_KEY_GEN, [CKK.SHA512_256_HMAC])
// A key of any hash is a string of random bytes; programs make them so.
SECRET_MECHANISMS.set(CKM.GENERIC_SECRET_KEY_GEN, [
  CKK.GENERIC_SECRET,
  ...Object.values<SecretKeyRow>(SECRET_KEYS).flatMap(({ hash, ckk }) => (hash ? [ckk] : [])),
  CKK.SHA512_224_HMAC,
  CKK.SHA512_256_HMAC,
  CKK.HKDF,
])

async function generateKey(
  session: Session,
  mechanism: number,
  template: Template,
): Promise<number> {
  const keyTypes = SECRET_MECHANISMS.get(mechanism)
  if (keyTypes === undefined) throw unknown(mechanism)
  assertAgrees(template, CKA.CLASS, CKO.SECRET_KEY)
  const keyType = template.number(CKA.KEY_TYPE) ?? (keyTypes[0] as number)
  if (!keyTypes.includes(keyType)) {
    const what = `the mechanism makes no keys of CKA_KEY_TYPE 0x${keyType.toString(16)}`
    throw new CryptokiError(CKR.TEMPLATE_INCONSISTENT, what)
  }
  const { algorithm } = assertSecretType(keyType)
  const family = familyOfSecret(keyType)
  assertFits(template, 'secret', family, 'generate')
  const bytes = fixedBytes(keyType) ?? template.number(CKA.VALUE_LEN) ?? usualBytes(mechanism)
  if (bytes === undefined) {
    throw new CryptokiError(CKR.TEMPLATE_INCOMPLETE, 'CKA_VALUE_LEN is missing')
  }
  const bits = assertLength(template, keyType, bytes)
  const plan = planOf(session, { kind: 'secret', family, algorithm, keyType }, template)
  assertMakes(session, { algorithm: algorithm ?? 'HMAC_SHA256', bits })
  if (!plan.lasting) assertRoom(session)
  const row = algorithm && secretKeyRow(algorithm)
  const attributes: ListedAttribute[] = [
    ...plan.given,
    ...chosenIdentifier(plan),
    { id: 'cryptographicLength', value: bits },
    ...(row === undefined ? [] : [{ id: 'cryptographicAlgorithm', value: row.kmip[0] } as const]),
  ]
  const owned = [
    ...plan.owned,
    ...keyTypeAttributes(saidKeyType(keyType, bits)),
    ...(isUsual(mechanism, keyType, row) ? [] : [generatedBy(mechanism)]),
  ]
  const objectType = row === undefined ? ObjectType.SecretData : ObjectType.SymmetricKey
  const internal = { owned, namesRepeat: true }
  const object = await create(contextOf(session, plan, 'Create'), {
    objectType,
    given: { attributes },
    internal,
  })
  return handleFor(session, object, plan.lasting)
}

/** Two AES-256 keys, where nobody says that it shall be two of AES-128. */
function usualBytes(mechanism: number): number | undefined {
  return mechanism === CKM.AES_XTS_KEY_GEN ? 64 : undefined
}

/** Whether the mechanism is the one that is read from the algorithm. */
function isUsual(mechanism: number, keyType: number, row: SecretKeyRow | undefined): boolean {
  if (keyType === CKK.DES2) return mechanism === CKM.DES2_KEY_GEN
  if (keyType === CKK.AES_XTS) return mechanism === CKM.AES_XTS_KEY_GEN
  return mechanism === (row?.ckm ?? CKM.GENERIC_SECRET_KEY_GEN)
}

function generatedBy(mechanism: number): ListedAttribute {
  return { id: GENERATED_BY, value: bytesItem(ulongBytes(mechanism)) }
}

function contextOf(session: Session, { lasting }: Plan, operation: string): Context {
  return session.context(operation, lasting)
}

function unknown(mechanism: number): CryptokiError {
  const what = `mechanism 0x${mechanism.toString(16)} generates no such keys here`
  return new CryptokiError(CKR.MECHANISM_INVALID, what)
}

/** @throws `CryptokiError` `ATTRIBUTE_VALUE_INVALID` where the keystore makes no such key. */
function assertMakes({ services }: Session, spec: KeySpec): void {
  const refusal = services.keystores.forNew(undefined).cannot({ generate: spec })
  if (refusal === undefined) return
  throw new CryptokiError(CKR.ATTRIBUTE_VALUE_INVALID, refusal)
}

const PAIR_MECHANISMS = new Map<number, readonly PairAlgorithm[]>()
for (const [name, { ckm }] of Object.entries<PairRow>(PAIRS)) {
  PAIR_MECHANISMS.set(ckm, [...(PAIR_MECHANISMS.get(ckm) ?? []), name as PairAlgorithm])
}
// Extra random bits make the distribution even, which OpenSSL sees to in any case: FIPS 186-5 A.2.
PAIR_MECHANISMS.set(CKM.EC_KEY_PAIR_GEN_W_EXTRA_BITS, ['EC'])
PAIR_MECHANISMS.set(CKM.RSA_X9_31_KEY_PAIR_GEN, [])
// Of given parameters: node:crypto makes its own.
PAIR_MECHANISMS.set(CKM.DSA_KEY_PAIR_GEN, [])

interface Handles {
  readonly privateKey: number
  readonly publicKey: number
}

async function generatePair(
  session: Session,
  mechanism: number,
  forPublic: Template,
  forPrivate: Template,
): Promise<Handles> {
  const algorithms = PAIR_MECHANISMS.get(mechanism) ?? []
  if (algorithms.length === 0) throw unknown(mechanism)
  const spec = pairWanted(algorithms, forPublic)
  const [publicSubject, privateSubject] = [
    pairSubject('public', spec, forPublic),
    pairSubject('private', spec, forPrivate),
  ]
  assertFits(forPublic, 'public', publicSubject.family, 'generate')
  assertFits(forPrivate, 'private', privateSubject.family, 'generate')
  const publicPlan = planOf(session, publicSubject, forPublic)
  const privatePlan = planOf(session, privateSubject, forPrivate)
  assertMakes(session, spec)
  const passing = [publicPlan, privatePlan].filter(({ lasting }) => !lasting)
  if (passing.length > 0) assertRoom(session, passing.length)
  const owned = isPair(spec.algorithm) && pairRow(spec.algorithm).ckm !== mechanism
  const more = owned ? [generatedBy(mechanism)] : []
  const half = (plan: Plan) => ({ owned: [...plan.owned, ...more], namesRepeat: true })
  const known = specAttributes(spec)
  const sameLabel = labelOf(publicPlan) === labelOf(privatePlan)
  const publicGiven = sameLabel ? repeatedLabel(publicPlan.given) : publicPlan.given
  const made = await createKeyPair(contextOf(session, privatePlan, 'CreateKeyPair'), {
    privateKey: { attributes: [...privatePlan.given, ...chosenIdentifier(privatePlan), ...known] },
    publicKey: { attributes: [...publicGiven, ...known] },
    internal: {
      privateKey: half(privatePlan),
      publicKey: half(publicPlan),
      publicExponent: publicExponent(forPublic),
    },
  })
  const isApart = publicPlan.lasting !== privatePlan.lasting
  const { publicKey, privateKey } = isApart
    ? await setApart(session, made, publicPlan.lasting)
    : made
  return {
    publicKey: handleFor(session, publicKey, publicPlan.lasting),
    privateKey: handleFor(session, privateKey, privatePlan.lasting),
  }
}

function labelOf({ given }: Plan): string | undefined {
  const name = given.find(({ id }) => id === 'name')?.value as { nameValue: string } | undefined
  return name?.nameValue
}

/** Exponents that a keystore is asked for: odd, and in 32 bits, as OpenSSL has them. */
function publicExponent(template: Template): number | undefined {
  const bytes = template.bytes(CKA.PUBLIC_EXPONENT)
  if (bytes === undefined) return undefined
  const value = BigInt(`0x0${Buffer.from(bytes).toString('hex')}`)
  if (value >= 3n && value < 2n ** 32n && value % 2n === 1n) return Number(value)
  const what = `CKA_PUBLIC_EXPONENT is odd and from 3 to 2^32 - 1, not ${value}`
  throw new CryptokiError(CKR.ATTRIBUTE_VALUE_INVALID, what)
}

/** @throws `CryptokiError` `TEMPLATE_INCOMPLETE`, `CURVE_NOT_SUPPORTED`, and others. */
function pairWanted(algorithms: readonly PairAlgorithm[], template: Template): KeySpec {
  const algorithm = algorithms[0] as PairAlgorithm
  const row = pairRow(algorithm)
  if (algorithm === 'RSA') {
    const bits = template.number(CKA.MODULUS_BITS)
    if (bits !== undefined) return { algorithm, bits }
    throw new CryptokiError(CKR.TEMPLATE_INCOMPLETE, 'CKA_MODULUS_BITS is missing')
  }
  return row.ckp === undefined
    ? curveWanted(algorithms, template)
    : parameterSetWanted(row.ckk, template)
}

function curveWanted(algorithms: readonly PairAlgorithm[], template: Template): KeySpec {
  const params = template.bytes(CKA.EC_PARAMS)
  if (params === undefined) {
    throw new CryptokiError(CKR.TEMPLATE_INCOMPLETE, 'CKA_EC_PARAMS is missing')
  }
  const found = curveOfParams(params)
  if (found === undefined) {
    const what = `CKA_EC_PARAMS names no curve that is offered: ${Buffer.from(params).toString('hex')}`
    throw new CryptokiError(CKR.CURVE_NOT_SUPPORTED, what)
  }
  const { algorithm, bits, curve } = found
  if (!algorithms.includes(algorithm)) {
    const what = `the mechanism makes ${algorithms.join(' and ')} keys, the curve is ${algorithm}'s`
    throw new CryptokiError(CKR.TEMPLATE_INCONSISTENT, what)
  }
  return { algorithm, bits, ...(curve !== undefined && { curve }) }
}

function parameterSetWanted(keyType: number, template: Template): KeySpec {
  const set = template.number(CKA.PARAMETER_SET)
  if (set === undefined) {
    throw new CryptokiError(CKR.TEMPLATE_INCOMPLETE, 'CKA_PARAMETER_SET is missing')
  }
  const algorithm = pairOfParameterSet(keyType, set)
  if (algorithm === undefined) {
    const what = `there is no CKA_PARAMETER_SET ${set} of this key type`
    throw new CryptokiError(CKR.PARAMETER_SET_NOT_SUPPORTED, what)
  }
  return { algorithm, bits: pairRow(algorithm).bits[0] as number }
}
