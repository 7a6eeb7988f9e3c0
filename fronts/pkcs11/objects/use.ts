/**
 * Whether a key may be used for a mechanism, now; and the trail that its use leaves.
 *
 * PKCS#11 3.2 §5.1.6 (which error comes first is left to us) and the attributes CKA_KEY_TYPE,
 * CKA_ENCRYPT and its like, CKA_ALLOWED_MECHANISMS and CKA_ALWAYS_AUTHENTICATE of §4. The order
 * here: handle, type and length, usage flag, allowed mechanisms, state of the life cycle. The flags
 * and the state are the core's (`core/keys.ts`), the same as for every other front.
 *
 * @module
 */
import type { Context } from '#core/context.ts'
import { FAILURES, type FailureCode, KmsError } from '#core/errors.ts'
import { kindOf, specOf, USES, type UsableKey, type Use, usableObject } from '#core/keys.ts'
import type { Awaitable, MaterialKind } from '#core/keystore.ts'
import { labelOf, type ManagedObject, objectTypeOf } from '#core/objects.ts'
import type { KeySpec } from '#spec/algorithms.ts'
import { ObjectType } from '#spec/kmip/enumerations.ts'
import { CKA, CKK, CKM, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import type { Service } from '#spec/pkcs11/mechanisms.ts'
import { ulongsOf } from '#spec/pkcs11/memory.ts'
import type { Item } from '#wire/ttlv/item.ts'
import type { Seen } from '../application.ts'
import type { Does, Offered } from '../mechanisms.ts'
import type { Session } from '../session.ts'
import { KEY_TYPE, numberIn } from './classes.ts'
import { flagOf, rowOf } from './flags.ts'

/** Attributes of PKCS#11 with a meaning for the use of a key; no client sets them by KMIP. */
export const ALWAYS_AUTHENTICATE = 'y:CKA_ALWAYS_AUTHENTICATE'
/** As in C: an array of CK_MECHANISM_TYPE. */
export const ALLOWED_MECHANISMS = 'y:CKA_ALLOWED_MECHANISMS'

/** Return values that differ between a key that works and one that wraps. */
export interface KeyCodes {
  readonly handle: number
  readonly type: number
  readonly size: number
}

const KEY_CODES: KeyCodes = {
  handle: CKR.KEY_HANDLE_INVALID,
  type: CKR.KEY_TYPE_INCONSISTENT,
  size: CKR.KEY_SIZE_RANGE,
}
export const WRAPPING_KEY_CODES: KeyCodes = {
  handle: CKR.WRAPPING_KEY_HANDLE_INVALID,
  type: CKR.WRAPPING_KEY_TYPE_INCONSISTENT,
  size: CKR.WRAPPING_KEY_SIZE_RANGE,
}
export const UNWRAPPING_KEY_CODES: KeyCodes = {
  handle: CKR.UNWRAPPING_KEY_HANDLE_INVALID,
  type: CKR.UNWRAPPING_KEY_TYPE_INCONSISTENT,
  size: CKR.UNWRAPPING_KEY_SIZE_RANGE,
}

/** A key that may be used, and how it was found out. */
export interface HeldKey extends UsableKey {
  readonly session: Session
  readonly seen: Seen
  readonly service: Service
  readonly offered: Offered
  readonly codes: KeyCodes
  /** Given to the core; its `now` is when the key was looked at. */
  readonly context: Context
  /** CKA_ALWAYS_AUTHENTICATE. */
  readonly alwaysAuthenticates: boolean
}

/** What a service means to the core: the use, and kinds of objects that can be meant. */
interface Meaning {
  readonly use: Use
  readonly kinds: readonly MaterialKind[]
  /** Operation of KMIP that means the same, for the audit trail. */
  readonly operation: string
}

const ENCRYPT: Meaning = { use: USES.encrypt, kinds: ['secret', 'public'], operation: 'Encrypt' }
const DECRYPT: Meaning = { use: USES.decrypt, kinds: ['secret', 'private'], operation: 'Decrypt' }
const SIGN: Meaning = { use: USES.sign, kinds: ['private'], operation: 'Sign' }
const VERIFY: Meaning = { use: USES.verify, kinds: ['public'], operation: 'SignatureVerify' }
const MAC: Meaning = { use: USES.mac, kinds: ['secret'], operation: 'MAC' }
const MAC_VERIFY: Meaning = { use: USES.macVerify, kinds: ['secret'], operation: 'MACVerify' }

type KeyService = Exclude<Service, 'digest' | 'generate' | 'generatePair'>

const MEANINGS: Readonly<Record<KeyService, Meaning>> = {
  encrypt: ENCRYPT,
  messageEncrypt: ENCRYPT,
  decrypt: DECRYPT,
  messageDecrypt: DECRYPT,
  sign: SIGN,
  messageSign: SIGN,
  signRecover: SIGN,
  verify: VERIFY,
  messageVerify: VERIFY,
  verifyRecover: VERIFY,
  wrap: { use: USES.wrap, kinds: ['secret', 'public'], operation: 'Get' },
  unwrap: { use: USES.unwrap, kinds: ['secret', 'private'], operation: 'Register' },
  derive: { use: USES.derive, kinds: ['secret', 'private'], operation: 'DeriveKey' },
  encapsulate: { use: USES.derive, kinds: ['public'], operation: 'Encapsulate' },
  decapsulate: { use: USES.derive, kinds: ['private'], operation: 'Decapsulate' },
}

function meaningOf(service: KeyService, does: Does): Meaning {
  const meaning = MEANINGS[service]
  if (does.kind !== 'mac') return meaning
  return meaning === SIGN ? MAC : MAC_VERIFY
}

/** What is worked out once for each version of an object. */
interface Facts {
  readonly kind: MaterialKind
  readonly spec: KeySpec | undefined
  readonly alwaysAuthenticates: boolean
  /** Undefined: all. */
  readonly allowed: readonly number[] | undefined
  /** CKK_AES_XTS, where the key is as long as one of another type. */
  readonly isXts: boolean
  /** Services whose flag is false although the bit that it shares with another is set. */
  readonly denied: ReadonlySet<KeyService>
}

/** Flags that share a bit of the usage mask with another. */
const SHARED = [
  ['sign', CKA.SIGN],
  ['messageSign', CKA.SIGN],
  ['signRecover', CKA.SIGN_RECOVER],
  ['verify', CKA.VERIFY],
  ['messageVerify', CKA.VERIFY],
  ['verifyRecover', CKA.VERIFY_RECOVER],
  ['derive', CKA.DERIVE],
  ['encapsulate', CKA.ENCAPSULATE],
  ['decapsulate', CKA.DECAPSULATE],
] as const satisfies readonly (readonly [KeyService, number])[]

function deniedBy(object: ManagedObject): ReadonlySet<KeyService> {
  const denied = SHARED.filter(([, flag]) => {
    return rowOf(object, flag) !== undefined && !flagOf(object, flag)
  })
  return new Set(denied.map(([service]) => service))
}

const FACTS = new WeakMap<ManagedObject, Facts>()

function factsOf(object: ManagedObject): Facts {
  const known = FACTS.get(object)
  if (known !== undefined) return known
  const { attributes } = object
  const type = objectTypeOf(object)
  const always = attributes.get(ALWAYS_AUTHENTICATE) as Item | undefined
  const allowed = attributes.get(ALLOWED_MECHANISMS) as Item | undefined
  const facts = {
    kind: kindOf(type),
    spec: specOf(type, attributes),
    alwaysAuthenticates: always?.value === true,
    allowed: allowed?.value instanceof Uint8Array ? ulongsOf(allowed.value) : undefined,
    isXts: numberIn(attributes, KEY_TYPE) === CKK.AES_XTS,
    denied: deniedBy(object),
  }
  FACTS.set(object, facts)
  return facts
}

/**
 * The key of a handle, if it may be used so with this mechanism by this session, now. At once where
 * the object is in memory.
 *
 * @throws `CryptokiError` `codes`, `CKR_MECHANISM_INVALID`; `KmsError` `usageMask`, `wrongState`,
 * `keyValueNotPresent`.
 */
export function keyFor(
  session: Session,
  handle: number,
  service: KeyService,
  offered: Offered,
  codes: KeyCodes = KEY_CODES,
): Awaitable<HeldKey> {
  const does = offered.does[service]
  if (does === undefined) {
    throw new CryptokiError(CKR.MECHANISM_INVALID, `CKM_${offered.name} is not for ${service}`)
  }
  const held = (seen: Seen): HeldKey => {
    const meaning = meaningOf(service, does)
    const context = session.context(meaning.operation, seen.lasting)
    try {
      const usable = checked(context, seen.object, meaning, offered, does, codes)
      const { alwaysAuthenticates, denied } = factsOf(seen.object)
      if (denied.has(service)) {
        const what = `${labelOf(seen.object)}: its flag for ${service} is false`
        throw new KmsError('usageMask', what)
      }
      return { ...usable, session, seen, service, offered, codes, context, alwaysAuthenticates }
    } catch (error) {
      recordFailure(context, seen.object.id, error)
      throw error
    }
  }
  const seen = session.application.object(session, handle, codes.handle)
  return seen instanceof Promise ? seen.then(held) : held(seen)
}

function checked(
  context: Context,
  object: ManagedObject,
  meaning: Meaning,
  offered: Offered,
  does: Does,
  codes: KeyCodes,
): UsableKey {
  const { kind, spec, allowed, isXts } = factsOf(object)
  const label = () => `${labelOf(object)} and CKM_${offered.name}`
  if (object.attributes.has('archiveDate')) {
    throw new CryptokiError(codes.handle, `${labelOf(object)} is archived; recover it first`)
  }
  if (!suits(object, spec, does) || (isXts && offered.type !== CKM.AES_XTS)) {
    throw new CryptokiError(codes.type, `${label()}: it is for ${does.algorithms.join(', ')}`)
  }
  if (spec !== undefined && does.keyBits !== undefined && !does.keyBits.includes(spec.bits)) {
    const what = `${spec.bits} bits, allowed are ${does.keyBits.join(', ')}`
    throw new CryptokiError(codes.size, `${label()}: the key has ${what}`)
  }
  if (!meaning.kinds.includes(kind)) {
    const what = `a ${kind} key does not ${meaning.use.verb.replace(/ \w+$/, '')}`
    throw new KmsError('usageMask', `${label()}: ${what}`)
  }
  if (allowed !== undefined && !allowed.includes(offered.type)) {
    throw new CryptokiError(CKR.MECHANISM_INVALID, `${label()}: not in CKA_ALLOWED_MECHANISMS`)
  }
  return usableObject(context, object, meaning.use)
}

/** Whether it is a key of the right type. */
function suits(object: ManagedObject, spec: KeySpec | undefined, does: Does): boolean {
  if (does.algorithms.length === 0) return true
  if (spec !== undefined && does.algorithms.includes(spec.algorithm)) return true
  // CKK_GENERIC_SECRET: a secret of which nobody says what it is for.
  const isHmac = does.kind === 'mac' && does.mac.startsWith('HMAC_')
  return isHmac && objectTypeOf(object) === ObjectType.SecretData
}

/**
 * CKA_ALWAYS_AUTHENTICATE and a function that is over at once: there is no operation during which
 * the user could be asked.
 *
 * @throws `CryptokiError` `CKR_USER_NOT_LOGGED_IN`.
 */
export function assertNeedsNoConsent({ alwaysAuthenticates, object, service }: HeldKey): void {
  if (!alwaysAuthenticates) return
  const what = `CKA_ALWAYS_AUTHENTICATE of ${labelOf(object)}: nobody can consent to ${service}`
  throw new CryptokiError(CKR.USER_NOT_LOGGED_IN, what)
}

/**
 * The key as it is now: the same where neither the object nor the second has changed, else looked
 * at again.
 */
export function stillUsable(held: HeldKey): Awaitable<HeldKey> {
  const { session, seen, service, offered, codes, context } = held
  const { store, clock } = context.services
  const now = Math.floor(clock() / 1000)
  if (now === context.now && store.cached(held.object.id) === held.object) return held
  return keyFor(session, seen.reference.handle, service as KeyService, offered, codes)
}

/**
 * Works with a key that is still usable, and leaves the trail of it.
 *
 * @param work Given the key as it is now.
 */
export function use<T>(held: HeldKey, work: (held: HeldKey) => Awaitable<T>): Awaitable<T> {
  const now = stillUsable(held)
  return now instanceof Promise ? now.then((key) => traced(key, work)) : traced(now, work)
}

/**
 * Works, and leaves the trail of it.
 *
 * @param isWhole False for the further parts of what has been recorded: only a failure is new.
 */
export function traced<T>(
  held: HeldKey,
  work: (held: HeldKey) => Awaitable<T>,
  isWhole = true,
): Awaitable<T> {
  const done = (value: T): Awaitable<T> => {
    const room = isWhole ? recordUse(held) : undefined
    return room instanceof Promise ? room.then(() => value) : value
  }
  const failed = (error: unknown): never => {
    recordFailure(held.context, held.object.id, error)
    throw error
  }
  try {
    const result = work(held)
    return result instanceof Promise ? result.then(done, failed) : done(result)
  } catch (error) {
    return failed(error)
  }
}

/** Another word in the audit trail: this key was used. Waits while the trail is full. */
function recordUse({ context, object }: HeldKey): Promise<void> | undefined {
  return record(context, object.id, 'success')
}

function recordFailure(context: Context, object: string | undefined, error: unknown): void {
  const detail = error instanceof Error ? error.message : undefined
  void record(context, object, outcomeOf(error), detail)
}

export function record(
  { services, principal, operation }: Context,
  object: string | undefined,
  outcome: 'success' | FailureCode,
  detail?: string,
): Promise<void> | undefined {
  const { name } = principal
  return services.journal.record({
    principal: name,
    front: 'pkcs11',
    operation,
    object,
    outcome,
    detail,
  })
}

const CODE_OF_RV = new Map<number, FailureCode>()
for (const [code, { ckr }] of Object.entries(FAILURES)) {
  if (!CODE_OF_RV.has(ckr)) CODE_OF_RV.set(ckr, code as FailureCode)
}

/** How a failure is called in the audit trail. */
function outcomeOf(error: unknown): FailureCode {
  if (error instanceof KmsError) return error.code
  if (error instanceof CryptokiError) return CODE_OF_RV.get(error.rv) ?? 'invalidField'
  return 'internal'
}
