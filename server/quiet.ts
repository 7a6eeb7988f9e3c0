/**
 * How often the log says the same: whoever floods a port, or is refused in a loop, does not flood
 * the log.
 *
 * A line that is the same but for its time is written a few times a minute. Those that clients
 * cause may differ in every one, because clients choose what stands in them: of each kind there is
 * a number a minute whatever they say. What was left out is counted, and the numbers are written
 * when the minute is over.
 *
 * @module
 */

/** Details of an event, and what it is. */
export type Line = readonly [details: object, message: string]

/** Writes a line, at the level of those that it stands for. */
export type Write = (details: object, message: string) => void

export interface QuietOptions {
  readonly milliseconds: number
  /** Equal lines in that time. */
  readonly equalMax: number
  /** Lines in that time that clients cause, of one kind. */
  readonly kindMax: number
}

const USUAL: QuietOptions = { milliseconds: 60_000, equalMax: 5, kindMax: 100 }

/** Different lines that are counted apart; nothing but a client makes that many. */
const LINES_MAX = 2_000

/** Kinds that have no message in common. */
const REFUSED = 'a PKCS#11 call was refused'
const ANY = 'the server has much to say'

/** An operator has asked for all of it. */
const WIRE = 'wire'

interface Count {
  readonly details: object
  readonly message: string
  readonly write: Write
  /** Of all, and those of them that were not written. */
  lines: number
  unsaid: number
}

export class Quiet {
  readonly #options: QuietOptions
  #equal = new Map<string, Count>()
  #kinds = new Map<string, Count>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: Partial<QuietOptions> = {}) {
    this.#options = { ...USUAL, ...options }
  }

  /** Whether a line is to be written now; where it is not, it is counted. */
  admits(level: number, [details, message]: Line, write: Write): boolean {
    if (message === WIRE) return true
    this.#timer ??= setTimeout(() => this.tell(), this.#options.milliseconds).unref()
    const equal = this.#equalTo(level, details, message, write)
    if (equal !== undefined && ++equal.lines > this.#options.equalMax) {
      equal.unsaid++
      return false
    }
    const kind = kindOf(details, message)
    if (kind === undefined && equal !== undefined) return true
    if (this.#hasRoom(`${level} ${kind ?? ANY}`, kind ?? ANY, write)) return true
    // Told with its kind, and not by itself.
    this.#equal.delete(keyOf(level, details, message))
    return false
  }

  #hasRoom(key: string, kind: string, write: Write): boolean {
    const count = counted(this.#kinds, key, { details: {}, message: kind, write })
    if (++count.lines <= this.#options.kindMax) return true
    count.unsaid++
    return false
  }

  #equalTo(level: number, details: object, message: string, write: Write): Count | undefined {
    const key = keyOf(level, details, message)
    if (this.#equal.size >= LINES_MAX && !this.#equal.has(key)) return undefined
    return counted(this.#equal, key, { details, message, write })
  }

  /** Writes how many were left out, and begins anew. */
  tell(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const equal = [...this.#equal.values()].filter(({ unsaid }) => unsaid > 0)
    const kinds = [...this.#kinds.values()].filter(({ unsaid }) => unsaid > 0)
    this.#equal = new Map()
    this.#kinds = new Map()
    for (const { details, message, write, unsaid } of equal) {
      write({ ...withoutTrace(details), repeated: unsaid }, message)
    }
    for (const { message, write, unsaid } of kinds) {
      write({ unsaid }, `${message}; so often that most lines about it were left out`)
    }
  }
}

function counted(counts: Map<string, Count>, key: string, line: Omit<Count, 'lines' | 'unsaid'>) {
  let count = counts.get(key)
  if (count === undefined) {
    count = { ...line, lines: 0, unsaid: 0 }
    counts.set(key, count)
  }
  return count
}

function keyOf(level: number, details: object, message: string): string {
  const { err, ...rest } = details as { readonly err?: Partial<Error> }
  return `${level} ${message} ${textOf(rest)} ${err?.message ?? ''}`
}

/** What is no JSON is told from others by its message alone. */
function textOf(details: object): string {
  try {
    return JSON.stringify(details)
  } catch {
    return ''
  }
}

/** What clients cause names them, or is the answer to a call of theirs. */
function kindOf(details: object, message: string): string | undefined {
  if ('rv' in details) return REFUSED
  return 'peer' in details || 'principal' in details ? message : undefined
}

/** It stands in the log already. */
function withoutTrace(details: object): object {
  const { err, ...rest } = details as { readonly err?: Partial<Error> }
  return err === undefined ? rest : { ...rest, reason: err.message }
}
