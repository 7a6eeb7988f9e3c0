/**
 * The results of PKCS#11 as a table, with ratios, and the targets with whether they were met.
 *
 * @module
 */

import { type Machine, machineText } from '../machine.ts'
import type { AloneResult } from '../processes.ts'
import { atLeast, columns, type Verdict, verdictText } from '../report.ts'
import { medianOf, middle, quotient } from '../rounds.ts'
import type { Absent, Result } from './modules.ts'

export type Outcome = Result | Absent

/** Those that are compared; undefined for a module that is not here. */
export interface Rivals {
  readonly ours: Outcome | undefined
  readonly softHsm: Outcome | undefined
  readonly p11Kit: Outcome | undefined
  /** node:crypto by itself: no server in Node does more. */
  readonly alone: AloneResult | undefined
}

/** One operation with one number of threads: of each rival the round in the middle. */
export interface Row extends Rivals {
  readonly name: string
  readonly title: string
  readonly threads: number
  /** Medians of what the rivals of a round are to each other. */
  readonly ofSoftHsm: number | undefined
  readonly ofP11Kit: number | undefined
  readonly ofAlone: number | undefined
  readonly aloneOfSoftHsm: number | undefined
}

export interface Report {
  readonly machine: Machine
  /** Objects in our token, and in SoftHSM2's. */
  readonly objects: number
  readonly few: number
  /** SoftHSM2's in the row of find among many. */
  readonly peerObjects: number
  /** What could not be measured, and why. */
  readonly without: readonly string[]
  readonly rows: readonly Row[]
}

interface Target {
  readonly ofSoftHsm?: number
  readonly ofP11Kit?: number
}

/** With one thread. */
const ALONE: Readonly<Record<string, Target>> = {
  'sign-rsa': { ofSoftHsm: 1.5 },
  'sign-ec': { ofSoftHsm: 0.7, ofP11Kit: 3 },
  'gcm-1k': { ofSoftHsm: 0.4, ofP11Kit: 2.5 },
  'find-few': { ofSoftHsm: 100 },
  'find-many': { ofSoftHsm: 100 },
}

/** With more, in every row. */
const TOGETHER: Target = { ofP11Kit: 1.5 }

function isMeasured(one: Outcome | undefined): one is Result {
  // 0: no operation fitted into the time.
  return one !== undefined && 'perSecond' in one && one.perSecond > 0
}

function measured(one: Outcome | undefined): Result | undefined {
  return isMeasured(one) ? one : undefined
}

/** What the rounds of one operation come to. */
export function rowOf(
  what: Pick<Row, 'name' | 'title' | 'threads'>,
  rounds: readonly Rivals[],
): Row {
  const one = (name: 'ours' | 'softHsm' | 'p11Kit'): Outcome | undefined =>
    middle(rounds.map((round) => measured(round[name]))) ?? rounds[0]?.[name]
  const of = (pair: (round: Rivals) => number | undefined) => medianOf(rounds, pair)
  return {
    ...what,
    ours: one('ours'),
    softHsm: one('softHsm'),
    p11Kit: one('p11Kit'),
    alone: middle(rounds.map((round) => round.alone)),
    ofSoftHsm: of(({ ours, softHsm }) => quotient(measured(ours), measured(softHsm))),
    ofP11Kit: of(({ ours, p11Kit }) => quotient(measured(ours), measured(p11Kit))),
    ofAlone: of(({ ours, alone }) => quotient(measured(ours), alone)),
    aloneOfSoftHsm: of(({ alone, softHsm }) => quotient(alone, measured(softHsm))),
  }
}

export function verdicts({ rows }: Report): readonly Verdict[] {
  return rows.flatMap(({ name, title, threads, ...found }) => {
    const { ofSoftHsm, ofP11Kit } = (threads === 1 ? ALONE[name] : TOGETHER) ?? {}
    const what = `${title}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`
    const judged: Verdict[] = []
    if (ofSoftHsm !== undefined) {
      judged.push(atLeast(`${what}: ${ofSoftHsm} of SoftHSM2`, found.ofSoftHsm, ofSoftHsm))
    }
    if (ofP11Kit !== undefined) {
      judged.push(atLeast(`${what}: ${ofP11Kit} of p11-kit`, found.ofP11Kit, ofP11Kit))
    }
    return judged
  })
}

const HEADS = [
  ['operation', 'threads', 'ops/s', 'p50 us', 'p99 us', 'cpu us'],
  ['SoftHSM2/s', 'p50 us', 'p99 us', 'of it'],
  ['p11-kit/s', 'p50 us', 'p99 us', 'of it'],
  ['crypto/s', 'of it', 'it of SoftHSM2'],
].flat()

export function tableText(report: Report): string {
  const { machine, objects, few, peerObjects, without, rows } = report
  const lines = rows.map(({ title, threads, ours, softHsm, p11Kit, alone, ...row }) => [
    ...[
      title,
      String(threads),
      ...cells(ours),
      isMeasured(ours) ? ours.serverMicros.toFixed(0) : '',
    ],
    ...[...cells(softHsm), row.ofSoftHsm?.toFixed(2) ?? ''],
    ...[...cells(p11Kit), row.ofP11Kit?.toFixed(2) ?? ''],
    alone?.perSecond.toFixed(0) ?? '',
    row.ofAlone?.toFixed(2) ?? '',
    row.aloneOfSoftHsm?.toFixed(2) ?? '',
  ])
  const notes = [
    machineText(machine),
    `objects: ${objects} in our token, ${few} in SoftHSM2's, which reads them one by one; ` +
      `with "many" it has ${peerObjects}`,
    'n/a: the module does not have the mechanism',
    ...without,
  ]
  const judged = verdicts(report).map(verdictText)
  return `${[...notes, '', ...columns(HEADS, lines), '', ...judged].join('\n')}\n`
}

function cells(one: Row['ours']): readonly string[] {
  if (isMeasured(one)) {
    return [one.perSecond.toFixed(0), one.p50.toFixed(0), one.p99.toFixed(0)]
  }
  return [one === undefined ? '' : 'absent' in one ? 'n/a' : '0', '', '']
}
