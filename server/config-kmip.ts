/**
 * The part of the configuration that is about the KMIP server.
 *
 * @module
 */
import '#core/uncompiled.ts'
import * as z from 'zod'
import { PROFILE_NAMES } from '#fronts/kmip/offer.ts'
import {
  DestroyAction,
  ObjectType,
  Operation,
  RNGMode,
  ShreddingAlgorithm,
  UnwrapMode,
} from '#spec/kmip/enumerations.ts'

const PORT = '(0|[1-9]\\d{0,3}|[1-5]\\d{4}|6[0-4]\\d{3}|65[0-4]\\d\\d|655[0-2]\\d|6553[0-5])'
const ADDRESS = new RegExp(`^(\\[[0-9a-fA-F:.%]+\\]|[^:\\s]+):${PORT}$`)

const tls = z.strictObject({
  cert: z.string().optional().describe('PEM file with the certificate chain of the server.'),
  key: z.string().optional().describe('PEM file with its private key.'),
  names: z
    .array(z.string())
    .default([])
    .describe(
      'Further DNS names and IP addresses for the certificate that Claviger issues itself.',
    ),
  days: z
    .number()
    .gt(0)
    .max(825)
    .default(397)
    .describe(
      'Validity of the certificate that Claviger issues itself; renewed when less than a third is left.',
    ),
  clientCa: z
    .array(z.string())
    .default([])
    .describe('PEM files of authorities whose client certificates may be credentials.'),
  minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.2').describe('Oldest TLS version.'),
  ciphers: z
    .string()
    .optional()
    .describe(
      'Cipher suites as OpenSSL names them, separated by colons; default: the KMIP profiles.',
    ),
})

/** The names of a table of KMIP, for what is said by name. */
function names<const T extends Readonly<Record<string, number>>>(members: T) {
  return z.enum(Object.keys(members) as [string, ...string[]] as [keyof T & string])
}

const query = z.strictObject({
  vendorIdentification: z
    .string()
    .max(200)
    .default('Claviger')
    .describe('Vendor Identification; empty: Query Server Information is not answered.'),
  operations: z
    .array(names(Operation))
    .optional()
    .describe('The operations that remain, of those that are offered; default: all.'),
  objects: z
    .array(names(ObjectType))
    .optional()
    .describe('The types of objects that can be made; default: all.'),
  profiles: z
    .array(z.enum(PROFILE_NAMES))
    .optional()
    .describe('The profiles that remain, of those that are claimed; default: all.'),
  shreddingAlgorithm: names(ShreddingAlgorithm)
    .default('Cryptographic')
    .describe('What Query says of how keys are made unreadable.'),
  destroyAction: names(DestroyAction)
    .default('KeyMaterialShredded')
    .describe('What Query says of what Destroy does.'),
  unwrapMode: names(UnwrapMode)
    .default('NotProcessed')
    .describe('What Query says of keys that are registered wrapped.'),
  rngMode: names(RNGMode)
    .default('SharedInstantiation')
    .describe('What Query says of the generators of random numbers.'),
  streaming: z
    .boolean()
    .default(true)
    .describe('Whether data in parts is taken (Init and Final Indicator).'),
})

/** Addresses that nothing but this machine can reach; a name could mean another. */
export const LOOPBACK = new RegExp(`^(127(\\.\\d{1,3}){3}|\\[::1\\]):${PORT}$`)

const plain = z.strictObject({
  listen: z
    .string()
    .regex(LOOPBACK, 'must be 127.x.x.x:PORT or [::1]:PORT: without TLS on no other address')
    .describe('Where KMIP is spoken without TLS, on the loopback only: 127.0.0.1:PORT.'),
  principal: z
    .string()
    .min(1)
    .describe('Credential in whose name every client works that comes there.'),
})

export const kmip = z.strictObject({
  listen: z
    .string()
    .regex(ADDRESS, 'must be HOST:PORT, with a port up to 65535')
    .default('127.0.0.1:5696')
    .describe('Where the KMIP server listens: HOST:PORT.'),
  tls: tls.prefault({}),
  messageCredentials: z
    .enum(['ignore', 'refuse'])
    .default('ignore')
    .describe('What becomes of user names in messages; who asks is said by the TLS certificate.'),
  plain: plain
    .optional()
    .describe('KMIP without TLS, for a TLS proxy on the same machine; default: off.'),
  query: query
    .prefault({})
    .describe('What Query answers; operations and objects that are left out are refused.'),
})
