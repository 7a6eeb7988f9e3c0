/**
 * PINs: the right one and no other, also once it is known again by its fast hash; and how long it
 * takes to find out that nobody has one.
 *
 * @module
 */
import { equal, notEqual, ok } from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isPin, newPin, wasteTime } from './pin.ts'

const PIN = Buffer.from('12345678')
const WRONG = ['', '1234567', '123456789', '12345679', '12345678\0'].map((text) => {
  return Buffer.from(text)
})

/** Milliseconds of the quickest of three. */
async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = []
  for (let round = 0; round < 3; round++) {
    const begun = performance.now()
    await work()
    times.push(performance.now() - begun)
  }
  return Math.min(...times)
}

describe('a PIN', { timeout: 60_000 }, () => {
  it('is known, and no other, before and after it was right', async () => {
    const record = await newPin(PIN, 3)
    equal(record.attemptsLeft, 3)
    for (let round = 0; round < 2; round++) {
      for (const wrong of WRONG) equal(await isPin(record, wrong), false, wrong.toString('hex'))
      equal(await isPin(record, PIN), true)
    }
  })

  it('is kept under a salt of its own, and none stands for another', async () => {
    const [one, same] = [await newPin(PIN, 3), await newPin(PIN, 3)]
    notEqual(one.salt, same.salt)
    notEqual(one.hash, same.hash)
    equal(await isPin(one, PIN), true)
    equal(await isPin({ ...one, salt: same.salt }, PIN), false)
    equal(await isPin({ ...one, hash: same.hash }, PIN), false)
  })

  it('costs time to guess, and none to give again', async () => {
    const record = await newPin(PIN, 3)
    const wrong = await timeOf(() => isPin(record, WRONG[0] as Buffer))
    ok(wrong > 5, `a wrong PIN takes ${wrong} ms`)
    await isPin(record, PIN)
    const known = await timeOf(() => isPin(record, PIN))
    ok(known < wrong / 4, `a known PIN takes ${known} ms, a wrong one ${wrong} ms`)
    const nobody = await timeOf(() => wasteTime(PIN))
    ok(nobody > wrong / 4, `a user that is none takes ${nobody} ms, a wrong PIN ${wrong} ms`)
  })
})
