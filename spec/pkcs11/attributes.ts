/**
 * The attributes of PKCS#11: what kind of value each has, and how p11-kit sends it.
 *
 * PKCS#11 3.2 §4 and the tables of §6; p11-kit converts only the attributes that it knew in 2.40,
 * and sends the values of all others as the bytes of the sender's memory.
 *
 * @module
 */
import { CKA } from './constants.ts'

/**
 * `bigInteger`: bytes, most significant first. `text`: UTF-8. `date`: CK_DATE, empty where there is
 * none. `mechanisms`, `ulongs`: arrays of CK_ULONG. `template`: array of attributes.
 */
export type AttributeClass =
  | 'bool'
  | 'ulong'
  | 'bytes'
  | 'text'
  | 'date'
  | 'bigInteger'
  | 'template'
  | 'mechanisms'
  | 'ulongs'

/** How p11-kit sends a value. */
export type StockClass = 'byte' | 'ulong' | 'date' | 'template' | 'mechanisms' | 'bytes'

export interface AttributeRow {
  readonly name: string
  readonly type: number
  readonly class: AttributeClass
  readonly stock: StockClass
}

/** Names by class; what is not here is bytes. */
// biome-ignore format: a table
const CLASSES: Readonly<Record<Exclude<AttributeClass, 'bytes'>, string>> = {
  bool: `TOKEN PRIVATE TRUSTED SENSITIVE ENCRYPT DECRYPT WRAP UNWRAP SIGN SIGN_RECOVER VERIFY
    VERIFY_RECOVER DERIVE EXTRACTABLE LOCAL NEVER_EXTRACTABLE ALWAYS_SENSITIVE MODIFIABLE COPYABLE
    DESTROYABLE SECONDARY_AUTH ALWAYS_AUTHENTICATE WRAP_WITH_TRUSTED RESET_ON_INIT HAS_RESET COLOR
    OTP_USER_FRIENDLY_MODE ENCAPSULATE DECAPSULATE X2RATCHET_ISALICE`,
  ulong: `CLASS CERTIFICATE_TYPE CERTIFICATE_CATEGORY JAVA_MIDP_SECURITY_DOMAIN NAME_HASH_ALGORITHM
    KEY_TYPE MODULUS_BITS PRIME_BITS SUB_PRIME_BITS SUBPRIME_BITS VALUE_BITS VALUE_LEN
    KEY_GEN_MECHANISM AUTH_PIN_FLAGS HW_FEATURE_TYPE PIXEL_X PIXEL_Y RESOLUTION CHAR_ROWS
    CHAR_COLUMNS BITS_PER_PIXEL MECHANISM_TYPE PROFILE_ID OTP_FORMAT OTP_LENGTH OTP_TIME_INTERVAL
    OTP_CHALLENGE_REQUIREMENT OTP_TIME_REQUIREMENT OTP_COUNTER_REQUIREMENT OTP_PIN_REQUIREMENT
    X2RATCHET_BAGSIZE X2RATCHET_NR X2RATCHET_NS X2RATCHET_PNS HSS_LEVELS HSS_LMS_TYPE HSS_LMOTS_TYPE
    HSS_KEYS_REMAINING PARAMETER_SET OBJECT_VALIDATION_FLAGS VALIDATION_TYPE VALIDATION_LEVEL
    VALIDATION_FLAG VALIDATION_AUTHORITY_TYPE TRUST_SERVER_AUTH TRUST_CLIENT_AUTH
    TRUST_CODE_SIGNING TRUST_EMAIL_PROTECTION TRUST_IPSEC_IKE TRUST_TIME_STAMPING
    TRUST_OCSP_SIGNING`,
  text: `LABEL UNIQUE_ID APPLICATION URL CHAR_SETS ENCODING_METHODS MIME_TYPES OTP_USER_IDENTIFIER
    OTP_SERVICE_IDENTIFIER OTP_SERVICE_LOGO_TYPE OTP_TIME VALIDATION_MODULE_ID VALIDATION_COUNTRY
    VALIDATION_CERTIFICATE_IDENTIFIER VALIDATION_CERTIFICATE_URI VALIDATION_VENDOR_URI
    VALIDATION_PROFILE`,
  date: 'START_DATE END_DATE',
  bigInteger: `MODULUS PUBLIC_EXPONENT PRIVATE_EXPONENT PRIME_1 PRIME_2 EXPONENT_1 EXPONENT_2
    COEFFICIENT PRIME SUBPRIME BASE`,
  template: `WRAP_TEMPLATE UNWRAP_TEMPLATE DERIVE_TEMPLATE ENCAPSULATE_TEMPLATE
    DECAPSULATE_TEMPLATE`,
  mechanisms: 'ALLOWED_MECHANISMS',
  ulongs: 'HSS_LMS_TYPES HSS_LMOTS_TYPES',
}

/** Attributes whose values p11-kit converts; all others it sends as they are. */
// biome-ignore format: a table
const STOCK: Readonly<Record<Exclude<StockClass, 'bytes'>, string>> = {
  byte: `TOKEN PRIVATE TRUSTED SENSITIVE ENCRYPT DECRYPT WRAP UNWRAP SIGN SIGN_RECOVER VERIFY
    VERIFY_RECOVER DERIVE EXTRACTABLE LOCAL NEVER_EXTRACTABLE ALWAYS_SENSITIVE MODIFIABLE COPYABLE
    SECONDARY_AUTH ALWAYS_AUTHENTICATE WRAP_WITH_TRUSTED RESET_ON_INIT HAS_RESET COLOR`,
  ulong: `CLASS CERTIFICATE_TYPE CERTIFICATE_CATEGORY JAVA_MIDP_SECURITY_DOMAIN KEY_TYPE
    MODULUS_BITS PRIME_BITS SUB_PRIME_BITS SUBPRIME_BITS VALUE_BITS VALUE_LEN KEY_GEN_MECHANISM
    AUTH_PIN_FLAGS HW_FEATURE_TYPE PIXEL_X PIXEL_Y RESOLUTION CHAR_ROWS CHAR_COLUMNS BITS_PER_PIXEL
    MECHANISM_TYPE`,
  date: 'START_DATE END_DATE',
  template: 'WRAP_TEMPLATE UNWRAP_TEMPLATE DERIVE_TEMPLATE',
  mechanisms: 'ALLOWED_MECHANISMS',
}

function byName<K extends string>(table: Readonly<Record<K, string>>): ReadonlyMap<string, K> {
  const entries = Object.entries<string>(table)
  return new Map(
    entries.flatMap(([kind, names]) => {
      return names.split(/\s+/).map((name) => [name, kind as K] as const)
    }),
  )
}

const classOf = byName(CLASSES)
const stockOf = byName(STOCK)

/** Every attribute of the standard, by the header's names. */
export const ATTRIBUTES: readonly AttributeRow[] = Object.entries(CKA).map(([name, type]) => ({
  name,
  type,
  class: classOf.get(name) ?? 'bytes',
  stock: stockOf.get(name) ?? 'bytes',
}))

const rows = new Map<number, AttributeRow>()
for (const row of ATTRIBUTES) if (!rows.has(row.type)) rows.set(row.type, row)

/** The row of a type; undefined for vendors' attributes. */
export function attributeRow(type: number): AttributeRow | undefined {
  return rows.get(type)
}
