/**
 * Encryption and decryption with node:crypto, by the rows of `spec/algorithms/ciphers.ts`.
 *
 * KMIP 2.1 §6.1.17 (Encrypt), §6.1.14 (Decrypt); NIST SP 800-38A to F, RFC 3394, RFC 5649, RFC
 * 8439, RFC 8017 §7.
 *
 * @module
 */
import {
  type CipherGCMTypes,
  constants,
  createCipheriv,
  createDecipheriv,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
} from 'node:crypto'
import { KmsError } from '#core/errors.ts'
import type { CipherMechanism, Encrypted } from '#core/keystore.ts'
import { type Cipher, type CipherRow, cipherRow, type Hash, hashRow } from '#spec/algorithms.ts'
import { PaddingMethod } from '#spec/kmip/enumerations.ts'
import { openssl, type Setting } from './openssl.ts'
import { PADDINGS, type PaddingScheme } from './paddings.ts'

/** Block of the modes with a padding of our own. */
export const PADDED_BLOCK_BYTES = 16

/** RFC 3394 §2.2.3.1 and RFC 5649 §3: the values that take the place of an IV. */
const KEY_WRAP_IV: Partial<Readonly<Record<Cipher, Uint8Array>>> = {
  AES_KEY_WRAP: Buffer.from('a6a6a6a6a6a6a6a6', 'hex'),
  AES_KEY_WRAP_KWP: Buffer.from('a65959a6', 'hex'),
}

/** OpenSSL's longest, where a standard sets no bound. */
const ANY_IV_BYTES_MAX = 128

export interface Prepared {
  readonly row: CipherRow
  /** Name in OpenSSL for this key. */
  readonly node: CipherGCMTypes
  readonly iv: Uint8Array | null
  readonly tagBytes: number
  readonly padding: PaddingScheme | undefined
  readonly autoPadding: boolean
}

/** Checks the mechanism against the row and the key; every refusal names the rule. */
export function prepare(keyBits: number, mechanism: CipherMechanism): Prepared {
  const row = cipherRow(mechanism.cipher)
  const { cipher } = mechanism
  if (row.keyBits !== undefined && !row.keyBits.includes(keyBits)) {
    const allowed = row.keyBits.join(', ')
    const what = `Cannot use ${cipher}: the key has ${keyBits} bits, allowed are ${allowed}`
    throw new KmsError('parametersUnsupported', what)
  }
  const iv = mechanism.iv ?? KEY_WRAP_IV[cipher] ?? null
  assertIv(cipher, row, iv)
  const padding = row.padding === undefined ? undefined : PADDINGS[row.padding]
  return {
    row,
    node: nodeName(cipher, row, keyBits),
    iv: ivForOpenSsl(cipher, iv),
    tagBytes: tagBytesOf(cipher, row, mechanism.tagBytes),
    padding,
    autoPadding: row.padding === PaddingMethod.PKCS5,
  }
}

const NODE_NAMES = new Map<CipherRow, Map<number, CipherGCMTypes>>()

/** OpenSSL's name of a cipher for keys of this length. */
function nodeName(cipher: Cipher, row: CipherRow, keyBits: number): CipherGCMTypes {
  const names = NODE_NAMES.get(row) ?? new Map<number, CipherGCMTypes>()
  const known = names.get(keyBits)
  if (known !== undefined) return known
  // The two halves of an XTS key are one key of twice the length to OpenSSL.
  const bits = cipher === 'AES_XTS' ? keyBits / 2 : keyBits
  const name = row.node.replace('*', String(bits)) as CipherGCMTypes
  NODE_NAMES.set(row, names.set(keyBits, name))
  return name
}

function assertIv(cipher: Cipher, row: CipherRow, iv: Uint8Array | null): void {
  const { ivBytes, anyIv } = row
  if (ivBytes.length === 0) {
    // ECB has none; one that is given does no harm and old clients send it.
    return
  }
  if (iv === null) {
    throw new KmsError('missingIv', `Cannot use ${cipher}: an IV of ${ivBytes[0]} bytes is missing`)
  }
  if (ivBytes.includes(iv.length) || (anyIv && iv.length > 0 && iv.length <= ANY_IV_BYTES_MAX))
    return
  const allowed = anyIv ? `1 to ${ANY_IV_BYTES_MAX}` : ivBytes.join(', ')
  const what = `Cannot use ${cipher}: the IV has ${iv.length} bytes, allowed are ${allowed}`
  throw new KmsError('parametersUnsupported', what)
}

/**
 * ChaCha20 of OpenSSL takes the 32-bit counter, little-endian, before the nonce of RFC 8439 §2.3.
 */
function ivForOpenSsl(cipher: Cipher, iv: Uint8Array | null): Uint8Array | null {
  if (iv === null || cipherRow(cipher).ivBytes.length === 0) return null
  if (cipher !== 'CHACHA20' || iv.length === 16) return iv
  // 8 bytes are the nonce of the original ChaCha with its 64-bit counter, 12 the nonce of RFC 8439.
  return Buffer.concat([Buffer.alloc(16 - iv.length), iv])
}

function tagBytesOf(cipher: Cipher, row: CipherRow, wanted: number | undefined): number {
  if (row.tagBytes === undefined) return 0
  const bytes = wanted ?? (row.tagBytes[0] as number)
  if (row.tagBytes.includes(bytes)) return bytes
  const what = `Cannot use ${cipher}: a tag of ${bytes} bytes is not allowed`
  throw new KmsError('tagLength', `${what}, allowed are ${row.tagBytes.join(', ')}`)
}

/** @param keyBits Length of the key material in bits. */
export function encrypt(
  key: KeyObject,
  keyBits: number,
  mechanism: CipherMechanism,
  data: Uint8Array,
): Encrypted {
  const { row, node, iv, tagBytes, padding, autoPadding } = prepare(keyBits, mechanism)
  assertData(mechanism.cipher, row, data)
  const plain = padding === undefined ? data : padding.pad(data, PADDED_BLOCK_BYTES)
  try {
    if (tagBytes === 0) {
      const cipher = createCipheriv(node as string, key, iv)
      if (row.blockBytes !== undefined || padding !== undefined) cipher.setAutoPadding(autoPadding)
      return { data: joined(cipher.update(plain), cipher.final()) }
    }
    const cipher = createCipheriv(node, key, iv as Uint8Array, { authTagLength: tagBytes })
    if (mechanism.aad !== undefined && mechanism.aad.length > 0) {
      cipher.setAAD(mechanism.aad, { plaintextLength: plain.length })
    }
    const output = joined(cipher.update(plain), cipher.final())
    return { data: output, tag: cipher.getAuthTag() }
  } catch (cause) {
    // Too short for XTS, too long for the nonce of CCM, a weak key: OpenSSL knows more rules.
    const what = `Cannot encrypt with ${mechanism.cipher}: ${data.length} bytes, or the key, do not fit`
    throw new KmsError('dataLength', what, { cause })
  }
}

/**
 * @param tag AEAD: the tag, apart from the data.
 * @throws `KmsError` `cryptographicFailure` when the data, the tag or the padding is wrong.
 */
export function decrypt(
  key: KeyObject,
  keyBits: number,
  mechanism: CipherMechanism,
  data: Uint8Array,
  tag?: Uint8Array,
): Uint8Array {
  const wanted = tag === undefined ? mechanism : { ...mechanism, tagBytes: tag.length }
  const { row, node, iv, tagBytes, padding, autoPadding } = prepare(keyBits, wanted)
  assertData(mechanism.cipher, row, data)
  try {
    if (tagBytes === 0) {
      const cipher = createDecipheriv(node as string, key, iv)
      if (row.blockBytes !== undefined || padding !== undefined) cipher.setAutoPadding(autoPadding)
      const output = joined(cipher.update(data), cipher.final())
      return padding === undefined ? output : padding.unpad(output, PADDED_BLOCK_BYTES)
    }
    if (tag === undefined) throw new KmsError('missingField', 'Cannot decrypt: the tag is missing')
    return openAead(node, key, iv as Uint8Array, mechanism.aad, data, tag)
  } catch (cause) {
    if (cause instanceof KmsError) throw cause
    const what = `Cannot decrypt with ${mechanism.cipher}: the data, the tag or the padding is wrong`
    throw new KmsError('cryptographicFailure', what, { cause })
  }
}

function openAead(
  node: CipherGCMTypes,
  key: KeyObject,
  iv: Uint8Array,
  aad: Uint8Array | undefined,
  data: Uint8Array,
  tag: Uint8Array,
): Uint8Array {
  const cipher = createDecipheriv(node, key, iv, { authTagLength: tag.length })
  cipher.setAuthTag(tag)
  if (aad !== undefined && aad.length > 0) cipher.setAAD(aad, { plaintextLength: data.length })
  const output = cipher.update(data)
  try {
    return joined(output, cipher.final())
  } catch (error) {
    output.fill(0)
    throw error
  }
}

function assertData(cipher: Cipher, row: CipherRow, data: Uint8Array): void {
  // OpenSSL is not even asked where there is nothing; RFC 3394 and RFC 5649 have no empty key.
  if (row.wraps && data.length === 0) {
    throw new KmsError('dataLength', `Cannot use ${cipher}: there is nothing to wrap or unwrap`)
  }
  if (row.blockBytes !== undefined && data.length % row.blockBytes !== 0) {
    const what = `Cannot use ${cipher}: ${data.length} bytes of data are no multiple of ${row.blockBytes}`
    throw new KmsError('dataLength', what)
  }
}

function joined(first: Buffer, second: Buffer): Buffer {
  return second.length === 0 ? first : Buffer.concat([first, second])
}

/** RSA: PKCS#1 v1.5, OAEP, and the bare operation. */
export function rsaEncrypt(
  key: KeyObject,
  mechanism: CipherMechanism,
  data: Uint8Array,
): Uint8Array {
  try {
    if (mechanism.cipher !== 'RSA_PKCS_OAEP') {
      return publicEncrypt({ key, padding: rsaPadding(mechanism.cipher) }, data)
    }
    const { hash, mgfHash, label } = oaep(mechanism)
    if (hash !== mgfHash) return native().encrypt(key, oaepSettings(mechanism), data)
    const oaepHash = hashRow(hash).node
    return publicEncrypt(
      { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash, oaepLabel: label },
      data,
    )
  } catch (cause) {
    if (cause instanceof KmsError) throw cause
    const what = `Cannot encrypt with ${mechanism.cipher}: ${data.length} bytes do not fit the key`
    throw new KmsError('dataLength', what, { cause })
  }
}

export function rsaDecrypt(
  key: KeyObject,
  mechanism: CipherMechanism,
  data: Uint8Array,
): Uint8Array {
  assertModulusLong(key, mechanism.cipher, data)
  try {
    if (mechanism.cipher !== 'RSA_PKCS_OAEP') {
      return privateDecrypt({ key, padding: rsaPadding(mechanism.cipher) }, data)
    }
    const { hash, mgfHash, label } = oaep(mechanism)
    if (hash !== mgfHash) return native().decrypt(key, oaepSettings(mechanism), data)
    const oaepHash = hashRow(hash).node
    return privateDecrypt(
      { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash, oaepLabel: label },
      data,
    )
  } catch (cause) {
    const what = `Cannot decrypt with ${mechanism.cipher}: the data does not fit the key`
    throw new KmsError('cryptographicFailure', what, { cause })
  }
}

/** RFC 8017 §7.1.2 and §7.2.2, step 1: OpenSSL takes shorter data, and makes something up of it. */
function assertModulusLong(key: KeyObject, cipher: Cipher, data: Uint8Array): void {
  const bytes = Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8)
  if (cipher === 'RSA_X_509' || data.length === bytes) return
  const what = `Cannot decrypt with ${cipher}: the data has ${data.length} bytes, the modulus ${bytes}`
  throw new KmsError('cryptographicFailure', what)
}

function rsaPadding(cipher: Cipher): number {
  return cipher === 'RSA_PKCS' ? constants.RSA_PKCS1_PADDING : constants.RSA_NO_PADDING
}

function oaep(mechanism: CipherMechanism): {
  hash: Hash
  mgfHash: Hash
  label: Buffer | undefined
} {
  const hash = mechanism.hash ?? 'SHA_1'
  const { label } = mechanism
  return {
    hash,
    mgfHash: mechanism.mgfHash ?? hash,
    label: label === undefined || label.length === 0 ? undefined : Buffer.from(label),
  }
}

function oaepSettings(mechanism: CipherMechanism): readonly Setting[] {
  const { hash, mgfHash, label } = oaep(mechanism)
  const settings: Setting[] = [
    ['rsa_padding_mode', 'oaep'],
    ['rsa_oaep_md', hashRow(hash).node],
    ['rsa_mgf1_md', hashRow(mgfHash).node],
  ]
  if (label !== undefined) settings.push(['rsa_oaep_label', label.toString('hex')])
  return settings
}

function native() {
  if (openssl !== undefined) return openssl
  const what =
    'Cannot use OAEP: two different hashes need node:ffi, which this runtime does not have'
  throw new KmsError('parametersUnsupported', what)
}
