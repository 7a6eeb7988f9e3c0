/**
 * Cryptographic Parameters that contradict the key, or each other.
 *
 * KMIP 1.4 §3.6 and KMIP 2.1 §4.15 say what each parameter means; a request that names two
 * algorithms, two hashes, or data that the cipher does not take in, means something that would not
 * be done. It is told so, instead of being answered with something else.
 *
 * @module
 */
import {
  type Cipher,
  cipherRow,
  type Hash,
  hashOfKmip,
  hashRow,
  type KeyAlgorithm,
  pairOfKmip,
  type SignatureScheme,
  secretKeyOfKmip,
  signatureRow,
} from '#spec/algorithms.ts'
import {
  CryptographicAlgorithm,
  HashingAlgorithm,
  MaskGenerator,
  PaddingMethod,
} from '#spec/kmip/enumerations.ts'
import type { CryptographicParameters } from '#spec/kmip/structures.ts'
import { nameOf } from '#spec/kmip/table.ts'
import { KmsError } from '../errors.ts'
import type { KeyInUse } from '../keystore.ts'

function contradiction(what: string): KmsError {
  return new KmsError('parametersContradict', `Cannot use Cryptographic Parameters: ${what}`)
}

/** @throws {@link KmsError} `parametersContradict`. */
export function assertCipherFits(
  key: KeyInUse,
  cipher: Cipher,
  parameters: CryptographicParameters,
  aad: Uint8Array | undefined,
): void {
  assertSameAlgorithm(key, parameters)
  assertMaskGenerator(parameters)
  if (aad === undefined || aad.length === 0 || cipherRow(cipher).tagBytes !== undefined) return
  const hint = 'GCM, CCM and ChaCha20-Poly1305 do'
  throw contradiction(`${cipher} authenticates no additional data; ${hint}`)
}

/** The Cryptographic Algorithm of the parameters is that of the key. */
function assertSameAlgorithm(key: KeyInUse, parameters: CryptographicParameters): void {
  const { cryptographicAlgorithm: named } = parameters
  const own = key.spec?.algorithm
  if (named === undefined || own === undefined || isOf(own, named)) return
  const name = nameOf(CryptographicAlgorithm, named)
  throw contradiction(`the Cryptographic Algorithm is ${name}, the key is of ${own}`)
}

/** A key of ChaCha20 is used with Poly1305 as well. */
function isOf(own: KeyAlgorithm, named: number): boolean {
  const algorithm = secretKeyOfKmip(named) ?? pairOfKmip(named)
  return algorithm === own || (isChaCha(own) && algorithm !== undefined && isChaCha(algorithm))
}

function isChaCha(algorithm: KeyAlgorithm): boolean {
  return algorithm.startsWith('ChaCha20')
}

function assertMaskGenerator({ maskGenerator }: CryptographicParameters): void {
  if (maskGenerator === undefined || maskGenerator === MaskGenerator.MGF1) return
  const what = `Cannot use Cryptographic Parameters: the Mask Generator ${maskGenerator}`
  throw new KmsError('parametersUnsupported', `${what} is not offered, MGF1 is`)
}

/**
 * The Cryptographic Algorithm does not count: a mandatory case (CS-AC-M-3-ECC-13) says RSA of a key
 * of EC.
 *
 * @param named What the Digital Signature Algorithm of the parameters means.
 * @throws {@link KmsError} `parametersContradict`, `parametersUnsupported`.
 */
export function assertSignatureFits(
  key: KeyInUse,
  parameters: CryptographicParameters,
  scheme: SignatureScheme,
  named: { readonly hash?: Hash | undefined } | undefined,
  hash: Hash,
): void {
  assertMaskGenerator(parameters)
  const { hashingAlgorithm, paddingMethod } = parameters
  const other = hashingAlgorithm === undefined ? undefined : hashOfKmip(hashingAlgorithm)
  if (named?.hash !== undefined && hashingAlgorithm !== undefined && other !== named.hash) {
    const name = nameOf(HashingAlgorithm, hashingAlgorithm)
    throw contradiction(
      `the Digital Signature Algorithm has ${named.hash}, the Hashing Algorithm is ${name}`,
    )
  }
  const { padding } = signatureRow(scheme)
  if (named !== undefined && paddingMethod !== undefined && padding !== paddingMethod) {
    const name = nameOf(PaddingMethod, paddingMethod)
    throw contradiction(`the Digital Signature Algorithm is one of ${scheme}, the padding ${name}`)
  }
  if (scheme === 'RSA_PKCS_PSS') assertPss(key, parameters, hash)
}

/** RFC 8017 §9.1.1: the salt, the hash and two bytes fit into the modulus; §A.2.3: one trailer. */
function assertPss(key: KeyInUse, parameters: CryptographicParameters, hash: Hash): void {
  const { saltLength, trailerField } = parameters
  if (trailerField !== undefined && trailerField !== 1) {
    const what = `Cannot use Cryptographic Parameters: the Trailer Field ${trailerField}`
    throw new KmsError('parametersUnsupported', `${what} is not offered, 1 is`)
  }
  const bits = key.spec?.bits
  if (saltLength === undefined || bits === undefined) return
  const most = Math.ceil((bits - 1) / 8) - hashRow(hash).bytes - 2
  if (saltLength >= 0 && saltLength <= most) return
  const what = `Cannot use Cryptographic Parameters: a Salt Length of ${saltLength} bytes`
  throw new KmsError('parametersUnsupported', `${what} is not offered, 0 to ${most} are`)
}
