/**
 * Deriving keys.
 *
 * PKCS#11 3.2 §5.18.5 (`C_DeriveKey`). How a mechanism is read stands in `derivations/`; here it
 * is decided how long the key is, what its template may say, and what it inherits. The length is
 * that of the key type where that has one, else `CKA_VALUE_LEN`, else what the mechanism gives.
 *
 * @module
 */
import { KmsError } from '#core/errors.ts'
import { specOf } from '#core/keys.ts'
import type { KeyInUse } from '#core/keystore.ts'
import { type ManagedObject, objectTypeOf } from '#core/objects.ts'
import { link } from '#core/operations/make.ts'
import { publicHalf } from '#core/public-half.ts'
import { Secret } from '#core/secret.ts'
import { isPair, type KeySpec, secretKeyRow } from '#spec/algorithms.ts'
import { LinkType } from '#spec/kmip/enumerations.ts'
import { CKA, CKK, CKM, CKO, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { ulongBytes } from '#spec/pkcs11/memory.ts'
import type { Attribute, Handlers, Mechanism } from '#spec/pkcs11/types.ts'
import type { Application } from '../application.ts'
import { assertDerivesOnly, assertWhole, reversibleTemplate } from '../attack-rules.ts'
import type { Asked, Derivation, OtherKey, Plan } from '../derivations/plan.ts'
import { derivationOf } from '../derivations.ts'
import { type Offered, offeredFor } from '../mechanisms.ts'
import { familyOfAlgorithm, fixedBytes } from '../objects/classes.ts'
import { importObject } from '../objects/import.ts'
import { makePublic, makeSecret } from '../objects/make.ts'
import { templateOf } from '../objects/rules.ts'
import { type AttributeRow, ckaName, tableFor } from '../objects/table.ts'
import { assertAgrees, assertFits, Template } from '../objects/template.ts'
import { assertNeedsNoConsent, type HeldKey, keyFor, use } from '../objects/use.ts'
import { assertNoParameter } from '../parameters.ts'
import type { Session } from '../session.ts'
import { deriveKeyBlock, makesKeyBlock } from './key-block.ts'
import { objects } from './objects.ts'
import { withoutLength } from './wrap.ts'

export const derive = {
  C_DeriveKey: async (application, { hSession, pMechanism, hBaseKey, pTemplate }) => {
    const session = application.session(hSession)
    if (pMechanism === undefined) throw new CryptokiError(CKR.ARGUMENTS_BAD, 'pMechanism is NULL')
    const offered = offeredFor(session, pMechanism, 'derive')
    if (pMechanism.type === CKM.PUB_KEY_FROM_PRIV_KEY) {
      assertNoParameter(offered, pMechanism.parameter)
      const base = await keyFor(session, hBaseKey, 'derive', offered)
      return { phKey: await publicFromPrivate(session, base, new Template(pTemplate)) }
    }
    const held = await keyFor(session, hBaseKey, 'derive', offered)
    assertNeedsNoConsent(held)
    const list = new Template(pTemplate).and(templateOf(held.seen, CKA.DERIVE_TEMPLATE)).list()
    if (makesKeyBlock(pMechanism.type)) {
      assertSecret(held.key)
      const back = await deriveKeyBlock(application, session, held, pMechanism, list)
      return { phKey: 0, pMechanism: back }
    }
    const { plan: planned } = derivationOf(pMechanism.type) as Derivation
    const asked = askedOf(held, pMechanism, list)
    const plan = await planned(asked)
    const bytes = lengthOf(plan, asked.wantedBytes)
    assertRules(session, held.object, plan, bytes)
    return use(held, async () => {
      const wish: Wish = { session, held, plan, list, bytes }
      const [phKey, ...further] = await allMade(application, wish)
      const back = await returned(wish, pMechanism, further)
      return back === undefined ? { phKey } : { phKey, pMechanism: back }
    })
  },
} satisfies Partial<Handlers<Application>>

/** `CKM_PUB_KEY_FROM_PRIV_KEY`: all that the public key is the private key says. */
async function publicFromPrivate(
  session: Session,
  held: HeldKey,
  template: Template,
): Promise<number> {
  assertNeedsNoConsent(held)
  const { object, key, seen } = held
  const family = familyOfAlgorithm((key.spec as KeySpec).algorithm)
  assertAgrees(template, CKA.CLASS, CKO.PUBLIC_KEY)
  assertFits(template, 'public', family, 'derive')
  for (const type of template.types()) assertNotTold(type, tableFor('public', family).get(type))
  const lasting = (template.flag(CKA.TOKEN) ?? false) && seen.lasting
  const owned = lasting ? [link(LinkType.PrivateKeyLink, object.id)] : []
  return use(held, async () => {
    return makePublic(session, template, await publicHalf(held.context.services, object), owned)
  })
}

/** @throws `CryptokiError` `TEMPLATE_INCONSISTENT` for a value that follows from the key. */
function assertNotTold(type: number, row: AttributeRow | undefined): void {
  const isKind = type === CKA.CLASS || type === CKA.KEY_TYPE
  if (isKind || !(row?.notes.has(1) || row?.notes.has(3))) return
  throw new CryptokiError(
    CKR.TEMPLATE_INCONSISTENT,
    `${ckaName(type)} follows from the private key`,
  )
}

interface Wish {
  readonly session: Session
  readonly held: HeldKey
  readonly plan: Plan
  readonly list: readonly Attribute[]
  readonly bytes: number
}

function askedOf(held: HeldKey, mechanism: Mechanism, list: readonly Attribute[]): Asked {
  const { offered, object: base, key } = held
  if (mechanismTakesSecrets(offered)) assertSecret(key)
  return {
    offered,
    mechanism,
    base,
    spec: key.spec,
    baseBytes: bytesOfKey(base),
    wantedBytes: wantedBytes(new Template(list)),
    other: (handle) => otherKey(held, handle),
    bytesOf: (template) => neededBytes(new Template(template)),
  }
}

function mechanismTakesSecrets({ does }: Offered): boolean {
  return does.derive?.algorithms.length === 0
}

/** @throws `CryptokiError` `CKR_KEY_TYPE_INCONSISTENT`. */
function assertSecret({ kind }: KeyInUse): void {
  if (kind === 'secret') return
  throw new CryptokiError(CKR.KEY_TYPE_INCONSISTENT, `a ${kind} key, and a secret key is needed`)
}

/** Bytes of a secret key. */
function bytesOfKey(object: ManagedObject): number {
  const spec = specOf(objectTypeOf(object), object.attributes)
  const bits = object.attributes.get('cryptographicLength') ?? 0
  if (spec === undefined || isPair(spec.algorithm)) return bits / 8
  return (secretKeyRow(spec.algorithm).materialBits?.[bits] ?? bits) / 8
}

/** How long the key shall be; undefined where the template leaves it to the mechanism. */
function wantedBytes(template: Template): number | undefined {
  const keyType = template.number(CKA.KEY_TYPE) ?? CKK.GENERIC_SECRET
  const [fixed, given] = [fixedBytes(keyType), template.number(CKA.VALUE_LEN)]
  if (fixed !== undefined && given !== undefined && given !== fixed) {
    const what = `CKA_VALUE_LEN ${given}, keys of this type have ${fixed} bytes`
    throw new CryptokiError(CKR.TEMPLATE_INCONSISTENT, what)
  }
  return fixed ?? given
}

function neededBytes(template: Template): number {
  const bytes = wantedBytes(template)
  if (bytes !== undefined && bytes >= 1) return bytes
  throw new CryptokiError(CKR.TEMPLATE_INCOMPLETE, 'CKA_VALUE_LEN of a further key is missing')
}

/** Another key that goes into it. It must be allowed for derivation as well. */
async function otherKey(
  { session, offered, keystore }: HeldKey,
  handle: number,
): Promise<OtherKey> {
  const anySecret = { ...offered, does: { derive: { kind: 'keys', algorithms: [] } } } as const
  const { object, key, keystore: place } = await keyFor(session, handle, 'derive', anySecret)
  assertSecret(key)
  if (place === keystore) return { object, key, bytes: bytesOfKey(object) }
  const what = `the two keys lie in keystores "${keystore.name}" and "${place.name}"`
  throw new CryptokiError(CKR.KEY_HANDLE_INVALID, `cannot derive of both: ${what}`)
}

function lengthOf(plan: Plan, wanted: number | undefined): number {
  const { mostBytes, usualBytes, exactBytes } = plan
  const bytes = wanted ?? usualBytes
  if (bytes === undefined) {
    throw new CryptokiError(CKR.TEMPLATE_INCOMPLETE, 'CKA_VALUE_LEN is missing')
  }
  if (exactBytes !== undefined && bytes !== exactBytes) {
    const what = `the key has ${exactBytes} bytes, CKA_VALUE_LEN says ${bytes}`
    throw new CryptokiError(CKR.TEMPLATE_INCONSISTENT, what)
  }
  if (bytes >= 1 && bytes <= Math.min(mostBytes ?? BYTES_MAX, BYTES_MAX)) return bytes
  const what = `${bytes} bytes are asked for, there are 1 to ${mostBytes ?? BYTES_MAX}`
  throw new CryptokiError(CKR.KEY_SIZE_RANGE, what)
}

/** Of any secret key. */
const BYTES_MAX = 8_192

function assertRules(session: Session, base: ManagedObject, plan: Plan, bytes: number): void {
  const { rules } = session.token
  const { isReversible, mostBytes = bytes, others = [], mechanism } = plan
  if (isReversible) assertWhole(rules, [base, ...others], bytes, mostBytes)
  if (mechanism.kdf === 'ENCRYPT') assertDerivesOnly(rules, base)
}

interface Derived {
  readonly key: Secret
  readonly further: readonly { readonly list: readonly Attribute[]; readonly value: Secret }[]
}

/** The bytes of the key, and of those beside it. */
async function derived({ held, plan, list, bytes }: Wish): Promise<Derived> {
  const { mostBytes = bytes, keepsTail, further = [], blockBytes = 1 } = plan
  const asked = keepsTail ? mostBytes : bytes
  const starts = [0]
  for (const length of [asked, ...further.map((one) => one.bytes)]) {
    starts.push((starts.at(-1) as number) + Math.ceil(length / blockBytes) * blockBytes)
  }
  const total =
    further.length === 0 ? asked : (starts.at(-2) as number) + (further.at(-1)?.bytes as number)
  using whole = await fromKeystore(held, plan, total)
  const from = keepsTail ? asked - bytes : 0
  const key = secretOf(list, whole.expose().subarray(from, from + bytes))
  const more = further.map(({ template, bytes: length }, index) => {
    const start = starts[index + 1] as number
    const value = secretOf(template, whole.expose().subarray(start, start + length))
    return { list: template, value }
  })
  return { key, further: more }
}

async function fromKeystore(held: HeldKey, { mechanism }: Plan, bytes: number): Promise<Secret> {
  try {
    return await held.keystore.derive(held.key, mechanism, bytes)
  } catch (error) {
    const isPeer = error instanceof KmsError && error.code === 'cryptographicFailure'
    if (mechanism.kdf !== 'DH' || !isPeer) throw error
    const what = 'the other public key does not fit this private key'
    throw new CryptokiError(CKR.PUBLIC_KEY_INVALID, what, { cause: error })
  }
}

/** A copy, with the parity that DES keys have. */
function secretOf(list: readonly Attribute[], bytes: Uint8Array): Secret {
  const keyType = new Template(list).number(CKA.KEY_TYPE)
  const copy = Uint8Array.from(bytes)
  const isDes = keyType === CKK.DES2 || keyType === CKK.DES3
  return new Secret(isDes ? copy.map(withOddParity) : copy)
}

function withOddParity(byte: number): number {
  let bits = byte >> 1
  for (let shift = 4; shift >= 1; shift >>= 1) bits ^= bits >> shift
  return (byte & 0xfe) | (~bits & 1)
}

/** The handles of all keys. What cannot be made whole is not made at all. */
async function allMade(
  application: Application,
  wish: Wish,
): Promise<readonly [number, ...(readonly number[])]> {
  const { session } = wish
  const { key, further } = await derived(wish)
  const phKey = await made(wish, key)
  const handles: number[] = []
  try {
    for (const { list, value } of further) handles.push(await madeSecret(wish, list, value))
    return [phKey, ...handles]
  } catch (error) {
    for (const hObject of [phKey, ...handles]) {
      await objects.C_DestroyObject(application, { hSession: session.handle, hObject })
    }
    throw error
  }
}

async function made(wish: Wish, key: Secret): Promise<number> {
  const { session, held, plan, list } = wish
  const { others = [], isReversible, isData } = plan
  if (isData) return madeData(session, list, key)
  const bases = [held.object, ...others]
  const ruled = isReversible ? reversibleTemplate(session.token.rules, list, bases) : list
  return madeSecret(wish, ruled, key)
}

function madeSecret(
  { session, held, plan }: Wish,
  list: readonly Attribute[],
  value: Secret,
): Promise<number> {
  const provenance = { origin: 'derived', base: held.seen, others: plan.others } as const
  return makeSecret(session, withoutLength(list), value, provenance, CKK.GENERIC_SECRET)
}

/** `CKM_HKDF_DATA`: what is derived is no secret. */
async function madeData(
  session: Session,
  list: readonly Attribute[],
  value: Secret,
): Promise<number> {
  using bytes = value
  const class_ = new Template(list).number(CKA.CLASS) ?? CKO.DATA
  if (class_ !== CKO.DATA) {
    throw new CryptokiError(CKR.TEMPLATE_INCONSISTENT, 'CKM_HKDF_DATA makes CKO_DATA')
  }
  const rest = withoutLength(list).filter(({ type }) => type !== CKA.CLASS)
  return importObject(session, [
    ...rest,
    { type: CKA.CLASS, value: ulongBytes(CKO.DATA) },
    { type: CKA.VALUE, value: Uint8Array.from(bytes.expose()) },
  ])
}

/** What goes back in the parameter: the version in a premaster secret, handles of further keys. */
async function returned(
  { held, plan }: Wish,
  mechanism: Mechanism,
  handles: readonly number[],
): Promise<Mechanism | undefined> {
  const fields = mechanism.parameter as Extract<Mechanism['parameter'], { [name: string]: unknown }>
  if (plan.tellsVersion) {
    // RFC 5246 §7.4.7.1: the first two bytes. They are no secret.
    using start = await held.keystore.derive(held.key, { kdf: 'CONCATENATE', parts: ['base'] }, 2)
    const [major = 0, minor = 0] = start.expose()
    return { ...mechanism, parameter: { ...fields, pVersion: { major, minor } } }
  }
  if (handles.length === 0) return undefined
  const keys = plan.further?.map(({ template: pTemplate }, index) => {
    return { pTemplate, phKey: handles[index] as number }
  })
  return { ...mechanism, parameter: { ...fields, pAdditionalDerivedKeys: keys } }
}
