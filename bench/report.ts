/**
 * The results as a table, and the targets with whether they were met.
 *
 * @module
 */
import { type Machine, machineText } from './machine.ts'
import type { AloneResult, LoadResult } from './processes.ts'
import { medianOf, middle, quotient } from './rounds.ts'

/** How one server did. */
export interface Measured extends LoadResult {
  /**
   * Processor time for one operation in microseconds, handshakes included; undefined if not known.
   */
  readonly processorMicros?: number
}

/** Those that are compared. */
export interface Rivals {
  readonly server: Measured
  readonly echo: Measured
  readonly pykmip?: Measured | undefined
  /** node:crypto alone. */
  readonly alone?: AloneResult | undefined
}

/** One operation with one number of connections: of each rival the round in the middle. */
export interface Row extends Rivals {
  readonly name: string
  readonly title: string
  readonly connections: number
  /** Operations a second of the rival's, and a core of node:crypto's: medians of the rounds. */
  readonly ofEcho: number | undefined
  readonly ofPyKmip: number | undefined
  readonly ofAlone: number | undefined
  readonly coreOfAlone: number | undefined
}

/** What the rounds of one operation come to. @throws `Error` when there is none. */
export function rowOf(
  what: Pick<Row, 'name' | 'title' | 'connections'>,
  rounds: readonly Rivals[],
): Row {
  const server = middle(rounds.map((one) => one.server))
  const echo = middle(rounds.map((one) => one.echo))
  if (server === undefined || echo === undefined) throw new Error('Cannot measure in no rounds')
  return {
    ...what,
    server,
    echo,
    pykmip: middle(rounds.map((one) => one.pykmip)),
    alone: middle(rounds.map((one) => one.alone)),
    ofEcho: medianOf(rounds, (one) => quotient(one.server, one.echo)),
    ofPyKmip: medianOf(rounds, (one) => quotient(one.server, one.pykmip)),
    ofAlone: medianOf(rounds, (one) => quotient(one.server, one.alone)),
    coreOfAlone: medianOf(rounds, ({ server: { processorMicros: ours }, alone }) => {
      return alone && ours && alone.processorMicros / ours
    }),
  }
}

export interface Report {
  readonly machine: Machine
  readonly objects: number
  readonly few: number
  /** Time to make the objects; to start with them; memory after the start and at the end. */
  readonly fillSeconds: number
  readonly startSeconds: number
  readonly startMebibytes: number
  readonly endMebibytes: number
  /** Why there is nothing of PyKMIP; undefined where there is, or where nothing was asked of it. */
  readonly withoutPyKmip?: string | undefined
  readonly rows: readonly Row[]
}

export interface Verdict {
  readonly target: string
  /** Undefined: not measured in this run. */
  readonly met: boolean | undefined
  readonly found: string
}

/** Connections at which throughput is judged; latency is judged with one. */
const JUDGED = 16

const TARGETS = {
  encryptOfEcho: 0.4,
  getOfPyKmip: 100,
  rsaOfAlone: 0.8,
  locateMilliseconds: 2,
  locateOfFew: 2,
  startSeconds: 2,
  startMebibytes: 400,
} as const

export function verdicts(report: Report): readonly Verdict[] {
  const row = (name: string, connections: number): Row | undefined => {
    return report.rows.find((one) => one.name === name && one.connections === connections)
  }
  const [encrypt, get, rsa] = ['encrypt-64', 'get', 'sign-rsa'].map((name) => row(name, JUDGED))
  const [many, few] = [row('locate-many', 1), row('locate-few', 1)]
  const slower = many && few && many.server.p50 / few.server.p50
  const { startSeconds, startMebibytes } = report
  return [
    atLeast(
      `Encrypt 64 B, ${JUDGED} connections: ${TARGETS.encryptOfEcho} of the echo`,
      encrypt?.ofEcho,
      TARGETS.encryptOfEcho,
    ),
    atLeast(
      `Get, ${JUDGED} connections: ${TARGETS.getOfPyKmip} times PyKMIP`,
      get?.ofPyKmip,
      TARGETS.getOfPyKmip,
    ),
    atLeast(
      `Sign RSA-2048, ${JUDGED} connections: ${TARGETS.rsaOfAlone} of node:crypto on the cores it uses`,
      rsa?.coreOfAlone,
      TARGETS.rsaOfAlone,
    ),
    atMost(
      `Locate by name among many, 1 connection: p99 within ${TARGETS.locateMilliseconds} ms`,
      many?.server.p99,
      TARGETS.locateMilliseconds,
    ),
    atMost(
      `Locate by name: p50 among many within ${TARGETS.locateOfFew} times that among few`,
      slower,
      TARGETS.locateOfFew,
    ),
    atMost(`Start within ${TARGETS.startSeconds} s`, startSeconds, TARGETS.startSeconds),
    atMost(
      `Memory after the start within ${TARGETS.startMebibytes} MiB`,
      startMebibytes,
      TARGETS.startMebibytes,
    ),
  ]
}

export function verdictText({ target, met, found }: Verdict): string {
  return `${met === undefined ? '-     ' : met ? 'met   ' : 'missed'}  ${target}: ${found}`
}

export function atLeast(target: string, found: number | undefined, bound: number): Verdict {
  return verdict(target, found, found !== undefined && found >= bound)
}

function atMost(target: string, found: number | undefined, bound: number): Verdict {
  return verdict(target, found, found !== undefined && found <= bound)
}

function verdict(target: string, found: number | undefined, met: boolean): Verdict {
  if (found === undefined) return { target, met: undefined, found: 'not measured' }
  return { target, met, found: found.toFixed(2) }
}

function aloneCells({ alone, ofAlone, coreOfAlone }: Row): readonly string[] {
  if (alone === undefined) return ['', '', '', '']
  const rates = [alone.perSecond.toFixed(0), alone.processorMicros.toFixed(0)]
  return [...rates, ofAlone?.toFixed(2) ?? '', coreOfAlone?.toFixed(2) ?? '']
}

const HEADS = [
  ['operation', 'conns', 'ops/s', 'p50 ms', 'p99 ms', 'cpu us'],
  ['echo/s', 'cpu us', 'of echo', 'crypto/s', 'cpu us', 'of crypto', 'a core'],
  ['PyKMIP/s', 'x PyKMIP'],
].flat()

export function tableText(report: Report): string {
  const { machine, objects, few, fillSeconds } = report
  const lines = report.rows.map(({ server, echo, pykmip, ...row }) => [
    row.title,
    String(row.connections),
    server.perSecond.toFixed(0),
    server.p50.toFixed(2),
    server.p99.toFixed(2),
    server.processorMicros?.toFixed(0) ?? '',
    echo.perSecond.toFixed(0),
    echo.processorMicros?.toFixed(0) ?? '',
    row.ofEcho?.toFixed(2) ?? '',
    ...aloneCells({ server, echo, ...row }),
    pykmip?.perSecond.toFixed(0) ?? '',
    row.ofPyKmip?.toFixed(0) ?? '',
  ])
  const notes = [
    machineText(machine),
    `many: ${objects} objects, made in ${fillSeconds.toFixed(1)} s; few: ${few}`,
    `start ${report.startSeconds.toFixed(2)} s; memory ${report.startMebibytes.toFixed(0)} MiB ` +
      `after the start, ${report.endMebibytes.toFixed(0)} MiB at the end`,
    ...(report.withoutPyKmip === undefined ? [] : [`PyKMIP skipped: ${report.withoutPyKmip}`]),
  ]
  const judged = verdicts(report).map(verdictText)
  return `${[...notes, '', ...columns(HEADS, lines), '', ...judged].join('\n')}\n`
}

/** The first column to the left, numbers to the right. */
export function columns(
  heads: readonly string[],
  lines: readonly (readonly string[])[],
): readonly string[] {
  const rows = [heads, ...lines]
  const widths = heads.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)))
  return rows.map((row) => {
    const cells = row.map((cell, at) => {
      const width = widths[at] ?? 0
      return at === 0 ? cell.padEnd(width) : cell.padStart(width)
    })
    return cells.join('  ').trimEnd()
  })
}
