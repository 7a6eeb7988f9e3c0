/**
 * The results of PKCS#11 as a table, with ratios, and the targets with whether they were met.
 *
 * @module
 */

import type { AloneResult } from '../processes.ts'
import { atLeast, columns, type Verdict, verdictText } from '../report.ts'
import type { Absent, Result } from './modules.ts'

export type Outcome = Result | Absent

/** One operation with one number of threads; undefined for a module that is not here. */
export interface Row {
  readonly name: string
  readonly title: string
  readonly threads: number
  readonly ours?: Outcome | undefined
  readonly softHsm?: Outcome | undefined
  readonly p11Kit?: Outcome | undefined
  /** node:crypto by itself: no server in Node does more. */
  readonly alone?: AloneResult | undefined
}

export interface Report {
  readonly processor: string
  readonly cores: number
  /** Objects in our token, and in SoftHSM2's. */
  readonly objects: number
  readonly few: number
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

export function isMeasured<R extends { readonly perSecond: number }>(
  one: R | Absent | undefined,
): one is R {
  // 0: no operation fitted into the time.
  return one !== undefined && 'perSecond' in one && one.perSecond > 0
}

type Rate = Outcome | AloneResult | undefined

function ratio(one: Rate, other: Rate): number | undefined {
  return isMeasured(one) && isMeasured(other) ? one.perSecond / other.perSecond : undefined
}

function quotient(one: Rate, other: Rate): string {
  return ratio(one, other)?.toFixed(2) ?? ''
}

export function verdicts({ rows }: Report): readonly Verdict[] {
  return rows.flatMap(({ name, title, threads, ours, softHsm, p11Kit }) => {
    const { ofSoftHsm, ofP11Kit } = (threads === 1 ? ALONE[name] : TOGETHER) ?? {}
    const what = `${title}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`
    const found: Verdict[] = []
    if (ofSoftHsm !== undefined) {
      const target = `${what}: ${ofSoftHsm} of SoftHSM2`
      found.push(atLeast(target, ratio(ours, softHsm), ofSoftHsm))
    }
    if (ofP11Kit !== undefined) {
      found.push(atLeast(`${what}: ${ofP11Kit} of p11-kit`, ratio(ours, p11Kit), ofP11Kit))
    }
    return found
  })
}

const HEADS = [
  ['operation', 'threads', 'ops/s', 'p50 us', 'p99 us', 'cpu us'],
  ['SoftHSM2/s', 'p50 us', 'p99 us', 'of it'],
  ['p11-kit/s', 'p50 us', 'p99 us', 'of it'],
  ['crypto/s', 'of it', 'it of SoftHSM2'],
].flat()

export function tableText(report: Report): string {
  const { processor, cores, objects, few, without, rows } = report
  const lines = rows.map(({ title, threads, ours, softHsm, p11Kit, alone }) => [
    ...[
      title,
      String(threads),
      ...cells(ours),
      isMeasured(ours) ? ours.serverMicros.toFixed(0) : '',
    ],
    ...[...cells(softHsm), quotient(ours, softHsm)],
    ...[...cells(p11Kit), quotient(ours, p11Kit)],
    ...[alone?.perSecond.toFixed(0) ?? '', quotient(ours, alone), quotient(alone, softHsm)],
  ])
  const notes = [
    `${processor}, ${cores} cores, Node ${process.versions.node}`,
    `objects: ${objects} in our token, ${few} in SoftHSM2's, which reads them one by one; ` +
      `its rows of find are those of ${few} objects`,
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
