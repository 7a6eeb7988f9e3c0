/**
 * Classes and attributes of vendors that programs make objects of: those of NSS.
 *
 * NSS `lib/util/pkcs11n.h`. A trust object says how far NSS trusts a certificate; to the token it
 * is data. NSS makes one beside each certificate that it is told to trust.
 *
 * @module
 */

/** CKO_NSS_TRUST. */
export const NSS_TRUST = 0xce53_4353

const TRUST = 0xce53_6350

/** Attributes of NSS's trust objects (`CKA_`). */
// biome-ignore format: a table
export const NSS_CKA = {
  TRUST_DIGITAL_SIGNATURE: TRUST + 1,
  TRUST_NON_REPUDIATION:   TRUST + 2,
  TRUST_KEY_ENCIPHERMENT:  TRUST + 3,
  TRUST_DATA_ENCIPHERMENT: TRUST + 4,
  TRUST_KEY_AGREEMENT:     TRUST + 5,
  TRUST_KEY_CERT_SIGN:     TRUST + 6,
  TRUST_CRL_SIGN:          TRUST + 7,
  NSS_TRUST_SERVER_AUTH:      TRUST + 8,
  NSS_TRUST_CLIENT_AUTH:      TRUST + 9,
  NSS_TRUST_CODE_SIGNING:     TRUST + 10,
  NSS_TRUST_EMAIL_PROTECTION: TRUST + 11,
  TRUST_IPSEC_END_SYSTEM:  TRUST + 12,
  TRUST_IPSEC_TUNNEL:      TRUST + 13,
  TRUST_IPSEC_USER:        TRUST + 14,
  NSS_TRUST_TIME_STAMPING: TRUST + 15,
  TRUST_STEP_UP_APPROVED:  TRUST + 16,
  CERT_SHA1_HASH:          TRUST + 100,
  CERT_MD5_HASH:           TRUST + 101,
} as const
