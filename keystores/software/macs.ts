/**
 * Message authentication codes with node:crypto, by the rows of `spec/algorithms/macs.ts`.
 *
 * FIPS 198-1 (HMAC), NIST SP 800-38B (CMAC), SP 800-38D (GMAC), RFC 8439 §2.5 (Poly1305).
 *
 * @module
 */
import * as crypto from 'node:crypto'
import { KmsError } from '#core/errors.ts'
import type { MacMechanism } from '#core/keystore.ts'
import { hashRow, type MacRow, macRow } from '#spec/algorithms.ts'

interface MacObject {
  update(data: Uint8Array): MacObject
  final(): Buffer
}

/** Node 26 has it; the types of node:crypto do not yet. */
type CreateMac = (
  name: string,
  key: crypto.KeyObject,
  options?: { readonly cipher?: string; readonly iv?: Uint8Array },
) => MacObject
const createMac = (crypto as unknown as { readonly createMac: CreateMac }).createMac

/** @param keyBits Length of the key material in bits. */
export function mac(
  key: crypto.KeyObject,
  keyBits: number,
  mechanism: MacMechanism,
  data: Uint8Array,
): Uint8Array {
  const row = macRow(mechanism.mac)
  const whole = compute(key, keyBits, row, mechanism, data)
  const bytes = mechanism.bytes ?? whole.length
  if (bytes < 1 || bytes > whole.length) {
    const what = `Cannot use ${mechanism.mac}: it gives ${whole.length} bytes, ${bytes} are asked for`
    throw new KmsError('parametersUnsupported', what)
  }
  return bytes === whole.length ? whole : whole.subarray(0, bytes)
}

function compute(
  key: crypto.KeyObject,
  keyBits: number,
  row: MacRow,
  { mac: name, nonce }: MacMechanism,
  data: Uint8Array,
): Buffer {
  if (row.hash !== undefined) {
    return crypto.createHmac(hashRow(row.hash).node, key).update(data).digest()
  }
  if (row.nonce && nonce === undefined) {
    throw new KmsError('missingIv', `Cannot use ${name}: a nonce is missing`)
  }
  const cipher = row.cipher?.replace('*', String(keyBits))
  try {
    const options = { ...(cipher && { cipher }), ...(nonce && { iv: nonce }) }
    return createMac(row.node, key, options).update(data).final()
  } catch (cause) {
    const what = `Cannot use ${name}: a key of ${keyBits} bits does not do it`
    throw new KmsError('parametersUnsupported', what, { cause })
  }
}
