/**
 * `claviger sym|rsa encrypt|decrypt` and `rsa|ec sign|sign-verify`, on files; `ec encrypt|decrypt`
 * is in `family-ecies.ts`.
 *
 * KMIP 2.1 §6.1 by name of the operation. What is written for a symmetric key is nonce, ciphertext
 * and tag, one behind the other. RSA signs with PSS and SHA-256, elliptic curves as the curve asks.
 *
 * @module
 */
import { basename, join, parse } from 'node:path'
import { Command } from 'commander'
import type { KmipClient } from '#clients/kmip/client.ts'
import { cipherOfKmip, cipherRow, HASHES, type Hash, hashRow } from '#spec/algorithms.ts'
import {
  BlockCipherMode,
  HashingAlgorithm,
  PaddingMethod,
  ValidityIndicator,
} from '#spec/kmip/enumerations.ts'
import type { CryptographicParameters } from '#spec/kmip/structures.ts'
import { chosen } from './algorithms.ts'
import { hexBytes, readFile, writeOutput } from './bytes.ts'
import { withClient, withServer } from './environment.ts'
import { type Family, findIn, type KeyOptions, withKey } from './family.ts'
import { type Envelope, KEY_ENCRYPTIONS, openEnvelope, sealEnvelope } from './family-envelope.ts'
import { unwrapFrom, wrapFor } from './family-rsa-wrap.ts'
import { callInParts } from './in-parts.ts'
import { print, UsageError } from './output.ts'

export interface FileOptions extends KeyOptions {
  readonly outputFile?: string | undefined
}

/** Beside the whole name: other files of that name are signed as well. */
const SIGNATURE = '.sig'
const NOTHING = new Uint8Array(0)

/** A command that works on a file with a key. */
export function fileCommand(name: string, what: string): Command {
  return withServer(withKey(new Command(name)))
    .description(what)
    .argument('<file>', 'where the data is; - for standard input')
    .option('-o, --output-file <file>', 'where the result goes; default: beside the data')
}

const STANDARD_INPUT = 0

export function dataOf(file: string): Buffer {
  return readFile(file === '-' ? STANDARD_INPUT : file)
}

/** As ckms has it: `secret.pem` becomes `secret.enc`, and that `secret.plain`. */
function besideOf(file: string, suffix: string): string {
  if (suffix === SIGNATURE) return `${file}${suffix}`
  const { dir, name } = parse(file)
  const out = join(dir, `${name}${suffix}`)
  if (out !== join(dir, basename(file))) return out
  throw new UsageError(`${file}: the result would take its place; say --output-file`)
}

/** Writes the result, and says where it is. */
export function writeFor(
  bytes: Uint8Array,
  file: string,
  suffix: string,
  { outputFile, json }: FileOptions,
): void {
  const out = outputFile ?? (file === '-' ? '-' : besideOf(file, suffix))
  writeOutput(bytes, { out })
  if (out !== '-') print(json, { file: out }, () => `Written to ${out}`)
}

/** Ciphers of a symmetric key, and how their bytes lie in a file. */
const CIPHERS = {
  'aes-gcm': {
    parameters: { blockCipherMode: BlockCipherMode.GCM, tagLength: 16 },
    algorithm: 'AES',
  },
  'aes-cbc': {
    parameters: { blockCipherMode: BlockCipherMode.CBC, paddingMethod: PaddingMethod.PKCS5 },
    algorithm: 'AES',
  },
  'aes-xts': { parameters: { blockCipherMode: BlockCipherMode.XTS }, algorithm: 'AES' },
  'chacha20-poly1305': {
    parameters: { blockCipherMode: BlockCipherMode.AEAD, tagLength: 16 },
    algorithm: 'ChaCha20Poly1305',
  },
} as const
const CIPHER_NAMES = Object.keys(CIPHERS) as (keyof typeof CIPHERS)[]

/** Lengths of nonce and tag in the file. */
function layout(name: keyof typeof CIPHERS): { readonly iv: number; readonly tag: number } {
  const { parameters, algorithm } = CIPHERS[name]
  const padding = 'paddingMethod' in parameters ? parameters.paddingMethod : undefined
  const cipher = cipherOfKmip(algorithm, parameters.blockCipherMode, padding)
  if (cipher === undefined) throw new UsageError(`${name}: this cipher is not offered`)
  const { ivBytes, tagBytes } = cipherRow(cipher)
  return { iv: ivBytes[0] ?? 0, tag: tagBytes === undefined ? 0 : 16 }
}

interface SymOptions extends FileOptions {
  readonly dataEncryptionAlgorithm: string
  readonly keyEncryptionAlgorithm?: string | undefined
  readonly nonce?: string | undefined
  readonly authenticationData?: string | undefined
}

function symOptions(command: Command): Command {
  return command
    .option('-d, --data-encryption-algorithm <name>', CIPHER_NAMES.join(', '), 'aes-gcm')
    .option(
      '-e, --key-encryption-algorithm <name>',
      `make a key for this file alone, and wrap it: ${KEY_ENCRYPTIONS.join(', ')}`,
    )
    .option('-a, --authentication-data <hex>', 'additional data that is authenticated')
}

const SYM_NOTE = `
Without --output-file letter.txt becomes letter.enc, and letter.enc letter.plain.
The file has the nonce, the ciphertext and the tag, one behind the other. With
--key-encryption-algorithm the data stays here: it is encrypted with a new key, and only that goes
to the server, which wraps it; the wrapped key stands first in the file. Not there: aes-gcm-siv.`

type CipherName = (typeof CIPHER_NAMES)[number]

/** What the options of a symmetric key ask for. */
interface SymWish {
  readonly cipher: CipherName
  readonly nonce: Uint8Array | undefined
  readonly aad: Uint8Array | undefined
  /** Of the key of the file, where it shall have one. */
  readonly keyEncryption: Envelope['keyEncryption'] | undefined
}

function wishOf(options: SymOptions): SymWish {
  const { dataEncryptionAlgorithm, keyEncryptionAlgorithm: wrapping } = options
  return {
    cipher: chosen(CIPHER_NAMES, dataEncryptionAlgorithm, '--data-encryption-algorithm'),
    nonce: hexBytes(options.nonce, '--nonce'),
    aad: hexBytes(options.authenticationData, '--authentication-data'),
    keyEncryption:
      wrapping === undefined
        ? undefined
        : chosen(KEY_ENCRYPTIONS, wrapping, '--key-encryption-algorithm'),
  }
}

function envelopeOf(id: string, { cipher, keyEncryption, nonce, aad }: SymWish) {
  return keyEncryption && { id, keyEncryption, dataEncryption: cipher, nonce, aad }
}

/** @returns What goes into the file. */
async function sealed(
  client: KmipClient,
  id: string,
  wish: SymWish,
  data: Uint8Array,
): Promise<Uint8Array> {
  const envelope = envelopeOf(id, wish)
  if (envelope !== undefined) return sealEnvelope(client, envelope, data)
  const { cipher, nonce, aad } = wish
  const { parameters } = CIPHERS[cipher]
  const answer = await callInParts(client, 'Encrypt', {
    uniqueIdentifier: id,
    cryptographicParameters: nonce === undefined ? { ...parameters, randomIV: true } : parameters,
    data,
    ivCounterNonce: nonce,
    authenticatedEncryptionAdditionalData: aad,
  })
  return Buffer.concat([
    answer.ivCounterNonce ?? nonce ?? NOTHING,
    answer.data ?? NOTHING,
    answer.authenticatedEncryptionTag ?? NOTHING,
  ])
}

/** @throws UsageError where a file of this name is too short to be one. */
async function opened(
  client: KmipClient,
  id: string,
  wish: SymWish,
  { file, all }: { readonly file: string; readonly all: Buffer },
): Promise<Uint8Array> {
  const envelope = envelopeOf(id, wish)
  if (envelope !== undefined) return openEnvelope(client, envelope, all)
  const { cipher, aad } = wish
  const { iv, tag } = layout(cipher)
  if (all.length < iv + tag) {
    const what = `it has ${all.length} bytes, nonce and tag alone have ${iv + tag}`
    throw new UsageError(`${file}: cannot be decrypted as ${cipher}: ${what}`)
  }
  const answer = await callInParts(client, 'Decrypt', {
    uniqueIdentifier: id,
    cryptographicParameters: CIPHERS[cipher].parameters,
    data: all.subarray(iv, all.length - tag),
    ivCounterNonce: iv === 0 ? undefined : all.subarray(0, iv),
    authenticatedEncryptionTag: tag === 0 ? undefined : all.subarray(all.length - tag),
    authenticatedEncryptionAdditionalData: aad,
  })
  return answer.data ?? NOTHING
}

export function symEncrypt(family: Family): Command {
  return symOptions(fileCommand('encrypt', 'encrypt a file with a symmetric key'))
    .option('-n, --nonce <hex>', 'the nonce; default: the server makes a random one')
    .addHelpText(
      'after',
      `${SYM_NOTE}

Examples:
  claviger sym encrypt --key-id first letter.txt
  claviger sym encrypt -k first -d aes-cbc -o letter.enc letter.txt`,
    )
    .action(async (file: string, _options, command: Command) => {
      const options = command.optsWithGlobals<SymOptions>()
      const wish = wishOf(options)
      const data = dataOf(file)
      const result = await withClient(options, async (client) => {
        const { id } = await findIn(client, family, options)
        return sealed(client, id, wish, data)
      })
      writeFor(result, file, '.enc', options)
    })
}

export function symDecrypt(family: Family): Command {
  return symOptions(fileCommand('decrypt', 'decrypt a file with a symmetric key'))
    .addHelpText(
      'after',
      `${SYM_NOTE}

Examples:
  claviger sym decrypt --key-id first letter.enc
  claviger sym decrypt -k first -d aes-cbc -o letter.txt letter.enc`,
    )
    .action(async (file: string, _options, command: Command) => {
      const options = command.optsWithGlobals<SymOptions>()
      const wish = wishOf(options)
      const all = dataOf(file)
      const data = await withClient(options, async (client) => {
        const { id } = await findIn(client, family, options)
        return opened(client, id, wish, { file, all })
      })
      writeFor(data, file, '.plain', options)
    })
}

interface RsaOptions extends FileOptions {
  readonly encryptionAlgorithm: string
  readonly hashingAlgorithm: string
}

/** With an AES key in between, for files of any length. */
const HYBRID = 'ckm-rsa-aes-key-wrap'
const RSA_CIPHERS = {
  'ckm-rsa-pkcs': PaddingMethod.PKCS1V1_5,
  'ckm-rsa-pkcs-oaep': PaddingMethod.OAEP,
  [HYBRID]: PaddingMethod.OAEP,
} as const
const RSA_NAMES = Object.keys(RSA_CIPHERS) as (keyof typeof RSA_CIPHERS)[]
const HASH_NAMES = Object.keys(HASHES) as Hash[]

function hashNumber(text: string): HashingAlgorithm {
  const name = chosen(HASH_NAMES, text.replace(/^sha(\d{3})$/i, 'SHA-$1'), '--hashing-algorithm')
  return hashRow(name).kmip
}

function rsaParameters({ encryptionAlgorithm, hashingAlgorithm }: RsaOptions) {
  const name = chosen(RSA_NAMES, encryptionAlgorithm, '--encryption-algorithm')
  const paddingMethod = RSA_CIPHERS[name]
  if (paddingMethod !== PaddingMethod.OAEP) return { paddingMethod }
  const number = hashNumber(hashingAlgorithm)
  return { paddingMethod, hashingAlgorithm: number, maskGeneratorHashingAlgorithm: number }
}

function rsaCommand(family: Family, verb: 'encrypt' | 'decrypt'): Command {
  const [operation, half, suffix] =
    verb === 'encrypt'
      ? (['Encrypt', 'public', '.enc'] as const)
      : (['Decrypt', 'private', '.plain'] as const)
  return fileCommand(verb, `${verb} a file with an RSA key`)
    .option('-e, --encryption-algorithm <name>', RSA_NAMES.join(', '), 'ckm-rsa-pkcs-oaep')
    .option('-s, --hashing-algorithm <hash>', 'hash of OAEP: sha1, sha256, sha3-256 ...', 'sha256')
    .addHelpText(
      'after',
      `
The name of either half will do. The data must be shorter than the key; of any length it may be
with ckm-rsa-aes-key-wrap, which encrypts it here with a new AES key, and that with the RSA key.
Without --output-file letter.txt becomes letter.enc, and letter.enc letter.plain.

Examples:
  claviger rsa ${verb} --key-id web --encryption-algorithm ckm-rsa-pkcs-oaep FILE
  claviger rsa ${verb} -k web -e ckm-rsa-pkcs -o result FILE`,
    )
    .action(async (file: string, _options, command: Command) => {
      const options = command.optsWithGlobals<RsaOptions>()
      const cryptographicParameters = rsaParameters(options)
      const input = dataOf(file)
      const isHybrid = options.encryptionAlgorithm === HYBRID
      const data = await withClient(options, async (client) => {
        const { id } = await findIn(client, family, options, half)
        const use = { id, cryptographicParameters }
        if (isHybrid && verb === 'encrypt') return wrapFor(client, use, input)
        if (isHybrid) return unwrapFrom(client, use, input)
        const { id: uniqueIdentifier } = use
        const wish = { uniqueIdentifier, cryptographicParameters, data: input }
        return (await client.call(operation, wish)).data ?? NOTHING
      })
      writeFor(data, file, suffix, options)
    })
}

export function rsaEncrypt(family: Family): Command {
  return rsaCommand(family, 'encrypt')
}

export function rsaDecrypt(family: Family): Command {
  return rsaCommand(family, 'decrypt')
}

interface SignOptions extends FileOptions {
  readonly digested: boolean
}

/** PSS and SHA-256 for RSA; the server knows what a curve asks for. */
function signatureParameters({ name }: Family): CryptographicParameters | undefined {
  if (name !== 'rsa') return undefined
  const hashingAlgorithm = HashingAlgorithm.SHA_256
  return { paddingMethod: PaddingMethod.PSS, hashingAlgorithm }
}

function signed(data: Uint8Array, digested: boolean) {
  return digested ? { digestedData: data } : { data }
}

export function familySign(family: Family): Command {
  return fileCommand('sign', 'sign a file with a private key')
    .option('--digested', 'the file has the digest already', false)
    .addHelpText(
      'after',
      `
Examples:
  claviger ${family.name} sign --key-id signer letter.txt
  claviger ${family.name} sign -k signer -o letter.sig letter.txt`,
    )
    .action(async (file: string, _options, command: Command) => {
      const options = command.optsWithGlobals<SignOptions>()
      const data = dataOf(file)
      const { signatureData = NOTHING } = await withClient(options, async (client) => {
        const { id } = await findIn(client, family, options, 'private')
        return callInParts(client, 'Sign', {
          uniqueIdentifier: id,
          cryptographicParameters: signatureParameters(family),
          ...signed(data, options.digested),
        })
      })
      writeFor(signatureData, file, SIGNATURE, options)
    })
}

export function familyVerify(family: Family): Command {
  return withServer(withKey(new Command('sign-verify')))
    .description('check the signature of a file; the exit code is 1 when it is not valid')
    .argument('<file>', 'where the data is; - for standard input')
    .argument('<signature>', 'file with the signature')
    .option('--digested', 'the file has the digest already', false)
    .addHelpText(
      'after',
      `
Examples:
  claviger ${family.name} sign-verify --key-id signer letter.txt letter.txt.sig`,
    )
    .action(async (file: string, signature: string, _options, command: Command) => {
      const options = command.optsWithGlobals<SignOptions>()
      const [data, signatureData] = [dataOf(file), readFile(signature)]
      const { id, valid } = await withClient(options, async (client) => {
        const found = await findIn(client, family, options, 'public')
        const { validityIndicator } = await callInParts(client, 'SignatureVerify', {
          uniqueIdentifier: found.id,
          cryptographicParameters: signatureParameters(family),
          signatureData,
          ...signed(data, options.digested),
        })
        return { id: found.id, valid: validityIndicator === ValidityIndicator.Valid }
      })
      print(options.json, { key: id, valid }, () => (valid ? 'valid' : 'not valid'))
      if (!valid) process.exitCode = 1
    })
}
