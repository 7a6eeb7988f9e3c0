/**
 * Ciphers and digests of data in parts, with node:crypto.
 *
 * NIST SP 800-38A and SP 800-38D, RFC 8439; KMIP 2.1 §11.37 (paddings). Output comes as soon as
 * OpenSSL gives it: whole blocks at once, and of padded data all but the last block. The decryption
 * of an AEAD is not here: see `Streams` in `core/keystore.ts`.
 *
 * @module
 */
import {
  type CipherGCM,
  type Cipheriv,
  createCipheriv,
  createDecipheriv,
  createHash,
  type Decipheriv,
  type Hash as HashObject,
  type KeyObject,
} from 'node:crypto'
import { KmsError } from '#core/errors.ts'
import type { CipherMechanism, CipherOperation, CopyableDigest, Encrypted } from '#core/keystore.ts'
import { type Hash, hashRow } from '#spec/algorithms.ts'
import { PADDED_BLOCK_BYTES, type Prepared, prepare } from './ciphers.ts'
import type { PaddingScheme } from './paddings.ts'

const NOTHING = new Uint8Array(0)

/** @throws `KmsError` `featureNotSupported` when the cipher takes data in one part only. */
function prepared(keyBits: number, mechanism: CipherMechanism, decrypts: boolean): Prepared {
  const all = prepare(keyBits, mechanism)
  if (!all.row.oneShot && !(decrypts && all.tagBytes > 0)) return all
  const what = `Cannot use ${mechanism.cipher} on data in parts: it needs all of it first`
  throw new KmsError('featureNotSupported', what)
}

/** Bytes of output for so many of input, from the beginning on. */
type Released = (total: number) => number

const ALL: Released = (total) => total
const wholeBlocks =
  (block: number): Released =>
  (total) =>
    total - (total % block)
/** The last block may be padding. */
const allButLast =
  (block: number): Released =>
  (total) =>
    total === 0 ? 0 : total - 1 - ((total - 1) % block)

function isBlockwise({ row, padding, autoPadding }: Prepared): boolean {
  return row.blockBytes !== undefined || padding !== undefined || autoPadding
}

/** Block of the cipher: that of its row, or its IV, or that of AES. */
function blockOf({ row }: Prepared): number {
  return row.blockBytes ?? (row.key === 'DES3' ? 8 : PADDED_BLOCK_BYTES)
}

/** @param keyBits Length of the key material in bits. */
export function encryptStream(
  key: KeyObject,
  keyBits: number,
  mechanism: CipherMechanism,
): CipherOperation {
  const all = prepared(keyBits, mechanism, false)
  const { node, iv, tagBytes, padding, autoPadding } = all
  const block = blockOf(all)
  if (tagBytes > 0) {
    const cipher = createCipheriv(node, key, iv as Uint8Array, { authTagLength: tagBytes })
    if (mechanism.aad !== undefined && mechanism.aad.length > 0) {
      cipher.setAAD(mechanism.aad, { plaintextLength: 0 })
    }
    return operation(mechanism, cipher, ALL, () => ({
      data: cipher.final(),
      tag: (cipher as CipherGCM).getAuthTag(),
    }))
  }
  const cipher = createCipheriv(node as string, key, iv)
  const blockwise = isBlockwise(all)
  if (blockwise) cipher.setAutoPadding(autoPadding)
  const released = blockwise ? wholeBlocks(block) : ALL
  return operation(mechanism, cipher, released, (total) => {
    return { data: padded(cipher, padding, total) }
  })
}

/** The rest of a block, and the padding of our own. */
function padded(cipher: Cipheriv, padding: PaddingScheme | undefined, total: number): Uint8Array {
  if (padding === undefined) return cipher.final()
  const rest = total % PADDED_BLOCK_BYTES
  const tail = padding.pad(new Uint8Array(rest), PADDED_BLOCK_BYTES).subarray(rest)
  return Buffer.concat([cipher.update(tail), cipher.final()])
}

export function decryptStream(
  key: KeyObject,
  keyBits: number,
  mechanism: CipherMechanism,
): CipherOperation {
  const all = prepared(keyBits, mechanism, true)
  const { node, iv, padding, autoPadding } = all
  const block = blockOf(all)
  const cipher = createDecipheriv(node as string, key, iv)
  if (isBlockwise(all)) cipher.setAutoPadding(autoPadding)
  if (padding !== undefined) return unpadding(mechanism, cipher, padding)
  const blocks = isBlockwise(all) ? wholeBlocks(block) : ALL
  const released = autoPadding ? allButLast(block) : blocks
  return operation(mechanism, cipher, released, () => ({ data: cipher.final() }))
}

/** Holds the last block back until it is known to be the last. */
function unpadding(
  mechanism: CipherMechanism,
  cipher: Decipheriv,
  padding: PaddingScheme,
): CipherOperation {
  let held: Uint8Array = NOTHING
  const holding = {
    update(data: Uint8Array): Uint8Array {
      const plain = Buffer.concat([held, cipher.update(data)])
      const at = Math.max(0, plain.length - PADDED_BLOCK_BYTES)
      held = plain.subarray(at)
      return plain.subarray(0, at)
    },
  }
  return operation(
    mechanism,
    holding,
    (total) => {
      return Math.max(0, total - (total % PADDED_BLOCK_BYTES) - PADDED_BLOCK_BYTES)
    },
    () => {
      const last = Buffer.concat([held, cipher.final()])
      return { data: padding.unpad(last, PADDED_BLOCK_BYTES) }
    },
  )
}

/** @param final Told how much data there was. */
function operation(
  { cipher: name }: CipherMechanism,
  cipher: { update(data: Uint8Array): Uint8Array },
  released: Released,
  final: (total: number) => Encrypted,
): CipherOperation {
  let total = 0
  return {
    lengthFor: (bytes) => released(total + bytes) - released(total),
    update(data) {
      total += data.length
      return data.length === 0 ? NOTHING : cipher.update(data)
    },
    final() {
      try {
        return final(total)
      } catch (cause) {
        throw failure(name, cause)
      }
    },
  }
}

/** OpenSSL says what it was: a block that is not whole, or a padding that is wrong. */
function failure(cipher: string, cause: unknown): KmsError {
  if (cause instanceof KmsError) return cause
  const code = (cause as { readonly code?: string }).code ?? ''
  if (/WRONG_FINAL_BLOCK_LENGTH|DATA_NOT_MULTIPLE/.test(code)) {
    const what = `Cannot use ${cipher}: the data is no multiple of a block`
    return new KmsError('dataLength', what, { cause })
  }
  const what = `Cannot decrypt with ${cipher}: the data or the padding is wrong`
  return new KmsError('cryptographicFailure', what, { cause })
}

export function digestStream(hash: Hash): CopyableDigest {
  return digestOf(createHash(hashRow(hash).node))
}

function digestOf(hash: HashObject): CopyableDigest {
  return {
    update(data) {
      hash.update(data)
    },
    final: () => hash.digest(),
    copy: () => digestOf(hash.copy()),
  }
}
