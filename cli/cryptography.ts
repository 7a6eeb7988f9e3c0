/**
 * `claviger encrypt`, `decrypt`, `sign`, `verify`, `mac`, `hash` and `random`.
 *
 * KMIP 2.1 §6.1 by name of the operation. Keys stay on the server; data goes there and comes back.
 * What the options leave open follows from the key's algorithm: AES works in GCM, RSA encrypts with
 * OAEP and SHA-256 and signs as PKCS#1 v1.5 does.
 *
 * @module
 */
import { Command } from 'commander'
import type { KmipClient } from '#clients/kmip/client.ts'
import { HASHES, type Hash, hashRow, MACS, macRow } from '#spec/algorithms.ts'
import {
  BlockCipherMode,
  CryptographicAlgorithm,
  PaddingMethod,
  ValidityIndicator,
} from '#spec/kmip/enumerations.ts'
import type { CryptographicParameters } from '#spec/kmip/structures.ts'
import { chosen } from './algorithms.ts'
import {
  assertOutput,
  giveOutput,
  hexBytes,
  type InputOptions,
  type OutputOptions,
  readInput,
  textBytes,
  wholeNumber,
  withInput,
  withOutput,
} from './bytes.ts'
import { type ClientOptions, withClient, withServer } from './environment.ts'
import { callInParts } from './in-parts.ts'
import { print, RefusedError, UsageError } from './output.ts'
import { type Found, findHalf, findKey, KEY_HELP, valueIn } from './references.ts'
import { packSealed, unpackSealed } from './sealed.ts'

type DataOptions = ClientOptions & InputOptions & OutputOptions

interface CipherOptions extends DataOptions {
  readonly key: string
  readonly mode?: string | undefined
  readonly padding?: string | undefined
  readonly hash?: string | undefined
  readonly iv?: string | undefined
  readonly aad?: string | undefined
  readonly tag?: string | undefined
}

const NOTHING = new Uint8Array(0)
const HASH_NAMES = Object.keys(HASHES) as Hash[]
const MODES = Object.keys(BlockCipherMode) as (keyof typeof BlockCipherMode)[]
const PADDINGS = Object.keys(PaddingMethod) as (keyof typeof PaddingMethod)[]

/** How keys of an algorithm encrypt where nobody says. */
const USUAL: Readonly<Record<number, CryptographicParameters>> = {
  [CryptographicAlgorithm.AES]: { blockCipherMode: BlockCipherMode.GCM, tagLength: 16 },
  [CryptographicAlgorithm.DES3]: {
    blockCipherMode: BlockCipherMode.CBC,
    paddingMethod: PaddingMethod.PKCS5,
  },
  [CryptographicAlgorithm.ChaCha20]: { blockCipherMode: BlockCipherMode.AEAD, tagLength: 16 },
  [CryptographicAlgorithm.ChaCha20Poly1305]: {
    blockCipherMode: BlockCipherMode.AEAD,
    tagLength: 16,
  },
  [CryptographicAlgorithm.RSA]: {
    paddingMethod: PaddingMethod.OAEP,
    hashingAlgorithm: HASHES.SHA_256.kmip,
    maskGeneratorHashingAlgorithm: HASHES.SHA_256.kmip,
  },
}

/** Modes whose data must be filled up to whole blocks. */
const PADDED: readonly number[] = [BlockCipherMode.CBC, BlockCipherMode.ECB]

function cipherParameters(found: Found, options: CipherOptions): CryptographicParameters {
  const usual = USUAL[valueIn(found.attributes, 'cryptographicAlgorithm') ?? 0] ?? {}
  const { mode, padding } = options
  const blockCipherMode =
    mode === undefined ? undefined : BlockCipherMode[chosen(MODES, mode, '--mode')]
  const filled = PADDED.includes(blockCipherMode ?? 0) ? PaddingMethod.PKCS5 : undefined
  const paddingMethod =
    padding === undefined ? filled : PaddingMethod[chosen(PADDINGS, padding, '--padding')]
  const ofMode = blockCipherMode === undefined ? usual : { blockCipherMode }
  const ofPadding = paddingMethod === undefined ? {} : { paddingMethod }
  const { hash } = options
  const number = hash === undefined ? undefined : hashNumber(hash)
  const ofHash =
    number === undefined ? {} : { hashingAlgorithm: number, maskGeneratorHashingAlgorithm: number }
  return { ...ofMode, ...ofPadding, ...ofHash }
}

function hashNumber(text: string) {
  return hashRow(chosen(HASH_NAMES, text, '--hash')).kmip
}

function cipherOptions(command: Command): Command {
  return withServer(withOutput(withInput(command)))
    .requiredOption('--key <name>', KEY_HELP)
    .option('--mode <mode>', 'block cipher mode, such as GCM, CBC, CTR; default for AES: GCM')
    .option('--padding <method>', 'padding, such as PKCS5, OAEP; CBC and ECB: PKCS5')
    .option('--hash <hash>', 'RSA: hash of OAEP; default SHA-256')
    .option('--iv <hex>', 'initialisation vector; default: the server makes a random one')
    .option(
      '--aad <text>',
      'additional data that must be the same on decryption; hex:... for bytes',
    )
}

const LAYOUT = `
The output is "CLV1", one byte each with the lengths of IV and tag, the IV, the tag, the ciphertext.
It holds all that decrypt needs but the key and the options --mode, --padding, --hash and --aad.
Before a server decrypts data with a tag it gathers all of it, up to its limits.bufferedBytesMax
(16 MiB); encrypt takes more.`

export const encrypt = cipherOptions(new Command('encrypt'))
  .description('encrypt data with a key')
  .addHelpText(
    'after',
    `${LAYOUT}
With --json: an object with key, iv, tag and data, the last three in Base64; with --out as well, the
file has the output, and the object key and file.

Examples:
  claviger encrypt --key first < letter.txt > letter.clv
  echo hello | claviger encrypt --key first --base64
  claviger encrypt --key first --in letter.txt --aad invoice-17 --out letter.clv
  claviger encrypt --key rsa1 --in key.bin --out key.clv`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<CipherOptions>()
    assertOutput(options, options.json)
    const iv = hexBytes(options.iv, '--iv')
    const aad = textBytes(options.aad, '--aad')
    const plain = await readInput(options)
    await withClient(options, async (client) => {
      const found = await findHalf(client, options.key, 'public')
      const parameters = cipherParameters(found, options)
      const answer = await callInParts(client, 'Encrypt', {
        uniqueIdentifier: found.id,
        cryptographicParameters: iv === undefined ? { ...parameters, randomIV: true } : parameters,
        data: plain,
        ivCounterNonce: iv,
        authenticatedEncryptionAdditionalData: aad,
      })
      const sealed = {
        iv: answer.ivCounterNonce ?? iv ?? NOTHING,
        tag: answer.authenticatedEncryptionTag ?? NOTHING,
        data: answer.data ?? NOTHING,
      }
      const { iv: usedIv, tag, data } = sealed
      const texts = { iv: base64(usedIv), tag: base64(tag), data: base64(data) }
      giveOutput(packSealed(sealed), options, { key: found.id }, texts)
    })
  })

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

export const decrypt = cipherOptions(new Command('decrypt'))
  .description('decrypt what encrypt has written, or bare ciphertext')
  .option('--tag <hex>', 'tag of bare ciphertext')
  .addHelpText(
    'after',
    `${LAYOUT}
With --iv or --tag the input is bare ciphertext. Where it was altered, nothing is written and the
exit code is 1 (modes without a tag, such as CBC and CTR, cannot tell).

Examples:
  claviger decrypt --key first < letter.clv > letter.txt
  claviger decrypt --key first --in letter.clv --aad invoice-17 --out letter.txt
  claviger decrypt --key first --iv 000102030405060708090a0b --tag 0f1e... --in bare.bin`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<CipherOptions>()
    const bare = options.iv !== undefined || options.tag !== undefined
    const iv = hexBytes(options.iv, '--iv') ?? NOTHING
    const tag = hexBytes(options.tag, '--tag') ?? NOTHING
    const aad = textBytes(options.aad, '--aad')
    const input = await readInput(options)
    const sealed = bare ? { iv, tag, data: input } : unpackSealed(input)
    await withClient(options, async (client) => {
      const found = await findHalf(client, options.key, 'private')
      const { data = NOTHING } = await callInParts(client, 'Decrypt', {
        uniqueIdentifier: found.id,
        cryptographicParameters: cipherParameters(found, options),
        data: sealed.data,
        ivCounterNonce: orNone(sealed.iv),
        authenticatedEncryptionTag: orNone(sealed.tag),
        authenticatedEncryptionAdditionalData: aad,
      })
      giveOutput(data, options, { key: found.id }, { data: base64(data) })
    })
  })

function orNone(bytes: Uint8Array): Uint8Array | undefined {
  return bytes.length === 0 ? undefined : bytes
}

interface SignOptions extends DataOptions {
  readonly key: string
  readonly hash?: string | undefined
  readonly padding?: string | undefined
  readonly digested: boolean
}

function signOptions(command: Command): Command {
  return withServer(withInput(command))
    .requiredOption('--key <name>', KEY_HELP)
    .option('--hash <hash>', 'hash of the signature; default SHA-256, or what the curve asks for')
    .option('--padding <method>', 'RSA: PSS or PKCS1V1_5 (default)')
    .option('--digested', 'the data is the digest already', false)
}

function signParameters({ hash, padding }: SignOptions): CryptographicParameters | undefined {
  if (hash === undefined && padding === undefined) return undefined
  return {
    ...(hash === undefined ? {} : { hashingAlgorithm: hashNumber(hash) }),
    ...(padding === undefined
      ? {}
      : { paddingMethod: PaddingMethod[chosen(PADDINGS, padding, '--padding')] }),
  }
}

/** The data, or the digest of it that was made elsewhere. */
function signed(data: Uint8Array, digested: boolean) {
  return digested ? { digestedData: data } : { data }
}

export const sign = withOutput(signOptions(new Command('sign')))
  .description('sign data with a private key')
  .addHelpText(
    'after',
    `
Examples:
  claviger keys create --name signer --algorithm Ed25519
  claviger sign --key signer --in file > file.sig
  claviger sign --key rsa1 --padding PSS --hash SHA-384 --in file --base64`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<SignOptions>()
    assertOutput(options, options.json)
    const data = await readInput(options)
    await withClient(options, async (client) => {
      const found = await findHalf(client, options.key, 'private')
      const { signatureData = NOTHING } = await callInParts(client, 'Sign', {
        uniqueIdentifier: found.id,
        cryptographicParameters: signParameters(options),
        ...signed(data, options.digested),
      })
      giveOutput(signatureData, options, { key: found.id }, { signature: base64(signatureData) })
    })
  })

interface VerifyOptions extends SignOptions {
  readonly signature: string
}

export const verify = signOptions(new Command('verify'))
  .description('check a signature; the exit code is 0 when it is valid and 1 when it is not')
  .requiredOption('--signature <file>', 'file with the signature')
  .addHelpText(
    'after',
    `
--key may name either half of the pair.

Examples:
  claviger verify --key signer --signature file.sig --in file
  claviger verify --key rsa1 --padding PSS --hash SHA-384 --signature file.sig < file`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<VerifyOptions>()
    const signatureData = await readInput({ in: options.signature })
    const data = await readInput(options)
    await withClient(options, async (client) => {
      const found = await findHalf(client, options.key, 'public')
      const { validityIndicator } = await callInParts(client, 'SignatureVerify', {
        uniqueIdentifier: found.id,
        cryptographicParameters: signParameters(options),
        signatureData,
        ...signed(data, options.digested),
      })
      sayValid(validityIndicator === ValidityIndicator.Valid, found, options.json)
    })
  })

function sayValid(valid: boolean, found: Found, json: boolean): void {
  print(json, { key: found.id, valid }, () => (valid ? 'valid' : 'not valid'))
  if (!valid) process.exitCode = 1
}

interface MacOptions extends DataOptions {
  readonly key: string
  readonly algorithm?: string | undefined
  readonly verify?: string | undefined
}

const MAC_NAMES = Object.keys(MACS) as (keyof typeof MACS)[]

export const mac = withServer(withOutput(withInput(new Command('mac'))))
  .description('make or check a message authentication code')
  .requiredOption('--key <name>', KEY_HELP)
  .option('--algorithm <mac>', 'such as HMAC-SHA256, AES-CMAC; default: that of an HMAC key')
  .option('--verify <hex>', 'check this code instead; the exit code is 0 when it is right, else 1')
  .addHelpText(
    'after',
    `
Examples:
  claviger keys create --name tags --algorithm HMAC-SHA256
  claviger mac --key tags --in file --hex
  claviger mac --key tags --in file --verify 5f2c...
  claviger mac --key aes1 --algorithm AES-CMAC --in file --hex     (needs --usage mac)`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<MacOptions>()
    const expected = hexBytes(options.verify, '--verify')
    if (expected === undefined) assertOutput(options, options.json)
    const cryptographicParameters = macParameters(options)
    const data = await readInput(options)
    await withClient(options, async (client) => {
      const found = await findKey(client, options.key)
      const request = { uniqueIdentifier: found.id, cryptographicParameters, data }
      if (expected !== undefined) {
        const answer = await callInParts(client, 'MACVerify', { ...request, macData: expected })
        return sayValid(answer.validityIndicator === ValidityIndicator.Valid, found, options.json)
      }
      const { macData = NOTHING } = await callInParts(client, 'MAC', request)
      giveOutput(macData, options, { key: found.id }, { mac: base64(macData) })
    })
  })

function macParameters({ algorithm }: MacOptions): CryptographicParameters | undefined {
  if (algorithm === undefined) return undefined
  const row = macRow(chosen(MAC_NAMES, algorithm, '--algorithm'))
  if (row.mode !== undefined) return { blockCipherMode: row.mode }
  if (row.kmip !== undefined) return { cryptographicAlgorithm: row.kmip }
  throw new UsageError(`--algorithm ${algorithm}: KMIP has no number for it`)
}

interface HashOptions extends DataOptions {
  readonly algorithm: string
}

export const hash = withServer(withOutput(withInput(new Command('hash'))))
  .description('hash data on the server')
  .option('--algorithm <hash>', 'such as SHA-256, SHA3-512', 'SHA-256')
  .addHelpText(
    'after',
    `
Examples:
  claviger hash --in file --hex
  claviger hash --algorithm SHA3-512 --base64 < file`,
  )
  .action(async (_options, command: Command) => {
    const options = command.optsWithGlobals<HashOptions>()
    assertOutput(options, options.json)
    const hashingAlgorithm = hashRow(chosen(HASH_NAMES, options.algorithm, '--algorithm')).kmip
    const data = await readInput(options)
    const digest = await withClient(options, async (client) => {
      return callInParts(client, 'Hash', { cryptographicParameters: { hashingAlgorithm }, data })
    })
    const { data: bytes = NOTHING } = digest
    giveOutput(bytes, options, {}, { hash: base64(bytes) })
  })

/** Most bytes of one command; the server gives them in parts. */
const RANDOM_BYTES_MAX = 16_777_216
/** Bytes of one request, well below what a server allows. */
const RANDOM_PART_BYTES = 65_536

export const random = withServer(withOutput(new Command('random')))
  .description("random bytes from the server's generator")
  .argument('[bytes]', 'how many', wholeNumber('random', 1, RANDOM_BYTES_MAX), 32)
  .addHelpText(
    'after',
    `
Examples:
  claviger random --hex
  claviger random 64 --base64
  claviger random 1024 --out seed.bin`,
  )
  .action(async (bytes: number, _options, command: Command) => {
    const options = command.optsWithGlobals<DataOptions>()
    assertOutput(options, options.json)
    const result = await withClient(options, (client) => randomBytes(client, bytes))
    giveOutput(result, options, {}, { random: base64(result) })
  })

async function randomBytes(client: KmipClient, bytes: number): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for (let left = bytes; left > 0; ) {
    const dataLength = Math.min(left, RANDOM_PART_BYTES)
    const { data } = await client.call('RNGRetrieve', { dataLength })
    if (data.length === 0) throw new RefusedError('The server gave no random bytes')
    parts.push(data)
    left -= data.length
  }
  return Buffer.concat(parts).subarray(0, bytes)
}
