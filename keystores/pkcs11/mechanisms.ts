/**
 * Mechanisms of the core as mechanisms of PKCS#11, by the rows of `spec/algorithms`.
 *
 * PKCS#11 3.2 §6. What a row has no CKM number for cannot be done by a device. Digests are worked
 * out here and sent as they are (CKM_RSA_PKCS over a DigestInfo, CKM_ECDSA over a digest): more
 * devices know these, and less data travels.
 *
 * @module
 */
import { hash as nodeHash } from 'node:crypto'
import { KmsError } from '#core/errors.ts'
import type { CipherMechanism, MacMechanism, SignatureMechanism } from '#core/keystore.ts'
import {
  type Cipher,
  cipherRow,
  type Hash,
  hashRow,
  macRow,
  signatureRow,
} from '#spec/algorithms.ts'
import { CKM, CKZ } from '#spec/pkcs11/constants.ts'
import type { Mechanism } from '#spec/pkcs11/types.ts'

const AES_BLOCK_BITS = 128

function unsupported(what: string): KmsError {
  return new KmsError(
    'parametersUnsupported',
    `Cannot use ${what}: PKCS#11 has no mechanism for it`,
  )
}

/**
 * @param type The device's number for the cipher.
 * @throws `KmsError` `parametersUnsupported`, `missingIv`.
 */
export function cipherOf(
  mechanism: CipherMechanism,
  dataBytes: number,
  type: number | undefined,
): Mechanism {
  const { cipher } = mechanism
  if (type === undefined) throw unsupported(cipher)
  return { type, parameter: PARAMETERS[cipher]?.(mechanism, dataBytes) }
}

type MakeParameter = (mechanism: CipherMechanism, dataBytes: number) => Mechanism['parameter']

const asIs: MakeParameter = (mechanism) => ivOf(mechanism)

const PARAMETERS: Partial<Readonly<Record<Cipher, MakeParameter>>> = {
  AES_CBC: asIs,
  AES_CBC_PAD: asIs,
  AES_CTS: asIs,
  AES_CFB128: asIs,
  AES_CFB8: asIs,
  AES_CFB1: asIs,
  AES_OFB: asIs,
  AES_XTS: asIs,
  AES_KEY_WRAP: ({ iv }) => iv,
  AES_KEY_WRAP_KWP: ({ iv }) => iv,
  DES3_CBC: asIs,
  DES3_CBC_PAD: asIs,
  DES3_CFB64: asIs,
  DES3_OFB: asIs,
  AES_CTR: (mechanism) => ({ ulCounterBits: AES_BLOCK_BITS, cb: ivOf(mechanism) }),
  AES_GCM: (mechanism) => ({
    pIv: ivOf(mechanism),
    ulIvBits: ivOf(mechanism).length * 8,
    pAAD: mechanism.aad,
    ulTagBits: tagBytesOf(mechanism) * 8,
  }),
  AES_CCM: (mechanism, dataBytes) => ({
    ulDataLen: dataBytes,
    pNonce: ivOf(mechanism),
    pAAD: mechanism.aad,
    ulMACLen: tagBytesOf(mechanism),
  }),
  CHACHA20_POLY1305: (mechanism) => ({ pNonce: ivOf(mechanism), pAAD: mechanism.aad }),
  RSA_PKCS_OAEP: ({ hash = 'SHA_1', mgfHash = hash, label }) => ({
    hashAlg: hashRow(hash).ckm,
    mgf: maskOf(mgfHash),
    source: CKZ.DATA_SPECIFIED,
    pSourceData: label,
  }),
}

function ivOf({ cipher, iv }: CipherMechanism): Uint8Array {
  const { ivBytes, anyIv } = cipherRow(cipher)
  if (iv === undefined) {
    throw new KmsError('missingIv', `Cannot use ${cipher}: the IV/Counter/Nonce is missing`)
  }
  const allowed = anyIv ? iv.length > 0 : (ivBytes as readonly number[]).includes(iv.length)
  if (allowed) return iv
  const what = `its IV/Counter/Nonce has ${iv.length} bytes, allowed are ${ivBytes.join(', ')}`
  throw new KmsError('parametersUnsupported', `Cannot use ${cipher}: ${what}`)
}

/** Bytes of the tag; 0 where there is none. */
export function tagBytesOf({ cipher, tagBytes }: CipherMechanism): number {
  const allowed = cipherRow(cipher).tagBytes
  if (allowed === undefined) return 0
  const bytes = tagBytes ?? (allowed[0] as number)
  if ((allowed as readonly number[]).includes(bytes)) return bytes
  const what = `a tag of ${bytes} bytes, allowed are ${allowed.join(', ')}`
  throw new KmsError('tagLength', `Cannot use ${cipher} with ${what}`)
}

function maskOf(hash: Hash): number {
  const ckg = hashRow(hash).ckg
  if (ckg === undefined) throw unsupported(`MGF1 with ${hash}`)
  return ckg
}

/** A mechanism for signing, and what the device is given to sign. */
export interface DeviceSignature {
  readonly mechanism: Mechanism
  readonly data: Uint8Array
}

/** @throws `KmsError` `parametersUnsupported`, `dataLength`. */
export function signatureOf(mechanism: SignatureMechanism, data: Uint8Array): DeviceSignature {
  const { scheme, context } = mechanism
  const { ckm, input } = signatureRow(scheme)
  // A context of no bytes is none: RFC 8032 §8.3.
  if (context !== undefined && context.length > 0) throw unsupported(`a context with ${scheme}`)
  if (mechanism.prehashed) throw unsupported(`${scheme} over a message hashed first`)
  if (mechanism.deterministic) throw unsupported(`${scheme} without randomness`)
  if (input !== 'digest') {
    return { mechanism: { type: ckm, parameter: undefined }, data }
  }
  const { hash, digested } = mechanism
  if (hash === undefined) {
    const isBare = digested && scheme !== 'RSA_PKCS_PSS'
    if (!isBare) {
      throw new KmsError('parametersMissing', `Cannot use ${scheme}: the hash is missing`)
    }
    return { mechanism: { type: ckm, parameter: undefined }, data }
  }
  const row = hashRow(hash)
  const digest = digested ? data : nodeHash(row.node, data, 'buffer')
  if (digest.length !== row.bytes) {
    const what = `the digest has ${digest.length} bytes, ${hash} has ${row.bytes}`
    throw new KmsError('dataLength', `Cannot sign: ${what}`)
  }
  if (scheme === 'RSA_PKCS') {
    const info = Buffer.concat([Buffer.from(row.digestInfo, 'hex'), digest])
    return { mechanism: { type: ckm, parameter: undefined }, data: info }
  }
  if (scheme !== 'RSA_PKCS_PSS') {
    return { mechanism: { type: ckm, parameter: undefined }, data: digest }
  }
  const { mgfHash = hash, saltBytes = row.bytes } = mechanism
  const parameter = { hashAlg: row.ckm, mgf: maskOf(mgfHash), sLen: saltBytes }
  return { mechanism: { type: ckm, parameter }, data: digest }
}

/** A mechanism of authentication, and how much of what it gives is asked for. */
export interface DeviceMac {
  readonly mechanism: Mechanism
  readonly bytes: number
}

/**
 * Shorter codes are the first bytes of the whole one: fewer devices have the mechanisms for these.
 *
 * @throws `KmsError` `parametersUnsupported`.
 */
export function macOf({ mac, bytes, nonce }: MacMechanism): DeviceMac {
  const row = macRow(mac)
  if (row.ckm === undefined || row.nonce || nonce !== undefined) throw unsupported(mac)
  const wanted = bytes ?? row.bytes
  if (wanted < 1 || wanted > row.bytes) {
    const what = `it gives ${row.bytes} bytes, ${wanted} are asked for`
    throw new KmsError('parametersUnsupported', `Cannot use ${mac}: ${what}`)
  }
  return { mechanism: { type: row.ckm, parameter: undefined }, bytes: wanted }
}

const NAMES = new Map(Object.entries(CKM).map(([name, value]) => [value as number, name]))

/** Names of the numbers that a device offers, for messages. */
export function mechanismName(type: number): string {
  const name = NAMES.get(type)
  return name === undefined ? `0x${type.toString(16)}` : `CKM_${name}`
}
