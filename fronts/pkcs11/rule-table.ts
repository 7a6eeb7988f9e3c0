/**
 * The rules against known attacks on PKCS#11, as rows: what each refuses and prevents, and who has
 * described the attack.
 *
 * `attack-rules.ts` applies them; `docs/pkcs11-rules.md` is printed from them. They are on for
 * every token unless the configuration switches one off (`pkcs11.rules`); one that programs in use
 * cannot do without is off unless it switches it on.
 *
 * @module
 */
import type { CKR } from '#spec/pkcs11/constants.ts'

export interface Rule {
  /** What is refused. */
  readonly refuses: string
  /** What an attacker would gain. */
  readonly prevents: string
  readonly source: string
  /** What the application is told. */
  readonly rv: keyof typeof CKR
  /** It costs no application anything: there is no switch. */
  readonly isFixed?: true
  /** Programs in use depend on what it refuses: it is off unless it is switched on. */
  readonly isOff?: true
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
    refuses: 'CKA_WRAP together with CKA_DECRYPT, and CKA_UNWRAP together with CKA_ENCRYPT, in whatever way a key is made or changed, at the same time or one after the other; roles that encrypt, decrypt, wrap, unwrap or derive, taken on by a copy; all this unless it is a secret key whose value can be read anyway.',
    prevents: 'A key that does both is the shortest way to the first two attacks below; one that wraps today and decrypts tomorrow is the next.',
    source: `${CLULOW}; ${DKS}; ${TOOKAN}`, rv: 'TEMPLATE_INCONSISTENT',
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
  'no-block-unwrapping': {
    refuses: 'CBC, with or without padding, for unwrapping with a key that cannot be read.',
    prevents: 'Pieces of a block become keys that are short enough to be searched, or the padding is asked about: whatever the key has wrapped, in whatever way, is found out.',
    source: `${CLULOW}; ${ORACLES}`, rv: 'KEY_FUNCTION_NOT_PERMITTED', isOff: true,
  },
  'no-iv-twice': {
    refuses: 'GCM, CCM and ChaCha20-Poly1305 for wrapping sensitive keys, unless C_WrapKeyAuthenticated makes 64 bits of the IV or more and the wrapping key neither encrypts nor derives.',
    prevents: 'A key is wrapped under the IV of known bytes, and the difference of the two ciphertexts tells it.',
    source: 'NIST SP 800-38D §8 and appendix A; A. Joux, Authentication failures in NIST version of GCM, 2006', rv: 'KEY_NOT_WRAPPABLE',
  },
  'one-answer': {
    refuses: 'To say what is wrong with a wrapped key: padding, tag, length and encoding give one code.',
    prevents: 'A wrapped key is found out by asking about altered ones, many times.',
    source: ORACLES, rv: 'WRAPPED_KEY_INVALID', isFixed: true,
  },
  'derived-stays-sensitive': {
    refuses: 'CKA_SENSITIVE false or CKA_EXTRACTABLE true for what is joined, cut or combined of keys that do not allow it.',
    prevents: 'The value of a sensitive key is read off a key that is derived of it and can be turned back.',
    source: `${CLULOW}; PKCS#11 3.2, miscellaneous simple key derivation mechanisms`, rv: 'TEMPLATE_INCONSISTENT',
  },
  'no-short-pieces': {
    refuses: 'Keys of less than 112 bits that are cut or combined of a key that cannot be read, or that such a key unwraps by CBC without padding.',
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

/** Rules that hold for a token. */
export type RuleSet = ReadonlySet<RuleName>

export const RULE_NAMES = Object.keys(RULES) as RuleName[]

/** Whether a rule holds where the configuration does not say anything of it. */
export function isUsual(name: RuleName): boolean {
  const rule: Rule = RULES[name]
  return rule.isOff !== true
}

/** Rules that the configuration can switch off. */
export const SWITCHES = Object.entries<Rule>(RULES)
  .filter(([, { isFixed }]) => isFixed !== true)
  .map(([name]) => name as RuleName)
