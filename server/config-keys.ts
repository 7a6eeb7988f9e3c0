/**
 * The part of the configuration that is about where keys are: the root key and the keystores.
 *
 * A keystore has a row here and one in `server/house.ts`.
 *
 * @module
 */
import '#core/uncompiled.ts'
import * as z from 'zod'
import { UNWRAPPINGS } from '#keystores/pkcs11/kek-forms.ts'
import { mechanism } from '#keystores/pkcs11/quirks.ts'

export const rootKey = z.strictObject({
  source: z
    .enum(['file', 'passphrase', 'hsm'])
    .default('file')
    .describe('Where the key comes from that protects all others; see docs/hsm.md for hsm.'),
  file: z.string().optional().describe('The key file; default: root.key in the data directory.'),
  passphraseFile: z
    .string()
    .optional()
    .describe('File with the passphrase; else CLAVIGER_PASSPHRASE, else it is asked for.'),
  keystore: z
    .string()
    .optional()
    .describe(
      'hsm: keystore of type pkcs11 with the key that wraps it; the only one needs no name.',
    ),
  key: z
    .string()
    .min(1)
    .default('claviger-root')
    .describe('hsm: CKA_LABEL of that key, or its CKA_ID in hexadecimal after 0x.'),
  make: z
    .boolean()
    .default(false)
    .describe('hsm: whether the key is made in the device when a new database does not find it.'),
})

const keystoreName = z.string().min(1).max(64).describe('What objects remember as their place.')

const software = z.strictObject({
  name: keystoreName,
  type: z.literal('software').describe('software: sealed in the database, worked with by OpenSSL.'),
})

const kek = z.strictObject({
  label: z.string().min(1).max(64).default('P6RKEK1').describe('Its CKA_LABEL in the device.'),
  id: z
    .string()
    .regex(/^([0-9a-f]{2}){1,64}$/i, 'is CKA_ID in hexadecimal digits')
    .optional()
    .describe('Its CKA_ID, where several keys have the label.'),
  handle: z
    .int()
    .min(1)
    .optional()
    .describe('Its handle, where no key has the label and the device keeps handles.'),
  object: z
    .string()
    .optional()
    .describe('Symmetric Key in a software keystore that is its copy; default: claviger hsm kek.'),
  mechanism: mechanism
    .optional()
    .describe('Mechanism by which the device wraps; default: what is known of the model.'),
  unwrap: z
    .enum(UNWRAPPINGS)
    .optional()
    .describe('What comes of it; default: what is known of the model.'),
})

const hsm = z.strictObject({
  name: keystoreName,
  type: z.literal('pkcs11').describe("pkcs11: a hardware security module, by its maker's module."),
  module: z.string().describe("Path of the maker's PKCS#11 module."),
  reserved: z.string().optional().describe('What C_Initialize gets in pReserved, if anything.'),
  environment: z
    .record(z.string(), z.string())
    .default({})
    .describe('Environment variables for the module, such as the path of its configuration.'),
  slot: z.int().min(0).optional().describe('The slot by its number; or else:'),
  label: z.string().optional().describe('the token by its label; or else:'),
  serial: z.string().optional().describe('the token by its serial number.'),
  others: z
    .array(
      z.strictObject({
        module: z.string().optional().describe('Default: the same module.'),
        reserved: z.string().optional().describe('Default: the same.'),
        environment: z.record(z.string(), z.string()).optional().describe('Default: the same.'),
        slot: z.int().min(0).optional().describe('Its slot by its number; or else:'),
        label: z.string().optional().describe('its token by its label; or else:'),
        serial: z.string().optional().describe('its token by its serial number.'),
      }),
    )
    .default([])
    .describe('HSMs with the same keys and PIN: the work is shared, and goes on when one is away.'),
  pinFile: z.string().optional().describe("File with the user's PIN."),
  pinVariable: z.string().optional().describe('Environment variable with it, instead.'),
  pinPrompt: z.boolean().default(false).describe('Whether a person is asked for it, instead.'),
  pinObject: z
    .string()
    .optional()
    .describe('Unique Identifier of Secret Data in another keystore that is it, instead.'),
  sessions: z
    .int()
    .min(1)
    .max(64)
    .default(4)
    .describe('Sessions at a time; each is a thread of the host process.'),
  callSeconds: z
    .int()
    .min(1)
    .max(3_600)
    .default(30)
    .describe('Time for one call; a module that takes longer is started anew.'),
  spinMicroseconds: z
    .int()
    .min(0)
    .max(10_000)
    .default(500)
    .describe('Time that short operations are looked for without sleeping; 0: none.'),
  extractable: z
    .boolean()
    .default(false)
    .describe('Whether keys that are made or taken in from now on may leave the device.'),
  kek: kek.optional().describe('Secret keys are got through a key-encrypting key: docs/hsm.md.'),
  addresses: z
    .array(z.string().min(1).max(255))
    .default([])
    .describe('What PKCS#11 applications call it in user:password@address, beside its name.'),
  model: z
    .string()
    .optional()
    .describe('What model it is, see docs/hsm.md; default: what the device says it is.'),
  quirks: z
    .string()
    .optional()
    .describe('File of claviger hsm probe, instead of those that come with Claviger.'),
  adopt: z
    .enum(['never', 'called', 'start'])
    .default('called')
    .describe(
      'When keys in the device become objects: when an administrator calls one; start: all of them.',
    ),
  adoptOwner: z
    .string()
    .default('admin')
    .describe('Credential that adopted keys belong to; its scope holds them.'),
  administrators: z
    .array(z.string())
    .default(['admin'])
    .describe('Credentials that make, adopt and destroy keys called hsm::<slot>::<name>.'),
  identifierSlot: z
    .int()
    .min(0)
    .optional()
    .describe('The slot in such identifiers; default: the slot of the token.'),
})

/** The first takes new keys. */
export const keystores = z.array(z.discriminatedUnion('type', [software, hsm])).min(1)
