/**
 * The printed pages on PKCS#11's attributes, and on the rules against using keys on each other.
 *
 * @module
 */
import { type AttributeRow, CLASSES, tableFor } from '#fronts/pkcs11/objects/table.ts'
import { RULES, type Rule } from '#fronts/pkcs11/rule-table.ts'
import { ATTRIBUTES } from '#spec/kmip/attributes.ts'
import { CryptographicUsageMask } from '#spec/kmip/enumerations.ts'
import { nameOf } from '#spec/kmip/table.ts'
import { code, page, table } from './markdown.ts'

/** Footnotes of PKCS#11 in words; 2, 4 and 6 together are "the token". */
const NOTES: Readonly<Record<number, string>> = {
  1: 'must be given to create',
  2: 'not given to create',
  3: 'must be given to generate',
  4: 'not given to generate',
  5: 'must be given to unwrap',
  6: 'not given to unwrap',
  9: 'token-specific default',
}

function notesText({ notes }: AttributeRow): string {
  const isTokens = [2, 4, 6].every((one) => notes.has(one))
  if (isTokens) return 'set by the token'
  return [...notes].flatMap((note) => NOTES[note] ?? []).join('; ')
}

function changeText({ notes }: AttributeRow): string {
  if (notes.has(10)) return 'by the security officer'
  if (!notes.has(8)) return 'never'
  if (notes.has(11)) return 'to true'
  return notes.has(12) ? 'to false' : 'always'
}

function homeText({ home, name }: AttributeRow): string {
  if ('mask' in home) {
    return `bit ${nameOf(CryptographicUsageMask, home.mask)} of Cryptographic Usage Mask`
  }
  if ('kmip' in home) return ATTRIBUTES[home.kmip].text
  if ('material' in home) return `the material: ${home.material}`
  if ('computed' in home) return home.computed
  const usual = home.usual === undefined ? '' : `, usually ${home.usual}`
  return name === 'PRIVATE'
    ? `${home.vendor.replace(':', '-')}, usually true for private and secret keys`
    : `${home.vendor.replace(':', '-')}${usual}`
}

export function pkcs11AttributesPage(): string {
  const sections = CLASSES.map(([title, kind, family]) => {
    const rows = [...tableFor(kind, family).values()].map((row) => [
      `CKA_${row.name}`,
      homeText(row),
      notesText(row),
      changeText(row),
      row.notes.has(7) ? 'yes' : '',
    ])
    const head = ['Attribute', 'Where it lives', 'Given', 'Changed', 'Hidden']
    return `## ${title}\n\n${table(head, rows)}`
  })
  return page(
    '# Attributes of PKCS#11',
    'Rows of `fronts/pkcs11/objects/table.ts`, which the functions of objects apply.',
    `A token object is an object of KMIP: each attribute has one home, so that a change by one front
is seen by the other. What KMIP has no place for is a vendor attribute: \`x-CKA_...\`, which clients
of KMIP may set, or \`y-CKA_...\`, which belongs to the server. "Hidden" values are not revealed
where CKA_SENSITIVE is true or CKA_EXTRACTABLE is false.`,
    `Where two flags share a bit (CKA_SIGN and CKA_SIGN_RECOVER), \`y-CKA_...\` keeps what an
application has said otherwise. A label that is another object's Name becomes an Alternative Name.
Keys are active at once, unless CKA_START_DATE lies ahead; C_DestroyObject revokes an active
key (Cessation of Operation) and destroys it.`,
    `Defaults that the standard leaves to the token: CKA_PRIVATE is true for private and secret
keys; CKA_SENSITIVE is true for private keys and false for secret keys; CKA_EXTRACTABLE is false;
a key
may do what its type is for; CKA_WRAP, CKA_UNWRAP and CKA_DERIVE are false, but CKA_DERIVE is true
for keys that can do nothing else. CKA_DECRYPT is false where CKA_WRAP is asked for, and CKA_ENCRYPT
where CKA_UNWRAP is: no key has both.`,
    ...sections,
  )
}

export function rulesPage(): string {
  const rows = Object.entries<Rule>(RULES).map(([name, row]) => {
    const { refuses, prevents, source, rv, isFixed, isOff } = row
    const key = isFixed ? 'none' : `${code(`pkcs11.rules.${name}`)}${isOff ? ', off' : ''}`
    return [code(name), refuses, prevents, code(`CKR_${rv}`), source, key]
  })
  return page(
    '# Rules against attacks on PKCS#11',
    'Rules of `fronts/pkcs11/rule-table.ts`. PKCS#11 lets keys be used against each other; ' +
      'what the standard would allow and these rules refuse is refused on every token, unless ' +
      'the configuration has the rule switched off, which is logged at the start and written to ' +
      'the ' +
      'audit trail (`SwitchRuleOff`). A refusal ' +
      "names its rule in the server's log; the application is told the code alone. What the " +
      'standard itself asks for (`CKA_EXTRACTABLE`, `CKA_WRAP_WITH_TRUSTED`, ' +
      '`CKA_WRAP_TEMPLATE`, `CKA_UNWRAP_TEMPLATE`, `CKA_DERIVE_TEMPLATE`) holds as well, and is ' +
      'not listed. Each attack is played in `fronts/pkcs11/attack-rules.test.ts` or, where it ' +
      'takes several steps, `fronts/pkcs11/attack-sequences.test.ts`.',
    table(['Rule', 'What is refused', 'What it prevents', 'Code', 'Source', 'Switch'], rows),
    WHAT_RULES_LEAVE,
  )
}

const WHAT_RULES_LEAVE = `## What they leave

Rules know keys, not people. An application that may make keys can bring a wrapping key of which it
knows the value (a public key of its own, a secret key that it creates, derives or agrees on), and
wrap with it whatever is extractable. Where an application shall use a key and never have it, let
the key have \`CKA_EXTRACTABLE\` false, which is the default, or \`CKA_WRAP_WITH_TRUSTED\` true and
a wrapping key that the security officer has marked \`CKA_TRUSTED\`; both hold for KMIP as well.
Clients of KMIP with the same scope are under no other of these rules: to them a sensitive key
leaves wrapped with any key that may wrap, as KMIP has it.

Unwrapping by CBC with padding says whether the padding was right, in whatever words: who may unwrap
with a key can so find out all that it has wrapped, in some thousands of calls. Many programs bring
their keys in no other way. Where yours do not, switch \`pkcs11.rules.no-block-unwrapping\` on; AES
key wrap with padding (\`CKM_AES_KEY_WRAP_KWP\`) tells nothing of the kind.`
