/**
 * Rules against known attacks on PKCS#11: what each prevents, and who has described it.
 *
 * PKCS#11 lets keys be used against each other: a key that wraps and decrypts gives every wrapped
 * key away, and so on. The standard allows what these rules refuse. They are on for every token,
 * and a refusal names its rule in the log. `docs/pkcs11-rules.md` is printed from {@link RULES};
 * what the standard itself asks for (CKA_EXTRACTABLE, CKA_WRAP_TEMPLATE, ...) is not listed.
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

export interface Rule {
  /** What is refused. */
  readonly refuses: string
  /** What an attacker would gain. */
  readonly prevents: string
  readonly source: string
  /** What the application is told. */
  readonly rv: keyof typeof CKR
}

const CLULOW = 'J. Clulow, On the Security of PKCS #11, CHES 2003'
const DKS = 'S. Delaune, S. Kremer, G. Steel, Formal Analysis of PKCS#11, CSF 2008'
const TOOKAN =
  'M. Bortolozzo, M. Centenaro, R. Focardi, G. Steel, Attacking and Fixing PKCS#11 Security Tokens, CCS 2010'
const ORACLES =
  'R. Bardou and others, Efficient Padding Oracle Attacks on Cryptographic Hardware, CRYPTO 2012'

// biome-ignore format: a table
export const RULES = {
  'roles-apart': {
    refuses: 'CKA_WRAP together with CKA_DECRYPT, and CKA_UNWRAP together with CKA_ENCRYPT, in whatever way a key is made or changed, unless it is a secret key whose value can be read anyway.',
    prevents: 'A key that does both is the shortest way to the first two attacks below.',
    source: `${CLULOW}; ${TOOKAN}`, rv: 'TEMPLATE_INCONSISTENT',
  },
  'wrap-and-decrypt': {
    refuses: 'Wrapping a sensitive key with a key that decrypts too, or whose private half decrypts.',
    prevents: 'The wrapped key is decrypted as if it were data.',
    source: `${CLULOW}; ${DKS}`, rv: 'KEY_FUNCTION_NOT_PERMITTED',
  },
  'no-known-wrapping-key': {
    refuses: 'Wrapping a sensitive key with a secret key whose value can be read.',
    prevents: 'The wrapped key is decrypted elsewhere, with the value of the wrapping key.',
    source: `${CLULOW}; ${TOOKAN}`, rv: 'KEY_NOT_WRAPPABLE',
  },
  'unwrap-and-encrypt': {
    refuses: 'Unwrapping with a secret key that encrypts too.',
    prevents: 'Known bytes are encrypted, then unwrapped as a key that passes for a secret one.',
    source: `${DKS}; ${TOOKAN}`, rv: 'KEY_FUNCTION_NOT_PERMITTED',
  },
  'unwrapped-stays-hidden': {
    refuses: 'CKA_SENSITIVE false with CKA_EXTRACTABLE true for what a key unwraps that cannot be read itself; CKA_SENSITIVE is true where nothing is said.',
    prevents: 'A sensitive key is wrapped, comes back as one that is not, and is read.',
    source: TOOKAN, rv: 'TEMPLATE_INCONSISTENT',
  },
  'unwrapped-does-not-wrap': {
    refuses: 'CKA_WRAP and CKA_UNWRAP for what an untrusted key unwraps; they are false where nothing is said.',
    prevents: 'One wrapped key is unwrapped twice, once to wrap and once to decrypt: the first rule is gone round.',
    source: `${DKS}; ${TOOKAN}`, rv: 'TEMPLATE_INCONSISTENT',
  },
  'trusted-stays-trusted': {
    refuses: 'CKA_WRAP_WITH_TRUSTED false for what a trusted key unwraps; it is true where nothing is said.',
    prevents: 'A key that only trusted keys may wrap comes back as one that any key may wrap.',
    source: TOOKAN, rv: 'TEMPLATE_INCONSISTENT',
  },
  'no-block-wrapping': {
    refuses: 'ECB, CTR and bare RSA for wrapping and unwrapping at all, and CBC without padding for sensitive keys.',
    prevents: 'Keys are altered, cut and put together block by block; halves of a key are searched one at a time.',
    source: CLULOW, rv: 'KEY_NOT_WRAPPABLE',
  },
  'one-answer': {
    refuses: 'To say what is wrong with a wrapped key: padding, tag, length and encoding give one code.',
    prevents: 'A wrapped key is found out by asking about altered ones, many times.',
    source: ORACLES, rv: 'WRAPPED_KEY_INVALID',
  },
  'derived-stays-sensitive': {
    refuses: 'CKA_SENSITIVE false or CKA_EXTRACTABLE true for what is joined, cut or combined of keys that do not allow it.',
    prevents: 'The value of a sensitive key is read off a key that is derived of it and can be turned back.',
    source: `${CLULOW}; PKCS#11 3.2, miscellaneous simple key derivation mechanisms`, rv: 'TEMPLATE_INCONSISTENT',
  },
  'no-short-pieces': {
    refuses: 'Keys of less than 112 bits that are cut or combined of a key that cannot be read.',
    prevents: 'A key is searched piece by piece, each of which is short enough.',
    source: `${CLULOW} (reduced key space)`, rv: 'KEY_SIZE_RANGE',
  },
  'encrypt-and-derive': {
    refuses: 'Deriving by encryption from a sensitive key that encrypts data too.',
    prevents: 'What is derived is also had as a ciphertext, in the clear.',
    source: `${TOOKAN}; NIST SP 800-57 part 1, §5.2`, rv: 'KEY_FUNCTION_NOT_PERMITTED',
  },
} as const satisfies Record<string, Rule>
export type RuleName = keyof typeof RULES

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
  wrapping: ManagedObject,
  target: ManagedObject,
  privateHalf: ManagedObject | undefined,
): void {
  if (!isSensitive(target)) return
  if (
    has(wrapping, Mask.Decrypt) ||
    (privateHalf !== undefined && has(privateHalf, Mask.Decrypt))
  ) {
    const what = `key ${wrapping.id} shall wrap, and it or its half decrypts`
    throw refusedBy('wrap-and-decrypt', what)
  }
  if (isHidden(wrapping) || kindOf(objectTypeOf(wrapping)) === 'public') return
  throw refusedBy('no-known-wrapping-key', `key ${wrapping.id} shall wrap, and can be read`)
}

/** A public key encrypts for everybody: of pairs there is nothing to refuse. */
export function assertUnwrapsOnly(unwrapping: ManagedObject, isPair: boolean): void {
  if (isPair || !has(unwrapping, Mask.Encrypt)) return
  throw refusedBy('unwrap-and-encrypt', `key ${unwrapping.id} shall unwrap, and encrypts as well`)
}

/** What is cut of keys, unless it is all of them. @param available How many bytes there are. */
export function assertWhole(
  bases: readonly ManagedObject[],
  bytes: number,
  available: number,
): void {
  if (bytes >= PIECE_BYTES_MIN || bytes >= available || !bases.some(isHidden)) return
  throw refusedBy('no-short-pieces', `${bytes} bytes of a key that cannot be read`)
}

export function assertDerivesOnly(base: ManagedObject): void {
  if (!isSensitive(base) || !has(base, Mask.Encrypt)) return
  throw refusedBy('encrypt-and-derive', `key ${base.id} shall derive, and encrypts as well`)
}

type List = readonly Attribute[]

/** A template with a flag that a rule asks for. @throws `CryptokiError` of the rule. */
export function ruled(list: List, type: number, value: boolean, rule: RuleName): List {
  const given = new Template(list).flag(type)
  if (given === value) return list
  if (given === undefined) return [...list, { type, value: boolBytes(value) }]
  throw refusedBy(rule, `${ckaName(type)} ${given}`)
}

/** The template of a key that another one unwraps. */
export function unwrappedTemplate(list: List, unwrapping: ManagedObject): List {
  const isTrusted = flagOf(unwrapping, CKA.TRUSTED)
  let template = list
  const given = new Template(list)
  const isReadable = given.flag(CKA.EXTRACTABLE) === true
  // A key that is not extractable is shown to nobody either, and programs say false by habit.
  if (isHidden(unwrapping) && (isReadable || given.flag(CKA.SENSITIVE) === undefined)) {
    template = ruled(template, CKA.SENSITIVE, true, 'unwrapped-stays-hidden')
  }
  if (isTrusted) {
    return ruled(template, CKA.WRAP_WITH_TRUSTED, true, 'trusted-stays-trusted')
  }
  const isSecret = given.number(CKA.CLASS) === CKO.SECRET_KEY
  if (isSecret) template = ruled(template, CKA.WRAP, false, 'unwrapped-does-not-wrap')
  return ruled(template, CKA.UNWRAP, false, 'unwrapped-does-not-wrap')
}

/** The template of a key that could be turned back into those that it was made of. */
export function reversibleTemplate(list: List, bases: readonly ManagedObject[]): List {
  const rule = 'derived-stays-sensitive'
  const hides = bases.some((base) => base.attributes.get('extractable') === false)
  const kept = bases.some(isSensitive) ? ruled(list, CKA.SENSITIVE, true, rule) : list
  return hides ? ruled(kept, CKA.EXTRACTABLE, false, rule) : kept
}
