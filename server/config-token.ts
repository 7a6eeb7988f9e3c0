/**
 * The part of the configuration that is about one token of PKCS#11.
 *
 * @module
 */
import '#core/uncompiled.ts'
import * as z from 'zod'
import { USUAL } from '#fronts/pkcs11/manner.ts'
import { LABEL_BYTES } from '#spec/pkcs11/structures.ts'

/** How it behaves where systems differ; see `fronts/pkcs11/manner.ts`. */
const manner = {
  pinFormat: z
    .enum(['pin', 'user:password@address'])
    .default(USUAL.pinFormat)
    .describe('What C_Login is given: the PIN, or a user, his PIN and the address of an HSM.'),
  users: z
    .enum(['token', 'own'])
    .default(USUAL.users)
    .describe("token: users share the objects of principal; own: each sees his credential's."),
  beforeLogin: z
    .enum(['public', 'nothing'])
    .default(USUAL.beforeLogin)
    .describe('nothing: without a login no object is found, and nothing is worked out or made.'),
  readOnlySessions: z
    .enum(['read', 'write'])
    .default(USUAL.readOnlySessions)
    .describe('write: sessions without CKF_RW_SESSION make and change token objects as well.'),
  operations: z
    .enum(['each', 'one'])
    .default(USUAL.operations)
    .describe('Operations at a time in a session: one of each kind, or one.'),
  officer: z
    .enum(['apart', 'user'])
    .default(USUAL.officer)
    .describe('CKU_SO: the security officer with a PIN of his own, or the same as the user.'),
  setUp: z
    .enum(['applications', 'operator'])
    .default(USUAL.setUp)
    .describe('operator: C_InitToken, C_InitPIN and C_SetPIN are refused; label is fixed.'),
  export: z
    .enum(['wrapped', 'never-sensitive'])
    .default(USUAL.export)
    .describe('never-sensitive: a key that is sensitive or not extractable never leaves.'),
}

/** CKA_LABEL of a token: more than CK_TOKEN_INFO has room for would be cut off. */
export const tokenLabel = z.string().refine((text) => Buffer.byteLength(text) <= LABEL_BYTES, {
  error: `has up to ${LABEL_BYTES} bytes in UTF-8`,
})

export const token = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,64}$/, 'has up to 64 letters, digits and . _ -')
    .describe('What the server keeps the token under; changing it makes a new token.'),
  label: tokenLabel
    .max(LABEL_BYTES)
    .default('Claviger')
    .describe('CKA_LABEL of the token until C_InitToken gives another.'),
  slot: z
    .int()
    .min(0)
    .max(0xffff)
    .optional()
    .describe('Number of its slot; default: its place in the list, from 0.'),
  principal: z
    .string()
    .default('admin')
    .describe('Credential in whose name the token works: its scope holds the objects.'),
  keystore: z.string().optional().describe('Keystore that takes new keys; default: the first.'),
  login: z
    .enum(['pin', 'none'])
    .default('pin')
    .describe('pin: C_Login with a PIN; none: whoever may open the socket works as the user.'),
  readOnly: z.boolean().default(false).describe('Whether nothing can be changed by PKCS#11.'),
  ...manner,
})
