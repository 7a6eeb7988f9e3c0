/**
 * Looking for the next call instead of sleeping: for as long as `callSpinMicroseconds` says, and
 * ever more rarely where no call comes.
 *
 * @module
 */
import { ok } from 'node:assert/strict'
import { performance } from 'node:perf_hooks'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Lookout } from './lookout.ts'

/** Milliseconds in which the event loop did not sleep. */
async function awake(work: () => Promise<void>): Promise<number> {
  const before = performance.eventLoopUtilization()
  await work()
  return performance.eventLoopUtilization(before).active
}

describe('the lookout for calls', { timeout: 20_000 }, () => {
  it('keeps the loop awake for callSpinMicroseconds after a call, and not longer', async () => {
    const lookout = new Lookout(200_000)
    const milliseconds = await awake(async () => {
      lookout.expect()
      await sleep(600)
    })
    ok(milliseconds >= 190 && milliseconds < 450, `${milliseconds} ms`)
  })

  it('lets it sleep where callSpinMicroseconds is 0', async () => {
    const lookout = new Lookout(0)
    const milliseconds = await awake(async () => {
      lookout.expect()
      await sleep(400)
    })
    ok(milliseconds < 150, `${milliseconds} ms`)
  })

  it('looks ever more rarely when no call follows, and always again once one has', async () => {
    const lookout = new Lookout(20_000)
    const rarely = await awake(async () => {
      for (let call = 0; call < 16; call++) {
        lookout.expect()
        await sleep(40)
      }
    })
    // 16 times 20 ms, if it always looked; it does at the calls 1, 3, 7 and 15.
    ok(rarely >= 60 && rarely < 220, `${rarely} ms`)
    const always = await awake(async () => {
      for (let call = 0; call < 60; call++) {
        lookout.expect()
        await sleep(5)
      }
    })
    ok(always >= 150, `${always} ms`)
  })
})
