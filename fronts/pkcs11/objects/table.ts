/**
 * The attributes of each class of objects: what the standard says of them, and where they live.
 *
 * PKCS#11 3.2 §4 (classes), §6 (key types), and table 13 there, whose footnotes are the `notes`
 * here: 1 must be given to C_CreateObject, 2 must not; 3 must be given when a key is generated, 4
 * must not; 5 must be given when a key is unwrapped, 6 must not; 7 is not revealed where the key is
 * sensitive or not extractable; 8 may be changed later; 9 the default is the token's; 10 only the
 * security officer sets it; 11 cannot be changed once true; 12 cannot be changed once false.
 *
 * An attribute lives in one place: in an attribute of KMIP, in a bit of Cryptographic Usage Mask,
 * in the material, or, where KMIP has no place for it, in a vendor attribute. `x:` ones are
 * harmless, a client of KMIP may set them as well; `y:` ones are the server's own.
 *
 * @module
 */
import type { VendorKey } from '#spec/kmip/attribute-list.ts'
import type { AttributeKey } from '#spec/kmip/attributes.ts'
import { CryptographicUsageMask as Mask } from '#spec/kmip/enumerations.ts'
import { CKA } from '#spec/pkcs11/constants.ts'
import { NSS_CKA } from './nss.ts'

/** Classes, as far as their attributes differ. */
export type Kind =
  | 'data'
  | 'certificate'
  | 'public'
  | 'private'
  | 'secret'
  | 'domain'
  | 'trust'
  | 'nssTrust'
  | 'mechanism'
  | 'profile'
  | 'validation'

/** Kinds of key material and of certificates, as far as attributes differ. */
export type Family =
  | 'rsa'
  | 'ec'
  | 'pq'
  | 'dsa'
  | 'dh'
  | 'x942'
  | 'secret'
  | 'fixed'
  | 'url'
  | 'wtls'
  | 'attribute'
  | 'other'

/** How a value lies in memory. */
export type Form = 'bool' | 'ulong' | 'ulongs' | 'bytes' | 'text' | 'number' | 'date' | 'template'

/** Where an attribute lives. */
export type Home =
  | { readonly mask: Mask }
  | { readonly kmip: AttributeKey }
  /** A value that is not there is `usual`; without it the value is empty. */
  | { readonly vendor: VendorKey; readonly usual?: boolean | number }
  | { readonly material: string }
  | { readonly computed: string }

export interface AttributeRow {
  readonly type: number
  readonly name: string
  readonly form: Form
  readonly home: Home
  /** Footnotes of the standard. */
  readonly notes: ReadonlySet<number>
}

/** Numbers by the names of the header, and of NSS's. */
const TYPES = { ...NSS_CKA, ...CKA }

function row(name: keyof typeof TYPES, form: Form, home: Home, notes = ''): AttributeRow {
  const numbers = notes === '' ? [] : notes.split(' ').map(Number)
  return { type: TYPES[name], name, form, home, notes: new Set(numbers) }
}

const mask = (bit: Mask): Home => ({ mask: bit })
const kmip = (key: AttributeKey): Home => ({ kmip: key })
const material = (what: string): Home => ({ material: what })
const computed = (what: string): Home => ({ computed: what })
/** Known to clients of KMIP as `x-CKA_…`. */
const open = (name: string, usual?: boolean | number): Home => ({
  vendor: `x:CKA_${name}`,
  ...(usual !== undefined && { usual }),
})
/** Known to clients of KMIP as `y-CKA_…`, which they cannot set. */
const own = (name: string, usual?: boolean | number): Home => ({
  vendor: `y:CKA_${name}`,
  ...(usual !== undefined && { usual }),
})

const KIND = computed('Object Type')

// biome-ignore format: a table
const OBJECT = [
  row('CLASS',       'ulong', KIND, '1'),
  row('UNIQUE_ID',   'text',  kmip('uniqueIdentifier'), '2 4 6'),
]

// biome-ignore format: a table
const STORAGE = [
  row('TOKEN',       'bool',  computed('where the object is kept')),
  row('PRIVATE',     'bool',  own('PRIVATE')),
  row('MODIFIABLE',  'bool',  own('MODIFIABLE', true)),
  row('LABEL',       'text',  computed('first Name, else first Alternative Name, else x-CKA_LABEL'), '8'),
  row('COPYABLE',    'bool',  own('COPYABLE', true), '8 12'),
  row('DESTROYABLE', 'bool',  own('DESTROYABLE', true)),
]

// biome-ignore format: a table
const DATA = [
  row('APPLICATION', 'text',  open('APPLICATION'), '8'),
  row('OBJECT_ID',   'bytes', open('OBJECT_ID'), '8'),
  row('VALUE',       'bytes', material('the value'), '8'),
]

const ID = row('ID', 'bytes', computed('x-CKA_ID, else Unique Identifier of the private key'), '8')
const START = row('START_DATE', 'date', computed('day of Activation Date'), '8')
const END = row('END_DATE', 'date', computed('day before Deactivation Date'), '8')
const TRUSTED = row('TRUSTED', 'bool', own('TRUSTED', false), '10')
const INFO = row('PUBLIC_KEY_INFO', 'bytes', material('SubjectPublicKeyInfo'))

// biome-ignore format: a table
const CERTIFICATE = [
  row('CERTIFICATE_TYPE',           'ulong', computed('Certificate Type'), '1'),
  TRUSTED,
  row('CERTIFICATE_CATEGORY',       'ulong', open('CERTIFICATE_CATEGORY', 0)),
  row('CHECK_VALUE',                'bytes', material('first 3 bytes of SHA-1')),
  row('START_DATE',                 'date',  computed('day of Activation Date')),
  row('END_DATE',                   'date',  computed('day before Deactivation Date')),
  INFO,
]
// biome-ignore format: a table
const ELSEWHERE = [
  row('URL',                        'text',  open('URL')),
  row('HASH_OF_SUBJECT_PUBLIC_KEY', 'bytes', open('HASH_OF_SUBJECT_PUBLIC_KEY')),
  row('HASH_OF_ISSUER_PUBLIC_KEY',  'bytes', open('HASH_OF_ISSUER_PUBLIC_KEY')),
  row('NAME_HASH_ALGORITHM',        'ulong', open('NAME_HASH_ALGORITHM', 0x220)),
]
const MIDP = row('JAVA_MIDP_SECURITY_DOMAIN', 'ulong', open('JAVA_MIDP_SECURITY_DOMAIN', 0))
// biome-ignore format: a table
const X509 = [
  ...CERTIFICATE,
  row('SUBJECT',                    'bytes', material('subject')),
  ID,
  row('ISSUER',                     'bytes', material('issuer')),
  row('SERIAL_NUMBER',              'bytes', material('serial number')),
  row('VALUE',                      'bytes', material('the certificate'), '1'),
  ...ELSEWHERE,
  MIDP,
]

/** Of certificates that are kept as they are given, unread. */
// biome-ignore format: a table
const UNREAD = [
  ...CERTIFICATE,
  row('CERTIFICATE_TYPE',           'ulong', own('CERTIFICATE_TYPE'), '1'),
  row('CHECK_VALUE',                'bytes', open('CHECK_VALUE')),
  row('PUBLIC_KEY_INFO',            'bytes', open('PUBLIC_KEY_INFO')),
]
/** X.509 certificates that lie elsewhere. */
// biome-ignore format: a table
const BY_URL = [
  ...UNREAD,
  row('SUBJECT',                    'bytes', open('SUBJECT'), '1'),
  ID,
  row('ISSUER',                     'bytes', open('ISSUER')),
  row('SERIAL_NUMBER',              'bytes', open('SERIAL_NUMBER')),
  row('VALUE',                      'bytes', material('nothing')),
  ...ELSEWHERE,
  MIDP,
]
// biome-ignore format: a table
const WTLS = [
  ...UNREAD,
  row('SUBJECT',                    'bytes', open('SUBJECT'), '1'),
  row('ISSUER',                     'bytes', open('ISSUER')),
  row('VALUE',                      'bytes', material('the certificate')),
  ...ELSEWHERE,
]
// biome-ignore format: a table
const ATTRIBUTE_CERTIFICATE = [
  ...UNREAD,
  row('OWNER',                      'bytes', open('OWNER'), '1'),
  row('AC_ISSUER',                  'bytes', open('AC_ISSUER')),
  row('SERIAL_NUMBER',              'bytes', open('SERIAL_NUMBER')),
  row('ATTR_TYPES',                 'bytes', open('ATTR_TYPES')),
  row('VALUE',                      'bytes', material('the certificate'), '1'),
]

// biome-ignore format: a table
const KEY = [
  row('KEY_TYPE',           'ulong',  computed('Cryptographic Algorithm, Recommended Curve'), '1 5'),
  ID,
  START,
  END,
  row('DERIVE',             'bool',   mask(Mask.DeriveKey), '8'),
  row('LOCAL',              'bool',   computed('Original Creation Date that no client has given, no derivation'), '2 4 6'),
  row('KEY_GEN_MECHANISM',  'ulong',  computed('y-CKA_KEY_GEN_MECHANISM, else from the algorithm'), '2 4 6'),
  row('ALLOWED_MECHANISMS', 'ulongs', own('ALLOWED_MECHANISMS')),
]

// biome-ignore format: a table
const PUBLIC = [
  row('SUBJECT',              'bytes',    open('SUBJECT'), '8'),
  row('ENCRYPT',              'bool',     mask(Mask.Encrypt), '8 9'),
  row('VERIFY',               'bool',     mask(Mask.Verify), '8 9'),
  row('VERIFY_RECOVER',       'bool',     mask(Mask.Verify), '8 9'),
  row('WRAP',                 'bool',     mask(Mask.WrapKey), '8 9'),
  row('ENCAPSULATE',          'bool',     mask(Mask.DeriveKey), '8 9'),
  TRUSTED,
  row('WRAP_TEMPLATE',        'template', own('WRAP_TEMPLATE')),
  row('ENCAPSULATE_TEMPLATE', 'template', own('ENCAPSULATE_TEMPLATE')),
  INFO,
]

// biome-ignore format: a table
const HIDDEN = [
  row('SENSITIVE',         'bool',     kmip('sensitive'), '8 11'),
  row('EXTRACTABLE',       'bool',     kmip('extractable'), '8 9 12'),
  row('ALWAYS_SENSITIVE',  'bool',     kmip('alwaysSensitive'), '2 4 6'),
  row('NEVER_EXTRACTABLE', 'bool',     kmip('neverExtractable'), '2 4 6'),
  row('WRAP_WITH_TRUSTED', 'bool',     own('WRAP_WITH_TRUSTED', false), '8 11'),
  row('UNWRAP_TEMPLATE',   'template', own('UNWRAP_TEMPLATE')),
  row('DERIVE_TEMPLATE',   'template', own('DERIVE_TEMPLATE')),
]

// biome-ignore format: a table
const PRIVATE = [
  ...HIDDEN,
  row('SUBJECT',              'bytes',    open('SUBJECT'), '8'),
  row('DECRYPT',              'bool',     mask(Mask.Decrypt), '8 9'),
  row('SIGN',                 'bool',     mask(Mask.Sign), '8 9'),
  row('SIGN_RECOVER',         'bool',     mask(Mask.Sign), '8 9'),
  row('UNWRAP',               'bool',     mask(Mask.UnwrapKey), '8 9'),
  row('DECAPSULATE',          'bool',     mask(Mask.DeriveKey), '8 9'),
  row('ALWAYS_AUTHENTICATE',  'bool',     own('ALWAYS_AUTHENTICATE', false)),
  row('DECAPSULATE_TEMPLATE', 'template', own('DECAPSULATE_TEMPLATE')),
  row('PUBLIC_KEY_INFO',      'bytes',    material('SubjectPublicKeyInfo')),
]

// biome-ignore format: a table
const SECRET = [
  ...HIDDEN,
  row('ENCRYPT',       'bool',     mask(Mask.Encrypt), '8 9'),
  row('DECRYPT',       'bool',     mask(Mask.Decrypt), '8 9'),
  row('SIGN',          'bool',     mask(Mask.MACGenerate), '8 9'),
  row('VERIFY',        'bool',     mask(Mask.MACVerify), '8 9'),
  row('WRAP',          'bool',     mask(Mask.WrapKey), '8 9'),
  row('UNWRAP',        'bool',     mask(Mask.UnwrapKey), '8 9'),
  row('CHECK_VALUE',   'bytes',    material('first 3 bytes of an encrypted block of zeros, or of SHA-1')),
  TRUSTED,
  row('WRAP_TEMPLATE', 'template', own('WRAP_TEMPLATE')),
  row('VALUE',         'bytes',    material('the key'), '1 4 6 7'),
]

const VALUE_LEN = row('VALUE_LEN', 'ulong', material('length of the key in bytes'), '2 3')

// biome-ignore format: a table
const RSA_PUBLIC = [
  row('MODULUS',          'number', material('modulus'), '1 4'),
  row('MODULUS_BITS',     'ulong',  kmip('cryptographicLength'), '2 3'),
  row('PUBLIC_EXPONENT',  'number', material('public exponent'), '1'),
]
// biome-ignore format: a table
const RSA_PRIVATE = [
  row('MODULUS',          'number', material('modulus'), '1 4 6'),
  row('PUBLIC_EXPONENT',  'number', material('public exponent'), '4 6'),
  row('PRIVATE_EXPONENT', 'number', material('private exponent'), '1 4 6 7'),
  row('PRIME_1',          'number', material('prime p'), '4 6 7'),
  row('PRIME_2',          'number', material('prime q'), '4 6 7'),
  row('EXPONENT_1',       'number', material('d mod p-1'), '4 6 7'),
  row('EXPONENT_2',       'number', material('d mod q-1'), '4 6 7'),
  row('COEFFICIENT',      'number', material('1/q mod p'), '4 6 7'),
]
// biome-ignore format: a table
const EC_PUBLIC = [
  row('EC_PARAMS', 'bytes', computed('Recommended Curve'), '1 3'),
  row('EC_POINT',  'bytes', material('the point'), '1 4'),
]
// biome-ignore format: a table
const EC_PRIVATE = [
  row('EC_PARAMS', 'bytes',  computed('Recommended Curve'), '1 4 6'),
  row('VALUE',     'number', material('the private value'), '1 4 6 7'),
]
// biome-ignore format: a table
const PQ_PUBLIC = [
  row('PARAMETER_SET', 'ulong', computed('Cryptographic Algorithm'), '1 3'),
  row('VALUE',         'bytes', material('the public key'), '1 4'),
]
// biome-ignore format: a table
const PQ_PRIVATE = [
  row('PARAMETER_SET', 'ulong', computed('Cryptographic Algorithm'), '1 4 6'),
  row('VALUE',         'bytes', material('the private key'), '4 6 7'),
  row('SEED',          'bytes', material('the seed'), '4 6 7'),
]
// biome-ignore format: a table
const DSA_PUBLIC = [
  row('PRIME',    'number', material('prime p'), '1 3'),
  row('SUBPRIME', 'number', material('subprime q'), '1 3'),
  row('BASE',     'number', material('base g'), '1 3'),
  row('VALUE',    'number', material('the public value'), '1 4'),
]
// biome-ignore format: a table
const DSA_PRIVATE = [
  row('PRIME',    'number', material('prime p'), '1 4 6'),
  row('SUBPRIME', 'number', material('subprime q'), '1 4 6'),
  row('BASE',     'number', material('base g'), '1 4 6'),
  row('VALUE',    'number', material('the private value'), '1 4 6 7'),
]

// biome-ignore format: a table
const PROFILE = [row('PROFILE_ID', 'ulong', own('PROFILE_ID'), '2')]
// biome-ignore format: a table
const MECHANISM = [row('MECHANISM_TYPE', 'ulong', own('MECHANISM_TYPE'), '2')]
// biome-ignore format: a table
const VALIDATION = [
  row('VALIDATION_TYPE',                   'ulong', own('VALIDATION_TYPE', 0), '2'),
  row('VALIDATION_VERSION',                'bytes', own('VALIDATION_VERSION'), '2'),
  row('VALIDATION_LEVEL',                  'ulong', own('VALIDATION_LEVEL', 0), '2'),
  row('VALIDATION_MODULE_ID',              'text',  own('VALIDATION_MODULE_ID'), '2'),
  row('VALIDATION_FLAG',                   'ulong', own('VALIDATION_FLAG', 0), '2'),
  row('VALIDATION_AUTHORITY_TYPE',         'ulong', own('VALIDATION_AUTHORITY_TYPE', 0), '2'),
  row('VALIDATION_COUNTRY',                'text',  own('VALIDATION_COUNTRY'), '2'),
  row('VALIDATION_CERTIFICATE_IDENTIFIER', 'text',  own('VALIDATION_CERTIFICATE_IDENTIFIER'), '2'),
  row('VALIDATION_CERTIFICATE_URI',        'text',  own('VALIDATION_CERTIFICATE_URI'), '2'),
  row('VALIDATION_VENDOR_URI',             'text',  own('VALIDATION_VENDOR_URI'), '2'),
  row('VALIDATION_PROFILE',                'text',  own('VALIDATION_PROFILE'), '2'),
]
// biome-ignore format: a table
const DOMAIN = [
  row('KEY_TYPE', 'ulong', own('KEY_TYPE'), '1'),
  row('LOCAL',    'bool',  own('LOCAL', false), '2 4 6'),
]
const PRIME = row('PRIME', 'number', open('PRIME'), '1 4')
const SUBPRIME = row('SUBPRIME', 'number', open('SUBPRIME'), '1 4')
const BASE = row('BASE', 'number', open('BASE'), '1 4')
const PRIME_BITS = row('PRIME_BITS', 'ulong', computed('length of CKA_PRIME'), '2 3')
const SUBPRIME_BITS = row('SUBPRIME_BITS', 'ulong', computed('length of CKA_SUBPRIME'), '2 3')

/** Domain parameters of each key type. */
const PARAMETERS: Partial<Readonly<Record<Family, readonly AttributeRow[]>>> = {
  dsa: [PRIME, SUBPRIME, BASE, PRIME_BITS],
  dh: [PRIME, BASE, PRIME_BITS],
  x942: [PRIME, BASE, SUBPRIME, PRIME_BITS, SUBPRIME_BITS],
  ec: [row('EC_PARAMS', 'bytes', open('EC_PARAMS'), '1 3')],
}

// biome-ignore format: a table
const TRUST = [
  row('ISSUER',                 'bytes', open('ISSUER'), '1'),
  row('SERIAL_NUMBER',          'bytes', open('SERIAL_NUMBER'), '1'),
  row('HASH_OF_CERTIFICATE',    'bytes', open('HASH_OF_CERTIFICATE')),
  row('NAME_HASH_ALGORITHM',    'ulong', open('NAME_HASH_ALGORITHM', 0x220)),
  row('TRUST_SERVER_AUTH',      'ulong', open('TRUST_SERVER_AUTH', 0), '8'),
  row('TRUST_CLIENT_AUTH',      'ulong', open('TRUST_CLIENT_AUTH', 0), '8'),
  row('TRUST_CODE_SIGNING',     'ulong', open('TRUST_CODE_SIGNING', 0), '8'),
  row('TRUST_EMAIL_PROTECTION', 'ulong', open('TRUST_EMAIL_PROTECTION', 0), '8'),
  row('TRUST_IPSEC_IKE',        'ulong', open('TRUST_IPSEC_IKE', 0), '8'),
  row('TRUST_TIME_STAMPING',    'ulong', open('TRUST_TIME_STAMPING', 0), '8'),
  row('TRUST_OCSP_SIGNING',     'ulong', open('TRUST_OCSP_SIGNING', 0), '8'),
]
const NSS_NAMES = Object.keys(NSS_CKA) as (keyof typeof NSS_CKA)[]
const NSS_TRUST_ROWS = [
  row('ISSUER', 'bytes', open('ISSUER'), '1'),
  row('SERIAL_NUMBER', 'bytes', open('SERIAL_NUMBER'), '1'),
  row('SUBJECT', 'bytes', open('SUBJECT')),
  // To the token they are bytes: NSS alone knows what they say.
  ...NSS_NAMES.map((name) => row(name, 'bytes', open(name), '8')),
]

const MATERIAL: Readonly<Record<'public' | 'private', Partial<Record<Family, AttributeRow[]>>>> = {
  public: { rsa: RSA_PUBLIC, ec: EC_PUBLIC, pq: PQ_PUBLIC, dsa: DSA_PUBLIC },
  private: { rsa: RSA_PRIVATE, ec: EC_PRIVATE, pq: PQ_PRIVATE, dsa: DSA_PRIVATE },
}

const CERTIFICATES: Partial<Readonly<Record<Family, readonly AttributeRow[]>>> = {
  url: BY_URL,
  wtls: WTLS,
  attribute: ATTRIBUTE_CERTIFICATE,
}

function listOf(kind: Kind, family: Family): readonly AttributeRow[] {
  switch (kind) {
    case 'data':
      return [...OBJECT, ...STORAGE, ...DATA]
    case 'certificate':
      return [...OBJECT, ...STORAGE, ...(CERTIFICATES[family] ?? X509)]
    case 'public':
      return [...OBJECT, ...STORAGE, ...KEY, ...PUBLIC, ...(MATERIAL.public[family] ?? [])]
    case 'private':
      return [...OBJECT, ...STORAGE, ...KEY, ...PRIVATE, ...(MATERIAL.private[family] ?? [])]
    case 'secret': {
      // Keys of one length only have no CKA_VALUE_LEN to choose, but tell it.
      const length = family === 'fixed' ? { ...VALUE_LEN, notes: new Set([2]) } : VALUE_LEN
      return [...OBJECT, ...STORAGE, ...KEY, ...SECRET, length]
    }
    case 'domain':
      return [...OBJECT, ...STORAGE, ...DOMAIN, ...(PARAMETERS[family] ?? [])]
    case 'trust':
      return [...OBJECT, ...STORAGE, ...TRUST]
    case 'nssTrust':
      return [...OBJECT, ...STORAGE, ...NSS_TRUST_ROWS]
    case 'profile':
      return [...OBJECT, ...STORAGE, ...PROFILE]
    case 'mechanism':
      return [...OBJECT, ...STORAGE, ...MECHANISM]
    case 'validation':
      return [...OBJECT, ...STORAGE, ...VALIDATION]
  }
}

const TABLES = new Map<string, ReadonlyMap<number, AttributeRow>>()

/** The attributes of a class, by type. */
export function tableFor(kind: Kind, family: Family): ReadonlyMap<number, AttributeRow> {
  const key = `${kind} ${family}`
  let table = TABLES.get(key)
  if (table === undefined) {
    table = new Map(listOf(kind, family).map((one) => [one.type, one]))
    TABLES.set(key, table)
  }
  return table
}

/** What is printed: title, kind and family of each table. */
export const CLASSES: readonly (readonly [string, Kind, Family])[] = [
  ['Data', 'data', 'other'],
  ['X.509 certificate', 'certificate', 'other'],
  ['X.509 certificate that lies elsewhere (CKA_URL without CKA_VALUE)', 'certificate', 'url'],
  ['X.509 attribute certificate', 'certificate', 'attribute'],
  ['WTLS certificate', 'certificate', 'wtls'],
  ['RSA public key', 'public', 'rsa'],
  ['EC, Edwards or Montgomery public key', 'public', 'ec'],
  ['ML-DSA, SLH-DSA or ML-KEM public key', 'public', 'pq'],
  ['DSA public key', 'public', 'dsa'],
  ['RSA private key', 'private', 'rsa'],
  ['EC, Edwards or Montgomery private key', 'private', 'ec'],
  ['ML-DSA, SLH-DSA or ML-KEM private key', 'private', 'pq'],
  ['DSA private key', 'private', 'dsa'],
  ['Secret key', 'secret', 'secret'],
  ['DSA domain parameters', 'domain', 'dsa'],
  ['DH domain parameters', 'domain', 'dh'],
  ['X9.42 DH domain parameters', 'domain', 'x942'],
  ['EC domain parameters', 'domain', 'ec'],
  ['Trust', 'trust', 'other'],
  ['Trust of NSS (CKO_NSS_TRUST)', 'nssTrust', 'other'],
  ['Mechanism', 'mechanism', 'other'],
  ['Profile', 'profile', 'other'],
  ['Validation', 'validation', 'other'],
]

const NAMES = new Map<number, string>()
for (const [name, type] of Object.entries(TYPES))
  if (!NAMES.has(type)) NAMES.set(type, `CKA_${name}`)

/** The header's name of an attribute type, for messages. */
export function ckaName(type: number): string {
  return NAMES.get(type) ?? `CKA 0x${type.toString(16).padStart(8, '0')}`
}

const FORMS = new Map<number, Form>()
for (const [, kind, family] of CLASSES) {
  for (const { type, form } of listOf(kind, family)) FORMS.set(type, form)
}

/** How the value of an attribute lies in memory, whatever the class; undefined where unknown. */
export function formOf(type: number): Form | undefined {
  return FORMS.get(type)
}
