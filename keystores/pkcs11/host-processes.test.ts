/**
 * A host in waiting: it is the one that is taken next, and leaves nothing behind.
 *
 * @module
 */
import { equal, notEqual, ok } from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { afterEach, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { HostProcesses } from './host-processes.ts'

/** Says on its lane that the word has come, and stays until nobody is there. */
const HOST = `
  const { writeSync } = require('node:fs')
  process.stdin.on('data', () => writeSync(3, 'went'))
`
const skip = existsSync('/proc/self/task') ? false : 'there is no /proc'

describe('the host processes of a device', { skip, timeout: 60_000 }, () => {
  const taken: ChildProcess[] = []
  const hosts = new HostProcesses({ command: [process.execPath, '-e', HOST], lanes: 1 })
  const take = (): ChildProcess => {
    const host = hosts.take()
    taken.push(host)
    return host
  }
  const prepared = async (): Promise<number> => {
    const before = new Set(children())
    hosts.prepare()
    for (let tries = 0; tries < 500; tries++) {
      const found = children().find((pid) => !before.has(pid))
      if (found !== undefined) return found
      await delay(20)
    }
    throw new Error('there is none in waiting')
  }
  afterEach(() => {
    for (const host of taken.splice(0)) host.kill('SIGKILL')
  })

  it('are one that goes at once, and one that goes when it is taken', async () => {
    const first = take()
    const waiting = await prepared()
    notEqual(first.pid, waiting)
    equal(children().length, 2)
    // No second one in waiting.
    hosts.prepare()
    await delay(600)
    equal(children().length, 2)
    const second = take()
    equal(second.pid, waiting)
    const [word] = (await once(second.stdio[3] as never, 'data')) as [Buffer]
    equal(word.toString(), 'went')
  })

  it('does not take one that has ended meanwhile', async () => {
    const waiting = await prepared()
    process.kill(waiting, 'SIGKILL')
    const next = take()
    const last = await Promise.race([
      once(next, 'exit').then(() => take()),
      once(next.stdio[3] as never, 'data').then(() => next),
    ])
    notEqual(last.pid, waiting)
    equal(last.exitCode, null)
  })

  it('leaves none behind, and has none in waiting any more', async () => {
    const waiting = await prepared()
    hosts.close()
    for (let tries = 0; tries < 100 && children().includes(waiting); tries++) await delay(20)
    ok(!children().includes(waiting))
    hosts.prepare()
    await delay(600)
    equal(children().length, 0)
  })
})

/** Processes of this test that have not ended. */
function children(): readonly number[] {
  const folder = `/proc/${process.pid}/task`
  const texts = readdirSync(folder).map((task) => {
    return readFileSync(`${folder}/${task}/children`, 'utf8')
  })
  const pids = texts.flatMap((text) => text.split(' ').filter((one) => one !== ''))
  return pids.map(Number).filter((pid) => {
    try {
      return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
    } catch {
      return false
    }
  })
}
