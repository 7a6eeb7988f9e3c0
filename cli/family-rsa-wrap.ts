/**
 * `claviger rsa encrypt|decrypt --encryption-algorithm ckm-rsa-aes-key-wrap`: files of any length.
 *
 * PKCS#11 3.2 §6.1, `CKM_RSA_AES_KEY_WRAP`: a new AES key is encrypted with the RSA key (OAEP), the
 * data is wrapped with the AES key (RFC 5649), and both stand one behind the other. Only the AES
 * key goes to the server, so that the RSA key may be in an HSM.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { KmipClient } from '#clients/kmip/client.ts'
import type { CryptographicParameters } from '#spec/kmip/structures.ts'
import { RefusedError, UsageError } from './output.ts'
import { attributesOf, valueIn } from './references.ts'

/** RFC 5649 §3: the constant in front of the length. */
const INITIAL = Buffer.from('A65959A6', 'hex')
const AES_BYTES = 32
const AES_SIZES: readonly number[] = [16, 24, 32]
/** OpenSSL takes no more at a time. */
const DATA_BYTES_MAX = 0x7fff_ffff

/** The RSA key on the server, and how it is used. */
export interface RsaUse {
  readonly id: string
  readonly cryptographicParameters: CryptographicParameters
}

export async function wrapFor(
  client: KmipClient,
  { id: uniqueIdentifier, cryptographicParameters }: RsaUse,
  data: Uint8Array,
): Promise<Uint8Array> {
  if (data.length === 0 || data.length > DATA_BYTES_MAX) {
    throw new UsageError(`ckm-rsa-aes-key-wrap is for 1 byte or more, the file has ${data.length}`)
  }
  const key = randomBytes(AES_BYTES)
  try {
    const answer = await client.call('Encrypt', {
      uniqueIdentifier,
      cryptographicParameters,
      data: key,
    })
    const cipher = createCipheriv('id-aes256-wrap-pad', key, INITIAL)
    return Buffer.concat([answer.data ?? Buffer.alloc(0), cipher.update(data), cipher.final()])
  } finally {
    key.fill(0)
  }
}

/**
 * What stands first in the file is as long as the RSA key.
 *
 * @throws `RefusedError` when the file or the key is another.
 */
export async function unwrapFrom(
  client: KmipClient,
  { id: uniqueIdentifier, cryptographicParameters }: RsaUse,
  file: Uint8Array,
): Promise<Uint8Array> {
  const attributes = await attributesOf(client, uniqueIdentifier, ['cryptographicLength'])
  const at = Math.ceil((valueIn(attributes, 'cryptographicLength') ?? 0) / 8)
  if (file.length <= at) throw notOpened()
  const { data: key = Buffer.alloc(0) } = await client.call('Decrypt', {
    uniqueIdentifier,
    cryptographicParameters,
    data: file.subarray(0, at),
  })
  try {
    if (!AES_SIZES.includes(key.length)) throw notOpened()
    const decipher = createDecipheriv(`id-aes${key.length * 8}-wrap-pad`, key, INITIAL)
    return Buffer.concat([decipher.update(file.subarray(at)), decipher.final()])
  } catch (error) {
    throw error instanceof RefusedError ? error : notOpened(error)
  } finally {
    key.fill(0)
  }
}

function notOpened(cause?: unknown): RefusedError {
  const what = 'Cannot decrypt: the file, the key or the hash are others than it was made with'
  return new RefusedError(what, { cause })
}
