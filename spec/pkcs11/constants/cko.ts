/**
 * Object classes of PKCS#11 (`CKO_`).
 *
 * PKCS#11 3.2 `pkcs11t.h`, names without their prefix.
 *
 * @module
 */

// biome-ignore format: a table
export const CKO = {
  DATA:              0x00000000,
  CERTIFICATE:       0x00000001,
  PUBLIC_KEY:        0x00000002,
  PRIVATE_KEY:       0x00000003,
  SECRET_KEY:        0x00000004,
  HW_FEATURE:        0x00000005,
  DOMAIN_PARAMETERS: 0x00000006,
  MECHANISM:         0x00000007,
  OTP_KEY:           0x00000008,
  PROFILE:           0x00000009,
  VALIDATION:        0x0000000a,
  TRUST:             0x0000000b,
  VENDOR_DEFINED:    0x80000000,
} as const
export type CKO = (typeof CKO)[keyof typeof CKO]
