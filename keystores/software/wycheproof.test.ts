/**
 * The software keystore against the vectors of C2SP Wycheproof.
 *
 * A valid case that fails and an invalid one that is accepted fail the test. What is skipped is
 * counted by reason and told. Cases that the vectors call acceptable may end either way, and are
 * counted too.
 *
 * @module
 */
import { deepEqual, ok } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { describe, it } from 'node:test'
import { DATA_KEY_BYTES, Sealer } from '#core/sealer.ts'
import { Secret } from '#core/secret.ts'
import { needsShared, sharedFiles } from '#tools/shared.ts'
import { Bench } from '../contract-bench.ts'
import { type Case, prepareOf, type Try, tried, type VectorFile } from '../wycheproof.ts'
import { SoftwareKeystore } from './software.ts'

const FOLDER = 'vectors/wycheproof/testvectors_v1'

describe('software keystore: Wycheproof', { ...needsShared(FOLDER), timeout: 600_000 }, () => {
  const dataKey = new Secret(randomBytes(DATA_KEY_BYTES))
  const bench = new Bench(new SoftwareKeystore('software', new Sealer(new Map([[1, dataKey]]))))
  const counts = new Map<string, number>()
  const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1)

  for (const path of sharedFiles(FOLDER, '_test.json')) {
    it(basename(path, '_test.json'), async () => {
      const file = JSON.parse(readFileSync(path, 'utf8')) as VectorFile
      const problems: string[] = []
      for (const group of file.testGroups) {
        const attempt = await prepareOf(group.type)?.(bench, group as never, file.algorithm)
        for (const test of group.tests) {
          const problem = await judge(attempt, group.type, test, count)
          if (problem !== undefined) problems.push(problem)
        }
      }
      deepEqual(problems.slice(0, 20), [])
    })
  }

  it('has tried most of what it found, and says what it has not', (context) => {
    for (const [what, times] of [...counts].toSorted()) context.diagnostic(`${times} ${what}`)
    const [right = 0, all] = [
      counts.get('as the vector says'),
      [...counts.values()].reduce((a, b) => a + b, 0),
    ]
    ok(right > all * 0.8, `${right} of ${all}`)
  })
})

/** @returns What is wrong with the outcome; undefined when it is right. */
async function judge(
  attempt: Try | undefined,
  type: string,
  test: Case,
  count: (what: string) => void,
): Promise<string | undefined> {
  if (attempt === undefined) return void count(`skipped: ${type} is not an operation of keystores`)
  const outcome = await tried(attempt, test)
  if (typeof outcome === 'object') return void count(`skipped: ${outcome.skipped}`)
  if (test.result === 'acceptable') return void count(`acceptable, ${outcome}`)
  if ((outcome === 'accepted') === (test.result === 'valid')) {
    return void count('as the vector says')
  }
  const { tcId, comment, flags = [], result } = test
  return `case ${tcId} (${result}; ${[comment, ...flags].join(', ')}) was ${outcome}`
}
