/**
 * Data that goes in and comes out of commands: files, pipes, and bytes on the command line.
 *
 * Bytes are not written to a terminal, where they do harm: `--hex` and `--base64` make text of
 * them.
 *
 * @module
 */
import { closeSync, fchmodSync, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { type Command, Option } from 'commander'
import { print, UsageError } from './output.ts'

export interface InputOptions {
  readonly in?: string | undefined
}

export interface OutputOptions {
  readonly out?: string | undefined
  readonly hex?: boolean | undefined
  readonly base64?: boolean | undefined
}

export function withInput(command: Command): Command {
  return command.option('--in <file>', 'where the data is; default: standard input')
}

export function withOutput(command: Command): Command {
  return command
    .option('--out <file>', 'where the result goes; default: standard output')
    .addOption(new Option('--hex', 'write the result as hexadecimal text').conflicts('base64'))
    .option('--base64', 'write the result as Base64 text')
}

/** The data of a command. @throws `UsageError` when nobody would type it. */
export async function readInput({ in: path }: InputOptions): Promise<Buffer> {
  if (path !== undefined && path !== '-') return readFile(path)
  if (process.stdin.isTTY && path === undefined) {
    throw new UsageError('There is no data: name a file with --in, or send it through a pipe')
  }
  return buffer(process.stdin)
}

/** Reads a file; reading a folder would fail without saying which. */
export function readFile(path: string | number): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw Object.assign(error as Error, { path })
  }
}

/** Fails where the result could not be shown, before anything is done. */
export function assertOutput({ out, hex, base64 }: OutputOptions, json: boolean): void {
  if (out !== undefined || hex || base64 || json || !process.stdout.isTTY) return
  const hint = 'give --out FILE, --hex or --base64, or send it through a pipe'
  throw new UsageError(`Bytes are not written to a terminal; ${hint}`)
}

/** Mode of files with results: they may be secret. */
const PRIVATE_FILE = 0o600

/** Writes a result. */
export function writeOutput(bytes: Uint8Array, { out, hex, base64 }: OutputOptions): void {
  const encoding = hex ? 'hex' : base64 ? 'base64' : undefined
  const result = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const content = encoding === undefined ? result : `${result.toString(encoding)}\n`
  if (out === undefined || out === '-') process.stdout.write(content)
  else writePrivate(out, content)
}

/** Also where the file is there already, and others could read it. A device stays as it is. */
function writePrivate(path: string, content: string | Buffer): void {
  const file = openSync(path, 'w', PRIVATE_FILE)
  try {
    if (fstatSync(file).isFile()) fchmodSync(file, PRIVATE_FILE)
    writeFileSync(file, content)
  } finally {
    closeSync(file)
  }
}

/**
 * Gives a result: bytes for people and pipes; for machines JSON, which has the bytes where they do
 * not go to a file, and else the name of the file.
 *
 * @param known What JSON says beside the bytes.
 * @param texts The bytes in JSON.
 */
export function giveOutput(
  bytes: Uint8Array,
  options: OutputOptions & { readonly json: boolean },
  known: object,
  texts: object,
): void {
  const { json, out } = options
  const isFile = out !== undefined && out !== '-'
  if (isFile || !json) writeOutput(bytes, options)
  if (json) print(true, { ...known, ...(isFile ? { file: out } : texts) }, () => '')
}

/** Bytes in hexadecimal. @throws `UsageError`. */
export function hexBytes(text: string | undefined, option: string): Uint8Array | undefined {
  if (text === undefined) return undefined
  if (/^([0-9a-fA-F]{2})*$/.test(text)) return Buffer.from(text, 'hex')
  throw new UsageError(`${option} ${text}: must be hexadecimal, two digits a byte`)
}

/** Text as UTF-8, or bytes after `hex:`. @throws `UsageError`. */
export function textBytes(text: string | undefined, option: string): Uint8Array | undefined {
  if (text === undefined) return undefined
  return text.startsWith('hex:') ? hexBytes(text.slice(4), option) : Buffer.from(text, 'utf8')
}

/** Text that is not empty, as that of a variable may be that is not set. @throws `UsageError`. */
export function someText(option: string): (text: string) => string {
  return (text) => {
    if (text !== '') return text
    throw new UsageError(`${option}: is empty`)
  }
}

/** A whole number within bounds. @throws `UsageError`. */
export function wholeNumber(option: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const number = Number(text)
    if (/^\d+$/.test(text) && number >= min && number <= max) return number
    throw new UsageError(`${option} ${text}: must be a whole number from ${min} to ${max}`)
  }
}
