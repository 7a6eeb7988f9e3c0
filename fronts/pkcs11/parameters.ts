/**
 * Parameters of mechanisms, read into what a keystore is asked.
 *
 * PKCS#11 3.2 §6, the structure of each mechanism's section. Strictly: what is missing, is more
 * than the mechanism has, or says what the mechanism does not allow is refused with
 * `CKR_MECHANISM_PARAM_INVALID`. Where a structure leaves something open, the comment beside it
 * says which programs are meant.
 *
 * @module
 */
import type { CipherMechanism, MacMechanism, SignatureMechanism } from '#core/keystore.ts'
import {
  type Cipher,
  type CipherRow,
  cipherRow,
  type Hash,
  hashOfCkg,
  hashOfCkm,
  hashRow,
  isNodeType,
  isPair,
  type KeySpec,
  macRow,
  pairRow,
  signatureRow,
} from '#spec/algorithms.ts'
import { CKH, CKR, CKZ } from '#spec/pkcs11/constants.ts'
import { CryptokiError } from '#spec/pkcs11/errors.ts'
import { ulongOf } from '#spec/pkcs11/memory.ts'
import type { StructureType } from '#spec/pkcs11/structures.ts'
import type { Mechanism, StructureFields } from '#spec/pkcs11/types.ts'
import type { Does, Offered } from './mechanisms.ts'

type Given = Mechanism['parameter']
type Fields<S extends StructureType> = StructureFields<S>

export function parameterInvalid({ name }: Offered, why: string): CryptokiError {
  return new CryptokiError(CKR.MECHANISM_PARAM_INVALID, `parameter of CKM_${name}: ${why}`)
}

/** Some wires cannot tell no parameter from an empty one. */
function assertNone(offered: Offered, given: Given): void {
  if (given === undefined || (given instanceof Uint8Array && given.length === 0)) return
  throw parameterInvalid(offered, 'it has none')
}

function bytesGiven(offered: Offered, given: Given): Uint8Array {
  if (given instanceof Uint8Array) return given
  throw parameterInvalid(offered, 'bytes are needed')
}

/** The fields of a structure; undefined where there is none and none is needed. */
function fieldsGiven<S extends StructureType>(
  offered: Offered,
  given: Given,
): Fields<S> | undefined {
  const empty = given instanceof Uint8Array && given.length === 0
  if ((given === undefined || empty) && offered.row.isOptional) return undefined
  if (given !== undefined && !(given instanceof Uint8Array)) return given as unknown as Fields<S>
  const what = given === undefined ? 'there is none' : `${given.length} bytes are something else`
  throw parameterInvalid(offered, `${offered.row.parameter} is needed, ${what}`)
}

function neededFields<S extends StructureType>(offered: Offered, given: Given): Fields<S> {
  const fields = fieldsGiven<S>(offered, given)
  if (fields !== undefined) return fields
  throw parameterInvalid(offered, `${offered.row.parameter} is needed`)
}

/** A CK_ULONG. */
function ulongGiven(offered: Offered, given: Given): number {
  const value = given instanceof Uint8Array && given.length === 8 ? ulongOf(given) : undefined
  if (value !== undefined) return value
  throw parameterInvalid(offered, 'a CK_ULONG is needed')
}

/** A cipher, with what PKCS#11 knows beyond a keystore. */
export interface CipherMeaning {
  readonly mechanism: CipherMechanism
  /** Longest data that the counter lasts for; CCM: how long the data is. */
  readonly dataBytesMax?: number
  readonly dataBytes?: number
}

/** OpenSSL's longest nonce of GCM and GMAC, where the standard sets no bound. */
export const NONCE_BYTES_MAX = 128

type CipherDoes = Extract<Does, { kind: 'cipher' }>
type ReadCipher = (offered: Offered, given: Given, cipher: Cipher, row: CipherRow) => CipherMeaning

const CIPHER_READERS: Readonly<Record<string, ReadCipher>> = {
  none: (offered, given, cipher) => {
    assertNone(offered, given)
    return { mechanism: { cipher } }
  },

  iv: (offered, given, cipher, { ivBytes }) => {
    const absent = given === undefined || (given instanceof Uint8Array && given.length === 0)
    if (absent && offered.row.isOptional) return { mechanism: { cipher } }
    const iv = bytesGiven(offered, given)
    if (ivBytes.includes(iv.length)) return { mechanism: { cipher, iv } }
    throw parameterInvalid(offered, `an IV of ${ivBytes.join(', ')} bytes, not ${iv.length}`)
  },

  CK_AES_CTR_PARAMS: (offered, given, cipher) => {
    const { ulCounterBits: bits, cb } = neededFields<'CK_AES_CTR_PARAMS'>(offered, given)
    if (bits < 1 || bits > 128) throw parameterInvalid(offered, `a counter of ${bits} bits`)
    return { mechanism: { cipher, iv: cb }, ...(bits < 128 && counterLimit(cb, bits)) }
  },

  CK_GCM_PARAMS: (offered, given, cipher, row) => {
    const fields = neededFields<'CK_GCM_PARAMS'>(offered, given)
    const { pIv: iv, ulIvBits, pAAD: aad, ulTagBits } = fields
    if (iv === undefined || iv.length === 0) throw parameterInvalid(offered, 'the IV is missing')
    if (iv.length > NONCE_BYTES_MAX) throw parameterInvalid(offered, `an IV of ${iv.length} bytes`)
    // OpenSSL's provider and older headers leave ulIvBits 0.
    if (ulIvBits !== 0 && ulIvBits !== iv.length * 8) {
      throw parameterInvalid(offered, `ulIvBits ${ulIvBits}, but the IV has ${iv.length} bytes`)
    }
    const tagBytes = tagBytesOf(offered, row, ulTagBits / 8)
    return { mechanism: { cipher, iv, aad, tagBytes } }
  },

  CK_CCM_PARAMS: (offered, given, cipher, row) => {
    const fields = neededFields<'CK_CCM_PARAMS'>(offered, given)
    const { ulDataLen: dataBytes, pNonce: iv, pAAD: aad, ulMACLen } = fields
    assertNonce(offered, row, iv)
    const tagBytes = tagBytesOf(offered, row, ulMACLen)
    return { mechanism: { cipher, iv, aad, tagBytes }, dataBytes }
  },

  CK_SALSA20_CHACHA20_POLY1305_PARAMS: (offered, given, cipher, row) => {
    const name = 'CK_SALSA20_CHACHA20_POLY1305_PARAMS'
    const { pNonce: iv, pAAD: aad } = neededFields<typeof name>(offered, given)
    assertNonce(offered, row, iv)
    return { mechanism: { cipher, iv, aad, tagBytes: 16 } }
  },

  CK_CHACHA20_PARAMS: (offered, given, cipher) => {
    const fields = neededFields<'CK_CHACHA20_PARAMS'>(offered, given)
    const { pBlockCounter, blockCounterBits, pNonce, ulNonceBits } = fields
    if (pBlockCounter === undefined || pNonce === undefined) {
      throw parameterInvalid(offered, 'the counter or the nonce is missing')
    }
    if (blockCounterBits + ulNonceBits !== 128 || ![32, 64].includes(blockCounterBits)) {
      const lengths = `${blockCounterBits} and ${ulNonceBits} bits`
      throw parameterInvalid(
        offered,
        `counter and nonce have 32 and 96 or 64 and 64 bits, not ${lengths}`,
      )
    }
    // The counter lies little-endian in memory, as it does in the cipher's own state.
    return { mechanism: { cipher, iv: Buffer.concat([pBlockCounter, pNonce]) } }
  },

  CK_RSA_PKCS_OAEP_PARAMS: (offered, given, cipher) => {
    const fields = neededFields<'CK_RSA_PKCS_OAEP_PARAMS'>(offered, given)
    return { mechanism: { cipher, ...oaepOf(offered, fields) } }
  },
}

/** OAEP's hashes and label; key transport has the structure within another one. */
export function oaepOf(
  offered: Offered,
  { hashAlg, mgf, source, pSourceData: label }: Fields<'CK_RSA_PKCS_OAEP_PARAMS'>,
): { readonly hash: Hash; readonly mgfHash: Hash; readonly label: Uint8Array | undefined } {
  const [hash, mgfHash] = [hashNumbered(offered, hashAlg), maskNumbered(offered, mgf)]
  // Older programs have source 0 where there is no label.
  const empty = source === 0 && (label === undefined || label.length === 0)
  if (source !== CKZ.DATA_SPECIFIED && !empty) {
    throw parameterInvalid(offered, `source ${source}; CKZ_DATA_SPECIFIED is the only one`)
  }
  return { hash, mgfHash, label }
}

function hashNumbered(offered: Offered, ckm: number): Hash {
  const hash = hashOfCkm(ckm)
  if (hash !== undefined) return hash
  throw parameterInvalid(offered, `0x${ckm.toString(16)} is no hash that is offered`)
}

function maskNumbered(offered: Offered, ckg: number): Hash {
  const hash = hashOfCkg(ckg)
  if (hash !== undefined) return hash
  throw parameterInvalid(offered, `0x${ckg.toString(16)} is no mask generation function`)
}

/** @param bytes As the parameter has it. */
export function tagBytesOf(offered: Offered, { tagBytes = [] }: CipherRow, bytes: number): number {
  if (tagBytes.includes(bytes)) return bytes
  throw parameterInvalid(offered, `a tag of ${tagBytes.join(', ')} bytes, not ${bytes}`)
}

function assertNonce(
  offered: Offered,
  { ivBytes }: CipherRow,
  iv: Uint8Array | undefined,
): asserts iv is Uint8Array {
  if (iv !== undefined && ivBytes.includes(iv.length)) return
  throw parameterInvalid(offered, `a nonce of ${ivBytes.join(', ')} bytes, not ${iv?.length ?? 0}`)
}

/** The counter may not run into the rest of its block: PKCS#11 3.2 §6.13.5. */
function counterLimit(cb: Uint8Array, bits: number): { readonly dataBytesMax: number } {
  const block = BigInt(`0x${Buffer.from(cb).toString('hex')}`)
  const left = (1n << BigInt(bits)) - (block & ((1n << BigInt(bits)) - 1n))
  return { dataBytesMax: Math.min(Number(left * 16n), Number.MAX_SAFE_INTEGER) }
}

/** @throws `CryptokiError` `CKR_MECHANISM_PARAM_INVALID`. */
export function cipherMeaning(offered: Offered, does: CipherDoes, given: Given): CipherMeaning {
  const read = CIPHER_READERS[offered.row.parameter]
  if (read === undefined) throw parameterInvalid(offered, `${offered.row.parameter} is not read`)
  return read(offered, given, does.cipher, cipherRow(does.cipher))
}

type SignatureDoes = Extract<Does, { kind: 'signature' }>
type ReadSignature = (offered: Offered, given: Given, does: SignatureDoes) => SignatureMechanism

const SIGNATURE_READERS: Readonly<Record<string, ReadSignature>> = {
  none: (offered, given, { scheme, hash }) => {
    assertNone(offered, given)
    const { input } = signatureRow(scheme)
    const digested = input === 'digest' && hash === undefined
    return { scheme, hash, digested, encoding: 'raw' }
  },

  CK_RSA_PKCS_PSS_PARAMS: (offered, given, { scheme, hash }) => {
    const fields = neededFields<'CK_RSA_PKCS_PSS_PARAMS'>(offered, given)
    const [named, mgfHash] = [
      hashNumbered(offered, fields.hashAlg),
      maskNumbered(offered, fields.mgf),
    ]
    if (hash !== undefined && named !== hash) {
      throw parameterInvalid(offered, `hashAlg is ${named}, the mechanism's hash is ${hash}`)
    }
    return { scheme, hash: named, digested: hash === undefined, mgfHash, saltBytes: fields.sLen }
  },

  CK_EDDSA_PARAMS: (offered, given, { scheme }) => {
    const fields = fieldsGiven<'CK_EDDSA_PARAMS'>(offered, given)
    const context = contextOf(offered, fields?.pContextData)
    return { scheme, context, ...(fields?.phFlag && { prehashed: true }) }
  },

  CK_SIGN_ADDITIONAL_CONTEXT: (offered, given, { scheme, hash }) => {
    const fields = fieldsGiven<'CK_SIGN_ADDITIONAL_CONTEXT'>(offered, given)
    const context = contextOf(offered, fields?.pContext)
    return { scheme, hash, context, ...hedge(offered, fields?.hedgeVariant) }
  },

  CK_HASH_SIGN_ADDITIONAL_CONTEXT: (offered, given, { scheme }) => {
    const fields = neededFields<'CK_HASH_SIGN_ADDITIONAL_CONTEXT'>(offered, given)
    const hash = hashNumbered(offered, fields.hash)
    const context = contextOf(offered, fields.pContext)
    return { scheme, hash, digested: true, context, ...hedge(offered, fields.hedgeVariant) }
  },
}

const CONTEXT_BYTES_MAX = 255

function contextOf(offered: Offered, context: Uint8Array | undefined): Uint8Array | undefined {
  if (context === undefined || context.length <= CONTEXT_BYTES_MAX) return context
  throw parameterInvalid(offered, `a context of ${CONTEXT_BYTES_MAX} bytes at most`)
}

/** Signatures are hedged unless that is forbidden. */
function hedge(
  offered: Offered,
  variant: number = CKH.HEDGE_PREFERRED,
): Pick<SignatureMechanism, 'deterministic'> {
  if (variant === CKH.HEDGE_PREFERRED || variant === CKH.HEDGE_REQUIRED) return {}
  if (variant === CKH.DETERMINISTIC_REQUIRED) return { deterministic: true }
  throw parameterInvalid(offered, `there is no hedgeVariant ${variant}`)
}

/** @throws `CryptokiError` `CKR_MECHANISM_PARAM_INVALID`. */
export function signatureMeaning(
  offered: Offered,
  does: SignatureDoes,
  given: Given,
): SignatureMechanism {
  const read = SIGNATURE_READERS[offered.row.parameter]
  if (read === undefined) throw parameterInvalid(offered, `${offered.row.parameter} is not read`)
  return read(offered, given, does)
}

/** @throws `CryptokiError` `CKR_MECHANISM_PARAM_INVALID` when the salt does not fit the key. */
export function assertSaltFits(
  offered: Offered,
  mechanism: SignatureMechanism,
  bits: number,
): void {
  const { hash, saltBytes } = mechanism
  if (saltBytes === undefined || hash === undefined) return
  // RFC 8017 §9.1.1, step 3.
  const max = Math.ceil((bits - 1) / 8) - hashRow(hash).bytes - 2
  if (saltBytes <= max) return
  throw parameterInvalid(offered, `a salt of ${max} bytes at most, not ${saltBytes}`)
}

/** @throws `CryptokiError` `CKR_MECHANISM_PARAM_INVALID` when the key takes no context string. */
export function assertContextFits(
  offered: Offered,
  { scheme, context, prehashed }: SignatureMechanism,
  { algorithm }: KeySpec,
): void {
  if (prehashed) return
  if (context === undefined || context.length === 0 || !isPair(algorithm)) return
  if (isNodeType(signatureRow(scheme).context ?? [], pairRow(algorithm).node)) return
  throw parameterInvalid(offered, `${algorithm} takes no context string`)
}

type MacDoes = Extract<Does, { kind: 'mac' }>

/** @throws `CryptokiError` `CKR_MECHANISM_PARAM_INVALID`. */
export function macMeaning(
  offered: Offered,
  { mac, general }: MacDoes,
  given: Given,
): MacMechanism {
  const row = macRow(mac)
  if (row.nonce) {
    const nonce = bytesGiven(offered, given)
    if (nonce.length > 0 && nonce.length <= NONCE_BYTES_MAX) return { mac, nonce }
    throw parameterInvalid(offered, `an IV of 1 to ${NONCE_BYTES_MAX} bytes, not ${nonce.length}`)
  }
  if (!general) {
    assertNone(offered, given)
    return { mac }
  }
  const bytes = ulongGiven(offered, given)
  if (bytes >= 1 && bytes <= row.bytes) return { mac, bytes }
  throw parameterInvalid(offered, `a MAC of 1 to ${row.bytes} bytes, not ${bytes}`)
}

/** @throws `CryptokiError` `CKR_MECHANISM_PARAM_INVALID`. */
export function assertNoParameter(offered: Offered, given: Given): void {
  assertNone(offered, given)
}
