/**
 * A process that survives what nobody has waited for.
 *
 * @module
 */
import { equal, match } from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'

const MODULE = new URL('./last-resort.ts', import.meta.url).href

describe('A promise that fails unheard', () => {
  const run = (first: string) => {
    const program = `
      import { surviveRejections } from ${JSON.stringify(MODULE)}
      ${first}
      void Promise.reject(new Error('nobody hears this'))
      setTimeout(() => console.log('still here'), 50)`
    const options = { encoding: 'utf8', timeout: 20_000 } as const
    return spawnSync(process.execPath, ['--input-type=module', '-e', program], options)
  }

  it('is told in the log, and ends nothing', () => {
    const { status, stdout } = run(
      'surviveRejections({ error: ({ err }, what) => console.log(what, err.message) })',
    )
    equal(status, 0)
    match(stdout, /a fault in Claviger nobody hears this\nstill here/)
  })

  it('would end a process otherwise', () => {
    const { status, stdout } = run('void surviveRejections')
    equal(status, 1)
    equal(stdout, '')
  })
})
