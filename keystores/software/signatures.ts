/**
 * Signatures with node:crypto, by the rows of `spec/algorithms/signatures.ts`.
 *
 * KMIP 2.1 §6.1.56 (Sign), §6.1.57 (Signature Verify); RFC 8017 §8, FIPS 186-5, RFC 8032, FIPS 204,
 * FIPS 205. A digest given as it is goes through `openssl.ts`, but for PKCS#1 v1.5, which is
 * DigestInfo and the bare operation of node:crypto.
 *
 * Private operations that take long run on the thread pool; short ones at once.
 *
 * @module
 */
import {
  constants,
  sign as cryptoSign,
  verify as cryptoVerify,
  type KeyObject,
  hash as nodeHash,
  privateEncrypt,
  publicDecrypt,
} from 'node:crypto'
import { sameBytes } from '#core/bytes.ts'
import { KmsError } from '#core/errors.ts'
import type { Awaitable, SignatureMechanism } from '#core/keystore.ts'
import {
  curveOfNode,
  curveRow,
  type Hash,
  hashRow,
  isNodeType,
  type SignatureRow,
  signatureRow,
} from '#spec/algorithms.ts'
import { rawOfSignature, signatureOfRaw } from '#wire/der.ts'
import { type OpenSsl, openssl, type Setting } from './openssl.ts'

/** Families whose private operation takes long enough to be worth a thread. */
const SLOW = /^(rsa|ml-dsa-|slh-dsa-|dsa)/

/** RFC 8032 §5.2, FIPS 204 §5.2, FIPS 205 §10.2. */
const CONTEXT_BYTES_MAX = 255

interface SignOptions {
  readonly key: KeyObject
  readonly padding?: number
  readonly saltLength?: number
  readonly dsaEncoding?: 'der' | 'ieee-p1363'
  readonly context?: Uint8Array
}

/** @throws `KmsError` `parametersUnsupported` when the key cannot do the mechanism. */
export function sign(
  key: KeyObject,
  mechanism: SignatureMechanism,
  data: Uint8Array,
): Awaitable<Uint8Array> {
  const row = checked(key, mechanism, data)
  if (row.input === 'raw') return rawSign(key, data)
  if (mechanism.prehashed) {
    const settings = contextSetting(mechanism)
    return native(mechanism).signMessage(key, settings, data, edwardsName(key))
  }
  if (row.input === 'whole' && (mechanism.hash !== undefined || mechanism.deterministic)) {
    const settings = mechanism.deterministic ? [...ENCODED, DETERMINISTIC] : ENCODED
    return native(mechanism).signMessage(key, settings, encoded(mechanism, data))
  }
  if (mechanism.digested || needsNative(mechanism)) return signDigest(key, mechanism, data)
  const algorithm = row.input === 'whole' ? null : hashRow(mechanism.hash as Hash).node
  const options = optionsFor(key, mechanism)
  if (!SLOW.test(key.asymmetricKeyType ?? '')) return cryptoSign(algorithm, data, options)
  return new Promise((resolve, reject) => {
    cryptoSign(algorithm, data, options, (error, signature) => {
      if (error === null) resolve(signature)
      else
        reject(
          new KmsError('cryptographicFailure', 'Cannot sign: OpenSSL refused', { cause: error }),
        )
    })
  })
}

/** False for every wrong signature, whatever is wrong with it. */
export function verify(
  key: KeyObject,
  mechanism: SignatureMechanism,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  const row = checked(key, mechanism, data)
  if (!isModulusLong(key, signature)) return false
  try {
    if (row.input === 'raw') return rawVerify(key, data, signature)
    if (mechanism.prehashed) {
      const settings = contextSetting(mechanism)
      return native(mechanism).verifyMessage(key, settings, data, signature, edwardsName(key))
    }
    if (row.input === 'whole' && mechanism.hash !== undefined) {
      const message = preHashed(mechanism, data)
      return native(mechanism).verifyMessage(key, ENCODED, message, signature)
    }
    if (mechanism.digested || needsNative(mechanism)) {
      return verifyDigest(key, mechanism, data, signature)
    }
    const algorithm = row.input === 'whole' ? null : hashRow(mechanism.hash as Hash).node
    return cryptoVerify(algorithm, data, verifyOptions(key, mechanism), signature)
  } catch (error) {
    if (error instanceof KmsError && error.code !== 'cryptographicFailure') throw error
    return false
  }
}

/** RFC 8017 §8.1.2 and §8.2.2, step 1: OpenSSL takes one without its leading zeros as well. */
function isModulusLong(key: KeyObject, signature: Uint8Array): boolean {
  if (key.asymmetricKeyType !== 'rsa') return true
  return signature.length === Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8)
}

function checked(key: KeyObject, mechanism: SignatureMechanism, data: Uint8Array): SignatureRow {
  const row = signatureRow(mechanism.scheme)
  const type = key.asymmetricKeyType ?? 'secret'
  if (!isNodeType(row.node, type)) {
    throw unsupported(mechanism, `a key of type ${type} does not do it`)
  }
  assertVariant(row, mechanism)
  assertContext(type, row, mechanism)
  if (row.input !== 'digest' && mechanism.hash === undefined) {
    if (mechanism.digested) throw unsupported(mechanism, 'it takes the message, not its digest')
    return row
  }
  if (row.input !== 'digest' && row.ckmHash === undefined) {
    throw unsupported(mechanism, 'it has no hash')
  }
  const bare = mechanism.scheme !== 'RSA_PKCS_PSS'
  if (mechanism.hash === undefined && !(mechanism.digested && bare)) {
    throw new KmsError('parametersMissing', `Cannot use ${mechanism.scheme}: the hash is missing`)
  }
  const bytes = mechanism.hash && hashRow(mechanism.hash).bytes
  if (mechanism.digested && bytes !== undefined && data.length !== bytes) {
    throw new KmsError(
      'dataLength',
      `Cannot sign digest: ${data.length} bytes are no ${mechanism.hash}`,
    )
  }
  return row
}

function assertVariant(row: SignatureRow, mechanism: SignatureMechanism): void {
  const { prehashed, deterministic } = mechanism
  if (prehashed && mechanism.scheme !== 'EDDSA') throw unsupported(mechanism, 'it has no ph')
  if (deterministic && row.ckmHash === undefined) {
    throw unsupported(mechanism, 'it is not told whether to be deterministic')
  }
}

function assertContext(type: string, row: SignatureRow, mechanism: SignatureMechanism): void {
  const bytes = mechanism.context?.length ?? 0
  if (bytes === 0) return
  if (!mechanism.prehashed && !isNodeType(row.context ?? [], type)) {
    const takers = 'EdDSA, ML-DSA and SLH-DSA do'
    throw unsupported(mechanism, `a key of type ${type} takes no context string; ${takers}`)
  }
  if (bytes > CONTEXT_BYTES_MAX) {
    throw unsupported(mechanism, `a context of ${bytes} bytes, ${CONTEXT_BYTES_MAX} at most`)
  }
}

function unsupported({ scheme }: SignatureMechanism, why: string): KmsError {
  return new KmsError('parametersUnsupported', `Cannot use ${scheme}: ${why}`)
}

/** PSS with another hash for its mask generation function. */
function needsNative({ scheme, hash, mgfHash }: SignatureMechanism): boolean {
  return scheme === 'RSA_PKCS_PSS' && mgfHash !== undefined && mgfHash !== hash
}

function optionsFor(key: KeyObject, mechanism: SignatureMechanism): SignOptions {
  const { scheme, hash, saltBytes, encoding, context } = mechanism
  if (scheme === 'RSA_PKCS') return { key, padding: constants.RSA_PKCS1_PADDING }
  if (scheme === 'RSA_PKCS_PSS') {
    const saltLength = saltBytes ?? hashRow(hash as Hash).bytes
    return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }
  }
  if (scheme === 'ECDSA' || scheme === 'DSA') {
    return { key, dsaEncoding: encoding === 'raw' ? 'ieee-p1363' : 'der' }
  }
  return context === undefined || context.length === 0 ? { key } : { key, context }
}

/** A salt of any length is accepted where none is asked for. */
function verifyOptions(key: KeyObject, mechanism: SignatureMechanism): SignOptions {
  const options = optionsFor(key, mechanism)
  const anySalt = mechanism.scheme === 'RSA_PKCS_PSS' && mechanism.saltBytes === undefined
  return anySalt ? { ...options, saltLength: constants.RSA_PSS_SALTLEN_AUTO } : options
}

function signDigest(key: KeyObject, mechanism: SignatureMechanism, data: Uint8Array): Uint8Array {
  if (mechanism.scheme === 'RSA_PKCS') {
    return paddedSign(key, digestInfo(mechanism.hash, data))
  }
  const signature = native(mechanism).sign(key, settings(mechanism), digestOf(mechanism, data))
  if (mechanism.encoding !== 'raw') return signature
  return rawOfSignature(signature, orderBytes(key))
}

function verifyDigest(
  key: KeyObject,
  mechanism: SignatureMechanism,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (mechanism.scheme === 'RSA_PKCS') {
    const info = digestInfo(mechanism.hash, data)
    const options = { key, padding: constants.RSA_PKCS1_PADDING }
    return sameBytes(publicDecrypt(options, signature), info)
  }
  const isRaw = mechanism.encoding === 'raw'
  if (isRaw && signature.length !== orderBytes(key) * 2) return false
  const der = isRaw ? signatureOfRaw(signature) : Buffer.from(signature)
  return native(mechanism).verify(key, settings(mechanism, 'auto'), digestOf(mechanism, data), der)
}

/** The message stands as FIPS 204 and FIPS 205 encode it, and is not encoded once more. */
const ENCODED: readonly Setting[] = [['message-encoding', '0']]
const DETERMINISTIC: Setting = ['deterministic', '1']

/** Name of Ed25519ph or Ed448ph. */
function edwardsName({ asymmetricKeyType }: KeyObject): string {
  return `${asymmetricKeyType}ph`
}

function contextSetting({ context }: SignatureMechanism): readonly Setting[] {
  if (context === undefined || context.length === 0) return []
  return [['hexcontext-string', Buffer.from(context).toString('hex')]]
}

/** The message as FIPS 204 §5.2 and §5.4, and FIPS 205 §10.2, sign it. */
function encoded(mechanism: SignatureMechanism, data: Uint8Array): Buffer {
  if (mechanism.hash !== undefined) return preHashed(mechanism, data)
  const { context = new Uint8Array(0) } = mechanism
  return Buffer.concat([Buffer.of(0, context.length), context, data])
}

/**
 * The message of HashML-DSA and HashSLH-DSA: FIPS 204 §5.4.1, algorithm 4; FIPS 205 §10.2.2,
 * algorithm 23.
 */
function preHashed(mechanism: SignatureMechanism, data: Uint8Array): Buffer {
  const { hash, context = new Uint8Array(0) } = mechanism
  // The object identifier stands in DigestInfo, behind the heads of its two sequences.
  const info = Buffer.from(hashRow(hash as Hash).digestInfo, 'hex')
  const oid = info.subarray(4, 6 + (info[5] as number))
  const head = Buffer.of(1, context.length)
  return Buffer.concat([head, context, oid, digestOf(mechanism, data)])
}

/** PSS with a mask hash of its own has the message here, everything else the digest. */
function digestOf({ digested, hash }: SignatureMechanism, data: Uint8Array): Uint8Array {
  return digested ? data : hashed(hash as Hash, data)
}

function hashed(hash: Hash, data: Uint8Array): Uint8Array {
  return nodeHash(hashRow(hash).node, data, 'buffer')
}

/** @param saltless Length of the salt where none is asked for; default: that of the hash. */
function settings(mechanism: SignatureMechanism, saltless?: 'auto'): readonly Setting[] {
  if (mechanism.scheme !== 'RSA_PKCS_PSS') return []
  const hash = mechanism.hash as Hash
  const salt = mechanism.saltBytes ?? saltless ?? hashRow(hash).bytes
  return [
    ['rsa_padding_mode', 'pss'],
    ['digest', hashRow(hash).node],
    ['rsa_mgf1_md', hashRow(mechanism.mgfHash ?? hash).node],
    ['rsa_pss_saltlen', String(salt)],
  ]
}

function native(mechanism: SignatureMechanism): OpenSsl {
  if (openssl !== undefined) return openssl
  throw unsupported(mechanism, 'signing a digest needs node:ffi, which this runtime does not have')
}

/** DER of DigestInfo, RFC 8017 §9.2; without a hash the data as it is. */
function digestInfo(hash: Hash | undefined, digest: Uint8Array): Uint8Array {
  if (hash === undefined) return digest
  return Buffer.concat([Buffer.from(hashRow(hash).digestInfo, 'hex'), digest])
}

function paddedSign(key: KeyObject, data: Uint8Array): Uint8Array {
  try {
    return privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, data)
  } catch (cause) {
    const what = `Cannot sign: ${data.length} bytes and their padding do not fit the key`
    throw new KmsError('dataLength', what, { cause })
  }
}

/** What a signature of PKCS#1 v1.5 or a raw one carries. */
export function recover(
  key: KeyObject,
  mechanism: SignatureMechanism,
  signature: Uint8Array,
): Uint8Array {
  const { input } = signatureRow(mechanism.scheme)
  const padding = input === 'raw' ? constants.RSA_NO_PADDING : constants.RSA_PKCS1_PADDING
  if (key.asymmetricKeyType !== 'rsa' || mechanism.scheme === 'RSA_PKCS_PSS') {
    throw unsupported(mechanism, 'its signatures carry no data')
  }
  try {
    return publicDecrypt({ key, padding }, signature)
  } catch (cause) {
    throw new KmsError('cryptographicFailure', 'Cannot recover: the signature is wrong', { cause })
  }
}

function rawSign(key: KeyObject, block: Uint8Array): Uint8Array {
  const bytes = (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8
  if (block.length > bytes)
    throw new KmsError('dataLength', `Cannot sign: more than ${bytes} bytes`)
  const padded = Buffer.concat([Buffer.alloc(bytes - block.length), block])
  try {
    return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, padded)
  } catch (cause) {
    throw new KmsError('dataLength', 'Cannot sign: the block is not below the modulus', { cause })
  }
}

function rawVerify(key: KeyObject, block: Uint8Array, signature: Uint8Array): boolean {
  const bytes = (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8
  const padded = Buffer.concat([Buffer.alloc(Math.max(0, bytes - block.length)), block])
  return sameBytes(publicDecrypt({ key, padding: constants.RSA_NO_PADDING }, signature), padded)
}

/** Bytes of r and of s. */
function orderBytes(key: KeyObject): number {
  let bytes = ORDER_BYTES.get(key)
  if (bytes === undefined) {
    const details = key.asymmetricKeyDetails
    const curve = details?.namedCurve === undefined ? undefined : curveOfNode(details.namedCurve)
    const bits = curve === undefined ? (details?.divisorLength ?? 0) : curveRow(curve).bits
    bytes = Math.ceil(bits / 8)
    ORDER_BYTES.set(key, bytes)
  }
  return bytes
}

/** Asking OpenSSL for the details of a key takes longer than the rest of turning a form around. */
const ORDER_BYTES = new WeakMap<KeyObject, number>()
