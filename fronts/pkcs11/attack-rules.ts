/**
 * Rules against known attacks on PKCS#11: what each prevents, and who has described it.
 *
 * PKCS#11 lets keys be used against each other: a key that wraps and decrypts gives every wrapped
 * key away, and so on. The standard allows what these rules refuse. Which there are is said in
 * `rule-table.ts`; those that hold for a token it has as its `rules`. A refusal names its rule in
 * the log. What the standard itself asks for (CKA_EXTRACTABLE, CKA_WRAP_TEMPLATE, ...) is no rule.
 *
 * @module
 */
import { kindOf } from '#core/keys.ts'
import { type ManagedObject, objectTypeOf } from '#core/objects.ts'
import { CryptographicUsageMask as Mask } from '#spec/kmip/enumerations.ts'
import { CKA, CKO, CKR } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { boolBytes } from '#spec/pkcs11/memory.ts'
import type { Attribute } from '#spec/pkcs11/types.ts'
import { flagOf } from './objects/flags.ts'
import { ckaName } from './objects/table.ts'
import { Template } from './objects/template.ts'
import { RULES, type Rule, type RuleName, type RuleSet } from './rule-table.ts'

/** A refusal by a rule. @param what What was asked for. */
export function refusedBy(name: RuleName, what: string): CryptokiError {
  const { rv, prevents } = RULES[name] as Rule
  return new CryptokiError(CKR[rv], `${what}: refused by rule ${name}. ${prevents}`)
}

/** 112 bits, NIST SP 800-57 part 1 §5.6. */
const PIECE_BYTES_MIN = 14

/** Whether nobody is shown its value. */
function isHidden({ attributes }: ManagedObject): boolean {
  return attributes.get('sensitive') === true || attributes.get('extractable') === false
}

export function isSensitive({ attributes }: ManagedObject): boolean {
  return attributes.get('sensitive') === true
}

function has({ attributes }: ManagedObject, bit: Mask): boolean {
  return ((attributes.get('cryptographicUsageMask') ?? 0) & bit) !== 0
}

/** @param privateHalf Of a public key that wraps, where it is here. */
export function assertWrapsOnly(
  rules: RuleSet,
  wrapping: ManagedObject,
  target: ManagedObject,
  privateHalf: ManagedObject | undefined,
): void {
  if (!isSensitive(target)) return
  const decrypts = has(wrapping, Mask.Decrypt) || (privateHalf && has(privateHalf, Mask.Decrypt))
  if (rules.has('wrap-and-decrypt') && decrypts) {
    const what = `key ${wrapping.id} shall wrap, and it or its half decrypts`
    throw refusedBy('wrap-and-decrypt', what)
  }
  if (!rules.has('no-known-wrapping-key') || isHidden(wrapping)) return
  if (kindOf(objectTypeOf(wrapping)) === 'public') return
  throw refusedBy('no-known-wrapping-key', `key ${wrapping.id} shall wrap, and can be read`)
}

/** Bytes of an IV that are made here: fewer come again too soon. */
const MADE_BYTES_MIN = 8

/** @param madeBytes How many bytes of the IV the caller has not chosen. */
export function assertFreshIv(
  rules: RuleSet,
  wrapping: ManagedObject,
  target: ManagedObject,
  madeBytes: number,
): void {
  if (!rules.has('no-iv-twice') || !isSensitive(target)) return
  if (madeBytes < MADE_BYTES_MIN) {
    throw refusedBy('no-iv-twice', `${madeBytes} bytes of the IV are not the caller's choice`)
  }
  if (!has(wrapping, Mask.Encrypt) && !has(wrapping, Mask.DeriveKey)) return
  throw refusedBy('no-iv-twice', `key ${wrapping.id} shall wrap, and encrypts or derives as well`)
}

/** What is unwrapped block by block with a key that cannot be read. */
export function assertNoBlocks(rules: RuleSet, unwrapping: ManagedObject, mechanism: string): void {
  if (!rules.has('no-block-unwrapping') || !isHidden(unwrapping)) return
  throw refusedBy('no-block-unwrapping', `CKM_${mechanism} and key ${unwrapping.id}`)
}

/** A public key encrypts for everybody: of pairs there is nothing to refuse. */
export function assertUnwrapsOnly(
  rules: RuleSet,
  unwrapping: ManagedObject,
  isPair: boolean,
): void {
  if (!rules.has('unwrap-and-encrypt')) return
  if (isPair || !has(unwrapping, Mask.Encrypt)) return
  throw refusedBy('unwrap-and-encrypt', `key ${unwrapping.id} shall unwrap, and encrypts as well`)
}

/** What is cut of keys, unless it is all of them. @param available How many bytes there are. */
export function assertWhole(
  rules: RuleSet,
  bases: readonly ManagedObject[],
  bytes: number,
  available: number,
): void {
  if (!rules.has('no-short-pieces')) return
  if (bytes >= PIECE_BYTES_MIN || bytes >= available || !bases.some(isHidden)) return
  throw refusedBy('no-short-pieces', `${bytes} bytes of a key that cannot be read`)
}

/** Of what is unwrapped without padding the caller says how much is taken. */
export function assertNoShortKey(rules: RuleSet, unwrapping: ManagedObject, bytes: number): void {
  if (!rules.has('no-short-pieces') || bytes >= PIECE_BYTES_MIN || !isHidden(unwrapping)) return
  throw refusedBy('no-short-pieces', `${bytes} bytes, unwrapped by a key that cannot be read`)
}

export function assertDerivesOnly(rules: RuleSet, base: ManagedObject): void {
  if (!rules.has('encrypt-and-derive')) return
  if (!isSensitive(base) || !has(base, Mask.Encrypt)) return
  throw refusedBy('encrypt-and-derive', `key ${base.id} shall derive, and encrypts as well`)
}

type List = readonly Attribute[]

/** A template with a flag that a rule asks for. @throws `CryptokiError` of the rule. */
function ruled(rules: RuleSet, list: List, type: number, value: boolean, rule: RuleName): List {
  if (!rules.has(rule)) return list
  const given = new Template(list).flag(type)
  if (given === value) return list
  if (given === undefined) return [...list, { type, value: boolBytes(value) }]
  throw refusedBy(rule, `${ckaName(type)} ${given}`)
}

/** The template of a key that another one unwraps. */
export function unwrappedTemplate(rules: RuleSet, list: List, unwrapping: ManagedObject): List {
  const isTrusted = flagOf(unwrapping, CKA.TRUSTED)
  let template = list
  const given = new Template(list)
  const isReadable = given.flag(CKA.EXTRACTABLE) === true
  // A key that is not extractable is shown to nobody either, and programs say false by habit.
  if (isHidden(unwrapping) && (isReadable || given.flag(CKA.SENSITIVE) === undefined)) {
    template = ruled(rules, template, CKA.SENSITIVE, true, 'unwrapped-stays-hidden')
  }
  if (isTrusted) {
    return ruled(rules, template, CKA.WRAP_WITH_TRUSTED, true, 'trusted-stays-trusted')
  }
  const isSecret = given.number(CKA.CLASS) === CKO.SECRET_KEY
  if (isSecret) template = ruled(rules, template, CKA.WRAP, false, 'unwrapped-does-not-wrap')
  return ruled(rules, template, CKA.UNWRAP, false, 'unwrapped-does-not-wrap')
}

/** The template of a key that could be turned back into those that it was made of. */
export function reversibleTemplate(
  rules: RuleSet,
  list: List,
  bases: readonly ManagedObject[],
): List {
  const rule = 'derived-stays-sensitive'
  const hides = bases.some((base) => base.attributes.get('extractable') === false)
  const kept = bases.some(isSensitive) ? ruled(rules, list, CKA.SENSITIVE, true, rule) : list
  return hides ? ruled(rules, kept, CKA.EXTRACTABLE, false, rule) : kept
}
