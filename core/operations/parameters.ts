/**
 * Cryptographic Parameters of KMIP as mechanisms of a keystore.
 *
 * KMIP 1.4 §3.6 and §4.29 to §4.34, KMIP 2.1 §4.15. What a request gives counts; what it does not
 * give comes from the key's first Cryptographic Parameters, and then from the key's algorithm.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import {
  type Cipher,
  cipherOfKmip,
  cipherRow,
  type Hash,
  hashOfKmip,
  hmacOf,
  isPair,
  MACS,
  type Mac,
  type MacRow,
  macOfKmip,
  pairRow,
  type SignatureScheme,
  schemesOfNode,
  signatureOfKmip,
  signatureRow,
} from '#spec/algorithms.ts'
import {
  BlockCipherMode,
  CryptographicAlgorithm,
  DigitalSignatureAlgorithm,
  HashingAlgorithm,
  PaddingMethod,
} from '#spec/kmip/enumerations.ts'
import type { CryptographicParameters } from '#spec/kmip/structures.ts'
import { nameOf } from '#spec/kmip/table.ts'
import { KmsError } from '../errors.ts'
import { algorithmLabel, type UsableKey } from '../keys.ts'
import type {
  CipherMechanism,
  KeyInUse,
  MacMechanism,
  SignatureMechanism,
  WrapMechanism,
} from '../keystore.ts'
import { labelOf, type ManagedObject } from '../objects.ts'
import { assertCipherFits, assertSignatureFits } from './contradictions.ts'

/** The parameters that count for a use of a key. */
export function effectiveParameters(
  object: ManagedObject,
  given: CryptographicParameters | undefined,
): CryptographicParameters {
  return given ?? object.attributes.get('cryptographicParameters') ?? {}
}

/** The hash with this number. @throws {@link KmsError} `parametersUnsupported`. */
export function hashNamed(kmip: number): Hash {
  const hash = hashOfKmip(kmip)
  if (hash !== undefined) return hash
  const name = nameOf(HashingAlgorithm, kmip)
  throw new KmsError('parametersUnsupported', `Cannot hash: ${name} is not offered`)
}

function optionalHash(kmip: number | undefined): Hash | undefined {
  return kmip === undefined ? undefined : hashNamed(kmip)
}

/** The cipher that the parameters mean for this key. */
function cipherFor(key: UsableKey, parameters: CryptographicParameters): Cipher {
  const spec = key.key.spec
  const { blockCipherMode, paddingMethod } = parameters
  const cipher = spec && cipherOfKmip(spec.algorithm, blockCipherMode, paddingMethod)
  if (cipher !== undefined) return cipher
  throw noSuchCipher(key.object, parameters)
}

function noSuchCipher(object: ManagedObject, parameters: CryptographicParameters): KmsError {
  const { blockCipherMode, paddingMethod } = parameters
  const number = object.attributes.get('cryptographicAlgorithm')
  const what = `Cannot use ${labelOf(object)}`
  if (number === undefined) {
    return new KmsError('parametersUnsupported', `${what}: it has no Cryptographic Algorithm`)
  }
  const algorithm = algorithmLabel(number)
  if (blockCipherMode === undefined && (algorithm === 'AES' || algorithm === 'DES3')) {
    const where = 'give them with the request, or as the attribute Cryptographic Parameters'
    return new KmsError('parametersMissing', `${what}: the Block Cipher Mode is missing; ${where}`)
  }
  const mode = blockCipherMode === undefined ? '' : ` ${nameOf(BlockCipherMode, blockCipherMode)}`
  const padding =
    paddingMethod === undefined ? '' : `, padding ${nameOf(PaddingMethod, paddingMethod)}`
  return new KmsError(
    'parametersUnsupported',
    `${what}: ${algorithm}${mode}${padding} is not offered`,
  )
}

/** Random bytes are drawn in blocks: a short draw costs as much as a long one. */
const BLOCK_BYTES = 4_096

let block: Buffer = Buffer.alloc(0)
let blockAt = 0

/** @param bytes No more than a block; of what is longer there is a block, which no cipher takes. */
function randomIv(bytes: number): Uint8Array {
  if (blockAt + bytes > block.length) {
    block = randomBytes(BLOCK_BYTES)
    blockAt = 0
  }
  const iv = block.subarray(blockAt, blockAt + bytes)
  blockAt += bytes
  return iv
}

/** A cipher ready for use, and whether its IV was made here. */
export interface ChosenCipher extends CipherMechanism {
  readonly ivGenerated: boolean
}

/**
 * @param iv What the request gives.
 * @throws {@link KmsError} `parametersMissing`, `parametersUnsupported`, `parametersContradict`.
 */
export function cipherMechanism(
  key: UsableKey,
  parameters: CryptographicParameters,
  iv: Uint8Array | undefined,
  aad: Uint8Array | undefined,
  encrypts: boolean,
): ChosenCipher {
  const cipher = cipherFor(key, parameters)
  assertCipherFits(key.key, cipher, parameters, aad)
  const row = cipherRow(cipher)
  const generated = encrypts && iv === undefined && parameters.randomIV === true
  const length = generated ? ivBytes(cipher, parameters) : undefined
  return {
    cipher,
    iv: length === undefined ? iv : randomIv(length),
    ivGenerated: length !== undefined,
    aad,
    tagBytes: row.tagBytes === undefined ? undefined : parameters.tagLength,
    hash: optionalHash(parameters.hashingAlgorithm),
    mgfHash: maskHash(cipher, parameters),
    label: parameters.pSource,
  }
}

/** Bytes of an IV that is made here; undefined where the cipher has none. */
function ivBytes(cipher: Cipher, { ivLength = 0 }: CryptographicParameters): number | undefined {
  if (ivLength >= 0 && ivLength % 8 === 0) return ivLength / 8 || cipherRow(cipher).ivBytes[0]
  const what = `Cannot use ${cipher}: an IV Length of ${ivLength} bits is no number of bytes`
  throw new KmsError('parametersUnsupported', what)
}

/** OAEP: KMIP 1.4 §3.6 says SHA-1 where no hash of the mask generator is given, from 1.4 on. */
function maskHash(cipher: Cipher, parameters: CryptographicParameters): Hash | undefined {
  if (cipher !== 'RSA_PKCS_OAEP') return undefined
  return optionalHash(parameters.maskGeneratorHashingAlgorithm)
}

/** Key wrap without a mode means RFC 3394. */
const WRAP_DEFAULT: CryptographicParameters = { blockCipherMode: BlockCipherMode.NISTKeyWrap }

/** So does RSA without a padding, by PKCS#1 v1.5. */
const RSA_DEFAULT: CryptographicParameters = { paddingMethod: PaddingMethod.PKCS1V1_5 }

export interface ChosenWrap extends WrapMechanism {
  readonly ivGenerated: boolean
  /** With what is meant where nothing is given: whoever unwraps has to know. */
  readonly said: CryptographicParameters
}

/** How a key wraps; AEAD and CBC get an IV of their own. */
export function wrapMechanism(
  key: UsableKey,
  parameters: CryptographicParameters | undefined,
  iv?: Uint8Array,
): ChosenWrap {
  const symmetric = key.key.kind === 'secret'
  const given = parameters?.blockCipherMode === undefined && symmetric
  const hybrid = parameters !== undefined && isHybrid(key, parameters)
  const bare = hybrid ? { ...parameters, blockCipherMode: undefined } : (parameters ?? {})
  const effective = given ? { ...parameters, ...WRAP_DEFAULT } : bare
  const cipher = cipherFor(key, effective)
  assertCipherFits(key.key, cipher, effective, undefined)
  const meant = given ? WRAP_DEFAULT : cipher === 'RSA_PKCS' ? RSA_DEFAULT : {}
  const row = cipherRow(cipher)
  const needsIv = row.ivBytes.length > 0 && row.wraps === undefined && iv === undefined
  return {
    cipher,
    iv: needsIv ? randomIv(row.ivBytes[0] as number) : iv,
    ivGenerated: needsIv,
    said: { ...parameters, ...meant },
    tagBytes: row.tagBytes === undefined ? undefined : effective.tagLength,
    hash: optionalHash(effective.hashingAlgorithm),
    mgfHash: maskHash(cipher, effective),
    label: effective.pSource,
    ephemeralBits: hybrid ? EPHEMERAL_BITS : undefined,
  }
}

/** Of the AES key in between. */
const EPHEMERAL_BITS = 256

/**
 * Whether an RSA key wraps by way of an AES key, as CKM_RSA_AES_KEY_WRAP does. KMIP has no word for
 * it: here it is OAEP together with AESKeyWrapPadding, which RSA alone has no use for.
 */
function isHybrid({ key }: UsableKey, parameters: CryptographicParameters): boolean {
  const { blockCipherMode, paddingMethod } = parameters
  const isOaep = paddingMethod === PaddingMethod.OAEP && key.spec?.algorithm === 'RSA'
  return isOaep && blockCipherMode === BlockCipherMode.AESKeyWrapPadding
}

/** Hash of a signature where nobody names one: that of the security level of the key. */
function usualHash({ spec }: KeyInUse): Hash {
  const bits = spec?.curve === undefined ? 256 : spec.bits
  if (bits > 384) return 'SHA_512'
  return bits > 256 ? 'SHA_384' : 'SHA_256'
}

/**
 * @param digested Whether the data is a digest already.
 * @throws {@link KmsError} `parametersUnsupported`, `parametersContradict`.
 */
export function signatureMechanism(
  key: UsableKey,
  parameters: CryptographicParameters,
  digested: boolean,
): SignatureMechanism {
  const { digitalSignatureAlgorithm: dsa } = parameters
  const named = dsa === undefined ? undefined : signatureOfKmip(dsa)
  if (dsa !== undefined && named === undefined) {
    const name = nameOf(DigitalSignatureAlgorithm, dsa)
    throw new KmsError('parametersUnsupported', `Cannot sign: ${name} is not offered`)
  }
  const scheme = named?.scheme ?? schemeFor(key, parameters)
  const { input } = signatureRow(scheme)
  const hash = named?.hash ?? optionalHash(parameters.hashingAlgorithm) ?? usualHash(key.key)
  assertSignatureFits(key.key, parameters, scheme, named, hash)
  return {
    scheme,
    hash: input === 'digest' ? hash : undefined,
    digested,
    mgfHash: scheme === 'RSA_PKCS_PSS' ? pssMaskHash(parameters, hash) : undefined,
    saltBytes: scheme === 'RSA_PKCS_PSS' ? parameters.saltLength : undefined,
  }
}

/** The mask generator has the hash of the signature, unless it is said otherwise. */
function pssMaskHash(parameters: CryptographicParameters, hash: Hash): Hash {
  return optionalHash(parameters.maskGeneratorHashingAlgorithm) ?? hash
}

function schemeFor(key: UsableKey, { paddingMethod }: CryptographicParameters): SignatureScheme {
  const { spec } = key.key
  const type = spec && isPair(spec.algorithm) ? pairRow(spec.algorithm).node : ''
  const schemes = schemesOfNode(type)
  const wanted = schemes.find((scheme) => {
    const { padding } = signatureRow(scheme)
    return paddingMethod !== undefined && padding === paddingMethod
  })
  const scheme = wanted ?? (paddingMethod === undefined || type !== 'rsa' ? schemes[0] : undefined)
  if (scheme !== undefined) return scheme
  if (spec === undefined) {
    const why =
      'only a key of an algorithm that signs does that; take the public key of a certificate'
    throw new KmsError('parametersUnsupported', `Cannot use ${labelOf(key.object)}: ${why}`)
  }
  const algorithm = algorithmLabel(key.object.attributes.get('cryptographicAlgorithm'))
  const how =
    paddingMethod === undefined ? '' : ` with padding ${nameOf(PaddingMethod, paddingMethod)}`
  const what = `Cannot use ${labelOf(key.object)}: ${algorithm} does not sign${how}`
  throw new KmsError('parametersUnsupported', what)
}

/** The MAC: of the parameters, else of the key's own algorithm. */
export function macMechanism(
  key: UsableKey,
  parameters: CryptographicParameters,
  nonce?: Uint8Array,
): MacMechanism {
  const { blockCipherMode, cryptographicAlgorithm, hashingAlgorithm } = parameters
  const { spec } = key.key
  const own = key.object.attributes.get('cryptographicAlgorithm')
  const mac =
    byMode(spec?.algorithm, blockCipherMode) ??
    macOfKmip(cryptographicAlgorithm ?? 0) ??
    macOfKmip(own ?? 0) ??
    (hashingAlgorithm === undefined ? undefined : hmacOf(hashNamed(hashingAlgorithm)))
  if (mac !== undefined) return { mac, nonce, bytes: parameters.tagLength }
  const algorithm = nameOf(CryptographicAlgorithm, cryptographicAlgorithm ?? own ?? 0)
  const what = `Cannot use ${labelOf(key.object)}: no MAC is known for ${algorithm}`
  const hint = 'give an HMAC as Cryptographic Algorithm or CMAC as Block Cipher Mode'
  throw new KmsError('parametersMissing', `${what}; ${hint}`)
}

function byMode(algorithm: string | undefined, mode: number | undefined): Mac | undefined {
  if (mode === undefined || algorithm === undefined) return undefined
  const rows = Object.entries<MacRow>(MACS)
  return rows.find(([name, row]) => row.mode === mode && name.startsWith(algorithm))?.[0] as Mac
}
