/**
 * What a person sees, and what a machine reads.
 *
 * Every command has a result, which is printed as a table or a few lines, or with `--json` as one
 * JSON value. Errors say what could not be done and why, on standard error; with `--json` as an
 * object.
 *
 * @module
 */
import { styleText } from 'node:util'
import { KmipConnectionError, KmipError } from '#clients/kmip/errors.ts'
import { KmsError } from '#core/errors.ts'
import { ConfigError } from '#server/config.ts'
import { LockedError } from '#server/lock.ts'
import { fileTrouble } from './system-errors.ts'

/** A row of a table: columns by title. */
export type Row = Readonly<Record<string, string | number | undefined>>

/** Columns as wide as their longest cell, two spaces between. */
export function table(rows: readonly Row[]): string {
  const [first] = rows
  if (first === undefined) return ''
  const titles = Object.keys(first)
  const cells = rows.map((row) => titles.map((title) => visible(String(row[title] ?? ''))))
  const widths = titles.map((title, column) => {
    return Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0))
  })
  const line = (row: readonly string[]): string => {
    return row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  }
  const head = styleText('bold', line(titles.map((title) => title.toUpperCase())), {
    stream: process.stdout,
  })
  return [head, ...cells.map(line)].join('\n')
}

/** Names and values, one a line. */
export function list(values: Readonly<Record<string, string | number | undefined>>): string {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined && value !== '')
  const width = Math.max(0, ...entries.map(([name]) => name.length))
  const lines = entries.map(([name, value]) => `${name.padEnd(width)}  ${visible(String(value))}`)
  return lines.join('\n')
}

/**
 * A name or a message as it may stand in a terminal: clients choose names, which begin no line
 * there and move no cursor.
 */
export function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (one) => {
    return `\\u{${one.codePointAt(0)?.toString(16)}}`
  })
}

/** `2026-11-21 12:30:05` in UTC. */
export function date(seconds: number | undefined): string {
  if (seconds === undefined || !Number.isFinite(seconds)) return ''
  return new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ')
}

/** Prints a result; bytes and big numbers become text in JSON. */
export function print(json: boolean, value: unknown, text: () => string): void {
  const output = json ? JSON.stringify(value, jsonValue, 2) : text()
  if (output !== '') process.stdout.write(`${output}\n`)
}

function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  // Buffers have become objects by the time they come here.
  const buffer = value as { type?: string; data?: readonly number[] } | null
  if (buffer?.type === 'Buffer' && buffer.data !== undefined)
    return Buffer.from(buffer.data).toString('hex')
  return value
}

/** Something the user has to put right. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** What was asked for cannot be done as things are; the message says what to do instead. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
}

/** Prints an error and sets the exit code: 2 for wrong usage, 1 for everything else. */
export function fail(error: unknown, json: boolean): void {
  const known = expected(error)
  const message = known ? messageOf(error as Error) : ((error as Error).stack ?? String(error))
  const reason = error instanceof KmipError ? error.reasonName : undefined
  if (json) process.stderr.write(`${JSON.stringify({ error: { message, reason } })}\n`)
  else {
    const label = styleText('red', 'error:', { stream: process.stderr })
    const lines = message.split('\n').map((line) => `${label} ${visible(line)}`)
    process.stderr.write(`${lines.join('\n')}${reason === undefined ? '' : ` (${reason})`}\n`)
  }
  process.exitCode = error instanceof UsageError || error instanceof ConfigError ? 2 : 1
}

/** Failures that are explained by their message alone. */
function expected(error: unknown): boolean {
  const kinds = [
    KmipError,
    KmipConnectionError,
    KmsError,
    ConfigError,
    LockedError,
    UsageError,
    RefusedError,
  ]
  return kinds.some((kind) => error instanceof kind) || isSystemError(error)
}

/** Of the system in words where they are known. */
function messageOf(error: Error): string {
  return (isSystemError(error) && fileTrouble(error)) || error.message
}

/** A file that is not there, an address in use. */
function isSystemError(error: unknown): boolean {
  return typeof (error as NodeJS.ErrnoException).syscall === 'string'
}
