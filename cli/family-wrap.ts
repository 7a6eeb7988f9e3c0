/**
 * `claviger rsa|ec|sym keys wrap|unwrap`, on files.
 *
 * RFC 5649 here, or KMIP 2.1 Encrypt and Decrypt with a key on the server.
 *
 * @module
 */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { Command } from 'commander'
import { BlockCipherMode } from '#spec/kmip/enumerations.ts'
import { readFile, writeOutput } from './bytes.ts'
import { type ClientOptions, withClient, withServer } from './environment.ts'
import type { Family } from './family.ts'
import { print, RefusedError, UsageError } from './output.ts'
import { findHalf } from './references.ts'

interface WrapOptions extends ClientOptions {
  readonly keyId?: string | undefined
  readonly keyB64?: string | undefined
  readonly keyFile?: string | undefined
}

/** RFC 5649 §3: the initial value of key wrap with padding. */
const KWP_IV = Buffer.from('a65959a6', 'hex')
const KWP = { blockCipherMode: BlockCipherMode.AESKeyWrapPadding } as const

function kwpName(key: Buffer): string {
  if ([16, 24, 32].includes(key.length)) return `id-aes${key.length * 8}-wrap-pad`
  throw new UsageError(`The wrapping key has ${key.length} bytes; an AES key has 16, 24 or 32`)
}

function kwp(key: Buffer, data: Buffer, verb: 'wrap' | 'unwrap'): Buffer {
  const make = verb === 'wrap' ? createCipheriv : createDecipheriv
  try {
    const cipher = make(kwpName(key), key, KWP_IV)
    return Buffer.concat([cipher.update(data), cipher.final()])
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new RefusedError(`Cannot ${verb}: the key or the data is wrong`, { cause: error })
  }
}

export function wrapFile(family: Family, verb: 'wrap' | 'unwrap'): Command {
  const operation = verb === 'wrap' ? 'Encrypt' : 'Decrypt'
  return withServer(new Command(verb))
    .description(`${verb} the bytes of a key in a file, by AES key wrap with padding (RFC 5649)`)
    .argument('<in>', 'where it is')
    .argument('[out]', `where the result goes; default: the same with .${verb}ped behind it`)
    .option(`-i, --${verb}-key-id <id>`, 'AES key on the server; it does not leave')
    .option(`-k, --${verb}-key-b64 <key>`, 'AES key in Base64')
    .option(`-f, --${verb}-key-file <file>`, 'file with the bytes of an AES key')
    .addHelpText(
      'after',
      `
Not there yet: keys from a password, and files in JSON.

Examples:
  claviger ${family.name} keys ${verb} --${verb}-key-id kek key.bin result.bin
  claviger ${family.name} keys ${verb} -f kek.bin key.bin`,
    )
    .action(async (from: string, to: string | undefined, _options, command: Command) => {
      const all = command.optsWithGlobals<ClientOptions & Record<string, string | undefined>>()
      const options: WrapOptions = {
        ...all,
        keyId: all[`${verb}KeyId`],
        keyB64: all[`${verb}KeyB64`],
        keyFile: all[`${verb}KeyFile`],
      }
      const data = readFile(from)
      const result = await transformed(data, options, verb, operation)
      const out = to ?? `${from}.${verb}ped`
      writeOutput(result, { out })
      if (out !== '-') print(options.json, { file: out }, () => `Written to ${out}`)
    })
}

async function transformed(
  data: Buffer,
  options: WrapOptions,
  verb: 'wrap' | 'unwrap',
  operation: 'Encrypt' | 'Decrypt',
): Promise<Uint8Array> {
  const { keyId, keyB64, keyFile } = options
  if ([keyId, keyB64, keyFile].filter((one) => one !== undefined).length !== 1) {
    throw new UsageError(`Give one of --${verb}-key-id, --${verb}-key-b64, --${verb}-key-file`)
  }
  if (keyB64 !== undefined) return kwp(Buffer.from(keyB64, 'base64'), data, verb)
  if (keyFile !== undefined) return kwp(readFile(keyFile), data, verb)
  return withClient(options, async (client) => {
    const { id } = await findHalf(client, keyId as string, 'private')
    const answer = await client.call(operation, {
      uniqueIdentifier: id,
      cryptographicParameters: KWP,
      data,
    })
    return answer.data ?? new Uint8Array(0)
  })
}
