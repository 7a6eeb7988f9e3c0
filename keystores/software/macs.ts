/**
 * Message authentication codes with node:crypto, by the rows of `spec/algorithms/macs.ts`.
 *
 * FIPS 198-1 (HMAC), NIST SP 800-38B (CMAC), SP 800-38D (GMAC), RFC 8439 §2.5 (Poly1305).
 *
 * @module
 */
import * as crypto from 'node:crypto'
import { KmsError } from '#core/errors.ts'
import type { DigestOperation, MacMechanism } from '#core/keystore.ts'
import { hashRow, macRow } from '#spec/algorithms.ts'

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
  const bytes = macBytes(mechanism)
  const whole = tried(mechanism, keyBits, () => begun(key, keyBits, mechanism).update(data).final())
  return bytes === whole.length ? whole : whole.subarray(0, bytes)
}

/** A MAC of data in parts. */
export function macStream(
  key: crypto.KeyObject,
  keyBits: number,
  mechanism: MacMechanism,
): DigestOperation {
  const bytes = macBytes(mechanism)
  const running = tried(mechanism, keyBits, () => begun(key, keyBits, mechanism))
  return {
    update(data) {
      running.update(data)
    },
    final: () => running.final().subarray(0, bytes),
  }
}

/** How many bytes of the code are asked for. */
function macBytes({ mac: name, bytes }: MacMechanism): number {
  const whole = macRow(name).bytes
  const wanted = bytes ?? whole
  if (wanted >= 1 && wanted <= whole) return wanted
  const what = `Cannot use ${name}: it gives ${whole} bytes, ${wanted} are asked for`
  throw new KmsError('parametersUnsupported', what)
}

function tried<T>({ mac: name }: MacMechanism, keyBits: number, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    if (cause instanceof KmsError) throw cause
    const what = `Cannot use ${name}: a key of ${keyBits} bits does not do it`
    throw new KmsError('parametersUnsupported', what, { cause })
  }
}

function begun(
  key: crypto.KeyObject,
  keyBits: number,
  { mac: name, nonce }: MacMechanism,
): MacObject {
  const row = macRow(name)
  if (row.hash !== undefined) return hmac(key, hashRow(row.hash).node)
  if (row.nonce && nonce === undefined) {
    throw new KmsError('missingIv', `Cannot use ${name}: a nonce is missing`)
  }
  const cipher = row.cipher?.replace('*', String(keyBits))
  return createMac(row.node, key, { ...(cipher && { cipher }), ...(nonce && { iv: nonce }) })
}

function hmac(key: crypto.KeyObject, hash: string): MacObject {
  const running = crypto.createHmac(hash, key)
  const object: MacObject = {
    update(data) {
      running.update(data)
      return object
    },
    final: () => running.digest(),
  }
  return object
}
