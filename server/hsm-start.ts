/**
 * What a server does with its keystores before it serves: sees that they are there, finishes what
 * was cut short, adopts keys, and tries key-encrypting keys.
 *
 * An HSM that is away, or that lets one wait, is no reason not to serve the others: after a while
 * the server goes on, and all this is done beside its work. Where a person is asked for a PIN, it
 * waits for the person.
 *
 * @module
 */

import type { Keystore } from '#core/keystore.ts'
import type { House } from './house.ts'
import { adoptAtStart, hsms } from './hsm.ts'
import { kekAtStart } from './hsm-kek.ts'

/** How long a start waits for HSMs; supervisors wait longer for a server. */
const PATIENCE_MILLISECONDS = 10_000

/** @param furnish What is done before anything is adopted. */
export async function startKeystores(
  house: House,
  furnish: () => Promise<void>,
  patience = PATIENCE_MILLISECONDS,
): Promise<void> {
  const { services, config } = house
  const isAsked = config.keystores.some((one) => one.type === 'pkcs11' && one.pinPrompt)
  const until = isAsked ? Infinity : performance.now() + patience
  await furnish()
  const all = [...services.keystores.all()]
  const awake = new Map(all.map((keystore) => [keystore, look(house, keystore)]))
  let isAwake = false
  // Each by itself: one that lets one wait does not hold up the keys of the others.
  const looked = Promise.all(awake.values()).then(() => {
    isAwake = true
  })
  const adopted = hsms(house).map(async ([own, keystore]) => {
    await awake.get(keystore)
    await adoptAtStart(house, own, keystore)
    await kekAtStart(house, keystore)
  })
  const ready = Promise.all([looked, ...adopted]).then(() => undefined)
  if (await isDone(ready, until)) return
  const { log } = services
  const seconds = Math.round(patience / 1_000)
  const waiting = isAwake ? 'their keys' : 'them'
  log.warn({ seconds }, `the start does not wait any longer for HSMs; ${waiting} come later`)
  ready.catch((err: unknown) => log.error({ err }, 'HSMs could not be made ready'))
}

/** Whether it is done by then. @throws What it throws by then. */
async function isDone(work: Promise<void>, until: number): Promise<boolean> {
  if (until === Infinity) return work.then(() => true)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), Math.max(0, until - performance.now()))
  })
  try {
    return await Promise.race([work.then(() => true as const), late])
  } finally {
    clearTimeout(timer)
  }
}

/** One that is away is tried again when it is asked. */
async function look({ services }: House, keystore: Keystore): Promise<void> {
  const { name } = keystore
  try {
    await keystore.health()
  } catch (err) {
    services.log.warn({ keystore: name, reason: (err as Error).message }, 'keystore is away')
  }
  await services.destructions.finish(services, name)
}
