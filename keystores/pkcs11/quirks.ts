/**
 * Where devices differ from what their list of mechanisms lets one expect: one file for each model.
 *
 * A file in `quirks/` says how the model names itself (C_GetInfo, C_GetTokenInfo) and what is
 * different with it. What a file does not say is as the standard has it. `claviger hsm probe`
 * writes such a file of a device at hand. Facts without an effect here stand in the files as text
 * for people.
 *
 * @module
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import '#core/uncompiled.ts'
import * as z from 'zod'
import { CIPHERS, type Cipher, HASHES, type Hash } from '#spec/algorithms.ts'
import { CKM } from '#spec/pkcs11/constants.ts'
import { UNWRAPPINGS } from './kek-forms.ts'

const FOLDER = join(import.meta.dirname, 'quirks')

const hash = z.enum(Object.keys(HASHES) as [Hash, ...Hash[]])
const cipher = z.enum(Object.keys(CIPHERS) as [Cipher, ...Cipher[]])

/** A mechanism by its name without CKM_, or by its number. */
export const mechanism = z
  .union([z.int().min(0).max(0xffff_ffff), z.string()])
  .transform((given, context): number => {
    if (typeof given === 'number') return given
    const known = CKM[given as keyof typeof CKM]
    if (known !== undefined) return known
    context.addIssue({ code: 'custom', message: `"${given}" is no mechanism of PKCS#11` })
    return z.NEVER
  })

const match = z
  .strictObject({
    manufacturer: z.string().optional().describe('manufacturerID of C_GetInfo begins so.'),
    library: z.string().optional().describe('libraryDescription of C_GetInfo begins so.'),
    tokenManufacturer: z.string().optional().describe('manufacturerID of C_GetTokenInfo does.'),
    model: z.string().optional().describe('model of C_GetTokenInfo begins so.'),
  })
  .refine((one) => Object.keys(one).length > 0, 'names nothing to compare')

const rsa = z.strictObject({
  hashes: z.array(hash).optional().describe('The only hashes; default: all that it has.'),
  label: z.boolean().optional().describe('OAEP: whether a label may be given. Default: yes.'),
  otherMask: z
    .boolean()
    .optional()
    .describe('Whether the mask may be made with another hash. Default: yes.'),
})

export const QUIRKS = z.strictObject({
  model: z.string().regex(/^[a-z0-9-]{1,40}$/, 'has up to 40 letters, digits and -'),
  title: z.string(),
  match: z.array(match).default([]).describe('Any one of these makes it this model.'),
  proof: z.string().describe('On what the facts have been tried, or that they have not been.'),
  sessionsMax: z.int().min(1).optional().describe('Sessions that the device allows.'),
  partBytesMax: z.int().min(1).optional().describe('Longest data of one C_Encrypt or C_Decrypt.'),
  gcmIv: z
    .enum(['caller', 'device'])
    .default('caller')
    .describe('Who makes the IV of AES-GCM when encrypting.'),
  finalise: z.boolean().default(true).describe('Whether C_Finalize is called at the end.'),
  seed: z.boolean().default(true).describe('Whether C_SeedRandom is worth a call.'),
  hmacKeyBytesMin: z
    .union([z.literal('hash'), z.int().min(1)])
    .optional()
    .describe('Shortest key of HMAC; hash: as long as the digest.'),
  ciphers: z
    .partialRecord(cipher, mechanism)
    .default({})
    .describe('Mechanisms that do what a cipher is, under other numbers.'),
  oaep: rsa.default({}).describe('RSA OAEP.'),
  pss: rsa.omit({ label: true }).default({}).describe('RSA PSS.'),
  kekWrap: z
    .array(z.strictObject({ mechanism, unwrap: z.enum(UNWRAPPINGS) }))
    .default([
      { mechanism: CKM.AES_KEY_WRAP_KWP, unwrap: 'rfc5649' },
      { mechanism: CKM.AES_KEY_WRAP_PKCS7, unwrap: 'pkcs5' },
      { mechanism: CKM.AES_KEY_WRAP, unwrap: 'rfc3394' },
    ])
    .describe('How keys are got through a key-encrypting key; the first that is offered counts.'),
  kekPrivate: z
    .array(z.enum(['RSA', 'EC', 'Ed25519', 'Ed448']))
    .default([])
    .describe('Private keys that are got so as well, as PKCS#8.'),
  broken: z.array(mechanism).default([]).describe('Mechanisms that are listed and do not work.'),
  ecdhPoint: z
    .enum(['raw', 'octets'])
    .default('raw')
    .describe('How C_DeriveKey gets the other point: bare, or in an OCTET STRING.'),
  plainTemporaries: z
    .boolean()
    .default(true)
    .describe('Whether session objects may be made whose value can be read.'),
  facts: z.array(z.string()).default([]).describe('What else is known, with its source.'),
})
export type Quirks = z.output<typeof QUIRKS>

/** How a device names itself; without the blanks at the end. */
export interface Identity {
  readonly manufacturer: string
  readonly library: string
  readonly tokenManufacturer: string
  readonly model: string
}

/** @throws `Error` with the file and what is wrong in it. */
export function readQuirks(path: string): Quirks {
  const result = QUIRKS.safeParse(parse(readFileSync(path, 'utf8')))
  if (result.success) return result.data
  const problems = result.error.issues.map(({ path: at, message }) => `${at.join('.')}: ${message}`)
  throw new Error(`${path}: ${problems.join('; ')}`)
}

let known: ReadonlyMap<string, Quirks> | undefined

/** The files that come with Claviger, by model. */
export function models(): ReadonlyMap<string, Quirks> {
  known ??= new Map(
    readdirSync(FOLDER)
      .filter((name) => name.endsWith('.yaml'))
      .sort()
      .map((name) => readQuirks(join(FOLDER, name)))
      .map((quirks) => [quirks.model, quirks] as const),
  )
  return known
}

export function generic(): Quirks {
  return models().get('generic') as Quirks
}

/** The model that a device says it is, or the generic one. */
export function quirksOf(identity: Identity): Quirks {
  const isIt = (one: Partial<Identity>): boolean =>
    Object.entries(one).every(([name, start]) => {
      const said = identity[name as keyof Identity].toLowerCase()
      return said.startsWith(start.toLowerCase())
    })
  const found = [...models().values()].find((quirks) =>
    quirks.match.some((one) => isIt(one as Partial<Identity>)),
  )
  return found ?? generic()
}
