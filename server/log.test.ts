/**
 * A line of the log is a line, whatever clients call themselves.
 *
 * @module
 */
import { doesNotMatch, equal, match } from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { describe, it } from 'node:test'
import { createLog } from './log.ts'

const NAME = 'x"\n12:00:00 info forged\u001b[31m\u2028\u202e'

function logged(format: 'text' | 'json'): string {
  const stream = new PassThrough()
  const log = createLog({ level: 'info', format }, stream)
  log.info({ user: NAME }, `no PIN for user "${NAME}"`)
  const text = (stream.read() as Buffer).toString()
  equal(text.at(-1), '\n')
  return text.slice(0, -1)
}

describe('the log', () => {
  it('has a line of text for each event, with what would begin another one spelt out', () => {
    const line = logged('text')
    doesNotMatch(line, /[\p{Cc}\p{Cf}\p{Zl}]/u)
    match(line, /user "x"\\u\{a\}12:00:00 info forged\\u\{1b\}\[31m\\u\{2028\}\\u\{202e\}"/)
  })

  it('has the day in both forms: somebody looks for it a day later', () => {
    match(logged('text'), /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ info /)
    const { time } = JSON.parse(logged('json')) as { readonly time: string }
    match(time, /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ$/)
  })

  it('has an object for each event', () => {
    const { user } = JSON.parse(logged('json')) as { readonly user: string }
    equal(user, NAME)
  })
})
