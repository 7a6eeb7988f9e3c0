/**
 * `claviger ec encrypt|decrypt`: files for whoever has the private half of an elliptic-curve pair.
 *
 * A file is encrypted here, with the public half alone, by HPKE (RFC 9180, `hpke.ts`). To decrypt
 * it, the server agrees on the secret with the private half, which stays where it is (KMIP 2.1
 * §6.1.16, Derive Key with the method Asymmetric Key); the rest is done here.
 *
 * Files of `ckms ec encrypt` with a curve of NIST are decrypted as well: a compressed point R, then
 * AES-GCM under a key that is SHAKE of the shared point, with an IV that is SHAKE of R and the
 * public key. That form is not written: it hashes the sign of the shared point, which node:crypto
 * does not tell. For the same reason both signs are tried. The Salsa20 boxes that ckms makes for
 * Curve25519 are neither read nor written; node:crypto has no Salsa20.
 *
 * @module
 */
import { createDecipheriv, createHash, type DecipherGCM, ECDH, type KeyObject } from 'node:crypto'
import type { Command } from 'commander'
import type { BatchRequest, KmipClient } from '#clients/kmip/client.ts'
import { KmipError } from '#clients/kmip/errors.ts'
import { DerivationMethod, KeyFormatType, ObjectType } from '#spec/kmip/enumerations.ts'
import type { RequestOf, ResponseOf } from '#spec/kmip/operations.ts'
import { hexBytes } from './bytes.ts'
import { withClient } from './environment.ts'
import { type Family, findIn } from './family.ts'
import { dataOf, type FileOptions, fileCommand, writeFor } from './family-cryptography.ts'
import { materialOf } from './family-export.ts'
import { got } from './family-unwrap.ts'
import { curveOf, HPKE_CURVES, hpkeOpen, hpkeSeal, publicKeyOf } from './hpke.ts'
import { RefusedError } from './output.ts'

interface EcOptions extends FileOptions {
  readonly authenticationData?: string | undefined
}

const NOTE = `
The name of either half will do. Curves: ${HPKE_CURVES.join(', ')}. The file has
what RFC 9180 (HPKE) has for it: DHKEM of the curve, HKDF-SHA256, AES-256-GCM; the data does not go
to the server. To decrypt, the private half must have Key Agreement or Derive Key among its
usages; what "ckms ec encrypt" has written for a curve of NIST is decrypted as well.
Without --output-file letter.txt becomes letter.enc, and letter.enc letter.plain.`

function ecCommand(verb: 'encrypt' | 'decrypt'): Command {
  return fileCommand(verb, `${verb} a file with an elliptic-curve key`)
    .option('-a, --authentication-data <hex>', 'additional data that is authenticated')
    .addHelpText(
      'after',
      `${NOTE}

Examples:
  claviger ec ${verb} --key-id my_key ${verb === 'encrypt' ? 'letter.txt' : 'letter.enc'}
  claviger ec ${verb} -k my_key -o result FILE`,
    )
}

export function ecEncrypt(family: Family): Command {
  return ecCommand('encrypt').action(async (file: string, _options, command: Command) => {
    const options = command.optsWithGlobals<EcOptions>()
    const aad = aadOf(options)
    const data = dataOf(file)
    const recipient = await withClient(options, async (client) => {
      return publicHalf(client, (await findIn(client, family, options, 'public')).id)
    })
    assertCurve(recipient)
    writeFor(hpkeSeal(recipient, data, aad), file, '.enc', options)
  })
}

export function ecDecrypt(family: Family): Command {
  return ecCommand('decrypt').action(async (file: string, _options, command: Command) => {
    const options = command.optsWithGlobals<EcOptions>()
    const aad = aadOf(options)
    const message = dataOf(file)
    const data = await withClient(options, async (client) => {
      const [open, secret] = await Promise.all([
        findIn(client, family, options, 'public'),
        findIn(client, family, options, 'private'),
      ])
      const recipient = await publicHalf(client, open.id)
      assertCurve(recipient)
      const agree = (peer: Uint8Array) => agreed(client, secret.id, recipient, peer)
      return opened(recipient, message, agree, aad)
    })
    writeFor(data, file, '.plain', options)
  })
}

function aadOf({ authenticationData }: EcOptions): { readonly aad?: Uint8Array } {
  const aad = hexBytes(authenticationData, '--authentication-data')
  return aad === undefined ? {} : { aad }
}

async function publicHalf(client: KmipClient, id: string): Promise<KeyObject> {
  return publicKeyOf(materialOf(await got(client, id, KeyFormatType.X_509)))
}

function assertCurve(recipient: KeyObject): void {
  const curve = curveOf(recipient)
  if (curve !== undefined && HPKE_CURVES.includes(curve)) return
  const what = `this key is of ${curve ?? 'another curve'}`
  throw new RefusedError(
    `Cannot encrypt or decrypt: ${what}; ${HPKE_CURVES.join(', ')} are offered`,
  )
}

/** Bytes of a shared secret: those of a coordinate. */
const SHARED_BYTES: Readonly<Record<string, number>> = {
  'P-256': 32,
  'P-384': 48,
  'P-521': 66,
  X25519: 32,
  X448: 56,
}

/**
 * The shared secret, agreed on by the server. It is made, told and destroyed in one message, or not
 * at all: nothing of it stays there, whatever becomes of this program.
 */
async function agreed(
  client: KmipClient,
  privateKey: string,
  recipient: KeyObject,
  peer: Uint8Array,
): Promise<Uint8Array> {
  const bytes = SHARED_BYTES[curveOf(recipient) ?? ''] ?? 0
  const derive: RequestOf<'DeriveKey'> = {
    objectType: ObjectType.SecretData,
    uniqueIdentifier: [privateKey],
    derivationMethod: DerivationMethod.AsymmetricKey,
    derivationParameters: { derivationData: peer },
    attributes: { attributes: [{ id: 'cryptographicLength', value: bytes * 8 }] },
  }
  const requests: readonly BatchRequest[] = [
    { operation: 'DeriveKey', payload: derive },
    { operation: 'Get', payload: { keyFormatType: KeyFormatType.Raw } },
    { operation: 'Destroy', payload: {} },
  ]
  const results = await client.batch(requests, { onError: 'undo' })
  for (const result of results) if (!result.ok) throw result.error
  const [, told] = results
  return materialOf((told as { readonly payload: ResponseOf<'Get'> }).payload.object)
}

type Agree = (peer: Uint8Array) => Promise<Uint8Array>

/** @throws RefusedError when file, key or additional data are others than it was made with. */
async function opened(
  recipient: KeyObject,
  message: Uint8Array,
  agree: Agree,
  aad: { readonly aad?: Uint8Array },
): Promise<Uint8Array> {
  const curve = curveOf(recipient) as string
  const isCompressed = message[0] === 2 || message[0] === 3
  const form = isCompressed ? CKMS[curve] : undefined
  try {
    if (form === undefined) return await hpkeOpen(recipient, message, agree, aad)
    return await openedOfCkms(form, recipient, message, agree)
  } catch (error) {
    // What the server refuses is told as it is.
    if (error instanceof KmipError || error instanceof RefusedError) throw error
    const what = 'the file, the key or the additional data are others than it was made with'
    throw new RefusedError(`Cannot decrypt: ${what}`, { cause: error })
  }
}

interface CkmsForm {
  /** Name of OpenSSL. */
  readonly curve: string
  readonly pointBytes: number
  readonly cipher: 'aes-128-gcm' | 'aes-256-gcm'
  readonly keyBytes: number
  readonly shake: 'shake128' | 'shake256'
}

const SMALL = { cipher: 'aes-128-gcm', keyBytes: 16, shake: 'shake128' } as const
const LARGE = { cipher: 'aes-256-gcm', keyBytes: 32, shake: 'shake256' } as const
const CKMS: Readonly<Record<string, CkmsForm>> = {
  'P-256': { curve: 'prime256v1', pointBytes: 33, ...SMALL },
  'P-384': { curve: 'secp384r1', pointBytes: 49, ...LARGE },
  'P-521': { curve: 'secp521r1', pointBytes: 67, ...LARGE },
}
const IV_BYTES = 12
const TAG_BYTES = 16
const SIGNS = [2, 3]

async function openedOfCkms(
  form: CkmsForm,
  recipient: KeyObject,
  message: Uint8Array,
  agree: Agree,
): Promise<Uint8Array> {
  const { curve, pointBytes, keyBytes, shake } = form
  const end = message.length - TAG_BYTES
  if (end < pointBytes) throw new RangeError('it is too short')
  const point = message.subarray(0, pointBytes)
  const whole = ECDH.convertKey(Buffer.from(point), curve, undefined, undefined, 'uncompressed')
  const shared = await agree(whole as Buffer)
  const iv = hashed(shake, IV_BYTES, [point, compressed(recipient)])
  const [data, tag] = [message.subarray(pointBytes, end), message.subarray(end)]
  for (const sign of SIGNS) {
    const key = hashed(shake, keyBytes, [Uint8Array.of(sign), shared])
    const decipher = createDecipheriv(form.cipher, key, iv) as DecipherGCM
    decipher.setAuthTag(tag)
    try {
      return Buffer.concat([decipher.update(data), decipher.final()])
    } catch (error) {
      if (sign === SIGNS.at(-1)) throw error
    } finally {
      key.fill(0)
    }
  }
  throw new RangeError('neither sign fits')
}

function hashed(name: string, outputLength: number, parts: readonly Uint8Array[]): Buffer {
  const hash = createHash(name, { outputLength })
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** SEC 1 §2.3.3. */
function compressed(publicKey: KeyObject): Uint8Array {
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' })
  const odd = (Buffer.from(y, 'base64url').at(-1) ?? 0) & 1
  return Buffer.concat([Uint8Array.of(2 + odd), Buffer.from(x, 'base64url')])
}
