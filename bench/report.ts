/**
 * The results as a table, and the targets with whether they were met.
 *
 * @module
 */
import type { AloneResult, LoadResult } from './processes.ts'

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

/** One operation with one number of connections. */
export interface Row extends Rivals {
  readonly name: string
  readonly title: string
  readonly connections: number
}

export interface Report {
  readonly processor: string
  readonly cores: number
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
      encrypt && encrypt.server.perSecond / encrypt.echo.perSecond,
      TARGETS.encryptOfEcho,
    ),
    atLeast(
      `Get, ${JUDGED} connections: ${TARGETS.getOfPyKmip} times PyKMIP`,
      get?.pykmip && get.server.perSecond / get.pykmip.perSecond,
      TARGETS.getOfPyKmip,
    ),
    atLeast(
      `Sign RSA-2048, ${JUDGED} connections: ${TARGETS.rsaOfAlone} of node:crypto on the cores it uses`,
      rsa && ofCrypto(rsa.server, rsa.alone),
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

/** Operations a second of a core, of those of node:crypto alone: the load is not counted. */
function ofCrypto(server: Measured, alone: AloneResult | undefined): number | undefined {
  const { processorMicros } = server
  return alone && processorMicros && alone.processorMicros / processorMicros
}

function aloneCells(server: Measured, alone: AloneResult | undefined): readonly string[] {
  if (alone === undefined) return ['', '', '', '']
  const { perSecond, processorMicros } = alone
  const rates = [perSecond.toFixed(0), processorMicros.toFixed(0)]
  const whole = (server.perSecond / perSecond).toFixed(2)
  return [...rates, whole, ofCrypto(server, alone)?.toFixed(2) ?? '']
}

const HEADS = [
  ['operation', 'conns', 'ops/s', 'p50 ms', 'p99 ms', 'cpu us'],
  ['echo/s', 'cpu us', 'of echo', 'crypto/s', 'cpu us', 'of crypto', 'a core'],
  ['PyKMIP/s', 'x PyKMIP'],
].flat()

export function tableText(report: Report): string {
  const { processor, cores, objects, few, fillSeconds } = report
  const lines = report.rows.map(({ title, connections, server, echo, alone, pykmip }) => [
    title,
    String(connections),
    server.perSecond.toFixed(0),
    server.p50.toFixed(2),
    server.p99.toFixed(2),
    server.processorMicros?.toFixed(0) ?? '',
    echo.perSecond.toFixed(0),
    echo.processorMicros?.toFixed(0) ?? '',
    (server.perSecond / echo.perSecond).toFixed(2),
    ...aloneCells(server, alone),
    pykmip?.perSecond.toFixed(0) ?? '',
    pykmip === undefined ? '' : (server.perSecond / pykmip.perSecond).toFixed(0),
  ])
  const notes = [
    `${processor}, ${cores} cores, Node ${process.versions.node}`,
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
