/**
 * Files that are encrypted here, with a key that is made for each and leaves wrapped.
 *
 * The option `--key-encryption-algorithm` of `ckms sym encrypt`: the data does not go to the
 * server, only its key does, which the server encrypts with the key that is called. The file has
 * the length of the wrapped key (LEB128), the wrapped key, and then nonce, ciphertext and tag as
 * without the option.
 *
 * NIST SP 800-38D (GCM), SP 800-38E (XTS), RFC 8439, RFC 3394 and RFC 5649.
 *
 * @module
 */
import {
  type CipherGCM,
  type CipherGCMOptions,
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  type DecipherGCM,
  randomBytes,
} from 'node:crypto'
import type { KmipClient } from '#clients/kmip/client.ts'
import { BlockCipherMode } from '#spec/kmip/enumerations.ts'
import type { CryptographicParameters } from '#spec/kmip/structures.ts'
import { RefusedError, UsageError } from './output.ts'

interface Local {
  /** Name of OpenSSL. */
  readonly cipher: string
  readonly keyBytes: number
  readonly ivBytes: number
  readonly tagBytes: number
}

/** Ciphers of data, by their names for `--data-encryption-algorithm`. */
const LOCAL: Readonly<Record<string, Local>> = {
  'aes-gcm': { cipher: 'aes-256-gcm', keyBytes: 32, ivBytes: 12, tagBytes: 16 },
  'aes-cbc': { cipher: 'aes-256-cbc', keyBytes: 32, ivBytes: 16, tagBytes: 0 },
  'aes-xts': { cipher: 'aes-256-xts', keyBytes: 64, ivBytes: 16, tagBytes: 0 },
  'chacha20-poly1305': { cipher: 'chacha20-poly1305', keyBytes: 32, ivBytes: 12, tagBytes: 16 },
}

interface Wrapping {
  readonly parameters: CryptographicParameters
  readonly ivBytes: number
  readonly tagBytes: number
}

const AEAD = { ivBytes: 12, tagBytes: 16 } as const
const WRAPPINGS = {
  rfc5649: {
    parameters: { blockCipherMode: BlockCipherMode.AESKeyWrapPadding },
    ivBytes: 0,
    tagBytes: 0,
  },
  rfc3394: {
    parameters: { blockCipherMode: BlockCipherMode.NISTKeyWrap },
    ivBytes: 0,
    tagBytes: 0,
  },
  'aes-gcm': { parameters: { blockCipherMode: BlockCipherMode.GCM, tagLength: 16 }, ...AEAD },
  'chacha20-poly1305': {
    parameters: { blockCipherMode: BlockCipherMode.AEAD, tagLength: 16 },
    ...AEAD,
  },
} as const satisfies Record<string, Wrapping>
export type KeyEncryption = keyof typeof WRAPPINGS
export const KEY_ENCRYPTIONS = Object.keys(WRAPPINGS) as KeyEncryption[]

export interface Envelope {
  /** The key on the server. */
  readonly id: string
  readonly keyEncryption: KeyEncryption
  readonly dataEncryption: string
  readonly nonce?: Uint8Array | undefined
  readonly aad?: Uint8Array | undefined
}

const NOTHING = new Uint8Array(0)

export async function sealEnvelope(
  client: KmipClient,
  envelope: Envelope,
  data: Uint8Array,
): Promise<Uint8Array> {
  const { id, nonce, aad } = envelope
  const local = localOf(envelope)
  const wrapping: Wrapping = WRAPPINGS[envelope.keyEncryption]
  const key = randomBytes(local.keyBytes)
  try {
    const answer = await client.call('Encrypt', {
      uniqueIdentifier: id,
      cryptographicParameters:
        wrapping.ivBytes === 0 ? wrapping.parameters : { ...wrapping.parameters, randomIV: true },
      data: key,
    })
    const wrapped = Buffer.concat([
      answer.ivCounterNonce ?? NOTHING,
      answer.data ?? NOTHING,
      answer.authenticatedEncryptionTag ?? NOTHING,
    ])
    const iv = nonce ?? randomBytes(local.ivBytes)
    if (iv.length !== local.ivBytes) {
      throw new UsageError(`--nonce: has ${iv.length} bytes, must have ${local.ivBytes}`)
    }
    const cipher = createCipheriv(
      local.cipher as CipherGCMTypes,
      key,
      iv,
      options(local),
    ) as CipherGCM
    if (local.tagBytes > 0 && aad !== undefined)
      cipher.setAAD(aad, { plaintextLength: data.length })
    const sealed = [iv, cipher.update(data), cipher.final()]
    const tag = local.tagBytes > 0 ? cipher.getAuthTag() : NOTHING
    return Buffer.concat([leb128(wrapped.length), wrapped, ...sealed, tag])
  } finally {
    key.fill(0)
  }
}

/** @throws `RefusedError` when the file or the key is another. */
export async function openEnvelope(
  client: KmipClient,
  envelope: Envelope,
  file: Uint8Array,
): Promise<Uint8Array> {
  const local = localOf(envelope)
  const { wrapped, rest } = parted(file)
  const key = await unwrapped(client, envelope, wrapped)
  try {
    const end = rest.length - local.tagBytes
    if (key.length !== local.keyBytes || end < local.ivBytes) throw notOpened()
    const iv = rest.subarray(0, local.ivBytes)
    const decipher = createDecipheriv(
      local.cipher as CipherGCMTypes,
      key,
      iv,
      options(local),
    ) as DecipherGCM
    if (local.tagBytes > 0) {
      decipher.setAuthTag(rest.subarray(end))
      const plaintextLength = end - local.ivBytes
      if (envelope.aad !== undefined) decipher.setAAD(envelope.aad, { plaintextLength })
    }
    return finished(decipher, rest.subarray(local.ivBytes, end))
  } finally {
    key.fill(0)
  }
}

function finished(decipher: DecipherGCM, data: Uint8Array): Uint8Array {
  try {
    return Buffer.concat([decipher.update(data), decipher.final()])
  } catch (error) {
    throw notOpened(error)
  }
}

function notOpened(cause?: unknown): RefusedError {
  const what =
    'Cannot decrypt: the file, the key or the algorithms are others than it was made with'
  return new RefusedError(what, { cause })
}

async function unwrapped(
  client: KmipClient,
  { id, keyEncryption }: Envelope,
  wrapped: Uint8Array,
): Promise<Uint8Array> {
  const { parameters, ivBytes, tagBytes }: Wrapping = WRAPPINGS[keyEncryption]
  const end = wrapped.length - tagBytes
  if (end < ivBytes) throw notOpened()
  const answer = await client.call('Decrypt', {
    uniqueIdentifier: id,
    cryptographicParameters: parameters,
    data: wrapped.subarray(ivBytes, end),
    ivCounterNonce: ivBytes === 0 ? undefined : wrapped.subarray(0, ivBytes),
    authenticatedEncryptionTag: tagBytes === 0 ? undefined : wrapped.subarray(end),
  })
  return answer.data ?? NOTHING
}

function localOf({ dataEncryption }: Envelope): Local {
  const local = LOCAL[dataEncryption]
  if (local !== undefined) return local
  throw new UsageError(`--data-encryption-algorithm ${dataEncryption}: not with a key of its own`)
}

/** OpenSSL wants to know the length of the tag where it is not a block's. */
function options({ cipher, tagBytes }: Local): CipherGCMOptions {
  return cipher === 'chacha20-poly1305' ? { authTagLength: tagBytes } : {}
}

function leb128(value: number): Uint8Array {
  const bytes: number[] = []
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Uint8Array.of(...bytes, rest)
    bytes.push((rest & 0x7f) | 0x80)
  }
}

/** A wrapped key is short: two digits of LEB128 are enough for 16,383 bytes. */
const DIGITS_MAX = 2

function parted(file: Uint8Array): { readonly wrapped: Uint8Array; readonly rest: Uint8Array } {
  let length = 0
  for (let at = 0; at < DIGITS_MAX; at++) {
    const digit = file[at]
    if (digit === undefined) throw notOpened()
    length |= (digit & 0x7f) << (7 * at)
    if (digit >= 0x80) continue
    const start = at + 1
    if (file.length < start + length) throw notOpened()
    return { wrapped: file.subarray(start, start + length), rest: file.subarray(start + length) }
  }
  throw notOpened()
}
