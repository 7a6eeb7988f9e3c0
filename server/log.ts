/**
 * The log: on standard error, a line of text or a JSON object for each event.
 *
 * The same is not said again and again: `quiet.ts`.
 *
 * @module
 */
import { Writable } from 'node:stream'
import { type Logger, type LoggerOptions, pino } from 'pino'
import type { Config } from './config.ts'
import { type Line, Quiet, type Write } from './quiet.ts'

export type { Logger }

const LEVELS: Readonly<Record<number, string>> = {
  20: 'debug',
  30: 'info',
  40: 'WARN',
  50: 'ERROR',
}

/** @param stream Where it goes; standard error by default. */
export function createLog(
  options: Config['log'],
  stream: NodeJS.WritableStream = process.stderr,
  quiet: Quiet = new Quiet(),
): Logger {
  const { level, format } = options
  const settings: LoggerOptions = {
    level,
    base: null,
    errorKey: 'err',
    hooks: {
      logMethod(args, method, number) {
        const write: Write = (details, message) => method.call(this, details, message)
        if (quiet.admits(number, lineOf(args), write)) method.apply(this, args)
      },
    },
  }
  if (format === 'json') return withQuiet(pino({ ...settings, timestamp: isoTime }, stream), quiet)
  const text = new Writable({
    write(chunk: Buffer, _encoding, done) {
      stream.write(textLine(JSON.parse(chunk.toString()) as Entry))
      done()
    },
  })
  return withQuiet(pino(settings, text), quiet)
}

const QUIETS = new WeakMap<Logger, Quiet>()

function withQuiet(log: Logger, quiet: Quiet): Logger {
  QUIETS.set(log, quiet)
  return log
}

/** Writes how many lines were left out, of the minute that is not over. */
export function endLog(log: Logger): void {
  QUIETS.get(log)?.tell()
}

function isoTime(): string {
  return `,"time":"${new Date().toISOString()}"`
}

function lineOf([details, message]: readonly unknown[]): Line {
  return typeof details === 'string' ? [{}, details] : [details as object, String(message)]
}

interface Entry {
  readonly level: number
  readonly time: number
  readonly msg: string
  readonly err?: { readonly stack?: string; readonly message?: string }
  readonly [key: string]: unknown
}

/** `2026-11-21T12:30:01.207Z WARN a client was turned away peer=127.0.0.1`. */
function textLine({ level, time, msg, err, ...rest }: Entry): string {
  const clock = new Date(time).toISOString()
  const details = Object.entries(rest).map(([key, value]) => ` ${key}=${shown(value)}`)
  const trace = err === undefined ? '' : `\n${err.stack ?? err.message}`
  return `${clock} ${LEVELS[level] ?? level} ${inOneLine(msg + details.join(''))}${trace}\n`
}

/** Names that clients give stand in messages: they begin no line, and move no cursor. */
function inOneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (one) => {
    return `\\u{${one.codePointAt(0)?.toString(16)}}`
  })
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return /^[\w.:/-]+$/.test(text) ? text : JSON.stringify(text)
}
